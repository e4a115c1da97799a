//! `portcullis image keygen|sign|verify`: keys -> sealed images -> whether to trust them.

use std::fs;
use std::path::PathBuf;

use portcullis::image::seal::{self, SERIAL_MAX, Seal};
use portcullis::{Image, LoadError, Trust};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{CliError, Exit, read_limited, shown};
use crate::keys::{self, Secret};
use crate::output::{BAD, DOUBT, GOOD, Output, STRONG, clean, count, hex, instant_text, paint};
use crate::subject::trust::TrustArgs;
use crate::subject::{self, IMAGE_BYTES_MAX, smoke};
use crate::write;

/// Arguments of `image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `image`.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a key pair
    Keygen(KeygenArgs),
    /// Seal an image
    Sign(SignArgs),
    /// Say whether a sealed image is to be trusted
    Verify(VerifyArgs),
}

/// Arguments of `image keygen`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes NAME.secret, which only its owner may read, and NAME.public. Neither replaces a file that is there.
Files of public keys can be put together: `cat a.public b.public > trusted`.

Examples:
  portcullis image keygen policy-2026
  portcullis image keygen keys/release --key-id release-1")]
pub struct KeygenArgs {
    /// Beginning of both file names.
    pub name: PathBuf,
    /// Name of the key in seals; by default it is made of the key itself.
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
}

/// Arguments of `image sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The serial must rise from image to image: a host that has accepted one refuses those before it.

Examples:
  portcullis image sign shop.image --key policy-2026.secret --serial 7 -o shop.sealed
  portcullis image sign shop.image --key policy-2026.secret --serial 8 --audience shop-eu \\
      --not-after 2027-01-31T00:00:00Z --smoke smoke.jsonl -o shop.sealed")]
pub struct SignArgs {
    /// Compiled image, not yet sealed.
    pub image: PathBuf,
    /// File of the secret key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Number of the image, higher than that of every image before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SERIAL_MAX))]
    pub serial: u64,
    /// Last instant at which the image is current (RFC 3339).
    #[arg(long, value_name = "INSTANT")]
    pub not_after: Option<String>,
    /// For whom the image is: a tenant, a fleet.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub audience: String,
    /// Vectors that must hold wherever the image goes into force; they are run now, too.
    #[arg(long, value_name = "FILE")]
    pub smoke: Option<PathBuf>,
    /// Folder of lists and tables for the smoke cases, if not the image's own.
    #[arg(long, value_name = "DIR", requires = "smoke")]
    pub data: Option<PathBuf>,
    /// Sealed image to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Arguments of `image verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits 0 if the image may be used, 1 if it is not to be trusted or a smoke case fails, 2 if it could not be read.
With --state, an image that may be used becomes the last accepted one.

Examples:
  portcullis image verify shop.sealed --trust trusted
  portcullis image verify shop.sealed --trust trusted --audience shop-eu --state /var/lib/portcullis/mark
  portcullis image verify --json shop.sealed --trust trusted | jq .serial")]
pub struct VerifyArgs {
    /// Sealed image.
    pub image: PathBuf,
    /// Folder of lists and tables for the smoke cases, if not the image's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Runs `image`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    match &args.verb {
        Verb::Keygen(args) => keygen(args, output),
        Verb::Sign(args) => sign(args, output),
        Verb::Verify(args) => verify(args, output),
    }
}

fn keygen(args: &KeygenArgs, output: &mut Output) -> Result<Exit, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| CliError::Usage(format!("the system gave no random bytes: {e}")))?;
    let public = seal::public_key(&bytes);
    let id = match &args.key_id {
        Some(id) => id.clone(),
        None => hex(&Sha256::digest(public.to_bytes())[..8]),
    };
    if !seal::is_key_id(&id) {
        return Err(CliError::Usage(seal::SealError::KeyId.to_string()));
    }
    let secret_file = write::suffixed(&args.name, ".secret");
    let public_file = write::suffixed(&args.name, ".public");
    let line = keys::public_line(&id, &public);
    write::create(
        &secret_file,
        keys::secret_line(&Secret {
            id: id.clone(),
            bytes,
        })
        .as_bytes(),
        0o600,
    )?;
    if let Err(error) = write::create(&public_file, line.as_bytes(), 0o644) {
        // Half a pair is of no use, and in the way of the next try.
        let _ = fs::remove_file(&secret_file);
        return Err(error);
    }
    output.say(format_args!(
        "{}: the key `{id}`: {} (keep it secret) and {}",
        paint(GOOD, "made"),
        clean(&shown(&secret_file)),
        clean(&shown(&public_file))
    ))?;
    Ok(Exit::Fine)
}

