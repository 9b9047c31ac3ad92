//! Numbers from one place to another, with steps between them.

use std::cell::Cell;

/// As many as there is room for.
pub(super) fn copy<T: Copy>(to: &[Cell<T>], from: &[Cell<T>]) {
    for (to, from) in to.iter().zip(from) {
        to.set(from.get());
    }
}

/// Elements `start`, `start + stride`, …, which may step backwards (wrapping).
pub(super) fn take<T: Copy>(to: &[Cell<T>], from: &[Cell<T>], start: usize, stride: usize) {
    match stride {
        1 => copy(to, &from[start..][..to.len()]),
        0 => {
            let x = from[start].get();
            to.iter().for_each(|to| to.set(x));
        }
        // Pairs are read several at a time.
        2 if to.len() > 1 => {
            let (pairs, _) = from[start..].as_chunks::<2>();
            let (last, rest) = to.split_last().unwrap_or((&to[0], &[]));
            for (to, [from, _]) in rest.iter().zip(&pairs[..rest.len()]) {
                to.set(from.get());
            }
            last.set(from[start + 2 * rest.len()].get());
        }
        _ => {
            let mut at = start;
            for to in to {
                to.set(from[at].get());
                at = at.wrapping_add(stride);
            }
        }
    }
}

/// To elements `start`, `start + stride`, …, which may step backwards (wrapping).
pub(super) fn put<T: Copy>(to: &[Cell<T>], start: usize, stride: usize, from: &[Cell<T>]) {
    match stride {
        1 => copy(&to[start..][..from.len()], from),
        2 if from.len() > 1 => {
            let (pairs, _) = to[start..].as_chunks::<2>();
            let (last, rest) = from.split_last().unwrap_or((&from[0], &[]));
            for ([to, _], from) in pairs[..rest.len()].iter().zip(rest) {
                to.set(from.get());
            }
            to[start + 2 * rest.len()].set(last.get());
        }
        _ => {
            let mut at = start;
            for from in from {
                to[at].set(from.get());
                at = at.wrapping_add(stride);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_go_where_they_belong() {
        let from: Vec<Cell<i64>> = (0..40).map(Cell::new).collect();
        for (start, stride) in [(0, 1), (3, 0), (0, 2), (1, 2), (2, 3), (39, usize::MAX)] {
            for n in 0..14 {
                let at = |i: usize| start + i.wrapping_mul(stride);
                let at = |i: usize| if stride > 40 { start - i } else { at(i) };
                let taken = vec![Cell::new(-1); n];
                if n > 0 {
                    take(&taken, &from, start, stride);
                }
                let want: Vec<_> = (0..n).map(|i| at(i) as i64).collect();
                assert_eq!(taken.iter().map(Cell::get).collect::<Vec<_>>(), want);
                if stride == 0 {
                    continue;
                }
                let to = vec![Cell::new(-1); 40];
                put(&to, start, stride, &from[..n]);
                let mut want = vec![-1; 40];
                (0..n).for_each(|i| want[at(i)] = i as i64);
                assert_eq!(to.iter().map(Cell::get).collect::<Vec<_>>(), want);
            }
        }
    }
}
