//! Instructions of a tape as machine code.

use super::assembler::{
    Arithmetic, Assembler, At, Base, Bits, Condition, Logic, Operand, Register, Width,
};
use super::registers::Registers;
use super::{Piece, Segment};
use crate::op::{Direction, Kernel, Op};
use crate::tape::{Instruction, Part, Place, Slot, Structural, Tape};
use crate::tensor::{DType, Tensor};

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
    let mut translator = Translator {
        tape,
        features,
        most,
        code: Assembler {
            bytes: pool(),
            width: Width::Four,
        },
        registers: Registers::default(),
    };
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
}

impl Translator<'_> {
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
        self.registers.forget_all();
        self.code.begin();
        let (mut at, mut elements) = (begin, 0);
        while at < end && elements < MAX_WORK {
            if let Some(next) = self.looped(at, end) {
                elements += self.work(at..next);
                at = next;
            } else if self.instruction(&self.tape.instructions[at]).is_some() {
                at += 1;
            } else {
                break;
            }
        }
        self.code.end();
        at
    }

    /// Elements that instructions work on.
    fn work(&self, range: std::ops::Range<usize>) -> usize {
        let of = self.tape.instructions[range].iter();
        of.map(|i| i.elements as usize).sum()
    }

    /// `None`, and no code is written, if it is to be interpreted.
    fn instruction(&mut self, i: &Instruction) -> Option<()> {
        if i.flags & Instruction::CONTROL != 0 {
            return None;
        }
        if i.flags & Instruction::STRUCTURAL != 0 {
            return self.moved(i);
        }
        if i.elements > MAX_ELEMENTS || !reachable(i, 1) {
            return None;
        }
        let direction = Direction::ALL.get(i.detail as usize);
        let kind = match (i.op, i.dtype) {
            (Op::Compare, DType::F64) => Kind::Compare(*direction?),
            (Op::Select, DType::F64) => Kind::Select,
            (Op::And, _) => Kind::Logic(Logic::And),
            (Op::Or, _) => Kind::Logic(Logic::Or),
            (Op::Xor, _) => Kind::Logic(Logic::Xor),
            (Op::Not, _) => Kind::Not,
            (_, DType::F64) => Kind::Numbers(i.op.elementwise()?.partials.len(), i.op.address()?),
            _ => return None,
        };
        (0..i.elements).for_each(|e| self.element(i, kind, e));
        Some(())
    }

    /// One element of an elementwise instruction.
    pub(super) fn element(&mut self, i: &Instruction, kind: Kind, e: u32) {
        let single = |k: usize| i.flags & 1 << k != 0;
        let operand = |k: usize| (i.operands[k], if single(k) { 0 } else { e });
        let number = |k: usize| {
            let (slot, e) = operand(k);
            number(slot, e)
        };
        let truth = |k: usize| {
            let (slot, e) = operand(k);
            truth(slot, e)
        };
        match kind {
            Kind::Compare(direction) => {
                let (a, b, condition) = match direction {
                    Direction::Gt => (0, 1, Condition::Above),
                    Direction::Ge => (0, 1, Condition::AtLeast),
                    Direction::Lt => (1, 0, Condition::Above),
                    Direction::Le => (1, 0, Condition::AtLeast),
                    Direction::Eq => (0, 1, Condition::Equal),
                    Direction::Ne => (0, 1, Condition::NotEqual),
                };
                let first = self.in_register(number(a));
                let second = self.operand(number(b));
                self.code.compare(first, second, condition);
                self.code.logic(Logic::Store, self::truth(i.result, e));
            }
            Kind::Select => {
                let to = self::number(i.result, e);
                self.code.select_word(to, truth(0), number(1), number(2));
                self.registers.forget(to);
            }
            Kind::Logic(op) => {
                self.code.logic(Logic::Load, truth(0));
                self.code.logic(op, truth(1));
                self.code.logic(Logic::Store, self::truth(i.result, e));
            }
            Kind::Not => {
                self.code.logic(Logic::Load, truth(0));
                self.code.not();
                self.code.logic(Logic::Store, self::truth(i.result, e));
            }
            Kind::Numbers(arity, address) => {
                let operands = [0, 1, 2].map(|k| number(k.min(arity - 1)));
                let to = self::number(i.result, e);
                self.numbers(i.op, arity, address, operands, to);
            }
        }
    }

    fn in_register(&mut self, at: At) -> Register {
        if let Some(register) = self.registers.find(at) {
            return register;
        }
        let register = self.registers.take();
        self.code.load(register, at);
        self.registers.set(at, register);
        register
    }

    fn operand(&mut self, at: At) -> Operand {
        match self.registers.find(at) {
            Some(register) => Operand::Register(register),
            None => Operand::Memory(at),
        }
    }

    fn numbers(&mut self, op: Op, arity: usize, address: usize, [a, b, c]: [At; 3], to: At) {
        let result = match (op, Arithmetic::of(op)) {
            (_, Some((op, twice))) => {
                let first = self.in_register(a);
                let second = self.operand(if twice { a } else { b });
                let result = self.registers.take();
                self.code.arithmetic(op, result, first, second);
                result
            }
            (Op::Negate | Op::Abs, _) => {
                let first = self.in_register(a);
                let result = self.registers.take();
                let (op, constant) = match op {
                    Op::Negate => (Bits::Xor, SIGN),
                    _ => (Bits::And, MAGNITUDE),
                };
                self.code.bits(op, result, first, Operand::Pool(constant));
                result
            }
            (Op::Reciprocal, _) => {
                let second = self.in_register(a);
                let result = self.registers.take();
                self.code
                    .bits(Bits::Xor, result, result, Operand::Register(result));
                let one = Operand::Pool(ONE);
                self.code.arithmetic(Arithmetic::Add, result, result, one);
                let second = Operand::Register(second);
                let divide = Arithmetic::Divide;
                self.code.arithmetic(divide, result, result, second);
                result
            }
            (Op::Fma, _) if self.features.fma => {
                let first = self.in_register(a);
                let third = self.in_register(c);
                let second = self.operand(b);
                let result = self.registers.take();
                self.code.copy(result, third);
                self.code.multiply_add(result, first, second);
                result
            }
            _ => {
                for (register, at) in (0..).zip([a, b, c]).take(arity) {
                    self.code.load(register, at);
                }
                self.code.call(address);
                self.registers.forget_all();
                0
            }
        };
        self.code.store(to, result);
        self.registers.set(to, result);
    }

    /// A few given numbers.
    fn constant(&mut self, numbers: &Tensor, to: Place) -> Option<()> {
        if to.elements > MAX_ELEMENTS || to.dtype != DType::F64 || !is_near(to.slot, to.elements, 1)
        {
            return None;
        }
        for e in 0..to.elements {
            let target = number(to.slot, e);
            self.code
                .store_word(target, numbers.element(e as usize).to_bits());
            self.registers.forget(target);
        }
        Some(())
    }

    /// Copies of a few numbers, or given ones.
    fn moved(&mut self, i: &Instruction) -> Option<()> {
        let step = &self.tape.structural[i.operands[0].offset()];
        if let Kernel::Constant(numbers) = &step.kernel {
            return self.constant(numbers, step.result());
        }
        for (from, to) in few_copies(step, 1)? {
            let (source, target) = (number(from, 0), number(to, 0));
            let register = self.in_register(source);
            self.code.store(target, register);
            self.registers.forget(target);
        }
        Some(())
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

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Compare(Direction),
    Select,
    Logic(Logic),
    Not,
    /// Operands and the function.
    Numbers(usize, usize),
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

fn truth(slot: Slot, element: u32) -> At {
    At {
        base: if slot.varies() {
            Base::VARYING_BOOL
        } else {
            Base::UNIFORM_BOOL
        },
        bytes: (slot.offset() + element as usize) as i32,
    }
}
