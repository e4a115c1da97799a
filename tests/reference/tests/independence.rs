//! The oracle must not lean on what it judges: `portcullis` is nowhere below this crate, and of `portcullis-base`, which
//! both stand on, it takes the names of reasons, details and kinds alone. It reads JSON, instants and media types itself.

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

/// Every `portcullis_base::..` in the sources, as the text up to the end of the path.
#[test]
fn of_the_shared_base_only_the_closed_sets_are_used() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut uses = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, found) in text.match_indices("portcullis_base") {
                let rest = &text[at + found.len()..];
                let end = rest.find(';').unwrap();
                let used = rest[..end].trim_start_matches("::").trim_matches(['{', '}']);
                for name in used.split(',').map(str::trim) {
                    assert!(
                        ["CredentialKind", "Detail", "Reason"].contains(&name),
                        "{}: portcullis_base::{name}",
                        path.display()
                    );
                }
                uses += 1;
            }
        }
    }
    assert!(uses > 0, "the walk found nothing");
}
