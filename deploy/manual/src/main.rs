//! Writes Holdfast's man pages and shell completions into a folder: `cargo run -p holdfast-manual -- FOLDER`.
//!
//! A program of its own, so that what it needs is in no other. `deploy/release` runs it.
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, value_parser};
use clap_complete::Shell;

const NAME: &str = "holdfast";

fn main() -> io::Result<()> {
    let folder =
        Arg::new("folder").required(true).value_parser(value_parser!(PathBuf)).help("Folder to write to");
    let about = "Writes Holdfast's man pages and shell completions";
    let arguments = Command::new("holdfast-manual").about(about).arg(folder).get_matches();
    match arguments.get_one::<PathBuf>("folder") {
        Some(folder) => write(folder),
        None => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

fn write(folder: &Path) -> io::Result<()> {
    let mut command = holdfast::commands::command_line();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, NAME, folder)?;
    }
    clap_mangen::generate_to(command, folder)
}
