//! References to what is no document beside the first one: outside its folder, no regular file, no document.

use std::process::Command;

use crate::common::Folder;

/// Each costs its path, has a note, and no run waits for it; what is written checks.
#[test]
fn files_that_are_no_documents_cost_their_place() {
    let targets = [
        ("../outside.json", "lies outside the document's folder"),
        ("link.json", "lies outside the folder of `api.json`"),
        ("pipe.json", "is not a regular file"),
        ("folder", "is not a regular file"),
        ("garbage.json", "not JSON"),
        ("gone.json", "No such file"),
    ];
    let paths: Vec<String> = targets
        .iter()
        .enumerate()
        .map(|(i, (target, _))| format!("\"/p{i}\": {{\"$ref\": \"{target}\"}}"))
        .collect();
    let document = format!(
        "{{\"openapi\": \"3.0.0\", \"servers\": [{{\"url\": \"https://a.example.com\"}}], \"paths\": {{{}, \"/ok\": {{\"$ref\": \"parts/ok.yaml\"}}}}}}",
        paths.join(", ")
    );
    let item = "get: {responses: {}}\n";
    let folder = Folder::new(&[
        ("api/api.json", &document),
        ("api/parts/ok.yaml", item),
        ("api/garbage.json", "{"),
        ("api/folder/x.json", "{}"),
        ("outside.json", "{\"get\": {\"responses\": {}}}"),
    ]);
    std::os::unix::fs::symlink("../outside.json", folder.path().join("api/link.json")).unwrap();
    let made = Command::new("mkfifo")
        .arg(folder.path().join("api/pipe.json"))
        .status();
    assert!(made.unwrap().success());
    let ran = folder.run(&["import", "openapi", "api/api.json", "-o", "out"]);
    let ran = ran.is(0, &["out/api.gate"]);
    for (i, (target, why)) in targets.iter().enumerate() {
        let told = |line: &str| {
            line.contains(target)
                && line.contains(why)
                && line.contains(&format!("nothing of #/paths/~1p{i} is granted"))
        };
        assert!(
            ran.err.lines().chain(ran.out.lines()).any(told),
            "{target}: {ran:#?}"
        );
    }
    folder.run(&["check", "out"]).is(0, &["fine"]);
    let policy = String::from_utf8(folder.read("out/api.gate")).unwrap();
    assert_eq!(policy.matches("allow ").count(), 1, "{policy}");
    assert!(policy.contains("allow anyone to GET /ok"), "{policy}");
}
