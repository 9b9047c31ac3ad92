//! Elementwise operations at 0, -0, ties, infinities, NaN and subnormal numbers: value and derivatives as declared in
//! the contract, else as in IEEE 754 and C's Annex F. And on f32: the f64 result, rounded once.

use gradient_engine::{DType, Graph, Mode, Op, Tensor, TensorType};
use gradient_tests::engine::{Random, jacobian, tensor, value};
use gradient_tests::scenarios::Draft;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, LOG10_E, PI};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;
/// The smallest subnormal number.
const TINY: f64 = 5e-324;
/// For derivatives that are not declared.
const ANY: f64 = f64::from_bits(0x7ff8_0000_dead_beef);

fn graph(op: Op, dtype: DType) -> Graph {
    let mut g = Draft::new(op.name());
    let operands: Vec<_> = ["a", "b", "c"][..op.arity().expect("an arity").0 as usize]
        .iter()
        .map(|name| g.0.input(*name, TensorType::new(dtype, [])).expect("input"))
        .collect();
    let result = g.op(op, &operands);
    g.finish(result)
}

/// The operation with some operands as constants.
fn holding(op: Op, operands: &[f64], is_held: &[bool]) -> Graph {
    let mut g = Draft::new(op.name());
    // Inputs come before the first node.
    let free = ["a", "b", "c"].iter().zip(is_held);
    let inputs: Vec<_> = free
        .map(|(name, held)| (!held).then(|| g.input(name, &[])))
        .collect();
    let operands: Vec<_> = operands
        .iter()
        .zip(inputs)
        .map(|(&x, input)| input.unwrap_or_else(|| g.constant(Tensor::scalar(DType::F64, x))))
        .collect();
    let result = g.op(op, &operands);
    g.finish(result)
}

/// Equal bit for bit, but for NaN's payload.
fn same(got: f64, want: f64) -> bool {
    want.to_bits() == ANY.to_bits()
        || got.to_bits() == want.to_bits()
        || got.is_nan() && want.is_nan()
}

