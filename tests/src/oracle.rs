//! What must hold of any input: both evaluators agree on every member of a verdict, and nothing panics. Fuzz
//! targets and tests call the same functions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis::Worker;
use portcullis_compile::Form;
use portcullis_lang::check;
use portcullis_lang::diagnostic::Severity;
use portcullis_lang::model::Policy;
use portcullis_reference::{Reference, Trace};
use portcullis_vectors::{Bytes, Received, Upstream, Vector, Verdict};

use crate::bridge::Subject;
use crate::generate;
use crate::rng::Rng;

/// The name under which generated text is checked.
pub const FILE: &str = "policy.gate";

/// Checks one file; an error is what its author would read.
pub fn checked(text: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Policy, String> {
    let checked = check::load(&[(FILE.to_string(), text.as_bytes().to_vec())], files);
    checked.policy.ok_or_else(|| {
        let errors: Vec<String> = checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| {
                let (line, column) = checked.sources.line_column(d.span.file, d.span.start);
                let source = checked
                    .sources
                    .text(d.span.file)
                    .lines()
                    .nth(line as usize - 1)
                    .unwrap_or("");
                format!(
                    "{} {line}:{column}: {} ({})\n    {source}",
                    d.code,
                    d.message,
                    d.help.clone().unwrap_or_default()
                )
            })
            .collect();
        errors.join("\n")
    })
}

/// One policy in both evaluators.
pub struct Pair<'p> {
    reference: Reference<'p>,
    subject: Subject,
    worker: Worker,
    /// The same policy as other images, by name: each must write the same line.
    twins: Vec<(&'static str, Subject, Worker)>,
}

/// Both evaluators of one verdict that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Members that differ, each with the reference's and the engine's word.
    pub members: Vec<(String, String, String)>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (member, reference, engine) in &self.members {
            writeln!(
                f,
                "  {member}: reference {reference}\n  {member}: engine    {engine}"
            )?;
        }
        Ok(())
    }
}

impl<'p> Pair<'p> {
    /// Compiles for both.
    pub fn new(policy: &'p Policy, files: &BTreeMap<String, Vec<u8>>) -> Result<Pair<'p>, String> {
        Ok(Pair {
            reference: Reference::new(policy, files),
            subject: Subject::compile(policy, files)?,
            worker: Worker::default(),
            twins: Vec::new(),
        })
    }

    /// From now on every decision is also made in each form alone, and by the image as a file gives it back.
    pub fn in_all_forms(&mut self, policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
        for (name, form) in [("graphs", Form::Graphs), ("bitmaps", Form::Bitmaps)] {
            let subject = Subject::compile_as(policy, files, form).map_err(|e| format!("{name}: {e}"))?;
            self.twins.push((name, subject, Worker::default()));
        }
        let image = portcullis_compile::compile(policy).map_err(|e| format!("compile: {e}"))?;
        let image = through_a_file(&image).map_err(|e| format!("file: {e}"))?;
        self.twins
            .push(("file", Subject::load(&image, files)?, Worker::default()));
        Ok(())
    }

    /// What the client gets, by the engine alone ([`Subject::client`]).
    pub fn client(&self, vector: &Vector, size: Option<usize>) -> Result<Option<Received>, String> {
        self.subject.client(vector, size)
    }

    /// Decides with both; all members but `closest`, `policy` and `data` must be equal.
    pub fn decide(&mut self, vector: &Vector) -> Result<(Verdict, Trace), Difference> {
        let (expected, trace) = self.reference.decide_traced(vector);
        let actual = self.engine(vector)?;
        match difference(&expected, &actual) {
            None => Ok((expected, trace)),
            Some(difference) => Err(difference),
        }
    }

    /// The engine's verdict alone.
    pub fn engine(&mut self, vector: &Vector) -> Result<Verdict, Difference> {
        let broken = |what: String| Difference {
            members: vec![("line".to_string(), String::new(), what)],
        };
        let line = self.subject.line_with(vector, &mut self.worker).map_err(broken)?;
        let digest = self.subject.digest();
        for (name, subject, worker) in &mut self.twins {
            let own = subject.line_with(vector, worker).map_err(broken)?;
            let own = own.replace(&subject.digest(), &digest);
            if own != line {
                return Err(Difference {
                    members: vec![(name.to_string(), line, own)],
                });
            }
        }
        serde_json::from_str(&line).map_err(|e| broken(format!("{e}: {line}")))
    }

    /// The engine's verdict line.
    pub fn line(&mut self, vector: &Vector) -> Result<String, String> {
        self.subject.line_with(vector, &mut self.worker)
    }

    /// The reference's verdict alone.
    pub fn reference(&self, vector: &Vector) -> Verdict {
        self.reference.decide(vector)
    }
}

/// Bytes, written to a file of their own and read back.
fn through_a_file(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("portcullis-{}-{number}.image", std::process::id()));
    std::fs::write(&file, bytes)?;
    let read = std::fs::read(&file);
    std::fs::remove_file(&file)?;
    read
}

