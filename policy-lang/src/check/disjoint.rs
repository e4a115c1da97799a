//! Two accepted fields -> whether no value is both: by type, by bounds and lengths, by the texts that are listed or
//! matched. "Disjoint" is certain; what cannot be told within bounds may be both. Knows no rules.

use super::accept::above;
use super::texts::{Texts, some_text};
use crate::model::{AcceptedField, AcceptedType};

/// Whether no value is accepted by both.
pub(super) fn disjoint(a: &AcceptedField, b: &AcceptedField) -> bool {
    use AcceptedType::{Any, Instant, Int, Ip, Number, String};
    let fits = a.ty == b.ty
        || matches!(
            (a.ty, b.ty),
            (Any, _)
                | (_, Any)
                | (Int, Number)
                | (Number, Int)
                | (String, Ip | Instant)
                | (Ip | Instant, String)
        );
    if !fits {
        return true;
    }
    let lengths = a.ty == b.ty || !matches!((a.ty, b.ty), (String, _) | (_, String));
    if lengths && (above(&a.bounds.min, &b.bounds.max) || above(&b.bounds.min, &a.bounds.max)) {
        return true;
    }
    if let Some(listed) = a.bounds.one_of.as_ref().or(b.bounds.one_of.as_ref()) {
        return !listed.iter().any(|text| takes(a, text) && takes(b, text));
    }
    let matched = [a, b].map(|field| Texts::empty().regex(field.bounds.matches.as_ref()?));
    let [Some(x), Some(y)] = matched else { return false };
    some_text(&[x, y], |inside| inside == [true, true]) == Some(false)
}

/// Whether a listed value may lie within a field's limits.
fn takes(field: &AcceptedField, text: &str) -> bool {
    let bounds = &field.bounds;
    let size = match field.ty {
        AcceptedType::Int | AcceptedType::Number => text.to_owned(),
        // Of a string the bounds count characters.
        _ => text.chars().count().to_string(),
    };
    let size = Some(size);
    let matched = |regex: &String| {
        let sets = [
            Texts::empty().literal(text.as_bytes(), false)?,
            Texts::empty().regex(regex)?,
        ];
        some_text(&sets, |inside| inside == [true, true])
    };
    bounds
        .one_of
        .as_ref()
        .is_none_or(|listed| listed.iter().any(|other| other == text))
        && !above(&bounds.min, &size)
        && !above(&size, &bounds.max)
        && bounds
            .matches
            .as_ref()
            .is_none_or(|regex| matched(regex) != Some(false))
}
