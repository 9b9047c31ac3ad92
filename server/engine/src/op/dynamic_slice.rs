//! dynamic_slice and dynamic_update_slice: a window at starts that are known at run time. Starts are one vector with
//! an element for each dimension; the window is moved to the nearest place inside.

use super::{
    Attributes, Composite, Form, GatherDimensions, Infer, Op, OutOfBounds, Problem,
    ScatterDimensions, Types, check_rank, cost_of_result,
};
use crate::tensor::{DType, Shape, TensorType};

/// The window of operand 0 at the starts in operand 1: a gather of one window.
pub const DYNAMIC_SLICE: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "dynamic_slice",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_slice),
        cost: cost_of_result,
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| {
        let rank = cx.ty(operands[0]).shape.rank();
        let Attributes::DynamicSlice { sizes } = attributes else {
            return vec![operands[0]];
        };
        if rank == 0 {
            return vec![operands[0]];
        }
        let gather = GatherDimensions {
            offset_dims: (0..rank as u32).collect(),
            collapsed_slice_dims: vec![],
            start_index_map: (0..rank as u32).collect(),
            index_vector_dim: 0,
            slice_sizes: sizes.clone(),
            out_of_bounds: OutOfBounds::Clamp,
        };
        vec![cx.emit(Op::Gather, operands, Attributes::Gather(gather))]
    },
};

/// Operand 0 with operand 1 written over the window at the starts in operand 2: a scatter of one window.
pub const DYNAMIC_UPDATE_SLICE: Composite = Composite {
    form: Form {
        operands: (3, 3),
        attribute: "",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_update),
        cost: |_, types: &Types<'_>| types.result.elements() + types.operands[1].elements(),
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let rank = cx.ty(operands[0]).shape.rank();
        if rank == 0 {
            return vec![operands[1]];
        }
        let scatter = ScatterDimensions {
            update_window_dims: (0..rank as u32).collect(),
            inserted_window_dims: vec![],
            scatter_dims_to_operand_dims: (0..rank as u32).collect(),
            index_vector_dim: 0,
            out_of_bounds: OutOfBounds::Clamp,
        };
        let operands = [operands[0], operands[2], operands[1]];
        vec![cx.emit(Op::Scatter, &operands, Attributes::Scatter(scatter))]
    },
};

fn infer_slice(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::DynamicSlice { sizes } = attributes else {
        return Err(Problem::node("dynamic_slice attributes are missing"));
    };
    let operand = operands[0];
    check_starts(operands, 1)?;
    check_rank("sizes", sizes.len(), operand.shape.rank())?;
    if let Some(d) = too_large(sizes, &operand.shape) {
        return Err(Problem::attribute(
            "sizes",
            format!(
                "window size {} exceeds dimension {d}, which has size {}",
                sizes[d], operand.shape[d]
            ),
        ));
    }
    Ok(TensorType::new(operand.dtype, &sizes[..]))
}

fn infer_update(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let (operand, update) = (operands[0], operands[1]);
    check_starts(operands, 2)?;
    if update.dtype != operand.dtype {
        return Err(Problem::operand(
            1,
            format!(
                "the update is {}, the operand is {}; insert convert",
                update.dtype, operand.dtype
            ),
        ));
    }
    if update.shape.rank() != operand.shape.rank() {
        return Err(Problem::operand(
            1,
            format!(
                "the update has shape {}, the operand {}; insert reshape to give both one rank",
                update.shape, operand.shape
            ),
        ));
    }
    if let Some(d) = too_large(&update.shape, &operand.shape) {
        return Err(Problem::operand(
            1,
            format!(
                "the update has size {} in dimension {d}, the operand {}; it must fit inside",
                update.shape[d], operand.shape[d]
            ),
        ));
    }
    Ok(operand.clone())
}

/// A dimension in which the window does not fit.
fn too_large(window: &[u64], operand: &Shape) -> Option<usize> {
    window.iter().zip(operand.iter()).position(|(w, n)| w > n)
}

/// Checks that operand `at` holds a start for each dimension of operand 0.
fn check_starts(operands: &[&TensorType], at: usize) -> Result<(), Problem> {
    let (starts, rank) = (operands[at], operands[0].shape.rank());
    if starts.dtype != DType::I64 {
        return Err(Problem::operand(
            at,
            format!("starts are {}; insert convert to i64", starts.dtype),
        ));
    }
    if *starts.shape != [rank as u64] {
        return Err(Problem::operand(
            at,
            format!(
                "starts have shape {}; give one vector [{rank}], a start for each dimension",
                starts.shape
            ),
        ));
    }
    Ok(())
}
