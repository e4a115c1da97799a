//! Misuse, bodies, and threads under swaps: the C programs check for themselves.

use std::path::PathBuf;
use std::process::Command;

use crate::build::{Build, C, CPP, SANITIZED, folder, memcheck, program, run};

/// How the library was built, for a program that asks it to panic.
const MODE: &str = if cfg!(debug_assertions) {
    "debug"
} else {
    "release"
};

#[test]
fn misuse_is_an_error_and_never_an_open_gate() {
    let built = |name, compiler| program("misuse", Build { name, compiler });
    let plain = built("c", C);
    let commands = [
        Command::new(&plain),
        Command::new(built("sanitized", SANITIZED)),
        memcheck(&plain),
    ];
    for mut command in commands {
        assert_eq!(run(command.arg(MODE)), "F01 F02 F03 F04 F05 F06 F07\n");
    }
}

#[test]
fn bodies_are_judged_and_redacted_part_by_part() {
    let built = |name, compiler| program("bodies", Build { name, compiler });
    let plain = built("c", C);
    let commands = [
        Command::new(&plain),
        Command::new(built("cpp", CPP)),
        Command::new(built("sanitized", SANITIZED)),
        memcheck(&plain),
    ];
    for mut command in commands {
        assert_eq!(run(&mut command), "judged and redacted\n");
    }
}

/// Images of two policies, each allowing what the other denies.
fn images() -> [PathBuf; 2] {
    ["a", "b"].map(|name| {
        let text = format!("gate 1; service s on \"a.example\" {{ allow anyone to GET /{name}; }}");
        let policy = portcullis_lang::check::load_text(&text).policy.unwrap();
        let path = folder("threads").join(format!("{name}.image"));
        std::fs::write(&path, portcullis_compile::compile(&policy).unwrap()).unwrap();
        path
    })
}

/// Not with gcc's thread sanitizer: it does not see the library's locks, which are system calls and no pthread ones, but
/// does see what the library gives to `memcmp` and `free`, and calls every swap a race. Memcheck and the program's own
/// checks stand in; the library's locks are safe code but for `memory`, which shares nothing.
#[test]
fn a_swap_under_deciding_threads_is_whole() {
    let images = images();
    let built = |name, compiler| program("threads", Build { name, compiler });
    let plain = built("c", C);
    let commands = [
        (Command::new(&plain), "5000"),
        (Command::new(built("sanitized", SANITIZED)), "500"),
        (memcheck(&plain), "20"),
    ];
    for (mut command, decisions) in commands {
        assert_eq!(run(command.args(&images).arg(decisions)), "whole\n");
    }
}
