//! Large parameters are read where the caller has them, and large results written where the caller takes them: neither is
//! copied.

use super::strips::types;
use super::{Argument, Instruction, Place, Slot, Tape};
use crate::tensor::DType;

/// Fewer elements are copied.
const MIN_ELEMENTS: u32 = 512;

/// What more instructions read or write is copied: machine code finds single numbers in the tape's memory alone.
const MOST_INSTRUCTIONS: usize = 16;

/// Most parameters, and most results, that are elsewhere: one is looked for among them.
pub const MOST_OUTSIDE: usize = 16;

impl Tape {
    /// Marks the slots of large parameters and results. What runs the tape may then say where each of them is; they have
    /// their places in memory as before, for where it does not. Those that are read or written `apart`, element by element,
    /// stay in memory.
    pub fn leave_outside(&mut self, apart: &[Slot]) {
        // Groups of lanes share their memory: another's slot may have the same number.
        let one_group = self.sections.len() <= 2;
        let is_large = |place: &&Place| {
            place.dtype == DType::F64
                && place.elements >= MIN_ELEMENTS
                && (one_group || !place.slot.varies())
                && !apart.contains(&place.slot)
        };
        let slots = |places: &mut dyn Iterator<Item = &Place>| -> Vec<Slot> {
            let large = places.filter(is_large).map(|place| place.slot);
            large.take(MOST_OUTSIDE).collect()
        };
        let mut large = slots(&mut self.parameters.iter().flatten());
        large.extend(slots(&mut self.roots.iter()));
        let mut counts = vec![0; large.len()];
        if !large.is_empty() {
            self.for_each_number(&mut |slot| {
                let all = large.iter().zip(&mut counts);
                all.filter(|(large, _)| *large == slot)
                    .for_each(|(_, count)| *count += 1);
            });
        }
        let mut counts = counts.into_iter();
        large.retain(|_| {
            counts
                .next()
                .is_some_and(|count| count <= MOST_INSTRUCTIONS)
        });
        if large.is_empty() {
            return;
        }
        self.for_each_number(&mut |slot| {
            if large.contains(slot) {
                *slot = slot.outside();
            }
        });
    }

    /// Calls `f` with the slot of every place of numbers that is read or written.
    fn for_each_number(&mut self, f: &mut dyn FnMut(&mut Slot)) {
        for i in &mut self.instructions {
            if i.flags & (Instruction::STRUCTURAL | Instruction::CONTROL) != 0 {
                continue;
            }
            let (operands, result) = types(i);
            let numbers = i.operands.iter_mut().zip(operands);
            let numbers = numbers.filter(|(_, dtype)| *dtype == Some(DType::F64));
            numbers.for_each(|(slot, _)| f(slot));
            if result == DType::F64 {
                f(&mut i.result);
            }
        }
        let steps = self.structural.iter_mut();
        let steps = steps.flat_map(|s| s.operands.iter_mut().chain(&mut s.results));
        let controls = self.controls.iter_mut().flat_map(|c| {
            let operands = c.operands.iter_mut().filter_map(|argument| match argument {
                Argument::At(place) => Some(place),
                Argument::Zeros { .. } => None,
            });
            operands.chain(c.results.iter_mut().flatten())
        });
        let parameters = self.parameters.iter_mut().flatten();
        let places = steps.chain(controls).chain(parameters);
        let places = places.chain(&mut self.roots);
        let numbers = places.filter(|place| place.dtype == DType::F64);
        numbers.for_each(|place| f(&mut place.slot));
    }
}
