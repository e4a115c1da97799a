//! A time zone -> transitions in the image, so that the evaluator needs no time zone database.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, civil};

use super::CompileError;

/// Last year whose transitions are in the image; later instants keep its last offset. A policy is compiled again
/// long before that, if only for the next tzdb.
const LAST_YEAR: i16 = 2200;

/// (from, offset east of UTC), whole seconds; the first is from the beginning of time.
pub(super) fn offsets(zone: &str) -> Result<Vec<(i64, i32)>, CompileError> {
    let unknown = || CompileError::Zone {
        zone: zone.to_string(),
    };
    let tz = TimeZoneDatabase::bundled().get(zone).map_err(|_| unknown())?;
    let end = TimeZone::UTC
        .to_timestamp(civil::date(LAST_YEAR, 1, 1).at(0, 0, 0, 0))
        .map_err(|_| unknown())?;
    let mut out = vec![(i64::MIN, tz.to_offset(Timestamp::MIN).seconds())];
    for transition in tz.following(Timestamp::MIN).take_while(|t| t.timestamp() < end) {
        let offset = transition.offset().seconds();
        if out.last().is_none_or(|last| last.1 != offset) {
            out.push((transition.timestamp().as_second(), offset));
        }
    }
    Ok(out)
}
