//! The tree of one file, as its author wrote it: every name unresolved, every statement with its span,
//! comments kept beside it. The formatter prints it back; the checker turns it into the model.
//!
//! Literals are already decoded (string escapes undone, sizes and durations in base units with the written
//! text kept where the formatter needs it). Invariant: `format(parse(text))` parses to the same tree but
//! for spans.

mod suite;

use crate::source::{Span, Spanned};

pub use suite::{ExpectLine, GivenPart, Persona, ProofLine, TestLine};

/// A name as written, without quotes.
pub type Name = Spanned<String>;
/// A string literal, escapes undone.
pub type Text = Spanned<String>;

/// A file. Parsing always yields one; what could not be read is missing from it and in the diagnostics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// `gate 1;`
    pub version: Option<Spanned<u32>>,
    /// Declarations in order.
    pub items: Vec<Item>,
    /// Every comment with its span, in order, `#` included; the formatter puts them back.
    pub comments: Vec<Spanned<String>>,
}

/// A declaration with its doc comment (`##` lines joined by newlines, markers stripped).
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Doc comment.
    pub doc: Option<String>,
    /// The whole declaration.
    pub span: Span,
    /// What it declares.
    pub decl: Decl,
}

/// Everything that can stand at the top of a file. Those marked (L) may also stand inside a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Decl {
    /// `import "FILE";`
    Import(Text),
    /// `issuer NAME { .. }`
    Issuer(Name, Vec<Spanned<IssuerClause>>),
    /// `keys NAME { .. }`
    Keys(Name, Vec<Spanned<KeysClause>>),
    /// `peers NAME { trust "D", ..; }`
    Peers(Name, Vec<Text>),
    /// `signature NAME { .. }`
    Signature(Name, Vec<Spanned<SignatureClause>>),
    /// `secret NAME from file "F";`
    Secret(Name, Text),
    /// `methods NAME, ..;`
    Methods(Vec<Name>),
    /// `redaction key NAME;`
    RedactionKey(Name),
    /// `trust { .. }`
    Trust(Vec<Spanned<TrustClause>>),
    /// `context { .. }`
    Context(Vec<FieldDecl>),
    /// `network NAME = NET, ..;` as written.
    Network(Name, Vec<Spanned<String>>),
    /// `hours NAME = DAYS TIME..TIME, .. in "ZONE";`
    Hours(Name, Vec<Spanned<HoursRange>>, Text),
    /// `list NAME: TYPE from "F" [max age D];`
    List(Name, Spanned<TypeName>, Text, Option<Spanned<Duration>>),
    /// `table NAME from "F" [max age D] { COLUMN: TYPE; .. }`
    Table(Name, Text, Option<Spanned<Duration>>, Vec<FieldDecl>),
    /// `principal NAME = C;` (L)
    Principal(Name, Expr),
    /// `condition NAME = C;` (L)
    Condition(Name, Expr),
    /// `quota NAME = ..;` (L)
    Quota(Name, QuotaSpec),
    /// `routes NAME = TARGETS;` (L) targets without methods are allowed: the use gives them.
    Routes(Name, Vec<Target>),
    /// `guard NAME { .. }`
    Guard(Name, Vec<Spanned<Statement>>),
    /// `service NAME [on HOST, ..] [under BASE] { .. }`
    Service {
        /// Name.
        name: Name,
        /// `on "host", ..`
        hosts: Vec<Text>,
        /// `under /base`
        base: Option<Spanned<Path>>,
        /// Body.
        body: Vec<Spanned<Statement>>,
    },
    /// `persona NAME = PERSONA;`
    Persona(Name, Spanned<Persona>),
    /// `test "NAME" { .. }`
    Test(Text, Vec<Spanned<TestLine>>),
    /// `prove "NAME" { .. }`
    Prove(Text, Vec<Spanned<ProofLine>>),
}

/// A duration: µs, and as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Microseconds; saturated at `i64::MAX` (the checker refuses what is out of range).
    pub us: i64,
    /// As written, `30s`, `1h`, `15m`, `400d`, `500ms`.
    pub text: String,
}

