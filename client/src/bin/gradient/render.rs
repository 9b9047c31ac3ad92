//! Answers as text and as JSON.
//!
//! # JSON
//! - number: a JSON number that reads back to the same bits; `"NaN"`, `"Infinity"`, `"-Infinity"` as strings.
//! - block: `{"output", "wrt", "wrt_second"}` as far as they apply, then either
//!   `{"dtype", "shape", "value"}` with nested lists, or `{"shape", "rows", "columns", "dtype", "values"}` if sparse.
//! - plan: `{"mode", "hvp_mode", "sweeps", "forward_colors", "reverse_colors", "operations", "bytes",
//!   "predicted_us", "reason", "live_inputs", "live_outputs", "candidates": [{"mode", "hvp_mode", "sweeps",
//!   "operations"}]}`; modes as "forward", "reverse", "mixed", or "" where there is none.

use std::time::Duration;

use gradient_client::{
    Answer, Block, BlockData, HvpMode, Mode, Plan, Tensor,
    proto::{Cache, Tier},
};
use serde_json::{Map, Value, json};

/// Elements of one dimension that a terminal shows.
const SHOWN: usize = 12;

/// `{"graph_id", "results": [{"product", "blocks", "plan"}], "timing": {"queue_us", "compile_us", "execute_us",
/// "cache", "tier"}}`.
pub fn answer(answer: &Answer) -> Value {
    let results = answer.results.iter().map(|result| {
        json!({
            "product": result.product,
            "blocks": result.blocks.iter().map(block).collect::<Vec<_>>(),
            "plan": plan(&result.plan),
        })
    });
    json!({
        "graph_id": answer.graph_id,
        "results": results.collect::<Vec<_>>(),
        "timing": {
            "queue_us": micros(answer.timing.queue),
            "compile_us": micros(answer.timing.compile),
            "execute_us": micros(answer.timing.execute),
            "cache": cache(answer.timing.cache),
            "tier": word(Tier::as_str_name(&answer.timing.tier), "TIER_"),
        },
    })
}

fn block(block: &Block) -> Value {
    let mut object = Map::new();
    let names = [
        ("output", &block.output),
        ("wrt", &block.wrt),
        ("wrt_second", &block.wrt_second),
    ];
    for (key, name) in names {
        if let Some(name) = name {
            object.insert(key.into(), name.as_str().into());
        }
    }
    match &block.data {
        BlockData::Dense(tensor) => {
            object.insert("dtype".into(), tensor.dtype().to_string().into());
            object.insert("shape".into(), tensor.shape().into());
            object.insert("value".into(), nested(tensor));
        }
        BlockData::Sparse(matrix) => {
            object.insert("shape".into(), matrix.shape.as_slice().into());
            object.insert("rows".into(), matrix.rows.as_slice().into());
            object.insert("columns".into(), matrix.columns.as_slice().into());
            object.insert("dtype".into(), matrix.values.dtype().to_string().into());
            object.insert("values".into(), nested(&matrix.values));
        }
    }
    object.into()
}

pub fn plan(plan: &Plan) -> Value {
    let candidates = plan.candidates.iter().map(|candidate| {
        json!({
            "mode": mode(candidate.mode()),
            "hvp_mode": hvp_mode(candidate.hvp_mode()),
            "sweeps": candidate.sweeps,
            "operations": candidate.operations,
        })
    });
    json!({
        "mode": mode(plan.mode),
        "hvp_mode": hvp_mode(plan.hvp_mode),
        "sweeps": plan.sweeps,
        "forward_colors": plan.forward_colors,
        "reverse_colors": plan.reverse_colors,
        "operations": plan.operations,
        "bytes": plan.bytes,
        "predicted_us": micros(plan.predicted),
        "reason": plan.reason,
        "live_inputs": plan.live_inputs,
        "live_outputs": plan.live_outputs,
        "candidates": candidates.collect::<Vec<_>>(),
    })
}

/// The elements as nested lists.
fn nested(tensor: &Tensor) -> Value {
    let numbers: Vec<Value> = match tensor {
        Tensor::F64(array) => array.data().iter().map(|&x| number(x)).collect(),
        // By way of its own shortest text: as f64 it would grow digits that it does not have.
        Tensor::F32(array) => array
            .data()
            .iter()
            .map(|x| x.to_string().parse().map_or(Value::Null, number))
            .collect(),
        Tensor::I64(array) => array.data().iter().map(|&x| x.into()).collect(),
        Tensor::Bool(array) => array.data().iter().map(|&x| x.into()).collect(),
    };
    let mut level = numbers;
    for (d, &size) in tensor.shape().iter().enumerate().rev() {
        let rows: usize = tensor.shape()[..d].iter().product();
        let mut elements = level.into_iter();
        level = (0..rows)
            .map(|_| Value::Array(elements.by_ref().take(size).collect()))
            .collect();
    }
    level.into_iter().next().unwrap_or(Value::Null)
}

