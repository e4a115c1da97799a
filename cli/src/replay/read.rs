//! A log file -> its lines, unpacked on the way, none longer than the bound held in memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use indicatif::ProgressBar;

use super::line::LINE_BYTES_MAX;
use crate::error::{CliError, standard_input};

/// The lines of a log.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    path: std::path::PathBuf,
    line: Vec<u8>,
}

/// One line.
pub(super) enum Read<'l> {
    /// Its bytes without the line end.
    Line(&'l [u8]),
    /// It was skipped.
    TooLong,
}

/// Bytes of a file, 0 where nobody knows.
pub(super) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map(|m| m.len()).unwrap_or(0)
}

impl Lines {
    /// Opens a log, `-` for standard input. Gzip is known by its first bytes.
    pub(super) fn open(path: &Path, bar: &ProgressBar) -> Result<Lines, CliError> {
        let (file, path): (Box<dyn std::io::Read>, _) = if path == Path::new("-") {
            (Box::new(std::io::stdin()), standard_input())
        } else {
            let file = File::open(path).map_err(|e| CliError::file(path, e))?;
            (Box::new(bar.wrap_read(file)), path.to_path_buf())
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let packed = reader
            .fill_buf()
            .map_err(|e| CliError::file(&path, e))?
            .starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> = if packed {
            Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Lines {
            reader,
            path,
            line: Vec::new(),
        })
    }

    /// The next line.
    pub(super) fn next_line(&mut self) -> Result<Option<Read<'_>>, CliError> {
        self.line.clear();
        let broken = |e| CliError::file(&self.path, e);
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line).map_err(broken)?;
        if read == 0 {
            return Ok(None);
        }
        let ended = self.line.last() == Some(&b'\n');
        if !ended && read > LINE_BYTES_MAX {
            skip_line(&mut self.reader).map_err(broken)?;
            return Ok(Some(Read::TooLong));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(Read::Line(line.strip_suffix(b"\r").unwrap_or(line))))
    }
}

/// Reads up to the next line end without keeping anything.
fn skip_line(reader: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}
