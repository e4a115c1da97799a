//! Config <-> bytes: little-endian, length-prefixed, no alignment, no sharing. Reading is total: every length is
//! checked against what is left before anything is allocated.
//!
//! The same declaration writes and reads, so the two cannot drift apart. A cursor remembers where it failed and is
//! empty from then on, and whoever reads on gets zeros until it is asked at the end: a branch at each of some hundred
//! members, with what was read before it to be dropped, would be a twentieth of the WASM module.

use portcullis_base::{Algorithm, CredentialKind, CredentialKinds};
use std::net::IpAddr;

use super::config::*;
use super::ids::Slot;

/// A config section that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the config section breaks off or holds an unknown tag at byte {at}")]
pub struct WireError {
    /// Offset in the section.
    pub at: usize,
}

/// Bytes still to read; none after a failure.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    failed: Option<WireError>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor {
            bytes,
            at: 0,
            failed: None,
        }
    }

    /// Only the first failure is told.
    #[cold]
    fn fail(&mut self) {
        self.failed.get_or_insert(WireError { at: self.at });
        self.bytes = &[];
    }

    /// So many bytes, or none.
    fn take(&mut self, n: usize) -> &'a [u8] {
        match self
            .at
            .checked_add(n)
            .and_then(|end| self.bytes.get(self.at..end))
        {
            Some(bytes) => {
                self.at += n;
                bytes
            }
            None => {
                self.fail();
                &[]
            }
        }
    }

    /// A count of items. Every item takes at least one byte, so a lying one cannot make us allocate more than is there.
    fn count(&mut self) -> usize {
        let count = u32::next(self) as usize;
        if count > self.bytes.len().saturating_sub(self.at) {
            self.fail();
            return 0;
        }
        count
    }

    /// Whether all bytes were read, and well.
    pub(crate) fn at_end(&self) -> bool {
        self.failed.is_none() && self.at == self.bytes.len()
    }
}

/// Written and read the same way.
pub(crate) trait Wire: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// The value that comes next. Means nothing once the cursor has failed.
    fn next(from: &mut Cursor<'_>) -> Self;

    /// The value that comes next, if it is whole.
    fn read(from: &mut Cursor<'_>) -> Result<Self, WireError> {
        let value = Self::next(from);
        from.failed.map_or(Ok(value), Err)
    }
}

macro_rules! wire_int {
    ($($ty:ty),*) => {$(
        impl Wire for $ty {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn next(from: &mut Cursor<'_>) -> Self {
                let bytes = from.take(size_of::<$ty>());
                bytes.try_into().map_or(0, <$ty>::from_le_bytes)
            }
        }
    )*};
}

wire_int!(u8, u16, u32, u64, u128, i32, i64);

impl Wire for Slot {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        Slot(u32::next(from))
    }
}

impl Wire for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        let byte = u8::next(from);
        if byte > 1 {
            from.fail();
        }
        byte == 1
    }
}

impl Wire for String {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        let len = u32::next(from) as usize;
        let text = std::str::from_utf8(from.take(len));
        if text.is_err() {
            from.fail();
        }
        text.unwrap_or_default().to_owned()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        self.iter().for_each(|item| item.write(out));
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        let mut items = Vec::new();
        for _ in 0..from.count() {
            items.push(T::next(from));
            if from.failed.is_some() {
                break;
            }
        }
        items
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(item) = self {
            item.write(out);
        }
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        bool::next(from).then(|| T::next(from))
    }
}

macro_rules! wire_tuple {
    ($($name:ident . $index:tt),*) => {
        impl<$($name: Wire),*> Wire for ($($name,)*) {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$index.write(out);)*
            }
            fn next(from: &mut Cursor<'_>) -> Self {
                ($($name::next(from),)*)
            }
        }
    };
}

wire_tuple!(A.0, B.1);
wire_tuple!(A.0, B.1, C.2);

impl Wire for IpAddr {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            IpAddr::V4(v4) => (4u8, u32::from(*v4)).write(out),
            IpAddr::V6(v6) => (6u8, u128::from(*v6)).write(out),
        }
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        match u8::next(from) {
            4 => IpAddr::V4(u32::next(from).into()),
            6 => IpAddr::V6(u128::next(from).into()),
            _ => {
                from.fail();
                IpAddr::V4(0.into())
            }
        }
    }
}

