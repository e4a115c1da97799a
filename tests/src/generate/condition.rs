//! Typed conditions over a world's facts, and over the captures of one target.

use super::world::{FLAG, Fact, Ty, World};
use crate::rng::Rng;

/// A condition of bounded depth. `captures` are facts of the rule's own target.
pub(super) fn condition(rng: &mut Rng, world: &World, captures: &[Fact], depth: u32) -> String {
    if depth == 0 || rng.chance(55) {
        let atom = atom(rng, world, captures);
        return if rng.chance(18) {
            format!("not {atom}")
        } else {
            atom
        };
    }
    let word = rng.pick(&["and", "or"]);
    let count = 2 + rng.below(2);
    let parts: Vec<String> = (0..count)
        .map(|_| match condition(rng, world, captures, depth - 1) {
            part if part.contains(" and ") || part.contains(" or ") => format!("({part})"),
            part => part,
        })
        .collect();
    let joined = parts.join(&format!(" {word} "));
    if rng.chance(12) {
        format!("not ({joined})")
    } else {
        joined
    }
}

fn pick_fact(rng: &mut Rng, world: &World, captures: &[Fact]) -> Fact {
    if !captures.is_empty() && rng.chance(35) {
        rng.pick(captures)
    } else {
        rng.pick(&world.facts)
    }
}

fn other_of(rng: &mut Rng, world: &World, ty: Ty, not: &str) -> Option<String> {
    let fit: Vec<String> = world
        .facts
        .iter()
        .filter(|f| f.ty == ty && f.text != not)
        .map(|f| f.text.clone())
        .collect();
    (!fit.is_empty()).then(|| rng.pick(&fit))
}

fn atom(rng: &mut Rng, world: &World, captures: &[Fact]) -> String {
    if !world.hours.is_empty() && rng.chance(8) {
        return special(rng, world);
    }
    let fact = pick_fact(rng, world, captures);
    if rng.chance(7) && fact.text != "now" && !(world.sets_flag && fact.text == FLAG) {
        // Where it presents tokens, to ask for it is an error.
        let text = fact.text.replace("request.query.q", "request.query.role");
        return format!("exists {text}");
    }
    if rng.chance(5) && matches!(fact.ty, Ty::Text | Ty::Int | Ty::Ip) {
        let share = rng.pick(&["10", "50", "0.5", "99.99", "100"]);
        return format!("{} in {share}% of \"canary\"", fact.text);
    }
    match fact.ty {
        Ty::Bool => boolean(rng, &fact),
        Ty::Int => int(rng, world, &fact),
        Ty::Text => text(rng, world, &fact),
        Ty::Ip => ip(rng, world, &fact),
        Ty::Set => set(rng, &fact),
        Ty::Instant => instant(rng, world, &fact),
    }
}

fn special(rng: &mut Rng, world: &World) -> String {
    let mut all: Vec<String> = world.principals.clone();
    all.extend(world.conditions.iter().cloned());
    if world.has_token {
        all.extend(["exists token".to_string(), "token from i0".to_string()]);
    }
    if world.has_key {
        all.extend(["exists key".to_string(), "key from partners".to_string()]);
    }
    all.extend(world.hours.iter().map(|h| format!("now in {h}")));
    rng.pick(&all)
}

fn boolean(rng: &mut Rng, fact: &Fact) -> String {
    match rng.below(4) {
        0 => format!("{} == true", fact.text),
        1 => format!("{} != true", fact.text),
        _ => fact.text.clone(),
    }
}

fn int(rng: &mut Rng, world: &World, fact: &Fact) -> String {
    if rng.chance(15) {
        return format!("{} in [{}, {}]", fact.text, "7", rng.pick(&fact.values));
    }
    if rng.chance(12)
        && let Some((list, _)) = world.lists.iter().find(|(_, ty)| *ty == Ty::Int)
    {
        return format!("{} in {list}", fact.text);
    }
    let op = rng.pick(&["==", "!=", "<", "<=", ">", ">="]);
    if rng.chance(15)
        && let Some(other) = other_of(rng, world, Ty::Int, &fact.text)
    {
        return format!("{} {op} {other}", fact.text);
    }
    format!("{} {op} {}", fact.text, rng.pick(&fact.values))
}

