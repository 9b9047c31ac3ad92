//! Errors of one block, and the sentence about them.

use super::custom::CustomRule;
use crate::graph::Graph;
use crate::tensor::TensorType;
use std::collections::HashSet;

/// Error against step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Curve {
    /// Absolute.
    pub step: f64,
    /// Relative to the largest exact entry; NaN where a difference is not finite.
    pub error: f64,
}

/// About an output and an input.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Position of the output.
    pub output: u32,
    /// Position of the input.
    pub wrt: u32,
    /// Whether everything agrees.
    pub passed: bool,
    /// Error of the differences, in the order of the steps.
    pub curve: Vec<Curve>,
    /// The step that did best.
    pub best: Curve,
    /// Error of the complex step; NaN where an operation does not allow it.
    pub complex_step_error: f64,
    /// One sentence.
    pub reason: String,
}

/// About a whole request.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Whether all of it agrees.
    pub passed: bool,
    /// One for each output and input.
    pub verdicts: Vec<Verdict>,
    /// |⟨c, Jv⟩ - ⟨Jᵀc, v⟩| relative to their size.
    pub dot_product_error: f64,
    /// Largest |H - Hᵀ| relative to the largest entry.
    pub hessian_asymmetry: f64,
    /// One sentence.
    pub reason: String,
    /// One for each function with a derivative of its own.
    pub custom_rules: Vec<CustomRule>,
}

impl Certificate {
    pub(super) fn new(
        verdicts: Vec<Verdict>,
        dot: f64,
        asymmetry: f64,
        tight: f64,
        custom_rules: Vec<CustomRule>,
    ) -> Self {
        // NaN is within nothing.
        let holds = |x: f64| x <= tight;
        let failed = verdicts.iter().filter(|v| !v.passed).count();
        let wrong = custom_rules.iter().find(|rule| !rule.passed);
        let reason = if let Some(rule) = wrong {
            format!("function {:?}: {}", rule.function, rule.reason)
        } else if failed > 0 {
            format!("{failed} of {} blocks disagree", verdicts.len())
        } else if !holds(dot) {
            format!(
                "forward and reverse mode disagree: <c, Jv> and <J'c, v> are {dot:.1e} apart, relative to their size"
            )
        } else if !holds(asymmetry) {
            format!("the Hessian is not symmetric: {asymmetry:.1e} relative to its size")
        } else {
            "all derivatives agree with differences, with each other, and second ones are symmetric"
                .into()
        };
        Self {
            passed: failed == 0 && wrong.is_none() && holds(dot) && holds(asymmetry),
            verdicts,
            dot_product_error: dot,
            hessian_asymmetry: asymmetry,
            reason,
            custom_rules,
        }
    }
}

/// Two slopes that stay apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kink {
    pub row: usize,
    pub column: usize,
    /// Behind and ahead.
    pub sides: [f64; 2],
}

/// Where something is, and what was found there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worst {
    row: usize,
    column: usize,
    found: f64,
}

/// The error at a step, so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    step: f64,
    error: f64,
    worst: Option<Worst>,
}

impl Measured {
    pub fn new(step: f64) -> Self {
        Self {
            step,
            error: 0.0,
            worst: None,
        }
    }
}

/// One output by one input, under check.
pub(super) struct Block {
    pub output: u32,
    pub wrt: u32,
    pub rows: usize,
    pub columns: usize,
    pub exact: Vec<f64>,
    /// Largest exact entry; 1 where that is 0.
    pub scale: f64,
    pub tolerance: f64,
    pub kinks: Vec<Kink>,
    /// Their places in `exact`.
    pub kinked: HashSet<usize>,
    pub curve: Vec<Measured>,
    pub complex: f64,
    pub complex_worst: Option<Worst>,
}

/// The larger of two errors; NaN wins, and stays.
fn larger(sum: f64, error: f64) -> bool {
    !sum.is_nan() && (error.is_nan() || error > sum)
}

impl Block {
    fn exact_at(&self, row: usize, column: usize) -> f64 {
        self.exact[row * self.columns + column]
    }

    fn is_kink(&self, row: usize, column: usize) -> bool {
        self.kinked.contains(&(row * self.columns + column))
    }

    fn error(&self, row: usize, column: usize, found: f64) -> f64 {
        let gap = (found - self.exact_at(row, column)).abs() / self.scale;
        if gap.is_finite() { gap } else { f64::NAN }
    }

    /// A difference at the last step of the curve.
    pub fn note_difference(&mut self, row: usize, column: usize, found: f64) {
        if self.is_kink(row, column) {
            return;
        }
        let error = self.error(row, column, found);
        if let Some(last) = self.curve.last_mut()
            && (larger(last.error, error) || last.worst.is_none())
        {
            last.error = error;
            last.worst = Some(Worst { row, column, found });
        }
    }

