//! Functions that a text defines, branches, and calls of both: syntax.
//!
//! Every body is a tree of its own. That of a function has its parameters for inputs; that of a branch the names it
//! takes from around it, which are arguments where the branch stands.

use std::collections::HashMap;

use super::ast::{Ast, ExprId, Input, Node, Output};
use super::error::{Fault, Span};
use super::function::{Function, nearest};
use super::lexer::Token;
use super::parser::{KEYWORDS, Meaning, Parser, binding};
use crate::tensor::{Dtype, Type};

/// A function that the text defines.
#[derive(Debug)]
pub(super) struct Definition {
    pub name: String,
    pub span: Span,
    pub parameters: Vec<Type>,
    /// As stated after `->`.
    pub results: Option<Vec<Type>>,
    pub ast: Ast,
    /// The functions that it runs, by position.
    pub runs: Vec<usize>,
}

/// What runs functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    Call,
    While,
    Scan,
    Map,
    Gradient,
    Jacobian,
    Hessian,
    Root,
    FixedPoint,
    LinearSolve,
}

/// Names of those that take functions, how many, and how they are written.
const RUNNERS: &[(&str, Runner, usize, &str)] = &[
    ("while", Runner::While, 2, "while(condition, step, x, a)"),
    ("scan", Runner::Scan, 1, "scan(step, x, sequence, a)"),
    ("map", Runner::Map, 1, "map(f, sequence, a)"),
    ("grad", Runner::Gradient, 1, "grad(f, x, a)"),
    ("jacobian", Runner::Jacobian, 1, "jacobian(f, x, a)"),
    ("hessian", Runner::Hessian, 1, "hessian(f, x, a)"),
    ("root", Runner::Root, 1, "root(g, start, a)"),
    (
        "fixed_point",
        Runner::FixedPoint,
        1,
        "fixed_point(f, start, a)",
    ),
    (
        "linear_solve",
        Runner::LinearSolve,
        1,
        "linear_solve(A, b, a)",
    ),
];

/// What a tree belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Text,
    Function,
    Branch,
}

/// A tree that waits for one within it.
pub(super) struct Frame {
    body: Body,
    ast: Ast,
    names: HashMap<String, Meaning>,
    used: Vec<bool>,
    unnamed: Option<(ExprId, Span)>,
}

