//! Issuers, keys, peers, `trust` and `context`.

use super::cx::{Cx, by_name, sort_dedup};
use super::issuer_url;
use super::limits::MAX_LEEWAY_US;
use super::literals::{self, header_name};
use super::names::{Kind, is_beside};
use super::sources::Parsed;
use crate::ast::Literal;
use crate::ast::{self, Decl, IssuerClause, Name, Text, TrustClause, TypeName};
use crate::diagnostic::Diagnostic;
use crate::model::{
    Algorithm, Claim, ContextFact, FieldDecl, Issuer, IssuerClaim, PeerSet, Secret, SecretId, SetForm,
    TokenSource, TrustedHeader, Type, Value,
};
use crate::source::{Span, Spanned};
use portcullis_base::quote::GateString;
use std::collections::{BTreeMap, BTreeSet};

/// Claims that every issuer sends, with their types.
pub(super) const REGISTERED: [(&str, Type); 12] = [
    ("acr", Type::String),
    ("amr", Type::Set),
    ("aud", Type::Set),
    ("auth_time", Type::Instant),
    ("azp", Type::String),
    ("client_id", Type::String),
    ("exp", Type::Instant),
    ("iat", Type::Instant),
    ("iss", Type::String),
    ("jti", Type::String),
    ("nbf", Type::Instant),
    ("sub", Type::String),
];

const CLAIM_TYPES: [Type; 6] = [
    Type::Bool,
    Type::Int,
    Type::String,
    Type::Ip,
    Type::Set,
    Type::Instant,
];

/// The one type of a claim or field over all who declare it, and where it was declared first.
pub(super) type Types = BTreeMap<String, (Type, Option<Span>)>;

