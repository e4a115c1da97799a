//! Condition trees -> conditions over typed facts, named ones expanded within bounds.

use super::canonical::Test;
use super::cx::{Captures, Cx, Env, sort_dedup};
use super::facts::single;
use super::limits::{MAX_CONDITION_ATOMS, MAX_CONDITION_DEPTH};
use super::literals::{self, glob, percentage, regex, type_word};
use super::names::{Entry, Kind, Node};
use crate::ast::{Expr, ExprKind, FactRef, Literal, Name, OperandExpr};
use crate::model::{
    Anchor, Atom, Comparison, Cond, CredentialKind, Fact, HoursId, IssuerId, KeySetId, ListId, NetworkId,
    Operand, PeerSetId, SignatureId, Type, Value,
};
use crate::source::{Span, Spanned};
use std::collections::BTreeSet;

/// How far one expansion went.
#[derive(Default)]
pub(super) struct Expansion {
    atoms: usize,
    depth: usize,
    stopped: bool,
    /// Kinds of credential that the atoms read, those too that `anyone` beside them makes irrelevant.
    pub(super) reads: BTreeSet<CredentialKind>,
}

impl<'a> Cx<'a> {
    /// One whole condition; `None` where something was reported.
    pub(super) fn condition(&self, env: Env<'_>, expr: &Expr) -> Option<Cond> {
        self.expand(env, expr, &mut Expansion::default())
    }

    /// As [`Cx::condition`], sharing the bounds of a rule.
    pub(super) fn expand(&self, env: Env<'_>, expr: &Expr, state: &mut Expansion) -> Option<Cond> {
        if state.stopped {
            return None;
        }
        if state.depth >= MAX_CONDITION_DEPTH {
            state.stopped = true;
            return self.report.invalid(
                "G0801",
                expr.span,
                format!(
                    "the condition nests deeper than {MAX_CONDITION_DEPTH} levels with its names expanded"
                ),
                "flatten it",
            );
        }
        state.depth += 1;
        let cond = self.expand_inner(env, expr, state);
        state.depth -= 1;
        cond
    }

    fn expand_inner(&self, env: Env<'_>, expr: &Expr, state: &mut Expansion) -> Option<Cond> {
        match &expr.kind {
            ExprKind::Or(parts) => self.expand_all(env, parts, state).map(Cond::any),
            ExprKind::And(parts) => self.expand_all(env, parts, state).map(Cond::all),
            ExprKind::Not(inner) => self.expand(env, inner, state).map(Cond::negate),
            ExprKind::Paren(inner) => self.expand(env, inner, state),
            ExprKind::Name(name) => self.bare(env, name, state),
            _ => {
                self.count(expr.span, state)?;
                let atom = self.atom(env, expr)?;
                state.reads.extend(atom.credentials());
                Some(Cond::Atom(atom))
            }
        }
    }

    /// All parts are looked at, so that one load reports them all.
    fn expand_all(&self, env: Env<'_>, parts: &[Expr], state: &mut Expansion) -> Option<Vec<Cond>> {
        let done: Vec<Option<Cond>> = parts.iter().map(|p| self.expand(env, p, state)).collect();
        done.into_iter().collect()
    }

    fn count(&self, span: Span, state: &mut Expansion) -> Option<()> {
        state.atoms += 1;
        if state.atoms > MAX_CONDITION_ATOMS {
            state.stopped = true;
            return self.report.invalid(
                "G0802",
                span,
                format!(
                    "the rule's condition has more than {MAX_CONDITION_ATOMS} atoms with its names expanded"
                ),
                "use a list, or split the rule",
            );
        }
        Some(())
    }

