//! Scenarios of nodes with bodies. Choices hang on integers, or lie where both ways meet smoothly, so that
//! differences see no jump.

use super::{Draft, Scenario, WIDE, scenario};
use crate::engine::tensor;
use crate::functions::{FunctionBuilder, Write, function, integer, number, tuple_function};
use gradient_engine::{
    Attributes, Control, Direction, FunctionId, FunctionSource, ImplicitKind, Layout, Op, Product,
    TensorType, ValueId,
};

/// Integers: some below the first branch, some beyond the last.
const AROUND: (f64, f64) = (-2.5, 5.5);
const POSITIVE: (f64, f64) = (0.4, 2.5);

pub(super) fn add(all: &mut Vec<Scenario>) {
    calls(all);
    branches(all);
    whiles(all);
    scans(all);
    maps(all);
    mixed(all);
    recursions(all);
    derivatives(all);
    implicit(all);
}

fn vector(n: u64) -> TensorType {
    TensorType::f64([n])
}

fn integers(g: &mut Draft, name: &str, shape: &[u64]) -> ValueId {
    let ty = TensorType::new(gradient_engine::DType::I64, shape);
    g.0.input(name, ty).expect("input")
}

fn to_float(f: &mut impl Write, x: ValueId) -> ValueId {
    let dtype = gradient_engine::DType::F64;
    f.node(Op::Convert, &[x], Attributes::Convert { dtype }, 1)
}

/// sin(a) b
fn wave(ty: &TensorType) -> FunctionSource {
    function("wave", [ty.clone(), ty.clone()], |f, [a, b]| {
        let s = f.plain(Op::Sin, &[a]);
        f.mul(s, b)
    })
}

fn calls(all: &mut Vec<Scenario>) {
    all.push(scenario(Op::Call, "once", &[WIDE, WIDE], |g| {
        g.functions(vec![wave(&vector(3))]);
        let (x, y) = (g.input("x", &[3]), g.input("y", &[3]));
        g.call(0, &[x, y])
    }));
    all.push(scenario(Op::Call, "nested, twice", &[WIDE, WIDE], |g| {
        let twice = function("twice", [number(), number()], |f, [a, b]| {
            let inner = f.call(0, &[a, b]);
            f.call(0, &[inner, a])
        });
        g.functions(vec![wave(&number()), twice]);
        let (x, y) = (g.input("x", &[]), g.input("y", &[]));
        let (p, q) = (g.call(1, &[x, y]), g.call(1, &[y, x]));
        g.add(p, q)
    }));
    let domains = [WIDE, AROUND, WIDE];
    all.push(scenario(Op::Call, "results of all kinds", &domains, |g| {
        // A parameter as it came, twice; an integer; a constant; one that nobody asks for.
        let parameters = [vector(2), integer(), number()];
        let several = tuple_function("several", parameters, |f, [v, k, x]| {
            let one = f.whole(1);
            let next = f.add(k, one);
            let (c, s) = (f.real(1.5), f.mul(x, v));
            let unused = f.plain(Op::Exp, &[v]);
            vec![v, next, c, v, unused, s]
        });
        g.functions(vec![several]);
        let (v, k) = (g.input("v", &[2]), integers(g, "k", &[]));
        let x = g.input("x", &[]);
        let r = g.control(Control::call(FunctionId(0)), &[v, k, x], 6);
        let next = to_float(g, r[1]);
        let product = g.mul(r[0], r[5]);
        let product = g.mul(product, next);
        let product = g.mul(product, r[2]);
        g.add(product, r[3])
    }));
    for by_cotangents in [false, true] {
        all.push(scenario(
            Op::Call,
            "a rule of its own",
            &[WIDE, WIDE],
            |g| {
                g.functions(ruled_wave(by_cotangents));
                let (x, y) = (g.input("x", &[]), g.input("y", &[]));
                let inner = g.call(0, &[x, y]);
                g.call(0, &[inner, x])
            },
        ));
    }
}

