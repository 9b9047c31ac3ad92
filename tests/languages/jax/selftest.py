"""Shows that the comparison can fail: of every operation a derivative that is wrong by 1e-6 must be noticed, by its JVP.

    python selftest.py

Needs no service: its answers are JAX's own with the derivative of one node made wrong.
"""

import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_enable_x64", True)

import ops  # noqa: E402

ops.load()
import verdict  # noqa: E402
from generator import Generator  # noqa: E402
from oracle import Oracle  # noqa: E402

# Relative.
WRONG = 1e-6
# So wrong that only an operation without derivatives hides it.
GROSS = 1e-2
CASES = 8
WITHOUT_DERIVATIVE = {
    *("sign", "floor", "ceil", "trunc", "round_nearest_even", "round_nearest_afz", "stop_gradient", "compare"),
    *("and", "or", "xor", "not", "is_finite", "is_nan", "is_inf", "constant", "iota", "one_hot", "search_sorted"),
    *("argmax", "argmin", "argsort", "reduce_and", "reduce_or"),
}


def noticed(oracle, node, by):
    """Whether any block of the mutant is refused."""
    types, mutant = oracle.element_types(), Oracle(oracle.case, forward=True, mutant=(node, by))
    got = {k: v.astype(types[k]) for k, v in mutant.blocks().items()}
    return any(outcome == "disagree" for outcome, _, _ in verdict.judge(oracle, got, oracle.blocks()).values())


def check(name):
    """Of one operation: True, False or, if no case shows a derivative at all, None."""
    for number in range(1 if name in WITHOUT_DERIVATIVE else CASES):
        case = Generator(0, number, sorted(ops.OPS), wanted=[name]).graph(least=True)
        nodes = [k for k, node in enumerate(case.nodes) if node.op == name]
        if not nodes or case.single or not case.cotangents:
            continue
        oracle = Oracle(case, forward=True)
        if noticed(oracle, nodes[-1], WRONG):
            return True
        if noticed(oracle, nodes[-1], GROSS):
            return False
    return None


def main():
    # Names of operations, or all of them.
    names = sys.argv[1:] or sorted(ops.OPS)
    found = {name: check(name) for name in names}
    checked = [n for n in names if found[n] is not None]
    missed = [n for n in checked if not found[n]]
    print(f"self-test: {len(checked)} operations, a derivative wrong by {WRONG} noticed in {len(checked) - len(missed)}")
    unexpected = sorted(n for n in names if (found[n] is None) != (n in WITHOUT_DERIVATIVE))
    if missed:
        print("not noticed:", ", ".join(missed))
    if unexpected:
        print("with a derivative but not checked, or the other way round:", ", ".join(unexpected))
    sys.exit(bool(missed or unexpected))


if __name__ == "__main__":
    main()
