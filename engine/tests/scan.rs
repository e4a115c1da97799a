//! Scanning a response many bytes at once gives what scanning it byte by byte gives, and takes what a plain reading of the
//! grammar takes, whatever is in it and wherever it is cut.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;

use portcullis::exchange::End;
use portcullis::{
    Carries, Data, Engine, Exchange, Image, Next, Now, RequestView, ResponseNext, Snapshot, Trust, Worker,
};

const POLICY: &str = r#"gate 1;
service api on "api.example.com" {
  allow anyone to GET /few;
  on GET /few { redact response { drop a.b; drop list[].x; drop gone; replace c.d with "-"; } }
  allow anyone to GET /anywhere;
  on GET /anywhere { redact response { drop **.a; mask b keep last 2; truncate list[1] to 3; } }
  allow anyone to GET /only;
  on GET /only { redact response { only { a, list[].x, c.d } } }
}
"#;

const TARGETS: [&str; 3] = ["/few", "/anywhere", "/only"];

struct Host {
    engine: Engine,
    worker: Worker,
    exchange: Exchange,
}

impl Host {
    fn new() -> Host {
        let checked = portcullis_lang::check::load_text_with(POLICY, &BTreeMap::new());
        let policy = checked
            .policy
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
        let data = Data::empty(image.config());
        Host {
            engine: Engine::from(Snapshot::new(image, data)),
            worker: Worker::default(),
            exchange: Exchange::new(),
        }
    }

    /// What is sent of a body that comes in these parts; `None` where it is unreadable.
    fn redact<'b>(&mut self, target: &str, parts: impl Iterator<Item = &'b [u8]>) -> Option<Vec<u8>> {
        let view = RequestView {
            method: b"GET",
            authority: Some(b"api.example.com"),
            target: target.as_bytes(),
            socket_peer: Some([192, 0, 2, 1].into()),
            ..RequestView::default()
        };
        let carries = Carries {
            introspection: false,
            charges: false,
            request_body: false,
            response_body: true,
        };
        self.engine.begin(
            &mut self.exchange,
            &mut self.worker,
            &view,
            carries,
            Now::default(),
        );
        assert!(matches!(self.exchange.next(), Next::Forward(_)));
        let headers: &[(&[u8], &[u8])] = &[(b"content-type", b"application/json")];
        let head = self.exchange.response_head(Some(200), Some(headers)).unwrap();
        assert!(matches!(head, ResponseNext::Stream(_)));
        let mut sent = Vec::new();
        for part in parts.map(|part| (part, false)).chain([(&b""[..], true)]) {
            let mut out = Vec::new();
            let next = self
                .exchange
                .response_body(&mut self.worker, part.0, part.1, &mut out)
                .unwrap();
            if matches!(next, ResponseNext::Replace(_) | ResponseNext::Reset) {
                self.exchange.finish(End::Completed, Now::default()).unwrap();
                return None;
            }
            sent.extend_from_slice(&out);
        }
        self.exchange.finish(End::Completed, Now::default()).unwrap();
        Some(sent)
    }
}

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn space(&mut self, out: &mut Vec<u8>) {
        let spaces: [&[u8]; 8] = [
            b"",
            b"",
            b"",
            b" ",
            b"\n",
            b"\r\n\t",
            b"\n        ",
            b"                   ",
        ];
        out.extend_from_slice(self.pick(&spaces));
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        let parts: [&str; 20] = [
            "a",
            "sixteen bytes ..",
            "\\\"",
            "\\\\",
            "\\n",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\\ud800",
            "é",
            "日本",
            "😀",
            "/",
            "\\/",
            "a string of more than thirty-two bytes",
            "\u{7f}",
            "{",
            "]",
            ",",
            "'",
            "\u{10ffff}",
        ];
        out.push(b'"');
        for _ in 0..self.below(5) {
            out.extend_from_slice(self.pick(&parts).as_bytes());
        }
        out.push(b'"');
    }

    fn name(&mut self, out: &mut Vec<u8>) {
        let names = [
            "\"a\"",
            "\"b\"",
            "\"c\"",
            "\"d\"",
            "\"x\"",
            "\"list\"",
            "\"gone\"",
            "\"\\u0061\"",
            "\"other\"",
        ];
        match self.below(8) {
            0 => self.string(out),
            _ => out.extend_from_slice(self.pick(&names).as_bytes()),
        }
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) {
        const SCALARS: [&str; 16] = [
            "0",
            "-0",
            "1",
            "12345678",
            "123456789012345678901",
            "-1.5",
            "0.00000000001",
            "1e5",
            "1E+05",
            "2.5e-300",
            "true",
            "false",
            "null",
            "10",
            "-12.75e3",
            "7",
        ];
        self.space(out);
        let kind = if depth == 0 { self.below(2) } else { self.below(6) };
        match kind {
            0 => out.extend_from_slice(self.pick(&SCALARS).as_bytes()),
            1 => self.string(out),
            2 | 3 => {
                out.push(b'[');
                for index in 0..self.below(4) {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.value(out, depth - 1);
                }
                self.space(out);
                out.push(b']');
            }
            _ => {
                out.push(b'{');
                for index in 0..self.below(5) {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.space(out);
                    self.name(out);
                    self.space(out);
                    out.push(b':');
                    self.value(out, depth - 1);
                }
                self.space(out);
                out.push(b'}');
            }
        }
        self.space(out);
    }

    /// One to three bytes are other ones, gone, or there twice.
    fn mutate(&mut self, text: &mut Vec<u8>) {
        const BYTES: &[u8] =
            b"\"\\{}[],:0123456789.eE+-tfnu \n\t\x00\x1f\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xff/a";
        for _ in 0..=self.below(3) {
            let at = self.below(text.len());
            let byte = self.pick(BYTES);
            match self.below(4) {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 if text.len() > 1 => {
                    text.remove(at);
                }
                _ => text.insert(at, text[at]),
            }
        }
    }
}

