//! Headers and what the host verified -> for each kind of credential: absent, valid or invalid (section 4).
//! Verifies no cryptography: that is the host's word. Reads no single fact; see [`crate::facts`] for that.

use portcullis_base::Detail;
use std::collections::BTreeSet;

use portcullis_lang::model::{Anchor, CredentialKind, Policy, TokenSource};
use portcullis_vectors::{PeerCert, Vector};

use crate::facts::cookies;
use crate::json::{self, Json};
use crate::normalise::{Canonical, Upgrade, is_token_byte};

/// One kind's state.
pub(crate) enum Credential<T> {
    Absent,
    Valid(T),
    /// Presented and failed, with the detail code.
    Invalid(String),
}

/// A verified token.
pub(crate) struct TokenFacts {
    /// Index of the issuer.
    pub(crate) issuer: usize,
    pub(crate) claims: Vec<(String, Json)>,
}

/// A verified API key.
pub(crate) struct KeyFacts {
    /// Index of the key set.
    pub(crate) set: usize,
    pub(crate) id: Option<String>,
    pub(crate) fields: Vec<(String, Json)>,
}

/// A verified certificate.
pub(crate) struct PeerFacts {
    pub(crate) certificate: PeerCert,
    /// Indices of the peer sets that claim it; none makes its facts readable, but vouches for nobody.
    pub(crate) sets: Vec<usize>,
}

/// All kinds.
pub(crate) struct Credentials {
    pub(crate) token: Credential<TokenFacts>,
    pub(crate) key: Credential<KeyFacts>,
    pub(crate) peer: Credential<PeerFacts>,
    /// Index of the signature scheme.
    pub(crate) signature: Credential<usize>,
    /// By `beside` issuer.
    pub(crate) beside: Vec<Credential<TokenFacts>>,
}

impl<T> Credential<T> {
    pub(crate) fn valid(&self) -> Option<&T> {
        match self {
            Credential::Valid(facts) => Some(facts),
            Credential::Absent | Credential::Invalid(_) => None,
        }
    }

    fn is_presented(&self) -> bool {
        !matches!(self, Credential::Absent)
    }

    fn fault(&self) -> Option<&str> {
        match self {
            Credential::Invalid(detail) => Some(detail),
            Credential::Absent | Credential::Valid(_) => None,
        }
    }
}

impl Credentials {
    pub(crate) fn of(policy: &Policy, request: &Canonical, vector: &Vector) -> Credentials {
        // `bearer` stands for a header that nobody has verified
        let token = vector.token.as_ref().filter(|_| vector.bearer.is_none());
        let token =
            token.map(|t| verified_token(policy, &t.issuer, t.claims.as_deref(), t.invalid.as_deref()));
        let key = vector.key.as_ref().map(|k| verified_key(policy, k));
        let signature = vector.signature.as_ref().map(|s| {
            let index = policy.signatures.iter().position(|scheme| scheme.name == s.name);
            match (index, &s.invalid) {
                (None, _) => Credential::Invalid(Detail::UnknownSignature.code().to_string()),
                (Some(_), Some(detail)) => Credential::Invalid(detail.clone()),
                (Some(index), None) => Credential::Valid(index),
            }
        });
        let peer = match &vector.request.peer {
            None => Credential::Absent,
            Some(PeerCert {
                invalid: Some(detail),
                ..
            }) => Credential::Invalid(detail.clone()),
            Some(certificate) => Credential::Valid(peer_facts(policy, certificate)),
        };
        let beside = policy.beside.iter().enumerate().map(|(index, issuer)| {
            let handed_over = vector.beside.get(&issuer.name);
            let word = handed_over.map(|t| token_of(index, t.claims.as_deref(), t.invalid.as_deref()));
            settle(&presented_at(request, &issuer.source), word, |_, _| true)
        });
        Credentials {
            beside: beside.collect(),
            token: settle(&presented_tokens(policy, request), token, |token, place| {
                policy.issuers.get(token.issuer).is_some_and(|issuer| {
                    let query = issuer.query.clone().map(Place::Query);
                    place_of(&issuer.source) == *place || query.as_ref() == Some(place)
                })
            }),
            key: settle(&presented_keys(policy, request), key, |key, place| {
                policy.keys.get(key.set).is_some_and(|set| {
                    let header = set.header.clone().map(Place::Header);
                    let cookie = set.cookie.clone().map(Place::Cookie);
                    [header, cookie].iter().flatten().any(|own| own == place)
                })
            }),
            peer,
            signature: settle(
                &presented_signatures(policy, request),
                signature,
                |index, place| {
                    let header = policy.signatures.get(*index).map(|scheme| scheme.header.clone());
                    header.map(Place::Header).as_ref() == Some(place)
                },
            ),
        }
    }

