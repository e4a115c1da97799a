//! A hand-written decision for the workload's rules: hash a segment, step a trie, intern the claims, test bit sets.
//!
//! What it leaves out: any policy that is not this one, canonical spelling (a target that is not clean is refused),
//! comparing the bytes of a segment after its hash, credentials that fail, reasons, the deciding rule, obligations.

use hashbrown::HashMap;
use portcullis_tests::workload::{
    Condition, ROLES, RawRequest, Request, Route, SCOPES, Workload, role_name, scope_name,
};

use crate::claim_scan;

const NONE: u32 = u32::MAX;

/// A rule, as masks.
#[derive(Clone, Copy)]
struct Check {
    scopes: u64,
    /// 0: no role is asked for.
    roles: u64,
    networks: (u32, u32),
    allow: bool,
}

/// Which way the caller's claims come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handing {
    /// Split into texts, each looked up by hash.
    Split,
    /// As JSON text, scanned once.
    Json,
    /// As the masks of an earlier request with the same token.
    Known,
    /// By the bearer's bytes, in a map of masks.
    Bearer,
}

impl Handing {
    /// All of them.
    pub const ALL: [Handing; 4] = [Handing::Split, Handing::Json, Handing::Known, Handing::Bearer];

    /// The row's name.
    pub fn name(self) -> &'static str {
        match self {
            Handing::Split => "floor/split",
            Handing::Json => "floor/json",
            Handing::Known => "floor/known",
            Handing::Bearer => "floor/bearer",
        }
    }
}

/// The floor, loaded.
pub struct Floor<'w> {
    requests: &'w [Request],
    raw: &'w [RawRequest],
    checks: Vec<Check>,
    spans: Vec<(u32, u32)>,
    networks: Vec<(u32, u32)>,
    trie: Trie,
    scope_ids: HashMap<Box<[u8]>, u8>,
    role_ids: HashMap<Box<[u8]>, u8>,
    known: Vec<(u64, u64)>,
    bearers: HashMap<&'w [u8], (u64, u64)>,
}

impl<'w> Floor<'w> {
    /// Of a workload; `raw` are its requests as bytes.
    pub fn new(work: &'w Workload, raw: &'w [RawRequest]) -> Floor<'w> {
        let mut floor = Floor {
            requests: &work.requests,
            raw,
            checks: Vec::new(),
            spans: Vec::new(),
            networks: Vec::new(),
            trie: Trie::new(&work.routes),
            scope_ids: ids(SCOPES, scope_name),
            role_ids: ids(ROLES, role_name),
            known: Vec::new(),
            bearers: HashMap::new(),
        };
        for route in &work.routes {
            floor.add(work, route);
        }
        floor.known = work
            .requests
            .iter()
            .map(|r| (mask(&floor.scope_ids, &r.scopes), mask(&floor.role_ids, &r.roles)))
            .collect();
        floor.bearers = raw
            .iter()
            .map(|r| r.bearer.as_bytes())
            .zip(floor.known.iter().copied())
            .collect();
        floor
    }

    fn add(&mut self, work: &Workload, route: &Route) {
        let first = self.checks.len() as u32;
        let mut rules: Vec<_> = route.rules.iter().map(|i| &work.rules[*i]).collect();
        rules.sort_by_key(|rule| rule.allow); // what forbids is tested first
        for rule in rules {
            let from = self.networks.len() as u32;
            let mut roles = 0;
            match &rule.condition {
                Condition::None => {}
                Condition::Networks(any) => self.networks.extend(any.iter().map(|n| (n.net, n.mask()))),
                Condition::Roles(any) => roles = any.iter().fold(0, |mask, role| mask | 1u64 << role),
            }
            self.checks.push(Check {
                scopes: rule.scopes.iter().fold(0, |mask, scope| mask | 1u64 << scope),
                roles,
                networks: (from, self.networks.len() as u32),
                allow: rule.allow,
            });
        }
        self.spans.push((first, self.checks.len() as u32));
    }

    /// Decides request `index`.
    #[inline]
    pub fn allowed(&self, handing: Handing, index: usize) -> bool {
        let request = &self.requests[index];
        let path = request.path.as_bytes();
        let mut clean = path.first() == Some(&b'/');
        for byte in path {
            clean &= CLEAN[*byte as usize];
        }
        if !clean {
            return false;
        }
        let route = self.trie.find(request.host.as_bytes(), path, request.method);
        if route == NONE {
            return false;
        }
        let (scopes, roles) = match handing {
            Handing::Split => (
                mask(&self.scope_ids, &request.scopes),
                mask(&self.role_ids, &request.roles),
            ),
            Handing::Json => self.scanned(self.raw[index].claims_json.as_bytes()),
            Handing::Known => self.known[index],
            Handing::Bearer => {
                let bearer = self.raw[index].bearer.as_bytes();
                self.bearers.get(bearer).copied().unwrap_or_default()
            }
        };
        self.check(route, u32::from(request.address), scopes, roles)
    }

    #[inline]
    fn scanned(&self, claims: &[u8]) -> (u64, u64) {
        let (mut scopes, mut roles) = (0, 0);
        let read = claim_scan::scan(
            claims,
            |scope| scopes |= bit(&self.scope_ids, scope),
            |role| roles |= bit(&self.role_ids, role),
        );
        read.map_or((0, 0), |()| (scopes, roles))
    }

    #[inline]
    fn check(&self, route: u32, address: u32, scopes: u64, roles: u64) -> bool {
        let (from, to) = self.spans[route as usize];
        for check in &self.checks[from as usize..to as usize] {
            let (first, last) = check.networks;
            let networks = &self.networks[first as usize..last as usize];
            if check.scopes & !scopes == 0
                && (check.roles == 0 || check.roles & roles != 0)
                && (networks.is_empty() || networks.iter().any(|(net, mask)| address & mask == *net))
            {
                return check.allow;
            }
        }
        false
    }
}

