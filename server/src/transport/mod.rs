//! Around the handlers: connections that die, calls that time out, and statuses that the library words its own way.

pub mod direct;
mod gather;
pub mod guard;
pub mod listen;
