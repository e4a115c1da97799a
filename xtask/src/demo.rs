//! The main job on real input: compile the GitHub policy, decide requests, explain a denial, replay an access log.

use std::process::Command;

use crate::step::{self, Failure};

/// Builds the command and runs it as a user would.
pub(crate) fn run() -> Result<(), Failure> {
    let root = step::root();
    step::cargo(
        "build",
        &["build", "--release", "--locked", "-p", "portcullis-cli"],
    )?;
    let target = step::target();
    let binary = target
        .join("release")
        .join(format!("portcullis{}", std::env::consts::EXE_SUFFIX));
    let image = target.join("demo-github.image");
    let image = image.to_string_lossy().into_owned();
    let portcullis = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(args).current_dir(&root);
        command
    };
    step::say("\n1. The GitHub REST API, 608 operations, as a policy: checked and compiled to one image.\n");
    step::run(
        "compile",
        portcullis(&["compile", "policies/github", "-o", &image]),
    )?;
    step::run("inspect", portcullis(&["inspect", &image]))?;
    step::say("\n2. Requests as clients and attackers send them, and what becomes of each.\n");
    step::run(
        "decide",
        portcullis(&[
            "eval",
            "policies/github",
            "policies/github/requests.jsonl",
            "--table",
        ]),
    )?;
    step::say("\n3. One denial explained.\n");
    // `explain` answers 1 for a denial, which is what is asked about here.
    step::run_expecting(
        "explain",
        portcullis(&[
            "explain",
            "policies/github",
            "policies/github/requests.jsonl:missing-scope",
        ]),
        1,
    )?;
    step::say("\n4. A website's policy on its own access log of 10,000 lines.\n");
    let log = "policies/website/access.log.gz";
    step::run(
        "replay",
        portcullis(&["replay", "policies/website", log, "--host", "semicomplete.com"]),
    )
}
