//! Tokens through the exported functions: the engine verifies what a request presents with the key sets that a host hands
//! over, and says which to fetch.

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use portcullis_c::exports::*;
use portcullis_c::status::*;
use portcullis_c::types::{self, Record, Text};
use portcullis_lang::model::Algorithm;
use portcullis_tests::keys;
use serde_json::{Value, json};

use crate::build::{example, run};

const POLICY: &str = include_str!("../../examples/token.gate");
const NOON_S: i64 = 1_795_435_200;

fn token(name: &str, exp: i64) -> String {
    let key = keys::signing(name).unwrap();
    let claims = json!({"iss": "https://id.example.com/", "aud": "shop", "sub": "alice", "exp": exp});
    let header = key.header(Algorithm::Es256, None);
    key.token(Algorithm::Es256, &header, &claims.to_string()).unwrap()
}

/// The public test keys whose `kid` is one of these.
fn key_set(kids: &[&str]) -> String {
    let set: Value = serde_json::from_str(&keys::public().unwrap()).unwrap();
    let all = set["keys"].as_array().unwrap().iter();
    let some: Vec<&Value> = all
        .filter(|key| kids.iter().any(|kid| key["kid"] == *kid))
        .collect();
    json!({ "keys": some }).to_string()
}

struct Host {
    engine: u64,
    worker: u64,
}

impl Host {
    fn new() -> Host {
        let (mut engine, mut worker, error) = (0, 0, std::ptr::null_mut());
        // SAFETY: variables of ours.
        unsafe {
            assert_eq!(portcullis_engine_new(&raw mut engine, error), PORTCULLIS_OK);
            assert_eq!(portcullis_worker_new(&raw mut worker, error), PORTCULLIS_OK);
        }
        Host { engine, worker }
    }

    fn data(&self, bytes: &str) -> i32 {
        let (name, error) = (Text::from("corp.jwks.json"), std::ptr::null_mut());
        // SAFETY: pointers and lengths of texts.
        unsafe {
            portcullis_engine_data(
                self.engine,
                name.ptr,
                name.len,
                bytes.as_ptr().cast(),
                bytes.len(),
                error,
            )
        }
    }

    fn load(&self) -> i32 {
        let (name, error) = (Text::from("token.gate"), std::ptr::null_mut());
        let text = Text::from(POLICY);
        // SAFETY: pointers and lengths of texts.
        unsafe { portcullis_engine_load_text(self.engine, name.ptr, name.len, text.ptr, text.len, error) }
    }

