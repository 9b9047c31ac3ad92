//! Names of inputs and outputs. The engine counts, clients name; names are not part of a graph's identity, so
//! one graph may be registered under several signatures, and each request is read by the one that fits it.

use crate::error::{Error, Result, quote};
use gradient_engine::Graph;
use hashbrown::HashMap;
use std::fmt;

/// The names one client gave to a graph's inputs and outputs.
#[derive(Debug)]
pub struct Signature {
    inputs: Names,
    outputs: Names,
}

#[derive(Debug)]
struct Names {
    kind: &'static str,
    list: Vec<String>,
    index: HashMap<String, u32>,
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.inputs.list == other.inputs.list && self.outputs.list == other.outputs.list
    }
}

impl Signature {
    /// The names in a graph.
    pub fn of(graph: &Graph) -> Self {
        let inputs = graph.inputs().iter().map(|input| input.name.clone());
        let outputs = graph.outputs().iter().map(|output| output.name.clone());
        Self {
            inputs: Names::new("input", inputs.collect()),
            outputs: Names::new("output", outputs.collect()),
        }
    }

    /// Name of an input.
    pub fn input(&self, index: u32) -> &str {
        &self.inputs.list[index as usize]
    }

    /// Name of an output.
    pub fn output(&self, index: u32) -> &str {
        &self.outputs.list[index as usize]
    }

    /// Names of the inputs in order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs.list
    }

    /// Names of the outputs in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs.list
    }

    /// The input that a request calls `name` (or `#position`) at `path`.
    pub fn resolve_input(&self, name: &str, path: &dyn fmt::Display) -> Result<u32> {
        self.inputs.resolve(name, path)
    }

    /// The output that a request calls `name` (or `#position`) at `path`.
    pub fn resolve_output(&self, name: &str, path: &dyn fmt::Display) -> Result<u32> {
        self.outputs.resolve(name, path)
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> u64 {
        let names = self.inputs.list.iter().chain(&self.outputs.list);
        names.map(|name| 2 * name.len() as u64 + 64).sum()
    }
}

impl Names {
    fn new(kind: &'static str, list: Vec<String>) -> Self {
        let index = list.iter().cloned().zip(0..).collect();
        Self { kind, list, index }
    }

    fn find(&self, name: &str) -> Option<u32> {
        match name.strip_prefix('#') {
            None => self.index.get(name).copied(),
            Some(position) => {
                let position = position.parse().ok()?;
                (position < self.list.len() as u32).then_some(position)
            }
        }
    }

    fn resolve(&self, name: &str, path: &dyn fmt::Display) -> Result<u32> {
        self.find(name).ok_or_else(|| {
            let (kind, name) = (self.kind, quote(name).to_string());
            let message = match self.nearest(&name) {
                Some(near) => format!("the graph has no {kind} {name}; did you mean {near}?"),
                None => format!("the graph has no {kind} {name}; it has {}", self.summary()),
            };
            Error::invalid(path, message)
        })
    }

    /// The name that a misspelt (quoted) one was probably meant to be.
    fn nearest(&self, quoted: &str) -> Option<String> {
        const CONSIDERED: usize = 256;
        let candidates = self
            .list
            .iter()
            .take(CONSIDERED)
            .map(|name| quote(name).to_string());
        candidates
            .map(|name| (strsim::damerau_levenshtein(&name, quoted), name))
            .filter(|(distance, name)| *distance <= tolerated(name))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, name)| name)
    }

    fn summary(&self) -> String {
        const SHOWN: usize = 8;
        let names = self.list.iter().take(SHOWN);
        let mut shown: Vec<_> = names.map(|name| quote(name).to_string()).collect();
        if self.list.len() > SHOWN {
            shown.push(format!("… ({} in all)", self.list.len()));
        }
        match shown.is_empty() {
            true => "none".to_owned(),
            false => shown.join(", "),
        }
    }
}

/// How many slips of the pen still leave a (quoted) name recognisable.
fn tolerated(quoted: &str) -> usize {
    match quoted.chars().count().saturating_sub(2) {
        0..=2 => 0,
        characters => (characters / 3).max(1),
    }
}

/// The names that a request mentions.
#[derive(Default)]
pub struct Mentions<'a> {
    /// Names of inputs that must be all of the graph's inputs, if the request gives a point.
    pub point: Option<Vec<&'a str>>,
    /// Other names of inputs: wrt, tangents, vectors.
    pub inputs: Vec<&'a str>,
    /// Names of outputs.
    pub outputs: Vec<&'a str>,
}

