//! `test` and `prove` blocks: personas -> JSON, targets and references resolved, nothing run.

use super::conditions::Expansion;
use super::cx::{Captures, Cx, Env};
use super::jsonpath;
use super::literals::{header_name, instant, ip, method};
use super::names::{Kind, Node};
use super::sources::Parsed;
use super::targets::Place;
use crate::ast::{self, Decl, ExpectLine, GivenPart, Literal, Name, Persona, ProofLine, TestLine, Text};
use crate::model::{
    Base, Cond, Expectation, ExpectedEffect, Fact, Given, HostOptions, Proof, ProofForm, Rule, ServiceId,
    TestBlock, TestRequest, Type, Value,
};
use crate::source::{Span, Spanned};
use portcullis_base::Reason;
use portcullis_base::quote::JsonString;
use std::collections::{BTreeMap, BTreeSet};

/// First words of what `with` can name.
const OBLIGATIONS: [&str; 10] = [
    "accept", "drop", "hash", "limit", "mask", "only", "replace", "set", "tag", "truncate",
];

/// A JSON object under construction; members keep their written order.
#[derive(Default)]
struct Tree {
    members: Vec<(String, Member)>,
}

enum Member {
    Text(String),
    Object(Tree),
}

impl Tree {
    /// Sets the value at a path of members; a later value wins.
    fn set(&mut self, path: &[String], text: String) {
        let mut tree = self;
        let Some((last, above)) = path.split_last() else {
            return;
        };
        for step in above {
            let at = match tree.members.iter().position(|m| m.0 == *step) {
                Some(at) => at,
                None => {
                    tree.members.push((step.clone(), Member::Object(Tree::default())));
                    tree.members.len() - 1
                }
            };
            let Some((_, node)) = tree.members.get_mut(at) else {
                return;
            };
            if let Member::Text(_) = node {
                *node = Member::Object(Tree::default());
            }
            let Member::Object(inner) = node else { return };
            tree = inner;
        }
        tree.members.retain(|m| m.0 != *last);
        tree.members.push((last.clone(), Member::Text(text)));
    }

    /// As deep as claim paths are long, which the parser bounds.
    fn print(&self) -> String {
        let members: Vec<String> = self
            .members
            .iter()
            .map(|(name, node)| match node {
                Member::Text(text) => format!("{}:{text}", quote(name)),
                Member::Object(tree) => format!("{}:{}", quote(name), tree.print()),
            })
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Ids of rules, so that every expectation finds its own at once.
struct RuleIds<'p> {
    whole: BTreeSet<&'p str>,
    /// Ids of named rules by their names alone.
    bare: BTreeMap<&'p str, Vec<&'p str>>,
}

impl<'p> RuleIds<'p> {
    fn of(rules: &'p [Rule]) -> RuleIds<'p> {
        let mut bare: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        // Ids with a `:` are places, not names.
        for id in rules.iter().map(|r| r.id.as_str()).filter(|id| !id.contains(':')) {
            if let Some((_, name)) = id.rsplit_once('/') {
                bare.entry(name).or_default().push(id);
            }
        }
        RuleIds {
            whole: rules.iter().map(|r| r.id.as_str()).collect(),
            bare,
        }
    }
}

impl Cx<'_> {
    /// All tests and proofs; personas that no test uses are looked at too.
    pub(super) fn suite(&mut self, files: &[Parsed]) {
        let (mut tests, mut proofs) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let ids = RuleIds::of(&self.policy.rules);
        for item in files.iter().flat_map(|f| &f.file.items) {
            match &item.decl {
                Decl::Persona(_, persona) => {
                    self.credential(&persona.node, &mut Given::default());
                }
                Decl::Test(name, lines) => {
                    self.unique(&mut seen, ("test", name));
                    tests.push(self.test(&ids, name, lines));
                }
                Decl::Prove(name, lines) => {
                    self.unique(&mut seen, ("proof", name));
                    let forms = lines.iter().filter_map(|l| self.proof(&l.node)).collect();
                    proofs.push(Proof {
                        name: name.node.clone(),
                        span: name.span,
                        forms,
                    });
                }
                _ => {}
            }
        }
        self.policy.tests = tests;
        self.policy.proofs = proofs;
    }

