//! `portcullis eval`: vectors -> verdict lines, and where they differ from what was expected.

use std::path::PathBuf;

use portcullis_vectors::{Mismatch, Vector, Verdict};
use serde_json::{Value, json};

use crate::error::{CliError, Exit};
use crate::output::{BAD, DOUBT, GOOD, Output, clean_line, count, paint, table};
use crate::subject::Subject;
use crate::subject::trust::TrustArgs;
use crate::vectors;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Verdicts go to standard output, one JSON object a line; differences from `expect` and a summary to standard error. Where a
vector says by `upstream` what the upstream answers, `client` at the end of its line is what the client gets.

Examples:
  portcullis eval policies/shop                        every *.jsonl below the folder
  portcullis eval shop.portcullis requests.jsonl
  echo '{\"id\":\"a\",\"request\":{\"method\":\"GET\",\"url\":\"https://h/\"}}' | portcullis eval policies/shop -")]
pub struct Args {
    /// Policy folder, gate file or compiled image.
    pub subject: PathBuf,
    /// Vectors, `-` for standard input; without it those beside the policy.
    pub vectors: Option<PathBuf>,
    /// Folder of lists and tables, if not the subject's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print a table for people instead of verdict lines.
    #[arg(long, conflicts_with = "quiet")]
    pub table: bool,
    /// Print no verdicts.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print the summary and the differences as JSON, on standard error.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// What came of a run of vectors.
#[derive(Debug, Default)]
pub struct Summary {
    /// Vectors decided.
    pub decided: u64,
    /// Of them, those that expect something and got it.
    pub met: u64,
    /// Of them, those that expect something and did not get it.
    pub mismatched: u64,
    /// Lines that are no vector.
    pub broken: u64,
}

impl Summary {
    fn exit(&self) -> Exit {
        Exit::trouble(self.broken > 0).and(Exit::findings(self.mismatched > 0))
    }
}

/// Runs `eval`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut subject = Subject::open(&args.subject, args.data.as_deref(), &args.trust, output)?;
    let paths = match &args.vectors {
        Some(path) => vec![path.clone()],
        None if subject.vectors.is_empty() => {
            return Err(CliError::Usage(format!(
                "there are no vectors (`*.jsonl`) beside `{}`",
                subject.path
            )));
        }
        None => subject.vectors.clone(),
    };
    let mut summary = Summary::default();
    let mut rows = table(&["request", "verdict", "why", "by"]);
    for path in paths {
        for line in vectors::read(&path)? {
            let place = line.place();
            let vector = match line.vector {
                Ok(vector) => vector,
                Err(error) => {
                    summary.broken += 1;
                    broken(&place, &error.problem, args.json, output)?;
                    continue;
                }
            };
            match subject.verdict(&vector) {
                Ok(text) => {
                    if args.table {
                        rows.add_row(row(&vector, &text));
                    } else if !args.quiet {
                        output.say(&text)?;
                    }
                    summary.decided += 1;
                    let Some(mismatches) = vectors::mismatches(&vector, &text) else {
                        continue;
                    };
                    match mismatches.is_empty() {
                        true => summary.met += 1,
                        false => {
                            summary.mismatched += 1;
                            differs(&place, &vector.id, &mismatches, args.json, output)?;
                        }
                    }
                }
                Err(problem) => {
                    summary.broken += 1;
                    broken(&place, &problem, args.json, output)?;
                }
            }
        }
    }
    if args.table {
        output.say(&rows)?;
    }
    show(&summary, args.json, output)?;
    Ok(summary.exit())
}

/// A verdict as a person would read it: what was asked, what became of it, why, and by which rule.
fn row(vector: &Vector, line: &str) -> [String; 4] {
    let verdict: Verdict = serde_json::from_str(line).unwrap_or_default();
    let request = &vector.request;
    let target = vectors::target(request).unwrap_or_default();
    let why = match &verdict.detail {
        Some(detail) => format!("{}: {detail}", verdict.reason),
        None => verdict.reason.clone(),
    };
    let mut what = format!("{} {}", verdict.effect, verdict.status);
    let client = verdict.client.as_ref();
    if let Some(status) = client.and_then(|client| client.get("status")?.as_u64()) {
        what.push_str(&format!(", client {status}"));
    }
    [
        clean_line(&format!("{} {target}", request.method)),
        what,
        clean_line(&why),
        clean_line(verdict.rule.as_deref().unwrap_or("")),
    ]
}

fn broken(place: &str, problem: &str, json: bool, output: &mut Output) -> Result<(), CliError> {
    if json {
        return output.note(json!({"broken": place, "problem": problem}));
    }
    let label = paint(DOUBT, "broken");
    output.note(format_args!(
        "{label}: {}: {}",
        clean_line(place),
        clean_line(problem)
    ))
}

fn differs(
    place: &str,
    id: &str,
    mismatches: &[Mismatch],
    json: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    if json {
        let members: Vec<Value> = mismatches
            .iter()
            .map(|m| json!({"member": m.member, "expected": m.expected, "actual": m.actual}))
            .collect();
        return output.note(json!({"mismatch": place, "id": id, "members": members}));
    }
    let label = paint(BAD, "differs");
    output.note(format_args!("{label}: {}: {}", clean_line(place), clean_line(id)))?;
    for m in mismatches {
        output.note(format_args!(
            "  {}: expected {}",
            m.member,
            clean_line(&m.expected.to_string())
        ))?;
        output.note(format_args!(
            "  {:>1$}  got      {2}",
            "",
            m.member.len(),
            clean_line(&m.actual.to_string())
        ))?;
    }
    Ok(())
}

fn show(summary: &Summary, json: bool, output: &mut Output) -> Result<(), CliError> {
    let Summary {
        decided,
        met,
        mismatched,
        broken,
    } = summary;
    if json {
        return output
            .note(json!({"decided": decided, "met": met, "mismatched": mismatched, "broken": broken}));
    }
    let expected = met + mismatched;
    let label = match (mismatched, broken) {
        (0, 0) => paint(GOOD, "fine"),
        _ => paint(BAD, "failed"),
    };
    let mut line = format!("{label}: {}", count(*decided, "vector"));
    if expected > 0 {
        line.push_str(&format!(", {met} of {expected} as expected"));
    }
    if *broken > 0 {
        line.push_str(&format!(", {}", count(*broken, "broken line")));
    }
    output.note(line)
}
