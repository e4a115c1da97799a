//! `portcullis explain`: one request -> its verdict, why, and what would have let it pass.
//!
//! Nothing is guessed. That a deny was true or unknown, what stands behind it, and that a missing scope was all
//! that lacked: each is found by asking the engine again, with the deny only reported, or with the scope added.

use std::path::PathBuf;

use portcullis::decide::{Lack, Unknown};
use portcullis::decision::{Effect, Reason};
use portcullis::{Engine, Exchange, OwnedDecision, Snapshot, Worker};
use portcullis_bridge::OwnedRequest;
use portcullis_lang::model::{self, Owner, Policy, Rule, ServiceId};
use portcullis_lang::source::Sources;
use portcullis_vectors::{Vector, Verdict};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{CliError, Exit};
use crate::output::{BAD, DOUBT, GOOD, Output, STRONG, clean_line, paint};
use crate::subject::trust::TrustArgs;
use crate::subject::{self, Subject, begin};
use crate::{obligations, vectors};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits 1 if the request is denied.

Examples:
  portcullis explain policies/shop requests.jsonl:orders-001
  portcullis explain policies/shop '{\"id\":\"a\",\"request\":{\"method\":\"GET\",\"url\":\"https://h/\"}}'
  portcullis explain --json shop.portcullis -")]
pub struct Args {
    /// Policy folder, gate file or compiled image (an image has no text to quote).
    pub subject: PathBuf,
    /// The vector: FILE, FILE:ID, `-` or JSON.
    pub vector: String,
    /// Folder of lists and tables, if not the subject's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Denies are lifted one after the other, at most this many.
const DENIES_MAX: usize = 8;

/// A deny that applied.
struct Deny {
    rule: String,
    /// It was certainly true, not unknown; `None` from an image.
    certain: Option<bool>,
    message: Option<String>,
    /// Facts that its condition reads and that are unknown, with why.
    unknown: Vec<(String, Unknown)>,
}

/// An allow that came close.
struct Near {
    rule: String,
    lacks: Vec<String>,
    raw: Vec<Value>,
    /// The verdict, had the scopes been there.
    with_scopes: Option<bool>,
}

/// Runs `explain`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut subject = Subject::open(&args.subject, args.data.as_deref(), &args.trust, output)?;
    let (vector, place) = vectors::pick(&args.vector)?;
    let unreadable = |problem| CliError::File {
        path: place.clone(),
        problem,
    };
    let request = OwnedRequest::from_vector(&vector).map_err(unreadable)?;
    let exchange = subject.ask(&request);
    let line = exchange.to_json(&vector.id);
    let verdict: Verdict = serde_json::from_str(&line)
        .map_err(|e| unreadable(format!("the engine's verdict can not be read: {e}")))?;

    let (denies, behind) = lift_denies(&subject, &vector, &exchange, &args.subject)?;
    let mut near = Vec::new();
    for closest in &behind.as_ref().unwrap_or(&exchange).explanation().closest {
        near.push(Near {
            rule: subject.rule_id(closest.rule).to_string(),
            lacks: lack_lines(&closest.lacks),
            raw: closest.lacks.iter().map(lack_json).collect(),
            with_scopes: with_scopes(&mut subject, &vector, &closest.lacks),
        });
    }
    let explained = Explained {
        vector: &vector,
        decision: exchange.decision(),
        verdict: &verdict,
        denies,
        behind,
        near,
    };
    if args.json {
        output.say(explained.to_json(&subject))?;
    } else {
        explained.show(&subject, output)?;
    }
    Ok(Exit::findings(exchange.decision().effect() == Effect::Deny))
}

struct Explained<'e> {
    vector: &'e Vector,
    decision: &'e OwnedDecision,
    verdict: &'e Verdict,
    denies: Vec<Deny>,
    /// The decision without the denies, where there were some and the policy's text is at hand.
    behind: Option<Exchange>,
    near: Vec<Near>,
}

