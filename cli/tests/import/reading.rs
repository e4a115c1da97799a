//! A document, and a policy -> who may call which operation. A second reading, which shares no code with the importer.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_lang::model::{
    Anchor, Atom, CaptureKind, Cond, Effect, Methods, Owner, Policy, Segment, Tail,
};
use serde_json::Value;

/// File name -> document; `""` is the first one.
pub(crate) type Files = BTreeMap<String, Value>;
/// Method, shape of the path, host and base.
pub(crate) type Key = (String, String, String);
/// Credentials that are needed together, and scopes.
pub(crate) type Way = (BTreeSet<String>, BTreeSet<String>);
/// `None` where the document cannot be read, so that nothing may be granted.
pub(crate) type Operations = BTreeMap<Key, Option<BTreeSet<Way>>>;

const METHODS: [&str; 8] = [
    "get", "head", "post", "put", "patch", "delete", "options", "trace",
];

/// A path with `{}` for what is captured in a segment, `{}{}` where several parameters and the text between are.
pub(crate) fn shape(path: &str) -> String {
    let mut out = String::new();
    for segment in path.split('/').skip(1) {
        out.push('/');
        match segment.matches('{').count() {
            0 => out.push_str(segment),
            1 => {
                let (before, rest) = segment.split_once('{').unwrap();
                let (_, after) = rest.split_once('}').unwrap();
                out.push_str(&format!("{before}{{}}{after}"));
            }
            _ => out.push_str("{}{}"),
        }
    }
    out
}

/// All that a policy grants.
pub(crate) fn policy(policy: &Policy) -> BTreeMap<Key, BTreeSet<Way>> {
    let mut out: BTreeMap<Key, BTreeSet<Way>> = BTreeMap::new();
    for rule in policy.rules.iter().filter(|r| r.effect == Effect::Allow) {
        let Owner::Service(service) = rule.owner else {
            panic!("an import has no guards")
        };
        let base = policy.services[service.0 as usize].base.len();
        for target in &rule.targets {
            let Methods::Only(methods) = &target.methods else {
                panic!("an import names methods")
            };
            let mut path: String = target
                .pattern
                .segments
                .iter()
                .skip(base)
                .map(|segment| match segment {
                    Segment::Literal(text) => format!("/{text}"),
                    Segment::Any => panic!("an import has no `*`"),
                    // These documents have no `...` but between parameters.
                    Segment::Capture {
                        kind: CaptureKind::Regex(regex),
                        ..
                    } if regex.contains(r"\.\.\.") => "/{}{}".to_owned(),
                    Segment::Capture { prefix, suffix, .. } => format!("/{prefix}{{}}{suffix}"),
                })
                .collect();
            match &target.pattern.tail {
                Tail::None => {}
                Tail::Slash => path.push('/'),
                Tail::Rest(_) => panic!("an import has no `**`"),
            }
            let scopes: BTreeSet<String> = rule.requires.scopes.iter().cloned().collect();
            for method in methods {
                let key = (method.to_lowercase(), path.clone(), String::new());
                let ways = out.entry(key).or_default();
                ways.extend(
                    anchors(policy, &rule.condition)
                        .into_iter()
                        .map(|a| (a, scopes.clone())),
                );
            }
        }
    }
    out
}

/// The sets of credentials any of which is enough.
fn anchors(policy: &Policy, condition: &Cond) -> Vec<BTreeSet<String>> {
    match condition {
        Cond::True => vec![BTreeSet::new()],
        Cond::Any(parts) => parts.iter().flat_map(|p| anchors(policy, p)).collect(),
        Cond::All(parts) => parts.iter().fold(vec![BTreeSet::new()], |all, part| {
            let more = anchors(policy, part);
            all.iter()
                .flat_map(|a| more.iter().map(|b| a.union(b).cloned().collect()))
                .collect()
        }),
        Cond::Not(inner) => {
            let mut anchored = false;
            inner.for_each_atom(&mut |a| anchored |= matches!(a, Atom::Anchor(_)));
            assert!(!anchored, "an import negates no credential");
            vec![BTreeSet::new()]
        }
        Cond::Atom(Atom::Anchor(anchor)) => {
            let name = match anchor {
                Anchor::Token(id) => &policy.issuers[id.0 as usize].name,
                Anchor::Key(id) => &policy.keys[id.0 as usize].name,
                Anchor::Peer(id) => &policy.peers[id.0 as usize].name,
                Anchor::Signed(_) | Anchor::Beside(_) => panic!("an import has none of these"),
            };
            vec![BTreeSet::from([name.clone()])]
        }
        Cond::Atom(atom) => panic!("an import grants by no {atom:?}"),
    }
}

/// All operations of a document of one file, with their descriptions.
pub(crate) fn each(document: &Value) -> Vec<(Key, &Value)> {
    let mut out = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                out.push(((method.to_owned(), shape(path), String::new()), operation));
            }
        }
    }
    out
}

