//! A path -> something that decides: a policy compiled on the spot, or an image, with the data beside it.

pub mod bodies;
pub mod sequence;
pub mod smoke;
pub mod trust;

use std::path::{Path, PathBuf};

use portcullis::image::ids::RuleId;
use portcullis::{Carries, Data, Engine, Exchange, Image, Now, RequestView, Snapshot, Trust, Worker};
use portcullis_bridge::OwnedRequest;
use portcullis_compile::CompileOptions;
use portcullis_lang::diagnostic::Severity;
use portcullis_lang::model::Policy;
use portcullis_lang::source::{Files as _, Sources};
use portcullis_vectors::Vector;

use crate::error::{CliError, shown};
use crate::folder::{Folder, Loaded, load_policy};
use crate::output::{DOUBT, Output, clean, paint};
use trust::TrustArgs;

/// Largest image read, bytes.
pub const IMAGE_BYTES_MAX: u64 = 1 << 31;

/// What requests are put to.
pub struct Subject {
    /// As given.
    pub path: String,
    /// Image and data.
    pub snapshot: Snapshot,
    /// The model and its text; an image has neither.
    pub source: Option<(Policy, Sources)>,
    /// Vector files beside the policy.
    pub vectors: Vec<PathBuf>,
    engine: Engine,
    worker: Worker,
}

/// The command shows what an allow asks for. Nothing is charged; bodies that are at hand are judged.
const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

/// Begins an exchange, which says what the engine decides and why no allow granted.
pub fn begin(engine: &Engine, worker: &mut Worker, request: &RequestView<'_>, now: Now) -> Exchange {
    let mut exchange = Exchange::new();
    exchange.explain_denials(true);
    engine.begin(&mut exchange, worker, request, CARRIES, now);
    exchange
}

/// Whether a path names policy text (a folder or a `.gate` file) and not an image.
pub fn is_text(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|e| e == "gate")
}

/// A policy that checks, its diagnostics shown.
pub fn checked_policy(path: &Path, output: &mut Output) -> Result<(Policy, Sources, Folder), CliError> {
    let Loaded { checked, mut folder } = load_policy(path)?;
    let errors = checked
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    match checked.policy {
        Some(policy) if errors == 0 => Ok((policy, checked.sources, folder)),
        _ => {
            let color = output.colored_notes();
            output.note(portcullis_lang::render::render(
                &checked.diagnostics,
                &checked.sources,
                color,
            ))?;
            match folder.broken.is_empty() {
                true => Err(CliError::Policy {
                    path: shown(path),
                    errors,
                }),
                false => Err(folder.broken.swap_remove(0)),
            }
        }
    }
}

/// A model -> an image that passed the engine's own door.
pub fn compile(policy: &Policy, path: &Path) -> Result<(Vec<u8>, Image), CliError> {
    compile_with(policy, path, &CompileOptions::default())
}

/// The same, with a say in what goes into the image.
pub fn compile_with(
    policy: &Policy,
    path: &Path,
    options: &CompileOptions,
) -> Result<(Vec<u8>, Image), CliError> {
    let bytes = portcullis_compile::compile_with(policy, options).map_err(|source| CliError::Compile {
        path: shown(path),
        source: Box::new(source),
    })?;
    let image = Image::load(&bytes, &Trust::Unsigned).map_err(|e| CliError::image(path, e))?;
    Ok((bytes, image))
}

impl Subject {
    /// Opens a policy or an image. `data` is the folder of lists and tables; without it, it is the policy's own
    /// folder, or the one an image lies in.
    pub fn open(
        path: &Path,
        data: Option<&Path>,
        trust: &TrustArgs,
        output: &mut Output,
    ) -> Result<Subject, CliError> {
        if !is_text(path) {
            let snapshot = open_image(path, data, trust, output)?;
            return Ok(Subject::of_snapshot(path, snapshot));
        }
        trust.takes_text(path)?;
        let (policy, sources, mut folder) = checked_policy(path, output)?;
        let (_, image) = compile(&policy, path)?;
        let vectors = std::mem::take(&mut folder.vectors);
        let folder = match data {
            Some(data) => Folder::data_only(data)?,
            None => folder,
        };
        let data = load_data(&image, &folder, output)?;
        Ok(Subject {
            source: Some((policy, sources)),
            vectors,
            ..Subject::of_snapshot(path, Snapshot::new(image, data))
        })
    }

    /// A subject of what is loaded already.
    pub fn of_snapshot(path: &Path, snapshot: Snapshot) -> Subject {
        Subject {
            path: shown(path),
            engine: Engine::from(snapshot.clone()),
            snapshot,
            source: None,
            vectors: Vec::new(),
            worker: Worker::default(),
        }
    }

    /// A subject of an image that was made on the spot; data complaints were shown with the policy it came from.
    pub fn of_image(path: &Path, image: Image, folder: &Folder) -> Subject {
        let (data, _) = Data::load(image.config(), &|name| folder.read(name));
        Subject::of_snapshot(path, Snapshot::new(image, data))
    }

    /// What the engine says of a request.
    pub fn decide(&mut self, request: &RequestView<'_>, now: Now) -> Exchange {
        begin(&self.engine, &mut self.worker, request, now)
    }

    /// What exchanges of this subject are carried on with.
    pub fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    /// The exchange of a request as its vector has it, at its own time, with its body handed over where it has one.
    pub fn ask(&mut self, request: &OwnedRequest) -> Exchange {
        let mut exchange = request.with_view(|view| self.decide(view, request.now()));
        request.hand_over_body(&mut exchange, &mut self.worker);
        exchange
    }

    /// The verdict on a vector as its one line, with what the client gets where the vector says what the upstream answers;
    /// else what of the vector cannot be read.
    pub fn verdict(&mut self, vector: &Vector) -> Result<String, String> {
        let request = OwnedRequest::from_vector(vector)?;
        let mut exchange = self.ask(&request);
        request.line(&mut exchange, &mut self.worker, &vector.id)
    }

    /// Id of a rule that a decision names.
    pub fn rule_id(&self, rule: RuleId) -> &str {
        self.snapshot
            .image
            .config()
            .rules
            .get(rule.index())
            .map_or("", |r| r.id)
    }
}

/// An image that may be used, with its data: its seal was judged as `trust` says and its smoke cases hold.
pub fn open_image(
    path: &Path,
    data: Option<&Path>,
    trust: &TrustArgs,
    output: &mut Output,
) -> Result<Snapshot, CliError> {
    let admitted = trust.admit(path, output)?;
    let data = data_beside(path, data, &admitted.image, output)?;
    let image = trust.activate(path, admitted, &data, output)?;
    Ok(Snapshot::new(image, data))
}

/// Lists and tables of an image: of a folder, else of the one that the image lies in.
pub fn data_beside(
    path: &Path,
    folder: Option<&Path>,
    image: &Image,
    output: &mut Output,
) -> Result<Data, CliError> {
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = Folder::data_only(folder.or(beside).unwrap_or(Path::new(".")))?;
    load_data(image, &folder, output)
}

/// Lists and tables of an image. What could not be loaded is shown and counts as never loaded.
pub fn load_data(image: &Image, folder: &Folder, output: &mut Output) -> Result<Data, CliError> {
    let (data, errors) = Data::load(image.config(), &|name| folder.read(name));
    for error in errors {
        output.note(format_args!(
            "{}: {}",
            paint(DOUBT, "data"),
            clean(&error.to_string())
        ))?;
    }
    for refused in folder.refused() {
        output.note(format_args!("{}: {}", paint(DOUBT, "refused"), clean(&refused)))?;
    }
    Ok(data)
}
