//! text --parse--> AST --check--> policy model
//!
//! A file of Gate text becomes an AST that can be printed back to its author ([`ast`]); the ASTs of a whole
//! policy become one checked model ([`model`]) in which every name is resolved, every literal is canonical and
//! every type fits. What is wrong on the way is a list of [`Diagnostic`]s, never a panic and never a `Result`
//! that hides the second mistake behind the first.
//!
//! This crate knows no requests, no evaluation, no clock and no I/O: files come in through [`Files`].

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// positions and diagnostics, shared by all stages
pub mod diagnostic;
pub mod render;
pub mod source;

// text -> AST
pub mod ast;
pub mod parse;

// AST -> canonical text
pub mod format;

// ASTs -> model
pub mod check;
pub mod model;

pub use diagnostic::{Diagnostic, Severity};
pub use source::{FileId, Files, Sources, Span};