    /// A slope by the complex step; NaN where it means nothing.
    pub fn note_complex(&mut self, row: usize, column: usize, found: f64) {
        let error = self.error(row, column, found);
        if larger(self.complex, error) || self.complex_worst.is_none() {
            self.complex = error;
            self.complex_worst = Some(Worst { row, column, found });
        }
    }

    /// The verdict, once everything is measured.
    pub fn verdict(&self, graph: &Graph) -> Verdict {
        let measured = self.curve.iter().filter(|m| m.error.is_finite());
        let best = measured.min_by(|a, b| a.error.total_cmp(&b.error));
        let curve = self.curve.iter().map(|m| Curve {
            step: m.step,
            error: m.error,
        });
        let (passed, reason) = self.judge(graph, best);
        Verdict {
            output: self.output,
            wrt: self.wrt,
            passed,
            curve: curve.collect(),
            best: best.map_or(
                Curve {
                    step: 0.0,
                    error: f64::NAN,
                },
                |m| Curve {
                    step: m.step,
                    error: m.error,
                },
            ),
            complex_step_error: self.complex,
            reason,
        }
    }

    fn judge(&self, graph: &Graph, best: Option<&Measured>) -> (bool, String) {
        let name = |row: usize, column: usize| -> String {
            let (o, i) = (self.output as usize, self.wrt as usize);
            let (of, by) = (graph.output_type(o), &graph.inputs()[i].ty);
            format!(
                "d {}{} / d {}{}",
                graph.outputs()[o].name,
                subscript(of, row),
                graph.inputs()[i].name,
                subscript(by, column)
            )
        };
        if self.exact.is_empty() {
            return (true, "there are no elements to check".into());
        }
        if let Some(at) = self.exact.iter().position(|x| !x.is_finite()) {
            let (row, column) = (at / self.columns, at % self.columns);
            return (
                false,
                format!(
                    "{} is {}: the function is not smooth there, or not defined",
                    name(row, column),
                    self.exact[at]
                ),
            );
        }
        for kink in &self.kinks {
            let exact = self.exact_at(kink.row, kink.column);
            let [low, high] = [
                kink.sides[0].min(kink.sides[1]),
                kink.sides[0].max(kink.sides[1]),
            ];
            let slack = self.tolerance.max(1e-3) * self.scale;
            if !(exact >= low - slack && exact <= high + slack) {
                return (
                    false,
                    format!(
                        "the point is not smooth: {} is {exact}, outside the slopes {:.6} and {:.6} on both sides",
                        name(kink.row, kink.column),
                        kink.sides[0],
                        kink.sides[1]
                    ),
                );
            }
        }
        let Some(best) = best else {
            return (
                false,
                "no step gives a finite difference: the function is not defined around the point"
                    .into(),
            );
        };
        if best.error > self.tolerance {
            let worst = best.worst.unwrap_or(Worst {
                row: 0,
                column: 0,
                found: f64::NAN,
            });
            return (
                false,
                format!(
                    "{} is {}, differences say {} (step {:e}): {:.1e} off, {:.1e} allowed",
                    name(worst.row, worst.column),
                    self.exact_at(worst.row, worst.column),
                    worst.found,
                    best.step,
                    best.error,
                    self.tolerance
                ),
            );
        }
        // Exact up to rounding, so it may be held to more.
        if let Some(worst) = self.complex_worst
            && self.complex > self.tolerance
        {
            return (
                false,
                format!(
                    "{} is {}, the complex step says {}: {:.1e} off, {:.1e} allowed",
                    name(worst.row, worst.column),
                    self.exact_at(worst.row, worst.column),
                    worst.found,
                    self.complex,
                    self.tolerance
                ),
            );
        }
        if let Some(kink) = self.kinks.first() {
            let more = match self.kinks.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            return (
                true,
                format!(
                    "the point is not smooth: {} is {}, between the slopes {:.6} and {:.6} on both sides{more}",
                    name(kink.row, kink.column),
                    self.exact_at(kink.row, kink.column),
                    kink.sides[0],
                    kink.sides[1]
                ),
            );
        }
        let to = |error: f64| match error {
            0.0 => "to the last bit".to_owned(),
            error => format!("to {error:.1e}"),
        };
        let complex = match self.complex.is_finite() {
            true => format!("; {} with the complex step", to(self.complex)),
            false => String::new(),
        };
        let (differences, step) = (to(best.error), best.step);
        (
            true,
            format!("agrees {differences} with differences of step {step:e}{complex}"),
        )
    }
}

/// `[1, 0]`; empty for a scalar.
fn subscript(ty: &TensorType, element: usize) -> String {
    if ty.shape.is_empty() {
        return String::new();
    }
    let strides = ty.shape.strides();
    let index = ty.shape.sizes().into_iter().zip(strides);
    let index: Vec<String> = index
        .map(|(n, s)| (element / s % n.max(1)).to_string())
        .collect();
    format!("[{}]", index.join(", "))
}
