//! Path text -> patterns and bases with decoded segments (sections 2, 5 and 8).
//!
//! What no normalised request can match is refused here, with the spelling that can.

use super::limits::MAX_SEGMENTS;
use super::literals::{Bad, bad, canonical, regex};
use crate::ast::Path;
use crate::model::{Base, CaptureKind, HostOptions, Pattern, Segment, Tail};

/// A pattern below a base.
pub(super) fn pattern(text: &str, base: &Base, options: HostOptions) -> Result<Pattern, Bad> {
    let parts = split(text)?;
    let mut segments: Vec<Segment> = base.iter().map(|s| Segment::Literal(s.clone())).collect();
    let mut tail = Tail::None;
    let mut names = Vec::new();
    let last = parts.len().saturating_sub(1);
    for (i, part) in parts.iter().enumerate() {
        if part.is_empty() && i == last {
            tail = Tail::Slash;
        } else if part.is_empty() {
            return bad(
                "G0403",
                format!("`{text}` has an empty segment, and no request has one: it is malformed, or merged"),
                format!("write `{}`", merged(text)),
            );
        } else if let Some(name) = rest(part)? {
            if i != last {
                return bad(
                    "G0404",
                    format!("`{part}` takes the rest of a path, so nothing can follow it in `{text}`"),
                    "write `*` for exactly one segment, or end the path there and ask for what follows by `request.path like`",
                );
            }
            if let Some(name) = &name {
                names.push(name.clone());
            }
            tail = Tail::Rest(name);
        } else {
            let segment = segment(part, options)?;
            if let Segment::Capture { name, .. } = &segment {
                names.push(name.clone());
            }
            segments.push(segment);
        }
    }
    if segments.len() > MAX_SEGMENTS {
        return bad(
            "G0804",
            format!("`{text}` has more than {MAX_SEGMENTS} segments"),
            "no request has so many",
        );
    }
    names.sort();
    if let Some(twice) = names
        .windows(2)
        .find_map(|w| (w.first() == w.last()).then(|| w.first()))
        .flatten()
    {
        return bad(
            "G0405",
            format!("`{text}` captures `{twice}` twice"),
            "give each capture its own name",
        );
    }
    Ok(Pattern { segments, tail })
}

/// `/users/:id` without quotes: other routers capture there, this one would look for a colon.
pub(super) fn colon_capture(path: &Path) -> Result<(), Bad> {
    let is_name = |part: &&str| {
        part.strip_prefix(':')
            .is_some_and(|name| capture_name(name).is_ok())
    };
    match path.text.split('/').find(is_name) {
        Some(part) if !path.quoted => {
            let captured = path
                .text
                .replace(part, &format!("{{{}}}", part.trim_start_matches(':')));
            bad(
                "G0406",
                format!("`{part}` in `{}` is no capture", path.text),
                format!(
                    "write `{captured}`; text that begins with a colon is quoted, as in `\"{}\"`",
                    path.text
                ),
            )
        }
        _ => Ok(()),
    }
}

/// The literal segments of `under`.
pub(super) fn base(text: &str) -> Result<Base, Bad> {
    if text == "/" {
        return Ok(Base::new());
    }
    let found = pattern(text, &Base::new(), HostOptions::default())?;
    let literals: Option<Base> = found
        .segments
        .into_iter()
        .map(|s| match s {
            Segment::Literal(text) => Some(text),
            _ => None,
        })
        .collect();
    match (literals, found.tail) {
        (Some(base), Tail::None) => Ok(base),
        _ => bad(
            "G0407",
            format!("`{text}` is not a base"),
            "a base is literal and does not end in `/`, as in `/v1`",
        ),
    }
}

/// A path without its empty segments.
fn merged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// Splits at `/` outside captures. The first, empty part before the leading slash is left out.
fn split(text: &str) -> Result<Vec<&str>, Bad> {
    let Some(below) = text.strip_prefix('/') else {
        return bad(
            "G0403",
            format!("`{text}` does not start with `/`"),
            format!("write `/{text}`"),
        );
    };
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0usize, false);
    for (i, c) in below.char_indices() {
        match c {
            '\'' if depth > 0 => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                parts.push(below.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
    }
    if depth > 0 || quoted {
        return bad(
            "G0406",
            format!("a capture in `{text}` is not closed"),
            "write `{name}`, `{name:int}`, `{name:uuid}`, `{name:'regex'}` or `{rest:**}`",
        );
    }
    parts.push(below.get(start..).unwrap_or_default());
    Ok(parts)
}

/// `**` or `{name:**}`.
fn rest(part: &str) -> Result<Option<Option<String>>, Bad> {
    if part == "**" {
        return Ok(Some(None));
    }
    match part.strip_prefix('{').and_then(|p| p.strip_suffix(":**}")) {
        Some(name) => capture_name(name).map(|name| Some(Some(name))),
        None => Ok(None),
    }
}

pub(super) fn capture_name(name: &str) -> Result<String, Bad> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(name.to_owned())
    } else {
        bad(
            "G0406",
            format!("`{name}` can not name a capture"),
            "use letters, digits and `_`, a letter first",
        )
    }
}

