"""Nodes with bodies: calls, branches, loops, and derivatives of functions, over random bodies.

A body is drawn without a point, since every step of a loop has its own: what it is made of is defined everywhere, and
each value is kept below a bound, so that loops stay where numbers mean something.
"""

import zlib
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ops import OPS, op

F64, I64, BOOL = "f64", "i64", "bool"
SHAPES = [(), (), (2,), (3,), (2, 2)]
# What operands and carries keep to.
OPERAND = 2.0
# More iterations than any while here takes.
MOST_ITERATIONS = 6
# Of one argument: what bounds the result, if the argument is bounded by b.
UNARY = {
    **{name: lambda b: 1.0 for name in ("sin", "cos", "tanh", "logistic")},
    "atan": lambda b: 1.6,
    "negate": lambda b: b,
    "square": lambda b: b * b,
    "asinh": lambda b: b,
    "softplus": lambda b: b + 1.0,
}
BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "maximum": max,
    "minimum": max,
}


@dataclass
class BodyNode:
    op: str
    operands: list
    field: str | None
    attributes: dict


@dataclass
class Body:
    """A function. Its name follows from what it is, so that equal ones are one."""

    parameters: list
    nodes: list = field(default_factory=list)
    results: list = field(default_factory=list)

    @property
    def name(self):
        return f"f{zlib.crc32(repr(self).encode()):08x}"

    def run(self, *arguments):
        values = list(arguments)
        for node in self.nodes:
            values.extend(OPS[node.op].run(node.attributes, *[values[i] for i in node.operands]))
        return [values[i] for i in self.results]


class Writer:
    """Writes a body, with the type and a bound of each value."""

    def __init__(self, gen, parameters):
        self.gen = gen
        self.body = Body([(dtype, tuple(shape)) for dtype, shape in parameters])
        self.types = list(self.body.parameters)
        self.bounds = [OPERAND if dtype == F64 else np.inf for dtype, _ in self.types]

    def node(self, name, operands, types, bound, field=None, attributes=None):
        self.body.nodes.append(BodyNode(name, list(operands), field, attributes or {}))
        first = len(self.types)
        self.types.extend(types)
        self.bounds.extend([bound] * len(types))
        return first

    def constant(self, dtype, value):
        attributes = self.gen.constant_attributes(dtype, (), value)
        return self.node("constant", [], [(dtype, ())], abs(value), "constant", attributes)

    def some(self, dtype=F64, shape=None):
        """A value, rather a late one; None if there is none of this type."""
        have = [i for i, (d, s) in enumerate(self.types) if d == dtype and shape in (None, s)]
        return have[int(len(have) * self.gen.rng.random() ** 0.6)] if have else None

    def unary(self, name, x):
        return self.node(name, [x], [self.types[x]], UNARY[name](self.bounds[x]))

    def binary(self, name, x, y):
        shape = max(self.types[x][1], self.types[y][1], key=len)
        bound = BINARY[name](self.bounds[x], self.bounds[y])
        return self.node(name, [x, y], [(F64, shape)], bound)

    def small(self, x):
        return self.unary("sin", x) if self.bounds[x] > 3 else x

    def partner(self, x):
        """A value of the same shape, or a scalar."""
        shape = self.types[x][1]
        other = self.some(F64, shape if self.gen.chance(0.6) else ())
        return self.constant(F64, float(self.gen.rng.uniform(-1.5, 1.5))) if other is None else other

    def at_least_two(self, x):
        return self.binary("add", self.unary("sin", x), self.constant(F64, 3.0))

    def predicate(self):
        x, y = self.some(F64, ()), self.some(F64, ())
        k = self.some(I64, ())
        direction = {"direction": self.gen.integers(3, 7)}
        if k is not None and (x is None or x == y or self.gen.chance(0.5)):
            operands = [k, self.constant(I64, self.gen.integers(-1, 3))]
        elif x is None or x == y:
            return None
        else:
            operands = [x, y]
        return self.node("compare", operands, [(BOOL, ())], np.inf, "compare", direction)

    def grow(self, depth):
        x = self.some()
        kind = self.gen.integers(0, 10)
        if kind < 3:
            names = sorted(UNARY)
            self.unary(names[self.gen.integers(0, len(names))], self.small(x))
        elif kind < 7:
            names = sorted(BINARY)
            self.binary(names[self.gen.integers(0, len(names))], self.small(x), self.small(self.partner(x)))
        elif kind == 7:
            below = self.at_least_two(self.partner(x))
            shape = max(self.types[x][1], self.types[below][1], key=len)
            x = self.small(x)
            self.node("divide", [x, below], [(F64, shape)], self.bounds[x])
        elif kind == 8:
            x, p = self.small(x), self.predicate()
            if p is not None:
                other = self.small(self.unary("cos", x))
                self.node("select", [p, x, other], [self.types[x]], 3.0)
        elif depth > 0:
            self.branch(self.small(x))
        elif self.types[x][1] != ():
            everything = {"axes": [], "keep_dims": False}
            size = int(np.prod(self.types[x][1]))
            x = self.small(x)
            self.node("reduce_sum", [x], [(F64, ())], size * self.bounds[x], "reduce", everything)

    def fill(self, depth):
        if self.some() is None:
            self.constant(F64, float(self.gen.rng.uniform(-1, 1)))
        for _ in range(self.gen.integers(2, 8)):
            self.grow(depth)

    def branch(self, x):
        """A cond inside the body."""
        p = self.predicate()
        if p is None:
            return
        types = [self.types[x]]
        wave = self.unary("sin", x)
        bodies = [draw_body(self.gen, types, types, 0) for _ in range(2)]
        attributes = {"branches": [b.name for b in bodies], "bodies": bodies}
        self.node("cond", [p, wave], types, OPERAND, "cond", attributes)

    def mixed(self, wrt):
        """A scalar with curvature in each of some parameters."""
        total = self.result(F64, ())
        for x in wrt:
            part = self.unary("sin", self.binary("multiply", self.small(x), total))
            if self.types[x][1] != ():
                everything = {"axes": [], "keep_dims": False}
                size = int(np.prod(self.types[x][1]))
                part = self.node("reduce_sum", [part], [(F64, ())], float(size), "reduce", everything)
            total = self.binary("add", total, part)
        return total

    def result(self, dtype, shape):
        """A value of this type below the operands' bound."""
        if dtype == I64:
            k = self.some(I64, shape)
            one = self.constant(I64, 1)
            return self.node("subtract", [one if k is None else k, one], [(I64, shape)], np.inf)
        x = self.some(F64, shape)
        if x is None:
            # Of no value here: a scalar, stretched.
            x = self.some(F64, ())
            x = self.constant(F64, 0.75) if x is None else x
            wide = {"shape": list(shape), "dimensions": []}
            x = self.node("broadcast_in_dim", [x], [(F64, shape)], self.bounds[x], "broadcast_in_dim", wide)
        factor = self.constant(F64, float(self.gen.rng.uniform(0.5, 1.8)))
        return self.binary("multiply", self.unary("sin", x), factor)


