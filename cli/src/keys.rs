//! Key files <-> keys. One key a line of three words: kind, key id, base64 of 32 bytes. Blank lines and lines that
//! begin with `#` are skipped. The kind pins the algorithm, and keeps a secret key from passing for a public one.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::image::seal::PublicKey;

use crate::error::{CliError, read_limited};

/// Largest key file, bytes: a line is far shorter, and nobody trusts ten thousand keys.
pub const KEY_FILE_BYTES_MAX: u64 = 1 << 20;

const PUBLIC: &str = "ed25519";
const SECRET: &str = "ed25519-secret";

/// A key that seals. It has no `Debug`: it is not to be printed.
pub struct Secret {
    /// Its name.
    pub id: String,
    /// What must not be told.
    pub bytes: [u8; 32],
}

/// A public key with its name.
pub type Public = (String, PublicKey);

/// A line of a file of public keys.
pub fn public_line(id: &str, key: &PublicKey) -> String {
    format!("{PUBLIC} {id} {}\n", STANDARD.encode(key.to_bytes()))
}

/// The file of a secret key.
pub fn secret_line(secret: &Secret) -> String {
    format!("{SECRET} {} {}\n", secret.id, STANDARD.encode(secret.bytes))
}

/// Public keys of a file, at least one.
pub fn read_public(path: &Path) -> Result<Vec<Public>, CliError> {
    let mut keys = Vec::new();
    for (line, [kind, id, key]) in lines(path)? {
        let wrong = |why: &str| CliError::file(path, format!("line {line}: {why}"));
        match kind.as_str() {
            PUBLIC => {}
            SECRET => return Err(wrong("this is a secret key, and public ones are needed")),
            _ => return Err(wrong("a public key is `ed25519 ID BASE64`")),
        }
        let bytes = decode(&key).ok_or_else(|| wrong("the key is not the base64 of 32 bytes"))?;
        let key = PublicKey::from_bytes(&bytes).map_err(|e| wrong(&e.to_string()))?;
        if keys.iter().any(|(other, _): &Public| *other == id) {
            return Err(wrong(&format!("the key id `{id}` is there twice")));
        }
        keys.push((id, key));
    }
    if keys.is_empty() {
        return Err(CliError::file(path, "there is no key in it"));
    }
    Ok(keys)
}

/// The secret key of a file, exactly one.
pub fn read_secret(path: &Path) -> Result<Secret, CliError> {
    // The file's text is in no message.
    let wrong = || CliError::file(path, "a secret key is one line, `ed25519-secret ID BASE64`");
    match <[_; 1]>::try_from(lines(path)?) {
        Ok([(_, [kind, id, key])]) if kind == SECRET => {
            let bytes = decode(&key).ok_or_else(wrong)?;
            Ok(Secret { id, bytes })
        }
        _ => Err(wrong()),
    }
}

/// Lines of three words with their numbers.
fn lines(path: &Path) -> Result<Vec<(usize, [String; 3])>, CliError> {
    let text = String::from_utf8(read_limited(path, KEY_FILE_BYTES_MAX)?)
        .map_err(|_| CliError::file(path, "a key file is text"))?;
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let words: Vec<String> = text.split_ascii_whitespace().map(str::to_string).collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        let words = words.try_into().map_err(|_| {
            CliError::file(
                path,
                format!("line {line}: a key is three words: kind, id, base64"),
            )
        })?;
        found.push((line, words));
    }
    Ok(found)
}

fn decode(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
