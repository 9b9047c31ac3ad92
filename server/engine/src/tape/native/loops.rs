//! Instructions in a row on as many elements as one loop, some numbers at a time: what one gives the next has in a
//! register, and what nobody reads later never reaches memory. Only correctly rounded operations, so bits do not change.

use super::assembler::{Arithmetic, At, Bits, Operand, Order, Register, Width};
use super::small::element;
use super::translate::{MAGNITUDE, ONE, SIGN, Translator, number};
use super::uses::each_read;
use crate::op::Op;
use crate::tape::{Instruction, Place, Row, Slot};
use crate::tensor::DType;

/// Fewer elements are written out, or not worth it.
const MIN_ELEMENTS: u32 = 16;
/// More take longer than the clock should go unseen.
const MAX_ELEMENTS: u32 = 1 << 18;
/// Fewer instructions are as fast in the interpreter.
const MIN_STEPS: usize = 2;
/// Overlaps are looked for between all.
const MAX_STEPS: usize = 64;
/// Instructions among which the next one is looked for that reads a row.
const MAX_LOOKED_AT: usize = 1 << 12;
/// Numbers in a register.
const WIDTH: u32 = 4;
/// The most that there are.
const REGISTERS: usize = 32;
/// Those that may hold the same numbers throughout: the others are enough for what becomes of a step.
const MOST_KEPT: usize = 4;

/// What an instruction reads.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value {
    /// An element for each of the result's.
    Row(Row),
    /// One for all.
    Number(Slot),
    /// Of each pair of numbers from the slot on the first, or the second.
    OfPair(Slot, bool),
}

impl Value {
    pub fn slot(self) -> Slot {
        match self {
            Value::Row(row) => row.slot,
            Value::Number(slot) | Value::OfPair(slot, _) => slot,
        }
    }

    fn elements(self, n: u32) -> u32 {
        match self {
            Value::Row(_) => n,
            Value::Number(_) => 1,
            Value::OfPair(..) => 2 * n,
        }
    }
}

/// An instruction of a loop.
pub(super) struct Step {
    pub op: Op,
    pub result: Row,
    pub operands: Vec<Value>,
    /// Whether somebody after the loop reads what it gives.
    pub read_later: bool,
}

impl Step {
    /// The same number elsewhere.
    pub fn copy(from: Value, to: Row) -> Self {
        Self {
            op: Op::Reshape,
            result: to,
            operands: vec![from],
            read_later: true,
        }
    }

    /// Of each pair the first number, or the second.
    pub fn of_pairs(from: Slot, second: bool, to: Row) -> Self {
        Self {
            op: Op::Slice,
            ..Self::copy(Value::OfPair(from, second), to)
        }
    }

    /// Pairs, from the slot on, of two numbers each.
    pub fn to_pairs(from: [Value; 2], to: Slot) -> Self {
        Self {
            op: Op::Concatenate,
            result: Row {
                slot: to,
                moves: true,
            },
            operands: from.to_vec(),
            read_later: true,
        }
    }

    /// `None` where the instruction cannot be part of a loop. Bit k of `moves` as of a strip's step.
    pub fn of(i: &Instruction, moves: u8, fma: bool) -> Option<Self> {
        let taken = match i.op {
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide => 2,
            Op::Negate | Op::Abs | Op::Square | Op::Sqrt | Op::Reciprocal => 1,
            Op::Fma if fma => 3,
            _ => return None,
        };
        let plain = i.flags & (Instruction::CONTROL | Instruction::STRUCTURAL) == 0;
        if !plain || i.dtype != DType::F64 {
            return None;
        }
        let row = |slot: Slot, k: usize| Row {
            slot,
            moves: moves & 1 << k != 0,
        };
        let operand = |k: usize| match i.flags & 1 << k {
            0 => Value::Row(row(i.operands[k], k)),
            _ => Value::Number(i.operands[k]),
        };
        Some(Self {
            op: i.op,
            result: row(i.result, 3),
            operands: (0..taken).map(operand).collect(),
            read_later: true,
        })
    }
}

/// Where the numbers of a loop are.
pub(super) trait Addresses {
    fn of(&self, value: Value) -> At;
}

/// In the tape's slots.
struct Slots;

impl Addresses for Slots {
    fn of(&self, value: Value) -> At {
        number(value.slot(), 0)
    }
}

