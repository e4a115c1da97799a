//! Tokens -> AST for the statements that fill large policies: plain `allow` and `deny` rules, networks, principals
//! and conditions. The general way through the grammar costs some twenty times as much.
//!
//! Contract: what is built here is what the grammar and the builder build, spans included, and it is built only
//! where they would not complain. Everything else is `None` and goes the general way; so this module makes no
//! complaints, and in doubt it declines. The tests read every text both ways.

use std::ops::Range;

use super::RESERVED;
use super::cut::Stream;
use super::scan::{Kind, Token, doc_before};
use crate::ast::*;
use crate::source::{FileId, Span, Spanned};

/// Builds a statement from its tokens, or declines.
pub(super) type Quick<T> = fn(Source<'_>, Range<usize>) -> Option<T>;

/// Where the tokens are.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) file: FileId,
    pub(super) stream: Stream<'t>,
    pub(super) comments: &'t [Spanned<String>],
}

/// Always declines.
pub(super) fn never<T>(_: Source<'_>, _: Range<usize>) -> Option<T> {
    None
}

/// A declaration without statements of its own.
pub(super) fn declaration(source: Source<'_>, chunk: Range<usize>) -> Option<Item> {
    let mut c = Cursor::new(source, chunk)?;
    let word = c.word()?;
    if !matches!(word, "network" | "principal" | "condition") {
        return None;
    }
    let name = c.name()?;
    c.sign("=")?;
    let decl = match word {
        "network" => Decl::Network(name, c.separated(Cursor::net)?),
        "principal" => Decl::Principal(name, c.condition()?),
        _ => Decl::Condition(name, c.condition()?),
    };
    let span = c.finish()?;
    Some(Item {
        doc: c.doc(span),
        span,
        decl,
    })
}

/// A statement of a service or guard.
pub(super) fn statement(source: Source<'_>, chunk: Range<usize>) -> Option<Spanned<Statement>> {
    let (span, node) = match source.stream.word(chunk.start) {
        "allow" | "deny" => {
            let mut c = Cursor::new(source, chunk)?;
            let mut rule = c.rule()?;
            let span = c.finish()?;
            rule.doc = c.doc(span);
            (span, Statement::Rule(Box::new(rule)))
        }
        "principal" | "condition" => {
            let item = declaration(source, chunk)?;
            (item.span, Statement::Local(Box::new(item)))
        }
        _ => return None,
    };
    Some(Spanned { node, span })
}

struct Cursor<'t> {
    source: Source<'t>,
    at: usize,
    end: usize,
    start: u32,
}

impl<'t> Cursor<'t> {
    /// Comments among the tokens are left to the grammar, whose spans may reach over them.
    fn new(source: Source<'t>, chunk: Range<usize>) -> Option<Cursor<'t>> {
        let start = source.stream.get(chunk.start)?.start;
        let end = source.stream.get(chunk.end.checked_sub(1)?)?.end;
        let next = source.comments.partition_point(|c| c.span.start < start);
        if source.comments.get(next).is_some_and(|c| c.span.start < end) {
            return None;
        }
        Some(Cursor {
            source,
            at: chunk.start,
            end: chunk.end,
            start,
        })
    }

    /// The closing `;`, and the span of it all.
    fn finish(&mut self) -> Option<Span> {
        self.take(Kind::Semi)?;
        (self.at == self.end).then(|| self.since(self.start))
    }

    fn doc(&self, span: Span) -> Option<String> {
        doc_before(self.source.stream.text, self.source.comments, span.start)
    }

    // ---- tokens

    fn peek(&self) -> Option<Token> {
        self.source.stream.get(self.at).filter(|_| self.at < self.end)
    }

    fn take(&mut self, kind: Kind) -> Option<Token> {
        let token = self.peek().filter(|t| t.kind == kind)?;
        self.at += 1;
        Some(token)
    }

    fn str(&self, token: Token) -> &'t str {
        self.source.stream.str(token)
    }

    fn span(&self, token: Token) -> Span {
        self.between(token.start, token.end)
    }

    fn between(&self, start: u32, end: u32) -> Span {
        Span {
            file: self.source.file,
            start,
            end,
        }
    }

    /// From a byte to the end of the last token taken.
    fn since(&self, start: u32) -> Span {
        let last = self.at.checked_sub(1).and_then(|at| self.source.stream.get(at));
        self.between(start, last.map_or(start, |t| t.end))
    }

    fn here(&self) -> Option<u32> {
        self.peek().map(|t| t.start)
    }

