"""Random graphs, the service against JAX: values, JVP, VJP and Hessian-vector products.

    python compare.py ADDRESS [--count 300] [--seed N] [--first K] [--workers W] [--show]

The seed is printed; `--seed N --first K --count 1 --show` repeats one graph. Exit code 0 if every block agrees and every
implemented operation has an entry (in a run of 5000 graphs or more: has occurred as well). POLICY.md says how.
"""

import argparse
import collections
import json
import os
import secrets
import subprocess
import sys
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs of one primitive each: compiling them is most of the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import grpc
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
# Used if JAX_COMPILATION_CACHE_DIR names a directory.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

import ops  # noqa: E402

ops.load()
import client  # noqa: E402
import oracle  # noqa: E402
from generator import Generator  # noqa: E402

# Relative to the largest element of a block.
BOUND = {False: 1e-10, True: 2e-5}
# Where that is not met: this many times what rounding errors put on every node do to JAX's own result.
FACTOR = 16
SAMPLES = 4
# A bound wider than this decides nothing: counted as undecided, reported, and not many may be.
WIDEST = {False: 1e-6, True: 2e-2}
# A block whose exact value is 0 is in JAX a residue of rounding: errors below so many roundings of the largest value of
# the graph (at least 1) agree, and are counted apart.
ROUNDINGS = 64
# Compiled primitives take megabytes each; after so many graphs a process forgets them.
GRAPHS_BETWEEN_CLEARING = 200


def rounding(case):
    """What rounding alone may leave of a 0 in this graph."""
    largest = [np.max(np.abs(v[np.isfinite(v)]), initial=1) for v in case.values if v.dtype.kind == "f"]
    return ROUNDINGS * np.finfo(np.float32 if case.single else np.float64).eps * max(largest, default=1)


def within(got, want, absolute):
    """Whether both are finite and differ by no more than `absolute` anywhere."""
    if got.shape != want.shape or got.dtype != want.dtype or got.dtype.kind != "f":
        return False
    return bool(np.isfinite(got).all() and np.isfinite(want).all() and np.max(np.abs(got - want), initial=0) <= absolute)


