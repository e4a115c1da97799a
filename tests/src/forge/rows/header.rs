//! Headers and spellings of tokens -> the rows about algorithms, keys, sizes and kinds.

use super::{
    NOW, Outcome as _, Row, bearer, claims, claims_of, encode, get, login, of_corp, shared, valid,
    with_header,
};
use crate::forge::key::Key;
use crate::forge::token::{Fault, Token};

pub(super) fn rows() -> Vec<Row> {
    vec![
        algorithms(),
        confusion(),
        key_ids(),
        foreign_keys(),
        critical(),
        spelling(),
        size(),
        kinds(),
        unknown_keys(),
    ]
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
