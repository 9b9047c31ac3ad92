//! Sums and extrema of strips: terms go to the partial results that a reduction of the whole would put them to.

use crate::execute::memory::Memory;
use crate::execute::reduce::{Extremum, Fold, PARTIAL, Sum, extend};
use crate::op::Reduction;
use crate::op::kernels::{Loop, widest};
use crate::tape::Step;
use std::cell::Cell;

/// A fold of numbers, whose partial results are numbers.
trait Numbers: Fold<f64, Partial = f64> {}
impl<F: Fold<f64, Partial = f64>> Numbers for F {}

macro_rules! with {
    ($reduction:expr, $function:ident($($argument:expr),*)) => {
        match $reduction {
            Reduction::Sum => $function(&Sum, $($argument),*),
            Reduction::Max => $function(&Extremum::<true>, $($argument),*),
            Reduction::Min => $function(&Extremum::<false>, $($argument),*),
        }
    };
}

/// Before the first strip.
pub(super) fn begin(memory: Memory<'_>, step: &Step) {
    if let Step::Columns {
        reduction,
        columns,
        partial,
        ..
    } = step
    {
        let partial = memory.cells::<f64>(*partial, PARTIAL * columns);
        with!(*reduction, clear(partial));
    }
}

/// After the last strip.
pub(super) fn end(memory: Memory<'_>, step: &Step) {
    if let Step::Columns {
        reduction,
        columns,
        to,
        partial,
        ..
    } = step
    {
        let partial = memory.cells::<f64>(*partial, PARTIAL * columns);
        with!(*reduction, close(partial, memory.at::<f64>(*to)));
    }
}

/// A strip, the first of whose elements has that number.
pub(super) fn add(memory: Memory<'_>, step: &Step, from: &[Cell<f64>], begin: usize) {
    match step {
        Step::Rows {
            reduction,
            row,
            to,
            partial,
            ..
        } => {
            let (partial, to) = (
                memory.cells::<f64>(*partial, PARTIAL),
                memory.at::<f64>(*to),
            );
            with!(*reduction, rows(from, begin, *row, partial, to));
        }
        Step::Columns {
            reduction,
            columns,
            partial,
            ..
        } => {
            let partial = memory.cells::<f64>(*partial, PARTIAL * columns);
            with!(*reduction, columns_by(from, begin, *columns, partial));
        }
        _ => {}
    }
}

fn clear(fold: &impl Numbers, partial: &[Cell<f64>]) {
    partial.iter().for_each(|p| p.set(fold.begin()));
}

fn close(fold: &impl Numbers, partial: &[Cell<f64>], to: &[Cell<f64>]) {
    let columns = to.len();
    for (k, to) in to.iter().enumerate() {
        let own = std::array::from_fn(|p| partial[p * columns + k].get());
        to.set(fold.end(own));
    }
}

fn rows(
    fold: &impl Numbers,
    from: &[Cell<f64>],
    begin: usize,
    row: usize,
    partial: &[Cell<f64>],
    to: &[Cell<f64>],
) {
    let whole = begin.is_multiple_of(row) && from.len().is_multiple_of(row);
    let first = begin / row;
    if whole && row <= PARTIAL {
        let to = &to[first..][..from.len() / row];
        macro_rules! short {
            ($($n:literal)*) => {
                match row {
                    $($n => return short::<$n, _>(fold, from, to),)*
                    _ => {}
                }
            };
        }
        short!(2 3 4 5 6 7 8);
    }
    let (mut at, mut number, mut along) = (0, first, begin % row);
    while at < from.len() {
        let length = (row - along).min(from.len() - at);
        let mut own = match along {
            0 => [fold.begin(); PARTIAL],
            _ => std::array::from_fn(|p| partial[p].get()),
        };
        extend(fold, &mut own, along, &from[at..at + length]);
        (at, along) = (at + length, along + length);
        if along == row {
            to[number].set(fold.end(own));
            (number, along) = (number + 1, 0);
        } else {
            partial.iter().zip(own).for_each(|(p, x)| p.set(x));
        }
    }
}

/// Rows of a few elements, each of which is a partial result's only term.
fn short<const N: usize, F: Numbers>(fold: &F, from: &[Cell<f64>], to: &[Cell<f64>]) {
    for (to, row) in to.iter().zip(from.as_chunks::<N>().0) {
        let mut own = [fold.begin(); PARTIAL];
        for (p, x) in own.iter_mut().zip(row) {
            *p = fold.add(*p, x.get());
        }
        to.set(fold.end(own));
    }
}

fn columns_by(
    fold: &impl Numbers,
    from: &[Cell<f64>],
    begin: usize,
    columns: usize,
    partial: &[Cell<f64>],
) {
    let of = ColumnsOf {
        fold,
        from,
        begin,
        columns,
        partial,
    };
    widest(from.len(), of);
}

struct ColumnsOf<'a, F> {
    fold: &'a F,
    from: &'a [Cell<f64>],
    begin: usize,
    columns: usize,
    partial: &'a [Cell<f64>],
}

impl<F: Numbers> Loop for ColumnsOf<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Partial results take turns row by row, and lie so: their rows and the strip's follow each other alike.
        let around = PARTIAL * self.columns;
        let (mut rest, mut along) = (self.from, self.begin % around);
        while !rest.is_empty() {
            let (terms, others) = rest.split_at(rest.len().min(around - along));
            for (p, x) in self.partial[along..].iter().zip(terms) {
                p.set(self.fold.add(p.get(), x.get()));
            }
            (rest, along) = (others, 0);
        }
    }
}
