//! Tests that cannot fail show nothing: each patch of `tests/canary` plants one bug in a copy of the tree, and the
//! suite that its head names must build and then fail.
//!
//! The copy and all that is built of it are in a folder of their own, so that nothing else takes a build with a bug
//! for a good one. Both are kept: the next run builds only what changed.

mod patch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use patch::Patch;

use crate::step::{self, Failure};

/// So many bugs are planted by every run of all tests; the day says which.
const IN_TURN: usize = 3;

/// Fewer patches than this are a mistake.
const LEAST: usize = 20;

const PATCHES: &str = "tests/canary";

/// What the copy leaves out: what is built, and what failing tests write.
const NOT_COPIED: [&str; 3] = [".git", "target", "failures"];

/// Which bugs are planted.
pub(crate) enum Which<'a> {
    /// Every one.
    All,
    /// A few, others each day.
    InTurn,
    /// By name.
    Named(&'a [&'a str]),
}

struct Bug {
    name: String,
    about: String,
    suite: Suite,
    patch: Patch,
}

/// What must fail.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Suite {
    env: Vec<(String, String)>,
    /// Words of `cargo test`.
    build: Vec<String>,
    /// Words of the test binary.
    run: Vec<String>,
}

enum Outcome {
    Passed,
    /// A test failed.
    Failed(String),
    /// There was no build, or the test binary did not come to an end.
    Broken(String),
}

/// Plants bugs, one after the other.
pub(crate) fn run(which: &Which) -> Result<(), Failure> {
    let bugs = chosen(read(&step::root())?, which)?;
    let names: Vec<&str> = bugs.iter().map(|bug| bug.name.as_str()).collect();
    step::say(&format!("── canary: {}", names.join(", ")));
    let workspace = Workspace::copied()?;
    for suite in bugs.iter().map(|bug| &bug.suite).collect::<BTreeSet<_>>() {
        // Not silent: the first build of all takes a minute or more.
        step::run("canary build", workspace.cargo(suite, true))?;
        if let Outcome::Broken(said) | Outcome::Failed(said) = workspace.outcome(suite)? {
            return found(format!("canary: {} fails without a bug\n{said}", suite.text()));
        }
    }
    let mut missed = Vec::new();
    for bug in &bugs {
        let start = Instant::now();
        let end = workspace.plant(bug)?;
        let (text, suite) = (&bug.about, bug.suite.text());
        let seconds = start.elapsed().as_secs_f64();
        match end {
            Outcome::Failed(_) => step::say(&format!("   {}: caught in {seconds:.0} s by {suite}", bug.name)),
            Outcome::Passed => missed.push(format!("{}: {text} No test of {suite} fails", bug.name)),
            Outcome::Broken(said) => missed.push(format!("{}: {suite} did not run\n{said}", bug.name)),
        }
    }
    if !missed.is_empty() {
        return found(format!("canary:\n{}", missed.join("\n")));
    }
    step::say(&format!("── canary: all {} were caught", bugs.len()));
    Ok(())
}

fn found<T>(text: String) -> Result<T, Failure> {
    Err(Failure::Found(text))
}

/// All bugs of a tree, by name.
fn read(root: &Path) -> Result<Vec<Bug>, Failure> {
    let mut bugs = Vec::new();
    for path in entries(&root.join(PATCHES))? {
        let text = std::fs::read_to_string(&path).map_err(failure(&path))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        bugs.push(Bug::parse(&name, &text).map_err(|e| Failure::Found(format!("{}: {e}", path.display())))?);
    }
    if bugs.len() < LEAST {
        return found(format!(
            "{PATCHES} has {} patches, fewer than {LEAST}",
            bugs.len()
        ));
    }
    Ok(bugs)
}

fn chosen(mut bugs: Vec<Bug>, which: &Which) -> Result<Vec<Bug>, Failure> {
    match which {
        Which::All => {}
        Which::InTurn => {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            let first = (now.as_secs() / 86_400) as usize * IN_TURN % bugs.len();
            bugs.rotate_left(first);
            bugs.truncate(IN_TURN);
        }
        Which::Named(names) => {
            if let Some(name) = names
                .iter()
                .find(|name| bugs.iter().all(|bug| bug.name != **name))
            {
                return found(format!("{PATCHES}/{name}.patch does not exist"));
            }
            bugs.retain(|bug| names.contains(&bug.name.as_str()));
        }
    }
    Ok(bugs)
}

impl Bug {
    fn parse(name: &str, text: &str) -> Result<Bug, String> {
        let patch = Patch::parse(text)?;
        match &patch.head[..] {
            [(bug, about), (suite, words)] if bug == "bug" && suite == "suite" => Ok(Bug {
                name: name.into(),
                about: about.clone(),
                suite: Suite::parse(words),
                patch,
            }),
            _ => Err("it does not begin with a line `bug: ..` and a line `suite: ..`".into()),
        }
    }

    /// Each changed file's path, text and text with the bug.
    fn applied(&self, root: &Path) -> Result<Vec<(PathBuf, String, String)>, Failure> {
        let files = self.patch.files.iter().map(|file| {
            let path = root.join(&file.path);
            let text = std::fs::read_to_string(&path).map_err(failure(&path))?;
            let with = file.apply(&text);
            let with =
                with.map_err(|e| Failure::Found(format!("{}.patch does not apply: {e}", self.name)))?;
            Ok((path, text, with))
        });
        files.collect()
    }
}

