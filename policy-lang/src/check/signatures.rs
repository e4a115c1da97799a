//! Signature schemes: what is signed, in which order, and under which secrets.

use super::cx::Cx;
use super::literals::header_name;
use crate::ast::{Name, SignatureClause};
use crate::model::{HmacEncoding, SecretId, SignatureScheme, SignedPart};
use crate::source::{Span, Spanned};

impl Cx<'_> {
    pub(super) fn signature(
        &self,
        name: &Name,
        clauses: &[Spanned<SignatureClause>],
    ) -> Option<SignatureScheme> {
        let (mut header, mut hmac, mut over, mut secrets, mut timestamp) = (None, None, None, None, None);
        for Spanned { node: clause, span } in clauses {
            match clause {
                SignatureClause::Header(text) => {
                    self.once(
                        &mut header,
                        self.ok(text.span, header_name(&text.node)),
                        *span,
                        "header",
                    );
                }
                SignatureClause::Hmac {
                    hash,
                    encoding,
                    prefix,
                } => {
                    if hash.node != "sha256" {
                        self.report.error(
                            "G0602",
                            hash.span,
                            format!("`{}` is not a hash for signatures", hash.node),
                            "write `sha256`",
                        );
                    }
                    let encoding = match encoding.node.as_str() {
                        "hex" => HmacEncoding::Hex,
                        "base64" => HmacEncoding::Base64,
                        other => {
                            self.report.error(
                                "G0602",
                                encoding.span,
                                format!("`{other}` is not an encoding"),
                                "write `hex` or `base64`",
                            );
                            HmacEncoding::Hex
                        }
                    };
                    let prefix = prefix.as_ref().map_or_else(String::new, |p| p.node.clone());
                    self.once(&mut hmac, (encoding, prefix), *span, "hmac");
                }
                SignatureClause::Over(parts) => {
                    self.once(&mut over, (parts.as_slice(), *span), *span, "over")
                }
                SignatureClause::Secret(names) => {
                    let ids: Vec<SecretId> = names.iter().filter_map(|name| self.secret(name)).collect();
                    self.once(&mut secrets, ids, *span, "secret");
                }
                SignatureClause::Timestamp(text, within) => {
                    let header = self.ok(text.span, header_name(&text.node)).unwrap_or_default();
                    let within = self.max_age(Some(within)).unwrap_or_default();
                    self.once(&mut timestamp, (header, within), *span, "timestamp");
                }
            }
        }
        for (missing, what) in [
            (header.is_none(), "header \"..\";"),
            (hmac.is_none(), "hmac sha256 hex;"),
            (over.is_none(), "over body;"),
            (secrets.is_none(), "secret NAME;"),
        ] {
            if missing {
                self.report.error(
                    "G0603",
                    name.span,
                    format!("signature `{}` is not complete", name.node),
                    format!("add `{what}`"),
                );
            }
        }
        if let Some((parts, span)) = over {
            self.signed_parts(parts, span, timestamp.is_some());
        }
        let (encoding, prefix) = hmac?;
        Some(SignatureScheme {
            name: name.node.clone(),
            span: name.span,
            header: header.flatten()?,
            encoding,
            prefix,
            secrets: secrets?,
            over: over?.0.iter().map(|part| part.node.clone()).collect(),
            timestamp,
        })
    }

    fn signed_parts(&self, parts: &[Spanned<SignedPart>], span: Span, has_timestamp: bool) {
        let count = |wanted: &SignedPart| parts.iter().filter(|part| part.node == *wanted).count();
        let (message, help) = match (count(&SignedPart::Body), count(&SignedPart::Timestamp)) {
            (0, _) => ("the signature does not cover the body", "name `body` in `over`"),
            (2.., _) | (_, 2..) => ("`over` names a part twice", "keep one of each"),
            (1, 0) if has_timestamp => (
                "the signature does not cover the timestamp, so anybody can write a new one",
                "name it as the sender signs it, as in `over timestamp \".\" body;`",
            ),
            (1, 1) if !has_timestamp => (
                "no timestamp is declared",
                "add `timestamp header \"..\" within 5m;`",
            ),
            _ => return,
        };
        self.report.error("G0615", span, message, help);
    }
}
