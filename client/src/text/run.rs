//! Functions that a text defines, branches, and what runs them, to nodes with bodies.

use super::ast::{Ast, ExprId};
use super::definition::{Definition, Runner};
use super::error::{Fault, Span};
use super::lower::{Lowering, lower_tree};
use crate::expr::{self, Expr, GraphBuilder, Scan, Until};
use crate::tensor::{Dtype, Type};

/// Adds the functions of a text to a builder, each after those that it runs. One that runs itself is declared
/// before, with the types it states, or an `f64` scalar.
pub(super) fn functions(
    definitions: &[Definition],
    builder: &GraphBuilder,
) -> Result<Vec<expr::Function>, Fault> {
    let flawless = builder.error().is_none();
    let mut made: Vec<Option<expr::Function>> = vec![None; definitions.len()];
    for (i, definition) in definitions.iter().enumerate() {
        let declared = match &definition.results {
            Some(results) => results.clone(),
            None if runs_itself(definitions, i) => vec![Type::new(Dtype::F64, [])],
            None => continue,
        };
        let parameters = definition.parameters.iter().cloned();
        let name = builder.free_name(&definition.name);
        made[i] = Some(builder.declare(name, parameters, declared));
    }
    for i in callees_first(definitions) {
        let definition = &definitions[i];
        let mut fault = None;
        let mut body = |b: &GraphBuilder, arguments: Vec<Expr>| {
            lower_tree(&definition.ast, b, &arguments, &made).unwrap_or_else(|found| {
                fault = Some(found);
                arguments
            })
        };
        let new = match &made[i] {
            Some(function) => {
                builder.define(function, body);
                None
            }
            None => {
                let name = builder.free_name(&definition.name);
                Some(builder.function(name, definition.parameters.clone(), &mut body))
            }
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        if flawless && let Some(error) = builder.error() {
            let name = &definition.name;
            return Err(Fault::new(definition.span.clone(), error.message)
                .help(format!("state the types: fn {name}(x: f64[3]) -> f64[3]")));
        }
        made[i] = new.or(made[i].take());
    }
    Ok(made.into_iter().flatten().collect())
}

/// Whether a function runs itself, by whatever others.
fn runs_itself(definitions: &[Definition], which: usize) -> bool {
    let mut met = vec![false; definitions.len()];
    let mut waiting = definitions[which].runs.clone();
    while let Some(i) = waiting.pop() {
        if i == which {
            return true;
        }
        if !std::mem::replace(&mut met[i], true) {
            waiting.extend(&definitions[i].runs);
        }
    }
    false
}

/// All functions, each after those that it runs, as far as there is such an order.
fn callees_first(definitions: &[Definition]) -> Vec<usize> {
    let mut order = Vec::with_capacity(definitions.len());
    let mut met = vec![false; definitions.len()];
    for root in 0..definitions.len() {
        // A function, and how many of those that it runs are done.
        let mut stack = vec![(root, 0)];
        while let Some((i, done)) = stack.pop() {
            if done == 0 && std::mem::replace(&mut met[i], true) {
                continue;
            }
            match definitions[i].runs.get(done) {
                Some(&next) => {
                    stack.push((i, done + 1));
                    if !met[next] {
                        stack.push((next, 0));
                    }
                }
                None => order.push(i),
            }
        }
    }
    order
}

/// How a call of functions is written.
pub(super) struct Run<'a> {
    pub runner: Runner,
    pub functions: &'a [usize],
    pub arguments: &'a [ExprId],
    pub length: Option<ExprId>,
    pub taken: usize,
}

