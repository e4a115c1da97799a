//! The claims of a token as JSON text -> the texts of two claims, in one pass. For floors: it leaves the text where
//! it stands, decodes no escape and reports no error, so that it shows what reading claims costs at least.

/// Calls `scope` with each scope and `role` with each role; `None` where the text needs a real reader.
#[inline]
pub fn scan<'t>(
    text: &'t [u8],
    mut scope: impl FnMut(&'t [u8]),
    mut role: impl FnMut(&'t [u8]),
) -> Option<()> {
    let mut at = 0;
    byte(text, &mut at, b'{')?;
    loop {
        let name = string(text, &mut at)?;
        byte(text, &mut at, b':')?;
        match name {
            b"scope" => string(text, &mut at)?.split(|b| *b == b' ').for_each(&mut scope),
            b"roles" => {
                byte(text, &mut at, b'[')?;
                while *text.get(at)? != b']' {
                    role(string(text, &mut at)?);
                    if *text.get(at)? == b',' {
                        at += 1;
                    }
                }
                at += 1;
            }
            _ => skip(text, &mut at)?,
        }
        match *text.get(at)? {
            b',' => at += 1,
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

#[inline]
fn byte(text: &[u8], at: &mut usize, wanted: u8) -> Option<()> {
    (*text.get(*at)? == wanted).then(|| *at += 1)
}

/// A string without escapes, eight bytes at a time.
#[inline]
fn string<'t>(text: &'t [u8], at: &mut usize) -> Option<&'t [u8]> {
    byte(text, at, b'"')?;
    let from = *at;
    let mut end = from;
    while let Some(word) = text.get(end..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if found != 0 {
            end += found.trailing_zeros() as usize / 8;
            break;
        }
        end += 8;
    }
    while !matches!(*text.get(end)?, b'"' | b'\\') {
        end += 1;
    }
    *at = end;
    byte(text, at, b'"')?;
    text.get(from..end)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;

/// The high bit of each byte that is zero, up to the first one.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// A text or a number; arrays and objects are for a real reader.
#[inline]
fn skip(text: &[u8], at: &mut usize) -> Option<()> {
    match *text.get(*at)? {
        b'"' => string(text, at).map(drop),
        b'[' | b'{' => None,
        _ => {
            let rest = text.get(*at..)?;
            *at += rest.iter().position(|b| matches!(b, b',' | b'}'))?;
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_are_found_among_others() {
        let text = br#"{"iss":"i","exp":12,"scope":"a b","roles":["r","s"],"x":true}"#;
        let (mut scopes, mut roles) = (Vec::new(), Vec::new());
        assert_eq!(scan(text, |s| scopes.push(s), |r| roles.push(r)), Some(()));
        assert_eq!(scopes, [b"a", b"b"]);
        assert_eq!(roles, [b"r", b"s"]);
    }

    #[test]
    fn what_it_can_not_read_is_no_token() {
        for text in [
            &b""[..],
            b"[]",
            br#"{"scope":"a\"b"}"#,
            br#"{"x":{}}"#,
            br#"{"x":1"#,
        ] {
            assert_eq!(scan(text, |_| {}, |_| {}), None);
        }
    }
}
