//! Sources -> the proxy-wasm plugin as it ships, and the tools for that. Always built anew from the sources: cargo's
//! fingerprints and a byte-for-byte comparison make it quick where nothing changed, and no artifact is left over.
//!
//! Two ways to the target's standard library. Rustup adds it where it can. Where it can not, Debian's `rustc-web` and
//! the sources beside it build it; rustup's own compilers do not take these sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::step::{self, Failure};

/// Target of the plugin.
const PLUGIN_TARGET: &str = "wasm32-wasip1";

/// Debian's way: compiler, sources of std, linker, libc. LLVM's linker is only recommended by the first.
const DEBIAN: [&str; 5] = [
    "rustc-web",
    "rust-web-src",
    "rust-web-llvm",
    "lld-22",
    "wasi-libc",
];

/// What rustc's wasm targets use beyond the first version of WASM; older `wasm-opt`s do not read it off the module.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-multivalue",
    "--enable-reference-types",
];

/// A network may fail once.
const TRIES: usize = 3;

/// Which plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// Takes images; the small one, which ships.
    Images,
    /// Takes policy text too; ships as well.
    Text,
    /// Takes policy text and traps when a request asks for it. For tests, never shipped.
    Trap,
}

impl Plugin {
    fn features(self) -> &'static [&'static str] {
        match self {
            Plugin::Images => &[],
            Plugin::Text => &["--features", "compile"],
            Plugin::Trap => &["--features", "compile,debug-trap"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Plugin::Images => "portcullis_proxy",
            Plugin::Text => "portcullis_proxy_text",
            Plugin::Trap => "portcullis_proxy_trap",
        }
    }
}

/// Sees to it that plugins can be built: the target's standard library, by rustup or by Debian.
pub fn target() -> Result<(), Failure> {
    for _ in 0..TRIES {
        let mut command = Command::new("rustup");
        command
            .args(["target", "add", PLUGIN_TARGET])
            .current_dir(step::root());
        if step::run("plugin target", command).is_ok() || has_std() {
            return Ok(());
        }
    }
    step::complain("rustup does not add the target; Debian's toolchain builds it");
    apt::install(&DEBIAN)
}

/// Sees to it that `wasm-opt` is there.
pub fn wasm_opt() {
    apt::programs(&[("wasm-opt", "binaryen")]);
}

/// Builds a plugin; the way to its module, not optimised for size.
pub fn build(plugin: Plugin) -> Result<PathBuf, Failure> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| step::root().join("target"), PathBuf::from);
    // A directory of its own: the cargo that runs the tests may hold the lock of the other.
    let target = target.join("wasm-module");
    let mut command = step::cargo_command();
    command
        .args([
            "build",
            "--locked",
            "--package",
            "portcullis-proxy",
            "--profile",
            "wasm",
        ])
        .args(["--target", PLUGIN_TARGET, "--target-dir"])
        .arg(&target)
        .args(plugin.features());
    if !has_std() {
        debian(&mut command)?;
    }
    let (good, said) = step::probe(command)?;
    if !good {
        return Err(Failure::Found(format!("the plugin was not built: {said}")));
    }
    let built = target.join(PLUGIN_TARGET).join("wasm/portcullis_proxy.wasm");
    // Builds with other features have the same file name.
    let kept = target.join(format!("{}.wasm", plugin.name()));
    copy(&built, &kept)?;
    Ok(kept)
}

/// Builds a plugin as it ships: optimised for size. The way to its module.
pub fn ship(plugin: Plugin) -> Result<PathBuf, Failure> {
    let input = build(plugin)?;
    let version = opt_version().ok_or_else(|| {
        Failure::Found("`wasm-opt` is missing: `apt-get install binaryen`, or `cargo xtask plugin`".into())
    })?;
    let output = input.with_extension("opt.wasm");
    // What the output was made of; equal inputs of one version give equal outputs.
    let made_of = input.with_extension("opt.input");
    let mut wanted = version.into_bytes();
    wanted.extend(read(&input)?);
    if output.is_file() && std::fs::read(&made_of).is_ok_and(|made| made == wanted) {
        return Ok(output);
    }
    let _ = std::fs::remove_file(&made_of);
    let mut command = Command::new("wasm-opt");
    command
        .arg("-Oz")
        .args(FEATURES)
        .arg(&input)
        .arg("-o")
        .arg(&output);
    let (good, said) = step::probe(command)?;
    if !good {
        return Err(Failure::Found(format!("`wasm-opt` failed: {said}")));
    }
    std::fs::write(&made_of, wanted).map_err(|source| Failure::Io {
        path: made_of.display().to_string(),
        source,
    })?;
    Ok(output)
}

/// The verb: both plugins that ship, and where they are.
pub fn plugins() -> Result<(), Failure> {
    target()?;
    wasm_opt();
    for plugin in [Plugin::Images, Plugin::Text] {
        let path = ship(plugin)?;
        let bytes = read(&path)?.len();
        step::say(&format!("{}: {bytes} bytes", path.display()));
    }
    Ok(())
}

/// Whether rustup's toolchain has the target's standard library.
fn has_std() -> bool {
    let mut command = Command::new("rustc");
    command
        .args(["--print", "target-libdir", "--target", PLUGIN_TARGET])
        .current_dir(step::root());
    matches!(step::probe(command), Ok((true, folder)) if Path::new(folder.trim()).is_dir())
}

fn opt_version() -> Option<String> {
    let mut command = Command::new("wasm-opt");
    command.arg("--version");
    match step::probe(command) {
        Ok((true, version)) => Some(version),
        _ => None,
    }
}

/// Makes a build use Debian's compiler and build std along.
fn debian(command: &mut Command) -> Result<(), Failure> {
    let rustc = of_package("rustc-web", "/bin/rustc")?;
    let libc = of_package("wasi-libc", "/libc.a")?;
    let folder = libc.parent().unwrap_or(&libc).display().to_string();
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS",
            format!("-L native={folder}"),
        );
    Ok(())
}

/// A file of an installed package, by how its path ends.
fn of_package(package: &str, end: &str) -> Result<PathBuf, Failure> {
    let mut command = Command::new("dpkg");
    command.args(["-L", package]);
    let listed = match step::probe(command) {
        Ok((true, listed)) => listed,
        _ => String::new(),
    };
    let found = listed.lines().find(|line| line.ends_with(end));
    found.map(PathBuf::from).ok_or_else(|| {
        Failure::Found(format!(
            "neither rustup's `{PLUGIN_TARGET}` nor Debian's `{package}` is installed: `cargo xtask plugin` does one"
        ))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::Io {
        path: path.display().to_string(),
        source,
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::copy(from, to).map(drop).map_err(|source| Failure::Io {
        path: from.display().to_string(),
        source,
    })
}
