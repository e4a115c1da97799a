//! Declarations outside services: who vouches, what the host hands over, data beside the policy. Everything is
//! drawn from small pools, so that facts, literals and data meet often.

use std::collections::BTreeMap;

use super::present::key_set;
use super::present_key::{PEPPER, key_file};
use crate::rng::Rng;

/// Declaration name and type text, type, values, defaults of a claim that an issuer may declare.
type ClaimDraft = (
    &'static str,
    &'static str,
    Ty,
    &'static [&'static str],
    &'static [&'static str],
);

/// The type of a fact in the generator's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Ty {
    Bool,
    Int,
    #[default]
    Text,
    Ip,
    Set,
    Instant,
}

/// A fact with literals that suit it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fact {
    pub(super) text: String,
    pub(super) ty: Ty,
    pub(super) values: Vec<&'static str>,
    /// Its values have one spelling: the checker refuses texts that none of them can be.
    pub(super) exact: bool,
}

/// What the rules of a policy may name.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) declarations: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) principals: Vec<String>,
    pub(super) conditions: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) hours: Vec<String>,
    pub(super) lists: Vec<(String, Ty)>,
    pub(super) quotas: Vec<String>,
    pub(super) has_token: bool,
    pub(super) has_key: bool,
    pub(super) has_table: bool,
    /// Which body the accepts of this policy are about.
    pub(super) media: usize,
    /// Every rule carries a name, so that its id does not depend on its line.
    pub(super) named: bool,
    /// Allows have no bodies.
    pub(super) plain: bool,
    /// Methods of its own are declared.
    pub(super) own_methods: bool,
    /// Bodies may set [`FLAG`] on requests, so that its fact is absent and no condition may ask `exists` of it.
    pub(super) sets_flag: bool,
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// A header that some policies set and read.
pub(super) const FLAG: &str = "request.header[\"x-flag\"]";

const NAMES: &[&str] = &["t1", "t2", "gold", "free", "u1"];
const NUMBERS: &[&str] = &["0", "1", "2", "5", "80", "-3"];
const GROUPS: &[&str] = &["staff", "admin", "ops", "t1"];
const INSTANTS: &[&str] = &[
    "2026-11-23T12:00:00Z",
    "2026-11-24T00:00:00Z",
    "2026-06-01T08:00:00+02:00",
];

