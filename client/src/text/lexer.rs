//! Characters to tokens.

use super::error::{Fault, Span};

/// What the parser sees of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// Identifier or keyword; the text is that of the span.
    Name,
    Plus,
    Minus,
    Star,
    Slash,
    /// `^` or `**`.
    Power,
    At,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    /// Around the body of a function.
    LeftBrace,
    RightBrace,
    Comma,
    Colon,
    Semicolon,
    /// The end of a line outside brackets.
    Newline,
    Assign,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub token: Token,
    pub span: Span,
}

/// Splits a text; the last lexeme is [`Token::End`].
pub(super) fn tokenize(source: &str) -> Result<Vec<Lexeme>, Fault> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    let mut open_brackets = 0usize;
    while let Some(c) = source[at..].chars().next() {
        let (token, length) = match c {
            '\n' if open_brackets == 0 => (Token::Newline, 1),
            _ if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '#' => {
                at += source[at..].find('\n').unwrap_or(source.len() - at);
                continue;
            }
            '0'..='9' | '.' => number(source, at)?,
            _ if is_name_start(c) => (Token::Name, name_length(&source[at..])),
            _ => symbol(source, at, c)?,
        };
        match token {
            Token::LeftParen | Token::LeftBracket => open_brackets += 1,
            Token::RightParen | Token::RightBracket => {
                open_brackets = open_brackets.saturating_sub(1);
            }
            _ => {}
        }
        lexemes.push(Lexeme {
            token,
            span: at..at + length,
        });
        at += length;
    }
    // Just behind the last token, so that the caret stands where text is missing.
    let end = lexemes.last().map_or(0, |last: &Lexeme| last.span.end);
    lexemes.push(Lexeme {
        token: Token::End,
        span: end..end,
    });
    Ok(lexemes)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// Digits, fraction and exponent; `at` stands on a digit or a point.
fn number(source: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = &source.as_bytes()[at..];
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    let mut length = whole;
    if bytes.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if whole + fraction == 0 {
            return Err(Fault::new(at..at + 1, "a `.` without digits"));
        }
        length += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(length) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes
            .get(length + 1 + sign..)
            .map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }

    let text = &source[at..at + length];
    let rest = &source[at + length..];
    if let Some(next) = rest.chars().next() {
        if is_name_start(next) {
            let name = &rest[..name_length(rest)];
            return Err(Fault::new(
                at..at + length + name.len(),
                format!("`{text}{name}` is neither a number nor a name"),
            )
            .help(format!("to multiply, write {text}*{name}")));
        }
        if next == '.' || next.is_ascii_digit() {
            return Err(Fault::new(at..at + length + 1, "a number with two points"));
        }
    }
    let value: f64 = text
        .parse()
        .map_err(|_| Fault::new(at..at + length, format!("`{text}` is not a number")))?;
    if value.is_infinite() {
        return Err(Fault::new(
            at..at + length,
            format!("`{text}` is too large for a 64-bit floating-point number"),
        ));
    }
    Ok((Token::Number(value), length))
}

fn symbol(source: &str, at: usize, c: char) -> Result<(Token, usize), Fault> {
    let next = source[at + c.len_utf8()..].chars().next();
    let token = match (c, next) {
        ('*', Some('*')) => return Ok((Token::Power, 2)),
        ('<', Some('=')) => return Ok((Token::LessEqual, 2)),
        ('>', Some('=')) => return Ok((Token::GreaterEqual, 2)),
        ('=', Some('=')) => return Ok((Token::Equal, 2)),
        ('!', Some('=')) => return Ok((Token::NotEqual, 2)),
        ('+', _) => Token::Plus,
        ('-', _) => Token::Minus,
        ('*', _) => Token::Star,
        ('/', _) => Token::Slash,
        ('^', _) => Token::Power,
        ('@', _) => Token::At,
        ('(', _) => Token::LeftParen,
        (')', _) => Token::RightParen,
        ('[', _) => Token::LeftBracket,
        (']', _) => Token::RightBracket,
        ('{', _) => Token::LeftBrace,
        ('}', _) => Token::RightBrace,
        (',', _) => Token::Comma,
        (':', _) => Token::Colon,
        (';', _) => Token::Semicolon,
        ('=', _) => Token::Assign,
        ('<', _) => Token::Less,
        ('>', _) => Token::Greater,
        _ => {
            let help = match c {
                '\u{2212}' | '\u{2013}' | '\u{2014}' => "for minus, write -",
                '\u{d7}' | '\u{b7}' | '\u{22c5}' => "for multiplication, write *",
                '\u{f7}' => "for division, write /",
                '&' => "for a logical and, write `and`",
                '|' => "for a logical or, write `or`; for an absolute value, abs(x)",
                '!' => "for a logical not, write `not`",
                '%' => "for a remainder, write remainder(a, b)",
                '\'' => "for a transposed matrix, write transpose(A)",
                _ => "",
            };
            let fault = Fault::new(
                at..at + c.len_utf8(),
                format!("`{c}` has no meaning in an expression"),
            );
            return Err(if help.is_empty() {
                fault
            } else {
                fault.help(help)
            });
        }
    };
    Ok((token, 1))
}
