//! What a verdict needs of each rule beside its graphs, as one flat table: a record of three words a rule, one pool of
//! texts, and the parts that rules share. Loading copies the table in bulk; nothing is allocated for a rule.

use portcullis_base::CredentialKinds;
use std::collections::HashMap;

use super::LoadError;
use super::config::Body;

/// A rule, borrowed from its table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule<'r> {
    /// Id.
    pub id: &'r str,
    /// `because`
    pub message: Option<&'r str>,
    /// `respond`: location.
    pub location: Option<&'r str>,
    /// `respond`: Retry-After, seconds.
    pub retry_after_s: Option<u64>,
    /// Required scopes, sorted, joined by spaces.
    pub scopes: &'r str,
    /// Required acr.
    pub acr: Option<&'r str>,
    /// Required freshness, µs.
    pub max_age_us: Option<i64>,
    /// Credential kinds that it reads.
    pub kinds: CredentialKinds,
    /// What binds with it.
    pub body: &'r Body,
}

/// A rule before it becomes part of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleDecl {
    /// Id.
    pub id: String,
    /// `because`
    pub message: Option<String>,
    /// `respond`: location.
    pub location: Option<String>,
    /// `respond`: Retry-After, seconds.
    pub retry_after_s: Option<u64>,
    /// Required scopes, sorted.
    pub scopes: Vec<String>,
    /// Required acr.
    pub acr: Option<String>,
    /// Required freshness, µs.
    pub max_age_us: Option<i64>,
    /// Credential kinds that it reads.
    pub kinds: CredentialKinds,
    /// What binds with it.
    pub body: Body,
}

/// What a denial answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// `because`
    pub message: Option<String>,
    /// `respond`: location.
    pub location: Option<String>,
    /// `respond`: Retry-After, seconds.
    pub retry_after_s: Option<u64>,
}

/// What many rules have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Index of the answer.
    pub answer: u32,
    /// Required acr.
    pub acr: Option<String>,
    /// Required freshness, µs.
    pub max_age_us: Option<i64>,
    /// Credential kinds that it reads.
    pub kinds: CredentialKinds,
    /// Index of the body.
    pub body: u32,
}

/// Words of a record: end of the id in the pool, scopes, profile.
const RECORD: usize = 3;
/// Words of the section before its records: rules, texts of scopes, where ids end in the pool.
const HEAD: usize = 3;

/// All rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub(super) answers: Vec<Answer>,
    pub(super) bodies: Vec<Body>,
    pub(super) profiles: Vec<Profile>,
    /// [`RECORD`] words a rule.
    records: Vec<u32>,
    /// Where the texts of scopes end in the pool.
    scopes: Vec<u32>,
    /// Where ids end and scopes begin.
    ids_end: u32,
    /// Ids in order, then texts of scopes.
    pool: String,
}

impl Rules {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The id of the rule of an index.
    #[inline]
    pub fn id(&self, index: usize) -> Option<&str> {
        let at = index.checked_mul(RECORD)?;
        let start = at
            .checked_sub(RECORD)
            .and_then(|before| self.records.get(before))
            .copied();
        let end = *self.records.get(at)?;
        self.pool.get(start.unwrap_or(0) as usize..end as usize)
    }

