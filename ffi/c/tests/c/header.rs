//! The committed header is that of the sources, and documents every function.

use crate::build::include;

const HEAD: &str = r#"/* Portcullis: decides requests by a compiled policy. Written from the sources of `ffi/c`; do not edit.
 *
 * Handles are 64-bit numbers, not pointers. 0 is no handle; one that was freed, or is of another kind, is an error. An
 * engine holds the policy in force and is shared by all threads. A worker is used by one thread at a time, and so are the
 * exchanges that it begins. Nothing is shared between workers, and no decision waits for another.
 *
 * Functions return a code, which is negative for an error. Where a function has a place for an error object, it is
 * optional; an object put there is the caller's, who gives it to `portcullis_error_free`. There is no last error.
 *
 * A text is a pointer and a length. What a function is given it reads during the call alone. What it gives is valid as
 * long as it says, and is not to be changed or freed.
 *
 * Every failure keeps the gate shut: a decision is granted by `PORTCULLIS_ALLOW` and by nothing else. No panic and no
 * exception leaves a function; where memory runs out, the process ends.
 *
 * Any function may return `PORTCULLIS_E_INTERNAL`, a defect of ours. It poisons the worker of the call and its exchanges;
 * an engine goes on deciding and loading, by what was in force. Where a call fails an error object may still be 0: none
 * was left. Then the code says all.
 *
 * What is handed over is not written to during the call, by nobody. Places for results overlap neither each other nor
 * what is handed over. Functions are not for signal handlers, and a thread in a call is not to be cancelled
 * (`pthread_cancel`) nor left by `longjmp`. After a fork the child may go on only if no other thread was inside a
 * function of this library; else it may do nothing but `exec`. */"#;

const TAIL: &str = r"/**
 * A text from a string that ends in a NUL; NULL is an absent one. The string must outlive the text.
 */
static inline portcullis_text portcullis_str(const char *string) {
  portcullis_text text;
  text.ptr = string;
  text.len = string ? strlen(string) : 0;
  return text;
}";

fn generated() -> String {
    let sources = [
        "status",
        "types",
        "exports/version",
        "exports/error",
        "exports/engine",
        "exports/worker",
        "exports/exchange",
        "exports/steps",
    ];
    let names = [
        "Text",
        "Header",
        "Beside",
        "Certificate",
        "Charged",
        "Clock",
        "Introspection",
        "Next",
        "Record",
        "Request",
        "Verdict",
        "Quota",
        "Seal",
    ];
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        include_guard: Some("PORTCULLIS_H".into()),
        cpp_compat: true,
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        style: cbindgen::Style::Both,
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h", "string.h"].map(String::from).to_vec(),
        header: Some(HEAD.into()),
        ..cbindgen::Config::default()
    };
    for name in names {
        let c_name = format!("portcullis_{}", name.to_lowercase());
        config.export.rename.insert(name.into(), c_name);
    }
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(format!("{}/src/{source}.rs", env!("CARGO_MANIFEST_DIR")));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    // A section of Rust's documentation is a word in C's, and what is written by hand belongs inside the guard.
    let text = String::from_utf8(text)
        .unwrap()
        .replace(" * # Safety\n *\n", " * Safety:\n");
    let (head, guard) = text.rsplit_once("#endif").unwrap();
    format!("{head}{TAIL}\n\n#endif{guard}")
}

#[test]
fn the_header_is_that_of_the_sources() {
    let file = include().join("portcullis.h");
    let header = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &header).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap_or_default() == header,
        "include/portcullis.h is not that of the sources; UPDATE_DOCS=1 writes it anew"
    );
}

#[test]
fn every_function_says_who_may_call_it_and_how_it_fails() {
    let header = generated();
    let mut functions = 0;
    for (at, _) in header.match_indices("portcullis_") {
        // A declaration begins a line with its type and is followed by its parameters.
        let before = &header[..at];
        let line = &before[before.rfind('\n').map_or(0, |n| n + 1)..];
        let is_function = header[at..]
            .find(['(', ' ', ')', ';', ',', '`'])
            .is_some_and(|n| header.as_bytes()[at + n] == b'(');
        if !is_function || line.starts_with(' ') || line.contains("static") {
            continue;
        }
        let comment = &before[before.rfind("/**").unwrap()..];
        let comment = comment.replace("\n *", " ").to_lowercase();
        for word in ["threads", "errors"] {
            assert!(
                comment.contains(word),
                "nothing of {word} in:{comment}{}",
                &header[at..at + 40]
            );
        }
        functions += 1;
    }
    assert!(functions >= 20, "only {functions} functions were found");
}

/// F08 of the hostile catalogue: what never calls back is never re-entered, and nobody frees a handle under it.
#[test]
fn there_are_no_callbacks() {
    let header = generated();
    assert!(!header.contains("(*") && !header.contains("setjmp"));
}