    /// Whether the next token follows the last one without a gap.
    fn touches(&self) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.source.stream.get(at));
        match (last, self.peek()) {
            (Some(last), Some(next)) => last.end == next.start,
            _ => false,
        }
    }

    /// A word; a slash right behind it is the grammar's business.
    fn word_token(&mut self) -> Option<Token> {
        let token = self.take(Kind::Word)?;
        let next = self.source.stream.text.as_bytes().get(token.end as usize);
        (next != Some(&b'/')).then_some(token)
    }

    fn word(&mut self) -> Option<&'t str> {
        self.word_token().map(|t| self.str(t))
    }

    fn next_word(&self) -> Option<&'t str> {
        self.peek().filter(|t| t.kind == Kind::Word).map(|t| self.str(t))
    }

    /// Takes a word if it comes next.
    fn keyword(&mut self, word: &str) -> Option<Token> {
        if self.next_word() != Some(word) {
            return None;
        }
        self.word_token()
    }

    fn next_sign(&self, sign: &str) -> bool {
        self.peek()
            .is_some_and(|t| t.kind == Kind::Sign && self.str(t) == sign)
    }

    fn sign(&mut self, sign: &str) -> Option<Token> {
        if self.next_sign(sign) {
            self.take(Kind::Sign)
        } else {
            None
        }
    }

    fn separated<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut out = vec![one(self)?];
        while self.take(Kind::Comma).is_some() {
            out.push(one(self)?);
        }
        Some(out)
    }

    fn raw(&self, token: Token) -> Spanned<String> {
        Spanned {
            node: self.str(token).to_owned(),
            span: self.span(token),
        }
    }

    // ---- leaves

    fn is_name(word: &str) -> bool {
        !word.starts_with(|c: char| c.is_ascii_digit()) && RESERVED.binary_search(&word).is_err()
    }

    fn name(&mut self) -> Option<Name> {
        let token = self.word_token()?;
        Self::is_name(self.str(token)).then(|| self.raw(token))
    }

    /// A string that is closed and has no escapes.
    fn text(&mut self) -> Option<Text> {
        let token = self.take(Kind::String)?;
        let inner = self.str(token).strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains('\\')).then(|| Spanned {
            node: inner.to_owned(),
            span: self.span(token),
        })
    }

    fn regex(&mut self) -> Option<Text> {
        let token = self.take(Kind::Regex)?;
        let inner = self.str(token).strip_prefix('\'')?.strip_suffix('\'')?;
        Some(Spanned {
            node: inner.to_owned(),
            span: self.span(token),
        })
    }

    /// An address with or without a prefix length: tokens without gaps.
    fn net(&mut self) -> Option<Spanned<String>> {
        let start = self.here()?;
        while matches!(self.peek()?.kind, Kind::Word | Kind::Sign) {
            self.at += 1;
            if !self.touches() {
                break;
            }
        }
        let span = self.since(start);
        let text = self.source.stream.text.get(start as usize..span.end as usize)?;
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let hex = |b: u8| b.is_ascii_hexdigit() || b == b':';
        let fine = address.bytes().next().is_some_and(hex)
            && address.bytes().all(|b| hex(b) || b == b'.')
            && prefix.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        fine.then(|| Spanned {
            node: text.to_owned(),
            span,
        })
    }

    // ---- rules

    fn rule(&mut self) -> Option<Rule> {
        let verb = self.word_token()?;
        let allow = self.str(verb) == "allow";
        let mut principals = vec![self.principal()?];
        while self.keyword("or").is_some() {
            principals.push(self.principal()?);
        }
        self.keyword("to")?;
        let targets = self.separated(Cursor::target)?;
        let span = self.span(verb);
        let mut rule = Rule {
            doc: None,
            report: false,
            verb: Spanned {
                node: if allow { Verb::Allow } else { Verb::Deny },
                span,
            },
            principals,
            targets,
            with: Vec::new(),
            when: None,
            unless: None,
            because: None,
            respond: None,
            name: None,
            body: None,
            head: span,
        };
        while let Some(clause) = self.next_word() {
            self.at += 1;
            match clause {
                "with" if allow && rule.with.is_empty() => {
                    let scopes = self.scopes()?;
                    rule.with.push(scopes);
                }
                "when" if rule.when.is_none() => rule.when = Some(self.condition()?),
                "unless" if rule.unless.is_none() => rule.unless = Some(self.condition()?),
                "because" if !allow && rule.because.is_none() => rule.because = Some(self.text()?),
                "as" if rule.name.is_none() => rule.name = Some(self.name()?),
                _ => return None,
            }
        }
        rule.head = self.since(span.start);
        Some(rule)
    }

    fn principal(&mut self) -> Option<Name> {
        match self.keyword("anyone") {
            Some(token) => Some(self.raw(token)),
            None => self.name(),
        }
    }

    fn scopes(&mut self) -> Option<Spanned<Requirement>> {
        let start = self.keyword("scope")?.start;
        let node = Requirement::Scope(self.separated(Cursor::text)?);
        Some(Spanned {
            node,
            span: self.since(start),
        })
    }

    fn target(&mut self) -> Option<Target> {
        let start = self.here()?;
        let mut methods = vec![self.method()?];
        while self.sign("|").is_some() {
            methods.push(self.method()?);
        }
        let path = self.take(Kind::Path)?;
        let path = Spanned {
            node: Path {
                text: self.str(path).to_owned(),
                quoted: false,
            },
            span: self.span(path),
        };
        Some(Target {
            span: self.since(start),
            kind: TargetExpr::Path(methods, path),
        })
    }

    fn method(&mut self) -> Option<Name> {
        let token = self.word_token()?;
        let word = self.str(token);
        let upper = |b: u8| b.is_ascii_uppercase();
        let fine = word == "any"
            || (word.bytes().next().is_some_and(upper)
                && word.bytes().all(|b| upper(b) || b.is_ascii_digit() || b == b'_'));
        fine.then(|| self.raw(token))
    }

    // ---- conditions; parentheses nest no deeper than the scan allows

    fn condition(&mut self) -> Option<Expr> {
        self.chain(
            "or",
            |c| c.chain("and", Cursor::negated, ExprKind::And),
            ExprKind::Or,
        )
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Option<Expr>,
        kind: fn(Vec<Expr>) -> ExprKind,
    ) -> Option<Expr> {
        let first = part(self)?;
        if self.next_word() != Some(word) {
            return Some(first);
        }
        let start = first.span.start;
        let mut parts = vec![first];
        while self.keyword(word).is_some() {
            parts.push(part(self)?);
        }
        Some(Expr {
            span: self.since(start),
            kind: kind(parts),
        })
    }

    fn negated(&mut self) -> Option<Expr> {
        let mut starts = Vec::new();
        while let Some(not) = self.keyword("not") {
            starts.push(not.start);
        }
        let mut expr = self.atom()?;
        for start in starts.into_iter().rev() {
            expr = Expr {
                span: self.since(start),
                kind: ExprKind::Not(Box::new(expr)),
            };
        }
        Some(expr)
    }

    fn atom(&mut self) -> Option<Expr> {
        let start = self.here()?;
        let kind = if self.take(Kind::Open(b'(')).is_some() {
            let inner = self.condition()?;
            self.take(Kind::Close(b')'))?;
            ExprKind::Paren(Box::new(inner))
        } else if self.keyword("exists").is_some() {
            ExprKind::Exists(self.fact()?)
        } else if self.peek()?.kind == Kind::String {
            let left = OperandExpr::Literal(self.literal()?);
            self.test(left)?
        } else {
            self.about_fact()?
        };
        Some(Expr {
            span: self.since(start),
            kind,
        })
    }

    fn about_fact(&mut self) -> Option<ExprKind> {
        let first = self.peek()?;
        let fact = self.fact()?;
        if fact.parts.len() == 1
            && matches!(self.str(first), "token" | "key" | "peer")
            && self.keyword("from").is_some()
        {
            return Some(ExprKind::From(self.raw(first), self.name()?));
        }
        Some(match self.next_word() {
            Some("has") => {
                self.at += 1;
                let any = match self.word()? {
                    "any" => true,
                    "all" => false,
                    _ => return None,
                };
                match self.literal()?.node {
                    Literal::List(items) => ExprKind::Has(fact, any, items),
                    _ => return None,
                }
            }
            Some("like") => {
                self.at += 1;
                ExprKind::Like(fact, self.text()?)
            }
            Some("matches") => {
                self.at += 1;
                ExprKind::Matches(fact, self.regex()?)
            }
            Some("in") => self.test(OperandExpr::Fact(fact))?,
            _ if self.peek()?.kind == Kind::Sign => self.test(OperandExpr::Fact(fact))?,
            _ => ExprKind::Name(fact),
        })
    }

    /// A comparison, or `in`.
    fn test(&mut self, left: OperandExpr) -> Option<ExprKind> {
        if self.keyword("in").is_some() {
            return Some(ExprKind::In(left, self.operand()?));
        }
        let op = self.peek().filter(|t| t.kind == Kind::Sign)?;
        self.at += 1;
        if self.touches() && self.next_sign("=") {
            self.at += 1;
        }
        let span = self.since(op.start);
        let node = self
            .source
            .stream
            .text
            .get(span.start as usize..span.end as usize)?;
        if !matches!(node, "==" | "!=" | "<=" | ">=" | "<" | ">") {
            return None;
        }
        let op = Spanned {
            node: node.to_owned(),
            span,
        };
        let right = self.operand()?;
        if self.next_word() == Some("ignore") {
            return None;
        }
        Some(ExprKind::Compare(left, op, right, false))
    }

    fn operand(&mut self) -> Option<OperandExpr> {
        let token = self.peek()?;
        let literal = match token.kind {
            Kind::Word => {
                let word = self.str(token);
                matches!(word, "true" | "false") || word.starts_with(|c: char| c.is_ascii_digit())
            }
            _ => true,
        };
        if literal {
            self.literal().map(OperandExpr::Literal)
        } else {
            self.fact().map(OperandExpr::Fact)
        }
    }

    fn literal(&mut self) -> Option<Spanned<Literal>> {
        let token = self.peek()?;
        let node = match token.kind {
            Kind::String => Literal::String(self.text()?.node),
            Kind::Open(b'[') => {
                self.at += 1;
                let mut items = Vec::new();
                while self.take(Kind::Close(b']')).is_none() {
                    items.push(self.literal()?);
                    if self.take(Kind::Comma).is_none() {
                        self.take(Kind::Close(b']'))?;
                        break;
                    }
                }
                Literal::List(items)
            }
            Kind::Word => {
                let word = self.word()?;
                if matches!(word, "true" | "false") {
                    Literal::Bool(word == "true")
                } else if word.bytes().all(|b| b.is_ascii_digit()) && !self.number_goes_on() {
                    Literal::Int(word.to_owned())
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        Some(Spanned {
            node,
            span: self.since(token.start),
        })
    }

    /// Fractions, instants and percentages are the grammar's business.
    fn number_goes_on(&self) -> bool {
        self.touches() && self.peek().is_some_and(|t| t.kind == Kind::Sign)
    }

    /// Names with dots and text indices, without gaps.
    fn fact(&mut self) -> Option<FactRef> {
        let head = self.take(Kind::Word)?;
        let word = self.str(head);
        if word != "anyone" && !Self::is_name(word) {
            return None;
        }
        let mut parts = vec![FactPart::Name(self.raw(head))];
        while self.touches() {
            if self.sign(".").is_some() {
                let part = self.peek().filter(|t| self.touches() && t.kind == Kind::Word)?;
                if self.str(part).starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                self.at += 1;
                parts.push(FactPart::Name(self.raw(part)));
            } else if self.take(Kind::Open(b'[')).is_some() {
                if !self.touches() {
                    return None;
                }
                parts.push(FactPart::Index(self.text()?));
                if !self.touches() {
                    return None;
                }
                self.take(Kind::Close(b']'))?;
            } else {
                break;
            }
        }
        // A slash may follow a fact in the grammar, but no statement here has one.
        Some(FactRef {
            span: self.since(head.start),
            parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::scan::scan;

    const FILE: FileId = FileId(0);

    fn taken(text: &str) -> bool {
        let scan = scan(FILE, text);
        let source = Source {
            file: FILE,
            stream: Stream {
                text,
                tokens: &scan.tokens,
            },
            comments: &scan.comments,
        };
        let all = 0..scan.tokens.len();
        statement(source, all.clone()).is_some() || declaration(source, all).is_some()
    }

    /// That what is taken is read right, the tests of whole texts show.
    #[test]
    fn plain_statements_are_taken() {
        for text in [
            "allow caller to GET /v1/tenants/{tenant}/orders-3/{id} with scope \"orders:read\", \"x:y\" when client.ip in net_17;",
            "allow a or b to GET|HEAD /a/*, any /b/{n:'x}y'}/** as r unless token.roles has any [\"g\", \"h\",];",
            "deny anyone to POST /x when not (a and exists token.sub or token from corp) because \"no\";",
            "deny anyone to any /x when request.header[\"x-a\"] == \"b\" and path.n > 3;",
            "network office = 10.0.0.0/8, 2001:db8::/32, ::1;",
            "principal caller = token from corp and token.plan in [\"a\", \"b\"];",
            "condition c = \"a\" in token.roles and request.port != 443 and x like \"a*\" and y matches 'a|b';",
        ] {
            assert!(taken(text), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_mistake_is_left_to_the_grammar() {
        for text in [
            "allow caller to GET /x",
            "allow caller to GET /x; allow caller to GET /y;",
            "allow when to GET /x;",
            "allow caller to get /x;",
            "allow caller to GET /x # why\n;",
            "allow caller to GET /x when a when b;",
            "allow caller to GET /x because \"no\";",
            "deny anyone to GET /x because \"\\q\";",
            "deny anyone to GET /x when a == 1.5;",
            "deny anyone to GET /x when now < 2026-01-01T00:00:00Z;",
            "deny anyone to GET /x when client.ip in 10% of \"x\";",
            "deny anyone to GET /x when a . b;",
            "deny anyone to GET /x when a == b ignore case;",
            "network n = 10.0.0.0/;",
            "network n = ten;",
        ] {
            assert!(!taken(text), "{text}");
        }
    }
}
