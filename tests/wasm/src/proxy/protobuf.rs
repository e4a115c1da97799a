//! JSON values -> the protobuf messages in which Envoy keeps dynamic metadata. Written from the message definitions
//! and sharing nothing with the plugin's reader.

use std::collections::BTreeMap;

use serde_json::Value;

/// `envoy.config.core.v3.Metadata` with these namespaces.
pub(super) fn metadata<'v>(namespaces: impl IntoIterator<Item = (&'v str, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, fields) in namespaces {
        message(&mut out, 1, &entry(name, &fields));
    }
    out
}

/// `google.protobuf.Struct`.
pub(super) fn fields<'v>(members: impl IntoIterator<Item = (&'v str, &'v Value)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, member) in members {
        message(&mut out, 1, &entry(name, &value(member)));
    }
    out
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, key.as_bytes());
    message(&mut out, 2, value);
    out
}

/// `google.protobuf.Value`.
fn value(given: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match given {
        Value::Null => out.extend([0x08, 0]),
        Value::Number(number) => {
            out.push(0x11);
            out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::String(text) => message(&mut out, 3, text.as_bytes()),
        Value::Bool(bit) => out.extend([0x20, u8::from(*bit)]),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (name.as_str(), member));
            message(&mut out, 5, &fields(members));
        }
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                message(&mut list, 1, &value(item));
            }
            message(&mut out, 6, &list);
        }
    }
    out
}

/// The fields of wire type 2 of a message of nothing else, by their numbers; of two with one number the last.
pub(super) fn messages(mut rest: &[u8]) -> Option<BTreeMap<u8, Vec<u8>>> {
    let mut found = BTreeMap::new();
    while let Some((key, after)) = rest.split_first() {
        if key & 7 != 2 || key & 0x80 != 0 {
            return None;
        }
        let (mut len, mut shift) = (0, 0);
        rest = after;
        loop {
            let (byte, after) = rest.split_first()?;
            (len, rest) = (len | usize::from(byte & 0x7f) << shift, after);
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        let (content, after) = rest.split_at_checked(len)?;
        found.insert(key >> 3, content.to_vec());
        rest = after;
    }
    Some(found)
}

/// A field of wire type 2.
pub(super) fn message(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    out.push(number << 3 | 2);
    let mut len = content.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(content);
}
