//! The plugin's configuration, a JSON object -> [`Config`], decoded and bounded. Unknown members are errors with
//! their name. Knows the engine's key types, but loads nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use portcullis::TrustedKeys;
use portcullis::image::seal::{PublicKey, is_key_id};
use portcullis::image::{HighWater, WhenExpired};
use serde::Deserialize;

use crate::gzip::{GzipError, unpack};
use crate::host::JOINT;

/// Longest configuration, bytes: an image of some ten thousand rules in base64. Several copies of it live while it
/// is taken, and a VM's memory never shrinks.
pub const CONFIG_BYTES_MAX: usize = 32 << 20;

/// Largest image that `image_gzip` unpacks to, bytes: as large as the one in base64 of the longest configuration.
pub const IMAGE_BYTES_MAX: usize = CONFIG_BYTES_MAX / 4 * 3;

/// Most issuers whose claims the gateway hands over: each is a look-up for every request.
pub const TOKENS_MAX: usize = 16;

/// Longest property path, segments: gateways have none that are longer.
pub const PROPERTY_PATH_MAX: usize = 16;

/// Roots of properties that clients and upstreams fill.
const OF_CLIENTS: [&str; 6] = [
    "connection",
    "destination",
    "request",
    "response",
    "source",
    "upstream",
];

/// How the names of NGINX's variables begin that may be believed. Most of NGINX's own hold what a client sent, and
/// modules add more of them, so only those count that an operator has named for this.
const NGINX_OURS: &str = "portcullis_";

/// A configuration that is none. The last good one stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Past [`CONFIG_BYTES_MAX`].
    #[error("the configuration is longer than {CONFIG_BYTES_MAX} bytes")]
    TooLong,
    /// The gateway gave none.
    #[error("there is no configuration: write `{{\"image\": \"<base64>\"}}`")]
    Missing,
    /// No JSON, or another shape.
    #[error("the configuration is not what it should be: {0}")]
    Json(#[from] serde_json::Error),
    /// None or several of `image`, `image_gzip` and `policy`.
    #[error("name one of `image`, `image_gzip` and `policy`")]
    OneSource,
    /// What `image_gzip` holds.
    #[error("`image_gzip` {0}")]
    Gzip(#[from] GzipError),
    /// Something is not base64.
    #[error("`{0}` is not base64")]
    Base64(String),
    /// A trusted key is none.
    #[error("`trust.keys`: `{0}` is not a key id with an Ed25519 public key of 32 bytes in base64")]
    Key(String),
    /// A mark is none.
    #[error("`trust.serial` and `trust.digest` (`sha256:` and 64 hexadecimal digits) go together")]
    Mark,
    /// Seals are of images.
    #[error("`trust` is about images: a `policy` text has no seal")]
    TrustWithText,
    /// A token that names no place, or two.
    #[error("the token of issuer `{0}` needs one of `payload` and `property`")]
    TokenPlace(String),
    /// A property path that clients could fill.
    #[error(
        "`{0}` is no property path to believe: name one that the gateway fills and no client; of NGINX's variables \
         one that begins with `{NGINX_OURS}`"
    )]
    PropertyPath(String),
    /// Claims of an issuer that is none.
    #[error("`tokens` names the issuer `{0}`, which the policy does not declare")]
    Issuer(String),
    /// Two contexts.
    #[error("name one of `context` and `context_property`")]
    OneContext,
    /// Past a limit.
    #[error("more than {max} {what}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

/// What is to be put in force.
#[derive(Debug)]
pub struct Config {
    /// The policy.
    pub source: Source,
    /// Lists, tables and what else the policy names, by file name.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Whose images are taken; `None` takes all.
    pub trust: Option<TrustedKeys>,
    /// How requests are treated.
    pub options: Options,
}

/// A policy.
#[derive(Debug)]
pub enum Source {
    /// An image, sealed or not.
    Image(Vec<u8>),
    /// Gate text.
    Text(Vec<u8>),
}

