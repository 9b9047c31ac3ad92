//! The normal form and its hash: two graphs that compute the same thing the same way have one id.

use super::callees::{Callees, Digest};
use super::function::callees;
use super::interner::mix;
use super::{Graph, NodeId, NodeRef};
use crate::op::{Attributes, ControlKind, FunctionId, Op, Product, ValueId, is_commutative};
use crate::tensor::{DType, Tensor, TensorType};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Changes whenever the encoding below does: ids of different versions never meet.
const VERSION: &str = "gradient.v1 canonical graph 2";

/// BLAKE3-256 over the canonical encoding of the normalised graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GraphId([u8; 32]);

impl fmt::Display for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for GraphId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.as_bytes();
        let wrong = || "a graph id is 64 lower-case hexadecimal digits".to_string();
        if hex.len() != 64 || hex.iter().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(hex.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(id))
    }
}

impl Graph {
    /// The graph's identity: node order, dead nodes, repeated nodes, order of commutative operands, names and
    /// labels do not count; input positions and types, and constants bit by bit, do.
    pub fn id(&self) -> GraphId {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Vec::with_capacity(1 << 16);
        let mut callees = Callees::new(self);
        put_bytes(&mut buffer, VERSION.as_bytes());
        put_graph(self, &mut callees, &mut buffer, &mut hasher);
        // Functions in the order in which they are met; each may name more of them.
        let mut next = 0;
        while let Some(&f) = callees.order.get(next) {
            next += 1;
            let function = &self.functions()[f];
            put(&mut buffer, u64::MAX - 1);
            put_graph(&function.body, &mut callees, &mut buffer, &mut hasher);
            for rule in [function.custom_jvp, function.custom_vjp] {
                let number = rule.map_or(0, |f| 1 + callees.number(f));
                put(&mut buffer, number);
            }
        }
        hasher.update(&buffer);
        GraphId(*hasher.finalize().as_bytes())
    }
}

fn put_graph(
    graph: &Graph,
    callees: &mut Callees,
    buffer: &mut Vec<u8>,
    hasher: &mut blake3::Hasher,
) {
    let (order, repeated) = structural_hashes(graph, callees.hashes());
    let mut encoder = Encoder {
        graph,
        order,
        repeated,
        callees,
        numbers: vec![UNNUMBERED; graph.arena().len()],
        sharing: HashTable::new(),
        next: 0,
    };
    put(buffer, graph.inputs().len() as u64);
    for input in graph.inputs() {
        put_type(buffer, &input.ty);
        encoder.numbers[input.value.index()] = encoder.next;
        encoder.next += 1;
    }
    for output in graph.outputs() {
        encoder.visit(output.value, buffer, hasher);
    }
    put(buffer, u64::MAX);
    for output in graph.outputs() {
        put(buffer, encoder.numbers[output.value.index()].into());
    }
}

/// What a node with bodies says of them; `function` writes each.
pub(super) fn put_bodies(
    buffer: &mut Vec<u8>,
    attributes: &Attributes,
    mut function: impl FnMut(FunctionId, &mut Vec<u8>),
) {
    match attributes {
        Attributes::Control(control) => {
            let (kind, length) = match control.kind {
                ControlKind::Call => (0, 0),
                ControlKind::Cond => (1, 0),
                ControlKind::While { max_iterations } => (2, max_iterations),
                ControlKind::Scan { length, reverse } => (3 + u64::from(reverse), length),
            };
            put(buffer, kind);
            put(buffer, length);
            put(buffer, control.carries.into());
            put(buffer, control.sequences.into());
            put(buffer, control.functions.len() as u64);
            for &f in &control.functions {
                function(f, buffer);
            }
        }
        Attributes::Derivative(derivative) => {
            function(derivative.function, buffer);
            let list = |list: &[u32]| -> Vec<u64> { list.iter().map(|&i| i.into()).collect() };
            let (kind, numbers) = match &derivative.product {
                Product::Value { outputs } => (0, list(outputs)),
                Product::Gradient { output, wrt } => {
                    (1, [&[(*output).into()][..], &list(wrt)].concat())
                }
                Product::Jacobian { outputs, wrt, .. } => {
                    let count = outputs.len() as u64;
                    (2, [&[count][..], &list(outputs), &list(wrt)].concat())
                }
                Product::Jvp { directions } => (3, vec![(*directions).into()]),
                Product::Vjp { directions } => (4, vec![(*directions).into()]),
                Product::Hessian { output, wrt, .. } => {
                    (5, [&[(*output).into()][..], &list(wrt)].concat())
                }
                Product::Hvp {
                    output,
                    wrt,
                    directions,
                } => {
                    let head = [u64::from(*output), (*directions).into()];
                    (6, [&head[..], &list(wrt)].concat())
                }
            };
            put(buffer, kind);
            put_list(buffer, numbers.into_iter());
            put_list(buffer, derivative.directed.iter().map(|&i| i.into()));
        }
        Attributes::Implicit(implicit) => {
            function(implicit.function, buffer);
            put(buffer, implicit.max_iterations);
            put(buffer, implicit.tolerance_bits);
        }
        _ => {}
    }
}

