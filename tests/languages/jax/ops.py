"""The registry of operations: how operands and attributes are drawn, and what the operation means in JAX.

An entry has `draw(gen)`, which returns (operand ids, attribute field or None, attribute values) or None if it does not
suit the graph, and `run(attributes, *arrays)`, which returns a tuple of results. The semantics are those documented
in proto/gradient/v1/graph.proto; POLICY.md lists where JAX itself differs.
"""

from dataclasses import dataclass
from typing import Callable

OPS = {}


@dataclass
class Entry:
    draw: Callable
    run: Callable
    # Gives exact results on small integers, so that ties stay ties.
    exact: bool
    # How often it is drawn, relative to 1.
    weight: float = 1.0


def op(name, run, exact=False, weight=1.0):
    """Registers the decorated draw function with the meaning `run`."""

    def register(draw):
        OPS[name] = Entry(draw, run, exact, weight)
        return draw

    return register


def load():
    """Fills the registry. In a function: the modules import this one."""
    import derivative_ops  # noqa: F401
    import elementwise  # noqa: F401
    import linalg_ops  # noqa: F401
    import shape_ops  # noqa: F401
    import signal_ops  # noqa: F401