impl Explained<'_> {
    fn to_json(&self, subject: &Subject) -> Value {
        let source = subject.source.as_ref();
        let at = |rule: &str| source.and_then(|(p, s)| place(p, s, rule));
        let denies: Vec<Value> = self
            .denies
            .iter()
            .map(|d| {
                let unknown = d
                    .unknown
                    .iter()
                    .map(|(fact, why)| json!({"fact": fact, "is": why.code()}));
                json!({
                    "rule": d.rule, "place": at(&d.rule), "certain": d.certain, "message": d.message,
                    "unknown": unknown.collect::<Vec<Value>>(),
                })
            })
            .collect();
        let near: Vec<Value> = self
            .near
            .iter()
            .map(|n| {
                json!({"rule": n.rule, "place": at(&n.rule), "lacks": n.raw, "passes_with_scopes": n.with_scopes})
            })
            .collect();
        json!({
            "id": self.vector.id,
            "verdict": self.verdict,
            "denies": denies,
            "without_denies": self.behind.as_ref().map(Exchange::decision).map(
                |d| json!({"reason": d.reason().code(), "status": d.status()}),
            ),
            "closest": near,
            "symbols": subject.snapshot.image.has_symbols(),
        })
    }

    fn show(&self, subject: &Subject, output: &mut Output) -> Result<(), CliError> {
        let source = subject.source.as_ref();
        let (style, word) = match self.decision.effect() {
            Effect::Allow => (GOOD, "allowed"),
            Effect::Answer => (GOOD, "answered"),
            Effect::Deny => (BAD, "denied"),
        };
        let detail = self
            .verdict
            .detail
            .as_deref()
            .map(|d| format!(", {}", clean_line(d)))
            .unwrap_or_default();
        let request = &self.vector.request;
        let target = vectors::target(request).unwrap_or("(bytes)");
        output.say(format_args!(
            "{} {}",
            clean_line(&request.method),
            clean_line(target)
        ))?;
        output.say(format_args!(
            "{}: {} {}{detail}",
            paint(style, word),
            self.verdict.status,
            self.verdict.reason
        ))?;
        if self.decision.effect() == Effect::Allow {
            if let Some(rule) = &self.verdict.rule {
                output.say(heading("granted by", quote(source, rule)))?;
            }
            let texts = obligations::of(self.verdict);
            if !texts.is_empty() {
                output.say(paint(STRONG, "\nwhat binds"))?;
            }
            for text in obligations::usual(&texts) {
                output.say(format_args!("  {}", clean_line(text)))?;
            }
            return Ok(());
        }
        for deny in &self.denies {
            output.say(heading("denied by", quote(source, &deny.rule)))?;
            if let Some(message) = &deny.message {
                output.say(format_args!("  because {}", clean_line(message)))?;
            }
            match deny.certain {
                Some(true) => output.say("  its condition is true")?,
                Some(false) => output.say(format_args!(
                    "  its condition is {}, and a deny applies then too",
                    paint(DOUBT, "unknown")
                ))?,
                None => {}
            }
            for (fact, why) in &deny.unknown {
                output.say(format_args!("  {}", clean_line(&unknown_text(fact, *why))))?;
            }
        }
        if let Some(behind) = self.behind.as_ref().map(Exchange::decision) {
            match behind.effect() {
                Effect::Deny => output.say(format_args!(
                    "\nwithout it, it would still be denied: {} {}",
                    behind.status(),
                    behind.reason().code()
                ))?,
                _ => output.say("\nwithout it, the request would pass")?,
            }
        }
        for near in &self.near {
            output.say(heading("closest", quote(source, &near.rule)))?;
            for lack in &near.lacks {
                output.say(format_args!("  {}", clean_line(lack)))?;
            }
            match near.with_scopes {
                Some(true) => output.say("  with that, the request passes (tried)")?,
                Some(false) => output.say("  with that alone, the request is still denied (tried)")?,
                None => {}
            }
        }
        if self.decision.effect() == Effect::Deny && !subject.snapshot.image.has_symbols() {
            output.say("\nthe image has no symbols: what an allow lacked is not known (compile without --strip-symbols)")?;
        }
        if self.near.is_empty()
            && self.denies.is_empty()
            && let Some(hint) = hint(self.decision, self.verdict)
        {
            output.say(format_args!("\n{hint}"))?;
        }
        Ok(())
    }
}

