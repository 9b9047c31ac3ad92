"""Exponentials and logarithms."""

import math

from mpmath import mp, mpf

from oracle import Entry
from points import MAX, NORMAL, TINY, Draw, both, ones, ulps


def unary(op, value, points):
    return Entry(op, value, ones(points(Draw(op))))


def log_points(d):
    return (d.log(0.01, 100, 80) + d.log(NORMAL, MAX, 60) + d.near(1.0, 50) + ulps(1.0, 3)
            + d.log(1e-323, NORMAL, 10) + [TINY, NORMAL, MAX, 0.5, 2.0, 10.0, 1000.0])


def logaddexp_points(d):
    a = d.linear(-5, 5, 60) + d.linear(-750, 750, 50)
    close = [(x, x + t) for x, t in d.pairs(d.linear(-50, 50, 40), d.log(1e-16, 1, 40, "+-"))]
    apart = d.pairs(d.log(1e-300, 1e300, 50, "+-"), d.log(1e-300, 1e300, 50, "+-"))
    tails = [(x, x - t) for x, t in d.pairs(d.linear(-3, 3, 30), d.linear(20, 800, 30))]
    # Around e^a + e^b = 1, where the result changes sign.
    zero = [(r - math.log1p(math.exp(t)) + t, r - math.log1p(math.exp(t)))
            for r, t in d.pairs(d.log(1e-12, 0.6, 40, "+-"), d.linear(-30, 30, 40))]
    return (zero + d.pairs(a, a) + close + apart + tails
            + [(0.0, 0.0), (1.0, 1.0), (-1e300, 0.0), (709.0, 710.0), (-745.0, 0.0), (0.0, -745.0), (MAX / 2, 0.0)])


def sigmoid_points(d):
    return (d.linear(-4, 4, 70) + d.linear(-750, 750, 60) + d.linear(-40, 40, 40) + d.log(1e-308, 1, 40, "+-")
            + both([700.0, 708.5, 710.0, 744.0, 746.0, 36.7, 37.0, 18.0, 1e5, 1e300]) + [0.0, TINY])


ENTRIES = [
    unary("exp", mp.exp, lambda d: d.linear(-3, 3, 80) + d.linear(-745, 709.7, 80) + d.log(1e-300, 1, 40, "+-")
          + [0.0, 709.782712893384, 709.78, -708.39, -708.4, -744.0, -745.13, -746.0, 1e5, -1e300, TINY, -NORMAL]),
    unary("expm1", mp.expm1, lambda d: d.linear(-3, 3, 80) + d.linear(-745, 709.7, 60) + d.log(1e-308, 1, 70, "+-")
          + d.linear(-45, -30, 20) + [0.0, 709.782712893384, -37.0, -746.0, 1e5, -1e300, TINY, -NORMAL]),
    unary("log", mp.log, log_points),
    unary("log1p", lambda x: mp.log1p(x),
          lambda d: d.linear(-0.9, 4, 80) + d.log(1e-308, 1, 60, "+-") + d.log(1, MAX, 40)
          + [x - 1 for x in d.log(2.0**-52, 0.1, 40)] + ulps(-1.0, 3, "+")[1:] + [0.0, TINY, MAX, -0.5]),
    unary("exp2", lambda x: mpf(2) ** x,
          lambda d: d.linear(-3, 3, 80) + d.linear(-1074, 1023.9, 80) + d.log(1e-300, 1, 40, "+-")
          + [0.0, 1.0, -1.0, 10.0, 1023.0, 1023.99999, -1022.0, -1021.5, -1074.0, -1073.5, -1080.0, 1e5, -1e300]),
    unary("log2", lambda x: mp.log(x) / mp.log(2), log_points),
    unary("log10", lambda x: mp.log(x) / mp.log(10), log_points),
    unary("logistic", lambda x: 1 / (1 + mp.exp(-x)), sigmoid_points),
    unary("softplus", lambda x: mp.log1p(mp.exp(x)), sigmoid_points),
    unary("log_sigmoid", lambda x: -mp.log1p(mp.exp(-x)), sigmoid_points),
    Entry("logaddexp", lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))), logaddexp_points(Draw("logaddexp")),
          first=lambda a, b: [1 / (1 + mp.exp(b - a)), 1 / (1 + mp.exp(a - b))],
          second=lambda a, b: [s / (2 + mp.exp(a - b) + mp.exp(b - a)) for s in (1, -1, 1)]),
]
