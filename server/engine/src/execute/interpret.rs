use super::memory::Memory;
use super::stop::Ticker;
use super::{elementwise, structural};
use crate::error::Error;
use crate::op::Op;
use crate::tape::{Instruction, Tape};
use crate::tensor::DType;

/// Runs one section of a tape.
pub(super) fn section(
    tape: &Tape,
    section: usize,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let Some(range) = tape.sections.get(section) else {
        return Ok(());
    };
    for i in &tape.instructions[range.clone()] {
        if i.flags & Instruction::STRUCTURAL != 0 {
            structural::run(memory, &tape.structural[i.operands[0].offset()], ticker)?;
        } else if i.elements == 1
            && i.dtype == DType::F64
            && memory.lanes_of(i.result) == 1
            && scalar(memory, i)
        {
            ticker.tick(1)?;
        } else {
            elementwise::run(memory, i, ticker)?;
        }
    }
    Ok(())
}

/// One number from one or two: most of a scalar graph. False for what it leaves to the general way.
#[inline]
fn scalar(memory: Memory<'_>, i: &Instruction) -> bool {
    let get = |k: usize| memory.cells::<f64>(i.operands[k], 1)[0].get();
    let value = match i.op {
        Op::Add => get(0) + get(1),
        Op::Subtract => get(0) - get(1),
        Op::Multiply => get(0) * get(1),
        Op::Divide => get(0) / get(1),
        Op::Negate => -get(0),
        op => match op.elementwise() {
            Some(row) if row.partials.len() == 1 => op.value1(get(0)),
            Some(row) if row.partials.len() == 2 => op.value2(get(0), get(1)),
            Some(_) => op.value3(get(0), get(1), get(2)),
            None => return false,
        },
    };
    memory.cells::<f64>(i.result, 1)[0].set(value);
    true
}
