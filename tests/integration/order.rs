//! Sorting, searching and moving elements: values against plain loops, and what is declared at ties, NaN, edges and
//! for wrong inputs.

use gradient_engine::{
    Attributes, Block, DType, Error, Graph, GraphBuilder, Layout, Limits, Method, NonSmooth, Op,
    Options, OutOfBounds, Product, ScatterDimensions, Tensor, TensorType, ValueId,
};
use gradient_tests::engine::{Random, close, evaluate, gradient, numbers, tensor};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// A graph of one node whose results are all outputs.
fn node(op: Op, types: &[TensorType], attributes: Attributes) -> Result<Graph, String> {
    let mut g = GraphBuilder::new("node", Limits::default());
    let inputs: Vec<ValueId> = (0..types.len())
        .map(|i| g.input(format!("x{i}"), types[i].clone()).expect("input"))
        .collect();
    let first = g.push(op, &inputs, attributes, "").map_err(|wrong| {
        let place = wrong.path();
        format!("{place}: {wrong}")
    })?;
    let results = match op {
        Op::Sort => types.len() as u32,
        Op::TopK => 2,
        _ => 1,
    };
    for i in 0..results {
        let value = ValueId(first.0 + i);
        g.output(&format!("y{i}"), value).expect("output");
    }
    Ok(g.finish().expect("graph"))
}

fn results(op: Op, attributes: Attributes, operands: &[Tensor], method: Method) -> Vec<Tensor> {
    let types: Vec<TensorType> = operands.iter().map(|t| t.ty().clone()).collect();
    let graph = node(op, &types, attributes).expect("well-typed");
    let outputs = (0..graph.outputs().len() as u32).collect();
    let options = Options {
        method,
        ..Options::default()
    };
    let product = Product::Value { outputs };
    let blocks = evaluate(&graph, product, options, operands, &[]).expect("value");
    blocks.into_iter().map(|b: Block| b.tensor).collect()
}

fn same(got: &[f64], want: &[f64]) -> bool {
    let equal = |(g, w): (&f64, &f64)| g == w || g.is_nan() && w.is_nan();
    got.len() == want.len() && got.iter().zip(want).all(equal)
}

/// Checks every result against numbers, by the engine and by dual numbers.
fn check(op: Op, attributes: &Attributes, operands: &[Tensor], want: &[Vec<f64>]) {
    for method in [Method::Exact, Method::Dual] {
        let got = results(op, attributes.clone(), operands, method);
        assert_eq!(got.len(), want.len(), "{}", op.name());
        for (got, want) in got.iter().zip(want) {
            let got = got.to_f64();
            assert!(
                same(&got, want),
                "{} {method:?} {attributes:?} of {operands:?} gives\n{got:?}, not\n{want:?}",
                op.name()
            );
        }
    }
}

/// For each place in order the element that stands there: as many as precede an element, or equal it and come first.
fn order(keys: &[f64], descending: bool) -> Vec<usize> {
    let precedes = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (true, _) => false,
        (false, true) => true,
        _ if descending => a > b,
        _ => a < b,
    };
    let mut from = vec![0; keys.len()];
    for (i, &key) in keys.iter().enumerate() {
        let before = |j: usize| {
            let other = keys[j];
            precedes(other, key) || j < i && !precedes(key, other)
        };
        let place = (0..keys.len()).filter(|&j| j != i && before(j)).count();
        from[place] = i;
    }
    from
}

