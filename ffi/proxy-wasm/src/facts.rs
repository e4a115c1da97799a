//! What the gateway says about one request -> [`RequestView`]. Header lines are handed on as they are; a property
//! that is absent or unreadable is absent, but for claims and context. Knows no policy.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis::Reads;
use portcullis::limits::CONTEXT_BYTES;
use portcullis::{Credential, PeerCert, RequestView};
use serde::de::IgnoredAny;

use portcullis::decision::Reason;

use crate::config::{JWT_AUTHN, Kind, Options, Place, Tls};
use crate::host::{Host, Map, Refused};
use crate::metadata::{self, Found};
use crate::pairs::Pairs;

/// So many header lines, pseudo-headers among them, may be a part of those that were sent: NGINX's proxy-wasm host hands
/// over 96 of them as it is usually built, and what it leaves out it leaves out in silence.
pub const NGINX_LINES_MAX: usize = 95;

/// The bytes of one request; issuers are those of the options.
#[derive(Debug, Default)]
pub struct Facts<'o> {
    pairs: Pairs,
    pseudo: Pseudo,
    socket_peer: Option<IpAddr>,
    certificate: Option<Certificate>,
    sni: Option<Vec<u8>>,
    protocol: Vec<u8>,
    token: Token<'o>,
    context: Vec<u8>,
    tls: bool,
    nginx: Option<NginxLine>,
}

/// The request line as NGINX got it. Its `:path` is decoded and its `:authority` is the server's name.
#[derive(Debug)]
struct NginxLine {
    target: Vec<u8>,
    /// The host that NGINX goes by, which is that of an absolute target where there is one, with the port of the Host
    /// header; the engine compares it with that header. Absent where there is not one Host header.
    authority: Option<Vec<u8>>,
}

/// Why no facts were read; the request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// The gateway does not give the header lines.
    #[error("headers_unreadable")]
    Headers,
    /// NGINX does not say what the target or its host was.
    #[error("target_unreadable")]
    Target,
    /// More header lines than [`NGINX_LINES_MAX`] in NGINX.
    #[error("headers_may_be_truncated")]
    Lines,
    /// Context is there, and is no JSON object of at most [`CONTEXT_BYTES`].
    #[error("context_unreadable")]
    Context,
}

impl FactError {
    /// The reason of the refusal; this error's text is its detail.
    pub fn reason(self) -> Reason {
        match self {
            FactError::Lines => Reason::Malformed,
            FactError::Headers | FactError::Target | FactError::Context => Reason::Internal,
        }
    }
}

/// Parts of a client certificate.
#[derive(Debug, Default)]
struct Certificate {
    /// Why it is not believed.
    fault: Option<&'static str>,
    uri: Option<Vec<u8>>,
    dns: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
}

/// The token, as far as the gateway dealt with it.
#[derive(Debug, Default)]
enum Token<'o> {
    #[default]
    Absent,
    Verified {
        issuer: &'o str,
        claims: Vec<u8>,
    },
    Invalid {
        issuer: &'o str,
        fault: &'static str,
    },
}

/// Where the first of each pseudo-header stands among the pairs.
#[derive(Clone, Copy, Debug, Default)]
struct Pseudo {
    method: Option<usize>,
    path: Option<usize>,
    scheme: Option<usize>,
    authority: Option<usize>,
}

/// The request line, as the pseudo-headers say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// `:method`; empty where there is none, which is no method.
    pub method: &'a [u8],
    /// `:path`, or the authority of a CONNECT, or NGINX's own word of it.
    pub target: &'a [u8],
    /// What to do where another target was decided on.
    pub rewriting: Rewriting,
    scheme: &'a [u8],
    authority: Option<&'a [u8]>,
}

/// Whether the request can be changed on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewriting {
    /// Header lines, and the target by `:path`.
    Path,
    /// Header lines; there is no target to replace.
    #[default]
    Lines,
    /// Header lines can be added. Those that came, and the target, go on as they are, whatever NGINX's host says.
    Additions,
}

