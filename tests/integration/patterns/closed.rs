//! Patterns that are known.

use super::{positions, sparse_hessian, sparse_jacobian};
use gradient_engine::plan::structure;
use gradient_engine::{
    Control, Direction, FunctionId, FunctionSource, Graph, HvpMode, Mode, Op, Product, Tensor,
    TensorType, ValueId,
};
use gradient_tests::engine::Random;
use gradient_tests::functions::{Write, function, integer, number, tuple_function};
use gradient_tests::random_graphs::{element, pick};
use gradient_tests::scenarios::Draft;

fn vector(n: u64) -> TensorType {
    TensorType::f64([n])
}

fn graph(
    functions: Vec<FunctionSource>,
    n: u64,
    f: impl FnOnce(&mut Draft, ValueId) -> ValueId,
) -> Graph {
    let mut g = Draft::new("closed");
    g.functions(functions);
    let x = g.input("x", &[n]);
    let y = f(&mut g, x);
    g.finish(y)
}

/// Each element with the one `by` places on, the last ones with themselves.
fn shifted(w: &mut impl Write, x: ValueId, n: i64, by: i64) -> ValueId {
    let places: Vec<i64> = (0..n).map(|i| (i + by).clamp(0, n - 1)).collect();
    pick(w, x, &places)
}

/// `steps` steps of a stencil of three points, as a scan.
pub fn banded(n: u64, steps: u64) -> Graph {
    let stencil = function("stencil", [vector(n)], |f, [u]| {
        let left = shifted(f, u, n as i64, -1);
        let right = shifted(f, u, n as i64, 1);
        let sine = f.plain(Op::Sin, &[u]);
        let product = f.mul(left, sine);
        f.add(product, right)
    });
    graph(vec![stencil], n, |g, x| {
        let scan = Control::scan(FunctionId(0), steps, 1, 0, false);
        g.control(scan, &[x], 1)[0]
    })
}

/// Asserts that a Jacobian's pattern has exactly the entries where this holds.
fn assert_pattern(name: &str, graph: &Graph, holds: impl Fn(u32, u32) -> bool) {
    let pattern = structure(graph, &[0], &[0]).expect("small");
    for i in 0..pattern.rows() {
        let want: Vec<u32> = (0..pattern.columns()).filter(|&j| holds(i, j)).collect();
        assert_eq!(pattern.row(i), want, "{name}, row {i}");
    }
    // The answers are of that pattern, either way round.
    let mut random = Random(7);
    let x = [random.tensor(&graph.inputs()[0].ty, (-1.0, 1.0))];
    for mode in [Mode::Forward, Mode::Reverse] {
        let got = sparse_jacobian(graph, Some(mode), &x);
        let entries = got.there.iter().filter(|t| **t).count();
        assert_eq!(entries, pattern.entries(), "{name}, {mode:?}");
    }
}

fn assert_hessian(name: &str, graph: &Graph, holds: impl Fn(usize, usize) -> bool) {
    let mut random = Random(8);
    let x: [Tensor; 1] = [random.tensor(&graph.inputs()[0].ty, (-1.0, 1.0))];
    let n = x[0].to_f64().len();
    let all = (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
    let want: Vec<_> = all.filter(|&(i, j)| holds(i, j)).collect();
    for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
        let got = positions(&sparse_hessian(graph, mode, &x));
        assert_eq!(got, want, "{name}, {mode:?}");
    }
}

#[test]
fn steps_of_a_stencil_are_a_band_as_wide_as_there_are_steps() {
    for steps in [0, 1, 2, 5] {
        let band = banded(12, steps);
        let name = format!("{steps} steps");
        assert_pattern(&name, &band, |i, j| u64::from(i.abs_diff(j)) <= steps);
    }
}

#[test]
fn items_of_a_map_depend_on_their_own_items() {
    let item = function("item", [vector(3), number()], |f, [x, a]| {
        let turned = pick(f, x, &[2, 0, 1]);
        let product = f.mul(turned, x);
        f.mul(product, a)
    });
    let blocks = graph(vec![item], 12, |g, x| {
        let shape = vec![4, 3];
        let rows = g.push(
            Op::Reshape,
            &[x],
            gradient_engine::Attributes::Reshape { shape },
        );
        let a = g.real(0.5);
        let map = Control::scan(FunctionId(0), 4, 0, 1, false);
        g.control(map, &[rows, a], 1)[0]
    });
    assert_pattern("blocks", &blocks, |i, j| {
        let (own, turned) = (i % 3, [2, 0, 1][i as usize % 3]);
        i / 3 == j / 3 && (j % 3 == own || j % 3 == turned)
    });
    let square = function("square", [number()], |f, [x]| f.mul(x, x));
    let scalars = graph(vec![square], 50, |g, x| {
        let map = Control::scan(FunctionId(0), 50, 0, 1, true);
        g.control(map, &[x], 1)[0]
    });
    assert_pattern("scalars", &scalars, |i, j| i == j);
    let pattern = structure(&scalars, &[0], &[0]).expect("small");
    let colors = gradient_engine::plan::coloring::columns(&pattern, &pattern.transposed());
    assert_eq!(colors.map(|c| c.count), Some(1));
}

