//! A seed -> a description in one file or in several, with odd names and broken references among sound ones.

use serde_json::{Map, Value, json};

use crate::reading::Files;

/// SplitMix64: a few lines that give the same documents everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::try_from(self.roll(texts.len() as u64)).unwrap()]
    }
}

const SEGMENTS: [&str; 22] = [
    "orders",
    "search",
    "me",
    "$export",
    "x.json",
    "a:b",
    "v1",
    "~t",
    "count",
    "a,b",
    "{id}",
    "{id}",
    "{name}",
    "{n}",
    "{id}:cancel",
    "v{id}",
    "{a}...{b}",
    "{n}.json",
    "{odd name}",
    "{and}",
    "{if-none}",
    "{\u{fc}}",
];
const NAMES: [&str; 16] = [
    "a",
    "b",
    "c",
    "id",
    "q",
    "a b",
    "\u{43a}\u{43b}\u{44e}\u{447}",
    "x\"y",
    "",
    "a.b",
    "tag[]",
    "$ref",
    "*",
    "or",
    "\\",
    "\u{202e}x",
];
const SERVERS: [&str; 9] = [
    "https://api.example.com",
    "https://api.example.com/v1",
    "http://my_app:8080/api",
    "{site}",
    "../v1",
    "/v2",
    "https://-bad-.example.com",
    "https://[::1]:8443/x",
    "https://\u{fc}n\u{ef}.example.com/%7Ea/b;c",
];
const BROKEN: [&str; 5] = [
    "gone.json",
    "https://example.com/x.json",
    "../../x.json",
    "#/nowhere",
    "loop.json",
];

struct Maker {
    dice: Dice,
    files: Files,
}

/// One document of several files.
pub(crate) fn make(seed: u64) -> Files {
    let mut maker = Maker {
        dice: Dice(seed.wrapping_mul(0x5851_f42d_4c95_7f2d)),
        files: Files::new(),
    };
    maker
        .files
        .insert("loop.json".to_owned(), json!({"$ref": "loop.json"}));
    maker
        .files
        .insert("p/loop.json".to_owned(), json!({"$ref": "loop.json"}));
    // What a reference that is taken relative to the wrong file would find.
    maker
        .files
        .insert("decoy.json".to_owned(), json!({"security": []}));
    let mut root = maker.root();
    let mut paths = Map::new();
    for _ in 0..=maker.dice.roll(7) {
        let path = maker.path();
        let item = maker.item(&path);
        paths.insert(path, item);
    }
    root["paths"] = Value::Object(paths);
    maker.files.insert(String::new(), root);
    maker.files
}

impl Maker {
    fn root(&mut self) -> Value {
        let servers: Vec<Value> = (0..self.dice.roll(3))
            .map(|_| json!({"url": self.dice.of(&SERVERS)}))
            .collect();
        let schemes = json!({
            "corp": {"type": "oauth2", "flows": {}},
            "idp": {"type": "http", "scheme": "bearer"},
            "partner": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "mesh": {"type": "mutualTLS"},
            "plain": {"type": "http", "scheme": "basic"},
        });
        let schemes = if self.dice.one_in(3) {
            self.files.insert("s/schemes.json".to_owned(), schemes);
            json!({"$ref": "s/schemes.json"})
        } else {
            schemes
        };
        let mut root = json!({
            "openapi": self.dice.of(&["3.0.3", "3.1.0"]),
            "info": {"title": self.dice.of(&NAMES), "version": "1"},
            "servers": servers,
            "components": {"securitySchemes": schemes, "schemas": {"Tree": {"type": "object", "properties": {
                "name": {"type": "string"}, "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                "all": {"allOf": [{"$ref": "#/components/schemas/Tree"}, {"$ref": "#/components/schemas/Tree"}]},
            }}}},
        });
        if !self.dice.one_in(3) {
            root["security"] = self.security();
        }
        root
    }

    fn security(&mut self) -> Value {
        (0..self.dice.roll(3))
            .map(|_| {
                let mut all = Map::new();
                for _ in 0..=self.dice.roll(2) {
                    let scheme = self
                        .dice
                        .of(&["corp", "corp", "idp", "partner", "mesh", "plain", "nowhere"]);
                    let scopes: Vec<&str> = match scheme {
                        "corp" | "idp" => (0..self.dice.roll(3))
                            .map(|_| self.dice.of(&["read", "write", "admin"]))
                            .collect(),
                        _ => Vec::new(),
                    };
                    all.insert(scheme.to_owned(), json!(scopes));
                }
                // Two tokens on one request are nothing that the language has.
                if all.contains_key("corp") {
                    all.remove("idp");
                }
                Value::Object(all)
            })
            .collect()
    }

    fn path(&mut self) -> String {
        (0..=self.dice.roll(3))
            .map(|_| format!("/{}", self.dice.of(&SEGMENTS)))
            .collect()
    }

    /// The value, or a reference to it in a file of its own in folder `p`; `from` is the file it stands in.
    fn placed(&mut self, value: Value, from: &str) -> Value {
        if self.dice.one_in(20) {
            return json!({"$ref": self.dice.of(&BROKEN)});
        }
        if !self.dice.one_in(3) {
            return value;
        }
        let name = format!("{}.json", self.files.len());
        self.files.insert(format!("p/{name}"), json!({"it": value}));
        // A file of that name beside the root must not be taken for it.
        self.files.insert(
            name.clone(),
            json!({"it": {"security": [], "type": "string", "name": "decoy", "in": "header"}}),
        );
        let folder = if from.is_empty() { "p/" } else { "" };
        json!({"$ref": format!("{folder}{name}#/it")})
    }

