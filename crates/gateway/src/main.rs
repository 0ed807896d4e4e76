//! `holdfast`: a command, or settings, then shards, then the admin server, then wait for the end.
#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use holdfast::admin::{Admin, AdminState, Started};
use holdfast::commands;
use holdfast::limits::{Plan, memory_limit};
use holdfast::logging::{self, Start};
use holdfast::metrics::Facts;
use holdfast::settings::{Action, Settings, Sources};
use holdfast::{Control, Drainer, Echo, Gateway, Outcome, Phase, Readiness, Services};

/// The gateway could not start.
const EXIT_FAILED: u8 = 1;
/// Invalid settings.
const EXIT_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match commands::run(&args, std::env::vars_os()) {
        None => gateway(args),
        Some(Ok(text)) => print(&text),
        Some(Err(error)) => {
            // Nobody may read it; the exit code says it too.
            let _ = print(error.report());
            fail(&error, error.exit_code())
        }
    }
}

fn gateway(args: Vec<OsString>) -> ExitCode {
    // First of all: a signal that comes before there is a handler may be lost, or end the process.
    let control = match Control::start() {
        Ok(control) => control,
        Err(error) => {
            let error =
                format!("signals cannot be caught: {error} (raise the limit of descriptors or processes)");
            return fail(error, EXIT_FAILED);
        }
    };
    let (settings, sources) = match commands::settings(args, std::env::vars_os()) {
        Ok(Action::Run(settings, sources)) => (settings, sources),
        Ok(Action::Print(text)) => return print(&text),
        Err(error) => return fail(error, EXIT_SETTINGS),
    };
    match run(&settings, *sources, control) {
        Ok(outcome) => {
            logging::finish();
            ExitCode::from(outcome.exit_code())
        }
        Err(error) => fail(error, EXIT_FAILED),
    }
}

fn run(
    settings: &Settings,
    sources: Sources,
    control: Control,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    logging::init(settings)?;
    let admin = settings.admin.map(Admin::bind).transpose()?;
    let services = (!settings.hubs.is_empty()).then(|| Services::new(settings)).transpose()?;
    let mut gateway = match &services {
        Some(services) => Gateway::start(settings, services.applications())?,
        None => {
            let prefix = settings.echo_prefix.clone();
            Gateway::start(settings, move |_| Echo::new(&prefix))?
        }
    };
    let readiness = Arc::new(Readiness::default());
    let start = Start {
        driver: gateway.rung().to_string(),
        driver_reasons: gateway.reasons().to_vec(),
        shards: settings.shards,
        room: gateway.room(),
        memory: memory_limit().cloned(),
        listen: gateway.addresses().to_vec(),
        admin: admin.as_ref().map(Admin::local_addr),
        application: application(settings),
    };
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    let drainer = Arc::new(Drainer::new(handle, counters, Arc::clone(&readiness), settings));
    let shown = admin_state(&gateway, &drainer, settings)
        .with_start(Started::new(&start, settings))
        .with_hubs(services.as_ref().map(Services::metrics))
        .with_cluster(services.as_ref().and_then(|services| services.cluster(gateway.handle())))
        .with_inside(services.as_ref().map(|services| services.inside(gateway.handle())));
    let _admin = admin.map(|admin| control.serve(admin, shown));
    readiness.set(Phase::Accepting);
    let served = services.map(|services| control.run(services, gateway.handle(), sources, &drainer));
    let (reloader, finisher) = served.unzip();
    control.attend(Arc::clone(&drainer), gateway.reopener(), reloader);
    start.announce(settings.log_format);
    let outcome = drainer.supervise(&mut gateway);
    if let Some(finisher) = finisher {
        finisher.finish(drainer.timeout());
    }
    tracing::info!(cut = outcome.cut, "ended");
    Ok(outcome)
}

/// What clients talk to, in the first line.
fn application(settings: &Settings) -> String {
    let names: Vec<_> = settings.hubs.iter().map(|hub| hub.name.as_str()).collect();
    match names[..] {
        [] => "echo".to_owned(),
        [name] => format!("hub {name}"),
        _ => format!("hubs {}", names.join(", ")),
    }
}

/// What the admin server shows.
fn admin_state(gateway: &Gateway, drainer: &Arc<Drainer>, settings: &Settings) -> AdminState {
    let rung = gateway.rung();
    let facts = Facts {
        driver: rung.name().to_owned(),
        kernel_bytes_per_connection: rung.kernel_bytes_per_connection(),
        memory: memory_limit().cloned(),
        plan: Plan::of_this_process(settings),
        room: gateway.room().connections,
        message_bytes_max: settings.message_bytes_max,
    };
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    AdminState::new(handle, counters, Arc::clone(drainer), &facts).with_token(settings.admin_token.clone())
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_FAILED),
    }
}

fn fail(error: impl Display, code: u8) -> ExitCode {
    // Nobody may hear it; the exit code says it too.
    logging::say_last(&format!("holdfast: {error}\n"));
    ExitCode::from(code)
}
