//! What redaction leaves of single responses: each action, each form of a path, each kind of framing, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;

use portcullis::exchange::End;
use portcullis::{
    Carries, Data, Engine, Exchange, Image, Next, Now, RequestView, ResponseNext, Snapshot, Trust, Worker,
};

const ALL: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// Under the key `0123456789abcdef-salt`, by `openssl dgst -sha256 -hmac`, the first 32 digits.
const HASH_OF_A_AT_EXAMPLE: &str = "458c37c318b202f86ccc6971d2255c85";
const HASH_OF_1_50: &str = "f746d8a7d0ce46d64f49f15688f10ac9";

/// The engine with one rule, whose response is redacted by these lines.
struct Host {
    engine: Engine,
    worker: Worker,
    exchange: Exchange,
}

impl Host {
    fn with_rules(rules: &str, has_key: bool) -> Host {
        let head = "gate 1;\nsecret salt from file \"salt.key\";\nredaction key salt;\n";
        let text = format!("{head}service s on \"s.example\" {{ {rules} }}\n");
        let key = b"0123456789abcdef-salt".to_vec();
        let beside = BTreeMap::from([("salt.key".to_string(), key.clone())]);
        let checked = portcullis_lang::check::load(&[("p.gate".to_string(), text.into_bytes())], &beside);
        let policy = checked
            .policy
            .unwrap_or_else(|| panic!("{rules}: {:?}", checked.diagnostics));
        let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
        let (data, _) = Data::load(image.config(), &|_| has_key.then(|| key.clone()));
        Host {
            engine: Engine::from(Snapshot::new(image, data)),
            worker: Worker::default(),
            exchange: Exchange::new(),
        }
    }

    fn new(lines: &str) -> Host {
        Host::with_rules(
            &format!("allow anyone to GET /a {{ redact response {{ {lines} }} }}"),
            true,
        )
    }

    /// What the client gets; the detail of the refusal, and whether something had left before.
    fn parts<'p>(
        &mut self,
        content_type: &str,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> Result<Vec<u8>, (String, bool)> {
        let view = RequestView {
            method: b"GET",
            authority: Some(b"s.example"),
            target: b"/a",
            ..RequestView::default()
        };
        self.engine
            .begin(&mut self.exchange, &mut self.worker, &view, ALL, Now::default());
        assert!(matches!(self.exchange.next(), Next::Forward(_)));
        let head: [(&[u8], &[u8]); 1] = [(b"content-type", content_type.as_bytes())];
        let next = self.exchange.response_head(Some(200), Some(&head)).unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{next:?}");
        let mut sent = Vec::new();
        for (part, end) in parts.map(|part| (part, false)).chain([(&b""[..], true)]) {
            let mut out = Vec::new();
            let next = self
                .exchange
                .response_body(&mut self.worker, part, end, &mut out)
                .unwrap();
            let had_left = match next {
                ResponseNext::Stream(_) | ResponseNext::Pass(_) => {
                    sent.extend_from_slice(&out);
                    continue;
                }
                ResponseNext::Replace(_) => false,
                ResponseNext::Reset => true,
            };
            assert_eq!(had_left, !sent.is_empty());
            let record = self.exchange.finish(End::Completed, Now::default()).unwrap();
            return Err((record.decision.detail().unwrap_or_default().to_string(), had_left));
        }
        Ok(sent)
    }

    /// What the client gets, which is the same wherever the response is cut in two and in single bytes.
    fn left(&mut self, content_type: &str, body: &[u8]) -> String {
        let context = String::from_utf8_lossy(body).into_owned();
        let whole = self.parts(content_type, std::iter::once(body));
        let whole = whole.unwrap_or_else(|fault| panic!("{fault:?}: {context}"));
        for at in 0..=body.len() {
            let (one, two) = body.split_at(at);
            let cut = self.parts(content_type, [one, two].into_iter());
            assert_eq!(cut.as_ref(), Ok(&whole), "cut at {at}: {context}");
        }
        assert_eq!(
            self.parts(content_type, body.chunks(1)).as_ref(),
            Ok(&whole),
            "{context}"
        );
        String::from_utf8(whole).unwrap()
    }

    /// Why a response does not reach its end, which is the same in single bytes.
    fn fault(&mut self, content_type: &str, body: &[u8]) -> String {
        let whole = self.parts(content_type, std::iter::once(body)).unwrap_err();
        let bytes = self.parts(content_type, body.chunks(1)).unwrap_err();
        assert_eq!(whole.0, bytes.0, "{}", String::from_utf8_lossy(body));
        whole.0
    }
}

