//! Floor 5: the tape, a linear program over numbered slots.
//!
//! A slot is elements × lanes, lanes innermost. Lanes are directions of a derivative or points of a batch. What
//! depends on no lane is *uniform*: section 0, computed once. Then comes one section for each group of lanes.

mod control;
mod footprint;
mod listing;
mod lower;
pub mod native;
mod outside;
mod repeats;
mod slots;
mod strips;

pub use control::{Argument, BodyId, ControlStep, Library, Loop, Pull, Run};
pub use lower::{Class, lower};
pub use outside::MOST_OUTSIDE;
pub use strips::{Between, LONG, Part, Pieces, Row, Scaled, Step, Strips, set_strips, types};

use crate::op::{Kernel, Op};
use crate::tensor::DType;
use crate::transform::Reason;
use std::ops::Range;

/// A place in the memory of its element type: uniform, or one for each lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(u32);

impl Slot {
    const LANES: u32 = 1 << 31;
    const OUTSIDE: u32 = 1 << 30;

    /// Elements of a memory, at most.
    pub const MOST: u32 = 1 << 30;

    /// Slots of uniform values and of values that vary over lanes are numbered apart.
    pub fn new(offset: u32, varying: bool) -> Self {
        Self(offset | if varying { Self::LANES } else { 0 })
    }

    /// First element.
    pub fn offset(self) -> usize {
        (self.0 & !(Self::LANES | Self::OUTSIDE)) as usize
    }

    /// The place so many elements on.
    pub fn plus(self, elements: usize) -> Self {
        Self(self.0 + elements as u32)
    }

    /// The same slot, whose numbers may be elsewhere while the tape runs.
    pub fn outside(self) -> Self {
        Self(self.0 | Self::OUTSIDE)
    }

    /// Whether they may.
    pub fn is_outside(self) -> bool {
        self.0 & Self::OUTSIDE != 0
    }

    /// Whether every lane has its own.
    pub fn varies(self) -> bool {
        self.0 & Self::LANES != 0
    }
}

/// A value on the tape.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where.
    pub slot: Slot,
    /// Elements for one lane.
    pub elements: u32,
    /// Element type.
    pub dtype: DType,
}

/// One step. Elementwise operations hold their operands; structural ones refer to [`Tape::structural`].
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// The operation.
    pub op: Op,
    /// Element type of the operands that are calculated with.
    pub dtype: DType,
    /// Bit i: operand i has one element for all of the result's. [`Instruction::STRUCTURAL`]: no operands here.
    pub flags: u8,
    /// Operation's detail: the comparison's direction.
    pub detail: u8,
    /// Elements of the result.
    pub elements: u32,
    /// Where the result goes.
    pub result: Slot,
    /// Operands; for structural operations `operands[0]` is the position in [`Tape::structural`].
    pub operands: [Slot; 3],
}

impl Instruction {
    /// Flag of structural operations.
    pub const STRUCTURAL: u8 = 1 << 7;

    /// Flag of nodes with bodies: `operands[0]` is the position in [`Tape::controls`].
    pub const CONTROL: u8 = 1 << 6;
}

/// A structural step.
#[derive(Debug)]
pub struct Structural {
    /// What to run.
    pub kernel: Kernel,
    /// Its operands.
    pub operands: Vec<Place>,
    /// Its results.
    pub results: Vec<Place>,
    /// Elementary operations for each lane; 0 where they follow from the number of elements.
    pub work: u64,
}

impl Structural {
    /// Its first result.
    pub fn result(&self) -> Place {
        self.results[0]
    }
}

/// Elements in each memory: by element type, uniform and for one lane.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sizes {
    /// Uniform, indexed as [`DType::ALL`].
    pub uniform: [usize; 4],
    /// For one lane.
    pub lanes: [usize; 4],
    /// Uniform, once more for each thread that helps.
    pub rows: [usize; 4],
    /// Loops whose states are kept for their pull-back.
    pub records: usize,
}

