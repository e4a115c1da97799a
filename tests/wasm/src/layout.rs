//! Where the members of the module's structs lie, in bytes from the start of each, as `ffi/wasm/README.md` says. The
//! module holds itself to the same numbers when it is compiled.

/// A text: pointer, then length.
pub const TEXT_SIZE: u32 = 8;
/// A header line: two texts.
pub const HEADER_SIZE: u32 = 16;

/// `portcullis_request`.
pub mod request {
    /// Size of the struct, and alignment 8.
    pub const SIZE: u32 = 208;
    /// 32 bits.
    pub const FLAGS: u32 = 4;
    /// 32 bits.
    pub const TOKEN: u32 = 8;
    /// Text.
    pub const METHOD: u32 = 12;
    /// Text.
    pub const TARGET: u32 = 20;
    /// Pointer to header lines, then how many.
    pub const HEADERS: u32 = 28;
    /// Text.
    pub const SCHEME: u32 = 36;
    /// Text.
    pub const AUTHORITY: u32 = 44;
    /// Text.
    pub const PEER_TEXT: u32 = 52;
    /// Text.
    pub const PEER_BYTES: u32 = 60;
    /// Text.
    pub const PROTOCOL: u32 = 68;
    /// Text.
    pub const SNI: u32 = 76;
    /// Text.
    pub const CONTEXT: u32 = 84;
    /// Pointer.
    pub const CERTIFICATE: u32 = 92;
    /// Text.
    pub const TOKEN_ISSUER: u32 = 96;
    /// Text.
    pub const TOKEN_CLAIMS: u32 = 104;
    /// Text.
    pub const TOKEN_FAULT: u32 = 112;
    /// 32 bits.
    pub const KEY: u32 = 120;
    /// 32 bits.
    pub const SIGNATURE: u32 = 124;
    /// Text.
    pub const KEY_SET: u32 = 128;
    /// Text.
    pub const KEY_ID: u32 = 136;
    /// Text.
    pub const KEY_FIELDS: u32 = 144;
    /// Text.
    pub const KEY_FAULT: u32 = 152;
    /// Text.
    pub const SIGNATURE_NAME: u32 = 160;
    /// Text.
    pub const SIGNATURE_FAULT: u32 = 168;
    /// 64 bits.
    pub const WALL_US: u32 = 176;
    /// 32 bits.
    pub const CARRIES: u32 = 192;
    /// Pointer to second tokens, then how many.
    pub const BESIDE: u32 = 200;
}

/// `portcullis_beside`.
pub mod beside {
    /// Size of the struct, and alignment 4.
    pub const SIZE: u32 = 32;
    /// Text.
    pub const ISSUER: u32 = 0;
    /// Text.
    pub const CLAIMS: u32 = 8;
    /// Text.
    pub const FAULT: u32 = 16;
    /// 32 bits.
    pub const STATE: u32 = 24;
}

/// `portcullis_certificate`.
pub mod certificate {
    /// Size of the struct, and alignment 4.
    pub const SIZE: u32 = 52;
    /// Text.
    pub const SPIFFE: u32 = 4;
    /// Pointer to texts, then how many.
    pub const DNS: u32 = 12;
    /// Text.
    pub const SUBJECT: u32 = 20;
    /// Text.
    pub const FINGERPRINT: u32 = 28;
    /// Text.
    pub const FAULT: u32 = 36;
    /// 32 bits.
    pub const STATE: u32 = 44;
}

/// `portcullis_next`.
pub mod next {
    /// Size of the struct, and alignment 8.
    pub const SIZE: u32 = 40;
    /// 32 bits.
    pub const STEP: u32 = 4;
}

/// `portcullis_charged`.
pub mod charged {
    /// Size of the struct, and alignment 8.
    pub const SIZE: u32 = 24;
    /// 32 bits.
    pub const ADMITTED: u32 = 0;
}

/// `portcullis_verdict`.
pub mod verdict {
    /// Size of the struct, and alignment 8.
    pub const SIZE: u32 = 120;
    /// 32 bits.
    pub const EFFECT: u32 = 4;
    /// 32 bits.
    pub const STATUS: u32 = 8;
    /// Text.
    pub const REASON: u32 = 12;
    /// Text.
    pub const RULE: u32 = 36;
    /// How many tags.
    pub const TAGS_LEN: u32 = 76;
    /// How many header lines are set on the request.
    pub const REQUEST_SET_LEN: u32 = 80;
    /// How many quotas.
    pub const QUOTAS_LEN: u32 = 108;
}
