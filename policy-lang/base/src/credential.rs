//! Kinds of credential -> their names, challenges and sets. Knows no credential.

use core::fmt;

/// A kind of credential. Their order is that in which an invalid one is reported and in which challenges are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CredentialKind {
    /// A token: a JWT or an opaque one.
    Token,
    /// An API key.
    Key,
    /// A client certificate.
    Peer,
    /// A signed message.
    Signature,
    /// A token of the first `beside` issuer by name.
    Beside1,
    /// Of the second.
    Beside2,
    /// Of the third.
    Beside3,
}

impl CredentialKind {
    /// All of them, in order.
    pub const ALL: [CredentialKind; 7] = [
        CredentialKind::Token,
        CredentialKind::Key,
        CredentialKind::Peer,
        CredentialKind::Signature,
        CredentialKind::Beside1,
        CredentialKind::Beside2,
        CredentialKind::Beside3,
    ];

    /// Issuers with the clause `beside` in one policy, at most: each is a kind of its own.
    pub const BESIDE_MAX: usize = 3;

    /// Tokens of the `beside` issuer at a position by name, below [`CredentialKind::BESIDE_MAX`].
    pub const fn beside(index: usize) -> CredentialKind {
        match index {
            0 => CredentialKind::Beside1,
            1 => CredentialKind::Beside2,
            _ => CredentialKind::Beside3,
        }
    }

    /// The position by name of the `beside` issuer whose tokens these are.
    pub const fn beside_index(self) -> Option<usize> {
        match self {
            CredentialKind::Beside1 => Some(0),
            CredentialKind::Beside2 => Some(1),
            CredentialKind::Beside3 => Some(2),
            _ => None,
        }
    }

    /// The word of the language: what `exists` asks for, or for `beside` issuers what stands before `from`.
    pub const fn code(self) -> &'static str {
        match self {
            CredentialKind::Token
            | CredentialKind::Beside1
            | CredentialKind::Beside2
            | CredentialKind::Beside3 => "token",
            CredentialKind::Key => "key",
            CredentialKind::Peer => "peer",
            CredentialKind::Signature => "signature",
        }
    }

    /// The first that has this code, if any.
    pub fn from_code(code: &str) -> Option<CredentialKind> {
        CredentialKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its challenge in `WWW-Authenticate` (RFC 9110, section 11.6.1), without parameters.
    pub const fn challenge(self) -> &'static str {
        match self {
            CredentialKind::Token
            | CredentialKind::Beside1
            | CredentialKind::Beside2
            | CredentialKind::Beside3 => "Bearer",
            CredentialKind::Key => "ApiKey",
            CredentialKind::Peer => "Certificate",
            CredentialKind::Signature => "Signature",
        }
    }

    /// The kind at a position of [`CredentialKind::ALL`]; an image writes kinds so.
    #[inline]
    pub const fn from_index(index: u32) -> Option<CredentialKind> {
        match index {
            0 => Some(CredentialKind::Token),
            1 => Some(CredentialKind::Key),
            2 => Some(CredentialKind::Peer),
            3 => Some(CredentialKind::Signature),
            4 => Some(CredentialKind::Beside1),
            5 => Some(CredentialKind::Beside2),
            6 => Some(CredentialKind::Beside3),
            _ => None,
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialKinds(u8);

impl CredentialKinds {
    /// None.
    pub const NONE: CredentialKinds = CredentialKinds(0);

    /// From a bit for each kind, the lowest for [`CredentialKind::Token`]; higher bits than there are kinds are ignored.
    #[inline]
    pub const fn from_bits(bits: u8) -> CredentialKinds {
        CredentialKinds(bits & 127)
    }

    /// As [`CredentialKinds::from_bits`] reads them.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds a kind.
    #[inline]
    pub const fn contains(self, kind: CredentialKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// With those of another set.
    pub const fn union(self, other: CredentialKinds) -> CredentialKinds {
        CredentialKinds(self.0 | other.0)
    }

    /// The challenges of the kinds, in their order, each once.
    pub fn challenges(self) -> impl Iterator<Item = &'static str> {
        const BEARER: u8 = 0b111_0001;
        let bearer = self.0 & BEARER;
        CredentialKinds(self.0 & !BEARER | bearer & bearer.wrapping_neg())
            .iter()
            .map(CredentialKind::challenge)
    }

    /// The kinds, in order.
    pub fn iter(self) -> impl Iterator<Item = CredentialKind> {
        CredentialKind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<CredentialKind> for CredentialKinds {
    fn from_iter<I: IntoIterator<Item = CredentialKind>>(kinds: I) -> CredentialKinds {
        CredentialKinds(kinds.into_iter().fold(0, |bits, kind| bits | 1 << kind as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::{CredentialKind, CredentialKinds};

    #[test]
    fn codes_and_indices_read_back() {
        for (kind, index) in CredentialKind::ALL.into_iter().zip(0..) {
            if kind.beside_index().is_none() {
                assert_eq!(CredentialKind::from_code(kind.code()), Some(kind));
            }
            assert_eq!(CredentialKind::from_index(index), Some(kind));
        }
        assert_eq!(CredentialKind::from_index(7), None);
        for index in 0..CredentialKind::BESIDE_MAX {
            assert_eq!(CredentialKind::beside(index).beside_index(), Some(index));
        }
    }

    #[test]
    fn a_challenge_is_listed_once() {
        use CredentialKind::{Beside1, Beside3, Key, Token};
        let challenges = |kinds: [CredentialKind; 3]| CredentialKinds::from_iter(kinds).challenges();
        assert!(challenges([Beside3, Key, Token]).eq(["Bearer", "ApiKey"]));
        assert!(challenges([Beside3, Beside1, Key]).eq(["ApiKey", "Bearer"]));
    }

    #[test]
    fn sets_keep_the_order_of_kinds() {
        let set = CredentialKinds::from_iter([CredentialKind::Signature, CredentialKind::Key]);
        assert_eq!(set.bits(), 0b1010);
        assert!(set.iter().eq([CredentialKind::Key, CredentialKind::Signature]));
        assert_eq!(CredentialKinds::from_bits(0x80), CredentialKinds::NONE);
    }
}
