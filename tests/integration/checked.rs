//! NON_FINITE_ERROR and NON_SMOOTH_STRICT name the node, and what its operands were.

use gradient_engine::{
    Error, Graph, Mode, NonFinite, NonSmooth, Op, Options, Product, Tensor, TensorType,
};
use gradient_tests::engine::{evaluate, tensor};
use gradient_tests::scenarios::Draft;

/// f = log(a - 1) · b, or max(a, b) · b.
fn graph(with_log: bool) -> Graph {
    let mut g = Draft::new("checked");
    let (a, b) = (g.input("a", &[]), g.input("b", &[]));
    let one = g.constant(Tensor::scalar(gradient_engine::DType::F64, 1.0));
    let inner = match with_log {
        true => {
            let less = g.op(Op::Subtract, &[a, one]);
            g.op(Op::Log, &[less])
        }
        false => g.op(Op::Maximum, &[a, b]),
    };
    let f = g.op(Op::Multiply, &[inner, b]);
    g.finish(f)
}

fn gradient(graph: &Graph, options: Options, at: [f64; 2]) -> Result<Vec<f64>, Error> {
    let product = Product::Gradient {
        output: 0,
        wrt: vec![0, 1],
    };
    let point = at.map(|x| tensor(&TensorType::f64([]), &[x]));
    let blocks = evaluate(graph, product, options, &point, &[])?;
    Ok(blocks.iter().map(|b| b.tensor.element(0)).collect())
}

#[test]
fn the_first_node_that_gives_an_infinity_is_named() {
    let options = Options {
        non_finite: NonFinite::Error,
        ..Options::default()
    };
    let graph = graph(true);
    assert_eq!(
        gradient(&graph, options.clone(), [2.0, 3.0]).expect("finite"),
        [3.0, 0.0]
    );
    let refused = gradient(&graph, options, [1.0, 3.0]).expect_err("log(0)");
    let Error::NonFinite(culprit) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((culprit.op, culprit.node), (Op::Log, 2));
    assert_eq!(culprit.operands, ["0"]);
    assert_eq!(culprit.value, "-inf");
}

