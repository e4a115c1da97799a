//! The caller's request struct -> [`RequestView`]. Adds nothing and cleans nothing: what a view can say, a struct can.

use std::mem::{MaybeUninit, offset_of, take};
use std::net::IpAddr;

use portcullis::view::BesideToken;
use portcullis::{Credential, KeyFact, Now, PeerCert, RequestView, SignatureFact};

use crate::memory::{bytes, maybe_bytes, sized, slice, text};
use crate::status::{Failure, PORTCULLIS_E_ADDRESS, PORTCULLIS_E_ARGUMENT, PORTCULLIS_E_TEXT};
use crate::types::{
    Beside, Certificate, Header, PORTCULLIS_ABSENT, PORTCULLIS_CARRIES_INTROSPECTION,
    PORTCULLIS_DEMANDS_BODY, PORTCULLIS_DEMANDS_CHARGE, PORTCULLIS_DEMANDS_RESPONSE, PORTCULLIS_EXPLAIN,
    PORTCULLIS_HAS_WALL_CLOCK, PORTCULLIS_INVALID, PORTCULLIS_TEST_PANIC, PORTCULLIS_VERIFIED, Request,
};

/// Smallest request: one without anything behind its scheme.
const REQUEST_BYTES_MIN: usize = offset_of!(Request, authority);
/// A certificate says how it was found, which is at its end.
const CERTIFICATE_BYTES_MIN: usize = size_of::<Certificate>();
const CARRIED: u32 = PORTCULLIS_DEMANDS_CHARGE
    | PORTCULLIS_DEMANDS_BODY
    | PORTCULLIS_DEMANDS_RESPONSE
    | PORTCULLIS_CARRIES_INTROSPECTION;

/// Tokens of `beside` issuers in one request: more than a policy has such issuers.
const BESIDE_MAX: usize = 16;

/// Lines or names that a worker keeps room for between decisions; the engine refuses more than a hundred lines.
const KEEP_MAX: usize = 256;

const FLAGS: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "a flag that this library does not know");
const CARRIES: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "the request says that a demand is carried out that this library does not know, or fills what is reserved",
);
const SCHEME: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "the request has no scheme");
const STATE: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a certificate that is neither verified nor invalid, or verified with a fault",
);
const BESIDE: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a token of `beside` that is neither verified nor invalid, or verified with a fault",
);
const BESIDE_COUNT: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "more tokens of `beside` than 16");
const KIND: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a token, key or signature of a kind that this library does not know",
);
const ADDRESS: Failure = Failure::new(PORTCULLIS_E_ADDRESS, "the peer is no address");
const TWO_ADDRESSES: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "the peer is given as text and as bytes; one must be absent",
);

type Line<'a> = (&'a [u8], &'a [u8]);

/// Lists that views borrow, kept between decisions.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lines: Vec<Line<'static>>,
    names: Vec<&'static [u8]>,
}

/// Copies the struct; its pointers are not followed yet.
///
/// # Safety
///
/// Unless null or misaligned, `request` must point to a struct that begins with its size and is as large.
#[inline]
pub(crate) unsafe fn read(
    request: *const Request,
    room: &mut MaybeUninit<Request>,
) -> Result<&Request, Failure> {
    // SAFETY: the caller's promise.
    let request = unsafe { sized(request, REQUEST_BYTES_MIN, room) }?;
    let test = if cfg!(debug_assertions) {
        PORTCULLIS_TEST_PANIC
    } else {
        0
    };
    if request.flags & !(PORTCULLIS_HAS_WALL_CLOCK | PORTCULLIS_EXPLAIN | test) != 0 {
        return Err(FLAGS);
    }
    if request.carries & !CARRIED != 0 || request.reserved != 0 {
        return Err(CARRIES);
    }
    if request.scheme.len == 0 {
        return Err(SCHEME);
    }
    Ok(request)
}

