//! Parts of tensors, and the whole numbers that name axes, sizes and positions.

use super::ast::{ExprId, Subscript};
use super::error::{Fault, Span};
use super::lower::Lowering;
use crate::expr::Expr;

impl Lowering<'_> {
    /// `x[…]`: a slice, without the axes of which one position was taken.
    pub(super) fn index(
        &self,
        base: ExprId,
        subscripts: &[Subscript],
        span: &Span,
    ) -> Result<Expr, Fault> {
        let base = self.expr(base);
        let shape = base.shape();
        if subscripts.len() > shape.len() {
            return Err(Fault::new(
                span.clone(),
                match shape.len() {
                    0 => "a scalar has no elements to choose from".to_owned(),
                    axes => format!("{} subscripts for {axes} axes", subscripts.len()),
                },
            ));
        }
        let (mut starts, mut limits) = (vec![0; shape.len()], shape.clone());
        let mut strides = vec![1; shape.len()];
        let mut dropped = vec![false; shape.len()];
        for (d, &subscript) in subscripts.iter().enumerate() {
            match subscript {
                Subscript::At(id) => {
                    let position = self.position(id, shape[d])?;
                    (starts[d], limits[d], dropped[d]) = (position, position + 1, true);
                }
                Subscript::Range { start, stop, step } => {
                    let bound = |id: Option<ExprId>, default: usize| match id {
                        Some(id) => Ok(clamped(self.integer(id)?, shape[d])),
                        None => Ok(default),
                    };
                    starts[d] = bound(start, 0)?;
                    limits[d] = bound(stop, shape[d])?.max(starts[d]);
                    if let Some(step) = step {
                        strides[d] = self.size(step)?;
                        if strides[d] == 0 {
                            return Err(Fault::new(self.span(step), "a step must be at least 1"));
                        }
                    }
                }
            }
        }
        let part = base.slice_strided(starts, limits, strides);
        if !dropped.contains(&true) {
            return Ok(part);
        }
        let kept: Vec<usize> = part
            .shape()
            .into_iter()
            .zip(dropped)
            .filter(|&(_, dropped)| !dropped)
            .map(|(size, _)| size)
            .collect();
        Ok(part.reshape(kept))
    }

    /// One axis or a list of them; negative ones count from the last.
    pub(super) fn axes(&self, id: ExprId, operand: &Expr) -> Result<Vec<usize>, Fault> {
        let rank = operand.shape().len();
        let mut axes: Vec<usize> = Vec::new();
        for number in self.integers(id)? {
            let axis = within(number, rank).ok_or_else(|| {
                let fault = Fault::new(self.span(id), format!("there is no axis {number}"));
                match rank {
                    0 => fault.help("a scalar has no axes"),
                    _ => fault.help(format!("axes are counted from 0 to {}", rank - 1)),
                }
            })?;
            if axes.contains(&axis) {
                return Err(Fault::new(
                    self.span(id),
                    format!("axis {axis} is named twice"),
                ));
            }
            axes.push(axis);
        }
        Ok(axes)
    }

    /// The sizes of a shape: one number or a list of them.
    pub(super) fn sizes(&self, id: ExprId) -> Result<Vec<usize>, Fault> {
        let sizes = self.integers(id)?.into_iter().map(usize::try_from);
        sizes
            .collect::<Result<_, _>>()
            .map_err(|_| Fault::new(self.span(id), "a size cannot be negative"))
    }

    fn size(&self, id: ExprId) -> Result<usize, Fault> {
        usize::try_from(self.integer(id)?)
            .map_err(|_| Fault::new(self.span(id), "this number cannot be negative"))
    }

    /// An index into an axis.
    fn position(&self, id: ExprId, size: usize) -> Result<usize, Fault> {
        let number = self.integer(id)?;
        within(number, size).ok_or_else(|| {
            let fault = Fault::new(
                self.span(id),
                format!("index {number} is outside an axis of size {size}"),
            );
            match size {
                0 => fault,
                _ => fault.help(format!("indices are counted from 0 to {}", size - 1)),
            }
        })
    }

    fn integer(&self, id: ExprId) -> Result<i64, Fault> {
        match self.number(id).and_then(whole) {
            Some(number) => Ok(number),
            None => Err(self.not_whole(id)),
        }
    }

    fn integers(&self, id: ExprId) -> Result<Vec<i64>, Fault> {
        let array = self.constant(id).filter(|array| array.shape().len() <= 1);
        let numbers = array.and_then(|array| array.data().iter().copied().map(whole).collect());
        numbers.ok_or_else(|| self.not_whole(id))
    }

    fn not_whole(&self, id: ExprId) -> Fault {
        Fault::new(self.span(id), "a whole number is needed here").help(
            "shapes, axes and indices are fixed when the graph is built: write them as numbers",
        )
    }
}

/// The integer that this is; beyond 2⁵³ not every one is a double.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= (1u64 << 53) as f64).then_some(number as i64)
}

/// `number` counted from the end if it is negative; `None` outside.
fn within(number: i64, size: usize) -> Option<usize> {
    let size = i64::try_from(size).ok()?;
    let position = if number < 0 { number + size } else { number };
    (0..size).contains(&position).then_some(position as usize)
}

/// The bound of a range: counted from the end if it is negative, and cut at the ends, as Python does.
fn clamped(number: i64, size: usize) -> usize {
    let length = i64::try_from(size).unwrap_or(i64::MAX);
    let position = if number < 0 { number + length } else { number };
    position.clamp(0, length) as usize
}
