//! Windows, convolution and pooling against plain loops, and what is declared at ties, edges and for wrong inputs;
//! Fourier transforms and interpolation in files of their own.

mod fourier;
mod interpolation;

use gradient_engine::{
    Attributes, ConvolutionDimensions, DType, Error, Extrapolation, Graph, GraphBuilder,
    InterpolationKind, Layout, Limits, NonSmooth, Op, Options, PoolDimensions, Product, Tensor,
    TensorType, ValueId, WindowDimensions,
};
use gradient_tests::engine::{Random, close, evaluate, inner, jacobian, numbers, tensor, value};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// A graph of one node.
fn node(op: Op, types: &[TensorType], attributes: Attributes) -> Result<Graph, String> {
    let mut g = GraphBuilder::new("node", Limits::default());
    let inputs: Vec<ValueId> = (0..types.len())
        .map(|i| g.input(&format!("x{i}"), types[i].clone()).expect("input"))
        .collect();
    let result = g.push(op, &inputs, attributes, "").map_err(|wrong| {
        let place = wrong.path();
        format!("{place}: {wrong}")
    })?;
    g.output("y", result).expect("output");
    Ok(g.finish().expect("graph"))
}

fn graph(op: Op, operands: &[Tensor], attributes: Attributes) -> Graph {
    let types: Vec<TensorType> = operands.iter().map(|t| t.ty().clone()).collect();
    node(op, &types, attributes).expect("well-typed")
}

fn result(op: Op, operands: &[Tensor], attributes: Attributes) -> Vec<f64> {
    value(&graph(op, operands, attributes), operands)
}

/// The Jacobian by all inputs under a policy.
fn derivative(graph: &Graph, at: &[Tensor], non_smooth: NonSmooth) -> Result<Vec<f64>, Error> {
    let product = Product::Jacobian {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        layout: Layout::Dense,
    };
    let options = Options {
        non_smooth,
        ..Options::default()
    };
    evaluate(graph, product, options, at, &[]).map(|blocks| numbers(&blocks))
}

fn f64s(shape: &[u64], numbers: &[f64]) -> Tensor {
    tensor(&TensorType::f64(shape), numbers)
}

fn in_f32(t: &Tensor) -> Tensor {
    tensor(
        &TensorType::new(DType::F32, t.ty().shape.clone()),
        &t.to_f64(),
    )
}

fn same(got: &[f64], want: &[f64], tolerance: f64) -> bool {
    let equal =
        |(g, w): (&f64, &f64)| g == w || g.is_nan() && w.is_nan() || close(*g, *w, tolerance);
    got.len() == want.len() && got.iter().zip(want).all(equal)
}

fn check(op: Op, attributes: Attributes, operands: &[Tensor], want: &[f64], tolerance: f64) {
    let got = result(op, operands, attributes.clone());
    assert!(
        same(&got, want, tolerance),
        "{} {attributes:?} of {operands:?} gives\n{got:?}, not\n{want:?}",
        op.name()
    );
}

/// Every index of a shape, in row-major order.
fn indices(shape: &[u64]) -> Vec<Vec<u64>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        all.iter()
            .flat_map(|i| (0..n).map(move |k| [&i[..], &[k]].concat()))
            .collect()
    })
}

fn at(shape: &[u64], index: &[u64]) -> usize {
    index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i) as usize
}

/// Element of a tensor with as many in front in each spatial dimension; `None` in the padding.
fn padded(shape: &[u64], lead: [u64; 2], low: &[u64], index: &[u64]) -> Option<usize> {
    let mut place = lead.to_vec();
    for d in 0..low.len() {
        let i = index[d].checked_sub(low[d])?;
        if i >= shape[2 + d] {
            return None;
        }
        place.push(i);
    }
    Some(at(shape, &place))
}

fn or_all(list: &[u64], n: usize, missing: u64) -> Vec<u64> {
    match list {
        [] => vec![missing; n],
        _ => list.to_vec(),
    }
}

