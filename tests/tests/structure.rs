//! The borders of the code: modules import only from floors below their own, as `docs/architecture.md` lists them, and
//! what ships small depends on nothing that compiles policies.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The modules under a heading of the page, lowest floor first: the first cell of each row of its table. Modules of one
/// row are of one floor and know nothing of each other.
fn floors(page: &str, source: &str) -> Vec<Vec<String>> {
    let heading = format!("### Floors of `{source}`");
    let section = page
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no heading `{heading}`"))
        .1;
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cell = row.split(" |").next().unwrap();
        cell.split(',')
            .map(|name| name.trim().trim_matches('`').to_string())
            .collect()
    })
    .collect()
}

/// Names that a text imports from the root of its crate, and by `super` from above the module it is in.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        // Neither `$crate::` nor the end of another path.
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        found.extend(firsts(&code[at + "crate::".len()..]));
    }
    found
}

/// The first names of a path, or of the paths of a group in braces.
fn firsts(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                out.push(name(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    out.retain(|name| !name.is_empty());
    out
}

/// Sources below a folder but for those of tests, with their paths from it.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder_or_file) = open.pop() {
        let name = folder_or_file.file_name().unwrap();
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if folder_or_file.is_dir() {
            open.extend(
                std::fs::read_dir(&folder_or_file)
                    .unwrap()
                    .map(|e| e.unwrap().path()),
            );
        } else if folder_or_file.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&folder_or_file).unwrap();
            out.push((folder_or_file.strip_prefix(folder).unwrap().to_path_buf(), text));
        }
    }
    out
}

/// What in a crate's sources goes up, or past the floors.
fn wrong_arrows(floors: &[Vec<String>], sources: &[(PathBuf, String)]) -> Vec<String> {
    let floor_of = |module: &str| floors.iter().position(|floor| floor.iter().any(|m| m == module));
    let mut wrong = Vec::new();
    for (path, text) in sources {
        let own = path
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        // The root puts together what the crate shows; binaries are outside of it.
        if matches!(own, "lib" | "main") {
            continue;
        }
        let path = path.display();
        let Some(floor) = floor_of(own) else {
            wrong.push(format!("{path}: `{own}` is on no floor of the page"));
            continue;
        };
        for name in imports(text) {
            match floor_of(&name) {
                _ if name == own => {}
                Some(below) if below < floor => {}
                Some(_) => wrong.push(format!(
                    "{path}: `{own}` imports from `{name}`, which is not below it"
                )),
                None => wrong.push(format!(
                    "{path}: `crate::{name}` is no module of a floor: import it from where it is defined"
                )),
            }
        }
    }
    wrong
}

#[test]
fn arrows_go_down() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut wrong = Vec::new();
    for source in ["policy-lang/src", "engine/src", "cli/src"] {
        let floors = floors(&page, source);
        let sources = sources(&root().join(source));
        assert!(
            floors.len() > 4 && sources.len() > 20,
            "{source}: nothing was read"
        );
        for module in floors.iter().flatten() {
            let is_there = |(path, _): &(PathBuf, String)| {
                path.starts_with(module) || path == Path::new(&format!("{module}.rs"))
            };
            assert!(sources.iter().any(is_there), "{source} has no module `{module}`");
        }
        let found = wrong_arrows(&floors, &sources);
        wrong.extend(found.into_iter().map(|text| format!("{source}/{text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arrow_that_goes_up_is_found() {
    let floors = [
        vec!["low".to_string()],
        vec!["mid".to_string(), "side".to_string()],
        vec!["top".to_string()],
    ];
    let check = |path: &str, text: &str| wrong_arrows(&floors, &[(path.into(), text.into())]).len();
    assert_eq!(
        check(
            "top.rs",
            "use crate::{low::A, mid::{B, c::D}};\nfn f() { crate::side::g() }"
        ),
        0
    );
    assert_eq!(
        check("mid/a.rs", "use crate::mid::B;\n// crate::top\nuse super::x;"),
        0
    );
    assert_eq!(check("low.rs", "use crate::mid::B;"), 1);
    assert_eq!(check("mid/a.rs", "use crate::{\n    low, side,\n};"), 1);
    assert_eq!(
        check("mid.rs", "fn f() { crate::top::g(); crate::Thing::new() }"),
        2
    );
    assert_eq!(check("new.rs", ""), 1);
}

/// Packages that a build of a package for a target links or runs.
fn packages(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "tree",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args([
            "--edges",
            "normal",
            "--target",
            "wasm32-unknown-unknown",
            "--package",
            package,
        ])
        .args(features)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_string)
        .collect()
}

#[test]
fn what_ships_small_compiles_no_policies_and_signs_nothing() {
    let others = [
        "pest",
        "regex-automata",
        "regex-syntax",
        "jiff",
        "portcullis-lang",
        "portcullis-compile",
        "portcullis-sign",
    ];
    for package in ["portcullis", "portcullis-wasm", "portcullis-proxy"] {
        let below = packages(package, &[]);
        assert!(below.contains("sha2"), "{package}: nothing was read of {below:?}");
        for other in others {
            assert!(!below.contains(other), "{package} depends on {other}");
        }
    }
    let text = packages("portcullis-wasm", &["--features", "compile"]);
    assert!(
        text.contains("pest") && text.contains("jiff"),
        "the check cannot fail: {text:?}"
    );
}