impl World {
    fn fact(&mut self, text: &str, ty: Ty, values: &[&'static str]) {
        self.facts.push(Fact {
            text: text.to_string(),
            ty,
            values: values.to_vec(),
            exact: [
                "request.method",
                "request.host",
                "request.path",
                "request.content_type",
                "request.protocol",
                "host.tenant",
            ]
            .contains(&text),
        });
    }

    /// Only what every policy may name: facts of the request.
    pub(super) fn bare() -> World {
        let mut world = World {
            sets_flag: true,
            ..World::default()
        };
        world.request_facts();
        world
            .facts
            .retain(|fact| fact.ty == Ty::Text || fact.ty == Ty::Int);
        world
    }

    /// A random world.
    pub(super) fn random(rng: &mut Rng) -> World {
        let mut world = World {
            media: rng.below(7),
            sets_flag: rng.chance(25),
            ..World::default()
        };
        if rng.chance(30) {
            world.own_methods = true;
            world.declarations.push("methods PURGE, BAN;".to_string());
        }
        world.request_facts();
        world.context(rng);
        world.trust(rng);
        world.data(rng);
        if rng.chance(90) {
            world.issuers(rng);
        }
        if rng.chance(60) {
            world.keys(rng);
        }
        if rng.chance(45) {
            world.peers(rng);
        }
        if rng.chance(35) {
            world.signature(rng);
        }
        world.beside(rng);
        world.quotas(rng);
        world
    }

    fn request_facts(&mut self) {
        self.fact("request.method", Ty::Text, &["GET", "POST"]);
        self.fact("request.host", Ty::Text, &["api.example.com", "www.example.org"]);
        self.fact(
            "request.path",
            Ty::Text,
            &["/v1/orders", "/admin", "/caf\u{e9}", "/a b"],
        );
        self.fact("request.scheme", Ty::Text, &["https", "http"]);
        self.fact("request.protocol", Ty::Text, &["HTTP/1.1", "HTTP/2"]);
        self.fact(
            "request.content_type",
            Ty::Text,
            &["application/json", "text/plain"],
        );
        self.fact("request.sni", Ty::Text, &["api.example.com"]);
        self.fact("request.port", Ty::Int, &["443", "80", "8443"]);
        self.fact("request.size", Ty::Int, &["0", "10", "5000"]);
        self.fact("request.query.q", Ty::Text, NAMES);
        self.fact("request.query.role", Ty::Text, GROUPS);
        self.fact("request.header[\"x-tenant\"]", Ty::Text, NAMES);
        self.fact(FLAG, Ty::Text, NAMES);
        self.fact("request.cookie[\"sid\"]", Ty::Text, NAMES);
        self.fact("client.ip", Ty::Ip, &[]);
        self.fact("connection.ip", Ty::Ip, &[]);
        self.fact("now", Ty::Instant, INSTANTS);
    }

    fn context(&mut self, rng: &mut Rng) {
        let mut text = "context {\n".to_string();
        let fields: [(&str, &str, Ty, &[&'static str], &str); 10] = [
            ("order_tenant", "string", Ty::Text, NAMES, ""),
            ("risk", "int", Ty::Int, NUMBERS, ""),
            ("maintenance", "bool", Ty::Bool, &[], " = false"),
            ("beta", "bool", Ty::Bool, &[], ""),
            ("region", "string", Ty::Text, NAMES, " = \"t1\""),
            ("flags", "set", Ty::Set, GROUPS, ""),
            ("limit_here", "int", Ty::Int, NUMBERS, " = 5"),
            ("opened", "instant", Ty::Instant, INSTANTS, ""),
            (
                "owner",
                "string",
                Ty::Text,
                NAMES,
                " from order.\"owner id\" = \"t1\"",
            ),
            (
                "labels",
                "set separated by \";\"",
                Ty::Set,
                GROUPS,
                " from order.labels",
            ),
        ];
        for (name, ty, kind, values, default) in fields {
            if rng.chance(80) {
                text += &format!("  {name}: {ty}{default};\n");
                self.fact(&format!("context.{name}"), kind, values);
            }
        }
        if rng.chance(50) {
            text += "  origin_ip: ip;\n";
            self.fact("context.origin_ip", Ty::Ip, &[]);
        }
        self.declarations.push(text + "}");
    }

    fn trust(&mut self, rng: &mut Rng) {
        if rng.chance(30) {
            return;
        }
        let hops = rng.pick(&["", "", " hops 1", " hops 2"]);
        let nets = rng.pick(&["10.0.0.0/8", "10.0.0.0/8, 192.168.0.0/16, 2001:db8:ffff::/48"]);
        self.declarations.push(format!(
            "trust {{\n  proxies {nets}{hops};\n  header \"cf-ipcountry\" as geo.country: string;\n  \
             header \"x-risk\" as edge.risk: int;\n  \
             header \"x-groups\" as edge.groups: set separated by \",\";\n}}"
        ));
        self.fact("edge.groups", Ty::Set, GROUPS);
        self.fact("geo.country", Ty::Text, &["de", "fr"]);
        self.fact("edge.risk", Ty::Int, NUMBERS);
    }

    fn data(&mut self, rng: &mut Rng) {
        let office = rng.pick(&[
            "10.20.0.0/16, 2001:db8:40::/48",
            "198.51.100.0/25",
            "203.0.113.7/32, 10.0.0.0/9",
        ]);
        self.declarations.push(format!("network office = {office};"));
        self.declarations
            .push("network everywhere4 = 0.0.0.0/0;".to_string());
        self.networks = vec!["office".to_string(), "everywhere4".to_string()];
        let hours = rng.pick(&[
            "mon..fri 08:00..18:00 in \"Europe/Berlin\"",
            "mon..sun 22:00..06:00 in \"UTC\"",
            "sat..mon 00:00..24:00, wed 11:30..12:30 in \"America/New_York\"",
        ]);
        self.declarations.push(format!("hours business = {hours};"));
        self.declarations
            .push("hours night = mon, tue, wed, thu, fri, sat, sun 20:00..08:00 in \"UTC\";".to_string());
        self.hours = vec!["business".to_string(), "night".to_string()];
        for (name, kind, ty, content) in [
            (
                "revoked",
                "string",
                Ty::Text,
                "\u{feff}# revoked\nu1\n\n gold # since May\n",
            ),
            ("risky", "int", Ty::Int, "5\n80\n8443\n"),
            ("banned", "ip", Ty::Ip, "203.0.113.9\n2001:db8::1\n"),
            (
                "drop",
                "network",
                Ty::Ip,
                "203.0.113.0/24 # test\n2001:db8:1::/48\n10.0.0.0/9\n192.0.2.77\n::/3\n",
            ),
        ] {
            if rng.chance(60) {
                self.declarations
                    .push(format!("list {name}: {kind} from \"{name}.txt\";"));
                self.files
                    .insert(format!("{name}.txt"), content.as_bytes().to_vec());
                self.lists.push((name.to_string(), ty));
            }
        }
        if rng.chance(60) {
            self.declarations.push(
                "table plans from \"plans.json\" { rpm: int; owner: string; active: bool; }".to_string(),
            );
            let rows = r#"{"gold": {"rpm": 5, "owner": "t1", "active": true}, "free": {"rpm": 1, "active": false}, "t1": {"rpm": 0, "owner": "u1"}}"#;
            self.files
                .insert("plans.json".to_string(), rows.as_bytes().to_vec());
            self.has_table = true;
            self.fact("plans[context.order_tenant].rpm", Ty::Int, NUMBERS);
            self.fact("plans[request.header[\"x-tenant\"]].owner", Ty::Text, NAMES);
            self.fact("plans[request.query.q].active", Ty::Bool, &[]);
            // a cell of an undeclared context fact would not check
            let declared = self.declarations.iter().any(|d| d.contains("order_tenant:"));
            self.facts
                .retain(|f| declared || !f.text.contains("plans[context"));
        }
    }

    fn issuers(&mut self, rng: &mut Rng) {
        self.has_token = true;
        let count = 1 + usize::from(rng.chance(40));
        let claims: [ClaimDraft; 11] = [
            ("tenant", "string", Ty::Text, NAMES, &[""]),
            (
                "tier",
                "string",
                Ty::Text,
                NAMES,
                &["", " = \"free\"", " = \"gold\""],
            ),
            ("groups", "set", Ty::Set, GROUPS, &["", " = []", " = [\"staff\"]"]),
            ("mfa", "bool", Ty::Bool, &[], &["", " = false"]),
            ("level", "int", Ty::Int, NUMBERS, &["", " = 5"]),
            (
                "roles",
                "set",
                Ty::Set,
                GROUPS,
                &[
                    " from realm_access.roles",
                    "",
                    " from \"https://x.example/roles\" = [\"ops\"]",
                ],
            ),
            ("teams", "set or string", Ty::Set, GROUPS, &[""]),
            ("since", "instant", Ty::Instant, INSTANTS, &[""]),
            (
                "odd",
                "string",
                Ty::Text,
                NAMES,
                &[" from \"odd key\".x.y", " from \"odd key\".z = \"t2\""],
            ),
            (
                "parts",
                "set separated by \" \"",
                Ty::Set,
                GROUPS,
                &["", " from realm_access.parts", " = [\"ops\"]"],
            ),
            (
                "acr",
                "string",
                Ty::Text,
                NAMES,
                &["", " = \"gold\"", " from realm_access.acr"],
            ),
        ];
        let mut seen: Vec<&str> = Vec::new();
        for index in 0..count {
            let url = rng.pick(&["url", "url", "url like"]);
            let path = if url == "url" { "" } else { "*/v2.0" };
            let mut text =
                format!("issuer i{index} {{\n  {url} \"https://idp{index}.example.com/{path}\";\n");
            text += "  audience \"svc\";\n";
            if rng.chance(15) {
                text += &format!("  algorithms HS256;\n  secret i{index}_secret;\n");
                self.declarations
                    .push(format!("secret i{index}_secret from file \"i{index}.secret\";"));
                self.files.insert(
                    format!("i{index}.secret"),
                    format!("{}\r\n", "x".repeat(32 + index)).into_bytes(),
                );
            } else {
                text += rng.pick(&[
                    "",
                    "  algorithms ES256;\n",
                    "  algorithms EdDSA;\n",
                    "  algorithms RS256, Ed25519;\n",
                    "  algorithms ES256, EdDSA;\n",
                ]);
                text += &format!("  keys \"i{index}.jwks.json\";\n");
                text += rng.pick(&["", "", "", "", "", "  type \"at+jwt\";\n"]);
            }
            text += rng.pick(&[
                "",
                "",
                "  from query \"q\";\n",
                "  from query \"access_token\";\n",
            ]);
            self.files
                .insert(format!("i{index}.jwks.json"), key_set(&format!("i{index}")));
            text += rng.pick(&["", "  scopes from scp;\n", "  scopes from realm_access.scopes;\n"]);
            for clause in [
                "  leeway 60s;\n",
                "  scope \"write\" implies \"read\";\n",
                "  no expiry;\n",
            ] {
                if rng.chance(35) {
                    text += clause;
                }
            }
            for clause in ["  max age 1h;\n", "  bound to certificate;\n"] {
                if rng.chance(8) {
                    text += clause;
                }
            }
            if index == 1 || rng.chance(15) {
                text += ["  from header \"x-token\";\n", "  from cookie \"tok\";\n", ""][rng.below(3)];
            }
            text += "  claims {";
            for (name, ty, kind, values, inits) in &claims {
                if rng.chance(70) {
                    text += &format!(" {name}: {ty}{};", rng.pick(inits));
                    if !seen.contains(name) {
                        seen.push(name);
                        self.fact(&format!("token.{name}"), *kind, values);
                    }
                }
            }
            self.declarations.push(text + " }\n}");
            self.principals.push(format!("user{index}=token from i{index}"));
        }
        self.fact("token.sub", Ty::Text, NAMES);
        self.fact("token.jti", Ty::Text, NAMES);
        self.fact("token.acr", Ty::Text, NAMES);
        self.fact("token.aud", Ty::Set, GROUPS);
        self.fact("token.exp", Ty::Instant, INSTANTS);
        self.fact("token.scope", Ty::Set, &["read", "write", "admin"]);
        if seen.contains(&"groups") {
            self.principals
                .push("staff=token from i0 and \"staff\" in token.groups".to_string());
        }
        if seen.contains(&"tenant") && rng.chance(50) {
            self.principals
                .push("member=token from i0 and token.tenant == request.header[\"x-tenant\"]".to_string());
        }
    }

    /// Splits the `name=condition` pairs into declarations and names.
    pub(super) fn settle_principals(&mut self) {
        let pairs = std::mem::take(&mut self.principals);
        for pair in pairs {
            if let Some((name, condition)) = pair.split_once('=') {
                self.declarations.push(format!("principal {name} = {condition};"));
                self.principals.push(name.to_string());
            }
        }
    }

    fn keys(&mut self, rng: &mut Rng) {
        self.has_key = true;
        let place = rng.pick(&[
            "header \"x-api-key\";",
            "cookie \"apikey\";",
            "header \"x-api-key\"; cookie \"apikey\";",
        ]);
        self.declarations.push(format!(
            "keys partners {{ {place} file \"partners.keys\"; secret partners_pepper; fields {{ plan: string; quota: int from limits.quota = 3; vip: bool; tags: set separated by \",\" = []; }} }}"
        ));
        self.declarations
            .push("secret partners_pepper from file \"partners.pepper\";".to_string());
        self.files.insert("partners.keys".to_string(), key_file(rng));
        self.files.insert("partners.pepper".to_string(), PEPPER.to_vec());
        self.fact("key.id", Ty::Text, NAMES);
        self.fact("key.plan", Ty::Text, NAMES);
        self.fact("key.quota", Ty::Int, NUMBERS);
        self.fact("key.vip", Ty::Bool, &[]);
        self.fact("key.tags", Ty::Set, GROUPS);
        if self.has_table {
            self.fact("plans[key.plan].rpm", Ty::Int, NUMBERS);
        }
        self.principals.push("partner=key from partners".to_string());
    }

    fn peers(&mut self, rng: &mut Rng) {
        self.declarations
            .push("peers mesh { trust \"example.com\"; }".to_string());
        self.fact("peer.spiffe", Ty::Text, &["spiffe://example.com/ns/billing/sa/a"]);
        self.fact("peer.dns", Ty::Set, &["a.example.com", "b.example.com"]);
        self.fact("peer.subject", Ty::Text, &["CN=a"]);
        self.fact("peer.fingerprint", Ty::Text, NAMES);
        let billing = "billing=peer from mesh and peer.spiffe like \"spiffe://example.com/ns/billing/sa/*\"";
        self.principals.push(if rng.chance(50) {
            billing.to_string()
        } else {
            "workload=peer from mesh".to_string()
        });
    }

    fn signature(&mut self, rng: &mut Rng) {
        self.declarations
            .push("secret hook_secret from file \"hook.secret\";".to_string());
        self.files.insert(
            "hook.secret".to_string(),
            b"PLANTED-secret of generated hooks".to_vec(),
        );
        let over = match rng.chance(40) {
            true => "over timestamp \".v0:\" body; timestamp header \"x-timestamp\" within 5m;",
            false => "over \"v0:\" body;",
        };
        self.declarations.push(format!(
            "signature hook {{ header \"x-hub-signature-256\"; hmac sha256 hex prefix \"sha256=\"; {over} secret hook_secret; }}"
        ));
        self.fact("signature.name", Ty::Text, &["hook", "other"]);
        self.principals.push("webhook=signed by hook".to_string());
    }

    /// Issuers of second tokens.
    fn beside(&mut self, rng: &mut Rng) {
        let count = rng.pick(&[0, 0, 0, 0, 0, 1, 1, 2, 3]);
        for (name, place) in [
            ("access", "header \"x-access-jwt\""),
            ("inner", "cookie \"edge\""),
            ("zone", "header \"x-zone-jwt\""),
        ]
        .into_iter()
        .take(count)
        {
            self.declarations.push(format!(
                "issuer {name} {{ url \"https://{name}.example.net/\"; audience \"svc\"; algorithms EdDSA; keys \"{name}.jwks.json\"; from {place}; beside; claims {{ email: string from user.email{}; floor: int; }} }}",
                rng.pick(&["", " = \"u1\""])
            ));
            self.files.insert(format!("{name}.jwks.json"), key_set(name));
            self.fact(&format!("{name}.sub"), Ty::Text, NAMES);
            self.fact(&format!("{name}.email"), Ty::Text, NAMES);
            self.fact(&format!("{name}.floor"), Ty::Int, NUMBERS);
            self.principals.push(format!("at_{name}=token from {name}"));
        }
        if count > 0
            && self
                .declarations
                .iter()
                .any(|text| text.starts_with("issuer i0 "))
        {
            self.principals
                .push("both=token from i0 and token from access and exists access".to_string());
        }
    }

    /// The same in a service whose hosts capture their first label as `tenant`.
    pub(super) fn with_host_label(&self) -> World {
        let mut world = self.clone();
        // Often enough to be drawn among all others.
        for _ in 0..3 {
            world.fact("host.tenant", Ty::Text, &["t1", "www", "b2"]);
        }
        world
    }

    fn quotas(&mut self, rng: &mut Rng) {
        let mut all = vec![
            "20 per 1s burst 40 by client.ip".to_string(),
            "100 per 1m by client.ip/56, request.host".to_string(),
            "3 per calendar day in \"Europe/Berlin\" by client.ip".to_string(),
            "at most 7 in flight by request.host".to_string(),
            "9 per calendar month in \"UTC\" by request.query.q else client.ip cost 2".to_string(),
            "50 per 1h by client.ip counting denied".to_string(),
            "50 per 1h by request.header[\"x-tenant\"] counting denied".to_string(),
            "5 per 10s by request.method, request.port shared on store failure local".to_string(),
        ];
        if self.has_token {
            all.push("1000 per 1h by token.sub".to_string());
            all.push("1000 per 1h by token.sub else client.ip".to_string());
            all.push("4 per calendar week in \"UTC\" by client.ip, token.sub".to_string());
        }
        if self.has_key {
            all.push("7 per 1m by key.id shared on store failure deny".to_string());
            all.push("key.quota at most 2 per 1m by key.id".to_string());
        }
        if self.has_key && self.has_table {
            all.push("plans[key.plan].rpm at most 6000 per 1m by key.id".to_string());
        }
        for (index, spec) in all.iter().enumerate() {
            if rng.chance(45) {
                self.declarations.push(format!("quota q{index} = {spec};"));
                self.quotas.push(format!("q{index}"));
            }
        }
    }
}
