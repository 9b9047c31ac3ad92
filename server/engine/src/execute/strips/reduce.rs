//! Sums and extrema of strips: terms go to the partial results that a reduction of the whole would put them to.

use crate::execute::memory::Memory;
use crate::execute::reduce::{Extremum, Fold, LONG, PARTIAL, Sum, extend};
use crate::op::Reduction;
use crate::op::kernels::{Loop, widest};
use crate::tape::{Slot, Step};
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
        let partial = memory.cells::<f64>(*partial, (PARTIAL + 1) * columns);
        with!(*reduction, clear(partial));
    }
}

/// After the last strip.
pub(super) fn end(memory: Memory<'_>, step: &Step) {
    match step {
        Step::Columns {
            reduction,
            columns,
            to,
            partial,
            ..
        } => {
            let partial = memory.cells::<f64>(*partial, (PARTIAL + 1) * columns);
            with!(*reduction, close(partial, memory.at::<f64>(*to)));
        }
        Step::Rows {
            reduction,
            row,
            to,
            results,
            ends: Some(ends),
            ..
        } => {
            let to = memory.cells::<f64>(to.slot, *results);
            let ends = memory.cells::<f64>(*ends, results * row.div_ceil(LONG));
            with!(*reduction, put_together(ends, to));
        }
        _ => {}
    }
}

/// A strip, the first of whose elements has that number. `mine` is where the thread has what each has of its own: rows are
/// done by one of them.
pub(super) fn add(
    memory: Memory<'_>,
    step: &Step,
    from: &[Cell<f64>],
    begin: usize,
    mine: impl Fn(Slot) -> Slot,
) {
    match step {
        Step::Rows {
            reduction,
            row,
            to,
            results,
            partial,
            ends,
            ..
        } => {
            let partial = memory.cells::<f64>(mine(*partial), PARTIAL);
            if let Some(ends) = ends {
                let ends = memory.cells::<f64>(*ends, results * row.div_ceil(LONG));
                return with!(*reduction, long_rows(from, begin, *row, partial, ends));
            }
            // Those of the rows that some of is in the strip.
            let (first, end) = (begin / row, (begin + from.len()).div_ceil(*row));
            let slot = match to.moves {
                true => to.slot.plus(first),
                false => mine(to.slot),
            };
            let to = memory.cells::<f64>(slot, end - first);
            with!(*reduction, rows(from, begin, *row, partial, to));
        }
        Step::Columns {
            reduction,
            columns,
            partial,
            ..
        } => {
            let partial = memory.cells::<f64>(*partial, (PARTIAL + 1) * columns);
            with!(*reduction, columns_by(from, begin, *columns, partial));
        }
        _ => {}
    }
}

fn clear(fold: &impl Numbers, partial: &[Cell<f64>]) {
    partial.iter().for_each(|p| p.set(fold.begin()));
}

fn close(fold: &impl Numbers, partial: &[Cell<f64>], to: &[Cell<f64>]) {
    more(fold, partial);
    let wholes = &partial[PARTIAL * to.len()..];
    for (to, whole) in to.iter().zip(wholes) {
        to.set(fold.end(whole.get()));
    }
}

/// Adds the partial results of columns to what came before.
fn more(fold: &impl Numbers, partial: &[Cell<f64>]) {
    let columns = partial.len() / (PARTIAL + 1);
    let (partial, wholes) = partial.split_at(PARTIAL * columns);
    for (k, whole) in wholes.iter().enumerate() {
        let own = std::array::from_fn(|p| partial[p * columns + k].get());
        whole.set(fold.more(whole.get(), own));
    }
    clear(fold, partial);
}

/// What came of so many terms each becomes what came of all.
fn put_together(fold: &impl Numbers, ends: &[Cell<f64>], to: &[Cell<f64>]) {
    let each = ends.len() / to.len().max(1);
    for (to, ends) in to.iter().zip(ends.chunks_exact(each)) {
        let whole = ends.iter().fold(fold.begin(), |whole, end| {
            // As a partial result beside empty ones: no bit changes.
            let mut own = [fold.begin(); PARTIAL];
            own[0] = end.get();
            fold.more(whole, own)
        });
        to.set(fold.end(whole));
    }
}

/// Rows of more than [`LONG`] terms: those of so many go to a place of their own.
fn long_rows(
    fold: &impl Numbers,
    from: &[Cell<f64>],
    begin: usize,
    row: usize,
    partial: &[Cell<f64>],
    ends: &[Cell<f64>],
) {
    let (mut at, mut number, mut along) = (0, begin / row, begin % row);
    while at < from.len() {
        let long = LONG - along % LONG;
        let length = (row - along).min(from.len() - at).min(long);
        let mut own = match along.is_multiple_of(LONG) {
            true => [fold.begin(); PARTIAL],
            false => std::array::from_fn(|p| partial[p].get()),
        };
        extend(fold, &mut own, along, &from[at..at + length]);
        let end = &ends[number * row.div_ceil(LONG) + along / LONG];
        (at, along) = (at + length, along + length);
        if along == row || length == long {
            end.set(fold.end(fold.more(fold.begin(), own)));
        } else {
            partial.iter().zip(own).for_each(|(p, x)| p.set(x));
        }
        if along == row {
            (number, along) = (number + 1, 0);
        }
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
    if whole && row <= PARTIAL {
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
    let of = RowsOf {
        fold,
        from,
        row,
        along: begin % row,
        partial,
        to,
    };
    widest(from.len(), of);
}

struct RowsOf<'a, F> {
    fold: &'a F,
    from: &'a [Cell<f64>],
    row: usize,
    /// Elements of the first row that came before.
    along: usize,
    partial: &'a [Cell<f64>],
    to: &'a [Cell<f64>],
}

impl<F: Numbers> Loop for RowsOf<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            fold, from, row, ..
        } = self;
        let (mut at, mut number, mut along) = (0, 0, self.along);
        while at < from.len() {
            let length = (row - along).min(from.len() - at);
            let mut own = match along {
                0 => [fold.begin(); PARTIAL],
                _ => std::array::from_fn(|p| self.partial[p].get()),
            };
            extend(fold, &mut own, along, &from[at..at + length]);
            (at, along) = (at + length, along + length);
            if along == row {
                self.to[number].set(fold.end(fold.more(fold.begin(), own)));
                (number, along) = (number + 1, 0);
            } else {
                self.partial.iter().zip(own).for_each(|(p, x)| p.set(x));
            }
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
        to.set(fold.end(fold.more(fold.begin(), own)));
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
        let mut at = self.begin;
        while !rest.is_empty() {
            let (terms, others) = rest.split_at(rest.len().min(around - along));
            for (p, x) in self.partial[along..].iter().zip(terms) {
                p.set(self.fold.add(p.get(), x.get()));
            }
            (rest, along) = (others, 0);
            at += terms.len();
            if at.is_multiple_of(self.columns * LONG) {
                more(self.fold, self.partial);
            }
        }
    }
}