    fn unique(&self, seen: &mut BTreeSet<(&'static str, String)>, (kind, name): (&'static str, &Text)) {
        if !seen.insert((kind, name.node.clone())) {
            self.report.error(
                "G0705",
                name.span,
                format!("two {kind}s are named `{}`", name.node),
                "name what each shows",
            );
        }
    }

    fn test(&self, ids: &RuleIds<'_>, name: &Text, lines: &[Spanned<TestLine>]) -> TestBlock {
        let mut given = Given::default();
        let mut context = Tree::default();
        let mut expectations = Vec::new();
        for line in lines {
            match &line.node {
                TestLine::Given(parts) => parts.iter().for_each(|p| self.given(p, &mut given, &mut context)),
                TestLine::Expect(expect) => {
                    if !context.members.is_empty() {
                        given.context = Some(context.print());
                    }
                    expectations.extend(self.expectation(ids, line.span, expect, &given));
                }
            }
        }
        TestBlock {
            name: name.node.clone(),
            span: name.span,
            expectations,
        }
    }

    fn given(&self, part: &Spanned<GivenPart>, given: &mut Given, context: &mut Tree) {
        match &part.node {
            GivenPart::Persona(name) => {
                let entry = self.expect(None, name, &[Kind::Persona]);
                if let Some(Node::Persona(persona)) = entry.map(|e| e.node) {
                    self.credential(&persona.node, given);
                }
            }
            GivenPart::Credential(persona) => self.credential(persona, given),
            GivenPart::Context(members) => {
                for (name, values) in members {
                    let Some(fact) = self.policy.context.iter().find(|f| f.name == name.node) else {
                        let known = self.policy.context.iter().map(|f| f.name.as_str());
                        self.report
                            .undeclared(name.span, &name.node, "context fact", known);
                        continue;
                    };
                    if let Some(text) = self.json_value(name, values, fact.ty) {
                        context.set(&fact.path, text);
                    }
                }
            }
            GivenPart::ClientIp(text) => {
                if self.ok(text.span, ip(&text.node)).is_some() {
                    given.client_ip = Some(text.node.clone());
                }
            }
            GivenPart::Now(text) => given.now_us = self.ok(text.span, instant(&text.node)).or(given.now_us),
            GivenPart::Header(name, value) => {
                if let Some(name) = self.ok(name.span, header_name(&name.node)) {
                    given.headers.push((name, value.node.clone()));
                }
            }
            GivenPart::Body(text) => given.body = Some(text.node.clone()),
        }
    }

    /// A persona's credential; a later one of a kind replaces an earlier one.
    fn credential(&self, persona: &Persona, given: &mut Given) {
        match persona.kind.node.as_str() {
            "token" => given.token = self.token(persona).or(given.token.take()),
            "key" => given.key = self.key_persona(persona).or(given.key.take()),
            "peer" => given.peer = self.peer_persona(persona).or(given.peer.take()),
            other => self.report.error(
                "G0701",
                persona.kind.span,
                format!("`{other}` is not a credential of a persona"),
                "write `token from`, `key from` or `peer from`",
            ),
        }
    }

