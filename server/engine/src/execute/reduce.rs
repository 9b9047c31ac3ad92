//! Sums and extrema over some dimensions. Of each [`LONG`] terms, term i goes to partial result i mod [`PARTIAL`], and
//! those are combined in a fixed order: so they can be carried side by side, threads can take so many terms each, and the
//! bits are the same whichever way the loops run.

use super::memory::{Element, Shared};
use super::stop::Ticker;
use crate::error::Error;
use crate::op::kernels::{Loop, widest};
use crate::op::{Reduction, Strided};
use smallvec::SmallVec;
use std::cell::Cell;
use std::ops::Range;

/// Partial results that are carried side by side.
pub(super) const PARTIAL: usize = 8;

/// Terms of which the result is one term of the whole. Shorter lines are not worth sharing.
pub(crate) const LONG: usize = crate::tape::LONG;

/// Numbers that are reduced next to each other, where they lie so.
const SIDE: usize = 64;

/// Partial results of those.
type Sides<P> = SmallVec<[P; PARTIAL * SIDE]>;

/// Terms that are worth waking a thread for: one takes from a quarter of a nanosecond on, and waking some fifty
/// microseconds.
const SHARE: usize = 1 << 17;

/// Fewer results that lie next to each other are worked out one after the other.
const FEW: usize = 4;

/// How terms are put together.
pub(super) trait Fold<T: Element> {
    type Partial: Copy;
    fn begin(&self) -> Self::Partial;
    fn add(&self, partial: Self::Partial, x: T) -> Self::Partial;
    /// What came before and what came of so many terms more.
    fn more(&self, whole: Self::Partial, partial: [Self::Partial; PARTIAL]) -> Self::Partial;
    fn end(&self, whole: Self::Partial) -> T;
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
    fn more(&self, whole: T::Sum, [a, b, c, d, e, f, g, h]: [T::Sum; PARTIAL]) -> T::Sum {
        whole + (((a + b) + (c + d)) + ((e + f) + (g + h)))
    }

    #[inline(always)]
    fn end(&self, whole: T::Sum) -> T {
        T::narrow(whole)
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
    fn more(&self, whole: T, partial: [T; PARTIAL]) -> T {
        partial.iter().fold(whole, |best, &x| self.add(best, x))
    }

    #[inline(always)]
    fn end(&self, whole: T) -> T {
        whole
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
    fn run<F: Fold<T> + Sync>(&self, fold: &F, ticker: &mut Ticker<'_>) -> Result<(), Error> {
        let (results, terms) = (
            self.kept.len(),
            self.kept.len() * self.reduced.len() * self.lanes,
        );
        let most = (terms / SHARE).saturating_sub(1);
        if most == 0 || !self.kept.is_shallow() {
            let mut results = Results::of(self, fold, ticker);
            self.kept.for_each_run(|position, start, length, stride| {
                results.run(position, start, length, stride);
            });
            return results.done;
        }
        // Results that lie next to each other stay together.
        let each = results
            .div_ceil(terms.div_ceil(SHARE / 4))
            .next_multiple_of(SIDE);
        // SAFETY: each piece writes to results of its own, and no term lies where a result does.
        let shared = unsafe { Shared::new((self.out, self.from)) };
        let (kept, reduced, lanes) = (self.kept, self.reduced, self.lanes);
        ticker.share(results.div_ceil(each), most, &|ticker, _, piece| {
            let (out, from) = shared.get();
            let own = Reduce {
                out,
                from,
                kept,
                reduced,
                lanes,
            };
            let mut all = Results::of(&own, fold, ticker);
            let positions = piece * each..results.min((piece + 1) * each);
            kept.for_each_run_within(positions, |position, start, length, stride| {
                all.run(position, start, length, stride);
            });
            all.done
        })
    }

    /// One result.
    fn alone<F: Fold<T>>(&self, fold: &F, base: usize) -> T {
        let mut partial = [fold.begin(); PARTIAL];
        let mut whole = fold.begin();
        let is_long = self.reduced.len() > LONG;
        self.reduced.for_each_run(|i, start, length, stride| {
            let first = base.wrapping_add(start);
            if !is_long {
                return self.add(fold, &mut partial, i, first, length, stride);
            }
            for own in parts(i, length) {
                let first = first.wrapping_add(own.start.wrapping_mul(stride));
                self.add(fold, &mut partial, i + own.start, first, own.len(), stride);
                if (i + own.end).is_multiple_of(LONG) {
                    whole = fold.more(whole, partial);
                    partial = [fold.begin(); PARTIAL];
                }
            }
        });
        fold.end(fold.more(whole, partial))
    }

    /// Adds terms from number `i` on.
    #[inline(always)]
    fn add<F: Fold<T>>(
        &self,
        fold: &F,
        partial: &mut [F::Partial; PARTIAL],
        i: usize,
        first: usize,
        length: usize,
        stride: usize,
    ) {
        if stride == 1 {
            return extend(fold, partial, i, &self.from[first..first + length]);
        }
        for k in 0..length {
            let x = self.from[first.wrapping_add(k.wrapping_mul(stride))].get();
            let p = &mut partial[(i + k) % PARTIAL];
            *p = fold.add(*p, x);
        }
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
        let mut wholes: SmallVec<[F::Partial; SIDE]> = SmallVec::from_elem(fold.begin(), width);
        partial.clear();
        partial.resize(PARTIAL * width, fold.begin());
        let more = |wholes: &mut [F::Partial], partial: &[F::Partial]| {
            for (k, whole) in wholes.iter_mut().enumerate() {
                *whole = fold.more(*whole, std::array::from_fn(|p| partial[p * width + k]));
            }
        };
        self.reduced.for_each_run(|i, start, length, stride| {
            for own in parts(i, length) {
                let (first, end) = (i + own.start, i + own.end);
                if stride.wrapping_mul(self.lanes) == width {
                    let terms = &self.from[base + start * self.lanes..];
                    let terms = &terms[own.start * width..own.end * width];
                    let along = first % PARTIAL * width;
                    let rows = Following {
                        fold,
                        partial,
                        terms,
                        along,
                    };
                    widest(terms.len(), rows);
                } else {
                    let rows = Rows {
                        fold,
                        partial,
                        from: self.from,
                        first,
                        begins: own.map(|k| {
                            base + start.wrapping_add(k.wrapping_mul(stride)) * self.lanes
                        }),
                        width,
                    };
                    widest(width, rows);
                }
                if end.is_multiple_of(LONG) {
                    more(&mut wholes, partial);
                    partial.fill(fold.begin());
                }
            }
        });
        more(&mut wholes, partial);
        for (o, whole) in out.iter().zip(wholes) {
            o.set(fold.end(whole));
        }
    }
}

/// Works out results one after the other.
struct Results<'r, 'a, 't, T: Element, F: Fold<T>> {
    of: &'r Reduce<'a, T>,
    fold: &'r F,
    ticker: &'r mut Ticker<'t>,
    sides: Sides<F::Partial>,
    done: Result<(), Error>,
}

impl<'r, 'a, 't, T: Element, F: Fold<T>> Results<'r, 'a, 't, T, F> {
    fn of(of: &'r Reduce<'a, T>, fold: &'r F, ticker: &'r mut Ticker<'t>) -> Self {
        Self {
            of,
            fold,
            ticker,
            sides: Sides::new(),
            done: Ok(()),
        }
    }

