//! The library against a real server.

use std::time::Instant;

use futures::{StreamExt, stream};
use gradient_client::{
    ALL, Array, BlockData, Client, Dtype, Error, Expr, Graph, GraphBuilder, HvpMode, Layout, Mode,
    Product, Tensor, Type,
    proto::{self, Cache},
};
use tokio::net::TcpListener;

async fn start() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = gradient_server::Config {
        max_message_bytes: 256 << 20,
        ..Default::default()
    };
    tokio::spawn(gradient_server::run(
        listener,
        config,
        std::future::pending(),
    ));
    Client::connect(&address).await.unwrap()
}

/// f = Σ sin(x)·y and the vector r = x·y.
fn example(first: &str, second: &str) -> Graph {
    let g = GraphBuilder::new("example");
    let (x, y) = (g.input(first, [3]), g.input(second, []));
    g.finish([("f", (x.sin() * &y).sum()), ("r", &x * &y)])
        .unwrap()
}

#[tokio::test]
async fn products_come_back_typed_under_their_names() {
    let client = start().await;
    let session = client.session(&example("x", "y"));
    let (x, y) = ([0.1f64, 0.2, 0.3], 2.0f64);
    let answer = session
        .at([("x", x)])
        .input("y", y)
        .value()
        .gradient("f", ALL)
        .jacobian(["r"], ["y", "x"])
        .jvp([("x", Tensor::from([1.0, 0.0, 0.0])), ("y", 0.0.into())])
        .vjp([("f", Tensor::from(0.0)), ("r", [1.0, 1.0, 1.0].into())])
        .hessian("f", ALL)
        .hvp("f", [("x", [1.0, 0.0, 0.0])])
        .send()
        .await
        .unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-15, "{a} is not {b}");
    near(
        answer.value("f").unwrap().item().unwrap(),
        x.iter().map(|x| x.sin() * y).sum(),
    );
    near(answer.gradient("x").unwrap()[[1]], x[1].cos() * y);
    near(
        answer.gradient("y").unwrap()[[]],
        x.iter().map(|x| x.sin()).sum(),
    );
    assert_eq!(answer.jacobian("r", "y").unwrap().data(), x);
    assert_eq!(
        *answer.jacobian("r", "x").unwrap(),
        Array::from([[y, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, y]])
    );
    near(answer.jvp("f").unwrap()[[]], x[0].cos() * y);
    assert_eq!(answer.jvp("r").unwrap().data(), [y, 0.0, 0.0]);
    assert_eq!(answer.vjp("x").unwrap().data(), [y; 3]);
    near(answer.vjp("y").unwrap()[[]], x.iter().sum());
    near(answer.hessian("x", "x").unwrap()[[2, 2]], -x[2].sin() * y);
    near(answer.hessian("y", "x").unwrap()[[0]], x[0].cos());
    near(answer.hvp("x").unwrap()[[0]], -x[0].sin() * y);
    assert!(
        matches!(answer.hvp("y"), Err(Error::Missing(_))),
        "not asked for"
    );
    assert_eq!(answer.results[1].plan.mode, Mode::Reverse);
    assert!(answer.results[1].plan.reason.contains("reverse"));
    assert_eq!(answer.timing.cache, Cache::Miss);
}

#[tokio::test]
async fn modes_are_obeyed_and_agree() {
    let client = start().await;
    let session = client.session(&example("x", "y"));
    let request = || session.at([("x", [0.1, 0.2, 0.3])]).input("y", 2.0);
    let forward = request()
        .jacobian(ALL, ALL)
        .mode(Mode::Forward)
        .send()
        .await
        .unwrap();
    let reverse = request()
        .jacobian(ALL, ALL)
        .mode(Mode::Reverse)
        .send()
        .await
        .unwrap();
    assert_eq!(forward.results[0].blocks, reverse.results[0].blocks);
    assert_eq!(
        (
            forward.results[0].plan.sweeps,
            reverse.results[0].plan.sweeps
        ),
        (4, 4)
    );
    for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
        let request = request().hvp("f", [("x", [1.0, 2.0, 3.0])]).hvp_mode(mode);
        assert_eq!(request.send().await.unwrap().results[0].plan.hvp_mode, mode);
    }
    let plan = request().gradient("f", ALL).plan().await.unwrap();
    assert_eq!(
        (plan.plans[0].live_inputs, plan.plans[0].live_outputs),
        (4, 1)
    );
}

