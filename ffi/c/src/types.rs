//! The structs of the header. A struct that may grow begins with its own size; a zeroed one says nothing of a request
//! and grants nothing.

use std::ffi::c_char;

use crate::memory::Versioned;

/// A text or bytes: pointer and length. It need not end in a NUL. A null pointer with length 0 is an absent text; any
/// other pointer with length 0 is an empty one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// First byte.
    pub ptr: *const c_char,
    /// How many bytes.
    pub len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            ptr: std::ptr::null(),
            len: 0,
        }
    }
}

/// The address of a text that is there, if perhaps empty; the text must outlive its use.
impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::from(text.as_bytes())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text {
            ptr: bytes.as_ptr().cast(),
            len: bytes.len(),
        }
    }
}

/// One header line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// Name, in any case.
    pub name: Text,
    /// Value, byte for byte.
    pub value: Text,
}

/// `flags`: `wall_us` holds the wall clock.
pub const PORTCULLIS_HAS_WALL_CLOCK: u32 = 1;
/// `flags`: the verdict's line shall say which allows came closest. Costs allocations and a second walk on a denial.
pub const PORTCULLIS_EXPLAIN: u32 = 2;
/// `flags`: panic in this call, to test what becomes of it. Only libraries built with debug assertions know this flag;
/// others refuse the request.
pub const PORTCULLIS_TEST_PANIC: u32 = 0x8000_0000;

/// `token`, `key`, `signature`: the host handed over nothing. What the request presents is verified by the engine with the
/// keys among the policy's data. No state of a certificate: one that is handed over says which it is.
pub const PORTCULLIS_ABSENT: u32 = 0;
/// `token`, `key`, `signature`, and a certificate's `state`: the host verified it.
pub const PORTCULLIS_VERIFIED: u32 = 1;
/// `token`, `key`, `signature`, and a certificate's `state`: the host found it wrong; the fault is a detail code, as
/// `expired`.
pub const PORTCULLIS_INVALID: u32 = 2;

/// Parts of a client certificate that the host verified, or why it did not verify it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Certificate {
    /// `sizeof(portcullis_certificate)`.
    pub struct_size: usize,
    /// SPIFFE id (a URI among the subject's alternative names).
    pub spiffe: Text,
    /// DNS names among the subject's alternative names; may be null where `dns_len` is 0.
    pub dns: *const Text,
    /// How many.
    pub dns_len: usize,
    /// Subject.
    pub subject: Text,
    /// SHA-256 fingerprint.
    pub fingerprint: Text,
    /// Detail code of a certificate that failed (invalid). One that is there with a verified certificate is an error.
    pub fault: Text,
    /// `PORTCULLIS_VERIFIED` or `PORTCULLIS_INVALID`; anything else is an error, so that no certificate is verified for
    /// want of a word.
    pub state: u32,
    /// 0.
    pub reserved: u32,
}

/// A token of an issuer with `beside` that the host checked. The layout never grows: they lie in an array.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// The token's issuer, by its name in the policy. What another name says is passed over.
    pub issuer: Text,
    /// The token's claims, a JSON object (verified).
    pub claims: Text,
    /// Why the token is invalid, a detail code as `expired`. One that is there with a verified token is an error.
    pub fault: Text,
    /// `PORTCULLIS_VERIFIED` or `PORTCULLIS_INVALID`; anything else is an error.
    pub state: u32,
    /// 0.
    pub reserved: u32,
}

