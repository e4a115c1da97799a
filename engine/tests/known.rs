//! Tokens whose facts are at hand decide as their claims do, and never longer: not past their expiry, not under another
//! policy, and not for a bearer that differs in a byte.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::collections::BTreeMap;

use portcullis::decision::{Effect, Reason};
use portcullis::limits::{KNOWN_TOKENS, SET_ELEMENTS};
use portcullis::{
    Claim, Credential, Data, Image, KnownToken, NoToken, Now, RequestView, Snapshot, Trust, Worker, decide,
};
use portcullis_base::Detail;

const POLICY: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "a"; algorithms ES256; keys "k.json";
  claims { tenant: string; groups: set = []; level: int = 1; } scope "orders:write" implies "orders:read"; }
principal customer = token from corp;
service orders on "api.example.com" {
  allow customer to GET /orders with scope "orders:read" when token.tenant == "t1" and token.level < 3;
  allow customer to GET /groups when token.groups has any ["ops", "dev"] and not "banned" in token.groups;
}
"#;

const CLAIMS: &[u8] =
    br#"{"sub":"u1","tenant":"t1","scope":"a orders:write b","groups":["dev","x"],"exp":1000}"#;

fn snapshot(policy: &str) -> Snapshot {
    let files = BTreeMap::from([("k.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let checked = portcullis_lang::check::load_text_with(policy, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
    let data = Data::empty(image.config());
    Snapshot::new(image, data)
}

fn at(seconds: i64) -> Now {
    Now {
        wall_us: Some(seconds * 1_000_000),
        mono_us: 0,
    }
}

/// A target and header lines.
type Asked<'a> = (&'a str, &'a [(&'a [u8], &'a [u8])]);

/// Effect, reason and detail.
fn outcome(
    snapshot: &Snapshot,
    worker: &mut Worker,
    (target, headers): Asked<'_>,
    credential: Credential<'_>,
    now: Now,
) -> (Effect, Reason, Option<String>) {
    let view = RequestView {
        method: b"GET",
        authority: Some(b"api.example.com"),
        target: target.as_bytes(),
        headers,
        credential,
        ..RequestView::default()
    };
    let decision = decide(snapshot, &view, now, worker);
    (
        decision.effect,
        decision.reason,
        decision.detail.map(str::to_string),
    )
}

const TARGETS: [&str; 2] = ["/orders", "/groups"];

#[test]
fn however_a_token_is_handed_over_it_says_the_same() {
    let snapshot = snapshot(POLICY);
    let mut worker = Worker::default();
    for (claims, split) in [
        (
            CLAIMS,
            &[
                ("tenant", Claim::Text("t1")),
                ("scope", Claim::Text("a orders:write b")),
                ("groups", Claim::Texts(&["dev", "x"])),
            ][..],
        ),
        (
            br#"{"tenant":"t2","scope":["orders:read"],"groups":["ops","banned"]}"#,
            &[
                ("groups", Claim::Texts(&["ops", "banned"])),
                ("tenant", Claim::Text("t2")),
                ("scope", Claim::Texts(&["orders:read"])),
            ],
        ),
        // Ill-typed: unknown, whatever the default.
        (
            br#"{"tenant":"t1","scope":"orders:read","groups":"ops","level":"1"}"#,
            &[
                ("tenant", Claim::Text("t1")),
                ("scope", Claim::Text("orders:read")),
                ("groups", Claim::Text("ops")),
                ("level", Claim::Text("1")),
            ],
        ),
    ] {
        let known = KnownToken::read(&snapshot.image, "corp", claims).unwrap();
        for target in TARGETS {
            let request = (target, &[][..]);
            let mut of = |credential| outcome(&snapshot, &mut worker, request, credential, at(0));
            let issuer = "corp";
            let json = of(Credential::Verified { issuer, claims });
            assert_eq!(of(Credential::Known(&known)), json, "{target}");
            assert_eq!(
                of(Credential::Split {
                    issuer,
                    claims: split
                }),
                json,
                "{target}"
            );
        }
    }
}

#[test]
fn a_split_claim_given_twice_is_unknown() {
    let snapshot = snapshot(POLICY);
    let claims = [
        ("tenant", Claim::Text("t1")),
        ("scope", Claim::Text("orders:read")),
        ("tenant", Claim::Text("t1")),
    ];
    let credential = Credential::Split {
        issuer: "corp",
        claims: &claims,
    };
    let got = outcome(
        &snapshot,
        &mut Worker::default(),
        ("/orders", &[]),
        credential,
        at(0),
    );
    assert_eq!(got, (Effect::Deny, Reason::NoRule, None));
}

#[test]
fn bearers_are_found_by_all_their_bytes_and_not_past_their_expiry() {
    let snapshot = snapshot(POLICY);
    let known = KnownToken::read(&snapshot.image, "corp", CLAIMS).unwrap();
    let mut worker = Worker::with_seed(42);
    worker.remember(b"eyJ.a.b", known);
    let allowed = (Effect::Allow, Reason::Allowed, None);
    let unknown = (
        Effect::Deny,
        Reason::InvalidToken,
        Some("malformed_token".to_string()),
    );
    let mut of = |headers: &[(&[u8], &[u8])], credential, now| {
        outcome(&snapshot, &mut worker, ("/orders", headers), credential, now)
    };
    let bearer: &[(&[u8], &[u8])] = &[(b"authorization", b"Bearer eyJ.a.b")];
    assert_eq!(of(bearer, Credential::FromHeaders, at(999)), allowed);
    assert_eq!(of(bearer, Credential::FromHeaders, at(1_000)), unknown, "expired");
    assert_eq!(
        of(bearer, Credential::FromHeaders, Now::default()),
        unknown,
        "no clock"
    );
    for (headers, want) in [
        (
            &[(&b"authorization"[..], &b"Bearer eyJ.a.c"[..])][..],
            "malformed_token",
        ),
        (&[(b"authorization", b"Bearer eyJ.a.b.")], "malformed_token"),
        (&[(b"authorization", b"Bearer eyJ.a.b=")], "malformed_token"),
        (&[(b"authorization", b"Bearer  eyJ.a.b")], "malformed_credential"),
        (&[bearer[0], bearer[0]], "ambiguous_credential"),
    ] {
        let want = (Effect::Deny, Reason::InvalidToken, Some(want.to_string()));
        assert_eq!(of(headers, Credential::FromHeaders, at(999)), want, "{headers:?}");
    }
    // No token is no token, and another scheme is none.
    for headers in [&[][..], &[(&b"authorization"[..], &b"Basic eyJ.a.b"[..])]] {
        assert_eq!(
            of(headers, Credential::FromHeaders, at(999)).1,
            Reason::Unauthenticated
        );
    }
}

#[test]
fn bearers_are_not_found_where_somebody_else_would_have_verified_them() {
    let corp = snapshot(POLICY);
    let bearer: Asked<'_> = ("/orders", &[(b"authorization", b"Bearer eyJ.a.b")]);
    let unknown = (
        Effect::Deny,
        Reason::InvalidToken,
        Some("malformed_token".to_string()),
    );
    let read = |snapshot: &Snapshot, claims| KnownToken::read(&snapshot.image, "corp", claims).unwrap();
    let of = |snapshot, token, request| {
        let mut worker = Worker::default();
        worker.remember(b"eyJ.a.b", token);
        let first = outcome(snapshot, &mut worker, request, Credential::FromHeaders, at(1));
        worker.forget_tokens();
        let forgotten = outcome(snapshot, &mut worker, request, Credential::FromHeaders, at(1));
        assert_eq!(forgotten.0, Effect::Deny);
        first
    };
    assert_eq!(of(&corp, read(&corp, CLAIMS), bearer).0, Effect::Allow);
    // The same issuer by name, which trusts others now.
    let moved = snapshot(&POLICY.replace("idp.example.com", "idp.example.org"));
    assert_eq!(of(&moved, read(&corp, CLAIMS), bearer), unknown);
    // A token of another place.
    let cookie = snapshot(&POLICY.replace(
        "service orders",
        "issuer web { url \"https://web/\"; audience \"a\"; algorithms ES256; keys \"k.json\"; from cookie \"sid\"; }\n\
         service orders",
    ));
    let web = KnownToken::read(&cookie.image, "web", CLAIMS).unwrap();
    assert_eq!(of(&cookie, web, bearer), unknown);
    // What is bound to a certificate, what asks for a proof, what the host ended, what is too large.
    let bound = br#"{"tenant":"t1","scope":"orders:read","cnf":{"x5t#S256":"a"}}"#;
    assert_eq!(of(&corp, read(&corp, bound), bearer), unknown);
    let proof: Asked<'_> = ("/orders", &[(b"authorization", b"DPoP eyJ.a.b")]);
    let unproven = Some("proof_not_supported".to_string());
    assert_eq!(of(&corp, read(&corp, CLAIMS), proof).2, unproven);
    let key_bound = KnownToken::read(&corp.image, "corp", br#"{"cnf":{"jkt":"a"}}"#);
    assert_eq!(
        key_bound.err().map(|NoToken(detail)| detail.code().to_string()),
        unproven
    );
    assert_eq!(of(&corp, read(&corp, CLAIMS).until(1_000_000), bearer), unknown);
    let many: String = (0..400).map(|i| format!("s{i} ")).collect();
    let large = format!("{{\"tenant\":\"t1\",\"scope\":\"orders:read {many}\"}}");
    assert_eq!(of(&corp, read(&corp, large.as_bytes()), bearer), unknown);
    let repeated = format!(
        "{{\"tenant\":\"t1\",\"scope\":\"{}\"}}",
        "orders:write ".repeat(1_000)
    );
    assert_eq!(
        of(&corp, read(&corp, repeated.as_bytes()), bearer).0,
        Effect::Allow
    );
}

#[test]
fn known_tokens_end_and_follow_the_policy() {
    let old = snapshot(POLICY);
    let known = KnownToken::read(&old.image, "corp", CLAIMS).unwrap();
    let mut worker = Worker::default();
    let request = ("/orders", &[][..]);
    let mut of = |snapshot, now| outcome(snapshot, &mut worker, request, Credential::Known(&known), now);
    assert_eq!(of(&old, at(999)).0, Effect::Allow);
    let expired = (Effect::Deny, Reason::InvalidToken, Some("expired".to_string()));
    assert_eq!(of(&old, at(1_000)), expired);
    assert_eq!(of(&old, Now::default()), expired, "nobody knows the time");
    // Under another policy, in which claims have other numbers, its claims are read again.
    let new = snapshot(
        &POLICY
            .replace("claims { tenant", "claims { aaa: int; tenant")
            .replace("\"t1\"", "\"t2\""),
    );
    assert_eq!(of(&new, at(999)).1, Reason::NoRule);
    let other = snapshot(&POLICY.replace("corp", "other"));
    let unknown = (
        Effect::Deny,
        Reason::InvalidToken,
        Some("unknown_issuer".to_string()),
    );
    assert_eq!(of(&other, at(999)), unknown);
}

#[test]
fn what_is_no_token_is_told() {
    let snapshot = snapshot(POLICY);
    for (issuer, claims, want) in [
        ("nobody", CLAIMS, "unknown_issuer"),
        ("corp", &b"[]"[..], "malformed_token"),
        ("corp", b"{", "malformed_token"),
        ("corp", br#"{"a":1,"\u0061":2}"#, "duplicate_member"),
        ("corp", br#"{"x":{"a":1,"a":2}}"#, "duplicate_member"),
    ] {
        assert_eq!(
            KnownToken::read(&snapshot.image, issuer, claims)
                .map_err(|NoToken(detail)| detail.code())
                .err(),
            Some(want)
        );
    }
    let endless = KnownToken::read(&snapshot.image, "corp", b"{\"tenant\":\"t1\"}").unwrap();
    assert!(!endless.has_expired(i64::MAX));
    let exact = KnownToken::read(&snapshot.image, "corp", b"{\"exp\":1.5}").unwrap();
    assert_eq!(
        [1_499_999, 1_500_000].map(|now| exact.has_expired(now)),
        [false, true]
    );
    for exp in ["15e-1", "\"1.5\"", "9999999999999"] {
        let claims = format!("{{\"exp\":{exp}}}");
        let odd = KnownToken::read(&snapshot.image, "corp", claims.as_bytes()).unwrap();
        assert!(
            odd.has_expired(0),
            "{exp}: an expiry that cannot be read has passed"
        );
    }
}

#[test]
fn a_worker_knows_so_many_tokens_and_forgets_the_one_asked_for_least_lately() {
    let snapshot = snapshot(POLICY);
    let known = KnownToken::read(&snapshot.image, "corp", CLAIMS).unwrap();
    let mut worker = Worker::with_seed(42);
    let bearer = |number: usize| format!("eyJ.a.{number}");
    for number in 0..=KNOWN_TOKENS {
        worker.remember(bearer(number).as_bytes(), known.clone());
    }
    let mut allowed = |number: usize| {
        let line = format!("Bearer {}", bearer(number));
        let headers: &[(&[u8], &[u8])] = &[(b"authorization", line.as_bytes())];
        let request = ("/orders", headers);
        outcome(&snapshot, &mut worker, request, Credential::FromHeaders, at(1)).0 == Effect::Allow
    };
    assert!(!allowed(0), "one more than there is room for");
    assert!((1..=KNOWN_TOKENS).all(&mut allowed));
}

/// A set that was handed over one by one and is larger than any token's is unknown: not searched, and not cut off.
#[test]
fn sets_handed_over_have_a_limit() {
    let snapshot = snapshot(POLICY);
    let mut worker = Worker::default();
    let mut of = |elements: usize, last: &str| {
        let mut texts = vec!["x"; elements - 1];
        texts.push(last);
        let claims = &[("groups", Claim::Texts(&texts))][..];
        let issuer = "corp";
        let credential = Credential::Split { issuer, claims };
        outcome(&snapshot, &mut worker, ("/groups", &[]), credential, at(0)).0
    };
    assert_eq!(of(SET_ELEMENTS, "dev"), Effect::Allow);
    assert_eq!(of(SET_ELEMENTS, "nobody"), Effect::Deny);
    assert_eq!(of(SET_ELEMENTS + 1, "dev"), Effect::Deny);
}

/// What the gateway's word leaves open is looked at before a token is kept, and its times whenever it is used.
#[test]
fn a_token_that_the_gateway_verified_is_kept_as_it_would_be_judged() {
    let policy = POLICY.replace(
        r#"algorithms ES256; keys "k.json";"#,
        "verified by gateway; leeway 0s; max age 60s;",
    );
    let snapshot = snapshot(&policy);
    let read = |more: &str| {
        let claims = format!(r#"{{"tenant":"t1","scope":"orders:read"{more}}}"#);
        KnownToken::read(&snapshot.image, "corp", claims.as_bytes())
    };
    let iss = r#","iss":"https://idp.example.com/""#;
    for (more, detail) in [
        ("", Detail::UnknownIssuer),
        (r#","iss":"https://other/""#, Detail::UnknownIssuer),
        (iss, Detail::WrongAudience),
        (&format!(r#"{iss},"aud":"a""#), Detail::NoExpiry),
        (
            &format!(r#"{iss},"aud":"a","exp":"1000""#),
            Detail::MalformedToken,
        ),
        (&format!(r#"{iss},"aud":"a","exp":1000"#), Detail::TooOld),
    ] {
        assert_eq!(read(more).unwrap_err(), NoToken(detail), "{more}");
    }
    let token = read(&format!(r#"{iss},"aud":"a","exp":1000,"iat":100"#)).unwrap();
    let mut worker = Worker::default();
    worker.remember(b"eyJ.a.b", token);
    let bearer: [(&[u8], &[u8]); 1] = [(b"authorization", b"Bearer eyJ.a.b")];
    let mut at = |second: i64| {
        let now = Now {
            wall_us: Some(second * 1_000_000),
            mono_us: 0,
        };
        let asked = ("/orders", &bearer[..]);
        outcome(&snapshot, &mut worker, asked, Credential::FromHeaders, now).0
    };
    assert_eq!(
        [99, 100, 159, 160].map(&mut at),
        [Effect::Deny, Effect::Allow, Effect::Allow, Effect::Deny]
    );
}