def draw_body(gen, parameters, results, depth=1):
    """A function of these types, which gives those."""
    writer = Writer(gen, parameters)
    writer.fill(depth)
    writer.body.results = [writer.result(dtype, tuple(shape)) for dtype, shape in results]
    return writer.body


def new_type(gen):
    return F64, SHAPES[gen.integers(0, len(SHAPES))]


def operand(gen, dtype, shape):
    if dtype == I64:
        return gen.integer_operand(tuple(shape))
    return gen.operand(F64, tuple(shape), -OPERAND, OPERAND)


def draw_types(gen, low, high, integers=0.15):
    types = [new_type(gen) for _ in range(gen.integers(low, high))]
    return [(I64, ()) if gen.chance(integers) else ty for ty in types]


def arrays(xs):
    return tuple(jnp.asarray(x) for x in xs)


# --- Calls and branches ---


@op("call", lambda at, *xs: tuple(at["bodies"][0].run(*arrays(xs))))
def _(gen):
    types = [new_type(gen), *draw_types(gen, 0, 3)]
    body = draw_body(gen, types, draw_types(gen, 1, 3))
    return [operand(gen, *ty) for ty in types], "call", {"function": body.name, "bodies": [body]}


def _cond(at, selector, *xs):
    index = lax.convert_element_type(jnp.asarray(selector), np.int32)
    branches = [lambda *a, b=b: tuple(b.run(*a)) for b in at["bodies"]]
    return lax.switch(index, branches, *arrays(xs))


@op("cond", _cond)
def _(gen):
    on_bool = gen.chance(0.5)
    types, results = [new_type(gen), *draw_types(gen, 0, 3)], draw_types(gen, 1, 3)
    bodies = [draw_body(gen, types, results) for _ in range(2 if on_bool else gen.integers(2, 4))]
    selector = gen.bool_operand(()) if on_bool else gen.integer_operand(())
    operands = [selector, *[operand(gen, *ty) for ty in types]]
    return operands, "cond", {"branches": [b.name for b in bodies], "bodies": bodies}


# --- Loops ---


