//! Floor 1: the op table. Every operation once: type rule, derivative, transpose, kernel, cost.

mod activation;
mod arg_reduce;
mod attributes;
mod beta_density;
mod bspline;
mod by_line;
mod compare;
mod concatenate;
mod constant;
mod control;
mod convert;
mod convolution;
mod cumulative;
mod depth;
mod diagonal;
mod dot;
mod doubling;
mod dynamic_slice;
mod einsum;
mod elementary;
mod emit;
mod fourier;
mod gather;
mod info;
mod integer_pow;
mod interpolate;
pub mod kernels;
mod kinks;
mod linalg;
mod lines;
mod logical;
mod long_lines;
mod matmul;
mod moments;
mod norm;
mod one_hot;
mod pad;
mod policy;
mod pool;
mod problem;
mod product;
mod products;
mod reduce;
mod reverse;
mod scatter;
mod search_sorted;
mod select;
mod shape_ops;
mod short_lines;
mod sine_cosine;
mod slice;
mod softmax;
mod sort;
pub mod special;
mod strided;
mod table;
mod team;
mod tile;
mod top_k;
mod values;
mod windows;

pub use attributes::{
    Attributes, ConvolutionDimensions, Direction, DotDimensions, Extrapolation, GatherDimensions,
    InterpolationKind, NormKind, OutOfBounds, PoolDimensions, ScatterDimensions, SparsePattern,
    WindowDimensions,
};
pub use control::{Control, ControlKind, FunctionId, PULL_TURNS, Parts, Sweep, picked};
pub(crate) use depth::deeper;
pub use dot::DotPlan;
pub use emit::{E, Emit, Partial, ValueId};
pub use gather::WindowPlan;
pub use info::{OpInfo, list_ops};
pub use policy::NonSmooth;
pub use problem::{Place, Problem, ViolationKind};
pub use product::{Derivative, Implicit, ImplicitKind, Layout, Product};
pub use reduce::Reduction;
pub use sine_cosine::{companion, sine_cosine};
pub use strided::Strided;
pub use table::{
    Elementwise, Op, binary_floats, binary_integers, is_by_element, is_commutative, ternary_floats,
    ternary_integers, unary_floats, unary_integers,
};
pub use team::{Alone, Team};

use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

impl Op {
    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// False for operations that the contract declares and this engine does not have yet.
    pub fn is_implemented(self) -> bool {
        self.elementwise().is_some() || self.rule().is_some() || self.composite().is_some()
    }

    /// How a node of the operation is written, if it is a structural or composite one.
    pub fn form(self) -> Option<&'static Form> {
        match (self.rule(), self.composite()) {
            (Some(rule), _) => Some(&rule.form),
            (_, Some(composite)) => Some(&composite.form),
            _ => None,
        }
    }

    /// Fewest and most operands.
    pub fn arity(self) -> Option<(u32, u32)> {
        match self.elementwise() {
            Some(row) => Some((row.partials.len() as u32, row.partials.len() as u32)),
            None => self.form().map(|form| form.operands),
        }
    }
}

/// A node as rules see it.
pub struct Application<'a> {
    /// The operation.
    pub op: Op,
    /// Its attributes.
    pub attributes: &'a Attributes,
    /// Its operands.
    pub operands: &'a [ValueId],
    /// Its first result.
    pub result: ValueId,
}

impl Application<'_> {
    /// A result by position: results are numbered one after the other.
    pub fn nth(&self, i: u32) -> ValueId {
        ValueId(self.result.0 + i)
    }
}

/// The types of a node, for kernels and prices.
pub struct Types<'a> {
    /// Of the operands.
    pub operands: &'a [&'a TensorType],
    /// Of the first result.
    pub result: &'a TensorType,
    /// Of all results.
    pub results: &'a [&'a TensorType],
}

/// The results' types, or what is wrong. The number of operands and the kind of attributes are right.
#[derive(Clone, Copy)]
pub enum Infer {
    /// Of an operation with one result.
    One(InferOne),
    /// Of an operation with several.
    Many(InferMany),
}

/// See [`Infer::One`].
pub type InferOne = fn(Op, &Attributes, &[&TensorType]) -> Result<TensorType, Problem>;

/// See [`Infer::Many`].
pub type InferMany = fn(Op, &Attributes, &[&TensorType]) -> Result<Vec<TensorType>, Problem>;

