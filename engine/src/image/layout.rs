//! Where things stand in an image. One place for writer, validator and reader.
//!
//! ```text
//! 0   magic "PCULLIS\0"        32 header: version, section count, total length
//! 8   SHA-256 over everything with these 32 bytes zero
//! 56  section table: id, reserved, offset, length (u32, u32, u64, u64) each
//! ..  CONFIG (wire), RULES (records, texts), WORDS (u32, little-endian), BYTES, and perhaps SYMBOLS
//! ```

/// First bytes of every image.
pub const MAGIC: [u8; 8] = *b"PCULLIS\0";
/// Version of the format; another one is refused. Raised with every change of layout or meaning.
pub const FORMAT_VERSION: u32 = 7;
/// Where the digest stands.
pub const DIGEST_AT: usize = 8;
/// Length of the fixed header.
pub const HEADER: usize = 56;
/// Length of an entry of the section table.
pub const SECTION: usize = 24;

/// Section ids.
pub const CONFIG: u32 = 1;
/// Words of routes, graphs, tables.
pub const WORDS: u32 = 2;
/// Byte pool.
pub const BYTES: u32 = 3;
/// What verdicts say of rules.
pub const RULES: u32 = 4;
/// Explanations; only for people, so an image may come without.
pub const SYMBOLS: u32 = 5;
/// All sections, each at most once, in this order; all but the last must be there.
pub const SECTIONS: [u32; 5] = [CONFIG, RULES, WORDS, BYTES, SYMBOLS];

/// The directory: fixed words at the start of WORDS.
pub mod dir {
    /// Text map: method -> id. Others have the id `METHODS`.
    pub const METHOD_MAP: u32 = 0;
    /// How many methods.
    pub const METHODS: u32 = 1;
    /// Text map: host or suffix, by kind of pattern ([`super::host`]) -> group.
    pub const HOST_MAP: u32 = 2;
    /// Host groups: option bits, root of bases.
    pub const GROUPS: u32 = 3;
    /// Their number.
    pub const GROUP_COUNT: u32 = 4;
    /// Text map: segment, by base node -> base node.
    pub const BASE_EDGES: u32 = 5;
    /// Base nodes: service + 1 or 0, with [`super::HAS_EDGES`].
    pub const BASES: u32 = 6;
    /// Their number.
    pub const BASE_COUNT: u32 = 7;
    /// Text map: literal segment, by state -> state.
    pub const ROUTE_EDGES: u32 = 8;
    /// States.
    pub const STATES: u32 = 9;
    /// Their number; state 0 is dead.
    pub const STATE_COUNT: u32 = 10;
    /// Services: root state, accept of requests without a path.
    pub const SERVICES: u32 = 11;
    /// Their number.
    pub const SERVICE_COUNT: u32 = 12;
    /// First word of the shapes.
    pub const SHAPES: u32 = 13;
    /// First word of the accepts, one past the shapes' last.
    pub const ACCEPTS: u32 = 14;
    /// One past their last word.
    pub const ACCEPTS_END: u32 = 15;
    /// First word of the nodes.
    pub const NODES: u32 = 16;
    /// One past their last word.
    pub const NODES_END: u32 = 17;
    /// Variables.
    pub const VARS: u32 = 18;
    /// Their number.
    pub const VAR_COUNT: u32 = 19;
    /// Sets whose elements are tested: slot, text map of elements to bits.
    pub const SETS: u32 = 20;
    /// Their number.
    pub const SET_COUNT: u32 = 21;
    /// Elements of all sets: bits of a decision's scratch.
    pub const BITS: u32 = 22;
    /// First word of the freshness records.
    pub const FRESH: u32 = 23;
    /// First word of the entries, one past the freshness records' last.
    pub const ENTRIES: u32 = 24;
    /// One past their last word.
    pub const ENTRIES_END: u32 = 25;
    /// How many entries.
    pub const ENTRY_COUNT: u32 = 26;
    /// Heads of denies: rule, status.
    pub const HEADS: u32 = 27;
    /// Their number.
    pub const HEAD_COUNT: u32 = 28;
    /// Pattern tables (automata offsets) that obligations name.
    pub const PATTERNS: u32 = 29;
    /// Their number.
    pub const PATTERN_COUNT: u32 = 30;
    /// Elements of sets by bit: offset and length of the text.
    pub const ELEMENTS: u32 = 31;
    /// Root state of the redaction paths of each service.
    pub const PATH_ROOTS: u32 = 32;
    /// States of redaction paths: [`super::PATH_STATE`].
    pub const PATH_STATES: u32 = 33;
    /// Their number; state 0 is dead.
    pub const PATH_STATE_COUNT: u32 = 34;
    /// Rows of redaction paths, which states that lead to the same states share: [`super::PATH_ROW`].
    pub const PATH_ROWS: u32 = 35;
    /// Their number; row 0 leads nowhere.
    pub const PATH_ROW_COUNT: u32 = 36;
    /// Text map: member, by row -> state.
    pub const PATH_EDGES: u32 = 37;
    /// Ends of the parts, in order, for `inspect`: [`super::PARTS`].
    pub const PART_ENDS: u32 = 38;
    /// Length of the directory.
    pub const LEN: u32 = PART_ENDS + super::PARTS.len() as u32;
}

