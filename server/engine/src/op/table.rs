//! The op table: every operation once.
//!
//! An elementwise operation is one row: number, name, value, partial derivatives (formulas over operands and result,
//! written as graph nodes), the domain tests draw from, its cost, and what happens where it is not
//! smooth. A structural operation is one file with a [`Rule`]; its row here gives number, name and file. A
//! [`Composite`] is written in other operations before anything else sees it.
//!
//! A loop of a long value function takes several numbers at once where the row says how: `straight` where the function is
//! without calls or choices of way; else, to the same bits, `loops` with another one that is, `steps` with one in two
//! steps, or `near` with one that holds near 0. The functions of such rows are inlined, into loops and into functions for
//! numbers alone, so that their fused multiply-adds become instructions.

use super::special::{
    self, bessel, error_function, gamma,
    incomplete_beta::{self, In},
    incomplete_gamma, zeta,
};
use super::{
    Composite,
    Direction::{Gt, Lt},
    E,
    Partial::{self, MinusOne, One, Over, Times, TimesNoNan, Unavailable, Zero},
    Rule, activation,
    activation::over_root_of_radius,
    arg_reduce, beta_density, bspline, compare, concatenate, constant, control, convert,
    convolution, cumulative, diagonal, dot, doubling, dynamic_slice, einsum, elementary, fourier,
    gather, integer_pow, interpolate, kernels, kinks, linalg, logical, matmul, moments, norm,
    one_hot, pad, pool, products, reduce, reverse, scatter, search_sorted, select, shape_ops,
    slice, softmax, sort, tile, top_k, values, windows,
};
use kernels::Formula;
use std::cell::Cell;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LOG2_E, LOG10_E};

/// One row of an elementwise operation. Operands and result have one element type.
pub struct Elementwise {
    /// Partial derivative in each operand: `partials[i](operands, result)`.
    pub partials: &'static [for<'a> fn(&[E<'a>], E<'a>) -> Partial<'a>],
    /// Closed interval for each operand on whose inside the operation is smooth; tests draw from it.
    pub domain: &'static [(f64, f64)],
    /// Elementary operations an element.
    pub cost: u32,
    /// Whether i64 operands are taken as well.
    pub integer: bool,
    /// A partial can be infinite where the value is finite. Tangents are multiplied so that 0 · inf = 0, and a
    /// direction that does not move this operand gives 0 in forward mode as it does in reverse mode.
    pub singular: bool,
    /// The choice where the derivative does not exist; empty for smooth operations.
    pub non_smooth: &'static str,
}

/// Whether an element of the result comes of one element of each operand, and scalar operands go with all of them.
pub fn is_by_element(op: Op) -> bool {
    let others = matches!(
        op,
        Op::Compare
            | Op::Select
            | Op::Convert
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::Not
            | Op::IsFinite
            | Op::IsNan
            | Op::IsInf
    );
    others || op.elementwise().is_some()
}

/// Two operands may change places without changing a bit of the result.
#[inline]
pub fn is_commutative(op: Op) -> bool {
    // Not maximum and minimum: NaN payloads and signed zeros make order visible.
    matches!(
        op,
        Op::Add | Op::Multiply | Op::MultiplyNoNan | Op::And | Op::Or | Op::Xor
    )
}

macro_rules! ops {
    (
        unary { $($u:ident = $unum:literal $uname:literal {
            value: $uvalue:expr, $(near: [$uis:expr, $unear:expr],)? $(straight: $ustraight:tt,)? $(loops: $uloops:expr,)? $(steps: [$ubegin:expr, $uend:expr],)? $(int: $uint:expr,)? d: $ud:expr, domain: $udom:expr, cost: $ucost:literal
            $(, $uflag:ident: $uflagv:expr)*
        })* }
        binary { $($b:ident = $bnum:literal $bname:literal {
            value: $bvalue:expr, $(straight: $bstraight:tt,)? $(loops: $bloops:expr,)? $(steps: [$bbegin:expr, $bend:expr],)? $(int: $bint:expr,)? d: [$bda:expr, $bdb:expr], domain: [$bdom0:expr, $bdom1:expr], cost: $bcost:literal
            $(, $bflag:ident: $bflagv:expr)*
        })* }
        ternary { $($t:ident = $tnum:literal $tname:literal {
            value: $tvalue:expr, $(straight: $tstraight:tt,)? $(loops: $tloops:expr,)? $(steps: [$tbegin:expr, $tend:expr],)? $(int: $tint:expr,)? d: [$tda:expr, $tdb:expr, $tdc:expr],
            domain: [$tdom0:expr, $tdom1:expr, $tdom2:expr], cost: $tcost:literal
            $(, $tflag:ident: $tflagv:expr)*
        })* }
        structural { $($s:ident = $snum:literal $sname:literal => $rule:expr;)* }
        composite { $($c:ident = $cnum:literal $cname:literal => $composite:expr;)* }
        declared { $($x:ident = $xnum:literal $xname:literal;)* }
    ) => {
        /// An operation. The discriminant is its number on the wire, for ever.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "each is described beside its number in the wire contract")]
        pub enum Op { $($u = $unum,)* $($b = $bnum,)* $($t = $tnum,)* $($s = $snum,)* $($c = $cnum,)* $($x = $xnum,)* }

        impl Op {
            /// Every operation, by kind.
            pub const ALL: &'static [Op] = &[$(Op::$u,)* $(Op::$b,)* $(Op::$t,)* $(Op::$s,)* $(Op::$c,)* $(Op::$x,)*];

            /// Lower-case name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Op::$u => $uname,)* $(Op::$b => $bname,)* $(Op::$t => $tname,)*
                    $(Op::$s => $sname,)* $(Op::$c => $cname,)* $(Op::$x => $xname,)*
                }
            }

            /// The operation of a wire number.
            pub const fn from_number(number: u32) -> Option<Op> {
                match number {
                    $($unum => Some(Op::$u),)* $($bnum => Some(Op::$b),)*
                    $($tnum => Some(Op::$t),)* $($snum => Some(Op::$s),)*
                    $($cnum => Some(Op::$c),)* $($xnum => Some(Op::$x),)*
                    _ => None,
                }
            }

            /// The row of an elementwise operation.
            #[inline]
            pub fn elementwise(self) -> Option<&'static Elementwise> {
                ROWS[self as usize]
            }

