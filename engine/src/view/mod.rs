//! What a host hands over about one request: borrowed bytes as the client sent them, and credentials that the
//! host has verified itself, if any. Knows nothing of policies.

mod cached;

pub use cached::KnownToken;
pub(crate) use cached::{Bound, Sent};

use std::net::IpAddr;

/// One request, as raw as the host has it. Nothing is cleaned up by the host.
#[derive(Clone, Debug, Default)]
pub struct RequestView<'a> {
    /// Method token.
    pub method: &'a [u8],
    /// `http` or `https`; empty is `https`.
    pub scheme: &'a [u8],
    /// `:authority`, or the authority of the connection's URL; `None` where only a Host header says it.
    pub authority: Option<&'a [u8]>,
    /// Request target, byte for byte.
    pub target: &'a [u8],
    /// Header lines in order, names in any case. HTTP/2's `:protocol` may be among them.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The socket's address.
    pub socket_peer: Option<IpAddr>,
    /// The client certificate that the host validated. `None`: there is none, or a trusted proxy tells of it in
    /// `x-forwarded-client-cert`.
    pub certificate: Option<PeerCert<'a>>,
    /// TLS server name.
    pub sni: Option<&'a [u8]>,
    /// `HTTP/1.1`, `HTTP/2`; empty where unknown.
    pub protocol: &'a [u8],
    /// The token.
    pub credential: Credential<'a>,
    /// The API key, if the host verified it. `None`: one that the request presents is looked up by the engine.
    pub key: Option<KeyFact<'a>>,
    /// The signature of the message, if the host verified it. `None`: the exchange verifies one that the request presents,
    /// where the host hands over the body; else it is not verified.
    pub signature: Option<SignatureFact<'a>>,
    /// Tokens of `beside` issuers that the host verified, of one issuer at most one; others that the request presents are
    /// verified by the engine. What another name says is passed over.
    pub beside: &'a [BesideToken<'a>],
    /// Context facts, a JSON object; empty for none.
    pub context: &'a [u8],
}

/// A token, as far as the host dealt with it.
#[derive(Clone, Debug, Default)]
pub enum Credential<'a> {
    /// The host hands over no token: one that the request presents is verified here, with the keys of the snapshot's data,
    /// unless the worker knows it.
    #[default]
    FromHeaders,
    /// Claims that the host verified. Of an issuer with `verified by gateway`, what its clauses ask of them is looked at here.
    Verified {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// Claims, a JSON object.
        claims: &'a [u8],
    },
    /// Claims that the host verified and took apart itself.
    Split {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// By the names that the policy gives them: `sub`, `scope` (whatever member the issuer keeps scopes in), a
        /// declared claim's own name whatever its path. What the policy does not read may be there or not. A name
        /// given twice is unknown.
        claims: &'a [(&'a str, Claim<'a>)],
    },
    /// A token that the host verified before, with its facts. Under another policy its claims are read anew by the
    /// issuer of the same name, whose keys may be others: who hands it over vouches that it is still good there.
    Known(&'a KnownToken),
    /// Claims that a test names: as if verified, and what they leave out of `iss`, `aud`, `exp`, `nbf`, `iat` and `cnf`
    /// counts as met. Not for a gateway: of an issuer with `verified by gateway` nothing else is asked for then.
    Named {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// Claims, a JSON object.
        claims: &'a [u8],
    },
    /// A token that failed.
    Invalid {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// Detail code, as `expired`.
        fault: &'a str,
    },
}

/// A token of a `beside` issuer that the host checked.
#[derive(Clone, Copy, Debug)]
pub struct BesideToken<'a> {
    /// Issuer name in the policy.
    pub issuer: &'a str,
    /// Claims that the host verified, a JSON object; or of one that failed the detail code, as `expired`.
    pub claims: Result<&'a [u8], &'a str>,
}

/// A claim's value, taken out of its JSON. A value of another type than the policy declares is ill-typed, as in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// `null`, or a value that no policy can read: an object, a fraction, an array of anything but strings.
    /// An instant's fraction of a second is cut off by who splits claims: it is [`Claim::Int`].
    Other,
    /// true, false
    Bool(bool),
    /// An integer; of an instant, seconds since the epoch, rounded down.
    Int(i64),
    /// A string, unescaped.
    Text(&'a str),
    /// An array of strings, unescaped; scopes may be one, or a text with spaces between.
    Texts(&'a [&'a str]),
}

/// An API key that the host looked up.
#[derive(Clone, Debug)]
pub enum KeyFact<'a> {
    /// It is good.
    Verified {
        /// Key set name in the policy.
        keys: &'a str,
        /// Key id.
        id: &'a str,
        /// Fields, a JSON object; empty for none.
        fields: &'a [u8],
    },
    /// It is not.
    Invalid {
        /// Key set name in the policy.
        keys: &'a str,
        /// Detail code.
        fault: &'a str,
    },
}

/// A signature that the host checked.
#[derive(Clone, Debug)]
pub enum SignatureFact<'a> {
    /// It is good.
    Verified {
        /// Signature scheme name in the policy.
        name: &'a str,
    },
    /// It is not.
    Invalid {
        /// Signature scheme name in the policy.
        name: &'a str,
        /// Detail code.
        fault: &'a str,
    },
}

/// Parts of a client certificate that the host verified, or why it did not.
#[derive(Clone, Debug, Default)]
pub struct PeerCert<'a> {
    /// SPIFFE id (URI SAN).
    pub spiffe: Option<&'a [u8]>,
    /// DNS SANs.
    pub dns: Vec<&'a [u8]>,
    /// Subject.
    pub subject: Option<&'a [u8]>,
    /// SHA-256 fingerprint.
    pub fingerprint: Option<&'a [u8]>,
    /// Detail code of a certificate that failed.
    pub fault: Option<&'a str>,
}
