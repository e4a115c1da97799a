//! The automaton of redaction paths says of every place in a JSON text what reading each path step by step says.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;

use portcullis::image::paths::{PathId, PathState, PathSteps};
use portcullis::{Image, Trust};
use portcullis_compile::{CompileError, compile};
use portcullis_lang::model::{JsonStep, json_steps};

fn compiled(text: &str) -> Result<Image, CompileError> {
    let checked = portcullis_lang::check::load_text_with(text, &BTreeMap::new());
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    compile(&policy).map(|bytes| Image::load(&bytes, &Trust::Unsigned).unwrap())
}

/// A service by name whose one rule drops and keeps these paths.
fn service(name: &str, drop: &[String], only: &[String]) -> String {
    let mut lines: String = drop.iter().map(|path| format!("drop {path}; ")).collect();
    if !only.is_empty() {
        lines.push_str(&format!("only {{ {} }} ", only.join(", ")));
    }
    let body = if lines.is_empty() {
        ";".to_string()
    } else {
        format!(" {{ redact response {{ {lines} }} }}")
    };
    format!("service {name} on \"{name}.example\" {{ allow anyone to GET /a{body} }}\n")
}

/// A step down in a JSON text.
#[derive(Clone, Debug)]
enum Down {
    Member(&'static str),
    Element(u64),
}

fn takes(step: &JsonStep, down: &Down) -> bool {
    match (step, down) {
        (JsonStep::Any, _) | (JsonStep::Each, Down::Element(_)) => true,
        (JsonStep::Member(name), Down::Member(own)) => name == own,
        (JsonStep::Index(index), Down::Element(own)) => u64::from(*index) == *own,
        _ => false,
    }
}

/// Whether a path ends at a place; or, with `below`, at one that is at least a step below it.
fn reaches(steps: &[JsonStep], place: &[Down], below: bool) -> bool {
    match (steps.split_first(), place.split_first()) {
        (None, None) => !below,
        (None, Some(_)) => false,
        (Some((JsonStep::Deep, rest)), Some((_, under))) => {
            reaches(rest, place, below) || reaches(steps, under, below)
        }
        (Some((JsonStep::Deep, rest)), None) => below || reaches(rest, place, below),
        (Some(_), None) => below,
        (Some((step, rest)), Some((down, under))) => takes(step, down) && reaches(rest, under, below),
    }
}

fn expected(path: &str, place: &[Down], below: bool) -> bool {
    let steps = json_steps(path).unwrap();
    let in_element = match place.split_first() {
        Some((Down::Element(_), under)) if steps[0] != JsonStep::Each => reaches(&steps, under, below),
        _ => false,
    };
    reaches(&steps, place, below) || in_element
}

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn path(&mut self) -> String {
        const STEPS: [&str; 12] = [
            "a",
            "a",
            "b",
            "\"odd key\"",
            "\"é\"",
            "*",
            "**",
            "[]",
            "[]",
            "[0]",
            "[3]",
            "[4294967295]",
        ];
        loop {
            let mut path = String::new();
            for _ in 0..=self.below(4) {
                let step = STEPS[self.below(STEPS.len())];
                if !path.is_empty() && !step.starts_with('[') {
                    path.push('.');
                }
                path.push_str(step);
            }
            if json_steps(&path).is_ok() {
                return path;
            }
        }
    }

    fn paths(&mut self, most: usize) -> Vec<String> {
        (0..self.below(most)).map(|_| self.path()).collect()
    }

    fn place(&mut self) -> Vec<Down> {
        const NAMES: [&str; 6] = ["a", "b", "odd key", "é", "other", ""];
        const INDEXES: [u64; 6] = [0, 1, 3, u32::MAX as u64, 1 << 32, u64::MAX];
        let down = |rng: &mut Rng| match rng.below(2) {
            0 => Down::Member(NAMES[rng.below(NAMES.len())]),
            _ => Down::Element(INDEXES[rng.below(INDEXES.len())]),
        };
        (0..self.below(6)).map(|_| down(self)).collect()
    }
}

fn walked<P: PathSteps>(paths: P, place: &[Down]) -> PathState {
    place.iter().fold(paths.root(), |state, down| match down {
        Down::Member("other") => paths.any_member(state),
        Down::Member(name) => paths.member(state, name.as_bytes()),
        Down::Element(index) => paths.element(state, *index),
    })
}

