//! Raw path bytes -> decoded segments for matching, and the canonical spelling that goes upstream.

use portcullis_base::Detail;
use portcullis_lang::model::HostOptions;

use super::{Malformed, bad, query::hex_pair};

/// A path without two spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Fully decoded, none of them empty.
    pub(crate) segments: Vec<String>,
    /// Whether it ends in `/`; `/` itself is no segments and a trailing slash.
    pub(crate) trailing: bool,
    /// `request.path`: the decoded segments joined by `/`, within which `/`, `\` and `%` stay triples.
    pub(crate) text: String,
    /// What goes upstream: with path parameters, where the host keeps them.
    pub(crate) upstream: String,
}

/// Step 11: every byte of the target, left to right; the path ends at `path_end`.
pub(crate) fn check_bytes(target: &[u8], path_end: usize, options: HostOptions) -> Result<(), Malformed> {
    for (i, byte) in target.iter().enumerate() {
        let in_path = i < path_end;
        match byte {
            0..=0x20 | 0x7f => return Err(bad(Detail::ControlOrNul)),
            0x80.. => return Err(bad(Detail::RawNonAscii)),
            b'#' => return Err(bad(Detail::Fragment)),
            b'\\' if in_path => return Err(bad(Detail::Backslash)),
            b'%' if in_path => match hex_pair(target.get(i + 1..path_end).unwrap_or_default()) {
                None => return Err(bad(Detail::BadPercent)),
                Some(0..=0x1f | 0x7f) => return Err(bad(Detail::ControlOrNul)),
                Some(b'/') if !options.encoded_slash_as_data => return Err(bad(Detail::EncodedSlash)),
                Some(b'\\') if !options.encoded_backslash_as_data => return Err(bad(Detail::Backslash)),
                Some(_) => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// One segment on its way.
struct Piece {
    decoded: String,
    spelling: String,
    /// From the first raw `;` on, in canonical spelling.
    parameters: String,
}

/// Steps 12 to 15; `path` starts with `/` and went through [`check_bytes`].
pub(crate) fn parse(path: &[u8], options: HostOptions) -> Result<Path, Malformed> {
    if path.iter().filter(|b| **b == b'/').count() > 128 {
        return Err(Malformed {
            status: 414,
            detail: Detail::TooManySegments,
        });
    }
    let raw: Vec<&[u8]> = path.get(1..).unwrap_or_default().split(|b| *b == b'/').collect();
    let mut pieces = Vec::new();
    for (i, segment) in raw.iter().enumerate() {
        let is_last = i + 1 == raw.len();
        if segment.is_empty() && !is_last {
            if options.merge_slashes {
                continue;
            }
            return Err(bad(Detail::EmptySegment));
        }
        pieces.push((piece(segment, is_last, options)?, is_last));
    }

    let mut kept: Vec<Piece> = Vec::new();
    let mut trailing = None;
    for (piece, is_last) in pieces {
        match piece.decoded.as_str() {
            "." => trailing = is_last.then(String::new),
            ".." => {
                kept.pop().ok_or(bad(Detail::AboveRoot))?;
                trailing = is_last.then(String::new);
            }
            "" => trailing = Some(piece.parameters),
            _ => kept.push(piece),
        }
    }
    if kept.iter().any(|piece| piece.decoded.ends_with(['.', ' '])) {
        return Err(bad(Detail::TrailingDotOrSpace));
    }

    let mut text = String::new();
    let mut upstream = String::new();
    for piece in &kept {
        let shown = piece.decoded.replace('%', "%25");
        text.push('/');
        text.push_str(&shown.replace('/', "%2F").replace('\\', "%5C"));
        upstream.push('/');
        upstream.push_str(&piece.spelling);
        upstream.push_str(&piece.parameters);
    }
    if let Some(parameters) = &trailing {
        text.push('/');
        upstream.push('/');
        upstream.push_str(parameters);
    }
    let segments = kept.into_iter().map(|piece| piece.decoded).collect();
    Ok(Path {
        segments,
        trailing: trailing.is_some(),
        text,
        upstream,
    })
}

/// Step 13 for one segment.
fn piece(raw: &[u8], is_last: bool, options: HostOptions) -> Result<Piece, Malformed> {
    let cut = match raw.iter().position(|b| *b == b';') {
        Some(at) if options.path_parameters_kept => at,
        _ => raw.len(),
    };
    let (name, parameters) = raw.split_at_checked(cut).unwrap_or((raw, b""));
    let whole = String::from_utf8(percent_decoded(raw)).map_err(|_| bad(Detail::BadUtf8))?;
    if whole.chars().any(char::is_control) {
        return Err(bad(Detail::ControlOrNul));
    }
    if whole.contains(['\u{2044}', '\u{2215}', '\u{ff0f}']) {
        return Err(bad(Detail::LookalikeSlash));
    }
    let bytes = whole.as_bytes();
    if (0..bytes.len()).any(|i| bytes[i] == b'%' && hex_pair(&bytes[i + 1..]).is_some()) {
        return Err(bad(Detail::DoubleEncoding));
    }
    let decoded = String::from_utf8(percent_decoded(name)).map_err(|_| bad(Detail::BadUtf8))?;
    hides_dots(&whole)?;
    let has_encoded = raw.windows(3).any(|w| w.eq_ignore_ascii_case(b"%3b"));
    if decoded.contains(';') || has_encoded {
        return Err(bad(Detail::PathParameter));
    }
    if name.is_empty() && !is_last {
        return Err(bad(Detail::EmptySegment));
    }
    hides_dots(&decoded)?;
    Ok(Piece {
        decoded,
        spelling: respelled(name),
        parameters: respelled(parameters),
    })
}

/// A dot segment for whoever takes the encoded separators of a segment for real ones.
fn hides_dots(decoded: &str) -> Result<(), Malformed> {
    let parts: Vec<&str> = decoded.split(['/', '\\']).collect();
    if parts.len() == 1 || !parts.iter().any(|part| *part == "." || *part == "..") {
        return Ok(());
    }
    Err(bad(
        match decoded.find(['/', '\\']).and_then(|at| decoded.get(at..)) {
            Some(rest) if rest.starts_with('/') => Detail::EncodedSlash,
            _ => Detail::Backslash,
        },
    ))
}

fn percent_decoded(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(byte) = raw.get(i) {
        match hex_pair(raw.get(i + 1..).unwrap_or_default()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                i += 3;
            }
            None => {
                out.push(*byte);
                i += 1;
            }
        }
    }
    out
}

/// Triples of unreserved characters decoded, others in upper case, all else as it came.
fn respelled(raw: &[u8]) -> String {
    let mut out = String::new();
    let mut i = 0;
    while let Some(byte) = raw.get(i) {
        match hex_pair(raw.get(i + 1..).unwrap_or_default()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) {
                    out.push(char::from(decoded));
                } else {
                    out.push_str(&format!("%{decoded:02X}"));
                }
                i += 3;
            }
            None => {
                out.push(char::from(*byte));
                i += 1;
            }
        }
    }
    out
}
