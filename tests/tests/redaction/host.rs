//! A policy and bodies -> what goes on of them. Knows the exchange and nothing of what is in a body.

use std::collections::BTreeMap;

use portcullis::body::Sink;
use portcullis::{Carries, Exchange, Image, Next, Now, RequestView, ResponseNext, Worker};
use portcullis_tests::bridge::Subject;

/// The redaction key of every policy here.
pub(crate) const SALT: &[u8] = b"0123456789abcdef-salt";

/// What policies with redactions begin with.
pub(crate) const HEAD: &str = "gate 1;\nsecret salt from file \"salt.key\";\nredaction key salt;\n";

const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

const JSON: [(&[u8], &[u8]); 1] = [(b"content-type", b"application/json")];

/// What the client got of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of it, to a clean end.
    Whole(Vec<u8>),
    /// Nothing: a refusal in its place.
    Refused,
    /// These bytes, and then the stream was broken off.
    BrokenOff(Vec<u8>),
}

/// A policy in force.
pub(crate) struct Host {
    subject: Subject,
    worker: Worker,
    exchange: Exchange,
}

impl Host {
    /// Of the text of a policy, which must be right.
    pub(crate) fn new(policy: &str) -> Host {
        let files = BTreeMap::from([("salt.key".to_string(), SALT.to_vec())]);
        let sources = [("p.gate".to_string(), policy.as_bytes().to_vec())];
        let checked = portcullis_lang::check::load(&sources, &files);
        let checked = checked
            .policy
            .unwrap_or_else(|| panic!("{policy}\n{:?}", checked.diagnostics));
        let image = portcullis_compile::compile(&checked).unwrap();
        assert!(Image::load(&image, &portcullis::Trust::Unsigned).is_ok());
        Host {
            subject: Subject::load(&image, &files).unwrap(),
            worker: Worker::default(),
            exchange: Exchange::new(),
        }
    }

    fn begin(&mut self, method: &str, authority: &str, headers: &[(&[u8], &[u8])]) {
        let view = RequestView {
            method: method.as_bytes(),
            authority: Some(authority.as_bytes()),
            target: b"/a",
            headers,
            socket_peer: Some([192, 0, 2, 1].into()),
            ..RequestView::default()
        };
        self.subject.engine().begin(
            &mut self.exchange,
            &mut self.worker,
            &view,
            CARRIES,
            Now::default(),
        );
    }

    /// Begins a response to `GET /a` on a host.
    pub(crate) fn begin_response(&mut self, authority: &str, content_type: &str) {
        self.begin("GET", authority, &[]);
        assert!(
            matches!(self.exchange.next(), Next::Forward(_)),
            "{:?}",
            self.exchange.next()
        );
        let head: [(&[u8], &[u8]); 1] = [(b"content-type", content_type.as_bytes())];
        let next = self.exchange.response_head(Some(200), Some(&head)).unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{next:?}");
    }

    /// A part of the response that was begun: whether it may go on.
    pub(crate) fn push(&mut self, part: &[u8], end: bool, out: &mut dyn Sink) -> bool {
        let next = self
            .exchange
            .response_body(&mut self.worker, part, end, out)
            .unwrap();
        matches!(next, ResponseNext::Stream(_) | ResponseNext::Pass(_))
    }

    /// A whole response in parts.
    pub(crate) fn answer<'p>(
        &mut self,
        authority: &str,
        content_type: &str,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> Answer {
        self.begin_response(authority, content_type);
        let mut sent = Vec::new();
        for (part, end) in parts.map(|part| (part, false)).chain([(&b""[..], true)]) {
            let mut out = Vec::new();
            let next = self
                .exchange
                .response_body(&mut self.worker, part, end, &mut out)
                .unwrap();
            match next {
                ResponseNext::Stream(_) => assert!(!end),
                ResponseNext::Pass(_) => assert!(end),
                ResponseNext::Replace(reply) => {
                    assert_eq!(reply.status, 502);
                    assert!(sent.is_empty(), "a refusal behind bytes that were sent");
                    return Answer::Refused;
                }
                ResponseNext::Reset => return Answer::BrokenOff(sent),
            }
            sent.extend_from_slice(&out);
        }
        Answer::Whole(sent)
    }

    /// A request's body to `POST /a` in parts: what goes upstream in its place, `None` where it goes as it came; or the
    /// status and detail of the refusal.
    pub(crate) fn send<'p>(
        &mut self,
        authority: &str,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> Result<Option<Vec<u8>>, (u16, String)> {
        self.begin("POST", authority, &JSON);
        for (part, end) in parts.map(|part| (part, false)).chain([(&b""[..], true)]) {
            if !matches!(self.exchange.next(), Next::ReadBody { .. }) {
                break;
            }
            self.exchange
                .request_body(&mut self.worker, part, end, Now::default())
                .unwrap();
        }
        match self.exchange.next() {
            Next::Forward(rewrites) => Ok(rewrites.body.map(<[u8]>::to_vec)),
            Next::Reply(reply) => {
                let problem =
                    serde_json::from_str::<serde_json::Value>(reply.problem.unwrap_or("{}")).unwrap();
                Err((
                    reply.status,
                    problem["code"].as_str().unwrap_or_default().to_string(),
                ))
            }
            other => panic!("{other:?}"),
        }
    }
}