    /// Whether a valid credential of the kind vouches for the caller.
    pub(crate) fn is_valid(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Token => self.token.valid().is_some(),
            CredentialKind::Key => self.key.valid().is_some(),
            CredentialKind::Peer => self.peer.valid().is_some_and(|peer| !peer.sets.is_empty()),
            CredentialKind::Signature => self.signature.valid().is_some(),
            CredentialKind::Beside1 => self.beside_is(0, |token| token.valid().is_some()),
            CredentialKind::Beside2 => self.beside_is(1, |token| token.valid().is_some()),
            CredentialKind::Beside3 => self.beside_is(2, |token| token.valid().is_some()),
        }
    }

    /// Whether one of the kind was presented, valid or not.
    pub(crate) fn is_presented(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Token => self.token.is_presented(),
            CredentialKind::Key => self.key.is_presented(),
            CredentialKind::Peer => self.peer.is_presented(),
            CredentialKind::Signature => self.signature.is_presented(),
            CredentialKind::Beside1 => self.beside_is(0, Credential::is_presented),
            CredentialKind::Beside2 => self.beside_is(1, Credential::is_presented),
            CredentialKind::Beside3 => self.beside_is(2, Credential::is_presented),
        }
    }

    fn beside_is(&self, index: usize, test: impl Fn(&Credential<TokenFacts>) -> bool) -> bool {
        self.beside.get(index).is_some_and(test)
    }

    /// The first kind, in the order of kinds, that failed, with its detail.
    pub(crate) fn first_invalid(&self) -> Option<(CredentialKind, &str)> {
        let faults = [
            self.token.fault(),
            self.key.fault(),
            self.peer.fault(),
            self.signature.fault(),
        ];
        let beside = self.beside.iter().map(Credential::fault);
        CredentialKind::ALL
            .into_iter()
            .zip(faults.into_iter().chain(beside))
            .find_map(|(kind, fault)| fault.map(|detail| (kind, detail)))
    }

    /// Whether that verified credential is on the request.
    pub(crate) fn holds(&self, anchor: Anchor) -> bool {
        match anchor {
            Anchor::Token(id) => self.token.valid().is_some_and(|token| token.issuer == id.index()),
            Anchor::Key(id) => self.key.valid().is_some_and(|key| key.set == id.index()),
            Anchor::Peer(id) => self
                .peer
                .valid()
                .is_some_and(|peer| peer.sets.contains(&id.index())),
            Anchor::Signed(id) => self.signature.valid() == Some(&id.index()),
            Anchor::Beside(id) => self.beside_is(id.index(), |token| token.valid().is_some()),
        }
    }
}

/// Where a credential stands; the Authorization header is one of them.
#[derive(PartialEq)]
enum Place {
    Header(String),
    Cookie(String),
    Query(String),
}

fn place_of(source: &TokenSource) -> Place {
    match source {
        TokenSource::Authorization => Place::Header("authorization".to_string()),
        TokenSource::Header(name) => Place::Header(name.clone()),
        TokenSource::Cookie(name) => Place::Cookie(name.clone()),
    }
}

/// A credential as it stands in the headers.
enum Presented {
    Once,
    /// A list where one is expected.
    Several,
    Malformed,
    /// With a scheme that asks for a proof of each request.
    WithProof,
}

