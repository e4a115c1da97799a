//! `portcullis apikey new|hash|list`: API keys -> the lines of a policy's key file. A key is told once, where it is made; no
//! message and no line of output else holds one, and none is taken from the command line, where others can read it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_base::apikeys::{self, ApiKey};
use portcullis_base::json::{self, JsonItem};
use portcullis_base::{instant, secret};
use portcullis_crypto::{Hash, Secret};
use portcullis_lang::diagnostic::Severity;
use portcullis_lang::model::{FieldDecl, FieldFit, KeySet, Policy, Type};
use portcullis_lang::source::Files;
use serde_json::{Map, Value, json};

use crate::error::{CliError, Exit, read_limited, shown, standard_input};
use crate::folder::Folder;
use crate::output::{BAD, DOUBT, GOOD, Output, clean, clean_line, count, hex, instant_text, paint, table};
use crate::subject;
use crate::write;

/// Longest standard input of `hash`, bytes.
const INPUT_BYTES_MAX: u64 = 64 << 20;
/// Longest API key, bytes: a header, not a document.
const KEY_BYTES_MAX: usize = 4_096;
/// A key of fewer bytes can be guessed.
const KEY_BYTES_FAIR: usize = 16;

/// Arguments of `apikey`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis apikey new policies/shop --field plan=free
  portcullis apikey hash policies/shop < keys.txt >> policies/shop/partners.keys
  portcullis apikey list policies/shop")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `apikey`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a key, show it once, and add its hash to the policy's key file
    New(NewArgs),
    /// Hash keys that are there already
    Hash(HashArgs),
    /// Show the keys of a policy's key files
    List(ListArgs),
}

/// Which key file, and what its lines say.
#[derive(Debug, clap::Args)]
pub struct Of {
    /// Policy folder or gate file.
    pub path: PathBuf,
    /// Name of the `keys`, where the policy has several with a file.
    #[arg(long, value_name = "NAME")]
    pub keys: Option<String>,
}

/// What lines say beside id and hash.
#[derive(Debug, clap::Args)]
pub struct More {
    /// When the key ends (RFC 3339, with an offset).
    #[arg(long, value_name = "INSTANT")]
    pub expires: Option<String>,
    /// A declared field; one that is a set may be given several times.
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub fields: Vec<String>,
}

/// Arguments of `apikey new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key goes to standard output and is nowhere kept: the file gets its HMAC under the policy's secret.

Examples:
  portcullis apikey new policies/shop --field plan=free
  portcullis apikey new policies/shop --keys partners --id k-19 --field plan=gold --expires 2027-01-01T00:00:00Z
  portcullis apikey new policies/shop --field plan=free --json | jq -r .key")]
pub struct NewArgs {
    /// Of which policy.
    #[command(flatten)]
    pub of: Of,
    /// What `key.id` says; by default it is random.
    #[arg(long)]
    pub id: Option<String>,
    /// Beginning of the key, by which people know what it is.
    #[arg(long, value_name = "TEXT", default_value = "pk_")]
    pub prefix: String,
    /// What else the line says.
    #[command(flatten)]
    pub more: More,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `apikey hash`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys are read from standard input, one a line, each with its id before it or without: `k-17 pk_..` or `pk_..`.
The lines for the key file go to standard output.

Examples:
  portcullis apikey hash policies/shop < keys.txt >> policies/shop/partners.keys
  printf '%s\\n' \"$KEY\" | portcullis apikey hash policies/shop --field plan=free")]
pub struct HashArgs {
    /// Of which policy.
    #[command(flatten)]
    pub of: Of,
    /// What else each line says.
    #[command(flatten)]
    pub more: More,
}

/// Arguments of `apikey list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of a hash the first eight digits are shown, enough to tell one from another.

Examples:
  portcullis apikey list policies/shop
  portcullis apikey list policies/shop --json | jq -r 'select(.expired) | .id'")]
pub struct ListArgs {
    /// Of which policy.
    #[command(flatten)]
    pub of: Of,
    /// Judge expiry at this instant (RFC 3339) and not now.
    #[arg(long, value_name = "INSTANT")]
    pub now: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Runs `apikey`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    match &args.verb {
        Verb::New(args) => new(args, output),
        Verb::Hash(args) => hash(args, output),
        Verb::List(args) => list(args, output),
    }
}

/// A key set with the files that it names.
struct Set {
    declared: KeySet,
    file: PathBuf,
    secret_file: PathBuf,
    secret: Secret,
}

/// Files of a policy, of which those that are not there yet are empty: the first key is made before its file is.
struct OrEmpty<'f>(&'f Folder);

impl Files for OrEmpty<'_> {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        match self.0.read(name) {
            None if self.0.problem(name).is_none() => Some(Vec::new()),
            found => found,
        }
    }

    fn problem(&self, name: &str) -> Option<String> {
        self.0.problem(name)
    }
}

