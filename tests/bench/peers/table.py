"""Runs the cases and prints the table."""

import dataclasses
import json
import math
import platform
import statistics
import time

import numpy as np

import rows
from run import Missing

# Relative difference up to which results are equal: to the number itself, or to the mean size where it is smaller.
TOLERANCE = 1e-9

# Who takes part on two cores.
OURS, TWO = "ours", ", 2 threads"

# Nanoseconds per node up to which a first gradient may take.
FIRST_PER_NODE = 1500


@dataclasses.dataclass
class Row:
    group: str
    name: str
    peer: str
    bound: rows.Bound
    ours: float = math.nan
    theirs: float = math.nan
    ratio: float = math.nan
    note: str = ""

    @property
    def limit(self):
        return bound_text(self.bound, self.bound.each)

    @property
    def verdict(self):
        if math.isnan(self.ratio):
            return "not to be had"
        if self.bound.each is None:
            return ""
        return "holds" if self.bound.holds(self.ratio, self.bound.each) else "SHORT"


def bound_text(bound, limit):
    return "" if limit is None else f"{'<=' if bound.at_most else '>='} {limit:g}"


def run(options, programs):
    import trips

    words = [word.strip().lower() for word in (options.only or "").split(",") if word.strip()]
    head = f"{'ours':>10}  {'peer':>10}  {'ratio':>8}  {'bound':>7}"
    print(f"{machine()}\n{'':<62}{head}")
    table, group, means = [], None, []
    for case in rows.cases():
        wanted = chosen_by(words)
        chosen = {
            peer: bound
            for peer, bound in case.peers.items()
            if wanted(case.group, case.work, case.name, peer)
        }
        if not chosen or (case.large and not options.large):
            continue
        if case.group != group:
            means += close_group(group, table)
            group = case.group
            print(group, flush=True)
        for row in measure(dataclasses.replace(case, peers=chosen), options, programs):
            table.append(row)
            show(row)
    means += close_group(group, table)
    for row in trips.measure(chosen_by(words), options, programs):
        if row.group != group:
            group = row.group
            print(group, flush=True)
        table.append(row)
        show(row)
    if options.json:
        found = {"machine": machine(), "rows": [as_json(row) for row in table], "means": means}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    short = sum(row.verdict == "SHORT" for row in table) + sum(mean["verdict"] == "SHORT" for mean in means)
    missing = sum(row.verdict == "not to be had" for row in table)
    print(f"{short} short, {missing} not to be had")
    return short == 0


def chosen_by(words):
    """Whether a row that these say is asked for."""
    return lambda *texts: not words or any(word in " ".join(texts).lower() for word in words)


def machine():
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{(names or [platform.machine()])[0]}, {len(names)} cores, {time.strftime('%Y-%m-%d %H:%M')}"


def as_json(row):
    number = lambda x: None if math.isnan(x) else x
    return {
        "group": row.group,
        "name": row.name,
        "peer": row.peer,
        "ours_ns": number(row.ours),
        "peer_ns": number(row.theirs),
        "ratio": number(row.ratio),
        "bound": row.limit,
        "verdict": row.verdict,
        "note": row.note,
    }


