//! Eigen- and singular values by Jacobi's rotations (Golub and Van Loan, Matrix Computations, 8.5 and 8.6): plain
//! arithmetic and roots, so that derivatives come along.

use super::Number;
use super::matrix::Matrix;
use crate::op::Op;

/// Sweeps at most; ten are plenty for any size.
const SWEEPS: usize = 40;
/// Sweeps after the values stand still: each brings one order of derivatives to rest.
const MORE: usize = 4;

/// Cosine and sine of the rotation that makes [[p, c], [c, q]] diagonal, by the smaller angle; `None` where it is.
fn rotation<N: Number>(p: N, q: N, c: N) -> Option<[N; 2]> {
    if c.value() == 0.0 && !c.moves() {
        return None;
    }
    let gap = q - p;
    let two = N::constant(2.0);
    let root = (gap * gap + N::constant(4.0) * c * c).elementary(Op::Sqrt)?;
    let far = if gap.value() < 0.0 {
        gap - root
    } else {
        gap + root
    };
    let tangent = two * c / far;
    let one = N::constant(1.0);
    let cosine = one / (one + tangent * tangent).elementary(Op::Sqrt)?;
    Some([cosine, tangent * cosine])
}

/// Columns p and q turned.
fn turn<N: Number>(a: &mut Matrix<N>, p: usize, q: usize, [cosine, sine]: [N; 2]) {
    for i in 0..a.rows {
        let (x, y) = (a.at(i, p), a.at(i, q));
        a.set(i, p, cosine * x - sine * y);
        a.set(i, q, sine * x + cosine * y);
    }
}

/// Rotates all pairs until what `pair` gives for them (both diagonal elements and the one to vanish) is diagonal.
fn sweep<N: Number>(
    n: usize,
    pair: impl Fn(&[Matrix<N>; 2], usize, usize) -> [N; 3],
    rotate: impl Fn(&mut [Matrix<N>; 2], usize, usize, [N; 2]),
    state: &mut [Matrix<N>; 2],
) {
    let mut left = MORE;
    for _ in 0..SWEEPS {
        let mut rests = true;
        for p in 0..n {
            for q in p + 1..n {
                let [a, b, c] = pair(state, p, q);
                let scale = (a.value() * b.value()).abs().sqrt();
                rests &= c.value().abs() <= f64::EPSILON * scale.max(f64::MIN_POSITIVE);
                if let Some(rotation) = rotation(a, b, c) {
                    rotate(state, p, q, rotation);
                }
            }
        }
        if rests {
            left -= 1;
        }
        if left == 0 {
            return;
        }
    }
}

/// 1, or -1 where the first of the largest elements is negative.
fn sign<N: Number>(column: impl Iterator<Item = N>) -> N {
    let largest = column.fold(0.0f64, |best, x| match x.value() {
        x if x.abs() > best.abs() => x,
        _ => best,
    });
    N::constant(if largest < 0.0 { -1.0 } else { 1.0 })
}

/// Eigenvalues, ascending, and vectors in columns; of the matrix the lower triangle counts.
pub(super) fn eigen<N: Number>(a: &Matrix<N>) -> (Vec<N>, Matrix<N>) {
    let n = a.rows;
    let full = Matrix::from_fn(n, n, |i, j| a.at(i.max(j), i.min(j)));
    let mut state = [full, Matrix::identity(n)];
    let pair = |[a, _]: &[Matrix<N>; 2], p, q| [a.at(p, p), a.at(q, q), a.at(p, q)];
    let rotate = |state: &mut [Matrix<N>; 2], p: usize, q: usize, by: [N; 2]| {
        let [a, v] = state;
        turn(a, p, q, by);
        let mut turned = a.transposed();
        turn(&mut turned, p, q, by);
        *a = turned;
        turn(v, p, q, by);
    };
    sweep(n, pair, rotate, &mut state);
    let [a, v] = state;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(i, i).value().total_cmp(&a.at(j, j).value()));
    let signs: Vec<N> = order
        .iter()
        .map(|&j| sign((0..n).map(|i| v.at(i, j))))
        .collect();
    let values = order.iter().map(|&i| a.at(i, i)).collect();
    let vectors = Matrix::from_fn(n, n, |i, j| signs[j] * v.at(i, order[j]));
    (values, vectors)
}

/// Thin U, s descending, Vᵀ: columns are rotated until they are orthogonal (Hestenes).
pub(super) fn singular<N: Number>(a: &Matrix<N>) -> Option<(Matrix<N>, Vec<N>, Matrix<N>)> {
    let wide = a.columns > a.rows;
    let tall = if wide { a.transposed() } else { a.clone() };
    let (m, k) = (tall.rows, tall.columns);
    let inner = |a: &Matrix<N>, p: usize, q: usize| {
        (0..m).fold(N::constant(0.0), |sum, i| sum + a.at(i, p) * a.at(i, q))
    };
    let mut state = [tall, Matrix::identity(k)];
    let pair = |[a, _]: &[Matrix<N>; 2], p, q| [inner(a, p, p), inner(a, q, q), inner(a, p, q)];
    let rotate = |state: &mut [Matrix<N>; 2], p: usize, q: usize, by: [N; 2]| {
        state.iter_mut().for_each(|part| turn(part, p, q, by));
    };
    sweep(k, pair, rotate, &mut state);
    let [scaled, v] = state;
    let lengths = (0..k).map(|j| inner(&scaled, j, j).elementary(Op::Sqrt));
    let lengths: Vec<N> = lengths.collect::<Option<_>>()?;
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| lengths[j].value().total_cmp(&lengths[i].value()));
    let s = order.iter().map(|&j| lengths[j]).collect();
    let u = Matrix::from_fn(m, k, |i, j| scaled.at(i, order[j]) / lengths[order[j]]);
    let v = Matrix::from_fn(k, k, |i, j| v.at(i, order[j]));
    let (left, right) = if wide { (v, u) } else { (u, v) };
    let signs: Vec<N> = (0..k)
        .map(|j| sign((0..left.rows).map(|i| left.at(i, j))))
        .collect();
    let signed = |part: &Matrix<N>| Matrix::from_fn(part.rows, k, |i, j| signs[j] * part.at(i, j));
    Some((signed(&left), s, signed(&right).transposed()))
}