impl Parser<'_> {
    /// Notes the names of all functions, which may be called before they are defined.
    pub fn find_functions(&mut self) {
        let mut positions = HashMap::new();
        for at in 0..self.lexemes.len().saturating_sub(2) {
            let [word, name, bracket] = [0, 1, 2].map(|k| &self.lexemes[at + k]);
            let defines = word.token == Token::Name && &self.source[word.span.clone()] == "fn";
            if defines && name.token == Token::Name && bracket.token == Token::LeftParen {
                let next = positions.len();
                let name = self.source[name.span.clone()].to_owned();
                positions.entry(name).or_insert(next);
            }
        }
        self.functions = positions;
    }

    /// `fn name(a: f64[3], b) -> f64 = …` or `fn name(…) { …; … }`.
    pub fn function_definition(&mut self) -> Result<(), Fault> {
        let start = self.span();
        self.position += 1;
        let span = self.span();
        let Some(name) = self.peek_name().map(str::to_owned) else {
            return Err(Fault::new(start, "a function without a name")
                .help("write fn name(x, y) = expression"));
        };
        if self.body != Body::Text {
            return Err(Fault::new(start, "a function within a function")
                .help("define it before, outside of all others"));
        }
        let taken = KEYWORDS.contains(&name.as_str()) || Function::named(&name).is_some();
        if taken || runner(&name).is_some() {
            let problem = format!("`{name}` is taken: it has a meaning of its own");
            return Err(Fault::new(span, problem).help("choose another name"));
        }
        if self.definitions.iter().any(|f| f.name == name) {
            let problem = format!("function `{name}` is defined already");
            return Err(Fault::new(span, problem).help("choose another name"));
        }
        self.position += 1;
        let opening = self.span();
        if !self.eat(Token::LeftParen) {
            return Err(Fault::new(span, format!("`{name}` has no parameters"))
                .help(format!("write fn {name}(x, y) = expression")));
        }
        self.enter(Body::Function);
        self.runs.clear();
        let mut parameters = Vec::new();
        while !self.eat(Token::RightParen) {
            parameters.push(self.parameter()?);
            if !self.eat(Token::Comma) {
                self.close(Token::RightParen, &opening)?;
                break;
            }
        }
        let mut results = None;
        if self.eat(Token::Minus) {
            if !self.eat(Token::Greater) {
                return Err(Fault::new(
                    self.span(),
                    "`->` announces the type of a result",
                ));
            }
            let mut types = vec![self.tensor_type()?];
            while self.eat(Token::Comma) {
                types.push(self.tensor_type()?);
            }
            results = Some(types);
        }
        self.function_body(&name, &span)?;
        let ast = self.leave();
        let mut runs = std::mem::take(&mut self.runs);
        runs.sort_unstable();
        runs.dedup();
        self.definitions.push(Definition {
            name,
            span,
            parameters,
            results,
            ast,
            runs,
        });
        Ok(())
    }

    fn function_body(&mut self, name: &str, span: &Span) -> Result<(), Fault> {
        if self.eat(Token::Assign) {
            while self.eat(Token::Newline) {}
            let value = self.expression(binding::ANY)?;
            self.give(value);
            return Ok(());
        }
        let opening = self.span();
        if !self.eat(Token::LeftBrace) {
            return Err(
                Fault::new(self.span(), format!("the body of `{name}` is missing")).help(format!(
                    "write fn {name}(…) = expression, or fn {name}(…) {{ t = …; expression }}"
                )),
            );
        }
        self.statements()?;
        if !self.eat(Token::RightBrace) {
            return Err(Fault::new(opening, "`{` is never closed"));
        }
        if let Some((value, _)) = self.unnamed.take() {
            self.give(value);
        }
        match self.ast.outputs.is_empty() {
            false => Ok(()),
            true => Err(Fault::new(span.clone(), format!("`{name}` has no result"))
                .help("end with an expression, or with return and several")),
        }
    }

    /// One more result of the body at hand.
    fn give(&mut self, value: ExprId) {
        let name = self.ast.outputs.len().to_string();
        self.ast.outputs.push(Output { name, value });
    }

    fn parameter(&mut self) -> Result<Type, Fault> {
        let span = self.span();
        let Some(name) = self.peek_name().map(str::to_owned) else {
            return Err(Fault::new(span, "the name of a parameter is missing here")
                .help("write fn name(x, y: f64[3]) = expression"));
        };
        if KEYWORDS.contains(&name.as_str()) || Function::named(&name).is_some() {
            let problem = format!("`{name}` is taken: it has a meaning of its own");
            return Err(Fault::new(span, problem).help("choose another name"));
        }
        if self.names.contains_key(&name) {
            return Err(Fault::new(
                span,
                format!("two parameters are called `{name}`"),
            ));
        }
        self.position += 1;
        let ty = match self.eat(Token::Colon) {
            true => self.tensor_type()?,
            false => scalar(),
        };
        let input = Meaning::Input(self.ast.inputs.len());
        self.names.insert(name.clone(), input);
        self.ast.inputs.push(Input { name, span });
        Ok(ty)
    }

    /// `f64`, `f32[2, 3]`.
    fn tensor_type(&mut self) -> Result<Type, Fault> {
        let span = self.span();
        let dtype = match self.peek_name() {
            Some("f64") => Dtype::F64,
            Some("f32") => Dtype::F32,
            Some("i64") => Dtype::I64,
            Some("bool") => Dtype::Bool,
            _ => {
                return Err(Fault::new(span, "a type is missing here")
                    .help("write f64, f32, i64 or bool, and sizes in brackets: f64[2, 3]"));
            }
        };
        self.position += 1;
        let opening = self.span();
        let mut shape = Vec::new();
        if self.eat(Token::LeftBracket) {
            while !self.eat(Token::RightBracket) {
                let place = self.span();
                let size = match self.peek() {
                    Token::Number(n) if n.fract() == 0.0 && (0.0..=MAX_SIZE).contains(&n) => n,
                    _ => return Err(Fault::new(place, "a size is a whole number")),
                };
                self.position += 1;
                shape.push(size as usize);
                if !self.eat(Token::Comma) {
                    self.close(Token::RightBracket, &opening)?;
                    break;
                }
            }
        }
        Ok(Type::new(dtype, shape))
    }

    /// `if condition then a else b`.
    pub fn branches(&mut self) -> Result<ExprId, Fault> {
        let start = self.span();
        self.position += 1;
        let condition = self.expression(binding::ANY)?;
        let mut arms = Vec::new();
        for word in ["then", "else"] {
            while self.peek() == Token::Newline && self.next_is(word) {
                self.position += 1;
            }
            if self.peek_name() != Some(word) {
                return Err(Fault::new(start, format!("this `if` has no `{word}`"))
                    .help("write if condition then a else b"));
            }
            self.position += 1;
            while self.eat(Token::Newline) {}
            self.enter(Body::Branch);
            let value = self.expression(binding::ANY)?;
            self.give(value);
            arms.push(self.leave());
        }
        // What the branches take from around them: an argument each.
        let mut arguments: Vec<(String, ExprId)> = Vec::new();
        let mut uses = Vec::new();
        for arm in &arms {
            let mut positions = Vec::new();
            for input in &arm.inputs {
                let known = arguments.iter().position(|(name, _)| *name == input.name);
                let position = match known {
                    Some(position) => position,
                    None => {
                        let value = self.resolve(&input.name, input.span.clone())?;
                        arguments.push((input.name.clone(), value));
                        arguments.len() - 1
                    }
                };
                positions.push(position);
            }
            uses.push(positions);
        }
        let arms: Vec<(Ast, Vec<usize>)> = arms.into_iter().zip(uses).collect();
        let [then, otherwise] = arms.try_into().expect("two words, two arms");
        let branches = Node::If {
            condition,
            arguments: arguments.into_iter().map(|(_, value)| value).collect(),
            arms: Box::new([then, otherwise]),
        };
        let span = start.start..self.previous_end();
        Ok(self.ast.push(branches, span))
    }

    /// Whether the next line begins with this word.
    fn next_is(&self, word: &str) -> bool {
        let rest = self.lexemes[self.position..].iter();
        let mut rest = rest.skip_while(|lexeme| lexeme.token == Token::Newline);
        rest.next()
            .is_some_and(|next| &self.source[next.span.clone()] == word)
    }

    /// Whether a name is that of a function of the text, or of one that takes functions.
    pub fn runs_functions(&self, name: &str) -> bool {
        self.functions.contains_key(name) || runner(name).is_some()
    }

    /// A call of a function of the text, or of one that takes functions; the name is read.
    pub fn run(&mut self, name: &str, span: Span) -> Result<ExprId, Fault> {
        let (kind, count, usage) = match runner(name) {
            Some(&(_, kind, count, usage)) => (kind, count, usage.to_owned()),
            None => (Runner::Call, 0, format!("{name}(x, y)")),
        };
        let opening = self.span();
        if !self.eat(Token::LeftParen) {
            return Err(Fault::new(span, format!("`{name}` is a function"))
                .help(format!("call it: {usage}")));
        }
        let mut functions = Vec::new();
        if kind == Runner::Call {
            functions.push(self.functions[name]);
        }
        for _ in 0..count {
            functions.push(self.function_argument(name, &usage)?);
            if functions.len() < count || self.peek() != Token::RightParen {
                let place = self.span();
                if !self.eat(Token::Comma) {
                    let problem = format!("`{name}` takes {count} functions, then their arguments");
                    let problem = match count {
                        1 => format!("`{name}` takes a function, then its arguments"),
                        _ => problem,
                    };
                    return Err(Fault::new(place, problem).help(format!("write {usage}")));
                }
            }
        }
        self.runs.extend(&functions);
        let (arguments, length) = self.arguments(
            Token::RightParen,
            &opening,
            (kind == Runner::Scan).then_some("length"),
        )?;
        let span = span.start..self.previous_end();
        let node = Node::Run {
            runner: kind,
            functions,
            arguments,
            length,
            taken: 1,
        };
        Ok(self.ast.push(node, span))
    }

    fn function_argument(&mut self, of: &str, usage: &str) -> Result<usize, Fault> {
        let span = self.span();
        let found = self.peek_name().and_then(|name| self.functions.get(name));
        if let Some(&found) = found {
            self.position += 1;
            return Ok(found);
        }
        let Some(name) = self.peek_name().map(str::to_owned) else {
            let problem = format!("`{of}` takes the name of a function here");
            return Err(Fault::new(span, problem).help(format!("write {usage}")));
        };
        let near = nearest(&name, self.functions.keys().map(String::as_str));
        let fault = Fault::new(span, format!("the text defines no function `{name}`"));
        Err(match near {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("define it: fn {name}(x) = expression")),
        })
    }

    /// `a, b = f(x)`, if it stands here: the names.
    pub fn several_names(&self) -> Option<Vec<(String, Span)>> {
        let mut names = Vec::new();
        let mut rest = self.lexemes[self.position..].iter();
        loop {
            let lexeme = rest.next()?;
            if lexeme.token != Token::Name {
                return None;
            }
            let name = self.source[lexeme.span.clone()].to_owned();
            names.push((name, lexeme.span.clone()));
            match rest.next()?.token {
                Token::Comma => {}
                Token::Assign if names.len() > 1 => return Some(names),
                _ => return None,
            }
        }
    }

    /// The results of a call that gives several, whose names and `=` are read.
    pub fn several_results(&mut self, count: usize) -> Result<Vec<ExprId>, Fault> {
        let span = self.span();
        let call = self.expression(binding::ANY)?;
        let last = self.ast.nodes.len() - 1;
        match self.ast.nodes.get_mut(call.0) {
            Some((Node::Run { taken, .. }, _)) if call.0 == last => *taken = count,
            _ => {
                let span = span.start..self.previous_end();
                return Err(Fault::new(span, format!("{count} names for one value"))
                    .help("several results come from a call of a function that returns several"));
            }
        }
        let span = self.ast.span(call);
        let results = (0..count).map(|i| self.ast.push(Node::Result(call, i), span.clone()));
        Ok(results.collect())
    }

    fn enter(&mut self, body: Body) {
        self.outer.push(Frame {
            body: std::mem::replace(&mut self.body, body),
            ast: std::mem::take(&mut self.ast),
            names: std::mem::take(&mut self.names),
            used: std::mem::take(&mut self.used),
            unnamed: self.unnamed.take(),
        });
    }

    /// Back to the tree around; gives the one that ends.
    fn leave(&mut self) -> Ast {
        let Some(frame) = self.outer.pop() else {
            return std::mem::take(&mut self.ast);
        };
        self.body = frame.body;
        self.names = frame.names;
        self.used = frame.used;
        self.unnamed = frame.unnamed;
        std::mem::replace(&mut self.ast, frame.ast)
    }

    /// What a name means where a branch stands: in it or around it, up to the function that it is in.
    pub fn visible(&self, name: &str) -> bool {
        let mut body = self.body;
        if self.names.contains_key(name) {
            return true;
        }
        for frame in self.outer.iter().rev() {
            if body != Body::Branch {
                return false;
            }
            if frame.names.contains_key(name) {
                return true;
            }
            body = frame.body;
        }
        false
    }

    /// The number that a name around a branch stands for, so that it may be an axis or an exponent there, too.
    pub fn number_around(&self, name: &str) -> Option<f64> {
        let mut body = self.body;
        for frame in self.outer.iter().rev() {
            if body != Body::Branch {
                return None;
            }
            match frame.names.get(name) {
                Some(&Meaning::Constant(value)) => return Some(value),
                Some(&Meaning::Definition(definition)) => {
                    let value = frame.ast.names.get(definition)?.1;
                    return match frame.ast.nodes.get(value.0)?.0 {
                        Node::Number(number) => Some(number),
                        _ => None,
                    };
                }
                Some(Meaning::Input(_)) => return None,
                None => body = frame.body,
            }
        }
        None
    }

    /// Marks a name around a branch as read, where its number was taken.
    pub fn mark_around(&mut self, name: &str) {
        for frame in self.outer.iter_mut().rev() {
            if let Some(&Meaning::Definition(definition)) = frame.names.get(name) {
                frame.used[definition] = true;
                return;
            }
        }
    }
}

/// A size beyond this is no memory's.
const MAX_SIZE: f64 = (1u64 << 53) as f64;

fn runner(name: &str) -> Option<&'static (&'static str, Runner, usize, &'static str)> {
    RUNNERS.iter().find(|(own, ..)| *own == name)
}

fn scalar() -> Type {
    Type::new(Dtype::F64, [])
}