/// Each body with what these lines leave of it.
fn assert_left(lines: &str, cases: &[(&str, &str)]) {
    let mut host = Host::new(lines);
    for (body, expected) in cases {
        assert_eq!(host.left(JSON, body.as_bytes()), *expected, "`{lines}` of {body}");
    }
}

#[test]
fn drop_takes_members_and_elements_out_with_their_commas() {
    assert_left(
        "drop a; drop l[]; drop m[1];",
        &[
            (r#"{"a":1}"#, "{}"),
            (r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
            (r#"{"b":2,"a":1}"#, r#"{"b":2}"#),
            (r#"{"b":2,"a":{"x":[1,{}]},"c":3}"#, r#"{"b":2,"c":3}"#),
            (r#"{"a":1,"a":2,"b":3,"a":"]}"}"#, r#"{"b":3}"#),
            (r#"{"l":[1,[2],{"a":3}]}"#, r#"{"l":[]}"#),
            (r#"{"m":[1,2,3]}"#, r#"{"m":[1,3]}"#),
            (r#"{"m":[1,2]}"#, r#"{"m":[1]}"#),
            (r#"{"m":{"a":1}}"#, r#"{"m":{"a":1}}"#),
        ],
    );
}

#[test]
fn replace_puts_a_text_in_the_place_of_any_value() {
    assert_left(
        r#"replace a with "x\"\\\n";"#,
        &[
            (r#"{"a":1}"#, r#"{"a":"x\"\\\u000a"}"#),
            (r#"{"a": {"b":[1]} , "c":1}"#, r#"{"a": "x\"\\\u000a" , "c":1}"#),
            (
                r#"{"a":[[]],"a":null}"#,
                r#"{"a":"x\"\\\u000a","a":"x\"\\\u000a"}"#,
            ),
        ],
    );
}

#[test]
fn mask_counts_characters_as_they_are_read() {
    assert_left(
        "mask a; mask b keep last 2; mask c keep first 2;",
        &[
            (r#"{"a":"","b":"","c":""}"#, r#"{"a":"","b":"","c":""}"#),
            (
                r#"{"a":"\u00e9\ud83d\ude00x","b":"a\u0062\n\"","c":"\\\/xy"}"#,
                r#"{"a":"***","b":"**\u000a\"","c":"\\/**"}"#,
            ),
            // What is no longer than what is kept is masked whole.
            (r#"{"b":"ab","c":"ab"}"#, r#"{"b":"**","c":"**"}"#),
            (r#"{"b":"abc","c":"abc"}"#, r#"{"b":"*bc","c":"ab*"}"#),
            (
                r#"{"a":-1.50e3,"b":true,"c":null}"#,
                r#"{"a":"*******","b":"**ue","c":"nu**"}"#,
            ),
            (r#"{"a":{},"b":[1],"c":"\ud800","d":1}"#, r#"{"d":1}"#),
        ],
    );
}

#[test]
fn truncate_keeps_the_first_characters() {
    assert_left(
        "truncate a to 2;",
        &[
            (r#"{"a":"\u00e9\ud83d\ude00x"}"#, r#"{"a":"é😀"}"#),
            (r#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (r#"{"a":12345}"#, r#"{"a":"12"}"#),
            (r#"{"a":"x\udc00","b":[]}"#, r#"{"b":[]}"#),
        ],
    );
}

#[test]
fn hash_is_keyed_and_of_what_a_text_says() {
    let of = |hash: &str| format!(r#"{{"a":"{hash}"}}"#);
    let mut host = Host::new("hash a;");
    for body in [r#"{"a":"a@example.com"}"#, r#"{"a":"\u0061\u0040example.com"}"#] {
        assert_eq!(
            host.left(JSON, body.as_bytes()),
            of(HASH_OF_A_AT_EXAMPLE),
            "{body}"
        );
    }
    assert_eq!(host.left(JSON, br#"{"a":1.50}"#), of(HASH_OF_1_50));
    assert_eq!(host.left(JSON, br#"{"a":[1.50]}"#), "{}");
    assert_eq!(host.left(JSON, br#"{"a":"\ud800"}"#), "{}");
    let mut without = Host::with_rules("allow anyone to GET /a { redact response { hash a; } }", false);
    assert_eq!(without.left(JSON, br#"{"a":"x","b":1}"#), r#"{"b":1}"#);
}

#[test]
fn only_keeps_what_a_list_reaches_and_what_lies_on_the_way() {
    assert_left(
        "only { a, b.c, l[].x }",
        &[
            (
                r#"{"a":{"z":[1]},"b":{"c":1,"d":2},"e":3}"#,
                r#"{"a":{"z":[1]},"b":{"c":1}}"#,
            ),
            (
                r#"{"b":{"d":2},"l":[{"x":1,"y":2},3,{}]}"#,
                r#"{"b":{},"l":[{"x":1},{}]}"#,
            ),
            (r#"{"b":1,"l":"x"}"#, "{}"),
            (r#"[{"a":1,"e":2}]"#, r#"[{"a":1}]"#),
            ("1", "null"),
            (r#""text""#, "null"),
        ],
    );
    let mut two = Host::with_rules(
        "allow anyone to GET /a { redact response { only { a, b.c, d } mask d; } } \
         on GET /a { redact response { only { a.x, b, d } } }",
        true,
    );
    let left = two.left(JSON, br#"{"a":{"x":1,"y":2},"b":{"c":3,"e":4},"d":"x"}"#);
    assert_eq!(left, r#"{"a":{"x":1},"b":{"c":3},"d":"*"}"#);
}

#[test]
fn the_strongest_operation_on_a_value_counts() {
    let mut host = Host::with_rules(
        "allow anyone to GET /a { redact response { mask a keep last 2; mask b keep last 2; replace c with \"x\"; replace d with \"x\"; truncate e to 3; hash f; drop g; } } \
         on GET /a { redact response { mask a keep last 1; mask b keep first 2; replace c with \"x\"; replace d with \"y\"; truncate e to 1; mask f; replace g with \"x\"; } }",
        true,
    );
    let left = host.left(
        JSON,
        br#"{"a":"abc","b":"abc","c":1,"d":1,"e":"abc","f":1.50,"g":1}"#,
    );
    assert_eq!(
        left,
        format!(r#"{{"a":"**c","b":"***","c":"x","e":"a","f":"{HASH_OF_1_50}"}}"#)
    );
}

#[test]
fn every_form_of_a_path_reaches_its_values_and_no_others() {
    for (path, body, expected) in [
        (
            "a.b",
            r#"{"a":{"b":1,"c":{"b":2}},"b":3}"#,
            r#"{"a":{"c":{"b":2}},"b":3}"#,
        ),
        ("a.b", r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1}]}"#),
        (
            "a[].b",
            r#"{"a":[{"b":1},{"c":2},[{"b":3}]]}"#,
            r#"{"a":[{},{"c":2},[{"b":3}]]}"#,
        ),
        ("a[0]", r#"{"a":[1,2],"b":[3]}"#, r#"{"a":[2],"b":[3]}"#),
        (
            "*.x",
            r#"{"a":{"x":1},"b":[{"x":2}],"x":3}"#,
            r#"{"a":{},"b":[{"x":2}],"x":3}"#,
        ),
        (
            "*.*.x",
            r#"{"a":{"x":1},"b":[{"x":2}]}"#,
            r#"{"a":{"x":1},"b":[{}]}"#,
        ),
        (
            "**.x",
            r#"{"x":1,"a":[{"b":{"x":[]}},[[{"x":2}]]]}"#,
            r#"{"a":[{"b":{}},[[{}]]]}"#,
        ),
        (
            "a.**.x",
            r#"{"x":1,"a":{"x":1,"b":[{"x":2}]}}"#,
            r#"{"x":1,"a":{"b":[{}]}}"#,
        ),
        (
            r#""odd key"."a.b""#,
            r#"{"odd key":{"a.b":1,"a":{"b":2}}}"#,
            r#"{"odd key":{"a":{"b":2}}}"#,
        ),
        ("a", r#"[{"a":1},{"b":2},[{"a":3}]]"#, r#"[{},{"b":2},[{"a":3}]]"#),
        ("[].a", r#"[{"a":1},[{"a":2}]]"#, r#"[{},[{"a":2}]]"#),
        ("[1]", "[1,2,3]", "[1,3]"),
        ("**", r#"{"a":1}"#, "null"),
    ] {
        assert_left(&format!("drop {path};"), &[(body, expected)]);
    }
}

#[test]
fn names_are_compared_as_they_are_read() {
    assert_left(
        r#"drop ssn; drop "é"; drop "\"";"#,
        &[
            (r#"{"\u0073s\u006E":1,"\u00e9":2,"é":3,"\"":4,"\u0022":5}"#, "{}"),
            (
                r#"{"SSN":1,"ssn ":2,"e\u0301":3}"#,
                r#"{"SSN":1,"ssn ":2,"e\u0301":3}"#,
            ),
            (
                r#"{"ssn\ud800":1,"ssn\u0000":2}"#,
                r#"{"ssn\ud800":1,"ssn\u0000":2}"#,
            ),
        ],
    );
}

#[test]
fn what_no_path_reaches_is_left_byte_for_byte() {
    let body = " {\t\"n\" : [ 1.50 , -0,1E+9, 123456789012345678901234567890 ],\r\n \"t\\u0061\\/\":\"\\ud800 \\u00E9\" ,\"d\":1,\"d\":{ } } \n";
    assert_left(
        "drop zzz.y; mask **.ssn;",
        &[(body, body), (" 1.0 ", " 1.0 "), ("[ ]", "[ ]")],
    );
    // What stands around a value that is changed stays too.
    assert_left(
        "mask a;",
        &[(
            " { \"\\u0061\" :\n\"xy\"\t, \"b\" : 1 } ",
            " { \"\\u0061\" :\n\"**\"\t, \"b\" : 1 } ",
        )],
    );
}

#[test]
fn lines_are_texts_of_their_own() {
    let mut host = Host::new("drop ssn; only { ssn, a }");
    let left = host.left(
        LINES,
        b"{\"ssn\":1,\"a\":2}\n\n[{\"b\":3,\"ssn\":4}]\r\n7\n{\"a\":1}",
    );
    assert_eq!(left, "{\"a\":2}\n\n[{}]\r\nnull\n{\"a\":1}");
    for body in [&b"{\"a\":\n1}"[..], b"{} {}\n", b"{}\n{\"a\":\n", b"{\"a\":1\n"] {
        assert!(["not_json", "cut_short"].contains(&host.fault(LINES, body).as_str()));
    }
}

#[test]
fn events_are_joined_to_one_line_of_data() {
    let mut host = Host::new("drop ssn;");
    for (body, expected) in [
        ("data: {\"ssn\":1,\"a\":2}\n\n", "data: {\"a\":2}\n\n"),
        ("data:{\"a\":\ndata: 2}\n\n", "data: {\"a\": 2}\n\n"),
        ("event: x\nid: 7\ndata: [1]\n\n", "event: x\nid: 7\ndata: [1]\n\n"),
        ("data: [1]\nid: 7\n\n", "data: [1]\nid: 7\n\n"),
        (": comment\n\ndata: 1\r\n\r\n", ": comment\n\ndata: 1\n\n"),
        ("ssn: 123\ndata: 1\n\n", "data: 1\n\n"),
    ] {
        assert_eq!(host.left(EVENTS, body.as_bytes()), expected, "{body}");
    }
    for body in [
        "data: {\"a\":1\n\n",
        "data: [DONE]\n\n",
        "data: {\"ssn\":",
        // A line feed is in no string.
        "data: {\"a\":\"x\ndata: y\"}\n\n",
        "data: {\"ss\ndata\ndata: n\":1}\n\n",
    ] {
        assert!(["not_json", "cut_short"].contains(&host.fault(EVENTS, body.as_bytes()).as_str()));
    }
}

#[test]
fn what_is_cut_or_no_json_has_no_clean_end() {
    let body = br#"{"a":[1,{"ssn":"x\u0061"}],"ssn":-1.5e3,"t":true}"#;
    let mut host = Host::new("drop **.ssn;");
    for at in 1..body.len() {
        assert_eq!(host.fault(JSON, &body[..at]), "cut_short", "cut at {at}");
    }
    for wrong in [
        &b"{\"a\":1,}"[..],
        b"[1 2]",
        b"{\"ssn\":01}",
        b"{\"ssn\":\"\x01\"}",
        b"{\"ssn\":\"\\x\"}",
        b"{\"ssn\":[}",
        b"{\"ssn\":\"\xff\"}",
        b"{\"\xc0\xaf\":1}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"<html>",
        b"NaN",
    ] {
        assert_eq!(
            host.fault(JSON, wrong),
            "not_json",
            "{}",
            String::from_utf8_lossy(wrong)
        );
    }
}

#[test]
fn long_names_and_deep_texts_are_refused() {
    let mut host = Host::new("drop **.ssn;");
    let named = |name: String| format!("{{\"a\":{{\"{name}\":1}}}}").into_bytes();
    let longest = named("x".repeat(4_096));
    assert_eq!(host.parts(JSON, longest.chunks(100)), Ok(longest.clone()));
    assert_eq!(host.fault(JSON, &named("x".repeat(4_097))), "name_too_long");
    // It is its characters that are counted, and not its escapes.
    let escaped = named("\\u0078".repeat(4_096));
    assert_eq!(host.parts(JSON, escaped.chunks(100)), Ok(escaped.clone()));
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(host.parts(JSON, nested(512).chunks(7)), Ok(nested(512)));
    assert_eq!(host.fault(JSON, &nested(513)), "too_deep");
}
