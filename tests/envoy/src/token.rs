//! Claims -> a token that Envoy's `jwt_authn` verifies. The key is this harness's own and opens nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

const SEED: [u8; 32] = *b"a key that only these tests know";

/// The key set that verifies our tokens.
pub fn key_set() -> Value {
    let public = SigningKey::from_bytes(&SEED).verifying_key();
    let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test", "x": x}]})
}

/// Signs the JSON text of some claims, byte for byte.
pub fn sign(claims: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","kid":"test","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = SigningKey::from_bytes(&SEED).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}
