//! What a verdict obliges the host to do (section 7; XACML: obligations).

use super::{Cond, Fact, QuotaId};
use std::fmt::{self, Display, Formatter};

/// The body of an allow or `on`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Obligations {
    /// `limit NAME [cost ..]` and inline limits; sorted by quota, unique.
    pub limits: Vec<Limit>,
    /// `redact response { .. }`, in canonical order.
    pub redact: Vec<Redaction>,
    /// `accept ..`, in the order written. Those of bodies are alternatives: no media type is of two of them.
    pub accept: Vec<Accept>,
    /// `require response { C } else STATUS`
    pub require_response: Vec<RequireResponse>,
    /// `set|drop [request|response] header`
    pub headers: Vec<HeaderOp>,
    /// `tag "x"`, sorted, unique.
    pub tags: Vec<String>,
    /// `require tls`, `require sni == host`; sorted, unique. Only in `on`.
    pub require: Vec<Transport>,
    /// `sunset INSTANT`, µs. Only in `on`.
    pub sunset_us: Option<i64>,
}

impl Obligations {
    /// Whether nothing binds.
    pub fn is_empty(&self) -> bool {
        *self == Obligations::default()
    }
}

/// A demand on the connection; refused is `transport_refused`, 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// The scheme is https.
    Tls,
    /// The SNI is there and equals the host.
    SniIsHost,
}

/// How fast a quota refills or when it starts anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    /// GCRA: N per this many µs; burst (None: N).
    Rate {
        /// 1 s ..= 400 d, µs.
        period_us: i64,
        /// Bucket capacity.
        burst: Option<u64>,
    },
    /// `calendar day|week|month in "ZONE"`.
    Calendar {
        /// How long a period is.
        unit: CalendarUnit,
        /// IANA zone.
        zone: String,
    },
    /// `at most N in flight`.
    InFlight,
}

/// A period of the calendar, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarUnit {
    /// `day`
    Day,
    /// `week`, from Monday.
    Week,
    /// `month`
    Month,
}

impl CalendarUnit {
    /// All of them.
    pub const ALL: [CalendarUnit; 3] = [CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month];

    /// The word of the language.
    pub fn code(self) -> &'static str {
        match self {
            CalendarUnit::Day => "day",
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
        }
    }
}

impl Display for CalendarUnit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A number that may be a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Literal, 1..=2^53.
    Fixed(u64),
    /// An int fact; for limits with a ceiling.
    Fact {
        /// Int fact.
        fact: Fact,
        /// `at most N`.
        at_most: Option<u64>,
    },
}

/// What happens where the store of a shared quota fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// `allow`
    Allow,
    /// `deny`, the default.
    Deny,
    /// `local`
    Local,
}

/// One part of a quota key: the first of its facts that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// Alternatives joined by `else`, at least one.
    pub facts: Vec<KeyFact>,
}

/// A fact that a key can hold; never a set, an instant or a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFact {
    /// The fact. A capture is of type string here: the targets that use the quota may capture it with others.
    pub fact: Fact,
    /// IPv6 prefix length of `by client.ip/N`; `None`: IPv4 whole, IPv6 /64.
    pub prefix: Option<u8>,
    /// The fact as the author wrote it, without `/N`: what names the part in a key.
    pub text: String,
}

/// A quota, named (`quota NAME = ..`) or inline (`SERVICE/inline:TEXT`).
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Name, unique.
    pub name: String,
    /// Where it is declared.
    pub span: crate::source::Span,
    /// N.
    pub limit: Amount,
    /// Per what.
    pub period: Period,
    /// Key parts joined by `,`.
    pub by: Vec<KeyPart>,
    /// Default cost of a charge.
    pub cost: Amount,
    /// `shared`
    pub shared: bool,
    /// `on store failure ..`
    pub on_store_failure: StoreFailure,
    /// `counting denied`
    pub counting_denied: bool,
}

impl Quota {
    /// The facts of its key, its limit and its default cost.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        let keys = self.by.iter().flat_map(|part| &part.facts).map(|key| &key.fact);
        keys.chain([&self.limit, &self.cost].into_iter().filter_map(Amount::fact))
    }
}

impl Amount {
    /// The fact that it is, if it is one.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Amount::Fact { fact, .. } => Some(fact),
            Amount::Fixed(_) => None,
        }
    }
}

/// A use of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The quota.
    pub quota: QuotaId,
    /// `cost ..` here; `None`: the quota's own.
    pub cost: Option<Amount>,
}

/// How a text is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mask {
    /// Nothing stays.
    All,
    /// The first N characters stay, N ≥ 1.
    First(u32),
    /// The last N characters stay, N ≥ 1.
    Last(u32),
}

/// What happens to a value, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RedactionOp {
    /// The member or element goes.
    Drop,
    /// Another text stands in its place.
    Replace(String),
    /// A keyed hash stands in its place.
    Hash,
    /// Parts of it are masked.
    Mask(Mask),
    /// At most N characters stay.
    Truncate(u32),
}

