//! `NAME=VALUE` and `NAME:TYPE` on the command line.
//!
//! A value is a number or a nested list of numbers: `2`, `-1e-3`, `inf`, `[1, 2, 3]`, `[[1, 2], [3, 4]]`, `true`, or
//! `@FILE` with such text inside. A type is an element type, a shape or both: `f32`, `[3]`, `f32[2, 3]`.

use std::{fs, str::FromStr};

use gradient_client::{Array, Dtype, Element, Tensor, Type};

/// Lists within lists.
const MAX_RANK: usize = 32;

/// Help for arguments where the type of an input is enough.
pub const TYPES_HELP: &str =
    "Types of an expression's inputs, x:[3] or x:f32, or their values; a scalar if left out";

/// What the command line says about one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Name of the input.
    pub name: String,
    /// Its type, if only that is known.
    pub tensor_type: Option<Type>,
    /// Its value.
    pub value: Option<Tensor>,
}

impl FromStr for Binding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (left, value) = match text.split_once('=') {
            Some((left, value)) => (left.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        // Names of derivative graphs have colons of their own: "tangent:x".
        let typed = left
            .rsplit_once(':')
            .and_then(|(name, t)| Some((name.trim(), parse_type(t.trim())?)));
        let (name, tensor_type) = typed.map_or((left, None), |(name, t)| (name, Some(t)));
        if name.is_empty() {
            return Err("write NAME=VALUE, such as x=1 or x=[1,2,3]".into());
        }
        let value = value
            .map(|value| parse_value(value, tensor_type.as_ref()))
            .transpose()?;
        if value.is_none() && tensor_type.is_none() {
            return Err(
                "write NAME=VALUE, such as x=1 or x=[1,2,3], or NAME:TYPE, such as x:[3]".into(),
            );
        }
        Ok(Self {
            name: name.to_owned(),
            tensor_type,
            value,
        })
    }
}

/// A `NAME=VALUE` where a value is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed(pub String, pub Tensor);

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let binding: Binding = text.parse()?;
        let value = binding
            .value
            .ok_or("write NAME=VALUE, such as x=1 or x=[1,2,3]")?;
        Ok(Self(binding.name, value))
    }
}

/// `f32`, `[3]`, `f32[2, 3]`.
fn parse_type(text: &str) -> Option<Type> {
    let (dtype, shape) = match text.split_once('[') {
        Some((dtype, rest)) => (dtype.trim(), rest.strip_suffix(']')?.trim()),
        None => (text, ""),
    };
    let dtype = match dtype {
        "" if text.starts_with('[') => Dtype::F64,
        "f64" => Dtype::F64,
        "f32" => Dtype::F32,
        "i64" => Dtype::I64,
        "bool" => Dtype::Bool,
        _ => return None,
    };
    let sizes = shape
        .split(',')
        .map(str::trim)
        .filter(|_| !shape.is_empty());
    let shape: Option<Vec<usize>> = sizes.map(|size| size.parse().ok()).collect();
    Some(Type::new(dtype, shape?))
}

fn parse_value(text: &str, tensor_type: Option<&Type>) -> Result<Tensor, String> {
    let from_file;
    let text = match text.strip_prefix('@') {
        None => text,
        Some(path) => {
            from_file =
                fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
            &from_file
        }
    };
    let mut words = Vec::new();
    let mut rest = text.trim();
    let shape = parse_nested(&mut rest, &mut words, 0)?;
    if !rest.trim().is_empty() {
        return Err(format!("{:?} after the end of the value", rest.trim()));
    }
    let truth = |word: &&str| matches!(*word, "true" | "false");
    let dtype = match tensor_type {
        Some(t) => t.dtype,
        None if !words.is_empty() && words.iter().all(truth) => Dtype::Bool,
        None => Dtype::F64,
    };
    let tensor = match dtype {
        Dtype::F64 => elements::<f64>(&shape, &words)?,
        Dtype::F32 => elements::<f32>(&shape, &words)?,
        Dtype::I64 => elements::<i64>(&shape, &words)?,
        Dtype::Bool => elements::<bool>(&shape, &words)?,
    };
    // A scalar type is only an element type here: "x:f32=[1,2]".
    match tensor_type {
        Some(t) if !t.shape.is_empty() && t.shape != shape => {
            Err(format!("shape {shape:?} is not {:?}", t.shape))
        }
        _ => Ok(tensor),
    }
}

