//! Facts: absent, ill-typed, given twice, defaults, and each type.

use super::*;
use crate::image::config::{
    ContextFact, Issuer, IssuerClaim, JsonField, KeySet, Literal, SegmentKind, ValueForm,
};
use crate::view::{Credential, KeyFact};

fn request_fact(target: &str, headers: &[(&[u8], &[u8])], source: Source) -> (bool, Option<String>) {
    fact(
        &Config::default(),
        &RequestView {
            headers,
            ..get(target)
        },
        source,
    )
}

#[test]
fn headers_cookies_and_queries() {
    let header = |headers: &[(&[u8], &[u8])]| request_fact("/", headers, Source::Header("x-a".into()));
    assert_eq!(header(&[]), ABSENT);
    assert_eq!(header(&[(b"X-A", b" ")]), sent(""));
    assert_eq!(header(&[(b"x-a", b"1"), (b"x-A", b"1")]), ILL);
    assert_eq!(header(&[(b"x-a", b"1"), (b"connection", b"x-a")]), ABSENT);
    let cookie = |headers: &[(&[u8], &[u8])]| request_fact("/", headers, Source::Cookie("n".into()));
    assert_eq!(cookie(&[(b"cookie", b"n; m=1; n=\"a=b\" ")]), sent("\"a=b\""));
    assert_eq!(cookie(&[(b"cookie", b"n=1"), (b"cookie", b"n=1")]), ILL);
    assert_eq!(cookie(&[(b"cookie", b"N=1")]), ABSENT);
    let query = |target| request_fact(target, &[], Source::Query("a b".into()));
    assert_eq!(query("/?a+b=c%20d+%2B&&x"), sent("c d +"));
    assert_eq!(query("/?a%20b"), sent(""));
    assert_eq!(query("/?a+b=%zz"), ILL);
    assert_eq!(query("/?a+b=1&a%20b=2"), ILL);
    assert_eq!(query("/?a%zz+b=1"), ABSENT);
}

#[test]
fn sizes_and_media_types() {
    let size = |value: &[u8]| request_fact("/", &[(b"content-length", value)], Source::Size);
    assert_eq!(size(b"0"), sent("0"));
    for bad in [&b"00"[..], b"-1", b"1,1", b"9223372036854775808", b""] {
        assert_eq!(size(bad), ILL);
    }
    let media = |value: &[u8]| request_fact("/", &[(b"content-type", value)], Source::ContentType);
    assert_eq!(
        media(b"Application/JSON ; charset=utf-8"),
        sent("application/json")
    );
    for bad in [&b""[..], b"json", b"a/b/c", b"a b/c", b"/"] {
        assert_eq!(media(bad), ILL);
    }
}

#[test]
fn captures() {
    let segment = |target, kind| {
        request_fact(
            target,
            &[],
            Source::Segment {
                index: 1,
                prefix: 1,
                suffix: 2,
                kind,
            },
        )
    };
    assert_eq!(segment("/a/x%C3%A9yy", SegmentKind::Text), sent("\u{e9}"));
    assert_eq!(segment("/a/x-12yy", SegmentKind::Int), sent("-12"));
    assert_eq!(segment("/a/xABCyy", SegmentKind::Uuid), sent("abc"));
    assert_eq!(segment("/a", SegmentKind::Text), ABSENT);
    assert_eq!(segment("/a/xy", SegmentKind::Text), ABSENT);
    for (target, want) in [
        ("/x", ""),
        ("/x/", ""),
        ("/x/a", "a"),
        ("/x/a/b/", "a/b/"),
        ("/x/%41", "A"),
    ] {
        assert_eq!(
            request_fact(target, &[], Source::Rest { index: 1 }),
            sent(want),
            "{target}"
        );
    }
}

/// A field under its own name.
pub(super) fn field_of(name: &str, default: Option<Literal>) -> JsonField {
    JsonField {
        path: vec![name.into()],
        form: ValueForm::Plain,
        default,
    }
}

fn token_config() -> Config {
    let claims = [
        ("sub", Type::String),
        ("n", Type::Int),
        ("ok", Type::Bool),
        ("exp", Type::Instant),
        ("ip", Type::Ip),
        ("roles", Type::Set),
        ("aud", Type::Set),
        ("foreign", Type::String),
    ];
    let path = |name: &str| {
        if name == "roles" {
            vec!["realm".into(), "roles".into()]
        } else {
            vec![name.into()]
        }
    };
    let declared = claims[..7].iter().zip(0..).map(|((name, _), claim)| IssuerClaim {
        claim,
        field: JsonField {
            path: path(name),
            form: match *name {
                "aud" => ValueForm::LoneString,
                "exp" => ValueForm::Seconds,
                _ => ValueForm::Plain,
            },
            default: (*name == "n").then_some(Literal::Int(7)),
        },
    });
    Config {
        issuers: vec![Issuer {
            name: "corp".into(),
            url: "https://idp".into(),
            scopes: vec!["scope".into()],
            implies: vec![("w".into(), vec!["r".into()])],
            claims: declared.collect(),
            ..Issuer::default()
        }],
        claims: claims_of(&claims),
        keys: vec![KeySet {
            name: "partners".into(),
            fields: vec![(0, field_of("plan", Some(Literal::String("free".into()))))],
            ..KeySet::default()
        }],
        key_fields: claims_of(&[("plan", Type::String), ("alien", Type::String)]),
        ..Config::default()
    }
}

