//! Loops over elements that the op table's rows are put into, written so that they become instructions for several
//! numbers at once.

mod long;
mod rows;
mod wide;

pub(super) use long::{
    Formula, Steps, blocks1, blocks3, in_steps1, in_steps2, in_steps3, near1, pairs,
};
pub use rows::{Rows, sum_rows};
pub(super) use wide::alone;
pub use wide::has_fused;
pub use wide::{Loop, widest, widest_long};
pub(in crate::op) use wide::{prefetch_to_read, prefetch_to_write};

use std::cell::Cell;

/// f64 or f32. An f32 operation is the f64 one, rounded: exact for + - · / √ (Figueroa, "When is double
/// rounding innocuous?", 1995), and as good as it gets for the others.
pub trait Float: Copy + PartialOrd + 'static {
    /// Widens, exactly.
    fn widen(self) -> f64;
    /// Rounds to nearest.
    fn round(value: f64) -> Self;
}

impl Float for f64 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn round(value: f64) -> Self {
        value
    }
}

impl Float for f32 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn round(value: f64) -> Self {
        value as f32
    }
}

/// An operand of a row: as many elements as the result, or one for all.
#[derive(Clone, Copy)]
pub enum Source<'a, T> {
    /// An element for each of the result's.
    Row(&'a [Cell<T>]),
    /// One element for all.
    Splat(T),
}

impl<T: Copy> Source<'_, T> {
    /// An element.
    #[inline(always)]
    pub fn get(&self, i: usize) -> T {
        match self {
            Source::Row(row) => row[i].get(),
            Source::Splat(value) => *value,
        }
    }
}

impl<T: Float> Source<'_, T> {
    /// Elements from `begin` on.
    #[inline(always)]
    fn load(&self, x: &mut [f64], begin: usize) {
        match self {
            Source::Row(row) => load(x, &row[begin..]),
            Source::Splat(value) => x.fill(value.widen()),
        }
    }
}

/// Numbers that a short formula is worked out for at a time, in registers.
const TILE: usize = 8;

/// Fewer numbers are worked out one by one.
const FEW: usize = 4;

/// Formulas of at most this cost are short.
pub(super) const SHORT: u32 = 4;

/// Formulas of at least this cost that are written for loops are made of fused multiply-adds.
pub(super) const FUSED: u32 = 10;

/// `out[i] = f(a[i])` of a short formula.
#[inline(always)]
pub(super) fn tiles1<T: Float>(out: &[Cell<T>], a: &[Cell<T>], f: impl Fn(f64) -> f64) {
    zip1(out, a, |a| T::round(f(a.widen())));
}

/// `out[i] = f(a[i], b[i])` of a short formula.
#[inline(always)]
pub(super) fn tiles2<T: Float>(
    out: &[Cell<T>],
    a: Source<'_, T>,
    b: Source<'_, T>,
    f: impl Fn(f64, f64) -> f64,
) {
    zip2(out, a, b, |a, b| T::round(f(a.widen(), b.widen())));
}

/// `out[i] = f(a[i])`, one by one.
#[inline(always)]
pub(super) fn each1<T: Float>(out: &[Cell<T>], a: &[Cell<T>], f: impl Fn(f64) -> f64) {
    each(out, [Source::Row(a)], |[a]| f(a));
}

/// `out[i] = f(a[i], b[i])`, one by one.
#[inline(always)]
pub(super) fn each2<T: Float>(
    out: &[Cell<T>],
    a: Source<'_, T>,
    b: Source<'_, T>,
    f: impl Fn(f64, f64) -> f64,
) {
    each(out, [a, b], |[a, b]| f(a, b));
}

