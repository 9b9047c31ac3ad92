"""Evaluates a jaxpr with NumPy and SciPy, so that nothing is compiled; on request every rounding is made at random.

XLA compiles each primitive anew for each shape, which took most of the time of a comparison. JAX still writes the
program, with all its derivatives; only the arithmetic is NumPy's. compare.py evaluates some graphs by XLA as well and
holds the two against each other.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.extend import core
from jax.interpreters import ad, mlir

import primitives

EPS = 2.0**-52
# Largest relative error of one operation of each kind on f64. f32 results are rounded from f64, and are compared with
# f64 numbers: there it is half a unit of f32 whatever the operation.
ARITHMETIC, ELEMENTARY, SINGLE = EPS, 4 * EPS, 2.0**-24

# --- A mark at a node whose error may be larger than that of its parts ---

# The operand; of its value and of its slope, relative errors that the node may have. `norm`: relative to the largest
# element of the matrix, zeros included.
mark_p = core.Primitive("mark")
mark_p.def_abstract_eval(lambda x, **_: x)
mark_p.def_impl(lambda x, **_: x)
mlir.register_lowering(mark_p, lambda ctx, x, **_: [x])


def _mark_jvp(primals, tangents, value, slope, norm=False):
    y = mark_p.bind(primals[0], value=value, slope=slope, norm=norm)
    t = tangents[0]
    return y, t if isinstance(t, ad.Zero) or slope == 0 else mark_p.bind(t, value=slope, slope=slope)


ad.primitive_jvps[mark_p] = _mark_jvp
ad.primitive_transposes[mark_p] = lambda ct, x, **sizes: [
    ct if isinstance(ct, ad.Zero) else mark_p.bind(ct, **sizes)
]


def mark(x, value, slope):
    return mark_p.bind(x, value=value, slope=slope) if jnp.issubdtype(x.dtype, jnp.floating) else x


def nearby(matrix):
    """What a backward stable factorisation in f64 answers for: a matrix that differs by roundings of its norm."""
    return mark_p.bind(matrix, value=EPS, slope=0.0, norm=True)


# --- Functions that JAX lacks, by SciPy ---

host_p = core.Primitive("host")
host_p.def_abstract_eval(lambda *xs, function: xs[-1])


def _by_callback(*xs, function):
    out = jax.ShapeDtypeStruct(xs[-1].shape, xs[-1].dtype)
    call = lambda *a: np.asarray(getattr(scipy.special, function)(*[np.asarray(x, np.float64) for x in a]), out.dtype)  # noqa: E731
    return jax.pure_callback(call, out, *xs)


host_p.def_impl(_by_callback)
mlir.register_lowering(host_p, mlir.lower_fun(_by_callback, multiple_results=False))


def host(function, *xs):
    """A function of floating-point arrays of one shape, by its name in SciPy."""
    return host_p.bind(*xs, function=function)


# --- Evaluation ---


class Interpreter:
    """`wide`: f32 is f64. `rng`: the errors of rounding are drawn from it, as large as they may be. `nan_sign`: what
    looks at the sign of a NaN finds that of this number; `None`: its own."""

    def __init__(self, wide=False, rng=None, nan_sign=None):
        self.rng = rng
        self.wide = wide
        self.nan_sign = nan_sign

    def dtype(self, dtype):
        return np.dtype(np.float64) if self.wide and dtype == np.float32 else np.dtype(dtype)

    def array(self, value):
        value = np.asarray(value)
        return value.astype(self.dtype(value.dtype), copy=False)

    def run(self, closed, arguments):
        with np.errstate(all="ignore"):
            return self._run(closed.jaxpr, closed.consts, [self.array(a) for a in arguments])

    def _run(self, jaxpr, consts, arguments):
        env = dict(zip(jaxpr.constvars, map(self.array, consts)))
        env.update(zip(jaxpr.invars, arguments))
        for eqn in jaxpr.eqns:
            xs = [self.array(v.val) if isinstance(v, core.Literal) else env[v] for v in eqn.invars]
            for v, y in zip(eqn.outvars, self._equation(eqn, xs)):
                env[v] = y
        return [self.array(v.val) if isinstance(v, core.Literal) else env[v] for v in jaxpr.outvars]

    def _closed(self, closed, xs):
        return self._run(closed.jaxpr, closed.consts, xs)

    def _equation(self, eqn, xs):
        name, params = eqn.primitive.name, eqn.params
        if name in ("jit", "pjit", "closed_call", "remat2", "checkpoint"):
            return self._closed(params["jaxpr"], xs)
        if name in ("custom_jvp_call", "custom_vjp_call"):
            return self._closed(params["call_jaxpr"], xs)
        if name == "cond":
            return self._closed(params["branches"][int(np.clip(xs[0], 0, len(params["branches"]) - 1))], xs[1:])
        if name == "custom_linear_solve":
            n = params["const_lengths"]
            skipped, solve = n.matvec + n.vecmat, n.solve
            rest = xs[skipped + solve + n.transpose_solve :]
            return self._closed(params["jaxprs"].solve, [*xs[skipped : skipped + solve], *rest])
        if name == "scan":
            return self._scan(params, xs)
        if name == "while":
            return self._while(params, xs)
        if name == "mark":
            size = np.abs(xs[0])
            if params.get("norm"):
                size = np.max(size, (-2, -1), keepdims=True, initial=0)
            return [self._rounded(xs[0], size, params["value"])]
        if name == "bitcast_convert_type":
            # The only way in which a program sees the sign of a NaN: it comes before copysign and signbit.
            xs = [self._signed(np.asarray(xs[0], eqn.invars[0].aval.dtype))]
        if name == "host":
            xs = [x.astype(np.float64, copy=False) for x in xs]
            ys = [getattr(scipy.special, params["function"])(*xs)]
        elif name in primitives.TABLE:
            ys = primitives.TABLE[name](self._shaken(name, xs), params)
        else:
            ys = self._bind(eqn, xs)
        ys = ys if isinstance(ys, (list, tuple)) else [ys]
        ys = [np.asarray(y, self.dtype(v.aval.dtype)) for y, v in zip(ys, eqn.outvars)]
        for y, v in zip(ys, eqn.outvars):
            assert y.shape == v.aval.shape, f"{name}: {y.shape} instead of {v.aval.shape}"
        single = eqn.outvars[0].aval.dtype == np.float32
        if self.rng is not None and name not in primitives.WITHOUT_ROUNDING and (single or name != "convert_element_type"):
            return [self._round(name, params, xs, y, single) for y in ys]
        return ys

    def _bind(self, eqn, xs):
        """By XLA, for what the table lacks."""
        xs = [np.asarray(x, v.aval.dtype) for x, v in zip(xs, eqn.invars)]
        return jax.jit(lambda *a: eqn.primitive.bind(*a, **eqn.params))(*xs)

    def _scan(self, params, xs):
        consts, carries = params["num_consts"], params["num_carry"]
        fixed, carry, stacked = xs[:consts], xs[consts : consts + carries], xs[consts + carries :]
        steps = range(params["length"])
        rows = []
        for k in reversed(steps) if params["reverse"] else steps:
            ys = self._closed(params["jaxpr"], [*fixed, *carry, *[s[k] for s in stacked]])
            carry = ys[:carries]
            rows.append(ys[carries:])
        if params["reverse"]:
            rows.reverse()
        return [*carry, *[np.stack(c) for c in zip(*rows)]]

    def _while(self, params, xs):
        c, b = params["cond_nconsts"], params["body_nconsts"]
        state = xs[c + b :]
        while self._closed(params["cond_jaxpr"], [*xs[:c], *state])[0]:
            state = self._closed(params["body_jaxpr"], [*xs[c : c + b], *state])
        return state

    def _signed(self, x):
        if self.nan_sign is None or x.dtype.kind != "f":
            return x
        return np.where(np.isnan(x), np.copysign(x, x.dtype.type(self.nan_sign)), x)

    # --- Rounding errors ---

    def _shaken(self, name, xs):
        """Factorisations answer exactly for a matrix nearby: their operands are moved by roundings of their norm."""
        if self.rng is None or name not in primitives.FACTORISATIONS:
            return xs
        return [
            x + self.rng.uniform(-1, 1, x.shape) * ARITHMETIC * np.max(np.abs(x)) * (x != 0) if x.dtype.kind == "f" and x.size else x
            for x in xs
        ]

    def _rounded(self, y, size, relative):
        if self.rng is None or y.dtype.kind != "f":
            return y
        return np.where(np.isfinite(y), y + relative * size * self.rng.uniform(-1, 1, y.shape), y)

    def _round(self, name, params, xs, y, single):
        if y.dtype.kind != "f" or y.size == 0:
            return y
        exact = name in primitives.EXACT_ON_INTEGERS
        relative = SINGLE if single else ARITHMETIC if exact else ELEMENTARY
        # A sum of products errs by roundings of its terms.
        size = np.abs(primitives.TABLE[name]([np.abs(x) for x in xs], params)) if name in primitives.SUMS else np.abs(y)
        noisy = self._rounded(y, size, relative)
        if exact:
            # Small multiples of 1/1024 come out exactly: ties stay ties.
            scaled = y * 1024
            noisy = np.where((scaled == np.round(scaled)) & (size < 2**20), y, noisy)
        return noisy
