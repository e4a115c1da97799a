//! A failed parse -> a sentence: what was expected, what stands there, and the way out.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::cut::{Level, Stream, starters};
use super::{RESERVED, Rule};
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

/// More alternatives than this confuse more than they help.
const SHOWN_MAX: usize = 6;

/// What a rule is called in front of people.
fn phrase(rule: Rule) -> String {
    let name = format!("{rule:?}");
    if let Some(word) = name.strip_prefix("k_") {
        let word = match word {
            "client_ip" => "client.ip",
            "string_type" => "string",
            word => word,
        };
        return format!("`{word}`");
    }
    let text = match rule {
        Rule::p_semi => "`;`",
        Rule::p_comma => "`,`",
        Rule::p_colon => "`:`",
        Rule::p_equals => "`=`",
        Rule::p_open | Rule::rule_body | Rule::members | Rule::fields | Rule::raw_block | Rule::raw_open => {
            "`{`"
        }
        Rule::p_close | Rule::raw_close => "`}`",
        Rule::p_lparen => "`(`",
        Rule::p_rparen => "`)`",
        Rule::p_percent => "`%`",
        Rule::p_pipe => "`|`",
        Rule::p_range => "`..`",
        Rule::p_same => "`==`",
        Rule::p_star => "`*`",
        Rule::EOI => "the end of the statement",
        Rule::name | Rule::routes_target | Rule::given_persona | Rule::limit_named => "a name",
        Rule::word | Rule::word_part | Rule::member_step | Rule::dotted => "a word",
        Rule::principal_name | Rule::principals => "a principal's name",
        Rule::string | Rule::strings => "a string in double quotes",
        Rule::regex => "a regex in single quotes",
        Rule::instant => "an instant such as `2026-12-31T00:00:00Z`",
        Rule::duration => "a duration such as `30s`",
        Rule::size => "a size such as `16KiB`",
        Rule::number | Rule::int | Rule::count | Rule::bound | Rule::status | Rule::prefix_bits => "a number",
        Rule::percent | Rule::sample => "a percentage",
        Rule::literal | Rule::literal_list | Rule::boolean | Rule::default => "a value",
        Rule::net | Rule::nets => "a network such as `10.0.0.0/8`",
        Rule::json_path | Rule::json_paths | Rule::json_step => "a JSON path",
        Rule::bare_path | Rule::path | Rule::path_target => "a path",
        Rule::condition
        | Rule::and_chain
        | Rule::negated
        | Rule::negation
        | Rule::literal_test
        | Rule::fact_test
        | Rule::anchor
        | Rule::exists
        | Rule::signed
        | Rule::paren => "a condition",
        Rule::fact | Rule::fact_head | Rule::operand => "a fact or a value",
        Rule::compare | Rule::compare_op => "a comparison",
        Rule::member => "`in`",
        Rule::has => "`has`",
        Rule::like => "`like`",
        Rule::matches => "`matches`",
        Rule::ignore_case => "`ignore case`",
        Rule::method | Rule::methods | Rule::addressed | Rule::no_path => "a method",
        Rule::target | Rule::targets => "a method and a path",
        Rule::websocket => "`websocket`",
        Rule::grpc => "`grpc`",
        Rule::grpc_path => "a gRPC method such as `shop.Orders/Get`",
        Rule::operation | Rule::operation_kind => "an operation",
        Rule::amount | Rule::rate | Rule::quota_spec => "a number or a fact",
        Rule::key_list | Rule::key_expr | Rule::key_part => "a fact to count by",
        Rule::type_name => "a type",
        Rule::day | Rule::days | Rule::hours_range => "a day such as `mon`",
        Rule::time => "a time such as `08:00`",
        Rule::keep_end => "`first` or `last`",
        Rule::effect => "`allow`, `deny` or `answer`",
        Rule::reason => "a reason",
        Rule::rule_id => "a rule's id",
        Rule::accept_kind => "`body`, `query`, `form` or `type`",
        Rule::accept_field => "a field",
        Rule::optional => "`?`",
        Rule::direction => "`request` or `response`",
        Rule::credential_kind | Rule::credential | Rule::credential_full => "`token`, `key` or `peer`",
        Rule::field_decl => "a field",
        Rule::member_line => "a member",
        Rule::mark => "a mark",
        _ => return format!("`{}`", name.replace('_', " ")),
    };
    text.to_owned()
}

