//! JSON samples parse, as what they say they are, and the README's verdict is what the engine says.

use std::collections::BTreeMap;

use portcullis_tests::bridge::Subject;
use portcullis_tests::oracle;
use portcullis_vectors::{Vector, Verdict, compare, parse_line};
use serde_json::Value;

use crate::markdown::{Fence, fences};
use crate::{pages, root};

fn json(fence: &Fence) -> Result<Value, String> {
    serde_json::from_str(&fence.text).map_err(|e| format!("line {}: {e}", fence.line))
}

/// A vector spread over lines is one line when written.
fn vector(fence: &Fence) -> Result<Vector, String> {
    parse_line(&fence.text.replace('\n', " ")).map_err(|e| format!("line {}: {e}", fence.line))
}

#[test]
fn every_json_sample_is_what_it_says() {
    let mut wrong = Vec::new();
    for page in pages() {
        for fence in fences(&page.text).iter().filter(|f| f.lang() == "json") {
            let result = if fence.attribute("vector").is_some() {
                vector(fence).map(|_| ())
            } else if fence.attribute("verdict").is_some() {
                serde_json::from_str::<Verdict>(&fence.text)
                    .map(|_| ())
                    .map_err(|e| format!("line {}: {e}", fence.line))
            } else {
                json(fence).map(|_| ())
            };
            wrong.extend(result.err().map(|e| format!("{}: {e}", page.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_verdict_in_the_readme_is_the_engines() {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let fences = fences(&page);
    let find = |info: &str| {
        fences
            .iter()
            .find(|f| f.info == info)
            .unwrap_or_else(|| panic!("no fence {info}"))
    };
    let policy = oracle::checked(&find("gate").text, &BTreeMap::new()).unwrap();
    let subject = Subject::compile(&policy, &BTreeMap::new()).unwrap();
    let vector = vector(find("json,vector")).unwrap();
    let line: Value = serde_json::from_str(&subject.line(&vector).unwrap()).unwrap();
    let Value::Object(mut shown) = json(find("json,part")).unwrap() else {
        panic!("the verdict is an object")
    };
    assert_eq!(shown.remove("id").as_ref(), line.get("id"));
    assert!(shown.len() >= 4, "the verdict says something");
    let expect = serde_json::from_value(Value::Object(shown)).unwrap();
    assert_eq!(compare(&expect, &line), vec![], "{line}");
}