/// sin(a) b, with its derivative as a function that is right.
fn ruled_wave(by_cotangents: bool) -> Vec<FunctionSource> {
    let n = number;
    let mut own = wave(&number());
    let slopes = |f: &mut FunctionBuilder, a: ValueId, b: ValueId| {
        let (s, c) = (f.plain(Op::Sin, &[a]), f.plain(Op::Cos, &[a]));
        (f.mul(c, b), s)
    };
    let rule = if by_cotangents {
        own.custom_vjp = Some(FunctionId(1));
        tuple_function("rule", [n(), n(), n(), n()], |f, [a, b, _, w]| {
            let (da, db) = slopes(f, a, b);
            vec![f.mul(da, w), f.mul(db, w)]
        })
    } else {
        own.custom_jvp = Some(FunctionId(1));
        function("rule", [n(), n(), n(), n(), n()], |f, [a, b, _, u, v]| {
            let (da, db) = slopes(f, a, b);
            let (p, q) = (f.mul(da, u), f.mul(db, v));
            f.add(p, q)
        })
    };
    vec![own, rule]
}

fn branches(all: &mut Vec<Scenario>) {
    let domains = [AROUND, WIDE, POSITIVE];
    all.push(scenario(Op::Cond, "on a bool", &domains, |g| {
        let ratio = function("ratio", [vector(2), number()], |f, [v, y]| {
            let square = f.mul(v, v);
            f.div(square, y)
        });
        let product = function("product", [vector(2), number()], |f, [v, y]| {
            let s = f.plain(Op::Sin, &[v]);
            f.mul(s, y)
        });
        g.functions(vec![product, ratio]);
        let k = integers(g, "k", &[]);
        let (v, y) = (g.input("v", &[2]), g.input("y", &[]));
        let one = g.whole(1);
        let p = g.compare(Direction::Gt, k, one);
        g.cond(&[0, 1], &[p, v, y])
    }));
    all.push(scenario(Op::Cond, "on an i64", &[AROUND, WIDE], |g| {
        let exp = function("exp", [number(), integer()], |f, [x, _]| {
            let half = f.scale(0.5, x);
            f.plain(Op::Exp, &[half])
        });
        let times = function("times", [number(), integer()], |f, [x, k]| {
            let k = to_float(f, k);
            f.mul(k, x)
        });
        let cube = function("cube", [number(), integer()], |f, [x, k]| {
            let (k, square) = (to_float(f, k), f.mul(x, x));
            let cube = f.mul(square, x);
            f.add(cube, k)
        });
        g.functions(vec![exp, times, cube]);
        let (k, x) = (integers(g, "k", &[]), g.input("x", &[]));
        g.cond(&[0, 1, 2], &[k, x, k])
    }));
    all.push(scenario(
        Op::Cond,
        "as it came, and a constant",
        &[AROUND, WIDE],
        |g| {
            let same = function("same", [vector(2)], |_, [x]| x);
            let fixed = function("fixed", [vector(2)], |f, [x]| {
                let zero = f.scale(0.0, x);
                let seven = f.real(7.0);
                f.add(zero, seven)
            });
            g.functions(vec![same, fixed]);
            let (k, x) = (integers(g, "k", &[]), g.input("x", &[2]));
            g.cond(&[0, 1], &[k, x])
        },
    ));
    all.push(scenario(Op::Cond, "where both meet", &[WIDE], |g| {
        // x⁴ and -x⁴ have three derivatives in common at 0.
        let above = function("above", [number()], |f, [x]| {
            let square = f.mul(x, x);
            f.mul(square, square)
        });
        let below = function("below", [number()], |f, [x]| {
            let fourth = f.call(1, &[x]);
            f.plain(Op::Negate, &[fourth])
        });
        g.functions(vec![below, above]);
        let x = g.input("x", &[]);
        let zero = g.real(0.0);
        let p = g.compare(Direction::Gt, x, zero);
        g.cond(&[0, 1], &[p, x])
    }));
}

/// Newton's square root of `a`, from above: as long as it falls. Functions: newton, falling, step.
pub fn newton() -> [FunctionSource; 3] {
    let newton = function("newton", [number(), number()], |f, [x, a]| {
        let ratio = f.div(a, x);
        let sum = f.add(x, ratio);
        f.scale(0.5, sum)
    });
    let parameters = || [number(), integer(), number()];
    let falling = function("falling", parameters(), |f, [x, k, a]| {
        let next = f.call(0, &[x, a]);
        let most = f.whole(60);
        let (falls, few) = (
            f.compare(Direction::Lt, next, x),
            f.compare(Direction::Lt, k, most),
        );
        f.plain(Op::And, &[falls, few])
    });
    let step = tuple_function("step", parameters(), |f, [x, k, a]| {
        let one = f.whole(1);
        vec![f.call(0, &[x, a]), f.add(k, one)]
    });
    [newton, falling, step]
}

