"""Structural operations: constants, shapes, indexing, sorting, reductions and scans."""

import jax
import jax.numpy as jnp
import numpy as np
from elementwise import absolute
from jax import lax

from ops import op

DTYPES = {"f64": 1, "f32": 2, "bool": 3, "i64": 4}
NUMPY = {"f64": np.float64, "f32": np.float32, "bool": np.bool_, "i64": np.int64}
BY_NUMBER = {number: NUMPY[name] for name, number in DTYPES.items()}


@op("constant", lambda at: (at["array"],), weight=0.5)
def _(gen):
    dtype = gen.float_type()
    return [], "constant", gen.constant_attributes(dtype, gen.new_shape())


def _iota(at):
    return (lax.broadcasted_iota(BY_NUMBER[at["type"]["dtype"]], tuple(at["type"]["shape"]), at["dimension"]),)


@op("iota", _iota, weight=0.5)
def _(gen):
    shape = gen.new_shape(1)
    dtype = DTYPES[["f64", gen.float_type(), "i64"][gen.integers(0, 3)]]
    return [], "iota", {"type": {"dtype": dtype, "shape": shape}, "dimension": int(gen.integers(0, len(shape)))}


def _convert(at, x):
    to = BY_NUMBER[at["dtype"]]
    return (x != 0 if to == np.bool_ else lax.convert_element_type(x, to),)


@op("convert", _convert)
def _(gen):
    source = ["f64", gen.float_type(), "i64", "bool"][gen.integers(0, 4)]
    target = [gen.float_type(), gen.float_type(), "i64", "bool"][gen.integers(0, 4)]
    shape = gen.shape_of_some(source)
    if source in ("f64", "f32"):
        value = gen.operand(source, shape, -4, 4)
    else:
        value = gen.bool_operand(shape) if source == "bool" else gen.integer_operand(shape)
    return [value], "convert", {"dtype": DTYPES[target]}


@op("reshape", lambda at, x: (lax.reshape(x, tuple(at["shape"])),))
def _(gen):
    x = gen.tensor()
    return [x], "reshape", {"shape": gen.shape_of_size(int(np.prod(gen.shape(x), dtype=int)))}


@op("transpose", lambda at, x: (lax.transpose(x, tuple(at["permutation"])),))
def _(gen):
    x = gen.tensor(1)
    return [x], "transpose", {"permutation": gen.rng.permutation(len(gen.shape(x))).tolist()}


def _broadcast(at, x):
    return (lax.broadcast_in_dim(x, tuple(at["shape"]), tuple(at["dimensions"])),)


@op("broadcast_in_dim", _broadcast)
def _(gen):
    x = gen.tensor()
    shape = gen.shape(x)
    if len(shape) > 2:
        return None
    rank = len(shape) + int(gen.integers(0, 3))
    dimensions = sorted(gen.rng.choice(rank, len(shape), replace=False).tolist())
    result = [[1, 2, 3][gen.integers(0, 3)] for _ in range(rank)]
    for own, place in zip(shape, dimensions):
        if own != 1:
            result[place] = own
    return [x], "broadcast_in_dim", {"shape": result, "dimensions": dimensions}


def _slice(at, x):
    return (lax.slice(x, at["starts"], at["limits"], at.get("strides") or None),)


@op("slice", _slice)
def _(gen):
    x = gen.tensor(1)
    starts, limits, strides = [], [], []
    for size in gen.shape(x):
        start = int(gen.integers(0, size + 1)) if gen.chance(0.1) else int(gen.integers(0, max(size, 1)))
        starts.append(start)
        limits.append(int(gen.integers(min(start + 1, size), size + 1)))
        strides.append(int(gen.integers(1, 3)))
    return [x], "slice", {"starts": starts, "limits": limits, "strides": strides if gen.chance(0.5) else []}