/// See [`Jvp::One`].
pub type JvpOne = fn(&mut dyn Emit, &Application<'_>, &[Option<ValueId>]) -> Option<ValueId>;

/// See [`Jvp::Many`].
pub type JvpMany = fn(&mut dyn Emit, &Application<'_>, &[Option<ValueId>]) -> Vec<Option<ValueId>>;

/// Writes the results' tangents from the operands' tangents (`None`: zero; at least one is there). Tangents have
/// the type of what they belong to.
#[derive(Clone, Copy)]
pub enum Jvp {
    /// Differentiation passes by: no result moves.
    None,
    /// For an operation with one result.
    One(JvpOne),
    /// For an operation with several.
    Many(JvpMany),
    /// For nodes with bodies: what knows the functions differentiates them.
    Bodies,
}

/// Writes the cotangent of one operand, by position, from the result's.
pub type Transposed = fn(&mut dyn Emit, &Application<'_>, ValueId, usize) -> ValueId;

/// Writes a composite operation in simpler ones and gives its results.
pub type Expand = fn(&mut dyn Emit, Op, &Attributes, &[ValueId]) -> Vec<ValueId>;

/// How a node of an operation is written, and what it costs.
pub struct Form {
    /// Fewest and most operands.
    pub operands: (u32, u32),
    /// Field of the attribute message in a wire node; empty for none.
    pub attribute: &'static str,
    /// Linear in its floating-point operands together.
    pub linear: bool,
    /// The choice where the derivative does not exist; empty for smooth operations.
    pub non_smooth: &'static str,
    /// The results' types, or what is wrong.
    pub infer: Infer,
    /// Elementary operations of one evaluation.
    pub cost: fn(&Attributes, &Types<'_>) -> u64,
}

/// Everything about a structural operation.
pub struct Rule {
    /// How a node is written.
    pub form: Form,
    /// The results' tangents.
    pub jvp: Jvp,
    /// The cotangent of one operand, in which this node is linear, from the result's. Shapes:
    /// `[..result] -> [..operand]`. `None` in the table: linear in nothing.
    pub transpose: Option<Transposed>,
    /// What the executor runs.
    pub kernel: fn(Op, &Attributes, &Types<'_>) -> Kernel,
}

/// An operation that is written in others before anything else sees it: one call for the client, and no
/// derivative of its own.
pub struct Composite {
    /// How a node is written.
    pub form: Form,
    /// Whether a tangent can pass through it.
    pub differentiable: bool,
    /// The simpler operations.
    pub expand: Expand,
}

/// What the executor runs for a structural operation: shapes worked out into strides.
#[derive(Debug)]
pub enum Kernel {
    /// A constant.
    Constant(Arc<Tensor>),
    /// The index along one dimension: `(i / inner) % size`.
    Iota {
        /// Size of the dimension.
        size: usize,
        /// Elements for each step along it.
        inner: usize,
    },
    /// The result's elements in order, read from operand 0 through strides.
    View(Strided),
    /// Operands written into the result through strides; the rest is filled.
    Place {
        /// Scalar operand that fills the rest; `None` where nothing is left.
        fill: Option<usize>,
        /// For each part its operand and the strides of the result it goes to.
        parts: Vec<(usize, Strided)>,
    },
    /// Operand 0's elements in order, added to the result through strides; the rest is 0.
    Accumulate(Strided),
    /// A reduction of operand 0.
    Reduce {
        /// Which.
        reduction: Reduction,
        /// Operand offsets of the kept dimensions, in the result's order.
        kept: Strided,
        /// Operand offsets of what is reduced for each of them.
        reduced: Strided,
    },
    /// A running reduction of operand 0, seen as `[outer, size, inner]`, along the middle dimension.
    Scan {
        /// Which.
        of: Reduction,
        /// Lines of rows.
        outer: usize,
        /// Rows that are combined one after the other.
        size: usize,
        /// Elements of a row.
        inner: usize,
        /// From the last row to the first.
        reverse: bool,
    },
    /// A tensor contraction.
    Dot(DotPlan),
    /// Windows read at indices (operand 1).
    Gather(WindowPlan),
    /// Windows (operand 2) added at indices (operand 1) to operand 0.
    ScatterAdd(WindowPlan),
    /// Windows (operand 2) written at indices (operand 1) over operand 0, in the order of the index vectors.
    Scatter(WindowPlan),
    /// Another element type.
    Convert,
    /// A comparison.
    Compare(Direction),
    /// Operand 1 where operand 0, else operand 2.
    Select,
    /// and, or, xor, not.
    Logical,
    /// Whether a number is finite, NaN or infinite.
    Classify,
    /// A node with bodies: what knows the functions lowers it.
    Bodies,
    /// A computation on dense tensors.
    Routine {
        /// Which.
        routine: Box<dyn Routine>,
        /// How often it runs: every operand and result holds that many items, one after the other.
        batch: usize,
    },
}

/// A computation on dense row-major tensors that is one instruction: a factorisation, a transform, a sort.
/// Elements that are f32 come as f64 and go back rounded.
pub trait Routine: std::fmt::Debug + Send + Sync {
    /// Computes one item of a batch. Every element of the results is written.
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]);

    /// Whether one item is large enough that [`Routine::run_by`] gains by several threads.
    fn is_shared(&self) -> bool {
        false
    }

    /// The same by several threads; no bit depends on how many.
    fn run_by(&self, _: &dyn Team, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        self.run(operands, results);
    }

    /// Bytes that it holds.
    fn bytes(&self) -> u64 {
        0
    }
}

/// An operand of a [`Routine`].
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "an element type each")]
pub enum Buffer<'a> {
    Float(&'a [f64]),
    Integer(&'a [i64]),
    Bool(&'a [bool]),
}

impl<'a> Buffer<'a> {
    /// The numbers of a floating-point operand; none of another.
    pub fn floats(&self) -> &'a [f64] {
        match *self {
            Buffer::Float(floats) => floats,
            _ => &[],
        }
    }

    /// The numbers of an integer operand; none of another.
    pub fn integers(&self) -> &'a [i64] {
        match *self {
            Buffer::Integer(integers) => integers,
            _ => &[],
        }
    }
}

/// A result of a [`Routine`].
#[derive(Debug)]
#[allow(missing_docs, reason = "an element type each")]
pub enum BufferMut<'a> {
    Float(&'a mut [f64]),
    Integer(&'a mut [i64]),
    Bool(&'a mut [bool]),
}

impl BufferMut<'_> {
    /// The numbers of a floating-point result; none of another.
    pub fn floats(&mut self) -> &mut [f64] {
        match self {
            BufferMut::Float(floats) => floats,
            _ => &mut [],
        }
    }

    /// The numbers of an integer result; none of another.
    pub fn integers(&mut self) -> &mut [i64] {
        match self {
            BufferMut::Integer(integers) => integers,
            _ => &mut [],
        }
    }
}

/// The shape of an elementwise result: that of the operands that are not scalars.
fn broadcast_shape<'a>(
    operands: impl IntoIterator<Item = &'a TensorType>,
) -> Result<crate::tensor::Shape, Problem> {
    let mut shape: Option<&crate::tensor::Shape> = None;
    for ty in operands {
        match shape {
            _ if ty.shape.is_empty() => {}
            None => shape = Some(&ty.shape),
            Some(first) if *first == ty.shape => {}
            Some(first) => {
                return Err(Problem::operands(format!(
                    "operands have shapes {first} and {}; insert broadcast_in_dim",
                    ty.shape
                )));
            }
        }
    }
    Ok(shape.cloned().unwrap_or_default())
}

/// Result type of an elementwise operation.
pub fn infer_elementwise(
    row: &Elementwise,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let dtype = operands[0].dtype;
    same_dtype(operands)?;
    if !(dtype.is_float() || row.integer && dtype == DType::I64) {
        let takes = if row.integer {
            "f64, f32 or i64"
        } else {
            "f64 or f32"
        };
        return Err(Problem::operand(
            0,
            format!("operand is {dtype}, the operation takes {takes}; insert convert"),
        ));
    }
    Ok(TensorType::new(
        dtype,
        broadcast_shape(operands.iter().copied())?,
    ))
}

fn same_dtype(operands: &[&TensorType]) -> Result<(), Problem> {
    let dtype = operands[0].dtype;
    match operands.iter().find(|ty| ty.dtype != dtype) {
        None => Ok(()),
        Some(other) => Err(Problem::operands(format!(
            "operands are {dtype} and {}; insert convert",
            other.dtype
        ))),
    }
}

/// Refuses operand `i` if it is neither f64 nor f32.
fn check_float(ty: &TensorType, i: usize) -> Result<(), Problem> {
    if ty.dtype.is_float() {
        return Ok(());
    }
    Err(Problem::operand(
        i,
        format!(
            "operand is {}, the operation takes f64 or f32; insert convert",
            ty.dtype
        ),
    ))
}

/// Elements of the result, for operations that cost one an element.
fn cost_of_result(_: &Attributes, types: &Types<'_>) -> u64 {
    types.result.elements()
}

/// A tangent that is there, or zeros of the operand's type.
fn tangent_or_zeros(cx: &mut dyn Emit, operand: ValueId, tangent: Option<ValueId>) -> ValueId {
    tangent.unwrap_or_else(|| {
        let ty = cx.ty(operand).clone();
        cx.full(&ty, 0.0)
    })
}

/// Checks that dimensions are distinct and below the rank.
fn check_dimensions(field: &'static str, dimensions: &[u32], rank: usize) -> Result<(), Problem> {
    for (i, &d) in dimensions.iter().enumerate() {
        if d as usize >= rank {
            return Err(Problem::attribute(
                field,
                format!("dimension {d} does not exist: the operand has rank {rank}"),
            ));
        }
        if dimensions[..i].contains(&d) {
            return Err(Problem::attribute(
                field,
                format!("dimension {d} is named twice; name it once"),
            ));
        }
    }
    Ok(())
}

/// Checks that a list has an entry for each dimension.
fn check_rank(field: &'static str, len: usize, rank: usize) -> Result<(), Problem> {
    if len == rank {
        return Ok(());
    }
    Err(Problem::attribute(
        field,
        format!("has {len} entries, the operand has rank {rank}; give one for each dimension"),
    ))
}
