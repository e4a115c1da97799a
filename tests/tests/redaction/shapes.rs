//! Random shapes of accepted bodies and random documents: what the engine takes is what the crate `jsonschema` calls valid
//! under the same shape as a closed JSON Schema. Left out is what the two mean differently: names that stand twice, `1.0`
//! as an integer, and lone surrogates.

use jsonschema::Validator;
use portcullis_tests::counts;
use portcullis_tests::rng::Rng;
use serde_json::{Map, Value, json};

use super::drawn;
use super::host::Host;

/// Pairs of every run, shapes of one policy, and documents for each.
const PAIRS: u64 = 6_000;
const SHAPES: usize = 10;
const DOCUMENTS: usize = 30;

const NAMES: [&str; 6] = ["a", "b", "c", "id", "note", "x_y"];

const TEXTS: [&str; 12] = [
    "", "a", "ab", "abc", "b1", "é", "éé😀", "in", "on", "A", "zz9", "a\nb",
];

/// Regexes, which match whole texts. None has a dot: ours stands for a byte, that of JSON Schema for a character.
const REGEXES: [&str; 4] = ["[a-z]+", "a?b*[0-9]*", "(in|on)", "[a-z0-9]{2}"];

#[derive(Clone, Debug)]
enum Shape {
    Bool,
    Any,
    Int(Option<i64>, Option<i64>, Vec<i64>),
    /// In quarters, which binary fractions hold.
    Number(Option<i64>, Option<i64>),
    Text {
        min: Option<usize>,
        max: Option<usize>,
        one_of: Vec<&'static str>,
        matches: Option<&'static str>,
    },
    /// Any members, so many at most.
    Open(Option<usize>),
    Members(Vec<Field>),
    Items(Box<Slot>, Option<(usize, usize)>),
}

/// A shape, and whether null stands for it too.
#[derive(Clone, Debug)]
struct Slot {
    shape: Shape,
    nullable: bool,
}

#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    slot: Slot,
    /// May be missing. Of what holds fields only where all of them may.
    optional: bool,
}

fn bounds(rng: &mut Rng, low: i64, span: usize) -> (Option<i64>, Option<i64>) {
    let min = low + rng.below(span) as i64;
    let max = min + rng.below(span) as i64;
    (rng.chance(60).then_some(min), rng.chance(60).then_some(max))
}

fn leaf(rng: &mut Rng) -> Shape {
    match rng.below(9) {
        0 => Shape::Bool,
        1 => Shape::Any,
        2 | 3 => {
            let (min, max) = bounds(rng, -3, 8);
            let one_of = if rng.chance(25) {
                rng.some(&[-2, 0, 1, 3, 7], 1)
            } else {
                Vec::new()
            };
            Shape::Int(min, max, one_of)
        }
        4 => {
            let (min, max) = bounds(rng, -6, 20);
            Shape::Number(min, max)
        }
        5 => Shape::Open(rng.chance(70).then(|| 1 + rng.below(3))),
        _ => {
            let (min, max) = bounds(rng, 0, 4);
            Shape::Text {
                min: min.map(|min| min as usize),
                max: max.map(|max| max as usize),
                one_of: if rng.chance(25) {
                    rng.some(&TEXTS[1..9], 1)
                } else {
                    Vec::new()
                },
                matches: rng.chance(25).then(|| REGEXES[rng.below(REGEXES.len())]),
            }
        }
    }
}

fn members(rng: &mut Rng, depth: usize) -> Vec<Field> {
    let mut names = rng.some(&NAMES, 1);
    names.truncate(4);
    names.into_iter().map(|name| field(rng, name, depth)).collect()
}

fn field(rng: &mut Rng, name: &'static str, depth: usize) -> Field {
    let slot = slot(rng, depth);
    let optional = all_optional(&slot.shape, rng.chance(40));
    Field { name, slot, optional }
}

