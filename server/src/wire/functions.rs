//! Functions of a graph and the nodes that run them, both ways.

use super::{
    attributes::decode_attributes,
    graph::{decode_op, encode_nodes},
    tensor::{decode_type, encode_type},
};
use crate::{
    error::{Error, Result, quote},
    store::TensorStore,
};
use gradient_engine::{
    Attributes, Control, ControlKind, Derivative, Function, FunctionId, FunctionSource, Implicit,
    ImplicitKind, Layout, NodeSource, Op, Product, ValueId,
};
use gradient_proto::v1 as pb;
use pb::node::Attributes as Wire;
use pb::product::Product as WireProduct;
use std::{collections::HashMap, fmt::Display};

/// How many names an error lists.
const LISTED: usize = 10;

/// The functions of a graph by name.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<String, FunctionId>,
    order: Vec<String>,
    /// Results of each.
    results: Vec<usize>,
}

impl Names {
    /// Of a graph's functions; of two of one name the first.
    pub fn of(functions: &[pb::Function]) -> Self {
        let mut names = Self::default();
        for (i, function) in functions.iter().enumerate() {
            let number = FunctionId(i as u32);
            names.numbers.entry(function.name.clone()).or_insert(number);
            names.order.push(function.name.clone());
            names.results.push(function.results.len());
        }
        names
    }

    fn find(&self, name: &str, path: &dyn Display) -> Result<FunctionId> {
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let mut known: Vec<String> = self
            .order
            .iter()
            .take(LISTED)
            .map(|n| quote(n).to_string())
            .collect();
        if self.order.len() > LISTED {
            known.push("…".into());
        }
        let known = match known.is_empty() {
            true => "the graph has no functions; add it to functions".into(),
            false => format!("the graph has {}", known.join(", ")),
        };
        let message = match name {
            "" => format!("no function: name one; {known}"),
            name => format!("no function {}: {known}", quote(name)),
        };
        Err(Error::invalid(path, message))
    }

    /// The function of a name; none where the name is empty.
    fn find_some(&self, name: &str, path: &dyn Display) -> Result<Option<FunctionId>> {
        match name {
            "" => Ok(None),
            name => self.find(name, path).map(Some),
        }
    }
}

/// Reads the functions of the graph that stands at `path`.
pub fn decode_functions(
    functions: Vec<pb::Function>,
    names: &Names,
    path: &str,
    resident: &TensorStore,
) -> Result<Vec<FunctionSource>> {
    let of = |(i, function): (usize, pb::Function)| {
        let at = format!("{path}.functions[{i}]");
        let parameters = function.parameters.into_iter().enumerate();
        let parameters = parameters
            .map(|(k, ty)| decode_type(Some(ty), &format_args!("{at}.parameters[{k}]")))
            .collect::<Result<_>>()?;
        let nodes = function.nodes.into_iter().enumerate();
        let nodes = nodes
            .map(|(k, node)| {
                let at = format_args!("{at}.nodes[{k}]");
                Ok(NodeSource {
                    op: decode_op(node.op, &at)?,
                    operands: node.operands.into_iter().map(ValueId).collect(),
                    attributes: decode_attributes(node.attributes, &at, resident, names)?,
                    label: node.label,
                })
            })
            .collect::<Result<_>>()?;
        let jvp = format_args!("{at}.custom_jvp");
        let vjp = format_args!("{at}.custom_vjp");
        Ok(FunctionSource {
            name: function.name,
            parameters,
            nodes,
            results: function.results.into_iter().map(ValueId).collect(),
            custom_jvp: names.find_some(&function.custom_jvp, &jvp)?,
            custom_vjp: names.find_some(&function.custom_vjp, &vjp)?,
        })
    };
    functions.into_iter().enumerate().map(of).collect()
}

/// Reads attributes that name functions; `None`: these do not.
pub fn decode_bodies(
    attributes: &Wire,
    at: &dyn Display,
    names: &Names,
) -> Result<Option<Attributes>> {
    let control = match attributes {
        Wire::Call(a) => {
            Control::call(names.find(&a.function, &format_args!("{at}.call.function"))?)
        }
        Wire::Cond(a) => {
            let branches = a.branches.iter().enumerate();
            let branches = branches
                .map(|(i, b)| names.find(b, &format_args!("{at}.cond.branches[{i}]")))
                .collect::<Result<_>>()?;
            Control::cond(branches)
        }
        Wire::While(a) => Control::while_loop(
            names.find(&a.condition, &format_args!("{at}.while.condition"))?,
            names.find(&a.body, &format_args!("{at}.while.body"))?,
            a.max_iterations,
        ),
        Wire::Scan(a) => Control::scan(
            names.find(&a.function, &format_args!("{at}.scan.function"))?,
            a.length,
            a.carries,
            a.sequences,
            a.reverse,
        ),
        Wire::Map(a) => Control::scan(
            names.find(&a.function, &format_args!("{at}.map.function"))?,
            a.length,
            0,
            a.sequences,
            false,
        ),
        Wire::Derivative(a) => return decode_derivative(a, at, names).map(Some),
        Wire::ImplicitRoot(a) => return implicit(ImplicitKind::Root, a, at, names).map(Some),
        Wire::FixedPoint(a) => return implicit(ImplicitKind::FixedPoint, a, at, names).map(Some),
        Wire::LinearSolve(a) => return implicit(ImplicitKind::LinearSolve, a, at, names).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Attributes::Control(control.into())))
}

