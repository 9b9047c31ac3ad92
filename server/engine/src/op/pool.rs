//! max_pool and average_pool: windows of the padded operand, reduced.

use super::{
    Attributes, Composite, Direction, Emit, Form, Infer, NonSmooth, Op, PoolDimensions, Problem,
    Types, ValueId, WindowDimensions,
    windows::{along, each, padded, positions, surround},
};
use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// The largest of each window.
pub const MAX_POOL: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "pool",
        linear: false,
        non_smooth: "k ties share, 1/k each",
        infer: Infer::One(infer),
        cost,
    },
    differentiable: true,
    expand: expand_max,
};

/// The mean of those elements of each window that lie inside.
pub const AVERAGE_POOL: Composite = Composite {
    form: Form {
        linear: true,
        non_smooth: "",
        ..MAX_POOL.form
    },
    differentiable: true,
    expand: expand_average,
};

fn cost(attributes: &Attributes, types: &Types<'_>) -> u64 {
    let sizes: &[u64] = match attributes {
        Attributes::Pool(p) => &p.sizes,
        _ => &[],
    };
    let result = types.result.elements();
    sizes.iter().fold(result, |n, &size| n.saturating_mul(size))
}

/// Steps between windows.
fn strides(p: &PoolDimensions) -> &[u64] {
    match p.strides.is_empty() {
        true => &p.sizes,
        false => &p.strides,
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Pool(p) = attributes else {
        return Err(Problem::node("pool attributes are missing"));
    };
    let ty = operands[0];
    if !ty.dtype.is_float() {
        return Err(Problem::operand(
            0,
            format!("operand is {}; insert convert", ty.dtype),
        ));
    }
    let [batch, channels, spatial @ ..] = &ty.shape[..] else {
        return Err(Problem::operand(
            0,
            format!(
                "operand has shape {}; reshape it to [batch, channels, …]",
                ty.shape
            ),
        ));
    };
    if p.sizes.len() != spatial.len() {
        return Err(Problem::attribute(
            "sizes",
            format!(
                "has {} entries for {} spatial dimensions; give one for each",
                p.sizes.len(),
                spatial.len()
            ),
        ));
    }
    let along = along(&p.sizes, strides(p), &[])?;
    let positions = positions(&along, &padded(spatial, &p.low, &p.high)?)?;
    let shape = [&[*batch, *channels], &positions[..]].concat();
    Ok(TensorType::new(ty.dtype, shape))
}

/// A pool worked out: `windows` is `[batch, channels, positions…, elements of a window]`.
struct Pool {
    windows: ValueId,
    /// The result's shape.
    shape: Vec<u64>,
    /// Padding before each spatial dimension.
    low: Vec<u64>,
    /// Whether any window can hold padding.
    padded: bool,
}

impl Pool {
    fn new(cx: &mut dyn Emit, p: &PoolDimensions, operand: ValueId, padding: f64) -> Self {
        let spatial = p.sizes.len();
        let entries = |list| each("", list, spatial, 0).expect("checked when the node was added");
        let (low, high) = (entries(&p.low), entries(&p.high));
        let surrounded = surround(cx, operand, padding, &low, &high);
        let windows = cx.emit(
            Op::Windows,
            &[surrounded],
            Attributes::Windows(WindowDimensions {
                sizes: p.sizes.clone(),
                strides: strides(p).to_vec(),
                ..WindowDimensions::default()
            }),
        );
        let shape = cx.ty(windows).shape[..2 + spatial].to_vec();
        let elements = p.sizes.iter().fold(1u64, |n, &size| n.saturating_mul(size));
        let flat = [&shape[..], &[elements]].concat();
        Self {
            windows: cx.reshape(windows, &flat),
            padded: surrounded != operand,
            shape,
            low,
        }
    }

    fn reduce(&self, cx: &mut dyn Emit, op: Op, value: ValueId) -> ValueId {
        cx.reduce(op, value, vec![self.shape.len() as u32])
    }

    /// A number for each window, repeated for its elements.
    fn repeat(&self, cx: &mut dyn Emit, value: ValueId) -> ValueId {
        let shape = cx.ty(self.windows).shape.clone();
        cx.broadcast(value, &shape, (0..self.shape.len() as u32).collect())
    }

    /// The first largest element of each window, as JAX and PyTorch have it; NaN if any is.
    fn first_largest(&self, cx: &mut dyn Emit) -> ValueId {
        let ty = cx.ty(self.windows).clone();
        let largest = self.reduce(cx, Op::ReduceMax, self.windows);
        let largest = self.repeat(cx, largest);
        let attained = cx.compare(Direction::Eq, self.windows, largest);
        let nan = cx.unary(Op::IsNan, self.windows);
        let attained = cx.binary(Op::Or, attained, nan);
        let dimension = self.shape.len() as u32;
        let ty = TensorType::new(DType::I64, ty.shape.clone());
        let place = cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension });
        let nowhere = cx.scalar(DType::I64, i32::MAX.into());
        let candidates = cx.select(attained, place, nowhere);
        let first = self.reduce(cx, Op::ReduceMin, candidates);
        let first = self.repeat(cx, first);
        let chosen = cx.compare(Direction::Eq, place, first);
        let dtype = cx.ty(self.windows).dtype;
        let zero = cx.scalar(dtype, 0.0);
        let kept = cx.select(chosen, self.windows, zero);
        self.reduce(cx, Op::ReduceSum, kept)
    }
}

