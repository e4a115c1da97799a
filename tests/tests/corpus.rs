//! Every policy folder and every hostile row through the reference and the crate: what is expected comes out, and
//! both agree.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use portcullis_tests::corpus::{self, CorpusCase};
use portcullis_tests::counts;
use portcullis_tests::oracle::{Pair, difference};
use portcullis_vectors::{Vector, compare};
use serde_json::Value;

/// Every row of the hostile catalogue that this corpus owns.
fn rows() -> BTreeSet<String> {
    let groups: [(&str, u32); 11] = [
        ("P", 24),
        ("H", 9),
        ("D", 14),
        ("M", 6),
        ("I", 8),
        ("X", 13),
        ("L", 6),
        ("J", 20),
        ("V", 8),
        ("B", 16),
        ("C", 10),
    ];
    // X03 and X04 belong to the compiler's own tests, node budgets and automata. C10 is about when a gateway answers
    // `Expect: 100-continue`, which no vector says: a verdict comes before the body (tests of the exchange and the plugin).
    let elsewhere = ["X03", "X04", "C10"];
    groups
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n:02}")))
        .filter(|row| !elsewhere.contains(&row.as_str()))
        .collect()
}

/// Runs one case; complaints are lines.
fn run(case: &CorpusCase, complaints: &mut Vec<String>) {
    let checked = case.check();
    if case.refused {
        for vector in &case.vectors {
            match corpus::refused_verdict(&checked, &vector.id) {
                None => complaints.push(format!("{}: `{}` should have been refused", case.name, vector.id)),
                Some(verdict) => meet(case, vector, &serde_json::to_value(verdict).unwrap(), complaints),
            }
        }
        return;
    }
    let Some(policy) = &checked.policy else {
        complaints.push(format!(
            "{}: does not check: {:?}",
            case.name, checked.diagnostics
        ));
        return;
    };
    let mut pair = match Pair::new(policy, &case.files) {
        Ok(pair) => pair,
        Err(error) => return complaints.push(format!("{}: {error}", case.name)),
    };
    for vector in &case.vectors {
        let reference = pair.reference(vector);
        let line = match pair.line(vector) {
            Ok(line) => line,
            Err(error) => {
                complaints.push(format!("{} `{}`: {error}", case.name, vector.id));
                continue;
            }
        };
        assert!(
            !line.contains("planted-s3cr3t-value"),
            "{} `{}` quotes a credential",
            case.name,
            vector.id
        );
        let engine: Value = serde_json::from_str(&line).unwrap();
        match vector.upstream {
            None => meet(case, vector, &engine, complaints),
            Some(_) => meet(
                case,
                vector,
                &with_client(&pair, vector, engine.clone(), complaints),
                complaints,
            ),
        }
        if let Some(difference) = difference(&reference, &serde_json::from_value(engine).unwrap()) {
            complaints.push(format!(
                "{} `{}`: evaluators differ\n{difference}",
                case.name, vector.id
            ));
        }
    }
}

/// The verdict with what the client gets. However the body is cut, the client gets the same, or the beginning of it where
/// it cannot be read.
fn with_client(pair: &Pair, vector: &Vector, mut verdict: Value, complaints: &mut Vec<String>) -> Value {
    let received = match pair.client(vector, None) {
        Ok(received) => received.unwrap(),
        Err(error) => {
            complaints.push(format!("`{}`: {error}", vector.id));
            return verdict;
        }
    };
    for size in [1, 3, 17, 1 << 20] {
        let cut = pair.client(vector, Some(size)).unwrap().unwrap();
        let is_same = match (received.reason.as_str(), cut.reset || received.reset) {
            (_, false) => cut == received,
            ("response_unreadable", true) => cut.detail == received.detail && cut.reason == received.reason,
            _ => false,
        };
        if !is_same {
            complaints.push(format!(
                "`{}` in parts of {size}: {cut:?}, whole {received:?}",
                vector.id
            ));
        }
    }
    verdict["client"] = received.to_json();
    verdict
}

fn meet(case: &CorpusCase, vector: &Vector, verdict: &Value, complaints: &mut Vec<String>) {
    let Some(expect) = &vector.expect else { return };
    for mismatch in compare(expect, verdict) {
        complaints.push(format!(
            "{} `{}`: {} is {}, expected {}",
            case.name, vector.id, mismatch.member, mismatch.actual, mismatch.expected
        ));
    }
}

#[test]
fn hostile_rows_come_out_as_written() {
    let cases = corpus::hostile().unwrap();
    let mut complaints = Vec::new();
    cases.iter().for_each(|case| run(case, &mut complaints));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    counts::executed(
        "corpus_hostile_vectors",
        cases.iter().map(|c| c.vectors.len() as u64).sum(),
    )
    .unwrap();
}

#[test]
fn every_hostile_row_has_a_refused_case_and_an_allowed_twin() {
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for case in corpus::hostile().unwrap() {
        let row = case.name.rsplit('/').next().unwrap().to_string();
        let entry = seen.entry(row.clone()).or_default();
        for vector in &case.vectors {
            assert!(
                vector.id.starts_with(&row),
                "{}: `{}` carries another row's name",
                case.name,
                vector.id
            );
            let expect = &vector.expect.as_ref().unwrap().0;
            let denied = expect.get("effect").is_some_and(|e| e == "deny");
            entry.0 |= denied
                && expect.contains_key("status")
                && (expect.contains_key("detail") || expect.contains_key("reason"));
            // A response is refused by its reason, or redacted: then its body is expected and is not what came.
            let client = vector.expect.as_ref().unwrap().client().unwrap_or_default();
            let came = vector
                .upstream
                .as_ref()
                .map(|upstream| upstream.body_parts().unwrap().concat());
            let body = client.expected_body().unwrap();
            let is_redacted = body.is_some() && body != came;
            entry.0 |= is_redacted || client.reason.as_ref().is_some_and(|reason| reason != "allowed");
            entry.1 |= expect.get("effect").is_some_and(|e| e == "allow") || body.is_some();
        }
    }
    let missing: Vec<String> = rows()
        .into_iter()
        .filter(|row| seen.get(row) != Some(&(true, true)))
        .collect();
    assert!(
        missing.is_empty(),
        "rows without a refused case or an allowed twin: {missing:?}"
    );
    counts::executed("corpus_hostile_rows", seen.len() as u64).unwrap();
}

#[test]
fn example_policies_come_out_as_written() {
    let cases = corpus::policies().unwrap();
    let mut complaints = Vec::new();
    cases.iter().for_each(|case| run(case, &mut complaints));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    counts::executed(
        "corpus_policy_vectors",
        cases.iter().map(|c| c.vectors.len() as u64).sum(),
    )
    .unwrap();
}
