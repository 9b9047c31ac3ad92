//! Running sums and extrema.

use super::memory::Element;
use super::stop::Ticker;
use crate::error::Error;
use crate::op::Reduction;
use smallvec::SmallVec;
use std::cell::Cell;

/// A tensor as `[outer, size, row]`, combined along the middle dimension.
pub(super) struct Lines {
    pub outer: usize,
    pub size: usize,
    /// Elements × lanes that are combined side by side.
    pub row: usize,
    /// From the last row to the first.
    pub reverse: bool,
}

/// Runs along every line. Sums are carried as wide as in a reduction.
pub(super) fn run<T: Element>(
    out: &[Cell<T>],
    from: &[Cell<T>],
    of: Reduction,
    lines: &Lines,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let row = lines.row;
    if row == 1 && of == Reduction::Sum {
        return sums(out, from, lines, ticker);
    }
    let count = if of == Reduction::Sum { row } else { 0 };
    let mut sums: SmallVec<[T::Sum; 64]> = SmallVec::from_elem(T::ZERO, count);
    for o in 0..lines.outer {
        sums.fill(T::ZERO);
        let mut before: Option<&[Cell<T>]> = None;
        for step in 0..lines.size {
            ticker.tick(row)?;
            let k = match lines.reverse {
                true => lines.size - 1 - step,
                false => step,
            };
            let begin = (o * lines.size + k) * row;
            let (to, from) = (&out[begin..][..row], &from[begin..][..row]);
            match (of, before) {
                (Reduction::Sum, None) => {
                    for ((sum, to), x) in sums.iter_mut().zip(to).zip(from) {
                        *sum = x.get().widen();
                        to.set(x.get());
                    }
                }
                (Reduction::Sum, Some(_)) => {
                    for ((sum, to), x) in sums.iter_mut().zip(to).zip(from) {
                        *sum = *sum + x.get().widen();
                        to.set(T::narrow(*sum));
                    }
                }
                (_, None) => {
                    for (to, x) in to.iter().zip(from) {
                        to.set(x.get());
                    }
                }
                (_, Some(before)) => {
                    let max = of == Reduction::Max;
                    for ((to, x), best) in to.iter().zip(from).zip(before) {
                        let (x, best) = (x.get(), best.get());
                        let better = if max { x > best } else { x < best };
                        let taken = !best.is_nan() && (better || x.is_nan());
                        to.set(if taken { x } else { best });
                    }
                }
            }
            before = Some(to);
        }
    }
    Ok(())
}

/// Sums along lines of single numbers.
fn sums<T: Element>(
    out: &[Cell<T>],
    from: &[Cell<T>],
    lines: &Lines,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let each = lines.size.max(1);
    for (out, from) in out.chunks_exact(each).zip(from.chunks_exact(each)) {
        ticker.tick(each)?;
        // A sum of one term is that term, zeros with their sign included.
        let mut sum: Option<T::Sum> = None;
        let mut add = |(to, x): (&Cell<T>, &Cell<T>)| {
            let x = x.get().widen();
            let next = sum.map_or(x, |sum| sum + x);
            to.set(T::narrow(next));
            sum = Some(next);
        };
        match lines.reverse {
            false => out.iter().zip(from).for_each(&mut add),
            true => out.iter().zip(from).rev().for_each(&mut add),
        }
    }
    Ok(())
}