fn implicit(
    kind: ImplicitKind,
    wire: &pb::Implicit,
    at: &dyn Display,
    names: &Names,
) -> Result<Attributes> {
    let node = Implicit {
        kind,
        function: FunctionId(0),
        max_iterations: wire.max_iterations,
        tolerance_bits: wire.tolerance.to_bits(),
        operands: vec![],
    };
    let field = Attributes::Implicit(node.clone().into()).field();
    let function = names.find(&wire.function, &format_args!("{at}.{field}.function"))?;
    let usable = wire.tolerance.is_finite() && wire.tolerance >= 0.0;
    if !usable {
        let message = format!(
            "{} is no tolerance: give a positive number, or 0 to have it chosen",
            wire.tolerance
        );
        return Err(Error::invalid(
            format_args!("{at}.{field}.tolerance"),
            message,
        ));
    }
    Ok(Attributes::Implicit(Implicit { function, ..node }.into()))
}

/// A parameter or result by its position in decimal.
fn position(name: &str, path: &dyn Display) -> Result<u32> {
    name.parse().map_err(|_| {
        let message = format!(
            "{} is no position: parameters and results of a function are named \"0\", \"1\", …",
            quote(name)
        );
        Error::invalid(path, message)
    })
}

fn decode_derivative(wire: &pb::Derivative, at: &dyn Display, names: &Names) -> Result<Attributes> {
    let function = names.find(&wire.function, &format_args!("{at}.derivative.function"))?;
    let path = format!("{at}.derivative.product");
    let Some(product) = wire.product.as_ref().and_then(|p| p.product.as_ref()) else {
        let message = "empty product: set value, gradient, jacobian, jacobian_vector_product, \
                       vector_jacobian_product, hessian or hessian_vector_product";
        return Err(Error::invalid(path, message));
    };
    let list = |names: &[String], field: &str| -> Result<Vec<u32>> {
        let names = names.iter().enumerate();
        let found = names.map(|(i, name)| position(name, &format_args!("{path}.{field}[{i}]")));
        let mut found: Vec<u32> = found.collect::<Result<_>>()?;
        // Blocks come in the order of the function, however the node lists them.
        found.sort_unstable();
        Ok(found)
    };
    let keys = |map: &HashMap<String, pb::Tensor>, field: &str| -> Result<Vec<u32>> {
        let mut names: Vec<&String> = map.keys().collect();
        // The same request gets the same error.
        names.sort_unstable();
        let mut found = names
            .into_iter()
            .map(|name| position(name, &format_args!("{path}.{field}")))
            .collect::<Result<Vec<u32>>>()?;
        found.sort_unstable();
        Ok(found)
    };
    let output = |name: &str, field: &str| -> Result<u32> {
        match (name, names.results[function.index()]) {
            ("", 1) => Ok(0),
            ("", count) => Err(Error::invalid(
                format_args!("{path}.{field}.output"),
                format!("the function has {count} results: name one by its position"),
            )),
            (name, _) => position(name, &format_args!("{path}.{field}.output")),
        }
    };
    let mut directed = vec![];
    let product = match product {
        WireProduct::Value(p) => Product::Value {
            outputs: list(&p.outputs, "value.outputs")?,
        },
        WireProduct::Gradient(p) => Product::Gradient {
            output: output(&p.output, "gradient")?,
            wrt: list(&p.wrt, "gradient.wrt")?,
        },
        WireProduct::Jacobian(p) => Product::Jacobian {
            outputs: list(&p.outputs, "jacobian.outputs")?,
            wrt: list(&p.wrt, "jacobian.wrt")?,
            layout: Layout::Dense,
        },
        WireProduct::JacobianVectorProduct(p) => {
            directed = keys(&p.tangents, "jacobian_vector_product.tangents")?;
            Product::Jvp {
                directions: p.directions,
            }
        }
        WireProduct::VectorJacobianProduct(p) => {
            directed = keys(&p.cotangents, "vector_jacobian_product.cotangents")?;
            Product::Vjp {
                directions: p.directions,
            }
        }
        WireProduct::Hessian(p) => Product::Hessian {
            output: output(&p.output, "hessian")?,
            wrt: list(&p.wrt, "hessian.wrt")?,
            layout: Layout::Dense,
        },
        WireProduct::HessianVectorProduct(p) => {
            directed = keys(&p.vectors, "hessian_vector_product.vectors")?;
            Product::Hvp {
                output: output(&p.output, "hessian_vector_product")?,
                wrt: list(&p.wrt, "hessian_vector_product.wrt")?,
                directions: p.directions,
            }
        }
    };
    let derivative = Derivative {
        function,
        product,
        directed,
        parameters: vec![],
        outputs: vec![],
        results: vec![],
    };
    Ok(Attributes::Derivative(derivative.into()))
}

