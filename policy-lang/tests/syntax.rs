//! Text -> AST -> text, over every statement of the language and over hostile input. Each fixture holds one
//! group of statements and parses without a complaint.

use std::time::{Duration, Instant};

use portcullis_lang::ast::File;
use portcullis_lang::format;
use portcullis_lang::parse::{CODES, RESERVED, decode, parse};
use portcullis_lang::render::{render, to_json};
use portcullis_lang::source::{FileId, Sources};

const FILE: FileId = FileId(0);
const SAMPLE: &str = include_str!("syntax/sample.gate");

const FIXTURES: &[&str] = &[
    SAMPLE,
    include_str!("syntax/import.gate"),
    include_str!("syntax/issuer.gate"),
    include_str!("syntax/keys.gate"),
    include_str!("syntax/peers.gate"),
    include_str!("syntax/signature.gate"),
    include_str!("syntax/trust.gate"),
    include_str!("syntax/data.gate"),
    include_str!("syntax/condition.gate"),
    include_str!("syntax/quota.gate"),
    include_str!("syntax/targets.gate"),
    include_str!("syntax/rules.gate"),
    include_str!("syntax/bodies.gate"),
    include_str!("syntax/service.gate"),
    include_str!("syntax/suite.gate"),
    include_str!("syntax/comments.gate"),
];

#[track_caller]
fn clean(text: &str) -> File {
    let parsed = parse(FILE, text);
    let mut sources = Sources::default();
    sources.add("test.gate", text);
    assert!(
        parsed.diagnostics.is_empty(),
        "{}\n{text}",
        render(&parsed.diagnostics, &sources, false)
    );
    parsed.file
}

/// The codes of the complaints and the lines they stand on.
fn complaints(text: &str) -> Vec<(&'static str, u32)> {
    let mut sources = Sources::default();
    sources.add("test.gate", text);
    let found = parse(FILE, text).diagnostics;
    found
        .iter()
        .map(|d| (d.code, sources.line_column(FILE, d.span.start).0))
        .collect()
}

/// A tree's text without the places.
fn shape(file: &File) -> String {
    let text = format!("{:?}", file.items);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span { file: FileId(") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = rest.split_once(" }").map_or("", |(_, after)| after);
    }
    out + rest
}

