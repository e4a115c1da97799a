//! A description of an API (OpenAPI 3.0, 3.1, Swagger 2.0) -> a policy skeleton that compiles; a provider's metadata -> an
//! issuer.
//!
//! [`openapi`] is pure: values in, texts out; [`run`] does the I/O around it. One service for each base, one rule
//! (or one for each alternative set of scopes) for each operation, with typed captures, the query's and the body's
//! shape, and placeholders for what a description does not hold: keys and issuers. What cannot be said in the
//! language is left out, never let through, and named in the notes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::error::{CliError, Exit, read_limited};
use crate::output::Output;

// bytes -> values, values behind references
mod document;
mod error;
mod read;

// parts of a description -> parts of a policy
mod compose;
mod oidc;
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
mod sample;
mod vectors;

#[cfg(test)]
mod tests;

pub use document::{FILES_MAX, Resolve};
pub use error::ImportError;
pub use oidc::{OidcArgs, OidcOptions, oidc, run as run_oidc};
pub use read::{DOCUMENT_BYTES_MAX, DOCUMENTS_BYTES_MAX, document};

use document::{Documents, Place, text_of};
use operation::{Operation, Reader};
use overlap::Overlap;
use portcullis_lang::Severity;
use security::Security;
use servers::Site;
use text::{Names, comment, line};

/// A key set that stands for one that is not given yet.
const NO_KEYS: &str = "{\"keys\": []}\n";

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
    /// Also write requests for each operation (`generated.jsonl`), with bodies that are taken and refused, and the
    /// overlaps (`overlaps.md`)
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
    // Without quotes, YAML makes a number of it.
    let old = version("swagger") == "2.0" || root.get("swagger").and_then(Value::as_f64) == Some(2.0);
    if !(version("openapi").starts_with("3.") || old) {
        return Err(top.error("neither `openapi: 3.x` nor `swagger: \"2.0\"`"));
    }
    let mut notes = Vec::new();
    let sites = servers::sites(&root, &mut notes);
    let (mut globals, mut rules) = (Names::default(), Names::default());
    let service = globals.take(name, "api");
    let mut security = Security::new(options.issuer.clone(), options.implies.clone());
    let mut docs = Documents::new(root.clone(), resolve);
    let mut operations = Reader {
        docs: &mut docs,
        root: &root,
        options,
        security: &mut security,
        globals: &mut globals,
        rules: &mut rules,
        service: &service,
        notes: &mut notes,
        sites: &sites,
    }
    .all()?;
    let title = comment(
        root.pointer("/info/title")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    let served = served(&sites, &operations);
    let mut names = vec![service.clone()];
    names.extend(served.iter().skip(1).map(|_| globals.take(name, "api")));
    let draft = Draft {
        title: &title,
        served: &served,
        names: &names,
        document: options.document.as_deref(),
        declarations: format!("gate 1;\n\n{}", security.print()),
        files: &security.files,
    };
    let (policy, services) = draft.settled(&mut operations, &mut notes)?;
    for (operations, overlaps) in &services {
        for (operation, overlap) in operations.iter().zip(overlaps) {
            let unsaid = overlap.unsaid.len();
            if unsaid > 0 {
                notes.push(format!(
                    "{} {}: {unsaid} other template(s) take some of its paths and ask for something else; {}",
                    operation.method,
                    operation.path,
                    if overlap.shut {
                        "it is not granted"
                    } else {
                        "what both take is not granted"
                    }
                ));
            }
            if operation.grants.is_empty() || overlap.shut {
                notes.push(format!(
                    "{} {}: no rule grants it",
                    operation.method, operation.path
                ));
            }
            let others = overlap.crossing.len();
            if others > 0 {
                notes.push(format!(
                    "{} {} overlaps {others} other template(s); either rule grants",
                    operation.method, operation.path
                ));
            }
        }
    }
    let mut files = vec![(format!("{service}.gate"), formatted(&policy))];
    if options.scopes_from_descriptions {
        files.push(("scopes.md".to_owned(), gate::scope_report(&operations)));
    }
    if options.vectors {
        let (mut lines, mut made) = (String::new(), BTreeSet::new());
        for (((site, _), name), (operations, overlaps)) in served.iter().zip(&names).zip(&services) {
            lines.push_str(&vectors::generate(
                name, site, operations, overlaps, &security, &mut made, &mut notes,
            ));
        }
        files.push(("generated.jsonl".to_owned(), lines));
        files.push(("overlaps.md".to_owned(), overlap::report(&services)));
    }
    files.splice(1..1, security.files);
    let mut seen = BTreeSet::new();
    let notes = notes.iter().map(|n| line(n)).filter(|n| seen.insert(n.clone()));
    let notes = notes.collect();
    Ok(Skeleton { files, notes })
}