fn elements<T: Element + FromStr>(shape: &[usize], words: &[&str]) -> Result<Tensor, String> {
    let parse = |word: &&str| {
        word.parse()
            .map_err(|_| format!("{word:?} is no {}", T::DTYPE))
    };
    let data: Vec<T> = words.iter().map(parse).collect::<Result<_, _>>()?;
    Array::new(shape, data)
        .map(Tensor::from)
        .ok_or_else(|| "too many elements".into())
}

/// Takes one number or list from the front of `rest`, collects its words, gives its shape.
fn parse_nested<'t>(
    rest: &mut &'t str,
    words: &mut Vec<&'t str>,
    depth: usize,
) -> Result<Vec<usize>, String> {
    let Some(inside) = rest.strip_prefix('[') else {
        let end = rest.find([',', '[', ']']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.trim().is_empty() {
            return Err("a number is missing".into());
        }
        words.push(word.trim());
        *rest = after;
        return Ok(Vec::new());
    };
    if depth == MAX_RANK {
        return Err(format!("more than {MAX_RANK} lists within lists"));
    }
    *rest = inside.trim_start();
    if let Some(after) = rest.strip_prefix(']') {
        *rest = after.trim_start();
        return Ok(vec![0]);
    }
    let mut shape: Option<Vec<usize>> = None;
    let mut count = 0;
    loop {
        let element = parse_nested(rest, words, depth + 1)?;
        match &shape {
            Some(first) if *first != element => {
                return Err("the rows of a list differ in shape".into());
            }
            _ => shape = Some(element),
        }
        count += 1;
        *rest = rest.trim_start();
        match rest.chars().next() {
            Some(',') => *rest = rest[1..].trim_start(),
            Some(']') => break,
            Some(other) => return Err(format!("{other:?} instead of ',' or ']'")),
            None => return Err("a ']' is missing".into()),
        }
    }
    *rest = rest[1..].trim_start();
    let mut result = vec![count];
    result.extend(shape.unwrap_or_default());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Tensor, String> {
        text.parse().map(|Seed(_, value)| value)
    }

    #[test]
    fn values_are_numbers_and_nested_lists() {
        let matrix = [[1.0, 2.0], [3.0, -4e-3]];
        let cases: [(&str, Tensor); 10] = [
            ("x=1", 1.0.into()),
            ("x = -inf", f64::NEG_INFINITY.into()),
            ("x=[1, 2,3]", [1.0, 2.0, 3.0].into()),
            ("x=[[1,2], [3,-4e-3]] ", matrix.into()),
            ("x=[]", Vec::<f64>::new().into()),
            (
                "x=[[],[]]",
                Array::<f64>::new([2, 0], vec![]).unwrap().into(),
            ),
            ("p=true", true.into()),
            ("p=[true,false]", [true, false].into()),
            ("k:i64=9007199254740993", 9_007_199_254_740_993i64.into()),
            ("x:f32=[0.1]", [0.1f32].into()),
        ];
        for (text, want) in cases {
            assert_eq!(value(text).as_ref(), Ok(&want), "{text}");
        }
    }

    #[test]
    fn types_stand_for_values() {
        let binding: Binding = "x:f32[2, 3]".parse().unwrap();
        assert_eq!(binding.tensor_type, Some(Type::new(Dtype::F32, [2, 3])));
        let binding: Binding = "x:[]".parse().unwrap();
        assert_eq!(binding.tensor_type, Some(Type::new(Dtype::F64, [])));
        let binding: Binding = "tangent:x=1".parse().unwrap();
        assert_eq!(
            (binding.name.as_str(), binding.tensor_type),
            ("tangent:x", None)
        );
    }

    #[test]
    fn mistakes_are_told() {
        let deep = format!("x={}", "[".repeat(100_000));
        let cases = [
            ("x", "NAME=VALUE"),
            ("=1", "NAME=VALUE"),
            ("x=", "a number is missing"),
            ("x=one", "\"one\" is no f64"),
            ("x=[1,2", "']' is missing"),
            ("x=[1,,2]", "a number is missing"),
            ("x=[1 2]", "\"1 2\" is no f64"),
            ("x=[1]2", "after the end"),
            ("x=[[1],[2,3]]", "differ in shape"),
            ("x=[1,[2]]", "differ in shape"),
            ("k:i64=0.5", "\"0.5\" is no i64"),
            ("x:[2]=[1,2,3]", "shape [3] is not [2]"),
            ("x=@/no/such/file", "cannot read"),
            (deep.as_str(), "lists within lists"),
        ];
        for (text, message) in cases {
            let error = value(text).unwrap_err();
            assert!(error.contains(message), "{text:.20}: {error}");
        }
    }
}
