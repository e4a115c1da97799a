//! A view -> a C request struct -> the exported functions, as C programs call them: for counting what they cost. It must
//! not use the engine but through them.

#![allow(unsafe_code, reason = "the C functions read what their pointers point to")]

use std::net::IpAddr;

use portcullis::{Credential, Now, RequestView};

use portcullis_c::exports::{
    portcullis_engine_free, portcullis_engine_load, portcullis_engine_new, portcullis_exchange_begin,
    portcullis_exchange_body, portcullis_exchange_body_end, portcullis_exchange_charged,
    portcullis_exchange_finish, portcullis_exchange_free, portcullis_exchange_introspected,
    portcullis_exchange_next, portcullis_exchange_response_body, portcullis_exchange_response_head,
    portcullis_worker_free, portcullis_worker_new,
};
use portcullis_c::status::{PORTCULLIS_ALLOW, PORTCULLIS_DENY, PORTCULLIS_OK, PORTCULLIS_PENDING};
use portcullis_c::types::{
    Charged, Header, Introspection, Next, PORTCULLIS_CARRIES_INTROSPECTION, PORTCULLIS_DEMANDS_BODY,
    PORTCULLIS_DEMANDS_CHARGE, PORTCULLIS_DEMANDS_RESPONSE, PORTCULLIS_END_COMPLETED,
    PORTCULLIS_HAS_WALL_CLOCK, PORTCULLIS_STEP_CHARGE, PORTCULLIS_STEP_INTROSPECT, PORTCULLIS_STEP_READ_BODY,
    PORTCULLIS_VERIFIED, Request, Text, Verdict,
};

/// An engine and a worker of its own.
#[derive(Debug)]
pub struct Caller {
    engine: u64,
    worker: u64,
}

/// A request struct with all that it points to.
#[derive(Debug)]
pub struct Prepared<'a> {
    request: Request,
    /// What the struct's headers point to.
    _headers: Vec<Header>,
    /// What its address points to.
    _peer: Vec<u8>,
    _view: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Prepared<'a> {
    /// Of a view without certificate, key and signature; `None` where it has one, or a token that no struct can say.
    pub fn of(view: &RequestView<'a>, now: Now) -> Option<Prepared<'a>> {
        let headers: Vec<Header> = view
            .headers
            .iter()
            .map(|(name, value)| Header {
                name: Text::from(*name),
                value: Text::from(*value),
            })
            .collect();
        let maybe = |bytes: Option<&[u8]>| bytes.map_or_else(Text::default, Text::from);
        let peer: Vec<u8> = match view.socket_peer {
            Some(IpAddr::V4(v4)) => v4.octets().into(),
            Some(IpAddr::V6(v6)) => v6.octets().into(),
            None => Vec::new(),
        };
        // A view may leave out what the engine takes for `https`; a struct may not.
        let scheme: &[u8] = match view.scheme {
            b"" => b"https",
            given => given,
        };
        let mut request = Request {
            method: Text::from(view.method),
            target: Text::from(view.target),
            headers: headers.as_ptr(),
            headers_len: headers.len(),
            scheme: Text::from(scheme),
            authority: maybe(view.authority),
            peer_bytes: maybe(view.socket_peer.map(|_| &*peer)),
            protocol: Text::from(view.protocol),
            sni: maybe(view.sni),
            context: Text::from(view.context),
            mono_us: now.mono_us,
            ..Request::default()
        };
        if let Some(wall_us) = now.wall_us {
            request.flags = PORTCULLIS_HAS_WALL_CLOCK;
            request.wall_us = wall_us;
        }
        match view.credential {
            Credential::FromHeaders => {}
            Credential::Verified { issuer, claims } => {
                request.token = PORTCULLIS_VERIFIED;
                request.token_issuer = Text::from(issuer);
                request.token_claims = Text::from(claims);
            }
            _ => return None,
        }
        let more = view.certificate.is_some() || view.key.is_some() || view.signature.is_some();
        (!more).then_some(Prepared {
            request,
            _headers: headers,
            _peer: peer,
            _view: std::marker::PhantomData,
        })
    }
}

impl Caller {
    /// With an image in force; the code of what failed otherwise.
    pub fn new(image: &[u8]) -> Result<Caller, i32> {
        let mut caller = Caller { engine: 0, worker: 0 };
        let none = std::ptr::null_mut();
        let ok = |code| if code == PORTCULLIS_OK { Ok(()) } else { Err(code) };
        // SAFETY: variables of ours, and no place for errors.
        unsafe {
            ok(portcullis_engine_new(&raw mut caller.engine, none))?;
            ok(portcullis_worker_new(&raw mut caller.worker, none))?;
            ok(portcullis_engine_load(
                caller.engine,
                image.as_ptr().cast(),
                image.len(),
                none,
            ))?;
        }
        Ok(caller)
    }

    /// Decides, as a C program does: the verdict is read, and the exchange freed.
    #[inline]
    pub fn allowed(&mut self, request: &Prepared<'_>) -> bool {
        let mut exchange = 0;
        let mut verdict = Verdict::default();
        // SAFETY: variables of ours; a prepared request holds what its struct points to, or borrows it.
        let effect = unsafe {
            portcullis_exchange_begin(
                self.engine,
                self.worker,
                &raw const request.request,
                &raw mut exchange,
                &raw mut verdict,
                std::ptr::null_mut(),
            )
        };
        std::hint::black_box((verdict.reason, verdict.rule));
        portcullis_exchange_free(exchange) == PORTCULLIS_OK && effect == PORTCULLIS_ALLOW
    }
}

