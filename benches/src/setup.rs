//! Gate text -> a snapshot to decide with. Knows no requests.

use std::collections::BTreeMap;

use portcullis::{Data, Image, Snapshot, Trust};
use portcullis_lang::check::{self, Checked};
use portcullis_lang::model::Policy;

use crate::shapes::Shape;

/// Why a policy did not become a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The text has errors.
    #[error("the policy has errors: {0}")]
    Policy(String),
    /// The model does not compile.
    #[error("the policy does not compile: {0}")]
    Compile(#[from] portcullis_compile::CompileError),
    /// The image does not load.
    #[error("the image does not load: {0}")]
    Load(#[from] portcullis::LoadError),
}

/// Text to model.
pub fn model(text: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Policy, SetupError> {
    checked(check::load_text_with(text, files))
}

/// Text to image.
pub fn image(text: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, SetupError> {
    Ok(portcullis_compile::compile(&model(text, files)?)?)
}

/// A shape's policy to image.
pub fn shape_image(shape: &Shape) -> Result<Vec<u8>, SetupError> {
    Ok(portcullis_compile::compile(&checked(shape.case.check())?)?)
}

fn checked(checked: Checked) -> Result<Policy, SetupError> {
    let first = checked.diagnostics.first().map(|d| format!("{d:?}"));
    checked
        .policy
        .ok_or(SetupError::Policy(first.unwrap_or_default()))
}

/// Image to snapshot, without lists and tables.
pub fn snapshot(image: &[u8]) -> Result<Snapshot, SetupError> {
    let image = Image::load(image, &Trust::Unsigned)?;
    let data = Data::empty(image.config());
    Ok(Snapshot::new(image, data))
}
