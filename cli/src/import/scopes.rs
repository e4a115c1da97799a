//! Prose -> scopes: "you must use an access token with the `repo` scope" names one.
//!
//! For descriptions without `security` whose text says what a caller needs. Whatever is named counts as one of
//! several ways in, and a condition in the prose ("if the repository is private") is not taken over: who lacks the
//! scope is refused, which is the closed reading.

/// Longest text looked at.
const PROSE_BYTES_MAX: usize = 65_536;

/// The scopes a text names, sorted, each with the sentence that names it first.
pub(super) fn named(text: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    if text.len() > PROSE_BYTES_MAX {
        return out;
    }
    for sentence in sentences(text) {
        // An example tells of a token, not of a need; a text may also say what happens without a scope.
        if sentence.starts_with("For example") || sentence.contains("without the") {
            continue;
        }
        for scope in scopes_of(sentence) {
            if !out.iter().any(|(s, _)| *s == scope) {
                out.push((scope, sentence.trim_start_matches(['*', ' ']).to_owned()));
            }
        }
    }
    out.sort();
    out
}

/// Split behind `. ` and at line ends.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split_inclusive(". "))
        .map(str::trim)
        .filter(|s| !s.is_empty())
}

/// The words in back-ticks that stand before `scope`, also as a list: `a`, `b` or `c` scope.
fn scopes_of(sentence: &str) -> Vec<String> {
    let parts: Vec<&str> = sentence.split('`').collect();
    let mut out = Vec::new();
    let mut pending = Vec::new();
    // Odd parts stand between back-ticks; the part after each says whether the list goes on or ends at `scope`.
    for pair in parts.get(1..).unwrap_or_default().chunks(2) {
        let [word, after] = pair else { break };
        if !is_scope(word) {
            pending.clear();
            continue;
        }
        pending.push((*word).to_owned());
        let after = after.trim_start().trim_start_matches('[');
        if after.starts_with("scope") {
            out.append(&mut pending);
        } else if !matches!(after.trim(), "," | "or" | ", or" | "and") {
            pending.clear();
        }
    }
    out
}

fn is_scope(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 64
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b"_:.-".contains(&b))
}
