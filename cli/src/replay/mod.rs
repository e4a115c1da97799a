//! `portcullis replay`: what a policy would have done to the requests of an access log, three-valued.

mod facts;
mod image;
mod json;
pub mod judge;
pub mod line;
mod read;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;

use portcullis::Snapshot;
use portcullis_lang::model::{HostPattern, Policy};

use crate::error::{CliError, Exit, shown};
use crate::output::{Output, clean_line};
use crate::subject::trust::TrustArgs;
use crate::subject::{self, Subject};
use judge::{Assumptions, Judge, Judgement, Outcome};
use tally::Tally;

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads Apache's and NGINX's common and combined formats and JSON lines, also gzipped; `-` is standard input.
A line counts as allowed or denied only if that holds whatever the log does not say.

Examples:
  portcullis replay policies/website access.log.gz
  portcullis replay policies/shop access.log --host api.example.com --scheme https --top 50
  zcat access.log.*.gz | portcullis replay policies/shop - --json
  portcullis replay policies/website access.log --each | grep -v ' allowed '")]
pub struct Args {
    /// Policy folder, gate file or compiled image (an image knows its routes only).
    pub subject: PathBuf,
    /// Access logs.
    #[arg(required = true)]
    pub logs: Vec<PathBuf>,
    /// Host of lines that name none; by default the one host that the policy names.
    #[arg(long)]
    pub host: Option<String>,
    /// Scheme of lines that name none; by default both are tried.
    #[arg(long, value_parser = ["http", "https"])]
    pub scheme: Option<String>,
    /// Take it that no request carried a token, key, certificate or signature that failed.
    #[arg(long)]
    pub assume_valid_credentials: bool,
    /// Folder of lists and tables, if not the policy's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Rows of each table.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Print each line's judgement too.
    #[arg(long)]
    pub each: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Runs `replay`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut tally = Tally::default();
    if subject::is_text(&args.subject) {
        args.trust.takes_text(&args.subject)?;
        let (policy, _, folder) = subject::checked_policy(&args.subject, output)?;
        let folder = match &args.data {
            Some(data) => crate::folder::Folder::data_only(data)?,
            None => folder,
        };
        let (_, image) = subject::compile(&policy, &args.subject)?;
        // Bent policies declare the same lists and tables; their complaints are shown once, here.
        let data = Arc::new(subject::load_data(&image, &folder, output)?);
        let assumptions = Assumptions {
            host: args.host.clone().or_else(|| one_host(&policy)),
            scheme: args.scheme.clone(),
            credentials_valid: args.assume_valid_credentials,
        };
        let path = args.subject.clone();
        let prepare = move |soft: &Policy| -> Result<Snapshot, CliError> {
            let (_, image) = subject::compile(soft, &path)?;
            Ok(Snapshot::new(image, data.clone()))
        };
        let mut judge = Judge::new(&policy, assumptions, Box::new(prepare))?;
        replay(args, output, &mut tally, &mut |entry| judge.judge(entry))?;
    } else {
        let mut subject = Subject::open(&args.subject, args.data.as_deref(), &args.trust, output)?;
        let host = args.host.clone();
        replay(args, output, &mut tally, &mut |entry| {
            image::judge(&mut subject, entry, host.as_deref())
        })?;
    }
    if args.json {
        output.say(tally.to_json())?;
    } else {
        tally.show(args.top, output)?;
    }
    tally.show_broken(output)?;
    // Asking what would happen is no question whose answer could be wrong.
    let read = tally.counts() != tally::Counts::default();
    Ok(Exit::trouble(!read && tally.broken_lines() > 0))
}

type JudgeLine<'j> = dyn FnMut(&line::Entry) -> Result<Judgement, CliError> + 'j;

fn replay(
    args: &Args,
    output: &mut Output,
    tally: &mut Tally,
    judge: &mut JudgeLine<'_>,
) -> Result<(), CliError> {
    for path in &args.logs {
        let name = shown(path);
        let bar = output.progress(read::size(path));
        bar.set_prefix(name.clone());
        let mut lines = read::Lines::open(path, &bar)?;
        let mut number = 0u64;
        while let Some(bytes) = lines.next_line()? {
            number += 1;
            let place = || format!("{name}:{number}");
            let entry = match bytes {
                read::Read::Line(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
                read::Read::Line(bytes) => line::parse(bytes),
                read::Read::TooLong => Err(format!("longer than {} bytes", line::LINE_BYTES_MAX)),
            };
            match entry {
                Ok(entry) => {
                    let judgement = judge(&entry)?;
                    if args.each {
                        each(args.json, &place(), &judgement, output)?;
                    }
                    tally.add(&judgement);
                }
                Err(problem) => tally.broken(place(), problem),
            }
        }
        bar.finish_and_clear();
    }
    Ok(())
}

fn each(json: bool, place: &str, judgement: &Judgement, output: &mut Output) -> Result<(), CliError> {
    let (word, rule, because) = match &judgement.outcome {
        Outcome::Allowed { rule } => ("allowed", rule, Vec::new()),
        Outcome::Denied { by } => ("denied", by, Vec::new()),
        Outcome::CannotTell { rule, because } => ("cannot_tell", rule, because.iter().cloned().collect()),
    };
    if json {
        return output.say(serde_json::json!({
            "line": place, "outcome": word, "rule": rule, "route": judgement.route, "because": because,
        }));
    }
    let why = if because.is_empty() {
        String::new()
    } else {
        format!(" ({} not logged)", because.join(", "))
    };
    output.say(clean_line(&format!("{place} {word} {rule}{why}")))
}

/// The one exact host that a policy names.
fn one_host(policy: &Policy) -> Option<String> {
    let mut hosts: Vec<&String> = Vec::new();
    for pattern in policy.services.iter().flat_map(|s| &s.hosts) {
        match pattern {
            HostPattern::Exact(host) => hosts.push(host),
            _ => return None,
        }
    }
    hosts.sort();
    hosts.dedup();
    match hosts.as_slice() {
        [host] => Some((*host).clone()),
        _ => None,
    }
}
