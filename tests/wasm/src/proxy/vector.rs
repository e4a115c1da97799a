//! A vector -> what Envoy would have of that request: header lines, properties, dynamic metadata. What Envoy can not
//! have is told ([`Unfit`]), never bent.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use portcullis_vectors::Vector;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::gateway::Request;
use super::protobuf;

/// Why a vector cannot come to a plugin by a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// Keys, signatures and second tokens are not verified by a gateway yet.
    KeyOrSignature,
    /// A signed message is verified by its body, which the plugin does not read in NGINX.
    SignedBody,
    /// Claims of an issuer that is not the policy's: a configuration that names it is refused.
    Undeclared,
    /// A gateway hands over no token or certificate that failed.
    Failed,
    /// Envoy names one DNS name of a certificate.
    SeveralNames,
    /// Metadata holds no member twice and no number that is not a double.
    Json,
    /// The clock of a gateway starts at the epoch.
    Clock,
    /// A gateway at the edge writes `x-forwarded-proto` itself, and never against the connection.
    ForwardedProto,
    /// The gateway itself refuses: no address, no bytes.
    Malformed,
    /// NGINX says that there is a certificate, but not whose.
    Certificate,
    /// NGINX answers such a target itself.
    Target,
}

/// The request of a vector as the configuration of a test must read it: the token's
/// claims lie under its issuer's name in `envoy.filters.http.jwt_authn`, context in the namespace `context`.
pub fn request_of(vector: &Vector, now_us: Option<i64>) -> Result<Request, Unfit> {
    if vector.key.is_some() || vector.signature.is_some() || !vector.beside.is_empty() {
        return Err(Unfit::KeyOrSignature);
    }
    let given = &vector.request;
    let mut request = Request {
        now_ns: match now_us {
            None => None,
            Some(now) => match u64::try_from(now) {
                Ok(now) if now > 0 => Some(now * 1_000),
                _ => return Err(Unfit::Clock),
            },
        },
        ..Request::default()
    };
    request = request
        .with_header(":method", given.method.as_bytes())
        .with_header(":path", given.target_bytes().map_err(|_| Unfit::Malformed)?)
        .with_header(":scheme", given.scheme_text().into_bytes());
    if given.scheme_text() == "https" {
        request = request.with_property("connection/tls_version", "TLSv1.3");
    }
    if let Some(authority) = given.authority_text() {
        request = request.with_header(":authority", authority.as_bytes());
    }
    for (name, value) in &given.headers {
        if name.eq_ignore_ascii_case("x-forwarded-proto") {
            return Err(Unfit::ForwardedProto);
        }
        request = request.with_header(name.as_bytes(), value.0.clone());
    }
    if let Some(bearer) = &vector.bearer {
        request = request.with_header("authorization", format!("Bearer {bearer}"));
    }
    if let Some(address) = &given.client_ip {
        let address: IpAddr = address.parse().map_err(|_| Unfit::Malformed)?;
        request = request.with_property("source/address", SocketAddr::new(address, 40_123).to_string());
    }
    if let Some(sni) = &given.sni {
        request = request.with_property("connection/requested_server_name", sni.as_bytes());
    }
    if let Some(protocol) = &given.protocol {
        request = request.with_property("request/protocol", protocol.as_bytes());
    }
    certificate(vector, request).and_then(|request| handed_over(vector, request))
}

fn certificate(vector: &Vector, mut request: Request) -> Result<Request, Unfit> {
    let Some(peer) = &vector.request.peer else {
        return Ok(request.with_property("connection/mtls", [0]));
    };
    if peer.invalid.is_some() {
        return Err(Unfit::Failed);
    }
    if peer.dns.len() > 1 {
        return Err(Unfit::SeveralNames);
    }
    request = request.with_property("connection/mtls", [1]);
    let parts = [
        ("uri_san_peer_certificate", peer.spiffe.as_ref()),
        ("dns_san_peer_certificate", peer.dns.first()),
        ("subject_peer_certificate", peer.subject.as_ref()),
        ("sha256_peer_certificate_digest", peer.fingerprint.as_ref()),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            request = request.with_property(&format!("connection/{name}"), part.as_bytes());
        }
    }
    Ok(request)
}

/// Claims and context, in dynamic metadata.
fn handed_over(vector: &Vector, request: Request) -> Result<Request, Unfit> {
    let mut namespaces = Vec::new();
    if let Some(token) = &vector.token {
        if token.invalid.is_some() {
            return Err(Unfit::Failed);
        }
        let claims = token.claims.as_ref().ok_or(Unfit::Json)?;
        let claims = exact(claims.get())?;
        let of_issuer = [(token.issuer.as_str(), &claims)];
        namespaces.push(("envoy.filters.http.jwt_authn", protobuf::fields(of_issuer)));
    }
    if let Some(context) = &vector.context {
        let Value::Object(members) = exact(context.get())? else {
            return Err(Unfit::Json);
        };
        let members = members.iter().map(|(name, member)| (name.as_str(), member));
        namespaces.push(("context", protobuf::fields(members)));
    }
    if namespaces.is_empty() {
        return Ok(request);
    }
    Ok(request.with_property("metadata", protobuf::metadata(namespaces)))
}

/// JSON that metadata holds without a loss.
fn exact(text: &str) -> Result<Value, Unfit> {
    let Exact(value) = serde_json::from_str(text).map_err(|_| Unfit::Json)?;
    Ok(value)
}

/// A value without members given twice and numbers that a double does not hold.
struct Exact(Value);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Exact, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Exact;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Exact, E> {
                Ok(Exact(Value::Null))
            }
            fn visit_bool<E>(self, bit: bool) -> Result<Exact, E> {
                Ok(Exact(bit.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Exact, E> {
                Ok(Exact(text.into()))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Exact, E> {
                match number < 1 << 53 {
                    true => Ok(Exact(number.into())),
                    false => Err(E::custom("too large for a double")),
                }
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Exact, E> {
                match number.unsigned_abs() < 1 << 53 {
                    true => Ok(Exact(number.into())),
                    false => Err(E::custom("too large for a double")),
                }
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Exact, E> {
                // `1.0` and `1e3` are integers to a double and none to a policy.
                match number.fract() == 0.0 {
                    true => Err(E::custom("an integer in the spelling of a fraction")),
                    false => Ok(Exact(number.into())),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Exact, A::Error> {
                let mut list = Vec::new();
                while let Some(Exact(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Exact(list.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Exact, A::Error> {
                let mut seen = BTreeSet::new();
                let mut object = serde_json::Map::new();
                while let Some((name, Exact(member))) = members.next_entry::<String, Exact>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom("twice"));
                    }
                    object.insert(name, member);
                }
                Ok(Exact(object.into()))
            }
        }
        d.deserialize_any(Reader)
    }
}
