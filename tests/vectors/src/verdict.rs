//! [`Verdict`] in the order of members that makes equal verdicts equal bytes, and its comparison with an `expect`.

use portcullis_base::Reason;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::response::ExpectClient;

/// A verdict. Serialising it gives the one line of the format.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The vector's id.
    pub id: String,
    /// `allow`, `deny`, `answer`.
    pub effect: String,
    /// HTTP status.
    pub status: u16,
    /// Reason code.
    pub reason: String,
    /// Detail code.
    pub detail: Option<String>,
    /// `because` of the deciding deny.
    pub message: Option<String>,
    /// Deciding rule.
    pub rule: Option<String>,
    /// Rules whose obligations bind.
    pub rules: Vec<String>,
    /// On a denial: what would have been closest.
    pub closest: Vec<Closest>,
    /// Charges.
    pub quotas: Vec<QuotaCharge>,
    /// What the request's body must be.
    pub request_body: Option<RequestBody>,
    /// What happens to the response.
    pub response: Option<Response>,
    /// Header changes.
    pub headers: Headers,
    /// The target to forward, on an allow.
    pub upstream_target: Option<String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Reported rules.
    pub report: Vec<Report>,
    /// Digest of the policy image, `sha256:..`; the reference leaves it empty.
    pub policy: String,
    /// Digest of the data.
    pub data: String,
    /// What the client gets, where the vector says what the upstream answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Value>,
}

/// An allow that came close.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Closest {
    /// Rule id.
    pub rule: String,
    /// What it lacked: `{"scope": ..}`, `{"acr": ..}`, `{"max_age": ..}`, `{"condition": ..}`.
    pub lacks: Vec<Value>,
}

/// One charge; which members are there depends on the kind of quota.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaCharge {
    /// Quota name.
    pub name: String,
    /// Composite key.
    pub key: String,
    /// Cost.
    pub cost: u64,
    /// Limit in force.
    pub limit: u64,
    /// Rate: µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_us: Option<i64>,
    /// Rate: capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Calendar: `day`, `week`, `month`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Calendar: zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// In flight: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<bool>,
}

/// `request_body`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestBody {
    /// Rule ids.
    pub accept: Vec<String>,
    /// Smallest limit.
    pub max_bytes: u64,
    /// `refuse` or `strip`.
    pub unknown: String,
}

/// `response`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Operations, see decision 0001.
    pub redact: Vec<Value>,
    /// `[{"rule": id, "else": status}]` or null.
    pub require: Option<Vec<Value>>,
}

/// Header changes: `[name, value]` pairs and names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// To set upstream.
    pub request_set: Vec<(String, String)>,
    /// To remove before it goes upstream.
    pub request_drop: Vec<String>,
    /// To set on the reply.
    pub response_set: Vec<(String, String)>,
    /// To remove from the reply.
    pub response_drop: Vec<String>,
}

/// One reported rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Rule id.
    pub rule: String,
    /// `true` or `unknown`.
    pub value: String,
}

/// Any subset of a verdict's members but `id`, compared whole, and in `client` any subset of what the client gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Expect(pub serde_json::Map<String, Value>);

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Expect, D::Error> {
        const MEMBERS: [&str; 18] = [
            "effect",
            "status",
            "reason",
            "detail",
            "message",
            "rule",
            "rules",
            "closest",
            "quotas",
            "request_body",
            "response",
            "headers",
            "upstream_target",
            "tags",
            "report",
            "policy",
            "data",
            "client",
        ];
        let map = serde_json::Map::<String, Value>::deserialize(d)?;
        if let Some(unknown) = map.keys().find(|k| !MEMBERS.contains(&k.as_str())) {
            return Err(serde::de::Error::custom(format!(
                "unknown member `{unknown}` in `expect`"
            )));
        }
        if let Some(Value::String(reason)) = map.get("reason")
            && Reason::from_code(reason).is_none()
        {
            return Err(serde::de::Error::custom(format!(
                "no verdict has the reason `{reason}`"
            )));
        }
        if let Some(client) = map.get("client") {
            ExpectClient::read(client).map_err(serde::de::Error::custom)?;
        }
        Ok(Expect(map))
    }
}

/// A member that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Member.
    pub member: String,
    /// What was expected.
    pub expected: Value,
    /// What came.
    pub actual: Value,
}

impl Verdict {
    /// The one line, without a newline.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Expect {
    /// What is expected of what the client gets.
    pub fn client(&self) -> Option<ExpectClient> {
        // It was read with the vector.
        self.0
            .get("client")
            .and_then(|client| ExpectClient::read(client).ok())
    }
}

/// What of `expect` the verdict (a JSON object as of [`Verdict::to_line`], where there is an upstream with the member `client`
/// of [`crate::Received::to_json`]) does not meet; empty is agreement.
pub fn compare(expect: &Expect, verdict: &Value) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (member, expected) in &expect.0 {
        let actual = verdict.get(member).cloned().unwrap_or(Value::Null);
        match expect.client() {
            Some(client) if member == "client" && actual.is_object() => {
                found.extend(client.differences(&actual));
            }
            _ if actual != *expected => found.push(Mismatch {
                member: member.clone(),
                expected: expected.clone(),
                actual,
            }),
            _ => {}
        }
    }
    found
}
