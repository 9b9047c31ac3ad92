//! Normalised exponentials of lines, one at a time; see [`super::softmax`].

use super::elementary;
use super::kernels::{
    InEight, Loop, in_eight, prefetch_to_read, prefetch_to_write, widest, widest_long,
};
use super::team::{self, Team};
use smallvec::SmallVec;
use std::iter::repeat_with;

/// Elements of a line that a thread works out at a time: their sum is one term of the whole's, however many threads there
/// are.
const PIECE: usize = 1 << 14;
/// Elements among which the largest is looked for once it is known.
const BLOCK: usize = 256;
/// Elements that are worked out together: before their sum is there, the next ones' exponentials are under way.
const FEW: usize = 64;

/// Elements of a line that stay in the innermost cache until the next one's turn comes.
const MOST_AHEAD: usize = 2048;

/// The largest element, NaN if any is; and where it stands first.
struct Largest<'a> {
    line: &'a [f64],
}

impl Loop for Largest<'_> {
    type Output = (f64, usize);

    #[inline(always)]
    fn run(self) -> (f64, usize) {
        let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
        let (mut largest, mut first) = (f64::NEG_INFINITY, 0);
        for (k, block) in self.line.chunks(BLOCK).enumerate() {
            let own = in_eight(block, f64::NEG_INFINITY, larger, larger);
            if own > largest || own.is_nan() {
                (largest, first) = (own, k * BLOCK);
            }
            if own.is_nan() {
                break;
            }
        }
        let is_it = |x: &f64| *x == largest || x.is_nan();
        let rest = self.line.get(first..).unwrap_or_default();
        let within = rest.iter().position(is_it).unwrap_or(0);
        (largest, first + within)
    }
}

/// The largest element that is a number, where it stands first, and the smallest one; infinities where there is none. A
/// comparison and a choice are one instruction if NaN need not be told from numbers.
struct Extremes<'a> {
    line: &'a [f64],
}

impl Loop for Extremes<'_> {
    type Output = (f64, usize, f64);

    #[inline(always)]
    fn run(self) -> (f64, usize, f64) {
        let larger = |a: f64, b: f64| if b > a { b } else { a };
        let smaller = |a: f64, b: f64| if b < a { b } else { a };
        let (mut largest, mut first) = (f64::NEG_INFINITY, 0);
        let mut least = [f64::INFINITY; 8];
        for (k, block) in self.line.chunks(BLOCK).enumerate() {
            let mut most = [f64::NEG_INFINITY; 8];
            let (rounds, rest) = block.as_chunks::<8>();
            for round in rounds {
                for i in 0..8 {
                    most[i] = larger(most[i], round[i]);
                    least[i] = smaller(least[i], round[i]);
                }
            }
            for (i, &x) in rest.iter().enumerate() {
                most[i] = larger(most[i], x);
                least[i] = smaller(least[i], x);
            }
            let own = most.into_iter().fold(f64::NEG_INFINITY, larger);
            if own > largest {
                (largest, first) = (own, k * BLOCK);
            }
        }
        let rest = self.line.get(first..).unwrap_or_default();
        for eight in rest.as_chunks::<8>().0 {
            if eight.iter().fold(false, |any, x| any | (*x == largest)) {
                break;
            }
            first += 8;
        }
        let rest = self.line.get(first..).unwrap_or_default();
        let at = rest.iter().position(|x| *x == largest).unwrap_or(0);
        // Its own bits: zeros differ in their signs.
        let largest = rest.get(at).copied().unwrap_or(largest);
        (
            largest,
            first + at,
            least.into_iter().fold(f64::INFINITY, smaller),
        )
    }
}

/// e^(a - largest) of each element, the largest one 0: written to where there is a place, and summed up.
struct Exponentials<'a> {
    line: &'a [f64],
    to: Option<&'a mut [f64]>,
    largest: f64,
    at: usize,
    /// Whether no number is further from the largest than [`elementary::NEAR`].
    is_near: bool,
}

/// As wide instructions like to read them.
#[repr(align(64))]
struct Block([f64; FEW]);