def _pad(at, x, value):
    interior = at.get("interior") or [0] * x.ndim
    places = list(zip(at["low"], at["high"], interior))
    # With the mask of what is added: JAX's transpose of pad fails where the operand does not move and the value does.
    added = lax.pad(jnp.zeros(x.shape, bool), True, places)
    inside = lax.pad(x, jnp.zeros((), x.dtype), places)
    return (lax.select(added, lax.broadcast(value, inside.shape), inside),)


@op("pad", _pad)
def _(gen):
    x = gen.tensor(1)
    some = lambda: [int(gen.integers(0, 2)) for _ in gen.shape(x)]  # noqa: E731
    attributes = {"low": some(), "high": some(), "interior": some() if gen.chance(0.4) else []}
    return [x, gen.operand(gen.dtype(x), (), -4, 4)], "pad", attributes


@op("concatenate", lambda at, *xs: (lax.concatenate(xs, at["dimension"]),))
def _(gen):
    x = gen.tensor(1)
    count = int(gen.integers(0, 3))
    others = [x if gen.chance(0.2) else gen.operand(gen.dtype(x), gen.shape(x), -4, 4) for _ in range(count)]
    return [x, *others], "concatenate", {"dimension": int(gen.integers(0, len(gen.shape(x))))}


# --- Indexing ---

MODES = {1: lax.GatherScatterMode.CLIP, 2: lax.GatherScatterMode.FILL_OR_DROP}


def _index_last(indices, at):
    """JAX wants the index vector in the last dimension."""
    if at["index_vector_dim"] == indices.ndim:
        return lax.reshape(indices, (*indices.shape, 1))
    return jnp.moveaxis(indices, at["index_vector_dim"], -1)


def _gather(at, x, indices):
    numbers = lax.GatherDimensionNumbers(
        tuple(at["offset_dims"]), tuple(at["collapsed_slice_dims"]), tuple(at["start_index_map"])
    )
    mode = MODES[at["out_of_bounds"]]
    return (lax.gather(x, _index_last(indices, at), numbers, tuple(at["slice_sizes"]), mode=mode, fill_value=0),)


def _scatter_add(at, x, indices, updates):
    numbers = lax.ScatterDimensionNumbers(
        tuple(at["update_window_dims"]), tuple(at["inserted_window_dims"]), tuple(at["scatter_dims_to_operand_dims"])
    )
    return (lax.scatter_add(x, _index_last(indices, at), updates, numbers, mode=MODES[at["out_of_bounds"]]),)


def _windows_at(gen):
    """A tensor, indices into it, and the dimension numbers that gather and scatter share."""
    x = gen.tensor(1, nonempty=True)
    shape = gen.shape(x)
    rank = len(shape)
    mapped = gen.rng.choice(rank, int(gen.integers(1, min(rank, 2) + 1)), replace=False).tolist()
    collapsed = [d for d in range(rank) if d in mapped and gen.chance(0.8)]
    sizes = [1 if d in collapsed else int(gen.integers(1, n + 1)) for d, n in enumerate(shape)]
    batch = [[], [3], [2]][gen.integers(0, 3)]
    implied = len(mapped) == 1 and gen.chance(0.5)
    place = len(batch) if implied else int(gen.integers(0, len(batch) + 1))
    bounds = [shape[d] for d in mapped]
    reach = 2 if gen.chance(0.3) else 0
    index = np.stack([gen.rng.integers(-reach, n + reach, batch) for n in bounds], -1).reshape(*batch, len(mapped))
    index = index[..., 0] if implied else np.moveaxis(index, -1, place)
    window = [sizes[d] for d in range(rank) if d not in collapsed]
    result_rank = len(batch) + len(window)
    offsets = sorted(gen.rng.choice(result_rank, len(window), replace=False).tolist())
    result = [0] * result_rank
    for d in range(result_rank):
        result[d] = window.pop(0) if d in offsets else batch.pop(0)
    indices = gen.constant("i64", index.shape, index)
    mode = int(gen.integers(1, 3))
    return x, indices, offsets, collapsed, mapped, place, sizes, mode, tuple(result)


