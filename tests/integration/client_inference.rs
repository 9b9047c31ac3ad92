//! The client's idea of types against the engine's.

use gradient_client::{Dtype, Graph, Type};
use gradient_engine::{DType, TensorType, ValueId};
use gradient_proto::v1 as pb;
use gradient_tests::scenarios;

fn as_client(ty: &TensorType) -> Type {
    let dtype = match ty.dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::Bool => Dtype::Bool,
        DType::I64 => Dtype::I64,
    };
    let sizes = ty.shape.iter().map(|&size| size as usize);
    Type::new(dtype, sizes.collect::<Vec<_>>())
}

/// Every value of every scenario: parameters and all results of all nodes.
#[test]
fn the_client_infers_the_types_of_the_engine() {
    let all = scenarios::all();
    let mut values = 0;
    let mut wrong = Vec::new();
    for scenario in &all {
        let arena = scenario.graph.arena();
        let mut message = gradient_server::encode_graph(&scenario.graph);
        let ids = 0..arena.len() as u32;
        let output = |value: u32| pb::Output {
            name: value.to_string(),
            value,
        };
        message.outputs = ids.clone().map(output).collect();
        let graph = Graph::from_proto(message);
        for ((name, inferred), id) in graph.outputs().into_iter().zip(ids) {
            let expected = as_client(arena.ty(ValueId(id)));
            values += 1;
            if inferred.as_ref() != Some(&expected) {
                let inferred = inferred.map_or("nothing".into(), |ty| ty.to_string());
                wrong.push(format!(
                    "{}: value {name} is {expected}, the client infers {inferred}",
                    scenario.name
                ));
            }
        }
    }
    // An input and a result each, at least.
    assert!(values >= 2 * all.len(), "only {values} values");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