/// What of two verdicts differs.
pub fn difference(expected: &Verdict, actual: &Verdict) -> Option<Difference> {
    let open = |verdict: &Verdict| {
        let mut verdict = verdict.clone();
        verdict.closest.clear();
        verdict.policy.clear();
        verdict.data.clear();
        verdict
    };
    let (expected, actual) = (open(expected), open(actual));
    if expected == actual {
        return None;
    }
    // equality has decided; members only say where
    let json = |verdict: &Verdict| serde_json::to_value(verdict).unwrap_or_default();
    let (expected, actual) = (json(&expected), json(&actual));
    let members = expected
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(member, value)| actual.get(member.as_str()) != Some(value))
        .map(|(member, value)| {
            let actual = actual.get(member).map(ToString::to_string).unwrap_or_default();
            (member.clone(), value.to_string(), actual)
        })
        .collect();
    Some(Difference { members })
}

/// How an oracle tells the fuzzer.
#[allow(clippy::panic, reason = "a panic is what a fuzzer looks for")]
fn fail(what: &str) {
    panic!("{what}");
}

/// Fuzz oracle: any bytes are a policy or a list of complaints, and formatting keeps the tree.
pub fn parser(bytes: &[u8]) {
    let checked = check::load(&[(FILE.to_string(), bytes.to_vec())], &());
    assert_eq!(
        checked.policy.is_none(),
        checked.diagnostics.iter().any(|d| d.severity == Severity::Error),
        "a policy comes out exactly where no error is reported"
    );
    let (text, complaints) = portcullis_lang::parse::decode(portcullis_lang::source::FileId(0), bytes);
    let parsed = portcullis_lang::parse::parse(portcullis_lang::source::FileId(0), &text);
    if complaints.is_empty() && parsed.diagnostics.is_empty() {
        let once = portcullis_lang::format::format(&parsed.file, &text);
        let again = portcullis_lang::parse::parse(portcullis_lang::source::FileId(0), &once);
        assert!(again.diagnostics.is_empty(), "formatted text parses: {once}");
        assert_eq!(
            portcullis_lang::format::format(&again.file, &once),
            once,
            "formatting is idempotent"
        );
    }
}

/// Fuzz oracle: any bytes are refused at the image's door, or decide without a panic.
pub fn image(bytes: &[u8]) {
    if let Ok(subject) = Subject::load(bytes, &BTreeMap::new()) {
        let mut rng = Rng::new(bytes.len() as u64);
        let policy = Policy::default();
        let files = BTreeMap::new();
        for index in 0..4 {
            let vector = generate::Requests::new(&policy, &files).next(&mut rng, index.to_string());
            let line = subject.line(&vector).unwrap_or_default();
            assert!(line.starts_with('{'), "every decision has a verdict line");
        }
    }
}

