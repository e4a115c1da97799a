//! Where things stand in an image. One place for writer, validator and reader.
//!
//! ```text
//! 0   magic "PCULLIS\0"        32 header: version, section count, total length
//! 8   SHA-256 over everything with these 32 bytes zero
//! 56  section table: id, reserved, offset, length (u32, u32, u64, u64) each
//! ..  CONFIG (wire), WORDS (u32, little-endian), BYTES
//! ```

/// First bytes of every image.
pub(crate) const MAGIC: [u8; 8] = *b"PCULLIS\0";
/// Version of the format; another one is refused. Raised with every change of layout or meaning.
pub const FORMAT_VERSION: u32 = 1;
/// Where the digest stands.
pub(crate) const DIGEST_AT: usize = 8;
/// Length of the fixed header.
pub(crate) const HEADER: usize = 56;
/// Length of an entry of the section table.
pub(crate) const SECTION: usize = 24;

/// Section ids.
pub(crate) const CONFIG: u32 = 1;
/// Words of routes, graphs, tables.
pub(crate) const WORDS: u32 = 2;
/// Byte pool.
pub(crate) const BYTES: u32 = 3;
/// All sections, each exactly once, in this order.
pub(crate) const SECTIONS: [u32; 3] = [CONFIG, WORDS, BYTES];

/// The directory: fixed words at the start of WORDS.
pub(crate) mod dir {
    /// Text map: method -> id. Others have the id `METHODS`.
    pub(crate) const METHOD_MAP: u32 = 0;
    /// How many methods.
    pub(crate) const METHODS: u32 = 1;
    /// Text map: `=host`, `*suffix`, `+suffix`, `` -> group.
    pub(crate) const HOST_MAP: u32 = 2;
    /// Host groups: option bits, root of bases.
    pub(crate) const GROUPS: u32 = 3;
    /// Their number.
    pub(crate) const GROUP_COUNT: u32 = 4;
    /// Text map: literal segment -> id.
    pub(crate) const SEGMENT_MAP: u32 = 5;
    /// Pair map: base node, segment -> base node.
    pub(crate) const BASE_EDGES: u32 = 6;
    /// Base nodes: service + 1 or 0.
    pub(crate) const BASES: u32 = 7;
    /// Their number.
    pub(crate) const BASE_COUNT: u32 = 8;
    /// Pair map: state, segment -> state.
    pub(crate) const ROUTE_EDGES: u32 = 9;
    /// States.
    pub(crate) const STATES: u32 = 10;
    /// Their number; state 0 is dead.
    pub(crate) const STATE_COUNT: u32 = 11;
    /// Services: root state, accept of requests without a path.
    pub(crate) const SERVICES: u32 = 12;
    /// Their number.
    pub(crate) const SERVICE_COUNT: u32 = 13;
    /// Accepts: a row offset for each kind of exchange.
    pub(crate) const ACCEPTS: u32 = 14;
    /// Their number.
    pub(crate) const ACCEPT_COUNT: u32 = 15;
    /// Entry offsets.
    pub(crate) const ENTRIES: u32 = 16;
    /// Their number.
    pub(crate) const ENTRY_COUNT: u32 = 17;
    /// Variables.
    pub(crate) const VARS: u32 = 18;
    /// Their number.
    pub(crate) const VAR_COUNT: u32 = 19;
    /// First word of the nodes.
    pub(crate) const NODES: u32 = 20;
    /// One past their last word.
    pub(crate) const NODES_END: u32 = 21;
    /// Heads of denies: rule, certain, status.
    pub(crate) const HEADS: u32 = 22;
    /// Their number.
    pub(crate) const HEAD_COUNT: u32 = 23;
    /// Pattern tables (automata offsets) that obligations name.
    pub(crate) const PATTERNS: u32 = 24;
    /// Their number.
    pub(crate) const PATTERN_COUNT: u32 = 25;
    /// Length of the directory.
    pub(crate) const LEN: u32 = 26;
}

/// Words of a host group.
pub(crate) const GROUP: u32 = 2;
/// Words of a state: default next, automaton or 0, next states by class (offset, count), accept plain, accept slash.
pub(crate) const STATE: u32 = 6;
/// Words of a service.
pub(crate) const SERVICE: u32 = 2;
/// Kinds of exchange: none, websocket, other upgrade; each plain and gRPC.
pub(crate) const KINDS: u32 = 6;
/// Words of a variable: kind and up to seven parameters.
pub(crate) const VAR: u32 = 8;
/// Words of a deny head.
pub(crate) const HEAD: u32 = 3;

/// Set on a node reference that is a leaf; the rest is its value.
pub(crate) const LEAF: u32 = 1 << 31;

