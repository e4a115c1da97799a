//! `check`, `fmt`, `compile`, `inspect`: the built binary on folders of files, exit codes and all.

mod common;

use common::{Folder, POLICY, garbage};

#[test]
fn check_says_fine_or_shows_each_mistake() {
    let folder = Folder::shop();
    folder.run(&["check", "."]).is(0, &["fine", "3 rules"]);
    folder.write(
        "bad.gate",
        POLICY.replace("customer to GET", "custommer to GET").as_bytes(),
    );
    let ran = folder
        .run(&["check", "bad.gate"])
        .is(1, &["custommer", "customer", "bad.gate"]);
    assert!(ran.out.contains("error"), "{ran:#?}");
    let json = folder.run(&["check", "--json", "bad.gate"]).is(1, &["\"code\""]);
    for line in json.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["file"], "bad.gate");
    }
    // A path that can not be read does not hide the findings of the next, and is the graver of both.
    folder
        .run(&["check", "missing", "bad.gate"])
        .is(2, &["missing", "custommer"]);
    folder.run(&["check"]).is(2, &["Usage"]);
    Folder::new(&[]).run(&["check", "."]).is(2, &["no `*.gate` file"]);
}

#[test]
fn garbage_is_a_diagnostic() {
    let folder = Folder::new(&[]);
    folder.write("g.gate", &garbage(1 << 20));
    folder.run(&["check", "g.gate"]).is(1, &["G0001"]);
    let mut deep = b"gate 1; condition x = ".to_vec();
    deep.extend(std::iter::repeat_n(b'(', 100_000));
    folder.write("g.gate", &deep);
    folder.run(&["check", "g.gate"]).is(1, &["error"]);
}

#[test]
fn fmt_writes_canonical_text_and_refuses_broken_files() {
    let folder = Folder::new(&[("a.gate", "gate 1;\nnetwork  n=10.0.0.0/8 ; # why\n")]);
    folder
        .run(&["fmt", "--check", "."])
        .is(1, &["not formatted", "a.gate"]);
    folder.run(&["fmt", "."]).is(0, &["formatted"]);
    let text = String::from_utf8(folder.read("a.gate")).unwrap();
    assert!(
        text.contains("network n = 10.0.0.0/8;") && text.contains("# why"),
        "{text}"
    );
    folder.run(&["fmt", "--check", "."]).is(0, &["0 would change"]);
    let broken = b"gate 1;\nnetwork = ;\n";
    folder.write("b.gate", broken);
    folder.run(&["fmt", "."]).is(1, &["1 refused", "b.gate"]);
    assert_eq!(folder.read("b.gate"), broken);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn compile_and_inspect() {
    let folder = Folder::shop();
    folder
        .run(&["compile", ".", "-o", "shop.portcullis"])
        .is(0, &["compiled", "sha256:"]);
    let first = folder.read("shop.portcullis");
    folder.run(&["compile", ".", "-o", "shop.portcullis"]).is(0, &[]);
    assert_eq!(
        folder.read("shop.portcullis"),
        first,
        "the same policy is the same image"
    );
    folder
        .run(&["inspect", "shop.portcullis"])
        .is(0, &["image format", "entries", "worst case steps"]);
    let json = folder.run(&["inspect", "--json", "."]).is(0, &[]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["rules"], 3);
    folder
        .run(&["inspect", "--dot", "shop.portcullis"])
        .is(0, &["digraph"]);
    // A policy with errors leaves the good image alone.
    folder.write("shop.gate", b"gate 1; nonsense");
    folder
        .run(&["compile", ".", "-o", "shop.portcullis"])
        .is(1, &["does not compile"]);
    assert_eq!(folder.read("shop.portcullis"), first);
}

#[test]
fn damaged_images_are_refused() {
    let folder = Folder::shop();
    folder.run(&["compile", ".", "-o", "i"]).is(0, &[]);
    let image = folder.read("i");
    folder.write("cut", &image[..image.len() / 2]);
    folder.run(&["inspect", "cut"]).is(2, &["cut off"]);
    let mut flipped = image.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    folder.write("flipped", &flipped);
    folder.run(&["eval", "flipped", "shop.jsonl"]).is(2, &["damaged"]);
    folder.write("garbage", &garbage(1 << 20));
    folder
        .run(&["eval", "garbage", "shop.jsonl"])
        .is(2, &["not a Portcullis image"]);
    folder.write("empty", b"");
    folder.run(&["inspect", "empty"]).is(2, &["bytes long"]);
}

#[test]
#[cfg(unix)]
fn links_that_leave_the_folder_are_refused() {
    let outside = Folder::new(&[("x.gate", "gate 1;"), ("corp.jwks.json", "{}")]);
    let folder = Folder::new(&[("shop.gate", POLICY)]);
    let keys = folder.path().join("corp.jwks.json");
    std::os::unix::fs::symlink(outside.path().join("corp.jwks.json"), &keys).unwrap();
    folder
        .run(&["check", "."])
        .is(1, &["G0631", "leaves the policy's folder"]);
    std::fs::remove_file(&keys).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.gate"), folder.path().join("x.gate")).unwrap();
    // A file that cannot be read hides nothing of the others.
    folder.run(&["check", "."]).is(
        2,
        &["leaves the policy's folder", "there is no file `corp.jwks.json`"],
    );
}

#[test]
#[cfg(unix)]
fn pipes_and_devices_are_errors_and_not_waited_for() {
    let folder = Folder::shop();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join(name))
            .status();
        assert!(made.unwrap().success());
    };
    folder.write("second.gate", b"list drop: string from \"drop.txt\";");
    pipe("drop.txt");
    pipe("third.gate");
    let link = folder.path().join("fourth.jsonl");
    std::os::unix::fs::symlink("/dev/zero", link).unwrap();
    folder.run(&["check", "."]).is(
        2,
        &[
            "third.gate",
            "fourth.jsonl",
            "`drop.txt` cannot be read: this is no regular file",
            "G0008",
        ],
    );
    folder.run(&["test", "."]).is(2, &["this is no regular file"]);
}

