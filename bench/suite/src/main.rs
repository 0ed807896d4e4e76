//! `holdfast-bench`: builds Holdfast and what people would use instead, measures them in turn, and writes down what
//! it saw: results as JSON, a report as HTML, README's table and plot. See `bench/README.md` for what each number
//! means.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a table on standard output is what this program is for")]

mod arguments;
mod conductor;
mod contestants;
mod figures;
// The same few lines as the load's.
#[path = "../../load/src/interrupt.rs"]
mod interrupt;
mod machine;
mod progress;
mod readme;
mod report;
mod results;
mod rig;
mod scenarios;
mod statistics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Command, RunArguments};
use conductor::Conductor;
use contestants::Variants;
use machine::{Machine, Versions};
use progress::{Progress, short};
use results::{Results, free_path, write_whole};
use rig::Rig;
use scenarios::{Scale, Scenario};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The source tree that this program was compiled from.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::All(arguments) => measure("all", &scenarios::NAMES, arguments),
        Command::Idle(arguments) => measure("idle", &["idle"], arguments),
        Command::Echo(arguments) => measure("echo", &["echo"], arguments),
        Command::Held(arguments) => measure("held", &["held"], arguments),
        Command::OpenLoop(arguments) => measure("open-loop", &["open-loop"], arguments),
        Command::FanOut(arguments) => measure("fan-out", &["fan-out"], arguments),
        Command::Storm(arguments) => measure("storm", &["storm"], arguments),
        Command::Arena(arguments) => measure("arena", &["arena"], arguments),
        Command::Churn(arguments) => measure("churn", &["churn"], arguments),
        Command::Report { file } => write_report(&Results::read(file)?, file),
        Command::Readme => readme::rewrite(&root()),
    }
}

/// Builds, runs, writes.
fn measure(name: &str, names: &[&str], arguments: &RunArguments) -> anyhow::Result<()> {
    interrupt::listen()?;
    rig::raise_descriptor_limit()?;
    let root = root();
    let target = match &arguments.target {
        Some(target) => target.clone(),
        None => std::env::current_exe()?.ancestors().nth(2).map(PathBuf::from).context("no target folder")?,
    };
    let rig = Rig::new(&target.join("release"), arguments.server_cpu, arguments.load_cpu)?;
    let variants = Variants::read(&root)?;
    let failed = if arguments.no_build || arguments.plan {
        Vec::new()
    } else {
        contestants::build(&root, &target, &variants)?
    };
    let (contestants, skipped) = contestants::gather(&target, &variants, &failed, &arguments.only)?;
    let machine = Machine::here();
    println!("{machine}");
    for one in &skipped {
        println!("skipped: {}: {}", one.name, one.reason);
    }
    let scale = Scale {
        quick: arguments.quick,
        rounds: arguments.rounds.map(|rounds| rounds as usize),
        grow_max: arguments.grow_max,
        descriptors_max: machine.descriptors_max,
    };
    let scenarios: Vec<Scenario> =
        names.iter().filter_map(|name| scenarios::scenario(name, &contestants, &scale)).collect();
    print_plan(&scenarios, arguments);
    if arguments.plan {
        return Ok(());
    }
    let versions = Versions::here(&root, variants.folders().into_iter());
    let cpus = (arguments.server_cpu, arguments.load_cpu);
    let mut results = Results::begin(machine, versions, arguments.quick, cpus);
    results.contestants = scenarios::contestants(&scenarios);
    results.skipped = skipped;
    if let Some(file) = &arguments.go_on {
        results.go_on_with(Results::read(file)?)?;
    }
    let folder = arguments.results.clone().unwrap_or_else(|| root.join("bench/results"));
    // What was cut down by hand is nothing to publish either.
    let cut = arguments.rounds.is_some() || !arguments.only.is_empty();
    let end = if arguments.quick {
        "-quick"
    } else if cut {
        "-part"
    } else {
        ""
    };
    let name = format!("{name}{end}");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let path = arguments.go_on.clone().unwrap_or_else(|| free_path(&folder, results.day(), &name));
    let rerun_time = arguments.rerun_time;
    let progress = Progress::new(conductor::estimate(&scenarios));
    let mut conductor = Conductor { rig, results, path: path.clone(), rerun_time, progress };
    let outcome = conductor.run(&scenarios);
    conductor.progress.finish();
    let results = conductor.results;
    if results.scenarios.iter().any(|scenario| !scenario.trials.is_empty()) {
        write_report(&results, &path)?;
        println!("{}", readme::whole(&results));
    }
    outcome
}

fn print_plan(scenarios: &[Scenario], arguments: &RunArguments) {
    for scenario in scenarios {
        let runs: usize = scenario.trials.iter().map(|trial| trial.rounds * trial.contestants.len()).sum();
        let (title, trials) = (&scenario.description.title, scenario.trials.len());
        println!("{title}: {trials} trials, {runs} runs, about {}", short(scenario.estimate()));
    }
    let all = short(conductor::estimate(scenarios));
    let further = if arguments.quick {
        "a look: too few rounds to publish".to_owned()
    } else {
        format!("reruns of what is noisy may add {}", short(arguments.rerun_time))
    };
    println!("in all about {all} on a quiet machine; {further}");
}

/// The HTML report beside the results.
fn write_report(results: &Results, path: &Path) -> anyhow::Result<()> {
    let page = path.with_extension("html");
    write_whole(&page, &report::html(results))?;
    println!("{}\n{}", path.display(), page.display());
    Ok(())
}
