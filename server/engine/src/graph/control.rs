//! Types of nodes with bodies.

use super::{Function, FunctionSource, NodeSource, Signature};
use crate::op::deeper;
use crate::op::{
    Attributes, Control, ControlKind, Derivative, FunctionId, Implicit, Infer, Place, Problem,
    Product,
};
use crate::tensor::{DType, Shape, TensorType};

/// Number of results of a node whose types are not known yet, where that can be said.
pub(super) fn result_count(node: &NodeSource, functions: &[FunctionSource]) -> Option<usize> {
    match &node.attributes {
        Attributes::Control(control) => {
            let body = functions.get(control.functions.get(body_at(control)?)?.index())?;
            Some(body.results.len())
        }
        Attributes::Derivative(_) => None,
        Attributes::Implicit(_) => Some(1),
        _ => match node.op.form() {
            Some(form) => matches!(form.infer, Infer::One(_)).then_some(1),
            None => Some(1),
        },
    }
}

fn body_at(control: &Control) -> Option<usize> {
    match control.kind {
        ControlKind::While { .. } => Some(1),
        _ => Some(0),
    }
}

/// Result types of a node with bodies, from those signatures and operands that are known.
pub(super) fn early_results(
    control: &Control,
    signatures: &[Option<Signature>],
    operands: &[Option<&TensorType>],
) -> Option<Vec<TensorType>> {
    match control.kind {
        ControlKind::Call => Some(signatures.first()?.as_ref()?.results.clone()),
        ControlKind::Cond => Some(signatures.iter().flatten().next()?.results.clone()),
        ControlKind::While { .. } => match signatures.get(1)? {
            Some(body) => Some(body.results.clone()),
            None => operands.iter().map(|ty| ty.cloned()).collect(),
        },
        ControlKind::Scan { length, .. } => {
            let body = signatures.first()?.as_ref()?;
            Some(scan_results(control, length, &body.results))
        }
    }
}

/// Carries, then stacked outputs.
fn scan_results(control: &Control, length: u64, results: &[TensorType]) -> Vec<TensorType> {
    let carries = (control.carries as usize).min(results.len());
    let stacked = results[carries..].iter().map(|ty| stacked(ty, length));
    results[..carries].iter().cloned().chain(stacked).collect()
}

/// With a leading axis.
pub fn stacked(ty: &TensorType, length: u64) -> TensorType {
    let shape: Vec<u64> = std::iter::once(length)
        .chain(ty.shape.iter().copied())
        .collect();
    TensorType::new(ty.dtype, Shape::from(shape))
}

fn signature<'a>(
    signatures: &'a [Signature],
    function: FunctionId,
    field: &'static str,
) -> Result<&'a Signature, Problem> {
    signatures.get(function.index()).ok_or_else(|| {
        Problem::attribute(
            field,
            format!(
                "function {} does not exist: the graph has {}",
                function.0,
                signatures.len()
            ),
        )
    })
}

/// Checks that arguments fit a function's parameters; `first`: the operand where they begin.
fn check_arguments(
    of: &Signature,
    arguments: &[TensorType],
    place: impl Fn(usize) -> usize,
) -> Result<(), Problem> {
    if of.parameters.len() != arguments.len() {
        return Err(Problem::operands(format!(
            "function {:?} takes {} arguments, {} given",
            of.name,
            of.parameters.len(),
            arguments.len()
        )));
    }
    for (i, (parameter, argument)) in of.parameters.iter().zip(arguments).enumerate() {
        if parameter != argument {
            return Err(Problem::operand(
                place(i),
                format!(
                    "operand is {argument}, parameter {i} of function {:?} is {parameter}",
                    of.name
                ),
            ));
        }
    }
    Ok(())
}

fn list(types: &[TensorType]) -> String {
    let all: Vec<String> = types.iter().map(ToString::to_string).collect();
    format!("({})", all.join(", "))
}

