//! Files beside a policy: what is taken, what is refused, and what a look-up says.

use super::*;
use crate::image::config::{ListDecl, Source, TableDecl, Type};

fn config(ty: Type) -> Config {
    Config {
        lists: vec![ListDecl {
            name: "l".into(),
            file: "l.txt".into(),
            ty,
            networks: false,
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
fn what_did_not_change_is_shared() {
    let (first, _) = load(Type::Int, "1\n2", r#"{"a":{"rpm":1}}"#);
    let files = |name: &str| {
        Some(match name {
            "l.txt" => b"# said otherwise\n2\n1\n".to_vec(),
            _ => br#"{"a":{"rpm":2}}"#.to_vec(),
        })
    };
    let (second, errors) = first.reload(&config(Type::Int), &files);
    assert!(errors.is_empty());
    let held = |data: &Data| {
        (
            data.lists[0].held.clone().unwrap(),
            data.tables[0].held.clone().unwrap(),
        )
    };
    let ((list, table), (list_again, table_again)) = (held(&first), held(&second));
    assert!(Arc::ptr_eq(&list, &list_again) && !Arc::ptr_eq(&table, &table_again));
    assert_eq!(first.cell(0, b"a", 1), Some(Value::Int(1)));
    assert_eq!(second.cell(0, b"a", 1), Some(Value::Int(2)));
}

#[test]
fn the_last_good_file_is_that_of_the_same_declaration() {
    let (first, _) = load(Type::Int, "1", r#"{"a":{"rpm":1}}"#);
    let mut moved = config(Type::Int);
    moved.lists.insert(
        0,
        ListDecl {
            name: "k".into(),
            file: "k.txt".into(),
            ty: Type::Int,
            networks: false,
            max_age_us: None,
        },
    );
    moved.lists[1].max_age_us = Some(1);
    let (second, errors) = first.reload(&moved, &|_| None);
    assert_eq!(errors.len(), 3);
    assert_eq!(second.list_contains(0, &Value::Int(1)), None);
    assert_eq!(second.list_contains(1, &Value::Int(1)), Some(true));
    let (third, _) = first.reload(&config(Type::String), &|_| None);
    assert_eq!(third.list_contains(0, &text("1")), None);
    let (fourth, _) = first.reload(&Config::default(), &|_| None);
    assert_eq!((fourth.bytes(), fourth.lists.len()), (0, 0));
}

#[test]
fn a_list_of_many_ids_takes_the_stated_memory() {
    const IDS: usize = 100_000;
    let lines = |line: &dyn Fn(usize) -> String| (0..IDS).map(line).collect::<Vec<_>>().join("\n");
    let id = |n: usize| format!("id-{:08x}", n.wrapping_mul(0x9e37_79b1) % 0xffff_fffb);
    for (ty, list, each) in [
        (Type::String, lines(&id), 6 + id(0).len()),
        (Type::Int, lines(&|n| (n * 7).to_string()), 12),
        (
            Type::Ip,
            lines(&|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)),
            20,
        ),
    ] {
        let (data, errors) = load(ty, &list, "{}");
        assert_eq!(errors, Vec::<String>::new());
        assert!(data.bytes() <= IDS * each + 8, "{ty:?}: {} bytes", data.bytes());
        let held = |n: usize| match ty {
            Type::String => data.list_contains(0, &text(&id(n))),
            Type::Int => data.list_contains(0, &Value::Int(n as i64 * 7)),
            _ => data.list_contains(
                0,
                &Value::Ip([10, (n >> 16) as u8, (n >> 8) as u8, n as u8].into()),
            ),
        };
        assert!((0..IDS).all(|n| held(n) == Some(true)));
        assert!((0..1_000).all(|n| {
            let absent = Value::Int(n * 7 + 1);
            ty != Type::Int || data.list_contains(0, &absent) == Some(false)
        }));
    }
}

#[test]
fn a_table_of_many_rows_takes_the_stated_memory() {
    const ROWS: usize = 20_000;
    let rows: Vec<String> = (0..ROWS)
        .map(|n| format!(r#""plan-{n:05}":{{"rpm":{n},"label":"label {n:05}"}}"#))
        .collect();
    let (data, errors) = load(Type::Int, "", &format!("{{{}}}", rows.join(",")));
    assert_eq!(errors, Vec::<String>::new());
    let each = 12 + "plan-00000".len() + 2 * 16 + "label 00000".len();
    assert!(data.bytes() <= ROWS * each + 16, "{} bytes", data.bytes());
    for n in 0..ROWS {
        let key = format!("plan-{n:05}");
        assert_eq!(data.cell(0, key.as_bytes(), 1), Some(Value::Int(n as i64)));
        assert_eq!(
            data.cell(0, key.as_bytes(), 0),
            Some(text(&format!("label {n:05}")))
        );
    }
    for absent in [&b""[..], b"plan-20000", &[b'x'; 2_000]] {
        assert_eq!(data.cell(0, absent, 0), None);
    }
    assert_eq!(data.cell(0, b"plan-00000", 2), None);
}

#[test]
fn lines_have_a_longest_length_and_longer_keys_are_in_no_list() {
    let longest = "x".repeat(1_024);
    let (data, errors) = load(Type::String, &format!("{longest}\ny"), "{}");
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(data.list_contains(0, &text(&longest)), Some(true));
    assert_eq!(data.list_contains(0, &text(&"x".repeat(100_000))), Some(false));
    let (data, errors) = load(Type::String, &format!("y\n{longest}x\nz"), "{}");
    assert_eq!(errors, ["l.txt:2: more than 1024 bytes in a line"]);
    assert_eq!(data.list_contains(0, &text("y")), None);
    // No line break at all: the first line is too long, however much follows.
    let (_, errors) = load(Type::String, &"x".repeat(10_000_000), "{}");
    assert_eq!(errors, ["l.txt:1: more than 1024 bytes in a line"]);
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

#[test]
fn the_redaction_key_is_a_secret_like_others() {
    let config = Config {
        redaction_key: Some("salt.key".to_string()),
        ..Config::default()
    };
    let with = |bytes: &'static [u8]| move |name: &str| (name == "salt.key").then(|| bytes.to_vec());
    let tag = |data: &Data| {
        let mut hmac = data.keys().redaction()?.hmac(portcullis_crypto::Hash::Sha256);
        hmac.update(b"x");
        Some(hmac.finish().as_bytes().to_vec())
    };
    assert_eq!(tag(&Data::empty(&config)), None);
    let (first, errors) = Data::empty(&config).reload(&config, &with(b"the salt of sixteen bytes"));
    assert!(errors.is_empty() && tag(&first).is_some());
    let (kept, errors) = first.reload(&config, &with(b"short"));
    assert_eq!((errors.len(), tag(&kept)), (1, tag(&first)));
    let (other, _) = first.reload(&config, &with(b"another salt of many bytes"));
    assert_ne!(tag(&other), tag(&first));
    // No secret is in the digest, and a policy without a redaction key has none.
    assert_eq!(other.digest(), first.digest());
    let (none, _) = first.reload(&Config::default(), &with(b"the salt of sixteen bytes"));
    assert_eq!(tag(&none), None);
}