/// Parts of WORDS, in order.
pub const PARTS: [&str; 8] = [
    "methods and hosts",
    "routes",
    "accepts",
    "nodes",
    "classifiers",
    "entries",
    "answers",
    "bodies",
];

/// Contexts of the host map.
pub mod host {
    /// Services without `on`; the empty text.
    pub const ANY: u32 = 0;
    /// A host.
    pub const EXACT: u32 = 1;
    /// The suffix of `*.suffix`.
    pub const ONE_LABEL: u32 = 2;
    /// The suffix of `**.suffix`.
    pub const LABELS: u32 = 3;
}

/// Words of an element: offset and length of its text.
pub const ELEMENT: u32 = 2;
/// Words of a host group.
pub const GROUP: u32 = 2;
/// Words of a state: default next (with [`HAS_EDGES`]), classes or 0, accept plain, accept slash. Classes are an
/// automaton, a count and next states.
pub const STATE: u32 = 4;
/// Set on a base or on a state's default where the edge map has edges of it: most have none, and no hash is needed.
pub const HAS_EDGES: u32 = 1 << 31;
/// Words of a state of redaction paths: row, list of the paths that end there. A list is a count and ids, ascending; offset
/// 0 is the empty one.
pub const PATH_STATE: u32 = 2;
/// Words of a row: next state of a member that no edge spells (with [`HAS_EDGES`]), next state of an element, indexes or 0,
/// list of the paths that may end below. Indexes are a count and pairs of an index and the next state, ascending.
pub const PATH_ROW: u32 = 4;
/// Words of a service.
pub const SERVICE: u32 = 2;
/// Kinds of exchange: none, websocket, other upgrade; each plain and gRPC.
pub const KINDS: u32 = 6;
/// Words of a variable.
pub const VAR: u32 = 2;
/// Words of a set.
pub const SET: u32 = 2;
/// Words of a deny head.
pub const HEAD: u32 = 2;

/// Set on a node reference that is a leaf; the rest is its value.
pub const LEAF: u32 = 1 << 31;

/// Nodes of graphs. The first word holds the form in its two highest bits and the variable in its lowest 22; between
/// them stands the class of the two-way forms.
pub mod node {
    /// Child of the class; 0 of every other.
    pub const FALL: u32 = 0;
    /// Child of the class, child of every other.
    pub const TWO: u32 = 1;
    /// Count, default, classes in order, children: found by search.
    pub const SPARSE: u32 = 2;
    /// Count, default, children by class: found by index.
    pub const DENSE: u32 = 3;
    /// Where the form stands.
    pub const FORM_SHIFT: u32 = 30;
    /// Where the class stands.
    pub const CLASS_SHIFT: u32 = 22;
    /// Largest class of a two-way form.
    pub const CLASS_MAX: u32 = 255;
    /// Largest variable.
    pub const VAR_MAX: u32 = (1 << CLASS_SHIFT) - 1;
}

/// Entries: one head word, the words that it says are there, and the arrays that it says are there.
pub mod entry {
    /// Sub-condition variables to evaluate first: ids.
    pub const SUBS: usize = 0;
    /// Deny graphs: roots, in order of rank.
    pub const DENY: usize = 1;
    /// Allow graphs: roots.
    pub const GRANT: usize = 2;
    /// Graphs of allows that lack only acr or age: roots.
    pub const AGE: usize = 3;
    /// Graphs of allows that lack only scopes: roots.
    pub const SCOPE: usize = 4;
    /// Allows with a body: rule, root.
    pub const OBLIGE: usize = 5;
    /// Standing rules: rule, true root, maybe root.
    pub const STANDING: usize = 6;
    /// Reported rules: rule, true root, maybe root.
    pub const REPORT: usize = 7;
    /// Allows that ask for an acr or an age: offset of a record of rule, acr root, age root, count and the roots of
    /// all else that they ask for.
    pub const FRESH: usize = 8;
    /// How many arrays there may be.
    pub const ARRAYS: usize = 9;
    /// Words of an item of each array.
    pub const ITEM: [u32; ARRAYS] = [1, 1, 1, 1, 1, 2, 3, 3, 1];

    /// Bit of the head: the array is there, with one item; shifted by the array.
    pub const PRESENT_SHIFT: u32 = 0;
    /// Bit of the head: the array has a count before its items.
    pub const COUNTED_SHIFT: u32 = 9;
    /// Bit of the head: leaves of the array (deny, grant, age, scope) are 1 and mean the entry's label.
    pub const LABELLED_SHIFT: u32 = 18;
    /// [`super::fallback`], two bits.
    pub const FALLBACK_SHIFT: u32 = 22;
    /// Credential kinds that its allows read, seven bits.
    pub const KINDS_SHIFT: u32 = 24;
    /// Bit of the head: before the arrays stands the offset of the offsets of filters of the arrays from [`DENY`] to
    /// [`REPORT`], 0 for none.
    pub const FILTERED_SHIFT: u32 = 31;
}

