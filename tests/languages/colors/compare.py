"""Our colours beside those of other packages, on the same random patterns.

    python compare.py ADDRESS [--seeds N]     a server must be listening there

Ours come from PlanEvaluation of functions that have the pattern: A x for a Jacobian, the sum of sin(A x), which is
partially separable, for a Hessian with the pattern of A'A. Exit code 1 if ours takes more colours than the best of
the others anywhere. Where ours says acyclic it takes fewer sweeps by substitution, which theirs do not offer: that
row does not compare like with like. Run by hand, not by ../run; ten seconds beside a started server.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jax"))
import client  # noqa: E402
from client import g, s  # noqa: E402

import asdex  # noqa: E402
from sparsejac import sparsejac  # noqa: E402

warnings.simplefilter("ignore")


def function(a, scalar):
    """A x, or the sum of sin(A x)."""
    m, n = a.shape
    a = a.tocoo()
    graph = g.Graph(name="pattern")
    graph.inputs.add(name="x", type=g.TensorType(dtype=g.DTYPE_F64, shape=[n]))
    values = client.tensor(np.full(a.nnz, 0.5))
    graph.nodes.add(op=g.OP_CONSTANT, constant=g.Constant(value=values))
    order = np.lexsort((a.col, a.row))
    pattern = g.SparsePattern(row_count=m, column_count=n, rows=a.row[order].tolist(), columns=a.col[order].tolist())
    graph.nodes.add(op=g.OP_SPARSE_MATVEC, operands=[1, 0], sparse_pattern=pattern)
    last = 2
    if scalar:
        graph.nodes.add(op=g.OP_SIN, operands=[2])
        graph.nodes.add(op=g.OP_REDUCE_SUM, operands=[3], reduce=g.Reduce())
        last = 4
    graph.outputs.add(name="f", value=last)
    return graph


def ours(stub, graph, product, mode=s.MODE_UNSPECIFIED):
    request = s.PlanEvaluationRequest(inline_graph=graph, products=[product], options=s.EvaluateOptions(mode=mode))
    return stub.PlanEvaluation(request).plans[0]


def jacobian_colors(stub, a):
    graph = function(a, False)
    product = g.Product(jacobian=g.Jacobian(layout=g.LAYOUT_SPARSE))
    by_columns, by_rows = (ours(stub, graph, product, mode).sweeps for mode in (s.MODE_FORWARD, s.MODE_REVERSE))
    dense = (a != 0).toarray()
    theirs = [
        {
            "asdex": asdex.jacobian_coloring_from_sparsity(dense, mode=mode, symmetric=False).num_colors,
            "sparsejac": sparsejac._greedy_color(connectivity(sp.csr_matrix(a)), "largest_first")[1],
        }
        for mode, connectivity in (
            ("fwd", sparsejac._input_connectivity_from_sparsity),
            ("rev", sparsejac._output_connectivity_from_sparsity),
        )
    ]
    yield "Jacobian, columns", by_columns, theirs[0]
    yield "Jacobian, rows", by_rows, theirs[1]


def hessian_colors(stub, a):
    product = g.Product(hessian=g.Hessian(output="f", layout=g.LAYOUT_SPARSE))
    plan = ours(stub, function(a, True), product)
    # Substitution takes far fewer colours than a star colouring, which reads every entry directly.
    kind = "acyclic" if "(acyclic)" in plan.reason else "star"
    dense = (abs(a).T @ abs(a)).toarray() != 0
    yield f"Hessian, {kind}", plan.sweeps, {"asdex, star": asdex.hessian_coloring_from_sparsity(dense, symmetric=True).num_colors}


def patterns(seed):
    random = np.random.default_rng(seed)
    for m, n, each in [(300, 200, 4), (400, 400, 6), (1000, 800, 3), (150, 500, 8)]:
        rows = np.repeat(np.arange(m), each)
        columns = np.concatenate([random.choice(n, each, replace=False) for _ in range(m)])
        yield f"random {m} x {n}, {each} a row", sp.csr_matrix((np.ones(m * each), (rows, columns)), (m, n))
    # Elements of a partially separable function stand near each other, with a few far ones.
    n = 600
    rows, columns = [], []
    for i in range(n):
        near = {i, (i + 1) % n, (i + int(random.integers(2, 6))) % n}
        far = {int(random.integers(n))} if random.random() < 0.1 else set()
        for j in near | far:
            rows.append(i)
            columns.append(j)
    yield f"near and far, {n}", sp.csr_matrix((np.ones(len(rows)), (rows, columns)), (n, n))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    stub = client.connect(arguments.address)
    worse = total = 0
    for seed in range(arguments.seeds):
        for name, a in patterns(seed):
            for colors in (jacobian_colors, hessian_colors):
                for what, count, theirs in colors(stub, a):
                    total += 1
                    best = min(theirs.values())
                    worse += count > best
                    others = ", ".join(f"{package} {theirs[package]}" for package in theirs)
                    mark = "  MORE" if count > best else ""
                    print(f"seed {seed}  {name:<28} {what:<18} ours {count:>3}  {others}{mark}", flush=True)
    print(f"more colours than the best of the others: {worse} of {total}")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
