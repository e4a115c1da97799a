//! A secret and bytes -> their keyed hash (RFC 2104), and whether a given one is it. Compares in constant time, and shows
//! no secret.

use alloc::vec::Vec;
use core::fmt;

use hmac::{KeyInit, Mac as _};
use portcullis_base::Algorithm;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// A hash function (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-384: 48 bytes.
    Sha384,
    /// SHA-512: 64 bytes.
    Sha512,
}

impl Hash {
    /// Bytes of a hash.
    pub fn length(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    /// The hash of an algorithm; that of Ed25519 is its own affair, and SHA-512.
    pub fn of(algorithm: Algorithm) -> Hash {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384,
            Rs512,
        };
        match algorithm {
            Es256 | Hs256 | Ps256 | Rs256 => Hash::Sha256,
            Es384 | Hs384 | Ps384 | Rs384 => Hash::Sha384,
            Es512 | Hs512 | Ps512 | Rs512 | EdDsa | Ed25519 => Hash::Sha512,
        }
    }

    /// The hash of the parts, one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Tag {
        fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Tag {
            let mut hash = D::new();
            for part in parts {
                hash.update(part);
            }
            Tag::new(&hash.finalize())
        }
        match self {
            Hash::Sha256 => digest::<Sha256>(parts),
            Hash::Sha384 => digest::<Sha384>(parts),
            Hash::Sha512 => digest::<Sha512>(parts),
        }
    }
}

/// Most bytes of a hash.
const TAG_BYTES_MAX: usize = 64;

/// A hash or keyed hash of 32, 48 or 64 bytes. It has no `==`: a keyed hash is compared by [`Hmac::verify`].
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; TAG_BYTES_MAX],
    length: u8,
}

impl Tag {
    fn new(hash: &[u8]) -> Tag {
        let mut bytes = [0; TAG_BYTES_MAX];
        fill(&mut bytes, hash);
        Tag {
            bytes,
            length: hash.len() as u8,
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Shows nothing: a keyed hash of a request is as good as a credential for it.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag")
    }
}

/// A secret that both sides hold. Its memory is overwritten when it is dropped; a clone is another copy.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A copy of the bytes.
    pub fn new(bytes: &[u8]) -> Secret {
        Secret(Zeroizing::new(bytes.to_vec()))
    }

    /// How many bytes it has. RFC 7518 (section 3.2) asks for at least as many as the hash.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes: a keyed hash with it proves nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A keyed hash with this secret, of nothing so far.
    pub fn hmac(&self, hash: Hash) -> Hmac {
        Hmac(match hash {
            Hash::Sha256 => State::Sha256(keyed(&self.0, hash)),
            Hash::Sha384 => State::Sha384(keyed(&self.0, hash)),
            Hash::Sha512 => State::Sha512(keyed(&self.0, hash)),
        })
    }

    /// Whether `tag` is the keyed hash of `message` under `HS256`, `HS384` or `HS512`; other algorithms are false.
    pub fn verify_hs(&self, algorithm: Algorithm, message: &[u8], tag: &[u8]) -> bool {
        if !algorithm.is_symmetric() {
            return false;
        }
        let mut hmac = self.hmac(Hash::of(algorithm));
        hmac.update(message);
        hmac.verify(tag)
    }
}

/// Shows nothing, not even the length.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The state for a secret of any length. The trait's way from a slice can fail, so a block is made here: zeros after the
/// secret, or after its hash where it is longer than a block (RFC 2104, section 2).
fn keyed<M: KeyInit>(secret: &[u8], hash: Hash) -> M {
    let mut block = hmac::digest::Key::<M>::default();
    if secret.len() > block.len() {
        fill(&mut block, hash.digest(&[secret]).as_bytes());
    } else {
        fill(&mut block, secret);
    }
    let state = M::new(&block);
    block.as_mut_slice().zeroize();
    state
}

fn fill(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// A keyed hash in the making.
#[derive(Clone)]
pub struct Hmac(State);

#[derive(Clone)]
enum State {
    Sha256(hmac::Hmac<Sha256>),
    Sha384(hmac::Hmac<Sha384>),
    Sha512(hmac::Hmac<Sha512>),
}

impl Hmac {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The keyed hash of all bytes added.
    pub fn finish(self) -> Tag {
        match self.0 {
            State::Sha256(state) => Tag::new(&state.finalize().into_bytes()),
            State::Sha384(state) => Tag::new(&state.finalize().into_bytes()),
            State::Sha512(state) => Tag::new(&state.finalize().into_bytes()),
        }
    }

    /// Whether `tag` is the whole keyed hash of all bytes added. How long this takes depends on the length of `tag` alone.
    pub fn verify(self, tag: &[u8]) -> bool {
        self.finish().as_bytes().ct_eq(tag).into()
    }
}

/// Shows nothing: the state is as good as the secret.
impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hmac")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::vec::Vec;

    use portcullis_base::Algorithm;

    use super::{Hash, Secret};

    fn hex(bytes: &[u8]) -> std::string::String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn known_answers() {
        let mut hmac = Secret::new(b"Jefe").hmac(Hash::Sha256);
        hmac.update(b"what do ya want ");
        hmac.update(b"for nothing?");
        let tag = hmac.clone().finish();
        assert_eq!(
            hex(tag.as_bytes()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(hmac.clone().verify(tag.as_bytes()));
        assert!(!hmac.clone().verify(&tag.as_bytes()[..31]));
        assert!(!hmac.verify(&[]));
        let long = Secret::new(&[0xaa; 131]);
        let mut hmac = long.hmac(Hash::Sha384);
        hmac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert!(
            hex(hmac.finish().as_bytes()).starts_with("4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f")
        );
        let mut hmac = long.hmac(Hash::Sha512);
        hmac.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert!(
            hex(hmac.finish().as_bytes()).starts_with("80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1")
        );
    }

    #[test]
    fn only_symmetric_algorithms_and_whole_tags() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef");
        for (algorithm, hash) in [
            (Algorithm::Hs256, Hash::Sha256),
            (Algorithm::Hs384, Hash::Sha384),
            (Algorithm::Hs512, Hash::Sha512),
        ] {
            let mut hmac = secret.hmac(hash);
            hmac.update(b"message");
            let tag: Vec<u8> = hmac.finish().as_bytes().to_vec();
            assert_eq!(tag.len(), hash.length());
            for other in Algorithm::ALL {
                assert_eq!(secret.verify_hs(other, b"message", &tag), other == algorithm);
            }
            let mut longer = tag.clone();
            longer.push(0);
            assert!(!secret.verify_hs(algorithm, b"message", &longer));
            assert!(!secret.verify_hs(algorithm, b"messages", &tag));
        }
    }

    #[test]
    fn nothing_is_shown() {
        let secret = Secret::new(b"planted");
        let hmac = secret.hmac(Hash::Sha256);
        let shown = format!("{secret:?} {hmac:?} {:?}", hmac.clone().finish());
        assert_eq!(shown, "Secret Hmac Tag");
    }
}
