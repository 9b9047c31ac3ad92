//! Every operation through the expression builder, against a real server.
//!
//! What the server does not implement yet must say so; the rest must have the types that the client infers, a finite
//! value and a finite gradient.

use std::collections::BTreeSet;

use gradient_client::{
    ALL, BlockData, Client, Convolution, Dtype, Error, Expr, Graph, GraphBuilder, Interpolation,
    InterpolationKind, Norm, NormKind, Pool, Scan, Tensor, Triangular, Type, Until, Variance,
    proto::{self, Op},
};
use tokio::net::TcpListener;

/// What expressions are made of.
struct Inputs {
    g: GraphBuilder,
    /// f64, all elements between 0.2 and 0.8.
    s: Expr,
    v: Expr,
    x: Expr,
    b: Expr,
    /// Symmetric, positive definite, `[3, 3]`.
    a: Expr,
    /// i64 `[2]`: 0 and 1.
    k: Expr,
    /// bool `[3, 4]`.
    p: Expr,
}

impl Inputs {
    fn new() -> Self {
        let g = GraphBuilder::new("operations");
        let [s, v, x, b] = [
            ("s", vec![]),
            ("v", vec![3]),
            ("x", vec![3, 4]),
            ("b", vec![2, 3, 4]),
        ]
        .map(|(name, shape)| g.input(name, shape));
        let a = g.input("a", [3, 3]);
        let k = g.input_typed("k", Dtype::I64, [2]);
        let p = x.lt(&s);
        Self {
            g,
            s,
            v,
            x,
            b,
            a,
            k,
            p,
        }
    }
}

/// The point at which everything is evaluated.
fn point() -> Vec<(&'static str, Tensor)> {
    let spread = |shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        // Distinct, and in no order.
        let data = (0..n).map(|i| 0.2 + 0.6 * ((i * 7 + 3) % 31) as f64 / 31.0);
        Tensor::F64(gradient_client::Array::new(shape, data.collect()).unwrap())
    };
    let a = [[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.0]];
    vec![
        ("s", 0.45.into()),
        ("v", spread(&[3])),
        ("x", spread(&[3, 4])),
        ("b", spread(&[2, 3, 4])),
        ("a", a.into()),
        ("k", [0i64, 1].into()),
    ]
}

type Build = fn(&Inputs) -> Vec<Expr>;

