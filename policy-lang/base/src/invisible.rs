//! A character -> whether a reader would miss it, or see something else than a machine reads. One list for the parser,
//! which refuses them, for what writes policies, which escapes them, and for what prints foreign text.

/// What is not seen or reorders what is seen, besides control characters:
/// `Default_Ignorable_Code_Point` of Unicode 17 (which holds the bidirectional controls U+061C, U+200E, U+200F,
/// U+202A..202E and U+2066..2069, and the tags U+E0000..E007F), the line separators U+2028 and U+2029, and the
/// interlinear annotations U+FFF9..FFFB.
const INVISIBLE: [(char, char); 16] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
];

/// Whether a character shows nothing, or reorders what is around it. All control characters do, tabs and line ends
/// among them; so do the 4,096 tags and variation selectors from U+E0000 on.
#[inline]
pub fn is_invisible(c: char) -> bool {
    // What most texts are made of is decided first.
    match c {
        ' '..='~' => false,
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => {
            c.is_control()
                || INVISIBLE
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&c))
        }
    }
}

#[cfg(test)]
mod tests {
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
}