/// Operation, operands, value, derivatives.
type Case = (Op, &'static [f64], f64, &'static [f64]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (Op::Negate, &[0.0], -0.0, &[-1.0]), (Op::Negate, &[INF], -INF, &[-1.0]), (Op::Negate, &[NAN], NAN, &[-1.0]),
    (Op::Negate, &[TINY], -TINY, &[-1.0]),
    (Op::Abs, &[0.0], 0.0, &[0.0]), (Op::Abs, &[-0.0], 0.0, &[-0.0]), (Op::Abs, &[-INF], INF, &[-1.0]),
    (Op::Abs, &[NAN], NAN, &[NAN]), (Op::Abs, &[-TINY], TINY, &[-1.0]),
    (Op::Sign, &[0.0], 0.0, &[0.0]), (Op::Sign, &[-0.0], -0.0, &[0.0]), (Op::Sign, &[-INF], -1.0, &[0.0]),
    (Op::Sign, &[NAN], NAN, &[0.0]), (Op::Sign, &[TINY], 1.0, &[0.0]),
    (Op::Square, &[-0.0], 0.0, &[-0.0]), (Op::Square, &[-INF], INF, &[-INF]), (Op::Square, &[NAN], NAN, &[NAN]),
    (Op::Square, &[TINY], 0.0, &[1e-323]),
    (Op::Sqrt, &[0.0], 0.0, &[INF]), (Op::Sqrt, &[-0.0], -0.0, &[INF]), (Op::Sqrt, &[INF], INF, &[0.0]),
    (Op::Sqrt, &[-1.0], NAN, &[NAN]), (Op::Sqrt, &[NAN], NAN, &[NAN]),
    (Op::Rsqrt, &[0.0], INF, &[-INF]), (Op::Rsqrt, &[-0.0], -INF, &[ANY]), (Op::Rsqrt, &[INF], 0.0, &[-0.0]),
    (Op::Rsqrt, &[-1.0], NAN, &[NAN]), (Op::Rsqrt, &[NAN], NAN, &[NAN]),
    (Op::Cbrt, &[0.0], 0.0, &[INF]), (Op::Cbrt, &[-0.0], -0.0, &[INF]), (Op::Cbrt, &[-INF], -INF, &[0.0]),
    (Op::Cbrt, &[NAN], NAN, &[NAN]),
    (Op::Reciprocal, &[0.0], INF, &[-INF]), (Op::Reciprocal, &[-0.0], -INF, &[-INF]),
    (Op::Reciprocal, &[-INF], -0.0, &[-0.0]), (Op::Reciprocal, &[NAN], NAN, &[NAN]), (Op::Reciprocal, &[TINY], INF, &[-INF]),
    (Op::Exp, &[-0.0], 1.0, &[1.0]), (Op::Exp, &[-INF], 0.0, &[0.0]), (Op::Exp, &[INF], INF, &[INF]),
    (Op::Exp, &[NAN], NAN, &[NAN]), (Op::Exp, &[TINY], 1.0, &[1.0]),
    (Op::Expm1, &[0.0], 0.0, &[1.0]), (Op::Expm1, &[-0.0], -0.0, &[1.0]), (Op::Expm1, &[-INF], -1.0, &[0.0]),
    (Op::Expm1, &[INF], INF, &[INF]), (Op::Expm1, &[NAN], NAN, &[NAN]), (Op::Expm1, &[TINY], TINY, &[1.0]),
    (Op::Log, &[0.0], -INF, &[INF]), (Op::Log, &[-0.0], -INF, &[-INF]), (Op::Log, &[1.0], 0.0, &[1.0]),
    (Op::Log, &[INF], INF, &[0.0]), (Op::Log, &[-1.0], NAN, &[ANY]), (Op::Log, &[NAN], NAN, &[NAN]),
    (Op::Log1p, &[0.0], 0.0, &[1.0]), (Op::Log1p, &[-0.0], -0.0, &[1.0]), (Op::Log1p, &[-1.0], -INF, &[INF]),
    (Op::Log1p, &[INF], INF, &[0.0]), (Op::Log1p, &[NAN], NAN, &[NAN]), (Op::Log1p, &[TINY], TINY, &[1.0]),
    (Op::Exp2, &[-0.0], 1.0, &[LN_2]), (Op::Exp2, &[-INF], 0.0, &[0.0]), (Op::Exp2, &[INF], INF, &[INF]), (Op::Exp2, &[NAN], NAN, &[NAN]),
    (Op::Log2, &[0.0], -INF, &[INF]), (Op::Log2, &[1.0], 0.0, &[LOG2_E]), (Op::Log2, &[INF], INF, &[0.0]), (Op::Log2, &[NAN], NAN, &[NAN]),
    (Op::Log10, &[0.0], -INF, &[INF]), (Op::Log10, &[1.0], 0.0, &[LOG10_E]), (Op::Log10, &[INF], INF, &[0.0]), (Op::Log10, &[NAN], NAN, &[NAN]),
    (Op::Logistic, &[0.0], 0.5, &[0.25]), (Op::Logistic, &[INF], 1.0, &[0.0]), (Op::Logistic, &[-INF], 0.0, &[0.0]), (Op::Logistic, &[NAN], NAN, &[NAN]),
    (Op::Softplus, &[0.0], LN_2, &[0.5]), (Op::Softplus, &[INF], INF, &[1.0]), (Op::Softplus, &[-INF], 0.0, &[0.0]), (Op::Softplus, &[NAN], NAN, &[NAN]),
    (Op::LogSigmoid, &[0.0], -LN_2, &[0.5]), (Op::LogSigmoid, &[INF], -0.0, &[0.0]), (Op::LogSigmoid, &[-INF], -INF, &[1.0]), (Op::LogSigmoid, &[NAN], NAN, &[NAN]),
    (Op::Sin, &[-0.0], -0.0, &[1.0]), (Op::Sin, &[INF], NAN, &[NAN]), (Op::Sin, &[NAN], NAN, &[NAN]), (Op::Sin, &[TINY], TINY, &[1.0]),
    (Op::Cos, &[0.0], 1.0, &[-0.0]), (Op::Cos, &[-INF], NAN, &[NAN]), (Op::Cos, &[NAN], NAN, &[NAN]),
    (Op::Tan, &[-0.0], -0.0, &[1.0]), (Op::Tan, &[INF], NAN, &[NAN]), (Op::Tan, &[NAN], NAN, &[NAN]),
    (Op::Asin, &[-0.0], -0.0, &[1.0]), (Op::Asin, &[1.0], FRAC_PI_2, &[INF]), (Op::Asin, &[2.0], NAN, &[NAN]), (Op::Asin, &[NAN], NAN, &[NAN]),
    (Op::Acos, &[1.0], 0.0, &[-INF]), (Op::Acos, &[-1.0], PI, &[-INF]), (Op::Acos, &[2.0], NAN, &[NAN]), (Op::Acos, &[NAN], NAN, &[NAN]),
    (Op::Atan, &[-0.0], -0.0, &[1.0]), (Op::Atan, &[INF], FRAC_PI_2, &[0.0]), (Op::Atan, &[-INF], -FRAC_PI_2, &[0.0]), (Op::Atan, &[NAN], NAN, &[NAN]),
    (Op::Sinh, &[-0.0], -0.0, &[1.0]), (Op::Sinh, &[-INF], -INF, &[INF]), (Op::Sinh, &[NAN], NAN, &[NAN]),
    (Op::Cosh, &[0.0], 1.0, &[0.0]), (Op::Cosh, &[-INF], INF, &[-INF]), (Op::Cosh, &[NAN], NAN, &[NAN]),
    (Op::Tanh, &[-0.0], -0.0, &[1.0]), (Op::Tanh, &[INF], 1.0, &[0.0]), (Op::Tanh, &[-INF], -1.0, &[0.0]), (Op::Tanh, &[NAN], NAN, &[NAN]),
    (Op::Asinh, &[-0.0], -0.0, &[1.0]), (Op::Asinh, &[-INF], -INF, &[0.0]), (Op::Asinh, &[NAN], NAN, &[NAN]),
    (Op::Acosh, &[1.0], 0.0, &[INF]), (Op::Acosh, &[INF], INF, &[0.0]), (Op::Acosh, &[0.5], NAN, &[NAN]), (Op::Acosh, &[NAN], NAN, &[NAN]),
    (Op::Atanh, &[-0.0], -0.0, &[1.0]), (Op::Atanh, &[1.0], INF, &[INF]), (Op::Atanh, &[-1.0], -INF, &[INF]), (Op::Atanh, &[2.0], NAN, &[ANY]), (Op::Atanh, &[NAN], NAN, &[NAN]),
    (Op::Sinc, &[0.0], 1.0, &[-0.0]), (Op::Sinc, &[3.0], 0.0, &[ANY]), (Op::Sinc, &[INF], NAN, &[NAN]), (Op::Sinc, &[NAN], NAN, &[NAN]), (Op::Sinc, &[TINY], 1.0, &[ANY]),
    (Op::Sech, &[0.0], 1.0, &[-0.0]), (Op::Sech, &[INF], 0.0, &[-0.0]), (Op::Sech, &[NAN], NAN, &[NAN]),
    (Op::Relu, &[0.0], 0.0, &[0.0]), (Op::Relu, &[-0.0], 0.0, &[0.0]), (Op::Relu, &[INF], INF, &[1.0]), (Op::Relu, &[-INF], 0.0, &[0.0]),
    (Op::Relu, &[NAN], NAN, &[0.0]), (Op::Relu, &[TINY], TINY, &[1.0]),
    (Op::Gelu, &[0.0], 0.0, &[0.5]), (Op::Gelu, &[INF], INF, &[1.0]), (Op::Gelu, &[-INF], -0.0, &[-0.0]), (Op::Gelu, &[NAN], NAN, &[NAN]),
    (Op::GeluSlope, &[0.0], 0.5, &[ANY]), (Op::GeluSlope, &[INF], 1.0, &[ANY]), (Op::GeluSlope, &[-INF], -0.0, &[ANY]), (Op::GeluSlope, &[NAN], NAN, &[NAN]),
    (Op::GeluTanh, &[0.0], 0.0, &[0.5]), (Op::GeluTanh, &[INF], INF, &[1.0]), (Op::GeluTanh, &[-INF], -0.0, &[ANY]), (Op::GeluTanh, &[NAN], NAN, &[NAN]),
    (Op::Silu, &[0.0], 0.0, &[0.5]), (Op::Silu, &[INF], INF, &[ANY]), (Op::Silu, &[-INF], -0.0, &[ANY]), (Op::Silu, &[NAN], NAN, &[NAN]),
    (Op::Softsign, &[0.0], 0.0, &[1.0]), (Op::Softsign, &[-0.0], -0.0, &[1.0]), (Op::Softsign, &[-INF], -1.0, &[0.0]), (Op::Softsign, &[NAN], NAN, &[NAN]), (Op::Softsign, &[TINY], TINY, &[1.0]),
    (Op::Floor, &[-0.5], -1.0, &[0.0]), (Op::Floor, &[-0.0], -0.0, &[0.0]), (Op::Floor, &[INF], INF, &[0.0]), (Op::Floor, &[NAN], NAN, &[0.0]), (Op::Floor, &[-TINY], -1.0, &[0.0]),
    (Op::Ceil, &[-0.5], -0.0, &[0.0]), (Op::Ceil, &[TINY], 1.0, &[0.0]), (Op::Ceil, &[-INF], -INF, &[0.0]), (Op::Ceil, &[NAN], NAN, &[0.0]),
    (Op::RoundNearestEven, &[0.5], 0.0, &[0.0]), (Op::RoundNearestEven, &[1.5], 2.0, &[0.0]), (Op::RoundNearestEven, &[-2.5], -2.0, &[0.0]), (Op::RoundNearestEven, &[NAN], NAN, &[0.0]),
    (Op::RoundNearestAfz, &[0.5], 1.0, &[0.0]), (Op::RoundNearestAfz, &[-2.5], -3.0, &[0.0]), (Op::RoundNearestAfz, &[0.49999999999999994], 0.0, &[0.0]),
    (Op::RoundNearestAfz, &[-0.0], -0.0, &[0.0]), (Op::RoundNearestAfz, &[INF], INF, &[0.0]), (Op::RoundNearestAfz, &[NAN], NAN, &[0.0]),
    (Op::Trunc, &[-0.5], -0.0, &[0.0]), (Op::Trunc, &[-INF], -INF, &[0.0]), (Op::Trunc, &[2.9], 2.0, &[0.0]), (Op::Trunc, &[NAN], NAN, &[0.0]),

    (Op::Add, &[0.0, -0.0], 0.0, &[1.0, 1.0]), (Op::Add, &[-0.0, -0.0], -0.0, &[1.0, 1.0]), (Op::Add, &[INF, -INF], NAN, &[1.0, 1.0]), (Op::Add, &[NAN, 1.0], NAN, &[1.0, 1.0]),
    (Op::Add, &[TINY, TINY], 1e-323, &[1.0, 1.0]),
    (Op::Subtract, &[0.0, 0.0], 0.0, &[1.0, -1.0]), (Op::Subtract, &[INF, INF], NAN, &[1.0, -1.0]), (Op::Subtract, &[1.0, NAN], NAN, &[1.0, -1.0]),
    (Op::Multiply, &[0.0, -2.0], -0.0, &[-2.0, 0.0]), (Op::Multiply, &[0.0, INF], NAN, &[INF, ANY]), (Op::Multiply, &[NAN, 1.0], NAN, &[1.0, NAN]),
    (Op::MultiplyNoNan, &[0.0, INF], 0.0, &[INF, 0.0]), (Op::MultiplyNoNan, &[NAN, 0.0], 0.0, &[0.0, NAN]), (Op::MultiplyNoNan, &[NAN, 1.0], NAN, &[1.0, NAN]),
    (Op::Divide, &[1.0, 0.0], INF, &[INF, -INF]), (Op::Divide, &[-1.0, 0.0], -INF, &[INF, INF]), (Op::Divide, &[0.0, 0.0], NAN, &[INF, NAN]),
    (Op::Divide, &[1.0, INF], 0.0, &[0.0, -0.0]), (Op::Divide, &[INF, INF], NAN, &[0.0, NAN]), (Op::Divide, &[NAN, 1.0], NAN, &[1.0, NAN]),
    (Op::Maximum, &[1.5, 1.5], 1.5, &[0.5, 0.5]), (Op::Maximum, &[0.0, -0.0], ANY, &[0.5, 0.5]), (Op::Maximum, &[INF, 1.0], INF, &[1.0, 0.0]),
    (Op::Maximum, &[NAN, 1.0], NAN, &[ANY, ANY]), (Op::Maximum, &[1.0, NAN], NAN, &[ANY, ANY]),
    (Op::Minimum, &[1.5, 1.5], 1.5, &[0.5, 0.5]), (Op::Minimum, &[-INF, 1.0], -INF, &[1.0, 0.0]), (Op::Minimum, &[NAN, 1.0], NAN, &[ANY, ANY]), (Op::Minimum, &[1.0, NAN], NAN, &[ANY, ANY]),
    (Op::Power, &[0.0, 0.0], 1.0, &[0.0, ANY]), (Op::Power, &[3.0, 0.0], 1.0, &[0.0, ANY]), (Op::Power, &[NAN, 0.0], 1.0, &[0.0, NAN]), (Op::Power, &[1.0, NAN], 1.0, &[NAN, 0.0]),
    (Op::Power, &[0.0, 2.0], 0.0, &[0.0, 0.0]), (Op::Power, &[0.0, 1.0], 0.0, &[1.0, 0.0]), (Op::Power, &[0.0, 0.5], 0.0, &[INF, 0.0]), (Op::Power, &[0.0, -1.0], INF, &[-INF, ANY]),
    (Op::Power, &[-0.0, 3.0], -0.0, &[0.0, ANY]), (Op::Power, &[-2.0, 3.0], -8.0, &[12.0, NAN]), (Op::Power, &[-2.0, 0.5], NAN, &[NAN, NAN]), (Op::Power, &[INF, -1.0], 0.0, &[ANY, ANY]),
    (Op::Power, &[2.0, INF], INF, &[INF, INF]), (Op::Power, &[0.5, INF], 0.0, &[ANY, ANY]), (Op::Power, &[2.0, NAN], NAN, &[NAN, NAN]),
    (Op::Remainder, &[5.0, 3.0], 2.0, &[1.0, -1.0]), (Op::Remainder, &[-5.0, 3.0], -2.0, &[1.0, 1.0]), (Op::Remainder, &[-0.0, 3.0], -0.0, &[1.0, 0.0]),
    (Op::Remainder, &[1.0, 0.0], NAN, &[1.0, NAN]), (Op::Remainder, &[INF, 1.0], NAN, &[1.0, NAN]), (Op::Remainder, &[1.0, INF], 1.0, &[1.0, 0.0]), (Op::Remainder, &[1.0, NAN], NAN, &[1.0, NAN]),
    (Op::Hypot, &[0.0, -0.0], 0.0, &[0.0, 0.0]), (Op::Hypot, &[INF, 1.0], INF, &[ANY, ANY]), (Op::Hypot, &[INF, NAN], INF, &[ANY, ANY]), (Op::Hypot, &[1.0, NAN], NAN, &[NAN, NAN]),
    (Op::Hypot, &[TINY, 0.0], TINY, &[1.0, 0.0]), (Op::Hypot, &[0.0, -2.0], 2.0, &[0.0, -1.0]),
    (Op::Copysign, &[3.0, -0.0], -3.0, &[-1.0, 0.0]), (Op::Copysign, &[0.0, -1.0], -0.0, &[-0.0, 0.0]), (Op::Copysign, &[-2.0, 0.0], 2.0, &[-1.0, 0.0]),
    (Op::Copysign, &[INF, -1.0], -INF, &[-1.0, 0.0]), (Op::Copysign, &[NAN, 1.0], NAN, &[NAN, 0.0]),
    (Op::Direction, &[0.0, 0.0], 0.0, &[0.0, -0.0]), (Op::Direction, &[TINY, 0.0], 1.0, &[0.0, -0.0]), (Op::Direction, &[NAN, 1.0], NAN, &[NAN, NAN]), (Op::Direction, &[1.0, INF], 0.0, &[ANY, ANY]),
    (Op::OverNormSquared, &[0.0, 2.0], 0.0, &[0.25, -0.0]), (Op::OverNormSquared, &[0.0, 0.0], NAN, &[NAN, NAN]), (Op::OverNormSquared, &[1.0, INF], 0.0, &[ANY, ANY]), (Op::OverNormSquared, &[NAN, 1.0], NAN, &[NAN, NAN]),
    (Op::Logaddexp, &[0.0, 0.0], LN_2, &[0.5, 0.5]), (Op::Logaddexp, &[-INF, -INF], -INF, &[ANY, ANY]), (Op::Logaddexp, &[INF, INF], INF, &[ANY, ANY]), (Op::Logaddexp, &[INF, -INF], INF, &[1.0, 0.0]),
    (Op::Logaddexp, &[-INF, 3.0], 3.0, &[0.0, 1.0]), (Op::Logaddexp, &[NAN, 1.0], NAN, &[NAN, NAN]), (Op::Logaddexp, &[1.0, NAN], NAN, &[NAN, NAN]),
    (Op::Atan2, &[0.0, 1.0], 0.0, &[1.0, -0.0]), (Op::Atan2, &[-0.0, -1.0], -PI, &[-1.0, 0.0]), (Op::Atan2, &[0.0, -0.0], PI, &[ANY, ANY]), (Op::Atan2, &[-0.0, 0.0], -0.0, &[ANY, ANY]),
    (Op::Atan2, &[INF, INF], FRAC_PI_4, &[ANY, ANY]), (Op::Atan2, &[1.0, INF], 0.0, &[ANY, ANY]), (Op::Atan2, &[NAN, 1.0], NAN, &[NAN, NAN]),
    (Op::SincDerivative, &[1.0, 0.0], -0.0, &[0.0, ANY]), (Op::SincDerivative, &[0.5, 1.0], NAN, &[0.0, NAN]), (Op::SincDerivative, &[-1.0, 1.0], NAN, &[0.0, ANY]), (Op::SincDerivative, &[1.0, NAN], NAN, &[0.0, NAN]),
    (Op::LeakyRelu, &[0.0, 0.1], 0.0, &[0.1, 0.0]), (Op::LeakyRelu, &[-0.0, 0.1], -0.0, &[0.1, -0.0]), (Op::LeakyRelu, &[INF, 0.1], INF, &[1.0, 0.0]), (Op::LeakyRelu, &[-INF, 0.1], -INF, &[0.1, -INF]), (Op::LeakyRelu, &[NAN, 0.1], NAN, &[0.1, NAN]),
    (Op::Elu, &[0.0, 0.7], 0.0, &[0.7, 0.0]), (Op::Elu, &[-INF, 0.7], -0.7, &[0.0, -1.0]), (Op::Elu, &[INF, 0.7], INF, &[1.0, 0.0]), (Op::Elu, &[NAN, 0.7], NAN, &[NAN, NAN]),

    // clamp(low, x, high).
    (Op::Clamp, &[0.0, 0.0, 1.0], 0.0, &[0.5, 0.5, 0.0]), (Op::Clamp, &[0.0, 1.0, 1.0], 1.0, &[0.0, 0.5, 0.5]), (Op::Clamp, &[0.0, NAN, 1.0], NAN, &[ANY, ANY, ANY]),
    (Op::Clamp, &[0.0, INF, 1.0], 1.0, &[0.0, 0.0, 1.0]), (Op::Clamp, &[-INF, 3.0, INF], 3.0, &[0.0, 1.0, 0.0]), (Op::Clamp, &[2.0, 0.0, 1.0], 1.0, &[0.0, 0.0, 1.0]),
    (Op::Fma, &[0.0, INF, 1.0], NAN, &[INF, 0.0, 1.0]), (Op::Fma, &[0.0, -1.0, 0.0], 0.0, &[-1.0, 0.0, 1.0]), (Op::Fma, &[1.0, 1.0, NAN], NAN, &[1.0, 1.0, 1.0]), (Op::Fma, &[TINY, 0.5, TINY], TINY * 2.0, &[0.5, TINY, 1.0]),
    (Op::ScaledPower, &[2.0, 3.0, 0.0], 0.0, &[0.0, 0.0, 8.0]), (Op::ScaledPower, &[0.0, 2.0, 3.0], 0.0, &[0.0, 0.0, 0.0]), (Op::ScaledPower, &[0.0, -1.0, 0.0], 0.0, &[0.0, 0.0, INF]), (Op::ScaledPower, &[NAN, 1.0, 1.0], NAN, &[ANY, NAN, NAN]),
];

