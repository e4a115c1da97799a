//! What `make install` puts where, that pkg-config finds it, and that programs in C, Python and Lua run on it: the
//! README's commands as they stand there.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{folder, include, libraries, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `make install` of the libraries of this build.
fn make(prefix: &str, destination: &Path) -> Command {
    let mut command = Command::new("make");
    command
        .current_dir(root())
        .args(["-C", "ffi/c", "install"])
        .arg(format!("BUILT={}", libraries().display()))
        .arg(format!("PREFIX={prefix}"))
        .arg(format!("DESTDIR={}", destination.display()));
    command
}

fn pkg_config(folder: &Path, args: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command
        .env("PKG_CONFIG_PATH", folder.join("pkgconfig"))
        .args(args)
        .arg("portcullis");
    run(&mut command).split_whitespace().map(str::to_string).collect()
}

const EXPECTED: &str = "allow /products/7: 200 allowed\ndeny  /admin: 404 no_route\n";

#[test]
fn programs_link_what_is_installed_and_examples_run_on_it() {
    let prefix = folder("install");
    run(&mut make(&prefix.display().to_string(), Path::new("")));
    let lib = prefix.join("lib");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    assert_eq!(pkg_config(&lib, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);

    let first = |name: &str, more: &[String]| {
        let program = folder("programs").join(name);
        let mut compile = Command::new("gcc");
        compile
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"])
            .arg(examples.join("first.c"))
            .args(more)
            .arg("-o")
            .arg(&program);
        run(&mut compile);
        let mut command = Command::new(program);
        command.arg(examples.join("policy.gate"));
        command
    };
    let mut shared = first("first-shared", &pkg_config(&lib, &["--cflags", "--libs"]));
    assert_eq!(run(shared.env("LD_LIBRARY_PATH", &lib)), EXPECTED);
    let mut flags = pkg_config(&lib, &["--cflags"]);
    flags.push(lib.join("libportcullis.a").display().to_string());
    flags.extend(
        pkg_config(&lib, &["--static", "--libs-only-l"])
            .into_iter()
            .filter(|flag| flag != "-lportcullis"),
    );
    assert_eq!(run(&mut first("first-static", &flags)), EXPECTED);

    for (interpreter, script) in [("python3", "decide.py"), ("luajit", "decide.lua")] {
        let mut command = Command::new(interpreter);
        command
            .arg(examples.join(script))
            .arg(lib.join("libportcullis.so"));
        let printed = run(command.arg(examples.join("policy.gate")));
        let effects: Vec<&str> = printed
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(effects, ["allow", "deny", "deny"], "{script}: {printed}");
    }
}

#[test]
fn the_shared_library_has_a_name_of_its_abi_and_exports_the_header_alone() {
    let header = std::fs::read_to_string(include().join("portcullis.h")).unwrap();
    let abi = header
        .lines()
        .find_map(|line| line.strip_prefix("#define PORTCULLIS_ABI_VERSION "))
        .unwrap();
    let staged = folder("staged");
    run(&mut make("/usr", &staged));
    let library = staged.join(format!("usr/lib/libportcullis.so.{abi}"));
    let pc = std::fs::read_to_string(staged.join("usr/lib/pkgconfig/portcullis.pc")).unwrap();
    assert!(
        pc.starts_with("prefix=/usr\nlibdir=/usr/lib\nincludedir=/usr/include\n"),
        "{pc}"
    );
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library));
    assert!(
        dynamic.contains(&format!("soname: [libportcullis.so.{abi}]")),
        "{dynamic}"
    );
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let mut exported = 0;
    for symbol in symbols.lines().filter_map(|line| line.split_whitespace().nth(2)) {
        let name = symbol.split('@').next().unwrap();
        assert!(
            header.contains(&format!("{name}(")),
            "{name} is exported and not in the header"
        );
        exported += 1;
    }
    assert!(exported >= 20, "only {exported} functions are exported");
}

/// The first shell block below the heading, as a reader pastes it, but for building what is already built.
#[test]
fn the_readme_takes_a_newcomer_to_a_denied_request() {
    let readme = std::fs::read_to_string(root().join("ffi/README.md")).unwrap();
    let part = readme.split("## A denied request in C").nth(1).unwrap();
    let mut fences = part.split("```").skip(1).step_by(2);
    let script = fences
        .next()
        .and_then(|block| block.strip_prefix("sh\n"))
        .unwrap();
    let printed = fences
        .next()
        .and_then(|block| block.strip_prefix("text\n"))
        .unwrap();
    assert_eq!(printed, EXPECTED);
    let mut command = Command::new("bash");
    command
        .current_dir(root())
        .env("BUILT", libraries())
        .args(["-euc", script]);
    let output = run(&mut command);
    assert!(output.ends_with(printed), "{output}");
}
