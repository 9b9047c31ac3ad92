//! Functions for nodes with bodies, and the nodes that run them.

use crate::scenarios::Draft;
use gradient_engine::{
    Attributes, Control, DType, Derivative, Direction, FunctionId, FunctionSource, Graph, Implicit,
    ImplicitKind, NodeSource, Op, Product, Tensor, TensorType, ValueId,
};

/// An f64 scalar.
pub fn number() -> TensorType {
    TensorType::f64([])
}

/// An i64 scalar.
pub fn integer() -> TensorType {
    TensorType::new(DType::I64, [])
}

/// The functions of a graph as a client would send them.
pub fn sources(graph: &Graph) -> Vec<FunctionSource> {
    let of = graph.functions().iter();
    of.map(|function| FunctionSource {
        name: function.name.clone(),
        parameters: function
            .body
            .inputs()
            .iter()
            .map(|i| i.ty.clone())
            .collect(),
        nodes: function
            .body
            .nodes()
            .map(|node| NodeSource {
                op: node.op,
                operands: node.operands.to_vec(),
                attributes: node.attributes.clone(),
                label: node.label.into(),
            })
            .collect(),
        results: function.body.outputs().iter().map(|o| o.value).collect(),
        custom_jvp: function.custom_jvp,
        custom_vjp: function.custom_vjp,
    })
    .collect()
}

/// What graphs and functions are written with.
pub trait Write {
    /// A node of so many results: the first of them.
    fn node(&mut self, op: Op, x: &[ValueId], attributes: Attributes, results: u32) -> ValueId;

    /// A node of one result without attributes.
    fn plain(&mut self, op: Op, x: &[ValueId]) -> ValueId {
        self.node(op, x, Attributes::None, 1)
    }

    /// a + b
    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.plain(Op::Add, &[a, b])
    }

    /// a - b
    fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.plain(Op::Subtract, &[a, b])
    }

    /// a · b
    fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.plain(Op::Multiply, &[a, b])
    }

    /// a / b
    fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.plain(Op::Divide, &[a, b])
    }

    /// factor · a
    fn scale(&mut self, factor: f64, a: ValueId) -> ValueId {
        let factor = self.real(factor);
        self.mul(factor, a)
    }

    /// An f64 constant.
    fn real(&mut self, value: f64) -> ValueId {
        let tensor = Tensor::scalar(DType::F64, value);
        self.node(Op::Constant, &[], Attributes::Constant(tensor.into()), 1)
    }

    /// An i64 constant.
    fn whole(&mut self, value: i64) -> ValueId {
        let tensor = Tensor::from_raw(integer(), value.to_le_bytes().to_vec());
        let tensor = tensor.expect("an i64 scalar has eight bytes");
        self.node(Op::Constant, &[], Attributes::Constant(tensor.into()), 1)
    }

    /// A comparison.
    fn compare(&mut self, direction: Direction, a: ValueId, b: ValueId) -> ValueId {
        self.node(Op::Compare, &[a, b], Attributes::Compare { direction }, 1)
    }

    /// Σ over all axes.
    fn sum(&mut self, a: ValueId) -> ValueId {
        let everything = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        self.node(Op::ReduceSum, &[a], everything, 1)
    }

    /// A node with bodies, of so many results: all of them.
    fn control(&mut self, control: Control, x: &[ValueId], results: u32) -> Vec<ValueId> {
        let op = control.op();
        let first = self.node(op, x, Attributes::Control(control.into()), results);
        (first.0..first.0 + results).map(ValueId).collect()
    }

    /// The one result of a function.
    fn call(&mut self, function: u32, x: &[ValueId]) -> ValueId {
        self.control(Control::call(FunctionId(function)), x, 1)[0]
    }

    /// The one result of one of several functions; operand 0 chooses.
    fn cond(&mut self, branches: &[u32], x: &[ValueId]) -> ValueId {
        let branches = branches.iter().map(|&f| FunctionId(f)).collect();
        self.control(Control::cond(branches), x, 1)[0]
    }

    /// A derivative of a function; `directed`: what has a tangent, cotangent or vector.
    fn derivative(
        &mut self,
        function: u32,
        product: Product,
        directed: &[u32],
        x: &[ValueId],
        results: u32,
    ) -> Vec<ValueId> {
        let derivative = Derivative {
            function: FunctionId(function),
            product,
            directed: directed.to_vec(),
            parameters: vec![],
            outputs: vec![],
            results: vec![],
        };
        let attributes = Attributes::Derivative(derivative.into());
        let first = self.node(Op::Derivative, x, attributes, results);
        (first.0..first.0 + results).map(ValueId).collect()
    }

    /// What a function defines: a root, a fixed point, the solution of a linear system. Operands: start (or right
    /// side), then parameters.
    fn implicit(&mut self, kind: ImplicitKind, function: u32, x: &[ValueId]) -> ValueId {
        let implicit = Implicit {
            kind,
            function: FunctionId(function),
            max_iterations: 0,
            tolerance_bits: 0,
            operands: vec![],
        };
        let op = match kind {
            ImplicitKind::Root => Op::ImplicitRoot,
            ImplicitKind::FixedPoint => Op::FixedPoint,
            ImplicitKind::LinearSolve => Op::LinearSolve,
        };
        self.node(op, x, Attributes::Implicit(implicit.into()), 1)
    }

    /// ∂/∂(parameter `wrt`) of a function's only result.
    fn slope(&mut self, function: u32, wrt: u32, x: &[ValueId]) -> ValueId {
        let product = Product::Gradient {
            output: 0,
            wrt: vec![wrt],
        };
        self.derivative(function, product, &[], x, 1)[0]
    }
}