    fn token(&self, persona: &Persona) -> Option<(String, String)> {
        let entry = self.expect(None, &persona.from, &[Kind::Issuer])?;
        let issuer = self.policy.issuers.get(entry.index as usize)?;
        let mut tree = Tree::default();
        for (name, values) in &persona.members {
            if name.node == "scope" {
                let scopes = self.member_strings(name, values)?;
                tree.set(&issuer.scopes, quote(&scopes.join(" ")));
                continue;
            }
            let Some(claim) = issuer.claims.iter().find(|c| c.name == name.node) else {
                let known = issuer.claims.iter().map(|c| c.name.as_str()).chain(["scope"]);
                self.report
                    .undeclared(name.span, &name.node, "claim of this issuer", known);
                continue;
            };
            let ty = self.policy.type_of(&Fact::Claim(name.node.clone()));
            if let Some(text) = self.json_value(name, values, ty) {
                tree.set(&claim.path, text);
            }
        }
        Some((issuer.name.clone(), tree.print()))
    }

    fn key_persona(&self, persona: &Persona) -> Option<(String, String, String)> {
        let entry = self.expect(None, &persona.from, &[Kind::Keys])?;
        let keys = self.policy.keys.get(entry.index as usize)?;
        let mut tree = Tree::default();
        let mut id = None;
        for (name, values) in &persona.members {
            if name.node == "id" {
                id = self.member_strings(name, values)?.into_iter().next();
            } else if let Some(field) = keys.fields.iter().find(|f| f.name == name.node) {
                if let Some(text) = self.json_value(name, values, field.ty) {
                    tree.set(&field.path, text);
                }
            } else {
                let known = keys.fields.iter().map(|f| f.name.as_str()).chain(["id"]);
                self.report
                    .undeclared(name.span, &name.node, "field of these keys", known);
            }
        }
        if id.is_none() {
            self.report.error(
                "G0701",
                persona.from.span,
                "the key has no id",
                "add `id \"..\";`",
            );
        }
        Some((keys.name.clone(), id?, tree.print()))
    }

    fn peer_persona(&self, persona: &Persona) -> Option<(String, String)> {
        self.expect(None, &persona.from, &[Kind::Peers])?;
        let mut tree = Tree::default();
        for (name, values) in &persona.members {
            let ty = match name.node.as_str() {
                "spiffe" | "subject" | "fingerprint" => Type::String,
                "dns" => Type::Set,
                other => {
                    let known = ["spiffe", "dns", "subject", "fingerprint"];
                    self.report
                        .undeclared(name.span, other, "part of a certificate", known);
                    continue;
                }
            };
            if let Some(text) = self.json_value(name, values, ty) {
                tree.set(std::slice::from_ref(&name.node), text);
            }
        }
        Some((persona.from.node.clone(), tree.print()))
    }

    fn member_strings(&self, name: &Name, values: &[Spanned<Literal>]) -> Option<Vec<String>> {
        let mut out = Vec::new();
        for item in values {
            let items = match &item.node {
                Literal::List(items) => items.as_slice(),
                _ => std::slice::from_ref(item),
            };
            for item in items {
                if let Value::String(text) = self.value(item, Type::String)? {
                    out.push(text);
                }
            }
        }
        if values.is_empty() {
            return self.report.invalid(
                "G0701",
                name.span,
                format!("`{}` has no value", name.node),
                "write one after the name",
            );
        }
        Some(out)
    }

    /// A value as a host would send it.
    fn json_value(&self, name: &Name, values: &[Spanned<Literal>], ty: Type) -> Option<String> {
        if ty == Type::Set {
            return Some(array(&self.member_strings(name, values)?));
        }
        let [only] = values else {
            return self.report.invalid(
                "G0701",
                name.span,
                format!("`{}` takes one value", name.node),
                "write exactly one",
            );
        };
        Some(match self.value(only, ty)? {
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => n.to_string(),
            Value::String(text) => quote(&text),
            Value::Ip(address) => quote(&address.to_string()),
            Value::Instant(us) | Value::Duration(us) => {
                if us % 1_000_000 != 0 {
                    self.report.error(
                        "G0701",
                        only.span,
                        "instants travel as whole seconds",
                        "leave the fraction out",
                    );
                }
                us.div_euclid(1_000_000).to_string()
            }
            Value::Set(items) => array(&items),
        })
    }