    /// `anyone`, a condition, a principal, or a bool fact.
    fn bare(&self, env: Env<'_>, reference: &FactRef, state: &mut Expansion) -> Option<Cond> {
        self.count(reference.span, state)?;
        if let Some(name) = single(reference) {
            if name.node == "anyone" {
                return Some(Cond::True);
            }
            match self.names.find(env.scope, &name.node) {
                Some(entry) => {
                    return self.named(env, name, entry, &[Kind::Principal, Kind::Condition], state);
                }
                None if env.response || self.policy.trust.headers.iter().any(|h| h.name == name.node) => {}
                None => {
                    let known = self.names.all(env.scope);
                    let known = known
                        .filter(|e| matches!(e.kind, Kind::Principal | Kind::Condition))
                        .map(|e| e.name);
                    self.report.undeclared(
                        name.span,
                        &name.node,
                        "principal or condition",
                        known.chain(["anyone"]),
                    );
                    return None;
                }
            }
        }
        let (fact, ty) = self.fact_as(env, reference, Type::Bool)?;
        if ty != Type::Bool && !self.is_open(env, &fact) {
            self.mismatch(reference.span, ty, Type::Bool);
            return None;
        }
        state.reads.extend(fact.credential());
        Some(Cond::Atom(Atom::IsTrue(fact)))
    }

    /// A principal in `to`: a name, or `anyone`.
    pub(super) fn principal(&self, env: Env<'_>, name: &Name, state: &mut Expansion) -> Option<Cond> {
        if name.node == "anyone" {
            return Some(Cond::True);
        }
        let entry = self.expect(env.scope, name, &[Kind::Principal])?;
        self.named(env, name, entry, &[Kind::Principal], state)
    }

    fn named(
        &self,
        env: Env<'_>,
        name: &Name,
        entry: Entry<'a>,
        kinds: &[Kind],
        state: &mut Expansion,
    ) -> Option<Cond> {
        let (Node::Cond(expr), true) = (entry.node, kinds.contains(&entry.kind)) else {
            self.expect(env.scope, name, kinds);
            return None;
        };
        self.used.borrow_mut().insert(entry.span);
        if self.cyclic.contains(&entry.span) {
            // It was reported once, with its cycle.
            state.stopped = true;
            return None;
        }
        let inner = Env {
            scope: entry.scope,
            response: false,
            ..env
        };
        self.expand(inner, expr, state)
    }

    /// A capture of a declaration that no rule uses: its type is open, so no comparison can be wrong.
    fn is_open(&self, env: Env<'_>, fact: &Fact) -> bool {
        matches!((env.captures, fact), (Captures::Any, Fact::Capture { .. }))
    }

    /// A literal that a fact of a type is compared with; an open fact takes integers too.
    fn value_beside(
        &self,
        env: Env<'_>,
        fact: &Fact,
        ty: Type,
        literal: &Spanned<Literal>,
        ignore_case: bool,
    ) -> Option<Value> {
        let integer = self.is_open(env, fact) && matches!(literal.node, Literal::Int(_));
        let value = self.value(literal, if integer { Type::Int } else { ty })?;
        if let Value::String(text) = &value {
            let test = if ignore_case {
                Test::EqualIgnoringCase
            } else {
                Test::Equal
            };
            self.may_be(env, fact, text, literal.span, test)?;
        }
        Some(value)
    }

