//! A vector with moments -> what of them is not met: its request is sent at each, and quotas and penalties are counted by a
//! store of its own, with the arithmetic of every host.

use portcullis::exchange::{ChargeOutcome, End};
use portcullis::quota::{QuotaStore, Seed};
use portcullis::{Engine, Next, Now, Snapshot, Worker};
use portcullis_bridge::OwnedRequest;
use portcullis_vectors::{Mismatch, Vector, compare};
use serde_json::Value;

use super::begin;

/// Keys of one sequence: more than anybody writes down.
const KEYS: usize = 1_000;
/// Keys come from a file of the author, so the seed need not be secret, and runs are to be alike.
const SEED: [u8; 16] = [0; 16];

/// What is not met, each with the moment's `at` in µs; else what of the vector cannot be read. Charges that nodes share are
/// admitted.
pub fn mismatches(snapshot: &Snapshot, vector: &Vector) -> Result<Vec<(u64, Mismatch)>, String> {
    let engine = Engine::from(snapshot.clone()).with_quotas(QuotaStore::new(KEYS, Seed::new(SEED)));
    let (mut worker, mut missed) = (Worker::default(), Vec::new());
    for moment in &vector.sequence {
        let mut one = vector.clone();
        if moment.client_ip.is_some() {
            one.request.client_ip.clone_from(&moment.client_ip);
        }
        let request = OwnedRequest::from_vector(&one)?;
        let from = request.now();
        let at_us = moment.at.0;
        let now = Now {
            wall_us: from.wall_us.map(|wall_us| wall_us.saturating_add_unsigned(at_us)),
            mono_us: from.mono_us.saturating_add(at_us),
        };
        let request = request.at(now);
        let mut exchange = request.with_view(|view| begin(&engine, &mut worker, view, now));
        request.hand_over_body(&mut exchange, &mut worker);
        while let Next::Charge(charges) = exchange.next() {
            let admitted = ChargeOutcome {
                admitted: true,
                remaining: 0,
                reset_us: 0,
            };
            let all = vec![admitted; charges.iter().len()];
            if exchange.charged(all.into_iter()).is_err() {
                break;
            }
        }
        let line = request.line(&mut exchange, &mut worker, &vector.id)?;
        // One that its vector left under way ends here.
        let _ = exchange.finish(End::Completed, now);
        let verdict: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let of_moment = compare(&moment.expect, &verdict);
        missed.extend(of_moment.into_iter().map(|mismatch| (at_us, mismatch)));
    }
    Ok(missed)
}
