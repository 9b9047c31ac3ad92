//! Scenarios of reductions, scans and products of tensors.

use super::{Scenario, WIDE, scenario};
use gradient_engine::{Attributes, DType, Direction, NormKind, Op};

/// Away from 0, where the norms one and inf have a kink.
const POSITIVE: (f64, f64) = (0.2, 2.0);
const NEGATIVE: (f64, f64) = (-2.0, -0.2);
/// Wide apart, so that differences do not step over a tie.
const FAR_POSITIVE: (f64, f64) = (1.0, 80.0);
const FAR_NEGATIVE: (f64, f64) = (-80.0, -1.0);

pub(super) fn add(all: &mut Vec<Scenario>) {
    reductions(all);
    whole_numbers_and_bools(all);
    scans(all);
    normalised(all);
    products(all);
    diagonals(all);
    sums_of_products(all);
}

fn one(
    all: &mut Vec<Scenario>,
    op: Op,
    name: &str,
    shape: &[u64],
    domain: (f64, f64),
    attributes: Attributes,
) {
    all.push(scenario(op, name, &[domain], |g| {
        let x = g.input("x", shape);
        g.push(op, &[x], attributes)
    }));
}

/// Shape, axes, whether reduced dimensions stay.
const REDUCED: &[(&[u64], &[u32], bool)] = &[
    (&[2, 3, 4], &[], false),
    (&[2, 3, 4], &[1], false),
    (&[2, 3, 4], &[2, 0], true),
    (&[5], &[0], true),
    (&[], &[], false),
    (&[3, 1], &[1], false),
];

fn reductions(all: &mut Vec<Scenario>) {
    for &(shape, axes, keep_dims) in REDUCED {
        let axes = axes.to_vec();
        for op in [Op::ReduceProd, Op::ReduceMean, Op::ReduceLogsumexp] {
            let axes = axes.clone();
            let reduce = Attributes::Reduce { axes, keep_dims };
            one(all, op, "axes", shape, WIDE, reduce);
        }
        for ddof in [0, 1] {
            let axes = axes.clone();
            let variance = Attributes::Variance {
                axes,
                keep_dims,
                ddof,
            };
            // One element less one is none: NaN.
            if ddof == 0 || shape.len() == 3 || shape == [5] {
                one(all, Op::ReduceVariance, "axes", shape, WIDE, variance);
            }
        }
        for (kind, domain) in [
            (NormKind::One, POSITIVE),
            (NormKind::One, NEGATIVE),
            (NormKind::Two, POSITIVE),
            (NormKind::Two, NEGATIVE),
            (NormKind::Inf, FAR_POSITIVE),
            (NormKind::Inf, FAR_NEGATIVE),
        ] {
            let axes = axes.clone();
            let norm = Attributes::Norm {
                kind,
                axes,
                keep_dims,
            };
            one(all, Op::Norm, &format!("{kind:?}"), shape, domain, norm);
        }
    }
    for keep_dims in [false, true] {
        let fro = Attributes::Norm {
            kind: NormKind::Fro,
            axes: vec![],
            keep_dims,
        };
        one(all, Op::Norm, "Frobenius", &[2, 3, 2], WIDE, fro);
    }
    let empty = Attributes::Reduce {
        axes: vec![1],
        keep_dims: false,
    };
    one(all, Op::ReduceProd, "empty", &[2, 0], WIDE, empty);
}

/// What has no derivative of its own, in a graph that has one.
fn whole_numbers_and_bools(all: &mut Vec<Scenario>) {
    for op in [Op::Argmax, Op::Argmin] {
        for (axis, keep_dims) in [(0, false), (1, true)] {
            all.push(scenario(op, "times the operand's sum", &[WIDE], |g| {
                let x = g.input("x", &[3, 4]);
                let place = g.push(op, &[x], Attributes::ArgReduce { axis, keep_dims });
                let dtype = DType::F64;
                let place = g.push(Op::Convert, &[place], Attributes::Convert { dtype });
                let axes = vec![axis];
                let sum = Attributes::Reduce { axes, keep_dims };
                let sum = g.push(Op::ReduceSum, &[x], sum);
                g.op(Op::Multiply, &[place, sum])
            }));
        }
    }
    for op in [Op::ReduceAnd, Op::ReduceOr] {
        all.push(scenario(op, "chooses", &[WIDE, WIDE], |g| {
            let (x, y) = (g.input("x", &[4, 2]), g.input("y", &[4, 2]));
            let direction = Direction::Lt;
            let less = g.push(Op::Compare, &[x, y], Attributes::Compare { direction });
            let rows = || Attributes::Reduce {
                axes: vec![1],
                keep_dims: false,
            };
            let those = g.push(op, &[less], rows());
            let (x, y) = (
                g.push(Op::ReduceSum, &[x], rows()),
                g.push(Op::ReduceSum, &[y], rows()),
            );
            g.op(Op::Select, &[those, x, y])
        }));
    }
}

