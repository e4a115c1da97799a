//! The metadata of an authorization server (OpenID Connect Discovery 1.0, RFC 8414), and its key set -> an `issuer` that
//! checks. What a policy cannot hold, and what a document cannot know, is named in the notes; nothing is fetched, and what
//! is not known is closed: an audience that no token has stands until its author writes the right one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use portcullis_base::Algorithm;
use portcullis_base::jwks::{self, Curve, Jwk, PublicKey};
use portcullis_lang::Severity;
use serde_json::{Map, Value};

use super::text::{comment, line, quote, quoted, word};
use super::{DOCUMENT_BYTES_MAX, ImportError, NO_KEYS, Skeleton, document, formatted, hand_out};
use crate::error::{CliError, Exit, read_limited};
use crate::output::Output;

/// Arguments of `import oidc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The document is what https://ISSUER/.well-known/openid-configuration or ../oauth-authorization-server answers; its
`jwks_uri` says where the key set is. Nothing is fetched.

Examples:
  curl -s https://idp.example.com/.well-known/openid-configuration > idp.json
  curl -s \"$(jq -r .jwks_uri idp.json)\" > keys.json
  portcullis import oidc idp.json --jwks keys.json --audience orders-api -o policies/orders")]
pub struct OidcArgs {
    /// The discovery document
    pub file: PathBuf,
    /// The provider's key set, which is copied beside the policy
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// For whom tokens must be made; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub audience: Vec<String>,
    /// The issuer's name, made of its host by default
    #[arg(long)]
    pub name: Option<String>,
    /// The folder to write to; without it the policy goes to standard output
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
}

/// Stands for the audience that the document does not name.
const NO_AUDIENCE: &str = "replace-by-your-audience";

/// What a document tells clients, and a gateway has no use for.
const OF_CLIENTS: [&str; 6] = [
    "_endpoint",
    "_uri",
    "_url",
    "_modes_supported",
    "_types_supported",
    "_methods_supported",
];

/// Claims by the type that their specification gives them: OpenID Connect Core 1.0 (section 5.1), RFC 9068 (section 2.2.3.1).
const STRINGS: [&str; 17] = [
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
    "sid",
    "tid",
    "website",
    "zoneinfo",
];
const BOOLS: [&str; 2] = ["email_verified", "phone_number_verified"];
const SETS: [&str; 3] = ["entitlements", "groups", "roles"];
const INSTANTS: [&str; 1] = ["updated_at"];
/// Every issuer has these.
const REGISTERED: [&str; 12] = [
    "acr",
    "amr",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "sub",
];
/// For the client that got an id token.
const OF_ID_TOKENS: [&str; 4] = ["at_hash", "c_hash", "nonce", "s_hash"];

/// What an import may be told.
#[derive(Clone, Debug, Default)]
pub struct OidcOptions {
    /// The issuer's name.
    pub name: Option<String>,
    /// For whom tokens must be made.
    pub audiences: Vec<String>,
    /// The text of the key set.
    pub jwks: Option<String>,
}

