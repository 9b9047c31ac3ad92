"""The gradient service as seen from Python, with plain grpcio and stubs made from the .proto files.

    python story.py ADDRESS          a server must be listening there; exit code 0 if every check passes
"""

import math
import os
import struct
import sys
import tempfile
import time
import unittest
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[3] / "proto"
SERVICE = "gradient.v1.GradientService"


def generate_stubs(out):
    """Compiles gradient/v1/*.proto into `out`. google.rpc comes compiled with googleapis-common-protos."""
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted((PROTO / "gradient" / "v1").glob("*.proto"))
    code = protoc.main(
        ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", *map(str, sources)]
    )
    if code != 0:
        sys.exit(f"cannot compile {PROTO}: protoc gave {code}")


stubs = tempfile.TemporaryDirectory(prefix="gradient-stubs-")
generate_stubs(stubs.name)
sys.path.insert(0, stubs.name)

from gradient.v1 import graph_pb2 as g  # noqa: E402
from gradient.v1 import service_pb2 as s  # noqa: E402
from gradient.v1.service_pb2_grpc import GradientServiceStub  # noqa: E402


# --- Tensors and graphs -------------------------------------------------------------------------------------------


def f64(shape, elements):
    """A float64 tensor in the fast encoding: little-endian bytes, row-major."""
    return g.Tensor(dtype=g.DTYPE_F64, shape=shape, raw=struct.pack(f"<{len(elements)}d", *elements))


def people(shape, elements):
    """The same in the encoding for people: a list of numbers."""
    return g.Tensor(dtype=g.DTYPE_F64, shape=shape, values=g.DoubleList(values=elements))


def elements(tensor):
    """The numbers of a float64 tensor that the server sent."""
    assert tensor.dtype == g.DTYPE_F64, tensor.dtype
    if tensor.WhichOneof("data") == "values":
        return list(tensor.values.values)
    return list(struct.unpack(f"<{len(tensor.raw) // 8}d", tensor.raw))


class Builder:
    """Writes a graph: inputs first, then nodes; every call gives the new value's id."""

    def __init__(self, name):
        self.graph = g.Graph(name=name)
        self.next = 0

    def input(self, name, shape=(), dtype=g.DTYPE_F64):
        self.graph.inputs.add(name=name, type=g.TensorType(dtype=dtype, shape=shape))
        return self._id()

    def node(self, op, *operands, **attributes):
        self.graph.nodes.add(op=op, operands=operands, **attributes)
        return self._id()

    def constant(self, number):
        return self.node(g.OP_CONSTANT, constant=g.Constant(value=people([], [number])))

    def output(self, name, value):
        self.graph.outputs.add(name=name, value=value)

    def _id(self):
        self.next += 1
        return self.next - 1


def rosenbrock():
    """f(x, y) = (1 - x)^2 + 100 (y - x^2)^2."""
    b = Builder("rosenbrock")
    x, y = b.input("x"), b.input("y")
    slope = b.node(g.OP_SUBTRACT, b.constant(1.0), x)
    valley = b.node(g.OP_SUBTRACT, y, b.node(g.OP_SQUARE, x))
    steep = b.node(g.OP_MULTIPLY, b.constant(100.0), b.node(g.OP_SQUARE, valley))
    b.output("f", b.node(g.OP_ADD, b.node(g.OP_SQUARE, slope), steep))
    return b.graph


def rosenbrock_again():
    """The same function by another hand: another node order, other names, a dead node."""
    b = Builder("banana")
    x, y = b.input("first"), b.input("second")
    b.node(g.OP_SIN, x)
    valley = b.node(g.OP_SUBTRACT, y, b.node(g.OP_SQUARE, x))
    squared = b.node(g.OP_SQUARE, valley)
    steep = b.node(g.OP_MULTIPLY, squared, b.constant(100.0))
    slope = b.node(g.OP_SUBTRACT, b.constant(1.0), x)
    b.output("result", b.node(g.OP_ADD, steep, b.node(g.OP_SQUARE, slope)))
    return b.graph


def rosenbrock_closed_form(x, y):
    """Value, gradient and Hessian (row-major) by hand."""
    valley = y - x * x
    value = (1 - x) ** 2 + 100 * valley**2
    gradient = [-2 * (1 - x) - 400 * x * valley, 200 * valley]
    hessian = [2 - 400 * valley + 800 * x * x, -400 * x, -400 * x, 200.0]
    return value, gradient, hessian


def vector_graph(size):
    """From a vector x: f = sum(exp(x) * sin(x)), a scalar, and u = exp(x) * sin(x), a vector."""
    b = Builder("vector")
    x = b.input("x", [size])
    u = b.node(g.OP_MULTIPLY, b.node(g.OP_EXP, x), b.node(g.OP_SIN, x))
    b.output("f", b.node(g.OP_REDUCE_SUM, u, reduce=g.Reduce()))
    b.output("u", u)
    return b.graph


