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
    #[error("{} at `{pointer}`: {problem}", if .file.is_empty() { "the document".to_owned() } else { format!("`{file}`") })]
    At {
        /// The file, `""` for the first one.
        file: String,
        /// JSON pointer into it.
        pointer: String,
        /// What is wrong.
        problem: String,
    },
    /// The documents are larger than an import takes.
    #[error("the import ends: more than {most} {limit}")]
    Limit {
        /// What there is too much of.
        limit: &'static str,
        /// How many of them are taken.
        most: u64,
    },
}

impl ImportError {
    /// Whether the whole import ends with it; every other error costs the place it is about.
    pub fn is_limit(&self) -> bool {
        matches!(self, ImportError::Limit { .. })
    }

    /// An error about a whole file.
    pub fn file(file: &str, problem: impl ToString) -> ImportError {
        ImportError::File {
            file: file.to_owned(),
            problem: problem.to_string(),
        }
    }
}
