//! Buffers in this module's memory that the host may write into. It has no other allocator here, and gives back only
//! what it was given: anything else is told.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;

use portcullis_c::status::{PORTCULLIS_E_ARGUMENT, PORTCULLIS_E_INTERNAL, PORTCULLIS_OK};

/// Largest buffer, bytes: an image of the largest size, or a large table.
const BUFFER_BYTES_MAX: usize = 1 << 30;
/// Alignment of every buffer, bytes: that of the structs, which hold 64-bit numbers.
const ALIGN: usize = 8;

thread_local! {
    /// Live buffers: address, length; by address. A host has few.
    static LIVE: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

fn layout(len: usize) -> Option<Layout> {
    if len == 0 || len > BUFFER_BYTES_MAX {
        return None;
    }
    Layout::from_size_align(len, ALIGN).ok()
}

/// A buffer of `len` bytes, zeroed, at a multiple of 8; 0 where `len` is 0 or more than 1 GiB, or memory is out.
///
/// Ownership: the host's; give it to `portcullis_free`.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_alloc(len: usize) -> usize {
    let Some(layout) = layout(len) else {
        return 0;
    };
    // SAFETY: the layout's size is not 0.
    let buffer = unsafe { alloc_zeroed(layout) };
    if buffer.is_null() {
        return 0;
    }
    let address = buffer.expose_provenance();
    let kept = LIVE.with(|live| {
        let mut live = live.try_borrow_mut().ok()?;
        live.try_reserve(1).ok()?;
        let at = live.partition_point(|(known, _)| *known < address);
        live.insert(at, (address, len));
        Some(())
    });
    if kept.is_some() {
        return address;
    }
    // SAFETY: just made with this layout, and told to nobody.
    unsafe { dealloc(buffer, layout) };
    0
}

/// Gives a buffer back. 0 is no buffer, and freeing it is no error.
///
/// Errors: `PORTCULLIS_E_ARGUMENT` (not the address of a live buffer).
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_free(address: usize) -> i32 {
    if address == 0 {
        return PORTCULLIS_OK;
    }
    let found = LIVE.with(|live| {
        live.try_borrow_mut().map(|mut live| {
            let at = live.binary_search_by_key(&address, |(known, _)| *known).ok()?;
            Some(live.remove(at).1)
        })
    });
    let Ok(found) = found else {
        return PORTCULLIS_E_INTERNAL;
    };
    let Some(layout) = found.and_then(layout) else {
        return PORTCULLIS_E_ARGUMENT;
    };
    // SAFETY: `portcullis_alloc` made this very address with this layout and exposed it; it was in the table, so it was
    // not freed since, and now that it is out of it nobody will free it again.
    unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout) };
    PORTCULLIS_OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_live_buffers_are_freed() {
        let a = portcullis_alloc(13);
        let b = portcullis_alloc(8);
        assert!(a != 0 && b != 0 && a != b && a.is_multiple_of(ALIGN) && b.is_multiple_of(ALIGN));
        assert_eq!(portcullis_free(a + 8), PORTCULLIS_E_ARGUMENT);
        assert_eq!(portcullis_free(a), PORTCULLIS_OK);
        assert_eq!(portcullis_free(a), PORTCULLIS_E_ARGUMENT);
        assert_eq!(portcullis_free(b), PORTCULLIS_OK);
        assert_eq!(portcullis_free(0), PORTCULLIS_OK);
        assert_eq!((portcullis_alloc(0), portcullis_alloc(usize::MAX)), (0, 0));
    }
}
