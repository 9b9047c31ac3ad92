//! Derivatives along directions, and the two exact ways to them: dual and complex numbers.

use crate::error::Error;
use crate::execute::Stop;
use crate::execute::dual::{Data, Evaluator, Number, Value};
use crate::tensor::TensorRef;
use num_complex::Complex64;
use num_dual::{Dual64, HyperDual64};

/// One point: the graph's inputs, in order.
pub type Point<'a> = [TensorRef<'a>];

/// A direction in the space of all inputs.
#[derive(Clone, Copy, Debug)]
pub enum Direction<'a> {
    /// One element of one input.
    Unit {
        /// Position of the input.
        input: usize,
        /// The element.
        element: usize,
    },
    /// For each input the direction's elements; none for one that stands still.
    Along(&'a [Vec<f64>]),
}

/// Two directions of a second derivative.
pub type Pair<'a> = (Direction<'a>, Direction<'a>);

impl Direction<'_> {
    /// Component of an input's element.
    pub fn component(&self, input: usize, element: usize) -> f64 {
        match *self {
            Direction::Unit {
                input: i,
                element: e,
            } => f64::from(u8::from(i == input && e == element)),
            Direction::Along(all) => all[input].get(element).copied().unwrap_or(0.0),
        }
    }
}

/// A way to derivatives along directions. Outputs by position, of floating-point type; their elements follow one
/// another.
pub trait Directional {
    /// The outputs themselves, of whatever type, as f64.
    fn value(&mut self, point: &Point<'_>, outputs: &[u32]) -> Result<Vec<Vec<f64>>, Error>;

    /// Their first derivative along each direction.
    fn first(
        &mut self,
        point: &Point<'_>,
        directions: &[Direction<'_>],
        outputs: &[u32],
    ) -> Result<Vec<Vec<f64>>, Error>;

    /// A scalar output's second derivative along each pair of directions.
    fn second(
        &mut self,
        point: &Point<'_>,
        pairs: &[Pair<'_>],
        output: u32,
    ) -> Result<Vec<f64>, Error>;
}

/// Dual numbers for first derivatives, hyper-dual ones for second (Fike and Alonso, 2011).
pub struct Duals<'a> {
    evaluator: &'a Evaluator,
    stop: &'a Stop,
}

impl<'a> Duals<'a> {
    pub(in crate::execute) fn new(evaluator: &'a Evaluator, stop: &'a Stop) -> Self {
        Self { evaluator, stop }
    }

    fn run<N: Number>(
        &self,
        point: &Point<'_>,
        seed: impl Fn(f64, usize, usize) -> N,
    ) -> Result<Vec<Value<N>>, Error> {
        self.stop.check()?;
        self.evaluator.run(seeded(point, seed), self.stop)
    }
}

/// The point with what `seed` makes of each number, its input and its element.
fn seeded<N: Number>(point: &Point<'_>, seed: impl Fn(f64, usize, usize) -> N) -> Vec<Value<N>> {
    let inputs = point.iter().enumerate().map(|(i, &tensor)| {
        let mut value = Value::<N>::constant(tensor);
        if let Data::Float(data) = &mut value.data {
            for (e, x) in data.iter_mut().enumerate() {
                *x = seed(x.value(), i, e);
            }
        }
        value
    });
    inputs.collect()
}

fn as_f64<N: Number>(value: &Value<N>) -> Vec<f64> {
    match &value.data {
        Data::Float(v) => v.iter().map(Number::value).collect(),
        Data::Integer(v) => v.iter().map(|&k| k as f64).collect(),
        Data::Bool(v) => v.iter().map(|&p| f64::from(u8::from(p))).collect(),
    }
}

impl Directional for Duals<'_> {
    fn value(&mut self, point: &Point<'_>, outputs: &[u32]) -> Result<Vec<Vec<f64>>, Error> {
        let values = self.run(point, |x, _, _| Dual64::new(x, 0.0))?;
        Ok(outputs
            .iter()
            .map(|&o| as_f64(&values[o as usize]))
            .collect())
    }

    fn first(
        &mut self,
        point: &Point<'_>,
        directions: &[Direction<'_>],
        outputs: &[u32],
    ) -> Result<Vec<Vec<f64>>, Error> {
        let one = |direction: &Direction<'_>| {
            let seed = |x, i, e| Dual64::new(x, direction.component(i, e));
            let values = self.run(point, seed)?;
            let of = outputs.iter().flat_map(|&o| values[o as usize].floats());
            Ok(of.map(|y| y.eps).collect())
        };
        directions.iter().map(one).collect()
    }

    fn second(
        &mut self,
        point: &Point<'_>,
        pairs: &[Pair<'_>],
        output: u32,
    ) -> Result<Vec<f64>, Error> {
        let one = |(a, b): &Pair<'_>| {
            let seed = |x, i, e| HyperDual64::new(x, a.component(i, e), b.component(i, e), 0.0);
            let values = self.run(point, seed)?;
            let y = values[output as usize].floats().first();
            Ok(y.map_or(f64::NAN, |y| y.eps1eps2))
        };
        pairs.iter().map(one).collect()
    }
}

/// The imaginary step: its square is far below the smallest normal number, so nothing is cut off.
const STEP: f64 = 1e-200;

/// First derivatives along unit directions by a complex step (Squire and Trapp, 1998); NaN where an operation does
/// not allow it.
pub fn complex_step(
    evaluator: &Evaluator,
    point: &Point<'_>,
    direction: Direction<'_>,
    outputs: &[u32],
    stop: &Stop,
) -> Result<Vec<f64>, Error> {
    let seed = |x, i, e| Complex64::new(x, STEP * direction.component(i, e));
    let values = match evaluator.run(seeded(point, seed), stop) {
        Ok(values) => values,
        Err(Error::Unimplemented(_)) => vec![],
        Err(error) => return Err(error),
    };
    let slope = |y: &Complex64, refused: bool| match refused {
        true => f64::NAN,
        false => y.im / STEP,
    };
    Ok(outputs
        .iter()
        .flat_map(|&o| match values.get(o as usize) {
            Some(v) => v.floats().iter().map(|y| slope(y, v.refused)).collect(),
            None => vec![f64::NAN],
        })
        .collect())
}
