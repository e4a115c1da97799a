//! Operations -> the text of a policy. Knows the spelling of rules, nothing of descriptions.

use std::ops::Range;

use super::operation::{Body, Operation};
use super::overlap::Overlap;
use super::schema::Field;
use super::security::Grant;
use super::servers::Site;
use super::text::{comment, quote, quoted};

/// One service with all rules, written behind `out`; and where in it the rules of each operation stand.
pub(super) fn service(
    out: &mut String,
    name: &str,
    title: &str,
    site: &Site,
    document: Option<&str>,
    operations: &[Operation],
    overlaps: &[Overlap],
) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    if !title.is_empty() {
        out.push_str(&format!("## {title}\n"));
    }
    out.push_str(&format!("service {name}"));
    if !site.hosts.is_empty() {
        out.push_str(&format!(" on {}", quoted(&site.hosts)));
    }
    if !site.base.is_empty() {
        out.push_str(&format!(" under {}", site.base));
    }
    out.push_str(" {\n");
    if let Some(document) = document {
        out.push_str(&format!("  openapi {};\n", quote(document)));
    }
    for (operation, overlap) in operations.iter().zip(overlaps) {
        let start = out.len();
        out.push_str(&rules(operation, overlap));
        ranges.push(start..out.len());
    }
    out.push_str("}\n");
    ranges
}

/// The names of an operation's rules: one for each set of scopes that is enough.
pub(super) fn alternatives(operation: &Operation) -> Vec<(String, Vec<&Grant>)> {
    let mut by_scopes: Vec<(&[String], Vec<&Grant>)> = Vec::new();
    for grant in &operation.grants {
        match by_scopes
            .iter_mut()
            .find(|(scopes, _)| *scopes == grant.scopes.as_slice())
        {
            Some((_, grants)) => grants.push(grant),
            None => by_scopes.push((&grant.scopes, vec![grant])),
        }
    }
    by_scopes
        .into_iter()
        .enumerate()
        .map(|(i, (_, grants))| {
            let name = &operation.name;
            // Two underscores cannot come from a document, so the name is free.
            (
                if i == 0 {
                    name.clone()
                } else {
                    format!("{name}__{}", i + 1)
                },
                grants,
            )
        })
        .collect()
}

fn rules(operation: &Operation, overlap: &Overlap) -> String {
    let mut out = String::from("\n");
    let summary = comment(&operation.summary);
    let target = format!("{} {}", operation.method, operation.template.text);
    if operation.prose.as_ref().is_some_and(Vec::is_empty) {
        out.push_str("  # no scope named\n");
    }
    let doc = if summary.is_empty() {
        String::new()
    } else {
        format!("  ## {summary}\n")
    };
    let alternatives = alternatives(operation);
    if alternatives.is_empty() || overlap.shut {
        out.push_str(&format!(
            "  # {}: no rule grants it, see the notes of the import\n",
            comment(&target)
        ));
        return out;
    }
    for (name, grants) in &alternatives {
        let principals: Vec<&str> = grants.iter().map(|g| g.principal.as_str()).collect();
        let scopes = grants.first().map(|g| g.scopes.as_slice()).unwrap_or_default();
        out.push_str(&doc);
        out.push_str(&format!("  allow {} to {target}", principals.join(" or ")));
        if !scopes.is_empty() {
            out.push_str(&format!(" with scope {}", quoted(scopes)));
        }
        if let Some(unless) = &overlap.unless {
            out.push_str(&format!(" unless {unless}"));
        }
        out.push_str(&format!(" as {name}"));
        out.push_str(&obligations(operation));
    }
    let public = operation.grants.iter().any(|g| g.principal == "anyone");
    let marks: Vec<&str> = [(public, "public;"), (operation.deprecated, "deprecated;")]
        .into_iter()
        .filter_map(|(set, mark)| set.then_some(mark))
        .collect();
    if !marks.is_empty() {
        out.push_str(&format!("  on {target} {{ {} }}\n", marks.join(" ")));
    }
    out
}

fn obligations(operation: &Operation) -> String {
    let mut lines = Vec::new();
    if let Some(query) = &operation.query {
        lines.push(accept("query", query));
    }
    match &operation.body {
        Body::Unsaid => {}
        Body::Json(fields) => lines.push(accept("body", fields)),
        Body::Form(fields) => lines.push(accept("form", fields)),
        Body::Types(types) => lines.extend(types.iter().map(|t| format!("    accept type {};\n", quote(t)))),
    }
    if lines.is_empty() {
        ";\n".to_owned()
    } else {
        format!(" {{\n{}  }}\n", lines.concat())
    }
}

fn accept(kind: &str, fields: &[Field]) -> String {
    let fields: String = fields.iter().map(|f| format!("      {}\n", f.print())).collect();
    format!("    accept {kind} {{\n{fields}    }}\n")
}

/// Which operation needs which scope, and why, for people.
pub(super) fn scope_report(operations: &[Operation]) -> String {
    let mut out = String::from(
        "# Scopes that the descriptions name\n\nGenerated by `portcullis import openapi --scopes-from-descriptions`.\nThe document has no `security`; each scope below is named in an operation's prose.\nOne of the scopes of a row is enough; a condition in the prose is not taken over.\n\n| operation | scope | sentence |\n| --- | --- | --- |\n",
    );
    let cell = |text: &str| comment(text).replace('|', "\\|");
    for operation in operations {
        for (scope, sentence) in operation.prose.iter().flatten() {
            out.push_str(&format!(
                "| `{} {}` | `{scope}` | {} |\n",
                operation.method,
                cell(&operation.path),
                cell(sentence)
            ));
        }
    }
    out.push_str("\n# No scope named\n\nTheir rules ask for a token and no scope.\n\n");
    for operation in operations
        .iter()
        .filter(|o| o.prose.as_ref().is_some_and(Vec::is_empty))
    {
        out.push_str(&format!("- `{} {}`\n", operation.method, cell(&operation.path)));
    }
    out
}
