//! A whole policy: declarations, guards and services, kept in pieces so that a failing one can be shrunk.

use std::collections::BTreeMap;

use super::condition::condition;
use super::oblige::body;
use super::target::target;
use super::world::World;
use crate::rng::Rng;

/// A service or guard: its head and its statements.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// `service s0 on "..."`
    pub head: String,
    /// Statements, one line each.
    pub statements: Vec<String>,
}

/// A generated policy in pieces, with its side files.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// Declarations, `gate 1;` not among them.
    pub declarations: Vec<String>,
    /// Services and guards.
    pub blocks: Vec<Block>,
    /// Side files by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Generated {
    /// The policy as one file.
    pub fn text(&self) -> String {
        let mut text = "gate 1;\n".to_string();
        for declaration in &self.declarations {
            text += declaration;
            text.push('\n');
        }
        for block in &self.blocks {
            text += &format!("{} {{\n", block.head);
            for statement in &block.statements {
                text += &format!("  {statement}\n");
            }
            text += "}\n";
        }
        text
    }
}

/// A random policy that checks without errors.
pub fn policy(rng: &mut Rng) -> Generated {
    let world = World::random(rng);
    of_world(rng, world)
}

/// As [`policy`], with a name for every rule: ids stay where lines move.
pub fn named_policy(rng: &mut Rng) -> Generated {
    let world = World {
        named: true,
        ..World::random(rng)
    };
    of_world(rng, world)
}

/// A deny that may be added to any service of `policy`: it asks for what every world declares.
pub fn another_deny(rng: &mut Rng) -> String {
    let bare = World {
        named: true,
        ..World::bare()
    };
    deny(rng, &bare, false, 9_000)
}

/// A policy of allows that obliges nobody, and of denies that read no credential: what a caller may do here can
/// only shrink with what she shows.
pub fn credentials_only_grant(rng: &mut Rng) -> Generated {
    let mut world = World {
        named: true,
        ..World::random(rng)
    };
    world.settle_principals();
    let bare = World {
        named: true,
        ..World::bare()
    };
    let mut statements: Vec<String> = (0..8)
        .map(|number| {
            allow(
                rng,
                &World {
                    plain: true,
                    ..world.clone()
                },
                true,
                number,
            )
        })
        .collect();
    statements.extend((8..10).map(|number| deny(rng, &bare, true, number)));
    let blocks = vec![Block {
        head: "service s0 on \"api.example.com\"".to_string(),
        statements,
    }];
    Generated {
        declarations: world.declarations,
        blocks,
        files: world.files,
    }
}

fn of_world(rng: &mut Rng, mut world: World) -> Generated {
    world.settle_principals();
    for index in 0..rng.below(3) {
        let text = condition(rng, &world, &[], 1);
        world.declarations.push(format!("condition c{index} = {text};"));
        world.conditions.push(format!("c{index}"));
    }
    let mut unique = 0;
    let mut blocks = Vec::new();
    for index in 0..rng.below(3).min(1 + rng.below(2)) {
        blocks.push(guard(rng, &world, index, &mut unique));
    }
    blocks.extend(services(rng, &world, &mut unique));
    // A parameter that presents tokens is not accepted besides.
    if world
        .declarations
        .iter()
        .any(|text| text.contains("from query \"q\""))
    {
        let statements = blocks.iter_mut().flat_map(|block| &mut block.statements);
        statements.for_each(|text| *text = text.replace(" q?: string", " text?: string"));
    }
    Generated {
        declarations: world.declarations,
        blocks,
        files: world.files,
    }
}

const HOSTS: &[(&str, &str)] = &[
    ("\"api.example.com\"", ""),
    ("\"api.example.com\"", "/v1"),
    ("\"*.example.com\"", ""),
    ("\"{tenant}.example.net\", \"{tenant}.example.info\"", ""),
    ("\"www.example.org\", \"shop.example.org\"", ""),
    ("\"**.example.org\"", "/v1/orders"),
    ("", ""),
];