fn claim(claims: &str, source: Source) -> (bool, Option<String>) {
    let credential = Credential::Verified {
        issuer: "corp",
        claims: claims.as_bytes(),
    };
    fact(
        &token_config(),
        &RequestView {
            credential,
            ..get("/")
        },
        source,
    )
}

#[test]
fn claims_are_typed() {
    for (claims, index, want) in [
        (r#"{"sub":"u\u0031"}"#, 0, sent("u1")),
        (r#"{"sub":null}"#, 0, ILL),
        ("{}", 0, ABSENT),
        (r#"{"n":-0}"#, 1, sent("0")),
        (r#"{"n":1.0}"#, 1, ILL),
        (r#"{"n":null}"#, 1, ILL),
        ("{}", 1, (false, Some("7".into()))),
        (r#"{"ok":true}"#, 2, sent("true")),
        (r#"{"exp":2}"#, 3, sent("2000000")),
        (r#"{"exp":9223372036854775807}"#, 3, ILL),
        (r#"{"ip":"::ffff:10.0.0.1"}"#, 4, sent("10.0.0.1")),
        (r#"{"ip":"10.0.0.01"}"#, 4, ILL),
        (r#"{"realm":{"roles":["b","a","b"]}}"#, 5, sent("a b")),
        (r#"{"realm":{"roles":"a"}}"#, 5, ILL),
        (r#"{"realm":[]}"#, 5, ABSENT),
        (r#"{"aud":"x"}"#, 6, sent("x")),
        (r#"{"foreign":"x"}"#, 7, ABSENT),
    ] {
        assert_eq!(claim(claims, Source::Claim(index)), want, "{claims}");
    }
    assert_eq!(fact(&token_config(), &get("/"), Source::Claim(1)), ABSENT);
}

#[test]
fn scopes_split_and_widen() {
    assert_eq!(claim(r#"{"scope":"  w  a "}"#, Source::Scopes), sent("a r w"));
    assert_eq!(claim(r#"{"scope":["w"]}"#, Source::Scopes), sent("r w"));
    assert_eq!(claim(r#"{"scope":""}"#, Source::Scopes), sent(""));
    assert_eq!(claim(r#"{"scope":7}"#, Source::Scopes), ILL);
    assert_eq!(claim("{}", Source::Scopes), ABSENT);
}

#[test]
fn key_fields_have_defaults_and_owners() {
    let field = |fields: &str, source| {
        let key = Some(KeyFact::Verified {
            keys: "partners",
            id: "k1",
            fields: fields.as_bytes(),
        });
        fact(&token_config(), &RequestView { key, ..get("/") }, source)
    };
    assert_eq!(field(r#"{"plan":"pro"}"#, Source::KeyField(0)), sent("pro"));
    assert_eq!(field("", Source::KeyField(0)), (false, Some("free".into())));
    assert_eq!(field(r#"{"plan":null}"#, Source::KeyField(0)), ILL);
    assert_eq!(field(r#"{"alien":"x"}"#, Source::KeyField(1)), ABSENT);
    assert_eq!(field("", Source::KeyId), sent("k1"));
}

#[test]
fn context_and_trusted_headers() {
    let facts = vec![ContextFact {
        name: "risk".into(),
        ty: Type::Int,
        field: field_of("risk", Some(Literal::Int(1))),
    }];
    let trusted = vec![("cf-ipcountry".to_string(), Type::String, ValueForm::Plain)];
    let config = Config {
        context: facts,
        trusted,
        proxies: vec![net8("10.0.0.0")],
        ..Config::default()
    };
    let default = (false, Some("1".to_string()));
    for (context, want) in [
        ("", default.clone()),
        ("{}", default),
        (r#"{"risk":3}"#, sent("3")),
        (r#"{"risk":"3"}"#, ILL),
        (r#"{"risk":null}"#, ILL),
        (r#"{"risk":3,"risk":3}"#, ILL),
        ("[]", ABSENT),
        ("{", ABSENT),
    ] {
        let view = RequestView {
            context: context.as_bytes(),
            ..get("/")
        };
        assert_eq!(fact(&config, &view, Source::Context(0)), want, "{context}");
    }
    for (socket, want) in [("10.0.0.1", sent("DE")), ("192.0.2.1", ABSENT), ("", ABSENT)] {
        let headers: &[(&[u8], &[u8])] = &[(b"CF-IPCountry", b"DE")];
        let view = RequestView {
            headers,
            socket_peer: socket.parse().ok(),
            ..get("/")
        };
        assert_eq!(fact(&config, &view, Source::Trusted(0)), want);
    }
}

#[test]
fn a_request_without_a_path_has_none() {
    let view = RequestView {
        method: b"OPTIONS",
        ..get("*")
    };
    assert_eq!(fact(&Config::default(), &view, Source::Path), ABSENT);
    assert_eq!(fact(&Config::default(), &view, Source::Port), sent("443"));
}
