//! A worker that is warm decides without the allocator: every row of the workload, the GitHub policy, and the shapes.

use portcullis::Snapshot;
use portcullis_benches::adapter::{Handing, NOW, Requests};
use portcullis_benches::{setup, shapes};
use portcullis_c::caller::{Caller, Prepared};
use portcullis_tests::workload::{self, Headers, Workload};

/// Decides everything once, then counts while it is decided again.
#[track_caller]
fn check(name: &str, snapshot: &Snapshot, requests: &Requests) {
    let mut worker = requests.worker();
    let mut all = || {
        (0..requests.len())
            .filter(|index| requests.allowed(snapshot, *index, &mut worker))
            .count()
    };
    let allowed = all();
    assert!(allowed > 0, "{name}: nothing is allowed");
    let mut again = 0;
    let counted = allocation_counter::measure(|| again = all());
    assert_eq!(again, allowed, "{name}: a warm worker decides otherwise");
    assert_eq!(
        counted.count_total,
        0,
        "{name}: {} allocations of {} bytes in {} decisions",
        counted.count_total,
        counted.bytes_total,
        requests.len()
    );
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7u64))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn the_workload_is_decided_without_the_allocator() {
    let work = Workload::new(100);
    let image = setup::image(&work.gate(), &workload::files()).unwrap();
    let snapshot = setup::snapshot(&image).unwrap();
    let mut rows = 0;
    for handing in Handing::ALL {
        for headers in [handing.headers(), Headers::Usual] {
            // A bearer is found in headers only.
            if handing == Handing::Bearer && headers == Headers::Usual {
                continue;
            }
            let requests = Requests::new(&work, handing, headers, &snapshot).unwrap();
            check(handing.name(), &snapshot, &requests);
            rows += 1;
        }
    }
    assert!(rows >= 7, "only {rows} rows");
}

#[test]
fn shapes_and_the_github_policy_are_decided_without_the_allocator() {
    let all = [
        shapes::subjects(100).unwrap(),
        shapes::networks(100).unwrap(),
        shapes::globs(50).unwrap(),
        shapes::few_facts(200).unwrap(),
        shapes::deep(10).unwrap(),
        shapes::github().unwrap(),
    ];
    for shape in all {
        let snapshot = setup::snapshot(&setup::shape_image(&shape).unwrap()).unwrap();
        let requests = Requests::of_vectors(&shape.case.vectors).unwrap();
        check(&shape.name, &snapshot, &requests);
    }
}

/// An exchange that is freed leaves its buffers to the next one.
#[test]
fn the_c_abi_decides_without_the_allocator() {
    let work = Workload::new(100);
    let image = setup::image(&work.gate(), &workload::files()).unwrap();
    let snapshot = setup::snapshot(&image).unwrap();
    let requests = Requests::new(&work, Handing::Json, Headers::Usual, &snapshot).unwrap();
    let prepared: Vec<Prepared<'_>> = requests
        .views()
        .iter()
        .map(|view| Prepared::of(view, NOW).unwrap())
        .collect();
    let mut caller = Caller::new(&image).unwrap();
    let mut all = || prepared.iter().filter(|request| caller.allowed(request)).count();
    let allowed = all();
    assert!(allowed > 0 && allowed < prepared.len());
    let mut again = 0;
    let counted = allocation_counter::measure(|| again = all());
    assert_eq!((again, counted.count_total), (allowed, 0));
}
