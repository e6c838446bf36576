//! Memory of a client that is about to run, asked for before it is needed.
//!
//! With a thousand busy clients the processor has forgotten one by the time its next message comes. Each
//! line of its memory then costs a wait of its own, one after another as the code comes to them; asked
//! for at once they cost about one wait together, and part of it passes in the system call that comes first.

/// Bytes the processor fetches together.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Begins to fetch all of `value`, and does not wait for it. Changes nothing but the time.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        let size = size_of::<T>();
        // It begins and ends within a line, mostly.
        for offset in (0..size).step_by(LINE).chain(size.checked_sub(1)) {
            // SAFETY: a hint; it may name any address and touches nothing a program can see.
            #[expect(unsafe_code, reason = "there is no safe name for the instruction")]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
