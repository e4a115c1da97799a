//! The files of an issuer's `keys` and of secrets -> their errors, each named for what the file is. The readers are the
//! base's, so that a verifier takes what was checked here. No message holds a byte of a secret.

use super::cx::Cx;
use crate::model::SecretId;
use crate::source::Span;
use portcullis_base::jwks::{self, JwksFault, RSA_BITS_MAX, RSA_BITS_MIN};
use portcullis_base::secret::{self, SecretFault};

impl Cx<'_> {
    /// `G0630`, unless the bytes are a key set.
    pub(super) fn key_set(&self, span: Span, path: &str, bytes: &[u8]) {
        let Err(error) = jwks::read(bytes) else { return };
        let before = bytes.get(..error.at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.report.error(
            "G0630",
            span,
            format!("{path}:{line}: {}, where a key set is wanted", error.fault),
            help(&error.fault),
        );
    }

    /// `G0633`, unless the bytes are a secret.
    pub(super) fn secret_file(&self, span: Span, path: &str, bytes: &[u8]) {
        let Err(fault) = secret::read(bytes, 0) else {
            return;
        };
        let help = match fault {
            SecretFault::TooLong => "take 32 random bytes; an HMAC hashes a long key first".to_owned(),
            _ => RANDOM_SECRET.to_owned(),
        };
        self.report.error("G0633", span, format!("{path}: {fault}"), help);
    }

    /// `G0633`, where a secret is shorter than its use demands: for tokens as many bytes as the algorithm's hash has (RFC
    /// 7518, section 3.2).
    pub(super) fn secrets_fit(&self) {
        for issuer in self.policy.issuers.iter().chain(&self.policy.beside) {
            let most = issuer
                .algorithms
                .iter()
                .max_by_key(|algorithm| algorithm.secret_bytes_min());
            if let (Some(id), Some(most)) = (issuer.secret, most) {
                self.secret_fits(id, issuer.span, most.secret_bytes_min(), most.code());
            }
        }
        for keys in &self.policy.keys {
            if let Some(id) = keys.secret {
                self.secret_fits(id, keys.span, secret::BYTES_MIN, "keyed hashes");
            }
        }
        for scheme in &self.policy.signatures {
            for id in &scheme.secrets {
                self.secret_fits(*id, scheme.span, secret::BYTES_MIN, "signatures");
            }
        }
    }

    fn secret_fits(&self, id: SecretId, span: Span, min: usize, purpose: &str) {
        let Some(secret) = self.policy.secrets.get(id.index()) else {
            return;
        };
        let bytes = self.files.read(&secret.file).unwrap_or_default();
        if let Err(fault @ SecretFault::TooShort { .. }) = secret::read(&bytes, min) {
            self.report.error(
                "G0633",
                span,
                format!("{}: {fault} for {purpose}", secret.file),
                format!("a short secret can be guessed from what was made with it; {RANDOM_SECRET}"),
            );
        }
    }
}

const RANDOM_SECRET: &str = "write a random one, as by `openssl rand -base64 48`";

fn help(fault: &JwksFault) -> String {
    let set = "a key set is JSON of the form `{\"keys\": [..]}`; the discovery document of the provider says in `jwks_uri` where it is";
    match fault {
        JwksFault::Discovery(uri) => format!("save what `{uri}` answers"),
        JwksFault::LoneKey => "write `{\"keys\": [` before the key and `]}` behind it".to_owned(),
        JwksFault::BareArray => "write `{\"keys\": ` before the array and `}` behind it".to_owned(),
        JwksFault::Certificates => {
            "take the provider's address of keys as JSON Web Keys, beside the one of certificates".to_owned()
        }
        JwksFault::Private(_) => {
            "a policy holds public keys alone: delete `d`, `p`, `q`, `dp`, `dq` and `qi`, and give out a new key if others could read this one".to_owned()
        }
        JwksFault::Secret(_) => "a key set holds public keys alone; delete the secret from it".to_owned(),
        JwksFault::SameKid(_) => "a token names its key by `kid`: keep one of them".to_owned(),
        JwksFault::MemberTwice(..) => "keep one of them".to_owned(),
        JwksFault::Member(..) | JwksFault::NotAKey(_) => {
            "save the key set again, or delete the key".to_owned()
        }
        JwksFault::RsaBits(..) => {
            format!("RSA keys of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits are supported; use another key")
        }
        JwksFault::Json(_) | JwksFault::Empty | JwksFault::Html | JwksFault::Pem | JwksFault::NoKeys => {
            set.to_owned()
        }
    }
}
