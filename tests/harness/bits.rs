//! Numbers bit by bit.

use gradient_engine::{DType, Tensor};

/// Numbers that break formulas.
pub const SPECIAL: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    -3.5,
    1e-310,
    -5e-324,
    1e300,
    -1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// The elements' bits in row-major order; every NaN is the same one.
pub fn words(tensor: &Tensor) -> Vec<u64> {
    let raw = tensor.raw();
    match tensor.ty().dtype {
        DType::F64 => {
            let all = raw
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b));
            all.map(|x| if x.is_nan() { f64::NAN } else { x }.to_bits())
                .collect()
        }
        DType::F32 => {
            let all = raw
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b));
            all.map(|x| if x.is_nan() { f32::NAN } else { x }.to_bits().into())
                .collect()
        }
        DType::I64 => {
            let all = raw.as_chunks::<8>().0.iter();
            all.map(|b| u64::from_le_bytes(*b)).collect()
        }
        DType::Bool => raw.iter().map(|&b| b.into()).collect(),
    }
}