#[test]
fn the_automaton_agrees_with_reading_each_path_step_by_step() {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let mut ended = 0;
    for _ in 0..150 {
        let (own, only, others, guard) = (rng.paths(5), rng.paths(5), rng.paths(5), rng.paths(3));
        let mut text = format!(
            "gate 1;\n{}{}",
            service("s", &own, &only),
            service("t", &others, &[])
        );
        if !guard.is_empty() {
            let drop: String = guard.iter().map(|path| format!("drop {path}; ")).collect();
            text.push_str(&format!(
                "guard g {{ on any /** {{ redact response {{ {drop} }} }} }}\n"
            ));
        }
        let image = compiled(&text).unwrap();
        let all = &image.config().paths;
        assert!(all.is_sorted());
        let canonical = |path: &String| {
            json_steps(path)
                .map(|steps| portcullis_lang::model::json_path(&steps))
                .unwrap()
        };
        let of_s: Vec<String> = own.iter().chain(&only).chain(&guard).map(canonical).collect();
        let of_t: Vec<String> = others.iter().chain(&guard).map(canonical).collect();
        for (name, own) in [("s", of_s), ("t", of_t)] {
            let index = image
                .config()
                .services
                .iter()
                .position(|service| service.name == name)
                .unwrap();
            let paths = image.paths(index as u32);
            for _ in 0..60 {
                let place = rng.place();
                let state = walked(paths, &place);
                assert!((state.0 as usize) < paths.states());
                let (mut accepts, mut live) = (Vec::new(), Vec::new());
                paths.accepts(state, &mut |PathId(id)| accepts.push(id as usize));
                paths.live(state, &mut |PathId(id)| live.push(id as usize));
                let ids = |below| -> Vec<usize> {
                    let wanted = |path: &&String| own.contains(path) && expected(path, &place, below);
                    let found = all.iter().filter(wanted);
                    found.map(|path| all.binary_search(path).unwrap()).collect()
                };
                assert_eq!(accepts, ids(false), "accepts at {place:?} of {text}");
                assert_eq!(live, ids(true), "live at {place:?} of {text}");
                assert_eq!(
                    state == PathState::DEAD,
                    accepts.is_empty() && live.is_empty(),
                    "{place:?} of {text}"
                );
                ended += accepts.len();
            }
        }
    }
    assert!(ended > 1_000, "{ended}");
}

#[test]
fn a_service_without_redactions_and_one_that_does_not_exist_have_no_paths() {
    let image = compiled(&format!("gate 1;\n{}", service("s", &[], &[]))).unwrap();
    for index in [0, 1, u32::MAX] {
        let paths = image.paths(index);
        assert_eq!(paths.root(), PathState::DEAD);
        assert_eq!(paths.member(PathState::DEAD, b"a"), PathState::DEAD);
        assert_eq!(paths.element(PathState(u32::MAX), 0), PathState::DEAD);
    }
}

/// States of `**.x`, which every real policy has many of, grow with their number and not with its square.
#[test]
fn many_names_anywhere_need_a_state_and_an_edge_each() {
    let many: Vec<String> = (0..2_000).map(|n| format!("**.secret{n}")).collect();
    let image = compiled(&format!("gate 1;\n{}", service("s", &many, &[]))).unwrap();
    let states = image.paths(0).states();
    assert!(states <= many.len() + 3, "{states}");
}

#[test]
fn paths_whose_states_multiply_are_an_error_that_names_service_and_path() {
    let large = format!("**.a{}.b", ".*".repeat(24));
    let others = ["x.y".to_string(), "z".to_string()];
    let text = format!(
        "gate 1;\n{}",
        service("s", &[&others[..], &[large]].concat(), &[])
    );
    let error = compiled(&text).unwrap_err();
    let CompileError::RedactionPathsTooLarge { service, path, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(service, "s");
    assert!(path.starts_with("**.a.*"), "{path}");
    let diagnostic = error.diagnostic().unwrap();
    assert_eq!(diagnostic.code, "G0806");
    assert!(
        diagnostic
            .message
            .starts_with("service `s`: the redaction path `**.a.*"),
        "{diagnostic:?}"
    );
}
