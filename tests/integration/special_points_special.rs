//! Special functions at 0, poles, infinities and outside of their domains: each answer is declared.

use gradient_engine::{Error, Layout, Mode, Op, Options, Product, Tensor, TensorType};
use gradient_tests::engine::{evaluate, gradient, tensor, value};
use gradient_tests::scenarios::Draft;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn graph(op: Op, operands: usize) -> gradient_engine::Graph {
    let mut g = Draft::new("point");
    let names = ["a", "b", "c"];
    let inputs: Vec<_> = names[..operands].iter().map(|n| g.input(n, &[])).collect();
    let y = g.op(op, &inputs);
    g.finish(y)
}

fn scalars(x: &[f64]) -> Vec<Tensor> {
    x.iter()
        .map(|&x| tensor(&TensorType::f64([]), &[x]))
        .collect()
}

fn is(got: f64, want: f64) -> bool {
    got == want || got.is_nan() && want.is_nan()
}

/// Exact values.
#[test]
fn values() {
    let table: &[(Op, &[f64], f64)] = &[
        (Op::Erf, &[0.0], 0.0),
        (Op::Erf, &[INF], 1.0),
        (Op::Erf, &[-INF], -1.0),
        (Op::Erfc, &[INF], 0.0),
        (Op::Erfc, &[-INF], 2.0),
        (Op::ErfInv, &[0.0], 0.0),
        (Op::ErfInv, &[1.0], INF),
        (Op::ErfInv, &[-1.0], -INF),
        (Op::ErfInv, &[1.5], NAN),
        (Op::Erfcx, &[0.0], 1.0),
        (Op::Erfcx, &[INF], 0.0),
        (Op::Erfcx, &[-INF], INF),
        (Op::Lgamma, &[0.0], INF),
        (Op::Lgamma, &[-3.0], INF),
        (Op::Lgamma, &[1.0], 0.0),
        (Op::Lgamma, &[2.0], 0.0),
        (Op::Lgamma, &[INF], INF),
        (Op::Lgamma, &[-INF], INF),
        (Op::Digamma, &[0.0], NAN),
        (Op::Digamma, &[-2.0], NAN),
        (Op::Digamma, &[INF], INF),
        (Op::Digamma, &[-INF], NAN),
        (Op::Polygamma, &[1.0, 0.0], INF),
        (Op::Polygamma, &[2.0, -1.0], NAN),
        (Op::Polygamma, &[1.5, 1.0], NAN),
        (Op::Polygamma, &[-1.0, 1.0], NAN),
        (Op::Polygamma, &[1.0, INF], 0.0),
        (Op::Lbeta, &[1.0, 1.0], 0.0),
        (Op::Lbeta, &[0.0, 1.0], INF),
        (Op::Lbeta, &[-1.0, 1.0], NAN),
        (Op::Lbeta, &[INF, 1.0], -INF),
        (Op::Igamma, &[1.0, 0.0], 0.0),
        (Op::Igamma, &[1.0, INF], 1.0),
        (Op::Igamma, &[0.0, 1.0], 1.0),
        (Op::Igamma, &[0.0, 0.0], NAN),
        (Op::Igamma, &[-1.0, 1.0], NAN),
        (Op::Igamma, &[1.0, -1.0], NAN),
        (Op::Igamma, &[INF, 1.0], 0.0),
        (Op::Igammac, &[1.0, 0.0], 1.0),
        (Op::Igammac, &[1.0, INF], 0.0),
        (Op::Igammac, &[0.0, 1.0], 0.0),
        (Op::Igammac, &[1.0, -1.0], NAN),
        (Op::Betainc, &[1.0, 2.0, 0.0], 0.0),
        (Op::Betainc, &[1.0, 2.0, 1.0], 1.0),
        (Op::Betainc, &[1.0, 2.0, 1.5], NAN),
        (Op::Betainc, &[0.0, 2.0, 0.5], NAN),
        (Op::Betainc, &[1.0, INF, 0.5], NAN),
        (Op::BesselI0e, &[0.0], 1.0),
        (Op::BesselI0e, &[INF], 0.0),
        (Op::BesselI1e, &[0.0], 0.0),
        (Op::BesselI1e, &[-INF], 0.0),
        (Op::BesselJ0, &[0.0], 1.0),
        (Op::BesselJ0, &[-INF], 0.0),
        (Op::BesselJ1, &[0.0], 0.0),
        (Op::BesselJn, &[0.0, 0.0], 1.0),
        (Op::BesselJn, &[3.0, 0.0], 0.0),
        (Op::BesselJn, &[0.5, 1.0], NAN),
        (Op::BesselJn, &[2.0, INF], 0.0),
        (Op::BesselJn, &[1e6, 1.0], NAN),
        (Op::BesselY0, &[0.0], -INF),
        (Op::BesselY0, &[-1.0], NAN),
        (Op::BesselY0, &[INF], 0.0),
        (Op::BesselY1, &[0.0], -INF),
        (Op::BesselYn, &[2.0, 0.0], -INF),
        (Op::BesselYn, &[-1.0, 0.0], INF),
        (Op::BesselYn, &[2.0, -1.0], NAN),
        (Op::BesselYn, &[2.0, 1e-300], -INF),
        (Op::NormCdf, &[0.0], 0.5),
        (Op::NormCdf, &[-INF], 0.0),
        (Op::NormCdf, &[INF], 1.0),
        (Op::NormPpf, &[0.5], 0.0),
        (Op::NormPpf, &[0.0], -INF),
        (Op::NormPpf, &[1.0], INF),
        (Op::NormPpf, &[1.5], NAN),
        (Op::LogNdtr, &[INF], 0.0),
        (Op::LogNdtr, &[-INF], -INF),
        (Op::Xlogy, &[0.0, 0.0], 0.0),
        (Op::Xlogy, &[0.0, NAN], NAN),
        (Op::Xlogy, &[1.0, 0.0], -INF),
        (Op::Xlog1py, &[0.0, -1.0], 0.0),
        (Op::Xlog1py, &[1.0, -1.0], -INF),
        (Op::Zeta, &[1.0, 2.0], INF),
        (Op::Zeta, &[0.5, 2.0], NAN),
        (Op::Zeta, &[2.0, 0.0], NAN),
        (Op::Zeta, &[2.0, INF], 0.0),
        (Op::Zeta, &[INF, 1.0], 1.0),
    ];
    for &(op, x, want) in table {
        let got = value(&graph(op, x.len()), &scalars(x))[0];
        assert!(is(got, want), "{} at {x:?}: {got}, not {want}", op.name());
    }
}

