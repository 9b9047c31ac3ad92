//! Graphs of vectors whose functions call, branch, repeat, and run themselves, put together at random.

use crate::engine::{Random, tensor};
use crate::functions::{FunctionBuilder, Write, function, integer, number, tuple_function};
use crate::scenarios::Draft;
use gradient_engine::{
    Attributes, Control, DType, Direction, FunctionId, FunctionSource, GatherDimensions, Graph, Op,
    OutOfBounds, Product, Tensor, TensorType, ValueId,
};

/// Functions of vectors of one length that nodes and further functions may run.
pub struct Pool {
    n: u64,
    sources: Vec<FunctionSource>,
    families: Vec<Family>,
}

/// A function of two vectors, and others made of it.
#[derive(Clone, Copy)]
struct Family {
    plain: u32,
    more: u32,
    again: u32,
    step: u32,
    item: u32,
    deep: u32,
}

/// The elements of a vector at these places.
pub fn pick(w: &mut impl Write, x: ValueId, places: &[i64]) -> ValueId {
    let raw = places.iter().flat_map(|v| v.to_le_bytes()).collect();
    let ty = TensorType::new(DType::I64, [places.len() as u64]);
    let places = Tensor::from_raw(ty, raw).expect("eight bytes each");
    let indices = w.node(Op::Constant, &[], Attributes::Constant(places.into()), 1);
    let gather = GatherDimensions {
        offset_dims: vec![],
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes: vec![1],
        out_of_bounds: OutOfBounds::Clamp,
    };
    w.node(Op::Gather, &[x, indices], Attributes::Gather(gather), 1)
}

/// One element of a vector, as a scalar.
pub fn element(w: &mut impl Write, x: ValueId, at: i64) -> ValueId {
    let one = pick(w, x, &[at]);
    w.node(
        Op::Reshape,
        &[one],
        Attributes::Reshape { shape: vec![] },
        1,
    )
}

/// A vector that is this in one place and 0 elsewhere.
fn mask(w: &mut impl Write, n: u64, at: usize) -> ValueId {
    let numbers: Vec<f64> = (0..n as usize).map(|i| f64::from(i == at)).collect();
    let ty = TensorType::f64([n]);
    let tensor = tensor(&ty, &numbers);
    w.node(Op::Constant, &[], Attributes::Constant(tensor.into()), 1)
}

impl Pool {
    /// Functions of vectors of length `n`: some families, each of which may run those before it.
    pub fn new(n: u64, families: usize, random: &mut Random) -> Self {
        let mut pool = Self {
            n,
            sources: vec![],
            families: vec![],
        };
        for _ in 0..families {
            pool.grow(random);
        }
        pool
    }

    /// The functions, as a client sends them.
    pub fn sources(&self) -> Vec<FunctionSource> {
        self.sources.clone()
    }

    /// A value made of some values by so many random nodes.
    fn write(
        &self,
        w: &mut impl Write,
        random: &mut Random,
        mut values: Vec<ValueId>,
        nodes: usize,
    ) -> ValueId {
        for _ in 0..nodes {
            let a = values[random.below(values.len())];
            let b = values[random.below(values.len())];
            let value = match random.below(15) {
                0 => w.mul(a, b),
                1 => w.add(a, b),
                2 => w.plain(Op::Sin, &[a]),
                3 => w.plain(Op::Tanh, &[b]),
                4 => {
                    let n = self.n as usize;
                    let places: Vec<i64> = (0..n).map(|_| random.below(n) as i64).collect();
                    pick(w, a, &places)
                }
                5 => {
                    let mask = mask(w, self.n, random.below(self.n as usize));
                    w.mul(a, mask)
                }
                6 => {
                    let less = w.compare(Direction::Lt, a, b);
                    w.plain(Op::Select, &[less, a, b])
                }
                7 => {
                    let first = element(w, a, random.below(self.n as usize) as i64);
                    w.mul(first, b)
                }
                _ => self.run(w, random, a, b),
            };
            values.push(value);
        }
        let last = *values.last().expect("some");
        w.plain(Op::Sin, &[last])
    }