fn services(rng: &mut Rng, world: &World, unique: &mut u64) -> Vec<Block> {
    // options hang on the host: all services of a policy agree on them
    let options: Vec<&str> = if rng.chance(30) {
        rng.some(
            &[
                "merge slashes;",
                "encoded slash as data;",
                "encoded backslash as data;",
                "path parameters kept;",
                "method override kept;",
            ],
            1,
        )
    } else {
        Vec::new()
    };
    let mut blocks: Vec<Block> = Vec::new();
    for (index, (hosts, base)) in rng.some(HOSTS, 1).into_iter().take(3).enumerate() {
        let mut head = format!("service s{index}");
        if !hosts.is_empty() {
            head += &format!(" on {hosts}");
        }
        if !base.is_empty() {
            head += &format!(" under \"{base}\"");
        }
        let with_label = hosts.contains("{tenant}").then(|| world.with_host_label());
        let world = with_label.as_ref().unwrap_or(world);
        let mut statements: Vec<String> = options.iter().map(|o| o.to_string()).collect();
        statements.extend(marks(rng, world));
        for local in 0..rng.below(2) {
            let text = condition(rng, world, &[], 1);
            statements.push(format!("condition local{index}_{local} = {text};"));
        }
        for number in 0..4 + rng.below(9) {
            *unique += 1;
            statements.push(rule(
                rng,
                world,
                Place {
                    first: number == 0,
                    at_root: base.is_empty(),
                },
                *unique,
            ));
        }
        blocks.push(Block { head, statements });
    }
    blocks
}

fn marks(rng: &mut Rng, world: &World) -> Vec<String> {
    let mut out = Vec::new();
    let sunset = rng.pick(&[
        "2026-11-01T00:00:00Z",
        "2027-06-01T00:00:00Z",
        "2026-11-23T12:00:00Z",
    ]);
    let quota = rng.pick(&world.quotas);
    for (percent, text) in [
        (10, format!("sunset {sunset};")),
        (15, "require tls;".to_string()),
        (5, "require sni == host;".to_string()),
        (25, "trailing slash ignored;".to_string()),
        (15, "invalid credentials anonymous;".to_string()),
        (45, cors(rng)),
        (10, "public;".to_string()),
        (
            15,
            "resource metadata \"https://api.example.com/.well-known/oauth-protected-resource\";".to_string(),
        ),
        (
            if quota.is_empty() { 0 } else { 35 },
            format!("default limit {quota};"),
        ),
        (
            8,
            "block by client.ip for 15m when denied more than 50 per 1m;".to_string(),
        ),
    ] {
        if rng.chance(percent) {
            out.push(text);
        }
    }
    out
}

fn cors(rng: &mut Rng) -> String {
    let age = rng.pick(&["", " max age 10m;"]);
    let headers = rng.pick(&["", " headers \"x-tenant\", \"content-type\";"]);
    if rng.chance(25) {
        return format!("cors {{ origins \"*\"; methods GET, POST;{headers}{age} }}");
    }
    let credentials = rng.pick(&["", " credentials;"]);
    let star = rng.pick(&["https://*.example.com", "https://b.example.com"]);
    format!(
        "cors {{ origins \"https://app.example.com\", \"{star}\"; methods GET, PUT;{headers}{credentials}{age} }}"
    )
}

fn guard(rng: &mut Rng, world: &World, index: usize, unique: &mut u64) -> Block {
    let mut statements = Vec::new();
    if rng.chance(10) {
        statements.push("require tls;".to_string());
    }
    for _ in 0..1 + rng.below(3) {
        *unique += 1;
        statements.push(if rng.chance(50) {
            deny(rng, world, true, *unique)
        } else {
            standing(rng, world, true, *unique)
        });
    }
    Block {
        head: format!("guard g{index}"),
        statements,
    }
}

/// Where a rule stands.
#[derive(Clone, Copy)]
struct Place {
    first: bool,
    at_root: bool,
}

fn rule(rng: &mut Rng, world: &World, place: Place, unique: u64) -> String {
    match rng.below(10) {
        _ if place.first => allow(rng, world, place.at_root, unique),
        0..=4 => allow(rng, world, place.at_root, unique),
        5 | 6 => deny(rng, world, place.at_root, unique),
        _ => standing(rng, world, place.at_root, unique),
    }
}

