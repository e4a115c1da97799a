//! A path -> the files of a policy: gate files, data beside them, vectors. Nothing outside the root is ever read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use portcullis_lang::check::{self, Checked};
use portcullis_lang::source::Files;

use crate::error::{CliError, read_limited};

/// Largest gate file, bytes.
pub const GATE_BYTES_MAX: u64 = 16 << 20;
/// Largest data file beside a policy, bytes.
pub const SIDE_BYTES_MAX: u64 = 256 << 20;
/// Most files and folders below a root.
pub const ENTRIES_MAX: usize = 100_000;
/// Why a pipe, a device or a folder is not read.
const NOT_REGULAR: &str = "this is no regular file";
/// Deepest folder below a root.
pub const DEPTH_MAX: usize = 64;

/// The folder of a policy.
#[derive(Debug)]
pub struct Folder {
    /// Real path of the root.
    pub root: PathBuf,
    /// Gate files with their contents, names relative to the root, sorted.
    pub gate_files: Vec<(String, Vec<u8>)>,
    /// Vector files (`*.jsonl`) below the path as given, sorted.
    pub vectors: Vec<PathBuf>,
    /// Gate files, vectors and folders below the path that could not be read, each an error: without them the policy
    /// is another.
    pub broken: Vec<CliError>,
    /// Files that the policy names and that were refused, with the reason.
    refused: Mutex<BTreeMap<String, String>>,
}

/// A policy as it came out of the checker, with the folder it came from.
#[derive(Debug)]
pub struct Loaded {
    /// Policy, diagnostics, sources.
    pub checked: Checked,
    /// Where they came from.
    pub folder: Folder,
}

/// Loads and checks a policy: a folder, or one gate file.
pub fn load_policy(path: &Path) -> Result<Loaded, CliError> {
    let mut folder = Folder::open(path)?;
    let mut checked = check::load(&folder.gate_files, &folder);
    if !folder.broken.is_empty() {
        checked.policy = None;
    }
    // Paths and regexes are checked here and not only where the policy is compiled, so that `check` does not call a policy fine
    // that `compile` refuses.
    let paths = checked.policy.as_ref().map(portcullis_compile::check_patterns);
    if let Some(diagnostic) = paths.and_then(|paths| paths.err()?.diagnostic()) {
        checked.diagnostics.push(diagnostic);
        checked.policy = None;
    }
    if let Some(policy) = &checked.policy {
        folder.pass_over(policy.keys.iter().filter_map(|keys| keys.file.as_deref()));
    }
    Ok(Loaded { checked, folder })
}

impl Folder {
    /// Opens a folder (every `*.gate` below it) or one gate file (its folder is the root).
    pub fn open(path: &Path) -> Result<Folder, CliError> {
        let real = fs::canonicalize(path).map_err(|e| CliError::file(path, e))?;
        let meta = fs::metadata(&real).map_err(|e| CliError::file(path, e))?;
        if meta.is_dir() {
            return Folder::walk(real, path);
        }
        let root = real
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_else(|| PathBuf::from("/"));
        let name = relative(&root, &real).ok_or_else(|| CliError::file(path, "its name is not UTF-8"))?;
        let bytes = read_limited(&real, GATE_BYTES_MAX)?;
        let given = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let beside = entries(given)?
            .into_iter()
            .filter(|p| has_extension(p, "jsonl") && p.is_file())
            .collect();
        Ok(Folder {
            root,
            gate_files: vec![(name, bytes)],
            vectors: beside,
            broken: Vec::new(),
            refused: Mutex::default(),
        })
    }

