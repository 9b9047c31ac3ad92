//! Arguments that several commands share: what to compute, and how.

use std::time::Duration;

use clap::ValueEnum;
use gradient_client::{
    Array, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth, Product, Request, Session, Tensor,
    Type,
};

use crate::{bindings::Seed, failure::Usage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The function itself
    Value,
    /// Of a scalar output
    Gradient,
    /// Of all outputs
    Jacobian,
    /// Of a scalar output
    Hessian,
    /// Jacobian times --tangent
    #[value(alias = "jacobian-vector-product")]
    Jvp,
    /// --cotangent times Jacobian
    #[value(alias = "vector-jacobian-product")]
    Vjp,
    /// Hessian times --vector
    #[value(alias = "hessian-vector-product")]
    Hvp,
}

/// Gives each name of the command line the contract's value.
macro_rules! choice {
    ($name:ident for $target:ident { $($(#[$doc:meta])* $variant:ident = $value:ident),* $(,)? }) => {
        #[derive(Clone, Copy, Debug, ValueEnum)]
        enum $name { $($(#[$doc])* $variant),* }

        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice { $($name::$variant => $target::$value),* }
            }
        }
    };
}

choice!(ModeChoice for Mode { Forward = Forward, Reverse = Reverse, Mixed = Mixed });
choice!(HvpModeChoice for HvpMode {
    /// The reverse-mode gradient of ∇f·v
    ReverseOverForward = ReverseOverForward,
    /// The forward-mode derivative of ∇f along v
    ForwardOverReverse = ForwardOverReverse,
});
choice!(LayoutChoice for Layout {
    Dense = Dense,
    Sparse = Sparse,
    /// Sparse below 25 % fill
    Auto = Auto,
});
choice!(MethodChoice for Method {
    /// By graph transformation
    Exact = Exact,
    /// Central differences
    Numerical = Numerical,
    /// Dual numbers
    Dual = Dual,
});
choice!(NonSmoothChoice for NonSmooth {
    Jax = Jax,
    Pytorch = Pytorch,
    /// An error naming the node
    Strict = Strict,
});

/// What to compute, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Products {
    /// What to compute [default: value to evaluate, gradient to plan and derive]
    #[arg(short, long = "product", value_name = "PRODUCT", value_delimiter = ',')]
    products: Vec<Kind>,

    /// Outputs to compute it of; all if left out
    #[arg(long = "output", value_name = "NAME", value_delimiter = ',')]
    outputs: Vec<String>,

    /// Inputs to differentiate with respect to; all if left out
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    wrt: Vec<String>,

    /// For jvp: direction of an input; inputs left out stand still
    #[arg(long = "tangent", value_name = "NAME=VALUE")]
    tangents: Vec<Seed>,

    /// For vjp: weight of an output; outputs left out do not count
    #[arg(long = "cotangent", value_name = "NAME=VALUE")]
    cotangents: Vec<Seed>,

    /// For hvp: direction of an input
    #[arg(long = "vector", value_name = "NAME=VALUE")]
    vectors: Vec<Seed>,

    /// For jvp, vjp and hvp: so many directions at once; seeds and results have a leading axis of this size
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    directions: Option<u32>,

    /// Form of Jacobians and Hessians
    #[arg(long, value_enum)]
    layout: Option<LayoutChoice>,

    /// Force a mode instead of the cheapest
    #[arg(long, value_enum)]
    mode: Option<ModeChoice>,

    /// Force the order of modes for second derivatives
    #[arg(long, value_enum)]
    hvp_mode: Option<HvpModeChoice>,

    /// Another method than exact differentiation, for comparison
    #[arg(long, value_enum)]
    method: Option<MethodChoice>,

    /// Absolute step of numerical differences; chosen for each input if left out
    #[arg(long, value_name = "STEP", requires = "method")]
    step: Option<f64>,

    /// The derivative where there is none
    #[arg(long, value_enum)]
    non_smooth: Option<NonSmoothChoice>,

    /// Fail if an infinity or NaN appears, naming the node
    #[arg(long)]
    non_finite_error: bool,

    /// The most memory the evaluation may take
    #[arg(long, value_name = "BYTES")]
    memory_budget: Option<u64>,
}

impl Products {
    /// The request with these products and options, or the default product if none is named.
    pub fn apply(&self, mut request: Request, session: &Session, default: Kind) -> Request {
        let kinds = if self.products.is_empty() {
            &[default]
        } else {
            self.products.as_slice()
        };
        for product in kinds.iter().flat_map(|&kind| self.expand(kind, session)) {
            request = request.product(product);
        }
        if let Some(mode) = self.mode {
            request = request.mode(mode.into());
        }
        if let Some(mode) = self.hvp_mode {
            request = request.hvp_mode(mode.into());
        }
        if let Some(method) = self.method {
            request = request.method(method.into(), self.step.unwrap_or(0.0));
        }
        if let Some(choice) = self.non_smooth {
            request = request.non_smooth(choice.into());
        }
        if self.non_finite_error {
            request = request.non_finite(NonFinite::Error);
        }
        if let Some(bytes) = self.memory_budget {
            request = request.memory_budget(bytes);
        }
        request
    }

    /// One product, or one for each output where a product takes a single one.
    fn expand(&self, kind: Kind, session: &Session) -> Vec<Product> {
        let (outputs, wrt) = (self.outputs.clone(), self.wrt.clone());
        let layout = self.layout.map_or(Layout::Unspecified, Layout::from);
        let directions = self.directions.unwrap_or(0);
        let of_scalars = |product: &dyn Fn(String) -> Product| {
            self.scalars(session).into_iter().map(product).collect()
        };
        match kind {
            Kind::Value => vec![Product::Value { outputs }],
            Kind::Jacobian => vec![Product::Jacobian {
                outputs,
                wrt,
                layout,
            }],
            Kind::Gradient => of_scalars(&|output| Product::Gradient {
                output,
                wrt: wrt.clone(),
            }),
            Kind::Hessian => of_scalars(&|output| Product::Hessian {
                output,
                wrt: wrt.clone(),
                layout,
            }),
            Kind::Jvp => {
                let tangents = self.seeds(&self.tangents, session.inputs());
                vec![Product::JacobianVectorProduct {
                    tangents,
                    directions,
                }]
            }
            Kind::Vjp => {
                let cotangents = self.seeds(&self.cotangents, session.outputs());
                vec![Product::VectorJacobianProduct {
                    cotangents,
                    directions,
                }]
            }
            Kind::Hvp => {
                let vectors: Vec<(String, Tensor)> = self
                    .vectors
                    .iter()
                    .map(|Seed(name, value)| (name.clone(), value.clone()))
                    .collect();
                let named = || vectors.iter().map(|(name, _)| name.clone()).collect();
                let wrt: Vec<String> = if wrt.is_empty() { named() } else { wrt };
                of_scalars(&|output| Product::HessianVectorProduct {
                    output,
                    wrt: wrt.clone(),
                    vectors: vectors.clone(),
                    directions,
                })
            }
        }
    }

    /// Makes sure that products have the seeds that evaluation needs.
    ///
    /// # Errors
    /// [`Usage`] naming the argument that is missing.
    pub fn check_seeds(&self) -> anyhow::Result<()> {
        let needs = [
            (
                Kind::Jvp,
                self.tangents.is_empty(),
                "jvp needs a direction: --tangent NAME=VALUE",
            ),
            (
                Kind::Vjp,
                self.cotangents.is_empty(),
                "vjp needs a weight: --cotangent NAME=VALUE",
            ),
            (
                Kind::Hvp,
                self.vectors.is_empty(),
                "hvp needs a direction: --vector NAME=VALUE",
            ),
        ];
        match needs
            .into_iter()
            .find(|(kind, missing, _)| *missing && self.products.contains(kind))
        {
            Some((_, _, message)) => Err(Usage(message.into()).into()),
            None => Ok(()),
        }
    }

    /// The outputs that gradients and Hessians are taken of.
    fn scalars(&self, session: &Session) -> Vec<String> {
        if !self.outputs.is_empty() {
            return self.outputs.clone();
        }
        let floating = |t: &Option<Type>| t.as_ref().is_none_or(|t| t.dtype.is_float());
        let outputs = session.outputs().into_iter().filter(|(_, t)| floating(t));
        outputs.map(|(name, _)| name.to_owned()).collect()
    }

    /// Seeds for everything of floating-point type, zero where none is given. Without any, none: they can be left
    /// out where nothing is evaluated.
    fn seeds(&self, given: &[Seed], all: Vec<(&str, Option<Type>)>) -> Vec<(String, Tensor)> {
        let mut seeds: Vec<(String, Tensor)> = given
            .iter()
            .map(|Seed(name, value)| (name.clone(), value.clone()))
            .collect();
        if seeds.is_empty() {
            return seeds;
        }
        for (name, tensor_type) in all {
            let Some(t) = tensor_type.filter(|t| t.dtype.is_float()) else {
                continue;
            };
            if given.iter().all(|Seed(other, _)| other != name) {
                let shape: Vec<usize> = self
                    .directions
                    .map(|k| k as usize)
                    .into_iter()
                    .chain(t.shape)
                    .collect();
                let zeros = vec![0.0; shape.iter().product()];
                seeds.extend(Array::new(shape, zeros).map(|zeros| (name.to_owned(), zeros.into())));
            }
        }
        seeds
    }
}

/// A time for people: 3.21 µs.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.0} ns", s * 1e9),
    }
}
