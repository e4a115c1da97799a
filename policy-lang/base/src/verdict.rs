//! Why a request got its verdict -> the codes that verdicts, logs and tests of policies write. Knows no rules.

use core::fmt;

/// An enum without data whose values have a code each.
macro_rules! closed_set {
    ($(#[$set:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $code:literal $(, $status:literal)?;)* }) => {
        $(#[$set])*
        pub enum $name { $($(#[$doc])* $value),* }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [$name] = &[$($name::$value),*];

            /// What verdicts and logs write: lower-case words joined by `_`.
            pub const fn code(self) -> &'static str {
                match self { $($name::$value => $code),* }
            }

            /// The one that has this code, if any.
            pub fn from_code(code: &str) -> Option<$name> {
                match code { $($code => Some($name::$value),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }
        closed_set!(@statuses $name $($value $($status)?;)*);
    };
    (@statuses $name:ident $($value:ident $status:literal;)+) => {
        impl $name {
            /// The HTTP status of the verdict unless the policy says otherwise.
            pub const fn status(self) -> u16 {
                match self { $($name::$value => $status),+ }
            }
        }
    };
    (@statuses $name:ident $($value:ident;)+) => {};
}

closed_set! {
    /// Why a request got its verdict, each with its default status. Every verdict has exactly one.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    Reason {
        /// An allow granted it.
        Allowed = "allowed", 200;
        /// A CORS preflight, answered by the gateway.
        Preflight = "preflight", 204;
        /// A deny applied.
        DeniedByRule = "denied_by_rule", 403;
        /// No allow applied.
        NoRule = "no_rule", 403;
        /// No service for this host and path.
        NoService = "no_service", 404;
        /// No allow's pattern matches the path.
        NoRoute = "no_route", 404;
        /// No allow on this path has the method.
        MethodNotAllowed = "method_not_allowed", 405;
        /// Past its sunset.
        Gone = "gone", 410;
        /// A credential is needed and none is valid.
        Unauthenticated = "unauthenticated", 401;
        /// A credential was presented and is not valid.
        InvalidToken = "invalid_token", 401;
        /// Only scopes lacked.
        InsufficientScope = "insufficient_scope", 403;
        /// Only the `acr` or the age of the authentication lacked.
        InsufficientUserAuthentication = "insufficient_user_authentication", 401;
        /// Over a quota.
        QuotaExceeded = "quota_exceeded", 429;
        /// A quota's key, cost or limit is unknown.
        QuotaKeyUnknown = "quota_key_unknown", 403;
        /// Under a penalty.
        Blocked = "blocked", 403;
        /// The query is not what the policy accepts.
        QueryRefused = "query_refused", 422;
        /// The body is not what the policy accepts.
        BodyRefused = "body_refused", 422;
        /// The body's media type is not accepted.
        UnsupportedMediaType = "unsupported_media_type", 415;
        /// The body is too large.
        TooLarge = "too_large", 413;
        /// The response failed its check.
        ResponseRefused = "response_refused", 502;
        /// The response could not be read.
        ResponseUnreadable = "response_unreadable", 502;
        /// TLS or SNI is not as demanded.
        TransportRefused = "transport_refused", 403;
        /// The request has no canonical form.
        Malformed = "malformed", 400;
        /// A quota's store failed.
        StoreUnavailable = "store_unavailable", 503;
        /// No policy is loaded.
        #[default]
        NoPolicy = "no_policy", 503;
        /// A defect of the engine or its host.
        Internal = "internal", 500;
    }
}

closed_set! {
    /// What exactly was wrong, where a reason covers several cases: the engine's own detail codes. A verdict's detail
    /// can also be a host's word about a credential it has verified, or the name of a quota.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    Detail {
        // `malformed`: the head of the request
        /// More header lines than the limit.
        TooManyHeaders = "too_many_headers";
        /// Header lines of more bytes than the limit.
        HeadersTooLarge = "headers_too_large";
        /// The method is no token, or is too long.
        BadMethod = "bad_method";
        /// The target has no form of RFC 9112, section 3.2, that fits the method.
        BadTarget = "bad_target";
        /// The target has more bytes than the limit.
        TargetTooLong = "target_too_long";
        /// More cookies than the limit.
        TooManyCookies = "too_many_cookies";
        /// More query parameters than the limit.
        TooManyParameters = "too_many_parameters";
        /// A header asks for another method.
        MethodOverride = "method_override";
        /// `Connection` names a header that carries an identity.
        ConnectionDropsIdentity = "connection_drops_identity";
        /// A header's name is no token.
        BadHeaderName = "bad_header_name";
        /// A header's value holds a control character.
        BadHeaderValue = "bad_header_value";
        /// Two headers differ in `-` and `_` alone.
        HeaderCollision = "header_collision";
        /// Several Host headers.
        DuplicateHost = "duplicate_host";
        /// The target's or the host's authority is not that of the Host header.
        HostMismatch = "host_mismatch";
        /// No authority at all.
        MissingHost = "missing_host";
        /// The host is not in its one spelling.
        BadHost = "bad_host";
        /// The port is no number in 1 to 65535.
        BadPort = "bad_port";

        // `malformed`: the path and the query
        /// A control character or a space, encoded or not.
        ControlOrNul = "control_or_nul";
        /// A byte outside ASCII that is not percent-encoded.
        RawNonAscii = "raw_non_ascii";
        /// A `#`.
        Fragment = "fragment";
        /// A backslash, encoded or not.
        Backslash = "backslash";
        /// A `%` without two hexadecimal digits.
        BadPercent = "bad_percent";
        /// `%2F`, where the policy does not take it as data.
        EncodedSlash = "encoded_slash";
        /// More segments than the limit.
        TooManySegments = "too_many_segments";
        /// `//`.
        EmptySegment = "empty_segment";
        /// `..` that leads above the root.
        AboveRoot = "above_root";
        /// A segment ends in a dot or a space.
        TrailingDotOrSpace = "trailing_dot_or_space";
        /// A character that some servers read as a slash.
        LookalikeSlash = "lookalike_slash";
        /// Still percent-encoded after it was decoded.
        DoubleEncoding = "double_encoding";
        /// A `;` in a segment.
        PathParameter = "path_parameter";
        /// A segment is not UTF-8.
        BadUtf8 = "bad_utf8";

        // `invalid_token`
        /// Several credentials of one kind, or one where its verifier does not look.
        AmbiguousCredential = "ambiguous_credential";
        /// Not the syntax of a credential.
        MalformedCredential = "malformed_credential";
        /// Presented, and verified neither by the host nor here.
        NotVerified = "not_verified";
        /// The token is good only beside a proof that its holder has a key (RFC 9449), and proofs are not verified.
        ProofNotSupported = "proof_not_supported";
        /// More bytes of claims, or more claims, than the limit.
        TokenTooLarge = "token_too_large";
        /// The policy has no such issuer.
        UnknownIssuer = "unknown_issuer";
        /// Past its end.
        Expired = "expired";
        /// No compact JWS (RFC 7515, section 7.1) of JSON objects, or a claim that is judged is ill-typed.
        MalformedToken = "malformed_token";
        /// A JSON object has a member twice.
        DuplicateMember = "duplicate_member";
        /// The policy has no such key set.
        UnknownKeys = "unknown_keys";
        /// The fields of a key are no JSON object.
        MalformedKey = "malformed_key";
        /// The policy has no such signature scheme.
        UnknownSignature = "unknown_signature";
        /// The issuer does not list the token's `alg`.
        AlgorithmNotAllowed = "algorithm_not_allowed";
        /// The token's header has `crit` or `b64`, and no extension of JWS is supported (RFC 7515, section 4.1.11).
        CriticalHeader = "critical_header";
        /// The token holds another token: its `cty` is `JWT` (RFC 7519, section 5.2).
        NestedToken = "nested_token";
        /// The token's `typ` is not the one that the issuer asks for (RFC 8725, section 3.11); a value of a body is of another type.
        WrongType = "wrong_type";
        /// No key of the issuer, or several, fit the token's `kid` and `alg`.
        UnknownKey = "unknown_key";
        /// The keys or secrets that would verify the credential were never loaded.
        KeysNotLoaded = "keys_not_loaded";
        /// The token's `aud` holds none of the issuer's audiences.
        WrongAudience = "wrong_audience";
        /// The token has no `exp`.
        NoExpiry = "no_expiry";
        /// An instant must be judged, and the host gives none.
        NoClock = "no_clock";
        /// The token's `nbf` or `iat` lies in the future.
        NotYetValid = "not_yet_valid";
        /// The token was issued longer ago than the issuer's `max age`.
        TooOld = "too_old";
        /// The connection's certificate is not the one that the token is bound to (RFC 8705, section 3).
        CertificateMismatch = "certificate_mismatch";
        /// The signature is not one of the key, or the MAC not one of the secret.
        BadSignature = "bad_signature";
        /// The key set holds no such API key.
        UnknownApiKey = "unknown_api_key";
        /// The signature's timestamp lies outside its window.
        StaleSignature = "stale_signature";
        /// The client certificate cannot be read.
        MalformedCertificate = "malformed_certificate";

        // `transport_refused`
        /// Not over TLS.
        Tls = "tls";
        /// The TLS server name is not the host.
        Sni = "sni";

        // `query_refused`
        /// The query cannot be decoded.
        QuerySyntax = "query_syntax";
        /// A parameter is missing, unknown, given too often or of another type.
        QueryShape = "query_shape";

        // `body_refused`, `unsupported_media_type`, `response_unreadable`: how a body is read
        /// The media type is not one that is accepted or can be read.
        MediaType = "media_type";
        /// The charset is not UTF-8.
        Charset = "charset";
        /// The body is coded in a way that cannot be read.
        ContentCoding = "content_coding";
        /// More bytes than the limit.
        TooLarge = "body_too_large";
        /// The body is not JSON (RFC 8259), or not in UTF-8.
        NotJson = "not_json";
        /// More open containers than the limit.
        TooDeep = "too_deep";
        /// A member's name, or what else must be held back, has more bytes than the limit.
        NameTooLong = "name_too_long";
        /// The body ends before it is whole.
        CutShort = "cut_short";
        /// A part of a response (206).
        PartialContent = "partial_content";
        /// The upstream speaks another protocol from here on (101).
        SwitchingProtocols = "switching_protocols";

        // `body_refused`: what a body holds
        /// Not an URL-encoded form, or not in UTF-8.
        NotAForm = "not_a_form";
        /// A member or name that is not accepted.
        UnknownField = "unknown_field";
        /// A member or name that must be there.
        MissingField = "missing_field";
        /// A value, or a length, outside its bounds.
        OutOfRange = "out_of_range";
        /// A value that is not among those listed.
        NotInList = "not_in_list";
        /// A text that its regex does not match.
        NoMatch = "no_match";
        /// Too few or too many values of a list.
        WrongCount = "wrong_count";
        /// More members than the limit.
        TooManyKeys = "too_many_keys";

        // `internal`
        /// The decision demands a step that the host does not carry out.
        DemandsNotCarried = "demands_not_carried";
    }
}

#[cfg(test)]
mod tests {
    use super::{Detail, Reason};

    fn is_code(code: &str) -> bool {
        !code.is_empty()
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    }

    #[test]
    fn codes_read_back_and_are_distinct() {
        for reason in Reason::ALL {
            assert!(is_code(reason.code()));
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert!((200..=599).contains(&reason.status()));
        }
        for detail in Detail::ALL {
            assert!(is_code(detail.code()));
            assert_eq!(Detail::from_code(detail.code()), Some(*detail));
        }
        assert_eq!(Reason::from_code("pending"), None);
        assert_eq!(Detail::from_code(""), None);
    }
}
