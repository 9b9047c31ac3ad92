//! Values between tapes: elements × lanes, lanes innermost, as in a tape's memory.

use crate::execute::memory::{Element, Memory, for_dtype};
use crate::tape::Place;
use crate::tensor::DType;
use smallvec::SmallVec;

/// A value for every lane, or one for all.
#[derive(Clone, Debug)]
pub struct Column {
    data: Data,
    /// Elements of one lane.
    pub elements: usize,
    /// Lanes; 1 if it does not vary.
    lanes: usize,
    /// Whether every lane has its own.
    varying: bool,
}

/// What most loops carry is one number.
type Few<T> = SmallVec<[T; 4]>;

#[derive(Clone, Debug)]
enum Data {
    F64(Few<f64>),
    F32(Few<f32>),
    I64(Few<i64>),
    Bool(Few<bool>),
}

macro_rules! both {
    ($a:expr, $b:expr, ($x:ident, $y:ident) => $body:expr) => {
        match ($a, $b) {
            (Data::F64($x), Data::F64($y)) => $body,
            (Data::F32($x), Data::F32($y)) => $body,
            (Data::I64($x), Data::I64($y)) => $body,
            (Data::Bool($x), Data::Bool($y)) => $body,
            _ => {}
        }
    };
}

/// Rust types of columns.
trait Stored: Element {
    fn of(data: &Data) -> &[Self];
    fn of_mut(data: &mut Data) -> &mut Few<Self>;
}

macro_rules! stored {
    ($t:ty, $variant:ident) => {
        impl Stored for $t {
            fn of(data: &Data) -> &[Self] {
                match data {
                    Data::$variant(v) => v,
                    _ => &[],
                }
            }
            fn of_mut(data: &mut Data) -> &mut Few<Self> {
                if !matches!(data, Data::$variant(_)) {
                    *data = Data::$variant(Few::new());
                }
                match data {
                    Data::$variant(v) => v,
                    _ => unreachable!("just made"),
                }
            }
        }
    };
}

stored!(f64, F64);
stored!(f32, F32);
stored!(i64, I64);
stored!(bool, Bool);

impl Column {
    /// Nothing yet, to be loaded.
    pub fn empty() -> Self {
        Self {
            data: Data::F64(Few::new()),
            elements: 0,
            lanes: 1,
            varying: false,
        }
    }

    /// Zeros; with lanes one for each.
    pub fn zeros(elements: usize, dtype: DType, lanes: Option<usize>) -> Self {
        let count = elements * lanes.unwrap_or(1);
        Self {
            data: match dtype {
                DType::F64 => Data::F64(Few::from_elem(0.0, count)),
                DType::F32 => Data::F32(Few::from_elem(0.0, count)),
                DType::I64 => Data::I64(Few::from_elem(0, count)),
                DType::Bool => Data::Bool(Few::from_elem(false, count)),
            },
            elements,
            lanes: lanes.unwrap_or(1),
            varying: lanes.is_some(),
        }
    }

    /// Reads a place.
    pub fn load(&mut self, memory: Memory<'_>, place: Place) {
        fn typed<T: Stored>(column: &mut Column, memory: Memory<'_>, place: Place) {
            let to = T::of_mut(&mut column.data);
            to.clear();
            to.extend(memory.at::<T>(place).iter().map(|c| c.get()));
        }
        self.elements = place.elements as usize;
        self.lanes = memory.lanes_of(place.slot);
        self.varying = place.slot.varies();
        for_dtype!(place.dtype, typed(self, memory, place));
    }

    /// The value of a place.
    pub fn at(memory: Memory<'_>, place: Place) -> Self {
        let mut column = Self::empty();
        column.load(memory, place);
        column
    }

    /// Writes a place, once for every lane if only the place varies.
    pub fn store(&self, memory: Memory<'_>, place: Place) {
        fn typed<T: Stored>(column: &Column, memory: Memory<'_>, place: Place) {
            let cells = memory.at::<T>(place);
            let from = T::of(&column.data);
            let lanes = memory.lanes_of(place.slot);
            if lanes == column.lanes {
                cells.iter().zip(from).for_each(|(c, &x)| c.set(x));
                return;
            }
            for (row, &x) in cells.chunks_exact(lanes).zip(from) {
                row.iter().for_each(|c| c.set(x));
            }
        }
        for_dtype!(place.dtype, typed(self, memory, place));
    }

