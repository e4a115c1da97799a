//! Who is asked, and what becomes of each answer; RFC 7515, appendix A.3 is the one signature that is good.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails where what it looks for is not there"
)]

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_base::jwks;

use super::*;

const KEY: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const MESSAGE: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const YES: &[u8] = &[8, 1];
const NO: &[u8] = &[0x12, 1, b'x'];

thread_local! {
    static ANSWER: RefCell<Result<Vec<u8>, u32>> = const { RefCell::new(Ok(Vec::new())) };
    static ASKED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn gateway(arguments: &[u8]) -> Result<Vec<u8>, Refused> {
    ASKED.with(|asked| asked.borrow_mut().push(arguments.to_vec()));
    ANSWER.with(|answer| answer.borrow().clone()).map_err(Refused)
}

fn key() -> Box<dyn Verifier> {
    let set = jwks::read(KEY.as_bytes()).unwrap();
    Gateways::new(gateway).prepare(&set.keys[0].key).unwrap()
}

fn signature() -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap()
}

/// The verdict where the gateway says that, and how often it was asked.
fn asked(key: &dyn Verifier, signature: &[u8], answer: Result<&[u8], u32>) -> (bool, usize) {
    ANSWER.with(|own| *own.borrow_mut() = answer.map(<[u8]>::to_vec));
    ASKED.with(|asked| asked.borrow_mut().clear());
    let verdict = key.verify(Algorithm::Es256, MESSAGE, signature);
    (verdict, ASKED.with(|asked| asked.borrow().len()))
}

#[test]
fn the_gateways_yes_and_no_count() {
    let (key, signature) = (key(), signature());
    assert_eq!(asked(&*key, &signature, Ok(YES)), (true, 1));
    assert_eq!(asked(&*key, &signature, Ok(NO)), (false, 1));
    let mut forged = signature;
    forged[40] ^= 1;
    assert_eq!(asked(&*key, &forged, Ok(NO)), (false, 1));
}

#[test]
fn what_is_neither_yes_nor_no_is_answered_here() {
    let (key, signature) = (key(), signature());
    let mut forged = signature.clone();
    forged[40] ^= 1;
    let both = [YES, NO].concat();
    let answers: [Result<&[u8], u32>; 8] = [
        Ok(&[]),
        Ok(&both),
        Ok(&[8]),
        Ok(&[8, 2]),
        Ok(&[0x0b, 1]),
        Ok(&[0x18, 1]),
        Err(2),
        Err(10),
    ];
    for answer in answers {
        assert_eq!(asked(&*key, &signature, answer), (true, 1), "{answer:?}");
        assert_eq!(asked(&*key, &forged, answer), (false, 1), "{answer:?}");
    }
}

#[test]
fn a_gateway_without_the_function_is_asked_once() {
    let (key, signature) = (key(), signature());
    assert_eq!(asked(&*key, &signature, Err(1)), (true, 1));
    assert_eq!(asked(&*key, &signature, Ok(NO)), (true, 0));
}

/// Whatever the gateway would say of them.
#[test]
fn signatures_that_no_key_makes_do_not_reach_the_gateway() {
    let (key, good) = (key(), signature());
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    let above = [0xff; 32];
    for forged in [
        [r, &zero].concat(),
        [&zero, s].concat(),
        [r, &P256_ORDER].concat(),
        [&P256_ORDER, s].concat(),
        [r, &above].concat(),
        [r, s, &[0]].concat(),
        [&[0], r, s].concat(),
        r.to_vec(),
        Vec::new(),
        der_signature(&good).unwrap(),
    ] {
        assert_eq!(asked(&*key, &forged, Ok(YES)), (false, 0), "{forged:?}");
    }
    // The largest numbers that are below the order.
    let mut last = P256_ORDER;
    last[31] -= 1;
    assert_eq!(asked(&*key, &[last, last].concat(), Ok(YES)), (true, 1));
}

#[test]
fn an_algorithm_of_other_keys_is_no_question() {
    let key = key();
    ANSWER.with(|own| *own.borrow_mut() = Ok(YES.to_vec()));
    ASKED.with(|asked| asked.borrow_mut().clear());
    for algorithm in [
        Algorithm::Es384,
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::EdDsa,
        Algorithm::Hs256,
    ] {
        assert!(!key.verify(algorithm, MESSAGE, &signature()), "{algorithm:?}");
    }
    assert!(ASKED.with(|asked| asked.borrow().is_empty()));
}

/// The message as Envoy's definition has it: hash, key, signature and text are fields 1 to 4.
#[test]
fn the_question_names_hash_key_signature_and_text() {
    let (key, signature) = (key(), signature());
    asked(&*key, &signature, Ok(YES));
    let question = ASKED.with(|asked| asked.borrow()[0].clone());
    let mut rest = question.as_slice();
    let mut fields = Vec::new();
    while let Ok(Some((number, Field::Bytes(content)))) = field(&mut rest) {
        fields.push((number, content.to_vec()));
    }
    let set = jwks::read(KEY.as_bytes()).unwrap();
    let expected = [
        (1, b"sha256".to_vec()),
        (2, spki(&set.keys[0].key)),
        (3, der_signature(&signature).unwrap()),
        (4, MESSAGE.to_vec()),
    ];
    assert_eq!(fields, expected);
}
