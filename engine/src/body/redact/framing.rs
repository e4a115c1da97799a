//! A response's bytes -> the JSON texts in them: one, one a line, or one an event.

use super::text_scan::TextScan;
use super::{Context, PathSteps};
use crate::body::Unreadable;
use crate::limits::EVENT_FIELD_BYTES;
use portcullis_base::Detail;

/// Where the JSON texts of a response stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The body is one.
    #[default]
    Json,
    /// Each line is one, or blank.
    Lines,
    /// The `data` lines of each event are one, joined (HTML, section 9.2.6).
    Events,
}

/// Where in a line of an event stream the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// In the name of the field, which is collected.
    #[default]
    Field,
    /// Behind `data:`, where one space may follow.
    DataStart,
    Data,
    /// Of a field that is collected and goes on as it came.
    Other,
}

/// The frames of one response under way.
#[derive(Debug, Default)]
pub(super) struct Frames {
    framing: Framing,
    line: Line,
    /// The line so far, but for data.
    field: Vec<u8>,
    /// A `data` line of the event was put out, and its end was not.
    has_data: bool,
    /// Other lines that came behind it: they go out behind it.
    behind: Vec<u8>,
    /// The byte before was a carriage return.
    after_return: bool,
}

impl Frames {
    pub(super) fn begin(&mut self, framing: Framing) {
        (self.framing, self.line) = (framing, Line::Field);
        self.field.clear();
        self.behind.clear();
        (self.has_data, self.after_return) = (false, false);
    }

    pub(super) fn push<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
        chunk: &[u8],
    ) -> Result<(), Unreadable> {
        match self.framing {
            Framing::Json => text.push(context, chunk),
            Framing::Lines => {
                for (index, line) in chunk.split(|byte| *byte == b'\n').enumerate() {
                    if index > 0 {
                        end_line(text, context)?;
                    }
                    text.push(context, line)?;
                }
                Ok(())
            }
            Framing::Events => self.events(text, context, chunk),
        }
    }

    pub(super) fn end<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
    ) -> Result<(), Unreadable> {
        match self.framing {
            Framing::Json => text.end(context),
            Framing::Lines => end_text(text, context),
            Framing::Events => {
                end_text(text, context)?;
                if self.line == Line::Other || (self.line == Line::Field && !self.field.is_empty()) {
                    self.end_event_line(text, context)?;
                }
                self.end_data(context);
                Ok(())
            }
        }
    }

    fn events<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
        chunk: &[u8],
    ) -> Result<(), Unreadable> {
        let mut rest = chunk;
        while let Some((byte, after)) = rest.split_first() {
            if self.after_return && *byte == b'\n' {
                self.after_return = false;
                rest = after;
                continue;
            }
            self.after_return = false;
            if matches!(byte, b'\n' | b'\r') {
                self.after_return = *byte == b'\r';
                self.end_event_line(text, context)?;
                rest = after;
                continue;
            }
            if self.line == Line::Data {
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                let (data, after) = rest
                    .split_at_checked(end.unwrap_or(rest.len()))
                    .unwrap_or_default();
                text.push(context, data)?;
                rest = after;
                continue;
            }
            self.event_byte(text, context, *byte)?;
            rest = after;
        }
        Ok(())
    }

    fn event_byte<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
        byte: u8,
    ) -> Result<(), Unreadable> {
        match self.line {
            Line::DataStart | Line::Data => {
                self.line = Line::Data;
                // One space behind the colon is not part of the data.
                if byte != b' ' {
                    text.push(context, &[byte])?;
                }
            }
            Line::Field | Line::Other => {
                if self.field.len() == EVENT_FIELD_BYTES {
                    return Err(Unreadable(Detail::NameTooLong));
                }
                self.field.push(byte);
                if self.line == Line::Field && byte == b':' {
                    self.begin_field(text, context)?;
                }
            }
        }
        Ok(())
    }

    fn begin_field<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
    ) -> Result<(), Unreadable> {
        if self.field == b"data:" {
            self.field.clear();
            self.line = Line::DataStart;
            if self.has_data {
                line_feed(text)?;
                // To JSON it is white space, and one line holds all of it.
                text.push(context, b" ")?;
            } else {
                context.out.write(b"data: ");
                self.has_data = true;
            }
        } else {
            self.line = Line::Other;
        }
        Ok(())
    }

    fn end_event_line<P: PathSteps>(
        &mut self,
        text: &mut TextScan,
        context: &mut Context<'_, P>,
    ) -> Result<(), Unreadable> {
        match self.line {
            Line::DataStart | Line::Data => {}
            Line::Field if self.field.is_empty() => {
                end_text(text, context)?;
                self.end_data(context);
                context.out.write(b"\n");
            }
            // A field without a colon has no value; of `data` that is an empty line.
            Line::Field if self.field == b"data" => line_feed(text)?,
            Line::Field | Line::Other => self.end_other(context)?,
        }
        self.field.clear();
        self.line = Line::Field;
        Ok(())
    }

    /// A line that holds no data; of a name that no reader knows nothing goes on.
    fn end_other<P: PathSteps>(&mut self, context: &mut Context<'_, P>) -> Result<(), Unreadable> {
        let name = self.field.split(|byte| *byte == b':').next().unwrap_or_default();
        if !matches!(name, b"" | b"event" | b"id" | b"retry") {
            return Ok(());
        }
        if self.has_data {
            if self.behind.len() + self.field.len() >= EVENT_FIELD_BYTES {
                return Err(Unreadable(Detail::NameTooLong));
            }
            self.behind.extend_from_slice(&self.field);
            self.behind.push(b'\n');
        } else {
            context.out.write(&self.field);
            context.out.write(b"\n");
        }
        Ok(())
    }

    /// Ends the `data` line of an event, and what came behind it.
    fn end_data<P: PathSteps>(&mut self, context: &mut Context<'_, P>) {
        if self.has_data {
            context.out.write(b"\n");
            context.out.write(&self.behind);
            self.behind.clear();
            self.has_data = false;
        }
    }
}

/// What joins the data lines of an event: no string holds it.
fn line_feed(text: &TextScan) -> Result<(), Unreadable> {
    if text.is_in_string() {
        return Err(Unreadable(Detail::NotJson));
    }
    Ok(())
}

/// A text ends, if there is one, and another may begin.
fn end_text<P: PathSteps>(text: &mut TextScan, context: &mut Context<'_, P>) -> Result<(), Unreadable> {
    if !text.is_blank() {
        text.end(context)?;
    }
    text.begin();
    Ok(())
}

fn end_line<P: PathSteps>(text: &mut TextScan, context: &mut Context<'_, P>) -> Result<(), Unreadable> {
    end_text(text, context)?;
    context.out.write(b"\n");
    Ok(())
}
