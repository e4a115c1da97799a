//! `portcullis inspect`: an image -> its sizes, its worst case and a picture of its graphs.

use std::path::PathBuf;

use serde_json::json;

use crate::error::{CliError, Exit};
use crate::output::hex;
use crate::output::{Output, STRONG, paint, table};
use crate::subject;
use crate::subject::trust::TrustArgs;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis inspect shop.portcullis
  portcullis inspect --json policies/shop
  portcullis inspect --dot policies/shop | dot -Tsvg > shop.svg")]
pub struct Args {
    /// Compiled image, policy folder or gate file.
    pub path: PathBuf,
    /// Print JSON.
    #[arg(long, conflicts_with = "dot")]
    pub json: bool,
    /// Print the decision graphs in Graphviz's language.
    #[arg(long)]
    pub dot: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Runs `inspect`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let image = if subject::is_text(&args.path) {
        args.trust.takes_text(&args.path)?;
        let (policy, _, _) = subject::checked_policy(&args.path, output)?;
        subject::compile(&policy, &args.path)?.1
    } else {
        // Looking puts nothing into force: no smoke cases, and the mark stays.
        args.trust.admit(&args.path, output)?.image
    };
    if args.dot {
        output.raw(portcullis_compile::Inspection::dot(&image).as_bytes())?;
        return Ok(Exit::Fine);
    }
    let seen = portcullis_compile::inspect(&image);
    let digest = format!("sha256:{}", hex(&seen.digest));
    let forms: Vec<(&str, usize)> = seen.forms.iter().map(|(form, n)| (form.name(), *n)).collect();
    let total: usize = seen.sections.iter().map(|(_, bytes)| bytes).sum();
    let counts = [
        ("services", seen.services as u64),
        ("rules", seen.rules as u64),
        ("facts", seen.facts as u64),
        ("methods", seen.methods as u64),
        ("route_states", seen.states as u64),
        ("pattern_sets", seen.accepts as u64),
        ("entries", seen.entries as u64),
        ("classifiers", seen.variables as u64),
        ("nodes", seen.nodes as u64),
        ("worst_case_steps", seen.steps_max),
        ("worst_case_graphs", seen.graphs_max),
        ("worst_case_words_read", seen.words_max),
        ("worst_case_bytes_read", seen.words_max.saturating_mul(4)),
    ];
    if args.json {
        let named = |pairs: &[(&str, usize)]| -> serde_json::Map<String, serde_json::Value> {
            pairs
                .iter()
                .map(|(name, n)| (name.replace(' ', "_"), json!(n)))
                .collect()
        };
        let mut object = json!({
            "format": seen.format,
            "digest": digest,
            "sections": named(&seen.sections),
            "parts": named(&seen.parts),
            "entries_by_form": named(&forms),
        });
        for (name, n) in counts {
            object[name] = json!(n);
        }
        output.say(object)?;
        return Ok(Exit::Fine);
    }
    output.say(format_args!("{} {}", paint(STRONG, "image format"), seen.format))?;
    output.say(format_args!("{} {digest}\n", paint(STRONG, "digest")))?;
    let mut sizes = table(&["section", "bytes"]);
    for (name, bytes) in &seen.sections {
        sizes.add_row([name.to_string(), bytes.to_string()]);
        if *name == "words" {
            for (part, bytes) in &seen.parts {
                sizes.add_row([format!("  {part}"), bytes.to_string()]);
            }
        }
    }
    sizes.add_row(["all".to_string(), total.to_string()]);
    output.say(format_args!("{}\n", sizes.trim_fmt()))?;
    let mut rows = table(&["what", "how many"]);
    for (form, n) in &forms {
        rows.add_row([format!("entries by {form}"), n.to_string()]);
    }
    for (name, n) in counts {
        rows.add_row([name.replace('_', " "), n.to_string()]);
    }
    output.say(rows.trim_fmt())?;
    Ok(Exit::Fine)
}
