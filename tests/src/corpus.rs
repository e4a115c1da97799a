//! The corpus on disk -> cases: a policy with its side files, and vectors that say what must come out.
//!
//! `policies/*/` are cases, each with all its `*.jsonl`. `tests/corpus/hostile/GROUP/ROW.jsonl` are cases of one
//! hostile row: against `ROW.gate` where there is one, else the group's `policy.gate`. A vector whose `expect`
//! says `no_policy` is about a policy that must be refused: `VECTOR-ID.refused.gate`, or one that
//! [`crate::hostile::generated`] makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portcullis_lang::check::{self, Checked};
use portcullis_lang::diagnostic::Severity;
use portcullis_vectors::{Vector, Verdict, parse_lines};

/// A policy and vectors about it.
#[derive(Clone, Debug)]
pub struct CorpusCase {
    /// `policies/shop` or `hostile/path/P01`.
    pub name: String,
    /// Gate files by name relative to the policy's root.
    pub gate_files: Vec<(String, Vec<u8>)>,
    /// All other files by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Vectors with `expect`.
    pub vectors: Vec<Vector>,
    /// The policy must be refused.
    pub refused: bool,
}

impl CorpusCase {
    /// Checks the policy.
    pub fn check(&self) -> Checked {
        check::load(&self.gate_files, &self.files)
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// All cases.
pub fn cases() -> Result<Vec<CorpusCase>, String> {
    let mut all = policies()?;
    all.extend(hostile()?);
    Ok(all)
}

/// How many vectors say what the upstream answers: those whose response a host that carries none does not run.
pub fn with_upstream() -> Result<u64, String> {
    let vectors = cases()?.into_iter().flat_map(|case| case.vectors);
    Ok(vectors.filter(|vector| vector.upstream.is_some()).count() as u64)
}

/// The folders of `policies/`.
pub fn policies() -> Result<Vec<CorpusCase>, String> {
    let mut out = Vec::new();
    for folder in sorted(&root().join("policies"))?
        .into_iter()
        .filter(|p| p.is_dir())
    {
        let mut case = CorpusCase {
            name: format!("policies/{}", file_name(&folder)),
            gate_files: Vec::new(),
            files: BTreeMap::new(),
            vectors: Vec::new(),
            refused: false,
        };
        read_folder(&folder, "", 8, &mut case)?;
        if !case.gate_files.is_empty() {
            out.push(case);
        }
    }
    Ok(out)
}

fn read_folder(folder: &Path, prefix: &str, depth: u32, case: &mut CorpusCase) -> Result<(), String> {
    for path in sorted(folder)? {
        let name = format!("{prefix}{}", file_name(&path));
        if path.is_dir() {
            if depth > 0 {
                read_folder(&path, &format!("{name}/"), depth - 1, case)?;
            }
            continue;
        }
        let bytes = read(&path)?;
        match path.extension().and_then(|e| e.to_str()) {
            Some("gate") => case.gate_files.push((name, bytes)),
            Some("jsonl") => case.vectors.extend(vectors(&path)?),
            _ => drop(case.files.insert(name, bytes)),
        }
    }
    Ok(())
}

/// The rows of `tests/corpus/hostile/`.
pub fn hostile() -> Result<Vec<CorpusCase>, String> {
    let mut out = Vec::new();
    for group in sorted(&root().join("tests/corpus/hostile"))?
        .into_iter()
        .filter(|p| p.is_dir())
    {
        let mut files = BTreeMap::new();
        for path in sorted(&group)? {
            if !matches!(path.extension().and_then(|e| e.to_str()), Some("gate" | "jsonl")) {
                files.insert(file_name(&path), read(&path)?);
            }
        }
        for path in sorted(&group)?
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        {
            let row = path
                .file_stem()
                .map(|s| s.to_string_lossy().into_owned())
                .unwrap_or_default();
            let name = format!("hostile/{}/{row}", file_name(&group));
            let own = group.join(format!("{row}.gate"));
            let gate = if own.exists() {
                own
            } else {
                group.join("policy.gate")
            };
            let (refused, decided): (Vec<Vector>, Vec<Vector>) =
                vectors(&path)?.into_iter().partition(refuses);
            for vector in refused {
                let source = match crate::hostile::generated(&vector.id) {
                    Some(source) => source,
                    None => read(&group.join(format!("{}.refused.gate", vector.id)))?,
                };
                out.push(CorpusCase {
                    name: name.clone(),
                    gate_files: vec![("policy.gate".to_string(), source)],
                    files: files.clone(),
                    vectors: vec![vector],
                    refused: true,
                });
            }
            out.push(CorpusCase {
                name,
                gate_files: vec![("policy.gate".to_string(), read(&gate)?)],
                files: files.clone(),
                vectors: decided,
                refused: false,
            });
        }
    }
    Ok(out)
}

/// The verdict of a gateway whose policy was refused: none is loaded, and the first error says why.
pub fn refused_verdict(checked: &Checked, id: &str) -> Option<Verdict> {
    let first = checked
        .diagnostics
        .iter()
        .find(|d| d.severity == Severity::Error)?;
    checked.policy.is_none().then(|| Verdict {
        id: id.to_string(),
        effect: "deny".to_string(),
        status: 503,
        reason: "no_policy".to_string(),
        detail: Some(first.code.to_string()),
        ..Verdict::default()
    })
}

fn refuses(vector: &Vector) -> bool {
    vector
        .expect
        .as_ref()
        .is_some_and(|e| e.0.get("reason").is_some_and(|r| r == "no_policy"))
}

fn vectors(path: &Path) -> Result<Vec<Vector>, String> {
    let text = String::from_utf8(read(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    parse_lines(&text)
        .into_iter()
        .map(|(_, vector)| {
            vector
                .map(crate::hostile::expand)
                .map_err(|e| format!("{}: {e}", path.display()))
        })
        .collect()
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
