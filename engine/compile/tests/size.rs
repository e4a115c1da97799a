//! How large an image is for each rule of a gateway's workload: services of one host each, templates with parameters,
//! one or two scopes, networks or roles now and then, a deny for every twentieth rule.
//!
//! `PORTCULLIS_RULES=100000 cargo test --release -p portcullis-compile --test size -- --nocapture` prints the parts of a larger
//! image, and what checking, compiling and loading took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use portcullis::{Image, Trust};
use portcullis_compile::{CompileOptions, compile_with};

/// Bytes of an image without symbols for each of its rules.
const BYTES_PER_RULE_MAX: usize = 160;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % n
    }

    fn two(&mut self, n: usize) -> (usize, usize) {
        let first = self.below(n);
        (first, (first + 1 + self.below(n - 1)) % n)
    }
}

fn scope(i: usize) -> String {
    const NOUNS: [&str; 12] = [
        "orders", "billing", "invoices", "users", "catalog", "stock", "reports", "audit", "shipping",
        "quotes", "tickets", "search",
    ];
    const VERBS: [&str; 5] = ["read", "write", "delete", "admin", "export"];
    format!("\"{}:{}\"", NOUNS[i % 12], VERBS[i / 12 % 5])
}

/// The path and method of a route: six routes to each noun.
fn route(route: usize) -> (String, &'static str) {
    let (k, kind) = (route / 6, route % 6);
    let parent = if k % 3 == 0 { "/v2" } else { "/v1/tenants/{tenant}" };
    let noun = format!("{parent}/things-{k}");
    match kind {
        0 => (noun, "GET"),
        1 => (noun, "POST"),
        2 => (format!("{noun}/{{id}}"), "GET"),
        3 => (format!("{noun}/{{id}}"), "PATCH"),
        4 => (format!("{noun}/{{id}}"), ["DELETE", "PUT"][k % 2]),
        _ if k % 2 == 1 => (format!("{noun}/{{id}}/items/{{sub}}"), "GET"),
        _ => (format!("{noun}/{{id}}/items"), "GET"),
    }
}

fn network(random: &mut Random, len: Option<u32>) -> String {
    let len = len.unwrap_or_else(|| [8, 12, 16, 20, 24][random.below(5)]);
    let host = 0x0a00_0000 | random.below(1 << 24) as u32;
    let net = host & (u32::MAX << (32 - len));
    format!("{}/{len}", std::net::Ipv4Addr::from(net))
}

/// The workload as Gate text.
fn policy(rules: usize) -> String {
    let hosts = (rules / 100).clamp(1, 64);
    let mut random = Random(rules as u64);
    let mut networks = String::new();
    let mut services = vec![String::new(); hosts];
    let mut routes = 0;
    for i in 0..rules {
        let denies = i % 20 == 19;
        if !(denies || i % 7 == 3) || routes == 0 {
            routes += 1;
        }
        let (path, method) = route(routes - 1);
        let host = (routes - 1) / 6 % hosts;
        let (one, two) = random.two(60);
        let scopes = match random.below(2) {
            0 => scope(one),
            _ => format!("{}, {}", scope(one), scope(two)),
        };
        let when = match random.below(if denies { 2 } else { 3 }) {
            0 => {
                let nets: Vec<String> = (0..1 + random.below(3))
                    .map(|_| network(&mut random, denies.then_some(24)))
                    .collect();
                let _ = writeln!(networks, "network n{i} = {};", nets.join(", "));
                format!(" when client.ip in n{i}")
            }
            1 => {
                let (one, two) = random.two(40);
                format!(" when token.groups has any [\"group-{one:02}\", \"group-{two:02}\"]")
            }
            _ => String::new(),
        };
        let _ = match denies {
            true => writeln!(services[host], "  deny anyone to {method} {path}{when};"),
            false => writeln!(
                services[host],
                "  allow caller to {method} {path} with scope {scopes}{when};"
            ),
        };
    }
    let mut text = String::from(
        "gate 1;\n\
         issuer corp { url \"https://idp.example.com/\"; audience \"api\"; algorithms ES256; keys \"corp.jwks.json\"; \
         claims { groups: set = []; } }\n\
         principal caller = token from corp;\n",
    );
    text.push_str(&networks);
    for (host, rules) in services.iter().enumerate() {
        let _ = writeln!(
            text,
            "service api_{host} on \"api-{host}.example.com\" {{\n{rules}}}"
        );
    }
    text
}

#[test]
fn an_image_is_small_for_each_rule() {
    let rules = std::env::var("PORTCULLIS_RULES").map_or(10_000, |n| n.parse().unwrap());
    let files = BTreeMap::from([("corp.jwks.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let text = policy(rules);
    let start = Instant::now();
    let checked = portcullis_lang::check::load_text_with(&text, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics.first()));
    let check = start.elapsed();
    let start = Instant::now();
    let bytes = compile_with(
        &policy,
        &CompileOptions {
            symbols: false,
            ..Default::default()
        },
    )
    .unwrap();
    let compile = start.elapsed();
    let start = Instant::now();
    let image = Image::load(&bytes, &Trust::Unsigned).unwrap();
    let load = start.elapsed();
    let seen = portcullis_compile::inspect(&image);
    let per_rule = |bytes: usize| bytes as f64 / rules as f64;
    println!(
        "{rules} rules: {} bytes, {:.1} a rule",
        bytes.len(),
        per_rule(bytes.len())
    );
    for (name, bytes) in seen.sections.iter().chain(&seen.parts) {
        println!("  {name}: {bytes} ({:.1} a rule)", per_rule(*bytes));
    }
    println!(
        "{} states, {} accepts, {} entries, {} variables, {} nodes",
        seen.states, seen.accepts, seen.entries, seen.variables, seen.nodes
    );
    println!("check {check:?}, compile {compile:?}, load {load:?}");
    assert!(
        bytes.len() <= rules * BYTES_PER_RULE_MAX,
        "{} bytes for each of {rules} rules",
        bytes.len() / rules
    );
    let with = compile_with(&policy, &CompileOptions::default()).unwrap();
    println!("with symbols: {:.1} bytes a rule", per_rule(with.len()));
    assert!(
        Image::load(&with, &Trust::Unsigned).unwrap().has_symbols()
            && !image.has_symbols()
            && with.len() > bytes.len()
    );
}