    /// Writes step `i` of a sequence into a place.
    pub fn store_step(&self, i: usize, memory: Memory<'_>, place: Place) {
        fn typed<T: Stored>(column: &Column, i: usize, memory: Memory<'_>, place: Place) {
            let cells = memory.at::<T>(place);
            let each = place.elements as usize * column.lanes;
            let from = &T::of(&column.data)[i * each..][..each];
            let lanes = memory.lanes_of(place.slot);
            if lanes == column.lanes {
                cells.iter().zip(from).for_each(|(c, &x)| c.set(x));
                return;
            }
            for (row, &x) in cells.chunks_exact(lanes).zip(from) {
                row.iter().for_each(|c| c.set(x));
            }
        }
        for_dtype!(place.dtype, typed(self, i, memory, place));
    }

    /// Reads step `i` of a sequence from a place.
    pub fn load_step(&mut self, i: usize, memory: Memory<'_>, place: Place) {
        fn typed<T: Stored>(column: &mut Column, i: usize, memory: Memory<'_>, place: Place) {
            let cells = memory.at::<T>(place);
            let each = place.elements as usize * column.lanes;
            let lanes = memory.lanes_of(place.slot);
            let column_lanes = column.lanes;
            let to = &mut T::of_mut(&mut column.data)[i * each..][..each];
            if lanes == column_lanes {
                to.iter_mut().zip(cells).for_each(|(x, c)| *x = c.get());
                return;
            }
            for (row, c) in to.chunks_exact_mut(column_lanes).zip(cells) {
                row.fill(c.get());
            }
        }
        for_dtype!(place.dtype, typed(self, i, memory, place));
    }

