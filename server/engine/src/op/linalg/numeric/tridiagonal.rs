//! Tridiagonal systems.

/// A x = b for tridiagonal A by Gaussian elimination with partial pivoting (LAPACK's gtsv), in place. Shapes:
/// all diagonals `[n]`, x `[n, k]`; `lower[0]` and `upper[n - 1]` are not used.
pub fn tridiagonal_solve(k: usize, lower: &[f64], diagonal: &[f64], upper: &[f64], x: &mut [f64]) {
    let n = diagonal.len();
    let (mut d, mut du) = (diagonal.to_vec(), upper.to_vec());
    // What pivoting brings above the upper diagonal.
    let mut beyond = vec![0.0; n];
    for i in 1..n {
        let below = lower[i];
        let (head, tail) = x.split_at_mut(i * k);
        let (above, here) = (&mut head[(i - 1) * k..], &mut tail[..k]);
        if d[i - 1].abs() >= below.abs() {
            let factor = match below {
                0.0 => 0.0,
                below => below / d[i - 1],
            };
            d[i] -= factor * du[i - 1];
            for (here, above) in here.iter_mut().zip(above) {
                *here -= factor * *above;
            }
            continue;
        }
        let factor = d[i - 1] / below;
        let (pivot, right) = (d[i], if i + 1 < n { du[i] } else { 0.0 });
        d[i - 1] = below;
        d[i] = du[i - 1] - factor * pivot;
        du[i - 1] = pivot;
        beyond[i - 1] = right;
        if i + 1 < n {
            du[i] = -factor * right;
        }
        for (here, above) in here.iter_mut().zip(above) {
            let old = *here;
            *here = *above - factor * old;
            *above = old;
        }
    }
    for i in (0..n).rev() {
        let (head, tail) = x.split_at_mut((i + 1) * k);
        let here = &mut head[i * k..];
        for (j, here) in here.iter_mut().enumerate() {
            if i + 1 < n {
                *here -= du[i] * tail[j];
            }
            if i + 2 < n && beyond[i] != 0.0 {
                *here -= beyond[i] * tail[k + j];
            }
            *here /= d[i];
        }
    }
}