fn who(rng: &mut Rng, world: &World) -> String {
    if world.principals.is_empty() || rng.chance(40) {
        return "anyone".to_string();
    }
    let mut some = vec![rng.pick(&world.principals)];
    if rng.chance(25) {
        some.push(rng.pick(&world.principals));
    }
    if rng.chance(8) {
        some.push("anyone".to_string());
    }
    some.dedup();
    some.join(" or ")
}

fn clauses(rng: &mut Rng, world: &World, captures: &[super::world::Fact], percent: u32) -> String {
    let mut out = String::new();
    if rng.chance(percent) {
        out += &format!(" when {}", condition(rng, world, captures, 2));
    }
    if rng.chance(percent / 4) {
        out += &format!(" unless {}", condition(rng, world, captures, 1));
    }
    out
}

fn allow(rng: &mut Rng, world: &World, at_root: bool, unique: u64) -> String {
    let target = target(rng, false, at_root);
    let who = who(rng, world);
    let mut with = Vec::new();
    if world.has_token && (who != "anyone" || rng.chance(15)) && rng.chance(40) {
        with.push(
            rng.pick(&[
                "scope \"read\"",
                "scope \"write\", \"admin\"",
                "scope \"write\"",
                "scope \"read\"",
                "scope \"write\"",
                "scope like \"re*\"",
                "scope like \"*:*\", scope \"read\"",
            ])
            .to_string(),
        );
    }
    if world.has_token && who != "anyone" && rng.chance(25) {
        with.push(rng.pick(&["acr \"gold\"", "max age 5m"]).to_string());
    }
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" with {}", with.join(", "))
    };
    let clauses = clauses(rng, world, &target.captures, 45);
    let name = if world.named || rng.chance(30) {
        format!(" as a{unique}")
    } else {
        String::new()
    };
    let end = if !world.plain && rng.chance(55) {
        format!(" {}", body(rng, world, &target.captures, false, unique))
    } else {
        ";".to_string()
    };
    let more = if target.captures.is_empty() && world.own_methods && rng.chance(20) {
        ", PURGE|BAN /second".to_string()
    } else if target.captures.is_empty() && rng.chance(20) {
        format!(", {}", target_without_captures(rng))
    } else {
        String::new()
    };
    format!("allow {who} to {}{more}{with}{clauses}{name}{end}", target.text)
}

fn target_without_captures(rng: &mut Rng) -> &'static str {
    rng.pick(&["GET /second", "POST|PUT /second/*", "GET /", "GET /orders/**"])
}

fn deny(rng: &mut Rng, world: &World, at_root: bool, unique: u64) -> String {
    let target = target(rng, true, at_root);
    let report = if rng.chance(20) { "report " } else { "" };
    let who = who(rng, world);
    // an unconditional deny over everything leaves nothing to see
    let always = if who == "anyone" { 100 } else { 75 };
    let clauses = clauses(rng, world, &target.captures, always);
    let because = if rng.chance(25) {
        " because \"no \\\"way\\\" here\""
    } else {
        ""
    };
    let respond = match rng.below(10) {
        0 => " respond 503 retry after 10m",
        1 => rng.pick(&[
            " respond 308 to \"https://example.com/moved\"",
            " respond 301 to \"/moved\"",
            " respond 302 to \"/moved\"",
            " respond 303 to \"/see\"",
            " respond 307 to \"/moved\"",
        ]),
        2 => " respond 404",
        3 => " respond 451",
        _ => "",
    };
    let name = if world.named || rng.chance(30) {
        format!(" as d{unique}")
    } else {
        String::new()
    };
    format!(
        "{report}deny {who} to {}{clauses}{because}{respond}{name};",
        target.text
    )
}

fn standing(rng: &mut Rng, world: &World, at_root: bool, unique: u64) -> String {
    let target = target(rng, true, at_root);
    let report = if rng.chance(10) { "report " } else { "" };
    let clauses = clauses(rng, world, &target.captures, 35);
    let name = if world.named || rng.chance(20) {
        format!(" as o{unique}")
    } else {
        String::new()
    };
    let body = body(rng, world, &target.captures, true, unique);
    format!("{report}on {}{clauses}{name} {body}", target.text)
}
