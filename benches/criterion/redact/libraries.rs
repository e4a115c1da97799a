//! A document -> the same one without what is dropped, by libraries that parse it into a tree, edit that, and write it. `out`
//! is cleared first, and is used again.

use portcullis_benches::documents::Step;
use simd_json::prelude::{ValueAsMutArray as _, ValueAsMutObject as _, Writable as _};
use sonic_rs::JsonValueMutTrait as _;

/// Reads a body, drops what is at the paths, and writes the rest.
pub(crate) type Library = fn(&[u8], &[Vec<Step>], &mut Vec<u8>);

/// By serde_json.
#[expect(clippy::unwrap_used, reason = "a benchmark's documents are JSON")]
pub(crate) fn value_edit(body: &[u8], drops: &[Vec<Step>], out: &mut Vec<u8>) {
    out.clear();
    let mut value: serde_json::Value = serde_json::from_slice(body).unwrap();
    for path in drops {
        drop_value(&mut value, path);
    }
    serde_json::to_writer(out, &value).unwrap();
}

fn drop_value(value: &mut serde_json::Value, path: &[Step]) {
    match path {
        [Step::Member(name)] => drop(value.as_object_mut().and_then(|members| members.remove(*name))),
        [Step::Member(name), rest @ ..] => {
            if let Some(value) = value.get_mut(*name) {
                drop_value(value, rest);
            }
        }
        [Step::Each, rest @ ..] => {
            let elements = value.as_array_mut().into_iter().flatten();
            elements.for_each(|element| drop_value(element, rest));
        }
        [] => {}
    }
}

/// By sonic-rs.
#[expect(clippy::unwrap_used, reason = "as above")]
pub(crate) fn sonic_edit(body: &[u8], drops: &[Vec<Step>], out: &mut Vec<u8>) {
    out.clear();
    let mut value: sonic_rs::Value = sonic_rs::from_slice(body).unwrap();
    for path in drops {
        drop_sonic(&mut value, path);
    }
    sonic_rs::to_writer(out, &value).unwrap();
}

fn drop_sonic(value: &mut sonic_rs::Value, path: &[Step]) {
    match path {
        [Step::Member(name)] => drop(value.as_object_mut().and_then(|members| members.remove(name))),
        [Step::Member(name), rest @ ..] => {
            if let Some(value) = value.get_mut(*name) {
                drop_sonic(value, rest);
            }
        }
        [Step::Each, rest @ ..] => {
            if let Some(elements) = value.as_array_mut() {
                elements.iter_mut().for_each(|element| drop_sonic(element, rest));
            }
        }
        [] => {}
    }
}

/// By simd-json, whose parser writes into the text: a copy of it is part of the work.
#[expect(clippy::unwrap_used, reason = "as above")]
pub(crate) fn simd_edit(body: &[u8], drops: &[Vec<Step>], out: &mut Vec<u8>) {
    out.clear();
    let mut body = body.to_vec();
    let mut value = simd_json::to_borrowed_value(&mut body).unwrap();
    for path in drops {
        drop_simd(&mut value, path);
    }
    value.write(out).unwrap();
}

fn drop_simd(value: &mut simd_json::BorrowedValue<'_>, path: &[Step]) {
    match path {
        [Step::Member(name)] => drop(value.as_object_mut().and_then(|members| members.remove(*name))),
        [Step::Member(name), rest @ ..] => {
            if let Some(value) = value.as_object_mut().and_then(|members| members.get_mut(*name)) {
                drop_simd(value, rest);
            }
        }
        [Step::Each, rest @ ..] => {
            let elements = value.as_array_mut().into_iter().flatten();
            elements.for_each(|element| drop_simd(element, rest));
        }
        [] => {}
    }
}
