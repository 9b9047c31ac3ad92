//! What a call may mean.

use std::ops::RangeInclusive;

use super::names::FUNCTIONS;
use crate::expr::Expr;

/// What a call means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    /// Elementwise, one operand.
    Unary(fn(&Expr) -> Expr),
    /// Elementwise, two operands.
    Binary(fn(&Expr, &Expr) -> Expr),
    /// Elementwise, three operands.
    Ternary(fn(&Expr, &Expr, &Expr) -> Expr),
    /// The largest of two operands or more, elementwise; of one operand, of its elements.
    Max,
    /// The smallest, likewise.
    Min,
    Power,
    Select,
    /// Over all elements, or along axes.
    Reduction(fn(&Expr, Vec<usize>) -> Expr),
    /// A reduction of truth values.
    TruthReduction(fn(&Expr, Vec<usize>) -> Expr),
    /// Along one axis: the last one if none is named.
    AlongAxis(fn(&Expr, usize) -> Expr),
    MatrixProduct,
    /// Of one matrix.
    Matrix(fn(&Expr) -> Expr),
    /// Of two tensors, which do not stretch.
    Pair(fn(&Expr, &Expr) -> Expr),
    Transpose,
    Reshape,
}

impl Function {
    pub fn named(name: &str) -> Option<Function> {
        FUNCTIONS
            .iter()
            .find(|(names, _)| names.contains(&name))
            .map(|&(_, function)| function)
    }

    /// How many arguments a call has, `axis` not counted.
    pub fn arity(self) -> RangeInclusive<usize> {
        match self {
            Function::Unary(_) | Function::Matrix(_) => 1..=1,
            // The second argument of a sum is its axis.
            Function::Reduction(_) | Function::TruthReduction(_) | Function::AlongAxis(_) => 1..=2,
            Function::Binary(_) | Function::Pair(_) => 2..=2,
            Function::Power | Function::MatrixProduct => 2..=2,
            Function::Ternary(_) | Function::Select => 3..=3,
            Function::Transpose => 1..=2,
            Function::Max | Function::Min => 1..=usize::MAX,
            Function::Reshape => 2..=usize::MAX,
        }
    }

    /// How a call is written, for error messages.
    pub fn usage(self, name: &str) -> String {
        let arguments = match self {
            Function::Unary(_) => "x",
            Function::Binary(_) => "x, y",
            Function::Ternary(_) => "x, y, z",
            Function::Matrix(_) => "A",
            Function::Pair(_) => "A, b",
            Function::Power => "base, exponent",
            Function::Max | Function::Min => {
                "x, y), or of all elements NAME(x), or along an axis NAME(x, axis=0"
            }
            Function::Select => "condition, if_true, if_false",
            Function::Reduction(_) => "x), or along an axis NAME(x, axis=0",
            Function::TruthReduction(_) => "condition), or along an axis NAME(condition, axis=0",
            Function::AlongAxis(_) => "x), or along another axis than the last NAME(x, axis=0",
            Function::MatrixProduct => "A, B",
            Function::Transpose => "x), or with a permutation NAME(x, [1, 0, 2]",
            Function::Reshape => "x, [2, 3]",
        };
        format!("{name}({})", arguments.replace("NAME", name))
    }

    /// Whether a call may say along which axis.
    pub fn takes_axis(self) -> bool {
        matches!(
            self,
            Function::Reduction(_)
                | Function::TruthReduction(_)
                | Function::AlongAxis(_)
                | Function::Max
                | Function::Min
        )
    }
}

/// The name of a function that somebody who wrote `name` may have meant.
pub(super) fn nearest_function(name: &str) -> Option<&'static str> {
    nearest(
        name,
        FUNCTIONS
            .iter()
            .flat_map(|(names, _)| names.iter().copied()),
    )
}

/// The candidate that differs least from `name`, if it differs by less than about a third.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|&(distance, candidate)| {
            let length = name.chars().count().max(candidate.chars().count());
            distance < length && distance <= length.div_ceil(3)
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}
