//! Functions and the nodes that run them: messages, types, mistakes.

use gradient_proto::v1::{self as proto, Op};

use super::super::{BuildError, Expr, GraphBuilder, Scan, Until};
use crate::tensor::{Dtype, Type};

fn scalar() -> Type {
    Type::new(Dtype::F64, [])
}

fn vector(n: usize) -> Type {
    Type::new(Dtype::F64, [n])
}

#[test]
fn a_function_is_sent_once_and_called_by_name() {
    let g = GraphBuilder::new("calls");
    let x = g.input("x", []);
    let f = g.function("scaled", [scalar(), scalar()], |_, [a, b]| {
        (&a * 3.0, a + b)
    });
    let (y, z): (Expr, Expr) = g.call(&f, [&x, &x]);
    let [u, _]: [Expr; 2] = g.call(&f, [&y, &z]);
    let graph = g.finish([("u", u)]).unwrap().into_proto();
    assert_eq!(graph.functions.len(), 1);
    let function = &graph.functions[0];
    assert_eq!(function.name, "scaled");
    assert_eq!(
        function.parameters,
        [scalar().to_proto(), scalar().to_proto()]
    );
    // Parameters 0 and 1, the constant 2, the product 3, the sum 4.
    assert_eq!(function.results, [3, 4]);
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(graph.nodes[1].operands, [1, 2]);
    assert_eq!(graph.outputs[0].value, 3);
}

#[test]
fn types_follow_the_bodies() {
    let g = GraphBuilder::new("types");
    let (x, m) = (g.input("x", []), g.input("m", [4, 3]));
    let k = g.input_typed("k", Dtype::I64, []);
    let dot = g.function("dot", [vector(3), scalar()], |_, [row, s]| {
        (&row * &s, row.sum() * s)
    });
    let (rows, sums): (Expr, Expr) = g.map(&dot, [&m], [&x]);
    assert_eq!(rows.shape(), [4, 3]);
    assert_eq!(sums.shape(), [4]);
    let add = g.function(
        "add",
        [scalar(), vector(3), scalar()],
        |_, [sum, row, s]| {
            let new = sum + row.sum() * s;
            [new.clone(), new]
        },
    );
    let scan = Scan {
        length: 4,
        carries: vec![x.clone()],
        sequences: vec![m.clone()],
        constants: vec![x.clone()],
        ..Scan::default()
    };
    let [last, partial]: [Expr; 2] = g.scan(&add, scan);
    assert_eq!((last.shape(), partial.shape()), (vec![], vec![4]));
    let all: Vec<Expr> = g.jacobian(&dot, [], [], [&m.at([0]), &x]);
    let shapes: Vec<Vec<usize>> = all.iter().map(Expr::shape).collect();
    assert_eq!(shapes, [vec![3, 3], vec![3], vec![3], vec![]]);
    let hessian: Vec<Expr> = g.hessian(&dot, 1, [0], [&m.at([0]), &x]);
    assert_eq!(hessian[0].shape(), [3, 3]);
    // Two directions in one product.
    let directions: Vec<Expr> = g.jvp(&dot, [&m.at([0]), &x], [(0, &m.slice([0, 0], [2, 3]))]);
    let shapes: Vec<Vec<usize>> = directions.iter().map(Expr::shape).collect();
    assert_eq!(shapes, [vec![2, 3], vec![2]]);
    let one = g.function("one", [scalar()], |_, [a]| a.exp());
    let two = g.function("two", [scalar()], |_, [a]| a.sin());
    let chosen: Expr = g.cond(&k, [&one, &two, &one], [&x]);
    assert_eq!(chosen.shape(), [0usize; 0]);
    let root = g.implicit_root(&two, &x, Vec::<Expr>::new(), Until::default());
    let graph = g
        .finish([("last", last), ("chosen", chosen), ("root", root)])
        .unwrap();
    // The same by the message alone.
    let again = crate::Graph::from_proto(graph.proto().clone());
    assert_eq!(again.outputs(), graph.outputs());
    assert!(again.outputs().iter().all(|(_, ty)| *ty == Some(scalar())));
}

