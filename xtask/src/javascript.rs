//! The search path -> what the examples in JavaScript run in: Node, and a browser without a screen. Knows nothing of the
//! examples.

use crate::apt;
use crate::step::Failure;

/// Programs that are Node.
pub const NODES: [&str; 2] = ["node", "nodejs"];
/// Browsers that need no screen, lightest first. The first is Debian's, of 58 MB.
pub const BROWSERS: [&str; 4] = [
    "chromium-headless-shell",
    "chromium",
    "google-chrome",
    "chrome-headless-shell",
];

/// The program that is Node.
pub fn node() -> Result<&'static str, Failure> {
    first_of(&NODES, "nodejs")
}

/// The program that is a browser and needs no screen.
pub fn browser() -> Result<&'static str, Failure> {
    first_of(&BROWSERS, "chromium-headless-shell")
}

fn first_of(programs: &[&'static str], package: &str) -> Result<&'static str, Failure> {
    let found = programs.iter().find(|program| apt::is_there(program));
    found.copied().ok_or_else(|| {
        Failure::Found(format!(
            "none of {programs:?} is installed: `apt-get install --no-install-recommends {package}`"
        ))
    })
}
