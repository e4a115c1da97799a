//! JSON text -> facts by path: what the scanner of the base crate finds, kept in the decision's arena. Knows no claims and
//! no context.

use super::text;
use super::{Arena, List};
use portcullis_base::json::{self as base, JsonKind, JsonNode, JsonTape, hash};

#[cfg(test)]
mod tests;

pub(crate) use portcullis_base::json::JsonFault;

/// Nodes that lie in the arena.
struct ArenaTape<'a> {
    nodes: List<'a, JsonNode>,
    arena: &'a Arena,
}

impl JsonTape for ArenaTape<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    fn push(&mut self, node: JsonNode) {
        self.nodes.push(node);
    }

    #[inline]
    fn get_mut(&mut self, index: usize) -> Option<&mut JsonNode> {
        self.nodes.get_mut(index)
    }

    fn hash_escaped(&self, raw: &[u8]) -> u32 {
        hash(unescape(raw, self.arena))
    }
}

/// A validated document.
#[derive(Clone, Debug)]
pub(crate) struct Json<'a> {
    text: &'a [u8],
    nodes: &'a [JsonNode],
    /// Some member may be given twice: names were met whose marks were met before, or that were not marked.
    suspect: bool,
    arena: &'a Arena,
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'j, 'a> {
    json: &'j Json<'a>,
    index: usize,
}

/// What an object holds under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member<'j, 'a> {
    /// Nothing.
    Absent,
    /// One value.
    Once(Item<'j, 'a>),
    /// Several.
    Twice,
}

impl<'a> Json<'a> {
    /// Reads an object; no text is `{}`, and what is no object is `None`.
    pub(crate) fn object_or_none(text: &'a [u8], max_bytes: usize, arena: &'a Arena) -> Option<Json<'a>> {
        let text = if text.is_empty() { b"{}" } else { text };
        Json::parse(text, max_bytes, arena)
            .ok()
            .filter(|json| json.object().is_some())
    }

    /// Validates `text` of at most `max_bytes`.
    pub(crate) fn parse(text: &'a [u8], max_bytes: usize, arena: &'a Arena) -> Result<Json<'a>, JsonFault> {
        Json::parse_watching(text, max_bytes, b"", arena).map(|(json, _)| json)
    }

    /// The same, and whether the outermost object may have a member `name`; if not, it has none. Costs less than looking.
    #[cfg_attr(not(target_family = "wasm"), inline)]
    pub(crate) fn parse_watching(
        text: &'a [u8],
        max_bytes: usize,
        name: &[u8],
        arena: &'a Arena,
    ) -> Result<(Json<'a>, bool), JsonFault> {
        let tape = ArenaTape {
            // About one node for eight bytes; a denser text lets it grow.
            nodes: List::with_capacity_in(text.len() / 8 + 2, arena),
            arena,
        };
        let scanned = base::scan(text, max_bytes, tape)?;
        let json = Json {
            text,
            nodes: scanned.tape.nodes.into_bump_slice(),
            suspect: scanned.suspect,
            arena,
        };
        Ok((json, scanned.names.may_hold(name)))
    }

    /// The document's value, if it is an object.
    pub(crate) fn object(&self) -> Option<Item<'_, 'a>> {
        let root = Item { json: self, index: 0 };
        (root.node()?.kind == JsonKind::Object).then_some(root)
    }

    /// Whether any object has a member name twice (escapes decoded).
    pub(crate) fn has_duplicate_members(&self) -> bool {
        self.suspect
            && self.nodes.iter().enumerate().any(|(index, node)| {
                let object = Item { json: self, index };
                node.kind == JsonKind::Object && object.has_member_twice()
            })
    }

    fn string(&self, node: &JsonNode) -> Option<&'a [u8]> {
        match node.kind {
            JsonKind::Text { plain: true } => Some(self.slice(node)),
            JsonKind::Text { plain: false } => Some(unescape(self.slice(node), self.arena)),
            _ => None,
        }
    }

    fn slice(&self, node: &JsonNode) -> &'a [u8] {
        self.text
            .get(node.start as usize..node.end as usize)
            .unwrap_or_default()
    }
}

