//! What the examples in JavaScript run in: Node, and a browser without a screen. Found where they are, or installed by
//! apt. Knows nothing of the examples.

use crate::apt;
use crate::step::Failure;

/// Programs that are Node.
const NODES: [&str; 2] = ["node", "nodejs"];
/// Browsers that need no screen, lightest first. The first is Debian's, of 58 MB.
const BROWSERS: [&str; 4] = [
    "chromium-headless-shell",
    "chromium",
    "google-chrome",
    "chrome-headless-shell",
];

/// Sees to it that both are there. Where one can not be installed, the test that needs it fails by its name.
pub fn set_up() {
    if node().is_err() {
        apt::programs(&[("node", "nodejs")]);
    }
    if browser().is_err() {
        apt::programs(&[("chromium-headless-shell", "chromium-headless-shell")]);
    }
}

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