/// Headers say what was presented, the host says what it is worth. What is presented where nobody looks for the
/// credential that the host hands over is another one, which nobody has verified.
fn settle<T>(
    presented: &[(Place, Presented)],
    handed_over: Option<Credential<T>>,
    looks_there: impl Fn(&T, &Place) -> bool,
) -> Credential<T> {
    let invalid = |detail: Detail| Credential::Invalid(detail.code().to_string());
    match (presented, handed_over) {
        ([], None) => Credential::Absent,
        ([_, _, ..] | [(_, Presented::Several)], _) => invalid(Detail::AmbiguousCredential),
        ([(_, Presented::Malformed)], _) => invalid(Detail::MalformedCredential),
        ([(_, Presented::WithProof)], _) => invalid(Detail::ProofNotSupported),
        ([(place, Presented::Once)], Some(Credential::Valid(facts))) if !looks_there(&facts, place) => {
            invalid(Detail::AmbiguousCredential)
        }
        ([] | [(_, Presented::Once)], Some(word)) => word,
        ([(_, Presented::Once)], None) => invalid(Detail::NotVerified),
    }
}

/// RFC 9110: letters, digits and `-._~+/`, then any number of `=`.
fn is_token68(text: &[u8]) -> bool {
    let end = text.iter().position(|b| *b == b'=').unwrap_or(text.len());
    let (body, padding) = text.split_at_checked(end).unwrap_or((text, b""));
    !body.is_empty()
        && body
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(b))
        && padding.iter().all(|b| *b == b'=')
}

fn token68(text: &[u8]) -> Presented {
    if is_token68(text) {
        Presented::Once
    } else {
        Presented::Malformed
    }
}

fn not_empty(text: &[u8]) -> Presented {
    if text.is_empty() {
        Presented::Malformed
    } else {
        Presented::Once
    }
}

fn presented_tokens(policy: &Policy, request: &Canonical) -> Vec<(Place, Presented)> {
    let places: BTreeSet<&TokenSource> = policy.issuers.iter().map(|issuer| &issuer.source).collect();
    let mut found = Vec::new();
    for place in places {
        found.extend(presented_at(request, place));
    }
    let names: BTreeSet<&String> = policy
        .issuers
        .iter()
        .filter_map(|issuer| issuer.query.as_ref())
        .collect();
    // a parameter is a credential on websocket requests alone
    let names = names
        .into_iter()
        .filter(|_| request.upgrade == Upgrade::WebSocket);
    for name in names {
        let named = request
            .parameters
            .iter()
            .filter(|p| p.name.as_deref() == Some(name.as_bytes()));
        found.extend(named.map(|parameter| {
            let presented = parameter.value.as_deref().map_or(Presented::Malformed, token68);
            (Place::Query(name.clone()), presented)
        }));
    }
    found
}

fn presented_at(request: &Canonical, place: &TokenSource) -> Vec<(Place, Presented)> {
    let here: Vec<Presented> = match place {
        TokenSource::Authorization => request
            .header("authorization")
            .filter_map(authorization)
            .collect(),
        TokenSource::Header(name) => request.header(name).map(token68).collect(),
        TokenSource::Cookie(name) => cookies(request, name).iter().map(|v| token68(v)).collect(),
    };
    here.into_iter()
        .map(|presented| (place_of(place), presented))
        .collect()
}

/// `None` for another scheme, which is no credential.
fn authorization(line: &[u8]) -> Option<Presented> {
    let end = line.iter().position(|b| !is_token_byte(*b)).unwrap_or(line.len());
    let (scheme, rest) = line.split_at_checked(end)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") && !scheme.eq_ignore_ascii_case(b"dpop") {
        return None;
    }
    if rest.contains(&b',') {
        return Some(Presented::Several);
    }
    match rest.strip_prefix(b" ").map_or(Presented::Malformed, token68) {
        Presented::Once if scheme.eq_ignore_ascii_case(b"dpop") => Some(Presented::WithProof),
        presented => Some(presented),
    }
}

fn in_header(request: &Canonical, name: &str) -> Vec<(Place, Presented)> {
    let values = request.header(name).map(not_empty);
    values
        .map(|presented| (Place::Header(name.to_string()), presented))
        .collect()
}

