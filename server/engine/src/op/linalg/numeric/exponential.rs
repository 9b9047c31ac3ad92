//! The matrix exponential and its directional derivatives of every order.

use super::{all_finite, view};
use faer::{
    Accum, Mat, Par,
    linalg::{
        matmul::matmul,
        solvers::{PartialPivLu, Solve},
    },
};

/// Padé coefficients of degree 3, 5, 7, 9, 13 (Higham 2005), with the norms up to which each is exact for the
/// value and the first derivative (ℓ of Al-Mohy & Higham 2009, table 6.1).
const PADE: [(f64, &[f64]); 5] = [
    (1.08e-2, &[120.0, 60.0, 12.0, 1.0]),
    (2.00e-1, &[30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0]),
    (
        7.83e-1,
        &[
            17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0,
        ],
    ),
    (
        1.78,
        &[
            17643225600.0,
            8821612800.0,
            2075673600.0,
            302702400.0,
            30270240.0,
            2162160.0,
            110880.0,
            3960.0,
            90.0,
            1.0,
        ],
    ),
    (
        4.74,
        &[
            64764752532480000.0,
            32382376266240000.0,
            7771770303897600.0,
            1187353796428800.0,
            129060195264000.0,
            10559470521600.0,
            670442572800.0,
            33522128640.0,
            1323241920.0,
            40840800.0,
            960960.0,
            16380.0,
            182.0,
            1.0,
        ],
    ),
];

/// A matrix with nilpotent parts: part S (a set of directions, as bits) is the coefficient of Π_{i∈S} t_i in a
/// function of A + Σ t_i E_i, with t_i² = 0. `None`: zero. It is the block triangular matrix
/// [[A, E], [0, A]] (nested for several directions) with each block stored once.
struct Jet(Vec<Option<Mat<f64>>>);

impl Jet {
    /// a · b.
    fn times(&self, b: &Jet) -> Jet {
        let mut parts = vec![None; self.0.len()];
        for (set, part) in parts.iter_mut().enumerate() {
            let mut sum: Option<Mat<f64>> = None;
            for_subsets(set, |left| {
                let (Some(x), Some(y)) = (&self.0[left], &b.0[set ^ left]) else {
                    return;
                };
                let (rows, columns) = (x.nrows(), y.ncols());
                let into = sum.get_or_insert_with(|| Mat::zeros(rows, columns));
                matmul(into.as_mut(), Accum::Add, x, y, 1.0, Par::Seq);
            });
            *part = sum;
        }
        Jet(parts)
    }

    /// self += factor · other.
    fn add(&mut self, factor: f64, other: &Jet) {
        for (part, other) in self.0.iter_mut().zip(&other.0) {
            let Some(other) = other else { continue };
            let into = part.get_or_insert_with(|| Mat::zeros(other.nrows(), other.ncols()));
            faer::zip!(into, other).for_each(|faer::unzip!(x, y)| *x += factor * *y);
        }
    }

    fn add_identity(&mut self, factor: f64) {
        if let Some(part) = &mut self.0[0] {
            for i in 0..part.nrows() {
                part[(i, i)] += factor;
            }
        }
    }

    fn zero(parts: usize, n: usize) -> Jet {
        let mut zero = vec![None; parts];
        zero[0] = Some(Mat::zeros(n, n));
        Jet(zero)
    }
}

fn for_subsets(set: usize, mut visit: impl FnMut(usize)) {
    let mut subset = set;
    loop {
        visit(subset);
        if subset == 0 {
            return;
        }
        subset = (subset - 1) & set;
    }
}

/// The largest column sum of absolute values.
fn norm_one(n: usize, a: &[f64]) -> f64 {
    (0..n)
        .map(|j| (0..n).map(|i| a[i * n + j].abs()).sum())
        .fold(0.0, f64::max)
}

/// The exponent of the power of two next below, 0 for 0.
fn exponent(x: f64) -> i32 {
    match x {
        0.0 => 0,
        x => libm::ilogb(x),
    }
}

