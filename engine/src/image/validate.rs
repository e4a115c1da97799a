//! Every offset, index and bound of an image, checked once, in time linear in its length. After this a decision
//! reads without failing: maps have an empty slot, edges of graphs point forward, automata stay in their tables.

use super::LoadError;
use super::config::{Amount, Config, HeaderValue, Source};
use super::layout::{self, LEAF, dir, entry, var};
use super::tables::{DFA_HEAD, EMPTY, MAP_HEAD, MAP_SLOT};

type Checked = Result<(), LoadError>;

struct Check<'a> {
    config: &'a Config,
    words: &'a [u32],
    bytes: &'a [u8],
    /// One bit a node offset that starts a node.
    starts: Vec<bool>,
}

pub(super) fn validate(config: &Config, words: &[u32], bytes: &[u8]) -> Checked {
    let mut check = Check {
        config,
        words,
        bytes,
        starts: Vec::new(),
    };
    check.config()?;
    check.range("directory", 0, dir::LEN)?;
    check.vars_and_nodes()?;
    check.routes()?;
    check.entries()
}

fn bad<T>(what: &'static str, at: u32) -> Result<T, LoadError> {
    Err(LoadError::Bounds { what, at })
}

impl Check<'_> {
    fn word(&self, at: u32) -> u32 {
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    fn range(&self, what: &'static str, at: u32, len: u32) -> Checked {
        match at.checked_add(len) {
            Some(end) if end as usize <= self.words.len() => Ok(()),
            _ => bad(what, at),
        }
    }

    /// `count` records of `size` words.
    fn records(&self, what: &'static str, at: u32, count: u32, size: u32) -> Checked {
        self.range(
            what,
            at,
            count.checked_mul(size).map_or_else(|| bad(what, at), Ok)?,
        )
    }

    fn index(&self, what: &'static str, at: u32, index: u32, count: u32) -> Checked {
        if index < count { Ok(()) } else { bad(what, at) }
    }

    fn text(&self, what: &'static str, at: u32, offset: u32, len: u32) -> Checked {
        match offset.checked_add(len) {
            Some(end) if end as usize <= self.bytes.len() => Ok(()),
            _ => bad(what, at),
        }
    }

    fn config(&self) -> Checked {
        let config = self.config;
        let slots = config.sources.len() as u32;
        for (slot, source) in config.sources.iter().enumerate() {
            let (index, count) = match source {
                Source::Claim(i) => (*i, config.claims.len()),
                Source::KeyField(i) => (*i, config.key_fields.len()),
                Source::Context(i) => (*i, config.context.len()),
                Source::Trusted(i) => (*i, config.trusted.len()),
                Source::Cell { table, key, column } => {
                    // A key's slot is smaller, so fetching a cell ends.
                    self.index("cell", *key, *key, slot as u32)?;
                    let columns = config.tables.get(*table as usize).map_or(0, |t| t.columns.len());
                    self.index("cell", *column, *column, columns as u32)?;
                    (*table, config.tables.len())
                }
                _ => continue,
            };
            self.index("fact", slot as u32, index, count as u32)?;
        }
        for issuer in &config.issuers {
            for claim in &issuer.claims {
                self.index("claim", claim.claim, claim.claim, config.claims.len() as u32)?;
            }
        }
        for key_set in &config.keys {
            for (field, _) in &key_set.fields {
                self.index("key field", *field, *field, config.key_fields.len() as u32)?;
            }
        }
        let amount = |amount: &Amount| match amount {
            Amount::Fixed(_) => Ok(()),
            Amount::Fact(slot, _) => self.index("amount", *slot, *slot, slots),
        };
        let limit = |limit: &super::config::Limit| {
            self.index("limit", limit.quota, limit.quota, config.quotas.len() as u32)?;
            limit.cost.as_ref().map_or(Ok(()), amount)
        };
        for quota in &config.quotas {
            amount(&quota.limit)?;
            amount(&quota.cost)?;
            for fact in quota.by.iter().flatten() {
                self.index("quota key", fact.slot, fact.slot, slots)?;
            }
        }
        for service in &config.services {
            service.default_limit.iter().try_for_each(limit)?;
        }
        let patterns = self.word(dir::PATTERN_COUNT);
        for rule in &config.rules {
            rule.body.limits.iter().try_for_each(limit)?;
            for header in &rule.body.headers {
                if let Some(HeaderValue::Fact(slot)) = &header.value {
                    self.index("header value", *slot, *slot, slots)?;
                }
            }
            for field in rule.body.accept_query.iter().flat_map(|a| &a.fields) {
                if let Some(pattern) = field.matches {
                    self.index("query pattern", pattern, pattern, patterns)?;
                }
            }
        }
        for hours in &config.hours {
            if hours.offsets.first().is_none_or(|first| first.0 != i64::MIN) {
                return bad("hours", 0);
            }
        }
        Ok(())
    }

    /// A map: power of two slots, at least one empty, each value below `values`.
    fn map(&self, what: &'static str, at: u32, texts: bool, firsts: u32, values: u32) -> Checked {
        self.range(what, at, MAP_HEAD)?;
        let mask = self.word(at + 1);
        let slots = mask
            .checked_add(1)
            .filter(|n| n.is_power_of_two())
            .map_or_else(|| bad(what, at), Ok)?;
        self.records(what, at + MAP_HEAD, slots, MAP_SLOT)?;
        let mut empty = false;
        for slot in 0..slots {
            let s = at + MAP_HEAD + slot * MAP_SLOT;
            let (first, second, value) = (self.word(s), self.word(s + 1), self.word(s + 2));
            if (if texts { second } else { first }) == EMPTY {
                empty = true;
                continue;
            }
            if texts {
                self.text(what, s, first, second)?;
            } else {
                self.index(what, s, first, firsts)?;
            }
            self.index(what, s, value, values)?;
        }
        if empty { Ok(()) } else { bad(what, at) }
    }

    /// An automaton; gives the number of its accept classes.
    fn dfa(&self, at: u32) -> Result<u32, LoadError> {
        self.range("automaton", at, DFA_HEAD)?;
        let (states, classes, start) = (self.word(at), self.word(at + 1), self.word(at + 2));
        let cells = states
            .checked_mul(classes)
            .map_or_else(|| bad("automaton", at), Ok)?;
        let len = cells
            .checked_add(states)
            .map_or_else(|| bad("automaton", at), Ok)?;
        self.range("automaton", at + DFA_HEAD, len)?;
        self.index("automaton", at + 2, start, states)?;
        for byte in 0..=255u32 {
            let class = self.word(at + 3 + byte / 4).to_le_bytes()[(byte % 4) as usize];
            self.index("automaton", at + 3 + byte / 4, u32::from(class), classes)?;
        }
        for cell in 0..cells {
            self.index(
                "automaton",
                at + DFA_HEAD + cell,
                self.word(at + DFA_HEAD + cell),
                states,
            )?;
        }
        Ok((0..states)
            .map(|s| self.word(at + DFA_HEAD + cells + s))
            .max()
            .unwrap_or(0)
            + 1)
    }

    fn vars_and_nodes(&mut self) -> Checked {
        let (vars, count) = (self.word(dir::VARS), self.word(dir::VAR_COUNT));
        self.records("variables", vars, count, layout::VAR)?;
        let (nodes, end) = (self.word(dir::NODES), self.word(dir::NODES_END));
        self.range(
            "nodes",
            nodes,
            end.checked_sub(nodes).map_or_else(|| bad("nodes", nodes), Ok)?,
        )?;
        self.starts = vec![false; (end - nodes) as usize];
        let mut at = nodes;
        while at < end {
            self.range("node", at, 3)?;
            let arms = self.word(at + 1);
            let len = arms.checked_mul(2).and_then(|n| n.checked_add(3));
            let next = len.and_then(|n| at.checked_add(n)).filter(|next| *next <= end);
            let Some(next) = next else { return bad("node", at) };
            self.index("node", at, self.word(at), count)?;
            self.starts[(at - nodes) as usize] = true;
            at = next;
        }
        let mut at = nodes;
        while at < end {
            let arms = self.word(at + 1);
            for child in
                std::iter::once(self.word(at + 2)).chain((0..arms).map(|i| self.word(at + 4 + 2 * i)))
            {
                self.root(at, child)?;
                if child & LEAF == 0 && child <= at {
                    return bad("node", at);
                }
            }
            at += 3 + 2 * arms;
        }
        for v in 0..count {
            self.var(vars + v * layout::VAR)?;
        }
        let (heads, head_count) = (self.word(dir::HEADS), self.word(dir::HEAD_COUNT));
        self.records("heads", heads, head_count, layout::HEAD)?;
        for head in 0..head_count {
            let at = heads + head * layout::HEAD;
            self.index("head", at, self.word(at), self.config.rules.len() as u32)?;
        }
        let (patterns, pattern_count) = (self.word(dir::PATTERNS), self.word(dir::PATTERN_COUNT));
        self.records("patterns", patterns, pattern_count, 1)?;
        for pattern in 0..pattern_count {
            self.dfa(self.word(patterns + pattern))?;
        }
        Ok(())
    }

    fn root(&self, at: u32, root: u32) -> Checked {
        if root & LEAF != 0 {
            return Ok(());
        }
        let start = root
            .checked_sub(self.word(dir::NODES))
            .and_then(|i| self.starts.get(i as usize));
        if start == Some(&true) {
            Ok(())
        } else {
            bad("graph root", at)
        }
    }

    fn var(&self, at: u32) -> Checked {
        let p = |i: u32| self.word(at + 1 + i);
        let slots = self.config.sources.len() as u32;
        let slot = |i: u32| self.index("variable", at, p(i), slots);
        match self.word(at) {
            var::TEXT => slot(0).and_then(|()| self.map("text class", p(1), true, 0, u32::MAX)),
            var::NUMBER => {
                slot(0)?;
                self.range("thresholds", p(1), 1)?;
                self.records("thresholds", p(1) + 1, self.word(p(1)), 2)
            }
            var::PATTERN => slot(0).and_then(|()| self.dfa(p(1)).map(drop)),
            var::ADDRESS => {
                slot(0)?;
                self.range("ranges", p(1), 1)?;
                self.records("ranges", p(1) + 1, self.word(p(1)), 5)
            }
            var::ELEMENT => slot(0).and_then(|()| self.text("element", at, p(1), p(2))),
            var::KNOWN | var::BOOL | var::EXISTS => slot(0),
            var::ANCHOR | var::PRESENTED | var::VALID => self.index("credential kind", at, p(0), 4),
            var::COMPARE | var::CONTAINS | var::AGE => slot(0).and_then(|()| slot(1)),
            var::LIST => slot(0).and_then(|()| self.index("list", at, p(1), self.config.lists.len() as u32)),
            var::HOURS => {
                slot(0).and_then(|()| self.index("hours", at, p(1), self.config.hours.len() as u32))
            }
            var::SAMPLE => slot(0).and_then(|()| self.text("sample", at, p(1), p(2))),
            var::SUB => self.root(at, p(0)),
            _ => bad("variable kind", at),
        }
    }

    fn routes(&self) -> Checked {
        let w = |at: u32| self.word(at);
        let (groups, bases, states) = (w(dir::GROUP_COUNT), w(dir::BASE_COUNT), w(dir::STATE_COUNT));
        let (services, accepts) = (w(dir::SERVICE_COUNT), w(dir::ACCEPT_COUNT));
        self.map("methods", w(dir::METHOD_MAP), true, 0, w(dir::METHODS))?;
        self.map("hosts", w(dir::HOST_MAP), true, 0, groups)?;
        self.map("segments", w(dir::SEGMENT_MAP), true, 0, u32::MAX)?;
        self.map("bases", w(dir::BASE_EDGES), false, bases, bases)?;
        self.map("routes", w(dir::ROUTE_EDGES), false, states, states)?;
        self.records("groups", w(dir::GROUPS), groups, layout::GROUP)?;
        for group in 0..groups {
            let at = w(dir::GROUPS) + group * layout::GROUP;
            self.index("group", at, w(at + 1), bases)?;
        }
        self.records("bases", w(dir::BASES), bases, 1)?;
        for base in 0..bases {
            self.index(
                "base",
                w(dir::BASES) + base,
                w(w(dir::BASES) + base),
                services + 1,
            )?;
        }
        self.records("states", w(dir::STATES), states, layout::STATE)?;
        self.index("states", dir::STATE_COUNT, 0, states)?;
        for state in 0..states {
            let at = w(dir::STATES) + state * layout::STATE;
            self.index("state", at, w(at), states)?;
            if w(at + 1) != 0 {
                let classes = self.dfa(w(at + 1))?;
                if w(at + 3) < classes {
                    return bad("state", at);
                }
            }
            self.records("state classes", w(at + 2), w(at + 3), 1)?;
            for class in 0..w(at + 3) {
                self.index("state class", w(at + 2) + class, w(w(at + 2) + class), states)?;
            }
            self.index("state", at, w(at + 4), accepts)?;
            self.index("state", at, w(at + 5), accepts)?;
        }
        if services as usize != self.config.services.len() {
            return bad("services", dir::SERVICE_COUNT);
        }
        self.records("services", w(dir::SERVICES), services, layout::SERVICE)?;
        for service in 0..services {
            let at = w(dir::SERVICES) + service * layout::SERVICE;
            self.index("service", at, w(at), states)?;
            self.index("service", at, w(at + 1), accepts)?;
        }
        self.records("accepts", w(dir::ACCEPTS), accepts, layout::KINDS)?;
        for row in 0..accepts * layout::KINDS {
            let at = w(dir::ACCEPTS) + row;
            let methods = w(dir::METHODS)
                .checked_add(1)
                .map_or_else(|| bad("row", at), Ok)?;
            self.records("row", w(at), methods, 1)?;
            for method in 0..methods {
                self.index("row", w(at), w(w(at) + method), w(dir::ENTRY_COUNT))?;
            }
        }
        Ok(())
    }

    fn entries(&self) -> Checked {
        let (entries, count) = (self.word(dir::ENTRIES), self.word(dir::ENTRY_COUNT));
        self.records("entries", entries, count, 1)?;
        let texts = self.config.texts.len() as u32;
        let rules = self.config.rules.len() as u32;
        let mut filters = super::validate_bitmap::Filters::default();
        for e in 0..count {
            let at = self.word(entries + e);
            self.range("entry", at, entry::LEN)?;
            let items = std::array::from_fn(|i| self.word(at + entry::DENY + i as u32));
            filters.entry(
                self.words,
                self.word(at + entry::FILTERS),
                items,
                self.word(dir::VAR_COUNT),
            )?;
            if self.word(at + entry::FALLBACK) == layout::fallback::METHOD {
                self.index("entry", at, self.word(at + entry::ALLOW), texts)?;
            }
            let mut item = at + entry::LEN;
            for (array, size) in (entry::SUBS..entry::FILTERS).zip(entry::ITEM) {
                let n = self.word(at + array);
                self.records("entry", item, n, size)?;
                for _ in 0..n {
                    let first = self.word(item);
                    match array {
                        entry::SUBS => self.index("entry", item, first, self.word(dir::VAR_COUNT))?,
                        // Leaves are bounded where they are read: nodes are shared by graphs with different
                        // leaves, and an unknown head or rule is refused as internal.
                        entry::DENY | entry::GRANT | entry::AGE | entry::SCOPE => self.root(item, first)?,
                        entry::CLOSEST => self.closest(first, rules, texts)?,
                        _ => {
                            self.index("entry", item, first, rules)?;
                            (1..size).try_for_each(|i| self.root(item, self.word(item + i)))?;
                        }
                    }
                    item += size;
                }
            }
        }
        Ok(())
    }

    fn closest(&self, at: u32, rules: u32, texts: u32) -> Checked {
        self.range("explanation", at, 2)?;
        self.index("explanation", at, self.word(at), rules)?;
        let n = self.word(at + 1);
        self.records("explanation", at + 2, n, 3)?;
        for i in 0..n {
            let part = at + 2 + 3 * i;
            let kind = self.word(part);
            if matches!(kind, layout::lack::SCOPE | layout::lack::CONDITION) {
                self.index("explanation", part, self.word(part + 1), texts)?;
            }
            self.root(part, self.word(part + 2))?;
        }
        Ok(())
    }
}
