//! Modules, built once for all tests, and the policy and requests that most of them use.

use std::path::PathBuf;
use std::sync::LazyLock;

use portcullis_tests_wasm::Module;
use portcullis_vectors::{Vector, parse_line};
use xtask::wasm::{self, Module as Build};

pub(crate) const DENY: i32 = 0;
pub(crate) const ALLOW: i32 = 0x51;
pub(crate) const ANSWER: i32 = 0x2a;
pub(crate) const PENDING: i32 = 0x34;
pub(crate) const E_ARGUMENT: i32 = -1;
pub(crate) const E_HANDLE: i32 = -2;
pub(crate) const E_IMAGE: i32 = -8;
pub(crate) const E_POLICY: i32 = -9;
pub(crate) const E_IO: i32 = -13;
pub(crate) const E_UNSUPPORTED: i32 = -14;

/// The module that ships.
pub(crate) static IMAGES_FILE: LazyLock<PathBuf> = LazyLock::new(|| wasm::ship(Build::Images).unwrap());
/// The module with the compiler, not optimised for size a second time: that takes long, and is done once a release.
pub(crate) static TEXT_FILE: LazyLock<PathBuf> = LazyLock::new(|| wasm::build(Build::Text).unwrap());

/// The module that ships.
pub(crate) static IMAGES: LazyLock<Module> =
    LazyLock::new(|| Module::of(&std::fs::read(&*IMAGES_FILE).unwrap()).unwrap());
/// The module with the compiler.
pub(crate) static TEXT: LazyLock<Module> =
    LazyLock::new(|| Module::of(&std::fs::read(&*TEXT_FILE).unwrap()).unwrap());

pub(crate) const POLICY: &str = r#"gate 1;
list banned: ip from "banned.txt";
service s on "a.example" {
  allow anyone to GET /open { limit 5 per 1m by client.ip; set request header "x-a" "1"; tag "t"; }
  deny anyone to any /** when client.ip in banned;
}
"#;

/// An image of a policy, which may read `banned.txt`.
pub(crate) fn image_of(source: &str) -> Vec<u8> {
    let files = std::collections::BTreeMap::<String, Vec<u8>>::from([("banned.txt".into(), Vec::new())]);
    let gate = [("policy.gate".to_string(), source.as_bytes().to_vec())];
    let checked = portcullis_lang::check::load(&gate, &files);
    portcullis_compile::compile(&checked.policy.unwrap()).unwrap()
}

/// A request that [`POLICY`] allows.
pub(crate) fn vector() -> Vector {
    parse_line(
        r#"{"id":"v","request":{"method":"GET","url":"https://a.example/open","client_ip":"192.0.2.1"}}"#,
    )
    .unwrap()
}
