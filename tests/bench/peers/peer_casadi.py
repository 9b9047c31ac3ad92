"""CasADi: expressions of scalars, evaluated by its virtual machine, or as C code compiled by gcc."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import casadi as ca
import numpy as np

import peer

STEP = 0.002
# The longest that gcc may take, in seconds.
PATIENCE = 60


def total(terms):
    terms = iter(terms)
    sum_ = next(terms)
    for term in terms:
        sum_ = sum_ + term
    return sum_


def rosenbrock(sizes, x):
    return total(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in zip(x[0::2], x[1::2]))


def logsumexp(sizes, x):
    return ca.log(total(map(ca.exp, x)))


def mixture(sizes, x, data):
    n, k, d = sizes["n"], sizes["k"], sizes["d"]
    a, means, scales = x[:k], x[k : k + k * d], x[k + k * d :]
    factors = [ca.exp(s) for s in scales]
    weights = [a[i] + total(scales[i * d : (i + 1) * d]) for i in range(k)]

    def density(p, i):
        squares = (((float(data[p, j]) - means[i * d + j]) * factors[i * d + j]) ** 2 for j in range(d))
        return ca.exp(weights[i] - 0.5 * total(squares))

    return total(ca.log(total(density(p, i) for i in range(k))) for p in range(n))


def lorenz(sizes, x):
    sigma, rho, beta = x[3:]

    def slope(s):
        a, b, c = s
        return sigma * (b - a), a * (rho - c) - b, a * b - beta * c

    s = x[:3]
    for _ in range(sizes["steps"]):
        moved = lambda k, h: [u + h * v for u, v in zip(s, k)]
        k1 = slope(s)
        k2 = slope(moved(k1, STEP / 2))
        k3 = slope(moved(k2, STEP / 2))
        k4 = slope(moved(k3, STEP))
        s = [u + STEP / 6 * (p + 2 * q + 2 * r + t) for u, p, q, r, t in zip(s, k1, k2, k3, k4)]
    return total(u**2 for u in s)


def chain(sizes, x):
    def term(u, v):
        square = (v - u) ** 2
        return ca.sin(u * v) * ca.exp(-square) + 0.5 * square

    return total(map(term, x[:-1], x[1:]))


def recurrence(sizes, x):
    y, n = x[0], sizes["n"]
    for i in range(sizes["steps"]):
        y = ca.sin(y * x[i % n]) + 0.1 * x[(i + 3) % n]
    return y


WORKS = {
    "rosenbrock": rosenbrock,
    "logsumexp": logsumexp,
    "mixture": mixture,
    "lorenz": lorenz,
    "chain": chain,
    "recurrence": recurrence,
}


def derivative(f, product):
    """A function's derivative as another function."""
    x = f.sx_in(0)
    y = f(x)
    match product:
        case "value":
            return f
        case "gradient":
            return ca.Function("g", [x], [ca.gradient(y, x)])
        case "hvp":
            v = ca.SX.sym("v", x.shape[0])
            return ca.Function("g", [x, v], [ca.jtimes(ca.gradient(y, x), x, v)])
        case "hessian":
            return ca.Function("g", [x], [ca.hessian(y, x)[0]])


def by_gcc(f):
    """The function as a shared library, loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            f.generate("peer_code.c")
        finally:
            os.chdir(here)
        library = os.path.join(folder, "peer_code.so")
        command = ["gcc", "-O3", "-shared", "-fPIC", "-o", library, os.path.join(folder, "peer_code.c"), "-lm"]
        # A session of its own: gcc's own children must end with it.
        gcc = subprocess.Popen(command, start_new_session=True)
        try:
            code = gcc.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(gcc.pid, signal.SIGKILL)
            gcc.wait()
            raise RuntimeError(f"gcc -O3 takes more than {PATIENCE} s") from None
        if code:
            raise RuntimeError(f"gcc ends with {code}")
        return ca.external(f.name(), library)


class Work:
    def __init__(self, line):
        given = {each["name"]: peer.read(each) for each in line["inputs"]}
        x = ca.SX.sym("x", given["x"].size)
        data = {name: numbers for name, numbers in given.items() if name not in ("x", "v")}
        plain = WORKS[line["work"]](line["sizes"], ca.vertsplit(x), **data)
        self.product = line["product"]
        f = ca.Function("f", [x], [plain])
        self.bytes = f.serialize()
        self.given = [given[name] for name in ("x", "v") if name in given]
        derived = derivative(f, self.product)
        self.sparsity = derived.sparsity_out(0)
        self.function = by_gcc(derived) if line["compiled"] else derived
        self.prepare(self.function)

    def prepare(self, function):
        self.buffer, self.call = function.buffer()
        self.result = np.zeros(function.nnz_out(0))
        for i, numbers in enumerate(self.given):
            self.buffer.set_arg(i, memoryview(numbers))
        self.buffer.set_res(0, memoryview(self.result))

    def numbers(self):
        self.call()
        if self.product != "hessian":
            return self.result
        rows, columns = map(np.array, self.sparsity.get_triplet())
        order = np.lexsort((columns, rows))
        return np.concatenate([rows[order], columns[order], self.result[order]])

    def first(self):
        begin = time.perf_counter_ns()
        self.prepare(derivative(ca.Function.deserialize(self.bytes), self.product))
        self.call()
        return time.perf_counter_ns() - begin


sys.setrecursionlimit(10_000)
peer.serve(Work)
