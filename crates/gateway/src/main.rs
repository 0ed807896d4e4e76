//! `holdfast`: settings, then shards, then the admin server, then wait for the end.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use holdfast::admin::{Admin, AdminState};
use holdfast::limits::{Plan, memory_limit};
use holdfast::logging::{self, Start};
use holdfast::metrics::Facts;
use holdfast::settings::{Action, Settings, load_for};
use holdfast::{Control, Drainer, Echo, Gateway, Outcome, Phase, Readiness};

/// The gateway could not start.
const EXIT_FAILED: u8 = 1;
/// Invalid settings.
const EXIT_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    // First of all: a signal that comes before there is a handler may be lost, or end the process.
    let control = match Control::start() {
        Ok(control) => control,
        Err(error) => {
            let error =
                format!("signals cannot be caught: {error} (raise the limit of descriptors or processes)");
            return fail(error, EXIT_FAILED);
        }
    };
    let settings = match load_for(std::env::args_os(), std::env::vars_os(), Echo::answers) {
        Ok(Action::Run(settings)) => settings,
        Ok(Action::Print(text)) => return print(&text),
        Err(error) => return fail(error, EXIT_SETTINGS),
    };
    match run(&settings, control) {
        Ok(outcome) => {
            logging::finish();
            ExitCode::from(outcome.exit_code())
        }
        Err(error) => fail(error, EXIT_FAILED),
    }
}

fn run(settings: &Settings, control: Control) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    logging::init(settings)?;
    let admin = settings.admin.map(Admin::bind).transpose()?;
    let prefix = settings.echo_prefix.clone();
    let mut gateway = Gateway::start(settings, move |_| Echo::new(&prefix))?;
    let readiness = Arc::new(Readiness::default());
    let start = Start {
        driver: gateway.rung().to_string(),
        shards: settings.shards,
        room: gateway.room(),
        memory: memory_limit().cloned(),
        listen: gateway.addresses().to_vec(),
        admin: admin.as_ref().map(Admin::local_addr),
        application: "echo".to_owned(),
    };
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    let drainer = Arc::new(Drainer::new(handle, counters, Arc::clone(&readiness), settings));
    let _admin = admin.map(|admin| control.serve(admin, admin_state(&gateway, &drainer, settings)));
    readiness.set(Phase::Accepting);
    control.attend(Arc::clone(&drainer), gateway.reopener());
    start.announce(settings.log_format);
    let outcome = drainer.supervise(&mut gateway);
    tracing::info!(cut = outcome.cut, "ended");
    Ok(outcome)
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
    AdminState::new(handle, counters, Arc::clone(drainer), &facts)
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