fn sign(args: &SignArgs, output: &mut Output) -> Result<Exit, CliError> {
    let secret = keys::read_secret(&args.key)?;
    let not_after_us = match &args.not_after {
        None => None,
        Some(text) => Some(
            portcullis_base::instant::parse(text.as_bytes())
                .map_err(|_| CliError::Usage(format!("--not-after: `{text}` is no RFC 3339 instant")))?,
        ),
    };
    let bytes = read_limited(&args.image, IMAGE_BYTES_MAX)?;
    if seal::is_sealed(&bytes) {
        return Err(CliError::file(&args.image, "this image is sealed already"));
    }
    let image = Image::load(&bytes, &Trust::Unsigned).map_err(|e| CliError::image(&args.image, e))?;
    let cases = match &args.smoke {
        None => Vec::new(),
        Some(file) => {
            let cases = read_limited(file, portcullis::limits::SMOKE_BYTES as u64)?;
            let data = subject::data_beside(&args.image, args.data.as_deref(), &image, output)?;
            smoke::run(&args.image, image, data, &cases)?;
            cases
        }
    };
    if not_after_us.is_some_and(|end| end < jiff::Timestamp::now().as_microsecond()) {
        output.note(format_args!(
            "{}: this seal has ended already",
            paint(DOUBT, "EXPIRED")
        ))?;
    }
    let seal = Seal {
        key_id: &secret.id,
        audience: &args.audience,
        serial: args.serial,
        not_after_us,
        smoke: &cases,
    };
    let sealed = seal::sign(&secret.bytes, &seal, &bytes).map_err(|e| CliError::Usage(e.to_string()))?;
    write::replace(&args.output, &sealed)?;
    output.say(format_args!(
        "{}: {}: serial {}, key `{}`, {} bytes",
        paint(GOOD, "sealed"),
        clean(&shown(&args.output)),
        args.serial,
        secret.id,
        sealed.len()
    ))?;
    Ok(Exit::Fine)
}

fn verify(args: &VerifyArgs, output: &mut Output) -> Result<Exit, CliError> {
    if args.trust.trust.is_none() {
        return Err(CliError::Usage(
            "verify needs `--trust KEYFILE`: without a key nothing can be verified".to_string(),
        ));
    }
    let opened = subject::open_image(&args.image, args.data.as_deref(), &args.trust, output);
    let snapshot = match opened {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let exit = match &error {
                CliError::Image {
                    source: LoadError::Untrusted(_),
                    ..
                } => Exit::Findings,
                other => other.exit(),
            };
            if args.json {
                output.say(json!({"verified": false, "problem": error.to_string()}))?;
            } else {
                let label = paint(BAD, "refused");
                output.note(format_args!("{label}: {}", clean(&error.to_string())))?;
            }
            return Ok(exit);
        }
    };
    let image = snapshot.image;
    let Some(seal) = image.seal() else {
        return Err(CliError::file(&args.image, "nobody has vouched for this image"));
    };
    let now_us = jiff::Timestamp::now().as_microsecond();
    let expired = image.expired(Some(now_us)) == Some(true);
    let end = seal.not_after_us.map(instant_text);
    let audience = Some(&seal.audience).filter(|audience| !audience.is_empty());
    let cases = match seal.smoke.is_empty() {
        true => 0,
        // They were run; only vectors and comments passed.
        false => crate::vectors::split("", &seal.smoke).len() as u64,
    };
    let policy = format!("sha256:{}", hex(&image.digest()));
    let digest = format!("sha256:{}", hex(&seal.mark.digest));
    if args.json {
        let object: Value = json!({
            "verified": true, "key_id": seal.key_id, "audience": audience, "serial": seal.mark.serial,
            "not_after": end, "expired": expired, "smoke_cases": cases, "digest": digest, "policy": policy,
        });
        output.say(object)?;
        return Ok(Exit::Fine);
    }
    output.say(format_args!(
        "{}: {}: sealed with the trusted key `{}`",
        paint(GOOD, "verified"),
        clean(&shown(&args.image)),
        seal.key_id
    ))?;
    let lines = [
        ("serial", seal.mark.serial.to_string()),
        ("audience", audience.cloned().unwrap_or("none".to_string())),
        (
            "not after",
            match (end, expired) {
                (None, _) => "no end".to_string(),
                (Some(end), false) => end,
                (Some(end), true) => format!("{end} ({})", paint(BAD, "ended")),
            },
        ),
        (
            "smoke cases",
            if cases == 0 {
                "none".to_string()
            } else {
                format!("{} held", count(cases, "case"))
            },
        ),
        ("policy", policy),
        ("digest", digest),
    ];
    for (name, value) in lines {
        output.say(format_args!("  {} {value}", paint(STRONG, format!("{name:<11}"))))?;
    }
    Ok(Exit::Fine)
}
