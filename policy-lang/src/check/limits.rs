//! Bounds that the checker enforces, each with its number; what exceeds one is an error of its own, never cut off.

/// Levels of nesting of a condition, named conditions and principals expanded (`G0801`).
pub const MAX_CONDITION_DEPTH: usize = 128;
/// Atoms of one rule's condition, named conditions and principals expanded (`G0802`).
pub const MAX_CONDITION_ATOMS: usize = 4096;
/// Bytes of a regex as written (`G0803`).
pub const MAX_REGEX_BYTES: usize = 4096;
/// Steps of a regex with its repetitions written out (`G0803`).
pub const MAX_REGEX_STEPS: u64 = 65_536;
/// Nesting of groups in a regex (`G0803`).
pub const MAX_REGEX_NESTING: u32 = 64;
/// Segments of a path pattern, base included (`G0804`); longer paths are refused by the engine anyway.
pub const MAX_SEGMENTS: usize = 128;
/// Nesting of a JSON data file (`G0611`).
pub const MAX_JSON_DEPTH: usize = portcullis_base::json::DEPTH_MAX;
/// Gate files of one policy (`G0805`).
pub const MAX_FILES: usize = 4096;
/// Errors that one load reports.
pub const MAX_ERRORS: usize = 100;
/// Largest limit, burst and cost of a quota: 2^53, exact in every JSON reader.
pub const MAX_AMOUNT: u64 = 1 << 53;
/// Shortest period of a quota, µs.
pub const MIN_PERIOD_US: i64 = 1_000_000;
/// Longest period of a quota, µs (400 days).
pub const MAX_PERIOD_US: i64 = 400 * 86_400 * 1_000_000;
/// Largest clock skew of an issuer, µs.
pub const MAX_LEEWAY_US: i64 = 300 * 1_000_000;
/// Work of looking for the names that misspelt ones may mean, in pairs of characters compared: about half a second.
/// Past it a mistake is reported without a suggestion.
pub const MAX_SUGGESTION_CELLS: usize = 1 << 26;
