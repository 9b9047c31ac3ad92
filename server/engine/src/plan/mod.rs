//! Floor 4: from products asked for to the cheapest graph that gives them, and why.

pub mod coloring;
mod derive;
mod differentiate;
mod layout;
mod mode;
mod request;
pub mod sparsity;

pub use crate::transform::Parts;
pub use derive::{Derivation, DerivedProduct, Group, Seed, SeedSource, across, derive, structure};
pub use differentiate::differentiate;
pub use layout::{BlockSource, Compressed, Coordinates, Entry, Read};
pub use request::{
    Candidate, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth, Options, Plan, Product, Request,
};