#[test]
fn special_points_have_the_declared_answers() {
    let mut wrong = Vec::new();
    for &(op, operands, want, slopes) in CASES {
        let graph = graph(op, DType::F64);
        let inputs: Vec<_> = operands
            .iter()
            .map(|&x| tensor(&TensorType::f64([]), &[x]))
            .collect();
        let got = value(&graph, &inputs)[0];
        if !same(got, want) {
            wrong.push(format!("{}{operands:?}: {got}, not {want}", op.name()));
        }
        for mode in [Mode::Forward, Mode::Reverse] {
            let got = jacobian(&graph, &inputs, Some(mode));
            // Signs of zero slopes are not declared. Where the value is no finite number, the 0 of a direction that
            // does not move an operand may meet an infinite slope or NaN in forward mode.
            let lost = |slope: f64| slope.is_nan() && mode == Mode::Forward && !want.is_finite();
            let agrees = got
                .iter()
                .zip(slopes)
                .all(|(g, w)| same(*g, *w) || *g == 0.0 && *w == 0.0 || lost(*g));
            if got.len() != slopes.len() || !agrees {
                wrong.push(format!(
                    "{}{operands:?}, {mode:?}: slopes {got:?}, not {slopes:?}",
                    op.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_elementary_operation_has_special_points() {
    let missing: Vec<_> = Op::ALL
        .iter()
        .filter(|op| op.elementwise().is_some() && op.number() < 220)
        .filter(|&&op| {
            let nan = |case: &&Case| case.0 == op && case.1.iter().any(|x| x.is_nan());
            !CASES.iter().any(|case| nan(&case))
        })
        .collect();
    assert!(missing.is_empty(), "no case with NaN: {missing:?}");
}

/// Forward and reverse mode agree at every combination of special operands wherever the value is a number.
#[test]
fn modes_agree_at_special_operands() {
    let special = [0.0, -0.0, 1.0, -1.0, 0.5, TINY, -TINY, f64::MAX, INF, -INF];
    let mut wrong = Vec::new();
    for &op in Op::ALL {
        let Some(row) = op.elementwise() else {
            continue;
        };
        // Orders, and what has no derivative by design: tests draw them from one point.
        let is_held: Vec<bool> = row.domain.iter().map(|(low, high)| low == high).collect();
        let n = row.partials.len() as u32;
        for code in 0..special.len().pow(n) {
            let operands: Vec<f64> = (0..n)
                .map(|k| special[code / special.len().pow(k) % special.len()])
                .collect();
            let graph = holding(op, &operands, &is_held);
            let free = operands.iter().zip(&is_held).filter(|(_, held)| !**held);
            let inputs: Vec<_> = free
                .map(|(&x, _)| tensor(&TensorType::f64([]), &[x]))
                .collect();
            if !value(&graph, &inputs)[0].is_finite() {
                continue;
            }
            let forward = jacobian(&graph, &inputs, Some(Mode::Forward));
            let reverse = jacobian(&graph, &inputs, Some(Mode::Reverse));
            if !forward
                .iter()
                .zip(&reverse)
                .all(|(f, r)| f == r || same(*f, *r))
            {
                wrong.push(format!(
                    "{}{operands:?}: {forward:?} against {reverse:?}",
                    op.name()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn f32_is_the_f64_result_rounded_once() {
    let mut random = Random(32);
    for &op in Op::ALL {
        let Some(row) = op.elementwise() else {
            continue;
        };
        let (narrow, wide) = (graph(op, DType::F32), graph(op, DType::F64));
        for point in 0..64 {
            let operands: Vec<f64> = row
                .domain
                .iter()
                .map(|&domain| match point {
                    0 => 0.0,
                    1 => -0.0,
                    2 => INF,
                    3 => 1e-45,
                    _ => random.within(domain),
                })
                .map(|x| f64::from(x as f32))
                .collect();
            let of = |graph: &Graph, dtype: DType| {
                let inputs: Vec<_> = operands
                    .iter()
                    .map(|&x| tensor(&TensorType::new(dtype, []), &[x]))
                    .collect();
                value(graph, &inputs)[0]
            };
            let (got, want) = (of(&narrow, DType::F32), of(&wide, DType::F64));
            assert!(
                same(got, f64::from(want as f32)),
                "{}{operands:?}: {got}, not {want} rounded",
                op.name()
            );
        }
    }
}

/// integer_pow of f32 with an exponent that f32 cannot hold.
#[test]
fn integer_pow_of_f32_keeps_its_exponent() {
    let (x, exponent) = (1.0 - f32::EPSILON, 16_777_217);
    let mut g = Draft::new("power");
    let a =
        g.0.input("a", TensorType::new(DType::F32, []))
            .expect("input");
    let attributes = gradient_engine::Attributes::IntegerPow { exponent };
    let y = g.push(Op::IntegerPow, &[a], attributes);
    let graph = g.finish(y);
    let got = value(
        &graph,
        &[tensor(&TensorType::new(DType::F32, []), &[x.into()])],
    )[0];
    let want = f64::from(x).powi(exponent) as f32;
    assert_eq!(got, f64::from(want));
}
