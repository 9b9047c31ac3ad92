use super::Slot;
use std::collections::HashMap;

/// Hands out places of one memory; a place that is given back is handed out again, last in first out, while it
/// is still in the cache.
#[derive(Default)]
pub struct Slots {
    /// Of one element: nearly all of them in a scalar graph.
    scalars: Vec<u32>,
    free: HashMap<u32, Vec<u32>>,
    end: u32,
}

impl Slots {
    /// A place for that many elements; `None` if the memory would pass [`Slot::MOST`] elements.
    #[inline]
    pub fn take(&mut self, elements: u32) -> Option<u32> {
        let reused = match elements {
            1 => self.scalars.pop(),
            _ => self.free.get_mut(&elements).and_then(Vec::pop),
        };
        if reused.is_some() {
            return reused;
        }
        let offset = self.end;
        self.end = self
            .end
            .checked_add(elements)
            .filter(|&end| end < Slot::MOST)?;
        Some(offset)
    }

    /// Gives a place back.
    #[inline]
    pub fn give(&mut self, offset: u32, elements: u32) {
        match elements {
            1 => self.scalars.push(offset),
            _ => self.free.entry(elements).or_default().push(offset),
        }
    }

    /// Elements ever handed out at once.
    pub fn size(&self) -> usize {
        self.end as usize
    }
}
