//! A client's certificate as the host hands it over, or as a trusted hop tells it in `x-forwarded-client-cert` (as Envoy
//! writes it) -> its names. Believes whoever calls; knows no policy.

use crate::request::hop::{split_quoted, unquoted};
use crate::value::{Arena, List, text};
use crate::view::PeerCert;

/// A certificate without a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certificate<'a> {
    /// By the host.
    HandedOver(&'a PeerCert<'a>),
    /// By a trusted hop.
    Forwarded(&'a ForwardedCertificate<'a>),
}

/// What an element of the header tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedCertificate<'a> {
    spiffe: Option<&'a [u8]>,
    dns: &'a [&'a [u8]],
    subject: Option<&'a [u8]>,
    fingerprint: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn spiffe(self) -> Option<&'a [u8]> {
        match self {
            Certificate::HandedOver(own) => own.spiffe,
            Certificate::Forwarded(own) => own.spiffe,
        }
    }

    pub(crate) fn dns(self) -> &'a [&'a [u8]] {
        match self {
            Certificate::HandedOver(own) => &own.dns,
            Certificate::Forwarded(own) => own.dns,
        }
    }

    pub(crate) fn subject(self) -> Option<&'a [u8]> {
        match self {
            Certificate::HandedOver(own) => own.subject,
            Certificate::Forwarded(own) => own.subject,
        }
    }

    /// SHA-256, in hexadecimal.
    pub(crate) fn fingerprint(self) -> Option<&'a [u8]> {
        match self {
            Certificate::HandedOver(own) => own.fingerprint,
            Certificate::Forwarded(own) => own.fingerprint,
        }
    }
}

/// The last element of a line, which the nearest hop wrote; `None` where any element is not of the form, or not UTF-8. A client may have
/// written the earlier ones: were a quote left open there let pass, it would take in what a hop wrote behind it.
pub(super) fn last_element<'a>(line: &'a [u8], arena: &'a Arena) -> Option<ForwardedCertificate<'a>> {
    std::str::from_utf8(line).ok()?;
    let mut last = None;
    for written in split_quoted(line, b',') {
        last = Some(element(written, arena)?);
    }
    last
}

/// `Hash=..;Subject="..";URI=..`: names in any case (as Envoy says), each of `Hash` and `Subject` once, `URI` and `DNS` any
/// number of times. Two SPIFFE ids are none (X.509-SVID, section 2). Empty values say nothing.
fn element<'a>(element: &'a [u8], arena: &'a Arena) -> Option<ForwardedCertificate<'a>> {
    let mut found = ForwardedCertificate::default();
    let mut dns = List::new_in(arena);
    for pair in split_quoted(element, b';') {
        let (name, value) = text::split_once(text::trim(pair), b'=')?;
        let value = if value.is_empty() {
            value
        } else {
            unquoted(value, arena)?
        };
        let given = (!value.is_empty()).then_some(value);
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let before = if is("hash") {
            found.fingerprint.replace(fingerprint(value, arena)?)
        } else if is("subject") {
            given.and_then(|subject| found.subject.replace(subject))
        } else if is("uri") {
            let spiffe = given.filter(|uri| uri.starts_with(b"spiffe://"));
            spiffe.and_then(|spiffe| found.spiffe.replace(spiffe))
        } else if is("dns") {
            dns.extend(given);
            None
        } else if text::is_token(name) {
            None
        } else {
            return None;
        };
        if before.is_some() {
            return None;
        }
    }
    found.dns = dns.into_bump_slice();
    Some(found)
}

/// As policies write it: 64 digits in lower case.
fn fingerprint<'a>(hex: &'a [u8], arena: &'a Arena) -> Option<&'a [u8]> {
    if hex.len() != 64 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let copy = arena.alloc_slice_copy(hex);
    copy.make_ascii_lowercase();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

    /// SPIFFE id, DNS names, subject, and whether there is a fingerprint.
    type Told = (Option<String>, Vec<String>, Option<String>, bool);

    fn read(line: &str) -> Option<Told> {
        let arena = Arena::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = last_element(line.as_bytes(), &arena)?;
        assert!(found.fingerprint.is_none_or(|hex| hex == HASH.as_bytes()));
        Some((
            found.spiffe.map(text),
            found.dns.iter().map(|name| text(name)).collect(),
            found.subject.map(text),
            found.fingerprint.is_some(),
        ))
    }

    #[test]
    fn the_last_element_as_envoy_writes_it() {
        let told = read(&format!(
            r#"By=spiffe://a/b;Hash=11;URI=x, By=http://frontend.lyft.com;Hash={HASH};Cert="-----BEGIN%3d";Subject="/C=US/CN=\\a\", b;c";URI=http://x/?a=b;uri=spiffe://mesh/ns/a;DNS=a.example;DNS=b.example;Chain="#
        ).replace("Hash=11", &format!("Hash={}", HASH.to_uppercase())));
        let (spiffe, dns, subject, fingerprint) = told.unwrap();
        assert_eq!(spiffe.as_deref(), Some("spiffe://mesh/ns/a"));
        assert_eq!(dns, ["a.example", "b.example"]);
        assert_eq!(subject.as_deref(), Some(r#"/C=US/CN=\a", b;c"#));
        assert!(fingerprint);
        let upper = HASH.to_uppercase();
        for little in [
            format!("Hash={upper}"),
            format!("hash=\"{upper}\";URI=;DNS=;Subject=\"\""),
        ] {
            assert_eq!(read(&little), Some((None, Vec::new(), None, true)));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let spiffe = "URI=spiffe://mesh/a";
        for line in [
            "",
            ",",
            spiffe.replace('=', "").as_str(),
            &format!("{spiffe},"),
            &format!(",{spiffe}"),
            &format!("{spiffe};"),
            &format!("{spiffe};{spiffe}"),
            &format!("{spiffe};URI=spiffe://other/b"),
            "Subject=a;Subject=b",
            &format!("Hash={HASH};Hash={HASH}"),
            "Hash=",
            "Hash=468ed33b",
            &format!("Hash={}g", &HASH[1..]),
            &format!("Hash={HASH}0"),
            "Subject=\"a",
            "Subject=\"a\\\"",
            "Subject=a\"b\"",
            "Subject=\"a\"b",
            "Subject=a b",
            "a b=c",
            "=c",
            // What a client may have written before a hop's element.
            &format!("By=\",{spiffe};Subject=\"/CN=a\""),
            &format!("By=\",{spiffe};Subject=\"/CN=a,URI=spiffe://mesh/root;X=\\\"b\\\"\""),
            &format!("nonsense,{spiffe}"),
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
