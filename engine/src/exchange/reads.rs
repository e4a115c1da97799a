//! Image -> which facts of a connection no decision of it can depend on, so that a host need not ask for them. Says
//! "reads" where it can not tell. Knows no requests.
//!
//! What a decision looks at has a slot ([`Source`]), a variable of the graphs, or a declaration; each of the three is
//! looked through. A new kind of source does not compile until it is told here.

use crate::front::credentials::PEER;
use crate::image::Image;
use crate::image::config::{Config, Source};
use crate::image::layout::{VAR, dir, var};

/// Facts of the connection and the clock that decisions of a policy can depend on. The default reads nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The socket's address.
    pub address: bool,
    /// The client certificate, or whether there is one. Only of one without a fault: a host that hands over faults
    /// hands them over whatever this says.
    pub certificate: bool,
    /// TLS server name.
    pub sni: bool,
    /// The protocol's name.
    pub protocol: bool,
    /// The wall clock.
    pub clock: bool,
    /// Context facts.
    pub context: bool,
}

impl Reads {
    /// Of a policy.
    pub fn of(image: &Image) -> Reads {
        let config = image.config();
        let (services, bodies) = (&config.services, config.rules.bodies());
        let demands_sni =
            services.iter().any(|service| service.require_sni) || bodies.iter().any(|body| body.require_sni);
        let has_sunset = services.iter().any(|service| service.sunset_us.is_some())
            || bodies.iter().any(|body| body.sunset_us.is_some());
        let mut reads = Reads {
            // Without `peers` no certificate is a valid credential, nor one that a principal trusts.
            certificate: !config.peers.is_empty() || asks_for_certificate(image),
            sni: demands_sni,
            clock: has_sunset || image.admission().is_shut(None),
            context: !config.context.is_empty(),
            ..Reads::default()
        };
        config.sources.iter().for_each(|source| reads.add(source));
        reads
    }

    fn add(&mut self, source: &Source) {
        match source {
            // A header is believed by the address that it comes from.
            Source::ClientIp | Source::ConnectionIp | Source::Trusted(_) => self.address = true,
            Source::PeerSpiffe | Source::PeerDns | Source::PeerSubject | Source::PeerFingerprint => {
                self.certificate = true;
            }
            Source::Sni => self.sni = true,
            Source::Protocol => self.protocol = true,
            Source::Now => self.clock = true,
            Source::Context(_) => self.context = true,
            // Of the request's own bytes.
            Source::Method
            | Source::Scheme
            | Source::Host
            | Source::Port
            | Source::Path
            | Source::Query(_)
            | Source::Header(_)
            | Source::Cookie(_)
            | Source::Size
            | Source::ContentType
            | Source::Segment { .. }
            | Source::Rest { .. } => {}
            // Of credentials that are always handed over.
            Source::Claim(_)
            | Source::Scopes
            | Source::KeyId
            | Source::KeyField(_)
            | Source::SignatureName => {}
            // Its key is another source.
            Source::Cell { .. } => {}
        }
    }
}

/// Members at the top of an issuer's claims that decisions can read, sorted. What else a token says changes no decision,
/// so a host may leave it out of what it hands over, once it has seen that it can be read and that no name is there
/// twice.
pub fn claims_read<'c>(config: &'c Config, issuer: &str) -> Vec<&'c str> {
    let reads = |wanted: &Source| config.sources.contains(wanted);
    let Some(issuer) = config.issuers.iter().find(|own| own.name == issuer) else {
        return Vec::new();
    };
    let claims = issuer.claims.iter();
    let claims = claims.filter(|claim| reads(&Source::Claim(claim.claim)));
    let scopes = reads(&Source::Scopes).then_some(issuer.scopes_member.as_str());
    let firsts = claims.filter_map(|claim| claim.path.first().map(String::as_str));
    let mut members: Vec<&str> = firsts.chain(scopes).collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// Whether some variable of the graphs asks if a certificate was presented, which no slot and no declaration tells.
/// Whether one is valid ([`var::VALID`], [`var::ANCHOR`]) is settled without `peers`.
fn asks_for_certificate(image: &Image) -> bool {
    let (first, count) = (image.directory(dir::VARS), image.directory(dir::VAR_COUNT));
    (0..count).any(|id| {
        let head = image.directory(first.saturating_add(id.saturating_mul(VAR)));
        let (kind, of) = (head >> var::KIND_SHIFT, head & var::A_MAX);
        // As a decision reads the kind of credential.
        kind == var::PRESENTED && of as u8 == PEER
    })
}

#[cfg(all(test, feature = "compile"))]
mod tests {
    use super::*;
    use crate::image::Trust;

