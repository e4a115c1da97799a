//! Plans -> words and bytes of an image. Nodes are written so that every edge points forward; equal tables, records and
//! texts are written once.

mod bitmaps;
mod classifiers;
mod entries;
mod maps;
mod nodes;
mod paths;
mod routes;
mod symbols;

use std::collections::HashMap;

use super::{CompileError, CompileOptions, Plan};
use nodes::Nodes;
use portcullis::image::layout::{self, dir};
use portcullis::image::{ENTRY_STEPS_MAX, IMAGE_BYTES_MAX, Image, LoadError, Trust, assemble};

/// Writes the image.
pub(super) fn emit(plan: Plan<'_>, options: &CompileOptions) -> Result<Vec<u8>, CompileError> {
    let Plan {
        policy,
        mut config,
        patterns,
        paths,
        mut vars,
        routes,
        entries: plan,
    } = plan;
    let mut out = Writer {
        words: vec![0; dir::LEN as usize],
        ..Writer::default()
    };
    let labels = entries::labels(&plan, &mut vars);
    let rule = |index: u32| {
        policy
            .rules
            .get(index as usize)
            .map_or_else(String::new, |rule| rule.id.clone())
    };
    if vars.graph.is_full() {
        return Err(CompileError::TooManyNodes {
            rule: rule(0),
            max: options.nodes_max,
        });
    }
    let allow_texts = entries::allow_texts(&plan, &mut config);
    let mut roots = entries::roots(&plan, &labels, options.symbols);
    roots.extend(vars.response_roots());

    let methods = plan.methods.iter().zip(0..).map(|(m, i)| (0, m.as_bytes(), i));
    out.directory(dir::METHODS, plan.methods.len() as u32);
    out.text_map(dir::METHOD_MAP, methods)?;
    out.hosts(policy)?;
    out.part();
    let states = out.routes(&routes)?;
    out.part();
    // Routes name accepts and accepts name entries, which come later: their places are filled in at the end.
    let accepts = out.accepts(&plan)?;
    out.part();
    let nodes = Nodes::write(&mut out, &vars, roots)?;
    out.part();
    out.classifiers(&vars, &nodes)?;
    out.part();
    let entries = out.entries(&plan, &vars, &labels, &allow_texts, &nodes, options.symbols);
    out.part();
    let heads: Vec<u32> = plan.heads.iter().flat_map(|h| [h.0, u32::from(h.2)]).collect();
    out.records(dir::HEADS, dir::HEAD_COUNT, &heads, layout::HEAD);
    let tables: Vec<u32> = patterns.iter().map(|t| out.shared(t.words())).collect();
    out.records(dir::PATTERNS, dir::PATTERN_COUNT, &tables, 1);
    out.part();
    out.paths(&paths)?;
    out.part();
    out.link(&states, &accepts, &entries);

    if out.words.len() * 4 + out.bytes.len() > IMAGE_BYTES_MAX / 2 {
        return Err(CompileError::ImageTooLarge);
    }
    let symbols = options
        .symbols
        .then(|| symbols::section(&plan, &vars, &nodes, &entries));
    let image = assemble(&config, &out.words, &out.bytes, symbols.as_deref());
    // Loading takes a hundredth of compiling, and nobody is handed an image that does not load.
    match Image::load(&image, &Trust::Unsigned) {
        Ok(_) => Ok(image),
        Err(LoadError::Steps { at, steps }) => {
            let entry = entries.iter().position(|entry| *entry == at);
            let first = entry
                .and_then(|i| plan.entries.get(i))
                .map_or(0, |entry| entry.first);
            Err(CompileError::TooManySteps {
                rule: rule(first),
                steps,
                max: ENTRY_STEPS_MAX,
            })
        }
        Err(error) => Err(CompileError::Unsound(error)),
    }
}

/// Context, text and value of an entry of a map.
type TextKey<'k> = (u32, &'k [u8], u32);

#[derive(Default)]
struct Writer {
    words: Vec<u32>,
    bytes: Vec<u8>,
    parts: u32,
    texts: HashMap<Vec<u8>, u32>,
    tables: HashMap<Vec<u32>, u32>,
}

impl Writer {
    fn directory(&mut self, word: u32, value: u32) {
        self.words[word as usize] = value;
    }

    /// Ends a part.
    fn part(&mut self) {
        self.directory(dir::PART_ENDS + self.parts, self.words.len() as u32);
        self.parts += 1;
    }

    fn here(&self) -> u32 {
        self.words.len() as u32
    }

    fn push(&mut self, words: &[u32]) -> u32 {
        let at = self.here();
        self.words.extend_from_slice(words);
        at
    }

    /// The same words are written once.
    fn shared(&mut self, words: Vec<u32>) -> u32 {
        let at = self.here();
        *self.tables.entry(words).or_insert_with_key(|words| {
            self.words.extend_from_slice(words);
            at
        })
    }

    fn records(&mut self, at: u32, count: u32, words: &[u32], size: u32) {
        let start = self.push(words);
        self.directory(at, start);
        self.directory(count, words.len() as u32 / size);
    }

    fn text(&mut self, text: &[u8]) -> (u32, u32) {
        let len = text.len() as u32;
        if let Some(at) = self.texts.get(text) {
            return (*at, len);
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.texts.insert(text.to_vec(), at);
        (at, len)
    }

    /// A text map of context, text and value, named by the directory.
    fn text_map<'k>(
        &mut self,
        word: u32,
        entries: impl Iterator<Item = TextKey<'k>>,
    ) -> Result<(), CompileError> {
        let at = self.text_table(entries)?;
        self.directory(word, at);
        Ok(())
    }

    fn text_table<'k>(&mut self, entries: impl Iterator<Item = TextKey<'k>>) -> Result<u32, CompileError> {
        let key = |(context, text, value)| maps::Key {
            context,
            text,
            at: self.text(text).0,
            value,
        };
        let keys: Vec<maps::Key<'k>> = entries.map(key).collect();
        let table = maps::words(&keys)?;
        Ok(self.shared(table))
    }
}