/// `out[i] = f(from[0][i], ...)`, one by one.
#[inline(always)]
pub(super) fn each<T: Float, const N: usize>(
    out: &[Cell<T>],
    from: [Source<'_, T>; N],
    f: impl Fn([f64; N]) -> f64,
) {
    for (i, o) in out.iter().enumerate() {
        o.set(T::round(f(from.map(|from| from.get(i).widen()))));
    }
}

#[inline(always)]
fn load<T: Float>(x: &mut [f64], from: &[Cell<T>]) {
    x.iter_mut()
        .zip(from)
        .for_each(|(x, a)| *x = a.get().widen());
}

#[inline(always)]
fn store<T: Float>(out: &[Cell<T>], x: &[f64]) {
    out.iter().zip(x).for_each(|(o, x)| o.set(T::round(*x)));
}

#[inline(always)]
pub(super) fn map3_integers(
    out: &[Cell<i64>],
    [a, b, c]: [Source<'_, i64>; 3],
    f: impl Fn(i64, i64, i64) -> i64,
) {
    for (i, o) in out.iter().enumerate() {
        o.set(f(a.get(i), b.get(i), c.get(i)));
    }
}

#[inline(always)]
pub(super) fn map1_integers(out: &[Cell<i64>], a: &[Cell<i64>], f: impl Fn(i64) -> i64) {
    zip1(out, a, f);
}

#[inline(always)]
pub(super) fn map2_integers(
    out: &[Cell<i64>],
    a: Source<'_, i64>,
    b: Source<'_, i64>,
    f: impl Fn(i64, i64) -> i64,
) {
    zip2(out, a, b, f);
}

/// `out[i] = f(a[i])`, some at a time: all of them are read before any is written.
#[inline(always)]
fn zip1<A: Copy, O>(out: &[Cell<O>], a: &[Cell<A>], f: impl Fn(A) -> O) {
    let ((out, last), (a, a_last)) = (out.as_chunks::<TILE>(), a.as_chunks::<TILE>());
    for (out, a) in out.iter().zip(a) {
        put(out, std::array::from_fn(|k| f(a[k].get())));
    }
    last.iter().zip(a_last).for_each(|(o, a)| o.set(f(a.get())));
}

#[inline(always)]
fn put<O>(out: &[Cell<O>; TILE], x: [O; TILE]) {
    out.iter().zip(x).for_each(|(o, x)| o.set(x));
}

/// `out[i] = f(a[i], b[i])`, some at a time.
#[inline(always)]
pub fn zip2<A: Copy, B: Copy, O>(
    out: &[Cell<O>],
    a: Source<'_, A>,
    b: Source<'_, B>,
    f: impl Fn(A, B) -> O,
) {
    match (a, b) {
        (Source::Row(a), Source::Row(b)) => {
            let ((out, last), (a, a_last), (b, b_last)) = (
                out.as_chunks::<TILE>(),
                a.as_chunks::<TILE>(),
                b.as_chunks::<TILE>(),
            );
            for ((out, a), b) in out.iter().zip(a).zip(b) {
                put(out, std::array::from_fn(|k| f(a[k].get(), b[k].get())));
            }
            for ((o, a), b) in last.iter().zip(a_last).zip(b_last) {
                o.set(f(a.get(), b.get()));
            }
        }
        (Source::Row(a), Source::Splat(b)) => zip1(out, a, |a| f(a, b)),
        (Source::Splat(a), Source::Row(b)) => zip1(out, b, |b| f(a, b)),
        (Source::Splat(a), Source::Splat(b)) => {
            for o in out {
                o.set(f(a, b));
            }
        }
    }
}

/// Eight partial results that terms are added to in turn, and which are then joined two by two: the order in which a
/// reduction sums. Terms may come some at a time, a multiple of eight each time but the last.
pub(super) struct InEight {
    partial: [f64; 8],
}

impl InEight {
    /// None yet.
    pub fn new(begin: f64) -> Self {
        Self {
            partial: [begin; 8],
        }
    }

    /// Adds terms.
    #[inline(always)]
    pub fn add(&mut self, terms: &[f64], add: impl Fn(f64, f64) -> f64) {
        let mut partial = self.partial;
        let (rounds, rest) = terms.as_chunks::<8>();
        for round in rounds {
            for (p, x) in partial.iter_mut().zip(round) {
                *p = add(*p, *x);
            }
        }
        for (p, x) in partial.iter_mut().zip(rest) {
            *p = add(*p, *x);
        }
        self.partial = partial;
    }

    /// All of them together.
    #[inline(always)]
    pub fn join(&self, join: impl Fn(f64, f64) -> f64) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.partial;
        join(join(join(a, b), join(c, d)), join(join(e, f), join(g, h)))
    }
}

/// All terms added in [`InEight`].
#[inline(always)]
pub(super) fn in_eight(
    terms: &[f64],
    begin: f64,
    add: impl Fn(f64, f64) -> f64,
    join: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut sum = InEight::new(begin);
    sum.add(terms, add);
    sum.join(join)
}

/// The larger; NaN if either is.
pub(super) fn maximum(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller; NaN if either is.
pub(super) fn minimum(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}