/// A client's node with its types, or what is wrong with it.
pub(super) fn complete(
    control: &Control,
    signatures: &[Signature],
    operands: &[&TensorType],
) -> Result<Control, Problem> {
    let operands: Vec<TensorType> = operands.iter().map(|&ty| ty.clone()).collect();
    let mut completed = control.clone();
    match control.kind {
        ControlKind::Call => {
            let of = signature(signatures, control.functions[0], "function")?;
            check_arguments(of, &operands, |i| i)?;
            completed.results = of.results.clone();
        }
        ControlKind::Cond => cond(&mut completed, signatures, &operands)?,
        ControlKind::While { .. } => while_loop(&mut completed, signatures, &operands)?,
        ControlKind::Scan { length, .. } => scan(&mut completed, signatures, &operands, length)?,
    }
    completed.operands = operands;
    Ok(completed)
}

fn cond(
    control: &mut Control,
    signatures: &[Signature],
    operands: &[TensorType],
) -> Result<(), Problem> {
    let Some((&first, rest)) = control.functions.split_first() else {
        return Err(Problem::attribute(
            "branches",
            "no branches; name at least one function",
        ));
    };
    let selector = &operands[0];
    if !selector.shape.is_empty() || !matches!(selector.dtype, DType::Bool | DType::I64) {
        return Err(Problem::operand(
            0,
            format!("operand is {selector}; what selects the branch is a bool or i64 scalar"),
        ));
    }
    if selector.dtype == DType::Bool && control.functions.len() != 2 {
        return Err(Problem::attribute(
            "branches",
            format!(
                "a bool chooses between 2 branches (false, true), {} given",
                control.functions.len()
            ),
        ));
    }
    let of = signature(signatures, first, "branches")?;
    check_arguments(of, &operands[1..], |i| i + 1)?;
    for &other in rest {
        let other = signature(signatures, other, "branches")?;
        if other.parameters != of.parameters || other.results != of.results {
            return Err(Problem::attribute(
                "branches",
                format!(
                    "all branches have one signature: {:?} takes {} and gives {}, {:?} takes {} and gives {}",
                    of.name,
                    list(&of.parameters),
                    list(&of.results),
                    other.name,
                    list(&other.parameters),
                    list(&other.results)
                ),
            ));
        }
    }
    control.results = of.results.clone();
    Ok(())
}

fn while_loop(
    control: &mut Control,
    signatures: &[Signature],
    operands: &[TensorType],
) -> Result<(), Problem> {
    let condition = signature(signatures, control.functions[0], "condition")?;
    let body = signature(signatures, control.functions[1], "body")?;
    check_arguments(condition, operands, |i| i)?;
    check_arguments(body, operands, |i| i)?;
    if condition.results != [TensorType::new(DType::Bool, [])] {
        return Err(Problem::attribute(
            "condition",
            format!(
                "function {:?} gives {}; a condition gives one bool scalar",
                condition.name,
                list(&condition.results)
            ),
        ));
    }
    check_carries(body, operands, body.results.len())?;
    control.carries = body.results.len() as u32;
    control.results = body.results.clone();
    Ok(())
}

fn check_carries(body: &Signature, operands: &[TensorType], carries: usize) -> Result<(), Problem> {
    if carries > operands.len() || carries > body.results.len() {
        return Err(Problem::attribute(
            "carries",
            format!(
                "{carries} carries, but {} operands are given and function {:?} gives {} results",
                operands.len(),
                body.name,
                body.results.len()
            ),
        ));
    }
    for (i, (carry, result)) in operands.iter().zip(&body.results).take(carries).enumerate() {
        if carry != result {
            return Err(Problem::operand(
                i,
                format!(
                    "carry {i} is {carry}, but function {:?} gives {result} for it; a carry keeps its type",
                    body.name
                ),
            ));
        }
    }
    Ok(())
}