/// Places of each line's elements along a dimension.
fn lines(shape: &[u64], axis: usize) -> Vec<Vec<usize>> {
    let size = |s: &[u64]| s.iter().product::<u64>() as usize;
    let (outer, n, inner) = (
        size(&shape[..axis]),
        shape[axis] as usize,
        size(&shape[axis + 1..]),
    );
    let line = |o: usize, i: usize| (0..n).map(|k| (o * n + k) * inner + i).collect();
    (0..outer)
        .flat_map(|o| (0..inner).map(move |i| line(o, i)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn sorted_values_and_places_equal_a_plain_count() {
    let mut random = Random(11);
    let special = [NAN, INF, -INF, 0.0, -0.0, 1.5];
    for shape in [
        &[7u64][..],
        &[300],
        &[3, 5],
        &[2, 4, 3],
        &[1],
        &[0],
        &[2, 0],
        &[0, 3],
    ] {
        for dtype in [DType::F64, DType::F32, DType::I64] {
            let ty = TensorType::new(dtype, shape);
            // Few different numbers, so that there are ties, and what does not compare.
            let keys: Vec<f64> = (0..ty.elements())
                .map(|_| match (random.within((0.0, 9.0)) as usize, dtype) {
                    (k, DType::F64 | DType::F32) if k < 6 => special[k],
                    _ => random.within((-3.0, 3.0)).trunc(),
                })
                .collect();
            let other: Vec<f64> = (0..ty.elements()).map(|i| i as f64).collect();
            let flag: Vec<f64> = other.iter().map(|i| f64::from(i % 3.0 == 0.0)).collect();
            let operands = [
                tensor(&ty, &keys),
                tensor(&TensorType::new(DType::F32, shape), &other),
                tensor(&TensorType::new(DType::Bool, shape), &flag),
                tensor(&TensorType::new(DType::I64, shape), &other),
            ];
            for axis in 0..shape.len() {
                for descending in [false, true] {
                    let mut want = vec![keys.clone(), other.clone(), flag.clone(), other.clone()];
                    let mut places = other.clone();
                    for line in lines(shape, axis) {
                        let own: Vec<f64> = line.iter().map(|&p| keys[p]).collect();
                        for (k, from) in order(&own, descending).into_iter().enumerate() {
                            let all = [&keys, &other, &flag, &other];
                            for (want, all) in want.iter_mut().zip(all) {
                                want[line[k]] = all[line[from]];
                            }
                            places[line[k]] = from as f64;
                        }
                    }
                    let axis = axis as u32;
                    let by = Attributes::Sort { axis, descending };
                    check(Op::Sort, &by, &operands, &want);
                    check(Op::Argsort, &by, &operands[..1], &[places]);
                }
            }
            let size = *shape.last().expect("a dimension");
            for k in [0, 1, size / 2, size] {
                if k > size {
                    continue;
                }
                let (mut values, mut places) = (vec![], vec![]);
                for line in lines(shape, shape.len() - 1) {
                    let own: Vec<f64> = line.iter().map(|&p| keys[p]).collect();
                    let best = order(&own, true).into_iter().take(k as usize);
                    for from in best {
                        values.push(own[from]);
                        places.push(from as f64);
                    }
                }
                let largest = Attributes::TopK { k };
                check(Op::TopK, &largest, &operands[..1], &[values, places]);
            }
        }
    }
}

/// Integers that f64 cannot tell apart.
#[test]
fn large_integers_sort_exactly() {
    let keys = [i64::MAX, i64::MIN, i64::MAX - 1, 0, i64::MIN + 1];
    let raw = keys.iter().flat_map(|k| k.to_le_bytes()).collect();
    let operand = Tensor::from_raw(TensorType::new(DType::I64, [5]), raw).expect("tensor");
    for (descending, want) in [
        (false, [1.0, 4.0, 3.0, 2.0, 0.0]),
        (true, [0.0, 2.0, 3.0, 4.0, 1.0]),
    ] {
        let by = Attributes::Sort {
            axis: 0,
            descending,
        };
        check(
            Op::Argsort,
            &by,
            std::slice::from_ref(&operand),
            &[want.to_vec()],
        );
    }
}

#[test]
fn queries_count_the_values_before_them() {
    let sorted = [-INF, -1.0, 0.0, 0.0, 2.5, INF];
    let queries = [-INF, -2.0, -1.0, -0.0, 0.0, 1.0, 2.5, 7.0, INF, NAN];
    for dtype in [DType::F64, DType::F32] {
        for right in [false, true] {
            let before =
                |q: f64| sorted.iter().filter(|&&v| v < q || right && v == q).count() as f64;
            let operands = [
                tensor(&TensorType::new(dtype, [6]), &sorted),
                tensor(&TensorType::new(dtype, [2, 5]), &queries),
            ];
            let want = queries.map(before).to_vec();
            let attributes = Attributes::SearchSorted { right };
            check(Op::SearchSorted, &attributes, &operands, &[want]);
        }
    }
    let i64s = |shape: &[u64], v: &[f64]| tensor(&TensorType::new(DType::I64, shape), v);
    let right = Attributes::SearchSorted { right: true };
    type Case<'a> = (&'a [f64], &'a [u64], &'a [f64], &'a [f64]);
    let cases: [Case<'_>; 3] = [
        (&[1.0, 1.0, 3.0], &[], &[1.0], &[2.0]),
        (&[], &[2], &[1.0, -5.0], &[0.0, 0.0]),
        (&[1.0], &[0], &[], &[]),
    ];
    for (sorted, shape, queries, want) in cases {
        let operands = [i64s(&[sorted.len() as u64], sorted), i64s(shape, queries)];
        check(Op::SearchSorted, &right, &operands, &[want.to_vec()]);
    }
}

#[test]
fn windows_are_moved_inside() {
    for dtype in DType::ALL {
        let x: Vec<f64> = (0..12).map(|i| f64::from(i % 5)).collect();
        let x = tensor(&TensorType::new(dtype, [3, 4]), &x);
        let numbers = x.to_f64();
        let update = tensor(
            &TensorType::new(dtype, [2, 3]),
            &[1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
        );
        for start in [[0, 0], [1, 1], [-7, 1], [9, -1], [1, 400]] {
            let inside = [start[0].clamp(0, 1) as usize, start[1].clamp(0, 1) as usize];
            let at = |i: usize, j: usize| (inside[0] + i) * 4 + inside[1] + j;
            let (mut slice, mut updated) = (vec![], numbers.clone());
            for i in 0..2 {
                for j in 0..3 {
                    slice.push(numbers[at(i, j)]);
                    updated[at(i, j)] = update.element(i * 3 + j);
                }
            }
            let starts = start.map(f64::from);
            let starts = tensor(&TensorType::new(DType::I64, [2]), &starts);
            let sizes = Attributes::DynamicSlice { sizes: vec![2, 3] };
            check(
                Op::DynamicSlice,
                &sizes,
                &[x.clone(), starts.clone()],
                &[slice],
            );
            let operands = [x.clone(), update.clone(), starts];
            check(
                Op::DynamicUpdateSlice,
                &Attributes::None,
                &operands,
                &[updated],
            );
        }
    }
}

#[test]
fn reversed_tiled_and_hot_rows_equal_plain_loops() {
    let x: Vec<f64> = (0..24).map(f64::from).collect();
    for dtype in [DType::F64, DType::F32, DType::I64] {
        let operand = [tensor(&TensorType::new(dtype, [2, 3, 4]), &x)];
        for bits in 0..8u32 {
            let dimensions: Vec<u32> = (0..3).filter(|d| bits >> d & 1 == 1).rev().collect();
            let turn = |d: u32, n: usize, i: usize| {
                if dimensions.contains(&d) {
                    n - 1 - i
                } else {
                    i
                }
            };
            let mut want = vec![];
            for i in 0..2 {
                for j in 0..3 {
                    for k in 0..4 {
                        want.push(x[(turn(0, 2, i) * 3 + turn(1, 3, j)) * 4 + turn(2, 4, k)]);
                    }
                }
            }
            let attributes = Attributes::Reverse { dimensions };
            check(Op::Reverse, &attributes, &operand, &[want]);
        }
        let mut want = vec![];
        for i in 0..4 {
            for j in 0..3 {
                for k in 0..12 {
                    want.push(x[((i % 2) * 3 + j) * 4 + k % 4]);
                }
            }
        }
        let repeats = vec![2, 1, 3];
        check(Op::Tile, &Attributes::Tile { repeats }, &operand, &[want]);
        let index = [tensor(
            &TensorType::new(DType::I64, [2, 2]),
            &[2.0, -1.0, 0.0, 3.0],
        )];
        let hot = Attributes::OneHot { depth: 3, dtype };
        let want = [0., 0., 1., 0., 0., 0., 1., 0., 0., 0., 0., 0.];
        check(Op::OneHot, &hot, &index, &[want.to_vec()]);
    }
}

/// Lines without elements are not run through, however many there are.
#[test]
fn no_elements_in_large_dimensions() {
    let shape = [0, 1 << 14, 1 << 14];
    let x = [tensor(&TensorType::f64(shape), &[])];
    let dimensions = vec![1, 0];
    check(
        Op::Reverse,
        &Attributes::Reverse { dimensions },
        &x,
        &[vec![]],
    );
    let by = Attributes::Sort {
        axis: 1,
        descending: false,
    };
    let types = [TensorType::f64([1 << 14, 1 << 14, 0])];
    for axis in [0, 1, 2] {
        let by = Attributes::Sort {
            axis,
            descending: true,
        };
        let graph = node(Op::Sort, &types, by).expect("well-typed");
        assert_eq!(
            gradient_tests::engine::value(&graph, &[tensor(&types[0], &[])]),
            [0.0; 0]
        );
    }
    let graph = node(Op::Argsort, &[x[0].ty().clone()], by).expect("well-typed");
    let product = Product::Value { outputs: vec![0] };
    let blocks = evaluate(&graph, product, Options::default(), &x, &[]).expect("value");
    assert_eq!(numbers(&blocks), [0.0; 0]);
}

fn rows(out_of_bounds: OutOfBounds) -> Attributes {
    Attributes::Scatter(ScatterDimensions {
        update_window_dims: vec![1],
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: 1,
        out_of_bounds,
    })
}

/// Rows 1, 1, 9, -4, 2: outside means the last row and the first, or nothing.
#[test]
fn the_last_of_several_updates_stays() {
    let updates: Vec<f64> = (0..10).map(|i| f64::from(i) + 100.0).collect();
    let places = [1.0, 1.0, 9.0, -4.0, 2.0];
    for dtype in DType::ALL {
        let number = |x: f64| {
            if dtype == DType::Bool {
                f64::from(x % 3.0 == 0.0)
            } else {
                x
            }
        };
        let x: Vec<f64> = (0..8).map(|i| number(f64::from(i))).collect();
        let updates: Vec<f64> = updates.iter().map(|&u| number(u)).collect();
        for (out_of_bounds, last) in [
            (OutOfBounds::Clamp, [3, 1, 4, 2]),
            (OutOfBounds::Drop, [9, 1, 4, 9]),
        ] {
            let mut want = x.clone();
            for (row, &update) in last.iter().enumerate().filter(|&(_, &u)| u < 9) {
                want[2 * row..2 * row + 2].copy_from_slice(&updates[2 * update..2 * update + 2]);
            }
            let operands = [
                tensor(&TensorType::new(dtype, [4, 2]), &x),
                tensor(&TensorType::new(DType::I64, [5]), &places),
                tensor(&TensorType::new(dtype, [5, 2]), &updates),
            ];
            check(Op::Scatter, &rows(out_of_bounds), &operands, &[want]);
        }
    }
}

/// The Jacobian of output 0 by all floating-point inputs, block after block.
fn jacobian(graph: &Graph, point: &[Tensor], options: Options) -> Result<Vec<f64>, Error> {
    let product = Product::Jacobian {
        outputs: vec![0],
        wrt: graph.float_inputs(),
        layout: Layout::Dense,
    };
    evaluate(graph, product, options, point, &[]).map(|blocks| numbers(&blocks))
}

#[test]
fn what_was_written_over_has_no_derivative() {
    let f64s = |shape: &[u64], v: &[f64]| tensor(&TensorType::f64(shape), v);
    let types = [
        TensorType::f64([3, 1]),
        TensorType::new(DType::I64, [4]),
        TensorType::f64([4, 1]),
    ];
    let graph = node(Op::Scatter, &types, rows(OutOfBounds::Drop)).expect("well-typed");
    let point = [
        f64s(&[3, 1], &[1.0, 2.0, 3.0]),
        tensor(&types[1], &[2.0, 0.0, 2.0, 5.0]),
        f64s(&[4, 1], &[NAN, 5.0, INF, 7.0]),
    ];
    #[rustfmt::skip]
    let want = [
        0., 0., 0.,   0., 1., 0.,   0., 0., 0.,
        0., 1., 0., 0.,   0., 0., 0., 0.,   0., 0., 1., 0.,
    ];
    for mode in [
        gradient_engine::Mode::Forward,
        gradient_engine::Mode::Reverse,
    ] {
        let options = Options {
            mode: Some(mode),
            ..Options::default()
        };
        assert_eq!(
            jacobian(&graph, &point, options).expect("jacobian"),
            want,
            "{mode:?}"
        );
    }
}

fn policy(non_smooth: NonSmooth) -> Options {
    Options {
        non_smooth,
        ..Options::default()
    }
}

/// Keys 2 1 2 2 1 sorted: [1 1 2 2 2], of which each has its share.
#[test]
fn equal_keys_share_or_keep_their_derivative_by_policy() {
    let types = [TensorType::f64([5]), TensorType::f64([5])];
    let by = Attributes::Sort {
        axis: 0,
        descending: false,
    };
    let graph = node(Op::Sort, &types, by).expect("well-typed");
    let keys = tensor(&types[0], &[2.0, 1.0, 2.0, 2.0, 1.0]);
    let other = tensor(&types[0], &[0.5, 1.5, 2.5, 3.5, 4.5]);
    let point = [keys, other];
    let (h, t) = (0.5, 1.0 / 3.0);
    #[rustfmt::skip]
    let shared = [
        0., h, 0., 0., h,
        0., h, 0., 0., h,
        t, 0., t, t, 0.,
        t, 0., t, t, 0.,
        t, 0., t, t, 0.,
    ];
    let permuted: Vec<f64> = [1, 4, 0, 2, 3]
        .iter()
        .flat_map(|&from| (0..5).map(move |i| f64::from(u8::from(i == from))))
        .collect();
    let dual = Options {
        method: Method::Dual,
        ..Options::default()
    };
    for options in [Options::default(), dual] {
        let got = jacobian(&graph, &point, options).expect("jacobian");
        let off = got[..25].iter().zip(&shared);
        assert!(off.clone().all(|(g, w)| close(*g, *w, 1e-15)), "{got:?}");
        // The keys do not move with what is alongside.
        assert_eq!(got[25..], [0.0; 25]);
        let alongside = Product::Jacobian {
            outputs: vec![1],
            wrt: vec![1],
            layout: Layout::Dense,
        };
        let blocks = evaluate(&graph, alongside, Options::default(), &point, &[]);
        assert_eq!(numbers(&blocks.expect("jacobian")), permuted);
    }
    for as_there in [NonSmooth::Jax, NonSmooth::PyTorch] {
        let got = jacobian(&graph, &point, policy(as_there)).expect("jacobian");
        assert_eq!(got[..25], permuted);
    }
}

/// Of 3 1 3 2 2 the largest two are the threes; the third and fourth would tie with each other.
#[test]
fn ties_matter_to_the_largest_only_where_they_are_among_them() {
    let x = [tensor(&TensorType::f64([5]), &[3.0, 1.0, 3.0, 2.0, 2.0])];
    let with = |k: u64, at: usize, options: Options| {
        let graph =
            node(Op::TopK, &[x[0].ty().clone()], Attributes::TopK { k }).expect("well-typed");
        jacobian(&graph, &x, options).map(|rows| rows[5 * at..5 * at + 5].to_vec())
    };
    let dual = Options {
        method: Method::Dual,
        ..Options::default()
    };
    for options in [Options::default(), dual] {
        let row = |k, at| with(k, at, options.clone()).expect("jacobian");
        assert_eq!(row(1, 0), [0.5, 0.0, 0.5, 0.0, 0.0]);
        assert_eq!(row(3, 1), [0.5, 0.0, 0.5, 0.0, 0.0]);
        assert_eq!(row(3, 2), [0.0, 0.0, 0.0, 0.5, 0.5]);
        assert_eq!(row(5, 4), [0.0, 1.0, 0.0, 0.0, 0.0]);
    }
    assert_eq!(
        with(1, 0, policy(NonSmooth::Jax)).expect("jacobian"),
        [1.0, 0.0, 0.0, 0.0, 0.0]
    );
    assert!(matches!(
        with(1, 0, policy(NonSmooth::Strict)),
        Err(Error::NonSmooth(_))
    ));

    let apart = [tensor(&TensorType::f64([5]), &[3.0, 1.0, 4.0, 2.0, 2.0])];
    let strict = |k: u64| {
        let graph =
            node(Op::TopK, &[apart[0].ty().clone()], Attributes::TopK { k }).expect("well-typed");
        jacobian(&graph, &apart, policy(NonSmooth::Strict))
    };
    let two = [0., 0., 1., 0., 0., 1., 0., 0., 0., 0.];
    assert_eq!(strict(2).expect("smooth: the tie is below"), two);
    for k in [3, 4, 5] {
        assert!(matches!(strict(k), Err(Error::NonSmooth(culprit)) if culprit.op == Op::TopK));
    }
}

#[test]
fn strict_sorting_refuses_ties_of_moving_keys() {
    let types = [TensorType::f64([2, 3]), TensorType::f64([2, 3])];
    let by = Attributes::Sort {
        axis: 1,
        descending: true,
    };
    let graph = node(Op::Sort, &types, by).expect("well-typed");
    let other = tensor(&types[1], &[0.0; 6]);
    let distinct = [
        tensor(&types[0], &[1.0, 2.0, 3.0, 3.0, 2.0, 1.0]),
        other.clone(),
    ];
    assert!(jacobian(&graph, &distinct, policy(NonSmooth::Strict)).is_ok());
    let ties = [tensor(&types[0], &[1.0, 2.0, 3.0, 3.0, 0.0, -0.0]), other];
    let refused = jacobian(&graph, &ties, policy(NonSmooth::Strict)).expect_err("a tie");
    let Error::NonSmooth(culprit) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((culprit.op, culprit.node), (Op::Sort, 0));
    // With keys that stand still everything is smooth.
    let alongside = Product::Jacobian {
        outputs: vec![1],
        wrt: vec![1],
        layout: Layout::Dense,
    };
    assert!(evaluate(&graph, alongside, policy(NonSmooth::Strict), &ties, &[]).is_ok());
}

#[test]
fn extrema_share_under_every_policy_and_strictly_refuse() {
    for op in [Op::ReduceMax, Op::ReduceMin] {
        let attributes = Attributes::Reduce {
            axes: vec![1],
            keep_dims: false,
        };
        let types = [TensorType::f64([2, 2])];
        let graph = node(op, &types, attributes).expect("well-typed");
        let ties = [tensor(&types[0], &[4.0, 4.0, 4.0, 4.0])];
        let shared = [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5];
        for as_there in [NonSmooth::Standard, NonSmooth::Jax, NonSmooth::PyTorch] {
            let got = jacobian(&graph, &ties, policy(as_there)).expect("jacobian");
            assert_eq!(got, shared, "{as_there:?}");
        }
        let refused = jacobian(&graph, &ties, policy(NonSmooth::Strict)).expect_err("a tie");
        assert!(
            matches!(refused, Error::NonSmooth(culprit) if (culprit.op, culprit.node) == (op, 0))
        );
        // The same number in another row is no tie.
        let apart = [tensor(&types[0], &[1.0, 4.0, 4.0, 1.0])];
        assert!(jacobian(&graph, &apart, policy(NonSmooth::Strict)).is_ok());
    }
}

/// Σ w_i x_(i) for 1000 numbers: the gradient is the weights in the numbers' order, exactly.
#[test]
fn a_weighted_sum_of_order_statistics_has_its_weights_as_gradient() {
    const N: usize = 1000;
    for dtype in [DType::F64, DType::F32] {
        let ty = TensorType::new(dtype, [N as u64]);
        let weights: Vec<f64> = (0..N).map(|i| (i % 64) as f64 / 64.0 - 0.5).collect();
        let mut g = gradient_tests::scenarios::Draft::new("statistics");
        let x = g.0.input("x", ty.clone()).expect("input");
        let by = Attributes::Sort {
            axis: 0,
            descending: false,
        };
        let sorted = g.push(Op::Sort, &[x], by);
        let w = g.constant(tensor(&ty, &weights));
        let product = g.op(Op::Multiply, &[sorted, w]);
        let everything = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        let sum = g.push(Op::ReduceSum, &[product], everything);
        let graph = g.finish(sum);
        let point = Random(3).tensor(&ty, (-1.0, 1.0));
        let mut keys = point.to_f64();
        let from = order(&keys, false);
        keys.sort_by(f64::total_cmp);
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "no ties");
        let mut want = vec![0.0; N];
        from.iter().zip(&weights).for_each(|(&i, &w)| want[i] = w);
        assert_eq!(gradient(&graph, &[point]), want, "{dtype:?}");
    }
}

#[test]
fn wrong_inputs_are_told_place_and_repair() {
    let (f64s, i64s, bools) = (DType::F64, DType::I64, DType::Bool);
    let ty = |dtype: DType, shape: &[u64]| TensorType::new(dtype, shape);
    let sort = |axis| Attributes::Sort {
        axis,
        descending: false,
    };
    let sizes = |sizes: &[u64]| Attributes::DynamicSlice {
        sizes: sizes.to_vec(),
    };
    let tile = |repeats: &[u64]| Attributes::Tile {
        repeats: repeats.to_vec(),
    };
    let right = Attributes::SearchSorted { right: true };
    let reverse = |d: &[u32]| Attributes::Reverse {
        dimensions: d.to_vec(),
    };
    let hot = |dtype| Attributes::OneHot { depth: 3, dtype };
    let (x, m, starts) = (ty(f64s, &[3]), ty(f64s, &[2, 3]), ty(i64s, &[2]));
    type Wrong<'a> = (Op, Vec<&'a TensorType>, Attributes, &'a str, &'a str);
    let (flags, single, scalar, whole) = (
        ty(bools, &[3]),
        ty(DType::F32, &[3]),
        ty(f64s, &[]),
        ty(i64s, &[3]),
    );
    let none = Attributes::None;
    let cases: Vec<Wrong<'_>> = vec![
        (
            Op::Sort,
            vec![&flags],
            sort(0),
            "operands[0]",
            "insert convert",
        ),
        (Op::Sort, vec![&x], sort(1), "sort.axis", "rank 1"),
        (Op::Sort, vec![&scalar], sort(0), "sort.axis", "rank 0"),
        (
            Op::Sort,
            vec![&x, &m],
            sort(0),
            "operands[1]",
            "broadcast_in_dim",
        ),
        (Op::Argsort, vec![&x], sort(7), "sort.axis", "rank 1"),
        (
            Op::Argsort,
            vec![&flags],
            sort(0),
            "operands[0]",
            "insert convert",
        ),
        (
            Op::TopK,
            vec![&scalar],
            Attributes::TopK { k: 1 },
            "operands[0]",
            "insert reshape",
        ),
        (
            Op::TopK,
            vec![&flags],
            Attributes::TopK { k: 1 },
            "operands[0]",
            "insert convert",
        ),
        (
            Op::TopK,
            vec![&m],
            Attributes::TopK { k: 4 },
            "top_k.k",
            "take 3 at most",
        ),
        (
            Op::DynamicSlice,
            vec![&m, &x],
            sizes(&[1, 1]),
            "operands[1]",
            "convert to i64",
        ),
        (
            Op::DynamicSlice,
            vec![&m, &whole],
            sizes(&[1, 1]),
            "operands[1]",
            "one vector [2]",
        ),
        (
            Op::DynamicSlice,
            vec![&m, &starts],
            sizes(&[1]),
            "dynamic_slice.sizes",
            "rank 2",
        ),
        (
            Op::DynamicSlice,
            vec![&m, &starts],
            sizes(&[1, 4]),
            "dynamic_slice.sizes",
            "size 3",
        ),
        (
            Op::DynamicUpdateSlice,
            vec![&m, &x, &starts],
            none.clone(),
            "operands[1]",
            "one rank",
        ),
        (
            Op::DynamicUpdateSlice,
            vec![&x, &single, &starts],
            none.clone(),
            "operands[2]",
            "one vector [1]",
        ),
        (
            Op::DynamicUpdateSlice,
            vec![&m, &flags, &starts],
            none,
            "operands[1]",
            "insert convert",
        ),
        (
            Op::Reverse,
            vec![&m],
            reverse(&[2]),
            "reverse.dimensions",
            "rank 2",
        ),
        (
            Op::Reverse,
            vec![&m],
            reverse(&[0, 0]),
            "reverse.dimensions",
            "twice",
        ),
        (Op::Tile, vec![&m], tile(&[2]), "tile.repeats", "rank 2"),
        (
            Op::Tile,
            vec![&m],
            tile(&[u64::MAX, 1]),
            "tile.repeats",
            "too large",
        ),
        (
            Op::OneHot,
            vec![&x],
            hot(f64s),
            "operands[0]",
            "convert to i64",
        ),
        (
            Op::OneHot,
            vec![&whole],
            hot(bools),
            "one_hot.dtype",
            "use f64",
        ),
        (
            Op::SearchSorted,
            vec![&m, &x],
            right.clone(),
            "operands[0]",
            "give a vector",
        ),
        (
            Op::SearchSorted,
            vec![&x, &single],
            right.clone(),
            "operands[1]",
            "insert convert",
        ),
        (
            Op::SearchSorted,
            vec![&flags, &flags],
            right,
            "operands[0]",
            "insert convert",
        ),
        (
            Op::Scatter,
            vec![&m, &starts, &x],
            rows(OutOfBounds::Clamp),
            "scatter.update_window_dims",
            "rank 1",
        ),
    ];
    for (op, types, attributes, place, repair) in cases {
        let types: Vec<TensorType> = types.into_iter().cloned().collect();
        let wrong = node(op, &types, attributes).err();
        let wrong = wrong.unwrap_or_else(|| panic!("{} of {types:?} passes", op.name()));
        assert!(
            wrong.starts_with(&format!("nodes[0].{place}: ")) && wrong.contains(repair),
            "{}: {wrong}",
            op.name()
        );
    }
    // A result beyond every limit is refused before anything is allocated.
    let wide = node(
        Op::OneHot,
        &[ty(i64s, &[3])],
        Attributes::OneHot {
            depth: 1 << 40,
            dtype: f64s,
        },
    );
    assert!(wide.is_err_and(|wrong| wrong.contains("max_elements")));
}
