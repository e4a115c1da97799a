//! A vector -> the WASM module's own request struct, in wasmtime -> the verdict. A host like any other: it writes into
//! the module's memory, calls the C ABI's functions and reads what they have written; it holds no policy logic.

// request -> bytes in the module's memory
mod frame;
pub mod layout;

// the module in wasmtime
mod host;

// the plugin in wasmtime
pub mod proxy;

pub use frame::Frame;
pub use host::{Decided, Loaded, Module};

/// What can go wrong around the module; a denial is not among it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The module asks its host for something.
    #[error("the module imports {0}; it must import nothing")]
    Imports(String),
    /// wasmtime refused or trapped.
    #[error("the module failed: {0}")]
    Wasm(String),
    /// An export said no.
    #[error("`{export}` said {status}: {text}")]
    Call {
        /// Export.
        export: &'static str,
        /// Its status.
        status: i64,
        /// The module's error text.
        text: String,
    },
    /// The vector is no vector.
    #[error("vector `{id}`: {problem}")]
    Vector {
        /// Id.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl From<wasmtime::Error> for HostError {
    fn from(error: wasmtime::Error) -> HostError {
        HostError::Wasm(format!("{error:#}"))
    }
}

impl From<wasmtime::MemoryAccessError> for HostError {
    fn from(error: wasmtime::MemoryAccessError) -> HostError {
        HostError::Wasm(error.to_string())
    }
}

/// Names of what a module asks of its host, `module.name`, sorted.
fn import_names(module: &wasmtime::Module) -> Vec<String> {
    sorted(
        module
            .imports()
            .map(|import| format!("{}.{}", import.module(), import.name())),
    )
}

/// Names of what a module exports, sorted.
fn export_names(module: &wasmtime::Module) -> Vec<String> {
    sorted(module.exports().map(|export| export.name().to_string()))
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
