use crate::op::Problem;
use crate::tensor::{Shape, TensorType};
use std::collections::BTreeMap;

/// A dimension's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Label {
    /// A letter.
    Letter(char),
    /// A dimension that `...` stands for, counted from the last one.
    Batch(usize),
}

/// An equation read for operands of certain types.
#[derive(Debug)]
pub(super) struct Equation {
    /// Labels of each operand's dimensions.
    pub terms: Vec<Vec<Label>>,
    /// Labels of the result's dimensions: distinct, and each in some term.
    pub result: Vec<Label>,
    /// The size of every label.
    pub sizes: BTreeMap<Label, u64>,
}

/// One operand's letters before and after its `...`.
struct Term<'a> {
    before: &'a str,
    after: Option<&'a str>,
}

fn problem(message: String) -> Problem {
    Problem::attribute("equation", message)
}

impl<'a> Term<'a> {
    fn parse(text: &'a str) -> Result<Self, Problem> {
        let (before, after) = match text.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let term = Self { before, after };
        let wrong = term.letters().find(|c| !c.is_ascii_alphabetic());
        match wrong {
            None => Ok(term),
            Some(c) => Err(problem(format!(
                "{c:?} in {text:?}; a term is letters, with at most one ... for dimensions without a letter"
            ))),
        }
    }

    fn letters(&self) -> impl Iterator<Item = char> + '_ {
        let after = self.after.unwrap_or_default();
        self.before.chars().chain(after.chars())
    }

    /// The labels of its dimensions, `unnamed` of them in the place of `...`.
    fn labels(&self, unnamed: usize) -> Vec<Label> {
        let batch = (0..unnamed).rev().map(Label::Batch);
        let after = self.after.unwrap_or_default().chars().map(Label::Letter);
        let before = self.before.chars().map(Label::Letter);
        before.chain(batch).chain(after).collect()
    }
}

impl Equation {
    /// Reads an equation and fits it to the operands.
    pub fn read(text: &str, operands: &[&TensorType]) -> Result<Self, Problem> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&text[..], None),
        };
        let terms: Vec<Term<'_>> = left.split(',').map(Term::parse).collect::<Result<_, _>>()?;
        if terms.len() != operands.len() {
            return Err(problem(format!(
                "{text:?} has {} terms for {} operands; write one for each, with commas between",
                terms.len(),
                operands.len()
            )));
        }
        let mut sizes = BTreeMap::new();
        let mut labels = Vec::with_capacity(terms.len());
        for (i, (term, ty)) in terms.iter().zip(operands).enumerate() {
            let own = fitted(&text, term, i, &ty.shape)?;
            for (&label, &size) in own.iter().zip(ty.shape.iter()) {
                note(&text, &mut sizes, label, size)?;
            }
            labels.push(own);
        }
        let batch = sizes
            .keys()
            .filter(|l| matches!(l, Label::Batch(_)))
            .count();
        let implied;
        let result = match right {
            Some(right) => right,
            None => {
                implied = without_arrow(&terms);
                &implied
            }
        };
        let result = Term::parse(result)?;
        if result.after.is_none() && batch > 0 {
            return Err(problem(format!(
                "the result of {text:?} has no ...; write it, or letters instead"
            )));
        }
        let result = result.labels(if result.after.is_some() { batch } else { 0 });
        for (i, label) in result.iter().enumerate() {
            let Label::Letter(letter) = label else {
                continue;
            };
            if result[..i].contains(label) {
                return Err(problem(format!(
                    "{letter:?} stands twice in the result of {text:?}; name it once"
                )));
            }
            if !sizes.contains_key(label) {
                return Err(problem(format!(
                    "{letter:?} of the result of {text:?} stands in no term"
                )));
            }
        }
        Ok(Self {
            terms: labels,
            result,
            sizes,
        })
    }

    /// The result's shape.
    pub fn shape(&self) -> Shape {
        self.result.iter().map(|label| self.sizes[label]).collect()
    }

    /// The product of the labels' sizes.
    pub fn size(&self, labels: impl Iterator<Item = Label>) -> u64 {
        let sizes: Shape = labels.map(|label| self.sizes[&label]).collect();
        sizes.elements()
    }
}

/// The labels of an operand's dimensions.
fn fitted(
    text: &str,
    term: &Term<'_>,
    operand: usize,
    shape: &Shape,
) -> Result<Vec<Label>, Problem> {
    let letters = term.letters().count();
    let unnamed = shape.rank().checked_sub(letters);
    match unnamed.filter(|&n| n == 0 || term.after.is_some()) {
        Some(unnamed) => Ok(term.labels(unnamed)),
        None => Err(problem(format!(
            "{letters} letters of {text:?} for operand {operand} of shape {shape}; write one for each dimension, or ..."
        ))),
    }
}

/// Notes a label's size. A dimension in the place of `...` of size 1 stretches.
fn note(
    text: &str,
    sizes: &mut BTreeMap<Label, u64>,
    label: Label,
    size: u64,
) -> Result<(), Problem> {
    let known = sizes.entry(label).or_insert(size);
    if *known == size {
        return Ok(());
    }
    match label {
        Label::Letter(letter) => Err(problem(format!(
            "{letter:?} of {text:?} is {known} and {size}; slice or broadcast one of them"
        ))),
        Label::Batch(_) if size == 1 => Ok(()),
        Label::Batch(_) if *known == 1 => {
            *known = size;
            Ok(())
        }
        Label::Batch(_) => Err(problem(format!(
            "dimensions in the place of ... in {text:?} have sizes {known} and {size}; they must be equal, or 1"
        ))),
    }
}

/// The result without an arrow: what is not repeated, in the order of the alphabet.
fn without_arrow(terms: &[Term<'_>]) -> String {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for letter in terms.iter().flat_map(Term::letters) {
        *counts.entry(letter).or_default() += 1;
    }
    let dots = match terms.iter().any(|term| term.after.is_some()) {
        true => "...",
        false => "",
    };
    let once = counts.iter().filter(|&(_, &count)| count == 1);
    dots.chars()
        .chain(once.map(|(&letter, _)| letter))
        .collect()
}
