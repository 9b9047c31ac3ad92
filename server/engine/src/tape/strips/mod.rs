//! Steps on large tensors that are run strip by strip: what one gives the next stays in the cache, what nobody else reads
//! never reaches memory, and parts, copies along dimensions and sums need no tensor of their own.
//! What the rows of a strip come to is there as soon as the strip is, and may be spread over them again.
//!
//! Groups of steps are found among a section's instructions. Each of their values is worked out from the same numbers by
//! the same operation, and sums take their terms in the same order, so no bit depends on whether a step is in a group.

mod between;
mod cut;
mod find;
mod order;
mod uses;
mod write;

pub use between::Between;
pub use uses::types;

use super::{Instruction, Place, Slot, Tape};
use crate::op::{Reduction, Strided};
use crate::tensor::DType;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fewer elements are not worth looking at.
const MIN_ELEMENTS: u32 = 128;
/// Elements of a strip, about: those of some rows stay in the innermost cache.
const STRIP: usize = 512;
/// Rows that a strip may hold several of, or be one of.
const MAX_ROW: usize = 2048;
/// Terms of a reduction of which the result is one term of the whole: so many can be summed up apart.
pub const LONG: usize = 1 << 15;
/// Results side by side that a group may sum up.
const MAX_COLUMNS: usize = 8192;
/// Results of rows that are read again strip by strip are so many at least.
const MIN_RESULTS: u32 = 16;
/// Fewer numbers of a strip are not worth a step, but where more become of them.
const NARROW: usize = 16;
/// Rows begin with a line of the cache.
const ALIGNED: usize = 8;
/// Sections of more instructions are scalar programs.
const MAX_INSTRUCTIONS: usize = 1 << 16;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: usize, b: usize) -> usize {
    a / gcd(a, b) * b
}

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Whether steps of programs compiled from now on are run strip by strip where they can be. Results are the same bits.
pub fn set_strips(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// A part of a section.
#[derive(Debug)]
pub enum Part {
    /// Instructions that run one after the other.
    Plain(Range<usize>),
    /// Instructions that run together where there is one lane.
    Strips(Range<usize>, Box<Strips>),
}

impl Part {
    /// Its instructions.
    pub fn range(&self) -> &Range<usize> {
        match self {
            Part::Plain(range) | Part::Strips(range, _) => range,
        }
    }
}

/// A group of steps.
#[derive(Debug)]
pub struct Strips {
    /// Elements of each step.
    pub elements: usize,
    /// Elements of a strip.
    pub strip: usize,
    /// What is done once before.
    pub once: Vec<Scaled>,
    /// What is done for each strip.
    pub steps: Vec<Scaled>,
    /// Which of these also do something before the first strip, or after the last.
    pub around: Vec<usize>,
    /// Where rows begin that are the group's own, of numbers and of truth values: from there on every thread has others.
    pub own: [usize; 2],
    /// From a thread's to the next one's.
    pub apart: [usize; 2],
    /// How threads may share it.
    pub pieces: Option<Pieces>,
    /// The products before and after it that are run with it.
    pub between: Option<Between>,
}

/// A step of a group.
#[derive(Debug)]
pub struct Scaled {
    /// It.
    pub step: Step,
    /// Of how many of the group's elements each of its own is made: more than one after rows are reduced.
    pub scale: usize,
}

/// Where a group may be cut, so that no bit depends on who does what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pieces {
    /// At multiples of so many elements.
    Ranges(usize),
    /// Rows of so many elements, every eighth together: those go to the same partial results.
    Rounds(usize),
}

/// Numbers for a strip: those of its own elements, or the same for every strip.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    /// Of the first strip.
    pub slot: Slot,
    /// Whether each strip has its own.
    pub moves: bool,
}

/// A number that fills what is between parts.
#[derive(Debug)]
pub struct Fill {
    /// The number.
    pub number: Slot,
    /// Where no part goes, or all where that is in many pieces.
    pub gaps: Vec<Range<usize>>,
}