/// The services: for each site the indices of its operations, those with most operations first.
fn served(sites: &[Site], operations: &[Operation]) -> Vec<(Site, Vec<usize>)> {
    let mut places: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (i, operation) in operations.iter().enumerate() {
        for site in operation.sites.as_deref().unwrap_or(sites) {
            let hosts = site.hosts.iter().map(|h| Some(h.as_str()));
            for host in hosts.chain(site.hosts.is_empty().then_some(None)) {
                places.entry((&site.base, host)).or_default().push(i);
            }
        }
    }
    // Hosts with the same operations below the same base share a service.
    type Same<'s> = (Reverse<usize>, &'s str, Vec<usize>, bool);
    let mut out: BTreeMap<Same<'_>, Vec<String>> = BTreeMap::new();
    for ((base, host), mut operations) in places {
        operations.dedup();
        let key = (Reverse(operations.len()), base, operations, host.is_some());
        out.entry(key).or_default().extend(host.map(str::to_owned));
    }
    if out.is_empty() {
        return sites.iter().map(|s| (s.clone(), Vec::new())).collect();
    }
    out.into_iter()
        .map(|((_, base, operations, _), hosts)| {
            let base = base.to_owned();
            (Site { hosts, base }, operations)
        })
        .collect()
}

/// Rounds of checking and leaving out; each leaves out at least one operation, mostly many.
const ROUNDS_MAX: usize = 64;

/// The operations of a service, and what their neighbours mean for them.
type Ruled = (Vec<Operation>, Vec<Overlap>);

/// Where in the text the rules of an operation stand, and its index.
type Stands = (Range<usize>, usize);

/// A policy that is about to be written.
struct Draft<'d> {
    title: &'d str,
    served: &'d [(Site, Vec<usize>)],
    /// Of the services.
    names: &'d [String],
    document: Option<&'d str>,
    declarations: String,
    /// What lies beside the policy.
    files: &'d BTreeMap<String, String>,
}