const UNNUMBERED: u32 = u32::MAX;

/// A hash of what each value computes, to order commutative operands by. A collision costs two spellings of one
/// function their common id, never two functions their difference.
fn structural_hashes(graph: &Graph, functions: &[Digest]) -> (Vec<u64>, Repeated) {
    let arena = graph.arena();
    let mut repeated = Repeated::of(arena.node_count());
    let mut hashes = vec![0u64; arena.len()];
    for (i, input) in graph.inputs().iter().enumerate() {
        hashes[input.value.index()] = mix(0x1234_5678 + i as u64);
    }
    // Attributes are interned: each is hashed once, by content.
    let mut of_attributes: Vec<Option<u64>> = Vec::new();
    // Of nodes without attributes, by operation: nearly all of a large scalar graph.
    let mut plain: Vec<u64> = Vec::new();
    for node in arena.steps() {
        let attributes = node.attributes as usize;
        let op = node.op.number();
        let known = plain.get(op as usize).filter(|_| attributes == 0);
        let mut hash = match known {
            Some(&known) if known != 0 => known,
            _ => {
                if attributes >= of_attributes.len() {
                    of_attributes.resize(attributes + 1, None);
                }
                let of = &mut of_attributes[attributes];
                let content = || attributes_hash(arena.attributes(node.attributes), functions);
                let hash = mix(*of.get_or_insert_with(content) ^ mix(op.into()));
                if attributes == 0 {
                    let length = plain.len().max(op as usize + 1);
                    plain.resize(length, 0);
                    plain[op as usize] = hash;
                }
                hash
            }
        };
        if is_commutative(node.op) {
            let (a, b) = (
                hashes[node.operands[0].index()],
                hashes[node.operands[1].index()],
            );
            hash = mix(hash ^ a.min(b)).wrapping_add(a.max(b));
        } else {
            for operand in node.operands {
                hash = mix(hash).wrapping_add(hashes[operand.index()]);
            }
        }
        for (i, result) in node.results().enumerate() {
            hashes[result.index()] = mix(hash.wrapping_add(i as u64));
        }
        repeated.note(hashes[node.result.index()]);
    }
    (hashes, repeated)
}

/// Which hashes come more than once, and a few others: two sets of bits, for most values of a large graph are met
/// once and a table of all of them does not fit the cache.
struct Repeated {
    met: Vec<u64>,
    again: Vec<u64>,
}

impl Repeated {
    /// Bits a value: one in sixteen values is taken for one that comes again.
    const BITS: usize = 16;

    fn of(values: usize) -> Self {
        let words = (values * Self::BITS / 64).next_power_of_two();
        Self {
            met: vec![0; words],
            again: vec![0; words],
        }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 6) as usize & (self.met.len() - 1);
        (word, 1 << (hash & 63))
    }

    fn note(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        if self.met[word] & bit != 0 {
            self.again[word] |= bit;
        }
        self.met[word] |= bit;
    }

    fn has(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.again[word] & bit != 0
    }
}

