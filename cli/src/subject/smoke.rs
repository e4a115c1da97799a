//! Smoke cases (vectors that expect something) + an image with its data -> all hold, or the image is not used.

use std::path::Path;

use portcullis::{Data, Image, Snapshot};

use crate::error::{CliError, shown};
use crate::output::clean_line;
use crate::vectors;

use super::Subject;

/// Runs them all and says how many there are. A line that is no vector, expects nothing, or gets another verdict
/// than it expects is an error; so is having none.
pub fn run(path: &Path, image: Image, data: Data, cases: &[u8]) -> Result<u64, CliError> {
    let mut subject = Subject::of_snapshot(path, Snapshot::new(image, data));
    let failed = |id: &str, problem: String| CliError::Smoke {
        path: shown(path),
        case: clean_line(id),
        problem: clean_line(&problem),
    };
    let mut ran = 0;
    for line in vectors::split("smoke case", cases) {
        let place = line.place();
        let vector = line.vector.map_err(|error| failed(&place, error.problem))?;
        let verdict = subject
            .verdict(&vector)
            .map_err(|problem| failed(&vector.id, problem))?;
        match vectors::mismatches(&vector, &verdict) {
            None => return Err(failed(&vector.id, "it expects nothing".to_string())),
            Some(mismatches) => {
                if let Some(m) = mismatches.first() {
                    let problem = format!("{}: expected {}, got {}", m.member, m.expected, m.actual);
                    return Err(failed(&vector.id, problem));
                }
            }
        }
        ran += 1;
    }
    if ran == 0 {
        return Err(failed("none", "there is no smoke case to run".to_string()));
    }
    Ok(ran)
}
