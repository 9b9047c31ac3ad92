"""Round trips over gRPC: the service beside a bare echo, and beside a server as people write it around JAX.

Callers have one core, servers the other, and a runtime of one thread each. A caller has one call under way at a time,
and a connection of its own, or shares one with the others as those do that live in one program.
"""

import dataclasses
import statistics

import numpy as np

import rows
import table
from run import Missing

GROUP = "g. round trips"

# Connections, and callers on each.
LOADS = ((1, 1), (64, 1))
SHARED = (1, 64)


@dataclasses.dataclass(frozen=True)
class Trip:
    """The gradient of a work, asked for over the wire, beside what the peer answers."""

    name: str
    work: str
    n: int
    form: str
    peer: str
    loads: tuple
    # Of the times of one call, and of the times between two answers.
    p50: rows.Bound | None
    each: rows.Bound


TRIPS = [
    # exp and ln of one number; the echo takes and gives as many bytes, and does nothing.
    Trip("smallest graph", "logsumexp", 1, "scalar", "tonic echo", LOADS, rows.Bound(1.15, at_most=True), rows.Bound(1.15, at_most=True)),
    Trip("gradient n=10", "rosenbrock", 10, "tensor", "grpcio and JAX", (*LOADS, SHARED), None, rows.Bound(10)),
]


def measure(wanted, options, programs):
    """Rows, one by one. `wanted` says which are asked for."""
    count, seconds = (3, 0.5) if options.quick else (7, 1.0)
    for trip in TRIPS:
        if not wanted(GROUP, trip.name, trip.peer):
            continue
        try:
            ours, peer = meet(trip, programs)
        except Missing as missing:
            yield table.Row(GROUP, trip.name, trip.peer, trip.each, note=str(missing))
            continue
        for connections, callers in trip.loads:
            sharing = f"{callers} on " * (callers > 1)
            title = f"{trip.name}, {sharing}{connections} connection{'s' * (connections > 1)}"
            try:
                client = programs.get("client")
                call = lambda line: client.ask(do="calls", connections=connections, callers=callers, seconds=seconds, **line)
                rounds = [(call(ours), call(peer)) for _ in range(count)]
            except Missing as missing:
                yield table.Row(GROUP, title, trip.peer, trip.each, note=str(missing))
                continue
            median = lambda who, number: statistics.median(number(each[who]) for each in rounds)
            for what, bound, number in (
                ("p50", trip.p50, lambda found: found["p50_ns"]),
                ("each", trip.each, lambda found: 1e9 / found["per_second"]),
            ):
                if bound is not None:
                    times = [median(who, number) for who in (0, 1)]
                    ratio = times[0] / times[1] if bound.at_most else times[1] / times[0]
                    note = f"{1e9 / times[0]:,.0f} and {1e9 / times[1]:,.0f} a second" if what == "each" else ""
                    yield table.Row(GROUP, f"{title}, {what}", trip.peer, bound, *times, ratio, note)


def meet(trip, programs):
    """Starts both servers and makes sure that they answer the same; gives what a client has to be told of each."""
    case = rows.Case(GROUP, trip.name, trip.work, {}, form=trip.form, sizes={"n": trip.n})
    loaded = table.Contestant(programs, "client", case, table.write(case, programs.folder))
    ours = {"address": programs.get("server").ask(do="serve")["address"], "id": loaded.loaded["id"]}
    client = programs.get("client")
    once = lambda line: client.ask(do="calls", connections=1, seconds=0.2, **line)
    found = once(ours)
    if trip.peer == "tonic echo":
        address = programs.get("echo").ask(do="echo", reply_bytes=found["reply_bytes"])["address"]
        peer = {"address": address, "request_bytes": found["request_bytes"]}
        sizes = ("request_bytes", "reply_bytes")
        echoed = once(peer)
        if any(echoed[size] != found[size] for size in sizes):
            raise Missing("messages differ in size")
        return ours, peer
    numbers = [float(x) for x in np.fromfile(programs.folder / "x.bin")]
    peer = {"address": programs.get("grpcio").ask(do="serve")["address"], "numbers": numbers}
    for who in (found["numbers"], once(peer)["numbers"]):
        if wrong := table.differs(loaded.numbers, np.array(who)):
            raise Missing(wrong)
    return ours, peer
