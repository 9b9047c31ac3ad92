//! Nodes that run functions.

use std::collections::HashMap;

use gradient_proto::v1::{self as proto, Op, node::Attributes, product::Product};

use super::{infer_nodes, sizes};
use crate::tensor::{Dtype, Type};

/// Types of a function's parameters and results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub parameters: Vec<Type>,
    pub results: Vec<Type>,
}

/// The functions of a graph, by name.
#[derive(Debug, Default)]
pub(crate) struct Signatures(HashMap<String, Signature>);

impl Signatures {
    /// Of functions that come from elsewhere, as far as they can be understood. A function is typed by a path that
    /// does not run it again.
    pub fn of(functions: &[proto::Function]) -> Self {
        let mut known = Self::default();
        loop {
            let before = known.0.len();
            for function in functions {
                if !known.0.contains_key(&function.name)
                    && let Some(signature) = signature(function, &known)
                {
                    known.insert(&function.name, signature);
                }
            }
            if known.0.len() == before {
                return known;
            }
        }
    }

    /// The function of a name, or what is wrong with the name.
    pub fn get(&self, name: &str) -> Result<&Signature, String> {
        self.0
            .get(name)
            .ok_or_else(|| format!("there is no function {name:?}"))
    }

    /// Adds one unless its name is taken.
    pub fn insert(&mut self, name: &str, signature: Signature) -> bool {
        let free = !self.0.contains_key(name);
        if free {
            self.0.insert(name.into(), signature);
        }
        free
    }
}

fn signature(function: &proto::Function, known: &Signatures) -> Option<Signature> {
    let parameters = function.parameters.iter().map(Type::from_proto);
    let parameters: Vec<Type> = parameters.collect::<Option<_>>()?;
    let types = infer_nodes(parameters.clone(), &function.nodes, known);
    let results = function.results.iter().map(|&id| types.of(id).cloned());
    let results = results.collect::<Option<_>>()?;
    Some(Signature {
        parameters,
        results,
    })
}

/// Result types of a node that runs functions; `None`: its attributes name none.
pub(super) fn results(
    op: Op,
    attributes: Option<&Attributes>,
    operands: &[&Type],
    functions: &Signatures,
) -> Option<Result<Vec<Type>, String>> {
    use Attributes as A;
    Some(match attributes? {
        A::Call(call) if op == Op::Call => called(&call.function, operands, functions),
        A::Cond(cond) if op == Op::Cond => chosen(&cond.branches, operands, functions),
        A::While(repeat) if op == Op::While => repeated(repeat, operands, functions),
        A::Scan(scan) if op == Op::Scan => scanned(
            &scan.function,
            scan.length,
            [scan.carries as usize, scan.sequences as usize],
            operands,
            functions,
        ),
        A::Map(map) if op == Op::Map => scanned(
            &map.function,
            map.length,
            [0, map.sequences as usize],
            operands,
            functions,
        ),
        A::Derivative(derivative) if op == Op::Derivative => {
            derived(derivative, operands, functions)
        }
        A::ImplicitRoot(implicit) if op == Op::ImplicitRoot => {
            solved(&implicit.function, operands, functions)
        }
        A::FixedPoint(implicit) if op == Op::FixedPoint => {
            solved(&implicit.function, operands, functions)
        }
        A::LinearSolve(implicit) if op == Op::LinearSolve => {
            solved(&implicit.function, operands, functions)
        }
        _ => return None,
    })
}

fn list<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    let all: Vec<String> = types.into_iter().map(ToString::to_string).collect();
    format!("({})", all.join(", "))
}

fn takes(name: &str, of: &Signature, arguments: &[&Type]) -> Result<(), String> {
    if of.parameters.len() != arguments.len() {
        return Err(format!(
            "function {name:?} takes {} arguments, {} given",
            of.parameters.len(),
            arguments.len()
        ));
    }
    let mut pairs = of.parameters.iter().zip(arguments).enumerate();
    match pairs.find(|(_, (parameter, argument))| parameter != *argument) {
        None => Ok(()),
        Some((i, (parameter, argument))) => Err(format!(
            "argument {i} is {argument}, parameter {i} of function {name:?} is {parameter}"
        )),
    }
}

fn called(name: &str, operands: &[&Type], functions: &Signatures) -> Result<Vec<Type>, String> {
    let of = functions.get(name)?;
    takes(name, of, operands)?;
    Ok(of.results.clone())
}

