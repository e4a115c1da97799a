//! Where things stand in an image. One place for writer, validator and reader.
//!
//! ```text
//! 0   magic "PCULLIS\0"        32 header: version, section count, total length
//! 8   SHA-256 over everything with these 32 bytes zero
//! 56  section table: id, reserved, offset, length (u32, u32, u64, u64) each
//! ..  CONFIG (wire), RULES (records, texts), WORDS (u32, little-endian), BYTES, and perhaps SYMBOLS
//! ```

/// First bytes of every image.
pub(crate) const MAGIC: [u8; 8] = *b"PCULLIS\0";
/// Version of the format; another one is refused. Raised with every change of layout or meaning.
pub const FORMAT_VERSION: u32 = 2;
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
/// What verdicts say of rules.
pub(crate) const RULES: u32 = 4;
/// Explanations; only for people, so an image may come without.
pub(crate) const SYMBOLS: u32 = 5;
/// All sections, each at most once, in this order; all but the last must be there.
pub(crate) const SECTIONS: [u32; 5] = [CONFIG, RULES, WORDS, BYTES, SYMBOLS];

/// The directory: fixed words at the start of WORDS.
pub(crate) mod dir {
    /// Text map: method -> id. Others have the id `METHODS`.
    pub(crate) const METHOD_MAP: u32 = 0;
    /// How many methods.
    pub(crate) const METHODS: u32 = 1;
    /// Text map: host or suffix, by kind of pattern ([`super::host`]) -> group.
    pub(crate) const HOST_MAP: u32 = 2;
    /// Host groups: option bits, root of bases.
    pub(crate) const GROUPS: u32 = 3;
    /// Their number.
    pub(crate) const GROUP_COUNT: u32 = 4;
    /// Text map: segment, by base node -> base node.
    pub(crate) const BASE_EDGES: u32 = 5;
    /// Base nodes: service + 1 or 0, with [`super::HAS_EDGES`].
    pub(crate) const BASES: u32 = 6;
    /// Their number.
    pub(crate) const BASE_COUNT: u32 = 7;
    /// Text map: literal segment, by state -> state.
    pub(crate) const ROUTE_EDGES: u32 = 8;
    /// States.
    pub(crate) const STATES: u32 = 9;
    /// Their number; state 0 is dead.
    pub(crate) const STATE_COUNT: u32 = 10;
    /// Services: root state, accept of requests without a path.
    pub(crate) const SERVICES: u32 = 11;
    /// Their number.
    pub(crate) const SERVICE_COUNT: u32 = 12;
    /// First word of the shapes.
    pub(crate) const SHAPES: u32 = 13;
    /// First word of the accepts, one past the shapes' last.
    pub(crate) const ACCEPTS: u32 = 14;
    /// One past their last word.
    pub(crate) const ACCEPTS_END: u32 = 15;
    /// First word of the nodes.
    pub(crate) const NODES: u32 = 16;
    /// One past their last word.
    pub(crate) const NODES_END: u32 = 17;
    /// Variables.
    pub(crate) const VARS: u32 = 18;
    /// Their number.
    pub(crate) const VAR_COUNT: u32 = 19;
    /// Sets whose elements are tested: slot, text map of elements to bits.
    pub(crate) const SETS: u32 = 20;
    /// Their number.
    pub(crate) const SET_COUNT: u32 = 21;
    /// Elements of all sets: bits of a decision's scratch.
    pub(crate) const BITS: u32 = 22;
    /// First word of the freshness records.
    pub(crate) const FRESH: u32 = 23;
    /// First word of the entries, one past the freshness records' last.
    pub(crate) const ENTRIES: u32 = 24;
    /// One past their last word.
    pub(crate) const ENTRIES_END: u32 = 25;
    /// How many entries.
    pub(crate) const ENTRY_COUNT: u32 = 26;
    /// Heads of denies: rule, status.
    pub(crate) const HEADS: u32 = 27;
    /// Their number.
    pub(crate) const HEAD_COUNT: u32 = 28;
    /// Pattern tables (automata offsets) that obligations name.
    pub(crate) const PATTERNS: u32 = 29;
    /// Their number.
    pub(crate) const PATTERN_COUNT: u32 = 30;
    /// Elements of sets by bit: offset and length of the text.
    pub(crate) const ELEMENTS: u32 = 31;
    /// Ends of the parts, in order, for `inspect`: [`super::PARTS`].
    pub(crate) const PART_ENDS: u32 = 32;
    /// Length of the directory.
    pub(crate) const LEN: u32 = PART_ENDS + super::PARTS.len() as u32;
}

