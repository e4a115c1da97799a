//! Samples -> tables for people, and a dated record: Markdown, JSON and a chart.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::measure::Sample;
use crate::variants::Variant;

/// The bar against the hello filter.
const HELLO_BAR: f64 = 1.15;

/// Parts of a run whose ratios have a median.
const PARTS: usize = 5;

/// What a run showed.
pub(crate) struct Outcome {
    rows: Vec<Row>,
    requests: usize,
    load: [String; 2],
}

struct Row {
    name: &'static str,
    about: &'static str,
    cpu_us: f64,
    rate: f64,
    /// The ratio of the best rounds, against hello and against RBAC.
    to_hello: f64,
    to_rbac: f64,
    /// The same as the median of five parts of the run, each of some rounds: what the bars were first set for.
    median_to_hello: f64,
    median_to_rbac: f64,
    rounds: Vec<Sample>,
}

impl Outcome {
    /// Of all rounds.
    pub(crate) fn of(
        variants: &[Variant],
        rounds: &[Vec<Sample>],
        requests: usize,
        load: [String; 2],
    ) -> Outcome {
        let place = |name: &str| {
            variants
                .iter()
                .position(|variant| variant.name == name)
                .unwrap_or(0)
        };
        let (hello, rbac) = (place("hello"), place("RBAC"));
        // Whatever else the machine does adds to a round, and nothing takes away from it.
        let best = |index: usize| {
            let all = rounds.iter().map(|row| row[index].cpu_us);
            all.fold(f64::INFINITY, f64::min)
        };
        let rows = variants.iter().enumerate().map(|(index, variant)| {
            let ratio = |to: usize| best(index) / best(to);
            let parts = rounds.chunks(rounds.len().div_ceil(PARTS).max(1));
            let median_ratio = |to: usize| {
                let time =
                    |part: &[Vec<Sample>], at: usize| part.iter().map(|row| row[at].cpu_us).sum::<f64>();
                median(parts.clone().map(|part| time(part, index) / time(part, to)))
            };
            Row {
                name: variant.name,
                about: variant.about,
                cpu_us: best(index),
                rate: rounds.iter().map(|row| row[index].rate).fold(0.0, f64::max),
                to_hello: ratio(hello),
                to_rbac: ratio(rbac),
                median_to_hello: median_ratio(hello),
                median_to_rbac: median_ratio(rbac),
                rounds: rounds.iter().map(|row| row[index].clone()).collect(),
            }
        });
        Outcome {
            rows: rows.collect(),
            requests,
            load,
        }
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The table and the bars.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| variant | CPU a request | × hello | × RBAC | × hello, median of five | × RBAC, median of five | requests/s | \
             what it is |\n| --- | --: | --: | --: | --: | --: | --: | --- |\n",
        );
        for row in &self.rows {
            let _ = writeln!(
                text,
                "| {} | {:.1} µs | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {} |",
                row.name,
                row.cpu_us,
                row.to_hello,
                row.to_rbac,
                row.median_to_hello,
                row.median_to_rbac,
                row.rate,
                row.about
            );
        }
        let (Some(plugin), Some(open), Some(none)) = (
            self.row("plugin"),
            self.row("plugin, open"),
            self.row("no filter"),
        ) else {
            return text;
        };
        let met = |good: bool| if good { "met" } else { "not met" };
        let _ = write!(
            text,
            "\n| bar | reached | |\n| --- | --: | --- |\n\
             | plugin ≤ {HELLO_BAR} × hello | {:.2} × | {} |\n\
             | plugin < RBAC | {:.2} × | {} |\n\n\
             Of the {:.1} µs that the plugin adds to an Envoy without it, {:.1} µs are there with a policy that asks \
             nothing (being a WASM filter, reading the request by host calls), and {:.1} µs are the claims and 1,000 rules.\n",
            plugin.to_hello,
            met(plugin.to_hello <= HELLO_BAR),
            plugin.to_rbac,
            met(plugin.to_rbac < 1.0),
            plugin.cpu_us - none.cpu_us,
            open.cpu_us - none.cpu_us,
            plugin.cpu_us - open.cpu_us,
        );
        text
    }

    /// Writes `DATE-envoy.md`, `.json` and `.svg`.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let text = format!(
            "# Envoy, record of {date}\n\n\
             Processor time (user and system) of Envoy 1.40 with one worker over {} requests of each variant, in {} \
             rounds in turn; the best round of each, their ratios, and the median of the ratios in five parts of the run.\n\
             One machine of {cores} cores, which client, Envoy and upstream shared; its load was {} before and {} after.\n\
             The method is in [benches/README.md](../README.md).\n\n\
             ![processor time of a request]({date}-envoy.svg)\n\n{}",
            self.requests,
            self.rows.first().map_or(0, |row| row.rounds.len()),
            self.load[0],
            self.load[1],
            self.markdown()
        );
        std::fs::write(folder.join(format!("{date}-envoy.md")), text)?;
        let rows = self.rows.iter().map(|row| {
            json!({
                "name": row.name, "cpu_us": row.cpu_us, "rate": row.rate, "to_hello": row.to_hello,
                "to_rbac": row.to_rbac, "median_to_hello": row.median_to_hello,
                "median_to_rbac": row.median_to_rbac, "rounds": row.rounds,
            })
        });
        let all = json!({"requests": self.requests, "load": self.load, "rows": rows.collect::<Vec<_>>()});
        std::fs::write(folder.join(format!("{date}-envoy.json")), format!("{all:#}\n"))?;
        std::fs::write(folder.join(format!("{date}-envoy.svg")), self.svg())
    }

    /// A bar for each variant.
    fn svg(&self) -> String {
        let height = 60 + self.rows.len() * 34;
        let most = self.rows.iter().map(|row| row.cpu_us).fold(1.0, f64::max);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"720\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"16\" y=\"26\" font-size=\"15\" fill=\"#202020\">Envoy's processor time, µs a request</text>\n"
        );
        for (index, row) in self.rows.iter().enumerate() {
            let y = 46 + index * 34;
            let width = row.cpu_us / most * 460.0;
            let colour = if row.name.starts_with("plugin") {
                "#1f6f5c"
            } else {
                "#9aa5ad"
            };
            let _ = writeln!(
                text,
                "<text x=\"16\" y=\"{}\" fill=\"#202020\">{}</text>\
                 <rect x=\"130\" y=\"{y}\" width=\"{width:.0}\" height=\"22\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{}\" fill=\"#202020\">{:.1}</text>",
                y + 16,
                row.name,
                138.0 + width,
                y + 16,
                row.cpu_us
            );
        }
        text + "</svg>\n"
    }
}

/// Of an odd number of values, the middle one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
