//! Headers and what the host hands over -> for each kind of credential: absent, valid or invalid (section 4). Finds
//! what is presented; [`crate::verify`] judges it where nothing is handed over. Reads no single fact; see
//! [`crate::facts`] for that.

use portcullis_base::Detail;
use std::collections::BTreeSet;

use portcullis_lang::model::{Anchor, CredentialKind, Issuer, KeySet, Policy, TokenSource};
use portcullis_vectors::{PeerCert, Vector};

use crate::facts::cookies;
use crate::forwarded_certificate;
use crate::json::{self, Json};
use crate::normalise::{Canonical, Upgrade, is_token_byte};
use crate::verify::Circumstances;
use crate::verify::api_key;
use crate::verify::claims::{self, LeftOut};
use crate::verify::keys::Keys;
use crate::verify::signature::{self, Message};
use crate::verify::token::{self, Reader};

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
    pub(crate) fn of(
        policy: &Policy,
        keys: &Keys,
        request: &Canonical,
        vector: &Vector,
        now: Option<i64>,
        is_body_read: bool,
    ) -> Credentials {
        let peer = peer(policy, request, vector);
        let circumstances = Circumstances {
            now,
            fingerprint: peer
                .valid()
                .and_then(|peer| peer.certificate.fingerprint.as_deref()),
        };
        let judge = Judge {
            policy,
            keys,
            request,
            vector,
            circumstances,
            is_body_read,
        };
        let beside = (0..policy.beside.len()).map(|index| judge.beside(index));
        Credentials {
            beside: beside.collect(),
            token: judge.token(),
            key: judge.key(),
            signature: judge.signature(),
            peer,
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

    /// Whether the signature alone stands between the caller and the rules, or is passed over with what else is invalid.
    pub(crate) fn waits_for_body(&self, is_anonymous: bool) -> bool {
        let not_verified = Detail::NotVerified.code();
        let is_first = self.first_invalid() == Some((CredentialKind::Signature, not_verified));
        is_first || is_anonymous && self.signature.fault() == Some(not_verified)
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

/// What the kinds are settled from.
struct Judge<'a> {
    policy: &'a Policy,
    keys: &'a Keys,
    request: &'a Canonical,
    vector: &'a Vector,
    circumstances: Circumstances<'a>,
    /// Else a signature that only the body can show to be good or bad is not verified.
    is_body_read: bool,
}

impl Judge<'_> {
    fn token(&self) -> Credential<TokenFacts> {
        // `bearer` stands for a header that nobody has verified
        let token = self
            .vector
            .token
            .as_ref()
            .filter(|_| self.vector.bearer.is_none());
        let word = token.map(|token| {
            let issuers = &self.policy.issuers;
            match issuers.iter().position(|issuer| issuer.name == token.issuer) {
                Some(index) => {
                    self.handed_over(index, issuers, token.claims.as_deref(), token.invalid.as_deref())
                }
                None => invalid(Detail::UnknownIssuer),
            }
        });
        let stands_at = |issuer: &Issuer, place: &Place| {
            let query = issuer.query.clone().map(Place::Query);
            place_of(&issuer.source) == *place || query.as_ref() == Some(place)
        };
        settle(
            &presented_tokens(self.policy, self.request),
            word,
            |token, place| {
                let issuer = self.policy.issuers.get(token.issuer);
                issuer.is_some_and(|issuer| stands_at(issuer, place))
            },
            |place, text| {
                let readers = self.policy.issuers.iter().zip(&self.keys.issuers).enumerate();
                let readers = readers.map(|(index, (issuer, keys))| Reader { index, issuer, keys });
                let readers: Vec<Reader<'_>> =
                    readers.filter(|reader| stands_at(reader.issuer, place)).collect();
                self.verified_token(text, &readers)
            },
        )
    }

    fn beside(&self, index: usize) -> Credential<TokenFacts> {
        let Some((issuer, keys)) = self.policy.beside.iter().zip(&self.keys.beside).nth(index) else {
            return Credential::Absent;
        };
        let word = self.vector.beside.get(&issuer.name).map(|token| {
            let (claims, invalid) = (token.claims.as_deref(), token.invalid.as_deref());
            self.handed_over(index, &self.policy.beside, claims, invalid)
        });
        settle(
            &presented_at(self.request, &issuer.source),
            word,
            |_, _| true,
            |_, text| self.verified_token(text, &[Reader { index, issuer, keys }]),
        )
    }

    fn verified_token(&self, text: &[u8], readers: &[Reader<'_>]) -> Credential<TokenFacts> {
        match token::verify(text, readers, &self.circumstances) {
            Ok((issuer, claims)) => Credential::Valid(TokenFacts { issuer, claims }),
            Err(detail) => invalid(detail),
        }
    }

    /// Claims that the host hands over are its word; of an issuer `verified by gateway` the signature alone is, of an
    /// `opaque` one that its token is active.
    fn handed_over(
        &self,
        index: usize,
        issuers: &[Issuer],
        claims: Option<&serde_json::value::RawValue>,
        invalid: Option<&str>,
    ) -> Credential<TokenFacts> {
        let token = token_of(index, claims, invalid);
        match (&token, issuers.get(index)) {
            (Credential::Valid(facts), Some(issuer))
                if issuer.url_like || issuer.verified_by_gateway || issuer.opaque =>
            {
                let is_its = match claims::claim(&facts.claims, "iss") {
                    Some(Json::String(iss)) => claims::is_url_of(issuer, iss),
                    Some(_) => false,
                    None => true,
                };
                if !is_its {
                    return self::invalid(Detail::UnknownIssuer);
                }
                if !issuer.verified_by_gateway && !issuer.opaque {
                    return token;
                }
                match claims::judge(&facts.claims, issuer, &self.circumstances, LeftOut::IsMet) {
                    Ok(()) => token,
                    Err(detail) => self::invalid(detail),
                }
            }
            _ => token,
        }
    }

    fn key(&self) -> Credential<KeyFacts> {
        settle(
            &presented_keys(self.policy, self.request),
            self.vector.key.as_ref().map(|key| verified_key(self.policy, key)),
            |key, place| {
                self.policy.keys.get(key.set).is_some_and(|set| {
                    let header = set.header.clone().map(Place::Header);
                    let cookie = set.cookie.clone().map(Place::Cookie);
                    [header, cookie].iter().flatten().any(|own| own == place)
                })
            },
            |place, text| self.verified_api_key(place, text),
        )
    }

    fn verified_api_key(&self, place: &Place, text: &[u8]) -> Credential<KeyFacts> {
        let sets = self.policy.keys.iter().zip(&self.keys.api).enumerate();
        let readers = sets.map(|(index, (set, keys))| api_key::Reader {
            index,
            set,
            keys: keys.as_ref(),
        });
        let is_here = |set: &KeySet| {
            let header = set.header.clone().map(Place::Header);
            let cookie = set.cookie.clone().map(Place::Cookie);
            [header, cookie].iter().flatten().any(|own| own == place)
        };
        let readers: Vec<_> = readers.filter(|reader| is_here(reader.set)).collect();
        let (set, entry) = match api_key::verify(text, &readers, self.circumstances.now) {
            Ok(found) => found,
            Err(detail) => return invalid(detail),
        };
        Credential::Valid(KeyFacts {
            set,
            id: Some(entry.id.clone()),
            fields: entry.fields.clone(),
        })
    }

    fn signature(&self) -> Credential<usize> {
        let word = self.vector.signature.as_ref().map(|s| {
            let mut schemes = self.policy.signatures.iter();
            match (schemes.position(|scheme| scheme.name == s.name), &s.invalid) {
                (None, _) => invalid(Detail::UnknownSignature),
                (Some(_), Some(detail)) => Credential::Invalid(detail.clone()),
                (Some(index), None) => Credential::Valid(index),
            }
        });
        settle(
            &presented_signatures(self.policy, self.request),
            word,
            |index, place| {
                let header = self
                    .policy
                    .signatures
                    .get(*index)
                    .map(|scheme| scheme.header.clone());
                header.map(Place::Header).as_ref() == Some(place)
            },
            |place, value| self.verified_signature(place, value),
        )
    }

    /// Of several schemes that read one header any may have made it; if none did, the first says why.
    fn verified_signature(&self, place: &Place, value: &[u8]) -> Credential<usize> {
        let body = self
            .vector
            .request
            .body_bytes()
            .ok()
            .flatten()
            .unwrap_or_default();
        let mut outcomes = Vec::new();
        for (index, scheme) in self.policy.signatures.iter().enumerate() {
            if Place::Header(scheme.header.clone()) != *place {
                continue;
            }
            let stamp = scheme.timestamp.as_ref().map(|(header, _)| header.as_str());
            let message = Message {
                value,
                timestamps: stamp.map_or_else(Vec::new, |header| self.request.header(header).collect()),
                body: &body,
            };
            let secrets = self.keys.signatures.get(index).map_or(&[][..], Vec::as_slice);
            outcomes.push((
                index,
                signature::verify(scheme, secrets, &message, self.circumstances.now),
            ));
        }
        let waits = |outcome: &Result<(), Detail>| matches!(outcome, Ok(()) | Err(Detail::BadSignature));
        if !self.is_body_read && outcomes.iter().any(|(_, outcome)| waits(outcome)) {
            return invalid(Detail::NotVerified);
        }
        let made_by = outcomes.iter().find(|(_, outcome)| outcome.is_ok());
        match (made_by, outcomes.first()) {
            (Some((index, _)), _) => Credential::Valid(*index),
            (None, Some((_, Err(detail)))) => invalid(*detail),
            _ => invalid(Detail::NotVerified),
        }
    }
}

fn invalid<T>(detail: Detail) -> Credential<T> {
    Credential::Invalid(detail.code().to_string())
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
    /// With its text.
    Once(Vec<u8>),
    /// A list where one is expected.
    Several,
    Malformed,
    /// With a scheme that asks for a proof of each request.
    WithProof,
}

/// Headers say what was presented, the host what it is worth; where it says nothing, what is presented is verified. What
/// is presented where nobody looks for the credential that the host hands over is another one, which nobody verifies.
fn settle<T>(
    presented: &[(Place, Presented)],
    handed_over: Option<Credential<T>>,
    looks_there: impl Fn(&T, &Place) -> bool,
    verify: impl Fn(&Place, &[u8]) -> Credential<T>,
) -> Credential<T> {
    match (presented, handed_over) {
        ([], None) => Credential::Absent,
        ([_, _, ..] | [(_, Presented::Several)], _) => invalid(Detail::AmbiguousCredential),
        ([(_, Presented::Malformed)], _) => invalid(Detail::MalformedCredential),
        ([(_, Presented::WithProof)], _) => invalid(Detail::ProofNotSupported),
        ([(place, Presented::Once(_))], Some(Credential::Valid(facts))) if !looks_there(&facts, place) => {
            invalid(Detail::AmbiguousCredential)
        }
        ([] | [(_, Presented::Once(_))], Some(word)) => word,
        ([(place, Presented::Once(text))], None) => verify(place, text),
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
        Presented::Once(text.to_vec())
    } else {
        Presented::Malformed
    }
}

fn not_empty(text: &[u8]) -> Presented {
    if text.is_empty() {
        Presented::Malformed
    } else {
        Presented::Once(text.to_vec())
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
        Presented::Once(_) if scheme.eq_ignore_ascii_case(b"dpop") => Some(Presented::WithProof),
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

fn peer(policy: &Policy, request: &Canonical, vector: &Vector) -> Credential<PeerFacts> {
    match &vector.request.peer {
        None => match forwarded_certificate::told(policy, request, vector) {
            None => Credential::Absent,
            Some(None) => Credential::Invalid(Detail::MalformedCertificate.code().to_string()),
            Some(Some(certificate)) => Credential::Valid(peer_facts(policy, &certificate)),
        },
        Some(PeerCert {
            invalid: Some(detail),
            ..
        }) => Credential::Invalid(detail.clone()),
        Some(certificate) => Credential::Valid(peer_facts(policy, certificate)),
    }
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
