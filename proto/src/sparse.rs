//! Sparse matrices on the wire.

use crate::v1::Tensor;
use bytes::Bytes;

/// A matrix in coordinate form: see `gradient/v1/graph.proto`. On the wire it is that message; here rows and columns
/// stay as they were sent until they are read, and a server that sends the same pattern again does not write it
/// again.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SparseTensor {
    /// Rows and columns.
    #[prost(uint64, repeated, tag = "1")]
    pub shape: Vec<u64>,
    /// Row of each entry, as [`pack`] writes them and [`unpack`] reads them.
    #[prost(bytes = "bytes", tag = "2")]
    pub rows: Bytes,
    /// Column of each entry, likewise.
    #[prost(bytes = "bytes", tag = "3")]
    pub columns: Bytes,
    /// The entries, shape `[entries]` (with a batch: `[B, entries]`).
    #[prost(message, optional, tag = "4")]
    pub values: Option<Tensor>,
}

/// Numbers as a packed `repeated uint64`: seven bits a byte, the lowest first, the top bit set on all but a number's
/// last byte.
pub fn pack(numbers: &[u64]) -> Bytes {
    let mut packed = Vec::with_capacity(numbers.len() * 3);
    for &number in numbers {
        prost::encoding::encode_varint(number, &mut packed);
    }
    packed.into()
}

/// The numbers of a packed `repeated uint64`; `None` if the bytes are none.
pub fn unpack(mut packed: &[u8]) -> Option<Vec<u64>> {
    // A number ends where the top bit is clear.
    let count = packed.iter().filter(|&&byte| byte < 0x80).count();
    let mut numbers = Vec::with_capacity(count);
    while let Some((number, rest)) = next(packed) {
        numbers.push(number);
        packed = rest;
    }
    packed.is_empty().then_some(numbers)
}

/// The first number, and what follows it. Numbers of up to four bytes are read without a loop.
#[inline(always)]
pub(crate) fn next(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match *bytes {
        [a, ref rest @ ..] if a < 0x80 => Some((a.into(), rest)),
        [a, b, ref rest @ ..] if b < 0x80 => Some((u64::from(a & 127) | u64::from(b) << 7, rest)),
        _ => longer(bytes),
    }
}

fn longer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (three, rest) = match *bytes {
        [a, b, c, ref rest @ ..] => ([a, b, c].map(|byte| u64::from(byte & 127)), rest),
        _ => return slow(bytes),
    };
    let low = three[0] | three[1] << 7 | three[2] << 14;
    match *rest {
        _ if bytes[2] < 0x80 => Some((low, rest)),
        [d, ref rest @ ..] if d < 0x80 => Some((low | u64::from(d) << 21, rest)),
        _ => slow(bytes),
    }
}

#[cold]
fn slow(mut bytes: &[u8]) -> Option<(u64, &[u8])> {
    let number = prost::encoding::decode_varint(&mut bytes).ok()?;
    Some((number, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    /// The message as the contract's file declares it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Declared {
        #[prost(uint64, repeated, tag = "1")]
        shape: Vec<u64>,
        #[prost(uint64, repeated, tag = "2")]
        rows: Vec<u64>,
        #[prost(uint64, repeated, tag = "3")]
        columns: Vec<u64>,
        #[prost(message, optional, tag = "4")]
        values: Option<Tensor>,
    }

    fn numbers() -> Vec<u64> {
        let powers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]);
        powers.chain([0, u64::MAX, 300]).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_declared_message() {
        let (rows, columns) = (numbers(), numbers().into_iter().rev().collect::<Vec<_>>());
        let declared = Declared {
            shape: vec![7, 9],
            rows: rows.clone(),
            columns: columns.clone(),
            values: Some(Tensor::default()),
        };
        let ours = SparseTensor {
            shape: vec![7, 9],
            rows: pack(&rows),
            columns: pack(&columns),
            values: Some(Tensor::default()),
        };
        assert_eq!(ours.encode_to_vec(), declared.encode_to_vec());
        let read = SparseTensor::decode(&declared.encode_to_vec()[..]).unwrap();
        assert_eq!(read, ours);
        assert_eq!(unpack(&read.columns), Some(columns));
        let none = SparseTensor::default().encode_to_vec();
        assert_eq!(none, Declared::default().encode_to_vec());
    }

    #[test]
    fn what_is_packed_is_unpacked_and_the_rest_refused() {
        assert_eq!(unpack(&pack(&numbers())), Some(numbers()));
        assert_eq!(unpack(&[]), Some(vec![]));
        for broken in [&[0x80][..], &[1, 0xff, 0xff], &[0xff; 11], &[1, 2, 3, 0x80]] {
            assert_eq!(unpack(broken), None, "{broken:?}");
        }
    }
}