/// Fuzz oracle: no bytes but those that a trusted key has sealed come in as trusted ones. The bytes are taken as they
/// are, as a change of a sealed image (position, mask), and as the head and texts of a seal with a good signature.
pub fn seal(bytes: &[u8]) {
    use portcullis::image::seal::{MAGIC, Seal, open, public_key, sign};
    const SECRET: [u8; 32] = [7; 32];
    let trust = portcullis::Trust::Keys(portcullis::TrustedKeys {
        keys: vec![("k".to_string(), public_key(&SECRET))],
        ..Default::default()
    });
    let load = |bytes: &[u8]| portcullis::Image::load(bytes, &trust);
    assert!(load(bytes).is_err(), "nobody signed these bytes");
    let magic = [&MAGIC[..], bytes].concat();
    assert!(load(&magic).is_err(), "nobody signed these bytes");
    let image = checked("gate 1;\n", &BTreeMap::new())
        .ok()
        .and_then(|policy| portcullis_compile::compile(&policy).ok())
        .unwrap_or_default();
    let said = Seal {
        key_id: "k",
        audience: "",
        serial: 1,
        not_after_us: None,
        smoke: b"",
    };
    let sealed = sign(&SECRET, &said, &image).unwrap_or_default();
    assert!(load(&sealed).is_ok(), "what was sealed loads");
    let mut damaged = sealed.clone();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % damaged.len();
        damaged[at] ^= change[2];
    }
    assert_eq!(
        load(&damaged).is_ok(),
        damaged == sealed,
        "one byte more or less is another image"
    );
    // A sealer whose fields are foreign: refused when it is written, or read as it was written.
    let text = String::from_utf8_lossy(bytes);
    let (key_id, audience) = text.split_once('\n').unwrap_or((&text, ""));
    let foreign = Seal {
        key_id,
        audience,
        serial: bytes.len() as u64,
        not_after_us: bytes.first().map(|byte| i64::from(*byte)),
        smoke: bytes,
    };
    if let Ok(written) = sign(&SECRET, &foreign, bytes) {
        let read = open(&written).map(|sealed| (sealed.seal, sealed.image));
        assert_eq!(read, Ok((foreign, bytes)));
    }
}

const OPEN: &str = "gate 1;\nservice all { allow anyone to any /**; deny anyone to any /admin/**; }\n";

/// Fuzz oracle: any bytes as a target; both evaluators agree, and no spelling reaches what is denied.
pub fn normalise(bytes: &[u8]) {
    use base64::Engine as _;
    let policy = checked(OPEN, &BTreeMap::new()).unwrap_or_default();
    let Ok(mut pair) = Pair::new(&policy, &BTreeMap::new()) else {
        return;
    };
    let mut vector = Vector {
        id: "fuzz".to_string(),
        request: portcullis_vectors::Request {
            method: "GET".to_string(),
            target_base64: Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
            authority: Some("h.example".to_string()),
            ..Default::default()
        },
        token: None,
        key: None,
        signature: None,
        beside: BTreeMap::new(),
        bearer: None,
        context: None,
        now: None,
        upstream: None,
        expect: None,
        sequence: Vec::new(),
    };
    match pair.decide(&vector) {
        Err(difference) => fail(&difference.to_string()),
        Ok((verdict, _)) => {
            if let Some(target) = verdict.upstream_target {
                let path = target.split('?').next().unwrap_or_default();
                assert!(
                    path != "/admin" && !path.starts_with("/admin/"),
                    "a denied path went upstream: {target}"
                );
                // what goes upstream is its own canonical spelling
                vector.request.target_base64 = None;
                vector.request.target = Some(target.clone());
                assert_eq!(
                    pair.reference(&vector).upstream_target.as_deref(),
                    Some(target.as_str())
                );
            }
        }
    }
}

