//! The line as text: the empty decision, a full one, and hostile texts.

use super::*;
use crate::decision::{Beside, Decision, Reason, Redact, ResponsePlan};
use crate::image::config::{Amount, Quota, RuleDecl, Rules};
use crate::image::ids::RuleId;

fn rule(id: &str) -> RuleDecl {
    RuleDecl {
        id: id.into(),
        ..RuleDecl::default()
    }
}

fn quota_of(name: &str, period: Period) -> Quota {
    Quota {
        name: name.into(),
        limit: Amount::Fixed(1),
        period,
        by: Vec::new(),
        cost: Amount::Fixed(1),
        limit_kind: None,
        cost_kind: None,
        counting_denied: false,
        charging: Default::default(),
    }
}

#[test]
fn the_closed_gate_has_all_members() {
    let line = to_json(
        &Config::default(),
        &OwnedDecision::default(),
        &Explanation::default(),
        "x",
        &[0; 32],
        &[0xab; 32],
    );
    assert_eq!(
        line,
        format!(
            "{}{}\",\"data\":\"sha256:{}\"}}",
            concat!(
                r#"{"id":"x","effect":"deny","status":0,"reason":"no_policy","detail":null,"message":null,"#,
                r#""rule":null,"rules":[],"closest":[],"quotas":[],"request_body":null,"response":null,"#,
                r#""headers":{"request_set":[],"request_drop":[],"response_set":[],"response_drop":[]},"#,
                r#""upstream_target":null,"tags":[],"report":[],"policy":"sha256:"#
            ),
            "0".repeat(64),
            "ab".repeat(32)
        )
    );
}

#[test]
fn a_full_allow() {
    let config = Config {
        rules: Rules::of(vec![rule("a.gate:1"), rule("s/b")]),
        quotas: vec![
            quota_of("c", Period::Calendar("day".into(), "Europe/Berlin".into())),
            quota_of("f", Period::InFlight),
            quota_of("r", Period::Rate(1_000_000, None)),
        ],
        ..Config::default()
    };
    let charge = |quota| Charge {
        quota,
        key: "corp\0u1",
        cost: 2,
        limit: 9,
    };
    let mask = |first, keep| Change::Mask { first, keep };
    let decision = Decision {
        effect: Effect::Allow,
        status: 200,
        reason: Reason::Allowed,
        rule: Some(RuleId(1)),
        rules: &[RuleId(0), RuleId(1)],
        quotas: &[charge(0), charge(1), charge(2)],
        request_body: Some(BodyDemand {
            accept: &[RuleId(1)],
            max_bytes: 16,
            strip_unknown: true,
        }),
        response: Some(ResponsePlan {
            redact: &[
                Redact::Only(&["a".into()]),
                Redact::Op("b", Change::Replace("x")),
                Redact::Op("c", mask(true, 2)),
                Redact::Op("d", mask(false, 0)),
                Redact::Op("e", Change::Truncate(3)),
            ],
            require: &[(RuleId(0), 404)],
        }),
        request_set: &[("x-user", "u1")],
        beside: Some(&Beside {
            report: &[(RuleId(0), true), (RuleId(1), false)],
            ..Beside::default()
        }),
        ..Decision::default()
    };
    let explanation = Explanation {
        closest: vec![Closest {
            rule: RuleId(0),
            lacks: vec![Lack::Scope("s".into()), Lack::MaxAge(60)],
        }],
    };
    let line = to_json(
        &config,
        &decision.to_owned(),
        &explanation,
        "full",
        &[0; 32],
        &[0; 32],
    );
    for part in [
        r#""rule":"s/b","rules":["a.gate:1","s/b"]"#,
        r#""closest":[{"rule":"a.gate:1","lacks":[{"scope":"s"},{"max_age":60}]}]"#,
        r#"{"name":"c","key":"corp\u0000u1","cost":2,"limit":9,"calendar":"day","zone":"Europe/Berlin"}"#,
        r#"{"name":"f","key":"corp\u0000u1","cost":2,"limit":9,"in_flight":true}"#,
        r#"{"name":"r","key":"corp\u0000u1","cost":2,"limit":9,"period_us":1000000,"burst":9}"#,
        r#""request_body":{"accept":["s/b"],"max_bytes":16,"unknown":"strip"}"#,
        concat!(
            r#""response":{"redact":[{"op":"only","paths":["a"]},{"op":"replace","path":"b","with":"x"},"#,
            r#"{"keep_first":2,"op":"mask","path":"c"},{"op":"mask","path":"d"},"#,
            r#"{"op":"truncate","path":"e","to":3}],"require":[{"else":404,"rule":"a.gate:1"}]}"#
        ),
        r#""request_set":[["x-user","u1"]]"#,
        r#""report":[{"rule":"a.gate:1","value":"true"},{"rule":"s/b","value":"unknown"}]"#,
    ] {
        assert!(line.contains(part), "{part}\n{line}");
    }
}

#[test]
fn hostile_texts_stay_inside_their_strings() {
    let id = "\"\\\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}\u{2028}\u{2029}ü😀";
    let line = to_json(
        &Config::default(),
        &OwnedDecision::default(),
        &Explanation::default(),
        id,
        &[0; 32],
        &[0; 32],
    );
    let escaped = r#""\"\\\n\r\t\b\f\u0000\u001f\u007f\u2028\u2029ü😀""#;
    assert!(line.starts_with(&format!("{{\"id\":{escaped},")), "{line}");
}
