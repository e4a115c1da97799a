//! Declarations and obligations of the model -> [`Config`]. Facts become slots, networks ranges, paths of media and
//! headers plain text.

use portcullis_base::CredentialKind;
use portcullis_lang::model::{self, Fact, Policy};

use super::slots::{Slots, capture};
use super::vars::ranges;
use super::{CompileError, hours, instances::kinds_of, pattern};
use pattern::Table;
use portcullis::image::config::*;
use portcullis::image::ids::Slot;
use portcullis::quota::QuotaNumber;

/// Config and the pattern tables that its obligations name.
pub(super) fn config(
    policy: &Policy,
    slots: &mut Slots,
    responses: &[Vec<ResponseCheck>],
) -> Result<(Config, Vec<Table>), CompileError> {
    let mut make = Make {
        policy,
        slots,
        patterns: Vec::new(),
        quotas: Vec::new(),
    };
    let rules = policy
        .rules
        .iter()
        .zip(responses)
        .map(|(rule, checks)| make.rule(rule, checks))
        .collect::<Result<Vec<RuleDecl>, _>>()?;
    let services = policy.services.iter().map(|s| make.service(s)).collect();
    let (quotas, rules, services) = make.sorted_quotas(rules, services);
    let penalties = make.penalties();
    let Make { patterns, .. } = make;
    let trusted = policy
        .trust
        .headers
        .iter()
        .map(|h| (h.header.clone(), ty(h.ty), form(h.set)))
        .collect();
    let config = Config {
        // What is not enforced yet, the checker refuses or the host carries out.
        requires: Vec::new(),
        issuers: policy.issuers.iter().map(|i| issuer(policy, i)).collect(),
        beside: policy.beside.iter().map(|i| issuer(policy, i)).collect(),
        claims: policy.claims.iter().map(|c| (c.name.clone(), ty(c.ty))).collect(),
        keys: policy.keys.iter().map(|k| key_set(policy, k)).collect(),
        key_fields: policy
            .key_fields
            .iter()
            .map(|f| (f.name.clone(), ty(f.ty)))
            .collect(),
        peers: policy.peers.iter().map(|p| p.trust_domains.clone()).collect(),
        signatures: policy.signatures.iter().map(|s| signature(policy, s)).collect(),
        proxies: ranges(&policy.trust.proxies),
        hops: policy.trust.hops,
        trusted,
        context: policy.context.iter().map(context).collect(),
        named_headers: named_headers(policy),
        identity_headers: identity_headers(policy),
        request_headers_set: policy.request_headers_set.clone(),
        lists: policy.lists.iter().map(list).collect(),
        tables: policy.tables.iter().map(table).collect(),
        hours: policy.hours.iter().map(opening).collect::<Result<_, _>>()?,
        quotas: quotas.into_iter().map(in_zone).collect::<Result<_, _>>()?,
        penalties,
        services,
        rules: Rules::of(rules),
        has_grpc: policy
            .rules
            .iter()
            .flat_map(|r| &r.targets)
            .any(|t| t.kind == model::TargetKind::Grpc),
        texts: Vec::new(),
        // The plan of the paths has them.
        paths: Vec::new(),
        redaction_key: policy.redaction_key.map(|secret| secret_file(policy, secret)),
        sources: slots.sources.clone(),
    };
    Ok((config, patterns))
}

struct Make<'m> {
    policy: &'m Policy,
    slots: &'m mut Slots,
    patterns: Vec<Table>,
    /// (quota with resolved slots), in order of first use.
    quotas: Vec<Quota>,
}

