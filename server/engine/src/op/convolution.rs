//! convolution: windows of the padded input, contracted with the kernel.

use super::{
    Attributes, Composite, ConvolutionDimensions, DotDimensions, Emit, Form, Infer, Op, Problem,
    ValueId, WindowDimensions, same_dtype,
    windows::{along, each, padded, positions, surround},
};
use crate::tensor::TensorType;

/// The composite. Its windows are written out once: the input's elements times those of one kernel's window.
pub const CONVOLUTION: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "convolution",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |_, types| {
            let window = types.operands[1].shape[1..].iter();
            window.fold(types.result.elements(), |n, &size| n.saturating_mul(size))
        },
    },
    differentiable: true,
    expand,
};

fn dimensions(attributes: &Attributes) -> Result<&ConvolutionDimensions, Problem> {
    match attributes {
        Attributes::Convolution(c) => Ok(c),
        _ => Err(Problem::node("convolution attributes are missing")),
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let c = dimensions(attributes)?;
    same_dtype(operands)?;
    let (input, kernel) = (operands[0], operands[1]);
    if !input.dtype.is_float() {
        return Err(Problem::operands(format!(
            "operands are {}; insert convert",
            input.dtype
        )));
    }
    let ([batch, channels, spatial @ ..], [features, shared, window @ ..]) =
        (&input.shape[..], &kernel.shape[..])
    else {
        return Err(Problem::operands(format!(
            "operands have shapes {} and {}; reshape them to [batch, channels, …] and [features, channels / groups, …]",
            input.shape, kernel.shape
        )));
    };
    if spatial.len() != window.len() {
        return Err(Problem::operands(format!(
            "operands have shapes {} and {}, which differ in rank; reshape one of them",
            input.shape, kernel.shape
        )));
    }
    if window.contains(&0) {
        return Err(Problem::operand(
            1,
            format!(
                "kernel has shape {}; every spatial dimension needs an element",
                kernel.shape
            ),
        ));
    }
    let groups = c.groups.max(1);
    if shared.checked_mul(groups) != Some(*channels) || features % groups != 0 {
        return Err(Problem::operands(format!(
            "{channels} channels and {features} features do not fall into {groups} groups of {shared} channels; give the kernel channels / groups, and groups that divide both"
        )));
    }
    let along = along(window, &c.strides, &c.dilations)?;
    let positions = positions(&along, &padded(spatial, &c.low, &c.high)?)?;
    let shape = [&[*batch, *features], &positions[..]].concat();
    Ok(TensorType::new(input.dtype, shape))
}

fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let c = dimensions(attributes).expect("checked when the node was added");
    let [input, kernel] = [0, 1].map(|i| cx.ty(operands[i]).shape.clone());
    let spatial = input.rank() - 2;
    let entries = |list| each("", list, spatial, 0).expect("checked when the node was added");
    let padded = surround(cx, operands[0], 0.0, &entries(&c.low), &entries(&c.high));
    let windows = cx.emit(
        Op::Windows,
        &[padded],
        Attributes::Windows(WindowDimensions {
            sizes: kernel[2..].to_vec(),
            strides: c.strides.clone(),
            dilations: c.dilations.clone(),
            shape: vec![],
        }),
    );
    let positions = cx.ty(windows).shape[2..2 + spatial].to_vec();
    let (batch, channels, features) = (input[0], input[1], kernel[0]);
    let groups = c.groups.max(1);
    let (shared, each) = (channels / groups, features / groups);
    // The contraction is a matrix product if what is summed stands together, and so does what is kept.
    let shape = [&[batch, groups, shared], &positions[..], &kernel[2..]].concat();
    let windows = cx.reshape(windows, &shape);
    let n = spatial as u32;
    let order = [1, 2]
        .into_iter()
        .chain(3 + n..3 + 2 * n)
        .chain([0])
        .chain(3..3 + n)
        .collect();
    let columns = cx.transpose(windows, order);
    let shape = [&[groups, each, shared], &kernel[2..]].concat();
    let kernel = cx.reshape(operands[1], &shape);
    let dims = DotDimensions {
        lhs_contracting: (2..3 + n).collect(),
        rhs_contracting: (1..2 + n).collect(),
        lhs_batch: vec![0],
        rhs_batch: vec![0],
    };
    let attributes = Attributes::DotGeneral(dims);
    // [groups, features / groups, batch, positions…]
    let product = cx.emit(Op::DotGeneral, &[kernel, columns], attributes);
    let order = [2, 0, 1].into_iter().chain(3..3 + n).collect();
    let result = cx.transpose(product, order);
    let shape = [&[batch, features], &positions[..]].concat();
    vec![cx.reshape(result, &shape)]
}
