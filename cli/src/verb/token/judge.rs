//! `portcullis token PATH TOKEN`: a token and a policy -> what each issuer's checks find, beside what the issuer asks and
//! what the token says. The engine judges; of the token only what the checks are about is shown, never the whole, its
//! signature or another claim.

use std::io::Read as _;
use std::path::PathBuf;

use portcullis::image::config::{Issuer, IssuerKeys};
use portcullis::{Check, IssuerJudgement, Now};
use portcullis_base::{Detail, base64url, instant};
use serde_json::{Map, Value, json};

use crate::error::{CliError, Exit, standard_input};
use crate::output::{BAD, DOUBT, GOOD, Output, STRONG, clean_line, instant_text, paint, table};
use crate::subject::Subject;
use crate::subject::trust::TrustArgs;

/// Longest standard input, bytes: more than any token that is taken.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `token PATH TOKEN`.
#[derive(Debug, clap::Args)]
pub struct JudgeArgs {
    /// Policy folder, gate file or image.
    #[arg(required = true)]
    pub path: Option<PathBuf>,
    /// The token, or `-` for standard input: what stands on the command line is seen by others.
    #[arg(required = true)]
    pub token: Option<String>,
    /// Judge at this instant (RFC 3339) and not now.
    #[arg(long, value_name = "INSTANT")]
    pub now: Option<String>,
    /// SHA-256 fingerprint of the connection's certificate, 64 digits of hexadecimal.
    #[arg(long, value_name = "HEX")]
    pub certificate: Option<String>,
    /// Folder of key sets and secrets, if not the policy's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

pub(super) fn judge(args: &JudgeArgs, output: &mut Output) -> Result<Exit, CliError> {
    let (Some(path), Some(given)) = (&args.path, &args.token) else {
        return Err(CliError::Usage("give a policy and a token".to_owned()));
    };
    let now_us = match &args.now {
        None => jiff::Timestamp::now().as_microsecond(),
        Some(text) => instant::parse(text.as_bytes())
            .map_err(|_| CliError::Usage(format!("--now: `{}` is no RFC 3339 instant", clean_line(text))))?,
    };
    let certificate = args.certificate.as_deref().map(str::to_ascii_lowercase);
    if let Some(hex) = &certificate
        && (hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(CliError::Usage(
            "--certificate: a SHA-256 fingerprint has 64 digits of hexadecimal".to_owned(),
        ));
    }
    let token = token(given, output)?;
    let subject = Subject::open(path, args.data.as_deref(), &args.trust, output)?;
    let now = Now {
        wall_us: Some(now_us),
        mono_us: 0,
    };
    let fingerprint = certificate.as_ref().map(String::as_bytes);
    let judgement = portcullis::judge_token(&subject.snapshot, token.as_bytes(), now, fingerprint);
    let config = subject.snapshot.image.config();
    let said = Said::of(&token);
    let judged: Vec<Judged<'_>> = judgement
        .issuers
        .iter()
        .zip(config.issuers.iter().chain(&config.beside))
        .map(|(judgement, issuer)| Judged { judgement, issuer })
        .collect();
    let is_taken = judged.iter().any(Judged::is_taken);
    if args.json {
        output.say(json!({
            "now": instant_text(now_us),
            "accepted": is_taken,
            "fault": judgement.fault.map(Detail::code),
            "issuers": judged.iter().map(Judged::json).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::findings(!is_taken));
    }
    output.say(format_args!("judged at {}", instant_text(now_us)))?;
    if let Some(fault) = judgement.fault {
        output.say(format_args!("{}: {}", paint(BAD, "no token"), fault.code()))?;
    }
    if judgement.fault.is_none() && judged.is_empty() {
        output.say("the policy declares no issuer")?;
    }
    for one in &judged {
        one.show(&said, output)?;
    }
    Ok(Exit::findings(!is_taken))
}

/// The token's text, without the scheme and the white space that come with it out of a header.
fn token(given: &str, output: &mut Output) -> Result<String, CliError> {
    let text = if given == "-" {
        let mut bytes = Vec::new();
        let input = std::io::stdin()
            .lock()
            .take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes);
        input.map_err(|e| CliError::file(&standard_input(), e))?;
        // Bytes that are no text are no token either, and the engine says so.
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        output.note(format_args!(
            "{}: what stands on the command line is seen by others; give the token on standard input, by `-`",
            paint(DOUBT, "note")
        ))?;
        given.to_owned()
    };
    let text = text.trim();
    Ok(text
        .strip_prefix("Bearer ")
        .unwrap_or(text)
        .trim_start()
        .to_owned())
}

/// What a token says of itself, unverified.
struct Said {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Said {
    fn of(token: &str) -> Said {
        let mut parts = token.split('.').map(|part| {
            let bytes = base64url::decode(part.as_bytes()).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        Said {
            header: parts.next().unwrap_or_default(),
            claims: parts.next().unwrap_or_default(),
        }
    }

    /// What a check is about.
    fn about(&self, check: Check) -> String {
        let named = |members: &Map<String, Value>, names: &[&str]| {
            let found = names.iter().filter_map(|name| Some((*name, members.get(*name)?)));
            let texts: Vec<String> = found
                .map(|(name, value)| format!("{name} {}", said(name, value)))
                .collect();
            texts.join(", ")
        };
        match check {
            Check::Header => named(&self.header, &["crit", "b64", "cty"]),
            Check::Issuer => named(&self.claims, &["iss"]),
            Check::Algorithm => named(&self.header, &["alg"]),
            Check::Type => named(&self.header, &["typ"]),
            Check::Key => named(&self.header, &["kid"]),
            Check::Audience => named(&self.claims, &["aud"]),
            Check::Times => named(&self.claims, &["exp", "nbf", "iat"]),
            Check::Binding => {
                let names = self.claims.get("cnf").and_then(Value::as_object);
                let names = names.map(|cnf| cnf.keys().cloned().collect::<Vec<_>>().join(", "));
                names.map_or(String::new(), |names| clean_line(&format!("cnf with {names}")))
            }
            Check::Signature => String::new(),
        }
    }
}

/// A member's value; a time as an instant.
fn said(name: &str, value: &Value) -> String {
    let seconds = value.as_f64().filter(|_| matches!(name, "exp" | "nbf" | "iat"));
    match seconds {
        // Exact enough to read; the engine judged the digits.
        Some(seconds) => instant_text((seconds * 1e6) as i64),
        None => {
            let text: String = value.to_string().chars().take(200).collect();
            clean_line(&text)
        }
    }
}

/// What an issuer asks in a check.
fn asked(check: Check, issuer: &Issuer) -> String {
    let seconds = |us: i64| format!("{}s", us / 1_000_000);
    match check {
        Check::Header | Check::Signature => String::new(),
        Check::Issuer if issuer.url_like => format!("like {}", issuer.url),
        Check::Issuer => issuer.url.clone(),
        Check::Algorithm => {
            let codes: Vec<&str> = issuer
                .algorithms
                .iter()
                .map(|algorithm| algorithm.code())
                .collect();
            codes.join(", ")
        }
        Check::Type => issuer.typ.clone().unwrap_or_default(),
        Check::Key => match &issuer.keys {
            IssuerKeys::None => String::new(),
            IssuerKeys::File(file) | IssuerKeys::Secret(file) => file.clone(),
        },
        Check::Audience => issuer.audiences.join(", "),
        Check::Times => {
            let age = issuer.max_age_us.map(|age| format!(", max age {}", seconds(age)));
            let end = if issuer.no_expiry { ", no expiry" } else { "" };
            format!(
                "leeway {}{}{end}",
                seconds(issuer.leeway_us),
                age.unwrap_or_default()
            )
        }
        Check::Binding if issuer.bound_to_certificate => "bound to certificate".to_owned(),
        Check::Binding => String::new(),
    }
}

/// An issuer and how it judged.
struct Judged<'j> {
    judgement: &'j IssuerJudgement,
    issuer: &'j Issuer,
}

impl Judged<'_> {
    fn is_taken(&self) -> bool {
        let checks = &self.judgement.checks;
        !checks.is_empty() && checks.iter().all(|(_, found)| found.is_ok())
    }

    fn first_fault(&self) -> Option<Detail> {
        self.judgement.checks.iter().find_map(|(_, found)| found.err())
    }

    /// Why an issuer makes no checks.
    fn elsewhere(&self) -> Option<&'static str> {
        match (self.issuer.opaque, self.issuer.verified_by_gateway) {
            (true, _) => Some("opaque: the host asks for what it is"),
            (_, true) => Some("verified by gateway"),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        let check = |(check, found): &(Check, Result<(), Detail>)| json!({"check": check.code(), "passed": found.is_ok(), "detail": found.err().map(Detail::code)});
        json!({
            "issuer": self.judgement.issuer,
            "accepted": self.is_taken(),
            "detail": self.first_fault().map(Detail::code),
            "not_verified_here": self.elsewhere(),
            "checks": self.judgement.checks.iter().map(check).collect::<Vec<_>>(),
        })
    }

    fn show(&self, said: &Said, output: &mut Output) -> Result<(), CliError> {
        let name = paint(STRONG, &self.judgement.issuer);
        if let Some(elsewhere) = self.elsewhere() {
            return output.say(format_args!(
                "\n{name}: {} ({elsewhere})",
                paint(DOUBT, "not verified here")
            ));
        }
        match self.first_fault() {
            None => output.say(format_args!("\n{name}: {}", paint(GOOD, "accepted")))?,
            Some(fault) => output.say(format_args!(
                "\n{name}: {}: {}",
                paint(BAD, "refused"),
                fault.code()
            ))?,
        }
        let mut rows = table(&["check", "found", "the issuer asks", "the token says"]);
        for (check, found) in &self.judgement.checks {
            rows.add_row([
                check.code().to_owned(),
                match found {
                    Ok(()) => paint(GOOD, "ok"),
                    Err(fault) => paint(BAD, fault.code()),
                },
                clean_line(&asked(*check, self.issuer)),
                said.about(*check),
            ]);
        }
        output.say(rows)
    }
}
