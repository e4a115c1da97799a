//! A warm exchange whose quotas this node charges allocates nothing, refused or admitted.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::sync::Arc;

use portcullis::exchange::End;
use portcullis::quota::{QuotaStore, Seed};
use portcullis::{Carries, Data, Engine, Exchange, Image, Next, Now, RequestView, Snapshot, Trust, Worker};

const POLICY: &str = r#"gate 1;
quota monthly = 1000000 per calendar month in "Europe/Berlin" by client.ip;
service s on "api.example.com" {
  allow anyone to GET /a;
  on GET /a { limit 50 per 1s by client.ip; limit monthly; }
  on GET /a { limit at most 3 in flight by client.ip; }
}
"#;

fn engine() -> Engine {
    let policy = portcullis_lang::check::load_text(POLICY).policy.unwrap();
    let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
    let data = Data::empty(image.config());
    let engine = Engine::new().with_quotas(QuotaStore::new(1_000, Seed::new([5; 16])));
    engine.swap(Arc::new(Snapshot::new(image, data))).unwrap();
    engine
}

#[test]
fn a_warm_exchange_with_quotas_allocates_nothing() {
    let (engine, mut worker, mut exchange) = (engine(), Worker::default(), Exchange::new());
    let mut requests = |count: u8, us: u64| {
        let (mut forwarded, mut refused) = (0, 0);
        for _ in 0..count {
            for client in 1..=4 {
                let view = RequestView {
                    method: b"GET",
                    authority: Some(b"api.example.com"),
                    target: b"/a",
                    socket_peer: Some([192, 0, 2, client].into()),
                    ..RequestView::default()
                };
                let now = Now {
                    wall_us: Some(us as i64),
                    mono_us: us,
                };
                match engine.begin(&mut exchange, &mut worker, &view, Carries::default(), now) {
                    Next::Forward(_) => forwarded += 1,
                    Next::Reply(reply) => refused += usize::from(reply.status == 429),
                    other => panic!("{other:?}"),
                }
                exchange.finish(End::Completed, now).unwrap();
            }
        }
        (forwarded, refused)
    };
    assert_eq!(requests(60, 1_000_000), (200, 40));
    let mut again = (0, 0);
    // Keys that were there, and each refused too.
    let counted = allocation_counter::measure(|| again = requests(60, 9_000_000));
    assert_eq!(again, (200, 40));
    assert_eq!(counted.count_total, 0);
    // The counter counts.
    assert_eq!(
        allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7u64)))).count_total,
        1
    );
}
