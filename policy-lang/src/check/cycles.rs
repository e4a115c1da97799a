//! Named conditions and principals -> those that are defined by themselves, each cycle reported once. A walk without
//! recursion over names: they lead to names as often as the author likes.

use super::cx::Cx;
use super::names::{Entry, Node, ScopeId};
use crate::ast::{Expr, ExprKind};
use crate::source::Span;
use std::collections::HashMap;

/// Names of a cycle that a message spells out: so many from its start, and the last.
const SHOWN_MAX: usize = 4;

/// A name that is being looked at, the names it leads to, and how many of them are done.
struct Open<'a> {
    entry: Entry<'a>,
    next: Vec<Entry<'a>>,
    done: usize,
}

/// By span: where on the way down a name stands; `None` once everything below it is done.
type Seen = HashMap<Span, Option<usize>>;

impl<'a> Cx<'a> {
    /// `G0109` for each cycle. What lies on one is remembered, so that nothing expands it.
    pub(super) fn cycles(&mut self) {
        let mut seen = Seen::new();
        let entries: Vec<Entry<'a>> = self.names.everywhere().copied().collect();
        for entry in entries {
            if !seen.contains_key(&entry.span) {
                self.cycles_from(entry, &mut seen);
            }
        }
    }

    fn cycles_from(&mut self, entry: Entry<'a>, seen: &mut Seen) {
        seen.insert(entry.span, Some(0));
        let mut path = vec![self.open(entry)];
        while let Some(last) = path.last_mut() {
            let Some(next) = last.next.get(last.done).copied() else {
                seen.insert(last.entry.span, None);
                path.pop();
                continue;
            };
            last.done += 1;
            match seen.get(&next.span) {
                None => {
                    seen.insert(next.span, Some(path.len()));
                    path.push(self.open(next));
                }
                Some(None) => {}
                Some(Some(start)) => {
                    let cycle: Vec<Entry<'a>> = path.iter().skip(*start).map(|open| open.entry).collect();
                    self.cycle(&cycle);
                }
            }
        }
    }

    fn cycle(&mut self, cycle: &[Entry<'a>]) {
        let Some(first) = cycle.first() else { return };
        let mut names: Vec<&str> = cycle.iter().take(SHOWN_MAX).map(|entry| entry.name).collect();
        let mut count = String::new();
        if let Some(last) = cycle.last().filter(|_| cycle.len() > SHOWN_MAX) {
            names.extend(["..", last.name]);
            count = format!(", {} names in all", cycle.len());
        }
        names.push(first.name);
        self.report.error(
            "G0109",
            first.span,
            format!(
                "`{}` is defined by itself: {}{count}",
                first.name,
                names.join(" -> ")
            ),
            "write out the condition of one of them",
        );
        self.cyclic.extend(cycle.iter().map(|entry| entry.span));
    }

    /// A name with the conditions and principals that its definition names.
    fn open(&self, entry: Entry<'a>) -> Open<'a> {
        let mut next = Vec::new();
        if let Node::Cond(expr) = entry.node {
            self.names_in(expr, entry.scope, &mut next);
        }
        Open { entry, next, done: 0 }
    }

    /// Recursion is bounded by the parser's nesting limit.
    fn names_in(&self, expr: &Expr, scope: Option<ScopeId>, found: &mut Vec<Entry<'a>>) {
        match &expr.kind {
            ExprKind::Or(parts) | ExprKind::And(parts) => {
                parts.iter().for_each(|part| self.names_in(part, scope, found));
            }
            ExprKind::Not(inner) | ExprKind::Paren(inner) => self.names_in(inner, scope, found),
            ExprKind::Name(reference) => {
                let name = super::facts::single(reference);
                let entry = name.and_then(|name| self.names.find(scope, &name.node));
                found.extend(entry.filter(|entry| matches!(entry.node, Node::Cond(_))));
            }
            _ => {}
        }
    }
}
