//! What calls return. Negative numbers are errors; of a decision, everything but `PORTCULLIS_ALLOW` keeps the gate
//! shut.

use std::borrow::Cow;

/// The call did what was asked. Of a decision this number is `PORTCULLIS_DENY`: nothing is granted by it.
pub const PORTCULLIS_OK: i32 = 0;

/// Decision: refused.
pub const PORTCULLIS_DENY: i32 = 0;
/// Decision: granted, under the obligations that the verdict names. Not 1, so that no truth value is taken for it.
pub const PORTCULLIS_ALLOW: i32 = 0x51;
/// Decision: answered by the gateway itself, with the verdict's status and response headers (a CORS preflight).
pub const PORTCULLIS_ANSWER: i32 = 0x2a;

/// The exchange waits for its host: `portcullis_exchange_next` says for what. Nothing is granted yet. Of a response: its
/// body is to be handed over (`portcullis_exchange_response_body`), and what comes back is to be sent.
pub const PORTCULLIS_PENDING: i32 = 0x34;
/// Of a response alone: a part of it was sent and it cannot go on. Break the stream off, so that the client sees that it is
/// not whole.
pub const PORTCULLIS_RESET: i32 = 0x6d;

/// A null pointer with a length, a length over PTRDIFF_MAX, a misaligned pointer, a missing out pointer or one given
/// twice, a struct size or a kind that this library does not know, a request without a scheme.
pub const PORTCULLIS_E_ARGUMENT: i32 = -1;
/// No such object: never made, freed, or a handle of another kind.
pub const PORTCULLIS_E_HANDLE: i32 = -2;
/// Another thread is in a call with this handle.
pub const PORTCULLIS_E_BUSY: i32 = -3;
/// An earlier call with this handle met a defect of ours; only freeing it is left.
pub const PORTCULLIS_E_POISONED: i32 = -4;
/// A defect of ours. The handle of the call is poisoned.
pub const PORTCULLIS_E_INTERNAL: i32 = -5;
/// A text that must be UTF-8 is not.
pub const PORTCULLIS_E_TEXT: i32 = -6;
/// Neither an address as text nor 4 or 16 bytes of one.
pub const PORTCULLIS_E_ADDRESS: i32 = -7;
/// Not a loadable image, or not one that is trusted. What was in force stays.
pub const PORTCULLIS_E_IMAGE: i32 = -8;
/// The policy text has errors; the error's text shows them. What was in force stays.
pub const PORTCULLIS_E_POLICY: i32 = -9;
/// A bad list or table. The last good one stays.
pub const PORTCULLIS_E_DATA: i32 = -10;
/// Not a key id with an Ed25519 public key, or not a seal's digest.
pub const PORTCULLIS_E_KEY: i32 = -11;
/// Too many objects of this kind live.
pub const PORTCULLIS_E_FULL: i32 = -12;
/// A file could not be read.
pub const PORTCULLIS_E_IO: i32 = -13;
/// This library was built without the compiler.
pub const PORTCULLIS_E_UNSUPPORTED: i32 = -14;
/// There is nothing at this index, or nothing of the kind is loaded.
pub const PORTCULLIS_E_NONE: i32 = -15;

/// This step of the exchange is not due, and has changed nothing.
pub const PORTCULLIS_E_ORDER: i32 = -16;

/// A failed call: its code, and a sentence for whoever operates the host.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) text: Cow<'static, str>,
}

impl Failure {
    pub(crate) const fn new(code: i32, text: &'static str) -> Failure {
        Failure {
            code,
            text: Cow::Borrowed(text),
        }
    }

    pub(crate) fn told(code: i32, text: impl Into<String>) -> Failure {
        Failure {
            code,
            text: Cow::Owned(text.into()),
        }
    }
}

pub(crate) const NO_HANDLE: Failure = Failure::new(
    PORTCULLIS_E_HANDLE,
    "no such object: it was never made, or freed, or is of another kind",
);
pub(crate) const BUSY: Failure =
    Failure::new(PORTCULLIS_E_BUSY, "another thread is in a call with this handle");
pub(crate) const POISONED: Failure = Failure::new(
    PORTCULLIS_E_POISONED,
    "an earlier call with this handle met a defect of the library; free it",
);
pub(crate) const FULL: Failure = Failure::new(PORTCULLIS_E_FULL, "too many objects of this kind live");
pub(crate) const TWICE: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "one address is given for two things");
pub(crate) const ORDER: Failure = Failure::new(PORTCULLIS_E_ORDER, "this step of the exchange is not due");
pub(crate) const NONE: Failure = Failure::new(PORTCULLIS_E_NONE, "there is nothing at this index");
