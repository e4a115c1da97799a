//! What can be wrong with a document, with the file and the JSON pointer it is wrong at.

/// Why a document could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file could not be read, or does not hold a document.
    #[error("`{file}`: {problem}")]
    File {
        /// The file as named.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Something in a document cannot be right.
    #[error("`{file}` at `{pointer}`: {problem}")]
    At {
        /// The file, `""` for the first one.
        file: String,
        /// JSON pointer into it.
        pointer: String,
        /// What is wrong.
        problem: String,
    },
}

impl ImportError {
    /// An error about a whole file.
    pub fn file(file: &str, problem: impl ToString) -> ImportError {
        ImportError::File {
            file: file.to_owned(),
            problem: problem.to_string(),
        }
    }
}
