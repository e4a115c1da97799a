//! Nothing but printable ASCII leaves the log, and exact text is JSON.

use super::*;

#[test]
fn nothing_but_printable_ascii_comes_out() {
    let mut out = String::new();
    quote(&mut out, "a\"\\\r\n\u{1b}[31m\u{2028}é\u{202e}😀".as_bytes(), 99);
    assert_eq!(out, r#""a\"\\\r\n\u001b[31m\u2028\u00e9\u202e\ud83d\ude00""#);
    out.clear();
    quote(&mut out, b"\xff/\xc3", 99);
    assert_eq!(out, r#""\ufffd/\ufffd""#);
    out.clear();
    quote(&mut out, &[b'x'; 1000], 5);
    assert_eq!(out, r#""xxxxx""#);
}

#[test]
fn exact_text_survives_a_json_reader() {
    let text = "\u{0}\"\\\u{7f}\u{2028}é😀\n";
    let mut out = String::new();
    quote_exactly(&mut out, text);
    assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
}