/// Names are for messages; what an expression is made of is for the coverage test to find.
const CASES: &[(&str, Build)] = &[
    ("arithmetic", |i| {
        let (s, x) = (&i.s, &i.x);
        let sums = vec![x + s, x - s, x * s, x / s, -x, x % s];
        [
            sums,
            vec![
                x.pow(s),
                x.maximum(s),
                x.minimum(s),
                x.hypot(s),
                x.multiply_no_nan(s),
            ],
        ]
        .concat()
    }),
    ("one operand", |i| {
        let x = &i.x;
        vec![
            x.abs(),
            x.sign(),
            x.square(),
            x.sqrt(),
            x.rsqrt(),
            x.cbrt(),
            x.recip(),
            x.exp(),
            x.expm1(),
            x.ln(),
            x.ln_1p(),
            x.exp2(),
            x.log2(),
            x.log10(),
            x.logistic(),
            x.sin(),
            x.cos(),
            x.tan(),
            x.asin(),
            x.acos(),
            x.atan(),
            x.atan2(&i.s),
            x.sinh(),
            x.cosh(),
            x.tanh(),
            x.asinh(),
            (x + 1.5).acosh(),
            x.atanh(),
            x.floor(),
            x.ceil(),
            x.round(),
            x.is_finite(),
        ]
    }),
    ("integer_pow", |i| {
        vec![i.x.powi(3), i.x.powi(-2), i.x.powi(0)]
    }),
    ("clamp", |i| vec![i.x.clamp(0.4, &i.s)]),
    ("copysign", |i| vec![i.x.copysign(&i.s)]),
    ("fma", |i| vec![i.x.fma(&i.s, 2.0)]),
    ("logaddexp", |i| vec![i.x.logaddexp(&i.s)]),
    ("softplus", |i| vec![i.x.softplus()]),
    ("softsign", |i| vec![i.x.softsign()]),
    ("log_sigmoid", |i| vec![i.x.log_sigmoid()]),
    ("sinc", |i| vec![i.x.sinc()]),
    ("relu", |i| vec![i.x.relu()]),
    ("leaky_relu", |i| vec![i.x.leaky_relu(0.1)]),
    ("elu", |i| vec![i.x.elu(&i.s)]),
    ("gelu", |i| vec![i.x.gelu()]),
    ("gelu_tanh", |i| vec![i.x.gelu_tanh()]),
    ("silu", |i| vec![i.x.silu()]),
    ("logic", |i| {
        let (p, x, s) = (&i.p, &i.x, &i.s);
        vec![
            p & &x.gt(0.3),
            p | &x.gt(0.3),
            p ^ &x.gt(0.3),
            !p,
            p.select(x, s),
            x.ge(s),
            x.not_equal(s),
        ]
    }),
    ("trunc", |i| vec![i.x.trunc()]),
    ("round_away", |i| vec![i.x.round_away()]),
    ("is_nan", |i| vec![i.x.is_nan()]),
    ("is_inf", |i| vec![i.x.is_inf()]),
    ("erf", |i| vec![i.x.erf()]),
    ("erfc", |i| vec![i.x.erfc()]),
    ("erf_inv", |i| vec![i.x.erf_inv()]),
    ("erfcx", |i| vec![i.x.erfcx()]),
    ("lgamma", |i| vec![i.x.lgamma()]),
    ("digamma", |i| vec![i.x.digamma()]),
    ("polygamma", |i| vec![i.x.polygamma(1.0)]),
    ("lbeta", |i| vec![i.x.lbeta(&i.s)]),
    ("igamma", |i| vec![(&i.x + 1.0).igamma(&i.s)]),
    ("igammac", |i| vec![(&i.x + 1.0).igammac(&i.s)]),
    ("betainc", |i| vec![i.x.betainc(&i.s, 3.0)]),
    ("bessel_i0e", |i| vec![i.x.bessel_i0e()]),
    ("bessel_i1e", |i| vec![i.x.bessel_i1e()]),
    ("bessel_j0", |i| vec![i.x.bessel_j0()]),
    ("bessel_j1", |i| vec![i.x.bessel_j1()]),
    ("bessel_jn", |i| vec![i.x.bessel_jn(2.0)]),
    ("bessel_y0", |i| vec![i.x.bessel_y0()]),
    ("bessel_y1", |i| vec![i.x.bessel_y1()]),
    ("bessel_yn", |i| vec![i.x.bessel_yn(2.0)]),
    ("norm_cdf", |i| vec![i.x.norm_cdf()]),
    ("norm_ppf", |i| vec![i.x.norm_ppf()]),
    ("log_ndtr", |i| vec![i.x.log_ndtr()]),
    ("xlogy", |i| vec![i.x.xlogy(&i.s)]),
    ("xlog1py", |i| vec![i.x.xlog1py(&i.s)]),
    ("zeta", |i| vec![(&i.x + 2.0).zeta(&i.s)]),
    ("constants", |i| {
        vec![
            i.g.constant([1.0, 2.0]),
            i.g.iota(Dtype::F64, [2, 3], 1),
            i.k.convert(Dtype::F64),
        ]
    }),
    ("shapes", |i| {
        let x = &i.x;
        vec![
            x.reshape([2, 6]),
            x.t(),
            i.v.broadcast_to([2, 3]),
            x.at([1]),
            x.pad(0.0, [1, 0], [0, 2]),
            i.g.concatenate([x, x], 1),
            x.stop_gradient(),
        ]
    }),
    ("gather", |i| vec![i.x.take(&i.k, 1)]),
    ("scatter_add", |i| {
        vec![i.x.add_at(&i.k, &i.x.slice([0, 0], [2, 4]), 0)]
    }),
    ("scatter", |i| {
        vec![i.x.put_at(&i.k, &i.x.slice([1, 0], [3, 4]), 0)]
    }),
    ("dynamic_slice", |i| vec![i.x.dynamic_slice(&i.k, [2, 2])]),
    ("dynamic_update_slice", |i| {
        vec![i.x.dynamic_update_slice(&i.g.full([1, 2], 0.5), &i.k)]
    }),
    ("sort", |i| {
        let (sorted, mut beside) = i.x.sort_with(&[&i.p], 1);
        vec![
            i.x.sort(0),
            i.x.sort_descending(1),
            sorted,
            beside.remove(0),
        ]
    }),
    ("argsort", |i| vec![i.x.argsort(1)]),
    ("top_k", |i| {
        let (values, indices) = i.x.top_k(2);
        vec![values, indices]
    }),
    ("reverse", |i| vec![i.x.reverse([0, 1])]),
    ("tile", |i| vec![i.x.tile([2, 1])]),
    ("one_hot", |i| vec![i.k.one_hot(3, Dtype::F64)]),
    ("search_sorted", |i| {
        vec![i.g.constant([0.1, 0.5, 0.9]).search_sorted(&i.x, false)]
    }),
    ("windows", |i| vec![i.x.windows([2, 3])]),
    ("overlap_add", |i| {
        let windows = proto::Windows {
            sizes: vec![2],
            shape: vec![4],
            ..Default::default()
        };
        vec![i.v.broadcast_to([2, 3]).t().overlap_add(windows)]
    }),
    ("reductions", |i| {
        vec![i.x.sum_over([1]), i.x.max_keep([0]), i.x.min()]
    }),
    ("prod", |i| vec![i.x.prod(), i.x.prod_over([1])]),
    ("mean", |i| vec![i.x.mean(), i.x.mean_keep([0])]),
    ("variance", |i| {
        let options = Variance {
            axes: vec![1],
            keep_dims: true,
            ddof: 1,
        };
        vec![i.x.variance(), i.x.std(), i.x.variance_with(options)]
    }),
    ("logsumexp", |i| vec![i.x.logsumexp_over([0])]),
    ("norm", |i| {
        let kinds = [NormKind::One, NormKind::Two, NormKind::Inf, NormKind::Fro];
        kinds
            .map(|kind| {
                i.b.norm_with(Norm {
                    kind,
                    ..Norm::default()
                })
            })
            .to_vec()
    }),
    ("argmax", |i| vec![i.x.argmax(0)]),
    ("argmin", |i| vec![i.x.argmin(1)]),
    ("cumsum", |i| vec![i.x.cumsum(0)]),
    ("cumprod", |i| vec![i.x.cumprod(1)]),
    ("cummax", |i| vec![i.x.cummax(1)]),
    ("cummin", |i| vec![i.x.cummin(0)]),
    ("cumlogsumexp", |i| vec![i.x.cumlogsumexp(1)]),
    ("softmax", |i| vec![i.x.softmax(1)]),
    ("log_softmax", |i| vec![i.x.log_softmax(0)]),
    ("all", |i| vec![i.p.all(), i.p.all_over([0])]),
    ("any", |i| vec![i.p.any(), i.p.any_keep([1])]),
    ("dot_general", |i| {
        let dims = proto::DotGeneral {
            lhs_contracting: vec![1],
            rhs_contracting: vec![2],
            ..Default::default()
        };
        vec![i.x.dot_general(&i.b, dims)]
    }),
    ("matmul", |i| {
        let (v, x, b) = (&i.v, &i.x, &i.b);
        vec![
            v.dot(v),
            v.matmul(x),
            x.t().matmul(v),
            i.a.matmul(b),
            b.matmul(&x.t()),
        ]
    }),
    ("outer", |i| vec![i.v.outer(&i.x)]),
    ("kron", |i| vec![i.x.kron(&i.a)]),
    ("trace", |i| vec![i.x.trace(), i.b.trace_at(1)]),
    ("diag", |i| {
        vec![i.v.diag(), i.v.diag_at(1), i.x.diag_at(-1), i.b.diag()]
    }),
    ("einsum", |i| {
        vec![
            i.g.einsum("ij,bjk->bik", [&i.a, &i.b]),
            i.g.einsum("ii", [&i.a]),
            i.g.einsum("...ij,...i->...j", [&i.b, &i.v]),
        ]
    }),
    ("triangular_solve", |i| {
        let lower = Triangular {
            lower: true,
            ..Triangular::default()
        };
        vec![
            i.a.triangular_solve(&i.v, lower),
            i.a.triangular_solve(&i.x, Triangular::default()),
        ]
    }),
    ("solve", |i| {
        vec![i.a.solve(&i.v), i.a.solve_transposed(&i.x)]
    }),
    ("cholesky", |i| vec![i.a.cholesky()]),
    ("cholesky_solve", |i| vec![i.a.cholesky_solve(&i.v)]),
    ("inverse", |i| vec![i.a.inverse()]),
    ("det", |i| vec![i.a.det()]),
    ("slogdet", |i| {
        let (sign, log) = i.a.slogdet();
        vec![sign, log]
    }),
    ("lu", |i| {
        let (permutation, lower, upper) = i.a.lu();
        vec![permutation, lower, upper]
    }),
    ("qr", |i| {
        let (q, r) = i.x.t().qr();
        vec![q, r]
    }),
    ("eigh", |i| {
        let (values, vectors) = i.a.eigh();
        vec![values, vectors]
    }),
    ("svd", |i| {
        let (u, s, vt) = i.x.svd();
        vec![u, s, vt]
    }),
    ("lstsq", |i| vec![i.x.t().lstsq(&i.x.at([0]))]),
    ("expm", |i| vec![i.a.expm()]),
    ("tridiagonal_solve", |i| {
        vec![(&i.v + 2.0).tridiagonal_solve(&i.v, &i.v, &i.v)]
    }),
    ("sparse_matvec", |i| {
        let pattern = proto::SparsePattern {
            row_count: 2,
            column_count: 4,
            rows: vec![0, 0, 1],
            columns: vec![1, 3, 0],
            transpose: false,
        };
        vec![i.v.sparse_matvec(&i.x.at([0]), pattern)]
    }),
    ("conv", |i| {
        let image = i.b.reshape([1, 2, 3, 4]);
        let kernel = i.x.reshape([3, 1, 2, 2]).slice([0, 0, 0, 0], [2, 1, 2, 2]);
        let options = Convolution {
            low: vec![1, 0],
            strides: vec![2, 1],
            groups: 2,
            ..Default::default()
        };
        vec![image.conv(&kernel, options)]
    }),
    ("max_pool", |i| {
        vec![i.b.max_pool(Pool {
            sizes: vec![2],
            ..Pool::default()
        })]
    }),
    ("average_pool", |i| {
        let pool = Pool {
            sizes: vec![3],
            strides: vec![1],
            low: vec![1],
            high: vec![1],
        };
        vec![i.b.average_pool(pool)]
    }),
    ("fft", |i| vec![i.x.reshape([6, 2]).fft()]),
    ("ifft", |i| vec![i.b.reshape([4, 3, 2]).ifft()]),
    ("rfft", |i| vec![i.x.rfft()]),
    ("irfft", |i| vec![i.x.reshape([2, 3, 2]).irfft(5)]),
    ("interp1d", |i| {
        let knots = i.g.constant([0.0, 0.5, 1.0]);
        let cubic = Interpolation {
            kind: InterpolationKind::Cubic,
            ..Interpolation::default()
        };
        vec![i.x.interp(&knots, &i.v), i.x.interp1d(&knots, &i.v, cubic)]
    }),
    ("bspline", |i| {
        let knots = i.g.constant([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        vec![i.x.bspline(&knots, &i.v, 2)]
    }),
    ("calls and branches", |i| {
        let [sine, cosine] = [
            i.g.function("sine", [i.v.tensor_type()], |_, [v]| v.sin()),
            i.g.function("cosine", [i.v.tensor_type()], |_, [v]| v.cos()),
        ];
        let all = i.v.lt(&i.s).all();
        vec![
            i.g.call(&sine, [&i.v]),
            i.g.if_else(&all, &sine, &cosine, [&i.v]),
            i.g.cond(&i.k.at([1]), [&sine, &cosine, &sine], [&i.v]),
        ]
    }),
    ("loops", |i| {
        let s = i.s.tensor_type();
        let low = i.g.function("low", [s.clone()], |_, [s]| s.lt(3.0));
        let double = i.g.function("double", [s.clone()], |_, [s]| s * 2.0);
        let grow =
            i.g.function("grow", [s.clone(), s.clone()], |_, [s, x]| (&s * &x, s + x));
        let square =
            i.g.function("square", [s.clone(), s], |_, [x, c]| x.square() * c);
        let scan = Scan {
            length: 3,
            carries: vec![i.s.clone()],
            sequences: vec![i.v.clone()],
            reverse: true,
            ..Scan::default()
        };
        let (last, sums) = i.g.scan(&grow, scan);
        vec![
            i.g.while_loop(&low, &double, [&i.s]),
            last,
            sums,
            i.g.map(&square, [&i.v], [&i.s]),
        ]
    }),
    ("derivatives", |i| {
        let types = [i.v.tensor_type(), i.s.tensor_type()];
        let f =
            i.g.function("f", types, |_, [v, s]| (v.sin() * s).square().sum());
        let at = [&i.v, &i.s];
        let mut all: Vec<Expr> = i.g.gradient(&f, 0, [], at);
        all.extend(i.g.jacobian::<Vec<Expr>, _>(&f, [0], [1], at));
        all.extend(i.g.hessian::<Vec<Expr>, _>(&f, 0, [], at));
        all.extend(i.g.jvp::<Vec<Expr>, _>(&f, at, [(0, &i.v)]));
        all.extend(i.g.vjp::<Vec<Expr>, _>(&f, at, [(0, &i.s)]));
        all.extend(i.g.hvp::<Vec<Expr>, _>(&f, 0, [0], at, [(0, &i.v)]));
        all
    }),
    ("implicit values", |i| {
        let types = || [i.v.tensor_type(), i.s.tensor_type()];
        let root = i.g.function("root", types(), |_, [x, s]| x.square() - s);
        let point = i.g.function("point", types(), |_, [x, s]| x.cos() * s);
        let operator = i.g.function("operator", types(), |_, [x, s]| x * (s + 1.0));
        let until = Until::default();
        vec![
            i.g.implicit_root(&root, &i.v, [&i.s], until),
            i.g.fixed_point(&point, &i.v, [&i.s], until),
            i.g.linear_solve(&operator, &i.v, [&i.s], until),
        ]
    }),
];

/// The expressions as outputs, and the sum of all floating-point ones as `total`.
fn graph(build: Build) -> Graph {
    let inputs = Inputs::new();
    let results = build(&inputs);
    assert_eq!(inputs.g.error(), None);
    let floats = results.iter().filter(|result| result.dtype().is_float());
    let total = floats.fold(&inputs.s * 0.0, |total, result| total + result.sum());
    let named = results.into_iter().enumerate();
    let outputs = named.map(|(i, result)| (format!("result {i}"), result));
    let outputs: Vec<_> = outputs.chain([("total".to_owned(), total)]).collect();
    inputs.g.finish(outputs).unwrap()
}

/// What derivatives are written in. They come back in graphs of derivatives; nobody builds them.
fn is_of_derivatives(number: i32) -> bool {
    matches!(number, 23..=25 | 64 | 65 | 76 | 245..=260 | 295..=309)
}

/// The operations of the contract that have a builder.
fn contract() -> BTreeSet<i32> {
    let numbers = (1..1000).filter(|&n| !is_of_derivatives(n));
    numbers.filter(|&n| Op::try_from(n).is_ok()).collect()
}

#[test]
fn every_operation_has_a_method() {
    let built: BTreeSet<i32> = CASES
        .iter()
        .flat_map(|&(_, build)| graph(build).into_proto().nodes)
        .map(|node| node.op)
        .collect();
    let missing: Vec<Op> = contract()
        .difference(&built)
        .filter_map(|&op| Op::try_from(op).ok())
        .collect();
    assert!(missing.is_empty(), "no case builds {missing:?}");
}

#[tokio::test]
async fn operations_evaluate_as_inferred_or_say_that_they_do_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = gradient_server::Config::default();
    tokio::spawn(gradient_server::run(
        listener,
        config,
        std::future::pending(),
    ));
    let client = Client::connect(&address).await.unwrap();
    let catalogue = client.list_ops().await.unwrap();
    let implemented: BTreeSet<i32> = catalogue
        .iter()
        .filter(|op| op.implemented)
        .map(|op| op.op)
        .collect();
    let mut problems = Vec::new();
    let mut lacking = Vec::new();
    for &(name, build) in CASES {
        let graph = graph(build);
        let complete = graph
            .proto()
            .nodes
            .iter()
            .all(|node| implemented.contains(&node.op));
        let outcome = check(&client, &graph).await;
        match outcome {
            Ok(found) if complete => {
                problems.extend(found.into_iter().map(|p| format!("{name}: {p}")))
            }
            Err(Error::Rpc(error)) if !complete && error.code == tonic::Code::Unimplemented => {
                lacking.push(name);
            }
            Ok(_) => problems.push(format!("{name}: accepted, though not implemented")),
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    println!(
        "{} of {} cases not implemented: {lacking:?}",
        lacking.len(),
        CASES.len()
    );
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What differs from the client's types or is not finite.
async fn check(client: &Client, graph: &Graph) -> Result<Vec<String>, Error> {
    let registered = client.register(graph).await?;
    let theirs = client.get_graph(&registered.graph_id, false, false).await?;
    let mut problems = Vec::new();
    for ((name, ours), theirs) in graph.outputs().iter().zip(&theirs.outputs) {
        let theirs = theirs.r#type.as_ref().and_then(Type::from_proto);
        if *ours != theirs {
            problems.push(format!(
                "{name} is inferred as {ours:?}, the server says {theirs:?}"
            ));
        }
    }
    let session = client.session(graph);
    let answer = session
        .at(point())
        .value()
        .gradient("total", ALL)
        .send()
        .await?;
    for block in answer.results.iter().flat_map(|result| &result.blocks) {
        let BlockData::Dense(tensor) = &block.data else {
            problems.push(format!("{block:?} is not dense"));
            continue;
        };
        if !tensor.to_f64().data().iter().all(|x| x.is_finite()) {
            problems.push(format!("not finite: {block:?}"));
        }
    }
    Ok(problems)
}