impl Make<'_> {
    fn slot(&mut self, fact: &Fact, pattern: Option<&model::Pattern>) -> Slot {
        self.slots.slot(self.policy, fact, pattern)
    }

    fn amount(&mut self, amount: &model::Amount, pattern: Option<&model::Pattern>) -> Amount {
        match amount {
            model::Amount::Fixed(n) => Amount::Fixed(*n),
            model::Amount::Fact { fact, at_most } => Amount::Fact(self.slot(fact, pattern), *at_most),
        }
    }

    fn limit(&mut self, limit: &model::Limit, pattern: Option<&model::Pattern>) -> Option<Limit> {
        let of = self.policy.quotas.get(limit.quota.index())?;
        let quota = Quota {
            name: of.name.clone(),
            limit: self.amount(&of.limit, pattern),
            period: match &of.period {
                model::Period::Rate { period_us, burst } => Period::Rate(*period_us, *burst),
                model::Period::Calendar { unit, zone } => Period::Calendar(unit.to_string(), zone.clone()),
                model::Period::InFlight => Period::InFlight,
            },
            by: self.key(&of.by, pattern),
            cost: self.amount(&of.cost, pattern),
            limit_kind: amount_kind(&of.limit),
            cost_kind: amount_kind(&of.cost),
            counting_denied: of.counting_denied,
            charging: Charging {
                number: QuotaNumber::of(&of.name, &counted(&of.period)).0,
                shared: of.shared,
                on_store_failure: match of.on_store_failure {
                    model::StoreFailure::Allow => StoreFailure::Allow,
                    model::StoreFailure::Deny => StoreFailure::Deny,
                    model::StoreFailure::Local => StoreFailure::Local,
                },
                // Filled in where a zone can fail.
                offsets: Vec::new(),
            },
        };
        // A quota keyed by captures has one form for each place where they stand.
        let known = self.quotas.iter().position(|q| *q == quota);
        let index = known.unwrap_or_else(|| {
            self.quotas.push(quota);
            self.quotas.len() - 1
        });
        let cost = limit.cost.as_ref().map(|c| self.amount(c, pattern));
        Some(Limit {
            quota: index as u32,
            cost,
            cost_kind: limit.cost.as_ref().and_then(amount_kind),
        })
    }

    fn key(&mut self, parts: &[model::KeyPart], pattern: Option<&model::Pattern>) -> Vec<Vec<KeyFact>> {
        let key = |part: &model::KeyPart| {
            let fact = |key: &model::KeyFact| KeyFact {
                text: key.text.clone(),
                slot: self.slot(&key.fact, pattern),
                prefix: key.prefix,
                kind: kind(&key.fact),
            };
            part.facts.iter().map(fact).collect()
        };
        parts.iter().map(key).collect()
    }

    /// Penalties of services, then those of guards. What counts denials or answers is told apart by its text but for how
    /// many are borne, so that a reload keeps it; of one text the second is another one.
    fn penalties(&mut self) -> Vec<Penalty> {
        let policy = self.policy;
        let of_services = policy.services.iter().zip(0..).flat_map(|(service, index)| {
            let penalties = service.penalties.iter();
            penalties.map(move |penalty| (Some(index), service.name.as_str(), penalty))
        });
        let of_guards = policy.guards.iter().flat_map(|guard| {
            let penalties = guard.penalties.iter();
            penalties.map(move |penalty| (None, guard.name.as_str(), penalty))
        });
        let mut seen: Vec<(String, String)> = Vec::new();
        let penalty = |(service, owner, penalty): (Option<u32>, &str, &model::Penalty)| {
            let texts = penalty.by.iter().map(|part| {
                let facts = part.facts.iter().map(|key| key.text.as_str());
                facts.collect::<Vec<_>>().join(" else ")
            });
            let text = format!(
                "block by {} for {} us {:?} per {} us",
                texts.collect::<Vec<_>>().join(", "),
                penalty.for_us,
                penalty.trigger,
                penalty.per_us
            );
            seen.push((owner.to_owned(), text.clone()));
            let same = seen.iter().filter(|one| one.0 == owner && one.1 == text);
            let counted = format!("{text}, {}", same.count());
            let facts = || penalty.by.iter().flat_map(|part| &part.facts);
            Penalty {
                service,
                by: self.key(&penalty.by, None),
                by_address: facts().all(|key| matches!(key.fact, Fact::ClientIp | Fact::ConnectionIp)),
                for_us: penalty.for_us.unsigned_abs(),
                answered: match penalty.trigger {
                    model::PenaltyTrigger::Denied => None,
                    model::PenaltyTrigger::Answered(status) => Some(status),
                },
                more_than: penalty.more_than,
                per_us: penalty.per_us.unsigned_abs(),
                counter: QuotaNumber::of(owner, &format!("{counted} counter")).0,
                blocked: QuotaNumber::of(owner, &format!("{counted} blocked")).0,
            }
        };
        of_services.chain(of_guards).map(penalty).collect()
    }

    /// Quotas in order of names, and all uses renumbered.
    fn sorted_quotas(
        &mut self,
        mut rules: Vec<RuleDecl>,
        mut services: Vec<Service>,
    ) -> (Vec<Quota>, Vec<RuleDecl>, Vec<Service>) {
        let mut order: Vec<usize> = (0..self.quotas.len()).collect();
        order.sort_by(|a, b| self.quotas[*a].name.cmp(&self.quotas[*b].name));
        let mut place = vec![0u32; order.len()];
        order.iter().zip(0u32..).for_each(|(old, new)| place[*old] = new);
        let limits = rules.iter_mut().flat_map(|r| &mut r.body.limits);
        for limit in limits.chain(services.iter_mut().filter_map(|s| s.default_limit.as_mut())) {
            limit.quota = place[limit.quota as usize];
        }
        (
            order.iter().map(|i| self.quotas[*i].clone()).collect(),
            rules,
            services,
        )
    }

    fn rule(&mut self, rule: &model::Rule, checks: &[ResponseCheck]) -> Result<RuleDecl, CompileError> {
        let respond = rule.respond.as_ref();
        Ok(RuleDecl {
            id: rule.id.clone(),
            message: rule.because.clone(),
            location: respond.and_then(|r| r.location.clone()),
            retry_after_s: respond.and_then(|r| r.retry_after_s),
            scopes: rule.requires.scopes.clone(),
            acr: rule.requires.acr.clone(),
            max_age_us: rule.requires.max_age_us,
            kinds: kinds_of(rule),
            body: self.body(rule, checks)?,
        })
    }

    fn body(&mut self, rule: &model::Rule, checks: &[ResponseCheck]) -> Result<Body, CompileError> {
        let of = &rule.obligations;
        let pattern = self.pattern_of(rule)?;
        let mut body = Body {
            limits: of.limits.iter().filter_map(|l| self.limit(l, pattern)).collect(),
            redact: of.redact.iter().map(redaction).collect(),
            accept: Vec::new(),
            accept_query: Vec::new(),
            require_response: checks.to_vec(),
            headers: Vec::new(),
            tags: of.tags.clone(),
            require_tls: of.require.contains(&model::Transport::Tls),
            require_sni: of.require.contains(&model::Transport::SniIsHost),
            sunset_us: of.sunset_us,
        };
        for header in &of.headers {
            let value = match &header.action {
                model::HeaderAction::Drop => None,
                model::HeaderAction::Set(model::HeaderValue::Literal(text)) => {
                    Some(HeaderValue::Literal(text.clone()))
                }
                model::HeaderAction::Set(model::HeaderValue::Fact(fact)) => {
                    Some(HeaderValue::Fact(self.slot(fact, pattern)))
                }
            };
            let request = header.direction == model::HeaderDirection::Request;
            body.headers.push(HeaderOp {
                request,
                name: header.name.clone(),
                value,
            });
        }
        for accept in &of.accept {
            let is_text = matches!(accept.kind, model::AcceptKind::Query | model::AcceptKind::Form);
            let fields = accept.fields.iter().filter(|_| is_text);
            let fields = fields
                .map(|f| self.query_field(f))
                .collect::<Result<Vec<_>, _>>()?;
            if accept.kind != model::AcceptKind::Query {
                let made = super::accept::accept(accept, fields, &mut |regex| self.pattern_table(regex))?;
                body.accept.push(made);
                continue;
            }
            body.accept_query.push(AcceptQuery {
                strip_unknown: accept.strip_unknown,
                fields,
            });
        }
        Ok(body)
    }

    /// The pattern whose captures a rule's obligations mean. Obligations bind to a rule, not to one of its targets, so
    /// what they capture must stand at one place in all of them.
    fn pattern_of<'r>(&self, rule: &'r model::Rule) -> Result<Option<&'r model::Pattern>, CompileError> {
        let first = rule.targets.first().map(|t| &t.pattern);
        let limits = rule.obligations.limits.iter().filter_map(|limit| {
            let quota = self.policy.quotas.get(limit.quota.index())?;
            Some(
                quota
                    .facts()
                    .chain(limit.cost.as_ref().and_then(model::Amount::fact)),
            )
        });
        let mut of_responses = Vec::new();
        for required in &rule.obligations.require_response {
            let take = &mut |fact: &'r Fact| of_responses.push(fact);
            required
                .condition
                .for_each_atom(&mut |atom| atom.for_each_fact(take));
        }
        for fact in header_facts(rule).chain(limits.flatten()).chain(of_responses) {
            let Some(name) = fact.capture() else {
                continue;
            };
            let place = capture(first, name);
            if rule
                .targets
                .iter()
                .any(|t| capture(Some(&t.pattern), name) != place)
            {
                return Err(CompileError::AmbiguousCapture {
                    rule: rule.id.clone(),
                    capture: name.to_owned(),
                });
            }
        }
        Ok(first)
    }

    fn pattern_table(&mut self, regex: &str) -> Result<u32, CompileError> {
        let table = Table::build(&[regex.to_owned()]).map_err(|_| CompileError::PatternTooLarge {
            pattern: regex.to_owned(),
            span: None,
        })?;
        self.patterns.push(table);
        Ok(self.patterns.len() as u32 - 1)
    }

    fn query_field(&mut self, field: &model::AcceptedField) -> Result<QueryField, CompileError> {
        let number = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<i64>().ok());
        let regex = field.bounds.matches.as_deref();
        let matches = regex.map(|regex| self.pattern_table(regex)).transpose()?;
        let mut one_of = field.bounds.one_of.clone();
        if let Some(values) = &mut one_of {
            values.sort();
        }
        Ok(QueryField {
            name: field.path.clone(),
            separator: match field.many {
                model::Many::Separated(at) => u8::try_from(at).ok(),
                model::Many::One | model::Many::Given => None,
            },
            optional: field.optional,
            items: (field.many != model::Many::One).then(|| field.bounds.items.unwrap_or((0, u64::MAX))),
            ty: match field.ty {
                model::AcceptedType::Bool => QueryType::Bool,
                model::AcceptedType::Int => QueryType::Int,
                model::AcceptedType::Ip => QueryType::Ip,
                model::AcceptedType::Instant => QueryType::Instant,
                _ => QueryType::String,
            },
            min: number(&field.bounds.min),
            max: number(&field.bounds.max),
            one_of,
            matches,
        })
    }

    fn service(&mut self, service: &model::Service) -> Service {
        let guards = || {
            self.policy
                .guards
                .iter()
                .flat_map(|g| &g.require)
                .chain(&service.require)
        };
        let (require_tls, require_sni) = (
            guards().any(|t| *t == model::Transport::Tls),
            guards().any(|t| *t == model::Transport::SniIsHost),
        );
        Service {
            name: service.name.clone(),
            anonymous: service.invalid_credentials_anonymous,
            require_tls,
            require_sni,
            sunset_us: service.sunset_us,
            default_limit: service.default_limit.as_ref().and_then(|l| self.limit(l, None)),
            cors: service.cors.as_ref().map(|cors| Cors {
                one_label: cors.origins.iter().filter_map(|o| one_label(o)).collect(),
                origins: cors
                    .origins
                    .iter()
                    .filter(|o| one_label(o).is_none())
                    .cloned()
                    .collect(),
                any_origin: cors.any_origin,
                methods: cors.methods.join(", "),
                headers: cors.headers.join(", "),
                credentials: cors.credentials,
                max_age_s: cors.max_age_s,
            }),
            resource_metadata: service.resource_metadata.clone(),
        }
    }
}

