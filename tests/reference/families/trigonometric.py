"""Trigonometric and hyperbolic functions with their inverses."""

import math

from mpmath import mp, mpf

from oracle import Entry
from points import MAX, NORMAL, TINY, Draw, both, ones, ulps


def unary(op, value, points):
    return Entry(op, value, ones(points(Draw(op))))


def angles(d):
    quarters = [k * math.pi / 2 for k in (1, 2, 3, 4, 5, 6, 7, 8, 101, 1002)]
    return (d.linear(-4, 4, 70) + d.linear(-100, 100, 40) + d.log(1e-308, 1, 50, "+-") + d.log(1, 1e300, 40, "+-")
            + both(quarters) + [x for q in quarters[:4] for x in d.near(q, 6)] + [0.0, TINY, 1e22, MAX, NORMAL])


def unit_interval(d):
    return (d.linear(-0.9, 0.9, 80) + d.log(1e-308, 0.5, 60, "+-") + both([1 - x for x in d.log(2.0**-53, 0.1, 35)])
            + both(ulps(1.0, 3, "-")[1:]) + [0.0, TINY, 0.5, -0.5])


def line(d):
    return (d.linear(-3, 3, 80) + d.log(1e-308, 1, 60, "+-") + d.log(1, 1e3, 40, "+-") + d.log(1e3, MAX, 50, "+-")
            + [0.0, TINY, -NORMAL, MAX, -MAX, 1.0, -1.0])


def hyperbolic(d):
    return (d.linear(-3, 3, 80) + d.log(1e-308, 1, 60, "+-") + d.linear(-711, 711, 60) + d.linear(-25, 25, 40)
            + both([22.0, 36.0, 37.0, 354.0, 356.0, 372.0, 373.0, 709.5, 710.4, 710.47586, 711.0, 746.0, 1e5, 1e300]) + [0.0, TINY])


def pairs(d):
    like = [(x, x * t) for x, t in d.pairs(d.log(1e-80, 1e80, 140, "+-"), d.log(1e-30, 1e30, 40, "+-") + d.log(1e-3, 1e3, 100, "+-"))]
    ends = d.pairs(d.log(1e-308, 1e308, 60, "+-"), d.log(1e-308, 1e308, 60, "+-"))
    near = d.pairs(d.linear(-2, 2, 90), d.linear(-2, 2, 90))
    same = [(x, y * x) for x, y in d.pairs(d.log(1e-300, 1e300, 50, "+-"), d.log(1e-3, 1e3, 50, "+-"))]
    axis = [(0.0, x) for x in d.log(1e-300, 1e300, 15)] + [(x, 0.0) for x in d.log(1e-300, 1e300, 15, "+-")]
    diagonal = [(x, x * (1 + t)) for x, t in d.pairs(d.log(1e-100, 1e100, 20, "+-"), d.log(1e-15, 1e-3, 20, "+-"))]
    return near + ends + same + axis + diagonal + like + [(1.0, 1.0), (2.0, -2.0)]


def sinc_leibniz(n, x):
    """The n-th derivative of sinc: Leibniz' rule on x sinc(x) = sin(pi x) / pi; the series near 0."""
    n = int(n)
    if abs(x) < 0.01:
        terms = range((n + 1) // 2, n + 200)
        return mp.fsum((-1) ** k * mp.pi ** (2 * k) * x ** (2 * k - n) / ((2 * k + 1) * mp.factorial(2 * k - n))
                       for k in terms)
    result = mp.sinc(mp.pi * x)
    for k in range(1, n + 1):
        wave = mp.pi ** (k - 1) * mp.sin(mp.pi * x + k * mp.pi / 2)
        result = (wave - k * result) / x
    return result


def away_from_origin(op):
    """Where second derivatives, the third ones of hypot and atan2, neither overflow nor cancel."""
    return [p for p in pairs(Draw(op)) if 1e-90 < max(map(abs, p)) < 1e90 and (0 in p or 1e-3 < abs(p[0] / p[1]) < 1e3)]


SINC = Draw("sinc_derivative")
ENTRIES = [
    unary("sin", mp.sin, angles),
    unary("cos", mp.cos, angles),
    unary("tan", mp.tan, angles),
    unary("asin", mp.asin, unit_interval),
    unary("acos", mp.acos, unit_interval),
    unary("atan", mp.atan, line),
    unary("sinh", mp.sinh, hyperbolic),
    unary("cosh", mp.cosh, hyperbolic),
    unary("tanh", mp.tanh, hyperbolic),
    unary("asinh", mp.asinh, line),
    unary("acosh", mp.acosh, lambda d: d.linear(1.001, 4, 80) + [1 + x for x in d.log(2.0**-52, 0.1, 60)]
          + d.log(2, MAX, 60) + ulps(1.0, 4, "+")[1:] + [MAX, 2.0]),
    unary("atanh", mp.atanh, unit_interval),
    Entry("atan2", mp.atan2, pairs(Draw("atan2"))),
    unary("sinc", lambda x: mp.sinc(mp.pi * x),
          lambda d: d.linear(-4, 4, 70) + d.linear(-100, 100, 40) + d.log(1e-308, 1, 60, "+-") + d.log(1, 1e300, 30, "+-")
          + [float(k) for k in range(-5, 6)] + [k / 2 for k in range(-9, 10, 2)] + d.near(1.0, 8) + d.near(-2.0, 8)
          + [TINY, 1e6, 1e15, MAX, NORMAL]),
    unary("sech", mp.sech, hyperbolic),
    Entry("sinc_derivative", sinc_leibniz,
          [(float(n), x) for n in (0, 1, 2, 3, 4) for x in SINC.linear(-4, 4, 24) + SINC.log(1e-300, 1, 14, "+-")
           + SINC.log(1, 1e100, 6, "+-") + [0.0]], fixed=(0,),
          first=lambda n, x: [sinc_leibniz(n + 1, x)], second=lambda n, x: [sinc_leibniz(n + 2, x)]),
    Entry("over_norm_squared", lambda a, b: a / (a * a + b * b), away_from_origin("over_norm_squared")),
    Entry("direction", lambda a, b: a / mp.sqrt(a * a + b * b), away_from_origin("direction")),
]
