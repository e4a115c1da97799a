//! Inputs that once broke something, replayed on stable: `corpus/crashes/TARGET/*` through the oracle of that name.
#![allow(clippy::unwrap_used, reason = "a test")]

use portcullis_tests::{corpus, oracle};

/// Takes any bytes; panics where something is wrong.
type Oracle = fn(&[u8]);

#[test]
fn no_crash_comes_back() {
    let targets: [(&str, Oracle); 6] = [
        ("parser", oracle::parser),
        ("image", oracle::image),
        ("seal", oracle::seal),
        ("normalise", oracle::normalise),
        ("differential", oracle::differential),
        ("bodies", oracle::bodies),
    ];
    for (name, target) in targets {
        let folder = corpus::root().join("tests/corpus/crashes").join(name);
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "{name} has seeds");
        for path in paths {
            target(&std::fs::read(path).unwrap());
        }
    }
}
