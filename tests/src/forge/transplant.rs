//! Project Wycheproof's JSON Web Signatures -> the same faults in tokens, under the same keys: a policy with an issuer for
//! each group of vectors, its key sets and secrets, and requests that carry the tokens. Knows no evaluator.
//!
//! The payloads of the file are no JSON objects, so a host refuses each of its texts before it looks at the signature. Here
//! the payload is a token's claims, with the vector's own payload in one of them, and the signature is made again with the
//! vector's private key. What was wrong stays wrong:
//!
//! - a part that is missing, or spelled wrongly, stays so;
//! - a header or payload that was changed after signing is changed after signing;
//! - of an RSA signature the padded block is taken, the hash of the message in it replaced, whatever surrounds it kept, and
//!   the block signed; in PSS salt, padding, and the difference between the hash and the right one are kept;
//! - of an HMAC its difference from the right one is kept;
//! - a signature that is wrong whatever the message is (of another length, zeros, the order) is not touched.

#![expect(clippy::expect_used, reason = "vectors of tests are as they are")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use portcullis_vectors::Vector;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::key::{mac, rsa_power};
use super::rows::{Outcome as _, get};
use crate::wycheproof::{JwsGroup, JwsVector, json_web_signatures};

/// What is judged otherwise than Wycheproof judges, with the reason.
const DEVIATIONS: [(u32, &str); 8] = [
    (
        346,
        "the key's own `alg` is PS256 and the token's PS384; a key is for one algorithm",
    ),
    (347, "P-521 is not supported"),
    (
        350,
        "the key's own `alg` is PS256 and the token's PS384; a key is for one algorithm",
    ),
    (351, "P-521 is not supported"),
    (
        367,
        "the text is that of 357, which is valid; the padding that it is about is not in the file",
    ),
    (
        370,
        "the text is that of 357, which is valid; the padding that it is about is not in the file",
    ),
    (372, "a character outside of base64url in the header"),
    (373, "a character outside of base64url in the payload"),
];

/// Signatures that are of no message of ours, and that another message therefore makes wrong in another way.
const NOT_TRANSPLANTED: [(u32, &str); 3] = [
    (
        32,
        "the private half of the key that signed is in no file; J04-jwk signs with such a key",
    ),
    (
        324,
        "what was changed is not known: the file has no signature of the same message to compare with",
    ),
    (
        31,
        "a MAC under the public key's bytes, of which no encoding is told; J02 has such ones",
    ),
];

/// Shortest part of a hash that is taken for one.
const HASH_PART_MIN: usize = 4;
/// At most so many bytes of a signature were changed where it is called a changed one.
const CHANGED_BYTES_MAX: usize = 4;

