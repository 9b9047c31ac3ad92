//! Convolution in every number of dimensions with every attribute, and sizes that people use.

use super::{assert_f32, assert_near, graph, naive_convolution, run};
use gradient_engine::{
    Attributes, ConvolutionDimensions, DType, Extrapolation, InterpolationKind, Op, Options,
    Product, TensorType, WindowDimensions, compile,
};
use gradient_tests::engine::{Random, gradient, request, tensor, value};
use gradient_tests::scenarios::Draft;

#[test]
fn convolutions_equal_plain_loops_with_every_attribute() {
    let mut random = Random(2);
    let mut cases = 0;
    // Strides, padding before and after, dilations.
    let choices: [[&[u64]; 4]; 5] = [
        [&[], &[], &[], &[]],
        [&[2, 1, 2], &[], &[], &[]],
        [&[], &[1, 0, 2], &[0, 2, 1], &[]],
        [&[], &[], &[], &[2, 3, 1]],
        [&[3, 2, 1], &[2, 1, 0], &[1, 3, 1], &[2, 1, 3]],
    ];
    for spatial in 0..=3usize {
        for groups in [0, 1, 2, 3] {
            for lists in choices {
                let [strides, low, high, dilations] =
                    lists.map(|list| list[..spatial.min(list.len())].to_vec());
                let dims = ConvolutionDimensions {
                    strides,
                    low,
                    high,
                    dilations,
                    groups,
                };
                let groups = groups.max(1);
                let input = [&[2, 2 * groups], &[6, 5, 4][..spatial]].concat();
                let kernel = [&[3 * groups, 2], &[3, 2, 2][..spatial]].concat();
                let mut draw = |shape: &[u64]| {
                    let ty = TensorType::f64(shape);
                    random.tensor(&ty, (-1.0, 1.0)).to_f64()
                };
                let (x, k) = (draw(&input), draw(&kernel));
                let sizes = [&input, &kernel]
                    .map(|shape| shape.iter().map(|&n| n as usize).collect::<Vec<_>>());
                let want = naive_convolution(&dims, [&sizes[0], &sizes[1]], &x, &k);
                let attributes = Attributes::Convolution(dims);
                let operands = [(&input[..], &x[..]), (&kernel[..], &k[..])];
                let got = run(Op::Convolution, attributes.clone(), &operands);
                assert_near(&got, &want, 1e-14);
                assert_f32(Op::Convolution, &attributes, &operands, 2e-6);
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 80);
}

/// 32 × 32 images of 16 channels under kernels of 3 × 3: the windows, nine numbers for each of the image, are written
/// out as they are and as the matrix that is multiplied, and no more.
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
    let windows = 9 * x.bytes();
    let graph = graph(Op::Convolution, Attributes::Convolution(dims), &[x, k]);
    let outputs = graph.float_outputs();
    let product = Product::Value { outputs };
    let program = compile(&graph, &request(product, Options::default())).expect("compiles");
    let bytes = program.bytes(1);
    assert!(
        (windows..3 * windows).contains(&bytes),
        "{bytes} bytes, the windows are {windows}"
    );
}

#[test]
fn windows_take_integers() {
    let mut g = Draft::new("integers");
    let ty = TensorType::new(DType::I64, [5]);
    let x = g.0.input("x", ty.clone()).expect("input");
    let dims = WindowDimensions {
        sizes: vec![2],
        strides: vec![2],
        dilations: vec![2],
        ..WindowDimensions::default()
    };
    let windows = g.push(Op::Windows, &[x], Attributes::Windows(dims));
    let dtype = DType::F64;
    let y = g.push(Op::Convert, &[windows], Attributes::Convert { dtype });
    let x = tensor(&ty, &[3.0, 1.0, 4.0, 1.0, 5.0]);
    assert_eq!(value(&g.finish(y), &[x]), [3.0, 4.0, 4.0, 5.0]);
}

/// A thousand queries among a thousand knots, all of them moving, in one gradient.
#[test]
fn many_queries_among_many_knots() {
    let n = 1000;
    let (flat, table) = (TensorType::f64([n]), TensorType::f64([10, 100]));
    let mut g = Draft::new("many");
    let q = g.0.input("q", table.clone()).expect("input");
    let [x, y] = ["x", "y"].map(|name| g.input(name, &[n]));
    let how = Attributes::Interpolate {
        kind: InterpolationKind::Cubic,
        extrapolation: Extrapolation::Constant,
    };
    let curve = g.push(Op::Interp1d, &[q, x, y], how);
    let all = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    let sum = g.push(Op::ReduceSum, &[curve], all);
    let graph = g.finish(sum);
    let knots: Vec<f64> = (0..n).map(|i| i as f64 / 1000.0).collect();
    let sine: Vec<f64> = knots.iter().map(|x| (6.0 * x).sin()).collect();
    // Away from the ends, where the natural spline does not bend as the sine does.
    let queries: Vec<f64> = (0..n)
        .map(|i| 0.05 + (i as f64 * 0.618_034).fract() * 0.9)
        .collect();
    let at = [
        tensor(&table, &queries),
        tensor(&flat, &knots),
        tensor(&flat, &sine),
    ];
    let want: f64 = queries.iter().map(|q| (6.0 * q).sin()).sum();
    let got = value(&graph, &at)[0];
    // The spline is within 5/384 h⁴ f⁗ of the sine, h = 0.001 and f⁗ = 1296; its slope within h³ f⁗ / 24.
    assert!(
        (got - want).abs() <= 1000.0 * 1.7e-11,
        "{got} against {want}"
    );
    for (q, slope) in queries.iter().zip(gradient(&graph, &at)) {
        let want = 6.0 * (6.0 * q).cos();
        assert!(
            (slope - want).abs() <= 5.4e-8,
            "at {q}: {slope} against {want}"
        );
    }
}
