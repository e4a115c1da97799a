//! C sources and the library -> programs; programs -> what they print. Knows nothing of policies.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the header is.
pub(crate) fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Where the sources of the programs are.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// A folder for what a test makes.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where cargo put the libraries of this build: beside the test itself. Cargo builds all kinds of a library at once and,
/// because one of them is a shared one, under names without a hash, so there is no older one that could be mistaken.
pub(crate) fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

/// The static library.
pub(crate) fn archive() -> PathBuf {
    let archive = libraries().join("libportcullis_c.a");
    assert!(archive.exists(), "{} was not built", archive.display());
    archive
}

/// How a program is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build<'a> {
    /// Of the program, and of the build.
    pub(crate) name: &'a str,
    /// Compiler and its options beside the strict ones.
    pub(crate) compiler: &'a [&'a str],
}

/// What every program is built with: as strictly as compilers go.
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-O1"];
/// C.
pub(crate) const C: &[&str] = &["gcc", "-std=c11"];
/// The same source as C++.
pub(crate) const CPP: &[&str] = &["g++", "-std=c++17", "-x", "c++"];
/// With what gcc can watch at run time.
pub(crate) const SANITIZED: &[&str] = &[
    "gcc",
    "-std=c11",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
];

/// What a program linked with the static library asks of the system.
const SYSTEM: &[&str] = &["-lpthread", "-ldl", "-lm"];

/// Builds a program of ours against the static library.
pub(crate) fn program(source: &str, build: Build<'_>) -> PathBuf {
    let program = folder("programs").join(format!("{source}-{}", build.name));
    compile(
        &programs().join(source).with_extension("c"),
        build.compiler,
        program,
    )
}

/// Builds an example against the static library.
pub(crate) fn example(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let program = folder("programs").join(format!("{name}-example"));
    compile(&source.with_extension("c"), C, program)
}

fn compile(source: &Path, compiler: &[&str], program: PathBuf) -> PathBuf {
    let (compiler, options) = compiler.split_first().unwrap();
    let mut command = Command::new(compiler);
    command
        .args(STRICT)
        .args(options)
        .arg("-I")
        .arg(include())
        .arg(source);
    // The language of the source is not that of the library.
    command
        .args(["-x", "none"])
        .arg(archive())
        .args(SYSTEM)
        .arg("-o")
        .arg(&program);
    run(&mut command);
    program
}

/// Runs a command to a good end and gives what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}; `cargo xtask test` installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A command that ends badly where memory is misused or, at the end, lost.
pub(crate) fn memcheck(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args([
            "--quiet",
            "--error-exitcode=99",
            "--leak-check=full",
            "--show-leak-kinds=definite",
        ])
        .args(["--errors-for-leak-kinds=definite"])
        .arg(program);
    command
}
