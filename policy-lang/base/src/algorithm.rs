//! The signature algorithms of tokens, by the names that a token's header and a policy give them.

/// A signature algorithm of a token (RFC 7518, section 3; RFC 8037, section 3.1; RFC 9864, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// ECDSA, P-384, SHA-384.
    Es384,
    /// ECDSA, P-521, SHA-512.
    Es512,
    /// EdDSA with Ed25519, named in full.
    Ed25519,
    /// EdDSA; the key names the curve. Of the curves that this is for, Ed25519 alone is supported.
    EdDsa,
    /// HMAC with SHA-256: its key is a secret.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PSS, SHA-256.
    Ps256,
    /// RSASSA-PSS, SHA-384.
    Ps384,
    /// RSASSA-PSS, SHA-512.
    Ps512,
    /// RSASSA-PKCS1-v1_5, SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5, SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5, SHA-512.
    Rs512,
}

impl Algorithm {
    /// All of them, in the order of their codes.
    pub const ALL: [Algorithm; 14] = [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Ed25519,
        Algorithm::EdDsa,
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
    ];

    /// The `alg` of a token's header (IANA JOSE registry).
    pub fn code(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Hs256 => "HS256",
            Algorithm::Hs384 => "HS384",
            Algorithm::Hs512 => "HS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
        }
    }

    /// Whether its key is a secret that both sides hold.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
    }

    /// Fewest bytes of its secret, those of its hash (RFC 7518, section 3.2); 0 where its key is public.
    pub fn secret_bytes_min(self) -> usize {
        match self {
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
            Algorithm::Hs512 => 64,
            _ => 0,
        }
    }

    /// The algorithm of a code.
    pub fn from_code(code: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|a| a.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn codes_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_code(algorithm.code()), Some(algorithm));
        }
        for code in ["", "none", "None", "es256", "ES256 ", "EDDSA", "ES256K", "RSA1_5"] {
            assert_eq!(Algorithm::from_code(code), None, "{code}");
        }
    }
}
