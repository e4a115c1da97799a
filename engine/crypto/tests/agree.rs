//! Backends give the same answers: for valid signatures, for changed ones, and where libraries are known to differ.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::Verifier as _;
use portcullis_base::Algorithm;
use portcullis_base::jwks::PublicKey;
use portcullis_crypto::{Verifier, backends};
use portcullis_sign::SigningKey;
use sha2::{Digest as _, Sha512};

/// A test key by the name of its file.
fn key(name: &str) -> SigningKey {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/keys");
    SigningKey::from_jwk(&std::fs::read_to_string(format!("{folder}/{name}.private.jwk.json")).unwrap())
        .unwrap()
}

/// A key as every backend has it.
struct Everywhere(Vec<Box<dyn Verifier>>);

impl Everywhere {
    fn new(key: &PublicKey) -> Everywhere {
        Everywhere(
            backends()
                .iter()
                .map(|(_, backend)| backend.prepare(key).unwrap())
                .collect(),
        )
    }

    /// The one answer of all.
    #[track_caller]
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let mut answers = self.0.iter().map(|key| key.verify(algorithm, message, signature));
        let first = answers.next().unwrap();
        assert!(
            answers.all(|answer| answer == first),
            "backends differ: {signature:02x?}"
        );
        first
    }
}

/// SplitMix64: the same changes every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % bound as u64) as usize
    }

    /// The bytes with one thing changed.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        let at = self.below(out.len());
        match self.below(9) {
            0 | 1 => out[at] ^= 1 << self.below(8),
            2 => out[at] = self.below(256) as u8,
            3 => out.truncate(at),
            4 => out.insert(at, self.below(256) as u8),
            5 => out.rotate_left(at),
            6 => out[at..].fill([0, 0xff][self.below(2)]),
            7 => out[..at].fill([0, 0xff][self.below(2)]),
            _ => out.extend([0; 3]),
        }
        out
    }
}

#[test]
fn changed_signatures_verify_nowhere() {
    let mut random = Random(1);
    let mut changed = 0;
    for name in ["es256", "es384", "ed25519", "rsa", "rsa-2049", "rsa-4096"] {
        let key = key(name);
        let verifiers = Everywhere::new(&key.public_key().unwrap());
        for algorithm in key.algorithms() {
            for message in [&b""[..], b"a", &[b'm'; 1000]] {
                let signature = key.sign(algorithm, message).unwrap();
                assert!(
                    verifiers.verify(algorithm, message, &signature),
                    "{name} {algorithm:?}"
                );
                for other in Algorithm::ALL {
                    let same = other == algorithm
                        || [other, algorithm].map(|a| a == Algorithm::EdDsa || a == Algorithm::Ed25519)
                            == [true; 2];
                    assert_eq!(
                        verifiers.verify(other, message, &signature),
                        same,
                        "{name} {other:?}"
                    );
                }
                for _ in 0..100 {
                    let forged = random.change(&signature);
                    if forged != signature {
                        changed += 1;
                        assert!(
                            !verifiers.verify(algorithm, message, &forged),
                            "{name} {forged:02x?}"
                        );
                    }
                }
                let other = [message, b"."].concat();
                assert!(!verifiers.verify(algorithm, &other, &signature));
            }
        }
    }
    assert!(changed > 5_000, "{changed}");
}

/// `a - b` and `a + b` of big-endian numbers of one length, without what goes over the top.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out: Vec<u8> = std::iter::zip(a, b)
        .rev()
        .map(|(a, b)| {
            let digit = 0x100 + i32::from(*a) - i32::from(*b) - borrow;
            borrow = i32::from(digit < 0x100);
            digit as u8
        })
        .collect();
    out.reverse();
    out
}

fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    subtract(a, &subtract(&vec![0; b.len()], b))
}

