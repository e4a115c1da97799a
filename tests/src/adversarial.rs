//! Policies made to blow up whatever merges rules: many rules on one route, deep conditions over many facts, many
//! networks, many globs. Seeded, so the same policy every time. Requests that hit and miss come with them.

use std::fmt::Write as _;

use portcullis_vectors::Vector;

use crate::rng::Rng;

/// A policy and the requests that are worth deciding.
pub struct Shape {
    /// Name, for messages.
    pub name: &'static str,
    /// Gate text.
    pub text: String,
    /// Requests.
    pub vectors: Vec<Vector>,
}

/// Facts that the conditions of the random shapes ask for.
const FACTS: usize = 40;

/// All shapes at their full size.
pub fn all() -> Vec<Shape> {
    vec![
        subjects(10_000),
        few_facts(10_000),
        few_facts_denied(1_000),
        deep(60),
        networks(1_000),
        globs(500),
        thresholds(1_000),
        elements(2_000),
    ]
}

fn head() -> String {
    let mut text = String::from(
        "gate 1;\nissuer idp { url \"https://idp.example.com/\"; audience \"api\"; verified by gateway; claims {\n",
    );
    for fact in 0..FACTS {
        let ty = ["string", "bool", "int", "set"][fact % 4];
        let _ = writeln!(text, "  f{fact}: {ty};");
    }
    text.push_str("} }\nservice api on \"api.example.com\" {\n");
    text
}

/// A request with claims.
pub fn vector(id: usize, claims: &str) -> Vector {
    let line = format!(
        "{{\"id\":\"{id}\",\"request\":{{\"method\":\"GET\",\"authority\":\"api.example.com\",\"target\":\"/one\",\
         \"client_ip\":\"10.{}.{}.7\"}},\"token\":{{\"issuer\":\"idp\",\"claims\":{claims}}}}}",
        id % 256,
        id * 7 % 256
    );
    serde_json::from_str(&line).unwrap_or_else(|error| unreachable!("{error}: {line}"))
}

/// A claim that makes about half of the tests on it true.
fn claim(rng: &mut Rng, fact: usize) -> String {
    match fact % 4 {
        0 => format!("\"v{}\"", rng.below(4)),
        1 => (rng.below(2) == 0).to_string(),
        2 => rng.below(20).to_string(),
        _ => format!("[\"e{}\",\"e{}\"]", rng.below(6), rng.below(6)),
    }
}

fn claims(rng: &mut Rng) -> String {
    let mut members = vec![
        format!("\"sub\":\"u{}\"", rng.below(10_000)),
        format!("\"scope\":\"s{} s{}\"", rng.below(9), rng.below(9)),
    ];
    for fact in 0..FACTS {
        // Now and then it is not there: unknown.
        if rng.below(12) != 0 {
            members.push(format!("\"f{fact}\":{}", claim(rng, fact)));
        }
    }
    format!("{{{}}}", members.join(","))
}

fn test(rng: &mut Rng) -> String {
    let fact = rng.below(FACTS);
    match fact % 4 {
        0 => format!("token.f{fact} == \"v{}\"", rng.below(4)),
        1 => format!("token.f{fact}"),
        2 => format!("token.f{fact} < {}", rng.below(20)),
        _ => format!("\"e{}\" in token.f{fact}", rng.below(6)),
    }
}

/// Requests with random claims, some of them not there.
pub fn requests(seed: u64, n: usize) -> Vec<Vector> {
    let mut rng = Rng::new(seed);
    (0..n).map(|id| vector(id, &claims(&mut rng))).collect()
}

/// `rules` allows of one route, each for one subject: one switch.
pub fn subjects(rules: usize) -> Shape {
    let mut text = head();
    for rule in 0..rules {
        let _ = writeln!(text, "  allow anyone to GET /one when token.sub == \"u{rule}\";");
    }
    text.push_str("}\n");
    Shape {
        name: "subjects",
        text,
        vectors: requests(1, 8),
    }
}

/// `rules` allows of one route, each for two to four of 40 facts: no graph of them all is small.
pub fn few_facts(rules: usize) -> Shape {
    random("few facts", rules, "allow", 5)
}

/// The same as denies, beside one allow; few requests pass all of them.
pub fn few_facts_denied(rules: usize) -> Shape {
    random("few facts denied", rules, "deny", 6)
}

fn random(name: &'static str, rules: usize, effect: &str, seed: u64) -> Shape {
    let mut text = head();
    let mut rng = Rng::new(seed);
    for _ in 0..rules {
        let tests: Vec<String> = (0..2 + rng.below(3)).map(|_| test(&mut rng)).collect();
        let _ = writeln!(
            text,
            "  {effect} anyone to GET /one when {};",
            tests.join(" and ")
        );
    }
    if effect == "deny" {
        text.push_str("  allow anyone to GET /one;\n");
    }
    text.push_str("}\n");
    let mut vectors = requests(seed, 8);
    // Nothing known, nothing granted: the longest way.
    vectors.push(vector(9, "{}"));
    Shape { name, text, vectors }
}

