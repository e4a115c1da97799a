//! What the request presents, and what the host verified of it -> one state a kind. Two of one kind, and one that is not
//! verified, are invalid, never ignored. Knows no rules.

// what is presented, by its syntax
mod presented;

// kinds of credential, each from its presented form to what it says
mod certificate;
mod key;
mod peer;
mod signature;
mod token;
mod tokens;

// a token's claims -> values; tokens that were seen before
mod cached;
pub(crate) mod claims;

// why a token is refused
mod judge;

pub use cached::NoToken;
pub(crate) use cached::{StaleKeysOf, TokenCache};
pub(crate) use judge::judge;
pub use judge::{IssuerJudgement, Judgement};
pub(crate) use signature::SignedMessage;
pub use token::Check;
pub(crate) use tokens::presented_opaque_token;

use crate::data::keys::Keys;
use crate::image::config::Config;
use crate::request::Canonical;
use crate::value::Arena;
use crate::value::json::Json;
use crate::view::RequestView;
use certificate::Certificate;
use claims::Claims;
use portcullis_base::CredentialKind;

/// State of a credential kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialState {
    /// Nothing presented, nothing handed over.
    Absent,
    /// Verified.
    Valid,
    /// Presented and not good.
    Invalid,
}

/// A credential of one kind.
#[derive(Clone, Copy, Debug)]
enum Kind<'a, T> {
    Absent,
    Valid(T),
    /// A [`Detail`]'s code, or what the host said.
    Invalid(&'a str),
}

impl<'a, T> Kind<'a, T> {
    fn state(&self) -> CredentialState {
        match self {
            Kind::Absent => CredentialState::Absent,
            Kind::Valid(_) => CredentialState::Valid,
            Kind::Invalid(_) => CredentialState::Invalid,
        }
    }

    fn valid(&self) -> Option<&T> {
        match self {
            Kind::Valid(credential) => Some(credential),
            _ => None,
        }
    }

    fn fault(&self) -> Option<&'a str> {
        match self {
            Kind::Invalid(detail) => Some(detail),
            _ => None,
        }
    }
}

/// A verified token.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) issuer: usize,
    pub(crate) claims: Claims<'a>,
}

/// A verified API key.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) keys: usize,
    pub(crate) id: &'a str,
    pub(crate) fields: Json<'a>,
}

/// A verified certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) certificate: Certificate<'a>,
    /// The `peers` that its trust domain belongs to.
    claimed_by: &'a [u32],
}

/// All credentials of a request.
#[derive(Clone, Debug)]
pub(crate) struct Credentials<'a> {
    token: Kind<'a, Token<'a>>,
    key: Kind<'a, Key<'a>>,
    peer: Kind<'a, Peer<'a>>,
    signature: Kind<'a, usize>,
    /// By `beside` issuer; each token's issuer is its own position.
    beside: &'a [Kind<'a, Token<'a>>],
}

/// What a credential is verified with: keys, clock, and what of earlier requests is known.
pub(crate) struct Verification<'a, 'p> {
    /// Tokens known by their bearer.
    pub tokens: Option<&'a mut TokenCache>,
    /// Digest of the policy.
    pub policy: &'p [u8; 32],
    /// Keys and secrets.
    pub keys: &'a Keys,
    /// µs since the epoch.
    pub now_us: Option<i64>,
}

#[cfg(test)]
impl Verification<'_, 'static> {
    /// No keys, and nothing was seen before.
    pub(crate) fn nothing() -> Self {
        static NO_KEYS: Keys = Keys::NONE;
        Verification {
            tokens: None,
            policy: &[0; 32],
            keys: &NO_KEYS,
            now_us: None,
        }
    }
}

