//! Raw path -> canonical spelling and decoded segments (steps 11 to 15). Every spelling that some server reads
//! differently is refused, not repaired. Knows no routes.

use super::{Form, Malformed};
use crate::image::config::HostOptions;
use crate::limits;
use crate::value::{Arena, List, Text, text};
use portcullis_base::Detail;

/// Segments that a plain path has room for before it grows.
const PLAIN_SEGMENTS: usize = 12;

/// Characters that look like a slash, and that some servers fold into one.
const LOOKALIKES: [&[u8]; 3] = [
    "\u{2044}".as_bytes(),
    "\u{2215}".as_bytes(),
    "\u{ff0f}".as_bytes(),
];

/// Step 11: the bytes of path and query from the left.
pub(super) fn check_bytes(path: &[u8], query: Option<&[u8]>, options: HostOptions) -> Result<(), Malformed> {
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        check_byte(*byte)?;
        match byte {
            b'\\' => return Err(Malformed::bad(Detail::Backslash)),
            b'%' => match text::triple(rest) {
                None => return Err(Malformed::bad(Detail::BadPercent)),
                Some(0..0x20 | 0x7f) => return Err(Malformed::bad(Detail::ControlOrNul)),
                Some(b'/') if !options.encoded_slash_as_data => {
                    return Err(Malformed::bad(Detail::EncodedSlash));
                }
                Some(b'\\') if !options.encoded_backslash_as_data => {
                    return Err(Malformed::bad(Detail::Backslash));
                }
                Some(_) => {}
            },
            _ => {}
        }
        rest = tail;
    }
    check_query(query)
}

/// The part of step 11 that is about the query.
pub(super) fn check_query(query: Option<&[u8]>) -> Result<(), Malformed> {
    query
        .unwrap_or_default()
        .iter()
        .try_for_each(|byte| check_byte(*byte))
}

fn check_byte(byte: u8) -> Result<(), Malformed> {
    match byte {
        0..0x21 | 0x7f => Err(Malformed::bad(Detail::ControlOrNul)),
        0x80.. => Err(Malformed::bad(Detail::RawNonAscii)),
        b'#' => Err(Malformed::bad(Detail::Fragment)),
        _ => Ok(()),
    }
}

/// One segment that has passed step 13.
#[derive(Clone, Copy)]
struct Segment<'a> {
    raw: &'a [u8],
    decoded: &'a [u8],
    /// From the first `;` on, where the host keeps them.
    parameters: &'a [u8],
}

/// A path in its one spelling.
pub(super) struct Path<'a> {
    pub(super) form: Form<'a>,
    /// What is forwarded where it differs from the form's spelling: with path parameters.
    pub(super) forwarded: Option<&'a [u8]>,
    /// The spelling is the one that was sent.
    pub(super) as_sent: bool,
}

const TOO_MANY_SEGMENTS: Malformed = Malformed {
    status: 414,
    detail: Detail::TooManySegments,
};

/// A path whose every byte means itself and whose every segment is plain: there is nothing to decode, nothing to
/// remove and nothing to refuse, so it is canonical as it stands. Most are. `None`: the long way must look.
pub(super) fn plain<'a>(path: &'a [u8], arena: &'a Arena) -> Option<Path<'a>> {
    let below = path.strip_prefix(b"/")?;
    if !text::is_plain(below) {
        return None;
    }
    let mut segments = List::with_capacity_in(PLAIN_SEGMENTS, arena);
    let mut from = 0;
    text::each_place(below, b'/', |at| {
        let segment = below.get(from..at)?;
        // Empty segments and those that end in a dot, dot segments among them.
        if matches!(segment.last(), None | Some(b'.')) {
            return None;
        }
        segments.push(segment);
        from = at + 1;
        Some(())
    })?;
    let last = below.get(from..)?;
    if last.last() == Some(&b'.') {
        return None;
    }
    if !last.is_empty() {
        segments.push(last);
    }
    // One slash before each segment, and one more for a trailing one.
    if segments.len() + usize::from(last.is_empty()) > limits::SEGMENTS {
        return None;
    }
    Some(Path {
        form: Form::Path {
            path,
            segments: segments.into_bump_slice(),
            trailing_slash: last.is_empty(),
        },
        forwarded: None,
        as_sent: true,
    })
}

/// Steps 12 to 15. An empty path is `/`.
pub(super) fn canonical<'a>(
    path: &'a [u8],
    options: HostOptions,
    arena: &'a Arena,
) -> Result<Path<'a>, Malformed> {
    if path.iter().filter(|b| **b == b'/').count() > limits::SEGMENTS {
        return Err(TOO_MANY_SEGMENTS);
    }
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let last = path.iter().filter(|b| **b == b'/').count();
    let mut checked = List::with_capacity_in(last + 1, arena);
    for (index, raw) in path.split(|b| *b == b'/').enumerate() {
        checked.extend(segment(raw, index == last, options, arena)?);
    }
    let last_parameters = match checked.last() {
        Some(segment) if segment.raw.is_empty() => segment.parameters,
        _ => b"",
    };
    let (kept, trailing_slash) = without_dots(&checked, arena)?;
    if kept
        .iter()
        .any(|segment| matches!(segment.decoded.last(), Some(b'.' | b' ')))
    {
        return Err(Malformed::bad(Detail::TrailingDotOrSpace));
    }
    let spelling = |with_parameters: bool| {
        let mut out = Text::with_capacity_in(path.len() + 1, arena);
        for segment in &kept {
            out.push('/');
            spell(segment.raw, &mut out);
            if with_parameters {
                spell(segment.parameters, &mut out);
            }
        }
        if trailing_slash {
            out.push('/');
        }
        if with_parameters {
            spell(last_parameters, &mut out);
        }
        out.into_bump_str().as_bytes()
    };
    let has_parameters =
        !last_parameters.is_empty() || kept.iter().any(|segment| !segment.parameters.is_empty());
    Ok(Path {
        forwarded: has_parameters.then(|| spelling(true)),
        form: Form::Path {
            path: spelling(false),
            segments: arena.alloc_slice_fill_iter(kept.iter().map(|segment| segment.decoded)),
            trailing_slash,
        },
        as_sent: false,
    })
}