/// A power by repeated multiplication: n falls to 0.
fn power() -> GraphBuilder {
    let g = GraphBuilder::new("power");
    let f = g.declare("power", [scalar(), scalar()], [scalar()]);
    let one = g.function("one", [scalar(), scalar()], |b, [_, _]| b.constant(1.0));
    let more = g.function("more", [scalar(), scalar()], |b, [x, n]| {
        let rest: Expr = b.call(&f, [&x, &(n - 1.0)]);
        x * rest
    });
    g.define(&f, |b, [x, n]: [Expr; 2]| {
        b.if_else::<Expr, _>(&n.gt(0.0), &more, &one, [&x, &n])
    });
    g
}

#[test]
fn a_function_may_run_itself() {
    let g = power();
    let x = g.input("x", []);
    let f = g.declare("unused", [scalar()], [scalar()]);
    g.define(&f, |_, a: Expr| a);
    let twice = g.function("twice", [scalar()], |b, [x]| {
        let two = b.constant(2.0);
        &x * two
    });
    let y: Expr = g.call(&twice, [&x]);
    let graph = g.finish([("y", y)]).unwrap();
    let again = crate::Graph::from_proto(graph.proto().clone());
    assert_eq!(again.outputs(), graph.outputs());
    let text = graph.to_string();
    for line in [
        r#"%1 = call(x, function="twice") : f64"#,
        r#"function "power" (%0: f64, %1: f64)"#,
        r#"cond(%3, %0, %1, branches=["one", "more"]) : f64"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn products_are_shown_by_position() {
    let g = GraphBuilder::new("shown");
    let x = g.input("x", []);
    let f = g.function("f", [scalar()], |_, [a]| a.sin());
    let slope = g.function("slope", [(); 3].map(|()| scalar()), |_, [a, _, da]| {
        a.cos() * da
    });
    g.custom_jvp(&f, &slope);
    let d: Expr = g.gradient(&f, 0, [0], [&x]);
    let h: Expr = g.hvp(&f, 0, [], [&x], [(0, &x)]);
    let text = g.finish([("d", d + h)]).unwrap().to_string();
    for part in [
        r#"derivative(x, function="f", gradient(0, wrt=0))"#,
        r#"derivative(x, x, function="f", hvp(0, wrt=all, vectors=0))"#,
        r#"function "f" (%0: f64)  # its jvp: "slope""#,
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

type Mistake = fn(&GraphBuilder, &Expr);

#[test]
fn mistakes_name_the_function_and_the_repair() {
    let cases: &[(&str, Mistake, &str)] = &[
        (
            "too few arguments",
            |g, x| {
                let f = g.function("f", [scalar(), scalar()], |_, [a, b]| a + b);
                let _: Expr = g.call(&f, [x]);
            },
            "node 0 (call): function \"f\" takes 2 arguments, 1 given",
        ),
        (
            "argument of another type",
            |g, x| {
                let f = g.function("f", [vector(3)], |_, [a]| a);
                let _: Expr = g.call(&f, [x]);
            },
            "argument 0 is f64, parameter 0 of function \"f\" is f64[3]",
        ),
        (
            "other number of results",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| [a.sin(), a]);
                let _: Expr = g.call(&f, [x]);
            },
            "2 results, 1 taken",
        ),
        (
            "value of the graph in a body",
            |g, x| {
                g.function("f", [scalar()], |_, [a]| a * x);
            },
            "function \"f\", node 0 (multiply): an operand is no value of this function; pass it as an argument",
        ),
        (
            "value of the graph as a result",
            |g, x| {
                g.function("f", [scalar()], |_, [_]| x.clone());
            },
            "function \"f\", result: a result is no value of this function",
        ),
        (
            "wrong body",
            |g, _| {
                g.function("f", [vector(2), vector(3)], |_, [a, b]| a + b);
            },
            "function \"f\", node 0 (add): operands have shapes [2] and [3]",
        ),
        (
            "input in a body",
            |g, _| {
                g.function("f", [scalar()], |b, [a]| a + b.input("y", []));
            },
            "no inputs beside its parameters",
        ),
        (
            "no result",
            |g, _| {
                g.function("f", [scalar()], |_, [_]| Vec::<Expr>::new());
            },
            "function \"f\", result: there is none",
        ),
        (
            "name twice",
            |g, _| {
                g.function("f", [scalar()], |_, [a]| a);
                g.function("f", [scalar()], |_, [a]| a);
            },
            "function: \"f\" is there already",
        ),
        (
            "never defined",
            |g, _| {
                g.declare("f", [scalar()], [scalar()]);
            },
            "\"f\" is declared, but never defined",
        ),
        (
            "defined twice",
            |g, _| {
                let f = g.declare("f", [scalar()], [scalar()]);
                g.define(&f, |_, a: Expr| a);
                g.define(&f, |_, a: Expr| a);
            },
            "\"f\" is defined already",
        ),
        (
            "defined otherwise than declared",
            |g, _| {
                let f = g.declare("f", [scalar()], [vector(2)]);
                g.define(&f, |_, a: Expr| a);
            },
            "declared to give (f64[2]), but gives (f64)",
        ),
        (
            "defined with other parameters",
            |g, _| {
                let f = g.declare("f", [scalar()], [scalar()]);
                g.define(&f, |_, [a, _]: [Expr; 2]| a);
            },
            "declared with 1 parameters",
        ),
        (
            "condition that is a number",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.while_loop(&f, &f, [x]);
            },
            "function \"f\" gives (f64); a condition gives one bool scalar",
        ),
        (
            "carry of another type",
            |g, x| {
                let p = g.function("p", [scalar()], |_, [a]| a.gt(0.0));
                let f = g.function("f", [scalar()], |_, [a]| a.broadcast_to([2]));
                let _: Expr = g.while_loop(&p, &f, [x]);
            },
            "carry 0 is f64, but function \"f\" gives f64[2] for it",
        ),
        (
            "branches of two signatures",
            |g, x| {
                let p = g.function("p", [scalar()], |_, [a]| a.gt(0.0));
                let f = g.function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.if_else(&x.gt(0.0), &p, &f, [x]);
            },
            "all branches have one signature",
        ),
        (
            "chosen by a number",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.if_else(x, &f, &f, [x]);
            },
            "the branch is chosen by f64; it takes a bool or i64 scalar",
        ),
        (
            "sequence of another length",
            |g, x| {
                let f = g.function("f", [scalar(), scalar()], |_, [a, b]| a + b);
                let scan = Scan {
                    length: 3,
                    carries: vec![x.clone()],
                    sequences: vec![x.broadcast_to([2])],
                    ..Scan::default()
                };
                let _: Expr = g.scan(&f, scan);
            },
            "sequence 0 is f64[2]; its first dimension must be the length, 3",
        ),
        (
            "map of a scalar",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.map(&f, [x], []);
            },
            "the first operand is no sequence",
        ),
        (
            "gradient of a vector",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| a.broadcast_to([2]));
                let _: Expr = g.gradient(&f, 0, [], [x]);
            },
            "result 0 is f64[2], not a floating-point scalar",
        ),
        (
            "gradient by no parameter",
            |g, x| {
                let f = g.function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.gradient(&f, 0, [4], [x]);
            },
            "the function has no parameter \"4\"",
        ),
        (
            "function of another graph",
            |g, x| {
                let f = GraphBuilder::new("other").function("f", [scalar()], |_, [a]| a);
                let _: Expr = g.call(&f, [x]);
            },
            "\"f\" comes from another graph",
        ),
    ];
    for (name, mistake, expected) in cases {
        let g = GraphBuilder::new(*name);
        let x = g.input("x", []);
        mistake(&g, &x);
        let error: BuildError = g.finish([("x", x)]).expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(
            error.location.file().ends_with("functions.rs"),
            "{name}: {error}"
        );
    }
}

#[test]
fn types_of_recursion_come_from_the_path_that_ends() {
    let g = power();
    let x = g.input("x", []);
    let graph = g.finish([("x", x)]).unwrap().into_proto();
    // In any order of the functions.
    for rotation in 0..3 {
        let mut message = graph.clone();
        message.functions.rotate_left(rotation);
        let call = proto::Call {
            function: "power".into(),
        };
        message.nodes = vec![proto::Node {
            op: Op::Call.into(),
            operands: vec![0, 0],
            attributes: Some(proto::node::Attributes::Call(call.into())),
            ..Default::default()
        }];
        message.outputs[0].value = 1;
        let graph = crate::Graph::from_proto(message);
        assert_eq!(graph.outputs(), [("x", Some(scalar()))]);
    }
}
