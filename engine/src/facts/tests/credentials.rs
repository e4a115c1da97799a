//! States of credentials from headers and from the host's word.

use super::*;
use crate::identity::CredentialState;
use crate::image::config::{Issuer, KeySet, Signature, TokenPlace};
use crate::view::{Credential, KeyFact, PeerCert, SignatureFact};
use portcullis_base::CredentialKind;

fn config() -> Config {
    let issuer = |name: &str, place| Issuer {
        name: name.into(),
        url: format!("https://{name}"),
        place,
        scopes: vec!["scope".into()],
        ..Issuer::default()
    };
    Config {
        issuers: vec![
            issuer("corp", TokenPlace::Authorization),
            issuer("other", TokenPlace::Authorization),
            issuer("web", TokenPlace::Cookie("session".into())),
        ],
        keys: vec![KeySet {
            name: "partners".into(),
            header: Some("x-api-key".into()),
            ..KeySet::default()
        }],
        peers: vec![vec!["example.com".into()], vec!["cluster.local".into()]],
        signatures: vec![Signature {
            name: "github".into(),
            header: "x-hub-signature".into(),
            ..Signature::default()
        }],
        ..Config::default()
    }
}

#[track_caller]
fn check(view: RequestView<'_>, want: Result<[CredentialState; 4], (u8, &str)>) {
    let (config, arena) = (config(), Arena::new());
    let canonical = normalise(&view, &config, &arena, HostOptions::default()).unwrap();
    let credentials = Credentials::read(
        &view,
        canonical,
        &config,
        crate::identity::Verification::nothing(),
        &arena,
    );
    let got = match credentials.first_invalid() {
        Some((kind, detail)) => Err((kind as u8, detail)),
        None => Ok([
            CredentialKind::Token,
            CredentialKind::Key,
            CredentialKind::Peer,
            CredentialKind::Signature,
        ]
        .map(|kind| credentials.state(kind))),
    };
    assert_eq!(got, want, "{view:?}");
}

const NOTHING: [CredentialState; 4] = [CredentialState::Absent; 4];
const TOKEN_ONLY: [CredentialState; 4] = [
    CredentialState::Valid,
    CredentialState::Absent,
    CredentialState::Absent,
    CredentialState::Absent,
];

fn corp(claims: &[u8]) -> Credential<'_> {
    Credential::Verified {
        issuer: "corp",
        claims,
    }
}

#[test]
fn tokens_in_headers() {
    let with = |headers: &[(&[u8], &[u8])], want| check(RequestView { headers, ..get("/") }, want);
    let auth = |line: &'static str| (&b"Authorization"[..], line.as_bytes());
    with(&[auth("Basic dTpw")], Ok(NOTHING));
    with(&[auth("Bearerx y")], Ok(NOTHING));
    with(&[auth("bEARER abc.def-_~+/==")], Err((0, "malformed_token")));
    with(&[(b"cookie", b"a=b; session=t")], Err((0, "malformed_token")));
    for bad in [
        "Bearer",
        "Bearer  a",
        "Bearer a b",
        "DPoP a\tb",
        "Bearer =",
        "Bearer a=b",
    ] {
        with(&[auth(bad)], Err((0, "malformed_credential")));
    }
    for many in [
        &[auth("Bearer a, b")][..],
        &[auth("Bearer a"), auth("DPoP a")],
        &[auth("Bearer a"), (b"cookie", b"session=t")],
    ] {
        with(many, Err((0, "ambiguous_credential")));
    }
    let headers: &[(&[u8], &[u8])] = &[auth("Basic x"), auth("Bearer a")];
    check(
        RequestView {
            headers,
            credential: corp(b"{}"),
            ..get("/")
        },
        Ok(TOKEN_ONLY),
    );
}

