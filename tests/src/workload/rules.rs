//! A number -> rules and their routes, and the names that rules speak of. Knows no syntax.

use std::net::Ipv4Addr;

use crate::rng::Rng;

/// Methods of routes and requests.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// How many scopes there are.
pub const SCOPES: usize = 60;
/// How many roles there are.
pub const ROLES: usize = 40;
/// Hosts of the largest policies.
const HOSTS_MAX: usize = 64;

/// Networks of the rules lie in 10.0.0.0/8.
pub(super) const PRIVATE: u32 = 0x0a00_0000;
/// The bits of an address below that.
pub(super) const PRIVATE_HOST: u32 = 0x00ff_ffff;

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// Network address.
    pub net: u32,
    /// Prefix length, 1 to 32.
    pub len: u8,
}

impl Cidr {
    fn of(address: u32, len: u8) -> Cidr {
        let mask = Cidr { net: 0, len }.mask();
        Cidr {
            net: address & mask,
            len,
        }
    }

    /// Its bits.
    pub fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0)
    }

    /// Whether an address is in it.
    pub fn has(self, address: u32) -> bool {
        address & self.mask() == self.net
    }

    /// As text.
    pub fn text(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.net), self.len)
    }
}

/// What a rule asks for besides scopes.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Nothing.
    None,
    /// The client's address is in one of these.
    Networks(Vec<Cidr>),
    /// The caller has one of these roles.
    Roles(Vec<usize>),
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Index of its route.
    pub route: usize,
    /// Grants; forbids where false.
    pub allow: bool,
    /// All of these are needed.
    pub scopes: Vec<usize>,
    /// And this.
    pub condition: Condition,
    /// Host, as the route's; rules are compared one by one where truth is worked out.
    pub host: String,
    /// Method, as the route's.
    pub method: &'static str,
    /// Path, as the route's.
    pub segments: Vec<Option<String>>,
}

/// A host, a method and a path template.
#[derive(Clone, Debug)]
pub struct Route {
    /// Host.
    pub host: String,
    /// Method.
    pub method: &'static str,
    /// Segments of the path; `None` is a parameter.
    pub segments: Vec<Option<String>>,
    /// Indices of its rules, ascending.
    pub rules: Vec<usize>,
}

impl Route {
    /// The path, with each parameter written by `parameter`; 0 is the tenant, 1 and 2 are ids.
    pub fn path(&self, mut parameter: impl FnMut(usize) -> String) -> String {
        let in_tenant = self.segments.get(1).and_then(Option::as_deref) == Some("tenants");
        let mut next = usize::from(!in_tenant);
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Some(text) => path.push_str(text),
                None => {
                    path.push_str(&parameter(next));
                    next += 1;
                }
            }
        }
        path
    }

    /// `/v1/tenants/{tenant}/orders-3/{id}`
    pub fn template(&self) -> String {
        self.path(|k| format!("{{{}}}", PARAMETERS[k.min(2)]))
    }

    /// `/v1/tenants/:tenant/orders-3/:id`
    pub fn colons(&self) -> String {
        self.path(|k| format!(":{}", PARAMETERS[k.min(2)]))
    }

    /// `/v1/tenants/*/orders-3/*`
    pub fn stars(&self) -> String {
        self.path(|_| "*".to_string())
    }

    /// A text that names the route.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.method, self.host, self.template())
    }
}

const PARAMETERS: [&str; 3] = ["tenant", "id", "sub"];

/// `orders:read`
pub fn scope_name(i: usize) -> String {
    const WHAT: [&str; 12] = [
        "orders", "billing", "invoices", "users", "catalog", "stock", "reports", "audit", "shipping",
        "quotes", "tickets", "search",
    ];
    const HOW: [&str; 5] = ["read", "write", "delete", "admin", "export"];
    format!("{}:{}", WHAT[i % 12], HOW[i / 12 % 5])
}

/// `group-07`
pub fn role_name(i: usize) -> String {
    format!("group-{i:02}")
}

fn collection(k: usize) -> String {
    const WORDS: [&str; 10] = [
        "orders",
        "invoices",
        "customers",
        "shipments",
        "products",
        "payments",
        "sessions",
        "devices",
        "projects",
        "tickets",
    ];
    format!("{}-{}", WORDS[k % 10], k / 10)
}

/// Six routes for each collection: list, create, read, change, remove or replace, and what lies below.
fn route(index: usize, hosts: usize) -> Route {
    let (k, which) = (index / 6, index % 6);
    let word = |text: &str| Some(text.to_string());
    let mut segments = match k % 3 {
        0 => vec![word("v2")],
        _ => vec![word("v1"), word("tenants"), None],
    };
    segments.push(Some(collection(k)));
    if which >= 2 {
        segments.push(None);
    }
    if which == 5 {
        segments.push(word("items"));
        if k % 2 == 1 {
            segments.push(None);
        }
    }
    let method = match which {
        1 => "POST",
        3 => "PATCH",
        4 if k.is_multiple_of(2) => "DELETE",
        4 => "PUT",
        _ => "GET",
    };
    Route {
        host: format!("api-{}.example.com", k % hosts),
        method,
        segments,
        rules: Vec::new(),
    }
}

fn network(rng: &mut Rng, lens: &[u8]) -> Cidr {
    let len = lens[rng.below(lens.len())];
    Cidr::of(PRIVATE | (rng.next_u64() as u32 & PRIVATE_HOST), len)
}

fn condition(rng: &mut Rng, forbids: bool) -> Condition {
    match rng.below(if forbids { 2 } else { 3 }) {
        0 => {
            let count = 1 + rng.below(3);
            let one = |_| match forbids {
                true => Cidr::of(PRIVATE | (rng.next_u64() as u32 & PRIVATE_HOST), 24),
                false => network(rng, &[8, 12, 16, 20, 24]),
            };
            Condition::Networks((0..count).map(one).collect())
        }
        1 => {
            let first = rng.below(ROLES);
            Condition::Roles(vec![first, (first + 1 + rng.below(ROLES - 1)) % ROLES])
        }
        _ => Condition::None,
    }
}

fn scopes(rng: &mut Rng) -> Vec<usize> {
    let first = rng.below(SCOPES);
    match rng.below(2) {
        0 => vec![first],
        _ => vec![first, (first + 1 + rng.below(SCOPES - 1)) % SCOPES],
    }
}

/// So many rules, and their routes.
pub(super) fn generate(count: usize) -> (Vec<Rule>, Vec<Route>) {
    let mut rng = Rng::new(7 + count as u64);
    let hosts = (count / 100).clamp(1, HOSTS_MAX);
    let (mut rules, mut routes): (Vec<Rule>, Vec<Route>) = (Vec::new(), Vec::new());
    for i in 0..count {
        let forbids = i % 20 == 19 || (count == 10 && i == 9);
        let shares = i % 7 == 3;
        if !(forbids || shares) || routes.is_empty() {
            routes.push(route(routes.len(), hosts));
        }
        let scopes = if forbids { Vec::new() } else { scopes(&mut rng) };
        let condition = condition(&mut rng, forbids);
        let at = routes.len() - 1;
        let route = &mut routes[at];
        route.rules.push(i);
        rules.push(Rule {
            route: at,
            allow: !forbids,
            scopes,
            condition,
            host: route.host.clone(),
            method: route.method,
            segments: route.segments.clone(),
        });
    }
    (rules, routes)
}