const BODIES: &str = "gate 1;
service all {
  allow anyone to any /** { accept body depth 9 strip unknown { a?: any; b?: int 0..9; c[]?: string max 3; d.e?: ip or null; } }
  on any /** { redact response { drop **.ssn; mask c[] keep last 1; truncate d.e to 2; replace b with \"-\"; } }
}
";

/// Fuzz oracle: the first byte is a length of parts, the others are a body. As a request's both evaluators agree on it; as a
/// response's it comes out alike whole and in parts, and once more it comes out as it is.
pub fn bodies(bytes: &[u8]) {
    use base64::Engine as _;
    let Some((size, body)) = bytes.split_first() else {
        return;
    };
    let policy = checked(BODIES, &BTreeMap::new()).unwrap_or_default();
    let Ok(mut pair) = Pair::new(&policy, &BTreeMap::new()) else {
        return;
    };
    let encoded = |bytes: &[u8]| Some(base64::engine::general_purpose::STANDARD.encode(bytes));
    let json = || vec![("content-type".to_string(), Bytes(b"application/json".to_vec()))];
    let request = r#"{"id": "fuzz", "request": {"method": "POST", "target": "/", "authority": "h.example"}}"#;
    let Ok(mut vector) = portcullis_vectors::parse_line(request) else {
        return fail("the vector reads");
    };
    vector.request.headers = json();
    vector.request.body_base64 = encoded(body);
    if let Err(difference) = pair.decide(&vector) {
        fail(&difference.to_string());
    }
    vector.request.body_base64 = encoded(b"{}");
    let mut client = |body: &[u8], size| {
        vector.upstream = Some(Upstream {
            status: 200,
            headers: json(),
            body_base64: encoded(body),
            ..Upstream::default()
        });
        pair.client(&vector, size)
    };
    let whole = client(body, None);
    let parts = client(body, Some(usize::from(*size) + 1));
    let sent = |received: &Result<Option<Received>, String>| {
        let received = received.as_ref().ok()?.as_ref()?;
        received
            .body
            .clone()
            .filter(|_| !received.reset && received.status == 200)
    };
    assert_eq!(sent(&whole), sent(&parts), "parts change nothing");
    if let Some(sent_once) = sent(&whole) {
        assert_eq!(
            sent(&client(&sent_once, None)),
            Some(sent_once),
            "what is redacted stays as it is"
        );
    }
}

/// Fuzz oracle: the bytes are a seed and a count of draws; both evaluators agree on what is generated of it.
pub fn differential(bytes: &[u8]) {
    let mut seed = [0; 8];
    seed.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let mut rng = Rng::new(u64::from_le_bytes(seed));
    let generated = generate::policy(&mut rng);
    let policy = match checked(&generated.text(), &generated.files) {
        Ok(policy) => policy,
        Err(errors) => {
            assert!(
                errors.is_empty(),
                "the generator made a bad policy: {errors}\n{}",
                generated.text()
            );
            return;
        }
    };
    let Ok(mut pair) = Pair::new(&policy, &generated.files) else {
        return;
    };
    for index in 0..bytes.len().min(64) {
        let vector = generate::Requests::new(&policy, &generated.files).next(&mut rng, index.to_string());
        if let Err(difference) = pair.decide(&vector) {
            fail(&format!("{difference}{}", generated.text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_member_but_three_makes_a_difference() {
        let one = Verdict::default();
        let open = Verdict {
            policy: "sha256:x".into(),
            data: "sha256:y".into(),
            ..one.clone()
        };
        assert!(difference(&one, &open).is_none());
        let tagged = Verdict {
            tags: vec!["a".into()],
            ..one.clone()
        };
        let found = difference(&one, &tagged).map(|d| d.members).unwrap_or_default();
        assert_eq!(
            found,
            [("tags".to_string(), "[]".to_string(), "[\"a\"]".to_string())]
        );
    }
}