macro_rules! wire_struct {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }
            fn next(from: &mut Cursor<'_>) -> Self {
                $name { $($field: Wire::next(from)),* }
            }
        }
    )*};
}

/// Variants are tuples or structs of wire fields; the tag is a byte and never reused. An unknown one is a failure, and
/// reads as the first variant, of zeros.
macro_rules! wire_enum {
    ($name:ident {
        0 $first:ident $(( $($first_item:ident),* ))?,
        $($tag:literal $variant:ident $(( $($item:ident),* ))? $({ $($field:ident),* })?),* $(,)?
    }) => {
        impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $name::$first $(( $($first_item),* ))? => {
                        out.push(0);
                        $($($first_item.write(out);)*)?
                    }
                    $($name::$variant $(( $($item),* ))? $({ $($field),* })? => {
                        out.push($tag);
                        $($($item.write(out);)*)?
                        $($($field.write(out);)*)?
                    })*
                }
            }
            fn next(from: &mut Cursor<'_>) -> Self {
                match u8::next(from) {
                    $($tag => {
                        $($(let $item = Wire::next(from);)*)?
                        $($(let $field = Wire::next(from);)*)?
                        $name::$variant $(( $($item),* ))? $({ $($field),* })?
                    })*
                    tag => {
                        if tag != 0 {
                            from.fail();
                        }
                        $($(let $first_item = Wire::next(from);)*)?
                        $name::$first $(( $($first_item),* ))?
                    }
                }
            }
        }
    };
}

wire_struct! {
    Config {
        requires, sources, issuers, beside, claims, keys, key_fields, peers, signatures, proxies, hops, trusted, context,
        named_headers, identity_headers, request_headers_set, lists, tables, hours, quotas, services, rules,
        has_grpc, texts, paths, redaction_key, penalties,
    }
    Issuer {
        name, url, url_like, place, query, scopes, implies, claims, opaque, verified_by_gateway, keys, algorithms,
        audiences, typ, leeway_us, max_age_us, bound_to_certificate, no_expiry,
    }
    IssuerClaim { claim, field }
    JsonField { path, form, default }
    KeySet { name, header, cookie, file, fields }
    Signature { name, header, prefix, base64, over, secrets, timestamp }
    ContextFact { name, ty, field }
    ListDecl { name, file, ty, networks, max_age_us }
    TableDecl { name, file, columns, max_age_us }
    Hours { offsets, spans }
    KeyFact { text, slot, prefix, kind }
    Quota { name, limit, period, by, cost, limit_kind, cost_kind, counting_denied, charging }
    Charging { number, shared, on_store_failure, offsets }
    Penalty { service, by, by_address, for_us, answered, more_than, per_us, counter, blocked }
    Limit { quota, cost, cost_kind }
    Cors { one_label, origins, any_origin, methods, headers, credentials, max_age_s }
    HostOptions {
        merge_slashes, encoded_slash_as_data, encoded_backslash_as_data, path_parameters_kept, method_override_kept
    }
    Service { name, anonymous, require_tls, require_sni, sunset_us, default_limit, cors, resource_metadata }
    Answer { message, location, retry_after_s }
    Profile { answer, acr, max_age_us, kinds, body }
    Body {
        limits, redact, accept, accept_query, require_response, headers, tags, require_tls, require_sni, sunset_us,
    }
    ResponseCheck { status, subs, holds }
    AcceptBody { max_bytes, strip_unknown, kind, depth, shape, fields }
    ShapePart { ty, optional, nullable, open, members, element, min, max, one_of, matches, items, keys }
    AcceptQuery { strip_unknown, fields }
    QueryField { name, separator, optional, items, ty, min, max, one_of, matches }
    HeaderOp { request, name, value }
}

/// Only what rules share: what each rule has of its own is the section of rules.
impl Wire for Rules {
    fn write(&self, out: &mut Vec<u8>) {
        self.answers.write(out);
        self.bodies.write(out);
        self.profiles.write(out);
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        let mut rules = Rules::default();
        rules.answers = Wire::next(from);
        rules.bodies = Wire::next(from);
        rules.profiles = Wire::next(from);
        rules
    }
}

wire_enum!(CredentialKind { 0 Token, 1 Key, 2 Peer, 3 Signature, 4 Beside1, 5 Beside2, 6 Beside3 });