/// √a by the functions of [`newton`]; one more step has the derivatives converge too.
pub fn root(f: &mut impl Write, a: ValueId) -> ValueId {
    let (one, zero) = (f.real(1.0), f.whole(0));
    let first = f.add(a, one);
    let control = Control::while_loop(FunctionId(1), FunctionId(2), 60);
    let end = f.control(control, &[first, zero, a], 2);
    f.call(0, &[end[0], a])
}

/// While k > 0: v ← c sin v, k ← k - 1. Functions: more, step.
fn countdown() -> [FunctionSource; 2] {
    let parameters = || [vector(2), integer(), number()];
    let more = function("more", parameters(), |f, [_, k, _]| {
        let zero = f.whole(0);
        f.compare(Direction::Gt, k, zero)
    });
    let step = tuple_function("count", parameters(), |f, [v, k, c]| {
        let one = f.whole(1);
        let sine = f.plain(Op::Sin, &[v]);
        vec![f.mul(c, sine), f.sub(k, one)]
    });
    [more, step]
}

fn whiles(all: &mut Vec<Scenario>) {
    all.push(scenario(
        Op::While,
        "Newton's square root",
        &[(0.5, 40.0)],
        |g| {
            g.functions(newton().into());
            let a = g.input("a", &[]);
            root(g, a)
        },
    ));
    let domains = [WIDE, AROUND, WIDE];
    for bound in [0, 6] {
        all.push(scenario(
            Op::While,
            "trip counts of every point",
            &domains,
            |g| {
                g.functions(countdown().into());
                let (v, k) = (g.input("v", &[2]), integers(g, "k", &[]));
                let c = g.input("c", &[]);
                let control = Control::while_loop(FunctionId(0), FunctionId(1), bound);
                g.control(control, &[v, k, c], 2)[0]
            },
        ));
    }
    all.push(scenario(Op::While, "never", &[WIDE, WIDE], |g| {
        g.functions(countdown().into());
        let (v, c) = (g.input("v", &[2]), g.input("c", &[]));
        let none = g.whole(0);
        let control = Control::while_loop(FunctionId(0), FunctionId(1), 0);
        let end = g.control(control, &[v, none, c], 2)[0];
        g.mul(end, c)
    }));
}

/// (s, v, x, w, c) ↦ (s', v', out, out'): two carries, a scalar and a vector sequence, a constant.
fn full_step() -> FunctionSource {
    let parameters = [number(), vector(2), number(), vector(2), number()];
    tuple_function("full", parameters, |f, [s, v, x, w, c]| {
        let sine = f.plain(Op::Sin, &[s]);
        let turned = f.mul(c, sine);
        let s_next = f.add(turned, x);
        let moved = f.mul(s, w);
        let v_next = f.add(v, moved);
        let v_next = f.scale(0.5, v_next);
        let out = f.mul(s, x);
        vec![s_next, v_next, out, v_next]
    })
}

