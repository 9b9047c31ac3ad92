//! Which numbers stand in registers. Everything is in memory, too: forgetting costs a load, never a store.

use super::assembler::{At, Register};

const COUNT: usize = 16;

#[derive(Default)]
pub struct Registers {
    holds: [Option<At>; COUNT],
    used: [u32; COUNT],
    now: u32,
}

impl Registers {
    /// The register that holds a place.
    pub fn find(&mut self, at: At) -> Option<Register> {
        let found = self.holds.iter().position(|&held| held == Some(at))?;
        self.touch(found);
        Some(found as Register)
    }

    fn touch(&mut self, i: usize) {
        self.now += 1;
        self.used[i] = self.now;
    }

    /// The one that was not used for longest, for a value that stands nowhere yet. What was used last is far from it.
    pub fn take(&mut self) -> Register {
        let oldest = (0..COUNT).min_by_key(|&i| match self.holds[i] {
            None => 0,
            Some(_) => self.used[i],
        });
        let i = oldest.unwrap_or_default();
        self.holds[i] = None;
        self.touch(i);
        i as Register
    }

    /// A place has a new value, which stands in a register as well.
    pub fn set(&mut self, at: At, register: Register) {
        self.forget(at);
        self.holds[register as usize] = Some(at);
        self.touch(register as usize);
    }

    /// A place has a new value that stands in no register.
    pub fn forget(&mut self, at: At) {
        for held in &mut self.holds {
            if *held == Some(at) {
                *held = None;
            }
        }
    }

    /// A called function may have used all of them.
    pub fn forget_all(&mut self) {
        self.holds = [None; COUNT];
    }
}
