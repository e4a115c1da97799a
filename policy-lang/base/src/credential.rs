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
}

impl CredentialKind {
    /// All of them, in order.
    pub const ALL: [CredentialKind; 4] = [
        CredentialKind::Token,
        CredentialKind::Key,
        CredentialKind::Peer,
        CredentialKind::Signature,
    ];

    /// The word of the language: what `exists` asks for.
    pub const fn code(self) -> &'static str {
        match self {
            CredentialKind::Token => "token",
            CredentialKind::Key => "key",
            CredentialKind::Peer => "peer",
            CredentialKind::Signature => "signature",
        }
    }

    /// The one that has this code, if any.
    pub fn from_code(code: &str) -> Option<CredentialKind> {
        CredentialKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its challenge in `WWW-Authenticate` (RFC 9110, section 11.6.1), without parameters.
    pub const fn challenge(self) -> &'static str {
        match self {
            CredentialKind::Token => "Bearer",
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
        CredentialKinds(bits & 15)
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
            assert_eq!(CredentialKind::from_code(kind.code()), Some(kind));
            assert_eq!(CredentialKind::from_index(index), Some(kind));
        }
        assert_eq!(CredentialKind::from_index(4), None);
    }

    #[test]
    fn sets_keep_the_order_of_kinds() {
        let set = CredentialKinds::from_iter([CredentialKind::Signature, CredentialKind::Key]);
        assert_eq!(set.bits(), 0b1010);
        assert!(set.iter().eq([CredentialKind::Key, CredentialKind::Signature]));
        assert_eq!(CredentialKinds::from_bits(0xf0), CredentialKinds::NONE);
    }
}