    fn item(&mut self, path: &str) -> Value {
        // Decided first: what stands in a file of its own refers to its neighbours.
        let own = self.dice.one_in(3);
        let from = if own { "p/item" } else { "" };
        let mut item = json!({});
        let parameters: Vec<Value> = path
            .split('{')
            .skip(1)
            .filter_map(|p| p.split_once('}'))
            .filter_map(|(name, _)| {
                if self.dice.one_in(6) {
                    return None;
                }
                let schema = match self.dice.roll(6) {
                    0 => json!({"type": "integer"}),
                    1 => json!({"type": "string", "format": "uuid"}),
                    2 => json!({"type": "string", "enum": ["a", "b'c", "d e"]}),
                    3 => json!({"type": "string", "pattern": "^[a-z]{2,4}$"}),
                    _ => json!({"type": "string"}),
                };
                let parameter = json!({"name": name, "in": "path", "required": true, "schema": schema});
                Some(self.placed(parameter, from))
            })
            .collect();
        item["parameters"] = json!(parameters);
        for method in ["get", "post", "delete"] {
            if self.dice.one_in(2) {
                let operation = self.operation(from);
                item[method] = self.placed_operation(operation, from);
            }
        }
        if own {
            let name = format!("p/item{}.json", self.files.len());
            self.files.insert(name.clone(), item);
            return json!({"$ref": name});
        }
        if self.dice.one_in(15) {
            return json!({"$ref": self.dice.of(&BROKEN)});
        }
        item
    }

    /// An operation whose own references are relative to folder `p` is written there or beside it only.
    fn placed_operation(&mut self, operation: (Value, bool), from: &str) -> Value {
        let (operation, in_folder) = operation;
        if !in_folder {
            return operation;
        }
        let name = format!("op{}.json", self.files.len());
        self.files.insert(format!("p/{name}"), operation);
        let folder = if from.is_empty() { "p/" } else { "" };
        json!({"$ref": format!("{folder}{name}")})
    }

    fn operation(&mut self, from: &str) -> (Value, bool) {
        let in_folder = self.dice.one_in(3);
        let from = if in_folder { "p/op" } else { from };
        let mut operation =
            json!({"responses": {}, "operationId": self.dice.of(&NAMES), "summary": self.dice.of(&NAMES)});
        if self.dice.one_in(2) {
            operation["security"] = self.security();
        }
        let parameters: Vec<Value> = (0..self.dice.roll(4))
            .map(|_| {
                let schema = self.schema(1, from);
                json!({
                    "name": self.dice.of(&NAMES), "in": self.dice.of(&["query", "query", "header"]),
                    "required": self.dice.one_in(3), "schema": schema, "explode": self.dice.one_in(2),
                })
            })
            .collect();
        operation["parameters"] = json!(parameters);
        if self.dice.one_in(2) {
            let media = self.dice.of(&[
                "application/json",
                "application/json",
                "application/x-www-form-urlencoded",
                "image/png",
                "*/*",
                "a/b;c=d",
            ]);
            let schema = self.schema(3, from);
            operation["requestBody"] = json!({"content": {media: {"schema": schema}}});
        }
        (operation, in_folder)
    }

    fn schema(&mut self, depth: u64, from: &str) -> Value {
        let schema = match self.dice.roll(if depth == 0 { 8 } else { 14 }) {
            0 => json!({"type": "string", "minLength": self.dice.roll(5), "maxLength": self.dice.roll(9)}),
            1 => {
                json!({"type": "integer", "minimum": 1.0, "maximum": self.dice.roll(9), "exclusiveMinimum": true})
            }
            2 => json!({"type": "number", "minimum": -0.5, "exclusiveMaximum": 7}),
            3 => json!({"type": ["string", "integer", "null"], "enum": ["a", 1, null]}),
            4 => json!({"enum": ["a", "\\b", "c\"d", "'"]}),
            5 => {
                json!({"type": "string", "pattern": self.dice.of(&["^a+$", "(?=x)", "a|b", "^\\d{1,3}$", "'"])})
            }
            6 => json!({"type": "boolean", "nullable": true}),
            7 if self.dice.one_in(2) => json!({"$ref": "../root-is-not-here.json"}),
            7 => json!({}),
            8 | 9 => {
                let mut properties = Map::new();
                for _ in 0..self.dice.roll(4) {
                    let below = self.schema(depth - 1, from);
                    properties.insert(self.dice.of(&NAMES).to_owned(), below);
                }
                let required: Vec<String> = properties
                    .keys()
                    .filter(|_| self.dice.one_in(3))
                    .cloned()
                    .collect();
                json!({"type": "object", "properties": properties, "required": required, "additionalProperties": !self.dice.one_in(3)})
            }
            10 => {
                json!({"type": "array", "items": self.schema(depth - 1, from), "minItems": self.dice.roll(3), "maxItems": self.dice.roll(5)})
            }
            11 => json!({"allOf": [self.schema(depth - 1, from), self.schema(depth - 1, from)]}),
            12 => {
                json!({self.dice.of(&["oneOf", "anyOf"]): [self.schema(depth - 1, from), {"type": "null"}]})
            }
            _ => {
                json!({"type": "object", "properties": {"t": {"$ref": "#/components/schemas/Tree"}, "r": {"type": "string", "readOnly": true}}})
            }
        };
        self.placed(schema, from)
    }
}
