//! Floor 3: derivatives are graphs. [`jvp`] appends tangents to a workspace, [`transpose`] turns a linear part
//! round, [`vjp`] is one after the other, and the workspace simplifies as it grows. Any order by composition.

mod control;
mod copies;
mod derivative;
mod functions;
mod implicit;
mod jvp;
mod packed;
mod pieces;
mod products;
mod repeated;
mod roll;
mod segment;
mod settle;
mod simplify;
mod step;
mod transpose;
mod views;
mod watch;

pub use control::Source;
pub use functions::{Body, FunctionTable};
pub use jvp::jvp;
pub use packed::{InputPlace, Packing};
pub use segment::{Parts, between, segmented};
pub use settle::{Resolved, resolve, settled};
pub use simplify::Workspace;
pub use step::{Backward, backward};
pub use transpose::{Mark, transpose, vjp};
pub use watch::{Reason, Watched};
