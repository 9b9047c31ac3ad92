"""Answers that the tool is held to, by JAX and by hand: writes tests/reference/gradbench.json.

Messages are those of GradBench's evals at small sizes; the functions are written anew from their definitions.
"""

import itertools
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp

jax.config.update("jax_enable_x64", True)
random = np.random.default_rng(3)
messages = []


def listed(x):
    return np.asarray(x).tolist()


def message(module, function, input, output):
    messages.append(dict(module=module, function=function, input=input, output=output))


def hello():
    message("hello", "square", 3.5, 12.25)
    message("hello", "double", 3.5, 7.0)


def llsq(n=11, m=4):
    x = random.normal(size=m)
    t = -1 + np.arange(n) * 2 / (n - 1)

    def f(x):
        return 0.5 * jnp.sum((jnp.sign(t) - sum(x[j] * t**j for j in range(m))) ** 2)

    input = dict(x=listed(x), n=n)
    message("llsq", "primal", input, float(f(x)))
    message("llsq", "gradient", input, listed(jax.grad(f)(x)))


def lse(n=7):
    x = random.normal(0, 300, n)
    input = dict(x=listed(x))
    message("lse", "primal", input, float(logsumexp(x)))
    message("lse", "gradient", input, listed(jax.grad(logsumexp)(jnp.asarray(x))))


def det(n=5):
    a = random.normal(size=(n, n))

    def f(a):
        """By Leibniz."""
        total = 0.0
        for p in itertools.permutations(range(n)):
            swaps = sum(p[i] > p[j] for i in range(n) for j in range(i + 1, n))
            total = total + (-1) ** swaps * jnp.prod(jnp.stack([a[i, p[i]] for i in range(n)]))
        return total

    input = dict(A=listed(a.ravel()), ell=n)
    message("det", "primal", input, float(f(a)))
    message("det", "gradient", input, listed(jax.grad(f)(a).ravel()))


def kmeans(n=12, k=3, d=2):
    points = random.normal(size=(n, d))
    # Each is nearest to a point.
    centroids = points[:k] + 0.01 * random.normal(size=(k, d))

    def f(c):
        return jnp.sum(jnp.min(jnp.sum((points[:, None] - c) ** 2, axis=2), axis=1))

    input = dict(points=listed(points), centroids=listed(centroids))
    gradient = jax.grad(f)(centroids)
    hessian = jax.hessian(f)(centroids).reshape(k * d, k * d)
    message("kmeans", "cost", input, float(f(centroids)))
    message("kmeans", "dir", input, listed(gradient / jnp.diag(hessian).reshape(k, d)))


def gmm(d=3, k=4, n=6):
    below = d * (d - 1) // 2
    alpha, mu = random.normal(size=k), random.uniform(size=(k, d))
    q, l = random.normal(0, 0.5, (k, d)), random.normal(0, 0.5, (k, below))
    x, gamma, m = random.normal(size=(n, d)), 1.3, 2

    def f(alpha, mu, q, l):
        total = -0.5 * n * d * jnp.log(2 * jnp.pi) - n * logsumexp(alpha)
        factors = []
        for i in range(k):
            factor = jnp.diag(jnp.exp(q[i]))
            entry = 0
            for column in range(d):
                for row in range(column + 1, d):
                    factor = factor.at[row, column].set(l[i, entry])
                    entry += 1
            factors.append(factor)
        for point in x:
            heads = [alpha[i] + jnp.sum(q[i]) - 0.5 * jnp.sum((factors[i] @ (point - mu[i])) ** 2) for i in range(k)]
            total += logsumexp(jnp.stack(heads))
        freedom = d + m + 1
        gammas = d * (d - 1) / 4 * jnp.log(jnp.pi) + sum(gammaln(0.5 * freedom + 0.5 * (1 - j)) for j in range(1, d + 1))
        constant = freedom * d * (jnp.log(gamma) - 0.5 * jnp.log(2.0)) - gammas
        frobenius = sum(jnp.sum(factor**2) for factor in factors)
        return total + k * constant - 0.5 * gamma**2 * frobenius + m * jnp.sum(q)

    parts = dict(alpha=alpha, mu=mu, q=q, l=l)
    input = dict(d=d, k=k, n=n, x=listed(x), gamma=gamma, m=m) | {name: listed(part) for name, part in parts.items()}
    message("gmm", "objective", input, float(f(*parts.values())))
    gradients = jax.grad(f, argnums=(0, 1, 2, 3))(*parts.values())
    message("gmm", "jacobian", input, {name: listed(g) for name, g in zip(parts, gradients)})


def ode(n=4, steps=7):
    x = random.uniform(0.5, 1.5, n)

    def f(x):
        y, h = [0.0] * n, 2 / steps
        slope = lambda y: [x[0]] + [x[i] * y[i - 1] for i in range(1, n)]
        for _ in range(steps):
            k1 = slope(y)
            k2 = slope([a + h * b / 2 for a, b in zip(y, k1)])
            k3 = slope([a + h * b / 2 for a, b in zip(y, k2)])
            k4 = slope([a + h * b for a, b in zip(y, k3)])
            y = [a + h * (p + 2 * q + 2 * r + s) / 6 for a, p, q, r, s in zip(y, k1, k2, k3, k4)]
        return jnp.stack(y)

    input = dict(x=listed(x), s=steps)
    message("ode", "primal", input, listed(f(x)))
    message("ode", "gradient", input, listed(jax.grad(lambda x: f(x)[-1])(x)))


