//! Answers to Evaluate: what all answers of a program have in common is written once.

use super::{encode, pattern::Patterns};
use bytes::{BufMut, Bytes};
use gradient_engine::Program;
use gradient_proto::v1 as pb;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use std::sync::Arc;

/// Numbers of the fields `EvaluateResponse.results` and `Result.plan`.
const RESULTS: u32 = 3;
const PLAN: u32 = 2;

/// What all answers of a program have in common.
#[derive(Debug)]
pub struct Outline {
    /// Where entries of sparse blocks stand.
    pub patterns: Patterns,
    /// How each product is computed, as it is sent.
    plans: Vec<Bytes>,
}

impl Outline {
    /// That of a program.
    pub fn of(program: &Program) -> Self {
        let plans = program.plans().iter();
        Self {
            patterns: Patterns::of(program),
            plans: plans
                .map(|plan| encode::plan(plan).encode_to_vec().into())
                .collect(),
        }
    }

    /// Bytes that it keeps.
    pub fn bytes(&self) -> u64 {
        let plans = self.plans.iter().map(|plan| plan.len() as u64);
        self.patterns.bytes() + plans.sum::<u64>()
    }
}

/// An answer, with what it has of its own apart from the [`Outline`].
pub struct Answer {
    /// Without results.
    head: pb::EvaluateResponse,
    /// One for each plan, and its length as a message, with the plan.
    results: Vec<(pb::Result, usize)>,
    outline: Arc<Outline>,
    length: usize,
}

impl Answer {
    /// From its results, which have no plans yet, and all else.
    pub fn new(
        head: pb::EvaluateResponse,
        results: Vec<pb::Result>,
        outline: Arc<Outline>,
    ) -> Self {
        let mut length = head.encoded_len();
        let results = results.into_iter().zip(&outline.plans);
        let results = results.map(|(result, plan)| {
            let within = result.encoded_len() + field_len(PLAN, plan.len());
            length += field_len(RESULTS, within);
            (result, within)
        });
        let results = results.collect();
        Self {
            head,
            results,
            outline,
            length,
        }
    }

    /// Bytes of the message.
    pub fn encoded_len(&self) -> usize {
        self.length
    }

    /// Writes the message.
    pub fn encode(&self, into: &mut impl BufMut) {
        self.head.encode_raw(into);
        for ((result, length), plan) in self.results.iter().zip(&self.outline.plans) {
            encode_key(RESULTS, WireType::LengthDelimited, into);
            encode_varint(*length as u64, into);
            result.encode_raw(into);
            encode_key(PLAN, WireType::LengthDelimited, into);
            encode_varint(plan.len() as u64, into);
            into.put_slice(plan);
        }
    }

    /// The message as the library sends it.
    pub fn into_message(self) -> pb::EvaluateResponse {
        let results = self.results.into_iter().zip(&self.outline.plans);
        let results = results.map(|((result, _), plan)| pb::Result {
            plan: pb::Plan::decode(&plan[..]).ok(),
            ..result
        });
        pb::EvaluateResponse {
            results: results.collect(),
            ..self.head
        }
    }
}

/// Bytes of a field that is a message of so many bytes.
fn field_len(number: u32, length: usize) -> usize {
    key_len(number) + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_apart_is_the_message() {
        let plan = |reason: &str| pb::Plan {
            sweeps: 3,
            reason: reason.to_owned(),
            ..pb::Plan::default()
        };
        let result = |names: &[&str]| pb::Result {
            blocks: (names.iter())
                .map(|name| pb::Block {
                    wrt: name.to_string(),
                    ..pb::Block::default()
                })
                .collect(),
            plan: None,
        };
        let plans = [plan(""), plan(&"long ".repeat(100)), pb::Plan::default()];
        let results = [result(&["x", "y"]), result(&["z"]), result(&[])];
        let head = pb::EvaluateResponse {
            request_id: "request".to_owned(),
            graph_id: "graph".to_owned(),
            results: vec![],
            timing: Some(pb::Timing {
                cache: 2,
                ..pb::Timing::default()
            }),
        };
        let whole = pb::EvaluateResponse {
            results: (results.clone().into_iter().zip(plans.clone()))
                .map(|(result, plan)| pb::Result {
                    plan: Some(plan),
                    ..result
                })
                .collect(),
            ..head.clone()
        };
        let outline = Outline {
            patterns: Patterns::default(),
            plans: plans.iter().map(|p| p.encode_to_vec().into()).collect(),
        };
        let answer = Answer::new(head, results.into(), Arc::new(outline));
        let mut written = vec![];
        answer.encode(&mut written);
        assert_eq!(written.len(), answer.encoded_len());
        assert_eq!(written.len(), whole.encoded_len());
        assert_eq!(
            pb::EvaluateResponse::decode(&written[..]),
            Ok(whole.clone())
        );
        assert_eq!(answer.into_message(), whole);
    }
}
