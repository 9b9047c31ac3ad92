//! Where the numbers of a tape are read.

use super::assembler::{At, Base};
use super::registers::Use;
use super::small::Step;
use crate::tape::{Argument, Instruction, Place, Slot, Tape};
use crate::tensor::DType;
use rustc_hash::FxHashMap;

/// Of more numbers it is not known who reads them: what is known takes memory that nobody has allowed for.
const MOST_KNOWN: usize = 1 << 22;

/// What an instruction reads: from which slot on how many elements, and where it is known of which type.
pub fn each_read(tape: &Tape, i: &Instruction, mut read: impl FnMut(Slot, u32, Option<DType>)) {
    let mut place = |p: &Place| read(p.slot, p.elements, Some(p.dtype));
    if i.flags & Instruction::STRUCTURAL != 0 {
        let step = &tape.structural[i.operands[0].offset()];
        return step.operands.iter().for_each(place);
    }
    if i.flags & Instruction::CONTROL != 0 {
        for operand in &tape.controls[i.operands[0].offset()].operands {
            if let Argument::At(p) = operand {
                place(p);
            }
        }
        return;
    }
    let arity = i.op.arity().map_or(3, |(_, most)| most as usize).min(3);
    for k in 0..arity {
        let size = if i.flags & 1 << k != 0 { 1 } else { i.elements };
        read(i.operands[k], size, None);
    }
}

/// What is known of each number in memory.
#[derive(Default)]
pub struct Numbers {
    /// That are the same in all lanes; the others come after them.
    uniform: usize,
    /// Of the last instruction that reads it, the position after it; 0: nobody does. Empty where there are too many.
    last_read: Vec<u32>,
    /// Of those that the steps have to do with that are looked at: when it is read next among them.
    next: FxHashMap<usize, Use>,
}

impl Numbers {
    fn none(tape: &Tape) -> Self {
        let f64s = DType::F64 as usize;
        let (uniform, lanes) = (tape.sizes.uniform[f64s], tape.sizes.lanes[f64s]);
        let known = Some(uniform + lanes).filter(|&count| count <= MOST_KNOWN);
        Self {
            uniform,
            last_read: vec![0; known.unwrap_or(0)],
            next: FxHashMap::default(),
        }
    }

    /// Of a tape in one lane of which those in the given places are read once all is done, and no others.
    pub fn read_later(tape: &Tape, places: impl Iterator<Item = Slot>) -> Self {
        let mut numbers = Self::none(tape);
        places.for_each(|slot| numbers.read(slot, 1, u32::MAX));
        numbers
    }

    /// Of a tape in one lane.
    pub fn new(tape: &Tape) -> Self {
        let mut numbers = Self::none(tape);
        for (at, i) in (1..).zip(&tape.instructions) {
            each_read(tape, i, |slot, elements, dtype| {
                // Of operations by element any type: one store too many at worst.
                if dtype.is_none_or(|dtype| dtype == DType::F64) {
                    numbers.read(slot, elements, at);
                }
            });
        }
        for root in &tape.roots {
            numbers.read(root.slot, root.elements, u32::MAX);
        }
        numbers
    }

    fn read(&mut self, slot: Slot, elements: u32, at: u32) {
        if slot.is_outside() {
            return;
        }
        let begin = slot.offset() + if slot.varies() { self.uniform } else { 0 };
        let all = begin..begin + elements as usize;
        if let Some(read) = self.last_read.get_mut(all) {
            read.iter_mut().for_each(|last| *last = (*last).max(at));
        }
    }

    fn index(&self, at: At) -> usize {
        let uniform = if at.base == Base::VARYING {
            self.uniform
        } else {
            0
        };
        uniform + at.bytes as usize / 8
    }

    /// When what is at a place after the steps that were looked at is read.
    fn next(&self, index: usize, end: usize) -> Use {
        let found = self.next.get(&index).copied();
        found.unwrap_or_else(|| match self.last_read.get(index) {
            Some(&last) if last as usize <= end => Use::Never,
            _ => Use::Later,
        })
    }

    /// For each step when the numbers that it reads are read again, then when the one that it gives is read first.
    pub fn uses(&mut self, steps: &[Step], end: usize) -> Vec<[Use; 4]> {
        let mut uses = vec![[Use::Never; 4]; steps.len()];
        self.next.clear();
        for (k, step) in steps.iter().enumerate().rev() {
            if let Some(to) = step.gives() {
                let index = self.index(to);
                uses[k][3] = self.next(index, end);
                self.next.insert(index, Use::Never);
            }
            for (found, &at) in uses[k].iter_mut().zip(step.reads()) {
                *found = self.next(self.index(at), end);
            }
            for &at in step.reads() {
                self.next.insert(self.index(at), Use::Step(k as u32));
            }
        }
        uses
    }
}