fn scan(
    control: &mut Control,
    signatures: &[Signature],
    operands: &[TensorType],
    length: u64,
) -> Result<(), Problem> {
    let body = signature(signatures, control.functions[0], "function")?;
    let (carries, sequences) = (control.carries as usize, control.sequences as usize);
    if carries.saturating_add(sequences) > operands.len() {
        return Err(Problem::operands(format!(
            "{} operands are given for {carries} carries and {sequences} sequences",
            operands.len()
        )));
    }
    let mut arguments = operands.to_vec();
    for i in carries..carries + sequences {
        let ty = &operands[i];
        if ty.shape.first() != Some(&length) {
            return Err(Problem::operand(
                i,
                format!("sequence is {ty}; its leading axis must be the length, {length}"),
            ));
        }
        arguments[i] = TensorType::new(ty.dtype, Shape::from(ty.shape[1..].to_vec()));
    }
    check_arguments(body, &arguments, |i| i)?;
    check_carries(body, operands, carries)?;
    control.results = scan_results(control, length, &body.results);
    Ok(())
}

/// Positions that empty lists stand for, and those given checked.
fn filled(derivative: &Derivative, of: &Signature) -> Result<Derivative, Problem> {
    let check = |types: &[TensorType], which: &[u32], what: &str, float: bool| {
        for (at, &i) in which.iter().enumerate() {
            let Some(ty) = types.get(i as usize) else {
                return Err(Problem::attribute(
                    "product",
                    format!(
                        "function {:?} has no {what} {i}: it has {}",
                        of.name,
                        types.len()
                    ),
                ));
            };
            if float && !ty.dtype.is_float() {
                return Err(Problem::attribute(
                    "product",
                    format!(
                        "{what} {i} of function {:?} is {ty}, which has no derivative",
                        of.name
                    ),
                ));
            }
            if which[..at].contains(&i) {
                return Err(Problem::attribute(
                    "product",
                    format!("{what} {i} is named twice; name it once"),
                ));
            }
        }
        Ok(())
    };
    let floats = |types: &[TensorType]| -> Vec<u32> {
        let all = 0..types.len() as u32;
        all.filter(|&i| types[i as usize].dtype.is_float())
            .collect()
    };
    let (xs, ys) = (&of.parameters, &of.results);
    let fill = |list: &mut Vec<u32>, all: Vec<u32>| {
        if list.is_empty() {
            *list = all;
        }
    };
    let mut filled = derivative.clone();
    match &mut filled.product {
        Product::Value { outputs } => {
            fill(outputs, (0..ys.len() as u32).collect());
            check(ys, outputs, "result", false)?;
        }
        Product::Gradient { output, wrt } | Product::Hessian { output, wrt, .. } => {
            check(ys, &[*output], "result", true)?;
            fill(wrt, floats(xs));
            check(xs, wrt, "parameter", true)?;
        }
        Product::Jacobian { outputs, wrt, .. } => {
            fill(outputs, floats(ys));
            fill(wrt, floats(xs));
            check(ys, outputs, "result", true)?;
            check(xs, wrt, "parameter", true)?;
        }
        Product::Jvp { .. } => {
            fill(&mut filled.directed, floats(xs));
            check(xs, &filled.directed, "parameter", true)?;
        }
        Product::Vjp { .. } => {
            fill(&mut filled.directed, floats(ys));
            check(ys, &filled.directed, "result", true)?;
        }
        Product::Hvp { output, wrt, .. } => {
            check(ys, &[*output], "result", true)?;
            fill(wrt, floats(xs));
            check(xs, wrt, "parameter", true)?;
            fill(&mut filled.directed, wrt.clone());
            check(xs, &filled.directed, "parameter", true)?;
        }
    }
    Ok(filled)
}

