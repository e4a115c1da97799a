//! The whole corpus through the crate and through C: the same bytes. A C program fills the request struct from tagged
//! fields; no exported function takes a vector.

use std::fmt::Write as _;
use std::process::Command;

use portcullis_bridge::now_of;
use portcullis_tests::bridge::Subject;
use portcullis_tests::handed_over::handed_over;
use portcullis_tests::{corpus, counts};
use portcullis_vectors::Vector;

use crate::build::{Build, C, CPP, SANITIZED, folder, memcheck, program, run};

/// What a program is given, and what it must print.
#[derive(Default)]
struct Script {
    fields: Vec<u8>,
    expected: String,
    decisions: u64,
}

impl Script {
    fn field(&mut self, tag: char, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.fields.push(tag as u8);
        self.fields
            .extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        self.fields.extend(bytes);
    }

    fn maybe(&mut self, tag: char, bytes: Option<impl AsRef<[u8]>>) {
        if let Some(bytes) = bytes {
            self.field(tag, bytes);
        }
    }

    /// An engine with files beside its policy, and the policy.
    fn engine(&mut self, case: &corpus::CorpusCase, load: impl FnOnce(&mut Script), code: i32) {
        self.field('E', "");
        for (name, bytes) in &case.files {
            self.field('N', name);
            self.field('D', bytes);
        }
        load(self);
        writeln!(self.expected, "load {code}").unwrap();
    }

    /// A request, and the line of its verdict.
    fn decide(&mut self, vector: &Vector, line: &str) {
        self.request(vector);
        self.credentials(vector);
        self.field('!', &vector.id);
        let verdict: serde_json::Value = serde_json::from_str(line).unwrap();
        let has_body = vector.request.body_bytes().unwrap().is_some();
        let effect = match verdict["effect"].as_str().unwrap() {
            "deny" => 0,
            // It stops where a body is asked for that the vector does not have.
            "allow" if !has_body && !verdict["request_body"].is_null() => 0x34,
            "allow" => 0x51,
            "answer" => 0x2a,
            other => panic!("{other}"),
        };
        let (status, reason) = (&verdict["status"], verdict["reason"].as_str().unwrap());
        writeln!(self.expected, "{effect} {status} {reason} {line}").unwrap();
        self.decisions += 1;
    }

    fn request(&mut self, vector: &Vector) {
        let request = &vector.request;
        self.field('m', &request.method);
        self.field('t', request.target_bytes().unwrap());
        self.field('s', request.scheme_text());
        self.maybe('a', request.authority_text());
        for (name, value) in &request.headers {
            self.field('h', name);
            self.field('v', &value.0);
        }
        if let Some(bearer) = &vector.bearer {
            self.field('h', "authorization");
            self.field('v', format!("Bearer {bearer}"));
        }
        // Every other address goes as bytes.
        match request.client_ip.as_ref().map(|text| text.parse().unwrap()) {
            Some(std::net::IpAddr::V4(v4)) if self.decisions.is_multiple_of(2) => {
                self.field('P', v4.octets())
            }
            Some(std::net::IpAddr::V6(v6)) if self.decisions.is_multiple_of(2) => {
                self.field('P', v6.octets())
            }
            Some(address) => self.field('p', address.to_string()),
            None => {}
        }
        self.maybe('n', request.sni.as_ref());
        self.maybe('o', request.protocol.as_ref());
        self.maybe('c', vector.context.as_ref().map(|context| context.get()));
        self.maybe('d', request.body_bytes().unwrap());
        self.maybe('w', now_of(vector).unwrap().wall_us.map(i64::to_le_bytes));
        if let Some(peer) = &request.peer {
            self.field('C', "");
            self.maybe('1', peer.spiffe.as_ref());
            peer.dns.iter().for_each(|name| self.field('2', name));
            self.maybe('3', peer.subject.as_ref());
            self.maybe('4', peer.fingerprint.as_ref());
            self.maybe('5', peer.invalid.as_ref());
        }
    }