/// The policy of a path; its key files may be missing.
fn policy(path: &Path, output: &mut Output) -> Result<(Policy, Folder), CliError> {
    let folder = Folder::open(path)?;
    if folder.broken.is_empty() {
        let checked = portcullis_lang::check::load(&folder.gate_files, &OrEmpty(&folder));
        let errors = checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error);
        if let (Some(policy), 0) = (checked.policy, errors.count()) {
            return Ok((policy, folder));
        }
    }
    // What is wrong is said of the files as they are.
    subject::checked_policy(path, output).map(|(policy, _, folder)| (policy, folder))
}

/// The sets of a policy that have a file; of a name, where one is given.
fn sets(of: &Of, policy: &Policy) -> Result<Vec<KeySet>, CliError> {
    let path = shown(&of.path);
    if let Some(name) = &of.keys {
        return match policy.keys.iter().find(|keys| keys.name == *name) {
            Some(keys) if keys.file.is_some() => Ok(vec![keys.clone()]),
            Some(_) => Err(CliError::Usage(format!(
                "the keys `{name}` of `{path}` have no file: the host verifies them"
            ))),
            None => Err(CliError::Usage(format!(
                "`{path}` declares no keys `{}`; {}",
                clean_line(name),
                listed("it declares", policy.keys.iter().map(|keys| keys.name.as_str()))
            ))),
        };
    }
    let found: Vec<KeySet> = policy
        .keys
        .iter()
        .filter(|keys| keys.file.is_some())
        .cloned()
        .collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(CliError::Usage(format!(
            "`{path}` declares no keys with a file; write `keys NAME {{ header \"x-api-key\"; file \"NAME.keys\"; secret pepper; }}`"
        ))),
    }
}

fn listed<'n>(lead: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => format!("{lead} none"),
        false => format!("{lead} {}", names.join(", ")),
    }
}

/// The one set that is meant, with its secret.
fn set(of: &Of, output: &mut Output) -> Result<Set, CliError> {
    let (policy, folder) = policy(&of.path, output)?;
    let mut found = sets(of, &policy)?;
    if found.len() > 1 {
        return Err(CliError::Usage(format!(
            "`{}` declares several keys with a file; choose one by `--keys`: {}",
            shown(&of.path),
            listed("there are", found.iter().map(|keys| keys.name.as_str()))
        )));
    }
    let declared = found.swap_remove(0);
    let incomplete = || CliError::Usage(format!("the keys `{}` have no file and secret", declared.name));
    let file = declared.file.as_ref().ok_or_else(incomplete)?;
    let secret_file = declared.secret.and_then(|id| policy.secrets.get(id.index()));
    let secret_file = folder.root.join(&secret_file.ok_or_else(incomplete)?.file);
    let bytes = read_limited(&secret_file, 2 * secret::BYTES_MAX as u64)?;
    let bytes =
        secret::read(&bytes, secret::BYTES_MIN).map_err(|fault| CliError::file(&secret_file, fault))?;
    Ok(Set {
        file: folder.root.join(file),
        secret: Secret::new(bytes),
        secret_file,
        declared,
    })
}

impl Set {
    /// The line of a key.
    fn line(&self, id: &str, key: &[u8], more: &Lines) -> String {
        let mut hmac = self.secret.hmac(Hash::Sha256);
        hmac.update(key);
        // Written by hand: a reader looks for the id first.
        let mut line = format!(
            "{{\"id\":{},\"hash\":\"{}\"",
            json!(id),
            hex(hmac.finish().as_bytes())
        );
        if let Some(expires) = &more.expires {
            line += &format!(",\"expires\":{}", json!(expires));
        }
        if !more.fields.is_empty() {
            line += &format!(",\"fields\":{}", Value::Object(more.fields.clone()));
        }
        line + "}\n"
    }

    /// What the key file holds; nothing where it is not there yet.
    fn content(&self) -> Result<Vec<u8>, CliError> {
        match self.file.exists() {
            true => read_limited(&self.file, apikeys::BYTES_MAX as u64),
            false => Ok(Vec::new()),
        }
    }
}

/// What lines say beside id and hash.
struct Lines {
    expires: Option<String>,
    fields: Map<String, Value>,
}

