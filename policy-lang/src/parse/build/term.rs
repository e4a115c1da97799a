//! Names, literals, facts, conditions, paths, targets and quotas.

use pest::iterators::Pair;

use super::{Build, Kids, inner, joined, kids, maybe};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::parse::Rule;
use crate::source::{Span, Spanned};

impl Build<'_> {
    pub(super) fn name(&mut self, pair: Pair<'_, Rule>) -> Option<Name> {
        Some(self.raw(&pair))
    }

    /// A string literal, escapes undone.
    pub(super) fn text(&mut self, pair: Pair<'_, Rule>) -> Option<Text> {
        let raw = pair.as_str();
        let inner = raw.strip_prefix('"').and_then(|t| t.strip_suffix('"'))?;
        let span = self.span(&pair);
        let node = self.unescape(inner, span);
        Some(Spanned { node, span })
    }

    fn unescape(&mut self, inner: &str, span: Span) -> String {
        let mut out = String::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(at) = rest.find('\\') {
            out.push_str(rest.get(..at).unwrap_or(""));
            let escape = rest.get(at..).unwrap_or("");
            let (c, length) = match escape.as_bytes().get(1) {
                Some(b'"') => (Some('"'), 2),
                Some(b'\\') => (Some('\\'), 2),
                Some(b'n') => (Some('\n'), 2),
                Some(b'r') => (Some('\r'), 2),
                Some(b't') => (Some('\t'), 2),
                Some(b'u') => unicode(escape),
                _ => (None, 1 + escape.chars().nth(1).map_or(0, char::len_utf8)),
            };
            match c {
                Some(c) => out.push(c),
                None => {
                    let start = span.start + 1 + (inner.len() - rest.len() + at) as u32;
                    let place = Span {
                        start,
                        end: start + length as u32,
                        ..span
                    };
                    let shown = escape.get(..length).unwrap_or("\\");
                    self.complain(
                        Diagnostic::error("G0007", place, format!("unknown escape `{shown}`"))
                            .help("escapes are `\\\"` `\\\\` `\\n` `\\r` `\\t` and `\\u{..}`"),
                    );
                }
            }
            rest = escape.get(length..).unwrap_or("");
        }
        out.push_str(rest);
        out
    }

    /// A regex, quotes removed.
    pub(super) fn regex(&mut self, pair: Pair<'_, Rule>) -> Option<Text> {
        let inner = pair.as_str().strip_prefix('\'')?.strip_suffix('\'')?.to_owned();
        Some(self.spanned(&pair, inner))
    }

    pub(super) fn texts(&mut self, pair: Pair<'_, Rule>) -> Vec<Text> {
        self.each(pair, Build::text)
    }

    pub(super) fn duration(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<Duration>> {
        let text = pair.as_str();
        let split = text.find(|c: char| !c.is_ascii_digit())?;
        let unit: i64 = match text.get(split..)? {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return None,
        };
        // Digits only: what does not fit is too large, and saturates.
        let count = text.get(..split)?.parse::<i64>().unwrap_or(i64::MAX);
        let node = Duration {
            us: count.saturating_mul(unit),
            text: text.to_owned(),
        };
        Some(self.spanned(&pair, node))
    }

    pub(super) fn size(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<Size>> {
        let text = pair.as_str();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit: u64 = match text.get(split..)? {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        let count = text.get(..split)?.parse::<u64>().unwrap_or(u64::MAX);
        let node = Size {
            bytes: count.saturating_mul(unit),
            text: text.to_owned(),
        };
        Some(self.spanned(&pair, node))
    }

    /// A number of a type that the tree holds as a number; too large is a mistake.
    pub(super) fn count<T: std::str::FromStr>(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<T>> {
        let span = self.span(&pair);
        let text = pair.as_str();
        let canonical = text == "0" || !text.starts_with('0');
        if let (true, Ok(node)) = (canonical, text.parse()) {
            return Some(Spanned { node, span });
        }
        let message = if canonical {
            "number out of range"
        } else {
            "number with leading zeros"
        };
        self.complain(
            Diagnostic::error("G0015", span, format!("{message}: `{text}`")).help("write it in plain digits"),
        );
        None
    }

    pub(super) fn literal(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<Literal>> {
        let span = self.span(&pair);
        let inner = kids(pair).next()?;
        let raw = inner.as_str();
        let node = match inner.as_rule() {
            Rule::instant => Literal::Instant(raw.to_owned()),
            Rule::duration => Literal::Duration(self.duration(inner)?.node),
            Rule::number => Literal::Number(raw.to_owned()),
            Rule::int => Literal::Int(raw.to_owned()),
            Rule::boolean => Literal::Bool(raw == "true"),
            Rule::string => Literal::String(self.text(inner)?.node),
            Rule::literal_list => Literal::List(self.each(inner, Build::literal)),
            _ => return None,
        };
        Some(Spanned { node, span })
    }

    pub(super) fn literals(&mut self, pair: Pair<'_, Rule>) -> Vec<Spanned<Literal>> {
        self.each(pair, Build::literal)
    }

    pub(super) fn fact(&mut self, pair: Pair<'_, Rule>) -> Option<FactRef> {
        let span = self.span(&pair);
        let parts = self.each(pair, |b, part| {
            Some(match part.as_rule() {
                Rule::fact_head | Rule::word_part => FactPart::Name(b.raw(&part)),
                Rule::string => FactPart::Index(b.text(part)?),
                // Depth is bounded by the brackets, which the scan has counted.
                Rule::fact => FactPart::IndexFact(Box::new(b.fact(part)?)),
                _ => return None,
            })
        });
        Some(FactRef { span, parts })
    }

    pub(super) fn operand(&mut self, pair: Pair<'_, Rule>) -> Option<OperandExpr> {
        let inner = kids(pair).next()?;
        match inner.as_rule() {
            Rule::literal => Some(OperandExpr::Literal(self.literal(inner)?)),
            _ => Some(OperandExpr::Fact(self.fact(inner)?)),
        }
    }

    pub(super) fn condition(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.chain(pair, Build::and_chain, ExprKind::Or)
    }

    fn and_chain(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        self.chain(pair, Build::negated, ExprKind::And)
    }

    fn chain(
        &mut self,
        pair: Pair<'_, Rule>,
        part: fn(&mut Self, Pair<'_, Rule>) -> Option<Expr>,
        kind: fn(Vec<Expr>) -> ExprKind,
    ) -> Option<Expr> {
        let span = self.span(&pair);
        let mut parts = kids(pair)
            .map(|kid| part(self, kid))
            .collect::<Option<Vec<_>>>()?;
        if parts.len() == 1 {
            parts.pop()
        } else {
            Some(Expr {
                span,
                kind: kind(parts),
            })
        }
    }

    fn negated(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let whole = self.span(&pair);
        let mut k = kids(pair);
        let mut starts = Vec::new();
        while let Some(not) = k.opt(Rule::negation) {
            starts.push(self.span(&not).start);
        }
        let mut expr = self.atom(k.next()?)?;
        for start in starts.into_iter().rev() {
            expr = Expr {
                span: Span { start, ..whole },
                kind: ExprKind::Not(Box::new(expr)),
            };
        }
        Some(expr)
    }

    fn atom(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut k = kids(pair);
        let first = k.next()?;
        let kind = match rule {
            Rule::paren => ExprKind::Paren(Box::new(self.condition(first)?)),
            Rule::exists => ExprKind::Exists(self.fact(first)?),
            Rule::signed => ExprKind::SignedBy(self.name(first)?),
            Rule::anchor => ExprKind::From(self.name(first)?, self.name(k.next()?)?),
            Rule::literal_test => {
                let left = OperandExpr::Literal(self.literal(first)?);
                self.test(left, k.next()?)?
            }
            Rule::fact_test => {
                let fact = self.fact(first)?;
                match k.next() {
                    None => ExprKind::Name(fact),
                    Some(tail) => self.fact_test(fact, tail)?,
                }
            }
            _ => return None,
        };
        Some(Expr { span, kind })
    }

    fn test(&mut self, left: OperandExpr, tail: Pair<'_, Rule>) -> Option<ExprKind> {
        let rule = tail.as_rule();
        let mut k = kids(tail);
        if rule == Rule::member {
            return Some(ExprKind::In(left, self.operand(k.next()?)?));
        }
        let op = self.raw(&k.next()?);
        let right = self.operand(k.next()?)?;
        Some(ExprKind::Compare(
            left,
            op,
            right,
            k.opt(Rule::ignore_case).is_some(),
        ))
    }

    fn fact_test(&mut self, fact: FactRef, tail: Pair<'_, Rule>) -> Option<ExprKind> {
        let rule = tail.as_rule();
        if matches!(rule, Rule::compare | Rule::member) {
            return self.test(OperandExpr::Fact(fact), tail);
        }
        let mut k = kids(tail);
        let first = k.next()?;
        Some(match rule {
            Rule::sample => ExprKind::Sample(fact, self.raw(&first), self.text(k.next()?)?),
            Rule::has => {
                let any = first.as_rule() == Rule::has_any;
                ExprKind::Has(fact, any, self.literals(k.next()?))
            }
            Rule::like => ExprKind::Like(fact, self.text(first)?),
            Rule::matches => ExprKind::Matches(fact, self.regex(first)?),
            _ => return None,
        })
    }

    pub(super) fn path(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<Path>> {
        let span = self.span(&pair);
        let inner = kids(pair).next()?;
        let quoted = inner.as_rule() == Rule::string;
        let text = if quoted {
            self.text(inner)?.node
        } else {
            inner.as_str().to_owned()
        };
        Some(Spanned {
            node: Path { text, quoted },
            span,
        })
    }

    pub(super) fn targets(&mut self, pair: Pair<'_, Rule>) -> Vec<Target> {
        self.each(pair, Build::target)
    }

    fn target(&mut self, pair: Pair<'_, Rule>) -> Option<Target> {
        let span = self.span(&pair);
        let (rule, mut k) = inner(pair)?;
        let first = k.next()?;
        let kind = match rule {
            Rule::websocket => TargetExpr::WebSocket(self.path(first)?),
            Rule::grpc => TargetExpr::Grpc(self.raw(&first)),
            Rule::operation => TargetExpr::Operation(self.raw(&first), joined(k)),
            Rule::no_path => TargetExpr::NoPath(self.raw(&first)),
            Rule::path_target => TargetExpr::Path(Vec::new(), self.path(first)?),
            Rule::routes_target => TargetExpr::Routes(Vec::new(), self.raw(&first)),
            Rule::addressed => {
                let methods = self.each(first, Build::name);
                let to = k.next()?;
                match to.as_rule() {
                    Rule::path => TargetExpr::Path(methods, self.path(to)?),
                    _ => TargetExpr::Routes(methods, self.raw(&to)),
                }
            }
            _ => return None,
        };
        Some(Target { span, kind })
    }

    pub(super) fn amount(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<AmountExpr>> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let first = k.next()?;
        let node = match first.as_rule() {
            Rule::fact => {
                let most = k.next().map(|p| self.raw(&p));
                AmountExpr::Fact(self.fact(first)?, most)
            }
            _ => AmountExpr::Int(first.as_str().to_owned()),
        };
        Some(Spanned { node, span })
    }

    pub(super) fn key_list(&mut self, pair: Pair<'_, Rule>) -> Vec<KeyExpr> {
        self.each(pair, |b, key| {
            let facts = b.each(key, |b, part| {
                let mut k = kids(part);
                let fact = b.fact(k.next()?)?;
                let prefix = maybe(k.next(), |bits| b.count(bits))?;
                Some((fact, prefix))
            });
            Some(KeyExpr { facts })
        })
    }

    pub(super) fn quota_spec(&mut self, pair: Pair<'_, Rule>) -> Option<QuotaSpec> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let (limit, period) = self.rate(k.next()?)?;
        let by = self.key_list(k.next()?);
        let mut quota = QuotaSpec {
            span,
            limit,
            period,
            by,
            cost: None,
            shared: false,
            on_store_failure: None,
            counting_denied: false,
        };
        for option in k {
            self.quota_option(&mut quota, option)?;
        }
        Some(quota)
    }

    fn rate(&mut self, pair: Pair<'_, Rule>) -> Option<(Spanned<AmountExpr>, PeriodExpr)> {
        let in_flight = pair.as_rule() == Rule::in_flight;
        let mut k: Kids<'_> = kids(pair);
        let limit = self.amount(k.next()?)?;
        if in_flight {
            return Some((limit, PeriodExpr::InFlight));
        }
        let period = k.next()?;
        let calendar = period.as_rule() == Rule::calendar;
        let mut k = kids(period);
        let first = k.next()?;
        let period = if calendar {
            PeriodExpr::Calendar(self.raw(&first), self.text(k.next()?)?)
        } else {
            PeriodExpr::Per(self.duration(first)?, k.next().map(|p| self.raw(&p)))
        };
        Some((limit, period))
    }

    fn quota_option(&mut self, quota: &mut QuotaSpec, pair: Pair<'_, Rule>) -> Option<()> {
        let option = kids(pair).next()?;
        let span = self.span(&option);
        let rule = option.as_rule();
        let (given, what) = match rule {
            Rule::cost => (quota.cost.is_some(), "`cost`"),
            Rule::shared => (quota.shared, "`shared`"),
            Rule::store_failure => (quota.on_store_failure.is_some(), "`on store failure`"),
            _ => (quota.counting_denied, "`counting denied`"),
        };
        if given {
            self.twice(span, what);
        }
        let mut k = kids(option);
        match rule {
            Rule::cost => quota.cost = Some(self.amount(k.next()?)?),
            Rule::shared => quota.shared = true,
            Rule::store_failure => quota.on_store_failure = Some(self.raw(&k.next()?)),
            _ => quota.counting_denied = true,
        }
        Some(())
    }
}

/// `\u{1F600}`: the character, and how long the escape is.
fn unicode(escape: &str) -> (Option<char>, usize) {
    let Some(inner) = escape.strip_prefix("\\u{") else {
        return (None, 2);
    };
    let Some(end) = inner.find('}') else {
        return (None, 2);
    };
    let hex = inner.get(..end).unwrap_or("");
    let digits = (1..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let c = if digits {
        u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
    } else {
        None
    };
    (c, end + 4)
}
