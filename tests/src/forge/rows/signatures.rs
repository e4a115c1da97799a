//! Signatures that are nearly right -> the rows about algorithms and keys.

use super::{Outcome as _, Row, bearer, claims, login};
use crate::forge::key::{
    Key, der, digest_info_without_null, pkcs1, pkcs1_with_garbage, pss, rsa_private, with_order_added,
};
use crate::forge::token::{Fault, Token};

pub(super) fn rows() -> Vec<Row> {
    vec![curves(), rsa()]
}

fn curves() -> Row {
    let token = Token::new(&Key::P256("corp"), Some("es-1"), &claims(""));
    let edwards = Token::new(&Key::Ed25519("corp"), Some("ed"), &claims(""));
    let own = token.sign().signature;
    let (r, s) = own.split_at(32);
    let with = |id: &str, signature: Vec<u8>| {
        bearer(id, "/corp", &token.with_signature(signature).text()).refused("bad_signature")
    };
    // the order of P-256 (SEC 2, section 2.4.2): zero in disguise
    let order: Vec<u8> = [
        0xff_ff_ff_ff_00_00_00_00u64,
        0xff_ff_ff_ff_ff_ff_ff_ff,
        0xbc_e6_fa_ad_a7_17_9e_84,
        0xf3_b9_ca_c2_fc_63_25_51,
    ]
    .iter()
    .flat_map(|word| word.to_be_bytes())
    .collect();
    Row {
        name: "J13",
        about: "signatures of curves: the exact length, no zero, no DER, the right curve",
        vectors: vec![
            with("J13-zeros", vec![0; 64]),
            with("J13-r-zero", [&[0; 32], s].concat()),
            with("J13-s-zero", [r, &[0; 32]].concat()),
            with("J13-order", [&order[..], &order].concat()),
            with("J13-ones", vec![0xff; 64]),
            with("J13-der", der(&own)),
            with("J13-short", own[..63].to_vec()),
            with("J13-long", [&own[..], &[0]].concat()),
            with("J13-swapped", [s, r].concat()),
            with("J13-padded-like-p384", [&[0; 16], r, &[0; 16], s].concat()),
            bearer(
                "J13-other-curve",
                "/corp",
                &Token::new(&Key::P384("corp"), None, &claims(""))
                    .header(r#"{"alg":"ES256","kid":"es-1"}"#)
                    .text(),
            )
            .refused("bad_signature"),
            bearer(
                "J13-kid-of-other-curve",
                "/corp",
                &Token::new(&Key::P256("corp"), Some("es384"), &claims("")).text(),
            )
            .refused("unknown_key"),
            bearer(
                "J13-edwards-under-ecdsa",
                "/corp",
                &edwards.clone().header(r#"{"alg":"ES256","kid":"es-1"}"#).text(),
            )
            .refused("bad_signature"),
            bearer(
                "J13-ecdsa-under-edwards",
                "/corp",
                &token.clone().header(r#"{"alg":"EdDSA","kid":"ed"}"#).text(),
            )
            .refused("bad_signature"),
            bearer(
                "J13-edwards-order-added",
                "/corp",
                &edwards
                    .with_signature(with_order_added(&edwards.sign().signature))
                    .text(),
            )
            .refused("bad_signature"),
            bearer("J13-edwards-zeros", "/corp", &edwards.broken(Fault::Zeros)).refused("bad_signature"),
            bearer(
                "J13-claims-changed",
                "/corp",
                &token.broken(Fault::ClaimsNotSigned),
            )
            .refused("bad_signature"),
            bearer(
                "J13-header-changed",
                "/corp",
                &token.broken(Fault::HeaderNotSigned),
            )
            .refused("bad_signature"),
            bearer("J13-other-key", "/corp", &token.broken(Fault::OtherKey)).refused("bad_signature"),
            bearer("J13-last-byte", "/corp", &edwards.broken(Fault::LastByte)).refused("bad_signature"),
            bearer("J13-twin", "/corp", &token.text()).allowed("corp"),
            bearer("J13-twin-edwards", "/corp", &edwards.text()).allowed("corp"),
            bearer(
                "J13-twin-p384",
                "/corp",
                &Token::new(&Key::P384("corp"), Some("es384"), &claims("")).text(),
            )
            .allowed("corp"),
            // RFC 7518 asks for no low s; a cache must not be keyed by signatures
            bearer(
                "J13-twin-other-s",
                "/corp",
                &token
                    .with_signature(Key::sign_with_other_s("corp", &token.message()))
                    .text(),
            )
            .allowed("corp"),
            bearer(
                "J13-other-issuers-key",
                "/corp",
                &Token::new(&login(), Some("ed"), &claims("")).text(),
            )
            .refused("bad_signature"),
        ],
    }
}

fn rsa() -> Row {
    let token = Token::new(&Key::Rsa("corp"), Some("rsa"), &claims(""));
    let with_pss = Token::new(&Key::Rsa("corp"), None, &claims("")).header(r#"{"alg":"PS256","kid":"rsa"}"#);
    let block = |id: &str, token: &Token, block: Vec<u8>| {
        let text = token.with_signature(rsa_private("corp", &block)).text();
        bearer(id, "/corp", &text).refused("bad_signature")
    };
    let message = token.message();
    Row {
        name: "J14",
        about: "RSA: the two paddings are two algorithms, and each is exact",
        vectors: vec![
            bearer(
                "J14-pss-under-pkcs1",
                "/corp",
                &token.clone().algorithm("PS256").text(),
            )
            .refused("bad_signature"),
            bearer("J14-pkcs1-under-pss", "/corp", &with_pss.text()).refused("bad_signature"),
            block("J14-no-null", &token, pkcs1(&digest_info_without_null(&message))),
            block("J14-garbage", &token, pkcs1_with_garbage(&message)),
            block("J14-salt-empty", &with_pss, pss(&with_pss.message(), 0)),
            block("J14-salt-short", &with_pss, pss(&with_pss.message(), 20)),
            block("J14-salt-long", &with_pss, pss(&with_pss.message(), 64)),
            bearer(
                "J14-other-hash",
                "/corp",
                &token.clone().algorithm("RS512").text(),
            )
            .refused("bad_signature"),
            bearer(
                "J14-not-listed",
                "/corp",
                &token
                    .clone()
                    .header(r#"{"alg":"RS512","kid":"rsa"}"#)
                    .algorithm("RS512")
                    .text(),
            )
            .refused("algorithm_not_allowed"),
            bearer("J14-other-key", "/corp", &token.broken(Fault::OtherKey)).refused("bad_signature"),
            bearer("J14-zeros", "/corp", &token.broken(Fault::Zeros)).refused("bad_signature"),
            bearer("J14-half", "/corp", &token.broken(Fault::Short)).refused("bad_signature"),
            bearer(
                "J14-leading-zero",
                "/corp",
                &token
                    .with_signature([&[0][..], &token.sign().signature].concat())
                    .text(),
            )
            .refused("bad_signature"),
            bearer("J14-twin", "/corp", &token.text()).allowed("corp"),
            bearer(
                "J14-twin-pss",
                "/corp",
                &with_pss.clone().algorithm("PS256").text(),
            )
            .allowed("corp"),
        ],
    }
}