/// A size: bytes, and as written (`16KiB`, `10MiB`, `512`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes, saturated.
    pub bytes: u64,
    /// As written.
    pub text: String,
}

/// `string`, `set or string`, ..
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// One word: `bool int number string ip set instant duration object any`, checked later.
    Word(String),
    /// `set or string`
    SetOrString,
    /// `set separated by ","`: the text in quotes, checked later.
    SetSeparated(String),
}

/// Members from the top of an object: `realm_access.roles`, `"odd key".x`; at least one.
pub type MemberPath = Vec<Name>;

/// `NAME: TYPE [from PATH] [= DEFAULT];`, in `claims`, `fields`, `context`, tables.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDecl {
    /// Doc comment.
    pub doc: Option<String>,
    /// Name.
    pub name: Name,
    /// Type.
    pub ty: Spanned<TypeName>,
    /// `from PATH`: where it stands; without it, under its name at the top.
    pub from: Option<Spanned<MemberPath>>,
    /// `= VALUE`
    pub default: Option<Spanned<Literal>>,
    /// Whole line.
    pub span: Span,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// Digits as written, with a sign; the checker wants them canonical and in range.
    Int(String),
    /// A number with a fraction, as written (bodies and percentages).
    Number(String),
    /// `".."`
    String(String),
    /// `2026-12-31T00:00:00Z` as written.
    Instant(String),
    /// `30s`
    Duration(Duration),
    /// `["a", "b"]`
    List(Vec<Spanned<Literal>>),
}

/// Clauses of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerClause {
    /// `url "..";`
    Url(Text),
    /// `url like "..";`
    UrlLike(Text),
    /// `audience "..", ..;`
    Audience(Vec<Text>),
    /// `algorithms ES256, EdDSA;`
    Algorithms(Vec<Name>),
    /// `keys "FILE";`
    Keys(Text),
    /// `leeway 30s;`
    Leeway(Spanned<Duration>),
    /// `from header "n";`
    FromHeader(Text),
    /// `from cookie "n";`
    FromCookie(Text),
    /// `from query "n";`
    FromQuery(Text),
    /// `secret NAME;`
    Secret(Name),
    /// `verified by gateway;`
    VerifiedByGateway,
    /// `scopes from PATH;`
    ScopesFrom(MemberPath),
    /// `scope "a" implies "b", ..;`
    Implies(Text, Vec<Text>),
    /// `claims { .. }`
    Claims(Vec<FieldDecl>),
    /// `type "at+jwt";`
    Type(Text),
    /// `max age 1h;`
    MaxAge(Spanned<Duration>),
    /// `bound to certificate;`
    BoundToCertificate,
    /// `opaque;`
    Opaque,
    /// `no expiry;`
    NoExpiry,
    /// `beside;`
    Beside,
}

/// Clauses of `keys`.
#[derive(Clone, Debug, PartialEq)]
pub enum KeysClause {
    /// `header "n";`
    Header(Text),
    /// `cookie "n";`
    Cookie(Text),
    /// `file "f";`
    File(Text),
    /// `secret NAME;`
    Secret(Name),
    /// `fields { .. }`
    Fields(Vec<FieldDecl>),
}

/// Clauses of `signature`.
#[derive(Clone, Debug, PartialEq)]
pub enum SignatureClause {
    /// `header "n";`
    Header(Text),
    /// `hmac sha256 hex|base64 [prefix ".."];`
    Hmac {
        /// `sha256`
        hash: Name,
        /// `hex`, `base64`
        encoding: Name,
        /// Prefix.
        prefix: Option<Text>,
    },
    /// `over timestamp "." body;`
    Over(Vec<Spanned<SignedPart>>),
    /// `secret NAME, ..;`
    Secret(Vec<Name>),
    /// `timestamp header "n" within 5m;`
    Timestamp(Text, Spanned<Duration>),
}

/// A part of what is signed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedPart {
    /// `timestamp`
    Timestamp,
    /// `body`
    Body,
    /// A text as it stands.
    Text(String),
}

