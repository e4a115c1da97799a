//! The example for Node, with the module that ships and an image, and with the compiler and the policy's text.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{IMAGES_FILE, TEXT_FILE};

/// The folder of the examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ffi/wasm/examples")
}

/// The image of the examples' policy.
pub(crate) fn image() -> Vec<u8> {
    let text = std::fs::read_to_string(examples().join("policy.gate")).unwrap();
    let checked = portcullis_lang::check::load_text(&text);
    portcullis_compile::compile(&checked.policy.unwrap()).unwrap()
}

const PRINTED: &str = "\
allow GET /products/7: 200 allowed by shop/browse
deny GET /products/x/../secret: 451 denied_by_rule by shop/secret
deny POST /orders: 403 no_rule
";

fn run(module: &Path, policy: &Path) -> (bool, String, String) {
    let output = Command::new(xtask::javascript::node().unwrap())
        .arg(examples().join("node/decide.mjs"))
        .args([module, policy])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_example_decides_in_node() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let compiled = folder.join("node.image");
    std::fs::write(&compiled, image()).unwrap();
    let text = examples().join("policy.gate");
    let good = (true, PRINTED.to_string(), String::new());
    assert_eq!(run(&IMAGES_FILE, &compiled), good);
    assert_eq!(run(&TEXT_FILE, &text), good);

    // What does not load decides nothing, and says why.
    let (fine, printed, said) = run(&IMAGES_FILE, &text);
    assert!(
        !fine && printed.is_empty() && said.contains("without the compiler"),
        "{said}"
    );
    let wrong = folder.join("wrong.gate");
    std::fs::write(&wrong, "gate 1; service s { allow nobody_known to GET /; }").unwrap();
    let (fine, printed, said) = run(&TEXT_FILE, &wrong);
    assert!(
        !fine && printed.is_empty() && said.contains("nobody_known"),
        "{said}"
    );
}
