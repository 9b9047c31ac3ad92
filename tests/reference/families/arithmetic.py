"""Arithmetic, powers, roots, rounding."""

import math

from mpmath import mp, mpf

from oracle import Entry
from points import MAX, NORMAL, TINY, Draw, both, ones, ulps


def unary(op, value, points):
    return Entry(op, value, ones(points(Draw(op))))


def line(d, away=False):
    """The whole line on every scale; without 0 if `away`."""
    numbers = (d.linear(-3, 3, 80) + d.log(NORMAL, MAX, 100, "+-") + d.log(1e-3, 1e3, 40, "+-")
               + both([NORMAL, MAX, TINY, 1.0, 1e154, 1e-154, 1e-103, 1e103, 1.4e154]))
    return numbers if away else numbers + [0.0]


def positive(d):
    return (d.linear(0.01, 4, 80) + d.log(NORMAL, MAX, 100) + d.log(1e-3, 1e3, 40) + d.log(1e-323, NORMAL, 10)
            + [NORMAL, MAX, TINY, 1.0, 4.0])


def signed(d):
    return [x for x in positive(d)] + [-x for x in d.log(NORMAL, MAX, 40)]


def between_integers(d):
    """Away from integers and halves."""
    numbers = d.linear(-3, 3, 100) + d.linear(-1e6, 1e6, 40) + d.log(1e-308, 0.4, 50, "+-") + d.log(1, 1e15, 40, "+-")
    return [x for x in numbers + [0.49999999999999994, -0.49999999999999994, 0.5000000000000001, 2.4999999999999996]
            if (2 * x) % 1]


def nearest_even(x):
    return mp.nint(x)


def away_from_zero(x):
    return mp.sign(x) * mp.floor(abs(x) + 0.5)


def plane(op, n=110, second=None):
    """Pairs near 1, on all scales, and of like size."""
    d = Draw(op)
    near = d.pairs(d.linear(-3, 3, n), d.linear(-3, 3, n))
    apart = d.pairs(d.log(1e-300, 1e300, 60, "+-"), d.log(1e-300, 1e300, 60, "+-"))
    like = [(x, x * t) for x, t in d.pairs(d.log(1e-150, 1e150, 50, "+-"), d.log(1e-2, 1e2, 50, "+-"))]
    return [p for p in near + apart + like if p[0] != p[1]]


def divide_points():
    d = Draw("divide")
    subnormal = d.pairs(d.log(1e-323, 1e-300, 30, "+-"), d.log(1e-300, 1e300, 30, "+-"))
    edges = [(1.0, 1e-150), (1.0, 1e-103), (1.0, 1e-200), (1e-200, 1e-200), (1.0, 1e150), (MAX, MAX), (MAX, 2.0),
             (NORMAL, NORMAL), (1.0, NORMAL), (0.0, 1.0), (0.0, -1e200), (0.0, 1e-100), (1e300, 1e300), (1.0, MAX)]

    def has_digits(a, b):
        """Quotients that overflow are left out, and those that lose digits of a subnormal a before / b restores it."""
        y = abs(a / b) if b else math.inf
        return y < math.inf and (y >= NORMAL or abs(b) >= 1 or a == 0)

    return [p for p in plane("divide") + subnormal + edges if has_digits(*p)]


def power_points():
    d = Draw("power")
    near = d.pairs(d.linear(0.1, 4, 80), d.linear(-3, 3, 80))
    wide = [(a, t / math.log(a)) for a, t in d.pairs(d.log(1e-300, 1e300, 50), d.linear(-700, 700, 50))]
    one = [(1 + e, t / e) for e, t in d.pairs(d.log(1e-15, 1e-2, 30, "+-"), d.linear(-600, 600, 30))]
    whole = [(a, float(round(b))) for a, b in d.pairs(d.log(1e-3, 1e3, 40), d.linear(-20, 20, 40))]
    small = d.pairs(d.log(1e-3, 1e3, 20), d.log(1e-300, 1e-3, 20, "+-"))
    large = d.pairs(d.log(1e-300, 1e300, 30), d.linear(-1.5, 1.5, 30))
    edges = [(2.0, 0.0), (1e-300, 0.0), (1e300, 0.0), (1.0, 5.0), (1.0, 0.5), (1.0, -1e300), (1.0, 0.0), (2.0, 1023.5),
             (2.0, -1074.0), (TINY, 0.5), (MAX, 0.5), (MAX, 1.0), (NORMAL, 1.0), (10.0, 308.0), (10.0, -308.0),
             (5.0, 1.0), (5.0, 2.0), (1e-200, 2.0), (1e-200, 3.0), (1e154, 2.0), (0.5, 1074.0), (0.5, 1e10), (2.0, 1e10)]
    return near + wide + one + whole + small + large + edges


