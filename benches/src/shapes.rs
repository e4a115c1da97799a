//! Shapes that are hard for whatever merges rules, and the GitHub policy: a policy's text and requests for it.
//! Seeded, like the workload. Knows no engine.

use std::fmt::Write as _;

use portcullis_tests::adversarial;
use portcullis_tests::corpus::{self, CorpusCase};
use portcullis_tests::oracle::Pair;
use portcullis_vectors::Vector;

/// A policy and requests for it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name and size, for reports.
    pub name: String,
    /// The policy with its files, and the requests.
    pub case: CorpusCase,
    /// How many of the requests are allowed.
    pub allowed: usize,
}

const ISSUER: &str = "issuer idp { url \"https://idp.example.com/\"; audience \"api\"; algorithms ES256; \
                      keys \"k.json\"; claims { mail: string = \"\"; } }\nprincipal caller = token from idp;\n";

/// One route and `rules` rules that differ by subject.
pub fn subjects(rules: usize) -> Option<Shape> {
    let mut text = format!("gate 1;\n{ISSUER}service api on \"api.example.com\" {{\n");
    for rule in 0..rules {
        let _ = writeln!(text, "  allow caller to GET /one when token.sub == \"u{rule}\";");
    }
    text.push_str("}\n");
    let requests = (0..100).map(|i| {
        let sub = if i % 4 == 3 { rules + i } else { i * 7919 % rules };
        request(i, "10.0.0.7", &format!("{{\"sub\":\"u{sub}\"}}"))
    });
    shape("subjects", rules, text, requests.collect::<Option<_>>()?, 75)
}

/// One network of `ranges` ranges.
pub fn networks(ranges: usize) -> Option<Shape> {
    let all: Vec<String> = (0..ranges)
        .map(|i| format!("10.{}.{}.{}/28", i / 256 % 256, i % 256, i * 48 % 256))
        .collect();
    let text = format!(
        "gate 1;\nnetwork some = {};\n{ISSUER}service api on \"api.example.com\" {{\n  \
         allow caller to GET /one when client.ip in some;\n}}\n",
        all.join(", ")
    );
    let requests = (0..100).map(|i| {
        let n = i * 31 % ranges;
        let address = match i % 4 {
            3 => "192.0.2.1".to_string(),
            _ => format!("10.{}.{}.{}", n / 256 % 256, n % 256, n * 48 % 256 + 5),
        };
        request(i, &address, "{\"sub\":\"u\"}")
    });
    shape("networks", ranges, text, requests.collect::<Option<_>>()?, 75)
}

/// `globs` globs on one fact.
pub fn globs(globs: usize) -> Option<Shape> {
    let mut text = format!("gate 1;\n{ISSUER}service api on \"api.example.com\" {{\n");
    for glob in 0..globs {
        let _ = writeln!(
            text,
            "  allow caller to GET /one when token.mail like \"*@team{glob}.*.example.com\";"
        );
    }
    text.push_str("}\n");
    let requests = (0..100).map(|i| {
        let team = if i % 4 == 3 { globs + i } else { i * 31 % globs };
        let claims = format!("{{\"sub\":\"u\",\"mail\":\"someone.{i}@team{team}.eu.example.com\"}}");
        request(i, "10.0.0.7", &claims)
    });
    shape("globs", globs, text, requests.collect::<Option<_>>()?, 75)
}

/// `rules` rules that test one fact, each with a text of its own: by a glob that can match together with any other, so
/// that their automata multiply, or by a text that the glob takes.
pub fn one_fact(rules: usize, globs: bool) -> String {
    let mut text = "gate 1;\ncontext { x: string; }\nservice api on \"api.example.com\" {\n".to_owned();
    for rule in 0..rules {
        let test = match globs {
            true => format!("like \"**/{rule}/*\""),
            false => format!("== \"x/{rule}/x\""),
        };
        let _ = writeln!(text, "  allow anyone to GET /one when context.x {test};");
    }
    text.push_str("}\n");
    text
}

/// `rules` conditions of depth 8 over 40 facts.
pub fn deep(rules: usize) -> Result<Shape, String> {
    judged("deep", rules, adversarial::deep(rules))
}

/// One route and `rules` rules that each ask two to four of 40 facts: no switch tells them apart, so rule bitmaps do.
pub fn few_facts(rules: usize) -> Result<Shape, String> {
    judged("few facts", rules, adversarial::few_facts(rules))
}

/// How many requests are allowed is what the reference evaluator says: no other count is obvious.
fn judged(name: &str, rules: usize, of: adversarial::Shape) -> Result<Shape, String> {
    let mut shape = shape(name, rules, of.text, of.vectors, 0).ok_or("the shape is none")?;
    let checked = shape.case.check();
    let policy = checked
        .policy
        .ok_or_else(|| format!("the shape has errors: {:?}", checked.diagnostics.first()))?;
    let pair = Pair::new(&policy, &shape.case.files)?;
    let allowed = |vector: &&Vector| pair.reference(vector).effect == "allow";
    shape.allowed = shape.case.vectors.iter().filter(allowed).count();
    Ok(shape)
}

/// The GitHub policy with the requests beside it: each operation once, and hand-written ones.
pub fn github() -> Result<Shape, String> {
    let mut case = corpus::policies()?
        .into_iter()
        .find(|case| case.name == "policies/github")
        .ok_or("policies/github is not there")?;
    let allows = |vector: &&Vector| {
        let expect = vector.expect.as_ref();
        expect.and_then(|e| e.0.get("effect")).and_then(|e| e.as_str()) == Some("allow")
    };
    // A decision reads no body.
    case.vectors
        .retain(|vector| vector.request.body.is_none() || allows(&vector));
    Ok(Shape {
        name: "github".into(),
        allowed: case.vectors.iter().filter(allows).count(),
        case,
    })
}

fn request(id: usize, address: &str, claims: &str) -> Option<Vector> {
    portcullis_vectors::parse_line(&format!(
        "{{\"id\":\"{id}\",\"request\":{{\"method\":\"GET\",\"url\":\"https://api.example.com/one\",\
         \"client_ip\":\"{address}\"}},\"token\":{{\"issuer\":\"idp\",\"claims\":{claims}}}}}"
    ))
    .ok()
}

fn shape(name: &str, size: usize, text: String, vectors: Vec<Vector>, allowed: usize) -> Option<Shape> {
    Some(Shape {
        name: format!("{name}/{size}"),
        case: CorpusCase {
            name: name.to_string(),
            gate_files: vec![("policy.gate".into(), text.into_bytes())],
            files: std::iter::once(("k.json".to_string(), b"{\"keys\":[]}".to_vec())).collect(),
            vectors,
            refused: false,
        },
        allowed,
    })
}
