//! Graphs on the wire.

use crate::sparse::next;
use crate::v1::{Function, Input, Node, Output, Reshape, Slice, TensorType, node::Attributes};
use bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

/// A function from named inputs to named outputs: see `gradient/v1/graph.proto`. On the wire it is that message; it is read
/// by hand, for a graph may have millions of nodes, and nearly all of them are an operation and its operands.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Graph {
    /// For people; does not enter the graph's identity.
    pub name: String,
    /// Names are unique, not empty, and do not begin with '#'.
    pub inputs: Vec<Input>,
    /// Topological order: a node's operands are inputs or results of earlier nodes.
    pub nodes: Vec<Node>,
    /// At least one. Names are unique, not empty, and do not begin with '#'.
    pub outputs: Vec<Output>,
    /// Bodies for CALL, COND, WHILE, SCAN, MAP and DERIVATIVE, named by those nodes.
    pub functions: Vec<Function>,
}

/// Bytes of a short message of a list.
const SHORT: usize = 8;

/// Messages of a list for which there is room at once.
const MANY: usize = 1 << 14;

const NAME: u32 = 1;
const INPUTS: u32 = 2;
const NODES: u32 = 3;
const OUTPUTS: u32 = 4;
const FUNCTIONS: u32 = 5;

impl Message for Graph {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        if !self.name.is_empty() {
            encoding::string::encode(NAME, &self.name, buffer);
        }
        encoding::message::encode_repeated(INPUTS, &self.inputs, buffer);
        encoding::message::encode_repeated(NODES, &self.nodes, buffer);
        encoding::message::encode_repeated(OUTPUTS, &self.outputs, buffer);
        encoding::message::encode_repeated(FUNCTIONS, &self.functions, buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let (field, read) = match tag {
            NAME => (
                "name",
                encoding::string::merge(wire_type, &mut self.name, buffer, context),
            ),
            INPUTS => (
                "inputs",
                read(wire_type, &mut self.inputs, input, buffer, context),
            ),
            NODES => (
                "nodes",
                read(wire_type, &mut self.nodes, node, buffer, context),
            ),
            OUTPUTS => (
                "outputs",
                encoding::message::merge_repeated(wire_type, &mut self.outputs, buffer, context),
            ),
            FUNCTIONS => (
                "functions",
                encoding::message::merge_repeated(wire_type, &mut self.functions, buffer, context),
            ),
            _ => return encoding::skip_field(wire_type, tag, buffer, context),
        };
        read.map_err(|mut error| {
            error.push("Graph", field);
            error
        })
    }

