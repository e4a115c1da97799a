//! A name and a size -> a JSON document, always the same for the same size, and the paths that are redacted of it. Knows no
//! engine and no parser.

use std::fmt::Write as _;

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(&'static str),
    /// Each element of an array.
    Each,
}

/// A document and what is dropped of it.
#[derive(Clone, Debug)]
pub struct Document {
    /// Which of the four.
    pub name: &'static str,
    /// UTF-8, JSON.
    pub text: String,
    /// What is dropped.
    pub drops: Vec<Vec<Step>>,
}

impl Document {
    /// The four documents, each of at least so many bytes and at most a record more.
    pub fn all(bytes: usize) -> [Document; 4] {
        [
            api_object(bytes),
            small_objects(bytes),
            dense_numbers(bytes),
            dense_escapes(bytes),
        ]
    }

    /// The policy that drops what is to be dropped of responses to `GET /d`.
    pub fn gate(&self) -> String {
        let mut lines = String::new();
        for path in &self.drops {
            let _ = write!(lines, "drop {}; ", path_text(path));
        }
        gate(&lines)
    }

    /// The policy that drops these members wherever they stand, so that every object is looked into.
    pub fn gate_anywhere(&self) -> String {
        let mut lines = String::new();
        for path in &self.drops {
            if let Some(Step::Member(name)) = path.last() {
                let _ = write!(lines, "drop **.{name}; ");
            }
        }
        gate(&lines)
    }
}

fn gate(lines: &str) -> String {
    format!(
        "gate 1;\nservice s on \"api.example.com\" {{ allow anyone to GET /d {{ redact response {{ {lines}}} }} }}\n"
    )
}

fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Each => text.push_str("[]"),
            Step::Member(name) if text.is_empty() => text.push_str(name),
            Step::Member(name) => {
                text.push('.');
                text.push_str(name);
            }
        }
    }
    text
}

/// splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn words(&mut self, count: u64) -> String {
        const WORDS: [&str; 16] = [
            "order", "gateway", "policy", "the", "of", "customer", "delivery", "a", "reviewed", "Zürich",
            "and", "open", "request", "to", "line", "shipped",
        ];
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(16) as usize]).collect();
        words.join(" ")
    }
}

/// One object as an API of code hosting answers: nested objects, addresses, texts, written with spaces; the account's
/// address and its token are dropped.
fn api_object(bytes: usize) -> Document {
    let mut n = Numbers(1);
    let mut text = String::from(
        "{\n  \"id\": 1296269,\n  \"account\": {\n    \"login\": \"octocat\",\n    \"email\": \"octocat@example.com\",\n    \
         \"token\": \"0123456789abcdef\",\n    \"site_admin\": false\n  },\n  \"repositories\": {",
    );
    let mut index = 0;
    while text.len() < bytes {
        let comma = if index == 0 { "" } else { "," };
        let (id, size, words) = (n.below(1 << 40), n.below(100_000), n.words(12));
        let base = format!("https://api.example.com/repos/octocat/repository-{index}");
        let _ = write!(
            text,
            "{comma}\n    \"repository-{index}\": {{\n      \"id\": {id},\n      \"node_id\": \"MDEwOlJlcG9zaXRvcnk{id}\",\n      \
             \"full_name\": \"octocat/repository-{index}\",\n      \"private\": false,\n      \"owner\": {{\n        \
             \"login\": \"octocat\",\n        \"id\": 1,\n        \"avatar_url\": \"https://example.com/images/error/{id}.gif\",\n        \
             \"type\": \"User\"\n      }},\n      \"description\": \"{words}\",\n      \"fork\": true,\n      \
             \"url\": \"{base}\",\n      \"issues_url\": \"{base}/issues{{/number}}\",\n      \
             \"keys_url\": \"{base}/keys{{/key_id}}\",\n      \"labels_url\": \"{base}/labels{{/name}}\",\n      \
             \"language\": null,\n      \"size\": {size},\n      \"topics\": [\"{index}\", \"gateway\", \"api\"],\n      \
             \"pushed_at\": \"2026-11-26T19:06:43Z\",\n      \"permissions\": {{\n        \"admin\": false,\n        \
             \"push\": false,\n        \"pull\": true\n      }}\n    }}"
        );
        index += 1;
    }
    text.push_str("\n  }\n}\n");
    Document {
        name: "api object",
        text,
        drops: vec![
            vec![Step::Member("account"), Step::Member("email")],
            vec![Step::Member("account"), Step::Member("token")],
        ],
    }
}

/// A list of small objects without spaces, of each of which two members are dropped: every object is looked into.
fn small_objects(bytes: usize) -> Document {
    let mut n = Numbers(2);
    let mut text = String::from("[");
    while text.len() < bytes {
        let comma = if text.len() == 1 { "" } else { "," };
        let (id, ssn, cents, words) = (n.below(1 << 32), n.below(1 << 30), n.below(100_000), n.words(3));
        let _ = write!(
            text,
            "{comma}{{\"id\":{id},\"name\":\"{words}\",\"email\":\"user{id}@example.com\",\"active\":true,\
             \"ssn\":\"{ssn:09}\",\"balance\":{}.{:02},\"city\":\"Zürich\",\"tags\":[\"a\",\"b{cents}\"]}}",
            cents / 100,
            cents % 100
        );
    }
    text.push(']');
    Document {
        name: "small objects",
        text,
        drops: vec![
            vec![Step::Each, Step::Member("email")],
            vec![Step::Each, Step::Member("ssn")],
        ],
    }
}

/// Rows of numbers of all forms; one name beside them is dropped.
fn dense_numbers(bytes: usize) -> Document {
    let mut n = Numbers(3);
    let mut text = String::from("{\"sensor\":\"s-1\",\"owner\":\"somebody\",\"rows\":[");
    let mut rows = 0;
    while text.len() < bytes {
        text.push_str(if rows == 0 { "[" } else { ",[" });
        for column in 0..16 {
            let value = n.next();
            let comma = if column == 0 { "" } else { "," };
            let _ = match column % 4 {
                0 => write!(text, "{comma}{}", value % 1_000_000),
                1 => write!(text, "{comma}{}.{}", value % 180, value >> 40),
                2 => write!(text, "{comma}-{}.{:03}", value % 90, value >> 54),
                _ => write!(text, "{comma}{}.{}e-{}", 1 + value % 9, value >> 36, value % 10),
            };
        }
        text.push(']');
        rows += 1;
    }
    text.push_str("]}");
    Document {
        name: "dense numbers",
        text,
        drops: vec![vec![Step::Member("owner")]],
    }
}

/// Lines of a log, full of escapes and of characters of several bytes; one token beside them is dropped.
fn dense_escapes(bytes: usize) -> Document {
    let mut n = Numbers(4);
    let mut text = String::from("{\"token\":\"t\\u006fken\",\"lines\":[");
    let mut lines = 0;
    while text.len() < bytes {
        text.push_str(if lines == 0 { "\"" } else { ",\"" });
        for _ in 0..8 {
            const PARTS: [&str; 8] = [
                "\\\"name\\\"",
                "\\n\\t",
                "C:\\\\dir\\\\file",
                "\\u00e9t\\u00e9",
                "\\ud83d\\ude00",
                "日本語",
                "\\/v1\\/orders",
                "plain text",
            ];
            text.push_str(PARTS[n.below(8) as usize]);
        }
        text.push('"');
        lines += 1;
    }
    text.push_str("]}");
    Document {
        name: "dense escapes",
        text,
        drops: vec![vec![Step::Member("token")]],
    }
}
