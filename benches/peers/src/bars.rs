//! Rows -> the bars that time can show: which ratio is meant, which was measured, met or not. Instructions,
//! allocations of all shapes and words touched are asserted by tests instead.

use std::fmt::Write as _;

use crate::alone::Alone;
use crate::measure::Row;

/// The size that ratios are about.
const RULES: usize = 1_000;

fn find<'r>(rows: &'r [Row], name: &str, rules: usize) -> Option<&'r Row> {
    rows.iter()
        .find(|row| row.name == name && row.rules == rules && row.holds())
}

/// A Markdown table; bars whose rows were not run are left out.
pub fn table(rows: &[Row], alone: &Alone) -> String {
    let mut text = String::from("| bar | meant | measured | |\n| --- | --- | --- | --- |\n");
    let mut line = |what: String, meant: String, measured: String, met: bool| {
        let word = if met { "met" } else { "not met" };
        let _ = writeln!(text, "| {what} | {meant} | {measured} | {word} |");
    };
    for (peer, least) in [
        ("cedar/sliced", 60.0),
        ("regorus/data vm", 25.0),
        ("cel/routed", 15.0),
    ] {
        for ours in ["engine/split", "engine/json"] {
            if let (Some(own), Some(other)) = (find(rows, ours, RULES), find(rows, peer, RULES)) {
                let times = other.median_ns / own.median_ns;
                line(
                    format!("{ours} against {peer}, {RULES} rules"),
                    format!("≥ {least:.0} ×"),
                    format!("{times:.1} ×"),
                    times >= least,
                );
            }
        }
    }
    let pairs = [
        ("engine/split", "floor/split"),
        ("engine/json", "floor/json"),
        ("engine/known", "floor/known"),
    ];
    // By instructions `known` has a bar of its own, with a constant that time can not show.
    for (ours, floor) in pairs.into_iter().take(2) {
        if let (Some(own), Some(floor)) = (find(rows, ours, RULES), find(rows, floor, RULES)) {
            let times = own.median_ns / floor.median_ns;
            line(
                format!("{ours} against {}, {RULES} rules, by time", floor.name),
                "≤ 2.5 ×".into(),
                format!("{times:.1} ×"),
                times <= 2.5,
            );
        }
    }
    let (few, many) = sizes(rows);
    for name in ["engine/split", "engine/json", "engine/known"] {
        if let (Some(small), Some(large)) = (find(rows, name, few), find(rows, name, many)) {
            let times = large.median_ns / small.median_ns;
            line(
                format!("{name}: growth from {few} to {many} rules"),
                "≤ 1.8 ×".into(),
                format!("{times:.2} ×"),
                times <= 1.8,
            );
        }
    }
    let threads = |name| find(rows, name, RULES).map(|row| row.two_threads);
    for (ours, floor) in pairs {
        if let (Some(own), Some(floor)) = (threads(ours), threads(floor)) {
            line(
                format!("{ours}: two threads against the floor's two"),
                "≥ 0.95 ×".into(),
                format!("{:.2} × ({own:.2} of {floor:.2})", own / floor),
                own / floor >= 0.95,
            );
        }
    }
    let allocates = rows
        .iter()
        .filter(|row| row.name.starts_with("engine/"))
        .map(|row| row.allocations)
        .fold(0.0, f64::max);
    line(
        "allocations of a decision, all engine rows".into(),
        "0".into(),
        format!("{allocates:.1}"),
        allocates == 0.0,
    );
    by_itself(rows, alone, &mut line);
    text
}

/// Bars about compiling, images and shapes.
fn by_itself(rows: &[Row], alone: &Alone, line: &mut impl FnMut(String, String, String, bool)) {
    let compiled = |rules: usize| alone.compiled.iter().find(|one| one.rules == rules);
    if let (Some(own), Some(cedar)) = (compiled(10_000), find(rows, "cedar/sliced", 10_000)) {
        let share = own.compile_ms / cedar.load_ms;
        line(
            "text to image, 10000 rules, against cedar's load".into(),
            "≤ 0.6 ×".into(),
            format!(
                "{share:.2} × ({:.0} ms, parsing {:.0} ms, of {:.0} ms)",
                own.compile_ms, own.parse_ms, cedar.load_ms
            ),
            share <= 0.6,
        );
    }
    if let (Some(small), Some(large)) = (compiled(10_000), compiled(100_000)) {
        let times = large.compile_ms / small.compile_ms;
        line(
            "text to image, 100000 rules against 10000".into(),
            "≤ 12 ×".into(),
            format!(
                "{times:.1} × ({:.0} ms of {:.0} ms)",
                large.compile_ms, small.compile_ms
            ),
            times <= 12.0,
        );
    }
    for one in alone.compiled.iter().filter(|one| one.rules >= RULES) {
        let times = one.compile_ms / one.load_ms;
        line(
            format!("reading and validating an image of {} rules", one.rules),
            "≤ 1/50 of compiling".into(),
            format!("1/{times:.0} ({:.2} ms)", one.load_ms),
            times >= 50.0,
        );
    }
    for one in alone.compiled.iter().filter(|one| one.rules >= RULES) {
        let bytes = one.image_bytes as f64 / one.rules as f64;
        line(
            format!("image of {} rules without symbols", one.rules),
            "≤ 160 bytes a rule".into(),
            format!("{bytes:.0}"),
            bytes <= 160.0,
        );
    }
    let shape = |name: &str| alone.shapes.iter().find(|shape| shape.name == name);
    if let Some(github) = shape("github") {
        let times = github.p99_ns / github.median_ns;
        line(
            "the GitHub policy, p99 against median".into(),
            "≤ 3 ×".into(),
            format!(
                "{times:.1} × ({:.0} ns, {:.0} ns)",
                github.p99_ns, github.median_ns
            ),
            times <= 3.0,
        );
    }
    for (name, told_apart_by) in [("subjects", "a switch"), ("few facts", "bitmaps")] {
        let of = |rules: usize| shape(&format!("{name}/{rules}"));
        let (Some(few), Some(many)) = (of(10), of(10_000)) else {
            continue;
        };
        let times = many.median_ns / few.median_ns;
        line(
            format!("10000 rules on one route against 10, told apart by {told_apart_by}"),
            "≤ 10 ×".into(),
            format!(
                "{times:.1} × ({:.0} ns of {:.0} ns)",
                many.median_ns, few.median_ns
            ),
            times <= 10.0,
        );
    }
}

fn sizes(rows: &[Row]) -> (usize, usize) {
    let all = || rows.iter().map(|row| row.rules);
    (all().min().unwrap_or_default(), all().max().unwrap_or_default())
}
