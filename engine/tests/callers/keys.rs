//! API keys, their files, and headers that only a trusted hop may send.

use super::*;

#[test]
fn a_key_is_good_by_its_hash_at_its_place_and_in_its_time() {
    let (snapshot, errors) = snapshot(&files());
    assert_eq!(errors, []);
    let no_clock = Now { wall_us: None, ..NOW };
    let long = "x".repeat(1_025);
    let allowed = (Reason::Allowed, None);
    for (target, headers, now, expected) in [
        ("/gold", vec![("x-api-key", "pk_gold")], NOW, allowed.clone()),
        ("/none", vec![("x-api-key", "pk_bare")], NOW, allowed.clone()),
        (
            "/none",
            vec![("x-api-key", "pk_gold")],
            NOW,
            (Reason::NoRule, None),
        ),
        ("/none", vec![("x-api-key", "pk_new")], NOW, allowed.clone()),
        ("/none", vec![("x-api-key", "pk_old")], NOW, invalid("expired")),
        (
            "/none",
            vec![("x-api-key", "pk_new")],
            no_clock,
            invalid("no_clock"),
        ),
        ("/none", vec![("x-api-key", "pk_bare")], no_clock, allowed.clone()),
        (
            "/none",
            vec![("x-api-key", "pk_bar")],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/none",
            vec![("x-api-key", "PK_BARE")],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/none",
            vec![("x-api-key", &long)],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/none",
            vec![("x-api-key", "k-2")],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/none",
            vec![("x-api-key", "")],
            NOW,
            invalid("malformed_credential"),
        ),
        ("/staff", vec![("x-staff-key", "sk_staff")], NOW, allowed.clone()),
        (
            "/staff",
            vec![("cookie", "a=b; staff=sk_staff")],
            NOW,
            allowed.clone(),
        ),
        // Of another set, or where its own does not look.
        (
            "/staff",
            vec![("x-api-key", "sk_staff")],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/staff",
            vec![("cookie", "staff=pk_bare")],
            NOW,
            invalid("unknown_api_key"),
        ),
        (
            "/staff",
            vec![("authorization", "sk_staff")],
            NOW,
            (Reason::Unauthenticated, None),
        ),
        (
            "/staff",
            vec![("x-hosted-key", "sk_staff")],
            NOW,
            invalid("not_verified"),
        ),
        (
            "/none",
            vec![("x-api-key", "pk_bare"), ("x-api-key", "pk_bare")],
            NOW,
            invalid("ambiguous_credential"),
        ),
        (
            "/none",
            vec![("x-api-key", "pk_bare"), ("x-staff-key", "sk_staff")],
            NOW,
            invalid("ambiguous_credential"),
        ),
    ] {
        assert_eq!(
            decided(&snapshot, target, &headers, now),
            expected,
            "{target} {headers:?}"
        );
    }
}

#[test]
fn bad_files_are_named_and_the_last_good_ones_stay() {
    let good = files();
    let with = |name: &str, bytes: &[u8]| {
        let mut files = good.clone();
        files.insert(name.to_string(), bytes.to_vec());
        files
    };
    let staff = String::from_utf8(good["staff.keys"].clone()).unwrap();
    for (files, told, detail) in [
        (
            with("partners.keys", b"\n{}"),
            "partners.keys:2: there is no valid `id`",
            "keys_not_loaded",
        ),
        (
            with("pepper.key", b"short"),
            "pepper.key: the secret has 5 bytes, and 16 are the least",
            "keys_not_loaded",
        ),
        (with("partners.keys", staff.as_bytes()), "", "unknown_api_key"),
        (
            with("pepper.key", b"another secret of hashes"),
            "",
            "unknown_api_key",
        ),
    ] {
        let (snapshot, errors) = snapshot(&files);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.is_empty(), told.is_empty());
        assert!(errors.iter().all(|error| error.starts_with(told)), "{errors:?}");
        assert_eq!(
            decided(&snapshot, "/gold", &[("x-api-key", "pk_gold")], NOW),
            invalid(detail)
        );
    }
    let image = Arc::new(image());
    let load = |data: &Data, files: &Files| data.reload(image.config(), &|name| files.get(name).cloned()).0;
    let (first, missing) = (load(&Data::default(), &good), Files::new());
    let after = |data: &Data| {
        let snapshot = Snapshot::new(Arc::clone(&image), data.clone());
        decided(&snapshot, "/gold", &[("x-api-key", "pk_gold")], NOW)
    };
    let kept = load(&first, &missing);
    assert_eq!(
        (after(&kept), kept.digest()),
        ((Reason::Allowed, None), first.digest())
    );
    let less = load(&first, &with("partners.keys", b""));
    assert_eq!(after(&less), invalid("unknown_api_key"));
    assert_ne!(less.digest(), first.digest());
    // Secrets are in no digest.
    assert_eq!(
        load(&first, &with("pepper.key", b"another secret of hashes")).digest(),
        first.digest()
    );
    assert!(!format!("{first:?}").contains("pepper-"));
}

#[test]
fn of_many_keys_each_is_found() {
    let count = std::env::var("PORTCULLIS_TEST_KEYS").map_or(20_000, |count| count.parse().unwrap());
    let mut files = files();
    let keys: String = (0..count)
        .map(|n| line(&format!("k-{n}"), &format!("pk_{n}"), ""))
        .collect();
    files.insert("partners.keys".to_string(), keys.into_bytes());
    let (snapshot, errors) = snapshot(&files);
    assert_eq!(errors, []);
    for n in (0..count).step_by(977) {
        let key = format!("pk_{n}");
        assert_eq!(
            decided(&snapshot, "/none", &[("x-api-key", &key)], NOW),
            (Reason::Allowed, None)
        );
    }
    let unknown = format!("pk_{count}");
    assert_eq!(
        decided(&snapshot, "/none", &[("x-api-key", &unknown)], NOW),
        invalid("unknown_api_key")
    );
}

#[test]
fn headers_of_a_trusted_hop_go_no_further_when_they_are_from_outside() {
    let (snapshot, _) = snapshot(&files());
    let dropped = |target: &str, from: Option<IpAddr>, lines: &Lines<'_>| {
        let view = RequestView {
            socket_peer: from,
            ..view("GET", "api.example.com", target, lines)
        };
        let mut worker = Worker::default();
        let decision = decide(&snapshot, &view, NOW, &mut worker);
        assert_eq!(decision.reason, Reason::Allowed);
        // What the policy sets is dropped where it does not, whoever sent it.
        let names = decision.request_drop.iter().filter(|name| **name != "x-other");
        names.map(ToString::to_string).collect::<Vec<_>>()
    };
    let (outside, hop) = ("203.0.113.5".parse().ok(), "::ffff:10.0.0.1".parse().ok());
    let lines: [(&[u8], &[u8]); 4] = [
        (b"X-User", b"root"),
        (b"x-user", b"admin"),
        (b"X-Forwarded-Client-Cert", b"URI=spiffe://example.com/a"),
        (b"x-something", b"else"),
    ];
    for target in ["/open", "/set"] {
        let own = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        assert_eq!(
            dropped(target, outside, &lines),
            own(&["x-forwarded-client-cert", "x-user"])
        );
        assert_eq!(dropped(target, None, &lines[..1]), own(&["x-user"]));
        assert_eq!(dropped(target, hop, &lines), own(&[]));
        assert_eq!(dropped(target, outside, &lines[3..]), own(&[]));
    }
}