/// Calls `f` with the view.
///
/// # Safety
///
/// Every pointer in the struct that is not null and comes with a length must be readable for that length, and what it
/// points to unchanged, until the call returns.
#[inline]
pub(crate) unsafe fn with_view<R>(
    request: &Request,
    lists: &mut Lists,
    f: impl FnOnce(&RequestView<'_>, Now) -> R,
) -> Result<R, Failure> {
    let mut lines: Vec<Line<'_>> = take(&mut lists.lines);
    // SAFETY: the caller's promise.
    unsafe { read_lines(request.headers, request.headers_len, &mut lines) }?;
    let mut room = MaybeUninit::uninit();
    let certificate = match request.certificate.is_null() {
        true => None,
        // SAFETY: the caller's promise, of the certificate's struct.
        false => Some(unsafe { sized(request.certificate, CERTIFICATE_BYTES_MIN, &mut room) }?),
    };
    let mut names: Vec<&[u8]> = Vec::new();
    if let Some(certificate) = certificate {
        names = take(&mut lists.names);
        // SAFETY: the caller's promise, of what the certificate's struct points to.
        unsafe {
            for name in slice(certificate.dns, certificate.dns_len)? {
                names.push(bytes(*name)?);
            }
        }
    }
    let mut tokens = Vec::new();
    if request.beside_len != 0 {
        // SAFETY: the caller's promise, of the tokens.
        tokens = unsafe { beside(request) }?;
    }
    // SAFETY: the caller's promise, of every text in the two structs.
    let mut view = unsafe { view(request, certificate, &lines, names, &tokens) }?;
    let result = f(&view, now(request));
    const NOTHING: &[u8] = &[];
    if let Some(certificate) = view.certificate.take() {
        lists.names = recycled(certificate.dns, |_| NOTHING);
    }
    lists.lines = recycled(lines, |_| (NOTHING, NOTHING));
    Ok(result)
}

/// Calls `f` with header lines.
///
/// # Safety
///
/// `headers` must be readable for `len` elements, and what they point to for their lengths, and unchanged until the call
/// returns.
pub(crate) unsafe fn with_lines<R>(
    headers: *const Header,
    len: usize,
    lists: &mut Lists,
    f: impl FnOnce(&[Line<'_>]) -> R,
) -> Result<R, Failure> {
    let mut lines: Vec<Line<'_>> = take(&mut lists.lines);
    // SAFETY: the caller's promise.
    unsafe { read_lines(headers, len, &mut lines) }?;
    let result = f(&lines);
    const NOTHING: &[u8] = &[];
    lists.lines = recycled(lines, |_| (NOTHING, NOTHING));
    Ok(result)
}

/// # Safety
///
/// As of [`with_lines`].
#[inline]
unsafe fn read_lines<'a>(
    headers: *const Header,
    len: usize,
    lines: &mut Vec<Line<'a>>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise, of the array and of what its elements point to.
    unsafe {
        for header in slice(headers, len)? {
            lines.push((bytes(header.name)?, bytes(header.value)?));
        }
    }
    Ok(())
}

/// An empty list of the same memory: collecting a list that is mapped into one of the same layout takes it over.
fn recycled<A, B>(mut list: Vec<A>, map: impl FnMut(A) -> B) -> Vec<B> {
    if list.capacity() > KEEP_MAX {
        return Vec::new();
    }
    list.clear();
    list.into_iter().map(map).collect()
}

fn now(request: &Request) -> Now {
    Now {
        wall_us: (request.flags & PORTCULLIS_HAS_WALL_CLOCK != 0).then_some(request.wall_us),
        mono_us: request.mono_us,
    }
}

/// # Safety
///
/// As of [`with_view`].
unsafe fn view<'a>(
    request: &Request,
    certificate: Option<&Certificate>,
    lines: &'a [Line<'a>],
    names: Vec<&'a [u8]>,
    beside: &'a [BesideToken<'a>],
) -> Result<RequestView<'a>, Failure> {
    // SAFETY: the caller's promise, of each of the texts.
    unsafe {
        Ok(RequestView {
            method: bytes(request.method)?,
            scheme: bytes(request.scheme)?,
            authority: maybe_bytes(request.authority)?,
            target: bytes(request.target)?,
            headers: lines,
            socket_peer: peer(maybe_bytes(request.peer_text)?, maybe_bytes(request.peer_bytes)?)?,
            certificate: match certificate {
                None => None,
                Some(certificate) => Some(PeerCert {
                    spiffe: maybe_bytes(certificate.spiffe)?,
                    dns: names,
                    subject: maybe_bytes(certificate.subject)?,
                    fingerprint: maybe_bytes(certificate.fingerprint)?,
                    fault: fault(certificate)?,
                }),
            },
            sni: maybe_bytes(request.sni)?,
            protocol: bytes(request.protocol)?,
            credential: match request.token {
                PORTCULLIS_ABSENT => Credential::FromHeaders,
                PORTCULLIS_VERIFIED => Credential::Verified {
                    issuer: text(request.token_issuer)?,
                    claims: bytes(request.token_claims)?,
                },
                PORTCULLIS_INVALID => Credential::Invalid {
                    issuer: text(request.token_issuer)?,
                    fault: text(request.token_fault)?,
                },
                _ => return Err(KIND),
            },
            key: match request.key {
                PORTCULLIS_ABSENT => None,
                PORTCULLIS_VERIFIED => Some(KeyFact::Verified {
                    keys: text(request.key_set)?,
                    id: text(request.key_id)?,
                    fields: bytes(request.key_fields)?,
                }),
                PORTCULLIS_INVALID => Some(KeyFact::Invalid {
                    keys: text(request.key_set)?,
                    fault: text(request.key_fault)?,
                }),
                _ => return Err(KIND),
            },
            signature: match request.signature {
                PORTCULLIS_ABSENT => None,
                PORTCULLIS_VERIFIED => Some(SignatureFact::Verified {
                    name: text(request.signature_name)?,
                }),
                PORTCULLIS_INVALID => Some(SignatureFact::Invalid {
                    name: text(request.signature_name)?,
                    fault: text(request.signature_fault)?,
                }),
                _ => return Err(KIND),
            },
            beside,
            context: bytes(request.context)?,
        })
    }
}

