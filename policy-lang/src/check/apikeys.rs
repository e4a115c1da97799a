//! `keys` -> the model, its file judged by the base's reader, so that a verifier takes what was checked here.

use super::credentials::{Types, path_of};
use super::cx::Cx;
use super::literals::{header_name, type_word};
use crate::ast::{KeysClause, Name};
use crate::model::{FieldDecl, FieldFit, KeySet, SetForm, Type};
use crate::source::{Span, Spanned};
use portcullis_base::apikeys::{self, ApiKeysFault};
use portcullis_base::json::{self, JsonItem};

impl Cx<'_> {
    pub(super) fn keys(&self, name: &Name, clauses: &[Spanned<KeysClause>], types: &mut Types) -> KeySet {
        let (mut header, mut cookie, mut file, mut secret, mut declared) = (None, None, None, None, None);
        for Spanned { node: clause, span } in clauses {
            match clause {
                KeysClause::Header(text) => {
                    let value = self.ok(text.span, header_name(&text.node)).unwrap_or_default();
                    self.once(&mut header, value, *span, "header");
                }
                KeysClause::Cookie(text) => self.once(&mut cookie, text.node.clone(), *span, "cookie"),
                KeysClause::File(text) => {
                    self.once(&mut file, (self.data_file(text), text.span), *span, "file");
                }
                KeysClause::Secret(name) => {
                    self.once(&mut secret, (self.secret(name), *span), *span, "secret");
                }
                KeysClause::Fields(fields) => self.once(&mut declared, fields, *span, "fields"),
            }
        }
        let fields = self.key_fields(declared.map_or(&[], Vec::as_slice), types);
        match (&file, &secret) {
            (Some((_, span)), None) => self.report.error(
                "G0619",
                *span,
                format!("the keys `{}` have a file of keyed hashes and no secret", name.node),
                format!(
                    "write `secret {0}_pepper;` beside `file`, and before `keys` declare `secret {0}_pepper from file \"{0}_pepper.key\";`",
                    name.node
                ),
            ),
            (None, Some((_, span))) => self.report.error(
                "G0619",
                *span,
                format!("the keys `{}` have a secret and no file of keyed hashes", name.node),
                format!(
                    "write `file \"{}.keys\";` beside `secret`, or remove `secret` where the host verifies the keys",
                    name.node
                ),
            ),
            _ => {}
        }
        if let Some((Some((path, bytes)), span)) = &file {
            self.api_keys(*span, path, bytes, &fields);
        }
        KeySet {
            name: name.node.clone(),
            span: name.span,
            header,
            cookie,
            file: file.and_then(|(found, _)| found).map(|(path, _)| path),
            secret: secret.and_then(|(id, _)| id),
            fields,
        }
    }

    fn key_fields(&self, declared: &[crate::ast::FieldDecl], types: &mut Types) -> Vec<FieldDecl> {
        let mut fields: Vec<FieldDecl> = Vec::new();
        for field in declared {
            let name = &field.name.node;
            if name == "id" || fields.iter().any(|f| f.name == *name) {
                self.report.error(
                    "G0101",
                    field.name.span,
                    format!("`{name}` is declared twice"),
                    "every key has an `id` already; keep one of each",
                );
                continue;
            }
            let allowed = [Type::Bool, Type::Int, Type::String, Type::Set];
            let Some((ty, set)) = self.type_and_form(&field.ty, &allowed) else {
                self.report.spoil(name);
                continue;
            };
            self.one_type(field, ty, types);
            fields.push(FieldDecl {
                name: name.clone(),
                ty,
                path: path_of(field),
                set,
                default: self.default(field, ty),
            });
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields
    }

    /// `G0632`, unless the bytes are API keys whose fields have the declared types.
    fn api_keys(&self, span: Span, path: &str, bytes: &[u8], fields: &[FieldDecl]) {
        let keys = match apikeys::read(bytes) {
            Ok(keys) => keys,
            Err(error) => {
                return self.report.error(
                    "G0632",
                    span,
                    format!(
                        "{path}:{}: {}, where API keys are wanted",
                        error.line, error.fault
                    ),
                    help(&error.fault),
                );
            }
        };
        for key in &keys {
            let text = key.fields.unwrap_or("{}").as_bytes();
            let Ok(scanned) = json::scan(text, text.len(), Vec::new()) else {
                continue;
            };
            let values = JsonItem::root(text, &scanned.tape);
            if let Some(field) = fields
                .iter()
                .find(|field| field.fit(values) == FieldFit::IllTyped)
            {
                return self.report.error(
                    "G0632",
                    span,
                    format!(
                        "{path}:{}: `{}` of this key has another type",
                        key.line, field.name
                    ),
                    format!("it is declared as `{}`; {ONE_BAD_LINE}", declared(field)),
                );
            }
        }
    }
}

/// `NAME: TYPE`, as it was declared.
fn declared(field: &FieldDecl) -> String {
    let name = &field.name;
    match field.set {
        SetForm::Separated(by) => format!("{name}: set separated by \"{by}\""),
        SetForm::Array | SetForm::OrString => format!("{name}: {}", type_word(field.ty)),
    }
}

const ONE_BAD_LINE: &str = "one bad line rejects the whole file";

fn help(fault: &ApiKeysFault) -> String {
    match fault {
        ApiKeysFault::SameId(_) | ApiKeysFault::SameHash => "keep one of them".to_owned(),
        ApiKeysFault::Bytes | ApiKeysFault::Keys | ApiKeysFault::LineBytes => {
            "remove keys that have expired, and keep what is large in a table".to_owned()
        }
        _ => format!(
            "each line is one key, as `portcullis apikey new` writes it: `{{\"id\": \"k-17\", \"hash\": \"..\", \"fields\": {{}}}}`; {ONE_BAD_LINE}"
        ),
    }
}
