//! Sources -> the modules and plugins as they ship, and the tools for that. Always built anew from the sources: cargo's
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
/// Target of the module, which imports nothing.
const MODULE_TARGET: &str = "wasm32-unknown-unknown";

/// Debian's way: compiler, sources of std, linker, libc. LLVM's linker is only recommended by the first.
const DEBIAN: [&str; 5] = [
    "rustc-web",
    "rust-web-src",
    "rust-web-llvm",
    "lld-22",
    "wasi-libc",
];

/// Files of these packages that a build uses.
const DEBIAN_FILES: [(&str, &str); 2] = [("rustc-web", "/bin/rustc"), ("wasi-libc", "/libc.a")];

/// What the builds use beyond the first version of WASM; older `wasm-opt`s do not read it off the module.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-simd",
];

/// Small before quick: what is quick, the compiler has made.
const OPTIMISE: &str = "-Oz";

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

/// Which module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// Takes images; the small one.
    Images,
    /// Takes policy text too.
    Text,
}

/// What cargo builds, and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    package: &'static str,
    profile: &'static str,
    target: &'static str,
    features: &'static str,
    /// File that cargo writes, without its ending.
    built: &'static str,
    /// File that is kept, without its ending: builds with other features have the same file name.
    kept: &'static str,
}

impl From<Plugin> for Source {
    fn from(plugin: Plugin) -> Source {
        let (features, kept) = match plugin {
            Plugin::Images => ("", "portcullis_proxy"),
            Plugin::Text => ("compile", "portcullis_proxy_text"),
            Plugin::Trap => ("compile,debug-trap", "portcullis_proxy_trap"),
        };
        Source {
            package: "portcullis-proxy",
            profile: "plugin",
            target: PLUGIN_TARGET,
            features,
            built: "portcullis_proxy",
            kept,
        }
    }
}

impl From<Module> for Source {
    fn from(module: Module) -> Source {
        let (features, kept) = match module {
            Module::Images => ("", "portcullis"),
            Module::Text => ("compile", "portcullis_text"),
        };
        Source {
            package: "portcullis-wasm",
            profile: "wasm",
            target: MODULE_TARGET,
            features,
            built: "portcullis_wasm",
            kept,
        }
    }
}

/// What `cargo xtask` sets up before a module or plugin is built, by its own names.
pub const NEEDS: [&str; 2] = ["wasm-opt", "wasm-targets"];

const TARGETS: [&str; 2] = [MODULE_TARGET, PLUGIN_TARGET];

/// Whether modules and plugins can be built: the targets' standard libraries are there, or Debian's toolchain is.
pub fn has_targets() -> bool {
    TARGETS.iter().all(|target| has_std(target))
        || DEBIAN_FILES
            .iter()
            .all(|(package, end)| of_package(package, end).is_ok())
}

/// Installs what [`has_targets`] asks for, by rustup or else by Debian; an error where neither can.
pub fn add_targets() -> Result<(), Failure> {
    for _ in 0..TRIES {
        let mut command = Command::new("rustup");
        command
            .args(["target", "add"])
            .args(TARGETS)
            .current_dir(step::root());
        if step::run("wasm targets", command).is_ok() {
            return Ok(());
        }
    }
    step::complain("rustup does not add the targets; Debian's toolchain builds them");
    apt::install(&DEBIAN)
}

/// Builds a module or plugin; the way to it, not optimised for size.
pub fn build(source: impl Into<Source>) -> Result<PathBuf, Failure> {
    let target = folder();
    let _alone = step::lock(&target)?;
    build_alone(source.into(), &target)
}

/// A directory of its own: the cargo that runs the tests may hold the lock of the other. It is locked while a module is
/// built and optimised, for builds that differ in features alone write the same file.
fn folder() -> PathBuf {
    step::target().join("wasm-module")
}

