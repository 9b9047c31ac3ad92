"""Requests to the service and its answers as arrays."""

import sys
import tempfile
from pathlib import Path

import grpc
import numpy as np
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[3] / "proto"


def _generate_stubs(out):
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted(PROTO.rglob("*.proto"))
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main([*arguments, *map(str, sources)]) != 0:
        sys.exit(f"cannot compile {PROTO}")


_stubs = tempfile.TemporaryDirectory(prefix="gradient-stubs-")
_generate_stubs(_stubs.name)
sys.path.insert(0, _stubs.name)

from gradient.v1 import graph_pb2 as g  # noqa: E402
from gradient.v1 import service_pb2 as s  # noqa: E402
from gradient.v1.service_pb2_grpc import GradientServiceStub  # noqa: E402

NUMBERS = {"float64": g.DTYPE_F64, "float32": g.DTYPE_F32, "bool": g.DTYPE_BOOL, "int64": g.DTYPE_I64}
BY_NAME = {"f64": g.DTYPE_F64, "f32": g.DTYPE_F32, "bool": g.DTYPE_BOOL, "i64": g.DTYPE_I64}
TYPES = {g.DTYPE_F64: np.float64, g.DTYPE_F32: np.float32, g.DTYPE_BOOL: np.bool_, g.DTYPE_I64: np.int64}


def connect(address):
    return GradientServiceStub(grpc.insecure_channel(address))


def implemented(stub):
    """Names of the operations that the server has, without those that JAX has no counterpart of."""
    implicit = {"implicit_root", "fixed_point", "linear_solve"}
    return {o.name for o in stub.ListOps(s.ListOpsRequest()).ops if o.implemented} - implicit


def tensor(array):
    array = np.asarray(array)
    return g.Tensor(dtype=NUMBERS[str(array.dtype)], shape=array.shape, raw=array.tobytes())


def array(message):
    return np.frombuffer(message.raw, TYPES[message.dtype]).reshape(tuple(message.shape))


def add_node(message, node):
    attributes = {}
    if node.field:
        attributes[node.field] = {k: v for k, v in node.attributes.items() if k not in ("array", "bodies")}
    message.nodes.add(op=g.Op.Value(f"OP_{node.op.upper()}"), operands=node.operands, **attributes)


def add_functions(message, nodes, known):
    """The bodies of nodes, and theirs."""
    for body in [body for node in nodes for body in node.attributes.get("bodies", ())]:
        if body.name in known:
            continue
        known.add(body.name)
        function = message.functions.add(name=body.name, results=body.results)
        for dtype, shape in body.parameters:
            function.parameters.add(dtype=BY_NAME[dtype], shape=shape)
        for node in body.nodes:
            add_node(function, node)
        add_functions(message, body.nodes, known)


def graph(case):
    message = g.Graph(name=f"seed {case.seed} graph {case.number}")
    for name, dtype, shape in case.inputs:
        message.inputs.add(name=name, type=g.TensorType(dtype=NUMBERS[str(case.point[name].dtype)], shape=shape))
    add_functions(message, case.nodes, set())
    for node in case.nodes:
        add_node(message, node)
    for name, value in case.outputs:
        message.outputs.add(name=name, value=value)
    return message


def request(case):
    message = s.EvaluateRequest(inline_graph=graph(case))
    message.options.hvp_mode = case.hvp_mode
    message.options.mode = [s.MODE_UNSPECIFIED, s.MODE_FORWARD, s.MODE_REVERSE][case.number % 3]
    for name, value in case.point.items():
        message.inputs[name].CopyFrom(tensor(value))
    message.products.add().value.SetInParent()
    if case.special or not case.cotangents:
        return message
    jvp = message.products.add().jacobian_vector_product
    vjp = message.products.add().vector_jacobian_product
    hvp = message.products.add().hessian_vector_product
    hvp.output = "s"
    for name in case.tangents:
        jvp.tangents[name].CopyFrom(tensor(case.tangents[name]))
        hvp.vectors[name].CopyFrom(tensor(case.vectors[name]))
    for name, value in case.cotangents.items():
        vjp.cotangents[name].CopyFrom(tensor(value))
    return message


def blocks(response):
    found = {}
    for kind, result in zip(("value", "jvp", "vjp", "hvp"), response.results):
        for block in result.blocks:
            # The blocks of a Hessian product carry the input's name; which field does not matter.
            wrt = block.wrt or block.wrt_second
            output = block.output if kind != "vjp" else ""
            found[kind, output, wrt] = array(block.tensor)
    return found
