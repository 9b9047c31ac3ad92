//! The error function, its complement and the normal distribution: near 0 a series; further out e^(-x²), with x² in two
//! parts, times what varies slowly, and that product in two parts as well. The polynomials are minimax ones, by
//! tests/reference/minimax.py.

use super::exp;
use super::exponential::{exp_in_parts, scaled};
use std::f64::consts::FRAC_1_SQRT_2;

/// erf x = x + x S(x²) for |x| <= 27/32, to 2^-62.
const S: [f64; 12] = [
    0.128_379_167_095_512_6,
    -0.376_126_389_031_837_5,
    0.112_837_916_709_547_21,
    -0.026_866_170_645_026_027,
    0.005_223_977_624_025_36,
    -0.000_854_832_691_064_902_3,
    0.000_120_553_272_750_888_44,
    -1.492_545_975_691_588_1e-5,
    1.645_785_041_175_244_2e-6,
    -1.630_242_906_122_367_5e-7,
    1.420_167_243_601_298_6e-8,
    -8.869_723_450_427_569e-10,
];

/// erfc x = e^(-t P(t)) erfc 27/32 with t = x - 27/32, up to 5.9375, to 2^-57 of 1.
const P: [f64; 18] = [
    2.378_699_650_408_810_5,
    0.822_078_183_395_391_3,
    0.048_332_529_996_352_49,
    -0.011_661_214_476_609_399,
    0.002_180_360_449_399_629_6,
    -0.000_186_710_474_632_939_67,
    -6.955_873_485_818_555e-5,
    4.287_112_625_786_387e-5,
    -1.277_314_245_100_365_8e-5,
    1.956_200_243_040_007_6e-6,
    2.489_149_513_714_739_6e-7,
    -2.872_842_361_667_180_3e-7,
    1.108_454_540_196_675_7e-7,
    -2.804_705_568_330_085_7e-8,
    4.983_651_815_762_463e-9,
    -6.035_816_908_761_644e-10,
    4.489_190_282_710_917_7e-11,
    -1.546_982_931_473_735_4e-12,
];

/// Where [`erf`] goes from [`S`] to [`P`], and erfc there.
const MIDDLE: f64 = 0.843_75;
const ERFC_OF_MIDDLE: f64 = 0.232_774_338_767_658_38;

/// e^(x²) erfc x = u R(8 u - 9/8) with u = 1 / (x + 3), for 3/4 <= x <= 28, to 2^-58.
const R: [f64; 21] = [
    0.949_270_791_828_202,
    0.539_957_906_027_663_2,
    0.259_412_202_869_680_4,
    0.102_239_043_994_876_07,
    0.031_167_375_570_946_294,
    0.006_298_908_482_392_193,
    0.000_294_928_120_115_927_1,
    -0.000_288_224_595_524_725_4,
    -8.067_249_433_918_442e-5,
    6.307_496_814_786_407e-6,
    7.227_733_255_548_219e-6,
    2.937_122_407_405_047e-7,
    -6.270_938_260_869_425e-7,
    -6.451_118_021_472_213e-8,
    6.120_405_616_721_108e-8,
    7.336_537_503_411_931e-9,
    -6.765_261_087_774_258e-9,
    -6.086_203_351_138_112e-10,
    7.417_134_467_801_824e-10,
    2.675_266_118_352_507e-11,
    -5.418_911_328_077_791_7e-11,
];

/// Where [`erfc`] goes from [`S`] to [`R`], and [`norm_cdf`].
const TAIL: f64 = 0.75;
const NORMAL_TAIL: f64 = 1.06;

/// What rounding took from 1 / √2.
const FRAC_1_SQRT_2_REST: f64 = -4.833_646_656_726_457e-17;

/// 1 / √(2π).
pub const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

/// erf x.
#[inline(always)]
pub fn erf(x: f64) -> f64 {
    match x.abs() < MIDDLE {
        true => erf_near(x),
        false => erf_of_exponent(erf_exponent(x), x),
    }
}

/// [`erf`] where it is in a loop, the first step: the logarithm of its complement further out, and itself near 0.
#[inline(always)]
pub fn erf_parts(x: f64) -> (f64, f64) {
    (erf_exponent(x), erf_near(x))
}

/// The second.
#[inline(always)]
pub fn erf_of_parts((exponent, near): (f64, f64), x: f64) -> f64 {
    let far = erf_of_exponent(exponent, x);
    if x.abs() < MIDDLE { near } else { far }
}

#[inline(always)]
fn erf_near(x: f64) -> f64 {
    x.mul_add(series(x * x), x)
}

/// log(erfc |x| / erfc 27/32) from 27/32 on.
#[inline(always)]
fn erf_exponent(x: f64) -> f64 {
    let a = x.abs();
    // erfc 5.9375 is below half a unit of 1.
    let t = if a < 5.9375 { a - MIDDLE } else { 5.093_75 };
    -(t * slope(t))
}

#[inline(always)]
fn erf_of_exponent(exponent: f64, x: f64) -> f64 {
    let value = exp(exponent).mul_add(-ERFC_OF_MIDDLE, 1.0).copysign(x);
    if x.is_nan() { x } else { value }
}