/// Whether what holds fields may be missing; of a leaf, what was drawn.
fn all_optional(shape: &Shape, drawn: bool) -> bool {
    match shape {
        Shape::Members(fields) => fields.iter().all(|field| field.optional),
        Shape::Items(slot, _) => all_optional(&slot.shape, drawn),
        _ => drawn,
    }
}

fn slot(rng: &mut Rng, depth: usize) -> Slot {
    let shape = match rng.below(10) {
        0 | 1 if depth > 0 => Shape::Members(members(rng, depth - 1)),
        2..4 if depth > 0 => {
            let element = slot(rng, depth - 1);
            let min = rng.below(3);
            // What bounds a list is written at the field that its elements are.
            let is_leaf = !matches!(element.shape, Shape::Members(_) | Shape::Items(..));
            let items = (is_leaf && rng.chance(60)).then(|| (min, min + rng.below(3)));
            Shape::Items(Box::new(element), items)
        }
        _ => leaf(rng),
    };
    let nullable = !matches!(shape, Shape::Members(_) | Shape::Items(..) | Shape::Any) && rng.chance(20);
    Slot { shape, nullable }
}

/// The Gate lines of a field.
fn lines(path: &str, slot: &Slot, optional: bool, items: Option<(usize, usize)>, out: &mut String) {
    let text = match &slot.shape {
        Shape::Members(fields) => {
            for field in fields {
                lines(
                    &format!("{path}.{}", field.name),
                    &field.slot,
                    field.optional,
                    None,
                    out,
                );
            }
            return;
        }
        Shape::Items(element, items) => {
            lines(&format!("{path}[]"), element, optional, *items, out);
            return;
        }
        Shape::Bool => "bool".to_string(),
        Shape::Any => "any".to_string(),
        Shape::Int(min, max, one_of) => {
            let list: Vec<String> = one_of.iter().map(i64::to_string).collect();
            let mut text = format!(
                "int{}",
                limits(min.map(|n| n.to_string()), max.map(|n| n.to_string()))
            );
            if !list.is_empty() {
                text.push_str(&format!(" in [{}]", list.join(", ")));
            }
            text
        }
        Shape::Number(min, max) => format!("number{}", limits(min.map(quarters), max.map(quarters))),
        Shape::Text {
            min,
            max,
            one_of,
            matches,
        } => {
            let mut text = format!(
                "string{}",
                limits(min.map(|n| n.to_string()), max.map(|n| n.to_string()))
            );
            if !one_of.is_empty() {
                let list: Vec<String> = one_of.iter().map(|text| format!("\"{text}\"")).collect();
                text.push_str(&format!(" in [{}]", list.join(", ")));
            }
            if let Some(regex) = matches {
                text.push_str(&format!(" matches '{regex}'"));
            }
            text
        }
        Shape::Open(None) => "object".to_string(),
        Shape::Open(Some(keys)) => format!("object keys {keys}"),
    };
    let (type_name, rest) = text.split_once(' ').unwrap_or((&text, ""));
    let optional = if optional { "?" } else { "" };
    let null = if slot.nullable { " or null" } else { "" };
    let items = items.map_or(String::new(), |(least, most)| format!(" items {least}..{most}"));
    let gap = if rest.is_empty() { "" } else { " " };
    out.push_str(&format!(
        "{path}{optional}: {type_name}{null}{gap}{rest}{items}; "
    ));
}

fn limits(min: Option<String>, max: Option<String>) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (Some(min), None) => format!(" min {min}"),
        (None, Some(max)) => format!(" max {max}"),
        (Some(min), Some(max)) => format!(" {min}..{max}"),
    }
}

/// A number of quarters in decimal.
fn quarters(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    let (whole, part) = (count.abs() / 4, count.abs() % 4);
    format!("{sign}{whole}{}", ["", ".25", ".5", ".75"][part as usize])
}

