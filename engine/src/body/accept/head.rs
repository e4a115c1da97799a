//! Header lines of a request -> what its body says it is, kept until the body is there.

use crate::body::coding::Coding;
use crate::body::media;
use crate::image::config::{AcceptBody, AcceptKind};
use portcullis_base::Detail;

/// What the head says of the body. Its buffer is used again.
#[derive(Debug, Default)]
pub(crate) struct BodyHead {
    /// `type/subtype` in lower case.
    media_type: String,
    is_typed: bool,
    fault: Option<Detail>,
    is_coded: bool,
}

impl BodyHead {
    pub(crate) fn clear(&mut self) {
        self.media_type.clear();
        (self.is_typed, self.fault, self.is_coded) = (false, None, false);
    }

    pub(crate) fn copy_from(&mut self, headers: &[(&[u8], &[u8])]) {
        self.clear();
        self.is_coded = media::coding(headers) != Ok(Coding::Identity);
        let read = match media::only_line(headers, "content-type") {
            Ok(None) => return,
            Ok(Some(value)) => media::media_type(value),
            Err(()) => Err(Detail::MediaType),
        };
        self.is_typed = true;
        match read {
            Ok(essence) => {
                let lower = essence.iter().map(|byte| char::from(byte.to_ascii_lowercase()));
                self.media_type.extend(lower);
            }
            Err(detail) => self.fault = Some(detail),
        }
    }

    /// Of several accepts of a rule the one for the media type; all of them where no type is named.
    pub(crate) fn alternatives<'a>(&self, accepts: &'a [AcceptBody]) -> &'a [AcceptBody] {
        if accepts.len() < 2 || !self.is_typed {
            return accepts;
        }
        let chosen = accepts.iter().find(|accept| self.is_of(&accept.kind));
        chosen.map(std::slice::from_ref).unwrap_or_default()
    }

    fn is_of(&self, kind: &AcceptKind) -> bool {
        match kind {
            AcceptKind::Json => media::is_json(self.media_type.as_bytes()),
            AcceptKind::Form => self.media_type == "application/x-www-form-urlencoded",
            AcceptKind::Type(own) => *own == self.media_type,
        }
    }

    /// Whether a body of this head can be of a kind. No type is needed where there is no byte.
    pub(super) fn fits(&self, kind: &AcceptKind, is_empty: bool) -> Result<(), Detail> {
        if self.is_coded {
            return Err(Detail::ContentCoding);
        }
        match self.fault {
            Some(detail) => Err(detail),
            None if !self.is_typed && is_empty && !matches!(kind, AcceptKind::Type(_)) => Ok(()),
            None if self.is_of(kind) => Ok(()),
            None => Err(Detail::MediaType),
        }
    }
}
