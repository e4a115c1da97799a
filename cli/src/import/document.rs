//! `$ref`s -> what they point at, over several files.
//!
//! Knows JSON pointers and files' names, nothing of what a description means. A reference is relative to the file it
//! stands in. Every walk is bounded: a chain of references by its length, all of them together by a budget. A reference
//! that leads nowhere is an error about its place, which the caller turns into a note; a limit ends the import.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ImportError;

/// Longest chain of references that point at references.
pub(super) const CHAIN_MAX: usize = 32;
/// References followed in one import; far above honest descriptions (tens of thousands).
const LOOKUPS_MAX: usize = 500_000;
/// Files one import may open beside the first one.
pub const FILES_MAX: usize = 5_000;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// File relative to the first one's folder, `/`-separated; `""` is the first one itself.
    pub(super) file: String,
    /// JSON pointer.
    pub(super) pointer: String,
}

impl Place {
    /// The first document's top.
    pub(super) fn root() -> Place {
        Place {
            file: String::new(),
            pointer: String::new(),
        }
    }

    /// A member or element below.
    pub(super) fn at(&self, step: &str) -> Place {
        let step = step.replace('~', "~0").replace('/', "~1");
        Place {
            file: self.file.clone(),
            pointer: format!("{}/{step}", self.pointer),
        }
    }

    /// An error here.
    pub(super) fn error(&self, problem: impl ToString) -> ImportError {
        ImportError::At {
            file: self.file.clone(),
            pointer: self.pointer.clone(),
            problem: problem.to_string(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.file, self.pointer)
    }
}

/// Opens another document by its name relative to the first one's folder.
pub type Resolve<'a> = dyn FnMut(&str) -> Result<Value, ImportError> + 'a;

/// The documents of one import.
pub(super) struct Documents<'a> {
    /// What was opened, or why it could not be.
    files: BTreeMap<String, Result<Value, String>>,
    resolve: &'a mut Resolve<'a>,
    lookups: usize,
}

impl<'a> Documents<'a> {
    pub(super) fn new(root: Value, resolve: &'a mut Resolve<'a>) -> Documents<'a> {
        Documents {
            files: BTreeMap::from([(String::new(), Ok(root))]),
            resolve,
            lookups: 0,
        }
    }

    /// The value itself, or what its `$ref` points at in the end.
    pub(super) fn follow(&mut self, value: &Value, place: &Place) -> Result<(Value, Place), ImportError> {
        let (mut value, mut at) = (value.clone(), place.clone());
        for _ in 0..CHAIN_MAX {
            match self.step(&value, &at)? {
                Some(next) => (value, at) = next,
                None => return Ok((value, at)),
            }
        }
        Err(circle(place))
    }

    /// What the `$ref` of a value points at, which may be a reference again; `None` where there is no `$ref`.
    pub(super) fn step(
        &mut self,
        value: &Value,
        place: &Place,
    ) -> Result<Option<(Value, Place)>, ImportError> {
        let Some(target) = value.get("$ref") else {
            return Ok(None);
        };
        let Some(target) = target.as_str() else {
            return Err(place.error("`$ref` is not a string"));
        };
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() {
            place.file.clone()
        } else {
            beside(&place.file, file).map_err(|p| place.error(p))?
        };
        let pointer =
            decode(fragment).ok_or_else(|| place.error(format!("`{target}` is not a reference")))?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(place.error(format!(
                "`{target}` names an anchor; only JSON pointers are followed"
            )));
        }
        self.look_up(Place { file, pointer }, target, place).map(Some)
    }

    /// The value at a place. A pointer may lead through references: each is replaced by what it points at.
    fn look_up(&mut self, mut to: Place, target: &str, from: &Place) -> Result<(Value, Place), ImportError> {
        for _ in 0..CHAIN_MAX {
            self.lookups += 1;
            if self.lookups > LOOKUPS_MAX {
                return Err(ImportError::Limit {
                    limit: "references to follow",
                    most: LOOKUPS_MAX as u64,
                });
            }
            self.open(&to.file, target, from)?;
            let mut here = match self.files.get(&to.file) {
                Some(Ok(document)) => document,
                _ => return Err(from.error(format!("`{target}` points at nothing"))),
            };
            let mut walked = Place {
                file: to.file.clone(),
                pointer: String::new(),
            };
            let mut steps = to.pointer.split('/').skip(1);
            let mut crossing = None;
            for step in steps.by_ref() {
                let below = format!("/{step}");
                match here.pointer(&below) {
                    Some(value) => {
                        here = value;
                        walked.pointer.push_str(&below);
                    }
                    None => {
                        let reference = here.get("$ref").cloned();
                        crossing = Some((reference, below));
                        break;
                    }
                }
            }
            let Some((reference, mut rest)) = crossing else {
                return Ok((here.clone(), walked));
            };
            for step in steps {
                rest.push('/');
                rest.push_str(step);
            }
            let through = match reference {
                Some(Value::String(through)) => through,
                _ => return Err(from.error(format!("`{target}` points at nothing"))),
            };
            let (file, fragment) = through.split_once('#').unwrap_or((&through, ""));
            if !file.is_empty() {
                walked.file = beside(&walked.file, file).map_err(|p| from.error(p))?;
            }
            let fragment = decode(fragment).filter(|f| f.is_empty() || f.starts_with('/'));
            let Some(fragment) = fragment else {
                return Err(from.error(format!("`{target}` points at nothing")));
            };
            walked.pointer = fragment + &rest;
            to = walked;
        }
        Err(circle(from))
    }

    fn open(&mut self, file: &str, target: &str, from: &Place) -> Result<(), ImportError> {
        if !self.files.contains_key(file) {
            // The first document is one of them.
            if self.files.len() > FILES_MAX {
                return Err(ImportError::Limit {
                    limit: "files beside the first one",
                    most: FILES_MAX as u64,
                });
            }
            let document = match (self.resolve)(file) {
                Ok(document) => Ok(document),
                Err(limit) if limit.is_limit() => return Err(limit),
                Err(error) => Err(error.to_string()),
            };
            self.files.insert(file.to_owned(), document);
        }
        match self.files.get(file) {
            Some(Err(problem)) => Err(from.error(format!("`{target}` cannot be opened: {problem}"))),
            _ => Ok(()),
        }
    }
}

/// The error of a reference that leads to more and more references.
pub(super) fn circle(place: &Place) -> ImportError {
    place.error(format!(
        "more than {CHAIN_MAX} references in a row: they go in a circle"
    ))
}

/// A file named in another one, relative to the first one's folder.
fn beside(from: &str, file: &str) -> Result<String, String> {
    if file.contains("://") || file.starts_with("//") {
        return Err(format!("`{file}` is remote; remote references are not followed"));
    }
    if file.starts_with('/') || file.contains(['\\', ':']) {
        return Err(format!("`{file}` is not a relative path"));
    }
    let file = decode(file).ok_or_else(|| format!("`{file}` is not a path"))?;
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(format!("`{file}` lies outside the document's folder"));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A member that is text; empty where there is none.
pub(super) fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a member that is a list; none where there is none.
pub(super) fn list_of<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Those elements of a list that are texts.
pub(super) fn texts_of<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    list_of(value, key).iter().filter_map(Value::as_str).collect()
}

/// Whether a member is `true`.
pub(super) fn is_true(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

/// Undoes percent-encoding.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
