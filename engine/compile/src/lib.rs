//! checked model --[`Plan::of`]--> [`Plan`] --emit--> image bytes. Deterministic: equal models give equal bytes. Knows no
//! syntax, no requests and no hosts; may be slow and allocate.
//!
//! A plan is the policy as decision graphs: `lower` turns rules into tests over facts, `vars` into variables with
//! classes, `routes` paths into an automaton, and `entries` what meets at one of its ends into graphs. An image is what
//! [`compile`] writes of it; [`inspect()`] reads an image for people and budgets.

// model -> model without some of its facts
mod accept;
pub mod approximate;

// model -> plan
pub mod bitmap;
mod config;
mod diagnostic;
pub mod entries;
pub mod graph;
mod hash;
mod hours;
mod instances;
pub mod lower;
mod number;
pub mod paths;
pub mod pattern;
mod plan;
mod regexes;
pub mod routes;
mod shapes;
mod slots;
pub mod vars;

// plan -> image
mod emit;

// image -> what people want to know of it
pub mod inspect;

pub use inspect::{Inspection, inspect};
pub use plan::Plan;
pub use regexes::check_patterns;

use diagnostic::{path_patterns, redaction_paths};
use portcullis_lang::Span;
use portcullis_lang::model::{Effect, Policy};

/// A policy that is right but cannot be compiled within bounds. Never a partial image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A regex or glob whose automaton would be too large.
    #[error("the pattern `{pattern}` needs too large an automaton")]
    PatternTooLarge {
        /// As the automaton's regex.
        pattern: String,
        /// The rule that tests it, where one does.
        span: Option<Span>,
    },
    /// Captures of one segment whose automaton would be too large, mostly because their regexes overlap.
    #[error("rule `{rule}`: {}", path_patterns(pattern, *others))]
    PathPatternsTooLarge {
        /// Id of the first rule with which it is too large.
        rule: String,
        /// The rule's target.
        span: Span,
        /// The rule's capture as written; as the automaton's regex where it is of another kind than a regex.
        pattern: String,
        /// Captures of other rules at the same segment that fit without this one.
        others: usize,
        /// What the rule does.
        effect: Effect,
        /// Name and regex of the capture; `None` where it is of another kind.
        capture: Option<(String, String)>,
    },
    /// Patterns that overlap so much that their states multiply.
    #[error("the routes of service `{service}` overlap too much: more than {max} states")]
    RoutesTooAmbiguous {
        /// Service name.
        service: String,
        /// Where it is declared.
        span: Span,
        /// Limit.
        max: usize,
    },
    /// Paths of redactions whose automaton would be too large: `**` before further steps, or `*`, that overlap much.
    #[error("service `{service}`: {}", redaction_paths(path, *others))]
    RedactionPathsTooLarge {
        /// Service name.
        service: String,
        /// The first rule with which it is too large.
        span: Span,
        /// The path with which it is too large.
        path: String,
        /// Paths of the service that fit without this one.
        others: usize,
    },
    /// A redaction of a model that no checker made.
    #[error("`{path}` is not a JSON path")]
    RedactionPath {
        /// As the model has it.
        path: String,
    },
    /// A time zone that the bundled database does not have.
    #[error("the time zone `{zone}` is not in the bundled database")]
    Zone {
        /// IANA name.
        zone: String,
    },
    /// A set header whose capture stands at different places in the rule's targets.
    #[error(
        "rule `{rule}`: `path.{capture}` stands at different places in its targets; give each target its own rule"
    )]
    AmbiguousCapture {
        /// Rule id.
        rule: String,
        /// Capture name.
        capture: String,
    },
    /// Texts of one table that no seed tells apart: by chance this does not happen.
    #[error("{texts} texts of one table hash alike: change one of them")]
    TextsHashAlike {
        /// Texts of the table.
        texts: usize,
    },
    /// Rules that share a route and whose conditions are long.
    #[error(
        "deciding among the rules that meet where `{rule}` applies could take {steps} steps, {max} are allowed: shorten \
         their conditions or put what they share into one of them"
    )]
    TooManySteps {
        /// Id of one of the rules.
        rule: String,
        /// Nodes on the longest ways through all graphs of the entry.
        steps: u64,
        /// Limit.
        max: u64,
    },
    /// Conditions that are long and many.
    #[error(
        "the conditions of the policy need more than {max} decision nodes, reached at rule `{rule}`: shorten the \
         conditions, or divide the policy"
    )]
    TooManyNodes {
        /// Id of the rule at which the budget ended.
        rule: String,
        /// Limit.
        max: usize,
    },
    /// What was written is not what the image's door lets in: a fault of the compiler, found before it does harm.
    #[error("the compiled image is not in order, which is a fault of this compiler: {0}")]
    Unsound(#[source] portcullis::LoadError),
    /// Offsets are 31 bits wide.
    #[error("the image would be larger than {} bytes", portcullis::image::IMAGE_BYTES_MAX)]
    ImageTooLarge,
}

/// How an entry finds the rules that apply. The verdicts are the same in every form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One decision graph where merging the rules' graphs stays within its budget, rule bitmaps where it does not.
    #[default]
    Auto,
    /// Graphs alone, as many as merging leaves.
    Graphs,
    /// Rule bitmaps for every list of every entry.
    Bitmaps,
}

/// What goes into an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Explanations, which say what an allow lacked. No decision reads them.
    pub symbols: bool,
    /// The form of entries; another than [`Form::Auto`] is for tests that compare them.
    pub form: Form,
    /// Decision nodes that compiling may make, intermediate ones too, [`NODES_MAX`] by default: less of them for who
    /// compiles the policies of others in little memory.
    pub nodes_max: usize,
}

/// Decision nodes of one policy. Bounds the memory of compiling at about a gigabyte: more than three times what ten thousand conditions of depth 8
/// need.
pub const NODES_MAX: usize = 1 << 23;

impl Default for CompileOptions {
    fn default() -> CompileOptions {
        CompileOptions {
            symbols: true,
            form: Form::Auto,
            nodes_max: NODES_MAX,
        }
    }
}

/// Compiles a checked policy to an image: position-independent, with its digest, the same for the same policy.
pub fn compile(policy: &Policy) -> Result<Vec<u8>, CompileError> {
    compile_with(policy, &CompileOptions::default())
}

/// The same, with a say in what goes into the image.
pub fn compile_with(policy: &Policy, options: &CompileOptions) -> Result<Vec<u8>, CompileError> {
    emit::emit(Plan::of(policy, options)?, options)
}