@op("gather", _gather)
def _(gen):
    x, indices, offsets, collapsed, mapped, place, sizes, mode, _ = _windows_at(gen)
    attributes = {
        "offset_dims": offsets,
        "collapsed_slice_dims": collapsed,
        "start_index_map": mapped,
        "index_vector_dim": place,
        "slice_sizes": sizes,
        "out_of_bounds": mode,
    }
    return [x, indices], "gather", attributes


def _one_by_one(at, x, indices, updates):
    """Window after window, so that the last one stays, which JAX leaves open."""
    index = _index_last(indices, at)
    batch = index.shape[:-1]
    window = at["update_window_dims"]
    moved = jnp.moveaxis(updates, window, range(len(batch), updates.ndim))
    numbers = lax.ScatterDimensionNumbers(
        tuple(range(len(window))), tuple(at["inserted_window_dims"]), tuple(at["scatter_dims_to_operand_dims"])
    )
    for k in np.ndindex(*batch):
        x = lax.scatter(x, index[k], moved[k], numbers, mode=MODES[at["out_of_bounds"]])
    return (x,)


def _draw_scatter(gen):
    x, indices, offsets, collapsed, mapped, place, _, mode, result = _windows_at(gen)
    attributes = {
        "update_window_dims": offsets,
        "inserted_window_dims": collapsed,
        "scatter_dims_to_operand_dims": mapped,
        "index_vector_dim": place,
        "out_of_bounds": mode,
    }
    return [x, indices, gen.operand(gen.dtype(x), result, -4, 4)], "scatter", attributes


op("scatter_add", _scatter_add)(_draw_scatter)
op("scatter", _one_by_one)(_draw_scatter)


@op("dynamic_slice", lambda at, x, i: (lax.dynamic_slice(x, _starts(x, i), tuple(at["sizes"])),))
def _(gen):
    x = gen.tensor(1, nonempty=True)
    sizes = [int(gen.integers(1, n + 1)) for n in gen.shape(x)]
    return [x, _draw_starts(gen, x)], "dynamic_slice", {"sizes": sizes}


def _starts(x, i):
    # Negative starts of JAX count from the end.
    return [lax.max(i[d], jnp.int64(0)) for d in range(x.ndim)]


def _draw_starts(gen, x):
    shape = gen.shape(x)
    return gen.constant("i64", (len(shape),), np.array([gen.integers(-1, n + 2) for n in shape]))


@op("dynamic_update_slice", lambda at, x, u, i: (lax.dynamic_update_slice(x, u, _starts(x, i)),))
def _(gen):
    x = gen.tensor(1, nonempty=True)
    sizes = tuple(int(gen.integers(1, n + 1)) for n in gen.shape(x))
    return [x, gen.operand(gen.dtype(x), sizes, -4, 4), _draw_starts(gen, x)], None, {}


@op("reverse", lambda at, x: (lax.rev(x, at["dimensions"]),))
def _(gen):
    x = gen.tensor(1)
    return [x], "reverse", {"dimensions": [d for d in range(len(gen.shape(x))) if gen.chance(0.6)] or [0]}


@op("tile", lambda at, x: (jnp.tile(x, at["repeats"]),))
def _(gen):
    x = gen.tensor(1)
    if len(gen.shape(x)) > 2:
        return None
    return [x], "tile", {"repeats": [int(gen.integers(1, 3)) for _ in gen.shape(x)]}


@op("one_hot", lambda at, i: (jax.nn.one_hot(i, at["depth"], dtype=BY_NUMBER[at["dtype"]]),), weight=0.5)
def _(gen):
    return [gen.integer_operand(gen.new_shape())], "one_hot", {"depth": 3, "dtype": DTYPES[gen.float_type()]}


def _search_sorted(at, values, queries):
    before = lax.le if at["right"] else lax.lt
    v = values.reshape((1,) * queries.ndim + values.shape)
    return (jnp.sum(before(*jnp.broadcast_arrays(v, queries[..., None])), -1, dtype=jnp.int64),)