fn scans(all: &mut Vec<Scenario>) {
    let ops = [
        Op::Cumsum,
        Op::Cumprod,
        Op::Cummax,
        Op::Cummin,
        Op::Cumlogsumexp,
    ];
    for op in ops {
        for (shape, axis) in [
            (&[7][..], 0),
            (&[1], 0),
            (&[2, 4, 3], 1),
            (&[3, 2], 0),
            (&[2, 0], 1),
        ] {
            for reverse in [false, true] {
                let attributes = Attributes::Cumulative { axis, reverse };
                let name = if reverse { "reverse" } else { "forward" };
                one(all, op, name, shape, WIDE, attributes);
            }
        }
    }
}

fn normalised(all: &mut Vec<Scenario>) {
    for op in [Op::Softmax, Op::LogSoftmax] {
        for (shape, axis) in [
            (&[5][..], 0),
            (&[1], 0),
            (&[2, 3, 4], 1),
            (&[2, 3], 0),
            (&[2, 0], 1),
        ] {
            one(all, op, "axis", shape, WIDE, Attributes::Softmax { axis });
        }
    }
}

fn products(all: &mut Vec<Scenario>) {
    let mut two = |op: Op, left: &[u64], right: &[u64]| {
        all.push(scenario(op, "shapes", &[WIDE, WIDE], |g| {
            let (a, b) = (g.input("a", left), g.input("b", right));
            g.op(op, &[a, b])
        }));
    };
    two(Op::Outer, &[3], &[2]);
    two(Op::Outer, &[2, 2], &[3]);
    two(Op::Outer, &[], &[3]);
    two(Op::Outer, &[0], &[3]);
    two(Op::Kron, &[2, 3], &[3, 2]);
    two(Op::Kron, &[3], &[2]);
    two(Op::Kron, &[], &[]);
    two(Op::Kron, &[2, 1, 2], &[1, 3, 2]);
}

fn diagonals(all: &mut Vec<Scenario>) {
    for offset in [0, 1, -1, -2, 5] {
        let diagonal = || Attributes::Diagonal { offset };
        for shape in [&[3, 3][..], &[2, 4], &[2, 3, 2], &[2, 2, 1, 4]] {
            one(all, Op::Trace, "matrices", shape, WIDE, diagonal());
            one(all, Op::Diag, "matrices", shape, WIDE, diagonal());
        }
        for n in [0, 1, 3] {
            one(all, Op::Diag, "vector", &[n], WIDE, diagonal());
        }
    }
}

fn sums_of_products(all: &mut Vec<Scenario>) {
    let cases: &[(&str, &[&[u64]])] = &[
        ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
        ("ij,jk", &[&[2, 3], &[3, 4]]),
        ("ba", &[&[2, 3]]),
        ("ii->i", &[&[3, 3]]),
        ("ii", &[&[3, 3]]),
        ("iji->j", &[&[2, 3, 2]]),
        ("iiji->ij", &[&[2, 2, 3, 2]]),
        ("ij->", &[&[2, 3]]),
        ("i,i,i->i", &[&[3], &[3], &[3]]),
        ("i,j,k->kji", &[&[2], &[3], &[2]]),
        ("ij,jk,kl,l->i", &[&[2, 3], &[3, 2], &[2, 3], &[3]]),
        ("bij,bjk->bik", &[&[2, 2, 3], &[2, 3, 2]]),
        ("...ij,...j->...i", &[&[2, 1, 2, 3], &[4, 3]]),
        ("...ij,...jk", &[&[2, 2, 3], &[1, 3, 2]]),
        ("i...,i...->...", &[&[3, 2], &[3, 1]]),
        ("ij,kl->il", &[&[2, 3], &[2, 2]]),
        ("ii,jj->", &[&[2, 2], &[3, 3]]),
        (",i->i", &[&[], &[3]]),
        ("", &[&[]]),
        ("ij,ij->ji", &[&[2, 0], &[2, 0]]),
    ];
    for &(equation, shapes) in cases {
        let domains = vec![WIDE; shapes.len()];
        all.push(scenario(Op::Einsum, equation, &domains, |g| {
            let names = ["a", "b", "c", "d"];
            let operands: Vec<_> = names
                .iter()
                .zip(shapes)
                .map(|(name, shape)| g.input(name, shape))
                .collect();
            let equation = equation.into();
            g.push(Op::Einsum, &operands, Attributes::Einsum { equation })
        }));
    }
}
