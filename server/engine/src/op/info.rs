use super::{Jvp, Op};
use crate::tensor::DType;

/// A line of the op catalogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpInfo {
    /// The operation.
    pub op: Op,
    /// Lower-case name.
    pub name: &'static str,
    /// Fewest operands.
    pub min_operands: u32,
    /// Most operands; `None`: no bound.
    pub max_operands: Option<u32>,
    /// Field of the attribute message in a wire node; empty for none.
    pub attribute: &'static str,
    /// Element types of the differentiable operands.
    pub dtypes: &'static [DType],
    /// Where the derivative is tested, in words.
    pub domain: String,
    /// The choice where the derivative does not exist; empty for smooth operations.
    pub non_smooth: &'static str,
    /// Elementary operations an element (elementwise operations) or of the simplest case.
    pub cost: u32,
    /// Linear in its floating-point operands together.
    pub linear: bool,
    /// False: declared in the contract, but this engine does not have it yet.
    pub implemented: bool,
}

/// The op catalogue, by number.
pub fn list_ops() -> Vec<OpInfo> {
    const FLOATS: &[DType] = &[DType::F64, DType::F32];
    let mut all: Vec<OpInfo> = Op::ALL
        .iter()
        .map(|&op| {
            let bare = OpInfo {
                op,
                name: op.name(),
                min_operands: 0,
                max_operands: None,
                attribute: "",
                dtypes: &[],
                domain: String::new(),
                non_smooth: "",
                cost: 0,
                linear: false,
                implemented: false,
            };
            if let Some(row) = op.elementwise() {
                let arity = row.partials.len() as u32;
                let domain = row
                    .domain
                    .iter()
                    .zip(["a", "b", "c"])
                    .map(|((low, high), name)| format!("{name} in [{low}, {high}]"))
                    .collect::<Vec<_>>()
                    .join(", ");
                OpInfo {
                    min_operands: arity,
                    max_operands: Some(arity),
                    dtypes: FLOATS,
                    domain,
                    non_smooth: row.non_smooth,
                    cost: row.cost,
                    linear: matches!(op, Op::Add | Op::Subtract | Op::Negate),
                    implemented: true,
                    ..bare
                }
            } else if let Some(form) = op.form() {
                let (min, max) = form.operands;
                OpInfo {
                    min_operands: min,
                    max_operands: (max != u32::MAX).then_some(max),
                    attribute: form.attribute,
                    dtypes: if op.is_differentiable() { FLOATS } else { &[] },
                    non_smooth: form.non_smooth,
                    cost: 1,
                    linear: form.linear,
                    implemented: true,
                    ..bare
                }
            } else {
                bare
            }
        })
        .collect();
    all.sort_by_key(|info| info.op.number());
    all
}

impl Op {
    /// Whether a tangent can pass through the operation.
    pub fn is_differentiable(self) -> bool {
        self.elementwise().is_some()
            || self
                .rule()
                .is_some_and(|rule| !matches!(rule.jvp, Jvp::None))
            || self.composite().is_some_and(|c| c.differentiable)
    }
}