/// The policy, what lies beside it, and the vectors.
#[derive(Clone, Debug)]
pub struct Transplanted {
    /// Gate text.
    pub gate: String,
    /// Key sets and secrets by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// In the order of the file, with what is expected.
    pub vectors: Vec<Vector>,
    /// Their numbers with the reason, where the verdict is not Wycheproof's.
    pub deviations: Vec<(u32, &'static str)>,
    /// Their numbers with the reason, where the fault is not the vector's.
    pub not_transplanted: Vec<(u32, &'static str)>,
}

/// All of them.
///
/// # Errors
///
/// The file cannot be read.
pub fn transplanted() -> Result<Transplanted, String> {
    let mut gate = String::from("gate 1;\n\n");
    let (mut principals, mut rules) = (String::new(), String::new());
    let (mut files, mut vectors) = (Vec::new(), Vec::new());
    for (index, group) in json_web_signatures()?.iter().enumerate() {
        let name = format!("w{:02}", index + 1);
        let kind = group.key["kty"].as_str().unwrap_or_default();
        let keys = match kind {
            "oct" => format!("secret {name}_key"),
            _ => format!("keys \"{name}.jwks.json\""),
        };
        if kind == "oct" {
            gate += &format!("secret {name}_key from file \"{name}.key\";\n");
            files.push((format!("{name}.key"), bytes(&group.key, "k")));
        } else {
            files.push((format!("{name}.jwks.json"), (group.key_set() + "\n").into_bytes()));
        }
        let algorithms = algorithms(kind).join(", ");
        gate += &format!(
            "issuer {name} {{ url \"https://{name}.example.com/\"; audience \"api\"; algorithms {algorithms}; {keys}; no expiry; }}\n"
        );
        principals += &format!("principal of_{name} = token from {name};\n");
        rules += &format!("  allow of_{name} to GET /{name} as {name};\n");
        vectors.extend(group.vectors.iter().map(|vector| request(&name, group, vector)));
    }
    Ok(Transplanted {
        gate: format!("{gate}\n{principals}\nservice api on \"api.example.com\" {{\n{rules}}}\n"),
        files,
        vectors,
        deviations: DEVIATIONS.to_vec(),
        not_transplanted: NOT_TRANSPLANTED.to_vec(),
    })
}

/// What the issuer of a group takes: whatever its kind of key can do, so that the key decides.
fn algorithms(kind: &str) -> &'static [&'static str] {
    match kind {
        "oct" => &["HS256"],
        "EC" => &["ES256", "ES384"],
        _ => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    }
}

fn request(name: &str, group: &JwsGroup, vector: &JwsVector) -> Vector {
    let token = token(name, group, vector);
    let id = format!("jws-{}", vector.id);
    let authorization = format!("Bearer {token}");
    let vector_of = get(&id, &format!("/{name}"), &[("authorization", &authorization)]);
    let deviates = DEVIATIONS.iter().any(|(id, _)| *id == vector.id);
    match vector.is_valid() != deviates {
        true => vector_of.allowed(name),
        false => vector_of.refused(detail(group, &token)),
    }
}

/// Why a token that is not valid is refused: its form, then its algorithm, then its key, and else its signature.
fn detail(group: &JwsGroup, token: &str) -> &'static str {
    let is_token_text = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    // A comma parts two values of the header (RFC 9110, section 5.6.1).
    if token.contains(',') {
        return "ambiguous_credential";
    }
    if token.is_empty() || !token.bytes().all(is_token_text) {
        return "malformed_credential";
    }
    let parts: Vec<Option<Vec<u8>>> = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .collect();
    let [Some(header), Some(claims), Some(signature)] = &parts[..] else {
        return "malformed_token";
    };
    let (Ok(header), Ok(_)) = (
        serde_json::from_slice::<Value>(header),
        serde_json::from_slice::<Value>(claims),
    ) else {
        return "malformed_token";
    };
    let alg = header["alg"].as_str().unwrap_or_default();
    let key = &group.key;
    let kind = key["kty"].as_str().unwrap_or_default();
    let is_other = |name: &str, own: &Value| key[name] != Value::Null && key[name] != *own;
    let is_for_signatures =
        key["use"] != "enc" && (key["key_ops"] == Value::Null || key["key_ops"] == json!(["verify"]));
    if signature.is_empty() {
        "malformed_token"
    } else if !algorithms(kind).contains(&alg) {
        "algorithm_not_allowed"
    } else if kind != "oct"
        && (!is_for_signatures || is_other("kid", &header["kid"]) || is_other("alg", &header["alg"]))
    {
        "unknown_key"
    } else {
        "bad_signature"
    }
}

/// The three parts of a compact text.
fn parts(text: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = text.split('.').collect();
    parts.try_into().ok()
}