/// The derivative of e^A along each of the directions E_1 … E_k (one after the other; none: e^A itself).
/// Shapes: all `[n, n]`.
///
/// Scaling and squaring with Padé approximants (Higham, SIAM J. Matrix Anal. Appl. 26, 2005) of the block
/// triangular matrix (Al-Mohy & Higham, 30, 2009; Higham & Relton, 35, 2014), 3^k products where the plain
/// matrix takes one.
pub fn expm_derivative(n: usize, a: &[f64], directions: &[&[f64]], out: &mut [f64]) {
    if n == 0 {
        return;
    }
    if !all_finite(a) || directions.iter().any(|e| !all_finite(e)) {
        out.fill(f64::NAN);
        return;
    }
    let norm = norm_one(n, a);
    // The result is linear in every direction: bring them to size 1 exactly, and back at the end.
    let sizes: Vec<i32> = directions
        .iter()
        .map(|e| exponent(e.iter().fold(0.0, |m, x| f64::max(m, x.abs()))))
        .collect();
    // Bounds of order beyond the first are not tabulated; half the norm is well inside.
    let slack = if directions.len() > 1 { 2.0 } else { 1.0 };
    let bound = |row: usize| PADE[row].0 / slack;
    let chosen = (0..PADE.len()).find(|&row| norm <= bound(row));
    let squarings = match chosen {
        Some(_) => 0,
        None => (norm / bound(4)).log2().ceil().clamp(0.0, 1100.0) as i32,
    };
    let coefficients = PADE[chosen.unwrap_or(4)].1;

    let parts = 1usize << directions.len();
    let scaled =
        |m: &[f64], shift: i32| Mat::from_fn(n, n, |i, j| libm::ldexp(m[i * n + j], shift));
    let mut jet = vec![None; parts];
    jet[0] = Some(scaled(a, -squarings));
    for (i, e) in directions.iter().enumerate() {
        jet[1 << i] = Some(scaled(e, -squarings - sizes[i]));
    }
    let mut result = pade(&Jet(jet), coefficients, parts, n);
    for _ in 0..squarings {
        result = result.times(&result);
    }
    let shift = sizes
        .iter()
        .map(|&s| i64::from(s))
        .sum::<i64>()
        .clamp(-9000, 9000) as i32;
    match &result.0[parts - 1] {
        Some(part) => {
            for (at, o) in out.iter_mut().enumerate() {
                *o = libm::ldexp(part[(at / n, at % n)], shift);
            }
        }
        None => out.fill(0.0),
    }
    debug_assert_eq!(view(out, n, n).nrows(), n);
}

/// The diagonal Padé approximant of e^x: (V - U)⁻¹ (V + U) with V the even terms and U the odd ones.
fn pade(x: &Jet, c: &[f64], parts: usize, n: usize) -> Jet {
    let degree = c.len() - 1;
    let square = x.times(x);
    let mut odd = Jet::zero(parts, n);
    let mut even = Jet::zero(parts, n);
    if degree == 13 {
        let fourth = square.times(&square);
        let sixth = square.times(&fourth);
        let powers = [&square, &fourth, &sixth];
        let high = |first: usize| {
            let mut sum = Jet::zero(parts, n);
            for (i, p) in powers.iter().enumerate() {
                sum.add(c[first + 2 * i], p);
            }
            sixth.times(&sum)
        };
        odd.add(1.0, &high(9));
        even.add(1.0, &high(8));
        for (i, p) in powers.iter().enumerate() {
            odd.add(c[3 + 2 * i], p);
            even.add(c[2 + 2 * i], p);
        }
    } else {
        let mut power = Jet::zero(parts, n);
        power.add(1.0, &square);
        for i in (2..=degree).step_by(2) {
            if i > 2 {
                power = power.times(&square);
            }
            even.add(c[i], &power);
            odd.add(c[i + 1], &power);
        }
    }
    odd.add_identity(c[1]);
    even.add_identity(c[0]);
    let odd = x.times(&odd);
    let mut numerator = Jet::zero(parts, n);
    numerator.add(1.0, &even);
    numerator.add(1.0, &odd);
    let mut denominator = even;
    denominator.add(-1.0, &odd);
    divide(&denominator, numerator)
}

/// q⁻¹ p, part by part: q_∅ r_S = p_S - Σ_{∅≠T⊆S} q_T r_{S∖T}.
fn divide(q: &Jet, mut p: Jet) -> Jet {
    let Some(base) = &q.0[0] else { return p };
    let factors = PartialPivLu::new(base.as_ref());
    for set in 0..p.0.len() {
        let mut right = p.0[set].take();
        for_subsets(set, |subset| {
            if subset == 0 {
                return;
            }
            let (Some(q), Some(r)) = (&q.0[subset], &p.0[set ^ subset]) else {
                return;
            };
            let into = right.get_or_insert_with(|| Mat::zeros(q.nrows(), r.ncols()));
            matmul(into.as_mut(), Accum::Add, q, r, -1.0, Par::Seq);
        });
        p.0[set] = right.map(|right| factors.solve(&right));
    }
    p
}
