//! Sums and extrema over some dimensions. Term i goes to partial result i mod [`PARTIAL`], and those are combined in a
//! fixed order: so they can be carried side by side, and the bits are the same whichever way the loops run.

use super::memory::Element;
use super::stop::Ticker;
use crate::error::Error;
use crate::op::kernels::{Loop, widest};
use crate::op::{Reduction, Strided};
use smallvec::SmallVec;
use std::cell::Cell;

/// Partial results that are carried side by side.
pub(super) const PARTIAL: usize = 8;

/// Numbers that are reduced next to each other, where they lie so.
const SIDE: usize = 64;

/// Partial results of those.
type Sides<P> = SmallVec<[P; PARTIAL * SIDE]>;

/// Fewer results that lie next to each other are worked out one after the other.
const FEW: usize = 4;

/// How terms are put together.
pub(super) trait Fold<T: Element> {
    type Partial: Copy;
    fn begin(&self) -> Self::Partial;
    fn add(&self, partial: Self::Partial, x: T) -> Self::Partial;
    fn end(&self, partial: [Self::Partial; PARTIAL]) -> T;
}

pub(super) struct Sum;

impl<T: Element> Fold<T> for Sum {
    type Partial = T::Sum;

    #[inline(always)]
    fn begin(&self) -> T::Sum {
        T::ZERO
    }

    #[inline(always)]
    fn add(&self, partial: T::Sum, x: T) -> T::Sum {
        partial + x.widen()
    }

    #[inline(always)]
    fn end(&self, [a, b, c, d, e, f, g, h]: [T::Sum; PARTIAL]) -> T {
        T::narrow(((a + b) + (c + d)) + ((e + f) + (g + h)))
    }
}

/// The largest or smallest term; NaN if one is.
pub(super) struct Extremum<const MAX: bool>;

impl<T: Element, const MAX: bool> Fold<T> for Extremum<MAX> {
    type Partial = T;

    #[inline(always)]
    fn begin(&self) -> T {
        if MAX { T::LOWEST } else { T::HIGHEST }
    }

    #[inline(always)]
    fn add(&self, best: T, x: T) -> T {
        let better = if MAX { x > best } else { x < best };
        if better | x.is_nan() { x } else { best }
    }

    #[inline(always)]
    fn end(&self, partial: [T; PARTIAL]) -> T {
        let first: T = partial[0];
        partial[1..]
            .iter()
            .fold(first, |best, &x| self.add(best, x))
    }
}

/// `out[position] = fold of from[kept + reduced]`, for each lane.
pub(super) fn run<T: Element>(
    out: &[Cell<T>],
    from: &[Cell<T>],
    reduction: Reduction,
    kept: &Strided,
    reduced: &Strided,
    lanes: usize,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let reduce = Reduce {
        out,
        from,
        kept,
        reduced,
        lanes,
    };
    match reduction {
        Reduction::Sum => reduce.run(&Sum, ticker),
        Reduction::Max => reduce.run(&Extremum::<true>, ticker),
        Reduction::Min => reduce.run(&Extremum::<false>, ticker),
    }
}

struct Reduce<'a, T> {
    out: &'a [Cell<T>],
    from: &'a [Cell<T>],
    kept: &'a Strided,
    reduced: &'a Strided,
    lanes: usize,
}

impl<T: Element> Reduce<'_, T> {
    fn run<F: Fold<T>>(&self, fold: &F, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let (lanes, count) = (self.lanes, self.reduced.len());
        let mut sides = Sides::new();
        let mut stopped = Ok(());
        self.kept.for_each_run(|position, start, length, stride| {
            // Results whose terms lie next to each other.
            let beside = match stride {
                1 => length,
                _ => 1,
            };
            if lanes == 1 && beside < FEW {
                for i in 0..length {
                    if stopped.is_ok() {
                        stopped = ticker.tick(count);
                        let base = start.wrapping_add(i.wrapping_mul(stride));
                        self.out[position + i].set(self.alone(fold, base));
                    }
                }
                return;
            }
            let some = (SIDE / lanes).clamp(1, beside);
            for i in (0..length).step_by(some) {
                if stopped.is_err() {
                    return;
                }
                let width = some.min(length - i) * lanes;
                stopped = ticker.tick(count * width);
                let base = start.wrapping_add(i.wrapping_mul(stride)) * lanes;
                let out = &self.out[(position + i) * lanes..][..width];
                self.side_by_side(fold, base, out, &mut sides);
            }
        });
        stopped
    }

    /// One result.
    fn alone<F: Fold<T>>(&self, fold: &F, base: usize) -> T {
        let mut partial = [fold.begin(); PARTIAL];
        self.reduced.for_each_run(|i, start, length, stride| {
            let first = base.wrapping_add(start);
            if stride != 1 {
                for k in 0..length {
                    let x = self.from[first.wrapping_add(k.wrapping_mul(stride))].get();
                    let p = &mut partial[(i + k) % PARTIAL];
                    *p = fold.add(*p, x);
                }
                return;
            }
            extend(fold, &mut partial, i, &self.from[first..first + length]);
        });
        fold.end(partial)
    }

    /// Results next to each other, from terms that are.
    fn side_by_side<F: Fold<T>>(
        &self,
        fold: &F,
        base: usize,
        out: &[Cell<T>],
        partial: &mut Sides<F::Partial>,
    ) {
        let width = out.len();
        partial.clear();
        partial.resize(PARTIAL * width, fold.begin());
        self.reduced.for_each_run(|i, start, length, stride| {
            if stride.wrapping_mul(self.lanes) == width {
                let terms = &self.from[base + start * self.lanes..][..length * width];
                let along = i % PARTIAL * width;
                let rows = Following {
                    fold,
                    partial,
                    terms,
                    along,
                };
                return widest(terms.len(), rows);
            }
            let rows = Rows {
                fold,
                partial,
                from: self.from,
                first: i,
                begins: (0..length)
                    .map(|k| base + start.wrapping_add(k.wrapping_mul(stride)) * self.lanes),
                width,
            };
            widest(width, rows);
        });
        for (k, o) in out.iter().enumerate() {
            o.set(fold.end(std::array::from_fn(|p| partial[p * width + k])));
        }
    }
}

