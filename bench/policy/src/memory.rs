//! Counts what is allocated: bytes as they are asked for, without what an allocator adds. One thread only.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The allocator of the product, with two counters.
pub struct Counting;

// SAFETY: every call goes to the allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.store(LIVE.load(Relaxed).wrapping_add(layout.size()), Relaxed);
        ALLOCATIONS.store(ALLOCATIONS.load(Relaxed) + 1, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.store(LIVE.load(Relaxed).wrapping_sub(layout.size()), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.store(LIVE.load(Relaxed).wrapping_sub(layout.size()).wrapping_add(size), Relaxed);
        ALLOCATIONS.store(ALLOCATIONS.load(Relaxed) + 1, Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}

/// Bytes that are allocated now.
pub fn live() -> usize {
    LIVE.load(Relaxed)
}

/// How often memory was asked for.
pub fn allocations() -> usize {
    ALLOCATIONS.load(Relaxed)
}