fn scans(all: &mut Vec<Scenario>) {
    let domains = [WIDE; 5];
    for (length, reverse) in [
        (4, false),
        (4, true),
        (1, false),
        (1, true),
        (0, false),
        (0, true),
    ] {
        let build = |g: &mut Draft| {
            g.functions(vec![full_step()]);
            let (s, v) = (g.input("s", &[]), g.input("v", &[2]));
            let (x, w) = (g.input("x", &[length]), g.input("w", &[length, 2]));
            let c = g.input("c", &[]);
            let control = Control::scan(FunctionId(0), length, 2, 2, reverse);
            g.control(control, &[s, v, x, w, c], 4)
        };
        let name = format!("everything, length {length}, reverse {reverse}");
        all.push(scenario(Op::Scan, &name, &domains, |g| {
            let r = build(g);
            let (a, b) = (g.sum(r[2]), g.sum(r[3]));
            let product = g.mul(a, b);
            let product = g.add(product, r[0]);
            g.mul(r[1], product)
        }));
        all.push(scenario(Op::Scan, "one stacked result", &domains, |g| {
            build(g)[3]
        }));
    }
    all.push(scenario(
        Op::Scan,
        "a carry that begins still",
        &[(-0.9, 0.9); 2],
        |g| {
            let step = tuple_function("step", [number(), number(), number()], |f, [a, b, x]| {
                let next = f.add(a, x);
                let product = f.mul(b, a);
                vec![next, f.add(product, x)]
            });
            g.functions(vec![step]);
            let (x, b) = (g.input("x", &[]), g.input("b", &[]));
            let zero = g.real(0.0);
            let control = Control::scan(FunctionId(0), 5, 2, 0, false);
            g.control(control, &[zero, b, x], 2)[1]
        },
    ));
    all.push(scenario(
        Op::Scan,
        "a carry that stays",
        &[WIDE, WIDE],
        |g| {
            let step = tuple_function("step", [number(), number()], |f, [a, b]| {
                let sine = f.plain(Op::Sin, &[b]);
                vec![a, f.mul(a, sine)]
            });
            g.functions(vec![step]);
            let (a, b) = (g.input("a", &[]), g.input("b", &[]));
            let control = Control::scan(FunctionId(0), 3, 2, 0, false);
            let end = g.control(control, &[a, b], 2);
            g.add(end[0], end[1])
        },
    ));
    all.push(scenario(
        Op::While,
        "nothing but counting",
        &[WIDE, AROUND],
        |g| {
            let parameters = || [number(), integer()];
            let more = function("more", parameters(), |f, [_, k]| {
                let zero = f.whole(0);
                f.compare(Direction::Gt, k, zero)
            });
            let count = tuple_function("count", parameters(), |f, [x, k]| {
                let one = f.whole(1);
                vec![x, f.sub(k, one)]
            });
            g.functions(vec![more, count]);
            let (x, k) = (g.input("x", &[]), integers(g, "k", &[]));
            let control = Control::while_loop(FunctionId(0), FunctionId(1), 0);
            g.control(control, &[x, k], 2)[0]
        },
    ));
    all.push(scenario(Op::Scan, "many steps", &[WIDE, (0.5, 0.9)], |g| {
        let step = function("step", [vector(3), number()], |f, [v, c]| {
            let sine = f.plain(Op::Sin, &[v]);
            f.mul(c, sine)
        });
        g.functions(vec![step]);
        let (v, c) = (g.input("v", &[3]), g.input("c", &[]));
        let control = Control::scan(FunctionId(0), 60, 1, 0, false);
        g.control(control, &[v, c], 1)[0]
    }));
}

fn maps(all: &mut Vec<Scenario>) {
    for (length, reverse) in [(3, false), (3, true), (0, false)] {
        let op = if reverse { Op::Scan } else { Op::Map };
        all.push(scenario(op, "rows", &[WIDE, WIDE, WIDE], |g| {
            let row = function("row", [vector(2), number(), vector(2)], |f, [x, y, c]| {
                let s = f.plain(Op::Sin, &[x]);
                let product = f.mul(s, c);
                f.mul(product, y)
            });
            g.functions(vec![row]);
            let (x, y) = (g.input("x", &[length, 2]), g.input("y", &[length]));
            let c = g.input("c", &[2]);
            let control = Control::scan(FunctionId(0), length, 0, 2, reverse);
            g.control(control, &[x, y, c], 1)[0]
        }));
    }
    all.push(scenario(Op::Map, "constants alone", &[WIDE], |g| {
        let cube = function("square", [number()], |f, [c]| f.mul(c, c));
        g.functions(vec![cube]);
        let c = g.input("c", &[]);
        g.control(Control::scan(FunctionId(0), 3, 0, 0, false), &[c], 1)[0]
    }));
}

