//! Accepts that bind and a request's body -> it may go upstream, or the first thing that is wrong with it (section 7 and
//! docs/bodies.md). Judged last, when everything else allows.
#![expect(
    clippy::result_large_err,
    reason = "a box would buy speed, which the reference does not need"
)]

mod head;
mod number;
mod shape;

use portcullis_base::{Detail, Reason};
use portcullis_lang::model::{Accept, AcceptKind};
use portcullis_vectors::RequestBody;

use crate::json::{self, Unread};
use crate::normalise::parameters;
use crate::patterns::Patterns;
use crate::query_accept::field_fits;
use crate::steps::Refusal;

pub(crate) use head::Head;

/// A request's body, and what the accepts that bind demand of it together.
pub(crate) struct Judge<'b> {
    pub(crate) accepts: Vec<&'b Accept>,
    pub(crate) demand: &'b RequestBody,
    pub(crate) patterns: &'b Patterns,
    pub(crate) head: Head,
}

impl Judge<'_> {
    /// A body that the head says is longer than what may come is refused before it comes.
    pub(crate) fn told(&self) -> Result<(), Refusal> {
        self.size(self.head.told_bytes.unwrap_or(0))
    }

    /// The whole body.
    pub(crate) fn body(&self, body: &[u8]) -> Result<(), Refusal> {
        self.size(body.len() as u64)?;
        for accept in &self.accepts {
            let fault = self.head.fault(&accept.kind, body.is_empty());
            fault.map_or(Ok(()), |detail| {
                Err(refusal(415, Reason::UnsupportedMediaType, detail))
            })?;
        }
        let of = |kind: AcceptKind| -> Vec<&Accept> {
            self.accepts
                .iter()
                .copied()
                .filter(|accept| accept.kind == kind)
                .collect()
        };
        let (json, forms) = (of(AcceptKind::Body), of(AcceptKind::Form));
        if !json.is_empty() {
            self.json(&json, body)
        } else if !forms.is_empty() {
            self.form(&forms, body)
        } else {
            Ok(())
        }
    }

    fn strips(&self) -> bool {
        self.demand.unknown == "strip"
    }

    fn size(&self, bytes: u64) -> Result<(), Refusal> {
        if bytes > self.demand.max_bytes {
            return Err(Refusal::new(413, Reason::TooLarge));
        }
        Ok(())
    }

    fn json(&self, accepts: &[&Accept], body: &[u8]) -> Result<(), Refusal> {
        let value = json::parse(body).map_err(|unread| match unread {
            Unread::NotJson => syntax(Detail::NotJson),
            Unread::TooDeep => syntax(Detail::TooDeep),
        })?;
        if value.has_duplicates() {
            return Err(syntax(Detail::DuplicateMember));
        }
        let depth = accepts.iter().filter_map(|accept| accept.depth).min();
        if depth.is_some_and(|most| value.depth() > most as usize) {
            return Err(syntax(Detail::TooDeep));
        }
        let faults = accepts
            .iter()
            .filter_map(|accept| shape::fault(accept, &value, self.strips(), self.patterns));
        match faults.min_by_key(|fault| fault.place) {
            Some(fault) => Err(shape_refusal(fault.detail)),
            None => Ok(()),
        }
    }

    fn form(&self, accepts: &[&Accept], body: &[u8]) -> Result<(), Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| syntax(Detail::NotAForm))?;
        let mut given: Vec<(String, String)> = Vec::new();
        for parameter in parameters(text) {
            let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            match (text(parameter.name), text(parameter.value)) {
                (Some(name), Some(value)) => given.push((name, value)),
                _ => return Err(syntax(Detail::NotAForm)),
            }
        }
        let is_known = |name: &String| {
            let knows = |accept: &&Accept| accept.fields.iter().any(|field| field.path == *name);
            accepts.iter().all(knows)
        };
        if !self.strips() && !given.iter().all(|(name, _)| is_known(name)) {
            return Err(shape_refusal(Detail::UnknownField));
        }
        for field in accepts.iter().flat_map(|accept| &accept.fields) {
            let values: Vec<&str> = given
                .iter()
                .filter(|(name, _)| *name == field.path)
                .map(|(_, value)| value.as_str())
                .collect();
            field_fits(field, &values, self.patterns).map_err(shape_refusal)?;
        }
        Ok(())
    }
}

fn refusal(status: u16, reason: Reason, detail: Detail) -> Refusal {
    Refusal {
        detail: Some(detail.code().to_string()),
        ..Refusal::new(status, reason)
    }
}

fn syntax(detail: Detail) -> Refusal {
    refusal(400, Reason::BodyRefused, detail)
}

fn shape_refusal(detail: Detail) -> Refusal {
    refusal(422, Reason::BodyRefused, detail)
}