fn meet(a: Slot, a_elements: u32, b: Slot, b_elements: u32) -> bool {
    let end = |slot: Slot, elements: u32| slot.offset() + elements as usize;
    a.varies() == b.varies() && a.offset() < end(b, b_elements) && b.offset() < end(a, a_elements)
}

/// A loop that is being put together.
pub(super) struct Loop<A> {
    pub steps: Vec<Step>,
    pub addresses: A,
    /// How all numbers stand in registers.
    pub order: Order,
}

impl Loop<Slots> {
    /// Takes an instruction on so many elements; false if the loop ends before it.
    fn take(&mut self, i: &Instruction, n: u32, fma: bool) -> bool {
        if i.elements != n || self.steps.len() == MAX_STEPS {
            return false;
        }
        let Some(step) = Step::of(i, u8::MAX, fma) else {
            return false;
        };
        let near = |slot: Slot| {
            !slot.is_outside() && (slot.offset() + n as usize) * 8 <= i32::MAX as usize
        };
        if !near(i.result) || !step.operands.iter().all(|o| near(o.slot())) {
            return false;
        }
        // Elements of one step are read and written while others of the steps before and after it are not yet, or are
        // already: rows that meet must be the same.
        let apart = |result: Row, value: Value| {
            value == Value::Row(result) || !meet(result.slot, n, value.slot(), value.elements(n))
        };
        let fits = step.operands.iter().all(|&o| apart(step.result, o))
            && self.steps.iter().all(|before| {
                apart(step.result, Value::Row(before.result))
                    && before.operands.iter().all(|&o| apart(step.result, o))
                    && step.operands.iter().all(|&o| apart(before.result, o))
            });
        if fits {
            self.steps.push(step);
        }
        fits
    }
}

impl<A> Loop<A> {
    /// Finds the order: any will do where rows are between the loop's own steps alone, once who reads them is known.
    pub fn find_order(&mut self) {
        let is_own = |k: usize, value: &Value| match value {
            Value::Row(row) => self.steps[..k].iter().any(|before| before.result == *row),
            Value::Number(_) | Value::OfPair(..) => true,
        };
        let mut steps = self.steps.iter().enumerate();
        let in_halves = steps.all(|(k, step)| {
            let stays = step.op == Op::Concatenate || !step.read_later;
            stays && step.operands.iter().all(|value| is_own(k, value))
        });
        if in_halves {
            self.order = Order::InHalves;
        }
    }

    /// The next step from `from` on that reads a value before it is another.
    fn next_use(&self, value: Value, from: usize) -> Option<usize> {
        for (k, step) in self.steps.iter().enumerate().skip(from) {
            if step.operands.contains(&value) {
                return Some(k);
            }
            if value == Value::Row(step.result) {
                return None;
            }
        }
        None
    }
}

/// Which values stand in registers, and which of them nowhere else.
pub(super) struct Held {
    values: [Option<Value>; REGISTERS],
    only_here: [bool; REGISTERS],
    /// Registers that there are.
    count: usize,
    /// The last registers, which stay as they are.
    kept: usize,
}

impl Held {
    pub fn none(width: Width) -> Self {
        Self {
            values: [None; REGISTERS],
            only_here: [false; REGISTERS],
            count: width.registers(),
            kept: 0,
        }
    }
}

