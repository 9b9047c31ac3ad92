//! Which numbers stand in registers, and which of them nowhere else.

use super::assembler::{At, Register};

const COUNT: usize = 16;

/// When a number is read next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Use {
    /// By this step.
    Step(u32),
    /// After the last step: it must be in memory then.
    Later,
    /// It is not: others take its place first.
    Never,
}

/// A number in a register.
#[derive(Clone, Copy)]
pub struct Held {
    /// Its place in memory.
    pub at: At,
    /// When it is read next.
    pub next: Use,
    /// Whether its place does not hold it.
    pub only_here: bool,
}

#[derive(Default)]
pub struct Registers {
    held: [Option<Held>; COUNT],
}

impl Registers {
    /// The register that holds a place's number.
    pub fn find(&self, at: At) -> Option<Register> {
        let is_it = |held: &Option<Held>| held.is_some_and(|held| held.at == at);
        self.held.iter().position(is_it).map(|r| r as Register)
    }

    /// The one whose number is wanted last, but none of `kept`.
    pub fn last_wanted(&self, kept: &[Register]) -> Register {
        let others = (0..COUNT as Register).filter(|r| !kept.contains(r));
        let last = others.max_by_key(|&r| match self.held[r as usize] {
            None => (Use::Never, true),
            // Of two that are read at the same time the one that need not be stored.
            Some(held) => (held.next, !held.only_here),
        });
        last.unwrap_or_default()
    }

    /// What a register holds.
    pub fn held(&self, register: Register) -> Option<Held> {
        self.held[register as usize]
    }

    /// A register has another number, or none.
    pub fn set(&mut self, register: Register, held: Option<Held>) {
        self.held[register as usize] = held;
    }

    /// A number is read next then; one that nobody wants from the register any more leaves it.
    pub fn read(&mut self, at: At, next: Use) {
        for slot in &mut self.held {
            if let Some(held) = slot
                && held.at == at
            {
                held.next = next;
                let stays = match next {
                    Use::Step(_) => true,
                    Use::Later => held.only_here,
                    Use::Never => false,
                };
                if !stays {
                    *slot = None;
                }
            }
        }
    }

    /// A place has a new number that stands in no register.
    pub fn forget(&mut self, at: At) {
        for held in &mut self.held {
            if held.is_some_and(|held| held.at == at) {
                *held = None;
            }
        }
    }

    /// Numbers that must be brought to memory before all registers are used otherwise, which they are from now on.
    pub fn leave(&mut self) -> impl Iterator<Item = (At, Register)> + use<> {
        let held = std::mem::take(&mut self.held);
        (0..).zip(held).filter_map(|(register, held)| {
            let held = held.filter(|held| held.only_here && held.next != Use::Never)?;
            Some((held.at, register))
        })
    }

    /// Notes that a place holds what its register does; tells which, if it did not before.
    pub fn settle(&mut self, at: At) -> Option<Register> {
        let register = self.find(at)?;
        let held = self.held[register as usize].as_mut()?;
        std::mem::replace(&mut held.only_here, false).then_some(register)
    }
}
