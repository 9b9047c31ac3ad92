//! Expressions: types, mistakes, constants, size.

mod functions;
mod operations;

use std::time::{Duration, Instant};

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{BuildError, Expr, GraphBuilder};
use crate::tensor::{Array, Dtype};

fn ops(graph: &crate::Graph) -> Vec<Op> {
    graph.proto().nodes.iter().map(proto::Node::op).collect()
}

#[test]
fn an_expression_becomes_numbered_nodes() {
    let g = GraphBuilder::new("demo");
    let x = g.input("x", [3]);
    let product = x.sin();
    let y = g.input("y", []); // declared after a node, numbered before it
    let f = (product * &y).sum() + 2.0;
    let graph = g.finish([("f", f)]).unwrap();
    assert_eq!(
        ops(&graph),
        [Op::Sin, Op::Multiply, Op::ReduceSum, Op::Constant, Op::Add]
    );
    let operands: Vec<_> = graph
        .proto()
        .nodes
        .iter()
        .map(|node| node.operands.as_slice())
        .collect();
    assert_eq!(operands, [&[0][..], &[2, 1], &[3], &[], &[4, 5]]);
    assert_eq!(graph.proto().outputs[0].value, 6);
    assert_eq!(graph.outputs()[0].0, "f");
}

#[test]
fn the_same_program_gives_the_same_message() {
    let build = || {
        let g = GraphBuilder::new("twice");
        let x = g.input("x", [2, 2]);
        let f = x.matmul(&x.t()).exp().sum() / (1.0 + x.square().sum());
        g.finish([("f", f)]).unwrap()
    };
    assert_eq!(build(), build());
}

#[test]
fn operators_take_values_references_and_numbers_on_either_side() {
    let g = GraphBuilder::new("operators");
    let (x, y) = (&g.input("x", []), &g.input("y", []));
    let mut f = x + y + x.clone() - y.clone() * 2.0 / x + (1.0 - x) * (3.0 / y.clone()) + -x;
    f += x;
    f -= 1.0;
    f *= y.clone();
    f /= 2.0;
    let p = x.lt(y) & !x.gt(1.0) | x.equal(y) ^ y.le(x);
    let f = p.select(&f, 0.0) % 5.0;
    assert_eq!(p.dtype(), Dtype::Bool);
    assert!(g.error().is_none());
    g.finish([("f", f)]).unwrap();
}

#[test]
fn numbers_take_the_type_beside_them_and_equal_constants_are_one() {
    let g = GraphBuilder::new("constants");
    let x = g.input("x", []);
    let single = g.input_typed("single", Dtype::F32, []);
    let whole = g.input_typed("whole", Dtype::I64, []);
    let f = x * 2.0 + 2.0;
    let (a, b) = (single * 2.0, whole * 2.0);
    assert_eq!((a.dtype(), b.dtype()), (Dtype::F32, Dtype::I64));
    let table = g.constant(vec![1.0, 2.0])
        + g.constant(vec![1.0, 2.0])
        + g.constant([[1.0, 2.0]]).reshape([2]);
    let zeros = g.constant(0.0) + g.constant(-0.0);
    let graph = g
        .finish([
            ("f", f),
            ("a", a),
            ("b", b),
            ("table", table),
            ("zeros", zeros),
        ])
        .unwrap();
    // 2 as f64, f32 and i64, [1, 2], [[1, 2]], 0 and -0.
    assert_eq!(
        ops(&graph).iter().filter(|&&op| op == Op::Constant).count(),
        7
    );
}

