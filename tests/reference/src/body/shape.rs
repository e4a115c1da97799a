//! Fields of one `accept body` and a JSON value -> the first place in the order of the text that does not fit. A closed
//! world: what no field names is unknown, below an `object` without named members and below `any` alone it may stand.

use portcullis_base::Detail;
use portcullis_lang::model::{Accept, AcceptedField, AcceptedType, JsonStep, json_steps};

use super::number;
use crate::facts::{parse_int, parse_ip};
use crate::hours::parse_instant;
use crate::json::Json;
use crate::patterns::Patterns;
use crate::query_accept::{is_listed, is_matched};

/// What does not fit, and where: names, values and ends of containers counted in the order of the text.
pub(super) struct Fault {
    pub(super) detail: Detail,
    pub(super) place: usize,
}

/// Fields at or below a value, each with the steps that are left.
type Fields<'f> = Vec<(&'f [JsonStep], &'f AcceptedField)>;

/// The first fault of a body.
pub(super) fn fault(accept: &Accept, body: &Json, strips: bool, patterns: &Patterns) -> Option<Fault> {
    let steps: Vec<Vec<JsonStep>> = accept
        .fields
        .iter()
        .map(|field| json_steps(&field.path).unwrap_or_default())
        .collect();
    let fields = steps.iter().map(Vec::as_slice).zip(&accept.fields).collect();
    let mut walk = Walk {
        strips,
        patterns,
        place: 0,
    };
    // a body of no fields is an object without members
    let is_object = accept.fields.is_empty();
    walk.value(body, &fields, is_object).err()
}

struct Walk<'w> {
    strips: bool,
    patterns: &'w Patterns,
    place: usize,
}

impl Walk<'_> {
    fn wrong(&self, detail: Detail) -> Result<(), Fault> {
        Err(Fault {
            detail,
            place: self.place,
        })
    }

    /// Walks over what may be anything.
    fn pass(&mut self, value: &Json) {
        self.place += 1;
        match value {
            Json::Array(items) => items.iter().for_each(|item| self.pass(item)),
            Json::Object(members) => members.iter().for_each(|(_, member)| {
                self.place += 1;
                self.pass(member);
            }),
            _ => return,
        }
        self.place += 1;
    }

    fn value(&mut self, value: &Json, fields: &Fields<'_>, is_empty_object: bool) -> Result<(), Fault> {
        let own = fields
            .iter()
            .find(|(steps, _)| steps.is_empty())
            .map(|(_, field)| *field);
        if own.is_some_and(|field| field.ty == AcceptedType::Any) {
            self.pass(value);
            return Ok(());
        }
        self.place += 1;
        if *value == Json::Null {
            return if own.is_some_and(|field| field.nullable) {
                Ok(())
            } else {
                self.wrong(Detail::WrongType)
            };
        }
        match own {
            Some(field) if field.ty != AcceptedType::Object => {
                return match scalar(value, field, self.patterns) {
                    Err(detail) => self.wrong(detail),
                    Ok(()) => Ok(()),
                };
            }
            _ => {}
        }
        let names_members = fields
            .iter()
            .any(|(steps, _)| matches!(steps.first(), Some(JsonStep::Member(_))));
        match value {
            Json::Object(members) if own.is_some() && !names_members => {
                for (_, member) in members {
                    self.place += 1;
                    self.pass(member);
                }
                self.place += 1;
                self.keys(own, members.len())
            }
            Json::Object(members) if names_members || is_empty_object => self.object(members, fields, own),
            Json::Array(items) if own.is_none() && !names_members && !is_empty_object => {
                self.array(items, fields)
            }
            _ => self.wrong(Detail::WrongType),
        }
    }

    fn object(
        &mut self,
        members: &[(String, Json)],
        fields: &Fields<'_>,
        own: Option<&AcceptedField>,
    ) -> Result<(), Fault> {
        for (name, member) in members {
            self.place += 1;
            let below = below(fields, |step| *step == JsonStep::Member(name.clone()));
            if !below.is_empty() {
                self.value(member, &below, false)?;
            } else if self.strips {
                self.pass(member);
            } else {
                return self.wrong(Detail::UnknownField);
            }
        }
        self.place += 1;
        for (steps, _) in fields {
            let Some(JsonStep::Member(name)) = steps.first() else {
                continue;
            };
            let is_there = members.iter().any(|(own, _)| own == name);
            let below = below(fields, |step| *step == JsonStep::Member(name.clone()));
            if !is_there && below.iter().any(|(_, field)| !field.optional) {
                return self.wrong(Detail::MissingField);
            }
        }
        self.keys(own, members.len())
    }

    fn keys(&self, own: Option<&AcceptedField>, count: usize) -> Result<(), Fault> {
        let most = own.and_then(|field| field.bounds.keys);
        if most.is_some_and(|most| count as u64 > most) {
            return self.wrong(Detail::TooManyKeys);
        }
        Ok(())
    }

    fn array(&mut self, items: &[Json], fields: &Fields<'_>) -> Result<(), Fault> {
        let below = below(fields, |_| true);
        for item in items {
            self.value(item, &below, false)?;
        }
        self.place += 1;
        // of the array that a field names last
        let bound = fields
            .iter()
            .filter(|(steps, _)| {
                !steps
                    .iter()
                    .skip(1)
                    .any(|step| !matches!(step, JsonStep::Member(_)))
            })
            .filter_map(|(_, field)| field.bounds.items)
            .next_back();
        match bound {
            Some((least, most)) if !(least..=most).contains(&(items.len() as u64)) => {
                self.wrong(Detail::WrongCount)
            }
            _ => Ok(()),
        }
    }
}

/// Fields behind one step.
fn below<'f>(fields: &Fields<'f>, is_it: impl Fn(&JsonStep) -> bool) -> Fields<'f> {
    fields
        .iter()
        .filter_map(|(steps, field)| {
            let (first, rest) = steps.split_first()?;
            is_it(first).then_some((rest, *field))
        })
        .collect()
}

fn scalar(value: &Json, field: &AcceptedField, patterns: &Patterns) -> Result<(), Detail> {
    let bounds = &field.bounds;
    let in_range = |text: &str| {
        let is_low = bounds
            .min
            .as_ref()
            .is_some_and(|min| number::compare(text, min).is_lt());
        let is_high = bounds
            .max
            .as_ref()
            .is_some_and(|max| number::compare(text, max).is_gt());
        if is_low || is_high {
            return Err(Detail::OutOfRange);
        }
        Ok(())
    };
    match (field.ty, value) {
        (AcceptedType::Bool, Json::Bool(_)) => Ok(()),
        (AcceptedType::Int | AcceptedType::Number, Json::Number(text)) => {
            if field.ty == AcceptedType::Int && text != "-0" && parse_int(text).is_none() {
                return Err(Detail::WrongType);
            }
            in_range(text)?;
            let is_it = |own: &String| number::compare(text, own).is_eq();
            match &bounds.one_of {
                Some(texts) if !texts.iter().any(is_it) => Err(Detail::NotInList),
                _ => Ok(()),
            }
        }
        (AcceptedType::String | AcceptedType::Ip | AcceptedType::Instant, Json::String(text)) => {
            let is_of_type = match field.ty {
                AcceptedType::Ip => parse_ip(text).is_some(),
                AcceptedType::Instant => parse_instant(text).is_some(),
                _ => true,
            };
            if !is_of_type {
                return Err(Detail::WrongType);
            }
            in_range(&text.chars().count().to_string())?;
            is_listed(bounds, text)?;
            is_matched(bounds, text, patterns)
        }
        _ => Err(Detail::WrongType),
    }
}
