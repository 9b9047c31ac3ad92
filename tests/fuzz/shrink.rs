//! A smaller case that still fails.

use super::input::{HEAD, RECORD};
use std::time::{Duration, Instant};

/// Leaves out records, then makes bytes 0, for as long as `fails` and the time allow.
pub fn shrink(bytes: &[u8], time: Duration, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let begin = Instant::now();
    let mut best = bytes.to_vec();
    loop {
        let before = best.clone();
        let mut length = (best.len().saturating_sub(HEAD) / RECORD).max(1);
        while length > 0 {
            let mut at = HEAD;
            while at < best.len() {
                if begin.elapsed() > time {
                    return best;
                }
                let mut less = best.clone();
                less.drain(at..(at + length * RECORD).min(best.len()));
                match fails(&less) {
                    true => best = less,
                    false => at += length * RECORD,
                }
            }
            length /= 2;
        }
        for at in 0..best.len() {
            if begin.elapsed() > time {
                return best;
            }
            let mut less = best.clone();
            less[at] = 0;
            if best[at] != 0 && fails(&less) {
                best = less;
            }
        }
        if best == before {
            return best;
        }
    }
}
