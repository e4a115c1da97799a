//! A number of rules -> a policy's text, 1,000 requests for it, and the truth about each.
//!
//! The one workload of counting, timing and comparing: the same rules are written as Gate text here and, by
//! `benches/peers`, as the policies of other engines. Truth is worked out rule by rule, by neither.
//!
//! ```text
//! rules: a host, a method, a path template, one or two scopes, and nothing, one to three networks, or any of two roles;
//!        every 20th forbids on its predecessor's route, every 7th shares a route
//! requests: 70 % allowed, 20 % refused on a known route, 10 % of an unknown route; 6 scopes, 4 roles, 8 more claims
//! ```
//!
//! Seeded: the same number of rules is the same workload for ever. Knows no evaluator.

mod gate;
mod raw;
mod requests;
mod rules;

pub use gate::{ISSUER, KEYS_FILE, ROLES_CLAIM, files};
pub use raw::{Claims, Headers, RawRequest};
pub use requests::{Request, reference};
pub use rules::{Cidr, Condition, METHODS, ROLES, Route, Rule, SCOPES, role_name, scope_name};

/// Requests of every workload.
pub const REQUESTS: usize = 1_000;

/// Rules, requests and truth.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Rules, in order.
    pub rules: Vec<Rule>,
    /// Routes, each with the rules on it.
    pub routes: Vec<Route>,
    /// Requests.
    pub requests: Vec<Request>,
    /// Whether each request is to be allowed.
    pub truth: Vec<bool>,
    /// How many requests are allowed, refused on a known route, of an unknown route.
    pub mix: [usize; 3],
}

impl Workload {
    /// Of so many rules, with [`REQUESTS`] requests.
    pub fn new(rules: usize) -> Workload {
        Workload::with_requests(rules, REQUESTS)
    }

    /// Of so many rules and requests.
    pub fn with_requests(count: usize, requests: usize) -> Workload {
        let (rules, routes) = rules::generate(count);
        let (requests, mix) = requests::generate(&rules, &routes, requests);
        let truth = requests
            .iter()
            .map(|request| reference(&rules, request))
            .collect();
        Workload {
            rules,
            routes,
            requests,
            truth,
            mix,
        }
    }

    /// The policy as Gate text; [`files`] are the files beside it.
    pub fn gate(&self) -> String {
        gate::text(&self.rules, &self.routes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_and_mix_agree() {
        for rules in [10, 100, 1_000] {
            let work = Workload::new(rules);
            let allowed = work.truth.iter().filter(|t| **t).count();
            assert_eq!(allowed, work.mix[0], "{rules} rules: {:?}", work.mix);
            assert!(
                (650..=750).contains(&allowed),
                "{rules} rules: {allowed} of 1,000 are allowed"
            );
            assert_eq!(work.rules.len(), rules);
        }
    }
}
