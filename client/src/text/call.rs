//! Calls to expressions.

use super::ast::ExprId;
use super::error::{Fault, Span};
use super::function::Function;
use super::lower::Lowering;
use crate::expr::Expr;

impl Lowering<'_> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &[ExprId],
        axis: Option<ExprId>,
        span: &Span,
    ) -> Result<Expr, Fault> {
        let first = arguments[0];
        // The second argument of a reduction is its axis, too.
        let axis = axis.or_else(|| arguments.get(1).copied());
        Ok(match function {
            Function::Unary(apply) => apply(&self.numeric(first)?),
            Function::Binary(apply) => {
                let pair = self.numeric_pair(first, arguments[1], span)?;
                let [a, b] = self.stretched(pair, span)?;
                apply(&a, &b)
            }
            Function::Max | Function::Min if arguments.len() == 1 => {
                let (operand, axes) = self.reduction(first, axis)?;
                if operand.shape().contains(&0) {
                    return Err(Fault::new(
                        span.clone(),
                        "there are no elements to choose from",
                    ));
                }
                match function {
                    Function::Max => operand.max_over(axes),
                    _ => operand.min_over(axes),
                }
            }
            Function::Max | Function::Min => {
                let mut operands = vec![self.numeric(first)?];
                for &argument in &arguments[1..] {
                    let [a, b] = self.numeric_pair(first, argument, span)?;
                    operands[0] = a;
                    operands.push(b);
                }
                let stretched = self.stretched_all(operands, span)?;
                let choose = |a: Expr, b: Expr| match function {
                    Function::Max => a.maximum(b),
                    _ => a.minimum(b),
                };
                let chosen = stretched.into_iter().reduce(choose);
                chosen.expect("a call of max or min has an argument")
            }
            Function::Power => self.power(first, arguments[1], span)?,
            Function::Select => {
                let condition = self.truth(first)?;
                let [then, otherwise] = self.numeric_pair(arguments[1], arguments[2], span)?;
                let [condition, then, otherwise] =
                    self.stretched([condition, then, otherwise], span)?;
                condition.select(then, otherwise)
            }
            Function::Sum => {
                let (operand, axes) = self.reduction(first, axis)?;
                operand.sum_over(axes)
            }
            Function::Mean => {
                let (operand, axes) = self.reduction(first, axis)?;
                let shape = operand.shape();
                let elements: f64 = axes.iter().map(|&d| shape[d] as f64).product();
                operand.sum_over(axes) / elements
            }
            Function::Norm => {
                let (operand, axes) = self.reduction(first, axis)?;
                let squares = operand.square().sum_over(axes);
                // At the origin the root has no derivative, the norm's is taken to be 0.
                squares.gt(0.0).select(squares.sqrt(), &squares)
            }
            Function::MatrixProduct => self.matrix_product(first, arguments[1], span)?,
            Function::Transpose => {
                let operand = self.expr(first);
                match arguments.get(1) {
                    None => operand.t(),
                    Some(&permutation) => operand.transpose(self.axes(permutation, &operand)?),
                }
            }
            Function::Reshape => {
                let mut shape = Vec::new();
                for &argument in &arguments[1..] {
                    shape.extend(self.sizes(argument)?);
                }
                self.expr(first).reshape(shape)
            }
        })
    }

    /// The operand and the axes to reduce: all of them if none is named.
    fn reduction(
        &self,
        operand: ExprId,
        axis: Option<ExprId>,
    ) -> Result<(Expr, Vec<usize>), Fault> {
        let operand = self.numeric(operand)?;
        let axes = match axis {
            Some(axis) => self.axes(axis, &operand)?,
            None => (0..operand.shape().len()).collect(),
        };
        Ok((operand, axes))
    }
}
