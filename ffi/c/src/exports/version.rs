//! What library this is.

use std::ffi::c_char;

/// Number of the ABI that this header describes. It changes when a program built with an older header would misread
/// a newer library, and with it the shared library's name.
pub const PORTCULLIS_ABI_VERSION: u32 = 2;

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// The number of the ABI that the library has; compare it with `PORTCULLIS_ABI_VERSION` before anything else.
///
/// Threads: any. Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_abi_version() -> u32 {
    PORTCULLIS_ABI_VERSION
}

/// The library's version, as `0.1.0`; ends in a NUL.
///
/// Ownership: the library's; valid as long as the library is loaded. Threads: any. Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_version() -> *const c_char {
    VERSION.as_ptr()
}

/// 1 where `portcullis_engine_load_text` compiles policy text, 0 where this library was built for images only.
///
/// Threads: any. Errors: none.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_has_compiler() -> u32 {
    u32::from(cfg!(feature = "compile"))
}
