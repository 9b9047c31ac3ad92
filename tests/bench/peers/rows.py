"""The rows of the table as data: what is compared, with whom, and what must hold."""

import dataclasses
from dataclasses import field

import works


@dataclasses.dataclass(frozen=True)
class Bound:
    """What a ratio must hold on every row, and the geometric mean over a group's rows."""

    each: float | None = None
    mean: float | None = None
    # Otherwise at least.
    at_most: bool = False

    def holds(self, ratio, limit):
        return limit is None or (ratio <= limit if self.at_most else ratio >= limit)


@dataclasses.dataclass(frozen=True)
class Case:
    """A work in one form; everyone named takes turns at it."""

    group: str
    name: str
    work: str
    # By group of rows: who, and what must hold.
    peers: dict[str, Bound]
    # As main.rs takes it.
    form: str = "tensor"
    product: str = "gradient"
    batch: int = 0
    sizes: dict = field(default_factory=dict)
    # From the graph's bytes instead of warm.
    first: bool = False
    # Takes several GB.
    large: bool = False

    def given(self):
        sizes, given = works.WORKS[self.work](**self.sizes)
        if self.batch:
            given = works.batch_of(given, self.batch)
        if self.product == "hvp":
            numbers = works.draw(13).uniform(-1, 1, given["x"].numbers.shape)
            given["v"] = works.Input(numbers)
        return sizes, given


SMALL = {
    "rosenbrock": "extended Rosenbrock n=1000",
    "logsumexp": "log-sum-exp n=1000",
    "mixture": "Gaussian mixture",
    "lorenz": "RK4, Lorenz",
    "chain": "nonlinear chain",
}
LARGE = {
    "perceptron": "MLP 784-128-10, batch 64",
    "least squares": "least squares 2000x200",
    "logsumexp": "log-sum-exp n=10^6",
    "k-means": "k-means 10^4x100x8",
    "full mixture": "mixture d=64 k=25 n=1000",
}
FUNCTION = "function"


def cases():
    for work, name in SMALL.items():
        peers = {"CasADi": Bound(3, 6), "CasADi, gcc -O3": Bound(None, 1), "ADOL-C": Bound()}
        yield Case("a. gradient, scalars, one point", name, work, peers, form="scalar")
    for work, name in SMALL.items():
        peers = {"CasADi": Bound(3, 6), "CasADi, gcc -O3": Bound(None, 1)}
        yield Case("a. the same, taken out of one input", name, work, peers, form="indexed")
    for work, name in SMALL.items():
        yield Case("b. gradient, tensors, one point", name, work, {"JAX": Bound(1, 3)})
    for batch in (64, 1024):
        for work, name in SMALL.items():
            yield Case(
                f"b. gradient, tensors, {batch} points",
                name,
                work,
                {"JAX": Bound(1.3, 3)},
                batch=batch,
                large=work == "chain" and batch > 64,
            )
    for work, name in SMALL.items():
        yield Case("c. first gradient", name, work, {"CasADi": Bound(5)}, form="scalar", first=True)
    for work, name in SMALL.items():
        peers = {"CasADi": Bound(5)}
        yield Case("c. the same, taken out of one input", name, work, peers, form="indexed", first=True)
    recurrence = {"CasADi": Bound(5), "JAX": Bound(100)}
    yield Case("c. first gradient", "recurrence, 300 steps", "recurrence", recurrence, form="scalar", first=True)
    cost = {FUNCTION: Bound(2.5, 2.0, at_most=True)}
    for form, title in (("scalar", "scalars"), ("indexed", "taken out of one input"), ("tensor", "tensors")):
        for work, name in SMALL.items():
            yield Case(f"d. gradient : function, {title}", name, work, cost, form=form)
    for work, name in LARGE.items():
        sizes = {"n": 10**6} if work == "logsumexp" else {}
        yield Case("d. gradient : function, large", name, work, cost, sizes=sizes)
    for work, name in LARGE.items():
        sizes = {"n": 10**6} if work == "logsumexp" else {}
        yield Case("e. large tensors", name, work, {"JAX": Bound(1), "JAX, 2 threads": Bound(1)}, sizes=sizes)
    for product, name in (("hvp", "H v"), ("hessian", "sparse Hessian")):
        yield Case(
            "f. second order",
            f"{name}, Rosenbrock n=10^5",
            "rosenbrock",
            {"CasADi": Bound(1), "JAX": Bound(1)},
            product=product,
            sizes={"n": 10**5},
        )
