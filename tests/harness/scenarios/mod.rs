//! Small graphs around each operation, as data: every test over operations loops over them.

pub mod control;
mod linear_systems;
mod order;
mod reductions;
mod signal;
mod spectral;

use crate::engine::{Random, tensor};
use crate::functions::sources;
use gradient_engine::{
    Attributes, DType, Direction, DotDimensions, FunctionSource, GatherDimensions, Graph,
    GraphBuilder, Limits, Op, OutOfBounds, ScatterDimensions, Tensor, TensorType, ValueId,
};
use std::sync::Arc;

/// A graph and where to look at it.
pub struct Scenario {
    /// For messages.
    pub name: String,
    /// The operation it is about.
    pub op: Op,
    /// The graph.
    pub graph: Graph,
    /// Where each input is drawn from (for i64: the exact tensor).
    pub domains: Vec<(f64, f64)>,
}

impl Scenario {
    /// A random point of the domain.
    pub fn point(&self, random: &mut Random) -> Vec<Tensor> {
        self.graph
            .inputs()
            .iter()
            .zip(&self.domains)
            .map(|(input, &domain)| random.tensor(&input.ty, domain))
            .collect()
    }
}

impl Scenario {
    /// The output weighted, through a sine, summed: a scalar with curvature in everything.
    pub fn scalarized(&self) -> Graph {
        let mut draft = Draft::new("scalarized");
        let source = &self.graph;
        draft.functions(sources(source));
        let mut map = Vec::new();
        for input in source.inputs() {
            map.push(draft.0.input(&input.name, input.ty.clone()).expect("input"));
        }
        for node in source.nodes() {
            let operands: Vec<_> = node.operands.iter().map(|v| map[v.index()]).collect();
            let first = draft.push(node.op, &operands, node.attributes.clone());
            map.extend((0..u32::from(node.result_count)).map(|i| ValueId(first.0 + i)));
        }
        let floats = source.float_outputs();
        let output = map[source.outputs()[floats[0] as usize].value.index()];
        let ty = source.output_type(floats[0] as usize).clone();
        let weights: Vec<f64> = (0..ty.elements())
            .map(|i| 0.5 + 0.25 * (i % 5) as f64)
            .collect();
        let weights = draft.constant(tensor(&ty, &weights));
        let sine = draft.op(Op::Sin, &[output]);
        let weighted = draft.op(Op::Multiply, &[weights, sine]);
        let everything = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        let sum = draft.push(Op::ReduceSum, &[weighted], everything);
        draft.finish(sum)
    }
}

/// The contract's table of points without a derivative, as a gradient gives them.
pub fn assert_declared_slopes(gradient: impl Fn(&Graph, &[Tensor]) -> Vec<f64>) {
    let scalar = |x: f64| tensor(&TensorType::f64([]), &[x]);
    let one = |op: Op, x: f64| {
        let mut g = Draft::new("one");
        let a = g.input("a", &[]);
        let y = g.op(op, &[a]);
        gradient(&g.finish(y), &[scalar(x)])[0]
    };
    assert_eq!(one(Op::Abs, 0.0), 0.0);
    assert_eq!(one(Op::Sqrt, 0.0), f64::INFINITY);
    assert_eq!(one(Op::Sqrt, -0.0), f64::INFINITY);
    let two = |op: Op, a: f64, b: f64| {
        let mut g = Draft::new("two");
        let (p, q) = (g.input("a", &[]), g.input("b", &[]));
        let y = g.op(op, &[p, q]);
        gradient(&g.finish(y), &[scalar(a), scalar(b)])
    };
    assert_eq!(two(Op::Maximum, 1.5, 1.5), [0.5, 0.5]);
    assert_eq!(two(Op::Minimum, 1.5, 1.5), [0.5, 0.5]);
    assert_eq!(two(Op::Hypot, 0.0, 0.0), [0.0, 0.0]);
    assert_eq!(two(Op::Power, 0.0, 0.0)[0], 0.0);
    assert_eq!(two(Op::Power, 3.0, 0.0)[0], 0.0);
    assert_eq!(two(Op::Power, -2.0, 3.0)[0], 12.0);
}

