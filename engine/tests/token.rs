//! Presented tokens, their keys and what a worker keeps of them. What each check refuses is in the corpus; here is what no
//! single request shows.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::cell::RefCell;

use portcullis::decision::{Effect, Reason};
use portcullis::exchange::End;
use portcullis::view::PeerCert;
use portcullis::{
    Carries, Check, Credential, Data, Engine, Exchange, Image, Next, Now, RequestView, Snapshot, Trust,
    Worker, decide, judge_token,
};
use portcullis_crypto::{Backend, Hash, KeyFault, Portable, Secret, Verifier};

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
const NEXT_SECRET: &[u8] = b"another secret of thirty-two bytes..";

const POLICY: &str = r#"gate 1;
secret shared from file "shared.key";
issuer corp { url "https://corp"; audience "a"; algorithms HS256; secret shared; leeway 10s; claims { tier: string; } }
issuer keyed { url "https://keyed"; audience "a"; algorithms ES256; keys "keyed.jwks.json"; leeway 0s; }
principal gold = token from corp and token.tier == "gold";
service s on "a.example" { allow gold to GET /; }
"#;

fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

fn signed(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
    let mut mac = Secret::new(secret).hmac(Hash::Sha256);
    mac.update(message.as_bytes());
    format!("{message}.{}", encoded(mac.finish().as_ref()))
}