/// What stands around the one label of an origin.
fn one_label(origin: &str) -> Option<(String, String)> {
    let (before, behind) = origin.split_once('*')?;
    Some((before.to_owned(), behind.to_owned()))
}

pub(super) fn ty(ty: model::Type) -> Type {
    match ty {
        model::Type::Bool => Type::Bool,
        model::Type::Int | model::Type::Duration => Type::Int,
        model::Type::String => Type::String,
        model::Type::Ip => Type::Ip,
        model::Type::Set => Type::Set,
        model::Type::Instant => Type::Instant,
    }
}

fn literal(value: &model::Value) -> Literal {
    match value {
        model::Value::Bool(v) => Literal::Bool(*v),
        model::Value::Int(v) | model::Value::Instant(v) | model::Value::Duration(v) => Literal::Int(*v),
        model::Value::String(v) => Literal::String(v.clone()),
        model::Value::Ip(v) => Literal::Ip(*v),
        model::Value::Set(v) => Literal::Set(v.clone()),
    }
}

fn form(set: model::SetForm) -> ValueForm {
    match set {
        model::SetForm::Array => ValueForm::Plain,
        model::SetForm::OrString => ValueForm::LoneString,
        model::SetForm::Separated(by) => ValueForm::Separated(by as u8),
    }
}

