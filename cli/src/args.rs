//! What is typed: verbs and global options, and their dispatch.

use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{CliError, Exit};
use crate::output::{Color, Output};
use crate::{replay, verb};

/// Decides who may call what: checks, compiles, tests and explains Gate policies.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version = VERSION.as_str(),
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Exit codes: 0 fine; 1 findings, failed tests, mismatches, or a denial where the question was whether it passes;
2 usage, files, damaged input.

Examples:
  portcullis check policies/shop
  portcullis test policies/*
  portcullis compile policies/shop -o shop.portcullis
  portcullis explain policies/shop requests.jsonl:orders-001"
)]
pub struct Cli {
    /// When to use colours; NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check policies and show what is wrong with them
    Check(verb::check::Args),
    /// Write policies in their canonical form
    Fmt(verb::fmt::Args),
    /// Compile a policy to an image
    Compile(verb::compile::Args),
    /// Show what an image holds
    Inspect(verb::inspect::Args),
    /// Make keys, seal images and verify seals
    Image(verb::image::Args),
    /// Decide requests and print their verdicts
    Eval(verb::eval::Args),
    /// Explain the verdict of one request
    Explain(verb::explain::Args),
    /// Run the tests of policies
    Test(verb::test::Args),
    /// Judge the body of a request and print what goes upstream
    Accept(verb::accept::Args),
    /// Redact the body of a response and print what the client gets
    Redact(verb::redact::Args),
    /// Make, hash and list API keys
    Apikey(verb::apikey::Args),
    /// Tell how issuers judge a token, and make tokens for tests
    Token(verb::token::Args),
    /// Make a policy of something else
    Import(verb::import::Args),
    /// Replay an access log against a policy
    Replay(replay::Args),
    /// Print shell completions
    Completions(verb::manual::CompletionsArgs),
    /// Print the manual page
    Man(verb::manual::ManArgs),
}

impl Cli {
    /// Runs the verb.
    pub fn run(&self, output: &mut Output) -> Result<Exit, CliError> {
        match &self.verb {
            Verb::Check(args) => verb::check::run(args, output),
            Verb::Fmt(args) => verb::fmt::run(args, output),
            Verb::Compile(args) => verb::compile::run(args, output),
            Verb::Inspect(args) => verb::inspect::run(args, output),
            Verb::Image(args) => verb::image::run(args, output),
            Verb::Eval(args) => verb::eval::run(args, output),
            Verb::Explain(args) => verb::explain::run(args, output),
            Verb::Test(args) => verb::test::run(args, output),
            Verb::Accept(args) => verb::accept::run(args, output),
            Verb::Redact(args) => verb::redact::run(args, output),
            Verb::Apikey(args) => verb::apikey::run(args, output),
            Verb::Token(args) => verb::token::run(args, output),
            Verb::Import(args) => verb::import::run(args, output),
            Verb::Replay(args) => replay::run(args, output),
            Verb::Completions(args) => verb::manual::completions(args, Cli::command(), output),
            Verb::Man(args) => verb::manual::man(args, Cli::command(), output),
        }
    }
}

/// Also names the image format, which is what must agree between who compiles and who decides.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} (image format {})",
        env!("CARGO_PKG_VERSION"),
        portcullis::image::FORMAT_VERSION
    )
});
