//! Pointers of the caller -> slices and copies. The one place that reads or writes foreign memory: whatever can be told
//! of a pointer without following it is told first.

use std::marker::PhantomData;
use std::mem::{MaybeUninit, align_of, size_of};
use std::sync::atomic::{Ordering, compiler_fence};

use crate::status::{Failure, PORTCULLIS_E_ARGUMENT, PORTCULLIS_E_TEXT};
use crate::types::{Text, Verdict};

/// Largest struct that a caller may hand over, bytes: far more than any version of one has. A larger size is no size.
pub(crate) const STRUCT_BYTES_MAX: usize = 4_096;

const NULL: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "a null pointer where there must be one");
const LENGTH: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a null pointer with a length, or a length that no object has",
);
const ALIGNMENT: Failure = Failure::new(PORTCULLIS_E_ARGUMENT, "a misaligned pointer");
const OUTSIDE: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a pointer to bytes that lie past the end of memory",
);
const SIZE: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "struct_size is not the size of a known version of the struct",
);
const NEWER: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "the struct has a member set that this version of the library does not know",
);

/// A C struct whose first member is its size in bytes.
///
/// # Safety
///
/// Every pattern of bits must be a value of the type, and it must begin with a `usize`.
pub(crate) unsafe trait Versioned: Copy {}

/// Whether memory reaches that far. A WASM module can ask where its memory ends; elsewhere only wrapping can be told.
#[inline]
fn is_within(address: usize, len: usize) -> bool {
    let Some(end) = address.checked_add(len) else {
        return false;
    };
    #[cfg(target_arch = "wasm32")]
    return end as u64 <= core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    {
        let _ = end;
        true
    }
}

/// A pointer to so many bytes, as far as can be told without following it.
#[inline]
fn checked<T>(ptr: *const T, bytes: usize) -> Result<*const T, Failure> {
    match (ptr.is_null(), ptr.is_aligned()) {
        (true, _) => Err(NULL),
        (_, false) => Err(ALIGNMENT),
        _ if !is_within(ptr.addr(), bytes) => Err(OUTSIDE),
        _ => Ok(ptr),
    }
}

/// Elements of the caller; none where the length is 0, whatever the pointer is.
///
/// # Safety
///
/// Unless `len` is 0, `ptr` is null or misaligned, `len` elements must be readable at `ptr` and stay unchanged for
/// `'a`, and every pattern of bits must be a value of `T`.
#[inline]
pub(crate) unsafe fn slice<'a, T>(ptr: *const T, len: usize) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    let bytes = len
        .checked_mul(size_of::<T>())
        .filter(|n| *n <= isize::MAX as usize);
    if ptr.is_null() || bytes.is_none_or(|n| !is_within(ptr.addr(), n)) {
        return Err(LENGTH);
    }
    if !ptr.is_aligned() {
        return Err(ALIGNMENT);
    }
    // SAFETY: not null, aligned, of a length that an object can have; the caller answers for the rest.
    Ok(unsafe { std::slice::from_raw_parts(ptr, len) })
}

/// The bytes of a text.
///
/// # Safety
///
/// As of [`slice`].
#[inline]
pub(crate) unsafe fn bytes<'a>(text: Text) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise; any byte is a u8.
    unsafe { slice(text.ptr.cast::<u8>(), text.len) }
}

/// The bytes of a text that may be absent: null is absent, a pointer with length 0 is an empty text.
///
/// # Safety
///
/// As of [`slice`].
#[inline]
pub(crate) unsafe fn maybe_bytes<'a>(text: Text) -> Result<Option<&'a [u8]>, Failure> {
    if text.ptr.is_null() && text.len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { bytes(text) }.map(Some)
}

/// A text that must be UTF-8.
///
/// # Safety
///
/// As of [`slice`].
#[inline]
pub(crate) unsafe fn text<'a>(text: Text) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(text) }?;
    std::str::from_utf8(bytes).map_err(|_| Failure::new(PORTCULLIS_E_TEXT, "a text is not UTF-8"))
}

/// Copies a struct of whatever version into `room`: members that an older caller does not have are zero, and a newer one
/// may have more as long as they are zero.
///
/// # Safety
///
/// Unless `ptr` is null or misaligned, a `usize` must be readable at `ptr`, and as many bytes as it says.
#[inline]
pub(crate) unsafe fn sized<T: Versioned>(
    ptr: *const T,
    least: usize,
    room: &mut MaybeUninit<T>,
) -> Result<&T, Failure> {
    let ptr = checked(ptr, size_of::<usize>())?;
    // SAFETY: not null, aligned; a struct of this kind begins with its size.
    let size = unsafe { ptr.cast::<usize>().read() };
    if size < least || size > STRUCT_BYTES_MAX || !size.is_multiple_of(align_of::<T>()) {
        return Err(SIZE);
    }
    checked(ptr, size)?;
    let ours = size_of::<T>();
    if size < ours {
        // SAFETY: the caller lets us read `size` bytes; they and the zeroes behind them fill the room and no more.
        unsafe {
            let to = room.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping(ptr.cast::<u8>(), to, size);
            std::ptr::write_bytes(to.add(size), 0, ours - size);
        }
    } else {
        // SAFETY: the caller lets us read at least as many bytes as one has.
        room.write(unsafe { ptr.read() });
        // SAFETY: within the `size` bytes of the caller's struct.
        let more = unsafe { slice(ptr.cast::<u8>().add(ours), size - ours) }?;
        if more.iter().any(|byte| *byte != 0) {
            return Err(NEWER);
        }
    }
    // SAFETY: all bytes are initialised, and every pattern of them is a value.
    Ok(unsafe { room.assume_init_ref() })
}