fn json_field(path: &[String], set: model::SetForm, default: Option<&model::Value>) -> JsonField {
    JsonField {
        path: path.to_vec(),
        form: form(set),
        default: default.map(literal),
    }
}

fn issuer(policy: &Policy, issuer: &model::Issuer) -> Issuer {
    let claim = |claim: &model::IssuerClaim| {
        Some(IssuerClaim {
            claim: policy.claims.iter().position(|c| c.name == claim.name)? as u32,
            field: JsonField {
                form: match claim.name.as_str() {
                    "exp" | "nbf" | "iat" | "auth_time" => ValueForm::Seconds,
                    _ => form(claim.set),
                },
                ..json_field(&claim.path, claim.set, claim.default.as_ref())
            },
        })
    };
    Issuer {
        name: issuer.name.clone(),
        url: issuer.url.clone(),
        url_like: issuer.url_like,
        query: issuer.query.clone(),
        place: match &issuer.source {
            model::TokenSource::Authorization => TokenPlace::Authorization,
            model::TokenSource::Header(name) => TokenPlace::Header(name.clone()),
            model::TokenSource::Cookie(name) => TokenPlace::Cookie(name.clone()),
        },
        scopes: issuer.scopes.clone(),
        implies: issuer.implies.clone(),
        claims: issuer.claims.iter().filter_map(claim).collect(),
        opaque: issuer.opaque,
        verified_by_gateway: issuer.verified_by_gateway,
        keys: match (&issuer.keys_file, issuer.secret) {
            (Some(file), _) => IssuerKeys::File(file.clone()),
            (None, Some(secret)) => IssuerKeys::Secret(secret_file(policy, secret)),
            (None, None) => IssuerKeys::None,
        },
        algorithms: issuer.algorithms.clone(),
        audiences: issuer.audiences.clone(),
        typ: issuer.typ.as_deref().map(media_type),
        leeway_us: issuer.leeway_us,
        max_age_us: issuer.max_age_us,
        bound_to_certificate: issuer.bound_to_certificate,
        no_expiry: issuer.no_expiry,
    }
}