@op("search_sorted", _search_sorted, weight=0.5)
def _(gen):
    dtype = gen.float_type()
    values = gen.constant(dtype, (3,), np.array([-1.0, 0.0, 1.5]))
    queries = gen.operand(dtype, gen.shape_of_some(dtype), -4, 4)
    return [values, queries], "search_sorted", {"right": gen.chance(0.5)}


# --- Windows ---


def _window_index(sizes, strides, dilations, shape):
    """Flat index into the last dimensions of every element of every window: [positions…, sizes…]."""
    positions = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(shape, sizes, strides, dilations)]
    r = len(shape)
    flat = 0
    for d in range(r):
        i = np.arange(positions[d])[:, None] * strides[d] + np.arange(sizes[d]) * dilations[d]
        flat = flat * shape[d] + i.reshape([positions[d] if a == d else sizes[d] if a == r + d else 1 for a in range(2 * r)])
    return flat


def _ones(at, key):
    return at.get(key) or [1] * len(at["sizes"])


def _windows(at, x):
    r = len(at["sizes"])
    index = _window_index(at["sizes"], _ones(at, "strides"), _ones(at, "dilations"), x.shape[x.ndim - r :])
    flat = x.reshape(*x.shape[: x.ndim - r], -1)
    return (jnp.take(flat, jnp.asarray(index.reshape(-1)), axis=-1).reshape(*x.shape[: x.ndim - r], *index.shape),)


def _overlap_add(at, w):
    shape = tuple(at["shape"])
    index = _window_index(at["sizes"], _ones(at, "strides"), _ones(at, "dilations"), shape)
    batch = w.shape[: w.ndim - index.ndim]
    # As a product with the matrix of zeros and ones: linear and plain.
    matrix = np.zeros((index.size, int(np.prod(shape))), w.dtype)
    matrix[np.arange(index.size), index.reshape(-1)] = 1
    return ((w.reshape(*batch, index.size) @ matrix).reshape(*batch, *shape),)


@op("windows", _windows)
def _(gen):
    x = gen.tensor(1, nonempty=True)
    sizes = [int(gen.integers(1, min(n, 2) + 1)) for n in gen.shape(x)[-2:]]
    if len(gen.shape(x)) > 3:
        return None
    return [x], "windows", {"sizes": sizes, "strides": [int(gen.integers(1, 3)) for _ in sizes]}


@op("overlap_add", _overlap_add)
def _(gen):
    n, k, s, d = [(4, 2, 1, 1), (4, 2, 2, 1), (4, 2, 1, 2)][gen.integers(0, 3)]
    positions = (n - (k - 1) * d - 1) // s + 1
    dtype = gen.float_type()
    batch = [(), (2,)][gen.integers(0, 2)]
    attributes = {"sizes": [k], "strides": [s], "dilations": [d], "shape": [n]}
    return [gen.operand(dtype, (*batch, positions, k), -4, 4)], "windows", attributes


# --- Sorting. Policy: k equal keys share the derivative, 1/k each ---


def _order(x, axis, descending):
    keys = lax.stop_gradient(x)
    if descending:
        # Not JAX's `descending`, which puts NaN first.
        keys = ~keys if keys.dtype == jnp.bool_ else -keys
    return jnp.argsort(keys, axis=axis, stable=True)


def _sort(at, *xs):
    axis = at["axis"]
    keys = lax.stop_gradient(xs[0])
    order = _order(xs[0], axis, at["descending"])
    rest = [jnp.take_along_axis(x, order, axis) for x in xs[1:]]
    return (_shared(xs[0], jnp.take_along_axis(keys, order, axis), axis), *rest)


def _shared(x, chosen, axis):
    """The values `chosen` among those of x, with a derivative shared by equal ones."""
    keys = jnp.moveaxis(lax.stop_gradient(x), axis, -1)
    equal = (jnp.moveaxis(chosen, axis, -1)[..., :, None] == keys[..., None, :]).astype(x.dtype)
    share = equal / jnp.sum(equal, -1, keepdims=True)
    # 0, with the derivative of x; of infinities not their difference.
    change = jnp.where(jnp.isfinite(keys), jnp.moveaxis(x, axis, -1) - keys, 0)
    moved = jnp.sum(share * change[..., None, :], -1)
    return chosen + jnp.moveaxis(moved, -1, axis)


