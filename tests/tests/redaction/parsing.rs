//! The texts of JSONTestSuite (`tests/data/json_parsing`) as responses and as requests: what JSON is passes as it came,
//! what is none never reaches a clean end, and what RFC 8259 leaves open is read alike wherever it is cut.

use portcullis_tests::counts;

use super::host::{Answer, Host};

const CASES: &str = include_str!("../../data/json_parsing/cases.tsv");

/// One policy: of the first response no container is looked at but the outermost, of the second all are.
const POLICY: &str = r#"gate 1;
service quiet on "quiet.example" { allow anyone to GET /a { redact response { drop zzz.yyy; } } }
service walked on "walked.example" { allow anyone to GET /a { redact response { drop **.zzz; mask **.yyy.**.zzz; } } }
service bare on "bare.example" { allow anyone to POST /a { accept body { zzz: any; } } }
service wrapped on "wrapped.example" { allow anyone to POST /a { accept body { v: any; } } }
"#;

const SIZES: [usize; 6] = [1, 2, 3, 7, 64, usize::MAX];

/// What JSON is by the grammar, and no request body: a name stands twice in it.
const TWICE: [&str; 2] = ["y_object_duplicated_key", "y_object_duplicated_key_and_value"];

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first().unwrap();
        rest = after;
        out.push(match escape {
            b'\\' => b'\\',
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            _ => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
        });
    }
    out
}

fn cases() -> Vec<Case> {
    CASES
        .lines()
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap();
            let (name, times, unit, tail) = (next(), next(), next(), next());
            let mut bytes = unescaped(unit).repeat(times.parse().unwrap());
            bytes.extend(unescaped(tail));
            Case { name, bytes }
        })
        .collect()
}

fn parts(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(size.min(bytes.len().max(1)))
}

#[test]
fn responses_pass_as_they_came_or_have_no_clean_end() {
    let mut host = Host::new(POLICY);
    let mut read = 0;
    for case in cases() {
        for service in ["quiet.example", "walked.example"] {
            let mut open = None;
            for size in SIZES {
                let answer = host.answer(service, "application/json", parts(&case.bytes, size));
                let whole = match &answer {
                    Answer::Whole(bytes) => Some(bytes),
                    Answer::Refused | Answer::BrokenOff(_) => None,
                };
                let context = format!("{} in chunks of {size} at {service}", case.name);
                if let Some(whole) = whole {
                    assert!(*whole == case.bytes, "{context}: not as it came");
                }
                if let Answer::BrokenOff(sent) = &answer {
                    assert!(case.bytes.starts_with(sent), "{context}: not its beginning");
                }
                // A response without a byte holds nothing: it has no body rather than one that is cut.
                let expected = match case.name.split_at(2).0 {
                    "y_" => true,
                    "n_" => case.bytes.is_empty(),
                    _ => *open.get_or_insert(whole.is_some()),
                };
                assert_eq!(whole.is_some(), expected, "{context}");
                read += 1;
            }
        }
    }
    counts::executed("json_responses", read).unwrap();
}

#[test]
fn requests_are_taken_as_they_came_or_refused() {
    let mut host = Host::new(POLICY);
    let mut read = 0;
    for case in cases() {
        let wrapped = [b"{\"v\":", &case.bytes[..], b"}"].concat();
        let mut open = None;
        for size in SIZES {
            let alone = host.send("bare.example", parts(&case.bytes, size));
            let inside = host.send("wrapped.example", parts(&wrapped, size));
            let context = format!("{} in chunks of {size}: {alone:?}, {inside:?}", case.name);
            match case.name.split_at(2).0 {
                "y_" if TWICE.contains(&case.name) => {
                    let twice = Err((400, "duplicate_member".to_string()));
                    assert_eq!((&alone, &inside), (&twice, &twice), "{context}");
                }
                // It is read, and is not the object that is asked for.
                "y_" => {
                    assert!(matches!(alone, Err((422, _))), "{context}");
                    assert_eq!(inside, Ok(None), "{context}");
                }
                "n_" => {
                    assert!(matches!(alone, Err((400, _))), "{context}");
                    assert!(inside.is_err(), "{context}");
                }
                _ => {
                    let first = open.get_or_insert((alone.clone(), inside.clone()));
                    assert_eq!(*first, (alone, inside), "{context}");
                    assert!(!matches!(first.1, Ok(Some(_))), "{context}");
                }
            }
            read += 1;
        }
    }
    counts::executed("json_requests", read).unwrap();
}

#[test]
fn all_cases_are_there() {
    let cases = cases();
    let count = |kind: &str| cases.iter().filter(|case| case.name.starts_with(kind)).count();
    assert_eq!((count("y_"), count("n_"), count("i_")), (95, 188, 35));
}
