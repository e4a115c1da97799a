//! A node of a tape -> its text, members and elements. Knows no claims and no tables.

use alloc::string::String;
use alloc::vec::Vec;

use super::{JsonKind, JsonNode, unescape};

/// A value of a text that was scanned, or a member's name.
#[derive(Clone, Copy, Debug)]
pub struct JsonItem<'t> {
    text: &'t [u8],
    nodes: &'t [JsonNode],
    index: usize,
}

impl<'t> JsonItem<'t> {
    /// The whole value of a text with the nodes that its scan gave.
    pub fn root(text: &'t [u8], nodes: &'t [JsonNode]) -> JsonItem<'t> {
        JsonItem {
            text,
            nodes,
            index: 0,
        }
    }

    fn node(self) -> Option<&'t JsonNode> {
        self.nodes.get(self.index)
    }

    fn at(self, index: usize) -> JsonItem<'t> {
        JsonItem { index, ..self }
    }

    /// What it is; `None` only where the nodes are not those of the text.
    pub fn kind(self) -> Option<JsonKind> {
        self.node().map(|node| node.kind)
    }

    /// Its first byte in the text; of a string the one after its quote.
    pub fn offset(self) -> usize {
        self.node().map_or(0, |node| node.start as usize)
    }

    /// It as written: a string without its quotes, its escapes not decoded.
    pub fn raw(self) -> &'t [u8] {
        let Some(node) = self.node() else { return &[] };
        let start = node.start as usize;
        let end = match node.kind {
            JsonKind::Array | JsonKind::Object => {
                start + container_bytes(self.text.get(start..).unwrap_or_default())
            }
            _ => node.end as usize,
        };
        self.text.get(start..end).unwrap_or_default()
    }

    /// A string, decoded; `None` for anything else.
    pub fn string(self) -> Option<String> {
        if !matches!(self.kind()?, JsonKind::Text { .. }) {
            return None;
        }
        let mut decoded = Vec::new();
        unescape(self.raw(), |part| decoded.extend_from_slice(part));
        String::from_utf8(decoded).ok()
    }

    /// Members of an object, in order; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (String, JsonItem<'t>)> {
        let node = self.node().filter(|node| node.kind == JsonKind::Object);
        let (mut at, end) = (self.index + 1, node.map_or(0, |node| node.next as usize));
        core::iter::from_fn(move || {
            let name = (at < end).then(|| self.at(at))?;
            let value = self.at(at + 1);
            at = value.node()?.next as usize;
            Some((name.string()?, value))
        })
    }

    /// The member of a name, the first if it stands twice; `None` in anything but an object.
    pub fn member(self, name: &str) -> Option<JsonItem<'t>> {
        self.members()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value)
    }

    /// Elements of an array, in order; none of anything else.
    pub fn elements(self) -> impl Iterator<Item = JsonItem<'t>> {
        let node = self.node().filter(|node| node.kind == JsonKind::Array);
        let (mut at, end) = (self.index + 1, node.map_or(0, |node| node.next as usize));
        core::iter::from_fn(move || {
            let element = (at < end).then(|| self.at(at))?;
            at = element.node()?.next as usize;
            Some(element)
        })
    }

    /// The first name that an object of the whole text has twice.
    pub fn member_twice(self) -> Option<String> {
        (0..self.nodes.len()).find_map(|index| {
            let mut names: Vec<String> = self.at(index).members().map(|(name, _)| name).collect();
            names.sort_unstable();
            let twice = names.windows(2).find(|pair| pair.first() == pair.last());
            twice.and_then(|pair| pair.first().cloned())
        })
    }
}

/// Bytes of the container that valid JSON begins with, its brackets included: a node does not hold its end.
fn container_bytes(text: &[u8]) -> usize {
    let (mut open, mut in_text, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => open += 1,
            b'}' | b']' if open == 1 => return at + 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::scan;
    use super::JsonItem;
    use alloc::vec::Vec;

    #[test]
    fn a_tape_is_walked_by_names_and_elements() {
        let text = br#"{"a": {"\u0062": [1, "x\n", {"c]}\"": [null]}]}, "d": true}"#;
        let nodes = scan(text, text.len(), Vec::new()).unwrap().tape;
        let root = JsonItem::root(text, &nodes);
        let list = root.member("a").and_then(|a| a.member("b")).unwrap();
        let items: Vec<_> = list.elements().collect();
        assert_eq!(items[0].raw(), b"1");
        assert_eq!(items[1].string().as_deref(), Some("x\n"));
        assert_eq!(items[2].raw(), br#"{"c]}\"": [null]}"#);
        assert_eq!(items[0].string(), None);
        assert_eq!(root.members().count(), 2);
        assert!(root.member("b").is_none() && root.elements().next().is_none());
        assert_eq!(root.member_twice(), None);
    }

    #[test]
    fn a_member_twice_is_found_at_any_depth() {
        let text = br#"[{"a": 1}, {"b": {"c": 1, "\u0063": 2}}]"#;
        let nodes = scan(text, text.len(), Vec::new()).unwrap().tape;
        assert_eq!(JsonItem::root(text, &nodes).member_twice().as_deref(), Some("c"));
    }
}