/// 1 - erf x.
#[inline(always)]
pub fn erfc(x: f64) -> f64 {
    match x.abs() < TAIL {
        true => erfc_near(x),
        false => erfc_far(x),
    }
}

/// [`erfc`] where it is in a loop.
#[inline(always)]
pub fn erfc_straight(x: f64) -> f64 {
    let (near, far) = (erfc_near(x), erfc_far(x));
    if x.abs() < TAIL { near } else { far }
}

#[inline(always)]
fn erfc_near(x: f64) -> f64 {
    let (rest, lost) = one_less(x);
    rest + x.mul_add(-series(x * x), lost)
}

#[inline(always)]
fn erfc_far(x: f64) -> f64 {
    let a = x.abs();
    let square = a * a;
    let (tail, n) = Tail::new(a, 0.0, square, a.mul_add(a, -square)).product();
    let tail = scaled(tail, n);
    let value = if x < 0.0 { 2.0 - tail } else { tail };
    if x.is_nan() { x } else { value }
}

/// 1 - x in two parts, for |x| <= 1.
#[inline(always)]
fn one_less(x: f64) -> (f64, f64) {
    let rest = 1.0 - x;
    (rest, (1.0 - rest) - x)
}

/// Distribution function of the standard normal distribution.
#[inline(always)]
pub fn norm_cdf(x: f64) -> f64 {
    match x.abs() < NORMAL_TAIL {
        true => norm_cdf_near(x),
        false => norm_cdf_far(x),
    }
}

/// [`norm_cdf`] where it is in a loop.
#[inline(always)]
pub fn norm_cdf_straight(x: f64) -> f64 {
    let (near, far) = (norm_cdf_near(x), norm_cdf_far(x));
    if x.abs() < NORMAL_TAIL { near } else { far }
}

/// erfc(-x / √2) / 2, with the argument in two parts.
#[inline(always)]
fn norm_cdf_near(x: f64) -> f64 {
    let (z, lost) = over_root_two(-x);
    let (rest, rest_lost) = one_less(z);
    let square = z * z;
    // erf' to a few percent.
    let slope = 1.128 - square * (1.1 - 0.45 * square);
    0.5 * (rest + ((rest_lost - z * series(square)) - lost * slope))
}

#[inline(always)]
fn norm_cdf_far(x: f64) -> f64 {
    let (tail, n) = normal_tail(x).product();
    let tail = scaled(0.5 * tail, n);
    let value = if x < 0.0 { tail } else { 1.0 - tail };
    if x.is_nan() { x } else { value }
}

/// x Φ(x).
#[inline(always)]
pub fn gelu(x: f64) -> f64 {
    match x.abs() < NORMAL_TAIL {
        true => x * norm_cdf_near(x),
        false => gelu_far(x),
    }
}

/// [`gelu`] where it is in a loop.
#[inline(always)]
pub fn gelu_straight(x: f64) -> f64 {
    let (near, far) = (x * norm_cdf_near(x), gelu_far(x));
    if x.abs() < NORMAL_TAIL { near } else { far }
}

#[inline(always)]
fn gelu_far(x: f64) -> f64 {
    let (tail, n) = normal_tail(x).product();
    // The product is a number where the tail alone is none any more; at -∞ the limit.
    let within = x.max(-100.0);
    let left = scaled(within * (0.5 * tail), n);
    let right = if x > 40.0 {
        x
    } else {
        x * (1.0 - scaled(0.5 * tail, n))
    };
    let value = if x < 0.0 { left } else { right };
    if x.is_nan() { x } else { value }
}

/// Φ(x) + x φ(x), the derivative of [`gelu`].
#[inline(always)]
pub fn gelu_slope(x: f64) -> f64 {
    let tail = normal_tail(x);
    match x.abs() < NORMAL_TAIL {
        true => gelu_slope_near(&tail, x),
        false => gelu_slope_far(&tail, x),
    }
}

/// [`gelu_slope`] where it is in a loop.
#[inline(always)]
pub fn gelu_slope_straight(x: f64) -> f64 {
    let tail = normal_tail(x);
    let (near, far) = (gelu_slope_near(&tail, x), gelu_slope_far(&tail, x));
    if x.abs() < NORMAL_TAIL { near } else { far }
}

#[inline(always)]
fn gelu_slope_near(tail: &Tail, x: f64) -> f64 {
    let e = scaled(tail.sum + tail.rest, tail.n);
    norm_cdf_near(x) + DENSITY_AT_0 * x * e
}

#[inline(always)]
fn gelu_slope_far(tail: &Tail, x: f64) -> f64 {
    // |x| φ(x) - Φ(-|x|), over e^(-x²/2): it does not cancel here.
    let a = x.abs().min(100.0);
    let difference = DENSITY_AT_0 * a - 0.5 * ((tail.value + tail.value_rest) * tail.u);
    let excess = scaled((tail.sum + tail.rest) * difference, tail.n);
    let value = if x < 0.0 { -excess } else { 1.0 + excess };
    if x.is_nan() { x } else { value }
}

