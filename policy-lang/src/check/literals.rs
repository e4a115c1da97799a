//! Literals as written -> canonical values. Each function says what is wrong and how it is written right.
//!
//! Knows text and numbers; nothing of names, facts or rules.

use super::cx::sort_dedup;
use super::limits::{MAX_REGEX_BYTES, MAX_REGEX_NESTING, MAX_REGEX_STEPS};
use crate::ast::Literal;
use crate::model::{Type, Value};
use portcullis_base::instant::{self as base, InstantFault};
use std::fmt::Display;
use std::net::IpAddr;

/// A literal that is not one, or not in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Bad {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: String,
}

/// Shorthand.
pub(super) fn bad<T>(
    code: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Result<T, Bad> {
    Err(Bad {
        code,
        message: message.into(),
        help: help.into(),
    })
}

/// The value of a text, if the text is its one spelling.
pub(super) fn canonical<T>(
    code: &'static str,
    text: &str,
    spelling: impl Display,
    value: T,
) -> Result<T, Bad> {
    let spelling = spelling.to_string();
    if spelling == text {
        return Ok(value);
    }
    bad(
        code,
        format!("`{text}` is not in canonical form"),
        format!("write `{spelling}`"),
    )
}

/// `-?(0|[1-9][0-9]*)` within i64; `-0` is not canonical.
pub(super) fn int(text: &str) -> Result<i64, Bad> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return bad(
            "G0301",
            format!("`{text}` is not an integer"),
            "write digits, as in `42` or `-7`",
        );
    }
    let Ok(value) = text.parse::<i64>() else {
        return bad(
            "G0302",
            format!("`{text}` does not fit 64 bits"),
            "integers lie in -2^63 ..= 2^63 - 1",
        );
    };
    canonical("G0301", text, value, value)
}

/// A positive amount of a quota.
pub(super) fn amount(text: &str) -> Result<u64, Bad> {
    let value = int(text)?;
    match u64::try_from(value) {
        Ok(v) if (1..=super::limits::MAX_AMOUNT).contains(&v) => Ok(v),
        _ => bad(
            "G0303",
            format!("`{text}` is out of range"),
            "it must lie in 1 ..= 2^53",
        ),
    }
}

/// Canonical decimal, for bounds of numbers.
pub(super) fn decimal(text: &str) -> Result<(), Bad> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return int(text).map(|_| ());
    };
    if (whole == "-0" || int(whole).is_ok())
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && !fraction.ends_with('0')
    {
        Ok(())
    } else {
        bad(
            "G0301",
            format!("`{text}` is not a decimal in canonical form"),
            "no leading or trailing zeros, as in `0.5`",
        )
    }
}

/// RFC 3339 with an offset -> µs.
pub(super) fn instant(text: &str) -> Result<i64, Bad> {
    let help = "write RFC 3339 with an offset, as in `2026-12-31T00:00:00Z`";
    base::parse(text.as_bytes()).or_else(|fault| match fault {
        InstantFault::Syntax => bad("G0304", format!("`{text}` is not an instant"), help),
        InstantFault::Range => bad("G0304", format!("there is no such instant as `{text}`"), help),
    })
}

/// A percentage without its sign -> floor(p/100 · 2^64), exact.
pub(super) fn percentage(text: &str) -> Result<u128, Bad> {
    let help = "write a percentage in 0 ..= 100 with at most 12 decimals, as in `10%` or `0.5%`";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if decimal(text).is_err() || text.starts_with('-') || fraction.len() > 12 {
        return bad(
            "G0305",
            format!("`{text}%` is not a percentage in canonical form"),
            help,
        );
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let (Ok(whole), Ok(fraction)) = (
        whole.parse::<u128>(),
        if fraction.is_empty() {
            Ok(0)
        } else {
            fraction.parse::<u128>()
        },
    ) else {
        return bad("G0305", format!("`{text}%` is not a percentage"), help);
    };
    if whole > 100 || (whole == 100 && fraction > 0) {
        return bad("G0305", format!("`{text}%` is more than everything"), help);
    }
    // At most 100 · 10^12 · 2^64 < 2^111.
    Ok(((whole * scale + fraction) << 64) / (100 * scale))
}

/// An address in canonical text, not IPv4-mapped.
pub(super) fn ip(text: &str) -> Result<IpAddr, Bad> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return bad(
            "G0306",
            format!("`{text}` is not an address"),
            "write it as `192.0.2.1` or `2001:db8::1`",
        );
    };
    let address = address.to_canonical();
    canonical("G0306", text, address, address)
}