impl Caller {
    /// Drives an exchange to its end and carries out whatever it asks for: the token is good with these claims, the body is
    /// the text `hello`, the response is a JSON object, and quotas admit or not. Whether the response passed.
    pub fn carried_out(
        &mut self,
        prepared: &Prepared<'_>,
        issuer: &str,
        claims: &[u8],
        admitted: bool,
    ) -> bool {
        let mut exchange = 0;
        let mut request = prepared.request;
        request.carries = PORTCULLIS_DEMANDS_CHARGE
            | PORTCULLIS_DEMANDS_BODY
            | PORTCULLIS_DEMANDS_RESPONSE
            | PORTCULLIS_CARRIES_INTROSPECTION;
        let (no_verdict, no_error) = (std::ptr::null_mut(), std::ptr::null_mut());
        let place = &raw mut exchange;
        // SAFETY: variables of ours; a prepared request holds what its struct points to, or borrows it.
        let begun = unsafe {
            portcullis_exchange_begin(
                self.engine,
                self.worker,
                &raw const request,
                place,
                no_verdict,
                no_error,
            )
        };
        let mut effect = begun;
        while effect == PORTCULLIS_PENDING {
            effect = pending_step(exchange, issuer, claims, admitted);
        }
        if effect == PORTCULLIS_ALLOW {
            let json = Header {
                name: Text::from("content-type"),
                value: Text::from("application/json"),
            };
            // SAFETY: a variable of ours, and texts that are always there.
            effect = unsafe { portcullis_exchange_response_head(exchange, 200, &raw const json, 1) };
        }
        if effect == PORTCULLIS_PENDING {
            let (body, mut out) = (Text::from(RESPONSE), Text::default());
            // SAFETY: a text that is always there, and a variable of ours.
            effect =
                unsafe { portcullis_exchange_response_body(exchange, body.ptr, body.len, 1, &raw mut out) };
        }
        let (no_clock, no_record) = (std::ptr::null(), std::ptr::null_mut());
        // SAFETY: neither clock nor record is there.
        let ended =
            unsafe { portcullis_exchange_finish(exchange, PORTCULLIS_END_COMPLETED, no_clock, no_record) };
        let freed = portcullis_exchange_free(exchange);
        (effect, ended, freed) == (PORTCULLIS_ALLOW, PORTCULLIS_OK, PORTCULLIS_OK)
    }
}

/// What the upstream answers.
const RESPONSE: &str = r#"{"a":1,"b":"0123456789","c":[true]}"#;

/// Answers the step that an exchange waits for.
fn pending_step(exchange: u64, issuer: &str, claims: &[u8], admitted: bool) -> i32 {
    let mut next = Next::default();
    // SAFETY: a variable of ours.
    if unsafe { portcullis_exchange_next(exchange, &raw mut next) } != PORTCULLIS_OK {
        return PORTCULLIS_DENY;
    }
    let heard = Introspection {
        state: PORTCULLIS_VERIFIED,
        issuer: Text::from(issuer),
        claims: Text::from(claims),
        ..Introspection::default()
    };
    let outcome = Charged {
        admitted: admitted.into(),
        ..Charged::default()
    };
    let clock = std::ptr::null();
    // SAFETY: variables of ours, texts that the caller lends, and no clock.
    unsafe {
        match next.step {
            PORTCULLIS_STEP_INTROSPECT => portcullis_exchange_introspected(exchange, &raw const heard, clock),
            PORTCULLIS_STEP_CHARGE => portcullis_exchange_charged(exchange, &raw const outcome, 1),
            PORTCULLIS_STEP_READ_BODY => {
                let body = Text::from("hello");
                match portcullis_exchange_body(exchange, body.ptr, body.len) {
                    PORTCULLIS_PENDING => portcullis_exchange_body_end(exchange, clock),
                    other => other,
                }
            }
            _ => PORTCULLIS_DENY,
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        portcullis_worker_free(self.worker);
        portcullis_engine_free(self.engine);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

    use std::collections::BTreeMap;

    use portcullis_c::status::PORTCULLIS_E_IMAGE;

    use super::*;

    #[test]
    fn a_caller_in_rust_gets_what_c_gets() {
        let policy = "gate 1; service s { allow anyone to GET /a; }";
        let image = crate::setup::image(policy, &BTreeMap::new()).unwrap();
        let mut caller = Caller::new(&image).unwrap();
        for (target, allowed) in [("/a", true), ("/b", false)] {
            let view = RequestView {
                method: b"GET",
                authority: Some(b"h"),
                target: target.as_bytes(),
                headers: &[(b"accept", b"*/*")],
                socket_peer: Some([192, 0, 2, 1].into()),
                ..RequestView::default()
            };
            let request = Prepared::of(&view, Now::default()).unwrap();
            assert_eq!(caller.allowed(&request), allowed, "{target}");
        }
        assert_eq!(Caller::new(b"no image").unwrap_err(), PORTCULLIS_E_IMAGE);
    }
}
