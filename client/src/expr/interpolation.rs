//! Functions through points. Here self is where to look.

use gradient_proto::v1::{self as proto, Extrapolation, InterpolationKind, Op, node::Attributes};

use super::{Expr, structural::wire};

/// Options of [`Expr::interp1d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpolation {
    /// Straight, or the natural cubic spline.
    pub kind: InterpolationKind,
    /// What happens beyond the knots.
    pub extrapolation: Extrapolation,
}

/// Straight between knots, constant beyond them.
impl Default for Interpolation {
    fn default() -> Self {
        Self {
            kind: InterpolationKind::Linear,
            extrapolation: Extrapolation::Constant,
        }
    }
}

/// # Interpolation
impl Expr {
    /// NumPy's `interp`: the values `[n]` at knots `[n]`, which strictly increase, with straight lines between.
    #[track_caller]
    pub fn interp(&self, knots: &Expr, values: &Expr) -> Expr {
        self.interp1d(knots, values, Interpolation::default())
    }

    /// The function through values `[n]` at knots `[n]`, which strictly increase. At a knot the derivative is that
    /// of the piece on the right (at the last knot of the piece on the left).
    #[track_caller]
    pub fn interp1d(&self, knots: &Expr, values: &Expr, options: Interpolation) -> Expr {
        let interpolate = proto::Interpolate {
            kind: options.kind as i32,
            extrapolation: options.extrapolation as i32,
        };
        self.arena.apply(
            Op::Interp1d,
            &[self, knots, values],
            Some(Attributes::Interpolate(interpolate.into())),
        )
    }

    /// The spline of ascending knots `[n + degree + 1]` and coefficients `[n]`; beyond `knots[degree]` and
    /// `knots[n]` the piece at the nearest end goes on.
    #[track_caller]
    pub fn bspline(&self, knots: &Expr, coefficients: &Expr, degree: usize) -> Expr {
        let spline = proto::BSpline {
            degree: wire(degree),
        };
        self.arena.apply(
            Op::Bspline,
            &[self, knots, coefficients],
            Some(Attributes::BSpline(spline.into())),
        )
    }
}
