//! Every bound on foreign input: name, number, unit, reason and the code of its refusal. The table in the docs is
//! written from [`ALL`]. Knows nothing of who enforces them.

/// Header lines of a request; past this nobody sends headers by hand.
pub const HEADER_LINES: usize = 100;
/// Bytes of all header names and values together, as common servers bound them.
pub const HEADER_BYTES: usize = 65_536;
/// Bytes of a method; registered ones have at most 18.
pub const METHOD_BYTES: usize = 32;
/// Bytes of a request target, as common servers bound them.
pub const TARGET_BYTES: usize = 8_192;
/// Segments of a path: bounds the walk over routes.
pub const SEGMENTS: usize = 128;
/// Cookies over all Cookie headers: bounds every look-up by name.
pub const COOKIES: usize = 200;
/// Query parameters: bounds every look-up by name.
pub const QUERY_PARAMETERS: usize = 256;
/// Bytes of a host name, as DNS bounds it.
pub const HOST_BYTES: usize = 253;
/// Bytes of one label of a host name, as DNS bounds it.
pub const LABEL_BYTES: usize = 63;
/// Bytes of a token's claims, or of an API key's fields: larger than any header can carry.
pub const CLAIMS_BYTES: usize = 65_536;
/// Claims that a host hands over split: more than any token has.
pub const SPLIT_CLAIMS: usize = 1_024;
/// Elements of a set that a host hands over one by one: no fewer than claims of the most bytes can hold.
pub const SET_ELEMENTS: usize = CLAIMS_BYTES / 2;
/// Tokens that a worker knows by their bearer: more callers than one thread serves in a minute.
pub const KNOWN_TOKENS: usize = 4_096;
/// Bytes of a bearer, its claims and its facts that a worker keeps: with the count, bounds a worker at 64 MiB.
pub const KNOWN_TOKEN_BYTES: usize = 16_384;
/// Bytes of the context that a host hands over.
pub const CONTEXT_BYTES: usize = 65_536;
/// Open arrays and objects at once in JSON.
pub const JSON_DEPTH: usize = portcullis_base::json::DEPTH_MAX;
/// Entries of `X-Forwarded-For` or `Forwarded`: more hops than any real route has.
pub const FORWARDING_ENTRIES: usize = 64;
/// Lines of a list file: bounds memory.
pub const LIST_LINES: usize = portcullis_base::list::LINES_MAX;
/// Bytes of a list file: bounds memory.
pub const LIST_BYTES: usize = portcullis_base::list::BYTES_MAX;
/// Bytes of one line of a list file.
pub const LIST_LINE_BYTES: usize = portcullis_base::list::LINE_BYTES_MAX;
/// Bytes of a table file: bounds memory.
pub const TABLE_BYTES: usize = 64 * 1_024 * 1_024;
/// Bytes of a token that is presented: larger than any header of an honest one.
pub const TOKEN_BYTES: usize = 16_384;
/// Tokens whose signature was found wrong that a worker keeps: a flood of one is refused without verifying it again.
pub const FORGED_TOKENS: usize = 64;
/// Bytes of such a token: with the count, bounds a worker at 512 KiB.
pub const FORGED_TOKEN_BYTES: usize = 8_192;
/// Shortest time between two askings for an issuer's keys, µs: key ids are made up by callers.
pub const KEYS_FETCH_US: u64 = 60_000_000;
/// Longest time that what is known of an opaque token is kept, µs: so long a revoked one may still be good.
pub const INTROSPECTED_US: i64 = 60_000_000;
/// Bytes of an API key that is presented: more than any key has, and what it costs to hash them is bounded.
pub const API_KEY_BYTES: usize = 1_024;
/// Keys of a file of API keys: bounds memory.
pub const API_KEYS: usize = portcullis_base::apikeys::KEYS_MAX;
/// Bytes of a file of API keys: bounds memory.
pub const API_KEYS_BYTES: usize = portcullis_base::apikeys::BYTES_MAX;
/// Bytes of one line of a file of API keys.
pub const API_KEYS_LINE_BYTES: usize = portcullis_base::apikeys::LINE_BYTES_MAX;
/// Bytes of a secret's file: a key, not a document.
pub const SECRET_BYTES: usize = portcullis_base::secret::BYTES_MAX;
/// Fewest bytes of a secret that tokens are signed with: as many as the shortest hash has (RFC 7518, section 3.2).
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;
/// Fewest bytes of a secret that messages are signed with, or that keys are hashed under.
pub const SECRET_BYTES_MIN: usize = portcullis_base::secret::BYTES_MIN;
/// Bytes inside of a coded body for each byte of it: deflate reaches a thousand, honest texts a few dozen.
pub const CODED_BODY_RATIO: u64 = 100;
/// Bytes inside of a coded body that are not asked for that ratio: small ones repeat more.
pub const CODED_BODY_BYTES_FREE: u64 = 1_048_576;
/// Open arrays and objects at once in a response under a plan: eight times what a request may have, and a bit each.
pub const BODY_DEPTH: usize = 512;
/// Bytes of a member's name in a response under a plan: it is compared whole.
pub const BODY_NAME_BYTES: usize = 4_096;
/// Bytes of a response that are held back until it is known whether they stay: a name, its escapes and the space around.
pub const BODY_HELD_BYTES: usize = 32_768;
/// Bytes of a line of an event stream that holds no data.
pub const EVENT_FIELD_BYTES: usize = 4_096;
/// Bytes of a response whose conditions are checked before any of it goes on: as of an `accept` that names no limit.
pub const RESPONSE_CHECKED_BYTES: usize = 1_048_576;
/// Bytes of the name of a key that seals images.
pub const KEY_ID_BYTES: usize = 64;
/// Bytes of the audience of a sealed image.
pub const AUDIENCE_BYTES: usize = 255;
/// Bytes of the smoke cases in a sealed image.
pub const SMOKE_BYTES: usize = 1_024 * 1_024;

