//! A seed -> a JSON document as a tree that knows how each of its bytes is written.

use portcullis_tests::rng::Rng;

/// A string or name: as it is written between its quotes, and its characters; `None` where a surrogate stands alone.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) raw: String,
    pub(crate) chars: Option<String>,
}

/// A value without the white space around it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A number, `true`, `false` or `null`, as it is written.
    Word(String),
    Text(Text),
    /// Elements; what stands between the brackets where there are none.
    Array(Vec<Value>, &'static str),
    Object(Vec<Member>, &'static str),
}

/// A value between white space.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) before: &'static str,
    pub(crate) node: Node,
    pub(crate) after: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) before: &'static str,
    pub(crate) name: Text,
    pub(crate) after: &'static str,
    pub(crate) value: Value,
}

/// How a document is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// White space stands in it.
    pub(crate) spaced: bool,
    /// Line ends are white space too.
    pub(crate) lines: bool,
    /// The outermost value is a container.
    pub(crate) container: bool,
}

/// Draws documents. Every text that it draws holds a marker that no other one has.
pub(crate) struct Drawer<'r> {
    pub(crate) rng: &'r mut Rng,
    pub(crate) style: Style,
    /// Of the next marker.
    pub(crate) next: u32,
}

/// The text that marks one value: eight characters.
pub(crate) fn marker(number: u32) -> String {
    format!("U{number:06}V")
}

/// Names as they are written, and read. The first of each are those that plans know.
const NAMES: [(&str, Option<&str>); 14] = [
    ("a", Some("a")),
    ("a", Some("a")),
    ("\\u0061", Some("a")),
    ("b", Some("b")),
    ("\\u0062", Some("b")),
    ("odd key", Some("odd key")),
    ("odd\\u0020key", Some("odd key")),
    ("é", Some("é")),
    ("\\u00E9", Some("é")),
    ("other", Some("other")),
    ("", Some("")),
    ("a\\u0000", Some("a\0")),
    ("\\ud83d\\uDE00", Some("😀")),
    ("a\\ud800", None),
];

/// Parts of texts as they are written, and read.
const PARTS: [(&str, &str); 14] = [
    ("x", "x"),
    ("plain text", "plain text"),
    ("\\n", "\n"),
    ("\\u0007", "\u{7}"),
    ("\\\"", "\""),
    ("\\\\", "\\"),
    ("\\/", "/"),
    ("/", "/"),
    ("é", "é"),
    ("\\u00e9", "é"),
    ("😀", "😀"),
    ("\\ud83d\\ude00", "😀"),
    ("{\\\"a\\\":[", "{\"a\":["),
    ("\u{7f}", "\u{7f}"),
];

const WORDS: [&str; 11] = [
    "true",
    "false",
    "null",
    "0",
    "-0",
    "1",
    "-12.50",
    "1e5",
    "1E+400",
    "0.0001",
    "123456789012345678901234567890",
];

impl Drawer<'_> {
    fn space(&mut self) -> &'static str {
        if !self.style.spaced || self.rng.chance(60) {
            return "";
        }
        let all: &[&'static str] = if self.style.lines {
            &[" ", "  ", "\t", "\n", "\r\n", "\n    "]
        } else {
            &[" ", "  ", "\t", "   "]
        };
        self.rng.pick(all)
    }

    fn name(&mut self) -> Text {
        let (raw, chars) = self.rng.pick(&NAMES);
        Text {
            raw: raw.to_string(),
            chars: chars.map(str::to_string),
        }
    }

    fn text(&mut self) -> Text {
        let marker = marker(self.next);
        self.next += 1;
        let (mut raw, mut chars) = (String::new(), String::new());
        let count = self.rng.below(4);
        let at = self.rng.below(count + 1);
        for index in 0..=count {
            let (written, read) = if index == at {
                (marker.as_str(), marker.as_str())
            } else {
                self.rng.pick(&PARTS)
            };
            raw.push_str(written);
            chars.push_str(read);
        }
        let lone = self.rng.chance(6);
        if lone {
            raw.push_str(
                self.rng
                    .pick(&["\\ud800", "\\uDBFFx", "\\udc00", "\\ud800\\ud83d\\ude00"]),
            );
        }
        Text {
            raw,
            chars: (!lone).then_some(chars),
        }
    }

    /// A value that holds no more than so many containers inside of each other.
    fn node(&mut self, depth: usize, container: bool) -> Node {
        let kind = if container {
            50 + self.rng.below(50)
        } else if depth == 0 {
            self.rng.below(50)
        } else {
            self.rng.below(100)
        };
        match kind {
            0..15 => Node::Word(self.rng.pick(&WORDS).to_string()),
            15..50 => Node::Text(self.text()),
            50..70 => {
                let count = self.rng.below(4);
                let elements = (0..count).map(|_| self.value(depth.saturating_sub(1)));
                Node::Array(elements.collect(), self.space())
            }
            _ => {
                let count = self.rng.below(5);
                let members = (0..count).map(|_| Member {
                    before: self.space(),
                    name: self.name(),
                    after: self.space(),
                    value: self.value(depth.saturating_sub(1)),
                });
                Node::Object(members.collect(), self.space())
            }
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        Value {
            before: self.space(),
            node: self.node(depth, false),
            after: self.space(),
        }
    }

    pub(crate) fn document(&mut self) -> Value {
        let depth = 1 + self.rng.below(4);
        Value {
            before: self.space(),
            node: self.node(depth, self.style.container),
            after: self.space(),
        }
    }
}

impl Value {
    /// Its bytes, with or without white space.
    pub(crate) fn write(&self, spaced: bool, out: &mut String) {
        let space = |text: &str, out: &mut String| out.push_str(if spaced { text } else { "" });
        space(self.before, out);
        match &self.node {
            Node::Word(word) => out.push_str(word),
            Node::Text(text) => write_text(text, out),
            Node::Array(elements, inside) => {
                out.push('[');
                if elements.is_empty() {
                    space(inside, out);
                }
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    element.write(spaced, out);
                }
                out.push(']');
            }
            Node::Object(members, inside) => {
                out.push('{');
                if members.is_empty() {
                    space(inside, out);
                }
                for (index, member) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    space(member.before, out);
                    write_text(&member.name, out);
                    space(member.after, out);
                    out.push(':');
                    member.value.write(spaced, out);
                }
                out.push('}');
            }
        }
        space(self.after, out);
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(true, &mut out);
        out
    }
}

fn write_text(text: &Text, out: &mut String) {
    out.push('"');
    out.push_str(&text.raw);
    out.push('"');
}

/// A JSON text without the white space between its tokens.
pub(crate) fn compact(text: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::new(), false, false);
    for char in text.chars() {
        if in_string || !matches!(char, ' ' | '\t' | '\n' | '\r') {
            out.push(char);
        }
        if char == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && char == '\\' && !escaped;
    }
    out
}
