//! Bundle adjustment as clients write it (Agarwal, Snavely, Seitz, Szeliski: "Bundle Adjustment in the Large", ECCV
//! 2010): observations look up their camera and their point, the rest is elementwise over observations. With it an independent
//! Jacobian of one observation, on dual numbers and by quaternions.

use crate::engine::{Random, tensor};
use crate::scenarios::Draft;
use gradient_engine::{
    Attributes, DType, GatherDimensions, Graph, Op, OutOfBounds, Tensor, TensorType, ValueId,
};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Who sees what.
pub struct Scene {
    /// For each observation its camera.
    pub camera_of: Vec<i64>,
    /// For each observation its point.
    pub point_of: Vec<i64>,
    /// Rotation vector, translation, focal length, two coefficients of radial distortion: shape [cameras, 9].
    pub cameras: Tensor,
    /// Shape [points, 3].
    pub points: Tensor,
    observed: Tensor,
}

impl Scene {
    /// Each point is seen by five cameras or so.
    pub fn new(cameras: u64, points: u64, observations: u64) -> Self {
        let mut random = Random(0xba11);
        let mut pick = |count: u64| (random.unit() * count as f64) as i64;
        let point_of = (0..observations).map(|i| (i * points / observations) as i64);
        let camera_of: Vec<i64> = (0..observations).map(|_| pick(cameras)).collect();
        let mut numbers = Vec::new();
        for _ in 0..cameras {
            let intervals = [
                (-0.7, 0.7),
                (-0.7, 0.7),
                (0.1, 0.7),
                (-0.5, 0.5),
                (-0.5, 0.5),
                (-6.0, -4.0),
            ];
            let lens = [(450.0, 550.0), (-0.1, 0.1), (-0.01, 0.01)];
            let all = intervals.into_iter().chain(lens);
            numbers.extend(all.map(|interval| random.within(interval)));
        }
        Self {
            point_of: point_of.collect(),
            camera_of,
            cameras: tensor(&TensorType::f64([cameras, 9]), &numbers),
            points: random.tensor(&TensorType::f64([points, 3]), (-1.0, 1.0)),
            observed: random.tensor(&TensorType::f64([observations, 2]), (-100.0, 100.0)),
        }
    }

    /// Residuals, shape [observations, 2], of `cameras` and `points`.
    pub fn graph(&self) -> Graph {
        let count = self.camera_of.len() as u64;
        let mut g = Draft::new("bundle");
        let cameras = g.input("cameras", &self.cameras.ty().shape);
        let points = g.input("points", &self.points.ty().shape);
        let mut look_up = |table: ValueId, places: &[i64], width: u64| {
            let indices = g.indices(&[count], places);
            let gather = GatherDimensions {
                offset_dims: vec![1],
                collapsed_slice_dims: vec![0],
                start_index_map: vec![0],
                index_vector_dim: 1,
                slice_sizes: vec![1, width],
                out_of_bounds: OutOfBounds::Clamp,
            };
            let rows = g.push(Op::Gather, &[table, indices], Attributes::Gather(gather));
            let column = |j: u64| {
                let slice = Attributes::Slice {
                    starts: vec![0, j],
                    limits: vec![count, j + 1],
                    strides: vec![],
                };
                let column = g.push(Op::Slice, &[rows], slice);
                let shape = vec![count];
                g.push(Op::Reshape, &[column], Attributes::Reshape { shape })
            };
            (0..width).map(column).collect::<Vec<_>>()
        };
        let camera = look_up(cameras, &self.camera_of, 9);
        let point = look_up(points, &self.point_of, 3);
        let [w, t] = [&camera[0..3], &camera[3..6]];
        let (f, k1, k2) = (camera[6], camera[7], camera[8]);
        let one = g.constant(Tensor::scalar(DType::F64, 1.0));
        let dot = |g: &mut Draft, a: &[ValueId], b: &[ValueId]| {
            let terms: Vec<ValueId> = (a.iter().zip(b))
                .map(|(&a, &b)| g.op(Op::Multiply, &[a, b]))
                .collect();
            let sum = g.op(Op::Add, &[terms[0], terms[1]]);
            g.op(Op::Add, &[sum, terms[2]])
        };
        // Rodrigues: R x = x cos θ + w × x sin θ / θ + w (w · x) (1 - cos θ) / θ².
        let square = dot(&mut g, w, w);
        let angle = g.op(Op::Sqrt, &[square]);
        let (sine, cosine) = (g.op(Op::Sin, &[angle]), g.op(Op::Cos, &[angle]));
        let a = g.op(Op::Divide, &[sine, angle]);
        let rest = g.op(Op::Subtract, &[one, cosine]);
        let b = g.op(Op::Divide, &[rest, square]);
        let along = dot(&mut g, w, &point);
        let b = g.op(Op::Multiply, &[b, along]);
        let turned: Vec<ValueId> = (0..3)
            .map(|i| {
                let (j, k) = ((i + 1) % 3, (i + 2) % 3);
                let left = g.op(Op::Multiply, &[w[j], point[k]]);
                let right = g.op(Op::Multiply, &[w[k], point[j]]);
                let cross = g.op(Op::Subtract, &[left, right]);
                let terms = [[point[i], cosine], [cross, a], [w[i], b]];
                let terms = terms.map(|pair| g.op(Op::Multiply, &pair));
                let sum = g.op(Op::Add, &[terms[0], terms[1]]);
                let sum = g.op(Op::Add, &[sum, terms[2]]);
                g.op(Op::Add, &[sum, t[i]])
            })
            .collect();
        let depth = g.op(Op::Negate, &[turned[2]]);
        let (x, y) = (
            g.op(Op::Divide, &[turned[0], depth]),
            g.op(Op::Divide, &[turned[1], depth]),
        );
        let [xx, yy] = [x, y].map(|v| g.op(Op::Multiply, &[v, v]));
        let r2 = g.op(Op::Add, &[xx, yy]);
        let far = g.op(Op::Multiply, &[k2, r2]);
        let near = g.op(Op::Add, &[k1, far]);
        let bent = g.op(Op::Multiply, &[r2, near]);
        let bent = g.op(Op::Add, &[one, bent]);
        let scale = g.op(Op::Multiply, &[f, bent]);
        let columns = [x, y].map(|v| {
            let v = g.op(Op::Multiply, &[scale, v]);
            let shape = vec![count, 1];
            g.push(Op::Reshape, &[v], Attributes::Reshape { shape })
        });
        let projected = g.push(
            Op::Concatenate,
            &columns,
            Attributes::Concatenate { dimension: 1 },
        );
        let observed = g.constant(self.observed.clone());
        let residuals = g.op(Op::Subtract, &[projected, observed]);
        g.finish(residuals)
    }