fn ids(count: usize, name: fn(usize) -> String) -> HashMap<Box<[u8]>, u8> {
    (0..count)
        .map(|id| (name(id).into_bytes().into_boxed_slice(), id as u8))
        .collect()
}

#[inline]
fn mask(ids: &HashMap<Box<[u8]>, u8>, names: &[String]) -> u64 {
    names
        .iter()
        .fold(0, |mask, name| mask | bit(ids, name.as_bytes()))
}

#[inline]
fn bit(ids: &HashMap<Box<[u8]>, u8>, name: &[u8]) -> u64 {
    ids.get(name).map_or(0, |id| 1u64 << id)
}

/// Path segments below hosts, in one open-addressed table keyed by node and hash of the segment.
struct Trie {
    slots: Vec<(u64, u32)>,
    mask: usize,
    wild: Vec<u32>,
    leaves: Vec<[u32; 5]>,
}

impl Trie {
    fn new(routes: &[Route]) -> Trie {
        let mut edges: HashMap<u64, u32> = HashMap::new();
        let (mut wild, mut leaves) = (vec![NONE], vec![[NONE; 5]]);
        for (index, route) in routes.iter().enumerate() {
            let mut node = 0u32;
            for segment in std::iter::once(Some(&route.host)).chain(route.segments.iter().map(Option::as_ref))
            {
                let known = match segment {
                    Some(text) => *edges.entry(mix(node, text.as_bytes())).or_insert(NONE),
                    None => wild[node as usize],
                };
                let next = if known == NONE { wild.len() as u32 } else { known };
                if known == NONE {
                    wild.push(NONE);
                    leaves.push([NONE; 5]);
                    match segment {
                        Some(text) => drop(edges.insert(mix(node, text.as_bytes()), next)),
                        None => wild[node as usize] = next,
                    }
                }
                node = next;
            }
            leaves[node as usize][method_index(route.method)] = index as u32;
        }
        let size = (edges.len() * 2).next_power_of_two().max(16);
        let mut slots = vec![(0, NONE); size];
        for (key, node) in edges {
            let mut at = key as usize & (size - 1);
            while slots[at].1 != NONE {
                at = (at + 1) & (size - 1);
            }
            slots[at] = (key, node);
        }
        Trie {
            slots,
            mask: size - 1,
            wild,
            leaves,
        }
    }

    #[inline]
    fn step(&self, node: u32, segment: &[u8]) -> u32 {
        let key = mix(node, segment);
        let mut at = key as usize & self.mask;
        loop {
            let (found, next) = self.slots[at];
            if next == NONE {
                return self.wild[node as usize];
            }
            if found == key {
                return next;
            }
            at = (at + 1) & self.mask;
        }
    }

    #[inline]
    fn find(&self, host: &[u8], path: &[u8], method: &str) -> u32 {
        let mut node = self.step(0, host);
        if node == NONE {
            return NONE;
        }
        let mut from = 1;
        loop {
            let to = memchr::memchr(b'/', &path[from..]).map_or(path.len(), |at| from + at);
            let segment = &path[from..to];
            if segment.is_empty() || segment[0] == b'.' {
                return NONE;
            }
            node = self.step(node, segment);
            if node == NONE {
                return NONE;
            }
            if to == path.len() {
                return self.leaves[node as usize][method_index(method)];
            }
            from = to + 1;
        }
    }
}

/// Bytes of a target that needs no further look.
const CLEAN: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        table[i] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'/' | b'.' | b':');
        i += 1;
    }
    table
};

#[inline]
fn mix(node: u32, segment: &[u8]) -> u64 {
    const K: u64 = 0x517c_c1b7_2722_0a95;
    let mut hash = u64::from(node) + 1;
    let (words, rest) = segment.as_chunks::<8>();
    for word in words {
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(K);
    }
    let tail = rest
        .iter()
        .enumerate()
        .fold(0, |tail, (i, byte)| tail | u64::from(*byte) << (8 * i));
    hash = (hash.rotate_left(5) ^ tail ^ ((segment.len() as u64) << 56)).wrapping_mul(K);
    hash ^ (hash >> 29)
}

/// Of the five methods; the workload has no other.
#[inline]
pub fn method_index(method: &str) -> usize {
    match method.as_bytes() {
        [b'D', ..] => 4,
        [b'P', b'O', ..] => 1,
        [b'P', b'U', ..] => 2,
        [b'P', ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_tests::workload::Headers;

    #[test]
    fn floors_know_the_truth() {
        let work = Workload::new(100);
        let raw: Vec<RawRequest> = (0..)
            .zip(&work.requests)
            .map(|(index, request)| RawRequest::of(index, request, Headers::None))
            .collect();
        let floor = Floor::new(&work, &raw);
        for handing in Handing::ALL {
            for (index, truth) in work.truth.iter().enumerate() {
                assert_eq!(
                    floor.allowed(handing, index),
                    *truth,
                    "{handing:?}, request {index}"
                );
            }
        }
    }
}