    fn atom(&self, env: Env<'_>, expr: &Expr) -> Option<Atom> {
        match &expr.kind {
            ExprKind::From(kind, name) => self.anchor(env, kind, name).map(Atom::Anchor),
            ExprKind::SignedBy(name) => {
                let entry = self.expect(env.scope, name, &[Kind::Signature])?;
                Some(Atom::Anchor(Anchor::Signed(SignatureId(entry.index))))
            }
            ExprKind::Exists(reference) => self.exists(env, reference),
            ExprKind::Compare(left, op, right, fold) => {
                self.compare(env, expr.span, (left, op, right), *fold)
            }
            ExprKind::In(left, right) => self.contained(env, expr.span, left, right),
            ExprKind::Sample(reference, percent, name) => {
                let (fact, ty) = self.fact_as(env, reference, Type::String)?;
                let below = self.ok(percent.span, percentage(&percent.node))?;
                if !matches!(ty, Type::String | Type::Int | Type::Ip) {
                    self.operator(expr.span, "in N% of", ty, "strings, integers and addresses");
                    return None;
                }
                Some(Atom::Sample {
                    fact,
                    name: name.node.clone(),
                    below,
                })
            }
            ExprKind::Has(reference, any, elements) => {
                let (fact, ty) = self.fact_as(env, reference, Type::Set)?;
                if ty != Type::Set {
                    self.operator(expr.span, "has", ty, "sets");
                    return None;
                }
                let values = self.strings(elements)?;
                Some(if *any {
                    Atom::HasAny { set: fact, values }
                } else {
                    Atom::HasAll { set: fact, values }
                })
            }
            ExprKind::Like(reference, text) => {
                let fact = self.string(env, reference, "like")?;
                self.ok(text.span, glob(&text.node))?;
                self.may_be(env, &fact, &text.node, text.span, Test::Like)?;
                Some(Atom::Like {
                    fact,
                    glob: text.node.clone(),
                })
            }
            ExprKind::Matches(reference, text) => {
                let fact = self.string(env, reference, "matches")?;
                self.ok(text.span, regex(&text.node))?;
                self.may_be(env, &fact, &text.node, text.span, Test::Matches)?;
                Some(Atom::Matches {
                    fact,
                    regex: text.node.clone(),
                })
            }
            // Handled by the caller; never an atom.
            ExprKind::Or(_)
            | ExprKind::And(_)
            | ExprKind::Not(_)
            | ExprKind::Paren(_)
            | ExprKind::Name(_) => None,
        }
    }

    fn anchor(&self, env: Env<'_>, kind: &Name, name: &Name) -> Option<Anchor> {
        let (wanted, make): (Kind, fn(u32) -> Anchor) = match kind.node.as_str() {
            "token" => (Kind::Issuer, |i| Anchor::Token(IssuerId(i))),
            "key" => (Kind::Keys, |i| Anchor::Key(KeySetId(i))),
            "peer" => (Kind::Peers, |i| Anchor::Peer(PeerSetId(i))),
            other => {
                self.report
                    .undeclared(kind.span, other, "kind of credential", ["token", "key", "peer"]);
                return None;
            }
        };
        if wanted == Kind::Issuer
            && let Some(id) = self.beside_named(env, &name.node)
        {
            return Some(Anchor::Beside(id));
        }
        self.expect(env.scope, name, &[wanted])
            .map(|entry| make(entry.index))
    }

    fn exists(&self, env: Env<'_>, reference: &FactRef) -> Option<Atom> {
        let presented = single(reference).and_then(|name| {
            let beside = self.beside_named(env, &name.node);
            let beside = beside.map(|id| CredentialKind::beside(id.index()));
            beside.or_else(|| CredentialKind::from_code(&name.node))
        });
        match presented {
            Some(kind) => Some(Atom::Presented(kind)),
            None => self.sent(env, reference).map(Atom::Exists),
        }
    }

    fn string(&self, env: Env<'_>, reference: &FactRef, word: &str) -> Option<Fact> {
        let (fact, ty) = self.fact_as(env, reference, Type::String)?;
        if ty == Type::String {
            return Some(fact);
        }
        match (&fact, ty) {
            (Fact::Scopes, _) if word == "like" => self.report.error(
                "G0202",
                reference.span,
                "`like` is not for values of type set",
                "an allow asks for scopes by a glob in its head: `with scope like \"orders:*\"`",
            ),
            (_, Type::Set) => return self.set_operator(reference.span, word, &fact),
            _ => self.operator(reference.span, word, ty, "strings"),
        }
        None
    }