/// The vector's token with claims for its payload.
fn token(name: &str, group: &JwsGroup, vector: &JwsVector) -> String {
    let is_kept = NOT_TRANSPLANTED.iter().any(|(id, _)| *id == vector.id);
    let payload = |text: &str| payload(name, text);
    let Some([header, text, signature]) = parts(&vector.jws) else {
        // Of other parts only the payload is known, where it is that of the valid token.
        let valid = group.vectors.iter().find_map(|vector| parts(&vector.jws));
        let own = |part: &str| match valid {
            Some([_, text, _]) if part == text => payload(text),
            _ => part.to_string(),
        };
        return vector.jws.split('.').map(own).collect::<Vec<_>>().join(".");
    };
    let valid = group
        .vectors
        .iter()
        .find(|other| other.is_valid())
        .and_then(|other| parts(&other.jws));
    let sent = match text {
        "" if !vector.is_valid() => String::new(),
        text => payload(text),
    };
    // Of a token that was changed after signing, what was signed.
    let (signed_header, signed) = match valid {
        Some([valid_header, valid_text, valid_signature]) if valid_signature == signature => {
            (valid_header, payload(valid_text))
        }
        _ => (header, sent.clone()),
    };
    let old = match valid {
        Some([valid_header, valid_text, valid_signature]) if valid_signature == signature => {
            format!("{valid_header}.{valid_text}")
        }
        _ => format!("{header}.{text}"),
    };
    let new = format!("{signed_header}.{signed}");
    let made = match URL_SAFE_NO_PAD.decode(signature) {
        Ok(bytes) if !bytes.is_empty() && !is_kept => {
            let near = valid
                .filter(|[valid_header, valid_text, _]| old == format!("{valid_header}.{valid_text}"))
                .and_then(|[_, _, valid]| URL_SAFE_NO_PAD.decode(valid).ok())
                .and_then(|valid| difference(&bytes, &valid));
            let message = Message {
                old: old.as_bytes(),
                new: new.as_bytes(),
            };
            URL_SAFE_NO_PAD.encode(message.signature(&group.private, &bytes, near.as_deref()))
        }
        _ => signature.to_string(),
    };
    format!("{header}.{sent}.{made}")
}

/// Claims for a payload, with what is wrong in its spelling: characters around it, or bits behind its last byte.
fn payload(name: &str, text: &str) -> String {
    let is_foreign = |c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c);
    let core = text.trim_matches(is_foreign);
    let (before, after) = text.split_once(core).unwrap_or_default();
    let claims = |pad: &str| {
        let iss = format!("https://{name}.example.com/");
        json!({"iss": iss, "aud": "api", "payload": core, "pad": pad}).to_string()
    };
    let encoded = if URL_SAFE_NO_PAD.decode(core).is_ok() {
        URL_SAFE_NO_PAD.encode(claims(""))
    } else {
        // One byte more than whole groups leaves four bits behind it.
        let of_length = ["", "p", "pp"].map(claims);
        let ragged = of_length.iter().find(|claims| claims.len() % 3 == 1);
        let mut encoded = URL_SAFE_NO_PAD.encode(ragged.expect("one of three lengths in a row"));
        let last = encoded.pop().expect("a text is not empty");
        // Where bits are left, the last character is one of four.
        encoded.push(char::from(last as u8 + 1));
        encoded
    };
    format!("{before}{encoded}{after}")
}

/// The bytes in which two of one length differ, where these are few.
fn difference(bytes: &[u8], valid: &[u8]) -> Option<Vec<u8>> {
    let differs: Vec<u8> = bytes.iter().zip(valid).map(|(a, b)| a ^ b).collect();
    let count = differs.iter().filter(|byte| **byte != 0).count();
    (bytes.len() == valid.len() && (1..=CHANGED_BYTES_MAX).contains(&count)).then_some(differs)
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// The bytes of a member of a key.
fn bytes(key: &Value, name: &str) -> Vec<u8> {
    let text = key[name].as_str().unwrap_or_default();
    URL_SAFE_NO_PAD.decode(text).expect("a key of the file")
}

/// What was signed, and what is to be signed instead.
struct Message<'m> {
    old: &'m [u8],
    new: &'m [u8],
}

