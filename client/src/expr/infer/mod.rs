//! Types of results: what each operation accepts and gives. The server decides in the end; checking here reports a
//! mistake at the line that makes it.

mod control;
mod einsum;
mod elementwise;
mod linear_algebra;
mod moving;
mod order;
mod parts;
mod products;
mod reductions;
mod shapes;
mod signal;
mod windows;

use std::ops::Range;

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use crate::tensor::{Dtype, Type};
pub(crate) use control::{Signature, Signatures};
use parts::{concatenated, gathered, padded, scattered, sliced};
use shapes::{broadcast_in_dim, constant_type, dot_general, iota_type, reshaped, transposed};

/// Types of a graph's values, as far as its nodes can be understood: up to the first malformed one.
pub(crate) struct Inferred {
    types: Vec<Type>,
    /// Where the results of each understood node begin, and where those of the last one end.
    bounds: Vec<usize>,
}

impl Inferred {
    /// Type of a value.
    pub fn of(&self, id: impl TryInto<usize>) -> Option<&Type> {
        self.types.get(id.try_into().ok()?)
    }

    /// Ids of the results of a node.
    pub fn results(&self, node: usize) -> Option<Range<usize>> {
        Some(*self.bounds.get(node)?..*self.bounds.get(node + 1)?)
    }
}

