//! Functions as graphs of scalars, as a client writes that unrolls its loops: what the bench of the peers times, and
//! what is looked at here and there for itself.

use gradient_client::Expr;

fn sum(terms: impl IntoIterator<Item = Expr>) -> Expr {
    let total = terms.into_iter().reduce(|a, b| a + b);
    total.expect("a sum of no terms is not asked for")
}

/// `Σ 100 (x[2i+1] - x[2i]²)² + (1 - x[2i])²`: eight nodes a pair.
pub fn rosenbrock(x: &[Expr]) -> Expr {
    let (pairs, _) = x.as_chunks::<2>();
    sum(pairs
        .iter()
        .map(|[a, b]| 100.0 * (b - a.square()).square() + (1.0 - a).square()))
}

/// log Σ exp(xᵢ).
pub fn log_sum_exp(x: &[Expr]) -> Expr {
    sum(x.iter().map(Expr::exp)).ln()
}

/// Log-likelihood of k Gaussians with diagonal precisions: Σₙ log Σₖ exp(aₖ + Σⱼ sₖⱼ - ½ Σⱼ ((xₙⱼ - mₖⱼ) exp(sₖⱼ))²).
/// x holds a, m and s; the data are points of d numbers.
pub fn mixture(x: &[Expr], data: &[f64], k: usize, d: usize) -> Expr {
    let (a, rest) = x.split_at(k);
    let (means, scales) = rest.split_at(k * d);
    let factors: Vec<Expr> = scales.iter().map(Expr::exp).collect();
    let weights: Vec<Expr> = (0..k)
        .map(|k| &a[k] + sum(scales[k * d..][..d].iter().cloned()))
        .collect();
    sum(data.chunks_exact(d).map(|point| {
        let densities = (0..k).map(|k| {
            let squares = (0..d).map(|j| {
                let z = (point[j] - &means[k * d + j]) * &factors[k * d + j];
                z.square()
            });
            (&weights[k] - 0.5 * sum(squares)).exp()
        });
        sum(densities).ln()
    }))
}

/// Squared distance from the origin after so many steps of Runge and Kutta's classical method through Lorenz's
/// system; x holds the start and σ, ρ, β.
pub fn lorenz(x: &[Expr], steps: usize) -> Expr {
    let [a, b, c, sigma, rho, beta] = x else {
        panic!("six numbers");
    };
    let mut state = [a.clone(), b.clone(), c.clone()];
    for _ in 0..steps {
        state = runge_kutta(&state, [sigma, rho, beta]);
    }
    sum(state.iter().map(Expr::square))
}

/// Length of a step.
pub const STEP: f64 = 0.002;

/// One step: 71 nodes.
pub fn runge_kutta(state: &[Expr; 3], parameters: [&Expr; 3]) -> [Expr; 3] {
    let [sigma, rho, beta] = parameters;
    let slope = |[x, y, z]: &[Expr; 3]| [sigma * (y - x), x * (rho - z) - y, x * y - beta * z];
    let moved = |k: &[Expr; 3], h: f64| [0, 1, 2].map(|i| &state[i] + h * &k[i]);
    let k1 = slope(state);
    let k2 = slope(&moved(&k1, STEP / 2.0));
    let k3 = slope(&moved(&k2, STEP / 2.0));
    let k4 = slope(&moved(&k3, STEP));
    [0, 1, 2].map(|i| {
        let all = &k1[i] + 2.0 * &k2[i] + 2.0 * &k3[i] + &k4[i];
        &state[i] + (STEP / 6.0) * all
    })
}

/// `Σ sin(x[i] x[i+1]) exp(-(x[i+1] - x[i])²) + ½ (x[i+1] - x[i])²`: ten nodes a pair.
pub fn chain(x: &[Expr]) -> Expr {
    sum(x.windows(2).map(|pair| {
        let square = (&pair[1] - &pair[0]).square();
        (&pair[0] * &pair[1]).sin() * (-&square).exp() + 0.5 * square
    }))
}

/// `y ← sin(y x[i % 10]) + 0.1 x[(i + 3) % 10]`, from `x[0]`.
pub fn recurrence(x: &[Expr], steps: usize) -> Expr {
    let n = x.len();
    (0..steps).fold(x[0].clone(), |y, i| {
        (y * &x[i % n]).sin() + 0.1 * &x[(i + 3) % n]
    })
}
