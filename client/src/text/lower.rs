//! Syntax tree to expressions: one pass over the arena, operands first.

use super::ast::{Ast, ExprId, Node, Operator};
use super::definition::Definition;
use super::error::{Fault, Span};
use super::run::{self, Known, Run};
use crate::expr::{Expr, GraphBuilder};
use crate::tensor::{Array, Dtype, Tensor};

/// Adds the outputs to a builder, with these expressions for the inputs, in the tree's order of them.
pub(super) fn lower(
    ast: &Ast,
    definitions: &[Definition],
    builder: &GraphBuilder,
    inputs: &[Expr],
) -> Result<Vec<Expr>, Fault> {
    let functions = run::functions(definitions, builder)?;
    lower_tree(ast, builder, inputs, &functions)
}

/// The outputs of one tree.
pub(super) fn lower_tree(
    ast: &Ast,
    builder: &GraphBuilder,
    inputs: &[Expr],
    functions: &[Known<'_>],
) -> Result<Vec<Expr>, Fault> {
    let mut lowering = Lowering {
        ast,
        builder,
        inputs,
        functions,
        values: Vec::with_capacity(ast.nodes.len()),
    };
    // A mistake made before is not one of this text.
    let flawless = builder.error().is_none();
    for (node, span) in &ast.nodes {
        let value = lowering.node(node, span)?;
        if flawless && let Some(error) = builder.error() {
            return Err(Fault::new(span.clone(), error.message));
        }
        lowering.values.push(value);
    }
    for (name, id) in &ast.names {
        if let Value::Expr(expr) = &lowering.values[id.0] {
            let _labelled = expr.clone().label(name);
        }
    }
    let outputs = ast.outputs.iter();
    Ok(outputs.map(|output| lowering.expr(output.value)).collect())
}

/// What a node has become.
pub(super) enum Value {
    /// Known here: usable as axis, index or exponent.
    Constant(Array),
    Expr(Expr),
    /// What a call gives; only [`Node::Result`] takes them apart.
    Several(Vec<Expr>),
}

pub(super) struct Lowering<'a> {
    ast: &'a Ast,
    pub builder: &'a GraphBuilder,
    inputs: &'a [Expr],
    /// Of the text, by position.
    pub functions: &'a [Known<'a>],
    values: Vec<Value>,
}

