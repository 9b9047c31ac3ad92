//! The few instructions of x86-64 with AVX that are needed, as bytes. Numbers of opcodes and fields are those of the
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

mod frames;
mod rows;

use crate::op::Op;

/// A general register that holds an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Base(u8);

impl Base {
    pub const UNIFORM: Self = Self(3);
    pub const VARYING: Self = Self(13);
    pub const UNIFORM_BOOL: Self = Self(14);
    pub const VARYING_BOOL: Self = Self(15);
    /// Where a cursor is.
    const CURSOR: Self = Self(0);

    /// Addresses that a strip's code is given, in this order; the last one is where the code finds them.
    pub const GIVEN: [Self; 8] = [
        Self(2),
        Self(1),
        Self(8),
        Self(9),
        Self(3),
        Self(10),
        Self(11),
        Self(7),
    ];
}

/// A place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    pub base: Base,
    pub bytes: i32,
}

/// A vector register: 0 to 15, in rows of eight numbers to 31.
pub type Register = u8;

/// A register or a place in memory.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    Register(Register),
    Memory(At),
    /// Bytes from the beginning of the code.
    Pool(usize),
    /// A place in memory, as many bytes on as the loop has come.
    Row(At),
    /// A place in memory, twice as many bytes on as the loop has come.
    Pairs(At),
}

/// How numbers of pairs stand in a register.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// As the pairs do.
    AsTheyStand,
    /// Those of the pairs 0 and 2, then 1 and 3: what is unpacked of halves that never meet, and packed again.
    InHalves,
}

/// Instructions on one number: opcode after the prefix F2.0F.
#[derive(Clone, Copy, Debug)]
pub enum Arithmetic {
    Add = 0x58,
    Multiply = 0x59,
    Subtract = 0x5c,
    Divide = 0x5e,
    SquareRoot = 0x51,
}

impl Arithmetic {
    /// The instruction that an operation of the table is, and whether both its operands are the first one.
    pub fn of(op: Op) -> Option<(Self, bool)> {
        match op {
            Op::Add => Some((Self::Add, false)),
            Op::Subtract => Some((Self::Subtract, false)),
            Op::Multiply => Some((Self::Multiply, false)),
            Op::Divide => Some((Self::Divide, false)),
            Op::Square => Some((Self::Multiply, true)),
            Op::Sqrt => Some((Self::SquareRoot, true)),
            _ => None,
        }
    }
}

/// Instructions on bits: opcode after the prefix 66.0F.
#[derive(Clone, Copy, Debug)]
pub enum Bits {
    And = 0x54,
    Xor = 0x57,
}

/// Instructions on the truth value in al.
#[derive(Clone, Copy, Debug)]
pub enum Logic {
    Load = 0x8a,
    And = 0x22,
    Or = 0x0a,
    Xor = 0x32,
    Store = 0x88,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    Above,
    AtLeast,
    Equal,
    NotEqual,
}

const SCALAR: u8 = 3;
const PACKED: u8 = 1;
/// Opcode maps.
const MAP_0F: u8 = 1;
const MAP_0F38: u8 = 2;
const MAP_0F3A: u8 = 3;

/// How many numbers of a row are worked out at a time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Width {
    /// With AVX, in 16 registers.
    #[default]
    Four,
    /// With AVX-512, in 32 registers.
    Eight,
}

impl Width {
    /// So many.
    pub fn numbers(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// Registers there are.
    pub fn registers(self) -> usize {
        4 * self.numbers()
    }
}

#[derive(Default)]
pub struct Assembler {
    pub bytes: Vec<u8>,
    /// Of rows. Pairs are taken four at a time.
    pub width: Width,
}

impl Operand {
    /// The fourth bit of its register, or of its base.
    fn high(self) -> u8 {
        match self {
            Self::Register(r) => r >> 3,
            Self::Memory(at) | Self::Row(at) | Self::Pairs(at) => at.base.0 >> 3,
            Self::Pool(_) => 0,
        }
    }
}

/// The lowest bit turned round.
fn not(bit: u8) -> u8 {
    bit & 1 ^ 1
}

struct Vex {
    prefix: u8,
    map: u8,
    wide: bool,
    /// On 32 bytes instead of 16.
    long: bool,
    opcode: u8,
}

impl Assembler {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Addressing byte and displacement.
    fn address(&mut self, reg: u8, at: At) {
        let (reg, base) = ((reg & 7) << 3, at.base.0 & 7);
        match i8::try_from(at.bytes) {
            Ok(short) => self.put(&[0x40 | reg | base, short as u8]),
            Err(_) => {
                self.put(&[0x80 | reg | base]);
                self.put(&at.bytes.to_le_bytes());
            }
        }
    }

    /// The same with `rax << scale` added.
    fn indexed(&mut self, reg: u8, at: At, scale: u8) {
        self.put(&[0x84 | (reg & 7) << 3, scale << 6 | at.base.0 & 7]);
        self.put(&at.bytes.to_le_bytes());
    }

    fn vex(&mut self, v: &Vex, reg: Register, second: Option<Register>, operand: Operand) {
        let second = second.map_or(0b1111, |s| !s & 0b1111);
        self.put(&[
            0xc4,
            not(reg >> 3) << 7 | 1 << 6 | not(operand.high()) << 5 | v.map,
            u8::from(v.wide) << 7 | second << 3 | u8::from(v.long) << 2 | v.prefix,
            v.opcode,
        ]);
        self.operands(reg, operand);
    }

