//! Normalised exponentials of many short lines: eight of them side by side, so that vectors are full.
//!
//! Each line takes the same operations in the same order as it would alone; see [`super::softmax`].

use super::elementary;
use super::kernels::{Loop, widest_long};

/// Elements of a line, at most: there is room for these in the innermost cache.
pub(super) const MOST: usize = 16;

/// Lines side by side.
const LINES: usize = 8;

/// A number of each line.
type Row = [f64; LINES];

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
        for (from, to) in groups.zip(self.to.chunks_mut(LINES * each)) {
            let mut x = [[0.0; LINES]; MOST];
            let mut e = [[0.0; LINES]; MOST];
            for (line, own) in from.chunks_exact(n).enumerate() {
                for (k, a) in own.iter().enumerate() {
                    x[k % MOST][line] = *a;
                }
            }
            let (x, e) = (&mut x[..n.min(MOST)], &mut e[..n.min(MOST)]);
            let (largest, at, rest) = exponentials(x, e);
            match self.becomes {
                Becomes::Softmax => shares(e, &largest, &at, &rest),
                Becomes::LogSoftmax => logarithms(x, e, &largest, &rest),
                Becomes::LogSumExp => e[0] = log_sums(&largest, &rest),
            }
            for (line, own) in to.chunks_exact_mut(each).enumerate() {
                for (k, y) in own.iter_mut().enumerate() {
                    *y = e[k % MOST][line];
                }
            }
        }
    }
}

/// Of each line the largest element (NaN if any is), its number, and the sum of e^(a - largest) of the others, which are
/// written to `e`, 0 for the largest.
#[inline(always)]
fn exponentials(x: &[Row], e: &mut [Row]) -> (Row, Row, Row) {
    let (mut largest, mut at) = ([f64::NEG_INFINITY; LINES], [0.0; LINES]);
    for (k, x) in x.iter().enumerate() {
        for line in 0..LINES {
            let (x, best) = (x[line], largest[line]);
            // The first NaN stays.
            let larger = (x > best || x.is_nan()) && !best.is_nan();
            largest[line] = if larger { x } else { best };
            at[line] = if larger { k as f64 } else { at[line] };
        }
    }
    let mut partial = [[0.0; LINES]; 8];
    for (k, (x, e)) in x.iter().zip(e.iter_mut()).enumerate() {
        for line in 0..LINES {
            let own = elementary::exp(x[line] - largest[line]);
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
            let whole = 1.0 + rest[line];
            e[line] = if own == 0.0 { 0.0 } else { own / whole };
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