/// `rules` rules that oblige, enforce nothing or only report: lists of which everything that applies counts.
pub fn bodies(rules: usize) -> Shape {
    let mut text = head();
    let mut rng = Rng::new(17);
    for rule in 0..rules {
        let tests: Vec<String> = (0..1 + rng.below(3)).map(|_| test(&mut rng)).collect();
        let when = tests.join(" and ");
        let _ = match rule % 4 {
            0 => writeln!(
                text,
                "  allow anyone to GET /one when {when} {{ tag \"t{rule}\"; }}"
            ),
            1 => writeln!(text, "  on GET /one when {when} {{ tag \"t{rule}\"; }}"),
            2 => writeln!(text, "  report deny anyone to GET /one when {when};"),
            _ => writeln!(
                text,
                "  allow anyone to GET /one with scope \"s{}\" when {when};",
                rule % 9
            ),
        };
    }
    text.push_str("}\n");
    Shape {
        name: "bodies",
        text,
        vectors: requests(17, 8),
    }
}

/// `rules` conditions of depth 8 over 40 facts, `and` and `or` in turn.
pub fn deep(rules: usize) -> Shape {
    fn condition(rng: &mut Rng, depth: u32) -> String {
        if depth == 0 {
            return test(rng);
        }
        let word = if depth.is_multiple_of(2) { "and" } else { "or" };
        format!(
            "({} {word} {})",
            condition(rng, depth - 1),
            condition(rng, depth - 1)
        )
    }
    let mut text = head();
    let mut rng = Rng::new(7);
    for _ in 0..rules {
        let _ = writeln!(
            text,
            "  allow anyone to GET /one when {};",
            condition(&mut rng, 8)
        );
    }
    text.push_str("}\n");
    Shape {
        name: "deep",
        text,
        vectors: requests(7, 8),
    }
}

/// `rules` networks of which each has an allow and every fifth a deny.
pub fn networks(rules: usize) -> Shape {
    let mut rng = Rng::new(11);
    let mut top = String::from("gate 1;\n");
    let mut body = String::from("service api on \"api.example.com\" {\n");
    for rule in 0..rules {
        let (length, address) = (8 + rng.below(17), 0x0a00_0000 | rng.below(1 << 24) as u32);
        let network = std::net::Ipv4Addr::from(address & (u32::MAX << (32 - length)));
        let _ = writeln!(top, "network n{rule} = {network}/{length};");
        let effect = if rule % 5 == 4 { "deny" } else { "allow" };
        let _ = writeln!(body, "  {effect} anyone to GET /one when client.ip in n{rule};");
    }
    Shape {
        name: "networks",
        text: format!("{}{}{body}}}\n", top, issuer()),
        vectors: requests(11, 8),
    }
}

fn issuer() -> &'static str {
    "issuer idp { url \"https://idp.example.com/\"; audience \"api\"; verified by gateway; }\n"
}

/// `rules` globs on one fact, which match at any place of it.
pub fn globs(rules: usize) -> Shape {
    let mut text = head();
    for rule in 0..rules {
        let _ = writeln!(
            text,
            "  allow anyone to GET /one when token.f0 like \"*{}*{}*\";",
            word(rule),
            word(rule * 7 + 3)
        );
    }
    text.push_str("}\n");
    let vectors = (0..8)
        .map(|id| {
            let value = format!("x{}y{}z", word(id * 60), word(id * 420 + 3));
            vector(id, &format!("{{\"sub\":\"u\",\"f0\":\"{value}\"}}"))
        })
        .collect();
    Shape {
        name: "globs",
        text,
        vectors,
    }
}

fn word(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    [n, n / 26, n / 3].map(letter).iter().collect()
}

/// `rules` tests of order on one number.
pub fn thresholds(rules: usize) -> Shape {
    let mut text = head();
    for rule in 0..rules {
        let _ = writeln!(
            text,
            "  allow anyone to GET /one when token.f2 < {} and token.f6 >= {};",
            rule * 3,
            rules * 2 - rule
        );
    }
    text.push_str("}\n");
    let vectors = (0..8)
        .map(|id| {
            vector(
                id,
                &format!("{{\"sub\":\"u\",\"f2\":{},\"f6\":{}}}", id * 400, 1_500 + id * 50),
            )
        })
        .collect();
    Shape {
        name: "thresholds",
        text,
        vectors,
    }
}

/// `rules` allows of one route, each for one element of a set: a variable a rule.
pub fn elements(rules: usize) -> Shape {
    let mut text = head();
    for rule in 0..rules {
        let _ = writeln!(
            text,
            "  allow anyone to GET /one when \"m{rule}\" in token.f3 and token.f1;"
        );
    }
    text.push_str("}\n");
    let vectors = (0..8)
        .map(|id| {
            let claims = format!(
                "{{\"sub\":\"u\",\"f1\":{},\"f3\":[\"m{}\",\"m{}\"]}}",
                id % 3 != 0,
                id * 700,
                id * 999
            );
            vector(id, &claims)
        })
        .collect();
    Shape {
        name: "elements",
        text,
        vectors,
    }
}