/// A graph's functions for the wire.
pub fn encode_functions(functions: &[Function]) -> Vec<pb::Function> {
    let name = |f: Option<FunctionId>| match f {
        Some(f) => functions[f.index()].name.clone(),
        None => String::new(),
    };
    functions
        .iter()
        .map(|function| pb::Function {
            name: function.name.clone(),
            parameters: function
                .body
                .inputs()
                .iter()
                .map(|i| encode_type(&i.ty))
                .collect(),
            nodes: encode_nodes(&function.body, functions),
            results: function.body.outputs().iter().map(|o| o.value.0).collect(),
            custom_jvp: name(function.custom_jvp),
            custom_vjp: name(function.custom_vjp),
        })
        .collect()
}

/// Attributes that name functions, for the wire; `None`: these do not.
pub fn encode_bodies(attributes: &Attributes, functions: &[Function]) -> Option<Wire> {
    let name = |f: FunctionId| functions[f.index()].name.clone();
    Some(match attributes {
        Attributes::Control(control) => match control.kind {
            ControlKind::Call => Wire::Call(Box::new(pb::Call {
                function: name(control.functions[0]),
            })),
            ControlKind::Cond => Wire::Cond(Box::new(pb::Cond {
                branches: control.functions.iter().map(|&f| name(f)).collect(),
            })),
            ControlKind::While { max_iterations } => Wire::While(Box::new(pb::While {
                condition: name(control.functions[0]),
                body: name(control.functions[1]),
                max_iterations,
            })),
            ControlKind::Scan { length, .. } if control.op() == Op::Map => {
                Wire::Map(Box::new(pb::Map {
                    function: name(control.functions[0]),
                    length,
                    sequences: control.sequences,
                }))
            }
            ControlKind::Scan { length, reverse } => Wire::Scan(Box::new(pb::Scan {
                function: name(control.functions[0]),
                length,
                carries: control.carries,
                reverse,
                sequences: control.sequences,
            })),
        },
        Attributes::Derivative(derivative) => Wire::Derivative(Box::new(pb::Derivative {
            function: name(derivative.function),
            product: Some(encode_product(derivative)),
        })),
        Attributes::Implicit(implicit) => {
            let wire = Box::new(pb::Implicit {
                function: name(implicit.function),
                max_iterations: implicit.max_iterations,
                tolerance: f64::from_bits(implicit.tolerance_bits),
            });
            match implicit.kind {
                ImplicitKind::Root => Wire::ImplicitRoot(wire),
                ImplicitKind::FixedPoint => Wire::FixedPoint(wire),
                ImplicitKind::LinearSolve => Wire::LinearSolve(wire),
            }
        }
        _ => return None,
    })
}

fn encode_product(derivative: &Derivative) -> pb::Product {
    let list = |positions: &[u32]| positions.iter().map(u32::to_string).collect::<Vec<_>>();
    let map = || {
        let names = list(&derivative.directed).into_iter();
        names.map(|name| (name, pb::Tensor::default())).collect()
    };
    let layout = pb::Layout::Dense.into();
    let product = match &derivative.product {
        Product::Value { outputs } => WireProduct::Value(pb::Value {
            outputs: list(outputs),
        }),
        Product::Gradient { output, wrt } => WireProduct::Gradient(pb::Gradient {
            output: output.to_string(),
            wrt: list(wrt),
        }),
        Product::Jacobian { outputs, wrt, .. } => WireProduct::Jacobian(pb::Jacobian {
            outputs: list(outputs),
            wrt: list(wrt),
            layout,
        }),
        Product::Jvp { directions } => {
            WireProduct::JacobianVectorProduct(pb::JacobianVectorProduct {
                tangents: map(),
                directions: *directions,
            })
        }
        Product::Vjp { directions } => {
            WireProduct::VectorJacobianProduct(pb::VectorJacobianProduct {
                cotangents: map(),
                directions: *directions,
            })
        }
        Product::Hessian { output, wrt, .. } => WireProduct::Hessian(pb::Hessian {
            output: output.to_string(),
            wrt: list(wrt),
            layout,
        }),
        Product::Hvp {
            output,
            wrt,
            directions,
        } => WireProduct::HessianVectorProduct(pb::HessianVectorProduct {
            output: output.to_string(),
            wrt: list(wrt),
            vectors: map(),
            directions: *directions,
        }),
    };
    pb::Product {
        product: Some(product),
    }
}
