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
    ends = d.pairs(d.log(1e-308, 1e308, 60, "+-"), d.log(1e-308, 1e308, 60, "+-"))
    near = d.pairs(d.linear(-2, 2, 90), d.linear(-2, 2, 90))
    same = [(x, y * x) for x, y in d.pairs(d.log(1e-300, 1e300, 50, "+-"), d.log(1e-3, 1e3, 50, "+-"))]
    axis = [(0.0, x) for x in d.log(1e-300, 1e300, 15)] + [(x, 0.0) for x in d.log(1e-300, 1e300, 15, "+-")]
    return near + ends + same + axis


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
]
