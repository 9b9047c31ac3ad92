//! The target: a case is evaluated in every way there is, and no bit may tell in which.

use super::case::{Case, Derivative, Numbers, numbers_of};
use super::reference;
use gradient_engine::tape::native::set_native;
use gradient_engine::tape::set_strips;
use gradient_engine::{
    Arguments, Block, Graph, HvpMode, Mode, Options, Product, Program, Request, Scratch, Stop,
    Tensor, TensorType, compile, differentiate,
};
use gradient_tests::bits::words;
use std::fmt;

/// Evaluations after which a program is machine code.
const RUNS: usize = 10;

/// Directions that are evaluated together.
const DIRECTIONS: u32 = 3;

/// Elements of inputs for which a gradient is also found forwards, a sweep for each.
const FEW: u64 = 8;

/// Two ways that do not agree.
#[derive(Debug)]
pub struct Difference {
    /// The product.
    product: Product,
    /// Which ways.
    ways: String,
    /// Block and position, and what stands there.
    place: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.product)?;
        write!(f, "{}: {}", self.ways, self.place)
    }
}

/// What was compared.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// Programs.
    pub programs: usize,
    /// Programs that were refused: they have no derivative, or are too large.
    pub refused: usize,
    /// Batches, and those that promise the bits of single points.
    pub batches: [usize; 2],
    /// Stacks of directions.
    pub stacks: usize,
    /// Numbers of results at the first point that are finite, and all.
    pub numbers: [usize; 2],
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.programs += other.programs;
        self.refused += other.refused;
        self.stacks += other.stacks;
        for k in 0..2 {
            self.batches[k] += other.batches[k];
            self.numbers[k] += other.numbers[k];
        }
    }
}

/// What an evaluation gives: blocks, or in words why not.
type Answer = Result<Vec<Tensor>, String>;

fn run(
    program: &Program,
    inputs: &[Tensor],
    seeds: &[Tensor],
    batch: usize,
    scratch: &mut Scratch,
) -> Answer {
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
        batch: batch as u64,
    };
    let blocks = program.evaluate(&arguments, scratch, &Stop::default());
    let tensors = |blocks: Vec<Block>| blocks.into_iter().map(|b| b.tensor).collect();
    match blocks {
        Ok(mut blocks) => Ok(tensors(blocks.swap_remove(0))),
        Err(error) => Err(error.to_string()),
    }
}

/// Where two answers differ.
fn difference(got: &Answer, want: &Answer) -> Option<String> {
    let (got, want) = match (got, want) {
        (Ok(got), Ok(want)) => (got, want),
        (Err(got), Err(want)) if got == want => return None,
        _ => return Some(format!("{got:?} against {want:?}")),
    };
    if got.len() != want.len() {
        return Some(format!("{} blocks against {}", got.len(), want.len()));
    }
    for (b, (got, want)) in got.iter().zip(want).enumerate() {
        let (x, y) = (words(got), words(want));
        if x == y {
            continue;
        }
        let differ = x.iter().zip(&y).filter(|(x, y)| x != y).count();
        let at = x.iter().zip(&y).position(|(x, y)| x != y);
        let Some(at) = at else {
            return Some(format!(
                "block {b}: {} numbers against {}",
                x.len(),
                y.len()
            ));
        };
        return Some(format!(
            "block {b} ({}), element {at}, {differ} of {} differ: {:e} ({:#x}) against {:e} ({:#x})",
            got.ty(),
            y.len(),
            got.element(at),
            x[at],
            want.element(at),
            y[at],
        ));
    }
    None
}

/// One after the other along a new leading axis.
fn stacked(all: &[Tensor]) -> Tensor {
    let ty = all[0].ty();
    let shape = std::iter::once(all.len() as u64).chain(ty.shape.iter().copied());
    let ty = TensorType::new(ty.dtype, shape.collect::<Vec<_>>());
    let raw = all.iter().flat_map(|t| t.raw()).copied().collect();
    Tensor::from_raw(ty, raw).expect("as many bytes as tensors have")
}

/// The first of each, the second of each, ….
fn columns(rows: &[Vec<Tensor>]) -> Vec<Tensor> {
    let column = |k: usize| rows.iter().map(|row| row[k].clone()).collect::<Vec<_>>();
    (0..rows[0].len()).map(|k| stacked(&column(k))).collect()
}

/// The parts of stacks; of an error itself.
fn parts(stacks: &Answer, count: usize) -> Vec<Answer> {
    let part = |tensor: &Tensor, k: usize| {
        let ty = TensorType::new(tensor.ty().dtype, &tensor.ty().shape[1..]);
        let bytes = ty.bytes() as usize;
        let raw = tensor.raw()[k * bytes..(k + 1) * bytes].to_vec();
        Tensor::from_raw(ty, raw).expect("as many bytes as the part has")
    };
    let all = |k: usize| {
        let stacks = stacks.as_ref().map_err(String::clone)?;
        Ok(stacks.iter().map(|t| part(t, k)).collect())
    };
    (0..count).map(all).collect()
}

