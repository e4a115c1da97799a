//! The bytes that the redactor holds at once, whatever the size of a response, and how soon the first ones leave.

use portcullis::body::Sink;

use super::host::{HEAD, Host};

const CHUNK: usize = 16 * 1_024;
const BODY: usize = 64 * 1_024 * 1_024;

/// What may be held at once.
const HELD_MAX: u64 = 64 * 1_024;

const RECORD: &str =
    r#"{"id": 1234567, "name": "A. N. Other", "ssn": "078-05-1120", "card": {"number": "4111111111111111"},"#;
const REST: &str =
    r#" "notes": ["x", {"email": "a@example.com", "text": "a \u0041 \"b\""}], "total": 12.50},"#;

const POLICY: &str = r#"service s on "s.example" { allow anyone to GET /a {
  redact response { drop **.ssn; mask card.number keep last 4; hash notes[].email; truncate text to 10; }
} }
"#;

/// Counts what leaves, and keeps none of it.
#[derive(Debug, Default)]
struct Counter(u64);

impl Sink for Counter {
    fn write(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// Sends a response of `head`, as many bytes of `unit` again and again, and `tail` in chunks, without allocating anything
/// itself: how many bytes went in and out, and how many were held at once, beyond those at the beginning.
fn held(head: &str, unit: &str, tail: &str, size: usize) -> (u64, u64, u64) {
    let mut host = Host::new(&format!("{HEAD}{POLICY}"));
    host.begin_response("s.example", "application/json");
    let times = size / unit.len();
    let mut bytes = head
        .bytes()
        .chain((0..times).flat_map(|_| unit.bytes()))
        .chain(tail.bytes());
    let (mut read, mut out) = (0, Counter::default());
    let counted = allocation_counter::measure(|| {
        let mut chunk = [0; CHUNK];
        loop {
            let mut length = 0;
            while length < CHUNK
                && let Some(byte) = bytes.next()
            {
                chunk[length] = byte;
                length += 1;
            }
            read += length as u64;
            assert!(host.push(&chunk[..length], length == 0, &mut out));
            if length == 0 {
                break;
            }
        }
    });
    (read, out.0, counted.bytes_max)
}

#[test]
fn a_response_of_64_mib_needs_64_kib() {
    let record = format!("{RECORD}{REST}");
    let (read, written, most) = held("[", &record, "{}]", BODY);
    eprintln!("{read} bytes in, {written} out, {most} held at once");
    assert!(
        read > 67_000_000 && written > read / 2 && written < read,
        "{read} {written}"
    );
    assert!((1..=HELD_MAX).contains(&most), "{most}");
}

/// Each of these is one value as long as the response.
#[test]
fn a_value_as_long_as_the_response_needs_no_more() {
    const LONG: usize = BODY / 4;
    for (head, unit, tail) in [
        ("{\"text\": \"", "truncated \\u00e9 ", "\"}"),
        ("{\"card\": {\"number\": \"", "masked \\\" ", "\"}}"),
        ("{\"notes\": [{\"email\": \"", "hashed é ", "\"}]}"),
        ("{\"other\": \"", "passed \\n ", "\"}"),
        ("{\"ssn\": [", "{\"dropped\": [1, 2]},", "0]}"),
        ("{\"other\": 1", "          \n", "}"),
        ("{\"other\": 1", "0123456789", "}"),
        ("[", "{\"ssn\": 1},", "{}]"),
    ] {
        let (read, _, most) = held(head, unit, tail, LONG);
        assert!(
            read > 16_000_000 && most <= HELD_MAX,
            "{unit}: {most} held of {read}"
        );
    }
}

#[test]
fn the_first_bytes_leave_before_8_kib_came() {
    let mut host = Host::new(&format!("{HEAD}{POLICY}"));
    let body = format!("[{}", format!("{RECORD}{REST}").repeat(200));
    host.begin_response("s.example", "application/json");
    let (mut out, mut read) = (Counter::default(), 0);
    for chunk in body.as_bytes().chunks(256) {
        read += chunk.len();
        assert!(host.push(chunk, false, &mut out));
        if out.0 > 0 {
            break;
        }
    }
    assert!(out.0 > 0 && read < 8 * 1_024, "{} out of {read}", out.0);
    // And all but what is still in doubt goes on leaving.
    for chunk in body.as_bytes()[read..].chunks(256) {
        read += chunk.len();
        assert!(host.push(chunk, false, &mut out));
        assert!(out.0 * 3 > read as u64, "{} out of {read}", out.0);
    }
}

/// Depth is what memory grows with: the deepest response that is read, with a path into all of it.
#[test]
fn depth_is_paid_for_once() {
    let depth = 500;
    let unit = format!("{}{{\"ssn\": 1}}{},", "[".repeat(depth), "]".repeat(depth));
    let (read, _, most) = held("[", &unit, "1]", BODY / 16);
    assert!(read > 4_000_000 && most <= HELD_MAX, "{most} held of {read}");
}