/// One line of `redact response { .. }`. Paths are in canonical spelling (`a.b`, `items[].price`, `**.ssn`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// An operation on a path.
    Op {
        /// JSON path.
        path: String,
        /// Operation.
        op: RedactionOp,
    },
    /// `only { PATHS }`, sorted, unique.
    Only(Vec<String>),
}

/// `accept body|query|form|type ..`
#[derive(Clone, Debug, PartialEq)]
pub struct Accept {
    /// What it is about.
    pub kind: AcceptKind,
    /// `max SIZE`, bytes.
    pub max_bytes: Option<u64>,
    /// `depth N`
    pub depth: Option<u32>,
    /// `strip unknown`
    pub strip_unknown: bool,
    /// Fields in path order; for queries and forms plain names.
    pub fields: Vec<AcceptedField>,
}

/// What an `accept` is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AcceptKind {
    /// A JSON body.
    Body,
    /// The query string.
    Query,
    /// An urlencoded form.
    Form,
    /// Any body of this media type (lower case).
    Media(String),
}

impl AcceptKind {
    /// Whether a body of this media type (`type/subtype`, lower case, without parameters) is of this kind. A query has
    /// no media type.
    pub fn takes(&self, media_type: &str) -> bool {
        match self {
            AcceptKind::Body => media_type == "application/json" || media_type.ends_with("+json"),
            AcceptKind::Query => false,
            AcceptKind::Form => media_type == "application/x-www-form-urlencoded",
            AcceptKind::Media(named) => named == media_type,
        }
    }

    /// Whether some media type is of both kinds.
    pub fn shares_type(&self, other: &AcceptKind) -> bool {
        match (self, other) {
            (AcceptKind::Media(named), kind) | (kind, AcceptKind::Media(named)) => kind.takes(named),
            (AcceptKind::Body, AcceptKind::Body) | (AcceptKind::Form, AcceptKind::Form) => true,
            _ => false,
        }
    }
}

impl Display for AcceptKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AcceptKind::Body => f.write_str("body"),
            AcceptKind::Query => f.write_str("query"),
            AcceptKind::Form => f.write_str("form"),
            AcceptKind::Media(named) => write!(f, "type \"{named}\""),
        }
    }
}

/// `FIELD[?]: TYPE LIMITS;`
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedField {
    /// JSON path in canonical spelling; for queries and forms the decoded name.
    pub path: String,
    /// How often the name may be given; of queries and forms only.
    pub many: Many,
    /// `?`
    pub optional: bool,
    /// Type.
    pub ty: AcceptedType,
    /// `T or null` (bodies only).
    pub nullable: bool,
    /// Limits.
    pub bounds: Bounds,
}

/// How a name of a query or form holds its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Many {
    /// `tag`: given once, one value.
    #[default]
    One,
    /// `tag[]`: given any number of times, a value each; none is an empty list.
    Given,
    /// `tag[] .. separated by ","`: given once and split at this ASCII character after decoding, an empty part being a
    /// value too; missing is an empty list.
    Separated(char),
}

/// The type of an accepted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AcceptedType {
    /// `true` or `false`.
    Bool,
    /// i64.
    Int,
    /// Exact decimal; bodies only.
    Number,
    /// Text.
    String,
    /// An object; bodies only.
    Object,
    /// Anything; bodies only.
    Any,
    /// An address.
    Ip,
    /// An instant, RFC 3339 with an offset.
    Instant,
}

/// Limits of an accepted field. Inclusive. For strings `min` and `max` count characters (code points), for
/// numbers they bound the value (decimal text), for ints too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest value or length, decimal text.
    pub min: Option<String>,
    /// Largest value or length, decimal text.
    pub max: Option<String>,
    /// `in [..]`: allowed texts.
    pub one_of: Option<Vec<String>>,
    /// `matches '..'`, anchored.
    pub matches: Option<String>,
    /// `items A..B` of an array field `f[]`: how many values.
    pub items: Option<(u64, u64)>,
    /// `keys N` of an object.
    pub keys: Option<u64>,
}

/// `require response { C } else STATUS`: checked once the response is there; true, or the else.
#[derive(Clone, Debug, PartialEq)]
pub struct RequireResponse {
    /// Over fields of the response ([`Fact::Response`]) and facts of the request.
    pub condition: Cond,
    /// Status of the else, 400..=599.
    pub status: u16,
}

/// Which message a header operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderDirection {
    /// What goes upstream.
    Request,
    /// What goes to the client.
    Response,
}

/// One header operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeaderOp {
    /// Direction.
    pub direction: HeaderDirection,
    /// Lower-case name.
    pub name: String,
    /// Set or drop.
    pub action: HeaderAction,
}

/// Set or drop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderAction {
    /// Drop beats set.
    Drop,
    /// Set to a value.
    Set(HeaderValue),
}

/// The value of a set header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeaderValue {
    /// A literal; visible ASCII, space and tab inside.
    Literal(String),
    /// A string, int, bool or ip fact's text; unknown, or with a control byte in it, the header is removed.
    Fact(Fact),
}
