//! The fuzz target of the tiers on cases that are always the same. It runs as a program of its own, since it switches
//! machine code off and on for all of it.

use std::process::Command;

#[test]
fn random_graphs_give_the_same_bits_however_they_are_evaluated() {
    let run = Command::new(env!("CARGO_BIN_EXE_fuzz-tiers"))
        .args(["--cases", "80", "--seed", "5"])
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    assert!(run.status.success(), "{said}");
}

/// Cases that differed once, as `--replay` takes them. The first: a pad that put a strip's results where the next strip's
/// operands still were. The second: a product of long vectors at the last of seventeen points, alone or in a lane.
const FOUND: [&[&str]; 2] = [
    &[
        "000000009d280000370000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000e2000000000000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000000000000000a100000076610cd6000000000000000000000000000000000000000000000000",
        "1b00000000000000000000000000000000000000000000000000000000000000000000000000000000d0000068000008de00",
        "000000000000",
    ],
    &[
        "00000000f900800e00ed000000000000000000000000000000000000000000000000000000000000000000000000000000cb",
        "000000000000f700000000ce0b00",
    ],
];

#[test]
fn cases_that_differed_once_differ_no_more() {
    for case in FOUND {
        let run = Command::new(env!("CARGO_BIN_EXE_fuzz-tiers"))
            .args(["--replay", &case.concat()])
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{said}");
        assert!(said.contains("no difference"), "{said}");
    }
}
