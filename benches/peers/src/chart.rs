//! Rows -> an SVG: the median time of a decision against the number of rules, both logarithmic. Each line carries
//! its name at its end, so that no legend has to be looked up and no colour told apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::measure::Row;

const WIDTH: f64 = 1010.0;
const HEIGHT: f64 = 600.0;
/// Of the plot: left, top, right, bottom.
const PLOT: (f64, f64, f64, f64) = (86.0, 64.0, 730.0, 540.0);
/// Labels nearer than this to one another are moved apart.
const LABEL_GAP: f64 = 16.0;

/// A family's colour: ours, floors, and one for each other engine.
fn colour(name: &str) -> &'static str {
    match name.split('/').next().unwrap_or_default() {
        "engine" => "#0b5fa5",
        "floor" => "#5c6770",
        "matchit" => "#8a8f94",
        "cedar" => "#b5530a",
        "regorus" => "#7a3e9d",
        "cel" => "#18794e",
        _ => "#b0203a",
    }
}

fn dashes(name: &str) -> &'static str {
    if name.starts_with("floor") || name.starts_with("matchit") {
        " stroke-dasharray=\"5 4\""
    } else {
        ""
    }
}

struct Axes {
    rules: (f64, f64),
    ns: (f64, f64),
}

impl Axes {
    fn of(lines: &BTreeMap<&str, Vec<(f64, f64)>>) -> Axes {
        let points = || lines.values().flatten();
        let span = |of: fn(&(f64, f64)) -> f64| {
            let low = points().map(of).fold(f64::MAX, f64::min);
            let high = points().map(of).fold(1.0, f64::max);
            (low.min(high).log10().floor(), high.log10().ceil())
        };
        let (rules, ns) = (span(|p| p.0), span(|p| p.1));
        let wide = |(low, high): (f64, f64)| (low, high.max(low + 1.0));
        Axes {
            rules: wide(rules),
            ns: wide(ns),
        }
    }

    fn x(&self, rules: f64) -> f64 {
        PLOT.0 + (PLOT.2 - PLOT.0) * (rules.log10() - self.rules.0) / (self.rules.1 - self.rules.0)
    }

    fn y(&self, ns: f64) -> f64 {
        PLOT.3 - (PLOT.3 - PLOT.1) * (ns.log10() - self.ns.0) / (self.ns.1 - self.ns.0)
    }
}

/// The chart.
pub fn svg(rows: &[Row]) -> String {
    let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.holds()) {
        lines
            .entry(&row.name)
            .or_default()
            .push((row.rules as f64, row.median_ns.max(1.0)));
    }
    let axes = Axes::of(&lines);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">\n\
         <title>Median time of a decision by number of rules</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{}\" y=\"30\" font-size=\"18\" font-weight=\"600\" fill=\"#1b1f23\">Median time of a decision, by \
         number of rules</text>\n\
         <text x=\"{}\" y=\"50\" font-size=\"12.5\" fill=\"#57606a\">One run on one machine; both axes are \
         logarithmic; dashed: hand-written floors and routing alone</text>\n",
        PLOT.0, PLOT.0
    );
    grid(&mut out, &axes);
    for (name, points) in &lines {
        line(&mut out, &axes, name, points);
    }
    labels(&mut out, &axes, &lines);
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, axes: &Axes) {
    for decade in axes.ns.0 as i32..=axes.ns.1 as i32 {
        let ns = 10f64.powi(decade);
        let y = axes.y(ns);
        let _ = writeln!(
            out,
            "<line x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#d9dee3\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" font-size=\"13\" text-anchor=\"end\" fill=\"#3a4147\">{}</text>",
            PLOT.0,
            PLOT.2,
            PLOT.0 - 10.0,
            y + 4.5,
            duration(ns)
        );
    }
    for decade in axes.rules.0 as i32..=axes.rules.1 as i32 {
        let rules = 10f64.powi(decade);
        let x = axes.x(rules);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"#eef1f4\"/>\n\
             <text x=\"{x:.1}\" y=\"{}\" font-size=\"13\" text-anchor=\"middle\" fill=\"#3a4147\">{}</text>",
            PLOT.1,
            PLOT.3,
            PLOT.3 + 22.0,
            grouped(rules as u64)
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" font-size=\"13\" text-anchor=\"middle\" fill=\"#3a4147\">rules</text>",
        (PLOT.0 + PLOT.2) / 2.0,
        PLOT.3 + 44.0
    );
}

fn line(out: &mut String, axes: &Axes, name: &str, points: &[(f64, f64)]) {
    let path: Vec<String> = points
        .iter()
        .map(|(rules, ns)| format!("{:.1},{:.1}", axes.x(*rules), axes.y(*ns)))
        .collect();
    let width = if name.starts_with("engine") { 2.6 } else { 1.6 };
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" \
         stroke-linejoin=\"round\"{}/>",
        path.join(" "),
        colour(name),
        dashes(name)
    );
    for (rules, ns) in points {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{}\" fill=\"{}\"/>",
            axes.x(*rules),
            axes.y(*ns),
            if name.starts_with("engine") { 3.4 } else { 2.6 },
            colour(name)
        );
    }
}

/// Names beside the lines' ends, moved apart where they would overlap, each tied to its line.
fn labels(out: &mut String, axes: &Axes, lines: &BTreeMap<&str, Vec<(f64, f64)>>) {
    let mut places: Vec<(f64, f64, f64, &str, f64)> = lines
        .iter()
        .filter_map(|(name, points)| points.last().map(|p| (name, p)))
        .map(|(name, (rules, ns))| {
            let y = axes.y(*ns);
            (y, y, axes.x(*rules), *name, *ns)
        })
        .collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    for _ in 0..200 {
        for i in 1..places.len() {
            let overlap = LABEL_GAP - (places[i].0 - places[i - 1].0);
            if overlap > 0.0 {
                places[i - 1].0 -= overlap / 2.0;
                places[i].0 += overlap / 2.0;
            }
        }
    }
    for (y, from, x, name, ns) in places {
        let _ = writeln!(
            out,
            "<polyline points=\"{:.1},{from:.1} {:.1},{y:.1} {:.1},{y:.1}\" fill=\"none\" stroke=\"{}\" \
             stroke-width=\"0.7\" opacity=\"0.6\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12.5\" fill=\"{}\"{}>{name} · {}</text>",
            x + 5.0,
            PLOT.2 + 16.0,
            PLOT.2 + 22.0,
            colour(name),
            PLOT.2 + 26.0,
            y + 4.0,
            colour(name),
            if name.starts_with("engine") {
                " font-weight=\"600\""
            } else {
                ""
            },
            measured(ns)
        );
    }
}

fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.0} s", ns / 1e9),
    }
}

/// Three digits.
fn measured(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns => (ns / 1e6, "ms"),
    };
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {unit}")
}

fn grouped(mut number: u64) -> String {
    let mut parts = Vec::new();
    while number >= 1_000 {
        parts.push(format!("{:03}", number % 1_000));
        number /= 1_000;
    }
    parts.push(number.to_string());
    parts.reverse();
    parts.join(",")
}
