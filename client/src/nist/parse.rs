//! The layout of a StRD file: a header of labelled blocks, then columns of numbers.

use super::{Column, Level, Parameter, ParseError, Problem};

/// Reads one file.
pub(super) fn parse(text: &str) -> Result<Problem, ParseError> {
    let mut reader = Reader {
        lines: text.lines().map(str::trim).collect(),
        at: 0,
    };

    let name = reader.labelled("Dataset Name:", "the problem's name")?;
    let name = first_word(name).to_owned();
    reader.labelled("Data:", "the number of responses")?;
    let predictors = reader.count_before("Predictor")?;
    let observations = reader.count_before("Observations")?;
    let level = reader.level()?;
    reader.labelled("Model:", "the model's class")?;
    let parameter_count = reader.count_before("Parameters")?;
    let model = reader.model()?;
    let parameters = reader.parameters(parameter_count)?;
    let residual_sum_of_squares = reader.labelled_number("Residual Sum of Squares:")?;
    let residual_standard_deviation = reader.labelled_number("Residual Standard Deviation:")?;
    reader.labelled_count(
        "Degrees of Freedom:",
        observations.saturating_sub(parameter_count),
    )?;
    reader.labelled_count("Number of Observations:", observations)?;
    let columns = reader.columns(predictors + 1, observations)?;

    Ok(Problem {
        name,
        level,
        definitions: model.definitions,
        response: model.response,
        prediction: model.prediction,
        parameters,
        residual_sum_of_squares,
        residual_standard_deviation,
        columns,
    })
}

/// `response = prediction + e`, after definitions of constants.
struct Model {
    definitions: Vec<String>,
    response: String,
    prediction: String,
}

