//! A graph that grows node by node, and fits what it is given to what an operation takes.

use gradient_engine::op::{Infer, infer_elementwise};
use gradient_engine::{
    Attributes, DType, GatherDimensions, Graph, Op, OutOfBounds, Tensor, TensorType, ValueId,
};
use gradient_tests::engine::Random;
use gradient_tests::random_graphs::Pool;
use gradient_tests::scenarios::Draft;

/// Elements that a value may have.
pub const MAX_ELEMENTS: u64 = 12_000;

/// Elements that all values together may have.
const MAX_ALL: u64 = 400_000;

/// Leaves that are outputs.
const MAX_OUTPUTS: usize = 5;

/// A value and its type.
#[derive(Clone, Debug)]
pub struct Value {
    /// In the graph.
    pub id: ValueId,
    /// Of it.
    pub ty: TensorType,
}

impl Value {
    /// Its sizes.
    pub fn shape(&self) -> &[u64] {
        &self.ty.shape
    }

    /// How many dimensions it has.
    pub fn rank(&self) -> usize {
        self.ty.shape.rank()
    }

    /// How many numbers it has.
    pub fn elements(&self) -> u64 {
        self.ty.elements()
    }
}

/// A graph that grows.
pub struct Generator {
    draft: Draft,
    values: Vec<Value>,
    read: Vec<bool>,
    /// Of all nodes.
    elements: u64,
    /// Element type of inputs.
    pub float: DType,
    /// Whether operands are kept within the operations' domains.
    pub tame: bool,
    /// Functions that nodes may run, and the length of the vectors that these take.
    pub pool: Option<(Pool, u64)>,
}

impl Generator {
    /// Nothing yet; `pool`: functions of vectors of that length.
    pub fn new(float: DType, tame: bool, pool: Option<(Pool, u64)>) -> Self {
        let mut draft = Draft::new("case");
        if let Some((pool, _)) = &pool {
            draft.functions(pool.sources());
        }
        Self {
            draft,
            values: vec![],
            read: vec![],
            elements: 0,
            float,
            tame,
            pool,
        }
    }

    /// An input.
    pub fn input(&mut self, name: &str, shape: &[u64]) {
        let ty = TensorType::new(self.float, shape);
        let id = self.draft.0.input(name, ty.clone()).expect("an input");
        self.keep(Value { id, ty });
    }

    /// Whether there is room for another value.
    pub fn has_room(&self) -> bool {
        self.elements < MAX_ALL
    }

    /// Makes a value one that later nodes may read.
    pub fn keep(&mut self, value: Value) {
        self.values.push(value);
        self.read.push(false);
    }

    /// A value: often one of the last, so that there are chains.
    pub fn pick(&mut self, choice: usize) -> Value {
        let count = self.values.len();
        let at = match choice {
            0..160 => count - 1 - choice % count.min(4),
            _ => choice % count,
        };
        self.read[at] = true;
        self.values[at].clone()
    }

    /// A floating-point value.
    pub fn pick_float(&mut self, choice: usize) -> Value {
        let value = self.pick(choice);
        match value.ty.dtype.is_float() {
            true => value,
            false => self.convert(&value, self.float),
        }
    }

    /// A node.
    pub fn push(&mut self, op: Op, operands: &[&Value], attributes: Attributes) -> Value {
        let types: Vec<&TensorType> = operands.iter().map(|v| &v.ty).collect();
        let inferred = match op.elementwise() {
            Some(row) => infer_elementwise(row, &types),
            None => match op.form().expect("an operation").infer {
                Infer::One(infer) => infer(op, &attributes, &types),
                Infer::Many(infer) => {
                    infer(op, &attributes, &types).map(|mut all| all.swap_remove(0))
                }
            },
        };
        let ty = inferred.unwrap_or_else(|problem| panic!("{}: {}", op.name(), problem.message));
        let ids: Vec<ValueId> = operands.iter().map(|v| v.id).collect();
        let id = self.draft.push(op, &ids, attributes);
        self.elements += ty.elements();
        Value { id, ty }
    }