    /// Files of API keys are JSON lines too: whatever they are called, they are no vectors.
    fn pass_over<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let files: Vec<PathBuf> = names
            .filter_map(|name| fs::canonicalize(self.root.join(name)).ok())
            .collect();
        self.vectors
            .retain(|path| fs::canonicalize(path).map_or(true, |real| !files.contains(&real)));
    }

    fn walk(root: PathBuf, shown: &Path) -> Result<Folder, CliError> {
        let mut gates = BTreeSet::new();
        let mut vectors = BTreeSet::new();
        let mut seen = BTreeSet::from([root.clone()]);
        let mut open = vec![(root.clone(), 0)];
        let mut entries_seen = 0;
        let mut broken = Vec::new();
        while let Some((folder, depth)) = open.pop() {
            if depth > DEPTH_MAX {
                return Err(CliError::file(
                    &folder,
                    format!("more than {DEPTH_MAX} folders deep"),
                ));
            }
            let entries = match entries(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    broken.push(error);
                    continue;
                }
            };
            for entry in entries {
                entries_seen += 1;
                if entries_seen > ENTRIES_MAX {
                    return Err(CliError::file(
                        shown,
                        format!("more than {ENTRIES_MAX} files below it"),
                    ));
                }
                let is_link = fs::symlink_metadata(&entry).is_ok_and(|m| m.file_type().is_symlink());
                let wanted = has_extension(&entry, "gate") || has_extension(&entry, "jsonl");
                let real = match fs::canonicalize(&entry) {
                    Ok(real) => real,
                    // A dangling link that nobody asks for is no concern of ours.
                    Err(_) if is_link && !wanted => continue,
                    Err(error) => {
                        broken.push(CliError::file(&entry, error));
                        continue;
                    }
                };
                let is_folder = real.is_dir();
                if is_link && !real.starts_with(&root) {
                    if wanted || is_folder {
                        broken.push(CliError::file(&entry, "this link leaves the policy's folder"));
                    }
                    continue;
                }
                if is_folder {
                    if seen.insert(real.clone()) {
                        open.push((real, depth + 1));
                    }
                } else if wanted && !real.is_file() {
                    broken.push(CliError::file(&entry, NOT_REGULAR));
                } else if has_extension(&entry, "gate") {
                    gates.insert(real);
                } else if has_extension(&entry, "jsonl") {
                    vectors.insert(real);
                }
            }
        }
        if gates.is_empty() && broken.is_empty() {
            return Err(CliError::file(
                shown,
                "there is no `*.gate` file below this folder",
            ));
        }
        let mut gate_files = Vec::new();
        for real in gates {
            let name = relative(&root, &real).ok_or_else(|| CliError::file(&real, "its name is not UTF-8"));
            match name.and_then(|name| Ok((name, read_limited(&real, GATE_BYTES_MAX)?))) {
                Ok(file) => gate_files.push(file),
                Err(error) => broken.push(error),
            }
        }
        gate_files.sort();
        let vectors = vectors.into_iter().map(|real| match real.strip_prefix(&root) {
            Ok(below) => shown.join(below),
            Err(_) => real,
        });
        Ok(Folder {
            gate_files,
            vectors: vectors.collect(),
            root,
            broken,
            refused: Mutex::default(),
        })
    }

    /// A folder that only holds data, beside an image.
    pub fn data_only(root: &Path) -> Result<Folder, CliError> {
        let root = fs::canonicalize(root).map_err(|e| CliError::file(root, e))?;
        Ok(Folder {
            root,
            gate_files: Vec::new(),
            vectors: Vec::new(),
            broken: Vec::new(),
            refused: Mutex::default(),
        })
    }

    /// Why files that the policy names were not read, so far.
    pub fn refused(&self) -> Vec<String> {
        let line = |(name, reason): (&String, &String)| format!("`{name}`: {reason}");
        let refused = self.refused.lock();
        refused
            .map(|refused| refused.iter().map(line).collect())
            .unwrap_or_default()
    }

    fn refuse(&self, name: &str, reason: impl ToString) -> Option<Vec<u8>> {
        if let Ok(mut refused) = self.refused.lock() {
            refused.insert(name.to_owned(), reason.to_string());
        }
        None
    }
}

impl Files for Folder {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let relative = Path::new(name);
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
        if name.is_empty() || name.contains('\0') || !plain {
            return self.refuse(name, "this is no path inside the policy's folder");
        }
        let real = fs::canonicalize(self.root.join(relative)).ok()?;
        if !real.starts_with(&self.root) {
            return self.refuse(name, "this link leaves the policy's folder");
        }
        // To open a pipe is to wait for whoever writes into it.
        if !real.is_file() {
            return self.refuse(name, NOT_REGULAR);
        }
        match read_limited(&real, SIDE_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(CliError::File { problem, .. }) => self.refuse(name, problem),
            Err(other) => self.refuse(name, other),
        }
    }

    fn problem(&self, name: &str) -> Option<String> {
        self.refused.lock().ok()?.get(name).cloned()
    }
}

/// The entries of a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| CliError::file(folder, e))? {
        found.push(entry.map_err(|e| CliError::file(folder, e))?.path());
    }
    found.sort();
    Ok(found)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

/// The `/`-separated name below the root, if it is UTF-8.
fn relative(root: &Path, real: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = real
        .strip_prefix(root)
        .ok()?
        .components()
        .map(|c| c.as_os_str().to_str())
        .collect();
    parts.map(|p| p.join("/"))
}
