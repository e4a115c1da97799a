//! Once warm, nothing allocates between the beginning of a decision and what the plugin does next.

use crate::config::Options;
use crate::host::Refused;
use crate::pairs;
use crate::pairs::Pairs;
use crate::reply::DECISION_HEADER;

use super::*;

const POLICY: &str = r#"gate 1;
context { risk: int; }
quota calls = 5 per 1m by request.method;
service s on "a.example" {
  allow anyone to GET /open {
    set request header "x-a" "1"; set response header "x-b" "1"; drop response header "server"; tag "t";
  }
  allow anyone to GET /charged { limit calls; }
  deny anyone to GET /shut because "closed";
}
"#;

/// A gateway that gives one request's header lines and takes everything.
struct OneRequest(Vec<u8>);

impl OneRequest {
    fn to(path: &str) -> OneRequest {
        let lines = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "a.example"),
            (":path", path),
            ("accept", "*/*"),
        ];
        let lines = lines.iter();
        OneRequest(pairs::write(
            lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        ))
    }
}

impl Host for OneRequest {
    fn headers(&self, _: Map) -> Option<Pairs> {
        Pairs::read(self.0.clone())
    }
    fn look_up(&self, _: &str) -> Result<Option<Vec<u8>>, Refused> {
        Ok(None)
    }
    fn configuration(&self, _: usize) -> Option<Vec<u8>> {
        None
    }
    fn now_us(&self) -> Option<i64> {
        None
    }
    fn remove(&self, _: Map, _: &str) -> Result<(), Refused> {
        Ok(())
    }
    fn add(&self, _: Map, _: &str, _: &str) -> Result<(), Refused> {
        Ok(())
    }
    fn replace(&self, _: Map, _: &str, _: &str) -> Result<(), Refused> {
        Ok(())
    }
    fn body(&self, _: Body, _: usize, _: usize) -> Result<Vec<u8>, Refused> {
        Err(Refused(2))
    }
    fn set_body(&self, _: Body, _: &[u8]) -> Result<(), Refused> {
        Err(Refused(2))
    }
    fn reply(&self, reply: &crate::host::LocalReply<'_>) -> Result<(), Refused> {
        assert!(reply.headers.iter().any(|(name, _)| *name == DECISION_HEADER));
        Ok(())
    }
    fn close(&self) {}
    fn log(&self, _: Level, _: &str) {}
    fn define_counter(&self, _: &str) -> Option<u32> {
        None
    }
    fn count(&self, _: u32) {}
}

#[test]
fn a_warm_decision_needs_no_allocator() {
    let policy = portcullis_lang::check::load_text(POLICY).policy.unwrap();
    let engine = portcullis::Engine::new();
    let image = portcullis_compile::compile(&policy).unwrap();
    engine
        .load(&image, &portcullis::Trust::Unsigned, &|_| None)
        .unwrap();
    let deployment = Rc::new(Deployment {
        engine,
        options: Options::default(),
        ..Deployment::default()
    });
    let shared = Shared::default();
    let paths = [
        ("/open", true),
        ("/charged", false),
        ("/shut", false),
        ("/nowhere", false),
    ];
    for round in 0..3 {
        for (path, goes_on) in paths {
            let host = OneRequest::to(path);
            let mut filter = Filter::new(Rc::clone(&deployment), 1);
            let facts = Facts::read(&host, &deployment.options, deployment.reads).unwrap();
            let mut exchange = shared.exchange();
            let counted = facts.with_view(|view| {
                allocation_counter::measure(|| filter.decide(&mut exchange, &shared, view, Now::default()))
            });
            assert!(round == 0 || counted.count_total == 0, "{path}: {counted:?}");
            assert_eq!(matches!(exchange.next(), Next::Forward(_)), goes_on, "{path}");
            shared.take_back(exchange);
            // And by the phases as a gateway calls them.
            let step = filter.request_headers(&host, &shared, true);
            assert_eq!(step == Step::Continue, goes_on, "{path}");
            assert_eq!(filter.response_headers(&host, &shared, true), Step::Continue);
            filter.end(&host, &shared);
        }
    }
}