/// What a graph with this node over inputs of these types is refused with: the place, and the words.
pub fn refusal(op: Op, attributes: Attributes, types: &[(DType, &[u64])]) -> String {
    let mut builder = GraphBuilder::new("wrong", Limits::default());
    let operands: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(i, (dtype, shape))| {
            let ty = TensorType::new(*dtype, *shape);
            builder.input(format!("x{i}"), ty).expect("input")
        })
        .collect();
    let refused = builder.push(op, &operands, attributes, "");
    refused.expect_err(op.name()).to_string()
}

/// A builder that cannot fail: scenarios are ours.
pub struct Draft(pub GraphBuilder);

impl Draft {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self(GraphBuilder::new(name, Limits::default()))
    }

    /// The functions that nodes run, before the first node.
    pub fn functions(&mut self, sources: Vec<FunctionSource>) {
        self.0.functions(sources).expect("functions");
    }

    /// An f64 input.
    pub fn input(&mut self, name: &str, shape: &[u64]) -> ValueId {
        self.0.input(name, TensorType::f64(shape)).expect("input")
    }

    /// A node.
    pub fn push(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        self.0.push(op, operands, attributes, "").expect("node")
    }

    /// A node without attributes.
    pub fn op(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        self.push(op, operands, Attributes::None)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.push(Op::Constant, &[], Attributes::Constant(Arc::new(tensor)))
    }

    /// An i64 constant.
    pub fn indices(&mut self, shape: &[u64], values: &[i64]) -> ValueId {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let ty = TensorType::new(DType::I64, shape);
        self.constant(Tensor::from_raw(ty, raw).expect("constant"))
    }

    /// The elements of a vector at these places.
    pub fn look_up(&mut self, x: ValueId, places: &[i64]) -> ValueId {
        let indices = self.indices(&[places.len() as u64], places);
        let gather = GatherDimensions {
            offset_dims: vec![],
            collapsed_slice_dims: vec![0],
            start_index_map: vec![0],
            index_vector_dim: 1,
            slice_sizes: vec![1],
            out_of_bounds: OutOfBounds::Clamp,
        };
        self.push(Op::Gather, &[x, indices], Attributes::Gather(gather))
    }

    /// The graph of one output.
    pub fn finish(mut self, output: ValueId) -> Graph {
        self.0.output("f", output).expect("output");
        self.0.finish().expect("graph")
    }
}

fn scenario(
    op: Op,
    name: &str,
    domains: &[(f64, f64)],
    build: impl FnOnce(&mut Draft) -> ValueId,
) -> Scenario {
    let mut draft = Draft::new(name);
    let output = build(&mut draft);
    Scenario {
        name: format!("{} ({name})", op.name()),
        op,
        graph: draft.finish(output),
        domains: domains.to_vec(),
    }
}

/// At least one scenario for every differentiable operation; several where shapes or attributes matter.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for &op in Op::ALL {
        if let Some(row) = op.elementwise() {
            let names = ["a", "b", "c"];
            // An operand that tests draw from one point is held constant there: it is an order, say.
            let held = |&(low, high): &(f64, f64)| low == high;
            let free: Vec<(f64, f64)> = row.domain.iter().copied().filter(|d| !held(d)).collect();
            for shape in [&[][..], &[3]] {
                all.push(scenario(op, "elementwise", &free, |g| {
                    let mut operands: Vec<Option<ValueId>> = row
                        .domain
                        .iter()
                        .zip(names)
                        .map(|(domain, n)| (!held(domain)).then(|| g.input(n, shape)))
                        .collect();
                    for (operand, domain) in operands.iter_mut().zip(row.domain) {
                        let number = Tensor::scalar(DType::F64, domain.0);
                        operand.get_or_insert_with(|| g.constant(number));
                    }
                    let operands: Vec<ValueId> = operands.into_iter().flatten().collect();
                    g.op(op, &operands)
                }));
            }
            if row.domain.len() == 2 && free.len() == 2 {
                for (left, right) in [(&[][..], &[2, 2][..]), (&[2, 2], &[])] {
                    all.push(scenario(op, "scalar broadcast", row.domain, |g| {
                        let (a, b) = (g.input("a", left), g.input("b", right));
                        g.op(op, &[a, b])
                    }));
                }
            }
        }
    }
    structural(&mut all);
    reductions::add(&mut all);
    order::add(&mut all);
    signal::add(&mut all);
    linear_systems::add(&mut all);
    spectral::add(&mut all);
    control::add(&mut all);
    all
}