struct Reader<'a> {
    /// Without white space around them.
    lines: Vec<&'a str>,
    /// The line to read next.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The error that at `line`, counted from 0, something else was `expected`.
    fn expected(&self, line: usize, expected: impl Into<String>) -> ParseError {
        ParseError {
            line: line + 1,
            expected: expected.into(),
            found: self.lines.get(line).map(|&line| line.to_owned()),
        }
    }

    /// Goes behind the next line for which `pick` gives something.
    fn find<T>(
        &mut self,
        expected: &str,
        pick: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, ParseError> {
        let found = (self.at..self.lines.len()).find_map(|i| Some((i, pick(self.lines[i])?)));
        let (line, found) = found.ok_or_else(|| self.expected(self.lines.len(), expected))?;
        self.at = line + 1;
        Ok(found)
    }

    /// What stands behind a label.
    fn labelled(&mut self, label: &str, meaning: &str) -> Result<&'a str, ParseError> {
        self.find(&format!("`{label}` and {meaning}"), |line| {
            line.strip_prefix(label).map(str::trim)
        })
    }

    fn labelled_number(&mut self, label: &str) -> Result<f64, ParseError> {
        let text = self.labelled(label, "a number")?;
        number(text).ok_or_else(|| self.expected(self.at - 1, format!("a number behind `{label}`")))
    }

    /// A count that is known already.
    fn labelled_count(&mut self, label: &str, count: usize) -> Result<(), ParseError> {
        let text = self.labelled(label, "a count")?;
        if text.parse() == Ok(count) {
            return Ok(());
        }
        Err(self.expected(
            self.at - 1,
            format!("{count} behind `{label}`, as follows from above"),
        ))
    }

    /// The number before a word, as in "2 Predictors (x1 = time; x2 = temperature)".
    fn count_before(&mut self, word: &str) -> Result<usize, ParseError> {
        self.find(&format!("how many {word}"), |line| {
            let mut words = line.split_whitespace();
            let count = words.next()?.parse().ok()?;
            words.next()?.starts_with(word).then_some(count)
        })
    }

    fn level(&mut self) -> Result<Level, ParseError> {
        let expected = "Lower, Average or Higher Level of Difficulty";
        let word = self.find(expected, |line| line.strip_suffix("Level of Difficulty"))?;
        match word.trim() {
            "Lower" => Ok(Level::Lower),
            "Average" => Ok(Level::Average),
            "Higher" => Ok(Level::Higher),
            _ => Err(self.expected(self.at - 1, expected)),
        }
    }

    /// The lines up to the table of parameters. A line without `=` continues the one before.
    fn model(&mut self) -> Result<Model, ParseError> {
        let first = self.at;
        self.find("`Starting values`", |line| {
            line.to_ascii_lowercase()
                .starts_with("starting values")
                .then_some(())
        })?;
        let mut statements: Vec<String> = Vec::new();
        let mut last = first;
        for (i, &line) in self.lines.iter().enumerate().take(self.at - 1).skip(first) {
            match statements.last_mut() {
                _ if line.is_empty() => continue,
                Some(statement) if !line.contains('=') => {
                    statement.push(' ');
                    statement.push_str(line);
                }
                _ => statements.push(line.to_owned()),
            }
            last = i;
        }
        let equation = statements.pop().unwrap_or_default();
        let sides = equation.strip_suffix('e').and_then(|equation| {
            let (response, prediction) = equation.split_once('=')?;
            Some((response.trim(), prediction.trim().strip_suffix('+')?.trim()))
        });
        let (response, prediction) =
            sides.ok_or_else(|| self.expected(last, "a model `y = … + e`"))?;
        Ok(Model {
            definitions: statements,
            response: response.to_owned(),
            prediction: prediction.to_owned(),
        })
    }

    /// Lines `name = start 1, start 2, certified value, standard deviation`.
    fn parameters(&mut self, count: usize) -> Result<Vec<Parameter>, ParseError> {
        self.find("`Start 1` and `Start 2`", |line| {
            line.starts_with("Start 1").then_some(())
        })?;
        let mut parameters = Vec::new();
        for _ in 0..count {
            let line = self.at;
            let parameter = self.lines.get(line).and_then(|line| {
                let (name, values) = line.split_once('=')?;
                let [start_1, start_2, certified, standard_deviation] = numbers(values)?[..] else {
                    return None;
                };
                Some(Parameter {
                    name: name.trim().to_owned(),
                    starts: [start_1, start_2],
                    certified,
                    standard_deviation,
                })
            });
            parameters.push(parameter.ok_or_else(|| {
                let row = "a parameter `b = start 1, start 2, certified value, standard deviation`";
                self.expected(line, format!("{row}, {count} in all"))
            })?);
            self.at += 1;
        }
        Ok(parameters)
    }

    /// `Data: y x …`, then a row for each observation.
    fn columns(&mut self, count: usize, observations: usize) -> Result<Vec<Column>, ParseError> {
        let names: Vec<&str> = self
            .labelled("Data:", "the names of the columns")?
            .split_whitespace()
            .collect();
        if names.len() != count {
            return Err(self.expected(self.at - 1, format!("the names of {count} columns")));
        }
        let mut columns: Vec<Column> = names
            .iter()
            .map(|&name| Column {
                name: name.to_owned(),
                values: Vec::new(),
            })
            .collect();
        for (line, text) in self.lines.iter().enumerate().skip(self.at) {
            if text.is_empty() {
                continue;
            }
            let row = numbers(text).filter(|row| row.len() == count);
            let row = row.ok_or_else(|| self.expected(line, format!("{count} numbers")))?;
            for (column, value) in columns.iter_mut().zip(row) {
                column.values.push(value);
            }
        }
        if columns[0].values.len() != observations {
            let expected = format!(
                "{observations} rows of data, not {}",
                columns[0].values.len()
            );
            return Err(self.expected(self.lines.len(), expected));
        }
        Ok(columns)
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or(text)
}

/// Finite numbers between white space, or nothing if there is anything else.
fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split_whitespace().map(number).collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
