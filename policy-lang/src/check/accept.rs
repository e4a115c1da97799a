//! `accept ..` -> accepted bodies, queries and forms with canonical bounds.

use super::cx::sort_dedup;
use super::jsonpath;
use super::literals::{self, decimal, regex};
use super::report::Report;
use crate::ast::{AcceptField, AcceptSpec, FieldLimit, Literal, Text};
use crate::model::{Accept, AcceptKind, AcceptedField, AcceptedType, Bounds, JsonStep, Many, json_path};
use crate::source::{Span, Spanned};

const CODE: &str = "G0510";

/// A field with the steps of its path.
type Field = (Vec<JsonStep>, AcceptedField, Span);

/// One `accept`; `None` where something was reported.
pub(super) fn accept(report: &Report, spec: &AcceptSpec) -> Option<Accept> {
    let before = report.count();
    let kind = match (spec.kind.node.as_str(), &spec.media) {
        ("body", _) => AcceptKind::Body,
        ("query", _) => AcceptKind::Query,
        ("form", _) => AcceptKind::Form,
        ("type", Some(media)) => {
            let lower = media.node.to_ascii_lowercase();
            if !lower
                .split_once('/')
                .is_some_and(|(a, b)| literals::is_token(a) && literals::is_token(b))
            {
                report.error(
                    CODE,
                    media.span,
                    format!("`{}` is not a media type", media.node),
                    "write `image/png` and the like, without parameters",
                );
            } else if lower.contains('*') {
                report.error(
                    CODE,
                    media.span,
                    format!("`{}` is no media type of a body", media.node),
                    "name each one, as in `accept type \"image/png\" max 1MiB; accept type \"image/gif\" max 1MiB;`",
                );
            }
            AcceptKind::Media(lower)
        }
        _ => {
            return report.invalid(
                CODE,
                spec.kind.span,
                format!("`{}` can not be accepted", spec.kind.node),
                "write `body`, `query`, `form` or `type \"..\"`",
            );
        }
    };
    if let Some(max) = &spec.max
        && (kind == AcceptKind::Query || max.node.bytes == 0)
    {
        report.error(
            CODE,
            max.span,
            "this size bounds nothing",
            "bodies have a `max` of at least one byte",
        );
    }
    if let Some(depth) = &spec.depth
        && (kind != AcceptKind::Body || !(1..=64).contains(&depth.node))
    {
        report.error(
            CODE,
            depth.span,
            "this depth makes no sense",
            "JSON bodies have a `depth` in 1 ..= 64",
        );
    }
    if matches!(kind, AcceptKind::Media(_)) && (spec.strip_unknown || !spec.fields.is_empty()) {
        report.error(
            CODE,
            spec.kind.span,
            "bodies of other types have no fields",
            "leave the braces out",
        );
    }
    let checked = spec.fields.iter().filter_map(|f| field(report, &kind, f));
    let mut fields: Vec<_> = checked.collect();
    fields.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    parents(report, &fields, kind == AcceptKind::Body);
    if report.count() > before {
        return None;
    }
    Some(Accept {
        kind,
        max_bytes: spec.max.as_ref().map(|m| m.node.bytes),
        depth: spec.depth.as_ref().map(|d| d.node),
        strip_unknown: spec.strip_unknown,
        fields: fields.into_iter().map(|f| f.1).collect(),
    })
}

/// Accepts of bodies in one rule are alternatives, chosen by the request's type: there is one for each type.
pub(super) fn alternative(report: &Report, earlier: &[Accept], accept: &Accept, span: Span) {
    let Some(other) = earlier.iter().find(|other| other.kind.shares_type(&accept.kind)) else {
        return;
    };
    let (kind, other) = (&accept.kind, &other.kind);
    let message = if kind == other {
        format!("`accept {kind}` stands twice in this rule, which has one accept for each media type")
    } else {
        format!("`accept {kind}` is for a media type that `accept {other}` takes in this rule already")
    };
    let help = "keep one of them; accepts of one rule are alternatives, chosen by the request's media type";
    report.error(CODE, span, message, help);
}

