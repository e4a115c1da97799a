//! Declarations, and statements of services that are no rules.

use pest::iterators::Pair;

use super::{Build, inner, kids, maybe};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::parse::Rule;
use crate::source::Spanned;

impl Build<'_> {
    pub(super) fn declaration(&mut self, pair: Pair<'_, Rule>) -> Option<Decl> {
        let rule = pair.as_rule();
        let mut k = kids(pair);
        Some(match rule {
            Rule::import => Decl::Import(self.text(k.next()?)?),
            Rule::methods_decl => Decl::Methods(k.map(|m| self.raw(&m)).collect()),
            Rule::trust => Decl::Trust(self.each_spanned(k, Build::trust_clause)),
            Rule::context => Decl::Context(self.fields(k.next()?)),
            _ => {
                let name = k.next()?;
                match rule {
                    Rule::test_head => Decl::Test(self.text(name)?, Vec::new()),
                    Rule::prove_head => Decl::Prove(self.text(name)?, Vec::new()),
                    _ => {
                        let name = self.name(name)?;
                        self.named(rule, name, k)?
                    }
                }
            }
        })
    }

    fn named(&mut self, rule: Rule, name: Name, mut k: super::Kids<'_>) -> Option<Decl> {
        Some(match rule {
            Rule::issuer => Decl::Issuer(name, self.each_spanned(k, Build::issuer_clause)),
            Rule::keys => Decl::Keys(name, self.each_spanned(k, Build::keys_clause)),
            Rule::peers => Decl::Peers(name, k.flat_map(|strings| self.texts(strings)).collect()),
            Rule::signature => Decl::Signature(name, self.each_spanned(k, Build::signature_clause)),
            Rule::secret => Decl::Secret(name, self.text(k.next()?)?),
            Rule::redaction => Decl::RedactionKey(name),
            Rule::network => Decl::Network(name, self.nets(k.next()?)),
            Rule::hours => {
                let mut ranges = Vec::new();
                while let Some(range) = k.opt(Rule::hours_range) {
                    ranges.push(self.hours_range(range)?);
                }
                Decl::Hours(name, ranges, self.text(k.next()?)?)
            }
            Rule::list => {
                let ty = self.type_name(k.next()?)?;
                let file = self.text(k.next()?)?;
                Decl::List(name, ty, file, self.data_age(&mut k))
            }
            Rule::table => {
                let file = self.text(k.next()?)?;
                let age = self.data_age(&mut k);
                Decl::Table(name, file, age, self.fields(k.next()?))
            }
            Rule::principal => Decl::Principal(name, self.condition(k.next()?)?),
            Rule::condition_decl => Decl::Condition(name, self.condition(k.next()?)?),
            Rule::quota => Decl::Quota(name, self.quota_spec(k.next()?)?),
            Rule::routes => Decl::Routes(name, self.targets(k.next()?)),
            Rule::guard_head => Decl::Guard(name, Vec::new()),
            Rule::service_head => {
                let hosts = k.opt(Rule::service_hosts).and_then(|p| kids(p).next());
                let hosts = hosts.map_or_else(Vec::new, |strings| self.texts(strings));
                let base = maybe(k.opt(Rule::service_base), |base| self.path(kids(base).next()?))?;
                Decl::Service {
                    name,
                    hosts,
                    base,
                    body: Vec::new(),
                }
            }
            Rule::persona => Decl::Persona(name, self.persona(k.next()?)?),
            _ => return None,
        })
    }

    fn data_age(&mut self, k: &mut super::Kids<'_>) -> Option<Spanned<Duration>> {
        let age = k.opt(Rule::data_age)?;
        self.duration(kids(age).next()?)
    }

    fn nets(&mut self, pair: Pair<'_, Rule>) -> Vec<Spanned<String>> {
        self.each(pair, |b, net| Some(b.raw(&net)))
    }

    fn type_name(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<TypeName>> {
        let span = self.span(&pair);
        let inner = kids(pair).next()?;
        let node = match inner.as_rule() {
            Rule::set_or_string => TypeName::SetOrString,
            Rule::set_separated => TypeName::SetSeparated(self.text(kids(inner).next()?)?.node),
            _ => TypeName::Word(inner.as_str().to_owned()),
        };
        Some(Spanned { node, span })
    }

    fn fields(&mut self, pair: Pair<'_, Rule>) -> Vec<FieldDecl> {
        self.each(pair, Build::field)
    }

    fn field(&mut self, pair: Pair<'_, Rule>) -> Option<FieldDecl> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let name = self.raw(&k.next()?);
        let ty = k.next()?;
        let type_text = ty.as_str().trim_end();
        let ty = self.type_name(ty)?;
        let from = maybe(k.opt(Rule::from_path), |from| {
            let span = self.span(&from);
            let node = self.member_path(kids(from).next()?);
            Some(Spanned { node, span })
        })?;
        let default = match k.next() {
            Some(path) if path.as_rule() == Rule::misplaced_path => {
                let (at, path) = (self.span(&path), path.as_str().trim_end());
                let help = format!(
                    "to read the fact from there write `{}: {} from {path};`",
                    name.node, type_text
                );
                self.complain(
                    Diagnostic::error(
                        "G0612",
                        at,
                        format!("`= {path}` is not a literal, and a default is one"),
                    )
                    .label("a path")
                    .help(help),
                );
                // The name is declared all the same: who uses it is not told otherwise.
                None
            }
            default => maybe(default, |default| self.literal(kids(default).next()?))?,
        };
        Some(FieldDecl {
            doc: self.doc(span),
            name,
            ty,
            from,
            default,
            span,
        })
    }

    fn member_path(&mut self, pair: Pair<'_, Rule>) -> MemberPath {
        self.each(pair, |b, step| {
            if step.as_str().starts_with('"') {
                b.text(step)
            } else {
                Some(b.raw(&step))
            }
        })
    }

    fn issuer_clause(&mut self, pair: Pair<'_, Rule>) -> Option<IssuerClause> {
        let (rule, mut k) = inner(pair)?;
        Some(match rule {
            Rule::issuer_url => match k.next()? {
                like if like.as_rule() == Rule::url_like => {
                    IssuerClause::UrlLike(self.text(kids(like).next()?)?)
                }
                exact => IssuerClause::Url(self.text(exact)?),
            },
            Rule::issuer_secret => IssuerClause::Secret(self.name(k.next()?)?),
            Rule::from_query => IssuerClause::FromQuery(self.text(k.next()?)?),
            Rule::issuer_audience => IssuerClause::Audience(self.texts(k.next()?)),
            Rule::issuer_algorithms => IssuerClause::Algorithms(self.each(k.next()?, Build::name)),
            Rule::issuer_keys => IssuerClause::Keys(self.text(k.next()?)?),
            Rule::issuer_leeway => IssuerClause::Leeway(self.duration(k.next()?)?),
            Rule::from_header => IssuerClause::FromHeader(self.text(k.next()?)?),
            Rule::from_cookie => IssuerClause::FromCookie(self.text(k.next()?)?),
            Rule::verified => IssuerClause::VerifiedByGateway,
            Rule::scopes_from => IssuerClause::ScopesFrom(self.member_path(k.next()?)),
            Rule::implies => IssuerClause::Implies(self.text(k.next()?)?, self.texts(k.next()?)),
            Rule::claims => IssuerClause::Claims(self.fields(k.next()?)),
            Rule::token_type => IssuerClause::Type(self.text(k.next()?)?),
            Rule::max_age_clause => IssuerClause::MaxAge(self.duration(k.next()?)?),
            Rule::bound_to => IssuerClause::BoundToCertificate,
            Rule::opaque => IssuerClause::Opaque,
            Rule::no_expiry => IssuerClause::NoExpiry,
            Rule::beside => IssuerClause::Beside,
            _ => return None,
        })
    }

    fn keys_clause(&mut self, pair: Pair<'_, Rule>) -> Option<KeysClause> {
        let (rule, mut k) = inner(pair)?;
        let first = k.next()?;
        Some(match rule {
            Rule::clause_header => KeysClause::Header(self.text(first)?),
            Rule::clause_cookie => KeysClause::Cookie(self.text(first)?),
            Rule::clause_file => KeysClause::File(self.text(first)?),
            Rule::keys_secret => KeysClause::Secret(self.name(first)?),
            _ => KeysClause::Fields(self.fields(first)),
        })
    }

    fn signature_clause(&mut self, pair: Pair<'_, Rule>) -> Option<SignatureClause> {
        let (rule, mut k) = inner(pair)?;
        Some(match rule {
            Rule::clause_header => SignatureClause::Header(self.text(k.next()?)?),
            Rule::hmac => {
                let (hash, encoding) = (self.raw(&k.next()?), self.raw(&k.next()?));
                let prefix = maybe(k.next(), |prefix| self.text(kids(prefix).next()?))?;
                SignatureClause::Hmac {
                    hash,
                    encoding,
                    prefix,
                }
            }
            Rule::over => {
                let parts = k.map(|part| {
                    let node = match part.as_str() {
                        "timestamp" => SignedPart::Timestamp,
                        "body" => SignedPart::Body,
                        _ => {
                            return self.text(part).map(|text| Spanned {
                                node: SignedPart::Text(text.node),
                                span: text.span,
                            });
                        }
                    };
                    Some(self.spanned(&part, node))
                });
                SignatureClause::Over(parts.collect::<Option<_>>()?)
            }
            Rule::sig_secret => SignatureClause::Secret(self.each(k.next()?, Build::name)),
            Rule::timestamp => SignatureClause::Timestamp(self.text(k.next()?)?, self.duration(k.next()?)?),
            _ => return None,
        })
    }

    fn trust_clause(&mut self, pair: Pair<'_, Rule>) -> Option<TrustClause> {
        let (rule, mut k) = inner(pair)?;
        Some(match rule {
            Rule::proxies => {
                let nets = self.nets(k.next()?);
                let hops = maybe(k.next(), |hops| self.count(kids(hops).next()?))?;
                TrustClause::Proxies(nets, hops)
            }
            _ => TrustClause::Header(
                self.text(k.next()?)?,
                self.raw(&k.next()?),
                self.type_name(k.next()?)?,
            ),
        })
    }

    fn hours_range(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<HoursRange>> {
        let span = self.span(&pair);
        let mut k = kids(pair);
        let mut days = Vec::new();
        while let Some(range) = k.opt(Rule::days) {
            let mut ends = kids(range);
            days.push((
                ends.next()?.as_str().to_owned(),
                ends.next().map(|p| p.as_str().to_owned()),
            ));
        }
        let (start, end) = (k.next()?.as_str().to_owned(), k.next()?.as_str().to_owned());
        Some(Spanned {
            node: HoursRange { days, start, end },
            span,
        })
    }

    pub(super) fn cors_clause(&mut self, pair: Pair<'_, Rule>) -> Option<CorsClause> {
        let (rule, mut k) = inner(pair)?;
        Some(match rule {
            Rule::cors_origins => CorsClause::Origins(self.texts(k.next()?)),
            Rule::cors_methods => CorsClause::Methods(k.map(|m| self.raw(&m)).collect()),
            Rule::cors_headers => CorsClause::Headers(self.texts(k.next()?)),
            Rule::cors_credentials => CorsClause::Credentials,
            Rule::max_age_clause => CorsClause::MaxAge(self.duration(k.next()?)?),
            _ => return None,
        })
    }

    pub(super) fn block(&mut self, pair: Pair<'_, Rule>) -> Option<BlockSpec> {
        let mut k = kids(pair);
        let by = self.key_list(k.next()?);
        let for_ = self.duration(k.next()?)?;
        let trigger = k.next()?;
        let answered = match trigger.as_rule() {
            Rule::answered => Some(self.count(kids(trigger).next()?)?),
            _ => None,
        };
        Some(BlockSpec {
            by,
            for_,
            answered,
            more_than: self.count(k.next()?)?,
            per: self.duration(k.next()?)?,
        })
    }

    pub(super) fn mark(&mut self, pair: Pair<'_, Rule>) -> Option<Mark> {
        let inner = kids(pair).next()?;
        Some(match inner.as_rule() {
            Rule::public => Mark::Public,
            Rule::deprecated => Mark::Deprecated,
            Rule::sunset => Mark::Sunset(self.raw(&kids(inner).next()?)),
            Rule::require_tls => Mark::RequireTls,
            Rule::require_sni => Mark::RequireSniIsHost,
            _ => return None,
        })
    }
}
