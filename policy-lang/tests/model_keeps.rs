//! The model keeps everything that a policy says: change any clause of any statement, and the model differs.
//!
//! A clause is what the grammar says it is: a rule inside another. Each of these pairs needs a row whose change is
//! in it, so a new clause without a row fails here.

#[path = "model_keeps/rows.rs"]
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use pest::Parser;
use pest::iterators::Pair;
use portcullis_grammar::{Gate, Rule};
use portcullis_lang::check::load_text_with;

use rows::{Place, ROWS};

const GRAMMAR: &str = include_str!("../grammar/src/grammar.pest");

/// What the rows refer to.
const COMMON: &str = r#"gate 1;
issuer corp { url "https://idp.example/"; }
issuer other { url "https://other.example/"; }
keys partners { header "x-key"; }
peers mesh { trust "mesh.example"; }
secret hook from file "hook.secret";
secret salt from file "other.secret";
signature hub { header "x-hub"; hmac sha256 hex; over body; secret hook; }
signature lab { header "x-lab"; hmac sha256 hex; over body; secret hook; }
context { risk: int; flag: bool; }
list banned: string from "numbers.txt";
list spent: string from "others.txt";
table plans from "plans.json" { rpm: int; }
principal customer = token from corp;
principal staff = token from other;
condition calm = context.risk < 5;
quota slow = 1 per 1s by client.ip;
quota fast = 2 per 1s by client.ip;
routes lots = /lots/**;
routes named = GET /named;
persona alice = token from corp { sub "alice"; };
persona bob = token from corp { sub "bob"; };
"#;

/// Parts of statements that have no row, each with its reason.
const WITHOUT: &[(&str, &str, &str)] = &[
    ("gate", "count", "there is one version of the language"),
    ("deny", "rule_body", "an error: a deny obliges to nothing"),
    ("field_decl", "misplaced_path", "an error: a default is a literal"),
    (
        "misplaced_path",
        "member_path",
        "an error: a default is a literal",
    ),
    ("openapi", "enforce", "an error until it is enforced"),
    ("target", "operation", "an error until it is enforced"),
    ("literal", "number", "no place of the language takes one yet"),
    ("literal", "duration", "no fact has this type yet"),
];

/// Statements that are errors until they are enforced, with all their parts.
const UNENFORCED: [&str; 3] = ["endpoint", "operation", "raw_block"];

/// The text of a row before (0) or after (1) its changes.
fn side(text: &str, after: usize) -> String {
    let mut out = String::new();
    for (i, piece) in text.split(['«', '»']).enumerate() {
        match i % 2 {
            0 => out.push_str(piece),
            _ => out.push_str(piece.split('→').nth(after).unwrap_or_default()),
        }
    }
    out
}

fn policy(place: Place, text: &str, after: usize) -> String {
    let statement = side(text, after);
    let (mut top, mut service, mut guard) = (String::new(), String::new(), String::new());
    let (mut test, mut prove) = (String::new(), String::new());
    match place {
        Place::Top => top = statement,
        Place::Used(statement_of_use) => {
            top = statement;
            service = side(statement_of_use, after);
        }
        Place::Given(line) => {
            top = statement;
            test = side(line, after);
        }
        Place::Head(block) => top = format!("{statement} {block}"),
        Place::Service => service = statement,
        Place::Guard => guard = statement,
        Place::Test => test = statement,
        Place::Prove => prove = statement,
    }
    format!(
        "{COMMON}{top}\n\
         guard g {{ deny anyone to any /g; {guard} }}\n\
         service s on \"api.example.com\" {{\n\
           deny anyone to any /debug as no_debug;\n\
           deny anyone to any /trace as no_trace;\n\
           {service}\n\
         }}\n\
         test \"of s\" {{ {test} expect deny TRACE \"https://api.example.com/\"; }}\n\
         prove \"of s\" {{ never allow TRACE /; {prove} }}\n"
    )
}

/// The model without spans and without the texts that name inline quotas; or what is wrong.
fn model(text: &str) -> Result<String, String> {
    let files = [
        ("a.gate", "gate 1; network imported = 10.0.0.0/8;"),
        ("b.gate", "gate 1; network imported = 10.0.0.0/9;"),
        ("corp.jwks.json", "{\"keys\":[]}"),
        ("other.jwks.json", "{\"keys\":[]}"),
        ("partners.keys", ""),
        ("other.keys", ""),
        ("hook.secret", "0123456789abcdef0123456789abcdef"),
        ("other.secret", "0123456789abcdef0123456789abcdef"),
        ("numbers.txt", "1\n"),
        ("others.txt", "1\n"),
        ("addresses.txt", "192.0.2.1\n"),
        ("plans.json", "{}"),
        ("others.json", "{}"),
        ("a.openapi.json", "{}"),
        ("b.openapi.json", "{}"),
    ];
    let files: BTreeMap<String, Vec<u8>> = files
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .into();
    let checked = load_text_with(text, &files);
    let errors: Vec<_> = checked
        .diagnostics
        .iter()
        .filter(|d| !d.code.starts_with('W'))
        .collect();
    let Some(policy) = checked.policy else {
        return Err(format!("{errors:?}"));
    };
    let without_spans = cut(&format!("{policy:?}"), ": Span {", '}');
    Ok(cut(&without_spans, "/inline:", '"'))
}

/// The text without what stands from each `start` to the next `end`.
fn cut(text: &str, start: &str, end: char) -> String {
    let mut pieces = text.split(start);
    let mut out = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        out.push_str(piece.split_once(end).map_or(piece, |(_, rest)| rest));
    }
    out
}

/// A part of a statement: a rule of the grammar and one inside it.
type Part = (String, String);

/// Rules of the grammar: modifier (or `{`), and the names in the body.
fn grammar() -> BTreeMap<&'static str, (char, Vec<&'static str>)> {
    let mut texts: Vec<Vec<&str>> = Vec::new();
    for line in GRAMMAR.lines().filter(|line| !line.starts_with("//")) {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            texts.push(Vec::new());
        }
        texts.last_mut().into_iter().for_each(|rule| rule.push(line));
    }
    let mut rules = BTreeMap::new();
    for lines in texts {
        let (name, first) = lines[0].split_once('=').unwrap_or_default();
        let modifier = first.trim_start().chars().next().unwrap_or('{');
        let names = std::iter::once(&first)
            .chain(&lines[1..])
            .flat_map(|line| outside_quotes(line))
            .flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
        rules.insert(name.trim(), (modifier, names.collect()));
    }
    rules
}

/// What stands on a line outside of texts in quotes, which never span lines.
fn outside_quotes(line: &str) -> Vec<&str> {
    let (mut out, mut start, mut open) = (Vec::new(), 0, false);
    let bytes = line.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'"' => {
                if !open {
                    out.push(&line[start..i]);
                }
                (open, start) = (!open, i + 1);
            }
            _ => {}
        }
        i += 1;
    }
    out.push(&line[start..]);
    out
}

/// Every part that a statement can have.
fn parts() -> BTreeSet<Part> {
    let rules = grammar();
    let mut out = BTreeSet::new();
    for (name, (modifier, _)) in &rules {
        if !"@_".contains(*modifier) && !UNENFORCED.contains(name) {
            inside(&rules, name, name, &mut out);
        }
    }
    for (rule, part, _) in WITHOUT {
        let part = ((*rule).to_owned(), (*part).to_owned());
        assert!(out.remove(&part), "{part:?} is no part, or needs no exception");
    }
    out
}

/// The parts of `owner` that `rule`, itself or a silent rule in it, yields.
fn inside(
    rules: &BTreeMap<&'static str, (char, Vec<&'static str>)>,
    owner: &str,
    rule: &str,
    out: &mut BTreeSet<Part>,
) {
    for name in &rules[rule].1 {
        let sign = name.starts_with("k_") || name.starts_with("p_");
        match rules.get(name) {
            Some(('_', _)) => inside(rules, owner, name, out),
            Some(_) if !sign => {
                out.insert((owner.to_owned(), (*name).to_owned()));
            }
            _ => {}
        }
    }
}

/// Every part of a statement with its text.
fn collect(pair: Pair<'_, Rule>, out: &mut BTreeMap<Part, Vec<String>>) {
    let owner = format!("{:?}", pair.as_rule());
    for child in pair.into_inner() {
        let part = (owner.clone(), format!("{:?}", child.as_rule()));
        out.entry(part)
            .or_default()
            .push(child.as_str().trim().to_owned());
        collect(child, out);
    }
}

/// The parts of statements whose text a row changes.
fn changed(before: &str, after: &str) -> BTreeSet<Part> {
    let rules = grammar();
    let statements: Vec<Rule> = Rule::all_rules()
        .iter()
        .copied()
        .filter(|rule| {
            let rule = rules.get(format!("{rule:?}").as_str());
            rule.is_some_and(|(_, names)| names.contains(&"SOI"))
        })
        .collect();
    let parts = |text: &str| {
        let mut out = BTreeMap::new();
        let parsed = statements.iter().find_map(|rule| Gate::parse(*rule, text).ok());
        assert!(parsed.is_some() || text.trim().is_empty(), "no statement: {text}");
        parsed
            .into_iter()
            .flatten()
            .for_each(|pair| collect(pair, &mut out));
        out
    };
    let (before, after) = (parts(before.trim()), parts(after.trim()));
    let differs = |part: &&Part| before.get(*part) != after.get(*part);
    before
        .keys()
        .chain(after.keys())
        .filter(differs)
        .cloned()
        .collect()
}

#[test]
fn every_clause_changes_the_model() {
    let mut missing = parts();
    let mut wrong = Vec::new();
    for (place, text) in ROWS {
        match [0, 1].map(|after| model(&policy(*place, text, after))) {
            [Ok(before), Ok(after)] if before == after => wrong.push(format!("the model drops {text}")),
            [Ok(_), Ok(_)] => {}
            [Err(error), _] | [_, Err(error)] => wrong.push(format!("{text}: {error}")),
        }
        for part in changed(&side(text, 0), &side(text, 1)) {
            missing.remove(&part);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "no row changes: {missing:#?}");
}
