//! JSON -> the bytes of a `google.protobuf.Value`, which is what Envoy's header-to-metadata filter reads; and JSON as
//! such a value can hold it.

use serde_json::{Number, Value};

/// Encodes a value: null 1, number 2, string 3, bool 4, struct 5, list 6.
pub fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Bool(bool) => vec![0x20, u8::from(*bool)],
        Value::Number(number) => {
            let bits = number.as_f64().unwrap_or(0.0).to_bits();
            [&[0x11][..], &bits.to_le_bytes()].concat()
        }
        Value::String(text) => field(3, text.as_bytes()),
        Value::Object(members) => {
            let entry = |(name, value): (&String, &Value)| {
                field(1, &[field(1, name.as_bytes()), field(2, &encode(value))].concat())
            };
            field(5, &members.iter().flat_map(entry).collect::<Vec<u8>>())
        }
        Value::Array(elements) => {
            let elements = elements.iter().flat_map(|value| field(1, &encode(value)));
            field(6, &elements.collect::<Vec<u8>>())
        }
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// A JSON text as a protobuf `Struct` holds it: each member once, numbers as doubles. `None`: no object.
pub fn as_struct(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then(|| doubles(value, 64))
}

fn doubles(value: Value, depth: u32) -> Value {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().unwrap_or(f64::NAN);
            let whole = double.fract() == 0.0 && double.abs() < 9_007_199_254_740_992.0;
            let number = if whole {
                Some(Number::from(double as i64))
            } else {
                Number::from_f64(double)
            };
            number.map_or(Value::Null, Value::Number)
        }
        Value::Array(elements) if depth > 0 => Value::Array(
            elements
                .into_iter()
                .map(|element| doubles(element, depth - 1))
                .collect(),
        ),
        Value::Object(members) if depth > 0 => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, doubles(value, depth - 1)))
                .collect(),
        ),
        other => other,
    }
}
