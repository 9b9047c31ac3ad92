//! Messages that differ from one already read in nothing but the numbers of their tensors: they need not be read again.

use super::request::Evaluation;
use bytes::Bytes;
use std::ops::Range;

/// Everything about the message of an evaluation but its numbers.
#[derive(Debug)]
pub struct Form {
    /// Bytes of the message.
    length: usize,
    /// What lies between the numbers, all in a row.
    same: Vec<u8>,
    /// Where the numbers of each tensor lie, in the order of the message.
    holes: Vec<Range<usize>>,
    /// Which of the holes each tensor has, in the order of the evaluation.
    order: Vec<usize>,
    /// What the message says, without numbers.
    evaluation: Evaluation,
}

/// What a form keeps at most, without the evaluation.
const KEPT: usize = 4096;

impl Form {
    /// The form of a message that was read as this evaluation; `None` where it is long, or where there are other numbers
    /// than those of raw tensors.
    pub fn of(message: &Bytes, evaluation: &Evaluation) -> Option<Self> {
        let places = evaluation
            .payloads()
            .map(|payload| payload.place_in(message));
        let places: Vec<Range<usize>> = places.collect::<Option<_>>()?;
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&i| (places[i].start, places[i].end));
        let holes: Vec<_> = order.iter().map(|&i| places[i].clone()).collect();
        let mut hole_of = vec![0; places.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(hole, &i)| hole_of[i] = hole);
        let filled: usize = holes.iter().map(Range::len).sum();
        if message.len() - filled > KEPT || holes.len() > KEPT / 16 {
            return None;
        }
        let mut same = Vec::with_capacity(message.len() - filled);
        between(message, &holes, |piece| {
            same.extend_from_slice(piece);
            true
        });
        let bare = evaluation.with(|_, payload| Some(payload.bare()))?;
        Some(Self {
            length: message.len(),
            same,
            holes,
            order: hole_of,
            evaluation: bare,
        })
    }

    /// Whether a message has this form.
    pub fn fits(&self, message: &Bytes) -> bool {
        let mut same = &self.same[..];
        message.len() == self.length
            && between(message, &self.holes, |piece| {
                let (expected, rest) = same.split_at(piece.len());
                same = rest;
                expected == piece
            })
    }

    /// The evaluation of a message that fits; `None` if it has numbers that its tensors cannot have.
    pub fn read(&self, message: &Bytes) -> Option<Evaluation> {
        self.evaluation.with(|i, payload| {
            let hole = self.holes[self.order[i]].clone();
            payload.with(message.slice(hole))
        })
    }
}