/// One request, as raw as the host has it: clean up nothing. All pointers are read during the call and not kept.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// `sizeof(portcullis_request)`, so that older programs and newer libraries understand each other.
    pub struct_size: usize,
    /// `PORTCULLIS_HAS_WALL_CLOCK`, `PORTCULLIS_EXPLAIN`.
    pub flags: u32,
    /// What is known of the token: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
    pub token: u32,
    /// Method.
    pub method: Text,
    /// Request target, byte for byte.
    pub target: Text,
    /// Header lines in order; may be null where `headers_len` is 0.
    pub headers: *const Header,
    /// How many.
    pub headers_len: usize,
    /// `http` or `https`. Absent or empty is an error: whether the request came encrypted is not guessed at.
    pub scheme: Text,
    /// `:authority`, or the authority of the connection's URL; absent where only a Host header says it.
    pub authority: Text,
    /// The socket's address as text; absent where it is in `peer_bytes`, or unknown.
    pub peer_text: Text,
    /// The socket's address as 4 or 16 bytes in network order.
    pub peer_bytes: Text,
    /// `HTTP/1.1`, `HTTP/2`; absent where unknown.
    pub protocol: Text,
    /// TLS server name.
    pub sni: Text,
    /// Context facts, a JSON object.
    pub context: Text,
    /// The client's certificate; null for none.
    pub certificate: *const Certificate,
    /// The token's issuer, by its name in the policy (verified or invalid).
    pub token_issuer: Text,
    /// The token's claims, a JSON object (verified).
    pub token_claims: Text,
    /// Why the token is invalid.
    pub token_fault: Text,
    /// What is known of an API key: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
    pub key: u32,
    /// What is known of a signature: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
    pub signature: u32,
    /// The API key's set, by its name in the policy (verified or invalid).
    pub key_set: Text,
    /// The API key's id (verified).
    pub key_id: Text,
    /// The API key's fields, a JSON object; absent for none (verified).
    pub key_fields: Text,
    /// Why the API key is invalid.
    pub key_fault: Text,
    /// The signature scheme, by its name in the policy (verified or invalid).
    pub signature_name: Text,
    /// Why the signature is invalid.
    pub signature_fault: Text,
    /// Wall clock, microseconds since 1970-01-01T00:00:00Z, where the flag is set. Without it every comparison with
    /// `now` is unknown.
    pub wall_us: i64,
    /// Monotonic clock, microseconds.
    pub mono_us: u64,
    /// Which demands of an allow the host carries out: bits of `PORTCULLIS_DEMANDS_..`, 0 for none. An allow that
    /// demands anything else is turned into a denial of status 500, reason `internal`, detail `demands_not_carried`. With
    /// `PORTCULLIS_CARRIES_INTROSPECTION` the host also asks about opaque tokens. A bit that this library does not know is
    /// an error: a host does not promise what it does not know.
    pub carries: u32,
    /// 0.
    pub reserved: u32,
    /// Tokens of issuers with `beside`, of each at most one; may be null where `beside_len` is 0. One that the headers
    /// present and that is not here is verified by the engine.
    pub beside: *const Beside,
    /// How many, at most 16.
    pub beside_len: usize,
}

/// `demands`: charge all of the verdict's quotas, or none and refuse.
pub const PORTCULLIS_DEMANDS_CHARGE: u32 = 1;
/// `demands`: read the body up to `body_max_bytes`, hold it and hand it over: the engine judges it. In `carries` it also
/// says that the host can hand over the body of a signed message before the decision.
pub const PORTCULLIS_DEMANDS_BODY: u32 = 2;
/// `demands`: hand over the response's head and body, and send what comes back in place of the body.
pub const PORTCULLIS_DEMANDS_RESPONSE: u32 = 4;

/// `carries`: ask about an opaque token that the host does not hand over. A host that does not gets the
/// verdict on a token that is not verified.
pub const PORTCULLIS_CARRIES_INTROSPECTION: u32 = 8;

/// A verdict. Its texts live as long as the exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// `sizeof(portcullis_verdict)`, set by the caller.
    pub struct_size: usize,
    /// `PORTCULLIS_DENY`, `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER` or `PORTCULLIS_PENDING`; written last.
    pub effect: i32,
    /// HTTP status of the reply; 200 on an allow.
    pub status: u32,
    /// Reason code, one of a closed set, as `no_rule`.
    pub reason: Text,
    /// Detail code, or absent.
    pub detail: Text,
    /// What the policy wants the client told, or absent.
    pub message: Text,
    /// Id of the deciding rule, or absent.
    pub rule: Text,
    /// Target to forward on an allow, normalised; else absent.
    pub upstream_target: Text,
    /// `PORTCULLIS_DEMANDS_..`: what must be done before an allowed request goes on. Of an allow nothing else is demanded
    /// than the request's `carries` says the host carries out. A charge may be demanded of a denial too.
    pub demands: u32,
    /// 1 where unknown fields of the body are stripped, 0 where they refuse it.
    pub body_strips_unknown: u32,
    /// Largest body, bytes, where one is demanded.
    pub body_max_bytes: u64,
    /// Rules whose obligations bind: `PORTCULLIS_LIST_RULES`.
    pub rules_len: usize,
    /// `PORTCULLIS_LIST_TAGS`.
    pub tags_len: usize,
    /// `PORTCULLIS_LIST_REQUEST_SET`.
    pub request_set_len: usize,
    /// `PORTCULLIS_LIST_REQUEST_DROP`.
    pub request_drop_len: usize,
    /// `PORTCULLIS_LIST_RESPONSE_SET`.
    pub response_set_len: usize,
    /// `PORTCULLIS_LIST_RESPONSE_DROP`.
    pub response_drop_len: usize,
    /// Rules whose accepts bind the body: `PORTCULLIS_LIST_ACCEPT`.
    pub accept_len: usize,
    /// `PORTCULLIS_LIST_REPORT_TRUE`.
    pub report_true_len: usize,
    /// `PORTCULLIS_LIST_REPORT_UNKNOWN`.
    pub report_unknown_len: usize,
    /// Quotas, for `portcullis_exchange_quota`.
    pub quotas_len: usize,
    /// Where the request's body was refused, a JSON object to send as `application/problem+json` (RFC 9457); else absent. It
    /// names the first offending place and no value.
    pub problem: Text,
}

