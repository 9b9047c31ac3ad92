//! What is printed: aligned text for people, JSON for programs.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use comfy_table::{LineStyle, Table, TableStyle};
use serde_json::Value;

/// Where results go, and in which form.
#[derive(Debug)]
pub struct Output {
    json: bool,
    terminal: bool,
}

impl Output {
    /// To standard output.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Whether JSON is asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person reads it as it comes: not into a pipe or a file, and not as JSON.
    pub fn is_terminal(&self) -> bool {
        self.terminal && !self.json
    }

    /// Prints lines at once.
    ///
    /// # Errors
    /// If they cannot be written. A reader that has gone is an error of kind `BrokenPipe`, with which the program
    /// ends quietly.
    pub fn print(&self, text: &str) -> anyhow::Result<ExitCode> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints JSON: indented on a terminal, one line in a pipe.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub fn print_json(&self, value: &Value) -> anyhow::Result<ExitCode> {
        let text = if self.terminal {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.print(&text?)
    }

    /// A table as text, aligned; on a terminal with a rule below the header.
    pub fn table<const N: usize>(
        &self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> String {
        let mut table = Table::new();
        table.load_style(match self.is_terminal() {
            true => TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')),
            false => TableStyle::new(),
        });
        table.set_header(header);
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}

/// Whether messages on standard error may have colour.
pub fn color_on_stderr() -> bool {
    let plain = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal()
        && !plain("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
