//! Which facts a policy reads, by what its text says.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use portcullis::{Image, Trust};
use portcullis::{Reads, claims_read};

const KEY_SET: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn image(declarations: &str, clauses: &str) -> Image {
    let text = format!(
        "gate 1; {declarations} service s on \"a.example\" {{ allow anyone to GET /a as a; {clauses} }}"
    );
    let files = [
        ("corp.jwks.json", KEY_SET),
        ("hook.secret", "0123456789abcdef0123456789abcdef"),
    ];
    let files: std::collections::BTreeMap<String, Vec<u8>> = files
        .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
        .into();
    let gate = [("policy.gate".to_string(), text.into_bytes())];
    let checked = portcullis_lang::check::load(&gate, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = portcullis_compile::compile(&policy).unwrap();
    Image::load(&image, &Trust::Unsigned).unwrap()
}

fn reads(declarations: &str, clauses: &str) -> Reads {
    Reads::of(&image(declarations, clauses))
}

#[test]
fn only_claims_that_rules_look_at_are_read() {
    let issuers = r#"issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway;
            claims { tenant: string from org.tenant; level: int = 0; idle: string; } }
        issuer other { url "https://other.example.com/"; audience "a"; verified by gateway; scopes from scp; }
        principal staff = token from corp;"#;
    let of = |clauses: &str, issuer: &str| {
        let image = image(issuers, clauses);
        let read = claims_read(image.config(), issuer);
        read.join(" ")
    };
    let clauses = r#"allow staff to GET /b with scope "x" when token.tenant == "t" and token.level > 2;"#;
    assert_eq!(of(clauses, "corp"), "aud cnf exp iat iss level nbf org scope");
    assert_eq!(of(clauses, "other"), "aud cnf exp iat iss nbf scp");
    assert_eq!(of("allow staff to GET /b;", "corp"), "aud cnf exp iat iss nbf");
    assert_eq!(
        of("allow staff to GET /b with max age 5m;", "corp"),
        "aud auth_time cnf exp iat iss nbf"
    );
    assert_eq!(
        of("allow staff to GET /b with acr \"x\";", "corp"),
        "acr aud cnf exp iat iss nbf"
    );
    assert_eq!(
        of("allow staff to GET /b { limit 5 per 1m by token.sub; }", "corp"),
        "aud cnf exp iat iss nbf sub"
    );
    assert_eq!(of(clauses, "nobody"), "");
    let tenants = r#"issuer corp { url like "https://id.example.com/*/"; audience "a"; verified by gateway; }
        principal staff = token from corp;"#;
    let image = image(tenants, "allow staff to GET /b { limit 5 per 1m by token.sub; }");
    assert_eq!(
        claims_read(image.config(), "corp"),
        ["aud", "cnf", "exp", "iat", "iss", "nbf", "sub"]
    );
}

#[test]
fn a_policy_of_paths_reads_nothing_of_the_connection() {
    for (declarations, clauses) in [
        ("", ""),
        ("trust { proxies 10.0.0.0/8; }", ""),
        ("", "deny anyone to any /b when exists token;"),
        ("", r#"allow anyone to GET /c when request.header["x-a"] == "1";"#),
    ] {
        assert_eq!(reads(declarations, clauses), Reads::default(), "{clauses}");
    }
}

/// Tokens end, and each may be bound to a certificate, whoever verified its signature.
#[test]
fn a_policy_of_tokens_reads_the_clock_and_a_fingerprint() {
    let of_tokens = Reads {
        clock: true,
        fingerprint: true,
        ..Reads::default()
    };
    for keys in ["verified by gateway;", "keys \"corp.jwks.json\";"] {
        let issuer = format!(r#"issuer corp {{ url "https://id.example.com/"; audience "a"; {keys} }}"#);
        assert_eq!(reads(&issuer, ""), of_tokens, "{keys}");
    }
    let beside = r#"issuer proxy { url "https://p.example.com/"; audience "a"; keys "corp.jwks.json";
        from header "x-assertion"; beside; }"#;
    assert_eq!(reads(beside, ""), of_tokens);
}

#[test]
fn where_proxies_are_trusted_one_may_tell_of_a_certificate() {
    let trust = "trust { proxies 10.0.0.0/8; }";
    let mesh = r#"peers mesh { trust "cluster.local"; }"#;
    let issuer = r#"issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway; }"#;
    for (declaration, address) in [
        (mesh, true),
        (issuer, true),
        ("network near = 10.0.0.0/8;", false),
    ] {
        let read = reads(&format!("{trust} {declaration}"), "");
        assert_eq!(read.address, address, "{declaration}");
        assert!(!reads(declaration, "").address, "{declaration}");
    }
}

#[test]
fn a_signature_with_a_timestamp_reads_the_clock() {
    let clock = Reads {
        clock: true,
        ..Reads::default()
    };
    let scheme = |clauses: &str, over: &str| {
        format!(
            r#"secret hook from file "hook.secret";
            signature g {{ header "x-sig"; hmac sha256 hex; over {over}; secret hook; {clauses} }}"#
        )
    };
    let stamped = scheme(r#"timestamp header "x-time" within 5m;"#, r#"timestamp "." body"#);
    assert_eq!(reads(&stamped, ""), clock);
    assert_eq!(reads(&scheme("", "body"), ""), Reads::default());
}

#[test]
fn every_way_to_read_a_fact_is_told() {
    let address = Reads {
        address: true,
        ..Reads::default()
    };
    let certificate = Reads {
        certificate: true,
        ..Reads::default()
    };
    let sni = Reads {
        sni: true,
        ..Reads::default()
    };
    let clock = Reads {
        clock: true,
        ..Reads::default()
    };
    let mesh = r#"peers mesh { trust "cluster.local"; }"#;
    let country = r#"trust { proxies 10.0.0.0/8; header "x-country" as geo.country: string; }"#;
    let fact = |fact: &str| format!("allow anyone to GET /b when {fact};");
    for (declarations, clauses, expected) in [
        ("network near = 10.0.0.0/8;", fact("client.ip in near"), address),
        ("", fact("connection.ip == client.ip"), address),
        (
            "",
            "allow anyone to GET /b { limit 5 per 1m by client.ip; }".into(),
            address,
        ),
        (
            "",
            "allow anyone to GET /b { set request header \"x-ip\" client.ip; }".into(),
            address,
        ),
        (country, fact("geo.country == \"at\""), address),
        (mesh, String::new(), certificate),
        ("", "deny anyone to any /b when exists peer;".into(), certificate),
        ("", fact("not exists peer"), certificate),
        (
            "",
            "report deny anyone to any /b when exists peer;".into(),
            certificate,
        ),
        ("", fact("request.sni == \"a\""), sni),
        ("", "require sni == host;".into(), sni),
        ("", "on any /a { require sni == host; }".into(), sni),
        ("", fact("now < 2030-01-01T00:00:00Z"), clock),
        ("", "sunset 2030-01-01T00:00:00Z;".into(), clock),
        ("", "on any /a { sunset 2030-01-01T00:00:00Z; }".into(), clock),
        (
            "",
            fact("request.protocol == \"HTTP/2\""),
            Reads {
                protocol: true,
                ..Reads::default()
            },
        ),
        (
            "context { region: string; }",
            String::new(),
            Reads {
                context: true,
                ..Reads::default()
            },
        ),
    ] {
        assert_eq!(
            reads(declarations, &clauses),
            expected,
            "{declarations} {clauses}"
        );
    }
}