def lstm(layers=2, length=4, b=3):
    main, extra = random.normal(size=(2 * layers, 4 * b)), random.normal(size=(3, b))
    state, sequence = random.normal(size=(2 * layers, b)), random.uniform(size=(length, b))

    def f(main, extra):
        hidden, cell = [list(state[i::2]) for i in range(2)]
        total = 0.0
        for t in range(length - 1):
            x = sequence[t] * extra[0]
            for i in range(layers):
                weight, bias = main[2 * i].reshape(4, b), main[2 * i + 1].reshape(4, b)
                gates = [jax.nn.sigmoid(v * weight[j] + bias[j]) for j, v in ((0, x), (1, hidden[i]), (2, x))]
                change = jnp.tanh(hidden[i] * weight[3] + bias[3])
                cell[i] = cell[i] * gates[0] + gates[1] * change
                hidden[i] = x = gates[2] * jnp.tanh(cell[i])
            guess = x * extra[1] + extra[2]
            total += jnp.sum(sequence[t + 1] * (guess - jnp.log(2 + jnp.sum(jnp.exp(guess)))))
        return -total / ((length - 1) * b)

    input = dict(main_params=listed(main), extra_params=listed(extra), state=listed(state), sequence=listed(sequence))
    message("lstm", "objective", input, float(f(main, extra)))
    gradients = jax.grad(f, argnums=(0, 1))(main, extra)
    message("lstm", "jacobian", input, listed(np.concatenate([g.ravel() for g in gradients])))


def rotation(v):
    """By the exponential series' closed form."""
    angle = jnp.sqrt(jnp.sum(v**2))
    x, y, z = v / angle
    cross = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return jnp.eye(3) + jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * cross @ cross


def ba(n=3, m=5, p=7):
    cam = np.concatenate([[0.1, -0.2, 0.3], random.normal(0, 0.1, 3), [600.0, 300.0, 200.0, 0.01, -0.002]])
    x, w, feat = np.array([0.3, -0.4, 2.5]), 0.8, random.uniform(200, 400, 2)

    def error(cam, x, w):
        a, b, c = rotation(cam[:3]) @ (x - cam[3:6])
        u = jnp.stack([a / c, b / c])
        r2 = jnp.sum(u**2)
        return w * (u * (1 + cam[9] * r2 + cam[10] * r2**2) * cam[6] + cam[7:9] - feat)

    input = dict(n=n, m=m, p=p, cam=listed(cam), x=listed(x), w=w, feat=listed(feat))
    reproj = dict(elements=listed(error(cam, x, w)), repeated=p)
    message("ba", "objective", input, dict(reproj_error=reproj, w_err=dict(element=1 - w * w, repeated=p)))
    by_cam, by_x, by_w = jax.jacobian(error, argnums=(0, 1, 2))(cam, x, w)
    once = list(range(11)) + [11 * n + i for i in range(3)] + [11 * n + 3 * m]
    rows = [min(15 * i, 15 * 2 * p + (i - 2 * p)) if i > 2 * p else 15 * i for i in range(30)]
    output = dict(
        rows=rows + [15 * 2 * p + p],
        cols=once * 2 + [11 * n + 3 * m + p - 1],
        vals=listed(np.concatenate([by_cam, by_x, by_w[:, None]], axis=1).ravel()) + [-2 * w],
    )
    message("ba", "jacobian", input, output)


