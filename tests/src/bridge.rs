//! A checked policy -> a subject that answers vectors with verdict lines, as every host does.

use std::collections::BTreeMap;

use portcullis::{Carries, Data, Engine, Exchange, Image, Snapshot, Worker};
use portcullis_bridge::OwnedRequest;
use portcullis_compile::{CompileOptions, Form};
use portcullis_lang::model::Policy;
use portcullis_vectors::{Received, Vector};

/// A policy in the engine: compiled to an image, loaded through the image's door, with its data.
pub struct Subject {
    snapshot: Snapshot,
    engine: Engine,
}

/// A verdict line tells what an allow asks for, so a host of lines carries out everything; but it asks nobody about a
/// token.
const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

impl Subject {
    /// Compiles and loads; `files` are lists and tables by name.
    pub fn compile(policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Result<Subject, String> {
        Subject::compile_as(policy, files, Form::Auto)
    }

    /// As [`Subject::compile`], with entries in one form.
    pub fn compile_as(
        policy: &Policy,
        files: &BTreeMap<String, Vec<u8>>,
        form: Form,
    ) -> Result<Subject, String> {
        let bytes = portcullis_compile::compile_with(
            policy,
            &CompileOptions {
                form,
                ..CompileOptions::default()
            },
        )
        .map_err(|e| format!("compile: {e}"))?;
        Subject::load(&bytes, files)
    }

    /// The image's digest, as a verdict line writes it.
    pub fn digest(&self) -> String {
        let digest = self.snapshot.image.digest();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The engine with the policy in force.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.snapshot.image
    }

    /// Of an image.
    pub fn load(image: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<Subject, String> {
        let image = Image::load(image, &portcullis::Trust::Unsigned).map_err(|e| format!("load: {e}"))?;
        let (data, _) = Data::load(image.config(), &|name| files.get(name).cloned());
        let snapshot = Snapshot::new(image, data);
        Ok(Subject {
            engine: Engine::from(snapshot.clone()),
            snapshot,
        })
    }

    /// The verdict line of a vector.
    pub fn line(&self, vector: &Vector) -> Result<String, String> {
        self.line_with(vector, &mut Worker::default())
    }

    /// Whether the body is read before the decision: the request is a message that is signed and in time.
    pub fn reads_body_first(&self, vector: &Vector) -> Result<bool, String> {
        let request = OwnedRequest::from_vector(vector)?;
        let (mut exchange, mut worker) = (Exchange::new(), Worker::default());
        request.with_view(|view| {
            self.engine
                .begin(&mut exchange, &mut worker, view, CARRIES, request.now());
        });
        Ok(!exchange.is_decided())
    }

    /// As [`Subject::line`] with a worker that is used again and again.
    pub fn line_with(&self, vector: &Vector, worker: &mut Worker) -> Result<String, String> {
        let request = OwnedRequest::from_vector(vector)?;
        let mut exchange = Exchange::new();
        exchange.explain_denials(true);
        request.with_view(|view| {
            self.engine
                .begin(&mut exchange, worker, view, CARRIES, request.now());
        });
        request.hand_over_body(&mut exchange, worker);
        Ok(exchange.to_json(&vector.id))
    }

    /// What the client gets of a vector that says what the upstream answers; its body in parts of so many bytes, or in those
    /// that the vector says.
    pub fn client(&self, vector: &Vector, size: Option<usize>) -> Result<Option<Received>, String> {
        let request = OwnedRequest::from_vector(vector)?;
        let (mut exchange, mut worker) = (Exchange::new(), Worker::default());
        request.with_view(|view| {
            self.engine
                .begin(&mut exchange, &mut worker, view, CARRIES, request.now());
        });
        request.hand_over_body(&mut exchange, &mut worker);
        match size {
            None => request.client(&mut exchange, &mut worker),
            Some(size) => request.client_in_parts(size, &mut exchange, &mut worker),
        }
    }
}