fn comments(file: &File) -> Vec<String> {
    let mut all: Vec<String> = file
        .comments
        .iter()
        .map(|c| c.node.trim_start_matches('#').to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn every_statement_survives_the_formatter() {
    for text in FIXTURES {
        let file = clean(text);
        let formatted = format::format(&file, text);
        let again = clean(&formatted);
        assert_eq!(
            shape(&file),
            shape(&again),
            "another tree after formatting:\n{formatted}"
        );
        assert_eq!(comments(&file), comments(&again), "comments lost:\n{formatted}");
        assert_eq!(format::format(&again, &formatted), formatted, "not idempotent");
        assert!(
            formatted
                .lines()
                .all(|l| l.chars().count() <= 100 || l.contains('#')),
            "too wide:\n{formatted}"
        );
    }
}

#[test]
fn every_truncation_ends_in_complaints_or_a_tree() {
    for end in 0..SAMPLE.len() {
        let (text, _) = decode(FILE, &SAMPLE.as_bytes()[..end]);
        let parsed = parse(FILE, &text);
        format::format(&parsed.file, &text);
    }
}

#[test]
fn five_mistakes_are_five_complaints() {
    let text = "gate 1;\nprincpal a = b;\nquota q = 5 by client.ip;\nservice s {\n  allow a GET /x;\n  \
                on any /** { limt q; }\n  deny a to any /y\n  allow a to GET /z;\n}\n";
    assert_eq!(
        complaints(text),
        [
            ("G0005", 2),
            ("G0005", 3),
            ("G0005", 5),
            ("G0005", 6),
            ("G0005", 7)
        ]
    );
    assert_eq!(
        parse(FILE, text).diagnostics[0].help.as_deref(),
        Some("did you mean `principal`?")
    );
    assert_eq!(
        parse(FILE, text).diagnostics[3].help.as_deref(),
        Some("did you mean `limit`?")
    );
}

#[test]
fn each_mistake_has_its_code() {
    let head = |text: &str| format!("gate 1;\n{text}");
    for (text, code) in [
        (head("principal a = \"x\u{202e}\" == b;"), "G0002"),
        (head("# a comment\rprincipal a = b;\n"), "G0002"),
        (head("principal a =\rb;"), "G0002"),
        (head("principal a = b;\r"), "G0002"),
        (head("principal a = x == \"\r\";"), "G0002"),
        (head("principal a = b;\r\r\n"), "G0002"),
        (head("principal a = \"x;"), "G0006"),
        (head("import \"\\q\";"), "G0007"),
        ("principal a = b;".to_owned(), "G0008"),
        ("gate 2;".to_owned(), "G0009"),
        (head("service s {"), "G0010"),
        (head("}"), "G0011"),
        (head("service s { allow a to GET /x{ limit q; } }"), "G0012"),
        (head("service s { allow a to GET /x when b when c; }"), "G0013"),
        (head("service s { deny a to GET /x with scope \"s\"; }"), "G0014"),
        (
            head("service s { deny a to GET /x respond 99999999999; }"),
            "G0015",
        ),
        (head("principal when = b;"), "G0005"),
        (head("condition c = a == b == c;"), "G0005"),
    ] {
        let found = complaints(&text);
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [code], "{text}");
        assert!(CODES.iter().any(|(known, _)| *known == code));
    }
    assert_eq!(complaints(&"x;\n".repeat(1000)).len(), 100);
}

#[test]
fn an_unclosed_brace_hides_only_its_declaration() {
    let text = "gate 1;\nservice s {\n  on any /** { limit q; }\n\nquota q = 1 per 1s by client.ip;\n";
    assert_eq!(complaints(text), [("G0010", 2)]);
    assert_eq!(parse(FILE, text).file.items.len(), 2);
}

#[test]
fn hostile_input_ends_quickly() {
    let deep = format!(
        "gate 1; condition c = {}a{};",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    let nots = format!("gate 1; condition c = {} a;", "not ".repeat(100_000));
    let blocks = format!("gate 1; {}", "service s { ".repeat(100_000));
    let garbage: String = (0..1u32 << 20)
        .map(|i| char::from(33 + (i.wrapping_mul(2_654_435_761) >> 25) as u8 % 94))
        .collect();
    let lines = "allow \"x { ( on\n".repeat(65_536);
    let words = format!("gate 1; condition c = {}", "deny on allow ".repeat(70_000));
    let bits = "{;".repeat(500_000);
    for (text, code) in [
        (deep, "G0004"),
        (nots, "G0004"),
        (blocks, "G0004"),
        (garbage, ""),
        (lines, ""),
        (words, ""),
        (bits, ""),
    ] {
        let start = Instant::now();
        let found = complaints(&text);
        assert!(!found.is_empty() && found.len() <= 100);
        assert!(code.is_empty() || found.iter().any(|f| f.0 == code), "{found:?}");
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}: {}",
            start.elapsed(),
            &text[..40]
        );
    }
    let huge = " ".repeat((16 << 20) + 1);
    assert_eq!(complaints(&huge), [("G0003", 1)]);
}

#[test]
fn sixty_four_levels_are_fine() {
    clean(&format!(
        "gate 1; condition c = {}a{};",
        "(".repeat(64),
        ")".repeat(64)
    ));
    clean(&format!("gate 1; condition c = {} a;", "not ".repeat(64)));
}

#[test]
fn bytes_become_text_once() {
    assert_eq!(decode(FILE, b"\xef\xbb\xbfgate 1;\r\n").0, "gate 1;\r\n");
    let (text, found) = decode(FILE, b"gate 1; # \xff\xfe");
    assert_eq!((found[0].code, found[0].span.start), ("G0001", 10));
    assert_eq!(text.chars().filter(|c| *c == '\u{fffd}').count(), found.len());
    clean("gate 1;\r\nprincipal a = b;\r\n");
}

#[test]
fn reserved_words_are_those_of_the_grammar() {
    for word in RESERVED {
        assert_eq!(
            complaints(&format!("gate 1; quota {word} = 1 per 1s by client.ip;")),
            [("G0005", 1)],
            "{word}"
        );
        clean(&format!(
            "gate 1; context {{ {word}: string; }} condition c = context.{word} == \"\";"
        ));
    }
}

#[test]
fn complaints_are_shown_to_people_and_tools() {
    let text = "gate 1;\nprincpal a = b;\n";
    let mut sources = Sources::default();
    sources.add("a \"b\".gate", text);
    let found = parse(FILE, text).diagnostics;
    let shown = render(&found, &sources, false);
    assert!(
        shown.contains("error[G0005]: expected a declaration, found `princpal`"),
        "{shown}"
    );
    assert!(shown.contains("help: did you mean `principal`?"), "{shown}");
    assert!(to_json(&found[0], &sources).starts_with(
        r#"{"code":"G0005","severity":"error","message":"expected a declaration, found `princpal`","file":"a \"b\".gate","line":2,"column":1,"end_line":2,"end_column":9"#
    ));
}
