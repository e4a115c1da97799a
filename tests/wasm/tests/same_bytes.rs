//! The whole corpus through the crate and through the module: the same bytes. And what hosts do wrong: an error,
//! never an open gate.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::sync::LazyLock;

use portcullis_lang::diagnostic::Severity;
use portcullis_tests::bridge::{Subject, now_of};
use portcullis_tests::corpus;
use portcullis_tests_wasm::{HostError, Loaded, Module};
use portcullis_vectors::{Vector, Verdict, parse_line};

static MODULE: LazyLock<Module> = LazyLock::new(|| Module::build_and_load().unwrap());

const POLICY: &str = r#"gate 1;
list banned: ip from "banned.txt";
service s on "a.example" {
  allow anyone to GET /open;
  deny anyone to any /** when client.ip in banned;
}
"#;

fn image_of(source: &str) -> Vec<u8> {
    let files = std::collections::BTreeMap::<String, Vec<u8>>::from([("banned.txt".into(), Vec::new())]);
    let gate = [("policy.gate".to_string(), source.as_bytes().to_vec())];
    let checked = portcullis_lang::check::load(&gate, &files);
    portcullis::compile(&checked.policy.unwrap()).unwrap()
}

fn vector() -> Vector {
    parse_line(
        r#"{"id":"v","request":{"method":"GET","url":"https://a.example/open","client_ip":"192.0.2.1"}}"#,
    )
    .unwrap()
}

#[test]
fn crate_and_module_give_the_same_bytes() {
    let mut compared = 0;
    for case in corpus::cases().unwrap() {
        if case.refused {
            continue;
        }
        let checked = case.check();
        let errors: Vec<_> = checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.name);
        let image = portcullis::compile(&checked.policy.unwrap()).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        let files = case
            .files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let mut module = MODULE.load(&image, files).unwrap();
        for vector in &case.vectors {
            let expected = subject.line(vector).unwrap();
            let (status, line) = module.decide(vector, now_of(vector).wall_us).unwrap();
            assert_eq!(line, expected, "{} {}", case.name, vector.id);
            let verdict: Verdict = serde_json::from_str(&line).unwrap();
            let effect = match status {
                0 => "deny",
                2 => "allow",
                3 => "answer",
                other => panic!("{other}"),
            };
            assert_eq!(verdict.effect, effect);
            // Our own writer escapes more than serde does, so values are compared, not bytes.
            let again: Verdict = serde_json::from_str(&verdict.to_line()).unwrap();
            assert_eq!(again, verdict);
            compared += 1;
        }
    }
    assert!(compared >= 100, "only {compared} vectors were compared");
}

#[test]
fn every_setter_reaches_the_engine() {
    for export in MODULE.exports() {
        assert!(
            export == "memory" || export.starts_with("portcullis_") || export.starts_with("__"),
            "{export}"
        );
    }
    assert!(
        MODULE
            .exports()
            .iter()
            .filter(|name| name.starts_with("portcullis_request_"))
            .count()
            >= 20
    );
}

#[test]
fn data_is_swapped_and_a_bad_file_keeps_the_last_good_one() {
    let image = image_of(POLICY);
    let decide = |module: &mut Loaded| {
        let (status, line) = module.decide(&vector(), None).unwrap();
        (status, serde_json::from_str::<Verdict>(&line).unwrap())
    };
    let mut unloaded = MODULE.load(&image, []).unwrap();
    let (status, verdict) = decide(&mut unloaded);
    assert_eq!(
        (status, verdict.reason.as_str()),
        (0, "denied_by_rule"),
        "a list never loaded is unknown"
    );
    let mut good = MODULE
        .load(&image, [("banned.txt", b"203.0.113.9\n".as_slice())])
        .unwrap();
    let (status, verdict) = decide(&mut good);
    assert_eq!((status, verdict.reason.as_str()), (2, "allowed"));
    let files = [
        ("banned.txt", b"203.0.113.9\n".as_slice()),
        ("banned.txt", b"192.0.2.1\nnonsense\n"),
    ];
    let (status, kept) = decide(&mut MODULE.load(&image, files).unwrap());
    assert_eq!((status, kept), (2, verdict), "one bad line rejects the file");
}

#[test]
fn wrong_numbers_are_errors() {
    let mut module = MODULE.load(&image_of(POLICY), []).unwrap();
    let engine = module.handle();
    let request: i64 = module.raw("portcullis_request_new", ()).unwrap();
    for (handle, of) in [
        (engine, 0i64),
        (0, request),
        (engine + 1, request),
        (engine, request + (1 << 32)),
    ] {
        assert_eq!(
            module.raw::<_, i32>("portcullis_decide", (handle, of)).unwrap(),
            -1
        );
        assert_eq!(
            module.raw::<_, i32>("portcullis_verdict_len", ()).unwrap(),
            0,
            "no line of another decision"
        );
    }
    let wild = (request, 64i32, 1i32 << 20);
    assert_eq!(
        module.raw::<_, i32>("portcullis_request_method", wild).unwrap(),
        -2
    );
    assert_eq!(module.raw::<_, i32>("portcullis_free", 64i32).unwrap(), -2);
    assert_eq!(
        module.raw::<_, i32>("portcullis_request_free", request).unwrap(),
        0
    );
    assert_eq!(
        module.raw::<_, i32>("portcullis_request_free", request).unwrap(),
        -1
    );
    assert_eq!(module.raw::<_, i32>("portcullis_unload", engine).unwrap(), 0);
    assert!(matches!(
        module.decide(&vector(), None),
        Err(HostError::Call { status: -1, .. })
    ));
}

#[test]
fn a_bad_image_is_an_error() {
    let mut image = image_of(POLICY);
    image[100] ^= 1;
    assert!(matches!(
        MODULE.load(&image, []),
        Err(HostError::Call {
            export: "portcullis_load",
            ..
        })
    ));
    assert!(MODULE.load(&[], []).is_err());
}
