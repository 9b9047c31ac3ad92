//! What a derivative costs, before it runs: steps of the tape times what a step costs, elementary operations times
//! what one costs, once for what depends on no direction and again for each block of lanes.

use crate::graph::Arena;
use crate::op::ValueId;

/// Lanes that run together: enough for the widest vectors several times over, few enough for the cache.
pub const LANES: u64 = 32;

/// Nanoseconds of the plain executor, as measured where this was written: their ratios decide.
struct Costs {
    /// A step on one number.
    scalar_step: f64,
    /// A step on a tensor, or on a block of lanes.
    step: f64,
    /// An elementary operation, one after the other.
    scalar_operation: f64,
    /// An elementary operation of a tensor or a block of lanes.
    operation: f64,
}

const COSTS: Costs = Costs {
    scalar_step: 8.0,
    step: 50.0,
    scalar_operation: 1.0,
    operation: 0.5,
};

/// Nanoseconds of a multiply-add of a product of matrices.
pub const MULTIPLY_ADD: f64 = 0.15;

/// What is to be done for one lane, or once.
#[derive(Clone, Copy, Default, Debug)]
struct Work {
    /// Steps on single numbers, and on more than one.
    steps: [u64; 2],
    /// Elementary operations in them.
    operations: [u64; 2],
}

impl Work {
    fn add(&mut self, wide: bool, operations: u64) {
        self.steps[usize::from(wide)] += 1;
        let sum = &mut self.operations[usize::from(wide)];
        *sum = sum.saturating_add(operations);
    }

    fn operations(&self) -> u64 {
        self.operations[0].saturating_add(self.operations[1])
    }
}

/// What values cost: once, and for each lane.
#[derive(Clone, Copy, Default, Debug)]
pub struct Price {
    still: Work,
    moving: Work,
}

impl Price {
    /// Of what `roots` need; what depends on `seeds` is there for each lane.
    pub fn of(arena: &Arena, roots: impl IntoIterator<Item = ValueId>, seeds: &[ValueId]) -> Self {
        let needed = arena.needed(roots);
        let mut moves = vec![false; arena.len()];
        for seed in seeds {
            moves[seed.index()] = true;
        }
        let mut price = Self::default();
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            let i = node.result.index();
            moves[i] = node.operands.iter().any(|v| moves[v.index()]);
            let moved = moves[i];
            node.results().for_each(|v| moves[v.index()] = moved);
            let part = match moved {
                true => &mut price.moving,
                false => &mut price.still,
            };
            part.add(node.ty.elements() != 1, arena.cost(node));
        }
        price
    }

    /// Elementary operations with so many lanes.
    pub fn operations(&self, lanes: u64) -> u64 {
        let moving = self.moving.operations().saturating_mul(lanes);
        self.still.operations().saturating_add(moving)
    }

    /// Nanoseconds with so many lanes.
    pub fn nanoseconds(&self, lanes: u64) -> u64 {
        let costs = COSTS;
        let sum = |work: &Work, steps: [f64; 2], operations: [f64; 2], lanes: u64| {
            let blocks = lanes.div_ceil(LANES) as f64;
            let each = (0..2).map(|w| {
                blocks * work.steps[w] as f64 * steps[w]
                    + lanes as f64 * work.operations[w] as f64 * operations[w]
            });
            each.sum::<f64>()
        };
        let alone = sum(
            &self.still,
            [costs.scalar_step, costs.step],
            [costs.scalar_operation, costs.operation],
            1,
        );
        // One lane of single numbers runs as single numbers do.
        let of_numbers = match lanes {
            1 => (costs.scalar_step, costs.scalar_operation),
            _ => (costs.step, costs.operation),
        };
        let each = sum(
            &self.moving,
            [of_numbers.0, costs.step],
            [of_numbers.1, costs.operation],
            lanes,
        );
        (alone + each) as u64
    }
}
