//! The shape of the project, held in place: floors of the engine, what it may link, what lies at the top level,
//! and that the wire contract and the op table name the same operations.

use gradient_engine::Op;
use gradient_proto::v1;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The engine's rooms from the lowest floor up. `error` is the one file between the rooms: it names places in a
/// graph, and what works on graphs gives it.
const FLOORS: [&str; 9] = [
    "tensor",
    "op",
    "graph",
    "error",
    "transform",
    "plan",
    "tape",
    "execute",
    "check",
];

/// What may lie at the top level, beside dotfiles and cargo's own `target`.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "client",
    "deny.toml",
    "docker",
    "proto",
    "server",
    "tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the project")
        .to_path_buf()
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let entries = fs::read_dir(place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    let mut files: Vec<_> = entries
        .flat_map(|entry| rust_files(&entry.expect("readable").path()))
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// Every `crate::name` of a source file, comments left out, with its line.
fn crate_uses(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.lines().enumerate().flat_map(|(line, text)| {
        let code = text.split("//").next().unwrap_or_default();
        code.split("crate::").skip(1).map(move |rest| {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            (line + 1, &rest[..end])
        })
    })
}

/// Uses of `source`, a file of room `floor`, that reach its own floor's neighbours above or the engine's face.
fn uses_from_above(source: &str, floor: usize) -> Vec<String> {
    crate_uses(source)
        .filter_map(
            |(line, name)| match FLOORS.iter().position(|room| *room == name) {
                Some(used) if used <= floor => None,
                Some(_) => Some(format!("{line}: `{name}` stands above `{}`", FLOORS[floor])),
                // `crate::Graph` and `crate::{…}` would hide the room.
                None => Some(format!(
                    "{line}: write `crate::ROOM::…` instead of `crate::{name}…`"
                )),
            },
        )
        .collect()
}

#[test]
fn rooms_import_only_from_lower_floors() {
    let engine = root().join("server/engine/src");
    let mut found = BTreeSet::from(["lib".to_owned()]);
    let mut violations = Vec::new();
    for (floor, room) in FLOORS.iter().enumerate() {
        let (folder, file) = (engine.join(room), engine.join(format!("{room}.rs")));
        let place = if folder.is_dir() { folder } else { file };
        found.insert((*room).to_owned());
        for file in rust_files(&place) {
            let source = fs::read_to_string(&file).expect("source files are UTF-8");
            violations.extend(
                uses_from_above(&source, floor)
                    .into_iter()
                    .map(|v| format!("{}:{v}", file.display())),
            );
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));

    let there: BTreeSet<_> = fs::read_dir(&engine)
        .expect("the engine is there")
        .map(|entry| entry.expect("readable").path())
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(
        there, found,
        "every room of the engine has a floor in FLOORS"
    );
}

#[test]
fn the_floor_check_sees_what_it_must() {
    let graph = FLOORS
        .iter()
        .position(|room| *room == "graph")
        .expect("graph is a room");
    assert!(
        uses_from_above(
            "use crate::op::Op;\n// crate::plan is above\nuse crate::graph::Graph;",
            graph
        )
        .is_empty()
    );
    assert_eq!(
        uses_from_above("fn f(tape: &crate::tape::Tape) {}", graph).len(),
        1
    );
    assert_eq!(uses_from_above("use crate::Graph;", graph).len(), 1);
    assert_eq!(
        uses_from_above("use crate::{op::Op, plan::Plan};", graph).len(),
        1
    );
}

/// The packages that `package` links, on this system.
fn linked_by(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("package names are UTF-8");
    lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_engine_knows_no_network_and_no_wire_format() {
    let linked = linked_by("gradient-engine");
    assert!(
        linked.contains("blake3"),
        "cargo tree lists what is linked: {linked:?}"
    );
    let unwanted = [
        "tokio",
        "tonic",
        "prost",
        "hyper",
        "futures",
        "gradient-proto",
    ];
    let found: Vec<_> = linked
        .iter()
        .filter(|name| unwanted.iter().any(|u| name.starts_with(u)))
        .collect();
    assert!(found.is_empty(), "gradient-engine links {found:?}");
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let there: BTreeSet<_> = fs::read_dir(root())
        .expect("the project is there")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let agreed: BTreeSet<_> = TOP_LEVEL.map(str::to_owned).into();
    assert_eq!(there, agreed);
}

#[test]
fn wire_and_table_name_the_same_operations() {
    let wire: BTreeSet<_> = (1..=i32::from(u16::MAX))
        .filter_map(|number| v1::Op::try_from(number).ok())
        .map(|op| (op as u32, op.as_str_name().to_owned()))
        .collect();
    let table: BTreeSet<_> = Op::ALL
        .iter()
        .map(|op| (op.number(), format!("OP_{}", op.name().to_uppercase())))
        .collect();
    assert_eq!(wire, table);
    assert_eq!(
        Op::ALL.len(),
        table.len(),
        "no operation stands in the table twice"
    );
    for op in Op::ALL {
        assert_eq!(Op::from_number(op.number()), Some(*op));
    }
}