/// Judges what was given by what the policy declares; what it asks for and was not given is noted.
fn more(args: &More, declared: &KeySet, output: &mut Output) -> Result<Lines, CliError> {
    if let Some(text) = &args.expires {
        let end = instant::parse(text.as_bytes()).map_err(|_| {
            CliError::Usage(format!(
                "--expires: `{}` is no RFC 3339 instant with an offset, as 2027-01-01T00:00:00Z",
                clean_line(text)
            ))
        })?;
        if end <= jiff::Timestamp::now().as_microsecond() {
            output.note(format_args!(
                "{}: this key has ended already",
                paint(DOUBT, "EXPIRED")
            ))?;
        }
    }
    let mut fields = Map::new();
    for text in &args.fields {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| CliError::Usage("--field: write NAME=VALUE".to_owned()))?;
        let field = declared
            .fields
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| {
                CliError::Usage(format!(
                    "--field: the keys `{}` declare no field `{}`; {}",
                    declared.name,
                    clean_line(name),
                    listed(
                        "they declare",
                        declared.fields.iter().map(|field| field.name.as_str())
                    )
                ))
            })?;
        put(&mut fields, field, value)?;
    }
    let text = Value::Object(fields.clone()).to_string();
    let nodes = json::scan(text.as_bytes(), apikeys::LINE_BYTES_MAX, Vec::new())
        .map_err(|_| CliError::Usage("--field: the values are too long".to_owned()))?
        .tape;
    for field in &declared.fields {
        let found = field.fit(JsonItem::root(text.as_bytes(), &nodes));
        if found != FieldFit::Fits && field.default.is_none() {
            output.note(format_args!(
                "{}: `{}` has no value and no default; a rule that asks for it does not grant",
                paint(DOUBT, "note"),
                field.name
            ))?;
        }
    }
    Ok(Lines {
        expires: args.expires.clone(),
        fields,
    })
}

/// Puts the text of a field where the policy reads it.
fn put(fields: &mut Map<String, Value>, field: &FieldDecl, text: &str) -> Result<(), CliError> {
    let usage = |what: String| CliError::Usage(format!("--field {}: {what}", field.name));
    let value = match field.ty {
        Type::Bool => match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(usage("a bool is `true` or `false`".to_owned())),
        },
        Type::Int => match portcullis_base::list::int(text.as_bytes()) {
            Some(number) => json!(number),
            None => {
                return Err(usage(format!(
                    "`{}` is not an integer of 64 bits",
                    clean_line(text)
                )));
            }
        },
        Type::Set => json!([text]),
        _ => json!(text),
    };
    let Some((last, way)) = field.path.split_last() else {
        return Ok(());
    };
    let crosses = || usage("another field stands in its path".to_owned());
    let mut holder = fields;
    for step in way {
        let inner = holder.entry(step.clone()).or_insert_with(|| json!({}));
        holder = inner.as_object_mut().ok_or_else(crosses)?;
    }
    match (holder.get_mut(last), value) {
        (None, value) => {
            holder.insert(last.clone(), value);
            Ok(())
        }
        (Some(Value::Array(all)), Value::Array(one)) if field.ty == Type::Set => {
            all.extend(one);
            Ok(())
        }
        _ => Err(usage("it is given twice".to_owned())),
    }
}

fn random<const N: usize>() -> Result<[u8; N], CliError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| CliError::Usage(format!("the system gave no random bytes: {e}")))?;
    Ok(bytes)
}

fn random_id() -> Result<String, CliError> {
    Ok(format!("k-{}", hex(&random::<6>()?)))
}

fn judged_id(id: &str) -> Result<(), CliError> {
    match apikeys::is_id(id) {
        true => Ok(()),
        false => Err(CliError::Usage(format!(
            "an id has 1 to {} bytes and no control characters",
            apikeys::ID_BYTES_MAX
        ))),
    }
}

fn new(args: &NewArgs, output: &mut Output) -> Result<Exit, CliError> {
    if !args
        .prefix
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        || args.prefix.len() > 32
    {
        return Err(CliError::Usage(
            "--prefix: at most 32 letters, digits and `-._~`".to_owned(),
        ));
    }
    if let Some(id) = &args.id {
        judged_id(id)?;
    }
    let set = set(&args.of, output)?;
    let more = more(&args.more, &set.declared, output)?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let key = format!("{}{}", args.prefix, URL_SAFE_NO_PAD.encode(random::<32>()?));
    // Two at once would each write back what it read. The secret's file stays while the key file is replaced.
    let lock = fs::File::open(&set.secret_file).map_err(|e| CliError::file(&set.secret_file, e))?;
    lock.lock().map_err(|e| CliError::file(&set.secret_file, e))?;
    let mut content = set.content()?;
    if content.last().is_some_and(|byte| *byte != b'\n') {
        content.push(b'\n');
    }
    content.extend_from_slice(set.line(&id, key.as_bytes(), &more).as_bytes());
    // Nothing is written that `check` would not take.
    apikeys::read(&content)
        .map_err(|error| CliError::file(&set.file, format!("line {}: {}", error.line, error.fault)))?;
    write::replace(&set.file, &content)?;
    let file = clean(&shown(&set.file));
    if args.json {
        output.say(json!({
            "id": id, "key": key, "keys": set.declared.name, "file": file,
            "expires": more.expires, "fields": more.fields,
        }))?;
    } else {
        output.say(&key)?;
        output.note(format_args!(
            "{}: the key `{}` of `{}`, its hash is in {file}; it is shown this once",
            paint(GOOD, "made"),
            clean_line(&id),
            set.declared.name
        ))?;
    }
    Ok(Exit::Fine)
}

