//! The oracle must not lean on what it judges: `portcullis` is nowhere below this crate.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_engine_is_not_below_this_crate() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name_of = |id: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        packages.iter().find(|p| p["id"] == *id).unwrap()["name"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let node = |id: &str| nodes.iter().find(|n| n["id"] == *id).unwrap();
    let ids = || nodes.iter().filter_map(|n| n["id"].as_str());
    let mut open = vec![
        ids()
            .find(|id| name_of(id) == "portcullis-reference")
            .unwrap()
            .to_string(),
    ];
    let mut seen: Vec<String> = Vec::new();
    while let Some(id) = open.pop() {
        let below = node(&id)["dependencies"].as_array().unwrap();
        for next in below.iter().filter_map(|d| d.as_str()) {
            if !seen.iter().any(|s| s == next) {
                seen.push(next.to_string());
                open.push(next.to_string());
            }
        }
    }
    let names: Vec<String> = seen.iter().map(|id| name_of(id)).collect();
    assert!(
        names.iter().any(|name| name == "portcullis-lang"),
        "the walk found nothing"
    );
    assert!(
        !names.iter().any(|name| name == "portcullis"),
        "the reference depends on the engine"
    );
}
