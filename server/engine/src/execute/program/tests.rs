//! Budgets of graphs without loops.

use super::{Arguments, Program, compile};
use crate::error::Error;
use crate::execute::{Scratch, Stop};
use crate::graph::{Graph, GraphBuilder, Limits};
use crate::op::{Attributes, Op, ValueId};
use crate::plan::{Mode, Options, Product, Request};
use crate::tensor::{Tensor, TensorType};

/// Elements of each tensor.
const WIDTH: u64 = 1000;

/// Steps of a chain whose every step is another one, so that nothing is rolled into a loop: h ← sin(h · w) + c_k h.
fn chain(steps: u32) -> Graph {
    let mut b = GraphBuilder::new("chain", Limits::default());
    let ty = TensorType::f64([WIDTH]);
    let x = b.input("x", ty.clone()).unwrap();
    let w = b.input("w", ty.clone()).unwrap();
    let mut push = |op: Op, operands: &[ValueId], attributes: Attributes| {
        b.push(op, operands, attributes, "").unwrap()
    };
    let mut h = x;
    for k in 0..steps {
        let c = Tensor::scalar(ty.dtype, 1.0 / f64::from(k + 3));
        let c = push(Op::Constant, &[], Attributes::Constant(c.into()));
        let turned = push(Op::Multiply, &[h, w], Attributes::None);
        let op = if k % 7 == 3 { Op::Tanh } else { Op::Sin };
        let turned = push(op, &[turned], Attributes::None);
        let kept = push(Op::Multiply, &[c, h], Attributes::None);
        h = push(Op::Add, &[turned, kept], Attributes::None);
    }
    let axes = Attributes::Reduce {
        axes: vec![0],
        keep_dims: false,
    };
    let sum = push(Op::ReduceSum, &[h], axes);
    b.output("y", sum).unwrap();
    b.finish().unwrap()
}

fn request(product: Product, memory_budget: u64) -> Request {
    Request {
        products: vec![Product::Value { outputs: vec![0] }, product],
        options: Options {
            mode: Some(Mode::Reverse),
            memory_budget,
            ..Options::default()
        },
        batched: None,
    }
}

fn numbers(program: &Program, hvp: bool) -> Result<(Vec<f64>, u64), Error> {
    let tensor = |seed: u64| {
        let raw = (0..WIDTH).flat_map(|i| ((i * 37 + seed) as f64 % 1.7 - 0.6).to_le_bytes());
        Tensor::from_raw(TensorType::f64([WIDTH]), raw.collect::<Vec<u8>>()).unwrap()
    };
    let given: Vec<Tensor> = (1..5).map(tensor).collect();
    let given: Vec<_> = given.iter().map(Tensor::as_ref).collect();
    let seeds = if hvp { given[2..].to_vec() } else { vec![] };
    let arguments = Arguments {
        inputs: given[..2].to_vec().into(),
        seeds: vec![vec![], seeds],
        batch: 1,
    };
    let mut scratch = Scratch::default();
    let blocks = program.evaluate(&arguments, &mut scratch, &Stop::default())?;
    let tensors = blocks.iter().flatten().map(|block| &block.tensor);
    let all = tensors.flat_map(|t| (0..t.ty().elements() as usize).map(|i| t.element(i)));
    Ok((all.collect(), scratch.counts.calls))
}

#[test]
fn a_graph_without_loops_keeps_to_the_budget_by_parts() {
    let graph = chain(400);
    let products = [
        Product::Gradient {
            output: 0,
            wrt: vec![0, 1],
        },
        Product::Hvp {
            output: 0,
            wrt: vec![0, 1],
            directions: 0,
        },
    ];
    for product in products {
        let hvp = matches!(product, Product::Hvp { .. });
        let whole = compile(&graph, &request(product.clone(), 0)).unwrap();
        let all = whole.bytes(1);
        let want = numbers(&whole, hvp).unwrap();
        assert_eq!(want.1, 0);
        let mut bytes = vec![all];
        // Less and less: one level of parts, then two.
        for (part, levels) in if hvp {
            [(10, 1), (20, 2)]
        } else {
            [(6, 1), (20, 2)]
        } {
            let budget = all / part;
            let program = compile(&graph, &request(product.clone(), budget)).unwrap();
            bytes.push(program.bytes(1));
            let reason = &program.plans()[1].reason;
            assert!(
                program.bytes(1) <= budget,
                "{bytes:?} of {budget}: {reason}"
            );
            let told = format!("each node runs {} times instead of once", levels + 1);
            assert!(reason.contains(&told), "1/{part}: {reason}");
            let found = numbers(&program, hvp).unwrap();
            for (got, want) in found.0.iter().zip(&want.0) {
                let bound = 1e-13 * want.abs().max(1.0);
                assert!((got - want).abs() <= bound, "{got} for {want}");
            }
            assert!(found.1 > 0);
        }
        let error = compile(&graph, &request(product, all / 200)).unwrap();
        let error = numbers(&error, hvp).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Limit {
                    name: "memory_budget_bytes",
                    ..
                }
            ),
            "{error}"
        );
    }
}
