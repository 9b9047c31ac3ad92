//! Scans and folds by halves and doubles: the products of a tree, so that derivatives never divide by an element.

use super::{
    Attributes, Composite, Emit, Form, Infer, Op, Types, ValueId, cumulative, reduce, reduce::count,
};

/// The product over axes: neighbours' halves multiplied until one is left. Exact derivatives of every order where
/// factors are 0.
pub const PROD: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "reduce",
        linear: false,
        non_smooth: "",
        infer: Infer::One(reduce::infer),
        cost: reduce::cost,
    },
    differentiable: true,
    expand: expand_prod,
};

/// Running products, by doubling: after step s each element is the product of the last 2s (Hillis and Steele, Data
/// parallel algorithms, 1986).
pub const CUMPROD: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "cumulative",
        linear: false,
        non_smooth: "",
        infer: Infer::One(cumulative::infer),
        cost,
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| scan(cx, Op::Multiply, attributes, operands[0]),
};

/// Running log(sum(e^a)), by doubling.
pub const CUMLOGSUMEXP: Composite = Composite {
    form: Form {
        non_smooth: "NaN where two are -inf or two are +inf and none is larger",
        infer: Infer::One(|op, attributes, operands| {
            super::check_float(operands[0], 0)?;
            cumulative::infer(op, attributes, operands)
        }),
        cost: |attributes, types| cost(attributes, types).saturating_mul(26),
        ..CUMPROD.form
    },
    expand: |cx, _, attributes, operands| scan(cx, Op::Logaddexp, attributes, operands[0]),
    ..CUMPROD
};

fn cost(attributes: &Attributes, types: &Types<'_>) -> u64 {
    let (axis, _) = cumulative::direction(attributes);
    let size = types.result.shape.get(axis).copied().unwrap_or(1);
    let steps = u64::from(size.max(1).next_power_of_two().ilog2());
    types.result.elements().saturating_mul(1 + steps)
}

fn scan(cx: &mut dyn Emit, op: Op, attributes: &Attributes, operand: ValueId) -> Vec<ValueId> {
    doubling(
        cx,
        cumulative::direction(attributes),
        vec![operand],
        |cx, early, late| vec![cx.binary(op, early[0], late[0])],
    )
}

/// The scan of an associative combination of tuples of tensors of one shape along an axis (in reverse from the last
/// element on). `combine(early, late)` puts what comes first first.
pub(super) fn doubling(
    cx: &mut dyn Emit,
    (axis, reverse): (usize, bool),
    mut state: Vec<ValueId>,
    combine: impl Fn(&mut dyn Emit, &[ValueId], &[ValueId]) -> Vec<ValueId>,
) -> Vec<ValueId> {
    let n = cx.ty(state[0]).shape[axis];
    let mut step = 1;
    while step < n {
        let rest = n - step;
        let [early, late, done] = match reverse {
            false => [(0, rest), (step, n), (0, step)],
            true => [(step, n), (0, rest), (rest, n)],
        };
        let mut part = |(from, to): (u64, u64)| -> Vec<ValueId> {
            let of = state.iter();
            of.map(|&v| cx.slice_along(v, axis, from, to)).collect()
        };
        let (early, late, done) = (part(early), part(late), part(done));
        let combined = combine(cx, &early, &late);
        state = combined
            .into_iter()
            .zip(done)
            .map(|(new, done)| match reverse {
                false => join(cx, [done, new], axis),
                true => join(cx, [new, done], axis),
            })
            .collect();
        step *= 2;
    }
    state
}

/// One after the other along an axis.
pub(super) fn join(cx: &mut dyn Emit, values: [ValueId; 2], axis: usize) -> ValueId {
    let dimension = axis as u32;
    cx.emit(
        Op::Concatenate,
        &values,
        Attributes::Concatenate { dimension },
    )
}

fn expand_prod(
    cx: &mut dyn Emit,
    _: Op,
    attributes: &Attributes,
    operands: &[ValueId],
) -> Vec<ValueId> {
    let Attributes::Reduce {
        axes: named,
        keep_dims,
    } = attributes
    else {
        return operands.to_vec();
    };
    let ty = cx.ty(operands[0]).clone();
    let axes = reduce::axes_or_all(named, ty.shape.rank());
    let result = reduce::reduced_shape(&ty.shape, &axes, *keep_dims);
    let mut n = count(&ty.shape, &axes);
    if n == 0 {
        let ty = crate::tensor::TensorType::new(ty.dtype, result);
        return vec![cx.full(&ty, 1.0)];
    }
    // Factors first: halves then lie in one piece.
    let is_kept = |d: &usize| !axes.contains(d);
    let kept = (0..ty.shape.rank()).filter(is_kept);
    let order = axes.iter().copied().chain(kept).map(|d| d as u32).collect();
    let factors = cx.transpose(operands[0], order);
    let mut product = cx.reshape(factors, &[n, result.elements()]);
    while n > 1 {
        let half = n / 2;
        let [low, high] =
            [(0, half), (half, 2 * half)].map(|(from, to)| cx.slice_along(product, 0, from, to));
        let halves = cx.binary(Op::Multiply, low, high);
        product = match n % 2 {
            0 => halves,
            _ => {
                let odd = cx.slice_along(product, 0, n - 1, n);
                join(cx, [halves, odd], 0)
            }
        };
        n = n.div_ceil(2);
    }
    vec![cx.reshape(product, &result)]
}
