//! Floor 6: runs tapes.

mod assemble;
mod calibrate;
mod control;
mod crew;
mod crossed;
mod dot;
mod dual;
mod elementwise;
mod explain;
mod interpret;
mod memory;
mod method;
mod moves;
mod program;
mod reduce;
mod routine;
mod scan;
mod stop;
mod strips;
mod structural;

pub use calibrate::calibrate;
pub use control::Counts;
pub use crew::{Crew, Hands};
pub use dual::Evaluator;
pub use memory::Scratch;
pub use method::{
    Differences, Direction, Directional, Duals, Pair, Point, Program, Steps, compile, complex_step,
};
pub use program::{Arguments, Block, Estimate, Inputs, Name, Numbers, Results};
pub use stop::Stop;