impl Loop for Exponentials<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(mut self) -> f64 {
        let mut sum = InEight::new(0.0);
        let (mut own, mut shifted) = (Block([0.0; FEW]), Block([0.0; FEW]));
        let (own, shifted) = (&mut own.0, &mut shifted.0);
        let (blocks, rest) = self.line.as_chunks::<FEW>();
        for (k, block) in blocks.iter().enumerate() {
            self.prefetch(k * FEW);
            // In two steps: a processor looks ahead some hundred instructions, and would wait for a few numbers at a time.
            if self.is_near {
                for i in 0..FEW {
                    (own[i], shifted[i]) = elementary::near_parts(block[i] - self.largest);
                }
                for i in 0..FEW {
                    own[i] = elementary::exp_of_near_parts((own[i], shifted[i]));
                }
            } else {
                for i in 0..FEW {
                    (own[i], shifted[i]) = elementary::exp_parts(block[i] - self.largest);
                }
                for i in 0..FEW {
                    own[i] = elementary::exp_of_parts((own[i], shifted[i]), 0.0);
                }
            }
            self.take(k * FEW, own, &mut sum);
        }
        let own = &mut own[..rest.len()];
        for (to, x) in own.iter_mut().zip(rest) {
            *to = elementary::exp(*x - self.largest);
        }
        self.take(blocks.len() * FEW, own, &mut sum);
        sum.join(|a, b| a + b)
    }
}

impl Exponentials<'_> {
    /// Asks for what is written soon, and for what the next line's block will be if lines follow each other: the search
    /// for the largest element goes through it faster than memory gives it.
    #[inline(always)]
    fn prefetch(&self, begin: usize) {
        let Some(to) = &self.to else { return };
        for line in (begin..begin + FEW).step_by(8) {
            prefetch_to_write(to, line + 2 * FEW);
            if self.line.len() <= MOST_AHEAD {
                prefetch_to_read(self.line, line + self.line.len());
            }
        }
    }

    /// Those from an element on.
    #[inline(always)]
    fn take(&mut self, begin: usize, own: &mut [f64], sum: &mut InEight) {
        let at = self.at.checked_sub(begin);
        if let Some(x) = at.and_then(|at| own.get_mut(at)) {
            *x = 0.0;
        }
        sum.add(own, |a, b| a + b);
        if let Some(to) = &mut self.to {
            to[begin..][..own.len()].copy_from_slice(own);
        }
    }
}

/// e / whole, correctly rounded but where it is subnormal, given 1 / whole: a product, and what is left of e is shared out
/// too (Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). Divisions take
/// several times as long.
#[inline(always)]
pub(super) fn share(e: f64, whole: f64, inverse: f64) -> f64 {
    let about = e * inverse;
    let rest = (-about).mul_add(whole, e);
    rest.mul_add(inverse, about)
}

/// Makes each e its share of the whole.
struct Shares<'a> {
    line: &'a mut [f64],
    whole: f64,
}

impl Loop for Shares<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (whole, inverse) = (self.whole, 1.0 / self.whole);
        if whole.is_nan() {
            let some = self.line.iter_mut().filter(|x| **x != 0.0);
            return some.for_each(|x| *x = f64::NAN);
        }
        for x in self.line {
            *x = share(*x, whole, inverse);
        }
    }
}

/// Each element less what it takes to come to the logarithm of its share.
struct Logarithms<'a> {
    line: &'a [f64],
    to: &'a mut [f64],
    largest: f64,
    log: f64,
}

impl Loop for Logarithms<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (to, x) in self.to.iter_mut().zip(self.line) {
            let distance = below(*x, self.largest);
            *to = match distance == f64::NEG_INFINITY {
                true => distance,
                false => distance - self.log,
            };
        }
    }
}

