//! Habits of this tree that a machine can see: every module says what it does in its first line, files stay readable
//! in one sitting, tests in a file are not longer than its code, nothing is stubbed or ignored, no path of somebody's
//! machine is in it.

use std::path::{Path, PathBuf};

use crate::step::{self, Failure};

/// A file longer than this is split along its concepts.
const LINES_MAX: usize = 700;

/// Checks every tracked Rust source.
pub(crate) fn run() -> Result<(), Failure> {
    let mut files = Vec::new();
    let root = step::root();
    collect(&root, &mut files)?;
    let mut found = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|source| Failure::Io {
            path: file.display().to_string(),
            source,
        })?;
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        found.extend(complaints(&text).into_iter().map(|c| format!("{name}: {c}")));
    }
    if files.len() < 20 {
        found.push(format!("only {} Rust files were found", files.len()));
    }
    if found.is_empty() {
        step::say(&format!("── tidy: {} Rust files", files.len()));
        Ok(())
    } else {
        Err(Failure::Found(format!("tidy:\n  {}", found.join("\n  "))))
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let fail = |source| Failure::Io {
        path: folder.display().to_string(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "failures" {
                collect(&path, out)?;
            }
        } else if name.ends_with(".rs") {
            out.push(path);
        }
    }
    Ok(())
}

fn complaints(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines
        .iter()
        .find(|l| !l.trim().is_empty() && !l.starts_with("#!["));
    if !first.is_some_and(|l| l.starts_with("//!")) {
        out.push("does not begin with what it is for (`//!`)".into());
    }
    if lines.len() > LINES_MAX {
        out.push(format!("has {} lines, more than {LINES_MAX}", lines.len()));
    }
    if let Some(tests) = lines.iter().position(|l| *l == "mod tests {")
        && lines.len() - tests > tests
    {
        out.push("has more tests than code: give them a file of their own".into());
    }
    // Spelt apart so that this file does not find itself.
    for stub in [
        concat!("todo", "!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ] {
        if text.contains(stub) {
            out.push(format!("holds `{stub}`"));
        }
    }
    out
}