/// Builds while nobody else does.
fn build_alone(source: Source, target: &Path) -> Result<PathBuf, Failure> {
    let mut command = step::cargo_command();
    command
        .args(["build", "--locked", "--profile", source.profile])
        .args(["--package", source.package, "--features", source.features])
        .args(["--target", source.target, "--target-dir"])
        .arg(target);
    // Where a dependency panics is told by its path, which must not say whose machine built it.
    let mut flags = vec![format!("--remap-path-prefix={}=", sources().display())];
    if source.target == MODULE_TARGET {
        // Hashes are taken once a load: small is better than fast.
        flags.push("--cfg=sha2_backend_soft=\"compact\"".into());
        // Part of WASM 2.0, as is what rustc uses without being asked; long texts are looked at by vectors.
        flags.push("-Ctarget-feature=+simd128".into());
    }
    if !has_std(source.target) {
        flags.extend(debian(&mut command, source.target)?);
    }
    // With a separator of its own, for paths may have spaces.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    let (good, said) = step::watch(command)?;
    if !good {
        return Err(Failure::Found(format!(
            "{} was not built: {said}",
            source.package
        )));
    }
    let built = target
        .join(source.target)
        .join(source.profile)
        .join(format!("{}.wasm", source.built));
    let kept = target.join(format!("{}.wasm", source.kept));
    copy(&built, &kept)?;
    Ok(kept)
}

/// Builds a module or plugin as it ships: through `wasm-opt`. The way to it.
pub fn ship(source: impl Into<Source>) -> Result<PathBuf, Failure> {
    let target = folder();
    let _alone = step::lock(&target)?;
    let input = build_alone(source.into(), &target)?;
    let version = opt_version().ok_or_else(|| {
        Failure::Found("`wasm-opt` is missing: `apt-get install binaryen`, or `cargo xtask plugin`".into())
    })?;
    let output = input.with_extension("opt.wasm");
    // What the output was made of; equal inputs, versions and words give equal outputs.
    let made_of = input.with_extension("opt.input");
    let mut wanted = [&[version.as_str(), OPTIMISE], &FEATURES[..]]
        .concat()
        .join(" ")
        .into_bytes();
    wanted.extend(read(&input)?);
    if output.is_file() && std::fs::read(&made_of).is_ok_and(|made| made == wanted) {
        return Ok(output);
    }
    let _ = std::fs::remove_file(&made_of);
    let mut command = Command::new("wasm-opt");
    command
        .arg(OPTIMISE)
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
    shown([Plugin::Images, Plugin::Text])
}

/// The verb: both modules that ship, and where they are.
pub fn modules() -> Result<(), Failure> {
    shown([Module::Images, Module::Text])
}

fn shown(sources: [impl Into<Source>; 2]) -> Result<(), Failure> {
    for source in sources {
        let path = ship(source)?;
        let bytes = read(&path)?.len();
        step::say(&format!("{}: {bytes} bytes", path.display()));
    }
    Ok(())
}

/// Whether rustup's toolchain has the target's standard library.
fn has_std(target: &str) -> bool {
    let mut command = Command::new("rustc");
    command
        .args(["--print", "target-libdir", "--target", target])
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

/// Where cargo keeps the sources of dependencies.
pub fn sources() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.unwrap_or_default().join("registry/src")
}

/// Makes a build use Debian's compiler and build std along; the flags that this takes.
fn debian(command: &mut Command, target: &str) -> Result<Option<String>, Failure> {
    let [compiler, libc] = DEBIAN_FILES;
    let rustc = of_package(compiler.0, compiler.1)?;
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", rustc)
        .env("RUSTC_BOOTSTRAP", "1");
    if target != PLUGIN_TARGET {
        return Ok(None);
    }
    let libc = of_package(libc.0, libc.1)?;
    Ok(Some(format!(
        "-Lnative={}",
        libc.parent().unwrap_or(&libc).display()
    )))
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
            "neither rustup's target nor Debian's `{package}` is installed: `cargo xtask plugin` sees to one of them"
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
