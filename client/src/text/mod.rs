//! Functions written as text: `exp(x*y) + sin(x)`.
//!
//! ```
//! use std::collections::HashMap;
//! use gradient_client::{Dtype, Type, text};
//!
//! let program = text::parse("t = x*y; f = sin(t) + sum(w^2)")?;
//! assert_eq!(program.inputs().collect::<Vec<_>>(), ["x", "y", "w"]);
//! // Inputs are scalars unless they are given another type.
//! let types = HashMap::from([("w".to_owned(), Type::new(Dtype::F64, [3]))]);
//! let graph = program.graph("demo", &types)?;
//! assert_eq!(program.outputs().collect::<Vec<_>>(), ["f"]);
//! # Ok::<(), text::Error>(())
//! ```
//!
//! # The language
//!
//! ```text
//! program    = { ( statement | function ) ( ";" | newline ) }
//! statement  = [ name "=" ] expression | name { "," name } "=" call | "return" expression { "," expression }
//! function   = "fn" name "(" [ parameter { "," parameter } ] ")" [ "->" type { "," type } ] body
//! parameter  = name [ ":" type ]
//! type       = ( "f64" | "f32" | "i64" | "bool" ) [ "[" size { "," size } "]" ]
//! body       = "=" expression | "{" { statement ( ";" | newline ) } "}"
//! expression = operand { operator operand } | "if" expression "then" expression "else" expression
//! operand    = { "-" | "+" | "not" } primary { "[" subscript { "," subscript } "]" }
//! primary    = number | name | call | "(" expression ")" | "[" expression { "," expression } "]"
//! call       = function "(" arguments ")" | function "[" arguments "]"
//!            | runner "(" name [ "," name ] { "," expression } [ "," ( "length" | "limit" ) "=" expression ] ")"
//! arguments  = [ expression { "," expression } ] [ "," "axis" "=" expression ]
//! subscript  = expression | [ expression ] ":" [ expression ] [ ":" expression ]
//! ```
//!
//! Operators, loosest first: `or`; `and`; `not`; `<` `<=` `>` `>=` `==` `!=`; `+` `-`; `*` `/` and the matrix
//! product `@`; signs; powers `^` or `**`, which associate to the right: `-x^2` is −(x²), `2^3^2` is 2⁹.
//!
//! **Names.** A name that no statement defines is an input; `pi` and `e` are constants unless defined. A name is
//! given a value once, before it is read.
//!
//! **Outputs** are what `return` names. Without it they are the definitions that no other statement reads, and the
//! last statement if it has no name; that one is called `f`. So `t = x*y; f = sin(t); g = t^2` has the outputs `f`
//! and `g`.
//!
//! **Tensors.** `[1, 2, 3]` is a vector, `[[1, 2], [3, 4]]` a matrix, `[x, y, z]` stacks. Shapes are matched as
//! NumPy does: from the last axis, where size 1 stretches. Subscripts count from 0, negative ones from the end:
//! `x[0]`, `x[-1]`, `x[1:3]`, `A[:, 0]`, `x[::2]`. The brackets after the name of a function are those of a call,
//! as NIST writes `exp[-b2*x]`.
//!
//! **Functions.** Elementwise: `abs sign square sqrt rsqrt cbrt reciprocal exp expm1 exp2 log`=`ln`
//! `log1p log2 log10 logistic`=`sigmoid`=`expit` `softplus softsign log_sigmoid sin cos tan asin`=`arcsin` `acos`=`arccos`
//! `atan`=`arctan` `sinh cosh tanh asinh acosh atanh sinc relu gelu gelu_tanh silu`=`swish` `floor ceil round`=`rint`
//! `round_away trunc is_finite is_nan is_inf stop_gradient`; special functions: `erf erfc erf_inv erfcx
//! lgamma`=`gammaln` `digamma bessel_i0e bessel_i1e bessel_j0 bessel_j1 bessel_y0 bessel_y1 norm_cdf`=`ndtr`
//! `norm_ppf`=`ndtri` `log_ndtr`; of two: `atan2(y, x) hypot remainder copysign logaddexp pow xlogy xlog1py
//! leaky_relu(x, slope) elu(x, alpha) polygamma(n, x) bessel_jn(n, x) bessel_yn(n, x) lbeta igamma(a, x) igammac(a, x)
//! hurwitz_zeta(s, q)`; of three: `clamp(x, low, high)`=`clip`, `fma(a, b, c)`, `betainc(a, b, x)`; of two or more:
//! `max min`; `where(condition, a, b)`.
//!
//! Reductions over all elements or an axis, `sum(x)`, `sum(x, 0)`, `sum(x, axis=-1)`: `sum prod mean var std logsumexp
//! norm`=`norm2` `norm1 norm_inf`, `all any` of conditions, and `max min` of one operand, with `axis=`. Along the last
//! axis or another, `softmax(x)`, `softmax(x, axis=0)`: `softmax log_softmax cumsum cumprod cummax cummin cumlogsumexp
//! sort argsort argmax argmin reverse`. Linear algebra: `dot matmul transpose outer kron trace diag inv det
//! logdet cholesky cholesky_solve(L, b) solve(A, b) lstsq(A, b) expm eigvalsh svdvals`; `logdet` is log|det A|.
//! `reshape(x, [2, 3])`.
//!
//! **Own functions.** `fn area(r, h: f64[3]) = …` or `fn area(…) { t = …; return t, h }`, anywhere in the text; a
//! parameter without a type is an `f64` scalar. A body reads its parameters and nothing else. A function may run itself
//! if a branch ends it; it states the types of its results after `->` unless it gives one `f64` scalar:
//! `fn times(x, n) = if n > 0 then x*times(x, n - 1) else 1`. One that gives several is called by `a, b = f(x)`.
//!
//! `if condition then a else b` takes one condition and runs one branch; `where` chooses element by element, and
//! computes both. These run functions of the text:
//!
//! - `while(condition, step, x, a)`: repeats step while condition holds. Both take what is carried, then what stays;
//!   step gives what is carried, however many that are. `while(condition, step, x, a, limit=100)` fails beyond 100 steps.
//! - `scan(step, x, sequence, a)`: step takes what is carried, an element (along the first axis) of each sequence, what
//!   stays, and gives what is carried, then outputs, which are stacked. `scan(step, x, a, length=10)` without sequences.
//! - `map(f, sequence, a)`: of every element along the first axis, stacked.
//! - `grad(f, x, a)`, `jacobian(f, x, a)`, `hessian(f, x, a)`: derivatives of f in its first parameter.
//! - `root(g, start, a)`: the x with g(x, a) = 0 by Newton's method. `fixed_point(f, start, a)`: the x with x = f(x, a).
//!   `linear_solve(A, b, a)`: the x with A(x, a) = b, for a linear function A. Their derivatives are exact.
//!
//! **Powers** with a constant exponent −1, ½, 1, 2, 3 or 4 become products and roots, `e^x` the exponential
//! function; all others are `power`, whose derivative with a constant integer exponent holds for negative bases, too.
//!
//! A line goes on after an operator and within brackets; `#` begins a comment. Nesting is bounded to 200 levels.