/// A place of the caller for a result, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out<'a, T> {
    ptr: *mut T,
    place: PhantomData<&'a mut T>,
}

impl<'a, T> Out<'a, T> {
    /// A place that must be there.
    ///
    /// # Safety
    ///
    /// Unless null or misaligned, `ptr` must be writable for `'a`.
    pub(crate) unsafe fn new(ptr: *mut T) -> Result<Out<'a, T>, Failure> {
        checked(ptr, size_of::<T>())?;
        Ok(Out {
            ptr,
            place: PhantomData,
        })
    }

    /// A place that may be missing.
    ///
    /// # Safety
    ///
    /// As of [`Out::new`].
    pub(crate) unsafe fn maybe(ptr: *mut T) -> Result<Out<'a, T>, Failure> {
        if ptr.is_null() {
            return Ok(Out::none());
        }
        // SAFETY: the caller's promise.
        unsafe { Out::new(ptr) }
    }

    /// Nowhere.
    pub(crate) fn none() -> Out<'a, T> {
        Out {
            ptr: std::ptr::null_mut(),
            place: PhantomData,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.ptr.is_null()
    }

    #[inline]
    pub(crate) fn put(self, value: T) {
        if self.is_wanted() {
            // SAFETY: made of a reference, or by a caller who promised that it is writable.
            unsafe { self.ptr.write(value) }
        }
    }
}

/// A struct of the caller for results, of whatever version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizedOut<'a, T> {
    ptr: *mut T,
    size: usize,
    place: PhantomData<&'a mut T>,
}

impl<'a, T: Versioned> SizedOut<'a, T> {
    /// A struct that must be there, with its size in its first member.
    ///
    /// # Safety
    ///
    /// Unless null or misaligned, a `usize` must be readable at `ptr`, and as many bytes as it says writable for `'a`.
    pub(crate) unsafe fn new(ptr: *mut T, least: usize) -> Result<SizedOut<'a, T>, Failure> {
        checked(ptr, size_of::<usize>())?;
        // SAFETY: not null, aligned; a struct of this kind begins with its size.
        let size = unsafe { ptr.cast::<usize>().read() };
        if size < least || size > STRUCT_BYTES_MAX || !size.is_multiple_of(align_of::<T>()) {
            return Err(SIZE);
        }
        checked(ptr, size)?;
        Ok(SizedOut {
            ptr,
            size,
            place: PhantomData,
        })
    }

    /// Writes what the caller's version has room for, and zero to what ours does not know. The size stays.
    #[inline]
    pub(crate) fn put(self, value: &T) {
        let head = size_of::<usize>();
        let known = self.size.min(size_of::<T>());
        let from = std::ptr::from_ref(value).cast::<u8>();
        let to = self.ptr.cast::<u8>();
        // SAFETY: `new` was promised `size` writable bytes, at least `head` of them; `known` is within both structs,
        // which do not overlap: one is ours.
        unsafe {
            std::ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
            if self.size > known {
                std::ptr::write_bytes(to.add(known), 0, self.size - known);
            }
        }
    }
}

impl SizedOut<'_, Verdict> {
    /// The effect alone, over the denial that stands there, and after everything that was written before.
    #[inline]
    pub(crate) fn put_effect(self, effect: i32) {
        // A program that looks at the struct during the call, from a signal handler, finds no effect without the rest.
        compiler_fence(Ordering::Release);
        // SAFETY: `new` was promised that the struct is writable as far as the least size, which covers the effect.
        unsafe { (&raw mut (*self.ptr).effect).write_volatile(effect) }
    }
}

/// Puts 0 where a handle will be put, if that can be written to at all.
///
/// # Safety
///
/// Unless null or misaligned, `ptr` must be writable.
#[inline]
pub(crate) unsafe fn zero(ptr: *mut u64) {
    // SAFETY: the caller's promise.
    if let Ok(out) = unsafe { Out::maybe(ptr) } {
        out.put(0);
    }
}

/// Whether of these addresses two are the same one; null is none.
#[inline]
pub(crate) fn collide<const N: usize>(places: [usize; N]) -> bool {
    let mut rest = places.iter();
    while let Some(place) = rest.next() {
        if *place != 0 && rest.as_slice().contains(place) {
            return true;
        }
    }
    false
}
