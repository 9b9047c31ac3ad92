//! eigh, svd, expm and lstsq against closed forms.

use super::*;
use gradient_engine::HvpMode;
use gradient_tests::engine::{gradient, hvp};

const SIZES: [usize; 4] = [1, 2, 5, 50];

/// (Q, λ, Q diag(λ) Qᵀ) with λ from 1 on, half a unit or more apart.
fn symmetric(n: usize, random: &mut Random) -> (Dense, Vec<f64>, Dense) {
    let values: Vec<f64> = (0..n)
        .map(|i| 1.0 + i as f64 + 0.5 * random.unit())
        .collect();
    let q = Dense::orthogonal(n, n, random);
    let a = q.times(&Dense::diagonal(&values)).times(&q.t());
    (q, values, a.mirrored())
}

#[test]
fn eigenvalues_and_vectors() {
    let mut figures = Figures::default();
    let mut random = Random(289);
    for n in SIZES {
        let (_, exact, a) = symmetric(n, &mut random);
        let g = graph(Op::Eigh, &[&a], 2);
        let found = value(&g, &[a.tensor()]);
        let (w, v) = (&found[..n], Dense::new(n, n, &found[n..]));
        let name = |what: &str| format!("eigh {n}: {what}");
        figures.check(&name("values"), error(w, &exact), 1e-14);
        let e = Dense::random(n, n, &mut random);
        let (point, along) = ([a.tensor()], [e.tensor()]);
        let moved = checked_jvp(&mut figures, &name("both"), &g, &point, &along, &mut random);
        let (dw, dv) = (Dense::diagonal(&moved[..n]), Dense::new(n, n, &moved[n..]));
        // Only the lower triangle is read: the matrix moves by its mirror image.
        let left = e.mirrored().times(&v).plus(&a.times(&dv));
        let right = dv.times(&Dense::diagonal(w)).plus(&v.times(&dw));
        figures.check(
            &name("dA V + A dV = dV Λ + V dΛ"),
            error(&left.data, &right.data),
            1e-13,
        );
        let turn = v.t().times(&dv);
        let skew = largest(&turn.plus(&turn.t()).data) / largest(&turn.data).max(1.0);
        figures.check(&name("Vᵀ dV is antisymmetric"), skew, 1e-13);

        // Functions of the eigenvalues: Σ λ² = |A|², Σ log λ = log det A.
        let squares = gradient(&sum_of(Op::Eigh, 0, &[Op::Square], [n, n]), &point);
        let want = a.scaled(2.0).folded();
        figures.check(
            &name("gradient of Σ λ²"),
            error(&squares, &want.data),
            1e-13,
        );
        let logs = gradient(&sum_of(Op::Eigh, 0, &[Op::Log], [n, n]), &point);
        let logs = Dense::new(n, n, &logs);
        let inverse = logs.plus(&logs.t()).scaled(0.5);
        let unit = Dense::diagonal(&vec![1.0; n]);
        figures.check(
            &name("gradient of Σ log λ times A"),
            error(&inverse.times(&a).data, &unit.data),
            1e-13,
        );
        let logs = sum_of(Op::Eigh, 0, &[Op::Log], [n, n]);
        // H E = -A⁻¹ E A⁻¹.
        let want = inverse
            .times(&e.mirrored())
            .times(&inverse)
            .scaled(-1.0)
            .folded();
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            let got = hvp(&logs, &point, &along, mode);
            figures.check(&name("Hessian of log det"), error(&got, &want.data), 1e-12);
        }
    }
}

