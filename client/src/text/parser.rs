//! Tokens to syntax tree: precedence climbing, with names resolved on the way.

use std::collections::HashMap;

use super::ast::{Ast, ExprId, Input, Node, Operator, Subscript};
use super::definition::Definition;
use super::error::{Fault, Span};
use super::function::{Function, nearest, nearest_function};
use super::lexer::{Lexeme, Token, tokenize};
use super::scope::{Body, Frame};

/// Brackets, powers and signs nested deeper than this are refused: the parser recurses over them.
const MAX_DEPTH: usize = 200;

/// Names with a meaning of their own.
pub(super) const KEYWORDS: &[&str] = &["return", "and", "or", "not", "if", "then", "else", "fn"];

/// How tightly operators bind, loosest first.
pub(super) mod binding {
    pub const ANY: u8 = 0;
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARISON: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
    pub const SIGN: u8 = 7;
    pub const POWER: u8 = 8;
}

pub(super) fn parse(source: &str) -> Result<(Ast, Vec<Definition>), Fault> {
    let mut parser = Parser {
        source,
        lexemes: tokenize(source)?,
        position: 0,
        depth: 0,
        ast: Ast::default(),
        names: HashMap::new(),
        used: Vec::new(),
        unnamed: None,
        body: Body::Text,
        outer: Vec::new(),
        functions: HashMap::new(),
        definitions: Vec::new(),
        runs: Vec::new(),
    };
    parser.find_functions();
    parser.statements()?;
    Ok((parser.ast, parser.definitions))
}

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Input(usize),
    /// Index into [`Ast::names`].
    Definition(usize),
    Constant(f64),
}

pub(super) struct Parser<'a> {
    pub source: &'a str,
    pub lexemes: Vec<Lexeme>,
    pub position: usize,
    depth: usize,
    pub ast: Ast,
    pub names: HashMap<String, Meaning>,
    /// Whether the definition of that index is read.
    pub used: Vec<bool>,
    /// The expression statement, of which there may be one, last.
    pub unnamed: Option<(ExprId, Span)>,
    /// What the tree at hand belongs to.
    pub body: Body,
    /// The trees around it, innermost last.
    pub outer: Vec<Frame>,
    /// Positions of the functions that the text defines, wherever it does.
    pub functions: HashMap<String, usize>,
    /// Those defined so far.
    pub definitions: Vec<Definition>,
    /// What the function at hand runs.
    pub runs: Vec<usize>,
}

