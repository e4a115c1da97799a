//! Rows -> tables for people, and a dated record: Markdown, JSON and a chart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::alone::Alone;
use crate::measure::Row;
use crate::{bars, chart, date};

/// A table for each size.
pub fn tables(rows: &[Row]) -> String {
    let mut by_size: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_size.entry(row.rules).or_default().push(row);
    }
    let mut text = String::new();
    for (rules, rows) in by_size {
        let _ = writeln!(
            text,
            "## {rules} rules\n\n\
             | row | median | best | p99 | × engine/split | × engine/json | allocations | heap | load | two threads | agrees |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |"
        );
        let of = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.median_ns);
        let (split, json) = (of("engine/split"), of("engine/json"));
        let times = |row: &Row, base: Option<f64>| {
            base.map_or("-".into(), |base| format!("{:.2}", row.median_ns / base))
        };
        for row in rows {
            let agrees = row
                .agrees
                .map_or("routes only".into(), |(right, of)| format!("{right} of {of}"));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {:.1} | {} | {} | {:.2} | {agrees} |",
                row.name,
                time(row.median_ns),
                time(row.best_ns),
                time(row.p99_ns),
                times(row, split),
                times(row, json),
                row.allocations,
                bytes(row.heap_bytes),
                time(row.load_ms * 1e6),
                row.two_threads,
            );
        }
        text.push('\n');
    }
    text
}

/// Tables of what is about the engine alone.
pub fn by_itself(alone: &Alone) -> String {
    let mut text = String::from(
        "## The engine alone\n\n\
         | rules | text to image | parsing | reading and validating | image bytes a rule, without symbols |\n\
         | --: | --: | --: | --: | --: |\n",
    );
    for one in &alone.compiled {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} |",
            one.rules,
            time(one.compile_ms * 1e6),
            time(one.parse_ms * 1e6),
            time(one.load_ms * 1e6),
            one.image_bytes as f64 / one.rules as f64
        );
    }
    text.push_str("\n| shape | median | p99 |\n| --- | --: | --: |\n");
    for shape in &alone.shapes {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            shape.name,
            time(shape.median_ns),
            time(shape.p99_ns)
        );
    }
    text
}

/// What the JSON of a record holds.
#[derive(Serialize)]
struct Everything<'r> {
    rows: &'r [Row],
    alone: &'r Alone,
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.1} s", ns / 1e9),
    }
}

fn bytes(count: i64) -> String {
    match count as f64 {
        count if count < 1e6 => format!("{:.0} KB", count / 1e3),
        count => format!("{:.1} MB", count / 1e6),
    }
}

/// Writes `DATE.md`, `DATE.json` and `DATE.svg` into the folder.
pub fn write(folder: &Path, rows: &[Row], alone: &Alone) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let date = date::today();
    let text = format!(
        "# Record of {date}\n\n\
         All rows of one run, one process, one machine ({}).\n\
         Ratios between rows of a table mean something; the times alone do not.\n\
         The method is in [benches/README.md](../README.md).\n\n\
         ![time of a decision by number of rules]({date}.svg)\n\n\
         {}{}\n## Bars\n\n{}",
        machine(),
        tables(rows),
        by_itself(alone),
        bars::table(rows, alone)
    );
    std::fs::write(folder.join(format!("{date}.md")), text)?;
    let json = serde_json::to_string_pretty(&Everything { rows, alone })?;
    std::fs::write(folder.join(format!("{date}.json")), json + "\n")?;
    std::fs::write(folder.join(format!("{date}.svg")), chart::svg(rows))
}

/// Cores and processor, as far as the system says.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, model)| model.trim());
    format!("{cores} cores, {model}")
        .trim_end_matches(", ")
        .to_string()
}