/// Rules that pest names in place of the words they start with, and those words.
fn first_words(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::body_line => &[
            "limit",
            "redact",
            "accept",
            "require",
            "set",
            "drop",
            "tag",
            "public",
            "deprecated",
            "sunset",
        ],
        Rule::redact_line => &["drop", "replace", "hash", "mask", "truncate", "only"],
        Rule::head_clause => &["with", "when", "unless", "because", "respond", "as"],
        Rule::issuer_clause => &[
            "url",
            "audience",
            "algorithms",
            "keys",
            "leeway",
            "from",
            "secret",
            "verified",
            "scopes",
            "scope",
            "claims",
            "type",
            "max",
            "bound",
            "opaque",
            "no",
            "beside",
        ],
        Rule::keys_clause => &["header", "cookie", "file", "secret", "fields"],
        Rule::signature_clause => &["header", "hmac", "over", "secret", "timestamp"],
        Rule::trust_clause => &["proxies", "header"],
        Rule::cors_clause => &["origins", "methods", "headers", "credentials", "max"],
        Rule::quota_option => &["cost", "shared", "on", "counting"],
        Rule::accept_option => &["max", "depth", "strip"],
        Rule::requirement => &["scope", "acr", "max"],
        Rule::field_limit => &["min", "max", "in", "matches", "items", "keys"],
        _ => &[],
    }
}

fn enumerate(mut items: Vec<String>) -> String {
    items.dedup();
    let more = items.len() > SHOWN_MAX;
    items.truncate(SHOWN_MAX);
    match (items.pop(), items.is_empty()) {
        (None, _) => "something else".to_owned(),
        (Some(only), true) => only,
        (Some(last), false) if more => format!("{}, {last}, ..", items.join(", ")),
        (Some(last), false) => format!("{} or {last}", items.join(", ")),
    }
}

/// The nearest of some words, if it is near enough to be meant.
fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let near = words.map(|w| (strsim::damerau_levenshtein(word, w), w)).min();
    near.filter(|(distance, w)| *distance > 0 && *distance <= 1 + w.len() / 4)
        .map(|(_, w)| w)
}

fn is_word(text: &str) -> bool {
    // Longer words are no misspellings, and comparing them takes quadratic time.
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    format!("`{short}`")
}

/// The complaint of a failed parse of the statement that spans `whole`.
pub(super) fn syntax(error: &Error<Rule>, stream: Stream<'_>, whole: Span) -> Diagnostic {
    let offset = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => whole.start.saturating_add(at as u32),
    };
    let rules: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut wanted: Vec<String> = Vec::new();
    for wanted_rule in rules {
        match first_words(*wanted_rule) {
            [] => wanted.push(phrase(*wanted_rule)),
            words => wanted.extend(words.iter().map(|w| format!("`{w}`"))),
        }
    }
    wanted.sort();
    wanted.dedup();
    let token = stream.at(offset).filter(|t| t.start < whole.end);
    let (span, found) = match token {
        Some(token) => {
            let start = token.start.max(offset);
            (
                Span {
                    start,
                    end: token.end,
                    ..whole
                },
                Some(stream.str(token)),
            )
        }
        None => (
            Span {
                start: whole.end.saturating_sub(1).max(whole.start),
                ..whole
            },
            None,
        ),
    };
    let expected = enumerate(wanted.clone());
    let message = match found {
        Some(found) => format!("expected {expected}, found {}", shown(found)),
        None => format!("expected {expected} before the statement ends"),
    };
    // Two signs side by side are one operator.
    let doubled = token.is_some_and(|token| {
        let next = stream.at(token.end).filter(|next| next.start == token.end);
        next.is_some_and(|next| stream.str(next).starts_with(stream.str(token)))
    });
    if let Some((message, help)) = found.and_then(|found| foreign(found, doubled, &wanted)) {
        return Diagnostic::error("G0005", span, message)
            .label("not expected here")
            .help(help);
    }
    let complaint = Diagnostic::error("G0005", span, message);
    let complaint = match found {
        Some(_) => complaint.label("not expected here"),
        None => complaint.label("the statement ends here"),
    };
    let plain: Vec<&str> = wanted.iter().map(|w| w.trim_matches('`')).collect();
    match found {
        Some("==" | "!=" | "<" | "<=" | ">" | ">=" | "=" | "!") if plain.contains(&"and") => {
            complaint.help("comparisons do not chain; join two of them with `and`")
        }
        Some(word) if is_word(word) => match nearest(word, plain.iter().copied().filter(|w| is_word(w))) {
            Some(near) => complaint.help(format!("did you mean `{near}`?")),
            None if RESERVED.contains(&word) && plain.iter().any(|w| w.ends_with("name")) => {
                complaint.help(format!("`{word}` is a reserved word; choose another name"))
            }
            None => complaint.help(way_out(&plain)),
        },
        _ => complaint.help(way_out(&plain)),
    }
}

