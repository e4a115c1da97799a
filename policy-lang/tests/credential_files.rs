//! Files of API keys and of secrets are judged with the policy: what is taken, what is not, and that no message holds a
//! byte of a secret or a hash.

use std::collections::BTreeMap;

use portcullis_lang::check::load_text_with;

const SECRET: &str = "it-is-not-to-be-shown";

/// Code, message and help of each error of a policy whose `keys` have this file.
fn errors(policy: &str, keys: &str) -> Vec<(String, String, String)> {
    let files: BTreeMap<String, Vec<u8>> = [
        ("k.keys", keys),
        ("pepper.key", SECRET),
        ("i.jwks.json", "{\"keys\":[]}"),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into();
    let checked = load_text_with(policy, &files);
    let found = checked.diagnostics.into_iter();
    found
        .filter(|d| !d.code.starts_with('W'))
        .map(|d| (d.code.to_owned(), d.message, d.help.unwrap_or_default()))
        .collect()
}

fn keys(clauses: &str, file: &str) -> Vec<(String, String, String)> {
    let policy =
        format!("gate 1; secret pepper from file \"pepper.key\"; keys k {{ header \"x-key\"; {clauses} }}");
    errors(&policy, file)
}

const WHOLE: &str = "file \"k.keys\"; secret pepper; fields { plan: string from billing.plan; seats: int = 1; vip: bool = false; tags: set separated by \",\" = []; roles: set = []; }";

fn line(id: &str, fields: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"hash\":\"{}\",\"fields\":{fields}}}\n",
        format!("{id:0>2}").repeat(32)
    )
}

#[test]
fn keys_whose_fields_have_the_declared_types_are_taken() {
    for fields in [
        "{}",
        r#"{"billing":{"plan":"free"},"seats":-3,"vip":true,"tags":"a,b","roles":["a"]}"#,
        r#"{"tags":["a","b"],"roles":[],"billing":1,"plan":7,"other":null}"#,
    ] {
        assert_eq!(keys(WHOLE, &line("1", fields)), [], "{fields}");
    }
    assert_eq!(keys(WHOLE, ""), []);
    assert_eq!(keys("fields { plan: string; }", "not read"), []);
}

#[test]
fn a_field_of_another_type_rejects_the_file_with_its_line() {
    for (fields, name) in [
        (r#"{"billing":{"plan":null}}"#, "plan"),
        (r#"{"billing":{"plan":1}}"#, "plan"),
        (r#"{"seats":"1"}"#, "seats"),
        (r#"{"seats":1.0}"#, "seats"),
        (r#"{"seats":9223372036854775808}"#, "seats"),
        (r#"{"vip":"true"}"#, "vip"),
        (r#"{"tags":[1]}"#, "tags"),
        (r#"{"roles":"a"}"#, "roles"),
    ] {
        let file = line("1", "{}") + &line("2", fields);
        let found = keys(WHOLE, &file);
        let [(code, message, _)] = found.as_slice() else {
            panic!("{fields}: {found:?}")
        };
        assert_eq!(code, "G0632");
        assert_eq!(
            *message,
            format!("k.keys:2: `{name}` of this key has another type")
        );
    }
}

#[test]
fn a_bad_line_is_named_and_not_shown() {
    let hash = format!("{SECRET}{}", "0".repeat(64 - SECRET.len()));
    for text in [
        SECRET.to_owned(),
        format!("{{\"id\":\"a\",\"hash\":\"{hash}\"}}"),
        format!("{{\"id\":\"a\",\"{SECRET}-{SECRET}\":1}}"),
        format!("{{\"id\":\"a\",\"expires\":\"{SECRET}\"}}"),
    ] {
        let found = keys(WHOLE, &format!("\n{text}\n"));
        let [(code, message, help)] = found.as_slice() else {
            panic!("{text}: {found:?}")
        };
        assert_eq!(code, "G0632");
        assert!(message.starts_with("k.keys:2: "), "{message}");
        assert!(
            !message.contains(SECRET) && !help.contains(SECRET),
            "{message}; {help}"
        );
    }
}

#[test]
fn a_file_and_its_secret_belong_together_and_the_help_says_what_to_write() {
    let found = keys("file \"k.keys\";", "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "G0619");
    // What the help says can be pasted.
    let pasted = "gate 1; secret k_pepper from file \"pepper.key\"; keys k { header \"x-key\"; file \"k.keys\"; secret k_pepper; }";
    assert!(found[0].2.contains("`secret k_pepper;`") && found[0].2.contains("`secret k_pepper from file"));
    assert_eq!(errors(pasted, ""), []);
    let found = keys("secret pepper;", "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "G0619" && found[0].2.contains("`file \"k.keys\";`"));
    let found = keys("file \"k.keys\"; secret nobody;", "");
    assert!(
        found.iter().any(|e| e.0 == "G0102") && found.iter().all(|e| e.0 != "G0619"),
        "{found:?}"
    );
}

#[test]
fn a_secret_is_as_long_as_its_use_demands() {
    const SHORT: &str = "not-to-be-shown";
    let issuer = |algorithms: &str| {
        format!("issuer i {{ url \"https://i/\"; audience \"a\"; algorithms {algorithms}; secret s; }}")
    };
    for (declaration, purpose, least) in [
        (issuer("HS256"), "HS256", 32),
        (issuer("HS256, HS512, HS384"), "HS512", 64),
        (
            "keys k { header \"x-key\"; file \"k.keys\"; secret s; }".to_owned(),
            "keyed hashes",
            16,
        ),
        (
            "signature g { header \"x-s\"; hmac sha256 hex; over body; secret s; }".to_owned(),
            "signatures",
            16,
        ),
    ] {
        let policy = format!("gate 1; secret s from file \"s.key\"; {declaration}");
        let found = |secret: &str| {
            let files = [("s.key", secret), ("k.keys", "")];
            let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
            load_text_with(&policy, &files.into()).diagnostics
        };
        let short = found(&format!("{SHORT}\n"));
        let [short] = short.as_slice() else {
            panic!("{declaration}: {short:?}")
        };
        let told = format!("has 15 bytes, and {least} are the least for {purpose}");
        assert_eq!(short.code, "G0633");
        assert!(short.message.contains(&told), "{}", short.message);
        assert!(!format!("{short:?}").contains(SHORT));
        assert!(found(&"x".repeat(least)).is_empty());
        assert!(!found(&"x".repeat(least - 1)).is_empty());
    }
}
