//! Instructions of a tape as machine code.

use super::assembler::{Assembler, At, Base, Width};
use super::registers::Registers;
use super::uses::Numbers;
use super::{Piece, Segment};
use crate::op::Kernel;
use crate::tape::{Instruction, Part, Place, Slot, Structural, Tape};
use crate::tensor::DType;

/// Fewer instructions in a row are not worth the call.
const MIN_LENGTH: usize = 2;
/// Instructions between two looks at the clock.
const MAX_LENGTH: usize = 1 << 14;
/// Elements that instructions between two looks at the clock work on.
const MAX_WORK: usize = 1 << 20;
/// Elements of an instruction that are written out one by one.
pub(super) const MAX_ELEMENTS: u32 = 8;

/// Bytes of an instruction on one number, about.
pub const INSTRUCTION_BYTES: usize = 24;

/// What the processor has beside the base, which is AVX.
#[derive(Clone, Copy)]
pub struct Features {
    pub(super) fma: bool,
    pub(super) avx512: bool,
}

impl Features {
    /// Of this machine; `None` where code would not run.
    pub fn here() -> Option<Self> {
        is_x86_feature_detected!("avx").then(|| Self {
            fma: is_x86_feature_detected!("fma"),
            avx512: is_x86_feature_detected!("avx512f"),
        })
    }

    /// How many of so many lanes are worked out at a time.
    pub(super) fn width(self, lanes: usize) -> Width {
        match self.avx512 && lanes.is_multiple_of(Width::Eight.numbers()) {
            true => Width::Eight,
            false => Width::Four,
        }
    }
}

/// Constants at the beginning of the code, four times each.
pub(super) const SIGN: usize = 0;
pub(super) const MAGNITUDE: usize = 32;
pub(super) const ONE: usize = 64;

fn pool() -> Vec<u8> {
    let sign = (-0.0f64).to_bits();
    [sign, !sign, 1f64.to_bits()]
        .iter()
        .flat_map(|word| word.to_le_bytes().repeat(4))
        .collect()
}

/// The code of a tape for so many lanes, of about `most` bytes at most, and where its pieces are; `None` where nothing
/// can be translated.
pub fn translate(
    tape: &Tape,
    features: Features,
    lanes: usize,
    most: usize,
) -> Option<(Vec<u8>, Vec<Vec<Piece>>)> {
    let numbers = match lanes {
        1 => Numbers::new(tape),
        _ => Numbers::default(),
    };
    let mut translator = Translator::new(tape, features, most, numbers);
    let sections = 0..tape.sections.len();
    let sections: Vec<Vec<Piece>> = sections
        .map(|section| match lanes {
            1 => translator.section(section),
            _ => translator.lanes(tape.sections[section].clone(), lanes),
        })
        .collect();
    let any = (sections.iter().flatten())
        .any(|piece| piece.entry.is_some() || piece.segments.iter().any(Segment::is_code));
    any.then_some((translator.code.bytes, sections))
}

pub(super) struct Translator<'a> {
    pub(super) tape: &'a Tape,
    pub(super) features: Features,
    /// Bytes of code after which no more is begun.
    pub(super) most: usize,
    pub(super) code: Assembler,
    pub(super) registers: Registers,
    pub(super) numbers: Numbers,
}

impl<'a> Translator<'a> {
    pub(super) fn new(tape: &'a Tape, features: Features, most: usize, numbers: Numbers) -> Self {
        Self {
            tape,
            features,
            most,
            code: Assembler {
                bytes: pool(),
                width: Width::Four,
            },
            registers: Registers::default(),
            numbers,
        }
    }

    fn section(&mut self, section: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let Some(parts) = self.tape.parts.get(section) else {
            let range = self.tape.sections[section].clone();
            self.plain(range, &mut pieces);
            return pieces;
        };
        for (number, part) in parts.iter().enumerate() {
            match part {
                Part::Plain(range) => self.plain(range.clone(), &mut pieces),
                Part::Strips(range, strips) => pieces.push(Piece {
                    part: Some(number),
                    segments: self.strips(strips),
                    ..Piece::interpreted(range.clone())
                }),
            }
        }
        pieces
    }

