"""JAX's primitives in NumPy and SciPy: name -> function(operands, parameters)."""

import itertools

import numpy as np
import scipy.linalg
import scipy.special
from jax import lax

TABLE = {}
# Operations that do not round.
WITHOUT_ROUNDING = set()
# Their results on small multiples of 1/1024 are exact.
EXACT_ON_INTEGERS = {"add", "sub", "mul", "add_any", "square", "integer_pow", "div", "rem", "reduce_sum", "reduce_prod"}
EXACT_ON_INTEGERS |= {"cumsum", "cumprod", "dot_general", "scatter-add", "scatter_add", "sqrt", "exp2", "pow", "convert_element_type"}
# Sums of terms: the error follows the size of the terms.
SUMS = {"reduce_sum", "cumsum", "dot_general", "scatter-add"}
FACTORISATIONS = {"lu", "qr", "svd", "eigh", "cholesky", "triangular_solve"}


def _simple(without_rounding, **functions):
    for name, function in functions.items():
        TABLE[name] = lambda xs, p, f=function: f(*xs)
        if without_rounding:
            WITHOUT_ROUNDING.add(name)


def _divide(a, b):
    if a.dtype.kind == "f":
        return a / b
    return (np.sign(a) * np.sign(b)) * (np.abs(a) // np.abs(np.where(b == 0, 1, b)))


def _clamp(low, x, high):
    return np.minimum(np.maximum(x, low), high)


def _sign(x):
    return np.where(np.isnan(x) | (x == 0), x, np.sign(x)) if x.dtype.kind == "f" else np.sign(x)


_simple(
    False,
    add=np.add,
    add_any=np.add,
    sub=np.subtract,
    mul=np.multiply,
    div=_divide,
    square=np.square,
    pow=np.power,
    exp=np.exp,
    exp2=np.exp2,
    expm1=np.expm1,
    log=np.log,
    log1p=np.log1p,
    sqrt=np.sqrt,
    rsqrt=lambda x: 1 / np.sqrt(x),
    cbrt=np.cbrt,
    sin=np.sin,
    cos=np.cos,
    tan=np.tan,
    asin=np.arcsin,
    acos=np.arccos,
    atan=np.arctan,
    atan2=np.arctan2,
    sinh=np.sinh,
    cosh=np.cosh,
    tanh=np.tanh,
    asinh=np.arcsinh,
    acosh=np.arccosh,
    atanh=np.arctanh,
    logistic=scipy.special.expit,
    erf=scipy.special.erf,
    erfc=scipy.special.erfc,
    erf_inv=scipy.special.erfinv,
    lgamma=scipy.special.gammaln,
    digamma=scipy.special.digamma,
    zeta=scipy.special.zeta,
    polygamma=scipy.special.polygamma,
    bessel_i0e=scipy.special.i0e,
    bessel_i1e=scipy.special.i1e,
)
_simple(
    True,
    neg=np.negative,
    abs=np.abs,
    sign=_sign,
    max=np.maximum,
    min=np.minimum,
    clamp=_clamp,
    floor=np.floor,
    ceil=np.ceil,
    is_finite=np.isfinite,
    rem=np.fmod,
    eq=np.equal,
    ne=np.not_equal,
    lt=np.less,
    le=np.less_equal,
    gt=np.greater,
    ge=np.greater_equal,
    stop_gradient=lambda x: x,
    copy=lambda x: x,
    copy_p=lambda x: x,
    optimization_barrier=lambda *xs: list(xs),
)
TABLE["not"] = lambda xs, p: ~xs[0]
TABLE["and"] = lambda xs, p: xs[0] & xs[1]
TABLE["or"] = lambda xs, p: xs[0] | xs[1]
TABLE["xor"] = lambda xs, p: xs[0] ^ xs[1]
TABLE["integer_pow"] = lambda xs, p: xs[0] ** p["y"] if p["y"] >= 0 else 1 / xs[0] ** -p["y"]
WITHOUT_ROUNDING |= {"not", "and", "or", "xor"}


def exact(name):
    def register(function):
        TABLE[name] = function
        WITHOUT_ROUNDING.add(name)
        return function

    return register


def rounding(name):
    def register(function):
        TABLE[name] = function
        return function

    return register


# --- Structure ---


@exact("round")
def _(xs, p):
    x = xs[0]
    if p["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN:
        return np.rint(x)
    down = np.trunc(x)
    return np.where(np.abs(x - down) >= 0.5, down + np.sign(x), down)


# A conversion to f32 rounds, which the interpreter does by the type of the result.
@rounding("convert_element_type")
def _(xs, p):
    x, to = xs[0], np.dtype(p["new_dtype"])
    if x.dtype.kind == "f" and to.kind == "i":
        # Saturating; NaN gives 0.
        info = np.iinfo(to)
        inside = np.where(np.isfinite(x) & (np.abs(x) < 2.0**62), x, 0).astype(to)
        return np.where(x >= 2.0**62, info.max, np.where(x <= -(2.0**62), info.min, inside))
    return x


@exact("select_n")
def _(xs, p):
    which, *cases = xs
    if which.dtype == bool:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


@exact("broadcast_in_dim")
def _(xs, p):
    x, shape = xs[0], p["shape"]
    inner = [1] * len(shape)
    for d, n in zip(p["broadcast_dimensions"], x.shape):
        inner[d] = n
    return np.broadcast_to(x.reshape(inner), shape)


exact("reshape")(lambda xs, p: xs[0].reshape(p["new_sizes"]))
exact("squeeze")(lambda xs, p: np.squeeze(xs[0], tuple(p["dimensions"])))
exact("expand_dims")(lambda xs, p: np.expand_dims(xs[0], tuple(p["dimensions"])))
exact("transpose")(lambda xs, p: np.transpose(xs[0], p["permutation"]))
exact("stack")(lambda xs, p: np.stack(xs, p["axis"]))
exact("bitcast_convert_type")(lambda xs, p: xs[0].copy().view(p["new_dtype"]))
exact("shift_right_arithmetic")(lambda xs, p: xs[0] >> xs[1])
exact("rev")(lambda xs, p: np.flip(xs[0], tuple(p["dimensions"])))
exact("concatenate")(lambda xs, p: np.concatenate(xs, p["dimension"]))
exact("tile")(lambda xs, p: np.tile(xs[0], p["reps"]))
exact("platform_index")(lambda xs, p: np.int32(len(p["platforms"]) - 1))


@exact("split")
def _(xs, p):
    return np.split(xs[0], np.cumsum(p["sizes"])[:-1], p["axis"])


@exact("iota")
def _(xs, p):
    shape = p["shape"]
    i = np.arange(shape[p["dimension"]])
    return np.broadcast_to(i.reshape([-1 if d == p["dimension"] else 1 for d in range(len(shape))]), shape)


@exact("slice")
def _(xs, p):
    strides = p["strides"] or [1] * xs[0].ndim
    return xs[0][tuple(slice(a, b, s) for a, b, s in zip(p["start_indices"], p["limit_indices"], strides))]


@exact("pad")
def _(xs, p):
    x, value = xs
    for axis, (low, high, interior) in enumerate(p["padding_config"]):
        n = x.shape[axis]
        spread = n + max(n - 1, 0) * interior
        size = spread + low + high
        places = low + np.arange(n) * (interior + 1)
        inside = (places >= 0) & (places < size)
        shape = list(x.shape)
        shape[axis] = size
        y = np.full(shape, value, x.dtype)
        at = [slice(None)] * x.ndim
        at[axis] = places[inside]
        y[tuple(at)] = np.compress(inside, x, axis)
        x = y
    return x


def _dynamic_starts(shape, sizes, starts):
    return tuple(slice(s, s + k) for s, k in zip([int(np.clip(s, 0, n - k)) for s, n, k in zip(starts, shape, sizes)], sizes))


@exact("dynamic_slice")
def _(xs, p):
    return xs[0][_dynamic_starts(xs[0].shape, p["slice_sizes"], xs[1:])]


@exact("dynamic_update_slice")
def _(xs, p):
    x = xs[0].copy()
    x[_dynamic_starts(x.shape, xs[1].shape, xs[2:])] = xs[1]
    return x


def _places(shape, indices, index_map, sizes, batching, index_batching, mode):
    """For each window an index into every dimension, [windows…, sizes…], and whether the window lies inside."""
    batch = indices.shape[:-1]
    indices = indices.astype(np.int64)
    starts = [np.zeros(batch, np.int64) for _ in shape]
    for k, d in enumerate(index_map):
        starts[d] = indices[..., k]
    for d, b in zip(batching, index_batching):
        starts[d] = np.broadcast_to(np.arange(batch[b]).reshape([-1 if a == b else 1 for a in range(len(batch))]), batch)
    inside = np.ones(batch, bool)
    for d, n in enumerate(shape):
        inside = inside & (starts[d] >= 0) & (starts[d] <= n - sizes[d])
        starts[d] = np.clip(starts[d], 0, n - sizes[d])
    if mode != lax.GatherScatterMode.FILL_OR_DROP:
        inside = np.ones(batch, bool)
    rank, ones = len(shape), (1,) * len(shape)
    index = [
        starts[d].reshape(batch + ones) + np.arange(sizes[d]).reshape([-1 if a == d else 1 for a in range(rank)])
        for d in range(rank)
    ]
    full = (*batch, *sizes)
    return [np.broadcast_to(i, full) for i in index], np.broadcast_to(inside.reshape(batch + ones), full)


@exact("gather")
def _(xs, p):
    x, indices = xs
    n, sizes = p["dimension_numbers"], p["slice_sizes"]
    index, inside = _places(
        x.shape, indices, n.start_index_map, sizes, n.operand_batching_dims, n.start_indices_batching_dims, p["mode"]
    )
    fill = p["fill_value"]
    if fill is None:
        fill = np.nan if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind == "i" else True
    y = np.where(inside, x[tuple(index)], fill) if x.ndim else np.where(inside, x, fill)
    batch = indices.ndim - 1
    gone = tuple(batch + d for d in (*n.collapsed_slice_dims, *n.operand_batching_dims))
    y = y.reshape([k for a, k in enumerate(y.shape) if a not in gone])
    # The windows' dimensions come last; they belong at offset_dims.
    return np.moveaxis(y, range(batch, y.ndim), n.offset_dims)


def _scatter(combine):
    def run(xs, p):
        x, indices, updates = xs
        n = p["dimension_numbers"]
        gone = (*n.inserted_window_dims, *n.operand_batching_dims)
        window = iter([updates.shape[d] for d in n.update_window_dims])
        sizes = [1 if d in gone else next(window) for d in range(x.ndim)]
        index, inside = _places(
            x.shape,
            indices,
            n.scatter_dims_to_operand_dims,
            sizes,
            n.operand_batching_dims,
            n.scatter_indices_batching_dims,
            p["mode"],
        )
        batch = indices.ndim - 1
        moved = np.moveaxis(updates, n.update_window_dims, range(batch, updates.ndim)).reshape(inside.shape)
        y = x.copy()
        combine(y, tuple(i[inside] for i in index), moved[inside])
        return y

    return run


TABLE["scatter-add"] = TABLE["scatter_add"] = _scatter(np.add.at)
exact("scatter")(_scatter(lambda y, at, u: y.__setitem__(at, u)))
TABLE["scatter-mul"] = TABLE["scatter_mul"] = _scatter(np.multiply.at)


# --- Reductions, scans, sorting ---

for _name, _f in {"sum": np.sum, "prod": np.prod}.items():
    TABLE[f"reduce_{_name}"] = lambda xs, p, f=_f: f(xs[0], tuple(p["axes"]), dtype=xs[0].dtype)
for _name, _f in {"max": np.max, "min": np.min, "and": np.all, "or": np.any}.items():
    exact(f"reduce_{_name}")(lambda xs, p, f=_f: f(xs[0], tuple(p["axes"])))
for _name, _f in {"argmax": np.argmax, "argmin": np.argmin}.items():
    exact(_name)(lambda xs, p, f=_f: f(xs[0], p["axes"][0]))


def _cumulative(function):
    def run(xs, p):
        x = np.flip(xs[0], p["axis"]) if p["reverse"] else xs[0]
        y = function(x, p["axis"])
        return np.flip(y, p["axis"]) if p["reverse"] else y

    return run


TABLE["cumsum"] = _cumulative(np.cumsum)
TABLE["cumprod"] = _cumulative(np.cumprod)
exact("cummax")(_cumulative(np.maximum.accumulate))
exact("cummin")(_cumulative(np.minimum.accumulate))


@exact("sort")
def _(xs, p):
    axis, keys = p["dimension"], p["num_keys"]
    order = np.argsort(xs[0], axis, kind="stable") if keys == 1 else np.lexsort(xs[:keys][::-1], axis)
    return [np.take_along_axis(x, order, axis) for x in xs]


@rounding("dot_general")
def _(xs, p):
    a, b = xs
    (ca, cb), (ba, bb) = p["dimension_numbers"]
    letters = itertools.count()
    la, lb = [None] * a.ndim, [None] * b.ndim
    for i, j in itertools.chain(zip(ba, bb), zip(ca, cb)):
        la[i] = lb[j] = next(letters)
    la = [next(letters) if k is None else k for k in la]
    lb = [next(letters) if k is None else k for k in lb]
    out = [la[i] for i in ba] + [k for i, k in enumerate(la) if i not in (*ba, *ca)]
    out += [k for i, k in enumerate(lb) if i not in (*bb, *cb)]
    return np.einsum(a, la, b, lb, out)


# --- Factors and systems ---


def _batched(function):
    """Over all but the last two dimensions."""

    def run(*xs):
        batch = xs[0].shape[:-2]
        if not batch:
            return function(*xs)
        rows = [function(*[x[at] for x in xs]) for at in np.ndindex(*batch)]
        if not isinstance(rows[0], tuple):
            return np.stack(rows).reshape(*batch, *rows[0].shape)
        return tuple(np.stack(r).reshape(*batch, *r[0].shape) for r in zip(*rows))

    return run


def _nan_if_it_fails(function):
    def run(a):
        try:
            return function(a)
        except np.linalg.LinAlgError:
            return np.full_like(a, np.nan)

    return run


def _lu(a):
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan), np.arange(min(a.shape), dtype=np.int32), np.arange(len(a), dtype=np.int32)
    lu, pivots = scipy.linalg.lu_factor(a)
    permutation = np.arange(len(a), dtype=np.int32)
    for k, j in enumerate(pivots):
        permutation[[k, j]] = permutation[[j, k]]
    return lu, pivots.astype(np.int32), permutation


rounding("lu")(lambda xs, p: _batched(_lu)(xs[0]))
rounding("cholesky")(lambda xs, p: _batched(_nan_if_it_fails(np.linalg.cholesky))(xs[0]))
rounding("qr")(lambda xs, p: tuple(np.linalg.qr(xs[0], "complete" if p["full_matrices"] else "reduced")))


@rounding("eigh")
def _(xs, p):
    values, vectors = np.linalg.eigh(xs[0], "L" if p["lower"] else "U")
    return vectors, values


@rounding("svd")
def _(xs, p):
    if not p["compute_uv"]:
        return np.linalg.svd(xs[0], compute_uv=False)
    u, s, vt = np.linalg.svd(xs[0], full_matrices=p["full_matrices"])
    return s, u, vt


@rounding("triangular_solve")
def _(xs, p):
    def solve(a, b):
        lower, transposed = p["lower"], p["transpose_a"]
        if not p["left_side"]:
            b, transposed = b.T, not transposed
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return np.full_like(b, np.nan) if p["left_side"] else np.full_like(b.T, np.nan)
        a = (np.tril if lower else np.triu)(a)
        if p["unit_diagonal"]:
            np.fill_diagonal(a, 1)
        x = scipy.linalg.solve_triangular(a, b, lower=lower, trans=int(transposed))
        return x if p["left_side"] else x.T

    return _batched(solve)(*xs)
