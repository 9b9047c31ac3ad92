//! Every scenario on f32 against f64, and elementwise operations on tensors without elements.

use gradient_engine::{Attributes, DType, Graph, Mode, Op, Tensor, TensorType, ValueId};
use gradient_tests::engine::{Random, jacobian, numbers, tensor, value};
use gradient_tests::functions::sources;
use gradient_tests::scenarios::{Draft, Scenario, all};

/// Of the largest number: a few dozen roundings of f32.
const TOLERANCE: f64 = 64.0 * f32::EPSILON as f64;

fn single(ty: &TensorType) -> TensorType {
    let dtype = match ty.dtype {
        DType::F64 => DType::F32,
        other => other,
    };
    TensorType::new(dtype, ty.shape.clone())
}

fn single_tensor(t: &Tensor) -> Tensor {
    if !t.ty().dtype.is_float() {
        return Tensor::from_raw(t.ty().clone(), t.raw().to_vec()).expect("a copy");
    }
    let all: Vec<f64> = (0..t.ty().elements())
        .map(|e| t.element(e as usize))
        .collect();
    tensor(&single(t.ty()), &all)
}

/// A node's attributes on f32.
fn narrow(attributes: &Attributes) -> Attributes {
    let dtype = |dtype: &DType| single(&TensorType::new(*dtype, [])).dtype;
    match attributes {
        Attributes::Constant(t) => Attributes::Constant(single_tensor(t).into()),
        Attributes::Iota { ty, dimension } => Attributes::Iota {
            ty: single(ty),
            dimension: *dimension,
        },
        Attributes::Convert { dtype: to } => Attributes::Convert { dtype: dtype(to) },
        Attributes::OneHot { depth, dtype: to } => Attributes::OneHot {
            depth: *depth,
            dtype: dtype(to),
        },
        other => other.clone(),
    }
}

/// The same graph on f32.
fn narrowed(graph: &Graph) -> Graph {
    let mut g = Draft::new("single");
    let mut functions = sources(graph);
    for function in &mut functions {
        function
            .parameters
            .iter_mut()
            .for_each(|ty| *ty = single(ty));
        let nodes = function.nodes.iter_mut();
        nodes.for_each(|node| node.attributes = narrow(&node.attributes));
    }
    g.functions(functions);
    let inputs = graph.inputs().iter();
    let mut map: Vec<ValueId> = inputs
        .map(|input| g.0.input(&input.name, single(&input.ty)).expect("input"))
        .collect();
    for node in graph.nodes() {
        let operands: Vec<_> = node.operands.iter().map(|v| map[v.index()]).collect();
        let first = g.push(node.op, &operands, narrow(node.attributes));
        map.extend((0..u32::from(node.result_count)).map(|i| ValueId(first.0 + i)));
    }
    g.finish(map[graph.outputs()[0].value.index()])
}

/// A point that f32 holds, in both types.
fn point(scenario: &Scenario, random: &mut Random) -> (Vec<Tensor>, Vec<Tensor>) {
    let narrow: Vec<Tensor> = scenario.point(random).iter().map(single_tensor).collect();
    let wide = narrow
        .iter()
        .zip(scenario.graph.inputs())
        .map(|(t, input)| {
            let all: Vec<f64> = (0..t.ty().elements())
                .map(|e| t.element(e as usize))
                .collect();
            tensor(&input.ty, &all)
        });
    (wide.collect(), narrow)
}

fn farthest(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1.0f64, |s, w| s.max(w.abs()));
    got.iter().zip(want).fold(0.0, |worst: f64, (g, w)| {
        let off = (g - w).abs() / scale;
        if off.is_nan() {
            f64::INFINITY
        } else {
            worst.max(off)
        }
    })
}

#[test]
fn f32_follows_f64_within_its_rounding() {
    let mut wrong = Vec::new();
    for scenario in &all() {
        let graph = narrowed(&scenario.graph);
        let mut random = Random(0xf32 ^ u64::from(scenario.op.number()));
        for _ in 0..4 {
            let (wide, narrow) = point(scenario, &mut random);
            let off = farthest(&value(&graph, &narrow), &value(&scenario.graph, &wide));
            if off > TOLERANCE {
                wrong.push(format!("{}: value off by {off:.1e}", scenario.name));
            }
            for mode in [Mode::Forward, Mode::Reverse] {
                let got = jacobian(&graph, &narrow, Some(mode));
                let off = farthest(&got, &jacobian(&scenario.graph, &wide, Some(mode)));
                if off > TOLERANCE {
                    wrong.push(format!("{} {mode:?}: off by {off:.1e}", scenario.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn elementwise_operations_take_tensors_without_elements() {
    for &op in Op::ALL {
        let Some(row) = op.elementwise() else {
            continue;
        };
        for shape in [&[0u64][..], &[2, 0]] {
            let mut g = Draft::new(op.name());
            // Where the first has elements it is a scalar: it broadcasts, and its cotangent is a sum of nothing.
            let names = ["a", "b", "c"];
            let ids: Vec<_> = (0..row.partials.len())
                .map(|i| {
                    let is_last = i + 1 == row.partials.len();
                    g.input(names[i], if is_last { shape } else { &[] })
                })
                .collect();
            let y = g.op(op, &ids);
            let graph = g.finish(y);
            let at: Vec<Tensor> = graph
                .inputs()
                .iter()
                .zip(row.domain)
                .map(|(input, domain)| {
                    let n = input.ty.elements() as usize;
                    tensor(&input.ty, &vec![domain.0; n])
                })
                .collect();
            assert!(value(&graph, &at).is_empty(), "{}", op.name());
            let floats = 0..at.len() as u32;
            let product = gradient_engine::Product::Vjp { directions: 0 };
            let seed = tensor(&TensorType::f64(shape), &[]);
            let options = gradient_engine::Options::default();
            match gradient_tests::engine::evaluate(&graph, product, options, &at, &[seed]) {
                Ok(blocks) => {
                    assert_eq!(blocks.len(), floats.len(), "{}", op.name());
                    assert!(numbers(&blocks).iter().all(|x| *x == 0.0), "{}", op.name());
                }
                // By design, without a formula in a and b.
                Err(gradient_engine::Error::Unimplemented(what)) => {
                    assert!(what.contains("betainc_grad"), "{}: {what}", op.name());
                }
                Err(other) => panic!("{}: {other}", op.name()),
            }
        }
    }
}