fn mixed(all: &mut Vec<Scenario>) {
    let domains = [WIDE, WIDE, AROUND];
    all.push(scenario(Op::Scan, "a cond in each step", &domains, |g| {
        let sine = function("sine", [number(), number()], |f, [c, x]| {
            let s = f.plain(Op::Sin, &[c]);
            f.mul(s, x)
        });
        let sum = function("sum", [number(), number()], |f, [c, x]| f.add(c, x));
        let square = function("square", [number(), number()], |f, [c, x]| {
            let square = f.mul(x, x);
            let c = f.scale(0.5, c);
            f.add(c, square)
        });
        let parameters = [number(), number(), integer()];
        let step = tuple_function("step", parameters, |f, [c, x, k]| {
            let next = f.cond(&[0, 1, 2], &[k, c, x]);
            vec![next, f.mul(next, c)]
        });
        g.functions(vec![sine, sum, square, step]);
        let (c, x) = (g.input("c", &[]), g.input("x", &[5]));
        let k = integers(g, "k", &[5]);
        let control = Control::scan(FunctionId(3), 5, 1, 2, false);
        let r = g.control(control, &[c, x, k], 2);
        g.mul(r[0], r[1])
    }));
    all.push(scenario(
        Op::Scan,
        "a while in each step",
        &[POSITIVE, WIDE],
        |g| {
            // c ← √(c² + x²)
            let step = function("hypotenuse", [number(), number()], |f, [c, x]| {
                let (c, x) = (f.mul(c, c), f.mul(x, x));
                let sum = f.add(c, x);
                root(f, sum)
            });
            let mut all = newton().to_vec();
            all.push(step);
            g.functions(all);
            let (c, x) = (g.input("c", &[]), g.input("x", &[3]));
            let control = Control::scan(FunctionId(3), 3, 1, 1, false);
            g.control(control, &[c, x], 1)[0]
        },
    ));
    let domains = [WIDE, AROUND, WIDE];
    all.push(scenario(Op::While, "a scan in each step", &domains, |g| {
        let parameters = || [number(), integer(), vector(3)];
        let more = function("more", parameters(), |f, [_, k, _]| {
            let zero = f.whole(0);
            f.compare(Direction::Gt, k, zero)
        });
        let inner = function("inner", [number(), number()], |f, [c, x]| {
            let product = f.mul(c, x);
            f.plain(Op::Sin, &[product])
        });
        let step = tuple_function("step", parameters(), |f, [c, k, x]| {
            let one = f.whole(1);
            let control = Control::scan(FunctionId(1), 3, 1, 1, true);
            let next = f.control(control, &[c, x], 1)[0];
            vec![f.add(next, c), f.sub(k, one)]
        });
        g.functions(vec![more, inner, step]);
        let (c, k) = (g.input("c", &[]), integers(g, "k", &[]));
        let x = g.input("x", &[3]);
        let control = Control::while_loop(FunctionId(0), FunctionId(2), 0);
        g.control(control, &[c, k, x], 2)[0]
    }));
    all.push(scenario(Op::Map, "a map of maps", &[WIDE, WIDE], |g| {
        let product = function("product", [number(), number()], |f, [x, y]| {
            let s = f.plain(Op::Sin, &[x]);
            f.mul(s, y)
        });
        let row = function("row", [number(), vector(2)], |f, [x, y]| {
            let control = Control::scan(FunctionId(0), 2, 0, 1, false);
            // The sequence comes first: sin(y) x.
            f.control(control, &[y, x], 1)[0]
        });
        g.functions(vec![product, row]);
        let (x, y) = (g.input("x", &[3]), g.input("y", &[2]));
        let control = Control::scan(FunctionId(1), 3, 0, 1, false);
        g.control(control, &[x, y], 1)[0]
    }));
}

/// xⁿ by repeated squaring. Functions: power, one, some, even, odd.
fn power() -> Vec<FunctionSource> {
    let parameters = || [number(), integer()];
    let power = function("power", parameters(), |f, [x, n]| {
        let zero = f.whole(0);
        let more = f.compare(Direction::Gt, n, zero);
        f.cond(&[1, 2], &[more, x, n])
    });
    let one = function("one", parameters(), |f, [_, _]| f.real(1.0));
    let some = function("some", parameters(), |f, [x, n]| {
        let two = f.whole(2);
        let odd = f.plain(Op::Remainder, &[n, two]);
        f.cond(&[3, 4], &[odd, x, n])
    });
    let even = function("even", parameters(), |f, [x, n]| {
        let (two, square) = (f.whole(2), f.mul(x, x));
        let half = f.div(n, two);
        f.call(0, &[square, half])
    });
    let odd = function("odd", parameters(), |f, [x, n]| {
        let one = f.whole(1);
        let less = f.sub(n, one);
        let rest = f.call(0, &[x, less]);
        f.mul(x, rest)
    });
    vec![power, one, some, even, odd]
}

