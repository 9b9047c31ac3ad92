//! Whether points may be evaluated together and each gets what it gets alone.

use super::Program;
use crate::execute::dot;
use crate::op::Kernel;
use crate::tape::Tape;

impl Program {
    /// Whether points run side by side in lanes, and each gets bit for bit what `alone`, compiled of the same request
    /// for one point, gives there (NaN counts as one). It is so where every step keeps to the order in which a single
    /// lane calculates, which products of large matrices do not.
    pub fn repeats(&self, alone: &Self) -> bool {
        let crossed = self.products.iter().any(|p| p.crossed.is_some());
        self.points_in_lanes
            && alone.batched.is_none()
            && self.parts == alone.parts
            && self.packs == alone.packs
            && !crossed
            && self.library.iter().chain([&self.tape]).all(keeps_order)
    }
}

fn keeps_order(tape: &Tape) -> bool {
    tape.structural.iter().all(|step| match &step.kernel {
        Kernel::Dot(plan) => dot::keeps_order(plan),
        _ => true,
    })
}
