"""Random well-typed graphs, with the point at which they are evaluated.

A graph is grown node by node and evaluated while it grows, so that the operands of an operation can be chosen, or
mapped by a scaled sine, to lie inside its domain.
"""

from dataclasses import dataclass, field

import jax
import numpy as np

from interpreter import Interpreter
from ops import FINITE_ONLY, OPS
from shape_ops import DTYPES, NUMPY

SHAPES = [(), (3,), (2, 3), (2,), (3, 2), (1,), (4,), (3, 3), (2, 2), (1, 3), (2, 1, 3), (2, 2, 3), (2, 1, 3, 2), (0,), (2, 0)]
SHAPE_WEIGHTS = np.array([8, 8, 10, 3, 3, 1, 1, 2, 2, 1, 2, 1.5, 1.5, 0.5, 0.3])
SHAPE_WEIGHTS = SHAPE_WEIGHTS / SHAPE_WEIGHTS.sum()
# Larger values would only show how ill-conditioned the graph is.
LARGEST = 1e3
MOST_ELEMENTS = 64
# Before the sum of the outputs is added.
MOST_NODES = 54
# Their derivative is 0.
STILL = {"stop_gradient", "floor", "ceil", "sign", "round_nearest_even", "round_nearest_afz", "trunc"}


@dataclass
class Node:
    op: str
    operands: list
    field: str | None
    attributes: dict


@dataclass
class Case:
    """A graph and everything that is asked of it."""

    seed: int
    number: int
    inputs: list = field(default_factory=list)
    nodes: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    values: list = field(default_factory=list)
    point: dict = field(default_factory=dict)
    tangents: dict = field(default_factory=dict)
    cotangents: dict = field(default_factory=dict)
    vectors: dict = field(default_factory=dict)
    # Holds infinities and NaN: only values are compared.
    special: bool = False
    # Rounds to f32 somewhere.
    single: bool = False
    hvp_mode: int = 1


def name_of(dtype):
    return {"float64": "f64", "float32": "f32", "bool": "bool", "int64": "i64"}[str(dtype)]


class Reject(Exception):
    """The node does not suit; the graph goes on without it."""


_programs = {}


def evaluate(op, attributes, arrays):
    """Results of one operation, in the element types of the graph."""
    if op == "constant":
        return [attributes["array"]]
    entry = OPS[op]
    fixed, arrays = arrays[: entry.orders], arrays[entry.orders :]
    key = (op, repr(attributes), *[a.tobytes() for a in fixed], *[(a.dtype.char, a.shape) for a in arrays])
    if key not in _programs:
        if len(_programs) > 4000:
            _programs.clear()
        _programs[key] = jax.make_jaxpr(lambda *xs: entry.run(attributes, *fixed, *xs))(*arrays)
    return Interpreter().run(_programs[key], arrays)


