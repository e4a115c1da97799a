//! Gate samples: whole files, or fragments that are wrapped and put after the page's prelude.

use std::fmt::Write as _;

use portcullis_lang::check::{self, Checked};
use portcullis_lang::{Files, Severity};

use crate::markdown::{Fence, fences};
use crate::pages;

/// Any file that a sample names, with the least content of its kind.
struct AnyFile;

impl Files for AnyFile {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let extension = name.rsplit('.').next().unwrap_or("");
        let text = match extension {
            _ if name.starts_with("missing") => return None,
            _ if name.starts_with("broken") => "one\n\u{0}\n",
            "json" => "{}",
            "gate" => "gate 1;\n",
            _ => "",
        };
        Some(text.as_bytes().to_vec())
    }
}

/// The file that a sample stands for.
fn whole(fence: &Fence, prelude: &str) -> String {
    let text = &fence.text;
    let wrapped = match fence.attribute("fragment") {
        None => return text.clone(),
        Some("") => text.clone(),
        Some("service") => format!("service sample on \"sample.example\" {{\n{text}}}\n"),
        Some("guard") => format!("guard sample {{\n{text}}}\n"),
        Some("body") => {
            format!("service sample on \"sample.example\" {{\non POST /sample {{\n{text}}}\n}}\n")
        }
        Some("condition") => text
            .lines()
            .enumerate()
            .fold(String::new(), |mut out, (i, line)| {
                let _ = writeln!(out, "condition sample{i} = {line}\n;");
                out
            }),
        Some(other) => panic!("line {}: no fragment `{other}`", fence.line),
    };
    // Without a prelude of its own a fragment is still a file.
    let head = if prelude.is_empty() { "gate 1;\n" } else { prelude };
    format!("{head}{wrapped}")
}

fn complaints(checked: &Checked) -> String {
    checked.diagnostics.iter().fold(String::new(), |mut out, d| {
        let (line, _) = checked.sources.line_column(d.span.file, d.span.start);
        let source = checked
            .sources
            .text(d.span.file)
            .lines()
            .nth(line as usize - 1)
            .unwrap_or("");
        let _ = writeln!(out, "    {} {} | {}", d.code, d.message, source.trim());
        out
    })
}

/// What is wrong with a sample.
fn judge(fence: &Fence, prelude: &str) -> Option<String> {
    let text = whole(fence, prelude);
    let checked = check::load(&[("policy.gate".to_string(), text.into_bytes())], &AnyFile);
    let wanted = fence.attribute("error").or_else(|| fence.attribute("warning"));
    let right = match wanted {
        Some(code) => {
            let error = fence.attribute("error").is_some();
            checked.policy.is_none() == error
                && checked.diagnostics.iter().all(|d| d.code == code)
                && !checked.diagnostics.is_empty()
        }
        None => checked.policy.is_some() && checked.diagnostics.iter().all(|d| d.severity != Severity::Error),
    };
    (!right).then(|| format!("line {} ({}):\n{}", fence.line, fence.info, complaints(&checked)))
}

#[test]
fn every_gate_sample_does_what_its_page_says() {
    let (mut samples, mut wrong) = (0, String::new());
    for page in pages() {
        let mut prelude = String::new();
        for fence in fences(&page.text).iter().filter(|f| f.lang() == "gate") {
            samples += 1;
            if let Some(problem) = judge(fence, &prelude) {
                let _ = writeln!(wrong, "{} {problem}", page.name);
            }
            if fence.attribute("prelude").is_some() {
                prelude.clone_from(&fence.text);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(samples >= 120, "only {samples} samples were found");
}
