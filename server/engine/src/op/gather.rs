//! gather and scatter_add: windows at indices, and back. Dimension numbers as StableHLO's.

use super::{
    Attributes, Form, GatherDimensions, Infer, Jvp, Kernel, Op, OutOfBounds, Problem, Rule,
    ScatterDimensions, Strided, Types, check_dimensions, check_rank, cost_of_result,
    tangent_or_zeros,
};
use crate::tensor::{DType, Shape, TensorType};

/// Windows of operand 0 at the indices in operand 1. Linear in operand 0.
pub const GATHER: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "gather",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_gather),
        cost: cost_of_result,
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let operands = [tangents[0]?, node.operands[1]];
        Some(cx.emit(Op::Gather, &operands, node.attributes.clone()))
    }),
    transpose: Some(|cx, node, ct, _| {
        let Attributes::Gather(g) = node.attributes else {
            return ct;
        };
        let ty = cx.ty(node.operands[0]).clone();
        let zeros = cx.full(&ty, 0.0);
        let scatter = Attributes::Scatter(ScatterDimensions {
            update_window_dims: g.offset_dims.clone(),
            inserted_window_dims: g.collapsed_slice_dims.clone(),
            scatter_dims_to_operand_dims: g.start_index_map.clone(),
            index_vector_dim: g.index_vector_dim,
            out_of_bounds: g.out_of_bounds,
        });
        cx.emit(Op::ScatterAdd, &[zeros, node.operands[1], ct], scatter)
    }),
    kernel: |_, attributes, types| {
        let Attributes::Gather(g) = attributes else {
            return Kernel::View(Strided::dense(0));
        };
        Kernel::Gather(WindowPlan::new(
            g,
            types.operands[0],
            types.operands[1],
            types.result,
        ))
    },
};

/// Operand 0 with operand 2's windows added at the indices in operand 1. Linear in operands 0 and 2.
pub const SCATTER_ADD: Rule = Rule {
    form: Form {
        operands: (3, 3),
        attribute: "scatter",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_scatter),
        cost: |_, types: &Types<'_>| types.result.elements() + types.operands[2].elements(),
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let base = tangent_or_zeros(cx, node.operands[0], tangents[0]);
        let Some(updates) = tangents[2] else {
            return Some(base);
        };
        let operands = [base, node.operands[1], updates];
        Some(cx.emit(Op::ScatterAdd, &operands, node.attributes.clone()))
    }),
    transpose: Some(|cx, node, ct, operand| {
        let Attributes::Scatter(s) = node.attributes else {
            return ct;
        };
        if operand == 0 {
            return ct;
        }
        let sizes = window_sizes(
            s,
            &cx.ty(node.operands[0]).shape,
            &cx.ty(node.operands[2]).shape,
        );
        let gather = Attributes::Gather(as_gather(s, sizes));
        cx.emit(Op::Gather, &[ct, node.operands[1]], gather)
    }),
    kernel: |_, attributes, types| {
        let Attributes::Scatter(s) = attributes else {
            return Kernel::View(Strided::dense(0));
        };
        let sizes = window_sizes(s, &types.operands[0].shape, &types.operands[2].shape);
        let gather = as_gather(s, sizes);
        Kernel::ScatterAdd(WindowPlan::new(
            &gather,
            types.operands[0],
            types.operands[1],
            types.operands[2],
        ))
    },
};

/// Windows of a large tensor ("operand") laid out in another ("windows": gather's result, scatter's updates).
#[derive(Debug)]
pub struct WindowPlan {
    /// For each index vector: offset of its first component in the indices.
    pub vectors: Strided,
    /// For each index vector: offset of its window among the windows.
    pub origins: Strided,
    /// Distance of an index vector's components in the indices.
    pub component_stride: usize,
    /// For each component: stride in the operand, and the largest start that keeps the window inside.
    pub components: Vec<(usize, i64)>,
    /// Offsets of a window's elements in the operand, in the order of `inside_windows`.
    pub inside_operand: Strided,
    /// Offsets of a window's elements among the windows.
    pub inside_windows: Strided,
    /// What an index outside means.
    pub out_of_bounds: OutOfBounds,
}

impl WindowPlan {
    /// Whether index i alone says where element i of the windows stands in the operand.
    pub fn is_of_elements(&self) -> bool {
        let one = Strided::dense(1);
        let all = Strided::dense(self.vectors.len());
        self.components.len() == 1
            && self.inside_operand == one
            && self.inside_windows == one
            && self.vectors == all
            && self.origins == all
    }

