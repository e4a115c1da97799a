//! Rules: heads and bodies.

use pest::iterators::Pair;

use super::{Build, inner, kids, maybe};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::parse::Rule as R;
use crate::source::{Span, Spanned};

impl Build<'_> {
    pub(super) fn rule(&mut self, pair: Pair<'_, R>) -> Option<Rule> {
        let whole = self.span(&pair);
        let mut k = kids(pair);
        let reported = k.opt(R::reported).map(|p| self.span(&p));
        let inner = k.next()?;
        let verb = match inner.as_rule() {
            R::allow => Verb::Allow,
            R::deny => Verb::Deny,
            _ => Verb::On,
        };
        let mut k = kids(inner);
        let verb_span = self.span(&k.next()?);
        let principals = match k.opt(R::principals) {
            Some(names) => self.each(names, Build::name),
            None => Vec::new(),
        };
        let targets = k.next()?;
        let mut head = verb_span.to(self.span(&targets));
        let mut rule = Rule {
            doc: self.doc(whole),
            report: reported.is_some(),
            verb: Spanned {
                node: verb,
                span: verb_span,
            },
            principals,
            targets: self.targets(targets),
            with: Vec::new(),
            when: None,
            unless: None,
            because: None,
            respond: None,
            name: None,
            body: None,
            head,
        };
        while let Some(clause) = k.opt(R::head_clause) {
            head = head.to(self.span(&clause));
            self.head_clause(&mut rule, clause)?;
        }
        rule.head = head;
        if let Some(body) = k.opt(R::rule_body) {
            rule.body = Some(self.each_spanned(kids(body), Build::body_line));
        }
        self.fits_verb(&rule, reported);
        Some(rule)
    }

    fn head_clause(&mut self, rule: &mut Rule, pair: Pair<'_, R>) -> Option<()> {
        let clause = kids(pair).next()?;
        let span = self.span(&clause);
        let kind = clause.as_rule();
        let (given, what) = match kind {
            R::with_clause => (!rule.with.is_empty(), "with"),
            R::when_clause => (rule.when.is_some(), "when"),
            R::unless_clause => (rule.unless.is_some(), "unless"),
            R::because_clause => (rule.because.is_some(), "because"),
            R::respond_clause => (rule.respond.is_some(), "respond"),
            _ => (rule.name.is_some(), "as"),
        };
        if given {
            self.twice(span, &format!("`{what}`"));
        }
        let verb = rule.verb.node;
        let fits = match kind {
            R::with_clause => verb == Verb::Allow,
            R::because_clause | R::respond_clause => verb == Verb::Deny,
            _ => true,
        };
        if !fits {
            let owner = if kind == R::with_clause {
                "an `allow`"
            } else {
                "a `deny`"
            };
            self.misplaced(
                span,
                format!("`{what}` belongs to {owner}"),
                "remove it from this rule",
            );
        }
        let mut k = kids(clause);
        match kind {
            R::with_clause => rule.with = self.each_spanned(k, Build::requirement),
            R::when_clause => rule.when = Some(self.condition(k.next()?)?),
            R::unless_clause => rule.unless = Some(self.condition(k.next()?)?),
            R::because_clause => rule.because = Some(self.text(k.next()?)?),
            R::respond_clause => {
                let node = self.respond(k)?;
                rule.respond = Some(Spanned { node, span });
            }
            _ => rule.name = Some(self.raw(&k.next()?)),
        }
        Some(())
    }

    fn misplaced(&mut self, span: Span, message: String, help: &str) {
        self.complain(
            Diagnostic::error("G0014", span, message)
                .label("not here")
                .help(help),
        );
    }

    /// What the grammar lets through so that the complaint can be a better one.
    fn fits_verb(&mut self, rule: &Rule, reported: Option<Span>) {
        match (rule.verb.node, &rule.body) {
            (Verb::Deny, Some(_)) => self.misplaced(
                rule.head,
                "a `deny` has no body".to_owned(),
                "end it with `;` and put obligations into an `on` rule",
            ),
            (Verb::On, None) => self.misplaced(
                rule.head,
                "an `on` rule needs a body".to_owned(),
                "say what binds there: `on any /** { limit per_ip; }`",
            ),
            _ => {}
        }
        if let (Verb::Allow, Some(span)) = (rule.verb.node, reported) {
            self.misplaced(
                span,
                "`report` stands before `deny` or `on`".to_owned(),
                "an allow cannot be reported only; remove the word",
            );
        }
    }

    fn requirement(&mut self, pair: Pair<'_, R>) -> Option<Requirement> {
        let (kind, mut k) = inner(pair)?;
        let first = k.next()?;
        Some(match kind {
            R::scope_req if first.as_rule() == R::scope_like => {
                Requirement::ScopeLike(self.text(kids(first).next()?)?)
            }
            R::scope_req => Requirement::Scope(self.texts(first)),
            R::acr_req => Requirement::Acr(self.text(first)?),
            _ => Requirement::MaxAge(self.duration(first)?.node),
        })
    }

    fn respond(&mut self, mut k: super::Kids<'_>) -> Option<Respond> {
        let mut respond = Respond {
            status: self.count(k.next()?)?,
            retry_after: None,
            to: None,
        };
        for option in k {
            let span = self.span(&option);
            if option.as_rule() == R::retry_after {
                if respond.retry_after.is_some() {
                    self.twice(span, "`retry after`");
                }
                respond.retry_after = Some(self.duration(kids(option).next()?)?);
            } else {
                if respond.to.is_some() {
                    self.twice(span, "`to`");
                }
                respond.to = Some(self.text(kids(option).next()?)?);
            }
        }
        Some(respond)
    }

    pub(super) fn limit_named(&mut self, pair: Pair<'_, R>) -> Option<(Name, Option<Spanned<AmountExpr>>)> {
        let mut k = kids(pair);
        let name = self.raw(&k.next()?);
        let cost = maybe(k.next(), |cost| self.amount(kids(cost).next()?))?;
        Some((name, cost))
    }

    fn body_line(&mut self, pair: Pair<'_, R>) -> Option<BodyLine> {
        let inner = kids(pair).next()?;
        let kind = inner.as_rule();
        if kind == R::mark {
            return Some(BodyLine::Mark(self.mark(inner)?));
        }
        let mut k = kids(inner);
        Some(match kind {
            R::limit => {
                let limit = k.next()?;
                if limit.as_rule() == R::quota_spec {
                    return Some(BodyLine::LimitInline(self.quota_spec(limit)?));
                }
                let (name, cost) = self.limit_named(limit)?;
                BodyLine::Limit(name, cost)
            }
            R::redact => BodyLine::Redact(self.each_spanned(k, Build::redact_line)),
            R::accept => {
                let kind = self.raw(&k.next()?);
                BodyLine::Accept(self.accept(kind, None, k)?)
            }
            R::accept_type => {
                let (kind, media) = (self.raw(&k.next()?), self.text(k.next()?)?);
                BodyLine::Accept(self.accept(kind, Some(media), k)?)
            }
            R::require_response => {
                BodyLine::RequireResponse(self.condition(k.next()?)?, self.count(k.next()?)?)
            }
            R::header_line => self.header_line(k.next()?)?,
            R::tag => BodyLine::Tag(self.text(k.next()?)?),
            _ => return None,
        })
    }

    fn header_line(&mut self, pair: Pair<'_, R>) -> Option<BodyLine> {
        let set = pair.as_rule() == R::set_header;
        let mut k = kids(pair);
        let direction = k.opt(R::direction).map(|p| self.raw(&p));
        let name = self.text(k.next()?)?;
        let value = maybe(k.next(), |value| self.operand(value))?;
        Some(BodyLine::Header {
            set,
            direction,
            name,
            value,
        })
    }

    fn redact_line(&mut self, pair: Pair<'_, R>) -> Option<RedactLine> {
        let (kind, mut k) = inner(pair)?;
        if kind == R::redact_only {
            return Some(RedactLine::Only(k.map(|p| self.raw(&p)).collect()));
        }
        let first = k.next()?;
        Some(match kind {
            R::redact_drop => RedactLine::Drop(self.each(first, Build::name)),
            R::redact_hash => RedactLine::Hash(self.each(first, Build::name)),
            R::redact_replace => RedactLine::Replace(self.raw(&first), self.text(k.next()?)?),
            R::redact_mask => {
                let keep = match k.next() {
                    Some(end) => Some((self.raw(&end), self.count(k.next()?)?)),
                    None => None,
                };
                RedactLine::Mask(self.raw(&first), keep)
            }
            R::redact_truncate => RedactLine::Truncate(self.raw(&first), self.count(k.next()?)?),
            _ => return None,
        })
    }

    fn accept(&mut self, kind: Name, media: Option<Text>, mut k: super::Kids<'_>) -> Option<AcceptSpec> {
        let mut spec = AcceptSpec {
            kind,
            media,
            max: None,
            depth: None,
            strip_unknown: false,
            fields: Vec::new(),
        };
        while let Some(option) = k.opt(R::accept_option) {
            let inner = kids(option).next()?;
            let span = self.span(&inner);
            let (given, what) = match inner.as_rule() {
                R::accept_max => (spec.max.is_some(), "`max`"),
                R::accept_depth => (spec.depth.is_some(), "`depth`"),
                _ => (spec.strip_unknown, "`strip unknown`"),
            };
            if given {
                self.twice(span, what);
            }
            match inner.as_rule() {
                R::accept_max => spec.max = Some(self.size(kids(inner).next()?)?),
                R::accept_depth => spec.depth = Some(self.count(kids(inner).next()?)?),
                _ => spec.strip_unknown = true,
            }
        }
        spec.fields = k.filter_map(|field| self.accept_field(field)).collect();
        Some(spec)
    }

    fn accept_field(&mut self, pair: Pair<'_, R>) -> Option<AcceptField> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let path = self.raw(&k.next()?);
        let optional = k.opt(R::optional).is_some();
        let ty = self.raw(&k.next()?);
        let nullable = k.opt(R::nullable).is_some();
        let limits = self.each_spanned(k, Build::field_limit);
        Some(AcceptField {
            span,
            path,
            optional,
            ty,
            nullable,
            limits,
        })
    }

    fn field_limit(&mut self, pair: Pair<'_, R>) -> Option<FieldLimit> {
        let (kind, mut k) = inner(pair)?;
        let first = k.next()?;
        Some(match kind {
            R::limit_range => FieldLimit::Range(first.as_str().to_owned(), k.next()?.as_str().to_owned()),
            R::limit_min => FieldLimit::Min(first.as_str().to_owned()),
            R::limit_max => FieldLimit::Max(first.as_str().to_owned()),
            R::limit_in => FieldLimit::In(self.literals(first)),
            R::limit_matches => FieldLimit::Matches(self.regex(first)?),
            R::limit_items => FieldLimit::Items(self.count(first)?, self.count(k.next()?)?),
            R::limit_keys => FieldLimit::Keys(self.count(first)?),
            R::limit_separated => FieldLimit::Separated(self.text(first)?),
            _ => return None,
        })
    }
}
