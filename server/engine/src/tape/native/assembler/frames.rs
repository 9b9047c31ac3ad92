//! What stands around operations: functions' beginnings and ends, calls, and steps of loops.

use super::{Assembler, At, Base};

impl Assembler {
    /// Keeps what the caller wants kept, and takes the addresses of [`Base::GIVEN`] from where rdi points.
    pub fn begin_strip(&mut self) {
        // push rbx
        self.put(&[0x53]);
        for (k, base) in Base::GIVEN.into_iter().enumerate() {
            // mov base, [rdi + 8 k]
            let high = base.0 >> 3;
            self.put(&[
                0x48 | high << 2,
                0x8b,
                0x47 | (base.0 & 7) << 3,
                8 * k as u8,
            ]);
        }
    }

    pub fn end_strip(&mut self) {
        // pop rbx; ret
        self.put(&[0x5b, 0xc3]);
    }

    pub fn call(&mut self, function: usize) {
        self.put(&[0x48, 0xb8]);
        self.put(&(function as u64).to_le_bytes());
        self.put(&[0xff, 0xd0]);
    }

    /// Keeps what the caller wants kept and takes the four addresses.
    pub fn begin(&mut self) {
        // push rbx, r13, r14, r15; sub rsp, 8
        self.put(&[
            0x53, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x48, 0x83, 0xec, 8,
        ]);
        // mov rbx, rdi; mov r13, rsi; mov r14, rdx; mov r15, rcx
        self.put(&[
            0x48, 0x89, 0xfb, 0x49, 0x89, 0xf5, 0x49, 0x89, 0xd6, 0x49, 0x89, 0xcf,
        ]);
    }

    pub fn end(&mut self) {
        self.put(&[
            0x48, 0x83, 0xc4, 8, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x5b, 0xc3,
        ]);
    }

    /// Keeps what the caller wants kept, takes the four addresses, that of the cursors and the number of steps; tells where
    /// a step begins.
    pub fn begin_steps(&mut self) -> usize {
        // push rbx, rbp, r12, r13, r14, r15; sub rsp, 8
        self.put(&[
            0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x48, 0x83, 0xec, 8,
        ]);
        // mov rbx, rdi; mov r13, rsi; mov r14, rdx; mov r15, rcx; mov r12, r8; mov rbp, r9
        self.put(&[
            0x48, 0x89, 0xfb, 0x49, 0x89, 0xf5, 0x49, 0x89, 0xd6, 0x49, 0x89, 0xcf, 0x4d, 0x89,
            0xc4, 0x4c, 0x89, 0xcd,
        ]);
        self.bytes.len()
    }

    /// The place so many bytes after where a cursor is; it is the one until another one is asked for, or a function called.
    pub fn cursor(&mut self, cursor: i32, bytes: i32) -> At {
        // mov rax, [r12 + 8 cursor]
        self.put(&[0x49, 0x8b, 0x84, 0x24]);
        self.put(&(8 * cursor).to_le_bytes());
        At {
            base: Base::CURSOR,
            bytes,
        }
    }

    /// So many cursors go on; then the next step begins, if there is one.
    pub fn end_steps(&mut self, begin: usize, cursors: usize) {
        for cursor in 0..cursors as i32 {
            self.cursor(cursors as i32 + cursor, 0);
            // add [r12 + 8 cursor], rax
            self.put(&[0x49, 0x01, 0x84, 0x24]);
            self.put(&(8 * cursor).to_le_bytes());
        }
        // dec rbp; jnz begin
        self.put(&[0x48, 0xff, 0xcd, 0x0f, 0x85]);
        let back = begin as i64 - (self.bytes.len() as i64 + 4);
        self.put(&(back as i32).to_le_bytes());
        // add rsp, 8; pop r15, r14, r13, r12, rbp, rbx; ret
        self.put(&[
            0x48, 0x83, 0xc4, 8, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3,
        ]);
    }
}