def long_computation():
    """Minutes of arithmetic from one number: 2^20 elements through 3,000 sines."""
    b = Builder("long")
    x = b.input("x")
    many = g.TensorType(dtype=g.DTYPE_F64, shape=[1 << 20])
    value = b.node(g.OP_ADD, x, b.node(g.OP_IOTA, iota=g.Iota(type=many)))
    for _ in range(3000):
        value = b.node(g.OP_SIN, value)
    b.output("f", b.node(g.OP_REDUCE_SUM, value, reduce=g.Reduce()))
    return b.graph


VALUE = g.Product(value=g.Value())
GRADIENT = g.Product(gradient=g.Gradient())
HESSIAN = g.Product(hessian=g.Hessian())


def detail(status, kind):
    """The one detail of type `kind` in a google.rpc.Status."""
    found = [kind.FromString(any_.value) for any_ in status.details if any_.Is(kind.DESCRIPTOR)]
    assert len(found) == 1, f"wanted one {kind.DESCRIPTOR.full_name}, got {status}"
    return found[0]


# --- The story ----------------------------------------------------------------------------------------------------


class Story(unittest.TestCase):
    address = None

    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(cls.address)
        grpc.channel_ready_future(cls.channel).result(timeout=10)
        cls.service = GradientServiceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()

    def register(self, graph):
        return self.service.RegisterGraph(s.RegisterGraphRequest(graph=graph), timeout=30).graph_id

    def evaluate(self, graph_id, timeout=30, **fields):
        """Evaluates, telling proxies by metadata which graph the call is about."""
        request = s.EvaluateRequest(graph_id=graph_id, **fields)
        return self.service.Evaluate(request, timeout=timeout, metadata=(("x-graph-id", graph_id),))

    def status_of(self, call, code):
        """Runs `call`, which must fail with `code`, and gives its google.rpc.Status."""
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        status = rpc_status.from_call(caught.exception)
        self.assertIsNotNone(status, "no grpc-status-details-bin")
        return status

    def assert_close(self, got, want, tolerance=1e-13):
        self.assertEqual(len(got), len(want))
        for a, b in zip(got, want):
            self.assertTrue(math.isfinite(a) and abs(a - b) <= tolerance * max(1.0, abs(b)), f"{got}, wanted {want}")

    def test_value_gradient_and_hessian_are_the_closed_form(self):
        graph_id = self.register(rosenbrock())
        x, y = -1.2, 1.0
        answer = self.evaluate(
            graph_id,
            request_id="first",
            inputs={"x": f64([], [x]), "y": people([], [y])},
            products=[VALUE, GRADIENT, HESSIAN],
        )
        self.assertEqual((answer.request_id, answer.graph_id), ("first", graph_id))
        value, gradient, hessian = (result.blocks for result in answer.results)
        want_value, want_gradient, want_hessian = rosenbrock_closed_form(x, y)
        self.assert_close(elements(value[0].tensor), [want_value])
        self.assertEqual([(b.output, b.wrt) for b in gradient], [("f", "x"), ("f", "y")])
        self.assert_close([elements(b.tensor)[0] for b in gradient], want_gradient)
        self.assertEqual([(b.wrt, b.wrt_second) for b in hessian], [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")])
        self.assert_close([elements(b.tensor)[0] for b in hessian], want_hessian)
        self.assertTrue(all(result.plan.reason for result in answer.results[1:]), "a plan without a reason")

    def test_vectors_come_back_in_their_shapes(self):
        size = 5
        graph_id = self.register(vector_graph(size))
        x = [0.1 * i - 0.2 for i in range(size)]
        answer = self.evaluate(
            graph_id,
            inputs={"x": f64([size], x)},
            products=[
                VALUE,
                g.Product(gradient=g.Gradient(output="f")),
                g.Product(jacobian=g.Jacobian(outputs=["u"])),
                g.Product(hessian=g.Hessian(output="f")),
            ],
        )
        value, gradient, jacobian, hessian = ([b.tensor for b in result.blocks] for result in answer.results)
        u = [math.exp(t) * math.sin(t) for t in x]
        first = [math.exp(t) * (math.sin(t) + math.cos(t)) for t in x]
        second = [2 * math.exp(t) * math.cos(t) for t in x]

        def diagonal(d):
            return [d[i] if i == j else 0.0 for i in range(size) for j in range(size)]

        self.assertEqual([list(t.shape) for t in value], [[], [size]])
        self.assert_close(elements(value[0]), [sum(u)])
        self.assert_close(elements(value[1]), u)
        self.assertEqual(list(gradient[0].shape), [size])
        self.assert_close(elements(gradient[0]), first)
        self.assertEqual(list(jacobian[0].shape), [size, size])
        self.assert_close(elements(jacobian[0]), diagonal(first))
        self.assertEqual(list(hessian[0].shape), [size, size])
        self.assert_close(elements(hessian[0]), diagonal(second))

    def test_a_batch_has_a_leading_axis(self):
        graph_id = self.register(rosenbrock())
        xs = [-1.2, 0.0, 1.0, 3.5]
        answer = self.evaluate(
            graph_id,
            inputs={"x": f64([len(xs)], xs), "y": f64([], [1.0])},
            batch_size=len(xs),
            products=[GRADIENT],
        )
        by_input = [block.tensor for block in answer.results[0].blocks]
        self.assertEqual([list(t.shape) for t in by_input], [[len(xs)], [len(xs)]])
        wanted = [rosenbrock_closed_form(x, 1.0)[1] for x in xs]
        self.assert_close(elements(by_input[0]), [d[0] for d in wanted])
        self.assert_close(elements(by_input[1]), [d[1] for d in wanted])

    def test_one_function_has_one_id(self):
        self.assertEqual(self.register(rosenbrock()), self.register(rosenbrock_again()))

    def test_a_bad_request_does_not_end_a_stream(self):
        graph_id = self.register(rosenbrock())

        def point(name, x):
            inputs = {"x": f64([], [x]), "y": f64([], [1.0])}
            if name == "bad":
                del inputs["y"]
            evaluate = s.EvaluateRequest(request_id=name, graph_id=graph_id, inputs=inputs, products=[GRADIENT])
            return s.EvaluateStreamRequest(request=evaluate)

        sent = [("a", 0.5), ("b", -1.0), ("bad", 7.0), ("c", 2.0), ("d", 0.0)]
        answers = list(
            self.service.EvaluateStream(
                (point(*each) for each in sent), timeout=30, metadata=(("x-graph-id", graph_id),)
            )
        )
        self.assertEqual(len(answers), len(sent))
        for (name, x), answer in zip(sent, answers):
            if name == "bad":
                self.assertEqual(answer.WhichOneof("result"), "error")
                self.assertEqual(answer.error.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
                self.assertIn("y", answer.error.message)
            else:
                self.assertEqual(answer.WhichOneof("result"), "response", answer)
                self.assertEqual(answer.response.request_id, name)
                got = [elements(block.tensor)[0] for block in answer.response.results[0].blocks]
                self.assert_close(got, rosenbrock_closed_form(x, 1.0)[1])

    def test_an_invalid_graph_is_refused_with_the_field(self):
        graph = rosenbrock()
        graph.nodes[1].operands[0] = 999
        status = self.status_of(lambda: self.register(graph), grpc.StatusCode.INVALID_ARGUMENT)
        fields = [violation.field for violation in detail(status, error_details_pb2.BadRequest).field_violations]
        self.assertIn("graph.nodes[1].operands[0]", fields)

    def test_an_unknown_graph_asks_to_be_registered(self):
        unknown = "0" * 64
        status = self.status_of(lambda: self.evaluate(unknown, products=[VALUE]), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(detail(status, error_details_pb2.ErrorInfo).reason, "GRAPH_NOT_REGISTERED")

    def test_a_deadline_ends_the_work(self):
        graph_id = self.register(long_computation())
        request = s.EvaluateRequest(graph_id=graph_id, inputs={"x": f64([], [0.5])}, products=[VALUE])
        begin = time.monotonic()
        # More at once than a server has threads: if one of them went on, the next request would wait for it.
        calls = [self.service.Evaluate.future(request, timeout=0.5) for _ in range(2 * os.cpu_count())]
        for call in calls:
            self.assertEqual(call.code(), grpc.StatusCode.DEADLINE_EXCEEDED, call.details())
        self.assertGreater(time.monotonic() - begin, 0.4)
        self.test_vectors_come_back_in_their_shapes()
        self.assertLess(time.monotonic() - begin, 5.0)

    def test_the_health_service_says_serving(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for name in ("", SERVICE):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING, name)

    def test_reflection_lists_and_describes_the_service(self):
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.assertIn(SERVICE, database.get_services())
        described = database.FindFileContainingSymbol(SERVICE)
        methods = {method.name for service in described.service for method in service.method}
        wanted = {method.name for method in s.DESCRIPTOR.services_by_name["GradientService"].methods}
        self.assertEqual(methods, wanted)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Story.address = sys.argv.pop()
    unittest.main(verbosity=2)
