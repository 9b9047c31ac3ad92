"""The same graph and products by JAX, in the same element types."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ops import OPS

# Relative size of the noise put on every rounded value to measure conditioning.
NOISE = {np.dtype(np.float64): 2e-15, np.dtype(np.float32): 2.4e-7}


def _shaken(value, exact, rng):
    """The value with an error of a few roundings, but for small whole numbers of exact operations: ties stay ties."""
    factor = 1 + NOISE[np.dtype(value.dtype)] * rng.uniform(-1, 1, value.shape)
    if exact:
        plain = lax.stop_gradient(value)
        scaled = plain * 1024
        return value * jnp.where(scaled == jnp.round(scaled), 1.0, factor).astype(value.dtype)
    return value * jnp.asarray(factor, value.dtype)


def function(case, noise_seed=None):
    """From the list of inputs to the list of outputs; with a seed, shaken by rounding errors."""

    def run(*arguments):
        rng = None if noise_seed is None else np.random.default_rng(noise_seed)
        values = list(arguments)
        for node in case.nodes:
            entry = OPS[node.op]
            results = entry.run(node.attributes, *[values[i] for i in node.operands])
            if rng is not None and node.op != "constant":
                results = [
                    _shaken(r, entry.exact, rng) if jnp.issubdtype(r.dtype, jnp.floating) else r for r in results
                ]
            values.extend(results)
        return [values[v] for _, v in case.outputs]

    return run


def products(case, noise_seed=None):
    """Blocks by (product, output, input)."""
    run = function(case, noise_seed)
    point = [jnp.asarray(case.point[name]) for name, _, _ in case.inputs]
    moving = [k for k, (_, dtype, _) in enumerate(case.inputs) if dtype in ("f64", "f32")]
    names = [case.inputs[k][0] for k in moving]
    floats = [k for k, (name, _) in enumerate(case.outputs) if name in case.cotangents]

    def smooth(*x):
        arguments = list(point)
        for k, value in zip(moving, x):
            arguments[k] = value
        y = run(*arguments)
        return [y[k] for k in floats], y

    blocks = {}
    x = [point[k] for k in moving]
    if case.special or not floats:
        for (name, _), y in zip(case.outputs, run(*point)):
            blocks["value", name, ""] = np.asarray(y)
        return blocks
    primal, tangents, y = jax.jvp(smooth, x, [jnp.asarray(case.tangents[n]) for n in names], has_aux=True)
    for (name, _), value in zip(case.outputs, y):
        blocks["value", name, ""] = np.asarray(value)
    for k, value in zip(floats, tangents):
        blocks["jvp", case.outputs[k][0], ""] = np.asarray(value)

    # One reverse sweep for each of the two seeds.
    _, pull = jax.vjp(lambda *x: smooth(*x)[0], *x)
    seeds = [jnp.asarray(case.cotangents[case.outputs[k][0]]) for k in floats]
    for name, value in zip(names, pull(seeds)):
        blocks["vjp", "", name] = np.asarray(value)

    gradient = jax.grad(lambda *x: smooth(*x)[0][-1], argnums=tuple(range(len(x))))
    _, hv = jax.jvp(gradient, x, [jnp.asarray(case.vectors[n]) for n in names])
    for name, value in zip(names, hv):
        blocks["hvp", "s", name] = np.asarray(value)
    return blocks
