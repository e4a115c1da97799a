//! What attackers and broken clients make of a request.

use portcullis_lang::model::{Policy, Service};
use serde_json::json;

use super::draft::Draft;
use crate::rng::Rng;

/// Turns some requests into preflights where the service has CORS.
pub(super) fn preflight(draft: &mut Draft, service: Option<&Service>, rng: &mut Rng) {
    let Some(cors) = service.and_then(|s| s.cors.as_ref()) else {
        return;
    };
    let origin = match cors.origins.first() {
        Some(origin) if rng.chance(70) => {
            origin.replace('*', rng.pick(&["www", "a-1", "_x", "a.b", "A", "-a", ""]))
        }
        _ => "https://evil.example".to_string(),
    };
    if rng.chance(10) {
        draft.method = "OPTIONS".to_string();
        draft.set_header("origin", &origin);
        draft.set_header("access-control-request-method", "PUT");
        if draft.path == "*" {
            draft.path = "/".to_string();
        }
    } else if rng.chance(12) {
        draft.set_header("origin", &origin);
    }
}

/// Leaves most requests alone.
pub(super) fn mutate(draft: &mut Draft, policy: &Policy, rng: &mut Rng) {
    let mut times = match rng.below(100) {
        0..=67 => 0,
        68..=92 => 1,
        _ => 2,
    };
    while times > 0 {
        times -= 1;
        match rng.below(12) {
            0 | 1 => spelling(draft, policy, rng),
            2 => method(draft, rng),
            3 => host(draft, rng),
            4 | 5 => header(draft, policy, rng),
            6 => forwarding(draft, rng),
            7 => token(draft, rng),
            8 => query(draft, rng),
            9 => context(draft, rng),
            10 => missing(draft, rng),
            _ => route(draft, rng),
        }
    }
}

fn spelling(draft: &mut Draft, policy: &Policy, rng: &mut Rng) {
    let kept = |service: &Service| service.options.encoded_backslash_as_data;
    if policy.services.iter().any(kept) && rng.chance(50) {
        draft.path += rng.pick(&["%5Cx", "%5cx", "%5C..", "x%5C.x"]);
        return;
    }
    draft.path = hostile_spelling(&draft.path, rng);
}

/// One hostile or odd spelling of a path.
pub fn hostile_spelling(path: &str, rng: &mut Rng) -> String {
    match rng.below(26) {
        0 => path.replacen('/', "//", 1),
        1 => path.replacen("/o", "/%6f", 1),
        2 => path.replacen("/o", "/%6F", 1),
        3 => format!("/x/..{path}"),
        4 => format!("/x/%2e%2e{path}"),
        5 => format!("/..{path}"),
        6 => format!("{path}/."),
        7 => format!("{path}/"),
        8 => format!("{path}%2Fx"),
        9 => format!("{path}%5cx"),
        10 => format!("{path}%2561"),
        11 => format!("{path};a=b"),
        12 => format!("{path}%3B"),
        13 => format!("{path}%00"),
        14 => format!("{path}%"),
        15 => format!("{path}%c0%af"),
        16 => format!("{path}%20"),
        17 => format!("{path}."),
        18 => format!("{path}#x"),
        19 => path.to_ascii_uppercase(),
        20 => format!("{path}%E2%81%84x"),
        21 => format!("{path}%2f..%2fx"),
        22 => format!("{path}/x%5C%2e%2e"),
        23 => format!("{path}%5C..x"),
        24 => format!("{path}%C2%85"),
        _ => path.replacen("%", "%25", 1),
    }
}

fn method(draft: &mut Draft, rng: &mut Rng) {
    draft.method = rng
        .pick(&[
            "HEAD", "OPTIONS", "PROPFIND", "get", "TRACE", "DELETE", "POST", "", "G ET", "CONNECT", "REPORT",
            "PATCH",
        ])
        .to_string();
}

