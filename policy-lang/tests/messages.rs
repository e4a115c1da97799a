//! What is wrong is named, and the help is the way out.

use portcullis_lang::check::load_text;

/// Statement, message, and what the help says.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "service s on \"a+b.example\" { deny anyone to any /b; }",
        "`a+b.example` is not a host: no host holds `+`",
        "write a name such as `api.example.com`",
    ),
    (
        "service s on \"*.a b\" { deny anyone to any /b; }",
        "`*.a b` is not a host: no host holds a space",
        "write a name such as",
    ),
    (
        "service s on \"api.example.com:8080\" { deny anyone to any /b; }",
        "`api.example.com:8080` holds a port, and a service answers on every port",
        "write `api.example.com`",
    ),
    (
        "service s { allow anyone to GET, POST /a; }",
        "`GET` has no path",
        "as in `GET|POST /a`",
    ),
    (
        "service s { deny anyone to any /a/**/b; }",
        "`**` takes the rest of a path, so nothing can follow it in `/a/**/b`",
        "write `*` for exactly one segment",
    ),
];

#[test]
fn messages_name_what_is_wrong() {
    for (statement, message, help) in ROWS {
        let checked = load_text(&format!("gate 1;\n{statement}\n"));
        let [only] = &checked.diagnostics[..] else {
            panic!("{statement}: {:#?}", checked.diagnostics);
        };
        assert_eq!(only.message, *message, "{statement}");
        let given = only.help.as_deref().unwrap_or_default();
        assert!(given.contains(help), "{statement}: {given}");
    }
}

#[test]
fn routes_may_be_called_as_a_method_is() {
    let checked = load_text("gate 1;\nroutes GET = any /a;\nservice s { deny anyone to GET; }\n");
    assert!(checked.policy.is_some(), "{:#?}", checked.diagnostics);
}