#[test]
fn singular_values_and_vectors() {
    let mut figures = Figures::default();
    let mut random = Random(290);
    let sizes = [
        (1, 1),
        (2, 2),
        (5, 5),
        (50, 50),
        (5, 1),
        (5, 2),
        (2, 5),
        (50, 20),
        (20, 50),
    ];
    for (m, n) in sizes {
        let k = m.min(n);
        let exact: Vec<f64> = (0..k)
            .map(|i| (k - i) as f64 + 0.5 * random.unit())
            .collect();
        let (p, q) = (
            Dense::orthogonal(m, k, &mut random),
            Dense::orthogonal(n, k, &mut random),
        );
        let a = p.times(&Dense::diagonal(&exact)).times(&q.t());
        let g = graph(Op::Svd, &[&a], 3);
        let split = |x: &[f64]| {
            let (u, rest) = x.split_at(m * k);
            let (s, vt) = rest.split_at(k);
            (
                Dense::new(m, k, u),
                Dense::diagonal(s),
                Dense::new(k, n, vt),
            )
        };
        let (u, s, vt) = split(&value(&g, &[a.tensor()]));
        let name = |what: &str| format!("svd {m} × {n}: {what}");
        figures.check(
            &name("values"),
            error(&s.data, &Dense::diagonal(&exact).data),
            1e-14,
        );
        let e = Dense::random(m, n, &mut random);
        let (point, along) = ([a.tensor()], [e.tensor()]);
        let (du, ds, dvt) = split(&checked_jvp(
            &mut figures,
            &name("all"),
            &g,
            &point,
            &along,
            &mut random,
        ));
        let sum = du
            .times(&s)
            .times(&vt)
            .plus(&u.times(&ds).times(&vt))
            .plus(&u.times(&s).times(&dvt));
        figures.check(
            &name("dU S Vᵀ + U dS Vᵀ + U S dVᵀ = dA"),
            error(&sum.data, &e.data),
            1e-12,
        );
        for (what, turn) in [("Uᵀ dU", u.t().times(&du)), ("Vᵀ dV", vt.times(&dvt.t()))] {
            let skew = largest(&turn.plus(&turn.t()).data) / largest(&turn.data).max(1.0);
            figures.check(&name(&format!("{what} is antisymmetric")), skew, 1e-13);
        }

        // Σ s² = |A|², and the nuclear norm, whose gradient is the polar factor P Qᵀ.
        let squares = gradient(&sum_of(Op::Svd, 1, &[Op::Square], [m, n]), &point);
        figures.check(
            &name("gradient of Σ s²"),
            error(&squares, &a.scaled(2.0).data),
            1e-13,
        );
        let norm = gradient(&sum_of(Op::Svd, 1, &[], [m, n]), &point);
        figures.check(
            &name("gradient of Σ s"),
            error(&norm, &p.times(&q.t()).data),
            1e-13,
        );
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            let got = hvp(
                &sum_of(Op::Svd, 1, &[Op::Square], [m, n]),
                &point,
                &along,
                mode,
            );
            figures.check(
                &name("Hessian of Σ s²"),
                error(&got, &e.scaled(2.0).data),
                1e-12,
            );
        }
        if m == n {
            let logs = gradient(&sum_of(Op::Svd, 1, &[Op::Log], [m, n]), &point);
            let unit = Dense::new(n, n, &logs).t().times(&a);
            let want = Dense::diagonal(&vec![1.0; n]);
            figures.check(
                &name("gradient of Σ log s times A"),
                error(&unit.data, &want.data),
                1e-13,
            );
        }
    }
}

/// Q (D ∘ Qᵀ E Q) Qᵀ with divided differences D of e^x.
fn exponential_along(q: &Dense, values: &[f64], e: &Dense) -> Dense {
    let rotated = q.t().times(e).times(q);
    let weighed = Dense::from_fn(q.rows, q.rows, |i, j| {
        let gap = values[i] - values[j];
        let divided = if gap == 0.0 { 1.0 } else { gap.exp_m1() / gap };
        rotated.at(i, j) * values[j].exp() * divided
    });
    q.times(&weighed).times(&q.t())
}