/// The same shape as a JSON Schema.
fn schema(slot: &Slot) -> Value {
    let own = match &slot.shape {
        Shape::Any => json!({}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int(min, max, one_of) => {
            let mut own = json!({"type": "integer", "minimum": min.unwrap_or(i64::MIN), "maximum": max.unwrap_or(i64::MAX)});
            if !one_of.is_empty() {
                own["enum"] = json!(one_of);
            }
            own
        }
        Shape::Number(min, max) => {
            let mut own = json!({"type": "number"});
            for (name, bound) in [("minimum", min), ("maximum", max)] {
                if let Some(bound) = bound {
                    own[name] = json!(*bound as f64 / 4.0);
                }
            }
            own
        }
        Shape::Text {
            min,
            max,
            one_of,
            matches,
        } => {
            let mut own = json!({"type": "string", "minLength": min.unwrap_or(0)});
            if let Some(max) = max {
                own["maxLength"] = json!(max);
            }
            if !one_of.is_empty() {
                own["enum"] = json!(one_of);
            }
            if let Some(regex) = matches {
                own["pattern"] = json!(format!("^(?:{regex})$"));
            }
            own
        }
        Shape::Open(keys) => {
            let mut own = json!({"type": "object"});
            if let Some(keys) = keys {
                own["maxProperties"] = json!(keys);
            }
            own
        }
        Shape::Members(fields) => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|field| (field.name.to_string(), schema(&field.slot)))
                .collect();
            let required: Vec<&str> = fields
                .iter()
                .filter(|field| !field.optional)
                .map(|field| field.name)
                .collect();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        }
        Shape::Items(element, items) => {
            let mut own = json!({"type": "array", "items": schema(element)});
            if let Some((least, most)) = items {
                (own["minItems"], own["maxItems"]) = (json!(least), json!(most));
            }
            own
        }
    };
    if slot.nullable {
        json!({"anyOf": [{"type": "null"}, own]})
    } else {
        own
    }
}

/// Any value at all.
fn anything(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth == 0 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => json!(rng.chance(50)),
        2 | 3 => json!(rng.below(12) as i64 - 4),
        4 => json!((rng.below(12) as f64 - 4.0) + 0.25),
        5 => json!(rng.pick(&[i64::MIN, i64::MAX, 1 << 53, 100])),
        6 | 7 => json!(rng.pick(&TEXTS)),
        8 => (0..rng.below(4)).map(|_| anything(rng, depth - 1)).collect(),
        _ => {
            let names = rng.some(&NAMES, 0);
            let members = names
                .into_iter()
                .take(4)
                .map(|name| (name.to_string(), anything(rng, depth - 1)));
            Value::Object(members.collect())
        }
    }
}

/// A value that probably fits.
fn fitting(rng: &mut Rng, slot: &Slot) -> Value {
    if slot.nullable && rng.chance(25) {
        return Value::Null;
    }
    if rng.chance(3) {
        return anything(rng, 2);
    }
    let between = |rng: &mut Rng, min: Option<i64>, max: Option<i64>| {
        let least = min.unwrap_or(max.unwrap_or(0) - 3);
        let most = max.unwrap_or(least + 3).max(least);
        let off = if rng.chance(5) { 1 } else { 0 };
        least - off + rng.below((most - least + 1 + 2 * off) as usize) as i64
    };
    match &slot.shape {
        Shape::Any => anything(rng, 2),
        Shape::Bool => json!(rng.chance(50)),
        Shape::Int(min, max, one_of) if one_of.is_empty() || rng.chance(10) => {
            json!(between(rng, *min, *max))
        }
        Shape::Int(_, _, one_of) => json!(rng.pick(one_of)),
        Shape::Number(min, max) => {
            let count = between(rng, *min, *max);
            if count % 4 == 0 {
                json!(count / 4)
            } else {
                json!(count as f64 / 4.0)
            }
        }
        Shape::Text {
            min,
            max,
            one_of,
            matches,
        } => {
            let fits = |text: &&str| {
                let length = text.chars().count();
                min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max)
            };
            let mut texts: Vec<&str> = TEXTS.iter().copied().filter(fits).collect();
            if !one_of.is_empty() && rng.chance(90) {
                texts.retain(|text| one_of.contains(text));
            }
            if matches.is_some() && rng.chance(90) {
                texts.retain(|text| ["a", "ab", "abc", "b1", "in", "on"].contains(text));
            }
            json!(rng.pick(&texts))
        }
        Shape::Open(keys) => {
            let most = keys.unwrap_or(3) + usize::from(rng.chance(10));
            let names = rng.some(&NAMES, 0);
            let members = names.into_iter().take(most);
            Value::Object(members.map(|name| (name.to_string(), anything(rng, 1))).collect())
        }
        Shape::Members(fields) => {
            let mut members = Map::new();
            for field in fields {
                if !rng.chance(if field.optional { 40 } else { 2 }) {
                    members.insert(field.name.to_string(), fitting(rng, &field.slot));
                }
            }
            if rng.chance(4) {
                members.insert(rng.pick(&NAMES).to_string(), anything(rng, 1));
            }
            Value::Object(members)
        }
        Shape::Items(element, items) => {
            let (least, most) = items.unwrap_or((0, 3));
            let count = between(rng, Some(least as i64), Some(most as i64)).max(0);
            (0..count).map(|_| fitting(rng, element)).collect()
        }
    }
}

