//! Attributes that no graph can have: of each that can be wrong, a wrong value.

use super::graphs::{FIRST, INDICES, MATRIX, X, Y, nodes, reshape, with};
use super::{Call, Case, cases};
use gradient_proto::v1 as pb;
use gradient_tests::wire::node_with;
use pb::{Op, node::Attributes as A};

/// A node on x in another shape, once or twice.
fn reshaped(shape: &[u64], operands: usize, op: Op, attributes: A) -> Call {
    nodes(vec![
        node_with(Op::Reshape, &[X], reshape(shape)),
        node_with(op, &vec![FIRST; operands], attributes),
    ])
}

fn norm(kind: i32, axes: &[u32]) -> A {
    let axes = axes.to_vec();
    A::Norm(Box::new(pb::Norm {
        kind,
        axes,
        keep_dims: false,
    }))
}

fn einsum(equation: &str) -> A {
    A::Einsum(Box::new(pb::Einsum {
        equation: equation.into(),
    }))
}

fn one_hot(depth: u64, dtype: i32) -> A {
    A::OneHot(Box::new(pb::OneHot { depth, dtype }))
}

fn convolve(wrong: pb::Convolution) -> Call {
    reshaped(
        &[1, 1, 3],
        2,
        Op::Convolution,
        A::Convolution(Box::new(wrong)),
    )
}

fn pool(wrong: pb::Pool) -> Call {
    let whole = A::Pool(Box::new(wrong));
    reshaped(&[1, 1, 3], 1, Op::MaxPool, whole)
}

fn windows(op: Op, wrong: pb::Windows) -> Call {
    let wrong = A::Windows(Box::new(wrong));
    match op {
        Op::OverlapAdd => reshaped(&[3, 1], 1, op, wrong),
        _ => with(op, &[X], wrong),
    }
}

fn interpolate(kind: i32, extrapolation: i32) -> Call {
    let how = pb::Interpolate {
        kind,
        extrapolation,
    };
    with(Op::Interp1d, &[X, X, X], A::Interpolate(Box::new(how)))
}

/// One row, three columns, entries in the last two.
fn pattern() -> pb::SparsePattern {
    pb::SparsePattern {
        row_count: 1,
        column_count: 3,
        rows: vec![0, 0, 0],
        columns: vec![0, 1, 2],
        transpose: false,
    }
}

fn sparse(wrong: pb::SparsePattern) -> Call {
    with(Op::SparseMatvec, &[X, X], A::SparsePattern(Box::new(wrong)))
}

fn scatter(wrong: pb::Scatter) -> Call {
    with(
        Op::ScatterAdd,
        &[MATRIX, INDICES, MATRIX],
        A::Scatter(Box::new(wrong)),
    )
}

/// Whole rows.
fn rows() -> pb::Scatter {
    pb::Scatter {
        update_window_dims: vec![1],
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: 1,
        out_of_bounds: 0,
    }
}

/// What no value of makes a graph wrong by itself: any goes, or operands are named that do not fit.
const NEVER_WRONG: [&str; 17] = [
    "integer_pow.exponent",
    "variance.ddof",
    "diagonal.offset",
    "while.max_iterations",
    "implicit_root.max_iterations",
    "fixed_point.max_iterations",
    "linear_solve.max_iterations",
    "scan.length",
    "scan.sequences",
    "map.length",
    "map.sequences",
    "convolution.groups",
    "b_spline.degree",
    "fourier.length",
    "one_hot.depth",
    "sparse_pattern.row_count",
    "sparse_pattern.column_count",
];