            /// The rule of a structural operation.
            pub fn rule(self) -> Option<&'static Rule> {
                match self { $(Op::$s => Some(&$rule),)* _ => None }
            }

            /// The expansion of a composite operation.
            pub fn composite(self) -> Option<&'static Composite> {
                match self { $(Op::$c => Some(&$composite),)* _ => None }
            }

            /// Value of an operation of one operand at one point. NaN for any other operation.
            #[inline]
            pub fn value1(self, a: f64) -> f64 {
                match self {
                    $(Op::$u => ops!(@alone 1 [a] $ucost, $uvalue; $(near $uis)? $(straight $ustraight)? $(loops $uloops)? $(steps $ubegin)?),)*
                    _ => f64::NAN,
                }
            }

            /// Value of an operation of two operands at one point. NaN for any other operation.
            #[inline]
            pub fn value2(self, a: f64, b: f64) -> f64 {
                match self {
                    $(Op::$b => ops!(@alone 2 [a b] $bcost, $bvalue; $(straight $bstraight)? $(loops $bloops)? $(steps $bbegin)?),)*
                    _ => f64::NAN,
                }
            }
        }

        impl Op {
            /// Value of an operation of three operands at one point. NaN for any other operation.
            #[inline]
            pub fn value3(self, a: f64, b: f64, c: f64) -> f64 {
                match self {
                    $(Op::$t => ops!(@alone 3 [a b c] $tcost, $tvalue; $(straight $tstraight)? $(loops $tloops)? $(steps $tbegin)?),)*
                    _ => f64::NAN,
                }
            }
        }

        /// Rows by the operation's number: one is asked for at every node, often.
        #[allow(clippy::needless_update, reason = "a row may give every field")]
        static ROWS: [Option<&'static Elementwise>; NUMBERS] = {
            let mut rows = [None; NUMBERS];
            $({
                const ROW: Elementwise = Elementwise {
                    domain: &[$udom], cost: $ucost, integer: ops!(@has $($uint)?),
                    $($uflag: $uflagv,)*
                    partials: &[|x, y| { let d: for<'a> fn(E<'a>, E<'a>) -> Partial<'a> = $ud; d(x[0], y) }],
                    ..PLAIN
                };
                rows[$unum] = Some(&ROW);
            })*
            $({
                const ROW: Elementwise = Elementwise {
                    domain: &[$bdom0, $bdom1], cost: $bcost, integer: ops!(@has $($bint)?),
                    $($bflag: $bflagv,)*
                    partials: &[
                        |x, y| { let d: for<'a> fn(E<'a>, E<'a>, E<'a>) -> Partial<'a> = $bda; d(x[0], x[1], y) },
                        |x, y| { let d: for<'a> fn(E<'a>, E<'a>, E<'a>) -> Partial<'a> = $bdb; d(x[0], x[1], y) },
                    ],
                    ..PLAIN
                };
                rows[$bnum] = Some(&ROW);
            })*
            $({
                const ROW: Elementwise = Elementwise {
                    domain: &[$tdom0, $tdom1, $tdom2], cost: $tcost, integer: ops!(@has $($tint)?),
                    $($tflag: $tflagv,)*
                    partials: &[
                        |x, y| { let d: for<'a> fn(&[E<'a>], E<'a>) -> Partial<'a> = $tda; d(x, y) },
                        |x, y| { let d: for<'a> fn(&[E<'a>], E<'a>) -> Partial<'a> = $tdb; d(x, y) },
                        |x, y| { let d: for<'a> fn(&[E<'a>], E<'a>) -> Partial<'a> = $tdc; d(x, y) },
                    ],
                    ..PLAIN
                };
                rows[$tnum] = Some(&ROW);
            })*
            rows
        };

        #[cfg(target_arch = "x86_64")]
        impl Op {
            /// Address of the function of an elementwise operation, which takes its operands in vector registers.
            pub fn address(self) -> Option<usize> {
                match self {
                    $(Op::$u => Some(ops!(@address [a] |a| Op::$u.value1(a), $ucost, $uvalue; $(near $uis)? $(straight $ustraight)? $(loops $uloops)? $(steps $ubegin)?)),)*
                    $(Op::$b => Some(ops!(@address [a b] |a, b| Op::$b.value2(a, b), $bcost, $bvalue; $(straight $bstraight)? $(loops $bloops)? $(steps $bbegin)?)),)*
                    $(Op::$t => Some(ops!(@address [a b c] |a, b, c| Op::$t.value3(a, b, c), $tcost, $tvalue; $(straight $tstraight)? $(loops $tloops)? $(steps $tbegin)?)),)*
                    _ => None,
                }
            }
        }

        /// `out[i] = op(a[i], b[i], c[i])`.
        pub fn ternary_floats<T: kernels::Float>(op: Op, out: &[Cell<T>], operands: [kernels::Source<'_, T>; 3]) {
            kernels::widest(out.len(), Ternary { op, out, operands });
        }

        struct Ternary<'a, T> { op: Op, out: &'a [Cell<T>], operands: [kernels::Source<'a, T>; 3] }

        impl<T: kernels::Float> kernels::Loop for Ternary<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                match self.op {
                    $(Op::$t => ops!(@ternary self.out, self.operands, $tvalue; $(straight $tstraight)? $(loops $tloops)? $(steps $tbegin, $tend)?),)*
                    _ => {}
                }
            }
        }

        /// `out[i] = op(a[i])`.
        pub fn unary_floats<T: kernels::Float>(op: Op, out: &[Cell<T>], a: &[Cell<T>]) {
            kernels::widest(out.len(), Unary { op, out, a });
        }

        struct Unary<'a, T> { op: Op, out: &'a [Cell<T>], a: &'a [Cell<T>] }

        impl<T: kernels::Float> kernels::Loop for Unary<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                match self.op {
                    $(Op::$u => ops!(@unary self.out, self.a, $ucost, $uvalue; $(near $uis, $unear)? $(straight $ustraight)? $(loops $uloops)? $(steps $ubegin, $uend)?),)*
                    _ => {}
                }
            }
        }

        /// `out[i] = op(a[i], b[i])`.
        pub fn binary_floats<T: kernels::Float>(op: Op, out: &[Cell<T>], a: kernels::Source<'_, T>, b: kernels::Source<'_, T>) {
            kernels::widest(out.len(), Binary { op, out, a, b });
        }

        struct Binary<'a, T> { op: Op, out: &'a [Cell<T>], a: kernels::Source<'a, T>, b: kernels::Source<'a, T> }

        impl<T: kernels::Float> kernels::Loop for Binary<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                match self.op {
                    $(Op::$b => ops!(@binary self.out, self.a, self.b, $bcost, $bvalue; $(straight $bstraight)? $(loops $bloops)? $(steps $bbegin, $bend)?),)*
                    _ => {}
                }
            }
        }

        /// `out[i] = op(a[i], b[i], c[i])` on integers.
        pub fn ternary_integers(op: Op, out: &[Cell<i64>], operands: [kernels::Source<'_, i64>; 3]) {
            match op { $($(Op::$t => kernels::map3_integers(out, operands, $tint),)?)* _ => {} }
        }

        /// `out[i] = op(a[i])` on integers.
        pub fn unary_integers(op: Op, out: &[Cell<i64>], a: &[Cell<i64>]) {
            match op { $($(Op::$u => kernels::map1_integers(out, a, $uint),)?)* _ => {} }
        }

        /// `out[i] = op(a[i], b[i])` on integers.
        pub fn binary_integers(op: Op, out: &[Cell<i64>], a: kernels::Source<'_, i64>, b: kernels::Source<'_, i64>) {
            match op { $($(Op::$b => kernels::map2_integers(out, a, b, $bint),)?)* _ => {} }
        }
    };
    // A row's value of numbers that are in no loop.
    (@alone $n:literal [$($x:ident)+] $cost:expr, $value:expr;) => {{
        let f: fn($(ops!(@float $x)),+) -> f64 = $value;
        f($($x),+)
    }};
    (@alone $n:literal [$($x:ident)+] $cost:expr, $value:expr; $($way:tt)+) => {{
        ops!(@formula Alone $n [$($x)+] $value);
        match const { $cost < kernels::FUSED } {
            true => Alone::at([$($x),+]),
            false => kernels::alone::<$n, Alone>([$($x),+]),
        }
    }};
    // The address of a function for them: of one with the instructions themselves, if they are there.
    (@address [$($x:ident)+] $plain:expr, $cost:expr, $value:expr;) => {{
        extern "sysv64" fn call($($x: f64),+) -> f64 { ($plain)($($x),+) }
        call as *const () as usize
    }};
    (@address [$($x:ident)+] $plain:expr, $cost:expr, $value:expr; $($way:tt)+) => {{
        #[target_feature(enable = "avx2,fma")]
        extern "sysv64" fn fused($($x: f64),+) -> f64 { ($value)($($x),+) }
        match $cost >= kernels::FUSED && kernels::has_fused() {
            true => fused as *const () as usize,
            false => ops!(@address [$($x)+] $plain, $cost, $value;),
        }
    }};
    (@float $x:ident) => { f64 };
    (@formula $name:ident $n:literal [$($x:ident)+] $value:expr) => {
        struct $name;
        impl kernels::Formula<$n> for $name {
            #[inline(always)]
            fn at([$($x),+]: [f64; $n]) -> f64 {
                ($value)($($x),+)
            }
        }
    };
    // A row's loop: in a straight line, in two steps, near and far, or whatever it is.
    (@unary $out:expr, $a:expr, $cost:expr, $value:expr; near $is:expr, $near:expr) => {{
        ops!(@formula Near 1 [x] $near);
        ops!(@formula Alone 1 [x] $value);
        kernels::near1::<_, Near, Alone>($out, $a, $is)
    }};
    (@unary $out:expr, $a:expr, $cost:expr, $value:expr;) => {
        match const { $cost <= kernels::SHORT } {
            true => kernels::tiles1($out, $a, $value),
            false => kernels::each1($out, $a, $value),
        }
    };
    (@unary $out:expr, $a:expr, $cost:expr, $value:expr; $($way:tt)+) => {
        ops!(@long 1 blocks1 in_steps1 [a] $out, [kernels::Source::Row($a)], $value; $($way)+)
    };
    (@binary $out:expr, $a:expr, $b:expr, $cost:expr, $value:expr;) => {
        match const { $cost <= kernels::SHORT } {
            true => kernels::tiles2($out, $a, $b, $value),
            false => kernels::each2($out, $a, $b, $value),
        }
    };
    (@binary $out:expr, $a:expr, $b:expr, $cost:expr, $value:expr; $($way:tt)+) => {
        ops!(@long 2 blocks2 in_steps2 [a b] $out, [$a, $b], $value; $($way)+)
    };
    (@ternary $out:expr, $operands:expr, $value:expr;) => {
        kernels::each($out, $operands, |[a, b, c]| ($value)(a, b, c))
    };
    (@ternary $out:expr, $operands:expr, $value:expr; $($way:tt)+) => {
        ops!(@long 3 blocks3 in_steps3 [a b c] $out, $operands, $value; $($way)+)
    };
    (@long $n:literal $blocks:ident $in_steps:ident [$($x:ident)+] $out:expr, $from:expr, $value:expr; straight true) => {
        ops!(@long $n $blocks $in_steps [$($x)+] $out, $from, $value; loops $value)
    };
    (@long $n:literal $blocks:ident $in_steps:ident [$($x:ident)+] $out:expr, $from:expr, $value:expr; loops $loops:expr) => {{
        ops!(@formula Straight $n [$($x)+] $loops);
        ops!(@formula Alone $n [$($x)+] $value);
        kernels::$blocks::<_, Straight, Alone>($out, $from)
    }};
    (@long $n:literal $blocks:ident $in_steps:ident [$($x:ident)+] $out:expr, $from:expr, $value:expr; steps $begin:expr, $end:expr) => {{
        ops!(@formula Alone $n [$($x)+] $value);
        struct InSteps;
        impl kernels::Steps<$n> for InSteps {
            #[inline(always)]
            fn begin([$($x),+]: [f64; $n]) -> (f64, f64) {
                ($begin)($($x),+)
            }
            #[inline(always)]
            fn end(begun: (f64, f64), [$($x),+]: [f64; $n]) -> f64 {
                ($end)(begun, $($x),+)
            }
        }
        kernels::$in_steps::<_, InSteps, Alone>($out, $from)
    }};
    (@has) => { false };
    (@has $e:expr) => { true };
}

