//! The names of all bugs that can be planted, one a line, for `cargo xtask canary`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for name in names() {
        writeln!(out, "{name}")?;
    }
    Ok(())
}

#[cfg(feature = "canary")]
fn names() -> Vec<&'static str> {
    portcullis_tests::canary::names()
}

#[cfg(not(feature = "canary"))]
fn names() -> Vec<&'static str> {
    Vec::new()
}