    fn encoded_len(&self) -> usize {
        let name = match self.name.is_empty() {
            true => 0,
            false => encoding::string::encoded_len(NAME, &self.name),
        };
        name + encoding::message::encoded_len_repeated(INPUTS, &self.inputs)
            + encoding::message::encoded_len_repeated(NODES, &self.nodes)
            + encoding::message::encoded_len_repeated(OUTPUTS, &self.outputs)
            + encoding::message::encoded_len_repeated(FUNCTIONS, &self.functions)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Reads a message of a list: by `usual`, where it lies in one piece and is nothing else; otherwise as any other, which also
/// says what is wrong with it.
#[inline]
fn read<M: Message + Default>(
    wire_type: WireType,
    list: &mut Vec<M>,
    usual: fn(&[u8]) -> Option<M>,
    buffer: &mut impl Buf,
    context: DecodeContext,
) -> Result<(), DecodeError> {
    let piece = buffer.chunk();
    if wire_type == WireType::LengthDelimited
        && let Some((body, rest)) = delimited(piece)
        && let Some(message) = usual(body)
    {
        let taken = piece.len() - rest.len();
        buffer.advance(taken);
        if list.len() == list.capacity() {
            // As many more as there is room for in the message, if they are short, and as are there already at most.
            let more = buffer.remaining() / (taken.min(SHORT) + 1) + 1;
            list.reserve(more.min(list.len().max(MANY)));
        }
        list.push(message);
        return Ok(());
    }
    encoding::message::merge_repeated(wire_type, list, buffer, context)
}

/// So many bytes as the number before them says, and what follows.
#[inline(always)]
fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = next(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Keys of fields: number and wire type.
const fn key(field: u64, wire_type: WireType) -> u64 {
    field << 3 | wire_type as u64
}

const fn plain(field: u64) -> u64 {
    key(field, WireType::Varint)
}

const fn long(field: u64) -> u64 {
    key(field, WireType::LengthDelimited)
}

const FIRST: u64 = long(1);
const SECOND: u64 = long(2);
const THIRD: u64 = long(3);

/// A node with an operation, operands and a label, and the attributes of what takes a vector apart. `None` for any other.
fn node(mut bytes: &[u8]) -> Option<Node> {
    const OP: u64 = plain(1);
    const OPERANDS: u64 = SECOND;
    const OP_BYTE: u8 = OP as u8;
    const OPERANDS_BYTE: u8 = OPERANDS as u8;
    const LABEL: u64 = THIRD;
    const RESHAPE: u64 = long(15);
    const SLICE: u64 = long(18);
    // Nearly all are nothing but an operation and a few operands.
    if let [OP_BYTE, op @ ..0x80, OPERANDS_BYTE, length, packed @ ..] = bytes
        && packed.len() == usize::from(*length)
        && let Some(operands) = few(packed)
    {
        return Some(Node {
            op: (*op).into(),
            operands,
            ..Node::default()
        });
    }
    let mut node = Node::default();
    while !bytes.is_empty() {
        let (key, rest) = next(bytes)?;
        if key == OP {
            let (op, rest) = next(rest)?;
            (node.op, bytes) = (op as i32, rest);
            continue;
        }
        let (body, rest) = delimited(rest)?;
        bytes = rest;
        match key {
            OPERANDS => numbers(body, &mut node.operands, |n| n as u32)?,
            LABEL => node.label = text(body)?,
            RESHAPE if node.attributes.is_none() => {
                let mut reshape = Reshape::default();
                lists(body, [&mut reshape.shape])?;
                node.attributes = Some(Attributes::Reshape(reshape.into()));
            }
            SLICE if node.attributes.is_none() => {
                let mut slice = Slice::default();
                let Slice {
                    starts,
                    limits,
                    strides,
                } = &mut slice;
                lists(body, [starts, limits, strides])?;
                node.attributes = Some(Attributes::Slice(slice.into()));
            }
            _ => return None,
        }
    }
    Some(node)
}

/// An input.
fn input(mut bytes: &[u8]) -> Option<Input> {
    let mut input = Input::default();
    while !bytes.is_empty() {
        let (key, rest) = next(bytes)?;
        let (body, rest) = delimited(rest)?;
        bytes = rest;
        match key {
            FIRST => input.name = text(body)?,
            SECOND if input.r#type.is_none() => input.r#type = Some(tensor_type(body)?),
            _ => return None,
        }
    }
    Some(input)
}

fn tensor_type(mut bytes: &[u8]) -> Option<TensorType> {
    const DTYPE: u64 = plain(1);
    let mut ty = TensorType::default();
    while !bytes.is_empty() {
        let (key, rest) = next(bytes)?;
        match key {
            DTYPE => {
                let (dtype, rest) = next(rest)?;
                (ty.dtype, bytes) = (dtype as i32, rest);
            }
            SECOND => {
                let (body, rest) = delimited(rest)?;
                bytes = rest;
                numbers(body, &mut ty.shape, |n| n)?;
            }
            _ => return None,
        }
    }
    Some(ty)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(String::from)
}

/// Fields that are packed numbers, the first with number 1.
fn lists<const N: usize>(mut bytes: &[u8], mut lists: [&mut Vec<u64>; N]) -> Option<()> {
    while !bytes.is_empty() {
        let (key, rest) = next(bytes)?;
        let (body, rest) = delimited(rest)?;
        bytes = rest;
        if key & 7 != WireType::LengthDelimited as u64 {
            return None;
        }
        let at = (key >> 3).checked_sub(1)?;
        let list = lists.get_mut(usize::try_from(at).ok()?)?;
        numbers(body, list, |n| n)?;
    }
    Some(())
}

/// One packed number or two, in a list of their own.
#[inline]
fn few(packed: &[u8]) -> Option<Vec<u32>> {
    let (a, rest) = next(packed)?;
    if rest.is_empty() {
        return Some(vec![a as u32]);
    }
    let (b, rest) = next(rest)?;
    rest.is_empty().then(|| vec![a as u32, b as u32])
}

/// Packed numbers, after those that are there.
#[inline]
fn numbers<T>(mut bytes: &[u8], list: &mut Vec<T>, of: fn(u64) -> T) -> Option<()> {
    if list.is_empty()
        && let Some((number, [])) = next(bytes)
    {
        *list = vec![of(number)];
        return Some(());
    }
    // A number ends where the top bit is clear.
    let count = bytes.iter().filter(|&&byte| byte < 0x80).count();
    list.reserve_exact(count);
    while !bytes.is_empty() {
        let (number, rest) = next(bytes)?;
        list.push(of(number));
        bytes = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Compare, Op};

    /// The message as the contract's file declares it.
    #[derive(Clone, PartialEq, Message)]
    struct Declared {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, repeated, tag = "2")]
        inputs: Vec<Input>,
        #[prost(message, repeated, tag = "3")]
        nodes: Vec<Node>,
        #[prost(message, repeated, tag = "4")]
        outputs: Vec<Output>,
        #[prost(message, repeated, tag = "5")]
        functions: Vec<Function>,
    }

    fn declared() -> Declared {
        let node = |op: Op, operands: &[u32], attributes| Node {
            op: op as i32,
            operands: operands.to_vec(),
            label: String::new(),
            attributes,
        };
        let slice = Slice {
            starts: vec![0, 1 << 40],
            limits: vec![300, u64::MAX],
            strides: vec![],
        };
        let reshape = Reshape {
            shape: vec![1, 200],
        };
        let compare = Compare { direction: 3 };
        Declared {
            name: "f".into(),
            inputs: vec![
                Input {
                    name: "x".into(),
                    r#type: Some(TensorType {
                        dtype: 1,
                        shape: vec![3, 1000],
                    }),
                },
                Input::default(),
            ],
            nodes: vec![
                node(Op::Add, &[0, 127, 128, 1 << 20, u32::MAX], None),
                node(Op::Slice, &[1], Some(Attributes::Slice(slice.into()))),
                node(Op::Reshape, &[2], Some(Attributes::Reshape(reshape.into()))),
                node(
                    Op::Compare,
                    &[2, 3],
                    Some(Attributes::Compare(compare.into())),
                ),
                Node {
                    label: "größer".into(),
                    op: -1,
                    ..node(Op::Add, &[], None)
                },
                Node::default(),
            ],
            outputs: vec![Output {
                name: "y".into(),
                value: 7,
            }],
            functions: vec![Function {
                name: "g".into(),
                ..Function::default()
            }],
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_declared_message() {
        let declared = declared();
        let bytes = declared.encode_to_vec();
        let graph = Graph::decode(&bytes[..]).unwrap();
        assert_eq!(graph.nodes, declared.nodes);
        assert_eq!(graph.inputs, declared.inputs);
        assert_eq!(
            (&graph.name, &graph.outputs),
            (&declared.name, &declared.outputs)
        );
        assert_eq!(graph.functions, declared.functions);
        assert_eq!(graph.encode_to_vec(), bytes);
        assert_eq!(graph.encoded_len(), bytes.len());
        // Where the message does not lie in one piece.
        for cut in 0..bytes.len() {
            let pieces = bytes[..cut].chain(&bytes[cut..]);
            assert_eq!(Graph::decode(pieces).unwrap(), graph);
        }
        assert_eq!(Graph::default().encode_to_vec(), Vec::<u8>::new());
    }

    /// Every message that is wrong, or unusual, is read or refused like any other, in the same words.
    #[test]
    fn what_is_unusual_is_read_as_any_other_message() {
        let bytes = declared().encode_to_vec();
        let agree = |bytes: &[u8]| match (Graph::decode(bytes), Declared::decode(bytes)) {
            (Ok(ours), Ok(declared)) => assert_eq!(ours.encode_to_vec(), declared.encode_to_vec()),
            (Err(ours), Err(declared)) => {
                let declared = declared.to_string();
                assert_eq!(ours.to_string(), declared.replace("Declared.", "Graph."));
            }
            (ours, declared) => panic!("{bytes:?}: {ours:?} against {declared:?}"),
        };
        for i in 0..bytes.len() {
            agree(&bytes[..i]);
            for change in [1u8, 2, 7, 8, 16, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[i] = changed[i].wrapping_add(change);
                agree(&changed);
            }
        }
        // Fields that come twice, and operands that are not packed.
        let twice = [
            8, 3, 8, 4, 18, 2, 1, 2, 18, 1, 200, 1, 18, 1, 9, 16, 5, 26, 1, b'a', 26, 1, b'b',
        ];
        for end in 0..=twice.len() {
            let node = &twice[..end];
            agree(&[&[26, end as u8], node].concat());
        }
    }
}
