"""Special functions."""

import functools
import math

from mpmath import mp, mpf

from oracle import Entry
from points import Draw, both, ones, ulps


def unary(op, value, points, first, second):
    return Entry(op, value, ones(points(Draw(op))), first=lambda x: [first(x)], second=lambda x: [second(x)])


def ordered(op, value, points):
    """value(n, x, k): the k-th derivative; points of (n, x)."""
    return Entry(op, lambda n, x: value(n, x, 0), points, fixed=(0,),
                 first=lambda n, x: [value(n, x, 1)], second=lambda n, x: [value(n, x, 2)])


def twice_ordered(op, value, points):
    """value(n, x, k) is the k-th derivative; points of (k, n, x)."""
    return Entry(op, lambda k, n, x: value(n, x, int(k)), points, fixed=(0, 1),
                 first=lambda k, n, x: [value(n, x, int(k) + 1)], second=lambda k, n, x: [value(n, x, int(k) + 2)])


def numeric(value, points, op, fixed=(), bits=0):
    """Gradient and Hessian by central differences inside twice the working precision, and `bits` more.

    Relative steps 2^-p/3 leave 2^-2p/3 of truncation: the check at a higher precision sees whether it vanished.
    """
    def all_of(*point):
        return cached(point, mp.prec)

    @functools.lru_cache(maxsize=4)
    def cached(point, p):
        with mp.workprec(2 * p + 100 + bits):
            moving = [i for i in range(len(point)) if i not in fixed]
            step = {i: min(abs(point[i]), 1) * mpf(2) ** -(p // 3) for i in moving}
            if op.startswith("betainc"):
                step[2] = min(point[2], 1 - point[2]) * mpf(2) ** -(p // 3)

            def at(*moves):
                x = list(point)
                for i, sign in moves:
                    x[i] += sign * step[i]
                return value(*x)

            center = at()
            plus = {i: at((i, 1)) for i in moving}
            minus = {i: at((i, -1)) for i in moving}
            first = [(plus[i] - minus[i]) / (2 * step[i]) for i in moving]
            second = []
            for a, i in enumerate(moving):
                for j in moving[a:]:
                    if i == j:
                        second.append((plus[i] - 2 * center + minus[i]) / step[i] ** 2)
                    else:
                        corners = at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))
                        second.append(corners / (4 * step[i] * step[j]))
            return first, second

    return Entry(op, value, points, fixed=fixed,
                 first=lambda *x: all_of(*x)[0], second=lambda *x: all_of(*x)[1])


ROOT_PI = lambda: mp.sqrt(mp.pi)  # noqa: E731


# The error function's relatives.

def gauss(x):
    return 2 / ROOT_PI() * mp.exp(-x * x)


def erfcx(x, n=0):
    """The n-th derivative of e^(x^2) erfc(x)."""
    with mp.workprec(mp.prec + 200 + int(4 * (n + 1) * mp.log(2 + abs(x), 2)) + int(3 * x * x if x < 0 else 0)):
        before, f = 0, mp.exp(x * x) * mp.erfc(x)
        for k in range(int(n)):
            before, f = f, 2 * x * f + (2 * k * before if k else -2 / ROOT_PI())
        return f


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def norm_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def log_ndtr(x, n=0):
    """The n-th derivative of log(norm_cdf(x)), n up to 4."""
    with mp.workprec(mp.prec + 300 + int(12 * mp.log(2 + abs(x), 2)) + int(x * x if x > 0 else 0)):
        if n == 0:
            return mp.log(norm_cdf(x)) if x < 0 else mp.log1p(-norm_cdf(-x))
        r = density(x) / norm_cdf(x)
        s = -r * (x + r)
        t = -s * (x + r) - r * (1 + s)
        return [r, s, t, -t * (x + r) - 2 * s * (1 + s) - r * t][int(n) - 1]


def norm_ppf(p):
    """Newton's method for log(norm_cdf(y)) = log(tail)."""
    if p == 0.5:
        return mpf(0)
    tail = min(p, 1 - p)
    y = -mp.sqrt(-2 * mp.log(tail)) if tail < 0.2 else (tail - 0.5) * 2.5
    # Quadratic convergence, from far off in the tails; far too many steps do no harm.
    for _ in range(100):
        step = (mp.log(norm_cdf(y)) - mp.log(tail)) * norm_cdf(y) / density(y)
        y -= step
        if abs(step) < abs(y) * mpf(2) ** -(mp.prec - 20):
            break
    return y if p < 0.5 else -y


def erf_inv(x):
    with mp.workprec(2 * mp.prec):
        return norm_ppf((1 + x) / 2) / mp.sqrt(2)


def erf_inv_points(d):
    ends = [s * (1 - t) for s, t in d.pairs(d.linear(-1, 1, 60), d.log(2.0**-53, 0.1, 60)) for s in [math.copysign(1, s)]]
    return [x for x in d.linear(-1, 1, 120) + ends + d.log(1e-300, 0.1, 40, "+-") + both([1 - 2.0**-53, 0.85, 0.5])]


def ppf_points(d):
    return (d.linear(0, 1, 100) + d.log(1e-150, 0.1, 60) + [1 - t for t in d.log(2.0**-53, 0.1, 40)]
            + [0.5 + t for t in d.log(1e-16, 0.1, 30, "+-")] + [0.075, 0.925, 1 - 2.0**-53, 1e-150])


def erf_points(d):
    return d.linear(-3, 3, 100) + d.linear(-26, 26, 80) + d.log(1e-300, 1, 40, "+-") + both([0.84375, 1.25, 2.857142857142857, 6.0, 26.0])


def erfcx_points(d):
    return (d.linear(-3, 5, 100) + d.linear(-26, 30, 60) + d.log(1, 1e100, 50) + d.log(1e-300, 1, 30, "+-")
            + [0.5, 1.25, 2.857142857142857, 28.0, -26.0, 1e8])


def erfcx_orders(d):
    return d.pairs(d.linear(-3, 5, 120) + d.linear(-25, 40, 50) + d.log(1, 1e50, 50), list(range(6)) * 40)


def normal_points(d):
    return (d.linear(-4, 4, 100) + d.linear(-37, 37, 80) + d.log(1e-300, 1, 30, "+-") + [-1.0, -0.9999999999999999, -37.5, 8.0])


def log_ndtr_points(d):
    return normal_points(d) + d.log(40, 1e100, 40, "-")


def swapped(pairs):
    return [(b, a) for a, b in pairs]


# Gamma and its relatives.

def log_gamma(x):
    with mp.workprec(mp.prec + 100 + int(2 * abs(mp.log(abs(x), 2)))):
        return mp.log(abs(mp.gamma(x))) if abs(x) < 1000 else mp.loggamma(x)


@functools.lru_cache(maxsize=256)
def log_gamma_at(x, bits):
    return mp.loggamma(x)


def loggamma(x):
    return log_gamma_at(x, mp.prec)


def psi(n, x):
    return psi_at(int(n), x, mp.prec)


@functools.lru_cache(maxsize=256)
def psi_at(n, x, bits):
    with mp.workprec(mp.prec + 200 + 2 * int(abs(mp.log(abs(x), 2)))):
        if x > 0:
            return mp.psi(n, x)
        # Upward by the recurrence.
        count = int(mp.floor(-x)) + 1
        shift = mp.fsum(1 / (x + k) ** (n + 1) for k in range(count))
        return mp.psi(n, x + count) - (-1) ** n * mp.factorial(n) * shift


def lgamma_points(d):
    return (d.linear(0, 10, 60) + d.log(1e-100, 1e100, 50) + d.log(1e-3, 1e3, 30) + d.near(1.0, 15) + d.near(2.0, 15)
            + ulps(1.0)[1:] + ulps(2.0)[1:] + [x for x in d.linear(-30, 0, 50)] + [-2.457024738220801, -2.747682646727413, 1e8, 170.6]
            + d.log(1e-100, 0.5, 10, "-"))


def digamma_points(d):
    return (d.linear(0, 12, 80) + d.log(1e-100, 1e100, 50) + d.near(1.4616321449683623, 25) + [1.4616321449683623, 1.4616321449683622]
            + d.linear(-30, 0, 50) + [-0.5040830082644554, 1.0, 2.0, 10.0, 9.999999999999998] + d.log(1e-100, 0.5, 10, "-"))


def polygamma_points(d):
    orders = [0, 1, 1, 1, 2, 2, 3, 4, 5, 8, 12, 20]
    return (swapped(d.pairs(d.linear(0, 20, 100) + d.log(1e-6, 1e8, 60) + d.linear(-15, 0, 50), orders * 18))
            + [(60, 20.5), (100, 50.25), (150, 80.0), (200, 120.0), (300, 150.5)])


def log_beta(a, b):
    with mp.workprec(mp.prec + 400):
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def difference(n, a, b):
    with mp.workprec(mp.prec + 800):
        return psi(n, a) - psi(n, a + b)


def two_scales(d, low=1e-20, high=1e20):
    return (d.pairs(d.linear(0, 10, 90), d.linear(0, 10, 90)) + d.pairs(d.log(1e-3, 1e4, 70), d.log(1e-3, 1e4, 70))
            + d.pairs(d.log(low, high, 60), d.log(low, high, 60)))


# Incomplete functions.

def lower(a, x):
    """P(a, x) by its series of positive terms."""
    term = total = 1 / a
    k = 0
    while k < x or term > total * mpf(2) ** -(mp.prec + 10):
        k += 1
        term = term * x / (a + k)
        total += term
    return total * mp.exp(a * mp.log(x) - x - loggamma(a))


def igamma(a, x):
    with mp.workprec(mp.prec + 100):
        return lower(a, x)


def igammac(a, x):
    with mp.workprec(mp.prec + 200 + int(2 * x) + 2 * int(abs(mp.log(a, 2)))):
        return 1 - lower(a, x)


def tails(d, center=900):
    """(a, x) near the middle of the distribution and in both tails, not further than e^-700 or so."""
    small = d.pairs(d.linear(0, 10, 70), d.linear(0, 20, 70)) + d.pairs(d.log(1e-6, 1, 30), d.log(1e-6, 30, 30))
    points = [(a, a + math.sqrt(a) * t) for a, t in d.pairs(d.log(1, center, 90), d.linear(-4, 8, 90))]
    points += [(a, a) for a in (1.0, 2.0, 10.0, 100.0, 500.0)] + [(5000.0, 5050.0), (5000.0, 4900.0), (10000.0, 10010.0)]
    points += [(0.5, 100.0), (100.0, 1.0), (300.0, 5.0), (1.0, 300.0), (1e-10, 1e-10), (1e-10, 1.0), (20.0, 1e-5)]
    return [p for p in small + points if p[0] > 0 and p[1] > 0]


def gamma_density(a, x):
    return mp.exp((a - 1) * mp.log(x) - x - loggamma(a))


def density_in_a(k, a, x):
    return density_in_a_at(k, a, x, mp.prec)


@functools.lru_cache(maxsize=8)
def density_in_a_at(k, a, x, bits):
    """The k-th derivative in a of the density, k up to 3, and its gradient and Hessian in (a, x)."""
    def bell(i):
        l, c = mp.log(x) - psi(0, a), [-psi(1, a), -psi(2, a), -psi(3, a)]
        return [1, l, l**2 + c[0], l**3 + 3 * l * c[0] + c[1],
                l**4 + 6 * l**2 * c[0] + 4 * l * c[1] + 3 * c[0] ** 2 + c[2]][i] if i >= 0 else mpf(0)

    with mp.workprec(mp.prec + 200):
        f, e = gamma_density(a, x), (a - 1) / x - 1
        # The j-th derivative in a of f, of f e, and of f (e^2 - (a - 1) / x^2).
        plain = lambda j: f * bell(j)  # noqa: E731
        once = lambda j: plain(j) * e + j * plain(j - 1) / x  # noqa: E731
        twice = plain(k) * (e * e - (a - 1) / x**2) + k * plain(k - 1) * (2 * e / x - 1 / x**2) + k * (k - 1) * plain(k - 2) / x**2
        return [plain(k), plain(k + 1), once(k), plain(k + 2), once(k + 1), twice]


def p_in_a(k, a, x):
    """The k-th derivative of P in a, k up to 3, by central differences."""
    return p_in_a_at(int(k), a, x, mp.prec)


@functools.lru_cache(maxsize=16)
def p_in_a_at(k, a, x, p):
    with mp.workprec(3 * p + 300):
        h = min(a, 1) * mpf(2) ** -(p // 2)
        weights = [{0: 1}, {1: 1, -1: -1}, {1: 1, 0: -2, -1: 1}, {2: 1, 1: -2, -1: 2, -2: -1}][k]
        return mp.fsum(w * lower(a + i * h, x) for i, w in weights.items()) / (h**k * [1, 2, 1, 2][k])


def beta_lower(a, b, x):
    term = total = 1 / a
    k = 0
    while term > total * mpf(2) ** -(mp.prec + 10) or (a + b + k) * x > a + k + 1:
        term = term * x * (a + b + k) / (a + 1 + k)
        total += term
        k += 1
    front = a * mp.log(x) + b * mp.log1p(-x) - loggamma(a) - loggamma(b) + loggamma(a + b)
    return total * mp.exp(front)


def betainc(a, b, x):
    if x <= 0.5:
        return beta_lower(a, b, x)
    return 1 - beta_lower(b, a, 1 - x)


def beta_density(a, b, x):
    with mp.workprec(mp.prec + 200):
        front = (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - loggamma(a) - loggamma(b) + loggamma(a + b)
        return mp.exp(front)


def beta_kernel(a, b, x):
    """The density over a b / (a + b), its gradient and Hessian, in one list."""
    with mp.workprec(mp.prec + 200):
        front = (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - loggamma(a + 1) - loggamma(b + 1) + loggamma(a + b + 1)
        h, s, t = mp.exp(front), psi(0, a + b + 1), psi(1, a + b + 1)
        p, q, r = mp.log(x) - psi(0, a + 1) + s, mp.log1p(-x) - psi(0, b + 1) + s, (a - 1) / x - (b - 1) / (1 - x)
        aa, bb, xx = t - psi(1, a + 1), t - psi(1, b + 1), -(a - 1) / x**2 - (b - 1) / (1 - x) ** 2
        second = [p * p + aa, p * q + t, p * r + 1 / x, q * q + bb, q * r - 1 / (1 - x), r * r + xx]
        return [h * y for y in [1, p, q, r, *second]]


def triples(d, n=1):
    def shared(count, low, high, draw):
        return zip(draw(low, high, count), draw(low, high, count), d.linear(0, 1, count))

    points = list(shared(90 // n, 0, 10, d.linear)) + list(shared(40 // n, 1e-4, 10, d.log))
    for a, b, _ in shared(80 // n, 1, 300, d.log):
        mean, width = a / (a + b), math.sqrt(a * b / (a + b + 1)) / (a + b)
        points.append((a, b, mean + width * d.linear(-5, 5, 1)[0]))
    points += [(a, b, t) for (a, b), t in zip(d.pairs(d.linear(0, 5, 20), d.linear(0, 5, 20)), d.log(1e-20, 0.1, 20))]
    points += [(a, b, 1 - t) for (a, b), t in zip(d.pairs(d.linear(0, 5, 15), d.linear(0, 5, 15)), d.log(1e-15, 0.1, 15))]
    points += [(2000.0, 3000.0, 0.41), (1.0, 1.0, 0.3), (0.5, 0.5, 0.5), (1.0, 2.0, 0.25), (3.0, 1.0, 0.75), (1e-8, 1e-8, 0.5), (1e-8, 2.0, 0.3)]
    return [p for p in points if 0 < p[2] < 1]


def small_triples(d):
    """Parameters of which one or both are small, x at the edges too."""
    pairs = d.pairs(d.log(1e-12, 1e-2, 20), d.log(1e-12, 1e-2, 20)) + d.pairs(d.log(1e-12, 1e-2, 20), d.log(0.1, 50, 20))
    x = d.linear(0, 1, 24) + d.log(1e-20, 0.1, 8) + [1 - t for t in d.log(1e-15, 0.1, 8)]
    return [p for (a, b), t in zip(pairs, x) for p in [(a, b, t), (b, a, t)]]


# Bessel functions.

def bessel(f):
    def value(n, x, k):
        with mp.workprec(mp.prec + 100):
            n = int(n)
            terms = [(-1) ** i * mp.binomial(k, i) * f(n - k + 2 * i, x) for i in range(k + 1)]
            return mp.fsum(terms) / 2**k
    return value


J = bessel(lambda n, x: mp.besselj(n, x))


@functools.lru_cache(maxsize=64)
def y_first(x, bits):
    """Y_0 and Y_1: ascending series (DLMF 10.8.2, 10.8.1) with digits for their cancellation; mpmath's far out."""
    if x > 200:
        return mp.bessely(0, x), mp.bessely(1, x)
    with mp.workprec(bits + int(6 * x) + 2 * int(abs(mp.log(x, 2)))):
        z, log = x * x / 4, mp.log(x / 2)
        j0 = j1 = s0 = s1 = harmonic = mpf(0)
        term, k = mpf(1), 0
        while k < x or abs(term) > mpf(2) ** -(mp.prec + 20):
            j0 += term
            j1 += term / (k + 1)
            s0 -= harmonic * term
            s1 += (2 * harmonic + mpf(1) / (k + 1) - 2 * mp.euler) * term / (k + 1)
            k += 1
            harmonic += mpf(1) / k
            term = -term * z / k**2
        j1 *= x / 2
        return (2 * ((log + mp.euler) * j0 + s0) / mp.pi, (2 * log * j1 - s1 * x / 2 - 2 / x) / mp.pi)


def y_order(n, x):
    """By forward recurrence, which is stable."""
    f = list(y_first(x, mp.prec))
    for k in range(1, abs(n)):
        f.append(2 * k / x * f[k] - f[k - 1])
    return f[abs(n)] * (-1 if n < 0 and n % 2 else 1)


Y = bessel(y_order)


def scaled_i(n, x, k):
    """The k-th derivative of e^-|x| I_n(x)."""
    n = int(n)
    with mp.workprec(mp.prec + 200 + 8 * k * int(abs(mp.log(abs(x), 2)) + 1)):
        size = abs(x)
        f = [(-1) ** i * mp.binomial(2 * k, i) * mp.besseli(n - k + i, size) for i in range(2 * k + 1)]
        value = mp.fsum(f) * mp.exp(-size) / 2**k
        return value if x > 0 or (n + k) % 2 == 0 else -value


def cylinder(op, f, n, points):
    return Entry(op, lambda x: f(n, x, 0), ones(points(Draw(op))),
                 first=lambda x: [f(n, x, 1)], second=lambda x: [f(n, x, 2)])


def y_zeros(n, count):
    """The nearest f64 to zeros, where values are about 1e-17: Newton's method from multiples of pi apart."""
    found = []
    for k in range(count):
        x = mpf(k * math.pi + [0.9, 2.2][n])
        for _ in range(12):
            x -= Y(n, x, 0) / Y(n, x, 1)
        found.append(float(x))
    return found


def j_zeros(n, count):
    return [float(mp.besseljzero(n, k)) for k in range(1, count + 1)]


def j_points(n):
    return lambda d: (d.linear(-30, 30, 110) + d.log(30, 1e6, 50, "+-") + d.log(1e-100, 1, 30, "+-") + j_zeros(n, 15)
                      + [39.99, 40.0, 1e15, 123456789.0, 2.0, 8.0, 1e10])


def y_points(n):
    return lambda d: (d.linear(0, 30, 110) + d.log(30, 1e6, 50) + d.log(1e-100, 1, 30) + y_zeros(n, 15)
                      + [39.99, 40.0, 1e15, 123456789.0, 2.0, 8.0, 1e10])


def i_points(d):
    return d.linear(-30, 30, 110) + d.log(1, 1e30, 60, "+-") + d.log(1e-100, 1, 30, "+-") + both([8.0, 40.0, 7.999, 1e100])


def orders(d, low):
    numbers = list(range(low, 12)) * 10 + [20, 30, 50, 100]
    return swapped(d.pairs(d.linear(0, 30, 120) + d.log(1, 1e4, 70) + d.log(1e-3, 1, 20), numbers))


def order_pairs(d, low):
    firsts = d.pairs([0, 1, 2, 3] * 60, list(range(low, 6)) * 30)
    xs = d.linear(0, 30, 120) + d.log(1, 1e4, 70) + d.log(1e-3, 1, 20)
    return [(k, n, x) for (k, n), x in zip(firsts, xs)]


# Zeta.

def zeta(s, q, m=0):
    with mp.workprec(mp.prec + 100):
        return mp.zeta(s, q, m) if m else mp.zeta(s, q)


def zeta_points(d):
    points = (d.pairs(d.linear(1, 10, 100), d.linear(0, 10, 100)) + d.pairs([1 + t for t in d.log(1e-10, 1, 30)], d.log(1e-3, 1e3, 30))
              + d.pairs(d.log(1.1, 50, 70), d.log(1e-2, 1e3, 70)))
    return points + [(2.0, 1.0), (3.0, 1.0), (1.5, 0.5), (40.0, 1.0), (60.0, 30.0)]


def zeta_first(m):
    return lambda s, q: [zeta(s, q, m + 1), -s * zeta(s + 1, q, m) - m * (zeta(s + 1, q, m - 1) if m else 0)]


def zeta_second(m):
    def lowered(s, q, j):
        """The j-th derivative in s of -s zeta(s + 1, q)."""
        return -s * zeta(s + 1, q, j) - j * (zeta(s + 1, q, j - 1) if j else 0)

    def twice(s, q):
        """The m-th derivative in s of s (s + 1) zeta(s + 2, q)."""
        total = s * (s + 1) * zeta(s + 2, q, m)
        total += m * (2 * s + 1) * zeta(s + 2, q, m - 1) if m else 0
        return total + (m * (m - 1) * zeta(s + 2, q, m - 2) if m > 1 else 0)

    return lambda s, q: [zeta(s, q, m + 2), lowered(s, q, m + 1), twice(s, q)]


def with_order(f):
    return lambda m, *x: f(int(m))(*x)


def beta_entry(op, order_a, order_b, points):
    """A derivative of betainc, by differences; only x moves unless nothing is differentiated."""
    def value(a, b, x):
        p = mp.prec
        with mp.workprec(3 * p + 300):
            ha, hb = a * mpf(2) ** -(p // 2 + 40), b * mpf(2) ** -(p // 2 + 40)
            f = lambda i, j: betainc(a + i * ha, b + j * hb, x)  # noqa: E731
            if (order_a, order_b) == (1, 0):
                return (f(1, 0) - f(-1, 0)) / (2 * ha)
            if (order_a, order_b) == (0, 1):
                return (f(0, 1) - f(0, -1)) / (2 * hb)
            if (order_a, order_b) == (2, 0):
                return (f(1, 0) - 2 * f(0, 0) + f(-1, 0)) / ha**2
            if (order_a, order_b) == (0, 2):
                return (f(0, 1) - 2 * f(0, 0) + f(0, -1)) / hb**2
            return (f(1, 1) - f(1, -1) - f(-1, 1) + f(-1, -1)) / (4 * ha * hb)

    def scores(a, b, x):
        s = psi(0, a + b)
        p, q = mp.log(x) - psi(0, a) + s, mp.log1p(-x) - psi(0, b) + s
        t = psi(1, a + b)
        return {(1, 0): p, (0, 1): q, (2, 0): p * p - psi(1, a) + t, (0, 2): q * q - psi(1, b) + t, (1, 1): p * q + t}[order_a, order_b]

    def slope(a, b, x):
        return beta_density(a, b, x) * scores(a, b, x)

    def bend(a, b, x):
        s = psi(0, a + b)
        p, q = mp.log(x) - psi(0, a) + s, mp.log1p(-x) - psi(0, b) + s
        dp, dq = 1 / x, -1 / (1 - x)
        moved = {(1, 0): dp, (0, 1): dq, (2, 0): 2 * p * dp, (0, 2): 2 * q * dq, (1, 1): p * dq + q * dp}[order_a, order_b]
        return beta_density(a, b, x) * (moved + scores(a, b, x) * ((a - 1) / x - (b - 1) / (1 - x)))

    return Entry(op, value, points, fixed=(0, 1), first=lambda *p: [slope(*p)], second=lambda *p: [bend(*p)])


def gamma_orders(d):
    return [(k, a, x) for (a, x), k in d.pairs(tails(d, 200), [0, 1, 1, 1])]


ENTRIES = [
    unary("erf", mp.erf, erf_points, gauss, lambda x: -2 * x * gauss(x)),
    unary("erfc", mp.erfc, erf_points, lambda x: -gauss(x), lambda x: 2 * x * gauss(x)),
    unary("erf_inv", erf_inv, erf_inv_points, lambda x: 1 / gauss(erf_inv(x)), lambda x: 2 * erf_inv(x) / gauss(erf_inv(x)) ** 2),
    unary("erfcx", erfcx, erfcx_points, lambda x: erfcx(x, 1), lambda x: erfcx(x, 2)),
    unary("norm_cdf", norm_cdf, normal_points, density, lambda x: -x * density(x)),
    unary("norm_ppf", norm_ppf, ppf_points, lambda p: 1 / density(norm_ppf(p)), lambda p: norm_ppf(p) / density(norm_ppf(p)) ** 2),
    unary("log_ndtr", log_ndtr, log_ndtr_points, lambda x: log_ndtr(x, 1), lambda x: log_ndtr(x, 2)),
    ordered("erfcx_derivative", lambda n, x, k: erfcx(x, n + k), swapped(erfcx_orders(Draw("erfcx_derivative")))),
    ordered("log_ndtr_derivative", lambda n, x, k: log_ndtr(x, n + k), swapped(Draw("log_ndtr_derivative").pairs(log_ndtr_points(Draw("log_ndtr_derivative")), [0, 1, 2] * 90))),
    unary("lgamma", log_gamma, lgamma_points, lambda x: psi(0, x), lambda x: psi(1, x)),
    unary("digamma", lambda x: psi(0, x), digamma_points, lambda x: psi(1, x), lambda x: psi(2, x)),
    ordered("polygamma", lambda n, x, k: psi(n + k, x), polygamma_points(Draw("polygamma"))),
    Entry("lbeta", log_beta, two_scales(Draw("lbeta")),
          first=lambda a, b: [difference(0, a, b), difference(0, b, a)],
          second=lambda a, b: [difference(1, a, b), -psi(1, a + b), difference(1, b, a)]),
    Entry("polygamma_difference", difference, [(n, a, b) for (a, b), n in Draw("polygamma_difference").pairs(two_scales(Draw("polygamma_difference"), 1e-10, 1e10), [0, 1, 2] * 75)],
          fixed=(0,), first=lambda n, a, b: [difference(n + 1, a, b), -psi(n + 1, a + b)],
          second=lambda n, a, b: [difference(n + 2, a, b), -psi(n + 2, a + b), -psi(n + 2, a + b)]),
    numeric(igamma, tails(Draw("igamma")), "igamma", bits=300),
    numeric(igammac, tails(Draw("igammac")) + [(2.5, 2.0 + k) for k in range(10)], "igammac", bits=100),
    numeric(betainc, triples(Draw("betainc")), "betainc", bits=300),
    Entry("igamma_grad_x", lambda k, a, x: density_in_a(int(k), a, x)[0],
          gamma_orders(Draw("igamma_grad_x")), fixed=(0,),
          first=lambda k, a, x: density_in_a(int(k), a, x)[1:3], second=lambda k, a, x: density_in_a(int(k), a, x)[3:]),
    Entry("igamma_grad_a", p_in_a, gamma_orders(Draw("igamma_grad_a")) + [(1, 2.5, 2.0 + k) for k in range(10)], fixed=(0,),
          first=lambda k, a, x: [p_in_a(k + 1, a, x), density_in_a(int(k), a, x)[0]],
          second=lambda k, a, x: [p_in_a(k + 2, a, x), *density_in_a(int(k), a, x)[1:3]]),
    beta_entry("betainc_grad_a", 1, 0, triples(Draw("betainc_grad_a"))),
    beta_entry("betainc_grad_b", 0, 1, triples(Draw("betainc_grad_b"))),
    beta_entry("betainc_grad_aa", 2, 0, triples(Draw("betainc_grad_aa"))),
    beta_entry("betainc_grad_ab", 1, 1, triples(Draw("betainc_grad_ab"))),
    beta_entry("betainc_grad_bb", 0, 2, triples(Draw("betainc_grad_bb"))),
    numeric(beta_density, triples(Draw("betainc_grad_x")) + small_triples(Draw("betainc_grad_x small")), "betainc_grad_x", bits=300),
    Entry("betainc_kernel", lambda *p: beta_kernel(*p)[0], triples(Draw("betainc_kernel")) + small_triples(Draw("betainc_kernel small")),
          first=lambda *p: beta_kernel(*p)[1:4], second=lambda *p: beta_kernel(*p)[4:]),
    cylinder("bessel_i0e", scaled_i, 0, i_points),
    cylinder("bessel_i1e", scaled_i, 1, i_points),
    cylinder("bessel_j0", J, 0, j_points(0)),
    cylinder("bessel_j1", J, 1, j_points(1)),
    cylinder("bessel_y0", Y, 0, y_points(0)),
    cylinder("bessel_y1", Y, 1, y_points(1)),
    ordered("bessel_jn", J, orders(Draw("bessel_jn"), -3)),
    ordered("bessel_yn", Y, orders(Draw("bessel_yn"), -3)),
    twice_ordered("bessel_jn_derivative", J, order_pairs(Draw("bessel_jn_derivative"), 0)),
    twice_ordered("bessel_yn_derivative", Y, order_pairs(Draw("bessel_yn_derivative"), 0)),
    twice_ordered("bessel_ine_derivative", scaled_i, order_pairs(Draw("bessel_ine_derivative"), 0)),
    Entry("xlogy", lambda x, y: x * mp.log(y), Draw("xlogy").pairs(Draw("x").log(1e-100, 1e100, 220, "+-"), Draw("y").log(1e-100, 1e100, 120) + Draw("z").near(1.0, 100)),
          first=lambda x, y: [mp.log(y), x / y], second=lambda x, y: [mpf(0), 1 / y, -x / y**2]),
    Entry("xlog1py", lambda x, y: x * mp.log1p(y), Draw("xlog1py").pairs(Draw("x").log(1e-100, 1e100, 220, "+-"), Draw("y").log(1e-100, 1e100, 120) + Draw("z").linear(-1, 1, 100)),
          first=lambda x, y: [mp.log1p(y), x / (1 + y)], second=lambda x, y: [mpf(0), 1 / (1 + y), -x / (1 + y) ** 2]),
    Entry("zeta", zeta, zeta_points(Draw("zeta")), first=zeta_first(0), second=zeta_second(0)),
    Entry("zeta_derivative", lambda m, s, q: zeta(s, q, int(m)), [(m, s, q) for (s, q), m in Draw("zeta_derivative").pairs(zeta_points(Draw("zeta_derivative")), [0, 1, 1, 2])],
          fixed=(0,), first=with_order(zeta_first), second=with_order(zeta_second)),
]
