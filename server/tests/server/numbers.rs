//! Graphs of many inputs of one number each, which are read and answered together.

use crate::harness::*;
use gradient_proto::v1 as pb;
use std::collections::HashMap;
use tonic::Code;

const NUMBERS: usize = 600;

/// Σ exp(xᵢ) + Σ v, term by term: enough nodes for loops to be looked for.
fn graph() -> pb::Graph {
    let mut g = Builder::new();
    let x: Vec<u32> = (0..NUMBERS).map(|i| g.input(&name(i), &[])).collect();
    let v = g.input("v", &[3]);
    let mut sum = g.sum(v);
    for x in x {
        let term = g.node(pb::Op::Exp, &[x]);
        sum = g.node(pb::Op::Add, &[sum, term]);
    }
    g.output("f", sum).done()
}

fn name(i: usize) -> String {
    format!("x{i}")
}

fn number(i: usize) -> f64 {
    i as f64 / 500.0 - 0.5
}

fn given() -> HashMap<String, pb::Tensor> {
    let numbers = (0..NUMBERS).map(|i| (name(i), scalar(number(i))));
    let rest = ("v".to_owned(), tensor(&[3], &[1.0, 2.0, 3.0]));
    numbers.chain([rest]).collect()
}

fn request(id: &str, wrt: &[&str], inputs: HashMap<String, pb::Tensor>) -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        graph: by_id(id),
        inputs,
        products: vec![value(), gradient("f", wrt)],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_number_has_its_block() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, graph()).await;
    let all: Vec<String> = (0..NUMBERS).map(name).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let few = [&all[3..20], &["v"]].concat();
    for wrt in [&[][..], &all, &few] {
        let request = request(&id, wrt, given());
        let answer = client.evaluate(request).await.unwrap().into_inner();
        let names: Vec<&str> = match wrt {
            [] => [&all[..], &["v"]].concat(),
            _ => wrt.to_vec(),
        };
        let result = &answer.results[1];
        assert_eq!(result.blocks.len(), names.len());
        for (i, (block, name)) in result.blocks.iter().zip(names).enumerate() {
            assert_eq!((&*block.output, &*block.wrt), ("f", name));
            let Some(pb::block::Data::Tensor(tensor)) = &block.data else {
                panic!("{name}: a dense block expected");
            };
            let (shape, want): (&[u64], _) = match name.strip_prefix('x') {
                None => (&[3], vec![1.0; 3]),
                Some(position) => (&[], vec![number(position.parse().unwrap()).exp()]),
            };
            assert_eq!((tensor.dtype(), &tensor.shape[..]), (pb::Dtype::F64, shape));
            let got = numbers(tensor);
            let near = |(g, w): (&f64, &f64)| (g - w).abs() <= 1e-14 * w;
            assert!(
                got.len() == want.len() && got.iter().zip(&want).all(near),
                "block {i}, {name}: {got:?}, not {want:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_of_them_is_told() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, graph()).await;
    let with = |name: &str, tensor: Option<pb::Tensor>| {
        let mut inputs = given();
        inputs.remove(name);
        inputs.extend(tensor.map(|tensor| (name.to_owned(), tensor)));
        request(&id, &[], inputs)
    };
    let typed = |dtype: pb::Dtype, raw: Vec<u8>| pb::Tensor {
        dtype: dtype.into(),
        shape: vec![],
        data: Some(pb::tensor::Data::Raw(raw.into())),
    };
    let cases = [
        ("x500", None, "missing"),
        ("x600", Some(scalar(1.0)), "no input"),
        (
            "x500",
            Some(tensor(&[1], &[1.0])),
            "expected f64, got f64[1]",
        ),
        (
            "x500",
            Some(typed(pb::Dtype::F32, vec![0; 4])),
            "expected f64, got f32",
        ),
        (
            "x500",
            Some(typed(pb::Dtype::I64, vec![0; 8])),
            "expected f64, got i64",
        ),
        (
            "x500",
            Some(typed(pb::Dtype::Bool, vec![1])),
            "expected f64, got bool",
        ),
        (
            "v",
            Some(tensor(&[4], &[1.0; 4])),
            "expected f64[3], got f64[4]",
        ),
    ];
    for (name, tensor, part) in cases {
        let status = client.evaluate(with(name, tensor)).await.unwrap_err();
        let path = format!("inputs[\"{name}\"]");
        assert_status(&status, Code::InvalidArgument, &path, part);
    }
    let short = typed(pb::Dtype::F64, vec![0; 7]);
    let status = client
        .evaluate(with("x500", Some(short)))
        .await
        .unwrap_err();
    assert_status(
        &status,
        Code::InvalidArgument,
        "",
        "f64 takes 8 bytes, got 7",
    );
    // Nothing of it stays behind.
    let answer = client.evaluate(request(&id, &[], given())).await;
    assert_eq!(answer.unwrap().into_inner().results.len(), 2);
}