/// Two clients call the inputs of one function by the same names in opposite orders.
#[tokio::test]
async fn swapped_names_are_not_confused() {
    let client = start().await;
    let ours = client.session(&example("x", "y"));
    let theirs = client.session(&example("y", "x"));
    let id = ours.graph_id().await.unwrap();
    assert_eq!(id, theirs.graph_id().await.unwrap());
    let ours = ours
        .at([("x", [1.0, 2.0, 3.0])])
        .input("y", 2.0)
        .gradient("f", ["y"])
        .send()
        .await
        .unwrap();
    let theirs = theirs
        .at([("y", [1.0, 2.0, 3.0])])
        .input("x", 2.0)
        .gradient("f", ["x"])
        .send()
        .await
        .unwrap();
    assert_eq!(ours.gradient("y").unwrap(), theirs.gradient("x").unwrap());
    // By id, the names are those of whoever was first.
    let opened = client.open(&ours.graph_id).await.unwrap();
    assert_eq!(opened.inputs()[0], ("x", Some(Type::new(Dtype::F64, [3]))));
}

#[tokio::test]
async fn batches_and_directions_have_a_leading_axis() {
    let client = start().await;
    let session = client.session(&example("x", "y"));
    let points = [[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]];
    let batch = session
        .at([("x", points)])
        .input("y", 2.0)
        .batch(2)
        .gradient("f", ["x"])
        .send()
        .await
        .unwrap();
    for (i, point) in points.iter().enumerate() {
        let single = session
            .at([("x", *point)])
            .input("y", 2.0)
            .gradient("f", ["x"])
            .send()
            .await
            .unwrap();
        assert_eq!(
            batch.gradient("x").unwrap().row(i),
            single.gradient("x").unwrap().data()
        );
    }
    let two = Product::HessianVectorProduct {
        output: "f".into(),
        wrt: vec!["x".into()],
        vectors: vec![("x".into(), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].into())],
        directions: 2,
    };
    let answer = session
        .at([("x", points[0])])
        .input("y", 2.0)
        .product(two)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.hvp("x").unwrap().shape(), [2, 3]);
}

#[tokio::test]
async fn streams_are_pipelined_in_order() {
    let client = start().await;
    let session = client.session(&example("x", "y"));
    let request = |i: usize| match i {
        7 => session.at([("x", [1.0, 2.0])]).input("y", 1.0).value(), // a wrong shape
        _ => session
            .at([("x", [0.0, 0.0, i as f64])])
            .input("y", 1.0)
            .jacobian(["r"], ["y"]),
    };
    let requests: Vec<_> = (0..100).map(request).collect();
    let answers: Vec<_> = session
        .stream(stream::iter(requests), 8)
        .await
        .unwrap()
        .collect()
        .await;
    assert_eq!(answers.len(), 100);
    for (i, answer) in answers.into_iter().enumerate() {
        match (i, answer) {
            (7, answer) => assert_eq!(answer.unwrap_err().violations()[0].path, "inputs[\"x\"]"),
            (_, answer) => assert_eq!(answer.unwrap().jacobian("r", "y").unwrap()[[2]], i as f64),
        }
    }
}

#[tokio::test]
async fn derivatives_are_graphs_to_any_order() {
    let client = start().await;
    let g = GraphBuilder::new("power");
    let x = g.input("x", []);
    let mut graph = g.finish([("f", x.pow(5.0))]).unwrap();
    let mut want = 1.0;
    for (order, factor) in [5.0, 4.0, 3.0, 2.0].into_iter().enumerate() {
        want *= factor;
        let derivative = client
            .session(&graph)
            .request()
            .gradient("", ALL)
            .differentiate()
            .await
            .unwrap();
        let output = derivative.graph.outputs()[0].0.to_owned();
        let session = client.session(&derivative.graph);
        assert_eq!(session.graph_id().await.unwrap(), derivative.graph_id);
        let answer = session.at([("x", 1.0)]).value().send().await.unwrap();
        assert_eq!(
            answer.value(&output).unwrap().item(),
            Some(want),
            "order {}",
            order + 1
        );
        graph = derivative.graph;
    }
}