/// A bit a kind.
impl Wire for CredentialKinds {
    fn write(&self, out: &mut Vec<u8>) {
        self.bits().write(out);
    }
    fn next(from: &mut Cursor<'_>) -> Self {
        let bits: u8 = Wire::next(from);
        let kinds = CredentialKinds::from_bits(bits);
        if kinds.bits() != bits {
            from.fail();
        }
        kinds
    }
}

wire_enum!(IssuerKeys { 0 None, 1 File(name), 2 Secret(name) });
wire_enum!(SignedPart { 0 Timestamp, 1 Body, 2 Text(text) });
wire_enum!(Algorithm {
    0 Es256, 1 Es384, 2 Es512, 3 Ed25519, 4 EdDsa, 5 Hs256, 6 Hs384, 7 Hs512, 8 Ps256, 9 Ps384, 10 Ps512, 11 Rs256,
    12 Rs384, 13 Rs512,
});
wire_enum!(AcceptKind { 0 Json, 1 Form, 2 Type(named) });
wire_enum!(Type { 0 Bool, 1 Int, 2 String, 3 Ip, 4 Set, 5 Instant });
wire_enum!(SegmentKind { 0 Text, 1 Int, 2 Uuid });
wire_enum!(Source {
    0 Method, 1 Scheme, 2 Host, 3 Port, 4 Path, 5 Query(name), 6 Header(name), 7 Cookie(name), 8 Size,
    9 ContentType, 10 Protocol, 11 Sni, 12 Segment { index, prefix, suffix, kind }, 13 Rest { index },
    14 ClientIp, 15 ConnectionIp, 16 Claim(claim), 17 Scopes, 18 KeyId, 19 KeyField(field), 20 PeerSpiffe,
    21 PeerDns, 22 PeerSubject, 23 PeerFingerprint, 24 SignatureName, 25 Context(fact), 26 Trusted(header),
    27 Cell { table, key, column }, 28 Now, 29 HostLabel,
    30 BesideClaim(issuer, claim), 31 Response(path, ty),
});
wire_enum!(Literal { 0 Bool(v), 1 Int(v), 2 String(v), 3 Ip(v), 4 Set(v) });
wire_enum!(ValueForm { 0 Plain, 1 LoneString, 2 Separated(by), 3 Seconds });
wire_enum!(TokenPlace { 0 Authorization, 1 Header(name), 2 Cookie(name) });
wire_enum!(Amount { 0 Fixed(n), 1 Fact(slot, at_most) });
wire_enum!(Period { 0 Rate(period, burst), 1 Calendar(unit, zone), 2 InFlight });
wire_enum!(StoreFailure { 0 Deny, 1 Allow, 2 Local });
wire_enum!(Redaction { 0 Only(paths), 1 Op(path, op) });
wire_enum!(RedactionOp { 0 Drop, 1 Replace(text), 2 Hash, 3 Mask { first, keep }, 4 Truncate(n) });
wire_enum!(ShapeType {
    0 Any, 1 Bool, 2 Int, 3 Number, 4 String, 5 Ip, 6 Instant, 7 Object, 8 Array
});
wire_enum!(QueryType { 0 Bool, 1 Int, 2 String, 3 Ip, 4 Instant });
wire_enum!(HeaderValue { 0 Literal(text), 1 Fact(slot) });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_off_or_is_unknown_fails_and_the_first_failure_is_told() {
        let config = Config {
            claims: vec![("tier".to_string(), Type::Int)],
            sources: vec![Source::Claim(0), Source::Rest { index: 2 }],
            hops: Some(3),
            ..Config::default()
        };
        let mut bytes = Vec::new();
        config.write(&mut bytes);
        assert_eq!(Config::read(&mut Cursor::new(&bytes)), Ok(config));
        for len in 0..bytes.len() {
            let failed = Config::read(&mut Cursor::new(&bytes[..len])).unwrap_err();
            assert!(failed.at <= len, "{failed} of {len}");
        }
        let read = |bytes: &[u8]| <Option<Type>>::read(&mut Cursor::new(bytes));
        assert_eq!(read(&[1, 1]), Ok(Some(Type::Int)));
        assert_eq!(read(&[1, 6]), Err(WireError { at: 2 }));
        assert_eq!(read(&[2, 6]), Err(WireError { at: 1 }));
        let lying = <Vec<Type>>::read(&mut Cursor::new(&[9, 0, 0, 0, 1]));
        assert_eq!(lying, Err(WireError { at: 4 }));
    }
}