class Generator:
    """Graph `number` of `seed`. It holds two operations, if they can be drawn, that follow from the number: so every
    one has its turn. Or it holds those `wanted`."""

    def __init__(self, seed, number, names, wanted=None):
        order = np.random.default_rng(seed).permutation(names)
        turn = [str(order[(2 * number + k) % len(names)]) for k in range(2)]
        self.wanted = turn if wanted is None else list(wanted)
        self.rng = np.random.default_rng([seed, number])
        self.case = Case(seed, number)
        self.singles = self.chance(0.25)
        self.case.special = wanted is None and self.chance(0.03)
        if self.case.special:
            names = [n for n in names if n not in FINITE_ONLY]
            self.wanted = [n for n in self.wanted if n in names]
        self.names = names
        weights = np.array([OPS[n].weight for n in names])
        self.weights = weights / weights.sum()
        self.case.hvp_mode = 1 + number % 2
        # Of each value, whether it moves with an input.
        self.moving = []

    # --- Drawing ---

    def chance(self, p):
        return bool(self.rng.random() < p)

    def integers(self, low, high):
        return int(self.rng.integers(low, high))

    def float_type(self):
        return "f32" if self.singles and self.chance(0.5) else "f64"

    def new_shape(self, least_rank=0):
        while True:
            shape = SHAPES[self.rng.choice(len(SHAPES), p=self.SHAPES_P)]
            if len(shape) >= least_rank:
                return list(shape)

    SHAPES_P = SHAPE_WEIGHTS

    def shape_of_size(self, size):
        fitting = [s for s in SHAPES if int(np.prod(s, dtype=int)) == size]
        return list(fitting[self.integers(0, len(fitting))]) if fitting else [size]

    def shape(self, value):
        return self.case.values[value].shape

    def dtype(self, value):
        return name_of(self.case.values[value].dtype)

    def axis(self, value):
        return self.integers(0, len(self.shape(value)))

    def _of(self, dtype, shape=None):
        return [
            i
            for i, v in enumerate(self.case.values)
            if name_of(v.dtype) == dtype and (shape is None or v.shape == tuple(shape))
        ]

    def shape_of_some(self, dtype):
        """Mostly the shape of a value that the graph has, so that nodes hang together."""
        have = self._of(dtype)
        if have and self.chance(0.9):
            return self.shape(self._recent(have))
        return tuple(self.new_shape())

    def _recent(self, have):
        # Those that an input reaches: otherwise derivatives are mostly zero.
        if self.chance(0.9):
            have = [i for i in have if self.moving[i]] or have
        if self.chance(0.6):
            have = have[-6:]
        return have[self.integers(0, len(have))]

    # --- Values ---

    def data(self, dtype, shape):
        shape = tuple(shape)
        if dtype == "bool":
            return self.rng.integers(0, 2, shape).astype(bool)
        if dtype == "i64":
            return self.rng.integers(-4, 5, shape).astype(np.int64)
        if self.chance(0.25):
            # Whole numbers: ties and zeros.
            return self.rng.integers(-2, 3, shape).astype(NUMPY[dtype])
        return self.rng.uniform(-2, 2, shape).astype(NUMPY[dtype])

    def input(self, dtype, shape):
        assert not self.case.nodes
        data = np.asarray(self.data(dtype, shape))
        if self.case.special and dtype in ("f64", "f32") and data.size:
            data = data.copy()
            data.reshape(-1)[self.integers(0, data.size)] = [np.inf, -np.inf, np.nan][self.integers(0, 3)]
        name = f"x{len(self.case.inputs)}"
        self.case.inputs.append((name, dtype, data.shape))
        self.case.point[name] = data
        self.case.values.append(data)
        self.moving.append(data.dtype.kind == "f")

    def constant_attributes(self, dtype, shape, array=None):
        if array is None:
            array = self.data(dtype, shape)
        array = np.broadcast_to(np.asarray(array, NUMPY[dtype]), tuple(shape)).copy()
        raw = array.tobytes()
        return {"value": {"dtype": DTYPES[dtype], "shape": list(shape), "raw": raw}, "array": array}

    def constant(self, dtype, shape, array=None):
        return self.node("constant", [], "constant", self.constant_attributes(dtype, shape, array))

    def node(self, op, operands, field=None, attributes=None):
        """Adds a node and gives the id of its first result; rejects values that are too large."""
        attributes = attributes or {}
        results = evaluate(op, attributes, [self.case.values[i] for i in operands])
        for r in results:
            if r.size > MOST_ELEMENTS or r.ndim > 4:
                raise Reject
            if r.dtype.kind == "f" and r.size and not self.case.special and not np.max(np.abs(r)) <= LARGEST:
                raise Reject
            if r.dtype.kind == "i" and r.size and np.max(np.abs(r)) > 2**50 and op != "argsort":
                raise Reject
            if r.dtype == np.float32:
                self.case.single = True
        self.case.nodes.append(Node(op, list(operands), field, attributes))
        first = len(self.case.values)
        self.case.values.extend(results)
        moving = op not in STILL and any(self.moving[i] for i in operands)
        self.moving.extend(moving and r.dtype.kind == "f" for r in results)
        return first

    def operand(self, dtype, shape, low, high):
        """A value of this type, inside [low, high]."""
        if dtype == "i64":
            return self.integer_operand(shape)
        have = self._of(dtype, shape)
        if have and self.chance(0.93):
            value = self._recent(have)
        elif self.chance(0.8):
            value = self._connect(dtype, shape)
        else:
            value = self.constant(dtype, shape)
        return self._inside(value, low, high)

    def _inside(self, value, low, high):
        v = self.case.values[value]
        if self.case.special:
            v = v[np.isfinite(v)]
        if v.size == 0 or (np.min(v) >= low and np.max(v) <= high):
            return value
        dtype = self.dtype(value)
        wave = self.node("sin", [value])
        half = self.constant(dtype, (), 0.48 * (high - low))
        scaled = self.node("multiply", [wave, half])
        middle = 0.5 * (low + high)
        return scaled if middle == 0 else self.node("add", [scaled, self.constant(dtype, (), middle)])

    def _connect(self, dtype, shape):
        """A value of a new shape that depends on one that is there."""
        have = self._of(dtype)
        if not have:
            other = self._of("f64" if dtype == "f32" else "f32")
            if not other:
                return self.constant(dtype, shape)
            value = self.node("convert", [self._recent(other)], "convert", {"dtype": DTYPES[dtype]})
        else:
            value = self._recent(have)
        if self.shape(value) != ():
            value = self.node("reduce_sum", [value], "reduce", {"axes": [], "keep_dims": False})
        if tuple(shape) == ():
            return value
        value = self.node("multiply", [self._inside(value, -2, 2), self.constant(dtype, shape)])
        return value

    def integer_operand(self, shape):
        have = self._of("i64", shape)
        return self._recent(have) if have and self.chance(0.7) else self.constant("i64", shape)

    def bool_operand(self, shape):
        have = self._of("bool", shape)
        if have and self.chance(0.7):
            return self._recent(have)
        floats = self._of("f64", shape)
        if floats and self.chance(0.7):
            return self.node("compare", [self._recent(floats), self._recent(floats)], "compare", {"direction": self.integers(1, 7)})
        return self.constant("bool", shape)

    def tensor(self, least_rank=0, nonempty=False):
        """Some value of floating-point type."""
        have = [
            i
            for i in self._of(self.float_type())
            if len(self.shape(i)) >= least_rank and not (nonempty and self.case.values[i].size == 0)
        ]
        if have:
            return self._inside(self._recent(have), -4, 4)
        return self.constant("f64", (2, 3))

    # --- Graphs ---

    def graph(self, least=False):
        """`least`: no more than what is wanted."""
        case = self.case
        shapes = [self.new_shape() for _ in range(2)]
        for k in range(self.integers(1, 5)):
            shape = shapes[self.integers(0, 2)] if self.chance(0.7) else self.new_shape()
            if k == 0:
                self.input("f64", shape)
            else:
                self.input(["f64", "f64", self.float_type(), "bool", "i64"][self.integers(0, 5)], shape)
        case.single = any(v.dtype == np.float32 for v in case.values)
        target = self.integers(1, 46) if self.chance(0.85) else self.integers(1, 6)
        turns = sorted(self.integers(0, target) for _ in self.wanted)
        for turn, name in zip(turns, self.wanted):
            if not least:
                self._grow(turn)
            for _ in range(12):
                if self._draw(name):
                    break
        if not least:
            self._grow(target)
        self._outputs()
        self._directions()
        return case

    def _grow(self, target):
        """Draws until there are so many nodes, or gives up."""
        for _ in range(4 * target):
            if len(self.case.nodes) >= target:
                return
            self._draw(self.names[self.rng.choice(len(self.names), p=self.weights)])

    def _draw(self, name):
        case = self.case
        mark = len(case.nodes), len(case.values)
        try:
            drawn = OPS[name].draw(self)
            if drawn is not None:
                self.node(name, *drawn)
                if len(case.nodes) <= MOST_NODES:
                    return True
        except Reject:
            pass
        del case.nodes[mark[0] :], case.values[mark[1] :], self.moving[mark[1] :]
        return False

    def _outputs(self):
        case = self.case
        inputs = len(case.inputs)
        ids = list(range(inputs, len(case.values))) or list(range(inputs))
        chosen = {ids[-1]}
        for _ in range(self.integers(0, 4)):
            chosen.add(ids[int(len(ids) * self.rng.random() ** 0.5)])
        case.outputs = [(f"y{k}", v) for k, v in enumerate(sorted(chosen))]
        total = None
        for _, v in list(case.outputs):
            dtype = self.dtype(v)
            if dtype not in ("f64", "f32"):
                continue
            weights = self.constant(dtype, self.shape(v), self.rng.uniform(0.5, 1.5, self.shape(v)))
            special, case.special = case.special, True  # Sums may be large.
            part = self.node("multiply", [v, weights])
            if dtype == "f32":
                part = self.node("convert", [part], "convert", {"dtype": DTYPES["f64"]})
            part = self.node("reduce_sum", [part], "reduce", {"axes": [], "keep_dims": False})
            total = part if total is None else self.node("add", [total, part])
            case.special = special
        if total is not None:
            case.outputs.append(("s", total))

    def _directions(self):
        case = self.case
        for name, dtype, shape in case.inputs:
            if dtype in ("f64", "f32"):
                case.tangents[name] = self.rng.uniform(-1, 1, shape).astype(NUMPY[dtype])
                case.vectors[name] = self.rng.uniform(-1, 1, shape).astype(NUMPY[dtype])
        for name, v in case.outputs:
            if self.dtype(v) in ("f64", "f32"):
                case.cotangents[name] = self.rng.uniform(-1, 1, self.shape(v)).astype(NUMPY[self.dtype(v)])