impl Pseudo {
    fn find(pairs: &Pairs) -> Pseudo {
        let mut found = Pseudo::default();
        for (at, (name, _)) in pairs.iter().enumerate() {
            let place = match name {
                b":method" => &mut found.method,
                b":path" => &mut found.path,
                b":scheme" => &mut found.scheme,
                b":authority" => &mut found.authority,
                _ => continue,
            };
            place.get_or_insert(at);
        }
        found
    }

    fn has(&self, at: usize) -> bool {
        [self.method, self.path, self.scheme, self.authority].contains(&Some(at))
    }
}

impl<'o> Facts<'o> {
    /// Asks the gateway, for nothing that the policy does not read.
    pub fn read(host: &dyn Host, options: &'o Options, reads: Reads) -> Result<Facts<'o>, FactError> {
        let pairs = host.headers(Map::Request).ok_or(FactError::Headers)?;
        let pseudo = Pseudo::find(&pairs);
        let nginx = match options.gateway {
            Kind::Envoy => None,
            Kind::Nginx => Some(NginxLine::read(host, &pairs)?),
        };
        // A request of HTTP/1.0 need not name a host.
        let names_host =
            pairs.values("host").next().is_some() || (nginx.is_none() && pseudo.authority.is_some());
        let asked = |read: bool, path: &str| read.then(|| host.property(path)).flatten();
        let mut sources = Sources { host, metadata: None };
        let context = options.context.as_ref().filter(|_| reads.context);
        let scheme = pseudo.scheme.and_then(|at| pairs.value(at));
        let claims_tls = scheme.is_some_and(|scheme| is(scheme, b"https"));
        Ok(Facts {
            tls: claims_tls && (options.tls == Tls::Forwarded || is_tls(host)),
            nginx,
            pairs,
            pseudo,
            socket_peer: reads.address.then(|| socket_peer(host)).flatten(),
            // Of a certificate that is not believed no token's binding reads anything.
            certificate: (reads.certificate || (reads.fingerprint && options.certificates_validated))
                .then(|| certificate(host, options))
                .flatten(),
            sni: asked(reads.sni, "connection\0requested_server_name").filter(|name| !name.is_empty()),
            protocol: protocol(asked(reads.protocol || !names_host, "request\0protocol").unwrap_or_default()),
            token: token(&mut sources, options),
            context: match context.map(|place| sources.find(place, None)) {
                None | Some(Found::Absent) => Vec::new(),
                Some(Found::Json(text)) if is_context(&text) => text.into_bytes(),
                Some(Found::Json(_) | Found::Unreadable) => return Err(FactError::Context),
            },
        })
    }

    /// The header lines alone, as they are now, of a request that Envoy has held since it was decided on.
    pub fn held(host: &dyn Host) -> Result<Facts<'o>, FactError> {
        let pairs = host.headers(Map::Request).ok_or(FactError::Headers)?;
        let pseudo = Pseudo::find(&pairs);
        Ok(Facts {
            pairs,
            pseudo,
            ..Facts::default()
        })
    }

