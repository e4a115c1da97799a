//! Accepts that bind -> one demand on the request's body. Does not read bodies.

use super::{Binding, Bound};
use crate::decision::BodyDemand;

/// Bytes of a body whose `accept` names no limit (decision 0001).
const MAX_BYTES_DEFAULT: u64 = 1_048_576;

/// The smallest limit; unknown fields are stripped only where every accept of fields strips.
pub(super) fn demand<'b>(b: &Binding<'b>, rules: &[Bound<'b>]) -> Option<BodyDemand<'b>> {
    let accepts = || rules.iter().flat_map(|bound| &bound.rule.body.accept);
    let max_bytes = accepts()
        .map(|accept| accept.max_bytes.unwrap_or(MAX_BYTES_DEFAULT))
        .min()?;
    let mut fields = accepts().filter(|accept| !accept.media).peekable();
    let strip_unknown = fields.peek().is_some() && fields.all(|accept| accept.strip_unknown);
    let accepting = rules.iter().filter(|bound| !bound.rule.body.accept.is_empty());
    Some(BodyDemand {
        accept: b.list(accepting.map(|bound| bound.index)).into_bump_slice(),
        max_bytes,
        strip_unknown,
    })
}