fn gold(secret: &[u8], more: &str) -> String {
    let claims = format!(r#"{{"iss":"https://corp","aud":"a","tier":"gold","exp":1000{more}}}"#);
    signed(secret, r#"{"alg":"HS256"}"#, &claims)
}

fn image() -> Image {
    let files = [("shared.key", SECRET), ("keyed.jwks.json", JWKS.as_bytes())];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    let checked = portcullis_lang::check::load_text_with(POLICY, &files.into());
    let Some(policy) = checked.policy else {
        panic!("{:?}", checked.diagnostics);
    };
    Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap()
}

fn data(image: &Image, secret: &'static [u8], before: &Data) -> Data {
    let files = |name: &str| (name == "shared.key").then(|| [secret, b"\n"].concat());
    before.reload(image.config(), &files).0
}

fn at(second: i64) -> Now {
    Now {
        wall_us: Some(second * 1_000_000),
        mono_us: second as u64 * 1_000_000,
    }
}

fn verdict(snapshot: &Snapshot, worker: &mut Worker, token: &str, now: Now) -> (Effect, Option<String>) {
    verdict_with(snapshot, worker, token, now, None)
}

fn verdict_with(
    snapshot: &Snapshot,
    worker: &mut Worker,
    token: &str,
    now: Now,
    fingerprint: Option<&str>,
) -> (Effect, Option<String>) {
    let line = format!("Bearer {token}");
    let headers: [(&[u8], &[u8]); 1] = [(b"authorization", line.as_bytes())];
    let request = RequestView {
        method: b"GET",
        authority: Some(b"a.example"),
        target: b"/",
        headers: &headers,
        certificate: fingerprint.map(|fingerprint| PeerCert {
            fingerprint: Some(fingerprint.as_bytes()),
            ..PeerCert::default()
        }),
        credential: Credential::FromHeaders,
        ..RequestView::default()
    };
    let decision = decide(snapshot, &request, now, worker);
    (decision.effect, decision.detail.map(str::to_owned))
}

fn denied(detail: &str) -> (Effect, Option<String>) {
    (Effect::Deny, Some(detail.to_owned()))
}

const ALLOWED: (Effect, Option<String>) = (Effect::Allow, None);

/// One worker that has seen everything before says what one that has seen nothing says.
#[test]
fn a_token_that_was_seen_is_judged_as_one_that_was_not() {
    let image = image();
    let old = Snapshot::new(image, Data::default());
    let first = data(&old.image, SECRET, &old.data);
    let rotated = data(&old.image, NEXT_SECRET, &first);
    let snapshots = [first, rotated, Data::empty(old.image.config())].map(|data| Snapshot {
        image: old.image.clone(),
        data: data.into(),
    });
    let tokens = [
        gold(SECRET, ""),
        gold(SECRET, r#","nbf":500"#),
        gold(SECRET, r#","iat":2000"#),
        gold(NEXT_SECRET, ""),
        gold(
            SECRET,
            r#","cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        ),
        signed(
            SECRET,
            r#"{"alg":"HS256"}"#,
            r#"{"iss":"https://corp","aud":"a","exp":1000}"#,
        ),
        format!("{}x", gold(SECRET, "")),
    ];
    let (zeros, ones) = ("0".repeat(64), "1".repeat(64));
    let mut seen = Worker::with_seed(7);
    let mut allowed = 0;
    for round in 0..2 {
        for snapshot in &snapshots {
            for token in &tokens {
                for now in [at(489), at(490), at(1009), at(1010), Now::default()] {
                    for fingerprint in [None, Some(zeros.as_str()), Some(ones.as_str())] {
                        let fresh = &mut Worker::default();
                        let want = verdict_with(snapshot, fresh, token, now, fingerprint);
                        let got = verdict_with(snapshot, &mut seen, token, now, fingerprint);
                        assert_eq!(got, want, "round {round}, {token}, {now:?}, {fingerprint:?}");
                        allowed += u32::from(got == ALLOWED);
                    }
                }
            }
        }
    }
    assert!(allowed > 40, "{allowed}");
}

thread_local! {
    /// How often a signature was verified by [`Counted`] on this thread.
    static VERIFIED: RefCell<u32> = const { RefCell::new(0) };
}

struct Counting;

#[derive(Debug)]
struct Counted(Box<dyn Verifier>);

impl Backend for Counting {
    fn prepare(&self, key: &portcullis_base::jwks::PublicKey) -> Result<Box<dyn Verifier>, KeyFault> {
        Ok(Box::new(Counted(Portable.prepare(key)?)))
    }
}

impl Verifier for Counted {
    fn verify(&self, algorithm: portcullis_base::Algorithm, message: &[u8], signature: &[u8]) -> bool {
        VERIFIED.with_borrow_mut(|count| *count += 1);
        self.0.verify(algorithm, message, signature)
    }
}

const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

fn keyed(kid: &str) -> String {
    let claims = r#"{"iss":"https://keyed","aud":"a","exp":1000}"#;
    let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
    let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
    format!("{message}.{}", encoded(&[7; 64]))
}

#[test]
fn a_flood_of_one_forged_token_costs_one_signature_and_other_keys_are_asked_again() {
    let image = image();
    let files = |name: &str| (name == "keyed.jwks.json").then(|| JWKS.as_bytes().to_vec());
    let (data, _) = Data::default().reload_with(image.config(), &files, &Counting);
    let snapshot = Snapshot::new(image, data);
    let mut worker = Worker::default();
    let token = keyed("1");
    for _ in 0..100 {
        assert_eq!(
            verdict(&snapshot, &mut worker, &token, at(0)),
            denied("bad_signature")
        );
    }
    assert_eq!(VERIFIED.take(), 1);
    // A token that is over is refused before its signature.
    assert_eq!(
        verdict(&snapshot, &mut worker, &token, at(1_000)),
        denied("expired")
    );
    assert_eq!(VERIFIED.take(), 0);
    let other = JWKS.replace(r#""1""#, r#""1","alg":"ES256""#);
    let files = |name: &str| (name == "keyed.jwks.json").then(|| other.as_bytes().to_vec());
    let (data, _) = snapshot
        .data
        .reload_with(snapshot.image.config(), &files, &Counting);
    let rotated = Snapshot {
        data: data.into(),
        ..snapshot
    };
    assert_eq!(
        verdict(&rotated, &mut worker, &token, at(0)),
        denied("bad_signature")
    );
    assert_eq!(VERIFIED.take(), 1);
}

#[test]
fn keys_are_asked_for_once_a_minute_whatever_callers_send() {
    let image = image();
    let engine = Engine::from(Snapshot::new(image, Data::default()));
    let (mut worker, mut exchange) = (Worker::default(), Exchange::new());
    let mut asked = |second, kid: &str| {
        let line = format!("Bearer {}", keyed(kid));
        let headers: [(&[u8], &[u8]); 1] = [(b"authorization", line.as_bytes())];
        let request = RequestView {
            method: b"GET",
            authority: Some(b"a.example"),
            target: b"/",
            headers: &headers,
            ..RequestView::default()
        };
        let now = at(second);
        let next = engine.begin(&mut exchange, &mut worker, &request, Carries::default(), now);
        assert!(matches!(next, Next::Reply(reply) if reply.reason == Reason::InvalidToken));
        assert_eq!(exchange.decision().detail(), Some("keys_not_loaded"));
        exchange
            .finish(End::Completed, now)
            .unwrap()
            .keys_to_fetch
            .map(str::to_owned)
    };
    assert_eq!(asked(0, "a").as_deref(), Some("keyed.jwks.json"));
    for second in 0..60 {
        assert_eq!(asked(second, &format!("k{second}")), None);
    }
    assert_eq!(asked(60, "b").as_deref(), Some("keyed.jwks.json"));
}

#[test]
fn bad_keys_leave_the_last_good_ones() {
    let image = image();
    let config = image.config();
    let load = |before: &Data, secret: &'static [u8], jwks: &'static str| {
        let files = |name: &str| {
            Some(match name {
                "shared.key" => secret.to_vec(),
                _ => jwks.as_bytes().to_vec(),
            })
        };
        let (data, errors) = before.reload(config, &files);
        (data, errors.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let (first, errors) = load(&Data::default(), SECRET, JWKS);
    assert!(errors.is_empty(), "{errors:?}");
    let (second, errors) = load(&first, b"short", "<html>");
    assert_eq!(
        errors,
        [
            "shared.key: the secret has 5 bytes, and 32 are the least",
            "keyed.jwks.json:1: this is an HTML page"
        ]
    );
    assert_eq!(second.digest(), first.digest());
    let token = gold(SECRET, "");
    let snapshot = Snapshot::new(image, second);
    assert_eq!(verdict(&snapshot, &mut Worker::default(), &token, at(0)), ALLOWED);
    let printed = format!("{:?}", snapshot.data);
    let secret = String::from_utf8_lossy(SECRET);
    assert!(
        !printed.contains(&*secret) && !printed.contains(&format!("{SECRET:?}")),
        "{printed}"
    );
}

#[test]
fn a_judgement_tells_every_check() {
    let image = image();
    let data = data(&image, SECRET, &Data::default());
    let snapshot = Snapshot::new(image, data);
    let token = gold(NEXT_SECRET, r#","nbf":5000"#);
    let judgement = judge_token(&snapshot, token.as_bytes(), at(0), None);
    assert_eq!(judgement.fault, None);
    let faults = |place: usize| -> Vec<(Check, &str)> {
        let checks = judgement.issuers[place].checks.iter();
        checks
            .filter_map(|(check, made)| Some((*check, made.err()?.code())))
            .collect()
    };
    assert_eq!(judgement.issuers[0].issuer, "corp");
    assert_eq!(
        faults(0),
        [
            (Check::Times, "not_yet_valid"),
            (Check::Signature, "bad_signature")
        ]
    );
    let other = faults(1);
    assert_eq!(
        other[..2],
        [
            (Check::Issuer, "unknown_issuer"),
            (Check::Algorithm, "algorithm_not_allowed")
        ]
    );
    let none = judge_token(&snapshot, b"no.token", at(0), None);
    assert_eq!(none.fault.map(|fault| fault.code()), Some("malformed_token"));
    assert!(none.issuers.is_empty());
}

/// The secret of an algorithm has as many bytes as its hash, for the loader as for the checker; one that was held for
/// another algorithm is let go.
#[test]
fn secrets_are_as_long_as_the_hash_of_their_algorithm() {
    let image = |algorithms: &str| {
        let gate = format!(
            "gate 1; secret s from file \"s.key\"; \
             issuer i {{ url \"https://i.example/\"; audience \"a\"; algorithms {algorithms}; secret s; }}"
        );
        // Longer than any demand, so that the checker takes it.
        let files = [("s.key".to_owned(), vec![b'x'; 64])].into();
        let policy = portcullis_lang::check::load_text_with(&gate, &files)
            .policy
            .unwrap();
        let bytes = portcullis_compile::compile(&policy).unwrap();
        Image::load(&bytes, &Trust::Unsigned).unwrap()
    };
    for (algorithms, least) in [("HS256", 32), ("HS384", 48), ("HS256, HS512", 64)] {
        let image = image(algorithms);
        let load = |length| Data::load(image.config(), &|_| Some(vec![b'x'; length])).1;
        assert!(load(least).is_empty(), "{algorithms}");
        let errors: Vec<String> = load(least - 1).iter().map(ToString::to_string).collect();
        let told = format!(
            "s.key: the secret has {} bytes, and {least} are the least",
            least - 1
        );
        assert_eq!(errors, [told]);
    }
    let (first, errors) = Data::load(image("HS256").config(), &|_| Some(vec![b'x'; 32]));
    assert!(errors.is_empty());
    let stronger = image("HS512");
    let (second, errors) = first.reload(stronger.config(), &|_| None);
    assert_eq!(errors.len(), 1);
    let parts = [
        r#"{"alg":"HS512"}"#,
        r#"{"iss":"https://i.example/","aud":"a","exp":9000}"#,
    ];
    let signed = parts.map(|part| encoded(part.as_bytes())).join(".");
    let snapshot = Snapshot::new(stronger, second);
    let judged = judge_token(&snapshot, format!("{signed}.AAAA").as_bytes(), at(0), None);
    let key = judged.issuers[0]
        .checks
        .iter()
        .find(|(check, _)| *check == Check::Key);
    assert_eq!(key.unwrap().1, Err(portcullis_base::Detail::KeysNotLoaded));
}
