//! What redaction costs in the module, in wasmtime's fuel: some one for each instruction, so the number is the same on any
//! machine.

use portcullis_tests_wasm::{Frame, Loaded, Module};
use portcullis_vectors::parse_line;

use crate::support::{ALLOW, IMAGES_FILE, PENDING, image_of};

const POLICY: &str = r#"gate 1;
service s on "a.example" {
  allow anyone to GET /list { redact response { drop [].secret; mask [].card keep last 4; } }
}
"#;

/// Objects of the response: some 1 MB of them.
const OBJECTS: usize = 7_200;
const CHUNK_BYTES: usize = 16 * 1_024;

/// Most fuel for a byte of the response: what was reached on 2026-12-01, rounded up.
const FUEL_PER_BYTE_MAX: f64 = 80.0;

/// The response as the upstream sends it, and as the client gets it.
fn documents() -> (String, String) {
    let object = |secret: &str, card: &str, number: usize| {
        format!(
            r#"{{"id":{number},"name":"item {number}","price":12.50,"tags":["a","b"],{secret}"card":"{card}","note":"a line of text that stays as it is"}}"#
        )
    };
    let list = |secret: &str, card: &str| {
        let objects: Vec<String> = (0..OBJECTS).map(|number| object(secret, card, number)).collect();
        format!("[{}]", objects.join(","))
    };
    (
        list(r#""secret":"s","#, "4111111111111111"),
        list("", "************1111"),
    )
}

fn begun(loaded: &mut Loaded) -> i64 {
    let vector =
        parse_line(r#"{"id":"v","request":{"method":"GET","url":"https://a.example/list"}}"#).unwrap();
    let (at, effect) = loaded.begin(&Frame::of(&vector, None).unwrap()).unwrap();
    loaded.take_back(at).unwrap();
    assert_eq!(effect, ALLOW);
    loaded.outs().unwrap().0
}

/// Hands over a head of JSON.
fn head(loaded: &mut Loaded, exchange: i64) {
    let texts = [&b"content-type"[..], b"application/json"];
    let header: Vec<u8> = texts
        .iter()
        .flat_map(|text| {
            let (at, len) = loaded.put(text).unwrap();
            [at.to_le_bytes(), len.to_le_bytes()].concat()
        })
        .collect();
    let (header, _) = loaded.put(&header).unwrap();
    let head: i32 = loaded
        .raw("portcullis_exchange_response_head", (exchange, 200, header, 1))
        .unwrap();
    assert_eq!(head, PENDING);
}

#[test]
fn redaction_costs_so_much_fuel_a_megabyte() {
    let module = Module::counting(&std::fs::read(&*IMAGES_FILE).unwrap()).unwrap();
    let mut loaded = module.load(&image_of(POLICY), []).unwrap();
    let exchange = begun(&mut loaded);
    head(&mut loaded, exchange);
    let (sent, expected) = documents();
    let out = loaded.alloc(8).unwrap();
    let (mut received, mut fuel, mut rest) = (Vec::new(), 0, sent.as_bytes());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK_BYTES));
        rest = after;
        let (at, len) = loaded.put(chunk).unwrap();
        let before = loaded.fuel_left().unwrap();
        let params = (exchange, at, len, i32::from(rest.is_empty()), out as i32);
        let effect: i32 = loaded.raw("portcullis_exchange_response_body", params).unwrap();
        fuel += before - loaded.fuel_left().unwrap();
        assert_eq!(effect, if rest.is_empty() { ALLOW } else { PENDING });
        let text = loaded.read(out, 8).unwrap();
        let word = |at: usize| u32::from_le_bytes(text[at..at + 4].try_into().unwrap());
        received.extend(loaded.read(word(0), word(4)).unwrap());
        loaded.take_back(at).unwrap();
    }
    assert!(received == expected.as_bytes(), "the client gets something else");
    let per_byte = fuel as f64 / sent.len() as f64;
    println!("{} bytes, {fuel} units of fuel, {per_byte:.1} a byte", sent.len());
    assert!(per_byte <= FUEL_PER_BYTE_MAX, "{per_byte:.1} a byte");
}
