"""Writes elementary.tsv: points over the whole range of the functions that are this project's own (exp, log, sin, cos,
tanh, log1p, power, erf, erfc, norm_cdf, gelu), with their values as sums of two f64, so that fractions of a unit in the
last place can be measured.

    python elementary.py      (needs mpmath)

The output is committed; tests/integration/elementary.rs reads it. Each line: function, operands, value, rest; f64 as
hexadecimal bits. Points: uniform, near 0 in all sizes, subnormal numbers, ends of the range, beside zeros and beside
where a function goes from one formula to the next.
"""

import math
import pathlib
import random
import struct

import mpmath

mpmath.mp.prec = 400
POINTS = 480
r = random.Random(20261126)


def any_positive():
    return struct.unpack("<d", struct.pack("<Q", r.randrange(1, 0x7FEFFFFFFFFFFFFF)))[0]


def subnormal():
    return struct.unpack("<d", struct.pack("<Q", r.randrange(1, 1 << 52)))[0]


def tiny(most):
    return r.choice((-1, 1)) * math.ldexp(r.uniform(0.5, 1), -r.randrange(most))


def beside(x):
    for _ in range(r.randrange(4)):
        x = math.nextafter(x, r.choice((-math.inf, math.inf)))
    return x


def multiple():
    return beside(float(mpmath.pi / 2 * r.randrange(-636_000, 636_000)))


def sign():
    return r.choice((-1, 1))


def with_exponent(base, low, high):
    """A base, and an exponent with which the power's logarithm is between low and high."""
    return base, r.uniform(low, high) / float(mpmath.log(base))


def beside_one():
    x = 1.0
    while x == 1.0:
        x = 1 + tiny(52)
    return x


POWERS = [
    lambda: (r.uniform(0.1, 5), r.uniform(-4, 4)),
    lambda: with_exponent(any_positive(), -745, 709.7),
    lambda: with_exponent(beside_one(), -745, 709.7),
    lambda: with_exponent(subnormal(), -745, 709.7),
    lambda: with_exponent(any_positive(), -745, -708),
    # Where the logarithm goes from one center to the next, and where its error counts most.
    lambda: with_exponent(r.uniform(1.2, 1.25), -745, 709.7),
    lambda: with_exponent(r.uniform(0.8, 1.8), 600, 709.7),
    lambda: (-r.uniform(0.1, 20), float(r.randrange(-200, 200))),
]


def power(x, y):
    # Of a negative base a whole exponent.
    return mpmath.power(x, int(y)) if x < 0 else mpmath.exp(y * mpmath.log(x))


def norm_cdf(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


FUNCTIONS = {"power": power, "norm_cdf": norm_cdf, "gelu": lambda x: x * norm_cdf(x)}
NORMAL = [lambda: r.uniform(-6, 6), lambda: r.uniform(-37.5, -1), lambda: sign() * r.uniform(0.9, 1.2), lambda: tiny(60)]

WAYS = {
    "exp": [lambda: r.uniform(-745.2, 709.8), lambda: r.uniform(-2, 2), lambda: tiny(60), lambda: r.uniform(-745.2, -708)],
    "log": [any_positive, lambda: r.uniform(0, 2), lambda: 1 + tiny(52), subnormal],
    "log1p": [any_positive, lambda: r.uniform(-1, 0), lambda: tiny(1070), lambda: r.uniform(0, 3)],
    "sin": [lambda: r.uniform(-1e6, 1e6), lambda: r.uniform(-7, 7), multiple, lambda: tiny(1070), any_positive],
    "cos": [lambda: r.uniform(-1e6, 1e6), lambda: r.uniform(-7, 7), multiple, lambda: tiny(60), any_positive],
    "tanh": [lambda: r.uniform(-25, 25), lambda: r.uniform(-1, 1), lambda: tiny(1070), lambda: r.uniform(0.1, 0.5)],
    "power": POWERS,
    "erf": [lambda: r.uniform(-6, 6), lambda: r.uniform(-1, 1), lambda: tiny(1070), lambda: sign() * r.uniform(0.8, 0.9), lambda: sign() * r.uniform(0.84, 2)],
    "erfc": [lambda: r.uniform(-6, 28), lambda: r.uniform(0.7, 0.9), lambda: r.uniform(25.5, 27.3), lambda: r.uniform(-1, 1), lambda: r.uniform(0.75, 3), lambda: tiny(60)],
    "norm_cdf": NORMAL,
    "gelu": NORMAL,
}


def bits(x):
    return struct.pack(">d", x).hex()


def main():
    lines = []
    for name, ways in WAYS.items():
        for i in range(POINTS):
            x = ways[i % len(ways)]()
            x = x if isinstance(x, tuple) else (x,)
            mpmath.mp.prec = 1500 if abs(x[0]) > 1e9 else 400
            value = FUNCTIONS.get(name, getattr(mpmath, name, None))(*map(mpmath.mpf, x))
            high = float(value)
            if math.isinf(high):
                continue
            lines.append("\t".join([name, *map(bits, x), bits(high), bits(float(value - mpmath.mpf(high)))]))
    (pathlib.Path(__file__).parent / "elementary.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
