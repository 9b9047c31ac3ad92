//! Floor 4: from products asked for to the cheapest graph that gives them, and why.

pub mod coloring;
mod cost;
mod derive;
mod differentiate;
mod effort;
mod layout;
mod mode;
mod request;
pub mod sparsity;
mod waist;

pub(crate) use waist::PRODUCT_RATE;

pub use crate::transform::Parts;
pub(crate) use cost::Work;
pub use cost::{Costs, LANES, WIDTHS, padded};
pub use derive::{Derivation, DerivedProduct, Group, Seed, SeedSource, across, derive, structure};
pub use differentiate::differentiate;
pub use effort::{Effort, effort};
pub use layout::{BlockSource, Chain, Compressed, Coordinates, Entry, Factor, Part, Read};
pub use request::{
    Candidate, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth, Options, Plan, Product, Request,
};
