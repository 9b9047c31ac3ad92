"""ADOL-C (its tape, interpreted), built against Debian's library: installed, or unpacked beside the script's other peers."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import peer

HERE = Path(__file__).resolve().parent
FOLDER = Path(sys.prefix) / "adolc"


def library():
    """The works as a shared library."""
    FOLDER.mkdir(exist_ok=True)
    flags = ["-ladolc"]
    if not Path("/usr/include/adolc").exists():
        root = FOLDER / "root"
        if not root.exists():
            quiet = dict(cwd=FOLDER, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(["apt-get", "download", "libadolc-dev", "libadolc2"], **quiet)
            for package in FOLDER.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, root], **quiet)
        [folder] = {path.parent for path in root.glob("usr/lib/*/libadolc.so*")}
        flags = [f"-I{root}/usr/include", f"-L{folder}", f"-Wl,-rpath,{folder}", "-ladolc"]
    built = FOLDER / "works.so"
    command = ["g++", "-O3", "-shared", "-fPIC", "-std=c++17", "-o", built, HERE / "adolc.cpp", *flags]
    subprocess.run(command, check=True, capture_output=True)
    return ctypes.CDLL(str(built))


class Work:
    shared = None

    def __init__(self, line):
        if line["product"] != "gradient":
            raise ValueError("gradients only")
        Work.shared = Work.shared or library()
        given = {each["name"]: peer.read(each) for each in line["inputs"]}
        self.x, sizes = np.ascontiguousarray(given["x"].ravel()), line["sizes"]
        self.result = np.zeros_like(self.x)
        counts = [sizes["steps"]] if "steps" in sizes else [sizes.get(name, 0) for name in ("n", "k", "d")]
        counts = np.array(counts, dtype=np.int64)
        data = np.ascontiguousarray(given.get("data", np.zeros(1)))
        pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
        name = line["work"].encode()
        # Tapes go to files when they outgrow their buffers; here, not in the caller's folder.
        os.chdir(FOLDER)
        if not Work.shared.record(name, self.x.size, pointer(self.x), pointer(counts), pointer(data)):
            raise ValueError(f"no work {line['work']}")
        arguments = self.x.size, pointer(self.x), pointer(self.result)
        self.call = lambda: Work.shared.gradient_of(*arguments)

    def numbers(self):
        self.call()
        return self.result


peer.serve(Work)
