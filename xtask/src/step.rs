//! Running a command as a named, timed step.

use std::io::{IsTerminal as _, Read, Write};
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

/// The same as [`run`], and all that the command prints is passed on and searched: a failure where `marker` is in it.
pub fn run_searched(step: &str, mut command: Command, marker: &str) -> Result<(), Failure> {
    let shown = shown(&command);
    say(&format!("── {step}: {shown}"));
    let start = Instant::now();
    let failed = |source| Failure::Start {
        step: step.into(),
        command: shown.clone(),
        source,
    };
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let is_found = std::thread::scope(|scope| {
        let out = scope.spawn(|| out.is_some_and(|out| pass_on(out, std::io::stdout(), marker.as_bytes())));
        let err = scope.spawn(|| err.is_some_and(|err| pass_on(err, std::io::stderr(), marker.as_bytes())));
        // Whoever did not come to the end has not seen that there is none.
        [out, err].map(|found| found.join().unwrap_or(true))
    });
    let status = child.wait().map_err(failed)?;
    say(&format!("── {step}: {:.0} s", start.elapsed().as_secs_f64()));
    if is_found.contains(&true) {
        let found = format!("{step}: a secret of the tests was printed; look for `{marker}` above");
        return Err(Failure::Found(found));
    }
    match status.success() {
        true => Ok(()),
        false => Err(Failure::Failed {
            step: step.into(),
            command: shown,
        }),
    }
}

/// Copies to the end, as it comes; whether the marker was in it, over the borders of parts too.
fn pass_on(mut from: impl Read, mut to: impl Write, marker: &[u8]) -> bool {
    let (mut part, mut window, mut is_found) = ([0; 1 << 13], Vec::new(), false);
    loop {
        let len = match from.read(&mut part) {
            Ok(0) => return is_found,
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return true,
        };
        let part = part.get(..len).unwrap_or_default();
        // A terminal that is gone is no reason to stop looking.
        let _ = to.write_all(part).and_then(|()| to.flush());
        window.extend_from_slice(part);
        is_found |= window.windows(marker.len()).any(|found| found == marker);
        let kept = window.len().saturating_sub(marker.len().saturating_sub(1));
        window.drain(..kept);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, part: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.len().min(1);
            part[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn a_marker_is_found_wherever_it_stands_and_all_is_passed_on() {
        let long = format!("{}MARK", "x".repeat((1 << 13) - 2));
        for (text, found) in [
            ("MARK", true),
            ("a MARK b", true),
            ("MARMARK", true),
            (&long, true),
            ("MAR K", false),
            ("", false),
        ] {
            let (mut whole, mut slow) = (Vec::new(), Vec::new());
            assert_eq!(pass_on(text.as_bytes(), &mut whole, b"MARK"), found, "{text}");
            assert_eq!(
                pass_on(Slow(text.as_bytes()), &mut slow, b"MARK"),
                found,
                "{text}"
            );
            assert!(whole == text.as_bytes() && slow == text.as_bytes());
        }
    }

    #[test]
    fn what_prints_a_marker_fails_on_either_stream() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        // Put together by the shell: the command's own words are printed too.
        assert!(run_searched("fine", shell("echo fine"), "MARK").is_ok());
        for script in [
            "printf MA; printf RK",
            "(printf MA; printf RK) >&2",
            "printf MA; printf RK; exit 1",
        ] {
            let found = run_searched("found", shell(script), "MARK");
            assert!(matches!(found, Err(Failure::Found(_))), "{script}");
        }
        assert!(matches!(
            run_searched("failed", shell("exit 1"), "MARK"),
            Err(Failure::Failed { .. })
        ));
    }
}
