//! `portcullis fmt`: gate files -> the same files in canonical form, or which of them are not.

use std::path::{Path, PathBuf};

use portcullis_lang::diagnostic::Severity;
use portcullis_lang::source::Sources;
use portcullis_lang::{format, parse};

use crate::error::{CliError, Exit, shown};
use crate::folder::Folder;
use crate::output::{BAD, Output, STRONG, clean, count, paint};
use crate::write;

/// Arguments of `fmt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file with syntax errors is refused and left alone.

Examples:
  portcullis fmt policies/shop
  portcullis fmt --check policies     for continuous integration: writes nothing, exits 1 if it would")]
pub struct Args {
    /// Policy folders or gate files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Write nothing; say which files would change.
    #[arg(long)]
    pub check: bool,
}

/// Runs `fmt`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let (mut refused, mut changed, mut files) = (0, 0, 0);
    for path in &args.paths {
        let folder = Folder::open(path)?;
        for (name, bytes) in &folder.gate_files {
            files += 1;
            let real = folder.root.join(name);
            let shown = shown_below(path, name);
            let Some(text) = canonical(&shown, bytes, output)? else {
                refused += 1;
                continue;
            };
            if text.as_bytes() == bytes.as_slice() {
                continue;
            }
            changed += 1;
            if args.check {
                output.say(format_args!("{}: {}", paint(BAD, "not formatted"), clean(&shown)))?;
            } else {
                write::replace(&real, text.as_bytes())?;
                output.say(format_args!("{}: {}", paint(STRONG, "formatted"), clean(&shown)))?;
            }
        }
    }
    let of = count(files, "file");
    let verb = if args.check { "would change" } else { "changed" };
    output.note(format_args!("{of}: {changed} {verb}, {refused} refused"))?;
    Ok(Exit::findings(refused > 0 || args.check && changed > 0))
}

/// The canonical text of a file; `None` and its diagnostics shown where it does not parse.
fn canonical(name: &str, bytes: &[u8], output: &mut Output) -> Result<Option<String>, CliError> {
    let mut sources = Sources::default();
    // The id of the only file; the text that diagnostics point into is known after decoding.
    let id = Sources::default().add(name, "");
    let (text, mut diagnostics) = parse::decode(id, bytes);
    sources.add(name, text.as_str());
    let parsed = parse::parse(id, &text);
    diagnostics.extend(parsed.diagnostics);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        let color = output.colored_notes();
        output.note(portcullis_lang::render::render(&diagnostics, &sources, color))?;
        return Ok(None);
    }
    Ok(Some(format::format(&parsed.file, &text)))
}

fn shown_below(path: &Path, name: &str) -> String {
    if path.is_dir() {
        shown(&path.join(name))
    } else {
        shown(path)
    }
}