/// A JSON text of a document, some of its letters escaped.
fn written(rng: &mut Rng, document: &Value) -> String {
    let text = if rng.chance(30) {
        serde_json::to_string_pretty(document).unwrap()
    } else {
        document.to_string()
    };
    if rng.chance(30) {
        text.replace("é", "\\u00e9").replace('😀', "\\uD83D\\uDE00")
    } else {
        text
    }
}

#[test]
fn accepted_bodies_are_those_that_a_closed_json_schema_holds_valid() {
    let (seed, pairs) = drawn("accept_pairs", PAIRS);
    let (mut read, mut valid) = (0u64, 0u64);
    let mut part = 0;
    while read < pairs {
        let mut rng = Rng::part(seed ^ 5, part);
        part += 1;
        let shapes: Vec<Slot> = (0..SHAPES)
            .map(|_| Slot {
                shape: Shape::Members(members(&mut rng, 3)),
                nullable: false,
            })
            .collect();
        let mut policy = String::from("gate 1;\n");
        let mut texts = Vec::new();
        for (number, shape) in shapes.iter().enumerate() {
            let mut text = String::new();
            let Shape::Members(fields) = &shape.shape else {
                unreachable!("a body is an object");
            };
            for field in fields {
                lines(field.name, &field.slot, field.optional, None, &mut text);
            }
            policy.push_str(&format!(
                "service s{number} on \"s{number}.example\" {{ allow anyone to POST /a {{ accept body {{ {text}}} }} }}\n"
            ));
            texts.push(text);
        }
        let mut host = Host::new(&policy);
        for (number, (shape, text)) in shapes.iter().zip(&texts).enumerate() {
            let schema = schema(shape);
            let validator: Validator = jsonschema::draft202012::new(&schema).unwrap();
            for _ in 0..DOCUMENTS {
                let document = if rng.chance(5) {
                    anything(&mut rng, 3)
                } else {
                    fitting(&mut rng, shape)
                };
                let body = written(&mut rng, &document);
                let size = [1, 3, 16, 1_024][rng.below(4)];
                let answer = host.send(&format!("s{number}.example"), body.as_bytes().chunks(size));
                let expected = validator.is_valid(&document);
                let agrees = match &answer {
                    Ok(None) => expected,
                    Err((status, _)) => *status == 422 && !expected,
                    Ok(Some(_)) => false,
                };
                assert!(
                    agrees,
                    "part {} of {seed:#x}: {answer:?}, jsonschema: {expected}\n{body}\n{text}\n{schema}",
                    part - 1
                );
                read += 1;
                valid += u64::from(expected);
            }
        }
    }
    eprintln!("{read} pairs, {valid} valid");
    if pairs >= PAIRS {
        assert!(valid * 4 > read && (read - valid) * 4 > read, "{valid} of {read}");
        counts::executed("accept_pairs", read).unwrap();
    }
}
