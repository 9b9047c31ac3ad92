//! Functions that a text defines, branches, and what runs them, to nodes with bodies.

use std::ops::Range;

use super::ast::{Ast, ExprId, Node};
use super::definition::Definition;
use super::error::{Fault, Span};
use super::lower::{Lowering, lower_tree};
use super::runner::Runner;
use crate::expr::{self, Expr, GraphBuilder, Scan, Until};
use crate::tensor::{Dtype, Type};

/// A function of the text.
pub(super) struct Known<'a> {
    pub definition: &'a Definition,
    /// It runs itself and states no types: one `f64` scalar is what it gives.
    pub assumed: bool,
    made: Option<expr::Function>,
}

/// Adds the functions of a text to a builder, each after those that it runs. One that runs itself is declared
/// before, with the types it states, or an `f64` scalar.
pub(super) fn functions<'a>(
    definitions: &'a [Definition],
    builder: &GraphBuilder,
) -> Result<Vec<Known<'a>>, Fault> {
    let flawless = builder.error().is_none();
    let declared = definitions.iter().enumerate().map(|(i, definition)| {
        let assumed = definition.results.is_none() && runs_itself(definitions, i);
        let scalar = assumed.then(|| vec![Type::new(Dtype::F64, [])]);
        let made = definition.results.clone().or(scalar).map(|results| {
            let name = builder.free_name(&definition.name);
            builder.declare(name, definition.parameters.iter().cloned(), results)
        });
        Known {
            definition,
            assumed,
            made,
        }
    });
    let mut all: Vec<Known<'a>> = declared.collect();
    for i in callees_first(definitions) {
        let definition = &definitions[i];
        let mut fault = None;
        let mut body = |b: &GraphBuilder, arguments: Vec<Expr>| {
            lower_tree(&definition.ast, b, &arguments, &all).unwrap_or_else(|found| {
                fault = Some(found);
                arguments
            })
        };
        let new = match &all[i].made {
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
            let help = match definition.results {
                Some(_) => "state the types that the body gives, or change the body".to_owned(),
                None => format!("state what it gives: {}", stating(definition)),
            };
            return Err(Fault::new(definition.span.clone(), error.message).help(help));
        }
        if new.is_some() {
            all[i].made = new;
        }
    }
    Ok(all)
}

/// What to do about a function that is taken to give one number.
fn states(definition: &Definition) -> String {
    let (name, stating) = (&definition.name, stating(definition));
    format!("`{name}` runs itself: unless it gives one f64, it states what it gives, as {stating}")
}

/// `1 result`, `2 results`.
fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// How to state what a function gives.
fn stating(definition: &Definition) -> String {
    format!("fn {}(…) -> f64[3]", definition.name)
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
    /// The length of a scan, the limit of a while.
    pub bound: Option<ExprId>,
    pub taken: usize,
}