/// The deny that decided and those behind it, each lifted by only reporting it; then what is left.
fn lift_denies(
    subject: &Subject,
    vector: &Vector,
    exchange: &Exchange,
    path: &std::path::Path,
) -> Result<(Vec<Deny>, Option<Exchange>), CliError> {
    let mut denies = Vec::new();
    let decision = exchange.decision();
    if decision.reason() != Reason::DeniedByRule {
        return Ok((denies, None));
    }
    let rule = decision
        .rule()
        .map(|r| subject.rule_id(r).to_string())
        .unwrap_or_default();
    let Some((policy, _)) = &subject.source else {
        denies.push(Deny {
            rule,
            certain: None,
            message: decision.message().map(str::to_string),
            unknown: Vec::new(),
        });
        return Ok((denies, None));
    };
    let Ok(request) = OwnedRequest::from_vector(vector) else {
        return Ok((denies, None));
    };
    let mut lifted = policy.clone();
    let mut behind: Option<Exchange> = None;
    let mut worker = Worker::default();
    loop {
        let current = behind.as_ref().unwrap_or(exchange).decision();
        if current.reason() != Reason::DeniedByRule || denies.len() >= DENIES_MAX {
            break;
        }
        // Rules keep their order in every variant, so ids are those of the policy itself.
        let Some(index) = current
            .rule()
            .map(|r| r.index())
            .filter(|r| *r < lifted.rules.len())
        else {
            break;
        };
        lifted.rules[index].report = true;
        let id = lifted.rules[index].id.clone();
        let message = current.message().map(str::to_string);
        let (_, image) = subject::compile(&lifted, path)?;
        let data = subject.snapshot.data.clone();
        let engine = Engine::from(Snapshot::new(image, data));
        let outcome = request.with_view(|view| begin(&engine, &mut worker, view, request.now()));
        let certain = outcome
            .decision()
            .report()
            .iter()
            .find(|(r, _)| r.index() == index)
            .map(|(_, certain)| *certain);
        let unknown = match certain {
            Some(false) => unknown_facts(policy, index, &request, subject, path)?,
            _ => Vec::new(),
        };
        denies.push(Deny {
            rule: id,
            certain,
            message,
            unknown,
        });
        behind = Some(outcome);
    }
    Ok((denies, behind))
}

/// The facts of a deny that are unknown: the engine explains what an allow lacks, so it is asked with an allow of the
/// same condition as the only rule.
fn unknown_facts(
    policy: &Policy,
    index: usize,
    request: &OwnedRequest,
    subject: &Subject,
    path: &std::path::Path,
) -> Result<Vec<(String, Unknown)>, CliError> {
    let Some(deny) = policy.rules.get(index) else {
        return Ok(Vec::new());
    };
    let asks = policy.services.iter().zip(0..).map(|(_, service)| Rule {
        id: format!("asked:{service}"),
        owner: Owner::Service(ServiceId(service)),
        effect: model::Effect::Allow,
        report: false,
        respond: None,
        because: None,
        ..deny.clone()
    });
    let mut asked = policy.clone();
    asked.rules = asks.collect();
    let (_, image) = subject::compile(&asked, path)?;
    let engine = Engine::from(Snapshot::new(image, subject.snapshot.data.clone()));
    let mut worker = Worker::default();
    let outcome = request.with_view(|view| begin(&engine, &mut worker, view, request.now()));
    let lacks = outcome
        .explanation()
        .closest
        .iter()
        .flat_map(|closest| &closest.lacks);
    let unknown = lacks.filter_map(|lack| match lack {
        Lack::Fact(fact, why) => Some((fact.clone(), *why)),
        _ => None,
    });
    Ok(unknown.collect())
}