/// NaN in any operand gives NaN.
#[test]
fn nan_stays_nan() {
    for &op in Op::ALL {
        let Some(row) = op.elementwise() else {
            continue;
        };
        if !(220..280).contains(&op.number()) {
            continue;
        }
        for i in 0..row.domain.len() {
            let mut x: Vec<f64> = row.domain.iter().map(|d| 0.5 * (d.0 + d.1)).collect();
            x[i] = NAN;
            let got = value(&graph(op, x.len()), &scalars(&x))[0];
            assert!(got.is_nan(), "{} at {x:?}: {got}", op.name());
        }
    }
}

/// Derivatives where there is a choice.
#[test]
fn derivatives() {
    let table: &[(Op, &[f64], &[f64])] = &[
        (Op::BesselI0e, &[0.0], &[0.0]),
        (Op::BesselI1e, &[0.0], &[0.5]),
        (Op::BesselJ1, &[0.0], &[0.5]),
        (Op::ErfInv, &[1.0], &[INF]),
        (Op::NormPpf, &[0.0], &[INF]),
        (Op::LogNdtr, &[INF], &[0.0]),
        (Op::Xlogy, &[0.0, 2.0], &[std::f64::consts::LN_2, 0.0]),
        (Op::Xlogy, &[0.0, 0.0], &[-INF, 0.0]),
        (Op::BesselJn, &[1.0, 0.0], &[0.0, 0.5]),
        (Op::Betainc, &[1.0, 2.0, 0.0], &[0.0, 0.0, 2.0]),
        (Op::Igamma, &[1.0, 0.0], &[0.0, 1.0]),
    ];
    for &(op, x, want) in table {
        let got = gradient(&graph(op, x.len()), &scalars(x));
        let all = got.len() == want.len() && got.iter().zip(want).all(|(&g, &w)| is(g, w));
        assert!(all, "{} at {x:?}: {got:?}, not {want:?}", op.name());
    }
}

/// A derivative that is not there is refused, with the operation's name, in every mode.
#[test]
fn what_has_no_derivative_is_unimplemented() {
    let graph = graph(Op::BetaincGradAa, 3);
    for mode in [Mode::Forward, Mode::Reverse] {
        let options = Options {
            mode: Some(mode),
            ..Options::default()
        };
        let product = Product::Jacobian {
            outputs: graph.float_outputs(),
            wrt: graph.float_inputs(),
            layout: Layout::Dense,
        };
        let refused = evaluate(&graph, product, options, &scalars(&[1.5, 2.5, 0.5]), &[]);
        assert!(
            matches!(&refused, Err(Error::Unimplemented(what)) if what.contains("betainc_grad_aa")),
            "{refused:?}"
        );
    }
}