/// Types of all values of a graph.
pub(crate) fn infer_types(
    inputs: &[proto::Input],
    nodes: &[proto::Node],
    functions: &Signatures,
) -> Inferred {
    let declared = inputs
        .iter()
        .map(|input| input.r#type.as_ref().and_then(Type::from_proto));
    let types: Vec<Type> = declared.map_while(|input| input).collect();
    if types.len() < inputs.len() {
        let bounds = Vec::new();
        return Inferred { types, bounds };
    }
    infer_nodes(types, nodes, functions)
}

/// The types of parameters, and those of nodes after them.
fn infer_nodes(mut types: Vec<Type>, nodes: &[proto::Node], functions: &Signatures) -> Inferred {
    let mut bounds = Vec::with_capacity(nodes.len() + 1);
    types.reserve(nodes.len());
    bounds.push(types.len());
    for node in nodes {
        let operands = node.operands.iter().map(|&id| types.get(id as usize));
        let operands: Option<Vec<&Type>> = operands.collect();
        let results = operands.and_then(|operands| {
            infer(node.op(), node.attributes.as_ref(), &operands, functions).ok()
        });
        let Some(results) = results else { break };
        types.extend(results);
        bounds.push(types.len());
    }
    Inferred { types, bounds }
}

/// The types of the operation's results, or what is wrong and how to repair it.
pub(super) fn infer(
    op: Op,
    attributes: Option<&Attributes>,
    operands: &[&Type],
    functions: &Signatures,
) -> Result<Vec<Type>, String> {
    use Attributes as A;
    if let Some(results) = control::results(op, attributes, operands, functions) {
        return results;
    }
    match (op, attributes, operands) {
        (Op::Sort, Some(A::Sort(sort)), [_, ..]) => order::sorted(operands, sort),
        (Op::TopK, Some(A::TopK(top)), [a]) => order::top_k(a, top.k),
        (Op::Slogdet, None, [a]) => linear_algebra::slogdet(a),
        (Op::Lu, None, [a]) => linear_algebra::lu(a),
        (Op::Qr, None, [a]) => linear_algebra::qr(a),
        (Op::Eigh, None, [a]) => linear_algebra::eigh(a),
        (Op::Svd, None, [a]) => linear_algebra::svd(a),
        _ => infer_one(op, attributes, operands).map(|result| vec![result]),
    }
}

/// The type of the only result.
fn infer_one(op: Op, attributes: Option<&Attributes>, operands: &[&Type]) -> Result<Type, String> {
    use Attributes as A;
    match (op, attributes, operands) {
        (Op::Compare, Some(A::Compare(_)), [a, b]) => Ok(Type {
            dtype: Dtype::Bool,
            shape: alike(&[a, b])?,
        }),
        (Op::Select, None, [p, a, b]) => select(p, a, b),
        (Op::IsFinite | Op::IsNan | Op::IsInf, None, [a]) => {
            float(a).map(|_| Type::new(Dtype::Bool, &a.shape))
        }
        (Op::Constant, Some(A::Constant(constant)), []) => constant_type(constant),
        (Op::Iota, Some(A::Iota(iota)), []) => iota_type(iota),
        (Op::Convert, Some(A::Convert(convert)), [a]) => Ok(Type::new(
            Dtype::from_proto(convert.dtype).ok_or("no element type to convert to")?,
            &a.shape,
        )),
        (Op::StopGradient, None, [a]) => Ok((*a).clone()),
        (Op::Reshape, Some(A::Reshape(reshape)), [a]) => reshaped(a, &reshape.shape),
        (Op::Transpose, Some(A::Transpose(transpose)), [a]) => {
            transposed(a, &transpose.permutation)
        }
        (Op::BroadcastInDim, Some(A::BroadcastInDim(broadcast)), [a]) => {
            broadcast_in_dim(a, broadcast)
        }
        (Op::Slice, Some(A::Slice(slice)), [a]) => sliced(a, slice),
        (Op::Pad, Some(A::Pad(pad)), [a, value]) => padded(a, value, pad),
        (Op::Concatenate, Some(A::Concatenate(concatenate)), [first, rest @ ..]) => {
            concatenated(first, rest, concatenate.dimension)
        }
        (Op::Gather, Some(A::Gather(gather)), [a, indices]) => gathered(a, indices, gather),
        (Op::ScatterAdd | Op::Scatter, Some(A::Scatter(scatter)), [a, indices, updates]) => {
            scattered(op, a, indices, updates, scatter)
        }
        (Op::DynamicSlice, Some(A::DynamicSlice(slice)), [a, starts @ ..]) => {
            moving::dynamic_slice(a, starts, slice)
        }
        (Op::DynamicUpdateSlice, None, [a, update, starts @ ..]) => {
            moving::dynamic_update_slice(a, update, starts)
        }
        (Op::Argsort, Some(A::Sort(sort)), [a]) => order::argsort(a, sort),
        (Op::SearchSorted, Some(A::SearchSorted(_)), [sorted, queries]) => {
            order::search_sorted(sorted, queries)
        }
        (Op::Reverse, Some(A::Reverse(reverse)), [a]) => moving::reversed(a, reverse),
        (Op::Tile, Some(A::Tile(tile)), [a]) => moving::tiled(a, tile),
        (Op::OneHot, Some(A::OneHot(one_hot)), [a]) => moving::one_hot(a, one_hot),
        (Op::Windows, Some(A::Windows(windows)), [a]) => windows::windows(a, windows),
        (Op::OverlapAdd, Some(A::Windows(windows)), [a]) => windows::overlap_add(a, windows),
        (
            Op::ReduceSum
            | Op::ReduceMax
            | Op::ReduceMin
            | Op::ReduceProd
            | Op::ReduceMean
            | Op::ReduceLogsumexp
            | Op::ReduceAnd
            | Op::ReduceOr,
            Some(A::Reduce(reduce)),
            [a],
        ) => reductions::reduced(op, a, reduce),
        (Op::ReduceVariance, Some(A::Variance(v)), [a]) => reductions::variance(a, v),
        (Op::Norm, Some(A::Norm(norm)), [a]) => reductions::norm(a, norm),
        (Op::Argmax | Op::Argmin, Some(A::ArgReduce(reduce)), [a]) => {
            reductions::arg_reduced(a, reduce)
        }
        (
            Op::Cumsum | Op::Cumprod | Op::Cummax | Op::Cummin | Op::Cumlogsumexp,
            Some(A::Cumulative(cumulative)),
            [a],
        ) => reductions::cumulated(op, a, cumulative),
        (Op::Softmax | Op::LogSoftmax, Some(A::Softmax(softmax)), [a]) => {
            reductions::softmax(a, softmax)
        }
        (Op::DotGeneral, Some(A::DotGeneral(dims)), [a, b]) => dot_general(a, b, dims),
        (Op::Matmul, None, [a, b]) => products::matmul(a, b),
        (Op::Outer, None, [a, b]) => products::outer(a, b),
        (Op::Kron, None, [a, b]) => products::kron(a, b),
        (Op::Einsum, Some(A::Einsum(einsum)), [_, ..]) => {
            einsum::einsum(operands, &einsum.equation)
        }
        (Op::Trace, Some(A::Diagonal(_)), [a]) => products::trace(a),
        (Op::Diag, Some(A::Diagonal(diagonal)), [a]) => products::diag(a, diagonal.offset),
        (Op::TriangularSolve, Some(A::TriangularSolve(_)), [a, b])
        | (Op::Solve, Some(A::Solve(_)), [a, b])
        | (Op::CholeskySolve, None, [a, b]) => linear_algebra::solve(a, b),
        (Op::LuSolve, Some(A::Solve(_)), [a, _, _, _, b]) => linear_algebra::solve(a, b),
        (Op::Cofactor, None, [a, ..]) => linear_algebra::square(a),
        (Op::Cholesky | Op::Inverse | Op::Expm, None, [a]) => linear_algebra::square(a),
        (Op::Determinant, None, [a]) => linear_algebra::determinant(a),
        (Op::ExpmDerivative, None, [a, directions @ ..]) => {
            linear_algebra::expm_derivative(a, directions)
        }
        (Op::Lstsq, None, [a, b]) => linear_algebra::lstsq(a, b, false),
        (Op::SvdSolve, Some(A::Solve(solve)), [a, u, s, vt, b]) => {
            linear_algebra::svd_solve(a, [u, s, vt], b, solve.transpose_a)
        }
        (Op::TridiagonalSolve, None, [lower, diagonal, upper, b]) => {
            linear_algebra::tridiagonal_solve([lower, diagonal, upper], b)
        }
        (Op::SparseMatvec, Some(A::SparsePattern(pattern)), [values, x]) => {
            linear_algebra::sparse_matvec(values, x, pattern)
        }
        (Op::Convolution, Some(A::Convolution(convolution)), [input, kernel]) => {
            windows::convolution(input, kernel, convolution)
        }
        (Op::MaxPool | Op::AveragePool, Some(A::Pool(pool)), [a]) => windows::pool(a, pool),
        (Op::Fft | Op::Ifft, None, [a]) => signal::fft(a),
        (Op::Rfft, None, [a]) => signal::rfft(a),
        (Op::Irfft, Some(A::Fourier(fourier)), [a]) => signal::irfft(a, fourier.length),
        (Op::Interp1d, Some(A::Interpolate(_)), [queries, knots, values]) => {
            signal::interp1d(queries, knots, values)
        }
        (Op::Bspline, Some(A::BSpline(spline)), [queries, knots, coefficients]) => {
            signal::b_spline(queries, knots, coefficients, spline.degree)
        }
        (Op::IntegerPow, Some(A::IntegerPow(_)), [a]) => float(a).map(|()| (*a).clone()),
        (Op::Unspecified, ..) => Err("an operation that is none".into()),
        (_, None, _) if elementwise::arity(op) == Some(operands.len()) => {
            elementwise::result(op, operands)
        }
        _ => Err("wrong number of operands, or attributes of another operation".into()),
    }
}

fn float(a: &Type) -> Result<(), String> {
    match a.dtype.is_float() {
        true => Ok(()),
        false => Err(format!(
            "the operand is {a}, but must be f64 or f32; insert convert(Dtype::F64)"
        )),
    }
}

fn number(a: &Type) -> Result<(), String> {
    match a.dtype != Dtype::Bool {
        true => Ok(()),
        false => Err(format!(
            "the operand is {a}, but must be a number; insert convert(Dtype::F64)"
        )),
    }
}

fn boolean(a: &Type) -> Result<(), String> {
    match a.dtype == Dtype::Bool {
        true => Ok(()),
        false => Err(format!(
            "the operand is {a}, but must be bool; compare it with something first"
        )),
    }
}

/// The common shape of operands of one element type, all of one shape or scalars.
fn alike(operands: &[&Type]) -> Result<Vec<usize>, String> {
    if let [first, rest @ ..] = operands
        && let Some(other) = rest.iter().find(|other| other.dtype != first.dtype)
    {
        return Err(format!(
            "operands are {first} and {other}; insert convert(Dtype::…) to make them one type"
        ));
    }
    let mut shapes = operands
        .iter()
        .map(|a| &a.shape)
        .filter(|shape| !shape.is_empty());
    let Some(shape) = shapes.next() else {
        return Ok(Vec::new());
    };
    match shapes.find(|other| *other != shape) {
        None => Ok(shape.clone()),
        Some(other) => Err(format!(
            "operands have shapes {shape:?} and {other:?}; {}",
            repair(shape, other)
        )),
    }
}

/// How to make two shapes one.
fn repair(a: &[usize], b: &[usize]) -> String {
    let (small, large) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let stretches = |&(&s, &l): &(&usize, &usize)| s == l || s == 1;
    if small
        .iter()
        .rev()
        .zip(large.iter().rev())
        .all(|pair| stretches(&pair))
    {
        format!("insert broadcast_to({large:?}) on the operand of shape {small:?}")
    } else {
        "only scalars stretch by themselves; reshape or broadcast_to one of them".into()
    }
}

fn select(p: &Type, a: &Type, b: &Type) -> Result<Type, String> {
    boolean(p)
        .map_err(|_| format!("the condition is {p}, but must be bool; compare something first"))?;
    let shape = alike(&[a, b])?;
    let dtype = a.dtype;
    alike(&[p, &Type::new(Dtype::Bool, &shape)]).map(|shape| Type { dtype, shape })
}

/// The dimension as an index, if it is below the rank.
fn axis(dimension: u32, rank: usize) -> Result<usize, String> {
    match dimension as usize {
        d if d < rank => Ok(d),
        _ => Err(format!(
            "there is no dimension {dimension} in a tensor of rank {rank}; dimensions count from 0"
        )),
    }
}

/// Distinct dimensions as indices.
fn axes(dimensions: &[u32], rank: usize) -> Result<Vec<usize>, String> {
    let mut seen = vec![false; rank];
    dimensions
        .iter()
        .map(|&d| {
            let d = axis(d, rank)?;
            match std::mem::replace(&mut seen[d], true) {
                false => Ok(d),
                true => Err(format!("dimension {d} is named twice")),
            }
        })
        .collect()
}

fn sizes(shape: &[u64]) -> Result<Vec<usize>, String> {
    shape
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("size {d} is too large")))
        .collect()
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

fn per_dimension(list: &[u64], a: &Type, what: &str, missing: u64) -> Result<Vec<usize>, String> {
    if list.is_empty() {
        return sizes(&vec![missing; a.shape.len()]);
    }
    match list.len() == a.shape.len() {
        true => sizes(list),
        false => Err(format!(
            "{} {what} for the {} dimensions of {a}",
            list.len(),
            a.shape.len()
        )),
    }
}
