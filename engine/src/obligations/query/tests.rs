//! Query values have one form, and strings are measured in characters.

use super::*;

fn field(ty: QueryType, min: Option<i64>, max: Option<i64>) -> QueryField {
    QueryField {
        separator: None,
        name: "f".into(),
        optional: true,
        items: None,
        ty,
        min,
        max,
        one_of: None,
        matches: None,
    }
}

#[test]
fn values_have_canonical_forms() {
    for (ty, good, bad) in [
        (QueryType::Bool, "true", "True"),
        (QueryType::Int, "-7", "+7"),
        (QueryType::Int, "0", "-0"),
        (QueryType::Int, "9223372036854775807", "9223372036854775808"),
        (QueryType::Int, "12", "012"),
        (QueryType::Ip, "192.0.2.1", "192.0.2.01"),
        (QueryType::Ip, "2001:db8::1", "2001:db8::1%eth0"),
        (QueryType::Instant, "2026-12-31T00:00:00Z", "2026-12-31T00:00:00"),
    ] {
        assert!(
            value_fits(&field(ty, None, None), good, &|_, _| false).is_ok(),
            "{good}"
        );
        assert!(
            value_fits(&field(ty, None, None), bad, &|_, _| false).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn strings_are_measured_in_characters() {
    let text = field(QueryType::String, Some(2), Some(3));
    for (value, fits) in [("ä", false), ("äö", true), ("äöü", true), ("äöüß", false)] {
        assert_eq!(value_fits(&text, value, &|_, _| false).is_ok(), fits, "{value}");
    }
}

#[test]
fn counts() {
    let param = |value| GivenParam {
        name: "f",
        value,
        raw: b"",
    };
    let mut f = field(QueryType::Int, Some(1), None);
    let check = |f: &QueryField, given: &[GivenParam<'_>]| field_fits(f, given, &|_, _| false).is_ok();
    assert!(check(&f, &[]) && check(&f, &[param("1")]));
    assert!(!check(&f, &[param("0")]) && !check(&f, &[param("1"), param("1")]));
    f.optional = false;
    f.items = Some((1, 2));
    assert!(!check(&f, &[]), "no value is fewer than one");
    f.items = Some((0, 2));
    assert!(check(&f, &[]), "a list that is missing is an empty one");
    assert!(check(&f, &[param("1"), param("2")]));
    assert!(!check(&f, &[param("1"), param("2"), param("3")]));
    f.separator = Some(b',');
    assert!(check(&f, &[param("1,2")]) && !check(&f, &[param("1,2,3")]));
    assert!(!check(&f, &[param("1,")]) && !check(&f, &[param("1"), param("2")]));
}
