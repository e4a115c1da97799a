//! The large bodies of vectors of requests and responses, by the vectors' names.

use portcullis_vectors::Vector;

/// Makes the large body of a vector by its name.
pub(super) fn expand(vector: &mut Vector) {
    if let Some(body) = request_body(&vector.id) {
        vector.request.body = Some(body);
    }
    if let Some(upstream) = &mut vector.upstream
        && let Some(body) = response_body(&vector.id)
    {
        upstream.body = Some(body);
    }
    if vector.id == "B15-elements"
        && let Some(client) = vector
            .expect
            .as_mut()
            .and_then(|expect| expect.0.get_mut("client"))
    {
        client["body"] = format!("[{}{{}}]", "{},".repeat(50_000)).into();
    }
}

fn request_body(id: &str) -> Option<String> {
    Some(match id {
        "B02-arrays" => "[".repeat(100_000),
        "B02-objects" => r#"{"a":"#.repeat(20_000),
        "B15-keys" => {
            let keys: Vec<String> = (0..20_000).map(|n| format!(r#""k{n}":1"#)).collect();
            format!("{{{}}}", keys.join(","))
        }
        "B15-white-space" | "C09-more" => format!(r#"{{"name":"a"}}{}"#, " ".repeat(5_000)),
        _ => return None,
    })
}

fn response_body(id: &str) -> Option<String> {
    let long = |count: usize| "x".repeat(count);
    Some(match id {
        "B02-response-arrays" => "[".repeat(100_000),
        "B10-long-dropped" => format!(r#"{{"a":1,"ssn":"{}","b":2}}"#, long(200_000)),
        "B10-long-replaced" => format!(r#"{{"email":"{}","b":2}}"#, long(200_000)),
        "B10-long-name" => format!(r#"{{"{}":1}}"#, long(5_000)),
        "B10-checked-too-large" => format!(r#"{{"owner":"u1","x":"{}"}}"#, long(1 << 20)),
        "B15-matches" => format!(r#"{{{}"a":1}}"#, r#""ssn":1,"#.repeat(50_000)),
        "B15-elements" => format!(r#"[{}{{"ssn":1}}]"#, r#"{"ssn":1},"#.repeat(50_000)),
        _ => return None,
    })
}
