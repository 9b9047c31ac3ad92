//! NumPy's einsum.

use std::collections::BTreeMap;

use super::{number, products::stretched, shapes::same_dtype};
use crate::tensor::Type;

/// One operand's letters before and after its ellipsis.
struct Term<'a> {
    before: &'a str,
    /// What stands after `...`, if there is one.
    after: Option<&'a str>,
}

impl<'a> Term<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let (before, after) = match text.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let mut letters = before.chars().chain(after.unwrap_or_default().chars());
        match letters.find(|c| !c.is_ascii_alphabetic()) {
            None => Ok(Self { before, after }),
            Some(c) => Err(format!(
                "{c:?} in {text:?}; a term is letters, with ... for dimensions without one"
            )),
        }
    }

    fn letters(&self) -> impl Iterator<Item = char> + '_ {
        let after = self.after.unwrap_or_default();
        self.before.chars().chain(after.chars())
    }
}

pub(super) fn einsum(operands: &[&Type], equation: &str) -> Result<Type, String> {
    let [first, rest @ ..] = operands else {
        return Err("an einsum of nothing".into());
    };
    number(first)?;
    rest.iter().try_for_each(|other| same_dtype(first, other))?;
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<Term> = left.split(',').map(Term::parse).collect::<Result<_, _>>()?;
    if terms.len() != operands.len() {
        return Err(format!(
            "{equation:?} has {} terms for {} operands",
            terms.len(),
            operands.len()
        ));
    }
    let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
    let mut batch: Vec<usize> = Vec::new();
    for (term, a) in terms.iter().zip(operands) {
        let letters = term.letters().count();
        let unnamed = a.shape.len().checked_sub(letters);
        let fits = unnamed.filter(|&unnamed| unnamed == 0 || term.after.is_some());
        let unnamed = fits.ok_or_else(|| {
            format!(
                "{letters} letters of {equation:?} for {a}; write one for each dimension, or ..."
            )
        })?;
        let before = term.before.len();
        let inner = &a.shape[before..before + unnamed];
        batch = stretched(&batch, inner).ok_or_else(|| {
            format!("the dimensions at ..., {batch:?} and {inner:?}, do not match")
        })?;
        let named = a.shape[..before].iter().chain(&a.shape[before + unnamed..]);
        for (letter, &size) in term.letters().zip(named) {
            let known = *sizes.entry(letter).or_insert(size);
            if known != size {
                return Err(format!(
                    "{letter:?} of {equation:?} is {known} and {size}; slice or broadcast_to one of them"
                ));
            }
        }
    }
    // Without an arrow: what is not repeated, in the order of the alphabet.
    let implied: String = match right {
        Some(_) => String::new(),
        None => {
            let count = |letter| {
                terms
                    .iter()
                    .flat_map(Term::letters)
                    .filter(|&c| c == letter)
                    .count()
            };
            let once = sizes.keys().copied().filter(|&letter| count(letter) == 1);
            let dots = if terms.iter().any(|term| term.after.is_some()) {
                "..."
            } else {
                ""
            };
            dots.chars().chain(once).collect()
        }
    };
    let result = Term::parse(right.unwrap_or(&implied))?;
    if result.after.is_none() && !batch.is_empty() {
        return Err(format!(
            "the result of {equation:?} has no ...; write it, or letters instead"
        ));
    }
    let mut seen = Vec::new();
    for letter in result.letters() {
        if seen.contains(&letter) {
            return Err(format!(
                "{letter:?} stands twice in the result of {equation:?}"
            ));
        }
        if !sizes.contains_key(&letter) {
            return Err(format!(
                "{letter:?} of the result stands in no operand of {equation:?}"
            ));
        }
        seen.push(letter);
    }
    let size = |letter: char| sizes[&letter];
    let mut shape: Vec<usize> = result.before.chars().map(size).collect();
    shape.extend(batch);
    shape.extend(result.after.unwrap_or_default().chars().map(size));
    Ok(Type::new(first.dtype, shape))
}
