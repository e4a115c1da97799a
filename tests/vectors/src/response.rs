//! What the upstream answers ([`Upstream`]), what the client gets of it ([`Received`]), and where that differs from what a
//! vector expects ([`ExpectClient`]). Judges no body: the hosts do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::request::{Bytes, of_base64, to_base64};
use crate::verdict::Mismatch;

/// The upstream's response to a request that reaches it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// HTTP status, 101 or 200 to 599.
    pub status: u16,
    /// Header lines in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Bytes)>,
    /// Body text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// The body as it arrives, part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Bytes>>,
}

impl Upstream {
    /// The body in the parts that it arrives in: one, or those of `parts`; none where there is no body.
    pub fn body_parts(&self) -> Result<Vec<Vec<u8>>, String> {
        match (&self.body, &self.body_base64, &self.parts) {
            (None, None, None) => Ok(Vec::new()),
            (Some(text), None, None) => Ok(vec![text.clone().into_bytes()]),
            (None, Some(text), None) => Ok(vec![of_base64("upstream.body_base64", text)?]),
            (None, None, Some(parts)) => Ok(parts.iter().map(|part| part.0.clone()).collect()),
            _ => Err("`upstream` takes one of `body`, `body_base64` and `parts`".to_string()),
        }
    }

    /// An error says what of it cannot be an upstream's response.
    pub fn check(&self) -> Result<(), String> {
        match self.status {
            101 | 200..=599 => self.body_parts().map(|_| ()),
            other => Err(format!("`upstream.status` is 101 or 200 to 599, not {other}")),
        }
    }
}

/// What the client gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// HTTP status.
    pub status: u16,
    /// Header lines that the upstream or the policy wrote, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The bytes sent; `None` where the host replies in its own words.
    pub body: Option<Vec<u8>>,
    /// The stream is broken off behind these bytes.
    pub reset: bool,
    /// Reason code: `allowed` where it is the upstream's response.
    pub reason: String,
    /// Detail code of a refusal.
    pub detail: Option<String>,
}

impl Received {
    /// As the member `client` of a verdict line.
    pub fn to_json(&self) -> Value {
        let headers = self.headers.iter();
        let headers: Vec<Value> = headers
            .map(|(name, value)| json!([name, Bytes(value.clone())]))
            .collect();
        let mut members = Map::new();
        members.insert("status".into(), self.status.into());
        members.insert("headers".into(), headers.into());
        match self.body.as_deref().map(std::str::from_utf8) {
            None => members.insert("body".into(), Value::Null),
            Some(Ok(text)) => members.insert("body".into(), text.into()),
            Some(Err(_)) => {
                let bytes = self.body.as_deref().unwrap_or_default();
                members.insert("body_base64".into(), to_base64(bytes).into())
            }
        };
        members.insert("reset".into(), self.reset.into());
        members.insert("reason".into(), self.reason.clone().into());
        members.insert("detail".into(), self.detail.clone().into());
        Value::Object(members)
    }
}

/// `expect.client`: any subset of what the client gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectClient {
    /// HTTP status.
    pub status: Option<u16>,
    /// All lines of each name that stands here; `null` where there must be none.
    #[serde(default)]
    pub headers: Vec<(String, Option<Bytes>)>,
    /// All of the body as text.
    pub body: Option<String>,
    /// All of the body as bytes.
    pub body_base64: Option<String>,
    /// Whether the stream is broken off.
    pub reset: Option<bool>,
    /// Reason code.
    pub reason: Option<String>,
    /// Detail code.
    pub detail: Option<String>,
}

impl ExpectClient {
    /// Of the member `client` of an `expect`; an error says what it cannot say.
    pub fn read(value: &Value) -> Result<ExpectClient, String> {
        let client = ExpectClient::deserialize(value).map_err(|e| format!("`expect.client`: {e}"))?;
        client.expected_body()?;
        for (name, _) in client.headers.iter().filter(|(_, value)| value.is_none()) {
            let lines = client.lines(name).len();
            if lines > 1 {
                return Err(format!("`expect.client`: `{name}` is there and absent"));
            }
        }
        match &client.reason {
            Some(reason) if portcullis_base::Reason::from_code(reason).is_none() => {
                Err(format!("no verdict has the reason `{reason}`"))
            }
            _ => Ok(client),
        }
    }

    /// All of the body, where it is named.
    pub fn expected_body(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.body, &self.body_base64) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(text.clone().into_bytes())),
            (None, Some(text)) => of_base64("expect.client.body_base64", text).map(Some),
            (Some(_), Some(_)) => Err("`expect.client` takes one of `body` and `body_base64`".to_string()),
        }
    }

    fn lines(&self, name: &str) -> Vec<Option<&Bytes>> {
        let own = self.headers.iter();
        own.filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
            .collect()
    }

    /// What of it the client does not get, by the member's name behind `client`; empty is agreement. `actual` is
    /// [`Received::to_json`].
    pub(crate) fn differences(&self, actual: &Value) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut differs = |member: &str, expected: Value, actual: Value| {
            if expected != actual {
                found.push(Mismatch {
                    member: format!("client.{member}"),
                    expected,
                    actual,
                });
            }
        };
        let get = |member: &str| actual.get(member).cloned().unwrap_or(Value::Null);
        let mut scalar = |member: &str, expected: Option<Value>| {
            if let Some(expected) = expected {
                differs(member, expected, get(member));
            }
        };
        scalar("status", self.status.map(Value::from));
        scalar("body", self.body.clone().map(Value::from));
        scalar("reset", self.reset.map(Value::from));
        scalar("reason", self.reason.clone().map(Value::from));
        scalar("detail", self.detail.clone().map(Value::from));
        // Bytes that are text are written as text.
        if let Ok(Some(bytes)) = self.expected_body()
            && self.body_base64.is_some()
        {
            let expected = Received {
                body: Some(bytes),
                ..Received::default()
            };
            let expected = expected.to_json();
            for member in ["body", "body_base64"] {
                differs(
                    member,
                    expected.get(member).cloned().unwrap_or(Value::Null),
                    get(member),
                );
            }
        }
        let sent = actual.get("headers").and_then(Value::as_array);
        for (at, (name, _)) in self.headers.iter().enumerate() {
            let is_first = !self
                .headers
                .iter()
                .take(at)
                .any(|(own, _)| own.eq_ignore_ascii_case(name));
            if !is_first {
                continue;
            }
            let expected: Vec<Value> = self
                .lines(name)
                .into_iter()
                .flatten()
                .map(|value| json!(value))
                .collect();
            let lines = sent.into_iter().flatten().filter(|line| {
                let own = line.get(0).and_then(Value::as_str);
                own.is_some_and(|own| own.eq_ignore_ascii_case(name))
            });
            let lines: Vec<Value> = lines.filter_map(|line| line.get(1).cloned()).collect();
            differs(&format!("headers.{name}"), expected.into(), lines.into());
        }
        found
    }
}
