use super::{Argument, Instruction, Part, Run, Slot, Tape};
use std::fmt;
use std::ops::Range;

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            if self.varies() { "l" } else { "u" },
            self.offset()
        )
    }
}

/// A readable listing: `u` slots are uniform, `l` slots have a number for each lane.
impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, section) in self.sections.iter().enumerate() {
            match i {
                0 => writeln!(f, "once: {} instructions", section.len())?,
                g => writeln!(
                    f,
                    "each lane of group {}: {} instructions",
                    g - 1,
                    section.len()
                )?,
            }
            let Some(parts) = self.parts.get(i) else {
                self.lines(f, section.clone())?;
                continue;
            };
            for part in parts {
                if let Part::Strips(range, strips) = part {
                    let (count, strip) = (range.len(), strips.strip);
                    writeln!(f, "  {count} instructions, {strip} elements at a time:")?;
                }
                self.lines(f, part.range().clone())?;
            }
        }
        Ok(())
    }
}

impl Tape {
    fn lines(&self, f: &mut fmt::Formatter<'_>, range: Range<usize>) -> fmt::Result {
        let mut instructions = self.instructions[range].iter();
        instructions.try_for_each(|i| self.line(f, i))
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, i: &Instruction) -> fmt::Result {
        write!(f, "  {:>6} = {}", i.result.to_string(), i.op.name())?;
        if i.flags & Instruction::CONTROL != 0 {
            let step = &self.controls[i.operands[0].offset()];
            for other in step.results.iter().flatten().skip(1) {
                write!(f, " +{}", other.slot)?;
            }
            for operand in &step.operands {
                match operand {
                    Argument::At(place) => write!(f, " {}", place.slot)?,
                    Argument::Zeros { .. } => write!(f, " 0")?,
                }
            }
            match &step.run {
                Run::Call { body } => write!(f, " body {body}")?,
                Run::Cond { branches } => write!(f, " bodies {branches:?}")?,
                Run::Loop(l) => write!(f, " body {}", l.body)?,
                Run::Pull(p) => write!(f, " back through body {}", p.body)?,
            }
        } else if i.flags & Instruction::STRUCTURAL != 0 {
            let step = &self.structural[i.operands[0].offset()];
            for other in &step.results[1..] {
                write!(f, " +{}", other.slot)?;
            }
            for operand in &step.operands {
                write!(f, " {}", operand.slot)?;
            }
            if let crate::op::Kernel::Constant(tensor) = &step.kernel {
                write!(f, " {tensor}")?;
            }
        } else {
            let arity = match i.op.elementwise() {
                Some(row) => row.partials.len(),
                None => i.op.arity().map_or(0, |(min, _)| min as usize),
            };
            for operand in &i.operands[..arity] {
                write!(f, " {operand}")?;
            }
        }
        if i.elements != 1 {
            write!(f, "  × {}", i.elements)?;
        }
        writeln!(f)
    }
}
