//! Keys and tokens: the built binary on key files, discovery documents and tokens, exit codes and all.

mod common;

use common::Folder;

const PARTNERS: &str = r#"gate 1;
secret pepper from file "pepper.key";
keys partners { header "x-api-key"; file "partners.jsonl"; secret pepper; fields { plan: string; seats: int = 1; } }
principal partner = key from partners;
service api on "api.example.com" { allow partner to GET /catalogue/** as catalogue; }
"#;

#[test]
fn a_file_of_api_keys_is_no_file_of_vectors_whatever_it_is_called() {
    let line = format!("{{\"id\":\"k-1\",\"hash\":\"{}\"}}\n", "0".repeat(64));
    let vector = r#"{"id":"none","request":{"method":"GET","url":"https://api.example.com/catalogue/1"},"expect":{"effect":"deny","status":401}}"#;
    let folder = Folder::new(&[
        ("p/api.gate", PARTNERS),
        ("p/pepper.key", "made up\n"),
        ("p/partners.jsonl", &line),
        ("p/requests.jsonl", vector),
    ]);
    for path in ["p", "p/api.gate"] {
        folder.run(&["test", path]).is(0, &["1 passed"]);
        folder.run(&["eval", path]).is(0, &["none"]);
    }
    // What no policy names is one.
    folder.write("p/other.jsonl", line.as_bytes());
    folder.run(&["test", "p"]).is(2, &["other.jsonl"]);
}