#[test]
fn what_all_items_see_all_depend_on() {
    let item = function("item", [number(), number()], |f, [x, a]| f.mul(x, a));
    let arrow = graph(vec![item], 9, |g, x| {
        let first = element(g, x, 0);
        let map = Control::scan(FunctionId(0), 9, 0, 1, false);
        g.control(map, &[x, first], 1)[0]
    });
    assert_pattern("arrow", &arrow, |i, j| i == j || j == 0);
}

#[test]
fn branches_are_united_and_what_chooses_is_not_there() {
    let n = 7;
    let branches = vec![
        function("own", [vector(n)], |f, [x]| f.plain(Op::Sin, &[x])),
        function("next", [vector(n)], |f, [x]| shifted(f, x, 7, 2)),
    ];
    let cond = graph(branches, n, |g, x| {
        let (a, b) = (element(g, x, 0), element(g, x, 3));
        let less = g.compare(Direction::Lt, a, b);
        g.cond(&[0, 1], &[less, x])
    });
    assert_pattern("cond", &cond, |i, j| i == j || (i + 2).min(6) == j);
}

#[test]
fn a_function_that_runs_itself_has_its_least_pattern() {
    let n = 6;
    let functions = vec![
        function("deep", [integer(), vector(n)], |f, [k, x]| {
            let zero = f.whole(0);
            let more = f.compare(Direction::Gt, k, zero);
            f.cond(&[1, 2], &[more, k, x])
        }),
        function("stop", [integer(), vector(n)], |f, [_, x]| {
            f.plain(Op::Sin, &[x])
        }),
        function("deeper", [integer(), vector(n)], |f, [k, x]| {
            let one = f.whole(1);
            let less = f.sub(k, one);
            let next = shifted(f, x, 6, 2);
            let cosine = f.plain(Op::Cos, &[next]);
            f.call(0, &[less, cosine])
        }),
    ];
    let deep = graph(functions, n, |g, x| {
        let depth = g.whole(3);
        g.call(0, &[depth, x])
    });
    // An even number of places on, or the last, which is where all shifts end.
    assert_pattern("recursion", &deep, |i, j| {
        j >= i && (j - i) % 2 == 0 || j == 5
    });
}

#[test]
fn a_while_reaches_what_any_number_of_steps_reaches() {
    let n = 6;
    let functions = vec![
        function("more", [integer(), vector(n), vector(n)], |f, [k, _, _]| {
            let four = f.whole(4);
            f.compare(Direction::Lt, k, four)
        }),
        tuple_function("step", [integer(), vector(n), vector(n)], |f, [k, x, b]| {
            let one = f.whole(1);
            let next = shifted(f, x, 6, 1);
            let product = f.mul(next, b);
            vec![f.add(k, one), product]
        }),
    ];
    // b is constant, so only the carry counts.
    let loops = graph(functions.clone(), n, |g, x| {
        let zero = g.whole(0);
        let b = g.constant(gradient_tests::engine::tensor(&vector(n), &[0.5; 6]));
        let control = Control::while_loop(FunctionId(0), FunctionId(1), 0);
        g.control(control, &[zero, x, b], 2)[1]
    });
    assert_pattern("while", &loops, |i, j| j >= i);
    let both = graph(functions, n, |g, x| {
        let zero = g.whole(0);
        let own = element(g, x, 5);
        let ones = g.constant(gradient_tests::engine::tensor(&vector(n), &[1.0; 6]));
        let begin = g.mul(own, ones);
        let control = Control::while_loop(FunctionId(0), FunctionId(1), 0);
        g.control(control, &[zero, begin, x], 2)[1]
    });
    // Of b, what was multiplied in on the way.
    assert_pattern("while, closed over", &both, |i, j| j >= i);
}

