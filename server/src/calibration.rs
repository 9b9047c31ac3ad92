//! What operations cost on this machine: measured at the first start, kept in a file, read at the next.
//!
//! By these costs ways are chosen: two servers on different machines may choose differently, and their results are
//! then the same up to rounding. Servers that must give the same bits start with `--skip-calibration`, and so plan
//! with the built-in costs.

use clap::{Args, builder::FalseyValueParser};
use gradient_engine::{Costs, calibrate};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

/// First line of the file: another layout, or another way to measure, has another number.
const VERSION: &str = "gradient costs 2";

/// The file's name.
const FILE: &str = "costs";

/// A file of costs is a few hundred bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Whether to measure, and where to keep it.
#[derive(Clone, Debug, Default, Args)]
pub struct Calibration {
    /// Do not measure what operations cost on this machine; plan with built-in costs.
    #[arg(long, env = "GRADIENT_SKIP_CALIBRATION", value_parser = FalseyValueParser::new())]
    pub skip_calibration: bool,

    /// Where what was measured is kept for the next start, in a file `costs`. By default
    /// `$XDG_CACHE_HOME/gradient`, else `$HOME/.cache/gradient`; without either it is measured at each start.
    #[arg(long, env = "GRADIENT_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl Calibration {
    /// The costs to plan with: built in, kept, or measured now and kept. Measuring takes about 20 ms. Nothing that is
    /// wrong with the file keeps the server from starting.
    pub fn costs(&self) -> Costs {
        self.costs_by(&fingerprint(), calibrate)
    }

    fn costs_by(&self, machine: &str, measure: impl FnOnce() -> Costs) -> Costs {
        if self.skip_calibration {
            tracing::debug!("costs of operations: built in");
            return Costs::BUILT_IN;
        }
        let directory = self.cache_dir.clone().or_else(default_directory);
        let file = directory.as_ref().map(|directory| directory.join(FILE));
        if let Some(file) = &file {
            match read(file).and_then(|text| parse(&text, machine)) {
                Ok(costs) => {
                    tracing::info!(?costs, file = %file.display(), "costs of operations: kept");
                    return costs;
                }
                Err(Unusable::Missing) => {}
                Err(Unusable::Because(why)) => {
                    tracing::warn!(file = %file.display(), "costs of operations: {why}; measuring again");
                }
            }
        }
        let begin = Instant::now();
        let costs = measure();
        let milliseconds = begin.elapsed().as_millis() as u64;
        tracing::info!(?costs, milliseconds, "costs of operations: measured");
        if let Some(file) = &file
            && let Err(error) = write(file, &text(costs, machine))
        {
            tracing::warn!(file = %file.display(), %error, "costs of operations: not kept");
        }
        costs
    }
}

fn default_directory() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    Some(cache.join("gradient"))
}

/// Why a file is not used.
#[derive(PartialEq, Debug)]
enum Unusable {
    Missing,
    Because(String),
}

fn read(file: &Path) -> Result<String, Unusable> {
    let because = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Because(error.to_string()),
    };
    let metadata = fs::metadata(file).map_err(because)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(Unusable::Because("this is no file of costs".to_owned()));
    }
    fs::read_to_string(file).map_err(because)
}

/// Written beside its place and then moved there, so that no other server reads half of it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = file.with_extension(std::process::id().to_string());
    fs::write(&beside, text)?;
    fs::rename(&beside, file).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

fn text(costs: Costs, machine: &str) -> String {
    let costs = costs.named();
    let lines = costs.map(|(name, cost)| format!("{name} {cost}\n"));
    format!("{VERSION}\nmachine {machine}\n{}", lines.concat())
}