fn segment(part: &str, options: HostOptions) -> Result<Segment, Bad> {
    if part == "*" {
        return Ok(Segment::Any);
    }
    let Some((prefix, after)) = part.split_once('{') else {
        return literal(part, options)
            .and_then(|text| whole(&text, part))
            .map(Segment::Literal);
    };
    let help = "write `{name}`, `{name:int}`, `{name:uuid}` or `{name:'regex'}`, one capture in a segment";
    let (name, after) = match after.find([':', '}']) {
        Some(at) => after.split_at(at),
        None => return bad("G0406", format!("`{part}` is not a capture"), help),
    };
    let (kind, suffix) = if let Some(suffix) = after.strip_prefix('}') {
        (CaptureKind::Text, suffix)
    } else if let Some(suffix) = after.strip_prefix(":int}") {
        (CaptureKind::Int, suffix)
    } else if let Some(suffix) = after.strip_prefix(":uuid}") {
        (CaptureKind::Uuid, suffix)
    } else if let Some((text, suffix)) = after.strip_prefix(":'").and_then(|a| a.split_once("'}")) {
        regex(text)?;
        (CaptureKind::Regex(text.to_owned()), suffix)
    } else if after.starts_with(":**}") {
        return bad(
            "G0404",
            format!("`{part}` mixes a rest with text"),
            "`{rest:**}` is a whole segment, the last",
        );
    } else {
        return bad("G0406", format!("`{part}` has an unknown kind of capture"), help);
    };
    if suffix.contains(['{', '}']) || prefix.contains('}') {
        return bad("G0406", format!("`{part}` has more than one capture"), help);
    }
    let suffix = literal(suffix, options)?;
    if suffix.ends_with(['.', ' ']) {
        return bad(
            "G0403",
            format!("`{part}` ends in a dot or space"),
            "no normalised segment does",
        );
    }
    Ok(Segment::Capture {
        name: capture_name(name)?,
        prefix: literal(prefix, options)?,
        suffix,
        kind,
    })
}

/// What only a whole literal segment must not be.
fn whole(text: &str, part: &str) -> Result<String, Bad> {
    if matches!(text, "." | "..") {
        return bad(
            "G0403",
            format!("`{part}` is a dot segment"),
            "normalised paths have none; write the path without",
        );
    }
    if text.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return bad(
            "G0403",
            format!("`{part}` holds a dot segment beside an encoded slash or backslash"),
            "such requests are malformed; write the path without",
        );
    }
    if text.ends_with(['.', ' ']) {
        return bad(
            "G0403",
            format!("`{part}` ends in a dot or space"),
            "such requests are malformed; leave it out",
        );
    }
    Ok(text.to_owned())
}

/// Literal text of a segment, decoded. The canonical spelling is the only one taken.
fn literal(text: &str, options: HostOptions) -> Result<String, Bad> {
    if text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::new();
    let mut spelling = String::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let value = if byte == b'%' {
            let Some((value, after)) = triple(after) else {
                return bad(
                    "G0401",
                    format!("`{text}` has a `%` without two hex digits"),
                    "a literal `%` is `%25`",
                );
            };
            rest = after;
            value
        } else {
            byte
        };
        let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
        let must_encode = value <= b' ' || value >= 0x7f || b"%\"#?\\{}*|,".contains(&value);
        if unreserved || (byte != b'%' && !must_encode) {
            spelling.push(char::from(value));
        } else {
            spelling.push_str(&format!("%{value:02X}"));
        }
        bytes.push(value);
    }
    let Ok(decoded) = String::from_utf8(bytes) else {
        return bad(
            "G0401",
            format!("`{text}` does not decode to UTF-8"),
            "such requests are malformed",
        );
    };
    let never = |c: char| {
        c.is_control()
            || matches!(c, ';' | '\u{2044}' | '\u{2215}' | '\u{ff0f}')
            || (c == '/' && !options.encoded_slash_as_data)
            || (c == '\\' && !options.encoded_backslash_as_data)
    };
    if let Some(c) = decoded.chars().find(|c| never(*c)) {
        return bad(
            "G0403",
            format!("`{text}` holds {c:?}"),
            "requests with it are malformed, so the pattern can never match",
        );
    }
    let decoded_bytes = decoded.as_bytes();
    if (0..decoded_bytes.len()).any(|i| {
        decoded_bytes.get(i) == Some(&b'%') && decoded_bytes.get(i + 1..).is_some_and(|r| triple(r).is_some())
    }) {
        return bad(
            "G0403",
            format!("`{text}` is encoded twice"),
            "such requests are malformed",
        );
    }
    if spelling != text && text.contains('*') {
        return bad(
            "G0404",
            format!("`{text}` mixes a star with text"),
            "`*` is one whole segment; a literal star is `%2A`",
        );
    }
    canonical("G0401", text, spelling, decoded)
}

/// Two hex digits.
fn triple(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, rest) = bytes.split_at_checked(2)?;
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let value = digit(pair.first()?)? * 16 + digit(pair.get(1)?)?;
    Some((u8::try_from(value).ok()?, rest))
}

/// `shop.Orders/Get`, `shop.Orders/*` -> a pattern from the root.
pub(super) fn grpc(text: &str) -> Result<Pattern, Bad> {
    let name = |t: &str, dots: bool| {
        !t.is_empty()
            && !t.ends_with('.')
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || (dots && b == b'.'))
    };
    match text.split_once('/') {
        Some((service, method)) if name(service, true) && (method == "*" || name(method, false)) => {
            let method = if method == "*" {
                Segment::Any
            } else {
                Segment::Literal(method.to_owned())
            };
            Ok(Pattern {
                segments: vec![Segment::Literal(service.to_owned()), method],
                tail: Tail::None,
            })
        }
        _ => bad(
            "G0408",
            format!("`{text}` is not a gRPC method"),
            "write `package.Service/Method` or `package.Service/*`",
        ),
    }
}