/// Checks how many results a derivative has, before they are written down.
fn check_blocks(derivative: &Derivative, of: &Signature) -> Result<(), Problem> {
    let floats = |types: &[TensorType]| types.iter().filter(|ty| ty.dtype.is_float()).count();
    let count = match &derivative.product {
        Product::Value { outputs } => outputs.len(),
        Product::Gradient { wrt, .. } | Product::Hvp { wrt, .. } => wrt.len(),
        Product::Jacobian { outputs, wrt, .. } => outputs.len().saturating_mul(wrt.len()),
        Product::Jvp { .. } => floats(&of.results),
        Product::Vjp { .. } => floats(&of.parameters),
        Product::Hessian { wrt, .. } => wrt.len().saturating_mul(wrt.len()),
    };
    match count {
        0 => Err(Problem::attribute(
            "product",
            format!(
                "nothing is left to differentiate: function {:?} has no parameter or no result of floating-point type",
                of.name
            ),
        )),
        _ => check_results(count).map_err(|problem| Problem {
            place: Place::Attribute("product"),
            ..problem
        }),
    }
}

/// Checks that a node can have so many results.
pub(super) fn check_results(count: usize) -> Result<(), Problem> {
    match count {
        1..=MAX_RESULTS => Ok(()),
        _ => Err(Problem::node(format!(
            "{count} results; a node has at most {MAX_RESULTS}: stack them, or spread them over several nodes"
        ))),
    }
}

/// Results of one node.
const MAX_RESULTS: usize = u16::MAX as usize;

/// A client's derivative node with its types, or what is wrong with it.
pub(super) fn complete_derivative(
    derivative: &Derivative,
    of: &Signature,
    operands: &[&TensorType],
) -> Result<Derivative, Problem> {
    let derivative = &filled(derivative, of)?;
    let (xs, ys) = (&of.parameters, &of.results);
    check_blocks(derivative, of)?;
    let given: Vec<TensorType> = operands.iter().map(|&ty| ty.clone()).collect();
    let with = |directions: u32, ty: &TensorType| match directions {
        0 => ty.clone(),
        k => stacked(ty, k.into()),
    };
    let matrix = |of: &TensorType, by: &TensorType| {
        let shape: Vec<u64> = of.shape.iter().chain(by.shape.iter()).copied().collect();
        TensorType::new(of.dtype, Shape::from(shape))
    };
    let floats = |types: &[TensorType]| -> Vec<TensorType> {
        types
            .iter()
            .filter(|ty| ty.dtype.is_float())
            .cloned()
            .collect()
    };
    let mut takes = xs.clone();
    let directed = |types: &[TensorType], k: u32| -> Vec<TensorType> {
        derivative
            .directed
            .iter()
            .map(|&i| with(k, &types[i as usize]))
            .collect()
    };
    let scalar = |output: u32| -> Result<(), Problem> {
        let ty = &ys[output as usize];
        if ty.shape.is_empty() && ty.dtype.is_float() {
            return Ok(());
        }
        Err(Problem::attribute(
            "product",
            format!(
                "result {output} is {ty}, not a floating-point scalar; ask for a Jacobian, or reduce it to a scalar first"
            ),
        ))
    };
    let at = |types: &[TensorType], i: &u32| types[*i as usize].clone();
    let results: Vec<TensorType> = match &derivative.product {
        Product::Value { outputs } => outputs.iter().map(|o| at(ys, o)).collect(),
        Product::Gradient { output, wrt } => {
            scalar(*output)?;
            wrt.iter().map(|w| at(xs, w)).collect()
        }
        Product::Jacobian { outputs, wrt, .. } => outputs
            .iter()
            .flat_map(|o| wrt.iter().map(move |w| (o, w)))
            .map(|(o, w)| matrix(&ys[*o as usize], &xs[*w as usize]))
            .collect(),
        Product::Jvp { directions } => {
            takes.extend(directed(xs, *directions));
            floats(ys).iter().map(|ty| with(*directions, ty)).collect()
        }
        Product::Vjp { directions } => {
            takes.extend(directed(ys, *directions));
            floats(xs).iter().map(|ty| with(*directions, ty)).collect()
        }
        Product::Hessian { output, wrt, .. } => {
            scalar(*output)?;
            wrt.iter()
                .flat_map(|a| wrt.iter().map(move |b| (a, b)))
                .map(|(a, b)| matrix(&xs[*a as usize], &xs[*b as usize]))
                .collect()
        }
        Product::Hvp {
            output,
            wrt,
            directions,
        } => {
            scalar(*output)?;
            takes.extend(directed(xs, *directions));
            wrt.iter().map(|w| with(*directions, &at(xs, w))).collect()
        }
    };
    let takes = Signature {
        name: of.name.clone(),
        parameters: takes,
        results: vec![],
    };
    check_arguments(&takes, &given, |i| i)?;
    Ok(Derivative {
        parameters: xs.clone(),
        outputs: ys.clone(),
        results,
        ..derivative.clone()
    })
}

