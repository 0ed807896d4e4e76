//! `holdfast-counts`: what fixed work costs, in instructions and in operations of the kernel, compared with what is
//! recorded. Times differ from run to run and from machine to machine; counts hardly do. See `bench/README.md`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a report on standard output is what this program is for")]

mod instructions;
mod operations;
mod record;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use record::Outcome;

/// Counts what a message costs and compares the counts with the recorded ones.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// What to count (default: both).
    #[arg(value_enum)]
    what: Option<What>,
    /// Record the counts instead of comparing them.
    #[arg(long)]
    record: bool,
    /// Folder of the records `instructions.json` and `operations.json`.
    #[arg(long, default_value = "bench/counts")]
    folder: PathBuf,
    /// Do this work, once, and say how often it was done. For callgrind.
    #[arg(long, hide = true)]
    work: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Instructions of fixed work in one process, counted by callgrind.
    Instructions,
    /// Operations and system calls of a gateway for each message, on each rung.
    Operations,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("holdfast-counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(name) = &arguments.work {
        println!("{}", work::find(name)?.run());
        return Ok(true);
    }
    anyhow::ensure!(!cfg!(debug_assertions), "counts are those of a release build: bench/counts/run");
    let mut fine = true;
    for (what, file) in [(What::Instructions, "instructions.json"), (What::Operations, "operations.json")] {
        if arguments.what.is_some_and(|it| it != what) {
            continue;
        }
        let counted = match what {
            What::Instructions => instructions::count()?,
            What::Operations => Some(operations::count()?),
        };
        let Some(counted) = counted else { continue };
        let file = arguments.folder.join(file);
        if arguments.record {
            counted.record(&file)?;
        } else {
            fine &= counted.compare(&file)? == Outcome::Fine;
        }
    }
    Ok(fine)
}