impl Translator<'_> {
    /// Translates instructions in a row that are one loop and tells where they end; `None`, and no code is written,
    /// where there are too few.
    pub(super) fn looped(&mut self, begin: usize, end: usize) -> Option<usize> {
        let first = &self.tape.instructions[begin];
        if !(MIN_ELEMENTS..=MAX_ELEMENTS).contains(&first.elements) {
            return None;
        }
        let elements = first.elements;
        let mut all = Loop {
            steps: vec![],
            addresses: Slots,
            order: Order::AsTheyStand,
        };
        let instructions = &self.tape.instructions[begin..end];
        let taken = instructions
            .iter()
            .position(|i| !all.take(i, elements, self.features.fma));
        let next = begin + taken.unwrap_or(instructions.len());
        if next - begin < MIN_STEPS {
            return None;
        }
        for k in 0..all.steps.len() {
            let result = all.steps[k].result;
            let again = all.steps[k + 1..].iter().any(|s| s.result == result);
            all.steps[k].read_later = !again && self.is_read_after(next, result.slot, elements);
        }
        let rows = elements / WIDTH * WIDTH;
        let begin_loop = self.code.begin_loop();
        self.steps(&all, Held::none(self.code.width));
        self.code.end_loop(begin_loop, Some((rows * 8) as i32));
        // The rest number by number.
        let all = &self.tape.instructions[begin..next];
        let rest = (rows..elements).flat_map(|e| all.iter().filter_map(move |i| element(i, e)));
        let rest: Vec<_> = rest.collect();
        self.write(&rest, next);
        Some(next)
    }

    /// Whether instructions from `from` on, or who reads results, read some of this row before it is written anew; also
    /// where it would take long to find out.
    pub(super) fn is_read_after(&self, from: usize, slot: Slot, elements: u32) -> bool {
        let tape = self.tape;
        let of_place = |p: &Place| meet(slot, elements, p.slot, p.elements);
        let reads = |i: &Instruction| {
            let mut any = false;
            each_read(tape, i, |own, size, _| {
                any |= meet(slot, elements, own, size)
            });
            any
        };
        // Results are read where their own section ends: the next group's steps have the same memory.
        let own = tape.sections.iter().find(|s| s.contains(&(from - 1)));
        let end = own.map_or(tape.instructions.len(), |section| section.end);
        for (looked_at, i) in tape.instructions[from..end].iter().enumerate() {
            if looked_at == MAX_LOOKED_AT || reads(i) {
                return true;
            }
            let plain = i.flags & (Instruction::STRUCTURAL | Instruction::CONTROL) == 0;
            let gives_numbers = plain && i.dtype == DType::F64 && i.op.elementwise().is_some();
            if gives_numbers && i.result == slot && i.elements == elements {
                return false;
            }
        }
        let of_others = !slot.varies() && tape.instructions[end..].iter().any(reads);
        of_others || tape.roots.iter().any(of_place)
    }

    /// Loads numbers that are the same for all elements, to stay in registers.
    pub(super) fn keep_numbers(&mut self, all: &Loop<impl Addresses>) -> Held {
        let mut held = Held::none(self.code.width);
        for &value in all.steps.iter().flat_map(|step| &step.operands) {
            let is_number = matches!(value, Value::Number(_));
            if is_number && held.kept < MOST_KEPT && !held.values.contains(&Some(value)) {
                held.kept += 1;
                let r = held.count - held.kept;
                self.code.spread(r as Register, all.addresses.of(value));
                held.values[r] = Some(value);
            }
        }
        held
    }

    /// The steps of a loop, for as many numbers as are in a register.
    pub(super) fn steps(&mut self, all: &Loop<impl Addresses>, mut held: Held) {
        for k in 0..all.steps.len() {
            self.step(all, k, &mut held);
        }
    }

    /// A register for a value that stands nowhere yet, but none of `kept`.
    fn free(
        &mut self,
        all: &Loop<impl Addresses>,
        at: usize,
        held: &mut Held,
        kept: &[Register],
    ) -> Register {
        let next_use = |r: usize| match held.values[r] {
            None => usize::MAX,
            Some(value) => all.next_use(value, at).unwrap_or(usize::MAX - 1),
        };
        let others = (0..held.count - held.kept).filter(|&r| !kept.contains(&(r as Register)));
        let r = others.max_by_key(|&r| next_use(r)).unwrap_or_default();
        if let Some(value) = held.values[r]
            && held.only_here[r]
            && next_use(r) < usize::MAX - 1
        {
            self.code.store_row(all.addresses.of(value), r as Register);
        }
        (held.values[r], held.only_here[r]) = (None, false);
        r as Register
    }

    fn in_loop_register(
        &mut self,
        all: &Loop<impl Addresses>,
        at: usize,
        held: &mut Held,
        value: Value,
        kept: &[Register],
    ) -> Register {
        if let Some(r) = held.values.iter().position(|&v| v == Some(value)) {
            return r as Register;
        }
        let r = self.free(all, at, held, kept);
        let from = all.addresses.of(value);
        match value {
            Value::Row(_) => self.code.load_row(r, from),
            Value::Number(_) => self.code.spread(r, from),
            Value::OfPair(slot, second) => {
                let mut kept: Vec<Register> = kept.iter().copied().chain([r]).collect();
                let other = self.free(all, at, held, &kept);
                // The others of the pairs come from the same numbers.
                let rest = Value::OfPair(slot, !second);
                let both = all.next_use(rest, at).is_some() && !held.values.contains(&Some(rest));
                let between = both.then(|| {
                    kept.push(other);
                    self.free(all, at, held, &kept)
                });
                self.code
                    .load_of_pairs(r, other, from, all.order, (second, between));
                held.values[other as usize] = both.then_some(rest);
            }
        }
        held.values[r as usize] = Some(value);
        r
    }

    /// The second operand of an instruction: in memory if it is read this once.
    fn second(
        &mut self,
        all: &Loop<impl Addresses>,
        at: usize,
        held: &mut Held,
        value: Value,
        kept: &[Register],
    ) -> Operand {
        let is_held = held.values.contains(&Some(value));
        match value {
            Value::Row(_) if !is_held && all.next_use(value, at + 1).is_none() => {
                Operand::Row(all.addresses.of(value))
            }
            _ => Operand::Register(self.in_loop_register(all, at, held, value, kept)),
        }
    }

    fn step(&mut self, all: &Loop<impl Addresses>, at: usize, held: &mut Held) {
        let step = &all.steps[at];
        let a = step.operands[0];
        let first = self.in_loop_register(all, at, held, a, &[]);
        if step.op == Op::Concatenate {
            let second = self.in_loop_register(all, at, held, step.operands[1], &[first]);
            let mut kept = vec![first, second];
            let free = [(); 3].map(|()| {
                let r = self.free(all, at, held, &kept);
                kept.push(r);
                r
            });
            let to = all.addresses.of(Value::OfPair(step.result.slot, false));
            self.code.store_pairs(to, [first, second], free, all.order);
            return;
        }
        let result = match (step.op, Arithmetic::of(step.op)) {
            // The register goes by another name.
            (Op::Reshape | Op::Slice, _) if all.next_use(a, at + 1).is_none() => first,
            (Op::Reshape | Op::Slice, _) => {
                let result = self.free(all, at, held, &[first]);
                self.code.copy_row(result, first);
                result
            }
            (Op::Sqrt, _) => {
                let result = self.free(all, at, held, &[first]);
                self.code.square_root_row(result, Operand::Register(first));
                result
            }
            (_, Some((op, twice))) => {
                let b = if twice { a } else { step.operands[1] };
                let second = self.second(all, at, held, b, &[first]);
                let mut kept = vec![first];
                kept.extend(register(second));
                let result = self.free(all, at, held, &kept);
                self.code.arithmetic_row(op, result, first, second);
                result
            }
            (Op::Fma, _) => {
                let third = self.in_loop_register(all, at, held, step.operands[2], &[first]);
                let second = self.second(all, at, held, step.operands[1], &[first, third]);
                let mut kept = vec![first, third];
                kept.extend(register(second));
                let result = self.free(all, at, held, &kept);
                self.code.copy_row(result, third);
                self.code.multiply_add_row(result, first, second);
                result
            }
            (op, _) => {
                let result = self.free(all, at, held, &[first]);
                let code = &mut self.code;
                match op {
                    Op::Negate => code.bits_row(Bits::Xor, result, first, Operand::Pool(SIGN)),
                    Op::Abs => code.bits_row(Bits::And, result, first, Operand::Pool(MAGNITUDE)),
                    // 1 / a, the 1 put together bit by bit.
                    _ => {
                        let own = Operand::Register(result);
                        code.bits_row(Bits::Xor, result, result, own);
                        code.arithmetic_row(Arithmetic::Add, result, result, Operand::Pool(ONE));
                        let by = Operand::Register(first);
                        code.arithmetic_row(Arithmetic::Divide, result, result, by);
                    }
                }
                result
            }
        };
        let value = Value::Row(step.result);
        for r in 0..REGISTERS {
            if held.values[r] == Some(value) {
                (held.values[r], held.only_here[r]) = (None, false);
            }
        }
        if step.read_later {
            self.code.store_row(all.addresses.of(value), result);
        }
        held.values[result as usize] = Some(value);
        held.only_here[result as usize] = !step.read_later;
    }
}

fn register(operand: Operand) -> Option<Register> {
    match operand {
        Operand::Register(r) => Some(r),
        _ => None,
    }
}