/// Whether the request passes once its token has the scopes; `None` where scopes are not all that lacks.
fn with_scopes(subject: &mut Subject, vector: &Vector, lacks: &[Lack]) -> Option<bool> {
    let scopes: Vec<&str> = lacks
        .iter()
        .map(|lack| match lack {
            Lack::Scope(scope) => Some(scope.as_str()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let token = vector.token.as_ref().filter(|_| !scopes.is_empty())?;
    let config = subject.snapshot.image.config();
    let path = &config.issuers.iter().find(|i| i.name == token.issuer)?.scopes;
    let (member, above) = path.split_last()?;
    let mut claims: serde_json::Map<String, Value> =
        serde_json::from_str(token.claims.as_deref()?.get()).ok()?;
    let mut holder = &mut claims;
    for step in above {
        holder = holder
            .entry(step.clone())
            .or_insert_with(|| json!({}))
            .as_object_mut()?;
    }
    let widened = match holder.get(member) {
        None => Value::String(scopes.join(" ")),
        Some(Value::String(text)) => Value::String(format!("{text} {}", scopes.join(" "))),
        Some(Value::Array(items)) => items
            .iter()
            .cloned()
            .chain(scopes.iter().map(|s| json!(s)))
            .collect(),
        Some(_) => return None,
    };
    holder.insert(member.clone(), widened);
    let mut widened = vector.clone();
    widened.token.as_mut()?.claims = Some(RawValue::from_string(Value::Object(claims).to_string()).ok()?);
    let request = OwnedRequest::from_vector(&widened).ok()?;
    Some(subject.ask(&request).decision().effect() == Effect::Allow)
}

/// What lacked, a line each; behind a condition, why it is not true.
fn lack_lines(lacks: &[Lack]) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, lack) in lacks.iter().enumerate() {
        let is_false = !matches!(lacks.get(at + 1), Some(Lack::Fact(..)));
        lines.push(match lack {
            Lack::Scope(scope) => format!("would need a token with the scope `{scope}`"),
            Lack::Acr(acr) => format!("would need a token with the acr `{acr}`"),
            Lack::MaxAge(seconds) => format!("would need an authentication not older than {seconds} s"),
            Lack::Condition(text) if is_false => format!("would need `{text}` to be true; it is false"),
            Lack::Condition(text) => format!("would need `{text}` to be true; it is unknown"),
            Lack::Fact(fact, why) => format!("  {}", unknown_text(fact, *why)),
        });
    }
    lines
}

fn unknown_text(fact: &str, why: Unknown) -> String {
    match why {
        Unknown::Absent => format!("`{fact}` is absent"),
        Unknown::IllTyped => format!("`{fact}` was sent, but is no value of its type"),
        Unknown::Twice => format!("`{fact}` was given more than once"),
    }
}

fn lack_json(lack: &Lack) -> Value {
    match lack {
        Lack::Scope(scope) => json!({"scope": scope}),
        Lack::Acr(acr) => json!({"acr": acr}),
        Lack::MaxAge(seconds) => json!({"max_age": seconds}),
        Lack::Condition(text) => json!({"condition": text}),
        Lack::Fact(fact, why) => json!({"fact": fact, "is": why.code()}),
    }
}

/// What a denial without a rule is about.
fn hint(decision: &OwnedDecision, verdict: &Verdict) -> Option<String> {
    let header = |name: &str| {
        verdict
            .headers
            .response_set
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| clean_line(value))
    };
    Some(match decision.reason() {
        Reason::NoService => "no service of the policy answers this host and path".to_string(),
        Reason::NoRoute => "no allow names this path: write one, or it stays closed".to_string(),
        Reason::MethodNotAllowed => {
            format!(
                "the path is known, the method is not; allowed: {}",
                header("allow").unwrap_or_default()
            )
        }
        Reason::Malformed => malformed(verdict.detail.as_deref().unwrap_or_default()).to_string(),
        Reason::InvalidToken => "a credential was presented and failed, so no rule was asked".to_string(),
        Reason::Unauthenticated => {
            format!(
                "a credential is needed: {}",
                header("www-authenticate").unwrap_or_default()
            )
        }
        Reason::QuotaKeyUnknown => "a quota that binds has no known key, cost or limit".to_string(),
        Reason::TransportRefused => "the policy requires TLS or an SNI that equals the host".to_string(),
        Reason::QueryRefused => "an `accept query` does not take this query".to_string(),
        Reason::UnsupportedMediaType => {
            "no accept of a rule that binds takes this `content-type`".to_string()
        }
        Reason::Gone => "the sunset of this service or path is over".to_string(),
        _ => return None,
    })
}

/// What a request without a canonical spelling is about, and what a service can say of it.
fn malformed(detail: &str) -> &'static str {
    match detail {
        "empty_segment" => {
            "the path has an empty segment, as in `/a//b`; a service that says `merge slashes;` reads `//` as `/` and \
             forwards it so; a path that must reach the upstream with `//` cannot pass"
        }
        "encoded_slash" => {
            "the path holds `%2F`; a service that says `encoded slash as data;` takes it as data of a segment"
        }
        "path_parameter" => "a segment holds `;`; a service that says `path parameters kept;` takes it",
        "method_override" => {
            "a header asks for another method; a service that says `method override kept;` forwards it"
        }
        "double_encoding" => "the path is percent-encoded twice; the client has to encode it once",
        _ => "the request has no single canonical spelling; the code after `malformed` says where",
    }
}

fn find<'p>(policy: &'p Policy, id: &str) -> Option<&'p Rule> {
    policy.rules.iter().find(|rule| rule.id == id)
}

fn place(policy: &Policy, sources: &Sources, id: &str) -> Option<String> {
    find(policy, id).map(|rule| sources.place(rule.span))
}

fn heading(word: &str, text: String) -> String {
    format!("\n{} {text}", paint(STRONG, word))
}

/// A rule's id, its place and its head as written.
fn quote(source: Option<&(Policy, Sources)>, id: &str) -> String {
    let Some((policy, sources)) = source else {
        return clean_line(id);
    };
    let Some(rule) = find(policy, id) else {
        return clean_line(id);
    };
    let text = sources.text(rule.span.file);
    let head = text
        .get(rule.span.start as usize..rule.span.end as usize)
        .unwrap_or_default();
    let head: Vec<&str> = head.split_whitespace().collect();
    let place = place(policy, sources, id).filter(|place| place != id);
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{}{place}\n  {}", clean_line(id), clean_line(&head.join(" ")))
}