/// A JSON number, or the name of what JSON has no number for.
pub fn number(x: f64) -> Value {
    match x {
        x if x.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        x => x.into(),
    }
}

/// A block's numbers as text: nested lists, one line for each row. `brief` leaves out the middle of long ones.
pub fn numbers(data: &BlockData, brief: bool) -> String {
    let limit = if brief { SHOWN } else { usize::MAX };
    match data {
        BlockData::Dense(tensor) => {
            let elements = tensor.elements_as_text(usize::MAX);
            lists(&elements, tensor.shape(), limit, 0)
        }
        BlockData::Sparse(matrix) if matrix.values.shape().len() == 1 => {
            let entries = matrix.values.elements_as_text(limit).into_iter();
            let places = matrix.rows.iter().zip(&matrix.columns);
            let mut lines: Vec<String> = entries
                .zip(places)
                .map(|(x, (i, j))| format!("({i}, {j}) {x}"))
                .collect();
            if matrix.rows.len() > lines.len() {
                lines.push(format!("… {} entries in all", matrix.rows.len()));
            }
            lines.join("\n")
        }
        BlockData::Sparse(matrix) => {
            format!(
                "{} entries for each point; --json shows them",
                matrix.rows.len()
            )
        }
    }
}

/// The rank of a tensor bounds the recursion: the server refuses more than a few dimensions.
fn lists(elements: &[String], shape: &[usize], limit: usize, indent: usize) -> String {
    let Some((&size, inner)) = shape.split_first() else {
        return elements.first().cloned().unwrap_or_default();
    };
    let stride = elements.len().checked_div(size).unwrap_or(0);
    let separator = if inner.is_empty() {
        ", ".to_owned()
    } else {
        format!(",\n{}", " ".repeat(indent + 1))
    };
    let mut parts: Vec<String> = (0..size.min(limit))
        .map(|i| lists(&elements[i * stride..][..stride], inner, limit, indent + 1))
        .collect();
    if size > limit {
        parts.push(format!("… {size} in all"));
    }
    format!("[{}]", parts.join(&separator))
}

/// "hit", "miss", "joined".
pub fn cache(cache: Cache) -> String {
    word(cache.as_str_name(), "CACHE_")
}

/// "forward", "reverse", "mixed", or "" where there is none.
pub fn mode(mode: Mode) -> String {
    word(mode.as_str_name(), "MODE_")
}

/// "reverse-over-forward", "forward-over-reverse", or "" where there is none.
pub fn hvp_mode(mode: HvpMode) -> String {
    word(mode.as_str_name(), "HVP_MODE_")
}

/// The value of an enum as a word, without the prefix that all its values have.
pub fn word(name: &str, prefix: &str) -> String {
    match name.trim_start_matches(prefix) {
        "UNSPECIFIED" => String::new(),
        word => word.to_ascii_lowercase().replace('_', "-"),
    }
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use gradient_client::Array;

    use super::*;

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        for x in [
            0.1,
            -0.0,
            1e300,
            f64::MIN_POSITIVE / 3.0,
            1.0 / 3.0,
            1e16,
            123456789012345680.0,
        ] {
            let json: f64 = serde_json::from_str(&nested(&x.into()).to_string()).unwrap();
            assert_eq!(json.to_bits(), x.to_bits());
            let text: f64 = numbers(&BlockData::Dense(x.into()), true).parse().unwrap();
            assert_eq!(text.to_bits(), x.to_bits());
        }
        assert_eq!(nested(&0.1f32.into()).to_string(), "0.1");
        assert_eq!(
            nested(&[f64::NAN, f64::NEG_INFINITY].into()).to_string(),
            r#"["NaN","-Infinity"]"#
        );
    }

    #[test]
    fn shapes_are_nested() {
        let array = Array::new([2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(
            nested(&array.clone().into()).to_string(),
            "[[[1.0,2.0]],[[3.0,4.0]]]"
        );
        assert_eq!(
            numbers(&BlockData::Dense(array.into()), false),
            "[[[1.0, 2.0]],\n [[3.0, 4.0]]]"
        );
        let empty = Array::<f64>::new([2, 0], vec![]).unwrap();
        assert_eq!(nested(&empty.clone().into()).to_string(), "[[],[]]");
        assert_eq!(
            numbers(&BlockData::Dense(empty.into()), false),
            "[[],\n []]"
        );
        let none = Array::<f64>::new([0, 2], vec![]).unwrap();
        assert_eq!(nested(&none.into()).to_string(), "[]");
        let long: Tensor = vec![0.5; 1000].into();
        assert!(numbers(&BlockData::Dense(long), true).ends_with("0.5, … 1000 in all]"));
    }
}
