"""The same graph and products by JAX: what the answers are, and how far rounding may move them."""

import jax
import jax.numpy as jnp
import numpy as np

from interpreter import Interpreter, mark
from ops import OPS

# What the service promises of a special function (issue 3): of its value, of its derivatives.
SPECIAL_VALUE, SPECIAL_SLOPE = 1e-13, 1e-12
# Draws of all rounding errors of a graph.
SAMPLES = 6


@jax.custom_jvp
def _wrong(x, by):
    return x


@_wrong.defjvp
def _(primals, tangents):
    return primals[0], tangents[0] * (1 + primals[1])


def node_results(node, operands, mutant=None):
    """Results of a node; of a mutant the derivative in its operands is wrong by that much, relatively."""
    entry = OPS[node.op]
    # Constants stay arrays: some are looked at while JAX traces.
    smooth = [not isinstance(x, np.ndarray) and jnp.issubdtype(x.dtype, jnp.floating) for x in operands]
    if mutant is not None:
        operands = [_wrong(x, mutant) if s else x for x, s in zip(operands, smooth)]
    if entry.special:
        # The value as it is; of the slope in each operand an error of its own.
        operands = [mark(x, 0.0, SPECIAL_SLOPE) if s else x for x, s in zip(operands, smooth)]
    results = entry.run(node.attributes, *operands)
    return [mark(r, SPECIAL_VALUE, SPECIAL_SLOPE) for r in results] if entry.special else results


class Oracle:
    """A graph's products as one JAX program. `forward`: values and JVP only. `mutant`: a node and how wrong its
    derivative is made."""

    def __init__(self, case, forward=False, mutant=None):
        self.case = case
        self.keys = []
        self.point = [case.point[name] for name, _, _ in case.inputs]
        # f32 is rounded only where overflow to infinity may matter.
        self.wide = not case.special

        def run(*arguments):
            values = list(arguments)
            for k, node in enumerate(case.nodes):
                wrong = mutant[1] if mutant and mutant[0] == k else None
                values.extend(node_results(node, [values[i] for i in node.operands], wrong))
            return [values[v] for _, v in case.outputs]

        moving = [k for k, (_, dtype, _) in enumerate(case.inputs) if dtype in ("f64", "f32")]
        names = [case.inputs[k][0] for k in moving]
        floats = [k for k, (name, _) in enumerate(case.outputs) if name in case.cotangents]

        def at(point, x):
            arguments = list(point)
            for k, value in zip(moving, x):
                arguments[k] = value
            y = run(*arguments)
            return [y[k] for k in floats], y

        def products(point, tangents, cotangents, vectors):
            x = [point[k] for k in moving]
            smooth = lambda *x: at(point, x)  # noqa: E731
            if case.special or not floats:
                values, rest = run(*point), []
            else:
                _, rest, values = jax.jvp(smooth, x, tangents, has_aux=True)
                self.keys = [("jvp", case.outputs[k][0], "") for k in floats]

                def reverse(*x):
                    """Pulls back the cotangents, and 1 of the output s, which is the last."""
                    _, pull = jax.vjp(lambda *x: smooth(*x)[0], *x)
                    one = [jnp.zeros_like(c) for c in cotangents[:-1]] + [jnp.ones_like(cotangents[-1])]
                    return pull(cotangents), pull(one)

                if not forward:
                    (vjp, _), (_, hvp) = jax.jvp(reverse, x, vectors)
                    self.keys += [("vjp", "", n) for n in names] + [("hvp", "s", n) for n in names]
                    rest = [*rest, *vjp, *hvp]
            self.keys = [("value", name, "") for name, _ in case.outputs] + self.keys
            return [*values, *rest]

        self.arguments = [
            self.point,
            [case.tangents[n] for n in names],
            [case.cotangents[case.outputs[k][0]] for k in floats],
            [case.vectors[n] for n in names],
        ]
        self.flat = jax.tree.leaves(self.arguments)
        self.products = products
        self.program = jax.make_jaxpr(products)(*self.arguments)
        self.types = [np.dtype(a.dtype) for a in self.program.out_avals]

    def blocks(self, seed=None):
        """Blocks by (product, output, input), f32 as f64; with a seed all roundings are drawn at random, and every NaN is
        positive (even seeds) or negative (odd seeds)."""
        if seed is None:
            interpreter = Interpreter(self.wide)
        else:
            interpreter = Interpreter(self.wide, np.random.default_rng(seed), nan_sign=(-1) ** seed)
        return dict(zip(self.keys, interpreter.run(self.program, self.flat)))

    def by_xla(self):
        """The same blocks, compiled: holds the interpreter to account."""
        return dict(zip(self.keys, map(np.asarray, jax.jit(self.products)(*self.arguments))))

    def element_types(self):
        return dict(zip(self.keys, self.types))
