//! Normalised exponentials of many short lines: several of them side by side, so that vectors are full.
//!
//! Each line takes the same operations in the same order as it would alone; see [`super::long_lines`].

use super::elementary;
use super::kernels::{Loop, widest_long};
use super::long_lines::share;

/// Elements of a line, at most: there is room for these in the innermost cache.
pub(super) const MOST: usize = 16;

/// Lines side by side.
const LINES: usize = 32;

/// As many as are worked out at once at most: beyond the last lines what was there before is, and nobody looks at it.
const ROUND: usize = 8;

/// A number of each line.
type Row = [f64; LINES];

/// A row for each of a line's elements, as wide instructions like to read them.
#[repr(align(64))]
struct Rows<const N: usize>([Row; N]);

impl<const N: usize> Rows<N> {
    const ZEROS: Self = Self([[0.0; LINES]; N]);
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
        match self.length {
            2 => self.few::<2>(),
            3 => self.few::<3>(),
            4 => self.few::<4>(),
            5 => self.few::<5>(),
            6 => self.few::<6>(),
            7 => self.few::<7>(),
            _ => self.some(),
        }
    }
}

impl Short<'_> {
    /// Lines of a few elements, which all are in registers.
    #[inline(always)]
    fn few<const N: usize>(self) {
        match self.becomes {
            Becomes::Softmax => self.each::<Softmax, N, N>(),
            Becomes::LogSoftmax => self.each::<LogSoftmax, N, N>(),
            Becomes::LogSumExp => self.each::<LogSumExp, N, 1>(),
        }
    }

    /// What becomes of each line.
    #[inline(always)]
    fn each<F: Line<N, M>, const N: usize, const M: usize>(self) {
        let (mut x, mut y) = (Rows::<N>::ZEROS, Rows::<M>::ZEROS);
        let groups = self.from.chunks(LINES * N);
        for (from, to) in groups.zip(self.to.chunks_mut(LINES * M)) {
            let lines = from.as_chunks::<N>().0;
            for (l, line) in lines.iter().enumerate().take(LINES) {
                for (x, a) in x.0.iter_mut().zip(line) {
                    x[l] = *a;
                }
            }
            // No branches in it: it becomes one loop over lines, several at a time.
            for l in 0..lines.len().next_multiple_of(ROUND).min(LINES) {
                let line = F::of(x.0.each_ref().map(|x| x[l]));
                for (y, a) in y.0.iter_mut().zip(line) {
                    y[l] = a;
                }
            }
            let lines = to.as_chunks_mut::<M>().0.iter_mut();
            for (l, line) in lines.enumerate().take(LINES) {
                for (y, a) in y.0.iter().zip(line) {
                    *a = y[l];
                }
            }
        }
    }

    /// Lines of some more elements: row by row.
    #[inline(always)]
    fn some(self) {
        let n = self.length.min(MOST);
        let each = match self.becomes {
            Becomes::LogSumExp => 1,
            _ => n,
        };
        let (mut x, mut e) = (Rows::<MOST>::ZEROS, Rows::<MOST>::ZEROS);
        let groups = self.from.chunks(LINES * n);
        for (from, to) in groups.zip(self.to.chunks_mut(LINES * each)) {
            let count = (from.len() / n).min(LINES);
            for (k, x) in x.0[..n].iter_mut().enumerate() {
                for l in 0..count {
                    x[l] = from[l * n + k];
                }
            }
            let lines = count.next_multiple_of(ROUND).min(LINES);
            by_row(self.becomes, &x.0[..n], &mut e.0[..n], lines);
            for (k, e) in e.0[..each].iter().enumerate() {
                for l in 0..count {
                    to[l * each + k] = e[l];
                }
            }
        }
    }
}

/// What a line's exponentials are relative to, and come to.
#[derive(Clone, Copy)]
struct Largest {
    /// The largest element; NaN if one is.
    x: f64,
    /// Its number.
    at: f64,
    /// The sum of e^(a - largest) of the others.
    rest: f64,
}

impl Largest {
    const NONE: Self = Self {
        x: f64::NEG_INFINITY,
        at: 0.0,
        rest: 0.0,
    };

    /// The larger of it and the element of that number.
    #[inline(always)]
    fn or(self, x: f64, number: f64) -> Self {
        // The first NaN stays. No branches: vectors have none.
        let larger = ((x > self.x) | x.is_nan()) & !self.x.is_nan();
        Self {
            x: if larger { x } else { self.x },
            at: if larger { number } else { self.at },
            ..self
        }
    }

    /// e^(x - largest) of the element of that number, 0 of the largest.
    #[inline(always)]
    fn relative(&self, x: f64, number: f64) -> f64 {
        let own = elementary::exp(x - self.x);
        if self.at == number { 0.0 } else { own }
    }
}