    /// Those from `position` on, whose first terms are at `start`, `start + stride`, …
    fn run(&mut self, position: usize, start: usize, length: usize, stride: usize) {
        let (lanes, count) = (self.of.lanes, self.of.reduced.len());
        // Results whose terms lie next to each other.
        let beside = match stride {
            1 => length,
            _ => 1,
        };
        if lanes == 1 && beside < FEW {
            for i in 0..length {
                if self.done.is_ok() {
                    self.done = self.ticker.tick(count);
                    let base = start.wrapping_add(i.wrapping_mul(stride));
                    self.of.out[position + i].set(self.of.alone(self.fold, base));
                }
            }
            return;
        }
        let some = (SIDE / lanes).clamp(1, beside);
        for i in (0..length).step_by(some) {
            if self.done.is_err() {
                return;
            }
            let width = some.min(length - i) * lanes;
            self.done = self.ticker.tick(count * width);
            let base = start.wrapping_add(i.wrapping_mul(stride)) * lanes;
            let out = &self.of.out[(position + i) * lanes..][..width];
            let of = self.of;
            of.side_by_side(self.fold, base, out, &mut self.sides);
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

/// Terms from number `i` on, cut where [`LONG`] of them end.
fn parts(i: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let end = length.min(begin + LONG - (i + begin) % LONG);
        let own = begin..end;
        begin = end;
        (!own.is_empty()).then_some(own)
    })
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
        let numbers: Vec<f64> = (0..600_000u32)
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
            // Of several times so many terms as are taken together, and not.
            (
                Strided::new(0, &[1], &[1]),
                Strided::new(0, &[40_001], &[1]),
            ),
            (
                Strided::new(0, &[5], &[1]),
                Strided::new(0, &[2 * LONG], &[1]),
            ),
            (
                Strided::new(1, &[2], &[3]),
                Strided::new(0, &[3, 33_000 / 3], &[2, 3]),
            ),
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
                                    let mut whole = 0.0;
                                    for terms in terms.chunks(LONG) {
                                        let mut s = [0.0; 8];
                                        terms.iter().enumerate().for_each(|(i, x)| s[i % 8] += x);
                                        whole += ((s[0] + s[1]) + (s[2] + s[3]))
                                            + ((s[4] + s[5]) + (s[6] + s[7]));
                                    }
                                    whole
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
