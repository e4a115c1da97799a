//! A text beside a fact of the request -> whether some request has a value that meets it.
//!
//! Facts of the request have one spelling. A deny that compares with what is not in it never applies, and with `!=` it
//! always does, so it is an error, with the spelling that can be. The values of a fact are over-approximated: what is
//! refused here is met by no request. Knows facts and texts; no rules.

use super::cx::{Captures, Cx, Env};
use super::texts::{Texts, some_text};
use crate::model::{CaptureKind, Fact, Segment, Tail, Type};
use crate::source::Span;
use portcullis_base::quote::GateString;
use std::sync::OnceLock;

/// How a text is compared with a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// `==`, `!=`, `in [..]`
    Equal,
    /// `.. ignore case`
    EqualIgnoringCase,
    /// `like`
    Like,
    /// `matches`
    Matches,
}

/// What the values of a fact look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Host,
    /// A label of a host.
    Label,
    /// Of a scheme and a server name: whatever it is, in lower case.
    Lower,
    Path,
    ContentType,
    Protocol,
    Header,
    Cookie,
    Uuid,
    /// A captured segment, or a part of one.
    Segment,
    /// Captured segments, maybe none.
    Rest,
}

/// Texts of each kind of values: its place here is that of the kind.
static TEXTS: [OnceLock<Option<Texts>>; 11] = [const { OnceLock::new() }; 11];

impl Values {
    /// As a regex of the language: over bytes, anchored.
    fn regex(self) -> &'static str {
        match self {
            Values::Host => {
                r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]"
            }
            Values::Label => "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?",
            Values::Lower => "[^A-Z]*",
            // Segments are decoded, end neither in a dot nor in a space, and only the last may be empty.
            Values::Path => {
                r"/|(?:/(?:[^\x00-\x1f\x7f/\\;%\xc2]|\xc2[\xa0-\xbf]|%2F|%5C|%25)*(?:[^\x00-\x20\x7f/\\;%.\xc2]|\xc2[\xa0-\xbf]|%2F|%5C|%25))+/?"
            }
            Values::ContentType => r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+",
            Values::Protocol => r"[A-Z]+/[0-9]+(?:\.[0-9]+)?",
            Values::Header => r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?",
            Values::Cookie => r"[^\x00-\x08\x0a-\x1f\x7f;]*",
            Values::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            // A `%` may be there, but no triple is left, and no control character: those behind 0x7f begin with 0xc2.
            Values::Segment => {
                r"(?:[^\x00-\x1f\x7f;%\xc2]|\xc2[\xa0-\xbf]|%[^0-9A-Fa-f\x00-\x1f\x7f;]|%[0-9A-Fa-f][^0-9A-Fa-f\x00-\x1f\x7f;])+(?:%[0-9A-Fa-f]?)?|%[0-9A-Fa-f]?"
            }
            Values::Rest => {
                r"(?:[^\x00-\x1f\x7f;%\xc2]|\xc2[\xa0-\xbf]|%[^0-9A-Fa-f\x00-\x1f\x7f;]|%[0-9A-Fa-f][^0-9A-Fa-f\x00-\x1f\x7f;])*(?:%[0-9A-Fa-f]?)?"
            }
        }
    }

    fn texts(self) -> Option<&'static Texts> {
        let made = TEXTS.get(self as usize)?;
        made.get_or_init(|| Texts::empty().regex(self.regex())).as_ref()
    }

    /// What every value is.
    fn rule(self) -> &'static str {
        match self {
            Values::Host => "hosts are names in lower case without port and trailing dot, or addresses",
            Values::Label => "labels of hosts hold lower-case letters, digits, `-` and `_`, and no dot",
            Values::Lower => "it is in lower case",
            Values::Path => {
                "paths start with `/` and are decoded, without empty segments and dot segments, and no segment ends in a dot or space"
            }
            Values::ContentType => "it is `type/subtype` in lower case, without parameters",
            Values::Protocol => "protocols are named as in `HTTP/1.1` and `HTTP/2`",
            Values::Header => "values have neither spaces at their ends nor control characters",
            Values::Cookie => "values have neither `;` nor control characters",
            Values::Uuid => "a UUID is 32 hex digits in lower case, in five groups",
            Values::Segment | Values::Rest => {
                "captures are decoded, and hold neither `;` nor control characters"
            }
        }
    }

    /// Spellings that an author may have meant, the likeliest first.
    fn meant(self, text: &str) -> Vec<String> {
        let lower = text.to_ascii_lowercase();
        match self {
            Values::Host => {
                let bare = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
                let bare = bare.split(['/', '?']).next().unwrap_or_default();
                let name = bare.rsplit_once(':').map_or(bare, |(name, _)| name);
                let ascii = idna::domain_to_ascii(text).unwrap_or_default();
                vec![
                    lower.clone(),
                    ascii,
                    bare.to_owned(),
                    name.trim_end_matches('.').to_owned(),
                ]
            }
            Values::ContentType => {
                let essence = lower.split(';').next().unwrap_or_default().trim().to_owned();
                vec![lower, essence]
            }
            Values::Path => {
                let decoded = decoded(text, true);
                vec![format!("/{decoded}"), decoded]
            }
            Values::Segment | Values::Rest => vec![decoded(text, false)],
            Values::Protocol => vec![text.to_ascii_uppercase()],
            Values::Header => vec![text.trim_matches([' ', '\t']).to_owned()],
            Values::Label | Values::Lower | Values::Uuid => vec![lower],
            Values::Cookie => Vec::new(),
        }
    }
}

