//! Double-double arithmetic: a number as the unevaluated sum of two f64, about 31 digits, where cancellation
//! demands them. Error-free transformations after Dekker (1971) and Knuth; division and the elementary
//! functions after Hida, Li and Bailey, "Library for double-double and quad-double arithmetic" (2007).

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `hi + lo` with `|lo| <= ulp(hi) / 2`. Infinities and NaN live in `hi`, with `lo` 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Dd {
    pub hi: f64,
    pub lo: f64,
}

/// ln 2.
pub const LN_2: Dd = Dd::new(std::f64::consts::LN_2, 2.319046813846299558e-17);
/// π.
pub const PI: Dd = Dd::new(std::f64::consts::PI, 1.224646799147353207e-16);
/// π / 2.
pub const FRAC_PI_2: Dd = Dd::new(std::f64::consts::FRAC_PI_2, 6.123233995736766036e-17);
/// log √(2π).
pub const LN_SQRT_2PI: Dd = Dd::new(0.9189385332046728, -3.878294158067242e-17);
/// Euler's constant.
pub const EULER: Dd = Dd::new(0.5772156649015329, -4.942915152430645e-18);

/// `a + b` when `|a| >= |b|`.
fn quick(a: f64, b: f64) -> Dd {
    let s = a + b;
    if s.is_finite() {
        Dd::new(s, b - (s - a))
    } else {
        Dd::new(s, 0.0)
    }
}

impl Dd {
    pub const ZERO: Dd = Dd::new(0.0, 0.0);
    pub const ONE: Dd = Dd::new(1.0, 0.0);

    pub const fn new(hi: f64, lo: f64) -> Self {
        Self { hi, lo }
    }

    /// The exact sum of two numbers.
    pub fn sum(a: f64, b: f64) -> Self {
        let s = a + b;
        if !s.is_finite() {
            return Self::new(s, 0.0);
        }
        let t = s - a;
        Self::new(s, (a - (s - t)) + (b - t))
    }

    /// The exact product of two numbers.
    pub fn product(a: f64, b: f64) -> Self {
        let p = a * b;
        if !p.is_finite() {
            return Self::new(p, 0.0);
        }
        Self::new(p, a.mul_add(b, -p))
    }

    /// The quotient of two numbers.
    pub fn quotient(a: f64, b: f64) -> Self {
        Self::from(a) / Self::from(b)
    }

    /// Rounded.
    pub fn value(self) -> f64 {
        self.hi + self.lo
    }

    pub fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    pub fn square(self) -> Self {
        self * self
    }

    pub fn recip(self) -> Self {
        Self::ONE / self
    }

    /// Times a power of two.
    pub fn scale(self, power: f64) -> Self {
        Self::new(self.hi * power, self.lo * power)
    }

    /// Times 2^k.
    pub fn ldexp(self, k: i32) -> Self {
        Self::new(libm::ldexp(self.hi, k), libm::ldexp(self.lo, k))
    }

    pub fn sqrt(self) -> Self {
        if self.hi <= 0.0 || !self.hi.is_finite() {
            return Self::from(libm::sqrt(self.hi));
        }
        let root = Self::from(libm::sqrt(self.hi));
        root + (self - root.square()) / root.scale(2.0)
    }

    /// Integer power by repeated squaring.
    pub fn powi(self, n: u32) -> Self {
        let (mut base, mut n, mut result) = (self, n, Self::ONE);
        while n > 0 {
            if n & 1 == 1 {
                result = result * base;
            }
            base = base.square();
            n >>= 1;
        }
        result
    }

    /// e^x - 1: the Taylor series of x / 512, doubled nine times.
    pub fn exp_m1(self) -> Self {
        if self.hi.abs() > 0.35 {
            return self.exp() - Self::ONE;
        }
        let x = self.ldexp(-9);
        let mut term = x;
        let mut sum = x;
        for k in 2..9 {
            term = term * x / Self::from(f64::from(k));
            sum = sum + term;
        }
        for _ in 0..9 {
            sum = sum.scale(2.0) + sum.square();
        }
        sum
    }

