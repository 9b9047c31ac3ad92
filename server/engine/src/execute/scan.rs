//! Running sums and extrema.

use super::memory::Element;
use super::stop::Ticker;
use crate::error::Error;
use crate::op::Reduction;
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
    let mut sums = vec![T::ZERO; if of == Reduction::Sum { row } else { 0 }];
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
                (Reduction::Sum, _) => {
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
