//! What tokens say -> the rows about headers and claims.

use super::{
    NOW, Outcome as _, Row, bearer, claims, claims_of, claims_without, corp, encode, get, login, of_corp,
    shared,
};
use crate::forge::key::Key;
use crate::forge::token::{Fault, Token};
use portcullis_vectors::Vector;
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        algorithms(),
        confusion(),
        key_ids(),
        foreign_keys(),
        critical(),
        expiry(),
        clock(),
        audience(),
        issuer(),
        scopes(),
        duplicates(),
        spelling(),
        size(),
        kinds(),
        unknown_keys(),
        later(),
        leeways(),
    ]
}

fn valid() -> String {
    of_corp(&claims("")).text()
}

/// Refused at `corp`, with the header given.
fn with_header(id: &str, header: &str, detail: &str) -> Vector {
    bearer(id, "/corp", &of_corp(&claims("")).header(header).text()).refused(detail)
}

/// Refused at `corp`, with the claims given.
fn with_claims(id: &str, claims: &str, detail: &str) -> Vector {
    bearer(id, "/corp", &of_corp(claims).text()).refused(detail)
}

fn algorithms() -> Row {
    let unsigned = |id: &str, header: &str, detail: &str| {
        let token = of_corp(&claims("")).header(header).broken(Fault::NoSignature);
        bearer(id, "/corp", &token).refused(detail)
    };
    Row {
        name: "J01",
        about: "no algorithm, or none of that name",
        vectors: vec![
            unsigned("J01-unsigned", r#"{"alg":"none"}"#, "malformed_token"),
            unsigned(
                "J01-unsigned-with-kid",
                r#"{"alg":"EdDSA","kid":"ed"}"#,
                "malformed_token",
            ),
            with_header(
                "J01-none",
                r#"{"alg":"none","kid":"ed"}"#,
                "algorithm_not_allowed",
            ),
            with_header(
                "J01-none-capital",
                r#"{"alg":"None","kid":"ed"}"#,
                "algorithm_not_allowed",
            ),
            with_header(
                "J01-none-mixed",
                r#"{"alg":"nOnE","kid":"ed"}"#,
                "algorithm_not_allowed",
            ),
            with_header("J01-none-upper", r#"{"alg":"NONE"}"#, "algorithm_not_allowed"),
            with_header("J01-empty", r#"{"alg":"","kid":"ed"}"#, "algorithm_not_allowed"),
            with_header(
                "J01-lower",
                r#"{"alg":"eddsa","kid":"ed"}"#,
                "algorithm_not_allowed",
            ),
            with_header(
                "J01-unknown",
                r#"{"alg":"ES256K","kid":"ed"}"#,
                "algorithm_not_allowed",
            ),
            with_header("J01-missing", r#"{"kid":"ed"}"#, "malformed_token"),
            with_header("J01-null", r#"{"alg":null,"kid":"ed"}"#, "malformed_token"),
            with_header("J01-number", r#"{"alg":1,"kid":"ed"}"#, "malformed_token"),
            with_header("J01-array", r#"{"alg":["EdDSA"],"kid":"ed"}"#, "malformed_token"),
            bearer("J01-twin", "/corp", &valid()).allowed("corp"),
            bearer(
                "J01-twin-full-name",
                "/corp",
                &of_corp(&claims(""))
                    .header(r#"{"alg":"Ed25519","kid":"ed"}"#)
                    .text(),
            )
            .allowed("corp"),
        ],
    }
}

fn confusion() -> Row {
    let confused = |id: &str, kid: &str, secret: Vec<u8>| {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        let token = Token::new(&Key::Secret(secret), None, &claims("")).header(&header);
        bearer(id, "/corp", &token.text()).refused("algorithm_not_allowed")
    };
    let jwk = |key: &Key| key.jwk(Some("rsa"), None).to_string().into_bytes();
    let of_shared = Token::new(&shared(), None, &claims_of("https://shared.example.com/", ""));
    Row {
        name: "J02",
        about: "a public key taken for a secret: the issuer says which algorithms there are, the key which it is for",
        vectors: vec![
            confused("J02-modulus", "rsa", Key::Rsa("corp").public_bytes()),
            confused("J02-point", "es-1", Key::P256("corp").public_bytes()),
            confused("J02-edwards", "ed", Key::Ed25519("corp").public_bytes()),
            confused("J02-jwk", "rsa", jwk(&Key::Rsa("corp"))),
            confused("J02-empty", "rsa", vec![0]),
            bearer(
                "J02-public-at-secret",
                "/shared",
                &Token::new(
                    &Key::Rsa("corp"),
                    Some("rsa"),
                    &claims_of("https://shared.example.com/", ""),
                )
                .text(),
            )
            .refused("algorithm_not_allowed"),
            bearer(
                "J02-longer-hash",
                "/shared",
                &of_shared
                    .clone()
                    .header(r#"{"alg":"HS512"}"#)
                    .algorithm("HS512")
                    .text(),
            )
            .refused("algorithm_not_allowed"),
            bearer("J02-other-secret", "/shared", &of_shared.broken(Fault::OtherKey))
                .refused("bad_signature"),
            bearer("J02-half-a-tag", "/shared", &of_shared.broken(Fault::Short)).refused("bad_signature"),
            bearer("J02-twin", "/shared", &of_shared.text()).allowed("shared"),
            bearer(
                "J02-twin-kid-is-no-matter",
                "/shared",
                &of_shared
                    .clone()
                    .header(r#"{"alg":"HS256","kid":"../../etc/passwd"}"#)
                    .text(),
            )
            .allowed("shared"),
            bearer(
                "J02-twin-public",
                "/corp",
                &Token::new(&Key::Rsa("corp"), Some("rsa"), &claims("")).text(),
            )
            .allowed("corp"),
        ],
    }
}

fn key_ids() -> Row {
    let kid = |id: &str, kid: &str, detail: &str| {
        let header = format!(r#"{{"alg":"EdDSA","kid":{kid}}}"#);
        with_header(id, &header, detail)
    };
    let es = |id: &str, kid: Option<&str>| {
        bearer(
            id,
            "/corp",
            &Token::new(&Key::P256("corp"), kid, &claims("")).text(),
        )
    };
    Row {
        name: "J03",
        about: "a key is looked up by its exact `kid`, which is no path and no query",
        vectors: vec![
            kid("J03-path", r#""../../dev/null""#, "unknown_key"),
            kid("J03-sql", r#""' or 1=1 --""#, "unknown_key"),
            kid("J03-url", r#""https://mallory.example/jwks.json""#, "unknown_key"),
            kid("J03-empty", r#""""#, "unknown_key"),
            kid("J03-case", r#""ED""#, "unknown_key"),
            kid("J03-nul", r#""ed\u0000""#, "unknown_key"),
            kid("J03-long", &format!("\"{}\"", "k".repeat(4096)), "unknown_key"),
            kid("J03-number", "1", "malformed_token"),
            kid("J03-null", "null", "malformed_token"),
            kid("J03-array", r#"["ed"]"#, "malformed_token"),
            kid("J03-other-type", r#""rsa""#, "unknown_key"),
            es("J03-absent-among-two", None).refused("unknown_key"),
            es("J03-the-other-of-two", Some("es-2")).refused("bad_signature"),
            bearer(
                "J03-the-keys-own-algorithm",
                "/corp",
                &Token::new(&Key::Rsa("other"), None, &claims(""))
                    .header(r#"{"alg":"PS256","kid":"rs-only"}"#)
                    .algorithm("PS256")
                    .text(),
            )
            .refused("unknown_key"),
            es("J03-twin", Some("es-1")).allowed("corp"),
            bearer(
                "J03-twin-rotated",
                "/corp",
                &Token::new(&Key::P256("corp next"), Some("es-2"), &claims("")).text(),
            )
            .allowed("corp"),
            bearer(
                "J03-twin-absent",
                "/corp",
                &Token::new(&Key::Ed25519("corp"), None, &claims("")).text(),
            )
            .allowed("corp"),
            bearer(
                "J03-twin-own-algorithm",
                "/corp",
                &Token::new(&Key::Rsa("other"), Some("rs-only"), &claims("")).text(),
            )
            .allowed("corp"),
            bearer(
                "J03-twin-without-kid-in-the-set",
                "/forever",
                &Token::new(&login(), None, &claims_of("https://forever.example.com/", "")).text(),
            )
            .allowed("forever"),
            bearer(
                "J03-kid-where-the-set-has-none",
                "/forever",
                &Token::new(
                    &login(),
                    Some("login"),
                    &claims_of("https://forever.example.com/", ""),
                )
                .text(),
            )
            .refused("unknown_key"),
        ],
    }
}

fn foreign_keys() -> Row {
    let mallory = Key::P256("mallory");
    let jwk = mallory.jwk(Some("m"), None).to_string();
    let member = |member: &str, kid: &str| format!(r#"{{"alg":"ES256",{member},"kid":"{kid}"}}"#);
    let signed = |id: &str, header: String, detail: &str| {
        let token = Token::new(&mallory, None, &claims("")).header(&header);
        bearer(id, "/corp", &token.text()).refused(detail)
    };
    let all = format!(
        r#"{{"alg":"ES256","kid":"es-1","jwk":{jwk},"jku":"https://m.example/","x5u":"https://m.example/","x5c":["MIIB"],"x5t":"AA"}}"#
    );
    Row {
        name: "J04",
        about: "a key that comes with the token chooses nothing",
        vectors: vec![
            signed(
                "J04-jwk",
                member(&format!("\"jwk\":{jwk}"), "es-1"),
                "bad_signature",
            ),
            signed(
                "J04-jwk-own-kid",
                member(&format!("\"jwk\":{jwk}"), "m"),
                "unknown_key",
            ),
            signed(
                "J04-jku",
                member(r#""jku":"https://mallory.example/jwks.json""#, "m"),
                "unknown_key",
            ),
            signed(
                "J04-x5u",
                member(r#""x5u":"https://mallory.example/chain.pem""#, "es-1"),
                "bad_signature",
            ),
            signed(
                "J04-x5c",
                member(r#""x5c":["MIIBszCCAVmgAwIBAgIUZm9yZ2Vk"]"#, "es-1"),
                "bad_signature",
            ),
            signed("J04-all", all.clone(), "bad_signature"),
            bearer(
                "J04-twin",
                "/corp",
                &Token::new(&Key::P256("corp"), None, &claims(""))
                    .header(&all)
                    .text(),
            )
            .allowed("corp"),
        ],
    }
}

fn critical() -> Row {
    let header = |id: &str, members: &str| {
        with_header(
            id,
            &format!(r#"{{"alg":"EdDSA","kid":"ed",{members}}}"#),
            "critical_header",
        )
    };
    Row {
        name: "J05",
        about: "no extension of a token's header is supported, whatever the token says of it",
        vectors: vec![
            header("J05-unknown", r#""crit":["x"],"x":1"#),
            header("J05-empty", r#""crit":[]"#),
            header("J05-standard", r#""crit":["alg"]"#),
            header("J05-twice", r#""crit":["x","x"],"x":1"#),
            header("J05-text", r#""crit":"x""#),
            header("J05-null", r#""crit":null"#),
            header("J05-b64", r#""b64":false,"crit":["b64"]"#),
            header("J05-b64-alone", r#""b64":false"#),
            header("J05-b64-true", r#""b64":true"#),
            bearer(
                "J05-twin",
                "/corp",
                &of_corp(&claims(""))
                    .header(r#"{"alg":"EdDSA","kid":"ed","x":1}"#)
                    .text(),
            )
            .allowed("corp"),
        ],
    }
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

fn spelling() -> Row {
    // its signature has padding, spare bits and characters that differ between the alphabets
    let token = Token::new(&Key::P256("corp"), Some("es-1"), &claims(""));
    let broken =
        |id: &str, fault: Fault, detail: &str| bearer(id, "/corp", &token.broken(fault)).refused(detail);
    let text = token.text();
    let [header, payload, signature] =
        <[&str; 3]>::try_from(text.split('.').collect::<Vec<_>>()).unwrap_or([""; 3]);
    let raw = |id: &str, text: &str, detail: &str| bearer(id, "/corp", text).refused(detail);
    let not_json = |id: &str, header: &[u8], claims: &[u8]| {
        let text = format!("{}.{}.{signature}", encode(header), encode(claims));
        bearer(id, "/corp", &text).refused("malformed_token")
    };
    let alg = br#"{"alg":"ES256","kid":"es-1"}"#;
    Row {
        name: "J12",
        about: "three parts in base64url, each in its one spelling",
        vectors: vec![
            broken("J12-padded", Fault::Padded, "malformed_token"),
            broken("J12-alphabet", Fault::StandardAlphabet, "malformed_token"),
            broken("J12-spare-bits", Fault::SpareBits, "malformed_token"),
            broken("J12-two-parts", Fault::TwoParts, "malformed_token"),
            broken("J12-four-parts", Fault::FourParts, "malformed_token"),
            broken("J12-five-parts", Fault::FiveParts, "malformed_token"),
            broken("J12-trailing-dot", Fault::TrailingDot, "malformed_token"),
            broken("J12-no-signature", Fault::NoSignature, "malformed_token"),
            raw(
                "J12-no-header",
                &format!(".{payload}.{signature}"),
                "malformed_token",
            ),
            raw(
                "J12-no-claims",
                &format!("{header}..{signature}"),
                "malformed_token",
            ),
            raw("J12-word", "abc", "malformed_token"),
            raw("J12-words", "abc.def.ghi", "malformed_token"),
            raw(
                "J12-space",
                &format!("{header}. {payload}.{signature}"),
                "malformed_credential",
            ),
            raw(
                "J12-tab",
                &format!("{header}.{payload}.\t{signature}"),
                "malformed_credential",
            ),
            raw("J12-quoted", &format!("\"{text}\""), "malformed_credential"),
            raw(
                "J12-json",
                &format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
                "ambiguous_credential",
            ),
            not_json(
                "J12-bom",
                &[b"\xef\xbb\xbf", &alg[..]].concat(),
                claims("").as_bytes(),
            ),
            not_json(
                "J12-latin1",
                alg,
                b"{\"iss\":\"https://idp.example.com/\",\"sub\":\"\xe9\"}",
            ),
            not_json("J12-array", alg, b"[]"),
            not_json("J12-behind", alg, format!("{}x", claims("")).as_bytes()),
            not_json("J12-comment", alg, b"{/**/\"iss\":\"https://idp.example.com/\"}"),
            not_json("J12-header-text", b"\"ES256\"", claims("").as_bytes()),
            bearer("J12-twin", "/corp", &text).allowed("corp"),
            bearer(
                "J12-twin-white-space",
                "/corp",
                &Token::new(
                    &Key::P256("corp"),
                    None,
                    &format!(
                        " {}\n",
                        claims("").replace(':', " : ").replace("https : //", "https://",)
                    ),
                )
                .header("{ \"alg\" : \"ES256\",\t\"kid\":\"es-1\" }")
                .text(),
            )
            .allowed("corp"),
        ],
    }
}

fn size() -> Row {
    let deep = |depth: usize| {
        let nested = format!("\"a\":{}1{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        of_corp(&claims(&nested)).text()
    };
    let zip = of_corp(&claims("")).header(r#"{"alg":"EdDSA","kid":"ed","zip":"DEF"}"#);
    Row {
        name: "J15",
        about: "large, deep and compressed tokens",
        vectors: vec![
            // made by their names
            get("J15-large", "/corp", &[]).refused("token_too_large"),
            get("J15-dots", "/corp", &[]).refused("malformed_token"),
            bearer("J15-deep", "/corp", &deep(65)).refused("malformed_token"),
            bearer(
                "J15-compressed",
                "/corp",
                &zip.clone()
                    .header(r#"{"alg":"RSA-OAEP","enc":"A128GCM","zip":"DEF"}"#)
                    .broken(Fault::FiveParts),
            )
            .refused("malformed_token"),
            bearer("J15-twin", "/corp", &deep(64)).allowed("corp"),
            get("J15-twin-largest", "/corp", &[]).allowed("corp"),
            bearer("J15-twin-zip", "/corp", &zip.text()).allowed("corp"),
        ],
    }
}

fn kinds() -> Row {
    let content = |id: &str, cty: &str| {
        with_header(
            id,
            &format!(r#"{{"alg":"EdDSA","kid":"ed","cty":"{cty}"}}"#),
            "nested_token",
        )
    };
    let strict = |id: &str, header: &str| {
        let claims = claims_of("https://strict.example.com/", &format!("\"iat\":{NOW}"));
        bearer(
            id,
            "/strict",
            &Token::new(&login(), None, &claims).header(header).text(),
        )
    };
    Row {
        name: "J16",
        about: "a token of another kind: nested, or of another `typ`",
        vectors: vec![
            content("J16-nested", "JWT"),
            content("J16-nested-case", "jwt"),
            content("J16-nested-long", "Application/JWT"),
            strict("J16-no-typ", r#"{"alg":"EdDSA"}"#).refused("wrong_type"),
            strict("J16-jwt", r#"{"alg":"EdDSA","typ":"JWT"}"#).refused("wrong_type"),
            strict("J16-proof", r#"{"alg":"EdDSA","typ":"dpop+jwt"}"#).refused("wrong_type"),
            strict("J16-logout", r#"{"alg":"EdDSA","typ":"logout+jwt"}"#).refused("wrong_type"),
            strict("J16-number", r#"{"alg":"EdDSA","typ":1}"#).refused("wrong_type"),
            strict("J16-other-tree", r#"{"alg":"EdDSA","typ":"text/at+jwt"}"#).refused("wrong_type"),
            strict("J16-twin", r#"{"alg":"EdDSA","typ":"at+jwt"}"#).allowed("strict"),
            strict("J16-twin-long", r#"{"alg":"EdDSA","typ":"application/AT+JWT"}"#).allowed("strict"),
            bearer(
                "J16-twin-any",
                "/corp",
                &of_corp(&claims(""))
                    .header(r#"{"alg":"EdDSA","kid":"ed","typ":"JWT","cty":"json"}"#)
                    .text(),
            )
            .allowed("corp"),
        ],
    }
}

fn unknown_keys() -> Row {
    let unknown = |n: u32| {
        let kid = format!("fresh-{n}");
        let token = Token::new(&Key::Ed25519("mallory"), Some(&kid), &claims(""));
        bearer(&format!("J17-unknown-{n}"), "/corp", &token.text()).refused("unknown_key")
    };
    Row {
        name: "J17",
        about: "a flood of key ids that are not known, and the keys that are",
        vectors: (1..=4)
            .map(unknown)
            .chain([bearer("J17-twin", "/corp", &valid()).allowed("corp")])
            .collect(),
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
