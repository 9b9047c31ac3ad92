//! Nonlinear regression problems of the NIST Statistical Reference Datasets (StRD), with certified solutions.
//!
//! A file names a model in the text of [`crate::text`], two starting points, the solution to 11 digits and the
//! data. [`Problem::residuals`] makes a graph of it.

use std::{collections::HashMap, fmt};

use crate::{
    expr::{Expr, GraphBuilder},
    graph::Graph,
    text,
};

mod bundled;
mod parse;
#[cfg(test)]
mod tests;

pub use bundled::bundled;

/// The difficulty NIST assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Most programs solve it.
    Lower,
    /// Between.
    Average,
    /// From the farther start, many programs fail.
    Higher,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Lower => "lower",
            Level::Average => "average",
            Level::Higher => "higher",
        })
    }
}

/// An unknown of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// As in the model: `b1`.
    pub name: String,
    /// Start 1 is far from the solution, start 2 nearer.
    pub starts: [f64; 2],
    /// The solution, to 11 significant digits.
    pub certified: f64,
    /// Of the estimate; certified as well.
    pub standard_deviation: f64,
}

/// One column of the data: the response or a predictor.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As in the model: `y`, `x`.
    pub name: String,
    /// One for each observation.
    pub values: Vec<f64>,
}

/// A regression problem: find the parameters that make the sum of squared residuals least.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// As NIST spells it: `Misra1a`.
    pub name: String,
    /// How hard NIST finds it.
    pub level: Level,
    /// Constants the model uses, as statements: `pi = 3.14…`.
    pub definitions: Vec<String>,
    /// What is observed: `y` or a function of it.
    pub response: String,
    /// The model's right-hand side, without the error term.
    pub prediction: String,
    /// The unknowns, n of them.
    pub parameters: Vec<Parameter>,
    /// Certified least sum of squared residuals.
    pub residual_sum_of_squares: f64,
    /// Certified: the root of the sum of squares per degree of freedom.
    pub residual_standard_deviation: f64,
    /// The response, then the predictors, m values each.
    pub columns: Vec<Column>,
}

impl Problem {
    /// Reads a StRD nonlinear regression file.
    ///
    /// # Errors
    /// The first line that is not as the format wants it.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// Number of observations, m.
    pub fn observations(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The residuals as text, `residuals = response - (prediction)`, in terms of the parameters and the columns.
    pub fn expression(&self) -> String {
        let mut statements = self.definitions.clone();
        statements.push(format!(
            "residuals = {} - ({})",
            self.response, self.prediction
        ));
        statements.join("\n")
    }

    /// The residuals as a graph: a scalar input for each parameter, one output `residuals` of shape `[m]`, the data
    /// as constants. Its Jacobian has m rows and n columns.
    ///
    /// # Errors
    /// What in the model is not an expression of parameters and columns.
    pub fn residuals(&self) -> Result<Graph, text::Error> {
        let program = text::parse(&self.expression())?;
        let builder = GraphBuilder::new(&self.name);
        let inputs = self.parameters.iter().map(|parameter| {
            let input: Expr = builder.input(&parameter.name, []);
            (parameter.name.clone(), input)
        });
        let data = self.columns.iter().map(|column| {
            let constant = builder.constant(column.values.as_slice());
            (column.name.clone(), constant)
        });
        let variables: HashMap<String, Expr> = inputs.chain(data).collect();
        let outputs = program.build(&builder, &variables)?;
        builder
            .finish(outputs)
            .map_err(|error| program.fault(error))
    }
}

/// A file is not a StRD nonlinear regression problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What should stand there.
    pub expected: String,
    /// The line; `None` behind the end of the file.
    pub found: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}", self.line, self.expected)?;
        match &self.found {
            Some(found) => write!(f, "; found `{found}`"),
            None => write!(f, "; the file ends there"),
        }
    }
}

impl std::error::Error for ParseError {}
