//! The id of a decision, which ties the client's answer to the log line. Always the plugin's own: one that a client
//! may choose would let it point at another's decision. Knows no decisions.

use std::cell::Cell;

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

    /// A new one. `context` is the gateway's number of the request.
    pub fn next(&self, context: u32) -> String {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        format!("{:016x}-{context:x}-{number:x}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_comes_twice() {
        let ids = Ids::new(0xabc);
        assert_eq!(ids.next(7), "0000000000000abc-7-0");
        assert_eq!(ids.next(7), "0000000000000abc-7-1");
    }
}
