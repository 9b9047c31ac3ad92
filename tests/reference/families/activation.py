"""Activation functions of neural networks."""

from mpmath import mp, mpf

from oracle import Entry
from points import MAX, NORMAL, TINY, Draw, both, ones


def unary(op, value, points):
    return Entry(op, value, ones(points(Draw(op))))


def line(d):
    return (d.linear(-4, 4, 70) + d.linear(-40, 40, 60) + d.linear(-750, 750, 40) + d.log(1e-308, 1, 50, "+-")
            + both([13.0, 12.99, 20.0, 37.6, 38.4, 38.5, 39.0, 41.0, 700.0, 708.5, 744.0, 746.0, 1e5, 1e300, MAX]))


def away(d):
    """Without 0, where there is a kink."""
    return (d.linear(-4, 4, 60) + d.linear(-750, 700, 50) + d.log(1e-308, 1, 60, "+-") + d.log(1, 1e300, 40)
            + both([NORMAL, TINY, 1.0, 37.0]) + [MAX, -746.0])


def with_parameter(d, low, high):
    return d.pairs(away(d), d.linear(low, high, 220))


def distribution(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def gelu_tanh(x):
    v = 2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)
    return x / (1 + mp.exp(-v))


def gelu_line(d):
    return line(d) + d.linear(-9, -4, 20)


# Beyond +-1e4 mpmath's erfc is slow, and everything is 0 or x.
def clip(points):
    return lambda d: [x for x in points(d) if abs(x) < 1e4]


ENTRIES = [
    unary("relu", lambda x: max(x, mpf(0)), away),
    Entry("leaky_relu", lambda x, slope: x if x > 0 else slope * x, with_parameter(Draw("leaky_relu"), 0.001, 0.5)),
    Entry("elu", lambda x, alpha: x if x > 0 else alpha * mp.expm1(x), with_parameter(Draw("elu"), 0.5, 1.5)),
    Entry("gelu", lambda x: x * distribution(x), ones(clip(gelu_line)(Draw("gelu"))),
          first=lambda x: [distribution(x) + x * density(x)], second=lambda x: [(2 - x * x) * density(x)]),
    Entry("gelu_slope", lambda x: distribution(x) + x * density(x), ones(clip(gelu_line)(Draw("gelu_slope"))),
          first=lambda x: [(2 - x * x) * density(x)], second=lambda x: [(x**3 - 4 * x) * density(x)]),
    # Between 21 and 22 the second derivative is subnormal and is a product of a subnormal number with about 60.
    unary("gelu_tanh", gelu_tanh, lambda d: [x for x in gelu_line(d) if not 21 < abs(x) < 22]),
    unary("softsign", lambda x: x / (1 + abs(x)), away),
    unary("silu", lambda x: x / (1 + mp.exp(-x)), line),
]
