//! Accepts of a policy -> a body that fits them, or almost does, with a head that mostly says so.

use portcullis_lang::model::{AcceptKind, Policy};

use super::draft::Draft;
use crate::rng::Rng;

/// Members that the shapes of [`super::oblige`] know.
const FITTING: &[&str] = &[
    r#""items":[]"#,
    r#""items":[{"sku":"a"},{"sku":"\u00e9"}]"#,
    r#""items":[{}]"#,
    r#""note":"n""#,
    r#""note":"\ud83d\ude00""#,
    r#""count":3"#,
    r#""count":100"#,
    r#""owner":{"a":1,"b":[null]}"#,
    r#""extra":[1,{"x":null}]"#,
    r#""extra":null"#,
    r#""ratio":1.50e0"#,
    r#""ratio":0"#,
    r#""kind":"in""#,
    r#""when":"2026-11-20T10:00:00Z""#,
    r#""from":"2001:db8::1""#,
    r#""from":null"#,
    r#""tags":["a"]"#,
    r#""deep":{"a":-0}"#,
    r#""deep":{}"#,
    r#""code":"ab""#,
    r#""is_new":true"#,
];

/// Members that they do not, each in its own way.
const OTHER: &[&str] = &[
    r#""items":[{"sku":"a","price":1}]"#,
    r#""items":{"sku":"a"}"#,
    r#""items":[{"sku":1}]"#,
    r#""items":[null]"#,
    r#""note":null"#,
    r#""note":"\udc00""#,
    r#""extra":"\ud800""#,
    r#""count":0"#,
    r#""count":101"#,
    r#""count":1.0"#,
    r#""count":"3""#,
    r#""owner":{"a":1,"b":2,"c":3}"#,
    r#""owner":[]"#,
    r#""ratio":1.5000001"#,
    r#""ratio":-1e-400"#,
    r#""ratio":1e400"#,
    r#""kind":"out""#,
    r#""when":"2026-11-20""#,
    r#""from":"192.0.2.1/32""#,
    r#""tags":[]"#,
    r#""tags":["a","b","c"]"#,
    r#""deep":{"a":1,"b":2}"#,
    r#""deep":null"#,
    r#""code":"abc""#,
    r#""code":"""#,
    r#""code":"AB""#,
    r#""code":"a\u0062c""#,
    r#""code":"\n""#,
    r#""kind":"""#,
    r#""kind":"IN""#,
    r#""kind":"in ""#,
    r#""owner":{"":0,"b":[],"c":{}}"#,
    r#""owner":{"a":0,"b":[],"c":{},"d":null}"#,
    r#""owner":{"z":0,"y":0,"x":0}"#,
    r#""is_new":"true""#,
    r#""is_admin":true"#,
    r#""no\u0074e":"n","note":"n""#,
];

const BROKEN: &[&str] = &[
    "",
    " ",
    "{",
    "{}x",
    "[]",
    "null",
    "\u{feff}{}",
    "{\"note\":\"\t\"}",
    "{\"a\":1,\"a\":1}",
    "{\"extra\":[[[[[[]]]]]]}",
    "{\"count\":01}",
    "{\"note\":\"\\x\"}",
];

const FORMS: &[&str] = &[
    "",
    "name=a&age=3",
    "name=a+b&&",
    "age=3",
    "name=%C3%A9",
    "name=%C3",
    "name=%zz",
    "age=x",
    "age=1&age=2",
    "role=admin&name=a",
    "name",
];

/// Gives requests of policies that accept bodies a body.
pub(super) fn give_body(draft: &mut Draft, policy: &Policy, rng: &mut Rng) {
    let kinds: Vec<&AcceptKind> = policy
        .rules
        .iter()
        .flat_map(|rule| &rule.obligations.accept)
        .map(|accept| &accept.kind)
        .filter(|kind| **kind != AcceptKind::Query)
        .collect();
    let kind = kinds.get(rng.below(kinds.len()));
    let Some(kind) = kind.filter(|_| draft.body.is_none() && rng.chance(65)) else {
        return;
    };
    let (named, body) = match kind {
        AcceptKind::Form => ("application/x-www-form-urlencoded", rng.pick(FORMS).to_string()),
        AcceptKind::Media(named) => (named.as_str(), "\u{89}PNG".to_string()),
        AcceptKind::Body | AcceptKind::Query => ("application/json", json(rng)),
    };
    // a rule of alternatives reads a request without a type in a way of its own
    let typed = if kinds.iter().any(|other| *other != *kind) {
        20
    } else {
        95
    };
    if draft.header("content-type").is_none() && rng.chance(typed) {
        draft.set_header("content-type", named);
    }
    if rng.chance(2) {
        draft.set_header("content-encoding", rng.pick(&["gzip", "identity", "br"]));
    }
    if rng.chance(4) {
        draft.set_header("content-length", rng.pick(&["5", "999999999", "512"]));
    }
    let blank = " ".repeat(if rng.chance(2) { 5_000 } else { 0 });
    draft.body = Some(body + &blank);
}

fn json(rng: &mut Rng) -> String {
    if rng.chance(6) {
        return rng.pick(BROKEN).to_string();
    }
    let mut members: Vec<&str> = Vec::new();
    let name = |member: &str| member.split(':').next().unwrap_or_default().to_string();
    for _ in 0..rng.below(6) {
        let list = if rng.chance(90) { FITTING } else { OTHER };
        let member = rng.pick(list);
        if rng.chance(1) || members.iter().all(|other| name(other) != name(member)) {
            members.push(member);
        }
    }
    let space = rng.pick(&["", " ", "\r\n\t"]);
    format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
}
