//! What a gateway keeps outside a policy engine that has no routes of its own: host, path, method -> route.

use std::collections::HashMap;

pub use portcullis_benches::floor::method_index;
use portcullis_tests::workload::{Request, Workload};

/// No route.
pub const NONE: u32 = u32::MAX;

/// A matchit router for each host.
pub struct Router {
    hosts: hashbrown::HashMap<String, matchit::Router<[u32; 5]>>,
}

impl Router {
    pub fn new(work: &Workload) -> Router {
        let mut by: HashMap<(String, String), [u32; 5]> = HashMap::new();
        for (index, route) in work.routes.iter().enumerate() {
            let of = by
                .entry((route.host.clone(), route.template()))
                .or_insert([NONE; 5]);
            of[method_index(route.method)] = index as u32;
        }
        let mut hosts: hashbrown::HashMap<String, matchit::Router<[u32; 5]>> = Default::default();
        for ((host, path), methods) in by {
            hosts.entry(host).or_default().insert(path, methods).unwrap();
        }
        Router { hosts }
    }

    #[inline]
    pub fn find(&self, request: &Request) -> u32 {
        match self.hosts.get(&request.host) {
            Some(router) => router
                .at(&request.path)
                .map_or(NONE, |found| found.value[method_index(request.method)]),
            None => NONE,
        }
    }
}
