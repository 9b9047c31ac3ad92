//! Loops of long formulas, a block of numbers at a time.

use super::{
    FEW, Float, Loop, Source, each, load, store,
    wide::{alone, widest_of_long},
};
use std::cell::Cell;
use std::marker::PhantomData;

/// Numbers that a long formula is worked out for at a time. They are copied out and back: a result may lie where an
/// operand does, and a compiler that cannot exclude it takes one number at a time.
const BLOCK: usize = 64;

/// That many, as wide instructions like to read them.
#[repr(align(64))]
struct Block([f64; BLOCK]);

impl Default for Block {
    #[inline(always)]
    fn default() -> Self {
        Self([0.0; BLOCK])
    }
}

/// A long formula, to be inlined whatever its length: a call in a loop would leave one number at a time. What is passed as
/// a function is inlined only if it is short, and so is what an iterator's methods are given: loops are written out.
pub(in crate::op) trait Formula<const N: usize> {
    /// Its value.
    fn at(x: [f64; N]) -> f64;
}

/// A very long formula, as two: a processor looks ahead some hundred instructions, and where these are of one number it
/// waits for each in turn.
pub(in crate::op) trait Steps<const N: usize> {
    /// What goes from the first to the second.
    fn begin(x: [f64; N]) -> (f64, f64);
    /// The value.
    fn end(begun: (f64, f64), x: [f64; N]) -> f64;
}

/// A loop of a long formula or of one in two steps. Blocks are worked out to the end of the last lanes: the numbers there
/// are zeros.
struct Long<'a, T, F, const N: usize> {
    out: &'a [Cell<T>],
    from: [Source<'a, T>; N],
    lanes: usize,
    formula: PhantomData<F>,
}

/// Loops of a long formula, with an array for each operand.
macro_rules! blocks {
    ($blocks:ident, $n:literal, [$first:ident $($x:ident)*]) => {
        /// `out[i] = f(a[i], ...)` of a long formula that is a straight line; a few by `A`.
        #[inline(always)]
        pub(in crate::op) fn $blocks<T: Float, F: Formula<$n>, A: Formula<$n>>(
            out: &[Cell<T>],
            from: [Source<'_, T>; $n],
        ) {
            if out.len() < FEW {
                return each(out, from, alone::<$n, A>);
            }
            let formula = PhantomData::<Straight<F>>;
            widest_of_long(out.len(), |lanes| Long { out, from, lanes, formula });
        }

        impl<T: Float, F: Formula<$n>> Loop for Long<'_, T, Straight<F>, $n> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                for (k, out) in self.out.chunks(BLOCK).enumerate() {
                    let len = out.len().next_multiple_of(self.lanes).min(BLOCK);
                    let [$first $(, $x)*] = self.from;
                    loaded!($first, k, out.len(), len);
                    $(loaded!($x, k, out.len(), len);)*
                    for i in 0..len {
                        $first[i] = F::at([$first[i] $(, $x[i])*]);
                    }
                    store(out, $first);
                }
            }
        }
    };
}

/// The same of one in two steps.
macro_rules! in_steps {
    ($in_steps:ident, $n:literal, [$($x:ident)+]) => {
        /// `out[i] = f(a[i], ...)` of a very long formula; a few by `A`.
        #[inline(always)]
        pub(in crate::op) fn $in_steps<T: Float, F: Steps<$n>, A: Formula<$n>>(
            out: &[Cell<T>],
            from: [Source<'_, T>; $n],
        ) {
            if out.len() < FEW {
                return each(out, from, alone::<$n, A>);
            }
            let formula = PhantomData::<InSteps<F>>;
            widest_of_long(out.len(), |lanes| Long { out, from, lanes, formula });
        }

        impl<T: Float, F: Steps<$n>> Loop for Long<'_, T, InSteps<F>, $n> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                for (k, out) in self.out.chunks(BLOCK).enumerate() {
                    let len = out.len().next_multiple_of(self.lanes).min(BLOCK);
                    let (mut y, mut z) = (Block::default(), Block::default());
                    let (y, z) = (&mut y.0[..len], &mut z.0[..len]);
                    let [$($x),+] = self.from;
                    $(loaded!($x, k, out.len(), len);)+
                    for i in 0..len {
                        (y[i], z[i]) = F::begin([$($x[i]),+]);
                    }
                    for i in 0..len {
                        y[i] = F::end((y[i], z[i]), [$($x[i]),+]);
                    }
                    store(out, y);
                }
            }
        }
    };
}

