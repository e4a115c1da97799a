//! The key or the signature of a request in the making -> an API key of the set's file, or a message that is really signed;
//! right, or wrong in one way. What is handed over instead is gone.

use std::collections::BTreeMap;

use portcullis_lang::model::Policy;
use serde_json::json;

use super::draft::Draft;
use crate::forge::hmac_hex;
use crate::rng::Rng;

/// The secret of a generated key set.
pub(super) const PEPPER: &[u8] = b"PLANTED-pepper of generated keys";

/// Ids of keys in generated files: most are those that rules ask for.
const IDS: [&str; 7] = ["t1", "t2", "gold", "free", "u1", "k-17", "old"];

/// The second in which most requests are decided.
const NOW: i64 = 1_795_435_200;

/// The text of a key, by its id.
fn text(id: &str) -> String {
    format!("PLANTED-pk_{id}_0123456789")
}

/// A file of API keys, of which some end about the time of the requests.
pub(super) fn key_file(rng: &mut Rng) -> Vec<u8> {
    let mut lines = String::new();
    for id in IDS {
        if rng.chance(8) {
            continue;
        }
        let mut line = json!({
            "id": id,
            "hash": hmac_hex(PEPPER, text(id).as_bytes()),
            "fields": {
                "plan": rng.pick(&["t1", "t2", "gold", "free", "u1"]),
                "limits": {"quota": rng.pick(&[0, 1, 2, 5, 80])},
                "vip": rng.chance(50),
                "tags": rng.pick(&["", "staff", "staff,ops", "t1, admin"]),
            },
        });
        if rng.chance(12) {
            line["fields"] = json!({});
        }
        match rng.below(10) {
            0 => line["expires"] = json!("2026-11-23T12:00:00Z"),
            1 | 2 => line["expires"] = json!("2026-11-23T12:00:01Z"),
            _ => {}
        }
        lines += &format!("{line}\n");
    }
    lines.into_bytes()
}

/// Now and then the key that would be handed over is shown, where the set looks.
pub(super) fn present_key(draft: &mut Draft, policy: &Policy, rng: &mut Rng) {
    let set = policy
        .keys
        .iter()
        .find(|set| Some(&set.name) == draft.key.as_ref());
    let Some(set) = set.filter(|_| draft.key_fault.is_none() && rng.chance(15)) else {
        return;
    };
    draft.key = None;
    let id = IDS.into_iter().find(|id| *id == draft.key_id);
    let key = text(id.unwrap_or_else(|| rng.pick(&IDS)));
    let shown = match rng.below(40) {
        0 => key.to_uppercase(),
        1 => key[..key.len() - 1].to_string(),
        2 => format!("{key}0"),
        3 => hmac_hex(PEPPER, key.as_bytes()),
        4 => String::new(),
        _ => key,
    };
    let by_cookie = set.header.is_none() || rng.chance(50);
    match (&set.header, &set.cookie) {
        (_, Some(cookie)) if by_cookie => draft.cookies.push((cookie.clone(), shown)),
        (Some(header), _) => draft.headers.push((header.clone(), shown.into_bytes())),
        _ => {}
    }
}

/// Now and then the message whose signature would be handed over is signed.
pub(super) fn sign_message(
    draft: &mut Draft,
    policy: &Policy,
    files: &BTreeMap<String, Vec<u8>>,
    rng: &mut Rng,
) {
    let signature = draft
        .signature
        .as_ref()
        .filter(|signature| signature.invalid.is_none());
    let scheme =
        signature.and_then(|signature| policy.signatures.iter().find(|own| own.name == signature.name));
    let Some(scheme) = scheme.filter(|_| rng.chance(40)) else {
        return;
    };
    draft.signature = None;
    let secret = scheme
        .secrets
        .first()
        .and_then(|id| policy.secrets.get(id.index()));
    let secret = secret
        .and_then(|secret| files.get(&secret.file))
        .cloned()
        .unwrap_or_default();
    let body = rng.pick(&["", "{}", "{\"action\":\"opened\"}", "a=1&b=2"]);
    let stamp = match rng.below(30) {
        0 => "now".to_string(),
        1 => format!("{NOW}.0"),
        2 => format!("+{NOW}"),
        3 => (NOW + rng.pick(&[-301, 301])).to_string(),
        _ => (NOW + rng.pick(&[-300, -299, 0, 1, 299, 300])).to_string(),
    };
    let message = match &scheme.timestamp {
        Some(_) => format!("{stamp}.v0:{body}"),
        None => format!("v0:{body}"),
    };
    let mac = hmac_hex(&secret, message.as_bytes());
    let shown = match rng.below(40) {
        0 => format!(
            "sha256={}",
            hmac_hex(b"another secret of the webhooks", message.as_bytes())
        ),
        1 => format!("sha256={}", &mac[2..]),
        2 => format!("sha256={}", mac.to_uppercase()),
        3 => mac.clone(),
        4 => format!("sha256={mac}0"),
        _ => format!("sha256={mac}"),
    };
    draft.set_header(&scheme.header, &shown);
    if let Some((header, _)) = &scheme.timestamp
        && rng.chance(97)
    {
        draft.set_header(header, &stamp);
    }
    let sent = if rng.chance(5) { "other" } else { body };
    draft.body = Some(sent.to_string());
}
