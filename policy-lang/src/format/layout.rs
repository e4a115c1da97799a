//! Statements and blocks of words -> lines, with the comments put back by position.
//!
//! An own-line comment stands before the statement it stood before; a trailing one stays at its line's end; one
//! from within a statement moves above it. Blank lines of the author stay, two become one.

use super::words::{Words, glue};
use crate::source::{Span, Spanned};

const WIDTH: usize = 100;
const STEP: usize = 2;

/// A statement: words in groups that prefer to break apart, and maybe a block.
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) head: Vec<Words>,
    pub(super) block: Option<Block>,
}

/// What stands in braces.
pub(super) struct Block {
    /// A byte before the `{` with no string between.
    pub(super) after: u32,
    pub(super) children: Vec<Node>,
    /// Never on one line.
    pub(super) open: bool,
    pub(super) tail: &'static str,
}

/// `WORD WORD..;`
pub(super) fn leaf(span: Span, words: Words) -> Node {
    grouped(span, vec![words])
}

/// Groups of words, and `;`.
pub(super) fn grouped(span: Span, mut head: Vec<Words>) -> Node {
    if let Some(last) = head.last_mut() {
        glue(last, ";");
    }
    Node {
        span,
        head,
        block: None,
    }
}

/// A head and its items in braces.
pub(super) fn block<T>(span: Span, after: u32, head: Vec<Words>, items: &[T], print: fn(&T) -> Node) -> Node {
    Node {
        span,
        head,
        block: Some(Block {
            after,
            children: items.iter().map(print).collect(),
            open: false,
            tail: "",
        }),
    }
}

pub(super) struct Printer<'t> {
    text: &'t str,
    comments: &'t [Spanned<String>],
    next: usize,
    out: String,
    last_end: u32,
    first: bool,
}

impl<'t> Printer<'t> {
    pub(super) fn new(text: &'t str, comments: &'t [Spanned<String>]) -> Printer<'t> {
        Printer {
            text,
            comments,
            next: 0,
            out: String::new(),
            last_end: 0,
            first: true,
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.comments_before(u32::MAX, 0);
        self.out
    }

    fn pending(&self) -> Option<&'t Spanned<String>> {
        self.comments.get(self.next)
    }

    fn gap(&self, from: u32, to: u32) -> &'t str {
        self.text.get(from as usize..to as usize).unwrap_or("")
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn blank(&mut self, start: u32) {
        let lines = self
            .gap(self.last_end, start)
            .bytes()
            .filter(|b| *b == b'\n')
            .count();
        if !self.first && lines > 1 {
            self.out.push('\n');
        }
        self.first = false;
    }

    fn comments_before(&mut self, offset: u32, indent: usize) {
        while let Some(comment) = self.pending().filter(|c| c.span.start < offset) {
            self.blank(comment.span.start);
            self.line(indent, &comment.node);
            self.last_end = comment.span.end;
            self.next += 1;
        }
    }

    fn append(&mut self, comment: &Spanned<String>) {
        self.out.truncate(self.out.trim_end().len());
        self.out.push_str("  ");
        self.out.push_str(&comment.node);
        self.out.push('\n');
        self.last_end = comment.span.end;
        self.next += 1;
    }

    fn trailing(&mut self, end: u32) {
        self.last_end = end;
        if let Some(comment) = self.pending()
            && comment.span.start >= end
            && self
                .gap(end, comment.span.start)
                .bytes()
                .all(|b| b == b' ' || b == b'\t')
        {
            self.append(comment);
        }
    }

    /// The first `{` at or after a byte that stands in no comment.
    fn brace(&self, mut from: u32, end: u32) -> u32 {
        for comment in self.comments.get(self.next..).unwrap_or(&[]) {
            if comment.span.start >= end {
                break;
            }
            if let Some(at) = self.gap(from, comment.span.start).find('{') {
                return from + at as u32;
            }
            from = from.max(comment.span.end);
        }
        self.gap(from, end).find('{').map_or(from, |at| from + at as u32)
    }

    pub(super) fn node(&mut self, node: &Node, indent: usize) {
        self.comments_before(node.span.start, indent);
        self.blank(node.span.start);
        let brace = node.block.as_ref().map(|b| self.brace(b.after, node.span.end));
        let hoist = brace.unwrap_or(node.span.end);
        while let Some(comment) = self.pending().filter(|c| c.span.start < hoist) {
            // Above the statement a doc comment would become its doc.
            let plain = if crate::parse::is_doc(&comment.node) {
                comment.node.get(1..)
            } else {
                None
            };
            self.line(indent, plain.unwrap_or(&comment.node));
            self.next += 1;
        }
        let commented = self.pending().is_some_and(|c| c.span.start < node.span.end);
        match &node.block {
            Some(block) if block.open || commented || !self.inline(node, indent) => {
                self.block(node, block, brace.unwrap_or(node.span.start), indent);
            }
            Some(_) => {}
            None => self.head(&node.head, indent, 0),
        }
        self.trailing(node.span.end);
    }

    fn inline(&mut self, node: &Node, indent: usize) -> bool {
        match one_line(node, WIDTH.saturating_sub(indent)) {
            Some(text) => {
                self.line(indent, &text);
                true
            }
            None => false,
        }
    }

    fn block(&mut self, node: &Node, block: &Block, brace: u32, indent: usize) {
        let before = self.out.len();
        self.head(&node.head, indent, 2);
        let broken = self
            .out
            .get(before..)
            .is_some_and(|t| t.trim_end().contains('\n'));
        if broken {
            self.line(indent, "{");
        } else {
            self.out.truncate(self.out.trim_end().len());
            self.out.push_str(" {\n");
        }
        self.first = true;
        self.trailing(brace + 1);
        self.first = true;
        for child in &block.children {
            self.node(child, indent + STEP);
        }
        self.comments_before(node.span.end, indent + STEP);
        self.first = false;
        self.line(indent, &format!("}}{}", block.tail));
    }

    /// A head on one line if it fits with `spare` columns left, else group by group.
    fn head(&mut self, groups: &[Words], indent: usize, spare: usize) {
        let flat = groups.concat().join(" ");
        if indent + flat.chars().count() + spare <= WIDTH {
            return self.line(indent, &flat);
        }
        for (i, group) in groups.iter().enumerate() {
            let start = if i == 0 { indent } else { indent + STEP };
            let mut margin = start;
            let mut line = String::new();
            for word in group {
                let wide = margin + line.chars().count() + 1 + word.chars().count() > WIDTH;
                if wide && !line.is_empty() {
                    self.line(margin, &line);
                    line.clear();
                    margin = start + 2 * STEP;
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.line(margin, &line);
        }
    }
}

/// The statement on one line, unless it is wider than `width` or wants several.
fn one_line(node: &Node, width: usize) -> Option<String> {
    let mut text = node.head.concat().join(" ");
    if let Some(block) = &node.block {
        if block.open {
            return None;
        }
        text.push_str(" {");
        for child in &block.children {
            if text.len() > 4 * width {
                return None;
            }
            text.push(' ');
            // As deep as blocks nest in the grammar: three levels.
            text.push_str(&one_line(child, width)?);
        }
        text.push_str(" }");
        text.push_str(block.tail);
    }
    (text.chars().count() <= width).then_some(text)
}
