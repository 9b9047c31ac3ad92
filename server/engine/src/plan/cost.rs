//! What a derivative costs, before it runs: steps of the tape times what a step costs, elementary operations times
//! what one costs, once for what depends on no direction and again for each block of lanes.

use crate::graph::{Arena, Step, UNKNOWN_STEPS};
use crate::op::{Attributes, ValueId};

/// Lanes that run together: enough for the widest vectors several times over, few enough for the cache.
pub const LANES: u64 = 32;

/// Lanes that there is machine code for: vectors of four numbers, and one number.
pub const WIDTHS: [u64; 5] = [1, 4, 8, 16, LANES];

/// Lanes that so many points or directions run in, the last ones doing what nobody reads: the next of [`WIDTHS`].
pub fn padded(lanes: u64) -> u64 {
    let enough = WIDTHS.into_iter().find(|&width| width >= lanes);
    enough.unwrap_or(LANES)
}

/// What steps and elementary operations cost on a machine, in whole picoseconds: their ratios decide which way is
/// taken, they themselves what is predicted. [`Costs::BUILT_IN`] unless they are measured
/// ([`calibrate`](fn@crate::calibrate)): then a choice can differ from machine to machine, and the results by rounding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Costs {
    /// A step on one number.
    pub scalar_step: u32,
    /// A step on a tensor.
    pub step: u32,
    /// A step on single numbers in a block of lanes.
    pub lane_step: u32,
    /// An elementary operation, one after the other.
    pub scalar_operation: u32,
    /// An elementary operation of a tensor or a block of lanes.
    pub operation: u32,
    /// A multiply-add of a product of matrices.
    pub multiply_add: u32,
}

impl Default for Costs {
    fn default() -> Self {
        Self::BUILT_IN
    }
}

impl Costs {
    /// As measured where this was written.
    pub const BUILT_IN: Self = Self {
        scalar_step: 1_000,
        step: 20_000,
        lane_step: 1_000,
        scalar_operation: 1_000,
        operation: 200,
        multiply_add: 50,
    };

    /// A measured cost is believed up to this factor from the built-in one, either way.
    pub const SANE: f64 = 4.0;

    /// How many there are.
    pub const COUNT: usize = 6;

    /// The costs with their names, in a fixed order.
    pub fn named(&self) -> [(&'static str, u32); Self::COUNT] {
        [
            ("scalar_step", self.scalar_step),
            ("step", self.step),
            ("lane_step", self.lane_step),
            ("scalar_operation", self.scalar_operation),
            ("operation", self.operation),
            ("multiply_add", self.multiply_add),
        ]
    }

    /// From the order of [`Costs::named`], each at most a factor of [`Costs::SANE`] from the built-in one; what is no
    /// number is the built-in one.
    pub fn clamped(picoseconds: [f64; Self::COUNT]) -> Self {
        let built_in = Self::BUILT_IN.named();
        let mut costs = [0; Self::COUNT];
        for ((cost, measured), (_, usual)) in costs.iter_mut().zip(picoseconds).zip(built_in) {
            let usual = f64::from(usual);
            let believed = match measured.is_nan() {
                true => usual,
                false => measured.clamp(usual / Self::SANE, usual * Self::SANE),
            };
            *cost = believed.round() as u32;
        }
        let [
            scalar_step,
            step,
            lane_step,
            scalar_operation,
            operation,
            multiply_add,
        ] = costs;
        Self {
            scalar_step,
            step,
            lane_step,
            scalar_operation,
            operation,
            multiply_add,
        }
    }

    /// Nanoseconds of so many multiply-adds.
    pub fn of_multiply_adds(&self, count: u64) -> u64 {
        (count as f64 * f64::from(self.multiply_add) * 1e-3) as u64
    }
}

/// Arithmetic on so many elements is as many steps on single numbers.
const FEW_ELEMENTS: u64 = 8;

/// What is to be done for one lane, or once.
#[derive(Clone, Copy, Default, Debug)]
pub struct Work {
    /// Steps on single numbers, and others.
    pub steps: [u64; 2],
    /// Elementary operations in them.
    pub operations: [u64; 2],
}

impl Work {
    /// A step that gives so many elements, each by itself or not, of so many operations.
    #[inline]
    pub fn add(&mut self, elements: u64, by_element: bool, operations: u64) {
        let (wide, steps) = match by_element && elements <= FEW_ELEMENTS {
            true => (0, elements),
            false => (1, 1),
        };
        self.steps[wide] = self.steps[wide].saturating_add(steps);
        self.operations[wide] = self.operations[wide].saturating_add(operations);
    }

