"""Values and derivatives with mpmath, at a precision that shows itself to be enough."""

import dataclasses
import itertools
from typing import Callable, Sequence

import mpmath
from mpmath import mp, mpf

# Relative agreement of two evaluations at different precision and different steps: well beyond the digits written.
AGREEMENT = mpf(2) ** -110
# Below, an f64 is 0 whatever the rounding; above, it is infinite.
NOTHING, TOO_MUCH = mpf(10) ** -400, mpf(10) ** 400
# Precision at which entries with derivatives of their own begin, and where the search for precision gives up, in bits.
FIRST_BITS, LAST_BITS = 400, 60_000


@dataclasses.dataclass
class Entry:
    """An operation."""

    op: str
    # (operands...) -> mpf, exact up to the working precision. Operands come as mpf.
    value: Callable
    # Lists of operands, exact floats.
    points: Sequence[tuple]
    # Operands that are not differentiated.
    fixed: tuple = ()
    # The last operand is the operation's attribute; it counts as fixed.
    attribute: bool = False
    # Gradient and Hessian (upper triangle, row by row) in the operands that are not fixed: (operands...) -> list.
    # Without them: central differences of `value`, whose step and precision make their error vanish.
    first: Callable | None = None
    second: Callable | None = None
    # For a further file of the operation, where other operands move.
    part: str = ""

    def name(self):
        return f"{self.op}.{self.part}" if self.part else self.op

    def moving(self):
        arity = len(self.points[0])
        fixed = set(self.fixed) | ({arity - 1} if self.attribute else set())
        return [i for i in range(arity) if i not in fixed]


def differences(entry, point, spread):
    """Value, gradient and Hessian by central differences with steps 2^-spread of the operand (2^-spread at most).

    Relative truncation errors are about (step / distance of the nearest singularity)^2: that distance is at least
    2^-60 of the operand here, so 2^-2(spread - 60).
    """
    moving = entry.moving()
    base = [mpf(x) for x in point]
    size = {i: min(abs(base[i]), mpf(1)) if base[i] else mpf(2) ** -1100 for i in moving}
    bits = 2 * max([0] + [int(-mpmath.log(s, 2)) for s in size.values()]) + 2 * spread + 2500
    with mp.workprec(bits):
        step = {i: s * mpf(2) ** -spread for i, s in size.items()}

        def at(moves):
            operands = list(base)
            for i, sign in moves:
                operands[i] = operands[i] + sign * step[i]
            return real(entry, entry.value(*operands), point)

        center = at([])
        plus = {i: at([(i, 1)]) for i in moving}
        minus = {i: at([(i, -1)]) for i in moving}
        first = [(plus[i] - minus[i]) / (2 * step[i]) for i in moving]
        second = []
        for i, j in itertools.combinations_with_replacement(moving, 2):
            if i == j:
                second.append((plus[i] - 2 * center + minus[i]) / step[i] ** 2)
            else:
                corners = sum(s * t * at([(i, s), (j, t)]) for s in (1, -1) for t in (1, -1))
                second.append(corners / (4 * step[i] * step[j]))
        return [center] + first + second


def explicit(entry, point, bits):
    """Value, gradient and Hessian by the entry's own formulas."""
    with mp.workprec(bits):
        operands = [mpf(x) for x in point]
        numbers = [entry.value(*operands), *entry.first(*operands), *entry.second(*operands)]
        return [real(entry, x, point) for x in numbers]


def real(entry, x, point):
    x = mpmath.mpmathify(x)
    assert isinstance(x, mpf) and not mpmath.isnan(x), f"{entry.op}{point} is {x}"
    return x


def agree(a, b):
    if a == b or abs(a) < NOTHING and abs(b) < NOTHING:
        return True
    return abs(a - b) <= AGREEMENT * max(abs(a), abs(b))


def numbers(entry, point):
    """Value, gradient, Hessian: evaluated more and more precisely until two evaluations agree."""
    if entry.first:
        attempts = (explicit(entry, point, bits) for bits in doubling(FIRST_BITS))
    else:
        attempts = (differences(entry, point, spread) for spread in doubling(160))
    last = next(attempts)
    for now in attempts:
        if all(agree(a, b) for a, b in zip(last, now, strict=True)):
            return now
        last = now
    raise AssertionError(f"{entry.op}{point}: no agreement")


def doubling(n):
    while n <= LAST_BITS:
        yield n
        n = n * 3 // 2


def decimal(x):
    if abs(x) < NOTHING:
        return "0"
    if abs(x) > TOO_MUCH:
        return "inf" if x > 0 else "-inf"
    return mpmath.nstr(x, 21, min_fixed=-3, max_fixed=6).removesuffix(".0")


def operand(x):
    x = float(x)
    assert float(repr(x)) == x, f"{x} does not round-trip"
    return repr(x).removesuffix(".0")


def table(entry):
    """The text of the data file."""
    lines = [f"# {entry.name()}: written by generate.py, mpmath {mpmath.__version__}; format: see there"]
    if entry.fixed:
        lines.append("#! fixed " + " ".join(map(str, entry.fixed)))
    if entry.attribute:
        lines.append("#! attribute")
    points = list(dict.fromkeys(tuple(map(float, p)) for p in entry.points))
    assert entry.part or len(points) >= 200, f"{entry.op} has {len(points)} points"
    for point in points:
        row = [operand(x) for x in point] + [decimal(x) for x in numbers(entry, point)]
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"
