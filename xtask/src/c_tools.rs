//! What the tests of the C ABI run: compilers, interpreters and watchers from the system's packages.

use xtask::apt;

/// Programs and the Debian packages that they come in.
const TOOLS: [(&str, &str); 8] = [
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("make", "make"),
    ("pkg-config", "pkg-config"),
    ("readelf", "binutils"),
    ("valgrind", "valgrind"),
    ("python3", "python3"),
    ("luajit", "luajit"),
];

/// Sees to it that all of them are there.
pub(crate) fn set_up() {
    apt::programs(&TOOLS);
}
