//! A description of an API (OpenAPI 3.0, 3.1, Swagger 2.0) -> a policy skeleton that compiles.
//!
//! [`openapi`] is pure: values in, texts out; [`run`] does the I/O around it. One service for each base, one rule
//! (or one for each alternative set of scopes) for each operation, with typed captures, the query's and the body's
//! shape, and placeholders for what a description does not hold: keys and issuers. What cannot be said in the
//! language is left out, never let through, and named in the notes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::error::{CliError, Exit, read_limited};
use crate::output::Output;

// bytes -> values, values behind references
mod document;
mod error;
mod read;

// parts of a description -> parts of a policy
mod operation;
mod overlap;
mod path;
mod schema;
mod scopes;
mod security;
mod servers;
mod text;

// -> text
mod gate;
mod vectors;

#[cfg(test)]
mod tests;

pub use document::Resolve;
pub use error::ImportError;
pub use read::{DOCUMENT_BYTES_MAX, document};

use document::{Documents, Place, text_of};
use operation::Reader;
use security::Security;
use text::{Names, comment, line};

/// Arguments of `import openapi`.
#[derive(Debug, clap::Args)]
pub struct OpenApiArgs {
    /// The document: JSON or YAML, also gzipped
    pub file: PathBuf,
    /// The folder to write to; without it the policy goes to standard output
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// The service's name, the document's file name by default
    #[arg(long)]
    pub name: Option<String>,
    /// Where `security` says nothing, take the scopes that the operations' descriptions name
    #[arg(long)]
    pub scopes_from_descriptions: bool,
    /// The URL of the (first) issuer, instead of a placeholder
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// A scope that holds others: `repo=public_repo,repo_deployment`
    #[arg(long, value_name = "SCOPE=SCOPE,..", value_parser = implication)]
    pub implies: Vec<(String, Vec<String>)>,
    /// Also write a request for each operation (`generated.jsonl`) and the overlaps (`overlaps.md`)
    #[arg(long)]
    pub vectors: bool,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
}

fn implication(text: &str) -> Result<(String, Vec<String>), String> {
    let (scope, implied) = text.split_once('=').ok_or("write `SCOPE=SCOPE,SCOPE`")?;
    let implied: Vec<String> = implied.split(',').map(str::to_owned).collect();
    if scope.is_empty() || implied.iter().any(String::is_empty) {
        return Err("a scope is empty".to_owned());
    }
    Ok((scope.to_owned(), implied))
}

/// What an import may be told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Take scopes from prose where the document has no `security`.
    pub scopes_from_descriptions: bool,
    /// URL of the first issuer.
    pub issuer: Option<String>,
    /// Scopes that hold others.
    pub implies: Vec<(String, Vec<String>)>,
    /// Generate requests.
    pub vectors: bool,
    /// The document's name beside the policy, where it lies there.
    pub document: Option<String>,
}

impl Options {
    /// Leaves those scopes of alternatives that are needed: who holds a wider one holds the narrower one too.
    fn weakest(&self, scopes: Vec<String>) -> Vec<String> {
        let mut closed: BTreeSet<(&str, &str)> = self
            .implies
            .iter()
            .flat_map(|(a, bs)| bs.iter().map(move |b| (a.as_str(), b.as_str())))
            .collect();
        loop {
            let more: Vec<(&str, &str)> = closed
                .iter()
                .flat_map(|(a, b)| {
                    closed
                        .iter()
                        .filter(move |(c, _)| b == c)
                        .map(move |(_, d)| (*a, *d))
                })
                .filter(|pair| !closed.contains(pair))
                .collect();
            if more.is_empty() {
                break;
            }
            closed.extend(more);
        }
        let wider = |s: &String| {
            scopes.iter().any(|o| {
                o != s
                    && closed.contains(&(s.as_str(), o.as_str()))
                    && !closed.contains(&(o.as_str(), s.as_str()))
            })
        };
        scopes.iter().filter(|s| !wider(s)).cloned().collect()
    }
}

/// What an import yields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skeleton {
    /// File names and texts, the policy first.
    pub files: Vec<(String, String)>,
    /// What could not be taken over, or needs a second look.
    pub notes: Vec<String>,
}