mod ast;
mod call;
mod definition;
mod error;
mod function;
#[cfg(test)]
mod function_tests;
mod lexer;
mod lower;
mod names;
mod parser;
mod run;
mod runner;
mod scope;
mod statement;
mod subscript;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::{
    expr::{BuildError, Expr, GraphBuilder},
    graph::Graph,
    tensor::{Dtype, Type},
};
use ast::Ast;
use definition::Definition;
use error::Fault;

pub use error::Error;

/// Reads a text.
///
/// # Errors
/// The first place that does not fit, and how to repair it.
pub fn parse(source: &str) -> Result<Program, Error> {
    let (ast, definitions) = parser::parse(source).map_err(|fault| fault.locate(source))?;
    Ok(Program {
        source: source.to_owned(),
        ast,
        definitions,
    })
}

/// A parsed text. Its inputs have no types yet.
#[derive(Debug)]
pub struct Program {
    source: String,
    ast: Ast,
    definitions: Vec<Definition>,
}

impl Program {
    /// The names that the text reads and does not define, in order of appearance.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ast.inputs.iter().map(|input| input.name.as_str())
    }

    /// The names of the results.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ast.outputs.iter().map(|output| output.name.as_str())
    }

    /// Makes sure that the text reads no other names than these.
    ///
    /// # Errors
    /// The place of the first unknown name, and the known ones.
    pub fn check_inputs(&self, known: &[&str]) -> Result<(), Error> {
        for input in &self.ast.inputs {
            let name = input.name.as_str();
            if known.contains(&name) {
                continue;
            }
            let problem = format!("unknown variable `{name}`");
            let near = function::nearest(name, known.iter().copied());
            let help = match (near, known) {
                (Some(near), _) => format!("did you mean `{near}`? Known: {}", known.join(", ")),
                (None, []) => "no variables are known here".to_owned(),
                (None, _) => format!("known: {}", known.join(", ")),
            };
            let fault = Fault::new(input.span.clone(), problem).help(help);
            return Err(fault.locate(&self.source));
        }
        Ok(())
    }

    /// The graph of this function. An input is an `f64` scalar unless `types` names another type.
    ///
    /// # Errors
    /// The first place whose operands have shapes or element types that do not fit.
    pub fn graph(&self, name: &str, types: &HashMap<String, Type>) -> Result<Graph, Error> {
        let builder = GraphBuilder::new(name);
        let scalar = Type::new(Dtype::F64, []);
        let inputs: Vec<Expr> = self
            .inputs()
            .map(|name| {
                let input = types.get(name).unwrap_or(&scalar);
                builder.input_typed(name, input.dtype, &input.shape)
            })
            .collect();
        let outputs = self.lower(&builder, &inputs)?;
        builder
            .finish(self.outputs().zip(outputs))
            .map_err(|error| self.fault(error))
    }

    /// The results as expressions of a builder, by name, with expressions of the same builder for the inputs.
    ///
    /// # Errors
    /// An input that `variables` lacks, and what [`Program::graph`] refuses.
    pub fn build(
        &self,
        builder: &GraphBuilder,
        variables: &HashMap<String, Expr>,
    ) -> Result<Vec<(String, Expr)>, Error> {
        let mut known: Vec<&str> = variables.keys().map(String::as_str).collect();
        known.sort_unstable();
        self.check_inputs(&known)?;
        let inputs: Vec<Expr> = self.inputs().map(|name| variables[name].clone()).collect();
        let outputs = self.lower(builder, &inputs)?;
        Ok(self.outputs().map(str::to_owned).zip(outputs).collect())
    }

    /// A mistake of the graph as a whole, such as the name of an input.
    pub(crate) fn fault(&self, error: BuildError) -> Error {
        Fault::new(0..self.source.len(), error.message).locate(&self.source)
    }

    fn lower(&self, builder: &GraphBuilder, inputs: &[Expr]) -> Result<Vec<Expr>, Error> {
        lower::lower(&self.ast, &self.definitions, builder, inputs)
            .map_err(|fault| fault.locate(&self.source))
    }
}