fn attributes_hash(attributes: &Attributes, functions: &[Digest]) -> u64 {
    let mut hasher = FxHasher::default();
    match attributes {
        Attributes::Constant(tensor) => canonical_constant(tensor).hash(&mut hasher),
        other if !callees(other).is_empty() => {
            let mut bytes = Vec::new();
            put_bodies(&mut bytes, other, |f, bytes| {
                bytes.extend_from_slice(&functions[f.index()]);
            });
            bytes.hash(&mut hasher);
        }
        other => other.hash(&mut hasher),
    }
    hasher.finish()
}

struct Encoder<'a> {
    graph: &'a Graph,
    callees: &'a mut Callees,
    order: Vec<u64>,
    /// Values whose equals may be met: only these are looked for.
    repeated: Repeated,
    /// Canonical number of each value, in order of a depth-first walk from the outputs.
    numbers: Vec<u32>,
    /// Encoded values by structural hash, so that equal ones are encoded once.
    sharing: HashTable<ValueId>,
    next: u32,
}

impl Encoder<'_> {
    fn sorted_operands(&self, operands: &[ValueId]) -> [ValueId; 2] {
        let (a, b) = (operands[0], operands[1]);
        match self.order[a.index()] <= self.order[b.index()] {
            true => [a, b],
            false => [b, a],
        }
    }

    /// Whether two encoded nodes compute the same: operation, attributes and canonical operands, compared in full,
    /// so that no collision can give two functions one id.
    fn same(&self, a: ValueId, b: ValueId) -> bool {
        let arena = self.graph.arena();
        let (Some(x), Some(y)) = (arena.producer(a), arena.producer(b)) else {
            return false;
        };
        x.op == y.op
            && self.attributes_of(x) == self.attributes_of(y)
            && (self.attributes_of(x).is_some() || self.bodies_of(x) == self.bodies_of(y))
            && self.operand_numbers(x).eq(self.operand_numbers(y))
    }

    /// Attributes by number; `None` for those that name functions.
    fn attributes_of(&self, node: NodeRef<'_>) -> Option<u32> {
        let plain = callees(node.attributes).is_empty();
        plain.then(|| self.graph.arena().attributes_id(node.id))
    }

    /// Nodes with bodies compare by what these compute.
    fn bodies_of(&self, node: NodeRef<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_bodies(&mut bytes, node.attributes, |f, bytes| {
            bytes.extend_from_slice(&self.callees.key(f));
        });
        bytes
    }

    /// Canonical numbers of a node's operands, in canonical order.
    fn operand_numbers<'b>(&'b self, node: NodeRef<'b>) -> impl Iterator<Item = u32> + 'b {
        let pair = is_commutative(node.op).then(|| self.sorted_operands(node.operands));
        (0..node.operands.len()).map(move |i| {
            let operand = pair.map_or(node.operands[i], |pair| pair[i]);
            self.numbers[operand.index()]
        })
    }

    /// The equal of a value among those encoded: equal ones have one structural hash.
    fn shared(&self, value: ValueId) -> Option<ValueId> {
        let same = |&v: &ValueId| self.same(v, value);
        self.sharing.find(self.order[value.index()], same).copied()
    }

    /// A value's node, as none of whose operands has been looked at; `None` for a parameter.
    #[inline(always)]
    fn opened(&self, value: ValueId) -> Option<Open> {
        let step = self.graph.arena().producer_step(value)?;
        let order = |v: ValueId| self.order[v.index()];
        Some(Open {
            node: step.id,
            next: 0,
            turned: is_commutative(step.op) && order(step.operands[0]) > order(step.operands[1]),
        })
    }

    /// Encodes a value's node after its operands. The stack is explicit: graphs can be millions of nodes deep.
    fn visit(&mut self, root: ValueId, buffer: &mut Vec<u8>, hasher: &mut blake3::Hasher) {
        if self.numbers[root.index()] != UNNUMBERED {
            return;
        }
        let arena = self.graph.arena();
        let mut stack: Vec<Open> = self.opened(root).into_iter().collect();
        'nodes: while let Some(open) = stack.last_mut() {
            let step = arena.step(open.node);
            let turned = open.turned;
            while let Some(&operand) = step.operands.get(open.next ^ usize::from(turned)) {
                open.next += 1;
                if self.numbers[operand.index()] == UNNUMBERED
                    && let Some(operand) = self.opened(operand)
                {
                    stack.push(operand);
                    continue 'nodes;
                }
            }
            stack.pop();
            // A node is encoded whole, whichever of its results was asked for.
            let value = step.result;
            let repeated = self.repeated.has(self.order[value.index()]);
            if repeated && let Some(same) = self.shared(value) {
                for (i, result) in step.results().enumerate() {
                    self.numbers[result.index()] = self.numbers[same.index() + i];
                }
                continue;
            }
            if buffer.len() > 1 << 16 {
                hasher.update(buffer);
                buffer.clear();
            }
            let pair;
            let operands = match *step.operands {
                [a, b] if turned => {
                    pair = [b, a];
                    &pair[..]
                }
                _ => step.operands,
            };
            // Nearly every node of a large scalar graph ends here.
            if !repeated && arena.of_scalars(&step).is_some() {
                let dtype = arena.ty(value).dtype;
                put_scalar(buffer, step.op, operands, &self.numbers, dtype);
                self.numbers[value.index()] = self.next;
                self.next += 1;
                continue;
            }
            let node = arena.node(step.id);
            let numbers = operands.iter().map(|v| self.numbers[v.index()].into());
            put(buffer, node.op.number().into());
            put_list(buffer, numbers);
            put_type(buffer, node.ty);
            put_attributes(buffer, node.attributes);
            put_bodies(buffer, node.attributes, |f, buffer| {
                put(buffer, self.callees.number(f));
            });
            for result in node.results() {
                self.numbers[result.index()] = self.next;
                self.next += 1;
            }
            if repeated {
                let hash = |v: ValueId| self.order[v.index()];
                (self.sharing).insert_unique(hash(value), value, |&v| hash(v));
            }
        }
    }
}