    /// Whether each window is an element of each of some rows, in the same place of all, and windows follow each other in
    /// the order of the indices: then no element of the operand is in two rows.
    pub fn is_of_columns(&self) -> bool {
        let all = Strided::dense(self.vectors.len());
        let &[(stride, last)] = &self.components[..] else {
            return false;
        };
        let reach = (last as usize).saturating_mul(stride);
        let apart = self.inside_operand.single();
        apart.is_some_and(|(_, step)| step > reach && step <= usize::MAX / 2)
            && self.vectors == all
            && self.origins == all
    }

    pub(super) fn new(
        g: &GatherDimensions,
        operand: &TensorType,
        indices: &TensorType,
        windows: &TensorType,
    ) -> Self {
        let strides = operand.shape.strides();
        let index_strides = indices.shape.strides();
        let window_strides = windows.shape.strides();
        let vector_dim = g.index_vector_dim as usize;
        let pick =
            |v: &[usize], dims: &[usize]| -> Vec<usize> { dims.iter().map(|&d| v[d]).collect() };

        let index_dims: Vec<usize> = (0..indices.shape.rank())
            .filter(|&d| d != vector_dim)
            .collect();
        let sizes = pick(&indices.shape.sizes(), &index_dims);
        let batch_dims: Vec<usize> = (0..windows.shape.rank())
            .filter(|&d| !g.offset_dims.contains(&(d as u32)))
            .collect();
        let offset_dims: Vec<usize> = g.offset_dims.iter().map(|&d| d as usize).collect();
        let kept: Vec<usize> = (0..operand.shape.rank())
            .filter(|&d| !g.collapsed_slice_dims.contains(&(d as u32)))
            .collect();
        let window: Vec<usize> = kept.iter().map(|&d| g.slice_sizes[d] as usize).collect();
        Self {
            vectors: Strided::new(0, &sizes, &pick(&index_strides, &index_dims)),
            origins: Strided::new(0, &sizes, &pick(&window_strides, &batch_dims)),
            component_stride: index_strides.get(vector_dim).copied().unwrap_or(0),
            components: g
                .start_index_map
                .iter()
                .map(|&d| {
                    let d = d as usize;
                    let last = operand.shape[d].saturating_sub(g.slice_sizes[d]);
                    (strides[d], last as i64)
                })
                .collect(),
            inside_operand: Strided::new(0, &window, &pick(&strides, &kept)),
            inside_windows: Strided::new(0, &window, &pick(&window_strides, &offset_dims)),
            out_of_bounds: g.out_of_bounds,
        }
    }
}

/// The gather whose transpose a scatter is.
pub(super) fn as_gather(s: &ScatterDimensions, slice_sizes: Vec<u64>) -> GatherDimensions {
    GatherDimensions {
        offset_dims: s.update_window_dims.clone(),
        collapsed_slice_dims: s.inserted_window_dims.clone(),
        start_index_map: s.scatter_dims_to_operand_dims.clone(),
        index_vector_dim: s.index_vector_dim,
        slice_sizes,
        out_of_bounds: s.out_of_bounds,
    }
}

/// A window's size in every dimension of the operand, read off the updates.
pub(super) fn window_sizes(s: &ScatterDimensions, operand: &Shape, updates: &Shape) -> Vec<u64> {
    let mut given = s.update_window_dims.iter();
    (0..operand.rank() as u32)
        .map(|d| match s.inserted_window_dims.contains(&d) {
            true => 1,
            false => given
                .next()
                .and_then(|&u| updates.get(u as usize).copied())
                .unwrap_or(1),
        })
        .collect()
}

fn infer_gather(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Gather(g) = attributes else {
        return Err(Problem::node("gather attributes are missing"));
    };
    let shape = windows_shape(g, operands[0], operands[1])?;
    Ok(TensorType::new(operands[0].dtype, shape))
}

