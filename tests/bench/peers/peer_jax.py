"""JAX, compiled, in the form in which one writes for it."""

import os
import time

os.environ["JAX_ENABLE_X64"] = "1"

import jax
import jax.numpy as jnp
import numpy as np

import peer

STEP = 0.002


def rosenbrock(sizes, x):
    a, b = x[0::2], x[1::2]
    return jnp.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)


def logsumexp(sizes, x):
    return jax.nn.logsumexp(x)


def mixture(sizes, x, data):
    k, d = sizes["k"], sizes["d"]
    a, means, scales = x[:k], x[k : k + k * d].reshape(k, d), x[k + k * d :].reshape(k, d)
    z = (data[:, None, :] - means) * jnp.exp(scales)
    return jnp.sum(jax.nn.logsumexp(a + jnp.sum(scales, 1) - 0.5 * jnp.sum(z**2, 2), axis=1))


def lorenz(sizes, x):
    sigma, rho, beta = x[3], x[4], x[5]

    def slope(s):
        a, b, c = s
        return sigma * (b - a), a * (rho - c) - b, a * b - beta * c

    def step(s, _):
        moved = lambda k, h: tuple(u + h * v for u, v in zip(s, k))
        k1 = slope(s)
        k2 = slope(moved(k1, STEP / 2))
        k3 = slope(moved(k2, STEP / 2))
        k4 = slope(moved(k3, STEP))
        return tuple(u + STEP / 6 * (p + 2 * q + 2 * r + t) for u, p, q, r, t in zip(s, k1, k2, k3, k4)), None

    last, _ = jax.lax.scan(step, (x[0], x[1], x[2]), None, length=sizes["steps"])
    return sum(u**2 for u in last)


def chain(sizes, x):
    u, v = x[:-1], x[1:]
    square = (v - u) ** 2
    return jnp.sum(jnp.sin(u * v) * jnp.exp(-square) + 0.5 * square)


def recurrence(sizes, x):
    y, n = x[0], sizes["n"]
    for i in range(sizes["steps"]):
        y = jnp.sin(y * x[i % n]) + 0.1 * x[(i + 3) % n]
    return y


def perceptron(sizes, x, y, w1, b1, w2, b2):
    scores = jax.nn.relu(x @ w1 + b1) @ w2 + b2
    return -jnp.sum(jax.nn.log_softmax(scores, axis=1) * y) / x.shape[0]


def least_squares(sizes, a, b, x):
    return 0.5 * jnp.sum((a @ x - b) ** 2)


def k_means(sizes, points, centres):
    return jnp.sum(jnp.min(jnp.sum((points[:, None, :] - centres) ** 2, axis=2), axis=1))


def full_mixture(sizes, weights, means, factors, data):
    n, d = data.shape
    k = weights.shape[0]
    place = np.full((d, d), d * (d + 1) // 2)
    place[np.arange(d), np.arange(d)] = np.arange(d)
    columns, rows = np.triu_indices(d, 1)
    place[rows, columns] = np.arange(d, d * (d + 1) // 2)
    logs = factors[:, :d]
    padded = jnp.concatenate([jnp.exp(logs), factors[:, d:], jnp.zeros((k, 1))], axis=1)
    lower = padded[:, place]
    away = data[None] - means[:, None, :]
    z = jnp.einsum("knj,kij->kni", away, lower)
    densities = (weights + jnp.sum(logs, 1))[:, None] - 0.5 * jnp.sum(z**2, 2)
    return jnp.sum(jax.nn.logsumexp(densities, axis=0)) - n * jax.nn.logsumexp(weights)


WORKS = {
    "rosenbrock": rosenbrock,
    "logsumexp": logsumexp,
    "mixture": mixture,
    "lorenz": lorenz,
    "chain": chain,
    "recurrence": recurrence,
    "perceptron": perceptron,
    "least squares": least_squares,
    "k-means": k_means,
    "full mixture": full_mixture,
}


class Work:
    def __init__(self, line):
        self.line = line
        self.names = [given["name"] for given in line["inputs"] if given["name"] != "v"]
        self.arguments = [jnp.asarray(peer.read(given)) for given in line["inputs"]]
        self.function = jax.jit(self.product())

    def product(self):
        line = self.line
        f, sizes = WORKS[line["work"]], line["sizes"]
        # A function object of its own each time, so that nothing is found again.
        plain = lambda *xs: f(sizes, **dict(zip(self.names, xs)))
        wrt = tuple(i for i, given in enumerate(line["inputs"]) if given.get("wrt"))
        match line["product"]:
            case "value":
                product = plain
            case "gradient":
                product = jax.grad(plain, argnums=wrt)
            case "hvp":
                product = lambda x, v: jax.jvp(jax.grad(plain), (x,), (v,))[1]
            case "hessian":
                # By hand, as JAX knows no sparse Hessians: pairs of neighbours, so two products give all entries.
                def product(x):
                    along = lambda v: jax.jvp(jax.grad(plain), (x,), (v,))[1]
                    even = jnp.zeros_like(x).at[0::2].set(1)
                    first, second = jax.vmap(along)(jnp.stack([even, 1 - even]))
                    return jnp.stack([first, second], axis=1)

        if line["batch"]:
            axes = tuple(0 if given.get("batched") else None for given in line["inputs"])
            return jax.vmap(product, in_axes=axes)
        return product

    def call(self):
        return jax.block_until_ready(self.function(*self.arguments))

    def numbers(self):
        parts = [np.asarray(part).ravel() for part in jax.tree.leaves(self.call())]
        if self.line["product"] == "hessian":
            n = self.arguments[0].size
            rows = np.repeat(np.arange(n), 2)
            columns = 2 * (rows // 2) + np.tile([0, 1], n)
            parts = [rows, columns] + parts
        return np.concatenate(parts)

    def first(self):
        jax.clear_caches()
        begin = time.perf_counter_ns()
        jax.block_until_ready(jax.jit(self.product())(*self.arguments))
        return time.perf_counter_ns() - begin


peer.serve(Work)
