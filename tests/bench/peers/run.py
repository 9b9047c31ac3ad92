"""The service's engine against what people would use instead, in one table: `python tests/bench/peers/run.py`.

All compute the same functions of the same numbers in one run: results are compared first, then everyone takes turns
at the clock, and medians count. Each is a program of its own on one core (two where a row says so). What cannot be had
on this machine is a row that says so.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

# The longest that a program may take for one line, in seconds.
PATIENCE = 150


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORDS", help="rows whose group, work or peer contains one of these, by commas")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer repetitions")
    parser.add_argument("--json", metavar="FILE", type=Path, help="the table as JSON")
    parser.add_argument("--venv", type=Path, default=ROOT / "target" / "peers" / "venv", help="where the peers go")
    parser.add_argument("--engine", type=Path, help="the built bench target; built if not given")
    parser.add_argument("--large", action="store_true", help="also batches that take several GB")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to run on")
    return parser.parse_args()


def inside(folder):
    """Makes the environment of the peers and goes on in it."""
    python = folder / "bin" / "python"
    if Path(sys.prefix) == folder.resolve():
        return
    wanted = (HERE / "requirements.txt").read_text()
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text() != wanted:
        if not python.exists():
            venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True)
        mark.write_text(wanted)
    os.execv(python, [str(python), *sys.argv])


def built():
    """The engine's program."""
    command = ["cargo", "bench", "-p", "gradient-tests", "--bench", "peers", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    # Others of the package are built with it.
    found = [message for message in map(json.loads, lines) if message.get("target", {}).get("name") == "peers"]
    return Path(found[-1]["executable"])


def main():
    options = arguments()
    inside(options.venv)
    engine = options.engine or built()
    import table

    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(engine, options.core, Path(folder))
        try:
            ok = table.run(options, programs)
        finally:
            programs.close()
    sys.exit(0 if ok else 1)


class Missing(Exception):
    """A peer that cannot be had, or cannot do it."""


class Program:
    """A program that answers lines with lines."""

    def __init__(self, command, cores, threads):
        flags = "--xla_cpu_multi_thread_eigen=" + ("true" if threads > 1 else "false")
        names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
        limits = {name: str(threads) for name in names}
        limits |= {"XLA_FLAGS": f"{flags} intra_op_parallelism_threads={threads}", "JAX_PLATFORMS": "cpu"}
        pin = ["taskset", "-c", ",".join(map(str, cores))] if shutil.which("taskset") else []
        self.process = subprocess.Popen(
            [*pin, *map(str, command)],
            env=os.environ | limits,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **line):
        try:
            print(json.dumps(line), file=self.process.stdin, flush=True)
            if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
                self.process.kill()
                self.process.wait()
                raise Missing(f"no answer within {PATIENCE} s")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Missing(f"the program ended with {self.process.wait()}")
        answer = json.loads(answer)
        if "error" in answer:
            raise Missing(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Programs:
    """Those that take part, started when they are first needed."""

    def __init__(self, engine, core, folder):
        python = sys.executable
        others = sorted(os.sched_getaffinity(0) - {core})
        two = [core, *others[-1:]]
        self.commands = {
            "ours": ([engine], [core], 1),
            "ours, 2 threads": ([engine], two, 2),
            # Clients on one core, servers on the other.
            "client": ([engine], others[-1:] or [core], 1),
            "server": ([engine], [core], 1),
            "echo": ([engine], [core], 1),
            "grpcio": ([python, HERE / "peer_grpc.py"], [core], 1),
            "CasADi": ([python, HERE / "peer_casadi.py"], [core], 1),
            "ADOL-C": ([python, HERE / "peer_adolc.py"], [core], 1),
            "JAX": ([python, HERE / "peer_jax.py"], [core], 1),
            "JAX, 2 threads": ([python, HERE / "peer_jax.py"], two, 2),
        }
        self.folder = folder
        self.running = {}

    def get(self, name):
        running = self.running.get(name)
        if running is None or running.process.poll() is not None:
            self.running[name] = Program(*self.commands[name])
        return self.running[name]

    def close(self):
        for program in self.running.values():
            program.close()


if __name__ == "__main__":
    # The table's module imports this one.
    sys.modules["run"] = sys.modules["__main__"]
    main()
