//! The echo, and a way to close very many connections from the gateway's side at once: on each SIGUSR1 it closes the
//! ten thousand that opened last, with 1001. `holdfast-load pause --kill gateway` measures what the others notice.
//!
//! Settings are those of `holdfast`.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast::admin::{Admin, AdminState};
use holdfast::counters::{CloseCode, CloseReason};
use holdfast::limits::memory_limit;
use holdfast::logging::Start;
use holdfast::metrics::Facts;
use holdfast::settings::{Action, load};
use holdfast::{
    Application, ConnectionId, Context, Control, Drainer, Gateway, Handle, HandshakeId, Message, Phase,
    Readiness, Reply,
};
use tokio::signal::unix::{SignalKind, signal};

/// How many are closed at once.
const CLOSED_AT_ONCE: usize = 10_000;

/// All connections, in the order in which they opened.
#[derive(Default)]
struct Register {
    by_age: BTreeMap<u64, ConnectionId>,
    ages: HashMap<ConnectionId, u64>,
    opened: u64,
}

/// The application of one shard.
struct Registered(Arc<Mutex<Register>>);

impl Application for Registered {
    fn opened(&mut self, _: &mut Context<'_>, id: ConnectionId, _: HandshakeId) {
        let mut register = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        register.opened += 1;
        let age = register.opened;
        register.by_age.insert(age, id);
        register.ages.insert(id, age);
    }

    fn message(&mut self, _: &mut Context<'_>, _: ConnectionId, _: Message<'_>) -> Reply {
        Reply::Echo
    }

    fn closed(&mut self, _: &mut Context<'_>, id: ConnectionId, _: CloseReason, _: CloseCode) {
        let mut register = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(age) = register.ages.remove(&id) {
            register.by_age.remove(&age);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let control = Control::start()?;
    let Action::Run(settings, _) = load(std::env::args_os(), std::env::vars_os())? else {
        return Err("takes the settings of holdfast to run with".into());
    };
    let register = Arc::new(Mutex::new(Register::default()));
    let shared = Arc::clone(&register);
    let mut gateway = Gateway::start(&settings, move |_| Registered(Arc::clone(&shared)))?;
    let readiness = Arc::new(Readiness::default());
    let rung = gateway.rung();
    let admin = settings.admin.map(Admin::bind).transpose()?;
    let start = Start {
        driver: rung.to_string(),
        driver_reasons: gateway.reasons().to_vec(),
        shards: settings.shards,
        room: gateway.room(),
        memory: memory_limit().cloned(),
        listen: gateway.addresses().to_vec(),
        admin: admin.as_ref().map(Admin::local_addr),
        application: "echo, SIGUSR1 closes".to_owned(),
    };
    let facts = Facts {
        driver: rung.name().to_owned(),
        kernel_bytes_per_connection: 0,
        room: gateway.room().connections,
        memory: None,
        plan: None,
        message_bytes_max: settings.message_bytes_max,
    };
    let (handle, counters) = (gateway.handle().clone(), Arc::clone(gateway.counters()));
    let drainer =
        Arc::new(Drainer::new(handle.clone(), Arc::clone(&counters), Arc::clone(&readiness), &settings));
    let state = AdminState::new(handle, counters, Arc::clone(&drainer), &facts);
    let _admin = admin.map(|admin| control.serve(admin, state));
    control.attend(drainer, gateway.reopener(), None);
    close_on_signal(gateway.handle().clone(), register)?;
    readiness.set(Phase::Accepting);
    start.announce(settings.log_format);
    while gateway.wait(Duration::from_secs(3600)).is_none() {}
    Ok(())
}

fn close_on_signal(handle: Handle, register: Arc<Mutex<Register>>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _guard = runtime.enter();
        signal(SignalKind::user_defined1())?
    };
    let body = move || {
        while runtime.block_on(signals.recv()).is_some() {
            let youngest: Vec<ConnectionId> = {
                let register = register.lock().unwrap_or_else(PoisonError::into_inner);
                register.by_age.values().rev().take(CLOSED_AT_ONCE).copied().collect()
            };
            for id in youngest {
                // A full mailbox would be seen in what is measured: fewer are closed than should be.
                let _ = handle.close(id, 1001, "closed by a signal");
            }
        }
    };
    std::thread::Builder::new().name("closer".to_owned()).spawn(body)?;
    Ok(())
}
