//! What the gateway says about one request -> [`RequestView`]. Header lines are handed on as they are; a property
//! that is absent or unreadable is absent. Knows no policy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis::{Credential, PeerCert, RequestView};

use crate::config::{JWT_AUTHN, Options, Place};
use crate::host::{Host, Map};
use crate::metadata::{self, Found};
use crate::pairs::Pairs;

/// The bytes of one request.
#[derive(Debug, Default)]
pub struct Facts {
    pairs: Pairs,
    socket_peer: Option<IpAddr>,
    certificate: Option<Certificate>,
    sni: Option<Vec<u8>>,
    protocol: Vec<u8>,
    token: Token,
    context: Vec<u8>,
}

/// Parts of a client certificate.
#[derive(Debug)]
struct Certificate {
    uri: Option<Vec<u8>>,
    dns: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
}

/// The token, as far as the gateway dealt with it.
#[derive(Debug, Default)]
enum Token {
    #[default]
    Absent,
    Verified {
        issuer: String,
        claims: Vec<u8>,
    },
    Invalid {
        issuer: String,
        fault: &'static str,
    },
}

/// Header lines without the request line.
type Headers<'a> = Vec<(&'a [u8], &'a [u8])>;

/// The request line, as the pseudo-headers say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// `:method`; empty where there is none, which is no method.
    pub method: &'a [u8],
    /// `:path`, or the authority of a CONNECT.
    pub target: &'a [u8],
    /// Whether `:path` is there and can be replaced.
    pub has_path: bool,
    scheme: &'a [u8],
    authority: Option<&'a [u8]>,
}

impl Facts {
    /// Asks the gateway; `None` where it does not give the header lines.
    pub fn read(host: &dyn Host, options: &Options) -> Option<Facts> {
        let pairs = host.headers(Map::Request)?;
        let mut sources = Sources { host, metadata: None };
        Some(Facts {
            pairs,
            socket_peer: socket_peer(host),
            certificate: certificate(host),
            sni: host
                .property(&["connection", "requested_server_name"])
                .filter(|name| !name.is_empty()),
            protocol: host.property(&["request", "protocol"]).unwrap_or_default(),
            token: token(&mut sources, options),
            context: match options.context.as_ref().map(|place| sources.find(place)) {
                None | Some(Found::Absent) => Vec::new(),
                Some(Found::Json(text)) => text.into_bytes(),
                // No JSON object, so that every context fact is there and ill-typed.
                Some(Found::Unreadable) => b"unreadable".to_vec(),
            },
        })
    }

    /// Method and target.
    pub fn line(&self) -> Line<'_> {
        self.split().0
    }

    /// The one value of a header; `None` where there is none or several.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self
            .pairs
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()));
        let first = values.next();
        first.filter(|_| values.next().is_none()).map(|(_, value)| value)
    }

    /// Hands the request as the engine reads it to `f`.
    pub fn with_view<T>(&self, f: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let (line, headers) = self.split();
        f(&RequestView {
            method: line.method,
            scheme: scheme(line.scheme, &headers),
            authority: line.authority,
            target: line.target,
            headers: &headers,
            socket_peer: self.socket_peer,
            certificate: self.certificate.as_ref().map(Certificate::view),
            sni: self.sni.as_deref(),
            protocol: &self.protocol,
            credential: match &self.token {
                Token::Absent => Credential::Absent,
                Token::Verified { issuer, claims } => Credential::Verified { issuer, claims },
                Token::Invalid { issuer, fault } => Credential::Invalid { issuer, fault },
            },
            key: None,
            signature: None,
            context: &self.context,
        })
    }

    /// The first of each pseudo-header makes the request line; whatever else there is stays among the headers, where
    /// the engine refuses a second one by its name.
    fn split(&self) -> (Line<'_>, Headers<'_>) {
        let (mut method, mut target, mut scheme, mut authority) = (None, None, None, None);
        let mut headers = Vec::new();
        for (name, value) in self.pairs.iter() {
            let place = match name {
                b":method" => &mut method,
                b":path" => &mut target,
                b":scheme" => &mut scheme,
                b":authority" => &mut authority,
                _ => {
                    headers.push((name, value));
                    continue;
                }
            };
            if place.is_some() {
                headers.push((name, value));
            } else {
                *place = Some(value);
            }
        }
        let method = method.unwrap_or_default();
        let has_path = target.is_some();
        let of_connect = authority.filter(|_| method == b"CONNECT").unwrap_or_default();
        let line = Line {
            method,
            target: target.unwrap_or(of_connect),
            has_path,
            scheme: scheme.unwrap_or_default(),
            authority,
        };
        (line, headers)
    }
}