    /// The rule of an index.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Rule<'_>> {
        let at = index.checked_mul(RECORD)?;
        let &[_, scopes, profile] = self.records.get(at..at + RECORD)? else {
            return None;
        };
        let profile = self.profiles.get(profile as usize)?;
        let answer = self.answers.get(profile.answer as usize)?;
        Some(Rule {
            id: self.id(index)?,
            message: answer.message.as_deref(),
            location: answer.location.as_deref(),
            retry_after_s: answer.retry_after_s,
            scopes: self.scopes_text(scopes)?,
            acr: profile.acr.as_deref(),
            max_age_us: profile.max_age_us,
            kinds: profile.kinds,
            body: self.bodies.get(profile.body as usize)?,
        })
    }

    fn scopes_text(&self, index: u32) -> Option<&str> {
        let end = *self.scopes.get(index as usize)?;
        let before = index.checked_sub(1).and_then(|i| self.scopes.get(i as usize));
        self.pool
            .get(before.copied().unwrap_or(self.ids_end) as usize..end as usize)
    }

    /// All rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// Distinct bodies.
    pub fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    /// A table of rules, which are sorted by id; equal answers, bodies and scopes are kept once.
    pub fn of(decls: Vec<RuleDecl>) -> Rules {
        let mut rules = Rules::default();
        let (mut answers, mut bodies, mut profiles) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut texts: HashMap<String, u32> = HashMap::new();
        let mut pool = String::new();
        for decl in decls {
            let joined = decl.scopes.join(" ");
            let next = texts.len() as u32;
            let scopes = *texts.entry(joined).or_insert_with_key(|text| {
                pool.push_str(text);
                rules.scopes.push(pool.len() as u32);
                next
            });
            let answer = Answer {
                message: decl.message,
                location: decl.location,
                retry_after_s: decl.retry_after_s,
            };
            let answer = intern(&mut rules.answers, &mut answers, answer);
            let body = intern(&mut rules.bodies, &mut bodies, decl.body);
            let profile = Profile {
                answer,
                acr: decl.acr,
                max_age_us: decl.max_age_us,
                kinds: decl.kinds,
                body,
            };
            let profile = intern(&mut rules.profiles, &mut profiles, profile);
            rules.pool.push_str(&decl.id);
            rules.records.extend([rules.pool.len() as u32, scopes, profile]);
        }
        rules.ids_end = rules.pool.len() as u32;
        rules.scopes.iter_mut().for_each(|end| *end += rules.ids_end);
        rules.pool.push_str(&pool);
        rules
    }

    /// The section: head, records, ends of scopes, pool.
    pub(super) fn section(&self) -> Vec<u8> {
        let head = [self.len() as u32, self.scopes.len() as u32, self.ids_end];
        let words = head.iter().chain(&self.records).chain(&self.scopes);
        let mut out: Vec<u8> = words.flat_map(|w| w.to_le_bytes()).collect();
        out.extend_from_slice(self.pool.as_bytes());
        out
    }

    /// Takes the section in, and checks it: linear, without an allocation a rule.
    pub(super) fn fill(&mut self, section: &[u8]) -> Result<(), LoadError> {
        let bad = |what, at: usize| LoadError::Bounds { what, at: at as u32 };
        let (head, rest) = section
            .split_at_checked(4 * HEAD)
            .ok_or_else(|| bad("rules", 0))?;
        let head = super::to_words(head);
        let &[count, scopes, ids_end] = head.as_slice() else {
            return Err(bad("rules", 0));
        };
        let records = (count as usize).checked_mul(4 * RECORD);
        let (records, rest) = records
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| bad("rules", 0))?;
        let (scopes, pool) = (scopes as usize)
            .checked_mul(4)
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| bad("rules", 1))?;
        self.records = super::to_words(records);
        self.scopes = super::to_words(scopes);
        self.ids_end = ids_end;
        self.pool = String::from_utf8(pool.to_vec()).map_err(|_| bad("rules' texts", 2))?;

        let boundary = |before: u32, end: u32| before <= end && self.pool.is_char_boundary(end as usize);
        let mut before = 0;
        for (i, record) in self.records.chunks_exact(RECORD).enumerate() {
            let &[end, scopes, profile] = record else {
                return Err(bad("rule", HEAD + RECORD * i));
            };
            let known = scopes < self.scopes.len() as u32 && profile < self.profiles.len() as u32;
            if !boundary(before, end) || end > ids_end || !known {
                return Err(bad("rule", HEAD + RECORD * i));
            }
            before = end;
        }
        if before != ids_end {
            return Err(bad("rules", 2));
        }
        for (i, end) in self.scopes.iter().enumerate() {
            if !boundary(before, *end) {
                return Err(bad("scopes", i));
            }
            before = *end;
        }
        if before as usize != self.pool.len() {
            return Err(bad("rules' texts", 2));
        }
        for (i, profile) in self.profiles.iter().enumerate() {
            let known =
                (profile.answer as usize) < self.answers.len() && (profile.body as usize) < self.bodies.len();
            if !known {
                return Err(bad("profile", i));
            }
        }
        Ok(())
    }
}

/// The index of an item that is kept once; items are compared as they are written.
fn intern<T: super::wire::Wire>(all: &mut Vec<T>, known: &mut HashMap<Vec<u8>, u32>, item: T) -> u32 {
    let mut key = Vec::new();
    item.write(&mut key);
    *known.entry(key).or_insert_with(|| {
        all.push(item);
        all.len() as u32 - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_share_is_kept_once_and_what_they_own_is_found() {
        let decl = |id: &str, scopes: &[&str]| RuleDecl {
            id: id.into(),
            scopes: scopes.iter().map(|s| s.to_string()).collect(),
            kinds: CredentialKinds::from_bits(1),
            ..RuleDecl::default()
        };
        let rules = Rules::of(vec![
            decl("ä", &["x", "y"]),
            decl("b", &[]),
            decl("c", &["x", "y"]),
        ]);
        let seen: Vec<_> = rules.iter().map(|r| (r.id, r.scopes, r.kinds.bits())).collect();
        assert_eq!(seen, [("ä", "x y", 1), ("b", "", 1), ("c", "x y", 1)]);
        assert_eq!(
            (rules.profiles.len(), rules.bodies.len(), rules.scopes.len()),
            (1, 1, 2)
        );
        assert_eq!(rules.get(3), None);
    }
}