impl Lowering<'_> {
    pub(super) fn run(&self, run: &Run<'_>, span: &Span) -> Result<Vec<Expr>, Fault> {
        let of = |i: usize| {
            let function = self.functions.get(run.functions[i]);
            let function = function.and_then(|known| known.made.as_ref());
            let fault = || Fault::new(span.clone(), "this function is not known here");
            function.ok_or_else(fault)
        };
        let f = of(0)?;
        self.check_count(run, span)?;
        let parameters = &self.functions[run.functions[0]].definition.parameters;
        let arguments = self.run_arguments(run, parameters)?;
        let sequences = match run.runner {
            Runner::Scan => sequences(&arguments, parameters),
            // Whatever stands before a sequence ought to be one.
            Runner::Map => 0..sequences(&arguments, parameters).end,
            _ => 0..0,
        };
        self.check_types(run, &arguments, &sequences)?;
        let b = self.builder;
        let first = || {
            let fault = Fault::new(span.clone(), "something to begin with is missing");
            let help = "give the function a parameter, and here a start: root(g, start, a)";
            arguments.first().ok_or_else(|| fault.help(help))
        };
        let all: Vec<Expr> = match run.runner {
            Runner::Call => b.call(f, &arguments),
            Runner::While => {
                self.check_condition(run, span)?;
                let limit = run.bound.map_or(Ok(0), |id| self.limit(id))?;
                b.while_loop_with(f, of(1)?, &arguments, limit)
            }
            Runner::Map if sequences.is_empty() => {
                return Err(Fault::new(span.clone(), "a map without a sequence")
                    .help("the function takes its elements: map(f, [1, 2, 3], a)"));
            }
            Runner::Map => b.map(
                f,
                &arguments[sequences.clone()],
                &arguments[sequences.end..],
            ),
            Runner::Scan => {
                let results = f.signature().map_or(0, |(_, results)| results.len());
                b.scan(f, self.scan(run, &arguments, sequences, results, span)?)
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
            let problem = format!(
                "this gives {}, {} taken",
                counted(all.len(), "result"),
                run.taken
            );
            let names = ["a", "b", "c", "d"];
            let names = names[..all.len().min(4)].join(", ");
            let help = match &self.functions[run.functions[0]] {
                known if known.assumed && run.runner == Runner::Call => states(known.definition),
                _ => format!("write {names} = …"),
            };
            return Err(Fault::new(span.clone(), problem).help(help));
        }
        Ok(all)
    }

    /// Checks how many arguments the functions get.
    fn check_count(&self, run: &Run<'_>, span: &Span) -> Result<(), Fault> {
        let given = run.arguments.len();
        let definitions = || run.functions.iter().map(|&i| self.functions[i].definition);
        let Some(wrong) = definitions().find(|d| d.parameters.len() != given) else {
            return Ok(());
        };
        let names = wrong.ast.inputs.iter().map(|input| input.name.as_str());
        let functions = definitions().map(|definition| definition.name.as_str());
        let usage = match run.runner.word() {
            None => format!("{}({})", wrong.name, names.collect::<Vec<_>>().join(", ")),
            Some(word) => format!(
                "{word}({})",
                functions.chain(names).collect::<Vec<_>>().join(", ")
            ),
        };
        let takes = counted(wrong.parameters.len(), "argument");
        let problem = format!("`{}` takes {takes}, {given} given", wrong.name);
        Err(Fault::new(span.clone(), problem).help(format!("write {usage}")))
    }

    /// Checks that arguments, and elements of sequences, have the types of the parameters.
    fn check_types(
        &self,
        run: &Run<'_>,
        arguments: &[Expr],
        sequences: &Range<usize>,
    ) -> Result<(), Fault> {
        for &function in run.functions {
            let definition = self.functions[function].definition;
            let pairs = arguments.iter().zip(&definition.parameters).enumerate();
            for (i, (argument, parameter)) in pairs {
                let mut given = argument.tensor_type();
                let mut subject = "this is";
                if sequences.contains(&i) {
                    if given.shape.is_empty() {
                        let problem = format!("this is {given}, not a sequence");
                        return Err(Fault::new(self.span(run.arguments[i]), problem)
                            .help("what stays stands behind the sequences: map(f, sequence, a)"));
                    }
                    given.shape.remove(0);
                    subject = "elements of this are";
                }
                if given == *parameter {
                    continue;
                }
                let (name, of) = (&definition.ast.inputs[i].name, &definition.name);
                let problem =
                    format!("{subject} {given}, parameter `{name}` of `{of}` is {parameter}");
                return Err(
                    Fault::new(self.span(run.arguments[i]), problem).help(format!(
                        "give it that type, or declare {name}: {given} in fn {of}(…)"
                    )),
                );
            }
        }
        Ok(())
    }

    /// Checks what the first function of a while gives.
    fn check_condition(&self, run: &Run<'_>, span: &Span) -> Result<(), Fault> {
        let condition = &self.functions[run.functions[0]];
        let signature = condition.made.as_ref().and_then(expr::Function::signature);
        match signature {
            Some((_, results)) if results != [Type::new(Dtype::Bool, [])] => {
                let name = &condition.definition.name;
                let types: Vec<String> = results.iter().map(ToString::to_string).collect();
                let types = types.join(", ");
                let problem = format!("`{name}` gives {types}; a condition gives one bool");
                Err(Fault::new(span.clone(), problem)
                    .help(format!("compare in it: fn {name}(x) = x > 1e-9")))
            }
            _ => Ok(()),
        }
    }

    /// The most iterations of a while.
    fn limit(&self, id: ExprId) -> Result<u64, Fault> {
        match self.sizes(id)?.as_slice() {
            &[limit] if limit > 0 => Ok(limit as u64),
            _ => Err(
                Fault::new(self.span(id), "a limit is one number, at least 1")
                    .help("without a limit, that of the server holds"),
            ),
        }
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
        mut sequences: Range<usize>,
        results: usize,
        span: &Span,
    ) -> Result<Scan, Fault> {
        let length = match (run.bound, sequences.is_empty()) {
            (Some(id), _) => match self.sizes(id)?.as_slice() {
                &[length] => length,
                _ => {
                    return Err(Fault::new(self.span(id), "a length is one number")
                        .help("say how many steps: length=10"));
                }
            },
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
            let nodes = arms.iter().flat_map(|(ast, _)| &ast.nodes);
            let called = nodes.filter_map(|(node, _)| match node {
                Node::Run { functions, .. } => self.functions.get(*functions.first()?),
                _ => None,
            });
            let help = match called.into_iter().find(|known| known.assumed) {
                Some(known) => states(known.definition),
                None => "both give values of one type".to_owned(),
            };
            return Err(Fault::new(span.clone(), problem).help(help));
        }
        Ok(self
            .builder
            .if_else(&chosen, &made[0], &made[1], &arguments))
    }
}

/// Which arguments are sequences: those with a dimension in front of the parameter's.
fn sequences(arguments: &[Expr], parameters: &[Type]) -> Range<usize> {
    let pairs = || arguments.iter().zip(parameters);
    let is =
        |(argument, parameter): (&Expr, &Type)| argument.shape().len() == parameter.shape.len() + 1;
    let start = pairs().position(is).unwrap_or(0);
    let count = pairs().skip(start).take_while(|&pair| is(pair)).count();
    start..start + count
}