// Offsets into JSON text are stored in 32 bits.
const _: () = assert!(TABLE_BYTES < u32::MAX as usize);
const _: () = assert!(API_KEYS_BYTES < u32::MAX as usize);

/// [`CODED_BODY_RATIO`] as [`ALL`] counts.
const CODED_BODY_RATIO_ROW: usize = CODED_BODY_RATIO as usize;

/// One limit, as the docs show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Name.
    pub name: &'static str,
    /// Largest number that passes.
    pub max: usize,
    /// What is counted.
    pub unit: &'static str,
    /// Why there is a bound.
    pub reason: &'static str,
    /// What happens past it: a detail code, or what becomes of the fact.
    pub code: &'static str,
}

macro_rules! limits {
    ($($name:literal, $max:ident, $unit:literal, $code:literal, $reason:literal;)*) => {
        /// All limits, in the order in which a request meets them.
        pub const ALL: &[Limit] = &[$(Limit { name: $name, max: $max, unit: $unit, reason: $reason, code: $code }),*];
    };
}

limits! {
    "header lines", HEADER_LINES, "lines", "too_many_headers", "nobody sends more by hand";
    "header bytes", HEADER_BYTES, "bytes", "headers_too_large", "names and values together, as servers bound them";
    "method", METHOD_BYTES, "bytes", "bad_method", "registered methods have at most 18";
    "target", TARGET_BYTES, "bytes", "target_too_long", "as servers bound it";
    "cookies", COOKIES, "cookies", "too_many_cookies", "bounds look-ups by name";
    "host", HOST_BYTES, "bytes", "bad_host", "the bound of DNS";
    "host label", LABEL_BYTES, "bytes", "bad_host", "the bound of DNS";
    "path segments", SEGMENTS, "segments", "too_many_segments", "bounds the walk over routes";
    "query parameters", QUERY_PARAMETERS, "parameters", "too_many_parameters", "bounds look-ups by name";
    "claims", CLAIMS_BYTES, "bytes", "token_too_large", "larger than a header can carry";
    "split claims", SPLIT_CLAIMS, "claims", "token_too_large", "more than a token has";
    "set handed over", SET_ELEMENTS, "elements", "the fact ill-typed", "texts of a split claim, DNS names of a certificate";
    "token", TOKEN_BYTES, "bytes", "token_too_large", "as it is presented; larger than any header of an honest one";
    "forged tokens", FORGED_TOKENS, "tokens", "the one asked for least lately is forgotten", "bounds a worker's memory";
    "forged token", FORGED_TOKEN_BYTES, "bytes", "not kept: verified each time", "bounds a worker's memory";
    "known tokens", KNOWN_TOKENS, "tokens", "the one asked for least lately is forgotten", "bounds a worker's memory";
    "known token", KNOWN_TOKEN_BYTES, "bytes", "not kept: verified each time", "bearer, claims and facts; bounds a worker's memory";
    "context", CONTEXT_BYTES, "bytes", "all context facts ill-typed", "a few facts, not a document";
    "JSON depth", JSON_DEPTH, "open containers", "malformed_token", "bounds what a reader must remember";
    "forwarding entries", FORWARDING_ENTRIES, "entries", "client.ip ill-typed", "more hops than a real route has";
    "list lines", LIST_LINES, "lines", "list rejected", "bounds memory";
    "list", LIST_BYTES, "bytes", "list rejected", "bounds memory";
    "list line", LIST_LINE_BYTES, "bytes", "list rejected", "one value, not a document";
    "table", TABLE_BYTES, "bytes", "table rejected", "bounds memory";
    "API key", API_KEY_BYTES, "bytes", "unknown_api_key", "as it is presented; it is hashed";
    "API keys", API_KEYS, "keys", "API keys rejected", "bounds memory";
    "file of API keys", API_KEYS_BYTES, "bytes", "API keys rejected", "bounds memory";
    "line of API keys", API_KEYS_LINE_BYTES, "bytes", "API keys rejected", "a handful of fields, not a document";
    "secret", SECRET_BYTES, "bytes", "secret rejected", "a key, not a document";
    "coded body", CODED_BODY_RATIO_ROW, "bytes for each coded byte", "body_too_large", "past the first MiB; bounds what a small body can cost";
    "depth of a response", BODY_DEPTH, "open containers", "too_deep", "bounds what the redactor must remember";
    "name in a response", BODY_NAME_BYTES, "bytes", "name_too_long", "it is compared whole";
    "held back of a response", BODY_HELD_BYTES, "bytes", "name_too_long", "a name, its escapes and the white space around it";
    "line of an event", EVENT_FIELD_BYTES, "bytes", "name_too_long", "lines of data have no bound";
    "response to check", RESPONSE_CHECKED_BYTES, "bytes", "body_too_large", "all of it is kept until its conditions were checked";
    "key id of a seal", KEY_ID_BYTES, "bytes", "image rejected", "a name, printed in messages";
    "audience of a seal", AUDIENCE_BYTES, "bytes", "image rejected", "a name, printed in messages";
    "smoke cases of a seal", SMOKE_BYTES, "bytes", "image rejected", "a few cases, not a suite";
}

#[cfg(test)]
mod tests;
