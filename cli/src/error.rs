//! How a run ends: exit codes, and errors with the path they are about.

use std::io;
use std::path::{Path, PathBuf};

/// Exit codes of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to complain about.
    Fine = 0,
    /// The answer is no: diagnostics, mismatches, failed tests, a denial where the question was whether it passes.
    Findings = 1,
    /// The question could not be answered: usage, files, damaged input.
    Trouble = 2,
}

impl Exit {
    /// The graver of two.
    pub fn and(self, other: Exit) -> Exit {
        self.max(other)
    }

    /// [`Exit::Findings`] if there are any.
    pub fn findings(any: bool) -> Exit {
        if any { Exit::Findings } else { Exit::Fine }
    }

    /// [`Exit::Trouble`] if there is any.
    pub fn trouble(any: bool) -> Exit {
        if any { Exit::Trouble } else { Exit::Fine }
    }
}

/// What stopped a verb.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments do not fit each other.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("`{path}`: {problem}")]
    File {
        /// Which.
        path: String,
        /// Why.
        problem: String,
    },
    /// The policy has errors; they were shown.
    #[error("`{path}` does not compile: {errors} {}", if *.errors == 1 { "error" } else { "errors" })]
    Policy {
        /// The policy.
        path: String,
        /// How many errors it has.
        errors: usize,
    },
    /// The checked policy could not be lowered.
    #[error("`{path}` cannot be compiled: {source}")]
    Compile {
        /// The policy.
        path: String,
        /// Why.
        source: Box<portcullis_compile::CompileError>,
    },
    /// Bytes that are no image.
    #[error("`{path}`: {source}")]
    Image {
        /// The file.
        path: String,
        /// Why.
        source: portcullis::LoadError,
    },
    /// A smoke case of a sealed image does not hold.
    #[error("`{path}`: the smoke case `{case}` does not hold: {problem}")]
    Smoke {
        /// The image.
        path: String,
        /// Which case.
        case: String,
        /// How.
        problem: String,
    },
    /// An OpenAPI document or the like that could not be imported.
    #[error("{0}")]
    Import(String),
    /// Standard output or error is gone.
    #[error("the output could not be written: {0}")]
    Output(io::Error),
    /// The reader of standard output went away.
    #[error("the reader of the output went away")]
    ClosedPipe,
}

impl CliError {
    /// An error about a file.
    pub fn file(path: &Path, problem: impl ToString) -> CliError {
        CliError::File {
            path: path.display().to_string(),
            problem: problem.to_string(),
        }
    }

    /// An error about an image.
    pub fn image(path: &Path, source: portcullis::LoadError) -> CliError {
        CliError::Image {
            path: shown(path),
            source,
        }
    }

    /// The exit code it stands for.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Policy { .. } | CliError::Compile { .. } | CliError::Smoke { .. } => Exit::Findings,
            _ => Exit::Trouble,
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::ClosedPipe,
            _ => CliError::Output(error),
        }
    }
}

/// Where a path came from is of no interest to its reader; how it is shown is.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a file up to a size.
pub fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|e| CliError::file(path, e))?;
    let meta = file.metadata().map_err(|e| CliError::file(path, e))?;
    if meta.is_dir() {
        return Err(CliError::file(path, "this is a folder, a file is needed"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells too long from just right, whatever the metadata says.
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| CliError::file(path, e))?;
    if bytes.len() as u64 > max {
        return Err(CliError::file(path, format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

/// A path as given, for error messages about standard input too.
pub(crate) fn standard_input() -> PathBuf {
    PathBuf::from("standard input")
}