impl<'j, 'a> Item<'j, 'a> {
    fn node(&self) -> Option<&'j JsonNode> {
        self.json.nodes.get(self.index)
    }

    fn is(&self, kind: JsonKind) -> bool {
        self.node().is_some_and(|node| node.kind == kind)
    }

    fn at(self, index: usize) -> Item<'j, 'a> {
        Item {
            json: self.json,
            index,
        }
    }

    /// Names of an object's members, in order; each value stands right behind its name. None of anything else.
    fn names(self) -> impl Iterator<Item = (&'j JsonNode, Item<'j, 'a>)> {
        let (mut at, end) = match self.node() {
            Some(node) if node.kind == JsonKind::Object => (self.index + 1, node.next as usize),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let name = self.json.nodes.get(at)?;
            let value = self.at(at + 1);
            at = value.node()?.next as usize;
            Some((name, value))
        })
    }

    /// Members of an object in order; none of anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'a [u8], Item<'j, 'a>)> {
        self.names()
            .filter_map(move |(name, value)| Some((self.json.string(name)?, value)))
    }

    /// What is under a name.
    pub(crate) fn member(self, name: &[u8]) -> Member<'j, 'a> {
        let hash = hash(name);
        let mut found = self
            .names()
            .filter(|(given, _)| given.next == hash && self.json.string(given) == Some(name));
        match (found.next(), found.next()) {
            (None, _) => Member::Absent,
            (Some((_, value)), None) => Member::Once(value),
            (Some(_), Some(_)) => Member::Twice,
        }
    }

    fn has_member_twice(self) -> bool {
        let mut first = [0; PAIRWISE_MAX];
        let mut count = 0;
        for (name, _) in self.names() {
            let Some(place) = first.get_mut(count) else {
                return self.has_member_twice_sorted();
            };
            *place = name.next;
            count += 1;
        }
        let hashes = first.get(..count).unwrap_or_default();
        let equal = |(at, hash): (usize, &u32)| hashes.get(..at).is_some_and(|h| h.contains(hash));
        // Equal hashes are as good as never honest; then the names decide.
        hashes.iter().enumerate().any(equal) && self.has_member_twice_sorted()
    }

    fn has_member_twice_sorted(self) -> bool {
        let mut names = List::new_in(self.json.arena);
        names.extend(self.members().map(|(name, _)| name));
        crate::value::order::sort(&mut names);
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.is(JsonKind::Object)
    }

    /// A bool.
    pub(crate) fn bool(self) -> Option<bool> {
        match self.node()?.kind {
            JsonKind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An integer without fraction and exponent, in i64.
    pub(crate) fn int(self) -> Option<i64> {
        text::int(self.number()?)
    }

    /// A number's text.
    pub(crate) fn number(self) -> Option<&'a [u8]> {
        let node = self.node().filter(|node| node.kind == JsonKind::Number)?;
        Some(self.json.slice(node))
    }

    /// A string.
    pub(crate) fn string(self) -> Option<&'a [u8]> {
        self.json.string(self.node()?)
    }

    /// Elements of an array in order; `None` for anything else.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Item<'j, 'a>>> {
        let node = self.node().filter(|node| node.kind == JsonKind::Array)?;
        let (mut at, end) = (self.index + 1, node.next as usize);
        Some(std::iter::from_fn(move || {
            let element = (at < end).then(|| self.at(at))?;
            at = element.node()?.next as usize;
            Some(element)
        }))
    }

    /// An array of nothing but strings.
    pub(crate) fn strings(self) -> Option<&'a [&'a [u8]]> {
        let inside = self
            .node()
            .map_or(0, |node| (node.next as usize).saturating_sub(self.index));
        // At most so many elements as nodes.
        let mut strings = List::with_capacity_in(inside, self.json.arena);
        for element in self.elements()? {
            strings.push(element.string()?);
        }
        Some(strings.into_bump_slice())
    }
}

/// Members up to which comparing each with each costs less than sorting them.
const PAIRWISE_MAX: usize = 24;

/// Decodes escapes of validated text.
fn unescape<'a>(raw: &[u8], arena: &'a Arena) -> &'a [u8] {
    let mut out = List::with_capacity_in(raw.len(), arena);
    base::unescape(raw, |part| out.extend_from_slice_copy(part));
    out.into_bump_slice()
}
