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
