//! What must hold between two policies or two requests, whatever they are: order and duplication of rules mean
//! nothing, a further deny and a missing credential never open anything, formatting keeps every decision.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;

use portcullis_lang::model::{Atom, Cond, CredentialKind, Policy};
use portcullis_lang::{format, parse, source};
use portcullis_tests::generate::{self, Generated, Requests};
use portcullis_tests::oracle::{self, Pair, difference};
use portcullis_tests::rng::Rng;
use portcullis_tests::{bridge::Subject, counts};
use portcullis_vectors::{Vector, Verdict};

const POLICIES: u64 = 60;
const REQUESTS: usize = 20;
const SEED: u64 = 0x006d_6574_616d_6f72;

fn checked(text: &str, files: &BTreeMap<String, Vec<u8>>) -> Policy {
    oracle::checked(text, files).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn vectors(rng: &mut Rng, policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Vec<Vector> {
    let requests = Requests::new(policy, files);
    (0..REQUESTS)
        .map(|index| requests.next(rng, index.to_string()))
        .collect()
}

fn verdict(subject: &Subject, vector: &Vector) -> Verdict {
    serde_json::from_str(&subject.line(vector).unwrap()).unwrap()
}

/// Compiles both policies and compares their verdicts on requests aimed at the first; how many were compared.
fn same_decisions(rng: &mut Rng, before: &Generated, after: &str, strip: impl Fn(&mut Verdict)) -> u64 {
    let (one, two) = (
        checked(&before.text(), &before.files),
        checked(after, &before.files),
    );
    let vectors = vectors(rng, &one, &before.files);
    let (one, two) = (
        Subject::compile(&one, &before.files).unwrap(),
        Subject::compile(&two, &before.files).unwrap(),
    );
    for vector in &vectors {
        let (mut one, mut two) = (verdict(&one, vector), verdict(&two, vector));
        strip(&mut one);
        strip(&mut two);
        if let Some(difference) = difference(&one, &two) {
            panic!(
                "{difference}{}\n---\n{after}\n{}",
                before.text(),
                serde_json::to_string(vector).unwrap()
            );
        }
    }
    vectors.len() as u64
}

fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last + 1));
    }
}

#[test]
fn order_changes_nothing() {
    let mut cases = 0;
    for index in 0..POLICIES {
        let mut rng = Rng::part(SEED, index);
        let before = generate::named_policy(&mut rng);
        let mut after = before.clone();
        shuffle(&mut rng, &mut after.declarations);
        shuffle(&mut rng, &mut after.blocks);
        for block in &mut after.blocks {
            shuffle(&mut rng, &mut block.statements);
        }
        cases += same_decisions(&mut rng, &before, &after.text(), |_| {});
    }
    counts::executed("metamorphic_order", cases).unwrap();
}

/// A second copy of a rule under a name that sorts behind all others; `None` for what is no rule.
fn twin(statement: &str) -> Option<String> {
    let rule = ["allow ", "deny ", "on ", "report "]
        .iter()
        .any(|verb| statement.starts_with(verb));
    let (head, tail) = statement.rsplit_once(" as ")?;
    (rule && tail.starts_with(['a', 'd', 'o'])).then(|| format!("{head} as z{tail}"))
}

#[test]
fn duplication_changes_nothing() {
    let mut cases = 0;
    for index in 0..POLICIES {
        let mut rng = Rng::part(SEED, index ^ 0x1_0000);
        let before = generate::named_policy(&mut rng);
        let mut after = before.clone();
        for block in &mut after.blocks {
            let twins: Vec<String> = block.statements.iter().filter_map(|s| twin(s)).collect();
            block.statements.extend(twins);
        }
        cases += same_decisions(&mut rng, &before, &after.text(), |verdict| {
            // which rules say it, not what is said
            verdict.rules.clear();
            verdict.report.retain(|report| !report.rule.contains("/z"));
            if let Some(body) = &mut verdict.request_body {
                body.accept.clear();
            }
            if let Some(response) = &mut verdict.response {
                response.require = response.require.take().map(|mut list| {
                    list.retain(|item| !item.to_string().contains("/z"));
                    list
                });
            }
        });
    }
    counts::executed("metamorphic_duplication", cases).unwrap();
}

#[test]
fn formatting_changes_nothing() {
    let mut cases = 0;
    for index in 0..POLICIES {
        let mut rng = Rng::part(SEED, index ^ 0x2_0000);
        let before = generate::named_policy(&mut rng);
        let text = before.text();
        let after = format::format(&parse::parse(source::FileId(0), &text).file, &text);
        cases += same_decisions(&mut rng, &before, &after, |_| {});
    }
    counts::executed("metamorphic_formatting", cases).unwrap();
}