/// ∫ e^(-a x) sin x from 0 to b by adaptive Simpson: halves until both halves agree with the whole, at most six
/// times. Functions: integrand, simpson, adapt, done, deeper.
pub fn simpson(tolerance: f64, depth: i64) -> Vec<FunctionSource> {
    let n = number;
    let integrand = function("integrand", [n(), n()], |f, [a, x]| {
        let product = f.mul(a, x);
        let negative = f.plain(Op::Negate, &[product]);
        let (e, s) = (f.plain(Op::Exp, &[negative]), f.plain(Op::Sin, &[x]));
        f.mul(e, s)
    });
    // Of (a, from, to).
    let rule = function("simpson", [n(), n(), n()], |f, [a, from, to]| {
        let sum = f.add(from, to);
        let middle = f.scale(0.5, sum);
        let ends = [from, middle, to].map(|x| f.call(0, &[a, x]));
        let four = f.scale(4.0, ends[1]);
        let sum = f.add(ends[0], four);
        let sum = f.add(sum, ends[2]);
        let width = f.sub(to, from);
        let sixth = f.scale(1.0 / 6.0, width);
        f.mul(sum, sixth)
    });
    let parameters = || [n(), n(), n(), n(), integer()];
    let adapt = function("adapt", parameters(), |f, [a, from, to, whole, left]| {
        let sum = f.add(from, to);
        let middle = f.scale(0.5, sum);
        let (p, q) = (f.call(1, &[a, from, middle]), f.call(1, &[a, middle, to]));
        let halves = f.add(p, q);
        let off = f.sub(halves, whole);
        let size = f.plain(Op::Abs, &[off]);
        let (allowed, zero) = (f.real(15.0 * tolerance), f.whole(0));
        let (far, more) = (
            f.compare(Direction::Gt, size, allowed),
            f.compare(Direction::Gt, left, zero),
        );
        let split = f.plain(Op::And, &[far, more]);
        f.cond(&[3, 4], &[split, a, from, to, whole, left])
    });
    let halves = |f: &mut FunctionBuilder, [a, from, to]: [ValueId; 3]| {
        let sum = f.add(from, to);
        let middle = f.scale(0.5, sum);
        let (p, q) = (f.call(1, &[a, from, middle]), f.call(1, &[a, middle, to]));
        (middle, p, q)
    };
    let done = function("done", parameters(), |f, [a, from, to, whole, _]| {
        let (_, p, q) = halves(f, [a, from, to]);
        let sum = f.add(p, q);
        let off = f.sub(sum, whole);
        let correction = f.scale(1.0 / 15.0, off);
        f.add(sum, correction)
    });
    let deeper = function("deeper", parameters(), |f, [a, from, to, _, left]| {
        let (middle, p, q) = halves(f, [a, from, to]);
        let one = f.whole(1);
        let left = f.sub(left, one);
        let p = f.call(2, &[a, from, middle, p, left]);
        let q = f.call(2, &[a, middle, to, q, left]);
        f.add(p, q)
    });
    let all = function("integral", [n(), n()], |f, [a, b]| {
        let (zero, depth) = (f.real(0.0), f.whole(depth));
        let whole = f.call(1, &[a, zero, b]);
        f.call(2, &[a, zero, b, whole, depth])
    });
    vec![integrand, rule, adapt, done, deeper, all]
}