def ht(vertices=9, count=5):
    bones = 22
    parents = [-1, 0] + [1 if joint == 0 else 4 * finger + joint + 1 for finger in range(5) for joint in range(4)]
    relatives = np.stack([np.eye(4) + 0.2 * random.normal(size=(4, 4)) for _ in range(bones)])
    inverses = np.stack([np.eye(4) + 0.2 * random.normal(size=(4, 4)) for _ in range(bones)])
    relatives[:, 3] = inverses[:, 3] = [0, 0, 0, 1]
    base = np.concatenate([random.normal(size=(vertices, 3)), np.ones((vertices, 1))], axis=1)
    weights = random.uniform(size=(vertices, bones))
    weights /= weights.sum(axis=1, keepdims=True)
    triangles = [[i, (i + 2) % vertices, (i + 5) % vertices] for i in range(vertices)]
    chosen = [0, 3, 4, 7, 2]
    points, theta = random.normal(size=(count, 3)), random.normal(0, 0.4, 26)
    us = random.uniform(0, 0.5, (count, 2))

    def about(axis, angle):
        return rotation(angle * jnp.eye(3)[axis])

    def positions(theta, mirrored):
        angles, next_angle = {}, 6
        for finger in range(5):
            for joint in range(3):
                turn = about(0, theta[next_angle])
                next_angle += 1
                if joint == 0:
                    turn = about(2, theta[next_angle]) @ turn
                    next_angle += 1
                angles[2 + 4 * finger + joint] = turn
        absolutes = []
        for bone, parent in enumerate(parents):
            here = jnp.asarray(relatives[bone])
            if bone in angles:
                here = here @ jnp.eye(4).at[:3, :3].set(angles[bone])
            absolutes.append(here if parent < 0 else absolutes[parent] @ here)
        skin = sum(weights[:, [b]] * (base @ (absolutes[b] @ inverses[b]).T)[:, :3] for b in range(bones))
        if mirrored:
            skin = skin * np.array([-1.0, 1.0, 1.0])
        return skin @ rotation(theta[:3]).T + theta[3:6]

    def simple(theta, mirrored):
        return points - positions(theta, mirrored)[np.array(chosen)]

    def on_triangles(theta, us, mirrored):
        corners = positions(theta, mirrored)[np.array(triangles)[chosen]]
        weight = jnp.concatenate([us, 1 - jnp.sum(us, axis=1, keepdims=True)], axis=1)
        return points - jnp.sum(weight[:, :, None] * corners, axis=1)

    for mirrored in (False, True):
        model = dict(
            bone_count=bones,
            bone_names=[f"bone {i}" for i in range(bones)],
            parents=parents,
            base_relatives=listed(relatives),
            inverse_base_absolutes=listed(inverses),
            base_positions=listed(base),
            weights=listed(weights),
            triangles=triangles,
            is_mirrored=mirrored,
        )
        data = dict(model=model, correspondences=chosen, points=listed(points))
        input = dict(theta=listed(theta), data=data, us=[])
        message("ht", "objective", input, listed(simple(theta, mirrored).ravel()))
        by_theta = jax.jacobian(simple)(jnp.asarray(theta), mirrored)
        message("ht", "jacobian", input, listed(by_theta.reshape(3 * count, 26)))
        input = dict(theta=listed(theta), data=data, us=listed(us))
        message("ht", "objective", input, listed(on_triangles(theta, us, mirrored).ravel()))
        by_theta, by_us = jax.jacobian(on_triangles, argnums=(0, 1))(jnp.asarray(theta), jnp.asarray(us), mirrored)
        own = np.stack([by_us[i, :, i, :] for i in range(count)])
        both = np.concatenate([own, by_theta], axis=2).reshape(3 * count, 28)
        message("ht", "jacobian", input, listed(both))


def descend(f, gradient, x):
    """Where gradient descent ends, as the evals define it."""
    fx, gx, eta, taken = f(x), gradient(x), 1e-5, 0
    while True:
        if math.hypot(*gx) <= 1e-5:
            return x
        if taken == 10:
            eta, taken = 2 * eta, 0
            continue
        there = [a - eta * b for a, b in zip(x, gx)]
        if math.dist(x, there) <= 1e-5:
            return x
        if f(there) < fx:
            x, fx, gx, taken = there, f(there), gradient(there), taken + 1
        else:
            eta, taken = eta / 2, 0


def saddle(start=(1.0, 0.8)):
    start = list(start)
    squares = lambda x: sum(a * a for a in x)
    twice = lambda x: [2 * a for a in x]
    highest = lambda x: descend(lambda y: squares(y) - squares(x), twice, start)
    # Where the inner descent ends does not depend on x but through its comparisons: the derivative is closed.
    x = descend(lambda x: squares(x) - squares(highest(x)), twice, start)
    output = x + highest(x)
    # The other three give the same, but take up to half a minute.
    message("saddle", "rr", dict(start=start), output)


def particle():
    def force(x, w):
        a, b = jnp.array([10.0, 10.0 - w]), jnp.array([10.0, 0.0])
        return sum((x - c) / jnp.sum((x - c) ** 2) ** 1.5 for c in (a, b))

    def fly(w):
        def step(state):
            x, v, _ = state
            there, faster = x + 0.1 * v, v + 0.1 * force(x, w)
            above = there[1] > 0
            return jnp.where(above, there, x), jnp.where(above, faster, v), above

        start = jnp.array([0.0, 8.0]), jnp.array([0.75, 0.0]), True
        x, v, _ = jax.lax.while_loop(lambda state: state[2], step, start)
        return (x[0] - x[1] / v[1] * v[0]) ** 2

    f, slope = jax.jit(fly), jax.jit(jax.jacfwd(fly))
    [w] = descend(lambda w: float(f(w[0])), lambda w: [float(slope(w[0]))], [0.0])
    for function in ("ff", "fr", "rf", "rr"):
        message("particle", function, dict(w=0.0), w)


for make in (hello, llsq, lse, det, kmeans, gmm, ode, lstm, ba, ht, saddle, particle):
    make()
    print(messages[-1]["module"], messages[-1]["output"] if make in (saddle, particle) else "")
file = Path(__file__).resolve().parents[2] / "reference" / "gradbench.json"
file.write_text("[\n" + ",\n".join(json.dumps(m) for m in messages) + "\n]\n")
