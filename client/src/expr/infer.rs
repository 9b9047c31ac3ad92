//! Types of results: what each operation accepts and gives. The server decides in the end; checking here reports a
//! mistake at the line that makes it.

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use crate::tensor::{Dtype, Type};

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
        (Op::IsFinite, None, [a]) => float(a).map(|_| Type::new(Dtype::Bool, &a.shape)),
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

fn constant_type(constant: &proto::Constant) -> Result<Type, String> {
    let value = constant
        .value
        .as_ref()
        .ok_or("a constant without a value")?;
    let stated = proto::TensorType {
        dtype: value.dtype,
        shape: value.shape.clone(),
    };
    Type::from_proto(&stated).ok_or_else(|| "a constant without an element type".into())
}

fn iota_type(iota: &proto::Iota) -> Result<Type, String> {
    let result = iota
        .r#type
        .as_ref()
        .and_then(Type::from_proto)
        .ok_or("an iota without a type")?;
    if result.dtype == Dtype::Bool {
        return Err("an iota of bool; make it i64 and compare".into());
    }
    axis(iota.dimension, result.shape.len())?;
    Ok(result)
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

fn reshaped(a: &Type, shape: &[u64]) -> Result<Type, String> {
    let shape = sizes(shape)?;
    let (have, want) = (elements(&a.shape), elements(&shape));
    if have != want {
        let count = |n: Option<usize>| n.map_or("too many".into(), |n| n.to_string());
        return Err(format!(
            "{a} has {} elements, shape {shape:?} has {}",
            count(have),
            count(want)
        ));
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

fn transposed(a: &Type, permutation: &[u32]) -> Result<Type, String> {
    let rank = a.shape.len();
    if permutation.len() != rank {
        return Err(format!(
            "{permutation:?} is no permutation of the {rank} dimensions of {a}"
        ));
    }
    let shape = axes(permutation, rank)?
        .into_iter()
        .map(|d| a.shape[d])
        .collect();
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

fn broadcast_in_dim(a: &Type, broadcast: &proto::BroadcastInDim) -> Result<Type, String> {
    let shape = sizes(&broadcast.shape)?;
    let dimensions = axes(&broadcast.dimensions, shape.len())?;
    if dimensions.len() != a.shape.len() || !dimensions.is_sorted() {
        return Err(format!(
            "{dimensions:?} must name a dimension of {shape:?} for each one of {a}, increasing"
        ));
    }
    for (&d, &size) in dimensions.iter().zip(&a.shape) {
        if size != 1 && size != shape[d] {
            return Err(format!(
                "{a} does not stretch to {shape:?}: size {size} meets {}",
                shape[d]
            ));
        }
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
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

fn sliced(a: &Type, slice: &proto::Slice) -> Result<Type, String> {
    let rank = a.shape.len();
    if slice.starts.len() != rank || slice.limits.len() != rank {
        return Err(format!(
            "{} starts and {} limits for {a}",
            slice.starts.len(),
            slice.limits.len()
        ));
    }
    let (starts, limits) = (sizes(&slice.starts)?, sizes(&slice.limits)?);
    let strides = per_dimension(&slice.strides, a, "strides", 1)?;
    let mut shape = Vec::with_capacity(rank);
    for (d, &size) in a.shape.iter().enumerate() {
        let (start, limit, stride) = (starts[d], limits[d], strides[d]);
        if start > limit || limit > size {
            return Err(format!(
                "{start}..{limit} does not lie in 0..{size}, dimension {d} of {a}"
            ));
        }
        if stride == 0 {
            return Err(format!(
                "the stride of dimension {d} is 0; it must be at least 1"
            ));
        }
        shape.push((limit - start).div_ceil(stride));
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

fn padded(a: &Type, value: &Type, pad: &proto::Pad) -> Result<Type, String> {
    if value.dtype != a.dtype || !value.shape.is_empty() {
        return Err(format!(
            "{a} is padded with {value}; it takes one scalar {}",
            a.dtype
        ));
    }
    let (low, high) = (
        per_dimension(&pad.low, a, "low", 0)?,
        per_dimension(&pad.high, a, "high", 0)?,
    );
    let interior = per_dimension(&pad.interior, a, "interior", 0)?;
    let grown = |d: usize| {
        let size = a.shape[d];
        let between = size.saturating_sub(1).checked_mul(interior[d])?;
        size.checked_add(between)?
            .checked_add(low[d])?
            .checked_add(high[d])
    };
    let shape = (0..a.shape.len())
        .map(grown)
        .collect::<Option<_>>()
        .ok_or("the padding is too large")?;
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

fn concatenated(first: &Type, rest: &[&Type], dimension: u32) -> Result<Type, String> {
    let d = axis(dimension, first.shape.len())?;
    let mut shape = first.shape.clone();
    for other in rest {
        let fits = |(i, (a, b)): (usize, (&usize, &usize))| i == d || a == b;
        if other.dtype != first.dtype
            || other.shape.len() != shape.len()
            || !first.shape.iter().zip(&other.shape).enumerate().all(fits)
        {
            return Err(format!(
                "{first} and {other} differ elsewhere than in dimension {d}"
            ));
        }
        shape[d] = shape[d]
            .checked_add(other.shape[d])
            .ok_or("the result is too large")?;
    }
    Ok(Type {
        dtype: first.dtype,
        shape,
    })
}

/// The window's place in a gather or scatter: (dimensions of the indices that the result keeps, sizes of the window).
fn batch_of_indices(
    a: &Type,
    indices: &Type,
    map: &[u32],
    vector_dim: u32,
) -> Result<Vec<usize>, String> {
    if indices.dtype != Dtype::I64 {
        return Err(format!(
            "the indices are {indices}, but must be i64; insert convert(Dtype::I64)"
        ));
    }
    let rank = indices.shape.len();
    let vector_dim = vector_dim as usize;
    if vector_dim > rank {
        return Err(format!(
            "index_vector_dim {vector_dim} is beyond the rank of the indices, {indices}"
        ));
    }
    let components = indices.shape.get(vector_dim).copied().unwrap_or(1);
    if axes(map, a.shape.len())?.len() != components {
        return Err(format!(
            "indices have {components} components, but {} dimensions are addressed",
            map.len()
        ));
    }
    let batch = indices
        .shape
        .iter()
        .enumerate()
        .filter(|&(d, _)| d != vector_dim);
    Ok(batch.map(|(_, &size)| size).collect())
}

fn gathered(a: &Type, indices: &Type, gather: &proto::Gather) -> Result<Type, String> {
    let mut batch =
        batch_of_indices(a, indices, &gather.start_index_map, gather.index_vector_dim)?.into_iter();
    let window = per_dimension(&gather.slice_sizes, a, "slice sizes", 1)?;
    let collapsed = axes(&gather.collapsed_slice_dims, a.shape.len())?;
    for (d, (&size, &all)) in window.iter().zip(&a.shape).enumerate() {
        if size > all || (collapsed.contains(&d) && size != 1) {
            return Err(format!("a window of {size} in dimension {d} of {a}"));
        }
    }
    let mut kept = window
        .iter()
        .enumerate()
        .filter(|(d, _)| !collapsed.contains(d))
        .map(|(_, &size)| size);
    let rank = batch.len() + window.len() - collapsed.len();
    let offsets = axes(&gather.offset_dims, rank)?;
    if offsets.len() != window.len() - collapsed.len() || !offsets.is_sorted() {
        return Err(format!(
            "offset_dims {offsets:?} do not name the {} window dimensions",
            window.len() - collapsed.len()
        ));
    }
    let shape = (0..rank).map(|d| {
        if offsets.contains(&d) {
            kept.next()
        } else {
            batch.next()
        }
    });
    let shape = shape
        .collect::<Option<_>>()
        .ok_or("offset_dims do not fit the window")?;
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

fn scattered(
    a: &Type,
    indices: &Type,
    updates: &Type,
    scatter: &proto::Scatter,
) -> Result<Type, String> {
    number(a)?;
    if updates.dtype != a.dtype {
        return Err(format!(
            "updates are {updates}, but the tensor is {a}; insert convert(Dtype::…)"
        ));
    }
    let batch = batch_of_indices(
        a,
        indices,
        &scatter.scatter_dims_to_operand_dims,
        scatter.index_vector_dim,
    )?;
    let inserted = axes(&scatter.inserted_window_dims, a.shape.len())?;
    let windows = axes(&scatter.update_window_dims, updates.shape.len())?;
    let rest = updates
        .shape
        .iter()
        .enumerate()
        .filter(|(d, _)| !windows.contains(d))
        .map(|(_, &size)| size);
    let operand = a
        .shape
        .iter()
        .enumerate()
        .filter(|(d, _)| !inserted.contains(d))
        .map(|(_, &size)| size);
    let fits = windows.len() + inserted.len() == a.shape.len()
        && rest.eq(batch)
        && windows
            .iter()
            .zip(operand)
            .all(|(&d, size)| updates.shape[d] <= size);
    match fits {
        true => Ok(a.clone()),
        false => Err(format!(
            "updates {updates} do not fit into {a} at indices {indices}"
        )),
    }
}

fn reduced(op: Op, a: &Type, reduce: &proto::Reduce) -> Result<Type, String> {
    number(a)?;
    let mut reduced = axes(&reduce.axes, a.shape.len())?;
    if reduced.is_empty() {
        reduced = (0..a.shape.len()).collect();
    }
    if op != Op::ReduceSum && reduced.iter().any(|&d| a.shape[d] == 0) {
        return Err(format!(
            "{a} has no elements to take the largest or smallest of"
        ));
    }
    let keep = |(d, &size): (usize, &usize)| match (reduced.contains(&d), reduce.keep_dims) {
        (false, _) => Some(size),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Ok(Type {
        dtype: a.dtype,
        shape: a.shape.iter().enumerate().filter_map(keep).collect(),
    })
}

fn dot_general(a: &Type, b: &Type, dims: &proto::DotGeneral) -> Result<Type, String> {
    number(a)?;
    if a.dtype != b.dtype {
        return Err(format!(
            "operands are {a} and {b}; insert convert(Dtype::…) to make them one type"
        ));
    }
    let sides =
        |contracting: &[u32], batch: &[u32], rank| axes(&[batch, contracting].concat(), rank);
    let left = sides(&dims.lhs_contracting, &dims.lhs_batch, a.shape.len())?;
    let right = sides(&dims.rhs_contracting, &dims.rhs_batch, b.shape.len())?;
    if left.len() != right.len() || dims.lhs_batch.len() != dims.rhs_batch.len() {
        return Err("contracting and batch dimensions must pair up".into());
    }
    for (&l, &r) in left.iter().zip(&right) {
        if a.shape[l] != b.shape[r] {
            return Err(format!(
                "dimension {l} of {a} meets dimension {r} of {b}: {} against {}",
                a.shape[l], b.shape[r]
            ));
        }
    }
    let free = |a: &Type, used: &[usize]| -> Vec<usize> {
        a.shape
            .iter()
            .enumerate()
            .filter(|(d, _)| !used.contains(d))
            .map(|(_, &size)| size)
            .collect()
    };
    let batch: Vec<usize> = left[..dims.lhs_batch.len()]
        .iter()
        .map(|&d| a.shape[d])
        .collect();
    Ok(Type {
        dtype: a.dtype,
        shape: [batch, free(a, &left), free(b, &right)].concat(),
    })
}