def scaled_power_points():
    d = Draw("scaled_power")
    wide = [(a, t / math.log(a)) for a, t in d.pairs(d.log(1e-100, 1e100, 130), d.linear(-230, 230, 130))]
    near = d.pairs(d.linear(0.1, 4, 90), d.linear(-3, 3, 90))
    return [(a, b, c) for (a, b), c in d.pairs(near + wide, d.log(0.01, 100, 110, "+-") + d.linear(-2, 2, 110))]


def negative_power(d):
    wide = [(a, t / math.log(a)) for a, t in d.pairs(d.log(1e-300, 1e300, 50), d.linear(-700, 700, 50))]
    return [(-a, float(round(b))) for a, b in d.pairs(d.log(1e-3, 1e3, 60), d.linear(-12, 12, 60)) + wide]


def integer_pow_points():
    d = Draw("integer_pow")
    rows = []
    for n in (-1000, -50, -7, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 8, 13, 64, 333, 1001):
        span = 700 / max(abs(n), 1)
        sizes = [math.exp(t) for t in d.linear(-span, span, 10)] + d.log(0.5, 2, 6)
        rows += [(x * d.random.choice((1, -1)), n) for x in sizes]
        rows += [(x, n) for x in ([1.0, -1.0] + ([0.0] if n >= 0 else []))]
    rows += [(2.0, -(2**31)), (1.0000001, 2**31 - 1), (-1.0, 2**31 - 1), (-1.0, -(2**31)), (0.5, 1074), (0.5, 1075),
             (1 + 2.0**-30, -(2**31)), (1 - 2.0**-30, 2**31 - 1), (1.5, 1700), (1.5, -1800), (3.0, 33), (10.0, 22)]
    return rows


def integer_pow_derivative(order):
    def derivative(x, n):
        n = int(n)
        factor = mpf(n) if order == 1 else mpf(n) * (n - 1)
        return [factor * x ** (n - order) if factor else mpf(0)]
    return derivative


def remainder_points():
    d = Draw("remainder")
    near = d.pairs(d.linear(-8, 8, 160), d.linear(-3, 3, 160))
    far = [(x * t, x) for x, t in d.pairs(d.log(1e-150, 1e150, 60, "+-"), d.log(0.1, 1e15, 60, "+-"))]
    small = d.pairs(d.log(1e-300, 1, 30, "+-"), d.log(1, 1e300, 30, "+-"))
    return [(a, b) for a, b in near + far + small if b and math.fmod(a, b) and abs(a / b) < 2.0**52]


def remainder(a, b):
    quotient = a / b
    return a - b * (mp.floor(quotient) if quotient > 0 else mp.ceil(quotient))


def remainder_slopes(a, b):
    quotient = a / b
    return [mpf(1), -(mp.floor(quotient) if quotient > 0 else mp.ceil(quotient))]


def hypot_points():
    d = Draw("hypot")
    axis = [(0.0, x) for x in d.log(1e-300, 1e300, 15, "+-")] + [(x, 0.0) for x in d.log(1e-300, 1e300, 15, "+-")]
    skew = [(x, x * t) for x, t in d.pairs(d.log(1e-140, 1e140, 30, "+-"), d.log(1e-160, 1e160, 30, "+-"))]
    return plane("hypot") + axis + skew + [(MAX / 2, MAX / 2), (NORMAL, NORMAL), (3.0, 4.0), (1e-310, 1e-309)]


def clamp_points():
    d = Draw("clamp")
    rows = []
    for scale in d.log(1e-300, 1e300, 110) + [1.0] * 110:
        low, high = sorted(d.linear(-3, 3, 2))
        rows.append((low * scale, d.random.uniform(-5, 5) * scale, high * scale))
    return [(a, x, b) for a, x, b in rows if len({a, x, b}) == 3]


def fma_points():
    d = Draw("fma")
    near = [tuple(d.linear(-3, 3, 3)) for _ in range(90)]
    apart = [tuple(d.log(1e-150, 1e150, 3, "+-")) for _ in range(60)]
    cancel = [(a, b, -(a * b)) for a, b in d.pairs(d.log(1e-100, 1e100, 60, "+-"), d.log(1e-100, 1e100, 60, "+-"))]
    return near + apart + cancel + [(1e-200, 1e-200, 1e-300), (MAX, 2.0, -MAX), (MAX, 0.5, MAX / 2), (0.0, 0.0, 0.0),
                                    (1e-160, 1e-160, 0.0), (1e-200, 1e-124, 1e-323), (1e300, 1e300, 1.0)]


