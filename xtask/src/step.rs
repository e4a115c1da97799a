//! Running a command as a named, timed step.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a chore did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Unknown words.
    #[error("that is no verb of `cargo xtask`")]
    Usage,
    /// A command did not start.
    #[error("{step}: `{command}` did not start: {source}")]
    Start {
        /// Step.
        step: String,
        /// Command.
        command: String,
        /// Cause.
        source: std::io::Error,
    },
    /// A command failed.
    #[error("{step} failed: `{command}`")]
    Failed {
        /// Step.
        step: String,
        /// Command.
        command: String,
    },
    /// A check of our own found something.
    #[error("{0}")]
    Found(String),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// File.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
}

/// To standard output.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// To standard error.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(PathBuf::from).unwrap_or(own)
}

/// The folder that cargo builds in.
pub fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Makes a folder and waits until no other process or thread builds in it; until the returned file is dropped, none
/// does.
pub fn lock(folder: &Path) -> Result<std::fs::File, Failure> {
    let path = folder.join("one-at-a-time.lock");
    let locked = || {
        std::fs::create_dir_all(folder)?;
        let file = std::fs::File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|source| Failure::Io {
        path: path.display().to_string(),
        source,
    })
}

/// The cargo that runs us.
pub fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A step that is a cargo call.
pub fn cargo(step: &str, args: &[&str]) -> Result<(), Failure> {
    let mut command = cargo_command();
    command.args(args);
    run(step, command)
}

/// Runs a command to its end and prints how long it took.
pub fn run(step: &str, command: Command) -> Result<(), Failure> {
    run_expecting(step, command, 0)
}

/// The same for a command whose good end has another exit code.
pub fn run_expecting(step: &str, mut command: Command, code: i32) -> Result<(), Failure> {
    let shown = shown(&command);
    say(&format!("── {step}: {shown}"));
    let start = Instant::now();
    let status = command.status().map_err(|source| Failure::Start {
        step: step.into(),
        command: shown.clone(),
        source,
    })?;
    say(&format!("── {step}: {:.0} s", start.elapsed().as_secs_f64()));
    if status.code() == Some(code) {
        Ok(())
    } else {
        Err(Failure::Failed {
            step: step.into(),
            command: shown,
        })
    }
}

/// Runs a command silently; whether it succeeded, and what it printed on both streams.
pub fn probe(mut command: Command) -> Result<(bool, String), Failure> {
    let shown = shown(&command);
    let output = command.output().map_err(|source| Failure::Start {
        step: "probe".into(),
        command: shown,
        source,
    })?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

/// The same, but what the command prints to standard error goes to a terminal where there is one: cargo shows there how
/// far a build is.
pub fn watch(mut command: Command) -> Result<(bool, String), Failure> {
    if std::io::stderr().is_terminal() {
        command.stderr(Stdio::inherit());
    }
    probe(command)
}

/// What cargo knows of the workspace.
pub fn metadata(args: &[&str]) -> Result<serde_json::Value, Failure> {
    let mut command = cargo_command();
    command
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(args);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Failure::Start {
            step: "metadata".into(),
            command: shown(&command),
            source,
        })?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| Failure::Found(format!("`cargo metadata` printed no JSON: {e}")))
}

fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    let args = command.get_args().map(|a| a.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}