#[test]
fn outputs_of_a_scan_depend_on_the_past_only() {
    let n = 8;
    let sum = tuple_function("sum", [number(), number()], |f, [c, u]| {
        let both = f.mul(c, u);
        let both = f.add(both, u);
        vec![both, both]
    });
    for reverse in [false, true] {
        let past = graph(vec![sum.clone()], n, |g, x| {
            let begin = g.real(1.0);
            let scan = Control::scan(FunctionId(0), n, 1, 1, reverse);
            g.control(scan, &[begin, x], 2)[1]
        });
        assert_pattern("past", &past, |i, j| if reverse { j >= i } else { j <= i });
    }
    let delay = tuple_function("delay", [number(), number(), number()], |f, [a, b, u]| {
        let sine = f.plain(Op::Sin, &[b]);
        vec![u, a, sine]
    });
    let delayed = graph(vec![delay], n, |g, x| {
        let begin = g.real(1.0);
        let scan = Control::scan(FunctionId(0), n, 2, 1, false);
        g.control(scan, &[begin, begin, x], 3)[2]
    });
    assert_pattern("delay", &delayed, |i, j| j + 2 == i);
}

#[test]
fn scans_that_are_too_long_are_loops_of_any_number_of_steps() {
    let swap = tuple_function("swap", [number(), number()], |_, [a, b]| vec![b, a]);
    for (steps, fill) in [(1000, 2), (1 << 24, 4)] {
        let swapped = graph(vec![swap.clone()], 2, |g, x| {
            let (a, b) = (element(g, x, 0), element(g, x, 1));
            let scan = Control::scan(FunctionId(0), steps, 2, 0, false);
            let ends = g.control(scan, &[a, b], 2);
            let ends = ends.into_iter().map(|end| {
                let shape = vec![1];
                g.push(
                    Op::Reshape,
                    &[end],
                    gradient_engine::Attributes::Reshape { shape },
                )
            });
            let ends: Vec<ValueId> = ends.collect();
            let dimension = 0;
            g.push(
                Op::Concatenate,
                &ends,
                gradient_engine::Attributes::Concatenate { dimension },
            )
        });
        let pattern = structure(&swapped, &[0], &[0]).expect("small");
        assert_eq!(pattern.entries(), fill, "{steps} steps");
    }
}

#[test]
fn hessians_through_loops_are_as_sparse_as_what_they_sum() {
    // Rosenbrock's function, one term a step: Σ (x[t] - x[t - 1]²)².
    let term = tuple_function(
        "term",
        [number(), number(), number()],
        |f, [before, sum, x]| {
            let square = f.mul(before, before);
            let off = f.sub(x, square);
            let term = f.mul(off, off);
            vec![x, f.add(sum, term)]
        },
    );
    let n = 10;
    let rosenbrock = graph(vec![term], n, |g, x| {
        let (begin, zero) = (g.real(1.0), g.real(0.0));
        let scan = Control::scan(FunctionId(0), n, 2, 1, false);
        g.control(scan, &[begin, zero, x], 2)[1]
    });
    assert_hessian("scan", &rosenbrock, |i, j| i.abs_diff(j) <= 1);
    let item = function("item", [vector(2)], |f, [x]| {
        let (a, b) = (element(f, x, 0), element(f, x, 1));
        let sine = f.plain(Op::Sin, &[a]);
        f.mul(sine, b)
    });
    let separable = graph(vec![item], 8, |g, x| {
        let shape = vec![4, 2];
        let rows = g.push(
            Op::Reshape,
            &[x],
            gradient_engine::Attributes::Reshape { shape },
        );
        let map = Control::scan(FunctionId(0), 4, 0, 1, false);
        let items = g.control(map, &[rows], 1)[0];
        g.sum(items)
    });
    // sin(a) b is linear in b.
    let blocks =
        |i: usize, j: usize| i / 2 == j / 2 && (i.is_multiple_of(2) || j.is_multiple_of(2));
    assert_hessian("map", &separable, blocks);
    let functions = vec![
        function("more", [integer(), vector(6)], |f, [k, _]| {
            let two = f.whole(2);
            f.compare(Direction::Lt, k, two)
        }),
        tuple_function("step", [integer(), vector(6)], |f, [k, x]| {
            let one = f.whole(1);
            vec![f.add(k, one), f.plain(Op::Sin, &[x])]
        }),
    ];
    let elementwise = graph(functions, 6, |g, x| {
        let zero = g.whole(0);
        let control = Control::while_loop(FunctionId(0), FunctionId(1), 0);
        let y = g.control(control, &[zero, x], 2)[1];
        g.sum(y)
    });
    assert_hessian("while", &elementwise, |i, j| i == j);
}

#[test]
fn derivatives_inside_functions_have_their_pattern() {
    let n = 7;
    let chain = function("chain", [vector(n)], |f, [x]| {
        let next = shifted(f, x, 7, 1);
        let product = f.mul(x, next);
        let product = f.mul(product, x);
        f.sum(product)
    });
    let gradient = graph(vec![chain], n, |g, x| {
        let product = Product::Gradient {
            output: 0,
            wrt: vec![0],
        };
        g.derivative(0, product, &[], &[x], 1)[0]
    });
    assert_pattern("gradient", &gradient, |i, j| i.abs_diff(j) <= 1);
}
