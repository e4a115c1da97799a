//! `image keygen`, `sign`, `verify`, and what every verb that reads an image demands of its seal. Rows of the hostile
//! catalogue stand at the beginning of names.

mod common;

use common::{Folder, VECTORS};
use serde_json::Value;

/// Smoke cases of the shop: both hold.
fn smoke() -> String {
    VECTORS.lines().take(2).map(|line| format!("{line}\n")).collect()
}

/// A shop with a key, an image and a sealed one.
fn sealed() -> Folder {
    let folder = Folder::shop();
    folder.run(&["compile", ".", "-o", "i"]).is(0, &[]);
    folder
        .run(&["image", "keygen", "k", "--key-id", "k1"])
        .is(0, &["made", "`k1`", "k.secret", "k.public"]);
    sign(&folder, "s", "5", &[]);
    folder
}

#[track_caller]
fn sign(folder: &Folder, to: &str, serial: &str, more: &[&str]) {
    let args = [
        "image", "sign", "i", "--key", "k.secret", "--serial", serial, "-o", to,
    ];
    folder.run(&[&args[..], more].concat()).is(0, &["sealed", "`k1`"]);
}

const TRUST: [&str; 2] = ["--trust", "k.public"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, &TRUST, more].concat()
}

#[test]
fn a_sealed_image_is_verified_and_used() {
    let folder = sealed();
    folder
        .run(&with(&["image", "verify", "s"], &[]))
        .is(0, &["verified", "`k1`", "serial", "5", "no end", "sha256:"]);
    let ran = folder
        .run(&with(&["image", "verify", "s", "--json"], &[]))
        .is(0, &[]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&value["verified"], &value["serial"]),
        (&Value::from(true), &Value::from(5))
    );
    assert_eq!(
        (&value["audience"], &value["not_after"]),
        (&Value::Null, &Value::Null)
    );
    let of_text = folder.run(&["eval", "."]).is(0, &[]).out;
    let of_seal = folder.run(&with(&["eval", "s", "shop.jsonl"], &[])).is(0, &[]);
    assert_eq!(of_seal.out, of_text, "a seal changes no verdict");
    assert!(!of_seal.err.contains("UNVERIFIED"), "{of_seal:?}");
    let first = folder.read("s");
    sign(&folder, "s", "5", &[]);
    assert_eq!(
        folder.read("s"),
        first,
        "the same key, image and serial are the same bytes"
    );
}

#[test]
fn keys_are_made_once_and_kept_apart() {
    let folder = sealed();
    let secret = folder.read("k.secret");
    folder.run(&["image", "keygen", "k"]).is(2, &["k.secret"]);
    assert_eq!(folder.read("k.secret"), secret);
    folder.run(&["image", "keygen", "other"]).is(0, &["made"]);
    assert_ne!(folder.read("other.public"), folder.read("k.public"));
    folder
        .run(&["image", "keygen", "bad", "--key-id", "a b"])
        .is(2, &["key id"]);
    // Half a pair is taken back.
    folder.write("half.public", b"x");
    folder.run(&["image", "keygen", "half"]).is(2, &["half.public"]);
    assert!(!folder.path().join("half.secret").exists());
    let base = ["image", "verify", "s", "--trust"];
    let told = folder
        .run(&[&base[..], &["k.secret"]].concat())
        .is(2, &["this is a secret key"]);
    let word = String::from_utf8(secret).unwrap();
    let word = word.split_ascii_whitespace().last().unwrap();
    assert!(!told.err.contains(word) && !told.out.contains(word));
    for (text, why) in [
        ("", "no key"),
        ("# nothing\n\n", "no key"),
        ("ed25519 a\n", "three words"),
        ("rsa a AAAA\n", "ed25519 ID BASE64"),
        ("ed25519 a AAAA\n", "base64 of 32 bytes"),
        (
            "ed25519 a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
            "usable",
        ),
    ] {
        folder.write("bad", text.as_bytes());
        folder.run(&[&base[..], &["bad"]].concat()).is(2, &[why]);
    }
    let twice = [folder.read("k.public"), folder.read("k.public")].concat();
    folder.write("bad", &twice);
    folder
        .run(&[&base[..], &["bad"]].concat())
        .is(2, &["there twice"]);
    let many = [
        &b"# ours\n\n"[..],
        &folder.read("other.public"),
        &folder.read("k.public"),
    ]
    .concat();
    folder.write("many", &many);
    folder.run(&[&base[..], &["many"]].concat()).is(0, &["verified"]);
}

