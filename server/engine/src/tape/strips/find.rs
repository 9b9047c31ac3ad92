//! Which instructions are run together.

use super::uses::{Key, Uses, types};
use super::{MAX_COLUMNS, MAX_ROW, MIN_ELEMENTS, MIN_RESULTS, NARROW, STRIP, lcm};
use crate::op::Kernel;
use crate::tape::{Instruction, Structural, Tape};
use crate::tensor::DType;
use smallvec::SmallVec;

/// Instructions that may run before a group though they come in its midst.
const MOST_BETWEEN: usize = 256;

/// A group: instructions of a section by their numbers in it, and where in the new order it begins.
pub struct Group {
    pub begin: usize,
    pub members: Vec<usize>,
}

/// The instructions of a section in a new order, in which the members of each group follow each other.
pub fn groups(tape: &Tape, first: usize, uses: &Uses) -> (Vec<usize>, Vec<Group>) {
    let all: Vec<usize> = (0..uses.reads.len()).collect();
    let mut found = (Vec::with_capacity(all.len()), Vec::new());
    among(tape, first, uses, &all, &mut found);
    found
}

fn among(
    tape: &Tape,
    first: usize,
    uses: &Uses,
    all: &[usize],
    found: &mut (Vec<usize>, Vec<Group>),
) {
    let mut at = 0;
    while at < all.len() {
        let mut open = Open::new(tape, first, uses);
        let fitting = all[at..].iter().position(|&i| !open.take(i));
        let members = match fitting {
            Some(0) => vec![],
            _ => open.fitting(),
        };
        let Some(last) = members.last().filter(|_| members.len() > 1) else {
            found.0.push(all[at]);
            at += 1;
            continue;
        };
        // Members that do not fit after all are looked at again, with all that came after them.
        let others = all[at..].iter().copied().take_while(|i| i < last);
        let others: Vec<usize> = others.filter(|i| !members.contains(i)).collect();
        at += members.len() + others.len();
        among(tape, first, uses, &others, found);
        let (order, groups) = &mut *found;
        let begin = order.len();
        order.extend(&members);
        groups.push(Group { begin, members });
    }
}

