//! `import openapi` against a second reading of the same documents: no operation is granted for less than its document
//! asks, and the checker takes whatever is written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bodies;
#[path = "../common/mod.rs"]
mod common;
mod documents;
#[cfg(unix)]
mod files;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use portcullis_cli::import::{self, ImportError, Options, Skeleton};
use portcullis_lang::check;
use portcullis_lang::model::Policy;
use serde_json::{Value, json};

use reading::{Files, Operations};

/// Imports `""` of the files.
fn import(files: &Files, options: &Options) -> Result<Skeleton, ImportError> {
    let mut resolve = |name: &str| {
        files
            .get(name)
            .cloned()
            .ok_or_else(|| ImportError::file(name, "there is no such file"))
    };
    import::openapi("api", files[""].clone(), options, &mut resolve)
}

/// The policy of a skeleton, which the checker must take and the formatter must leave alone.
fn checked(skeleton: &Skeleton) -> Policy {
    let files: BTreeMap<String, Vec<u8>> = skeleton
        .files
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into_bytes()))
        .collect();
    let text = &skeleton.files[0].1;
    let checked = check::load_text_with(text, &files);
    let Some(policy) = checked.policy else {
        panic!("the checker refuses:\n{text}\n{:#?}", checked.diagnostics);
    };
    let parsed = portcullis_lang::parse::parse(portcullis_lang::FileId(0), text);
    assert_eq!(portcullis_lang::format::format(&parsed.file, text), *text);
    policy
}

/// Holds what the policy grants against what the document says. Returns how many operations were granted.
fn compare(files: &Files, skeleton: &Skeleton, policy: &Policy) -> usize {
    let document: Operations = reading::document(files);
    let granted = reading::policy(policy);
    for (operation, ways) in &granted {
        let said = document.get(operation).and_then(Option::as_ref);
        let said = said.unwrap_or_else(|| {
            panic!(
                "{operation:?} is granted and not described: {ways:?}\n{}\n{files:#?}",
                skeleton.files[0].1
            )
        });
        for way in ways {
            assert!(
                said.contains(way),
                "{operation:?} is granted to {way:?}; the document says {said:?}\n{}",
                skeleton.files[0].1
            );
        }
    }
    // What is described and not granted in full has a note that says where.
    for ((method, path, _), said) in &document {
        let whole = granted.iter().any(|(operation, ways)| {
            operation.0 == *method && operation.1 == *path && said.as_ref().is_some_and(|s| s == ways)
        });
        // Several paths may have one shape.
        let paths = files[""]["paths"].as_object().unwrap().keys();
        let mut heads = paths
            .filter(|p| reading::shape(p) == *path)
            .map(|p| format!("{} {p}: ", method.to_uppercase()));
        let noted = skeleton.notes.iter().any(|n| n.contains("security"))
            || heads.any(|head| skeleton.notes.iter().any(|n| n.contains(&head)));
        assert!(whole || noted, "{method} {path}: {said:?}\n{:#?}", skeleton.notes);
    }
    granted.len()
}