/// Of |x| / √2: what 2 Φ(-|x|) is made of.
#[inline(always)]
fn normal_tail(x: f64) -> Tail {
    let a = x.abs();
    let (z, lost) = over_root_two(a);
    let square = a * a;
    let square_rest = a.mul_add(a, -square);
    Tail::new(z, -lost, 0.5 * square, 0.5 * square_rest)
}

/// x / √2 and what rounding took from it.
#[inline(always)]
fn over_root_two(x: f64) -> (f64, f64) {
    let z = x * FRAC_1_SQRT_2;
    let lost = x.mul_add(FRAC_1_SQRT_2, -z);
    (z, x.mul_add(FRAC_1_SQRT_2_REST, lost))
}

/// e^(x²) erfc x and e^(-x²) for x >= 3/4, of which the product is erfc x.
struct Tail {
    /// e^(-x²) = (sum + rest) 2ⁿ.
    sum: f64,
    rest: f64,
    n: f64,
    /// e^(x²) erfc x = (value + value_rest) u.
    value: f64,
    value_rest: f64,
    u: f64,
}

impl Tail {
    /// Of x - over, given its square in two parts.
    #[inline(always)]
    fn new(x: f64, over: f64, square: f64, square_rest: f64) -> Self {
        // Beyond 28 erfc is 0 all the same.
        let is_within = x < 28.0;
        let x = if is_within { x } else { 28.0 };
        let square = if is_within { square } else { 784.0 };
        let square_rest = if is_within { square_rest } else { 0.0 };
        let over = if is_within { over } else { 0.0 };
        // u, and the part of itself that it is too small by.
        let d = x + 3.0;
        let u = 1.0 / d;
        let d_rest = (x - (d - 3.0)) - over;
        let short = u.mul_add(-d_rest, u.mul_add(-d, 1.0));
        // Exact up to x = 11, where its rounding would matter most.
        let t = u.mul_add(8.0, -1.125);
        // What that part makes of u R, as an exponent: its factor is 1 + 8 u R' / R, about.
        let more = short * t.mul_add(0.78, 1.68);
        let (sum, rest, n) = exp_in_parts(-square, more - square_rest);
        let slow = slow(t);
        let value = t.mul_add(slow, R[0]);
        Self {
            sum,
            rest,
            n,
            value,
            value_rest: t.mul_add(slow, R[0] - value),
            u,
        }
    }

    /// erfc x as a number times a power of two.
    #[inline(always)]
    fn product(&self) -> (f64, f64) {
        let product = self.sum * self.value;
        let lost = self.sum.mul_add(self.value, -product);
        let lost = self.sum.mul_add(self.value_rest, lost);
        let rest = self.rest.mul_add(self.value, lost);
        let sum = product + rest;
        let sum_rest = rest - (sum - product);
        (sum.mul_add(self.u, sum_rest * self.u), self.n)
    }
}

/// [`S`].
#[inline(always)]
fn series(z: f64) -> f64 {
    let w = z * z;
    let v = w * w;
    let a = w.mul_add(z.mul_add(S[6], S[5]), z.mul_add(S[4], S[3]));
    let b = w.mul_add(z.mul_add(S[10], S[9]), z.mul_add(S[8], S[7]));
    let rest = v.mul_add(v.mul_add(S[11], b), a);
    z.mul_add(z.mul_add(z.mul_add(rest, S[2]), S[1]), S[0])
}

/// [`P`].
#[inline(always)]
fn slope(t: f64) -> f64 {
    let w = t * t;
    let v = w * w;
    let a = w.mul_add(t.mul_add(P[5], P[4]), t.mul_add(P[3], P[2]));
    let b = w.mul_add(t.mul_add(P[9], P[8]), t.mul_add(P[7], P[6]));
    let c = w.mul_add(t.mul_add(P[13], P[12]), t.mul_add(P[11], P[10]));
    let d = w.mul_add(t.mul_add(P[17], P[16]), t.mul_add(P[15], P[14]));
    let rest = v.mul_add(v.mul_add(v.mul_add(d, c), b), a);
    t.mul_add(t.mul_add(rest, P[1]), P[0])
}

/// (R - R(0)) / t.
#[inline(always)]
fn slow(t: f64) -> f64 {
    let w = t * t;
    let v = w * w;
    let a = w.mul_add(t.mul_add(R[5], R[4]), t.mul_add(R[3], R[2]));
    let b = w.mul_add(t.mul_add(R[9], R[8]), t.mul_add(R[7], R[6]));
    let c = w.mul_add(t.mul_add(R[13], R[12]), t.mul_add(R[11], R[10]));
    let d = w.mul_add(t.mul_add(R[17], R[16]), t.mul_add(R[15], R[14]));
    let e = w.mul_add(R[20], t.mul_add(R[19], R[18]));
    let rest = v.mul_add(v.mul_add(v.mul_add(v.mul_add(e, d), c), b), a);
    t.mul_add(rest, R[1])
}