/// Numbers of operations are below it.
const NUMBERS: usize = 512;

/// 1 / √(2π).
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// What a row leaves out.
const PLAIN: Elementwise = Elementwise {
    partials: &[],
    domain: &[],
    cost: 1,
    integer: false,
    singular: false,
    non_smooth: "",
};

ops! {
    unary {
        Negate = 5 "negate" { value: |x| -x, int: i64::wrapping_neg, d: |_, _| MinusOne, domain: (-2.0, 2.0), cost: 1 }
        Abs = 6 "abs" { value: f64::abs, int: i64::wrapping_abs, d: |x, _| Times(kinks::abs(x)), domain: (-2.0, 2.0), cost: 1, non_smooth: "0 at 0; JAX: 1" }
        Sign = 7 "sign" { value: |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x }, int: i64::signum, d: |x, _| { x.kink_at(0.0); Zero }, domain: (0.5, 2.0), cost: 1, non_smooth: "0 at 0" }
        Square = 11 "square" { value: |x| x * x, int: |x| x.wrapping_mul(x), d: |x, _| Times(x + x), domain: (-2.0, 2.0), cost: 1 }
        // y + 0 turns -0 into +0: the slope at -0 is +inf as well.
        Sqrt = 12 "sqrt" { value: f64::sqrt, d: |_, y| Times(0.5 / (y.kink_at(0.0) + 0.0)), domain: (0.1, 4.0), cost: 4, singular: true, non_smooth: "+inf at 0" }
        Rsqrt = 13 "rsqrt" { value: |x: f64| 1.0 / x.sqrt(), straight: true, d: |x, y| Times(-0.5 * y / x), domain: (0.1, 4.0), cost: 8, singular: true }
        Cbrt = 14 "cbrt" { value: libm::cbrt, d: |_, y| Times((3.0 * y.kink_at(0.0).square()).recip()), domain: (0.1, 4.0), cost: 12, singular: true, non_smooth: "+inf at 0" }
        Reciprocal = 15 "reciprocal" { value: |x| 1.0 / x, d: |_, y| Times(-y.square()), domain: (0.5, 3.0), cost: 4, singular: true }

        Exp = 30 "exp" { value: elementary::exp, steps: [elementary::exp_parts, elementary::exp_of_parts], d: |_, y| Times(y), domain: (-3.0, 3.0), cost: 10 }
        // Not y + 1, which cancels for negative x.
        Expm1 = 31 "expm1" { value: libm::expm1, d: |x, _| Times(x.unary(Op::Exp)), domain: (-3.0, 3.0), cost: 14 }
        Log = 32 "log" { value: elementary::log, straight: true, d: |x, _| Over(x), domain: (0.1, 5.0), cost: 10 }
        Log1p = 33 "log1p" { value: elementary::log1p, straight: true, d: |x, _| Over(x + 1.0), domain: (-0.8, 4.0), cost: 14 }
        Exp2 = 34 "exp2" { value: libm::exp2, d: |_, y| Times(y * LN_2), domain: (-3.0, 3.0), cost: 10 }
        Log2 = 35 "log2" { value: libm::log2, d: |x, _| Times(LOG2_E / x), domain: (0.1, 5.0), cost: 10, singular: true }
        Log10 = 36 "log10" { value: libm::log10, d: |x, _| Times(LOG10_E / x), domain: (0.1, 5.0), cost: 10, singular: true }
        // y (1 - y) = (sech(x / 2) / 2)², which cancels at no order.
        Logistic = 37 "logistic" { value: values::logistic, straight: true, d: |x, _| Times((0.5 * (0.5 * x).unary(Op::Sech)).square()), domain: (-4.0, 4.0), cost: 14 }
        Softplus = 39 "softplus" { value: values::softplus, straight: true, d: |x, _| Times(x.unary(Op::Logistic)), domain: (-4.0, 4.0), cost: 24 }
        LogSigmoid = 40 "log_sigmoid" { value: values::log_sigmoid, straight: true, d: |x, _| Times((-x).unary(Op::Logistic)), domain: (-4.0, 4.0), cost: 24 }

        Sin = 50 "sin" { value: elementary::sin, near: [elementary::is_near, elementary::sin_near], d: |x, _| Times(x.unary(Op::Cos)), domain: (-4.0, 4.0), cost: 12 }
        Cos = 51 "cos" { value: elementary::cos, near: [elementary::is_near, elementary::cos_near], d: |x, _| Times(-x.unary(Op::Sin)), domain: (-4.0, 4.0), cost: 12 }
        Tan = 52 "tan" { value: libm::tan, d: |_, y| Times(1.0 + y.square()), domain: (-1.2, 1.2), cost: 16 }
        // 1 - x², rounded once: it does not cancel near the ends, and its own derivative -2x not near 0.
        Asin = 53 "asin" { value: libm::asin, d: |x, _| Times(x.mul_add(-x, 1.0).kink_at(0.0).unary(Op::Rsqrt)), domain: (-0.9, 0.9), cost: 14, singular: true, non_smooth: "+inf at -1 and 1" }
        Acos = 54 "acos" { value: libm::acos, d: |x, _| Times(-x.mul_add(-x, 1.0).kink_at(0.0).unary(Op::Rsqrt)), domain: (-0.9, 0.9), cost: 14, singular: true, non_smooth: "-inf at -1 and 1" }
        // Through hypot, as below: x² could overflow.
        Atan = 55 "atan" { value: libm::atan, d: |x, _| Times(x.binary(Op::Hypot, x.number(1.0)).recip().square()), domain: (-3.0, 3.0), cost: 14 }
        Sinh = 57 "sinh" { value: libm::sinh, d: |x, _| Times(x.unary(Op::Cosh)), domain: (-3.0, 3.0), cost: 16 }
        Cosh = 58 "cosh" { value: libm::cosh, d: |x, _| Times(x.unary(Op::Sinh)), domain: (-3.0, 3.0), cost: 16 }
        // Not 1 - y², which cancels.
        Tanh = 59 "tanh" { value: elementary::tanh, straight: true, d: |x, _| Times(x.unary(Op::Sech).square()), domain: (-2.0, 2.0), cost: 16 }
        Asinh = 60 "asinh" { value: libm::asinh, d: |x, _| Over(x.binary(Op::Hypot, x.number(1.0))), domain: (-3.0, 3.0), cost: 18 }
        Acosh = 61 "acosh" { value: libm::acosh, d: |x, _| Times((x - 1.0).kink_at(0.0).unary(Op::Rsqrt) * (x + 1.0).unary(Op::Rsqrt)), domain: (1.2, 4.0), cost: 18, singular: true, non_smooth: "+inf at 1" }
        Atanh = 62 "atanh" { value: libm::atanh, d: |x, _| Over(x.mul_add(-x, 1.0)), domain: (-0.9, 0.9), cost: 18 }

        Sinc = 63 "sinc" { value: values::sinc, d: |x, _| Times(x.number(1.0).binary(Op::SincDerivative, x)), domain: (-2.0, 2.0), cost: 20 }
        Sech = 64 "sech" { value: values::sech, straight: true, d: |x, y| Times(-(y * x.unary(Op::Tanh))), domain: (-2.0, 2.0), cost: 16 }

        Relu = 70 "relu" { value: |x| if x > 0.0 || x.is_nan() { x } else { 0.0 }, d: |x, _| Times(x.kink_at(0.0).where_positive(x.number(1.0), x.number(0.0))), domain: (0.1, 2.0), cost: 1, non_smooth: "0 at 0" }
        Gelu = 73 "gelu" { value: elementary::gelu, loops: elementary::gelu_straight, d: |x, _| Times(x.unary(Op::GeluSlope)), domain: (-3.0, 3.0), cost: 40 }
        GeluTanh = 74 "gelu_tanh" { value: values::gelu_tanh, d: |x, _| Times(activation::gelu_tanh_slope(x)), domain: (-3.0, 3.0), cost: 30 }
        Silu = 75 "silu" { value: values::silu, straight: true, d: |x, _| Times(activation::silu_slope(x)), domain: (-3.0, 3.0), cost: 14 }
        GeluSlope = 76 "gelu_slope" { value: elementary::gelu_slope, loops: elementary::gelu_slope_straight, d: |x, _| Times(activation::gelu_curvature(x)), domain: (-3.0, 3.0), cost: 50 }
        Softsign = 77 "softsign" { value: values::softsign, straight: true, d: |x, _| Times((1.0 + x.unary(Op::Abs)).recip().square()), domain: (0.1, 2.0), cost: 6 }

        Floor = 87 "floor" { value: f64::floor, d: |x, _| { kinks::steps_at_integers(x); Zero }, domain: (0.1, 0.9), cost: 1, non_smooth: "0 at whole numbers" }
        Ceil = 88 "ceil" { value: f64::ceil, d: |x, _| { kinks::steps_at_integers(x); Zero }, domain: (0.1, 0.9), cost: 1, non_smooth: "0 at whole numbers" }
        RoundNearestEven = 89 "round_nearest_even" { value: f64::round_ties_even, d: |x, _| { kinks::steps_between_integers(x); Zero }, domain: (-0.4, 0.4), cost: 1, non_smooth: "0 half way between whole numbers" }
        Trunc = 90 "trunc" { value: f64::trunc, d: |x, _| { kinks::steps_off_zero(x); Zero }, domain: (0.1, 0.9), cost: 1, non_smooth: "0 at whole numbers" }
        RoundNearestAfz = 91 "round_nearest_afz" { value: libm::round, d: |x, _| { kinks::steps_between_integers(x); Zero }, domain: (-0.4, 0.4), cost: 1, non_smooth: "0 half way between whole numbers" }

        Erf = 220 "erf" { value: elementary::erf, steps: [elementary::erf_parts, elementary::erf_of_parts], d: |x, _| Times((-x.square()).unary(Op::Exp) * FRAC_2_SQRT_PI), domain: (-3.0, 3.0), cost: 20 }
        Erfc = 221 "erfc" { value: elementary::erfc, loops: elementary::erfc_straight, d: |x, _| Times((-x.square()).unary(Op::Exp) * -FRAC_2_SQRT_PI), domain: (-3.0, 3.0), cost: 20 }
        ErfInv = 222 "erf_inv" { value: error_function::erf_inv, d: |_, y| Times(y.square().unary(Op::Exp) * (1.0 / FRAC_2_SQRT_PI)), domain: (-0.9, 0.9), cost: 30, singular: true, non_smooth: "+inf at -1 and 1" }
        Erfcx = 223 "erfcx" { value: error_function::erfcx, d: |x, _| Times(x.number(1.0).binary(Op::ErfcxDerivative, x)), domain: (-1.5, 4.0), cost: 30 }
        Lgamma = 224 "lgamma" { value: gamma::lgamma, d: |x, _| Times(x.unary(Op::Digamma)), domain: (0.2, 5.0), cost: 40 }
        Digamma = 225 "digamma" { value: gamma::digamma, d: |x, _| Times(x.number(1.0).binary(Op::Polygamma, x)), domain: (0.3, 5.0), cost: 40 }
        BesselI0e = 231 "bessel_i0e" { value: bessel::i0e, d: |x, _| Times(x.number(1.0).ternary(Op::BesselIneDerivative, x.number(0.0), x.kink_at(0.0))), domain: (0.2, 5.0), cost: 40, non_smooth: "0 at 0" }
        BesselI1e = 232 "bessel_i1e" { value: bessel::i1e, d: |x, _| Times(x.number(1.0).ternary(Op::BesselIneDerivative, x.number(1.0), x)), domain: (0.2, 5.0), cost: 40, non_smooth: "the second derivative is 0 at 0" }
        BesselJ0 = 233 "bessel_j0" { value: bessel::j0, d: |x, _| Times(-x.unary(Op::BesselJ1)), domain: (-5.0, 5.0), cost: 60 }
        BesselJ1 = 234 "bessel_j1" { value: bessel::j1, d: |x, _| Times(x.number(1.0).ternary(Op::BesselJnDerivative, x.number(1.0), x)), domain: (-5.0, 5.0), cost: 60 }
        BesselY0 = 236 "bessel_y0" { value: bessel::y0, d: |x, _| Times(-x.unary(Op::BesselY1)), domain: (0.5, 5.0), cost: 60 }
        BesselY1 = 237 "bessel_y1" { value: bessel::y1, d: |x, _| Times(x.number(1.0).ternary(Op::BesselYnDerivative, x.number(1.0), x)), domain: (0.5, 5.0), cost: 60 }
        NormCdf = 239 "norm_cdf" { value: elementary::norm_cdf, loops: elementary::norm_cdf_straight, d: |x, _| Times((x.square() * -0.5).unary(Op::Exp) * FRAC_1_SQRT_2PI), domain: (-3.0, 3.0), cost: 30 }
        NormPpf = 240 "norm_ppf" { value: error_function::norm_ppf, d: |_, y| Times((y.square() * 0.5).unary(Op::Exp) * (1.0 / FRAC_1_SQRT_2PI)), domain: (0.1, 0.9), cost: 30, singular: true, non_smooth: "+inf at 0 and 1" }
        LogNdtr = 241 "log_ndtr" { value: error_function::log_ndtr, d: |x, _| Times(x.number(1.0).binary(Op::LogNdtrDerivative, x)), domain: (-3.0, 3.0), cost: 40 }
    }
    binary {
        Add = 1 "add" { value: |a, b| a + b, int: i64::wrapping_add, d: [|_, _, _| One, |_, _, _| One], domain: [(-2.0, 2.0), (-2.0, 2.0)], cost: 1 }
        Subtract = 2 "subtract" { value: |a, b| a - b, int: i64::wrapping_sub, d: [|_, _, _| One, |_, _, _| MinusOne], domain: [(-2.0, 2.0), (-2.0, 2.0)], cost: 1 }
        Multiply = 3 "multiply" { value: |a, b| a * b, int: i64::wrapping_mul, d: [|_, b, _| Times(b), |a, _, _| Times(a)], domain: [(-2.0, 2.0), (-2.0, 2.0)], cost: 1 }
        // y / b can overflow where y does not: a denominator that does not move contributes 0 all the same.
        Divide = 4 "divide" { value: |a, b| a / b, int: |a, b| if b == 0 { 0 } else { a.wrapping_div(b) }, d: [|_, b, _| Over(b), |_, b, y| TimesNoNan(-(y / b))], domain: [(-2.0, 2.0), (0.5, 3.0)], cost: 4 }
        Maximum = 8 "maximum" { value: kernels::maximum, int: std::cmp::Ord::max, d: [|a, b, _| Times(a.share(Gt, b)), |a, b, _| Times(b.share(Gt, a))], domain: [(-2.0, 0.0), (0.1, 2.0)], cost: 1, non_smooth: "ties share equally" }
        Minimum = 9 "minimum" { value: kernels::minimum, int: std::cmp::Ord::min, d: [|a, b, _| Times(a.share(Lt, b)), |a, b, _| Times(b.share(Lt, a))], domain: [(-2.0, 0.0), (0.1, 2.0)], cost: 1, non_smooth: "ties share equally" }
        // Exponent 0 gives slope 0 even at base 0; base 0 gives slope 0 in a positive exponent. Both slopes are again
        // powers with a factor, and so are theirs.
        Power = 10 "power" { value: elementary::power, steps: [elementary::power_exponent, elementary::power_of_exponent], d: [
            |a, b, _| Times(kinks::power_base(a, b)),
            |a, b, _| Times(kinks::power_exponent(a, b))
        ], domain: [(0.2, 3.0), (-2.0, 2.0)], cost: 24, singular: true, non_smooth: "d/da a^0 = 0, JAX: NaN at a = 0; d/db 0^0 = -inf, JAX, PyTorch: 0" }
        Remainder = 16 "remainder" { value: libm::fmod, int: |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) }, d: [
            |a, _, y| { kinks::off_multiples(a, y); One },
            |a, b, y| Times(((y - a) / b).unary(Op::RoundNearestEven))
        ], domain: [(2.2, 2.6), (0.9, 1.05)], cost: 10, singular: true, non_smooth: "that of the piece" }
        MultiplyNoNan = 17 "multiply_no_nan" { value: |a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }, d: [|_, b, _| TimesNoNan(b), |a, _, _| TimesNoNan(a)], domain: [(-2.0, 2.0), (0.1, 2.0)], cost: 1 }
        Hypot = 18 "hypot" { value: libm::hypot, d: [|a, b, _| Times(kinks::direction(a, b)), |a, b, _| Times(kinks::direction(b, a))], domain: [(-2.0, 2.0), (0.1, 2.0)], cost: 12, non_smooth: "0 at the origin; JAX: 1/2, PyTorch: NaN" }
        Copysign = 21 "copysign" { value: f64::copysign, d: [|a, b, _| Times(kinks::abs(a) * a.number(1.0).binary(Op::Copysign, b)), |_, b, _| { b.kink_at(0.0); Zero }], domain: [(0.1, 2.0), (0.1, 2.0)], cost: 1, non_smooth: "0 at a = 0, JAX: 1; in b 0" }
        // With (u, v) the unit vector along (a, b) and r its length: v² / r and -u v / r.
        Direction = 24 "direction" { value: values::direction, d: [
            |a, b, _| { kinks::off_origin(a, b); let v = over_root_of_radius(b, a); Times(v.square()) },
            |a, b, _| { kinks::off_origin(a, b); Times(-(over_root_of_radius(a, b) * over_root_of_radius(b, a))) }
        ], domain: [(-2.0, 2.0), (0.1, 2.0)], cost: 16, singular: true, non_smooth: "0 at the origin" }
        // (b² - a²) / r⁴ as (b - a)(b + a), which cancels only as exactly as its operands; -2 a b / r⁴.
        OverNormSquared = 25 "over_norm_squared" { value: values::over_norm_squared, d: [
            |a, b, _| { let r = a.binary(Op::Hypot, b); Times(((b - a) / r / r) * ((b + a) / r / r)) },
            |a, b, y| Times(-2.0 * y * b.binary(Op::OverNormSquared, a))
        ], domain: [(-2.0, 2.0), (0.1, 2.0)], cost: 20, singular: true }
        Logaddexp = 38 "logaddexp" { value: values::logaddexp, d: [|a, b, _| Times((a - b).unary(Op::Logistic)), |a, b, _| Times((b - a).unary(Op::Logistic))], domain: [(-3.0, 3.0), (-3.0, 3.0)], cost: 26 }
        Atan2 = 56 "atan2" { value: libm::atan2, d: [
            |a, b, _| { kinks::off_cut(a, b); Times(b.binary(Op::OverNormSquared, a)) },
            |a, b, _| { kinks::off_cut(a, b); Times(-a.binary(Op::OverNormSquared, b)) }
        ], domain: [(-2.0, 2.0), (0.1, 2.0)], cost: 20, singular: true, non_smooth: "that of the piece; NaN at the origin" }
        // The order comes first, as in polygamma; it is not differentiated.
        SincDerivative = 65 "sinc_derivative" { value: values::sinc_derivative, d: [|_, _, _| Zero, |n, x, _| Times((n + 1.0).binary(Op::SincDerivative, x))], domain: [(1.0, 1.0), (-2.0, 2.0)], cost: 30 }
        LeakyRelu = 71 "leaky_relu" { value: |x, slope| if x > 0.0 { x } else { slope * x }, d: [
            |x, slope, _| Times(kinks::leaky(x, 1.0, slope)),
            |x, _, _| Times(x.where_positive(x.number(0.0), x))
        ], domain: [(-2.0, -0.1), (0.1, 0.5)], cost: 2, non_smooth: "the slope at 0; JAX: 1" }
        Elu = 72 "elu" { value: |x, alpha| if x > 0.0 { x } else { alpha * libm::expm1(x) }, d: [
            |x, alpha, _| Times(kinks::elu(x, alpha)),
            |x, _, _| Times(x.where_positive(x.number(0.0), x.unary(Op::Expm1)))
        ], domain: [(-2.0, -0.1), (0.5, 1.5)], cost: 16, non_smooth: "alpha at 0" }

        Polygamma = 226 "polygamma" { value: gamma::polygamma, d: [|_, _, _| Zero, |n, x, _| Times((n + 1.0).binary(Op::Polygamma, x))], domain: [(2.0, 2.0), (0.7, 4.0)], cost: 400 }
        // The sum a + b is not written as a node: it would round.
        Lbeta = 227 "lbeta" { value: gamma::lbeta, d: [
            |a, b, _| Times(a.number(0.0).ternary(Op::PolygammaDifference, a, b)),
            |a, b, _| Times(a.number(0.0).ternary(Op::PolygammaDifference, b, a))
        ], domain: [(0.5, 4.0), (0.5, 4.0)], cost: 600, singular: true }
        Igamma = 228 "igamma" { value: incomplete_gamma::igamma, d: [
            |a, x, _| Times(a.number(1.0).ternary(Op::IgammaGradA, a, x)),
            |a, x, _| Times(a.number(0.0).ternary(Op::IgammaGradX, a, x))
        ], domain: [(0.5, 4.0), (0.5, 5.0)], cost: 1000, singular: true }
        Igammac = 229 "igammac" { value: incomplete_gamma::igammac, d: [
            |a, x, _| Times(-a.number(1.0).ternary(Op::IgammaGradA, a, x)),
            |a, x, _| Times(-a.number(0.0).ternary(Op::IgammaGradX, a, x))
        ], domain: [(0.5, 4.0), (0.5, 5.0)], cost: 1000, singular: true }
        BesselJn = 235 "bessel_jn" { value: bessel::jn, d: [|_, _, _| Zero, |n, x, _| Times(x.number(1.0).ternary(Op::BesselJnDerivative, n, x))], domain: [(3.0, 3.0), (0.5, 6.0)], cost: 400 }
        BesselYn = 238 "bessel_yn" { value: bessel::yn, d: [|_, _, _| Zero, |n, x, _| Times(x.number(1.0).ternary(Op::BesselYnDerivative, n, x))], domain: [(2.0, 2.0), (1.0, 6.0)], cost: 400 }
        // x first: 0 / 0 is 0 where x is 0.
        Xlogy = 242 "xlogy" { value: special::xlogy, d: [|_, y, _| Times(y.unary(Op::Log)), |x, y, _| Times(y.recip().times_no_nan(x))], domain: [(0.2, 3.0), (0.2, 3.0)], cost: 12, singular: true, non_smooth: "in y 0 at x = 0" }
        Xlog1py = 243 "xlog1py" { value: special::xlog1py, d: [|_, y, _| Times(y.unary(Op::Log1p)), |x, y, _| Times((y + 1.0).recip().times_no_nan(x))], domain: [(0.2, 3.0), (-0.5, 3.0)], cost: 16, singular: true, non_smooth: "in y 0 at x = 0" }
        Zeta = 244 "zeta" { value: zeta::zeta, d: [
            |s, q, _| Times(s.number(1.0).ternary(Op::ZetaDerivative, s, q)),
            |s, q, _| Times(-(s * (s + 1.0).binary(Op::Zeta, q)))
        ], domain: [(1.5, 4.0), (0.5, 3.0)], cost: 2000, singular: true }
        ErfcxDerivative = 245 "erfcx_derivative" { value: error_function::erfcx_derivative, d: [|_, _, _| Zero, |n, x, _| Times((n + 1.0).binary(Op::ErfcxDerivative, x))], domain: [(2.0, 2.0), (-1.0, 4.0)], cost: 200 }
        LogNdtrDerivative = 246 "log_ndtr_derivative" { value: error_function::log_ndtr_derivative, d: [|_, _, _| Zero, |n, x, _| Times((n + 1.0).binary(Op::LogNdtrDerivative, x))], domain: [(1.0, 1.0), (-3.0, 3.0)], cost: 300 }
    }
    ternary {
        // min(max(x, low), high); x[0] is low, x[1] the operand, x[2] high.
        Clamp = 20 "clamp" { value: |low, x, high| kernels::minimum(kernels::maximum(x, low), high), straight: true, int: |low, x, high| x.max(low).min(high), d: [
            |x, _| Times(kinks::clamp_low(x)),
            |x, _| Times(kinks::clamp_operand(x)),
            |x, _| Times(kinks::clamp_high(x))
        ], domain: [(-2.0, -1.0), (-0.9, 0.9), (1.0, 2.0)], cost: 2, non_smooth: "at a bound half; JAX: 0, PyTorch: all to the operand" }
        // Rounded once, as the hardware does.
        Fma = 22 "fma" { value: f64::mul_add, straight: true, d: [|x, _| Times(x[1]), |x, _| Times(x[0]), |_, _| One], domain: [(-2.0, 2.0), (-2.0, 2.0), (-2.0, 2.0)], cost: 2 }
        ScaledPower = 23 "scaled_power" { value: elementary::scaled_power, steps: [elementary::scaled_power_exponent, elementary::scaled_power_of_exponent], d: [
            |x, _| Times(x[0].ternary(Op::ScaledPower, x[1] - 1.0, x[1] * x[2])),
            |x, _| Times(x[0].ternary(Op::ScaledPower, x[1], x[0].unary(Op::Log).times_no_nan(x[2]))),
            |x, _| Times(x[0].binary(Op::Power, x[1]))
        ], domain: [(0.2, 3.0), (-2.0, 2.0), (-2.0, 2.0)], cost: 26, singular: true, non_smooth: "d/da a^0 = 0" }

        // Orders first: ψ_n(a) - ψ_n(a + b).
        PolygammaDifference = 247 "polygamma_difference" { value: gamma::polygamma_difference, d: [
            |_, _| Zero,
            |x, _| Times((x[0] + 1.0).ternary(Op::PolygammaDifference, x[1], x[2])),
            |x, _| Times(-(x[0] + 1.0).binary(Op::Polygamma, x[1] + x[2]))
        ], domain: [(1.0, 1.0), (0.5, 4.0), (0.5, 4.0)], cost: 800, singular: true }
        // The derivative of (q + k)^-s in q lowers the exponent and brings down -s, whose own derivative is the second term.
        ZetaDerivative = 248 "zeta_derivative" { value: zeta::derivative, d: [
            |_, _| Zero,
            |x, _| Times((x[0] + 1.0).ternary(Op::ZetaDerivative, x[1], x[2])),
            |x, _| {
                let s = x[1] + 1.0;
                Times(-(x[1] * x[0].ternary(Op::ZetaDerivative, s, x[2])) - (x[0] - 1.0).ternary(Op::ZetaDerivative, s, x[2]).times_no_nan(x[0]))
            }
        ], domain: [(1.0, 1.0), (1.5, 4.0), (0.5, 3.0)], cost: 2000, singular: true }
        BesselJnDerivative = 249 "bessel_jn_derivative" { value: bessel::jn_derivative, d: [|_, _| Zero, |_, _| Zero, |x, _| Times((x[0] + 1.0).ternary(Op::BesselJnDerivative, x[1], x[2]))], domain: [(1.0, 1.0), (2.0, 2.0), (0.5, 6.0)], cost: 600 }
        BesselYnDerivative = 250 "bessel_yn_derivative" { value: bessel::yn_derivative, d: [|_, _| Zero, |_, _| Zero, |x, _| Times((x[0] + 1.0).ternary(Op::BesselYnDerivative, x[1], x[2]))], domain: [(1.0, 1.0), (1.0, 1.0), (1.0, 6.0)], cost: 600 }
        BesselIneDerivative = 251 "bessel_ine_derivative" { value: bessel::ine_derivative, d: [|_, _| Zero, |_, _| Zero, |x, _| Times((x[0] + 1.0).ternary(Op::BesselIneDerivative, x[1], x[2].kink_at(0.0)))], domain: [(1.0, 1.0), (1.0, 1.0), (0.2, 5.0)], cost: 600, non_smooth: "0 at 0" }
        IgammaGradA = 252 "igamma_grad_a" { value: incomplete_gamma::grad_a, d: [
            |_, _| Zero,
            |x, _| Times((x[0] + 1.0).ternary(Op::IgammaGradA, x[1], x[2])),
            |x, _| Times(x[0].ternary(Op::IgammaGradX, x[1], x[2]))
        ], domain: [(1.0, 1.0), (0.5, 4.0), (0.5, 5.0)], cost: 2000, singular: true }
        // x f' = (a - 1 - x) f for the density f, differentiated k times in a.
        IgammaGradX = 253 "igamma_grad_x" { value: incomplete_gamma::grad_x, d: [
            |_, _| Zero,
            |x, _| Times((x[0] + 1.0).ternary(Op::IgammaGradX, x[1], x[2])),
            |x, y| {
                let [k, a, x] = [x[0], x[1], x[2]];
                let before = (k - 1.0).ternary(Op::IgammaGradX, a, x);
                Times((y * ((a - x) - 1.0) + before.times_no_nan(k)) / x)
            }
        ], domain: [(1.0, 1.0), (0.5, 4.0), (0.5, 5.0)], cost: 600, singular: true }
        Betainc = 230 "betainc" { value: incomplete_beta::betainc, d: [
            |x, _| Times(x[0].ternary(Op::BetaincGradA, x[1], x[2])),
            |x, _| Times(x[0].ternary(Op::BetaincGradB, x[1], x[2])),
            |x, _| Times(x[0].ternary(Op::BetaincGradX, x[1], x[2]))
        ], domain: [(0.5, 4.0), (0.5, 4.0), (0.1, 0.9)], cost: 2000, singular: true }
        BetaincGradX = 254 "betainc_grad_x" { value: incomplete_beta::grad_x, d: [
            |x, _| Times(beta_density::in_a(x)),
            |x, _| Times(beta_density::in_b(x)),
            |x, y| Times(y * beta_density::in_x(x))
        ], domain: [(0.5, 4.0), (0.5, 4.0), (0.1, 0.9)], cost: 800, singular: true }
        BetaincKernel = 260 "betainc_kernel" { value: incomplete_beta::kernel, d: [
            |x, y| Times(y * beta_density::kernel_in_a(x)),
            |x, y| Times(y * beta_density::kernel_in_b(x)),
            |x, y| Times(y * beta_density::in_x(x))
        ], domain: [(0.5, 4.0), (0.5, 4.0), (0.1, 0.9)], cost: 800, singular: true }
        BetaincGradA = 255 "betainc_grad_a" { value: |a, b, x| incomplete_beta::derivative(In::A, a, b, x), d: [
            |x, _| Times(x[0].ternary(Op::BetaincGradAa, x[1], x[2])),
            |x, _| Times(x[0].ternary(Op::BetaincGradAb, x[1], x[2])),
            |x, _| Times(beta_density::in_a(x))
        ], domain: [(1.5, 1.5), (2.5, 2.5), (0.1, 0.9)], cost: 2000, singular: true }
        BetaincGradB = 256 "betainc_grad_b" { value: |a, b, x| incomplete_beta::derivative(In::B, a, b, x), d: [
            |x, _| Times(x[0].ternary(Op::BetaincGradAb, x[1], x[2])),
            |x, _| Times(x[0].ternary(Op::BetaincGradBb, x[1], x[2])),
            |x, _| Times(beta_density::in_b(x))
        ], domain: [(1.5, 1.5), (2.5, 2.5), (0.1, 0.9)], cost: 2000, singular: true }
        BetaincGradAa = 257 "betainc_grad_aa" { value: |a, b, x| incomplete_beta::derivative(In::AA, a, b, x), d: [
            |_, _| Unavailable,
            |_, _| Unavailable,
            |x, _| Times(beta_density::in_aa(x))
        ], domain: [(1.5, 1.5), (2.5, 2.5), (0.1, 0.9)], cost: 2000 }
        BetaincGradAb = 258 "betainc_grad_ab" { value: |a, b, x| incomplete_beta::derivative(In::AB, a, b, x), d: [
            |_, _| Unavailable,
            |_, _| Unavailable,
            |x, _| Times(beta_density::in_ab(x))
        ], domain: [(1.5, 1.5), (2.5, 2.5), (0.1, 0.9)], cost: 2000 }
        BetaincGradBb = 259 "betainc_grad_bb" { value: |a, b, x| incomplete_beta::derivative(In::BB, a, b, x), d: [
            |_, _| Unavailable,
            |_, _| Unavailable,
            |x, _| Times(beta_density::in_bb(x))
        ], domain: [(1.5, 1.5), (2.5, 2.5), (0.1, 0.9)], cost: 2000 }
    }
    structural {
        Compare = 80 "compare" => compare::COMPARE;
        Select = 81 "select" => select::SELECT;
        And = 82 "and" => logical::BINARY;
        Or = 83 "or" => logical::BINARY;
        Xor = 84 "xor" => logical::BINARY;
        Not = 85 "not" => logical::NOT;
        IsFinite = 86 "is_finite" => logical::CLASSIFY;
        IsNan = 92 "is_nan" => logical::CLASSIFY;
        IsInf = 93 "is_inf" => logical::CLASSIFY;
        Call = 200 "call" => control::CALL;
        Cond = 201 "cond" => control::COND;
        While = 202 "while" => control::WHILE;
        Scan = 203 "scan" => control::SCAN;
        Map = 204 "map" => control::MAP;
        Derivative = 205 "derivative" => control::DERIVATIVE;
        ImplicitRoot = 206 "implicit_root" => control::IMPLICIT_ROOT;
        FixedPoint = 207 "fixed_point" => control::FIXED_POINT;
        LinearSolve = 208 "linear_solve" => control::LINEAR_SOLVE;
        Constant = 120 "constant" => constant::CONSTANT;
        Iota = 121 "iota" => constant::IOTA;
        Convert = 122 "convert" => convert::CONVERT;
        StopGradient = 123 "stop_gradient" => shape_ops::STOP_GRADIENT;
        Reshape = 124 "reshape" => shape_ops::RESHAPE;
        Transpose = 125 "transpose" => shape_ops::TRANSPOSE;
        BroadcastInDim = 126 "broadcast_in_dim" => shape_ops::BROADCAST_IN_DIM;
        Slice = 127 "slice" => slice::SLICE;
        Pad = 128 "pad" => pad::PAD;
        Concatenate = 129 "concatenate" => concatenate::CONCATENATE;
        Gather = 130 "gather" => gather::GATHER;
        ScatterAdd = 131 "scatter_add" => gather::SCATTER_ADD;
        Scatter = 132 "scatter" => scatter::SCATTER;
        Sort = 135 "sort" => sort::SORT;
        Argsort = 136 "argsort" => sort::ARGSORT;
        TopK = 137 "top_k" => top_k::TOP_K;
        Reverse = 138 "reverse" => reverse::REVERSE;
        SearchSorted = 141 "search_sorted" => search_sorted::SEARCH_SORTED;
        Windows = 142 "windows" => windows::WINDOWS;
        OverlapAdd = 143 "overlap_add" => windows::OVERLAP_ADD;
        ReduceSum = 150 "reduce_sum" => reduce::SUM;
        ReduceMax = 151 "reduce_max" => reduce::MAX;
        ReduceMin = 152 "reduce_min" => reduce::MIN;
        ReduceLogsumexp = 156 "reduce_logsumexp" => softmax::LOGSUMEXP;
        Norm = 157 "norm" => norm::NORM;
        Argmax = 158 "argmax" => arg_reduce::ARGMAX;
        Argmin = 159 "argmin" => arg_reduce::ARGMIN;
        Cumsum = 160 "cumsum" => cumulative::CUMSUM;
        Cummax = 162 "cummax" => cumulative::CUMMAX;
        Cummin = 163 "cummin" => cumulative::CUMMIN;
        Softmax = 165 "softmax" => softmax::SOFTMAX;
        LogSoftmax = 166 "log_softmax" => softmax::LOG_SOFTMAX;
        ReduceAnd = 167 "reduce_and" => reduce::AND;
        ReduceOr = 168 "reduce_or" => reduce::OR;
        DotGeneral = 170 "dot_general" => dot::DOT_GENERAL;
        TriangularSolve = 280 "triangular_solve" => linalg::triangular::TRIANGULAR_SOLVE;
        Cholesky = 282 "cholesky" => linalg::cholesky::CHOLESKY;
        Determinant = 285 "determinant" => linalg::determinant::DETERMINANT;
        Slogdet = 286 "slogdet" => linalg::determinant::SLOGDET;
        Lu = 287 "lu" => linalg::lu::LU;
        Qr = 288 "qr" => linalg::qr::QR;
        Eigh = 289 "eigh" => linalg::spectral::EIGH;
        Svd = 290 "svd" => linalg::spectral::SVD;
        Expm = 292 "expm" => linalg::exponential::EXPM;
        TridiagonalSolve = 293 "tridiagonal_solve" => linalg::tridiagonal::TRIDIAGONAL_SOLVE;
        SparseMatvec = 294 "sparse_matvec" => linalg::sparse::SPARSE_MATVEC;
        LuSolve = 295 "lu_solve" => linalg::solve::LU_SOLVE;
        Cofactor = 297 "cofactor" => linalg::determinant::COFACTOR;
        ExpmDerivative = 298 "expm_derivative" => linalg::exponential::EXPM_DERIVATIVE;
        SvdSolve = 299 "svd_solve" => linalg::least_squares::SVD_SOLVE;
        Fft = 320 "fft" => fourier::FFT;
        Ifft = 321 "ifft" => fourier::IFFT;
        Rfft = 322 "rfft" => fourier::RFFT;
        Irfft = 323 "irfft" => fourier::IRFFT;
    }
    composite {
        IntegerPow = 19 "integer_pow" => integer_pow::INTEGER_POW;
        DynamicSlice = 133 "dynamic_slice" => dynamic_slice::DYNAMIC_SLICE;
        DynamicUpdateSlice = 134 "dynamic_update_slice" => dynamic_slice::DYNAMIC_UPDATE_SLICE;
        Tile = 139 "tile" => tile::TILE;
        OneHot = 140 "one_hot" => one_hot::ONE_HOT;
        ReduceProd = 153 "reduce_prod" => doubling::PROD;
        ReduceMean = 154 "reduce_mean" => moments::MEAN;
        ReduceVariance = 155 "reduce_variance" => moments::VARIANCE;
        Cumprod = 161 "cumprod" => doubling::CUMPROD;
        Cumlogsumexp = 164 "cumlogsumexp" => doubling::CUMLOGSUMEXP;
        Matmul = 171 "matmul" => matmul::MATMUL;
        Outer = 172 "outer" => products::OUTER;
        Kron = 173 "kron" => products::KRON;
        Trace = 174 "trace" => diagonal::TRACE;
        Diag = 175 "diag" => diagonal::DIAG;
        Einsum = 176 "einsum" => einsum::EINSUM;
        Solve = 281 "solve" => linalg::solve::SOLVE;
        CholeskySolve = 283 "cholesky_solve" => linalg::triangular::CHOLESKY_SOLVE;
        Inverse = 284 "inverse" => linalg::solve::INVERSE;
        Lstsq = 291 "lstsq" => linalg::least_squares::LSTSQ;
        Convolution = 310 "convolution" => convolution::CONVOLUTION;
        MaxPool = 311 "max_pool" => pool::MAX_POOL;
        AveragePool = 312 "average_pool" => pool::AVERAGE_POOL;
        Interp1d = 330 "interp1d" => interpolate::INTERP1D;
        Bspline = 331 "bspline" => bspline::BSPLINE;
    }
    declared {
    }
}