#[test]
fn exponentials_of_symmetric_matrices() {
    let mut figures = Figures::default();
    let mut random = Random(292);
    for n in SIZES {
        let values: Vec<f64> = (0..n).map(|_| random.within((-2.0, 2.0))).collect();
        let q = Dense::orthogonal(n, n, &mut random);
        let a = q.times(&Dense::diagonal(&values)).times(&q.t());
        let exponentials: Vec<f64> = values.iter().map(|x| x.exp()).collect();
        let want = q.times(&Dense::diagonal(&exponentials)).times(&q.t());
        let g = graph(Op::Expm, &[&a], 1);
        let name = |what: &str| format!("expm {n}: {what}");
        figures.check(
            &name("value"),
            error(&value(&g, &[a.tensor()]), &want.data),
            1e-14,
        );
        let e = Dense::random(n, n, &mut random);
        let (point, along) = ([a.tensor()], [e.tensor()]);
        let got = checked_jvp(&mut figures, &name("both"), &g, &point, &along, &mut random);
        let want = exponential_along(&q, &values, &e);
        figures.check(&name("along E"), error(&got, &want.data), 1e-13);
        figures.check(
            &name("back along E"),
            error(&vjp(&g, &point, &along), &want.data),
            1e-13,
        );

        // |e^A|² is Σ e^2λ for symmetric A: its gradient is 2 e^2A, which moves by 4 e^2A A² along A².
        let mut draft = Draft::new("norm");
        let x = draft.input("a", &[n as u64, n as u64]);
        let y = draft.op(Op::Expm, &[x]);
        let y = draft.op(Op::Square, &[y]);
        let everything = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        let f = draft.push(Op::ReduceSum, &[y], everything);
        let f = draft.finish(f);
        let of = |f: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = values.iter().map(|&x| f(x)).collect();
            q.times(&Dense::diagonal(&values)).times(&q.t())
        };
        let slope = of(&|x| 2.0 * (2.0 * x).exp());
        figures.check(
            &name("gradient of |e^A|²"),
            error(&gradient(&f, &point), &slope.data),
            1e-13,
        );
        let direction = [of(&|x| x * x).tensor()];
        let want = of(&|x| 4.0 * (2.0 * x).exp() * x * x);
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            let got = hvp(&f, &point, &direction, mode);
            figures.check(&name("Hessian of |e^A|²"), error(&got, &want.data), 1e-12);
        }
    }
}

#[test]
fn exponentials_of_nilpotent_matrices_and_rotations() {
    let mut figures = Figures::default();
    let mut random = Random(2920);
    // Σ A^k / k! ends, and D e^A [E] = Σ A^i E A^j / (i + j + 1)!.
    let n = 5;
    let r = Dense::random(n, n, &mut random);
    let a = Dense::from_fn(n, n, |i, j| if j > i { r.at(i, j) } else { 0.0 });
    let e = Dense::random(n, n, &mut random);
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    let mut powers = vec![Dense::diagonal(&vec![1.0; n])];
    (1..n).for_each(|_| powers.push(powers[powers.len() - 1].times(&a)));
    let zero = Dense::from_fn(n, n, |_, _| 0.0);
    let want = (0..n).fold(zero.clone(), |s, k| {
        s.plus(&powers[k].scaled(1.0 / factorial(k)))
    });
    let g = graph(Op::Expm, &[&a], 1);
    figures.check(
        "expm nilpotent: value",
        error(&value(&g, &[a.tensor()]), &want.data),
        1e-14,
    );
    let mut want = zero;
    for i in 0..n {
        for j in 0..n {
            let term = powers[i].times(&e).times(&powers[j]);
            want = want.plus(&term.scaled(1.0 / factorial(i + j + 1)));
        }
    }
    let got = jvp(&g, &[a.tensor()], &[e.tensor()]);
    figures.check("expm nilpotent: along E", error(&got, &want.data), 1e-14);

    // e^(t J) turns by t, however large; its derivative in t is J e^(t J).
    for t in [1e-3, 0.5, 3.0, 40.0] {
        let j = Dense::new(2, 2, &[0.0, -1.0, 1.0, 0.0]);
        let (sin, cos) = f64::sin_cos(t);
        let turn = Dense::new(2, 2, &[cos, -sin, sin, cos]);
        let a = j.scaled(t);
        let g = graph(Op::Expm, &[&a], 1);
        // The condition number of a normal matrix is its norm.
        let bound = 1e-15 * (2.0 + t);
        let got = value(&g, &[a.tensor()]);
        figures.check(
            &format!("expm rotation by {t}: value"),
            error(&got, &turn.data),
            bound,
        );
        let got = jvp(&g, &[a.tensor()], &[j.tensor()]);
        let want = j.times(&turn);
        figures.check(
            &format!("expm rotation by {t}: along J"),
            error(&got, &want.data),
            2.0 * bound,
        );
    }
}

/// A = P diag(s) Qᵀ, thin, and what it gives without a factorisation. The pseudoinverse stays in factors: multiplied
/// out, its rounding would cost as many digits again.
struct Known {
    a: Dense,
    p: Dense,
    over: Dense,
    q: Dense,
}