@op("sort", _sort)
def _(gen):
    x = gen.tensor(1, nonempty=True)
    others = [gen.operand(gen.dtype(x), gen.shape(x), -4, 4)] if gen.chance(0.4) else []
    return [x, *others], "sort", {"axis": gen.axis(x), "descending": gen.chance(0.5)}


@op("argsort", lambda at, x: (_order(x, at["axis"], at["descending"]).astype(jnp.int64),), weight=0.5)
def _(gen):
    x = gen.tensor(1, nonempty=True)
    return [x], "sort", {"axis": gen.axis(x), "descending": gen.chance(0.5)}


def _top_k(at, x):
    order = _order(x, -1, True)[..., : at["k"]]
    return _shared(x, jnp.take_along_axis(lax.stop_gradient(x), order, -1), -1), order.astype(jnp.int64)


@op("top_k", _top_k)
def _(gen):
    x = gen.tensor(1, nonempty=True)
    return [x], "top_k", {"k": int(gen.integers(1, gen.shape(x)[-1] + 1))}


# --- Reductions ---

FROBENIUS = 4


def _axes(at, x):
    if at.get("kind") == FROBENIUS and not at["axes"]:
        return x.ndim - 2, x.ndim - 1
    return tuple(at["axes"]) if at["axes"] else tuple(range(x.ndim))


def _reduction(function):
    def run(at, x):
        axes = _axes(at, x)
        y = function(x, axes, at)
        if at["keep_dims"]:
            y = lax.reshape(y, tuple(1 if d in axes else n for d, n in enumerate(x.shape)))
        return (y,)

    return run


def _count(x, axes):
    return float(np.prod([x.shape[d] for d in axes]))


def _keep(y, x, axes):
    shape = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
    return lax.broadcast_in_dim(lax.reshape(y, shape), x.shape, tuple(range(x.ndim)))


def _sum(x, axes):
    return lax.reduce_sum(x, axes) if axes else x


def _variance(x, axes, at):
    d = x - _keep(_sum(x, axes) / _count(x, axes), x, axes)
    return _sum(d * d, axes) / (_count(x, axes) - at["ddof"])


def _logsumexp(x, axes, at=None):
    return lax.log(_sum(lax.exp(x), axes)) if axes else x


def _norm(x, axes, at):
    if at["kind"] == 1:
        return _sum(absolute(x), axes)
    if at["kind"] == 3:
        return lax.reduce_max(absolute(x), axes) if axes else absolute(x)
    # Policy: derivative 0 at the origin, where JAX gives NaN.
    squares = _sum(x * x, axes)
    origin = squares == 0
    root = lax.sqrt(lax.select(origin, lax.full_like(squares, 1), squares))
    return lax.select(origin, lax.full_like(squares, 0), root)


def _product(x, axes, at):
    order = [d for d in range(x.ndim) if d not in axes]
    rest = tuple(x.shape[d] for d in order)
    flat = lax.reshape(lax.transpose(x, (*order, *axes)), (*rest, int(_count(x, axes))))
    # Factor by factor: exact derivatives where factors are 0.
    y = lax.full(rest, 1, x.dtype)
    for k in range(flat.shape[-1]):
        y = y * flat[..., k]
    return y


def _draw_reduce(field="reduce", nonempty=False, extra=None, boolean=False):
    def draw(gen):
        if boolean:
            x = gen.bool_operand(gen.shape_of_some("bool"))
        else:
            x = gen.tensor(nonempty=nonempty)
        rank = len(gen.shape(x))
        axes = sorted(gen.rng.choice(rank, int(gen.integers(0, rank + 1)), replace=False).tolist())
        more = extra(gen) if extra else {}
        if field == "variance" and np.prod([gen.shape(x)[d] for d in (axes or range(rank))], dtype=int) < 2:
            return None
        if more.get("kind") == FROBENIUS and (rank < 2 or len(axes) not in (0, 2)):
            return None
        return [x], field, {"axes": axes, "keep_dims": gen.chance(0.4), **more}

    return draw