/// Parts of WORDS, in order.
pub(crate) const PARTS: [&str; 7] = [
    "methods and hosts",
    "routes",
    "accepts",
    "nodes",
    "classifiers",
    "entries",
    "answers",
];

/// Contexts of the host map.
pub(crate) mod host {
    /// Services without `on`; the empty text.
    pub(crate) const ANY: u32 = 0;
    /// A host.
    pub(crate) const EXACT: u32 = 1;
    /// The suffix of `*.suffix`.
    pub(crate) const ONE_LABEL: u32 = 2;
    /// The suffix of `**.suffix`.
    pub(crate) const LABELS: u32 = 3;
}

/// Words of an element: offset and length of its text.
pub(crate) const ELEMENT: u32 = 2;
/// Words of a host group.
pub(crate) const GROUP: u32 = 2;
/// Words of a state: default next (with [`HAS_EDGES`]), classes or 0, accept plain, accept slash. Classes are an
/// automaton, a count and next states.
pub(crate) const STATE: u32 = 4;
/// Set on a base or on a state's default where the edge map has edges of it: most have none, and no hash is needed.
pub(crate) const HAS_EDGES: u32 = 1 << 31;
/// Words of a service.
pub(crate) const SERVICE: u32 = 2;
/// Kinds of exchange: none, websocket, other upgrade; each plain and gRPC.
pub(crate) const KINDS: u32 = 6;
/// Words of a variable.
pub(crate) const VAR: u32 = 2;
/// Words of a set.
pub(crate) const SET: u32 = 2;
/// Words of a deny head.
pub(crate) const HEAD: u32 = 2;

/// Set on a node reference that is a leaf; the rest is its value.
pub(crate) const LEAF: u32 = 1 << 31;

/// Nodes of graphs. The first word holds the form in its two highest bits and the variable in its lowest 22; between
/// them stands the class of the two-way forms.
pub(crate) mod node {
    /// Child of the class; 0 of every other.
    pub(crate) const FALL: u32 = 0;
    /// Child of the class, child of every other.
    pub(crate) const TWO: u32 = 1;
    /// Count, default, classes in order, children: found by search.
    pub(crate) const SPARSE: u32 = 2;
    /// Count, default, children by class: found by index.
    pub(crate) const DENSE: u32 = 3;
    /// Where the form stands.
    pub(crate) const FORM_SHIFT: u32 = 30;
    /// Where the class stands.
    pub(crate) const CLASS_SHIFT: u32 = 22;
    /// Largest class of a two-way form.
    pub(crate) const CLASS_MAX: u32 = 255;
    /// Largest variable.
    pub(crate) const VAR_MAX: u32 = (1 << CLASS_SHIFT) - 1;
}