/// Shows the pieces between holes, until one is refused; tells whether none was.
fn between(message: &[u8], holes: &[Range<usize>], mut show: impl FnMut(&[u8]) -> bool) -> bool {
    let mut end = 0;
    for hole in holes {
        if !show(&message[end..hole.start.max(end)]) {
            return false;
        }
        end = hole.end.max(end);
    }
    show(&message[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::TensorStore, wire::request::Compilation, wire::tensor::Payload};
    use gradient_engine::{Options, Request};
    use gradient_proto::v1 as pb;
    use prost::Message;
    use std::{collections::HashMap, sync::Arc};

    fn raw(dtype: pb::Dtype, shape: &[u64], raw: &[u8]) -> pb::Tensor {
        pb::Tensor {
            dtype: dtype.into(),
            shape: shape.to_vec(),
            data: Some(pb::tensor::Data::Raw(raw.to_vec().into())),
        }
    }

    /// A message with tensors in front of the products and in them, and what the names of the tensors are.
    fn message(x: [u8; 16], flag: u8, v: [u8; 16]) -> Bytes {
        let vectors = HashMap::from([("x".to_owned(), raw(pb::Dtype::F64, &[2], &v))]);
        let hvp = pb::HessianVectorProduct {
            vectors,
            ..pb::HessianVectorProduct::default()
        };
        let request = pb::EvaluateRequest {
            graph: Some(pb::evaluate_request::Graph::GraphId("g".repeat(64))),
            inputs: HashMap::from([("x".to_owned(), raw(pb::Dtype::F64, &[2], &x))]),
            products: vec![pb::Product {
                product: Some(pb::product::Product::HessianVectorProduct(hvp)),
            }],
            ..pb::EvaluateRequest::default()
        };
        // Where a map has several entries, they come in any order.
        let flags = pb::EvaluateRequest {
            inputs: HashMap::from([
                ("flag".to_owned(), raw(pb::Dtype::Bool, &[], &[flag])),
                ("none".to_owned(), raw(pb::Dtype::F64, &[0], &[])),
            ]),
            ..pb::EvaluateRequest::default()
        };
        let mut message = request.encode_to_vec();
        let mut each: Vec<_> = flags.inputs.into_iter().collect();
        each.sort_by(|a, b| a.0.cmp(&b.0));
        for entry in each {
            let one = pb::EvaluateRequest {
                inputs: HashMap::from([entry]),
                ..pb::EvaluateRequest::default()
            };
            message.extend(one.encode_to_vec());
        }
        message.into()
    }

    fn evaluation(message: &Bytes) -> Evaluation {
        let resident = TensorStore::new(0);
        let mut request = pb::EvaluateRequest::decode(message.clone()).unwrap();
        let payload = |map: &mut HashMap<String, pb::Tensor>, name: &str| {
            Payload::decode(map.remove(name).unwrap(), &name, &resident).unwrap()
        };
        let inputs = ["flag", "none", "x"].map(|name| payload(&mut request.inputs, name));
        let Some(pb::product::Product::HessianVectorProduct(mut hvp)) =
            request.products.remove(0).product
        else {
            panic!("a product of another kind")
        };
        let seeds = vec![vec![], vec![payload(&mut hvp.vectors, "x")]];
        Evaluation::new(Arc::new(compilation()), inputs.into(), seeds)
    }

    fn compilation() -> Compilation {
        Compilation {
            request: Arc::new(Request {
                products: vec![],
                options: Options::default(),
                batched: None,
            }),
            paths: vec![],
            batch: 1,
            memory: ("", 0),
        }
    }

    fn bytes(evaluation: &Evaluation) -> Vec<Vec<u8>> {
        let payloads = evaluation.payloads();
        payloads.map(|payload| payload.raw().to_vec()).collect()
    }

    fn read(form: &Form, message: &Bytes) -> Option<Evaluation> {
        form.fits(message).then(|| form.read(message))?
    }

    #[test]
    fn a_form_reads_what_a_reader_reads() {
        let first = message([1; 16], 1, [2; 16]);
        let form = Form::of(&first, &evaluation(&first)).unwrap();
        for other in [message([9; 16], 0, [7; 16]), first.clone()] {
            let read = read(&form, &other).unwrap();
            assert_eq!(bytes(&read), bytes(&evaluation(&other)));
            let types = |e: &Evaluation| e.payloads().map(|p| p.ty().clone()).collect::<Vec<_>>();
            assert_eq!(types(&read), types(&evaluation(&other)));
        }
    }

    #[test]
    fn a_form_reads_nothing_else() {
        let first = message([1; 16], 1, [2; 16]);
        let form = Form::of(&first, &evaluation(&first)).unwrap();
        let numbers: usize = form.holes.iter().map(Range::len).sum();
        let mut taken = 0;
        for i in 0..first.len() {
            let mut other = first.to_vec();
            other[i] ^= 0x40;
            taken += usize::from(read(&form, &other.into()).is_some());
        }
        // All of the numbers but the truth value, which is none any more.
        assert_eq!(taken, numbers - 1);
        let longer: Bytes = [&first[..], &[0]].concat().into();
        assert!(read(&form, &longer).is_none());
        assert!(read(&form, &first.slice(1..)).is_none());
        assert!(read(&form, &Bytes::new()).is_none());
    }

    #[test]
    fn numbers_that_lie_elsewhere_have_no_form() {
        let (first, other) = (message([1; 16], 1, [2; 16]), message([1; 16], 1, [2; 16]));
        assert!(Form::of(&first, &evaluation(&other)).is_none());
        // With a field that nobody knows.
        let with = |length: usize| -> Bytes {
            let mut long = first.to_vec();
            prost::encoding::bytes::encode(1000, &vec![0; length], &mut long);
            long.into()
        };
        let is_kept = |message: Bytes| Form::of(&message, &evaluation(&message)).is_some();
        assert!(is_kept(with(1)) && !is_kept(with(KEPT)));
    }
}
