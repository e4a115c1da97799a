//! Values -> compact JSON text. One spelling for everything, so that equal values are equal bytes.

use std::fmt::Write as _;

/// Writes one value; commas are put where they belong.
pub(super) struct Writer {
    text: String,
    /// Whether the next member or element needs a comma before it.
    comma: bool,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer {
            text: String::with_capacity(512),
            comma: false,
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn object(&mut self, members: impl FnOnce(&mut Writer)) {
        self.text.push('{');
        self.comma = false;
        members(self);
        self.text.push('}');
        self.comma = true;
    }

    /// A member's name; its value follows. Names are ours and need no escaping.
    pub(super) fn member(&mut self, name: &str) -> &mut Writer {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        self
    }

    pub(super) fn array<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Writer, T),
    ) {
        self.text.push('[');
        self.comma = false;
        for element in elements {
            self.separate();
            each(self, element);
            self.comma = true;
        }
        self.text.push(']');
        self.comma = true;
    }

    pub(super) fn null(&mut self) {
        self.scalar("null");
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }

    pub(super) fn unsigned(&mut self, value: u64) {
        self.scalar(&value.to_string());
    }

    pub(super) fn string_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    /// Besides what JSON asks for, DEL and the line separators of JavaScript are escaped: a line stays one line
    /// and shows what is in it, wherever it is pasted.
    pub(super) fn string(&mut self, value: &str) {
        self.text.push('"');
        for c in value.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                    // Writing into a String does not fail.
                    let _ = write!(self.text, "\\u{:04x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self.comma = true;
    }

    fn scalar(&mut self, text: &str) {
        self.text.push_str(text);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = false;
    }
}