/// How requests are treated. The default is what holds without a good configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where verified claims are found.
    pub tokens: Vec<Token>,
    /// Where context facts are found.
    pub context: Option<Place>,
    /// Decide and tell, but change nothing.
    pub shadow: bool,
    /// Which decisions are logged.
    pub log: Logged,
    /// What `https` is believed by.
    pub tls: Tls,
    /// Which gateway it is.
    pub gateway: Kind,
    /// The gateway takes no client certificate that it has not validated: it says of one only that it is there.
    pub certificates_validated: bool,
    /// The first DNS name of a client certificate stands for all of them.
    pub first_dns_san: bool,
    /// Tell the client the reason's code.
    pub explain: bool,
}

/// What `https` is believed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// The connection to this gateway is TLS, as the gateway itself says.
    #[default]
    Connection,
    /// `:scheme` and `x-forwarded-proto`, which a proxy before this gateway writes.
    Forwarded,
}

/// Gateways whose header lines mean different things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `:path` and `:authority` are what the client sent.
    #[default]
    Envoy,
    /// They are what NGINX made of it.
    Nginx,
}

/// An issuer whose tokens the gateway verifies.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its name in the policy.
    pub issuer: String,
    /// Where its claims are.
    pub place: Place,
    /// Members of the claims that the policy reads, once it is known; `None` is all.
    pub members: Option<Vec<String>>,
}

/// Where a JSON value is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A namespace of Envoy's dynamic metadata, all of it.
    Namespace(String),
    /// One value of [`JWT_AUTHN`].
    Payload(String),
    /// A property that holds JSON text, by its path as a gateway takes it.
    Property(String),
}

/// Where Envoy's JWT filter puts verified claims.
pub const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// Which decisions are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Logged {
    /// Every one.
    All,
    /// Denials, also those that shadow mode does not carry out.
    #[default]
    Denied,
    /// None.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'c> {
    #[serde(borrow)]
    image: Option<Cow<'c, str>>,
    #[serde(borrow)]
    image_gzip: Option<Cow<'c, str>>,
    #[serde(borrow)]
    policy: Option<Cow<'c, str>>,
    #[serde(borrow, default)]
    data: BTreeMap<String, Cow<'c, str>>,
    trust: Option<WrittenTrust>,
    #[serde(default)]
    tokens: Vec<WrittenToken>,
    context: Option<String>,
    context_property: Option<Vec<String>>,
    #[serde(default)]
    shadow: bool,
    #[serde(default)]
    log: Logged,
    #[serde(default)]
    tls: Tls,
    #[serde(default)]
    gateway: Kind,
    #[serde(default)]
    certificates_validated: bool,
    #[serde(default)]
    first_dns_san: bool,
    #[serde(default)]
    explain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTrust {
    keys: BTreeMap<String, String>,
    #[serde(default)]
    audience: String,
    serial: Option<u64>,
    digest: Option<String>,
    #[serde(default)]
    when_expired: AtEnd,
}

/// What becomes of an image past the end of its seal.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AtEnd {
    #[default]
    Keep,
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    issuer: String,
    payload: Option<String>,
    property: Option<Vec<String>>,
}

impl Config {
    /// Reads a configuration. `now_us` is for seals that end.
    pub fn read(bytes: &[u8], now_us: Option<i64>) -> Result<Config, ConfigError> {
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLong);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(ConfigError::Missing);
        }
        let written: Written<'_> = serde_json::from_slice(bytes)?;
        let source = match (&written.image, &written.image_gzip, &written.policy) {
            (Some(image), None, None) => Source::Image(decode("image", image)?),
            (None, Some(packed), None) => {
                Source::Image(unpack(&decode("image_gzip", packed)?, IMAGE_BYTES_MAX)?)
            }
            (None, None, Some(text)) => Source::Text(text.as_bytes().to_vec()),
            _ => return Err(ConfigError::OneSource),
        };
        if matches!(source, Source::Text(_)) && written.trust.is_some() {
            return Err(ConfigError::TrustWithText);
        }
        let files = written.data.into_iter().map(|(name, text)| {
            let bytes = decode(&format!("data.{name}"), &text)?;
            Ok::<_, ConfigError>((name, bytes))
        });
        Ok(Config {
            source,
            data: files.collect::<Result<_, _>>()?,
            trust: written.trust.map(|trust| trust.read(now_us)).transpose()?,
            options: Options {
                tokens: tokens(written.tokens)?,
                context: context(written.context, written.context_property)?,
                shadow: written.shadow,
                log: written.log,
                tls: written.tls,
                gateway: written.gateway,
                certificates_validated: written.certificates_validated,
                first_dns_san: written.first_dns_san,
                explain: written.explain,
            },
        })
    }
}