/// The largest element of a line that is a number, where it stands first, and the smallest one.
fn extremes(line: &[f64], team: &dyn Team) -> (f64, usize, f64) {
    let of = |line: &[f64]| widest(line.len(), Extremes { line });
    if line.len() <= PIECE {
        return of(line);
    }
    let mut own: SmallVec<[(f64, usize, f64); 64]> =
        SmallVec::from_elem((0.0, 0, 0.0), line.len().div_ceil(PIECE));
    let all = line.chunks(PIECE).zip(&mut own);
    team::share(team, all, |(line, own)| *own = of(line));
    let mut all = (f64::NEG_INFINITY, 0, f64::INFINITY);
    for (k, (largest, at, least)) in own.into_iter().enumerate() {
        if largest > all.0 {
            (all.0, all.1) = (largest, k * PIECE + at);
        }
        all.2 = if least < all.2 { least } else { all.2 };
    }
    all
}

/// e^(a - largest) of each element, the largest one 0; gives the largest, where it stands, and the sum. Of several +inf,
/// and of all -inf, the sum is NaN.
fn exponentials(line: &[f64], mut to: Option<&mut [f64]>, team: &dyn Team) -> (f64, usize, f64) {
    let (largest, at, least) = extremes(line, team);
    let is_near = largest - least <= elementary::NEAR;
    let rest = sum_of_exponentials(line, to.as_deref_mut(), (largest, at, is_near), team);
    // NaN is among the terms of the sum, but where no number is larger than what it was looked for from.
    if rest.is_nan() || largest == f64::NEG_INFINITY {
        let (largest, at) = widest(line.len(), Largest { line });
        let rest = sum_of_exponentials(line, to, (largest, at, false), team);
        return (largest, at, rest);
    }
    (largest, at, rest)
}

/// Given the largest element, where it stands, and whether all are near it.
fn sum_of_exponentials(
    line: &[f64],
    to: Option<&mut [f64]>,
    (largest, at, is_near): (f64, usize, bool),
    team: &dyn Team,
) -> f64 {
    let sum = |line: &[f64], to: Option<&mut [f64]>, at: usize| {
        let of = Exponentials {
            line,
            to,
            largest,
            at,
            is_near,
        };
        widest_long(line.len(), of)
    };
    if line.len() <= PIECE {
        return sum(line, to, at);
    }
    let mut sums: SmallVec<[f64; 64]> = SmallVec::from_elem(0.0, line.len().div_ceil(PIECE));
    let mut places = to.map(|to| to.chunks_mut(PIECE));
    let places = repeat_with(|| places.as_mut().and_then(Iterator::next));
    let all = line.chunks(PIECE).zip(places).zip(&mut sums).enumerate();
    team::share(team, all, |(k, ((line, to), own))| {
        // Beyond the end of pieces in which it is not.
        *own = sum(line, to, at.wrapping_sub(k * PIECE));
    });
    sums.iter().sum()
}

/// log(sum(e^a)).
pub(super) fn logsumexp(line: &[f64], team: &dyn Team) -> f64 {
    let (largest, _, rest) = exponentials(line, None, team);
    match largest.is_finite() {
        true => largest + elementary::alone::log1p(rest),
        false => largest,
    }
}

/// a less the largest, in which that one itself is 0 even if it is +inf (not if it is -inf: then so are all).
#[inline(always)]
fn below(x: f64, largest: f64) -> f64 {
    match x == f64::INFINITY && x == largest {
        true => 0.0,
        false => x - largest,
    }
}

/// e^a / sum(e^a).
pub(super) fn softmax(line: &[f64], to: &mut [f64], team: &dyn Team) {
    let (largest, at, rest) = exponentials(line, Some(&mut *to), team);
    if let Some(x) = to.get_mut(at) {
        *x = elementary::alone::exp(below(largest, largest));
    }
    // Several infinities make the rest NaN; beside them all is 0 that is not infinite itself.
    let whole = 1.0 + rest;
    team::share(team, to.chunks_mut(PIECE), |line| {
        widest_long(line.len(), Shares { line, whole });
    });
}

/// a - log(sum(e^a)).
pub(super) fn log_softmax(line: &[f64], to: &mut [f64], team: &dyn Team) {
    let (largest, _, rest) = exponentials(line, None, team);
    let log = elementary::alone::log1p(rest);
    let all = line.chunks(PIECE).zip(to.chunks_mut(PIECE));
    team::share(team, all, |(line, to)| {
        let of = Logarithms {
            line,
            to,
            largest,
            log,
        };
        widest(line.len(), of);
    });
}