    /// e^x.
    pub fn exp(self) -> Self {
        if !(self.hi.abs() < 745.5) {
            return Self::from(libm::exp(self.hi));
        }
        let k = libm::rint(self.hi / LN_2.hi);
        let r = self - LN_2 * Self::from(k);
        let y = r.exp_m1() + Self::ONE;
        // In two steps: 2^k alone could be subnormal.
        let half = k as i32 / 2;
        y.ldexp(half).ldexp(k as i32 - half)
    }

    /// log x, by one Newton step of third order on the f64 logarithm.
    pub fn ln(self) -> Self {
        if self.hi <= 0.0 || !self.hi.is_finite() {
            return Self::from(libm::log(self.hi));
        }
        // Scaled to [1, 2), so that e^-y neither overflows nor goes subnormal.
        let (_, k) = libm::frexp(self.hi);
        let x = Self::new(libm::ldexp(self.hi, -k), libm::ldexp(self.lo, -k));
        let x = if k < -1000 {
            // The power of two above may not exist as one f64.
            let (half, rest) = (-k / 2, -k - (-k / 2));
            self.ldexp(half).ldexp(rest)
        } else {
            x
        };
        let (x, k) = if x.hi < std::f64::consts::FRAC_1_SQRT_2 {
            (x.scale(2.0), k - 1)
        } else {
            (x, k)
        };
        let y = if (x.hi - 1.0).abs() < 0.3 {
            (x - Self::ONE).ln_1p_small()
        } else {
            let y = Self::from(libm::log(x.hi));
            let d = x * (-y).exp() - Self::ONE;
            // log(1 + d) with |d| below 1e-15.
            y + d - d.square().scale(0.5)
        };
        y + LN_2 * Self::from(f64::from(k))
    }

    /// log(1 + d), relatively accurate for |d| <= 0.3.
    fn ln_1p_small(self) -> Self {
        if self.hi == 0.0 {
            return self;
        }
        let y = Self::from(libm::log1p(self.hi));
        // log(1 + d) = y + log(1 + (d - expm1 y) e^-y).
        let e = y.exp_m1();
        let d = (self - e) / (e + Self::ONE);
        y + d - d.square().scale(0.5)
    }

    /// log(1 + x).
    pub fn ln_1p(self) -> Self {
        if self.hi.abs() < 0.3 {
            self.ln_1p_small()
        } else {
            (self + Self::ONE).ln()
        }
    }

    /// sin and cos of |x| <= π / 4 (a little beyond does no harm).
    pub fn sin_cos(self) -> (Self, Self) {
        // Taylor series of x / 8, doubled three times; with 1 - cos instead of cos nothing cancels.
        let x = self.scale(0.125);
        let x2 = x.square();
        let (mut s, mut term) = (x, x);
        for k in 1..10 {
            let k = f64::from(k);
            term = -(term * x2) / Self::from(2.0 * k * (2.0 * k + 1.0));
            s = s + term;
        }
        let mut v = x2.scale(0.5);
        let mut term = v;
        for k in 2..11 {
            let k = f64::from(k);
            term = -(term * x2) / Self::from(2.0 * k * (2.0 * k - 1.0));
            v = v + term;
        }
        for _ in 0..3 {
            // sin 2x = 2 s c, 1 - cos 2x = 2 s².
            let c = Self::ONE - v;
            let s2 = (s * c).scale(2.0);
            v = s.square().scale(2.0);
            s = s2;
        }
        (s, Self::ONE - v)
    }
}

impl From<f64> for Dd {
    fn from(x: f64) -> Self {
        Self::new(x, 0.0)
    }
}

impl Neg for Dd {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.hi, -self.lo)
    }
}

impl Add for Dd {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        let s = Self::sum(self.hi, b.hi);
        let t = Self::sum(self.lo, b.lo);
        let s = quick(s.hi, s.lo + t.hi);
        quick(s.hi, s.lo + t.lo)
    }
}

impl Sub for Dd {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        self + -b
    }
}

impl Mul for Dd {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        let p = Self::product(self.hi, b.hi);
        if !p.hi.is_finite() {
            return p;
        }
        quick(p.hi, p.lo + (self.hi * b.lo + self.lo * b.hi))
    }
}

