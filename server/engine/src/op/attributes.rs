use super::{Control, Derivative, Implicit, ImplicitKind};
use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// What an operation needs beside its operands. Empty lists mean the defaults of the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(
    missing_docs,
    reason = "fields are those of the wire contract, described there"
)]
pub enum Attributes {
    None,
    Constant(Arc<Tensor>),
    Iota {
        ty: TensorType,
        dimension: u32,
    },
    Convert {
        dtype: DType,
    },
    Compare {
        direction: Direction,
    },
    Reduce {
        axes: Vec<u32>,
        keep_dims: bool,
    },
    Reshape {
        shape: Vec<u64>,
    },
    Transpose {
        permutation: Vec<u32>,
    },
    BroadcastInDim {
        shape: Vec<u64>,
        dimensions: Vec<u32>,
    },
    Slice {
        starts: Vec<u64>,
        limits: Vec<u64>,
        strides: Vec<u64>,
    },
    Pad {
        low: Vec<u64>,
        high: Vec<u64>,
        interior: Vec<u64>,
    },
    Concatenate {
        dimension: u32,
    },
    DotGeneral(DotDimensions),
    Gather(GatherDimensions),
    Scatter(ScatterDimensions),
    IntegerPow {
        exponent: i32,
    },
    Variance {
        axes: Vec<u32>,
        keep_dims: bool,
        ddof: u32,
    },
    Norm {
        kind: NormKind,
        axes: Vec<u32>,
        keep_dims: bool,
    },
    ArgReduce {
        axis: u32,
        keep_dims: bool,
    },
    Cumulative {
        axis: u32,
        reverse: bool,
    },
    Softmax {
        axis: u32,
    },
    Diagonal {
        offset: i32,
    },
    Einsum {
        equation: String,
    },
    OneHot {
        depth: u64,
        dtype: DType,
    },
    Tile {
        repeats: Vec<u64>,
    },
    Reverse {
        dimensions: Vec<u32>,
    },
    DynamicSlice {
        sizes: Vec<u64>,
    },
    Sort {
        axis: u32,
        descending: bool,
    },
    TopK {
        k: u64,
    },
    TriangularSolve {
        lower: bool,
        transpose_a: bool,
        unit_diagonal: bool,
    },
    Solve {
        transpose_a: bool,
    },
    Windows(WindowDimensions),
    Convolution(ConvolutionDimensions),
    Pool(PoolDimensions),
    Fourier {
        length: u64,
    },
    Interpolate {
        kind: InterpolationKind,
        extrapolation: Extrapolation,
    },
    BSpline {
        degree: u32,
    },
    SparsePattern(Arc<SparsePattern>),
    SearchSorted {
        right: bool,
    },
    Control(Arc<Control>),
    Derivative(Arc<Derivative>),
    Implicit(Arc<Implicit>),
}

impl Attributes {
    /// Name of the attribute message's field in a wire node; empty for none.
    pub fn field(&self) -> &'static str {
        match self {
            Attributes::None => "",
            Attributes::Constant(_) => "constant",
            Attributes::Iota { .. } => "iota",
            Attributes::Convert { .. } => "convert",
            Attributes::Compare { .. } => "compare",
            Attributes::Reduce { .. } => "reduce",
            Attributes::Reshape { .. } => "reshape",
            Attributes::Transpose { .. } => "transpose",
            Attributes::BroadcastInDim { .. } => "broadcast_in_dim",
            Attributes::Slice { .. } => "slice",
            Attributes::Pad { .. } => "pad",
            Attributes::Concatenate { .. } => "concatenate",
            Attributes::DotGeneral(_) => "dot_general",
            Attributes::Gather(_) => "gather",
            Attributes::Scatter(_) => "scatter",
            Attributes::IntegerPow { .. } => "integer_pow",
            Attributes::Variance { .. } => "variance",
            Attributes::Norm { .. } => "norm",
            Attributes::ArgReduce { .. } => "arg_reduce",
            Attributes::Cumulative { .. } => "cumulative",
            Attributes::Softmax { .. } => "softmax",
            Attributes::Diagonal { .. } => "diagonal",
            Attributes::Einsum { .. } => "einsum",
            Attributes::OneHot { .. } => "one_hot",
            Attributes::Tile { .. } => "tile",
            Attributes::Reverse { .. } => "reverse",
            Attributes::DynamicSlice { .. } => "dynamic_slice",
            Attributes::Sort { .. } => "sort",
            Attributes::TopK { .. } => "top_k",
            Attributes::TriangularSolve { .. } => "triangular_solve",
            Attributes::Solve { .. } => "solve",
            Attributes::Windows(_) => "windows",
            Attributes::Convolution(_) => "convolution",
            Attributes::Pool(_) => "pool",
            Attributes::Fourier { .. } => "fourier",
            Attributes::Interpolate { .. } => "interpolate",
            Attributes::BSpline { .. } => "b_spline",
            Attributes::SparsePattern(_) => "sparse_pattern",
            Attributes::SearchSorted { .. } => "search_sorted",
            Attributes::Control(control) => control.field(),
            Attributes::Derivative(_) => "derivative",
            Attributes::Implicit(implicit) => match implicit.kind {
                ImplicitKind::Root => "implicit_root",
                ImplicitKind::FixedPoint => "fixed_point",
                ImplicitKind::LinearSolve => "linear_solve",
            },
        }
    }
}

