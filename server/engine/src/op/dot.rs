//! dot_general: batched tensor contraction.

use super::{
    Application, Attributes, DotDimensions, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule,
    Strided, Types, ValueId, check_dimensions, same_dtype,
};
use crate::tensor::{DType, Shape, TensorType};

/// The rule. Linear in each operand alone.
pub const DOT_GENERAL: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "dot_general",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |attributes, types| {
            let contracted: u64 = dimensions(attributes)
                .lhs_contracting
                .iter()
                .map(|&d| types.operands[0].shape[d as usize])
                .product();
            types.result.elements().saturating_mul(contracted)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let (a, b) = (node.operands[0], node.operands[1]);
        let dot =
            |cx: &mut dyn Emit, a, b| cx.emit(Op::DotGeneral, &[a, b], node.attributes.clone());
        let left = tangents[0].map(|t| dot(cx, t, b));
        let right = tangents[1].map(|t| dot(cx, a, t));
        cx.add_some(left, right)
    }),
    transpose: Some(transpose),
    kernel: |_, attributes, types| Kernel::Dot(DotPlan::new(dimensions(attributes), types)),
};

/// A contraction as batched matrix products: sizes, and element offsets into both operands.
/// `result[b, i, j] = Σ_k lhs[b, i, k] · rhs[b, k, j]`, result dense.
#[derive(Debug)]
pub struct DotPlan {
    /// Offsets of the batch in the left and right operand.
    pub batch: [Strided; 2],
    /// Offsets of the rows (left operand).
    pub rows: Strided,
    /// Offsets of the columns (right operand).
    pub columns: Strided,
    /// Offsets of the contracted index in the left and right operand.
    pub inner: [Strided; 2],
}

impl DotPlan {
    fn new(d: &DotDimensions, types: &Types<'_>) -> Self {
        let view = |operand: usize, dims: &[u32]| {
            let shape = &types.operands[operand].shape;
            let strides = shape.strides();
            let sizes: Vec<usize> = dims.iter().map(|&d| shape[d as usize] as usize).collect();
            let steps: Vec<usize> = dims.iter().map(|&d| strides[d as usize]).collect();
            Strided::new(0, &sizes, &steps)
        };
        let ranks = [0, 1].map(|i| types.operands[i].shape.rank());
        Self {
            batch: [view(0, &d.lhs_batch), view(1, &d.rhs_batch)],
            rows: view(0, &free(ranks[0], &d.lhs_contracting, &d.lhs_batch)),
            columns: view(1, &free(ranks[1], &d.rhs_contracting, &d.rhs_batch)),
            inner: [view(0, &d.lhs_contracting), view(1, &d.rhs_contracting)],
        }
    }
}

fn dimensions(attributes: &Attributes) -> &DotDimensions {
    static NONE: DotDimensions = DotDimensions {
        lhs_contracting: vec![],
        rhs_contracting: vec![],
        lhs_batch: vec![],
        rhs_batch: vec![],
    };
    match attributes {
        Attributes::DotGeneral(d) => d,
        _ => &NONE,
    }
}

/// Dimensions that are neither contracted nor batch, in order.
fn free(rank: usize, contracting: &[u32], batch: &[u32]) -> Vec<u32> {
    (0..rank as u32)
        .filter(|d| !contracting.contains(d) && !batch.contains(d))
        .collect()
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::DotGeneral(d) = attributes else {
        return Err(Problem::node("dot_general attributes are missing"));
    };
    same_dtype(operands)?;
    if operands[0].dtype == DType::Bool {
        return Err(Problem::operands("operands are bool; insert convert"));
    }
    let (a, b) = (&operands[0].shape, &operands[1].shape);
    let all = |contracting: &[u32], batch: &[u32]| [contracting, batch].concat();
    check_dimensions("lhs_contracting", &d.lhs_contracting, a.rank())?;
    check_dimensions("rhs_contracting", &d.rhs_contracting, b.rank())?;
    check_dimensions(
        "lhs_batch",
        &all(&d.lhs_contracting, &d.lhs_batch),
        a.rank(),
    )?;
    check_dimensions(
        "rhs_batch",
        &all(&d.rhs_contracting, &d.rhs_batch),
        b.rank(),
    )?;
    let pairs = [
        ("rhs_contracting", &d.lhs_contracting, &d.rhs_contracting),
        ("rhs_batch", &d.lhs_batch, &d.rhs_batch),
    ];
    for (field, left, right) in pairs {
        if left.len() != right.len() {
            return Err(Problem::attribute(
                field,
                format!(
                    "{} dimensions on the left, {} on the right; they pair up",
                    left.len(),
                    right.len()
                ),
            ));
        }
        for (&l, &r) in left.iter().zip(right) {
            let (l_size, r_size) = (a[l as usize], b[r as usize]);
            if l_size != r_size {
                return Err(Problem::attribute(
                    field,
                    format!(
                        "operands have shapes {a} and {b}: dimension {l} of the left has size {l_size}, dimension {r} of the right {r_size}"
                    ),
                ));
            }
        }
    }
    let batch = d.lhs_batch.iter().map(|&i| a[i as usize]);
    let rows = free(a.rank(), &d.lhs_contracting, &d.lhs_batch);
    let columns = free(b.rank(), &d.rhs_contracting, &d.rhs_batch);
    let shape: Shape = batch
        .chain(rows.iter().map(|&i| a[i as usize]))
        .chain(columns.iter().map(|&i| b[i as usize]))
        .collect();
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// Contracts the cotangent with the other operand over that one's free dimensions, then puts the dimensions
/// back in place. Shapes: `[batch, rows, columns] -> [..operand]`.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, operand: usize) -> ValueId {
    let d = dimensions(node.attributes);
    let (own, own_batch, other_contracting, other_batch) = match operand {
        0 => (
            &d.lhs_contracting,
            &d.lhs_batch,
            &d.rhs_contracting,
            &d.rhs_batch,
        ),
        _ => (
            &d.rhs_contracting,
            &d.rhs_batch,
            &d.lhs_contracting,
            &d.lhs_batch,
        ),
    };
    let other = node.operands[1 - operand];
    let own_rank = cx.ty(node.operands[operand]).shape.rank();
    let own_free = free(own_rank, own, own_batch);
    let other_free = free(cx.ty(other).shape.rank(), other_contracting, other_batch);
    let batches = own_batch.len() as u32;
    // The cotangent's dimensions are batch, rows, columns: the other operand's free ones are the last or the
    // middle ones.
    let first = match operand {
        0 => batches + own_free.len() as u32,
        _ => batches,
    };
    let ct_contracting: Vec<u32> = (first..first + other_free.len() as u32).collect();
    let product = cx.emit(
        Op::DotGeneral,
        &[ct, other],
        Attributes::DotGeneral(DotDimensions {
            lhs_contracting: ct_contracting,
            rhs_contracting: other_free,
            lhs_batch: (0..batches).collect(),
            rhs_batch: other_batch.clone(),
        }),
    );
    // The product has batch, own free, then the other's contracted dimensions in the other's order.
    let mut by_other: Vec<usize> = (0..own.len()).collect();
    by_other.sort_by_key(|&i| other_contracting[i]);
    let order: Vec<u32> = own_batch
        .iter()
        .chain(&own_free)
        .copied()
        .chain(by_other.iter().map(|&i| own[i]))
        .collect();
    let mut permutation = vec![0; own_rank];
    for (at, &d) in order.iter().enumerate() {
        permutation[d as usize] = at as u32;
    }
    cx.transpose(product, permutation)
}