    /// An operator that is for single values, with the one that asks a set.
    fn set_operator<T>(&self, span: Span, word: &str, set: &Fact) -> Option<T> {
        self.report.invalid(
            "G0202",
            span,
            format!("`{word}` is not for values of type set"),
            format!(
                "ask for its elements: `{} has any [\"a\", \"b\"]`",
                self.policy.show(set)
            ),
        )
    }

    fn operator(&self, span: Span, word: &str, found: Type, wanted: &str) {
        self.report.error(
            "G0202",
            span,
            format!("`{word}` is not for values of type {}", type_word(found)),
            format!("it is for {wanted}"),
        );
    }

    fn strings(&self, elements: &[Spanned<Literal>]) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for element in elements {
            if let Value::String(text) = self.value(element, Type::String)? {
                out.push(text);
            }
        }
        sort_dedup(&mut out);
        Some(out)
    }

    fn compare(
        &self,
        env: Env<'_>,
        span: Span,
        (left, op, right): (&OperandExpr, &Spanned<String>, &OperandExpr),
        ignore_case: bool,
    ) -> Option<Atom> {
        let written = match op.node.as_str() {
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            other => {
                return self.report.invalid(
                    "G0202",
                    op.span,
                    format!("`{other}` is not an operator"),
                    "use == != < <= > >=",
                );
            }
        };
        // A literal on the left is turned around: the model has facts on the left.
        let (fact, op_model, other) = match (left, right) {
            (OperandExpr::Fact(fact), other) => (fact, written, other),
            (other, OperandExpr::Fact(fact)) => (fact, mirrored(written), other),
            (OperandExpr::Literal(_), OperandExpr::Literal(_)) => {
                return self.report.invalid(
                    "G0203",
                    span,
                    "this compares two literals",
                    "one side must be a fact",
                );
            }
        };
        let (left, ty) = self.fact_beside(env, fact, other)?;
        if ty == Type::Set {
            let set = self.policy.show(&left);
            return self.report.invalid(
                "G0202",
                span,
                "sets are not compared",
                format!("ask for elements: `\"a\" in {set}`, `{set} has any [..]` or `{set} has all [..]`"),
            );
        }
        let right = match other {
            OperandExpr::Literal(literal) => {
                Operand::Value(self.value_beside(env, &left, ty, literal, ignore_case)?)
            }
            OperandExpr::Fact(reference) => {
                let (right, found) = self.fact_as(env, reference, ty)?;
                if found != ty && !self.is_open(env, &left) && !self.is_open(env, &right) {
                    self.mismatch(reference.span, found, ty);
                    return None;
                }
                Operand::Fact(right)
            }
        };
        let equality = matches!(op_model, Comparison::Equal | Comparison::NotEqual);
        let ordered = matches!(ty, Type::Int | Type::Instant | Type::Duration) || self.is_open(env, &left);
        if !equality && !ordered {
            self.operator(op.span, &op.node, ty, "integers, instants and durations");
            return None;
        }
        if ignore_case && !(equality && ty == Type::String) {
            self.operator(span, "ignore case", ty, "`==` and `!=` of strings");
            return None;
        }
        Some(Atom::Compare {
            left,
            op: op_model,
            right,
            ignore_case,
        })
    }

    fn contained(&self, env: Env<'_>, span: Span, left: &OperandExpr, right: &OperandExpr) -> Option<Atom> {
        match right {
            OperandExpr::Literal(Spanned {
                node: Literal::List(items),
                ..
            }) => self.one_of(env, span, left, items),
            OperandExpr::Literal(literal) => self.report.invalid(
                "G0202",
                literal.span,
                "nothing is in this literal",
                "write a set, list, network, hours or a literal list `[..]` after `in`",
            ),
            OperandExpr::Fact(reference) => {
                let entry = single(reference).and_then(|name| self.names.find(env.scope, &name.node));
                match entry {
                    Some(entry) => self.member_of(env, span, left, reference, entry),
                    None => self.element_of(env, left, reference),
                }
            }
        }
    }

    fn one_of(
        &self,
        env: Env<'_>,
        span: Span,
        left: &OperandExpr,
        items: &[Spanned<Literal>],
    ) -> Option<Atom> {
        let wanted = items.first().and_then(|item| literals::natural_type(&item.node));
        let (fact, ty) = self.left_fact(env, left, wanted)?;
        if !matches!(ty, Type::String | Type::Int) {
            if ty == Type::Set {
                return self.set_operator(span, "in [..]", &fact);
            }
            self.operator(span, "in [..]", ty, "strings and integers");
            return None;
        }
        let values = items
            .iter()
            .map(|item| self.value_beside(env, &fact, ty, item, false));
        let mut values = values.collect::<Option<Vec<_>>>()?;
        sort_dedup(&mut values);
        Some(Atom::OneOf { fact, values })
    }

    fn left_fact(&self, env: Env<'_>, left: &OperandExpr, wanted: Option<Type>) -> Option<(Fact, Type)> {
        match left {
            OperandExpr::Fact(reference) => self.fact_as(env, reference, wanted.unwrap_or(Type::String)),
            OperandExpr::Literal(literal) => self.report.invalid(
                "G0203",
                literal.span,
                "a literal is in it or not, always",
                "name a fact",
            ),
        }
    }

    fn member_of(
        &self,
        env: Env<'_>,
        span: Span,
        left: &OperandExpr,
        reference: &FactRef,
        entry: Entry<'_>,
    ) -> Option<Atom> {
        let id = entry.index;
        let wanted = match entry.kind {
            Kind::Network => Some(Type::Ip),
            Kind::List => self.policy.lists.get(id as usize).map(|list| list.ty),
            _ => None,
        };
        let (fact, ty) = self.left_fact(env, left, wanted)?;
        match entry.kind {
            Kind::Network if ty == Type::Ip => Some(Atom::InNetwork {
                fact,
                network: NetworkId(id),
            }),
            Kind::Hours if fact == Fact::Now => Some(Atom::InHours { hours: HoursId(id) }),
            Kind::List => {
                let list = self.policy.lists.get(entry.index as usize)?;
                if list.ty == ty || self.is_open(env, &fact) {
                    return Some(Atom::InList {
                        fact,
                        list: ListId(id),
                    });
                }
                self.mismatch(span, ty, list.ty);
                None
            }
            Kind::Network => {
                self.operator(span, "in NETWORK", ty, "addresses");
                None
            }
            Kind::Hours => self.report.invalid(
                "G0202",
                span,
                "only `now` is inside hours or not",
                "write `now in NAME`",
            ),
            _ => {
                let name = single(reference)?;
                self.expect(env.scope, name, &[Kind::List, Kind::Network, Kind::Hours]);
                None
            }
        }
    }

    fn element_of(&self, env: Env<'_>, left: &OperandExpr, reference: &FactRef) -> Option<Atom> {
        let (set, ty) = self.fact_as(env, reference, Type::Set)?;
        if ty != Type::Set {
            self.mismatch(reference.span, ty, Type::Set);
            return None;
        }
        let element = match left {
            OperandExpr::Literal(literal) => Operand::Value(self.value(literal, Type::String)?),
            OperandExpr::Fact(left) => Operand::Fact(self.string(env, left, "in SET")?),
        };
        Some(Atom::Contains { set, element })
    }

    /// Checks the declarations that no rule expanded: their mistakes count too.
    pub(super) fn unused_conditions(&self) {
        for entry in self.names.everywhere() {
            let Node::Cond(expr) = entry.node else { continue };
            if !self.used.borrow().contains(&entry.span) && !self.cyclic.contains(&entry.span) {
                let env = Env::new(entry.scope, Captures::Any);
                self.expand(env, expr, &mut Expansion::default());
            }
        }
    }
}

fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}