def _scan(at, *xs):
    (body,), carries = at["bodies"], at.get("carries", 0)
    xs = arrays(xs)
    rest = carries + at["sequences"]

    def step(carry, slices):
        ys = body.run(*carry, *slices, *xs[rest:])
        return tuple(ys[:carries]), tuple(ys[carries:])

    end, stacked = lax.scan(step, xs[:carries], xs[carries:rest], length=at["length"], reverse=at.get("reverse", False))
    return (*end, *stacked)


def _draw_scan(gen, carries, outputs):
    length = gen.integers(1, 5)
    carried = draw_types(gen, carries, carries + 2) if carries else []
    sliced = draw_types(gen, 0 if carries else 1, 3)
    fixed = draw_types(gen, 0, 3)
    stacked = draw_types(gen, outputs, 3)
    body = draw_body(gen, [*carried, *sliced, *fixed], [*carried, *stacked])
    operands = [operand(gen, *ty) for ty in carried]
    operands += [operand(gen, dtype, (length, *shape)) for dtype, shape in sliced]
    operands += [operand(gen, *ty) for ty in fixed]
    attributes = {"function": body.name, "length": length, "sequences": len(sliced), "bodies": [body]}
    return operands, attributes, len(carried)


@op("scan", _scan, weight=2)
def _(gen):
    operands, attributes, carries = _draw_scan(gen, 1, 0)
    return operands, "scan", {**attributes, "carries": carries, "reverse": gen.chance(0.4)}


@op("map", _scan)
def _(gen):
    operands, attributes, _ = _draw_scan(gen, 0, 1)
    return operands, "map", attributes


def _while(at, *xs):
    """Unrolled, so that JAX has a reverse mode: steps that are not taken leave the carries as they are."""
    condition, body = at["bodies"]
    xs = arrays(xs)
    carries = len(body.results)

    def step(carry, _):
        (on,) = condition.run(*carry, *xs[carries:])
        after = body.run(*carry, *xs[carries:])
        return tuple(jnp.where(on, a, c) for a, c in zip(after, carry)), ()

    return lax.scan(step, xs[:carries], (), length=MOST_ITERATIONS)[0]


@op("while", _while)
def _(gen):
    # An integer counts down from 4 at most; a value may end it sooner.
    carried = [(I64, ()), *draw_types(gen, 1, 3, integers=0)]
    fixed = draw_types(gen, 0, 2)
    body = draw_body(gen, [*carried, *fixed], carried)
    one = gen.constant_attributes(I64, (), 1)
    # Every node of a body has one result.
    count = len(body.parameters) + len(body.nodes)
    body.nodes.append(BodyNode("constant", [], "constant", one))
    body.nodes.append(BodyNode("subtract", [0, count], None, {}))
    body.results[0] = count + 1
    writer = Writer(gen, body.parameters)
    zero = writer.constant(I64, 0)
    more = writer.node("compare", [0, zero], [(BOOL, ())], np.inf, "compare", {"direction": 5})
    scalar = writer.some(F64, ())
    if scalar is not None and gen.chance(0.5):
        limit = writer.constant(F64, float(gen.rng.uniform(-0.5, 1.5)))
        below = writer.node("compare", [scalar, limit], [(BOOL, ())], np.inf, "compare", {"direction": 3})
        more = writer.node("and", [more, below], [(BOOL, ())], np.inf)
    writer.body.results = [more]
    condition = writer.body
    operands = [operand(gen, *ty) for ty in [*carried, *fixed]]
    attributes = {"condition": condition.name, "body": body.name, "max_iterations": gen.integers(0, 2) * 50}
    return operands, "while", {**attributes, "bodies": [condition, body]}


# --- Derivatives ---


def _derivative(at, *xs):
    (body,) = at["bodies"]
    wrt = [int(w) for w in at["product"]["gradient"]["wrt"]]
    return jax.grad(lambda *a: body.run(*a)[0], wrt)(*arrays(xs))


@op("derivative", _derivative)
def _(gen):
    types = [new_type(gen), *draw_types(gen, 0, 3)]
    wrt = [i for i, (dtype, _) in enumerate(types) if dtype == F64]
    wrt = [w for w in wrt if gen.chance(0.7)] or wrt[:1]
    writer = Writer(gen, types)
    writer.fill(1)
    body = writer.body
    body.results = [writer.mixed(wrt)]
    product = {"gradient": {"output": "0", "wrt": [str(w) for w in wrt]}}
    operands = [operand(gen, *ty) for ty in types]
    return operands, "derivative", {"function": body.name, "product": product, "bodies": [body]}
