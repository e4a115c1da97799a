//! `portcullis token sign|key`: test keys and claims -> tokens, for tests. No message holds a key or a token: a token goes to
//! standard output, a key to its file.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_base::Algorithm;
use portcullis_sign::SigningKey;
use serde_json::{Value, json};

use crate::error::{CliError, Exit, read_limited, shown, standard_input};
use crate::output::{DOUBT, GOOD, Output, clean, clean_line, paint};
use crate::write;

/// Longest key, claims or header read, bytes.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `token sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For tests: whoever holds the key signs what they like, so it is never one that a real issuer uses. Header and claims
are signed as they are written, whatever they say: expired, without an end, under a wrong name.

Examples:
  portcullis token sign --key test.jwk.json --claims '{\"iss\":\"https://idp.example.com/\",\"aud\":\"orders-api\",\"sub\":\"u1\"}' --lifetime 10m
  portcullis token sign --key test.jwk.json --claims claims.json --kid other
  portcullis token sign --key test.jwk.json --claims - --header '{\"alg\":\"none\"}' < claims.json")]
pub struct SignArgs {
    /// File of the private key, a JSON Web Key (EC P-256 and P-384, Ed25519, RSA, oct).
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What is signed under; by default the key's own algorithm.
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub alg: Option<Algorithm>,
    /// `kid` of the header instead of the key's own.
    #[arg(long)]
    pub kid: Option<String>,
    /// `typ` of the header.
    #[arg(long)]
    pub typ: Option<String>,
    /// The claims: JSON, a file of it, or `-` for standard input.
    #[arg(long, value_name = "FILE|JSON|-")]
    pub claims: String,
    /// The whole header, as it is signed, instead of one with `alg`, `kid` and `typ`.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["kid", "typ"])]
    pub header: Option<String>,
    /// Put `iat` (now) and `exp` (this much later) into the claims, as 10m or 1h.
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<String>,
}

/// Arguments of `token key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes NAME.jwk.json, the private key, which only its owner may read, and NAME.jwks.json, the key set for a policy; of a
secret (HS256 and the like) NAME.jwk.json and NAME.secret. None replaces a file that is there.

Examples:
  portcullis token key test --alg ES256 --kid k1
  portcullis token key policies/shop/hmac --alg HS256")]
pub struct KeyArgs {
    /// Beginning of both file names.
    pub name: PathBuf,
    /// The algorithm: ES256, ES384, EdDSA, Ed25519, HS256, HS384 or HS512.
    #[arg(long, value_name = "ALG", value_parser = algorithm, default_value = "ES256")]
    pub alg: Algorithm,
    /// `kid` of the key.
    #[arg(long)]
    pub kid: Option<String>,
}

fn algorithm(code: &str) -> Result<Algorithm, String> {
    Algorithm::from_code(code).ok_or_else(|| {
        let all = Algorithm::ALL.map(Algorithm::code);
        format!("use one of {}", all.join(", "))
    })
}

pub(super) fn sign(args: &SignArgs, output: &mut Output) -> Result<Exit, CliError> {
    let text = utf8(&args.key, read_limited(&args.key, INPUT_BYTES_MAX)?)?;
    let key = SigningKey::from_jwk(&text).map_err(|error| CliError::file(&args.key, error))?;
    // A key for Ed25519 has two names for its algorithm, and its own comes first.
    let own = serde_json::from_str::<Value>(&text).ok();
    let own = own.as_ref().and_then(|jwk| jwk.get("alg")?.as_str());
    let usual = own
        .and_then(Algorithm::from_code)
        .or(key.algorithms().first().copied());
    let algorithm = args
        .alg
        .or(usual)
        .ok_or_else(|| CliError::file(&args.key, "no algorithm is for it"))?;
    let mut claims = claims(&args.claims)?;
    if let Some(lifetime) = &args.lifetime {
        claims = with_times(&claims, lifetime)?;
    }
    if !serde_json::from_str::<Value>(&claims).is_ok_and(|claims| claims.is_object()) {
        note(
            output,
            "these claims are no JSON object; no issuer takes the token",
        )?;
    }
    let header = match &args.header {
        Some(header) => header.clone(),
        None => header(&key, algorithm, args)?,
    };
    let token = key.token(algorithm, &header, &claims).ok_or_else(|| {
        let fitting: Vec<&str> = key
            .algorithms()
            .iter()
            .map(|algorithm| algorithm.code())
            .collect();
        CliError::Usage(format!(
            "a key of this kind does not sign under {}; it does under {}",
            algorithm.code(),
            fitting.join(", ")
        ))
    })?;
    output.say(&token)?;
    note(
        output,
        "a token for tests: whoever holds this key signs what they like",
    )?;
    Ok(Exit::Fine)
}