fn host(draft: &mut Draft, rng: &mut Rng) {
    let host = draft.authority.clone();
    draft.authority = match rng.below(18) {
        0 => host.to_ascii_uppercase(),
        1 => format!("{host}."),
        2 => format!("{host}:443"),
        3 => format!("{host}:0443"),
        4 => format!("{host}:"),
        5 => format!("user@{host}"),
        6 => format!("evil.{host}"),
        7 | 8 => "unknown.invalid".to_string(),
        9 => "127.1".to_string(),
        10 => {
            draft.set_header("host", &host);
            "-".to_string()
        }
        11 => {
            draft.set_header("host", "other.example");
            host
        }
        12 => format!("a_b.{host}"),
        13 => format!("_{host}"),
        14..=16 => {
            draft.protocol = Some("HTTP/1.0".to_string());
            "-".to_string()
        }
        _ => {
            draft.path = format!("HTTPS://{host}{}", draft.path);
            host
        }
    };
}

fn header(draft: &mut Draft, policy: &Policy, rng: &mut Rng) {
    let named = [
        "x-tenant",
        "x-flag",
        "content-type",
        "content-length",
        "origin",
        "x-api-key",
        "cf-ipcountry",
    ];
    let name = rng.pick(&named);
    let value = draft
        .header(name)
        .map(<[u8]>::to_vec)
        .unwrap_or_else(|| b"t1".to_vec());
    match rng.below(14) {
        0 | 1 => draft.headers.push((name.to_string(), value)),
        2 => draft.headers.push((name.to_ascii_uppercase(), value)),
        3 => draft.headers.push((name.replace('-', "_"), value)),
        4 => draft.headers.push(("x_free_name".to_string(), b"1".to_vec())),
        5 => draft.set_header("connection", &format!("close, {name}")),
        6 => draft.headers.push((name.to_string(), b" \t padded \t".to_vec())),
        7 => draft.headers.push((name.to_string(), b"\xff\xfe".to_vec())),
        8 => draft.headers.push((name.to_string(), b"a\x00b".to_vec())),
        9 => draft.set_header("x-http-method-override", "DELETE"),
        10 => draft.set_header(name, ""),
        11 => draft.set_header("upgrade", "h2c"),
        12 => {
            for header in policy.request_headers_set.iter().take(2) {
                draft.headers.push((header.clone(), b"forged".to_vec()));
            }
        }
        _ => draft.cookies.push(("sid".to_string(), "t2".to_string())),
    }
}

fn forwarding(draft: &mut Draft, rng: &mut Rng) {
    if rng.chance(75) {
        draft.client_ip = Some("10.0.0.9".to_string());
    }
    let value = rng.pick(&[
        "198.51.100.7",
        "198.51.100.7, 10.1.1.1",
        "203.0.113.9, 198.51.100.7, 10.1.1.1",
        "10.3.3.3, 10.2.2.2",
        "bad, 10.1.1.1",
        "198.51.100.7, bad",
        "198.51.100.7:80",
        "203.0.113.9:51008, 10.1.1.1:443",
        "[2001:db8:40::1]:443",
        "[2001:db8:40::1]",
        "2001:db8:40::1",
        "198.51.100.7:123456",
        "[198.51.100.7]",
        "::ffff:10.20.0.1, 10.1.1.1",
        "010.0.0.1",
        "",
    ]);
    if rng.chance(80) {
        draft
            .headers
            .push(("x-forwarded-for".to_string(), value.as_bytes().to_vec()));
    }
    if rng.chance(25) {
        let value = rng.pick(&[
            "for=198.51.100.7",
            "for=\"[2001:db8:40::1]:80\";proto=https, for=10.1.1.1",
            "for=unknown",
            "for=_hid",
            "by=1.1.1.1",
        ]);
        draft
            .headers
            .push(("forwarded".to_string(), value.as_bytes().to_vec()));
    }
}