#[test]
#[cfg(unix)]
fn a_secret_key_is_its_owners_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = sealed();
    let mode = std::fs::metadata(folder.path().join("k.secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    symlink(folder.path().join("target"), folder.path().join("link.secret")).unwrap();
    folder.run(&["image", "keygen", "link"]).is(2, &["link.secret"]);
    assert!(!folder.path().join("target").exists());
    // An image may be a link, as mounted configuration is: what it leads to is read once and judged.
    symlink(folder.path().join("s"), folder.path().join("good")).unwrap();
    symlink(folder.path().join("i"), folder.path().join("evil")).unwrap();
    folder
        .run(&with(&["image", "verify", "good"], &[]))
        .is(0, &["verified"]);
    folder
        .run(&with(&["image", "verify", "evil"], &[]))
        .is(1, &["not sealed"]);
}

#[test]
fn sign_says_what_it_does_not_seal() {
    let folder = sealed();
    let base = ["image", "sign", "i", "--key", "k.secret", "-o", "x"];
    let more = |more: &[&str]| folder.run(&[&base[..], more].concat());
    more(&[]).is(2, &["--serial"]);
    for serial in ["0", "-1", "9007199254740992", "one"] {
        more(&["--serial", serial]).is(2, &["--serial"]);
    }
    more(&["--serial", "1", "--not-after", "tomorrow"]).is(2, &["tomorrow"]);
    more(&["--serial", "1", "--audience", "a b"]).is(2, &["printable"]);
    folder
        .run(&[
            "image", "sign", "s", "--key", "k.secret", "--serial", "6", "-o", "x",
        ])
        .is(2, &["sealed already"]);
    folder
        .run(&[
            "image",
            "sign",
            "shop.gate",
            "--key",
            "k.secret",
            "--serial",
            "6",
            "-o",
            "x",
        ])
        .is(2, &["not a Portcullis image"]);
    folder
        .run(&[
            "image", "sign", "i", "--key", "k.public", "--serial", "6", "-o", "x",
        ])
        .is(2, &["ed25519-secret"]);
    assert!(!folder.path().join("x").exists());
    sign(&folder, "x", "6", &["--not-after", "2001-01-01T00:00:00Z"]);
}

#[test]
fn r02_damage_is_told_from_distrust() {
    let folder = sealed();
    let whole = folder.read("s");
    folder.write("cut", &whole[..whole.len() - 1]);
    folder
        .run(&with(&["image", "verify", "cut"], &[]))
        .is(2, &["cut off"]);
    folder.write("empty", b"");
    folder
        .run(&with(&["image", "verify", "empty"], &[]))
        .is(1, &["not sealed"]);
    let mut flipped = whole;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    folder.write("flipped", &flipped);
    let ran = folder
        .run(&with(&["image", "verify", "flipped", "--json"], &[]))
        .is(1, &["signature"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["verified"], false);
}

#[test]
fn r04_the_mark_refuses_older_images_and_twins() {
    let folder = sealed();
    sign(&folder, "old", "4", &[]);
    sign(&folder, "twin", "5", &["--not-after", "2999-01-01T00:00:00Z"]);
    let state = ["--state", "mark"];
    let eval = |image: &str, more: &[&str]| {
        folder.run(&with(
            &["eval", image, "shop.jsonl", "-q"],
            &[&state[..], more].concat(),
        ))
    };
    // A first image sets the mark; without the file, the old one would do.
    eval("s", &[]).is(0, &[]);
    let mark = folder.read("mark");
    assert!(mark.starts_with(b"5 sha256:") && mark.len() == 2 + 7 + 64 + 1);
    eval("s", &[]).is(0, &[]);
    eval("old", &[]).is(2, &["serial 4", "serial 5", "older"]);
    eval("twin", &[]).is(2, &["another image with serial 5"]);
    folder
        .run(&with(&["image", "verify", "old"], &state))
        .is(1, &["refused", "older"]);
    folder
        .run(&with(&["explain", "old", "shop.jsonl:open"], &state))
        .is(2, &["older"]);
    folder.run(&with(&["inspect", "old"], &state)).is(2, &["older"]);
    assert_eq!(folder.read("mark"), mark);
    eval("old", &["--allow-rollback"]).is(0, &["ROLLBACK", "serial 4", "5"]);
    assert!(folder.read("mark").starts_with(b"4 "));
    folder
        .run(&with(&["image", "verify", "s"], &state))
        .is(0, &["verified"]);
    assert_eq!(folder.read("mark"), mark);
    // Looking puts nothing into force.
    sign(&folder, "new", "6", &[]);
    folder.run(&with(&["inspect", "new"], &state)).is(0, &[]);
    assert_eq!(folder.read("mark"), mark);
    for broken in [&b""[..], b"5", b"5 sha256:00", b"x sha256:", b"\xff"] {
        folder.write("mark", broken);
        eval("new", &[]).is(2, &["mark", "no state"]);
    }
}

#[test]
fn r05_an_ended_seal_is_told_or_refused() {
    let folder = sealed();
    sign(&folder, "ended", "6", &["--not-after", "2001-01-01T00:00:00Z"]);
    sign(&folder, "open", "7", &["--not-after", "2999-01-01T00:00:00Z"]);
    let eval = |image: &str, more: &[&str]| folder.run(&with(&["eval", image, "shop.jsonl"], more));
    eval("ended", &[]).is(0, &["EXPIRED", "2001-01-01"]);
    eval("ended", &["--when-expired", "keep"]).is(0, &["EXPIRED"]);
    eval("ended", &["--when-expired", "deny"]).is(2, &["has ended"]);
    let deny = ["--when-expired", "deny"];
    folder
        .run(&with(&["image", "verify", "ended"], &deny))
        .is(1, &["has ended"]);
    let ran = folder
        .run(&with(&["image", "verify", "ended", "--json"], &[]))
        .is(0, &["EXPIRED"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["expired"], true);
    folder
        .run(&with(&["image", "verify", "open"], &deny))
        .is(0, &["2999-01-01T00:00:00Z"]);
    // Vectors have a time of their own; without one, nobody knows that the seal has not ended.
    let vector = VECTORS.lines().next().unwrap();
    let timed = vector.replace("{\"id\"", "{\"now\": \"2026-01-01T00:00:00Z\", \"id\"");
    folder.write("timed", timed.as_bytes());
    folder
        .run(&with(&["eval", "open", "timed"], &deny))
        .is(0, &["allowed"]);
    folder
        .run(&with(&["eval", "open", "shop.jsonl"], &deny))
        .is(1, &["no_policy"]);
}

#[test]
fn r06_foreign_unsealed_and_foreign_tenants_images_are_refused() {
    let folder = sealed();
    let verify = |image: &str, more: &[&str]| folder.run(&with(&["image", "verify", image], more));
    verify("i", &[]).is(1, &["not sealed"]);
    folder
        .run(&with(&["eval", ".", "shop.jsonl"], &[]))
        .is(2, &["policy text is not sealed"]);
    folder
        .run(&with(&["inspect", "."], &[]))
        .is(2, &["policy text is not sealed"]);
    folder
        .run(&with(&["replay", ".", "log"], &[]))
        .is(2, &["policy text is not sealed"]);
    folder.run(&["image", "keygen", "other"]).is(0, &[]);
    let base = [
        "image",
        "sign",
        "i",
        "--key",
        "other.secret",
        "--serial",
        "9",
        "-o",
        "foreign",
    ];
    folder.run(&base).is(0, &[]);
    verify("foreign", &[]).is(1, &["not a trusted one"]);
    // The same name on another key.
    let named = String::from_utf8(folder.read("other.secret")).unwrap();
    let key = named.split_ascii_whitespace().last().unwrap();
    folder.write("named.secret", format!("ed25519-secret k1 {key}\n").as_bytes());
    folder
        .run(&[
            "image",
            "sign",
            "i",
            "--key",
            "named.secret",
            "--serial",
            "9",
            "-o",
            "named",
        ])
        .is(0, &[]);
    verify("named", &[]).is(1, &["signature"]);
    sign(&folder, "eu", "6", &["--audience", "shop-eu"]);
    verify("eu", &[]).is(1, &["`shop-eu`", "no audience"]);
    verify("eu", &["--audience", "shop-us"]).is(1, &["`shop-us`"]);
    verify("eu", &["--audience", "shop-eu"]).is(0, &["shop-eu"]);
    verify("s", &["--audience", "shop-eu"]).is(1, &["no audience"]);
}

#[test]
fn r07_every_verb_that_reads_an_image_judges_it_or_says_unverified() {
    let folder = sealed();
    folder.write(
        "log",
        b"{\"method\":\"GET\",\"path\":\"/v1/health\",\"host\":\"api.example.com\"}\n",
    );
    let verbs: [&[&str]; 4] = [
        &["eval", "SUBJECT", "shop.jsonl"],
        &["explain", "SUBJECT", "shop.jsonl:open"],
        &["inspect", "SUBJECT"],
        &["replay", "SUBJECT", "log"],
    ];
    for verb in verbs {
        let of = |subject: &'static str| -> Vec<&str> {
            verb.iter()
                .map(|word| if *word == "SUBJECT" { subject } else { word })
                .collect()
        };
        for image in ["i", "s"] {
            let ran = folder.run(&of(image));
            assert!(
                ran.code == 0 && ran.err.contains("UNVERIFIED"),
                "{verb:?} {ran:?}"
            );
            assert!(!ran.out.contains("UNVERIFIED"), "{verb:?}");
        }
        let ran = folder.run(&with(&of("s"), &[]));
        assert!(
            ran.code == 0 && !ran.err.contains("UNVERIFIED"),
            "{verb:?} {ran:?}"
        );
        folder.run(&with(&of("i"), &[])).is(2, &["not sealed"]);
        // Text is what its author wrote, and needs no note.
        assert!(!folder.run(&of(".")).err.contains("UNVERIFIED"), "{verb:?}");
        for option in [
            ["--audience", "a"],
            ["--state", "mark"],
            ["--when-expired", "deny"],
        ] {
            folder.run(&[&of("s")[..], &option].concat()).is(2, &["--trust"]);
        }
    }
    folder
        .run(&["test", "i"])
        .is(2, &["UNVERIFIED", "holds no tests"]);
    folder.run(&["image", "verify", "s"]).is(2, &["--trust"]);
}

#[test]
fn r09_smoke_cases_hold_before_an_image_is_used() {
    let folder = sealed();
    folder.write("smoke", smoke().as_bytes());
    sign(&folder, "good", "6", &["--smoke", "smoke"]);
    let state = ["--state", "mark"];
    folder
        .run(&with(&["image", "verify", "good"], &state))
        .is(0, &["2 cases held"]);
    folder
        .run(&with(&["eval", "good", "shop.jsonl"], &state))
        .is(0, &[]);
    assert!(folder.read("mark").starts_with(b"6 "));
    // What fails is not sealed.
    for (cases, why) in [
        (
            smoke().replace("\"status\": 403", "\"status\": 200"),
            "status: expected 200",
        ),
        (VECTORS.to_string(), "expects nothing"),
        ("# none\n".to_string(), "no smoke case"),
        ("{}\n".to_string(), "smoke case:1"),
    ] {
        folder.write("bad", cases.as_bytes());
        let args = [
            "image", "sign", "i", "--key", "k.secret", "--serial", "7", "--smoke", "bad", "-o", "x",
        ];
        folder.run(&args).is(1, &["does not hold", why]);
    }
    assert!(!folder.path().join("x").exists());
}

/// The list that a smoke case rests on is empty on this host: the image stays out, and the mark where it is.
#[test]
fn r09_smoke_cases_run_with_the_data_of_the_host() {
    let folder = Folder::new(&[
        (
            "p.gate",
            "gate 1; list friends: ip from \"friends.txt\";\n\
             service s { allow anyone to GET /a when client.ip in friends as friends; }\n",
        ),
        ("friends.txt", "192.0.2.1\n"),
        (
            "smoke",
            "{\"id\": \"friend\", \"request\": {\"method\": \"GET\", \"url\": \"https://h/a\", \
             \"client_ip\": \"192.0.2.1\"}, \"expect\": {\"effect\": \"allow\"}}\n",
        ),
        ("host/friends.txt", ""),
    ]);
    folder.run(&["compile", "p.gate", "-o", "i"]).is(0, &[]);
    folder.run(&["image", "keygen", "k", "--key-id", "k1"]).is(0, &[]);
    sign(&folder, "s", "1", &["--smoke", "smoke"]);
    let state = ["--state", "mark"];
    let verify = |more: &[&str]| folder.run(&with(&["image", "verify", "s"], &[&state[..], more].concat()));
    verify(&["--data", "host"]).is(1, &["smoke case", "`friend`", "does not hold"]);
    assert!(!folder.path().join("mark").exists());
    folder
        .run(&with(&["eval", "s", "smoke", "--data", "host"], &state))
        .is(1, &["does not hold"]);
    verify(&[]).is(0, &["1 case held"]);
    assert!(folder.path().join("mark").exists());
}

#[test]
fn r09_an_image_of_a_policy_without_rules_denies() {
    let folder = Folder::new(&[
        ("p.gate", "gate 1;\n"),
        ("v.jsonl", VECTORS.lines().next().unwrap()),
    ]);
    folder.run(&["compile", "p.gate", "-o", "i"]).is(0, &[]);
    folder.run(&["image", "keygen", "k", "--key-id", "k1"]).is(0, &[]);
    sign(&folder, "s", "1", &[]);
    folder
        .run(&with(&["eval", "s", "v.jsonl"], &[]))
        .is(1, &["no_service", "deny"]);
}
