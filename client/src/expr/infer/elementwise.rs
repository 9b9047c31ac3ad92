//! Elementwise operations without attributes.

use gradient_proto::v1::Op;

use super::{alike, boolean, float, number};
use crate::tensor::Type;

/// How many operands it takes, if it is such an operation.
pub(super) fn arity(op: Op) -> Option<usize> {
    use Op as O;
    Some(match op {
        O::Negate | O::Abs | O::Sign | O::Square | O::Sqrt | O::Rsqrt | O::Cbrt | O::Reciprocal => {
            1
        }
        O::Exp | O::Expm1 | O::Log | O::Log1p | O::Exp2 | O::Log2 | O::Log10 | O::Logistic => 1,
        O::Softplus
        | O::Softsign
        | O::LogSigmoid
        | O::Relu
        | O::Gelu
        | O::GeluTanh
        | O::Silu
        | O::Not => 1,
        O::Sin | O::Cos | O::Tan | O::Asin | O::Acos | O::Atan | O::Sinc => 1,
        O::Sinh | O::Cosh | O::Tanh | O::Asinh | O::Acosh | O::Atanh => 1,
        O::Floor | O::Ceil | O::RoundNearestEven | O::Trunc | O::RoundNearestAfz => 1,
        O::Erf | O::Erfc | O::ErfInv | O::Erfcx | O::Lgamma | O::Digamma => 1,
        O::BesselI0e | O::BesselI1e | O::BesselJ0 | O::BesselJ1 | O::BesselY0 | O::BesselY1 => 1,
        O::NormCdf | O::NormPpf | O::LogNdtr | O::Sech | O::GeluSlope => 1,
        O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder | O::Power => 2,
        O::Maximum | O::Minimum | O::MultiplyNoNan | O::Hypot | O::Copysign | O::Atan2 => 2,
        O::Logaddexp | O::LeakyRelu | O::Elu | O::And | O::Or | O::Xor => 2,
        O::Polygamma | O::Lbeta | O::Igamma | O::Igammac | O::BesselJn | O::BesselYn => 2,
        O::Xlogy | O::Xlog1py | O::Zeta | O::Direction | O::OverNormSquared => 2,
        O::SincDerivative | O::ErfcxDerivative | O::LogNdtrDerivative => 2,
        O::Clamp | O::Fma | O::Betainc | O::ScaledPower | O::PolygammaDifference => 3,
        O::ZetaDerivative | O::BesselJnDerivative | O::BesselYnDerivative => 3,
        O::BesselIneDerivative | O::IgammaGradA | O::IgammaGradX => 3,
        O::BetaincGradX | O::BetaincGradA | O::BetaincGradB | O::BetaincKernel => 3,
        O::BetaincGradAa | O::BetaincGradAb | O::BetaincGradBb => 3,
        _ => return None,
    })
}

/// The type of the result.
pub(super) fn result(op: Op, operands: &[&Type]) -> Result<Type, String> {
    let shape = alike(operands)?;
    let first = operands.first().ok_or("an operation without operands")?;
    match op {
        Op::And | Op::Or | Op::Xor | Op::Not => boolean(first)?,
        Op::Add
        | Op::Subtract
        | Op::Multiply
        | Op::Divide
        | Op::Negate
        | Op::Abs
        | Op::Sign
        | Op::Maximum
        | Op::Minimum
        | Op::Clamp
        | Op::Square
        | Op::Remainder => number(first)?,
        _ => float(first)?,
    }
    Ok(Type {
        dtype: first.dtype,
        shape,
    })
}
