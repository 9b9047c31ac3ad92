//! The FUNCTION argument: an expression, a file, or the id of a registered graph.

use std::{collections::HashMap, path::Path};

use gradient_client::{Client, Graph, Session, Type, text};

use crate::{
    bindings::Binding,
    failure::Usage,
    graph_file::{self, Content},
    target::Target,
};

/// Characters of an expression that serve as the graph's name.
const NAME_LENGTH: usize = 60;

/// What a FUNCTION argument turned out to be.
#[derive(Debug)]
pub enum Function {
    /// A text, whose inputs get their types from the values.
    Program {
        /// As written.
        source: String,
        /// As understood.
        program: Box<text::Program>,
    },
    /// A graph from a file.
    Graph(Graph),
    /// The id of a registered graph.
    Id(String),
}

impl Function {
    /// Reads the argument. A file of that name comes first, then an id, then an expression.
    ///
    /// # Errors
    /// [`Usage`] with the place in the text, if it is neither.
    pub fn read(argument: &str) -> anyhow::Result<Self> {
        let path = Path::new(argument);
        if argument == "-" || path.is_file() {
            return match graph_file::read(argument)? {
                Content::Graph(graph) => Ok(Function::Graph(graph)),
                Content::Text(source) => Self::parse(source),
            };
        }
        if argument.len() == 64
            && argument
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Ok(Function::Id(argument.to_owned()));
        }
        if path.extension().is_some_and(|extension| {
            extension == "json" || extension == "pb" || extension == "binpb"
        }) {
            return Err(Usage(format!("there is no file {argument}")).into());
        }
        Self::parse(argument.to_owned())
    }

    fn parse(source: String) -> anyhow::Result<Self> {
        let program = text::parse(&source).map_err(|error| Usage(error.to_string()))?;
        Ok(Function::Program {
            source,
            program: Box::new(program),
        })
    }

    /// The graph, unless only the server has it. The inputs of a text have the types of the bindings, without the
    /// leading axis of a batch; those without a binding are `f64` scalars.
    ///
    /// # Errors
    /// [`Usage`] if shapes do not fit, or a type is given that the graph itself declares.
    pub fn graph(&self, bindings: &[Binding], batch: &Batch) -> anyhow::Result<Option<Graph>> {
        let Function::Program { source, program } = self else {
            if let Some(binding) = bindings.iter().find(|binding| binding.value.is_none()) {
                return Err(Usage(format!(
                    "{}: the graph declares the types of its inputs itself",
                    binding.name
                ))
                .into());
            }
            return Ok(match self {
                Function::Graph(graph) => Some(graph.clone()),
                _ => None,
            });
        };
        let names: Vec<&str> = bindings
            .iter()
            .map(|binding| binding.name.as_str())
            .collect();
        if let Some(unknown) = names
            .iter()
            .find(|name| !program.inputs().any(|input| input == **name))
        {
            let known: Vec<&str> = program.inputs().collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(Usage(format!(
                "the expression has no variable {unknown}; it has {known}"
            ))
            .into());
        }
        let types: HashMap<String, Type> = bindings
            .iter()
            .filter_map(|binding| Some((binding.name.clone(), batch.declared(binding)?)))
            .collect();
        let name: String = source.trim().chars().take(NAME_LENGTH).collect();
        program
            .graph(&name, &types)
            .map(Some)
            .map_err(|error| Usage(error.to_string()).into())
    }

    /// A session on the graph, at a server. Mistakes in the graph are told before the server is asked.
    ///
    /// # Errors
    /// As [`Function::graph`]; if there is no server; if a graph known by its id is not registered.
    pub async fn open(
        &self,
        target: &Target,
        bindings: &[Binding],
        batch: &Batch,
    ) -> anyhow::Result<(Client, Session)> {
        let graph = self.graph(bindings, batch)?;
        let client = target.connect().await?;
        let session = self.session(&client, graph).await?;
        Ok((client, session))
    }

    /// A session on what [`Function::graph`] gave.
    ///
    /// # Errors
    /// If a graph known by its id is not registered.
    pub async fn session(&self, client: &Client, graph: Option<Graph>) -> anyhow::Result<Session> {
        match (self, graph) {
            (_, Some(graph)) => Ok(client.session(&graph)),
            (Function::Id(id), None) => Ok(client.open(id).await?),
            (_, None) => Err(Usage("there is no graph".into()).into()),
        }
    }
}

/// Points of a request, as the command line gives them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Batch {
    /// Evaluate at so many points: values have a leading axis of this size, or are shared by all points
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,

    /// Inputs of an expression that all points share, though their size is that of the batch
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "batch")]
    shared: Vec<String>,
}

impl Batch {
    /// 0 for one point.
    pub fn size(&self) -> u32 {
        self.batch.unwrap_or(0)
    }

    /// The inputs that will have the leading axis, for a plan without values; none: all.
    pub fn batched(&self, session: &Session) -> Vec<String> {
        let inputs = session
            .inputs()
            .into_iter()
            .map(|(name, _)| name.to_owned());
        inputs
            .filter(|name| !self.shared.is_empty() && !self.shared.contains(name))
            .collect()
    }

    /// The type that an input of an expression is declared with.
    fn declared(&self, binding: &Binding) -> Option<Type> {
        let Some(value) = &binding.value else {
            return binding.tensor_type.clone();
        };
        let mut declared = value.tensor_type();
        let batched = self
            .batch
            .is_some_and(|size| declared.shape.first() == Some(&(size as usize)));
        if batched && !self.shared.contains(&binding.name) {
            declared.shape.remove(0);
        }
        Some(declared)
    }
}
