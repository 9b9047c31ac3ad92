//! Derivatives that functions bring, against those that follow from the functions themselves.

use super::{CheckRequest, Exact};
use crate::error::Error;
use crate::graph::Graph;
use crate::tensor::DType;
use std::sync::Arc;

/// About a function with a derivative of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct CustomRule {
    /// Its name.
    pub function: String,
    /// Largest difference of the Jacobian with the rule and without, relative to its largest entry without; NaN where
    /// the automatic derivative is not finite.
    pub error: f64,
    /// Whether they agree, or there is nothing to hold it against.
    pub passed: bool,
    /// One sentence.
    pub reason: String,
}

/// Takes the rules away one at a time; `jacobian` is that of a graph.
pub(super) fn rules(
    graph: &Graph,
    request: &CheckRequest,
    exact: &Exact,
    mut jacobian: impl FnMut(&Graph) -> Result<Exact, Error>,
) -> Result<Vec<CustomRule>, Error> {
    let single = request
        .wrt
        .iter()
        .any(|&w| graph.inputs()[w as usize].ty.dtype == DType::F32);
    let tolerance = match request.tolerance {
        0.0 if single => 1e-3,
        0.0 => 1e-9,
        given => given,
    };
    let mut found = Vec::new();
    for (i, function) in graph.functions().iter().enumerate() {
        let which = match (function.custom_jvp, function.custom_vjp) {
            (None, None) => continue,
            (Some(_), None) => "custom_jvp",
            (None, Some(_)) => "custom_vjp",
            (Some(_), Some(_)) => "custom_jvp and custom_vjp",
        };
        let mut functions = (**graph.functions()).clone();
        (functions[i].custom_jvp, functions[i].custom_vjp) = (None, None);
        let automatic = jacobian(&graph.clone().with_functions(Arc::new(functions)))?;
        let (error, largest) = apart(exact, &automatic);
        let passed = error.is_nan() || error <= tolerance;
        let reason = if error.is_nan() {
            format!("nothing to hold {which} against: the automatic derivative is not finite here")
        } else if passed {
            format!("{which} and the automatic derivative agree")
        } else {
            format!(
                "{which} and the automatic derivative disagree: the Jacobian changes by {:.3e}, and its largest entry is {largest:.3e}",
                error * if largest == 0.0 { 1.0 } else { largest }
            )
        };
        found.push(CustomRule {
            function: function.name.clone(),
            error,
            passed,
            reason,
        });
    }
    Ok(found)
}

/// Largest difference relative to the largest entry of the second, absolute if that is 0, and that entry. NaN where the
/// second is not finite; where only the first is not, infinite.
fn apart(with: &Exact, without: &Exact) -> (f64, f64) {
    let pairs = || (with.0.iter().flatten()).zip(without.0.iter().flatten());
    if pairs().any(|(_, b)| !b.is_finite()) {
        return (f64::NAN, f64::NAN);
    }
    let largest = pairs().fold(0.0f64, |l, (_, b)| l.max(b.abs()));
    let gap = pairs().map(|(a, b)| (a - b).abs());
    let gap = gap.fold(0.0f64, |l, gap| {
        if gap.is_finite() {
            l.max(gap)
        } else {
            f64::INFINITY
        }
    });
    (if largest == 0.0 { gap } else { gap / largest }, largest)
}
