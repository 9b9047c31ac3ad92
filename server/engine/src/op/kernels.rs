//! Loops over elements that the op table's rows are put into.

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

#[inline(always)]
pub(super) fn map1<T: Float>(out: &[Cell<T>], a: &[Cell<T>], f: impl Fn(f64) -> f64) {
    for (o, a) in out.iter().zip(a) {
        o.set(T::round(f(a.get().widen())));
    }
}

#[inline(always)]
pub(super) fn map2<T: Float>(
    out: &[Cell<T>],
    a: Source<'_, T>,
    b: Source<'_, T>,
    f: impl Fn(f64, f64) -> f64,
) {
    zip2(out, a, b, |a, b| T::round(f(a.widen(), b.widen())));
}

#[inline(always)]
pub(super) fn map3<T: Float>(
    out: &[Cell<T>],
    [a, b, c]: [Source<'_, T>; 3],
    f: impl Fn(f64, f64, f64) -> f64,
) {
    for (i, o) in out.iter().enumerate() {
        let [a, b, c] = [a, b, c].map(|source| source.get(i).widen());
        o.set(T::round(f(a, b, c)));
    }
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
    for (o, a) in out.iter().zip(a) {
        o.set(f(a.get()));
    }
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

/// `out[i] = f(a[i], b[i])`.
#[inline(always)]
pub fn zip2<A: Copy, B: Copy, O>(
    out: &[Cell<O>],
    a: Source<'_, A>,
    b: Source<'_, B>,
    f: impl Fn(A, B) -> O,
) {
    match (a, b) {
        (Source::Row(a), Source::Row(b)) => {
            for ((o, a), b) in out.iter().zip(a).zip(b) {
                o.set(f(a.get(), b.get()));
            }
        }
        (Source::Row(a), Source::Splat(b)) => {
            for (o, a) in out.iter().zip(a) {
                o.set(f(a.get(), b));
            }
        }
        (Source::Splat(a), Source::Row(b)) => {
            for (o, b) in out.iter().zip(b) {
                o.set(f(a, b.get()));
            }
        }
        (Source::Splat(a), Source::Splat(b)) => {
            for o in out {
                o.set(f(a, b));
            }
        }
    }
}

/// The larger; NaN if either is.
pub(super) fn maximum(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// The smaller; NaN if either is.
pub(super) fn minimum(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}
