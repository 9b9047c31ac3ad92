"""Elementwise operations, special functions, comparison and selection."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from interpreter import host
from ops import op


def together(*xs):
    """Scalars stretched to the shape of the others."""
    shape = max((x.shape for x in xs), key=len)
    return [x if x.shape == shape else lax.broadcast(x, shape) for x in xs]


def constant(x, value):
    return lax.full_like(x, value)


def _bessel(function):
    @jax.custom_jvp
    def bessel(n, x):
        return host(function, *together(n, x))

    # (f_(n-1) - f_(n+1)) / 2 holds for J and Y.
    @bessel.defjvp
    def _(primals, tangents):
        n, x = together(*primals)
        slope = (bessel(n - 1, x) - bessel(n + 1, x)) * 0.5
        return bessel(n, x), slope * together(tangents[1], x)[0]

    return bessel


bessel_j = _bessel("jv")
bessel_y = _bessel("yn")


@jax.custom_jvp
def erfcx(x):
    return host("erfcx", x)


@erfcx.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    y = erfcx(x)
    return y, (2.0 * x * y - 2.0 / math.sqrt(math.pi)) * dx


@jax.custom_jvp
def norm_ppf(p):
    return host("ndtri", p)


@norm_ppf.defjvp
def _(primals, tangents):
    y = norm_ppf(primals[0])
    return y, math.sqrt(2 * math.pi) * lax.exp(0.5 * y * y) * tangents[0]


@jax.custom_jvp
def absolute(x):
    return lax.abs(x)


# Policy: 0 at 0, where JAX (0.10) gives 1.
@absolute.defjvp
def _(primals, tangents):
    return absolute(primals[0]), lax.sign(primals[0]) * tangents[0]


def limit_at_minus_infinity(function):
    """x * f(x) with f(x) -> 0: 0 at -inf, where the formula has inf * 0."""
    return lambda x: lax.select(x == constant(x, -math.inf), constant(x, 0), function(x))


@jax.custom_jvp
def hypot(a, b):
    root = lax.sqrt(a * a + b * b)
    # As in C: an infinite side makes it infinite even if the other is NaN.
    return lax.select(jnp.isinf(a) | jnp.isinf(b), constant(root, math.inf), root)


# Policy: 0 at the origin, where JAX gives NaN.
@hypot.defjvp
def _(primals, tangents):
    (a, b), (da, db) = primals, tangents
    y = hypot(a, b)
    at_origin = y == 0
    safe = lax.select(at_origin, constant(y, 1), y)
    zero = constant(y, 0)
    return y, lax.select(at_origin, zero, a / safe) * da + lax.select(at_origin, zero, b / safe) * db


def where_positive(x, yes, no):
    return lax.select(x > constant(x, 0), yes, no)


def elu(x, alpha):
    # The branch not taken is kept from overflowing; not by min, which would share the derivative at 0.
    return where_positive(x, x, alpha * lax.expm1(where_positive(x, constant(x, 0), x)))


def truncate(x):
    return lax.stop_gradient(lax.sign(x) * lax.floor(lax.abs(x)))


# Sine over its argument by its series, as the closed form has 0 / 0 at 0.
def sinc(x):
    t = (x * math.pi) * (x * math.pi)
    term = constant(x, 1.0)
    total = term
    for k in range(1, 24):
        term = -term * t * (1.0 / ((2 * k) * (2 * k + 1)))
        total = total + term
    return total


# Operands are drawn small enough for the exponential.
def softplus(x):
    return lax.log1p(lax.exp(x))


def logaddexp(a, b):
    # Where the difference is no number the larger operand is the sum.
    gap = b - a
    apart = ~lax.is_finite(gap)
    return lax.select(apart, lax.max(a, b), a + softplus(lax.select(apart, constant(gap, 0), gap)))


def multiply_no_nan(a, b):
    y = a * b
    zero = (a == constant(a, 0)) | (b == constant(b, 0))
    # Only where it differs from the product, whose derivative it has.
    return lax.select(zero & ~lax.is_finite(y), constant(y, 0), y)


WIDE = (-4.0, 4.0)
UNIT = (-0.95, 0.95)

UNARY = {
    "square": (lambda x: x * x, WIDE),
    "sqrt": (lax.sqrt, (0.05, 9)),
    "rsqrt": (lax.rsqrt, (0.1, 9)),
    "cbrt": (lambda x: lax.sign(x) * lax.exp(lax.log(lax.abs(x)) / 3.0), (0.1, 9)),
    "reciprocal": (lambda x: 1.0 / x, (0.3, 5)),
    "exp": (lax.exp, (-5, 3)),
    "expm1": (lax.expm1, (-5, 3)),
    "log": (lax.log, (0.1, 9)),
    "log1p": (lax.log1p, (-0.8, 9)),
    "exp2": (lambda x: lax.exp(x * math.log(2)), (-5, 4)),
    "log2": (lambda x: lax.log(x) / math.log(2), (0.1, 9)),
    "log10": (lambda x: lax.log(x) / math.log(10), (0.1, 9)),
    "logistic": (lax.logistic, WIDE),
    "softplus": (softplus, WIDE),
    # Infinity over infinity is ±1.
    "softsign": (lambda x: lax.select(jnp.isinf(x), lax.sign(x), x / (1 + absolute(x))), WIDE),
    "log_sigmoid": (lambda x: -softplus(-x), WIDE),
    "sin": (lax.sin, WIDE),
    "cos": (lax.cos, WIDE),
    "tan": (lax.tan, (-1.3, 1.3)),
    "asin": (lax.asin, UNIT),
    "acos": (lax.acos, UNIT),
    "atan": (lax.atan, WIDE),
    "sinh": (lax.sinh, (-3, 3)),
    "cosh": (lax.cosh, (-3, 3)),
    "tanh": (lax.tanh, (-3, 3)),
    "asinh": (lax.asinh, WIDE),
    "acosh": (lax.acosh, (1.2, 9)),
    "atanh": (lax.atanh, UNIT),
    "sinc": (sinc, (-2.3, 2.3)),
    "gelu": (limit_at_minus_infinity(lambda x: x * 0.5 * lax.erfc(-x / math.sqrt(2))), WIDE),
    "gelu_tanh": (
        limit_at_minus_infinity(
            lambda x: 0.5 * x * (1.0 + lax.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
        ),
        (-3, 3),
    ),
    "silu": (limit_at_minus_infinity(lambda x: x * lax.logistic(x)), WIDE),
    "erf": (lax.erf, (-3, 3)),
    "erfc": (lax.erfc, (-3, 3)),
    "erf_inv": (lax.erf_inv, UNIT),
    "erfcx": (erfcx, (-2, 4)),
    "lgamma": (lax.lgamma, (0.3, 9)),
    "digamma": (lax.digamma, (0.3, 9)),
    "bessel_i0e": (lax.bessel_i0e, (0.1, 5)),
    "bessel_i1e": (lax.bessel_i1e, (0.1, 5)),
    "bessel_j0": (lambda x: bessel_j(constant(x, 0), x), WIDE),
    "bessel_j1": (lambda x: bessel_j(constant(x, 1), x), WIDE),
    "bessel_y0": (lambda x: bessel_y(constant(x, 0), x), (0.5, 9)),
    "bessel_y1": (lambda x: bessel_y(constant(x, 1), x), (0.5, 9)),
    "norm_cdf": (lambda x: 0.5 * lax.erfc(-x / math.sqrt(2)), (-3, 3)),
    "norm_ppf": (norm_ppf, (0.03, 0.97)),
}
# Exact on small integers, and of integers as well where the third field says so.
UNARY_EXACT = {
    "negate": (lax.neg, WIDE, True),
    "abs": (lambda x: lax.abs(x) if x.dtype == jnp.int64 else absolute(x), WIDE, True),
    "sign": (lax.sign, WIDE, True),
    "floor": (lax.floor, WIDE, False),
    "ceil": (lax.ceil, WIDE, False),
    "round_nearest_even": (lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), WIDE, False),
    "round_nearest_afz": (lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), WIDE, False),
    "trunc": (truncate, WIDE, False),
    # Policy: 0 at 0; NaN stays.
    "relu": (lambda x: lax.select(x <= constant(x, 0), constant(x, 0), x), WIDE, False),
    "stop_gradient": (lax.stop_gradient, WIDE, True),
}
BINARY = {
    "divide": (lax.div, WIDE, (0.3, 4)),
    "power": (lax.pow, (0.2, 3), (-2, 2)),
    "remainder": (lax.rem, WIDE, (0.3, 3)),
    "hypot": (hypot, WIDE, WIDE),
    "logaddexp": (logaddexp, WIDE, WIDE),
    "atan2": (lax.atan2, WIDE, (0.1, 4)),
    "leaky_relu": (lambda x, s: where_positive(x, x, s * x), WIDE, (0.01, 0.5)),
    "elu": (elu, WIDE, (0.3, 2)),
    "lbeta": (lambda a, b: lax.lgamma(a) + lax.lgamma(b) - lax.lgamma(a + b), (0.5, 5), (0.5, 5)),
    "xlogy": (lambda x, y: x * lax.log(y), WIDE, (0.2, 5)),
    "xlog1py": (lambda x, y: x * lax.log1p(y), WIDE, (-0.7, 5)),
}
BINARY_EXACT = {
    "add": (lax.add, True),
    "subtract": (lax.sub, True),
    "multiply": (lax.mul, True),
    "maximum": (lax.max, True),
    "minimum": (lax.min, True),
    "multiply_no_nan": (multiply_no_nan, False),
    "copysign": (lambda a, b: absolute(a) * lax.stop_gradient(jnp.copysign(constant(b, 1), b)), False),
}


def _draw(domains, integers=False):
    """Operands of one type, each in its domain; a domain with a third component has its gradient stopped."""

    def draw(gen):
        dtype = "i64" if integers and gen.chance(0.12) else gen.float_type()
        shape = gen.shape_of_some(dtype)
        wide = gen.integers(0, len(domains))
        operands = []
        for i, domain in enumerate(domains):
            use = shape if i == wide or gen.chance(0.8) else ()
            if dtype == "i64":
                operands.append(gen.integer_operand(use))
                continue
            value = gen.operand(dtype, use, domain[0], domain[1])
            if len(domain) > 2:
                value = gen.node("stop_gradient", [value])
            operands.append(value)
        return operands, None, {}

    return draw


def _unary(function):
    return lambda attributes, x: (function(x),)


def _binary(function):
    return lambda attributes, a, b: (function(*together(a, b)),)


for _name, (_f, _d) in UNARY.items():
    op(_name, _unary(_f))(_draw([_d]))
for _name, (_f, _d, _i) in UNARY_EXACT.items():
    op(_name, _unary(_f))(_draw([_d], _i))
for _name, (_f, _a, _b) in BINARY.items():
    op(_name, _binary(_f))(_draw([_a, _b]))
for _name, (_f, _i) in BINARY_EXACT.items():
    op(_name, _binary(_f), weight=2)(_draw([WIDE, WIDE], _i))


# I64: x / 0 = 0 and x % 0 = 0.
def _whole(function):
    def run(attributes, a, b):
        a, b = together(a, b)
        if a.dtype != jnp.int64:
            return (function(a, b),)
        zero = b == 0
        return (lax.select(zero, constant(a, 0), function(a, lax.select(zero, constant(b, 1), b))),)

    return run


for _name in ("divide", "remainder"):
    _f, _a, _b = BINARY[_name]
    op(_name, _whole(_f))(_draw([_a, _b], True))


# Ties share equally, which min and max of JAX do but its clamp does not.
@op("clamp", lambda at, lo, x, hi: (lambda l, y, h: (lax.min(lax.max(y, l), h),))(*together(lo, x, hi)))
def _(gen):
    dtype = gen.float_type()
    shape = gen.shape_of_some(dtype)
    if gen.chance(0.4):
        low, high = gen.constant(dtype, (), -1.0), gen.constant(dtype, (), 1.0)
    else:
        low, high = gen.operand(dtype, shape, -3, -0.5), gen.operand(dtype, (), 0.5, 3)
    return [low, gen.operand(dtype, shape, *WIDE), high], None, {}


@op("fma", lambda at, a, b, c: (lambda x, y, z: (x * y + z,))(*together(a, b, c)))
def _(gen):
    return _draw([WIDE] * 3)(gen)


def _integer_pow(attributes, x):
    return (lax.integer_pow(x, attributes["exponent"]),)


@op("integer_pow", _integer_pow)
def _(gen):
    exponent = int(gen.integers(-3, 5))
    dtype = gen.float_type()
    domain = (-3, 3) if exponent >= 0 else (0.4, 3)
    return [gen.operand(dtype, gen.shape_of_some(dtype), *domain)], "integer_pow", {"exponent": exponent}


def _ordered(name, low, function, domain):
    """Functions of an order (a whole number, a constant) and an argument."""

    @op(name, lambda at, n, x: (function(*together(n, x)),))
    def _(gen):
        dtype = gen.float_type()
        order = gen.constant(dtype, (), float(gen.integers(low, 4)))
        return [order, gen.operand(dtype, gen.shape_of_some(dtype), *domain)], None, {}


_ordered("bessel_jn", 0, bessel_j, WIDE)
_ordered("bessel_yn", 0, bessel_y, (1, 9))


COMPARISONS = {1: lax.eq, 2: lax.ne, 3: lax.lt, 4: lax.le, 5: lax.gt, 6: lax.ge}


@op("compare", lambda at, a, b: (COMPARISONS[at["direction"]](*together(a, b)),))
def _(gen):
    operands, _, _ = _draw([WIDE, WIDE], True)(gen)
    return operands, "compare", {"direction": int(gen.integers(1, 7))}


def _select(attributes, p, a, b):
    p, a, b = together(p, a, b)
    return (lax.select(p, a, b),)


@op("select", _select, weight=2)
def _(gen):
    dtype = gen.float_type() if gen.chance(0.9) else "i64"
    shape = gen.shape_of_some(dtype)
    p = gen.bool_operand(shape if gen.chance(0.7) else ())
    return [p, gen.operand(dtype, shape, *WIDE), gen.operand(dtype, shape, *WIDE)], None, {}


for _name, _f in {"and": lax.bitwise_and, "or": lax.bitwise_or, "xor": lax.bitwise_xor}.items():

    @op(_name, _binary(_f), weight=0.5)
    def _(gen):
        shape = gen.shape_of_some("bool")
        return [gen.bool_operand(shape), gen.bool_operand(shape)], None, {}


@op("not", _unary(lax.bitwise_not), weight=0.5)
def _(gen):
    return [gen.bool_operand(gen.shape_of_some("bool"))], None, {}


for _name, _f in {"is_finite": lax.is_finite, "is_nan": jnp.isnan, "is_inf": jnp.isinf}.items():
    op(_name, _unary(_f), weight=0.5)(_draw([WIDE]))
