//! Attributes of nodes, both ways.

use super::functions::{Names, decode_bodies, encode_bodies};
use super::tensor::{Payload, decode_dtype, decode_type, encode_dtype, encode_tensor, encode_type};
use crate::{
    error::{Error, Result},
    store::TensorStore,
};
use gradient_engine::{
    Attributes, ConvolutionDimensions, Direction, DotDimensions, Extrapolation, Function,
    GatherDimensions, InterpolationKind, NormKind, OutOfBounds, PoolDimensions, ScatterDimensions,
    SparsePattern, WindowDimensions,
};
use gradient_proto::v1 as pb;
use pb::node::Attributes as Wire;
use std::{fmt::Display, sync::Arc};

/// Reads the attributes of the node that stands at `at`.
pub fn decode_attributes(
    attributes: Option<Wire>,
    at: &dyn Display,
    resident: &TensorStore,
    functions: &Names,
) -> Result<Attributes> {
    let Some(attributes) = attributes else {
        return Ok(Attributes::None);
    };
    // Of these there may be one for each element of a vector.
    let is_part = matches!(attributes, Wire::Slice(_) | Wire::Reshape(_));
    if !is_part && let Some(bodies) = decode_bodies(&attributes, at, functions)? {
        return Ok(bodies);
    }
    Ok(match attributes {
        Wire::Constant(a) => {
            let path = format_args!("{at}.constant.value");
            let value = a
                .value
                .ok_or_else(|| Error::invalid(path, "no value: set a tensor"))?;
            Attributes::Constant(Payload::decode(value, &path, resident)?.into_tensor())
        }
        Wire::Iota(a) => Attributes::Iota {
            ty: decode_type(a.r#type, &format_args!("{at}.iota.type"))?,
            dimension: a.dimension,
        },
        Wire::Convert(a) => Attributes::Convert {
            dtype: decode_dtype(a.dtype, &format_args!("{at}.convert.dtype"))?,
        },
        Wire::Compare(a) => Attributes::Compare {
            direction: decode_direction(a.direction, &format_args!("{at}.compare.direction"))?,
        },
        Wire::Reduce(a) => Attributes::Reduce {
            axes: a.axes,
            keep_dims: a.keep_dims,
        },
        Wire::Reshape(a) => Attributes::Reshape { shape: a.shape },
        Wire::Slice(a) => Attributes::Slice {
            starts: a.starts,
            limits: a.limits,
            strides: a.strides,
        },
        Wire::Transpose(a) => Attributes::Transpose {
            permutation: a.permutation,
        },
        Wire::BroadcastInDim(a) => Attributes::BroadcastInDim {
            shape: a.shape,
            dimensions: a.dimensions,
        },
        Wire::Pad(a) => Attributes::Pad {
            low: a.low,
            high: a.high,
            interior: a.interior,
        },
        Wire::Concatenate(a) => Attributes::Concatenate {
            dimension: a.dimension,
        },
        Wire::DotGeneral(a) => Attributes::DotGeneral(DotDimensions {
            lhs_contracting: a.lhs_contracting,
            rhs_contracting: a.rhs_contracting,
            lhs_batch: a.lhs_batch,
            rhs_batch: a.rhs_batch,
        }),
        Wire::Gather(a) => Attributes::Gather(GatherDimensions {
            offset_dims: a.offset_dims,
            collapsed_slice_dims: a.collapsed_slice_dims,
            start_index_map: a.start_index_map,
            index_vector_dim: a.index_vector_dim,
            slice_sizes: a.slice_sizes,
            out_of_bounds: decode_bounds(a.out_of_bounds, &format_args!("{at}.gather"))?,
        }),
        Wire::Scatter(a) => Attributes::Scatter(ScatterDimensions {
            update_window_dims: a.update_window_dims,
            inserted_window_dims: a.inserted_window_dims,
            scatter_dims_to_operand_dims: a.scatter_dims_to_operand_dims,
            index_vector_dim: a.index_vector_dim,
            out_of_bounds: decode_bounds(a.out_of_bounds, &format_args!("{at}.scatter"))?,
        }),
        Wire::IntegerPow(a) => Attributes::IntegerPow {
            exponent: a.exponent,
        },
        Wire::Variance(a) => Attributes::Variance {
            axes: a.axes,
            keep_dims: a.keep_dims,
            ddof: a.ddof,
        },
        Wire::Norm(a) => Attributes::Norm {
            kind: decode_norm(a.kind, &format_args!("{at}.norm.kind"))?,
            axes: a.axes,
            keep_dims: a.keep_dims,
        },
        Wire::ArgReduce(a) => Attributes::ArgReduce {
            axis: a.axis,
            keep_dims: a.keep_dims,
        },
        Wire::Cumulative(a) => Attributes::Cumulative {
            axis: a.axis,
            reverse: a.reverse,
        },
        Wire::Softmax(a) => Attributes::Softmax { axis: a.axis },
        Wire::Diagonal(a) => Attributes::Diagonal { offset: a.offset },
        Wire::Einsum(a) => Attributes::Einsum {
            equation: a.equation,
        },
        Wire::OneHot(a) => Attributes::OneHot {
            depth: a.depth,
            dtype: decode_dtype(a.dtype, &format_args!("{at}.one_hot.dtype"))?,
        },
        Wire::Tile(a) => Attributes::Tile { repeats: a.repeats },
        Wire::Reverse(a) => Attributes::Reverse {
            dimensions: a.dimensions,
        },
        Wire::DynamicSlice(a) => Attributes::DynamicSlice { sizes: a.sizes },
        Wire::Sort(a) => Attributes::Sort {
            axis: a.axis,
            descending: a.descending,
        },
        Wire::TopK(a) => Attributes::TopK { k: a.k },
        Wire::TriangularSolve(a) => Attributes::TriangularSolve {
            lower: a.lower,
            transpose_a: a.transpose_a,
            unit_diagonal: a.unit_diagonal,
        },
        Wire::Solve(a) => Attributes::Solve {
            transpose_a: a.transpose_a,
        },
        Wire::Windows(a) => Attributes::Windows(WindowDimensions {
            sizes: a.sizes,
            strides: a.strides,
            dilations: a.dilations,
            shape: a.shape,
        }),
        Wire::Convolution(a) => Attributes::Convolution(ConvolutionDimensions {
            strides: a.strides,
            low: a.low,
            high: a.high,
            dilations: a.dilations,
            groups: a.groups,
        }),
        Wire::Pool(a) => Attributes::Pool(PoolDimensions {
            sizes: a.sizes,
            strides: a.strides,
            low: a.low,
            high: a.high,
        }),
        Wire::Fourier(a) => Attributes::Fourier { length: a.length },
        Wire::Interpolate(a) => Attributes::Interpolate {
            kind: decode_interpolation(a.kind, &format_args!("{at}.interpolate.kind"))?,
            extrapolation: decode_extrapolation(
                a.extrapolation,
                &format_args!("{at}.interpolate.extrapolation"),
            )?,
        },
        Wire::BSpline(a) => Attributes::BSpline { degree: a.degree },
        Wire::SparsePattern(a) => Attributes::SparsePattern(Arc::new(SparsePattern {
            row_count: a.row_count,
            column_count: a.column_count,
            rows: a.rows,
            columns: a.columns,
            transpose: a.transpose,
        })),
        Wire::SearchSorted(a) => Attributes::SearchSorted { right: a.right },
        Wire::Call(_)
        | Wire::Cond(_)
        | Wire::While(_)
        | Wire::Scan(_)
        | Wire::Map(_)
        | Wire::Derivative(_)
        | Wire::ImplicitRoot(_)
        | Wire::FixedPoint(_)
        | Wire::LinearSolve(_) => Attributes::None,
    })
}

fn decode_direction(number: i32, path: &dyn Display) -> Result<Direction> {
    use pb::CompareDirection as D;
    match D::try_from(number) {
        Ok(D::Eq) => Ok(Direction::Eq),
        Ok(D::Ne) => Ok(Direction::Ne),
        Ok(D::Lt) => Ok(Direction::Lt),
        Ok(D::Le) => Ok(Direction::Le),
        Ok(D::Gt) => Ok(Direction::Gt),
        Ok(D::Ge) => Ok(Direction::Ge),
        Ok(D::Unspecified) | Err(_) => {
            let message = format!("unknown direction {number}: set EQ, NE, LT, LE, GT or GE");
            Err(Error::invalid(path, message))
        }
    }
}

fn decode_bounds(number: i32, at: &dyn Display) -> Result<OutOfBounds> {
    match pb::OutOfBounds::try_from(number) {
        Ok(pb::OutOfBounds::Unspecified | pb::OutOfBounds::Clamp) => Ok(OutOfBounds::Clamp),
        Ok(pb::OutOfBounds::Drop) => Ok(OutOfBounds::Drop),
        Err(_) => {
            let path = format_args!("{at}.out_of_bounds");
            let message = format!("unknown value {number}: set CLAMP or DROP");
            Err(Error::invalid(path, message))
        }
    }
}

fn decode_norm(number: i32, path: &dyn Display) -> Result<NormKind> {
    match pb::NormKind::try_from(number) {
        Ok(pb::NormKind::One) => Ok(NormKind::One),
        Ok(pb::NormKind::Unspecified | pb::NormKind::Two) => Ok(NormKind::Two),
        Ok(pb::NormKind::Inf) => Ok(NormKind::Inf),
        Ok(pb::NormKind::Fro) => Ok(NormKind::Fro),
        Err(_) => {
            let message = format!("unknown norm {number}: set ONE, TWO, INF or FRO");
            Err(Error::invalid(path, message))
        }
    }
}

fn decode_interpolation(number: i32, path: &dyn Display) -> Result<InterpolationKind> {
    use pb::InterpolationKind as K;
    match K::try_from(number) {
        Ok(K::Unspecified | K::Linear) => Ok(InterpolationKind::Linear),
        Ok(K::Cubic) => Ok(InterpolationKind::Cubic),
        Err(_) => {
            let message = format!("unknown kind {number}: set LINEAR or CUBIC");
            Err(Error::invalid(path, message))
        }
    }
}

fn decode_extrapolation(number: i32, path: &dyn Display) -> Result<Extrapolation> {
    use pb::Extrapolation as E;
    match E::try_from(number) {
        Ok(E::Unspecified | E::Constant) => Ok(Extrapolation::Constant),
        Ok(E::Extend) => Ok(Extrapolation::Extend),
        Ok(E::Nan) => Ok(Extrapolation::Nan),
        Err(_) => {
            let message = format!("unknown value {number}: set CONSTANT, EXTEND or NAN");
            Err(Error::invalid(path, message))
        }
    }
}

/// Attributes for the wire.
pub fn encode_attributes(attributes: &Attributes, functions: &[Function]) -> Option<Wire> {
    if let Some(bodies) = encode_bodies(attributes, functions) {
        return Some(bodies);
    }
    Some(match attributes.clone() {
        Attributes::None => return None,
        Attributes::Constant(value) => Wire::Constant(Box::new(pb::Constant {
            value: Some(encode_tensor((*value).clone())),
        })),
        Attributes::Iota { ty, dimension } => Wire::Iota(Box::new(pb::Iota {
            r#type: Some(encode_type(&ty)),
            dimension,
        })),
        Attributes::Convert { dtype } => Wire::Convert(Box::new(pb::Convert {
            dtype: encode_dtype(dtype).into(),
        })),
        Attributes::Compare { direction } => Wire::Compare(Box::new(pb::Compare {
            direction: encode_direction(direction).into(),
        })),
        Attributes::Reduce { axes, keep_dims } => {
            Wire::Reduce(Box::new(pb::Reduce { axes, keep_dims }))
        }
        Attributes::Reshape { shape } => Wire::Reshape(Box::new(pb::Reshape { shape })),
        Attributes::Transpose { permutation } => {
            Wire::Transpose(Box::new(pb::Transpose { permutation }))
        }
        Attributes::BroadcastInDim { shape, dimensions } => {
            Wire::BroadcastInDim(Box::new(pb::BroadcastInDim { shape, dimensions }))
        }
        Attributes::Slice {
            starts,
            limits,
            strides,
        } => Wire::Slice(Box::new(pb::Slice {
            starts,
            limits,
            strides,
        })),
        Attributes::Pad {
            low,
            high,
            interior,
        } => Wire::Pad(Box::new(pb::Pad {
            low,
            high,
            interior,
        })),
        Attributes::Concatenate { dimension } => {
            Wire::Concatenate(Box::new(pb::Concatenate { dimension }))
        }
        Attributes::DotGeneral(a) => Wire::DotGeneral(Box::new(pb::DotGeneral {
            lhs_contracting: a.lhs_contracting,
            rhs_contracting: a.rhs_contracting,
            lhs_batch: a.lhs_batch,
            rhs_batch: a.rhs_batch,
        })),
        Attributes::Gather(a) => Wire::Gather(Box::new(pb::Gather {
            offset_dims: a.offset_dims,
            collapsed_slice_dims: a.collapsed_slice_dims,
            start_index_map: a.start_index_map,
            index_vector_dim: a.index_vector_dim,
            slice_sizes: a.slice_sizes,
            out_of_bounds: encode_bounds(a.out_of_bounds).into(),
        })),
        Attributes::Scatter(a) => Wire::Scatter(Box::new(pb::Scatter {
            update_window_dims: a.update_window_dims,
            inserted_window_dims: a.inserted_window_dims,
            scatter_dims_to_operand_dims: a.scatter_dims_to_operand_dims,
            index_vector_dim: a.index_vector_dim,
            out_of_bounds: encode_bounds(a.out_of_bounds).into(),
        })),
        Attributes::IntegerPow { exponent } => {
            Wire::IntegerPow(Box::new(pb::IntegerPow { exponent }))
        }
        Attributes::Variance {
            axes,
            keep_dims,
            ddof,
        } => Wire::Variance(Box::new(pb::Variance {
            axes,
            keep_dims,
            ddof,
        })),
        Attributes::Norm {
            kind,
            axes,
            keep_dims,
        } => Wire::Norm(Box::new(pb::Norm {
            kind: encode_norm(kind).into(),
            axes,
            keep_dims,
        })),
        Attributes::ArgReduce { axis, keep_dims } => {
            Wire::ArgReduce(Box::new(pb::ArgReduce { axis, keep_dims }))
        }
        Attributes::Cumulative { axis, reverse } => {
            Wire::Cumulative(Box::new(pb::Cumulative { axis, reverse }))
        }
        Attributes::Softmax { axis } => Wire::Softmax(Box::new(pb::Softmax { axis })),
        Attributes::Diagonal { offset } => Wire::Diagonal(Box::new(pb::Diagonal { offset })),
        Attributes::Einsum { equation } => Wire::Einsum(Box::new(pb::Einsum { equation })),
        Attributes::OneHot { depth, dtype } => Wire::OneHot(Box::new(pb::OneHot {
            depth,
            dtype: encode_dtype(dtype).into(),
        })),
        Attributes::Tile { repeats } => Wire::Tile(Box::new(pb::Tile { repeats })),
        Attributes::Reverse { dimensions } => Wire::Reverse(Box::new(pb::Reverse { dimensions })),
        Attributes::DynamicSlice { sizes } => {
            Wire::DynamicSlice(Box::new(pb::DynamicSlice { sizes }))
        }
        Attributes::Sort { axis, descending } => {
            Wire::Sort(Box::new(pb::Sort { axis, descending }))
        }
        Attributes::TopK { k } => Wire::TopK(Box::new(pb::TopK { k })),
        Attributes::TriangularSolve {
            lower,
            transpose_a,
            unit_diagonal,
        } => Wire::TriangularSolve(Box::new(pb::TriangularSolve {
            lower,
            transpose_a,
            unit_diagonal,
        })),
        Attributes::Solve { transpose_a } => Wire::Solve(Box::new(pb::Solve { transpose_a })),
        Attributes::Windows(a) => Wire::Windows(Box::new(pb::Windows {
            sizes: a.sizes,
            strides: a.strides,
            dilations: a.dilations,
            shape: a.shape,
        })),
        Attributes::Convolution(a) => Wire::Convolution(Box::new(pb::Convolution {
            strides: a.strides,
            low: a.low,
            high: a.high,
            dilations: a.dilations,
            groups: a.groups,
        })),
        Attributes::Pool(a) => Wire::Pool(Box::new(pb::Pool {
            sizes: a.sizes,
            strides: a.strides,
            low: a.low,
            high: a.high,
        })),
        Attributes::Fourier { length } => Wire::Fourier(Box::new(pb::Fourier { length })),
        Attributes::Interpolate {
            kind,
            extrapolation,
        } => Wire::Interpolate(Box::new(pb::Interpolate {
            kind: match kind {
                InterpolationKind::Linear => pb::InterpolationKind::Linear,
                InterpolationKind::Cubic => pb::InterpolationKind::Cubic,
            }
            .into(),
            extrapolation: match extrapolation {
                Extrapolation::Constant => pb::Extrapolation::Constant,
                Extrapolation::Extend => pb::Extrapolation::Extend,
                Extrapolation::Nan => pb::Extrapolation::Nan,
            }
            .into(),
        })),
        Attributes::BSpline { degree } => Wire::BSpline(Box::new(pb::BSpline { degree })),
        Attributes::SparsePattern(a) => Wire::SparsePattern(Box::new(pb::SparsePattern {
            row_count: a.row_count,
            column_count: a.column_count,
            rows: a.rows.clone(),
            columns: a.columns.clone(),
            transpose: a.transpose,
        })),
        Attributes::Control(_) | Attributes::Derivative(_) | Attributes::Implicit(_) => {
            return None;
        }
        Attributes::SearchSorted { right } => {
            Wire::SearchSorted(Box::new(pb::SearchSorted { right }))
        }
    })
}

fn encode_norm(kind: NormKind) -> pb::NormKind {
    match kind {
        NormKind::One => pb::NormKind::One,
        NormKind::Two => pb::NormKind::Two,
        NormKind::Inf => pb::NormKind::Inf,
        NormKind::Fro => pb::NormKind::Fro,
    }
}

fn encode_direction(direction: Direction) -> pb::CompareDirection {
    match direction {
        Direction::Eq => pb::CompareDirection::Eq,
        Direction::Ne => pb::CompareDirection::Ne,
        Direction::Lt => pb::CompareDirection::Lt,
        Direction::Le => pb::CompareDirection::Le,
        Direction::Gt => pb::CompareDirection::Gt,
        Direction::Ge => pb::CompareDirection::Ge,
    }
}

fn encode_bounds(bounds: OutOfBounds) -> pb::OutOfBounds {
    match bounds {
        OutOfBounds::Clamp => pb::OutOfBounds::Clamp,
        OutOfBounds::Drop => pb::OutOfBounds::Drop,
    }
}
