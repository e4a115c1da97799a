//! A rule's targets against a canonical request: which match, wholly or by path alone, and what they capture
//! (section 5). One naive walk a pattern; knows no conditions.

use std::collections::BTreeSet;

use portcullis_lang::model::{
    ANY_ALLOW_METHODS, CaptureKind, Effect, Methods, Pattern, Segment, Tail, Target, TargetKind,
};

use crate::facts::{Captures, Datum, Found, State, parse_int};
use crate::normalise::{Canonical, Path, Upgrade};
use crate::patterns::Patterns;

/// What a target is compared with.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Canonical,
    pub(crate) patterns: &'a Patterns,
    /// `request.content_type` is one of gRPC.
    pub(crate) is_grpc: bool,
    /// `trailing slash ignored;` of the service.
    pub(crate) trailing_slash_ignored: bool,
}

impl Asked<'_> {
    /// The captures of each of a rule's targets that match wholly: a rule with several targets is as many rules.
    pub(crate) fn matches(&self, effect: Effect, targets: &[Target]) -> Vec<Captures> {
        targets
            .iter()
            .filter_map(|target| self.whole(effect, target))
            .collect()
    }

    /// The captures that a rule's obligations see, or `None` where no target matches. A name that targets give
    /// different values is a fact given twice.
    pub(crate) fn merged(matches: &[Captures]) -> Option<Captures> {
        let mut all: Option<Captures> = None;
        for captures in matches.iter().cloned() {
            let merged = all.get_or_insert_with(Captures::new);
            for (name, found) in captures {
                let earlier = merged.entry(name).or_insert_with(|| found.clone());
                if *earlier != found {
                    earlier.state = State::IllTyped;
                }
            }
        }
        all
    }

    fn whole(&self, effect: Effect, target: &Target) -> Option<Captures> {
        let captures = self.by_path(effect, target)?;
        let is_allow = effect == Effect::Allow;
        let upgrade = self.request.upgrade;
        let matches = match target.kind {
            TargetKind::WebSocket => upgrade == Upgrade::WebSocket,
            TargetKind::Grpc if is_allow && !self.is_grpc => false,
            TargetKind::Http | TargetKind::Grpc if is_allow && upgrade != Upgrade::No => false,
            TargetKind::Http | TargetKind::Grpc | TargetKind::NoPath => self.method(effect, &target.methods),
        };
        matches.then_some(captures)
    }

    fn method(&self, effect: Effect, methods: &Methods) -> bool {
        let method = self.request.method.as_str();
        let named = |wanted: &str, methods: &[String]| methods.iter().any(|m| m == wanted);
        match (effect, methods) {
            (Effect::Allow, Methods::Any) => ANY_ALLOW_METHODS.contains(&method),
            (Effect::Allow, Methods::Only(methods)) => named(method, methods),
            (Effect::Deny | Effect::On, Methods::Any) => true,
            (Effect::Deny | Effect::On, Methods::Only(methods)) => {
                named(method, methods) || (method == "HEAD" && named("GET", methods))
            }
        }
    }

    /// Whether the pattern alone matches, whatever method and kind say.
    pub(crate) fn by_path(&self, effect: Effect, target: &Target) -> Option<Captures> {
        match (&self.request.path, target.kind) {
            (None, TargetKind::NoPath) => Some(Captures::new()),
            (Some(_), TargetKind::NoPath) => None,
            (Some(path), _) => {
                let slash_too = effect != Effect::Allow || self.trailing_slash_ignored;
                self.pattern(&target.pattern, path, slash_too)
            }
            // `/**` from the root is all that covers a request without a path, and never grants it
            (None, TargetKind::Http) if effect != Effect::Allow => match &target.pattern {
                Pattern {
                    segments,
                    tail: Tail::Rest(name),
                } if segments.is_empty() => Some(name.iter().map(|name| (name.clone(), text(""))).collect()),
                _ => None,
            },
            (None, _) => None,
        }
    }

    fn pattern(&self, pattern: &Pattern, path: &Path, slash_too: bool) -> Option<Captures> {
        let (head, rest) = path.segments.split_at_checked(pattern.segments.len())?;
        let mut captures = Captures::new();
        for (segment, text) in pattern.segments.iter().zip(head) {
            self.segment(segment, text, &mut captures)?;
        }
        let ends = match &pattern.tail {
            Tail::None => rest.is_empty() && (!path.trailing || slash_too),
            Tail::Slash => rest.is_empty() && path.trailing,
            Tail::Rest(name) => {
                if let Some(name) = name {
                    let slash = if path.trailing && !rest.is_empty() {
                        "/"
                    } else {
                        ""
                    };
                    captures.insert(name.clone(), text(&(rest.join("/") + slash)));
                }
                true
            }
        };
        ends.then_some(captures)
    }

    fn segment(&self, segment: &Segment, given: &str, captures: &mut Captures) -> Option<()> {
        match segment {
            Segment::Literal(literal) => (literal == given).then_some(()),
            Segment::Any => Some(()),
            Segment::Capture {
                name,
                prefix,
                suffix,
                kind,
            } => {
                let captured = given
                    .strip_prefix(prefix.as_str())?
                    .strip_suffix(suffix.as_str())?;
                if captured.is_empty() {
                    return None;
                }
                captures.insert(name.clone(), self.capture(kind, captured)?);
                Some(())
            }
        }
    }

    fn capture(&self, kind: &CaptureKind, captured: &str) -> Option<Found> {
        match kind {
            CaptureKind::Text => Some(text(captured)),
            CaptureKind::Int => parse_int(captured)
                .filter(|_| captured != "-0")
                .map(|i| Found::known(Datum::Int(i))),
            CaptureKind::Uuid => is_uuid(captured).then(|| text(&captured.to_ascii_lowercase())),
            CaptureKind::Regex(regex) => self
                .patterns
                .is_match(regex, captured.as_bytes())
                .filter(|m| *m)
                .map(|_| text(captured)),
        }
    }
}

/// The methods that an allow's target offers, for 405.
pub(crate) fn offered(target: &Target, into: &mut BTreeSet<String>) {
    match &target.methods {
        Methods::Any => into.extend(ANY_ALLOW_METHODS.map(String::from)),
        Methods::Only(methods) => into.extend(methods.iter().cloned()),
    }
}

fn text(text: &str) -> Found {
    Found::known(Datum::Text(text.as_bytes().to_vec()))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}