impl Div for Dd {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let q1 = self.hi / b.hi;
        if !q1.is_finite() || !b.hi.is_finite() {
            return Self::from(q1);
        }
        let r = self - b * Self::from(q1);
        let q2 = r.hi / b.hi;
        let r = r - b * Self::from(q2);
        let q3 = r.hi / b.hi;
        quick(q1, q2) + Self::from(q3)
    }
}
macro_rules! with_f64 {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait<f64> for Dd {
            type Output = Self;
            fn $method(self, b: f64) -> Self {
                self.$method(Self::from(b))
            }
        }
        impl $trait<Dd> for f64 {
            type Output = Dd;
            fn $method(self, b: Dd) -> Dd {
                Dd::from(self).$method(b)
            }
        }
    )*};
}
with_f64!(Add add, Sub sub, Mul mul, Div div);

/// The rest of x on division by π / 2, in [-π/4, π/4], and the quotient modulo 4, for every finite x >= 0:
/// x · 2/π in integers of 64 bits (Payne and Hanek, 1983).
pub fn remainder_pi_2(x: f64) -> (Dd, u32) {
    if x < 0.75 {
        return (Dd::from(x), 0);
    }
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1075;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    // The quotient modulo 4 needs 2/π from the bit of weight 2^(1 - exponent) on: what is above gives multiples
    // of 4. Five words below that leave 250 bits of the fraction.
    let first = (exponent - 2).max(0) as usize;
    let word = |i: usize| -> u64 {
        // Bits first + 64 i … of the fraction 2/π.
        let at = first + 64 * i;
        let (w, b) = (at / 64, at % 64);
        let high = TWO_OVER_PI.get(w).copied().unwrap_or(0);
        let low = TWO_OVER_PI.get(w + 1).copied().unwrap_or(0);
        if b == 0 {
            high
        } else {
            (high << b) | (low >> (64 - b))
        }
    };
    let mut product = [0u64; 5];
    let mut carry = 0u128;
    for i in (0..5).rev() {
        let t = u128::from(word(i)) * u128::from(mantissa) + carry;
        product[i] = t as u64;
        carry = t >> 64;
    }
    let top = carry as u64;
    // The fixed-point number top.product, times 2^(exponent - first).
    let number = [
        top, product[0], product[1], product[2], product[3], product[4],
    ];
    let whole = shifted(number, if exponent >= 2 { -2 } else { -exponent });
    let mut quadrant = whole[0] as u32 & 3;
    let mut fraction = [whole[1], whole[2], whole[3], whole[4]];
    let negative = fraction[0] >> 63 == 1;
    if negative {
        quadrant = (quadrant + 1) & 3;
        for f in &mut fraction {
            *f = !*f;
        }
    }
    let mut r = Dd::ZERO;
    for (i, f) in fraction.iter().enumerate().rev() {
        let high = (f >> 32) as f64;
        let low = (f & 0xffff_ffff) as f64;
        let unit = libm::ldexp(1.0, -64 * (i as i32 + 1));
        r = r + Dd::from(low * unit) + Dd::from(high * unit * 4_294_967_296.0);
    }
    let r = r * FRAC_PI_2;
    (if negative { -r } else { r }, quadrant)
}

/// Shifted right by so many bits (fewer than 64; to the left where negative), word 0 first.
fn shifted(number: [u64; 6], right: i32) -> [u64; 6] {
    let mut out = [0; 6];
    for (i, o) in out.iter_mut().enumerate() {
        *o = if right > 0 {
            let before = if i > 0 { number[i - 1] } else { 0 };
            (number[i] >> right) | (before << (64 - right))
        } else if right < 0 {
            let after = number.get(i + 1).copied().unwrap_or(0);
            (number[i] << -right) | (after >> (64 + right))
        } else {
            number[i]
        };
    }
    out
}

/// The bits of 2/π after the binary point.
#[rustfmt::skip]
const TWO_OVER_PI: [u64; 21] = [
    0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
    0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c,
    0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41,
    0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab, 0xf0cfbc209af4361d, 0xa9e391615ee61b08,
];
