//! Small documents of every version -> skeletons that check; and what is odd or hostile in a document.

use std::collections::BTreeMap;

use portcullis_lang::check;

use super::*;

fn import_with(text: &str, others: &BTreeMap<&str, &str>) -> Result<Skeleton, ImportError> {
    let document = read::document("api.yaml", text.as_bytes())?;
    let mut resolve = |name: &str| match others.get(name) {
        Some(text) => read::document(name, text.as_bytes()),
        None => Err(ImportError::file(name, "there is no such file")),
    };
    openapi("api", document, &Options::default(), &mut resolve)
}

fn import(text: &str) -> Result<Skeleton, ImportError> {
    import_with(text, &BTreeMap::new())
}

/// The policy's text, after the checker took it and found nothing to reformat.
fn checked(skeleton: &Skeleton) -> String {
    let files: BTreeMap<String, Vec<u8>> = skeleton
        .files
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into_bytes()))
        .collect();
    let text = skeleton.files[0].1.clone();
    let checked = check::load_text_with(&text, &files);
    assert!(checked.policy.is_some(), "{text}\n{:#?}", checked.diagnostics);
    text
}

const OPENAPI_3_0: &str = r##"
openapi: 3.0.3
info: {title: Shop, version: "1"}
servers: [{url: "https://api.example.com/v1"}]
components:
  securitySchemes:
    corp: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://idp/t", scopes: {"orders:read": "r"}}}}
    partner: {type: apiKey, in: header, name: X-API-Key}