impl Cx<'_> {
    /// All credential declarations, each vector sorted by name.
    pub(super) fn credentials(&mut self, files: &[Parsed]) {
        let mut claims = Types::new();
        let mut fields = Types::new();
        for item in files.iter().flat_map(|f| &f.file.items) {
            match &item.decl {
                Decl::Issuer(name, clauses) => {
                    self.beside_clauses(name, clauses);
                    let issuer = self.issuer(name, clauses, &mut claims);
                    if is_beside(clauses) {
                        self.policy.beside.push(issuer);
                    } else {
                        self.policy.issuers.push(issuer);
                    }
                }
                Decl::Keys(name, clauses) => {
                    let keys = self.keys(name, clauses, &mut fields);
                    self.policy.keys.push(keys);
                }
                Decl::Peers(name, trust) => {
                    let peers = self.peers(name, trust);
                    self.policy.peers.push(peers);
                }
                Decl::Signature(name, clauses) => {
                    if let Some(signature) = self.signature(name, clauses) {
                        self.policy.signatures.push(signature);
                    }
                }
                Decl::Secret(name, file) => {
                    let found = self.data_file(file);
                    if let Some((path, bytes)) = &found {
                        self.secret_file(file.span, path, bytes);
                    }
                    let file = found.map(|f| f.0).unwrap_or_default();
                    self.policy.secrets.push(Secret {
                        name: name.node.clone(),
                        span: name.span,
                        file,
                    });
                }
                Decl::Trust(clauses) => self.trust(clauses),
                Decl::Context(fields) => self.context(fields),
                _ => {}
            }
        }
        let mut redaction: Option<Span> = None;
        for item in files.iter().flat_map(|f| &f.file.items) {
            if let Decl::RedactionKey(name) = &item.decl {
                self.once(&mut redaction, name.span, name.span, "redaction key");
                self.policy.redaction_key = self.secret(name);
            }
        }
        by_name!(self.policy; issuers, beside, keys, peers, signatures, secrets, context);
        self.policy.trust.headers.sort_by(|a, b| a.name.cmp(&b.name));
        self.policy.claims = claims
            .into_iter()
            .map(|(name, (ty, _))| Claim { name, ty })
            .collect();
        self.policy.key_fields = fields
            .into_iter()
            .map(|(name, (ty, _))| FieldDecl {
                path: vec![name.clone()],
                name,
                ty,
                set: SetForm::Array,
                default: None,
            })
            .collect();
        self.unique_urls();
        self.secrets_fit();
        self.beside_places();
    }

    fn unique_urls(&self) {
        let all = self.policy.issuers.iter().chain(&self.policy.beside);
        for (i, issuer) in all.clone().enumerate() {
            let mut earlier = all.clone().take(i);
            if let Some(earlier) = earlier.find(|earlier| issuer_url::overlap(earlier, issuer)) {
                let message = if earlier.url == issuer.url {
                    format!("two issuers have the URL `{}`", issuer.url)
                } else {
                    format!("`{}` and `{}` can be one URL", earlier.url, issuer.url)
                };
                self.report.error_at_both(
                    "G0604",
                    issuer.span,
                    message,
                    (earlier.span, "the other one"),
                    "a token names its issuer by URL; join them, or write URLs that differ",
                );
            }
        }
    }

    fn issuer(&self, name: &Name, clauses: &[Spanned<IssuerClause>], types: &mut Types) -> Issuer {
        let (mut url, mut audience, mut algorithms, mut keys, mut leeway) = (None, None, None, None, None);
        let (mut secret, mut query) = (None, None);
        let (mut source, mut scopes, mut declared, mut typ, mut max_age) = (None, None, None, None, None);
        let mut implies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let (mut verified, mut bound, mut opaque, mut no_expiry) = (false, false, false, false);
        for Spanned { node: clause, span } in clauses {
            let span = *span;
            match clause {
                IssuerClause::Url(text) => {
                    self.exact_url(text);
                    self.once(&mut url, (text.node.clone(), false), span, "url");
                }
                IssuerClause::UrlLike(text) => {
                    self.url_pattern(text);
                    self.once(&mut url, (text.node.clone(), true), span, "url");
                }
                IssuerClause::Secret(name) => {
                    self.once(&mut secret, (self.secret(name), span), span, "secret")
                }
                IssuerClause::FromQuery(text) => {
                    if text.node.is_empty() {
                        self.report.error(
                            "G0602",
                            text.span,
                            "a parameter needs a name",
                            "write `from query \"access_token\";`",
                        );
                    }
                    self.once(&mut query, text.node.clone(), span, "from query");
                }
                IssuerClause::Audience(texts) => {
                    self.once(
                        &mut audience,
                        texts.iter().map(|t| t.node.clone()).collect::<Vec<_>>(),
                        span,
                        "audience",
                    );
                }
                IssuerClause::Algorithms(names) => {
                    let known: Vec<_> = names.iter().filter_map(|n| self.algorithm(n)).collect();
                    self.once(&mut algorithms, (known, span), span, "algorithms");
                }
                IssuerClause::Keys(file) => {
                    let found = self.data_file(file);
                    if let Some((path, bytes)) = &found {
                        self.key_set(file.span, path, bytes);
                    }
                    self.once(&mut keys, found.map(|f| f.0), span, "keys");
                }
                IssuerClause::Leeway(duration) => {
                    if !(0..=MAX_LEEWAY_US).contains(&duration.node.us) {
                        self.report.error(
                            "G0607",
                            duration.span,
                            format!("a leeway of {} is too much", duration.node.text),
                            "at most 300s",
                        );
                    }
                    self.once(&mut leeway, duration.node.us, span, "leeway");
                }
                IssuerClause::FromHeader(text) => {
                    let header = self.ok(text.span, header_name(&text.node)).unwrap_or_default();
                    let place = if header == "authorization" {
                        TokenSource::Authorization
                    } else {
                        TokenSource::Header(header)
                    };
                    self.once(&mut source, place, span, "from");
                }
                IssuerClause::FromCookie(text) => {
                    self.once(&mut source, TokenSource::Cookie(text.node.clone()), span, "from");
                }
                IssuerClause::VerifiedByGateway => verified = true,
                IssuerClause::ScopesFrom(path) => {
                    self.once(&mut scopes, member_path(path), span, "scopes from");
                }
                IssuerClause::Implies(scope, implied) => {
                    for text in implied.iter().chain([scope]) {
                        self.scope_text(text);
                    }
                    let entry = implies.entry(scope.node.clone()).or_default();
                    entry.extend(implied.iter().map(|t| t.node.clone()));
                }
                IssuerClause::Claims(fields) => self.once(&mut declared, fields, span, "claims"),
                IssuerClause::Type(text) => self.once(&mut typ, (text.node.clone(), span), span, "type"),
                IssuerClause::MaxAge(duration) => {
                    let age = self.max_age(Some(duration));
                    self.once(&mut max_age, age, span, "max age");
                }
                IssuerClause::BoundToCertificate => bound = true,
                IssuerClause::Opaque => opaque = true,
                IssuerClause::NoExpiry => no_expiry = true,
                // Of the declaration as a whole.
                IssuerClause::Beside => {}
            }
        }
        if let Some((_, span)) = typ.as_ref().filter(|_| verified) {
            self.report.error(
                "G0602",
                *span,
                "`verified by gateway` hands over claims alone, so `type` cannot be judged",
                "remove `type`, and have the gateway check it",
            );
        }
        let (algorithms, algorithms_span) = algorithms.unwrap_or((Vec::new(), name.span));
        self.keys_fit(
            &algorithms,
            algorithms_span,
            secret.as_ref().map(|s| s.1),
            keys.is_some(),
        );
        if url.as_ref().is_none_or(|(url, _)| url.is_empty()) {
            self.report.error(
                "G0603",
                name.span,
                format!("issuer `{}` has no URL", name.node),
                "add `url \"https://..\";`",
            );
        }
        Issuer {
            name: name.node.clone(),
            span: name.span,
            url_like: url.as_ref().is_some_and(|(_, like)| *like),
            url: url.map(|(url, _)| url).unwrap_or_default(),
            audiences: audience.unwrap_or_default(),
            algorithms,
            keys_file: keys.flatten(),
            secret: secret.and_then(|(id, _)| id),
            leeway_us: leeway.unwrap_or(30_000_000),
            source: source.unwrap_or(TokenSource::Authorization),
            query,
            verified_by_gateway: verified,
            scopes: scopes.unwrap_or_else(|| vec!["scope".to_owned()]),
            implies: closure(implies),
            claims: self.claims(declared.map_or(&[], Vec::as_slice), types, is_beside(clauses)),
            typ: typ.map(|(typ, _)| typ),
            max_age_us: max_age.flatten(),
            bound_to_certificate: bound,
            opaque,
            no_expiry,
        }
    }

    fn algorithm(&self, name: &Name) -> Option<Algorithm> {
        let algorithm = Algorithm::from_code(&name.node);
        if algorithm.is_none() {
            self.report.error(
                "G0606",
                name.span,
                format!("`{}` is not an algorithm for tokens of an issuer", name.node),
                format!("use one of {}", Algorithm::ALL.map(Algorithm::code).join(", ")),
            );
        }
        algorithm
    }

    /// The key decides, so an issuer has one kind of keys: public ones in a file, or one secret for HMAC.
    fn keys_fit(&self, algorithms: &[Algorithm], span: Span, secret: Option<Span>, has_file: bool) {
        let symmetric = algorithms
            .iter()
            .filter(|algorithm| algorithm.is_symmetric())
            .count();
        let problem = match secret {
            _ if symmetric > 0 && symmetric < algorithms.len() => Some((
                span,
                "an issuer cannot have both public keys and a secret",
                "keep the algorithms of one kind; a public key taken for a secret lets everybody sign",
            )),
            None if symmetric > 0 => Some((
                span,
                "these algorithms need a secret that both sides hold",
                "add `secret NAME;` in place of `keys`",
            )),
            Some(secret) if symmetric == 0 => Some((
                secret,
                "only HS256, HS384 and HS512 have a secret",
                "write `keys \"FILE.jwks.json\";`, or `algorithms HS256;`",
            )),
            Some(secret) if has_file => Some((
                secret,
                "an issuer has `keys` or `secret`, not both",
                "remove `keys`: HS256, HS384 and HS512 have no public keys",
            )),
            _ => None,
        };
        if let Some((span, message, help)) = problem {
            self.report.error("G0614", span, message, help);
        }
    }

    pub(super) fn secret(&self, name: &Name) -> Option<SecretId> {
        let entry = self.expect(None, name, &[Kind::Secret])?;
        Some(SecretId(entry.index))
    }

    /// A scope token of RFC 6749.
    pub(super) fn scope_text(&self, text: &Text) {
        if !is_scope(&text.node) {
            self.report.error(
                "G0317",
                text.span,
                format!("`{}` is not a scope", text.node),
                "scopes are visible ASCII without spaces, one each",
            );
        }
    }

    /// A challenge lists acr values between quotes with spaces between them (RFC 9470, section 3), as it does scopes.
    pub(super) fn acr_text(&self, text: &Text) {
        if !is_scope(&text.node) {
            self.report.error(
                "G0317",
                text.span,
                format!("`{}` is not an acr value that a challenge can name", text.node),
                "acr values are visible ASCII without spaces, quotes and backslashes",
            );
        }
    }

    /// A glob over scope tokens.
    pub(super) fn scope_glob(&self, glob: &Text) {
        if self.ok(glob.span, literals::glob(&glob.node)).is_none() {
            return;
        }
        let fine = |b: u8| matches!(b, 0x21 | 0x23..=0x7e);
        if glob.node.is_empty() || !glob.node.bytes().all(fine) || glob.node.contains("\\\\") {
            self.report.error(
                "G0317",
                glob.span,
                format!("no scope looks like `{}`", glob.node),
                "scopes are visible ASCII without spaces, quotes and backslashes, one each",
            );
        }
    }

    fn claims(&self, fields: &[ast::FieldDecl], types: &mut Types, beside: bool) -> Vec<IssuerClaim> {
        let mut out: BTreeMap<String, IssuerClaim> = BTreeMap::new();
        for (name, ty) in REGISTERED {
            types.entry(name.to_owned()).or_insert((ty, None));
            let claim = IssuerClaim {
                name: name.to_owned(),
                path: vec![name.to_owned()],
                set: lone_string(name),
                default: None,
            };
            out.insert(name.to_owned(), claim);
        }
        let mut seen = BTreeSet::new();
        for field in fields {
            let name = &field.name.node;
            if matches!(name.as_str(), "scope" | "scp") {
                self.report.error(
                    "G0106",
                    field.name.span,
                    format!("`{name}` is the language's own claim"),
                    if beside {
                        "give it another name, as in `scopes: set separated by \" \" from scope;`"
                    } else {
                        "write `scopes from PATH;` beside `claims`, and ask `token.scope`"
                    },
                );
                continue;
            }
            if !seen.insert(name) {
                self.declared_twice(&field.name);
                continue;
            }
            let typed = match field.ty.node {
                TypeName::SetOrString => Some((Type::Set, SetForm::OrString)),
                _ => self.type_and_form(&field.ty, &CLAIM_TYPES),
            };
            let Some((ty, set)) = typed else {
                self.report.spoil(name);
                continue;
            };
            self.one_type(field, ty, types);
            out.insert(
                name.clone(),
                IssuerClaim {
                    name: name.clone(),
                    path: path_of(field),
                    set: if set == SetForm::Array {
                        lone_string(name)
                    } else {
                        set
                    },
                    default: self.default(field, ty),
                },
            );
        }
        out.into_values().collect()
    }

    pub(super) fn one_type(&self, field: &ast::FieldDecl, ty: Type, types: &mut Types) {
        let (first, at) = *types
            .entry(field.name.node.clone())
            .or_insert((ty, Some(field.name.span)));
        if first == ty {
            return;
        }
        let message = format!(
            "`{}` is a {} here and a {} elsewhere",
            field.name.node,
            literals::type_word(ty),
            literals::type_word(first)
        );
        let mut problem =
            Diagnostic::error("G0605", field.name.span, message).help("one name has one type everywhere");
        if let Some(at) = at {
            problem = problem.related(at, "the other declaration");
        }
        self.report.push(problem);
    }

    /// A declared default: a literal of the type. A text that looks like a member's name is meant as one.
    pub(super) fn default(&self, field: &ast::FieldDecl, ty: Type) -> Option<Value> {
        let literal = field.default.as_ref()?;
        if let Literal::String(text) = &literal.node
            && text.contains("://")
        {
            let (name, text) = (&field.name.node, GateString(text));
            return self.report.invalid(
                "G0612",
                literal.span,
                format!("the default of `{name}` looks like the name of a member"),
                format!(
                    "a default would be the value of everybody who sends none; to read the fact from that member write `{name}: {} from {text};`",
                    literals::type_word(ty)
                ),
            );
        }
        self.value(literal, ty)
    }

    /// A type, and how a set of it is written.
    pub(super) fn type_and_form(&self, ty: &Spanned<TypeName>, allowed: &[Type]) -> Option<(Type, SetForm)> {
        let TypeName::SetSeparated(by) = &ty.node else {
            return Some((self.type_of(ty, allowed)?, SetForm::Array));
        };
        let mut characters = by.chars();
        match (characters.next(), characters.next()) {
            (Some(by), None) if by.is_ascii() => Some((Type::Set, SetForm::Separated(by))),
            _ => self.report.invalid(
                "G0613",
                ty.span,
                format!("`{by}` is not one ASCII character"),
                "write the one character that stands between the elements, as in `set separated by \",\"`; spaces and tabs around an element are cut off",
            ),
        }
    }

    fn peers(&self, name: &Name, trust: &[Text]) -> PeerSet {
        let mut trust_domains: Vec<String> = Vec::new();
        for text in trust {
            let domain = text.node.to_ascii_lowercase();
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
            if domain.is_empty() || !domain.bytes().all(fine) {
                self.report.error(
                    "G0602",
                    text.span,
                    format!("`{}` is not a trust domain", text.node),
                    "write it as in `spiffe://DOMAIN/..`: letters, digits, `-`, `.`, `_`",
                );
            }
            trust_domains.push(domain);
        }
        sort_dedup(&mut trust_domains);
        PeerSet {
            name: name.node.clone(),
            span: name.span,
            trust_domains,
        }
    }

    fn trust(&mut self, clauses: &[Spanned<TrustClause>]) {
        for Spanned { node: clause, span } in clauses {
            match clause {
                TrustClause::Proxies(nets, hops) => {
                    if !self.policy.trust.proxies.is_empty() {
                        self.report
                            .error("G0601", *span, "`proxies` is said twice", "join them");
                    }
                    for net in nets {
                        if let Some(net) = self.ok(net.span, literals::network(&net.node)) {
                            self.policy.trust.proxies.push(net);
                        }
                    }
                    sort_dedup(&mut self.policy.trust.proxies);
                    if let Some(hops) = hops {
                        if hops.node == 0 {
                            self.report.error(
                                "G0602",
                                hops.span,
                                "no hops is no proxy",
                                "`hops` counts from 1",
                            );
                        }
                        self.policy.trust.hops = Some(hops.node);
                    }
                }
                TrustClause::Header(text, name, ty) => {
                    let first = name.node.split('.').next().unwrap_or_default();
                    if super::names::RESERVED.contains(&first) || self.names.find(None, first).is_some() {
                        self.report.error(
                            "G0106",
                            name.span,
                            format!("`{first}` is taken"),
                            "choose another name for the fact",
                        );
                        continue;
                    }
                    if self.policy.trust.headers.iter().any(|h| h.name == name.node) {
                        self.declared_twice(name);
                        continue;
                    }
                    let allowed = [Type::String, Type::Int, Type::Bool, Type::Ip];
                    let header = self.ok(text.span, header_name(&text.node));
                    if ty.node == TypeName::Word("set".to_owned()) {
                        self.report.error(
                            "G0204",
                            ty.span,
                            "a header is one text, so its set needs a separator",
                            "write `set separated by \",\"` with the character that stands between the elements",
                        );
                        self.report.spoil(&name.node);
                        continue;
                    }
                    match (header, self.type_and_form(ty, &allowed)) {
                        (Some(header), Some((ty, set))) => self.policy.trust.headers.push(TrustedHeader {
                            name: name.node.clone(),
                            header,
                            ty,
                            set,
                        }),
                        _ => self.report.spoil(&name.node),
                    }
                }
            }
        }
    }

    fn context(&mut self, fields: &[ast::FieldDecl]) {
        for field in fields {
            let name = &field.name.node;
            if self.policy.context.iter().any(|f| f.name == *name) {
                self.declared_twice(&field.name);
                continue;
            }
            let Some((ty, set)) = self.type_and_form(&field.ty, &CLAIM_TYPES) else {
                self.report.spoil(name);
                continue;
            };
            let default = self.default(field, ty);
            self.policy.context.push(ContextFact {
                name: name.clone(),
                ty,
                path: path_of(field),
                set,
                default,
            });
        }
    }
}

/// `aud` and `amr` come as either (RFC 7519, section 4.1.3).
fn lone_string(claim: &str) -> SetForm {
    if matches!(claim, "aud" | "amr") {
        SetForm::OrString
    } else {
        SetForm::Array
    }
}

fn member_path(path: &[Name]) -> Vec<String> {
    path.iter().map(|step| step.node.clone()).collect()
}

/// Where a fact stands: its `from`, else under its name at the top.
pub(super) fn path_of(field: &ast::FieldDecl) -> Vec<String> {
    field
        .from
        .as_ref()
        .map_or_else(|| vec![field.name.node.clone()], |from| member_path(&from.node))
}

/// Each scope with everything that it implies, directly or not; sorted, without itself.
fn closure(direct: BTreeMap<String, BTreeSet<String>>) -> Vec<(String, Vec<String>)> {
    let reach = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = vec![from];
        while let Some(scope) = open.pop() {
            for next in direct.get(scope).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen.remove(from);
        seen.into_iter().collect()
    };
    direct.keys().map(|scope| (scope.clone(), reach(scope))).collect()
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    let fine = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(fine)
}
