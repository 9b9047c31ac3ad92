//! Calls of functions that the text defines, and of what takes such functions: syntax.

use super::ast::{ExprId, Node};
use super::error::{Fault, Span};
use super::function::nearest;
use super::lexer::Token;
use super::parser::{Parser, binding};

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

impl Runner {
    /// The name of the number of steps among its arguments.
    fn bound(self) -> Option<&'static str> {
        match self {
            Runner::Scan => Some("length"),
            Runner::While => Some("limit"),
            _ => None,
        }
    }

    /// As texts write it; `None`: a call has no word of its own.
    pub fn word(self) -> Option<&'static str> {
        let row = RUNNERS.iter().find(|(_, own, ..)| *own == self);
        row.map(|&(word, ..)| word)
    }
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

impl Parser<'_> {
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
        let bound = kind.bound();
        let (arguments, bound) = self.arguments(Token::RightParen, &opening, bound)?;
        let span = span.start..self.previous_end();
        let node = Node::Run {
            runner: kind,
            functions,
            arguments,
            bound,
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
}

/// What takes functions, by its name.
pub(super) fn runner(name: &str) -> Option<&'static (&'static str, Runner, usize, &'static str)> {
    RUNNERS.iter().find(|(own, ..)| *own == name)
}