/// A compiled program.
#[derive(Debug)]
pub struct Tape {
    /// All sections' steps.
    pub instructions: Vec<Instruction>,
    /// The client's function that it was made of; `None` for the graph.
    pub function: Option<u32>,
    /// How often the function was derived from another one: 0 for the client's own.
    pub order: u32,
    /// Whether the results of a call are kept: a derivative calls it again.
    pub remembered: bool,
    /// Structural steps.
    pub structural: Vec<Structural>,
    /// Nodes with bodies.
    pub controls: Vec<ControlStep>,
    /// Whether states of loops are kept while it runs.
    pub keeps_states: bool,
    /// Section 0 is uniform; section g + 1 belongs to group g.
    pub sections: Vec<Range<usize>>,
    /// Elementary operations of each section for one lane, priced as the planner prices them.
    pub costs: Vec<u64>,
    /// Where parameters are put, as given to [`lower`]; `None` for those nobody reads.
    pub parameters: Vec<Option<Place>>,
    /// Where results are read, as given to [`lower`].
    pub roots: Vec<Place>,
    /// Memory.
    pub sizes: Sizes,
    /// What is looked at as the tape runs, by instruction; empty unless the request asks for it.
    pub checks: Vec<Check>,
    /// For each section its parts; nothing where all are plain.
    pub parts: Vec<Vec<Part>>,
    /// Elements of uniform memory with the rows of strips.
    strip_elements: [usize; 4],
    /// Machine code, once it pays.
    pub native: native::Native,
}

/// A result that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Position of the instruction that gives it.
    pub instruction: u32,
    /// The result.
    pub place: Place,
    /// Position of the node in the client's graph.
    pub node: u32,
    /// What it must be.
    pub reason: Reason,
}

/// Elements × lanes after which the beginning of a step no longer counts.
const USEFUL_ELEMENTS: u64 = 4096;
/// Fewer points at once do not make up for the way into lanes and out of them.
const FEW_LANES: u64 = 8;

impl Tape {
    /// Bytes of memory for that many lanes.
    pub fn scratch_bytes(&self, lanes: u64) -> u64 {
        let bytes = |elements: &[usize; 4]| -> u64 {
            let sizes = DType::ALL.iter().map(|d| d.size_bytes() as u64);
            elements
                .iter()
                .zip(sizes)
                .map(|(&n, size)| n as u64 * size)
                .sum()
        };
        bytes(&self.sizes.uniform).saturating_add(bytes(&self.sizes.lanes).saturating_mul(lanes))
    }

    /// Points that are worth running at once: enough that a step's own work outweighs its beginning, and no more, so
    /// that what it touches stays in the cache. What loops do is not known here: as many as can be.
    pub fn useful_lanes(&self) -> u64 {
        let varying = self.sections.get(1..).unwrap_or_default().iter();
        let steps = varying.flat_map(|range| &self.instructions[range.clone()]);
        let (mut count, mut elements) = (0, 0);
        for step in steps {
            if step.flags & Instruction::CONTROL != 0 {
                return u64::MAX;
            }
            count += 1;
            elements += match step.flags & Instruction::STRUCTURAL {
                0 => u64::from(step.elements),
                _ => u64::from(self.structural[step.operands[0].offset()].result().elements),
            };
        }
        match (USEFUL_ELEMENTS * count).checked_div(elements) {
            // Then one by one: single points have machine code.
            Some(few) if few < FEW_LANES => 1,
            lanes => lanes.unwrap_or(u64::MAX),
        }
    }

    /// Bytes that the program itself holds.
    pub fn code_bytes(&self) -> u64 {
        let constants: u64 = self
            .structural
            .iter()
            .map(|s| match &s.kernel {
                Kernel::Constant(tensor) => tensor.ty().bytes() + 200,
                Kernel::Routine { routine, .. } => routine.bytes() + 400,
                _ => 400,
            })
            .sum();
        let instructions = (self.instructions.len() * size_of::<Instruction>()) as u64;
        instructions + constants + self.native_bytes() + 512
    }
}
