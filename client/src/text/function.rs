//! The functions a text may call: each once, with its other names.

use std::ops::RangeInclusive;

use crate::expr::Expr;

/// What a call means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    /// Elementwise, one operand.
    Unary(fn(&Expr) -> Expr),
    /// Elementwise, two operands.
    Binary(fn(&Expr, &Expr) -> Expr),
    /// The largest of two operands or more, elementwise; of one operand, of its elements.
    Max,
    /// The smallest, likewise.
    Min,
    Power,
    Select,
    Sum,
    Mean,
    Norm,
    MatrixProduct,
    Transpose,
    Reshape,
}

/// Names and meaning; the first name is the one that is suggested.
const FUNCTIONS: &[(&[&str], Function)] = &[
    (&["abs"], Function::Unary(Expr::abs)),
    (&["sign"], Function::Unary(Expr::sign)),
    (&["square"], Function::Unary(Expr::square)),
    (&["sqrt"], Function::Unary(Expr::sqrt)),
    (&["rsqrt"], Function::Unary(Expr::rsqrt)),
    (&["cbrt"], Function::Unary(Expr::cbrt)),
    (&["reciprocal"], Function::Unary(Expr::recip)),
    (&["exp"], Function::Unary(Expr::exp)),
    (&["expm1"], Function::Unary(Expr::expm1)),
    (&["exp2"], Function::Unary(Expr::exp2)),
    (&["log", "ln"], Function::Unary(Expr::ln)),
    (&["log1p"], Function::Unary(Expr::ln_1p)),
    (&["log2"], Function::Unary(Expr::log2)),
    (&["log10"], Function::Unary(Expr::log10)),
    (&["logistic", "sigmoid"], Function::Unary(Expr::logistic)),
    (&["sin"], Function::Unary(Expr::sin)),
    (&["cos"], Function::Unary(Expr::cos)),
    (&["tan"], Function::Unary(Expr::tan)),
    (&["asin", "arcsin"], Function::Unary(Expr::asin)),
    (&["acos", "arccos"], Function::Unary(Expr::acos)),
    (&["atan", "arctan"], Function::Unary(Expr::atan)),
    (&["sinh"], Function::Unary(Expr::sinh)),
    (&["cosh"], Function::Unary(Expr::cosh)),
    (&["tanh"], Function::Unary(Expr::tanh)),
    (&["asinh", "arcsinh"], Function::Unary(Expr::asinh)),
    (&["acosh", "arccosh"], Function::Unary(Expr::acosh)),
    (&["atanh", "arctanh"], Function::Unary(Expr::atanh)),
    (&["floor"], Function::Unary(Expr::floor)),
    (&["ceil"], Function::Unary(Expr::ceil)),
    (&["round"], Function::Unary(Expr::round)),
    (&["is_finite", "isfinite"], Function::Unary(Expr::is_finite)),
    (&["stop_gradient"], Function::Unary(Expr::stop_gradient)),
    (&["atan2", "arctan2"], Function::Binary(|y, x| y.atan2(x))),
    (&["hypot"], Function::Binary(|x, y| x.hypot(y))),
    (
        &["remainder", "fmod"],
        Function::Binary(|x, y| x.remainder(y)),
    ),
    (&["pow", "power"], Function::Power),
    (&["max", "maximum"], Function::Max),
    (&["min", "minimum"], Function::Min),
    (&["where", "select"], Function::Select),
    (&["sum"], Function::Sum),
    (&["mean"], Function::Mean),
    (&["norm2", "norm"], Function::Norm),
    (&["dot", "matmul"], Function::MatrixProduct),
    (&["transpose"], Function::Transpose),
    (&["reshape"], Function::Reshape),
];

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
            Function::Unary(_) => 1..=1,
            // The second argument of a sum is its axis.
            Function::Sum | Function::Mean | Function::Norm => 1..=2,
            Function::Binary(_) | Function::Power | Function::MatrixProduct => 2..=2,
            Function::Select => 3..=3,
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
            Function::Power => "base, exponent",
            Function::Max | Function::Min => {
                "x, y), or of all elements NAME(x), or along an axis NAME(x, axis=0"
            }
            Function::Select => "condition, if_true, if_false",
            Function::Sum | Function::Mean | Function::Norm => {
                "x), or along an axis NAME(x, axis=0"
            }
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
            Function::Sum | Function::Mean | Function::Norm | Function::Max | Function::Min
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