impl Parser<'_> {
    /// An expression of operators that bind at least as tightly as `least`.
    pub fn expression(&mut self, least: u8) -> Result<ExprId, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(
                self.span(),
                format!("nested more than {MAX_DEPTH} levels deep"),
            )
            .help("name the parts: t = …; f = … t …"));
        }
        let start = self.span().start;
        let mut left = self.operand()?;
        let mut compared = false;
        while let Some((operator, bound)) = self.infix() {
            if bound < least {
                break;
            }
            if bound == binding::COMPARISON && std::mem::replace(&mut compared, true) {
                return Err(Fault::new(self.span(), "comparisons cannot be chained")
                    .help("write a < b and b < c"));
            }
            let place = self.span();
            self.position += 1;
            // A line that ends with an operator goes on.
            while self.eat(Token::Newline) {}
            // The power is right associative, and its exponent may have a sign.
            let right_least = if bound == binding::POWER {
                binding::SIGN
            } else {
                bound + 1
            };
            let right = self
                .expression(right_least)
                .map_err(|fault| self.missing_operand(fault, &place))?;
            left = self.push_since(Node::Binary(operator, left, right), start);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn missing_operand(&self, fault: Fault, operator: &Span) -> Fault {
        if fault.span.start == self.source_end() && fault.help.is_none() {
            Fault::new(
                operator.clone(),
                format!("`{}` has no right operand", &self.source[operator.clone()]),
            )
        } else {
            fault
        }
    }

    fn source_end(&self) -> usize {
        self.lexemes.last().map_or(0, |end| end.span.start)
    }

    /// The operator that stands here, and how tightly it binds.
    fn infix(&self) -> Option<(Operator, u8)> {
        Some(match self.peek() {
            Token::Plus => (Operator::Add, binding::SUM),
            Token::Minus => (Operator::Subtract, binding::SUM),
            Token::Star => (Operator::Multiply, binding::PRODUCT),
            Token::Slash => (Operator::Divide, binding::PRODUCT),
            Token::At => (Operator::MatrixProduct, binding::PRODUCT),
            Token::Power => (Operator::Power, binding::POWER),
            Token::Less => (Operator::Less, binding::COMPARISON),
            Token::LessEqual => (Operator::LessEqual, binding::COMPARISON),
            Token::Greater => (Operator::Greater, binding::COMPARISON),
            Token::GreaterEqual => (Operator::GreaterEqual, binding::COMPARISON),
            Token::Equal => (Operator::Equal, binding::COMPARISON),
            Token::NotEqual => (Operator::NotEqual, binding::COMPARISON),
            Token::Name => match self.text() {
                "and" => (Operator::And, binding::AND),
                "or" => (Operator::Or, binding::OR),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// A signed or bare operand with its subscripts.
    fn operand(&mut self) -> Result<ExprId, Fault> {
        let span = self.span();
        match self.peek() {
            Token::Minus => {
                self.position += 1;
                let operand = self.expression(binding::SIGN)?;
                return Ok(self.push_since(Node::Negate(operand), span.start));
            }
            Token::Plus => {
                self.position += 1;
                return self.expression(binding::SIGN);
            }
            Token::Name if self.text() == "if" => return self.branches(),
            Token::Name if self.text() == "not" => {
                self.position += 1;
                let operand = self.expression(binding::NOT)?;
                return Ok(self.push_since(Node::Not(operand), span.start));
            }
            _ => {}
        }
        let mut operand = self.primary()?;
        while self.peek() == Token::LeftBracket {
            operand = self.subscripts(operand, span.start)?;
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Result<ExprId, Fault> {
        let span = self.span();
        match self.peek() {
            Token::Number(value) => {
                self.position += 1;
                Ok(self.ast.push(Node::Number(value), span))
            }
            Token::Name => self.name(),
            Token::LeftParen => {
                self.position += 1;
                let inner = self.expression(binding::ANY)?;
                self.close(Token::RightParen, &span)?;
                Ok(inner)
            }
            Token::LeftBracket => {
                self.position += 1;
                let (elements, _) = self.arguments(Token::RightBracket, &span, None)?;
                if elements.is_empty() {
                    return Err(Fault::new(
                        span.start..self.previous_end(),
                        "an empty vector",
                    ));
                }
                Ok(self.push_since(Node::Stack(elements), span.start))
            }
            Token::End => Err(Fault::new(span, "an expression is missing")),
            Token::Newline | Token::Semicolon => {
                Err(Fault::new(span, "an expression is missing here"))
            }
            Token::RightParen | Token::RightBracket | Token::Comma => Err(Fault::new(
                span,
                format!("an expression is missing before `{}`", self.text()),
            )),
            Token::RightBrace if self.body != Body::Text => Err(Fault::new(
                span,
                format!("an expression is missing before `{}`", self.text()),
            )),
            Token::LeftBrace | Token::RightBrace => Err(Fault::new(
                span,
                format!("`{}` has no meaning in an expression", self.text()),
            )
            .help("group with parentheses")),
            _ => Err(
                Fault::new(span, format!("`{}` has no left operand", self.text()))
                    .help("a long line is continued after an operator or within brackets"),
            ),
        }
    }

    /// A variable, a constant or a call.
    fn name(&mut self) -> Result<ExprId, Fault> {
        let span = self.span();
        let name = self.text().to_owned();
        if KEYWORDS.contains(&name.as_str()) {
            let fault = Fault::new(span, format!("`{name}` does not fit here"));
            return Err(match name.as_str() {
                "then" | "else" => fault.help("write if condition then a else b"),
                "fn" => fault.help("define it in a statement of its own: fn f(x) = expression"),
                _ => fault,
            });
        }
        self.position += 1;
        if let Some(function) = Function::named(&name) {
            return self.call(function, &name, span);
        }
        if self.runs_functions(&name) && self.peek() == Token::LeftParen {
            return self.run(&name, span);
        }
        if self.peek() == Token::LeftParen {
            let variable = self.names.contains_key(&name);
            return Err(if variable {
                Fault::new(span, format!("`{name}` is a variable, not a function"))
                    .help(format!("to multiply, write {name}*(…)"))
            } else {
                let fault = Fault::new(span, format!("unknown function `{name}`"));
                let own = self.functions.keys().map(String::as_str);
                match nearest(&name, own).or_else(|| nearest_function(&name)) {
                    Some(nearest) => fault.help(format!("did you mean `{nearest}`?")),
                    None => fault.help(format!(
                        "to multiply, write {name}*(…); to define it, fn {name}(x) = expression"
                    )),
                }
            });
        }
        self.resolve(&name, span)
    }

    /// The value of a variable.
    pub fn resolve(&mut self, name: &str, span: Span) -> Result<ExprId, Fault> {
        match self.names.get(name) {
            Some(&Meaning::Definition(definition)) => {
                self.used[definition] = true;
                Ok(self.ast.names[definition].1)
            }
            Some(&Meaning::Input(input)) => Ok(self.ast.push(Node::Input(input), span)),
            Some(&Meaning::Constant(value)) => Ok(self.ast.push(Node::Number(value), span)),
            None => {
                let known = self.visible(name);
                let (meaning, node) = match name {
                    "pi" if !known => constant(std::f64::consts::PI),
                    "e" if !known => constant(std::f64::consts::E),
                    _ if self.functions.contains_key(name) => {
                        return Err(Fault::new(span, format!("`{name}` is a function"))
                            .help(format!("call it: {name}(x, y)")));
                    }
                    _ if self.body == Body::Function => {
                        let problem = format!("`{name}` is no parameter of this function");
                        return Err(Fault::new(span, problem).help(
                            "a body reads its parameters only: add it to them, and to the calls",
                        ));
                    }
                    _ if let Some(number) = self.number_around(name) => {
                        self.mark_around(name);
                        constant(number)
                    }
                    _ => {
                        let input = self.ast.inputs.len();
                        self.ast.inputs.push(Input {
                            name: name.to_owned(),
                            span: span.clone(),
                        });
                        (Meaning::Input(input), Node::Input(input))
                    }
                };
                self.names.insert(name.to_owned(), meaning);
                Ok(self.ast.push(node, span))
            }
        }
    }

    /// The arguments of a call, in parentheses or, as NIST writes it, in square brackets.
    fn call(&mut self, function: Function, name: &str, span: Span) -> Result<ExprId, Fault> {
        let opening = self.span();
        let closing = match self.peek() {
            Token::LeftParen => Token::RightParen,
            Token::LeftBracket => Token::RightBracket,
            _ => {
                return Err(Fault::new(span, format!("`{name}` is a function"))
                    .help(format!("call it: {}", function.usage(name))));
            }
        };
        self.position += 1;
        let axis = function.takes_axis().then_some("axis");
        let (arguments, axis) = self.arguments(closing, &opening, axis)?;
        let whole = span.start..self.previous_end();
        if !function.arity().contains(&arguments.len()) {
            let count = match arguments.len() {
                0 => "no argument".to_owned(),
                1 => "one argument".to_owned(),
                n => format!("{n} arguments"),
            };
            return Err(
                Fault::new(whole, format!("`{name}` cannot be called with {count}"))
                    .help(format!("write {}", function.usage(name))),
            );
        }
        if axis.is_some() && arguments.len() > 1 {
            return Err(Fault::new(whole, "an axis belongs to one operand only")
                .help(format!("write {}", function.usage(name))));
        }
        let call = Node::Call {
            function,
            arguments,
            axis,
        };
        Ok(self.ast.push(call, whole))
    }

    /// Expressions between commas up to the closing bracket, with `keyword = …` last where there is one.
    pub fn arguments(
        &mut self,
        closing: Token,
        opening: &Span,
        keyword: Option<&str>,
    ) -> Result<(Vec<ExprId>, Option<ExprId>), Fault> {
        let mut arguments = Vec::new();
        let mut named = None;
        loop {
            if self.eat(closing) {
                break;
            }
            let assigned = self
                .lexemes
                .get(self.position + 1)
                .is_some_and(|next| next.token == Token::Assign);
            if assigned && keyword.is_some() && self.peek_name() == keyword {
                self.position += 2;
                named = Some(self.expression(binding::ANY)?);
            } else {
                arguments.push(self.expression(binding::ANY)?);
            }
            if named.is_some() || !self.eat(Token::Comma) {
                self.close(closing, opening)?;
                break;
            }
        }
        Ok((arguments, named))
    }

    /// `[i]`, `[a:b]`, `[i, a:b:s]` behind a value.
    fn subscripts(&mut self, base: ExprId, start: usize) -> Result<ExprId, Fault> {
        let opening = self.span();
        self.position += 1;
        let mut subscripts = Vec::new();
        loop {
            subscripts.push(self.subscript()?);
            if !self.eat(Token::Comma) {
                break;
            }
        }
        self.close(Token::RightBracket, &opening)?;
        Ok(self.push_since(Node::Index(base, subscripts), start))
    }

    fn subscript(&mut self) -> Result<Subscript, Fault> {
        let start = self.subscript_part()?;
        if !self.eat(Token::Colon) {
            return match start {
                Some(index) => Ok(Subscript::At(index)),
                None => Err(Fault::new(self.span(), "an index is missing")
                    .help("write x[0], x[1:3] or x[:]")),
            };
        }
        let stop = self.subscript_part()?;
        let step = if self.eat(Token::Colon) {
            self.subscript_part()?
        } else {
            None
        };
        Ok(Subscript::Range { start, stop, step })
    }

    fn subscript_part(&mut self) -> Result<Option<ExprId>, Fault> {
        match self.peek() {
            Token::Colon | Token::Comma | Token::RightBracket => Ok(None),
            _ => self.expression(binding::ANY).map(Some),
        }
    }

    /// Takes the closing bracket of the one at `opening`.
    pub fn close(&mut self, closing: Token, opening: &Span) -> Result<(), Fault> {
        if self.eat(closing) {
            return Ok(());
        }
        let bracket = &self.source[opening.clone()];
        Err(match self.peek() {
            Token::End => Fault::new(opening.clone(), format!("`{bracket}` is never closed")),
            Token::RightParen | Token::RightBracket => Fault::new(
                self.span(),
                format!("`{bracket}` is closed by `{}`", self.text()),
            ),
            Token::Semicolon => Fault::new(self.span(), "`;` within brackets")
                .help("close the bracket first; a matrix is written [[1, 2], [3, 4]]"),
            Token::Assign => {
                Fault::new(self.span(), "`=` within brackets").help("to compare, write ==")
            }
            Token::Name | Token::Number(_) | Token::LeftParen => Fault::new(
                self.span(),
                format!("an operator or a comma is missing before `{}`", self.text()),
            ),
            _ => Fault::new(self.span(), format!("`{}` does not fit here", self.text())),
        })
    }

    fn push_since(&mut self, node: Node, start: usize) -> ExprId {
        let span = start..self.previous_end();
        self.ast.push(node, span)
    }

    pub fn previous_end(&self) -> usize {
        self.position
            .checked_sub(1)
            .map_or(0, |previous| self.lexemes[previous].span.end)
    }

    pub fn peek(&self) -> Token {
        // The position never passes the last lexeme, which is the end.
        self.lexemes[self.position].token
    }

    pub fn span(&self) -> Span {
        self.lexemes[self.position].span.clone()
    }

    pub fn text(&self) -> &str {
        &self.source[self.span()]
    }

    pub fn peek_name(&self) -> Option<&str> {
        (self.peek() == Token::Name).then(|| self.text())
    }

    /// Steps over the token if it is this one.
    pub fn eat(&mut self, token: Token) -> bool {
        let found = token != Token::End && self.peek() == token;
        self.position += usize::from(found);
        found
    }
}

fn constant(value: f64) -> (Meaning, Node) {
    (Meaning::Constant(value), Node::Number(value))
}
