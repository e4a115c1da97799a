//! What binds and a whole request body -> accepted, rewritten, or refused at its first offending place. A closed world:
//! all accepts that bind judge the same body, and what one of them does not know is refused, or left out where all strip.
//! Knows no exchange and no rules.

// head of the request -> media type and coding
mod head;
// form -> names and values
mod form;
// JSON -> members and elements
mod json;
// decimal texts in their order
mod number;

pub(crate) use head::BodyHead;

use crate::decision::Reason;
use crate::image::config::{AcceptBody, AcceptKind};
use crate::image::tables::View;
use portcullis_base::Detail;

/// Bytes of a pointer that are told.
const POINTER_BYTES_MAX: usize = 256;

/// What goes upstream of an accepted body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It, as it came.
    AsItCame,
    /// What was written in its place.
    Rewritten,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyRefusal {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) detail: Detail,
    /// The first offending place, a JSON pointer (RFC 6901) of at most some 256 bytes; of a form, its name.
    pub(crate) pointer: String,
}

impl BodyRefusal {
    /// More bytes than are accepted.
    pub(crate) fn too_large() -> BodyRefusal {
        BodyRefusal::of(Reason::TooLarge, Reason::TooLarge.status(), Detail::TooLarge)
    }

    fn of(reason: Reason, status: u16, detail: Detail) -> BodyRefusal {
        BodyRefusal {
            reason,
            status,
            detail,
            pointer: String::new(),
        }
    }

    fn media(detail: Detail) -> BodyRefusal {
        let reason = Reason::UnsupportedMediaType;
        BodyRefusal::of(reason, reason.status(), detail)
    }

    /// It cannot be read.
    fn syntax(detail: Detail) -> BodyRefusal {
        BodyRefusal::of(Reason::BodyRefused, 400, detail)
    }

    /// It is read, and not what is accepted.
    fn shape(detail: Detail, pointer: String) -> BodyRefusal {
        BodyRefusal {
            pointer,
            ..BodyRefusal::of(Reason::BodyRefused, Reason::BodyRefused.status(), detail)
        }
    }

    fn at(self, pointer: String) -> BodyRefusal {
        BodyRefusal { pointer, ..self }
    }
}

impl AcceptBody {
    /// Whether the bytes of a body are looked at, and not its type and size alone.
    pub(crate) fn reads_body(&self) -> bool {
        !matches!(self.kind, AcceptKind::Type(_))
    }
}

/// Judges the type and coding of a body, which is all there is to judge where no accept reads it.
pub(crate) fn judge_head<'a>(
    accepts: impl Iterator<Item = &'a AcceptBody>,
    head: &BodyHead,
    is_empty: bool,
) -> Result<(), BodyRefusal> {
    let mut accepts = accepts;
    accepts.try_for_each(|accept| head.fits(&accept.kind, is_empty).map_err(BodyRefusal::media))
}

/// Judges a body of a size and type that are accepted. Where it is rewritten, `out` holds what goes upstream.
pub(crate) fn judge(
    accepts: &[&AcceptBody],
    strip_unknown: bool,
    view: View<'_>,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<Judged, BodyRefusal> {
    out.clear();
    let of = |kind: &AcceptKind| -> Vec<&AcceptBody> {
        accepts
            .iter()
            .copied()
            .filter(|accept| accept.kind == *kind)
            .collect()
    };
    let (json, forms) = (of(&AcceptKind::Json), of(&AcceptKind::Form));
    if !json.is_empty() {
        json::judge(&json, strip_unknown, view, body, out)
    } else if !forms.is_empty() {
        form::judge(&forms, strip_unknown, view, body, out)
    } else {
        Ok(Judged::AsItCame)
    }
}

/// A step of a pointer.
fn push_step(pointer: &mut String, step: &str) {
    if pointer.len() >= POINTER_BYTES_MAX {
        return;
    }
    pointer.push('/');
    for char in step.chars() {
        match char {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(char),
        }
        if pointer.len() >= POINTER_BYTES_MAX {
            return;
        }
    }
}
