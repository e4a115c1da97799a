//! Issuers with the clause `beside` -> what keeps their tokens from being a kind of their own. Knows no rules.

use super::cx::Cx;
use super::names::is_beside;
use crate::ast::{IssuerClause, Name};
use crate::model::{CredentialKind, TokenSource};
use crate::source::Spanned;

const OWN_PLACE: &str =
    "write `from header \"NAME\";` or `from cookie \"NAME\";` with a name that no other issuer reads";

impl Cx<'_> {
    /// Clauses that an issuer with `beside` cannot have, and the one that it must.
    pub(super) fn beside_clauses(&self, name: &Name, clauses: &[Spanned<IssuerClause>]) {
        if !is_beside(clauses) {
            return;
        }
        for clause in clauses {
            let (word, help) = match &clause.node {
                IssuerClause::UrlLike(_) => ("url like", "write the one `url` of its tokens"),
                IssuerClause::FromQuery(_) => ("from query", OWN_PLACE),
                IssuerClause::Opaque => ("opaque", "remove one of the two"),
                IssuerClause::ScopesFrom(_) | IssuerClause::Implies(..) => (
                    "scopes",
                    "`with scope` asks `token` alone; declare a claim, as in `claims { scopes: set separated by \" \" from scope; }`",
                ),
                _ => continue,
            };
            let message = format!("an issuer with `beside` has no `{word}`");
            self.report.error("G0618", clause.span, message, help);
        }
        let has_place = clauses.iter().any(|clause| match &clause.node {
            IssuerClause::FromHeader(header) => !header.node.eq_ignore_ascii_case("authorization"),
            IssuerClause::FromCookie(_) => true,
            _ => false,
        });
        if !has_place {
            let message = format!("`{}` has no header or cookie of its own", name.node);
            self.report.error("G0618", name.span, message, OWN_PLACE);
        }
    }

    /// How many there are, and whether others read their places.
    pub(super) fn beside_places(&self) {
        let all = &self.policy.beside;
        if let Some(more) = all.get(CredentialKind::BESIDE_MAX) {
            let message = format!(
                "a policy has at most {} issuers with `beside`",
                CredentialKind::BESIDE_MAX
            );
            self.report
                .error("G0618", more.span, message, "remove one of them");
        }
        for (at, issuer) in all.iter().enumerate() {
            if issuer.source == TokenSource::Authorization {
                continue;
            }
            let mut others = self.policy.issuers.iter().chain(all.iter().take(at));
            if let Some(other) = others.find(|other| other.source == issuer.source) {
                let message = format!("`{}` and `{}` read one header or cookie", other.name, issuer.name);
                let other = (other.span, "the other one");
                self.report
                    .error_at_both("G0618", issuer.span, message, other, OWN_PLACE);
            }
        }
    }
}
