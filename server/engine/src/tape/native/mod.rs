//! The native tier: sections whose values are single numbers run as machine code once they have run a few times.
//!
//! It stands on this floor because it is another lowering of the same instructions. The same vector of slots is read
//! and written, each operation is the interpreter's own (the processor's where that is the same correctly rounded
//! one, else a call of the same function), so no bit of a result depends on the tier.

#[cfg(all(target_arch = "x86_64", unix))]
mod assembler;
#[cfg(all(target_arch = "x86_64", unix))]
mod lanes;
#[cfg(all(target_arch = "x86_64", unix))]
mod loops;
mod moves;
#[cfg(all(target_arch = "x86_64", unix))]
mod registers;
#[cfg(all(target_arch = "x86_64", unix))]
mod small;
#[cfg(all(target_arch = "x86_64", unix))]
mod steps;
#[cfg(all(target_arch = "x86_64", unix))]
mod straight;
#[cfg(all(target_arch = "x86_64", unix))]
mod strips;
#[cfg(all(target_arch = "x86_64", unix))]
mod translate;
#[cfg(all(target_arch = "x86_64", unix))]
mod uses;

#[cfg(all(test, target_arch = "x86_64", unix))]
mod tests;

pub use moves::{MAX_MOVES, Move, Moves, Steps, Way};

use super::{Slot, Tape};
use crate::plan::WIDTHS;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Runs after which a section is translated. Translating takes about ten times as long as what it saves in a run.
pub const RUNS: u32 = 8;

/// Bytes of code of one tape for one number of lanes. Beyond, fetching instructions costs more than interpreting them.
const MAX_BYTES: usize = 4 << 20;

/// The same for all numbers of lanes together.
const MAX_BYTES_IN_ALL: usize = 8 << 20;

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Instructions that steps of a loop run before the loop is translated, beside [`RUNS`]: to have pages for code, and to give
/// them back, takes as long as it saves in so many.
const LOOP_INSTRUCTIONS: usize = 2000;

static EAGER: AtomicBool = AtomicBool::new(false);

/// Loops are translated after few steps from now on, however short the steps are: to test it.
pub fn set_eager() {
    EAGER.store(true, Ordering::Relaxed);
}

/// Whether tapes may be translated from now on. Those that are stay so.
pub fn set_native(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// Whether tapes are translated here.
pub fn is_there() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    {
        ENABLED.load(Ordering::Relaxed) && translate::Features::here().is_some()
    }
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}

/// Pointers to the memories of a running tape.
#[derive(Clone, Copy)]
pub struct Bases {
    /// Numbers, uniform and of the only lane.
    pub f64: [*mut f64; 2],
    /// Truth values, uniform and of the only lane.
    pub bool: [*mut bool; 2],
}

/// A part of a section.
#[derive(Debug)]
pub struct Piece {
    /// Its instructions.
    pub range: Range<usize>,
    /// Elements that its code works on.
    pub work: usize,
    /// The number of the section's part that it is, if it is run strip by strip.
    pub part: Option<usize>,
    /// Then its steps in parts.
    pub segments: Vec<Segment>,
    /// Where its code begins; `None`: it is interpreted.
    entry: Option<usize>,
}

impl Piece {
    /// Whether it has code.
    pub fn is_code(&self) -> bool {
        self.entry.is_some()
    }

    fn interpreted(range: Range<usize>) -> Self {
        Self {
            range,
            work: 0,
            part: None,
            segments: vec![],
            entry: None,
        }
    }
}

/// Addresses that the code of a strip's steps is given: of uniform numbers, the same moved to where the strip begins, of
/// the only lane's numbers, the same moved, of uniform numbers such that the group's own rows are the thread's, and of
/// [`Other`] numbers, moved.
pub const GIVEN: usize = 8;

/// Numbers that the caller has, or of which there are several for each element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Other {
    /// From here on.
    pub slot: Slot,
    /// So many for each element.
    pub each: usize,
}

/// Steps of a strip in a row.
#[derive(Debug)]
pub struct Segment {
    /// Which.
    pub steps: Range<usize>,
    /// Of how many elements of the group each of theirs is made.
    pub scale: usize,
    /// What else they read or write, [`GIVEN`] less five at most.
    pub others: Vec<Other>,
    /// Where the code of a loop that does all of them begins; `None`: they are interpreted.
    entry: Option<usize>,
}

impl Segment {
    /// Whether it is machine code.
    pub fn is_code(&self) -> bool {
        self.entry.is_some()
    }
}

/// The machine code of a tape.
#[derive(Debug)]
pub struct Code {
    #[cfg(all(target_arch = "x86_64", unix))]
    bytes: memmap2::Mmap,
    sections: Vec<Vec<Piece>>,
}

impl Code {
    /// Numbers that are worked out at a time.
    pub const WIDTH: usize = 4;

    fn len(&self) -> usize {
        #[cfg(all(target_arch = "x86_64", unix))]
        return self.bytes.len();
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        0
    }

    /// The parts of a section.
    pub fn pieces(&self, section: usize) -> &[Piece] {
        &self.sections[section]
    }

