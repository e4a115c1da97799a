//! Text -> the two streams: colours where they are wanted, progress where somebody looks, nothing foreign raw.

use portcullis_base::invisible::is_invisible;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table};

use crate::error::CliError;

/// `--color`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Colours on a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What needs a second look.
pub const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
/// Names and headings.
pub const STRONG: Style = Style::new().bold();

/// Standard output and standard error of one run.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    out_color: bool,
    err_color: bool,
    progress: bool,
}

impl Output {
    /// The process's own streams.
    pub fn of_process(color: Color) -> Output {
        let choice = |auto: ColorChoice| match color {
            Color::Auto => auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let out_choice = choice(AutoStream::choice(&io::stdout()));
        let err_choice = choice(AutoStream::choice(&io::stderr()));
        Output {
            out: Box::new(AutoStream::new(io::stdout(), out_choice)),
            err: Box::new(AutoStream::new(io::stderr(), err_choice)),
            out_color: out_choice != ColorChoice::Never,
            err_color: err_choice != ColorChoice::Never,
            progress: io::stderr().is_terminal(),
        }
    }

    /// Any two streams, without colours and progress.
    pub fn plain(out: Box<dyn Write>, err: Box<dyn Write>) -> Output {
        Output {
            out,
            err,
            out_color: false,
            err_color: false,
            progress: false,
        }
    }

    /// A line of the answer.
    pub fn say(&mut self, text: impl Display) -> Result<(), CliError> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Bytes of the answer as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        Ok(self.out.write_all(bytes)?)
    }

    /// A line beside the answer.
    pub fn note(&mut self, text: impl Display) -> Result<(), CliError> {
        Ok(writeln!(self.err, "{text}")?)
    }

    /// The last line of a run that failed. A broken standard error cannot be reported anywhere.
    pub fn error(&mut self, error: &CliError) {
        let label = paint(BAD, "error");
        let _ = writeln!(self.err, "{label}: {}", clean(&error.to_string()));
        let _ = self.flush();
    }

    /// Whether the answer may hold colours.
    pub fn colored(&self) -> bool {
        self.out_color
    }

    /// Whether what stands beside it may.
    pub fn colored_notes(&self) -> bool {
        self.err_color
    }

    /// A bar over this many bytes, hidden unless standard error is a terminal.
    pub fn progress(&self, bytes: u64) -> indicatif::ProgressBar {
        if !self.progress {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new(bytes);
        let style = indicatif::ProgressStyle::with_template(
            "{prefix} [{bar:40}] {percent}% {msg} ({bytes_per_sec}, {eta} left)",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush()?;
        Ok(self.err.flush()?)
    }
}

/// Text in a style; the stream strips it where no colours are wanted.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Foreign text made safe to show: control characters and other invisible ones are escaped, long text is cut.
pub fn clean(text: &str) -> String {
    const SHOWN_MAX: usize = 4096;
    let mut out = String::with_capacity(text.len().min(SHOWN_MAX));
    for (i, c) in text.chars().enumerate() {
        if i == SHOWN_MAX {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\t' => out.push(c),
            c if is_invisible(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// [`clean`] for one line: line ends and tabs are escaped too.
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A table without frames, as wide as the terminal at most.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    table
}

/// `1 rule`, `2 rules`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// µs since the epoch -> RFC 3339 in UTC.
pub fn instant_text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map(|t| t.to_string())
        .unwrap_or_else(|_| format!("{us} µs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_can_not_steer_a_terminal() {
        assert_eq!(
            clean_line("a\x1b[31m\r\nb\u{202e}"),
            "a\\u{1b}[31m\\u{d}\\nb\\u{202e}"
        );
        // These two passed once.
        assert_eq!(
            clean("a\u{61c}\u{e0041}\u{e007f}"),
            "a\\u{61c}\\u{e0041}\\u{e007f}"
        );
        assert_eq!(count(1, "rule") + &count(2, "rule"), "1 rule2 rules");
    }
}
