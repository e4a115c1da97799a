//! Values -> compact JSON text. One spelling for everything, so that equal values are equal bytes.

use portcullis_base::quote::JsonString;
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

    pub(super) fn string(&mut self, value: &str) {
        // Writing into a String does not fail.
        let _ = write!(self.text, "{}", JsonString(value));
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
