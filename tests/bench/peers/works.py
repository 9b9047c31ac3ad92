"""What is computed: for each work its sizes and the numbers that it is given, the same for everyone."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Input:
    """An input of the graph, or data that an unrolled graph holds as constants."""

    numbers: np.ndarray
    wrt: bool = False
    # Whether points of a batch differ in it.
    batched: bool = False


def point(numbers):
    return Input(numbers, wrt=True, batched=True)


def draw(seed=7):
    return np.random.default_rng(seed)


def rosenbrock(n=1000):
    return dict(n=n), dict(x=point(draw().uniform(0.5, 1.5, n)))


def logsumexp(n=1000):
    return dict(n=n), dict(x=point(draw().uniform(-2, 2, n)))


def mixture(n=96, k=5, d=5):
    random = draw()
    x = np.concatenate([random.normal(0, 0.5, k), random.normal(0, 1, k * d), random.normal(0, 0.2, k * d)])
    return dict(n=n, k=k, d=d), dict(x=point(x), data=Input(random.normal(0, 1, (n, d))))


def lorenz(steps=1340):
    return dict(steps=steps), dict(x=point(np.array([1.0, 1.5, 20.0, 10.0, 28.0, 8 / 3])))


def chain(n=100_000):
    return dict(n=n), dict(x=point(draw().uniform(-1, 1, n)))


def recurrence(n=10, steps=300):
    return dict(n=n, steps=steps), dict(x=point(0.3 + 0.05 * np.arange(n)))


def perceptron(batch=64, n=784, hidden=128, classes=10):
    random = draw()
    return {}, dict(
        x=Input(random.uniform(0, 1, (batch, n))),
        y=Input(np.eye(classes)[random.integers(0, classes, batch)]),
        w1=Input(random.normal(0, n**-0.5, (n, hidden)), wrt=True),
        b1=Input(random.normal(0, 0.1, hidden), wrt=True),
        w2=Input(random.normal(0, hidden**-0.5, (hidden, classes)), wrt=True),
        b2=Input(random.normal(0, 0.1, classes), wrt=True),
    )


def least_squares(rows=2000, columns=200):
    random = draw()
    return {}, dict(
        a=Input(random.normal(0, 1, (rows, columns))),
        b=Input(random.normal(0, 1, rows)),
        x=Input(random.normal(0, 1, columns), wrt=True),
    )


def k_means(n=10_000, k=100, d=8):
    random = draw()
    return {}, dict(
        points=Input(random.normal(0, 1, (n, d))),
        centres=Input(random.normal(0, 1, (k, d)), wrt=True),
    )


def full_mixture(n=1000, k=25, d=64):
    random = draw()
    return {}, dict(
        weights=Input(random.normal(0, 1, k), wrt=True),
        means=Input(random.uniform(0, 1, (k, d)), wrt=True),
        factors=Input(random.normal(0, 0.1, (k, d * (d + 1) // 2)), wrt=True),
        data=Input(random.normal(0, 1, (n, d))),
    )


WORKS = {
    "rosenbrock": rosenbrock,
    "logsumexp": logsumexp,
    "mixture": mixture,
    "lorenz": lorenz,
    "chain": chain,
    "recurrence": recurrence,
    "perceptron": perceptron,
    "least squares": least_squares,
    "k-means": k_means,
    "full mixture": full_mixture,
}


def batch_of(given, batch, seed=11):
    """The inputs of a batch of points: those near the given one."""
    random = draw(seed)

    def spread(each):
        if not each.batched:
            return each
        factors = 1 + 0.01 * random.uniform(-1, 1, (batch, *each.numbers.shape))
        return dataclasses.replace(each, numbers=each.numbers * factors)

    return {name: spread(each) for name, each in given.items()}