/// The orders of the groups of P-256 and P-384 (SEC 2, sections 2.4.2 and 2.5.1).
const ORDERS: [(&str, Algorithm, &str); 2] = [
    (
        "es256",
        Algorithm::Es256,
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ),
    (
        "es384",
        Algorithm::Es384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn numbers_of_ecdsa_are_within_the_order() {
    for (name, algorithm, order) in ORDERS {
        let (key, order) = (key(name), hex(order));
        let verifiers = Everywhere::new(&key.public_key().unwrap());
        let signature = key.sign(algorithm, b"message").unwrap();
        let (r, s) = signature.split_at(signature.len() / 2);
        let verify = |r: &[u8], s: &[u8]| verifiers.verify(algorithm, b"message", &[r, s].concat());
        assert!(verify(r, s));
        // Either half of `s` is valid (RFC 7518 asks for no lower one): one of the two is the upper one.
        assert!(verify(r, &subtract(&order, s)));
        assert!(!verify(&subtract(&order, r), s));
        let zero = vec![0; r.len()];
        let one = [&zero[1..], &[1]].concat();
        let all = vec![0xff; r.len()];
        for other in [&zero, &one, &order, &all, &add(&order, &one)] {
            assert!(!verify(r, other));
            assert!(!verify(other, s));
            for second in [&zero, &one, &order, &all] {
                assert!(!verify(other, second));
            }
        }
        // The DER form, and both numbers with a leading zero.
        let der = portcullis_crypto::der_signature(&signature).unwrap();
        assert!(!verifiers.verify(algorithm, b"message", &der));
        let padded = [&[0], r, &[0], s].concat();
        assert!(!verifiers.verify(algorithm, b"message", &padded));
    }
}

/// A signature number that is as good modulo the order, but not less than it.
#[test]
fn a_small_r_plus_the_order_is_refused() {
    for (name, algorithm, order) in ORDERS {
        let (key, order) = (key(name), hex(order));
        let verifiers = Everywhere::new(&key.public_key().unwrap());
        let signature = key.sign(algorithm, b"message").unwrap();
        let (r, s) = signature.split_at(signature.len() / 2);
        // Goes over the top: the low bytes alone, which a verifier that drops the carry would reduce.
        for (r, s) in [(add(r, &order), s.to_vec()), (r.to_vec(), add(s, &order))] {
            assert!(!verifiers.verify(algorithm, b"message", &[r, s].concat()));
        }
    }
}

/// The challenge of a signature (RFC 8032, section 5.1.7).
fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash: [u8; 64] = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(message)
        .finalize()
        .into();
    Scalar::from_bytes_mod_order_wide(&hash)
}

/// A signature made of a chosen `R` = `rB` + `torsion` under the key `aB` + `twist`.
fn forge(
    a: Scalar,
    twist: EdwardsPoint,
    r: Scalar,
    torsion: EdwardsPoint,
    message: &[u8],
) -> (PublicKey, [u8; 64]) {
    let public = (ED25519_BASEPOINT_POINT * a + twist).compress().to_bytes();
    let point = (ED25519_BASEPOINT_POINT * r + torsion).compress().to_bytes();
    let s = r + challenge(&point, &public, message) * a;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&point);
    signature[32..].copy_from_slice(&s.to_bytes());
    (PublicKey::Ed25519(public.to_vec()), signature)
}

