//! A synthetic API of any size, for counting and timing: routes below tenants, two scopes, now and then a network, a
//! deny on every 20th route, every 7th route shared by two rules. Seeded, so the same size is the same text.

use std::fmt::Write as _;

/// Methods in turn.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The policy's text with `rules` allows (and a deny for every 20th).
pub fn policy(rules: usize) -> String {
    let mut text = String::from(
        "gate 1;\n\
         issuer corp { url \"https://idp.example.com/\"; audience \"api\"; algorithms ES256; keys \"corp.jwks.json\"; \
         claims { roles: set = []; } }\n\
         network office = 10.20.0.0/16, 192.0.2.0/24;\n\
         principal caller = token from corp;\n\
         service api on \"api.example.com\" under \"/v1\" {\n",
    );
    for i in 0..rules {
        // Every 7th rule shares the route before it.
        let route = if i % 7 == 6 { i - 1 } else { i };
        let method = METHODS[route % METHODS.len()];
        let path = path(route, "{tenant}", "{id}");
        let scopes = if i % 3 == 0 {
            format!("\"s{}\", \"s{}\"", i % 60, (i + 7) % 60)
        } else {
            format!("\"s{}\"", i % 60)
        };
        let when = match i % 4 {
            1 => " when client.ip in office".to_string(),
            2 => format!(
                " when token.roles has any [\"r{}\", \"r{}\"]",
                i % 40,
                (i + 3) % 40
            ),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  allow caller to {method} {path} with scope {scopes}{when};"
        );
        if i % 20 == 19 {
            let _ = writeln!(
                text,
                "  deny anyone to {method} {path} when token.roles has any [\"banned\"];"
            );
        }
    }
    text.push_str("}\n");
    text
}

fn path(route: usize, tenant: &str, id: &str) -> String {
    match route % 3 {
        0 => format!("/tenants/{tenant}/orders-{route}/{id}/items"),
        1 => format!("/tenants/{tenant}/things-{route}"),
        _ => format!("/catalogue-{route}/{id}"),
    }
}

/// A request for the route of a rule: the URL below the service's base, and the method.
pub fn request(rule: usize, salt: usize) -> (String, &'static str) {
    let route = if rule % 7 == 6 { rule - 1 } else { rule };
    let path = path(route, &format!("t{}", salt % 97), &format!("{}", salt % 9_999));
    (
        format!("https://api.example.com/v1{path}"),
        METHODS[route % METHODS.len()],
    )
}

/// Claims with scopes and roles; a caller of the shape that the workload's rules ask for.
pub fn claims(rule: usize) -> String {
    format!(
        "{{\"sub\":\"u{rule}\",\"scope\":\"s{} s{} s1 s2 s3 s4\",\"roles\":[\"r{}\",\"x\",\"y\",\"z\"]}}",
        rule % 60,
        (rule + 7) % 60,
        rule % 40
    )
}