impl Message<'_> {
    /// `near`: what differs from a valid signature of the same message.
    fn signature(&self, key: &Value, signature: &[u8], near: Option<&[u8]>) -> Vec<u8> {
        match key["kty"].as_str() {
            Some("oct") => {
                let secret = bytes(key, "k");
                let of = |message| mac::<Hmac<Sha256>>(&secret, message);
                match signature.len() == 32 {
                    true => xor(&of(self.new), &xor(&of(self.old), signature)),
                    false => signature.to_vec(),
                }
            }
            Some("EC") if key["crv"] == "P-256" => self.p256(&bytes(key, "d"), signature, near),
            Some("RSA") => self.rsa(key, signature, near),
            _ => signature.to_vec(),
        }
    }

    fn p256(&self, scalar: &[u8], signature: &[u8], near: Option<&[u8]>) -> Vec<u8> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).expect("a key of the file");
        let new: p256::ecdsa::Signature = key.sign(self.new);
        let is_valid = p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verifying_key().verify(self.old, &signature).is_ok());
        match near {
            _ if is_valid => new.to_bytes().to_vec(),
            Some(differs) => xor(&new.to_bytes(), differs),
            None => signature.to_vec(),
        }
    }

    fn rsa(&self, key: &Value, signature: &[u8], near: Option<&[u8]>) -> Vec<u8> {
        let [modulus, public, private] = ["n", "e", "d"].map(|name| bytes(key, name));
        if signature.len() != modulus.len() || signature >= modulus.as_slice() {
            return signature.to_vec();
        }
        let differs = near.unwrap_or_default();
        let whole = match near {
            Some(differs) => xor(signature, differs),
            None => signature.to_vec(),
        };
        let block = rsa_power(&modulus, &public, &whole);
        // 0, 1 and the modulus less one, which are powers of themselves.
        if block == whole {
            return whole;
        }
        let moved = match block.starts_with(&[0, 1]) {
            true => self.pkcs1(&block),
            false => self.pss(&block),
        };
        let made = rsa_power(&modulus, &private, &moved);
        match differs.is_empty() {
            true => made,
            false => xor(&made, differs),
        }
    }

    /// The block with the new hash where the old one was, or a part of it; another block stays as it is.
    fn pkcs1(&self, block: &[u8]) -> Vec<u8> {
        let mut best = (0..0, &[][..]);
        let hashes = HASHES.map(|hash| (hash(self.old), hash(self.new)));
        for (old, new) in &hashes {
            for start in 0..block.len() {
                for from in 0..old.len() {
                    let same = block[start..].iter().zip(&old[from..]);
                    let length = same.take_while(|(a, b)| a == b).count();
                    if length >= HASH_PART_MIN && length > best.0.len() {
                        best = (start..start + length, &new[from..]);
                    }
                }
            }
        }
        let (place, new) = best;
        let mut moved = block.to_vec();
        moved[place.clone()].copy_from_slice(&new[..place.len()]);
        moved
    }

    /// RFC 8017, section 9.1.1: the block with the same salt and the hash that goes with the new message.
    fn pss(&self, block: &[u8]) -> Vec<u8> {
        let taken = HASHES.map(|hash| self.pss_with(block, hash));
        let (_, moved) = taken
            .into_iter()
            .max_by_key(|(differs, _)| std::cmp::Reverse(*differs))
            .expect("there are three hashes");
        moved
    }

    /// In how many bytes the hash differs from the right one, and the block.
    fn pss_with(&self, block: &[u8], hash: Hash) -> (usize, Vec<u8>) {
        let length = hash(b"").len();
        let (rest, trailer) = block.split_at(block.len() - 1);
        let (masked, found) = rest.split_at(rest.len() - length);
        let mut data = xor(masked, &mask(found, masked.len(), hash));
        data[0] &= 0x7f;
        let separator = data.iter().position(|byte| *byte != 0).unwrap_or(data.len() - 1);
        let right = |message: &[u8], salt: &[u8]| hash(&[&[0; 8][..], &hash(message), salt].concat());
        let salts = [&data[separator + 1..], &data[data.len() - length..]];
        let salt = salts
            .into_iter()
            .find(|salt| right(self.old, salt) == found)
            .unwrap_or(salts[1]);
        let differs = xor(&right(self.old, salt), found);
        let moved = xor(&right(self.new, salt), &differs);
        let mut masked_again = xor(&data, &mask(&moved, data.len(), hash));
        masked_again[0] = masked_again[0] & 0x7f | masked[0] & 0x80;
        let count = differs.iter().filter(|byte| **byte != 0).count();
        (count, [&masked_again[..], &moved, trailer].concat())
    }
}

type Hash = fn(&[u8]) -> Vec<u8>;

const HASHES: [Hash; 3] = [
    |message| Sha256::digest(message).to_vec(),
    |message| Sha384::digest(message).to_vec(),
    |message| Sha512::digest(message).to_vec(),
];

/// MGF1 of RFC 8017, appendix B.2.1.
fn mask(seed: &[u8], length: usize, hash: Hash) -> Vec<u8> {
    let blocks = (0u32..).flat_map(|count| hash(&[seed, &count.to_be_bytes()].concat()));
    blocks.take(length).collect()
}
