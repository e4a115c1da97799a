//! The command `portcullis`: files and arguments in, text for people (or JSON for machines) and an exit code out.
//!
//! One module a verb. A verb reads files ([`folder`], [`subject`], [`vectors`]), asks the language or the engine,
//! and writes down what they say ([`output`]). Nothing here decides a request: where a verb needs to know what a
//! policy means, it compiles it and asks the engine.

// what is typed, what is shown, what went wrong
pub mod args;
pub mod error;
pub mod output;

// files -> policies, images, vectors; text -> files
pub mod folder;
pub mod keys;
pub mod vectors;
pub mod write;

// verdicts -> text of the language
pub mod obligations;

// what is asked: a policy or an image that may be used, with its data
pub mod subject;

// the verbs
pub mod import;
pub mod replay;
pub mod verb;

use std::process::ExitCode;

use clap::Parser as _;

pub use error::{CliError, Exit};
pub use folder::{Folder, Loaded, load_policy};
pub use output::Output;

/// Runs the command with the process's arguments and streams.
pub fn main() -> ExitCode {
    let args = args::Cli::parse();
    let mut output = Output::of_process(args.color);
    let code = match args
        .run(&mut output)
        .and_then(|exit| output.flush().map(|()| exit))
    {
        Ok(exit) => exit,
        // Whoever closed the pipe does not want to hear of it, but what did not end did not pass.
        Err(CliError::ClosedPipe) => Exit::Trouble,
        Err(error) => {
            output.error(&error);
            error.exit()
        }
    };
    ExitCode::from(code as u8)
}
