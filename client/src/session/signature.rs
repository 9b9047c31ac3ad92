//! Names of inputs and outputs as this client gave them.
//!
//! A graph's identity leaves names out, so a graph may be registered under several signatures, even with the same
//! names in another order. On the wire a session therefore speaks of positions ("#0", "#1", …), which mean the
//! same under all of them, and names the blocks of the answer itself: they come in declared order.

use std::collections::HashMap;

use gradient_proto::v1 as proto;

use crate::{
    error::{Error, RpcError},
    graph::Graph,
    tensor::{Tensor, Type},
};

/// Inputs and outputs of a graph in declared order.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) inputs: Names,
    pub(crate) outputs: Names,
}

#[derive(Debug)]
pub(crate) struct Names {
    kind: &'static str,
    list: Vec<(String, Option<Type>)>,
    index: HashMap<String, usize>,
}

impl Signature {
    pub(crate) fn of_graph(graph: &Graph) -> Self {
        let owned = |(name, tensor_type): (&str, Option<Type>)| (name.to_owned(), tensor_type);
        Self {
            inputs: Names::new("input", graph.inputs().into_iter().map(owned).collect()),
            outputs: Names::new("output", graph.outputs().into_iter().map(owned).collect()),
        }
    }

    pub(crate) fn of_reply(reply: &proto::GetGraphResponse) -> Self {
        let entry = |name: &String, tensor_type: &Option<proto::TensorType>| {
            (
                name.clone(),
                tensor_type.as_ref().and_then(Type::from_proto),
            )
        };
        Self {
            inputs: Names::new(
                "input",
                reply
                    .inputs
                    .iter()
                    .map(|i| entry(&i.name, &i.r#type))
                    .collect(),
            ),
            outputs: Names::new(
                "output",
                reply
                    .outputs
                    .iter()
                    .map(|o| entry(&o.name, &o.r#type))
                    .collect(),
            ),
        }
    }

    /// Puts this client's names where the server speaks of positions: `inputs["#0"]` becomes `inputs["x"]`.
    pub(crate) fn translate(&self, error: &mut RpcError) {
        for violation in &mut error.violations {
            if let Some(path) = self.translate_path(&violation.path) {
                error.message = error.message.replacen(&violation.path, &path, 1);
                violation.path = path;
            }
        }
    }

    fn translate_path(&self, path: &str) -> Option<String> {
        let (field, rest) = path.split_once("[\"#")?;
        let (position, rest) = rest.split_once('"')?;
        let names = if field.ends_with("cotangents") {
            &self.outputs
        } else {
            &self.inputs
        };
        let (name, _) = names.list.get(position.parse::<usize>().ok()?)?;
        Some(format!("{field}[{name:?}{rest}"))
    }
}

impl Names {
    fn new(kind: &'static str, list: Vec<(String, Option<Type>)>) -> Self {
        let index = list
            .iter()
            .enumerate()
            .map(|(position, (name, _))| (name.clone(), position))
            .collect();
        Self { kind, list, index }
    }

    pub(crate) fn list(&self) -> Vec<(&str, Option<Type>)> {
        let list = self.list.iter();
        list.map(|(name, tensor_type)| (name.as_str(), tensor_type.clone()))
            .collect()
    }

    pub(crate) fn name(&self, position: usize) -> &str {
        &self.list[position].0
    }

    /// Every position whose type can be differentiated, or is not known.
    pub(crate) fn floating(&self) -> Vec<usize> {
        let floating = |t: &Option<Type>| t.as_ref().is_none_or(|t| t.dtype.is_float());
        self.list
            .iter()
            .enumerate()
            .filter(|(_, (_, t))| floating(t))
            .map(|(position, _)| position)
            .collect()
    }

    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.list.len()).collect()
    }

    /// The position of a name, or of "#position".
    pub(crate) fn find(&self, name: &str, path: impl FnOnce() -> String) -> Result<usize, Error> {
        let position = match name.strip_prefix('#') {
            Some(position) => position
                .parse()
                .ok()
                .filter(|&position| position < self.list.len()),
            None => self.index.get(name).copied(),
        };
        position.ok_or_else(|| {
            Error::request(
                path(),
                format!(
                    "the graph has no {} {name:?}; it has {}",
                    self.kind,
                    self.summary()
                ),
            )
        })
    }

    /// The positions of distinct names, in declared order.
    pub(crate) fn find_all(&self, names: &[String], path: &str) -> Result<Vec<usize>, Error> {
        let mut positions = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            positions.push(self.find(name, || format!("{path}[{i}]"))?);
        }
        positions.sort_unstable();
        match positions.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(positions),
            Some(pair) => Err(Error::request(
                path,
                format!("{:?} is named twice", self.name(pair[0])),
            )),
        }
    }

    /// Tensors by position, each of its input's or output's element type.
    pub(crate) fn tensors(
        &self,
        named: &[(String, Tensor)],
        path: &str,
    ) -> Result<Positional, Error> {
        let mut tensors = HashMap::with_capacity(named.len());
        for (name, tensor) in named {
            let field = || format!("{path}[{name:?}]");
            let position = self.find(name, field)?;
            if tensors
                .insert(on_wire(position), self.fitting(position, tensor, field)?)
                .is_some()
            {
                return Err(Error::request(field(), "it is given twice"));
            }
        }
        Ok(tensors)
    }

    /// The names that `tensors` has nothing for.
    pub(crate) fn missing(&self, tensors: &Positional) -> Option<String> {
        let mut missing = self
            .all()
            .into_iter()
            .filter(|&position| !tensors.contains_key(&on_wire(position)));
        let first = missing.next()?;
        let more = match missing.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let tensor_type = self.list[first]
            .1
            .as_ref()
            .map(|t| format!(", {t}"))
            .unwrap_or_default();
        Some(format!(
            "{} {:?}{tensor_type}, is missing{more}",
            self.kind,
            self.name(first)
        ))
    }

    /// The tensor as the element type that stands at this position.
    fn fitting(
        &self,
        position: usize,
        tensor: &Tensor,
        path: impl FnOnce() -> String,
    ) -> Result<proto::Tensor, Error> {
        let want = self.list[position]
            .1
            .as_ref()
            .map_or(tensor.dtype(), |t| t.dtype);
        if want == tensor.dtype() {
            return Ok(tensor.to_proto());
        }
        match tensor.clone().cast(want) {
            Some(tensor) => Ok(tensor.to_proto()),
            None => {
                let problem = format!("{} holds a number that is no {want}", tensor.tensor_type());
                Err(Error::request(path(), problem))
            }
        }
    }

    fn summary(&self) -> String {
        const SHOWN: usize = 8;
        let mut shown: Vec<_> = self
            .list
            .iter()
            .take(SHOWN)
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        if self.list.len() > SHOWN {
            shown.push(format!("… ({} in all)", self.list.len()));
        }
        if shown.is_empty() {
            "none".into()
        } else {
            shown.join(", ")
        }
    }
}

/// Tensors under their position on the wire.
pub(crate) type Positional = HashMap<String, proto::Tensor>;

/// A position on the wire.
pub(crate) fn on_wire(position: usize) -> String {
    format!("#{position}")
}