/// Adds rows to partial results that lie next to each other; the first row is number `first`.
struct Rows<'a, T, P, F, I> {
    fold: &'a F,
    partial: &'a mut [P],
    from: &'a [Cell<T>],
    first: usize,
    begins: I,
    width: usize,
}

impl<T, F, I> Loop for Rows<'_, T, F::Partial, F, I>
where
    T: Element,
    F: Fold<T>,
    I: Iterator<Item = usize>,
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (k, begin) in self.begins.enumerate() {
            let terms = &self.from[begin..][..self.width];
            let sums = (self.first + k) % PARTIAL * self.width;
            let sums = &mut self.partial[sums..][..self.width];
            for (p, x) in sums.iter_mut().zip(terms) {
                *p = self.fold.add(*p, x.get());
            }
        }
    }
}

/// The same where rows follow each other: so do partial results, the first of which is number `along`.
struct Following<'a, T, P, F> {
    fold: &'a F,
    partial: &'a mut [P],
    terms: &'a [Cell<T>],
    along: usize,
}

impl<T: Element, F: Fold<T>> Loop for Following<'_, T, F::Partial, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (mut rest, mut along) = (self.terms, self.along);
        while !rest.is_empty() {
            let sums = &mut self.partial[along..];
            let (terms, others) = rest.split_at(rest.len().min(sums.len()));
            for (p, x) in sums.iter_mut().zip(terms) {
                *p = self.fold.add(*p, x.get());
            }
            (rest, along) = (others, 0);
        }
    }
}

/// Adds terms, of which the first is number `i`, to partial results: up to a whole number of rounds, then rounds, then the
/// rest.
#[inline(always)]
pub(super) fn extend<T: Element, F: Fold<T>>(
    fold: &F,
    partial: &mut [F::Partial; PARTIAL],
    i: usize,
    terms: &[Cell<T>],
) {
    let before = ((PARTIAL - i % PARTIAL) % PARTIAL).min(terms.len());
    let (begin, rest) = terms.split_at(before);
    let (rounds, end) = rest.as_chunks::<PARTIAL>();
    for (k, x) in begin.iter().enumerate() {
        let p = &mut partial[(i + k) % PARTIAL];
        *p = fold.add(*p, x.get());
    }
    for round in rounds {
        for (p, x) in partial.iter_mut().zip(round) {
            *p = fold.add(*p, x.get());
        }
    }
    for (p, x) in partial.iter_mut().zip(end) {
        *p = fold.add(*p, x.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::control::Machine;
    use crate::execute::stop::Stop;

    /// Whatever way a result is found, its bits are those of the definition.
    #[test]
    fn all_ways_give_the_same_bits() {
        let numbers: Vec<f64> = (0..30_000u32)
            .map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 8) - 8e6)
            .collect();
        let cells: Vec<Cell<f64>> = numbers.iter().map(|&x| Cell::new(0.1 * x)).collect();
        let stop = Stop::default();
        for (kept, reduced) in [
            (Strided::new(0, &[5], &[100]), Strided::new(0, &[97], &[1])),
            (Strided::new(0, &[97], &[1]), Strided::new(0, &[5], &[100])),
            (
                Strided::new(0, &[3], &[1]),
                Strided::new(1, &[7, 9], &[90, 10]),
            ),
            (
                Strided::new(2, &[3, 70], &[800, 1]),
                Strided::new(0, &[9], &[80]),
            ),
            (
                Strided::new(0, &[2, 3], &[30, 9]),
                Strided::new(0, &[2, 5], &[60, 1]),
            ),
            (Strided::new(0, &[4], &[2]), Strided::new(0, &[0], &[1])),
            (Strided::new(3, &[5], &[1]), Strided::new(0, &[21], &[5])),
            (
                Strided::new(0, &[70], &[1]),
                Strided::new(0, &[3, 5], &[700, 70]),
            ),
        ] {
            for lanes in [1, 3, 7] {
                for reduction in [Reduction::Sum, Reduction::Max, Reduction::Min] {
                    let out = vec![Cell::new(f64::NAN); kept.len() * lanes];
                    let mut ticker = Ticker::new(&stop, Machine::new(&[], 0, 0));
                    let ran = run(&out, &cells, reduction, &kept, &reduced, lanes, &mut ticker);
                    assert!(ran.is_ok());
                    kept.for_each(|position, base| {
                        for lane in 0..lanes {
                            let mut terms = vec![];
                            reduced.for_each(|_, at| {
                                terms.push(cells[(base + at) * lanes + lane].get());
                            });
                            let want = match reduction {
                                Reduction::Sum => {
                                    let mut s = [0.0; 8];
                                    terms.iter().enumerate().for_each(|(i, x)| s[i % 8] += x);
                                    ((s[0] + s[1]) + (s[2] + s[3]))
                                        + ((s[4] + s[5]) + (s[6] + s[7]))
                                }
                                Reduction::Max => {
                                    terms.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                                }
                                Reduction::Min => {
                                    terms.iter().copied().fold(f64::INFINITY, f64::min)
                                }
                            };
                            let got = out[position * lanes + lane].get();
                            assert_eq!(
                                got.to_bits(),
                                want.to_bits(),
                                "{reduction:?}, {lanes} lanes"
                            );
                        }
                    });
                }
            }
        }
    }
}