#[test]
fn windows_and_their_sum_are_what_loops_give() {
    type Case = (
        &'static [u64],
        &'static [u64],
        &'static [u64],
        &'static [u64],
    );
    let cases: [Case; 8] = [
        (&[7], &[3], &[], &[]),
        (&[7], &[7], &[5], &[]),
        (&[2, 9], &[2], &[4], &[3]),
        (&[3, 5, 4], &[2, 3], &[2, 1], &[3, 1]),
        (&[2, 3], &[], &[], &[]),
        (&[0, 4], &[2], &[], &[]),
        (&[3, 3, 3], &[2, 2, 2], &[1, 2, 1], &[]),
        (&[5], &[1], &[7], &[9]),
    ];
    let mut random = Random(1);
    for (shape, sizes, strides, dilations) in cases {
        let dims = |shape: &[u64]| {
            Attributes::Windows(WindowDimensions {
                sizes: sizes.to_vec(),
                strides: strides.to_vec(),
                dilations: dilations.to_vec(),
                shape: shape.to_vec(),
            })
        };
        let (n, lead) = (sizes.len(), shape.len() - sizes.len());
        let (step, gap) = (or_all(strides, n, 1), or_all(dilations, n, 1));
        let x = random.tensor(&TensorType::f64(shape), (-1.0, 1.0));
        let positions: Vec<u64> = (0..n)
            .map(|d| (shape[lead + d] - (sizes[d] - 1) * gap[d] - 1) / step[d] + 1)
            .collect();
        let of_windows = [&shape[..lead], &positions, sizes].concat();
        let places: Vec<usize> = indices(&of_windows)
            .iter()
            .map(|i| {
                let spatial = (0..n).map(|d| i[lead + d] * step[d] + i[lead + n + d] * gap[d]);
                at(
                    shape,
                    &i[..lead].iter().copied().chain(spatial).collect::<Vec<_>>(),
                )
            })
            .collect();
        let numbers = x.to_f64();
        let want: Vec<f64> = places.iter().map(|&i| numbers[i]).collect();
        check(Op::Windows, dims(&[]), std::slice::from_ref(&x), &want, 0.0);
        // Integers go through windows as well.
        let whole: Vec<f64> = (0..numbers.len()).map(|i| i as f64).collect();
        let whole = tensor(&TensorType::new(DType::I64, shape), &whole);
        let mut g = GraphBuilder::new("integers", Limits::default());
        let input = g.input("x", whole.ty().clone()).expect("input");
        let w = g.push(Op::Windows, &[input], dims(&[]), "").expect("node");
        let dtype = DType::F64;
        let w = g.push(Op::Convert, &[w], Attributes::Convert { dtype }, "");
        g.output("w", w.expect("node")).expect("output");
        let got = value(&g.finish().expect("graph"), &[whole]);
        assert_eq!(got, places.iter().map(|&i| i as f64).collect::<Vec<_>>());

        let w = random.tensor(&TensorType::f64(&of_windows[..]), (-1.0, 1.0));
        let mut sum = vec![0.0; numbers.len()];
        for (&i, w) in places.iter().zip(w.to_f64()) {
            sum[i] += w;
        }
        let full = dims(&shape[lead..]);
        check(
            Op::OverlapAdd,
            full.clone(),
            std::slice::from_ref(&w),
            &sum,
            1e-15,
        );
        check(Op::OverlapAdd, full, &[in_f32(&w)], &sum, 1e-6);
        let (left, right) = (inner(&want, &w.to_f64()), inner(&numbers, &sum));
        assert!(close(left, right, 1e-13), "{left} against {right}");
    }
}

fn convolved(x: &Tensor, k: &Tensor, c: &ConvolutionDimensions) -> Vec<f64> {
    let (xs, ks) = (&x.ty().shape, &k.ty().shape);
    let n = xs.len() - 2;
    let (step, gap) = (or_all(&c.strides, n, 1), or_all(&c.dilations, n, 1));
    let (low, high) = (or_all(&c.low, n, 0), or_all(&c.high, n, 0));
    let positions: Vec<u64> = (0..n)
        .map(|d| (xs[2 + d] + low[d] + high[d] - (ks[2 + d] - 1) * gap[d] - 1) / step[d] + 1)
        .collect();
    let groups = c.groups.max(1);
    let (xv, kv) = (x.to_f64(), k.to_f64());
    indices(&[&[xs[0], ks[0]], &positions[..]].concat())
        .iter()
        .map(|i| {
            let (batch, feature) = (i[0], i[1]);
            let group = feature / (ks[0] / groups);
            let mut sum = 0.0;
            for j in indices(&ks[1..]) {
                let place: Vec<u64> = (0..n)
                    .map(|d| i[2 + d] * step[d] + j[1 + d] * gap[d])
                    .collect();
                let channel = group * ks[1] + j[0];
                if let Some(from) = padded(xs, [batch, channel], &low, &place) {
                    sum += xv[from] * kv[at(ks, &[&[feature], &j[..]].concat())];
                }
            }
            sum
        })
        .collect()
}