fn repository(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../policies")
        .join(name);
    import::document(name, &std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_operation_of_vampi_asks_for_what_its_document_asks() {
    let files = Files::from([(String::new(), repository("vampi/vampi.openapi.yml"))]);
    let skeleton = import(&files, &Options::default()).unwrap();
    let policy = checked(&skeleton);
    assert_eq!(reading::policy(&policy), reading::said(&files));
    assert_eq!(compare(&files, &skeleton, &policy), 14);
}

/// GitHub's document names scopes in prose only; here they are looked for in another way than the importer's.
#[test]
fn every_operation_of_github_asks_for_what_its_document_asks() {
    let document = repository("github/github.openapi.json.gz");
    let files = Files::from([(String::new(), document.clone())]);
    let skeleton = import(&files, &Options::default()).unwrap();
    let policy = checked(&skeleton);
    assert_eq!(reading::policy(&policy), reading::said(&files));
    assert_eq!(compare(&files, &skeleton, &policy), 608);

    let options = Options {
        scopes_from_descriptions: true,
        ..Options::default()
    };
    let granted = reading::policy(&checked(&import(&files, &options).unwrap()));
    assert_eq!(granted.len(), 608);
    let mut named = 0;
    for (operation, described) in reading::each(&document) {
        let prose = described["description"].as_str().unwrap_or_default();
        let ways = &granted[&operation];
        let scopes: BTreeSet<&str> = ways.iter().flat_map(|(_, s)| s).map(String::as_str).collect();
        assert!(
            ways.iter().all(|(who, _)| who.len() == 1),
            "{operation:?} is open: {ways:?}"
        );
        for scope in &scopes {
            assert!(prose.contains(&format!("`{scope}`")), "{operation:?}: {scope}");
        }
        for line in prose.lines().filter(|l| l.contains("access token with")) {
            let Some((_, scope)) = line.split_once("access token with the `") else {
                continue;
            };
            let scope = scope.split('`').next().unwrap();
            assert!(scopes.contains(scope), "{operation:?} lacks {scope}: {scopes:?}");
            named += 1;
        }
    }
    assert!(named >= 40, "{named}");
}

/// The fault that this file is about: what stands behind a reference on an operation was lost, and a token that may
/// only read was allowed to delete.
#[test]
fn scopes_parameters_bodies_and_servers_behind_references_count() {
    let files = Files::from([
        (
            String::new(),
            json!({
                "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
                "servers": [{"url": "https://api.example.com"}],
                "security": [{"corp": ["read"]}],
                "components": {"securitySchemes": {"$ref": "parts/schemes.json"}},
                "paths": {
                    "/orders/{id}": {"$ref": "paths/order.json"},
                    "/files": {"post": {"$ref": "ops/files.json#/post"}},
                },
            }),
        ),
        (
            "parts/schemes.json".to_owned(),
            json!({"corp": {"$ref": "corp.json"}}),
        ),
        (
            "parts/corp.json".to_owned(),
            json!({"type": "oauth2", "flows": {}}),
        ),
        (
            "paths/order.json".to_owned(),
            json!({
                "parameters": [{"$ref": "../common.json#/id"}],
                "get": {"operationId": "read", "responses": {}},
                "delete": {"$ref": "order.delete.json"},
            }),
        ),
        (
            "paths/order.delete.json".to_owned(),
            json!({"operationId": "drop", "security": [{"corp": ["admin"]}], "responses": {},
                "parameters": [{"name": "force", "in": "query", "schema": {"$ref": "../common.json#/flag"}}]}),
        ),
        (
            "ops/files.json".to_owned(),
            json!({"post": {"operationId": "upload", "security": [{"corp": ["write"]}], "responses": {},
                "servers": [{"url": "https://uploads.example.com/v2"}],
                "requestBody": {"content": {"application/json": {"schema": {"allOf": [{"$ref": "schema.json"}]}}}}}}),
        ),
        (
            "ops/schema.json".to_owned(),
            json!({"type": "object", "required": ["name"], "properties": {"name": {"$ref": "name.json"}}}),
        ),
        (
            "ops/name.json".to_owned(),
            json!({"type": "string", "maxLength": 7}),
        ),
        // Decoys: files of the same names beside the root.
        ("order.delete.json".to_owned(), json!({"security": []})),
        ("schema.json".to_owned(), json!({"type": "object"})),
        ("name.json".to_owned(), json!({"type": "string"})),
        (
            "corp.json".to_owned(),
            json!({"type": "apiKey", "in": "header", "name": "x"}),
        ),
        (
            "common.json".to_owned(),
            json!({"id": {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                "flag": {"type": "boolean"}}),
        ),
    ]);
    let skeleton = import(&files, &Options::default()).unwrap();
    let policy = checked(&skeleton);
    assert_eq!(compare(&files, &skeleton, &policy), 3, "{:#?}", skeleton.notes);
    let text = &skeleton.files[0].1;
    for part in [
        "GET /orders/{id:int} with scope \"read\"",
        "DELETE /orders/{id:int} with scope \"admin\"",
        "accept query { force?: bool; }",
        "on \"uploads.example.com\" under /v2 {",
        "POST /files with scope \"write\"",
        "accept body { name: string max 7; }",
    ] {
        assert!(
            text.contains(part),
            "no `{part}` in\n{text}\n{:#?}",
            skeleton.notes
        );
    }
    assert!(skeleton.notes.is_empty(), "{:#?}", skeleton.notes);
}

/// One broken reference at a time, at every place one can stand at: the import goes on, the place is not granted, and
/// a note names the reference and where it stands.
#[test]
fn a_broken_reference_costs_its_place() {
    let whole = json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://api.example.com"}],
        "components": {"securitySchemes": {"corp": {"type": "oauth2", "flows": {}}}},
        "security": [{"corp": ["s"]}],
        "paths": {
            "/a/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "get": {"operationId": "wide", "security": [], "responses": {}},
                "post": {"operationId": "widePost", "security": [], "responses": {}},
            },
            "/a/b": {
                "post": {"operationId": "b", "responses": {},
                    "parameters": [{"name": "q", "in": "query", "required": true, "schema": {"type": "string"}}],
                    "requestBody": {"content": {"application/json": {"schema": {
                        "type": "object", "required": ["x"],
                        "properties": {"x": {"allOf": [{"type": "string"}]}, "y": {"oneOf": [{"type": "string"}, {"type": "null"}]}},
                    }}}}},
            },
        },
    });
    let schema = "/paths/~1a~1b/post/requestBody/content/application~1json/schema";
    // The place, and whether the operation is still granted.
    let places = [
        ("/paths/~1a~1b".to_owned(), false),
        ("/paths/~1a~1b/post".to_owned(), false),
        ("/paths/~1a~1b/post/parameters/0".to_owned(), false),
        ("/paths/~1a~1b/post/parameters/0/schema".to_owned(), false),
        ("/paths/~1a~1b/post/requestBody".to_owned(), false),
        (schema.to_owned(), false),
        (format!("{schema}/properties/x"), false),
        (format!("{schema}/properties/x/allOf/0"), false),
        (format!("{schema}/properties/y"), true),
        (format!("{schema}/properties/y/oneOf/0"), true),
        ("/components/securitySchemes/corp".to_owned(), false),
        ("/components/securitySchemes".to_owned(), false),
    ];
    let mut targets = vec![
        "gone.json",
        "https://example.com/x.json",
        "../outside.json",
        "%2e%2e/outside.json",
        "/etc/passwd",
        "#/no/where",
        "#anchor",
        "circle.json",
        "%zz",
    ];
    targets.push("file:///etc/passwd");
    for (place, granted) in &places {
        for target in &targets {
            let mut root = whole.clone();
            *root.pointer_mut(place).unwrap() = json!({"$ref": target});
            let files = Files::from([
                (String::new(), root),
                ("circle.json".to_owned(), json!({"$ref": "circle.json"})),
            ]);
            let skeleton = import(&files, &Options::default()).unwrap();
            let policy = checked(&skeleton);
            compare(&files, &skeleton, &policy);
            let text = &skeleton.files[0].1;
            assert!(text.contains("POST /a/b"), "{text}");
            assert_eq!(
                text.contains("to POST /a/b with scope \"s\""),
                *granted,
                "{place} {target}\n{text}"
            );
            // What cannot be read is kept from the wider template all the same.
            assert!(
                text.contains("POST /a/{id} unless path.id == \"b\""),
                "{place} {target}\n{text}"
            );
            assert!(
                skeleton.notes.iter().any(|n| n.contains(place.as_str())
                    || (n.contains("securitySchemes") || n.contains("circle.json")) && n.contains("#/")
                    || place.contains("securitySchemes") && n.contains("corp")),
                "{place} {target}: {:#?}",
                skeleton.notes
            );
        }
    }
}