const WIDE: (f64, f64) = (-2.0, 2.0);

fn structural(all: &mut Vec<Scenario>) {
    let mut one = |op: Op, name: &str, shape: &[u64], attributes: Attributes| {
        all.push(scenario(op, name, &[WIDE], |g| {
            let x = g.input("x", shape);
            g.push(op, &[x], attributes)
        }));
    };
    for op in [Op::ReduceSum, Op::ReduceMax, Op::ReduceMin] {
        for (axes, keep_dims) in [
            (vec![], false),
            (vec![1], false),
            (vec![0, 2], true),
            (vec![2], true),
        ] {
            one(
                op,
                "axes",
                &[2, 3, 4],
                Attributes::Reduce { axes, keep_dims },
            );
        }
    }
    for exponent in [-5, -2, -1, 0, 1, 2, 3, 4, 7] {
        let attributes = Attributes::IntegerPow { exponent };
        all.push(scenario(Op::IntegerPow, "exponent", &[(0.6, 1.3)], |g| {
            let x = g.input("x", &[3]);
            g.push(Op::IntegerPow, &[x], attributes)
        }));
    }
    let mut one = |op: Op, name: &str, shape: &[u64], attributes: Attributes| {
        all.push(scenario(op, name, &[WIDE], |g| {
            let x = g.input("x", shape);
            g.push(op, &[x], attributes)
        }));
    };
    one(
        Op::Reshape,
        "fold",
        &[2, 6],
        Attributes::Reshape {
            shape: vec![3, 1, 4],
        },
    );
    one(
        Op::Transpose,
        "cycle",
        &[2, 3, 4],
        Attributes::Transpose {
            permutation: vec![1, 2, 0],
        },
    );
    one(
        Op::BroadcastInDim,
        "new and stretched",
        &[2, 1],
        Attributes::BroadcastInDim {
            shape: vec![2, 3, 4],
            dimensions: vec![0, 2],
        },
    );
    one(
        Op::BroadcastInDim,
        "scalar",
        &[],
        Attributes::BroadcastInDim {
            shape: vec![2, 3],
            dimensions: vec![],
        },
    );
    one(
        Op::Slice,
        "strided",
        &[5, 7],
        Attributes::Slice {
            starts: vec![1, 0],
            limits: vec![4, 7],
            strides: vec![1, 3],
        },
    );
    one(
        Op::Slice,
        "empty",
        &[5],
        Attributes::Slice {
            starts: vec![2],
            limits: vec![2],
            strides: vec![],
        },
    );
    one(
        Op::Convert,
        "to f32 and back is f64",
        &[3],
        Attributes::Convert { dtype: DType::F64 },
    );
    one(Op::StopGradient, "constant", &[3], Attributes::None);

    all.push(scenario(Op::Pad, "all sides", &[WIDE, WIDE], |g| {
        let (x, p) = (g.input("x", &[2, 3]), g.input("p", &[]));
        g.push(
            Op::Pad,
            &[x, p],
            Attributes::Pad {
                low: vec![1, 0],
                high: vec![0, 2],
                interior: vec![2, 1],
            },
        )
    }));
    all.push(scenario(Op::Concatenate, "three", &[WIDE, WIDE], |g| {
        let (x, y) = (g.input("x", &[2, 1]), g.input("y", &[2, 3]));
        g.push(
            Op::Concatenate,
            &[x, y, x],
            Attributes::Concatenate { dimension: 1 },
        )
    }));
    all.push(scenario(Op::Select, "mixed", &[WIDE, WIDE], |g| {
        let (x, y) = (g.input("x", &[4]), g.input("y", &[]));
        let p = g.push(
            Op::Compare,
            &[x, y],
            Attributes::Compare {
                direction: Direction::Lt,
            },
        );
        let squared = g.op(Op::Square, &[x]);
        g.op(Op::Select, &[p, squared, y])
    }));
    dots(all);
    matrix_products(all);
    windows(all);
}

