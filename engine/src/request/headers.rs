//! Header lines -> checked [`Lines`], and what framing headers say: cookies, upgrade, media type. Knows which names
//! the policy reads (to refuse look-alikes of them) but not what for.

use super::Malformed;
use crate::image::config::{Config, FORWARDED_CERTIFICATE};
use crate::limits;
use crate::value::text::{self, class};
use crate::value::{Arena, List};
use portcullis_base::Detail;

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    /// Lower case.
    pub name: &'a str,
    /// Without spaces and tabs around it.
    pub value: &'a [u8],
    /// Named in `Connection`: no fact sees it.
    pub hidden: bool,
}

/// All header lines of a request, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines<'a> {
    lines: &'a [Header<'a>],
    /// Bits of [`name`] of the names that are there, so that most look-ups for framing end before they begin.
    seen: u16,
}

/// Names that framing asks for, a bit each.
pub(crate) mod name {
    pub(crate) const HOST: u16 = 1;
    pub(crate) const COOKIE: u16 = 2;
    pub(crate) const CONNECTION: u16 = 4;
    pub(crate) const UPGRADE: u16 = 8;
    pub(crate) const PROTOCOL: u16 = 16;
    pub(crate) const CONTENT_TYPE: u16 = 32;
    pub(crate) const AUTHORIZATION: u16 = 64;
    pub(crate) const OVERRIDE: u16 = 128;
    /// Some name holds an underscore.
    pub(crate) const UNDERSCORE: u16 = 256;
    pub(crate) const FORWARDED: u16 = 512;
    pub(crate) const CERTIFICATE: u16 = 1_024;
}

/// Which upgrade a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Upgrade {
    /// None.
    #[default]
    None,
    /// WebSocket and nothing else, by GET or by an extended CONNECT.
    WebSocket,
    /// Anything else; no allow can name it.
    Other,
}

/// Essence of the media type of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum ContentType<'a> {
    /// Not sent.
    #[default]
    Absent,
    /// Given twice, or no media type.
    Ill,
    /// `type/subtype` in lower case.
    Known(&'a str),
}

/// Names that say who asks and for what, whatever the policy reads.
const COLLIDING: [&str; 5] = ["authorization", "cookie", "host", "forwarded", "x-forwarded-for"];
const IDENTITY: [&str; 4] = ["authorization", "cookie", "forwarded", "x-forwarded-for"];

/// Step 1: how many and how large.
pub(crate) fn check_sizes(lines: &[(&[u8], &[u8])]) -> Result<(), Malformed> {
    if lines.len() > limits::HEADER_LINES {
        return Err(Malformed {
            status: 431,
            detail: Detail::TooManyHeaders,
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
            detail: Detail::HeadersTooLarge,
        });
    }
    Ok(())
}

/// Steps 4 to 6: names are tokens, values have no control bytes, no name looks like another, and what `Connection`
/// names is hidden.
pub(crate) fn read<'a>(
    lines: &'a [(&'a [u8], &'a [u8])],
    config: &Config,
    arena: &'a Arena,
) -> Result<Lines<'a>, Malformed> {
    let mut read = List::with_capacity_in(lines.len(), arena);
    let mut seen = 0;
    for (name, value) in lines {
        let (line, classes) = read_line(name, value, arena)?;
        if classes & class::UNDERSCORE != 0 {
            seen |= name::UNDERSCORE;
        } else {
            seen |= bit(line.name);
        }
        read.push(line);
    }
    if seen & name::UNDERSCORE != 0 {
        check_collisions(&read, config, arena)?;
    }
    if seen & name::CONNECTION != 0 {
        hide_connection_options(&mut read, config, arena)?;
    }
    Ok(Lines {
        lines: read.into_bump_slice(),
        seen,
    })
}

fn bit(given: &str) -> u16 {
    match given {
        "host" => name::HOST,
        "cookie" => name::COOKIE,
        "connection" => name::CONNECTION,
        "upgrade" => name::UPGRADE,
        ":protocol" => name::PROTOCOL,
        "content-type" => name::CONTENT_TYPE,
        "authorization" => name::AUTHORIZATION,
        "x-http-method-override" | "x-http-method" | "x-method-override" => name::OVERRIDE,
        "forwarded" | "x-forwarded-for" => name::FORWARDED,
        FORWARDED_CERTIFICATE => name::CERTIFICATE,
        _ => 0,
    }
}

/// A line, and the classes of the bytes of its name.
fn read_line<'a>(name: &'a [u8], value: &'a [u8], arena: &'a Arena) -> Result<(Header<'a>, u16), Malformed> {
    const BAD_NAME: Malformed = Malformed::bad(Detail::BadHeaderName);
    let (mut all, mut any) = (class::TOKEN, 0);
    for byte in name {
        let classes = text::classes(*byte);
        all &= classes;
        any |= classes;
    }
    let text = std::str::from_utf8(name).map_err(|_| BAD_NAME)?;
    if (all == 0 || name.is_empty()) && !text.eq_ignore_ascii_case(":protocol") {
        return Err(BAD_NAME);
    }
    if text::has_control(value) {
        return Err(Malformed::bad(Detail::BadHeaderValue));
    }
    let header = Header {
        name: if any & class::UPPER != 0 {
            text::lower(text, arena)
        } else {
            text
        },
        value: text::trim(value),
        hidden: false,
    };
    Ok((header, any))
}

