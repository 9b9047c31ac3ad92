//! One function, one id: however it is spelled.

use gradient_engine::{
    Attributes, Control, DType, Direction, FunctionId, FunctionSource, Graph, GraphId, NodeSource,
    Op, Tensor, TensorType, ValueId,
};
use gradient_tests::engine::tensor;
use gradient_tests::scenarios::Draft;

fn scalar(x: f64) -> Tensor {
    tensor(&TensorType::f64([]), &[x])
}

/// exp(x·y) + sin(x)·c
fn plain(c: f64) -> Graph {
    let mut g = Draft::new("plain");
    let (x, y) = (g.input("x", &[]), g.input("y", &[]));
    let product = g.op(Op::Multiply, &[x, y]);
    let exp = g.op(Op::Exp, &[product]);
    let sine = g.op(Op::Sin, &[x]);
    let c = g.constant(scalar(c));
    let scaled = g.op(Op::Multiply, &[sine, c]);
    let sum = g.op(Op::Add, &[exp, scaled]);
    g.finish(sum)
}

/// The same with other names, another order, dead nodes, repeated nodes and labels.
fn disguised(c: f64) -> Graph {
    let mut g = Draft::new("disguised");
    let (x, y) = (g.input("first", &[]), g.input("second", &[]));
    let c = g.constant(scalar(c));
    let dead = g.op(Op::Cos, &[y]);
    g.op(Op::Tan, &[dead]);
    let sine =
        g.0.push(Op::Sin, &[x], Attributes::None, "the sine")
            .expect("node");
    let scaled = g.op(Op::Multiply, &[c, sine]);
    let product = g.op(Op::Multiply, &[y, x]);
    let again = g.op(Op::Multiply, &[x, y]);
    let exp = g.op(Op::Exp, &[again]);
    g.op(Op::Exp, &[product]);
    let sum = g.op(Op::Add, &[scaled, exp]);
    g.finish(sum)
}

#[test]
fn spelling_does_not_count() {
    assert_eq!(plain(2.0).id(), disguised(2.0).id());
}

