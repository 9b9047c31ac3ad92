use super::*;
use crate::graph::{GraphBuilder, Limits};
use crate::op::{Attributes, Op, ValueId};
use crate::plan::{Costs, Layout, Mode, Options, Product, Request};

const N: usize = 16;

/// y_0 = sum of sin(x_i), y_i = x_0 exp(x_i): an arrow, three sweeps of both modes or one of sixteen lanes.
fn arrow() -> Graph {
    let mut builder = GraphBuilder::new("arrow", Limits::default());
    let xs: Vec<ValueId> = (0..N)
        .map(|i| builder.input(format!("x{i}"), TensorType::f64([])).unwrap())
        .collect();
    let mut push = |op, operands: &[ValueId]| {
        let node = builder.push(op, operands, Attributes::None, "");
        node.unwrap()
    };
    let mut sum = push(Op::Sin, &xs[..1]);
    let mut ys = vec![];
    for &x in &xs[1..] {
        let sine = push(Op::Sin, &[x]);
        sum = push(Op::Add, &[sum, sine]);
        let own = push(Op::Exp, &[x]);
        ys.push(push(Op::Multiply, &[xs[0], own]));
    }
    ys.insert(0, sum);
    for (j, y) in ys.into_iter().enumerate() {
        builder.output(&format!("y{j}"), y).unwrap();
    }
    builder.finish().unwrap()
}

fn compiled(costs: Costs) -> Program {
    let all: Vec<u32> = (0..N as u32).collect();
    let request = Request {
        products: vec![Product::Jacobian {
            outputs: all.clone(),
            wrt: all,
            layout: Layout::Sparse,
        }],
        options: Options {
            costs,
            ..Options::default()
        },
        batched: None,
    };
    compile(&arrow(), &request).unwrap()
}

#[test]
fn the_choice_follows_the_costs() {
    let lanes_cost = Costs {
        scalar_step: 1,
        step: 1,
        lane_step: 1,
        scalar_operation: 50_000,
        operation: 50_000,
        ..Costs::BUILT_IN
    };
    let steps_cost = Costs {
        scalar_step: 200_000,
        step: 200_000,
        lane_step: 200_000,
        scalar_operation: 1,
        operation: 1,
        ..Costs::BUILT_IN
    };
    let mode = |costs| compiled(costs).plans()[0].mode;
    assert_eq!(mode(lanes_cost), Some(Mode::Mixed));
    // One mode passes the graph once, both pass it twice: lanes for nothing are cheaper then.
    let plan = compiled(steps_cost).plans()[0].clone();
    assert_ne!(plan.mode, Some(Mode::Mixed), "{}", plan.reason);
}

#[test]
fn an_estimate_grows_with_points_and_costs() {
    let program = compiled(Costs::BUILT_IN);
    let (one, many) = (program.estimate(1), program.estimate(7));
    assert_eq!(many.operations, 7 * one.operations);
    assert!(many.bytes > one.bytes);
    let ratio = many.predicted.as_secs_f64() / one.predicted.as_secs_f64();
    assert!((6.9..7.1).contains(&ratio), "{ratio}");
    let twice = Costs::clamped(
        Costs::BUILT_IN
            .named()
            .map(|(_, cost)| 2.0 * f64::from(cost)),
    );
    let ratio = compiled(twice).estimate(1).predicted.as_secs_f64() / one.predicted.as_secs_f64();
    assert!((1.99..2.01).contains(&ratio), "{ratio}");
}
