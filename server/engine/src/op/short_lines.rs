//! Normalised exponentials of many short lines: several of them side by side, so that vectors are full.
//!
//! Each line takes the same operations in the same order as it would alone; see [`super::long_lines`].

use super::elementary;
use super::kernels::{Loop, widest_long};
use super::long_lines::share;

/// Elements of a line, at most: there is room for these in the innermost cache.
pub(super) const MOST: usize = 16;

/// Lines side by side.
const LINES: usize = 8;

/// A number of each line.
type Row = [f64; LINES];

/// A row for each of a line's elements, as wide instructions like to read them.
#[repr(align(64))]
struct Rows([Row; MOST]);

impl Rows {
    const ZEROS: Self = Self([[0.0; LINES]; MOST]);
}

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Becomes {
    /// e^a / sum(e^a).
    Softmax,
    /// a - log(sum(e^a)).
    LogSoftmax,
    /// log(sum(e^a)), one number.
    LogSumExp,
}

/// Lines of `length` elements, 1 to [`MOST`], one after the other.
pub(super) fn run(becomes: Becomes, length: usize, from: &[f64], to: &mut [f64]) {
    let of = Short {
        becomes,
        length,
        from,
        to,
    };
    widest_long(from.len(), of);
}

struct Short<'a> {
    becomes: Becomes,
    length: usize,
    from: &'a [f64],
    to: &'a mut [f64],
}

impl Loop for Short<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = self.length;
        let each = if self.becomes == Becomes::LogSumExp {
            1
        } else {
            n
        };
        let groups = self.from.chunks(LINES * n);
        // Where there are no more lines, what was there before is worked out again, and not looked at.
        let (mut x, mut e, mut shifted) = (Rows::ZEROS, Rows::ZEROS, Rows::ZEROS);
        let (x, e, shifted) = (&mut x.0, &mut e.0, &mut shifted.0);
        for (from, to) in groups.zip(self.to.chunks_mut(LINES * each)) {
            side_by_side(n, from, x);
            let n = n.min(MOST);
            let (x, e, shifted) = (&mut x[..n], &mut e[..n], &mut shifted[..n]);
            let (largest, at, rest) = exponentials(x, e, shifted);
            match self.becomes {
                Becomes::Softmax => shares(e, &largest, &at, &rest),
                Becomes::LogSoftmax => logarithms(x, e, &largest, &rest),
                Becomes::LogSumExp => e[0] = log_sums(&largest, &rest),
            }
            one_by_one(each, e, to);
        }
    }
}

/// Calls a function for the number of elements that lines have: few of them are written out.
macro_rules! by_length {
    ($length:expr, $f:ident, $any:ident($($argument:expr),*)) => {
        match $length {
            2 => $f::<2>($($argument),*),
            3 => $f::<3>($($argument),*),
            4 => $f::<4>($($argument),*),
            5 => $f::<5>($($argument),*),
            6 => $f::<6>($($argument),*),
            7 => $f::<7>($($argument),*),
            8 => $f::<8>($($argument),*),
            n => $any(n, $($argument),*),
        }
    };
}

/// Rows of the lines' first elements, of their second ones, and so on.
#[inline(always)]
fn side_by_side(length: usize, from: &[f64], x: &mut [Row]) {
    fn any(length: usize, from: &[f64], x: &mut [Row]) {
        for (line, own) in from.chunks_exact(length).enumerate() {
            for (x, a) in x.iter_mut().zip(own) {
                x[line % LINES] = *a;
            }
        }
    }
    #[inline(always)]
    fn few<const N: usize>(from: &[f64], x: &mut [Row]) {
        let Some(x) = x.first_chunk_mut::<N>() else {
            return;
        };
        for (line, own) in from.as_chunks::<N>().0.iter().enumerate() {
            for k in 0..N {
                x[k][line % LINES] = own[k];
            }
        }
    }
    by_length!(length, few, any(from, x));
}