fn secret_file(policy: &Policy, secret: model::SecretId) -> String {
    // An id is its secret's place in the policy that it is of.
    let found = policy.secrets.get(secret.index());
    found.map(|secret| secret.file.clone()).unwrap_or_default()
}

fn signature(policy: &Policy, scheme: &model::SignatureScheme) -> Signature {
    Signature {
        name: scheme.name.clone(),
        header: scheme.header.clone(),
        prefix: scheme.prefix.clone(),
        base64: scheme.encoding == model::HmacEncoding::Base64,
        over: scheme
            .over
            .iter()
            .map(|part| match part {
                model::SignedPart::Timestamp => SignedPart::Timestamp,
                model::SignedPart::Body => SignedPart::Body,
                model::SignedPart::Text(text) => SignedPart::Text(text.clone()),
            })
            .collect(),
        secrets: scheme.secrets.iter().map(|id| secret_file(policy, *id)).collect(),
        timestamp: scheme.timestamp.clone(),
    }
}

fn key_set(policy: &Policy, keys: &model::KeySet) -> KeySet {
    let field = |field: &model::FieldDecl| {
        let index = policy.key_fields.iter().position(|f| f.name == field.name)? as u32;
        Some((index, json_field(&field.path, field.set, field.default.as_ref())))
    };
    KeySet {
        name: keys.name.clone(),
        header: keys.header.clone(),
        cookie: keys.cookie.clone(),
        file: keys
            .file
            .clone()
            .zip(keys.secret.map(|secret| secret_file(policy, secret))),
        fields: keys.fields.iter().filter_map(field).collect(),
    }
}

fn context(fact: &model::ContextFact) -> ContextFact {
    ContextFact {
        name: fact.name.clone(),
        ty: ty(fact.ty),
        field: json_field(&fact.path, fact.set, fact.default.as_ref()),
    }
}

fn list(list: &model::List) -> ListDecl {
    ListDecl {
        name: list.name.clone(),
        file: list.file.clone(),
        ty: ty(list.ty),
        networks: list.networks,
        max_age_us: list.max_age_us,
    }
}

fn table(table: &model::Table) -> TableDecl {
    TableDecl {
        name: table.name.clone(),
        file: table.file.clone(),
        columns: table
            .columns
            .iter()
            .map(|(name, of)| (name.clone(), ty(*of)))
            .collect(),
        max_age_us: table.max_age_us,
    }
}

fn opening(opening: &model::Hours) -> Result<Hours, CompileError> {
    Ok(Hours {
        offsets: hours::offsets(&opening.zone)?,
        spans: opening.spans.iter().map(|s| (s.days, s.start, s.end)).collect(),
    })
}

