//! Host, path and method -> service and entry: one walk over the path's segments, whose cost does not depend on how
//! many rules or routes there are.

use crate::image::config::HostOptions;
use crate::image::layout::{GROUP, HAS_EDGES, SERVICE, STATE, dir, host};
use crate::image::tables::{Map, View, find_text, run_dfa};
use crate::request::{Canonical, Form, Upgrade};

/// A decoded segment of a path.
type Segment<'s> = &'s [u8];

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
    let map = Map::open(view, view.word(dir::HOST_MAP));
    if let Some(group) = map.find(view, host::EXACT, host.as_bytes()) {
        return Some(group);
    }
    if !host.starts_with('[') {
        for (labels, (dot, _)) in host.match_indices('.').enumerate() {
            let suffix = host.as_bytes().get(dot + 1..).unwrap_or_default();
            let one = match labels {
                0 => map.find(view, host::ONE_LABEL, suffix),
                _ => None,
            };
            if let Some(group) = one.or_else(|| map.find(view, host::LABELS, suffix)) {
                return Some(group);
            }
        }
    }
    map.find(view, host::ANY, b"")
}

/// The normalisation options of a host group.
pub(super) fn host_options(view: View<'_>, group: u32) -> HostOptions {
    let bits = view.word(view.word(dir::GROUPS) + group * GROUP);
    HostOptions {
        merge_slashes: bits & 1 != 0,
        encoded_slash_as_data: bits & 2 != 0,
        path_parameters_kept: bits & 4 != 0,
        method_override_kept: bits & 8 != 0,
        encoded_backslash_as_data: bits & 16 != 0,
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
        Form::NoPath { .. } => (&[] as &[Segment<'_>], false, false),
    };
    let service = service(view, group, segments, has_path)?;
    let record = view.word(dir::SERVICES) + service * SERVICE;
    let accept = if has_path {
        let states = view.word(dir::STATES);
        let edges = Map::open(view, view.word(dir::ROUTE_EDGES));
        let mut state = view.word(record);
        for segment in segments {
            state = step(view, states, edges, state, segment);
            if state == 0 {
                break;
            }
        }
        view.word(states + state * STATE + if slash { 3 } else { 2 })
    } else {
        view.word(record + 1)
    };
    let kind = match canonical.upgrade {
        Upgrade::None => 0,
        Upgrade::WebSocket => 2,
        Upgrade::Other => 4,
    } + u32::from(has_grpc && canonical.is_grpc());
    let methods = view.word(dir::METHODS);
    let method = find_text(view, view.word(dir::METHOD_MAP), canonical.method).unwrap_or(methods);
    // The shape says which of the accept's entries this method and kind of exchange take.
    let cell = kind * (methods + 1) + method;
    let shape = view.word(accept);
    let local = view.word(shape + 1 + cell / 2) >> (16 * (cell & 1)) & 0xffff;
    let entry = view.word(accept + 1 + local);
    Some(Found { service, entry })
}

fn service(view: View<'_>, group: u32, segments: &[Segment<'_>], has_path: bool) -> Option<u32> {
    let bases = view.word(dir::BASES);
    let mut node = view.word(view.word(dir::GROUPS) + group * GROUP + 1);
    let mut base = view.word(bases + node);
    let mut service = base & !HAS_EDGES;
    if has_path && base & HAS_EDGES != 0 {
        let edges = Map::open(view, view.word(dir::BASE_EDGES));
        for segment in segments {
            if base & HAS_EDGES == 0 {
                break;
            }
            match edges.find(view, node, segment) {
                Some(next) => node = next,
                None => break,
            }
            base = view.word(bases + node);
            service = match base & !HAS_EDGES {
                0 => service,
                longer => longer,
            };
        }
    }
    service.checked_sub(1)
}

/// One segment further: a literal edge, else the class of the state's automaton, else the default.
#[inline]
fn step(view: View<'_>, states: u32, edges: Map, state: u32, segment: &[u8]) -> u32 {
    let [default, automaton] = view.record(states + state * STATE);
    if default & HAS_EDGES != 0
        && let Some(next) = edges.find(view, state, segment)
    {
        return next;
    }
    match automaton {
        0 => default & !HAS_EDGES,
        classes => view.word(classes + 2 + run_dfa(view, view.word(classes), segment)),
    }
}