fn expand_max(
    cx: &mut dyn Emit,
    _: Op,
    attributes: &Attributes,
    operands: &[ValueId],
) -> Vec<ValueId> {
    let Attributes::Pool(p) = attributes else {
        return operands.to_vec();
    };
    let pool = Pool::new(cx, p, operands[0], f64::NEG_INFINITY);
    vec![match cx.policy() {
        NonSmooth::Jax | NonSmooth::PyTorch => pool.first_largest(cx),
        NonSmooth::Standard | NonSmooth::Strict => pool.reduce(cx, Op::ReduceMax, pool.windows),
    }]
}

fn expand_average(
    cx: &mut dyn Emit,
    _: Op,
    attributes: &Attributes,
    operands: &[ValueId],
) -> Vec<ValueId> {
    let Attributes::Pool(p) = attributes else {
        return operands.to_vec();
    };
    let input = cx.ty(operands[0]).clone();
    let pool = Pool::new(cx, p, operands[0], 0.0);
    let sum = pool.reduce(cx, Op::ReduceSum, pool.windows);
    if input.shape[0] == 0 || input.shape[1] == 0 {
        return vec![sum];
    }
    if !pool.padded {
        let count = cx.scalar(input.dtype, p.sizes.iter().product::<u64>() as f64);
        return vec![cx.binary(Op::Divide, sum, count)];
    }
    // A window's elements inside are those along each dimension, multiplied.
    let mut count = None;
    for (d, &size) in p.sizes.iter().enumerate() {
        let inside = pool.low[d]..pool.low[d] + input.shape[2 + d];
        let positions = pool.shape[2 + d];
        let numbers = (0..positions).map(|position| {
            let first = position * strides(p)[d];
            let end = (first + size).min(inside.end);
            end.saturating_sub(first.max(inside.start)) as f64
        });
        let raw = numbers
            .flat_map(|n| Tensor::scalar(input.dtype, n).into_raw())
            .collect();
        let ty = TensorType::new(input.dtype, [positions]);
        let numbers = Tensor::from_raw(ty, raw).expect("as many numbers as positions");
        let numbers = cx.emit(Op::Constant, &[], Attributes::Constant(Arc::new(numbers)));
        let numbers = cx.broadcast(numbers, &pool.shape, vec![2 + d as u32]);
        count = Some(match count {
            None => numbers,
            Some(count) => cx.binary(Op::Multiply, count, numbers),
        });
    }
    vec![match count {
        Some(count) => cx.binary(Op::Divide, sum, count),
        None => sum,
    }]
}
