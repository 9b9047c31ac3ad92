"""Convolution, pooling, Fourier transforms and interpolation."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from ops import op


def _convolution(at, x, kernel):
    """By the windows of the input, element by element of the kernel."""
    r = x.ndim - 2
    low, high = at["low"] or [0] * r, at["high"] or [0] * r
    strides, dilations, groups = at["strides"] or [1] * r, at["dilations"] or [1] * r, at["groups"] or 1
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * 2 + [(a, b, 0) for a, b in zip(low, high)])
    sizes = kernel.shape[2:]
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], sizes, strides, dilations)]
    batch, channels, features = x.shape[0], x.shape[1], kernel.shape[0]
    grouped = kernel.reshape(groups, features // groups, channels // groups, *sizes)
    total = jnp.zeros((batch, groups, features // groups, *counts), x.dtype)
    for offset in np.ndindex(*sizes):
        starts = [o * d for o, d in zip(offset, dilations)]
        limits = [a + (c - 1) * s + 1 for a, c, s in zip(starts, counts, strides)]
        window = lax.slice(x, (0, 0, *starts), (batch, channels, *limits), (1, 1, *strides))
        window = window.reshape(batch, groups, channels // groups, *counts)
        total = total + jnp.einsum("ngc...,gfc->ngf...", window, grouped[(..., *offset)])
    return (total.reshape(batch, features, *counts),)


@op("convolution", _convolution)
def _(gen):
    dtype = gen.float_type()
    groups = 2 if gen.chance(0.3) else 0
    spatial = [(4,), (3, 3)][gen.integers(0, 2)]
    r = len(spatial)
    x = gen.operand(dtype, (int(gen.integers(1, 3)), 2, *spatial), -4, 4)
    kernel = gen.operand(dtype, (2, 1 if groups else 2, *[2] * r), -4, 4)
    some = lambda low, high: [int(gen.integers(low, high)) for _ in range(r)] if gen.chance(0.5) else []  # noqa: E731
    attributes = {
        "strides": some(1, 3),
        "low": some(0, 2),
        "high": some(0, 2),
        "dilations": some(1, 3),
        "groups": groups,
    }
    return [x, kernel], "convolution", attributes


def _patches(at, x, fill):
    """Every window as a last dimension: [batch, channels, positions…, elements]."""
    r = x.ndim - 2
    low, high = at["low"] or [0] * r, at["high"] or [0] * r
    strides = at["strides"] or at["sizes"]
    padded = lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0)] * 2 + [(a, b, 0) for a, b in zip(low, high)])
    counts = [(n - k) // s + 1 for n, k, s in zip(padded.shape[2:], at["sizes"], strides)]
    elements = []
    for offset in np.ndindex(*at["sizes"]):
        limits = [o + (c - 1) * s + 1 for o, c, s in zip(offset, counts, strides)]
        elements.append(lax.slice(padded, (0, 0, *offset), (*x.shape[:2], *limits), (1, 1, *strides)))
    return jnp.stack(elements, -1)


def _max_pool(at, x):
    p = _patches(at, x, -np.inf)
    return (lax.reduce_max(p, (p.ndim - 1,)),)


def _average_pool(at, x):
    return (jnp.sum(_patches(at, x, 0.0), -1) / jnp.sum(_patches(at, jnp.ones_like(x), 0.0), -1),)


for _name, _f in {"max_pool": _max_pool, "average_pool": _average_pool}.items():

    @op(_name, _f)
    def _(gen):
        spatial = [(4,), (3, 3)][gen.integers(0, 2)]
        r = len(spatial)
        x = gen.operand(gen.float_type(), (1, 2, *spatial), -4, 4)
        some = lambda low, high: [int(gen.integers(low, high)) for _ in range(r)] if gen.chance(0.5) else []  # noqa: E731
        return [x], "pool", {"sizes": [2] * r, "strides": some(1, 3), "low": some(0, 2), "high": some(0, 2)}


# --- Fourier transforms as products with the matrices that define them ---


def _turns(n, k):
    """Cosines and sines of -2 pi j l / n. Exact where they are 0 or 1, and a turn back has the same digits."""
    steps = np.outer(np.arange(k), np.arange(n)) % n
    quarters = np.minimum(steps, n - steps) * 4
    angle = np.pi / 2 * quarters / n
    cos = np.where(quarters == n, 0.0, np.cos(angle))
    sin = np.where(quarters == 2 * n, 0.0, np.sin(angle))
    return cos, np.where(2 * steps > n, sin, -sin)


def _fft(at, x, sign=1.0, scale=1.0):
    n = x.shape[-2]
    c, s = _turns(n, n)
    c, s = jnp.asarray(c * scale, x.dtype), jnp.asarray(s * sign * scale, x.dtype)
    re, im = x[..., 0], x[..., 1]
    return (jnp.stack([re @ c.T - im @ s.T, re @ s.T + im @ c.T], -1),)


def _rfft(at, x):
    c, s = _turns(x.shape[-1], x.shape[-1] // 2 + 1)
    return (jnp.stack([x @ jnp.asarray(c.T, x.dtype), x @ jnp.asarray(s.T, x.dtype)], -1),)


def _irfft(at, x):
    n = at["length"]
    c, s = _turns(n, x.shape[-2])
    # All but the first and, for even n, the last count twice. Imaginary parts of those two meet a sine of 0.
    weight = np.full((x.shape[-2], 1), 2.0)
    weight[0] = 1
    if n % 2 == 0:
        weight[-1] = 1
    c, s = weight * c / n, weight * s / n
    s[0] = 0
    if n % 2 == 0:
        s[-1] = 0
    return (x[..., 0] @ jnp.asarray(c, x.dtype) + x[..., 1] @ jnp.asarray(s, x.dtype),)


def _pairs(name, run):
    @op(name, run)
    def _(gen):
        shape = [(3, 2), (4, 2), (2, 3, 2)][gen.integers(0, 3)]
        return [gen.operand(gen.float_type(), shape, -4, 4)], None, {}


_pairs("fft", _fft)
_pairs("ifft", lambda at, x: _fft(at, x, -1.0, 1.0 / x.shape[-2]))


@op("rfft", _rfft)
def _(gen):
    return [gen.operand(gen.float_type(), [(3,), (4,), (2, 3)][gen.integers(0, 3)], -4, 4)], None, {}


@op("irfft", _irfft)
def _(gen):
    length, pairs = [(3, 2), (4, 3), (2, 2)][gen.integers(0, 3)]
    return [gen.operand(gen.float_type(), (pairs, 2), -4, 4)], "fourier", {"length": length}


# --- Interpolation: knots [n] in the constant, moved a little by values of the graph ---


def _second_derivatives(knots, values):
    """Of the natural cubic spline, by its tridiagonal system."""
    n = knots.shape[0]
    h = knots[1:] - knots[:-1]
    slope = (values[1:] - values[:-1]) / h
    if n < 3:
        return jnp.zeros_like(values)
    a = jnp.diag(2 * (h[:-1] + h[1:])) + jnp.diag(h[1:-1], 1) + jnp.diag(h[1:-1], -1)
    inner = jnp.linalg.solve(a, 6 * (slope[1:] - slope[:-1]))
    zero = jnp.zeros((1,), values.dtype)
    return jnp.concatenate([zero, inner, zero])


def _interp1d(at, q, knots, values):
    n = knots.shape[0]
    # A constant is NumPy's, which takes no traced index.
    knots, values = jnp.asarray(knots), jnp.asarray(values)
    fixed = lax.stop_gradient(knots)
    piece = jnp.clip(jnp.sum(fixed <= lax.stop_gradient(q)[..., None], -1) - 1, 0, n - 2)
    x = q
    if at["extrapolation"] == 1:
        below, above = q < fixed[0], q > fixed[-1]
        x = jnp.where(below, knots[0], jnp.where(above, knots[-1], q))
    left, right = knots[piece], knots[piece + 1]
    h = right - left
    a, b = (right - x) / h, (x - left) / h
    y = a * values[piece] + b * values[piece + 1]
    if at["kind"] == 2:
        m = _second_derivatives(knots, values)
        y = y + ((a * a * a - a) * m[piece] + (b * b * b - b) * m[piece + 1]) * h * h / 6
    if at["extrapolation"] == 3:
        y = jnp.where((q < fixed[0]) | (q > fixed[-1]), jnp.nan, y)
    return (y,)


@op("interp1d", _interp1d)
def _(gen):
    varied = gen.operand("f64", (4,), -0.3, 0.3)
    knots = gen.node("add", [varied, gen.constant("f64", (4,), np.array([-2.0, -0.7, 0.4, 2.0]))])
    attributes = {"kind": int(gen.integers(1, 3)), "extrapolation": int(gen.integers(1, 3))}
    return [gen.operand("f64", gen.shape_of_some("f64"), -3, 3), knots, gen.operand("f64", (4,), -4, 4)], "interpolate", attributes


def _bspline(at, q, knots, coefficients):
    """De Boor's recursion in the piece that holds the query."""
    k, n = at["degree"], coefficients.shape[0]
    # A constant is NumPy's, which takes no traced index.
    coefficients, knots = jnp.asarray(coefficients), jnp.asarray(knots)
    fixed = lax.stop_gradient(knots)
    piece = jnp.clip(jnp.sum(fixed <= lax.stop_gradient(q)[..., None], -1) - 1, k, n - 1)
    d = [coefficients[piece - k + j] for j in range(k + 1)]
    for r in range(1, k + 1):
        for j in range(k, r - 1, -1):
            left, right = knots[piece - k + j], knots[piece + 1 + j - r]
            alpha = (q - left) / (right - left)
            d[j] = (1 - alpha) * d[j - 1] + alpha * d[j]
    return (d[k],)


@op("bspline", _bspline)
def _(gen):
    degree = int(gen.integers(1, 4))
    count = 4 + degree + 1
    varied = gen.operand("f64", (count,), -0.2, 0.2)
    knots = gen.node("add", [varied, gen.constant("f64", (count,), np.arange(count) * 1.0 - count / 2)])
    return [gen.operand("f64", gen.shape_of_some("f64"), -3, 3), knots, gen.operand("f64", (4,), -4, 4)], "b_spline", {"degree": degree}
