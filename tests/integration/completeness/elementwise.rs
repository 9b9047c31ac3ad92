//! Every elementwise operation on tensors: without elements, with scalars beside tensors, in a batch. Each element
//! is what the operation gives of scalars, and so is each derivative. Special points of scalars have tables of their
//! own, and so have first and second derivatives.

use gradient_engine::{
    Arguments, DType, Graph, Layout, Mode, Op, Options, Product, Request, Scratch, Stop, Tensor,
    TensorType, compile,
};
use gradient_tests::engine::{Random, hessian, jacobian, tensor, value};
use gradient_tests::scenarios::Draft;

const N: usize = 3;
const SCALARS: [&[u64]; 3] = [&[]; 3];

fn operations() -> impl Iterator<Item = (Op, Vec<(f64, f64)>)> {
    Op::ALL
        .iter()
        .filter_map(|&op| Some((op, op.elementwise()?.domain.to_vec())))
}

/// The operation on inputs of these shapes; where the domain is one point the operand is a constant.
fn graph(op: Op, domain: &[(f64, f64)], shapes: &[&[u64]], dtype: DType) -> Graph {
    let mut g = Draft::new(op.name());
    let names = ["a", "b", "c"];
    let inputs: Vec<_> = (0..domain.len())
        .map(|k| {
            let free = domain[k].0 != domain[k].1;
            let ty = TensorType::new(dtype, shapes[k]);
            free.then(|| g.0.input(names[k], ty).expect("input"))
        })
        .collect();
    let operands: Vec<_> = inputs
        .into_iter()
        .zip(domain)
        .map(|(input, &(at, _))| input.unwrap_or_else(|| g.constant(Tensor::scalar(dtype, at))))
        .collect();
    let result = g.op(op, &operands);
    g.finish(result)
}

fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

#[test]
fn nothing_gives_nothing() {
    for (op, domain) in operations() {
        for dtype in [DType::F64, DType::F32] {
            for shape in [&[0][..], &[2, 0, 3]] {
                let graph = graph(op, &domain, &[shape; 3], dtype);
                let inputs: Vec<Tensor> =
                    graph.inputs().iter().map(|i| tensor(&i.ty, &[])).collect();
                assert!(value(&graph, &inputs).is_empty(), "{}", op.name());
                for mode in [Mode::Forward, Mode::Reverse] {
                    let slopes = jacobian(&graph, &inputs, Some(mode));
                    assert!(slopes.is_empty(), "{}: {slopes:?}", op.name());
                }
            }
        }
    }
}

/// Every choice of which operands are scalars and which are vectors.
#[test]
fn scalars_beside_tensors_stand_for_all_elements() {
    let mut random = Random(0xb40ad);
    let mut wrong = Vec::new();
    for (op, domain) in operations() {
        let scalar = graph(op, &domain, &SCALARS, DType::F64);
        let free: Vec<usize> = (0..domain.len())
            .filter(|&k| domain[k].0 != domain[k].1)
            .collect();
        for wide in 1..1_usize << free.len() {
            let is_wide = |position: usize| wide >> position & 1 == 1;
            let mut shapes: [&[u64]; 3] = [&[]; 3];
            for (position, &k) in free.iter().enumerate() {
                if is_wide(position) {
                    shapes[k] = &[N as u64];
                }
            }
            let graph = graph(op, &domain, &shapes, DType::F64);
            let inputs: Vec<Tensor> = graph
                .inputs()
                .iter()
                .zip(&free)
                .map(|(input, &k)| random.tensor(&input.ty, domain[k]))
                .collect();
            let point = |e: usize| -> Vec<Tensor> {
                let numbers = inputs.iter().map(|t| t.to_f64());
                numbers
                    .map(|x| Tensor::scalar(DType::F64, x[if x.len() == 1 { 0 } else { e }]))
                    .collect()
            };
            let mut want_value = Vec::new();
            let mut want_slopes = Vec::new();
            let slopes: Vec<Vec<f64>> =
                (0..N).map(|e| jacobian(&scalar, &point(e), None)).collect();
            for e in 0..N {
                want_value.extend(value(&scalar, &point(e)));
            }
            for position in 0..free.len() {
                for (e, slopes) in slopes.iter().enumerate() {
                    match is_wide(position) {
                        false => want_slopes.push(slopes[position]),
                        true => want_slopes
                            .extend((0..N).map(|c| if c == e { slopes[position] } else { 0.0 })),
                    }
                }
            }
            let mut hold = |what: &str, got: &[f64], want: &[f64]| {
                if got.len() != want.len() || !got.iter().zip(want).all(|(g, w)| same(*g, *w)) {
                    let name = op.name();
                    wrong.push(format!(
                        "{name} of {shapes:?}: {what} {got:?}, not {want:?}"
                    ));
                }
            };
            hold("value", &value(&graph, &inputs), &want_value);
            for mode in [Mode::Forward, Mode::Reverse] {
                let got = jacobian(&graph, &inputs, Some(mode));
                hold(&format!("{mode:?}"), &got, &want_slopes);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Value, gradient and Hessian of a batch are those of each point, to the last bit.
#[test]
fn a_batch_is_a_loop() {
    let mut random = Random(0xba7c4);
    for (op, domain) in operations() {
        let graph = graph(op, &domain, &SCALARS, DType::F64);
        let domain = domain.iter().filter(|(low, high)| low != high);
        let inputs: Vec<Tensor> = domain
            .map(|&range| random.tensor(&TensorType::f64([N as u64]), range))
            .collect();
        let wrt = || graph.float_inputs();
        let products = vec![
            Product::Value { outputs: vec![0] },
            Product::Gradient {
                output: 0,
                wrt: wrt(),
            },
            Product::Hessian {
                output: 0,
                wrt: wrt(),
                layout: Layout::Dense,
            },
        ];
        let request = Request {
            products: products.clone(),
            options: Options::default(),
            batched: Some(vec![true; inputs.len()]),
        };
        let arguments = Arguments {
            inputs: inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]; products.len()],
            batch: N as u64,
        };
        let Ok(program) = compile(&graph, &request) else {
            // Second derivatives that the operation does not have, by itself as well.
            assert!(
                gradient_tests::engine::evaluate(
                    &graph,
                    products[2].clone(),
                    Options::default(),
                    &[],
                    &[]
                )
                .is_err()
            );
            continue;
        };
        let results = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
        let results = results.expect("a batch");
        for point in 0..N {
            let x: Vec<Tensor> = inputs
                .iter()
                .map(|t| Tensor::scalar(DType::F64, t.to_f64()[point]))
                .collect();
            let own = [
                value(&graph, &x),
                jacobian(&graph, &x, Some(Mode::Reverse)),
                hessian(&graph, &x),
            ];
            for (blocks, own) in results.iter().zip(&own) {
                let got = blocks.iter().map(|b| b.tensor.to_f64()[point]);
                let got: Vec<f64> = got.collect();
                let agree =
                    got.len() == own.len() && got.iter().zip(own).all(|(g, w)| same(*g, *w));
                assert!(agree, "{} at {x:?}: {got:?}, by itself {own:?}", op.name());
            }
        }
    }
}
