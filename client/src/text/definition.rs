//! Functions that a text defines: syntax.

use std::collections::HashMap;

use super::ast::{Ast, ExprId, Input, Output};
use super::error::{Fault, Span};
use super::function::Function;
use super::lexer::Token;
use super::parser::{KEYWORDS, Meaning, Parser, binding};
use super::runner::runner;
use super::scope::Body;
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
                let problem = "`->` announces the type of a result";
                return Err(Fault::new(self.span(), problem).help("write -> f64 or -> f64[3]"));
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
            return Err(Fault::new(opening, "`{` is never closed")
                .help("close it with } after the last statement"));
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
    pub fn give(&mut self, value: ExprId) {
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
            let problem = format!("two parameters are called `{name}`");
            return Err(Fault::new(span, problem).help("choose another name"));
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
                    _ => {
                        return Err(Fault::new(place, "a size is a whole number")
                            .help("write it as a number: f64[3]"));
                    }
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
}

/// A size beyond this is no memory's.
const MAX_SIZE: f64 = (1u64 << 53) as f64;

fn scalar() -> Type {
    Type::new(Dtype::F64, [])
}