/// A JSON text by the grammar of RFC 8259, in the plainest way: what is left behind a value that begins here.
fn value(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let rest = match text.first()? {
        b'{' => list(&text[1..], b'}', &|text| {
            let text = string(text.trim_ascii_start())?.trim_ascii_start();
            value(text.strip_prefix(b":")?)
        })?,
        b'[' => list(&text[1..], b']', &value)?,
        b'"' => string(text)?,
        b't' => text.strip_prefix(b"true")?,
        b'f' => text.strip_prefix(b"false")?,
        b'n' => text.strip_prefix(b"null")?,
        _ => number(text)?,
    };
    Some(rest.trim_ascii_start())
}

fn list<'t>(text: &'t [u8], end: u8, item: &dyn Fn(&'t [u8]) -> Option<&'t [u8]>) -> Option<&'t [u8]> {
    if let Some(rest) = text.trim_ascii_start().strip_prefix(&[end]) {
        return Some(rest);
    }
    let mut rest = item(text)?.trim_ascii_start();
    while let Some(more) = rest.strip_prefix(b",") {
        rest = item(more)?.trim_ascii_start();
    }
    rest.strip_prefix(&[end])
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'u', rest @ ..] => {
                let (digits, rest) = rest.split_at_checked(4)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(rest)?
            }
            [b'\\', byte, rest @ ..] if b"\"\\/bfnrt".contains(byte) => rest,
            [b'\\' | 0..0x20, ..] | [] => return None,
            [_, rest @ ..] => rest,
        }
    }
}

fn number(text: &[u8]) -> Option<&[u8]> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return None;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = &fraction[digits(fraction)..];
        (rest.len() < fraction.len()).then_some(())?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            _ => exponent,
        };
        rest = &exponent[digits(exponent)..];
        (rest.len() < exponent.len()).then_some(())?;
    }
    Some(rest)
}

fn is_json(text: &[u8]) -> bool {
    // What `trim_ascii` takes for white space and JSON does not.
    let has_form_feed = text.contains(&b'\x0c');
    !has_form_feed && std::str::from_utf8(text).is_ok() && value(text).is_some_and(<[u8]>::is_empty)
}

#[test]
fn many_bytes_at_once_are_scanned_as_one_by_one() {
    const SEED: u64 = 0x5ca1_ab1e_0ddb_a115;
    let mut rng = Rng(SEED);
    let mut host = Host::new();
    let (mut good, mut bad) = (0, 0);
    for round in 0..6_000 {
        let mut text = Vec::new();
        rng.value(&mut text, 5);
        if text.len() < 20 {
            continue;
        }
        if round % 2 == 0 {
            rng.mutate(&mut text);
        }
        let is_good = is_json(&text);
        for target in TARGETS {
            let shown = || format!("seed {SEED:#x}, {target}: {:?}", String::from_utf8_lossy(&text));
            let by_bytes = host.redact(target, text.chunks(1));
            assert_eq!(by_bytes.is_some(), is_good, "{}", shown());
            assert_eq!(
                host.redact(target, [&text[..]].into_iter()),
                by_bytes,
                "{}",
                shown()
            );
            let (at, size) = (rng.below(text.len()), 1 + rng.below(40));
            let (a, b) = text.split_at(at);
            assert_eq!(
                host.redact(target, [a, b].into_iter()),
                by_bytes,
                "cut at {at}, {}",
                shown()
            );
            assert_eq!(
                host.redact(target, text.chunks(size)),
                by_bytes,
                "chunks of {size}, {}",
                shown()
            );
        }
        if is_good { good += 1 } else { bad += 1 }
    }
    assert!(good > 1_000 && bad > 500, "{good} good and {bad} bad texts");
}

/// Each byte in each place of a text that has all tokens, at every distance from where sixteen bytes begin.
#[test]
fn every_byte_in_every_place_is_judged_by_the_grammar() {
    let text = "{\"z\":[0,-1.5e3,\"a\\n\\u00e9é日😀\",true,null],\"y\":{\"k\" : \"0123456789abcdef0123\"}}";
    let mut host = Host::new();
    for at in 0..text.len() {
        for byte in 0..=u8::MAX {
            let mut other = text.as_bytes().to_vec();
            other[at] = byte;
            let is_good = is_json(&other);
            let whole = host.redact("/few", [&other[..]].into_iter());
            assert_eq!(whole.is_some(), is_good, "{byte:#x} at {at}");
        }
    }
}