#[test]
fn a_policy_has_as_many_files_as_the_table_says() {
    let folder = Folder::new(&[]);
    for n in 0..portcullis_lang::check::limits::MAX_FILES {
        folder.write(&format!("{n}.gate"), b"gate 1;");
    }
    folder.run(&["check", "."]).is(0, &["fine"]);
    folder.write("one-more.gate", b"gate 1;");
    folder.run(&["check", "."]).is(1, &["G0805", "4097"]);
}

/// Every verb that loads a policy says so at the rule, and what it offers instead is a policy.
#[test]
fn paths_that_no_automaton_holds_are_a_mistake_of_the_rule() {
    let policy = |rule: &dyn Fn(usize) -> String| {
        let rules: String = (1..=13).map(rule).collect();
        format!("gate 1;\nservice s on \"a.example\" {{\n{rules}}}\n")
    };
    let in_path = |n| format!("  allow anyone to GET /files/{{x:'.*report{n}.*'}};\n");
    let in_condition =
        |n| format!("  allow anyone to GET /files/{{x}} when path.x matches '.*report{n}.*';\n");
    let folder = Folder::new(&[]);
    folder.write("p.gate", policy(&in_path).as_bytes());
    let shown = [
        "G0806",
        "p.gate:",
        "report",
        "need too large an automaton together",
        "write `{x}` in the path",
        "`when path.x matches '.*report",
        "403 and not with 404",
    ];
    let ran = folder.run(&["check", "p.gate"]).is(1, &shown);
    assert!(
        ran.out.contains("broken") && !ran.out.contains("fine"),
        "{ran:#?}"
    );
    folder.run(&["compile", "p.gate", "-o", "i"]).is(1, &shown);
    folder.run(&["check", "--json", "p.gate"]).is(1, &["\"G0806\""]);

    folder.write("p.gate", policy(&in_condition).as_bytes());
    folder.run(&["check", "p.gate"]).is(0, &["fine", "13 rules"]);
    folder.run(&["compile", "p.gate", "-o", "i"]).is(0, &["compiled"]);
    // One that is too large alone would be so in a condition too.
    let alone = "gate 1;\nservice s on \"a.example\" {\n  deny anyone to any /{x:'(.*a.{40}){3}b'};\n}\n";
    folder.write("p.gate", alone.as_bytes());
    folder.run(&["check", "p.gate"]).is(
        1,
        &[
            "p.gate:3:",
            "the path pattern `{x:'(.*a.{40}){3}b'}` needs too large an automaton",
            "bound the repetitions",
        ],
    );
}

