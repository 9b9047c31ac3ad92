//! Who reads what an instruction gives.

use crate::op::Op;
use crate::tape::{Argument, Instruction, Place, Slot, Tape};
use crate::tensor::DType;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

/// A place, whatever stands there: places of one memory are the same or apart.
pub type Key = (DType, Slot);

pub fn key(place: &Place) -> Key {
    (place.dtype, place.slot)
}

/// A value: the number of the instruction of the section that gives it, or what stood there before.
pub type Definition = Option<usize>;

/// What the instructions of a section read and write, by their numbers in it.
pub struct Uses {
    /// For each instruction what it reads.
    pub reads: Vec<SmallVec<[(Key, Definition); 2]>>,
    /// For each instruction where its results go.
    pub writes: Vec<SmallVec<[Key; 1]>>,
    /// For each instruction who reads its results.
    pub readers: Vec<SmallVec<[usize; 2]>>,
    /// Instructions whose results are read after the section.
    pub outlive: FxHashSet<usize>,
}

impl Uses {
    pub fn of(tape: &Tape, section: usize) -> Self {
        let mut abroad: FxHashSet<Key> = tape.roots.iter().map(key).collect();
        for (other, range) in tape.sections.iter().enumerate() {
            if other != section {
                let instructions = &tape.instructions[range.clone()];
                abroad.extend(instructions.iter().flat_map(|i| reads(tape, i)));
            }
        }
        let instructions = &tape.instructions[tape.sections[section].clone()];
        let mut uses = Self {
            reads: Vec::with_capacity(instructions.len()),
            writes: Vec::with_capacity(instructions.len()),
            readers: vec![SmallVec::new(); instructions.len()],
            outlive: FxHashSet::default(),
        };
        let mut last: FxHashMap<Key, usize> = FxHashMap::default();
        last.reserve(instructions.len());
        for (at, i) in instructions.iter().enumerate() {
            let own = reads(tape, i).into_iter();
            let own: SmallVec<[(Key, Definition); 2]> =
                own.map(|key| (key, last.get(&key).copied())).collect();
            for definition in own.iter().filter_map(|(_, d)| *d) {
                uses.readers[definition].push(at);
            }
            uses.reads.push(own);
            let results = writes(tape, i);
            last.extend(results.iter().map(|&key| (key, at)));
            uses.writes.push(results);
        }
        let outlive = last.iter().filter(|(key, _)| abroad.contains(key));
        uses.outlive = outlive.map(|(_, &at)| at).collect();
        uses
    }
}

/// Element types of the operands, and of the result, of an operation by element.
pub fn types(i: &Instruction) -> ([Option<DType>; 3], DType) {
    let (own, truth) = (Some(i.dtype), Some(DType::Bool));
    match i.op {
        Op::Compare => ([own, own, None], DType::Bool),
        Op::Select => ([truth, own, own], i.dtype),
        Op::And | Op::Or | Op::Xor => ([truth, truth, None], DType::Bool),
        Op::Not => ([truth, None, None], DType::Bool),
        Op::IsFinite | Op::IsNan | Op::IsInf => ([own, None, None], DType::Bool),
        Op::Convert => ([own, None, None], DType::ALL[i.detail as usize]),
        op => {
            let arity = op.elementwise().map_or(0, |row| row.partials.len());
            ([0, 1, 2].map(|k| own.filter(|_| k < arity)), i.dtype)
        }
    }
}

fn reads(tape: &Tape, i: &Instruction) -> SmallVec<[Key; 3]> {
    if i.flags & Instruction::STRUCTURAL != 0 {
        let step = &tape.structural[i.operands[0].offset()];
        return step.operands.iter().map(key).collect();
    }
    if i.flags & Instruction::CONTROL != 0 {
        let step = &tape.controls[i.operands[0].offset()];
        let places = step.operands.iter().filter_map(|argument| match argument {
            Argument::At(place) => Some(key(place)),
            Argument::Zeros { .. } => None,
        });
        return places.collect();
    }
    types(i).0.into_iter().flatten().zip(i.operands).collect()
}

fn writes(tape: &Tape, i: &Instruction) -> SmallVec<[Key; 1]> {
    if i.flags & Instruction::STRUCTURAL != 0 {
        let step = &tape.structural[i.operands[0].offset()];
        return step.results.iter().map(key).collect();
    }
    if i.flags & Instruction::CONTROL != 0 {
        let step = &tape.controls[i.operands[0].offset()];
        return step.results.iter().flatten().map(key).collect();
    }
    smallvec![(types(i).1, i.result)]
}
