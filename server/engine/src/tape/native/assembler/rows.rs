//! Instructions on rows of numbers, and loops over them.

use super::{
    Arithmetic, Assembler, At, Bits, MAP_0F3A, MAP_0F38, Operand, Order, Register, Vex, Width,
};

const UNPACK_LOW: u8 = 0x14;
const UNPACK_HIGH: u8 = 0x15;

impl Assembler {
    fn row(opcode: u8) -> Vex {
        Vex {
            long: true,
            ..Self::packed(opcode)
        }
    }

    /// Numbers from memory.
    pub fn load_row(&mut self, to: Register, from: At) {
        self.of_row(&Self::row(0x10), to, None, Operand::Row(from));
    }

    pub fn store_row(&mut self, to: At, from: Register) {
        self.of_row(&Self::row(0x11), from, None, Operand::Row(to));
    }

    /// The first numbers of four pairs, or the second ones; `other` is overwritten, by those that are not asked for if
    /// there is a register for them in between.
    pub fn load_of_pairs(
        &mut self,
        to: Register,
        other: Register,
        from: At,
        order: Order,
        (second, between): (bool, Option<Register>),
    ) {
        let pairs = |bytes: i32| {
            Operand::Pairs(At {
                bytes: from.bytes + bytes,
                ..from
            })
        };
        let low = between.unwrap_or(to);
        match order {
            Order::AsTheyStand => {
                // vmovupd xmm, pairs; vinsertf128 ymm, ymm, pairs, 1
                for (register, bytes) in [(low, 0), (other, 16)] {
                    self.vex(&Self::packed(0x10), register, None, pairs(bytes));
                    let insert = Vex {
                        map: MAP_0F3A,
                        ..Self::row(0x18)
                    };
                    self.vex(&insert, register, Some(register), pairs(bytes + 32));
                    self.put(&[1]);
                }
            }
            Order::InHalves => {
                self.vex(&Self::row(0x10), low, None, pairs(0));
                self.vex(&Self::row(0x10), other, None, pairs(32));
            }
        }
        let unpack = match second {
            true => [UNPACK_HIGH, UNPACK_LOW],
            false => [UNPACK_LOW, UNPACK_HIGH],
        };
        let high = Operand::Register(other);
        self.vex(&Self::row(unpack[0]), to, Some(low), high);
        if between.is_some() {
            self.vex(&Self::row(unpack[1]), other, Some(low), high);
        }
    }

    /// Four pairs of the numbers of two registers; `free` are overwritten.
    pub fn store_pairs(
        &mut self,
        to: At,
        [first, second]: [Register; 2],
        free: [Register; 3],
        order: Order,
    ) {
        let [low, high, half] = free;
        let other = Operand::Register(second);
        self.vex(&Self::row(UNPACK_LOW), low, Some(first), other);
        self.vex(&Self::row(UNPACK_HIGH), high, Some(first), other);
        let pairs = |bytes: i32| {
            Operand::Pairs(At {
                bytes: to.bytes + bytes,
                ..to
            })
        };
        if let Order::InHalves = order {
            self.vex(&Self::row(0x11), low, None, pairs(0));
            self.vex(&Self::row(0x11), high, None, pairs(32));
            return;
        }
        // vperm2f128 half, low, high, halves; vmovupd pairs, half
        for (halves, bytes) in [(0x20, 0), (0x31, 32)] {
            let choose = Vex {
                map: MAP_0F3A,
                ..Self::row(0x06)
            };
            self.vex(&choose, half, Some(low), Operand::Register(high));
            self.put(&[halves]);
            self.vex(&Self::row(0x11), half, None, pairs(bytes));
        }
    }

    /// One number throughout.
    pub fn spread(&mut self, to: Register, from: At) {
        let spread = Vex {
            map: MAP_0F38,
            ..Self::row(0x19)
        };
        self.of_row(&spread, to, None, Operand::Memory(from));
    }

    /// `to = a · b` on a row.
    pub fn arithmetic_row(&mut self, op: Arithmetic, to: Register, a: Register, b: Operand) {
        self.of_row(&Self::row(op as u8), to, Some(a), b);
    }

    pub fn square_root_row(&mut self, to: Register, a: Operand) {
        self.of_row(&Self::row(Arithmetic::SquareRoot as u8), to, None, a);
    }

    pub fn bits_row(&mut self, op: Bits, to: Register, a: Register, b: Operand) {
        let opcode = match (self.width, op) {
            (Width::Four, _) => op as u8,
            // On whole numbers: on floating-point numbers not every AVX-512 has them.
            (Width::Eight, Bits::And) => 0xdb,
            (Width::Eight, Bits::Xor) => 0xef,
        };
        self.of_row(&Self::row(opcode), to, Some(a), b);
    }

    pub fn copy_row(&mut self, to: Register, from: Register) {
        self.of_row(&Self::row(0x28), to, None, Operand::Register(from));
    }

    /// `to += a · b` on a row, in one rounding.
    pub fn multiply_add_row(&mut self, to: Register, a: Register, b: Operand) {
        let fma = Vex {
            map: MAP_0F38,
            wide: true,
            ..Self::row(0xb8)
        };
        self.of_row(&fma, to, Some(a), b);
    }

    /// Begins a loop at byte 0 of the rows; tells where.
    pub fn begin_loop(&mut self) -> usize {
        // xor eax, eax
        self.put(&[0x31, 0xc0]);
        self.bytes.len()
    }

    /// Goes on with the next numbers of the rows until so many bytes are done; `None`: as many as rsi says.
    pub fn end_loop(&mut self, begin: usize, bytes: Option<i32>) {
        // add rax, 32 or 64; cmp rax, bytes or rsi; jb begin; vzeroupper
        self.put(&[0x48, 0x83, 0xc0, 8 * self.width.numbers() as u8]);
        match bytes {
            Some(bytes) => {
                self.put(&[0x48, 0x3d]);
                self.put(&bytes.to_le_bytes());
            }
            None => self.put(&[0x48, 0x39, 0xf0]),
        }
        self.put(&[0x0f, 0x82]);
        let back = begin as i64 - (self.bytes.len() as i64 + 4);
        self.put(&(back as i32).to_le_bytes());
        self.put(&[0xc5, 0xf8, 0x77]);
    }
}