op("reduce_sum", _reduction(lambda x, a, at: _sum(x, a)), weight=2)(_draw_reduce())
op("reduce_max", _reduction(lambda x, a, at: lax.reduce_max(x, a) if a else x))(_draw_reduce(nonempty=True))
op("reduce_min", _reduction(lambda x, a, at: lax.reduce_min(x, a) if a else x))(_draw_reduce(nonempty=True))
op("reduce_prod", _reduction(_product))(_draw_reduce())
op("reduce_mean", _reduction(lambda x, a, at: _sum(x, a) / _count(x, a)))(_draw_reduce(nonempty=True))
op("reduce_variance", _reduction(_variance))(
    _draw_reduce("variance", True, lambda gen: {"ddof": int(gen.integers(0, 2))})
)
op("reduce_logsumexp", _reduction(_logsumexp))(_draw_reduce(nonempty=True))
op("norm", _reduction(_norm))(_draw_reduce("norm", True, lambda gen: {"kind": int(gen.integers(1, 5))}))
op("reduce_and", _reduction(lambda x, a, at: lax.reduce_and(x, a) if a else x), weight=0.5)(
    _draw_reduce(boolean=True)
)
op("reduce_or", _reduction(lambda x, a, at: lax.reduce_or(x, a) if a else x), weight=0.5)(
    _draw_reduce(boolean=True)
)


def _arg_reduce(function):
    def run(at, x):
        return (function(x, axis=at["axis"], keepdims=at["keep_dims"]).astype(jnp.int64),)

    return run


for _name, _f in {"argmax": jnp.argmax, "argmin": jnp.argmin}.items():

    @op(_name, _arg_reduce(_f), weight=0.5)
    def _(gen):
        x = gen.tensor(1, nonempty=True)
        return [x], "arg_reduce", {"axis": gen.axis(x), "keep_dims": gen.chance(0.4)}


# --- Along an axis: each element as the reduction of those before it, the plainest form ---


def _cumulative(combine=None, reduce=None):
    """By a function of two, or by a reduction where the order matters at ties."""

    def run(at, x):
        axis = at["axis"]
        rows = [lax.index_in_dim(x, k, axis, keepdims=True) for k in range(x.shape[axis])]
        if at["reverse"]:
            rows.reverse()
        done = rows[:1]
        for k in range(1, len(rows)):
            if combine is None:
                done.append(lax.expand_dims(reduce(lax.concatenate(rows[: k + 1], axis), (axis,)), (axis,)))
            else:
                done.append(combine(done[-1], rows[k]))
        if at["reverse"]:
            done.reverse()
        return (lax.concatenate(done, axis),)

    return run


_CUMULATIVE = {
    "cumsum": _cumulative(lax.add),
    "cumprod": _cumulative(lax.mul),
    "cummax": _cumulative(reduce=lax.reduce_max),
    "cummin": _cumulative(reduce=lax.reduce_min),
    "cumlogsumexp": _cumulative(lambda a, b: a + lax.log1p(lax.exp(b - a))),
}
for _name, _f in _CUMULATIVE.items():

    @op(_name, _f)
    def _(gen):
        x = gen.tensor(1, nonempty=True)
        return [x], "cumulative", {"axis": gen.axis(x), "reverse": gen.chance(0.4)}


def _softmax(at, x):
    return (lax.exp(_log_softmax(at, x)[0]),)


def _log_softmax(at, x):
    axes = (at["axis"],)
    return (x - _keep(_logsumexp(x, axes), x, axes),)


for _name, _f in {"softmax": _softmax, "log_softmax": _log_softmax}.items():

    @op(_name, _f)
    def _(gen):
        x = gen.tensor(1, nonempty=True)
        return [x], "softmax", {"axis": gen.axis(x)}
