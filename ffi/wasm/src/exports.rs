//! The exported functions. Each takes numbers, runs one call on the module's state and gives a number back; none
//! reads memory by itself.

use std::net::IpAddr;

use crate::request::{Peer, Request};
use crate::state::{Failure, State, Status, status, with};

/// A zeroed buffer of `len` bytes for the host to write into; 0 where there is none to give.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_alloc(len: usize) -> usize {
    with(0, |state| state.memory.alloc(len))
}

/// Gives a buffer back.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_free(address: usize) -> i32 {
    status(|state| {
        if state.memory.free(address) {
            Ok(Status::OK)
        } else {
            Err(Status::BAD_POINTER.into())
        }
    })
}

/// Why the last failed call failed: where its text is.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_error_ptr() -> usize {
    with(0, |state| state.error.as_ptr().expose_provenance())
}

/// Why the last failed call failed: how long its text is.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_error_len() -> usize {
    with(0, |state| state.error.len())
}

/// Loads an image; 0 is an error.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_load(image: usize, image_len: usize) -> u64 {
    with(0, |state| {
        match state.bytes(image, image_len).and_then(|bytes| state.load(&bytes)) {
            Ok(handle) => handle,
            Err(Failure(_, text)) => {
                state.error = text;
                0
            }
        }
    })
}

/// Trusts a key: its id, and its 32 bytes as RFC 8032 has them. From the first one on, only images load that a
/// trusted key has sealed, and none that is older than the last one loaded.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_trust_key(id: usize, id_len: usize, key: usize, key_len: usize) -> i32 {
    status(|state| {
        let id = state.text(id, id_len)?;
        let key = state.bytes(key, key_len)?;
        state.trust_key(id, &key)
    })
}

/// Names the audience for which images must be sealed.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_trust_audience(audience: usize, audience_len: usize) -> i32 {
    status(|state| {
        let audience = state.text(audience, audience_len)?;
        Ok(state.trust_audience(audience))
    })
}

/// Hands over the stored serial and seal digest (32 bytes) of the last accepted image.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_trust_mark(serial: u64, digest: usize, digest_len: usize) -> i32 {
    status(|state| {
        let digest = state.bytes(digest, digest_len)?;
        state.trust_mark(serial, &digest)
    })
}

/// The serial of a policy's seal, to be stored; 0 where no trusted key has vouched for it.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_seal_serial(engine: u64) -> u64 {
    with(0, |state| state.seal(engine).map_or(0, |seal| seal.mark.serial))
}

/// Where the 32 bytes of the seal's digest are, to be stored with the serial; 0 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_seal_digest_ptr(engine: u64) -> usize {
    with(0, |state| {
        state
            .seal(engine)
            .map_or(0, |seal| seal.mark.digest.as_ptr().expose_provenance())
    })
}

/// Last instant of a policy's seal, µs since the epoch; the largest number where it has no end or no seal. The
/// module has no clock: the host raises the alarm.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_seal_not_after(engine: u64) -> i64 {
    with(i64::MAX, |state| {
        state
            .seal(engine)
            .and_then(|seal| seal.not_after_us)
            .unwrap_or(i64::MAX)
    })
}

/// Ends a policy.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_unload(engine: u64) -> i32 {
    status(|state| {
        state
            .engines
            .remove(engine)
            .map(|_| Status::OK)
            .ok_or_else(|| Status::BAD_HANDLE.into())
    })
}

/// Hands over a list or table by the file name that the policy gives it. A bad one leaves the last good one.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_data(
    engine: u64,
    name: usize,
    name_len: usize,
    file: usize,
    file_len: usize,
) -> i32 {
    status(|state| {
        let name = state.text(name, name_len)?;
        let bytes = state.bytes(file, file_len)?;
        state.data(engine, name, bytes)
    })
}

/// A new, empty request; 0 where too many live.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_new() -> u64 {
    with(0, |state| state.requests.insert(Request::default()))
}

/// Ends a request.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_free(request: u64) -> i32 {
    status(|state| {
        state
            .requests
            .remove(request)
            .map(|_| Status::OK)
            .ok_or_else(|| Status::BAD_HANDLE.into())
    })
}

/// Decides: 2 allow, 3 answer, 0 deny, less than 0 an error. Everything but 2 keeps the gate shut.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_decide(engine: u64, request: u64) -> i32 {
    status(|state| state.decide(engine, request))
}

/// Where the last decision's line is.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_verdict_ptr() -> usize {
    with(0, |state| state.verdict.as_ptr().expose_provenance())
}

/// How long the last decision's line is; 0 where the decision failed.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_verdict_len() -> usize {
    with(0, |state| state.verdict.len())
}

/// The instant of the decision, µs since the epoch.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_now(request: u64, now_us: i64) -> i32 {
    set(request, |_| Ok(()), |request, ()| request.now_us = Some(now_us))
}

