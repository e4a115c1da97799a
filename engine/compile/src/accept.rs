//! `accept body` and `accept form` -> the shapes and fields that an image holds. Regexes become pattern tables.

use portcullis::image::config::{AcceptBody, AcceptKind, QueryField, ShapePart, ShapeType};
use portcullis_lang::model::{self, AcceptedField, JsonStep, json_steps};

use super::CompileError;

/// Makes pattern tables of regexes: the index of each.
pub(super) type Patterns<'p> = dyn FnMut(&str) -> Result<u32, CompileError> + 'p;

/// An accept of bodies; `form` makes the fields of a form.
pub(super) fn accept(
    accept: &model::Accept,
    form: Vec<QueryField>,
    patterns: &mut Patterns<'_>,
) -> Result<AcceptBody, CompileError> {
    let kind = match &accept.kind {
        model::AcceptKind::Form => AcceptKind::Form,
        model::AcceptKind::Media(named) => AcceptKind::Type(named.clone()),
        model::AcceptKind::Body | model::AcceptKind::Query => AcceptKind::Json,
    };
    let shape = match kind {
        AcceptKind::Json => shape(&accept.fields, patterns)?,
        AcceptKind::Form | AcceptKind::Type(_) => Vec::new(),
    };
    Ok(AcceptBody {
        max_bytes: accept.max_bytes,
        strip_unknown: accept.strip_unknown,
        kind,
        depth: accept.depth,
        shape,
        fields: form,
    })
}

fn shape(fields: &[AcceptedField], patterns: &mut Patterns<'_>) -> Result<Vec<ShapePart>, CompileError> {
    // A body without any field is an object without members.
    let mut parts = vec![container(ShapeType::Object)];
    for field in fields {
        // The checker has read it.
        let steps = json_steps(&field.path).unwrap_or_default();
        let mut at = 0;
        let mut arrays = Vec::new();
        for step in &steps {
            let next = parts.len();
            let Some(part) = parts.get_mut(at) else { break };
            if part.ty == ShapeType::Any {
                break;
            }
            at = match step {
                JsonStep::Member(name) => {
                    part.ty = ShapeType::Object;
                    match part.members.binary_search_by(|(own, _)| own.cmp(name)) {
                        Ok(found) => part.members.get(found).map_or(next, |(_, part)| *part as usize),
                        Err(place) => {
                            part.members.insert(place, (name.clone(), next as u32));
                            next
                        }
                    }
                }
                _ => {
                    let is_new = part.ty != ShapeType::Array;
                    part.ty = ShapeType::Array;
                    if is_new {
                        part.element = next as u32;
                    }
                    arrays.push(at);
                    part.element as usize
                }
            };
            if at == next {
                parts.push(container(ShapeType::Object));
            }
            // What is on the way to a field that must be there must be there too.
            if let Some(part) = parts.get_mut(at) {
                part.optional &= field.optional;
            }
        }
        if let (Some(array), Some(items)) = (arrays.last(), field.bounds.items)
            && let Some(part) = parts.get_mut(*array)
        {
            part.items = Some(items);
        }
        let matches = field.bounds.matches.as_deref().map(&mut *patterns).transpose()?;
        if let Some(part) = parts.get_mut(at) {
            leaf(part, field, matches);
        }
    }
    // An object of which no member is named holds whatever it likes.
    for part in &mut parts {
        part.open &= part.members.is_empty();
    }
    Ok(parts)
}

fn container(ty: ShapeType) -> ShapePart {
    ShapePart {
        ty,
        optional: true,
        ..ShapePart::default()
    }
}

fn leaf(part: &mut ShapePart, field: &AcceptedField, matches: Option<u32>) {
    part.ty = match field.ty {
        model::AcceptedType::Bool => ShapeType::Bool,
        model::AcceptedType::Int => ShapeType::Int,
        model::AcceptedType::Number => ShapeType::Number,
        model::AcceptedType::String => ShapeType::String,
        model::AcceptedType::Ip => ShapeType::Ip,
        model::AcceptedType::Instant => ShapeType::Instant,
        model::AcceptedType::Object => ShapeType::Object,
        model::AcceptedType::Any => ShapeType::Any,
    };
    part.open = field.ty == model::AcceptedType::Object;
    part.nullable = field.nullable;
    part.min = field.bounds.min.clone();
    part.max = field.bounds.max.clone();
    part.one_of = field.bounds.one_of.clone();
    part.keys = field.bounds.keys;
    part.matches = matches;
}
