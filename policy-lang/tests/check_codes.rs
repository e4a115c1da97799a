//! One small bad policy for each code: the code is reported, with a help, and no policy comes out.

use portcullis_base::Reason;
use portcullis_lang::Severity;
use portcullis_lang::check::{CODES, load_text, load_text_with};
use std::collections::BTreeMap;

/// Declarations that most of the table needs.
const COMMON: &str = "gate 1; issuer i { url \"https://i/\"; audience \"a\"; algorithms ES256; claims { n: int; g: set = []; } } ";

const BAD: &[(&str, &str)] = &[
    ("G0101", "network a = 10.0.0.0/8; network a = 10.0.0.0/8;"),
    ("G0102", "condition c = nobody;"),
    (
        "G0103",
        "condition c = token from q; quota q = 1 per 1s by client.ip;",
    ),
    ("G0104", "condition c = request.header == \"x\";"),
    ("G0106", "trust { header \"x\" as i.x: string; }"),
    ("G0109", "condition a = b; condition b = not a;"),
    (
        "G0110",
        "service s { deny anyone to any /a as x; deny anyone to any /b as x; }",
    ),
    ("G0201", "condition c = token.n == \"1\";"),
    ("G0202", "condition c = token.sub < \"1\";"),
    ("G0204", "context { c: object; }"),
    ("G0301", "condition c = token.n == 01;"),
    ("G0302", "condition c = token.n == 9223372036854775808;"),
    ("G0303", "quota q = 0 per 1s by client.ip;"),
    ("G0305", "condition c = token.sub in 101% of \"x\";"),
    ("G0306", "condition c = client.ip == \"2001:DB8::1\";"),
    ("G0308", "network a = 10.0.0.1/8;"),
    ("G0309", "network a = ::ffff:10.0.0.0/104;"),
    ("G0310", "condition c = exists request.header[\"a b\"];"),
    ("G0311", "service s { on any /** { set header \"x\" \" y\"; } }"),
    ("G0312", "condition c = token.sub like \"a***\";"),
    ("G0313", "condition c = token.sub matches '^a';"),
    ("G0314", "hours h = mon 08:00..09:00 in \"Europe/Nowhere\";"),
    (
        "G0317",
        "service s { allow anyone to GET /a with scope \"a b\"; }",
    ),
    ("G0318", "condition c = request.host == \"A.example\";"),
    ("G0401", "service s { deny anyone to any /%61; }"),
    ("G0402", "service s { deny anyone to GET|any /a; }"),
    ("G0403", "service s { deny anyone to any /a/../b; }"),
    ("G0404", "service s { deny anyone to any /**/b; }"),
    ("G0405", "service s { deny anyone to any /{a}/{a}; }"),
    ("G0407", "service s under /a/ { deny anyone to any /b; }"),
    (
        "G0409",
        "service s { deny anyone to any /{a}, any /b when path.a == \"x\"; }",
    ),
    (
        "G0410",
        "service s { deny anyone to any /{a}, any /b/{a:int} when path.a == \"x\"; }",
    ),
    ("G0411", "service s on \"a+b.example\" { deny anyone to any /b; }"),
    (
        "G0412",
        "service s { deny anyone to any /b; } service t { deny anyone to any /b; }",
    ),
    (
        "G0413",
        "service s { merge slashes; } service t under /t { deny anyone to any /b; }",
    ),
    ("G0501", "guard g { allow anyone to GET /a; }"),
    ("G0503", "guard g { merge slashes; }"),
    ("G0505", "service s { deny anyone to any /a respond 200; }"),
    ("G0506", "service s { allow anyone to GET /a { require tls; } }"),
    (
        "G0509",
        "service s { on any /** { set header \"content-length\" \"1\"; } }",
    ),
    ("G0510", "service s { on POST /a { accept query { a.b: int; } } }"),
    ("G0512", "quota q = token.n per 1s by client.ip;"),
    ("G0513", "quota q = 1 per 401d by client.ip;"),
    ("G0514", "quota q = 1 per 1s by token.sub/24;"),
    ("G0515", "service s { cors { origins \"https://A.example/\"; } }"),
    ("G0516", "service s { cors { origins \"*\"; credentials; } }"),
    (
        "G0517",
        "service s { on any /** { set header \"x\" \"1\"; } on any /a { set header \"x\" \"2\"; } }",
    ),
    (
        "G0518",
        "service s { on POST /a { accept body { n: int 1..2; } } on POST /** { accept body { n: int 3..4; } } }",
    ),
    (
        "G0519",
        "service s { deny anyone to any /a when exists request.header[\"X-A\"]; on any /b { set request header \"x-a\" \"1\"; } }",
    ),
    ("G0603", "issuer j { audience \"a\"; }"),
    ("G0604", "issuer j { url \"https://i/\"; }"),
    ("G0605", "issuer j { url \"https://j/\"; claims { n: string; } }"),
    ("G0606", "issuer j { url \"https://j/\"; algorithms none; }"),
    ("G0607", "issuer j { url \"https://j/\"; leeway 301s; }"),
    ("G0608", "import \"../x.gate\";"),
    ("G0609", "import \"x.gate\";"),
    ("G0610", "list l: string from \"x.txt\";"),
    ("G0611", "list l: int from \"bad.txt\";"),
    (
        "G0702",
        "service s { deny anyone to any /a; } test \"t\" { expect deny GET \"https://h/a\" by nobody; }",
    ),
    ("G0703", "test \"t\" { expect deny GET \"/a\"; }"),
    ("G0203", "condition c = 1 == 2;"),
    ("G0304", "condition c = now > 2026-13-01T00:00:00Z;"),
    ("G0307", "network a = 10.0.0.0/33;"),
    ("G0315", "hours h = mon 08:00..25:00 in \"Europe/Berlin\";"),
    ("G0406", "service s { deny anyone to any /{a:float}; }"),
    ("G0408", "service s under /v1 { deny anyone to grpc a.B/C; }"),
    ("G0502", "service s { report allow anyone to GET /a; }"),
    (
        "G0504",
        "service s { allow anyone to GET /a with acr \"a\", acr \"b\"; }",
    ),
    (
        "G0508",
        "service s { on GET /a { redact response { mask a keep last 0; } } }",
    ),
    (
        "G0511",
        "quota q = 1 per 1s by client.ip; service s { on any /a { limit q; limit q; } }",
    ),
    ("G0601", "issuer j { url \"https://j/\"; url \"https://k/\"; }"),
    ("G0602", "table t from \"t.json\" { c: bool = true; }"),
    ("G0612", "context { c: string = \"https://a.example/role\"; }"),
    ("G0614", "issuer j { url \"https://j/\"; algorithms HS256; }"),
    (
        "G0615",
        "secret x from file \"bad.txt\"; signature g { header \"x\"; hmac sha256 hex; over body; secret x; timestamp header \"y\" within 5m; }",
    ),
    ("G0616", "issuer j { url \"https://j/*/\"; }"),
    (
        "G0617",
        "issuer j { url \"https://j/\"; from query \"t\"; } condition c = exists request.query.t;",
    ),
    ("G0619", "keys k { header \"x\"; file \"bad.txt\"; }"),
    (
        "G0632",
        "secret x from file \"bad.txt\"; keys k { header \"x\"; file \"bad.txt\"; secret x; }",
    ),
    ("G0633", "secret x from file \"empty.txt\";"),
    ("G0618", "issuer j { url \"https://j/\"; beside; }"),
    ("G0613", "context { c: set separated by \", \"; }"),
    (
        "G0701",
        "keys k { fields { p: string; } } persona x = key from k { p \"a\"; };",
    ),
    (
        "G0704",
        "test \"t\" { expect deny GET \"https://h/\" with nothing; }",
    ),
    (
        "G0705",
        "test \"t\" { expect deny GET \"https://h/\"; } test \"t\" { expect deny GET \"https://h/\"; }",
    ),
    ("G0902", "service s { deny anyone to soap \"urn:x\"; }"),
    (
        "G0803",
        "condition c = token.sub matches '((a{1000}){1000}){1000}';",
    ),
    ("G0901", "condition c = body.x == \"a\";"),
    ("G0903", "service s { openapi \"bad.txt\" enforce; }"),
    ("W0001", "principal p = client.ip == \"192.0.2.1\";"),
    ("W0002", "service s { deny anyone to any /** when token.n > 3; }"),
    ("W0003", "service s { allow anyone to any /**; }"),
    (
        "W0031",
        "service s { allow anyone to GET /{id}; allow anyone to GET /x when token.n > 3; }",
    ),
    (
        "W0032",
        "service s { deny anyone to any /** when request.path like \"**.bak\"; }",
    ),
    (
        "W0033",
        "service s { on any /** { redact response { hash a; } } }",
    ),
    (
        "W0034",
        "service s { deny anyone to POST /** when request.size > 9; }",
    ),
];