/// A filter: which items of an array can say something. Offsets are from its own first word, and all parts follow each
/// other without a gap: columns, then of each its default bitmap, its classes, their patches.
pub mod filter {
    /// Items of the array, a bit each.
    pub const ROWS: u32 = 0;
    /// How many columns.
    pub const COLUMNS: u32 = 1;
    /// Length of the head.
    pub const LEN: u32 = 2;
    /// Words of a column: variable, offset of its default bitmap, classes (offset, count).
    pub const COLUMN: u32 = 4;
    /// Words of a class: class, its patches (offset, count); ascending.
    pub const CLASS: u32 = 3;
    /// Words of a patch: index of a word, that word; ascending.
    pub const PATCH: u32 = 2;
    /// Lists of an entry that can have a filter: the arrays from denies to reports.
    pub const LISTS: u32 = 7;
    /// Words of a bitmap that are and-ed at once: few enough to stop early where an item of high rank applies, enough
    /// that looking up a class is not the larger part.
    pub const BLOCK_WORDS: u32 = 32;
}

/// What an entry answers where no allow applies.
pub mod fallback {
    /// 404
    pub const NO_ROUTE: u32 = 0;
    /// 405
    pub const METHOD: u32 = 1;
    /// The classes of section 6.
    pub const CLASSES: u32 = 2;
}

/// Kinds of lacks in an explanation.
pub mod lack {
    /// A scope; the text.
    pub const SCOPE: u32 = 0;
    /// The rule's acr.
    pub const ACR: u32 = 1;
    /// The rule's age.
    pub const AGE: u32 = 2;
    /// A condition; the text.
    pub const CONDITION: u32 = 3;
    /// A fact that the condition before it reads; the text. Its slot stands above the bits of the kind.
    pub const FACT: u32 = 4;
    /// Bits of the kind.
    pub const KIND_BITS: u32 = 8;
}

/// Kinds of variables, with their parameters `a` and `b`. Class 0 is unknown; of three-valued tests 1 is false and 2
/// true; two-valued tests have only these two. The first word holds the kind in its five highest bits, and `a`.
pub mod var {
    /// Where the kind stands.
    pub const KIND_SHIFT: u32 = 27;
    /// Largest `a`.
    pub const A_MAX: u32 = (1 << KIND_SHIFT) - 1;

    /// slot; text map: other is 1, literals from 2.
    pub const TEXT: u32 = 0;
    /// slot; thresholds.
    pub const NUMBER: u32 = 1;
    /// slot; automaton: 1 + class.
    pub const PATTERN: u32 = 2;
    /// slot; ranges of both families.
    pub const ADDRESS: u32 = 3;
    /// slot; ranges of IPv4 only, any other address is class 1.
    pub const ADDRESS4: u32 = 4;
    /// set; bit of the scratch.
    pub const ELEMENT: u32 = 5;
    /// slot: 1 where it is known.
    pub const KNOWN: u32 = 6;
    /// slot
    pub const BOOL: u32 = 7;
    /// slot (two-valued)
    pub const EXISTS: u32 = 8;
    /// credential kind; index (two-valued)
    pub const ANCHOR: u32 = 9;
    /// credential kind (two-valued)
    pub const PRESENTED: u32 = 10;
    /// credential kind (two-valued)
    pub const VALID: u32 = 11;
    /// left slot; right slot << 4 | operator << 1 | ignore case.
    pub const COMPARE: u32 = 12;
    /// set slot; element slot.
    pub const CONTAINS: u32 = 13;
    /// slot; list.
    pub const LIST: u32 = 14;
    /// `now` slot; hours.
    pub const HOURS: u32 = 15;
    /// slot; offset of: name (offset, length), threshold low, high, whole (1: every value).
    pub const SAMPLE: u32 = 16;
    /// auth_time slot; offset of: now slot, µs low, high (two-valued).
    pub const AGE: u32 = 17;
    /// 0; root of a graph with leaves 0 and 1 (two-valued).
    pub const SUB: u32 = 18;
    /// slot; automaton: whether it accepts an element of the set.
    pub const SOME_PATTERN: u32 = 19;
}

/// Comparison operators of [`var::COMPARE`].
pub mod op {
    /// `==`
    pub const EQ: u32 = 0;
    /// `!=`
    pub const NE: u32 = 1;
    /// `<`
    pub const LT: u32 = 2;
    /// `<=`
    pub const LE: u32 = 3;
    /// `>`
    pub const GT: u32 = 4;
    /// `>=`
    pub const GE: u32 = 5;
}
