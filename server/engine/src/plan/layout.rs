use crate::op::ValueId;
use crate::tensor::TensorType;
use std::sync::Arc;

/// Where a block's numbers come from: element `e` of `value` in lane `first_lane + i` stands at
/// `e · element_stride + i · lane_stride` of the block.
#[derive(Clone, Debug)]
pub struct BlockSource {
    /// Position of the output in the graph.
    pub output: Option<u32>,
    /// Position of the input.
    pub wrt: Option<u32>,
    /// Position of the second input, for Hessians.
    pub wrt_second: Option<u32>,
    /// The block's type at one point.
    pub ty: TensorType,
    /// `None`: zeros throughout.
    pub value: Option<ValueId>,
    /// The one element of the value that is the block's; `None`: all are.
    pub element: Option<u32>,
    /// First lane that belongs to the block.
    pub first_lane: u64,
    /// How many do.
    pub lanes: u64,
    /// See above.
    pub element_stride: u64,
    /// See above.
    pub lane_stride: u64,
    /// Of a sparse block, whose type is that of its entries: where they stand.
    pub coordinates: Option<Arc<Coordinates>>,
}

/// Where the entries of a sparse matrix stand: sorted by row, then column, without duplicates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coordinates {
    /// Rows and columns: elements of what is differentiated, and of what by.
    pub shape: [u64; 2],
    /// Row of each entry.
    pub rows: Vec<u64>,
    /// Column of each entry.
    pub columns: Vec<u64>,
}

/// A block's entry that is read from a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Lane of the group.
    pub lane: u32,
    /// Element of the value.
    pub element: u32,
    /// Where it goes.
    pub to: Entry,
}

/// An element of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Position of the block in its product.
    pub block: u32,
    /// Its element.
    pub at: u64,
}

/// What is read from a value of a group's sweeps.
#[derive(Clone, Debug)]
pub struct Compressed {
    /// The group.
    pub group: usize,
    /// The value.
    pub value: ValueId,
    /// By lane.
    pub reads: Vec<Read>,
    /// Whether they add up in their entries.
    pub adds: bool,
}

/// A Jacobian as the product of factors, the inputs' side first.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Each one's rows are the next one's columns.
    pub factors: Vec<Factor>,
    /// For each block its first row and column in the product; `None`: zeros throughout.
    pub starts: Vec<Option<[u64; 2]>>,
    /// Whether the outputs' side is multiplied first.
    pub from_left: bool,
    /// What multiplication takes.
    pub multiply_adds: u64,
}

/// A factor of a chain, row by row.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The group of its sweeps.
    pub group: usize,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: u64,
    /// What is read from the sweeps.
    pub parts: Vec<Part>,
    /// Diagonals of ones: first row, first column, length.
    pub ones: Vec<[u64; 3]>,
}

/// Part of a factor: element `e` of `value` in lane `first_lane + i` stands at
/// `at + e · element_step + i · lane_step`.
#[derive(Clone, Debug)]
pub struct Part {
    /// The value.
    pub value: ValueId,
    /// See above.
    pub first_lane: u64,
    /// How many lanes.
    pub lanes: u64,
    /// See above.
    pub at: u64,
    /// See above.
    pub element_step: u64,
    /// See above.
    pub lane_step: u64,
}

impl BlockSource {
    /// A value that needs no lanes.
    pub fn plain(value: Option<ValueId>, ty: TensorType) -> Self {
        Self {
            output: None,
            wrt: None,
            wrt_second: None,
            ty,
            value,
            element: None,
            first_lane: 0,
            lanes: 1,
            element_stride: 1,
            lane_stride: 0,
            coordinates: None,
        }
    }

    /// A value in each of `directions` lanes, stacked along a leading axis (0: one lane, no axis).
    pub fn stacked(value: Option<ValueId>, ty: &TensorType, directions: u32) -> Self {
        if directions == 0 {
            return Self::plain(value, ty.clone());
        }
        let shape = std::iter::once(u64::from(directions)).chain(ty.shape.iter().copied());
        Self {
            lanes: directions.into(),
            lane_stride: ty.elements(),
            ..Self::plain(value, TensorType::new(ty.dtype, shape.collect::<Vec<_>>()))
        }
    }

    /// A derivative block: type `of` differentiated by type `by`. Lanes run over `by` (columns) or over `of`
    /// (rows), from `first_lane`.
    pub fn matrix(
        value: Option<ValueId>,
        of: &TensorType,
        by: &TensorType,
        first_lane: u64,
        lanes_are_columns: bool,
    ) -> Self {
        let shape: Vec<u64> = of.shape.iter().chain(by.shape.iter()).copied().collect();
        let ty = TensorType::new(of.dtype, shape);
        let (lanes, element_stride, lane_stride) = match lanes_are_columns {
            true => (by.elements(), by.elements(), 1),
            false => (of.elements(), 1, by.elements()),
        };
        Self {
            first_lane,
            lanes,
            element_stride,
            lane_stride,
            ..Self::plain(value, ty)
        }
    }

    /// A derivative block that reads fill: dense zeros, or the entries of a sparse matrix.
    pub fn filled(of: &TensorType, by: &TensorType, coordinates: Option<Arc<Coordinates>>) -> Self {
        let dense = Self::matrix(None, of, by, 0, true);
        match coordinates {
            None => dense,
            Some(c) => Self {
                ty: TensorType::new(of.dtype, [c.rows.len() as u64]),
                coordinates: Some(c),
                ..dense
            },
        }
    }

    /// Named after the graph's positions.
    pub fn at(self, output: Option<u32>, wrt: Option<u32>, wrt_second: Option<u32>) -> Self {
        Self {
            output,
            wrt,
            wrt_second,
            ..self
        }
    }
}
