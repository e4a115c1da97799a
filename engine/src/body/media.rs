//! Header lines of a message -> how its body is read: its media type, strictly, and whether it is coded. Knows no bodies.
//!
//! One line each, and nothing that two readers could take for two things: a second `Content-Type`, a list, a charset that is
//! not UTF-8 or a type that is almost one of JSON's reads as none.

use super::coding::Coding;
use super::redact::Framing;
use portcullis_base::Detail;

/// Header lines of a message: name, value.
pub(crate) type HeaderLines<'a> = &'a [(&'a [u8], &'a [u8])];

/// The one line of a name; `Err` where there are several.
pub(crate) fn only_line<'a>(headers: HeaderLines<'a>, name: &str) -> Result<Option<&'a [u8]>, ()> {
    let mut lines = headers
        .iter()
        .filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line.map(|(_, value)| value.trim_ascii())),
        (_, Some(_)) => Err(()),
    }
}

/// How the body is coded (RFC 9110, section 8.4): `identity` and an empty list are no coding, and of two codings, or one that
/// is not known, nothing can be read.
pub(crate) fn coding(headers: HeaderLines<'_>) -> Result<Coding, Detail> {
    let mut codings = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Ok(Coding::Identity),
        (Some(coding), None) if is_one_of(coding, &["gzip", "x-gzip"]) => Ok(Coding::Gzip),
        (Some(coding), None) if is_one_of(coding, &["deflate"]) => Ok(Coding::Deflate),
        (Some(_), _) => Err(Detail::ContentCoding),
    }
}

fn is_one_of(value: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| value.eq_ignore_ascii_case(name.as_bytes()))
}

/// How many bytes follow, where the head tells it in one way (RFC 9110, section 8.6).
pub(crate) fn content_length(headers: HeaderLines<'_>) -> Option<u64> {
    let digits = only_line(headers, "content-length").ok()??;
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    // More than can be counted is more than any limit.
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The media type of a Content-Type value, `type/subtype` as it is written; `Err` where it is none, or where its charset is
/// anything but UTF-8.
pub(crate) fn media_type(value: &[u8]) -> Result<&[u8], Detail> {
    let mut parts = value.split(|byte| *byte == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii();
    let mut names = essence.split(|byte| *byte == b'/');
    let is_type =
        |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(is_token));
    if !(is_type(names.next()) && is_type(names.next()) && names.next().is_none()) {
        return Err(Detail::MediaType);
    }
    let mut charsets = 0;
    for parameter in parts.map(<[u8]>::trim_ascii) {
        let (name, value) = match parameter.iter().position(|byte| *byte == b'=') {
            Some(at) => (parameter.get(..at), parameter.get(at + 1..)),
            None => (Some(parameter), None),
        };
        if !name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"charset")) {
            continue;
        }
        charsets += 1;
        let value = value.unwrap_or_default().trim_ascii();
        let bare = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""))
            .unwrap_or(value);
        if charsets > 1 || !bare.eq_ignore_ascii_case(b"utf-8") {
            return Err(Detail::Charset);
        }
    }
    Ok(essence)
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// Whether JSON texts are of this media type: `application/json`, or one whose suffix says so (RFC 6839, section 3.1).
pub(crate) fn is_json(media_type: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let suffix = media_type.len().checked_sub(SUFFIX.len());
    media_type.eq_ignore_ascii_case(b"application/json")
        || suffix
            .and_then(|at| media_type.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX))
}

/// How the JSON of a response is framed.
pub(crate) fn framing(headers: HeaderLines<'_>) -> Result<Framing, Detail> {
    let Ok(Some(value)) = only_line(headers, "content-type") else {
        return Err(Detail::MediaType);
    };
    let essence = media_type(value)?;
    if is_json(essence) {
        Ok(Framing::Json)
    } else if is_one_of(
        essence,
        &["application/x-ndjson", "application/ndjson", "application/jsonl"],
    ) {
        Ok(Framing::Lines)
    } else if is_one_of(essence, &["text/event-stream"]) {
        Ok(Framing::Events)
    } else {
        Err(Detail::MediaType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Framing, Detail> {
        framing(&[(b"content-type", value.as_bytes())])
    }

    #[test]
    fn framings_are_read_strictly() {
        for value in [
            "application/json",
            "Application/JSON ; Charset=\"UTF-8\"",
            "application/vnd.x+json;v=2;charset=utf-8",
        ] {
            assert_eq!(read(value), Ok(Framing::Json), "{value}");
        }
        assert_eq!(read("application/x-ndjson"), Ok(Framing::Lines));
        assert_eq!(read("text/event-stream;charset=utf-8"), Ok(Framing::Events));
        for value in [
            "",
            "json",
            "text/json",
            "application/jsonx",
            "application/json,text/plain",
            "application/json/x",
            "text/html",
        ] {
            assert_eq!(read(value), Err(Detail::MediaType), "{value}");
        }
        for value in [
            "application/json; charset=utf-8; charset=utf-7",
            "application/json;charset=ibm037",
            "application/json;charset",
        ] {
            assert_eq!(read(value), Err(Detail::Charset), "{value}");
        }
        let two: HeaderLines<'_> = &[
            (b"Content-Type", b"application/json"),
            (b"content-type", b"application/json"),
        ];
        assert_eq!(framing(two), Err(Detail::MediaType));
        assert_eq!(framing(&[]), Err(Detail::MediaType));
    }

    #[test]
    fn codings_are_lists_over_all_lines() {
        let read = |values: &[&str]| {
            let lines: Vec<(&[u8], &[u8])> = values
                .iter()
                .map(|value| (&b"Content-Encoding"[..], value.as_bytes()))
                .collect();
            coding(&lines)
        };
        for plain in [&[][..], &["identity"], &["", "Identity, "]] {
            assert_eq!(read(plain), Ok(Coding::Identity), "{plain:?}");
        }
        assert_eq!(read(&["GZIP"]), Ok(Coding::Gzip));
        assert_eq!(read(&["identity", "x-gzip"]), Ok(Coding::Gzip));
        assert_eq!(read(&["deflate"]), Ok(Coding::Deflate));
        for other in [
            &["gzip, gzip"][..],
            &["gzip", "gzip"],
            &["br"],
            &["foo"],
            &["gzip x"],
        ] {
            assert_eq!(read(other), Err(Detail::ContentCoding), "{other:?}");
        }
    }
}