fn note(output: &mut Output, text: &str) -> Result<(), CliError> {
    output.note(format_args!("{}: {text}", paint(DOUBT, "note")))
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, CliError> {
    String::from_utf8(bytes).map_err(|_| CliError::file(path, "it is not UTF-8"))
}

/// The claims' text without white space around it.
fn claims(given: &str) -> Result<String, CliError> {
    let text = if given.trim_start().starts_with('{') {
        given.to_owned()
    } else if given == "-" {
        let mut bytes = Vec::new();
        let input = std::io::stdin()
            .lock()
            .take(INPUT_BYTES_MAX)
            .read_to_end(&mut bytes);
        input.map_err(|e| CliError::file(&standard_input(), e))?;
        utf8(&standard_input(), bytes)?
    } else {
        utf8(Path::new(given), read_limited(Path::new(given), INPUT_BYTES_MAX)?)?
    };
    Ok(text.trim().to_owned())
}

/// The claims with `iat` and `exp`; what else they say stays as it is.
fn with_times(claims: &str, lifetime: &str) -> Result<String, CliError> {
    let usage = |what: String| CliError::Usage(format!("--lifetime: {what}"));
    let span: jiff::SignedDuration = lifetime
        .parse()
        .map_err(|_| usage(format!("`{}` is no duration, as 10m or 1h", clean_line(lifetime))))?;
    let mut members = match serde_json::from_str(claims) {
        Ok(Value::Object(members)) => members,
        _ => return Err(usage("the claims are no JSON object".to_owned())),
    };
    let now = jiff::Timestamp::now().as_second();
    members.insert("iat".to_owned(), json!(now));
    members.insert("exp".to_owned(), json!(now.saturating_add(span.as_secs())));
    Ok(Value::Object(members).to_string())
}

fn header(key: &SigningKey, algorithm: Algorithm, args: &SignArgs) -> Result<String, CliError> {
    let usual = key.header(algorithm, args.typ.as_deref());
    let Some(kid) = &args.kid else { return Ok(usual) };
    match serde_json::from_str(&usual) {
        Ok(Value::Object(mut members)) => {
            members.insert("kid".to_owned(), json!(kid));
            Ok(Value::Object(members).to_string())
        }
        _ => Err(CliError::Usage(
            "--kid: there is no header to put it into".to_owned(),
        )),
    }
}

pub(super) fn key(args: &KeyArgs, output: &mut Output) -> Result<Exit, CliError> {
    let (kty, crv, length) = match args.alg {
        Algorithm::Es256 => ("EC", Some("P-256"), 32),
        Algorithm::Es384 => ("EC", Some("P-384"), 48),
        Algorithm::EdDsa | Algorithm::Ed25519 => ("OKP", Some("Ed25519"), 32),
        Algorithm::Hs256 => ("oct", None, 32),
        Algorithm::Hs384 => ("oct", None, 48),
        Algorithm::Hs512 => ("oct", None, 64),
        other => {
            return Err(CliError::Usage(format!(
                "no keys for {} are made here; make an RSA key by `openssl genrsa` and write it as a JSON Web Key",
                other.code()
            )));
        }
    };
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)
        .map_err(|e| CliError::Usage(format!("the system gave no random bytes: {e}")))?;
    let mut jwk = serde_json::Map::new();
    jwk.insert("kty".to_owned(), json!(kty));
    jwk.extend(crv.map(|crv| ("crv".to_owned(), json!(crv))));
    // A verifier takes a secret from a file whose line ends are cut off, so that file holds text, and its bytes are the key.
    let secret = URL_SAFE_NO_PAD.encode(&bytes);
    let private = match crv {
        Some(_) => ("d".to_owned(), json!(secret)),
        None => ("k".to_owned(), json!(URL_SAFE_NO_PAD.encode(&secret))),
    };
    jwk.extend([private, ("alg".to_owned(), json!(args.alg.code()))]);
    jwk.extend(args.kid.as_ref().map(|kid| ("kid".to_owned(), json!(kid))));
    let made = SigningKey::from_jwk(&Value::Object(jwk.clone()).to_string()).map_err(|error| {
        CliError::Usage(format!(
            "the key that was made cannot be used, try again: {error}"
        ))
    })?;
    let public: Option<Value> = made.public_jwk().and_then(|jwk| serde_json::from_str(&jwk).ok());
    for name in ["x", "y"] {
        let member = public.as_ref().and_then(|public| public.get(name));
        jwk.extend(member.map(|value| (name.to_owned(), value.clone())));
    }
    let (beside, content) = match public {
        Some(public) => (".jwks.json", format!("{:#}\n", json!({ "keys": [public] }))),
        None => (".secret", format!("{secret}\n")),
    };
    let (private_file, beside_file) = (
        write::suffixed(&args.name, ".jwk.json"),
        write::suffixed(&args.name, beside),
    );
    write::create(
        &private_file,
        format!("{:#}\n", Value::Object(jwk)).as_bytes(),
        0o600,
    )?;
    let mode = if beside == ".secret" { 0o600 } else { 0o644 };
    if let Err(error) = write::create(&beside_file, content.as_bytes(), mode) {
        // Half a pair is of no use, and in the way of the next try.
        let _ = fs::remove_file(&private_file);
        return Err(error);
    }
    output.say(format_args!(
        "{}: a test key for {}: {} (keep it secret) and {}",
        paint(GOOD, "made"),
        args.alg.code(),
        clean(&shown(&private_file)),
        clean(&shown(&beside_file))
    ))?;
    Ok(Exit::Fine)
}
