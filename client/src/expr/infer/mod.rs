//! Types of results: what each operation accepts and gives. The server decides in the end; checking here reports a
//! mistake at the line that makes it.

mod parts;
mod shapes;

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use crate::tensor::{Dtype, Type};
use parts::{concatenated, gathered, padded, scattered, sliced};
use shapes::{
    broadcast_in_dim, constant_type, dot_general, iota_type, reduced, reshaped, transposed,
};

/// Types of a graph's values by id, as far as its nodes can be understood: up to the first malformed one, or the
/// first call of a function.
pub(crate) fn infer_types(inputs: &[proto::Input], nodes: &[proto::Node]) -> Vec<Type> {
    let declared = inputs
        .iter()
        .map(|input| input.r#type.as_ref().and_then(Type::from_proto));
    let mut types: Vec<Type> = declared.map_while(|input| input).collect();
    if types.len() < inputs.len() {
        return types;
    }
    types.reserve(nodes.len());
    for node in nodes {
        let operands = node.operands.iter().map(|&id| types.get(id as usize));
        let operands: Option<Vec<&Type>> = operands.collect();
        let result = operands
            .and_then(|operands| infer(node.op(), node.attributes.as_ref(), &operands).ok());
        let Some(result) = result else { break };
        types.push(result);
    }
    types
}

/// The type of the operation's result, or what is wrong and how to repair it.
pub(super) fn infer(
    op: Op,
    attributes: Option<&Attributes>,
    operands: &[&Type],
) -> Result<Type, String> {
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
        (Op::ScatterAdd, Some(A::Scatter(scatter)), [a, indices, updates]) => {
            scattered(a, indices, updates, scatter)
        }
        (Op::ReduceSum | Op::ReduceMax | Op::ReduceMin, Some(A::Reduce(reduce)), [a]) => {
            reduced(op, a, reduce)
        }
        (Op::DotGeneral, Some(A::DotGeneral(dims)), [a, b]) => dot_general(a, b, dims),
        // Not elementwise, though it has no attributes either.
        (Op::Matmul, ..) => Err("the type of a matmul node is for the server to know".into()),
        (Op::Unspecified, ..) => Err("an operation that is none".into()),
        (_, None, _) => elementwise(op, operands),
        _ => Err("wrong number of operands, or attributes of another operation".into()),
    }
}

/// Element types of an elementwise operation.
fn elementwise(op: Op, operands: &[&Type]) -> Result<Type, String> {
    let shape = alike(operands)?;
    let first = operands.first().ok_or("an operation without operands")?;
    match op {
        Op::And | Op::Or | Op::Xor | Op::Not => boolean(first)?,
        Op::Add
        | Op::Subtract
        | Op::Multiply
        | Op::Divide
        | Op::Negate
        | Op::Abs
        | Op::Sign
        | Op::Maximum
        | Op::Minimum
        | Op::Square
        | Op::Remainder => number(first)?,
        _ => float(first)?,
    }
    Ok(Type {
        dtype: first.dtype,
        shape,
    })
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
