//! Gate files and what they import -> parsed files, each once, in the order of their names.
//!
//! Knows file names and text; nothing of what a declaration means but `import`.

use super::limits::MAX_FILES;
use super::report::Report;
use crate::ast::{Decl, File};
use crate::source::{FileId, Files, Sources, Span};
use std::collections::{BTreeSet, VecDeque};

/// A file with its tree.
pub(super) struct Parsed {
    pub(super) id: FileId,
    pub(super) file: File,
}

/// Why a name leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    /// Absolute, with a drive or backslash, empty, or with control characters.
    #[error("file names are relative, with `/` between their parts")]
    Odd,
    /// Above the root.
    #[error("the file lies outside the policy's root")]
    Outside,
}

/// `name` as seen from the file `from`, relative to the root.
pub(super) fn resolve(from: &str, name: &str) -> Result<String, NameError> {
    let odd = |c: char| c.is_control() || c == '\\';
    if name.is_empty() || name.starts_with('/') || name.ends_with('/') || name.contains(odd) {
        return Err(NameError::Odd);
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" => return Err(NameError::Odd),
            "." => {}
            ".." => {
                parts.pop().ok_or(NameError::Outside)?;
            }
            other => parts.push(other),
        }
    }
    if parts.is_empty() {
        Err(NameError::Odd)
    } else {
        Ok(parts.join("/"))
    }
}

/// Decodes, parses and follows imports, breadth first from the sorted names; the result is sorted by name.
pub(super) fn read(
    gate_files: &[(String, Vec<u8>)],
    files: &dyn Files,
    sources: &mut Sources,
    report: &Report,
) -> Vec<Parsed> {
    let mut sorted: Vec<&(String, Vec<u8>)> = gate_files.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut known = BTreeSet::new();
    let mut queue = VecDeque::new();
    for (name, bytes) in sorted {
        let name = resolve("", name).unwrap_or_else(|_| name.clone());
        if known.insert(name.clone()) {
            queue.push_back((name, bytes.clone()));
        }
    }
    let mut parsed = Vec::new();
    while let Some((name, bytes)) = queue.pop_front() {
        let next = FileId(u32::try_from(sources.iter().count()).unwrap_or(u32::MAX));
        let (text, problems) = crate::parse::decode(next, &bytes);
        problems.into_iter().for_each(|d| report.push(d));
        let id = sources.add(name.clone(), text.clone());
        if parsed.len() == MAX_FILES {
            let start = Span {
                file: id,
                start: 0,
                end: 0,
            };
            report.error(
                "G0805",
                start,
                format!(
                    "a policy has at most {MAX_FILES} files, and there are {} below its folder",
                    known.len()
                ),
                "join some of them, or move policies of their own into other folders",
            );
            break;
        }
        let tree = crate::parse::parse(id, &text);
        tree.diagnostics.into_iter().for_each(|d| report.push(d));
        for item in &tree.file.items {
            let Decl::Import(path) = &item.decl else { continue };
            match resolve(&name, &path.node) {
                Err(NameError::Outside) => report.error(
                    "G0608",
                    path.span,
                    format!("`{}` lies outside the policy's root", path.node),
                    "import files of the policy's own folder",
                ),
                Err(NameError::Odd) => report.error(
                    "G0608",
                    path.span,
                    format!("`{}` is not a relative file name", path.node),
                    NameError::Odd.to_string(),
                ),
                Ok(target) if known.contains(&target) => {}
                Ok(_) if known.len() >= MAX_FILES => report.error(
                    "G0805",
                    path.span,
                    format!("a policy has at most {MAX_FILES} files"),
                    "join some of them",
                ),
                Ok(target) => match files.read(&target) {
                    Some(bytes) => {
                        known.insert(target.clone());
                        queue.push_back((target, bytes));
                    }
                    None => match files.problem(&target) {
                        Some(problem) => report.error(
                            "G0631",
                            path.span,
                            format!("`{target}` cannot be read: {problem}"),
                            "name a file below the policy's folder",
                        ),
                        None => report.error(
                            "G0609",
                            path.span,
                            format!("there is no file `{target}`"),
                            "names are relative to the importing file",
                        ),
                    },
                },
            }
        }
        parsed.push(Parsed { id, file: tree.file });
    }
    parsed.sort_by(|a, b| sources.name(a.id).cmp(sources.name(b.id)));
    parsed
}
