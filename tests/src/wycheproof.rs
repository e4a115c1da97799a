//! Project Wycheproof's JSON Web Signatures -> keys, tokens and what to expect of them, for whoever verifies.

use serde::Deserialize;
use serde_json::Value;

use crate::corpus::root;

/// Signatures under one key.
#[derive(Clone, Debug)]
pub struct JwsGroup {
    /// What the group is about.
    pub comment: String,
    /// The key that verifies: a public JSON Web Key, or one of the kind `oct`.
    pub key: Value,
    /// The key that signs.
    pub private: Value,
    /// The signatures.
    pub vectors: Vec<JwsVector>,
}

impl JwsGroup {
    /// The key as the set of one key that an issuer would publish. A secret is in none, and a reader refuses it.
    pub fn key_set(&self) -> String {
        serde_json::json!({ "keys": [self.key] }).to_string()
    }
}

/// One signature.
#[derive(Clone, Debug, Deserialize)]
pub struct JwsVector {
    /// Its number in the file.
    #[serde(rename = "tcId")]
    pub id: u32,
    /// What it is about.
    pub comment: String,
    /// The token: mostly three parts and their points, sometimes fewer, more, or JSON.
    pub jws: String,
    #[serde(rename = "result")]
    expected: Expected,
}

impl JwsVector {
    /// Whether Wycheproof calls it valid.
    pub fn is_valid(&self) -> bool {
        matches!(self.expected, Expected::Valid)
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Valid,
    Invalid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    comment: String,
    public: Option<Value>,
    private: Value,
    tests: Vec<JwsVector>,
}

/// All groups, in the order of the file.
///
/// # Errors
///
/// The file cannot be read, or has not as many vectors as it says.
pub fn json_web_signatures() -> Result<Vec<JwsGroup>, String> {
    let path = root().join("tests/data/wycheproof/json_web_signature_test.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: File = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let found: usize = file.test_groups.iter().map(|group| group.tests.len()).sum();
    if found != file.number_of_tests {
        return Err(format!("{found} of {} vectors", file.number_of_tests));
    }
    let groups = file.test_groups.into_iter().map(|group| JwsGroup {
        comment: group.comment,
        key: group.public.unwrap_or_else(|| group.private.clone()),
        private: group.private,
        vectors: group.tests,
    });
    Ok(groups.collect())
}
