//! Windows, convolution, pools, Fourier transforms and interpolation: values against plain loops and recursions,
//! special points with their declared derivatives, empty tensors, f32, wrong input.

mod fourier;
mod pieces;
mod sweep;
mod wrong;

use gradient_engine::{
    Attributes, ConvolutionDimensions, DType, Error, Graph, Layout, Mode, NonSmooth, Op, Options,
    PoolDimensions, Product, Tensor, TensorType, WindowDimensions,
};
use gradient_tests::engine::{Random, evaluate, jacobian, numbers, tensor, value};
use gradient_tests::scenarios::{Draft, all};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// One node over inputs of these types.
fn graph(op: Op, attributes: Attributes, types: &[TensorType]) -> Graph {
    let mut g = Draft::new(op.name());
    let operands: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| g.0.input(format!("x{i}"), ty.clone()).expect("input"))
        .collect();
    let y = g.push(op, &operands, attributes);
    g.finish(y)
}

/// One node over operands of these shapes and numbers, and those.
fn case(
    dtype: DType,
    op: Op,
    attributes: Attributes,
    operands: &[(&[u64], &[f64])],
) -> (Graph, Vec<Tensor>) {
    let types: Vec<_> = operands
        .iter()
        .map(|(shape, _)| TensorType::new(dtype, *shape))
        .collect();
    let tensors = types.iter().zip(operands).map(|(ty, (_, x))| tensor(ty, x));
    let tensors = tensors.collect();
    (graph(op, attributes, &types), tensors)
}

fn run(op: Op, attributes: Attributes, operands: &[(&[u64], &[f64])]) -> Vec<f64> {
    let (graph, x) = case(DType::F64, op, attributes, operands);
    value(&graph, &x)
}

/// The Jacobian in both modes, which must be the same.
fn slopes(op: Op, attributes: Attributes, operands: &[(&[u64], &[f64])]) -> Vec<f64> {
    let (graph, x) = case(DType::F64, op, attributes, operands);
    let forward = jacobian(&graph, &x, Some(Mode::Forward));
    let reverse = jacobian(&graph, &x, Some(Mode::Reverse));
    assert_near(&forward, &reverse, 1e-13);
    forward
}

/// The Jacobian in these inputs under a policy.
fn under(
    non_smooth: NonSmooth,
    (graph, x): &(Graph, Vec<Tensor>),
    wrt: &[u32],
) -> Result<Vec<f64>, Error> {
    let product = Product::Jacobian {
        outputs: vec![0],
        wrt: wrt.to_vec(),
        layout: Layout::Dense,
    };
    let options = Options {
        non_smooth,
        ..Options::default()
    };
    evaluate(graph, product, options, x, &[]).map(|blocks| numbers(&blocks))
}

#[track_caller]
fn assert_refused(at: &(Graph, Vec<Tensor>), wrt: &[u32]) {
    match under(NonSmooth::Strict, at, wrt) {
        Err(Error::NonSmooth(culprit)) => {
            let node = &at.0.nodes().last().expect("a node");
            assert_eq!(culprit.op, node.op);
        }
        other => panic!("no refusal: {other:?}"),
    }
}

/// Two-sided; what is infinite or NaN must be the same.
#[track_caller]
fn assert_near(got: &[f64], want: &[f64], tolerance: f64) {
    let near = |(g, w): (&f64, &f64)| {
        g == w || g.is_nan() && w.is_nan() || (g - w).abs() <= tolerance * w.abs().max(1.0)
    };
    assert!(
        got.len() == want.len() && got.iter().zip(want).all(near),
        "{got:?} against {want:?}"
    );
}

/// f32 gives what f64 gives, to a few f32 roundings.
#[track_caller]
fn assert_f32(op: Op, attributes: &Attributes, operands: &[(&[u64], &[f64])], tolerance: f64) {
    let narrow: Vec<Vec<f64>> = operands
        .iter()
        .map(|(_, x)| x.iter().map(|&x| f64::from(x as f32)).collect())
        .collect();
    let operands: Vec<(&[u64], &[f64])> = operands
        .iter()
        .zip(&narrow)
        .map(|((shape, _), x)| (*shape, &x[..]))
        .collect();
    let of = |dtype| {
        let (graph, x) = case(dtype, op, attributes.clone(), &operands);
        (value(&graph, &x), jacobian(&graph, &x, Some(Mode::Reverse)))
    };
    let (got, want) = (of(DType::F32), of(DType::F64));
    assert_near(&got.0, &want.0, tolerance);
    assert_near(&got.1, &want.1, tolerance);
}

