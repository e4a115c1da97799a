//! Where the templates of several operations meet -> the condition that keeps them apart, or a remark.
//!
//! A description means the more concrete template where both `/a/{x}` and `/a/b` fit; the language lets every rule take
//! part that matches. So a rule for `/a/{x}` leaves out `b`: else it would grant what `/a/b` asks a scope for. Where a
//! description does not say which of two is meant, either rule grants if both ask for the same; else neither does.

use std::collections::BTreeMap;

use super::operation::Operation;
use super::path::{Kind, Meant, Part, Segment, Template, meet};
use super::text::{glob, quote};

/// What one operation's neighbours mean for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Overlap {
    /// The `unless` of its rules.
    pub(super) unless: Option<String>,
    /// Whether another operation takes all its paths and asks for something else: it is not granted.
    pub(super) shut: bool,
    /// What is left out, for who generates requests: each inner list is one conjunction.
    pub(super) left_out: Vec<Vec<(String, Part)>>,
    /// Indices of operations that are meant where both fit.
    pub(super) inside: Vec<usize>,
    /// Indices of operations that ask for the same and stay in both.
    pub(super) crossing: Vec<usize>,
    /// Indices of operations that ask for something else, so that what is in both is granted by neither.
    pub(super) unsaid: Vec<usize>,
}

/// One for each operation, in their order.
pub(super) fn find(operations: &[Operation]) -> Vec<Overlap> {
    let mut groups: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (i, operation) in operations.iter().enumerate() {
        groups
            .entry((&operation.method, operation.template.segments.len()))
            .or_default()
            .push(i);
    }
    let mut out = vec![Overlap::default(); operations.len()];
    for group in groups.values() {
        for &i in group {
            let (Some(this), Some(overlap)) = (operations.get(i), out.get_mut(i)) else {
                continue;
            };
            for &j in group.iter().filter(|j| **j != i) {
                let Some(other) = operations.get(j) else { continue };
                let Some(meeting) = meet(&this.template.segments, &other.template.segments) else {
                    continue;
                };
                match meeting.meant {
                    Meant::This => continue,
                    Meant::Either if asks_the_same(this, other) => {
                        overlap.crossing.push(j);
                        continue;
                    }
                    Meant::Either => overlap.unsaid.push(j),
                    Meant::Other => overlap.inside.push(j),
                }
                overlap.shut |= meeting.common.is_empty();
                if !overlap.left_out.contains(&meeting.common) {
                    overlap.left_out.push(meeting.common);
                }
            }
            overlap.unless = condition(&this.template, &overlap.left_out);
        }
    }
    out
}

fn asks_the_same(a: &Operation, b: &Operation) -> bool {
    (&a.grants, &a.query, &a.body) == (&b.grants, &b.query, &b.body)
}

fn condition(template: &Template, left_out: &[Vec<(String, Part)>]) -> Option<String> {
    let is_int = |capture: &str| {
        template
            .segments
            .iter()
            .any(|s| matches!(s, Segment::Capture { name, kind: Kind::Int, .. } if name == capture))
    };
    let literal = |name: &str, text: &str| {
        if is_int(name) {
            text.to_owned()
        } else {
            quote(text)
        }
    };
    let one = |(name, part): &(String, Part)| match part {
        Part::Text(text) => format!("path.{name} == {}", literal(name, text)),
        Part::Affixes(before, behind) => {
            format!(
                "path.{name} like {}",
                quote(&format!("{}**{}", glob(before), glob(behind)))
            )
        }
        Part::Regex(regex, _) => format!("path.{name} matches '{regex}'"),
    };
    // One capture left out for several literals is the common case, and reads better as a list.
    let mut singles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut parts = Vec::new();
    for conjunction in left_out {
        match conjunction.as_slice() {
            [] => {}
            [(name, Part::Text(text))] => singles.entry(name).or_default().push(literal(name, text)),
            [only] => parts.push(one(only)),
            several => {
                let all: Vec<String> = several.iter().map(one).collect();
                parts.push(if left_out.len() > 1 {
                    format!("({})", all.join(" and "))
                } else {
                    all.join(" and ")
                });
            }
        }
    }
    let mut out = Vec::new();
    for (name, texts) in singles {
        match texts.as_slice() {
            [only] => out.push(format!("path.{name} == {only}")),
            many => out.push(format!("path.{name} in [{}]", many.join(", "))),
        }
    }
    out.extend(parts);
    (!out.is_empty()).then(|| out.join(" or "))
}

/// The overlaps of services as a table for people.
pub(super) fn report(services: &[(Vec<Operation>, Vec<Overlap>)]) -> String {
    let mut out =
        String::from("# Templates that overlap\n\nGenerated by `portcullis import openapi --vectors`.\n");
    let mut table = |head: &str, of: &dyn Fn(&Overlap) -> &[usize]| {
        out.push_str(head);
        let mut seen = Vec::new();
        for (operations, overlaps) in services {
            let name = |i: &usize| {
                operations
                    .get(*i)
                    .map(|o| format!("`{} {}`", o.method, o.path))
                    .unwrap_or_default()
            };
            for (i, overlap) in overlaps.iter().enumerate().filter(|(_, o)| !of(o).is_empty()) {
                let others: Vec<String> = of(overlap).iter().map(name).collect();
                let row = format!("| {} | {} |\n", name(&i), others.join(", "));
                if !seen.contains(&row) {
                    out.push_str(&row);
                    seen.push(row);
                }
            }
        }
    };
    table(
        "\n## Kept apart\n\nThe first template's rule leaves out what the second one says more concretely.\n\n| template | leaves out |\n| --- | --- |\n",
        &|o| &o.inside,
    );
    table(
        "\n## Granted by neither\n\nNeither template is more concrete, and they ask for different things: where both fit, neither rule grants.\n\n| template | meets |\n| --- | --- |\n",
        &|o| &o.unsaid,
    );
    table(
        "\n## Left as they are\n\nNeither template is more concrete, and they ask for the same: where both fit, either rule grants, and the smallest id is named.\n\n| template | meets |\n| --- | --- |\n",
        &|o| &o.crossing,
    );
    out.replace('\u{7f}', "")
}