fn text(rng: &mut Rng, world: &World, fact: &Fact) -> String {
    let value = rng.pick(&fact.values);
    let name = &fact.text;
    match rng.below(11) {
        0 => format!("{name} != \"{value}\""),
        1 => format!("{name} == \"{}\" ignore case", value.to_ascii_uppercase()),
        2 => {
            let other = if fact.exact { rng.pick(&fact.values) } else { "zz" };
            format!("{name} in [\"{value}\", \"{other}\"]")
        }
        3 => match world.lists.iter().find(|(_, ty)| *ty == Ty::Text) {
            Some((list, _)) => format!("{name} in {list}"),
            None => format!("{name} == \"{value}\""),
        },
        4 if fact.exact => {
            let mut head = value.to_string();
            head.pop();
            format!("{name} like \"{head}{}\"", rng.pick(&["*", "**"]))
        }
        5 if fact.exact => {
            let head: String = value.chars().take(1).collect();
            format!("{name} matches '{head}{}'", rng.pick(&[".*", ".{2,}", "[^ ]*"]))
        }
        4 => {
            let head: String = value.chars().take(2).collect();
            let glob = rng.pick(&["*", "**", "*/*", "\\\\*"]);
            format!("{name} like \"{head}{glob}\"")
        }
        5 => format!(
            "{name} matches '{}'",
            rng.pick(&[
                "[a-z]+[0-9]?",
                "(t|u)[0-9]",
                "g.*",
                ".*\\.example\\.com",
                "/v1/.*"
            ])
        ),
        6 | 7 => match other_of(rng, world, Ty::Text, name) {
            Some(other) if rng.chance(75) => format!("{name} == {other}"),
            Some(other) if rng.chance(50) => format!("{name} == {other} ignore case"),
            Some(other) => format!("{name} != {other}"),
            None => format!("{name} == \"{value}\""),
        },
        8 => match other_of(rng, world, Ty::Set, name) {
            Some(set) => format!("{name} in {set}"),
            None => format!("{name} == \"{value}\""),
        },
        _ => format!("{name} == \"{value}\""),
    }
}

fn ip(rng: &mut Rng, world: &World, fact: &Fact) -> String {
    let lists: Vec<&str> = world
        .lists
        .iter()
        .filter(|(_, ty)| *ty == Ty::Ip)
        .map(|(name, _)| name.as_str())
        .collect();
    if rng.chance(20) && !lists.is_empty() {
        return format!("{} in {}", fact.text, rng.pick(&lists));
    }
    if rng.chance(15)
        && let Some(other) = other_of(rng, world, Ty::Ip, &fact.text)
    {
        return format!("{} == {other}", fact.text);
    }
    format!("{} in {}", fact.text, rng.pick(&world.networks))
}

fn set(rng: &mut Rng, fact: &Fact) -> String {
    let (one, two) = (rng.pick(&fact.values), rng.pick(&fact.values));
    match rng.below(5) {
        0 | 1 => format!("{} has any [\"{one}\", \"{two}\"]", fact.text),
        2 => format!("{} has all [\"{one}\", \"{two}\"]", fact.text),
        3 if rng.chance(10) => format!("{} has {} []", fact.text, rng.pick(&["any", "all"])),
        _ => format!("\"{one}\" in {}", fact.text),
    }
}

fn instant(rng: &mut Rng, world: &World, fact: &Fact) -> String {
    let op = rng.pick(&["<", "<=", ">", ">=", "==", "!="]);
    if rng.chance(30)
        && let Some(other) = other_of(rng, world, Ty::Instant, &fact.text)
    {
        return format!("{} {op} {other}", fact.text);
    }
    format!("{} {op} {}", fact.text, rng.pick(&fact.values))
}
