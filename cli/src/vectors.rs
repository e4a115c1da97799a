//! Files of vectors -> vectors, each with the file and line it stands on; broken lines are kept as complaints.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use portcullis_vectors::{Bytes, Mismatch, Request, Vector, VectorError, compare, parse_line, parse_lines};
use serde_json::Value;

use crate::error::{CliError, read_limited, shown, standard_input};

/// Largest file of vectors, bytes.
pub const VECTOR_BYTES_MAX: u64 = 1 << 30;

/// A line of a file of vectors.
pub struct Line {
    /// File, as shown.
    pub file: String,
    /// The vector, or what is wrong with it.
    pub vector: Result<Vector, VectorError>,
    /// 1-based.
    pub line: usize,
}

impl Line {
    /// `file:line`
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Reads a file of vectors, or standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<Line>, CliError> {
    let (file, bytes) = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(VECTOR_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| CliError::file(&standard_input(), e))?;
        if bytes.len() as u64 > VECTOR_BYTES_MAX {
            return Err(CliError::file(
                &standard_input(),
                format!("longer than {VECTOR_BYTES_MAX} bytes"),
            ));
        }
        (shown(&standard_input()), bytes)
    } else {
        (shown(path), read_limited(path, VECTOR_BYTES_MAX)?)
    };
    Ok(split(&file, &bytes))
}

/// Reads several files in order.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Line>, CliError> {
    let mut lines = Vec::new();
    for path in paths {
        lines.extend(read(path)?);
    }
    Ok(lines)
}

/// Bytes -> lines. A line that is not UTF-8 is a broken line, not a broken file.
pub(crate) fn split(file: &str, bytes: &[u8]) -> Vec<Line> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let lines = parse_lines(text);
        return lines
            .into_iter()
            .map(|(line, vector)| Line {
                file: file.to_string(),
                vector,
                line,
            })
            .collect();
    }
    let mut lines = Vec::new();
    for (i, raw) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = i + 1;
        let vector = match std::str::from_utf8(raw) {
            Ok(text) => match parse_lines(text).into_iter().next() {
                Some((_, vector)) => vector.map_err(|e| VectorError {
                    line,
                    problem: e.problem,
                }),
                None => continue,
            },
            Err(_) => Err(VectorError {
                line,
                problem: "this line is not UTF-8".to_string(),
            }),
        };
        lines.push(Line {
            file: file.to_string(),
            vector,
            line,
        });
    }
    lines
}

/// One vector: inline JSON, `-`, `FILE` with one vector in it, or `FILE:ID`.
pub fn pick(text: &str) -> Result<(Vector, String), CliError> {
    if text.trim_start().starts_with('{') {
        let vector = parse_line(text).map_err(|e| CliError::Usage(format!("this is no vector: {e}")))?;
        return Ok((vector, "the command line".to_string()));
    }
    let whole = Path::new(text);
    let (path, id) = match text.rsplit_once(':') {
        Some((file, id)) if text != "-" && !whole.exists() => (Path::new(file), Some(id)),
        _ => (whole, None),
    };
    let mut found = Vec::new();
    for line in read(path)? {
        let place = line.place();
        match (line.vector, id) {
            (Ok(vector), None) => found.push((vector, place)),
            (Ok(vector), Some(id)) if vector.id == id => found.push((vector, place)),
            (Ok(_), Some(_)) => {}
            (Err(_), Some(_)) => {}
            (Err(error), None) => return Err(CliError::file(path, error)),
        }
    }
    let several = found.len() > 1;
    match (found.pop(), id) {
        (Some(_), _) if several => Err(CliError::file(
            path,
            "more than one vector: name one as `FILE:ID`",
        )),
        (Some(found), _) => Ok(found),
        (None, Some(id)) => Err(CliError::file(path, format!("there is no vector `{id}` in it"))),
        (None, None) => Err(CliError::file(path, "there is no vector in it")),
    }
}

/// The same of a verb that reads a body on standard input.
pub fn pick_beside_input(text: &str) -> Result<(Vector, String), CliError> {
    match text {
        "-" => Err(CliError::Usage(
            "the body is read on standard input: name the vector as FILE, FILE:ID or JSON".to_string(),
        )),
        text => pick(text),
    }
}

/// Where a request says no content type, its body is JSON.
pub fn declare_json(vector: &mut Vector) {
    let headers = &mut vector.request.headers;
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_string(), Bytes::from("application/json")));
    }
}

/// What a request asks for, as written; `None` where it is only bytes.
pub fn target(request: &Request) -> Option<&str> {
    request.url.as_deref().or(request.target.as_deref())
}

/// What a verdict line does not meet of what its vector expects; `None` where it expects nothing.
pub fn mismatches(vector: &Vector, line: &str) -> Option<Vec<Mismatch>> {
    let expect = vector.expect.as_ref()?;
    // A line that is no JSON would be a defect of ours and meets nothing.
    let verdict: Value = serde_json::from_str(line).unwrap_or(Value::Null);
    Some(compare(expect, &verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_does_not_break_its_file() {
        let good = br#"{"id": "a", "request": {"method": "GET", "url": "https://h/"}}"#;
        let mut bytes = good.to_vec();
        bytes.extend_from_slice(b"\n\xff\n\n# a comment\n{}\n");
        bytes.extend_from_slice(good);
        let lines = split("f", &bytes);
        let shape: Vec<(usize, bool)> = lines.iter().map(|l| (l.line, l.vector.is_ok())).collect();
        assert_eq!(shape, [(1, true), (2, false), (5, false), (6, true)]);
    }
}
