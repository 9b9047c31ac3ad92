//! Instructions on few numbers as operations on single ones.

use super::assembler::{At, Condition, Logic};
use super::translate::{MAX_ELEMENTS, Translator, few_copies, is_near, number, reachable, truth};
use crate::op::{Direction, Kernel, Op};
use crate::tape::Instruction;
use crate::tensor::DType;
use std::ops::Range;

/// An operation on single numbers.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// One of the table, with the number of its operands and its function.
    Apply {
        op: Op,
        arity: usize,
        address: usize,
        operands: [At; 3],
        to: At,
    },
    Copy {
        from: [At; 1],
        to: At,
    },
    Constant {
        bits: u64,
        to: At,
    },
    /// From so many bytes after where a cursor is.
    Fetch {
        cursor: i32,
        bytes: i32,
        to: At,
    },
    /// To so many bytes after where a cursor is, where it may be added to what is there.
    Leave {
        from: [At; 1],
        cursor: i32,
        bytes: i32,
        added: bool,
    },
    Compare {
        operands: [At; 2],
        condition: Condition,
        to: At,
    },
    /// The first one where `holds`, else the second.
    Select {
        holds: At,
        operands: [At; 2],
        to: At,
    },
    /// Truth values, of which there are two, or one is turned round.
    Logic {
        op: Option<Logic>,
        operands: [At; 2],
        to: At,
    },
}

impl Step {
    /// The numbers that it reads.
    pub fn reads(&self) -> &[At] {
        match self {
            Self::Apply {
                operands, arity, ..
            } => &operands[..*arity],
            Self::Copy { from, .. } | Self::Leave { from, .. } => from,
            Self::Compare { operands, .. } | Self::Select { operands, .. } => operands,
            Self::Constant { .. } | Self::Fetch { .. } | Self::Logic { .. } => &[],
        }
    }

    /// The place whose number it writes.
    pub fn gives(&self) -> Option<At> {
        match *self {
            Self::Apply { to, .. }
            | Self::Copy { to, .. }
            | Self::Constant { to, .. }
            | Self::Fetch { to, .. }
            | Self::Select { to, .. } => Some(to),
            Self::Compare { .. } | Self::Leave { .. } | Self::Logic { .. } => None,
        }
    }
}

impl Translator<'_> {
    /// The steps of instructions from the first one on, until one that is none; tells which that is.
    pub(super) fn straight(&self, range: Range<usize>) -> (Vec<Step>, usize) {
        let mut steps = Vec::with_capacity(range.len());
        for at in range.clone() {
            if self
                .small(&self.tape.instructions[at], &mut steps)
                .is_none()
            {
                return (steps, at);
            }
        }
        (steps, range.end)
    }

    /// The steps of an instruction on few numbers; `None` if it is something else.
    fn small(&self, i: &Instruction, steps: &mut Vec<Step>) -> Option<()> {
        if i.flags & Instruction::CONTROL != 0 {
            return None;
        }
        if i.flags & Instruction::STRUCTURAL != 0 {
            return self.moved(i, steps);
        }
        if i.elements > MAX_ELEMENTS || !reachable(i, 1) {
            return None;
        }
        for e in 0..i.elements {
            steps.push(element(i, e)?);
        }
        Some(())
    }

    /// Copies of a few numbers, or given ones.
    fn moved(&self, i: &Instruction, steps: &mut Vec<Step>) -> Option<()> {
        let step = &self.tape.structural[i.operands[0].offset()];
        if let Kernel::Constant(numbers) = &step.kernel {
            let to = step.result();
            if to.elements > MAX_ELEMENTS
                || to.dtype != DType::F64
                || !is_near(to.slot, to.elements, 1)
            {
                return None;
            }
            steps.extend((0..to.elements).map(|e| Step::Constant {
                bits: numbers.element(e as usize).to_bits(),
                to: number(to.slot, e),
            }));
            return Some(());
        }
        let copies = few_copies(step, 1)?.into_iter();
        steps.extend(copies.map(|(from, to)| Step::Copy {
            from: [number(from, 0)],
            to: number(to, 0),
        }));
        Some(())
    }
}

/// The step of one element of an elementwise instruction; `None` if it has none.
pub(super) fn element(i: &Instruction, e: u32) -> Option<Step> {
    let operand = |k: usize| (i.operands[k], if i.flags & 1 << k != 0 { 0 } else { e });
    let number = |k: usize| {
        let (slot, e) = operand(k);
        self::number(slot, e)
    };
    let truth = |k: usize| {
        let (slot, e) = operand(k);
        self::truth(slot, e)
    };
    let logic = |op: Option<Logic>, other: usize| Step::Logic {
        op,
        operands: [truth(0), truth(other)],
        to: self::truth(i.result, e),
    };
    Some(match (i.op, i.dtype) {
        (Op::Compare, DType::F64) => {
            let (a, b, condition) = match Direction::ALL.get(i.detail as usize)? {
                Direction::Gt => (0, 1, Condition::Above),
                Direction::Ge => (0, 1, Condition::AtLeast),
                Direction::Lt => (1, 0, Condition::Above),
                Direction::Le => (1, 0, Condition::AtLeast),
                Direction::Eq => (0, 1, Condition::Equal),
                Direction::Ne => (0, 1, Condition::NotEqual),
            };
            Step::Compare {
                operands: [number(a), number(b)],
                condition,
                to: self::truth(i.result, e),
            }
        }
        (Op::Select, DType::F64) => Step::Select {
            holds: truth(0),
            operands: [number(1), number(2)],
            to: self::number(i.result, e),
        },
        (Op::And, _) => logic(Some(Logic::And), 1),
        (Op::Or, _) => logic(Some(Logic::Or), 1),
        (Op::Xor, _) => logic(Some(Logic::Xor), 1),
        (Op::Not, _) => logic(None, 0),
        (op, DType::F64) => {
            let arity = op.elementwise()?.partials.len();
            Step::Apply {
                op,
                arity,
                address: op.address()?,
                operands: [0, 1, 2].map(|k| number(k.min(arity - 1))),
                to: self::number(i.result, e),
            }
        }
        _ => return None,
    })
}
