//! Inputs too large for a file, by the name of their vector: a corpus line stays readable, its size is made here.

mod bodies;

use portcullis_vectors::{Bytes, Vector};

/// The source of a policy that must be refused.
pub fn generated(id: &str) -> Option<Vec<u8>> {
    let text = match id {
        "X01-parens" => format!(
            "gate 1;\nservice s {{ allow anyone to GET /a when {}request.port == 1{}; }}\n",
            "(".repeat(100_000),
            ")".repeat(100_000)
        ),
        "X01-nots" => format!(
            "gate 1;\nservice s {{ allow anyone to GET /a when {}request.port == 1; }}\n",
            "not ".repeat(100_000)
        ),
        "X01-braces" => format!("gate 1;\n{}\n", "service s {".repeat(100_000)),
        "X01-names" => chain(200),
        "X02-garbage" => "}{;)(\"'".repeat(150_000),
        "X02-size" => format!("gate 1;\n{}", "# padding\n".repeat(1_700_000)),
        "X02-atoms" => {
            let atoms: Vec<String> = (0..5_000).map(|n| format!("request.port == {n}")).collect();
            format!(
                "gate 1;\nservice s {{ allow anyone to GET /a when {}; }}\n",
                atoms.join(" or ")
            )
        }
        _ => return None,
    };
    Some(text.into_bytes())
}

/// Conditions, each of which names the one before it twice: the text is short, what it stands for is not.
fn chain(length: usize) -> String {
    let mut text = "gate 1;\ncondition c0 = request.port == 1;\n".to_string();
    for index in 1..length {
        text += &format!("condition c{index} = c{0} and not c{0};\n", index - 1);
    }
    text + &format!("service s {{ allow anyone to GET /a when c{}; }}\n", length - 1)
}

/// Makes the large part of a vector by its name.
pub fn expand(mut vector: Vector) -> Vector {
    let many = |count: usize| {
        (0..count)
            .map(|n| (format!("x-{n}"), Bytes::from("v")))
            .collect::<Vec<_>>()
    };
    let bearer = |token: String| {
        let line = format!("Bearer {token}");
        vec![("authorization".to_string(), Bytes::from(line.as_str()))]
    };
    let request = &mut vector.request;
    match vector.id.as_str() {
        "P23-long" => request.target = Some(format!("/{}", "a".repeat(65_536))),
        "P23-longest" => request.target = Some(format!("/open/{}", "a".repeat(8_192 - 6))),
        "P23-segments" => request.target = Some("/a".repeat(2_500)),
        "P23-dots" => request.target = Some(format!("/open{}", "/.".repeat(2_500))),
        "P23-few" => request.target = Some(format!("/open{}", "/a".repeat(127))),
        "D08-many" => {
            let value = vec!["198.51.100.7"; 500].join(", ");
            request.headers = vec![("x-forwarded-for".to_string(), Bytes::from(value.as_str()))];
        }
        "D11-lines" => request.headers = many(101),
        "D11-full" => request.headers = many(100),
        "D11-bytes" => {
            request.headers = vec![("cookie".to_string(), Bytes::from("c".repeat(1 << 20).as_str()))]
        }
        "D11-cookies" => {
            let value: Vec<String> = (0..5_000).map(|n| format!("c{n}=v")).collect();
            request.headers = vec![("cookie".to_string(), Bytes::from(value.join(";").as_str()))];
        }
        "J15-large" => request.headers = bearer("a".repeat(16_385)),
        "J15-dots" => request.headers = bearer(".".repeat(10_000)),
        "J15-twin-largest" => request.headers = bearer(crate::forge::largest()),
        "L01-long" => request.target = Some(format!("/closed/{}", "a".repeat(8_000))),
        _ => bodies::expand(&mut vector),
    }
    vector
}
