//! A response whose body is there, and its request -> whether the conditions on it hold. Decides nothing else.

use super::evaluation::Evaluation;
use super::{Now, Snapshot, Worker};
use crate::image::ids::{RuleId, VarId};
use crate::limits::RESPONSE_CHECKED_BYTES;
use crate::value::json::Json;
use crate::view::RequestView;

/// Checks the conditions of the rules that bind, in order, over a body that is JSON.
///
/// # Errors
///
/// The status of the `else` of the first that is not true: false, or unknown because a member is missing, of another type or
/// given twice. Of a body that is no object every member is missing.
pub(crate) fn judge_response(
    s: &Snapshot,
    r: &RequestView<'_>,
    now: Now,
    w: &mut Worker,
    require: &[(RuleId, u16)],
    body: &[u8],
) -> Result<(), u16> {
    let Some((_, first)) = require.first() else {
        return Ok(());
    };
    w.start(&s.image);
    let mut evaluation = Evaluation::begin(s, r, now, w).map_err(|_| *first)?;
    let json = Json::parse(body, RESPONSE_CHECKED_BYTES, evaluation.arena).ok();
    if let Some(json) = json {
        evaluation.add_response(json);
    }
    let rules = &s.image.config().rules;
    // A rule with several conditions is named as often, one status each.
    for same in require.chunk_by(|a, b| a.0 == b.0) {
        let Some((rule, status)) = same.first() else {
            continue;
        };
        let checks = rules.get(rule.index()).map(|rule| &rule.body.require_response);
        let checks = checks.ok_or(*status)?;
        if checks.len() != same.len() {
            return Err(*status);
        }
        for check in checks {
            let mut holds = check.holds;
            for sub in &check.subs {
                holds = evaluation.walk.holds(VarId(*sub));
            }
            if !holds {
                return Err(check.status);
            }
        }
    }
    Ok(())
}
