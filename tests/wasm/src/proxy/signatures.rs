//! Envoy's function `verify_signature`: a serialised `VerifySignatureArguments` -> a `VerifySignatureResult`. By AWS-LC,
//! which is BoringSSL's sibling; it shares nothing with the plugin.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};

use super::protobuf;

/// Object identifiers, as they stand in a SubjectPublicKeyInfo.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];

/// The answer; `None` where there is no key of a known type.
pub(super) fn verify(arguments: &[u8]) -> Option<Vec<u8>> {
    let fields = protobuf::messages(arguments)?;
    let part = |number: u8| fields.get(&number).map(Vec::as_slice).unwrap_or_default();
    let (hash, key, signature, text) = (part(1), part(2), part(3), part(4));
    let names = |oid: &[u8]| key.windows(oid.len()).take(32).any(|part| part == oid);
    let algorithm: Option<&'static dyn VerificationAlgorithm> = match hash {
        b"sha256" if names(P256) => Some(&ECDSA_P256_SHA256_ASN1),
        b"sha384" if names(P384) => Some(&ECDSA_P384_SHA384_ASN1),
        b"sha256" if names(RSA) => Some(&RSA_PKCS1_2048_8192_SHA256),
        b"sha384" if names(RSA) => Some(&RSA_PKCS1_2048_8192_SHA384),
        b"sha512" if names(RSA) => Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    };
    let is_good = UnparsedPublicKey::new(algorithm?, key)
        .verify(text, signature)
        .is_ok();
    let mut result = Vec::new();
    if is_good {
        result.extend([0x08, 1]);
    } else {
        protobuf::message(&mut result, 2, b"Failed to verify digest. Error code: 0");
    }
    Some(result)
}