    /// Instructions that run one after the other.
    fn plain(&mut self, range: std::ops::Range<usize>, pieces: &mut Vec<Piece>) {
        let (mut at, end) = (range.start, range.end);
        while at < end {
            let entry = self.code.bytes.len();
            let next = match entry < self.most {
                true => self.run(at, end.min(at + MAX_LENGTH)),
                false => at,
            };
            if next - at >= MIN_LENGTH {
                pieces.push(Piece {
                    work: self.work(at..next),
                    entry: Some(entry),
                    ..Piece::interpreted(at..next)
                });
                at = next;
                continue;
            }
            self.code.bytes.truncate(entry);
            let next = (next + 1).min(end);
            match pieces.last_mut() {
                Some(last) if last.entry.is_none() && last.part.is_none() => {
                    last.range.end = next;
                }
                _ => pieces.push(Piece::interpreted(at..next)),
            }
            at = next;
        }
    }

    /// Translates instructions until one that cannot be; tells which that is.
    fn run(&mut self, begin: usize, end: usize) -> usize {
        self.code.begin();
        let (mut at, mut elements) = (begin, 0);
        while at < end && elements < MAX_WORK {
            if let Some(next) = self.looped(at, end) {
                elements += self.work(at..next);
                at = next;
                continue;
            }
            let (steps, next) = self.straight(at..end);
            if next == at {
                break;
            }
            self.write(&steps, next);
            elements += self.work(at..next);
            at = next;
        }
        self.code.end();
        at
    }

    /// Elements that instructions work on.
    fn work(&self, range: std::ops::Range<usize>) -> usize {
        let of = self.tape.instructions[range].iter();
        of.map(|i| i.elements as usize).sum()
    }
}

/// The numbers that a view of a few of them copies, each from its place to its place; `None` if that is not what the step
/// does, or they are too far away in that many lanes.
pub(super) fn few_copies(step: &Structural, lanes: usize) -> Option<Vec<(Slot, Slot)>> {
    let (from, to) = (step.operands.first()?, step.result());
    let Kernel::View(view) = &step.kernel else {
        return None;
    };
    let near = |place: &Place| is_near(place.slot, place.elements, lanes);
    if to.elements > MAX_ELEMENTS || from.dtype != DType::F64 || !near(from) || !near(&to) {
        return None;
    }
    let mut copies = Vec::with_capacity(to.elements as usize);
    view.for_each(|position, source| {
        copies.push((from.slot.plus(source), to.slot.plus(position)));
    });
    Some(copies)
}

/// Whether elements are in memory, and in that many lanes near enough to its beginning for a displacement of 32 bits.
pub(super) fn is_near(slot: Slot, elements: u32, lanes: usize) -> bool {
    let lanes = if slot.varies() { lanes } else { 1 };
    !slot.is_outside() && (slot.offset() + elements as usize) * lanes * 8 <= i32::MAX as usize
}

/// Whether all slots of an instruction on a few numbers are.
pub(super) fn reachable(i: &Instruction, lanes: usize) -> bool {
    let mut slots = i.operands.iter().chain([&i.result]);
    slots.all(|&slot| is_near(slot, MAX_ELEMENTS, lanes))
}

pub(super) fn number(slot: Slot, element: u32) -> At {
    At {
        base: if slot.varies() {
            Base::VARYING
        } else {
            Base::UNIFORM
        },
        bytes: ((slot.offset() + element as usize) * 8) as i32,
    }
}

pub(super) fn truth(slot: Slot, element: u32) -> At {
    At {
        base: if slot.varies() {
            Base::VARYING_BOOL
        } else {
            Base::UNIFORM_BOOL
        },
        bytes: (slot.offset() + element as usize) as i32,
    }
}