/// The other way round.
#[inline(always)]
fn one_by_one(each: usize, e: &[Row], to: &mut [f64]) {
    fn any(each: usize, e: &[Row], to: &mut [f64]) {
        for (line, own) in to.chunks_exact_mut(each).enumerate() {
            for (y, e) in own.iter_mut().zip(e) {
                *y = e[line % LINES];
            }
        }
    }
    #[inline(always)]
    fn few<const N: usize>(e: &[Row], to: &mut [f64]) {
        let Some(e) = e.first_chunk::<N>() else {
            return;
        };
        for (line, own) in to.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            for k in 0..N {
                own[k] = e[k][line % LINES];
            }
        }
    }
    by_length!(each, few, any(e, to));
}

/// Of each line the largest element (NaN if any is), its number, and the sum of e^(a - largest) of the others, which are
/// written to `e`, 0 for the largest.
#[inline(always)]
fn exponentials(x: &[Row], e: &mut [Row], shifted: &mut [Row]) -> (Row, Row, Row) {
    let (mut largest, mut at) = ([f64::NEG_INFINITY; LINES], [0.0; LINES]);
    for (k, x) in x.iter().enumerate() {
        for line in 0..LINES {
            let (x, best) = (x[line], largest[line]);
            // The first NaN stays. No branches: vectors have none.
            let larger = ((x > best) | x.is_nan()) & !best.is_nan();
            largest[line] = if larger { x } else { best };
            at[line] = if larger { k as f64 } else { at[line] };
        }
    }
    // In two steps: a processor looks ahead some hundred instructions, and would wait for one row at a time.
    for ((x, e), shifted) in x.iter().zip(e.iter_mut()).zip(shifted.iter_mut()) {
        for line in 0..LINES {
            (e[line], shifted[line]) = elementary::exp_parts(x[line] - largest[line]);
        }
    }
    let mut partial = [[0.0; LINES]; 8];
    for (k, (e, shifted)) in e.iter_mut().zip(shifted).enumerate() {
        for line in 0..LINES {
            let own = elementary::exp_of_parts((e[line], shifted[line]), 0.0);
            e[line] = if at[line] == k as f64 { 0.0 } else { own };
        }
        for line in 0..LINES {
            partial[k % 8][line] += e[line];
        }
    }
    let mut rest = [0.0; LINES];
    for line in 0..LINES {
        let [a, b, c, d, e, f, g, h] = partial.map(|row| row[line]);
        rest[line] = ((a + b) + (c + d)) + ((e + f) + (g + h));
    }
    (largest, at, rest)
}

/// Makes each e its share of the whole.
#[inline(always)]
fn shares(e: &mut [Row], largest: &Row, at: &Row, rest: &Row) {
    let mut one = [1.0; LINES];
    let (mut whole, mut inverse) = ([1.0; LINES], [1.0; LINES]);
    for line in 0..LINES {
        whole[line] = 1.0 + rest[line];
        inverse[line] = 1.0 / whole[line];
    }
    for line in 0..LINES {
        // Where all are -inf, or one is NaN, nothing is known.
        let known = largest[line] > f64::NEG_INFINITY;
        one[line] = if known { 1.0 } else { f64::NAN };
    }
    for (k, e) in e.iter_mut().enumerate() {
        for line in 0..LINES {
            let own = if at[line] == k as f64 {
                one[line]
            } else {
                e[line]
            };
            let share = share(own, whole[line], inverse[line]);
            e[line] = if own == 0.0 { 0.0 } else { share };
        }
    }
}

/// Each element less what it takes to come to the logarithm of its share.
#[inline(always)]
fn logarithms(x: &[Row], e: &mut [Row], largest: &Row, rest: &Row) {
    let mut log = [0.0; LINES];
    for line in 0..LINES {
        log[line] = elementary::log1p(rest[line]);
    }
    for (x, e) in x.iter().zip(e) {
        for line in 0..LINES {
            let both_infinite = x[line] == f64::INFINITY && x[line] == largest[line];
            let distance = if both_infinite {
                0.0
            } else {
                x[line] - largest[line]
            };
            let less = distance - log[line];
            e[line] = if distance == f64::NEG_INFINITY {
                distance
            } else {
                less
            };
        }
    }
}

#[inline(always)]
fn log_sums(largest: &Row, rest: &Row) -> Row {
    let mut sums = *largest;
    for line in 0..LINES {
        let sum = largest[line] + elementary::log1p(rest[line]);
        sums[line] = if largest[line].is_finite() {
            sum
        } else {
            largest[line]
        };
    }
    sums
}