#[test]
fn what_is_computed_counts() {
    let mut ids: Vec<GraphId> = vec![
        plain(2.0).id(),
        plain(2.000_000_000_000_000_4).id(),
        plain(0.0).id(),
        plain(-0.0).id(),
    ];
    let unary = |op: Op, shape: &[u64]| {
        let mut g = Draft::new("unary");
        let x = g.input("x", shape);
        let y = g.op(op, &[x]);
        g.finish(y).id()
    };
    ids.extend([
        unary(Op::Sin, &[]),
        unary(Op::Cos, &[]),
        unary(Op::Sin, &[1]),
        unary(Op::Sin, &[2]),
    ]);
    // Subtraction is not commutative; a comparison's direction, an unused input and an output's order count.
    let binary = |swap: bool, op: Op, attributes: Attributes| {
        let mut g = Draft::new("binary");
        let (x, y) = (g.input("x", &[]), g.input("y", &[]));
        let operands = if swap { [y, x] } else { [x, y] };
        let z = g.push(op, &operands, attributes);
        g.finish(z).id()
    };
    for swap in [false, true] {
        ids.push(binary(swap, Op::Subtract, Attributes::None));
        for direction in [Direction::Lt, Direction::Le] {
            ids.push(binary(swap, Op::Compare, Attributes::Compare { direction }));
        }
    }
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn all_nans_are_one() {
    let with = |bits: u64| {
        let mut g = Draft::new("nan");
        let raw = bits.to_le_bytes().to_vec();
        let c =
            g.constant(Tensor::from_raw(TensorType::scalar(DType::F64), raw).expect("constant"));
        g.finish(c).id()
    };
    assert_eq!(with(0x7ff8_0000_0000_0000), with(0xfff8_0000_dead_beef));
    assert_ne!(
        with(0x7ff8_0000_0000_0000),
        with(0x7ff0_0000_0000_0000),
        "infinity is no NaN"
    );
}

#[test]
fn wide_concatenations_are_compared_in_full() {
    // Operands beyond the first few count as well.
    let graph = |last: usize| {
        let mut g = Draft::new("wide");
        let x: Vec<_> = (0..12).map(|i| g.input(&format!("x{i}"), &[1])).collect();
        let mut first = x.clone();
        first[11] = x[last];
        let a = g.push(
            Op::Concatenate,
            &x,
            Attributes::Concatenate { dimension: 0 },
        );
        let b = g.push(
            Op::Concatenate,
            &first,
            Attributes::Concatenate { dimension: 0 },
        );
        let y = g.op(Op::Divide, &[a, b]);
        g.finish(y).id()
    };
    assert_ne!(graph(11), graph(10));
}

/// As many chains of functions as factors: each function runs the next, and the last of a chain multiplies by its
/// factor. The sum of what the chains give.
fn chain(names: &[&str], factors: &[f64], turned: bool) -> GraphId {
    let call = |f: u32| Attributes::Control(Control::call(FunctionId(f)).into());
    let node = |op, operands: &[u32], attributes| NodeSource {
        op,
        operands: operands.iter().map(|&v| ValueId(v)).collect(),
        attributes,
        label: String::new(),
    };
    let length = names.len() / factors.len();
    let place = |i: usize| match turned {
        true => names.len() - 1 - i,
        false => i,
    };
    let mut functions: Vec<(usize, FunctionSource)> = vec![];
    for (i, name) in names.iter().enumerate() {
        let (nodes, result) = match (i + 1) % length {
            0 => {
                let factor = Attributes::Constant(scalar(factors[i / length]).into());
                let times = node(Op::Multiply, &[0, 1], Attributes::None);
                (vec![node(Op::Constant, &[], factor), times], 2)
            }
            _ => {
                let next = call(place(i + 1) as u32);
                (vec![node(Op::Call, &[0], next)], 1)
            }
        };
        let source = FunctionSource {
            name: (*name).into(),
            parameters: vec![TensorType::f64([])],
            nodes,
            results: vec![ValueId(result)],
            custom_jvp: None,
            custom_vjp: None,
        };
        functions.push((place(i), source));
    }
    functions.sort_by_key(|&(place, _)| place);
    let mut g = Draft::new("chains");
    let sources = functions.into_iter().map(|(_, source)| source).collect();
    g.0.functions(sources).expect("functions");
    let x = g.input("x", &[]);
    let calls = (0..factors.len()).map(|k| call(place(k * length) as u32));
    let calls: Vec<ValueId> = calls.map(|call| g.push(Op::Call, &[x], call)).collect();
    let sum = calls.into_iter().reduce(|a, b| g.op(Op::Add, &[a, b]));
    g.finish(sum.expect("a call")).id()
}

#[test]
fn functions_count_by_what_they_compute_however_deep() {
    let names: Vec<String> = (0..80).map(|i| format!("f{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let others: Vec<&str> = names.iter().rev().copied().collect();
    let one = chain(&names, &[2.0, 3.0], false);
    assert_eq!(one, chain(&others, &[2.0, 3.0], false), "names");
    assert_eq!(one, chain(&names, &[2.0, 3.0], true), "order in the list");
    assert_eq!(one, chain(&names, &[3.0, 2.0], false), "order of a sum");
    let two = chain(&names, &[2.0, 2.0], false);
    assert_ne!(one, two, "a constant, forty functions deep");
    assert_ne!(two, chain(&names, &[3.0, 3.0], false));
    let once = chain(&names[..40], &[2.0], false);
    assert_ne!(once, two, "the sum counts");
    let short = chain(&names[..20], &[2.0], false);
    assert_ne!(short, once, "the length counts");
}

#[test]
fn ids_are_text_and_back() {
    let id = plain(1.0).id();
    assert_eq!(id.to_string().parse::<GraphId>(), Ok(id));
    assert_eq!(id.to_string().len(), 64);
    assert!("ABC".parse::<GraphId>().is_err());
    assert!("é".repeat(32).parse::<GraphId>().is_err());
}
