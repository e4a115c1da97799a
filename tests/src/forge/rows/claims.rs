//! What tokens claim -> the rows about issuers, audiences, times and scopes.

use super::{
    NOW, Outcome as _, Row, bearer, claims, claims_of, claims_without, corp, get, login, of_corp, valid,
    with_header,
};
use crate::forge::key::Key;
use crate::forge::token::{Fault, Token};
use portcullis_vectors::Vector;
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        expiry(),
        clock(),
        audience(),
        issuer(),
        scopes(),
        duplicates(),
        later(),
        leeways(),
    ]
}

fn with_claims(id: &str, claims: &str, detail: &str) -> Vector {
    bearer(id, "/corp", &of_corp(claims).text()).refused(detail)
}

fn expiry() -> Row {
    let exp = |id: &str, exp: &str| with_claims(id, &claims(&format!("\"exp\":{exp}")), "malformed_token");
    let fine = |id: &str, others: &str| bearer(id, "/corp", &of_corp(&claims(others)).text()).allowed("corp");
    Row {
        name: "J06",
        about: "times are exact decimal numbers of seconds, not negative, and fit 64 bits as microseconds",
        vectors: vec![
            exp("J06-text", r#""9999999999""#),
            exp("J06-huge", "1e400"),
            exp("J06-exponent", "1e10"),
            exp("J06-negative", "-1"),
            exp("J06-negative-fraction", "-0.5"),
            exp("J06-two-to-53", "9007199254740992"),
            exp("J06-past-microseconds", "9223372036855"),
            exp("J06-two-to-63", "9223372036854775808"),
            exp("J06-many-digits", &"9".repeat(400)),
            exp("J06-null", "null"),
            exp("J06-true", "true"),
            exp("J06-array", "[1795435800]"),
            exp("J06-object", r#"{"$date":1795435800}"#),
            exp("J06-nan", "NaN"),
            with_claims("J06-missing", &claims_without("exp"), "no_expiry"),
            with_claims("J06-nbf-text", &claims(r#""nbf":"999""#), "malformed_token"),
            with_claims("J06-nbf-null", &claims(r#""nbf":null"#), "malformed_token"),
            with_claims("J06-iat-text", &claims(r#""iat":"1""#), "malformed_token"),
            with_claims(
                "J06-before-expired",
                &claims(r#""exp":1,"iat":"1""#),
                "malformed_token",
            ),
            fine("J06-twin", ""),
            fine(
                "J06-twin-fraction",
                r#""exp":1795435800.25,"nbf":1795435199.999999999,"iat":0"#,
            ),
            fine("J06-twin-largest", r#""exp":9223372036854"#),
            bearer(
                "J06-twin-no-expiry",
                "/forever",
                &Token::new(&login(), None, r#"{"iss":"https://forever.example.com/"}"#).text(),
            )
            .allowed("forever"),
        ],
    }
}

fn clock() -> Row {
    let with = |id: &str, name: &str, offset: i64| {
        let others = format!("\"{name}\":{}", NOW + offset);
        bearer(id, "/corp", &of_corp(&claims(&others)).text())
    };
    let raw = |id: &str, others: &str| bearer(id, "/corp", &of_corp(&claims(others)).text());
    let strict = |id: &str, others: &str| {
        let claims = claims_of("https://strict.example.com/", others);
        let token = Token::new(&login(), None, &claims).header(r#"{"alg":"EdDSA","typ":"at+jwt"}"#);
        bearer(id, "/strict", &token.text())
    };
    Row {
        name: "J07",
        about: "valid from nbf - leeway, until just before exp + leeway",
        vectors: vec![
            with("J07-exp", "exp", -30).refused("expired"),
            with("J07-exp-long-ago", "exp", -NOW).refused("expired"),
            raw("J07-exp-fraction", r#""exp":1795435169.9999999"#).refused("expired"),
            with("J07-nbf", "nbf", 31).refused("not_yet_valid"),
            raw("J07-nbf-fraction", r#""nbf":1795435230.000001"#).refused("not_yet_valid"),
            with("J07-iat", "iat", 31).refused("not_yet_valid"),
            raw("J07-exp-first", r#""exp":1,"nbf":9223372036854"#).refused("expired"),
            with("J07-no-clock", "exp", 600).at(None).refused("no_clock"),
            strict("J07-no-leeway", r#""exp":1795435200,"iat":1795435100"#).refused("expired"),
            strict("J07-iat-no-leeway", r#""iat":1795435201"#).refused("not_yet_valid"),
            strict("J07-too-old", r#""iat":1795431600"#).refused("too_old"),
            strict("J07-no-iat", "").refused("too_old"),
            strict("J07-iat-text", r#""iat":"1795435100""#).refused("malformed_token"),
            with("J07-twin-exp", "exp", -29).allowed("corp"),
            raw("J07-twin-exp-fraction", r#""exp":1795435170.000001"#).allowed("corp"),
            with("J07-twin-nbf", "nbf", 30).allowed("corp"),
            with("J07-twin-iat", "iat", 30).allowed("corp"),
            strict("J07-twin-no-leeway", r#""exp":1795435201,"iat":1795435200"#).allowed("strict"),
            strict("J07-twin-max-age", r#""iat":1795431601"#).allowed("strict"),
            bearer(
                "J07-twin-no-clock-needed",
                "/forever",
                &Token::new(&login(), None, r#"{"iss":"https://forever.example.com/"}"#).text(),
            )
            .at(None)
            .allowed("forever"),
        ],
    }
}

fn audience() -> Row {
    let aud = |id: &str, aud: &str| with_claims(id, &claims(&format!("\"aud\":{aud}")), "wrong_audience");
    let fine = |id: &str, aud: &str| {
        bearer(id, "/corp", &of_corp(&claims(&format!("\"aud\":{aud}"))).text()).allowed("corp")
    };
    Row {
        name: "J08",
        about: "one of the issuer's audiences, as a text or in an array of texts",
        vectors: vec![
            aud("J08-other", r#""billing""#),
            aud("J08-empty-text", r#""""#),
            aud("J08-empty-array", "[]"),
            aud("J08-nested", r#"[["orders"]]"#),
            aud("J08-object", r#"{"orders":true}"#),
            aud("J08-mixed", r#"["orders",1]"#),
            aud("J08-number", "1"),
            aud("J08-null", "null"),
            aud("J08-prefix", r#""orders2""#),
            aud("J08-case", r#""Orders""#),
            aud("J08-two-in-one-text", r#""orders orders-beta""#),
            with_claims("J08-missing", &claims_without("aud"), "wrong_audience"),
            with_claims(
                "J08-before-times",
                &claims(r#""aud":"billing","exp":"x""#),
                "wrong_audience",
            ),
            fine("J08-twin", r#""orders-beta""#),
            fine("J08-twin-array", r#"["billing","orders"]"#),
        ],
    }
}

fn issuer() -> Row {
    let iss = |id: &str, iss: &str| with_claims(id, &claims(&format!("\"iss\":{iss}")), "unknown_issuer");
    let tenants = |id: &str, iss: &str| {
        bearer(
            id,
            "/tenants",
            &Token::new(&login(), None, &claims_of(iss, "")).text(),
        )
    };
    let open = of_corp(&claims(r#""iss":"https://other.example.com/""#)).text();
    Row {
        name: "J09",
        about: "`iss` is compared byte for byte, and a token that fails is not the same as none",
        vectors: vec![
            iss("J09-no-slash", r#""https://idp.example.com""#),
            iss("J09-two-slashes", r#""https://idp.example.com//""#),
            iss("J09-case", r#""https://IDP.example.com/""#),
            iss("J09-scheme", r#""http://idp.example.com/""#),
            iss("J09-space", r#""https://idp.example.com/ ""#),
            iss("J09-other", r#""https://mallory.example/""#),
            iss("J09-empty", r#""""#),
            iss("J09-null", "null"),
            iss("J09-array", r#"["https://idp.example.com/"]"#),
            with_claims("J09-missing", &claims_without("iss"), "unknown_issuer"),
            bearer("J09-optional", "/open", &open).refused("unknown_issuer"),
            tenants("J09-like-empty", "https://login.example.com//v2.0").refused("unknown_issuer"),
            tenants("J09-like-two", "https://login.example.com/a/b/v2.0").refused("unknown_issuer"),
            tenants("J09-like-encoded", "https://login.example.com/a%2fb/v2.0").refused("unknown_issuer"),
            tenants("J09-like-host", "https://login.example.com.mallory.example/v2.0")
                .refused("unknown_issuer"),
            tenants("J09-like-more", "https://login.example.com/a/v2.0/x").refused("unknown_issuer"),
            tenants("J09-like-slash", "https://login.example.com/a/v2.0/").refused("unknown_issuer"),
            bearer(
                "J09-keyless",
                "/open",
                &Token::new(&login(), None, &claims_of("https://keyless.example.com/", "")).text(),
            )
            .refused("keys_not_loaded"),
            bearer("J09-twin", "/corp", &valid()).allowed("corp"),
            tenants("J09-twin-like", "https://login.example.com/9f1c~a-b_c.d/v2.0").allowed("tenants"),
            get("J09-twin-none", "/open", &[]).allowed("open"),
        ],
    }
}

fn scopes() -> Row {
    let scoped = |id: &str, others: &str| bearer(id, "/read", &of_corp(&claims(others)).text());
    let lacks = |id: &str, others: &str| {
        scoped(id, others).expects(json!({"effect": "deny", "status": 403, "reason": "insufficient_scope"}))
    };
    Row {
        name: "J10",
        about: "scopes are whole words of the one claim that the issuer declares",
        vectors: vec![
            lacks("J10-longer", r#""scope":"reading""#),
            lacks("J10-comma", r#""scope":"read,write""#),
            lacks("J10-case", r#""scope":"Read""#),
            lacks("J10-tab", "\"scope\":\"read\\tadmin\""),
            lacks("J10-number", r#""scope":1"#),
            lacks("J10-mixed", r#""scope":["read",1]"#),
            lacks("J10-scp", r#""scp":"read""#),
            lacks("J10-both", r#""scope":"x","scp":"read""#),
            lacks("J10-none", ""),
            bearer(
                "J10-forged",
                "/read",
                &of_corp(&claims(r#""scope":"x""#)).broken(Fault::ClaimsNotSigned),
            )
            .refused("bad_signature"),
            scoped("J10-twin", r#""scope":"admin read""#).allowed("read"),
            scoped("J10-twin-spaces", r#""scope":"  read  ""#).allowed("read"),
            scoped("J10-twin-array", r#""scope":["read"]"#).allowed("read"),
        ],
    }
}

fn duplicates() -> Row {
    Row {
        name: "J11",
        about: "a member that stands twice, anywhere in header or claims",
        vectors: vec![
            with_claims(
                "J11-claim",
                &claims(r#""role":"user","role":"admin""#),
                "duplicate_member",
            ),
            with_claims(
                "J11-same",
                &claims(r#""role":"user","role":"user""#),
                "duplicate_member",
            ),
            with_claims(
                "J11-escaped",
                &claims(r#""role":"user","ro\u006ce":"admin""#),
                "duplicate_member",
            ),
            with_claims(
                "J11-exp",
                &claims(r#""exp":1,"exp":1795435800"#),
                "duplicate_member",
            ),
            with_claims("J11-nested", &claims(r#""a":{"b":1,"b":2}"#), "duplicate_member"),
            with_claims(
                "J11-in-array",
                &claims(r#""a":[{"b":1,"b":2}]"#),
                "duplicate_member",
            ),
            with_header(
                "J11-header",
                r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#,
                "duplicate_member",
            ),
            with_header(
                "J11-kid",
                r#"{"alg":"EdDSA","kid":"ed","kid":"ed"}"#,
                "duplicate_member",
            ),
            with_header(
                "J11-header-nested",
                r#"{"alg":"EdDSA","kid":"ed","x":{"y":1,"y":1}}"#,
                "duplicate_member",
            ),
            bearer(
                "J11-twin",
                "/corp",
                &of_corp(&claims(r#""a":{"b":1},"c":{"b":1},"B":1"#)).text(),
            )
            .allowed("corp"),
        ],
    }
}

fn later() -> Row {
    let at = |id: &str, now: &str| bearer(id, "/corp", &valid()).at(Some(now));
    Row {
        name: "J19",
        about: "one token, while time passes: each request is decided at its own instant",
        vectors: vec![
            at("J19-twin", "2026-11-23T12:00:00Z").allowed("corp"),
            at("J19-twin-last", "2026-11-23T12:10:29.999999Z").allowed("corp"),
            at("J19-expired", "2026-11-23T12:10:30Z").refused("expired"),
            at("J19-next-day", "2026-11-24T12:00:00+01:00").refused("expired"),
            at("J19-clock-back", "2026-11-23T11:00:00Z").allowed("corp"),
        ],
    }
}

fn leeways() -> Row {
    let signed = |id: &str, path: &str, iss: &str, exp: i64| {
        let claims = claims_of(iss, &format!("\"exp\":{},\"iat\":{}", NOW + exp, NOW - 60));
        let (key, kid) = if path == "/corp" {
            (Key::Ed25519("corp"), Some("ed"))
        } else {
            (login(), None)
        };
        let kid_member = kid.map(|kid| format!(",\"kid\":\"{kid}\"")).unwrap_or_default();
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt"{kid_member}}}"#);
        bearer(id, path, &Token::new(&key, kid, &claims).header(&header).text())
    };
    let (corp_url, strict_url) = ("https://idp.example.com/", "https://strict.example.com/");
    let of_each = corp().into_iter().map(|(key, kid)| {
        let id = format!("J20-twin-{kid}");
        bearer(&id, "/corp", &Token::new(&key, Some(kid), &claims("")).text()).allowed("corp")
    });
    let mut vectors = vec![
        signed("J20-other-leeway", "/strict", strict_url, -10).refused("expired"),
        signed("J20-twin-leeway", "/corp", corp_url, -10).allowed("corp"),
        signed("J20-other-keys", "/corp", strict_url, 600).refused("unknown_key"),
        signed("J20-twin-keys", "/strict", strict_url, 600).allowed("strict"),
    ];
    vectors.extend(of_each);
    Row {
        name: "J20",
        about: "the same token by another issuer's leeway and keys, and one of each key, the same in every host",
        vectors,
    }
}
