//! The file of an issuer's `keys` -> its errors, each named for what the file is. The reader is the base's, so that a
//! verifier takes what was checked here.

use super::cx::Cx;
use crate::source::Span;
use portcullis_base::jwks::{self, JwksFault, RSA_BITS_MAX, RSA_BITS_MIN};

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
}

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