fn decode(member: &str, text: &str) -> Result<Vec<u8>, ConfigError> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| ConfigError::Base64(member.to_string()))
}

impl WrittenTrust {
    fn read(self, now_us: Option<i64>) -> Result<TrustedKeys, ConfigError> {
        let keys = self.keys.into_iter().map(|(id, text)| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(&text).ok();
            let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
            match bytes.and_then(|bytes| PublicKey::from_bytes(&bytes).ok()) {
                Some(key) if is_key_id(&id) => Ok((id, key)),
                _ => Err(ConfigError::Key(id)),
            }
        });
        let keys = keys.collect::<Result<_, _>>()?;
        let high_water = match (self.serial, self.digest) {
            (None, None) => None,
            (Some(serial), Some(digest)) => Some(HighWater {
                serial,
                digest: hexadecimal(&digest).ok_or(ConfigError::Mark)?,
            }),
            _ => return Err(ConfigError::Mark),
        };
        Ok(TrustedKeys {
            keys,
            audience: self.audience,
            high_water,
            now_us,
            when_expired: match self.when_expired {
                AtEnd::Keep => WhenExpired::Keep,
                AtEnd::Deny => WhenExpired::Deny,
            },
            ..TrustedKeys::default()
        })
    }
}

/// `sha256:` and 64 digits.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn tokens(written: Vec<WrittenToken>) -> Result<Vec<Token>, ConfigError> {
    if written.len() > TOKENS_MAX {
        return Err(ConfigError::TooMany {
            what: "tokens",
            max: TOKENS_MAX,
        });
    }
    let tokens = written.into_iter().map(|token| {
        let place = match (token.payload, token.property) {
            (Some(key), None) => Place::Payload(key),
            (None, Some(path)) => property(path)?,
            _ => return Err(ConfigError::TokenPlace(token.issuer)),
        };
        Ok(Token {
            issuer: token.issuer,
            place,
            members: None,
        })
    });
    tokens.collect()
}

fn context(namespace: Option<String>, path: Option<Vec<String>>) -> Result<Option<Place>, ConfigError> {
    match (namespace, path) {
        (None, None) => Ok(None),
        (Some(namespace), None) => Ok(Some(Place::Namespace(namespace))),
        (None, Some(path)) => property(path).map(Some),
        (Some(_), Some(_)) => Err(ConfigError::OneContext),
    }
}

fn property(path: Vec<String>) -> Result<Place, ConfigError> {
    if path.len() > PROPERTY_PATH_MAX {
        return Err(ConfigError::TooMany {
            what: "segments of a property path",
            max: PROPERTY_PATH_MAX,
        });
    }
    if is_believable(&path) {
        Ok(Place::Property(path.join(JOINT)))
    } else {
        Err(ConfigError::PropertyPath(path.join(".")))
    }
}

/// Whether only the gateway fills a property. Hosts join segments in their own ways, so that a dot in the first
/// one or a NUL would make another path.
fn is_believable(path: &[String]) -> bool {
    let plain = |segment: &String| !segment.is_empty() && !segment.contains('\0');
    match path {
        [] => false,
        [root, ..] if root.contains('.') => false,
        [root, ..] if OF_CLIENTS.iter().any(|of| root.eq_ignore_ascii_case(of)) => false,
        // NGINX looks a variable up by its name in lower case.
        [root, rest @ ..] if root.eq_ignore_ascii_case("ngx") => {
            let [name] = rest else { return false };
            plain(name) && name.starts_with(NGINX_OURS)
        }
        path => path.iter().all(plain),
    }
}