/// List of texts: ids of the rules whose obligations bind, sorted.
pub const PORTCULLIS_LIST_RULES: u32 = 0;
/// List of texts: tags, sorted, each once.
pub const PORTCULLIS_LIST_TAGS: u32 = 1;
/// List of headers: to set on the request that goes upstream. Once it may go on, with those that a plan for the response
/// needs there.
pub const PORTCULLIS_LIST_REQUEST_SET: u32 = 2;
/// List of texts: headers to remove from the request before any is set. Once it may go on, with those that a plan for the
/// response cannot have there, and digests of a body that was rewritten.
pub const PORTCULLIS_LIST_REQUEST_DROP: u32 = 3;
/// List of headers: to set on the reply to the client, whoever made it.
pub const PORTCULLIS_LIST_RESPONSE_SET: u32 = 4;
/// List of texts: headers to remove from the upstream's reply before any is set.
pub const PORTCULLIS_LIST_RESPONSE_DROP: u32 = 5;
/// List of texts: ids of the rules whose accepts bind the body, sorted.
pub const PORTCULLIS_LIST_ACCEPT: u32 = 6;
/// List of texts: ids of report rules that are true, sorted.
pub const PORTCULLIS_LIST_REPORT_TRUE: u32 = 7;
/// List of texts: ids of report rules of which nobody knows, sorted.
pub const PORTCULLIS_LIST_REPORT_UNKNOWN: u32 = 8;
/// List of texts, once the response's head was handed over and not refused: headers to remove from it before those of
/// `PORTCULLIS_LIST_RESPONSE_SET` are added.
pub const PORTCULLIS_LIST_RESPONSE_REMOVE: u32 = 9;
/// List of texts, once the request may go on: names to remove from its trailers.
pub const PORTCULLIS_LIST_REQUEST_TRAILERS: u32 = 10;
/// List of texts, once the response's head was handed over and not refused: names to remove from its trailers.
pub const PORTCULLIS_LIST_RESPONSE_TRAILERS: u32 = 11;

/// `step`: answer the client with the verdict's status and response headers; nothing goes upstream.
pub const PORTCULLIS_STEP_REPLY: u32 = 0;
/// `step`: ask about `token`, then call `portcullis_exchange_introspected`.
pub const PORTCULLIS_STEP_INTROSPECT: u32 = 1;
/// `step`: read the request's body up to `max_bytes`, hand all of it over by `portcullis_exchange_body`, then call
/// `portcullis_exchange_body_end`. Send nothing of it before `PORTCULLIS_STEP_FORWARD`.
pub const PORTCULLIS_STEP_READ_BODY: u32 = 2;
/// `step`: charge all quotas (`portcullis_exchange_quota`) or none, then call `portcullis_exchange_charged`.
pub const PORTCULLIS_STEP_CHARGE: u32 = 3;
/// `step`: send the request upstream, with `body` for its body where that is replaced, then call
/// `portcullis_exchange_response_head`.
pub const PORTCULLIS_STEP_FORWARD: u32 = 4;

/// What the host does next. Its texts live until the next step of the exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Next {
    /// `sizeof(portcullis_next)`, set by the caller.
    pub struct_size: usize,
    /// `PORTCULLIS_STEP_..`.
    pub step: u32,
    /// 1 where `body` goes upstream in place of the body that came, 0 where that goes as it came.
    pub replaces_body: u32,
    /// Largest body to read, bytes.
    pub max_bytes: u64,
    /// The opaque token to ask about, or absent.
    pub token: Text,
    /// The body to send, all of it, where it is replaced; else absent.
    pub body: Text,
}

/// The instant of a step.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// `sizeof(portcullis_clock)`.
    pub struct_size: usize,
    /// `PORTCULLIS_HAS_WALL_CLOCK` or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Wall clock, microseconds since 1970-01-01T00:00:00Z, where the flag is set.
    pub wall_us: i64,
    /// Monotonic clock, microseconds.
    pub mono_us: u64,
}

