//! Cofactors of a matrix and their directional derivatives, exact at singular matrices.

use super::{all_finite, factor::determinant, product, store, svd, view};

/// A number as mantissa · 2^exponent, so that products neither overflow nor vanish.
#[derive(Clone, Copy)]
struct Scaled(f64, i64);

impl Scaled {
    fn new(x: f64) -> Self {
        match libm::frexp(x) {
            (m, e) if m != 0.0 && m.is_finite() => Self(m, i64::from(e)),
            (m, _) => Self(m, 0),
        }
    }

    fn times(self, other: Self) -> Self {
        let Self(m, e) = Self::new(self.0 * other.0);
        Self(m, e + self.1 + other.1)
    }

    fn over(self, other: Self) -> Self {
        let Self(m, e) = Self::new(self.0 / other.0);
        Self(m, e + self.1 - other.1)
    }

    fn value(self) -> f64 {
        libm::ldexp(self.0, self.1.clamp(-4000, 4000) as i32)
    }
}

/// Products of all singular values but a few. Zeros are counted, so that nothing is divided by one.
struct Products {
    of_others: Scaled,
    values: Vec<Scaled>,
    zeros: usize,
}

impl Products {
    fn new(s: &[f64]) -> Self {
        let values: Vec<Scaled> = s.iter().map(|&x| Scaled::new(x)).collect();
        let others = values.iter().filter(|x| x.0 != 0.0);
        Self {
            of_others: others.fold(Scaled(1.0, 0), |p, &x| p.times(x)),
            zeros: values.iter().filter(|x| x.0 == 0.0).count(),
            values,
        }
    }

    fn without(&self, left_out: &[usize]) -> f64 {
        let (mut product, mut zeros) = (self.of_others, self.zeros);
        for &i in left_out {
            match self.values[i] {
                Scaled(0.0, _) => zeros -= 1,
                x => product = product.over(x),
            }
        }
        if zeros > 0 { 0.0 } else { product.value() }
    }
}

/// The derivative of the cofactor matrix ∂det(A)/∂A along each of the directions E_1 … E_k (one after the
/// other; none: the cofactors themselves). Shapes: all `[n, n]`.
///
/// With A = U diag(s) Vᵀ,
/// det(A + Σ t_i E_i) = det(U) det(Vᵀ) det(diag(s) + Σ t_i Uᵀ E_i V), of which the coefficients are sums over
/// permutations of few rows; what remains is a product of the other singular values, without a division by the
/// small ones (compare Stewart, Linear Algebra Appl. 283, 1998). n^(k + 1) (k + 1)! operations.
pub fn cofactor_derivative(n: usize, a: &[f64], directions: &[&[f64]], out: &mut [f64]) {
    let (mut u, mut s, mut vt) = (vec![0.0; n * n], vec![0.0; n], vec![0.0; n * n]);
    svd(n, n, a, &mut u, &mut s, &mut vt);
    if n == 0 || !all_finite(&s) {
        out.fill(f64::NAN);
        return;
    }
    let sign = determinant(n, &u).signum() * determinant(n, &vt).signum();
    let (left, right) = (view(&u, n, n), view(&vt, n, n));
    let rotated: Vec<_> = directions
        .iter()
        .map(|e| {
            product(
                product(left.transpose(), view(e, n, n)).as_ref(),
                right.transpose(),
            )
        })
        .collect();
    let products = Products::new(&s);
    let rows = directions.len() + 1;
    let permutations = permutations(rows);
    let mut core = vec![0.0; n * n];
    let mut chosen = Vec::with_capacity(rows);
    for_distinct(n, rows, &mut chosen, &mut |at| {
        let rest = sign * products.without(at);
        for (order, parity) in &permutations {
            let mut term = parity * rest;
            for (l, direction) in rotated.iter().enumerate() {
                term *= direction[(at[l + 1], at[order[l + 1]])];
            }
            core[at[0] * n + at[order[0]]] += term;
        }
    });
    let core = product(left, view(&core, n, n));
    store(out, product(core.as_ref(), right).as_ref());
}

/// All orders of 0..n with their signs.
fn permutations(n: usize) -> Vec<(Vec<usize>, f64)> {
    let mut all = vec![(Vec::new(), 1.0)];
    for next in 0..n {
        let mut longer = Vec::new();
        for (order, sign) in &all {
            for place in 0..=next {
                let mut order: Vec<usize> = order.clone();
                order.insert(place, next);
                let moved = (next - place) % 2;
                longer.push((order, if moved == 1 { -*sign } else { *sign }));
            }
        }
        all = longer;
    }
    all
}

/// Visits every list of `length` distinct numbers below n.
fn for_distinct(
    n: usize,
    length: usize,
    chosen: &mut Vec<usize>,
    visit: &mut impl FnMut(&[usize]),
) {
    if chosen.len() == length {
        visit(chosen);
        return;
    }
    for i in 0..n {
        if !chosen.contains(&i) {
            chosen.push(i);
            for_distinct(n, length, chosen, visit);
            chosen.pop();
        }
    }
}
