//! Floor 6: runs tapes.

mod assemble;
mod dot;
mod elementwise;
mod interpret;
mod memory;
mod program;
mod routine;
mod stop;
mod structural;

pub use memory::Scratch;
pub use program::{Arguments, Block, Program, compile};
pub use stop::Stop;
