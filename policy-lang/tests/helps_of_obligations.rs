//! What the checker says about obligations is true, and its help, pasted, is a policy that checks.

use portcullis_lang::check::load_text;

/// Statement, where in it the help's code goes (between `«` and `»`), and the message.
const ROWS: &[(&str, &str)] = &[
    (
        "service s { on any /** { limit «5 per 500ms» by client.ip; } }",
        "a quota cannot count by `500ms`: its shortest period is 1s",
    ),
    (
        "service s { on any /** { limit «2 per 300ms burst 7» by client.ip; } }",
        "a quota cannot count by `300ms`: its shortest period is 1s",
    ),
    (
        "hours h = mon «09:00..09:00» in \"UTC\";",
        "`09:00..09:00` ends when it begins, so it is no time at all or the whole day",
    ),
    (
        "service s { deny anyone to any /a «respond 301»; }",
        "a redirect with 301 says where it leads",
    ),
    (
        "service s { deny anyone to any /a «respond 403 to \"/b\"»; }",
        "403 does not lead to another place",
    ),
    (
        "service s { cors { origins \"«https://*.com»\"; methods GET; } }",
        "`https://*.com` is every site of a top-level domain",
    ),
    (
        "service s { cors { origins \"«https://a*.example.com»\"; methods GET; } }",
        "the star in `https://a*.example.com` is not the whole first label of a host",
    ),
    (
        "service s { cors { origins \"https://a.example\"; methods GET; «headers \"*\";» } }",
        "`*` is not the name of one header",
    ),
    (
        "service s { on GET /a { accept query { «tag: string items 0..10;» } } }",
        "`items` counts the values of a list, and `tag` is one value",
    ),
    (
        "service s { on GET /a { accept query { «a.b: string;» } } }",
        "`a.b` is not one name, and parameters hold no others",
    ),
    (
        "service s { on GET /a { accept query { «ids: int separated by \",\";» } } }",
        "`separated by` splits the text of a parameter that is a list",
    ),
    (
        "service s { on GET /a { accept query { «ids[]: int separated by \", \";» } } }",
        "`, ` cannot separate values",
    ),
];

fn pasted(statement: &str, code: &str) -> String {
    let parts: Vec<_> = statement.split(['«', '»']).collect();
    let [before, _, after] = parts[..] else {
        panic!("{statement} marks no place");
    };
    format!("gate 1;\n{before}{code}{after}\n")
}

#[test]
fn every_help_of_an_obligation_can_be_pasted() {
    for (statement, message) in ROWS {
        let wrong = statement.split(['«', '»']).nth(1).unwrap();
        let checked = load_text(&pasted(statement, wrong));
        let first = checked.diagnostics.first().expect(statement);
        assert_eq!(&first.message, message, "{statement}");
        assert_eq!(
            checked.diagnostics.len(),
            1,
            "{statement}: {:?}",
            checked.diagnostics
        );
        let help = first.help.as_deref().unwrap_or_default();
        let code = help.split('`').nth(1).expect(help);
        let mended = load_text(&pasted(statement, code));
        assert!(
            mended.policy.is_some(),
            "{statement}: {code}: {:?}",
            mended.diagnostics
        );
    }
    let quota = load_text(&pasted(ROWS[0].0, "5 per 500ms"));
    let help = quota.diagnostics[0].help.clone();
    assert_eq!(
        help.as_deref(),
        Some("write `10 per 1s burst 5`, which is the same bucket")
    );
    let quota = load_text(&pasted(ROWS[1].0, "2 per 300ms burst 7"));
    let help = quota.diagnostics[0].help.clone();
    assert_eq!(
        help.as_deref(),
        Some("write `20 per 3s burst 7`, which is the same bucket")
    );
}
