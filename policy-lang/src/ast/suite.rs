//! Personas, `test` and `prove` blocks as their author wrote them.

use super::{Expr, Literal, Name, Target, Text};
use crate::source::Spanned;

/// `token from corp { sub "u1"; .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct Persona {
    /// `token`, `key` or `peer`.
    pub kind: Name,
    /// Issuer, key set or peer set.
    pub from: Name,
    /// Members: dotted names allowed for claim paths (use the declared name); value.
    pub members: Vec<(Name, Vec<Spanned<Literal>>)>,
}

/// Lines of a test.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    target_pointer_width = "64",
    expect(
        clippy::large_enum_variant,
        reason = "tests are few, and most of their lines are the large one"
    )
)]
pub enum TestLine {
    /// `given PART, ..;`
    Given(Vec<Spanned<GivenPart>>),
    /// `expect ..;`
    Expect(ExpectLine),
}

/// A part of `given`.
#[derive(Clone, Debug, PartialEq)]
pub enum GivenPart {
    /// A persona's name.
    Persona(Name),
    /// `context { NAME VALUE; .. }`
    Context(Vec<(Name, Vec<Spanned<Literal>>)>),
    /// `client.ip ".."`
    ClientIp(Text),
    /// `now 2026-..`
    Now(Spanned<String>),
    /// `header "n" "v"`
    Header(Text, Text),
    /// `body ".."`
    Body(Text),
    /// `token from N {..}`, `key N {..}` / `key from N {..}`, `peer N {..}` / `peer from N {..}`
    Credential(Persona),
}

/// `expect allow|deny|answer [STATUS] [REASON] METHOD "URL" [by ID] [with OBLIGATION, ..];`
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectLine {
    /// `allow`, `deny`, `answer`.
    pub effect: Name,
    /// Status.
    pub status: Option<Spanned<u32>>,
    /// Reason.
    pub reason: Option<Name>,
    /// Method.
    pub method: Name,
    /// URL.
    pub url: Text,
    /// `by`: a name, a full id (`orders/refund_guard`) or a quoted `"file.gate:12"`.
    pub by: Option<Name>,
    /// `with drop **.ssn, limit per_user`: as written, one each.
    pub with: Vec<Spanned<String>>,
}

/// Lines of a proof.
#[derive(Clone, Debug, PartialEq)]
pub enum ProofLine {
    /// `never allow TARGETS [on S] [when C];`
    NeverAllow(Vec<Target>, Option<Name>, Option<Expr>),
    /// `always allow TARGETS [on S] when C;`
    AlwaysAllow(Vec<Target>, Option<Name>, Expr),
    /// `only P or .. may TARGETS [on S];`
    Only(Vec<Name>, Vec<Target>, Option<Name>),
    /// `always drop PATH on TARGETS [on S] [unless C];`
    AlwaysDrop(Spanned<String>, Vec<Target>, Option<Name>, Option<Expr>),
    /// `always limit TARGETS [on S];`
    AlwaysLimit(Vec<Target>, Option<Name>),
}
