//! What a message costs, published and received, over a server on this machine: the CPU time of this process for each,
//! and its memory. `cargo run --release -p holdfast-nats --example cost -- nats://127.0.0.1:4222 BYTES MESSAGES`

use std::env;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_cluster::bus::{Bus, BusState};
use holdfast_nats::{NatsBus, Options};
use tokio::time::{sleep, timeout};

/// Of `/proc/self/stat`: user and system, in ticks of 10 ms.
fn ticks() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let rest = text.rsplit_once(')').ok_or("no stat")?.1;
    let fields: Vec<_> = rest.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

fn resident() -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no status")?;
    Ok(line.split_whitespace().collect::<Vec<_>>()[1..].join(" "))
}

fn options(url: &str, node: u64, subject: &str) -> Options {
    Options {
        urls: vec![url.to_owned()],
        client_name: format!("cost {node}"),
        subjects: vec![subject.to_owned()],
        probe: format!("cost.n.{node}"),
        message_max: 65_536,
        ..Options::default()
    }
}

async fn here(options: &Options) -> Result<NatsBus, Box<dyn Error>> {
    let bus = NatsBus::start(options)?;
    while bus.state() == BusState::Away {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(bus)
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    let [url, bytes, messages] = &args[..] else { return Err("URL BYTES MESSAGES".into()) };
    let (bytes, messages): (usize, u64) = (bytes.parse()?, messages.parse()?);
    let before = resident()?;
    let mut speaker = here(&options(url, 1, "cost.none")).await?;
    let mut listener = here(&options(url, 2, "cost.all")).await?;
    let idle = resident()?;
    let payload = Bytes::from(vec![b'x'; bytes]);
    let (start, from) = (Instant::now(), ticks()?);
    let (mut said, mut heard) = (0, 0);
    while heard < messages {
        let mut burst = 0;
        while said < messages && burst < 64 && speaker.try_publish("cost.all", payload.clone()).is_ok() {
            (said, burst) = (said + 1, burst + 1);
        }
        tokio::task::yield_now().await;
        while listener.next().is_some() {
            heard += 1;
        }
        if said - heard > 4_096 || said == messages {
            let _ = timeout(Duration::from_secs(1), listener.come()).await;
        }
    }
    let (ticks, time) = (ticks()? - from, start.elapsed());
    let ns = ticks * 10_000_000 / messages;
    println!(
        "{bytes} B: {ns} ns CPU for each, {:.2} s; memory {before} before, {idle} with two, {} after",
        time.as_secs_f64(),
        resident()?
    );
    Ok(())
}
