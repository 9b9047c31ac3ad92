//! Functions: bodies that nodes run. They are built together, since each may run any of them, itself included.

use super::control::{complete_derivative, result_count};
use super::{Graph, GraphBuilder, Limits, Violation};
use crate::op::deeper;
use crate::op::{Attributes, FunctionId, Infer, Op, ValueId, infer_elementwise};
use crate::tensor::TensorType;

/// A body: a graph whose inputs and outputs are named by position, and which may run its owner's functions.
#[derive(Clone, Debug)]
pub struct Function {
    /// Unique among the functions of a graph.
    pub name: String,
    /// What it computes.
    pub body: Graph,
    /// Gives the results' tangents from parameters, results and the tangents of the floating-point parameters, in
    /// which it is linear: used instead of the body's own.
    pub custom_jvp: Option<FunctionId>,
    /// Gives the cotangents of the floating-point parameters from parameters, results and the cotangents of the
    /// floating-point results, in which it is linear.
    pub custom_vjp: Option<FunctionId>,
}

/// A function as a client sends it.
#[derive(Clone, Debug)]
pub struct FunctionSource {
    /// See [`Function::name`].
    pub name: String,
    /// Types of the parameters, which take values 0, 1, …
    pub parameters: Vec<TensorType>,
    /// In topological order.
    pub nodes: Vec<NodeSource>,
    /// Its results.
    pub results: Vec<ValueId>,
    /// See [`Function::custom_jvp`].
    pub custom_jvp: Option<FunctionId>,
    /// See [`Function::custom_vjp`].
    pub custom_vjp: Option<FunctionId>,
}

/// A node as a client sends it.
#[derive(Clone, Debug)]
pub struct NodeSource {
    /// The operation.
    pub op: Op,
    /// Its operands.
    pub operands: Vec<ValueId>,
    /// Its attributes.
    pub attributes: Attributes,
    /// The client's name for it.
    pub label: String,
}

/// Types of a function's parameters and results.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Its name, for messages.
    pub name: String,
    /// Of the parameters.
    pub parameters: Vec<TensorType>,
    /// Of the results.
    pub results: Vec<TensorType>,
}

/// The functions of a graph. Result types are found from whatever path does not call the function again.
pub(super) fn build(
    sources: Vec<FunctionSource>,
    limits: &Limits,
) -> Result<(Vec<Function>, Vec<Signature>), Violation> {
    let results = Typing::new(&sources).run()?;
    let signatures: Vec<Signature> = sources
        .iter()
        .zip(results)
        .map(|(source, results)| Signature {
            name: source.name.clone(),
            parameters: source.parameters.clone(),
            results,
        })
        .collect();
    let mut functions = Vec::with_capacity(sources.len());
    for (i, source) in sources.into_iter().enumerate() {
        let body = body(&source, &signatures, limits).map_err(|v| v.in_function(i))?;
        functions.push(Function {
            name: source.name,
            body,
            custom_jvp: source.custom_jvp,
            custom_vjp: source.custom_vjp,
        });
    }
    for (i, function) in functions.iter().enumerate() {
        check_custom(function, &signatures, i)?;
    }
    Ok((functions, signatures))
}

fn body(
    source: &FunctionSource,
    signatures: &[Signature],
    limits: &Limits,
) -> Result<Graph, Violation> {
    let mut builder = GraphBuilder::with_capacity(&source.name, limits.clone(), source.nodes.len());
    builder.know(signatures);
    for (i, ty) in source.parameters.iter().enumerate() {
        builder
            .input(i.to_string(), ty.clone())
            .map_err(|v| v.of_parameter(i))?;
    }
    for node in &source.nodes {
        builder.push(
            node.op,
            &node.operands,
            node.attributes.clone(),
            &node.label,
        )?;
    }
    for (i, &value) in source.results.iter().enumerate() {
        builder
            .output(&i.to_string(), value)
            .map_err(|v| v.of_result(i))?;
    }
    if source.results.is_empty() {
        return Err(Violation::function(
            "results",
            "a function needs at least one result; name the value you want".into(),
        ));
    }
    builder.finish()
}

/// A function's own derivative takes parameters, results, and tangents or cotangents, and gives the others.
fn check_custom(function: &Function, signatures: &[Signature], at: usize) -> Result<(), Violation> {
    let own = &signatures[at];
    let floats = |types: &[TensorType]| -> Vec<TensorType> {
        types
            .iter()
            .filter(|ty| ty.dtype.is_float())
            .cloned()
            .collect()
    };
    let (xs, ys) = (floats(&own.parameters), floats(&own.results));
    let rules = [
        ("custom_jvp", function.custom_jvp, &xs, &ys),
        ("custom_vjp", function.custom_vjp, &ys, &xs),
    ];
    for (field, rule, given, wanted) in rules {
        let Some(rule) = rule else { continue };
        let rule = &signatures[rule.index()];
        let takes: Vec<TensorType> = [&own.parameters[..], &own.results, given].concat();
        let list = |types: &[TensorType]| {
            let all: Vec<String> = types.iter().map(ToString::to_string).collect();
            format!("({})", all.join(", "))
        };
        if rule.parameters != takes || rule.results != *wanted {
            let message = format!(
                "function {:?} takes {} and gives {}; the derivative of {:?} takes parameters, results and {}: {}, and gives {}",
                rule.name,
                list(&rule.parameters),
                list(&rule.results),
                own.name,
                if field == "custom_jvp" {
                    "tangents"
                } else {
                    "cotangents"
                },
                list(&takes),
                list(wanted),
            );
            return Err(Violation::function(field, message).in_function(at));
        }
    }
    Ok(())
}

