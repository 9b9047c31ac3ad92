//! What can be asked of a graph at a point.

use gradient_proto::v1::{self as proto, Layout, product::Product as Kind};

use super::signature::{Positional, Signature, on_wire};
use crate::{error::Error, tensor::Tensor};

/// All inputs or all outputs of floating-point type: what an empty list of names means.
pub const ALL: [&str; 0] = [];

/// A value or derivative. Empty `outputs` or `wrt` mean all; an empty `output` means the only one.
///
/// Seeds have the shape of the input or output they belong to, with a leading axis k if `directions` is k.
#[derive(Clone, Debug, PartialEq)]
pub enum Product {
    /// The outputs themselves.
    Value {
        /// Names of outputs.
        outputs: Vec<String>,
    },
    /// ∇f of a scalar output. Block shape: the input's.
    Gradient {
        /// Name of the output.
        output: String,
        /// Names of inputs.
        wrt: Vec<String>,
    },
    /// Block shape: output shape ++ input shape.
    Jacobian {
        /// Names of outputs.
        outputs: Vec<String>,
        /// Names of inputs.
        wrt: Vec<String>,
        /// Dense or sparse.
        layout: Layout,
    },
    /// J·v. Block shape: `[k ++]` output shape.
    JacobianVectorProduct {
        /// A tangent for every floating-point input.
        tangents: Vec<(String, Tensor)>,
        /// 0: one, without a leading axis.
        directions: u32,
    },
    /// Jᵀ·c. Block shape: `[k ++]` input shape.
    VectorJacobianProduct {
        /// A cotangent for every floating-point output.
        cotangents: Vec<(String, Tensor)>,
        /// 0: one, without a leading axis.
        directions: u32,
    },
    /// Second derivatives of a scalar output. Block shape: input shape ++ input shape, for each pair of inputs.
    Hessian {
        /// Name of the output.
        output: String,
        /// Names of inputs.
        wrt: Vec<String>,
        /// Dense or sparse.
        layout: Layout,
    },
    /// H·v of a scalar output. Block shape: `[k ++]` input shape.
    HessianVectorProduct {
        /// Name of the output.
        output: String,
        /// Names of inputs.
        wrt: Vec<String>,
        /// A vector for every input in `wrt`.
        vectors: Vec<(String, Tensor)>,
        /// 0: one, without a leading axis.
        directions: u32,
    },
}

/// What a block of an answer is of: positions of its output and inputs.
pub(crate) type Place = (Option<usize>, Option<usize>, Option<usize>);

/// A product on the wire, and the blocks it answers with, in order.
pub(crate) struct Encoded {
    pub(crate) message: proto::Product,
    pub(crate) places: Vec<Place>,
}

