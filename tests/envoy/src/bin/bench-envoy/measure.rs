//! Variants -> processor time of each, round by round, in turn.

use std::io::Write as _;
use std::time::Instant;

use portcullis_tests::workload::Workload;
use portcullis_tests_envoy::http::{self, Incoming};
use serde::Serialize;

use crate::variants::{self, Variant};

/// Connections that each have one request under way.
const CONNECTIONS: usize = 4;
/// Requests before the first round, so that connections, caches and compiled code are there.
const WARM: usize = 4_000;

/// One variant in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Processor time of the whole Envoy, µs a request.
    pub(crate) cpu_us: f64,
    /// Requests a second, for the record only: client and upstream share the machine.
    pub(crate) rate: f64,
}

/// All variants, so many times in turn; a row for each round.
pub(crate) fn rounds(
    variants: &mut [Variant],
    work: &Workload,
    rounds: usize,
    requests: usize,
) -> Result<Vec<Vec<Sample>>, String> {
    // Only what everybody lets pass, so that everybody does the same work.
    let all = variants::requests(work);
    let allowed: Vec<Vec<u8>> = all
        .into_iter()
        .zip(&work.truth)
        .filter(|(_, t)| **t)
        .map(|(r, _)| r)
        .collect();
    for variant in variants.iter() {
        drive(variant, &allowed, WARM)?;
    }
    let mut out = Vec::new();
    for _ in 0..rounds {
        let mut row = Vec::new();
        for variant in variants.iter() {
            row.push(sample(variant, &allowed, requests)?);
        }
        out.push(row);
    }
    Ok(out)
}

fn sample(variant: &Variant, requests: &[Vec<u8>], count: usize) -> Result<Sample, String> {
    let ran = || variant.envoy.processor_ns().map_err(|error| error.to_string());
    let (before, start) = (ran()?, Instant::now());
    drive(variant, requests, count)?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu_us = ran()?.saturating_sub(before) as f64 / 1e3;
    Ok(Sample {
        cpu_us: cpu_us / count as f64,
        rate: count as f64 / seconds,
    })
}

/// Sends so many requests, and takes no answer but 200.
fn drive(variant: &Variant, requests: &[Vec<u8>], count: usize) -> Result<(), String> {
    let one = |first: usize| -> Result<(), String> {
        let stream = http::connect(&variant.address).map_err(|error| error.to_string())?;
        let mut incoming = Incoming::new(stream);
        for bytes in requests.iter().cycle().skip(first).take(count / CONNECTIONS) {
            incoming
                .stream()
                .write_all(bytes)
                .map_err(|error| error.to_string())?;
            let reply = incoming.reply(false).map_err(|error| error.to_string())?;
            match reply.map(|reply| reply.status()) {
                Some(200) => {}
                other => return Err(format!("{}: {other:?} in the middle of a round", variant.name)),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let part = requests.len() / CONNECTIONS;
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|n| scope.spawn(move || one(n * part)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Err("a client panicked".into())))
    })
}

/// The machine's load of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_string()
}