impl Suite {
    /// `NAME=VALUE .. words of cargo test .. -- words of the test binary ..`
    fn parse(text: &str) -> Suite {
        let mut words = text.split_whitespace().map(String::from).peekable();
        let mut env = Vec::new();
        while let Some(word) = words.next_if(|word| !word.starts_with('-'))
            && let Some((name, value)) = word.split_once('=')
        {
            env.push((name.into(), value.into()));
        }
        let build = words.by_ref().take_while(|word| word != "--").collect();
        Suite {
            env,
            build,
            run: words.collect(),
        }
    }

    fn text(&self) -> String {
        [&self.build[..], &self.run[..]].concat().join(" ")
    }
}

/// A copy of the tree and where it is built.
struct Workspace {
    tree: PathBuf,
    target: PathBuf,
    _lock: std::fs::File,
}

impl Workspace {
    fn copied() -> Result<Workspace, Failure> {
        let folder = step::target().join("canary");
        let lock = step::lock(&folder)?;
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        copy(&step::root(), &tree)?;
        Ok(Workspace {
            tree,
            target,
            _lock: lock,
        })
    }

    fn cargo(&self, suite: &Suite, build: bool) -> Command {
        let mut command = step::cargo_command();
        command
            .args(["test", "--locked"])
            .args(&suite.build)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            // Two bugs differ in a line.
            .env("CARGO_INCREMENTAL", "1")
            .envs(suite.env.iter().map(|(name, value)| (name, value)));
        if build {
            command.arg("--no-run");
        } else {
            command.arg("--").args(&suite.run);
        }
        command
    }

    fn outcome(&self, suite: &Suite) -> Result<Outcome, Failure> {
        let (built, said) = step::probe(self.cargo(suite, true))?;
        if !built {
            return Ok(Outcome::Broken(said));
        }
        let (passed, said) = step::probe(self.cargo(suite, false))?;
        Ok(if passed {
            Outcome::Passed
        } else if said.contains("test result: FAILED") {
            Outcome::Failed(said)
        } else {
            Outcome::Broken(said)
        })
    }

    /// What the suite says of a tree with the bug. The tree is without it afterwards.
    fn plant(&self, bug: &Bug) -> Result<Outcome, Failure> {
        let files = bug.applied(&self.tree)?;
        let write = |path: &Path, text: &str| std::fs::write(path, text).map_err(failure(path));
        for (path, _, with) in &files {
            write(path, with)?;
        }
        let outcome = self.outcome(&bug.suite);
        for (path, without, _) in &files {
            write(path, without)?;
        }
        outcome
    }
}

/// Makes one folder like another; a file that is the same already keeps its time, by which cargo knows it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(failure(to))?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_os_string();
    let mut wanted = BTreeSet::new();
    for path in entries(from)? {
        let copied = to.join(name(&path));
        if NOT_COPIED.iter().any(|skipped| path.ends_with(skipped)) {
            continue;
        }
        wanted.insert(copied.clone());
        if path.is_dir() {
            copy(&path, &copied)?;
        } else if std::fs::read(&copied).ok() != Some(std::fs::read(&path).map_err(failure(&path))?) {
            std::fs::copy(&path, &copied).map_err(failure(&copied))?;
        }
    }
    for path in entries(to)?.difference(&wanted) {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        removed.map_err(failure(path))?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(failure(folder))?;
    entries
        .map(|entry| Ok(entry.map_err(failure(folder))?.path()))
        .collect()
}

fn failure(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_applies() {
        for bug in read(&step::root()).unwrap() {
            bug.applied(&step::root()).unwrap();
        }
    }

    #[test]
    fn a_suite_is_words_as_on_a_command_line() {
        let suite = Suite::parse("A=1 B=2 -p tests --test corpus -- --exact name");
        let strings = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        assert_eq!(suite.env, [("A".into(), "1".into()), ("B".into(), "2".into())]);
        assert_eq!(suite.build, strings(&["-p", "tests", "--test", "corpus"]));
        assert_eq!(suite.run, strings(&["--exact", "name"]));
        assert_eq!(Suite::parse("-p tests").build, strings(&["-p", "tests"]));
    }

    #[test]
    fn bugs_are_chosen_by_name_or_in_turn() {
        let names = |which: &Which| {
            let bugs = chosen(read(&step::root()).unwrap(), which)?;
            Ok::<_, Failure>(bugs.into_iter().map(|bug| bug.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&Which::InTurn).unwrap().len(), IN_TURN);
        assert_eq!(names(&Which::Named(&["mask-last"])).unwrap(), ["mask-last"]);
        assert!(names(&Which::Named(&["mask-last", "mask-first"])).is_err());
    }

    #[test]
    fn a_copy_becomes_like_its_original() {
        let folder = std::env::temp_dir().join(format!("portcullis-canary-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        for (path, text) in [
            ("from/same", "1"),
            ("from/sub/new", "2"),
            ("from/target/built", "3"),
            ("to/old/file", "4"),
        ] {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for text in ["1", "changed"] {
            std::fs::write(from.join("same"), text).unwrap();
            copy(&from, &to).unwrap();
            assert_eq!(std::fs::read_to_string(to.join("same")).unwrap(), text);
        }
        assert_eq!(
            entries(&to).unwrap(),
            BTreeSet::from([to.join("same"), to.join("sub")])
        );
        assert_eq!(std::fs::read_to_string(to.join("sub/new")).unwrap(), "2");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
