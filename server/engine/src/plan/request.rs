use super::cost::Costs;
pub use crate::op::{Layout, NonSmooth, Product};
use std::time::Duration;

/// Products compiled together, so that what they share is computed once. With a graph's id this is the key of
/// a compiled program.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Request {
    /// What to compute.
    pub products: Vec<Product>,
    /// How.
    pub options: Options,
    /// `None`: one point. Otherwise for each input whether it has a leading batch axis.
    pub batched: Option<Vec<bool>>,
}

/// How to compute.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Options {
    /// `None`: automatic. Gradients and Jacobians follow it; products that need both modes do not.
    pub mode: Option<Mode>,
    /// `None`: automatic.
    pub hvp_mode: Option<HvpMode>,
    /// The derivative where there is none.
    pub non_smooth: NonSmooth,
    /// What infinities and NaN mean.
    pub non_finite: NonFinite,
    /// By which method.
    pub method: Method,
    /// Bits of the absolute step of numerical differences, as `f64::to_bits`, so that it can be a key. 0: chosen
    /// for each input element.
    pub step_bits: u64,
    /// Bytes of working memory that an evaluation may take; 0: 1 GiB. States of loops that do not fit are calculated
    /// again.
    pub memory_budget: u64,
    /// What operations cost on this machine: by it ways are chosen and times predicted.
    pub costs: Costs,
}

/// Bytes of working memory of an evaluation that says nothing of it.
pub const DEFAULT_BUDGET: u64 = 1 << 30;

impl Options {
    /// Bytes of working memory that an evaluation may take.
    pub fn memory_budget(&self) -> u64 {
        match self.memory_budget {
            0 => DEFAULT_BUDGET,
            given => given,
        }
    }

    /// The absolute step of numerical differences; 0: chosen for each input element.
    pub fn step(&self) -> f64 {
        f64::from_bits(self.step_bits)
    }
}

/// How derivatives are found. The others are for comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Method {
    /// Algorithmic differentiation by graph transformation.
    #[default]
    Exact,
    /// Central differences.
    Numerical,
    /// An independent evaluation on dual numbers.
    Dual,
}

/// Direction of differentiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// A sweep for each input direction.
    Forward,
    /// A sweep for each output direction.
    Reverse,
    /// Both.
    Mixed,
}

/// How H·v is composed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HvpMode {
    /// The gradient of ∇f·v.
    ReverseOverForward,
    /// The derivative of ∇f along v.
    ForwardOverReverse,
}

/// What infinities and NaN mean.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NonFinite {
    /// They come back as they are.
    #[default]
    Return,
    /// An error that names the node.
    Error,
}

/// How a product is computed, and what it costs.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// `None` for plain values.
    pub mode: Option<Mode>,
    /// For H and H·v.
    pub hvp_mode: Option<HvpMode>,
    /// Passes over what depends on a direction, for one point.
    pub sweeps: u32,
    /// Colours of columns; 0 without compression.
    pub forward_colors: u32,
    /// Colours of rows; 0 without compression.
    pub reverse_colors: u32,
    /// Elementary operations for one point.
    pub operations: u64,
    /// Working memory of the whole request in bytes.
    pub bytes: u64,
    /// By [`Options::costs`], for one point.
    pub predicted: Duration,
    /// One sentence.
    pub reason: String,
    /// Every way that was priced, the chosen one first.
    pub candidates: Vec<Candidate>,
    /// n: elements of the inputs that the outputs depend on.
    pub live_inputs: u64,
    /// m: elements of the outputs.
    pub live_outputs: u64,
}

/// One way to compute a product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Direction.
    pub mode: Mode,
    /// For H and H·v.
    pub hvp_mode: Option<HvpMode>,
    /// Sweeps.
    pub sweeps: u32,
    /// Elementary operations for one point.
    pub operations: u64,
    /// Time for one point: what candidates are compared by.
    pub nanoseconds: u64,
}
