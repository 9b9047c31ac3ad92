use super::*;

/// Parameters, their negatives, and numbers that are neutral somewhere: of both types, as scalars and vectors.
fn values(cx: &mut Workspace) -> Vec<ValueId> {
    let mut values = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        for shape in [&[][..], &[1], &[3]] {
            let x = cx.parameter(TensorType::new(dtype, shape));
            let negative = cx.any_plain(Op::Negate, &[x]);
            values.extend([x, negative]);
        }
        values.extend([1.0, -1.0, 0.0, -0.0, 2.5].map(|number| cx.scalar(dtype, number)));
    }
    values
}

/// What is written without a look at simplifications is what they would have left.
#[test]
fn short_ways_write_what_the_long_one_does() {
    let (mut short, mut long) = (Workspace::default(), Workspace::default());
    let all = values(&mut short);
    assert_eq!(all, values(&mut long));
    let ops = Op::ALL
        .iter()
        .filter_map(|&op| Some((op, op.elementwise()?.partials.len())));
    for (op, arity) in ops {
        for &a in &all {
            for &b in &all {
                let operands = &[a, b, a][..arity];
                let fits = operands.iter().all(|&v| {
                    let (one, other) = (long.arena.ty(v), long.arena.ty(a));
                    one.dtype == other.dtype
                        && (one.shape.is_empty()
                            || other.shape.is_empty()
                            || one.shape == other.shape)
                });
                if fits {
                    let (ours, theirs) =
                        (short.emit_plain(op, operands), long.any_plain(op, operands));
                    assert_eq!(ours, theirs, "{op:?} of {operands:?}");
                }
            }
        }
    }
    let nodes = short.arena.node_count();
    for v in (0..short.arena.len() as u32).map(ValueId) {
        for shape in [vec![], vec![1]] {
            if short.arena.ty(v).elements() == 1 {
                let reshape = Attributes::Reshape { shape };
                let ours = short.emit(Op::Reshape, &[v], reshape.clone());
                assert_eq!(ours, long.any(Op::Reshape, &[v], reshape));
            }
        }
    }
    assert!(short.arena.node_count() > nodes);
    let nodes = |cx: &Workspace| -> Vec<_> {
        let nodes = cx.arena.nodes();
        nodes
            .map(|n| {
                (
                    n.op,
                    n.operands.to_vec(),
                    n.attributes.clone(),
                    n.ty.clone(),
                )
            })
            .collect()
    };
    assert!(nodes(&short) == nodes(&long));
    assert!(short.sharing.kinds().eq(long.sharing.kinds()));
}

/// Exactly the same, zeros with their signs included.
#[test]
fn negatives_are_taken_off_and_numbers_turned_round() {
    let mut cx = Workspace::default();
    let ty = TensorType::f64([3]);
    let (x, y) = (cx.parameter(ty.clone()), cx.parameter(ty));
    let (two, minus_two) = (cx.scalar(DType::F64, 2.0), cx.scalar(DType::F64, -2.0));
    let negative = cx.any_plain(Op::Negate, &[y]);
    let mut binary = |op, a, b| {
        let found = cx.emit_plain(op, &[a, b]);
        let node = cx.arena.producer(found).unwrap();
        (node.op, node.operands.to_vec())
    };
    let difference = (Op::Subtract, vec![x, y]);
    assert_eq!(binary(Op::Add, x, negative), difference);
    assert_eq!(binary(Op::Add, negative, x), difference);
    let sum = binary(Op::Add, x, y);
    assert_eq!(binary(Op::Subtract, x, negative), sum);
    assert_eq!(binary(Op::Subtract, negative, x).0, Op::Subtract);
    let turned = binary(Op::Multiply, y, minus_two);
    assert_eq!(binary(Op::Multiply, two, negative), turned);
    assert_eq!(binary(Op::Multiply, negative, two), turned);
    for (a, b) in [
        (0.0, 0.0),
        (0.0, -0.0),
        (-0.0, 0.0),
        (-0.0, -0.0),
        (1.5, 1.5),
    ] {
        let bits = |x: f64| x.to_bits();
        assert_eq!(bits(a + -b), bits(a - b));
        assert_eq!(bits(-b + a), bits(a - b));
        assert_eq!(bits(a - -b), bits(a + b));
        assert_eq!(bits(2.0 * -b), bits(-2.0 * b));
    }
}
