//! The engine as plain functions on numbers.

use gradient_engine::{
    Arguments, Block, DType, Error, Graph, HvpMode, Layout, Mode, Options, Product, Request,
    Scratch, Stop, Tensor, TensorType, compile,
};

/// A request for one product.
pub fn request(product: Product, options: Options) -> Request {
    Request {
        products: vec![product],
        options,
        batched: None,
    }
}

/// Evaluates one product at one point.
pub fn evaluate(
    graph: &Graph,
    product: Product,
    options: Options,
    inputs: &[Tensor],
    seeds: &[Tensor],
) -> Result<Vec<Block>, Error> {
    let program = compile(graph, &request(product, options))?;
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
        batch: 1,
    };
    let stop = Stop::default();
    let blocks = program.evaluate(&arguments, &mut Scratch::default(), &stop)?;
    Ok(blocks.into_iter().next().unwrap_or_default())
}

/// The blocks' numbers, one after the other.
pub fn numbers(blocks: &[Block]) -> Vec<f64> {
    blocks.iter().flat_map(|b| b.tensor.to_f64()).collect()
}

/// A tensor of a type from numbers.
pub fn tensor(ty: &TensorType, numbers: &[f64]) -> Tensor {
    let raw = numbers
        .iter()
        .flat_map(|&x| Tensor::scalar(ty.dtype, x).into_raw())
        .collect();
    Tensor::from_raw(ty.clone(), raw).expect("as many numbers as the type has elements")
}

/// All floating-point outputs' values, flattened.
pub fn value(graph: &Graph, inputs: &[Tensor]) -> Vec<f64> {
    let outputs = graph.float_outputs();
    let product = Product::Value { outputs };
    numbers(&evaluate(graph, product, Options::default(), inputs, &[]).expect("value"))
}

/// J·v over all floating-point inputs and outputs.
pub fn jvp(graph: &Graph, inputs: &[Tensor], tangents: &[Tensor]) -> Vec<f64> {
    let product = Product::Jvp { directions: 0 };
    numbers(&evaluate(graph, product, Options::default(), inputs, tangents).expect("jvp"))
}

/// Jᵀ·c over all floating-point inputs and outputs.
pub fn vjp(graph: &Graph, inputs: &[Tensor], cotangents: &[Tensor]) -> Vec<f64> {
    let product = Product::Vjp { directions: 0 };
    numbers(&evaluate(graph, product, Options::default(), inputs, cotangents).expect("vjp"))
}

/// The dense Jacobian's blocks in a mode.
pub fn jacobian(graph: &Graph, inputs: &[Tensor], mode: Option<Mode>) -> Vec<f64> {
    let product = Product::Jacobian {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        layout: Layout::Dense,
    };
    let options = Options {
        mode,
        ..Options::default()
    };
    numbers(&evaluate(graph, product, options, inputs, &[]).expect("jacobian"))
}

/// The gradient of output 0.
pub fn gradient(graph: &Graph, inputs: &[Tensor]) -> Vec<f64> {
    let product = Product::Gradient {
        output: 0,
        wrt: graph.float_inputs(),
    };
    numbers(&evaluate(graph, product, Options::default(), inputs, &[]).expect("gradient"))
}

/// H·v of output 0.
pub fn hvp(graph: &Graph, inputs: &[Tensor], vectors: &[Tensor], mode: HvpMode) -> Vec<f64> {
    let product = Product::Hvp {
        output: 0,
        wrt: graph.float_inputs(),
        directions: 0,
    };
    let options = Options {
        hvp_mode: Some(mode),
        ..Options::default()
    };
    numbers(&evaluate(graph, product, options, inputs, vectors).expect("hvp"))
}

/// The dense Hessian of output 0.
pub fn hessian(graph: &Graph, inputs: &[Tensor]) -> Vec<f64> {
    let product = Product::Hessian {
        output: 0,
        wrt: graph.float_inputs(),
        layout: Layout::Dense,
    };
    numbers(&evaluate(graph, product, Options::default(), inputs, &[]).expect("hessian"))
}

/// Deterministic numbers in [0, 1) (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next of 0, 1, … below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// The next number in an interval.
    pub fn within(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A tensor of a type with elements in an interval.
    pub fn tensor(&mut self, ty: &TensorType, interval: (f64, f64)) -> Tensor {
        let numbers: Vec<f64> = (0..ty.elements()).map(|_| self.within(interval)).collect();
        tensor(ty, &numbers)
    }
}

/// ⟨a, b⟩.
pub fn inner(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "inner product of lists of one length");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Two-sided, and fails on NaN.
pub fn close(got: f64, want: f64, tolerance: f64) -> bool {
    got.is_finite() && want.is_finite() && (got - want).abs() <= tolerance * want.abs().max(1.0)
}

/// x + t·v, tensor by tensor; what is not floating point stays.
pub fn moved(inputs: &[Tensor], directions: &[Tensor], floats: &[u32], t: f64) -> Vec<Tensor> {
    let mut result = inputs.to_vec();
    for (direction, &i) in directions.iter().zip(floats) {
        let x = &inputs[i as usize];
        assert_eq!(x.ty().dtype, DType::F64, "differences are taken in f64");
        let sum: Vec<f64> = x
            .to_f64()
            .iter()
            .zip(direction.to_f64())
            .map(|(x, v)| x + t * v)
            .collect();
        result[i as usize] = tensor(x.ty(), &sum);
    }
    result
}