impl Product {
    /// The field of the contract's `Product` that it stands in.
    pub fn name(&self) -> &'static str {
        match self {
            Product::Value { .. } => "value",
            Product::Gradient { .. } => "gradient",
            Product::Jacobian { .. } => "jacobian",
            Product::JacobianVectorProduct { .. } => "jacobian_vector_product",
            Product::VectorJacobianProduct { .. } => "vector_jacobian_product",
            Product::Hessian { .. } => "hessian",
            Product::HessianVectorProduct { .. } => "hessian_vector_product",
        }
    }

    /// Names become positions. `path` is where the product stands in the request.
    pub(crate) fn encode(&self, signature: &Signature, path: &str) -> Result<Encoded, Error> {
        let path = format!("{path}.{}", self.name());
        let field = |name: &str| format!("{path}.{name}");
        let outputs = |names: &[String]| signature.outputs.find_all(names, &field("outputs"));
        let wrt = |names: &[String]| signature.inputs.find_all(names, &field("wrt"));
        let or = |some: Vec<usize>, all: Vec<usize>| if some.is_empty() { all } else { some };
        let floating_inputs = || signature.inputs.floating();
        let floating_outputs = || signature.outputs.floating();
        let (kind, places) = match self {
            Product::Value { outputs: names } => {
                let outputs = outputs(names)?;
                let message = Kind::Value(proto::Value {
                    outputs: all_on_wire(&outputs),
                });
                (message, places(&or(outputs, signature.outputs.all()), &[]))
            }
            Product::Gradient { output, wrt: names } => {
                let (output, wrt) = (scalar(signature, output, &path)?, wrt(names)?);
                let message = proto::Gradient {
                    output: wire_output(output),
                    wrt: all_on_wire(&wrt),
                };
                (
                    Kind::Gradient(message),
                    places(&[output.unwrap_or(0)], &or(wrt, floating_inputs())),
                )
            }
            Product::Jacobian {
                outputs: names,
                wrt: inputs,
                layout,
            } => {
                let (outputs, wrt) = (outputs(names)?, wrt(inputs)?);
                let message = proto::Jacobian {
                    outputs: all_on_wire(&outputs),
                    wrt: all_on_wire(&wrt),
                    layout: *layout as i32,
                };
                let (outputs, wrt) = (or(outputs, floating_outputs()), or(wrt, floating_inputs()));
                (Kind::Jacobian(message), places(&outputs, &wrt))
            }
            Product::JacobianVectorProduct {
                tangents,
                directions,
            } => {
                let tangents = signature.inputs.tensors(tangents, &field("tangents"))?;
                let message = proto::JacobianVectorProduct {
                    tangents,
                    directions: *directions,
                };
                (
                    Kind::JacobianVectorProduct(message),
                    places(&floating_outputs(), &[]),
                )
            }
            Product::VectorJacobianProduct {
                cotangents,
                directions,
            } => {
                let cotangents = signature
                    .outputs
                    .tensors(cotangents, &field("cotangents"))?;
                let message = proto::VectorJacobianProduct {
                    cotangents,
                    directions: *directions,
                };
                (
                    Kind::VectorJacobianProduct(message),
                    places(&[], &floating_inputs()),
                )
            }
            Product::Hessian {
                output,
                wrt: names,
                layout,
            } => {
                let (output, wrt) = (scalar(signature, output, &path)?, wrt(names)?);
                let message = proto::Hessian {
                    output: wire_output(output),
                    wrt: all_on_wire(&wrt),
                    layout: *layout as i32,
                };
                let wrt = or(wrt, floating_inputs());
                let pairs = wrt
                    .iter()
                    .flat_map(|&first| wrt.iter().map(move |&second| (first, second)));
                let output = Some(output.unwrap_or(0));
                let places = pairs
                    .map(|(first, second)| (output, Some(first), Some(second)))
                    .collect();
                (Kind::Hessian(message), places)
            }
            Product::HessianVectorProduct {
                output,
                wrt: names,
                vectors,
                directions,
            } => {
                let (output, wrt) = (scalar(signature, output, &path)?, wrt(names)?);
                let vectors: Positional = signature.inputs.tensors(vectors, &field("vectors"))?;
                let message = proto::HessianVectorProduct {
                    output: wire_output(output),
                    wrt: all_on_wire(&wrt),
                    vectors,
                    directions: *directions,
                };
                let places = places(&[output.unwrap_or(0)], &or(wrt, floating_inputs()));
                (Kind::HessianVectorProduct(message), places)
            }
        };
        Ok(Encoded {
            message: proto::Product {
                product: Some(kind),
            },
            places,
        })
    }
}

/// Outputs × inputs, in declared order. A list that a product has no use for is empty.
fn places(outputs: &[usize], inputs: &[usize]) -> Vec<Place> {
    let optional = |list: &[usize]| -> Vec<Option<usize>> {
        if list.is_empty() {
            vec![None]
        } else {
            list.iter().copied().map(Some).collect()
        }
    };
    let inputs = optional(inputs);
    let pair = |output| inputs.iter().map(move |&input| (output, input, None));
    optional(outputs).into_iter().flat_map(pair).collect()
}

/// The output of a gradient, or `None` for the only one.
fn scalar(signature: &Signature, output: &str, path: &str) -> Result<Option<usize>, Error> {
    match output {
        "" => Ok(None),
        _ => signature
            .outputs
            .find(output, || format!("{path}.output"))
            .map(Some),
    }
}

fn wire_output(output: Option<usize>) -> String {
    output.map(on_wire).unwrap_or_default()
}

fn all_on_wire(positions: &[usize]) -> Vec<String> {
    positions.iter().copied().map(on_wire).collect()
}