fn recursions(all: &mut Vec<Scenario>) {
    all.push(scenario(
        Op::Call,
        "power",
        &[(-1.2, 1.2), (-1.0, 12.9)],
        |g| {
            g.functions(power());
            let (x, n) = (g.input("x", &[]), integers(g, "n", &[]));
            g.call(0, &[x, n])
        },
    ));
    all.push(scenario(
        Op::Call,
        "adaptive Simpson",
        &[(0.1, 2.0), (0.5, 3.0)],
        |g| {
            g.functions(simpson(1e-12, 4));
            let (a, b) = (g.input("a", &[]), g.input("b", &[]));
            g.call(5, &[a, b])
        },
    ));
    all.push(scenario(Op::Call, "one another", &[WIDE, AROUND], |g| {
        let parameters = || [number(), integer()];
        let turn = |name: &str, end: u32, next: u32| {
            function(name, parameters(), |f, [x, k]| {
                let zero = f.whole(0);
                let more = f.compare(Direction::Gt, k, zero);
                f.cond(&[end, next], &[more, x, k])
            })
        };
        let goes = |name: &str, op: Op, to: u32| {
            function(name, parameters(), |f, [x, k]| {
                let one = f.whole(1);
                let (less, x) = (f.sub(k, one), f.plain(op, &[x]));
                f.call(to, &[x, less])
            })
        };
        let same = function("same", parameters(), |_, [x, _]| x);
        let square = function("square", parameters(), |f, [x, _]| f.mul(x, x));
        g.functions(vec![
            turn("even", 4, 2),
            turn("odd", 5, 3),
            goes("to odd", Op::Sin, 1),
            goes("to even", Op::Atan, 0),
            same,
            square,
        ]);
        let (x, k) = (g.input("x", &[]), integers(g, "k", &[]));
        g.call(0, &[x, k])
    }));
}

/// Derivatives used inside: of sin(a) b² and, through a scan, of a recurrence.
fn derivatives(all: &mut Vec<Scenario>) {
    let curved = || {
        function("curved", [vector(2), number()], |f, [a, b]| {
            let s = f.plain(Op::Sin, &[a]);
            let s = f.mul(s, b);
            let s = f.mul(s, s);
            f.sum(s)
        })
    };
    let inner = || {
        function("many", [vector(2), number()], |f, [a, b]| {
            let e = f.mul(a, b);
            f.plain(Op::Exp, &[e])
        })
    };
    let scalar = |product: Product, results: u32, take: usize| {
        move |g: &mut Draft| {
            g.functions(vec![curved(), inner()]);
            let (a, b) = (g.input("a", &[2]), g.input("b", &[]));
            g.derivative(0, product, &[], &[a, b], results)[take]
        }
    };
    let half = (-0.9, 0.9);
    let two = [half, half];
    let wrt = || vec![0, 1];
    for take in [0, 1] {
        let product = Product::Gradient {
            output: 0,
            wrt: wrt(),
        };
        all.push(scenario(
            Op::Derivative,
            "gradient",
            &two,
            scalar(product, 2, take),
        ));
    }
    for take in [0, 1, 3] {
        let product = Product::Hessian {
            output: 0,
            wrt: wrt(),
            layout: Layout::Dense,
        };
        all.push(scenario(
            Op::Derivative,
            "Hessian",
            &two,
            scalar(product, 4, take),
        ));
    }
    for take in [0, 1] {
        all.push(scenario(Op::Derivative, "Jacobian", &two, |g| {
            g.functions(vec![curved(), inner()]);
            let (a, b) = (g.input("a", &[2]), g.input("b", &[]));
            let product = Product::Jacobian {
                outputs: vec![0],
                wrt: wrt(),
                layout: Layout::Dense,
            };
            g.derivative(1, product, &[], &[a, b], 2)[take]
        }));
    }
    let three = [half, half, WIDE];
    for directions in [0, 3] {
        let stacked = |n: &[u64]| -> Vec<u64> {
            let lead = (directions > 0).then_some(u64::from(directions));
            lead.into_iter().chain(n.iter().copied()).collect()
        };
        all.push(scenario(Op::Derivative, "J v", &three, |g| {
            g.functions(vec![curved(), inner()]);
            let (a, b) = (g.input("a", &[2]), g.input("b", &[]));
            let v = g.input("v", &stacked(&[2]));
            let product = Product::Jvp { directions };
            g.derivative(1, product, &[0], &[a, b, v], 1)[0]
        }));
        all.push(scenario(Op::Derivative, "c J", &three, |g| {
            g.functions(vec![curved(), inner()]);
            let (a, b) = (g.input("a", &[2]), g.input("b", &[]));
            let c = g.input("c", &stacked(&[2]));
            let product = Product::Vjp { directions };
            g.derivative(1, product, &[0], &[a, b, c], 2)[1]
        }));
        all.push(scenario(Op::Derivative, "H v", &three, |g| {
            g.functions(vec![curved(), inner()]);
            let (a, b) = (g.input("a", &[2]), g.input("b", &[]));
            let v = g.input("v", &stacked(&[2]));
            let product = Product::Hvp {
                output: 0,
                wrt: wrt(),
                directions,
            };
            g.derivative(0, product, &[0], &[a, b, v], 2)[0]
        }));
    }
    all.push(scenario(
        Op::Derivative,
        "of a derivative",
        &[WIDE, WIDE],
        |g| {
            // ∂/∂x (x ∂/∂y (sin(x y) y))
            let f0 = function("f0", [number(), number()], |f, [x, y]| {
                let product = f.mul(x, y);
                let s = f.plain(Op::Sin, &[product]);
                f.mul(s, y)
            });
            let f1 = function("f1", [number(), number()], |f, [x, y]| {
                let slope = f.slope(0, 1, &[x, y]);
                f.mul(x, slope)
            });
            g.functions(vec![f0, f1]);
            let (x, y) = (g.input("x", &[]), g.input("y", &[]));
            g.slope(1, 0, &[x, y])
        },
    ));
    all.push(scenario(
        Op::Derivative,
        "of a loop, in a loop",
        &[WIDE, WIDE],
        |g| {
            // Descent on (c(u, w) - 1)², where c is a scan of sines.
            let turn = function("turn", [number(), number()], |f, [c, w]| {
                let s = f.plain(Op::Sin, &[c]);
                f.mul(s, w)
            });
            let loss = function("loss", [number(), number()], |f, [u, w]| {
                let control = Control::scan(FunctionId(0), 3, 1, 0, false);
                let end = f.control(control, &[u, w], 1)[0];
                let one = f.real(1.0);
                let off = f.sub(end, one);
                f.mul(off, off)
            });
            let descend = function("descend", [number(), number()], |f, [u, w]| {
                let slope = f.slope(1, 0, &[u, w]);
                let step = f.scale(0.1, slope);
                f.sub(u, step)
            });
            g.functions(vec![turn, loss, descend]);
            let (u, w) = (g.input("u", &[]), g.input("w", &[]));
            let control = Control::scan(FunctionId(2), 4, 1, 0, false);
            g.control(control, &[u, w], 1)[0]
        },
    ));
}

