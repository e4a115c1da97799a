//! A response's bytes, cut anywhere, and what is to be redacted -> the same bytes without it. Untouched bytes go out as they
//! came, all of them are checked to be JSON, and memory is bounded by depth, not by size.
//!
//! Invariant: once a fault is seen nothing more is put out, and what was held back is not. Knows no media types and no hosts.

// merged redactions -> what happens at a state of the paths
mod plan;
// open containers -> objects and arrays
mod nest;
// names that came before -> where they led
mod members;
// whole tokens -> where they end
mod whole;
// JSON texts -> tokens -> kept, changed or left out
mod text_scan;
// a value's text -> its hash, mask or beginning
mod value;
// bytes of strings -> characters
mod string;
// lines and events -> JSON texts
mod framing;

pub(crate) use crate::image::paths::{PathId, PathState, PathSteps};
pub(crate) use framing::Framing;

use super::{Sink, Unreadable};
use crate::decision::ResponseDemand;
use crate::image::config::Config;
use framing::Frames;
use plan::Plan;
use portcullis_crypto::Secret;
use text_scan::TextScan;

/// One response under way. Its buffers are used again by the next one.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    plan: Plan,
    text: TextScan,
    frames: Frames,
}

/// What a scan needs beside its own state.
struct Context<'c, P> {
    paths: P,
    plan: &'c mut Plan,
    key: Option<&'c Secret>,
    out: &'c mut dyn Sink,
}

impl Redactor {
    /// Begins a response under what binds. `has_key` says whether the redaction key was loaded: `hash` drops without it.
    pub(crate) fn begin(
        &mut self,
        demand: &ResponseDemand<'_>,
        config: &Config,
        states: usize,
        has_key: bool,
        framing: Framing,
    ) {
        self.plan.begin(demand, &config.paths, states, has_key);
        self.text.begin();
        self.text.forget_names();
        self.frames.begin(framing);
    }

    /// A part of the response; `out` gets what of it, and of what was held back before, may go on.
    ///
    /// # Errors
    ///
    /// Why it cannot be read. Then nothing of it may go on any more.
    pub(crate) fn push<P: PathSteps>(
        &mut self,
        paths: P,
        key: Option<&Secret>,
        chunk: &[u8],
        out: &mut dyn Sink,
    ) -> Result<(), Unreadable> {
        let mut context = Context {
            paths,
            plan: &mut self.plan,
            key,
            out,
        };
        self.frames.push(&mut self.text, &mut context, chunk)
    }

    /// The response has ended.
    ///
    /// # Errors
    ///
    /// Where it ended before it was whole.
    pub(crate) fn end<P: PathSteps>(
        &mut self,
        paths: P,
        key: Option<&Secret>,
        out: &mut dyn Sink,
    ) -> Result<(), Unreadable> {
        let mut context = Context {
            paths,
            plan: &mut self.plan,
            key,
            out,
        };
        self.frames.end(&mut self.text, &mut context)
    }
}