#[test]
fn a_regex_of_a_condition_that_is_too_large_is_told_at_its_rule() {
    let folder = Folder::new(&[]);
    let large = "(.*a.{40}){3}b";
    for rule in [
        format!("deny anyone to any /a when request.header[\"x-a\"] matches '{large}';"),
        format!("allow anyone to GET /a {{ accept query {{ q: string matches '{large}'; }} }}"),
        format!("on any /a when not request.path matches '/{large}' {{ tag \"x\"; }}"),
    ] {
        let text =
            format!("gate 1;\nservice s on \"a.example\" {{\n  allow anyone to GET /b;\n  {rule}\n}}\n");
        folder.write("p.gate", text.as_bytes());
        let shown = [
            "G0806",
            "p.gate:4:",
            large,
            "needs too large an automaton",
            "bound the repetitions",
        ];
        let ran = folder.run(&["check", "p.gate"]).is(1, &shown);
        assert!(!ran.out.contains("fine"), "{ran:#?}");
        folder.run(&["compile", "p.gate", "-o", "i"]).is(1, &shown);
    }
}

/// Wildcards before literals double the states at each segment.
#[test]
fn paths_that_overlap_too_much_are_a_mistake_of_the_service() {
    let folder = Folder::new(&[]);
    let rules: String = (1..40)
        .map(|n| {
            format!(
                "  allow anyone to GET {}/a{};\n",
                "/*".repeat(n % 20),
                "/*".repeat(20 - n % 20)
            )
        })
        .collect();
    let text = format!("gate 1;\nservice s on \"a.example\" {{\n{rules}}}\n");
    folder.write("p.gate", text.as_bytes());
    folder
        .run(&["check", "p.gate"])
        .is(1, &["G0806", "service `s` overlap too much"]);
}

#[test]
fn budgets_are_findings_that_name_what_is_over() {
    let folder = Folder::shop();
    let check = |more: &[&str]| folder.run(&[&["check"], more, &["."]].concat());
    check(&["--max-steps", "1000000", "--max-image-bytes", "1000000"]).is(0, &["fine"]);
    check(&["--max-steps", "0"]).is(1, &["over budget", "steps of at most 0"]);
    check(&["--max-words", "10"]).is(1, &["over budget", "words of a decision of at most 10"]);
    check(&["--max-words", "1000000000"]).is(0, &["fine"]);
    check(&["--max-image-bytes", "100"]).is(1, &["over budget", "image bytes of at most 100"]);
    let ran = check(&["--json", "--max-steps", "0"]).is(1, &[]);
    let over: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!((&over["over_budget"], &over["max"]), (&"steps".into(), &0.into()));
    assert!(over["is"].as_u64() > Some(0), "{over}");
}

#[test]
fn without_symbols_an_image_is_smaller_and_decides_the_same() {
    let folder = Folder::shop();
    folder.run(&["compile", ".", "-o", "whole"]).is(0, &["compiled"]);
    folder
        .run(&["compile", "--strip-symbols", ".", "-o", "bare"])
        .is(0, &["compiled"]);
    assert!(folder.read("bare").len() < folder.read("whole").len());
    let decided = |image: &str| -> Vec<(String, String, String)> {
        let ran = folder.run(&["eval", image, "shop.jsonl"]).is(0, &[]);
        let member = |line: &str, name: &str| -> String {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value[name].to_string()
        };
        ran.out
            .lines()
            .map(|line| {
                (
                    member(line, "effect"),
                    member(line, "reason"),
                    member(line, "rule"),
                )
            })
            .collect()
    };
    assert_eq!(decided("whole"), decided("bare"));
    assert!(!decided("bare").is_empty());
}
