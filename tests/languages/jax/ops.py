"""The registry of operations: how operands and attributes are drawn, and what the operation means in JAX.

An entry has `draw(gen)`, which returns (operand ids, attribute field or None, attribute values) or None if it does not
suit the graph, and `run(attributes, *arrays)`, which returns a tuple of results. The semantics are those documented
in proto/gradient/v1/graph.proto; POLICY.md lists where JAX itself differs.
"""

from dataclasses import dataclass
from typing import Callable

OPS = {}
SPECIAL = {
    *("erf", "erfc", "erf_inv", "erfcx", "lgamma", "digamma", "polygamma", "lbeta", "igamma", "igammac", "betainc"),
    *("bessel_i0e", "bessel_i1e", "bessel_j0", "bessel_j1", "bessel_jn", "bessel_y0", "bessel_y1", "bessel_yn"),
    *("norm_cdf", "norm_ppf", "log_ndtr", "zeta", "erfcx_derivative", "log_ndtr_derivative", "polygamma_difference"),
    *("zeta_derivative", "bessel_jn_derivative", "bessel_yn_derivative", "bessel_ine_derivative", "igamma_grad_a"),
    *("igamma_grad_x", "betainc_grad_x", "betainc_grad_a", "betainc_grad_b", "betainc_grad_aa", "betainc_grad_ab"),
    *("betainc_grad_bb", "betainc_kernel", "sinc_derivative"),
}
# Where infinities and NaN end up depends on the algorithm: not in graphs that hold some.
FINITE_ONLY = SPECIAL | {
    # A product with zeros and ones.
    "overlap_add",
    # The service gives a single +inf all, JAX NaN.
    "softmax", "log_softmax", "reduce_logsumexp", "cumlogsumexp",
    *("triangular_solve", "solve", "cholesky", "cholesky_solve", "inverse", "determinant", "slogdet", "lu", "qr", "eigh"),
    *("svd", "lstsq", "expm", "tridiagonal_solve", "sparse_matvec", "lu_solve", "svd_solve", "expm_derivative", "cofactor"),
    *("fft", "ifft", "rfft", "irfft", "interp1d", "bspline"),
    # Their bodies keep finite numbers within bounds.
    *("call", "cond", "while", "scan", "map", "derivative"),
}


@dataclass
class Entry:
    draw: Callable
    run: Callable
    # How often it is drawn, relative to 1.
    weight: float = 1.0
    # The first so many operands are constants whose values the meaning depends on.
    orders: int = 0
    # Accurate to what the service promises of special functions, not to a few roundings.
    special: bool = False


def op(name, run, weight=1.0, orders=0):
    """Registers the decorated draw function with the meaning `run`."""

    def register(draw):
        OPS[name] = Entry(draw, run, weight, orders, name in SPECIAL)
        return draw

    return register


def load():
    """Fills the registry. In a function: the modules import this one."""
    import control_ops  # noqa: F401
    import derivative_ops  # noqa: F401
    import elementwise  # noqa: F401
    import linalg_ops  # noqa: F401
    import shape_ops  # noqa: F401
    import signal_ops  # noqa: F401