impl Lowering<'_> {
    pub(super) fn run(&self, run: &Run<'_>, span: &Span) -> Result<Vec<Expr>, Fault> {
        let of = |i: usize| {
            let function = self.functions.get(run.functions[i]);
            let function = function.and_then(Option::as_ref);
            let fault = || Fault::new(span.clone(), "this function is not known here");
            function.ok_or_else(fault)
        };
        let f = of(0)?;
        let types = f.signature();
        let (parameters, results) = types.unwrap_or_default();
        let arguments = self.run_arguments(run, &parameters)?;
        let b = self.builder;
        let first = || {
            let problem = "something to begin with is missing";
            let first = arguments.first();
            first.ok_or_else(|| Fault::new(span.clone(), problem))
        };
        let all: Vec<Expr> = match run.runner {
            Runner::Call => b.call(f, &arguments),
            Runner::While => b.while_loop(f, of(1)?, &arguments),
            Runner::Map => {
                let sequences = sequences(&arguments, &parameters);
                let (sequences, constants) = arguments.split_at(sequences.end);
                b.map(f, sequences, constants)
            }
            Runner::Scan => {
                let scan = self.scan(run, &arguments, &parameters, results.len(), span)?;
                b.scan(f, scan)
            }
            Runner::Gradient => b.gradient(f, 0, [0], &arguments),
            Runner::Jacobian => b.jacobian(f, [], [0], &arguments),
            Runner::Hessian => b.hessian(f, 0, [0], &arguments),
            Runner::Root => {
                vec![b.implicit_root(f, first()?, &arguments[1..], Until::default())]
            }
            Runner::FixedPoint => {
                vec![b.fixed_point(f, first()?, &arguments[1..], Until::default())]
            }
            Runner::LinearSolve => {
                vec![b.linear_solve(f, first()?, &arguments[1..], Until::default())]
            }
        };
        if b.error().is_none() && all.len() != run.taken {
            let results = |count: usize| match count {
                1 => "1 result".to_owned(),
                n => format!("{n} results"),
            };
            let problem = format!("this gives {}, {} taken", results(all.len()), run.taken);
            let names = ["a", "b", "c", "d"];
            let names = names[..all.len().min(4)].join(", ");
            return Err(Fault::new(span.clone(), problem).help(format!("write {names} = …")));
        }
        Ok(all)
    }

    /// Arguments; numbers take the element types of the parameters.
    fn run_arguments(&self, run: &Run<'_>, parameters: &[Type]) -> Result<Vec<Expr>, Fault> {
        let arguments = run.arguments.iter().enumerate();
        arguments
            .map(|(i, &id)| match (self.constant(id), parameters.get(i)) {
                (Some(array), Some(ty)) if ty.dtype.is_float() || ty.dtype == Dtype::I64 => {
                    self.constant_as(array, ty.dtype, id)
                }
                _ => Ok(self.expr(id)),
            })
            .collect()
    }

    fn scan(
        &self,
        run: &Run<'_>,
        arguments: &[Expr],
        parameters: &[Type],
        results: usize,
        span: &Span,
    ) -> Result<Scan, Fault> {
        let mut sequences = sequences(arguments, parameters);
        let length = match (run.length, sequences.is_empty()) {
            (Some(id), _) => self.sizes(id)?.first().copied().unwrap_or(0),
            (None, false) => arguments[sequences.start].shape()[0],
            (None, true) => {
                return Err(Fault::new(span.clone(), "a scan without a sequence")
                    .help("say how many steps: scan(step, x, a, length=10)"));
            }
        };
        if sequences.is_empty() {
            // As many as the function gives; the rest are constants.
            sequences = results.min(arguments.len())..results.min(arguments.len());
        }
        if sequences.start == 0 {
            return Err(
                Fault::new(span.clone(), "a scan that carries nothing").help(
                    "begin with what goes from step to step, scan(step, x, sequence), or write map",
                ),
            );
        }
        Ok(Scan {
            length,
            carries: arguments[..sequences.start].to_vec(),
            sequences: arguments[sequences.clone()].to_vec(),
            constants: arguments[sequences.end..].to_vec(),
            reverse: false,
        })
    }

    pub(super) fn branches(
        &self,
        condition: ExprId,
        arguments: &[ExprId],
        arms: &[(Ast, Vec<usize>); 2],
        span: &Span,
    ) -> Result<Expr, Fault> {
        let chosen = self.truth(condition)?;
        if !chosen.shape().is_empty() {
            let shape = chosen.shape();
            let problem = format!("the condition of `if` has shape {shape:?}, one value is needed");
            return Err(Fault::new(self.span(condition), problem)
                .help("element by element, write where(condition, a, b)"));
        }
        let arguments: Vec<Expr> = arguments.iter().map(|&id| self.expr(id)).collect();
        let types: Vec<Type> = arguments.iter().map(Expr::tensor_type).collect();
        let mut made = Vec::new();
        let mut results = Vec::new();
        for ((ast, uses), word) in arms.iter().zip(["then", "else"]) {
            let mut fault = None;
            let name = self.builder.free_name(word);
            let body = |b: &GraphBuilder, all: Vec<Expr>| {
                let inputs: Vec<Expr> = uses.iter().map(|&i| all[i].clone()).collect();
                let lowered = lower_tree(ast, b, &inputs, self.functions);
                lowered.unwrap_or_else(|found| {
                    fault = Some(found);
                    vec![b.constant(0.0)]
                })
            };
            let function = self.builder.function(name, types.clone(), body);
            if let Some(fault) = fault {
                return Err(fault);
            }
            results.extend(
                function
                    .signature()
                    .and_then(|(_, mut results)| results.pop()),
            );
            made.push(function);
        }
        if let [then, otherwise] = results.as_slice()
            && then != otherwise
        {
            let problem = format!("the branches give {then} and {otherwise}");
            return Err(Fault::new(span.clone(), problem).help("both give values of one type"));
        }
        Ok(self
            .builder
            .if_else(&chosen, &made[0], &made[1], &arguments))
    }
}

/// Which arguments are sequences: those with a dimension in front of the parameter's.
fn sequences(arguments: &[Expr], parameters: &[Type]) -> std::ops::Range<usize> {
    let pairs = || arguments.iter().zip(parameters);
    let is =
        |(argument, parameter): (&Expr, &Type)| argument.shape().len() == parameter.shape.len() + 1;
    let start = pairs().position(is).unwrap_or(0);
    let count = pairs().skip(start).take_while(|&pair| is(pair)).count();
    start..start + count
}