/// A network without host bits; a bare address is a network of one.
pub(super) fn network(text: &str) -> Result<ipnet::IpNet, Bad> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return bad(
            "G0307",
            format!("`{text}` is not a network"),
            "write it as `10.0.0.0/8` or `2001:db8::/32`",
        );
    };
    let width = if parsed.is_ipv4() { 32 } else { 128 };
    let length = match prefix {
        None => Some(width),
        Some(p) => p.parse::<u8>().ok().filter(|n| n.to_string() == p && *n <= width),
    };
    let Some(length) = length else {
        return bad(
            "G0307",
            format!("`{text}` has no valid prefix length"),
            format!("it lies in 0 ..= {width}"),
        );
    };
    if let IpAddr::V6(v6) = parsed
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let help = match length
            .checked_sub(96)
            .and_then(|l| ipnet::Ipv4Net::new(v4, l).ok())
        {
            Some(net) => format!("write `{}`", net.trunc()),
            None => "write the IPv4 network itself".to_owned(),
        };
        return bad(
            "G0309",
            format!("`{text}` is an IPv4 network in IPv6 clothes"),
            help,
        );
    }
    let Ok(net) = ipnet::IpNet::new(parsed, length) else {
        return bad(
            "G0307",
            format!("`{text}` is not a network"),
            "write it as `10.0.0.0/8`",
        );
    };
    if net.trunc() != net {
        return bad(
            "G0308",
            format!("`{text}` has host bits"),
            format!("write `{}`", net.trunc()),
        );
    }
    match prefix {
        Some(_) => canonical("G0309", text, net, net),
        None => canonical("G0309", text, parsed, net),
    }
}

/// RFC 9110 token.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A header name, in lower case.
pub(super) fn header_name(text: &str) -> Result<String, Bad> {
    if is_token(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        bad(
            "G0310",
            format!("`{text}` is not a header name"),
            "header names are letters, digits and `-`",
        )
    }
}

/// Visible ASCII with spaces and tabs inside.
pub(super) fn header_value(text: &str) -> Result<(), Bad> {
    let fine =
        text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) && text.trim_matches([' ', '\t']) == text;
    if fine {
        Ok(())
    } else {
        bad(
            "G0311",
            format!("{text:?} can not be a header's value"),
            "use visible ASCII, no space at either end",
        )
    }
}

/// A method of a test: an exact token.
pub(super) fn method(text: &str) -> Result<(), Bad> {
    if is_token(text) && text.len() <= 32 {
        return Ok(());
    }
    bad(
        "G0402",
        format!("`{text}` is not a method"),
        "methods are tokens such as `GET`",
    )
}

/// A glob: backslashes only before `*` and `\`, stars at most two in a row.
pub(super) fn glob(text: &str) -> Result<(), Bad> {
    let mut chars = text.chars().peekable();
    let mut stars = 0;
    while let Some(c) = chars.next() {
        stars = if c == '*' { stars + 1 } else { 0 };
        if stars > 2 {
            return bad(
                "G0312",
                format!("`{text}` has three stars in a row"),
                "`*` stops at `/`, `**` does not",
            );
        }
        if c == '\\' && chars.next_if(|n| matches!(n, '*' | '\\')).is_none() {
            return bad(
                "G0312",
                format!("`{text}` has a stray backslash"),
                r"in globs only `\*` and `\\` are escapes",
            );
        }
    }
    Ok(())
}

/// A regex: bytes, anchored, linear; look-around and word boundaries are not part of it.
pub(super) fn regex(text: &str) -> Result<(), Bad> {
    if text.len() > MAX_REGEX_BYTES {
        return bad(
            "G0803",
            format!("the regex has more than {MAX_REGEX_BYTES} bytes"),
            "match with a list instead",
        );
    }
    let hir = match regex_parser().parse(text) {
        Ok(hir) => hir,
        Err(error) => {
            let why = error.to_string();
            let last = why
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            return bad(
                "G0313",
                format!("`{text}` is not a regex: {last}"),
                "regexes are over bytes, without look-around and back-references",
            );
        }
    };
    if !hir.properties().look_set().is_empty() {
        return bad(
            "G0313",
            format!("`{text}` uses an anchor or word boundary"),
            "regexes are anchored at both ends already; leave `^`, `$` and `\\b` out",
        );
    }
    if steps(&hir) > MAX_REGEX_STEPS {
        return bad(
            "G0803",
            format!("`{text}` is too large with its repetitions written out"),
            "use smaller bounds",
        );
    }
    Ok(())
}

/// The syntax and flags of the language's regexes.
pub(super) fn regex_parser() -> regex_syntax::Parser {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .nest_limit(MAX_REGEX_NESTING)
        .build()
}

