//! Functions: bodies that nodes run.

use std::{
    collections::HashMap,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gradient_proto::v1::{self as proto};

use super::{
    Expr, GraphBuilder,
    arena::{SharedArena, check_name},
    infer::{Signature, Signatures},
};
use crate::tensor::Type;

/// A function of a graph under construction, for [`GraphBuilder::call`] and the other nodes with bodies. Cloning it
/// copies a name.
#[derive(Clone, Debug)]
pub struct Function {
    name: String,
    owner: Functions,
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_of(&self, functions: &Functions) -> bool {
        self.owner.is(functions)
    }

    /// Its types; `None` after a mistake.
    pub fn signature(&self) -> Option<(Vec<Type>, Vec<Type>)> {
        let table = self.owner.lock();
        let signature = table.signatures.get(&self.name).ok()?;
        Some((signature.parameters.clone(), signature.results.clone()))
    }
}

/// One expression or several: what bodies take and give, and what nodes with bodies result in. Implemented for
/// [`Expr`], arrays, tuples of up to four, and `Vec`.
pub trait Exprs: Sized {
    /// How many; `None`: any number.
    #[doc(hidden)]
    const COUNT: Option<usize>;

    /// From as many as [`Exprs::COUNT`] says.
    #[doc(hidden)]
    fn from_list(list: Vec<Expr>) -> Self;

    #[doc(hidden)]
    fn into_list(self) -> Vec<Expr>;
}

impl Exprs for Vec<Expr> {
    const COUNT: Option<usize> = None;

    fn from_list(list: Vec<Expr>) -> Self {
        list
    }

    fn into_list(self) -> Vec<Expr> {
        self
    }
}

impl<const N: usize> Exprs for [Expr; N] {
    const COUNT: Option<usize> = Some(N);

    fn from_list(list: Vec<Expr>) -> Self {
        list.try_into().expect("as many as asked for")
    }

    fn into_list(self) -> Vec<Expr> {
        self.into()
    }
}

impl Exprs for Expr {
    const COUNT: Option<usize> = Some(1);

    fn from_list(list: Vec<Expr>) -> Self {
        let [one] = Exprs::from_list(list);
        one
    }

    fn into_list(self) -> Vec<Expr> {
        vec![self]
    }
}

macro_rules! tuple {
    ($count:literal: $($name:ident $ty:ident),*) => {
        impl Exprs for ($($ty),*) {
            const COUNT: Option<usize> = Some($count);

            fn from_list(list: Vec<Expr>) -> Self {
                let [$($name),*] = Exprs::from_list(list);
                ($($name),*)
            }

            fn into_list(self) -> Vec<Expr> {
                let ($($name),*) = self;
                vec![$($name),*]
            }
        }
    };
}

tuple!(2: a Expr, b Expr);
tuple!(3: a Expr, b Expr, c Expr);
tuple!(4: a Expr, b Expr, c Expr, d Expr);

/// Types of a body's parameters: an array, so that the body takes an array, or a `Vec`.
pub trait Parameters {
    /// What the body takes.
    type Arguments: Exprs;

    #[doc(hidden)]
    fn into_types(self) -> Vec<Type>;
}

impl<const N: usize> Parameters for [Type; N] {
    type Arguments = [Expr; N];

    fn into_types(self) -> Vec<Type> {
        self.into()
    }
}

impl Parameters for Vec<Type> {
    type Arguments = Vec<Expr>;

    fn into_types(self) -> Vec<Type> {
        self
    }
}

/// The functions that a graph and its bodies share.
#[derive(Clone, Debug, Default)]
pub(super) struct Functions(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
pub(super) struct Table {
    pub signatures: Signatures,
    /// In order of declaration; without nodes until they are defined.
    messages: Vec<proto::Function>,
    defined: Vec<bool>,
    /// How often each name was asked for.
    asked: HashMap<String, usize>,
}

impl Functions {
    pub fn is(&self, other: &Functions) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self, name: String) -> Function {
        let owner = self.clone();
        Function { name, owner }
    }
}

impl Table {
    fn find(&mut self, name: &str) -> Option<(&mut proto::Function, &mut bool)> {
        let at = self.messages.iter().position(|f| f.name == name)?;
        Some((&mut self.messages[at], &mut self.defined[at]))
    }

    fn declare(&mut self, name: &str, signature: Signature) -> Result<(), String> {
        check_name(name)?;
        let parameters = signature.parameters.iter().map(Type::to_proto).collect();
        if !self.signatures.insert(name, signature) {
            return Err(format!(
                "{name:?} is there already; function names are unique"
            ));
        }
        self.messages.push(proto::Function {
            name: name.into(),
            parameters,
            ..Default::default()
        });
        self.defined.push(false);
        Ok(())
    }

    /// All functions for the wire.
    pub fn take(&mut self) -> Result<Vec<proto::Function>, String> {
        let undefined = self.defined.iter().position(|defined| !defined);
        match undefined.map(|at| &self.messages[at].name) {
            Some(name) => Err(format!("{name:?} is declared, but never defined")),
            None => Ok(std::mem::take(&mut self.messages)),
        }
    }
}

/// # Functions
///
/// ```
/// use gradient_client::{Dtype, Expr, GraphBuilder, Type};
///
/// let g = GraphBuilder::new("compound interest");
/// let scalar = || Type::new(Dtype::F64, []);
/// let year = g.function("year", [scalar(), scalar()], |_, [money, rate]| {
///     &money + &money * rate
/// });
/// let (money, rate) = (g.input("money", []), g.input("rate", []));
/// let after: Expr = g.call(&year, [&money, &rate]);
/// let graph = g.finish([("after", after)])?;
/// assert_eq!(graph.proto().functions.len(), 1);
/// # Ok::<(), gradient_client::BuildError>(())
/// ```
impl GraphBuilder {
    /// A function: `body` writes its results in terms of its arguments and of nothing else; its builder is for
    /// constants and for nodes that run other functions.
    #[track_caller]
    pub fn function<P: Parameters, R: Exprs>(
        &self,
        name: impl Into<String>,
        parameters: P,
        body: impl FnOnce(&GraphBuilder, P::Arguments) -> R,
    ) -> Function {
        let location = Location::caller();
        let function = self.functions().named(name.into());
        let parameters = parameters.into_types();
        let (results, message) = self.body(&function.name, &parameters, body, location);
        let signature = Signature {
            parameters,
            results,
        };
        let declared = self.functions().lock().declare(&function.name, signature);
        match declared {
            Ok(()) => self.functions().lock().fill(&function.name, message),
            Err(problem) => self.mistake(problem, location),
        }
        function
    }

    /// A name that no function has, and that nobody else is given: this one, or with a number behind it.
    pub(crate) fn free_name(&self, name: &str) -> String {
        let mut table = self.functions().lock();
        loop {
            let count = table.asked.entry(name.to_owned()).or_default();
            *count += 1;
            let free = match *count {
                1 => name.to_owned(),
                n => format!("{name} {n}"),
            };
            if table.signatures.get(&free).is_err() {
                return free;
            }
        }
    }

    /// A function that is defined later, with [`GraphBuilder::define`]: those that run themselves or one another are
    /// declared first. It needs a path that does not run it again.
    #[track_caller]
    pub fn declare(
        &self,
        name: impl Into<String>,
        parameters: impl IntoIterator<Item = Type>,
        results: impl IntoIterator<Item = Type>,
    ) -> Function {
        let function = self.functions().named(name.into());
        let signature = Signature {
            parameters: parameters.into_iter().collect(),
            results: results.into_iter().collect(),
        };
        let declared = self.functions().lock().declare(&function.name, signature);
        if let Err(problem) = declared {
            self.mistake(problem, Location::caller());
        }
        function
    }

    /// The body of a declared function.
    #[track_caller]
    pub fn define<A: Exprs, R: Exprs>(
        &self,
        function: &Function,
        body: impl FnOnce(&GraphBuilder, A) -> R,
    ) {
        let location = Location::caller();
        let name = &function.name;
        let Some((parameters, declared)) = function.signature() else {
            return;
        };
        if A::COUNT.is_some_and(|count| count != parameters.len()) {
            let problem = format!("{name:?} is declared with {} parameters", parameters.len());
            return self.mistake(problem, location);
        }
        let (results, message) = self.body(name, &parameters, body, location);
        let types = |types: &[Type]| {
            let all: Vec<String> = types.iter().map(ToString::to_string).collect();
            format!("({})", all.join(", "))
        };
        if results != declared {
            let (results, declared) = (types(&results), types(&declared));
            let problem = format!("{name:?} is declared to give {declared}, but gives {results}");
            return self.mistake(problem, location);
        }
        let defined = function.owner.lock().find(name).is_some_and(|(_, d)| *d);
        match defined {
            true => self.mistake(format!("{name:?} is defined already"), location),
            false => function.owner.lock().fill(name, message),
        }
    }

    /// Has `rule` give the tangents of a function's results: it takes parameters, results, then tangents of the
    /// floating-point parameters, in which it is linear, and gives tangents of the floating-point results.
    pub fn custom_jvp(&self, function: &Function, rule: &Function) {
        if let Some((message, _)) = self.functions().lock().find(&function.name) {
            message.custom_jvp.clone_from(&rule.name);
        }
    }

    /// Has `rule` give the cotangents of a function's parameters: it takes parameters, results, then cotangents of the
    /// floating-point results, in which it is linear, and gives cotangents of the floating-point parameters.
    pub fn custom_vjp(&self, function: &Function, rule: &Function) {
        if let Some((message, _)) = self.functions().lock().find(&function.name) {
            message.custom_vjp.clone_from(&rule.name);
        }
    }

    /// Types of the results, and what is sent.
    fn body<A: Exprs, R: Exprs>(
        &self,
        name: &str,
        parameters: &[Type],
        body: impl FnOnce(&GraphBuilder, A) -> R,
        location: &'static Location<'static>,
    ) -> (Vec<Type>, proto::Function) {
        let arena = SharedArena::new(name.into(), self.functions().clone());
        let builder = GraphBuilder::of(arena.clone());
        let arguments = parameters.iter().enumerate();
        let arguments = arguments
            .map(|(i, ty)| builder.input_typed(i.to_string(), ty.dtype, &ty.shape))
            .collect();
        let results = body(&builder, A::from_list(arguments)).into_list();
        let own = results
            .iter()
            .map(|r| arena.is(&r.arena).then_some(r.value));
        let own = own.collect();
        let finished = arena.lock().finish_body(parameters.len(), own, location);
        finished.unwrap_or_else(|error| {
            self.keep(error.in_function(name));
            let types = results.iter().map(Expr::tensor_type);
            (types.collect(), proto::Function::default())
        })
    }

    fn mistake(&self, problem: String, location: &'static Location<'static>) {
        self.fail_at("function", problem, location);
    }
}

impl Table {
    /// Gives a declared function its body.
    fn fill(&mut self, name: &str, body: proto::Function) {
        if let Some((message, defined)) = self.find(name) {
            message.nodes = body.nodes;
            message.results = body.results;
            *defined = true;
        }
    }
}