    fn expectation(
        &self,
        ids: &RuleIds<'_>,
        span: Span,
        expect: &ExpectLine,
        given: &Given,
    ) -> Option<Expectation> {
        let effect = ExpectedEffect::ALL
            .into_iter()
            .find(|e| e.code() == expect.effect.node);
        if effect.is_none() {
            self.report.error(
                "G0704",
                expect.effect.span,
                format!("`{}` is no effect", expect.effect.node),
                "write `allow`, `deny` or `answer`",
            );
        }
        if let Some(status) = expect.status.as_ref().filter(|s| !(100..=599).contains(&s.node)) {
            self.report.error(
                "G0704",
                status.span,
                format!("{} is not a status", status.node),
                "write one in 100 ..= 599",
            );
        }
        let reason = expect.reason.as_ref().and_then(|name| {
            let reason = Reason::from_code(&name.node);
            if reason.is_none() {
                let known = Reason::ALL.iter().map(|known| known.code());
                self.report.undeclared(name.span, &name.node, "reason", known);
            }
            reason
        });
        self.ok(expect.method.span, method(&expect.method.node))?;
        let url = &expect.url.node;
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            self.report.error(
                "G0703",
                expect.url.span,
                format!("`{url}` is not an absolute URL"),
                "start it with `https://` and the host",
            );
        }
        Some(Expectation {
            span,
            given: given.clone(),
            request: TestRequest {
                method: expect.method.node.clone(),
                url: url.clone(),
            },
            effect: effect?,
            status: expect.status.as_ref().map(|s| s.node as u16),
            reason,
            by: expect.by.as_ref().and_then(|by| self.rule_named(ids, by)),
            with: expect.with.iter().filter_map(|w| self.obligation(w)).collect(),
        })
    }

    /// A full id, or a bare name that is unique in the policy.
    fn rule_named(&self, ids: &RuleIds<'_>, by: &Name) -> Option<String> {
        if ids.whole.contains(by.node.as_str()) {
            return Some(by.node.clone());
        }
        let found = ids.bare.get(by.node.as_str()).map_or(&[][..], Vec::as_slice);
        match found {
            [only] => Some((*only).to_owned()),
            [] => {
                let names = self.policy.rules.iter().filter_map(|r| r.id.rsplit('/').next());
                let nearest = names
                    .filter_map(|n| Some((self.report.distance(n, &by.node)?, n)))
                    .min_by_key(|(distance, _)| *distance)
                    .map(|(_, name)| name);
                let help = nearest.map_or("name a rule with `as NAME`".to_owned(), |n| {
                    format!("did you mean `{n}`?")
                });
                self.report
                    .invalid("G0702", by.span, format!("no rule is called `{}`", by.node), help)
            }
            several => self.report.invalid(
                "G0702",
                by.span,
                format!("several rules are called `{}`", by.node),
                format!("write one of {}", several.join(", ")),
            ),
        }
    }

    fn obligation(&self, text: &Spanned<String>) -> Option<String> {
        let words: Vec<&str> = text.node.split_whitespace().collect();
        let first = words.first().copied().unwrap_or_default();
        if !OBLIGATIONS.contains(&first) {
            return self.report.invalid(
                "G0704",
                text.span,
                format!("`{}` is no obligation", text.node),
                format!("start it with one of {}", OBLIGATIONS.join(", ")),
            );
        }
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let count = words.len();
        match (first, words.get_mut(1)) {
            ("drop" | "hash" | "mask" | "truncate" | "replace", Some(path))
                if path != "header" && path != "response" && path != "request" =>
            {
                *path = self.ok(text.span, jsonpath::canonical(path))?;
            }
            ("limit", Some(name)) if count == 2 => {
                let name = name.clone();
                if !self
                    .policy
                    .quotas
                    .iter()
                    .any(|q| q.name == name || q.name.ends_with(&format!("/{name}")))
                {
                    let known = self.policy.quotas.iter().map(|q| q.name.as_str());
                    self.report.undeclared(text.span, &name, "quota", known);
                    return None;
                }
            }
            _ => {}
        }
        Some(words.join(" "))
    }

