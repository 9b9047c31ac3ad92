"""What the peers in Python share: the lines that they read and write, as main.rs describes them."""

import json
import sys
import time

import numpy as np

# A sample lasts at least so many nanoseconds, so that the clock does not count.
SAMPLE = 50_000


def measure(call, seconds):
    """Median time of one call, in nanoseconds."""
    clock = time.perf_counter_ns
    end = clock() + int(seconds * 1e9)
    calls, samples = 1, []
    while True:
        begin = clock()
        for _ in range(calls):
            call()
        took = clock() - begin
        if took < SAMPLE and not samples:
            calls *= 2
            continue
        samples.append(took / calls)
        if clock() >= end:
            return float(np.median(samples))


def read(given):
    return np.fromfile(given["file"]).reshape(given["given"])


def serve(load):
    """`load` takes a line and gives (call, first): `call()` evaluates, `call.numbers()` gives the numbers; `first()`
    does everything from the start and gives nanoseconds."""
    loaded, count = {}, 0
    for line in sys.stdin:
        line = json.loads(line)
        try:
            if line["do"] == "load":
                work = load(line)
                np.asarray(work.numbers(), dtype=float).ravel().tofile(line["result"])
                loaded[count] = work
                answer = {"id": count}
                count += 1
            elif line["do"] == "time":
                answer = {"ns": measure(loaded[line["id"]].call, line["seconds"])}
            elif line["do"] == "first":
                answer = {"ns": loaded[line["id"]].first()}
            else:
                loaded.pop(line["id"], None)
                answer = {}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)
