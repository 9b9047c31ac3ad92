//! What an evaluation takes.

use super::Program;
use crate::execute::control::repeated;
use crate::execute::crossed;
use crate::plan::{LANES, WIDTHS, padded};
use crate::tape::native;

/// Lanes' memory is kept below this where fewer lanes can do that.
const LANES_BYTES: u64 = 64 << 20;

impl Program {
    /// Bytes of working memory, inputs and results included.
    pub fn bytes(&self, batch: u64) -> u64 {
        self.bytes_with(self.width(batch), batch)
    }

    /// The same with so many lanes at once.
    pub(super) fn bytes_with(&self, width: u64, batch: u64) -> u64 {
        let crossed = self.products.iter().filter_map(|p| p.crossed.as_ref());
        let crossed = crossed.map(crossed::Product::bytes).sum::<u64>();
        let at_once = if self.points_in_lanes { width } else { 1 };
        self.tape
            .scratch_bytes(width)
            .saturating_add(crossed.saturating_mul(at_once))
            .saturating_add(self.tape.bodies_bytes(&self.library, width))
            .saturating_add(self.ends_bytes.saturating_mul(batch.max(1)))
    }

    /// Bytes of working memory with the states of loops that the budget allows, and a sentence about them.
    pub(super) fn with_states(&self) -> (u64, String) {
        let least = self.bytes(1);
        let states = self.tape.states(self.width(1));
        let all = states.iter().fold(0u64, |sum, (steps, each)| {
            sum.saturating_add(steps.saturating_mul(*each))
        });
        let budget = self.budget.saturating_sub(least);
        if all == 0 {
            return (least, String::new());
        }
        // Half for what is kept as the loop runs, half for what is kept of a part that runs again.
        let bytes = least.saturating_add(all.min(budget));
        let inner = match self.tape.nests_loops() {
            true => ", and those of loops inside it once more at each level",
            false => "",
        };
        if all <= budget / 2 {
            let text = format!(
                "; states of loops take {all} bytes, each step runs once forward and once on the way back{inner}"
            );
            return (bytes, text);
        }
        let again = states.iter().map(|&(steps, each)| {
            let room = budget / 2 / each;
            let part = steps.div_ceil(room.max(2));
            2.0 + repeated(part, room.max(1)) as f64 / part as f64
        });
        let factor = again.fold(2.0, f64::max);
        let text = format!(
            "; states of loops would take {all} bytes, {} are allowed: each step runs {factor:.2} times instead of 2{inner}",
            self.budget
        );
        (bytes, text)
    }

    /// Lanes that run together: fewer where the budget allows no more.
    pub(super) fn width(&self, batch: u64) -> u64 {
        let wanted = match self.points_in_lanes {
            true => batch,
            false => self.groups.iter().map(|g| g.lanes).max().unwrap_or(1),
        };
        let lane = (self.tape.scratch_bytes(1) - self.tape.scratch_bytes(0)).max(1);
        let most = LANES.min(LANES_BYTES / lane).min(self.useful_lanes);
        let mut width = wanted.min(most).max(1);
        if native::is_there() {
            let fitting = WIDTHS.into_iter().rev().find(|&width| width <= most);
            width = padded(width).min(fitting.unwrap_or(1));
        }
        while width > 1 && self.has_budget && self.bytes_with(width, batch) > self.budget {
            width /= 2;
        }
        width
    }
}