    /// The step of a node.
    fn add_node(&mut self, arena: &Arena, step: &Step<'_>) {
        if let Some(row) = arena.of_scalars(step) {
            self.add(1, true, row.cost.into());
            return;
        }
        let node = arena.node(step.id);
        let operations = arena.cost(node);
        let by_element = node.op.elementwise().is_some() || operations == 0;
        self.add(node.ty.elements(), by_element, operations);
        if let Attributes::Control(control) = node.attributes {
            self.turn(control.turns(UNKNOWN_STEPS));
        }
    }

    /// So many steps on single numbers, of so many operations together.
    fn add_scalars(&mut self, steps: u64, operations: u64) {
        self.steps[0] = self.steps[0].saturating_add(steps);
        self.operations[0] = self.operations[0].saturating_add(operations);
    }

    /// So many steps of a loop begin.
    pub fn turn(&mut self, turns: u64) {
        self.steps[1] = self.steps[1].saturating_add(turns);
    }

    fn operations(&self) -> u64 {
        self.operations[0].saturating_add(self.operations[1])
    }

    /// Nanoseconds for so many lanes, `width` at a time.
    pub fn nanoseconds(&self, costs: &Costs, lanes: u64, width: u64) -> f64 {
        let width = width.max(1);
        let rest = match lanes % width {
            0 => 0.0,
            rest => self.block(costs, padded(rest).min(width)),
        };
        (lanes / width) as f64 * self.block(costs, width) + rest
    }

    /// Nanoseconds for so many lanes at once.
    fn block(&self, costs: &Costs, lanes: u64) -> f64 {
        let single = match lanes {
            1 => (costs.scalar_step, costs.scalar_operation),
            _ => (costs.lane_step, costs.operation),
        };
        let each = [single, (costs.step, costs.operation)];
        let sum = (each.into_iter().enumerate()).map(|(wide, (step, operation))| {
            self.steps[wide] as f64 * f64::from(step)
                + lanes as f64 * self.operations[wide] as f64 * f64::from(operation)
        });
        sum.sum::<f64>() * 1e-3
    }
}

/// What values cost: once, and for each lane.
#[derive(Clone, Copy, Default, Debug)]
pub struct Price {
    costs: Costs,
    still: Work,
    moving: Work,
}

impl Price {
    /// Of what `roots` need; what depends on `seeds` is there for each lane.
    pub fn of(
        costs: Costs,
        arena: &Arena,
        roots: impl IntoIterator<Item = ValueId>,
        seeds: &[ValueId],
    ) -> Self {
        let mut price = Self {
            costs,
            ..Self::default()
        };
        // Nothing moves.
        if seeds.is_empty() {
            let (mut scalars, mut operations) = (0, 0);
            arena.needed_each(roots, |step| match arena.of_scalars(&step) {
                // Nearly every node of a large scalar graph ends here.
                Some(row) => {
                    scalars += 1;
                    operations += u64::from(row.cost);
                }
                None => price.still.add_node(arena, &step),
            });
            price.still.add_scalars(scalars, operations);
            return price;
        }
        let needed = arena.needed(roots);
        let mut moves = vec![false; arena.len()];
        for seed in seeds {
            moves[seed.index()] = true;
        }
        for step in arena.steps().filter(|s| needed[s.result.index()]) {
            let moved = step.operands.iter().any(|v| moves[v.index()]);
            step.results().for_each(|v| moves[v.index()] = moved);
            let part = match moved {
                true => &mut price.moving,
                false => &mut price.still,
            };
            part.add_node(arena, &step);
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
        let alone = self.still.nanoseconds(&self.costs, 1, 1);
        (alone + self.moving.nanoseconds(&self.costs, lanes, LANES)) as u64
    }
}
