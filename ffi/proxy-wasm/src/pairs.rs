//! The ABI's serialised map <-> pairs of bytes: a count, two lengths a pair, then names and values, each with a NUL
//! behind it; all numbers are 32 bits, little-endian. Knows nothing of headers: names and values are any bytes.

use std::ops::Range;

/// Pairs in order, in the buffer that the host wrote.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    bytes: Vec<u8>,
    spans: Vec<(Range<usize>, Range<usize>)>,
}

impl Pairs {
    /// Reads a map; `None` where its numbers do not fit its bytes.
    pub fn read(bytes: Vec<u8>) -> Option<Pairs> {
        if bytes.is_empty() {
            return Some(Pairs::default());
        }
        let count = number(&bytes, 0)?;
        // Each pair has eight bytes of lengths and two NULs, so a count that lies allocates nothing.
        if count > bytes.len() / 10 {
            return None;
        }
        let mut spans = Vec::with_capacity(count);
        let mut at = 4 + count * 8;
        let mut take = |len: usize| {
            let end = at.checked_add(len)?;
            let span = at..end;
            (*bytes.get(end)? == 0).then_some(())?;
            at = end + 1;
            Some(span)
        };
        for pair in 0..count {
            let lengths = 4 + pair * 8;
            let name = take(number(&bytes, lengths)?)?;
            let value = take(number(&bytes, lengths + 4)?)?;
            spans.push((name, value));
        }
        (at == bytes.len()).then_some(Pairs { bytes, spans })
    }

    /// Name and value of each pair.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = |span: &Range<usize>| self.bytes.get(span.clone()).unwrap_or_default();
        self.spans.iter().map(move |(name, value)| (of(name), of(value)))
    }

    /// The value of the pair at a place.
    pub fn value(&self, at: usize) -> Option<&[u8]> {
        self.bytes.get(self.spans.get(at)?.1.clone())
    }

    /// Values of the pairs of a name, ASCII case ignored, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let pairs = self.iter();
        pairs.filter_map(move |(own, value)| own.eq_ignore_ascii_case(name.as_bytes()).then_some(value))
    }

    /// The one value of a name; `None` where there is none or several.
    pub fn only(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.values(name);
        let first = values.next();
        first.filter(|_| values.next().is_none())
    }

    /// How many pairs there are.
    pub fn count(&self) -> usize {
        self.spans.len()
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// Writes a map. Lengths are those of Rust slices; what does not fit 32 bits cannot exist on wasm32.
pub fn write<'p>(pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, number: usize| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        out.extend_from_slice(&number.to_le_bytes());
    };
    put(&mut out, pairs.len());
    for (name, value) in pairs.clone() {
        put(&mut out, name.len());
        put(&mut out, value.len());
    }
    for (name, value) in pairs {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a test that cuts where it should not fails"
)]
mod tests {
    use super::*;

    fn written(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        write(pairs.iter().copied())
    }

    #[test]
    fn what_is_written_is_read_whatever_the_bytes() {
        let pairs: [(&[u8], &[u8]); 4] = [
            (b":path", b"/a"),
            (b"\xff\x00", b""),
            (b"", b"\xfe"),
            (b"x", b"y"),
        ];
        let read = Pairs::read(written(&pairs)).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(Pairs::read(Vec::new()).unwrap().iter().count(), 0);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let good = written(&[(b"a", b"b"), (b"c", b"d")]);
        for at in 0..good.len() {
            assert!(
                Pairs::read(good[..at].to_vec()).is_none_or(|_| at == 0),
                "cut at {at}"
            );
        }
        for at in 0..20 {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert!(Pairs::read(bad).is_none(), "number at {at}");
        }
        assert!(Pairs::read(vec![0xff; 4]).is_none());
    }
}