/// Makes an issuer of a discovery document.
///
/// # Errors
///
/// A document without an `issuer`, a text that is no key set, and names that the checker refuses.
pub fn oidc(root: &Value, options: &OidcOptions) -> Result<Skeleton, ImportError> {
    let fail = |problem: &dyn std::fmt::Display| ImportError::file("discovery document", problem);
    let Some(members) = root.as_object() else {
        return Err(fail(&"it is not an object"));
    };
    if members.contains_key("keys") {
        return Err(fail(
            &"this is a key set; give it by `--jwks`, beside the document whose `jwks_uri` names it",
        ));
    }
    let issuer = members
        .get("issuer")
        .and_then(Value::as_str)
        .filter(|url| !url.is_empty());
    let issuer = issuer.ok_or_else(|| fail(&"there is no text `issuer`"))?;
    let mut notes = Vec::new();
    let name = match &options.name {
        Some(name) => word(name, "issuer"),
        None => word(first_label(issuer), "issuer"),
    };
    let keys = match &options.jwks {
        Some(text) => {
            jwks::read(text.as_bytes())
                .map_err(|error| ImportError::file("key set", error.fault))?
                .keys
        }
        None => {
            let from = members.get("jwks_uri").and_then(Value::as_str);
            notes.push(format!(
                "`{name}.jwks.json` has no keys yet: save what {} answers",
                from.map_or("the provider's address of keys".to_owned(), |uri| format!(
                    "<{}>",
                    comment(uri)
                ))
            ));
            Vec::new()
        }
    };
    if options.audiences.is_empty() {
        notes.push(format!(
            "the document names no audience: `{NO_AUDIENCE}` is the audience of no token; write yours in its place"
        ));
    }
    let audiences = match options.audiences.is_empty() {
        true => vec![NO_AUDIENCE.to_owned()],
        false => options.audiences.clone(),
    };
    let algorithms = algorithms(members, &keys, &mut notes);
    let claims = claims(members, &mut notes);
    rest(members, &mut notes);
    let policy = format!(
        "gate 1;\n\n## From the discovery document of {}.\nissuer {name} {{ {} audience {}; algorithms {}; keys {}; {}{} }}\n",
        comment(issuer),
        url(issuer, &mut notes),
        quoted(&audiences),
        algorithms
            .iter()
            .map(|algorithm| algorithm.code())
            .collect::<Vec<_>>()
            .join(", "),
        quote(&format!("{name}.jwks.json")),
        scopes(members, &mut notes),
        match claims.is_empty() {
            true => String::new(),
            false => format!("claims {{ {} }}", claims.join(" ")),
        }
    );
    let jwks = options.jwks.clone().unwrap_or_else(|| NO_KEYS.to_owned());
    let keys_file = format!("{name}.jwks.json");
    let beside = [(keys_file.clone(), jwks.clone().into_bytes())].into();
    let checked = portcullis_lang::check::load_text_with(&policy, &beside);
    if checked.policy.is_none() {
        let error = checked.diagnostics.iter().find(|d| d.severity == Severity::Error);
        let why = error.map_or(String::new(), |d| format!("{}, {}", d.code, d.message));
        return Err(fail(&format!("no issuer can be made of it: {}", line(&why))));
    }
    let mut seen = BTreeSet::new();
    let notes = notes
        .iter()
        .map(|note| line(note))
        .filter(|note| seen.insert(note.clone()));
    Ok(Skeleton {
        notes: notes.collect(),
        files: vec![(format!("{name}.gate"), formatted(&policy)), (keys_file, jwks)],
    })
}

/// `login` of `https://login.example.com/a`.
fn first_label(url: &str) -> &str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    host.split(['.', '/', ':']).next().unwrap_or_default()
}

/// The clause `url`. A provider of many tenants writes a part of the path in braces.
fn url(issuer: &str, notes: &mut Vec<String>) -> String {
    let parts: Vec<&str> = issuer.split('/').collect();
    let is_blank = |part: &&str| part.starts_with('{') && part.ends_with('}');
    if !parts.iter().any(is_blank) {
        return format!("url {};", quote(issuer));
    }
    notes.push(
        "the issuer has a part for the tenant: any tenant's token is taken, so ask for `token.iss` or a claim that names the tenant".to_owned(),
    );
    let parts = parts.iter().map(|part| if is_blank(part) { "*" } else { part });
    format!("url like {};", quote(&parts.collect::<Vec<_>>().join("/")))
}