/// A step on a strip.
#[derive(Debug)]
pub enum Step {
    /// An operation by element.
    Apply {
        /// It, with the places of the first strip.
        instruction: Instruction,
        /// Bit k: operand k moves; bit 3: the result does.
        moves: u8,
    },
    /// Sine and cosine of the same numbers.
    SineCosine {
        /// Of what.
        from: Row,
        /// Where the sines go.
        sine: Row,
        /// Where the cosines go.
        cosine: Row,
    },
    /// Elements of a place.
    Fill {
        /// From where.
        from: Place,
        /// Through this.
        view: Strided,
        /// To where.
        to: Row,
    },
    /// Rows of a place, each several times.
    Tile {
        /// From where.
        from: Place,
        /// Through this, as if what a row becomes were there.
        view: Strided,
        /// Elements that a row becomes.
        times: usize,
        /// Elements of a row.
        row: usize,
        /// To where.
        to: Row,
    },
    /// Each number of a row several times.
    Spread {
        /// From where.
        from: Row,
        /// So often.
        times: usize,
        /// To where.
        to: Row,
    },
    /// A row again.
    Copy {
        /// From where.
        from: Row,
        /// To where.
        to: Row,
    },
    /// Parts between what fills the rest.
    Put {
        /// The number that fills the rest.
        fill: Option<Slot>,
        /// Places, and where their elements go: the first one's, and the steps.
        parts: Vec<(Place, usize, usize)>,
        /// To where.
        to: Row,
    },
    /// A row to some elements of a place.
    Scatter {
        /// The number that is first put into some of the place.
        fill: Option<Fill>,
        /// From where.
        from: Row,
        /// To where.
        to: Place,
        /// The first element of all rows together.
        offset: usize,
        /// From each element to the next.
        stride: usize,
    },
    /// Reduction of rows of that many elements, to a result each.
    Rows {
        /// Which.
        reduction: Reduction,
        /// So many.
        row: usize,
        /// Their elements.
        from: Row,
        /// Where results go.
        to: Row,
        /// How many these are in all.
        results: usize,
        /// Eight partial results.
        partial: Slot,
        /// Where rows are longer than [`LONG`]: what came of each so many terms.
        ends: Option<Slot>,
    },
    /// Reduction to a row of that many elements.
    Columns {
        /// Which.
        reduction: Reduction,
        /// So many.
        columns: usize,
        /// Their elements.
        from: Row,
        /// All results.
        to: Place,
        /// Eight partial results of each, and what came of [`LONG`] terms before and all before them.
        partial: Slot,
    },
}

impl Step {
    /// Whether it does something before the first strip, or after the last.
    fn is_around(&self) -> bool {
        matches!(
            self,
            Self::Scatter { fill: Some(_), .. }
                | Self::Columns { .. }
                | Self::Rows { ends: Some(_), .. }
        )
    }
}

impl Tape {
    /// Finds what is run strip by strip. Steps that do not depend on a group may come to run before it.
    pub fn in_strips(&mut self) {
        if !self.checks.is_empty() || !ENABLED.load(Ordering::Relaxed) {
            return;
        }
        let sections = 0..self.sections.len();
        self.parts = sections.map(|section| self.parts_of(section)).collect();
        self.room_for_rows();
    }

    fn room_for_rows(&mut self) {
        let sizes = &mut self.sizes;
        let before = sizes.uniform;
        for (size, with_rows) in sizes.uniform.iter_mut().zip(self.strip_elements) {
            *size = with_rows.next_multiple_of(ALIGNED).max(*size);
        }
        let groups = self.parts.iter_mut().flatten();
        for part in groups {
            let Part::Strips(_, strips) = part else {
                continue;
            };
            let all = [DType::F64, DType::Bool].map(|d| d as usize);
            strips.apart =
                [0, 1].map(|k| sizes.uniform[all[k]] - strips.own[k].min(before[all[k]]));
            if strips.pieces.is_some() {
                all.iter().zip(strips.apart).for_each(|(&d, apart)| {
                    sizes.rows[d] = sizes.rows[d].max(apart);
                });
            }
        }
    }

    fn parts_of(&mut self, section: usize) -> Vec<Part> {
        let range = self.sections[section].clone();
        let any = self.instructions[range.clone()]
            .iter()
            .any(|i| i.elements >= MIN_ELEMENTS);
        if !any || range.len() > MAX_INSTRUCTIONS {
            return vec![Part::Plain(range)];
        }
        let uses = uses::Uses::of(self, section);
        let (order, groups) = find::groups(self, range.start, &uses);
        let numbered = |at: &usize| self.instructions[range.start + at];
        let instructions: Vec<Instruction> = order.iter().map(numbered).collect();
        let mut parts = Vec::new();
        let mut next = range.start;
        for group in groups {
            let begin = range.start + group.begin;
            let Some(strips) = write::strips(self, range.start, &uses, &group.members) else {
                continue;
            };
            if next < begin {
                parts.push(Part::Plain(next..begin));
            }
            next = begin + group.members.len();
            parts.push(Part::Strips(begin..next, Box::new(strips)));
        }
        if next < range.end {
            parts.push(Part::Plain(next..range.end));
        }
        self.instructions[range].copy_from_slice(&instructions);
        self.join_products(&mut parts);
        parts
    }
}
