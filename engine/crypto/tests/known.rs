//! Keys and signatures of other standards, through every backend of the build.

use portcullis_base::Algorithm;
use portcullis_base::jwks::{Curve, PublicKey};
use portcullis_crypto::{Backend, KeyFault, backends};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 6979, appendix A.2.5: P-256, SHA-256, "sample".
fn p256() -> (PublicKey, Vec<u8>) {
    let key = PublicKey::Ec {
        curve: Curve::P256,
        x: hex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"),
        y: hex("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"),
    };
    let signature = hex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
        F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
    (key, signature)
}

/// RFC 6979, appendix A.2.6: P-384, SHA-384, "sample".
fn p384() -> (PublicKey, Vec<u8>) {
    let key = PublicKey::Ec {
        curve: Curve::P384,
        x: hex("EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64
            DEF8F0EA9055866064A254515480BC13"),
        y: hex("8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1
            288B231C3AE0D4FE7344FD2533264720"),
    };
    let signature = hex("94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C
        81A648152E44ACF96E36DD1E80FABE46
        99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F
        A329C145786E679E7B82C71A38628AC8");
    (key, signature)
}

/// RFC 8032, section 7.1, test 3.
fn ed25519() -> (PublicKey, Vec<u8>) {
    let key = hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    let signature = hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
        18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    (PublicKey::Ed25519(key), signature)
}

#[test]
fn known_signatures_verify_under_their_algorithm_alone() {
    let cases = [
        (p256(), &b"sample"[..], &[Algorithm::Es256][..]),
        (p384(), b"sample", &[Algorithm::Es384]),
        (ed25519(), &[0xaf, 0x82], &[Algorithm::Ed25519, Algorithm::EdDsa]),
    ];
    for (_, backend) in backends() {
        for ((key, signature), message, own) in &cases {
            let verifier = backend.prepare(key).unwrap();
            for algorithm in Algorithm::ALL {
                let good = verifier.verify(algorithm, message, signature);
                assert_eq!(good, own.contains(&algorithm), "{verifier:?} {algorithm:?}");
                assert!(!verifier.verify(algorithm, b"Sample", signature));
                assert!(!verifier.verify(algorithm, message, &signature[1..]));
                assert!(!verifier.verify(algorithm, message, &[&signature[..], &[0]].concat()));
                assert!(!verifier.verify(algorithm, message, &[]));
                assert!(!verifier.verify(algorithm, message, &vec![0; signature.len()]));
            }
        }
    }
}

#[test]
fn keys_that_are_no_points_are_refused() {
    for (_, backend) in backends() {
        for (key, _) in [p256(), p384()] {
            let PublicKey::Ec { curve, x, y } = key else {
                unreachable!()
            };
            let prepare = |x: &[u8], y: &[u8]| {
                let (x, y) = (x.to_vec(), y.to_vec());
                backend.prepare(&PublicKey::Ec { curve, x, y }).err()
            };
            assert_eq!(prepare(&x, &y), None);
            let mut other = y.clone();
            other[0] ^= 1;
            assert_eq!(prepare(&x, &other), Some(KeyFault::Point));
            assert_eq!(
                prepare(&vec![0; x.len()], &vec![0; x.len()]),
                Some(KeyFault::Point)
            );
            assert_eq!(prepare(&vec![0xff; x.len()], &y), Some(KeyFault::Point));
            assert_eq!(prepare(&x[1..], &y), Some(KeyFault::Point));
            assert_eq!(prepare(&x, &[&y[..], &[0]].concat()), Some(KeyFault::Point));
        }
        let p521 = PublicKey::Ec {
            curve: Curve::P521,
            x: vec![0; 66],
            y: vec![0; 66],
        };
        assert_eq!(backend.prepare(&p521).err(), Some(KeyFault::Curve));
        assert_eq!(
            backend.prepare(&PublicKey::Ed25519(vec![0; 32])).err(),
            Some(KeyFault::Weak)
        );
    }
}

#[test]
fn rsa_keys_have_limits() {
    let prepare = |backend: &dyn Backend, modulus: &[u8], exponent: &[u8]| {
        let key = PublicKey::Rsa {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        };
        backend.prepare(&key).err()
    };
    let odd = |bytes: usize| vec![0xff; bytes];
    let even = [&odd(255)[..], &[0xfe]].concat();
    let small = [&[0x7f], &odd(255)[..]].concat();
    let zero = [&[0], &odd(256)[..]].concat();
    for (_, backend) in backends() {
        for bytes in [256, 257, 384, 512, 1024] {
            assert_eq!(prepare(*backend, &odd(bytes), &[1, 0, 1]), None);
        }
        for modulus in [&even[..], &small, &zero, &odd(1025), &odd(255), &[]] {
            assert_eq!(prepare(*backend, modulus, &[1, 0, 1]), Some(KeyFault::Modulus));
        }
        for exponent in [
            &[3][..],
            &[0, 1, 0, 1],
            &[1, 0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 3],
        ] {
            assert_eq!(prepare(*backend, &odd(256), exponent), None, "{exponent:?}");
        }
        for exponent in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[1, 0, 0],
            &[2, 0, 0, 0, 1],
            &[0xff; 8],
            &[0xff; 9],
        ] {
            assert_eq!(
                prepare(*backend, &odd(256), exponent),
                Some(KeyFault::Exponent),
                "{exponent:?}"
            );
        }
    }
}