    fn credentials(&mut self, vector: &Vector) {
        if let Some(token) = &vector.token {
            self.field('i', &token.issuer);
            match &token.invalid {
                Some(fault) => self.field('f', fault),
                None => self.field('j', token.claims.as_ref().map_or("", |claims| claims.get())),
            }
        }
        if let Some(key) = &vector.key {
            self.field('k', &key.keys);
            match &key.invalid {
                Some(fault) => self.field('x', fault),
                None => {
                    self.field('K', key.id.as_deref().unwrap_or_default());
                    self.field('l', key.fields.as_ref().map_or("", |fields| fields.get()));
                }
            }
        }
        if let Some(signature) = &vector.signature {
            self.field('g', &signature.name);
            self.maybe('G', signature.invalid.as_ref());
        }
        for (issuer, token) in &vector.beside {
            self.field('b', issuer);
            match &token.invalid {
                Some(fault) => self.field('F', fault),
                None => self.field('B', token.claims.as_ref().map_or("", |claims| claims.get())),
            }
        }
    }
}

/// Every case by its image, and where its policy is one file and `texts` are asked for, by its text too.
fn script(texts: bool) -> Script {
    let mut script = Script::default();
    for mut case in corpus::cases().unwrap() {
        let checked = case.check();
        let text = match case.gate_files.as_slice() {
            [(name, text)] if texts => Some((name, text)),
            _ => None,
        };
        let Some(policy) = checked.policy.filter(|_| !case.refused) else {
            let Some((name, text)) = text else { continue };
            let load = |script: &mut Script| {
                script.field('N', name);
                script.field('T', text);
            };
            script.engine(&case, load, -9);
            continue;
        };
        let image = portcullis_compile::compile(&policy).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        for vector in &mut case.vectors {
            *vector = handed_over(vector, subject.image().config());
        }
        // A body that the decision depends on is there, if only empty.
        for vector in &mut case.vectors {
            let has_body = vector.request.body_bytes().unwrap().is_some();
            if !has_body && subject.reads_body_first(vector).unwrap() {
                vector.request.body = Some(String::new());
            }
        }
        let lines: Vec<String> = case.vectors.iter().map(|v| subject.line(v).unwrap()).collect();
        script.engine(&case, |script| script.field('I', &image), 0);
        case.vectors
            .iter()
            .zip(&lines)
            .for_each(|(vector, line)| script.decide(vector, line));
        if let Some((name, text)) = text {
            let load = |script: &mut Script| {
                script.field('N', name);
                script.field('T', text);
            };
            script.engine(&case, load, 0);
            case.vectors
                .iter()
                .zip(&lines)
                .take(2)
                .for_each(|(vector, line)| script.decide(vector, line));
        }
    }
    script
}

fn compare(script: &Script, name: &str, command: &mut Command) {
    let fields = folder("corpus").join(name);
    std::fs::write(&fields, &script.fields).unwrap();
    let printed = run(command.arg(&fields));
    for (is, expected) in printed.lines().zip(script.expected.lines()) {
        assert_eq!(is, expected);
    }
    assert_eq!(printed.lines().count(), script.expected.lines().count());
}

#[test]
fn crate_and_c_give_the_same_bytes() {
    let built = |name, compiler| program("corpus", Build { name, compiler });
    let plain = built("c", C);
    let all = script(true);
    compare(&all, "plain", &mut Command::new(&plain));
    compare(&all, "cpp", &mut Command::new(built("cpp", CPP)));
    compare(
        &all,
        "sanitized",
        &mut Command::new(built("sanitized", SANITIZED)),
    );
    println!(
        "{} vectors compared, {} responses not run",
        all.decisions,
        corpus::with_upstream().unwrap()
    );
    counts::executed("c_abi_vectors", all.decisions).unwrap();
    // Compiling takes long there, and misuse does it too.
    compare(&script(false), "memcheck", &mut memcheck(&plain));
}
