//! `$ref`s -> what they point at, over several files.
//!
//! Knows JSON pointers and files' names, nothing of what a description means. Every walk is bounded: a chain of
//! references by its length, all of them together by a budget.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ImportError;

/// Longest chain of references that point at references.
const CHAIN_MAX: usize = 32;
/// References followed in one import; far above honest descriptions (tens of thousands).
const LOOKUPS_MAX: usize = 500_000;
/// Files one import may open.
const FILES_MAX: usize = 1_000;

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
    files: BTreeMap<String, Value>,
    resolve: &'a mut Resolve<'a>,
    lookups: usize,
}

impl<'a> Documents<'a> {
    pub(super) fn new(root: Value, resolve: &'a mut Resolve<'a>) -> Documents<'a> {
        Documents {
            files: BTreeMap::from([(String::new(), root)]),
            resolve,
            lookups: 0,
        }
    }

    /// The value itself, or what its `$ref` points at in the end.
    pub(super) fn follow(&mut self, value: &Value, place: &Place) -> Result<(Value, Place), ImportError> {
        let (mut value, mut place) = (value.clone(), place.clone());
        for _ in 0..CHAIN_MAX {
            let Some(target) = value.get("$ref") else {
                return Ok((value, place));
            };
            let Some(target) = target.as_str() else {
                return Err(place.error("`$ref` is not a string"));
            };
            (value, place) = self.look_up(target, &place)?;
        }
        Err(place.error(format!(
            "more than {CHAIN_MAX} references in a row: they go in a circle"
        )))
    }

    fn look_up(&mut self, target: &str, from: &Place) -> Result<(Value, Place), ImportError> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Err(from.error(format!("more than {LOOKUPS_MAX} references to follow")));
        }
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() {
            from.file.clone()
        } else {
            beside(&from.file, file).map_err(|p| from.error(p))?
        };
        let pointer = decode(fragment).ok_or_else(|| from.error(format!("`{target}` is not a reference")))?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(from.error(format!(
                "`{target}` names an anchor; only JSON pointers are followed"
            )));
        }
        if !self.files.contains_key(&file) {
            if self.files.len() >= FILES_MAX {
                return Err(from.error(format!("more than {FILES_MAX} files")));
            }
            let document = (self.resolve)(&file)?;
            self.files.insert(file.clone(), document);
        }
        match self.files.get(&file).and_then(|d| d.pointer(&pointer)) {
            Some(value) => Ok((value.clone(), Place { file, pointer })),
            None => Err(from.error(format!("`{target}` points at nothing"))),
        }
    }
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