fn request(product: &Product, options: Options, batched: Option<Vec<bool>>) -> Request {
    Request {
        products: vec![product.clone()],
        options,
        batched,
    }
}

/// Evaluates a case in every way.
pub fn check(case: &mut Case) -> Result<Seen, Difference> {
    let graph = case.graph.clone();
    let outputs = (0..graph.outputs().len() as u32).collect();
    let wrt = graph.float_inputs();
    let derivative = match case.derivative {
        Derivative::Gradient => Product::Gradient { output: 0, wrt },
        Derivative::Jvp => Product::Jvp { directions: 0 },
        Derivative::Vjp => Product::Vjp { directions: 0 },
        Derivative::Hvp => Product::Hvp {
            output: 0,
            wrt,
            directions: 0,
        },
    };
    let mut seen = Seen::default();
    for product in [Product::Value { outputs }, derivative] {
        seen += product_of(case, &graph, product)?;
    }
    Ok(seen)
}

/// Types of a product's tangents, cotangents or vectors.
fn seed_types(graph: &Graph, product: &Product) -> Vec<TensorType> {
    let input = |i: u32| graph.inputs()[i as usize].ty.clone();
    match product {
        Product::Jvp { .. } | Product::Hvp { .. } => {
            graph.float_inputs().into_iter().map(input).collect()
        }
        Product::Vjp { .. } => {
            let outputs = graph.float_outputs().into_iter();
            outputs
                .map(|o| graph.output_type(o as usize).clone())
                .collect()
        }
        _ => vec![],
    }
}

fn stack_of(product: &Product) -> Product {
    let directions = DIRECTIONS;
    match product.clone() {
        Product::Jvp { .. } => Product::Jvp { directions },
        Product::Vjp { .. } => Product::Vjp { directions },
        Product::Hvp { output, wrt, .. } => Product::Hvp {
            output,
            wrt,
            directions,
        },
        other => other,
    }
}

fn product_of(case: &mut Case, graph: &Graph, product: Product) -> Result<Seen, Difference> {
    let elements: u64 = graph.inputs().iter().map(|i| i.ty.elements()).sum();
    let forward = elements <= FEW && case.random.below(4) == 0;
    let hvp_modes = [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward];
    let options = Options {
        mode: Some(if forward {
            Mode::Forward
        } else {
            Mode::Reverse
        }),
        hvp_mode: Some(hvp_modes[case.random.below(2)]),
        ..Options::default()
    };
    let Ok(program) = compile(graph, &request(&product, options.clone(), None)) else {
        return Ok(Seen {
            refused: 1,
            ..Seen::default()
        });
    };
    let types = seed_types(graph, &product);
    let random = &mut case.random;
    let seeds = (0..case.points.len().max(DIRECTIONS as usize)).map(|_| {
        let of = |ty| numbers_of(random, ty, Numbers::Tame);
        types.iter().map(of).collect()
    });
    let seeds = seeds.collect();
    let mut ways = Ways {
        graph,
        points: &case.points,
        batched: &case.batched,
        product,
        options,
        seeds,
        program,
        scratch: Scratch::default(),
        seen: Seen {
            programs: 1,
            ..Seen::default()
        },
    };
    let interpreted = ways.interpreted();
    ways.machine_code(&interpreted)?;
    ways.step_by_step(&interpreted)?;
    ways.batch(&interpreted)?;
    // Forwards, a gradient is written direction by direction, and each as its own.
    if !forward {
        let written = ways.written();
        ways.node_by_node(&written, &interpreted[0])?;
        if reference::keeps_order(&written) {
            ways.directions()?;
        }
    }
    Ok(ways.seen)
}

/// A product of a case.
struct Ways<'a> {
    graph: &'a Graph,
    points: &'a [Vec<Tensor>],
    batched: &'a [bool],
    product: Product,
    options: Options,
    /// For each point, or direction.
    seeds: Vec<Vec<Tensor>>,
    program: Program,
    /// Used over and over: what one evaluation leaves behind must not reach another.
    scratch: Scratch,
    seen: Seen,
}

