//! Warnings: which policies get one, and that the edit which the help writes keeps a closed rule closed.

use portcullis_lang::check::load_text;

const COMMON: &str = "gate 1;
issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; claims { n: int; hash: string; tier: string = \"free\"; } }
keys k { header \"x-api-key\"; fields { plan: string; } }
trust { proxies 10.0.0.0/8; header \"cf-ipcountry\" as geo.country: string; }
context { risk: int; maintenance: bool = false; }
principal user = token from i;
principal machine = key from k;
";

/// The warnings of rules in a service, with their helps.
fn warnings(rules: &str) -> Vec<(&'static str, String)> {
    let checked = load_text(&format!("{COMMON}service s {{ {rules} }}"));
    assert!(checked.policy.is_some(), "{rules}: {:#?}", checked.diagnostics);
    let found = checked.diagnostics.into_iter();
    found.map(|d| (d.code, d.help.unwrap_or_default())).collect()
}

fn help(rules: &str, code: &str) -> String {
    let found = warnings(rules).into_iter().find(|w| w.0 == code);
    found.unwrap_or_else(|| panic!("no {code} for {rules}")).1
}

/// The Gate text in a help.
fn edit(help: &str) -> &str {
    help.split('`').nth(1).unwrap_or_default()
}

#[test]
fn a_deny_that_absence_triggers_is_warned_of_whatever_is_absent() {
    for test in [
        "token.hash != \"REG\"",
        "key.plan == \"free\"",
        "request.header[\"x-a\"] == \"b\"",
        "request.cookie[\"c\"] == \"b\"",
        "request.query.q like \"*x*\"",
        "request.content_type != \"application/json\"",
        "request.sni == \"a.example\"",
        "request.size == 0",
        "context.risk > 80",
        "geo.country in [\"XX\"]",
        "token.tier == \"free\"",
    ] {
        for (before, text) in [
            ("when", test.to_owned()),
            ("unless", test.to_owned()),
            ("when", format!("not ({test})")),
        ] {
            let rule = format!("deny anyone to any /** {before} {text};");
            let help = help(&rule, "W0002");
            let edit = edit(&help);
            assert!(edit.contains(test), "{rule}: {help}");
            // What is offered first says the same in the open, and there is nothing left to warn of.
            let mended = format!("deny anyone to any /** {before} {};", text.replace(test, edit));
            assert!(warnings(&mended).is_empty(), "{mended}: {:?}", warnings(&mended));
            let negated = before == "unless" || text.starts_with("not");
            assert_eq!(edit.starts_with("(exists"), negated, "{rule}: {help}");
        }
    }
}

#[test]
fn what_cannot_be_absent_or_is_asked_for_is_not_warned_of() {
    for rule in [
        "deny anyone to any /** when context.maintenance;",
        "deny anyone to any /** when exists token.hash and token.hash == \"x\";",
        "deny anyone to any /** when not exists token.hash or token.hash == \"x\";",
        "deny anyone to any /** when exists context.risk and context.risk > 80;",
        "deny user to any /** when token.hash != \"x\";",
        "deny anyone to any /a unless user or machine;",
        "deny anyone to any /a unless user and token.n > 3;",
        "deny anyone to any /a when request.method == \"PUT\" or client.ip == \"192.0.2.1\";",
        "report deny anyone to any /** when token.n > 3;",
    ] {
        assert!(warnings(rule).is_empty(), "{rule}: {:?}", warnings(rule));
    }
}

#[test]
fn an_allow_that_leaves_out_another_ones_demands_is_warned_of() {
    let edit = |rules: &str| help(rules, "W0031");
    let export = "allow user to GET /Patient/$export with acr \"mfa\";";
    for (wide, unless) in [
        ("/Patient/{id}", "path.id == \"$export\""),
        (
            "/{kind}/{id}",
            "path.kind == \"Patient\" and path.id == \"$export\"",
        ),
        ("/Patient/${verb}", "path.verb == \"export\""),
        ("/Patient/*", "request.path in [\"/Patient/$export\"]"),
        (
            "/**",
            "request.path in [\"/Patient/$export\", \"/Patient/$export/\"]",
        ),
    ] {
        let rules = format!("allow user to GET {wide}; {export}");
        assert!(
            edit(&rules).contains(&format!("`unless {unless}`")),
            "{rules}: {}",
            edit(&rules)
        );
        let mended = format!("allow user to GET {wide} unless {unless}; {export}");
        assert!(warnings(&mended).is_empty(), "{mended}: {:?}", warnings(&mended));
    }
    for rules in [
        "allow anyone to GET /{id}; allow user to GET /me;",
        "allow user or machine to GET /{id}; allow user to GET /me;",
        "allow user to any /{id}; allow user to DELETE /me when token.n > 3;",
        "allow user to GET /{id} with scope \"a\"; allow user to GET /me with scope \"b\";",
        "allow user to GET /{id} with max age 10m; allow user to GET /me with max age 5m;",
        "allow user to GET /{id} unless path.id == \"x\"; allow user to GET /me with acr \"mfa\";",
    ] {
        edit(rules);
    }
    for rules in [
        "allow user to GET /{id} with acr \"mfa\"; allow user to GET /me;",
        "allow machine to GET /{id}; allow user to GET /me with acr \"mfa\";",
        "allow user to GET /{id:int}; allow user to GET /me with acr \"mfa\";",
        "allow user to POST /{id}; allow user to GET /me with acr \"mfa\";",
        "allow user to GET /{id}; allow user to GET /a/me with acr \"mfa\";",
        "allow user to GET /** with scope \"admin\"; allow user to GET /me with scope \"me\";",
        "allow user to GET /{id} with scope \"a\"; allow user to GET /{id} with scope \"b\";",
        "allow anyone to GET /{id}; allow user to GET /me; deny anyone to any /me unless user;",
    ] {
        assert!(warnings(rules).is_empty(), "{rules}: {:?}", warnings(rules));
    }
}

#[test]
fn tests_of_the_path_that_a_slash_escapes_are_warned_of() {
    for (test, mended) in [
        (
            "request.path like \"**.bak\"",
            "(request.path like \"**.bak\" or request.path like \"**.bak/\")",
        ),
        ("request.path == \"/a\"", "request.path in [\"/a\", \"/a/\"]"),
        (
            "request.path in [\"/a\", \"/b/\"]",
            "request.path in [\"/a\", \"/b/\", \"/a/\"]",
        ),
        (
            "request.path matches '/[a-z]+'",
            "request.path matches '(?:/[a-z]+)/?'",
        ),
        (
            "request.path like \"/a/*\"",
            "(request.path like \"/a/*\" or request.path like \"/a/*/\")",
        ),
    ] {
        for rule in [
            |test: &str| format!("deny anyone to any /** when {test};"),
            |test: &str| format!("allow user to GET /** unless {test};"),
            |test: &str| format!("deny anyone to any /{{x}} when client.ip == \"192.0.2.1\" and {test};"),
        ] {
            let help = help(&rule(test), "W0032");
            assert_eq!(edit(&help), mended);
            assert!(
                warnings(&rule(mended)).is_empty(),
                "{:?}",
                warnings(&rule(mended))
            );
        }
    }
    for rule in [
        "deny anyone to any /** when request.path like \"/a/**\";",
        "deny anyone to any /** when request.path like \"**/\";",
        "deny anyone to any /** when not request.path == \"/a\";",
        "deny anyone to any /a/ when request.path like \"**.bak\";",
        "allow user to GET /{x} unless request.path == \"/a\";",
        "allow user to GET /** when request.path == \"/a\";",
        "deny anyone to any /** when request.path matches '/a(?:/.*)?';",
    ] {
        assert!(warnings(rule).is_empty(), "{rule}: {:?}", warnings(rule));
    }
    let rest = "deny anyone to any /f/{rest:**} when path.rest like \"*.bak\";";
    help(rest, "W0032");
}

#[test]
fn a_size_is_no_bound_of_uploads() {
    for rule in [
        "deny anyone to POST /** when request.size > 1000;",
        "allow user to POST /a when request.size <= 1000;",
        "deny anyone to POST /** when exists request.size and request.size > 1000;",
    ] {
        let found: Vec<&str> = warnings(rule).into_iter().map(|w| w.0).collect();
        assert_eq!(found, ["W0034"], "{rule}");
    }
}

const TWO_ISSUERS: &str = "gate 1;
issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; }
issuer j_k { url \"https://j/\"; audience \"a\"; algorithms ES256; CLAUSES }
";

/// `token from i and token from j_k` as a principal and in an allow; codes of all warnings, and the help of `W0022`.
fn two_tokens(clauses: &str) -> (Vec<&'static str>, String) {
    let text = format!(
        "{}principal both = token from i and token from j_k;
service s {{ allow both to GET /a when token from i and (token from j_k or token from j_k); }}",
        TWO_ISSUERS.replace("CLAUSES", clauses)
    );
    let checked = load_text(&text);
    assert!(checked.policy.is_some(), "{clauses}: {:#?}", checked.diagnostics);
    let help = checked.diagnostics.iter().find(|d| d.code == "W0022");
    let help = help.and_then(|d| d.help.clone()).unwrap_or_default();
    (checked.diagnostics.iter().map(|d| d.code).collect(), help)
}

#[test]
fn a_demand_for_two_tokens_is_offered_a_token_beside() {
    for (clauses, edit) in [
        ("", "from header \"x-j-k-token\"; beside;"),
        ("from header \"x-token\";", "beside;"),
        ("from cookie \"session\"; claims { n: int; }", "beside;"),
    ] {
        let (codes, help) = two_tokens(clauses);
        assert_eq!(codes, ["W0022", "W0022"], "{clauses}");
        let edits: Vec<&str> = help.split('`').collect();
        assert_eq!(edits[1], "token from i or token from j_k", "{help}");
        assert_eq!(edits[3..6], [edit, " in issuer ", "j_k"], "{help}");
        let (codes, _) = two_tokens(&format!("{clauses} {edit}"));
        assert_eq!(codes, [""; 0], "{clauses}");
    }
    // Where the second cannot be beside, the first is offered; a clause that cannot stand there is never.
    for (clauses, offered) in [
        ("from query \"access_token\";", true),
        ("scopes from permissions;", true),
        ("opaque;", true),
        ("from header \"x-token\"; opaque;", true),
    ] {
        let (_, help) = two_tokens(clauses);
        assert_eq!(
            help.contains("beside;` in issuer `i`"),
            offered,
            "{clauses}: {help}"
        );
    }
}

#[test]
fn an_issuer_beside_names_its_audience_too() {
    let text = "gate 1; issuer j { url \"https://j/\"; from header \"x-j\"; beside; }";
    let codes: Vec<&str> = load_text(text).diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["W0025"]);
}