pub(super) fn infer_scatter(
    op: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Scatter(s) = attributes else {
        return Err(Problem::node("scatter attributes are missing"));
    };
    let (operand, updates) = (operands[0], operands[2]);
    if op == Op::ScatterAdd && operand.dtype == DType::Bool {
        return Err(Problem::operand(0, "bool cannot be added; insert convert"));
    }
    if updates.dtype != operand.dtype {
        return Err(Problem::operand(
            2,
            format!(
                "updates are {}, the operand is {}; insert convert",
                updates.dtype, operand.dtype
            ),
        ));
    }
    check_dimensions(
        "update_window_dims",
        &s.update_window_dims,
        updates.shape.rank(),
    )?;
    check_dimensions(
        "inserted_window_dims",
        &s.inserted_window_dims,
        operand.shape.rank(),
    )?;
    let sizes = window_sizes(s, &operand.shape, &updates.shape);
    let expected =
        windows_shape(&as_gather(s, sizes), operand, operands[1]).map_err(|problem| {
            // The same checks, under the scatter's field names.
            let place = match problem.place {
                super::Place::Attribute("offset_dims") => {
                    super::Place::Attribute("update_window_dims")
                }
                super::Place::Attribute("collapsed_slice_dims") => {
                    super::Place::Attribute("inserted_window_dims")
                }
                super::Place::Attribute("start_index_map") => {
                    super::Place::Attribute("scatter_dims_to_operand_dims")
                }
                super::Place::Attribute("slice_sizes") => super::Place::Operand(2),
                place => place,
            };
            Problem { place, ..problem }
        })?;
    if expected != updates.shape {
        return Err(Problem::operand(
            2,
            format!(
                "updates have shape {}, the dimensions ask for {expected}",
                updates.shape
            ),
        ));
    }
    Ok(operand.clone())
}

/// Shape of gather's result, which is that of scatter's updates.
fn windows_shape(
    g: &GatherDimensions,
    operand: &TensorType,
    indices: &TensorType,
) -> Result<Shape, Problem> {
    let (operand, rank) = (&operand.shape, operand.shape.rank());
    if indices.dtype != DType::I64 {
        return Err(Problem::operand(
            1,
            format!("indices are {}; insert convert to i64", indices.dtype),
        ));
    }
    let vector_dim = g.index_vector_dim as usize;
    if vector_dim > indices.shape.rank() {
        return Err(Problem::attribute(
            "index_vector_dim",
            format!(
                "is {vector_dim}, the indices have rank {}; use that rank for scalar indices",
                indices.shape.rank()
            ),
        ));
    }
    let components = indices.shape.get(vector_dim).copied().unwrap_or(1);
    check_dimensions("start_index_map", &g.start_index_map, rank)?;
    if g.start_index_map.len() as u64 != components {
        return Err(Problem::attribute(
            "start_index_map",
            format!(
                "names {} dimensions, an index has {components} components",
                g.start_index_map.len()
            ),
        ));
    }
    check_rank("slice_sizes", g.slice_sizes.len(), rank)?;
    check_dimensions("collapsed_slice_dims", &g.collapsed_slice_dims, rank)?;
    for (d, (&window, &size)) in g.slice_sizes.iter().zip(operand.iter()).enumerate() {
        if window > size {
            return Err(Problem::attribute(
                "slice_sizes",
                format!("window size {window} exceeds dimension {d}, which has size {size}"),
            ));
        }
        if g.collapsed_slice_dims.contains(&(d as u32)) && window != 1 {
            return Err(Problem::attribute(
                "slice_sizes",
                format!("dimension {d} is collapsed, so its window size must be 1, not {window}"),
            ));
        }
    }
    let kept: Vec<u64> = (0..rank)
        .filter(|&d| !g.collapsed_slice_dims.contains(&(d as u32)))
        .map(|d| g.slice_sizes[d])
        .collect();
    if g.offset_dims.len() != kept.len() {
        return Err(Problem::attribute(
            "offset_dims",
            format!(
                "names {} dimensions, the window has {} that are not collapsed",
                g.offset_dims.len(),
                kept.len()
            ),
        ));
    }
    let batch: Vec<u64> = (0..indices.shape.rank())
        .filter(|&d| d != vector_dim)
        .map(|d| indices.shape[d])
        .collect();
    let result_rank = batch.len() + kept.len();
    for (i, &d) in g.offset_dims.iter().enumerate() {
        if d as usize >= result_rank || i > 0 && g.offset_dims[i - 1] >= d {
            return Err(Problem::attribute(
                "offset_dims",
                format!("must increase strictly below the result's rank {result_rank}"),
            ));
        }
    }
    let (mut kept, mut batch) = (kept.into_iter(), batch.into_iter());
    Ok((0..result_rank as u32)
        .filter_map(|d| match g.offset_dims.contains(&d) {
            true => kept.next(),
            false => batch.next(),
        })
        .collect())
}
