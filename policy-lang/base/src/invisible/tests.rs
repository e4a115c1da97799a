//! The table of invisible characters against the ranges of Unicode that it stands for.

use super::{INVISIBLE, is_invisible};

#[test]
fn the_ranges_are_those_of_unicode() {
    for (why, first, last) in [
        ("control characters", '\0', '\u{1f}'),
        ("control characters", '\u{7f}', '\u{9f}'),
        ("bidirectional: the Arabic letter mark", '\u{61c}', '\u{61c}'),
        ("bidirectional: marks", '\u{200e}', '\u{200f}'),
        ("bidirectional: embeddings and overrides", '\u{202a}', '\u{202e}'),
        ("bidirectional: isolates", '\u{2066}', '\u{2069}'),
        ("ignorable: soft hyphen", '\u{ad}', '\u{ad}'),
        ("ignorable: zero width", '\u{200b}', '\u{200d}'),
        ("ignorable: Hangul fillers", '\u{115f}', '\u{1160}'),
        ("ignorable: Mongolian selectors", '\u{180b}', '\u{180f}'),
        ("ignorable: variation selectors", '\u{fe00}', '\u{fe0f}'),
        ("ignorable: byte order mark", '\u{feff}', '\u{feff}'),
        ("ignorable: deprecated format characters", '\u{206a}', '\u{206f}'),
        ("ignorable: tags", '\u{e0000}', '\u{e007f}'),
        (
            "ignorable: variation selectors supplement",
            '\u{e0100}',
            '\u{e01ef}',
        ),
        ("line and paragraph separators", '\u{2028}', '\u{2029}'),
        ("interlinear annotations", '\u{fff9}', '\u{fffb}'),
    ] {
        assert!((first..=last).all(is_invisible), "{why}");
    }
    assert!(!" aä\u{a0}漢😀\u{2010}\u{202f}\u{fffd}".chars().any(is_invisible));
    assert!(INVISIBLE.is_sorted_by(|a, b| a.1 < b.0));
}
