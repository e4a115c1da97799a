//! Bodies of allows and standing rules. Two rules may meet on one request, so literals of one header, and shapes
//! of one query, are drawn so that they never contradict.

use super::world::{Fact, Ty, World};
use crate::rng::Rng;

/// The lines of a body, at least one.
pub(super) fn body(rng: &mut Rng, world: &World, captures: &[Fact], standing: bool, unique: u64) -> String {
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let line = line(rng, world, captures, standing, unique);
        if !lines.iter().any(|l| kind(l) == kind(&line)) {
            lines.push(line);
        }
    }
    format!("{{ {} }}", lines.join(" "))
}

/// What may stand only once in a body: a quota, a sunset, one accept of queries, the accepts of bodies.
fn kind(line: &str) -> String {
    if line.starts_with("accept") && !line.starts_with("accept query") {
        return "accept".to_string();
    }
    let words = if line.starts_with("sunset") { 1 } else { 2 };
    line.split([' ', ';']).take(words).collect::<Vec<_>>().join(" ")
}

fn line(rng: &mut Rng, world: &World, captures: &[Fact], standing: bool, unique: u64) -> String {
    match rng.below(if standing { 20 } else { 17 }) {
        0..=2 => limit(rng, world, captures),
        3 => redact(rng),
        4 | 5 => query(rng),
        6..=8 => body_of(rng, world),
        9 => format!(
            "require response {{ {}; }} else {};",
            rng.pick(&[
                "owner_id == \"u1\"",
                "response.total > 3 and kind in [\"a\", \"b\"]"
            ]),
            rng.pick(&["404", "502"])
        ),
        10..=12 => set_header(rng, world, captures, unique),
        13 => format!(
            "drop {}header \"{}\";",
            direction(rng),
            rng.pick(&["x-shared", "x-server", "x-old"])
        ),
        14..=16 => format!("tag \"{}\";", rng.pick(&["a", "b", "audit", "slow path"])),
        17 => "require tls;".to_string(),
        18 => {
            if rng.chance(40) {
                "require sni == host;".to_string()
            } else {
                "deprecated;".to_string()
            }
        }
        _ => format!(
            "sunset {};",
            rng.pick(&[
                "2026-11-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
                "2030-05-05T05:05:05+05:00"
            ])
        ),
    }
}

fn direction(rng: &mut Rng) -> &'static str {
    rng.pick(&["", "request ", "response ", "request "])
}

/// Facts may meet on one name; a literal has a name of its own.
fn set_header(rng: &mut Rng, world: &World, captures: &[Fact], unique: u64) -> String {
    if world.sets_flag && rng.chance(30) {
        return "set request header \"x-flag\" \"t1\";".to_string();
    }
    let direction = direction(rng);
    if rng.chance(40) {
        let name = rng.pick(&["x-shared", "x-common"]);
        return format!("set {direction}header \"{name}\" \"same\";");
    }
    if rng.chance(30) {
        // One value a rule: two literals for one name are refused by the checker.
        let value = if unique.is_multiple_of(2) {
            "v"
        } else {
            "max-age=63072000"
        };
        return format!("set {direction}header \"x-own-{unique}\" \"{value}\";");
    }
    let mut fit: Vec<String> = world
        .facts
        .iter()
        .chain(captures)
        .filter(|f| matches!(f.ty, Ty::Text | Ty::Int | Ty::Bool | Ty::Ip))
        .map(|f| f.text.clone())
        .collect();
    fit.sort();
    format!(
        "set {direction}header \"{}\" {};",
        rng.pick(&["x-shared", "x-fact"]),
        rng.pick(&fit)
    )
}

fn limit(rng: &mut Rng, world: &World, captures: &[Fact]) -> String {
    if !captures.is_empty() && rng.chance(40) {
        let capture = &rng.pick(captures).text;
        let more = rng.pick(&["", ", client.ip", ", request.header[\"x-tenant\"]"]);
        return format!("limit 9 per 1m by {capture}{more};");
    }
    if world.quotas.is_empty() || rng.chance(25) {
        let spec = rng.pick(&[
            "5 per 1m by client.ip",
            "50 per 1h burst 60 by request.host, client.ip",
            "8 per 1m by request.header[\"x-tenant\"], request.query.q",
            "at most 3 in flight by client.ip",
        ]);
        return format!("limit {spec};");
    }
    let quota = rng.pick(&world.quotas);
    let cost = match rng.below(5) {
        0 => " cost 3",
        1 => " cost request.size",
        _ => "",
    };
    format!("limit {quota}{cost};")
}

