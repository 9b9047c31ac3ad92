//! Functions that run themselves.

use super::{answers, graph, near, scalars};
use gradient_engine::{
    Attributes, Control, DType, Direction, FunctionId, Graph, Op, Tensor, TensorType,
};
use gradient_tests::engine::{Random, gradient, hessian, tensor, value};
use gradient_tests::functions::{Write, function, integer, number, tuple_function};
use gradient_tests::scenarios::Draft;
use gradient_tests::scenarios::control::simpson;

/// F = ∫ e^(-a x) sin x dx from 0 to b, and its derivatives by a and b.
fn integral(a: f64, b: f64) -> (f64, [f64; 2], [f64; 4]) {
    let (s, c) = b.sin_cos();
    let (e, d) = ((-a * b).exp(), 1.0 + a * a);
    let n = 1.0 - e * (a * s + c);
    let n1 = b * e * (a * s + c) - e * s;
    let n2 = e * (2.0 * b * s - b * b * (a * s + c));
    let by_a = (n1 * d - 2.0 * a * n) / (d * d);
    let by_aa = n2 / d - 4.0 * a * n1 / (d * d) + n * (8.0 * a * a / d - 2.0) / (d * d);
    let mixed = -b * e * s;
    (n / d, [by_a, e * s], [by_aa, mixed, mixed, e * (c - a * s)])
}

#[test]
fn adaptive_simpson_has_the_integrals_derivatives() {
    let graph = graph(simpson(1e-12, 20), [("a", &[]), ("b", &[])], |g, [a, b]| {
        g.call(5, &[a, b])
    });
    for (a, b) in [(0.1, 3.0), (1.0, 0.5), (2.5, 6.0), (-0.4, 4.0)] {
        let got = answers(&graph, &scalars(&[a, b]), 1e-11, true);
        let (value, gradient, hessian) = integral(a, b);
        near(&[got.value], &[value], 1e-10);
        near(&got.gradient, &gradient, 1e-10);
        near(&got.hessian, &hessian, 1e-9);
    }
}

/// The determinant by minors along the first row that is left: a function of the matrix, the row and the columns
/// that are taken, as bits. Each column's part is a branch in a scan, and the minor the function itself.
fn by_minors(n: u64) -> Graph {
    let matrix = || TensorType::f64([n, n]);
    let parameters = || [matrix(), integer(), integer()];
    let minor = function("minor", parameters(), |f, [a, row, taken]| {
        let end = f.whole(n as i64);
        let more = f.compare(Direction::Lt, row, end);
        f.cond(&[1, 2], &[more, a, row, taken])
    });
    let one = function("one", parameters(), |f, [_, _, _]| f.real(1.0));
    let expand = function("expand", parameters(), |f, [a, row, taken]| {
        let list = |values: Vec<i64>| {
            let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let ty = TensorType::new(DType::I64, [n]);
            Attributes::Constant(Tensor::from_raw(ty, raw).expect("n integers").into())
        };
        let columns = f.node(Op::Constant, &[], list((0..n as i64).collect()), 1);
        let bits = f.node(Op::Constant, &[], list((0..n).map(|j| 1 << j).collect()), 1);
        let (zero, one) = (f.real(0.0), f.real(1.0));
        let control = Control::scan(FunctionId(3), n, 2, 2, false);
        let carries = [zero, one, columns, bits, a, row, taken];
        f.control(control, &carries, 2)[0]
    });
    let column = || {
        let i = integer;
        [number(), number(), i(), i(), matrix(), i(), i()]
    };
    let each = tuple_function("each", column(), |f, [sum, sign, j, bit, a, row, taken]| {
        let two = f.whole(2);
        let shifted = f.div(taken, bit);
        let used = f.plain(Op::Remainder, &[shifted, two]);
        let branches = vec![FunctionId(4), FunctionId(5)];
        let x = [used, sum, sign, j, bit, a, row, taken];
        f.control(Control::cond(branches), &x, 2)
    });
    let take = tuple_function("take", column(), |f, [sum, sign, j, bit, a, row, taken]| {
        let shape = || Attributes::Reshape { shape: vec![1] };
        let starts = [row, j].map(|v| f.node(Op::Reshape, &[v], shape(), 1));
        let join = Attributes::Concatenate { dimension: 0 };
        let starts = f.node(Op::Concatenate, &starts, join, 1);
        let sizes = Attributes::DynamicSlice { sizes: vec![1, 1] };
        let element = f.node(Op::DynamicSlice, &[a, starts], sizes, 1);
        let element = f.node(
            Op::Reshape,
            &[element],
            Attributes::Reshape { shape: vec![] },
            1,
        );
        let (one, with) = (f.whole(1), f.add(taken, bit));
        let next = f.add(row, one);
        let minor = f.call(0, &[a, next, with]);
        let product = f.mul(element, minor);
        let signed = f.mul(sign, product);
        vec![f.add(sum, signed), f.plain(Op::Negate, &[sign])]
    });
    let skip = tuple_function("skip", column(), |_, [sum, sign, ..]| vec![sum, sign]);
    // A bool chooses (false, true): at the end, and before it.
    let functions = vec![minor, one, expand, each, take, skip];
    graph(functions, [("a", &[n, n])], |g, [a]| {
        let (row, none) = (g.whole(0), g.whole(0));
        g.call(0, &[a, row, none])
    })
}

#[test]
fn a_determinant_by_minors_is_the_determinant() {
    for n in [1, 2, 3, 4] {
        let minors = by_minors(n);
        let mut draft = Draft::new("determinant");
        let a = draft.input("a", &[n, n]);
        let d = draft.op(Op::Determinant, &[a]);
        let direct = draft.finish(d);
        let mut random = Random(n);
        let x = [random.tensor(&TensorType::f64([n, n]), (-1.0, 1.0))];
        let got = answers(&minors, &x, 1e-12, true);
        near(&[got.value], &value(&direct, &x), 1e-12);
        near(&got.gradient, &gradient(&direct, &x), 1e-12);
        near(&got.hessian, &hessian(&direct, &x), 1e-12);
    }
    // Where elimination has to divide by zero, minors do not.
    let x = [tensor(&TensorType::f64([2, 2]), &[0.0, 0.0, 0.0, 3.0])];
    let got = answers(&by_minors(2), &x, 0.0, true);
    assert_eq!(
        (got.value, &got.gradient[..]),
        (0.0, &[3.0, 0.0, 0.0, 0.0][..])
    );
}
