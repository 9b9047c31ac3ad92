"""Prints the coefficients of the polynomials in server/engine/src/op/elementary (exponential.rs, power.rs,
error_function.rs) and how far each is from its function: minimax polynomials by Remez' exchange algorithm.

    python minimax.py      (needs mpmath; about a minute)
"""

import mpmath
from mpmath import mpf

mpmath.mp.prec = 240


def extrema(points, errors, count):
    """The largest error of each run of one sign, `count` of them in turn."""
    best = []
    for i, error in enumerate(errors):
        if not best or (error > 0) != (errors[best[-1]] > 0):
            best.append(i)
        elif abs(error) > abs(errors[best[-1]]):
            best[-1] = i
    while len(best) > count:
        best.pop(0 if abs(errors[best[0]]) < abs(errors[best[-1]]) else -1)
    return [points[i] for i in best]


def minimax(f, weight, low, high, degree):
    """Coefficients of the polynomial p of least max |weight (f - p)|, and that maximum."""
    low, high, count = mpf(low), mpf(high), degree + 2

    def chebyshev(n):
        return [(low + high) / 2 - (high - low) / 2 * mpmath.cos(mpmath.pi * i / (n - 1)) for i in range(n)]

    grid, points = chebyshev(60 * degree), chebyshev(count)
    values, weights = [f(x) for x in grid], [weight(x) for x in grid]
    for _ in range(14):
        system = mpmath.matrix(count, count)
        for i, x in enumerate(points):
            for j in range(count - 1):
                system[i, j] = x**j
            system[i, count - 1] = (-1) ** i / weight(x)
        solution = mpmath.lu_solve(system, mpmath.matrix([f(x) for x in points]))
        p = [solution[j] for j in range(count - 1)]
        errors = [w * (y - mpmath.polyval(p[::-1], x)) for w, y, x in zip(weights, values, grid)]
        points = extrema(grid, errors, count)
        if len(points) < count:
            break
    return p, max(map(abs, errors))


def exponential(r):
    # e^r = 1 + r + r^2/2 + r^3 E(r).
    return (mpmath.exp(r) - 1 - r - r * r / 2) / r**3 if abs(r) > 1e-15 else mpf(1) / 6 + r / 24


def logarithm(z):
    # log((1 + s) / (1 - s)) = 2/3 s (3 + z + z^2 L(z)), z = s^2.
    return 3 * sum(z**k / mpf(2 * k + 5) for k in range(40))


def series(z):
    x = mpmath.sqrt(z)
    return mpmath.erf(x) / x - 1 if z > 1e-30 else 2 / mpmath.sqrt(mpmath.pi) - 1


MIDDLE = mpf("0.84375")


def slope(t):
    if t < 1e-20:
        return 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-MIDDLE**2) / mpmath.erfc(MIDDLE)
    return mpmath.log(mpmath.erfc(MIDDLE) / mpmath.erfc(t + MIDDLE)) / t


def scaled_complement(t):
    u = (t + mpf(9) / 8) / 8
    x = 1 / u - 3
    return mpmath.exp(x * x) * mpmath.erfc(x) / u


def main():
    root = mpmath.sqrt(mpf(3) / 2)
    far, near = mpf(8) / 31 - mpf(9) / 8, 8 / mpf("3.75") - mpf(9) / 8
    end = mpmath.log(2) / 2 * mpf("1.0001")
    for name, arguments in {
        "E": (exponential, lambda r: abs(r) ** 3 + mpf(2) ** -24, -end, end, 9),
        "L": (logarithm, lambda z: z * z / 3 + mpf(2) ** -90, 0, ((root - 1) / (root + 1)) ** 2 * mpf("1.0001"), 5),
        "S": (series, lambda z: 1 / (1 + series(z)), 0, MIDDLE**2, 11),
        "P": (slope, lambda t: mpmath.erfc(t + MIDDLE) * (t + mpf("1e-6")), 0, mpf("5.9375") - MIDDLE, 17),
        "R": (scaled_complement, lambda t: 1 / scaled_complement(t), far, near, 20),
    }.items():
        p, error = minimax(*arguments)
        print(f"{name}, to 2^{float(mpmath.log(error, 2)):.1f}: {[float(c) for c in p]}")


if __name__ == "__main__":
    main()
