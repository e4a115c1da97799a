//! The whole corpus through the crate and through the module: the same bytes. And every policy compiled in the module
//! with the compiler: the same image.

use portcullis_bridge::now_of;
use portcullis_lang::diagnostic::Severity;
use portcullis_tests::bridge::Subject;
use portcullis_tests::handed_over::handed_over;
use portcullis_tests::{corpus, counts};
use portcullis_tests_wasm::{HostError, Loaded};
use portcullis_vectors::{Vector, Verdict};

use crate::support::{ALLOW, ANSWER, DENY, E_POLICY, IMAGES, PENDING, POLICY, TEXT, image_of, vector};

/// A vector as a host has it: a body that the decision depends on is there, if only empty.
fn with_body(vector: &Vector, subject: &Subject) -> Vector {
    let mut vector = handed_over(vector, subject.image().config());
    let has_body = vector.request.body_bytes().unwrap().is_some();
    if !has_body && subject.reads_body_first(&vector).unwrap() {
        vector.request.body = Some(String::new());
    }
    vector
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
        let image = portcullis_compile::compile(&checked.policy.unwrap()).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        let files = case
            .files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let mut module = IMAGES.load(&image, files).unwrap();
        for vector in &case.vectors {
            let vector = &with_body(vector, &subject);
            let expected = subject.line(vector).unwrap();
            let decided = module.decide(vector, now_of(vector).unwrap().wall_us).unwrap();
            assert_eq!(decided.line, expected, "{} {}", case.name, vector.id);
            let verdict: Verdict = serde_json::from_str(&decided.line).unwrap();
            let effect = match decided.effect {
                DENY => "deny",
                ALLOW => "allow",
                // A body is asked for that the vector does not have.
                PENDING if vector.request.body_bytes().unwrap().is_none() => "allow",
                ANSWER => "answer",
                other => panic!("{other}"),
            };
            assert_eq!(verdict.effect, effect);
            assert_eq!(decided.told, decided.effect);
            assert_eq!(decided.status, u32::from(verdict.status));
            assert_eq!(decided.reason, verdict.reason);
            // Our own writer escapes more than serde does, so values are compared, not bytes.
            let again: Verdict = serde_json::from_str(&verdict.to_line()).unwrap();
            assert_eq!(again, verdict);
            compared += 1;
        }
    }
    println!(
        "{compared} vectors compared, {} responses not run",
        corpus::with_upstream().unwrap()
    );
    counts::executed("wasm_vectors", compared).unwrap();
}

#[test]
fn the_module_compiles_as_the_crate_does() {
    let (mut compiled, mut refused) = (0, 0);
    for case in corpus::cases().unwrap() {
        // The C ABI takes a policy of one file; what it imports is handed over.
        let [(name, text)] = case.gate_files.as_slice() else {
            continue;
        };
        let mut module = TEXT.start().unwrap();
        for (name, bytes) in &case.files {
            module.data(name, bytes).unwrap();
        }
        let loaded = module.load_text(name, text);
        let Some(policy) = case.check().policy.filter(|_| !case.refused) else {
            let code = match loaded {
                Err(HostError::Call { status, .. }) => status,
                other => panic!("{}: {other:?}", case.name),
            };
            assert_eq!(code, i64::from(E_POLICY), "{}", case.name);
            refused += 1;
            continue;
        };
        loaded.unwrap();
        let image = portcullis_compile::compile(&policy).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        assert_eq!(module.digest().unwrap(), subject.digest(), "{}", case.name);
        for vector in case.vectors.iter().take(3) {
            let vector = &with_body(vector, &subject);
            let decided = module.decide(vector, now_of(vector).unwrap().wall_us).unwrap();
            assert_eq!(
                decided.line,
                subject.line(vector).unwrap(),
                "{} {}",
                case.name,
                vector.id
            );
        }
        compiled += 1;
    }
    counts::executed("wasm_policies_compiled", compiled).unwrap();
    counts::executed("wasm_policies_refused", refused).unwrap();
}

#[test]
fn data_is_swapped_and_a_bad_file_keeps_the_last_good_one() {
    let image = image_of(POLICY);
    let decide = |module: &mut Loaded| {
        let decided = module.decide(&vector(), None).unwrap();
        (decided.effect, decided.reason, decided.lens)
    };
    let mut module = IMAGES.load(&image, []).unwrap();
    assert_eq!(
        decide(&mut module),
        (DENY, "denied_by_rule".into(), [0, 0, 0]),
        "a list never loaded is unknown"
    );
    module.data("banned.txt", b"203.0.113.9\n").unwrap();
    let allowed = (ALLOW, "allowed".into(), [1, 1, 1]);
    assert_eq!(decide(&mut module), allowed);
    assert!(module.data("banned.txt", b"192.0.2.1\nnonsense\n").is_err());
    assert_eq!(decide(&mut module), allowed, "one bad line rejects the file");
    module.data("banned.txt", b"192.0.2.1\n").unwrap();
    assert_eq!(decide(&mut module).0, DENY);
}