impl Mentions<'_> {
    fn point(&self) -> &[&str] {
        self.point.as_deref().unwrap_or_default()
    }

    /// Every name with the index it has under a signature; `None` for a name that it lacks.
    fn resolved<'m>(
        &'m self,
        signature: &'m Signature,
    ) -> impl Iterator<Item = (&'m str, Option<u32>)> {
        let inputs = self.point().iter().chain(&self.inputs);
        let inputs = inputs.map(|name| (*name, signature.inputs.find(name)));
        let outputs = self.outputs.iter();
        inputs.chain(outputs.map(|name| (*name, signature.outputs.find(name))))
    }

    fn fit(&self, signature: &Signature) -> bool {
        let complete = self
            .point
            .as_ref()
            .is_none_or(|names| names.len() == signature.inputs.list.len());
        complete && self.resolved(signature).all(|(_, index)| index.is_some())
    }
}

/// Picks the signature a request is to be read by: the first in which all its names exist. If others fit too
/// and read it differently, the request is ambiguous. If none fits, the one with most of the names is taken, so
/// that the errors that follow are about as few names as possible.
///
/// Takes the position of the signature in `signatures`, which is not empty.
pub fn choose<'s>(
    signatures: impl Iterator<Item = &'s Signature> + Clone,
    mentions: &Mentions<'_>,
) -> Result<usize> {
    let mut fitting = signatures
        .clone()
        .enumerate()
        .filter(|(_, s)| mentions.fit(s));
    let Some((first, chosen)) = fitting.next() else {
        let known = |s: &Signature| mentions.resolved(s).filter(|(_, i)| i.is_some()).count();
        let mut best = (0, 0);
        for (position, signature) in signatures.enumerate() {
            let count = known(signature);
            if count > best.1 {
                best = (position, count);
            }
        }
        return Ok(best.0);
    };
    for (_, other) in fitting {
        let mut pairs = mentions.resolved(chosen).zip(mentions.resolved(other));
        if let Some(((name, a), (_, b))) = pairs.find(|((_, a), (_, b))| a != b) {
            let position = |index: Option<u32>| index.map_or("nothing".into(), |i| format!("#{i}"));
            let message = format!(
                "{} is ambiguous: this graph was registered under several signatures, in which it is {} or {}; \
                 name inputs and outputs by position (\"#0\", \"#1\", …), or send the graph along as inline_graph",
                quote(name),
                position(a),
                position(b)
            );
            return Err(Error::invalid("graph_id", message));
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        Signature {
            inputs: Names::new("input", owned(inputs)),
            outputs: Names::new("output", owned(outputs)),
        }
    }

    fn chosen(signatures: &[Signature], point: &[&str], outputs: &[&str]) -> Result<usize> {
        let mentions = Mentions {
            point: Some(point.to_vec()),
            inputs: vec![],
            outputs: outputs.to_vec(),
        };
        choose(signatures.iter(), &mentions)
    }

    #[test]
    fn a_request_is_read_by_the_signature_that_has_its_names() {
        let both = [
            signature(&["x", "y"], &["f"]),
            signature(&["a", "b"], &["f"]),
        ];
        assert_eq!(chosen(&both, &["x", "y"], &[]).unwrap(), 0);
        assert_eq!(chosen(&both, &["b", "a"], &["f"]).unwrap(), 1);
        assert_eq!(
            chosen(&both, &["#1", "#0"], &[]).unwrap(),
            0,
            "positions fit all"
        );
        assert_eq!(
            chosen(&both, &["a", "c"], &[]).unwrap(),
            1,
            "nearest, for its errors"
        );
    }

    #[test]
    fn swapped_names_are_ambiguous_and_positions_are_not() {
        let swapped = [
            signature(&["x", "y"], &["f"]),
            signature(&["y", "x"], &["f"]),
        ];
        let error = chosen(&swapped, &["x", "y"], &[]).unwrap_err();
        assert!(error.to_string().contains("inline_graph"), "{error}");
        assert_eq!(chosen(&swapped, &["#0", "#1"], &["f"]).unwrap(), 0);
    }

    #[test]
    fn a_misspelt_name_gets_a_hint() {
        let s = signature(&["weights", "bias"], &["loss"]);
        let error = s
            .resolve_input("wieghts", &"inputs")
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean \"weights\""), "{error}");
        let error = s.resolve_input("z", &"inputs").unwrap_err().to_string();
        assert!(error.contains("it has \"weights\", \"bias\""), "{error}");
        for beyond in ["#2", "#-1", "#", "#x", "#4294967296"] {
            assert!(s.resolve_input(beyond, &"inputs").is_err(), "{beyond}");
        }
        assert_eq!(s.resolve_output("#0", &"").unwrap(), 0);
    }
}