#[test]
fn tokens_from_the_host() {
    let with = |credential, want| {
        check(
            RequestView {
                credential,
                ..get("/")
            },
            want,
        )
    };
    with(corp(b"{}"), Ok(TOKEN_ONLY));
    with(
        Credential::Verified {
            issuer: "nobody",
            claims: b"{}",
        },
        Err((0, "unknown_issuer")),
    );
    with(
        Credential::Invalid {
            issuer: "corp",
            fault: "expired",
        },
        Err((0, "expired")),
    );
    with(corp(br#"{"a":{"b":1,"b":2}}"#), Err((0, "duplicate_member")));
    for bad in [&b"[]"[..], b"", b"{", b"{\"a\":1}x"] {
        with(corp(bad), Err((0, "malformed_token")));
    }
    with(corp(&[b' '; 65_537]), Err((0, "token_too_large")));
}

#[test]
fn keys_and_signatures() {
    let with = |headers: &[(&[u8], &[u8])], want| check(RequestView { headers, ..get("/") }, want);
    with(&[(b"x-api-key", b"")], Err((1, "malformed_credential")));
    with(&[(b"x-api-key", b"k")], Err((1, "not_verified")));
    with(
        &[(b"x-api-key", b"k"), (b"x-api-key", b"k")],
        Err((1, "ambiguous_credential")),
    );
    with(&[(b"x-hub-signature", b"s")], Err((3, "malformed_credential")));
    with(&[(b"x-hub-signature", &[b'a'; 64])], Err((3, "keys_not_loaded")));
    with(
        &[(&b"x-hub-signature"[..], &b"s"[..]); 2],
        Err((3, "ambiguous_credential")),
    );
    let key = |keys| {
        Some(KeyFact::Verified {
            keys,
            id: "k",
            fields: b"",
        })
    };
    check(
        RequestView {
            key: key("partners"),
            signature: Some(SignatureFact::Verified { name: "github" }),
            ..get("/")
        },
        Ok([
            CredentialState::Absent,
            CredentialState::Valid,
            CredentialState::Absent,
            CredentialState::Valid,
        ]),
    );
    check(
        RequestView {
            key: key("nobody"),
            ..get("/")
        },
        Err((1, "unknown_keys")),
    );
    let signature = Some(SignatureFact::Invalid {
        name: "nobody",
        fault: "bad_mac",
    });
    check(
        RequestView {
            signature,
            ..get("/")
        },
        Err((3, "bad_mac")),
    );
    with(&[(b"x-hub-signature", b"")], Err((3, "malformed_credential")));
    for (fields, detail) in [("[]", "malformed_key"), (r#"{"a":1,"a":1}"#, "duplicate_member")] {
        let key = Some(KeyFact::Verified {
            keys: "partners",
            id: "k",
            fields: fields.as_bytes(),
        });
        check(RequestView { key, ..get("/") }, Err((1, detail)));
    }
}

#[test]
fn a_peer_counts_only_where_somebody_claims_it() {
    let config = config();
    for (spiffe, claimed) in [
        ("spiffe://cluster.local/x", true),
        ("spiffe://evil.example/x", false),
        ("x", false),
    ] {
        let certificate = Some(PeerCert {
            spiffe: Some(spiffe.as_bytes()),
            ..PeerCert::default()
        });
        let view = RequestView {
            certificate,
            ..get("/")
        };
        let arena = Arena::new();
        let canonical = normalise(&view, &config, &arena, HostOptions::default()).unwrap();
        let credentials = Credentials::read(
            &view,
            canonical,
            &config,
            crate::identity::Verification::nothing(),
            &arena,
        );
        assert_eq!(
            (
                credentials.state(CredentialKind::Peer),
                credentials.presented(CredentialKind::Peer)
            ),
            (CredentialState::Valid, true)
        );
        assert_eq!(
            (
                credentials.valid(CredentialKind::Peer),
                credentials.anchor(CredentialKind::Peer, 1),
                credentials.anchor(CredentialKind::Peer, 0)
            ),
            (claimed, claimed, false)
        );
        assert_eq!(fact(&config, &view, Source::PeerSpiffe), sent(spiffe));
    }
    let certificate = Some(PeerCert {
        fault: Some("revoked"),
        ..PeerCert::default()
    });
    check(
        RequestView {
            certificate,
            ..get("/")
        },
        Err((2, "revoked")),
    );
}
