"""Random graphs, the service against JAX: values, JVP, VJP and Hessian-vector products.

    python compare.py ADDRESS [--count 300] [--seed N] [--first K] [--workers W] [--show]

The seed is printed; `--seed N --first K --count 1 --show` repeats one graph. Exit code 0 if every block agrees, every
implemented operation has an entry and, in a run of 300 graphs or more, has occurred. POLICY.md says how.
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
# The processes are as many as the cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import grpc
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import ops  # noqa: E402

ops.load()
import client  # noqa: E402
import verdict  # noqa: E402
from generator import Generator, evaluate  # noqa: E402
from oracle import Oracle  # noqa: E402

# Traced programs are kept by JAX; after so many graphs a process forgets them.
GRAPHS_BETWEEN_CLEARING = 100
CLOSEST = 5
# From here on every operation must have occurred.
ENOUGH = 300


class Tally:
    def __init__(self):
        self.graphs = self.nodes = self.by_xla = 0
        self.blocks = collections.Counter()
        self.outcome = collections.Counter()
        self.ops = collections.Counter()
        self.ratios = collections.Counter()
        self.seconds = collections.Counter()
        # The largest errors that passed, in bounds: [error, graph, block].
        self.closest = []
        # Blocks that decide nothing.
        self.undecided = []
        self.failures = []

    def merge(self, other):
        for name in ("graphs", "nodes", "by_xla"):
            setattr(self, name, getattr(self, name) + other[name])
        for name in ("blocks", "outcome", "ops", "ratios", "seconds"):
            getattr(self, name).update(other[name])
        self.failures += other["failures"]
        self.undecided += other["undecided"]
        self.closest = sorted(self.closest + other["closest"])[-CLOSEST:]

    def report(self):
        print(f"{self.graphs} graphs ({self.by_xla} by XLA as well), {self.nodes} nodes, blocks: {dict(self.blocks)}")
        print(f"outcomes: {dict(self.outcome)}")
        print("errors, in bounds:", ", ".join(f"{k} {self.ratios[k]}" for k in sorted(self.ratios)))
        print("closest:", "; ".join(f"{e:.2f} graph {n} {block}" for e, n, block in reversed(self.closest)))
        print("undecided:", "; ".join(self.undecided[:20]) or "none")
        print("seconds:", ", ".join(f"{k} {v:.0f}" for k, v in self.seconds.items()))
        print("nodes of each op:", ", ".join(f"{n} {c}" for n, c in self.ops.most_common()))

    def add(self, case, judged):
        for key, (outcome, ratio, why) in judged.items():
            self.blocks[key[0]] += 1
            self.outcome[outcome] += 1
            if outcome not in ("undecided", "disagree"):
                step = "0" if ratio == 0 else f"below {2.0 ** np.ceil(np.log2(max(ratio, 1e-3))):.3f}"
                self.ratios[("f32 " if case.single else "f64 ") + step] += 1
                self.closest = sorted([*self.closest, [ratio, case.number, " ".join(key)]])[-CLOSEST:]
            if outcome == "undecided":
                self.undecided.append(f"graph {case.number} {' '.join(key)}")
            if outcome == "disagree":
                self.failures.append([case.number, f"{' '.join(k for k in key if k)}: {why}"])


def show(case, got, want, judged):
    for name, dtype, shape in case.inputs:
        print(f"input {name} {dtype}{list(shape)} = {case.point[name].tolist()}")
    value = len(case.inputs)
    for node in case.nodes:
        attributes = {k: v.tolist() if k == "array" else v for k, v in node.attributes.items() if k != "value"}
        results = evaluate(node.op, node.attributes, [case.values[i] for i in node.operands])
        print(f"%{value} {node.op} {node.operands} {attributes} = {[r.tolist() for r in results]}")
        value += len(results)
    print("outputs", case.outputs)
    print("tangents", {k: v.tolist() for k, v in case.tangents.items()})
    print("cotangents", {k: v.tolist() for k, v in case.cotangents.items()})
    for key in want:
        mine = got.get(key)
        print(key, judged.get(key), "service", None if mine is None else mine.tolist(), "jax", want[key].tolist())


def work(address, seed, numbers, names, by_xla, minutes=None, verbose=False):
    """Compares these graphs; while JAX computes one, the service computes the next."""
    end = time.monotonic() + 60 * minutes if minutes else None
    stub, tally = client.connect(address), Tally()
    waiting = collections.deque()

    def finish():
        case, future = waiting.popleft()
        started = time.monotonic()
        try:
            got = client.blocks(future.result())
        except grpc.RpcError as failure:
            tally.failures.append([case.number, f"{failure.code().name}: {failure.details()}"])
            got = {}
        waited = time.monotonic()
        tally.seconds["waiting for the service"] += waited - started
        try:
            oracle = Oracle(case)
            tally.seconds["tracing"] += time.monotonic() - waited
            want = oracle.blocks()
            judged = verdict.judge(oracle, got, want) if got else {}
            if verbose:
                show(case, got, want, judged)
            if by_xla and case.number % by_xla == 0:
                compiling = time.monotonic()
                tally.by_xla += 1
                for key, (outcome, _, why) in verdict.judge(oracle, oracle.by_xla(), want).items():
                    if outcome == "disagree":
                        tally.failures.append([case.number, f"interpreter against XLA, {key}: {why}"])
                tally.seconds["XLA"] += time.monotonic() - compiling
            tally.add(case, judged)
        except Exception as failure:  # The graph can be repeated; the others are still to be seen.
            if verbose:
                raise
            tally.failures.append([case.number, f"oracle: {type(failure).__name__}: {str(failure)[:200]}"])
        tally.seconds["oracle, in all"] += time.monotonic() - waited

    for number in numbers:
        started = time.monotonic()
        if end and started > end:
            break
        try:
            case = Generator(seed, number, names).graph()
        except Exception as failure:  # As below.
            if verbose:
                raise
            tally.failures.append([number, f"generator: {type(failure).__name__}: {str(failure)[:200]}"])
            continue
        tally.seconds["drawing"] += time.monotonic() - started
        tally.graphs += 1
        tally.nodes += len(case.nodes)
        tally.ops.update(node.op for node in case.nodes)
        waiting.append((case, stub.Evaluate.future(client.request(case), timeout=60)))
        if len(waiting) > 2:
            finish()
        if tally.graphs % GRAPHS_BETWEEN_CLEARING == 0:
            jax.clear_caches()
            print(f"{tally.graphs} graphs: {dict(tally.outcome)}, {tally.failures}", file=sys.stderr, flush=True)
    while waiting:
        finish()
    return tally


def shared_out(arguments, seed):
    """The graphs dealt to processes of their own."""
    command = [sys.executable, __file__, arguments.address, f"--seed={seed}", f"--step={arguments.workers}", "--json"]
    command.append(f"--xla-every={arguments.xla_every}")
    if arguments.only:
        command.append(f"--only={arguments.only}")
    if arguments.minutes:
        command.append(f"--minutes={arguments.minutes}")
    workers = [
        subprocess.Popen(
            [*command, f"--first={arguments.first + k}", f"--count={arguments.count - k}"], stdout=subprocess.PIPE
        )
        for k in range(arguments.workers)
    ]
    tally = Tally()
    for worker in workers:
        tally.merge(json.loads(worker.communicate()[0]))
    return tally


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1, help="only every so manieth graph: a worker's share")
    parser.add_argument("--minutes", type=float, default=None, help="stop and report after so many")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--xla-every", type=int, default=75, help="every so manieth graph is evaluated by XLA as well; 0: none")
    parser.add_argument("--show", action="store_true", help="print the graphs and all blocks")
    parser.add_argument("--only", help="operations to draw from, with commas")
    parser.add_argument("--json", action="store_true", help="print the tally for a parent process")
    arguments = parser.parse_args()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    started = time.monotonic()
    have = client.implemented(client.connect(arguments.address))
    missing = sorted(have - ops.OPS.keys())
    absent = sorted(ops.OPS.keys() - have)
    if arguments.only:
        have &= set(arguments.only.split(","))
    names = sorted(have & ops.OPS.keys())
    numbers = range(arguments.first, arguments.first + arguments.count, arguments.step)
    if not arguments.json:
        print(f"seed {seed}, {arguments.count} graphs of {len(names)} operations; not implemented: {len(absent)}", flush=True)
    if arguments.workers > 1:
        tally = shared_out(arguments, seed)
    else:
        tally = work(arguments.address, seed, numbers, names, arguments.xla_every, arguments.minutes, arguments.show)
    if arguments.json:
        print(json.dumps(vars(tally)))
        return
    tally.report()
    print(f"{time.monotonic() - started:.0f} s")
    for number, why in sorted(tally.failures):
        print(f"FAILED graph {number}: {why}  (--seed {seed} --first {number} --count 1 --show)")
    if absent:
        print(f"not implemented ({len(absent)}): {', '.join(absent)}")
    if missing:
        print(f"no entry for: {', '.join(missing)}")
    unseen = sorted(set(names) - tally.ops.keys())
    if unseen:
        print(f"never drawn: {', '.join(unseen)}")
    undecided = tally.outcome["undecided"] > verdict.MOST_UNDECIDED * sum(tally.blocks.values()) + 3
    if undecided:
        print("too many blocks are undecided")
    sys.exit(bool(tally.failures or missing or undecided or (unseen and tally.graphs >= ENOUGH)))


if __name__ == "__main__":
    main()