    /// The effect for the holder of a token, its detail, and what is to be fetched.
    fn orders(&self, token: &str) -> (i32, String, Option<String>) {
        let bearer = format!("Bearer {token}");
        let header = types::Header {
            name: Text::from("authorization"),
            value: Text::from(bearer.as_str()),
        };
        let request = types::Request {
            method: Text::from("GET"),
            scheme: Text::from("https"),
            authority: Text::from("shop.example"),
            target: Text::from("/orders"),
            headers: &raw const header,
            headers_len: 1,
            flags: types::PORTCULLIS_HAS_WALL_CLOCK,
            wall_us: NOON_S * 1_000_000,
            ..types::Request::default()
        };
        let (mut exchange, mut verdict, mut record) = (0, types::Verdict::default(), Record::default());
        // SAFETY: a text of the exchange, which is still there.
        let text = |text: Text| unsafe {
            let bytes =
                (!text.ptr.is_null()).then(|| std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len));
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        // SAFETY: variables of ours; the exchange is freed after its texts were read.
        unsafe {
            let effect = portcullis_exchange_begin(
                self.engine,
                self.worker,
                &raw const request,
                &raw mut exchange,
                &raw mut verdict,
                std::ptr::null_mut(),
            );
            let clock = std::ptr::null();
            let finished =
                portcullis_exchange_finish(exchange, types::PORTCULLIS_END_COMPLETED, clock, &raw mut record);
            assert_eq!(finished, PORTCULLIS_OK);
            let said = (
                effect,
                text(verdict.detail).unwrap_or_default(),
                text(record.keys_to_fetch),
            );
            assert_eq!(portcullis_exchange_free(exchange), PORTCULLIS_OK);
            said
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        portcullis_worker_free(self.worker);
        portcullis_engine_free(self.engine);
    }
}

#[test]
fn a_bearer_is_verified_by_the_engine() {
    let host = Host::new();
    assert_eq!(host.data(&key_set(&["test-es256"])), PORTCULLIS_OK);
    assert_eq!(host.load(), PORTCULLIS_OK);
    let good = token("es256", NOON_S + 60);
    for _ in 0..2 {
        assert_eq!(host.orders(&good), (PORTCULLIS_ALLOW, String::new(), None));
    }
    let late = token("es256", NOON_S - 60);
    assert_eq!(host.orders(&late), (PORTCULLIS_DENY, "expired".into(), None));
    let (rest, _) = good.rsplit_once('.').unwrap();
    let (_, of_another) = late.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{of_another}");
    assert_eq!(
        host.orders(&forged),
        (PORTCULLIS_DENY, "bad_signature".into(), None)
    );
}

#[test]
fn an_unknown_key_says_which_set_to_fetch_and_the_new_set_is_good_at_once() {
    let host = Host::new();
    assert_eq!(host.data(&key_set(&["test-es256"])), PORTCULLIS_OK);
    assert_eq!(host.load(), PORTCULLIS_OK);
    let rotated = token("es256-next", NOON_S + 60);
    let refused = |fetch: Option<&str>| {
        (
            PORTCULLIS_DENY,
            "unknown_key".to_string(),
            fetch.map(String::from),
        )
    };
    assert_eq!(host.orders(&rotated), refused(Some("corp.jwks.json")));
    assert_eq!(host.orders(&rotated), refused(None), "told once a minute");
    // What is no key set leaves the last good one.
    assert_eq!(host.data("{}"), PORTCULLIS_E_DATA);
    assert_eq!(host.orders(&token("es256", NOON_S + 60)).0, PORTCULLIS_ALLOW);
    assert_eq!(
        host.data(&key_set(&["test-es256", "test-es256-next"])),
        PORTCULLIS_OK
    );
    assert_eq!(host.orders(&rotated), (PORTCULLIS_ALLOW, String::new(), None));
    // The old key is withdrawn: its tokens are no longer good, those known already among them.
    assert_eq!(host.data(&key_set(&["test-es256-next"])), PORTCULLIS_OK);
    assert_eq!(host.orders(&token("es256", NOON_S + 60)).0, PORTCULLIS_DENY);
}

/// A program that was built before `keys_to_fetch` gets as much as its struct holds.
#[test]
fn an_older_record_is_written_as_far_as_it_goes() {
    let host = Host::new();
    let size = offset_of!(Record, keys_to_fetch);
    let mut record = Record {
        struct_size: size,
        keys_to_fetch: Text::from("untouched"),
        ..Record::default()
    };
    let mut exchange = 0;
    let request = types::Request {
        method: Text::from("GET"),
        scheme: Text::from("https"),
        target: Text::from("/orders"),
        ..types::Request::default()
    };
    let (error, verdict) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: variables of ours.
    unsafe {
        let begun = portcullis_exchange_begin(
            host.engine,
            host.worker,
            &raw const request,
            &raw mut exchange,
            verdict,
            error,
        );
        assert_eq!(begun, PORTCULLIS_DENY);
        let clock = std::ptr::null();
        let finished =
            portcullis_exchange_finish(exchange, types::PORTCULLIS_END_COMPLETED, clock, &raw mut record);
        assert_eq!(finished, PORTCULLIS_OK);
        portcullis_exchange_free(exchange);
    }
    assert_eq!(record.status, 503);
    assert_eq!(record.keys_to_fetch.len, "untouched".len());
}

/// The example, with the files beside it. The signature is the same whenever it is made.
#[test]
fn the_example_verifies_its_token() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    // 2100-01-01
    let token = token("es256", 4_102_444_800);
    let (token_file, keys_file) = (examples.join("token.jwt"), examples.join("corp.jwks.json"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        let set: Value = serde_json::from_str(&key_set(&["test-es256"])).unwrap();
        std::fs::write(&keys_file, format!("{set:#}\n")).unwrap();
    }
    assert_eq!(std::fs::read_to_string(token_file).unwrap().trim_end(), token);
    let printed = run(Command::new(example("token"))
        .arg(examples.join("token.gate"))
        .arg(keys_file)
        .arg(&token));
    assert_eq!(
        printed,
        "allow /orders with a token: 200\ndeny  /orders without a token: 401\n"
    );
}
