"""Products of tensors and linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from interpreter import nearby
from ops import op


def _dot_general(at, a, b):
    numbers = (
        (tuple(at["lhs_contracting"]), tuple(at["rhs_contracting"])),
        (tuple(at["lhs_batch"]), tuple(at["rhs_batch"])),
    )
    return (lax.dot_general(a, b, numbers, precision=lax.Precision.HIGHEST),)


# Left shape, right shape, contracting and batch dimensions of each.
DOTS = [
    ((3,), (3,), [0], [0], [], []),
    ((2, 3), (3,), [1], [0], [], []),
    ((2, 3), (3, 2), [1], [0], [], []),
    ((2, 3), (2, 3), [0], [0], [], []),
    ((2, 3), (2, 3), [1, 0], [1, 0], [], []),
    ((2, 3), (2, 3), [1], [1], [0], [0]),
    ((2, 2, 3), (3, 2, 2), [2], [0], [0], [1]),
    ((2,), (3,), [], [], [], []),
    ((), (2, 3), [], [], [], []),
]


@op("dot_general", _dot_general, weight=2)
def _(gen):
    left, right, lc, rc, lb, rb = DOTS[gen.integers(0, len(DOTS))]
    dtype = gen.float_type()
    operands = [gen.operand(dtype, left, -4, 4), gen.operand(dtype, right, -4, 4)]
    attributes = {"lhs_contracting": lc, "rhs_contracting": rc, "lhs_batch": lb, "rhs_batch": rb}
    return operands, "dot_general", attributes


def _pairs(name, shapes, run):
    @op(name, run)
    def _(gen):
        dtype = gen.float_type()
        return [gen.operand(dtype, s, -4, 4) for s in shapes[gen.integers(0, len(shapes))]], None, {}


MATMULS = [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 1, 3), (1, 3, 3))]
_pairs("matmul", MATMULS, lambda at, a, b: (jnp.matmul(a, b, precision="highest"),))
_pairs("outer", [((3,), (2,)), ((2, 3), (3,))], lambda at, a, b: (jnp.outer(a, b),))
_pairs("kron", [((3,), (2,)), ((2, 3), (2, 2))], lambda at, a, b: (jnp.kron(a, b),))

EINSUMS = [
    ("ij,jk->ik", [(2, 3), (3, 2)]),
    ("ij->ji", [(2, 3)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("...ij,...j->...i", [(2, 2, 3), (2, 3)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("i,j,ij->ij", [(2,), (3,), (2, 3)]),
    ("ij,kj", [(2, 3), (2, 3)]),
]


@op("einsum", lambda at, *xs: (jnp.einsum(at["equation"], *xs, precision="highest"),))
def _(gen):
    equation, shapes = EINSUMS[gen.integers(0, len(EINSUMS))]
    dtype = gen.float_type()
    return [gen.operand(dtype, s, -4, 4) for s in shapes], "einsum", {"equation": equation}


SQUARES = [(2, 2), (3, 3), (2, 2, 2)]


@op("trace", lambda at, x: (jnp.trace(x, at["offset"], axis1=-2, axis2=-1),))
def _(gen):
    shape = [(2, 3), (3, 3), (2, 2, 2)][gen.integers(0, 3)]
    return [gen.operand(gen.float_type(), shape, -4, 4)], "diagonal", {"offset": int(gen.integers(-1, 2))}


def _diag(at, x):
    if x.ndim == 1:
        return (jnp.diag(x, at["offset"]),)
    return (jnp.diagonal(x, at["offset"], axis1=-2, axis2=-1),)


@op("diag", _diag)
def _(gen):
    shape = [(3,), (2, 3), (3, 3), (2, 2, 2)][gen.integers(0, 4)]
    return [gen.operand(gen.float_type(), shape, -4, 4)], "diagonal", {"offset": int(gen.integers(-1, 2))}


# --- Systems and factors. Matrices are drawn well away from singular ones: a part of a value that the graph has, plus
# a constant with distinct eigenvalues and singular values ---


def _base(n, m):
    base = np.zeros((n, m))
    for i in range(min(n, m)):
        base[i, i] = 2.5 + 1.7 * i * (-1) ** i
    return base


def _matrix(gen, shape, positive=False, dtype="f64"):
    varied = gen.operand(dtype, shape, -0.5, 0.5)
    base = np.abs(_base(*shape[-2:])) if positive else _base(*shape[-2:])
    return gen.node("add", [varied, gen.constant(dtype, shape, np.broadcast_to(base, shape))])


def _right(gen, shape, dtype="f64"):
    """A right-hand side: a vector or a matrix (only a matrix with a batch of systems where a vector were unclear)."""
    rows = shape[:-1]
    return gen.operand(dtype, rows if gen.chance(0.5) else (*rows, 2), -4, 4)


def _columns(solve):
    """Applies a solver of matrices to a vector as well."""

    def run(a, b):
        if b.ndim == a.ndim - 1:
            return solve(a, b[..., None])[..., 0]
        return solve(a, b)

    return run


def _systems(name, field, attributes, run, positive=False, lower=False):
    @op(name, run)
    def _(gen):
        shape = SQUARES[gen.integers(0, len(SQUARES))]
        dtype = gen.float_type()
        return [_matrix(gen, shape, positive, dtype), _right(gen, shape, dtype)], field, attributes(gen)


def _flip(a):
    return jnp.swapaxes(a, -1, -2)


def _triangular(at, a, b):
    def solve(a, b):
        return lax.linalg.triangular_solve(
            a,
            b,
            left_side=True,
            lower=at["lower"],
            transpose_a=at["transpose_a"],
            unit_diagonal=at["unit_diagonal"],
        )

    return (_columns(solve)(a, b),)


_systems(
    "triangular_solve",
    "triangular_solve",
    lambda gen: {k: gen.chance(0.5) for k in ("lower", "transpose_a", "unit_diagonal")},
    _triangular,
)


def _solve(at, a, b):
    return (_columns(jnp.linalg.solve)(_flip(a) if at["transpose_a"] else a, b),)


_systems("solve", "solve", lambda gen: {"transpose_a": gen.chance(0.4)}, _solve)


def _cholesky_solve(at, l, b):
    l = jnp.tril(l)
    inner = lambda l, b: jnp.linalg.solve(l @ _flip(l), b)  # noqa: E731
    return (_columns(inner)(l, b),)


_systems("cholesky_solve", None, lambda gen: {}, _cholesky_solve, positive=True)


def _from_lower(a):
    """Symmetric, of the lower triangle only."""
    return jnp.tril(a) + _flip(jnp.tril(a, -1))


def _squares(name, run, positive=False, shapes=SQUARES):
    @op(name, run)
    def _(gen):
        shape = shapes[gen.integers(0, len(shapes))]
        return [_matrix(gen, shape, positive, gen.float_type())], None, {}


_squares("cholesky", lambda at, a: (lax.linalg.cholesky(_from_lower(a), symmetrize_input=False),), True)
_squares("inverse", lambda at, a: (jnp.linalg.inv(a),))
# By cofactors: exact derivatives at singular matrices, too. The service takes the determinant from an LU, its
# derivatives from a singular value decomposition: exact ones of a matrix nearby.


def _determinant(a):
    return _by_minors(nearby(a))


def _by_minors(a):
    n = a.shape[-1]
    if n == 1:
        return a[..., 0, 0]
    total = 0
    for j in range(n):
        minor = jnp.concatenate([a[..., 1:, :j], a[..., 1:, j + 1 :]], -1)
        total = total + (-1) ** j * a[..., 0, j] * _by_minors(minor)
    return total


@op("determinant", lambda at, a: (_determinant(a),))
def _(gen):
    shape = SQUARES[gen.integers(0, len(SQUARES))]
    # Singular ones among them: an operand as it is may hold equal rows.
    return [gen.operand("f64", shape, -4, 4) if gen.chance(0.5) else _matrix(gen, shape)], None, {}


_squares("slogdet", lambda at, a: tuple(jnp.linalg.slogdet(a)))


def _lu(at, a):
    lu, _, p = lax.linalg.lu(a)
    n = a.shape[-1]
    return p.astype(jnp.int64), jnp.tril(lu, -1) + jnp.eye(n, dtype=a.dtype), jnp.triu(lu)


_squares("lu", _lu)


def _signs_of_largest(v):
    """Sign of the largest component of each column."""
    v = lax.stop_gradient(v)
    largest = jnp.take_along_axis(v, jnp.argmax(jnp.abs(v), -2, keepdims=True), -2)
    return jnp.where(largest < 0, -1.0, 1.0).astype(v.dtype)


def _qr(at, a):
    q, r = jnp.linalg.qr(a)
    sign = jnp.where(lax.stop_gradient(jnp.diagonal(r, axis1=-2, axis2=-1)) < 0, -1.0, 1.0)
    return q * sign[..., None, :], r * sign[..., :, None]


def _eigh(at, a):
    values, vectors = jnp.linalg.eigh(_from_lower(a), symmetrize_input=False)
    return values, vectors * _signs_of_largest(vectors)


def _svd(at, a):
    u, s, vt = jnp.linalg.svd(a, full_matrices=False)
    sign = _signs_of_largest(u)
    return u * sign, s, vt * _flip(sign)


# JAX's derivative of QR wants no more columns than rows.
_squares("qr", _qr, shapes=[(2, 2), (3, 3), (3, 2)])
_squares("eigh", _eigh, positive=True)
_squares("svd", _svd, shapes=[(2, 2), (3, 3), (3, 2), (2, 3)])


def _lstsq(at, a, b):
    def solve(a, b):
        t = _flip(a)
        # Of full rank, by the normal equations.
        if a.shape[-2] >= a.shape[-1]:
            return jnp.linalg.solve(t @ a, t @ b)
        return t @ jnp.linalg.solve(a @ t, b)

    return (_columns(solve)(a, b),)


@op("lstsq", _lstsq)
def _(gen):
    shape = [(3, 2), (2, 2), (2, 3)][gen.integers(0, 3)]
    return [_matrix(gen, shape), _right(gen, shape)], None, {}


def _expm(at, a):
    # The series, for matrices drawn small; halved and squared twice.
    a = a * 0.25
    term = total = jnp.broadcast_to(jnp.eye(a.shape[-1], dtype=a.dtype), a.shape)
    for k in range(1, 20):
        term = jnp.matmul(term, a) * (1.0 / k)
        total = total + term
    total = jnp.matmul(total, total)
    return (jnp.matmul(total, total),)


@op("expm", _expm)
def _(gen):
    return [gen.operand(gen.float_type(), SQUARES[gen.integers(0, 3)], -1, 1)], None, {}


def _tridiagonal(at, lower, diagonal, upper, b):
    a = jnp.diag(diagonal) + jnp.diag(lower[1:], -1) + jnp.diag(upper[:-1], 1)
    return (_columns(jnp.linalg.solve)(a, b),)


@op("tridiagonal_solve", _tridiagonal)
def _(gen):
    sides = [gen.operand("f64", (3,), -1, 1) for _ in range(2)]
    diagonal = gen.operand("f64", (3,), 2.5, 4)
    b = gen.operand("f64", (3,) if gen.chance(0.5) else (3, 2), -4, 4)
    return [sides[0], diagonal, sides[1], b], None, {}


def _sparse(at, values, x):
    dense = jnp.zeros((at["row_count"], at["column_count"]), values.dtype)
    dense = dense.at[jnp.asarray(at["rows"]), jnp.asarray(at["columns"])].set(values)
    return (jnp.matmul(dense.T if at["transpose"] else dense, x, precision="highest"),)


@op("sparse_matvec", _sparse)
def _(gen):
    flat = sorted(gen.rng.choice(6, 4, replace=False).tolist())
    transpose = gen.chance(0.4)
    pattern = {
        "row_count": 2,
        "column_count": 3,
        "rows": [k // 3 for k in flat],
        "columns": [k % 3 for k in flat],
        "transpose": transpose,
    }
    n = 2 if transpose else 3
    shape = (n,) if gen.chance(0.5) else (n, 2)
    dtype = gen.float_type()
    return [gen.operand(dtype, (4,), -4, 4), gen.operand(dtype, shape, -4, 4)], "sparse_pattern", pattern


# --- Operations that the service's derivatives are written in. Factors come with the matrix they are of, and count as
# constant: here they are not looked at ---


@op("lu_solve", lambda at, a, p, l, u, b: _solve({"transpose_a": at["transpose_a"]}, a, b))
def _(gen):
    shape = SQUARES[gen.integers(0, len(SQUARES))]
    dtype = gen.float_type()
    a = _matrix(gen, shape, dtype=dtype)
    b = _right(gen, shape, dtype)
    factors = gen.node("lu", [a])
    return [a, factors, factors + 1, factors + 2, b], "solve", {"transpose_a": gen.chance(0.4)}


@op("svd_solve", lambda at, a, u, s, vt, b: _lstsq({}, _flip(a) if at["transpose_a"] else a, b))
def _(gen):
    shape = [(3, 2), (2, 2), (2, 3)][gen.integers(0, 3)]
    dtype = gen.float_type()
    transpose = gen.chance(0.4)
    a = _matrix(gen, shape, dtype=dtype)
    b = _right(gen, shape[::-1] if transpose else shape, dtype)
    factors = gen.node("svd", [a])
    return [a, factors, factors + 1, factors + 2, b], "solve", {"transpose_a": transpose}


def _along(function, a, directions):
    """The derivative of a function of a matrix along all of the directions."""
    for d in directions:
        function = lambda a, f=function, d=d: jax.jvp(f, (a,), (d,))[1]  # noqa: E731
    return function(a)


def _with_directions(name, most, run, shapes):
    @op(name, run)
    def _(gen):
        shape = shapes[gen.integers(0, len(shapes))]
        dtype = gen.float_type()
        return [gen.operand(dtype, shape, -1, 1) for _ in range(gen.integers(*most))], None, {}


_cofactor = jax.grad(lambda a: jnp.sum(_determinant(a)))
_with_directions("expm_derivative", (2, 4), lambda at, a, *ds: (_along(lambda a: _expm({}, a)[0], a, ds),), SQUARES)
_with_directions("cofactor", (1, 4), lambda at, a, *ds: (_along(_cofactor, a, ds),), SQUARES)
