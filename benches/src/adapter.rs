//! The workload's requests -> calls of the engine. The one place that knows how a token is handed over.
//!
//! Requests are prepared once and live as long as the process: what is timed is the decision, from the bytes on.

use std::hint::black_box;
use std::net::IpAddr;

use portcullis::decision::Effect;
use portcullis::exchange::End;
use portcullis::{
    Carries, Claim, Credential, Engine, Exchange, KnownToken, Next, NoToken, Now, RequestView, Snapshot,
    Worker,
};
use portcullis_bridge::OwnedRequest;
use portcullis_tests::workload::{Headers, RawRequest, Workload};
use portcullis_vectors::Vector;

/// How the token reaches the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handing {
    /// Claims as texts, split by the host, as floors and other engines are given them.
    Split,
    /// Claims as JSON text.
    Json,
    /// The facts of a token that the host keeps beside it.
    Known,
    /// The bearer in the headers, found among the tokens the worker has seen.
    Bearer,
}

impl Handing {
    /// All of them.
    pub const ALL: [Handing; 4] = [Handing::Split, Handing::Json, Handing::Known, Handing::Bearer];

    /// The row's name.
    pub fn name(self) -> &'static str {
        match self {
            Handing::Split => "engine/split",
            Handing::Json => "engine/json",
            Handing::Known => "engine/known",
            Handing::Bearer => "engine/bearer",
        }
    }

    /// The header lines that go with it.
    pub fn headers(self) -> Headers {
        match self {
            Handing::Bearer => Headers::Bearer,
            _ => Headers::None,
        }
    }
}

/// Requests ready to be decided.
#[derive(Debug)]
pub struct Requests {
    views: Vec<RequestView<'static>>,
    /// Bearers that a worker has seen before, with their tokens.
    seen: Vec<(&'static str, KnownToken)>,
}

impl Requests {
    /// Of a workload whose policy is loaded.
    pub fn new(
        work: &Workload,
        handing: Handing,
        headers: Headers,
        snapshot: &Snapshot,
    ) -> Result<Requests, NoToken> {
        let mut requests = Requests {
            views: Vec::with_capacity(work.requests.len()),
            seen: Vec::new(),
        };
        for (index, request) in work.requests.iter().enumerate() {
            let raw: &'static RawRequest = Box::leak(Box::new(RawRequest::of(index, request, headers)));
            let known = || KnownToken::read(&snapshot.image, raw.issuer, raw.claims_json.as_bytes());
            let credential = match handing {
                Handing::Json => Credential::Verified {
                    issuer: raw.issuer,
                    claims: raw.claims_json.as_bytes(),
                },
                Handing::Split => Credential::Split {
                    issuer: raw.issuer,
                    claims: split(raw),
                },
                Handing::Known => Credential::Known(Box::leak(Box::new(known()?))),
                Handing::Bearer => {
                    requests.seen.push((&raw.bearer, known()?));
                    Credential::FromHeaders
                }
            };
            requests.views.push(view(raw, credential));
        }
        Ok(requests)
    }

    /// A worker that has seen the bearers.
    pub fn worker(&self) -> Worker {
        let mut worker = Worker::with_seed(7);
        for (bearer, token) in &self.seen {
            worker.remember(bearer.as_bytes(), token.clone());
        }
        worker
    }

    /// Of vectors, claims as JSON text.
    pub fn of_vectors(vectors: &[Vector]) -> Result<Requests, String> {
        let views = vectors.iter().map(|vector| {
            let owned: &'static OwnedRequest = Box::leak(Box::new(OwnedRequest::from_vector(vector)?));
            let headers = Box::leak(owned.header_lines().into_boxed_slice());
            Ok(owned.view(headers, owned.beside_tokens().leak()))
        });
        Ok(Requests {
            views: views.collect::<Result<_, String>>()?,
            seen: Vec::new(),
        })
    }

    /// As the engine is given them.
    pub fn views(&self) -> &[RequestView<'static>] {
        &self.views
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Decides request `index`, as a host does: the reason and the deciding rule are read too.
    #[inline]
    pub fn allowed(&self, snapshot: &Snapshot, index: usize, worker: &mut Worker) -> bool {
        allowed(snapshot, &self.views[index], worker)
    }
}

/// An engine in force and what one thread begins exchanges with.
#[derive(Debug)]
pub struct Host {
    engine: Engine,
    exchange: Exchange,
    worker: Worker,
}

impl Host {
    /// With a worker that has seen what the requests ask for.
    pub fn new(snapshot: Snapshot, requests: &Requests) -> Host {
        Host {
            engine: Engine::from(snapshot),
            exchange: Exchange::new(),
            worker: requests.worker(),
        }
    }

    /// Begins and finishes the exchange of request `index`; whether it is forwarded. The reason and the deciding rule are
    /// read too.
    #[inline]
    pub fn allowed(&mut self, requests: &Requests, index: usize) -> bool {
        let view = &requests.views[index];
        let (exchange, worker) = (&mut self.exchange, &mut self.worker);
        let next = self.engine.begin(exchange, worker, view, Carries::default(), NOW);
        let forwards = matches!(next, Next::Forward(_));
        black_box((exchange.decision().reason(), exchange.decision().rule()));
        forwards && exchange.finish(End::Aborted, NOW).is_ok()
    }
}

/// The instant of every decision: one day in November 2026.
pub const NOW: Now = Now {
    wall_us: Some(1_795_000_000_000_000),
    mono_us: 0,
};

/// Decides one request.
#[inline]
pub fn allowed(snapshot: &Snapshot, view: &RequestView<'_>, worker: &mut Worker) -> bool {
    let decision = portcullis::decide(snapshot, view, NOW, worker);
    black_box((decision.reason, decision.rule));
    decision.effect == Effect::Allow
}

fn view(raw: &'static RawRequest, credential: Credential<'static>) -> RequestView<'static> {
    let lines: Vec<(&[u8], &[u8])> = raw
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    RequestView {
        method: raw.method.as_bytes(),
        authority: Some(raw.authority.as_bytes()),
        target: raw.target.as_bytes(),
        headers: Box::leak(lines.into_boxed_slice()),
        socket_peer: Some(IpAddr::V4(raw.address)),
        credential,
        ..RequestView::default()
    }
}

fn split(raw: &'static RawRequest) -> &'static [(&'static str, Claim<'static>)] {
    let texts = |texts: &'static [String]| -> Claim<'static> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Claim::Texts(Box::leak(texts.into_boxed_slice()))
    };
    let mut claims = vec![
        ("scope", texts(&raw.claims.scopes)),
        ("roles", texts(&raw.claims.roles)),
    ];
    claims.extend(
        raw.claims
            .texts
            .iter()
            .map(|(name, value)| (name.as_str(), Claim::Text(value))),
    );
    Box::leak(claims.into_boxed_slice())
}