/// The tokens of `beside` issuers.
///
/// # Safety
///
/// As of [`with_view`].
#[cold]
unsafe fn beside<'a>(request: &Request) -> Result<Vec<BesideToken<'a>>, Failure> {
    if request.beside_len > BESIDE_MAX {
        return Err(BESIDE_COUNT);
    }
    // SAFETY: the caller's promise, of the array.
    let tokens = unsafe { slice(request.beside, request.beside_len) }?;
    // SAFETY: the caller's promise, of what its elements point to.
    let read = |token: &Beside| unsafe {
        let has_fault = !token.fault.ptr.is_null() || token.fault.len != 0;
        let claims = match token.state {
            _ if token.reserved != 0 => return Err(BESIDE),
            PORTCULLIS_VERIFIED if !has_fault => Ok(bytes(token.claims)?),
            PORTCULLIS_INVALID => Err(text(token.fault)?),
            _ => return Err(BESIDE),
        };
        let issuer = text(token.issuer)?;
        Ok(BesideToken { issuer, claims })
    };
    tokens.iter().map(read).collect()
}

/// Why a certificate is invalid; it is so without a reason too.
///
/// # Safety
///
/// As of [`with_view`].
unsafe fn fault<'a>(of: &Certificate) -> Result<Option<&'a str>, Failure> {
    if of.reserved != 0 {
        return Err(STATE);
    }
    match of.state {
        PORTCULLIS_VERIFIED if of.fault.ptr.is_null() && of.fault.len == 0 => Ok(None),
        // SAFETY: the caller's promise.
        PORTCULLIS_INVALID => unsafe { text(of.fault) }.map(Some),
        _ => Err(STATE),
    }
}

fn peer(text: Option<&[u8]>, bytes: Option<&[u8]>) -> Result<Option<IpAddr>, Failure> {
    match (text, bytes) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(TWO_ADDRESSES),
        (Some(text), None) => {
            let text = std::str::from_utf8(text)
                .map_err(|_| Failure::new(PORTCULLIS_E_TEXT, "the peer's address is not UTF-8"))?;
            text.parse().map(Some).map_err(|_| ADDRESS)
        }
        (None, Some(bytes)) => {
            let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            four.or(sixteen).map(Some).map_err(|_| ADDRESS)
        }
    }
}