/// Every attribute of every operation has a row with a wrong value, and the row names it.
#[test]
fn every_attribute_has_a_wrong_value() {
    let set = gradient_proto::FILE_DESCRIPTOR_SET;
    let pool = prost_reflect::DescriptorPool::decode(set).expect("descriptors");
    let node = pool.get_message_by_name("gradient.v1.Node").expect("Node");
    let attributes = node.oneofs().next().expect("attributes");
    let table = super::table();
    let mut missing = Vec::new();
    for attribute in attributes.fields() {
        let message = attribute.kind();
        let message = message.as_message().expect("a message for each kind");
        for field in message.fields() {
            let path = format!("{}.{}", attribute.name(), field.name());
            let is_bool = matches!(field.kind(), prost_reflect::Kind::Bool);
            let at = format!("].{path}");
            let named = |case: &Case| {
                case.path.find(&at).is_some_and(|i| {
                    !case.path[i + at.len()..]
                        .starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            };
            if is_bool || NEVER_WRONG.contains(&path.as_str()) || table.iter().any(named) {
                continue;
            }
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "no row: {}", missing.join(", "));
}

pub fn cases() -> Vec<Case> {
    let mut all = reductions();
    all.extend(places());
    all.extend(signal());
    all
}

fn reductions() -> Vec<Case> {
    let variance = |axes: &[u32]| {
        A::Variance(Box::new(pb::Variance {
            axes: axes.to_vec(),
            keep_dims: false,
            ddof: 0,
        }))
    };
    let arg = |axis| {
        A::ArgReduce(Box::new(pb::ArgReduce {
            axis,
            keep_dims: false,
        }))
    };
    let cumulative = |axis| {
        A::Cumulative(Box::new(pb::Cumulative {
            axis,
            reverse: false,
        }))
    };
    let softmax = |axis| A::Softmax(Box::new(pb::Softmax { axis }));
    cases! {
        "variance beyond": with(Op::ReduceVariance, &[MATRIX], variance(&[2])) => InvalidArgument at "graph.nodes[0].variance.axes", "rank 2";
        "norm beyond": with(Op::Norm, &[MATRIX], norm(2, &[5])) => InvalidArgument at "graph.nodes[0].norm.axes", "rank 2";
        "norm of no kind": with(Op::Norm, &[X], norm(99, &[])) => InvalidArgument at "graph.nodes[0].norm.kind", "99";
        "largest along beyond": with(Op::Argmax, &[X], arg(1)) => InvalidArgument at "graph.nodes[0].arg_reduce.axis", "rank 1";
        "smallest of a scalar": with(Op::Argmin, &[Y], arg(0)) => InvalidArgument at "graph.nodes[0].arg_reduce.axis", "rank 0";
        "running sum beyond": with(Op::Cumsum, &[X], cumulative(3)) => InvalidArgument at "graph.nodes[0].cumulative.axis", "rank 1";
        "running product of a scalar": with(Op::Cumprod, &[Y], cumulative(0)) => InvalidArgument at "graph.nodes[0].cumulative.axis", "rank 0";
        "softmax beyond": with(Op::Softmax, &[X], softmax(1)) => InvalidArgument at "graph.nodes[0].softmax.axis", "rank 1";
        "log_softmax beyond": with(Op::LogSoftmax, &[X], softmax(1)) => InvalidArgument at "graph.nodes[0].softmax.axis", "rank 1";
        "equation of one term": with(Op::Einsum, &[X, X], einsum("i")) => InvalidArgument at "graph.nodes[0].einsum.equation", "terms";
        "equation of other sizes": with(Op::Einsum, &[MATRIX, MATRIX], einsum("ij,ji->")) => InvalidArgument at "graph.nodes[0].einsum.equation", "'j'";
    }
}

fn places() -> Vec<Case> {
    let tile = |repeats: &[u64]| {
        A::Tile(Box::new(pb::Tile {
            repeats: repeats.to_vec(),
        }))
    };
    let reverse = |dimensions: &[u32]| {
        A::Reverse(Box::new(pb::Reverse {
            dimensions: dimensions.to_vec(),
        }))
    };
    let dynamic = |sizes: &[u64]| {
        A::DynamicSlice(Box::new(pb::DynamicSlice {
            sizes: sizes.to_vec(),
        }))
    };
    let sort = |axis| {
        A::Sort(Box::new(pb::Sort {
            axis,
            descending: false,
        }))
    };
    let top = |k| A::TopK(Box::new(pb::TopK { k }));
    let start = || vec![node_with(Op::Reshape, &[INDICES], reshape(&[2]))];
    let at_start = |sizes: &[u64]| {
        let mut all = start();
        all.push(node_with(
            Op::DynamicSlice,
            &[MATRIX, FIRST],
            dynamic(sizes),
        ));
        nodes(all)
    };
    let pad = |low: &[u64], high: &[u64], interior: &[u64]| {
        A::Pad(Box::new(pb::Pad {
            low: low.to_vec(),
            high: high.to_vec(),
            interior: interior.to_vec(),
        }))
    };
    cases! {
        "pad without high": with(Op::Pad, &[X, Y], pad(&[0], &[], &[])) => InvalidArgument at "graph.nodes[0].pad.high", "rank 1";
        "pad within two dimensions": with(Op::Pad, &[X, Y], pad(&[0], &[0], &[1, 1])) => InvalidArgument at "graph.nodes[0].pad.interior", "rank 1";
        "tiled along too few": with(Op::Tile, &[MATRIX], tile(&[2])) => InvalidArgument at "graph.nodes[0].tile.repeats", "rank 2";
        "tiled beyond all memory": with(Op::Tile, &[X], tile(&[u64::MAX])) => InvalidArgument at "graph.nodes[0].tile.repeats", "too large";
        "reversed beyond": with(Op::Reverse, &[X], reverse(&[1])) => InvalidArgument at "graph.nodes[0].reverse.dimensions", "rank 1";
        "reversed twice": with(Op::Reverse, &[X], reverse(&[0, 0])) => InvalidArgument at "graph.nodes[0].reverse.dimensions", "named twice";
        "dynamic slice of one size": at_start(&[1]) => InvalidArgument at "graph.nodes[1].dynamic_slice.sizes", "rank 2";
        "dynamic slice too wide": at_start(&[1, 4]) => InvalidArgument at "graph.nodes[1].dynamic_slice.sizes", "4";
        "sorted beyond": with(Op::Sort, &[X], sort(1)) => InvalidArgument at "graph.nodes[0].sort.axis", "rank 1";
        "order of a scalar": with(Op::Argsort, &[Y], sort(0)) => InvalidArgument at "graph.nodes[0].sort.axis", "rank 0";
        "four largest of three": with(Op::TopK, &[X], top(4)) => InvalidArgument at "graph.nodes[0].top_k.k", "3";
        "one_hot without a type": with(Op::OneHot, &[INDICES], one_hot(3, 0)) => InvalidArgument at "graph.nodes[0].one_hot.dtype", "set DTYPE_F64";
        "one_hot of an unknown type": with(Op::OneHot, &[INDICES], one_hot(3, 77)) => InvalidArgument at "graph.nodes[0].one_hot.dtype", "77";
        "one_hot beyond all memory": with(Op::OneHot, &[INDICES], one_hot(u64::MAX, 1)) => InvalidArgument at "graph.nodes[0]", "overflows";
        "inserted beyond": scatter(pb::Scatter { inserted_window_dims: vec![9], ..rows() }) => InvalidArgument at "graph.nodes[0].scatter.inserted_window_dims", "";
        "scattered index vector beyond": scatter(pb::Scatter { index_vector_dim: 5, ..rows() }) => InvalidArgument at "graph.nodes[0].scatter.index_vector_dim", "rank 2";
        "scattered out of unknown bounds": scatter(pb::Scatter { out_of_bounds: 9, ..rows() }) => InvalidArgument at "graph.nodes[0].scatter.out_of_bounds", "set CLAMP or DROP";
    }
}

fn signal() -> Vec<Case> {
    let degree = |degree| A::BSpline(Box::new(pb::BSpline { degree }));
    let fourier = |length| A::Fourier(Box::new(pb::Fourier { length }));
    let (w, o) = (Op::Windows, Op::OverlapAdd);
    let two = || pb::Pool {
        sizes: vec![2],
        ..pb::Pool::default()
    };
    let of_two = || pb::Windows {
        sizes: vec![2],
        ..pb::Windows::default()
    };
    cases! {
        "window of no size": windows(w, pb::Windows { sizes: vec![0], ..pb::Windows::default() }) => InvalidArgument at "graph.nodes[0].windows.sizes", "use 1 or more";
        "window steps of 0": windows(w, pb::Windows { strides: vec![0], ..of_two() }) => InvalidArgument at "graph.nodes[0].windows.strides", "use 1 or more";
        "window dilated by 0": windows(w, pb::Windows { dilations: vec![0], ..of_two() }) => InvalidArgument at "graph.nodes[0].windows.dilations", "use 1 or more";
        "windows of a shape": windows(w, pb::Windows { shape: vec![3], ..of_two() }) => InvalidArgument at "graph.nodes[0].windows.shape", "leave it out";
        "overlapping without a shape": windows(o, pb::Windows { sizes: vec![1], ..pb::Windows::default() }) => InvalidArgument at "graph.nodes[1].windows.shape", "entries";
        "convolution of two strides": convolve(pb::Convolution { strides: vec![1, 1], ..Default::default() }) => InvalidArgument at "graph.nodes[1].convolution.strides", "2 entries";
        "convolution padded before in two": convolve(pb::Convolution { low: vec![0, 0], ..Default::default() }) => InvalidArgument at "graph.nodes[1].convolution.low", "2 entries";
        "convolution padded in two": convolve(pb::Convolution { high: vec![0, 0], ..Default::default() }) => InvalidArgument at "graph.nodes[1].convolution.high", "2 entries";
        "convolution dilated by 0": convolve(pb::Convolution { dilations: vec![0], ..Default::default() }) => InvalidArgument at "graph.nodes[1].convolution.dilations", "use 1 or more";
        "convolution in two groups": convolve(pb::Convolution { groups: 2, ..Default::default() }) => InvalidArgument at "graph.nodes[1].operands", "channels";
        "pool of no size": pool(pb::Pool::default()) => InvalidArgument at "graph.nodes[1].pool.sizes", "entries";
        "pool steps of 0": pool(pb::Pool { strides: vec![0], ..two() }) => InvalidArgument at "graph.nodes[1].pool.strides", "use 1 or more";
        "pool padded in two": pool(pb::Pool { low: vec![0, 0], ..two() }) => InvalidArgument at "graph.nodes[1].pool.low", "entries";
        "pool padded after in two": pool(pb::Pool { high: vec![0, 0], ..two() }) => InvalidArgument at "graph.nodes[1].pool.high", "entries";
        "numbers that pairs do not give": reshaped(&[3, 1], 1, Op::Irfft, fourier(4)) => InvalidArgument at "graph.nodes[1].operands[0]", "pairs";
        "more numbers than pairs": with(Op::Irfft, &[MATRIX], fourier(4)) => InvalidArgument at "graph.nodes[0].operands[0]", "pairs";
        "curve of no kind": interpolate(99, 0) => InvalidArgument at "graph.nodes[0].interpolate.kind", "99";
        "curve that ends in no way": interpolate(0, 99) => InvalidArgument at "graph.nodes[0].interpolate.extrapolation", "99";
        "spline of a degree without knots": with(Op::Bspline, &[X, X, X], degree(3)) => InvalidArgument at "graph.nodes[0].operands[2]", "degree";
        "sparse rows beyond": sparse(pb::SparsePattern { rows: vec![0, 0, 1], ..pattern() }) => InvalidArgument at "graph.nodes[0].sparse_pattern.rows", "1";
        "sparse columns beyond": sparse(pb::SparsePattern { columns: vec![0, 1, 3], ..pattern() }) => InvalidArgument at "graph.nodes[0].sparse_pattern.columns", "3";
        "sparse rows without columns": sparse(pb::SparsePattern { columns: vec![], ..pattern() }) => InvalidArgument at "graph.nodes[0].sparse_pattern.columns", "";
        "sparse entry twice": sparse(pb::SparsePattern { columns: vec![0, 1, 1], ..pattern() }) => InvalidArgument at "graph.nodes[0].sparse_pattern.rows", "add up duplicates";
        "sparse in other columns": sparse(pb::SparsePattern { column_count: 4, ..pattern() }) => InvalidArgument at "graph.nodes[0].operands[1]", "";
        "sparse without rows": sparse(pb::SparsePattern { row_count: 0, ..pattern() }) => InvalidArgument at "graph.nodes[0].sparse_pattern.rows", "";
    }
}