/// Algorithms that keys of the set sign under; those of the document without what is not verified.
fn algorithms(members: &Map<String, Value>, keys: &[Jwk], notes: &mut Vec<String>) -> Vec<Algorithm> {
    let member = "id_token_signing_alg_values_supported";
    let mut found = BTreeSet::new();
    for value in members
        .get(member)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let code = value.as_str().unwrap_or_default();
        match Algorithm::from_code(code) {
            Some(algorithm) if algorithm.is_symmetric() => notes.push(format!(
                "{member}: `{code}` is left out: its key is the secret of a client, which could then sign for others"
            )),
            Some(Algorithm::Es512) => {
                notes.push(format!("{member}: `{code}` is left out: it is not verified"));
            }
            Some(algorithm) => {
                found.insert(algorithm);
            }
            None if code.eq_ignore_ascii_case("none") => {
                notes.push(format!("{member}: `{code}` is left out: such a token has no signature"));
            }
            None => notes.push(format!("{member}: `{}` is left out: it is not supported", comment(code))),
        }
    }
    for algorithm in &found {
        if !keys.is_empty() && !keys.iter().any(|key| signs(key, *algorithm)) {
            notes.push(format!(
                "`{}` has no key in the set; remove it if the provider does not use it",
                algorithm.code()
            ));
        }
    }
    if found.is_empty() {
        found = keys.iter().filter_map(usual).collect();
        let why = match found.is_empty() {
            true => {
                found.insert(Algorithm::Rs256);
                "`RS256` is what every provider of OpenID Connect has"
            }
            false => "those of the key set's keys are written",
        };
        notes.push(format!(
            "the document names no algorithm that can stand here; {why}"
        ));
    }
    found.into_iter().collect()
}

/// Whether a key can sign under an algorithm.
fn signs(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{Ed25519, EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let fits = match &key.key {
        PublicKey::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
        PublicKey::Ed25519(_) => matches!(algorithm, EdDsa | Ed25519),
        PublicKey::Ec { curve, .. } => match curve {
            Curve::P256 => algorithm == Es256,
            Curve::P384 => algorithm == Es384,
            Curve::P521 => algorithm == Es512,
        },
    };
    let own = key.alg.as_deref().and_then(Algorithm::from_code);
    fits && own.is_none_or(|own| own == algorithm || matches!(own, EdDsa | Ed25519))
}

/// What a key signs under where nothing says it.
fn usual(key: &Jwk) -> Option<Algorithm> {
    let own = key.alg.as_deref().and_then(Algorithm::from_code);
    let usual = match &key.key {
        PublicKey::Rsa { .. } => Algorithm::Rs256,
        PublicKey::Ed25519(_) => Algorithm::EdDsa,
        PublicKey::Ec { curve, .. } => match curve {
            Curve::P256 => Algorithm::Es256,
            Curve::P384 => Algorithm::Es384,
            Curve::P521 => return None,
        },
    };
    Some(own.filter(|own| signs(key, *own)).unwrap_or(usual))
}

/// Texts of a member that is an array.
fn texts<'m>(members: &'m Map<String, Value>, member: &str) -> impl Iterator<Item = &'m str> {
    let values = members.get(member).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str)
}

/// `scopes from`, where the scopes of this provider stand elsewhere.
fn scopes(members: &Map<String, Value>, notes: &mut Vec<String>) -> &'static str {
    let scopes: Vec<&str> = texts(members, "scopes_supported").collect();
    if !scopes.is_empty() {
        notes.push(format!(
            "scopes_supported: no issuer lists its scopes; rules ask for them, as by `with scope {}`: {}",
            quote(scopes.first().copied().unwrap_or_default()),
            comment(&scopes.join(", "))
        ));
    }
    let claims: Vec<&str> = texts(members, "claims_supported").collect();
    if claims.contains(&"scp") && !claims.contains(&"scope") {
        notes.push("claims_supported: scopes are read from `scp`".to_owned());
        return "scopes from scp;";
    }
    ""
}

