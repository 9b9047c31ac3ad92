"""Round trips over gRPC: the service beside a bare echo, and beside a server that people write around JAX."""

import statistics

import numpy as np

import rows
import table
from run import Missing

ECHO = rows.Bound(1.15, at_most=True)
SERVER = rows.Bound(10)
CONNECTIONS = (1, 64)


def measure(wanted, options, programs):
    """Rows, one by one. `wanted` says which are asked for."""
    count, seconds = (3, 0.5) if options.quick else (7, 1.0)
    group = "g. round trips"

    def trips(name, work, sizes, peers):
        if not any(wanted(group, work, name, peer) for peer in peers):
            return
        case = rows.Case(group, name, work, {}, form="scalar" if work == "smallest" else "tensor", sizes=sizes)
        case = rows.dataclasses.replace(case, work="rosenbrock")
        client = programs.get("client")
        result = programs.folder / "result.bin"
        given_sizes, inputs = table.write(case, programs.folder)
        loaded = client.ask(
            do="load", work=case.work, form=case.form, sizes=given_sizes, inputs=inputs, product="gradient", batch=0, result=str(result)
        )
        numbers = [float(x) for x in np.fromfile(programs.folder / "x.bin")]
        ours = programs.get("server").ask(do="serve")["address"]
        for connections in CONNECTIONS:
            common = dict(do="calls", connections=connections)
            first = client.ask(**common, address=ours, id=loaded["id"], seconds=0.2)
            for peer in peers:
                title = f"{name}, {connections} connection{'s' * (connections > 1)}"
                try:
                    if peer == "tonic echo":
                        address = programs.get("echo").ask(do="echo", reply_bytes=first["reply_bytes"])["address"]
                        line = common | dict(address=address, request_bytes=first["request_bytes"])
                    else:
                        address = programs.get("grpcio").ask(do="serve")["address"]
                        line = common | dict(address=address, numbers=numbers)
                        reply = client.ask(**line, seconds=0.2)["reply"]
                        if wrong := table.differs(np.fromfile(result), np.array(reply)):
                            raise Missing(wrong)
                    found = {"ours": [], "peer": []}
                    for _ in range(count):
                        found["ours"].append(client.ask(**common, address=ours, id=loaded["id"], seconds=seconds))
                        found["peer"].append(client.ask(**line, seconds=seconds))
                except Missing as missing:
                    yield table.Row(group, title, peer, ECHO, note=str(missing))
                    continue
                median = lambda who, what: statistics.median(each[what] for each in found[who])
                p50 = [median(who, "p50_ns") for who in ("ours", "peer")]
                each = [1e9 / median(who, "per_second") for who in ("ours", "peer")]
                if peer == "tonic echo":
                    yield table.Row(group, f"{title}, p50", peer, ECHO, *p50, p50[0] / p50[1])
                    yield table.Row(group, f"{title}, each", peer, ECHO, *each, each[0] / each[1])
                else:
                    yield table.Row(group, f"{title}, each", peer, SERVER, *each, each[1] / each[0])

    yield from trips("smallest graph", "smallest", {"n": 2}, ["tonic echo"])
    yield from trips("gradient n=10", "gradient", {"n": 10}, ["grpcio and JAX"])
