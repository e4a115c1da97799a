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
mod tests;