impl Known {
    fn new(m: usize, n: usize, s: &[f64], random: &mut Random) -> Self {
        let (p, q) = (
            Dense::orthogonal(m, s.len(), random),
            Dense::orthogonal(n, s.len(), random),
        );
        let over: Vec<f64> = s.iter().map(|s| 1.0 / s).collect();
        Self {
            a: p.times(&Dense::diagonal(s)).times(&q.t()),
            p,
            over: Dense::diagonal(&over),
            q,
        }
    }

    /// A⁺ b.
    fn solve(&self, b: &Dense) -> Dense {
        self.q.times(&self.over.times(&self.p.t().times(b)))
    }

    /// A⁺ᵀ b.
    fn solve_transposed(&self, b: &Dense) -> Dense {
        self.p.times(&self.over.times(&self.q.t().times(b)))
    }

    /// A⁺ᵀ.
    fn inverse_transposed(&self) -> Dense {
        self.p.times(&self.over).times(&self.q.t())
    }

    /// dx of x = A⁺ b (Golub and Pereyra).
    fn solution_along(&self, b: &Dense, da: &Dense, db: &Dense) -> Dense {
        let x = self.solve(b);
        let direct = self.solve(&db.minus(&da.times(&x)));
        let residual = b.minus(&self.p.times(&self.p.t().times(b)));
        let tall = self.solve(&self.solve_transposed(&da.t().times(&residual)));
        let pulled = da.t().times(&self.solve_transposed(&x));
        let wide = pulled.minus(&self.q.times(&self.q.t().times(&pulled)));
        direct.plus(&tall).plus(&wide)
    }
}

#[test]
fn least_squares() {
    let mut figures = Figures::default();
    let mut random = Random(291);
    for (m, n) in [
        (1, 1),
        (2, 2),
        (5, 5),
        (50, 50),
        (5, 2),
        (2, 5),
        (50, 20),
        (20, 50),
    ] {
        let s: Vec<f64> = (0..m.min(n)).map(|_| random.within((1.0, 3.0))).collect();
        let known = Known::new(m, n, &s, &mut random);
        let a = &known.a;
        let b = Dense::random(m, 2, &mut random);
        let g = graph(Op::Lstsq, &[a, &b], 1);
        let (da, db) = (
            Dense::random(m, n, &mut random),
            Dense::random(m, 2, &mut random),
        );
        let name = |what: &str| format!("lstsq {m} × {n}: {what}");
        let (point, along) = ([a.tensor(), b.tensor()], [da.tensor(), db.tensor()]);
        let x = known.solve(&b);
        figures.check(&name("value"), error(&value(&g, &point), &x.data), 1e-13);
        let got = checked_jvp(&mut figures, &name("x"), &g, &point, &along, &mut random);
        let want = known.solution_along(&b, &da, &db);
        figures.check(&name("along dA, db"), error(&got, &want.data), 1e-13);
    }
}