fn hash(args: &HashArgs, output: &mut Output) -> Result<Exit, CliError> {
    let set = set(&args.of, output)?;
    let more = more(&args.more, &set.declared, output)?;
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(|e| CliError::file(&standard_input(), e))?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        return Err(CliError::file(
            &standard_input(),
            format!("longer than {INPUT_BYTES_MAX} bytes"),
        ));
    }
    let mut lines = String::new();
    let mut ids = BTreeSet::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        // No message holds any of the line: it is a key.
        let wrong = |what: &str| CliError::file(&standard_input(), format!("line {number}: {what}"));
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (id, key) = match (words.next(), words.next(), words.next()) {
            (None, ..) => continue,
            (Some(key), None, _) => (random_id()?, key),
            (Some(id), Some(key), None) => {
                let id = std::str::from_utf8(id).map_err(|_| wrong("the id is not UTF-8"))?;
                (id.to_owned(), key)
            }
            _ => return Err(wrong("a line is a key, or an id and a key")),
        };
        if key.len() > KEY_BYTES_MAX || !key.iter().all(u8::is_ascii_graphic) {
            return Err(wrong("a key has at most 4,096 bytes, all visible ASCII"));
        }
        if !apikeys::is_id(&id) {
            return Err(wrong("an id has 1 to 128 bytes and no control characters"));
        }
        if !ids.insert(id.clone()) {
            return Err(wrong("an earlier line has this id"));
        }
        if key.len() < KEY_BYTES_FAIR {
            output.note(format_args!(
                "{}: line {number}: a key of fewer than {KEY_BYTES_FAIR} bytes can be guessed",
                paint(DOUBT, "note")
            ))?;
        }
        lines += &set.line(&id, key, &more);
    }
    apikeys::read(lines.as_bytes())
        .map_err(|error| CliError::file(&standard_input(), format!("key {}: {}", error.line, error.fault)))?;
    output.raw(lines.as_bytes())?;
    Ok(Exit::Fine)
}

fn list(args: &ListArgs, output: &mut Output) -> Result<Exit, CliError> {
    let now_us = match &args.now {
        None => jiff::Timestamp::now().as_microsecond(),
        Some(text) => instant::parse(text.as_bytes())
            .map_err(|_| CliError::Usage(format!("--now: `{}` is no RFC 3339 instant", clean_line(text))))?,
    };
    let (policy, folder) = policy(&args.of.path, output)?;
    let mut rows = table(&["keys", "id", "hash", "expires", "fields"]);
    let mut total = 0u64;
    for set in sets(&args.of, &policy)? {
        let name = set.file.as_deref().unwrap_or_default();
        let path = folder.root.join(name);
        let bytes = match path.exists() {
            true => read_limited(&path, apikeys::BYTES_MAX as u64)?,
            false => {
                output.note(format_args!("there is no file `{}` yet", clean_line(name)))?;
                continue;
            }
        };
        let keys = apikeys::read(&bytes)
            .map_err(|error| CliError::file(&path, format!("line {}: {}", error.line, error.fault)))?;
        for key in &keys {
            total += 1;
            show(&set.name, key, now_us, args.json, &mut rows, output)?;
        }
    }
    if !args.json {
        if total > 0 {
            output.say(&rows)?;
        }
        output.say(count(total, "key"))?;
    }
    Ok(Exit::Fine)
}

fn show(
    set: &str,
    key: &ApiKey<'_>,
    now_us: i64,
    as_json: bool,
    rows: &mut comfy_table::Table,
    output: &mut Output,
) -> Result<(), CliError> {
    let digits = hex(&key.hash[..4]);
    let ended = key.expires_us.is_some_and(|end| now_us >= end);
    let expires = key.expires_us.map(instant_text);
    if as_json {
        let fields: Value = key
            .fields
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        return output.say(json!({
            "keys": set, "id": key.id, "hash": digits, "expires": expires, "expired": ended, "fields": fields,
        }));
    }
    rows.add_row([
        set.to_owned(),
        clean_line(&key.id),
        format!("{digits}.."),
        match (expires, ended) {
            (None, _) => "no end".to_owned(),
            (Some(end), false) => end,
            (Some(end), true) => format!("{end} ({})", paint(BAD, "ended")),
        },
        clean_line(key.fields.unwrap_or("{}")),
    ]);
    Ok(())
}
