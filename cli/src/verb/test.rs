//! `portcullis test`: `test` blocks and vectors beside a policy -> a line each, passed or failed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use portcullis::Now;
use portcullis_bridge::OwnedRequest;
use portcullis_lang::model::{Atom, Expectation, Fact, Given, Policy, Trust};
use portcullis_lang::source::Sources;
use portcullis_vectors::{Bytes, KeyCredential, PeerCert, Request, Token, Vector, Verdict};
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{CliError, Exit};
use crate::folder::Folder;
use crate::output::{BAD, DOUBT, GOOD, Output, STRONG, clean_line, count, instant_text, paint, table};
use crate::subject::trust::TrustArgs;
use crate::subject::{self, Subject};
use crate::{obligations, vectors};
use portcullis_compile::approximate::{Approximation, Open, WORST_NOW_US, approximate};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tests are the `test` blocks of a policy and the vectors (`*.jsonl`) beside it that expect something, of the verdict or of what
the client gets of the response in `upstream`. A body that a test gives is judged, as application/json where the test gives no content-type; where it gives none, the request is judged as far
as its body.

Examples:
  portcullis test policies/*
  portcullis test --filter refund policies/shop
  portcullis test --json policies/shop | jq 'select(.passed | not)'")]
pub struct Args {
    /// Policy folders or gate files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Show failed lines only.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// One line of the table.
struct Outcome {
    name: String,
    place: String,
    what: String,
    failures: Vec<String>,
}

/// Counts of a run.
#[derive(Default)]
struct Total {
    passed: u64,
    failed: u64,
    unproved: u64,
    broken: u64,
}

/// Runs `test`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut total = Total::default();
    let mut exit = Exit::Fine;
    for path in &args.paths {
        let mut subject = match Subject::open(path, None, &TrustArgs::default(), output) {
            Ok(subject) => subject,
            Err(error) => {
                output.error(&error);
                exit = exit.and(error.exit());
                continue;
            }
        };
        let Some((policy, sources)) = subject.source.take() else {
            return Err(CliError::Usage(format!(
                "`{}` is an image: it holds no tests",
                subject.path
            )));
        };
        let mut clock = Clock::new(&policy, path)?;
        let mut outcomes = blocks(&policy, &sources, &mut subject, clock.as_mut());
        outcomes.extend(beside(&mut subject, &mut total, output)?);
        if let Some(filter) = &args.filter {
            outcomes.retain(|o| o.name.contains(filter.as_str()));
        }
        show(&subject.path, &outcomes, args, output)?;
        for outcome in &outcomes {
            match outcome.failures.is_empty() {
                true => total.passed += 1,
                false => total.failed += 1,
            }
        }
        for proof in &policy.proofs {
            total.unproved += 1;
            let place = sources.place(proof.span);
            if args.json {
                output.say(json!({"proof": proof.name, "place": place, "proved": null}))?;
            } else {
                let label = paint(DOUBT, "not proved yet");
                let name = clean_line(&proof.name);
                output.say(format_args!(
                    "{label}: {place}: {name}: proofs come with the analysis"
                ))?;
            }
        }
    }
    summary(&total, args.json, output)?;
    let exit = exit.and(Exit::trouble(total.broken > 0));
    Ok(exit.and(Exit::findings(total.failed > 0)))
}

/// The policy approximated from both sides over `now`: what differs between them rests on the time.
struct Clock {
    grant: Subject,
    denial: Subject,
}

impl Clock {
    /// `None` where the policy does not read the time in a condition.
    fn new(policy: &Policy, path: &std::path::Path) -> Result<Option<Clock>, CliError> {
        let mut reads = false;
        for rule in &policy.rules {
            reads |= rule.requires.max_age_us.is_some() || rule.obligations.sunset_us.is_some();
            rule.condition.for_each_atom(&mut |atom: &Atom| {
                atom.for_each_fact(&mut |fact| reads |= *fact == Fact::Now);
            });
        }
        reads |= policy.services.iter().any(|s| s.sunset_us.is_some());
        let some_unset = policy
            .tests
            .iter()
            .flat_map(|t| &t.expectations)
            .any(|e| e.given.now_us.is_none());
        if !reads || !some_unset {
            return Ok(None);
        }
        let open = Open {
            fact: &|fact| *fact == Fact::Now,
            credentials: false,
            query: false,
        };
        let side = |side| -> Result<Subject, CliError> {
            let closed = approximate(policy, &open, side);
            let (_, image) = subject::compile(&closed, path)?;
            let folder = Folder::open(path)?;
            Ok(Subject::of_image(path, image, &folder))
        };
        Ok(Some(Clock {
            grant: side(Approximation::Over)?,
            denial: side(Approximation::Under)?,
        }))
    }

    /// Whether the outcome of a request without `now` depends on it.
    fn decides(&mut self, request: &OwnedRequest) -> bool {
        let late = Now {
            wall_us: Some(WORST_NOW_US),
            ..request.now()
        };
        let late = self.denial.ask(&request.clone().at(late)).decision().effect();
        self.grant.ask(request).decision().effect() != late
    }
}

/// Runs the `test` blocks.
fn blocks(
    policy: &Policy,
    sources: &Sources,
    subject: &mut Subject,
    mut clock: Option<&mut Clock>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for test in &policy.tests {
        for expectation in &test.expectations {
            let what = format!(
                "{} {} {}",
                expectation.effect.code(),
                expectation.request.method,
                expectation.request.url
            );
            let place = sources.place(expectation.span);
            let failures = expectation_failures(subject, &policy.trust, expectation, clock.as_deref_mut());
            outcomes.push(Outcome {
                name: test.name.clone(),
                place,
                what,
                failures,
            });
        }
    }
    outcomes
}

/// What an expectation does not find as it expects it.
fn expectation_failures(
    subject: &mut Subject,
    trust: &Trust,
    expectation: &Expectation,
    clock: Option<&mut Clock>,
) -> Vec<String> {
    let vector = match vector_of(expectation) {
        Ok(mut vector) => {
            if vector.request.body.is_some() {
                vectors::declare_json(&mut vector);
            }
            behind_proxies(trust, vector)
        }
        Err(problem) => return vec![problem],
    };
    let request = match OwnedRequest::from_vector(&vector) {
        Ok(request) => request,
        Err(problem) => return vec![problem],
    };
    if request.now().wall_us.is_none() && clock.is_some_and(|clock| clock.decides(&request)) {
        return vec!["the outcome depends on the time: say `given now ..`".to_string()];
    }
    let exchange = subject.ask(&request);
    let line = exchange.to_json(&vector.id);
    let verdict: Verdict = match serde_json::from_str(&line) {
        Ok(verdict) => verdict,
        Err(error) => return vec![format!("the engine's verdict can not be read: {error}")],
    };
    differences(expectation, &verdict)
}

fn differences(expectation: &Expectation, verdict: &Verdict) -> Vec<String> {
    let mut failures = Vec::new();
    let got = || {
        let rule = verdict
            .rule
            .as_deref()
            .map(|rule| format!(" by {rule}"))
            .unwrap_or_default();
        format!("{} {} {}{rule}", verdict.effect, verdict.status, verdict.reason)
    };
    let expected = expectation.effect.code();
    if verdict.effect != expected {
        failures.push(format!("expected {expected}, got {}", got()));
    } else if expectation.status.is_some_and(|status| status != verdict.status) {
        failures.push(format!(
            "expected status {}, got {}",
            expectation.status.unwrap_or_default(),
            got()
        ));
    }
    if let Some(reason) = &expectation.reason
        && reason.code() != verdict.reason
    {
        failures.push(format!("expected {reason}, got {}", got()));
    }
    if let Some(by) = &expectation.by
        && verdict.rule.as_ref() != Some(by)
    {
        failures.push(format!("expected it by {by}, got {}", got()));
    }
    let binding = obligations::of(verdict);
    for with in &expectation.with {
        if !obligations::binds(with, &binding) {
            let list: Vec<&str> = obligations::usual(&binding).collect();
            let list = if list.is_empty() {
                "nothing".to_string()
            } else {
                list.join(", ")
            };
            failures.push(format!("expected it with {with}; what binds: {list}"));
        }
    }
    failures
}

/// `given client.ip` says who the client is. Where that address is itself a trusted proxy's, the request says so the
/// way a chain of proxies would, unless the test forwards something of its own.
fn behind_proxies(trust: &Trust, mut vector: Vector) -> Vector {
    let forwards = |(name, _): &(String, Bytes)| {
        name.eq_ignore_ascii_case("x-forwarded-for") || name.eq_ignore_ascii_case("forwarded")
    };
    let address = vector
        .request
        .client_ip
        .as_deref()
        .and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(address) = address
        && trust.proxies.iter().any(|net| net.contains(&address))
        && !vector.request.headers.iter().any(forwards)
    {
        let hops = usize::try_from(trust.hops.unwrap_or(1)).unwrap_or(1);
        let entries = vec![address.to_string(); hops].join(", ");
        vector
            .request
            .headers
            .push(("x-forwarded-for".to_string(), Bytes(entries.into_bytes())));
    }
    vector
}

/// The request of an expectation in the world of its `given`.
fn vector_of(expectation: &Expectation) -> Result<Vector, String> {
    const CLIENT_IP: &str = "192.0.2.1";
    let Given {
        token,
        key,
        peer,
        context,
        client_ip,
        now_us,
        headers,
        body,
    } = &expectation.given;
    let raw =
        |text: &String| RawValue::from_string(text.clone()).map_err(|e| format!("a `given` is no JSON: {e}"));
    let peer: Option<PeerCert> = peer
        .as_ref()
        .map(|(_, members)| serde_json::from_str(members))
        .transpose()
        .map_err(|e| format!("a `given peer` is no certificate: {e}"))?;
    Ok(Vector {
        id: String::new(),
        request: Request {
            method: expectation.request.method.clone(),
            url: Some(expectation.request.url.clone()),
            headers: headers
                .iter()
                .map(|(n, v)| (n.clone(), Bytes::from(v.as_str())))
                .collect(),
            client_ip: Some(client_ip.clone().unwrap_or_else(|| CLIENT_IP.to_string())),
            peer,
            body: body.clone(),
            ..Request::default()
        },
        token: match token {
            Some((issuer, claims)) => Some(Token {
                issuer: issuer.clone(),
                claims: Some(raw(claims)?),
                invalid: None,
            }),
            None => None,
        },
        key: match key {
            Some((keys, id, fields)) => Some(KeyCredential {
                keys: keys.clone(),
                id: Some(id.clone()),
                fields: Some(raw(fields)?),
                invalid: None,
            }),
            None => None,
        },
        signature: None,
        beside: BTreeMap::new(),
        bearer: None,
        context: context.as_ref().map(raw).transpose()?,
        now: now_us.map(instant_text),
        upstream: None,
        expect: None,
        sequence: Vec::new(),
    })
}

/// Runs the vectors beside a policy that expect something.
fn beside(subject: &mut Subject, total: &mut Total, output: &mut Output) -> Result<Vec<Outcome>, CliError> {
    let mut outcomes = Vec::new();
    for line in vectors::read_all(&std::mem::take(&mut subject.vectors))? {
        let place = line.place();
        let vector = match line.vector {
            Ok(vector) => vector,
            Err(error) => {
                total.broken += 1;
                let label = paint(DOUBT, "broken");
                output.note(format_args!(
                    "{label}: {}: {}",
                    clean_line(&place),
                    clean_line(&error.problem)
                ))?;
                continue;
            }
        };
        if vector.expect.is_none() && vector.sequence.is_empty() {
            continue;
        }
        let mut failures = match subject.verdict(&vector) {
            Ok(text) => {
                let mismatches = vectors::mismatches(&vector, &text).unwrap_or_default();
                let mismatches = mismatches.iter();
                let told =
                    mismatches.map(|m| format!("{}: expected {}, got {}", m.member, m.expected, m.actual));
                told.collect()
            }
            Err(problem) => vec![problem],
        };
        failures.extend(sequence_failures(subject, &vector));
        let target = vectors::target(&vector.request).unwrap_or_default();
        let what = format!("{} {target}", vector.request.method);
        outcomes.push(Outcome {
            name: vector.id.clone(),
            place,
            what,
            failures,
        });
    }
    Ok(outcomes)
}

/// What the moments of a vector do not meet.
fn sequence_failures(subject: &Subject, vector: &Vector) -> Vec<String> {
    match subject::sequence::mismatches(&subject.snapshot, vector) {
        Ok(missed) => {
            let told = missed.iter().map(|(at_us, m)| {
                format!(
                    "at {at_us}us: {}: expected {}, got {}",
                    m.member, m.expected, m.actual
                )
            });
            told.collect()
        }
        Err(problem) => vec![problem],
    }
}

fn show(path: &str, outcomes: &[Outcome], args: &Args, output: &mut Output) -> Result<(), CliError> {
    if args.json {
        for o in outcomes {
            output.say(json!({
                "test": o.name, "place": o.place, "request": o.what,
                "passed": o.failures.is_empty(), "failures": o.failures,
            }))?;
        }
        return Ok(());
    }
    output.say(paint(STRONG, clean_line(path)))?;
    let mut rows = table(&["", "test", "request", "at"]);
    let mut shown = 0u64;
    for o in outcomes.iter().filter(|o| !args.quiet || !o.failures.is_empty()) {
        let mark = if o.failures.is_empty() { "passed" } else { "FAILED" };
        rows.add_row([
            mark.to_string(),
            clean_line(&o.name),
            clean_line(&o.what),
            clean_line(&o.place),
        ]);
        shown += 1;
    }
    if shown > 0 {
        output.say(rows.trim_fmt())?;
    }
    for o in outcomes.iter().filter(|o| !o.failures.is_empty()) {
        let label = paint(BAD, "failed");
        output.say(format_args!(
            "{label}: {}: {}: {}",
            clean_line(&o.place),
            clean_line(&o.name),
            clean_line(&o.what)
        ))?;
        for failure in &o.failures {
            output.say(format_args!("  {}", clean_line(failure)))?;
        }
    }
    Ok(())
}

fn summary(total: &Total, json: bool, output: &mut Output) -> Result<(), CliError> {
    let Total {
        passed,
        failed,
        unproved,
        broken,
    } = total;
    if json {
        return output.say(json!({
            "passed": passed, "failed": failed, "not_proved": unproved, "broken": broken,
        }));
    }
    let label = if *failed == 0 && *broken == 0 {
        paint(GOOD, "fine")
    } else {
        paint(BAD, "failed")
    };
    let mut line = format!("{label}: {passed} passed, {failed} failed");
    if *unproved > 0 {
        line.push_str(&format!(", {} not proved yet", count(*unproved, "proof")));
    }
    if *broken > 0 {
        line.push_str(&format!(", {}", count(*broken, "broken line")));
    }
    output.note(line)
}
