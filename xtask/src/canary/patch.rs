//! The text of a unified diff -> what it makes of a file. A hunk belongs where its old lines are, and they must be in
//! the file exactly once. Line numbers are not read: a patch outlives changes elsewhere in its file.
//! Knows nothing of bugs and suites, and reads no files.

/// A unified diff with lines before it that say what it is for.
#[derive(Debug)]
pub(super) struct Patch {
    /// The lines before the first file, `key: value`.
    pub(super) head: Vec<(String, String)>,
    /// What it changes.
    pub(super) files: Vec<FilePatch>,
}

/// The part of a patch that changes one file.
#[derive(Debug)]
pub(super) struct FilePatch {
    /// Relative to the root of the tree.
    pub(super) path: String,
    hunks: Vec<Hunk>,
}

/// Whole lines: with context, before and after.
#[derive(Debug, Default)]
struct Hunk {
    old: String,
    new: String,
}

impl Patch {
    /// Reads a patch as `git diff` prints it; an error says what is wrong with its text.
    pub(super) fn parse(text: &str) -> Result<Patch, String> {
        let of_git = |line: &&str| line.starts_with("diff --git ") || line.starts_with("index ");
        let lines: Vec<&str> = text.lines().filter(|line| !of_git(line)).collect();
        let text = lines.join("\n") + "\n";
        let mut sections = text.split("\n--- a/");
        let head = sections.next().unwrap_or_default().lines().map(|line| {
            let (key, value) = line.split_once(": ").ok_or(format!("unexpected line `{line}`"))?;
            Ok((key.to_string(), value.to_string()))
        });
        let head = head.collect::<Result<_, String>>()?;
        let files = sections.map(FilePatch::parse).collect::<Result<Vec<_>, _>>()?;
        if files.is_empty() {
            return Err("it changes no file".into());
        }
        Ok(Patch { head, files })
    }
}

impl FilePatch {
    fn parse(section: &str) -> Result<FilePatch, String> {
        let mut parts = section.split("\n@@ ");
        let names = parts.next().unwrap_or_default();
        let path = match names.split_once("\n+++ b/") {
            Some((old, new)) if old == new => old.to_string(),
            _ => return Err(format!("`{names}` does not name one file")),
        };
        let hunks = parts.map(Hunk::parse).collect::<Result<Vec<_>, _>>()?;
        if hunks.is_empty() || hunks.iter().any(|hunk| hunk.old == hunk.new) {
            return Err(format!("it does not change {path}"));
        }
        Ok(FilePatch { path, hunks })
    }

    /// The file's text with all hunks applied; an error where one has no position or several.
    pub(super) fn apply(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_string();
        for hunk in &self.hunks {
            let found = text.match_indices(&hunk.old).map(|(at, _)| at);
            let lines: Vec<usize> = found
                .filter(|at| *at == 0 || text.get(..*at).is_some_and(|before| before.ends_with('\n')))
                .collect();
            let [at] = lines[..] else {
                let (path, count) = (&self.path, lines.len());
                return Err(format!(
                    "{path} has these lines {count} times, not once:\n{}",
                    hunk.old
                ));
            };
            text.replace_range(at..at + hunk.old.len(), &hunk.new);
        }
        Ok(text)
    }
}

impl Hunk {
    fn parse(text: &str) -> Result<Hunk, String> {
        let mut hunk = Hunk::default();
        // The first line holds the numbers.
        for line in text.lines().skip(1) {
            let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
            if !matches!(sign, " " | "-" | "+") {
                return Err(format!("unexpected line `{line}`"));
            }
            for (side, skipped) in [(&mut hunk.old, "+"), (&mut hunk.new, "-")] {
                if sign != skipped {
                    side.extend([rest, "\n"]);
                }
            }
        }
        Ok(hunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str =
        "bug: Two is three.\n--- a/two.rs\n+++ b/two.rs\n@@ -7,3 +7,3 @@ fn f()\n a\n-2\n+3\n\n";

    fn apply(text: &str) -> Result<String, String> {
        Patch::parse(PATCH).unwrap().files[0].apply(text)
    }

    #[test]
    fn a_hunk_belongs_where_its_lines_are() {
        assert_eq!(apply("x\na\n2\n\ny\n").unwrap(), "x\na\n3\n\ny\n");
        assert_eq!(apply("a\n2\n\n").unwrap(), "a\n3\n\n");
        assert!(apply("a\n4\n\n").unwrap_err().contains("0 times"));
        assert!(apply("ba\n2\n\n").unwrap_err().contains("0 times"));
        assert!(apply("a\n2\n\na\n2\n\n").unwrap_err().contains("2 times"));
    }

    #[test]
    fn a_head_is_read_and_a_broken_patch_is_an_error() {
        let patch = Patch::parse(PATCH).unwrap();
        assert_eq!(patch.head, [("bug".to_string(), "Two is three.".to_string())]);
        assert_eq!(patch.files[0].path, "two.rs");
        let of_git = PATCH.replace("---", "diff --git a/two.rs b/two.rs\nindex 1..2 100644\n---");
        assert_eq!(Patch::parse(&of_git).unwrap().head, patch.head);
        for (old, new) in [
            ("bug: ", "bug"),
            ("+++ b/two", "+++ b/three"),
            ("-2", "2"),
            ("+3", "+2"),
            ("@@ ", ""),
        ] {
            let broken = PATCH.replacen(old, new, 1);
            assert!(Patch::parse(&broken).is_err(), "{broken}");
        }
    }
}
