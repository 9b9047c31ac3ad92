"""Functions that JAX lacks or cannot differentiate, by series and quadrature, and the operations that the service's
derivatives are written in."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import lax

import elementwise as e
from interpreter import host
from ops import op



def _gauss_legendre(n):
    """Nodes and weights on [0, 1]. NumPy's weights are off by up to 1.5e-11 for n = 160; these are rounded once."""
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(4):
        before, value = np.ones_like(x), x
        for k in range(2, n + 1):
            before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
        slope = n * (x * value - before) / (x * x - 1)
        step = value / slope
        x = x - step
    assert np.max(np.abs(step)) < 1e-17
    return ((1 + x) / 2).astype(float), (1 / ((1 - x * x) * slope**2)).astype(float)


_nodes, _weights = _gauss_legendre(160)
# t = x u^8 takes the singularity of t^(a - 1) at 0 away for a > 1/2.
_STRETCH = 8


def _incomplete(a, x, log_rest):
    """x^-a times the integral of t^(a - 1) e^log_rest(t) from 0 to x, by Gauss and Legendre."""
    u = jnp.asarray(_nodes, x.dtype)
    a, x = a[..., None], x[..., None]
    t = x * u**_STRETCH
    integrand = lax.exp((_STRETCH * a - 1) * lax.log(u) + log_rest(t))
    return _STRETCH * jnp.sum(integrand * jnp.asarray(_weights, x.dtype), -1)


def _wide(function):
    """In f64, rounded back, as the service does."""

    def run(*xs):
        xs = e.together(*xs)
        return function(*[x.astype(jnp.float64) for x in xs]).astype(xs[0].dtype)

    return run


@_wide
def igamma(a, x):
    return lax.exp(a * lax.log(x) - lax.lgamma(a)) * _incomplete(a, x, lambda t: -t)


def igammac(a, x):
    return 1.0 - igamma(a, x)


@_wide
def betainc(a, b, x):
    log_beta = lax.lgamma(a) + lax.lgamma(b) - lax.lgamma(a + b)
    c = b[..., None] - 1.0
    return lax.exp(a * lax.log(x) - log_beta) * _incomplete(a, x, lambda t: c * lax.log1p(-t))


@_wide
def zeta(s, q):
    """Euler and Maclaurin's summation formula."""
    n, terms = 14, 11
    z = q + float(n)
    power = lax.exp(-s * lax.log(z))
    total = power * z / (s - 1.0) + 0.5 * power
    s, q, z = s[..., None], q[..., None], z[..., None]
    total = total + jnp.sum(lax.exp(-s * lax.log(q + np.arange(float(n)))), -1)
    # s (s + 1) ... (s + 2j - 2) for j = 1, 2, ...
    rising = lax.exp(lax.cumsum(lax.log(s + np.arange(2.0 * terms - 1)), s.ndim - 1)[..., ::2])
    j = np.arange(1, terms + 1)
    factors = scipy.special.bernoulli(2 * terms)[2 * j] / scipy.special.factorial(2 * j)
    return total + power * jnp.sum(factors * rising * lax.exp((1.0 - 2 * j) * lax.log(z)), -1)


def nth(function, n, place=0):
    """The n-th derivative in one argument, by nested forward mode."""

    def slope(f):
        def run(*xs):
            one = [jnp.ones_like(x) if k == place else jnp.zeros_like(x) for k, x in enumerate(xs)]
            return jax.jvp(f, xs, tuple(one))[1]

        return run

    for _ in range(n):
        function = slope(function)
    return function


def order_of(n):
    return int(np.asarray(n).reshape(-1)[0])


def _register(name, function, *domains):
    op(name, lambda at, *xs: (function(*e.together(*xs)),))(e._draw(list(domains)))


def _orders(name, function, highest, *domains, orders=1):
    """`orders` constants of whole numbers come first, then operands."""

    @op(name, lambda at, *xs: (function(*[order_of(n) for n in xs[:orders]], *e.together(*xs[orders:])),), orders=orders)
    def _(gen):
        dtype = gen.float_type()
        shape = gen.shape_of_some(dtype)
        constants = [gen.constant(dtype, (), float(gen.integers(0, highest + 1))) for _ in range(orders)]
        return [*constants, *[gen.operand(dtype, shape, *d) for d in domains]], None, {}


def polygamma(n, x):
    if n == 0:
        return lax.digamma(x)
    return (-1.0) ** (n + 1) * math.factorial(n) * zeta(e.constant(x, n + 1.0), x)


def sinc_derivative(n, x):
    total = e.constant(x, 0)
    for k in range(40, (n - 1) // 2, -1):
        if 2 * k >= n:
            c = (-1.0) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) * math.perm(2 * k, n)
            total = total + c * lax.integer_pow(x, 2 * k - n)
    return total