    /// Runs steps of a strip on so many elements, which are a multiple of [`Code::WIDTH`] and more than none; nothing is
    /// done if they have no code.
    ///
    /// # Safety
    /// The addresses are those of [`GIVEN`] of the memory lent for this tape, where that many elements from the strip's
    /// first on are the tape's.
    #[inline]
    pub unsafe fn run_segment(
        &self,
        segment: &Segment,
        given: &[*const f64; GIVEN],
        elements: usize,
    ) {
        let Some(entry) = segment.entry else {
            return;
        };
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            type Entry = unsafe extern "sysv64" fn(*const *const f64, usize);
            // SAFETY: `entry` was set by `translate` to the beginning of a function of this type in `bytes`, which
            // are executable and live as long as `self`. It touches rows of the group's elements alone.
            unsafe {
                let code = self.bytes.as_ptr().add(entry);
                let code = std::mem::transmute::<*const u8, Entry>(code);
                code(given.as_ptr(), elements * 8);
            }
        }
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        let _ = (entry, given, elements);
    }

    /// Runs a piece; false, and nothing is done, if it has no code.
    ///
    /// # Safety
    /// The bases are those of the memory lent for this tape, with the lanes that the code was asked for by, where the
    /// piece is not of section 0.
    #[inline]
    pub unsafe fn run(&self, piece: &Piece, bases: Bases) -> bool {
        let Some(entry) = piece.entry else {
            return false;
        };
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            type Entry = unsafe extern "sysv64" fn(*mut f64, *mut f64, *mut bool, *mut bool);
            let [uniform, varying] = bases.f64;
            let [uniform_bool, varying_bool] = bases.bool;
            // SAFETY: `entry` was set by `translate` to the beginning of a function of this type in `bytes`, which
            // are executable and live as long as `self`. It touches slots of the tape alone.
            unsafe {
                let code = self.bytes.as_ptr().add(entry);
                let code = std::mem::transmute::<*const u8, Entry>(code);
                code(uniform, varying, uniform_bool, varying_bool);
            }
        }
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        let _ = (entry, bases);
        true
    }
}

/// What a tape knows of its code.
#[derive(Default, Debug)]
pub struct Native {
    /// For each of [`WIDTHS`].
    tiers: [Tier; WIDTHS.len()],
    /// Steps of loops that were run before anybody looked for code.
    waited: AtomicUsize,
    /// Of steps of the loop whose body this is.
    steps: OnceLock<Option<Steps>>,
    /// Bytes of code that there are, or that are being written.
    bytes: AtomicUsize,
}

#[derive(Default, Debug)]
struct Tier {
    runs: AtomicU32,
    code: OnceLock<Option<Code>>,
}

impl Tier {
    /// The code, once it has been run often enough; counts a run.
    #[inline]
    fn code(&self, translated: impl FnOnce() -> Option<Code>) -> Option<&Code> {
        if let Some(code) = self.code.get() {
            return code.as_ref();
        }
        if self.runs.fetch_add(1, Ordering::Relaxed) < RUNS || !ENABLED.load(Ordering::Relaxed) {
            return None;
        }
        self.code.get_or_init(translated).as_ref()
    }
}

impl Tape {
    /// The code for that many lanes, once there is some; counts a run.
    #[inline]
    pub fn native(&self, lanes: usize) -> Option<&Code> {
        let at = WIDTHS.iter().position(|&width| width == lanes as u64)?;
        self.native.tiers[at].code(|| self.translated(lanes))
    }

    /// Whether steps of a loop whose body this is are still too few to look for code; counts one.
    pub fn waits(&self) -> bool {
        let most = LOOP_INSTRUCTIONS / self.instructions.len().max(1);
        let waited = self.native.waited.load(Ordering::Relaxed);
        if waited >= most || EAGER.load(Ordering::Relaxed) {
            return false;
        }
        self.native.waited.store(waited + 1, Ordering::Relaxed);
        true
    }

    /// Whether it has been run often enough for code, one lane at a time.
    pub fn is_warm(&self) -> bool {
        self.native.tiers[0].runs.load(Ordering::Relaxed) >= RUNS
    }

    fn translated(&self, lanes: usize) -> Option<Code> {
        self.within_bytes(|most| {
            let code = translated(self, lanes, most)?;
            let bytes = code.len();
            Some((code, bytes))
        })
    }

    /// Makes code of so many bytes at most; tells how many it has.
    fn within_bytes<T>(&self, made: impl FnOnce(usize) -> Option<(T, usize)>) -> Option<T> {
        // All that it may take is taken first, so that two at a time cannot take it together.
        let before = self.native.bytes.fetch_add(MAX_BYTES, Ordering::Relaxed);
        let most = MAX_BYTES_IN_ALL.saturating_sub(before).min(MAX_BYTES);
        let (code, bytes) = made(most).unzip();
        let unused = MAX_BYTES - bytes.unwrap_or(0).min(MAX_BYTES);
        self.native.bytes.fetch_sub(unused, Ordering::Relaxed);
        code
    }

    /// Bytes that machine code may come to: a cache weighs a program before it has any.
    pub fn native_bytes(&self) -> u64 {
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            let each = translate::INSTRUCTION_BYTES;
            self.instructions
                .len()
                .saturating_mul(each)
                .min(MAX_BYTES_IN_ALL) as u64
        }
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        0
    }
}

#[cfg(all(target_arch = "x86_64", unix))]
fn translated(tape: &Tape, lanes: usize, most: usize) -> Option<Code> {
    let features = translate::Features::here()?;
    let (bytes, sections) = translate::translate(tape, features, lanes, most)?;
    let bytes = executable(&bytes)?;
    Some(Code { bytes, sections })
}

/// Written first, executable after: pages are never both. Where the platform refuses, all is interpreted.
#[cfg(all(target_arch = "x86_64", unix))]
fn executable(bytes: &[u8]) -> Option<memmap2::Mmap> {
    let mut map = memmap2::MmapMut::map_anon(bytes.len()).ok()?;
    map.copy_from_slice(bytes);
    map.make_exec().ok()
}

#[cfg(not(all(target_arch = "x86_64", unix)))]
fn translated(_: &Tape, _: usize, _: usize) -> Option<Code> {
    None
}
