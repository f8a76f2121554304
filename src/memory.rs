//! Gives the system back what was freed after a flood.
//!
//! glibc keeps what a thread frees for that thread, so that a process that was large once stays large: 9,000 connections
//! that came and went leave 100 MiB behind that nobody uses. Nothing is given back while little is free, since what
//! is needed again soon is cheaper to keep.

/// How much more must be free than after the last time to be worth it: 16 MiB.
const WORTH_IT: usize = 16 << 20;

/// What was free after memory was given back last.
#[derive(Default)]
pub(crate) struct Memory {
    kept: usize,
}

impl Memory {
    /// Gives back what is free, if much is. Takes milliseconds where the heap is large: not for a thread that serves.
    pub(crate) fn give_back(&mut self) {
        let free = allocator::free();
        if free < self.kept.saturating_add(WORTH_IT) {
            self.kept = self.kept.min(free);
            return;
        }
        allocator::trim();
        self.kept = allocator::free();
        tracing::debug!(
            "{} MiB of free memory were given back to the system where they fill whole pages",
            free >> 20
        );
    }
}

/// The one place that calls the C library itself: neither the standard library nor a kept crate has these two.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc's allocator has no other door")]
mod allocator {
    /// Bytes that are free in the allocator, given back or not; counted up to 4 GiB.
    pub(super) fn free() -> usize {
        // SAFETY: takes nothing and only reads, under the allocator's own locks. `mallinfo2`, which counts further, is
        // missing before glibc 2.33.
        let counted = unsafe { libc::mallinfo() };
        counted.fordblks.cast_unsigned() as usize
    }

    /// Gives whole free pages back to the system.
    pub(super) fn trim() {
        // SAFETY: touches no memory in use; takes the allocator's own locks.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Other C libraries give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod allocator {
    pub(super) fn free() -> usize {
        0
    }

    pub(super) fn trim() {}
}
