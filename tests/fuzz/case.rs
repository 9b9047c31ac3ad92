//! From bytes to a graph and points: any bytes give a valid case.

use super::generate::{Generator, MAX_ELEMENTS};
use super::input::{Choices, split};
use super::nodes;
use gradient_engine::{DType, Graph, Tensor, TensorType};
use gradient_tests::bits::SPECIAL;
use gradient_tests::engine::{Random, tensor};
use gradient_tests::random_graphs::Pool;

/// Sizes of vectors: those of registers, of what runs strip by strip and of strips, and their neighbours.
const SIZES: [u64; 26] = [
    1, 2, 3, 7, 8, 15, 16, 17, 23, 31, 32, 33, 100, 127, 128, 255, 511, 513, 1000, 1025, 2048,
    2049, 4097, 5000, 5000, 9000,
];

/// Sizes where there are several dimensions.
const SMALL: [u64; 9] = [1, 2, 3, 4, 7, 8, 15, 17, 33];

/// Where numbers come from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Numbers {
    /// (-2, 2).
    Tame,
    /// A few small integers: ties.
    Ties,
    /// Of all sizes, some that break formulas.
    Mixed,
    /// Those that break formulas.
    Special,
}

/// A graph and where it is looked at.
pub struct Case {
    /// Output 0 is a scalar that depends on everything.
    pub graph: Graph,
    /// Inputs, point by point.
    pub points: Vec<Vec<Tensor>>,
    /// In a batch: which inputs have a number for each point; the others are the same at all.
    pub batched: Vec<bool>,
    /// Which derivative is looked at beside the value.
    pub derivative: Derivative,
    /// For tangents, cotangents and vectors.
    pub random: Random,
}

/// A derivative.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs, reason = "the products of the contract")]
pub enum Derivative {
    Gradient,
    Jvp,
    Vjp,
    Hvp,
}

/// The case that bytes stand for.
pub fn case(bytes: &[u8]) -> Case {
    let (mut head, records) = split(bytes);
    let derivatives = [
        Derivative::Gradient,
        Derivative::Gradient,
        Derivative::Hvp,
        Derivative::Jvp,
        Derivative::Vjp,
    ];
    let derivative = head.of(&derivatives);
    let numbers = [
        Numbers::Tame,
        Numbers::Tame,
        Numbers::Ties,
        Numbers::Mixed,
        Numbers::Special,
    ];
    let numbers = head.of(&numbers);
    let float = head.of(&[DType::F64, DType::F64, DType::F64, DType::F32]);
    let tame = head.below(4) > 0;
    let shape = base_shape(&mut head);
    let count = 1 + head.below(3);
    let points = head.of(&[2, 3, 4, 5, 8, 9, 17]);
    let batched = head.below(8);
    let with_functions = head.below(4) == 3;
    let mut random = head.random();
    let pool = with_functions.then(|| {
        let n = 2 + random.below(6) as u64;
        (Pool::new(n, 1 + random.below(2), &mut random), n)
    });
    let mut generator = Generator::new(float, tame, pool);
    for i in 0..count {
        generator.input(&format!("x{i}"), &shape);
    }
    generator.input("a", &[]);
    if let Some((_, row)) = shape.split_first().filter(|(_, row)| !row.is_empty()) {
        generator.input("row", row);
    }
    for mut record in records {
        if generator.has_room() {
            nodes::add(&mut generator, &mut record);
        }
    }
    let graph = generator.finish();
    let inputs = graph.inputs();
    let batched: Vec<bool> = (0..inputs.len())
        .map(|i| i == 0 || batched >> (i - 1).min(2) & 1 == 0)
        .collect();
    let mut all: Vec<Vec<Tensor>> = Vec::new();
    for _ in 0..points {
        let of = |(i, input): (usize, &TensorType)| match all.first() {
            Some(first) if !batched[i] => first[i].clone(),
            _ => numbers_of(&mut random, input, numbers),
        };
        let types = inputs.iter().map(|i| &i.ty).enumerate();
        let point = types.map(of).collect();
        all.push(point);
    }
    Case {
        graph,
        points: all,
        batched,
        derivative,
        random,
    }
}

fn base_shape(head: &mut Choices<'_>) -> Vec<u64> {
    let rank = head.of(&[0, 1, 1, 1, 2, 2, 3]);
    let sizes = [(); 3].map(|()| head.below(SIZES.len()));
    let mut shape: Vec<u64> = match rank {
        1 => vec![SIZES[sizes[0]]],
        // A few long ones.
        2 => match sizes[0] % 4 {
            0 => vec![SMALL[sizes[1] % SMALL.len()], SIZES[sizes[2]]],
            1 => vec![SIZES[sizes[2]], SMALL[sizes[1] % SMALL.len()]],
            _ => sizes[..2].iter().map(|s| SMALL[s % SMALL.len()]).collect(),
        },
        rank => (0..rank).map(|d| SMALL[sizes[d] % SMALL.len()]).collect(),
    };
    while shape.iter().product::<u64>() > MAX_ELEMENTS {
        let largest = shape.iter_mut().max();
        *largest.expect("a scalar is not too large") /= 7;
    }
    shape
}

/// A tensor of numbers of a kind.
pub fn numbers_of(random: &mut Random, ty: &TensorType, numbers: Numbers) -> Tensor {
    let mut of = || match numbers {
        Numbers::Tame => random.within((-2.0, 2.0)),
        Numbers::Ties => random.below(5) as f64 / 2.0 - 1.0,
        Numbers::Special => SPECIAL[random.below(SPECIAL.len())],
        Numbers::Mixed => match random.below(12) {
            0 => SPECIAL[random.below(SPECIAL.len())],
            1 => random.within((-2.0, 2.0)) * 10f64.powi(random.below(40) as i32 - 20),
            _ => random.within((-2.0, 2.0)),
        },
    };
    let all: Vec<f64> = (0..ty.elements()).map(|_| of()).collect();
    tensor(ty, &all)
}