/// The condition number 1e10 may cost ten digits, no more: relative errors stay below 1e10 · 1e-14.
#[test]
fn ill_conditioned_matrices() {
    const BOUND: f64 = 1e10 * 1e-14;
    let mut figures = Figures::default();
    let mut random = Random(1e10 as u64);
    for n in [2, 5, 50] {
        let spread = |i: usize| 10f64.powf(-10.0 * i as f64 / (n - 1) as f64);
        let s: Vec<f64> = (0..n).map(spread).collect();
        let over: Vec<f64> = s.iter().map(|s| 1.0 / s).collect();
        let q = Dense::orthogonal(n, n, &mut random);
        let a = q.times(&Dense::diagonal(&s)).times(&q.t());
        let inverse = q.times(&Dense::diagonal(&over)).times(&q.t());
        let got = gradient(&sum_of(Op::Eigh, 0, &[Op::Log], [n, n]), &[a.tensor()]);
        figures.check(
            &format!("eigh {n}, 1e10: gradient of Σ log λ"),
            error(&got, &inverse.folded().data),
            BOUND,
        );
        let e = Dense::random(n, n, &mut random);
        let g = graph(Op::Eigh, &[&a], 2);
        let found = value(&g, &[a.tensor()]);
        let moved = jvp(&g, &[a.tensor()], &[e.tensor()]);
        let (v, dv) = (Dense::new(n, n, &found[n..]), Dense::new(n, n, &moved[n..]));
        let left = e.mirrored().times(&v).plus(&a.mirrored().times(&dv));
        let right = dv
            .times(&Dense::diagonal(&found[..n]))
            .plus(&v.times(&Dense::diagonal(&moved[..n])));
        figures.check(
            &format!("eigh {n}, 1e10: dA V + A dV = dV Λ + V dΛ"),
            error(&left.data, &right.data),
            BOUND,
        );

        let known = Known::new(n, n, &s, &mut random);
        let a = &known.a;
        let got = gradient(&sum_of(Op::Svd, 1, &[Op::Log], [n, n]), &[a.tensor()]);
        figures.check(
            &format!("svd {n}, 1e10: gradient of Σ log s"),
            error(&got, &known.inverse_transposed().data),
            BOUND,
        );
        let g = graph(Op::Svd, &[a], 3);
        let [x, dx] = [
            value(&g, &[a.tensor()]),
            jvp(&g, &[a.tensor()], &[e.tensor()]),
        ];
        let parts = |x: &[f64]| {
            let s = Dense::diagonal(&x[n * n..][..n]);
            (
                Dense::new(n, n, &x[..n * n]),
                s,
                Dense::new(n, n, &x[n * n + n..]),
            )
        };
        let ((u, s_, vt), (du, ds, dvt)) = (parts(&x), parts(&dx));
        let sum = du
            .times(&s_)
            .times(&vt)
            .plus(&u.times(&ds).times(&vt))
            .plus(&u.times(&s_).times(&dvt));
        figures.check(
            &format!("svd {n}, 1e10: dU S Vᵀ + U dS Vᵀ + U S dVᵀ = dA"),
            error(&sum.data, &e.data),
            BOUND,
        );

        for (rows, columns) in [(n, n), (n + 3, n), (n, n + 3)] {
            let known = Known::new(rows, columns, &s, &mut random);
            let a = &known.a;
            // A right-hand side that A reaches: the square of the condition number multiplies what is left.
            let b = a.times(&Dense::random(columns, 1, &mut random));
            let (da, db) = (
                Dense::random(rows, columns, &mut random),
                Dense::random(rows, 1, &mut random),
            );
            let g = graph(Op::Lstsq, &[a, &b], 1);
            let got = jvp(&g, &[a.tensor(), b.tensor()], &[da.tensor(), db.tensor()]);
            let want = known.solution_along(&b, &da, &db);
            figures.check(
                &format!("lstsq {rows} × {columns}, 1e10: along dA, db"),
                error(&got, &want.data),
                BOUND,
            );
        }
    }
    // Far from normal: e^A of [[-1, c], [0, -2]] has c (1/e - 1/e²) in its corner.
    let (first, second) = ((-1f64).exp(), (-2f64).exp());
    let a = Dense::new(2, 2, &[-1.0, 1e10, 0.0, -2.0]);
    let g = graph(Op::Expm, &[&a], 1);
    let want = [first, 1e10 * (first - second), 0.0, second];
    figures.check(
        "expm, 1e10: value",
        error(&value(&g, &[a.tensor()]), &want),
        BOUND,
    );
    let corner = Dense::new(2, 2, &[0.0, 1.0, 0.0, 0.0]);
    let got = jvp(&g, &[a.tensor()], &[corner.tensor()]);
    figures.check(
        "expm, 1e10: along the corner",
        error(&got, &[0.0, first - second, 0.0, 0.0]),
        BOUND,
    );
    // Along [[0, 0], [1, 0]]: with c = 1e10, e^A = e^-3/2 (cosh(h) + sinh(h)/h (A + 3/2)), h² = 1/4 + c t; at t = 0
    // dh²/dt = c.
    let below = Dense::new(2, 2, &[0.0, 0.0, 1.0, 0.0]);
    let got = jvp(&g, &[a.tensor()], &[below.tensor()]);
    let (c, h, outer) = (1e10, 0.5f64, (-1.5f64).exp());
    let even = h.sinh() / h;
    let (slope_cosh, slope_even) = (0.5 * even, (h.cosh() - even) / (2.0 * h * h));
    let shifted = [0.5, c, 0.0, -0.5];
    let want: Vec<f64> = (0..4)
        .map(|i| {
            let unit = if i == 0 || i == 3 { slope_cosh } else { 0.0 };
            outer * (c * (unit + slope_even * shifted[i]) + even * below.data[i])
        })
        .collect();
    figures.check(
        "expm, 1e10: along the other corner",
        error(&got, &want),
        BOUND,
    );
}
