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
    // A name whose declaration is in error is declared.
    (
        "context { c: object; } service s { allow anyone to GET /a when context.c == \"x\"; }",
        "this type can not stand here",
        "write one of bool",
    ),
    (
        "context { c: string = \"https://a.example/role\"; } service s { allow anyone to GET /a when context.c == \"x\"; }",
        "the default of `c` looks like the name of a member",
        "`c: string from \"https://a.example/role\";`",
    ),
    (
        "context { c: string = a.b; } service s { allow anyone to GET /a when context.c == \"x\"; }",
        "`= a.b` is not a literal, and a default is one",
        "`c: string from a.b;`",
    ),
    (
        "context { c: set separated by \", \"; } service s { allow anyone to GET /a when \"x\" in context.c; }",
        "`, ` is not one ASCII character",
        "`set separated by \",\"`",
    ),
    (
        "trust { proxies 10.0.0.0/8; header \"x-g\" as geo.groups: set; } service s { allow anyone to GET /a when \"x\" in geo.groups; }",
        "a header is one text, so its set needs a separator",
        "`set separated by \",\"`",
    ),
    (
        "keys k { header \"x-k\"; fields { f: ip; } } service s { allow anyone to GET /a when key.f == \"x\"; }",
        "this type can not stand here",
        "write one of bool",
    ),
    (
        "issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; claims { f: number; } } service s { allow anyone to GET /a when token.f == \"x\"; }",
        "this type can not stand here",
        "write one of bool",
    ),
    // A set is asked for its elements, at once.
    (
        "context { c: set; } service s { allow anyone to GET /a when context.c == \"a\"; }",
        "sets are not compared",
        "`\"a\" in context.c`",
    ),
    (
        "context { c: set; } service s { allow anyone to GET /a when context.c in [\"a\"]; }",
        "`in [..]` is not for values of type set",
        "`context.c has any [\"a\", \"b\"]`",
    ),
    (
        "context { i: instant; } service s { allow anyone to GET /a when context.i < 5; }",
        "this is of the type `int`, but `instant` is wanted",
        "`2026-12-31T00:00:00Z`",
    ),
    (
        "service s { allow anyone to POST /a { accept type \"image/*\" max 1KiB; } }",
        "`image/*` is no media type of a body",
        "name each one",
    ),
    (
        "trust { proxies 10.0.0.0/8; header \"x-a\" as a.b: string = \"x\"; }",
        "expected `;`, found `=`",
        "",
    ),
    // What is never known is told once, and no help asks whether it exists.
    (
        "service s { on any /** { set request header \"x-u\" \"1\"; } deny anyone to any /a when request.header[\"x-u\"] == \"2\"; }",
        "`request.header[\"x-u\"]` is always absent: the policy sets this header",
        "`set request header \"x-u-checked\" ..;`",
    ),
    (
        "issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; from query \"access_token\"; } service s { deny anyone to any /a when request.query.access_token == \"2\"; }",
        "`request.query.access_token` is always absent: the parameter presents a token",
        "`exists token`",
    ),
    (
        "issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; } service s { allow anyone to GET /a when token.scope like \"orders:*\"; }",
        "`like` is not for values of type set",
        "`with scope like \"orders:*\"`",
    ),
    (
        "context { c: set; } service s { allow anyone to GET /a when context.c like \"a*\"; }",
        "`like` is not for values of type set",
        "`context.c has any [\"a\", \"b\"]`",
    ),
    (
        "issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; from query \"access_token\"; } service s { allow anyone to GET /a { accept query { \"access_token\": string; } } }",
        "`access_token` presents a token, and `accept query` passes it over",
        "remove the field",
    ),
];

#[test]
fn messages_name_what_is_wrong() {
    for (statement, message, help) in ROWS {
        let checked = load_text(&format!("gate 1;\n{statement}\n"));
        let [only] = &checked.diagnostics[..] else {
            panic!("{statement}: {:#?}", checked.diagnostics);
        };
        assert!(only.message.starts_with(message), "{statement}: {}", only.message);
        let given = only.help.as_deref().unwrap_or_default();
        assert!(!given.contains("do not chain"), "{statement}: {given}");
        assert!(given.contains(help), "{statement}: {given}");
    }
}

#[test]
fn routes_may_be_called_as_a_method_is() {
    let checked = load_text("gate 1;\nroutes GET = any /a;\nservice s { deny anyone to GET; }\n");
    assert!(checked.policy.is_some(), "{:#?}", checked.diagnostics);
}

#[test]
fn a_key_that_callers_choose_is_kept_in_the_help() {
    for key in [
        "request.header[\"x-a\"]",
        "request.query.a else request.cookie[\"b\"]",
        "host.tenant",
    ] {
        let text = format!(
            "gate 1; service s on \"{{tenant}}.example.com\" {{ allow anyone to GET /a {{ limit 5 per 1m by {key}; }} }}"
        );
        let checked = load_text(&text);
        let [only] = &checked.diagnostics[..] else {
            panic!("{key}: {:#?}", checked.diagnostics);
        };
        let help = only.help.as_deref().unwrap_or_default();
        let edit = help.split('`').nth(1).unwrap_or_default();
        assert_eq!(edit, format!("by {key}, client.ip"));
        let mended = load_text(&text.replace(&format!("by {key}"), edit));
        assert!(mended.diagnostics.is_empty(), "{key}: {:#?}", mended.diagnostics);
    }
}
