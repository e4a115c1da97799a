//! text of one statement -> pairs, by `grammar.pest`. Knows no trees and makes no complaints: what the pairs mean is
//! the business of `policy-lang/src/parse`.
//!
//! A crate of its own because the derived parser takes longer to compile than all that is written by hand around it.

pub use derived::{Gate, Rule};

/// Apart, because derived types carry no docs.
#[allow(missing_docs)]
mod derived {
    /// The parser of statements.
    #[derive(Debug, pest_derive::Parser)]
    #[grammar = "grammar.pest"]
    pub struct Gate;
}