/// The sum of eight partial ones.
#[inline(always)]
fn joined([a, b, c, d, e, f, g, h]: [f64; 8]) -> f64 {
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// The exponentials of a line relative to the largest element, 0 for that one.
#[inline(always)]
fn exponentials<const N: usize>(x: &[f64; N]) -> ([f64; N], Largest) {
    let mut largest = Largest::NONE;
    for (k, &x) in x.iter().enumerate() {
        largest = largest.or(x, k as f64);
    }
    let (mut e, mut partial) = ([0.0; N], [0.0; 8]);
    for (k, (e, &x)) in e.iter_mut().zip(x).enumerate() {
        *e = largest.relative(x, k as f64);
        partial[k % 8] += *e;
    }
    largest.rest = joined(partial);
    (e, largest)
}

/// What becomes of a line, to be inlined: a function that is handed over would be called.
trait Line<const N: usize, const M: usize> {
    fn of(x: [f64; N]) -> [f64; M];
}

struct Softmax;

impl<const N: usize> Line<N, N> for Softmax {
    #[inline(always)]
    fn of(x: [f64; N]) -> [f64; N] {
        let (mut e, largest) = exponentials(&x);
        let whole = Whole::of(&largest);
        for (k, e) in e.iter_mut().enumerate() {
            *e = whole.share(*e, largest.at == k as f64);
        }
        e
    }
}

struct LogSoftmax;

impl<const N: usize> Line<N, N> for LogSoftmax {
    #[inline(always)]
    fn of(x: [f64; N]) -> [f64; N] {
        let (_, largest) = exponentials(&x);
        let log = elementary::log1p(largest.rest);
        x.map(|x| logarithm(x, largest.x, log))
    }
}

struct LogSumExp;

impl<const N: usize> Line<N, 1> for LogSumExp {
    #[inline(always)]
    fn of(x: [f64; N]) -> [f64; 1] {
        [log_sum(&exponentials(&x).1)]
    }
}

/// What a line's exponentials come to.
#[derive(Clone, Copy)]
struct Whole {
    whole: f64,
    inverse: f64,
    /// The exponential of the largest element.
    one: f64,
}

impl Whole {
    #[inline(always)]
    fn of(largest: &Largest) -> Self {
        let whole = 1.0 + largest.rest;
        // Where all are -inf, or one is NaN, nothing is known.
        let known = largest.x > f64::NEG_INFINITY;
        Self {
            whole,
            inverse: 1.0 / whole,
            one: if known { 1.0 } else { f64::NAN },
        }
    }

    /// The share of an exponential, or of the largest one.
    #[inline(always)]
    fn share(&self, e: f64, is_largest: bool) -> f64 {
        let own = if is_largest { self.one } else { e };
        let share = share(own, self.whole, self.inverse);
        // 0 of 0, by bits: a choice would become a branch.
        let kept = u64::from(own != 0.0).wrapping_neg();
        f64::from_bits(share.to_bits() & kept)
    }
}

/// An element less what it takes to come to the logarithm of its share.
#[inline(always)]
fn logarithm(x: f64, largest: f64, log: f64) -> f64 {
    let both_infinite = (x == f64::INFINITY) & (x == largest);
    let distance = if both_infinite { 0.0 } else { x - largest };
    let less = distance - log;
    if distance == f64::NEG_INFINITY {
        distance
    } else {
        less
    }
}

#[inline(always)]
fn log_sum(largest: &Largest) -> f64 {
    let sum = largest.x + elementary::log1p(largest.rest);
    if largest.x.is_finite() {
        sum
    } else {
        largest.x
    }
}

/// What becomes of the lines of so many columns, row by row.
#[inline(always)]
fn by_row(becomes: Becomes, x: &[Row], e: &mut [Row], lines: usize) {
    let mut largest = [f64::NEG_INFINITY; LINES];
    let (mut at, mut rest) = ([0.0; LINES], [0.0; LINES]);
    for (k, x) in x.iter().enumerate() {
        for l in 0..lines {
            let before = Largest {
                x: largest[l],
                at: at[l],
                rest: 0.0,
            };
            let after = before.or(x[l], k as f64);
            (largest[l], at[l]) = (after.x, after.at);
        }
    }
    let mut partial = [[0.0; LINES]; 8];
    for (k, (x, e)) in x.iter().zip(e.iter_mut()).enumerate() {
        let sums = &mut partial[k % 8];
        for l in 0..lines {
            let of = Largest {
                x: largest[l],
                at: at[l],
                rest: 0.0,
            };
            e[l] = of.relative(x[l], k as f64);
            sums[l] += e[l];
        }
    }
    for l in 0..lines {
        rest[l] = joined(std::array::from_fn(|p| partial[p][l]));
    }
    let of = |l: usize| Largest {
        x: largest[l],
        at: at[l],
        rest: rest[l],
    };
    match becomes {
        Becomes::Softmax => {
            let (mut whole, mut inverse, mut one) = ([0.0; LINES], [0.0; LINES], [0.0; LINES]);
            for l in 0..lines {
                let all = Whole::of(&of(l));
                (whole[l], inverse[l], one[l]) = (all.whole, all.inverse, all.one);
            }
            for (k, e) in e.iter_mut().enumerate() {
                for l in 0..lines {
                    let all = Whole {
                        whole: whole[l],
                        inverse: inverse[l],
                        one: one[l],
                    };
                    e[l] = all.share(e[l], at[l] == k as f64);
                }
            }
        }
        Becomes::LogSoftmax => {
            let mut log = [0.0; LINES];
            for l in 0..lines {
                log[l] = elementary::log1p(rest[l]);
            }
            for (x, e) in x.iter().zip(e) {
                for l in 0..lines {
                    e[l] = logarithm(x[l], largest[l], log[l]);
                }
            }
        }
        Becomes::LogSumExp => {
            for (l, sum) in e[0].iter_mut().enumerate().take(lines) {
                *sum = log_sum(&of(l));
            }
        }
    }
}
