//! Conditions: `and`, `or`, `not` over atoms, three-valued (section 3).

use super::{
    BesideId, CredentialKind, Fact, HoursId, IssuerId, KeySetId, ListId, NetworkId, PeerSetId, SignatureId,
    Value,
};

/// A condition. Named conditions and principals are expanded; depth and size are bounded by
/// the checker (`docs/policy-limits.md`), so walking it may recurse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cond {
    /// Always true: `anyone`.
    True,
    /// `not`
    Not(Box<Cond>),
    /// `and`; at least two parts, none of them `All`.
    All(Vec<Cond>),
    /// `or`; at least two parts, none of them `Any`.
    Any(Vec<Cond>),
    /// A test of facts.
    Atom(Atom),
}

impl Cond {
    /// `and` of the parts: flattened, `True` dropped, one part is itself, none is `True`.
    pub fn all(parts: impl IntoIterator<Item = Cond>) -> Cond {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Cond::True => {}
                Cond::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Cond::True,
            1 => flat.remove(0),
            _ => Cond::All(flat),
        }
    }

    /// `or` of the parts: flattened; a `True` part makes it `True`; one part is itself. No parts never happens
    /// (the grammar needs one) and is `not True`.
    pub fn any(parts: impl IntoIterator<Item = Cond>) -> Cond {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Cond::True => return Cond::True,
                Cond::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Cond::Not(Box::new(Cond::True)),
            1 => flat.remove(0),
            _ => Cond::Any(flat),
        }
    }

    /// `not`, a double one undone (sound in Kleene's logic).
    pub fn negate(self) -> Cond {
        match self {
            Cond::Not(inner) => *inner,
            other => Cond::Not(Box::new(other)),
        }
    }

    /// Calls `f` on every atom, left to right.
    pub fn for_each_atom<'a>(&'a self, f: &mut dyn FnMut(&'a Atom)) {
        match self {
            Cond::True => {}
            Cond::Not(inner) => inner.for_each_atom(f),
            Cond::All(parts) | Cond::Any(parts) => parts.iter().for_each(|p| p.for_each_atom(f)),
            Cond::Atom(atom) => f(atom),
        }
    }
}

/// `token from I`, `key from K`, `peer from P`, `signed by S`: true or false, never unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// `token from I`
    Token(IssuerId),
    /// `key from K`
    Key(KeySetId),
    /// `peer from P`
    Peer(PeerSetId),
    /// `signed by S`
    Signed(SignatureId),
    /// `token from I`, of an issuer with `beside`
    Beside(BesideId),
}