    /// Derivatives of both residuals of an observation by its camera's 9 and its point's 3 parameters.
    pub fn jacobian_of(
        &self,
        observation: usize,
        cameras: &[f64],
        points: &[f64],
    ) -> [[f64; 12]; 2] {
        let camera = 9 * self.camera_of[observation] as usize;
        let point = 3 * self.point_of[observation] as usize;
        let p: [Dual; 12] = std::array::from_fn(|i| {
            let v = if i < 9 {
                cameras[camera + i]
            } else {
                points[point + i - 9]
            };
            Dual::seed(v, i)
        });
        // A rotation by θ round u is conjugation with the quaternion (cos θ/2, u sin θ/2).
        let angle = (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
        let half = angle * Dual::of(0.5);
        let (q0, s) = (half.cos(), half.sin() / angle);
        let q = [p[0] * s, p[1] * s, p[2] * s];
        let x = [p[9], p[10], p[11]];
        let cross = |a: [Dual; 3], b: [Dual; 3]| {
            [
                a[1] * b[2] - a[2] * b[1],
                a[2] * b[0] - a[0] * b[2],
                a[0] * b[1] - a[1] * b[0],
            ]
        };
        let u = cross(q, x);
        let v = cross(q, u);
        let two = Dual::of(2.0);
        let c: [Dual; 3] = std::array::from_fn(|i| x[i] + two * (q0 * u[i] + v[i]) + p[3 + i]);
        let (a, b) = (-(c[0] / c[2]), -(c[1] / c[2]));
        let r2 = a * a + b * b;
        let scale = p[6] * (Dual::of(1.0) + r2 * p[7] + r2 * r2 * p[8]);
        [(scale * a).slopes, (scale * b).slopes]
    }
}

/// A number and its derivatives by 12 parameters.
#[derive(Clone, Copy)]
struct Dual {
    value: f64,
    slopes: [f64; 12],
}

impl Dual {
    fn of(value: f64) -> Self {
        let slopes = [0.0; 12];
        Self { value, slopes }
    }

    fn seed(value: f64, i: usize) -> Self {
        let mut seed = Self::of(value);
        seed.slopes[i] = 1.0;
        seed
    }

    fn chain(self, value: f64, slope: f64) -> Self {
        let slopes = self.slopes.map(|s| slope * s);
        Self { value, slopes }
    }

    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, 0.5 / root)
    }

    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }

    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }

    fn join(self, other: Self, value: f64, [a, b]: [f64; 2]) -> Self {
        let slopes = std::array::from_fn(|i| a * self.slopes[i] + b * other.slopes[i]);
        Self { value, slopes }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.join(other, self.value + other.value, [1.0, 1.0])
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.join(other, self.value - other.value, [1.0, -1.0])
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.join(other, self.value * other.value, [other.value, self.value])
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        self.join(other, value, [1.0 / other.value, -value / other.value])
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        self.chain(-self.value, -1.0)
    }
}

/// How many entries of the sparse blocks by cameras and by points differ from the independent Jacobian by more than
/// `tolerance` of the largest of their row, or are not where they should be.
pub fn wrong_entries(
    scene: &Scene,
    blocks: [(&[u64], &[u64], &[f64]); 2],
    tolerance: f64,
) -> usize {
    let (cameras, points) = (scene.cameras.to_f64(), scene.points.to_f64());
    let mut wrong = 0;
    let count = scene.camera_of.len();
    for ((rows, columns, values), per_row) in blocks.iter().zip([9, 3]) {
        if [rows.len(), columns.len(), values.len()] != [2 * count * per_row; 3] {
            return usize::MAX;
        }
    }
    for o in 0..count {
        let want = scene.jacobian_of(o, &cameras, &points);
        let bases = [9 * scene.camera_of[o] as u64, 3 * scene.point_of[o] as u64];
        for (r, want) in want.iter().enumerate() {
            let row = 2 * o + r;
            let scale = want.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            for (b, (width, first)) in [(9, 0), (3, 9)].into_iter().enumerate() {
                let (rows, columns, values) = blocks[b];
                for k in 0..width {
                    let at = row * width + k;
                    let placed = rows[at] == row as u64 && columns[at] == bases[b] + k as u64;
                    let error = (values[at] - want[first + k]).abs();
                    wrong += usize::from(
                        !(placed && values[at].is_finite() && error <= tolerance * scale),
                    );
                }
            }
        }
    }
    wrong
}
