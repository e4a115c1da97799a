//! Query text -> parameters, decoded once.

/// One `name=value` part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// As sent.
    pub(crate) raw: String,
    /// `None` where it has a bad triple: it matches no name.
    pub(crate) name: Option<Vec<u8>>,
    /// `None` where it has a bad triple: ill-typed.
    pub(crate) value: Option<Vec<u8>>,
}

/// Splits at `&`; empty parts are skipped.
pub(crate) fn parameters(query: &str) -> Vec<Parameter> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Parameter {
                raw: part.to_string(),
                name: decode(name.as_bytes()),
                value: decode(value.as_bytes()),
            }
        })
        .collect()
}

/// `+` is a space, triples are decoded once; `None` for a bad triple.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(byte) = text.get(i) {
        match byte {
            b'%' => {
                out.push(hex_pair(text.get(i + 1..)?)?);
                i += 3;
                continue;
            }
            b'+' => out.push(b' '),
            _ => out.push(*byte),
        }
        i += 1;
    }
    Some(out)
}

/// The byte that the first two characters say in hexadecimal.
pub(crate) fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |i: usize| text.get(i).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