/// One row a case: what is written, the shape it has.
#[test]
fn shapes_follow() {
    let g = GraphBuilder::new("shapes");
    let scalar = &g.input("scalar", []);
    let vector = &g.input("vector", [4]);
    let matrix = &g.input("matrix", [3, 4]);
    let batch = &g.input("batch", [2, 3, 4]);
    let index = &g.input_typed("index", Dtype::I64, [5, 6]);
    let one = &g.input_typed("one", Dtype::I64, []);
    let conv = proto::DotGeneral {
        lhs_contracting: vec![1],
        rhs_contracting: vec![2],
        ..Default::default()
    };
    let cases: Vec<(Expr, &[usize])> = vec![
        (vector + scalar, &[4]),
        (scalar.atan2(matrix), &[3, 4]),
        (matrix.sum(), &[]),
        (batch.sum_over([0, 2]), &[3]),
        (batch.max_keep([1]), &[2, 1, 4]),
        (batch.min_over([]), &[2, 3, 4]),
        (vector.mean(), &[]),
        (matrix.reshape([2, 6]), &[2, 6]),
        (matrix.t(), &[4, 3]),
        (batch.transpose([1, 0, 2]), &[3, 2, 4]),
        (vector.broadcast_to([2, 3, 4]), &[2, 3, 4]),
        (matrix.broadcast_in_dim([3, 5, 4], [0, 2]), &[3, 5, 4]),
        (matrix.slice([1, 0], [3, 2]), &[2, 2]),
        (vector.slice_strided([1], [4], [2]), &[2]),
        (vector.pad_interior(0.0, [1], [2], [1]), &[10]),
        (matrix.at([1]), &[4]),
        (matrix.at([1, 2]), &[]),
        (
            g.concatenate([matrix, &matrix.slice([0, 0], [1, 4])], 0),
            &[4, 4],
        ),
        (g.stack([vector, vector]), &[2, 4]),
        (vector.dot(vector), &[]),
        (matrix.matmul(vector), &[3]),
        (vector.matmul(&matrix.t()), &[3]),
        (matrix.matmul(&matrix.t()), &[3, 3]),
        (batch.matmul(vector), &[2, 3]),
        (batch.matmul(&batch.transpose([0, 2, 1])), &[2, 3, 3]),
        (matrix.dot_general(batch, conv), &[3, 2, 3]),
        (matrix.take(index, 1), &[3, 5, 6]),
        (matrix.take(index, 0), &[5, 6, 4]),
        (matrix.take(one, 1), &[3]),
        (matrix.add_at(index, &matrix.take(index, 1), 1), &[3, 4]),
        (matrix.add_at(one, &matrix.take(one, 0), 0), &[3, 4]),
        (g.iota(Dtype::F64, [2, 3], 1), &[2, 3]),
        (g.full([2, 2], 1.0), &[2, 2]),
        (vector.gt(0.0).select(vector, scalar), &[4]),
        (vector.convert(Dtype::F32).stop_gradient(), &[4]),
    ];
    for (expression, shape) in &cases {
        assert_eq!(expression.shape(), *shape, "{expression:?}");
    }
    assert_eq!(g.error(), None);
}

/// One row a mistake: what is written, what the error must say.
#[test]
fn the_first_mistake_is_told_with_its_place_and_repair() {
    type Mistake = fn(&GraphBuilder, &Expr, &Expr) -> Expr;
    let mistakes: [(Mistake, &str); 24] = [
        (
            |_, v, m| m + v,
            "node 0 (add): operands have shapes [3, 4] and [4]; insert broadcast_to([3, 4])",
        ),
        (
            |_, v, m| v.matmul(m),
            "matmul): dimension 0 of f64[4] meets dimension 0 of f64[3, 4]: 4 against 3",
        ),
        (|_, v, _| v.dot(&v.sum()), "use matmul"),
        (
            |_, v, _| v.reshape([5]),
            "f64[4] has 4 elements, shape [5] has 5",
        ),
        (
            |_, v, _| v.sum_over([1]),
            "no dimension 1 in a tensor of rank 1",
        ),
        (|_, _, m| m.sum_over([1, 1]), "dimension 1 is named twice"),
        (|_, _, m| m.transpose([0]), "no permutation"),
        (|_, v, _| v.slice([2], [5]), "2..5 does not lie in 0..4"),
        (|_, v, _| v.slice_strided([0], [4], [0]), "at least 1"),
        (|_, v, _| v.at([4]), "index 4 is outside dimension 0"),
        (|_, v, _| v.select(v, v), "must be bool"),
        (|_, v, _| v & v, "must be bool"),
        (|_, v, _| v.lt(v).sin(), "must be f64 or f32"),
        (
            |_, v, _| v.convert(Dtype::I64) + v,
            "operands are i64[4] and f64[4]; insert convert",
        ),
        (|_, v, _| v.convert(Dtype::I64) * 0.5, "0.5 is no i64"),
        (|_, v, m| m.take(v, 0), "must be i64"),
        (|_, v, _| v.pad(v, [0], [0]), "one scalar f64"),
        (|_, v, m| v.broadcast_to([2]) + m, "does not stretch"),
        (|g, v, m| g.concatenate([v, m], 0), "differ elsewhere"),
        (
            |g, _, _| g.iota(Dtype::F64, [2], 1),
            "(iota): there is no dimension 1",
        ),
        (
            |g, _, _| g.full([usize::MAX, 3], 0.0),
            "too large to be addressed",
        ),
        (|g, _, _| g.input("v", []), "input: \"v\" is there already"),
        (|g, _, _| g.input("#0", []), "kept for positions"),
        (
            |_, v, _| v + GraphBuilder::new("other").input("v", [4]),
            "different graphs",
        ),
    ];
    for (mistake, message) in mistakes {
        let g = GraphBuilder::new("mistakes");
        let (v, m) = (g.input("v", [4]), g.input("m", [3, 4]));
        let f = mistake(&g, &v, &m);
        let _later = &v + g.input("third", [7]); // not told
        let error = g.finish([("f", f)]).unwrap_err();
        assert!(
            error.to_string().contains(message),
            "{error} does not say {message:?}"
        );
        assert_eq!(error.location.file(), file!(), "{error}");
    }
}

