//! Statements, and what of them is a result.

use super::ast::{ExprId, Output};
use super::error::{Fault, Span};
use super::function::Function;
use super::lexer::Token;
use super::parser::{KEYWORDS, Meaning, Parser, binding};
use super::scope::Body;

/// The output's name when the text gives none.
const UNNAMED_OUTPUT: &str = "f";

impl Parser<'_> {
    pub fn statements(&mut self) -> Result<(), Fault> {
        loop {
            while self.eat(Token::Newline) || self.eat(Token::Semicolon) {}
            let ends = self.body == Body::Function && self.peek() == Token::RightBrace;
            if self.peek() == Token::End || ends {
                break;
            }
            if self.peek_name() == Some("fn") {
                self.function_definition()?;
                self.end_of_statement()?;
                continue;
            }
            if let Some((_, span)) = &self.unnamed {
                return Err(Fault::new(
                    span.clone(),
                    "an expression without a name must be the last statement",
                )
                .help("give it one: name = …"));
            }
            if self.peek_name() == Some("return") {
                self.position += 1;
                return self.return_statement();
            }
            self.statement()?;
            self.end_of_statement()?;
        }
        match self.body {
            Body::Text => self.name_outputs(),
            _ => Ok(()),
        }
    }

    fn statement(&mut self) -> Result<(), Fault> {
        let span = self.span();
        let name = self.peek_name().map(str::to_owned);
        let assigned = self.lexemes[self.position..]
            .get(1)
            .is_some_and(|next| next.token == Token::Assign);
        if let Some(name) = name.as_ref().filter(|_| self.is_function_definition()) {
            return Err(Fault::new(span, "a function is defined with `fn`")
                .help(format!("write fn {name}(x) = expression")));
        }
        if let Some(names) = self.several_names() {
            for (name, span) in &names {
                self.check_free(name, span.clone())?;
            }
            self.position += 2 * names.len();
            let values = self.several_results(names.len())?;
            for ((name, span), value) in names.into_iter().zip(values) {
                if matches!(self.names.get(&name), Some(Meaning::Definition(_))) {
                    return Err(Fault::new(span, format!("`{name}` has a value already"))
                        .help("choose another name: a value never changes"));
                }
                self.check_not_read(&name)?;
                self.define(name, value);
            }
            return Ok(());
        }
        let (Some(name), true) = (name, assigned) else {
            let value = self.expression(binding::ANY)?;
            self.unnamed = Some((value, self.ast.span(value)));
            return Ok(());
        };

        self.check_free(&name, span)?;
        self.position += 2;
        let value = self.expression(binding::ANY)?;
        self.check_not_read(&name)?;
        self.define(name, value);
        Ok(())
    }

    fn define(&mut self, name: String, value: ExprId) {
        let definition = Meaning::Definition(self.ast.names.len());
        self.names.insert(name.clone(), definition);
        self.ast.names.push((name, value));
        self.used.push(false);
    }

    /// A value is not made of itself.
    fn check_not_read(&self, name: &str) -> Result<(), Fault> {
        match self.names.get(name) {
            Some(&Meaning::Input(input)) => Err(Fault::new(
                self.ast.inputs[input].span.clone(),
                format!("`{name}` is defined by itself"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a value may get this name.
    fn check_free(&self, name: &str, span: Span) -> Result<(), Fault> {
        if KEYWORDS.contains(&name)
            || Function::named(name).is_some()
            || self.functions.contains_key(name)
        {
            return Err(Fault::new(
                span,
                format!("`{name}` is taken: it has a meaning of its own"),
            )
            .help("choose another name"));
        }
        match self.names.get(name) {
            Some(Meaning::Definition(_)) => {
                return Err(Fault::new(span, format!("`{name}` has a value already"))
                    .help("choose another name: a value never changes"));
            }
            Some(&Meaning::Input(_)) if self.body == Body::Function => {
                return Err(Fault::new(span, format!("`{name}` is a parameter"))
                    .help("choose another name: a value never changes"));
            }
            Some(&Meaning::Input(input)) => {
                return Err(Fault::new(
                    self.ast.inputs[input].span.clone(),
                    format!("`{name}` is read before the statement that gives it a value"),
                )
                .help("put the definition first"));
            }
            Some(Meaning::Constant(_)) => {
                return Err(
                    Fault::new(span, format!("`{name}` is read above as the constant"))
                        .help("put the definition first"),
                );
            }
            None => {}
        }
        Ok(())
    }

    /// `f(…) =` stands here.
    fn is_function_definition(&self) -> bool {
        let tokens = self.lexemes[self.position..]
            .iter()
            .map(|lexeme| lexeme.token);
        let mut tokens = tokens.skip(1);
        tokens.next() == Some(Token::LeftParen)
            && tokens.any(|token| token == Token::RightParen)
            && tokens.next() == Some(Token::Assign)
    }

    fn end_of_statement(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Token::Semicolon | Token::Newline | Token::End => Ok(()),
            Token::RightBrace if self.body == Body::Function => Ok(()),
            // What follows the body of a function needs nothing between.
            _ if self.lexemes[..self.position]
                .last()
                .is_some_and(|last| last.token == Token::RightBrace) =>
            {
                Ok(())
            }
            Token::RightParen | Token::RightBracket => Err(Fault::new(
                self.span(),
                format!("`{}` closes nothing", self.text()),
            )
            .help("remove it, or open a bracket before")),
            Token::Number(_) | Token::Name => Err(Fault::new(
                self.span(),
                format!("an operator is missing before `{}`", self.text()),
            )
            .help("to multiply, write *; to begin another statement, write ;")),
            Token::LeftParen | Token::LeftBracket => Err(Fault::new(
                self.span(),
                format!("an operator is missing before `{}`", self.text()),
            )
            .help("to multiply, write *")),
            Token::Assign => Err(Fault::new(self.span(), "only a name can be given a value")
                .help("to compare, write ==; to define, name = expression")),
            Token::Comma => Err(Fault::new(self.span(), "`,` outside brackets")
                .help("for several results, name them: f = …; g = …")),
            _ => Err(Fault::new(
                self.span(),
                format!("`{}` does not fit here", self.text()),
            )),
        }
    }

    /// `return f, g`: names the outputs.
    fn return_statement(&mut self) -> Result<(), Fault> {
        let mut items = Vec::new();
        loop {
            let span = self.span();
            let name = self.peek_name().map(str::to_owned);
            let value = self.expression(binding::ANY)?;
            // A lone name keeps its name.
            let name = name.filter(|_| self.previous_end() == span.end);
            items.push((name, value, span));
            if !self.eat(Token::Comma) {
                break;
            }
        }
        self.end_of_statement()?;
        while self.eat(Token::Newline) || self.eat(Token::Semicolon) {}
        let end = match self.body {
            Body::Function => Token::RightBrace,
            _ => Token::End,
        };
        if self.peek() != end && self.peek() != Token::End {
            return Err(
                Fault::new(self.span(), "nothing can follow the return statement")
                    .help("put it before, or remove it"),
            );
        }
        if self.body == Body::Function {
            let items = items.into_iter().enumerate();
            self.ast
                .outputs
                .extend(items.map(|(i, (_, value, _))| Output {
                    name: i.to_string(),
                    value,
                }));
            return Ok(());
        }
        let alone = items.len() == 1;
        for (name, value, span) in items {
            let name = match name {
                Some(name) => name,
                None if alone => UNNAMED_OUTPUT.to_owned(),
                None => {
                    return Err(Fault::new(span, "one of several results without a name")
                        .help("define it before: name = …; return name, …"));
                }
            };
            if self.ast.outputs.iter().any(|output| output.name == name) {
                return Err(Fault::new(span, format!("`{name}` is returned twice")));
            }
            self.ast.outputs.push(Output { name, value });
        }
        Ok(())
    }

    /// Without `return`: what no other statement reads.
    fn name_outputs(&mut self) -> Result<(), Fault> {
        let names = self.ast.names.iter().zip(&self.used);
        self.ast.outputs = names
            .filter(|&(_, &used)| !used)
            .map(|((name, value), _)| Output {
                name: name.clone(),
                value: *value,
            })
            .collect();
        if let Some((value, span)) = self.unnamed.take() {
            if self
                .ast
                .outputs
                .iter()
                .any(|output| output.name == UNNAMED_OUTPUT)
            {
                return Err(Fault::new(
                    span,
                    format!("this result would be called `{UNNAMED_OUTPUT}`, as another one is"),
                )
                .help("give it a name: name = …"));
            }
            self.ast.outputs.push(Output {
                name: UNNAMED_OUTPUT.to_owned(),
                value,
            });
        }
        if self.ast.outputs.is_empty() {
            return Err(
                Fault::new(0..0, "there is no expression").help("write one, for example x*sin(y)")
            );
        }
        Ok(())
    }
}
