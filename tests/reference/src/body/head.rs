//! Header lines -> what a request says of its body: media type, charset, coding, length (RFC 9110, section 8).

use portcullis_base::Detail;
use portcullis_lang::model::AcceptKind;

/// What the head says of the body.
pub(crate) struct Head {
    /// `type/subtype` in lower case, or what is wrong with it; `None` where no type is named.
    media_type: Option<Result<String, Detail>>,
    is_coded: bool,
    /// `content-length`, where it is one number.
    pub(super) told_bytes: Option<u64>,
}

impl Head {
    pub(crate) fn of(headers: &[(String, Vec<u8>)]) -> Head {
        let lines = |name: &str| -> Vec<String> {
            let own = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            own.map(|(_, value)| String::from_utf8_lossy(value).trim().to_string())
                .collect()
        };
        let media_type = match lines("content-type").as_slice() {
            [] => None,
            [line] => Some(media_type(line)),
            _ => Some(Err(Detail::MediaType)),
        };
        let told_bytes = match lines("content-length").as_slice() {
            [line] if !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(line.parse().unwrap_or(u64::MAX))
            }
            _ => None,
        };
        let is_coded = lines("content-encoding")
            .iter()
            .flat_map(|line| line.split(',').map(str::trim))
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        Head {
            media_type,
            is_coded,
            told_bytes,
        }
    }

    /// Of the accepts of one rule those that are for this type.
    pub(crate) fn takes(&self, kind: &AcceptKind) -> bool {
        match &self.media_type {
            None => true,
            Some(named) => named.as_ref().is_ok_and(|named| kind.takes(named)),
        }
    }

    /// Why a body of this head is none of a kind. An empty body of JSON or a form needs no type.
    pub(super) fn fault(&self, kind: &AcceptKind, is_empty: bool) -> Option<Detail> {
        if self.is_coded {
            return Some(Detail::ContentCoding);
        }
        match &self.media_type {
            None if is_empty && !matches!(kind, AcceptKind::Media(_)) => None,
            None => Some(Detail::MediaType),
            Some(Err(detail)) => Some(*detail),
            Some(Ok(named)) => (!kind.takes(named)).then_some(Detail::MediaType),
        }
    }
}

fn media_type(line: &str) -> Result<String, Detail> {
    let mut parts = line.split(';').map(str::trim);
    let named = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_token = |text: &str| {
        let is_tchar = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
        !text.is_empty() && text.chars().all(is_tchar)
    };
    match named.split('/').collect::<Vec<_>>().as_slice() {
        [major, minor] if is_token(major) && is_token(minor) => {}
        _ => return Err(Detail::MediaType),
    }
    let charsets: Vec<&str> = parts
        .filter_map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim())
        })
        .collect();
    match charsets.as_slice() {
        [] => Ok(named),
        [one] if matches!(one.to_ascii_lowercase().as_str(), "utf-8" | "\"utf-8\"") => Ok(named),
        _ => Err(Detail::Charset),
    }
}