impl<'a> Credentials<'a> {
    /// Reads all kinds.
    pub(crate) fn read(
        view: &'a RequestView<'a>,
        canonical: &Canonical<'a>,
        config: &Config,
        verification: Verification<'a, '_>,
        arena: &'a Arena,
    ) -> Credentials<'a> {
        let peer = peer::peer(view, canonical, config, arena);
        let (keys, now_us) = (verification.keys, verification.now_us);
        let (token, beside) = tokens::tokens(view, canonical, config, verification, peer.valid(), arena);
        Credentials {
            token,
            // Most policies know neither keys nor signatures.
            key: if config.keys.is_empty() && view.key.is_none() {
                Kind::Absent
            } else {
                key::key(view, canonical, config, (keys, now_us), arena)
            },
            peer,
            signature: if config.signatures.is_empty() && view.signature.is_none() {
                Kind::Absent
            } else {
                signature::signature(view, canonical, config, (keys, now_us))
            },
            beside,
        }
    }

    /// As if nothing was presented.
    pub(crate) const NONE: Credentials<'static> = Credentials {
        token: Kind::Absent,
        key: Kind::Absent,
        peer: Kind::Absent,
        signature: Kind::Absent,
        beside: &[],
    };

    /// State of a kind.
    pub(crate) fn state(&self, kind: CredentialKind) -> CredentialState {
        match kind {
            CredentialKind::Token => self.token.state(),
            CredentialKind::Key => self.key.state(),
            CredentialKind::Peer => self.peer.state(),
            CredentialKind::Signature => self.signature.state(),
            CredentialKind::Beside1 | CredentialKind::Beside2 | CredentialKind::Beside3 => kind
                .beside_index()
                .and_then(|index| self.beside.get(index))
                .map_or(CredentialState::Absent, Kind::state),
        }
    }

    /// Whether a valid credential of the kind is there; a peer also needs some `peers` that claims it.
    pub(crate) fn valid(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Peer => self.peer.valid().is_some_and(|peer| !peer.claimed_by.is_empty()),
            _ => self.state(kind) == CredentialState::Valid,
        }
    }

    /// Whether a credential of the kind was presented, good or not.
    pub(crate) fn presented(&self, kind: CredentialKind) -> bool {
        self.state(kind) != CredentialState::Absent
    }

    /// Whether the declaration at `place` of the kind verified what is there.
    pub(crate) fn anchor(&self, kind: CredentialKind, place: u32) -> bool {
        let index = place as usize;
        match kind {
            CredentialKind::Token => self.token.valid().is_some_and(|token| token.issuer == index),
            CredentialKind::Key => self.key.valid().is_some_and(|key| key.keys == index),
            CredentialKind::Peer => self
                .peer
                .valid()
                .is_some_and(|peer| peer.claimed_by.contains(&place)),
            CredentialKind::Signature => self.signature.valid() == Some(&index),
            // A kind of one issuer.
            _ => self.valid(kind),
        }
    }

    /// Why the message's signature is not good, where one that is not is presented.
    pub(crate) fn signature_fault(&self) -> Option<&'a str> {
        self.signature.fault()
    }

    /// The first invalid kind with its detail code.
    #[inline]
    pub(crate) fn first_invalid(&self) -> Option<(CredentialKind, &'a str)> {
        let of = |kind: CredentialKind, fault: Option<&'a str>| fault.map(|fault| (kind, fault));
        of(CredentialKind::Token, self.token.fault())
            .or_else(|| of(CredentialKind::Key, self.key.fault()))
            .or_else(|| of(CredentialKind::Peer, self.peer.fault()))
            .or_else(|| of(CredentialKind::Signature, self.signature.fault()))
            .or_else(|| {
                let mut tokens = self.beside.iter().enumerate();
                tokens.find_map(|(at, token)| of(CredentialKind::beside(at), token.fault()))
            })
    }

    pub(crate) fn token(&self) -> Option<&Token<'a>> {
        self.token.valid()
    }

    /// The token of the `beside` issuer at a position.
    pub(crate) fn beside(&self, index: usize) -> Option<&Token<'a>> {
        self.beside.get(index)?.valid()
    }

    pub(crate) fn key(&self) -> Option<&Key<'a>> {
        self.key.valid()
    }

    pub(crate) fn peer(&self) -> Option<&Peer<'a>> {
        self.peer.valid()
    }

    pub(crate) fn signature(&self) -> Option<usize> {
        self.signature.valid().copied()
    }
}
