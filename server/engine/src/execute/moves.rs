//! Numbers from one place to another, with steps between them.

use crate::op::kernels::{Loop, widest};
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

/// Elements in order, each so many times, from number `begin` of those on.
pub(super) fn spread(to: &[Cell<f64>], from: &[Cell<f64>], begin: usize, times: usize) {
    let from = &from[begin / times..];
    let before = (times - begin % times) % times;
    let (first, rest) = to.split_at(before.min(to.len()));
    let from = match (first, from) {
        ([], from) | (_, from @ []) => from,
        (first, [x, from @ ..]) => {
            first.iter().for_each(|to| to.set(x.get()));
            from
        }
    };
    let of = Spread {
        to: rest,
        from,
        times,
    };
    widest(rest.len(), of);
}

struct Spread<'a> {
    to: &'a [Cell<f64>],
    from: &'a [Cell<f64>],
    times: usize,
}

impl Spread<'_> {
    /// A number of times that is known when this is compiled.
    #[inline(always)]
    fn known<const N: usize>(self) {
        let (rows, rest) = self.to.as_chunks::<N>();
        for (row, x) in rows.iter().zip(self.from) {
            let x = x.get();
            row.iter().for_each(|to| to.set(x));
        }
        if let Some(x) = self.from.get(rows.len()) {
            rest.iter().for_each(|to| to.set(x.get()));
        }
    }
}

impl Loop for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.times {
            2 => self.known::<2>(),
            4 => self.known::<4>(),
            8 => self.known::<8>(),
            16 => self.known::<16>(),
            times => {
                for (row, x) in self.to.chunks(times).zip(self.from) {
                    let x = x.get();
                    row.iter().for_each(|to| to.set(x));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_so_many_times() {
        let from: Vec<Cell<f64>> = (0..20).map(|k| Cell::new(f64::from(k))).collect();
        for times in [1, 2, 3, 4, 7, 8, 16, 40] {
            for begin in 0..2 * times {
                for length in 0..(20 * times - begin).min(3 * times + 2) {
                    let to = vec![Cell::new(-1.0); length];
                    spread(&to, &from, begin, times);
                    let want = |k: usize| from[(begin + k) / times].get();
                    assert!((0..length).all(|k| to[k].get() == want(k)));
                }
            }
        }
    }

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
