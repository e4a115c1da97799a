//! ASTs --names--> declarations --credentials, data, services--> model --conflicts, suite, lints--> checked policy
//!
//! Everything that section 1, 2, 4, 5, 7, 8 and 9 of the language ask of a policy before it may decide anything.
//! This module knows text and declarations; it evaluates no condition and sees no request.

pub mod limits;

// what all passes share
mod cx;
mod names;
mod report;
mod sources;

// text -> canonical values
mod beside;
mod hosts;
mod issuer_url;
mod json;
mod jsonpath;
mod literals;
mod paths;

// declarations -> model
mod accept;
mod apikeys;
mod canonical;
mod captures;
mod conditions;
mod credentials;
mod data;
mod facts;
mod keyset;
mod methods;
mod obligations;
mod origins;
mod quotas;
mod rules;
mod services;
mod signatures;
mod targets;

// the model as a whole
mod apart;
mod codes;
mod conflicts;
mod cycles;
mod disjoint;
mod lints;
mod meet;
mod reach;
mod suite;
mod texts;

pub use codes::{CODES, LINTS};

use crate::diagnostic::Diagnostic;
use crate::model::{HeaderAction, HeaderDirection, Policy};
use crate::source::{Files, Sources};
use std::collections::BTreeMap;

/// What one load yields.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The policy, unless an error was found.
    pub policy: Option<Policy>,
    /// Sorted by file name, place and code; at most [`limits::MAX_ERRORS`] errors.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the spans are in.
    pub sources: Sources,
}

/// Decodes, parses and checks the gate files of a policy and what they import through `files`.
/// The order of `gate_files` does not matter.
pub fn load(gate_files: &[(String, Vec<u8>)], files: &dyn Files) -> Checked {
    let mut sources = Sources::default();
    let report = report::Report::default();
    let parsed = sources::read(gate_files, files, &mut sources, &report);
    let unparsed = report.count() > 0;
    let names = names::Names::collect(&parsed, &report);
    let mut cx = cx::Cx::new(&sources, files, report, names, &parsed);
    cx.declare_methods(&parsed);
    cx.cycles();
    cx.credentials(&parsed);
    cx.data(&parsed);
    cx.named_quotas();
    cx.services(&parsed);
    cx.unused_conditions();
    cx.suite(&parsed);
    cx.policy.request_headers_set = request_headers_set(&cx.policy);
    cx.conflicts();
    cx.lints();
    let cx::Cx { report, policy, .. } = cx;
    let trees: Vec<_> = parsed.into_iter().map(|p| p.file).collect();
    let (mut diagnostics, failed) = report.finish(&sources, &trees);
    // What could not be parsed declares nothing: its names would all be reported as undeclared.
    if unparsed && diagnostics.iter().any(|d| d.code.starts_with("G00")) {
        diagnostics.retain(|d| d.code != "G0102");
    }
    Checked {
        policy: (!failed).then_some(policy),
        diagnostics,
        sources,
    }
}

/// Checks one file `policy.gate` without files beside it.
pub fn load_text(text: &str) -> Checked {
    load(&[("policy.gate".to_owned(), text.as_bytes().to_vec())], &())
}

/// Checks one file `policy.gate` with files beside it.
pub fn load_text_with(text: &str, files: &BTreeMap<String, Vec<u8>>) -> Checked {
    load(&[("policy.gate".to_owned(), text.as_bytes().to_vec())], files)
}

fn request_headers_set(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = policy
        .rules
        .iter()
        .flat_map(|r| &r.obligations.headers)
        .filter(|h| h.direction == HeaderDirection::Request && matches!(h.action, HeaderAction::Set(_)))
        .map(|h| h.name.clone())
        .collect();
    cx::sort_dedup(&mut names);
    names
}
