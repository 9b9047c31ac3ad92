// Package gradient_test is the gradient service as seen from Go, on stubs made from the .proto files.
//
// A server must be listening at GRADIENT_ADDRESS. The stubs come from `buf generate` in this folder.
package gradient_test

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	pb "gradient/gen/gradient/v1"
)

const serviceName = "gradient.v1.GradientService"

// connect gives a client of the server at GRADIENT_ADDRESS, and a context that ends with the test.
func connect(t *testing.T) (*grpc.ClientConn, pb.GradientServiceClient, context.Context) {
	t.Helper()
	address := os.Getenv("GRADIENT_ADDRESS")
	if address == "" {
		t.Fatal("GRADIENT_ADDRESS does not say where a server is listening")
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return connection, pb.NewGradientServiceClient(connection), ctx
}

// f64 is a float64 tensor: little-endian bytes, row-major. Without a shape it is a scalar.
func f64(elements []float64, shape ...uint64) *pb.Tensor {
	raw := make([]byte, 0, 8*len(elements))
	for _, element := range elements {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(element))
	}
	return &pb.Tensor{Dtype: pb.Dtype_DTYPE_F64, Shape: shape, Data: &pb.Tensor_Raw{Raw: raw}}
}

// elements are the numbers of a float64 tensor that the server sent.
func elements(t *testing.T, tensor *pb.Tensor) []float64 {
	t.Helper()
	if tensor.GetDtype() != pb.Dtype_DTYPE_F64 {
		t.Fatalf("not a float64 tensor: %v", tensor)
	}
	if values, ok := tensor.GetData().(*pb.Tensor_Values); ok {
		return values.Values.GetValues()
	}
	raw := tensor.GetRaw()
	numbers := make([]float64, 0, len(raw)/8)
	for ; len(raw) >= 8; raw = raw[8:] {
		numbers = append(numbers, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
	}
	return numbers
}

// squaredResiduals is f(a) = Σ (y - a·x)² with a scalar a and vectors x and y of 3 elements.
//
// Value ids: a 0, x 1, y 2; the nodes' results follow.
func squaredResiduals() *pb.Graph {
	scalar := &pb.TensorType{Dtype: pb.Dtype_DTYPE_F64}
	vector := &pb.TensorType{Dtype: pb.Dtype_DTYPE_F64, Shape: []uint64{3}}
	return &pb.Graph{
		Name: "squared residuals",
		Inputs: []*pb.Input{
			{Name: "a", Type: scalar},
			{Name: "x", Type: vector},
			{Name: "y", Type: vector},
		},
		Nodes: []*pb.Node{
			{Op: pb.Op_OP_MULTIPLY, Operands: []uint32{0, 1}, Label: "model"},
			{Op: pb.Op_OP_SUBTRACT, Operands: []uint32{2, 3}, Label: "residual"},
			{Op: pb.Op_OP_SQUARE, Operands: []uint32{4}},
			{Op: pb.Op_OP_REDUCE_SUM, Operands: []uint32{5}, Attributes: &pb.Node_Reduce{Reduce: &pb.Reduce{}}},
		},
		Outputs: []*pb.Output{{Name: "f", Value: 6}},
	}
}

var (
	x     = []float64{1, 2, 4}
	y     = []float64{2.5, 3.5, 9}
	value = &pb.Product{Product: &pb.Product_Value{Value: &pb.Value{}}}
	slope = &pb.Product{Product: &pb.Product_Gradient{Gradient: &pb.Gradient{Wrt: []string{"a"}}}}
)

// closedForm is the value of squaredResiduals and its derivative with respect to a.
func closedForm(a float64) (f, df float64) {
	for i := range x {
		residual := y[i] - a*x[i]
		f += residual * residual
		df -= 2 * residual * x[i]
	}
	return f, df
}

func inputs(a float64) map[string]*pb.Tensor {
	return map[string]*pb.Tensor{"a": f64([]float64{a}), "x": f64(x, 3), "y": f64(y, 3)}
}

func register(t *testing.T, ctx context.Context, service pb.GradientServiceClient) string {
	t.Helper()
	answer, err := service.RegisterGraph(ctx, &pb.RegisterGraphRequest{Graph: squaredResiduals()})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetGraphId()
}

// naming tells proxies by metadata which graph a call is about.
func naming(ctx context.Context, graphID string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-graph-id", graphID)
}

// assertAnswer holds the value and the gradient of an answer against the closed form.
func assertAnswer(t *testing.T, answer *pb.EvaluateResponse, a float64) {
	t.Helper()
	wantValue, wantSlope := closedForm(a)
	for i, want := range []float64{wantValue, wantSlope} {
		got := elements(t, answer.GetResults()[i].GetBlocks()[0].GetTensor())
		if len(got) != 1 || !(math.Abs(got[0]-want) <= 1e-13*math.Max(1, math.Abs(want))) {
			t.Errorf("product %d at a = %v: %v, wanted %v", i, a, got, want)
		}
	}
}

// detail is the one detail of type D in the google.rpc.Status of an error that has the given code.
func detail[D any](t *testing.T, err error, code codes.Code) D {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("%v, wanted %v", err, code)
	}
	for _, each := range status.Convert(err).Details() {
		if found, ok := each.(D); ok {
			return found
		}
	}
	var wanted D
	t.Fatalf("no %T in %v", wanted, status.Convert(err).Proto())
	return wanted
}

