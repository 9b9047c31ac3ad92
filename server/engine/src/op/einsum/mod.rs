//! einsum: sums of products written with letters for dimensions, as contractions of pairs.

mod equation;

use super::{
    Attributes, Composite, DotDimensions, Emit, Form, Infer, Op, Problem, ValueId, diagonal,
    reduce, same_dtype,
};
use crate::tensor::TensorType;
use equation::{Equation, Label};

/// The composite: diagonals for letters repeated in an operand, sums for letters that nobody else has, then pairs
/// contracted, the cheapest first.
pub const EINSUM: Composite = Composite {
    form: Form {
        operands: (1, u32::MAX),
        attribute: "einsum",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, attributes, operands| {
            same_dtype(operands)?;
            reduce::check_number(operands[0])?;
            let equation = Equation::read(text(attributes)?, operands)?;
            Ok(TensorType::new(operands[0].dtype, equation.shape()))
        }),
        cost: |attributes, types| {
            let equation = text(attributes).and_then(|text| Equation::read(text, types.operands));
            equation.map_or(1, |equation| equation.size(equation.sizes.keys().copied()))
        },
    },
    differentiable: true,
    expand,
};

/// Operands among which the cheapest pair is looked for; more are taken from left to right.
const SEARCHED: usize = 16;

fn text(attributes: &Attributes) -> Result<&str, Problem> {
    match attributes {
        Attributes::Einsum { equation } => Ok(equation),
        _ => Err(Problem::node("einsum attributes are missing")),
    }
}

/// A tensor on the way, and the letters of its dimensions.
struct Part {
    value: ValueId,
    labels: Vec<Label>,
}

fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let types: Vec<TensorType> = operands.iter().map(|&v| cx.ty(v).clone()).collect();
    let types: Vec<&TensorType> = types.iter().collect();
    let equation = text(attributes)
        .and_then(|text| Equation::read(text, &types))
        .expect("checked when the node was added");
    let terms = operands.iter().zip(&equation.terms);
    let mut parts: Vec<Part> = terms
        .map(|(&value, labels)| {
            let labels = labels.clone();
            let part = unstretched(cx, &equation, Part { value, labels });
            diagonals(cx, part)
        })
        .collect();
    for i in 0..parts.len() {
        let needed = needed(&equation, &parts, &[i]);
        parts[i] = summed(cx, &parts[i], &needed);
    }
    while parts.len() > 1 {
        let (i, j) = cheapest(&equation, &parts);
        let needed = needed(&equation, &parts, &[i, j]);
        let right = parts.remove(j);
        parts[i] = contracted(cx, &parts[i], &right, &needed);
    }
    let last = summed(cx, &parts[0], &equation.result);
    let place = |label: &Label| last.labels.iter().position(|l| l == label);
    let order = equation.result.iter().filter_map(place);
    let order = order.map(|d| d as u32).collect();
    vec![cx.transpose(last.value, order)]
}

/// Without dimensions of size 1 that stand for larger ones: who has them at full size makes up for it.
fn unstretched(cx: &mut dyn Emit, equation: &Equation, part: Part) -> Part {
    let shape = cx.ty(part.value).shape.clone();
    let own = part.labels.iter().zip(shape.iter());
    let (labels, kept): (Vec<Label>, Vec<u64>) = own
        .filter(|&(label, size)| equation.sizes[label] == *size)
        .map(|(&label, &size)| (label, size))
        .unzip();
    let value = cx.reshape(part.value, &kept);
    Part { value, labels }
}

/// With every label once: the diagonal where it stood twice.
fn diagonals(cx: &mut dyn Emit, mut part: Part) -> Part {
    loop {
        let labels = &part.labels;
        let twice = (0..labels.len()).find_map(|j| {
            let i = labels[..j].iter().position(|&l| l == labels[j])?;
            Some((i, j))
        });
        let Some((i, j)) = twice else { return part };
        let others = (0..labels.len()).filter(|&d| d != i && d != j);
        let order: Vec<usize> = others.chain([i, j]).collect();
        let labels = order[..order.len() - 1]
            .iter()
            .map(|&d| labels[d])
            .collect();
        let order = order.into_iter().map(|d| d as u32).collect();
        let value = cx.transpose(part.value, order);
        let value = diagonal::take(cx, value, 0);
        part = Part { value, labels };
    }
}

/// Labels of the result and of all parts but some.
fn needed(equation: &Equation, parts: &[Part], but: &[usize]) -> Vec<Label> {
    let others = parts.iter().enumerate().filter(|(i, _)| !but.contains(i));
    let mut needed = equation.result.clone();
    needed.extend(others.flat_map(|(_, part)| &part.labels));
    needed
}

/// The sum over labels that nobody needs.
fn summed(cx: &mut dyn Emit, part: &Part, needed: &[Label]) -> Part {
    let (labels, axes): (Vec<_>, Vec<_>) = part
        .labels
        .iter()
        .copied()
        .enumerate()
        .partition(|(_, label)| needed.contains(label));
    let axes = axes.into_iter().map(|(d, _)| d as u32).collect();
    Part {
        value: cx.reduce(Op::ReduceSum, part.value, axes),
        labels: labels.into_iter().map(|(_, label)| label).collect(),
    }
}

/// The pair whose product takes the fewest multiplications.
fn cheapest(equation: &Equation, parts: &[Part]) -> (usize, usize) {
    if parts.len() > SEARCHED {
        return (0, 1);
    }
    let pairs = (0..parts.len()).flat_map(|i| (i + 1..parts.len()).map(move |j| (i, j)));
    let cost = |&(i, j): &(usize, usize)| {
        let (left, right) = (&parts[i].labels, &parts[j].labels);
        let own = right.iter().filter(|label| !left.contains(label));
        equation.size(left.iter().chain(own).copied())
    };
    pairs.min_by_key(cost).unwrap_or((0, 1))
}

/// The product of two parts, summed over common labels that nobody needs.
fn contracted(cx: &mut dyn Emit, left: &Part, right: &Part, needed: &[Label]) -> Part {
    let mut dims = DotDimensions::default();
    let (mut batch, mut rest) = (vec![], vec![]);
    for (l, label) in left.labels.iter().enumerate() {
        let Some(r) = right.labels.iter().position(|other| other == label) else {
            rest.push(*label);
            continue;
        };
        let (own, other) = match needed.contains(label) {
            true => (&mut dims.lhs_batch, &mut dims.rhs_batch),
            false => (&mut dims.lhs_contracting, &mut dims.rhs_contracting),
        };
        own.push(l as u32);
        other.push(r as u32);
        if needed.contains(label) {
            batch.push(*label);
        }
    }
    let own = right.labels.iter().filter(|l| !left.labels.contains(l));
    rest.extend(own);
    batch.extend(rest);
    Part {
        value: cx.emit(
            Op::DotGeneral,
            &[left.value, right.value],
            Attributes::DotGeneral(dims),
        ),
        labels: batch,
    }
}