def human(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return "-" if math.isnan(ns) else f"{ns:.3g} ns"


def show(row):
    ratio = "-" if math.isnan(row.ratio) else f"{row.ratio:.2f}"
    line = f"  {row.name:<40}{row.peer:<20}{human(row.ours):>10}  {human(row.theirs):>10}  {ratio:>8}  {row.limit:>7}"
    print(f"{line}  {row.verdict:<6} {row.note}".rstrip(), flush=True)


def close_group(group, table):
    """The geometric means over a group's rows, by peer."""
    means = []
    for peer in dict.fromkeys(row.peer for row in table if row.group == group):
        found = [row for row in table if row.group == group and row.peer == peer]
        ratios = [row.ratio for row in found if not math.isnan(row.ratio)]
        bound = found[0].bound
        if bound.mean is None or not ratios:
            continue
        mean = statistics.geometric_mean(ratios)
        limit = bound_text(bound, bound.mean)
        verdict = "holds" if bound.holds(mean, bound.mean) else "SHORT"
        print(f"  {'geometric mean':<40}{peer:<20}{'':>22}  {mean:>8.2f}  {limit:>7}  {verdict}", flush=True)
        means.append({"group": group, "peer": peer, "ratio": mean, "bound": limit, "verdict": verdict})
    return means


class Contestant:
    """Someone with a case loaded."""

    def __init__(self, programs, name, case, files, **change):
        program, _, variant = name.partition(", gcc")
        self.program = programs.get(program)
        self.rounds = []
        result = programs.folder / "result.bin"
        sizes, inputs = files
        line = dict(
            work=case.work,
            form=case.form,
            sizes=sizes,
            inputs=inputs,
            product=case.product,
            batch=case.batch,
            compiled=bool(variant),
            result=str(result),
        )
        self.loaded = self.program.ask(do="load", **(line | change))
        self.numbers = np.fromfile(result)

    def turn(self, first, seconds):
        line = {"do": "first"} if first else {"do": "time", "seconds": seconds}
        self.rounds.append(self.program.ask(**line, id=self.loaded["id"])["ns"])

    @property
    def median(self):
        return statistics.median(self.rounds)

    def drop(self):
        try:
            self.program.ask(do="drop", id=self.loaded["id"])
        except Missing:
            pass


def write(case, folder):
    """The inputs as files."""
    sizes, given = case.given()
    inputs = []
    for name, each in given.items():
        file = folder / f"{name}.bin"
        each.numbers.astype("<f8").tofile(file)
        shape = each.numbers.shape
        # The shape that the graph declares; the file of a batch holds all points.
        lead = case.batch and each.batched
        declared = shape[1:] if lead else shape
        inputs.append(
            dict(
                name=name,
                shape=list(declared),
                given=list(shape),
                file=str(file),
                wrt=each.wrt,
                batched=each.batched,
            )
        )
    return sizes, inputs


def differs(got, want):
    """How, if it does."""
    if got.shape != want.shape:
        return f"{got.size} numbers instead of {want.size}"
    scale = np.maximum(np.abs(want), np.mean(np.abs(want)))
    error = np.max(np.abs(got - want) / scale, initial=0)
    return None if error <= TOLERANCE else f"results differ by {error:.1e}"


def measure(case, options, programs):
    """A row for each peer."""
    result = [Row(case.group, case.name, peer, bound) for peer, bound in case.peers.items()]
    contestants = {}
    try:
        files = write(case, programs.folder)
        ours = Contestant(programs, "ours", case, files)
    except Missing as missing:
        for row in result:
            row.note = f"ours: {missing}"
        return result
    for row in result:
        try:
            if row.peer == rows.FUNCTION:
                contestants[row.peer] = Contestant(programs, "ours", case, files, product="value")
                continue
            peer = Contestant(programs, row.peer, case, files)
            if TWO in row.peer and TWO not in "".join(contestants):
                contestants[OURS + TWO] = Contestant(programs, OURS + TWO, case, files)
            if wrong := differs(ours.numbers, peer.numbers):
                peer.drop()
                raise Missing(wrong)
            contestants[row.peer] = peer
        except Missing as missing:
            row.note = str(missing)
    count, seconds = (3, 0.03) if options.quick else (9, 0.1)
    try:
        for turn in range(count):
            # A first gradient of JAX takes a minute.
            for name, each in {"ours": ours, **contestants}.items():
                if not (case.first and name.startswith("JAX") and turn >= 1):
                    each.turn(case.first, seconds)
    except Missing as missing:
        for row in result:
            row.note = row.note or str(missing)
        return result
    per_point = max(case.batch, 1)
    for row in result:
        if (peer := contestants.get(row.peer)) is None:
            continue
        own = contestants[OURS + TWO] if TWO in row.peer else ours
        row.ours, row.theirs = own.median / per_point, peer.median / per_point
        row.ratio = row.theirs / row.ours
        if row.peer == rows.FUNCTION:
            row.ratio = row.ours / row.theirs
        nodes = ours.loaded["nodes"]
        if not case.batch and case.form != "tensor":
            row.note = f"{nodes} nodes, {row.ours / nodes:.1f} ns each"
    if case.first:
        bound = rows.Bound(FIRST_PER_NODE, at_most=True)
        each = ours.median / ours.loaded["nodes"]
        result.append(Row(case.group, case.name, "ns per node", bound, ours.median, math.nan, each))
    for each in (ours, *contestants.values()):
        each.drop()
    return result