def error(got, want):
    """Largest difference relative to the largest element; infinite where NaN or infinities differ in place or kind."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return np.inf
    if got.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else np.inf
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return np.inf
    if not finite.any():
        return 0.0
    got, want = got[finite].astype(np.float64), want[finite].astype(np.float64)
    difference = np.max(np.abs(got - want))
    return 0.0 if difference == 0 else float(difference / max(np.max(np.abs(want)), 1e-300))


class Tally:
    def __init__(self):
        self.graphs = self.nodes = 0
        self.blocks = collections.Counter()
        self.outcome = collections.Counter()
        self.ops = collections.Counter()
        self.worst = {}
        self.decades = collections.Counter()
        self.failures = []

    def merge(self, other):
        self.graphs += other["graphs"]
        self.nodes += other["nodes"]
        for name in ("blocks", "outcome", "ops", "decades"):
            getattr(self, name).update(other[name])
        for key, value in other["worst"].items():
            self.worst[key] = max(self.worst.get(key, [0, 0]), value)
        self.failures += other["failures"]

    def report(self):
        print(f"{self.graphs} graphs, {self.nodes} nodes, blocks: {dict(self.blocks)}")
        print(f"outcomes: {dict(self.outcome)}")
        print("relative errors by decade:", {k: self.decades[k] for k in sorted(self.decades)})
        for key, (value, number) in sorted(self.worst.items()):
            print(f"  worst {key}: {value:.2e} (graph {number})")
        print("nodes of each op:", ", ".join(f"{n} {c}" for n, c in self.ops.most_common()))


def judge(case, got, tally):
    want = oracle.products(case)
    if got.keys() != want.keys():
        tally.failures.append([case.number, f"blocks {sorted(got)} instead of {sorted(want)}"])
        return
    shaken = None
    for key, expected in want.items():
        e = error(got[key], expected)
        kind = key[0] + (" f32" if case.single else " f64")
        tally.blocks[key[0]] += 1
        tally.outcome["all zeros"] += key[0] != "value" and not np.any(expected)
        if np.isfinite(e):
            decade = "0" if e == 0 else f"1e{int(np.floor(np.log10(e))):+03d}"
            tally.decades[("f32 " if case.single else "f64 ") + decade] += 1
        if e <= BOUND[case.single]:
            tally.outcome["agree"] += 1
            tally.worst[kind] = max(tally.worst.get(kind, [0, 0]), [e, case.number])
            continue
        if within(got[key], expected, rounding(case)):
            tally.outcome["agree within rounding of a zero"] += 1
            continue
        if shaken is None:
            shaken = [oracle.products(case, k) for k in range(SAMPLES)]
        spread = max(error(other[key], expected) for other in shaken)
        if spread > WIDEST[case.single] and e > BOUND[case.single]:
            tally.outcome["undecided"] += 1
        elif e <= FACTOR * spread:
            tally.outcome["agree within conditioning"] += 1
        else:
            tally.outcome["disagree"] += 1
            where = " ".join(k for k in key if k)
            tally.failures.append([case.number, f"{where}: error {e:.2e}, conditioning {spread:.2e}"])


def show(case, got):
    want = oracle.products(case)
    for name, dtype, shape in case.inputs:
        print(f"input {name} {dtype}{list(shape)} = {case.point[name].tolist()}")
    value = len(case.inputs)
    for node in case.nodes:
        attributes = {k: v.tolist() if k == "array" else v for k, v in node.attributes.items() if k != "value"}
        print(f"%{value} {node.op} {node.operands} {attributes} = {case.values[value].tolist()}")
        value += len(ops.OPS[node.op].run(node.attributes, *[case.values[i] for i in node.operands]))
    print("outputs", case.outputs)
    for key in want:
        mine = got.get(key)
        print(key, "service", None if mine is None else mine.tolist(), "jax", want[key].tolist())


def work(address, seed, numbers, names, verbose=False):
    """Compares these graphs; while JAX computes one, the service computes the next."""
    stub, tally = client.connect(address), Tally()
    waiting = collections.deque()

    def finish():
        case, future = waiting.popleft()
        try:
            got = client.blocks(future.result())
        except grpc.RpcError as failure:
            tally.failures.append([case.number, f"{failure.code().name}: {failure.details()}"])
            got = {}
        if verbose:
            show(case, got)
        if got:
            try:
                judge(case, got, tally)
            except Exception as failure:  # The graph can be repeated; the others are still to be seen.
                tally.failures.append([case.number, f"oracle: {type(failure).__name__}: {str(failure)[:300]}"])

    for number in numbers:
        case = Generator(seed, number, names).graph()
        tally.graphs += 1
        tally.nodes += len(case.nodes)
        tally.ops.update(node.op for node in case.nodes)
        waiting.append((case, stub.Evaluate.future(client.request(case), timeout=60)))
        if len(waiting) > 4:
            finish()
        if tally.graphs % GRAPHS_BETWEEN_CLEARING == 0:
            jax.clear_caches()
        if tally.graphs % 100 == 0:
            print(f"{tally.graphs} graphs: {dict(tally.outcome)}, {tally.failures}", file=sys.stderr, flush=True)
    while waiting:
        finish()
    return tally


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1, help="only every so manieth graph: a worker's share")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print the graphs and all blocks")
    parser.add_argument("--only", help="operations to draw from, with commas")
    parser.add_argument("--json", action="store_true", help="print the tally for a parent process")
    arguments = parser.parse_args()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    have = client.implemented(client.connect(arguments.address))
    missing = sorted(have - ops.OPS.keys())
    if arguments.only:
        have &= set(arguments.only.split(","))
    names = sorted(have & ops.OPS.keys())
    numbers = range(arguments.first, arguments.first + arguments.count, arguments.step)
    if not arguments.json:
        print(f"seed {seed}, {arguments.count} graphs of {len(names)} operations", flush=True)
    if arguments.workers > 1:
        tally = Tally()
        command = [sys.executable, __file__, arguments.address, f"--seed={seed}", f"--step={arguments.workers}", "--json"]
        if arguments.only:
            command.append(f"--only={arguments.only}")
        workers = [
            subprocess.Popen(
                [*command, f"--first={arguments.first + k}", f"--count={arguments.count - k}"], stdout=subprocess.PIPE
            )
            for k in range(arguments.workers)
        ]
        for worker in workers:
            tally.merge(json.loads(worker.communicate()[0]))
    else:
        tally = work(arguments.address, seed, numbers, names, arguments.show)
    if arguments.json:
        print(json.dumps(vars(tally)))
        return
    tally.report()
    print(f"{time.monotonic() - started:.0f} s")
    for number, why in sorted(tally.failures):
        print(f"FAILED graph {number}: {why}  (--seed {seed} --first {number} --count 1 --show)")
    if missing:
        print(f"no entry for: {', '.join(missing)}")
    unseen = sorted(set(names) - tally.ops.keys())
    if unseen:
        print(f"never drawn: {', '.join(unseen)}")
    blocks = sum(tally.blocks.values())
    undecided = tally.outcome["undecided"] > 0.02 * blocks + 3
    if undecided:
        print("too many blocks are undecided")
    sys.exit(bool(tally.failures or missing or undecided or (unseen and arguments.count >= 5000 and not arguments.only)))


if __name__ == "__main__":
    main()
