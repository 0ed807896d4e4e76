//! Tells the program which compiler made it: counts are compared between builds of one compiler only.
#![allow(clippy::print_stdout, reason = "cargo is told things on standard output")]

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version =
        Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version = String::from_utf8_lossy(&version).split(' ').take(2).collect::<Vec<_>>().join(" ");
    println!("cargo::rustc-env=COMPILER={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