/// The functions that attributes name.
pub(super) fn callees(attributes: &Attributes) -> &[FunctionId] {
    match attributes {
        Attributes::Control(control) => &control.functions,
        Attributes::Derivative(derivative) => std::slice::from_ref(&derivative.function),
        Attributes::Implicit(implicit) => std::slice::from_ref(&implicit.function),
        _ => &[],
    }
}

/// Finds result types before anything is checked.
struct Typing<'a> {
    sources: &'a [FunctionSource],
    found: Vec<Option<Vec<TensorType>>>,
    /// Tried in this pass.
    tried: Vec<bool>,
}

impl<'a> Typing<'a> {
    fn new(sources: &'a [FunctionSource]) -> Self {
        Self {
            sources,
            found: vec![None; sources.len()],
            tried: vec![false; sources.len()],
        }
    }

    fn run(mut self) -> Result<Vec<Vec<TensorType>>, Violation> {
        loop {
            let before = self.found.iter().flatten().count();
            self.tried = vec![false; self.sources.len()];
            for f in 0..self.sources.len() {
                self.function(f);
            }
            let after = self.found.iter().flatten().count();
            if after == self.sources.len() {
                return Ok(self.found.into_iter().flatten().collect());
            }
            if after == before {
                break;
            }
        }
        // What is wrong with a body is said when the body is built; only what is left is typed by no path.
        let unknown = self.found.iter().position(Option::is_none).unwrap_or(0);
        for (f, source) in self.sources.iter().enumerate() {
            if self.found[f].is_none() && self.knows_callees(source) {
                let signatures = self.partial_signatures();
                body(source, &signatures, &Limits::default()).map_err(|v| v.in_function(f))?;
            }
        }
        let name = &self.sources[unknown].name;
        Err(Violation::function(
            "results",
            format!("the result types of function {name:?} cannot be found: every path through it runs it again; give it a branch that does not"),
        )
        .in_function(unknown))
    }

    /// Whether everything that a function runs has its types, so that what is wrong is its own fault.
    fn knows_callees(&self, source: &FunctionSource) -> bool {
        let mut callees = source.nodes.iter().flat_map(|n| callees(&n.attributes));
        callees.all(|f| self.found.get(f.index()).is_none_or(Option::is_some))
    }

    /// Signatures as far as they are known.
    fn partial_signatures(&self) -> Vec<Signature> {
        let all = self.sources.iter().zip(&self.found);
        all.map(|(source, results)| Signature {
            name: source.name.clone(),
            parameters: source.parameters.clone(),
            results: results.clone().unwrap_or_default(),
        })
        .collect()
    }

    fn function(&mut self, f: usize) {
        if self.found[f].is_some() || self.tried[f] {
            return;
        }
        self.tried[f] = true;
        let source = &self.sources[f];
        let mut types: Vec<Option<TensorType>> =
            source.parameters.iter().cloned().map(Some).collect();
        for node in &source.nodes {
            match deeper(|| self.node(node, &types)) {
                Some(results) => types.extend(results.into_iter().map(Some)),
                // What is numbered after it can only be found if the number of results is known.
                None => match result_count(node, self.sources) {
                    Some(count) => types.extend(std::iter::repeat_n(None, count)),
                    None => return,
                },
            }
        }
        let results = source
            .results
            .iter()
            .map(|v| types.get(v.index()).cloned().flatten());
        self.found[f] = results.collect();
    }

    fn node(&mut self, node: &NodeSource, types: &[Option<TensorType>]) -> Option<Vec<TensorType>> {
        let operands: Vec<Option<&TensorType>> = node
            .operands
            .iter()
            .map(|v| types.get(v.index()).and_then(Option::as_ref))
            .collect();
        if let Attributes::Control(control) = &node.attributes {
            // A cond is typed by any of its branches.
            for f in &control.functions {
                if f.index() < self.sources.len() {
                    self.function(f.index());
                }
            }
            let signatures = self.partial_signatures_of(&control.functions);
            return super::control::early_results(control, &signatures, &operands);
        }
        let operands: Vec<&TensorType> = operands.into_iter().collect::<Option<_>>()?;
        if let Attributes::Derivative(derivative) = &node.attributes {
            self.function(derivative.function.index());
            let signature = self.signature(derivative.function)?;
            return complete_derivative(derivative, &signature, &operands)
                .ok()
                .map(|d| d.results);
        }
        if let Attributes::Implicit(_) = &node.attributes {
            return Some(vec![(*operands.first()?).clone()]);
        }
        if let Some(row) = node.op.elementwise() {
            return (operands.len() == row.partials.len())
                .then(|| infer_elementwise(row, &operands).ok())
                .flatten()
                .map(|ty| vec![ty]);
        }
        let form = node.op.form()?;
        if form.attribute != node.attributes.field() {
            return None;
        }
        let (min, max) = form.operands;
        if operands.len() < min as usize || operands.len() > max as usize {
            return None;
        }
        match form.infer {
            Infer::One(infer) => infer(node.op, &node.attributes, &operands)
                .ok()
                .map(|ty| vec![ty]),
            Infer::Many(infer) => infer(node.op, &node.attributes, &operands).ok(),
        }
    }

    fn signature(&self, f: FunctionId) -> Option<Signature> {
        let source = self.sources.get(f.index())?;
        Some(Signature {
            name: source.name.clone(),
            parameters: source.parameters.clone(),
            results: self.found[f.index()].clone()?,
        })
    }

    fn partial_signatures_of(&self, functions: &[FunctionId]) -> Vec<Option<Signature>> {
        functions.iter().map(|&f| self.signature(f)).collect()
    }
}
