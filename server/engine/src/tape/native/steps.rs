//! Steps of a loop as machine code: the body's instructions and all that goes into a step and comes out of it, again and
//! again. What one step gives the next goes through memory once; all else stays in registers as in [`super::straight`].

use super::small::Step;
use super::translate::{Features, Translator, is_near, number};
use super::uses::Numbers;
use super::{Move, Moves, Way};
use crate::tape::{Part, Slot, Tape};

/// More instructions are not worth it: moving numbers in and out counts for nothing then.
const MAX_INSTRUCTIONS: usize = 1 << 12;

impl Moves {
    /// Links in an order in which none overwrites what another one still has to read; `None` if there is no such order.
    pub(super) fn in_order(&self) -> Option<Vec<(Slot, Slot)>> {
        let mut left: Vec<_> = self.links.iter().filter(|(from, to)| from != to).collect();
        let mut ordered = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let is_free = |to: Slot| left.iter().all(|(from, _)| *from != to);
            let at = left.iter().position(|(_, to)| is_free(*to))?;
            ordered.push(*left.swap_remove(at));
        }
        Some(ordered)
    }

    fn are_near(&self) -> bool {
        let moves = self.before.iter().chain(&self.after).map(|m| m.slot);
        let links = self.links.iter().flat_map(|&(from, to)| [from, to]);
        moves.chain(links).all(|slot| is_near(slot, 1, 1))
    }
}

/// The code of the steps of a loop whose body a tape is, of `most` bytes at most, and where it begins; `None` if not all of
/// it can be code.
pub fn translate(tape: &Tape, moves: &Moves, most: usize) -> Option<(Vec<u8>, usize)> {
    let features = Features::here()?;
    let mut parts = tape.parts.iter().flatten();
    let plain = parts.all(|part| matches!(part, Part::Plain(_)));
    let fits = plain && moves.are_near();
    if !fits || tape.sections.len() > 2 || tape.instructions.len() > MAX_INSTRUCTIONS {
        return None;
    }
    let links = moves.in_order()?;
    // The next step reads what it finds in the places of its parameters, and nothing else.
    let numbers = Numbers::read_later(tape, links.iter().map(|&(_, to)| to));
    let mut translator = Translator::new(tape, features, most, numbers);
    let moved = |m: &Move| {
        let (cursor, bytes) = (m.cursor as i32, (m.offset * 8) as i32);
        let own = number(m.slot, 0);
        match m.way {
            Way::In => Step::Fetch {
                cursor,
                bytes,
                to: own,
            },
            Way::Out | Way::Sum => Step::Leave {
                from: [own],
                cursor,
                bytes,
                added: m.way == Way::Sum,
            },
        }
    };
    let mut steps: Vec<Step> = moves.before.iter().map(moved).collect();
    for section in &tape.sections {
        let (own, end) = translator.straight(section.clone());
        if end < section.end {
            return None;
        }
        steps.extend(own);
    }
    steps.extend(moves.after.iter().map(moved));
    steps.extend(links.iter().map(|&(from, to)| Step::Copy {
        from: [number(from, 0)],
        to: number(to, 0),
    }));
    let entry = translator.code.bytes.len();
    let begin = translator.code.begin_steps();
    translator.write(&steps, tape.instructions.len());
    translator.code.end_steps(begin, moves.cursors);
    let bytes = translator.code.bytes;
    (bytes.len() <= most).then_some((bytes, entry))
}
