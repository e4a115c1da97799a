//! `like "glob"`: glob text and bytes -> whether all of the bytes match. `*` is zero or more bytes but `/`, `**`
//! any bytes, `\*` a star, `\\` a backslash, all else itself.

enum Token {
    Byte(u8),
    WithinSegment,
    Anything,
}

fn tokens(glob: &str) -> Vec<Token> {
    let mut rest = glob.as_bytes();
    let mut out = Vec::new();
    loop {
        let (token, length) = match rest {
            [] => return out,
            [b'\\', escaped @ (b'*' | b'\\'), ..] => (Token::Byte(*escaped), 2),
            [b'*', b'*', ..] => (Token::Anything, 2),
            [b'*', ..] => (Token::WithinSegment, 1),
            [byte, ..] => (Token::Byte(*byte), 1),
        };
        out.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Keeps, token by token, at which offsets the text matched so far may end.
pub(crate) fn matches(glob: &str, text: &[u8]) -> bool {
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for token in tokens(glob) {
        let mut next = vec![false; text.len() + 1];
        match token {
            Token::Byte(wanted) => {
                for (i, byte) in text.iter().enumerate() {
                    next[i + 1] = ends[i] && *byte == wanted;
                }
            }
            Token::WithinSegment | Token::Anything => {
                next[0] = ends[0];
                for (i, byte) in text.iter().enumerate() {
                    let may_cross = matches!(token, Token::Anything) || *byte != b'/';
                    next[i + 1] = ends[i + 1] || (next[i] && may_cross);
                }
            }
        }
        ends = next;
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stop_at_slashes_and_escapes_are_literal() {
        assert!(matches("/a/*/sa/**", b"/a/b/sa/c/d"));
        assert!(!matches("/a/*", b"/a/b/c"));
        assert!(matches("*", b"") && matches("**", b"a/b\n"));
        assert!(matches(r"\*\\x", br"*\x") && !matches(r"\*", b"y"));
    }
}