    /// On eight numbers of 64 bits; what is in the pool is one number for all.
    fn evex(&mut self, v: &Vex, reg: Register, second: Option<Register>, operand: Operand) {
        let spread = matches!(operand, Operand::Pool(_));
        // Of a register the highest bit is where an index has its own, and there is none.
        let highest = match operand {
            Operand::Register(r) => r >> 4,
            _ => 0,
        };
        let second = second.unwrap_or(0);
        self.put(&[
            0x62,
            not(reg >> 3) << 7
                | not(highest) << 6
                | not(operand.high()) << 5
                | not(reg >> 4) << 4
                | v.map,
            1 << 7 | (!second & 0b1111) << 3 | 1 << 2 | v.prefix,
            0b10 << 5 | u8::from(spread) << 4 | not(second >> 4) << 3,
            v.opcode,
        ]);
        match operand {
            // A short displacement would count in numbers.
            Operand::Memory(at) => {
                self.put(&[0x80 | (reg & 7) << 3 | at.base.0 & 7]);
                self.put(&at.bytes.to_le_bytes());
            }
            _ => self.operands(reg, operand),
        }
    }

    /// An instruction on a row.
    fn of_row(&mut self, v: &Vex, reg: Register, second: Option<Register>, operand: Operand) {
        match self.width {
            Width::Four => self.vex(v, reg, second, operand),
            Width::Eight => self.evex(v, reg, second, operand),
        }
    }

    fn operands(&mut self, reg: Register, operand: Operand) {
        match operand {
            Operand::Register(r) => self.put(&[0xc0 | (reg & 7) << 3 | r & 7]),
            Operand::Memory(at) => self.address(reg, at),
            // An index in rax, once or twice.
            Operand::Row(at) => self.indexed(reg, at, 0),
            Operand::Pairs(at) => self.indexed(reg, at, 1),
            Operand::Pool(at) => {
                self.put(&[(reg & 7) << 3 | 5]);
                let from = self.bytes.len() as i64 + 4;
                self.put(&((at as i64 - from) as i32).to_le_bytes());
            }
        }
    }

    fn scalar(opcode: u8) -> Vex {
        Vex {
            prefix: SCALAR,
            map: MAP_0F,
            wide: false,
            long: false,
            opcode,
        }
    }

    pub fn load(&mut self, to: Register, from: At) {
        self.vex(&Self::scalar(0x10), to, None, Operand::Memory(from));
    }

    pub fn store(&mut self, to: At, from: Register) {
        self.vex(&Self::scalar(0x11), from, None, Operand::Memory(to));
    }

    fn packed(opcode: u8) -> Vex {
        Vex {
            prefix: PACKED,
            ..Self::scalar(opcode)
        }
    }

    pub fn copy(&mut self, to: Register, from: Register) {
        self.vex(&Self::packed(0x28), to, None, Operand::Register(from));
    }

    /// `to = a · b`, whatever the operation is.
    pub fn arithmetic(&mut self, op: Arithmetic, to: Register, a: Register, b: Operand) {
        self.vex(&Self::scalar(op as u8), to, Some(a), b);
    }

    pub fn bits(&mut self, op: Bits, to: Register, a: Register, b: Operand) {
        self.vex(&Self::packed(op as u8), to, Some(a), b);
    }

    /// `to += a · b` in one rounding.
    pub fn multiply_add(&mut self, to: Register, a: Register, b: Operand) {
        let fma = Vex {
            prefix: PACKED,
            map: MAP_0F38,
            wide: true,
            long: false,
            opcode: 0xb9,
        };
        self.vex(&fma, to, Some(a), b);
    }

    /// Sets al to whether the condition holds; false, but for unequal, where one is NaN.
    pub fn compare(&mut self, a: Register, b: Operand, condition: Condition) {
        self.vex(&Self::packed(0x2e), a, None, b);
        match condition {
            Condition::Above => self.put(&[0x0f, 0x97, 0xc0]),
            Condition::AtLeast => self.put(&[0x0f, 0x93, 0xc0]),
            // The flag of equality is set for NaN, too: the flag of parity tells.
            Condition::Equal => self.put(&[0x0f, 0x94, 0xc0, 0x0f, 0x9b, 0xc1, 0x20, 0xc8]),
            Condition::NotEqual => self.put(&[0x0f, 0x95, 0xc0, 0x0f, 0x9a, 0xc1, 0x08, 0xc8]),
        }
    }

    fn rex(wide: bool, at: At) -> u8 {
        0x40 | u8::from(wide) << 3 | at.base.0 >> 3
    }

    pub fn logic(&mut self, op: Logic, at: At) {
        self.put(&[Self::rex(false, at), op as u8]);
        self.address(0, at);
    }

    pub fn not(&mut self) {
        self.put(&[0x34, 1]);
    }

    /// Eight bytes: `a` where `holds`, else `b`.
    pub fn select_word(&mut self, to: At, holds: At, a: At, b: At) {
        self.put(&[Self::rex(true, b), 0x8b]);
        self.address(0, b);
        self.put(&[Self::rex(false, holds), 0x80]);
        self.address(7, holds);
        self.put(&[0]);
        self.put(&[Self::rex(true, a), 0x0f, 0x45]);
        self.address(0, a);
        self.put(&[Self::rex(true, to), 0x89]);
        self.address(0, to);
    }

    /// Eight bytes that are given.
    pub fn store_word(&mut self, to: At, bits: u64) {
        // mov rax, bits; mov [to], rax
        self.put(&[0x48, 0xb8]);
        self.put(&bits.to_le_bytes());
        self.put(&[Self::rex(true, to), 0x89]);
        self.address(0, to);
    }
}
