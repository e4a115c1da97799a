//! Expressions and their like -> words: pieces of text that stand on one line and are joined by single spaces.
//!
//! Invariant: a word never holds a line break, and joining the words by white space of any kind parses to the
//! tree they came from. This module knows no widths, no indentation and no comments.

use crate::ast::*;
use crate::source::Spanned;
use portcullis_base::quote::GateString;

/// Pieces joined by a space or a line break.
pub(super) type Words = Vec<String>;

/// A string literal with its escapes.
pub(super) fn quote(text: &str) -> String {
    GateString(text).to_string()
}

/// Whether a text is a word of the language: usable without quotes.
pub(super) fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Glues `tail` to the last word.
pub(super) fn glue(words: &mut Words, tail: &str) {
    match words.last_mut() {
        Some(last) => last.push_str(tail),
        None => words.push(tail.to_owned()),
    }
}

/// Words after another one.
pub(super) fn prefixed(prefix: &str, words: Words) -> Words {
    let mut out = vec![prefix.to_owned()];
    out.extend(words);
    out
}

/// A word that stays with the first of those that follow.
pub(super) fn led(prefix: &str, mut words: Words) -> Words {
    match words.first_mut() {
        Some(first) => *first = format!("{prefix} {first}"),
        None => words.push(prefix.to_owned()),
    }
    words
}

/// `a, b, c`
pub(super) fn list<T>(items: &[T], mut print: impl FnMut(&T) -> Words) -> Words {
    let mut words = Words::new();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            glue(&mut words, ",");
        }
        words.extend(print(item));
    }
    words
}

/// `"a", "b"`
pub(super) fn texts(items: &[Text]) -> Words {
    list(items, |t| vec![quote(&t.node)])
}

/// `a, b`, as written.
pub(super) fn plain(items: &[Spanned<String>]) -> Words {
    list(items, |t| vec![t.node.clone()])
}

/// A literal.
pub(super) fn literal(value: &Literal) -> Words {
    match value {
        Literal::Bool(b) => vec![b.to_string()],
        Literal::Int(t) | Literal::Number(t) | Literal::Instant(t) => vec![t.clone()],
        Literal::String(t) => vec![quote(t)],
        Literal::Duration(d) => vec![d.text.clone()],
        Literal::List(items) => literals(items),
    }
}

/// `[a, b]`
pub(super) fn literals(items: &[Spanned<Literal>]) -> Words {
    let mut words = list(items, |l| literal(&l.node));
    match words.first_mut() {
        Some(first) => first.insert(0, '['),
        None => words.push("[".to_owned()),
    }
    glue(&mut words, "]");
    words
}

/// A fact, always one word.
pub(super) fn fact(fact: &FactRef) -> String {
    let mut out = String::new();
    for part in &fact.parts {
        match part {
            FactPart::Name(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&name.node);
            }
            FactPart::Index(text) => out.push_str(&format!("[{}]", quote(&text.node))),
            FactPart::IndexFact(inner) => out.push_str(&format!("[{}]", self::fact(inner))),
        }
    }
    out
}

fn operand(operand: &OperandExpr) -> Words {
    match operand {
        OperandExpr::Fact(f) => vec![fact(f)],
        OperandExpr::Literal(l) => literal(&l.node),
    }
}

fn join(parts: &[Expr], word: &str) -> Words {
    let mut words = Words::new();
    for (i, part) in parts.iter().enumerate() {
        let mut next = expr(part).into_iter();
        if i > 0 {
            // The operator stays with what follows it, so that a broken line starts with it.
            words.push(format!("{word} {}", next.next().unwrap_or_default()));
        }
        words.extend(next);
    }
    words
}