/// Clauses of `trust`.
#[derive(Clone, Debug, PartialEq)]
pub enum TrustClause {
    /// `proxies NET, .. [hops N];`
    Proxies(Vec<Spanned<String>>, Option<Spanned<u32>>),
    /// `header "n" as NAME[.NAME]: TYPE;`
    Header(Text, Name, Spanned<TypeName>),
}

/// `mon..fri 08:00..18:00`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursRange {
    /// Ranges and single days, as written: `(mon, Some(fri))`, `(sun, None)`; joined by `,` only before a time.
    pub days: Vec<(String, Option<String>)>,
    /// `HH:MM`
    pub start: String,
    /// `HH:MM`, up to `24:00`.
    pub end: String,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: ExprKind,
}

/// Conditions; `and`/`or` are n-ary so that long chains are not deep trees.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `a or b or ..`, at least two.
    Or(Vec<Expr>),
    /// `a and b and ..`, at least two.
    And(Vec<Expr>),
    /// `not a`
    Not(Box<Expr>),
    /// `( a )`: kept, the formatter keeps it.
    Paren(Box<Expr>),
    /// A bare dotted name: a condition, a principal, a bool fact or `anyone`.
    Name(FactRef),
    /// `token from corp`, `key from k`, `peer from p`
    From(Name, Name),
    /// `signed by s`
    SignedBy(Name),
    /// `exists F`
    Exists(FactRef),
    /// `a OP b [ignore case]`; OP as written: `== != < <= > >=`.
    Compare(OperandExpr, Spanned<String>, OperandExpr, bool),
    /// `a in b`: set, list, network, hours or literal list.
    In(OperandExpr, OperandExpr),
    /// `F in 10% of "name"`: the percentage as written without `%`.
    Sample(FactRef, Spanned<String>, Text),
    /// `F has any [..]` (`true`) or `F has all [..]` (`false`)
    Has(FactRef, bool, Vec<Spanned<Literal>>),
    /// `F like "g"`
    Like(FactRef, Text),
    /// `F matches 'r'`
    Matches(FactRef, Text),
}

/// One side of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum OperandExpr {
    /// A dotted name: fact, network, list, hours.
    Fact(FactRef),
    /// A literal.
    Literal(Spanned<Literal>),
}

/// A dotted, indexed name: `request.header["x"]`, `plans[key.plan].rpm`, `now`, `business`.
#[derive(Clone, Debug, PartialEq)]
pub struct FactRef {
    /// Where.
    pub span: Span,
    /// Parts; the first is a name.
    pub parts: Vec<FactPart>,
}

/// A part of a [`FactRef`].
#[derive(Clone, Debug, PartialEq)]
pub enum FactPart {
    /// `.name`, or the first name.
    Name(Name),
    /// `["x"]`
    Index(Text),
    /// `[key.plan]`
    IndexFact(Box<FactRef>),
}

/// What can stand in a service, a guard (checked: no allows) or, as a clause, in a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A local declaration: principal, condition, quota, routes.
    Local(Box<Item>),
    /// allow, deny, on.
    Rule(Box<Rule>),
    /// `default limit Q;`
    DefaultLimit(Name, Option<Spanned<AmountExpr>>),
    /// `openapi "F" [enforce];`
    OpenApi(Text, bool),
    /// `endpoint graphql|jsonrpc|soap ..`: parsed, not enforced yet. Kind, then the rest as written.
    Endpoint(Name, String),
    /// `cors { .. }`
    Cors(Vec<Spanned<CorsClause>>),
    /// `block by KEYS for D when denied|answered N more than M per D;`
    Block(BlockSpec),
    /// `public;` `deprecated;` `sunset I;` `require ..;`
    Mark(Mark),
    /// `invalid credentials anonymous;`
    InvalidCredentialsAnonymous,
    /// `trailing slash ignored;`
    TrailingSlashIgnored,
    /// `resource metadata "..";`
    ResourceMetadata(Text),
    /// `merge slashes;`
    MergeSlashes,
    /// `encoded slash as data;`
    EncodedSlashAsData,
    /// `encoded backslash as data;`
    EncodedBackslashAsData,
    /// `path parameters kept;`
    PathParametersKept,
    /// `method override kept;`
    MethodOverrideKept,
}