    /// The lanes named; itself if it does not vary.
    pub fn pick(&self, lanes: &[u32]) -> Self {
        if !self.varying {
            return self.clone();
        }
        fn picked<T: Copy>(from: &[T], stride: usize, lanes: &[u32]) -> Few<T> {
            let rows = from.chunks_exact(stride);
            rows.flat_map(|row| lanes.iter().map(|&l| row[l as usize]))
                .collect()
        }
        let data = match &self.data {
            Data::F64(v) => Data::F64(picked(v, self.lanes, lanes)),
            Data::F32(v) => Data::F32(picked(v, self.lanes, lanes)),
            Data::I64(v) => Data::I64(picked(v, self.lanes, lanes)),
            Data::Bool(v) => Data::Bool(picked(v, self.lanes, lanes)),
        };
        Self {
            data,
            lanes: lanes.len(),
            ..*self
        }
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F64(_) => DType::F64,
            Data::F32(_) => DType::F32,
            Data::I64(_) => DType::I64,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// Writes the lanes named, or all.
    pub fn put_all(&mut self, lanes: Option<&[u32]>, from: &Self) {
        if let Some(lanes) = lanes {
            return self.put(lanes, from);
        }
        let (stride, own) = (self.lanes, from.lanes);
        both!(&mut self.data, &from.data, (to, from) => {
            match own == stride {
                true => to.copy_from_slice(from),
                false => {
                    for (row, &x) in to.chunks_exact_mut(stride).zip(from) {
                        row.fill(x);
                    }
                }
            }
        });
    }

    /// Writes the lanes named from a column that has only those.
    pub fn put(&mut self, lanes: &[u32], from: &Self) {
        let (stride, own) = (self.lanes, from.lanes);
        both!(&mut self.data, &from.data, (to, from) => {
            for (e, row) in to.chunks_exact_mut(stride).enumerate() {
                for (k, &l) in lanes.iter().enumerate() {
                    row[l as usize] = from[e * own + if own == 1 { 0 } else { k }];
                }
            }
        });
    }

    /// Adds to the lanes named, or to all.
    pub fn add(&mut self, lanes: Option<&[u32]>, from: &Self) {
        fn typed<T: Copy + std::ops::AddAssign>(
            to: &mut [T],
            stride: usize,
            lanes: Option<&[u32]>,
            from: &[T],
            own: usize,
        ) {
            let at = |e: usize, k: usize| from[e * own + if own == 1 { 0 } else { k }];
            for (e, row) in to.chunks_exact_mut(stride).enumerate() {
                match lanes {
                    None => row.iter_mut().enumerate().for_each(|(k, x)| *x += at(e, k)),
                    Some(lanes) => {
                        for (k, &l) in lanes.iter().enumerate() {
                            row[l as usize] += at(e, k);
                        }
                    }
                }
            }
        }
        let (stride, own) = (self.lanes, from.lanes);
        match (&mut self.data, &from.data) {
            (Data::F64(to), Data::F64(from)) => typed(to, stride, lanes, from, own),
            (Data::F32(to), Data::F32(from)) => typed(to, stride, lanes, from, own),
            _ => {}
        }
    }

    /// Whether lane `l` holds true.
    pub fn is_true(&self, l: usize) -> bool {
        match &self.data {
            Data::Bool(v) => v
                .get(if self.varying { l } else { 0 })
                .copied()
                .unwrap_or(false),
            _ => false,
        }
    }

    /// The index in lane `l`: of a bool 0 or 1.
    pub fn index(&self, l: usize) -> i64 {
        let l = if self.varying { l } else { 0 };
        match &self.data {
            Data::Bool(v) => i64::from(v[l]),
            Data::I64(v) => v[l],
            _ => 0,
        }
    }

    /// Lanes; 1 if it does not vary.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// All elements × lanes, if they are f64.
    pub fn numbers(&self) -> Option<&[f64]> {
        match &self.data {
            Data::F64(v) => Some(v),
            _ => None,
        }
    }

    /// The same, to be written.
    pub fn numbers_mut(&mut self) -> Option<&mut [f64]> {
        match &mut self.data {
            Data::F64(v) => Some(v),
            _ => None,
        }
    }

    /// Whether every lane has its own.
    pub fn varies(&self) -> bool {
        self.varying
    }

    /// Words of 8 bytes that [`Column::write_words`] writes.
    pub fn words(&self) -> usize {
        self.elements * self.lanes
    }

    /// Appends the value as words.
    pub fn write_words(&self, to: &mut Vec<u64>) {
        match &self.data {
            Data::F64(v) => to.extend(v.iter().map(|x| x.to_bits())),
            Data::F32(v) => to.extend(v.iter().map(|x| u64::from(x.to_bits()))),
            Data::I64(v) => to.extend(v.iter().map(|&x| x as u64)),
            Data::Bool(v) => to.extend(v.iter().map(|&x| u64::from(x))),
        }
    }

    /// A value like `self` of so many lanes, from words.
    pub fn read_words(&self, from: &[u64], lanes: usize) -> Self {
        let lanes = if self.varying { lanes } else { 1 };
        let from = &from[..self.elements * lanes];
        let data = match &self.data {
            Data::F64(_) => Data::F64(from.iter().map(|&x| f64::from_bits(x)).collect()),
            Data::F32(_) => Data::F32(from.iter().map(|&x| f32::from_bits(x as u32)).collect()),
            Data::I64(_) => Data::I64(from.iter().map(|&x| x as i64).collect()),
            Data::Bool(_) => Data::Bool(from.iter().map(|&x| x != 0).collect()),
        };
        Self {
            data,
            lanes,
            ..*self
        }
    }

    /// The same for every one of so many lanes.
    pub fn widened(self, lanes: usize) -> Self {
        if self.varying {
            return self;
        }
        fn wide<T: Copy>(from: &[T], lanes: usize) -> Few<T> {
            from.iter()
                .flat_map(|&x| std::iter::repeat_n(x, lanes))
                .collect()
        }
        let data = match &self.data {
            Data::F64(v) => Data::F64(wide(v, lanes)),
            Data::F32(v) => Data::F32(wide(v, lanes)),
            Data::I64(v) => Data::I64(wide(v, lanes)),
            Data::Bool(v) => Data::Bool(wide(v, lanes)),
        };
        Self {
            data,
            lanes,
            varying: true,
            ..self
        }
    }
}
