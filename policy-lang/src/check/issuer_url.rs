//! Texts of `url` and `url like` -> what is wrong with them, and whether two issuers can mean one text.

use super::cx::Cx;
use crate::ast::Text;
use crate::model::Issuer;

/// What a `*` stands for: one or more of these (RFC 3986, section 2.3).
fn is_unreserved(part: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    !part.is_empty() && part.bytes().all(unreserved)
}

/// Whether some `iss` is that of both.
pub(super) fn overlap(a: &Issuer, b: &Issuer) -> bool {
    let (mut parts_a, mut parts_b) = (a.url.split('/'), b.url.split('/'));
    let met = |like: bool, pattern: &str, part: &str| like && pattern == "*" && is_unreserved(part);
    loop {
        let (part_a, part_b) = match (parts_a.next(), parts_b.next()) {
            (None, None) => return true,
            (Some(part_a), Some(part_b)) => (part_a, part_b),
            _ => return false,
        };
        if part_a != part_b && !met(a.url_like, part_a, part_b) && !met(b.url_like, part_b, part_a) {
            return false;
        }
    }
}

impl Cx<'_> {
    /// A URL without a glob.
    pub(super) fn exact_url(&self, url: &Text) {
        if url.node.contains('*') {
            self.report.error(
                "G0616",
                url.span,
                format!("`{}` is one text, and its star a star", url.node),
                format!("for an issuer per tenant write `url like \"{}\";`", url.node),
            );
        }
    }

    /// `https://HOST/..` in which some whole parts of the path are `*`.
    pub(super) fn url_pattern(&self, url: &Text) {
        let rest = url
            .node
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "https" | "http"));
        let (host, path) = rest
            .and_then(|(_, rest)| rest.split_once('/'))
            .unwrap_or(("", ""));
        let plain = |b: u8| b.is_ascii_graphic() && !b"*?[]{}\\\"<>^`|#".contains(&b);
        let fine = !host.is_empty()
            && host.bytes().all(plain)
            && path.split('/').all(|part| part == "*" || part.bytes().all(plain));
        if !fine || !path.split('/').any(|part| part == "*") {
            self.report.error(
                "G0616",
                url.span,
                format!("`{}` is not a pattern of an issuer's URL", url.node),
                "write `https://`, a host without stars, and a path in which `*` stands for a whole part, as in `url like \"https://login.example.com/*/v2.0\";`",
            );
        }
    }
}