/// Five thousand files are taken, one more ends the import with the limit's name.
#[test]
fn five_thousand_files_are_taken() {
    let documents = |n: usize| {
        let paths: serde_json::Map<String, Value> = (0..n)
            .map(|i| (format!("/p{i}"), json!({"$ref": format!("p/{i}.json")})))
            .collect();
        let mut files: Files = (0..n)
            .map(|i| (format!("p/{i}.json"), json!({"get": {"responses": {}}})))
            .collect();
        files.insert(
            String::new(),
            json!({"openapi": "3.0.0", "servers": [{"url": "https://a.example.com"}], "paths": paths}),
        );
        files
    };
    let most = import::FILES_MAX;
    assert_eq!(most, 5_000);
    let files = documents(most);
    let skeleton = import(&files, &Options::default()).unwrap();
    assert_eq!(reading::policy(&checked(&skeleton)).len(), most);
    let error = import(&documents(most + 1), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("more than 5000 files"), "{error}");
}

/// Where two templates take one path, the one that is meant decides; where a document does not say which, and they ask
/// for different things, neither grants.
#[test]
fn no_template_grants_what_another_one_asks_more_for() {
    let cases = [
        ("/a/{x}", "/a/b", "unless path.x == \"b\"", ""),
        ("/a/{x}", "/a/{y}:cancel", "unless path.x like \"**:cancel\"", ""),
        ("/a/{x}", "/a/v{y}", "unless path.x like \"v**\"", ""),
        (
            "/a/{x}",
            "/a/{y}...{z}",
            "unless path.x matches '.+\\.\\.\\..+'",
            "",
        ),
        ("/a/v{x}", "/a/v{y}:z*", "unless path.x like \"**:z\\\\*\"", ""),
        (
            "/a/{x}/b",
            "/a/c/{y}",
            "unless path.x == \"c\"",
            "unless path.y == \"b\"",
        ),
        ("/a/{x}/{n}", "/a/{y}/b", "unless path.n == \"b\"", ""),
    ];
    for (wide, narrow, left_out, other) in cases {
        let files = Files::from([(
            String::new(),
            json!({
                "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
                "servers": [{"url": "https://api.example.com"}],
                "components": {"securitySchemes": {"corp": {"type": "oauth2", "flows": {}}}},
                "paths": {
                    wide: {"post": {"operationId": "wide", "security": [{"corp": ["read"]}], "responses": {}}},
                    narrow: {"post": {"operationId": "narrow", "security": [{"corp": ["admin"]}], "responses": {}}},
                },
            }),
        )]);
        let skeleton = import(&files, &Options::default()).unwrap();
        let policy = checked(&skeleton);
        assert_eq!(compare(&files, &skeleton, &policy), 2, "{:#?}", skeleton.notes);
        let text = skeleton.files[0]
            .1
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            text.contains(&format!("{left_out} as wide")),
            "{wide} {narrow}\n{text}"
        );
        if other.is_empty() {
            assert!(!text.contains("unless path.y"), "{text}");
        } else {
            assert!(text.contains(&format!("{other} as narrow")), "{text}");
            assert!(
                skeleton.notes.iter().any(|n| n.contains("is not granted")),
                "{:?}",
                skeleton.notes
            );
        }
    }
    // The same template twice says nothing of which is meant.
    let twice = json!({
        "openapi": "3.0.3", "servers": [{"url": "https://api.example.com"}],
        "components": {"securitySchemes": {"corp": {"type": "oauth2", "flows": {}}}},
        "paths": {
            "/a/{x}": {"get": {"security": [], "responses": {}}},
            "/a/{y}": {"get": {"security": [{"corp": ["s"]}], "responses": {}}},
        },
    });
    let skeleton = import(&Files::from([(String::new(), twice)]), &Options::default()).unwrap();
    assert!(reading::policy(&checked(&skeleton)).is_empty());
    assert_eq!(skeleton.notes.len(), 4, "{:?}", skeleton.notes);
}

/// Varied documents, of one file and of many: whatever is written passes the checker, and grants nothing for less.
#[test]
fn what_is_written_checks_and_never_widens() {
    let (mut granted, mut shut, mut several) = (0, 0, 0);
    for seed in 0..600 {
        let files = documents::make(seed);
        let skeleton = match import(&files, &Options::default()) {
            Ok(skeleton) => skeleton,
            Err(error) => panic!("{seed}: {error}\n{:#}", files[""]),
        };
        let policy = checked(&skeleton);
        granted += compare(&files, &skeleton, &policy);
        shut += reading::document(&files).values().filter(|o| o.is_none()).count();
        several += usize::from(files.len() > 3);
    }
    println!("{granted} granted, {shut} not to be read, {several} of several files");
    assert!(
        granted > 1_000 && shut > 200 && several > 200,
        "{granted} {shut} {several}"
    );
}
