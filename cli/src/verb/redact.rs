//! `portcullis redact`: the body of a response -> what a client gets of it, after the rules that bind a request. The response
//! is that of the vector's `upstream`, else it is read on standard input.

use std::path::PathBuf;

use portcullis::{Exchange, ResponseNext};
use portcullis_bridge::OwnedRequest;

use crate::error::{CliError, Exit};
use crate::output::{DOUBT, Output, paint};
use crate::subject::Subject;
use crate::subject::bodies::{self, Stand};
use crate::subject::trust::TrustArgs;
use crate::vectors;

/// Arguments of `redact`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the body of a response on standard input and writes what the client gets. The request is the vector's; its quotas
admit it. A vector that says by `upstream` what the upstream answers brings the response with it, and standard input is not
read, unless --status or --content-type says that the response is another. Exits 1 if the request or the response is refused, and says why on standard error. What was written before is no
whole body then.

Examples:
  portcullis redact policies/shop --vector requests.jsonl:orders-001 < body.json
  portcullis redact shop.portcullis --vector '{\"id\":\"a\",\"request\":{\"method\":\"GET\",\"url\":\"https://h/\"}}' < body.json
  portcullis redact policies/shop --vector one.jsonl --content-type application/x-ndjson --status 404 < lines.ndjson")]
pub struct Args {
    /// Policy folder, gate file or compiled image.
    pub subject: PathBuf,
    /// The request: FILE, FILE:ID or JSON.
    #[arg(long, value_name = "VECTOR")]
    pub vector: String,
    /// HTTP status of the response on standard input; 200 where none is named.
    #[arg(long, value_parser = clap::value_parser!(u16).range(100..600))]
    pub status: Option<u16>,
    /// Content type of the response on standard input; application/json where none is named.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
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

/// Runs `redact`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    let (vector, place) = vectors::pick_beside_input(&args.vector)?;
    let mut subject = Subject::open(&args.subject, args.data.as_deref(), &args.trust, output)?;
    let request = OwnedRequest::from_vector(&vector).map_err(|problem| CliError::File {
        path: place.clone(),
        problem,
    })?;
    let mut exchange = subject.ask(&request);
    match bodies::charge(&mut exchange)? {
        Stand::Forwards => {}
        Stand::Replied => return bodies::refused(&exchange, args.json, output),
        Stand::ReadsBody => {
            return Err(CliError::File {
                path: place,
                problem: "the request has no `body`, and an `accept` binds: give it one".to_string(),
            });
        }
    }
    if request.has_upstream() && args.status.is_none() && args.content_type.is_none() {
        return upstream(&request, &mut exchange, &mut subject, place, args.json, output);
    }
    let media_type = args.content_type.as_deref().unwrap_or("application/json");
    let head: [(&[u8], &[u8]); 1] = [(b"content-type", media_type.as_bytes())];
    let has_plan = exchange.decision().response().is_some();
    let next = exchange
        .response_head(Some(args.status.unwrap_or(200)), Some(&head))
        .map_err(bodies::out_of_order)?;
    match next {
        ResponseNext::Stream(_) => {}
        ResponseNext::Pass(_) if has_plan => {
            output.note(format_args!(
                "{}: such a response has no body",
                paint(DOUBT, "note")
            ))?;
            return Ok(Exit::Fine);
        }
        ResponseNext::Pass(_) => {
            output.note(format_args!(
                "{}: no redaction binds, the body goes as it came",
                paint(DOUBT, "note")
            ))?;
            bodies::each_part(|part| output.raw(part).map(|()| true))?;
            return Ok(Exit::Fine);
        }
        ResponseNext::Replace(_) | ResponseNext::Reset => {
            return bodies::refused(&exchange, args.json, output);
        }
    }
    let (mut out, mut is_whole) = (Vec::new(), false);
    bodies::each_part(|part| {
        out.clear();
        let next = exchange
            .response_body(subject.worker(), part, part.is_empty(), &mut out)
            .map_err(bodies::out_of_order)?;
        let goes_on = match next {
            ResponseNext::Stream(_) => true,
            ResponseNext::Pass(_) => {
                is_whole = true;
                true
            }
            ResponseNext::Replace(_) | ResponseNext::Reset => return Ok(false),
        };
        output.raw(&out)?;
        Ok(goes_on)
    })?;
    if is_whole {
        Ok(Exit::Fine)
    } else {
        bodies::refused(&exchange, args.json, output)
    }
}

/// Writes what the client gets of the response that the vector brings.
fn upstream(
    request: &OwnedRequest,
    exchange: &mut Exchange,
    subject: &mut Subject,
    place: String,
    json: bool,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let received = request
        .client(exchange, subject.worker())
        .map_err(|problem| CliError::File { path: place, problem })?;
    let received = received.unwrap_or_default();
    output.raw(received.body.as_deref().unwrap_or_default())?;
    match received.body {
        Some(_) if !received.reset => Ok(Exit::Fine),
        _ => bodies::refused(exchange, json, output),
    }
}