/// Words of an entry before its arrays.
pub(crate) mod entry {
    /// [`super::fallback`]
    pub(crate) const FALLBACK: u32 = 0;
    /// Text of the Allow header.
    pub(crate) const ALLOW: u32 = 1;
    /// Credential kinds its allows read.
    pub(crate) const KINDS: u32 = 2;
    /// Sub-condition variables to evaluate first: ids.
    pub(crate) const SUBS: u32 = 3;
    /// Deny graphs: roots, in order of rank.
    pub(crate) const DENY: u32 = 4;
    /// Allow graphs: roots.
    pub(crate) const GRANT: u32 = 5;
    /// Graphs of allows that lack only acr or age: roots.
    pub(crate) const AGE: u32 = 6;
    /// Graphs of allows that lack only scopes: roots.
    pub(crate) const SCOPE: u32 = 7;
    /// Allows with a body: rule, root.
    pub(crate) const OBLIGE: u32 = 8;
    /// Standing rules: rule, true root, maybe root.
    pub(crate) const STANDING: u32 = 9;
    /// Reported rules: rule, true root, maybe root.
    pub(crate) const REPORT: u32 = 10;
    /// Explanations: offset of a record: rule, count, (kind, text, root)*.
    pub(crate) const CLOSEST: u32 = 11;
    /// Offsets of the filters of the arrays from [`DENY`] to [`REPORT`], 0 for none; or 0 where there are none.
    pub(crate) const FILTERS: u32 = 12;
    /// Length of the head.
    pub(crate) const LEN: u32 = 13;
    /// Words of an item of each array, from [`SUBS`] on.
    pub(crate) const ITEM: [u32; 9] = [1, 1, 1, 1, 1, 2, 3, 3, 1];
}

/// A filter: which items of an array can say something. Offsets are from its own first word, and all parts follow each
/// other without a gap: columns, then of each its default bitmap, its classes, their patches.
pub(crate) mod filter {
    /// Items of the array, a bit each.
    pub(crate) const ROWS: u32 = 0;
    /// How many columns.
    pub(crate) const COLUMNS: u32 = 1;
    /// Length of the head.
    pub(crate) const LEN: u32 = 2;
    /// Words of a column: variable, offset of its default bitmap, classes (offset, count).
    pub(crate) const COLUMN: u32 = 4;
    /// Words of a class: class, its patches (offset, count); ascending.
    pub(crate) const CLASS: u32 = 3;
    /// Words of a patch: index of a word, that word; ascending.
    pub(crate) const PATCH: u32 = 2;
}

/// What an entry answers where no allow applies.
pub(crate) mod fallback {
    /// 404
    pub(crate) const NO_ROUTE: u32 = 0;
    /// 405
    pub(crate) const METHOD: u32 = 1;
    /// The classes of section 6.
    pub(crate) const CLASSES: u32 = 2;
}

/// Kinds of lacks in an explanation.
pub(crate) mod lack {
    /// A scope; the text.
    pub(crate) const SCOPE: u32 = 0;
    /// The rule's acr.
    pub(crate) const ACR: u32 = 1;
    /// The rule's age.
    pub(crate) const AGE: u32 = 2;
    /// A condition; the text.
    pub(crate) const CONDITION: u32 = 3;
}

/// Kinds of variables, with their parameters. Class 0 is unknown; of three-valued tests 1 is false and 2 true;
/// two-valued tests have only these two.
pub(crate) mod var {
    /// slot, text map: other is 1, literals from 2.
    pub(crate) const TEXT: u32 = 0;
    /// slot, thresholds.
    pub(crate) const NUMBER: u32 = 1;
    /// slot, automaton: 1 + class.
    pub(crate) const PATTERN: u32 = 2;
    /// slot, ranges.
    pub(crate) const ADDRESS: u32 = 3;
    /// set slot, element (offset, length).
    pub(crate) const ELEMENT: u32 = 4;
    /// slot: 1 where it is known.
    pub(crate) const KNOWN: u32 = 5;
    /// slot
    pub(crate) const BOOL: u32 = 6;
    /// slot (two-valued)
    pub(crate) const EXISTS: u32 = 7;
    /// credential kind, index (two-valued)
    pub(crate) const ANCHOR: u32 = 8;
    /// credential kind (two-valued)
    pub(crate) const PRESENTED: u32 = 9;
    /// credential kind (two-valued)
    pub(crate) const VALID: u32 = 10;
    /// left slot, right slot, operator, ignore case.
    pub(crate) const COMPARE: u32 = 11;
    /// set slot, element slot.
    pub(crate) const CONTAINS: u32 = 12;
    /// slot, list.
    pub(crate) const LIST: u32 = 13;
    /// `now` slot, hours.
    pub(crate) const HOURS: u32 = 14;
    /// slot, name (offset, length), threshold low, high, whole (1: every value).
    pub(crate) const SAMPLE: u32 = 15;
    /// auth_time slot, now slot, µs low, high (two-valued).
    pub(crate) const AGE: u32 = 16;
    /// root of a graph with leaves 0 and 1 (two-valued).
    pub(crate) const SUB: u32 = 17;
}

/// Comparison operators of [`var::COMPARE`].
pub(crate) mod op {
    /// `==`
    pub(crate) const EQ: u32 = 0;
    /// `!=`
    pub(crate) const NE: u32 = 1;
    /// `<`
    pub(crate) const LT: u32 = 2;
    /// `<=`
    pub(crate) const LE: u32 = 3;
    /// `>`
    pub(crate) const GT: u32 = 4;
    /// `>=`
    pub(crate) const GE: u32 = 5;
}