impl Draft<'_> {
    /// The policy's text and the operations of each service, so that the checker takes it: what it refuses is left out,
    /// with a note.
    fn settled(
        &self,
        operations: &mut [Operation],
        notes: &mut Vec<String>,
    ) -> Result<(String, Vec<Ruled>), ImportError> {
        let mut beside: BTreeMap<String, Vec<u8>> = self
            .files
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into_bytes()))
            .collect();
        beside.extend(self.document.map(|name| (name.to_owned(), b"{}".to_vec())));
        for _ in 0..ROUNDS_MAX {
            let (policy, services, ranges) = self.text(operations);
            let checked = portcullis_lang::check::load_text_with(&policy, &beside);
            if checked.policy.is_some() {
                return Ok((policy, services));
            }
            let errors = checked
                .diagnostics
                .iter()
                .filter(|d| d.severity == Severity::Error);
            let mut refused: BTreeMap<usize, String> = BTreeMap::new();
            let mut elsewhere = None;
            for error in errors {
                let at = usize::try_from(error.span.start).unwrap_or(usize::MAX);
                let found = ranges.iter().find(|(range, _)| range.contains(&at));
                match found.filter(|(_, i)| operations.get(*i).is_some_and(|o| !o.grants.is_empty())) {
                    Some((_, i)) => {
                        refused
                            .entry(*i)
                            .or_insert_with(|| format!("{}, {}", error.code, error.message));
                    }
                    None => elsewhere = Some(format!("{}, {}", error.code, error.message)),
                }
            }
            if refused.is_empty() {
                let why = elsewhere.unwrap_or_default();
                return Err(Place::root().error(format!("no policy can be made of it: {why}")));
            }
            for (i, why) in refused {
                if let Some(operation) = operations.get_mut(i) {
                    operation.grants.clear();
                    notes.push(format!(
                        "{} {}: its rule is left out, the checker says: {why}",
                        operation.method, operation.path
                    ));
                }
            }
        }
        Err(Place::root().error(format!(
            "no policy can be made of it in {ROUNDS_MAX} rounds of leaving out"
        )))
    }

    /// The text, and where in it the rules of which operation stand.
    fn text(&self, operations: &[Operation]) -> (String, Vec<Ruled>, Vec<Stands>) {
        let (mut policy, mut services, mut ranges) = (self.declarations.clone(), Vec::new(), Vec::new());
        for ((site, indices), name) in self.served.iter().zip(self.names) {
            let own: Vec<Operation> = indices
                .iter()
                .filter_map(|i| operations.get(*i))
                .cloned()
                .collect();
            let overlaps = overlap::find(&own);
            policy.push('\n');
            let stand = gate::service(
                &mut policy,
                name,
                self.title,
                site,
                self.document,
                &own,
                &overlaps,
            );
            ranges.extend(stand.into_iter().zip(indices.iter().copied()));
            services.push((own, overlaps));
        }
        (policy, services, ranges)
    }
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
    let mut bytes_left = DOCUMENTS_BYTES_MAX;
    let mut resolve = |wanted: &str| beside(folder, &file_name, wanted, &mut bytes_left);
    let skeleton = openapi(&name, root, &options, &mut resolve).map_err(trouble)?;
    hand_out(&skeleton, args.output.as_deref(), args.force, output)
}

/// Writes the files of an import into a folder, or without one shows the first, and tells the notes.
fn hand_out(
    skeleton: &Skeleton,
    to: Option<&Path>,
    force: bool,
    output: &mut Output,
) -> Result<Exit, CliError> {
    match to {
        None => {
            for (name, text) in skeleton.files.iter().take(1) {
                output.note(format!("# {name}"))?;
                output.raw(text.as_bytes())?;
            }
        }
        Some(to) => write(to, &skeleton.files, force, output)?,
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
fn beside(folder: &Path, first: &str, wanted: &str, bytes_left: &mut u64) -> Result<Value, ImportError> {
    let fail = |problem: &dyn std::fmt::Display| ImportError::file(wanted, problem);
    let root = folder.canonicalize().map_err(|e| fail(&e))?;
    let path = folder.join(wanted).canonicalize().map_err(|e| fail(&e))?;
    if !path.starts_with(&root) {
        return Err(fail(&format!("lies outside the folder of `{first}`")));
    }
    // A pipe or a device would be waited for.
    if !path.is_file() {
        return Err(fail(&"is not a regular file"));
    }
    let bytes = read_limited(&path, DOCUMENT_BYTES_MAX).map_err(|e| fail(&e))?;
    *bytes_left = bytes_left
        .checked_sub(bytes.len() as u64)
        .ok_or(ImportError::Limit {
            limit: "bytes in the files beside the first one",
            most: DOCUMENTS_BYTES_MAX,
        })?;
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
        if text == NO_KEYS && path.exists() {
            continue;
        }
        crate::write::replace(&path, text.as_bytes())?;
        output.note(format!("wrote {}", path.display()))?;
    }
    Ok(())
}
