//! The files that come with this crate; see `data/nist_strd/README.md`.

use super::{ParseError, Problem};

macro_rules! files {
    ($($name:literal)*) => {
        [$(include_str!(concat!("../../data/nist_strd/", $name, ".dat"))),*]
    };
}

/// In NIST's order: from lower to higher level of difficulty.
const FILES: [&str; 20] = files![
    "Misra1a"
    "Chwirut2"
    "Chwirut1"
    "Lanczos3"
    "Gauss1"
    "Gauss2"
    "DanWood"
    "Misra1b"
    "Kirby2"
    "Nelson"
    "MGH17"
    "Lanczos1"
    "Gauss3"
    "Misra1c"
    "Misra1d"
    "Roszman1"
    "MGH09"
    "Thurber"
    "Rat42"
    "Eckerle4"
];

/// The problems that come with this crate, from lower to higher level of difficulty.
///
/// # Errors
/// None, if the files are as NIST published them.
pub fn bundled() -> Result<Vec<Problem>, ParseError> {
    FILES.iter().map(|text| Problem::parse(text)).collect()
}
