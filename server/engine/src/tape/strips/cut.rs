//! Where strips of a group begin and end, and where threads may take turns.

use super::find::Form;
use super::{LONG, MAX_ROW, Pieces, STRIP, Scaled, Step, Strips, gcd, lcm};
use crate::op::Kernel;
use crate::tape::Structural;
use crate::tape::native::Code;

/// Fewer elements of a row are not worth a strip of their own.
const FEW: usize = 128;

/// How a group may be cut, at multiples of a unit; `None` if not. Whole strips may be done apart where no reduction goes
/// on from one to the next.
pub fn pieces(strips: &Strips, unit: usize, repeats: bool) -> Option<Pieces> {
    let (elements, strip) = (strips.elements, strips.strip);
    let (mut range, mut width) = (strip, None);
    for Scaled { step, scale } in &strips.steps {
        match step {
            Step::Rows { row, .. } => {
                // Of one long row, parts.
                let row = scale * row;
                let row = if row == elements { LONG } else { row };
                range = (range / gcd(range, row)).saturating_mul(row);
            }
            Step::Columns { columns, .. } => {
                let columns = scale * columns;
                // Together they end what is taken together.
                let long = elements / columns >= LONG;
                if long || width.is_some_and(|width| width != columns) {
                    return None;
                }
                width = Some(columns);
            }
            _ => {}
        }
    }
    match width {
        None => (range < elements).then_some(Pieces::Ranges(range)),
        // Rows in strips of their own: what repeats with the strips must repeat with them.
        Some(width) => {
            let even = width.is_multiple_of(if repeats { strip } else { unit });
            let rows = |each: &Scaled| match each.step {
                Step::Rows { row, .. } => width.is_multiple_of(each.scale * row),
                _ => true,
            };
            let fits = width >= FEW && even && strips.steps.iter().all(rows);
            fits.then_some(Pieces::Rounds(width))
        }
    }
}

/// Elements of a strip, a multiple of a unit: rows that are repeated, or summed up, begin with it where that can be.
pub fn strip<'f>(forms: impl Iterator<Item = (&'f Form<'f>, usize)> + Clone, unit: usize) -> usize {
    let periods = forms.clone().filter_map(|(form, scale)| match form {
        Form::View(step) => repeated(step).map(|row| scale * row),
        _ => None,
    });
    let rows = forms.filter_map(|(form, scale)| match form {
        Form::Rows(_, row) => Some(scale * row),
        _ => None,
    });
    let mut all = periods.chain(rows).map(|row| lcm(unit, row));
    let row = all.find(|row| *row <= MAX_ROW);
    row.or((unit > 1).then_some(unit)).map_or(STRIP, |row| {
        // Machine code takes some elements at a time.
        let both = row * (Code::WIDTH / gcd(row, Code::WIDTH));
        let each = if both <= STRIP { both } else { row };
        each * (STRIP / each).max(1)
    })
}

/// Elements of the row that a view repeats.
pub fn repeated(step: &Structural) -> Option<usize> {
    let Kernel::View(view) = &step.kernel else {
        return None;
    };
    view.repeated_row()
}