impl Write for Draft {
    fn node(&mut self, op: Op, x: &[ValueId], attributes: Attributes, _: u32) -> ValueId {
        self.push(op, x, attributes)
    }
}

/// Writes a function.
pub struct FunctionBuilder {
    source: FunctionSource,
    values: u32,
}

impl FunctionBuilder {
    /// A function of parameters, and these.
    pub fn new<const N: usize>(name: &str, parameters: [TensorType; N]) -> (Self, [ValueId; N]) {
        let ids = std::array::from_fn(|k| ValueId(k as u32));
        (Self::of(name, parameters.into()), ids)
    }

    /// A function of parameters, which are the first values.
    pub fn of(name: &str, parameters: Vec<TensorType>) -> Self {
        Self {
            values: parameters.len() as u32,
            source: FunctionSource {
                name: name.into(),
                parameters,
                nodes: vec![],
                results: vec![],
                custom_jvp: None,
                custom_vjp: None,
            },
        }
    }

    /// The function.
    pub fn finish(mut self, results: &[ValueId]) -> FunctionSource {
        self.source.results = results.to_vec();
        self.source
    }
}

impl Write for FunctionBuilder {
    fn node(&mut self, op: Op, x: &[ValueId], attributes: Attributes, results: u32) -> ValueId {
        self.source.nodes.push(NodeSource {
            op,
            operands: x.to_vec(),
            attributes,
            label: String::new(),
        });
        let first = self.values;
        self.values += results;
        ValueId(first)
    }
}

/// A function of some parameters whose one result `write` gives.
pub fn function<const N: usize>(
    name: &str,
    parameters: [TensorType; N],
    write: impl FnOnce(&mut FunctionBuilder, [ValueId; N]) -> ValueId,
) -> FunctionSource {
    tuple_function(name, parameters, |f, x| vec![write(f, x)])
}

/// A function of some parameters whose results `write` gives.
pub fn tuple_function<const N: usize>(
    name: &str,
    parameters: [TensorType; N],
    write: impl FnOnce(&mut FunctionBuilder, [ValueId; N]) -> Vec<ValueId>,
) -> FunctionSource {
    let (mut builder, ids) = FunctionBuilder::new(name, parameters);
    let results = write(&mut builder, ids);
    builder.finish(&results)
}
