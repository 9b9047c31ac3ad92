//! Sums of rows, each times a number of its own: a vector times a matrix that lies row by row. Rows are added in their
//! order, some at a time in registers, so that a sum may be gone on with where it was left.

use super::wide::{Loop, widest_long};
use std::cell::Cell;

/// Rows added up before sums are written.
const ROWS: usize = 8;

/// Sums in registers at a time.
const SUMS: usize = 32;

/// Where rows are, and their numbers.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The first row begins with the first of these.
    pub cells: &'a [Cell<f64>],
    /// From a row to the next.
    pub step: usize,
    /// The first row's number is the first of these.
    pub numbers: &'a [Cell<f64>],
    /// From a number to the next.
    pub number_step: usize,
    /// How many rows there are: one at least.
    pub count: usize,
}

/// `out[j] = Σ_i numbers[i] · cells[i, j]`, fused multiply-adds in the order of the rows; with `more`, added to what is
/// there. `out` lies nowhere where operands do.
pub fn sum_rows(out: &[Cell<f64>], rows: Rows<'_>, more: bool) {
    widest_long(out.len() * rows.count, Sums { out, rows, more });
}

struct Sums<'a> {
    out: &'a [Cell<f64>],
    rows: Rows<'a>,
    more: bool,
}

impl Loop for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { out, rows, more } = self;
        let mut begin = 0;
        while begin < rows.count {
            let is_first = begin == 0 && !more;
            begin += match rows.count - begin {
                ROWS.. => some::<ROWS>(out, rows, begin, is_first),
                _ => some::<1>(out, rows, begin, is_first),
            };
        }
    }
}

/// Adds `N` rows from `begin` on, of which the first may begin the sums; tells how many these are.
#[inline(always)]
fn some<const N: usize>(out: &[Cell<f64>], rows: Rows<'_>, begin: usize, is_first: bool) -> usize {
    let mut numbers = [0.0; N];
    for (k, number) in numbers.iter_mut().enumerate() {
        *number = rows.numbers[(begin + k) * rows.number_step].get();
    }
    let cells = &rows.cells[begin * rows.step..];
    let mut at = 0;
    while at + SUMS <= out.len() {
        tile::<N, SUMS>(&out[at..], &cells[at..], rows.step, &numbers, is_first);
        at += SUMS;
    }
    // Fewer at the end of a row: one alone waits for each addition.
    while at + 8 <= out.len() {
        tile::<N, 8>(&out[at..], &cells[at..], rows.step, &numbers, is_first);
        at += 8;
    }
    while at < out.len() {
        tile::<N, 1>(&out[at..], &cells[at..], rows.step, &numbers, is_first);
        at += 1;
    }
    N
}

/// The same of some columns, whose sums are in registers.
#[inline(always)]
fn tile<const N: usize, const W: usize>(
    out: &[Cell<f64>],
    cells: &[Cell<f64>],
    step: usize,
    numbers: &[f64; N],
    is_first: bool,
) {
    let out = &out[..W];
    let mut sums = [0.0; W];
    if !is_first {
        for (sum, out) in sums.iter_mut().zip(out) {
            *sum = out.get();
        }
    }
    for (k, &number) in numbers.iter().enumerate() {
        let row = &cells[k * step..][..W];
        if k == 0 && is_first {
            // A sum of one term has its sign, if it is 0.
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum = number * x.get();
            }
        } else {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum = number.mul_add(x.get(), *sum);
            }
        }
    }
    for (out, sum) in out.iter().zip(sums) {
        out.set(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_row_after_row() {
        for (count, columns, step, number_step) in [
            (1, 1, 1, 1),
            (3, 5, 7, 2),
            (8, 32, 32, 1),
            (9, 33, 40, 3),
            (100, 200, 200, 1),
            (17, 64, 65, 1),
        ] {
            let number = |i: usize| Cell::new(((i * 7919) % 1000) as f64 * 0.37 - 150.0);
            let cells: Vec<_> = (0..count * step + columns).map(number).collect();
            let numbers: Vec<_> = (0..count * number_step).map(|i| number(i + 13)).collect();
            let out = vec![Cell::new(f64::NAN); columns];
            let rows = Rows {
                cells: &cells,
                step,
                numbers: &numbers,
                number_step,
                count,
            };
            sum_rows(&out, rows, false);
            for (j, out) in out.iter().enumerate() {
                let mut sum = numbers[0].get() * cells[j].get();
                for i in 1..count {
                    sum = (numbers[i * number_step].get()).mul_add(cells[i * step + j].get(), sum);
                }
                assert_eq!(out.get().to_bits(), sum.to_bits(), "{count} {columns} {j}");
            }
        }
        // Where the first term is -0, so is the sum of it alone.
        let (cells, numbers, out) = ([Cell::new(0.0)], [Cell::new(-1.0)], [Cell::new(1.0)]);
        let rows = Rows {
            cells: &cells,
            step: 1,
            numbers: &numbers,
            number_step: 1,
            count: 1,
        };
        sum_rows(&out, rows, false);
        assert_eq!(out[0].get().to_bits(), (-0.0f64).to_bits());
        sum_rows(&out, rows, true);
        assert_eq!(out[0].get().to_bits(), (-0.0f64).to_bits());
    }
}