    fn proof(&self, line: &ProofLine) -> Option<ProofForm> {
        match line {
            ProofLine::NeverAllow(targets, on, when) => {
                let (targets, service) = self.scoped(targets, on.as_ref())?;
                let cond = self.proof_cond(&targets, service, when.as_ref())?;
                Some(ProofForm::NeverAllow(targets, service, cond))
            }
            ProofLine::AlwaysAllow(targets, on, when) => {
                let (targets, service) = self.scoped(targets, on.as_ref())?;
                let cond = self.proof_cond(&targets, service, Some(when))?;
                Some(ProofForm::AlwaysAllow(targets, service, cond))
            }
            ProofLine::Only(principals, targets, on) => {
                let (targets, service) = self.scoped(targets, on.as_ref())?;
                let env = self.proof_env(&targets, service);
                let mut state = Expansion::default();
                let who: Vec<_> = principals
                    .iter()
                    .map(|p| self.principal(env, p, &mut state))
                    .collect();
                let cond = who.into_iter().collect::<Option<Vec<_>>>().map(Cond::any)?;
                Some(ProofForm::Only(cond, targets, service))
            }
            ProofLine::AlwaysDrop(path, targets, on, unless) => {
                let (targets, service) = self.scoped(targets, on.as_ref())?;
                let path = self.ok(path.span, jsonpath::canonical(&path.node))?;
                // Without `unless` nothing is excepted.
                let cond = match unless {
                    Some(unless) => self.proof_cond(&targets, service, Some(unless))?,
                    None => Cond::Not(Box::new(Cond::True)),
                };
                Some(ProofForm::AlwaysDrop(path, targets, service, cond))
            }
            ProofLine::AlwaysLimit(targets, on) => {
                let (targets, service) = self.scoped(targets, on.as_ref())?;
                Some(ProofForm::AlwaysLimit(targets, service))
            }
        }
    }

    fn scoped(
        &self,
        targets: &[ast::Target],
        on: Option<&Name>,
    ) -> Option<(Vec<crate::model::Target>, Option<ServiceId>)> {
        let before = self.report.count();
        let service = match on {
            Some(name) => {
                let entry = self.expect(None, name, &[Kind::Service])?;
                Some((
                    ServiceId(entry.index),
                    self.policy.services.get(entry.index as usize)?,
                ))
            }
            None => None,
        };
        let root = Base::new();
        let place = Place {
            scope: service.and_then(|(_, s)| self.names.scope(&s.name)),
            base: service.map_or(&root, |(_, s)| &s.base),
            options: service.map_or_else(HostOptions::default, |(_, s)| s.options),
        };
        let targets = self.targets(place, targets);
        (self.report.count() == before).then_some((targets, service.map(|s| s.0)))
    }

    fn proof_env<'t>(&'t self, targets: &'t [crate::model::Target], service: Option<ServiceId>) -> Env<'t> {
        let service = service.and_then(|s| self.policy.services.get(s.index()));
        let scope = service.and_then(|s| self.names.scope(&s.name));
        let label = service.and_then(|s| s.host_label.as_deref());
        Env::new(scope, Captures::Targets(targets)).on(label)
    }

    fn proof_cond(
        &self,
        targets: &[crate::model::Target],
        service: Option<ServiceId>,
        when: Option<&ast::Expr>,
    ) -> Option<Cond> {
        match when {
            Some(when) => self.condition(self.proof_env(targets, service), when),
            None => Some(Cond::True),
        }
    }
}

/// A JSON string.
fn quote(text: &str) -> String {
    JsonString(text).to_string()
}

/// A JSON array of strings.
fn array(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|text| quote(text)).collect();
    format!("[{}]", items.join(","))
}