impl Lowering<'_> {
    fn node(&self, node: &Node, span: &Span) -> Result<Value, Fault> {
        let expr = match node {
            Node::Number(number) => return Ok(Value::Constant(Array::scalar(*number))),
            Node::Input(input) => self.inputs[*input].clone(),
            &Node::Negate(a) => match self.number(a) {
                Some(number) => return Ok(Value::Constant(Array::scalar(-number))),
                None => -self.numeric(a)?,
            },
            &Node::Not(a) => !self.truth(a)?,
            &Node::Binary(operator, a, b) => return self.binary(operator, a, b, span),
            Node::Call {
                function,
                arguments,
                axis,
            } => self.call(*function, arguments, *axis, span)?,
            Node::Index(base, subscripts) => self.index(*base, subscripts, span)?,
            Node::Stack(elements) => return self.stack(elements, span),
            Node::Run {
                runner,
                functions,
                arguments,
                bound,
                taken,
            } => {
                let run = Run {
                    runner: *runner,
                    functions,
                    arguments,
                    bound: *bound,
                    taken: *taken,
                };
                let results = self.run(&run, span)?;
                return Ok(match <[Expr; 1]>::try_from(results) {
                    Ok([only]) => Value::Expr(only),
                    Err(results) => Value::Several(results),
                });
            }
            Node::Result(call, i) => match self.value(*call) {
                Value::Several(all) if *i < all.len() => all[*i].clone(),
                _ => self.expr(*call),
            },
            Node::If {
                condition,
                arguments,
                arms,
            } => self.branches(*condition, arguments, arms, span)?,
        };
        Ok(Value::Expr(expr))
    }

    fn binary(
        &self,
        operator: Operator,
        a: ExprId,
        b: ExprId,
        span: &Span,
    ) -> Result<Value, Fault> {
        use Operator as O;
        if let (Some(x), Some(y)) = (self.number(a), self.number(b)) {
            // What the service computes, to the bit.
            let folded = match operator {
                O::Add => Some(x + y),
                O::Subtract => Some(x - y),
                O::Multiply => Some(x * y),
                O::Divide => Some(x / y),
                _ => None,
            };
            if let Some(number) = folded {
                return Ok(Value::Constant(Array::scalar(number)));
            }
        }
        let expr = match operator {
            O::Power => self.power(a, b, span)?,
            O::MatrixProduct => self.matrix_product(a, b, span)?,
            O::And | O::Or => {
                let operands = [self.truth(a)?, self.truth(b)?];
                let [a, b] = self.stretched(operands, span)?;
                if operator == O::And { a & b } else { a | b }
            }
            _ => {
                let [a, b] = self.stretched(self.numeric_pair(a, b, span)?, span)?;
                match operator {
                    O::Add => a + b,
                    O::Subtract => a - b,
                    O::Multiply => a * b,
                    O::Divide => a / b,
                    O::Less => a.lt(b),
                    O::LessEqual => a.le(b),
                    O::Greater => a.gt(b),
                    O::GreaterEqual => a.ge(b),
                    O::Equal => a.equal(b),
                    O::NotEqual => a.not_equal(b),
                    O::Power | O::MatrixProduct | O::And | O::Or => unreachable!("handled above"),
                }
            }
        };
        Ok(Value::Expr(expr))
    }

    /// Products and roots where the exponent is known to be one: they are exact or nearly so, and differentiable
    /// to any order at 0 and below.
    pub fn power(&self, base: ExprId, exponent: ExprId, span: &Span) -> Result<Expr, Fault> {
        if let Some(exponent) = self.number(exponent) {
            let base = self.numeric(base)?;
            return Ok(match exponent {
                -1.0 => base.recip(),
                0.5 => base.sqrt(),
                1.0 => base,
                2.0 => base.square(),
                3.0 => base.square() * base,
                4.0 => base.square().square(),
                _ => base.pow(exponent),
            });
        }
        if self.number(base) == Some(std::f64::consts::E) {
            return Ok(self.numeric(exponent)?.exp());
        }
        let [base, exponent] = self.stretched(self.numeric_pair(base, exponent, span)?, span)?;
        Ok(base.pow(exponent))
    }

    pub fn matrix_product(&self, a: ExprId, b: ExprId, span: &Span) -> Result<Expr, Fault> {
        let [a, b] = self.numeric_pair(a, b, span)?;
        if a.shape().is_empty() || b.shape().is_empty() {
            let fault = Fault::new(span.clone(), "a matrix product needs vectors or matrices");
            return Err(fault.help("to multiply by a scalar, write *"));
        }
        Ok(a.matmul(&b))
    }

    fn stack(&self, elements: &[ExprId], span: &Span) -> Result<Value, Fault> {
        let shapes: Vec<Vec<usize>> = elements.iter().map(|&id| self.shape(id)).collect();
        if let Some(different) = shapes.iter().position(|shape| *shape != shapes[0]) {
            return Err(Fault::new(
                self.ast.span(elements[different]),
                format!(
                    "this element has shape {:?}, the first one {:?}",
                    shapes[different], shapes[0]
                ),
            )
            .help("the elements of a vector, and the rows of a matrix, have one shape"));
        }
        let constants: Option<Vec<&Array>> = elements.iter().map(|&id| self.constant(id)).collect();
        if let Some(constants) = constants {
            let shape = [&[elements.len()], shapes[0].as_slice()].concat();
            let data = constants
                .iter()
                .flat_map(|array| array.data().iter().copied());
            let array = Array::new(shape, data.collect()).expect("the elements have one shape");
            return Ok(Value::Constant(array));
        }
        let first = elements
            .iter()
            .find(|&&id| self.constant(id).is_none())
            .unwrap_or(&elements[0]);
        let mut parts = Vec::new();
        for &element in elements {
            parts.push(self.numeric_pair(*first, element, span)?[1].clone());
        }
        Ok(Value::Expr(self.builder.stack(parts)))
    }

    pub fn value(&self, id: ExprId) -> &Value {
        &self.values[id.0]
    }

    pub fn span(&self, id: ExprId) -> Span {
        self.ast.span(id)
    }

    pub fn constant(&self, id: ExprId) -> Option<&Array> {
        match self.value(id) {
            Value::Constant(array) => Some(array),
            Value::Expr(_) | Value::Several(_) => None,
        }
    }

    /// The value of a scalar that is known here.
    pub fn number(&self, id: ExprId) -> Option<f64> {
        let array = self.constant(id)?;
        array.shape().is_empty().then(|| array.item()).flatten()
    }

    fn shape(&self, id: ExprId) -> Vec<usize> {
        match self.value(id) {
            Value::Constant(array) => array.shape().to_vec(),
            Value::Expr(_) | Value::Several(_) => self.expr(id).shape(),
        }
    }

    /// Constants become nodes of `f64`.
    pub fn expr(&self, id: ExprId) -> Expr {
        match self.value(id) {
            Value::Constant(array) => self.builder.constant(array),
            Value::Expr(expr) => expr.clone(),
            Value::Several(all) => all[0].clone(),
        }
    }

    pub fn numeric(&self, id: ExprId) -> Result<Expr, Fault> {
        let expr = self.expr(id);
        match expr.dtype() {
            Dtype::Bool => Err(Fault::new(
                self.span(id),
                "this is true or false, where a number is needed",
            )
            .help("to make it a number, write where(condition, 1, 0)")),
            _ => Ok(expr),
        }
    }

    pub fn truth(&self, id: ExprId) -> Result<Expr, Fault> {
        let expr = self.expr(id);
        match expr.dtype() {
            Dtype::Bool => Ok(expr),
            _ => Err(Fault::new(
                self.span(id),
                "this is a number, where true or false is needed",
            )
            .help("compare it: x > 0, x != 0")),
        }
    }

    /// Two operands of one element type; a constant takes that of the other one.
    pub fn numeric_pair(&self, a: ExprId, b: ExprId, span: &Span) -> Result<[Expr; 2], Fault> {
        let pair = match (self.value(a), self.value(b)) {
            (Value::Constant(array), Value::Expr(_) | Value::Several(_)) => {
                let b = self.numeric(b)?;
                [self.constant_as(array, b.dtype(), a)?, b]
            }
            (Value::Expr(_) | Value::Several(_), Value::Constant(array)) => {
                let a = self.numeric(a)?;
                let b = self.constant_as(array, a.dtype(), b)?;
                [a, b]
            }
            _ => [self.numeric(a)?, self.numeric(b)?],
        };
        let [first, second] = pair.each_ref().map(Expr::dtype);
        if first == second {
            return Ok(pair);
        }
        Err(Fault::new(
            span.clone(),
            format!("operands of element types {first} and {second}"),
        )
        .help("give the inputs one type"))
    }

    pub fn constant_as(&self, array: &Array, dtype: Dtype, id: ExprId) -> Result<Expr, Fault> {
        match Tensor::from(array).cast(dtype) {
            Some(tensor) => Ok(self.builder.constant(tensor)),
            None => Err(Fault::new(
                self.span(id),
                format!("no {dtype}, as the other operand is"),
            )),
        }
    }

    pub fn stretched<const N: usize>(
        &self,
        operands: [Expr; N],
        span: &Span,
    ) -> Result<[Expr; N], Fault> {
        let stretched = self.stretched_all(operands.into(), span)?;
        Ok(stretched.try_into().expect("as many as there were"))
    }

    /// Operands in one shape, as NumPy does: dimensions are matched from the last one, and size 1 stretches.
    /// Scalars stay as they are, for the elementwise operations stretch them.
    pub fn stretched_all(&self, operands: Vec<Expr>, span: &Span) -> Result<Vec<Expr>, Fault> {
        let mut common: Vec<usize> = Vec::new();
        for shape in operands.iter().map(Expr::shape) {
            common = broadcast(&common, &shape).ok_or_else(|| {
                Fault::new(
                    span.clone(),
                    format!("shapes {common:?} and {shape:?} do not match"),
                )
                .help("sizes must be equal from the last axis on, or 1")
            })?;
        }
        let stretch = |operand: Expr| match operand.shape().is_empty() {
            true => operand,
            false => operand.broadcast_to(&common),
        };
        Ok(operands.into_iter().map(stretch).collect())
    }
}

/// The shape to which both stretch.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut shape = long.to_vec();
    let offset = long.len() - short.len();
    for (size, &other) in shape[offset..].iter_mut().zip(short) {
        *size = match (*size, other) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        };
    }
    Some(shape)
}