/// Direction of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the usual six")]
pub enum Direction {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Direction; 6] = [
        Direction::Eq,
        Direction::Ne,
        Direction::Lt,
        Direction::Le,
        Direction::Gt,
        Direction::Ge,
    ];

    /// The sign people write.
    pub const fn symbol(self) -> &'static str {
        match self {
            Direction::Eq => "==",
            Direction::Ne => "!=",
            Direction::Lt => "<",
            Direction::Le => "<=",
            Direction::Gt => ">",
            Direction::Ge => ">=",
        }
    }
}

/// Dimensions of a tensor contraction; see `DotGeneral` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct DotDimensions {
    pub lhs_contracting: Vec<u32>,
    pub rhs_contracting: Vec<u32>,
    pub lhs_batch: Vec<u32>,
    pub rhs_batch: Vec<u32>,
}

/// What an index outside the tensor means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OutOfBounds {
    /// The window is moved to the nearest place inside.
    #[default]
    Clamp,
    /// Gather gives zeros, scatter drops the update.
    Drop,
}

/// Dimensions of a gather; see `Gather` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct GatherDimensions {
    pub offset_dims: Vec<u32>,
    pub collapsed_slice_dims: Vec<u32>,
    pub start_index_map: Vec<u32>,
    pub index_vector_dim: u32,
    pub slice_sizes: Vec<u64>,
    pub out_of_bounds: OutOfBounds,
}

/// Dimensions of a scatter; see `Scatter` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct ScatterDimensions {
    pub update_window_dims: Vec<u32>,
    pub inserted_window_dims: Vec<u32>,
    pub scatter_dims_to_operand_dims: Vec<u32>,
    pub index_vector_dim: u32,
    pub out_of_bounds: OutOfBounds,
}

/// Which vector norm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NormKind {
    /// Sum of absolute values.
    One,
    /// Square root of the sum of squares.
    #[default]
    Two,
    /// Largest absolute value.
    Inf,
    /// As [`NormKind::Two`]; without axes over the last two dimensions.
    Fro,
}

/// Windows over the last dimensions; see `Windows` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct WindowDimensions {
    pub sizes: Vec<u64>,
    pub strides: Vec<u64>,
    pub dilations: Vec<u64>,
    pub shape: Vec<u64>,
}

/// A convolution; see `Convolution` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct ConvolutionDimensions {
    pub strides: Vec<u64>,
    pub low: Vec<u64>,
    pub high: Vec<u64>,
    pub dilations: Vec<u64>,
    pub groups: u64,
}

/// Pooling windows; see `Pool` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct PoolDimensions {
    pub sizes: Vec<u64>,
    pub strides: Vec<u64>,
    pub low: Vec<u64>,
    pub high: Vec<u64>,
}

/// How values between knots are found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum InterpolationKind {
    /// Straight between knots.
    #[default]
    Linear,
    /// The natural cubic spline.
    Cubic,
}

/// What happens beyond the knots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Extrapolation {
    /// The value at the nearest end.
    #[default]
    Constant,
    /// The piece at the nearest end goes on.
    Extend,
    /// NaN.
    Nan,
}

/// Where a sparse matrix has entries; see `SparsePattern` in the wire contract.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub struct SparsePattern {
    pub row_count: u64,
    pub column_count: u64,
    pub rows: Vec<u64>,
    pub columns: Vec<u64>,
    pub transpose: bool,
}