/// Step 13 for one segment; `None` where it is merged away.
fn segment<'a>(
    raw: &'a [u8],
    is_last: bool,
    options: HostOptions,
    arena: &'a Arena,
) -> Result<Option<Segment<'a>>, Malformed> {
    if raw.is_empty() && !is_last {
        return match options.merge_slashes {
            true => Ok(None),
            false => Err(Malformed::bad(Detail::EmptySegment)),
        };
    }
    let decoded = text::decode(raw, false, arena).ok_or(Malformed::bad(Detail::BadPercent))?;
    if std::str::from_utf8(decoded).is_err() {
        return Err(Malformed::bad(Detail::BadUtf8));
    }
    // U+0080 to U+009F; the other control characters were refused as triples.
    if decoded.windows(2).any(|pair| matches!(pair, [0xc2, 0x80..=0x9f])) {
        return Err(Malformed::bad(Detail::ControlOrNul));
    }
    if LOOKALIKES
        .iter()
        .any(|slash| decoded.windows(slash.len()).any(|window| window == *slash))
    {
        return Err(Malformed::bad(Detail::LookalikeSlash));
    }
    if (0..decoded.len()).any(|at| decoded.get(at..).and_then(text::triple).is_some()) {
        return Err(Malformed::bad(Detail::DoubleEncoding));
    }
    check_hidden_dots(decoded)?;
    if !decoded.contains(&b';') {
        return Ok(Some(Segment {
            raw,
            decoded,
            parameters: b"",
        }));
    }
    let encoded = (0..raw.len()).any(|at| raw.get(at..).and_then(text::triple) == Some(b';'));
    if encoded || !options.path_parameters_kept {
        return Err(Malformed::bad(Detail::PathParameter));
    }
    let cut = raw.iter().position(|b| *b == b';').unwrap_or(raw.len());
    let (raw, parameters) = raw.split_at_checked(cut).unwrap_or_default();
    // What is cut to nothing must not come back as an empty segment, nor be merged away with its parameters.
    if raw.is_empty() && !is_last {
        return Err(Malformed::bad(Detail::EmptySegment));
    }
    let decoded = text::decode(raw, false, arena).ok_or(Malformed::bad(Detail::BadPercent))?;
    check_hidden_dots(decoded)?;
    Ok(Some(Segment {
        raw,
        decoded,
        parameters,
    }))
}

/// Where encoded slashes or backslashes are data, a server that takes them for separators must find no dot segment.
fn check_hidden_dots(decoded: &[u8]) -> Result<(), Malformed> {
    let separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let Some(first) = decoded.iter().find(|byte| separator(byte)) else {
        return Ok(());
    };
    match decoded.split(separator).any(|part| matches!(part, b"." | b"..")) {
        false => Ok(()),
        true if *first == b'/' => Err(Malformed::bad(Detail::EncodedSlash)),
        true => Err(Malformed::bad(Detail::Backslash)),
    }
}

/// `request.path`: decoded segments joined by `/`; what would look like a separator or a triple stays a triple.
pub(super) fn decoded<'a>(segments: &[&[u8]], trailing_slash: bool, arena: &'a Arena) -> &'a [u8] {
    let mut out = List::new_in(arena);
    for segment in segments {
        out.push(b'/');
        for byte in *segment {
            match byte {
                b'/' => out.extend_from_slice_copy(b"%2F"),
                b'\\' => out.extend_from_slice_copy(b"%5C"),
                b'%' => out.extend_from_slice_copy(b"%25"),
                _ => out.push(*byte),
            }
        }
    }
    if trailing_slash {
        out.push(b'/');
    }
    out.into_bump_slice()
}

/// Step 14: segments without dots and without the empty last one, and whether a trailing slash is left.
fn without_dots<'a>(
    segments: &[Segment<'a>],
    arena: &'a Arena,
) -> Result<(List<'a, Segment<'a>>, bool), Malformed> {
    let mut kept = List::with_capacity_in(segments.len(), arena);
    // No segment at all is the root, which ends in its slash.
    let mut trailing_slash = true;
    for segment in segments {
        trailing_slash = match segment.decoded {
            b"" | b"." => true,
            b".." => match kept.pop() {
                Some(_) => true,
                None => return Err(Malformed::bad(Detail::AboveRoot)),
            },
            _ => {
                kept.push(*segment);
                false
            }
        };
    }
    Ok((kept, trailing_slash))
}

/// Writes a checked segment: unreserved characters plain, other triples in upper case, the rest as it came.
fn spell(raw: &[u8], out: &mut Text<'_>) {
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        rest = match text::triple(rest) {
            Some(plain) => {
                match text::is_unreserved(plain) {
                    true => out.push(char::from(plain)),
                    false => {
                        out.push('%');
                        upper_hex(plain).into_iter().for_each(|digit| out.push(digit));
                    }
                }
                rest.get(3..).unwrap_or_default()
            }
            None => {
                out.push(char::from(*byte));
                tail
            }
        };
    }
}

fn upper_hex(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| {
        char::from_digit(digit.into(), 16)
            .unwrap_or('0')
            .to_ascii_uppercase()
    })
}