func TestValueAndGradientAreTheClosedForm(t *testing.T) {
	_, service, ctx := connect(t)
	graphID := register(t, ctx, service)
	answer, err := service.Evaluate(naming(ctx, graphID), &pb.EvaluateRequest{
		RequestId: "first",
		Graph:     &pb.EvaluateRequest_GraphId{GraphId: graphID},
		Inputs:    inputs(1.5),
		Products:  []*pb.Product{value, slope},
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetRequestId() != "first" || answer.GetGraphId() != graphID {
		t.Errorf("request %q, graph %q", answer.GetRequestId(), answer.GetGraphId())
	}
	assertAnswer(t, answer, 1.5)
	if answer.GetResults()[1].GetPlan().GetReason() == "" {
		t.Error("a plan without a reason")
	}
}

func TestABadRequestDoesNotEndAStream(t *testing.T) {
	_, service, ctx := connect(t)
	graphID := register(t, ctx, service)
	stream, err := service.EvaluateStream(naming(ctx, graphID))
	if err != nil {
		t.Fatal(err)
	}
	points := []float64{0.5, -1, 2, 3}
	const bad = 2
	for i, a := range points {
		request := &pb.EvaluateRequest{
			Graph:    &pb.EvaluateRequest_GraphId{GraphId: graphID},
			Inputs:   inputs(a),
			Products: []*pb.Product{value, slope},
		}
		if i == bad {
			delete(request.Inputs, "y")
		}
		if err := stream.Send(&pb.EvaluateStreamRequest{Request: request}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i, a := range points {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if i != bad {
			assertAnswer(t, answer.GetResponse(), a)
		} else if code := codes.Code(answer.GetError().GetCode()); code != codes.InvalidArgument {
			t.Errorf("%v, wanted an InvalidArgument error", answer)
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
}

func TestAnInvalidGraphIsRefusedWithTheField(t *testing.T) {
	_, service, ctx := connect(t)
	graph := squaredResiduals()
	graph.Nodes[1].Operands[0] = 999
	_, err := service.RegisterGraph(ctx, &pb.RegisterGraphRequest{Graph: graph})
	violations := detail[*errdetails.BadRequest](t, err, codes.InvalidArgument).GetFieldViolations()
	const want = "graph.nodes[1].operands[0]"
	if !slices.ContainsFunc(violations, func(v *errdetails.BadRequest_FieldViolation) bool { return v.GetField() == want }) {
		t.Errorf("%v, wanted one at %s", violations, want)
	}
}

func TestAnUnknownGraphAsksToBeRegistered(t *testing.T) {
	_, service, ctx := connect(t)
	unknown := strings.Repeat("0", 64)
	_, err := service.Evaluate(naming(ctx, unknown), &pb.EvaluateRequest{
		Graph:    &pb.EvaluateRequest_GraphId{GraphId: unknown},
		Inputs:   inputs(0),
		Products: []*pb.Product{value},
	})
	if reason := detail[*errdetails.ErrorInfo](t, err, codes.NotFound).GetReason(); reason != "GRAPH_NOT_REGISTERED" {
		t.Errorf("reason %q", reason)
	}
}

func TestTheHealthServiceSaysServing(t *testing.T) {
	connection, _, ctx := connect(t)
	answer, err := healthv1.NewHealthClient(connection).Check(ctx, &healthv1.HealthCheckRequest{Service: serviceName})
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%v", answer.GetStatus())
	}
}

func TestReflectionListsTheService(t *testing.T) {
	connection, _, ctx := connect(t)
	stream, err := reflectionv1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionv1.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: list}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	services := answer.GetListServicesResponse().GetService()
	if !slices.ContainsFunc(services, func(s *reflectionv1.ServiceResponse) bool { return s.GetName() == serviceName }) {
		t.Errorf("%v", services)
	}
}