def _density(x):
    return lax.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


@jax.custom_jvp
def log_ndtr(x):
    return host("log_ndtr", x)


# density / norm_cdf, differentiated in its own closed form: g' = -g (x + g).
@log_ndtr.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    return log_ndtr(x), lax.exp(-0.5 * x * x - log_ndtr(x)) / math.sqrt(2 * math.pi) * dx


A, X = (0.6, 5), (0.2, 8)
AB, UNIT = (0.6, 4), (0.1, 0.9)

_register("igamma", igamma, A, X)
_register("igammac", igammac, A, X)
_register("betainc", betainc, AB, AB, UNIT)
_register("zeta", zeta, (1.5, 6), (0.5, 5))
_register("log_ndtr", log_ndtr, (-3, 3))
_orders("polygamma", polygamma, 3, (0.6, 6))

def _first_moment(x):
    """x times the density: 0 at both infinities, where the formula has inf * 0."""
    return lax.select(jnp.isinf(x), e.constant(x, 0), x * _density(x))


# Of the elementary functions.
_register("scaled_power", lambda a, b, c: c * lax.pow(a, b), (0.2, 3), (-2, 2), e.WIDE)
_register("direction", lambda a, b: a / lax.sqrt(a * a + b * b), e.WIDE, (0.1, 4))
_register("over_norm_squared", lambda a, b: a / (a * a + b * b), e.WIDE, (0.3, 4))
_register("sech", lambda x: 1.0 / lax.cosh(x), (-3, 3))
_register("gelu_slope", lambda x: 0.5 * lax.erfc(-x / math.sqrt(2)) + _first_moment(x), (-3, 3))
_orders("sinc_derivative", sinc_derivative, 3, (-2, 2))

# Of the special functions.
_orders("erfcx_derivative", lambda n, x: nth(e.erfcx, n)(x), 2, (-1, 3))
_orders("log_ndtr_derivative", lambda n, x: nth(log_ndtr, n)(x), 2, (-2, 2))
_orders("polygamma_difference", lambda n, a, b: polygamma(n, a) - polygamma(n, a + b), 2, AB, AB)
_orders("zeta_derivative", lambda m, s, q: nth(zeta, m)(s, q), 1, (1.5, 6), (0.5, 5))


def _bessel_derivative(function):
    return lambda k, n, x: nth(lambda x: function(e.constant(x, n), x), k)(x)


_orders("bessel_jn_derivative", _bessel_derivative(e.bessel_j), 2, e.WIDE, orders=2)
_orders("bessel_yn_derivative", _bessel_derivative(e.bessel_y), 2, (1, 9), orders=2)


@jax.custom_jvp
def bessel_i(n, x):
    return host("ive", *e.together(n, x))


@bessel_i.defjvp
def _(primals, tangents):
    n, x = primals
    y = bessel_i(n, x)
    return y, (0.5 * (bessel_i(n - 1, x) + bessel_i(n + 1, x)) - lax.sign(x) * y) * tangents[1]


_orders("bessel_ine_derivative", _bessel_derivative(bessel_i), 2, (0.2, 5), orders=2)
_orders("igamma_grad_a", lambda k, a, x: nth(igamma, k)(a, x), 1, A, X)


def _gamma_density(a, x):
    return lax.exp((a - 1.0) * lax.log(x) - x - lax.lgamma(a))


def _beta_density(a, b, x):
    log_beta = lax.lgamma(a) + lax.lgamma(b) - lax.lgamma(a + b)
    return lax.exp((a - 1.0) * lax.log(x) + (b - 1.0) * lax.log1p(-x) - log_beta)


_orders("igamma_grad_x", lambda k, a, x: nth(_gamma_density, k)(a, x), 1, A, X)
_register("betainc_grad_x", _beta_density, AB, AB, UNIT)
_register("betainc_kernel", lambda a, b, x: _beta_density(a, b, x) * (a + b) / (a * b), AB, AB, UNIT)
_register("betainc_grad_a", nth(betainc, 1, 0), (*AB, "stop"), (*AB, "stop"), UNIT)
_register("betainc_grad_b", nth(betainc, 1, 1), (*AB, "stop"), (*AB, "stop"), UNIT)
# Of the second order the service has no derivatives in a and b.
_STOPPED = ((*AB, "stop"), (*AB, "stop"), UNIT)
_register("betainc_grad_aa", nth(betainc, 2, 0), *_STOPPED)
_register("betainc_grad_ab", nth(nth(betainc, 1, 0), 1, 1), *_STOPPED)
_register("betainc_grad_bb", nth(betainc, 2, 1), *_STOPPED)