fn presented_keys(policy: &Policy, request: &Canonical) -> Vec<(Place, Presented)> {
    let headers: BTreeSet<&str> = policy
        .keys
        .iter()
        .filter_map(|keys| keys.header.as_deref())
        .collect();
    let names: BTreeSet<&str> = policy
        .keys
        .iter()
        .filter_map(|keys| keys.cookie.as_deref())
        .collect();
    let in_headers = headers.into_iter().flat_map(|name| in_header(request, name));
    let in_cookies = names.into_iter().flat_map(|name| {
        let values = cookies(request, name).into_iter();
        values
            .map(|value| (Place::Cookie(name.to_string()), not_empty(&value)))
            .collect::<Vec<_>>()
    });
    in_headers.chain(in_cookies).collect()
}

fn presented_signatures(policy: &Policy, request: &Canonical) -> Vec<(Place, Presented)> {
    let headers: BTreeSet<&str> = policy
        .signatures
        .iter()
        .map(|scheme| scheme.header.as_str())
        .collect();
    headers
        .into_iter()
        .flat_map(|name| in_header(request, name))
        .collect()
}

/// A JSON object without duplicates, or the detail code.
fn members(text: &str, malformed: Detail) -> Result<Vec<(String, Json)>, String> {
    let document = json::parse(text.as_bytes()).map_err(|_| malformed.code().to_string())?;
    let has_duplicates = document.has_duplicates();
    match document {
        Json::Object(_) if has_duplicates => Err(Detail::DuplicateMember.code().to_string()),
        Json::Object(members) => Ok(members),
        _ => Err(malformed.code().to_string()),
    }
}

fn verified_token(
    policy: &Policy,
    issuer: &str,
    claims: Option<&serde_json::value::RawValue>,
    invalid: Option<&str>,
) -> Credential<TokenFacts> {
    match policy.issuers.iter().position(|i| i.name == issuer) {
        Some(issuer) => token_of(issuer, claims, invalid),
        None => Credential::Invalid(Detail::UnknownIssuer.code().to_string()),
    }
}

fn token_of(
    issuer: usize,
    claims: Option<&serde_json::value::RawValue>,
    invalid: Option<&str>,
) -> Credential<TokenFacts> {
    let facts = || {
        if let Some(detail) = invalid {
            return Err(detail.to_string());
        }
        let text = claims.ok_or(Detail::MalformedToken.code())?.get();
        if text.len() > 65_536 {
            return Err(Detail::TokenTooLarge.code().to_string());
        }
        let claims = members(text, Detail::MalformedToken)?;
        let is_bound_to_key = claims.iter().any(|(name, json)| match json {
            Json::Object(confirmation) => name == "cnf" && confirmation.iter().any(|(name, _)| name == "jkt"),
            _ => false,
        });
        if is_bound_to_key {
            return Err(Detail::ProofNotSupported.code().to_string());
        }
        Ok(TokenFacts { issuer, claims })
    };
    facts().map_or_else(Credential::Invalid, Credential::Valid)
}

fn verified_key(policy: &Policy, key: &portcullis_vectors::KeyCredential) -> Credential<KeyFacts> {
    let facts = || {
        let set = policy
            .keys
            .iter()
            .position(|keys| keys.name == key.keys)
            .ok_or(Detail::UnknownKeys.code())?;
        if let Some(detail) = &key.invalid {
            return Err(detail.clone());
        }
        let fields = key.fields.as_ref().map_or("{}", |fields| fields.get());
        Ok(KeyFacts {
            set,
            id: key.id.clone(),
            fields: members(fields, Detail::MalformedKey)?,
        })
    };
    facts().map_or_else(Credential::Invalid, Credential::Valid)
}

fn peer_facts(policy: &Policy, certificate: &PeerCert) -> PeerFacts {
    let domain = certificate
        .spiffe
        .as_deref()
        .and_then(|id| id.strip_prefix("spiffe://"))
        .map(|rest| rest.split('/').next().unwrap_or_default());
    let claims_it =
        |set: &portcullis_lang::model::PeerSet| set.trust_domains.iter().any(|d| Some(d.as_str()) == domain);
    let sets = (0..policy.peers.len())
        .filter(|i| policy.peers.get(*i).is_some_and(claims_it))
        .collect();
    PeerFacts {
        certificate: certificate.clone(),
        sets,
    }
}
