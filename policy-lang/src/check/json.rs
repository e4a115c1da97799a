//! The text of a data file -> its values as far as the checker looks, each with its line. Knows no tables.

use portcullis_base::json::{self, JsonKind, JsonNode};
use std::collections::HashSet;

/// A validated text in which no object has a member twice.
pub(super) struct Json<'t> {
    text: &'t str,
    nodes: Vec<JsonNode>,
}

/// A value of it.
#[derive(Clone, Copy)]
pub(super) struct Item<'j> {
    json: &'j Json<'j>,
    index: usize,
}

/// What is wrong, and on which line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct JsonError {
    pub(super) line: u32,
    pub(super) what: String,
}

impl<'t> Json<'t> {
    /// Reads one whole text.
    pub(super) fn read(text: &'t str) -> Result<Json<'t>, JsonError> {
        let scanned =
            json::scan(text.as_bytes(), u32::MAX as usize, Vec::new()).map_err(|fault| JsonError {
                line: line_at(text, fault.offset()),
                what: fault.to_string(),
            })?;
        let json = Json {
            text,
            nodes: scanned.tape,
        };
        let mut items = (0..json.nodes.len()).map(|index| Item { json: &json, index });
        if scanned.suspect
            && let Some(line) = items.find_map(Item::member_twice)
        {
            return Err(JsonError {
                line,
                what: "a member stands twice in one object".to_owned(),
            });
        }
        Ok(json)
    }

    pub(super) fn root(&self) -> Item<'_> {
        Item { json: self, index: 0 }
    }
}

impl<'j> Item<'j> {
    fn node(self) -> Option<&'j JsonNode> {
        self.json.nodes.get(self.index)
    }

    fn text_of(self, node: &JsonNode) -> &'j str {
        let range = node.start as usize..node.end as usize;
        self.json.text.get(range).unwrap_or_default()
    }

    /// A number's text, as written.
    pub(super) fn number(self) -> Option<&'j str> {
        let node = self.node()?;
        (node.kind == JsonKind::Number).then(|| self.text_of(node))
    }

    pub(super) fn is_bool(self) -> bool {
        self.node()
            .is_some_and(|node| matches!(node.kind, JsonKind::Bool(_)))
    }

    pub(super) fn is_text(self) -> bool {
        self.node()
            .is_some_and(|node| matches!(node.kind, JsonKind::Text { .. }))
    }

    /// The line on which it begins.
    pub(super) fn line(self) -> u32 {
        self.node()
            .map_or(1, |node| line_at(self.json.text, node.start as usize))
    }

    /// Members of an object in order, each with the place of its name; `None` for anything else.
    pub(super) fn members(self) -> Option<impl Iterator<Item = (String, Item<'j>, Item<'j>)>> {
        let node = self.node().filter(|node| node.kind == JsonKind::Object)?;
        let (mut at, end) = (self.index + 1, node.next as usize);
        Some(std::iter::from_fn(move || {
            let name = (at < end).then_some(Item { index: at, ..self })?;
            let value = Item {
                index: at + 1,
                ..self
            };
            at = value.node()?.next as usize;
            let mut text = Vec::new();
            json::unescape(self.text_of(name.node()?).as_bytes(), |part| {
                text.extend_from_slice(part)
            });
            Some((String::from_utf8_lossy(&text).into_owned(), name, value))
        }))
    }

    /// The line of the first member whose name an earlier one has.
    fn member_twice(self) -> Option<u32> {
        let mut seen = HashSet::new();
        let twice = self.members()?.find(|(name, ..)| !seen.insert(name.clone()));
        twice.map(|(_, place, _)| place.line())
    }
}

/// From 1.
fn line_at(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    before.iter().filter(|b| **b == b'\n').count() as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn faults_and_members_have_lines() {
        let line = |text: &str| Json::read(text).map_err(|error| error.line).err();
        assert_eq!(line("{\n\"a\": 1\n\"b\": 2}"), Some(3));
        assert_eq!(line("{\"x\": [{\n\"a\": 1,\n\"\\u0061\": 2}]}"), Some(3));
        assert_eq!(line("[{\"a\": 1}, {\"a\": 1}]"), None);
        let json = Json::read("{\n\"a\\n\": {},\n\"b\": 1.0}").unwrap();
        let members: Vec<_> = json.root().members().unwrap().collect();
        let seen: Vec<_> = members
            .iter()
            .map(|(name, at, _)| (name.as_str(), at.line()))
            .collect();
        assert_eq!(seen, [("a\n", 2), ("b", 3)]);
        assert_eq!(members[1].2.number(), Some("1.0"));
    }
}
