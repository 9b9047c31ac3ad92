"""How points are drawn: exact f64, the same on every run."""

import math
import random

# The largest f64, the smallest normal one, the smallest one.
MAX, NORMAL, TINY = 1.7976931348623157e308, 2.2250738585072014e-308, 5e-324


class Draw:
    """A seeded source of points; the seed is the operation's name."""

    def __init__(self, name):
        self.random = random.Random(name)

    def linear(self, low, high, n):
        """n numbers, uniform in an interval."""
        return [self.random.uniform(low, high) for _ in range(n)]

    def log(self, low, high, n, signs="+"):
        """n numbers of sizes uniform in the logarithm between two positive numbers; signs: "+", "-" or "+-"."""
        sizes = [math.exp(self.random.uniform(math.log(low), math.log(high))) for _ in range(n)]
        sizes = [min(max(x, low), high) for x in sizes]
        return [x * {"+": 1, "-": -1}[self.random.choice(signs)] for x in sizes]

    def near(self, center, n, low=2.0**-52, high=0.1, sides="+-"):
        """n numbers at distances between `low` and `high` (relative to the center, absolute at 0) around a number."""
        size = abs(center) or 1.0
        return [x for x in (center + size * d for d in self.log(low, high, n, sides)) if x != center]

    def pairs(self, first, second):
        """One list shuffled against another; the shorter one is repeated."""
        n = max(len(first), len(second))
        first, second = ((x * (n // len(x) + 1))[:n] for x in (first, second))
        self.random.shuffle(second)
        return list(zip(first, second))


def ulps(x, count=2, sides="+-"):
    """A number and its neighbours."""
    found, up, down = [x], x, x
    for _ in range(count):
        up, down = math.nextafter(up, math.inf), math.nextafter(down, -math.inf)
        found += [up] if "+" in sides else []
        found += [down] if "-" in sides else []
    return found


def both(numbers):
    """With their negatives."""
    return [x for n in numbers for x in (n, -n)]


def ones(numbers):
    """As points of one operand."""
    return [(x,) for x in numbers]
