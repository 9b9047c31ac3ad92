//! Seeds of colours that are made once: they are the same at every point.

use super::Program;
use crate::plan::SeedSource;
use crate::tensor::{DType, Tensor, TensorType};

/// Bytes that a program may hold for them; beyond, they are made for each lane as it runs.
const MOST_BYTES: u64 = 16 << 20;

impl Program {
    /// Makes those that a single lane reads where they lie. Several at once would have to be put between each other.
    pub(super) fn hold_seeds(&mut self) {
        if self.points_in_lanes || self.width(1) != 1 {
            return;
        }
        let mut left = MOST_BYTES;
        for group in &mut self.groups {
            let seeds = group.seeds.iter().zip(&mut group.held);
            for ((parameter, source, ty), held) in seeds {
                let SeedSource::Colored { colors, offset } = source else {
                    continue;
                };
                let place = self.tape.parameters[*parameter];
                let bytes = ty.bytes().saturating_mul(group.lanes);
                let is_read = place.is_some_and(|place| place.slot.is_outside());
                if !is_read || ty.dtype != DType::F64 || bytes > left {
                    continue;
                }
                left -= bytes;
                let own = &colors[*offset as usize..][..ty.elements() as usize];
                let raw = (0..group.lanes).flat_map(|lane| {
                    let ones = own.iter().map(move |&color| u64::from(color) == lane);
                    ones.flat_map(|one| f64::from(one).to_le_bytes())
                });
                let all = TensorType::f64([group.lanes, ty.elements()]);
                *held = Tensor::from_raw(all, raw.collect()).ok();
            }
        }
    }
}