#[test]
fn a_further_deny_never_allows_more() {
    let mut cases = 0;
    for index in 0..POLICIES {
        let mut rng = Rng::part(SEED, index ^ 0x3_0000);
        let generated = generate::named_policy(&mut rng);
        let mut stricter = generated.clone();
        for block in &mut stricter.blocks {
            if rng.chance(70) {
                block.statements.push(generate::another_deny(&mut rng));
            }
        }
        let policy = checked(&generated.text(), &generated.files);
        let vectors = vectors(&mut rng, &policy, &generated.files);
        let before = Subject::compile(&policy, &generated.files).unwrap();
        let after = Subject::compile(&checked(&stricter.text(), &generated.files), &generated.files).unwrap();
        for vector in &vectors {
            let (before, after) = (verdict(&before, vector), verdict(&after, vector));
            cases += 1;
            assert!(
                before.effect == "allow" || after.effect != "allow",
                "{}\n{vector:?}",
                stricter.text()
            );
        }
    }
    counts::executed("metamorphic_deny", cases).unwrap();
}

/// Whether absence of a credential can make the condition true: by `exists`, or below a negation.
fn asks_for_absence(cond: &Cond, negated: bool) -> bool {
    match cond {
        Cond::True => false,
        Cond::Not(inner) => asks_for_absence(inner, !negated),
        Cond::All(parts) | Cond::Any(parts) => parts.iter().any(|part| asks_for_absence(part, negated)),
        Cond::Atom(atom) => negated && !atom.credentials().is_empty() && never_unknown(atom),
    }
}

/// Only these turn true by negation when their credential goes; others turn unknown.
fn never_unknown(atom: &Atom) -> bool {
    matches!(atom, Atom::Anchor(_) | Atom::Presented(_) | Atom::Exists(_))
}

fn without(vector: &Vector, kind: CredentialKind) -> Vector {
    let mut less = vector.clone();
    match kind {
        CredentialKind::Token => less.token = None,
        CredentialKind::Key => less.key = None,
        CredentialKind::Peer => less.request.peer = None,
        CredentialKind::Signature => less.signature = None,
        CredentialKind::Beside1 | CredentialKind::Beside2 | CredentialKind::Beside3 => less.beside.clear(),
    }
    less
}

#[test]
fn a_missing_credential_never_allows_more() {
    let mut compared = 0;
    for index in 0..4 * POLICIES {
        let mut rng = Rng::part(SEED, index ^ 0x4_0000);
        let generated = generate::credentials_only_grant(&mut rng);
        let policy = checked(&generated.text(), &generated.files);
        if policy
            .rules
            .iter()
            .any(|rule| asks_for_absence(&rule.condition, false))
        {
            continue;
        }
        let vectors = vectors(&mut rng, &policy, &generated.files);
        let subject = Subject::compile(&policy, &generated.files).unwrap();
        for vector in &vectors {
            let before = verdict(&subject, vector);
            // an invalid credential is refused, and no credential is not
            if before.effect == "allow" || before.reason == "invalid_token" {
                continue;
            }
            for kind in CredentialKind::ALL {
                let after = verdict(&subject, &without(vector, kind));
                compared += 1;
                assert_ne!(after.effect, "allow", "{}\n{vector:?}", generated.text());
            }
        }
    }
    counts::executed("metamorphic_credential", compared).unwrap();
}

#[test]
fn a_hostile_spelling_never_reaches_what_is_denied() {
    let text = "gate 1;\nservice s { allow anyone to any /**; deny anyone to any /orders/**; }\n";
    let files = BTreeMap::new();
    let policy = checked(text, &files);
    let mut pair = Pair::new(&policy, &files).unwrap();
    let mut rng = Rng::new(SEED);
    for index in 0..2_000 {
        let path = generate::hostile_spelling("/orders/42", &mut rng);
        let path = if rng.chance(50) {
            generate::hostile_spelling(&path, &mut rng)
        } else {
            path
        };
        let mut vector = vectors(&mut rng, &policy, &files).remove(0);
        vector.id = index.to_string();
        vector.request.target = Some(path.clone());
        let (verdict, _) = pair.decide(&vector).unwrap();
        let upstream = verdict.upstream_target.unwrap_or_default();
        // other paths than the denied one may be open: an upper-case spelling is one
        let denied = upstream.split('?').next().unwrap_or_default();
        assert!(
            denied != "/orders" && !denied.starts_with("/orders/"),
            "{path} -> {upstream}"
        );
    }
    counts::executed("metamorphic_spelling", 2_000).unwrap();
}