/// An operator of another language where one of ours could stand: what is wrong, and how it is written here.
fn foreign(found: &str, doubled: bool, wanted: &[String]) -> Option<(String, String)> {
    let wants = |what: &str| wanted.iter().any(|wanted| wanted == what);
    let behind_a_test = wants("`and`");
    let (what, ours) = match found {
        "!" if !doubled && (wants("a condition") || wants("`not`")) => {
            ("a condition is negated by a word", "not")
        }
        "=" if behind_a_test && !doubled => ("`=` compares nothing", "=="),
        "&" | "&&" if behind_a_test => ("conditions are joined by words", "and"),
        "|" | "||" if behind_a_test => ("conditions are joined by words", "or"),
        _ => return None,
    };
    let double = if doubled { found } else { "" };
    Some((
        what.to_owned(),
        format!("write `{ours}` in place of `{found}{double}`"),
    ))
}

fn way_out(wanted: &[&str]) -> &'static str {
    match wanted {
        w if w.contains(&";") => "end the statement with `;`",
        w if w.contains(&"a path") => "a path starts with `/`, and a space stands before the `{` of a body",
        w if w.contains(&"a condition") => "a condition compares facts, or names a condition or principal",
        _ => "see the language reference for the form of this statement",
    }
}

/// The complaint about a statement whose first word says nothing.
pub(super) fn unknown(level: Level, word: &str, file: FileId, start: u32, end: u32) -> Diagnostic {
    let place = match level {
        Level::Top => "a declaration",
        Level::Service => "a rule or a setting",
        Level::Test => "`given` or `expect`",
        Level::Prove => "`never`, `always` or `only`",
    };
    let span = Span { file, start, end };
    let complaint = Diagnostic::error("G0005", span, format!("expected {place}, found {}", shown(word)))
        .label("no statement starts like this");
    let near = if is_word(word) {
        nearest(word, starters(level).iter().map(|s| s.0))
    } else {
        None
    };
    if let Some(near) = near {
        return complaint.help(format!("did you mean `{near}`?"));
    }
    let levels = [
        (Level::Top, "at the top of a file"),
        (Level::Service, "in a service or a guard"),
        (Level::Test, "in a `test`"),
        (Level::Prove, "in a `prove`"),
    ];
    match levels
        .iter()
        .find(|(l, _)| *l != level && starters(*l).iter().any(|s| s.0 == word))
    {
        Some((_, belongs)) => complaint.help(format!("`{word}` stands {belongs}")),
        None => {
            let words: Vec<&str> = starters(level).iter().map(|s| s.0).collect();
            complaint.help(format!("statements here start with {}", words.join(", ")))
        }
    }
}