/// Recursion is bounded by the parser's nesting limit.
fn steps(hir: &regex_syntax::hir::Hir) -> u64 {
    use regex_syntax::hir::HirKind;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => steps(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1u64, |sum, part| sum.saturating_add(steps(part))),
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min.saturating_add(1))).max(1);
            steps(&repetition.sub).max(1).saturating_mul(times)
        }
    }
}

/// A zone of the bundled database, in its own spelling.
pub(super) fn zone(text: &str) -> Result<(), Bad> {
    let help = "write an IANA name such as `Europe/Berlin`";
    let Ok(zone) = jiff::tz::TimeZoneDatabase::bundled().get(text) else {
        return bad("G0314", format!("no time zone is called `{text}`"), help);
    };
    match zone.iana_name() {
        Some(name) => canonical("G0314", text, name, ()),
        None => bad("G0314", format!("no time zone is called `{text}`"), help),
    }
}

/// `HH:MM` -> minutes, up to `24:00` where `last` allows it.
pub(super) fn clock(text: &str, last: u16) -> Result<u16, Bad> {
    let minutes = text.split_once(':').and_then(|(h, m)| {
        let two = |t: &str| {
            (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok())?
        };
        let (h, m) = (two(h)?, two(m)?);
        (m < 60).then_some(h * 60 + m)
    });
    match minutes {
        Some(minutes) if minutes <= last => Ok(minutes),
        _ => bad(
            "G0315",
            format!("`{text}` is not a time of day"),
            "write `00:00` to `23:59`, or `24:00` as an end",
        ),
    }
}

/// The word for a type.
pub(super) fn type_word(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Int => "int",
        Type::String => "string",
        Type::Ip => "ip",
        Type::Set => "set",
        Type::Instant => "instant",
        Type::Duration => "duration",
    }
}

/// A literal as a value of the wanted type.
pub(super) fn value(literal: &Literal, wanted: Type) -> Result<Value, Bad> {
    match (literal, wanted) {
        (Literal::Bool(b), Type::Bool) => Ok(Value::Bool(*b)),
        (Literal::Int(text), Type::Int) => int(text).map(Value::Int),
        (Literal::String(text), Type::String) => Ok(Value::String(text.clone())),
        (Literal::String(text), Type::Ip) => ip(text).map(Value::Ip),
        (Literal::Instant(text), Type::Instant) => instant(text).map(Value::Instant),
        (Literal::Duration(d), Type::Duration) => duration(d).map(Value::Duration),
        (Literal::List(items), Type::Set) => {
            let mut out = Vec::new();
            for item in items {
                match &item.node {
                    Literal::String(text) => out.push(text.clone()),
                    other => return mismatch(other, Type::String),
                }
            }
            sort_dedup(&mut out);
            Ok(Value::Set(out))
        }
        (other, wanted) => mismatch(other, wanted),
    }
}

/// The type of a literal that is compared with what has no type of its own.
pub(super) fn natural_type(literal: &Literal) -> Option<Type> {
    match literal {
        Literal::Bool(_) => Some(Type::Bool),
        Literal::Int(_) => Some(Type::Int),
        Literal::String(_) => Some(Type::String),
        Literal::Instant(_) => Some(Type::Instant),
        Literal::List(_) => Some(Type::Set),
        Literal::Duration(_) | Literal::Number(_) => None,
    }
}

/// A duration in range.
pub(super) fn duration(duration: &crate::ast::Duration) -> Result<i64, Bad> {
    if duration.us >= 0 && duration.us < i64::MAX {
        Ok(duration.us)
    } else {
        bad(
            "G0316",
            format!("`{}` is out of range", duration.text),
            "durations fit 64 bits of microseconds",
        )
    }
}

fn mismatch<T>(literal: &Literal, wanted: Type) -> Result<T, Bad> {
    let found = match literal {
        Literal::Bool(_) => "bool",
        Literal::Int(_) => "int",
        Literal::Number(_) => "number",
        Literal::String(_) => "string",
        Literal::Instant(_) => "instant",
        Literal::Duration(_) => "duration",
        Literal::List(_) => "list",
    };
    let help = match wanted {
        Type::Bool => "write `true` or `false`",
        Type::Int => "write an integer without quotes, as in `42`",
        Type::String => "write a string in double quotes",
        Type::Ip => "write an address in double quotes, as in `\"192.0.2.1\"`",
        Type::Set => "write a list of strings, as in `[\"a\", \"b\"]`",
        Type::Instant => "write an instant, as in `2026-12-31T00:00:00Z`",
        Type::Duration => "write a duration, as in `30s`",
    };
    let wanted = type_word(wanted);
    bad(
        "G0201",
        format!("this is of the type `{found}`, but `{wanted}` is wanted"),
        help,
    )
}
