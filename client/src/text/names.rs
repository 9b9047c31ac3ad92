//! The functions a text may call: each once, with its other names.

use super::function::Function::{
    self, AlongAxis, Binary, Matrix, MatrixProduct, Max, Min, Pair, Power, Reduction, Reshape,
    Select, Ternary, Transpose, TruthReduction, Unary,
};
use crate::{
    expr::{Expr, Norm, Variance},
    proto::NormKind,
};

/// Names and meaning; the first name is the one that is suggested.
///
/// A name of a function is none of a variable any more. Short names that people give to variables, such as SciPy's
/// y0, psi and zeta, are therefore left out.
pub(super) const FUNCTIONS: &[(&[&str], Function)] = &[
    (&["abs"], Unary(Expr::abs)),
    (&["sign"], Unary(Expr::sign)),
    (&["square"], Unary(Expr::square)),
    (&["sqrt"], Unary(Expr::sqrt)),
    (&["rsqrt"], Unary(Expr::rsqrt)),
    (&["cbrt"], Unary(Expr::cbrt)),
    (&["reciprocal"], Unary(Expr::recip)),
    (&["exp"], Unary(Expr::exp)),
    (&["expm1"], Unary(Expr::expm1)),
    (&["exp2"], Unary(Expr::exp2)),
    (&["log", "ln"], Unary(Expr::ln)),
    (&["log1p"], Unary(Expr::ln_1p)),
    (&["log2"], Unary(Expr::log2)),
    (&["log10"], Unary(Expr::log10)),
    (&["logistic", "sigmoid", "expit"], Unary(Expr::logistic)),
    (&["softplus"], Unary(Expr::softplus)),
    (&["softsign"], Unary(Expr::softsign)),
    (&["log_sigmoid", "log_expit"], Unary(Expr::log_sigmoid)),
    (&["sin"], Unary(Expr::sin)),
    (&["cos"], Unary(Expr::cos)),
    (&["tan"], Unary(Expr::tan)),
    (&["asin", "arcsin"], Unary(Expr::asin)),
    (&["acos", "arccos"], Unary(Expr::acos)),
    (&["atan", "arctan"], Unary(Expr::atan)),
    (&["sinh"], Unary(Expr::sinh)),
    (&["cosh"], Unary(Expr::cosh)),
    (&["tanh"], Unary(Expr::tanh)),
    (&["asinh", "arcsinh"], Unary(Expr::asinh)),
    (&["acosh", "arccosh"], Unary(Expr::acosh)),
    (&["atanh", "arctanh"], Unary(Expr::atanh)),
    (&["sinc"], Unary(Expr::sinc)),
    (&["relu"], Unary(Expr::relu)),
    (&["gelu"], Unary(Expr::gelu)),
    (&["gelu_tanh"], Unary(Expr::gelu_tanh)),
    (&["silu", "swish"], Unary(Expr::silu)),
    (&["floor"], Unary(Expr::floor)),
    (&["ceil"], Unary(Expr::ceil)),
    (&["round", "rint"], Unary(Expr::round)),
    (&["round_away"], Unary(Expr::round_away)),
    (&["trunc", "fix"], Unary(Expr::trunc)),
    (&["is_finite", "isfinite"], Unary(Expr::is_finite)),
    (&["is_nan", "isnan"], Unary(Expr::is_nan)),
    (&["is_inf", "isinf"], Unary(Expr::is_inf)),
    (&["stop_gradient"], Unary(Expr::stop_gradient)),
    (&["erf"], Unary(Expr::erf)),
    (&["erfc"], Unary(Expr::erfc)),
    (&["erf_inv", "erfinv"], Unary(Expr::erf_inv)),
    (&["erfcx"], Unary(Expr::erfcx)),
    (&["lgamma", "gammaln"], Unary(Expr::lgamma)),
    (&["digamma"], Unary(Expr::digamma)),
    (&["bessel_i0e"], Unary(Expr::bessel_i0e)),
    (&["bessel_i1e"], Unary(Expr::bessel_i1e)),
    (&["bessel_j0"], Unary(Expr::bessel_j0)),
    (&["bessel_j1"], Unary(Expr::bessel_j1)),
    (&["bessel_y0"], Unary(Expr::bessel_y0)),
    (&["bessel_y1"], Unary(Expr::bessel_y1)),
    (&["norm_cdf", "ndtr"], Unary(Expr::norm_cdf)),
    (&["norm_ppf", "ndtri"], Unary(Expr::norm_ppf)),
    (&["log_ndtr", "norm_logcdf"], Unary(Expr::log_ndtr)),
    (&["atan2", "arctan2"], Binary(|y, x| y.atan2(x))),
    (&["hypot"], Binary(|x, y| x.hypot(y))),
    (&["remainder", "fmod"], Binary(|x, y| x.remainder(y))),
    (&["copysign"], Binary(|x, y| x.copysign(y))),
    (&["multiply_no_nan"], Binary(|x, y| x.multiply_no_nan(y))),
    (&["logaddexp"], Binary(|x, y| x.logaddexp(y))),
    (&["leaky_relu"], Binary(|x, slope| x.leaky_relu(slope))),
    (&["elu"], Binary(|x, alpha| x.elu(alpha))),
    (&["xlogy"], Binary(|x, y| x.xlogy(y))),
    (&["xlog1py"], Binary(|x, y| x.xlog1py(y))),
    (&["polygamma"], Binary(|n, x| x.polygamma(n))),
    (&["lbeta", "betaln"], Binary(|a, b| a.lbeta(b))),
    (&["igamma", "gammainc"], Binary(|a, x| a.igamma(x))),
    (&["igammac", "gammaincc"], Binary(|a, x| a.igammac(x))),
    (&["bessel_jn"], Binary(|n, x| x.bessel_jn(n))),
    (&["bessel_yn"], Binary(|n, x| x.bessel_yn(n))),
    (&["hurwitz_zeta"], Binary(|s, q| s.zeta(q))),
    (
        &["clamp", "clip"],
        Ternary(|x, low, high| x.clamp(low, high)),
    ),
    (&["fma"], Ternary(|a, b, c| a.fma(b, c))),
    (&["betainc"], Ternary(|a, b, x| x.betainc(a, b))),
    (&["pow", "power"], Power),
    (&["max", "maximum"], Max),
    (&["min", "minimum"], Min),
    (&["where", "select"], Select),
    (&["sum"], Reduction(|x, axes| x.sum_over(axes))),
    (&["prod"], Reduction(|x, axes| x.prod_over(axes))),
    (&["mean"], Reduction(mean)),
    (&["var", "variance"], Reduction(variance)),
    (&["std"], Reduction(|x, axes| variance(x, axes).sqrt())),
    (&["logsumexp"], Reduction(|x, axes| x.logsumexp_over(axes))),
    (&["norm2", "norm"], Reduction(norm2)),
    (
        &["norm1"],
        Reduction(|x, axes| norm(x, axes, NormKind::One)),
    ),
    (
        &["norm_inf"],
        Reduction(|x, axes| norm(x, axes, NormKind::Inf)),
    ),
    (&["all"], TruthReduction(|p, axes| p.all_over(axes))),
    (&["any"], TruthReduction(|p, axes| p.any_over(axes))),
    (&["cumsum"], AlongAxis(Expr::cumsum)),
    (&["cumprod"], AlongAxis(Expr::cumprod)),
    (&["cummax"], AlongAxis(Expr::cummax)),
    (&["cummin"], AlongAxis(Expr::cummin)),
    (
        &["cumlogsumexp", "logcumsumexp"],
        AlongAxis(Expr::cumlogsumexp),
    ),
    (&["softmax"], AlongAxis(Expr::softmax)),
    (&["log_softmax"], AlongAxis(Expr::log_softmax)),
    (&["sort"], AlongAxis(Expr::sort)),
    (&["argsort"], AlongAxis(Expr::argsort)),
    (&["argmax"], AlongAxis(Expr::argmax)),
    (&["argmin"], AlongAxis(Expr::argmin)),
    (&["reverse", "flip"], AlongAxis(|x, axis| x.reverse([axis]))),
    (&["dot", "matmul"], MatrixProduct),
    (&["transpose"], Transpose),
    (&["reshape"], Reshape),
    (&["inv", "inverse"], Matrix(Expr::inverse)),
    (&["det"], Matrix(Expr::det)),
    (&["logdet"], Matrix(|a| a.slogdet().1)),
    (&["cholesky"], Matrix(Expr::cholesky)),
    (&["expm"], Matrix(Expr::expm)),
    (&["trace"], Matrix(Expr::trace)),
    (&["diag"], Matrix(Expr::diag)),
    (&["eigvalsh"], Matrix(|a| a.eigh().0)),
    (&["svdvals"], Matrix(|a| a.svd().1)),
    (&["solve"], Pair(|a, b| a.solve(b))),
    (&["lstsq"], Pair(|a, b| a.lstsq(b))),
    (&["cholesky_solve"], Pair(|l, b| l.cholesky_solve(b))),
    (&["outer"], Pair(|a, b| a.outer(b))),
    (&["kron"], Pair(|a, b| a.kron(b))),
];

fn mean(x: &Expr, axes: Vec<usize>) -> Expr {
    let shape = x.shape();
    let elements: f64 = axes.iter().map(|&d| shape[d] as f64).product();
    x.sum_over(axes) / elements
}

fn norm2(x: &Expr, axes: Vec<usize>) -> Expr {
    let squares = x.square().sum_over(axes);
    // At the origin the root has no derivative, the norm's is taken to be 0.
    squares.gt(0.0).select(squares.sqrt(), &squares)
}

fn variance(x: &Expr, axes: Vec<usize>) -> Expr {
    x.variance_with(Variance {
        axes,
        ..Variance::default()
    })
}

fn norm(x: &Expr, axes: Vec<usize>, kind: NormKind) -> Expr {
    x.norm_with(Norm {
        kind,
        axes,
        ..Norm::default()
    })
}