/// `NAME: TYPE;` of the claims whose type is known.
fn claims(members: &Map<String, Value>, notes: &mut Vec<String>) -> Vec<String> {
    let (mut out, mut seen, mut unknown) = (Vec::new(), BTreeSet::new(), Vec::new());
    for name in texts(members, "claims_supported") {
        if REGISTERED.contains(&name) || matches!(name, "scope" | "scp") || !seen.insert(name) {
            continue;
        }
        let ty = match name {
            _ if STRINGS.contains(&name) => "string",
            _ if BOOLS.contains(&name) => "bool",
            _ if SETS.contains(&name) => "set or string",
            _ if INSTANTS.contains(&name) => "instant",
            _ if OF_ID_TOKENS.contains(&name) => {
                notes.push(format!(
                    "claims_supported: `{name}` is left out: it is for the client that got the token"
                ));
                continue;
            }
            _ => {
                unknown.push(format!("`{}`", comment(name)));
                continue;
            }
        };
        out.push(format!("{name}: {ty};"));
    }
    if !unknown.is_empty() {
        notes.push(format!(
            "claims_supported: left out, as the document gives no types: {}; declare those that rules ask for, as in `claims {{ tenant: string; }}`",
            unknown.join(", ")
        ));
    }
    out
}

/// A note for everything else that the document says.
fn rest(members: &Map<String, Value>, notes: &mut Vec<String>) {
    const TAKEN: [&str; 5] = [
        "issuer",
        "jwks_uri",
        "id_token_signing_alg_values_supported",
        "scopes_supported",
        "claims_supported",
    ];
    let (mut of_clients, mut others) = (Vec::new(), Vec::new());
    for (name, value) in members {
        match name.as_str() {
            name if TAKEN.contains(&name) => {}
            "introspection_endpoint" => notes.push(
                "introspection_endpoint: tokens that are no JWTs are asked for there by the host; an issuer of such tokens has `opaque;`".to_owned(),
            ),
            "tls_client_certificate_bound_access_tokens" if *value == Value::Bool(true) => notes.push(
                "tls_client_certificate_bound_access_tokens: to refuse tokens without a certificate add `bound to certificate;`".to_owned(),
            ),
            "dpop_signing_alg_values_supported" => notes.push(
                "dpop_signing_alg_values_supported: proofs are not supported, and a token bound to a key is refused".to_owned(),
            ),
            "acr_values_supported" => {
                let values: Vec<&str> = texts(members, name).collect();
                notes.push(format!(
                    "acr_values_supported: rules ask for them by `with acr`: {}",
                    comment(&values.join(", "))
                ));
            }
            "signed_metadata" => notes.push("signed_metadata: its signature is not verified, and it is not read".to_owned()),
            name if OF_CLIENTS.iter().any(|end| name.ends_with(end)) => of_clients.push(comment(name)),
            name => others.push(comment(name)),
        }
    }
    for (names, what) in [
        (of_clients, "not carried over, for it is for clients"),
        (others, "not carried over, for a policy has no place for it"),
    ] {
        if !names.is_empty() {
            notes.push(format!("{what}: {}", names.join(", ")));
        }
    }
}

/// Runs `import oidc`.
pub fn run(args: &OidcArgs, output: &mut Output) -> Result<Exit, CliError> {
    let trouble = |error: ImportError| CliError::Import(error.to_string());
    let shown = args.file.display().to_string();
    let root = document(&shown, &read_limited(&args.file, DOCUMENT_BYTES_MAX)?).map_err(trouble)?;
    let jwks = match &args.jwks {
        None => None,
        Some(file) => {
            let bytes = read_limited(file, jwks::JWKS_BYTES_MAX as u64)?;
            let text = String::from_utf8(bytes).map_err(|_| CliError::file(file, "a key set is UTF-8"))?;
            jwks::read(text.as_bytes()).map_err(|error| CliError::file(file, error.fault))?;
            Some(text)
        }
    };
    let options = OidcOptions {
        name: args.name.clone(),
        audiences: args.audience.clone(),
        jwks,
    };
    let skeleton = oidc(&root, &options).map_err(trouble)?;
    hand_out(&skeleton, args.output.as_deref(), args.force, output)
}
