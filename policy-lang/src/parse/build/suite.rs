//! Personas, tests and proofs.

use pest::iterators::Pair;

use super::{Build, Kids, joined, kids, maybe};
use crate::ast::*;
use crate::parse::Rule;
use crate::source::Spanned;

type Members = Vec<(Name, Vec<Spanned<Literal>>)>;

impl Build<'_> {
    pub(super) fn persona(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<Persona>> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let (kind, from) = (self.raw(&k.next()?), self.raw(&k.next()?));
        let members = self.members(k.next()?);
        Some(Spanned {
            node: Persona { kind, from, members },
            span,
        })
    }

    fn members(&mut self, pair: Pair<'_, Rule>) -> Members {
        self.each(pair, |b, member| {
            let mut k = kids(member);
            let name = b.raw(&k.next()?);
            let values = k.map(|value| b.literal(value)).collect::<Option<Vec<_>>>()?;
            Some((name, values))
        })
    }

    fn given_part(&mut self, pair: Pair<'_, Rule>) -> Option<GivenPart> {
        let inner = kids(pair).next()?;
        let rule = inner.as_rule();
        if rule == Rule::credential {
            return Some(GivenPart::Credential(self.persona(inner)?.node));
        }
        let mut k = kids(inner);
        let first = k.next()?;
        Some(match rule {
            Rule::given_context => GivenPart::Context(self.members(first)),
            Rule::given_ip => GivenPart::ClientIp(self.text(first)?),
            Rule::given_now => GivenPart::Now(self.raw(&first)),
            Rule::given_header => GivenPart::Header(self.text(first)?, self.text(k.next()?)?),
            Rule::given_body => GivenPart::Body(self.text(first)?),
            Rule::given_persona => GivenPart::Persona(self.raw(&first)),
            _ => return None,
        })
    }

    fn expect(&mut self, mut k: Kids<'_>) -> Option<ExpectLine> {
        let effect = self.raw(&k.next()?);
        let status = maybe(k.opt(Rule::status), |status| self.count(status))?;
        let reason = k.opt(Rule::reason).map(|p| self.raw(&p));
        let method = self.raw(&k.next()?);
        let url = self.text(k.next()?)?;
        let by = match k.opt(Rule::expect_by).and_then(|p| kids(p).next()) {
            Some(id) if id.as_rule() == Rule::string => Some(self.text(id)?),
            Some(id) => Some(self.raw(&id)),
            None => None,
        };
        let with = match k.opt(Rule::expect_with) {
            Some(with) => self.each(with, |b, p| {
                let span = b.span(&p);
                Some(Spanned {
                    node: joined(kids(p)),
                    span,
                })
            }),
            None => Vec::new(),
        };
        Some(ExpectLine {
            effect,
            status,
            reason,
            method,
            url,
            by,
            with,
        })
    }

    fn proof(&mut self, pair: Pair<'_, Rule>) -> Option<ProofLine> {
        let rule = pair.as_rule();
        let mut k = kids(pair);
        Some(match rule {
            Rule::only_may => {
                let principals = self.each(k.next()?, Build::name);
                ProofLine::Only(principals, self.targets(k.next()?), self.proof_on(&mut k))
            }
            Rule::always_drop => {
                let path = self.raw(&k.next()?);
                let targets = self.targets(k.next()?);
                let on = self.proof_on(&mut k);
                ProofLine::AlwaysDrop(path, targets, on, self.proof_condition(&mut k))
            }
            _ => {
                let targets = self.targets(k.next()?);
                let on = self.proof_on(&mut k);
                let condition = self.proof_condition(&mut k);
                match rule {
                    Rule::never_allow => ProofLine::NeverAllow(targets, on, condition),
                    Rule::always_allow => ProofLine::AlwaysAllow(targets, on, condition?),
                    _ => ProofLine::AlwaysLimit(targets, on),
                }
            }
        })
    }

    fn proof_on(&mut self, k: &mut Kids<'_>) -> Option<Name> {
        let on = k.opt(Rule::proof_on)?;
        Some(self.raw(&kids(on).next()?))
    }

    fn proof_condition(&mut self, k: &mut Kids<'_>) -> Option<Expr> {
        let rule = k.peek()?;
        let clause = k.opt(rule)?;
        self.condition(kids(clause).next()?)
    }
}

/// A line of a test.
pub(in crate::parse) fn test_line(b: &mut Build<'_>, pair: Pair<'_, Rule>) -> Option<Spanned<TestLine>> {
    let span = b.span(&pair);
    let node = match pair.as_rule() {
        Rule::given => TestLine::Given(b.each_spanned(kids(pair), Build::given_part)),
        _ => TestLine::Expect(b.expect(kids(pair))?),
    };
    Some(Spanned { node, span })
}

/// A line of a proof.
pub(in crate::parse) fn proof_line(b: &mut Build<'_>, pair: Pair<'_, Rule>) -> Option<Spanned<ProofLine>> {
    let span = b.span(&pair);
    let node = b.proof(kids(pair).next()?)?;
    Some(Spanned { node, span })
}