    /// The first of each pseudo-header makes the request line.
    pub fn line(&self) -> Line<'_> {
        let value = |at: Option<usize>| at.and_then(|at| self.pairs.value(at));
        let method = value(self.pseudo.method).unwrap_or_default();
        let authority = value(self.pseudo.authority);
        let of_connect = authority.filter(|_| method == b"CONNECT").unwrap_or_default();
        let (target, rewriting, authority) = match (&self.nginx, value(self.pseudo.path)) {
            (Some(line), _) => (
                line.target.as_slice(),
                Rewriting::Additions,
                line.authority.as_deref(),
            ),
            (None, Some(target)) => (target, Rewriting::Path, authority),
            (None, None) => (of_connect, Rewriting::Lines, authority),
        };
        Line {
            method,
            target,
            rewriting,
            scheme: value(self.pseudo.scheme).unwrap_or_default(),
            authority,
        }
    }

    /// The values of a header, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.pairs.values(name)
    }

    /// The one value of a header; `None` where there is none or several.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.pairs.only(name)
    }

    /// Hands the request as the engine reads it to `f`. A pseudo-header that is not of the request line stays among
    /// the headers, where the engine refuses it by its name.
    pub fn with_view<T>(&self, f: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let line = self.line();
        let mut headers = Vec::with_capacity(self.pairs.count());
        let pairs = self.pairs.iter().enumerate();
        headers.extend(
            pairs
                .filter(|(at, _)| !self.pseudo.has(*at))
                .map(|(_, pair)| pair),
        );
        f(&RequestView {
            method: line.method,
            scheme: scheme(line.scheme, self.tls, &headers),
            authority: line.authority,
            target: line.target,
            headers: &headers,
            socket_peer: self.socket_peer,
            certificate: self.certificate.as_ref().map(Certificate::view),
            sni: self.sni.as_deref(),
            protocol: &self.protocol,
            credential: match &self.token {
                Token::Absent => Credential::FromHeaders,
                Token::Verified { issuer, claims } => Credential::Verified { issuer, claims },
                Token::Invalid { issuer, fault } => Credential::Invalid { issuer, fault },
            },
            key: None,
            signature: None,
            // Claims of second tokens are not taken over yet: a policy that presents one refuses it.
            beside: &[],
            context: &self.context,
        })
    }
}

impl NginxLine {
    fn read(host: &dyn Host, pairs: &Pairs) -> Result<NginxLine, FactError> {
        if pairs.count() > NGINX_LINES_MAX {
            return Err(FactError::Lines);
        }
        let text = |path: &str| {
            let text = host.property(path).filter(|text| !text.is_empty());
            text.ok_or(FactError::Target)
        };
        let target = text("request\0path")?;
        let authority = match pairs.only("host") {
            // An empty one is none that NGINX could go by.
            None | Some([]) => None,
            Some(given) => {
                // It has no port.
                let mut authority = text("ngx\0host")?;
                authority.extend_from_slice(port(given));
                Some(authority)
            }
        };
        Ok(NginxLine { target, authority })
    }
}

/// What follows the host of `host:port`, with its colon.
fn port(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|byte| matches!(byte, b':' | b']'));
    let rest = colon.and_then(|at| authority.get(at..)).unwrap_or_default();
    rest.strip_prefix(b"]").unwrap_or(rest)
}

/// One spelling of what NGINX calls `HTTP/2.0` and Envoy `HTTP/2`.
fn protocol(mut name: Vec<u8>) -> Vec<u8> {
    if matches!(name.as_slice(), b"HTTP/2.0" | b"HTTP/3.0") {
        name.truncate(name.len() - b".0".len());
    }
    name
}

/// Whether the client's connection is TLS. Envoy and NGINX have the version under the same path.
fn is_tls(host: &dyn Host) -> bool {
    let version = host.property("connection\0tls_version");
    version.is_some_and(|version| !version.is_empty())
}

/// Whether a text is what the engine reads context from.
fn is_context(text: &str) -> bool {
    text.len() <= CONTEXT_BYTES && serde_json::from_str::<BTreeMap<Cow<'_, str>, IgnoredAny>>(text).is_ok()
}

fn is(text: &[u8], other: &[u8]) -> bool {
    text.eq_ignore_ascii_case(other)
}

/// The scheme that may be believed. A client of HTTP/2 or with an absolute target names one itself, so `https` counts
/// only where the connection may be `tls` and `x-forwarded-proto` does not say otherwise. An empty scheme is `https`
/// to the engine, so what is not known must not be empty.
fn scheme<'a>(given: &'a [u8], tls: bool, headers: &[(&'a [u8], &'a [u8])]) -> &'a [u8] {
    if given.is_empty() {
        return b"unknown";
    }
    let denied = headers
        .iter()
        .filter(|(name, _)| is(name, b"x-forwarded-proto"))
        .any(|(_, value)| !is(value.trim_ascii(), b"https"));
    if is(given, b"https") && (denied || !tls) {
        b"http"
    } else {
        given
    }
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, or a bare IPv4 address. Without brackets an IPv6 address with a port behind it
/// could be read as another address, so there is none; NGINX has the bare one in a variable of its own.
fn socket_peer(host: &dyn Host) -> Option<IpAddr> {
    let text = |path: &str| String::from_utf8(host.property(path)?).ok();
    let source = text("source\0address").and_then(|text| address(&text));
    source.or_else(|| text("ngx\0remote_addr")?.parse().ok())
}