    /// A node without attributes.
    pub fn op(&mut self, op: Op, operands: &[&Value]) -> Value {
        self.push(op, operands, Attributes::None)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> Value {
        self.push(Op::Constant, &[], Attributes::Constant(tensor.into()))
    }

    /// A scalar constant.
    pub fn number(&mut self, dtype: DType, number: f64) -> Value {
        self.constant(Tensor::scalar(dtype, number))
    }

    /// Integers, one after the other.
    pub fn integers(&mut self, all: &[i64]) -> Value {
        let raw = all.iter().flat_map(|i| i.to_le_bytes()).collect();
        let ty = TensorType::new(DType::I64, [all.len() as u64]);
        self.constant(Tensor::from_raw(ty, raw).expect("eight bytes each"))
    }

    /// The value in another element type.
    pub fn convert(&mut self, value: &Value, dtype: DType) -> Value {
        match value.ty.dtype == dtype {
            true => value.clone(),
            false => self.push(Op::Convert, &[value], Attributes::Convert { dtype }),
        }
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, value: &Value, shape: &[u64]) -> Value {
        match value.shape() == shape {
            true => value.clone(),
            false => self.push(
                Op::Reshape,
                &[value],
                Attributes::Reshape {
                    shape: shape.into(),
                },
            ),
        }
    }

    /// Copies along new dimensions, or of size 1 along theirs.
    pub fn broadcast(&mut self, value: &Value, shape: &[u64], dimensions: Vec<u32>) -> Value {
        let shape = shape.to_vec();
        let attributes = Attributes::BroadcastInDim { shape, dimensions };
        self.push(Op::BroadcastInDim, &[value], attributes)
    }

    /// The elements of a vector at some places.
    pub fn look_up(&mut self, vector: &Value, places: &[i64], out_of_bounds: OutOfBounds) -> Value {
        let places = self.integers(places);
        let gather = GatherDimensions {
            offset_dims: vec![],
            collapsed_slice_dims: vec![0],
            start_index_map: vec![0],
            index_vector_dim: 1,
            slice_sizes: vec![1],
            out_of_bounds,
        };
        self.push(Op::Gather, &[vector, &places], Attributes::Gather(gather))
    }

    /// Something of a value in a shape: copies of it, a part of it, or it and something around it.
    pub fn fit(&mut self, value: &Value, shape: &[u64], random: &mut Random) -> Value {
        if value.shape() == shape {
            return value.clone();
        }
        let (rank, all) = (value.rank(), shape.len());
        if rank < all && shape.ends_with(value.shape()) {
            let dimensions = (all - rank..all).map(|d| d as u32).collect();
            return self.broadcast(value, shape, dimensions);
        }
        if rank < all && shape.starts_with(value.shape()) {
            let dimensions = (0..rank).map(|d| d as u32).collect();
            return self.broadcast(value, shape, dimensions);
        }
        let (n, m) = (value.elements(), shape.iter().product::<u64>());
        let flat = self.reshape(value, &[n]);
        let flat = match n.cmp(&m) {
            std::cmp::Ordering::Equal => flat,
            std::cmp::Ordering::Greater => {
                let stride = match m {
                    1 => 1,
                    _ => 1 + random.below(((n - 1) / (m - 1)).min(4) as usize) as u64,
                };
                let span = (m - 1) * stride + 1;
                let start = random.below((n - span + 1) as usize) as u64;
                self.slice(&flat, vec![start], vec![start + span], vec![stride])
            }
            std::cmp::Ordering::Less => match random.below(3) {
                0 => {
                    let places: Vec<i64> = (0..m).map(|i| (7 * i % n) as i64).collect();
                    self.look_up(&flat, &places, OutOfBounds::Clamp)
                }
                1 => {
                    let copies = m.div_ceil(n);
                    let rows = self.broadcast(&flat, &[copies, n], vec![1]);
                    let long = self.reshape(&rows, &[copies * n]);
                    self.slice(&long, vec![0], vec![m], vec![])
                }
                _ => {
                    let interior = match n {
                        1 => 0,
                        _ => random.below(((m - n) / (n - 1)).min(3) as usize + 1) as u64,
                    };
                    let around = m - n - interior * (n - 1);
                    let low = random.below(around as usize + 1) as u64;
                    let fill = self.number(value.ty.dtype, 1.0);
                    let pad = Attributes::Pad {
                        low: vec![low],
                        high: vec![around - low],
                        interior: vec![interior],
                    };
                    self.push(Op::Pad, &[&flat, &fill], pad)
                }
            },
        };
        self.reshape(&flat, shape)
    }

    /// Part of a value.
    pub fn slice(
        &mut self,
        value: &Value,
        starts: Vec<u64>,
        limits: Vec<u64>,
        strides: Vec<u64>,
    ) -> Value {
        let slice = Attributes::Slice {
            starts,
            limits,
            strides,
        };
        self.push(Op::Slice, &[value], slice)
    }

    /// A node that runs functions of two vectors.
    pub fn run(&mut self, pool: &Pool, a: &Value, b: &Value, random: &mut Random) -> Value {
        Value {
            id: pool.run(&mut self.draft, random, a.id, b.id),
            ty: a.ty.clone(),
        }
    }

    /// Σ over all axes.
    pub fn sum(&mut self, value: &Value) -> Value {
        let everything = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        self.push(Op::ReduceSum, &[value], everything)
    }

    /// Output 0: the sum of all that is floating-point and that nobody reads; then what that is made of.
    pub fn finish(mut self) -> Graph {
        let leaves = self.values.iter().zip(&self.read);
        let leaves: Vec<Value> = leaves
            .filter(|(_, read)| !*read)
            .map(|(v, _)| v.clone())
            .collect();
        let mut sum = self.number(DType::F64, 0.0);
        for leaf in leaves.iter().filter(|leaf| leaf.ty.dtype.is_float()) {
            let part = self.sum(leaf);
            let part = self.convert(&part, DType::F64);
            sum = self.op(Op::Add, &[&sum, &part]);
        }
        let mut builder = self.draft.0;
        builder.output("f", sum.id).expect("an output");
        for (i, leaf) in leaves.iter().rev().take(MAX_OUTPUTS).enumerate() {
            builder
                .output(&format!("y{i}"), leaf.id)
                .expect("an output");
        }
        builder.finish().expect("a graph")
    }
}