fn lenient(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let PublicKey::Ed25519(bytes) = key else {
        return false;
    };
    ed25519_dalek::VerifyingKey::from_bytes(bytes.as_slice().try_into().unwrap()).is_ok_and(|key| {
        key.verify(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    })
}

#[test]
fn an_r_of_small_order_is_refused() {
    let a = Scalar::from(123_456_789u64);
    let mut held = 0;
    for torsion in EIGHT_TORSION {
        let (key, signature) = forge(a, EdwardsPoint::default(), Scalar::ZERO, torsion, b"message");
        // The equation holds for the neutral element alone.
        held += u32::from(lenient(&key, b"message", &signature));
        assert!(!Everywhere::new(&key).verify(Algorithm::EdDsa, b"message", &signature));
    }
    assert_eq!(held, 1);
}

/// With a key of mixed order the equation without the cofactor holds for about one message of eight.
#[test]
fn keys_of_mixed_order_get_one_answer() {
    let (a, r) = (Scalar::from(987_654_321u64), Scalar::from(55_555u64));
    let mut good = 0;
    for n in 0..64u8 {
        let (key, signature) = forge(a, EIGHT_TORSION[1], r, EdwardsPoint::default(), &[n]);
        good += u32::from(Everywhere::new(&key).verify(Algorithm::EdDsa, &[n], &signature));
    }
    assert!((1..32).contains(&good), "{good}");
    // An `R` of mixed order never fits a key of the prime order.
    let (key, signature) = forge(a, EdwardsPoint::default(), r, EIGHT_TORSION[1], b"message");
    assert!(!Everywhere::new(&key).verify(Algorithm::EdDsa, b"message", &signature));
}

#[test]
fn an_s_of_at_least_the_order_is_refused() {
    // 2^252 + 27742317777372353535851937790883648493 (RFC 8032, section 5.1), little-endian.
    let mut order = hex("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed");
    let key = key("ed25519");
    let verifiers = Everywhere::new(&key.public_key().unwrap());
    let signature = key.sign(Algorithm::EdDsa, b"message").unwrap();
    let mut s = signature[32..].to_vec();
    s.reverse();
    for _ in 0..14 {
        s = add(&s, &order);
        let mut little = s.clone();
        little.reverse();
        let forged = [&signature[..32], &little].concat();
        assert!(!verifiers.verify(Algorithm::EdDsa, b"message", &forged));
    }
    order.reverse();
    let forged = [&signature[..32], &order].concat();
    assert!(!verifiers.verify(Algorithm::EdDsa, b"message", &forged));
}

/// An `R` in its second form, where it has one: `y` not less than the prime, or a sign where `x` is zero.
#[test]
fn second_forms_of_points_are_refused() {
    let key = key("ed25519");
    let verifiers = Everywhere::new(&key.public_key().unwrap());
    for low in 0xed..=0xffu8 {
        for high in [0x7f, 0xff] {
            let mut forged = [0xff; 64];
            (forged[0], forged[31]) = (low, high);
            forged[32..].fill(0);
            assert!(!verifiers.verify(Algorithm::EdDsa, b"message", &forged));
        }
    }
}

#[test]
fn an_rsa_signature_has_the_length_and_range_of_its_modulus() {
    for name in ["rsa", "rsa-2049"] {
        let key = key(name);
        let public = key.public_key().unwrap();
        let verifiers = Everywhere::new(&public);
        let PublicKey::Rsa { modulus, .. } = &public else {
            panic!("{name}");
        };
        for algorithm in key.algorithms() {
            let mut zeros = 0;
            for n in 0..8u8 {
                let signature = key.sign(algorithm, &[n]).unwrap();
                assert!(verifiers.verify(algorithm, &[n], &signature));
                assert!(!verifiers.verify(algorithm, &[n], &[&[0], &signature[..]].concat()));
                // As good modulo the modulus; of 2,049 bits two such fit the bytes.
                let over = add(&signature, modulus);
                assert!(!verifiers.verify(algorithm, &[n], &over));
                // A leading zero belongs to the signature.
                if let [0, short @ ..] = signature.as_slice() {
                    zeros += 1;
                    assert!(!verifiers.verify(algorithm, &[n], short));
                }
            }
            assert!(zeros > 0 || name == "rsa");
            let almost = subtract(modulus, &[&vec![0; modulus.len() - 1][..], &[1]].concat());
            for forged in [modulus, &almost, &vec![0; modulus.len()]] {
                assert!(!verifiers.verify(algorithm, b"", forged));
            }
        }
    }
}

#[test]
fn answers_do_not_depend_on_the_thread() {
    let key = key("rsa");
    let verifiers = Everywhere::new(&key.public_key().unwrap());
    let signature = key.sign(Algorithm::Ps256, b"message").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(verifiers.verify(Algorithm::Ps256, b"message", &signature));
                    assert!(!verifiers.verify(Algorithm::Ps256, b"massage", &signature));
                }
            });
        }
    });
}
