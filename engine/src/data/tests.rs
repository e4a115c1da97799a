//! Files beside a policy: what is taken, what is refused, and what a look-up says.

use super::*;
use crate::image::config::{ListDecl, Source, TableDecl, Type};

fn config(ty: Type) -> Config {
    Config {
        lists: vec![ListDecl {
            name: "l".into(),
            file: "l.txt".into(),
            ty,
            max_age_us: None,
        }],
        tables: vec![TableDecl {
            name: "plans".into(),
            file: "plans.json".into(),
            columns: vec![("label".into(), Type::String), ("rpm".into(), Type::Int)],
            max_age_us: None,
        }],
        sources: vec![Source::Now],
        ..Config::default()
    }
}

fn load(ty: Type, list: &str, table: &str) -> (Data, Vec<String>) {
    let files = |name: &str| Some(if name == "l.txt" { list } else { table }.as_bytes().to_vec());
    let (data, errors) = Data::load(&config(ty), &files);
    (data, errors.iter().map(DataError::to_string).collect())
}

fn text(text: &str) -> Value<'_> {
    Value::Bytes(text.as_bytes())
}

#[test]
fn lists_hold_values_of_one_type() {
    let (data, errors) = load(Type::String, "# who\n b \r\n\na\na b\n", "{}");
    assert_eq!(errors, Vec::<String>::new());
    for (value, want) in [
        ("a", true),
        ("b", true),
        ("a b", true),
        ("c", false),
        ("# who", false),
        ("", false),
    ] {
        assert_eq!(data.list_contains(0, &text(value)), Some(want), "{value}");
    }
    assert_eq!(data.list_contains(0, &Value::Int(1)), None);
    let (data, _) = load(Type::Ip, "::ffff:10.0.0.1\n2001:db8::1\n", "{}");
    assert_eq!(
        data.list_contains(0, &Value::Ip("10.0.0.1".parse().unwrap())),
        Some(true)
    );
    let (data, _) = load(Type::Int, "-3\n12", "{}");
    assert_eq!(data.list_contains(0, &Value::Int(12)), Some(true));
}

#[test]
fn one_bad_line_rejects_the_list() {
    let (data, errors) = load(Type::Int, "1\n\n007\n", "{}");
    assert_eq!(errors, ["l.txt:3: the line is not an integer"]);
    assert_eq!(data.list_contains(0, &Value::Int(1)), None);
    let (_, errors) = load(Type::String, &"x".repeat(1_025), "{}");
    assert_eq!(errors, ["l.txt:1: more than 1024 bytes in a line"]);
}

#[test]
fn tables_are_objects_of_objects() {
    let (data, errors) = load(
        Type::String,
        "",
        r#"{"pro":{"rpm":60,"label":"P","note":null},"free":{}}"#,
    );
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(data.cell(0, b"pro", 1), Some(Value::Int(60)));
    assert_eq!(data.cell(0, b"pro", 0), Some(text("P")));
    assert_eq!(data.cell(0, b"free", 1), None);
    assert_eq!(data.cell(0, b"gone", 1), None);
    for bad in [
        "[]",
        "{",
        r#"{"a":1}"#,
        r#"{"a":{"rpm":"1"}}"#,
        r#"{"a":{"rpm":null}}"#,
        r#"{"a":{},"a":{}}"#,
    ] {
        let (data, errors) = load(Type::String, "", bad);
        assert_eq!((errors.len(), data.cell(0, b"a", 1)), (1, None), "{bad}");
    }
}

#[test]
fn a_bad_reload_keeps_the_last_good_file() {
    let (first, _) = load(Type::Int, "1", r#"{"a":{"rpm":1}}"#);
    let files = |name: &str| (name == "l.txt").then(|| b"x".to_vec());
    let (second, errors) = first.reload(&config(Type::Int), &files);
    assert_eq!(errors.len(), 2);
    assert_eq!(second.list_contains(0, &Value::Int(1)), Some(true));
    assert_eq!(second.cell(0, b"a", 1), Some(Value::Int(1)));
    assert_eq!(second.digest(), first.digest());
}

#[test]
fn the_digest_is_of_the_content() {
    let digest = |list, table| load(Type::String, list, table).0.digest();
    assert_eq!(
        digest("a\nb", r#"{"a":{"rpm":1},"b":{}}"#),
        digest("# x\nb\na\nb", r#"{"b":{},"a":{"rpm": 1}}"#)
    );
    assert_ne!(digest("a\nb", "{}"), digest("ab", "{}"));
    assert_ne!(digest("", "{}"), digest("", "["));
    assert_ne!(digest("", "{}"), Data::empty(&config(Type::String)).digest());
}
