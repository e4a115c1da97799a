//! Keys and signatures in DER, against what OpenSSL and a reader of RustCrypto make of them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_base::jwks::{self, Curve, PublicKey};
use portcullis_crypto::{der_signature, spki};

/// Made of `tests/data/keys/public.jwks.json` by OpenSSL.
const KNOWN: [(&str, &str); 5] = [
    (
        "test-ed25519",
        "MCowBQYDK2VwAyEAbMuNxlomIpP/BKL70A9PZEpvZYsK9QNU0KzJ/SzKbgQ=",
    ),
    (
        "test-es256",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpo2ytjJhdRD0oy/okTty46kqCfwDKBSBQ9kqjdjY/NfSpKxFCZftFA0mZdpoaG/k+DkDVRSW\
         3pt2RKQi6SG7nw==",
    ),
    (
        "test-es384",
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE+s1FEA1fHHjPJlWFDGOkWR2BIu7mctDVZfOFLgqFVtUUW5b9MFNBMJdw9rnlU4KsEag/JcWY5ok4\
         N61BuPubrUCwRW2fo6m1wykrXYGKHK79xrBehIUE+zTq7s11bSYz",
    ),
    (
        "test-rsa",
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAjng7/lrLdWZiArq5NH9b2p6UlIp6e8P4ihXWUofkq764qFYrEUG8QwaaQpvrMAYc\
         pLZ7ZhYM6IrxCYVK3UJbo1hJC6N3zBG7ZWIntsxPK7Cv1PKKVdw/RAo9iiP6ElJ4CSjdb3SVLn9jndRaVYiXXXwmzslr9tyOfKhh+gzjtTEi\
         +8rklf+cfPZL0yveMEG9/ljXlklHzbjsMUT9lTYe7dOpgU+gh4wEuPggmYhvDnqyG3+PQd85Rmobs/xVs28gwCyXsnnb6eI7NTJGO72+tysY\
         x8g1Hr/143+hXFgtJ7Qvu5z9vmT3jVkJZwdjZElh4VRX7trDirs1IRTblgS+yQIDAQAB",
    ),
    (
        "test-rsa-2049",
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEBVZoz/UL4EAYVzION/HiEXt/HVSObZXSAXyol+dBxhiRfmTOcbwAwiNVS57hPuzjF\
         t6WJYRqhQat1l16hQE3tNbF2lnW7BNm2v/ubjDgNvog14+E7+n5RR2bFDhke6xwZYA4VeR349RI9n3YdrCBM2A8q/Q5Ylm01V+xJ3xLjB1Wt\
         RO+M/UCO9Ts6F+vFck+gLZyE+lUKNe7G2gQ/Cz0cPFKn40JlsTbo9VYa1OhyokgFbAhqoVTt+MVxQYK1DzFPog9MRuYS7istmEnGn3FodxXy\
         o1xusDcrOqBC9zohYZtSQm3KSFhA7hxxMHaHcNDmtBJflyQqBdxb8OlQwH69AQIDAQAB",
    ),
];

/// A key of RFC 7520 (section 3.1), and OpenSSL's form of it.
const P521: [&str; 3] = [
    "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
    "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAcpkss6wI7PPlxj3t7A1RqMH3nvL4L5Tzxze/XeeYZnHqxiX+gle70DlGRMqqOq+PJ6RYX7vK0PJF\
     diAIXlyPQq0B3KaUe86IvFeQSFrJdCc0K8NfiH2G1loIk3fiR+YLqlXk6FAeKtpXJKxR1pCQCAM+vBCsmZudf1zCUZ8/4eodlHU=",
];

#[test]
fn keys_are_written_as_openssl_writes_them() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/keys/public.jwks.json"
    );
    let set = jwks::read(&std::fs::read(path).unwrap()).unwrap();
    for (kid, known) in KNOWN {
        let key = set
            .keys
            .iter()
            .find(|key| key.kid.as_deref() == Some(kid))
            .unwrap();
        assert_eq!(STANDARD.encode(spki(&key.key)), known, "{kid}");
    }
    let [x, y, known] = P521;
    let key = PublicKey::Ec {
        curve: Curve::P521,
        x: URL_SAFE_NO_PAD.decode(x).unwrap(),
        y: URL_SAFE_NO_PAD.decode(y).unwrap(),
    };
    assert_eq!(STANDARD.encode(spki(&key)), known);
    // An exponent with zeros before it is the same number.
    let rsa = |exponent: &[u8]| {
        spki(&PublicKey::Rsa {
            modulus: vec![0xff; 1024],
            exponent: exponent.to_vec(),
        })
    };
    assert_eq!(rsa(&[1, 0, 1]), rsa(&[0, 0, 1, 0, 1]));
}

/// Numbers whose first bytes decide the form: zeros are dropped, a set top bit gets one.
fn numbers(length: usize) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for zeros in [0, 1, 2, length / 2, length - 2, length - 1] {
        for first in [1, 0x7f, 0x80, 0xfe] {
            let mut number = vec![0x11; length];
            number[..zeros].fill(0);
            number[zeros] = first;
            out.push(number);
        }
    }
    out
}

#[test]
fn signatures_are_read_back_by_another_reader() {
    for r in numbers(32) {
        for s in numbers(32) {
            let fixed = [&r[..], &s].concat();
            let der = der_signature(&fixed).unwrap();
            let read = p256::ecdsa::Signature::from_der(&der).unwrap();
            assert_eq!(read.to_bytes().as_slice(), fixed);
            assert_eq!(read.to_der().as_bytes(), der);
        }
    }
    for (r, s) in numbers(48).into_iter().zip(numbers(48).into_iter().rev()) {
        let fixed = [&r[..], &s].concat();
        let der = der_signature(&fixed).unwrap();
        assert_eq!(
            p384::ecdsa::Signature::from_der(&der)
                .unwrap()
                .to_der()
                .as_bytes(),
            der
        );
    }
    // Both numbers with their top bits: a length of two bytes.
    let long = der_signature(&[0xff; 132]).unwrap();
    assert_eq!(long[..3], [0x30, 0x81, 138]);
}

#[test]
fn other_lengths_and_zeros_have_no_form() {
    for length in [0, 1, 32, 63, 65, 66, 95, 97, 128, 130, 131, 133, 264] {
        assert_eq!(der_signature(&vec![1; length]), None, "{length}");
    }
    for length in [64, 96, 132] {
        assert!(der_signature(&vec![1; length]).is_some());
        let half = length / 2;
        assert_eq!(der_signature(&[vec![0; half], vec![1; half]].concat()), None);
        assert_eq!(der_signature(&[vec![1; half], vec![0; half]].concat()), None);
    }
}
