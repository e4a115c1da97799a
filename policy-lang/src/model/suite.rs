//! `test` and `prove` blocks, resolved but not run here.

use super::{Cond, ServiceId, Target};
use crate::source::Span;
use portcullis_base::Reason;

/// `test "NAME" { given ..; expect ..; }`
#[derive(Clone, Debug, PartialEq)]
pub struct TestBlock {
    /// Name.
    pub name: String,
    /// Where.
    pub span: Span,
    /// What holds before; an `expect` sees all `given` above it.
    pub expectations: Vec<Expectation>,
}

/// The world of one expectation, personas expanded. JSON texts are canonical (members in written order).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Issuer name and claims as JSON text (`scope` space-joined).
    pub token: Option<(String, String)>,
    /// Key set name, key id, other fields as JSON text.
    pub key: Option<(String, String, String)>,
    /// Peer set name and members `spiffe`, `dns`, `subject`, `fingerprint` as JSON text.
    pub peer: Option<(String, String)>,
    /// Context as JSON text.
    pub context: Option<String>,
    /// `client.ip ".."`: the client; default 192.0.2.1.
    pub client_ip: Option<String>,
    /// `now ..`, µs.
    pub now_us: Option<i64>,
    /// `header "n" "v"`, in order.
    pub headers: Vec<(String, String)>,
    /// `body ".."`
    pub body: Option<String>,
}

/// The effect that an `expect` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedEffect {
    /// `allow`
    Allow,
    /// `deny`
    Deny,
    /// `answer`: the gateway answers by itself (a preflight).
    Answer,
}

impl ExpectedEffect {
    /// All of them.
    pub const ALL: [ExpectedEffect; 3] = [
        ExpectedEffect::Allow,
        ExpectedEffect::Deny,
        ExpectedEffect::Answer,
    ];

    /// The word of the language and of verdicts.
    pub fn code(self) -> &'static str {
        match self {
            ExpectedEffect::Allow => "allow",
            ExpectedEffect::Deny => "deny",
            ExpectedEffect::Answer => "answer",
        }
    }
}

/// One `expect` line.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Where.
    pub span: Span,
    /// World.
    pub given: Given,
    /// Request.
    pub request: TestRequest,
    /// What the verdict does.
    pub effect: ExpectedEffect,
    /// Status, if named.
    pub status: Option<u16>,
    /// Reason code, if named (`deny no_rule GET ..`).
    pub reason: Option<Reason>,
    /// `by ..`: the full rule id.
    pub by: Option<String>,
    /// `with drop **.ssn, limit per_user, ..`: each as canonical obligation text.
    pub with: Vec<String>,
}

/// Method and URL of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRequest {
    /// Method token.
    pub method: String,
    /// Absolute URL, raw.
    pub url: String,
}

/// `prove "NAME" { .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// Name.
    pub name: String,
    /// Where.
    pub span: Span,
    /// What is claimed; every form must hold.
    pub forms: Vec<ProofForm>,
}

/// One claim of a proof. `None` for a service is over all services, from the root.
#[derive(Clone, Debug, PartialEq)]
pub enum ProofForm {
    /// `never allow TARGETS [on S] [when C]`
    NeverAllow(Vec<Target>, Option<ServiceId>, Cond),
    /// `always allow TARGETS [on S] when C`
    AlwaysAllow(Vec<Target>, Option<ServiceId>, Cond),
    /// `only PRINCIPAL may TARGETS [on S]`
    Only(Cond, Vec<Target>, Option<ServiceId>),
    /// `always drop PATH on TARGETS [on S] [unless C]`
    AlwaysDrop(String, Vec<Target>, Option<ServiceId>, Cond),
    /// `always limit TARGETS [on S]`
    AlwaysLimit(Vec<Target>, Option<ServiceId>),
}
