//! Policy -> the request headers it names: those that a spelling with `_` may not imitate, and those that a
//! `Connection` header may not remove.

use std::collections::BTreeSet;

use portcullis_lang::model::{Amount, Fact, HeaderAction, HeaderValue, KeyPart, Limit, Policy, TokenSource};

/// Header names in lower case.
pub(crate) struct HeaderNames {
    named: BTreeSet<String>,
    identity: BTreeSet<String>,
}

impl HeaderNames {
    pub(crate) fn of(policy: &Policy) -> HeaderNames {
        let mut identity: BTreeSet<String> = ["authorization", "cookie", "forwarded", "x-forwarded-for"]
            .map(String::from)
            .into();
        identity.extend(policy.trust.headers.iter().map(|h| h.header.clone()));
        let issuers = policy.issuers.iter().chain(&policy.beside);
        identity.extend(issuers.filter_map(|issuer| match &issuer.source {
            TokenSource::Header(name) => Some(name.clone()),
            TokenSource::Authorization | TokenSource::Cookie(_) => None,
        }));
        identity.extend(policy.keys.iter().filter_map(|keys| keys.header.clone()));
        if policy.reads_certificate() {
            identity.insert("x-forwarded-client-cert".to_string());
        }
        for scheme in &policy.signatures {
            identity.insert(scheme.header.clone());
            identity.extend(scheme.timestamp.iter().map(|(header, _)| header.clone()));
        }

        let mut named = identity.clone();
        named.insert("host".to_string());
        named.extend(policy.request_headers_set.iter().cloned());
        for_each_fact(policy, &mut |fact| note(fact, &mut named));
        for op in policy.rules.iter().flat_map(|rule| &rule.obligations.headers) {
            named.insert(op.name.clone());
        }
        HeaderNames { named, identity }
    }

    /// Whether the policy, or the protocol of identities, names it.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.named.contains(name)
    }

    /// Whether somebody's identity may hang on it.
    pub(crate) fn is_identity(&self, name: &str) -> bool {
        self.identity.contains(name)
    }
}

fn note(fact: &Fact, names: &mut BTreeSet<String>) {
    match fact {
        Fact::Header(name) => {
            names.insert(name.to_ascii_lowercase());
        }
        Fact::Cell { key, .. } => note(key, names),
        _ => {}
    }
}

/// Every fact outside and inside of conditions.
fn for_each_fact(policy: &Policy, f: &mut dyn FnMut(&Fact)) {
    let amount = |amount: &Amount, f: &mut dyn FnMut(&Fact)| {
        if let Amount::Fact { fact, .. } = amount {
            f(fact);
        }
    };
    let parts = |parts: &[KeyPart], f: &mut dyn FnMut(&Fact)| {
        parts
            .iter()
            .flat_map(|part| &part.facts)
            .for_each(|key| f(&key.fact));
    };
    let limit = |limit: &Limit, f: &mut dyn FnMut(&Fact)| {
        if let Some(cost) = &limit.cost {
            amount(cost, f);
        }
    };
    for rule in &policy.rules {
        rule.condition.for_each_atom(&mut |atom| atom.for_each_fact(f));
        rule.obligations.limits.iter().for_each(|l| limit(l, f));
        for op in &rule.obligations.headers {
            if let HeaderAction::Set(HeaderValue::Fact(fact)) = &op.action {
                f(fact);
            }
        }
    }
    for quota in &policy.quotas {
        amount(&quota.limit, f);
        amount(&quota.cost, f);
        parts(&quota.by, f);
    }
    for service in &policy.services {
        service.default_limit.iter().for_each(|l| limit(l, f));
    }
    let services = policy.services.iter().flat_map(|service| &service.penalties);
    for penalty in services.chain(policy.guards.iter().flat_map(|guard| &guard.penalties)) {
        parts(&penalty.by, f);
    }
}