fn token(draft: &mut Draft, rng: &mut Rng) {
    let claims = serde_json::Value::Object(draft.claims.clone()).to_string();
    let inner = claims.trim_start_matches('{').to_string();
    match rng.below(22) {
        19 => draft
            .headers
            .push(("x-access-jwt".to_string(), b"a.b.c".to_vec())),
        20 => draft.cookies.push(("edge".to_string(), "a.b.c".to_string())),
        21 => {
            let fault = Err("expired".to_string());
            drop(draft.beside.insert("access".to_string(), fault));
        }
        16 => draft
            .headers
            .push(("authorization".to_string(), b"DPoP abc.def.ghi".to_vec())),
        17 => drop(draft.claims.insert("cnf".to_string(), json!({"jkt": "x"}))),
        18 => draft
            .query
            .push(("access_token".to_string(), "a.b.c".to_string())),
        0 => draft.raw_claims = Some(format!("{{\"sub\":\"x\",\"sub\":\"y\",\"pad\":0,{}", pad(&inner))),
        1 => draft.raw_claims = Some("[]".to_string()),
        2 => drop(draft.claims.insert("tenant".to_string(), json!(7))),
        3 => drop(draft.claims.insert("mfa".to_string(), json!("yes"))),
        4 => drop(draft.claims.insert("level".to_string(), json!(null))),
        5 => draft.raw_claims = Some(format!("{{\"level\":5.0,{}", pad(&inner))),
        6 => drop(draft.claims.insert("groups".to_string(), json!("staff"))),
        7 => drop(draft.claims.insert("teams".to_string(), json!("staff"))),
        8 => drop(draft.claims.insert("tier".to_string(), json!(["x"]))),
        9 => drop(draft.claims.insert("scope".to_string(), json!(["read", "write"]))),
        10 => draft
            .headers
            .push(("authorization".to_string(), b"Bearer abc.def.ghi".to_vec())),
        11 => draft
            .headers
            .push(("Authorization".to_string(), b"bearer  two".to_vec())),
        12 => draft
            .headers
            .push(("authorization".to_string(), b"Basic dTpw".to_vec())),
        13 => draft.headers.push(("x-api-key".to_string(), b"k".to_vec())),
        14 => draft.headers.push(("x-token".to_string(), b"a.b.c".to_vec())),
        _ => drop(draft.claims.insert("roles".to_string(), json!("admin"))),
    }
}

/// The rest of an object's text after a member and a comma; an empty object has none.
fn pad(inner: &str) -> String {
    if inner == "}" {
        "\"pad2\":1}".to_string()
    } else {
        inner.to_string()
    }
}

fn query(draft: &mut Draft, rng: &mut Rng) {
    let query = rng.pick(&[
        "q=t1&q=t2",
        "q=%74%31",
        "q=t1;role=admin",
        "ro%6ce=admin",
        "role=user&role=admin",
        "page=0",
        "page=50&q=a+b",
        "page=007",
        "page=6",
        "unknown=1&page=2",
        "page=%zz",
        "q=%ff",
        "%ff=1",
        "&&q=t1&",
        "q",
        "q=a?b=c",
        "since=2026-01-01T00:00:00Z&on=true&from_ip=192.0.2.1",
        "since=yesterday",
        "a\"b",
    ]);
    draft.raw_query = Some(query.to_string());
}

fn context(draft: &mut Draft, rng: &mut Rng) {
    match rng.below(5) {
        0 => draft.no_context = true,
        1 => draft.raw_context = Some("{\"order_tenant\":\"t1\",\"order_tenant\":\"t2\"}".to_string()),
        2 => draft.raw_context = Some("[1]".to_string()),
        3 => drop(draft.context.insert("risk".to_string(), json!("81"))),
        _ => drop(draft.context.insert("order_tenant".to_string(), json!(null))),
    }
}

fn missing(draft: &mut Draft, rng: &mut Rng) {
    match rng.below(7) {
        0 => draft.now = None,
        1 => draft.client_ip = None,
        2 => draft.issuer = None,
        3 => draft.key = None,
        4 => draft.peer = None,
        5 => draft.sni = None,
        _ => drop(draft.headers.pop()),
    }
}

fn route(draft: &mut Draft, rng: &mut Rng) {
    draft.path = match rng.below(5) {
        0 => "/nowhere/at/all".to_string(),
        1 => "*".to_string(),
        2 => format!("{}/deeper", draft.path),
        3 => "/".to_string(),
        _ => "/v1".to_string(),
    };
}
