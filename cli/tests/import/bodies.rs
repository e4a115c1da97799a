//! The accepts of an import under the vectors of the same import: each body that a description takes passes, and each that it
//! does not take is refused.

use serde_json::{Value, json};

use crate::common::Folder;

fn document() -> Value {
    let json_body = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
    let order = json!({
        "type": "object",
        "required": ["sku", "count", "lines", "state", "weird.name"],
        "properties": {
            "id": {"type": "integer", "readOnly": true},
            "sku": {"type": "string", "minLength": 3, "maxLength": 8},
            "count": {"type": "integer", "minimum": 1, "maximum": 9},
            "price": {"type": "number", "minimum": 0.5},
            "state": {"type": "string", "enum": ["new", "old"]},
            "weird.name": {"type": "boolean"},
            "at": {"type": "string", "format": "date-time"},
            "lines": {
                "type": "array", "minItems": 2, "maxItems": 4,
                "items": {"type": "object", "required": ["n"], "properties": {
                    "n": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}},
                }},
            },
        },
    });
    let form = json!({"content": {"application/x-www-form-urlencoded": {"schema": {
        "type": "object", "required": ["a&b"], "properties": {"a&b": {"type": "string"}, "n": {"type": "integer"}},
    }}}});
    let pattern = json!({"type": "object", "required": ["p"], "properties": {"p": {"type": "string", "pattern": "^[a-c]{4}$"}}});
    let operation = |body: Value| json!({"requestBody": body, "responses": {}});
    json!({
        "openapi": "3.0.0", "servers": [{"url": "https://a.example.com"}],
        "paths": {
            "/orders": {"post": operation(json_body(order.clone())), "put": operation(json_body(json!({"type": "array", "items": order})))},
            "/form": {"post": operation(form)},
            "/image": {"post": operation(json!({"content": {"image/png": {}}}))},
            "/pattern": {"post": operation(json_body(pattern))},
            "/free": {"post": {"responses": {}}},
        },
    })
}

#[test]
fn accepts_are_exercised_by_the_vectors_beside_them() {
    let folder = Folder::new(&[("api.json", &document().to_string())]);
    let ran = folder.run(&["import", "openapi", "api.json", "--vectors", "-o", "out"]);
    ran.is(0, &["POST /pattern: no body could be made up"]);
    let vectors = String::from_utf8(folder.read("out/generated.jsonl")).unwrap();
    let with_body = vectors.lines().filter(|line| line.contains("\"body\":"));
    assert_eq!(with_body.count(), 8, "{vectors}");
    // All of them, and the two that have no body.
    folder.run(&["test", "out"]).is(0, &["10 passed"]);
    folder.run(&["eval", "out"]).is(0, &["10 of 10 as expected"]);
}