    /// A node that runs a function on two vectors.
    pub fn run(&self, w: &mut impl Write, random: &mut Random, a: ValueId, b: ValueId) -> ValueId {
        if self.families.is_empty() {
            return w.plain(Op::Cos, &[a]);
        }
        let family = self.families[random.below(self.families.len())];
        let other = self.families[random.below(self.families.len())];
        let id = |f: u32| FunctionId(f);
        match random.below(8) {
            0 => w.call(family.plain, &[a, b]),
            1 => {
                let (x, y) = (element(w, a, 0), element(w, b, self.n as i64 - 1));
                let less = w.compare(Direction::Lt, x, y);
                w.cond(&[family.plain, other.plain], &[less, a, b])
            }
            2 => {
                let at = w.whole(random.below(3) as i64);
                let loops = Control::while_loop(id(family.more), id(family.again), 10);
                w.control(loops, &[at, a, b], 2)[1]
            }
            3 => {
                let reverse = random.unit() < 0.5;
                let scan = Control::scan(id(family.step), self.n, 1, 1, reverse);
                let found = w.control(scan, &[a, b, b], 2);
                found[random.below(2)]
            }
            4 => {
                let map = Control::scan(id(family.item), self.n, 0, 1, false);
                w.control(map, &[a, b], 1)[0]
            }
            5 => {
                let depth = w.whole(random.below(4) as i64);
                w.call(family.deep, &[depth, a, b])
            }
            6 => {
                let product = Product::Vjp { directions: 0 };
                let found = w.derivative(family.plain, product, &[0], &[a, b, b], 2);
                found[random.below(2)]
            }
            _ => {
                let product = Product::Jvp { directions: 0 };
                w.derivative(family.plain, product, &[0, 1], &[a, b, b, a], 1)[0]
            }
        }
    }

    fn grow(&mut self, random: &mut Random) {
        let n = self.n;
        let v = || TensorType::f64([n]);
        let first = self.sources.len() as u32;
        let family = Family {
            plain: first,
            more: first + 1,
            again: first + 2,
            step: first + 3,
            item: first + 4,
            deep: first + 5,
        };
        let (mut f, [a, b]) = FunctionBuilder::new(&format!("plain_{first}"), [v(), v()]);
        let nodes = 2 + random.below(4);
        let y = self.write(&mut f, random, vec![a, b], nodes);
        self.sources.push(f.finish(&[y]));
        let name = |of: &str| format!("{of}_{first}");
        let steps = 1 + random.below(4) as i64;
        let at = random.below(n as usize);
        self.sources.extend([
            function(&name("more"), [integer(), v(), v()], |f, [k, _, _]| {
                let steps = f.whole(steps);
                f.compare(Direction::Lt, k, steps)
            }),
            tuple_function(&name("again"), [integer(), v(), v()], |f, [k, a, b]| {
                let one = f.whole(1);
                vec![f.add(k, one), f.call(family.plain, &[a, b])]
            }),
            tuple_function(&name("step"), [v(), number(), v()], |f, [c, u, b]| {
                let moved = f.call(family.plain, &[c, b]);
                let mask = mask(f, n, at);
                let there = f.mul(mask, u);
                let own = element(f, c, at as i64);
                vec![f.add(moved, there), f.mul(own, u)]
            }),
            function(&name("item"), [number(), v()], |f, [x, b]| {
                let own = element(f, b, at as i64);
                let sine = f.plain(Op::Sin, &[x]);
                f.mul(sine, own)
            }),
            function(&name("deep"), [integer(), v(), v()], |f, [k, a, b]| {
                let zero = f.whole(0);
                let more = f.compare(Direction::Gt, k, zero);
                f.cond(&[first + 6, first + 7], &[more, k, a, b])
            }),
            function(&name("stop"), [integer(), v(), v()], |f, [_, a, _]| {
                f.plain(Op::Tanh, &[a])
            }),
            function(&name("deeper"), [integer(), v(), v()], |f, [k, a, b]| {
                let one = f.whole(1);
                let less = f.sub(k, one);
                let a = f.call(family.plain, &[a, b]);
                f.call(family.deep, &[less, a, b])
            }),
        ]);
        self.families.push(family);
    }
}

/// A vector of one or two vectors.
pub fn graph(random: &mut Random) -> Graph {
    let n = 2 + random.below(5) as u64;
    let families = 1 + random.below(3);
    let pool = Pool::new(n, families, random);
    let mut g = Draft::new("random");
    g.functions(pool.sources());
    let inputs: Vec<ValueId> = (0..1 + random.below(2))
        .map(|i| g.input(&format!("x{i}"), &[pool.n]))
        .collect();
    let nodes = 2 + random.below(5);
    let y = pool.write(&mut g, random, inputs, nodes);
    g.finish(y)
}
