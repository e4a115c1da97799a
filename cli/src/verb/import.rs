//! `portcullis import`: something else -> a policy skeleton.

use crate::error::{CliError, Exit};
use crate::import::{self, OidcArgs, OpenApiArgs};
use crate::output::Output;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  portcullis import openapi api.yaml -o policies/api
  portcullis import oidc openid-configuration.json --jwks keys.json --audience orders-api -o policies/orders")]
pub struct Args {
    /// From what.
    #[command(subcommand)]
    pub from: From,
}

/// What can be imported.
#[derive(Debug, clap::Subcommand)]
pub enum From {
    /// OpenAPI 3.0 and 3.1, Swagger 2.0
    Openapi(OpenApiArgs),
    /// The metadata of an OpenID provider or authorization server, and its key set
    Oidc(OidcArgs),
}

/// Runs `import`.
pub fn run(args: &Args, output: &mut Output) -> Result<Exit, CliError> {
    match &args.from {
        From::Openapi(args) => import::run(args, output),
        From::Oidc(args) => import::run_oidc(args, output),
    }
}
