//! The workload of 1,000 rules, decided by the crate and by the module in wasmtime, in turn and in one run: how many
//! times longer the module takes. Then floods of forged tokens through both, beside a good token that is cached. Every
//! answer is compared with the truth before anything is timed.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis::decision::Effect;
use portcullis::{Credential, Data, Image, Now, RequestView, Snapshot, Trust, Worker};
use portcullis_tests::forge::{FLOOD_NOW_US, Flood, Wave};
use portcullis_tests::workload::{self, Headers, RawRequest, Workload};
use portcullis_tests_wasm::layout::request;
use portcullis_tests_wasm::{Frame, Module};
use xtask::wasm::{self, Module as Build};

const RULES: usize = 1_000;
/// Rounds of each; the fastest counts, for the machine is shared.
const ROUNDS: usize = 60;
/// One day in November 2026.
const NOW: Now = Now {
    wall_us: Some(1_795_000_000_000_000),
    mono_us: 0,
};
const ALLOW: i32 = 0x51;

type Failure = Box<dyn std::error::Error>;

fn view<'a>(raw: &'a RawRequest, lines: &'a [(&'a [u8], &'a [u8])]) -> RequestView<'a> {
    RequestView {
        method: raw.method.as_bytes(),
        authority: Some(raw.authority.as_bytes()),
        target: raw.target.as_bytes(),
        headers: lines,
        socket_peer: Some(raw.address.into()),
        credential: Credential::Verified {
            issuer: raw.issuer,
            claims: raw.claims_json.as_bytes(),
        },
        ..RequestView::default()
    }
}

fn frame(raw: &RawRequest, lines: &[(&[u8], &[u8])]) -> Frame {
    let mut frame = Frame::default();
    frame.text(request::METHOD, raw.method);
    frame.text(request::SCHEME, "https");
    frame.text(request::AUTHORITY, &raw.authority);
    frame.text(request::TARGET, &raw.target);
    frame.text(request::PEER_BYTES, raw.address.octets());
    frame.claims(raw.issuer, &raw.claims_json);
    frame.headers(lines);
    frame.wall_clock(NOW.wall_us.unwrap_or_default());
    frame
}

/// The time of one pass over all requests.
fn pass(
    mut allowed: impl FnMut(usize) -> Result<bool, Failure>,
    truth: &[bool],
) -> Result<Duration, Failure> {
    let start = Instant::now();
    for (index, expected) in truth.iter().enumerate() {
        if black_box(allowed(index)?) != *expected {
            return Err(format!("request {index} is decided wrongly").into());
        }
    }
    Ok(start.elapsed())
}

/// Rounds of floods, in which signatures are verified.
const FLOOD_ROUNDS: usize = 5;
/// Least requests of a round.
const FLOOD_REQUESTS: usize = 64;

/// What one request of a flood takes in the crate and in the module.
fn flooded(flood: &Flood, wave: &Wave, image: &[u8], module: &Module) -> Result<[Duration; 2], Failure> {
    let loaded = Image::load(image, &Trust::Unsigned)?;
    let (data, errors) = Data::load(loaded.config(), &|name| flood.files.get(name).cloned());
    if let Some(error) = errors.first() {
        return Err(error.to_string().into());
    }
    let snapshot = Snapshot::new(loaded, data);
    let now = Now {
        wall_us: Some(FLOOD_NOW_US),
        mono_us: 0,
    };
    let files = flood.files.iter();
    let mut guest = module.load(
        image,
        files.map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    )?;
    let mut worker = Worker::with_seed(7);
    let lines: Vec<[(&[u8], &[u8]); 1]> = wave
        .headers
        .iter()
        .map(|value| [(b"authorization".as_slice(), value.as_bytes())])
        .collect();
    let mut at = Vec::new();
    for lines in &lines {
        let mut frame = Frame::default();
        frame.text(request::METHOD, "GET");
        frame.text(request::SCHEME, "https");
        frame.text(request::AUTHORITY, "h");
        frame.text(request::TARGET, "/a");
        frame.headers(lines);
        frame.wall_clock(FLOOD_NOW_US);
        let base = guest.alloc(frame.size())?;
        guest.write(base, &frame.at(base))?;
        at.push(base);
    }
    let truth = vec![wave.allowed; lines.len().max(FLOOD_REQUESTS)];
    let mut best = [Duration::MAX; 2];
    for _ in 0..FLOOD_ROUNDS {
        let native = |index: usize| -> Result<bool, Failure> {
            let view = RequestView {
                method: b"GET",
                authority: Some(b"h"),
                target: b"/a",
                headers: &lines[index % lines.len()],
                ..RequestView::default()
            };
            let decision = portcullis::decide(&snapshot, &view, now, &mut worker);
            Ok(decision.effect == Effect::Allow)
        };
        best[0] = best[0].min(pass(native, &truth)?);
        let in_module = |index: usize| -> Result<bool, Failure> {
            let effect = guest.begin_at(at[index % at.len()])?;
            let (exchange, ..) = guest.outs()?;
            let _: i32 = guest.raw("portcullis_exchange_free", exchange)?;
            Ok(effect == ALLOW)
        };
        best[1] = best[1].min(pass(in_module, &truth)?);
    }
    Ok(best.map(|time| time / truth.len() as u32))
}