/// All indices of a shape in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &size in shape {
        let longer = |index: &Vec<usize>| {
            let index = index.clone();
            (0..size).map(move |i| [&index[..], &[i]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Where an index lies in a shape; `None` outside.
fn place(shape: &[usize], index: &[usize]) -> Option<usize> {
    let mut place = 0;
    for (&size, &i) in shape.iter().zip(index) {
        if i >= size {
            return None;
        }
        place = place * size + i;
    }
    Some(place)
}

fn entry(list: &[u64], d: usize, missing: u64) -> usize {
    list.get(d).copied().unwrap_or(missing) as usize
}

/// For every window the places of its elements in the tensor, `None` in the padding.
type Places = Vec<Vec<Option<usize>>>;

/// Windows over the last dimensions with padding before them: positions by trying all that might fit.
fn windows(
    shape: &[usize],
    sizes: &[u64],
    [strides, dilations, low, high]: [&[u64]; 4],
    default_stride: impl Fn(usize) -> u64,
) -> Places {
    let batch = shape.len() - sizes.len();
    let sizes: Vec<usize> = sizes.iter().map(|&n| n as usize).collect();
    let mut positions = shape[..batch].to_vec();
    for (d, &size) in sizes.iter().enumerate() {
        let full = shape[batch + d] + entry(low, d, 0) + entry(high, d, 0);
        let last = (size - 1) * entry(dilations, d, 1);
        let step = entry(strides, d, default_stride(d));
        positions.push((0..).take_while(|p| p * step + last < full).count());
    }
    let window = |position: &Vec<usize>| {
        indices(&sizes)
            .iter()
            .map(|within| {
                let mut index = position[..batch].to_vec();
                for (d, w) in within.iter().enumerate() {
                    let step = entry(strides, d, default_stride(d));
                    let at = position[batch + d] * step + w * entry(dilations, d, 1);
                    // Before the tensor it wraps to what lies behind any.
                    index.push(at.wrapping_sub(entry(low, d, 0)));
                }
                place(shape, &index)
            })
            .collect()
    };
    indices(&positions).iter().map(window).collect()
}

fn naive_convolution(
    c: &ConvolutionDimensions,
    [input, kernel]: [&[usize]; 2],
    x: &[f64],
    k: &[f64],
) -> Vec<f64> {
    let spatial: Vec<u64> = kernel[2..].iter().map(|&n| n as u64).collect();
    let lists = [&c.strides[..], &c.dilations, &c.low, &c.high];
    let windows = windows(&input[2..], &spatial, lists, |_| 1);
    let groups = c.groups.max(1) as usize;
    let (image, taps) = (
        input[2..].iter().product::<usize>(),
        kernel[2..].iter().product::<usize>(),
    );
    let mut out = vec![];
    for (b, f) in indices(&[input[0], kernel[0]]).iter().map(|i| (i[0], i[1])) {
        let group = f / (kernel[0] / groups);
        for window in &windows {
            let mut sum = 0.0;
            for channel in 0..kernel[1] {
                let from = (b * input[1] + group * kernel[1] + channel) * image;
                for (tap, place) in window.iter().enumerate() {
                    let weight = k[(f * kernel[1] + channel) * taps + tap];
                    sum += place.map_or(0.0, |place| x[from + place] * weight);
                }
            }
            out.push(sum);
        }
    }
    out
}

/// What the node makes of its operands by plain loops.
fn naive(op: Op, attributes: &Attributes, types: &[&TensorType], x: &[Vec<f64>]) -> Vec<f64> {
    let shape = types[0].shape.sizes();
    match attributes {
        Attributes::Windows(w) => {
            let lists = [&w.strides[..], &w.dilations, &[], &[]];
            if op == Op::Windows {
                let places = windows(&shape, &w.sizes, lists, |_| 1);
                let inside = |p: Option<usize>| x[0][p.expect("no padding")];
                return places.concat().into_iter().map(inside).collect();
            }
            let batch = shape.len() - 2 * w.sizes.len();
            let own = w.shape.iter().map(|&n| n as usize);
            let full: Vec<usize> = shape[..batch].iter().copied().chain(own).collect();
            let mut out = vec![0.0; full.iter().product()];
            let places = windows(&full, &w.sizes, lists, |_| 1).concat();
            assert_eq!(places.len(), x[0].len());
            for (place, x) in places.iter().zip(&x[0]) {
                out[place.expect("no padding")] += x;
            }
            out
        }
        Attributes::Convolution(c) => {
            naive_convolution(c, [&shape, &types[1].shape.sizes()], &x[0], &x[1])
        }
        Attributes::Pool(p) => {
            let lists = [&p.strides[..], &[], &p.low, &p.high];
            let reduce = |window: &Vec<Option<usize>>| {
                let inside: Vec<f64> = window.iter().flatten().map(|&p| x[0][p]).collect();
                match op {
                    Op::MaxPool => inside.iter().copied().fold(-INF, f64::max),
                    _ => inside.iter().sum::<f64>() / inside.len() as f64,
                }
            };
            let windows = windows(&shape, &p.sizes, lists, |d| p.sizes[d]);
            windows.iter().map(reduce).collect()
        }
        _ => panic!("{op:?}"),
    }
}

#[test]
fn values_equal_plain_loops() {
    let mut compared = 0;
    for scenario in all() {
        let is_ours = [
            Op::Windows,
            Op::OverlapAdd,
            Op::Convolution,
            Op::MaxPool,
            Op::AveragePool,
        ];
        if !is_ours.contains(&scenario.op) {
            continue;
        }
        let node = scenario.graph.nodes().last().expect("a node");
        let types: Vec<&TensorType> = scenario.graph.inputs().iter().map(|i| &i.ty).collect();
        let x = scenario.point(&mut Random(scenario.op.number().into()));
        let flat: Vec<Vec<f64>> = x.iter().map(Tensor::to_f64).collect();
        let want = naive(node.op, node.attributes, &types, &flat);
        assert_near(&value(&scenario.graph, &x), &want, 1e-13);
        compared += 1;
    }
    assert!(compared >= 29, "only {compared} scenarios compared");
}

fn pool(sizes: &[u64], strides: &[u64], low: &[u64], high: &[u64]) -> Attributes {
    Attributes::Pool(PoolDimensions {
        sizes: sizes.to_vec(),
        strides: strides.to_vec(),
        low: low.to_vec(),
        high: high.to_vec(),
    })
}

fn window(sizes: &[u64], shape: &[u64]) -> Attributes {
    Attributes::Windows(WindowDimensions {
        sizes: sizes.to_vec(),
        shape: shape.to_vec(),
        ..WindowDimensions::default()
    })
}

/// Windows [2 2] and [1 3]: the first ties.
#[test]
fn equal_maxima_share_or_the_first_has_it_by_policy() {
    let at = |x: &[f64]| {
        case(
            DType::F64,
            Op::MaxPool,
            pool(&[2], &[], &[], &[]),
            &[(&[1, 1, 4], x)],
        )
    };
    let ties = at(&[2.0, 2.0, 1.0, 3.0]);
    let shared = [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    assert_eq!(
        under(NonSmooth::Standard, &ties, &[0]).expect("jacobian"),
        shared
    );
    for policy in [NonSmooth::Jax, NonSmooth::PyTorch] {
        let first = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(under(policy, &ties, &[0]).expect("jacobian"), first);
        assert_eq!(value(&ties.0, &ties.1), [2.0, 3.0]);
    }
    assert_refused(&ties, &[0]);
    let apart = at(&[2.0, 1.0, 1.0, 3.0]);
    let chosen = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    assert_eq!(
        under(NonSmooth::Strict, &apart, &[0]).expect("smooth"),
        chosen
    );
}

#[test]
fn pools_at_special_numbers() {
    let max = |x: &[f64; 4]| run(Op::MaxPool, pool(&[2], &[], &[], &[]), &[(&[1, 1, 4], x)]);
    assert_near(&max(&[NAN, 1.0, 2.0, INF]), &[NAN, INF], 0.0);
    assert_near(&max(&[-INF, -INF, -INF, 2.0]), &[-INF, 2.0], 0.0);
    // The middle window of three holds all, the others two of three.
    let three: [(&[u64], &[f64]); 1] = [(&[1, 1, 3], &[1.0, 2.0, 6.0])];
    let around = pool(&[3], &[1], &[1], &[1]);
    assert_near(
        &run(Op::AveragePool, around.clone(), &three),
        &[1.5, 3.0, 4.0],
        1e-15,
    );
    let t = 1.0 / 3.0;
    let want = [0.5, 0.5, 0.0, t, t, t, 0.0, 0.5, 0.5];
    assert_near(&slopes(Op::AveragePool, around, &three), &want, 1e-15);
    // A window of padding alone has no maximum and no mean, and moves with nothing.
    let outside = pool(&[1], &[], &[1], &[]);
    let one: [(&[u64], &[f64]); 1] = [(&[1, 1, 1], &[7.0])];
    assert_near(&run(Op::MaxPool, outside.clone(), &one), &[-INF, 7.0], 0.0);
    assert_near(
        &slopes(Op::MaxPool, outside.clone(), &one),
        &[0.0, 1.0],
        0.0,
    );
    assert_near(&run(Op::AveragePool, outside, &one), &[NAN, 7.0], 0.0);
}

#[test]
fn of_nothing() {
    let conv = || Attributes::Convolution(ConvolutionDimensions::default());
    let none: &[f64] = &[];
    assert_eq!(
        run(
            Op::Convolution,
            conv(),
            &[(&[0, 1, 4], none), (&[1, 1, 2], &[1.0, 2.0])]
        ),
        none
    );
    // The sum over no channels is 0.
    let empty = run(
        Op::Convolution,
        conv(),
        &[(&[1, 0, 3], none), (&[2, 0, 2], none)],
    );
    assert_eq!(empty, [0.0; 4]);
    assert_eq!(
        run(
            Op::Convolution,
            conv(),
            &[(&[1, 1, 3], &[1.0; 3]), (&[0, 1, 2], none)]
        ),
        none
    );
    for op in [Op::MaxPool, Op::AveragePool] {
        let padded = pool(&[2], &[], &[1], &[1]);
        assert_eq!(run(op, padded, &[(&[2, 0, 4], none)]), none);
    }
    assert_eq!(
        run(Op::Windows, window(&[2], &[]), &[(&[0, 3], none)]),
        none
    );
    assert_eq!(
        run(Op::OverlapAdd, window(&[2], &[3]), &[(&[0, 2, 2], none)]),
        none
    );
    // No windowed dimension: the tensor itself.
    assert_eq!(run(Op::Windows, window(&[], &[]), &[(&[], &[3.0])]), [3.0]);
    assert_eq!(
        run(Op::OverlapAdd, window(&[], &[]), &[(&[], &[3.0])]),
        [3.0]
    );
}

#[test]
fn f32_follows_f64() {
    let mut random = Random(9);
    let mut draw = |n: u64| random.tensor(&TensorType::f64([n]), (-1.0, 1.0)).to_f64();
    let (x, k) = (draw(2 * 2 * 25), draw(4 * 9));
    let conv = Attributes::Convolution(ConvolutionDimensions {
        strides: vec![2, 1],
        low: vec![1, 0],
        high: vec![0, 2],
        dilations: vec![1, 2],
        groups: 2,
    });
    let operands: [(&[u64], &[f64]); 2] = [(&[2, 2, 5, 5], &x), (&[4, 1, 3, 3], &k)];
    assert_f32(Op::Convolution, &conv, &operands, 1e-6);
    let image = &operands[..1];
    for op in [Op::MaxPool, Op::AveragePool] {
        assert_f32(op, &pool(&[2, 3], &[1, 2], &[1, 1], &[0, 1]), image, 1e-6);
    }
    assert_f32(Op::Windows, &window(&[2, 2], &[]), image, 0.0);
    assert_f32(
        Op::OverlapAdd,
        &window(&[2], &[6]),
        &[(&[10, 5, 2], &x)],
        1e-6,
    );
}
