//! Targets of rules: methods and paths of every form, and the captures they bring.

use super::world::{Fact, Ty};
use crate::rng::Rng;

/// A target as text, and the captures that the rule's condition may read.
pub(super) struct Target {
    pub(super) text: String,
    pub(super) captures: Vec<Fact>,
}

const WORDS: &[&str] = &[
    "orders",
    "orders",
    "orders",
    "users",
    "admin",
    "items",
    "v2",
    "caf%C3%A9",
    "a%20b",
    "x-y",
];

/// `wide` targets are those of denies and standing rules; only below the root is there gRPC and what has no path.
pub(super) fn target(rng: &mut Rng, wide: bool, at_root: bool) -> Target {
    if at_root && !wide && rng.chance(3) {
        return plain(rng.pick(&["OPTIONS *", "CONNECT *"]));
    }
    if at_root && rng.chance(4) {
        return plain(rng.pick(&["grpc shop.Orders/Get", "grpc shop.Orders/*"]));
    }
    let (path, captures) = path(rng, wide);
    if rng.chance(4) {
        return Target {
            text: format!("websocket {path}"),
            captures,
        };
    }
    let methods = match (wide, rng.below(8)) {
        (true, 0..=3) => "any",
        (true, 4) => "GET",
        (true, 5) => "GET|POST",
        (true, 6) => "DELETE|PROPFIND",
        (true, _) => "POST",
        (false, 0) => "any",
        (false, 1..=3) => "GET",
        (false, 4) => "GET|HEAD|POST",
        (false, 5) => "GET|PATCH",
        (false, 6) => "POST",
        (false, _) => "PUT|DELETE|REPORT",
    };
    Target {
        text: format!("{methods} {path}"),
        captures,
    }
}

fn plain(text: &str) -> Target {
    Target {
        text: text.to_string(),
        captures: Vec::new(),
    }
}

fn path(rng: &mut Rng, wide: bool) -> (String, Vec<Fact>) {
    if wide && rng.chance(35) {
        return ("/**".to_string(), Vec::new());
    }
    let mut text = String::new();
    let mut captures = Vec::new();
    for index in 0..1 + rng.below(3) {
        text.push('/');
        match rng.below(if index == 0 { 5 } else { 13 }) {
            0..=4 => text += rng.pick(WORDS),
            5 => text.push('*'),
            6..=8 => text += &capture(&format!("p{index}"), "", Ty::Text, &mut captures),
            9 => text += &capture(&format!("p{index}"), ":int", Ty::Int, &mut captures),
            10 => text += &capture(&format!("p{index}"), ":uuid", Ty::Text, &mut captures),
            11 => {
                text += &capture(
                    &format!("p{index}"),
                    ":'[a-z]{1,3}[0-9]'",
                    Ty::Text,
                    &mut captures,
                )
            }
            _ => {
                let ty = rng.pick(&[Ty::Text, Ty::Int]);
                let kind = if ty == Ty::Int { ":int" } else { "" };
                let inner = capture(&format!("p{index}"), kind, ty, &mut captures);
                text += &match rng.below(3) {
                    0 => format!("{inner}:cancel"),
                    1 => format!("ord-{inner}"),
                    _ => format!("v{inner}.json"),
                };
            }
        }
    }
    match rng.below(8) {
        0 => text.push('/'),
        1 | 2 => text += "/**",
        3 => {
            text += "/{rest:**}";
            captures.push(Fact {
                text: "path.rest".to_string(),
                ty: Ty::Text,
                values: vec!["t1", "u1/t2", "gold/"],
                exact: false,
            });
        }
        _ => {}
    }
    (text, captures)
}

fn capture(name: &str, kind: &str, ty: Ty, captures: &mut Vec<Fact>) -> String {
    let values = match (ty, kind) {
        (Ty::Int, _) => vec!["0", "1", "42", "80"],
        (_, ":uuid") => vec!["123e4567-e89b-12d3-a456-426614174000"],
        (_, kind) if kind.starts_with(":'") => vec!["t1", "t2", "u1"],
        _ => vec!["t1", "t2", "u1", "gold"],
    };
    captures.push(Fact {
        text: format!("path.{name}"),
        ty,
        values,
        exact: kind == ":uuid" || kind.starts_with(":'"),
    });
    format!("{{{name}{kind}}}")
}
