//! Loops over elements that the op table's rows are put into, written so that they become instructions for several
//! numbers at once.

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

/// A loop over elements.
pub trait Loop {
    /// What it gives beside what it writes.
    type Output;

    /// Runs it; to be inlined, so that it becomes the instructions of the function around it.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest instructions that this processor has. What it computes is the same with any.
#[inline(always)]
pub fn widest<L: Loop>(len: usize, of: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if len >= FEW_OF_V4
            && let Some(v4) = *wide::V4
        {
            return pulp::Simd::vectorize(v4, wide::Wide(of));
        }
        if len >= FEW
            && let Some(v3) = *wide::V3
        {
            return pulp::Simd::vectorize(v3, wide::Wide(of));
        }
    }
    let _ = len;
    of.run()
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::Loop;
    use std::sync::LazyLock;

    /// AVX-512 and what comes with it, if it is there.
    pub static V4: LazyLock<Option<pulp::x86::V4>> = LazyLock::new(pulp::x86::V4::try_new);
    /// AVX2 and what comes with it, if it is there.
    pub static V3: LazyLock<Option<pulp::x86::V3>> = LazyLock::new(pulp::x86::V3::try_new);

    pub struct Wide<L>(pub L);

    impl<L: Loop> pulp::WithSimd for Wide<L> {
        type Output = L::Output;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> L::Output {
            self.0.run()
        }
    }
}

/// Numbers that a long formula is worked out for at a time. They are copied out and back: a result may lie where an
/// operand does, and a compiler that cannot exclude it takes one number at a time.
const BLOCK: usize = 64;

/// Numbers that a short formula is worked out for at a time, in registers.
const TILE: usize = 8;

/// Fewer numbers are worked out one by one.
const FEW: usize = 4;

/// Fewer do not fill the vectors of AVX-512.
#[cfg(target_arch = "x86_64")]
const FEW_OF_V4: usize = 8;

/// Formulas of at most this cost are short.
pub(super) const SHORT: u32 = 4;

/// `out[i] = f(a[i])` of a short formula.
#[inline(always)]
pub(super) fn tiles1<T: Float>(out: &[Cell<T>], a: &[Cell<T>], f: impl Fn(f64) -> f64) {
    zip1(out, a, |a| T::round(f(a.widen())));
}

/// A long formula, to be inlined whatever its length: a call in a loop would leave one number at a time. What is passed as
/// a function is inlined only if it is short, and so is what an iterator's methods are given: loops are written out.
pub(super) trait Formula {
    /// Its value.
    fn at(x: f64) -> f64;
}

/// `out[i] = f(a[i])` of a long formula that is a straight line.
#[inline(always)]
pub(super) fn blocks1<T: Float, F: Formula>(out: &[Cell<T>], a: &[Cell<T>]) {
    if out.len() < FEW {
        return each1(out, a, F::at);
    }
    for (out, a) in out.chunks(BLOCK).zip(a.chunks(BLOCK)) {
        let mut x = [0.0; BLOCK];
        let x = &mut x[..out.len()];
        load(x, a);
        for x in x.iter_mut() {
            *x = F::at(*x);
        }
        store(out, x);
    }
}

/// The same where the formula holds only near 0; `f` holds anywhere.
#[inline(always)]
pub(super) fn near1<T: Float, N: Formula>(
    out: &[Cell<T>],
    a: &[Cell<T>],
    is_near: impl Fn(f64) -> bool,
    f: impl Fn(f64) -> f64,
) {
    if out.len() < FEW {
        return each1(out, a, f);
    }
    for (out, a) in out.chunks(BLOCK).zip(a.chunks(BLOCK)) {
        let (mut x, mut y) = ([0.0; BLOCK], [0.0; BLOCK]);
        let (x, y) = (&mut x[..out.len()], &mut y[..out.len()]);
        load(x, a);
        for (y, x) in y.iter_mut().zip(&*x) {
            *y = N::at(*x);
        }
        if !x.iter().fold(true, |all, &x| all & is_near(x)) {
            let far = y.iter_mut().zip(&*x).filter(|(_, x)| !is_near(**x));
            far.for_each(|(y, x)| *y = f(*x));
        }
        store(out, y);
    }
}

/// `out[i] = f(a[i])`, one by one.
#[inline(always)]
pub(super) fn each1<T: Float>(out: &[Cell<T>], a: &[Cell<T>], f: impl Fn(f64) -> f64) {
    for (o, a) in out.iter().zip(a) {
        o.set(T::round(f(a.get().widen())));
    }
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

/// `out[i] = f(a[i], b[i])`, one by one.
#[inline(always)]
pub(super) fn each2<T: Float>(
    out: &[Cell<T>],
    a: Source<'_, T>,
    b: Source<'_, T>,
    f: impl Fn(f64, f64) -> f64,
) {
    for (i, o) in out.iter().enumerate() {
        o.set(T::round(f(a.get(i).widen(), b.get(i).widen())));
    }
}

/// `out[i] = f(a[i], b[i], c[i])` of a short formula.
#[inline(always)]
pub(super) fn blocks3<T: Float>(
    out: &[Cell<T>],
    [a, b, c]: [Source<'_, T>; 3],
    f: impl Fn(f64, f64, f64) -> f64,
) {
    if out.len() < FEW {
        return each3(out, [a, b, c], f);
    }
    for (k, out) in out.chunks(BLOCK).enumerate() {
        let mut blocks = [[0.0; BLOCK]; 3];
        let [x, y, z] = blocks.each_mut().map(|block| &mut block[..out.len()]);
        a.load(x, k * BLOCK);
        b.load(y, k * BLOCK);
        c.load(z, k * BLOCK);
        let others = y.iter().zip(&*z);
        for (x, (y, z)) in x.iter_mut().zip(others) {
            *x = f(*x, *y, *z);
        }
        store(out, x);
    }
}

/// `out[i] = f(a[i], b[i], c[i])`, one by one.
#[inline(always)]
pub(super) fn each3<T: Float>(
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
