//! Differences at every step of the ladder, and where the point is not smooth.

use super::verdict::{Block, Kink, Measured};
use crate::error::Error;
use crate::execute::{Differences, Direction, Directional, Scratch, Steps, Stop};
use crate::tensor::TensorRef;

/// Directions that are evaluated together.
const TOGETHER: usize = 32;

pub(super) struct Differenced<'a> {
    pub differences: Differences,
    pub point: &'a [TensorRef<'a>],
    pub outputs: &'a [u32],
    pub wrt: &'a [u32],
    pub scratch: &'a mut Scratch,
    pub stop: &'a Stop,
}

impl Differenced<'_> {
    /// The outputs at the point.
    pub fn values(&mut self) -> Result<Vec<Vec<f64>>, Error> {
        let mut at_work = self.differences.at_work(self.scratch, self.stop);
        at_work.value(self.point, self.outputs)
    }

    /// Every unit direction, in groups, each with the position of its input in `wrt`.
    fn groups(&self) -> Vec<(usize, Vec<Direction<'static>>)> {
        let mut groups = vec![];
        for (w, &input) in self.wrt.iter().enumerate() {
            let input = input as usize;
            let n = self.point[input].ty().elements() as usize;
            let units: Vec<Direction<'static>> = (0..n)
                .map(|element| Direction::Unit { input, element })
                .collect();
            groups.extend(units.chunks(TOGETHER).map(|units| (w, units.to_vec())));
        }
        groups
    }

    /// Adds a step to every block's curve.
    pub fn measure(&mut self, step: f64, blocks: &mut [Block]) -> Result<(), Error> {
        blocks
            .iter_mut()
            .for_each(|block| block.curve.push(Measured::new(step)));
        let (groups, stride) = (self.groups(), self.wrt.len());
        self.differences.set_steps(Steps::Given(step));
        let mut at_work = self.differences.at_work(self.scratch, self.stop);
        for (w, units) in groups {
            let columns = at_work.first(self.point, &units, self.outputs)?;
            for (unit, column) in units.iter().zip(columns) {
                let mut rest = column.into_iter();
                for k in 0..self.outputs.len() {
                    let block = &mut blocks[k * stride + w];
                    for row in 0..block.rows {
                        let slope = rest.next().unwrap_or(f64::NAN);
                        block.note_difference(row, element_of(unit), slope);
                    }
                }
            }
        }
        Ok(())
    }

    /// A kink: the slopes on both sides stay apart however small the step.
    pub fn find_kinks(&mut self, blocks: &mut [Block]) -> Result<(), Error> {
        let epsilon = self.differences.epsilon();
        let near = epsilon.cbrt();
        let steps = [16.0 * near, near];
        let (groups, stride) = (self.groups(), self.wrt.len());
        let mut at_work = self.differences.at_work(self.scratch, self.stop);
        for (w, units) in groups {
            let [wide, narrow] =
                steps.map(|step| at_work.sides(self.point, &units, self.outputs, step));
            for ((unit, wide), narrow) in units.iter().zip(wide?).zip(narrow?) {
                let mut at = 0;
                for k in 0..self.outputs.len() {
                    let block = &mut blocks[k * stride + w];
                    for row in 0..block.rows {
                        let [behind, ahead] = [narrow[0][at], narrow[1][at]];
                        let jump = |sides: &[Vec<f64>; 2]| (sides[1][at] - sides[0][at]).abs();
                        let (far, close) = (jump(&wide), jump(&narrow));
                        // A smooth function's slopes come together sixteen times; rounding keeps them apart by
                        // the square of the step's size at most.
                        let size = behind.abs().max(ahead.abs());
                        if close > 0.4 * far && close > 1e-3 * size.max(block.scale) {
                            block.kinked.insert(row * block.columns + element_of(unit));
                            block.kinks.push(Kink {
                                row,
                                column: element_of(unit),
                                sides: [behind, ahead],
                            });
                        }
                        at += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

fn element_of(unit: &Direction<'_>) -> usize {
    match *unit {
        Direction::Unit { element, .. } => element,
        Direction::Along(_) => 0,
    }
}