fn redact(rng: &mut Rng) -> String {
    let all = [
        "drop **.ssn;",
        "drop card.number, items[].secret;",
        "mask card.number keep last 4;",
        "mask card.number keep first 2;",
        "mask card.number;",
        "hash email;",
        "replace note with \"gone\";",
        "replace note with \"none\";",
        "truncate note to 10;",
        "truncate note to 7;",
        "only { id, note, card };",
    ];
    let mut lines = rng.some(&all, 1);
    // one path has one operation within one block
    lines.dedup_by_key(|l| l.split([' ', ',']).nth(1).unwrap_or("").to_string());
    lines.truncate(4);
    format!("redact response {{ {} }}", lines.join(" ").replace("};", "}"))
}

fn query(rng: &mut Rng) -> String {
    let strip = rng.pick(&["", "", " strip unknown"]);
    let page = rng.pick(&["1..100", "min 1", "1..5", "max 50"]);
    let q = rng.pick(&["max 20", "min 1", "", "matches '[a-z0-9+ ]*'"]);
    let more = rng.pick(&[
        "",
        " since?: instant;",
        " on?: bool;",
        " from_ip?: ip;",
        " tag[]: string max 3 items 0..2;",
        " tag[]?: string items 2..3;",
        " ids[]: int 1..9 separated by \",\";",
        " ids[]: int separated by \",\" items 0..2;",
        " ids[]?: string max 3 separated by \",\" items 2..3;",
        " \"tag[]\"[]: string items 0..1;",
    ]);
    let role = rng.pick(&[
        "role?: string in [\"admin\", \"staff\", \"t1\"];",
        "role?: string;",
    ]);
    format!("accept query{strip} {{ page?: int {page}; q?: string {q}; {role}{more} }}")
}

/// A body has one media type, so the rules of a policy have one in common: most speak of it alone, and some of
/// alternatives to it.
fn body_of(rng: &mut Rng, world: &World) -> String {
    let max = rng.pick(&["", " max 10MiB", " max 512"]);
    match world.media {
        0 | 1 => body_shape(rng),
        2 => form(rng),
        5 | 6 => {
            let mut all = vec![body_shape(rng), form(rng)];
            if rng.chance(50) {
                all.push(format!(
                    "accept type \"{}\"{max};",
                    rng.pick(&["image/png", "text/csv"])
                ));
            }
            if rng.chance(25) {
                all.truncate(1);
            }
            rng.pick(&[all.join(" "), all.into_iter().rev().collect::<Vec<_>>().join(" ")])
        }
        3 => format!("accept type \"image/png\"{max};"),
        _ => format!("accept type \"text/csv\"{max};"),
    }
}

fn body_shape(rng: &mut Rng) -> String {
    let options = rng.pick(&[
        "",
        " max 16KiB",
        " max 512",
        " max 2MiB depth 5 strip unknown",
        " strip unknown",
    ]);
    let note = rng.pick(&["max 500", "min 0", ""]);
    let optional = rng.pick(&["?", "?", "?", "?", "?", "?", "?", ""]);
    format!(
        "accept body{options} {{ items[].sku?: string max 64; note?: string {note}; count{optional}: int 1..100; \
         owner?: object keys 2; extra?: any; ratio?: number 0..1.5; kind?: string in [\"in\", \"on\"]; \
         when?: instant; from?: ip or null; tags[]?: string items 1..2; deep.a?: int; code?: string matches '[a-z]{{2}}'; \
         is_new?: bool; }}"
    )
}

fn form(rng: &mut Rng) -> String {
    let options = rng.pick(&["", " max 4KiB", " strip unknown"]);
    format!("accept form{options} {{ name?: string max 100; age?: int; }}")
}