fn side_files() -> BTreeMap<String, Vec<u8>> {
    [
        ("bad.txt".to_owned(), b"1\nx\n".to_vec()),
        ("empty.txt".to_owned(), b"\n".to_vec()),
    ]
    .into()
}

#[test]
fn each_bad_policy_gets_its_code_and_a_help() {
    let mut wrong = Vec::new();
    for (code, text) in BAD {
        let checked = load_text_with(&format!("{COMMON}{text}"), &side_files());
        let found: Vec<&str> = checked.diagnostics.iter().map(|d| d.code).collect();
        let hit = checked.diagnostics.iter().find(|d| d.code == *code);
        if hit.is_none_or(|d| d.help.is_none()) || (checked.policy.is_some() != code.starts_with('W')) {
            wrong.push(format!(
                "{code}: {text}: got {found:?} {:?}",
                checked.diagnostics.first().map(|d| &d.message)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_of_the_table_is_documented() {
    for (code, _) in BAD {
        assert!(CODES.iter().any(|c| c.0 == *code), "{code}");
    }
}

#[test]
fn a_file_without_a_version_is_no_policy() {
    assert!(load_text("network a = 10.0.0.0/8;").policy.is_none());
    assert!(load_text("gate 2;").policy.is_none());
}

#[test]
fn suggestions_name_the_nearest_and_the_canonical() {
    let help = |text: &str| {
        load_text(&format!("{COMMON}{text}")).diagnostics[0]
            .help
            .clone()
            .unwrap()
    };
    assert_eq!(help("condition c = token.subb == \"x\";"), "did you mean `sub`?");
    assert_eq!(help("network a = 10.0.0.1/8;"), "write `10.0.0.0/8`");
    assert_eq!(help("service s { deny anyone to any /%61; }"), "write `a`");
}

#[test]
fn every_reason_can_be_expected_and_nothing_else() {
    let check = |reason: &str| {
        let test = format!("test \"t\" {{ expect deny {reason} GET \"https://a/\"; }}");
        load_text(&format!("{COMMON}{test}"))
    };
    for reason in Reason::ALL {
        let policy = check(reason.code()).policy.unwrap();
        assert_eq!(policy.tests[0].expectations[0].reason, Some(*reason));
    }
    let pending = check("pending");
    assert!(pending.policy.is_none());
    assert_eq!(pending.diagnostics[0].code, "G0102");
}

#[test]
fn expansion_is_bounded_in_depth_and_size() {
    let code = |text: String| load_text(&text).diagnostics[0].code;
    let chain = |f: fn(usize) -> String, n: usize| {
        let parts: String = (1..n).map(f).collect();
        format!("gate 1; condition c0 = request.port == 1; {parts}")
    };
    assert_eq!(
        code(chain(|i| format!("condition c{i} = not c{}; ", i - 1), 200)),
        "G0801"
    );
    assert_eq!(
        code(chain(|i| format!("condition c{i} = c{0} and c{0}; ", i - 1), 20)),
        "G0802"
    );
}

#[test]
fn warnings_are_suppressed_by_name_with_a_reason_only() {
    let warned = |comment: &str| {
        let text = format!("gate 1;\n{comment}\nprincipal p = client.ip == \"192.0.2.1\";\n");
        load_text(&text)
            .diagnostics
            .iter()
            .any(|d| d.severity == Severity::Warning)
    };
    assert!(warned("# allow unanchored-principal:"));
    assert!(warned("# allow deny-on-unknown: another one"));
    assert!(!warned("# allow unanchored-principal: the network is ours"));
    assert!(!warned("# allow W0001: the network is ours"));
}

/// The file of `keys` is read: what it is instead of a key set is said, with its line.
#[test]
fn a_file_of_keys_is_named_for_what_it_is() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","kid":"a""#;
    let message = |file: &str| {
        let files = BTreeMap::from([("k.json".to_owned(), file.as_bytes().to_vec())]);
        let text =
            "gate 1; issuer i { url \"https://i/\"; audience \"a\"; algorithms EdDSA; keys \"k.json\"; }";
        let found = load_text_with(text, &files).diagnostics;
        found.into_iter().find(|d| d.code == "G0630").map(|d| d.message)
    };
    for (file, wanted) in [
        (
            "<html><body>502</body></html>".to_owned(),
            "k.json:1: this is an HTML page",
        ),
        (
            "{\"issuer\": \"https://i/\", \"jwks_uri\": \"https://i/jwks\"}".to_owned(),
            "discovery document",
        ),
        (format!("{key}}}"), "this is a single key"),
        (
            format!("{{\"keys\": [\n{key}, \"d\": \"AA\"}}]}}"),
            "k.json:2: key 1 is a private key",
        ),
        (
            format!("{{\"keys\": [{key}}},\n{key}}}]}}"),
            "k.json:2: two keys have the `kid` \"a\"",
        ),
        (
            "{\"keys\": [{\"kty\": \"oct\", \"k\": \"AA\"}]}".to_owned(),
            "a shared secret",
        ),
        ("{\"keys\": [".to_owned(), "not JSON"),
        (String::new(), "the file is empty"),
    ] {
        let found = message(&file).unwrap_or_default();
        assert!(found.contains(wanted), "{file}: {found}");
        assert!(!found.contains("AA"), "{found}");
    }
    for file in [
        "{\"keys\": []}".to_owned(),
        format!("{{\"keys\": [{key}}}, {{\"kty\": \"AKP\", \"alg\": \"ML-DSA-44\", \"pub\": \"AA\"}}]}}"),
    ] {
        assert_eq!(message(&file), None, "{file}");
    }
}

/// A cycle of any length is one error with a short message, found in time that grows with its length alone.
#[test]
fn a_cycle_of_names_is_told_once() {
    for count in [1, 2, 4, 5, 10_000] {
        let names: String = (0..count)
            .map(|n| {
                format!(
                    "condition c{n} = not (c{} or request.port == 1);\n",
                    (n + 1) % count
                )
            })
            .collect();
        let uses = "service s { deny anyone to any /a when c0; deny anyone to any /b unless user; }
            principal user = key from k and c0; keys k { header \"x\"; }";
        let found = load_text(&format!("gate 1;\n{names}{uses}")).diagnostics;
        let codes: Vec<&str> = found.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["G0109"], "{count}");
        assert!(found[0].message.len() < 200, "{}", found[0].message);
    }
    let found = load_text("gate 1; condition a = b; condition b = c or a; condition c = a or b;").diagnostics;
    assert!(found.iter().all(|d| d.code == "G0109"), "{found:#?}");
}

/// Operators of other languages are named, with ours.
#[test]
fn operators_of_other_languages_are_named() {
    for (condition, ours) in [
        ("!request.tls", "write `not` in place of `!`"),
        (
            "request.port == 1 and !exists request.sni",
            "write `not` in place of `!`",
        ),
        ("request.port = 1", "write `==` in place of `=`"),
        (
            "request.port == 1 && request.port == 2",
            "write `and` in place of `&&`",
        ),
        (
            "request.port == 1 || request.port == 2",
            "write `or` in place of `||`",
        ),
        (
            "request.port == 1 == 2",
            "comparisons do not chain; join two of them with `and`",
        ),
    ] {
        for text in [
            format!("gate 1; condition c = {condition};"),
            format!("gate 1; service s {{ deny anyone to any /a when {condition} as x; }}"),
        ] {
            let found = load_text(&text).diagnostics;
            assert_eq!(found[0].help.as_deref(), Some(ours), "{text}: {found:#?}");
        }
    }
}

/// One file that is missing hides nothing of the rest, and more files than the bound are an error and not cut off.
#[test]
fn missing_files_hide_nothing() {
    let codes =
        |text: &str| -> Vec<&str> { load_text(text).diagnostics.into_iter().map(|d| d.code).collect() };
    let text = "gate 1; import \"a.gate\"; list l: string from \"l.txt\"; table t from \"t.json\" { n: int; }
        issuer i { url \"https://i/\"; audience \"a\"; algorithms EdDSA; keys \"k.json\"; }
        service s { openapi \"o.json\"; deny anyone to any /%61; allow anyone to GET /a when now > 3; }";
    let found = codes(text);
    for (code, count) in [("G0609", 1), ("G0610", 4), ("G0401", 1), ("G0201", 1)] {
        assert_eq!(
            found.iter().filter(|c| **c == code).count(),
            count,
            "{code}: {found:?}"
        );
    }
    let files = |count: usize| -> Vec<(String, Vec<u8>)> {
        (0..count)
            .map(|n| (format!("{n}.gate"), b"gate 1;".to_vec()))
            .collect()
    };
    let max = portcullis_lang::check::limits::MAX_FILES;
    let check = |count| portcullis_lang::check::load(&files(count), &());
    assert!(check(max).policy.is_some());
    let many = check(max + 1);
    assert!(many.policy.is_none() && many.diagnostics.iter().any(|d| d.code == "G0805"));
}
