//! Small policies as model values, and requests as vector lines.

use std::collections::BTreeMap;

use portcullis_lang::model::*;
use portcullis_lang::{FileId, Span};
use portcullis_reference::Reference;
use portcullis_vectors::{Verdict, parse_line};
use serde_json::{Value as Json, json};

pub(crate) const SPAN: Span = Span {
    file: FileId(0),
    start: 0,
    end: 0,
};

/// One service `s` on every host, an issuer `corp`, keys `partners`, peers `mesh`, and the rules.
pub(crate) fn policy(mut rules: Vec<Rule>) -> Policy {
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let claim = |name: &str, ty| Claim {
        name: name.to_string(),
        ty,
    };
    let sent = |name: &str| IssuerClaim {
        name: name.to_string(),
        path: vec![name.to_string()],
        set: SetForm::Array,
        default: None,
    };
    let corp = Issuer {
        name: "corp".to_string(),
        span: SPAN,
        url: "https://idp.example.com/".to_string(),
        audiences: Vec::new(),
        algorithms: Vec::new(),
        keys_file: None,
        secret: None,
        url_like: false,
        leeway_us: 30_000_000,
        source: TokenSource::Authorization,
        query: None,
        verified_by_gateway: false,
        scopes: vec!["scope".to_string()],
        implies: vec![("w".to_string(), vec!["r".to_string()])],
        claims: vec![
            sent("acr"),
            sent("auth_time"),
            IssuerClaim {
                default: Some(Value::Set(Vec::new())),
                ..sent("groups")
            },
            sent("sub"),
        ],
        typ: None,
        max_age_us: None,
        bound_to_certificate: false,
        opaque: false,
        no_expiry: false,
    };
    let partners = KeySet {
        name: "partners".to_string(),
        span: SPAN,
        header: Some("x-api-key".to_string()),
        cookie: None,
        file: None,
        secret: None,
        fields: Vec::new(),
    };
    Policy {
        issuers: vec![corp],
        claims: vec![
            claim("acr", Type::String),
            claim("auth_time", Type::Instant),
            claim("groups", Type::Set),
            claim("sub", Type::String),
        ],
        keys: vec![partners],
        peers: vec![PeerSet {
            name: "mesh".to_string(),
            span: SPAN,
            trust_domains: vec!["example.com".to_string()],
        }],
        context: vec![
            ContextFact {
                name: "n".to_string(),
                ty: Type::Int,
                path: vec!["n".to_string()],
                set: SetForm::Array,
                default: None,
            },
            ContextFact {
                name: "off".to_string(),
                ty: Type::Bool,
                path: vec!["off".to_string()],
                set: SetForm::Array,
                default: Some(Value::Bool(false)),
            },
        ],
        services: vec![service("s", &[])],
        rules,
        ..Policy::default()
    }
}

pub(crate) fn service(name: &str, base: &[&str]) -> Service {
    Service {
        name: name.to_string(),
        span: SPAN,
        hosts: vec![HostPattern::Any],
        host_label: None,
        base: base.iter().map(|s| s.to_string()).collect(),
        options: HostOptions::default(),
        invalid_credentials_anonymous: false,
        trailing_slash_ignored: false,
        require: Vec::new(),
        sunset_us: None,
        default_limit: None,
        cors: None,
        resource_metadata: None,
        openapi: None,
        penalties: Vec::new(),
        public: false,
        deprecated: false,
    }
}

pub(crate) fn rule(id: &str, effect: Effect, target: &str, condition: Cond) -> Rule {
    Rule {
        id: id.to_string(),
        span: SPAN,
        owner: Owner::Service(ServiceId(0)),
        effect,
        report: false,
        targets: target.split(", ").map(self::target).collect(),
        condition,
        reads: Vec::new(),
        requires: Requires::default(),
        respond: None,
        because: None,
        obligations: Obligations::default(),
        public: false,
        deprecated: false,
    }
}

/// `GET|POST /a/{x}/**`; `any` is every method, `{x:int}` the only typed capture.
fn target(text: &str) -> Target {
    let (methods, path) = text.split_once(' ').unwrap();
    let methods = match methods {
        "any" => Methods::Any,
        list => Methods::Only(list.split('|').map(str::to_string).collect()),
    };
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    let tail = match parts.pop().unwrap() {
        "**" => Tail::Rest(None),
        "" => Tail::Slash,
        last => {
            parts.push(last);
            Tail::None
        }
    };
    let segment = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        Some(capture) => Segment::Capture {
            name: capture.trim_end_matches(":int").to_string(),
            prefix: String::new(),
            suffix: String::new(),
            kind: if capture.ends_with(":int") {
                CaptureKind::Int
            } else {
                CaptureKind::Text
            },
        },
        None if part == "*" => Segment::Any,
        None => Segment::Literal(part.to_string()),
    };
    let pattern = Pattern {
        segments: parts.into_iter().map(segment).collect(),
        tail,
    };
    Target {
        methods,
        pattern,
        kind: TargetKind::Http,
        span: SPAN,
    }
}

pub(crate) fn allow_all() -> Rule {
    rule("s/all", Effect::Allow, "any /**", Cond::True)
}

pub(crate) fn equals(fact: Fact, value: Value) -> Cond {
    let right = Operand::Value(value);
    Cond::Atom(Atom::Compare {
        left: fact,
        op: Comparison::Equal,
        right,
        ignore_case: false,
    })
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_string())
}

/// Decides a request to `https://h` with the members of `more` beside and inside of `request`.
pub(crate) fn decide(policy: &Policy, method: &str, target: &str, request: Json, more: Json) -> Verdict {
    let mut vector = json!({"id": "v", "request": {"method": method, "url": format!("https://h{target}")}});
    vector["request"]
        .as_object_mut()
        .unwrap()
        .extend(request.as_object().unwrap().clone());
    vector
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Reference::new(policy, &BTreeMap::new()).decide(&parse_line(&vector.to_string()).unwrap())
}

pub(crate) fn get(policy: &Policy, target: &str) -> Verdict {
    decide(policy, "GET", target, json!({}), json!({}))
}

/// `reason` and `detail` in one text.
pub(crate) fn why(verdict: &Verdict) -> String {
    format!(
        "{} {} {}",
        verdict.status,
        verdict.reason,
        verdict.detail.as_deref().unwrap_or("-")
    )
}
