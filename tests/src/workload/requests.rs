//! Rules -> requests aimed at them, and the truth: refused unless a rule grants and none forbids. Each rule is
//! looked at, in order, so that there is nothing to get wrong.

use std::net::Ipv4Addr;

use super::rules::{Condition, METHODS, PRIVATE, PRIVATE_HOST, ROLES, Route, Rule, SCOPES};
use super::{role_name, scope_name};
use crate::rng::Rng;

/// Scopes and roles of a caller.
const CALLER: (usize, usize) = (6, 4);
/// Claims beside subject, scopes and roles.
const CLAIMS: [&str; 8] = ["iss", "aud", "tenant", "plan", "email", "azp", "acr", "locale"];

/// A request, its caller's claims already split.
#[derive(Clone, Debug)]
pub struct Request {
    /// Authority.
    pub host: String,
    /// Method.
    pub method: &'static str,
    /// Path.
    pub path: String,
    /// The socket's address.
    pub address: Ipv4Addr,
    /// The same as a text.
    pub address_text: String,
    /// Subject.
    pub subject: String,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Eight more claims.
    pub claims: Vec<(String, String)>,
}

/// What a request is to become.
#[derive(Clone, Copy, PartialEq)]
enum Aim {
    Allowed,
    Refused,
    Unknown,
}

fn holds(condition: &Condition, request: &Request) -> bool {
    match condition {
        Condition::None => true,
        Condition::Networks(networks) => networks.iter().any(|n| n.has(u32::from(request.address))),
        Condition::Roles(roles) => roles.iter().any(|r| request.roles.contains(&role_name(*r))),
    }
}

fn applies(rule: &Rule, request: &Request) -> bool {
    let has = |scope: &usize| request.scopes.contains(&scope_name(*scope));
    rule.scopes.iter().all(has) && holds(&rule.condition, request)
}

fn meant(rule: &Rule, request: &Request, segments: &[&str]) -> bool {
    rule.method == request.method
        && rule.segments.len() == segments.len()
        && rule.host == request.host
        && rule
            .segments
            .iter()
            .zip(segments)
            .all(|(wanted, given)| wanted.as_ref().map_or(!given.is_empty(), |w| w == given))
}

/// Whether the rules, all of them or those of one route, allow a request that is meant by each.
fn granted<'r>(rules: impl Iterator<Item = &'r Rule>, request: &Request) -> bool {
    let mut granted = false;
    for rule in rules {
        if applies(rule, request) {
            if !rule.allow {
                return false;
            }
            granted = true;
        }
    }
    granted
}

/// The truth about a request.
pub fn reference(rules: &[Rule], request: &Request) -> bool {
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    granted(rules.iter().filter(|r| meant(r, request, &segments)), request)
}

/// So many requests, and how many of each aim.
pub(super) fn generate(rules: &[Rule], routes: &[Route], count: usize) -> (Vec<Request>, [usize; 3]) {
    let mut rng = Rng::new(991 + rules.len() as u64);
    let allows: Vec<&Rule> = rules.iter().filter(|r| r.allow).collect();
    let mut requests = Vec::new();
    let mut mix = [0; 3];
    while requests.len() < count {
        let aim = match rng.below(10) {
            0..=6 => Aim::Allowed,
            7..=8 => Aim::Refused,
            _ => Aim::Unknown,
        };
        let rule = allows[rng.below(allows.len())];
        let Some(request) = aimed(aim, rule, rules, routes, &mut rng) else {
            continue;
        };
        let route = &routes[rule.route];
        let allowed = granted(route.rules.iter().map(|i| &rules[*i]), &request);
        if aim != Aim::Unknown && allowed != (aim == Aim::Allowed) {
            continue;
        }
        mix[aim as usize] += 1;
        requests.push(request);
    }
    (requests, mix)
}

/// A request that may come out as it is aimed; `None` where the target happens to exist.
fn aimed(aim: Aim, rule: &Rule, rules: &[Rule], routes: &[Route], rng: &mut Rng) -> Option<Request> {
    let route = &routes[rule.route];
    let (scopes, roles, address) = caller(aim, rule, route, rules, rng);
    let state = rng.state();
    let mut path = route.path(|k| match k {
        0 => format!("acme-{}", state % 997),
        _ => format!("{:08x}-{:04x}", state as u32, (state >> 40) as u16),
    });
    let mut host = route.host.clone();
    let mut method = route.method;
    if aim == Aim::Unknown {
        match rng.below(4) {
            0 => path.push_str("/nothing"),
            1 => path = path.replace("/v", "/w"),
            2 => host = "unknown.example.com".into(),
            _ => {
                method = METHODS[rng.below(5)];
                let exists =
                    |o: &Route| o.method == method && o.host == route.host && o.segments == route.segments;
                if routes.iter().any(exists) {
                    return None;
                }
            }
        }
    }
    let user = rng.below(100_000);
    let claim = |(j, name): (usize, &&str)| {
        let value = format!("{name}-value-{}", (user * 31 + j) % 5000);
        ((*name).to_string(), value)
    };
    Some(Request {
        host,
        method,
        path,
        address: Ipv4Addr::from(address),
        address_text: Ipv4Addr::from(address).to_string(),
        subject: format!("user-{user:05}"),
        scopes: scopes.into_iter().map(scope_name).collect(),
        roles: roles.into_iter().map(role_name).collect(),
        claims: CLAIMS.iter().enumerate().map(claim).collect(),
    })
}

/// Scopes, roles and address of a caller who meets the rule, or, aimed to be refused, nearly does.
fn caller(
    aim: Aim,
    rule: &Rule,
    route: &Route,
    rules: &[Rule],
    rng: &mut Rng,
) -> (Vec<usize>, Vec<usize>, u32) {
    let mut scopes = rule.scopes.clone();
    let mut roles: Vec<usize> = match &rule.condition {
        Condition::Roles(any) => vec![any[rng.below(any.len())]],
        _ => Vec::new(),
    };
    let mut address = PRIVATE | (rng.next_u64() as u32 & PRIVATE_HOST);
    if let Condition::Networks(any) = &rule.condition {
        let network = any[rng.below(any.len())];
        address = network.net | (rng.next_u64() as u32 & !network.mask());
    }
    if aim == Aim::Refused {
        match rng.below(4) {
            0 | 1 => scopes.clear(),
            2 => {
                roles.clear();
                address = 0xc0a8_0000 | (rng.next_u64() as u32 & 0xffff);
            }
            _ => match route.rules.iter().map(|i| &rules[*i]).find(|r| !r.allow) {
                Some(forbidding) => match &forbidding.condition {
                    Condition::Networks(any) => address = any[0].net | (rng.next_u64() as u32 & 0xff),
                    Condition::Roles(any) => roles.push(any[0]),
                    Condition::None => {}
                },
                None => scopes.truncate(scopes.len() - 1),
            },
        }
    }
    while scopes.len() < CALLER.0 {
        let scope = rng.below(SCOPES);
        let wanted = aim == Aim::Refused && rule.scopes.contains(&scope);
        if !scopes.contains(&scope) && !wanted {
            scopes.push(scope);
        }
    }
    while roles.len() < CALLER.1 {
        let role = rng.below(ROLES);
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    shuffle(&mut scopes[..CALLER.0], rng);
    shuffle(&mut roles[..CALLER.1], rng);
    (scopes, roles, address)
}

fn shuffle(items: &mut [usize], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i + 1));
    }
}
