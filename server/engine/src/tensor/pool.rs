//! Large buffers that are used again: what a result takes has been there before, so its pages need not be asked for and
//! filled with zeros that are overwritten at once.

use std::sync::{Mutex, PoisonError};

/// Bytes from which on a buffer is kept: the allocator is good at smaller ones.
pub(super) const LARGE: usize = 64 << 10;

/// All that are kept take no more than this.
const MOST_BYTES: usize = 64 << 20;
/// Nor are there more.
const MOST_BUFFERS: usize = 32;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of so many bytes that holds whatever it held before, if there is one.
pub(super) fn take(bytes: usize) -> Option<Vec<u8>> {
    if bytes < LARGE {
        return None;
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // Much larger ones would be missed elsewhere.
    let fits = |b: &Vec<u8>| b.len() >= bytes && b.len() / 2 <= bytes;
    let at = kept.iter().position(fits)?;
    let mut buffer = kept.swap_remove(at);
    drop(kept);
    buffer.truncate(bytes);
    Some(buffer)
}

/// Keeps a buffer for the next who needs one, or gives it back to the allocator.
pub(super) fn give(buffer: Vec<u8>) {
    if buffer.len() < LARGE || buffer.capacity() > MOST_BYTES {
        return;
    }
    let mut left = Vec::new();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push(buffer);
    let mut bytes: usize = kept.iter().map(Vec::capacity).sum();
    while bytes > MOST_BYTES || kept.len() > MOST_BUFFERS {
        // The oldest one, to be freed when others may come in again.
        let oldest = kept.remove(0);
        bytes -= oldest.capacity();
        left.push(oldest);
    }
    drop(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_can_be_taken_and_little_is_kept() {
        // No other test has buffers of this size.
        let bytes = LARGE + 12_345;
        give(vec![7; bytes]);
        let found = take(bytes - 5).expect("it is kept");
        assert_eq!((found.len(), found[0]), (bytes - 5, 7));
        assert!(take(LARGE - 1).is_none(), "small ones are not");
        give(vec![1; MOST_BYTES + 1]);
        (0..2 * MOST_BUFFERS).for_each(|_| give(vec![2; LARGE]));
        let kept = KEPT.lock().unwrap();
        assert!(kept.len() <= MOST_BUFFERS);
        assert!(kept.iter().map(Vec::capacity).sum::<usize>() <= MOST_BYTES);
    }
}