/// Entries: one head word, the words that it says are there, and the arrays that it says are there.
pub(crate) mod entry {
    /// Sub-condition variables to evaluate first: ids.
    pub(crate) const SUBS: usize = 0;
    /// Deny graphs: roots, in order of rank.
    pub(crate) const DENY: usize = 1;
    /// Allow graphs: roots.
    pub(crate) const GRANT: usize = 2;
    /// Graphs of allows that lack only acr or age: roots.
    pub(crate) const AGE: usize = 3;
    /// Graphs of allows that lack only scopes: roots.
    pub(crate) const SCOPE: usize = 4;
    /// Allows with a body: rule, root.
    pub(crate) const OBLIGE: usize = 5;
    /// Standing rules: rule, true root, maybe root.
    pub(crate) const STANDING: usize = 6;
    /// Reported rules: rule, true root, maybe root.
    pub(crate) const REPORT: usize = 7;
    /// Allows that ask for an acr or an age: offset of a record of rule, acr root, age root, count and the roots of
    /// all else that they ask for.
    pub(crate) const FRESH: usize = 8;
    /// How many arrays there may be.
    pub(crate) const ARRAYS: usize = 9;
    /// Words of an item of each array.
    pub(crate) const ITEM: [u32; ARRAYS] = [1, 1, 1, 1, 1, 2, 3, 3, 1];

    /// Bit of the head: the array is there, with one item; shifted by the array.
    pub(crate) const PRESENT_SHIFT: u32 = 0;
    /// Bit of the head: the array has a count before its items.
    pub(crate) const COUNTED_SHIFT: u32 = 9;
    /// Bit of the head: leaves of the array (deny, grant, age, scope) are 1 and mean the entry's label.
    pub(crate) const LABELLED_SHIFT: u32 = 18;
    /// [`super::fallback`], two bits.
    pub(crate) const FALLBACK_SHIFT: u32 = 22;
    /// Credential kinds that its allows read, four bits.
    pub(crate) const KINDS_SHIFT: u32 = 24;
    /// Bit of the head: before the arrays stands the offset of the offsets of filters of the arrays from [`DENY`] to
    /// [`REPORT`], 0 for none.
    pub(crate) const FILTERED_SHIFT: u32 = 28;
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

/// Kinds of variables, with their parameters `a` and `b`. Class 0 is unknown; of three-valued tests 1 is false and 2
/// true; two-valued tests have only these two. The first word holds the kind in its five highest bits, and `a`.
pub(crate) mod var {
    /// Where the kind stands.
    pub(crate) const KIND_SHIFT: u32 = 27;
    /// Largest `a`.
    pub(crate) const A_MAX: u32 = (1 << KIND_SHIFT) - 1;

    /// slot; text map: other is 1, literals from 2.
    pub(crate) const TEXT: u32 = 0;
    /// slot; thresholds.
    pub(crate) const NUMBER: u32 = 1;
    /// slot; automaton: 1 + class.
    pub(crate) const PATTERN: u32 = 2;
    /// slot; ranges of both families.
    pub(crate) const ADDRESS: u32 = 3;
    /// slot; ranges of IPv4 only, any other address is class 1.
    pub(crate) const ADDRESS4: u32 = 4;
    /// set; bit of the scratch.
    pub(crate) const ELEMENT: u32 = 5;
    /// slot: 1 where it is known.
    pub(crate) const KNOWN: u32 = 6;
    /// slot
    pub(crate) const BOOL: u32 = 7;
    /// slot (two-valued)
    pub(crate) const EXISTS: u32 = 8;
    /// credential kind; index (two-valued)
    pub(crate) const ANCHOR: u32 = 9;
    /// credential kind (two-valued)
    pub(crate) const PRESENTED: u32 = 10;
    /// credential kind (two-valued)
    pub(crate) const VALID: u32 = 11;
    /// left slot; right slot << 4 | operator << 1 | ignore case.
    pub(crate) const COMPARE: u32 = 12;
    /// set slot; element slot.
    pub(crate) const CONTAINS: u32 = 13;
    /// slot; list.
    pub(crate) const LIST: u32 = 14;
    /// `now` slot; hours.
    pub(crate) const HOURS: u32 = 15;
    /// slot; offset of: name (offset, length), threshold low, high, whole (1: every value).
    pub(crate) const SAMPLE: u32 = 16;
    /// auth_time slot; offset of: now slot, µs low, high (two-valued).
    pub(crate) const AGE: u32 = 17;
    /// 0; root of a graph with leaves 0 and 1 (two-valued).
    pub(crate) const SUB: u32 = 18;
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
