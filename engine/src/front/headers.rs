//! Header lines -> checked [`Header`]s, and what framing headers say: cookies, upgrade, media type. Knows which names
//! the policy reads (to refuse look-alikes of them) but not what for.

use super::{Malformed, text};
use crate::image::config::Config;
use crate::limits;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// One header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Lower case.
    pub name: Cow<'a, str>,
    /// Without spaces and tabs around it.
    pub value: &'a [u8],
    /// Named in `Connection`: no fact sees it.
    pub hidden: bool,
}

/// Which upgrade a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// None.
    #[default]
    None,
    /// WebSocket, by GET or by an extended CONNECT.
    WebSocket,
    /// Anything else; no allow can name it.
    Other,
}

/// Essence of the media type of the body.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ContentType {
    /// Not sent.
    #[default]
    Absent,
    /// Given twice, or no media type.
    Ill,
    /// `type/subtype` in lower case.
    Known(String),
}

/// Names that say who asks and for what, whatever the policy reads.
const COLLIDING: [&str; 5] = ["authorization", "cookie", "host", "forwarded", "x-forwarded-for"];
const IDENTITY: [&str; 4] = ["authorization", "cookie", "forwarded", "x-forwarded-for"];
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Step 1: how many and how large.
pub(super) fn check_sizes(lines: &[(&[u8], &[u8])]) -> Result<(), Malformed> {
    if lines.len() > limits::HEADER_LINES {
        return Err(Malformed {
            status: 431,
            detail: "too_many_headers",
        });
    }
    if lines
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > limits::HEADER_BYTES
    {
        return Err(Malformed {
            status: 431,
            detail: "headers_too_large",
        });
    }
    Ok(())
}

/// Step 4: names are tokens, values have no control bytes.
pub(super) fn read<'a>(lines: &'a [(&'a [u8], &'a [u8])]) -> Result<Vec<Header<'a>>, Malformed> {
    lines.iter().map(|(name, value)| read_line(name, value)).collect()
}

fn read_line<'a>(name: &'a [u8], value: &'a [u8]) -> Result<Header<'a>, Malformed> {
    let name = match std::str::from_utf8(name) {
        Ok(text) if text::is_token(name) || text.eq_ignore_ascii_case(":protocol") => text,
        _ => return Err(Malformed::bad("bad_header_name")),
    };
    if value.iter().any(|b| *b < 0x20 && *b != b'\t' || *b == 0x7f) {
        return Err(Malformed::bad("bad_header_value"));
    }
    let name = match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    Ok(Header {
        name,
        value: text::trim(value),
        hidden: false,
    })
}

/// Step 5: servers behind us may read `_` as `-`, so such a name must not stand for one that somebody trusts.
pub(super) fn check_collisions(lines: &[Header<'_>], config: &Config) -> Result<(), Malformed> {
    if lines.iter().all(|line| !line.name.contains('_')) {
        return Ok(());
    }
    let sent: BTreeSet<&str> = lines.iter().map(|line| line.name.as_ref()).collect();
    for line in lines.iter().filter(|line| line.name.contains('_')) {
        let mapped = line.name.replace('_', "-");
        let mapped = mapped.as_str();
        if sent.contains(mapped)
            || COLLIDING.contains(&mapped)
            || config.named_headers.iter().any(|n| n == mapped)
        {
            return Err(Malformed::bad("header_collision"));
        }
    }
    Ok(())
}

/// Step 6: a hop may drop what `Connection` names, so it must name nothing that identity hangs on.
pub(super) fn hide_connection_options(lines: &mut [Header<'_>], config: &Config) -> Result<(), Malformed> {
    let named: BTreeSet<String> = options(lines, "connection").map(text::lower).collect();
    if named.is_empty() {
        return Ok(());
    }
    let is_identity =
        |name: &String| IDENTITY.contains(&name.as_str()) || config.identity_headers.contains(name);
    if named.iter().any(is_identity) {
        return Err(Malformed::bad("connection_drops_identity"));
    }
    for line in lines {
        line.hidden = named.contains(line.name.as_ref());
    }
    Ok(())
}

/// Step 7.
pub(super) fn check_cookies(lines: &[Header<'_>]) -> Result<(), Malformed> {
    let count: usize = all(lines, "cookie")
        .map(|value| value.split(|b| *b == b';').count())
        .sum();
    match count > limits::COOKIES {
        true => Err(Malformed {
            status: 431,
            detail: "too_many_cookies",
        }),
        false => Ok(()),
    }
}

/// Step 10.
pub(super) fn overrides_method(lines: &[Header<'_>]) -> bool {
    lines
        .iter()
        .any(|line| METHOD_OVERRIDES.contains(&line.name.as_ref()))
}

/// Values of a header, hidden or not.
pub(super) fn all<'s, 'a>(
    lines: &'s [Header<'a>],
    name: &'s str,
) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    lines
        .iter()
        .filter(move |line| line.name == name)
        .map(|line| line.value)
}

/// Values of a header that facts may see.
pub(super) fn visible<'s, 'a>(
    lines: &'s [Header<'a>],
    name: &'s str,
) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    lines
        .iter()
        .filter(move |line| line.name == name && !line.hidden)
        .map(|line| line.value)
}

/// Elements of a comma-separated header, trimmed, empty ones left out.
fn options<'s, 'a>(lines: &'s [Header<'a>], name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    all(lines, name)
        .flat_map(|value| value.split(|b| *b == b','))
        .map(text::trim)
        .filter(|option| !option.is_empty())
}

/// Values of one cookie in one Cookie header.
pub(super) fn cookies<'s, 'a>(line: &'a [u8], name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    line.split(|b| *b == b';')
        .filter_map(|part| text::split_once(text::trim(part), b'='))
        .filter(move |(key, _)| *key == name.as_bytes())
        .map(|(_, value)| value)
}

/// `Connection` names `upgrade` in honest requests too, so hidden headers count here.
pub(super) fn upgrade(method: &[u8], lines: &[Header<'_>], has_path: bool) -> Upgrade {
    let extended = method == b"CONNECT" && has_path && all(lines, ":protocol").next().is_some();
    let classic = options(lines, "connection").any(|option| option.eq_ignore_ascii_case(b"upgrade"))
        && all(lines, "upgrade").next().is_some();
    let header = match (extended, classic) {
        (true, _) => ":protocol",
        (false, true) => "upgrade",
        (false, false) => return Upgrade::None,
    };
    let mut protocols = all(lines, header);
    match (protocols.next(), protocols.next()) {
        (Some(only), None)
            if only.eq_ignore_ascii_case(b"websocket") && has_path && (extended || method == b"GET") =>
        {
            Upgrade::WebSocket
        }
        _ => Upgrade::Other,
    }
}

/// `request.content_type`
pub(super) fn content_type(lines: &[Header<'_>]) -> ContentType {
    let mut values = visible(lines, "content-type");
    let (value, second) = (values.next(), values.next());
    let Some(value) = value else {
        return ContentType::Absent;
    };
    let essence = text::trim(value.split(|b| *b == b';').next().unwrap_or_default());
    match text::split_once(essence, b'/') {
        Some((kind, sub)) if second.is_none() && text::is_token(kind) && text::is_token(sub) => {
            ContentType::Known(text::lower(essence))
        }
        _ => ContentType::Ill,
    }
}
