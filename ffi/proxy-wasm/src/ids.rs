//! Request -> the id of its decision, which ties the client's answer to the log line. Knows no decisions.

use std::cell::Cell;

/// Longest id that is taken from a request, bytes: a UUID has 36.
pub const ID_BYTES_MAX: usize = 64;

/// Makes ids that no other VM makes, as far as its seed is random.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: Cell<u64>,
}

impl Ids {
    /// With the host's randomness.
    pub fn new(seed: u64) -> Ids {
        Ids {
            seed,
            next: Cell::new(0),
        }
    }

    /// The request's own id where it is well-formed and short, else a new one. `context` is the gateway's number of
    /// the request.
    pub fn of(&self, request_id: Option<&[u8]>, context: u32) -> String {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let given = request_id
            .filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(plain))
            .and_then(|id| std::str::from_utf8(id).ok());
        match given {
            Some(id) => id.to_string(),
            None => {
                let number = self.next.get();
                self.next.set(number.wrapping_add(1));
                format!("{:016x}-{context:x}-{number:x}", self.seed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_and_plain_ids_are_taken_over() {
        let ids = Ids::new(0xabc);
        assert_eq!(ids.of(Some(b"6f1c-0._A"), 7), "6f1c-0._A");
        let long = [b'a'; ID_BYTES_MAX + 1];
        let bad: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"a b"), Some(b"\xff"), Some(&long)];
        for (number, given) in bad.into_iter().enumerate() {
            assert_eq!(ids.of(given, 7), format!("0000000000000abc-7-{number:x}"));
        }
    }
}