/// NumPy's matrix product: vectors, matrices, batches that stretch.
fn matrix_products(all: &mut Vec<Scenario>) {
    let cases: [(&[u64], &[u64]); 9] = [
        (&[3], &[3]),
        (&[2, 3], &[3]),
        (&[3], &[3, 2]),
        (&[2, 3], &[3, 4]),
        (&[5, 2, 3], &[3]),
        (&[3], &[5, 3, 2]),
        (&[2, 3], &[5, 3, 4]),
        (&[5, 1, 2, 3], &[4, 3, 2]),
        (&[2, 0], &[0, 3]),
    ];
    for (left, right) in cases {
        all.push(scenario(Op::Matmul, "shapes", &[WIDE, WIDE], |g| {
            let (a, b) = (g.input("a", left), g.input("b", right));
            g.op(Op::Matmul, &[a, b])
        }));
    }
}

/// Name, both shapes, and the four lists of dimensions.
type DotCase = (
    &'static str,
    &'static [u64],
    &'static [u64],
    [&'static [u32]; 4],
);

fn dots(all: &mut Vec<Scenario>) {
    let cases: [DotCase; 6] = [
        ("inner product", &[5], &[5], [&[0], &[0], &[], &[]]),
        ("outer product", &[2], &[3], [&[], &[], &[], &[]]),
        ("matrix × matrix", &[2, 3], &[3, 4], [&[1], &[0], &[], &[]]),
        (
            "batched, permuted",
            &[3, 2, 5],
            &[5, 4, 3],
            [&[2], &[0], &[0], &[2]],
        ),
        (
            "two contractions",
            &[2, 3, 4],
            &[4, 5, 3],
            [&[2, 1], &[0, 2], &[], &[]],
        ),
        ("large", &[12, 17], &[17, 9], [&[1], &[0], &[], &[]]),
    ];
    for (name, left, right, [lc, rc, lb, rb]) in cases {
        all.push(scenario(Op::DotGeneral, name, &[WIDE, WIDE], |g| {
            let (a, b) = (g.input("a", left), g.input("b", right));
            let dims = DotDimensions {
                lhs_contracting: lc.to_vec(),
                rhs_contracting: rc.to_vec(),
                lhs_batch: lb.to_vec(),
                rhs_batch: rb.to_vec(),
            };
            g.push(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dims))
        }));
    }
}

fn windows(all: &mut Vec<Scenario>) {
    for out_of_bounds in [OutOfBounds::Clamp, OutOfBounds::Drop] {
        all.push(scenario(
            Op::Gather,
            "rows, repeated and outside",
            &[WIDE],
            |g| {
                let x = g.input("x", &[4, 3]);
                let i = g.indices(&[2, 2], &[3, 0, 0, 9]);
                let dims = GatherDimensions {
                    offset_dims: vec![2],
                    collapsed_slice_dims: vec![0],
                    start_index_map: vec![0],
                    index_vector_dim: 2,
                    slice_sizes: vec![1, 3],
                    out_of_bounds,
                };
                g.push(Op::Gather, &[x, i], Attributes::Gather(dims))
            },
        ));
        all.push(scenario(
            Op::ScatterAdd,
            "windows, overlapping and outside",
            &[WIDE, WIDE],
            |g| {
                let (x, u) = (g.input("x", &[4, 3]), g.input("u", &[2, 3, 2]));
                let i = g.indices(&[2, 3], &[0, 1, 1, 1, 7, 0]);
                let dims = ScatterDimensions {
                    update_window_dims: vec![0],
                    inserted_window_dims: vec![1],
                    scatter_dims_to_operand_dims: vec![1],
                    index_vector_dim: 2,
                    out_of_bounds,
                };
                let i = g.push(
                    Op::Transpose,
                    &[i],
                    Attributes::Transpose {
                        permutation: vec![1, 0],
                    },
                );
                g.push(Op::ScatterAdd, &[x, i, u], Attributes::Scatter(dims))
            },
        ));
    }
}
