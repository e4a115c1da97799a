//! A folder that goes when the test ends, and runs of the built binary in it.
// Each test file uses its part; a helper of tests may fail its test.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A policy of one service with an issuer, a deny, a test and a proof.
pub(crate) const POLICY: &str = r#"gate 1;

issuer corp {
  url "https://idp.example.com/";
  audience "api";
  algorithms ES256;
  keys "corp.jwks.json";
}

principal customer = token from corp;

service shop on "api.example.com" under "/v1" {
  allow anyone to GET /health as health;
  allow customer to GET /orders/{order:int} with scope "orders:read" as read { tag "read"; }
  deny anyone to any /orders/13 because "unlucky" as unlucky;
}

test "orders" {
  given token from corp { sub "u1"; scope "orders:read"; };
  expect allow GET "https://api.example.com/v1/orders/42" by read with tag "read";
  expect deny 403 GET "https://api.example.com/v1/orders/13" by unlucky;
}
"#;

/// Two vectors that hold and one without an expectation.
pub(crate) const VECTORS: &str = r#"{"id": "open", "request": {"method": "GET", "url": "https://api.example.com/v1/health"}, "expect": {"effect": "allow", "rule": "shop/health"}}
{"id": "scope", "request": {"method": "GET", "url": "https://api.example.com/v1/orders/1"}, "token": {"issuer": "corp", "claims": {"sub": "u"}}, "expect": {"status": 403, "reason": "insufficient_scope"}}
{"id": "denied", "request": {"method": "GET", "url": "https://api.example.com/v1/orders/13"}, "token": {"issuer": "corp", "claims": {"sub": "u", "scope": "orders:read"}}}
"#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of files.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Folder {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portcullis-cli-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    /// The policy with its files and vectors.
    pub(crate) fn shop() -> Folder {
        Folder::new(&[
            ("shop.gate", POLICY),
            ("corp.jwks.json", "{\"keys\":[]}"),
            ("shop.jsonl", VECTORS),
        ])
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    /// Runs the command in the folder.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// Runs it with something on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(args)
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A run may write before it has read all, and one that never reads its input closes it early.
            scope.spawn(move || drop(stdin.write_all(input)));
            Ran::of(child.wait_with_output().unwrap())
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{err}");
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err,
        }
    }

    /// Asserts the exit code, then that each text is on one of the streams.
    #[track_caller]
    pub(crate) fn is(self, code: i32, parts: &[&str]) -> Ran {
        assert_eq!(self.code, code, "{self:#?}");
        for part in parts {
            assert!(
                self.out.contains(part) || self.err.contains(part),
                "no `{part}` in {self:#?}"
            );
        }
        self
    }
}

/// Bytes that are nothing at all, the same each time.
pub(crate) fn garbage(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(len)
    .collect()
}