/// Reads a file written on the same machine; costs out of bounds are no costs.
fn parse(text: &str, machine: &str) -> Result<Costs, Unusable> {
    let because = |why: &str| Err(Unusable::Because(why.to_owned()));
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return because("not a file of costs, or of another version");
    }
    if lines.next().and_then(|line| line.strip_prefix("machine ")) != Some(machine) {
        return because("measured on another machine or by another version");
    }
    let mut costs = [0.0; Costs::COUNT];
    for (cost, (name, _)) in costs.iter_mut().zip(Costs::BUILT_IN.named()) {
        let line = lines.next().and_then(|line| line.split_once(' '));
        let number = line.filter(|(key, _)| *key == name);
        match number.and_then(|(_, number)| number.parse::<u32>().ok()) {
            Some(number) => *cost = f64::from(number),
            None => return because(&format!("no cost {name:?} where it should stand")),
        }
    }
    let clamped = Costs::clamped(costs);
    let as_written = clamped.named().map(|(_, cost)| f64::from(cost)) == costs;
    if !as_written || lines.next().is_some() {
        return because("costs that no machine has");
    }
    Ok(clamped)
}

/// The processor's model, a hash of its features, this version and whether it is optimised, on one line.
fn fingerprint() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |names: &[&str]| {
        let line = cpu.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names.contains(&name.trim()).then(|| value.trim())
        });
        line.unwrap_or("unknown")
    };
    let model = field(&["model name", "CPU part"]);
    let features = blake3::hash(field(&["flags", "Features"]).as_bytes()).to_hex();
    let optimised = !cfg!(debug_assertions);
    format!(
        "{model}; {} {}; gradient {} optimised={optimised}",
        env::consts::ARCH,
        &features[..16],
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Costs {
        Costs {
            step: 44_000,
            operation: 450,
            ..Costs::BUILT_IN
        }
    }

    fn at(directory: &Path) -> Calibration {
        Calibration {
            cache_dir: Some(directory.join("made/on/demand")),
            ..Calibration::default()
        }
    }

    fn not_measured() -> Costs {
        panic!("measured although the costs were there")
    }

    #[test]
    fn costs_are_measured_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let calibration = at(directory.path());
        assert_eq!(calibration.costs_by("this", measured), measured());
        assert_eq!(calibration.costs_by("this", not_measured), measured());
        let kept = fs::read_dir(calibration.cache_dir.unwrap()).unwrap();
        assert_eq!(kept.count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn files_of_no_use_are_replaced() {
        let good = text(measured(), "this");
        let broken = [
            String::new(),
            "\0\u{1}".to_owned(),
            good.replace("costs 2", "costs 1"),
            good.replace("machine this", "machine that"),
            good.replace("44000", "-1"),
            good.replace("44000", "4000000000"),
            good.replace("step 44000", "leap 44000"),
            good.lines().take(4).collect::<Vec<_>>().join("\n"),
            format!("{good}more 1\n"),
            "x".repeat(MAX_BYTES as usize + 1),
        ];
        for text in broken {
            let directory = tempfile::tempdir().unwrap();
            let calibration = at(directory.path());
            let file = calibration.cache_dir.as_ref().unwrap().join(FILE);
            write(&file, &text).unwrap();
            let mut ran = false;
            let costs = calibration.costs_by("this", || {
                ran = true;
                measured()
            });
            assert!(
                ran && costs == measured(),
                "{:?}",
                &text[..text.len().min(99)]
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), good);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "in the way").unwrap();
        assert_eq!(at(&file).costs_by("this", measured), measured());
    }

    #[test]
    fn the_flag_skips() {
        let directory = tempfile::tempdir().unwrap();
        let calibration = Calibration {
            skip_calibration: true,
            ..at(directory.path())
        };
        assert_eq!(calibration.costs_by("this", not_measured), Costs::BUILT_IN);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_machine_is_one_line() {
        let machine = fingerprint();
        assert!(machine.contains(env!("CARGO_PKG_VERSION")) && machine.lines().count() == 1);
        assert_eq!(machine, fingerprint());
        assert_eq!(parse(&text(measured(), &machine), &machine), Ok(measured()));
    }
}