/// A path stands once, and what lies above another field is an object, or an array of what is below.
fn parents(report: &Report, fields: &[Field], is_body: bool) {
    for (i, (steps, field, span)) in fields.iter().enumerate() {
        for (other_steps, other, _) in fields.iter().take(i).chain(fields.iter().skip(i + 1)) {
            if other_steps == steps || (!is_body && field.path == other.path) {
                report.error(
                    CODE,
                    *span,
                    format!("`{}` is accepted twice", field.path),
                    "keep one line",
                );
            } else if is_body && other_steps.starts_with(steps) {
                let below = other_steps.get(steps.len());
                let fine = matches!((field.ty, below), (AcceptedType::Any, _))
                    || (field.ty == AcceptedType::Object && matches!(below, Some(JsonStep::Member(_))));
                if !fine {
                    report.error(
                        CODE,
                        *span,
                        format!("`{}` can not hold `{}`", field.path, other.path),
                        "what holds fields is an `object`, or is left out",
                    );
                }
            }
        }
    }
}

fn field(report: &Report, kind: &AcceptKind, field: &AcceptField) -> Option<Field> {
    let steps = report.ok(field.path.span, jsonpath::steps(&field.path.node))?;
    let body = *kind == AcceptKind::Body;
    let path = match (body, steps.as_slice()) {
        (false, [JsonStep::Member(name)] | [JsonStep::Member(name), JsonStep::Each]) => name.clone(),
        (false, _) => {
            return report.invalid(
                CODE,
                field.path.span,
                format!("`{}` is not one name, and parameters hold no others", field.path.node),
                format!(
                    "write the whole name in quotes, as in `\"{}\": string;`, and `tag[]` for one that is given several times",
                    field.path.node.replace('"', "")
                ),
            );
        }
        (true, steps)
            if steps
                .iter()
                .all(|s| matches!(s, JsonStep::Member(_) | JsonStep::Each)) =>
        {
            json_path(steps)
        }
        (true, _) => {
            return report.invalid(
                CODE,
                field.path.span,
                "accepted fields are named one by one",
                "write names and `[]` only",
            );
        }
    };
    let ty = match (field.ty.node.as_str(), body) {
        ("bool", _) => AcceptedType::Bool,
        ("int", _) => AcceptedType::Int,
        ("string", _) => AcceptedType::String,
        ("ip", _) => AcceptedType::Ip,
        ("instant", _) => AcceptedType::Instant,
        ("number", true) => AcceptedType::Number,
        ("object", true) => AcceptedType::Object,
        ("any", true) => AcceptedType::Any,
        (other, _) => {
            return report.invalid("G0204", field.ty.span, format!("a field here is no `{other}`"), "bodies take bool int number string ip instant object any; queries and forms none of number, object and any");
        }
    };
    if field.nullable && !body {
        report.error(
            CODE,
            field.span,
            "queries and forms have no null",
            "leave `or null` out",
        );
    }
    let mut bounds = Bounds::default();
    let is_list = !body && steps.len() == 2;
    let mut many = if is_list { Many::Given } else { Many::One };
    for limit in &field.limits {
        match &limit.node {
            FieldLimit::Separated(text) => many = separated(report, field, is_list, text, many)?,
            _ => limit_of(report, field, ty, &steps, limit, &mut bounds),
        }
    }
    if above(&bounds.min, &bounds.max) || bounds.items.is_some_and(|(a, b)| a > b) {
        report.error(
            CODE,
            field.span,
            "nothing lies within these bounds",
            "write the smaller one first",
        );
    }
    let accepted = AcceptedField {
        path,
        many,
        optional: field.optional,
        ty,
        nullable: field.nullable,
        bounds,
    };
    Some((steps, accepted, field.span))
}

/// `separated by ".."` of a parameter that is a list.
fn separated(
    report: &Report,
    field: &AcceptField,
    is_list: bool,
    text: &Text,
    earlier: Many,
) -> Option<Many> {
    let wrong = |message: String, help: String| report.invalid(CODE, text.span, message, help);
    let ty = &field.ty.node;
    let mut chars = text.node.chars();
    match (chars.next(), chars.next()) {
        _ if !is_list => wrong(
            "`separated by` splits the text of a parameter that is a list".to_owned(),
            format!(
                "write `{}[]: {ty} separated by \",\";` in `accept query` or `accept form`",
                field.path.node
            ),
        ),
        _ if earlier != Many::Given => wrong(
            "`separated by` is said twice".to_owned(),
            "keep one of them".to_owned(),
        ),
        (Some(at), None) if at.is_ascii() && !at.is_ascii_control() && !at.is_ascii_alphanumeric() => {
            Some(Many::Separated(at))
        }
        _ => wrong(
            format!("`{}` cannot separate values", text.node),
            format!(
                "name one ASCII character that is no letter and no digit, as in `{}: {ty} separated by \",\";`",
                field.path.node
            ),
        ),
    }
}