fn chosen(
    branches: &[String],
    operands: &[&Type],
    functions: &Signatures,
) -> Result<Vec<Type>, String> {
    let [selector, arguments @ ..] = operands else {
        return Err("nothing chooses the branch; give a bool or i64 scalar".into());
    };
    let choice = matches!(selector.dtype, Dtype::Bool | Dtype::I64);
    if !choice || !selector.shape.is_empty() {
        return Err(format!(
            "the branch is chosen by {selector}; it takes a bool or i64 scalar"
        ));
    }
    if selector.dtype == Dtype::Bool && branches.len() != 2 {
        return Err(format!(
            "a bool chooses between 2 branches, {} given",
            branches.len()
        ));
    }
    // Of functions that run themselves, some branches may not be known yet.
    let known = branches.iter().filter_map(|name| {
        let of = functions.get(name).ok()?;
        Some((name, of))
    });
    let known: Vec<_> = known.collect();
    let Some(&(first, of)) = known.first() else {
        return match branches.first() {
            None => Err("no branches; name at least one function".into()),
            Some(name) => Err(format!("there is no function {name:?}")),
        };
    };
    takes(first, of, arguments)?;
    match known.iter().find(|(_, other)| *other != of) {
        None => Ok(of.results.clone()),
        Some((name, other)) => Err(format!(
            "all branches have one signature: {first:?} takes {} and gives {}, {name:?} takes {} and gives {}",
            list(&of.parameters),
            list(&of.results),
            list(&other.parameters),
            list(&other.results)
        )),
    }
}

/// Carries keep their types.
fn carried(name: &str, operands: &[&Type], results: &[Type]) -> Result<(), String> {
    if results.len() > operands.len() {
        return Err(format!(
            "function {name:?} gives {} results for {} operands",
            results.len(),
            operands.len()
        ));
    }
    let mut pairs = operands.iter().zip(results).enumerate();
    match pairs.find(|(_, (carry, result))| **carry != *result) {
        None => Ok(()),
        Some((i, (carry, result))) => Err(format!(
            "carry {i} is {carry}, but function {name:?} gives {result} for it; a carry keeps its type"
        )),
    }
}

fn repeated(
    repeat: &proto::While,
    operands: &[&Type],
    functions: &Signatures,
) -> Result<Vec<Type>, String> {
    let condition = functions.get(&repeat.condition)?;
    takes(&repeat.condition, condition, operands)?;
    if condition.results != [Type::new(Dtype::Bool, [])] {
        return Err(format!(
            "function {:?} gives {}; a condition gives one bool scalar",
            repeat.condition,
            list(&condition.results)
        ));
    }
    let body = functions.get(&repeat.body)?;
    takes(&repeat.body, body, operands)?;
    carried(&repeat.body, operands, &body.results)?;
    Ok(body.results.clone())
}

fn stacked(ty: &Type, length: usize) -> Type {
    Type::new(ty.dtype, [&[length], ty.shape.as_slice()].concat())
}

fn scanned(
    name: &str,
    length: u64,
    [carries, sequences]: [usize; 2],
    operands: &[&Type],
    functions: &Signatures,
) -> Result<Vec<Type>, String> {
    let of = functions.get(name)?;
    let length = sizes(&[length])?[0];
    if carries + sequences > operands.len() {
        return Err(format!(
            "{} operands are given for {carries} carries and {sequences} sequences",
            operands.len()
        ));
    }
    let mut arguments: Vec<Type> = operands.iter().map(|&ty| ty.clone()).collect();
    for (i, argument) in arguments[carries..carries + sequences]
        .iter_mut()
        .enumerate()
    {
        if argument.shape.first() != Some(&length) {
            return Err(format!(
                "sequence {i} is {argument}; its first dimension must be the length, {length}"
            ));
        }
        argument.shape.remove(0);
    }
    takes(name, of, &arguments.iter().collect::<Vec<_>>())?;
    let Some((kept, outputs)) = of.results.split_at_checked(carries) else {
        return Err(format!(
            "{carries} carries, but function {name:?} gives {} results",
            of.results.len()
        ));
    };
    carried(name, &operands[..carries], kept)?;
    let outputs = outputs.iter().map(|ty| stacked(ty, length));
    Ok(kept.iter().cloned().chain(outputs).collect())
}

fn solved(name: &str, operands: &[&Type], functions: &Signatures) -> Result<Vec<Type>, String> {
    let [x, ..] = operands else {
        return Err("nothing to begin with; give a start, or the right side".into());
    };
    super::float(x)?;
    let of = functions.get(name)?;
    takes(name, of, operands)?;
    match of.results == [(*x).clone()] {
        true => Ok(of.results.clone()),
        false => Err(format!(
            "function {name:?} gives {}; it gives one result of the type of what is solved for, {x}",
            list(&of.results)
        )),
    }
}

/// A function's values on one side, of which a product names some.
struct Side<'a> {
    types: &'a [Type],
    word: &'static str,
}