/// A client's implicit node with its types, or what is wrong with it.
pub(super) fn complete_implicit(
    implicit: &Implicit,
    signatures: &[Signature],
    operands: &[&TensorType],
) -> Result<Implicit, Problem> {
    let of = signature(signatures, implicit.function, "function")?;
    let operands: Vec<TensorType> = operands.iter().map(|&ty| ty.clone()).collect();
    let x = &operands[0];
    if !x.dtype.is_float() {
        return Err(Problem::operand(
            0,
            format!("operand is {x}; what is solved for is f64 or f32"),
        ));
    }
    check_arguments(of, &operands, |i| i)?;
    if of.results != [x.clone()] {
        return Err(Problem::attribute(
            "function",
            format!(
                "function {:?} gives {}; it gives one result of the type of what is solved for, {x}",
                of.name,
                list(&of.results)
            ),
        ));
    }
    Ok(Implicit {
        operands,
        ..implicit.clone()
    })
}

/// Elementary operations of one application of each function. Loops of unknown length count as so many steps, and
/// a function that runs itself counts what it does beside that.
pub const UNKNOWN_STEPS: u64 = 16;

pub(super) fn costs(functions: &[Function]) -> Vec<u64> {
    let mut costs = Costs {
        functions,
        known: vec![None; functions.len()],
        open: vec![false; functions.len()],
    };
    (0..functions.len()).map(|f| costs.function(f)).collect()
}

struct Costs<'a> {
    functions: &'a [Function],
    known: Vec<Option<u64>>,
    open: Vec<bool>,
}

impl Costs<'_> {
    fn function(&mut self, f: usize) -> u64 {
        if let Some(cost) = self.known[f] {
            return cost;
        }
        if std::mem::replace(&mut self.open[f], true) {
            return 0;
        }
        let functions = self.functions;
        let arena = functions[f].body.arena();
        let mut sum = 0u64;
        for node in arena.nodes() {
            let cost = match node.attributes {
                Attributes::Control(control) => {
                    control_cost(control, |f| deeper(|| self.function(f.index())))
                }
                _ => arena.cost(node),
            };
            sum = sum.saturating_add(cost);
        }
        self.open[f] = false;
        self.known[f] = Some(sum);
        sum
    }
}

/// Elementary operations of one application, from those of the functions.
pub fn control_cost(control: &Control, mut of: impl FnMut(FunctionId) -> u64) -> u64 {
    match control.kind {
        ControlKind::Call => of(control.functions[0]),
        ControlKind::Cond => control.functions.iter().map(|&f| of(f)).max().unwrap_or(0),
        ControlKind::While { .. } => {
            let step = of(control.functions[0]).saturating_add(of(control.functions[1]));
            step.saturating_mul(UNKNOWN_STEPS)
        }
        ControlKind::Scan { length, .. } => of(control.functions[0]).saturating_mul(length),
    }
}