#[test]
fn convolution_is_what_loops_give_with_every_attribute() {
    let mut random = Random(2);
    let mut cases = 0;
    for spatial in 0..=3usize {
        let size = |d: usize| [6, 5, 4][d];
        let window = |d: usize| [3, 2, 2][d];
        for groups in [0, 1, 2, 3] {
            for (strides, low, high, dilations) in [
                (&[][..], &[][..], &[][..], &[][..]),
                (&[2, 1, 2], &[], &[], &[]),
                (&[], &[1, 0, 2], &[0, 2, 1], &[]),
                (&[], &[], &[], &[2, 3, 1]),
                (&[3, 2, 1], &[2, 1, 0], &[1, 3, 1], &[2, 1, 3]),
            ] {
                let some = |list: &[u64]| list[..spatial.min(list.len())].to_vec();
                let dims = ConvolutionDimensions {
                    strides: some(strides),
                    low: some(low),
                    high: some(high),
                    dilations: some(dilations),
                    groups,
                };
                let groups = groups.max(1);
                let input: Vec<u64> = [2, 2 * groups]
                    .into_iter()
                    .chain((0..spatial).map(size))
                    .collect();
                let kernel: Vec<u64> = [3 * groups, 2]
                    .into_iter()
                    .chain((0..spatial).map(window))
                    .collect();
                let x = random.tensor(&TensorType::f64(&input[..]), (-1.0, 1.0));
                let k = random.tensor(&TensorType::f64(&kernel[..]), (-1.0, 1.0));
                let want = convolved(&x, &k, &dims);
                let attributes = Attributes::Convolution(dims);
                let narrow = [in_f32(&x), in_f32(&k)];
                check(Op::Convolution, attributes.clone(), &[x, k], &want, 1e-14);
                check(Op::Convolution, attributes, &narrow, &want, 2e-6);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 80);
    // Nothing in, nothing out; no channels, zeros.
    let empty = |x: &[u64], k: &[u64]| {
        let operands = [f64s(x, &[]), f64s(k, &[])];
        let dims = ConvolutionDimensions::default();
        result(Op::Convolution, &operands, Attributes::Convolution(dims))
    };
    assert_eq!(empty(&[2, 0, 4], &[3, 0, 2]), vec![0.0; 18]);
    let none = f64s(&[0, 1, 4], &[]);
    let kernel = f64s(&[1, 1, 2], &[1.0, 2.0]);
    let dims = Attributes::Convolution(ConvolutionDimensions::default());
    assert_eq!(result(Op::Convolution, &[none, kernel], dims), []);
}

fn pool(sizes: &[u64], strides: &[u64], low: &[u64], high: &[u64]) -> PoolDimensions {
    PoolDimensions {
        sizes: sizes.to_vec(),
        strides: strides.to_vec(),
        low: low.to_vec(),
        high: high.to_vec(),
    }
}

/// The elements inside of each window.
fn pooled(x: &Tensor, p: &PoolDimensions) -> Vec<Vec<f64>> {
    let shape = &x.ty().shape;
    let n = p.sizes.len();
    let step = match p.strides.is_empty() {
        true => p.sizes.clone(),
        false => p.strides.clone(),
    };
    let (low, high) = (or_all(&p.low, n, 0), or_all(&p.high, n, 0));
    let positions: Vec<u64> = (0..n)
        .map(|d| (shape[2 + d] + low[d] + high[d] - p.sizes[d]) / step[d] + 1)
        .collect();
    let numbers = x.to_f64();
    indices(&[&shape[..2], &positions[..]].concat())
        .iter()
        .map(|i| {
            let elements = indices(&p.sizes).into_iter().filter_map(|j| {
                let place: Vec<u64> = (0..n).map(|d| i[2 + d] * step[d] + j[d]).collect();
                padded(shape, [i[0], i[1]], &low, &place)
            });
            elements.map(|i| numbers[i]).collect()
        })
        .collect()
}

#[test]
fn pools_are_what_loops_give() {
    let mut random = Random(3);
    let cases: [(&[u64], PoolDimensions); 8] = [
        (&[2, 3, 7], pool(&[3], &[], &[], &[])),
        (&[1, 2, 7], pool(&[3], &[1], &[2], &[2])),
        (&[1, 1, 6], pool(&[2], &[3], &[1], &[])),
        (&[2, 1, 5, 6], pool(&[2, 3], &[], &[1, 0], &[0, 2])),
        (
            &[1, 2, 4, 3, 5],
            pool(&[2, 2, 2], &[1, 2, 3], &[1, 1, 1], &[1, 1, 1]),
        ),
        (&[3, 2], pool(&[], &[], &[], &[])),
        (&[0, 2, 5], pool(&[2], &[], &[1], &[1])),
        (&[1, 0, 5], pool(&[2], &[], &[], &[])),
    ];
    for (shape, dims) in cases {
        let x = random.tensor(&TensorType::f64(shape), (-1.0, 1.0));
        let windows = pooled(&x, &dims);
        let most: Vec<f64> = windows
            .iter()
            .map(|w| w.iter().copied().fold(-INF, f64::max))
            .collect();
        let mean: Vec<f64> = windows
            .iter()
            .map(|w| w.iter().sum::<f64>() / w.len() as f64)
            .collect();
        let narrow = [in_f32(&x)];
        let x = [x];
        let attributes = Attributes::Pool(dims);
        check(Op::MaxPool, attributes.clone(), &x, &most, 0.0);
        check(Op::AveragePool, attributes.clone(), &x, &mean, 1e-15);
        check(Op::MaxPool, attributes.clone(), &narrow, &most, 1e-7);
        check(Op::AveragePool, attributes.clone(), &narrow, &mean, 1e-6);
        for policy in [NonSmooth::Jax, NonSmooth::PyTorch, NonSmooth::Strict] {
            let graph = graph(Op::MaxPool, &x, attributes.clone());
            let one = derivative(&graph, &x, policy).expect("no ties");
            let other = derivative(&graph, &x, NonSmooth::Standard).expect("no ties");
            assert_eq!(one, other, "{policy:?} differs where nothing ties");
        }
    }
}

#[test]
fn pools_at_ties_nan_and_padding() {
    let pair = pool(&[3], &[1], &[1], &[1]);
    let attributes = Attributes::Pool(pair.clone());
    let max = |numbers: &[f64; 3]| {
        result(
            Op::MaxPool,
            &[f64s(&[1, 1, 3], numbers)],
            attributes.clone(),
        )
    };
    let mean = |numbers: &[f64; 3]| {
        result(
            Op::AveragePool,
            &[f64s(&[1, 1, 3], numbers)],
            attributes.clone(),
        )
    };
    assert_eq!(max(&[-1.0, -3.0, -2.0]), [-1.0, -1.0, -2.0]);
    assert_eq!(max(&[-INF, -INF, 1.0]), [-INF, 1.0, 1.0]);
    assert!(same(&max(&[1.0, NAN, 2.0]), &[NAN; 3], 0.0));
    assert!(same(&max(&[NAN, 1.0, 2.0]), &[NAN, NAN, 2.0], 0.0));
    assert_eq!(mean(&[2.0, 4.0, 9.0]), [3.0, 5.0, 6.5]);
    assert_eq!(mean(&[INF, 1.0, 2.0]), [INF, INF, 1.5]);
    // A window of padding alone has no mean, and gives nothing to any element.
    let far = Attributes::Pool(pool(&[1], &[1], &[1], &[0]));
    let one = [f64s(&[1, 1, 1], &[5.0])];
    assert!(same(
        &result(Op::AveragePool, &one, far.clone()),
        &[NAN, 5.0],
        0.0
    ));
    assert_eq!(result(Op::MaxPool, &one, far.clone()), [-INF, 5.0]);
    assert_eq!(
        jacobian(&graph(Op::MaxPool, &one, far), &one, None),
        [0.0, 1.0]
    );

    // 7 stands three times in a window of four.
    let x = [f64s(&[1, 1, 2, 2], &[1.0, 7.0, 7.0, 7.0])];
    let whole = Attributes::Pool(pool(&[2, 2], &[], &[], &[]));
    let tied = graph(Op::MaxPool, &x, whole);
    let third = 1.0 / 3.0;
    let slopes = |policy| derivative(&tied, &x, policy);
    assert_eq!(
        slopes(NonSmooth::Standard).expect("shares"),
        [0.0, third, third, third]
    );
    for policy in [NonSmooth::Jax, NonSmooth::PyTorch] {
        assert_eq!(
            slopes(policy).expect("the first"),
            [0.0, 1.0, 0.0, 0.0],
            "{policy:?}"
        );
    }
    let refused = slopes(NonSmooth::Strict).expect_err("a tie");
    assert!(
        matches!(&refused, Error::NonSmooth(culprit) if (culprit.op, culprit.node) == (Op::MaxPool, 0)),
        "{refused:?}"
    );
}

#[test]
fn wrong_inputs_are_told_place_and_repair() {
    let ty = |shape: &[u64]| TensorType::f64(shape);
    let bools = TensorType::new(DType::Bool, [4]);
    let whole = TensorType::new(DType::I64, [1, 1, 4]);
    let windows = |sizes: &[u64], strides: &[u64], dilations: &[u64], shape: &[u64]| {
        Attributes::Windows(WindowDimensions {
            sizes: sizes.to_vec(),
            strides: strides.to_vec(),
            dilations: dilations.to_vec(),
            shape: shape.to_vec(),
        })
    };
    let conv = |strides: &[u64], high: &[u64], groups| {
        Attributes::Convolution(ConvolutionDimensions {
            strides: strides.to_vec(),
            high: high.to_vec(),
            groups,
            ..ConvolutionDimensions::default()
        })
    };
    let pools = |sizes: &[u64], low: &[u64]| Attributes::Pool(pool(sizes, &[], low, &[]));
    let none = || Attributes::None;
    let line = Attributes::Interpolate {
        kind: InterpolationKind::Linear,
        extrapolation: Extrapolation::Constant,
    };
    let max = u64::MAX;
    type Wrong = (Op, Vec<TensorType>, Attributes, &'static str, &'static str);
    #[rustfmt::skip]
    let cases: Vec<Wrong> = vec![
        (Op::Windows, vec![ty(&[4])], windows(&[5], &[], &[], &[]), "", "pad it"),
        (Op::Windows, vec![ty(&[4])], windows(&[3], &[], &[max], &[]), "", "pad it"),
        (Op::Windows, vec![ty(&[4])], windows(&[0], &[], &[], &[]), "windows.sizes", "1 or more"),
        (Op::Windows, vec![ty(&[4])], windows(&[2], &[0], &[], &[]), "windows.strides", "1 or more"),
        (Op::Windows, vec![ty(&[4])], windows(&[2], &[1, 1], &[], &[]), "windows.strides", "one for each"),
        (Op::Windows, vec![ty(&[4])], windows(&[2], &[], &[0], &[]), "windows.dilations", "1 or more"),
        (Op::Windows, vec![ty(&[4])], windows(&[2, 2], &[], &[], &[]), "windows.sizes", "rank 1"),
        (Op::Windows, vec![ty(&[4])], windows(&[2], &[], &[], &[4]), "windows.shape", "leave it out"),
        (Op::OverlapAdd, vec![ty(&[3, 2])], windows(&[2], &[], &[], &[]), "windows.shape", "one for each"),
        (Op::OverlapAdd, vec![ty(&[3, 2])], windows(&[2], &[], &[], &[5]), "operands[0]", "[.., 4, 2]"),
        (Op::OverlapAdd, vec![bools.clone()], windows(&[], &[], &[], &[]), "operands[0]", "insert convert"),
        (Op::Convolution, vec![ty(&[1, 2, 4]), ty(&[1, 3, 2])], conv(&[], &[], 0), "operands", "channels / groups"),
        (Op::Convolution, vec![ty(&[1, 4, 4]), ty(&[3, 2, 2])], conv(&[], &[], 2), "operands", "divide both"),
        (Op::Convolution, vec![ty(&[1, 2, 4]), ty(&[1, 2])], conv(&[], &[], 0), "operands", "reshape"),
        (Op::Convolution, vec![ty(&[4]), ty(&[2])], conv(&[], &[], 0), "operands", "reshape"),
        (Op::Convolution, vec![whole.clone(), whole.clone()], conv(&[], &[], 0), "operands", "insert convert"),
        (Op::Convolution, vec![ty(&[1, 1, 4]), ty(&[1, 1, 5])], conv(&[], &[], 0), "", "pad it"),
        (Op::Convolution, vec![ty(&[1, 1, 4]), ty(&[1, 1, 2])], conv(&[0], &[], 0), "convolution.strides", "1 or more"),
        (Op::Convolution, vec![ty(&[1, 1, 4]), ty(&[1, 1, 2])], conv(&[], &[max], 0), "convolution.high", "overflows"),
        (Op::Convolution, vec![ty(&[1, 1, 4]), ty(&[1, 1, 2])], conv(&[], &[], max), "operands", "divide both"),
        (Op::MaxPool, vec![ty(&[4])], pools(&[2], &[]), "operands[0]", "reshape"),
        (Op::MaxPool, vec![ty(&[1, 1, 4])], pools(&[2, 2], &[]), "pool.sizes", "one for each"),
        (Op::MaxPool, vec![ty(&[1, 1, 4])], pools(&[5], &[]), "", "pad it"),
        (Op::AveragePool, vec![ty(&[1, 1, 4])], pools(&[0], &[]), "pool.sizes", "1 or more"),
        (Op::AveragePool, vec![ty(&[1, 1, 4])], pools(&[2], &[1, 1]), "pool.low", "one for each"),
        (Op::AveragePool, vec![whole.clone()], pools(&[2], &[]), "operands[0]", "insert convert"),
        (Op::Fft, vec![ty(&[4])], none(), "operands[0]", "use rfft"),
        (Op::Ifft, vec![ty(&[2])], none(), "operands[0]", "use rfft"),
        (Op::Fft, vec![whole.clone()], none(), "operands[0]", "insert convert"),
        (Op::Rfft, vec![ty(&[])], none(), "operands[0]", "reshape"),
        (Op::Irfft, vec![ty(&[3, 2])], Attributes::Fourier { length: 6 }, "fourier.length", "slice or pad"),
        (Op::Irfft, vec![ty(&[3, 2])], Attributes::Fourier { length: max }, "fourier.length", "slice or pad"),
        (Op::Interp1d, vec![ty(&[4]), ty(&[2, 2]), ty(&[4])], line.clone(), "operands[1]", "vector"),
        (Op::Interp1d, vec![ty(&[4]), ty(&[2]), ty(&[3])], line.clone(), "operands", "one value for each"),
        (Op::Interp1d, vec![ty(&[4]), ty(&[0]), ty(&[0])], line.clone(), "operands", "one knot at least"),
        (Op::Interp1d, vec![whole, ty(&[2]), ty(&[2])], line, "operands", "insert convert"),
        (Op::Bspline, vec![ty(&[4]), ty(&[5]), ty(&[3])], Attributes::BSpline { degree: 2 }, "operands[1]", "give 6"),
        (Op::Bspline, vec![ty(&[4]), ty(&[5]), ty(&[2])], Attributes::BSpline { degree: 2 }, "operands[2]", "more coefficients"),
        (Op::Bspline, vec![ty(&[4]), ty(&[5]), ty(&[2])], Attributes::BSpline { degree: u32::MAX }, "operands[2]", "more coefficients"),
    ];
    for (op, types, attributes, place, repair) in cases {
        let wrong = node(op, &types, attributes).err();
        let wrong = wrong.unwrap_or_else(|| panic!("{} of {types:?} passes", op.name()));
        let path = match place {
            "" => "nodes[0]: ".to_string(),
            place => format!("nodes[0].{place}: "),
        };
        assert!(
            wrong.starts_with(&path) && wrong.contains(repair),
            "{} of {types:?}: {wrong}",
            op.name()
        );
    }
    // Sizes that overflow where nothing is calculated.
    let huge = 1u64 << 19;
    let nothing = [tensor(&TensorType::f64([0, 1, huge, huge]), &[])];
    let all = Attributes::Pool(pool(&[huge, huge], &[], &[1, 1], &[]));
    for op in [Op::MaxPool, Op::AveragePool] {
        assert_eq!(result(op, &nothing, all.clone()), []);
    }
    let nothing = [tensor(&TensorType::f64([huge, huge, 0, huge]), &[])];
    assert_eq!(
        jacobian(&graph(Op::Rfft, &nothing, Attributes::None), &nothing, None),
        []
    );
}

/// 32 × 32 images of 16 channels under kernels of 3 × 3: the windows are written out once, nine numbers for each.
#[test]
fn an_images_convolution_takes_little_more_than_its_windows() {
    let (x, k) = (
        TensorType::f64([1, 16, 32, 32]),
        TensorType::f64([16, 16, 3, 3]),
    );
    let dims = ConvolutionDimensions {
        low: vec![1, 1],
        high: vec![1, 1],
        ..ConvolutionDimensions::default()
    };
    let graph = node(
        Op::Convolution,
        &[x.clone(), k.clone()],
        Attributes::Convolution(dims),
    );
    let graph = graph.expect("well-typed");
    let outputs = graph.float_outputs();
    let request = gradient_tests::engine::request(Product::Value { outputs }, Options::default());
    let program = gradient_engine::compile(&graph, &request).expect("compiles");
    let windows = 9 * x.bytes();
    let bytes = program.bytes(1);
    assert!(
        bytes <= 3 * windows,
        "{bytes} bytes, the windows are {windows}"
    );
}
