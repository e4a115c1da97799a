//! `portcullis accept`: the body of a request -> what goes upstream of it, or why it is refused and where.

use std::path::PathBuf;

use portcullis::Next;
use portcullis_bridge::OwnedRequest;

use crate::error::{CliError, Exit, standard_input};
use crate::output::{DOUBT, Output, paint};
use crate::subject::Subject;
use crate::subject::bodies::{self, Stand};
use crate::subject::trust::TrustArgs;
use crate::vectors;

/// Largest body that is kept to be written again, bytes.
const BODY_BYTES_MAX: usize = 1 << 30;

/// Arguments of `accept`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the body of a request on standard input, in place of the vector's, and writes what goes upstream. The request's quotas
admit it; where it has no content-type, it is application/json. Exits 1 if the request or its body is refused, and says on
standard error by which status and at which place, a JSON pointer (RFC 6901); nothing is written then.

Examples:
  portcullis accept policies/shop --vector requests.jsonl:orders-001 < body.json
  portcullis accept shop.portcullis --vector '{\"id\":\"a\",\"request\":{\"method\":\"POST\",\"url\":\"https://h/\"}}' < body.json
  portcullis accept --json policies/shop --vector one.jsonl < body.json 2> refusal.json")]
pub struct Args {
    /// Policy folder, gate file or compiled image.
    pub subject: PathBuf,
    /// The request: FILE, FILE:ID or JSON.
    #[arg(long, value_name = "VECTOR")]
    pub vector: String,
    /// Folder of lists and tables, if not the subject's own.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print why it is refused as JSON, on standard error.
    #[arg(long)]
    pub json: bool,
    /// Whose images are taken.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Runs `accept`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let (mut vector, place) = vectors::pick_beside_input(&args.vector)?;
    vectors::declare_json(&mut vector);
    let mut subject = Subject::open(&args.subject, args.data.as_deref(), &args.trust, output)?;
    let request =
        OwnedRequest::from_vector(&vector).map_err(|problem| CliError::File { path: place, problem })?;
    let mut exchange = request.with_view(|view| subject.decide(view, request.now()));
    let mut body = Vec::new();
    let mut is_read = false;
    bodies::each_part(|part| {
        let is_end = part.is_empty();
        if body.len() + part.len() > BODY_BYTES_MAX {
            return Err(CliError::file(
                &standard_input(),
                format!("longer than {BODY_BYTES_MAX} bytes"),
            ));
        }
        body.extend_from_slice(part);
        match bodies::charge(&mut exchange)? {
            Stand::ReadsBody => is_read = true,
            // Without a question for it, a body goes as it came.
            Stand::Forwards => return Ok(true),
            Stand::Replied => return Ok(false),
        }
        exchange
            .request_body(subject.worker(), part, is_end, request.now())
            .map_err(bodies::out_of_order)?;
        Ok(true)
    })?;
    // Where the body was part of what is decided on, quotas are due only now.
    bodies::charge(&mut exchange)?;
    let Next::Forward(rewrites) = exchange.next() else {
        return bodies::refused(&exchange, args.json, output);
    };
    if !is_read {
        output.note(format_args!(
            "{}: no `accept` binds, the body goes as it came",
            paint(DOUBT, "note")
        ))?;
    }
    output.raw(rewrites.body.unwrap_or(&body))?;
    Ok(Exit::Fine)
}