/// How a step belongs to a group.
pub enum Form<'t> {
    ByElement,
    /// Elements of another place.
    View(&'t Structural),
    /// Parts between a number.
    Put(&'t Structural),
    /// The same where the parts are members' values: each goes to its elements of the result.
    Scatter(&'t Structural),
    /// Sums or extrema of rows of that many elements.
    Rows(&'t Structural, usize),
    /// Sums or extrema to that many columns.
    Columns(&'t Structural, usize),
}

impl<'t> Form<'t> {
    /// `None` where an instruction cannot be run strip by strip.
    pub fn of(tape: &'t Tape, i: &Instruction) -> Option<Self> {
        let simple = |dtype: &DType| matches!(dtype, DType::F64 | DType::Bool);
        if i.flags & Instruction::CONTROL != 0 {
            return None;
        }
        if i.flags & Instruction::STRUCTURAL == 0 {
            let (operands, result) = types(i);
            let all = operands.iter().flatten().all(simple) && simple(&result);
            return all.then_some(Self::ByElement);
        }
        let step = &tape.structural[i.operands[0].offset()];
        let places = step.operands.iter().chain(&step.results);
        if places.clone().any(|place| place.dtype != DType::F64) {
            return None;
        }
        match &step.kernel {
            Kernel::View(view) => view.is_shallow().then_some(Self::View(step)),
            Kernel::Place { parts, .. } => {
                let mut simple = parts.iter().map(|(_, view)| view.single());
                let all = simple.all(|single| single.is_some());
                (all && parts.len() <= 4).then_some(Self::Put(step))
            }
            Kernel::Reduce { kept, reduced, .. } => {
                let (count, step_over) = kept.single()?;
                match reduced.single()? {
                    (row, 1) if row > 1 && (count == 1 || step_over == row) => {
                        Some(Self::Rows(step, row))
                    }
                    (_, columns)
                        if columns == count && step_over == 1 && columns <= MAX_COLUMNS =>
                    {
                        Some(Self::Columns(step, columns))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The form that an instruction has among members.
    pub fn among(
        tape: &'t Tape,
        first: usize,
        uses: &Uses,
        members: &[usize],
        at: usize,
    ) -> Option<Self> {
        let form = Self::of(tape, &tape.instructions[first + at])?;
        let is_member = |d: usize| members.binary_search(&d).is_ok();
        let own = uses.reads[at].iter().any(|(_, d)| d.is_some_and(is_member));
        Some(match form {
            Self::Put(step) if own => Self::Scatter(step),
            form => form,
        })
    }

    /// Whether the result goes to other elements than those of the strip.
    fn is_last(&self) -> bool {
        matches!(self, Self::Scatter(_) | Self::Rows(..) | Self::Columns(..))
    }

    /// Elements of the result, as far as they are there strip by strip.
    pub fn gives(&self, i: &Instruction) -> Option<u32> {
        match self {
            Self::Scatter(_) | Self::Columns(..) => None,
            Self::Rows(step, _) => Some(step.result().elements).filter(|&n| n >= MIN_RESULTS),
            _ => Some(self.elements(i)),
        }
    }

    /// Elements that the step runs over.
    pub fn elements(&self, i: &Instruction) -> u32 {
        match self {
            Self::ByElement => i.elements,
            Self::View(step) | Self::Put(step) => step.result().elements,
            Self::Scatter(step) => match &step.kernel {
                Kernel::Place { parts, .. } => parts.first().map_or(0, |(_, v)| v.len() as u32),
                _ => 0,
            },
            Self::Rows(step, _) | Self::Columns(step, _) => step.operands[0].elements,
        }
    }
}

/// A group in the making.
struct Open<'t> {
    tape: &'t Tape,
    first: usize,
    uses: &'t Uses,
    elements: Option<u32>,
    /// Results of its rows.
    levels: Vec<u32>,
    /// A strip is a multiple of so many elements.
    unit: usize,
    /// Instructions that run before.
    between: usize,
    members: Vec<usize>,
    /// What members read and write.
    touched: Vec<Key>,
}

impl<'t> Open<'t> {
    fn new(tape: &'t Tape, first: usize, uses: &'t Uses) -> Self {
        Self {
            tape,
            first,
            uses,
            between: 0,
            elements: None,
            levels: vec![],
            unit: 1,
            members: vec![],
            touched: vec![],
        }
    }

    fn is_member(&self, instruction: usize) -> bool {
        self.members.binary_search(&instruction).is_ok()
    }

    fn form(&self, at: usize) -> Option<Form<'t>> {
        Form::among(self.tape, self.first, self.uses, &self.members, at)
    }

    fn instruction(&self, at: usize) -> &'t Instruction {
        &self.tape.instructions[self.first + at]
    }

    /// Takes the next instruction, or lets it run before the group; false if the group ends before it.
    fn take(&mut self, at: usize) -> bool {
        if let Some(form) = self.form(at)
            && let Some(unit) = self.joins(at, &form)
        {
            self.unit = unit;
            let i = self.instruction(at);
            self.elements = self.elements.or(Some(form.elements(i)));
            if let (Form::Rows(..), Some(results)) = (&form, form.gives(i)) {
                self.levels.push(results);
            }
            self.members.push(at);
            let reads = self.uses.reads[at].iter().map(|(key, _)| *key);
            self.touched.extend(reads);
            self.touched.extend(&self.uses.writes[at]);
            return true;
        }
        // A group begins with its first member.
        self.between += 1;
        !self.members.is_empty() && self.between <= MOST_BETWEEN && self.runs_before(at)
    }

    /// Of how many elements a strip is a multiple if an instruction is a member; `None` if it is not.
    fn joins(&self, at: usize, form: &Form<'_>) -> Option<usize> {
        let elements = form.elements(self.instruction(at));
        let all = match self.elements {
            Some(all) => all,
            None if elements >= MIN_ELEMENTS => elements,
            None => return None,
        };
        let reads = self.uses.reads[at].iter();
        let own = reads.map(|(_, d)| d.filter(|&d| self.is_member(d)));
        let own: SmallVec<[Option<usize>; 3]> = own.collect();
        let fits = elements == all || self.levels.contains(&elements);
        if !fits || !self.fits(form, elements, &own) {
            return None;
        }
        // Results of whole rows are there, where something stands for these.
        let scale = |elements: u32| (all / elements) as usize;
        let read = own
            .iter()
            .flatten()
            .map(|&d| self.gives(d).map_or(1, scale));
        let unit = read.chain([scale(elements)]).fold(self.unit, lcm);
        let wide = unit.max(STRIP) / scale(elements) >= NARROW;
        let joins = unit <= MAX_ROW && (wide || own.iter().any(Option::is_some));
        joins.then_some(unit)
    }

    /// Elements of a member's result in all strips.
    fn gives(&self, d: usize) -> Option<u32> {
        self.form(d)?.gives(self.instruction(d))
    }

    /// Whether a step finds what it reads of members, whose results are `own`.
    fn fits(&self, form: &Form<'_>, elements: u32, own: &[Option<usize>]) -> bool {
        let is_row = |d: usize| self.gives(d) == Some(elements);
        match form {
            Form::ByElement => own.iter().all(|d| d.is_none_or(is_row)),
            Form::View(step) => match own[0] {
                None => true,
                Some(d) => match spreads(step) {
                    Some(times) => self.gives(d).is_some_and(|n| n * times == elements),
                    None => is_row(d) && is_dense(step),
                },
            },
            Form::Put(_) => own.iter().all(Option::is_none),
            Form::Scatter(step) => match &step.kernel {
                Kernel::Place { parts, .. } => parts
                    .iter()
                    .all(|(k, view)| own[*k].is_some_and(is_row) && view.len() as u32 == elements),
                _ => false,
            },
            Form::Rows(..) | Form::Columns(..) => own[0].is_some_and(is_row),
        }
    }

    /// Whether an instruction can run before the group: it needs nothing of it, and members neither read nor write
    /// where it writes.
    fn runs_before(&self, at: usize) -> bool {
        let needs =
            |(_, definition): &(Key, Option<usize>)| definition.is_some_and(|d| self.is_member(d));
        !self.uses.reads[at].iter().any(needs)
            && !self.uses.writes[at]
                .iter()
                .any(|k| self.touched.contains(k))
    }

    /// Whether somebody reads it at the end, or somebody who is no member does.
    fn outlives(&self, at: usize) -> bool {
        outlives(self.uses, &self.members, at)
    }

    /// Members up to the first one whose result would overwrite what another still reads, or that is not worth a step.
    fn fitting(&mut self) -> Vec<usize> {
        loop {
            match self.clash().or_else(|| self.narrow()) {
                None => return std::mem::take(&mut self.members),
                Some(k) => self.members.truncate(k),
            }
        }
    }

    /// The first member that neither runs over many numbers of a strip nor is read by one that does.
    fn narrow(&self) -> Option<usize> {
        let all = self.elements.filter(|_| self.unit > 1)? as usize;
        let mut worth = vec![false; self.members.len()];
        for (k, &at) in self.members.iter().enumerate().rev() {
            let elements = self.form(at)?.elements(self.instruction(at)) as usize;
            let wide = self.unit.max(STRIP) * elements / all >= NARROW;
            let mut readers = self.uses.readers[at].iter();
            let is_worth = |r: &usize| self.members.binary_search(r).is_ok_and(|r| worth[r]);
            worth[k] = wide || readers.any(is_worth);
        }
        worth.iter().position(|worth| !worth)
    }

    /// The first member whose result goes to memory that a member reads elsewhere than at the same element, or later.
    fn clash(&self) -> Option<usize> {
        let mut read: Vec<Key> = Vec::new();
        let mut elsewhere: Vec<Key> = Vec::new();
        for &at in &self.members {
            let form = self.form(at);
            let own = |d: &Option<usize>| d.is_some_and(|d| self.is_member(d));
            let i = self.instruction(at);
            for (k, (key, definition)) in self.uses.reads[at].iter().enumerate() {
                let by_element = matches!(form, Some(Form::ByElement)) && i.flags & 1 << k == 0;
                if own(definition) {
                    continue;
                }
                read.push(*key);
                if !by_element {
                    elsewhere.push(*key);
                }
            }
        }
        self.members.iter().position(|&at| {
            let form = self.form(at);
            // These write to other elements than those of the strip.
            let last = form.as_ref().is_some_and(Form::is_last);
            // What rows come to may be read in the strip alone.
            let within = matches!(form, Some(Form::Rows(..))) && !self.uses.readers[at].is_empty();
            let stored = self.outlives(at) || last && !within;
            let not_these = if last { &read } else { &elsewhere };
            stored && self.uses.writes[at].iter().any(|k| not_these.contains(k))
        })
    }
}

/// How often a view has each of all its operand's elements, one time after the other; `None` if it does not.
pub fn spreads(step: &Structural) -> Option<u32> {
    let Kernel::View(view) = &step.kernel else {
        return None;
    };
    let (times, stride) = view.several()?;
    let all = view.len() == step.operands[0].elements as usize * times;
    (all && view.offset() == 0 && stride == 1).then_some(times as u32)
}

/// Whether a member's result is read at the end, or by somebody who is no member.
pub fn outlives(uses: &Uses, members: &[usize], at: usize) -> bool {
    let stranger = |reader: &usize| members.binary_search(reader).is_err();
    uses.outlive.contains(&at) || uses.readers[at].iter().any(stranger)
}

/// Whether a view is all of its operand, in order.
pub fn is_dense(step: &Structural) -> bool {
    let elements = step.result().elements as usize;
    let Kernel::View(view) = &step.kernel else {
        return false;
    };
    step.operands[0].elements as usize == elements && *view == crate::op::Strided::dense(elements)
}
