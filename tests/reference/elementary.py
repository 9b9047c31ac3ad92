"""Writes elementary.tsv: points over the whole range of the functions that are this project's own (exp, log, sin, cos,
tanh, log1p), with their values as sums of two f64, so that fractions of a unit in the last place can be measured.

    python elementary.py      (needs mpmath)

The output is committed; tests/integration/elementary.rs reads it. Each line: function, operand, value, rest; f64 as
hexadecimal bits. Points: uniform, near 0 in all sizes, subnormal numbers, ends of the range, beside zeros.
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


WAYS = {
    "exp": [lambda: r.uniform(-745.2, 709.8), lambda: r.uniform(-2, 2), lambda: tiny(60), lambda: r.uniform(-745.2, -708)],
    "log": [any_positive, lambda: r.uniform(0, 2), lambda: 1 + tiny(52), subnormal],
    "log1p": [any_positive, lambda: r.uniform(-1, 0), lambda: tiny(1070), lambda: r.uniform(0, 3)],
    "sin": [lambda: r.uniform(-1e6, 1e6), lambda: r.uniform(-7, 7), multiple, lambda: tiny(1070), any_positive],
    "cos": [lambda: r.uniform(-1e6, 1e6), lambda: r.uniform(-7, 7), multiple, lambda: tiny(60), any_positive],
    "tanh": [lambda: r.uniform(-25, 25), lambda: r.uniform(-1, 1), lambda: tiny(1070), lambda: r.uniform(0.1, 0.5)],
}


def bits(x):
    return struct.pack(">d", x).hex()


def main():
    lines = []
    for name, ways in WAYS.items():
        for i in range(POINTS):
            x = ways[i % len(ways)]()
            mpmath.mp.prec = 1500 if abs(x) > 1e9 else 400
            value = getattr(mpmath, name)(mpmath.mpf(x))
            high = float(value)
            if math.isinf(high):
                continue
            lines.append("\t".join([name, bits(x), bits(high), bits(float(value - mpmath.mpf(high)))]))
    (pathlib.Path(__file__).parent / "elementary.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