/// What the builder accepts the server accepts, and both find the same types.
#[tokio::test]
async fn types_are_those_of_the_server() {
    let client = start().await;
    let g = GraphBuilder::new("every operation");
    let x = &g.input("x", [3, 4]);
    let v = &g.input("v", [4]);
    let s = &g.input("s", []);
    let single = &g.input_typed("single", Dtype::F32, [2]);
    let k = &g.input_typed("k", Dtype::I64, [2]);
    let b = &g.input("b", [2, 3, 4]);
    let p = &x.lt(s);
    let dims = proto::DotGeneral {
        lhs_contracting: vec![1],
        rhs_contracting: vec![2],
        ..Default::default()
    };
    let mut all: Vec<Expr> = vec![
        x + s,
        x - x,
        s * x,
        x / s,
        x % s,
        -x,
        x.abs(),
        x.sign(),
        x.square(),
        x.sqrt(),
        x.rsqrt(),
        x.cbrt(),
        x.recip(),
        x.exp(),
        x.expm1(),
        x.exp2(),
        x.ln(),
        x.ln_1p(),
        x.log2(),
        x.log10(),
        x.logistic(),
        x.sin(),
        x.cos(),
        x.tan(),
        x.asin(),
        x.acos(),
        x.atan(),
        x.sinh(),
        x.cosh(),
        x.tanh(),
        x.asinh(),
        x.acosh(),
        x.atanh(),
        x.floor(),
        x.ceil(),
        x.round(),
        x.is_finite(),
        x.stop_gradient(),
        x.pow(s),
        x.powi(-1),
        x.powf(0.5),
        x.maximum(s),
        x.minimum(0.0),
        x.atan2(x),
        x.hypot(s),
        x.remainder(x),
        x.multiply_no_nan(s),
        x.equal(s),
        x.not_equal(x),
        x.le(0.5),
        x.gt(s),
        x.ge(s),
        p & p,
        p | p,
        p ^ p,
        !p,
        p.select(x, s),
        p.select(1.0, 0.0),
        x.convert(Dtype::I64),
        p.convert(Dtype::F32),
        k.convert(Dtype::Bool),
    ];
    all.extend([
        x.sum(),
        x.sum_over([1]),
        x.sum_keep([0]),
        x.max(),
        x.max_over([0]),
        x.max_keep([1]),
        x.min(),
        x.min_over([1]),
        x.min_keep([0, 1]),
        k.sum(),
        k.max(),
        x.reshape([2, 6]),
        x.t(),
        b.transpose([2, 0, 1]),
        v.broadcast_to([3, 4]),
        s.broadcast_to([2, 2]),
        v.broadcast_in_dim([4, 2], [0]),
        v.dot(v),
        x.matmul(v),
        x.matmul(&x.t()),
        b.matmul(&b.transpose([0, 2, 1])),
        b.matmul(v),
        x.dot_general(b, dims),
        x.slice([1, 0], [3, 2]),
        v.slice_strided([0], [4], [3]),
        x.at([2]),
        x.at([2, 3]),
        x.pad(0.0, [1, 0], [0, 2]),
        v.pad_interior(s, [1], [1], [2]),
        x.take(k, 0),
        x.take(k, 1),
        x.add_at(k, &x.take(k, 1), 1),
        v.add_at(&k.at([0]), s, 0),
        g.concatenate([x, x], 1),
        g.stack([v, v, v]),
        g.iota(Dtype::I64, [2, 3], 1),
        g.iota(Dtype::F32, [2], 0),
        g.full([2, 2], 0.5),
        g.constant([[true, false]]),
        g.constant([1i64, 2]),
        single * 2.0,
        single.sum(),
        k + 1.0,
        k * k,
        k - k,
        k / k,
        k % k,
        -k,
        k.abs(),
        k.sign(),
        k.square(),
        k.maximum(k),
        k.minimum(k),
    ]);
    assert_eq!(g.error(), None);
    let graph = g
        .finish(
            all.iter()
                .enumerate()
                .map(|(i, output)| (format!("output {i}"), output)),
        )
        .unwrap();
    let registered = client.register(&graph).await.unwrap();
    let theirs = client
        .get_graph(&registered.graph_id, true, true)
        .await
        .unwrap();
    for ((name, ours), theirs) in graph.outputs().iter().zip(&theirs.outputs) {
        assert_eq!(
            (*name, ours.as_ref()),
            (
                theirs.name.as_str(),
                theirs.r#type.as_ref().and_then(Type::from_proto).as_ref()
            )
        );
    }
    let back = Graph::from_proto(theirs.graph.unwrap());
    assert_eq!(back.outputs(), graph.outputs());
    assert!(!theirs.listing.is_empty());
    assert!(
        client
            .list_ops()
            .await
            .unwrap()
            .iter()
            .any(|op| op.name == "log1p")
    );
}

