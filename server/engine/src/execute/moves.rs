//! Numbers from one place to another, with steps between them.

use crate::op::Strided;
use crate::op::kernels::{Loop, widest};
use std::cell::Cell;
use std::ops::Range;

/// Some of the elements that a view visits, by their positions.
pub(super) fn through<T: Copy>(
    to: &[Cell<T>],
    from: &[Cell<T>],
    view: &Strided,
    own: Range<usize>,
) {
    let begin = own.start;
    if let Some((times, stride)) = view.several() {
        return several(to, from, (view.offset(), stride), times, begin);
    }
    if let Some(row) = view.repeated_row() {
        return tile(to, &from[view.offset()..][..row], begin % row);
    }
    view.for_each_run_within(own, |position, start, length, stride| {
        take(&to[position - begin..][..length], from, start, stride);
    });
}

/// Each of some elements several times, from a position on.
pub(super) fn several<T: Copy>(
    to: &[Cell<T>],
    from: &[Cell<T>],
    (offset, stride): (usize, usize),
    times: usize,
    begin: usize,
) {
    let at = |element: usize| offset.wrapping_add(element.wrapping_mul(stride));
    let (mut first, along) = (begin / times, begin % times);
    let mut to = to;
    if along > 0 {
        let (rest, others) = to.split_at(to.len().min(times - along));
        let x = from[at(first)].get();
        rest.iter().for_each(|to| to.set(x));
        (to, first) = (others, first + 1);
    }
    let several = Several {
        to,
        from,
        offset: at(first),
        stride,
        times,
    };
    widest(to.len(), several);
}

struct Several<'a, T> {
    to: &'a [Cell<T>],
    from: &'a [Cell<T>],
    offset: usize,
    stride: usize,
    times: usize,
}

impl<T: Copy> Loop for Several<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.times {
            2 => self.few::<2>(),
            3 => self.few::<3>(),
            4 => self.few::<4>(),
            5 => self.few::<5>(),
            6 => self.few::<6>(),
            7 => self.few::<7>(),
            8 => self.few::<8>(),
            times => {
                for (k, all) in self.to.chunks(times).enumerate() {
                    let x = self.number(k);
                    all.iter().for_each(|to| to.set(x));
                }
            }
        }
    }
}

impl<T: Copy> Several<'_, T> {
    #[inline(always)]
    fn number(&self, k: usize) -> T {
        let at = self.offset.wrapping_add(k.wrapping_mul(self.stride));
        self.from[at].get()
    }

    #[inline(always)]
    fn few<const N: usize>(&self) {
        let (all, rest) = self.to.as_chunks::<N>();
        for (k, all) in all.iter().enumerate() {
            let x = self.number(k);
            all.iter().for_each(|to| to.set(x));
        }
        if !rest.is_empty() {
            let x = self.number(all.len());
            rest.iter().for_each(|to| to.set(x));
        }
    }
}

/// A row again and again, from one of its elements on.
pub(super) fn tile<T: Copy>(to: &[Cell<T>], row: &[Cell<T>], along: usize) {
    let (before, after) = row.split_at(along);
    let (first, rest) = to.split_at(after.len().min(to.len()));
    copy(first, after);
    copy(rest, before);
    // A whole row is there: twice as many each time.
    let mut done = row.len();
    while done < to.len() {
        let (there, next) = to.split_at(done);
        copy(next, there);
        done += there.len();
    }
}

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
    fn a_view_is_visited_from_anywhere() {
        let from: Vec<Cell<i64>> = (0..60).map(Cell::new).collect();
        let (sizes, back) = ([6, 7], 2usize.wrapping_neg());
        let few = (1..10).map(|times| Strided::new(3, &[5, times], &[2, 0]));
        let others = [
            Strided::new(1, &sizes, &[0, 1]),
            Strided::new(20, &sizes, &[back, 0]),
            Strided::new(2, &sizes, &[7, 1]),
            Strided::new(2, &sizes, &[1, 6]),
        ];
        for view in few.chain(others) {
            let mut all = vec![];
            view.for_each(|_, at| all.push(at as i64));
            for begin in 0..all.len() {
                for end in begin + 1..=all.len() {
                    let to = vec![Cell::new(-1); end - begin];
                    through(&to, &from, &view, begin..end);
                    let got: Vec<_> = to.iter().map(Cell::get).collect();
                    assert_eq!(got, all[begin..end], "{view:?} {begin}..{end}");
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
