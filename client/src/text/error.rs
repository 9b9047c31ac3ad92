//! Errors that point at their place in the text.

use std::fmt;
use std::ops::Range;

/// Characters of a long line that are shown on either side of the place.
const CONTEXT: usize = 60;

/// Bytes of the source that a token, a node or a fault covers.
pub(super) type Span = Range<usize>;

/// A problem on its way to becoming an [`Error`]: the source is added where it is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub span: Span,
    pub problem: String,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(span: Span, problem: impl Into<String>) -> Self {
        Fault {
            span,
            problem: problem.into(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Finds the line and cuts it out.
    pub fn locate(self, source: &str) -> Error {
        let start = self.span.start.min(source.len());
        let line_start = source[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |i| start + i);
        let before = source[line_start..start].chars().count();
        let marked = source[start..self.span.end.clamp(start, line_end)]
            .chars()
            .count();

        let first = before.saturating_sub(CONTEXT);
        let excerpt: String = source[line_start..line_end]
            .chars()
            .skip(first)
            .take(before - first + marked.min(CONTEXT) + CONTEXT)
            // One column per character, so that the carets stand below what they mean.
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Error {
            problem: self.problem,
            help: self.help,
            line: source[..line_start].matches('\n').count() + 1,
            column: before + 1,
            indent: before - first,
            carets: marked.clamp(1, CONTEXT),
            excerpt: excerpt.trim_end().to_owned(),
        }
    }
}

/// Why a text is not a computation: the problem, the place and the repair.
///
/// Displays as several lines:
///
/// ```text
/// unknown function `sine` (line 1, column 5)
///   | f = sine(x)
///   |     ^^^^
/// help: did you mean `sin`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    problem: String,
    help: Option<String>,
    line: usize,
    column: usize,
    excerpt: String,
    indent: usize,
    carets: usize,
}

impl Error {
    /// What is wrong, in one line.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// How to repair it, if there is more to say than the problem does.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line of the place, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column of the place in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error {
            problem,
            line,
            column,
            excerpt,
            ..
        } = self;
        writeln!(f, "{problem} (line {line}, column {column})")?;
        writeln!(f, "  | {excerpt}")?;
        let (indent, carets) = (self.indent, self.carets);
        write!(f, "  | {:indent$}{:^>carets$}", "", "")?;
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