/// A node that is encoded when its operands are.
struct Open {
    node: NodeId,
    /// Of which these many have been looked at.
    next: usize,
    /// Whether its two operands change places.
    turned: bool,
}

/// A number in seven bits a byte, least significant first (LEB128): most are small, and hashing takes its time for
/// every byte.
#[inline]
pub(super) fn put(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

/// The same of 28 bits, in a word, and how many bytes that are.
#[inline(always)]
fn packed(n: u32) -> (u32, usize) {
    let last = |k: u32| n >> (7 * k) << (8 * k);
    let another = |k: u32| (n >> (7 * k) & 0x7f | 0x80) << (8 * k);
    match n {
        0..0x80 => (n, 1),
        0x80..0x4000 => (another(0) | last(1), 2),
        0x4000..0x20_0000 => (another(0) | another(1) | last(2), 3),
        _ => (another(0) | another(1) | another(2) | last(3), 4),
    }
}

/// A node by element of scalars: its operation, its operands' numbers and its result's type, as for all nodes, at once.
#[inline]
fn put_scalar(buffer: &mut Vec<u8>, op: Op, operands: &[ValueId], numbers: &[u32], dtype: DType) {
    // An operation, a count, two numbers of up to four bytes each, and a type have room in a register: what goes through
    // memory byte by byte has to be waited for.
    const MOST: u32 = 1 << 28;
    let fits = operands.len() <= 2 && operands.iter().all(|v| numbers[v.index()] < MOST);
    if !fits {
        put(buffer, op.number().into());
        put_list(buffer, operands.iter().map(|v| numbers[v.index()].into()));
        buffer.extend([type_code(dtype), 0]);
        return;
    }
    let (mut word, mut length) = (0u128, 0);
    let mut add = |number: u32| {
        let (bytes, count) = packed(number);
        word |= u128::from(bytes) << (8 * length);
        length += count;
    };
    add(op.number());
    add(operands.len() as u32);
    operands.iter().for_each(|v| add(numbers[v.index()]));
    add(type_code(dtype).into());
    // No dimensions follow.
    length += 1;
    // To write as many bytes each time takes less than to ask how many.
    let end = buffer.len() + length;
    buffer.extend_from_slice(&word.to_le_bytes());
    buffer.truncate(end);
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

fn put_list(buffer: &mut Vec<u8>, list: impl ExactSizeIterator<Item = u64>) {
    put(buffer, list.len() as u64);
    list.for_each(|n| put(buffer, n));
}

pub(super) fn put_type(buffer: &mut Vec<u8>, ty: &TensorType) {
    buffer.push(type_code(ty.dtype));
    put_list(buffer, ty.shape.iter().copied());
}

fn type_code(dtype: DType) -> u8 {
    match dtype {
        DType::F64 => 1,
        DType::F32 => 2,
        DType::Bool => 3,
        DType::I64 => 4,
    }
}

/// The result's type is encoded beside the attributes, so what follows from it is left out.
pub(super) fn put_attributes(buffer: &mut Vec<u8>, attributes: &Attributes) {
    let wide = |list: &[u32]| -> Vec<u64> { list.iter().map(|&n| n.into()).collect() };
    // Dimensions whose order does not count.
    let sorted = |list: &[u32]| -> Vec<u64> {
        let mut list = wide(list);
        list.sort_unstable();
        list
    };
    let mut lists = |all: &[&[u64]]| {
        for list in all {
            put_list(buffer, list.iter().copied());
        }
    };
    match attributes {
        Attributes::None | Attributes::Convert { .. } | Attributes::Reshape { .. } => {}
        Attributes::Constant(tensor) => put_bytes(buffer, &canonical_constant(tensor)),
        Attributes::Iota { dimension, .. } | Attributes::Concatenate { dimension } => {
            put(buffer, (*dimension).into());
        }
        Attributes::Compare { direction } => put(buffer, *direction as u64),
        Attributes::Reduce { axes, keep_dims } => {
            lists(&[&sorted(axes), &[u64::from(*keep_dims)]]);
        }
        Attributes::Transpose { permutation } => lists(&[&wide(permutation)]),
        Attributes::BroadcastInDim { dimensions, .. } => lists(&[&wide(dimensions)]),
        Attributes::Slice {
            starts,
            limits,
            strides,
        } => lists(&[starts, limits, unless_all(strides, 1)]),
        Attributes::Pad {
            low,
            high,
            interior,
        } => lists(&[low, high, unless_all(interior, 0)]),
        Attributes::DotGeneral(d) => lists(&[
            &wide(&d.lhs_contracting),
            &wide(&d.rhs_contracting),
            &wide(&d.lhs_batch),
            &wide(&d.rhs_batch),
        ]),
        Attributes::Gather(g) => lists(&[
            &wide(&g.offset_dims),
            &wide(&g.collapsed_slice_dims),
            &wide(&g.start_index_map),
            &[g.index_vector_dim.into(), g.out_of_bounds as u64],
            &g.slice_sizes,
        ]),
        Attributes::Scatter(s) => lists(&[
            &wide(&s.update_window_dims),
            &wide(&s.inserted_window_dims),
            &wide(&s.scatter_dims_to_operand_dims),
            &[s.index_vector_dim.into(), s.out_of_bounds as u64],
        ]),
        Attributes::IntegerPow { exponent } => put(buffer, i64::from(*exponent) as u64),
        Attributes::Variance {
            axes,
            keep_dims,
            ddof,
        } => {
            lists(&[&sorted(axes), &[u64::from(*keep_dims), (*ddof).into()]]);
        }
        Attributes::Norm {
            kind,
            axes,
            keep_dims,
        } => {
            lists(&[&sorted(axes), &[u64::from(*keep_dims), *kind as u64]]);
        }
        Attributes::ArgReduce { axis, keep_dims } => {
            lists(&[&[(*axis).into(), u64::from(*keep_dims)]]);
        }
        Attributes::Cumulative { axis, reverse } => {
            lists(&[&[(*axis).into(), u64::from(*reverse)]]);
        }
        Attributes::Softmax { axis } => put(buffer, (*axis).into()),
        Attributes::Diagonal { offset } => put(buffer, i64::from(*offset) as u64),
        Attributes::Einsum { equation } => put_bytes(buffer, equation.as_bytes()),
        Attributes::OneHot { depth, .. } => put(buffer, *depth),
        Attributes::Tile { repeats } => lists(&[repeats]),
        Attributes::Reverse { dimensions } => {
            lists(&[&sorted(dimensions)]);
        }
        Attributes::DynamicSlice { sizes } => lists(&[sizes]),
        Attributes::Sort { axis, descending } => {
            lists(&[&[(*axis).into(), u64::from(*descending)]]);
        }
        Attributes::TopK { k } => put(buffer, *k),
        Attributes::TriangularSolve {
            lower,
            transpose_a,
            unit_diagonal,
        } => lists(&[&[*lower, *transpose_a, *unit_diagonal].map(u64::from)]),
        Attributes::Solve { transpose_a } => put(buffer, u64::from(*transpose_a)),
        Attributes::Windows(w) => lists(&[
            &w.sizes,
            unless_all(&w.strides, 1),
            unless_all(&w.dilations, 1),
            &w.shape,
        ]),
        Attributes::Convolution(c) => lists(&[
            unless_all(&c.strides, 1),
            unless_all(&c.low, 0),
            unless_all(&c.high, 0),
            unless_all(&c.dilations, 1),
            &[c.groups.max(1)],
        ]),
        Attributes::Pool(p) => {
            let strides = if p.strides.is_empty() {
                &p.sizes
            } else {
                &p.strides
            };
            lists(&[
                &p.sizes,
                strides,
                unless_all(&p.low, 0),
                unless_all(&p.high, 0),
            ]);
        }
        Attributes::Fourier { length } => put(buffer, *length),
        Attributes::Interpolate {
            kind,
            extrapolation,
        } => lists(&[&[*kind as u64, *extrapolation as u64]]),
        Attributes::BSpline { degree } => put(buffer, (*degree).into()),
        Attributes::SparsePattern(s) => lists(&[
            &[s.row_count, s.column_count, u64::from(s.transpose)],
            &s.rows,
            &s.columns,
        ]),
        Attributes::SearchSorted { right } => put(buffer, u64::from(*right)),
        // See `put_bodies`.
        Attributes::Control(_) | Attributes::Derivative(_) | Attributes::Implicit(_) => {}
    }
}

/// A list of nothing but the default means the same as none.
fn unless_all(list: &[u64], default: u64) -> &[u64] {
    match list.iter().all(|&n| n == default) {
        true => &[],
        false => list,
    }
}

/// The bytes of a constant, with all NaNs as one.
fn canonical_constant(tensor: &Tensor) -> Vec<u8> {
    let mut raw = tensor.raw().to_vec();
    match tensor.ty().dtype {
        DType::F64 => {
            for chunk in raw.chunks_exact_mut(8) {
                let bytes: [u8; 8] = (&*chunk).try_into().expect("8 bytes");
                if f64::from_le_bytes(bytes).is_nan() {
                    chunk.copy_from_slice(&f64::NAN.to_le_bytes());
                }
            }
        }
        DType::F32 => {
            for chunk in raw.chunks_exact_mut(4) {
                let bytes: [u8; 4] = (&*chunk).try_into().expect("4 bytes");
                if f32::from_le_bytes(bytes).is_nan() {
                    chunk.copy_from_slice(&f32::NAN.to_le_bytes());
                }
            }
        }
        DType::Bool | DType::I64 => {}
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_nodes_are_written_as_all_nodes() {
        let numbers = [0, 127, 128, 1 << 14, 1 << 28, u32::MAX];
        let lists = (0..numbers.len()).flat_map(|i| (0..=3).map(move |n| (i, n)));
        for (i, n) in lists {
            for op in [Op::Add, Op::Exp, Op::Fma] {
                for dtype in DType::ALL {
                    let operands: Vec<ValueId> = (0..n)
                        .map(|k| ValueId(((i + k) % numbers.len()) as u32))
                        .collect();
                    let (mut at_once, mut one_by_one) = (vec![7], vec![7]);
                    put_scalar(&mut at_once, op, &operands, &numbers, dtype);
                    put(&mut one_by_one, op.number().into());
                    let all = operands.iter().map(|v| numbers[v.index()].into());
                    put_list(&mut one_by_one, all);
                    put_type(&mut one_by_one, &TensorType::scalar(dtype));
                    assert_eq!(at_once, one_by_one);
                }
            }
        }
    }
}