/// Turns an operand into the numbers of its k-th block.
macro_rules! loaded {
    ($x:ident, $k:expr, $len:expr, $padded:expr) => {
        let source = $x;
        let mut $x = Block::default();
        source.load(&mut $x.0[..$len], $k * BLOCK);
        let $x = &mut $x.0[..$padded];
    };
}

/// What a [`Long`] loop runs.
struct Straight<F>(PhantomData<F>);
struct InSteps<F>(PhantomData<F>);

blocks!(blocks1, 1, [a]);
blocks!(blocks3, 3, [a b c]);
in_steps!(in_steps1, 1, [a]);
in_steps!(in_steps2, 2, [a b]);
in_steps!(in_steps3, 3, [a b c]);

/// The same where the formula holds only near 0; `A` holds anywhere.
#[inline(always)]
pub(in crate::op) fn near1<T: Float, N: Formula<1>, A: Formula<1>>(
    out: &[Cell<T>],
    a: &[Cell<T>],
    is_near: impl Fn(f64) -> bool + Copy,
) {
    if out.len() < FEW {
        return each(out, [Source::Row(a)], alone::<1, A>);
    }
    widest_of_long(out.len(), |lanes| NearLoop {
        out,
        a,
        lanes,
        is_near,
        formulas: PhantomData::<(N, A)>,
    });
}

/// Of [`near1`].
struct NearLoop<'a, T, N, I, A> {
    out: &'a [Cell<T>],
    a: &'a [Cell<T>],
    lanes: usize,
    is_near: I,
    formulas: PhantomData<(N, A)>,
}

impl<T, N, I, A> Loop for NearLoop<'_, T, N, I, A>
where
    T: Float,
    N: Formula<1>,
    I: Fn(f64) -> bool,
    A: Formula<1>,
{
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (out, a) in self.out.chunks(BLOCK).zip(self.a.chunks(BLOCK)) {
            let len = out.len().next_multiple_of(self.lanes).min(BLOCK);
            let (mut x, mut y) = (Block::default(), Block::default());
            load(&mut x.0[..out.len()], a);
            let (x, y) = (&x.0[..len], &mut y.0[..len]);
            for (y, x) in y.iter_mut().zip(x) {
                *y = N::at([*x]);
            }
            if !x.iter().fold(true, |all, &x| all & (self.is_near)(x)) {
                let far = y.iter_mut().zip(x).filter(|(_, x)| !(self.is_near)(**x));
                far.for_each(|(y, x)| *y = alone::<1, A>([*x]));
            }
            store(out, y);
        }
    }
}

/// `first[i]` and `second[i]` of `a[i]`, by a formula that holds only near 0; what is `far` holds anywhere.
#[inline(always)]
pub(in crate::op) fn pairs(
    [first, second]: [&[Cell<f64>]; 2],
    a: &[Cell<f64>],
    is_near: impl Fn(f64) -> bool,
    near: impl Fn(f64) -> (f64, f64),
    far: impl Fn(f64) -> (f64, f64),
) {
    for (k, a) in a.chunks(BLOCK).enumerate() {
        let own = k * BLOCK..k * BLOCK + a.len();
        // To the end of the widest lanes: the numbers there are zeros.
        let len = a.len().next_multiple_of(8).min(BLOCK);
        let [mut x, mut y, mut z] = [(); 3].map(|()| Block::default());
        load(&mut x.0[..a.len()], a);
        let (x, y, z) = (&x.0[..len], &mut y.0[..len], &mut z.0[..len]);
        for i in 0..len {
            (y[i], z[i]) = near(x[i]);
        }
        if !x.iter().fold(true, |all, &x| all & is_near(x)) {
            for i in (0..len).filter(|&i| !is_near(x[i])) {
                (y[i], z[i]) = far(x[i]);
            }
        }
        store(&first[own.clone()], y);
        store(&second[own], z);
    }
}