/// Marks and transport demands, of services, guards and `on` bodies.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// `public`
    Public,
    /// `deprecated`
    Deprecated,
    /// `sunset INSTANT`
    Sunset(Spanned<String>),
    /// `require tls`
    RequireTls,
    /// `require sni == host`
    RequireSniIsHost,
}

/// Clauses of `cors`.
#[derive(Clone, Debug, PartialEq)]
pub enum CorsClause {
    /// `origins "..", ..;`
    Origins(Vec<Text>),
    /// `methods GET, POST;`
    Methods(Vec<Name>),
    /// `headers "..", ..;`
    Headers(Vec<Text>),
    /// `credentials;`
    Credentials,
    /// `max age 10m;`
    MaxAge(Spanned<Duration>),
}

/// `block by KEYS for D when TRIGGER more than N per D`
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSpec {
    /// Key.
    pub by: Vec<KeyExpr>,
    /// How long.
    pub for_: Spanned<Duration>,
    /// `None`: `denied`; else `answered STATUS`.
    pub answered: Option<Spanned<u32>>,
    /// More than.
    pub more_than: Spanned<u64>,
    /// Per.
    pub per: Spanned<Duration>,
}

/// The first word of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `allow`
    Allow,
    /// `deny`
    Deny,
    /// `on`
    On,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Doc comment.
    pub doc: Option<String>,
    /// `report`
    pub report: bool,
    /// allow, deny, on; its span is the place that names the rule.
    pub verb: Spanned<Verb>,
    /// Principals joined by `or`; empty for `on`. `anyone` is a name like others.
    pub principals: Vec<Name>,
    /// Targets.
    pub targets: Vec<Target>,
    /// `with ..`
    pub with: Vec<Spanned<Requirement>>,
    /// `when C`
    pub when: Option<Expr>,
    /// `unless C`
    pub unless: Option<Expr>,
    /// `because ".."`
    pub because: Option<Text>,
    /// `respond ..`
    pub respond: Option<Spanned<Respond>>,
    /// `as NAME`
    pub name: Option<Name>,
    /// Body; `None` where the rule ends in `;`.
    pub body: Option<Vec<Spanned<BodyLine>>>,
    /// Verb to the end of the head.
    pub head: Span,
}

/// One of `with ..`
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// `scope "a", "b"`
    Scope(Vec<Text>),
    /// `scope like "a.*"`
    ScopeLike(Text),
    /// `acr "x"`
    Acr(Text),
    /// `max age 5m`
    MaxAge(Duration),
}

/// `respond 503 [retry after 10m]`, `respond 301|302|303|307|308 to ".."`
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// Status.
    pub status: Spanned<u32>,
    /// `retry after D`
    pub retry_after: Option<Spanned<Duration>>,
    /// `to ".."`
    pub to: Option<Text>,
}

/// One target of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: TargetExpr,
}

/// How a target is written.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetExpr {
    /// `GET|PATCH /a`, `any /b`; no methods only in `routes` and for a routes name.
    Path(Vec<Name>, Spanned<Path>),
    /// `[METHODS] NAME` of a `routes` declaration.
    Routes(Vec<Name>, Name),
    /// `websocket /stream`
    WebSocket(Spanned<Path>),
    /// `grpc shop.Orders/Get`, `grpc shop.Orders/*`: the text after `grpc`.
    Grpc(Spanned<String>),
    /// `OPTIONS *`, `CONNECT *`
    NoPath(Name),
    /// `graphql ..`, `jsonrpc ..`, `soap ..`: parsed, not enforced yet. Kind, then the rest as written.
    Operation(Name, String),
}