fn address(text: &str) -> Option<IpAddr> {
    match text.parse::<SocketAddr>() {
        // No connection comes from port 0: Envoy took this address out of a header that anybody may send.
        Ok(socket) if socket.port() == 0 => None,
        Ok(socket) => Some(socket.ip()),
        Err(_) => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    }
}

/// What is wrong with a certificate of which nobody says that it was validated. Anybody can make one with any name.
const NOT_VALIDATED: &str = "certificate_not_validated";

/// The gateway says whether there is a certificate that it took, not whether it validated it; its parts may be missing.
/// It names one DNS name of perhaps several, and some of the names would be another fact than all of them.
fn certificate(host: &dyn Host, options: &Options) -> Option<Certificate> {
    let mtls = host.property("connection\0mtls")?;
    if mtls != [1] && mtls != b"true" {
        return None;
    }
    if !options.certificates_validated {
        return Some(Certificate {
            fault: Some(NOT_VALIDATED),
            ..Certificate::default()
        });
    }
    let part = |path: &str| host.property(path).filter(|part| !part.is_empty());
    Some(Certificate {
        fault: None,
        uri: part("connection\0uri_san_peer_certificate"),
        dns: options
            .first_dns_san
            .then(|| part("connection\0dns_san_peer_certificate"))
            .flatten(),
        subject: part("connection\0subject_peer_certificate"),
        fingerprint: part("connection\0sha256_peer_certificate_digest"),
    })
}

impl Certificate {
    fn view(&self) -> PeerCert<'_> {
        PeerCert {
            spiffe: self.uri.as_deref(),
            dns: self.dns.as_deref().into_iter().collect(),
            subject: self.subject.as_deref(),
            fingerprint: self.fingerprint.as_deref(),
            fault: self.fault,
        }
    }
}

/// Where JSON values come from; the metadata is fetched once.
struct Sources<'h> {
    host: &'h dyn Host,
    metadata: Option<Result<Vec<u8>, Refused>>,
}

impl Sources<'_> {
    /// `read` are the members that somebody reads; `None` is all.
    fn find(&mut self, place: &Place, read: Option<&[String]>) -> Found {
        if let Place::Property(path) = place {
            return match self.host.look_up(path) {
                Ok(None) => Found::Absent,
                Ok(Some(text)) if text.is_empty() => Found::Absent,
                Ok(Some(text)) => String::from_utf8(text).map_or(Found::Unreadable, Found::Json),
                Err(_) => Found::Unreadable,
            };
        }
        let host = self.host;
        let bytes = self
            .metadata
            .get_or_insert_with(|| host.look_up("metadata").map(Option::unwrap_or_default));
        let Ok(bytes) = bytes else {
            return Found::Unreadable;
        };
        match place {
            Place::Namespace(namespace) => metadata::namespace(bytes, namespace),
            Place::Payload(key) => metadata::value(bytes, JWT_AUTHN, key, read),
            Place::Property(_) => Found::Absent,
        }
    }
}

/// The claims of the one issuer that has any. Two are one too many, and what cannot be read is not absent.
fn token<'o>(sources: &mut Sources<'_>, options: &'o Options) -> Token<'o> {
    let mut token = Token::Absent;
    for declared in &options.tokens {
        let issuer = declared.issuer.as_str();
        let found = match sources.find(&declared.place, declared.members.as_deref()) {
            Found::Absent => continue,
            Found::Json(claims) => Token::Verified {
                issuer,
                claims: claims.into_bytes(),
            },
            Found::Unreadable => {
                return Token::Invalid {
                    issuer,
                    fault: "malformed_credential",
                };
            }
        };
        if !matches!(token, Token::Absent) {
            return Token::Invalid {
                issuer,
                fault: "ambiguous_credential",
            };
        }
        token = found;
    }
    token
}