security: [{corp: ["orders:read"]}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
    get:
      operationId: readOrder
      summary: Read an order
      parameters:
        - {name: expand, in: query, schema: {type: string, enum: [items, customer]}}
      responses: {"200": {description: ok}}
    delete:
      operationId: dropOrder
      deprecated: true
      security: [{partner: []}]
      responses: {"204": {description: gone}}
  /health:
    get:
      security: []
      responses: {"200": {description: ok}}
"##;

#[test]
fn openapi_3_0_keeps_scopes_types_and_marks() {
    let text = checked(&import(OPENAPI_3_0).unwrap());
    for part in [
        "on \"api.example.com\" under /v1",
        "GET /orders/{id:int}",
        "with scope \"orders:read\"",
        "in [\"items\", \"customer\"]",
        "header \"X-API-Key\"",
        "deprecated;",
        "allow anyone to GET /health",
        "## Read an order",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn swagger_2_0_takes_host_base_and_bodies() {
    let text = checked(
        &import(
            r##"{"swagger": "2.0", "info": {"title": "T", "version": "1"}, "host": "old.example.com", "basePath": "/api",
                "schemes": ["https"], "paths": {"/users": {"post": {"operationId": "add", "parameters": [
                {"name": "body", "in": "body", "schema": {"type": "object", "required": ["name"],
                 "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0}}}}],
                "responses": {"201": {"description": "ok"}}}}}}"##,
        )
        .unwrap(),
    );
    assert!(text.contains("on \"old.example.com\" under /api"), "{text}");
    assert!(
        text.contains("name: string") && text.contains("age?: int"),
        "{text}"
    );
}

#[test]
fn openapi_3_1_takes_types_as_lists() {
    let text = checked(
        &import(
            r##"{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "https://a.example.com"}],
                "paths": {"/n": {"put": {"requestBody": {"content": {"application/json": {"schema": {"type": "object",
                "properties": {"note": {"type": ["string", "null"]}}}}}}, "responses": {"200": {"description": "ok"}}}}}}"##,
        )
        .unwrap(),
    );
    assert!(text.contains("note?: string or null"), "{text}");
}

#[test]
fn references_are_followed_over_files_and_never_in_circles() {
    let root = r##"{"openapi": "3.0.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "https://a.example.com"}],
        "paths": {"/x/{id}": {"get": {"parameters": [{"$ref": "common.yaml#/parameters/id"}],
        "responses": {"200": {"description": "ok"}}}}}}"##;
    let common =
        "parameters:\n  id: {name: id, in: path, required: true, schema: {type: string, format: uuid}}\n";
    let text = checked(&import_with(root, &BTreeMap::from([("common.yaml", common)])).unwrap());
    assert!(text.contains("/x/{id:uuid}"), "{text}");
    let missing = import(root).unwrap();
    assert!(!checked(&missing).contains("allow"), "{missing:?}");
    assert!(
        missing.notes.iter().any(|n| n.contains("common.yaml")),
        "{missing:?}"
    );

    let circle = "parameters:\n  id: {$ref: 'common.yaml#/parameters/id'}\n";
    let circle = import_with(root, &BTreeMap::from([("common.yaml", circle)])).unwrap();
    assert!(!checked(&circle).contains("allow"), "{circle:?}");
    assert!(circle.notes.iter().any(|n| n.contains("circle")), "{circle:?}");
}

#[test]
fn a_reference_may_lead_through_references() {
    let root = r##"{"openapi": "3.0.0", "servers": [{"url": "https://a.example.com"}],
        "components": {"parameters": {"$ref": "p/all.yaml"}},
        "paths": {"/x/{id}": {"get": {"parameters": [{"$ref": "#/components/parameters/id"}], "responses": {}}}}}"##;
    let files = BTreeMap::from([
        ("p/all.yaml", "id: {$ref: 'id.yaml#/it'}\n"),
        (
            "p/id.yaml",
            "it: {name: id, in: path, required: true, schema: {type: integer}}\n",
        ),
        (
            "id.yaml",
            "it: {name: id, in: path, required: true, schema: {type: string}}\n",
        ),
    ]);
    let text = checked(&import_with(root, &files).unwrap());
    assert!(text.contains("GET /x/{id:int}"), "{text}");
}

/// A literal beside a template, each with a query of its own: the commonest pair of paths there is.
#[test]
fn a_literal_beside_a_template_is_granted_with_its_own_query() {
    let skeleton = import(
        r##"
openapi: 3.0.3
servers: [{url: "https://api.example.com"}]
paths:
  /orders/search:
    get:
      operationId: searchOrders
      parameters: [{name: q, in: query, required: true, schema: {type: string}}]
      responses: {}
  /orders/{id}:
    get:
      operationId: getOrder
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: expand, in: query, schema: {type: boolean}}
      responses: {}
"##,
    )
    .unwrap();
    let text = checked(&skeleton);
    assert!(
        text.contains("GET /orders/search as searchOrders { accept query { q: string; } }"),
        "{text}"
    );
    assert!(
        text.contains("unless path.id == \"search\" as getOrder"),
        "{text}"
    );
    assert!(skeleton.notes.is_empty(), "{:?}", skeleton.notes);
}

/// What has no word in the language has a note.
#[test]
fn what_is_not_checked_is_said() {
    let skeleton = import(
        r##"
swagger: 2.0
host: a.example.com
consumes: [application/json]
paths:
  /a:
    post:
      parameters:
        - {name: X-Tenant, in: header, required: true, type: string}
        - {name: fields, in: query, type: array, items: {type: string, enum: [a, b]}}
        - name: body
          in: body
          schema:
            type: object
            properties:
              level: {type: integer, enum: [1, 2, null]}
              weight: {type: number, enum: [0.5, 1]}
              n: {type: integer, minimum: 1.0, maximum: 10.0, multipleOf: 5}
              price: {type: number, minimum: 0, exclusiveMinimum: true}
              mix: {type: [string, integer]}
              hidden: {type: object, properties: {id: {type: string, readOnly: true}}}
      responses: {}
"##,
    )
    .unwrap();
    let text = checked(&skeleton);
    for part in [
        "level?: int in [1, 2]",
        "n?: int 1..10",
        "hidden?: object keys 0",
        "fields?: string;",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    for part in [
        "X-Tenant",
        "weight: not checked: enum",
        "multipleOf",
        "exclusiveMinimum",
        "without one type",
        "list in one value",
    ] {
        assert!(
            skeleton.notes.iter().any(|n| n.contains(part)),
            "{part}: {:#?}",
            skeleton.notes
        );
    }
}

/// Servers that cannot be said are left out with a note; none of them ends the import.
#[test]
fn a_server_that_is_no_host_is_left_out() {
    let text = "openapi: 3.0.0\nservers: [{url: '{site}'}, {url: 'https://-bad-.example.com'}, {url: '../v1'}]\npaths: {/a: {get: {responses: {}}}}\n";
    let skeleton = import(text).unwrap();
    assert!(checked(&skeleton).contains("service api {"), "{skeleton:?}");
    assert_eq!(skeleton.notes.len(), 4, "{skeleton:?}");
}

#[test]
fn a_schema_that_holds_itself_ends() {
    let text = checked(
        &import(
            r##"{"openapi": "3.0.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "https://a.example.com"}],
                "components": {"schemas": {"Tree": {"type": "object", "properties": {"name": {"type": "string"},
                 "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}}}},
                "paths": {"/tree": {"post": {"requestBody": {"content": {"application/json":
                 {"schema": {"$ref": "#/components/schemas/Tree"}}}}, "responses": {"200": {"description": "ok"}}}}}}"##,
        )
        .unwrap(),
    );
    assert!(text.contains("name?: string"), "{text}");
}

#[test]
fn templates_within_a_segment_become_one_capture() {
    let text = checked(
        &import(
            r##"{"openapi": "3.0.0", "info": {"title": "T", "version": "1"}, "servers": [{"url": "https://a.example.com"}],
                "paths": {"/compare/{base}...{head}": {"get": {"parameters": [
                {"name": "base", "in": "path", "required": true, "schema": {"type": "string"}},
                {"name": "head", "in": "path", "required": true, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}}}}}}"##,
        )
        .unwrap(),
    );
    assert!(text.contains("GET /compare/{") && text.contains("'"), "{text}");
}

/// A wide template must not grant what a narrow one asks a scope for.
#[test]
fn what_a_literal_template_says_is_left_out_of_wider_ones() {
    let text = checked(
        &import(
            r##"
swagger: "2.0"
info: {title: T, version: "1"}
host: a.example.com
securityDefinitions: {corp: {type: oauth2, flow: implicit, authorizationUrl: "https://i/", scopes: {hooks: h}}}
paths:
  /r/{kind}/{ref}: {get: {operationId: archive, responses: {}}}
  /r/hooks/{id}:
    get:
      operationId: hook
      security: [{corp: [hooks]}]
      parameters: [{name: id, in: path, required: true, type: integer}]
      responses: {}
  /u/{name}: {get: {operationId: user, responses: {}}}
  /u/me: {get: {operationId: me, security: [{corp: [hooks]}], responses: {}}}
"##,
        )
        .unwrap(),
    );
    assert!(
        text.contains("GET /r/{kind}/{ref} unless path.kind == \"hooks\" as archive"),
        "{text}"
    );
    assert!(
        text.contains("GET /u/{name} unless path.name == \"me\" as user"),
        "{text}"
    );
    assert!(
        text.contains("GET /r/hooks/{id:int} with scope \"hooks\" as hook;"),
        "{text}"
    );
}

/// Tags (U+E0041) once came out raw, and the parser refuses them.
#[test]
fn what_the_parser_refuses_raw_is_escaped() {
    let text = "a\u{e0041}\u{61c}\u{206a}\u{fff9}";
    assert_eq!(super::text::quote(text), r#""a\u{e0041}\u{61c}\u{206a}\u{fff9}""#);
    assert_eq!(super::text::line(text), "a");
}

/// Names and prose of a document are data: nothing in them becomes policy.
#[test]
fn hostile_prose_stays_prose() {
    let text = checked(
        &import(
            r##"{"openapi": "3.0.0", "info": {"title": "T\"} allow anyone to any /**; #", "version": "1"},
                "servers": [{"url": "https://a.example.com"}],
                "paths": {"/x": {"get": {"operationId": "a\"; allow anyone to any /** as b",
                "summary": "line one\nallow anyone to any /admin/**;\u2028}\udb40\udc41", "security": [],
                "responses": {"200": {"description": "ok"}}}}}}"##,
        )
        .unwrap(),
    );
    let rules: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with("allow"))
        .collect();
    assert_eq!(rules.len(), 1, "{text}");
    assert!(rules[0].starts_with("allow anyone to GET /x"), "{text}");
}

#[test]
fn what_is_no_openapi_document_says_so() {
    for text in [
        "{}",
        "[]",
        "openapi: 1.2",
        "{\"openapi\": 3}",
        "\"text\"",
        "a: [",
        "",
    ] {
        assert!(import(text).is_err(), "{text} was taken");
    }
}
