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
            Function::Unary(apply) | Function::Matrix(apply) => apply(&self.numeric(first)?),
            Function::Pair(apply) => {
                let [a, b] = self.numeric_pair(first, arguments[1], span)?;
                apply(&a, &b)
            }
            Function::Ternary(apply) => {
                let operands = self.numeric_all(arguments, span)?;
                match self.stretched_all(operands, span)?.as_slice() {
                    [a, b, c] => apply(a, b, c),
                    _ => unreachable!("the arity is checked"),
                }
            }
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
                let operands = self.numeric_all(arguments, span)?;
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
            Function::Reduction(apply) => {
                let (operand, axes) = self.reduction(first, axis)?;
                apply(&operand, axes)
            }
            Function::TruthReduction(apply) => {
                let operand = self.truth(first)?;
                let axes = self.axes_or_all(axis, &operand)?;
                apply(&operand, axes)
            }
            Function::AlongAxis(apply) => {
                let operand = self.numeric(first)?;
                let axis = match (axis, operand.shape().len().checked_sub(1)) {
                    (Some(axis), _) => match *self.axes(axis, &operand)?.as_slice() {
                        [axis] => axis,
                        _ => return Err(Fault::new(self.span(axis), "one axis is needed here")),
                    },
                    (None, Some(last)) => last,
                    (None, None) => {
                        let fault = Fault::new(self.span(first), "a scalar has no axis");
                        return Err(fault.help("give the input a shape, as in x:[3]"));
                    }
                };
                apply(&operand, axis)
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
        let axes = self.axes_or_all(axis, &operand)?;
        Ok((operand, axes))
    }

    fn axes_or_all(&self, axis: Option<ExprId>, operand: &Expr) -> Result<Vec<usize>, Fault> {
        match axis {
            Some(axis) => self.axes(axis, operand),
            None => Ok((0..operand.shape().len()).collect()),
        }
    }

    /// Operands of one element type; constants take that of the first that is none.
    fn numeric_all(&self, operands: &[ExprId], span: &Span) -> Result<Vec<Expr>, Fault> {
        let typed = operands.iter().find(|&&id| self.constant(id).is_none());
        let typed = *typed.unwrap_or(&operands[0]);
        let beside = |&id| Ok(self.numeric_pair(typed, id, span)?[1].clone());
        operands.iter().map(beside).collect()
    }
}