/// Roots, fixed points and linear systems, each of a vector.
fn implicit(all: &mut Vec<Scenario>) {
    let v = || vector(2);
    let domains = [POSITIVE, POSITIVE];
    all.push(scenario(Op::ImplicitRoot, "x³ + a x = b", &domains, |g| {
        let cubic = function("cubic", [v(), v(), v()], |f, [x, a, b]| {
            let square = f.mul(x, x);
            let slope = f.add(square, a);
            let product = f.mul(slope, x);
            f.sub(product, b)
        });
        g.functions(vec![cubic]);
        let (a, b) = (g.input("a", &[2]), g.input("b", &[2]));
        let start = g.constant(tensor(&v(), &[1.0, 1.0]));
        g.implicit(ImplicitKind::Root, 0, &[start, a, b])
    }));
    // A strong contraction: dual numbers, which go through the steps, are as far as the value is.
    let domains = [(-0.2, 0.2), (-0.7, 0.7)];
    all.push(scenario(Op::FixedPoint, "x = a cos(b x)", &domains, |g| {
        let cosine = function("cosine", [v(), number(), v()], |f, [x, a, b]| {
            let angle = f.mul(b, x);
            let cosine = f.plain(Op::Cos, &[angle]);
            f.mul(a, cosine)
        });
        g.functions(vec![cosine]);
        let (a, b) = (g.input("a", &[]), g.input("b", &[2]));
        let start = g.constant(tensor(&v(), &[0.0, 0.0]));
        g.implicit(ImplicitKind::FixedPoint, 0, &[start, a, b])
    }));
    all.push(scenario(
        Op::LinearSolve,
        "4 x + a ∘ reversed x = b",
        &[WIDE, WIDE],
        |g| {
            let operator = function("operator", [v(), v()], |f, [x, a]| {
                let dimensions = vec![0];
                let turned = f.node(Op::Reverse, &[x], Attributes::Reverse { dimensions }, 1);
                let (turned, four) = (f.mul(a, turned), f.scale(4.0, x));
                f.add(four, turned)
            });
            g.functions(vec![operator]);
            let (b, a) = (g.input("b", &[2]), g.input("a", &[2]));
            g.implicit(ImplicitKind::LinearSolve, 0, &[b, a])
        },
    ));
}
