//! A call -> its return code. Panics end here, and so does every failure: as a code, and as an error object where the
//! caller has a place for one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::handles::{Kind, Object, Table};
use crate::memory::Out;
use crate::status::{Failure, PORTCULLIS_E_INTERNAL, PORTCULLIS_OK};

/// Why a call failed, until it is freed.
#[derive(Debug, Default)]
pub(crate) struct ErrorObject {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Object for ErrorObject {
    fn end(&mut self) {
        *self = ErrorObject::default();
    }
}

/// All error objects of the process.
pub(crate) static ERRORS: Table<ErrorObject> = Table::new(Kind::Error);

const DEFECT: Failure = Failure::new(
    PORTCULLIS_E_INTERNAL,
    "a defect of the library; the handle of this call is poisoned, and what it decided is a denial",
);

/// Runs a call that has a place for an error object, which is set to 0 first.
///
/// # Safety
///
/// Unless null or misaligned, `error` must be writable during the call.
#[inline]
pub(crate) unsafe fn guard(error: *mut u64, call: impl FnOnce() -> Result<i32, Failure>) -> i32 {
    // SAFETY: the caller's promise.
    let error = match unsafe { Out::maybe(error) } {
        Ok(error) => error,
        Err(failure) => return failure.code,
    };
    error.put(0);
    run(error, call)
}

/// Runs a call that says no more than its code.
#[inline]
pub(crate) fn coded(call: impl FnOnce() -> Result<i32, Failure>) -> i32 {
    run(Out::none(), call)
}

/// Frees an object of a table; 0 is none.
pub(crate) fn freed<T: Object>(table: &Table<T>, handle: u64) -> i32 {
    coded(|| {
        if handle != 0 {
            table.free(handle)?;
        }
        Ok(PORTCULLIS_OK)
    })
}

/// Nothing that a call changed is used again after a panic: locks that it held are poisoned.
#[inline]
fn run(error: Out<'_, u64>, call: impl FnOnce() -> Result<i32, Failure>) -> i32 {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => report(error, failure),
        Err(payload) => {
            // A payload may itself panic when it is dropped, and so may that one's; the second costs its memory.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            report(error, DEFECT)
        }
    }
}

/// Where there is no place for an error object, the code must do; so it must where no slot is left for one.
#[cold]
fn report(error: Out<'_, u64>, failure: Failure) -> i32 {
    let code = failure.code;
    if error.is_wanted() {
        let made = catch_unwind(AssertUnwindSafe(|| {
            ERRORS.insert(|_, object| {
                *object = ErrorObject {
                    code,
                    text: failure.text.into_owned(),
                }
            })
        }));
        error.put(made.ok().and_then(Result::ok).unwrap_or(0));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_panic_gets_out() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let mut error = 0;
        // SAFETY: a variable of ours.
        let code = unsafe { guard(&raw mut error, || panic!("a defect")) };
        assert_eq!(code, PORTCULLIS_E_INTERNAL);
        assert_eq!(ERRORS.try_lock(error).unwrap().code, PORTCULLIS_E_INTERNAL);
        ERRORS.free(error).unwrap();
        assert_eq!(coded(|| std::panic::panic_any(Bomb)), PORTCULLIS_E_INTERNAL);
    }
}
