//! Statements, and what of them is a result.

use super::ast::Output;
use super::error::Fault;
use super::function::Function;
use super::lexer::Token;
use super::parser::{KEYWORDS, Meaning, Parser, binding};

/// The output's name when the text gives none.
const UNNAMED_OUTPUT: &str = "f";

impl Parser<'_> {
    pub fn statements(&mut self) -> Result<(), Fault> {
        loop {
            while self.eat(Token::Newline) || self.eat(Token::Semicolon) {}
            if self.peek() == Token::End {
                break;
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
        self.name_outputs()
    }

    fn statement(&mut self) -> Result<(), Fault> {
        let span = self.span();
        let name = self.peek_name().map(str::to_owned);
        let assigned = self.lexemes[self.position..]
            .get(1)
            .is_some_and(|next| next.token == Token::Assign);
        if name.is_some() && self.is_function_definition() {
            return Err(Fault::new(span, "functions cannot be defined")
                .help("write name = expression: names without a definition are inputs"));
        }
        let (Some(name), true) = (name, assigned) else {
            let value = self.expression(binding::ANY)?;
            self.unnamed = Some((value, self.ast.span(value)));
            return Ok(());
        };

        if KEYWORDS.contains(&name.as_str()) || Function::named(&name).is_some() {
            return Err(Fault::new(
                span,
                format!("`{name}` is taken: it has a meaning of its own"),
            )
            .help("choose another name"));
        }
        match self.names.get(&name) {
            Some(Meaning::Definition(_)) => {
                return Err(Fault::new(span, format!("`{name}` has a value already"))
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
        self.position += 2;
        let value = self.expression(binding::ANY)?;
        if let Some(&Meaning::Input(input)) = self.names.get(&name) {
            return Err(Fault::new(
                self.ast.inputs[input].span.clone(),
                format!("`{name}` is defined by itself"),
            ));
        }
        let definition = Meaning::Definition(self.ast.names.len());
        self.names.insert(name.clone(), definition);
        self.ast.names.push((name, value));
        self.used.push(false);
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
        if self.peek() != Token::End {
            return Err(Fault::new(
                self.span(),
                "nothing can follow the return statement",
            ));
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
