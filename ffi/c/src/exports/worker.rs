//! Workers: what one thread decides with.

use crate::guard::{freed, guard};
use crate::memory::{Out, collide, zero};
use crate::status::{PORTCULLIS_OK, TWICE};
use crate::worker::WORKERS;

/// Makes a worker: memory that is used again and again, so that deciding needs no other. Make one for each thread.
///
/// Ownership: the caller's; give it to `portcullis_worker_free`. A worker belongs to no engine. It keeps the policy of
/// its last decision until the next one. Threads: any; the worker itself is used by one thread at a time, and so are
/// the exchanges that it begins. `worker` is set to 0 first. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_FULL` (16,384 live).
///
/// # Safety
///
/// `worker` and `error` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_worker_new(worker: *mut u64, error: *mut u64) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { zero(worker) };
    let make = || {
        if collide([worker.addr(), error.addr()]) {
            return Err(TWICE);
        }
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(worker) }?;
        out.put(WORKERS.insert(|_, _| ())?);
        Ok(PORTCULLIS_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, make) }
}

/// Frees a worker and ends all exchanges that it has begun. 0 is no worker, and freeing it is no error. It works on a
/// poisoned worker too.
///
/// Threads: any that is not in a call with the worker. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_worker_free(worker: u64) -> i32 {
    freed(&WORKERS, worker)
}
