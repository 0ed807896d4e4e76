//! One message to all or to some: sent, heard and measured.

use std::fmt;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

pub(crate) use super::sender::Sender;
use crate::hold::fleet::Fleet;
use crate::hold::hearing::now;
use crate::hold::protocol::{Meant, Order, Totals};
use crate::measure::machine::used_bytes;
use crate::measure::process;
use crate::report::bytes;

/// What is sent to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// Another one than that before it, and not 0.
    pub(crate) number: u8,
    pub(crate) len: u32,
    pub(crate) to: Meant,
}

/// What became of one message.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) bytes: u32,
    /// Connections that heard it, as told here.
    pub(crate) heard: u64,
    /// From the request to the last byte on a connection, seconds: half of them, 99 of 100, all. As exact as a
    /// thousandth of it, and of the time it takes to begin.
    pub(crate) p50_seconds: f64,
    pub(crate) p99_seconds: f64,
    pub(crate) last_seconds: f64,
    /// CPU time of all threads of the server, or of all servers, for each delivery, with --pid; nanoseconds.
    pub(crate) cpu_nanoseconds_each: Option<f64>,
    /// Most resident memory of the server, and most memory in use on the machine, seen meanwhile; before, too.
    pub(crate) server_rss_bytes: Option<u64>,
    pub(crate) server_rss_bytes_before: Option<u64>,
    pub(crate) machine_bytes: u64,
    pub(crate) machine_bytes_before: u64,
    /// What the server answered.
    pub(crate) answer: String,
}

/// Sends a message and waits until each connection of the fleet that it is meant for has it. With `talk`, one of so
/// many sends a message of its own meanwhile, and gets its echo.
///
/// # Errors
///
/// When the server refuses. What is not heard is in the fleet's totals.
pub(crate) fn deliver(
    fleet: &mut Fleet,
    sender: &Sender,
    pids: &[u32],
    message: Message,
    talk: Option<u32>,
) -> anyhow::Result<Delivery> {
    let rss = || sum(pids, process::rss_bytes);
    let before = fleet.totals().heard;
    let (at, Message { number, len, to }) = (now(), message);
    fleet.complete(Order::Expect { number, len, at, to }, |_| {})?;
    let (machine_before, rss_before) = (used_bytes(), rss()?);
    let cpu = sum(pids, process::cpu_time)?;
    let begin = now();
    let (sender, payload) = (sender.clone(), fleet.speech().payload(number, len as usize));
    let sending = thread::spawn(move || sender.send(&payload));
    let (mut machine, mut most) = (machine_before, rss_before);
    let mut look = |_: &Totals| {
        machine = machine.max(used_bytes());
        most = most.max(rss().ok().flatten());
    };
    if let Some(every) = talk {
        fleet.complete(Order::Talk { every }, &mut look)?;
    }
    let totals = fleet.complete(Order::Hear, &mut look)?;
    let answer = sending.join().map_err(|_| anyhow::anyhow!("sending panicked"))??;
    // Whoever talks goes on.
    let cpu_time = if talk.is_some() { process::cpu_time } else { process::settled_cpu_time };
    let cpu = sum(pids, cpu_time)?.zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let heard = totals.heard - before;
    let mut delays = Histogram::<u64>::new_with_bounds(1, 1 << 36, 3)?;
    for (micros, count) in fleet.delays() {
        delays.saturating_record_n(micros, count);
    }
    // Delays count from before everybody was told to listen.
    let begun = (begin - at) / 1000;
    let seconds = |micros: u64| Duration::from_micros(micros.saturating_sub(begun)).as_secs_f64();
    Ok(Delivery {
        bytes: len,
        heard,
        p50_seconds: seconds(delays.value_at_quantile(0.5)),
        p99_seconds: seconds(delays.value_at_quantile(0.99)),
        last_seconds: seconds(delays.max()),
        cpu_nanoseconds_each: cpu.filter(|_| heard > 0).map(|cpu| cpu.as_nanos() as f64 / heard as f64),
        server_rss_bytes: most,
        server_rss_bytes_before: rss_before,
        machine_bytes: machine,
        machine_bytes_before: machine_before,
        answer,
    })
}

/// Of all processes together; none where there is none.
fn sum<T: std::iter::Sum>(pids: &[u32], of: impl Fn(u32) -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    if pids.is_empty() {
        Ok(None)
    } else {
        pids.iter().map(|pid| of(*pid)).sum::<anyhow::Result<T>>().map(Some)
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heard, p50_seconds, p99_seconds, last_seconds, .. } = self;
        write!(
            f,
            "{heard} heard; half of them after {p50_seconds:.3} s, 99 % {p99_seconds:.3}, all {last_seconds:.3}"
        )?;
        if let Some(cpu) = self.cpu_nanoseconds_each {
            write!(f, "; CPU {:.2} us each", cpu / 1000.0)?;
        }
        if let Some(rss) = self.server_rss_bytes {
            write!(f, "; server at most {}", bytes(i64::try_from(rss).unwrap_or(i64::MAX)))?;
        }
        write!(f, "; answered {}", self.answer)
    }
}