impl Ways<'_> {
    fn same(&self, ways: &str, got: &Answer, want: &Answer) -> Result<(), Difference> {
        match difference(got, want) {
            None => Ok(()),
            Some(place) => Err(Difference {
                product: self.product.clone(),
                ways: ways.into(),
                place,
            }),
        }
    }

    /// At each point.
    fn interpreted(&mut self) -> Vec<Answer> {
        set_native(false);
        let points = self.points.iter().zip(&self.seeds);
        let answers: Vec<Answer> = points
            .map(|(x, seeds)| run(&self.program, x, seeds, 1, &mut Scratch::default()))
            .collect();
        for tensor in answers[0].iter().flatten() {
            let (finite, all) = finite(tensor);
            self.seen.numbers[0] += finite;
            self.seen.numbers[1] += all;
        }
        answers
    }

    /// The product as a graph.
    fn written(&self) -> Graph {
        let written = differentiate(self.graph, &self.product, &self.options);
        written.expect("what can be compiled can be written").0
    }

    fn node_by_node(&self, written: &Graph, interpreted: &Answer) -> Result<(), Difference> {
        let inputs = self.points[0].iter().chain(&self.seeds[0]);
        let inputs: Vec<Tensor> = inputs.cloned().collect();
        let by_node = reference::evaluate(written, &inputs).map_err(|e| e.to_string());
        self.same("interpreted against node by node", interpreted, &by_node)
    }

    fn machine_code(&mut self, interpreted: &[Answer]) -> Result<(), Difference> {
        set_native(true);
        let mut run =
            |x: &[Tensor], seeds: &[Tensor]| run(&self.program, x, seeds, 1, &mut self.scratch);
        let first = (0..RUNS).map(|_| run(&self.points[0], &self.seeds[0]));
        let first: Vec<Answer> = first.collect();
        let points = self.points.iter().zip(&self.seeds);
        let all: Vec<Answer> = points.map(|(x, seeds)| run(x, seeds)).collect();
        for again in &first {
            self.same("run again against interpreted", again, &interpreted[0])?;
        }
        for (native, interpreted) in all.iter().zip(interpreted) {
            self.same("machine code against interpreted", native, interpreted)?;
        }
        Ok(())
    }

    /// No step in strips, as machine code in the end.
    fn step_by_step(&mut self, interpreted: &[Answer]) -> Result<(), Difference> {
        let request = request(&self.product, self.options.clone(), None);
        set_strips(false);
        let program = compile(self.graph, &request);
        set_strips(true);
        let program = program.expect("it was compiled before");
        let first = (0..RUNS).map(|_| 0);
        for k in first.chain(1..self.points.len()) {
            let (x, seeds) = (&self.points[k], &self.seeds[k]);
            let answer = run(&program, x, seeds, 1, &mut self.scratch);
            let ways = "without strips against with them";
            self.same(ways, &answer, &interpreted[k])?;
        }
        Ok(())
    }

    /// All points at once, interpreted and as machine code.
    fn batch(&mut self, alone: &[Answer]) -> Result<(), Difference> {
        let batched = Some(self.batched.to_vec());
        let request = request(&self.product, self.options.clone(), batched);
        let Ok(together) = compile(self.graph, &request) else {
            return Ok(());
        };
        let count = self.points.len();
        let inputs = columns(self.points)
            .into_iter()
            .zip(self.batched)
            .enumerate();
        let inputs = inputs.map(|(i, (stack, &batched))| match batched {
            true => stack,
            false => self.points[0][i].clone(),
        });
        let inputs: Vec<Tensor> = inputs.collect();
        let seeds = columns(&self.seeds[..count]);
        let mut run = || run(&together, &inputs, &seeds, count, &mut self.scratch);
        set_native(false);
        let first = run();
        set_native(true);
        let again: Vec<Answer> = (0..RUNS).map(|_| run()).collect();
        self.seen.batches[0] += 1;
        if together.repeats(&self.program) {
            self.seen.batches[1] += 1;
            for (k, (row, alone)) in parts(&first, count).iter().zip(alone).enumerate() {
                let ways = format!("point {k} of {count} in a batch against alone");
                self.same(&ways, row, alone)?;
            }
        }
        for again in &again {
            self.same("a batch run again against interpreted", again, &first)?;
        }
        Ok(())
    }

    /// Several directions at once.
    fn directions(&mut self) -> Result<(), Difference> {
        let stack = stack_of(&self.product);
        let request = request(&stack, self.options.clone(), None);
        let Ok(together) = compile(self.graph, &request) else {
            return Ok(());
        };
        if stack == self.product {
            return Ok(());
        }
        self.seen.stacks += 1;
        let count = DIRECTIONS as usize;
        let seeds = columns(&self.seeds[..count]);
        let x = &self.points[0];
        let rows = run(&together, x, &seeds, 1, &mut self.scratch);
        for (k, row) in parts(&rows, count).iter().enumerate() {
            let alone = run(&self.program, x, &self.seeds[k], 1, &mut self.scratch);
            let ways = format!("direction {k} of {count} together against alone");
            self.same(&ways, row, &alone)?;
        }
        Ok(())
    }
}

/// Finite numbers, and all.
fn finite(tensor: &Tensor) -> (usize, usize) {
    match tensor.ty().dtype.is_float() {
        true => {
            let all = tensor.to_f64();
            (all.iter().filter(|x| x.is_finite()).count(), all.len())
        }
        false => (0, 0),
    }
}