/// The scheme that may be believed. A client of HTTP/2 or with an absolute target names one itself; a gateway at the
/// edge writes `x-forwarded-proto` by the connection, so `https` counts only where that does not say otherwise. An
/// empty scheme is `https` to the engine, so what is not known must not be empty.
fn scheme<'a>(given: &'a [u8], headers: &[(&'a [u8], &'a [u8])]) -> &'a [u8] {
    if given.is_empty() {
        return b"unknown";
    }
    let is = |text: &[u8], other: &[u8]| text.eq_ignore_ascii_case(other);
    let denied = headers
        .iter()
        .filter(|(name, _)| is(name, b"x-forwarded-proto"))
        .any(|(_, value)| !is(value.trim_ascii(), b"https"));
    if is(given, b"https") && denied {
        b"http"
    } else {
        given
    }
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, or a bare IPv4 address. A bare IPv6 address with a port behind it could be
/// read as another address, so without brackets there is none; NGINX has the bare one in a variable of its own.
fn socket_peer(host: &dyn Host) -> Option<IpAddr> {
    let text = |path: &[&str]| String::from_utf8(host.property(path)?).ok();
    let source = text(&["source", "address"]).and_then(|text| address(&text));
    source.or_else(|| text(&["ngx", "remote_addr"])?.parse().ok())
}

fn address(text: &str) -> Option<IpAddr> {
    let with_port = text.parse::<SocketAddr>().map(|socket| socket.ip());
    with_port
        .or_else(|_| text.parse::<Ipv4Addr>().map(IpAddr::V4))
        .ok()
}

/// The gateway says whether there is a certificate that it took; its parts may be missing.
fn certificate(host: &dyn Host) -> Option<Certificate> {
    let mtls = host.property(&["connection", "mtls"])?;
    if mtls != [1] && mtls != b"true" {
        return None;
    }
    let part = |name: &str| {
        host.property(&["connection", name])
            .filter(|part| !part.is_empty())
    };
    Some(Certificate {
        uri: part("uri_san_peer_certificate"),
        dns: part("dns_san_peer_certificate"),
        subject: part("subject_peer_certificate"),
        fingerprint: part("sha256_peer_certificate_digest"),
    })
}

impl Certificate {
    fn view(&self) -> PeerCert<'_> {
        PeerCert {
            spiffe: self.uri.as_deref(),
            dns: self.dns.as_deref().into_iter().collect(),
            subject: self.subject.as_deref(),
            fingerprint: self.fingerprint.as_deref(),
            fault: None,
        }
    }
}

/// Where JSON values come from; the metadata is fetched once.
struct Sources<'h> {
    host: &'h dyn Host,
    metadata: Option<Vec<u8>>,
}

impl Sources<'_> {
    fn find(&mut self, place: &Place) -> Found {
        if let Place::Property(path) = place {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            return match self.host.property(&path) {
                None => Found::Absent,
                Some(text) if text.is_empty() => Found::Absent,
                Some(text) => String::from_utf8(text).map_or(Found::Unreadable, Found::Json),
            };
        }
        let host = self.host;
        let bytes = self
            .metadata
            .get_or_insert_with(|| host.property(&["metadata"]).unwrap_or_default());
        match place {
            Place::Namespace(namespace) => metadata::namespace(bytes, namespace),
            Place::Payload(key) => metadata::value(bytes, JWT_AUTHN, key),
            Place::Property(_) => Found::Absent,
        }
    }
}

/// The claims of the one issuer that has any. Two are one too many, and what can not be read is not absent.
fn token(sources: &mut Sources<'_>, options: &Options) -> Token {
    let mut token = Token::Absent;
    for declared in &options.tokens {
        let issuer = declared.issuer.clone();
        let found = match sources.find(&declared.place) {
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
                issuer: declared.issuer.clone(),
                fault: "ambiguous_credential",
            };
        }
        token = found;
    }
    token
}