fn main() -> Result<(), Failure> {
    let work = Workload::new(RULES);
    let checked = portcullis_lang::check::load_text_with(&work.gate(), &workload::files());
    let policy = checked.policy.ok_or("the workload's policy has errors")?;
    let image = portcullis_compile::compile(&policy)?;
    let module = Module::of(&std::fs::read(wasm::ship(Build::Images)?)?)?;
    for (name, headers) in [("json", Headers::None), ("json+headers", Headers::Usual)] {
        let raws: Vec<RawRequest> = work
            .requests
            .iter()
            .enumerate()
            .map(|(index, request)| RawRequest::of(index, request, headers))
            .collect();
        let lines: Vec<Vec<(&[u8], &[u8])>> = raws
            .iter()
            .map(|raw| {
                let lines = raw.headers.iter();
                lines
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                    .collect()
            })
            .collect();

        let loaded = Image::load(&image, &Trust::Unsigned)?;
        let data = Data::empty(loaded.config());
        let snapshot = Snapshot::new(loaded, data);
        let views: Vec<RequestView<'_>> = raws
            .iter()
            .zip(&lines)
            .map(|(raw, lines)| view(raw, lines))
            .collect();
        let mut worker = Worker::with_seed(7);
        let mut native = |index: usize| -> Result<bool, Failure> {
            let decision = portcullis::decide(&snapshot, &views[index], NOW, &mut worker);
            black_box((decision.reason, decision.rule));
            Ok(decision.effect == Effect::Allow)
        };

        let mut guest = module.load(&image, [])?;
        let mut at = Vec::new();
        let mut frames = Vec::new();
        for (raw, lines) in raws.iter().zip(&lines) {
            let frame = frame(raw, lines);
            let base = guest.alloc(frame.size())?;
            guest.write(base, &frame.at(base))?;
            frames.push(frame.at(base));
            at.push(base);
        }
        let begin = guest.function::<(i64, i64, i32, i32, i32, i32), i32>("portcullis_exchange_begin")?;
        let free = guest.function::<i64, i32>("portcullis_exchange_free")?;
        // Sets the verdict's size, which the calls below leave as it is.
        guest.begin_at(at[0])?;
        let (first, ..) = guest.outs()?;
        free.call(guest.store(), first)?;

        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(pass(&mut native, &work.truth)?);
            for (row, copies) in [(1, false), (2, true)] {
                let time = pass(
                    |index| {
                        if copies {
                            guest.write(at[index], &frames[index])?;
                        }
                        let params = guest.begin_params(at[index]);
                        let effect = begin.call(guest.store(), params)?;
                        let (exchange, ..) = guest.outs()?;
                        free.call(guest.store(), exchange)?;
                        Ok(effect == ALLOW)
                    },
                    &work.truth,
                )?;
                best[row] = best[row].min(time);
            }
        }
        let ns = best.map(|time| time.as_nanos() as f64 / work.truth.len() as f64);
        println!(
            "{name}: crate {:.0} ns, module {:.0} ns = {:.2} times, with copying the request in {:.0} ns = {:.2} times",
            ns[0],
            ns[1],
            ns[1] / ns[0],
            ns[2],
            ns[2] / ns[0]
        );
    }
    for flood in Flood::all() {
        let checked = portcullis_lang::check::load_text_with(&flood.gate, &flood.files);
        let policy = checked.policy.ok_or("the flood's policy has errors")?;
        let image = portcullis_compile::compile(&policy)?;
        for wave in &flood.waves {
            let [native, guest] = flooded(&flood, wave, &image, &module)?;
            println!(
                "{} {}: crate {native:.1?}, module {guest:.1?}",
                flood.algorithm, wave.name
            );
        }
    }
    Ok(())
}