/// A text with its triples decoded; where `kept`, those of `/`, `\` and `%` stay, in upper case.
fn decoded(text: &str, kept: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = after
            .get(..2)
            .filter(|pair| *byte == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let value = digits
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match value {
            Some(value) => {
                rest = after.get(2..).unwrap_or_default();
                match value {
                    b'/' | b'\\' | b'%' if kept => bytes.extend(format!("%{value:02X}").bytes()),
                    _ => bytes.push(value),
                }
            }
            None => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Whether some value may be met; `true` where that costs too much to tell.
fn may_meet(values: &Texts, text: &str, test: Test) -> bool {
    let texts = match test {
        Test::Equal => return values.holds(text.as_bytes()),
        Test::EqualIgnoringCase => Texts::empty().literal(text.as_bytes(), true),
        Test::Like => Texts::empty().glob(text),
        Test::Matches => Texts::empty().regex(text),
    };
    let Some(texts) = texts else { return true };
    some_text(&[values.clone(), texts], |inside| inside == [true, true]) != Some(false)
}

impl Cx<'_> {
    /// Whether a request can have a value of the fact that meets the text; where none can, that is reported.
    pub(super) fn may_be(&self, env: Env<'_>, fact: &Fact, text: &str, span: Span, test: Test) -> Option<()> {
        let values = match fact {
            Fact::Method => return self.method_text(text, span, test),
            Fact::Host => Values::Host,
            Fact::HostLabel(_) => Values::Label,
            Fact::Scheme | Fact::Sni => Values::Lower,
            Fact::Path => Values::Path,
            Fact::ContentType => Values::ContentType,
            Fact::Protocol => Values::Protocol,
            Fact::Header(_) => Values::Header,
            Fact::Trusted(_) if self.policy.type_of(fact) == Type::String => Values::Header,
            Fact::Cookie(_) => Values::Cookie,
            Fact::Capture { name, .. } => return self.text_of_capture(env, name, text, span, test),
            _ => return Some(()),
        };
        self.one_of_values(&self.policy.show(fact).to_string(), values, text, span, test)
    }

    fn one_of_values(&self, name: &str, values: Values, text: &str, span: Span, test: Test) -> Option<()> {
        let fits = |text: &str| values.texts().is_none_or(|values| may_meet(values, text, test));
        if fits(text) {
            return Some(());
        }
        // A regex that is changed may mean something else.
        let meant = match test {
            Test::Matches => Vec::new(),
            _ => values.meant(text),
        };
        let help = match meant
            .iter()
            .find(|meant| *meant != text && !meant.is_empty() && fits(meant))
        {
            Some(meant) => format!("write `{}`", GateString(meant)),
            None => "compare with a value that a request can have".to_owned(),
        };
        self.cannot_be(name, text, span, test, values.rule(), help)
    }

    fn cannot_be(
        &self,
        name: &str,
        text: &str,
        span: Span,
        test: Test,
        rule: &str,
        help: String,
    ) -> Option<()> {
        let relation = match test {
            Test::Equal | Test::EqualIgnoringCase => "is",
            Test::Like | Test::Matches => "matches",
        };
        let message = format!("`{name}` never {relation} `{text}`: {rule}");
        self.report.invalid("G0318", span, message, help)
    }

    /// A method is one that is listed or declared.
    fn method_text(&self, text: &str, span: Span, test: Test) -> Option<()> {
        match test {
            Test::Equal => self.known_method(text, span),
            Test::EqualIgnoringCase => {
                let known = self
                    .known_methods()
                    .any(|method| method.eq_ignore_ascii_case(text));
                known.then_some(()).or_else(|| self.known_method(text, span))
            }
            Test::Like | Test::Matches => {
                let methods: Vec<String> = self.known_methods().map(str::to_owned).collect();
                let values = Texts::empty().one_of(&methods, false);
                if values.is_none_or(|values| may_meet(&values, text, test)) {
                    return Some(());
                }
                self.cannot_be(
                    "request.method",
                    text,
                    span,
                    test,
                    "methods are exact, and those that are registered or declared",
                    "name the methods, as in `request.method in [\"GET\", \"HEAD\"]`".to_owned(),
                )
            }
        }
    }

    /// A text beside a capture, which some target of the rule must be able to take.
    fn text_of_capture(&self, env: Env<'_>, name: &str, text: &str, span: Span, test: Test) -> Option<()> {
        let Captures::Targets(targets) = env.captures else {
            return Some(());
        };
        let shown = format!("path.{name}");
        let mut wrong = None;
        for target in targets {
            let own = target.pattern.segments.iter().find_map(|segment| match segment {
                Segment::Capture { name: own, kind, .. } if own == name => Some(kind),
                _ => None,
            });
            let values = match (own, &target.pattern.tail) {
                (Some(CaptureKind::Uuid), _) => Values::Uuid,
                (Some(CaptureKind::Text), _) => Values::Segment,
                (Some(CaptureKind::Regex(regex)), _) => {
                    let values = Texts::empty().regex(regex);
                    if values.is_none_or(|values| may_meet(&values, text, test)) {
                        return Some(());
                    }
                    wrong = Some(Err(regex));
                    continue;
                }
                (None, Tail::Rest(Some(own))) if own == name => Values::Rest,
                _ => return Some(()),
            };
            if values.texts().is_none_or(|values| may_meet(values, text, test)) {
                return Some(());
            }
            wrong = Some(Ok(values));
        }
        match wrong {
            None => Some(()),
            Some(Ok(values)) => self.one_of_values(&shown, values, text, span, test),
            Some(Err(regex)) => self.cannot_be(
                &shown,
                text,
                span,
                test,
                &format!("its capture takes only what matches `'{regex}'`"),
                "compare with a text that the capture can take".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_requests() {
        for (values, can, cannot) in [
            (
                Values::Host,
                vec![
                    "a.example",
                    "a_b",
                    "192.0.2.1",
                    "[2001:db8::1]",
                    "xn--bcher-kva.example",
                ],
                vec!["A.example", "a.example.", "a:80", "a..b", "-a", "b\u{fc}cher", ""],
            ),
            (
                Values::Path,
                vec!["/", "/a", "/a/", "/caf\u{e9} x", "/a%2Fb", "/100%25", "/a?b"],
                vec![
                    "", "a", "/%61", "/a%2fb", "//", "/a//b", "/a/../b", "/.", "/a.", "/a ", "/a;b", "/a\\b",
                    "/a%2C",
                ],
            ),
            (
                Values::ContentType,
                vec!["text/plain", "application/vnd.a+json"],
                vec!["Text/plain", "text", "text/plain; a=b", "text/"],
            ),
            (
                Values::Protocol,
                vec!["HTTP/1.1", "HTTP/2"],
                vec!["http/1.1", "h2", "HTTP"],
            ),
            (
                Values::Header,
                vec!["", "a", "a b", "\u{e9}"],
                vec![" a", "a ", "a\nb"],
            ),
            (Values::Cookie, vec!["", "a=b"], vec!["a;b"]),
            (
                Values::Uuid,
                vec!["123e4567-e89b-12d3-a456-426614174000"],
                vec!["123E4567-e89b-12d3-a456-426614174000", "123"],
            ),
            (
                Values::Segment,
                vec!["a", "100%", "%", "%z", "a%", "%a", "%%", "a/b"],
                vec!["", "%61", "a%2F", "a;b", "a\u{1}"],
            ),
            (Values::Rest, vec!["", "a/b", "a/"], vec!["%61", "a%2F/b"]),
        ] {
            let texts = values.texts().unwrap();
            for text in can {
                assert!(texts.holds(text.as_bytes()), "{values:?} {text}");
                assert!(
                    may_meet(texts, text, Test::EqualIgnoringCase),
                    "{values:?} {text}"
                );
            }
            for text in cannot {
                assert!(!texts.holds(text.as_bytes()), "{values:?} {text}");
            }
        }
    }

    #[test]
    fn globs_and_regexes_meet_where_some_value_does() {
        for (values, text, test, want) in [
            (Values::Path, "/x/%2c*", Test::Like, false),
            (Values::Path, "/x/,*", Test::Like, true),
            (Values::Path, "**.bak", Test::Like, true),
            (Values::Path, "/a/../**", Test::Like, false),
            (Values::Path, "/x/%[0134679a-f][0-9a-f].*", Test::Matches, false),
            (Values::Path, "/x/.*%2F.*", Test::Matches, true),
            (Values::Host, "*.Example.com", Test::Like, false),
            (Values::Label, "Acme", Test::Equal, false),
            (Values::Label, "acme.eu", Test::Equal, false),
            (Values::Label, "acme-*", Test::Like, true),
            (Values::Host, "**.example.com", Test::Like, true),
            (Values::Host, "[A-Z]+\\.example", Test::Matches, false),
            (Values::Host, "(?i)[A-Z]+\\.example", Test::Matches, true),
            (Values::Host, "A.EXAMPLE", Test::EqualIgnoringCase, true),
            (Values::Host, "A.EXAMPLE:80", Test::EqualIgnoringCase, false),
            (Values::ContentType, "text*", Test::Like, false),
            (Values::ContentType, "text/*", Test::Like, true),
        ] {
            assert_eq!(may_meet(values.texts().unwrap(), text, test), want, "{text}");
        }
    }

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        assert_eq!(Values::Rest as usize + 1, TEXTS.len());
    }
}
