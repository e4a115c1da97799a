//! Facts -> slots: every fact the policy reads gets a number once. A capture becomes the place where it stands in the
//! path, so equal places of different rules are one fact.

use std::collections::HashMap;

use portcullis_lang::model::{CaptureKind, Fact, Pattern, PeerFact, Policy, Segment, Tail};

use super::number::number;
use portcullis::image::config::{SegmentKind, Source};
use portcullis::image::ids::Slot;

/// A segment that no path has: the fact is absent on every request.
const NEVER: Source = Source::Segment {
    index: u32::MAX,
    prefix: 0,
    suffix: 0,
    kind: SegmentKind::Text,
};

#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) sources: Vec<Source>,
    index: HashMap<Source, u32>,
}

impl Slots {
    /// The slot of a fact; captures are those of `pattern`. A key of a table is numbered before its cell.
    pub(super) fn slot(&mut self, policy: &Policy, fact: &Fact, pattern: Option<&Pattern>) -> Slot {
        let source = self.source(policy, fact, pattern);
        Slot(number(&mut self.sources, &mut self.index, source))
    }

    fn source(&mut self, policy: &Policy, fact: &Fact, pattern: Option<&Pattern>) -> Source {
        // Names were resolved by the checker: a position is always found.
        let index = |found: Option<usize>| found.unwrap_or(0) as u32;
        match fact {
            Fact::Method => Source::Method,
            Fact::Scheme => Source::Scheme,
            Fact::Host => Source::Host,
            Fact::Port => Source::Port,
            Fact::Path => Source::Path,
            Fact::Query(name) if policy.presents_token(name) => NEVER,
            Fact::Query(name) => Source::Query(name.clone()),
            // What the policy sets is removed from what came in, on all routes.
            Fact::Header(name) if policy.request_headers_set.contains(name) => NEVER,
            Fact::Header(name) => Source::Header(name.clone()),
            Fact::Cookie(name) => Source::Cookie(name.clone()),
            Fact::Size => Source::Size,
            Fact::ContentType => Source::ContentType,
            Fact::Protocol => Source::Protocol,
            Fact::Sni => Source::Sni,
            Fact::HostLabel(_) => Source::HostLabel,
            Fact::Capture { name, .. } => capture(pattern, name),
            Fact::ClientIp => Source::ClientIp,
            Fact::ConnectionIp => Source::ConnectionIp,
            Fact::Claim(name) => Source::Claim(index(policy.claims.iter().position(|c| c.name == *name))),
            Fact::BesideClaim(id, name) => {
                Source::BesideClaim(id.0, index(policy.claims.iter().position(|c| c.name == *name)))
            }
            Fact::Scopes => Source::Scopes,
            Fact::KeyId => Source::KeyId,
            Fact::KeyField(name) => {
                Source::KeyField(index(policy.key_fields.iter().position(|f| f.name == *name)))
            }
            Fact::Peer(PeerFact::Spiffe) => Source::PeerSpiffe,
            Fact::Peer(PeerFact::Dns) => Source::PeerDns,
            Fact::Peer(PeerFact::Subject) => Source::PeerSubject,
            Fact::Peer(PeerFact::Fingerprint) => Source::PeerFingerprint,
            Fact::SignatureName => Source::SignatureName,
            Fact::Context(name) => {
                Source::Context(index(policy.context.iter().position(|c| c.name == *name)))
            }
            Fact::Trusted(name) => {
                Source::Trusted(index(policy.trust.headers.iter().position(|h| h.name == *name)))
            }
            Fact::Cell { table, key, column } => {
                let key = self.slot(policy, key, pattern);
                let columns = policy
                    .tables
                    .get(table.index())
                    .map(|t| t.columns.as_slice())
                    .unwrap_or_default();
                let column = index(columns.iter().position(|c| c.0 == *column));
                Source::Cell {
                    table: table.0,
                    key,
                    column,
                }
            }
            Fact::Response { path, ty } => Source::Response(path.clone(), super::config::ty(*ty)),
            Fact::Now => Source::Now,
        }
    }
}

/// Where a capture stands.
pub(super) fn capture(pattern: Option<&Pattern>, name: &str) -> Source {
    let Some(pattern) = pattern else {
        return NEVER;
    };
    for (i, segment) in pattern.segments.iter().enumerate() {
        if let Segment::Capture {
            name: own,
            prefix,
            suffix,
            kind,
        } = segment
            && own == name
        {
            return Source::Segment {
                index: i as u32,
                prefix: prefix.len() as u32,
                suffix: suffix.len() as u32,
                kind: match kind {
                    CaptureKind::Int => SegmentKind::Int,
                    CaptureKind::Uuid => SegmentKind::Uuid,
                    CaptureKind::Text | CaptureKind::Regex(_) => SegmentKind::Text,
                },
            };
        }
    }
    debug_assert!(matches!(&pattern.tail, Tail::Rest(Some(own)) if own == name));
    Source::Rest {
        index: pattern.segments.len() as u32,
    }
}