#[test]
fn outputs_are_checked() {
    let finish = |outputs: &[&str]| -> BuildError {
        let g = GraphBuilder::new("outputs");
        let x = g.input("x", []);
        g.finish(outputs.iter().map(|&name| (name, &x)))
            .unwrap_err()
    };
    assert!(finish(&[]).message.contains("at least one"));
    assert!(finish(&["f", "f"]).message.contains("unique"));
    assert!(finish(&[""]).message.contains("empty"));
    let stranger = GraphBuilder::new("other").input("x", []);
    let error = GraphBuilder::new("outputs")
        .finish([("f", stranger)])
        .unwrap_err();
    assert!(error.message.contains("another graph"));
}

#[test]
fn labels_and_constants_reach_the_wire() {
    let g = GraphBuilder::new("labels");
    let table = g.constant(Array::new([2, 1], vec![1.5, -2.0]).unwrap());
    let graph = g.finish([("f", table.exp().label("growth"))]).unwrap();
    let [constant, exp] = graph.proto().nodes.as_slice() else {
        panic!("{graph:?}")
    };
    assert_eq!(exp.label, "growth");
    let Some(Attributes::Constant(constant)) = &constant.attributes else {
        panic!("{constant:?}")
    };
    let value = constant.value.as_ref().unwrap();
    assert_eq!(value.shape, [2, 1]);
    let bytes = [1.5f64.to_le_bytes(), (-2.0f64).to_le_bytes()].concat();
    assert_eq!(value.data, Some(proto::tensor::Data::Raw(bytes.into())));
}

#[test]
fn expressions_left_over_are_harmless() {
    let g = GraphBuilder::new("left over");
    let x = g.input("x", []);
    g.finish([("f", &x.sin())]).unwrap();
    assert!((x.cos() + 1.0).label("late").shape().is_empty());
}

#[test]
fn a_million_nodes_take_constant_time_each() {
    let build = |steps: usize| {
        let start = Instant::now();
        let g = GraphBuilder::new("recurrence");
        let mut x = g.input("x", []);
        for _ in 0..steps {
            x = (&x * 0.999).sin();
        }
        let graph = g.finish([("f", x)]).unwrap();
        assert_eq!(graph.proto().nodes.len(), 2 * steps + 1);
        start.elapsed()
    };
    let (few, many) = (build(50_000), build(500_000));
    println!("100,001 nodes: {few:?}; 1,000,001 nodes: {many:?}");
    assert!(many < Duration::from_secs(5), "{many:?}");
}

#[test]
fn a_graph_reads_as_text() {
    let g = GraphBuilder::new("demo");
    let (x, y) = (g.input("x", [3]), g.input("y", []));
    let f = (x.sin() * &y).label("scaled").sum_over([0]).lt(0.5);
    let graph = g.finish([("f", f)]).unwrap();
    let text = "graph \"demo\" (x: f64[3], y: f64)
  %2 = sin(x) : f64[3]
  %3 = multiply(%2, y) : f64[3]  # scaled
  %4 = reduce_sum(%3, axes=[0]) : f64
  %5 = constant(0.5) : f64
  %6 = compare(%4, %5, lt) : bool
return f = %6
";
    assert_eq!(graph.to_string(), text);
    let read = crate::Graph::from_proto(graph.proto().clone());
    assert_eq!(read, graph, "output types are found again");
}