fn redaction(redaction: &model::Redaction) -> Redaction {
    match redaction {
        model::Redaction::Only(paths) => Redaction::Only(paths.clone()),
        model::Redaction::Op { path, op } => Redaction::Op(
            path.clone(),
            match op {
                model::RedactionOp::Drop => RedactionOp::Drop,
                model::RedactionOp::Replace(text) => RedactionOp::Replace(text.clone()),
                model::RedactionOp::Hash => RedactionOp::Hash,
                model::RedactionOp::Mask(model::Mask::All) => RedactionOp::Mask {
                    first: false,
                    keep: 0,
                },
                model::RedactionOp::Mask(model::Mask::First(n)) => RedactionOp::Mask {
                    first: true,
                    keep: *n,
                },
                model::RedactionOp::Mask(model::Mask::Last(n)) => RedactionOp::Mask {
                    first: false,
                    keep: *n,
                },
                model::RedactionOp::Truncate(n) => RedactionOp::Truncate(*n),
            },
        ),
    }
}

/// The credential kind of a fact; of a table cell, its key's.
fn kind(fact: &Fact) -> Option<CredentialKind> {
    match fact {
        Fact::Cell { key, .. } => kind(key),
        other => other.credential(),
    }
}

/// How a period counts: where this changes, it is another quota.
fn counted(period: &model::Period) -> String {
    match period {
        model::Period::Rate { period_us, .. } => format!("{period_us} us"),
        model::Period::Calendar { unit, zone } => format!("{unit} in {zone}"),
        model::Period::InFlight => "in flight".to_owned(),
    }
}

/// A calendar quota with its zone.
fn in_zone(mut quota: Quota) -> Result<Quota, CompileError> {
    if let Period::Calendar(_, zone) = &quota.period {
        quota.charging.offsets = hours::offsets(zone)?;
    }
    Ok(quota)
}

fn amount_kind(amount: &model::Amount) -> Option<CredentialKind> {
    amount.fact().and_then(kind)
}

/// What a cell of a table is found by.
fn cell_key<'f>(fact: &&'f Fact) -> Option<&'f Fact> {
    match fact {
        Fact::Cell { key, .. } => Some(key),
        _ => None,
    }
}

/// What a rule writes into headers.
fn header_facts(rule: &model::Rule) -> impl Iterator<Item = &Fact> {
    let headers = rule.obligations.headers.iter();
    headers.filter_map(|header| match &header.action {
        model::HeaderAction::Set(model::HeaderValue::Fact(fact)) => Some(fact),
        _ => None,
    })
}

/// Step 5 of decision 0001: facts, trust, issuers, keys, signatures, set or dropped headers.
fn named_headers(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = identity_headers(policy);
    let mut note = |fact: &Fact| {
        if let Fact::Header(name) = fact {
            names.push(name.clone());
        }
    };
    for rule in &policy.rules {
        rule.condition
            .for_each_atom(&mut |atom| atom.for_each_fact(&mut note));
    }
    let quotas = policy.quotas.iter().flat_map(model::Quota::facts);
    for fact in policy.rules.iter().flat_map(header_facts).chain(quotas) {
        std::iter::successors(Some(fact), cell_key).for_each(&mut note);
    }
    let headers = policy.rules.iter().flat_map(|r| &r.obligations.headers);
    names.extend(headers.map(|h| h.name.clone()));
    names.sort();
    names.dedup();
    names
}

/// Step 6: headers that carry identity.
fn identity_headers(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = ["authorization", "cookie", "forwarded", "x-forwarded-for"]
        .map(String::from)
        .to_vec();
    names.extend(policy.trust.headers.iter().map(|h| h.header.clone()));
    let issuers = policy.issuers.iter().chain(&policy.beside);
    names.extend(issuers.filter_map(|i| match &i.source {
        model::TokenSource::Header(name) => Some(name.clone()),
        _ => None,
    }));
    names.extend(policy.keys.iter().filter_map(|k| k.header.clone()));
    names.extend(policy.signatures.iter().map(|s| s.header.clone()));
    let timestamps = policy.signatures.iter().filter_map(|s| s.timestamp.as_ref());
    names.extend(timestamps.map(|t| t.0.clone()));
    if policy.reads_certificate() {
        names.push(FORWARDED_CERTIFICATE.to_string());
    }
    names.sort();
    names.dedup();
    names
}