/// A condition.
pub(super) fn expr(e: &Expr) -> Words {
    let mut words = Words::new();
    match &e.kind {
        ExprKind::Or(parts) => words = join(parts, "or"),
        ExprKind::And(parts) => words = join(parts, "and"),
        ExprKind::Not(inner) => words = led("not", expr(inner)),
        ExprKind::Paren(inner) => {
            words = expr(inner);
            if let Some(first) = words.first_mut() {
                first.insert(0, '(');
            }
            glue(&mut words, ")");
        }
        ExprKind::Name(f) => words.push(fact(f)),
        ExprKind::From(kind, name) => words.push(format!("{} from {}", kind.node, name.node)),
        ExprKind::SignedBy(name) => words.push(format!("signed by {}", name.node)),
        ExprKind::Exists(f) => words.push(format!("exists {}", fact(f))),
        ExprKind::Compare(a, op, b, ignore_case) => {
            words.extend(operand(a));
            glue(&mut words, " ");
            glue(&mut words, &op.node);
            words.extend(operand(b));
            if *ignore_case {
                words.push("ignore case".to_owned());
            }
        }
        ExprKind::In(a, b) => {
            words.extend(operand(a));
            glue(&mut words, " in");
            words.extend(operand(b));
        }
        ExprKind::Sample(f, percent, name) => {
            words.push(format!(
                "{} in {}% of {}",
                fact(f),
                percent.node,
                quote(&name.node)
            ));
        }
        ExprKind::Has(f, any, items) => {
            words.push(format!("{} has {}", fact(f), if *any { "any" } else { "all" }));
            words.extend(literals(items));
        }
        ExprKind::Like(f, glob) => words.push(format!("{} like {}", fact(f), quote(&glob.node))),
        ExprKind::Matches(f, regex) => words.push(format!("{} matches '{}'", fact(f), regex.node)),
    }
    words
}

/// `5`, `FACT at most 10`
pub(super) fn amount(a: &AmountExpr) -> String {
    match a {
        AmountExpr::Int(text) => text.clone(),
        AmountExpr::Fact(f, None) => fact(f),
        AmountExpr::Fact(f, Some(most)) => format!("{} at most {}", fact(f), most.node),
    }
}

/// `token.sub else client.ip/48, token.tenant`
pub(super) fn keys(keys: &[KeyExpr]) -> Words {
    list(keys, |key| {
        let mut words = Words::new();
        for (i, (f, prefix)) in key.facts.iter().enumerate() {
            let other = if i > 0 { "else " } else { "" };
            let prefix = prefix
                .as_ref()
                .map_or_else(String::new, |p| format!("/{}", p.node));
            words.push(format!("{other}{}{prefix}", fact(f)));
        }
        words
    })
}

/// A quota without its name.
pub(super) fn quota(q: &QuotaSpec) -> Vec<Words> {
    let limit = amount(&q.limit.node);
    let first = match &q.period {
        PeriodExpr::Per(d, burst) => {
            let mut words = vec![limit, format!("per {}", d.node.text)];
            words.extend(burst.iter().map(|b| format!("burst {}", b.node)));
            words
        }
        PeriodExpr::Calendar(unit, zone) => {
            vec![
                limit,
                format!("per calendar {} in {}", unit.node, quote(&zone.node)),
            ]
        }
        PeriodExpr::InFlight => vec![format!("at most {limit} in flight")],
    };
    let mut groups = vec![first, led("by", keys(&q.by))];
    let mut rest = Words::new();
    rest.extend(q.cost.iter().map(|c| format!("cost {}", amount(&c.node))));
    rest.extend(q.shared.then(|| "shared".to_owned()));
    rest.extend(
        q.on_store_failure
            .iter()
            .map(|n| format!("on store failure {}", n.node)),
    );
    rest.extend(q.counting_denied.then(|| "counting denied".to_owned()));
    if !rest.is_empty() {
        groups.push(rest);
    }
    groups
}

/// A path, quoted where it was.
pub(super) fn path(p: &Path) -> String {
    if p.quoted { quote(&p.text) } else { p.text.clone() }
}

/// Names with a text between them.
pub(super) fn names(names: &[Name], between: &str) -> String {
    let names: Vec<&str> = names.iter().map(|n| n.node.as_str()).collect();
    names.join(between)
}

/// One target.
pub(super) fn target(t: &Target) -> Words {
    vec![match &t.kind {
        TargetExpr::Path(methods, p) if methods.is_empty() => path(&p.node),
        TargetExpr::Path(methods, p) => format!("{} {}", names(methods, "|"), path(&p.node)),
        TargetExpr::Routes(methods, name) if methods.is_empty() => name.node.clone(),
        TargetExpr::Routes(methods, name) => format!("{} {}", names(methods, "|"), name.node),
        TargetExpr::WebSocket(p) => format!("websocket {}", path(&p.node)),
        TargetExpr::Grpc(text) => format!("grpc {}", text.node),
        TargetExpr::NoPath(method) => format!("{} *", method.node),
        TargetExpr::Operation(kind, rest) => format!("{} {rest}", kind.node),
    }]
}
