//! What an image holds of the bodies and queries that rules accept. Plain data: no policy syntax, no spans.

/// Limits of an accepted body.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptBody {
    /// Bytes; `None`: the default.
    pub max_bytes: Option<u64>,
    /// Strip unknown fields.
    pub strip_unknown: bool,
    /// Which bodies.
    pub kind: AcceptKind,
    /// Containers that may be open at once in JSON; `None`: the limit of requests.
    pub depth: Option<u32>,
    /// What JSON must look like: its parts, the whole first. Empty for other kinds.
    pub shape: Vec<ShapePart>,
    /// Fields of a form. Empty for other kinds.
    pub fields: Vec<QueryField>,
}

/// A part of an accepted JSON body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShapePart {
    /// Type.
    pub ty: ShapeType,
    /// May be missing.
    pub optional: bool,
    /// May be `null`.
    pub nullable: bool,
    /// Of an object: any members may stand in it.
    pub open: bool,
    /// Members of an object, sorted by name, with their parts.
    pub members: Vec<(String, u32)>,
    /// The part of an array's elements.
    pub element: u32,
    /// Smallest value as decimal text, or length in characters.
    pub min: Option<String>,
    /// Largest value as decimal text, or length in characters.
    pub max: Option<String>,
    /// Allowed texts or integers, sorted.
    pub one_of: Option<Vec<String>>,
    /// Classifier of `matches` (in the image's pattern tables); class > 1 is a match.
    pub matches: Option<u32>,
    /// Smallest and largest count of an array's elements.
    pub items: Option<(u64, u64)>,
    /// Most members of an object.
    pub keys: Option<u64>,
}

/// Types of parts of a JSON body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeType {
    /// Anything.
    #[default]
    Any,
    /// `true`, `false`
    Bool,
    /// i64, as `-?(0|[1-9][0-9]*)`.
    Int,
    /// A number, exact.
    Number,
    /// Text.
    String,
    /// Address.
    Ip,
    /// RFC 3339.
    Instant,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// Which bodies an accept is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptKind {
    /// JSON.
    Json,
    /// URL-encoded forms.
    Form,
    /// This media type, in lower case. Says nothing about unknown fields.
    Type(String),
}

/// A closed-world query.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptQuery {
    /// Strip unknown parameters.
    pub strip_unknown: bool,
    /// Fields.
    pub fields: Vec<QueryField>,
}

/// One query parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryField {
    /// Decoded name.
    pub name: String,
    /// ASCII character at which the one text is split into values.
    pub separator: Option<u8>,
    /// May be missing.
    pub optional: bool,
    /// Of a list, the smallest and largest count of values.
    pub items: Option<(u64, u64)>,
    /// Type.
    pub ty: QueryType,
    /// Smallest value or length in characters.
    pub min: Option<i64>,
    /// Largest value or length in characters.
    pub max: Option<i64>,
    /// Allowed texts, sorted.
    pub one_of: Option<Vec<String>>,
    /// Classifier of `matches` (in the image's pattern tables); class > 1 is a match.
    pub matches: Option<u32>,
}

/// Types of query parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// `true`, `false`
    Bool,
    /// i64, canonical.
    Int,
    /// UTF-8 text.
    String,
    /// Address.
    Ip,
    /// RFC 3339.
    Instant,
}
