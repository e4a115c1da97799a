//! Slots of exchanges: which keep buffers, and that no handle comes again.

use super::*;

fn begin(state: &mut State) -> Handle {
    let scheme = "https";
    let request = Request {
        scheme: crate::types::Text::from(scheme),
        ..Request::default()
    };
    let engine = ENGINES
        .insert(|_, object| *object = Some(Arc::default()))
        .unwrap();
    // SAFETY: the struct's one text lives here.
    let (handle, _) = unsafe { state.begin(7, engine, &request) }.unwrap();
    ENGINES.free(engine).unwrap();
    Handle::unpack(handle, Kind::Exchange).unwrap()
}

#[test]
fn a_burst_leaves_few_buffers_and_a_worker_none() {
    let mut state = State::default();
    let all: Vec<Handle> = (0..3 * WARM_MAX).map(|_| begin(&mut state)).collect();
    all.iter().for_each(|handle| state.finish(*handle).unwrap());
    assert_eq!((state.warm.len(), state.cold.len()), (WARM_MAX, 2 * WARM_MAX));
    assert!(state.finish(*all.first().unwrap()).is_err());
    // What comes next has the slot with the buffers, and gives them back.
    let next = begin(&mut state);
    state.finish(next).unwrap();
    assert_eq!((state.warm.len(), state.cold.len()), (WARM_MAX, 2 * WARM_MAX));
    let live = begin(&mut state);
    state.end();
    assert!(state.exchanges.is_empty() && state.warm.is_empty() && state.exchange(live).is_err());
    // The next worker of this place: no handle of the last one is one of its own.
    let fresh: Vec<Handle> = (0..all.len()).map(|_| begin(&mut state)).collect();
    assert!(!fresh.contains(&live) && fresh.iter().all(|handle| !all.contains(handle)));
    assert!(
        all.iter()
            .chain([&next, &live])
            .all(|handle| state.exchange(*handle).is_err())
    );
}