#[test]
fn a_point_without_a_derivative_is_named() {
    let options = Options {
        non_smooth: NonSmooth::Strict,
        ..Options::default()
    };
    let graph = graph(false);
    assert_eq!(
        gradient(&graph, options.clone(), [2.0, 3.0]).expect("smooth"),
        [0.0, 6.0]
    );
    let refused = gradient(&graph, options, [3.0, 3.0]).expect_err("a tie");
    let Error::NonSmooth(culprit) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((culprit.op, culprit.node), (Op::Maximum, 1));
    assert_eq!(culprit.operands, ["3", "3"]);
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// An operation on scalar inputs.
fn elementwise(op: Op) -> Graph {
    let mut g = Draft::new(op.name());
    let operands: Vec<_> = ["a", "b", "c"][..op.arity().expect("an arity").0 as usize]
        .iter()
        .map(|name| g.input(name, &[]))
        .collect();
    let result = g.op(op, &operands);
    g.finish(result)
}

/// The gradient of an operation on scalars in both modes, or the error.
fn slopes(op: Op, at: &[f64], non_smooth: NonSmooth, mode: Mode) -> Result<Vec<f64>, Error> {
    let options = Options {
        non_smooth,
        mode: Some(mode),
        ..Options::default()
    };
    let product = Product::Gradient {
        output: 0,
        wrt: (0..at.len() as u32).collect(),
    };
    let point: Vec<_> = at
        .iter()
        .map(|&x| tensor(&TensorType::f64([]), &[x]))
        .collect();
    let blocks = evaluate(&elementwise(op), product, options, &point, &[])?;
    Ok(blocks.iter().map(|b| b.tensor.element(0)).collect())
}

/// Where STRICT refuses, and a point nearby where it does not.
#[rustfmt::skip]
const KINKS: &[(Op, &[f64], &[f64])] = &[
    (Op::Abs, &[0.0], &[1e-300]), (Op::Abs, &[-0.0], &[-5e-324]),
    (Op::Sign, &[0.0], &[1e-300]),
    (Op::Sqrt, &[0.0], &[1e-300]), (Op::Cbrt, &[-0.0], &[1e-300]),
    (Op::Asin, &[1.0], &[0.9]), (Op::Acos, &[-1.0], &[-0.9]), (Op::Acosh, &[1.0], &[1.1]),
    (Op::Relu, &[0.0], &[-1e-300]),
    (Op::LeakyRelu, &[0.0, 0.1], &[0.0, 1.0]), (Op::Elu, &[0.0, 0.5], &[0.0, 1.0]),
    (Op::Floor, &[-3.0], &[-3.5]), (Op::Ceil, &[0.0], &[0.5]), (Op::Trunc, &[2.0], &[0.0]),
    (Op::RoundNearestEven, &[1.5], &[1.0]), (Op::RoundNearestAfz, &[-0.5], &[0.49999999999999994]),
    (Op::Maximum, &[2.0, 2.0], &[2.0, 1.0]), (Op::Minimum, &[0.0, -0.0], &[0.0, 1.0]),
    (Op::Clamp, &[0.0, 0.0, 1.0], &[0.0, 0.5, 1.0]), (Op::Clamp, &[0.0, 1.0, 1.0], &[0.0, 2.0, 1.0]),
    (Op::Power, &[0.0, 0.5], &[0.0, 2.0]), (Op::Power, &[0.0, 0.0], &[0.0, 1.0]), (Op::Power, &[-2.0, 2.0], &[2.0, 2.0]),
    (Op::Remainder, &[6.0, 3.0], &[0.0, 3.0]),
    (Op::Hypot, &[0.0, 0.0], &[0.0, 1.0]), (Op::Direction, &[0.0, 0.0], &[0.0, 1.0]),
    (Op::Copysign, &[0.0, 1.0], &[1.0, 1.0]), (Op::Copysign, &[1.0, 0.0], &[1.0, -1.0]),
    (Op::Atan2, &[0.0, 0.0], &[0.0, 1.0]), (Op::Atan2, &[0.0, -1.0], &[1.0, -1.0]),
    (Op::BesselI0e, &[0.0], &[0.1]),
    (Op::BesselIneDerivative, &[1.0, 1.0, 0.0], &[1.0, 1.0, 0.1]),
];

#[test]
fn strict_refuses_at_every_kink_and_nowhere_beside() {
    let mut wrong = Vec::new();
    for &(op, kink, smooth) in KINKS {
        for mode in [Mode::Forward, Mode::Reverse] {
            match slopes(op, kink, NonSmooth::Strict, mode) {
                Err(Error::NonSmooth(culprit)) if culprit.op == op && culprit.node == 0 => {}
                other => wrong.push(format!("{}{kink:?}, {mode:?}: {other:?}", op.name())),
            }
            let got = slopes(op, smooth, NonSmooth::Strict, mode);
            if got.is_err() || got.ok() != slopes(op, smooth, NonSmooth::Standard, mode).ok() {
                wrong.push(format!(
                    "{}{smooth:?}, {mode:?}: refused or another",
                    op.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that declare a choice and do not refuse: the value is infinite there, or the choice is a limit.
const NO_KINK: &[Op] = &[
    // The value is infinite: NON_FINITE_ERROR finds it.
    Op::ErfInv,
    Op::NormPpf,
    // 0 · log 0 is 0 for every y.
    Op::Xlogy,
    Op::Xlog1py,
    // The first derivative exists; the second is bessel_ine_derivative's.
    Op::BesselI1e,
    // A derivative of power, whose kinks are power's.
    Op::ScaledPower,
];

#[test]
fn every_row_that_declares_a_choice_has_a_kink() {
    for &op in Op::ALL {
        let declares = op
            .elementwise()
            .is_some_and(|row| !row.non_smooth.is_empty());
        let has = KINKS.iter().any(|kink| kink.0 == op);
        assert_eq!(
            declares && !NO_KINK.contains(&op),
            has,
            "{}: declared {declares}, in the table {has}",
            op.name()
        );
    }
}

/// What JAX 0.10 and PyTorch 2 give where they differ from the service (`None`: as the service).
type Choices = (
    Op,
    &'static [f64],
    &'static [f64],
    Option<&'static [f64]>,
    Option<&'static [f64]>,
);

#[rustfmt::skip]
const CHOICES: &[Choices] = &[
    (Op::Abs, &[0.0], &[0.0], Some(&[1.0]), None),
    (Op::Sign, &[0.0], &[0.0], None, None),
    (Op::Relu, &[0.0], &[0.0], None, None),
    (Op::LeakyRelu, &[0.0, 0.1], &[0.1, 0.0], Some(&[1.0, 0.0]), None),
    (Op::Elu, &[0.0, 0.7], &[0.7, 0.0], None, None),
    (Op::Maximum, &[1.0, 1.0], &[0.5, 0.5], None, None),
    (Op::Clamp, &[0.0, 0.0, 1.0], &[0.5, 0.5, 0.0], Some(&[0.0, 0.0, 0.0]), Some(&[0.0, 1.0, 0.0])),
    (Op::Clamp, &[0.0, 1.0, 1.0], &[0.0, 0.5, 0.5], Some(&[0.0, 0.0, 0.0]), Some(&[0.0, 1.0, 0.0])),
    (Op::Hypot, &[0.0, 0.0], &[0.0, 0.0], Some(&[0.5, 0.5]), Some(&[NAN, NAN])),
    (Op::Copysign, &[0.0, 1.0], &[0.0, 0.0], Some(&[1.0, 0.0]), None),
    (Op::Power, &[0.0, 0.0], &[0.0, -INF], Some(&[NAN, 0.0]), Some(&[0.0, 0.0])),
    (Op::Cbrt, &[0.0], &[INF], None, None),
    (Op::Sqrt, &[0.0], &[INF], None, None),
];

#[test]
fn other_systems_choices_are_followed_on_request() {
    // Other systems' 0 · NaN is NaN: forward, a direction that does not move an operand is lost as well.
    let same = |got: &[f64], want: &[f64], mode: Mode| {
        let poisoned = mode == Mode::Forward && want.iter().any(|w| w.is_nan());
        let agrees = |(g, w): (&f64, &f64)| g == w || g.is_nan() && (w.is_nan() || poisoned);
        got.len() == want.len() && got.iter().zip(want).all(agrees)
    };
    let mut wrong = Vec::new();
    for &(op, at, ours, jax, pytorch) in CHOICES {
        let policies = [
            (NonSmooth::Standard, ours),
            (NonSmooth::Jax, jax.unwrap_or(ours)),
            (NonSmooth::PyTorch, pytorch.unwrap_or(ours)),
        ];
        for (policy, want) in policies {
            for mode in [Mode::Forward, Mode::Reverse] {
                let got = slopes(op, at, policy, mode).expect("a gradient");
                if !same(&got, want, mode) {
                    wrong.push(format!(
                        "{}{at:?} {policy:?} {mode:?}: {got:?}, not {want:?}",
                        op.name()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
