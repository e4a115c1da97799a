//! A token and a policy's issuers -> how each of them judges it, check by check: what a verdict does not tell. Slow, keeps
//! nothing, and decides nothing.

use super::token::{Check, Compact, Trial};
use crate::data::keys::Keys;
use crate::image::config::{Config, Issuer};
use crate::value::Arena;
use portcullis_base::Detail;

/// How a token was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Why it is no token at all; then no issuer judged it.
    pub fault: Option<Detail>,
    /// By issuer, as the policy orders them, those with `beside` behind the others.
    pub issuers: Vec<IssuerJudgement>,
}

/// How one issuer judged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerJudgement {
    /// Name in the policy.
    pub issuer: String,
    /// Each check with what it found, in the order in which they are made; none where the issuer's tokens are not verified
    /// here (`opaque`, `verified by gateway`). A request's token fails with the first fault.
    pub checks: Vec<(Check, Result<(), Detail>)>,
}

/// Judges a token at an instant (µs since the epoch), presented on a connection with a certificate of a SHA-256 fingerprint in
/// hexadecimal.
pub(crate) fn judge(
    config: &Config,
    keys: &Keys,
    token: &[u8],
    now_us: Option<i64>,
    fingerprint: Option<&[u8]>,
) -> Judgement {
    let arena = Arena::new();
    let token = match Compact::read(token, &arena) {
        Ok(token) => token,
        Err(fault) => {
            return Judgement {
                fault: Some(fault),
                issuers: Vec::new(),
            };
        }
    };
    let of = |issuer: &Issuer, keys| {
        let trial = Trial {
            token: &token,
            issuer,
            keys,
            now_us,
            fingerprint,
            arena: &arena,
        };
        let checks = Check::ALL.iter().map(|check| (*check, check.make(&trial)));
        IssuerJudgement {
            issuer: issuer.name.clone(),
            checks: match issuer.opaque || issuer.verified_by_gateway {
                true => Vec::new(),
                false => checks.collect(),
            },
        }
    };
    let ordinary = config.issuers.iter().enumerate();
    let beside = config.beside.iter().enumerate();
    Judgement {
        fault: None,
        issuers: ordinary
            .map(|(place, issuer)| of(issuer, keys.issuer(place)))
            .chain(beside.map(|(place, issuer)| of(issuer, keys.beside(place))))
            .collect(),
    }
}