/// A path as written. `text` is the whole token (unquoted form), for the formatter.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// As written, without quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// Lines of a rule's body.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyLine {
    /// `limit NAME [cost ..];`
    Limit(Name, Option<Spanned<AmountExpr>>),
    /// `limit 5 per 1m by client.ip;`; the text is the canonical formatting of the spec.
    LimitInline(QuotaSpec),
    /// `redact response { .. }`
    Redact(Vec<Spanned<RedactLine>>),
    /// `accept body|query|form|type ..`
    Accept(AcceptSpec),
    /// `require response { C } else 404;` the condition's facts are `response.*`, bare names and request facts.
    RequireResponse(Expr, Spanned<u32>),
    /// `set [request|response] header "n" VALUE;` / `drop ..`
    Header {
        /// `true`: set.
        set: bool,
        /// `request`, `response` or none written.
        direction: Option<Name>,
        /// Name.
        name: Text,
        /// For set: literal or fact.
        value: Option<OperandExpr>,
    },
    /// `tag "x";`
    Tag(Text),
    /// Marks.
    Mark(Mark),
}

/// One line of `redact response`.
#[derive(Clone, Debug, PartialEq)]
pub enum RedactLine {
    /// `drop PATH, ..;`
    Drop(Vec<Spanned<String>>),
    /// `replace PATH with "..";`
    Replace(Spanned<String>, Text),
    /// `hash PATH, ..;`
    Hash(Vec<Spanned<String>>),
    /// `mask PATH [keep first|last N];`
    Mask(Spanned<String>, Option<(Name, Spanned<u32>)>),
    /// `truncate PATH to N;`
    Truncate(Spanned<String>, Spanned<u32>),
    /// `only { PATH; .. }` or `only { PATH, .. }`
    Only(Vec<Spanned<String>>),
}

/// `accept ..`
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptSpec {
    /// `body`, `query`, `form`, `type`.
    pub kind: Name,
    /// Media type of `type`.
    pub media: Option<Text>,
    /// `max SIZE`
    pub max: Option<Spanned<Size>>,
    /// `depth N`
    pub depth: Option<Spanned<u32>>,
    /// `strip unknown`
    pub strip_unknown: bool,
    /// Fields.
    pub fields: Vec<AcceptField>,
}

/// `note?: string max 500;`
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptField {
    /// Whole line.
    pub span: Span,
    /// JSON path as written.
    pub path: Spanned<String>,
    /// `?`
    pub optional: bool,
    /// Type word.
    pub ty: Name,
    /// `or null`
    pub nullable: bool,
    /// Limits in order.
    pub limits: Vec<Spanned<FieldLimit>>,
}

/// Limits of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldLimit {
    /// `A..B` as written.
    Range(String, String),
    /// `min N`
    Min(String),
    /// `max N`
    Max(String),
    /// `in [..]`
    In(Vec<Spanned<Literal>>),
    /// `matches '..'`
    Matches(Text),
    /// `items A..B`
    Items(Spanned<u64>, Spanned<u64>),
    /// `keys N`
    Keys(Spanned<u64>),
    /// `separated by ","`
    Separated(Text),
}

/// `N per D ..`
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaSpec {
    /// Where.
    pub span: Span,
    /// N, or a fact `at most M`.
    pub limit: Spanned<AmountExpr>,
    /// Per what.
    pub period: PeriodExpr,
    /// `by ..`
    pub by: Vec<KeyExpr>,
    /// `cost ..`
    pub cost: Option<Spanned<AmountExpr>>,
    /// `shared`
    pub shared: bool,
    /// `on store failure WORD`
    pub on_store_failure: Option<Name>,
    /// `counting denied`
    pub counting_denied: bool,
}

/// A number or fact.
#[derive(Clone, Debug, PartialEq)]
pub enum AmountExpr {
    /// Digits as written.
    Int(String),
    /// `FACT [at most N]`
    Fact(FactRef, Option<Spanned<String>>),
}

/// `per 1s [burst 40]`, `per calendar day in "Z"`, `in flight`
#[derive(Clone, Debug, PartialEq)]
pub enum PeriodExpr {
    /// `per D [burst B]`
    Per(Spanned<Duration>, Option<Spanned<String>>),
    /// `per calendar UNIT in "ZONE"`
    Calendar(Name, Text),
    /// `at most N in flight`
    InFlight,
}

/// `token.sub else client.ip/48`: alternatives with their prefix lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyExpr {
    /// Alternatives.
    pub facts: Vec<(FactRef, Option<Spanned<u32>>)>,
}
