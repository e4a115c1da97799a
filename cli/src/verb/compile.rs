//! `portcullis compile`: a policy -> an image on disk, whole or not at all.

use std::path::PathBuf;

use portcullis_compile::CompileOptions;

use crate::error::{CliError, Exit, shown};
use crate::output::{GOOD, Output, clean, count, hex, paint};
use crate::{subject, write};

/// Arguments of `compile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The image passes the engine's own checks before it is written; it replaces an old one in one step.

Examples:
  portcullis compile policies/shop -o shop.portcullis
  portcullis compile --strip-symbols policies/shop -o shop.portcullis")]
pub struct Args {
    /// Policy folder or gate file.
    pub path: PathBuf,
    /// Image to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Leave out what only explanations need: a smaller image that decides the same.
    #[arg(long)]
    pub strip_symbols: bool,
}

/// Runs `compile`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let (policy, _, _) = subject::checked_policy(&args.path, output)?;
    let options = CompileOptions {
        symbols: !args.strip_symbols,
        ..CompileOptions::default()
    };
    let (bytes, image) = subject::compile_with(&policy, &args.path, &options)?;
    write::replace(&args.output, &bytes)?;
    output.say(format_args!(
        "{}: {}: {}, {} bytes, sha256:{}",
        paint(GOOD, "compiled"),
        clean(&shown(&args.output)),
        count(policy.rules.len() as u64, "rule"),
        bytes.len(),
        hex(&image.digest()),
    ))?;
    Ok(Exit::Fine)
}