/// Step 5: servers behind us may read `_` as `-`, so such a name must not stand for one that somebody trusts.
fn check_collisions(lines: &[Header<'_>], config: &Config, arena: &Arena) -> Result<(), Malformed> {
    // Sorted, for hostile names are many and long.
    let mut sent = List::with_capacity_in(lines.len(), arena);
    sent.extend(lines.iter().map(|line| line.name.as_bytes()));
    crate::value::order::sort(&mut sent);
    for line in lines.iter().filter(|line| line.name.contains('_')) {
        let mapped = arena.alloc_slice_copy(line.name.as_bytes());
        mapped
            .iter_mut()
            .filter(|byte| **byte == b'_')
            .for_each(|byte| *byte = b'-');
        let mapped = &*mapped;
        if sent.binary_search(&mapped).is_ok()
            || COLLIDING.iter().any(|name| name.as_bytes() == mapped)
            || config.named_headers.iter().any(|name| name.as_bytes() == mapped)
        {
            return Err(Malformed::bad(Detail::HeaderCollision));
        }
    }
    Ok(())
}

/// Step 6: a hop may drop what `Connection` names, so it must name nothing that identity hangs on.
fn hide_connection_options(
    lines: &mut [Header<'_>],
    config: &Config,
    arena: &Arena,
) -> Result<(), Malformed> {
    let given = lines
        .iter()
        .filter(|line| line.name == "connection")
        .flat_map(|line| elements(line.value));
    let mut named = List::new_in(arena);
    named.extend(given.map(|option| {
        let copy = arena.alloc_slice_copy(option);
        copy.make_ascii_lowercase();
        &*copy
    }));
    // Sorted, for a hostile list is long.
    crate::value::order::sort(&mut named);
    let is_named = |name: &str| named.binary_search(&name.as_bytes()).is_ok();
    if IDENTITY.iter().any(|name| is_named(name)) || config.identity_headers.iter().any(|name| is_named(name))
    {
        return Err(Malformed::bad(Detail::ConnectionDropsIdentity));
    }
    for line in lines {
        line.hidden = is_named(line.name);
    }
    Ok(())
}

/// Step 7.
pub(crate) fn check_cookies(lines: &Lines<'_>) -> Result<(), Malformed> {
    let count: usize = lines
        .framing(name::COOKIE, "cookie")
        .map(|value| 1 + value.iter().filter(|b| **b == b';').count())
        .sum();
    match count > limits::COOKIES {
        true => Err(Malformed {
            status: 431,
            detail: Detail::TooManyCookies,
        }),
        false => Ok(()),
    }
}

impl<'a> Lines<'a> {
    /// Step 10.
    pub(crate) fn overrides_method(&self) -> bool {
        self.seen & name::OVERRIDE != 0
    }

    /// Values of a header that has a bit in [`name`], hidden or not.
    #[inline]
    pub(crate) fn framing<'s>(
        &self,
        bit: u16,
        name: &'s str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        let lines: &'a [Header<'a>] = if self.seen & bit != 0 { self.lines } else { &[] };
        lines
            .iter()
            .filter(move |line| line.name == name)
            .map(|line| line.value)
    }

    /// Whether a name that has a bit in [`name`] is there.
    #[inline]
    pub(crate) fn has(&self, bit: u16) -> bool {
        self.seen & bit != 0
    }

    /// Values of a header, hidden or not.
    pub(crate) fn all<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.lines
            .iter()
            .filter(move |line| line.name == name)
            .map(|line| line.value)
    }

    /// Values of a header that facts may see.
    pub(crate) fn visible<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.lines
            .iter()
            .filter(move |line| line.name == name && !line.hidden)
            .map(|line| line.value)
    }
}

/// Elements of a comma-separated header, trimmed, empty ones left out.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| *b == b',')
        .map(text::trim)
        .filter(|option| !option.is_empty())
}

/// Values of one cookie in one Cookie header.
pub(crate) fn cookies<'s, 'a>(line: &'a [u8], name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    line.split(|b| *b == b';')
        .filter_map(|part| text::split_once(text::trim(part), b'='))
        .filter(move |(key, _)| *key == name.as_bytes())
        .map(|(_, value)| value)
}

/// `Connection` names `upgrade` in honest requests too, so hidden headers count here. A request that asks for two
/// protocols, in whatever way, is no websocket: one server might take the one, and another the other.
pub(crate) fn upgrade(method: &[u8], lines: &Lines<'_>, has_path: bool) -> Upgrade {
    let extended = method == b"CONNECT" && has_path && lines.has(name::PROTOCOL);
    let asks = |value| elements(value).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let classic = lines.has(name::UPGRADE) && lines.framing(name::CONNECTION, "connection").any(asks);
    let (bit, header) = match (extended, classic) {
        (true, false) => (name::PROTOCOL, ":protocol"),
        (false, true) => (name::UPGRADE, "upgrade"),
        (true, true) => return Upgrade::Other,
        (false, false) => return Upgrade::None,
    };
    let mut protocols = lines.framing(bit, header);
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
pub(crate) fn content_type<'a>(lines: &Lines<'a>, arena: &'a Arena) -> ContentType<'a> {
    if !lines.has(name::CONTENT_TYPE) {
        return ContentType::Absent;
    }
    let mut values = lines.visible("content-type");
    let (value, second) = (values.next(), values.next());
    let Some(value) = value else {
        return ContentType::Absent;
    };
    let essence = text::trim(value.split(|b| *b == b';').next().unwrap_or_default());
    match text::split_once(essence, b'/') {
        Some((kind, sub)) if second.is_none() && text::is_token(kind) && text::is_token(sub) => {
            ContentType::Known(text::lower(text::lossy(essence, arena), arena))
        }
        _ => ContentType::Ill,
    }
}