fn limit_of(
    report: &Report,
    field: &AcceptField,
    ty: AcceptedType,
    steps: &[JsonStep],
    limit: &Spanned<FieldLimit>,
    bounds: &mut Bounds,
) {
    let Spanned { node, span } = limit;
    let wrong = |what: &str| {
        report.error(CODE, *span, format!("`{what}` does not fit the field's type"), "bounds are for numbers and lengths of strings, `in` for strings and integers, `matches` for strings, `items` for `f[]`, `keys` for objects")
    };
    let bound = |text: &String, slot: &mut Option<String>| {
        let result = match ty {
            AcceptedType::Int => literals::int(text).map(|_| ()),
            AcceptedType::Number => decimal(text),
            AcceptedType::String if !text.starts_with('-') => literals::int(text).map(|_| ()),
            _ => return wrong("bounds"),
        };
        match result {
            Err(bad) => report.error(bad.code, *span, bad.message, bad.help),
            Ok(()) if slot.is_some() => report.error(CODE, *span, "a bound is set twice", "keep one of them"),
            Ok(()) => *slot = Some(text.clone()),
        }
    };
    match node {
        FieldLimit::Range(min, max) => {
            bound(min, &mut bounds.min);
            bound(max, &mut bounds.max);
        }
        FieldLimit::Min(min) => bound(min, &mut bounds.min),
        FieldLimit::Max(max) => bound(max, &mut bounds.max),
        FieldLimit::In(items) => {
            let mut texts = Vec::new();
            for item in items {
                match (&item.node, ty) {
                    (Literal::String(text), AcceptedType::String) => texts.push(text.clone()),
                    (Literal::Int(text), AcceptedType::Int | AcceptedType::Number) => {
                        texts.extend(report.ok(item.span, literals::int(text)).map(|_| text.clone()));
                    }
                    _ => wrong("in"),
                }
            }
            sort_dedup(&mut texts);
            bounds.one_of = Some(texts);
        }
        FieldLimit::Matches(text) if ty == AcceptedType::String => {
            if report.ok(text.span, regex(&text.node)).is_some() {
                bounds.matches = Some(text.node.clone());
            }
        }
        FieldLimit::Matches(_) => wrong("matches"),
        FieldLimit::Items(min, max) if steps.contains(&JsonStep::Each) => {
            bounds.items = Some((min.node, max.node))
        }
        FieldLimit::Items(min, max) => report.error(
            CODE,
            *span,
            format!(
                "`items` counts the values of a list, and `{}` is one value",
                field.path.node
            ),
            format!(
                "write `{}[]: {} items {}..{};`",
                field.path.node, field.ty.node, min.node, max.node
            ),
        ),
        FieldLimit::Keys(n) if ty == AcceptedType::Object => bounds.keys = Some(n.node),
        FieldLimit::Keys(_) => wrong("keys"),
        // Read by [`field`].
        FieldLimit::Separated(_) => {}
    }
}

/// Whether both bounds are there and nothing lies between them.
pub(super) fn above(min: &Option<String>, max: &Option<String>) -> bool {
    matches!((min, max), (Some(min), Some(max)) if order(min, max).is_gt())
}

/// Canonical decimals by value, exact at any length.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    fn magnitude<'t>(x: &'t str, y: &'t str) -> std::cmp::Ordering {
        let split = |t: &'t str| t.split_once('.').unwrap_or((t, ""));
        let ((xw, xf), (yw, yf)) = (split(x), split(y));
        xw.len().cmp(&yw.len()).then(xw.cmp(yw)).then(xf.cmp(yf))
    }
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (Some(x), Some(y)) => magnitude(y, x),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => magnitude(a, b),
    }
}
