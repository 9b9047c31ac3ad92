//! Special functions, elementwise.

use gradient_proto::v1::Op;

use super::{
    Expr, Operand,
    elementwise::{binary, unary},
};

unary! {
    /// The error function: 2/√π times the integral of e^(-t²) from 0 to a.
    erf = Erf;
    /// 1 - erf(a), accurate where it is small.
    erfc = Erfc;
    /// The inverse of [`Expr::erf`], on (-1, 1).
    erf_inv = ErfInv;
    /// e^(a²)·erfc(a).
    erfcx = Erfcx;
    /// log|Γ(a)|; +inf at the poles.
    lgamma = Lgamma;
    /// The derivative of [`Expr::lgamma`]; NaN at the poles.
    digamma = Digamma;
    /// e^(-|a|)·I₀(a).
    bessel_i0e = BesselI0e;
    /// e^(-|a|)·I₁(a).
    bessel_i1e = BesselI1e;
    /// The Bessel function of the first kind J₀.
    bessel_j0 = BesselJ0;
    /// The Bessel function of the first kind J₁.
    bessel_j1 = BesselJ1;
    /// The Bessel function of the second kind Y₀.
    bessel_y0 = BesselY0;
    /// The Bessel function of the second kind Y₁.
    bessel_y1 = BesselY1;
    /// Distribution function of the standard normal distribution.
    norm_cdf = NormCdf;
    /// The inverse of [`Expr::norm_cdf`], on (0, 1).
    norm_ppf = NormPpf;
    /// log(norm_cdf(a)), accurate throughout.
    log_ndtr = LogNdtr;
}

binary! {
    /// log B(a, b) = lgamma(a) + lgamma(b) - lgamma(a + b), for positive a and b.
    lbeta = Lbeta;
    /// The regularised lower incomplete gamma function P(a, x) of order a = self.
    igamma = Igamma;
    /// The regularised upper incomplete gamma function Q(a, x) of order a = self.
    igammac = Igammac;
    /// a·log(b), 0 where a is 0.
    xlogy = Xlogy;
    /// a·log(1 + b), 0 where a is 0.
    xlog1py = Xlog1py;
    /// The Hurwitz zeta function ζ(a, b): the sum of (b + k)⁻ᵃ over k = 0, 1, …; a > 1, b > 0.
    zeta = Zeta;
}

/// # Special functions with parameters
///
/// Here self is the argument, and the order or the parameters are given.
impl Expr {
    /// The n-th derivative of [`Expr::digamma`], n = 0, 1, 2, … (NaN for other n); derivative 0 in n.
    #[track_caller]
    pub fn polygamma(&self, n: impl Operand) -> Expr {
        self.of_order(Op::Polygamma, n)
    }

    /// The Bessel function of the first kind Jₙ, of integer order n (NaN for other n); derivative 0 in n.
    #[track_caller]
    pub fn bessel_jn(&self, n: impl Operand) -> Expr {
        self.of_order(Op::BesselJn, n)
    }

    /// The Bessel function of the second kind Yₙ, of integer order n (NaN for other n); derivative 0 in n.
    #[track_caller]
    pub fn bessel_yn(&self, n: impl Operand) -> Expr {
        self.of_order(Op::BesselYn, n)
    }

    /// The regularised incomplete beta function Iₓ(a, b) at x = self.
    #[track_caller]
    pub fn betainc(&self, a: impl Operand, b: impl Operand) -> Expr {
        let dtype = self.dtype();
        let a = a.into_expr(&self.arena, dtype);
        let b = b.into_expr(&self.arena, dtype);
        self.arena.apply(Op::Betainc, &[&a, &b, self], None)
    }

    #[track_caller]
    fn of_order(&self, op: Op, order: impl Operand) -> Expr {
        let order = order.into_expr(&self.arena, self.dtype());
        self.arena.apply(op, &[&order, self], None)
    }
}
