//! Methods that a policy may name: the registered ones, and those that it declares. A misspelt one would be a rule that
//! no request meets. Knows names; no targets and no requests.

use super::cx::Cx;
use super::literals::{is_token, method};
use super::sources::Parsed;
use crate::ast::{Decl, Name};
use crate::source::Span;
use std::collections::BTreeSet;

/// The HTTP Method Registry (RFC 9110, section 16.1.1), but for `*` and `PRI`, which no request may use; and QUERY.
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

impl Cx<'_> {
    /// Reads `methods ..;`, before anything names a method.
    pub(super) fn declare_methods(&mut self, parsed: &[Parsed]) {
        let mut declared = BTreeSet::new();
        let items = parsed.iter().flat_map(|file| &file.file.items);
        for name in items.flat_map(|item| match &item.decl {
            Decl::Methods(names) => names.as_slice(),
            _ => &[],
        }) {
            if name.node == "any" {
                self.report.error(
                    "G0402",
                    name.span,
                    "`any` stands for methods and is none",
                    "leave it out",
                );
            } else if self.ok(name.span, method(&name.node)).is_some() && !declared.insert(name.node.clone())
            {
                self.declared_twice(name);
            }
        }
        self.policy.methods = declared.into_iter().collect();
    }

    /// Whether what stands for the name of routes is a method whose path was left out.
    pub(super) fn is_method_alone(&self, methods: &[Name], routes: &Name) -> bool {
        methods.is_empty() && self.known_methods().any(|known| known == routes.node)
    }

    /// Every method that a policy may name.
    pub(super) fn known_methods(&self) -> impl Iterator<Item = &str> {
        let own = self.policy.methods.iter().map(String::as_str);
        REGISTERED.into_iter().chain(own)
    }

    /// A method that a target, `cors` or a comparison names; another one is reported with the nearest.
    pub(super) fn known_method(&self, text: &str, span: Span) -> Option<()> {
        let own = self.policy.methods.binary_search_by(|own| own.as_str().cmp(text));
        if REGISTERED.contains(&text) || own.is_ok() {
            return Some(());
        }
        let upper = text.to_ascii_uppercase();
        let may_declare = is_token(text) && text.len() <= 32 && text == upper;
        let declared = |help: String| match may_declare {
            true => format!("{help} A method of your own is declared by `methods {text};`"),
            false => help,
        };
        let help = if upper == "ANY" {
            "write `any` for every method".to_owned()
        } else if self.known_methods().any(|known| known == upper) {
            format!("methods are exact; write `{upper}`")
        } else {
            let near = self.known_methods().filter_map(|known| {
                let distance = self.report.distance(&upper, known)?;
                (distance <= 1 + known.len() / 4).then_some((distance, known))
            });
            match near.min() {
                Some((_, nearest)) => declared(format!("did you mean `{nearest}`?")),
                None => declared("Name a registered method, as in `GET|HEAD /x`.".to_owned()),
            }
        };
        self.report
            .invalid("G0402", span, format!("no method is called `{text}`"), help)
    }
}