def zeros(n):
    return lambda *_: [mpf(0)] * n


ENTRIES = [
    unary("negate", lambda x: -x, line),
    unary("abs", abs, lambda d: line(d, away=True)),
    unary("sign", mp.sign, lambda d: line(d, away=True)),
    unary("square", lambda x: x * x, line),
    unary("sqrt", mp.sqrt, positive),
    unary("rsqrt", lambda x: 1 / mp.sqrt(x), positive),
    unary("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)), signed),
    unary("reciprocal", lambda x: 1 / x, lambda d: line(d, away=True)),
    unary("floor", mp.floor, between_integers),
    unary("ceil", mp.ceil, between_integers),
    unary("round_nearest_even", nearest_even, between_integers),
    unary("round_nearest_afz", away_from_zero, between_integers),
    unary("trunc", lambda x: mp.floor(x) if x > 0 else mp.ceil(x), between_integers),
    Entry("add", lambda a, b: a + b, plane("add"), first=lambda a, b: [mpf(1)] * 2, second=zeros(3)),
    Entry("subtract", lambda a, b: a - b, plane("subtract"), first=lambda a, b: [mpf(1), mpf(-1)], second=zeros(3)),
    Entry("multiply", lambda a, b: a * b, plane("multiply") + [(0.0, 2.0), (0.0, 0.0), (-1.0, 0.0)],
          first=lambda a, b: [b, a], second=lambda a, b: [mpf(0), mpf(1), mpf(0)]),
    Entry("multiply_no_nan", lambda a, b: a * b, plane("multiply_no_nan") + [(-1.0, 2.0)],
          first=lambda a, b: [b, a], second=lambda a, b: [mpf(0), mpf(1), mpf(0)]),
    Entry("divide", lambda a, b: a / b, divide_points(), first=lambda a, b: [1 / b, -a / b**2],
          second=lambda a, b: [mpf(0), -1 / b**2, 2 * a / b**3]),
    Entry("maximum", max, plane("maximum"), first=lambda a, b: [mpf(a > b), mpf(b > a)], second=zeros(3)),
    Entry("minimum", min, plane("minimum"), first=lambda a, b: [mpf(a < b), mpf(b < a)], second=zeros(3)),
    Entry("power", lambda a, b: a**b, power_points(),
          first=lambda a, b: [b * a ** (b - 1), mp.log(a) * a**b],
          second=lambda a, b: [b * (b - 1) * a ** (b - 2), a ** (b - 1) * (1 + b * mp.log(a)), mp.log(a) ** 2 * a**b]),
    # Of a negative base only whole exponents have a value: there is no derivative in them.
    Entry("power", lambda a, b: a ** int(b), negative_power(Draw("negative_power")), fixed=(1,), part="negative_base",
          first=lambda a, b: [b * a ** int(b - 1)], second=lambda a, b: [b * (b - 1) * a ** int(b - 2)]),
    Entry("scaled_power", lambda a, b, c: c * a**b, scaled_power_points(),
          first=lambda a, b, c: [c * b * a ** (b - 1), c * mp.log(a) * a**b, a**b],
          second=lambda a, b, c: [c * b * (b - 1) * a ** (b - 2), c * a ** (b - 1) * (1 + b * mp.log(a)),
                                  b * a ** (b - 1), c * mp.log(a) ** 2 * a**b, mp.log(a) * a**b, mpf(0)]),
    Entry("integer_pow", lambda x, n: x ** int(n), integer_pow_points(), attribute=True,
          first=integer_pow_derivative(1), second=integer_pow_derivative(2)),
    Entry("remainder", remainder, remainder_points(), first=remainder_slopes, second=zeros(3)),
    Entry("hypot", lambda a, b: mp.sqrt(a * a + b * b), hypot_points()),
    Entry("copysign", lambda a, b: abs(a) * (1 if b > 0 else -1), plane("copysign"),
          first=lambda a, b: [mp.sign(a) * mp.sign(b), mpf(0)], second=zeros(3)),
    Entry("clamp", lambda low, x, high: min(max(x, low), high), clamp_points(),
          first=lambda low, x, high: [mpf(x < low), mpf(low < x < high), mpf(x > high)], second=zeros(6)),
    Entry("fma", lambda a, b, c: a * b + c, fma_points(), first=lambda a, b, c: [b, a, mpf(1)],
          second=lambda a, b, c: [mpf(0), mpf(1), mpf(0), mpf(0), mpf(0), mpf(0)]),
]
