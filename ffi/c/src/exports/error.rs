//! Why a call failed, as an object that the caller owns.

use crate::guard::{ERRORS, coded, freed};
use crate::memory::Out;
use crate::status::PORTCULLIS_OK;
use crate::types::Text;

/// The code of the call that made an error.
///
/// Threads: any, one at a time. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_error_code(error: u64) -> i32 {
    coded(|| Ok(ERRORS.try_lock(error)?.code))
}

/// A sentence about what went wrong, for whoever operates the host; UTF-8, of several lines for a policy's errors. It
/// may quote the policy: do not send it to clients.
///
/// Ownership: the error's; valid until it is freed. Threads: any, one at a time. Errors: `PORTCULLIS_E_ARGUMENT`,
/// `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`; then `text` is absent.
///
/// # Safety
///
/// `text` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_error_text(error: u64, text: *mut Text) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let text = unsafe { Out::new(text) }?;
        text.put(Text::default());
        text.put(Text::from(ERRORS.try_lock(error)?.text.as_str()));
        Ok(PORTCULLIS_OK)
    })
}

/// Frees an error. 0 is no error, and freeing it is none.
///
/// Threads: any, one at a time. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_error_free(error: u64) -> i32 {
    freed(&ERRORS, error)
}
