//! `portcullis completions` and `portcullis man`: the command's own description, for shells and `man`.

use clap::Command;

use crate::error::{CliError, Exit};
use crate::output::Output;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis completions bash > /etc/bash_completion.d/portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish")]
pub struct CompletionsArgs {
    /// For which shell.
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis man > /usr/local/share/man/man1/portcullis.1
  portcullis man replay | man -l -")]
pub struct ManArgs {
    /// The page of one verb instead of the whole command's.
    pub verb: Option<String>,
}

/// Runs `completions`, of the whole command.
pub fn completions(
    args: &CompletionsArgs,
    mut command: Command,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "portcullis", &mut script);
    output.raw(&script)?;
    Ok(Exit::Fine)
}

/// Runs `man`, likewise.
pub fn man(args: &ManArgs, mut command: Command, output: &mut Output) -> Result<Exit, CliError> {
    command.build();
    let command = match &args.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => return Err(CliError::Usage(format!("there is no verb `{verb}`"))),
        },
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output.raw(&page)?;
    Ok(Exit::Fine)
}
