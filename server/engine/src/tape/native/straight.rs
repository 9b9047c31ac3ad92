//! Operations on single numbers, one after the other. What one gives another stands in a register, and reaches memory
//! only where somebody reads it there: registers are given to those who are read soonest (Belady, "A study of replacement
//! algorithms for a virtual-storage computer", 1966).

use super::assembler::{Arithmetic, At, Bits, Logic, Operand, Register};
use super::registers::{Held, Registers, Use};
use super::small::Step;
use super::translate::{MAGNITUDE, ONE, SIGN, Translator};
use crate::op::Op;

impl Translator<'_> {
    /// Writes steps, of which the instruction at `end` is the next one.
    pub(super) fn write(&mut self, steps: &[Step], end: usize) {
        let uses = self.numbers.uses(steps, end);
        self.registers = Registers::default();
        for (step, uses) in steps.iter().zip(&uses) {
            self.step_of(step, uses);
        }
        self.store_all();
    }

    /// Brings to memory what is read there; registers hold nothing any more.
    fn store_all(&mut self) {
        for (at, register) in self.registers.leave() {
            self.code.store(at, register);
        }
    }

    /// A register for another number, but none of `kept`.
    fn take(&mut self, kept: &[Register]) -> Register {
        let register = self.registers.last_wanted(kept);
        if let Some(held) = self.registers.held(register)
            && held.only_here
            && held.next != Use::Never
        {
            self.code.store(held.at, register);
        }
        self.registers.set(register, None);
        register
    }

    /// The register that a number stands in, which is loaded where there is none.
    fn in_register(&mut self, at: At, next: Use, kept: &[Register]) -> Register {
        if let Some(register) = self.registers.find(at) {
            return register;
        }
        let register = self.take(kept);
        self.code.load(register, at);
        let held = Held {
            at,
            next,
            only_here: false,
        };
        self.registers.set(register, Some(held));
        register
    }

    /// An operand that may be in memory, which it stays if others are wanted in registers sooner.
    fn operand(&mut self, at: At, next: Use, kept: &[Register]) -> Operand {
        if let Some(register) = self.registers.find(at) {
            return Operand::Register(register);
        }
        let last = self.registers.last_wanted(kept);
        let wanted = self.registers.held(last).map_or(Use::Never, |h| h.next);
        match next {
            Use::Step(_) if next < wanted => Operand::Register(self.in_register(at, next, kept)),
            _ => Operand::Memory(at),
        }
    }

    /// Brings a number to memory that is read there.
    fn settle(&mut self, at: At) {
        if let Some(register) = self.registers.settle(at) {
            self.code.store(at, register);
        }
    }

    /// A place has the number that stands in a register, and only there.
    fn gives(&mut self, to: At, register: Register, next: Use) {
        self.registers.forget(to);
        let held = Held {
            at: to,
            next,
            only_here: true,
        };
        let held = (next != Use::Never).then_some(held);
        self.registers.set(register, held);
    }

    /// The numbers that a step has read are read again then.
    fn have_read(&mut self, step: &Step, uses: &[Use; 4]) {
        for (&at, &next) in step.reads().iter().zip(uses) {
            self.registers.read(at, next);
        }
    }

    fn step_of(&mut self, step: &Step, uses: &[Use; 4]) {
        match *step {
            Step::Apply { .. } => self.apply(step, uses),
            Step::Copy { from: [from], to } => {
                let first = self.in_register(from, uses[0], &[]);
                self.have_read(step, uses);
                // Where nobody wants it any more the register goes by another name.
                let result = match self.registers.held(first) {
                    None => first,
                    Some(_) => {
                        let result = self.take(&[first]);
                        self.code.copy(result, first);
                        result
                    }
                };
                self.gives(to, result, uses[3]);
            }
            Step::Constant { bits, to } => {
                self.registers.forget(to);
                self.code.store_word(to, bits);
            }
            Step::Fetch { cursor, bytes, to } => {
                let result = self.take(&[]);
                let from = self.code.cursor(cursor, bytes);
                self.code.load(result, from);
                self.gives(to, result, uses[3]);
            }
            Step::Leave {
                from: [from],
                cursor,
                bytes,
                added,
            } => {
                let own = self.in_register(from, uses[0], &[]);
                let to = self.code.cursor(cursor, bytes);
                let result = match added {
                    false => own,
                    true => {
                        let sum = self.take(&[own]);
                        self.code.load(sum, to);
                        let own = Operand::Register(own);
                        self.code.arithmetic(Arithmetic::Add, sum, sum, own);
                        sum
                    }
                };
                self.code.store(to, result);
                self.have_read(step, uses);
            }
            Step::Compare {
                operands: [a, b],
                condition,
                to,
            } => {
                let first = self.in_register(a, uses[0], &[]);
                let second = self.operand(b, uses[1], &[first]);
                self.code.compare(first, second, condition);
                self.code.logic(Logic::Store, to);
                self.have_read(step, uses);
            }
            Step::Select {
                holds,
                operands: [a, b],
                to,
            } => {
                self.settle(a);
                self.settle(b);
                self.code.select_word(to, holds, a, b);
                self.have_read(step, uses);
                self.registers.forget(to);
            }
            Step::Logic {
                op,
                operands: [a, b],
                to,
            } => {
                self.code.logic(Logic::Load, a);
                match op {
                    Some(op) => self.code.logic(op, b),
                    None => self.code.not(),
                }
                self.code.logic(Logic::Store, to);
            }
        }
    }

    fn apply(&mut self, step: &Step, uses: &[Use; 4]) {
        let Step::Apply {
            op,
            arity,
            address,
            operands: [a, b, c],
            to,
        } = *step
        else {
            return;
        };
        let result = match (op, Arithmetic::of(op)) {
            (_, Some((op, twice))) => {
                let first = self.in_register(a, uses[0], &[]);
                let second = match twice {
                    true => Operand::Register(first),
                    false => self.operand(b, uses[1], &[first]),
                };
                self.have_read(step, uses);
                let result = self.take(&[]);
                self.code.arithmetic(op, result, first, second);
                result
            }
            (Op::Negate | Op::Abs, _) => {
                let first = self.in_register(a, uses[0], &[]);
                self.have_read(step, uses);
                let result = self.take(&[]);
                let (op, constant) = match op {
                    Op::Negate => (Bits::Xor, SIGN),
                    _ => (Bits::And, MAGNITUDE),
                };
                self.code.bits(op, result, first, Operand::Pool(constant));
                result
            }
            (Op::Reciprocal, _) => {
                let second = self.in_register(a, uses[0], &[]);
                self.have_read(step, uses);
                let result = self.take(&[second]);
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
                let first = self.in_register(a, uses[0], &[]);
                let third = self.in_register(c, uses[2], &[first]);
                let second = self.operand(b, uses[1], &[first, third]);
                self.have_read(step, uses);
                let mut kept = vec![first, third];
                if let Operand::Register(second) = second {
                    kept.push(second);
                }
                let result = self.take(&kept);
                self.code.copy(result, third);
                self.code.multiply_add(result, first, second);
                result
            }
            _ => {
                let alone = (arity == 1).then(|| self.registers.find(a)).flatten();
                match alone {
                    // The first argument's register may be somebody else's: all are stored before it is written.
                    Some(_) => {}
                    None => step.reads().iter().for_each(|&at| self.settle(at)),
                }
                self.have_read(step, uses);
                self.store_all();
                match alone {
                    Some(0) => {}
                    Some(register) => self.code.copy(0, register),
                    None => (0..)
                        .zip(step.reads())
                        .for_each(|(register, &at)| self.code.load(register, at)),
                }
                self.code.call(address);
                0
            }
        };
        self.gives(to, result, uses[3]);
    }
}