/// What a document says where all of it can be read.
pub(crate) fn said(files: &Files) -> BTreeMap<Key, BTreeSet<Way>> {
    document(files)
        .into_iter()
        .map(|(k, o)| (k, o.unwrap()))
        .collect()
}

/// All that a document says.
pub(crate) fn document(files: &Files) -> Operations {
    let root = &files[""];
    let mut out = Operations::new();
    for (path, item) in root["paths"].as_object().unwrap() {
        let chain = chain(files, "", item);
        for method in METHODS {
            let key = (method.to_owned(), shape(path), String::new());
            let Some(chain) = &chain else {
                out.entry(key).or_insert(None);
                continue;
            };
            let having: Vec<_> = chain.iter().filter(|(_, i)| i.get(method).is_some()).collect();
            match having.as_slice() {
                [] => {}
                [(file, item)] => {
                    let ways = operation(files, chain, file, &item[method]);
                    // A template may stand there twice, with other names or types.
                    let others = out.remove(&key).flatten();
                    let all = match (ways, others) {
                        (Some(a), Some(b)) => Some(a.union(&b).cloned().collect()),
                        (a, b) => a.or(b),
                    };
                    out.insert(key, all);
                }
                _ => {
                    out.insert(key, None);
                }
            }
        }
    }
    out
}

type Item<'f> = (String, &'f Value);

/// A path item and what it refers to.
fn chain<'f>(files: &'f Files, file: &str, item: &'f Value) -> Option<Vec<Item<'f>>> {
    let mut out = vec![(file.to_owned(), item)];
    while let Some(reference) = out.last()?.1.get("$ref") {
        let (file, _) = out.last()?;
        let next = target(files, file, reference.as_str()?)?;
        out.push(next);
        if out.len() > 20 {
            return None;
        }
    }
    out.last()?.1.is_object().then_some(out)
}

fn target<'f>(files: &'f Files, file: &str, reference: &str) -> Option<Item<'f>> {
    let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let name = if name.is_empty() {
        file.to_owned()
    } else {
        let mut parts: Vec<&str> = file.split('/').collect();
        parts.pop();
        for part in name.split('/') {
            match part {
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        parts.join("/")
    };
    let value = files.get(&name)?.pointer(pointer)?;
    Some((name, value))
}

fn open<'f>(files: &'f Files, file: &str, value: &'f Value) -> Option<Item<'f>> {
    chain(files, file, value)?.pop()
}

fn operation(files: &Files, items: &[Item<'_>], file: &str, value: &Value) -> Option<BTreeSet<Way>> {
    if value.get("$ref").is_some() && value.as_object()?.len() > 1 {
        return None;
    }
    let (file, described) = open(files, file, value)?;
    for (file, holder) in items.iter().map(|(f, i)| (f, *i)).chain([(&file, described)]) {
        for parameter in holder["parameters"].as_array().into_iter().flatten() {
            let (file, parameter) = open(files, file, parameter)?;
            let schema = open(files, &file, parameter.get("schema").unwrap_or(&Value::Null));
            // No header is asked for, whatever its schema says.
            if parameter["in"] == "path" || (parameter["in"] == "query" && parameter["required"] == true) {
                schema?;
            }
        }
    }
    if let Some(body) = described.get("requestBody") {
        let (file, body) = open(files, &file, body)?;
        let types = body["content"].as_object().into_iter().flatten();
        for (_, media) in types.filter(|(t, _)| t.ends_with("json") || t.ends_with("urlencoded")) {
            open(files, &file, &media["schema"])?;
        }
    }
    let security = described.get("security").or_else(|| files[""].get("security"));
    let Some(security) = security else {
        return Some(BTreeSet::from([(BTreeSet::new(), BTreeSet::new())]));
    };
    let mut ways = BTreeSet::new();
    if security.as_array()?.is_empty() {
        ways.insert((BTreeSet::new(), BTreeSet::new()));
    }
    'ways: for requirement in security.as_array()? {
        let (mut who, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for (scheme, wanted) in requirement.as_object()? {
            let Some(kind) = scheme_kind(files, scheme) else {
                continue 'ways;
            };
            who.insert(scheme.clone());
            if kind == "token" {
                scopes.extend(
                    wanted
                        .as_array()?
                        .iter()
                        .filter_map(|s| Some(s.as_str()?.to_owned())),
                );
            }
        }
        ways.insert((who, scopes));
    }
    Some(ways)
}

/// What a scheme is to the language; `None` for nothing.
fn scheme_kind(files: &Files, name: &str) -> Option<&'static str> {
    let (file, components) = open(files, "", files[""].get("components")?)?;
    let (file, schemes) = open(files, &file, components.get("securitySchemes")?)?;
    let (_, scheme) = open(files, &file, schemes.get(name)?)?;
    match (scheme["type"].as_str()?, scheme["scheme"].as_str()) {
        ("oauth2" | "openIdConnect", _) | ("http", Some("bearer")) => Some("token"),
        ("apiKey", _) if scheme["in"] != "query" => Some("key"),
        ("mutualTLS", _) => Some("peer"),
        _ => None,
    }
}