/// Reads arguments, then changes the request.
fn set<A>(
    request: u64,
    read: impl FnOnce(&State) -> Result<A, Failure>,
    apply: impl FnOnce(&mut Request, A),
) -> i32 {
    status(|state| {
        let argument = read(state)?;
        let request = state.requests.get_mut(request).ok_or(Status::BAD_HANDLE)?;
        apply(request, argument);
        Ok(Status::OK)
    })
}

/// Setters of one argument, `text` or `bytes`.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($kind:ident) = $apply:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(request: u64, address: usize, len: usize) -> i32 {
            set(request, |state| state.$kind(address, len), $apply)
        }
    )*};
}

/// Setters of two arguments.
macro_rules! setters_of_two {
    ($($(#[$doc:meta])* $name:ident($first:ident, $second:ident) = $apply:expr;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(request: u64, a: usize, a_len: usize, b: usize, b_len: usize) -> i32 {
            set(request, |state| Ok((state.$first(a, a_len)?, state.$second(b, b_len)?)), $apply)
        }
    )*};
}

fn peer(request: &mut Request) -> &mut Peer {
    request.peer.get_or_insert_default()
}

setters! {
    /// A name for the verdict.
    portcullis_request_id(text) = |r, id| r.id = id;
    /// Method.
    portcullis_request_method(bytes) = |r, method| r.method = method;
    /// Target, byte for byte.
    portcullis_request_target(bytes) = |r, target| r.target = target;
    /// `:authority`, or the authority of the connection's URL.
    portcullis_request_authority(bytes) = |r, authority| r.authority = Some(authority);
    /// Scheme.
    portcullis_request_scheme(bytes) = |r, scheme| r.scheme = scheme;
    /// `HTTP/1.1`, `HTTP/2`.
    portcullis_request_protocol(bytes) = |r, protocol| r.protocol = protocol;
    /// TLS server name.
    portcullis_request_sni(bytes) = |r, sni| r.sni = Some(sni);
    /// Context facts, a JSON object.
    portcullis_request_context(bytes) = |r, context| r.context = context;
    /// Of the verified client certificate: SPIFFE id.
    portcullis_request_peer_spiffe(bytes) = |r, spiffe| peer(r).spiffe = Some(spiffe);
    /// Of the verified client certificate: one DNS name more.
    portcullis_request_peer_dns(bytes) = |r, name| peer(r).dns.push(name);
    /// Of the verified client certificate: subject.
    portcullis_request_peer_subject(bytes) = |r, subject| peer(r).subject = Some(subject);
    /// Of the verified client certificate: SHA-256 fingerprint.
    portcullis_request_peer_fingerprint(bytes) = |r, print| peer(r).fingerprint = Some(print);
    /// A client certificate that failed, and why.
    portcullis_request_peer_invalid(text) = |r, fault| peer(r).fault = Some(fault);
    /// A signature that the host verified: the scheme's name.
    portcullis_request_signature(text) = |r, name| r.signature = Some((name, None));
}

setters_of_two! {
    /// One header line more: name, value.
    portcullis_request_header(bytes, bytes) = |r, line| r.headers.push(line);
    /// A token that the host verified: issuer, claims as a JSON object.
    portcullis_request_token(text, bytes) = |r, (issuer, claims)| r.token = Some((issuer, Ok(claims)));
    /// A token that failed: issuer, detail code.
    portcullis_request_token_invalid(text, text) = |r, (issuer, fault)| r.token = Some((issuer, Err(fault)));
    /// An API key that failed: key set, detail code.
    portcullis_request_key_invalid(text, text) = |r, (keys, fault)| {
        r.key = Some((keys, String::new(), Err(fault)));
    };
    /// A signature that failed: the scheme's name, detail code.
    portcullis_request_signature_invalid(text, text) = |r, (name, fault)| r.signature = Some((name, Some(fault)));
}

/// There is a verified client certificate, of which perhaps nothing more is known.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_peer(request: u64) -> i32 {
    set(
        request,
        |_| Ok(()),
        |request, ()| {
            peer(request);
        },
    )
}

/// The socket's address, as text.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_socket_peer(request: u64, address: usize, len: usize) -> i32 {
    let read = |state: &State| -> Result<IpAddr, Failure> {
        state
            .text(address, len)?
            .parse()
            .map_err(|_| Status::BAD_ADDRESS.into())
    };
    set(request, read, |request, address| {
        request.socket_peer = Some(address)
    })
}

/// An API key that the host verified: key set, id, fields as a JSON object (no bytes for none).
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_request_key(
    request: u64,
    keys: usize,
    keys_len: usize,
    id: usize,
    id_len: usize,
    fields: usize,
    fields_len: usize,
) -> i32 {
    let read = |state: &State| {
        Ok((
            state.text(keys, keys_len)?,
            state.text(id, id_len)?,
            state.bytes(fields, fields_len)?,
        ))
    };
    set(request, read, |request, (keys, id, fields)| {
        request.key = Some((keys, id, Ok(fields)))
    })
}