#[tokio::test]
async fn other_types_are_cast_and_come_back_as_they_are() {
    let client = start().await;
    let g = GraphBuilder::new("types");
    let x = g.input_typed("x", Dtype::F32, [2]);
    let k = g.input_typed("k", Dtype::I64, []);
    let f = (&x * k.convert(Dtype::F32)).sum();
    let graph = g
        .finish([("f", f), ("positive", x.gt(0.0)), ("next", k + 1.0)])
        .unwrap();
    let session = client.session(&graph);
    let answer = session
        .at([("x", [0.5, -1.0])])
        .input("k", 3.0)
        .value()
        .gradient("f", ALL)
        .send()
        .await
        .unwrap();
    let blocks: Vec<&Tensor> = answer.results[0]
        .blocks
        .iter()
        .map(|block| block.tensor().unwrap())
        .collect();
    assert_eq!(
        blocks,
        [&Tensor::from(-1.5f32), &[true, false].into(), &4i64.into()]
    );
    assert_eq!(
        answer.results[1].blocks[0].tensor().unwrap(),
        &Tensor::from([3.0f32, 3.0])
    );
    assert!(answer.gradient("x").is_err(), "f32 is no f64");
}

#[tokio::test]
async fn a_million_nodes_are_registered_and_differentiated() {
    let client = start().await;
    let g = GraphBuilder::new("recurrence");
    let start = Instant::now();
    let x = g.input("x", []);
    let mut y = x.clone();
    for _ in 0..500_000 {
        y = &y * 0.999 + &x;
    }
    let graph = g.finish([("f", y)]).unwrap();
    let built = start.elapsed();
    let session = client.session(&graph);
    let answer = session
        .at([("x", 0.5)])
        .gradient("f", ALL)
        .send()
        .await
        .unwrap();
    println!(
        "built in {built:?}, registered and first gradient in {:?}",
        start.elapsed() - built
    );
    let gradient = answer.gradient("x").unwrap().item().unwrap();
    assert!((gradient - 1000.0).abs() < 1e-6, "{gradient}");
}

#[tokio::test]
async fn sparse_matrices_come_back_as_their_entries() {
    let client = start().await;
    let session = client.session(&example("x", "y"));
    let jacobian = |layout| Product::Jacobian {
        outputs: vec!["r".into()],
        wrt: vec!["x".into(), "y".into()],
        layout,
    };
    let hessian = Product::Hessian {
        output: "f".into(),
        wrt: vec!["x".into()],
        layout: Layout::Sparse,
    };
    let x = [[0.1f64, 0.2, 0.3], [0.4, 0.5, 0.6]];
    let point = || session.at([("x", x[0])]).input("y", 2.0);
    let answer = point()
        .product(jacobian(Layout::Sparse))
        .product(jacobian(Layout::Auto))
        .product(hessian)
        .send()
        .await
        .unwrap();
    let sparse = |result: usize, block: usize| match &answer.results[result].blocks[block].data {
        BlockData::Sparse(matrix) => matrix.clone(),
        BlockData::Dense(tensor) => panic!("dense: {tensor:?}"),
    };
    let diagonal = sparse(0, 0);
    assert_eq!(diagonal.shape, [3, 3]);
    assert_eq!(
        (&diagonal.rows[..], &diagonal.columns[..]),
        (&[0, 1, 2][..], &[0, 1, 2][..])
    );
    assert_eq!(diagonal.values, [2.0, 2.0, 2.0].into());
    // r by y: a full column of shape [3, 1].
    let column = sparse(0, 1);
    assert_eq!((column.shape, column.values), ([3, 1], x[0].into()));
    // 6 of 12 entries: an automatic layout is dense.
    assert!(matches!(
        answer.results[1].blocks[0].data,
        BlockData::Dense(_)
    ));
    let curvature = sparse(2, 0);
    assert_eq!(curvature.rows, [0, 1, 2]);
    for (got, x) in curvature.values.to_f64().data().iter().zip(x[0]) {
        assert!((got + 2.0 * x.sin()).abs() <= 1e-15, "{got}");
    }
    assert_eq!(answer.results[2].plan.forward_colors, 1);

    // A batch shares the places: values [2, 3].
    let answer = session
        .at([("x", x)])
        .input("y", 2.0)
        .batch(2)
        .batched(["x"])
        .product(jacobian(Layout::Sparse))
        .send()
        .await
        .unwrap();
    let BlockData::Sparse(column) = &answer.results[0].blocks[1].data else {
        panic!("dense");
    };
    assert_eq!((column.shape, &column.values), ([3, 1], &x.into()));

    // Both modes at once, if that is what is asked for.
    let answer = point()
        .product(jacobian(Layout::Dense))
        .mode(Mode::Mixed)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.results[0].plan.mode, Mode::Mixed);
    let r = answer.jacobian("r", "x").unwrap();
    assert_eq!(
        *r,
        Array::from([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    );
}
