//! Host, path and method -> service and entry: one walk over the path's segments, whose cost does not depend on how
//! many rules or routes there are.

use crate::front::{Canonical, Form, Upgrade};
use crate::image::config::HostOptions;
use crate::image::layout::{GROUP, KINDS, SERVICE, STATE, dir};
use crate::image::tables::{View, find_pair, find_text, run_dfa};

/// What a request was routed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Index of the service.
    pub(super) service: u32,
    /// Word offset of the entry.
    pub(super) entry: u32,
}

/// The host pattern that the host selects (section 5): exact, else the most literal labels, at equal labels `*.`
/// before `**.`, else the services without `on`.
pub(super) fn host_group(view: View<'_>, host: &str) -> Option<u32> {
    let map = view.word(dir::HOST_MAP);
    let mut key = String::with_capacity(host.len() + 1);
    let mut find = |prefix: char, host: &str| {
        key.clear();
        key.push(prefix);
        key.push_str(host);
        find_text(view, map, key.as_bytes())
    };
    if let Some(group) = find('=', host) {
        return Some(group);
    }
    if !host.starts_with('[') {
        for (labels, (dot, _)) in host.match_indices('.').enumerate() {
            let suffix = &host[dot + 1..];
            let one = if labels == 0 { find('*', suffix) } else { None };
            if let Some(group) = one.or_else(|| find('+', suffix)) {
                return Some(group);
            }
        }
    }
    find_text(view, map, b"")
}

/// The normalisation options of a host group.
pub(super) fn host_options(view: View<'_>, group: u32) -> HostOptions {
    let bits = view.word(view.word(dir::GROUPS) + group * GROUP);
    HostOptions {
        merge_slashes: bits & 1 != 0,
        encoded_slash_as_data: bits & 2 != 0,
        path_parameters_kept: bits & 4 != 0,
        method_override_kept: bits & 8 != 0,
    }
}

/// The service with the longest base, and the entry of path, method and kind of exchange.
pub(super) fn find(view: View<'_>, group: u32, canonical: &Canonical<'_>, has_grpc: bool) -> Option<Found> {
    let (segments, slash, has_path) = match canonical.form {
        Form::Path {
            segments,
            trailing_slash,
            ..
        } => (segments, trailing_slash, true),
        Form::NoPath { .. } => (&[] as &[&[u8]], false, false),
    };
    let segment_map = view.word(dir::SEGMENT_MAP);
    let ids: Vec<Option<u32>> = segments.iter().map(|s| find_text(view, segment_map, s)).collect();
    let service = service(view, group, &ids, has_path)?;
    let record = view.word(dir::SERVICES) + service * SERVICE;
    let accept = if has_path {
        let mut state = view.word(record);
        for (segment, id) in segments.iter().zip(&ids) {
            state = step(view, state, segment, *id);
            if state == 0 {
                break;
            }
        }
        view.word(view.word(dir::STATES) + state * STATE + if slash { 5 } else { 4 })
    } else {
        view.word(record + 1)
    };
    let kind = match canonical.upgrade {
        Upgrade::None => 0,
        Upgrade::WebSocket => 2,
        Upgrade::Other => 4,
    } + u32::from(has_grpc && canonical.is_grpc());
    let row = view.word(view.word(dir::ACCEPTS) + accept * KINDS + kind);
    let method = find_text(view, view.word(dir::METHOD_MAP), canonical.method)
        .unwrap_or_else(|| view.word(dir::METHODS));
    let entry = view.word(view.word(dir::ENTRIES) + view.word(row + method));
    Some(Found { service, entry })
}

fn service(view: View<'_>, group: u32, ids: &[Option<u32>], has_path: bool) -> Option<u32> {
    let (edges, bases) = (view.word(dir::BASE_EDGES), view.word(dir::BASES));
    let mut base = view.word(view.word(dir::GROUPS) + group * GROUP + 1);
    let mut service = view.word(bases + base);
    if has_path {
        for id in ids {
            match id.and_then(|id| find_pair(view, edges, base, id)) {
                Some(next) => base = next,
                None => break,
            }
            service = match view.word(bases + base) {
                0 => service,
                longer => longer,
            };
        }
    }
    service.checked_sub(1)
}

/// One segment further: a literal edge, else the class of the state's automaton, else the default.
fn step(view: View<'_>, state: u32, segment: &[u8], id: Option<u32>) -> u32 {
    if let Some(next) = id.and_then(|id| find_pair(view, view.word(dir::ROUTE_EDGES), state, id)) {
        return next;
    }
    let record = view.word(dir::STATES) + state * STATE;
    match view.word(record + 1) {
        0 => view.word(record),
        automaton => view.word(view.word(record + 2) + run_dfa(view, automaton, segment)),
    }
}
