//! The lines that say what was started.

use std::fmt;
use std::net::SocketAddr;
use std::thread;

use crate::limits::{MemoryLimit, Room};
use crate::observe::lines::{Orders, Out, Target};
use crate::settings::{Listen, LogFormat};

/// What was started: the addresses are those that were really bound, so that port 0 shows the port taken.
#[derive(Clone, Debug)]
pub struct Start {
    /// The driver and what it uses: `io_uring (multishot accept, direct descriptors)`.
    pub driver: String,
    /// Why it is not a better one: a sentence for each thing that does not work here.
    pub driver_reasons: Vec<String>,
    /// How many shards.
    pub shards: u16,
    /// How many connections fit.
    pub room: Room,
    /// The memory that was planned with.
    pub memory: Option<MemoryLimit>,
    /// Where connections are accepted.
    pub listen: Vec<Listen>,
    /// Where the admin server listens.
    pub admin: Option<SocketAddr>,
    /// The application: `echo`.
    pub application: String,
}

impl Start {
    /// Says it: two lines on standard output for people, one log event where logs are JSON. Nobody waits for a reader
    /// of standard output, and none need be there.
    pub fn announce(&self, format: LogFormat) {
        match format {
            LogFormat::Human => print(format!("{self}\n")),
            LogFormat::Json => self.log(),
        }
    }

    fn log(&self) {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            driver = self.driver,
            shards = self.shards,
            room = self.room.connections,
            binding = %self.room.binding,
            websocket = self.websocket(),
            admin = self.admin(),
            memory_bytes = self.memory.as_ref().map(|memory| memory.bytes),
            memory_source = self.memory.as_ref().map(|memory| memory.source.to_string()),
            application = self.application,
            "started"
        );
    }

    fn websocket(&self) -> String {
        let url = |listen: &Listen| match listen {
            Listen::Tcp(address) => format!("ws://{address}/"),
            Listen::Unix(_) => listen.to_string(),
        };
        self.listen.iter().map(url).collect::<Vec<_>>().join(", ")
    }

    fn memory(&self) -> String {
        self.memory.as_ref().map_or_else(|| "memory unknown".to_owned(), MemoryLimit::to_string)
    }

    fn admin(&self) -> String {
        self.admin.map_or_else(|| "off".to_owned(), |address| format!("http://{address}/"))
    }
}

/// Writes this to standard output, on a thread that ends when it is written.
fn print(text: String) {
    let body = move || {
        if let Ok(mut out) = Out::open(Target::Stdout) {
            // Whoever has closed it does not want to know.
            let _ = out.write(text.as_bytes(), &Orders::default());
        }
    };
    if let Err(error) = thread::Builder::new().name("start-lines".to_owned()).spawn(body) {
        tracing::warn!(%error, "there is no thread to say on standard output what was started");
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.shards == 1 { "" } else { "s" };
        writeln!(
            f,
            "holdfast {} · driver {} · {} shard{s} · {}",
            env!("CARGO_PKG_VERSION"),
            self.driver,
            self.shards,
            self.room
        )?;
        write!(
            f,
            "websocket {} · admin {} · {} · application {}",
            self.websocket(),
            self.admin(),
            self.memory(),
            self.application
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Bounds, Source};
    use crate::logging::subscriber;
    use crate::settings::Settings;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    fn start() -> Start {
        let bounds = Bounds {
            shards: 2,
            listeners: 2,
            services: 0,
            descriptors: 20_000,
            direct_table: Some(20_000),
            memory_bytes: None,
            connection_bytes: 4096,
            connections_max: None,
            shard_connections_max: None,
            handshakes_max: 1024,
        };
        Start {
            driver: "io_uring (multishot accept, direct descriptors)".to_owned(),
            driver_reasons: Vec::new(),
            shards: 2,
            room: Room::new(&bounds).expect("room"),
            memory: Some(MemoryLimit { bytes: 96 << 20, source: Source::Machine }),
            listen: vec![
                "127.0.0.1:8085".parse().expect("address"),
                "unix:/run/h.sock".parse().expect("path"),
            ],
            admin: Some(([127, 0, 0, 1], 9085).into()),
            application: "echo".to_owned(),
        }
    }

    /// A writer that several parts hold.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: &str, log_format: LogFormat, ansi: bool, what: impl FnOnce()) -> String {
        let written = Shared::default();
        let writer = written.clone();
        let settings = Settings { log: log.to_owned(), log_format, ..Settings::default() };
        let subscriber = subscriber(&settings, ansi, move || writer.clone()).expect("subscriber");
        tracing::subscriber::with_default(subscriber, what);
        written.text()
    }

    #[test]
    fn people_read_two_lines() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            start().to_string(),
            format!(
                "holdfast {version} · driver io_uring (multishot accept, direct descriptors) · 2 shards · room for \
                 38000 connections (descriptor limit)\nwebsocket ws://127.0.0.1:8085/, unix:/run/h.sock · admin \
                 http://127.0.0.1:9085/ · memory 96 MiB (the machine's) · application echo"
            )
        );
        let one = Start { shards: 1, admin: None, ..start() }.to_string();
        assert!(one.contains("· 1 shard ·") && one.contains("· admin off ·"), "{one}");
    }

    #[test]
    fn programs_read_one_json_object() {
        let text = logged("info", LogFormat::Json, false, || start().log());
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in [
            "\"level\":\"INFO\"",
            "\"message\":\"started\"",
            "\"shards\":2",
            "\"room\":38000",
            "\"binding\":\"descriptor limit\"",
            "\"memory_bytes\":100663296",
            "\"memory_source\":\"the machine's\"",
            "\"websocket\":\"ws://127.0.0.1:8085/, unix:/run/h.sock\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let both = || {
            tracing::debug!("a detail");
            tracing::warn!("a warning");
        };
        let text = logged("info", LogFormat::Human, false, both);
        assert!(text.contains("a warning") && !text.contains("a detail"), "{text}");
        let text = logged("debug", LogFormat::Human, false, both);
        assert!(text.contains("a warning") && text.contains("a detail"), "{text}");
    }

    #[test]
    fn only_a_terminal_gets_colours() {
        let warn = || tracing::warn!("a warning");
        assert!(!logged("info", LogFormat::Human, false, warn).contains('\u{1b}'));
        assert!(logged("info", LogFormat::Human, true, warn).contains('\u{1b}'));
    }
}
