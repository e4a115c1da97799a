//! `portcullis check`: policies -> their diagnostics.

use std::path::{Path, PathBuf};

use portcullis_compile::CompileOptions;
use portcullis_lang::diagnostic::Severity;
use portcullis_lang::model::Policy;
use serde_json::json;

use crate::error::{CliError, Exit, shown};
use crate::folder::load_policy;
use crate::output::{BAD, GOOD, Output, clean, count, paint};
use crate::subject;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis check policies/shop            every *.gate file below a folder
  portcullis check one.gate two.gate        each file as a policy of its own
  portcullis check --json policies/shop     one JSON object a diagnostic
  portcullis check --max-steps 200 --max-image-bytes 100000 policies/shop
                                            fails where a decision or the image may cost more")]
pub struct Args {
    /// Policy folders or gate files; each is one policy.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Warnings are findings too.
    #[arg(long)]
    pub deny_warnings: bool,
    /// Print one JSON object a diagnostic.
    #[arg(long)]
    pub json: bool,
    /// Fail where a decision may take more steps than this in its graphs.
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// Fail where a decision may read more words of the image than this, whatever the request: steps, automata, sets
    /// and bitmaps together.
    #[arg(long, value_name = "N")]
    pub max_words: Option<u64>,
    /// Fail where the image, without symbols, is larger than this.
    #[arg(long, value_name = "N")]
    pub max_image_bytes: Option<u64>,
}

/// Runs `check`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let mut exit = Exit::Fine;
    for path in &args.paths {
        // One policy that cannot be read does not hide what is wrong with the next.
        let loaded = match load_policy(path) {
            Ok(loaded) => loaded,
            Err(error) => {
                output.error(&error);
                exit = exit.and(error.exit());
                continue;
            }
        };
        for error in &loaded.folder.broken {
            output.error(error);
            exit = exit.and(error.exit());
        }
        let checked = &loaded.checked;
        let errors = checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count() as u64;
        let warnings = checked.diagnostics.len() as u64 - errors;
        if args.json {
            for diagnostic in &checked.diagnostics {
                output.say(portcullis_lang::render::to_json(diagnostic, &checked.sources))?;
            }
        } else {
            if !checked.diagnostics.is_empty() {
                let color = output.colored();
                output.say(portcullis_lang::render::render(
                    &checked.diagnostics,
                    &checked.sources,
                    color,
                ))?;
            }
            let rules = checked.policy.as_ref().map_or(0, |p| p.rules.len() as u64);
            let name = clean(&shown(path));
            let mut line = match errors {
                0 if !loaded.folder.broken.is_empty() => {
                    format!(
                        "{}: {name}: not all of its files could be read",
                        paint(BAD, "broken")
                    )
                }
                0 => format!("{}: {name}: {}", paint(GOOD, "fine"), count(rules, "rule")),
                _ => format!("{}: {name}: {}", paint(BAD, "broken"), count(errors, "error")),
            };
            if warnings > 0 {
                line.push_str(&format!(", {}", count(warnings, "warning")));
            }
            output.say(line)?;
        }
        // Without a policy there is no "fine", whatever the diagnostics say.
        let mut findings = errors > 0 || checked.policy.is_none() || args.deny_warnings && warnings > 0;
        if let Some(policy) = &checked.policy {
            for over in over_budget(args, policy, path)? {
                findings = true;
                if args.json {
                    output.say(json!({"over_budget": over.what, "max": over.max, "is": over.is}))?;
                } else {
                    output.say(format_args!(
                        "{}: {}: {} {} of at most {}",
                        paint(BAD, "over budget"),
                        clean(&shown(path)),
                        over.is,
                        over.what,
                        over.max
                    ))?;
                }
            }
        }
        exit = exit.and(Exit::findings(findings));
    }
    Ok(exit)
}

/// A budget that a policy does not keep.
struct Over {
    what: &'static str,
    max: u64,
    is: u64,
}

/// Compiles the policy, where a budget was given, and compares.
fn over_budget(args: &Args, policy: &Policy, path: &Path) -> Result<Vec<Over>, CliError> {
    if [args.max_steps, args.max_words, args.max_image_bytes] == [None; 3] {
        return Ok(Vec::new());
    }
    let (bytes, image) = subject::compile_with(
        policy,
        path,
        &CompileOptions {
            symbols: false,
            ..Default::default()
        },
    )?;
    let inspection = portcullis_compile::inspect(&image);
    let budgets = [
        ("steps", args.max_steps, inspection.steps_max),
        ("words of a decision", args.max_words, inspection.words_max),
        ("image bytes", args.max_image_bytes, bytes.len() as u64),
    ];
    let over = |(what, max, is): (_, Option<u64>, _)| {
        let max = max.filter(|max| is > *max)?;
        Some(Over { what, max, is })
    };
    Ok(budgets.into_iter().filter_map(over).collect())
}
