//! `portcullis token`: how each issuer of a policy judges a token, and tokens for tests.

mod judge;
mod sign;

use crate::error::{CliError, Exit};
use crate::output::Output;

/// Arguments of `token`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Tells how each issuer judges a token, check by check in the order in which they are made; a request's token fails with the
first. Neither the token nor its signature is shown. Exits 0 if an issuer takes the token, 1 if none does.

Examples:
  portcullis token policies/shop - < token.txt
  portcullis token policies/shop - --now 2026-12-01T00:00:00Z --json < token.txt
  portcullis token key test --alg ES256 --kid k1
  portcullis token sign --key test.jwk.json --claims claims.json --lifetime 10m")]
pub struct Args {
    /// What to do instead.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Which token, and who judges it.
    #[command(flatten)]
    pub judge: judge::JudgeArgs,
}

/// The verbs of `token`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a token for tests from a test key
    Sign(sign::SignArgs),
    /// Make a test key and its key set
    Key(sign::KeyArgs),
}

/// Runs `token`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    match &args.verb {
        None => judge::judge(&args.judge, output),
        Some(Verb::Sign(args)) => sign::sign(args, output),
        Some(Verb::Key(args)) => sign::key(args, output),
    }
}