impl Anchor {
    /// The kind of credential it asks for.
    pub fn kind(self) -> CredentialKind {
        match self {
            Anchor::Token(_) => CredentialKind::Token,
            Anchor::Key(_) => CredentialKind::Key,
            Anchor::Peer(_) => CredentialKind::Peer,
            Anchor::Signed(_) => CredentialKind::Signature,
            Anchor::Beside(id) => CredentialKind::beside(id.index()),
        }
    }
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operand {
    /// A literal.
    Value(Value),
    /// Another fact of the same type.
    Fact(Fact),
}

/// One test. Types fit (the checker saw to it). Unknown where a fact it reads is absent (after defaults),
/// ill-typed or given twice, except for the first three, which are never unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A verified credential of that origin is on the request.
    Anchor(Anchor),
    /// `exists token` and the like: a credential of that kind was presented, valid or not.
    Presented(CredentialKind),
    /// `exists F`: any value was sent, even null or an ill-typed one. Defaults do not count.
    Exists(Fact),
    /// A bool fact on its own.
    IsTrue(Fact),
    /// `left op right`. Sets are never compared; `<` and friends only for int, instant and duration.
    Compare {
        /// Left fact.
        left: Fact,
        /// Operator.
        op: Comparison,
        /// Right side, of the same type.
        right: Operand,
        /// `ignore case`: ASCII, strings and `==`/`!=` only.
        ignore_case: bool,
    },
    /// `FACT in [..]`: string or int values, sorted, unique.
    OneOf {
        /// Fact.
        fact: Fact,
        /// Values, all of the fact's type.
        values: Vec<Value>,
    },
    /// `FACT in LIST`. Unknown too where the list was never loaded.
    InList {
        /// Fact of the list's type.
        fact: Fact,
        /// List.
        list: ListId,
    },
    /// `FACT in NETWORK`
    InNetwork {
        /// Address.
        fact: Fact,
        /// Network.
        network: NetworkId,
    },
    /// `now in HOURS`
    InHours {
        /// Hours.
        hours: HoursId,
    },
    /// `"x" in SET`, `FACT in SET`
    Contains {
        /// Set fact.
        set: Fact,
        /// String literal or string fact.
        element: Operand,
    },
    /// `SET has any [..]`: false for `[]`. An absent or ill-typed set is unknown, whatever the elements.
    HasAny {
        /// Set fact.
        set: Fact,
        /// Elements, sorted, unique.
        values: Vec<String>,
    },
    /// `SET has all [..]`
    HasAll {
        /// Set fact.
        set: Fact,
        /// Elements, sorted, unique.
        values: Vec<String>,
    },
    /// `FACT like "glob"`: `*` zero or more bytes but `/`, `**` any bytes, `\*` a star, `\\` a backslash.
    Like {
        /// String fact.
        fact: Fact,
        /// The glob as written (unescaped by the string literal).
        glob: String,
    },
    /// `FACT matches 'regex'`: anchored at both ends, `.` is any byte, Unicode off.
    Matches {
        /// String fact.
        fact: Fact,
        /// The regex as written; it parses under `regex-syntax` with those flags.
        regex: String,
    },
    /// `FACT in 10% of "name"`: first 8 bytes big-endian of SHA-256(name, 0x00, text) < `below`.
    Sample {
        /// Fact: string (its bytes), int (decimal), ip (text).
        fact: Fact,
        /// Name.
        name: String,
        /// floor(p/100 · 2^64), 0..=2^64.
        below: u128,
    },
}

impl Atom {
    /// Calls `f` on every fact the atom reads (the key fact of a table cell included).
    pub fn for_each_fact<'a>(&'a self, f: &mut dyn FnMut(&'a Fact)) {
        fn visit<'a>(fact: &'a Fact, f: &mut dyn FnMut(&'a Fact)) {
            f(fact);
            if let Fact::Cell { key, .. } = fact {
                visit(key, f);
            }
        }
        match self {
            Atom::Anchor(_) | Atom::Presented(_) => {}
            Atom::InHours { .. } => f(&Fact::Now),
            Atom::Compare { left, right, .. } => {
                visit(left, f);
                if let Operand::Fact(fact) = right {
                    visit(fact, f);
                }
            }
            Atom::Contains { set, element } => {
                visit(set, f);
                if let Operand::Fact(fact) = element {
                    visit(fact, f);
                }
            }
            Atom::Exists(fact)
            | Atom::IsTrue(fact)
            | Atom::OneOf { fact, .. }
            | Atom::InList { fact, .. }
            | Atom::InNetwork { fact, .. }
            | Atom::HasAny { set: fact, .. }
            | Atom::HasAll { set: fact, .. }
            | Atom::Like { fact, .. }
            | Atom::Matches { fact, .. }
            | Atom::Sample { fact, .. } => visit(fact, f),
        }
    }

    /// The kinds of credential the atom reads.
    pub fn credentials(&self) -> Vec<CredentialKind> {
        let mut kinds = Vec::new();
        match self {
            Atom::Anchor(anchor) => kinds.push(anchor.kind()),
            Atom::Presented(kind) => kinds.push(*kind),
            _ => self.for_each_fact(&mut |fact| kinds.extend(fact.credential())),
        }
        kinds
    }
}