    fn image(declarations: &str, clauses: &str) -> Image {
        let text = format!(
            "gate 1; {declarations} service s on \"a.example\" {{ allow anyone to GET /a as a; {clauses} }}"
        );
        let checked = portcullis_lang::check::load_text(&text);
        let policy = checked
            .policy
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let image = crate::compile(&policy).unwrap();
        Image::load(&image, &Trust::Unsigned).unwrap()
    }

    fn reads(declarations: &str, clauses: &str) -> Reads {
        Reads::of(&image(declarations, clauses))
    }

    #[test]
    fn only_claims_that_rules_look_at_are_read() {
        let issuers = r#"issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway;
                claims { tenant: string = org.tenant; level: int = 0; idle: string; } }
            issuer other { url "https://other.example.com/"; audience "a"; verified by gateway; scopes from scp; }
            principal staff = token from corp;"#;
        let of = |clauses: &str, issuer: &str| {
            let image = image(issuers, clauses);
            let read = claims_read(image.config(), issuer);
            read.join(" ")
        };
        let clauses = r#"allow staff to GET /b with scope "x" when token.tenant == "t" and token.level > 2;"#;
        assert_eq!(of(clauses, "corp"), "level org scope");
        assert_eq!(of(clauses, "other"), "scp");
        assert_eq!(of("allow staff to GET /b;", "corp"), "");
        assert_eq!(of("allow staff to GET /b with max age 5m;", "corp"), "auth_time");
        assert_eq!(of("allow staff to GET /b with acr \"x\";", "corp"), "acr");
        assert_eq!(
            of("allow staff to GET /b { limit 5 per 1m by token.sub; }", "corp"),
            "sub"
        );
        assert_eq!(of(clauses, "nobody"), "");
    }

    #[test]
    fn a_policy_of_paths_reads_nothing_of_the_connection() {
        let issuer = r#"issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway; }
            principal staff = token from corp;"#;
        for (declarations, clauses) in [
            ("", ""),
            ("trust { proxies 10.0.0.0/8; }", ""),
            (issuer, "allow staff to GET /b;"),
            ("", "deny anyone to any /b when exists token;"),
            ("", r#"allow anyone to GET /c when request.header["x-a"] == "1";"#),
        ] {
            assert_eq!(reads(declarations, clauses), Reads::default(), "{clauses}");
        }
    }

    #[test]
    fn every_way_to_read_a_fact_is_told() {
        let address = Reads {
            address: true,
            ..Reads::default()
        };
        let certificate = Reads {
            certificate: true,
            ..Reads::default()
        };
        let sni = Reads {
            sni: true,
            ..Reads::default()
        };
        let clock = Reads {
            clock: true,
            ..Reads::default()
        };
        let mesh = r#"peers mesh { trust "cluster.local"; }"#;
        let country = r#"trust { proxies 10.0.0.0/8; header "x-country" as geo.country: string; }"#;
        let fact = |fact: &str| format!("allow anyone to GET /b when {fact};");
        for (declarations, clauses, expected) in [
            ("network near = 10.0.0.0/8;", fact("client.ip in near"), address),
            ("", fact("connection.ip == client.ip"), address),
            (
                "",
                "allow anyone to GET /b { limit 5 per 1m by client.ip; }".into(),
                address,
            ),
            (
                "",
                "allow anyone to GET /b { set request header \"x-ip\" client.ip; }".into(),
                address,
            ),
            (country, fact("geo.country == \"at\""), address),
            (mesh, String::new(), certificate),
            ("", "deny anyone to any /b when exists peer;".into(), certificate),
            ("", fact("not exists peer"), certificate),
            (
                "",
                "report deny anyone to any /b when exists peer;".into(),
                certificate,
            ),
            ("", fact("request.sni == \"a\""), sni),
            ("", "require sni == host;".into(), sni),
            ("", "on any /a { require sni == host; }".into(), sni),
            ("", fact("now < 2030-01-01T00:00:00Z"), clock),
            ("", "sunset 2030-01-01T00:00:00Z;".into(), clock),
            ("", "on any /a { sunset 2030-01-01T00:00:00Z; }".into(), clock),
            (
                "",
                fact("request.protocol == \"HTTP/2\""),
                Reads {
                    protocol: true,
                    ..Reads::default()
                },
            ),
            (
                "context { region: string; }",
                String::new(),
                Reads {
                    context: true,
                    ..Reads::default()
                },
            ),
        ] {
            assert_eq!(
                reads(declarations, &clauses),
                expected,
                "{declarations} {clauses}"
            );
        }
    }
}
