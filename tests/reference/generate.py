"""Writes the reference table: for every elementwise operation at least 200 points with value, gradient and Hessian.

    python generate.py [--jobs N] [op ...]      (needs mpmath; without names: every operation)

The output, data/<op>.tsv, is committed; the tests read it (tests/integration/references.rs) and never run this script.
To add an operation, add an Entry to a module of families/. A further file of an operation, data/<op>.<part>.tsv, holds
points at which other operands are differentiated. Format of a data file:

    # comment
    #! fixed 0            operand 0 is not differentiated (several: `#! fixed 0 1`)
    #! attribute          the last operand is the operation's attribute: integer exponent
    operands  value  first partials  second partials (upper triangle, row by row)

separated by tabs, all decimal. Operands are exact f64 (17 digits at most). What follows them is exact to 21 digits;
below 1e-400 it is written as 0, above 1e400 as inf.
"""

import argparse
import importlib
import multiprocessing
import pathlib
import pkgutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import families  # noqa: E402
import oracle  # noqa: E402


def entries():
    found = {}
    for module in pkgutil.iter_modules(families.__path__):
        for entry in importlib.import_module(f"families.{module.name}").ENTRIES:
            assert entry.name() not in found, f"{entry.name()} has two entries"
            found[entry.name()] = entry
    return found


def write(name):
    entry = entries()[name]
    text = oracle.table(entry)
    (HERE / "data" / f"{name}.tsv").write_text(text)
    return f"{name}: {sum(not line.startswith('#') for line in text.splitlines())} points, {len(text)} bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("ops", nargs="*")
    arguments = parser.parse_args()
    ops = arguments.ops or sorted(entries())
    with multiprocessing.Pool(arguments.jobs) as pool:
        for line in pool.imap(write, ops):
            print(line, flush=True)


if __name__ == "__main__":
    main()
