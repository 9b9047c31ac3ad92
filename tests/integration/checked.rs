//! NON_FINITE_ERROR and NON_SMOOTH_STRICT name the node, and what its operands were.

use gradient_engine::{
    Error, Graph, NonFinite, NonSmooth, Op, Options, Product, Tensor, TensorType,
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
