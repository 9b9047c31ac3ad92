//! Deadlines of long routines: between two items the clock is looked at, and an item that cannot end in time is not
//! begun.

use gradient_engine::{
    Arguments, Attributes, Error, Op, Options, Product, Request, Scratch, Stop, StopReason, Tensor,
    TensorType, compile,
};
use gradient_tests::engine::Random;
use gradient_tests::scenarios::Draft;
use std::time::{Duration, Instant};

/// How the eigenvalues of `batch` symmetric matrices `[n, n]` end with so much time, and after how much.
fn eigh(batch: u64, n: u64, time: Duration) -> (Result<(), Error>, Duration) {
    let mut g = Draft::new("eigenvalues");
    let x = g.input("x", &[batch, n, n]);
    let y = g.push(Op::Eigh, &[x], Attributes::None);
    let graph = g.finish(y);
    let point = Random(8).tensor(&TensorType::f64([batch, n, n]), (-1.0, 1.0));
    let request = Request {
        products: vec![Product::Value { outputs: vec![0] }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&graph, &request).expect("compiles");
    let arguments = Arguments {
        inputs: [&point].into_iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let began = Instant::now();
    let stop = Stop::new(Some(began + time));
    let ended = program.evaluate(&arguments, &mut Scratch::default(), &stop);
    (ended.map(|_| ()), began.elapsed())
}

fn assert_late(ended: Result<(), Error>) {
    let late = matches!(ended, Err(Error::Stopped(StopReason::Deadline)));
    assert!(late, "{ended:?}");
}

/// Against the time that all of them take, on a machine with other work.
#[test]
fn many_matrices_stop_between_two() {
    let (ended, all) = eigh(300, 64, Duration::from_secs(600));
    assert!(ended.is_ok(), "{ended:?}");
    let (ended, after) = eigh(300, 64, all / 10);
    assert_late(ended);
    assert!(after < all / 2, "{after:?} of {all:?}");
}

#[test]
fn a_matrix_that_cannot_be_done_in_time_is_not_begun() {
    let (ended, after) = eigh(1, 1500, Duration::from_millis(50));
    assert_late(ended);
    assert!(after < Duration::from_secs(1), "{after:?}");
}

/// The estimate keeps nobody from what can be done.
#[test]
fn a_matrix_that_can_be_done_is_done() {
    let (ended, after) = eigh(1, 60, Duration::from_secs(20));
    assert!(ended.is_ok(), "{ended:?} after {after:?}");
}
