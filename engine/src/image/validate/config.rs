//! The declarations' indices into each other.

use super::{Check, Checked, bad};
use crate::image::config::{Amount, HeaderValue, ShapePart, ShapeType, Source};
use crate::image::layout::dir;

impl Check<'_> {
    pub(super) fn config(&self) -> Checked {
        let config = self.config;
        let slots = config.sources.len() as u32;
        for (slot, source) in config.sources.iter().enumerate() {
            let (index, count) = match source {
                Source::Claim(i) => (*i, config.claims.len()),
                Source::BesideClaim(issuer, i) => {
                    self.index("fact", slot as u32, *issuer, config.beside.len() as u32)?;
                    (*i, config.claims.len())
                }
                Source::KeyField(i) => (*i, config.key_fields.len()),
                Source::Context(i) => (*i, config.context.len()),
                Source::Trusted(i) => (*i, config.trusted.len()),
                Source::Cell { table, key, column } => {
                    // A key's slot is smaller, so fetching a cell ends.
                    self.index("cell", key.0, key.0, slot as u32)?;
                    let columns = config.tables.get(*table as usize).map_or(0, |t| t.columns.len());
                    self.index("cell", *column, *column, columns as u32)?;
                    (*table, config.tables.len())
                }
                _ => continue,
            };
            self.index("fact", slot as u32, index, count as u32)?;
        }
        for issuer in config.issuers.iter().chain(&config.beside) {
            for claim in &issuer.claims {
                self.index("claim", claim.claim, claim.claim, config.claims.len() as u32)?;
            }
        }
        for key_set in &config.keys {
            for (field, _) in &key_set.fields {
                self.index("key field", *field, *field, config.key_fields.len() as u32)?;
            }
        }
        let amount = |amount: &Amount| match amount {
            Amount::Fixed(_) => Ok(()),
            Amount::Fact(slot, _) => self.index("amount", slot.0, slot.0, slots),
        };
        let limit = |limit: &crate::image::config::Limit| {
            self.index("limit", limit.quota, limit.quota, config.quotas.len() as u32)?;
            limit.cost.as_ref().map_or(Ok(()), amount)
        };
        for penalty in &config.penalties {
            for fact in penalty.by.iter().flatten() {
                self.index("penalty key", fact.slot.0, fact.slot.0, slots)?;
            }
            if let Some(service) = penalty.service {
                self.index("penalty", service, service, config.services.len() as u32)?;
            }
        }
        for quota in &config.quotas {
            amount(&quota.limit)?;
            amount(&quota.cost)?;
            for fact in quota.by.iter().flatten() {
                self.index("quota key", fact.slot.0, fact.slot.0, slots)?;
            }
        }
        for service in &config.services {
            service.default_limit.iter().try_for_each(limit)?;
        }
        let patterns = self.word(dir::PATTERN_COUNT);
        for body in config.rules.bodies() {
            body.limits.iter().try_for_each(limit)?;
            for header in &body.headers {
                if let Some(HeaderValue::Fact(slot)) = &header.value {
                    self.index("header value", slot.0, slot.0, slots)?;
                }
            }
            let queries = body.accept_query.iter().flat_map(|a| &a.fields);
            for field in queries.chain(body.accept.iter().flat_map(|a| &a.fields)) {
                if let Some(pattern) = field.matches {
                    self.index("query pattern", pattern, pattern, patterns)?;
                }
            }
        }
        for body in config.rules.bodies() {
            for check in &body.require_response {
                // Each reads only those before it.
                if !check.subs.is_sorted_by(|a, b| a < b) {
                    return bad("condition on a response", 0);
                }
                for sub in &check.subs {
                    if !self.is_sub(*sub) {
                        return bad("condition on a response", *sub);
                    }
                }
            }
            body.accept
                .iter()
                .try_for_each(|accept| self.shape(&accept.shape, patterns))?;
        }
        for hours in &config.hours {
            if hours.offsets.first().is_none_or(|first| first.0 != i64::MIN) {
                return bad("hours", 0);
            }
        }
        Ok(())
    }

    /// Parts are there, and members are sorted.
    fn shape(&self, shape: &[ShapePart], patterns: u32) -> Checked {
        for (part, index) in shape.iter().zip(0..) {
            let inside = part.members.iter().map(|(_, part)| *part);
            let element = (part.ty == ShapeType::Array).then_some(part.element);
            for inner in inside.chain(element) {
                self.index("part of a body", index, inner, shape.len() as u32)?;
            }
            if !part.members.is_sorted_by(|a, b| a.0 < b.0) {
                return bad("part of a body", index);
            }
            if let Some(pattern) = part.matches {
                self.index("body pattern", pattern, pattern, patterns)?;
            }
        }
        Ok(())
    }
}
