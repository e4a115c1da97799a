//! A private JSON Web Key, an algorithm and a message -> the signature; and a header and claims -> a token. For tests, and
//! for the command that makes tokens for tests.
//!
//! Signatures are deterministic: ECDSA by RFC 6979, PSS with a salt made of key and message. Headers and claims are taken
//! as they are written, so that forged tokens can be made too. Nothing here is in what decides requests.

mod jwk;
mod rsa;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use portcullis_base::Algorithm;
use portcullis_base::jwks::PublicKey;
use portcullis_crypto::{Hash, Secret};

pub use jwk::{JwkError, jwks};

/// A private key or a secret.
pub struct SigningKey {
    kid: Option<String>,
    alg: Option<Algorithm>,
    private: Private,
}

enum Private {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    Rsa(rsa::Private),
    Secret(Secret),
}

impl SigningKey {
    /// Reads a private key of the kinds `EC` (P-256, P-384), `OKP` (Ed25519), `RSA` and `oct` (RFC 7517, RFC 7518 section
    /// 6, RFC 8037 section 2).
    ///
    /// # Errors
    ///
    /// What the text lacks, or is: [`JwkError`]. No error tells anything of a private member.
    pub fn from_jwk(text: &str) -> Result<SigningKey, JwkError> {
        jwk::read(text)
    }

    /// `kid`
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that it signs under, the usual one first: its `alg` alone where it has one, but `EdDSA` and
    /// `Ed25519` are one.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
        };
        match (&self.private, self.alg) {
            (Private::Ed25519(_), _) => vec![EdDsa, Ed25519],
            (_, Some(alg)) => vec![alg],
            (Private::P256(_), None) => vec![Es256],
            (Private::P384(_), None) => vec![Es384],
            (Private::Rsa(_), None) => vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            (Private::Secret(_), None) => vec![Hs256, Hs384, Hs512],
        }
    }

    /// The signature of a message in the form of RFC 7518 (section 3). `None` where keys of this kind are not for the
    /// algorithm. That the key has another `alg` of its own does not matter here: tests ask for such signatures.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match (&self.private, algorithm) {
            (Private::P256(key), Algorithm::Es256) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            (Private::P384(key), Algorithm::Es384) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            (Private::Ed25519(key), Algorithm::EdDsa | Algorithm::Ed25519) => {
                Some(key.sign(message).to_bytes().to_vec())
            }
            (Private::Rsa(key), _) => key.sign(algorithm, message),
            (Private::Secret(secret), _) if algorithm.is_symmetric() => {
                let mut hmac = secret.hmac(Hash::of(algorithm));
                hmac.update(message);
                Some(hmac.finish().as_bytes().to_vec())
            }
            _ => None,
        }
    }

    /// A token in compact form (RFC 7515, section 7.1) with this header and these claims, byte for byte. `algorithm` is
    /// what is signed under, whatever the header says. `None` as [`SigningKey::sign`].
    pub fn token(&self, algorithm: Algorithm, header: &str, claims: &str) -> Option<String> {
        let mut token = signing_input(header.as_bytes(), claims.as_bytes());
        let signature = self.sign(algorithm, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The header that such a token usually has: `alg`, `kid` where the key has one, and `typ`.
    pub fn header(&self, algorithm: Algorithm, typ: Option<&str>) -> String {
        let mut header = serde_json::Map::new();
        header.insert("alg".into(), algorithm.code().into());
        header.extend(self.kid().map(|kid| ("kid".into(), kid.into())));
        header.extend(typ.map(|typ| ("typ".into(), typ.into())));
        serde_json::Value::Object(header).to_string()
    }

    /// The public half; none of a secret.
    pub fn public_key(&self) -> Option<PublicKey> {
        jwk::public_key(&self.private)
    }

    /// The public half as a JSON Web Key with the same `kid` and `alg`; none of a secret.
    pub fn public_jwk(&self) -> Option<String> {
        jwk::public_jwk(self).map(|jwk| jwk.to_string())
    }

    /// The secret of HMAC; none of a private key.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.private {
            Private::Secret(secret) => Some(secret),
            _ => None,
        }
    }
}

/// What a signature of a token is of: both parts in base64url, and a point between them.
pub fn signing_input(header: &[u8], claims: &[u8]) -> String {
    let mut out = URL_SAFE_NO_PAD.encode(header);
    out.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut out);
    out
}

/// Shows the kind and `kid` alone.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.private {
            Private::P256(_) => "P256",
            Private::P384(_) => "P384",
            Private::Ed25519(_) => "Ed25519",
            Private::Rsa(_) => "Rsa",
            Private::Secret(_) => "Secret",
        };
        f.debug_struct("SigningKey")
            .field("kind", &kind)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