/// What was heard of an opaque token.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Introspection {
    /// `sizeof(portcullis_introspection)`.
    pub struct_size: usize,
    /// `PORTCULLIS_VERIFIED`, `PORTCULLIS_INVALID`, or `PORTCULLIS_ABSENT` where the issuer did not tell.
    pub state: u32,
    /// 0.
    pub reserved: u32,
    /// The token's issuer, by its name in the policy (verified or invalid).
    pub issuer: Text,
    /// The token's claims, a JSON object (verified).
    pub claims: Text,
    /// Why the token is invalid, a detail code as `expired`.
    pub fault: Text,
}

/// What became of one charge.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Charged {
    /// 1 where there was enough left, 0 where not. Only where all are 1 was anything charged.
    pub admitted: u32,
    /// 0.
    pub reserved: u32,
    /// What is left of the limit.
    pub remaining: u64,
    /// Time until as much is left as was asked for (refused), or until nothing is used (admitted), microseconds.
    pub reset_us: u64,
}

/// `end`: the client has its answer.
pub const PORTCULLIS_END_COMPLETED: u32 = 0;
/// `end`: the client, the upstream or the host broke off.
pub const PORTCULLIS_END_ABORTED: u32 = 1;

/// How an exchange ended, for a log. What was decided is in the verdict.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// `sizeof(portcullis_record)`, set by the caller.
    pub struct_size: usize,
    /// HTTP status that the client got; 0 where it got none.
    pub status: u32,
    /// `PORTCULLIS_END_..`: aborted too where a step was still due.
    pub end: u32,
    /// Since it began, microseconds of the monotonic clock.
    pub duration_us: u64,
    /// The key set that ought to be fetched again, by the name of its file in the policy: a token named a key that is not
    /// in it, or it was never loaded. Else absent. Told at most once a minute and issuer by one worker, whatever callers
    /// send. Fetch it, and hand it over by `portcullis_engine_data`. Lives as long as the exchange.
    pub keys_to_fetch: Text,
}

/// `period`: `period_us` and `burst` count.
pub const PORTCULLIS_PERIOD_RATE: u32 = 0;
/// `period`: a calendar's `unit` in its `zone`.
pub const PORTCULLIS_PERIOD_CALENDAR: u32 = 1;
/// `period`: at most `limit` at once.
pub const PORTCULLIS_PERIOD_IN_FLIGHT: u32 = 2;

/// One quota to charge. Its texts live as long as the exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// `sizeof(portcullis_quota)`, set by the caller.
    pub struct_size: usize,
    /// The quota's name.
    pub name: Text,
    /// Composite key; its parts are joined by NUL.
    pub key: Text,
    /// Cost, at least 1.
    pub cost: u64,
    /// Limit in force, at least 1.
    pub limit: u64,
    /// Period of a rate, microseconds.
    pub period_us: u64,
    /// Burst of a rate.
    pub burst: u64,
    /// Unit of a calendar: `hour`, `day`, `week`, `month`.
    pub unit: Text,
    /// Time zone of a calendar.
    pub zone: Text,
    /// `PORTCULLIS_PERIOD_..`.
    pub period: u32,
    /// 0.
    pub reserved: u32,
}

/// What the seal of the policy in force says, for hosts that store the mark and watch the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    /// `sizeof(portcullis_seal)`, set by the caller.
    pub struct_size: usize,
    /// Serial.
    pub serial: u64,
    /// Last instant, microseconds since 1970-01-01T00:00:00Z; INT64_MAX where it has no end.
    pub not_after_us: i64,
    /// Digest of the seal.
    pub digest: [u8; 32],
    /// Bytes of the smoke cases in the seal, which the engine does not run: `portcullis image verify` does. 0 for none.
    pub smoke_bytes: u64,
}

macro_rules! versioned {
    ($($name:ident),*) => {$(
        // SAFETY: `repr(C)`, of integers and raw pointers alone, beginning with a usize; no references, no enums.
        unsafe impl Versioned for $name {}

        impl Default for $name {
            fn default() -> $name {
                // SAFETY: any bits are a value, see above; zero is the one that says nothing.
                let mut zero: $name = unsafe { std::mem::zeroed() };
                zero.struct_size = size_of::<$name>();
                zero
            }
        }
    )*};
}

versioned!(
    Certificate,
    Clock,
    Introspection,
    Next,
    Record,
    Request,
    Verdict,
    Quota,
    Seal
);