/// Makes a skeleton of a document; `resolve` opens the other files it refers to, by their names relative to it.
pub fn openapi<'a>(
    name: &str,
    root: Value,
    options: &Options,
    resolve: &'a mut Resolve<'a>,
) -> Result<Skeleton, ImportError> {
    let top = Place::root();
    let version = |key: &str| text_of(&root, key);
    if !(version("openapi").starts_with("3.") || version("swagger") == "2.0") {
        return Err(top.error("neither `openapi: 3.x` nor `swagger: \"2.0\"`"));
    }
    let mut notes = Vec::new();
    let sites = servers::sites(&root, &mut notes)?;
    let (mut globals, mut rules) = (Names::default(), Names::default());
    let service = globals.take(name, "api");
    let mut security = Security::new(options.issuer.clone(), options.implies.clone());
    let mut docs = Documents::new(root.clone(), resolve);
    let operations = Reader {
        docs: &mut docs,
        root: &root,
        options,
        security: &mut security,
        globals: &mut globals,
        rules: &mut rules,
        service: &service,
        notes: &mut notes,
    }
    .all()?;
    let overlaps = overlap::find(&operations);
    for (operation, overlap) in operations
        .iter()
        .zip(&overlaps)
        .filter(|(_, o)| !o.crossing.is_empty())
    {
        let others = overlap.crossing.len();
        notes.push(format!(
            "{} {} overlaps {others} other template(s); either rule grants",
            operation.method, operation.path
        ));
    }
    let title = comment(
        root.pointer("/info/title")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    let mut policy = String::from("gate 1;\n\n");
    policy.push_str(&security.print());
    let mut lines = String::new();
    for (i, site) in sites.iter().enumerate() {
        let service = if i == 0 {
            service.clone()
        } else {
            globals.take(name, "api")
        };
        policy.push('\n');
        policy.push_str(&gate::service(
            &service,
            &title,
            site,
            options.document.as_deref(),
            &operations,
            &overlaps,
        ));
        if options.vectors && i == 0 {
            lines = vectors::generate(&service, site, &operations, &overlaps, &security, &mut notes);
        }
    }
    let mut files = vec![(format!("{service}.gate"), formatted(&policy))];
    files.extend(security.files);
    if options.scopes_from_descriptions {
        files.push(("scopes.md".to_owned(), gate::scope_report(&operations)));
    }
    if options.vectors {
        files.push(("generated.jsonl".to_owned(), lines));
        files.push(("overlaps.md".to_owned(), overlap::report(&operations, &overlaps)));
    }
    let notes = notes.iter().map(|n| line(n)).collect();
    Ok(Skeleton { files, notes })
}

/// Runs `import openapi`.
pub fn run(args: &OpenApiArgs, output: &mut Output) -> Result<Exit, CliError> {
    let trouble = |e: ImportError| CliError::Import(e.to_string());
    let shown = args.file.display().to_string();
    let root = document(&shown, &read_limited(&args.file, DOCUMENT_BYTES_MAX)?).map_err(trouble)?;
    let folder = args
        .file
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file_name = args
        .file
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => file_name.split('.').next().unwrap_or_default().to_owned(),
    };
    let options = Options {
        scopes_from_descriptions: args.scopes_from_descriptions,
        issuer: args.issuer.clone(),
        implies: args.implies.clone(),
        vectors: args.vectors,
        document: args.output.as_deref().and_then(|to| inside(&args.file, to)),
    };
    let mut resolve = |wanted: &str| beside(folder, &file_name, wanted);
    let skeleton = openapi(&name, root, &options, &mut resolve).map_err(trouble)?;
    match &args.output {
        None => {
            for (name, text) in skeleton.files.iter().take(1) {
                output.note(format!("# {name}"))?;
                output.raw(text.as_bytes())?;
            }
        }
        Some(to) => write(to, &skeleton.files, args.force, output)?,
    }
    for note in &skeleton.notes {
        output.note(format!("note: {note}"))?;
    }
    Ok(Exit::Fine)
}

/// The document's name relative to the folder that is written to, if it lies there.
fn inside(file: &Path, folder: &Path) -> Option<String> {
    let (file, folder) = (file.canonicalize().ok()?, folder.canonicalize().ok()?);
    let parts: Option<Vec<&str>> = file
        .strip_prefix(folder)
        .ok()?
        .components()
        .map(|c| match c {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    parts.map(|p| p.join("/"))
}

/// Opens a file that a reference names; real paths decide whether it lies in the document's folder.
fn beside(folder: &Path, first: &str, wanted: &str) -> Result<Value, ImportError> {
    let fail = |problem: &dyn std::fmt::Display| ImportError::file(wanted, problem);
    let root = folder.canonicalize().map_err(|e| fail(&e))?;
    let path = folder.join(wanted).canonicalize().map_err(|e| fail(&e))?;
    if !path.starts_with(&root) {
        return Err(fail(&format!("lies outside the folder of `{first}`")));
    }
    let bytes = read_limited(&path, DOCUMENT_BYTES_MAX).map_err(|e| fail(&e))?;
    document(wanted, &bytes)
}

/// In the formatter's spelling, so that `fmt --check` has nothing to say of a fresh skeleton. Text that does not parse
/// would be a defect of ours; it is left as it is for `check` to show.
fn formatted(policy: &str) -> String {
    let parsed = portcullis_lang::parse::parse(portcullis_lang::FileId(0), policy);
    match parsed.diagnostics.is_empty() {
        true => portcullis_lang::format::format(&parsed.file, policy),
        false => policy.to_owned(),
    }
}

fn write(to: &Path, files: &[(String, String)], force: bool, output: &mut Output) -> Result<(), CliError> {
    std::fs::create_dir_all(to).map_err(|e| CliError::file(to, e))?;
    for (name, _) in files {
        let path = to.join(name);
        if !force && path.exists() {
            return Err(CliError::file(&path, "is there already; `--force` overwrites it"));
        }
    }
    for (name, text) in files {
        let path = to.join(name);
        // A placeholder must never replace keys that somebody put in its place.
        if (name.ends_with("keys.json") || name.ends_with("jwks.json")) && path.exists() {
            continue;
        }
        crate::write::replace(&path, text.as_bytes())?;
        output.note(format!("wrote {}", path.display()))?;
    }
    Ok(())
}
