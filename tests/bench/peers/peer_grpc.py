"""What people write around JAX to serve a gradient: a grpcio server that takes and gives the bytes of numbers."""

import json
import os
import sys
from concurrent import futures

os.environ["JAX_ENABLE_X64"] = "1"

import grpc
import jax
import jax.numpy as jnp
import numpy as np


def rosenbrock(x):
    a, b = x[0::2], x[1::2]
    return jnp.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)


gradient = jax.jit(jax.grad(rosenbrock))


def call(request, context):
    return np.asarray(gradient(np.frombuffer(request))).tobytes()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    handler = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("gradient.peers.Raw", {"Call": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for line in sys.stdin:
        print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)


main()