impl Side<'_> {
    fn floats(&self) -> Vec<usize> {
        let all = 0..self.types.len();
        all.filter(|&i| self.types[i].dtype.is_float()).collect()
    }

    /// In order of position; empty: all of floating-point type.
    fn named<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Result<Vec<usize>, String> {
        let positions = names.into_iter().map(|name| self.position(name));
        let mut positions: Vec<usize> = positions.collect::<Result<_, _>>()?;
        positions.sort_unstable();
        match positions.is_empty() {
            true => Ok(self.floats()),
            false => Ok(positions),
        }
    }

    fn position(&self, name: &str) -> Result<usize, String> {
        let position = name.parse().ok().filter(|&i: &usize| i < self.types.len());
        position.ok_or_else(|| {
            let (word, count) = (self.word, self.types.len());
            format!("the function has no {word} {name:?}; it has {count}, counted from 0")
        })
    }

    fn scalar(&self, name: &str) -> Result<usize, String> {
        let i = match (name, self.types.len()) {
            ("", 1) => 0,
            ("", count) => return Err(format!("the function has {count} results; name one")),
            (name, _) => self.position(name)?,
        };
        let ty = &self.types[i];
        match ty.dtype.is_float() && ty.shape.is_empty() {
            true => Ok(i),
            false => Err(format!(
                "result {i} is {ty}, not a floating-point scalar; ask for a Jacobian, or reduce it first"
            )),
        }
    }
}

fn derived(
    derivative: &proto::Derivative,
    operands: &[&Type],
    functions: &Signatures,
) -> Result<Vec<Type>, String> {
    let name = &derivative.function;
    let of = functions.get(name)?;
    let product = derivative.product.as_ref().and_then(|p| p.product.as_ref());
    let product = product.ok_or("which derivative? The product is empty")?;
    let (xs, ys) = (
        Side {
            types: &of.parameters,
            word: "parameter",
        },
        Side {
            types: &of.results,
            word: "result",
        },
    );
    let along = |ty: &Type, directions: u32| match directions {
        0 => ty.clone(),
        k => stacked(ty, k as usize),
    };
    let matrix = |a: &Type, b: &Type| Type::new(a.dtype, [&a.shape[..], &b.shape].concat());
    let mut given: Vec<Type> = vec![];
    let results: Vec<Type> = match product {
        Product::Value(p) => match p.outputs.is_empty() {
            true => of.results.clone(),
            false => ys
                .named(&p.outputs)?
                .iter()
                .map(|&o| ys.types[o].clone())
                .collect(),
        },
        Product::Gradient(p) => {
            ys.scalar(&p.output)?;
            xs.named(&p.wrt)?
                .iter()
                .map(|&w| xs.types[w].clone())
                .collect()
        }
        Product::Jacobian(p) => {
            let (outputs, wrt) = (ys.named(&p.outputs)?, xs.named(&p.wrt)?);
            let pairs = outputs
                .iter()
                .flat_map(|&o| wrt.iter().map(move |&w| (o, w)));
            pairs
                .map(|(o, w)| matrix(&ys.types[o], &xs.types[w]))
                .collect()
        }
        Product::JacobianVectorProduct(p) => {
            let tangents = xs.named(p.tangents.keys())?;
            given.extend(tangents.iter().map(|&i| along(&xs.types[i], p.directions)));
            ys.floats()
                .iter()
                .map(|&o| along(&ys.types[o], p.directions))
                .collect()
        }
        Product::VectorJacobianProduct(p) => {
            let cotangents = ys.named(p.cotangents.keys())?;
            given.extend(
                cotangents
                    .iter()
                    .map(|&i| along(&ys.types[i], p.directions)),
            );
            xs.floats()
                .iter()
                .map(|&w| along(&xs.types[w], p.directions))
                .collect()
        }
        Product::Hessian(p) => {
            ys.scalar(&p.output)?;
            let wrt = xs.named(&p.wrt)?;
            let pairs = wrt.iter().flat_map(|&a| wrt.iter().map(move |&b| (a, b)));
            pairs
                .map(|(a, b)| matrix(&xs.types[a], &xs.types[b]))
                .collect()
        }
        Product::HessianVectorProduct(p) => {
            ys.scalar(&p.output)?;
            let wrt = xs.named(&p.wrt)?;
            let vectors = match p.vectors.is_empty() {
                true => wrt.clone(),
                false => xs.named(p.vectors.keys())?,
            };
            given.extend(vectors.iter().map(|&i| along(&xs.types[i], p.directions)));
            wrt.iter()
                .map(|&w| along(&xs.types[w], p.directions))
                .collect()
        }
    };
    let all = Signature {
        parameters: of.parameters.iter().cloned().chain(given).collect(),
        results: vec![],
    };
    takes(name, &all, operands)?;
    Ok(results)
}
