//! Trees within trees: the bodies of functions and of branches.
//!
//! Every body is a tree of its own. That of a function has its parameters for inputs; that of a branch the names it
//! takes from around it, which are arguments where the branch stands.

use std::collections::HashMap;

use super::ast::{Ast, ExprId, Node};
use super::error::{Fault, Span};
use super::lexer::Token;
use super::parser::{Meaning, Parser, binding};

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

    /// Begins a tree within the one at hand.
    pub fn enter(&mut self, body: Body) {
        self.outer.push(Frame {
            body: std::mem::replace(&mut self.body, body),
            ast: std::mem::take(&mut self.ast),
            names: std::mem::take(&mut self.names),
            used: std::mem::take(&mut self.used),
            unnamed: self.unnamed.take(),
        });
    }

    /// Back to the tree around; gives the one that ends.
    pub fn leave(&mut self) -> Ast {
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
