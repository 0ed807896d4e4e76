//! `slowloris`: thousands who begin an opening handshake and never end it, a byte now and then; what honest connections
//! and honest newcomers notice.

mod arguments;

use std::fmt::{self, Display};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Serialize;

pub(crate) use arguments::SlowlorisArguments;

use crate::echo;
use crate::echo::engine::{Engine, Until, Window};
use crate::echo::message::Messages;
use crate::measure::machine::Setting;
use crate::measure::process;
use crate::payload::Kind;
use crate::report::write_json;
use crate::statistics::{Summary, median};
use crate::target::Target;
use crate::{handshake, socket};

/// Time between two bytes of one attacker.
const DRIP: Duration = Duration::from_secs(1);
/// Parts of a drip: at each a part of the attackers is looked at.
const PARTS: usize = 20;
/// Time between two newcomers.
const ARRIVAL: Duration = Duration::from_millis(50);
/// A newcomer that waits for longer has given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// Carries out `slowloris`.
///
/// # Errors
///
/// When an honest connection is lost or a reply is wrong.
pub(crate) fn run(arguments: &SlowlorisArguments) -> anyhow::Result<()> {
    let setting = Setting::now();
    println!("{setting}");
    println!(
        "slowloris: {} attackers of {}, {} honest connections with {:.0} messages/s in all, a newcomer each \
            {ARRIVAL:?}",
        arguments.attackers, arguments.target.url, arguments.honest, arguments.rate
    );
    if let Some(priority) = arguments.priority {
        process::prioritise(priority, arguments.pid)?;
    }
    let target = Target::new(&arguments.target)?;
    let stall = arguments.target.stall;
    let mut honest = echo::open(&target, 0, arguments.honest, stall)?;
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        let (control, descriptors) = stretch(arguments, &target, honest, 0)?;
        let (attack, descriptors) = stretch(arguments, &target, descriptors, arguments.attackers)?;
        honest = descriptors;
        let round = Round { control, attack };
        println!("round {number:<3} {round}");
        rounds.push(round);
    }
    echo::close(&target, honest, stall)?;
    let report = SlowlorisReport::new(setting, arguments, rounds);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(())
}

/// What honest peers noticed in one stretch of time.
#[derive(Clone, Copy, Debug, Serialize)]
struct Noticed {
    echo_p50_ms: f64,
    echo_p99_ms: f64,
    echo_max_ms: f64,
    newcomers: usize,
    /// Newcomers that were not let in.
    turned_away: usize,
    newcomer_p50_ms: f64,
    newcomer_p99_ms: f64,
    /// Attackers connected at the end.
    attackers: usize,
}

/// Honest traffic for the time asked for, under the eyes of `attackers`.
fn stretch(
    arguments: &SlowlorisArguments,
    target: &Target,
    honest: Vec<OwnedFd>,
    attackers: u32,
) -> anyhow::Result<(Noticed, Vec<OwnedFd>)> {
    let messages = Messages { size: 64, kind: Kind::Binary, raw: false };
    let stall = arguments.target.stall;
    let mut engine = Engine::new(honest, arguments.honest, messages, Some(arguments.rate), stall)?;
    let (stop, measure) = (AtomicBool::new(false), AtomicBool::new(false));
    let (window, newcomers, attackers) = thread::scope(|scope| {
        let attack = scope.spawn(|| drip(target, arguments.honest, attackers, &stop));
        let arrivals = scope.spawn(|| arrive(target, &measure, &stop));
        // All attackers are there, and the first of them have reached the gateway's deadline.
        let begun = engine.run(Until::Elapsed(arguments.warmup));
        measure.store(true, Relaxed);
        let window = begun.and_then(|_| engine.run(Until::Elapsed(arguments.duration)));
        stop.store(true, Relaxed);
        (window, arrivals.join(), attack.join())
    });
    let window = window?;
    let (Ok(newcomers), Ok(attackers)) = (newcomers, attackers) else { bail!("a thread panicked") };
    Ok((Noticed::new(&window, &newcomers, attackers?), engine.drain()?))
}

/// Holds `count` connections in their opening handshake. How many there were in the end.
fn drip(target: &Target, first: u32, count: u32, stop: &AtomicBool) -> anyhow::Result<usize> {
    process::prioritise(19, None).context("lowering the attackers' priority")?;
    let mut attackers: Vec<Option<OwnedFd>> = (0..count).map(|_| None).collect();
    let part = attackers.len().div_ceil(PARTS).max(1);
    let mut cursor = 0;
    while !stop.load(Relaxed) {
        let begin = Instant::now();
        let end = (cursor + part).min(attackers.len());
        for (index, attacker) in attackers.iter_mut().enumerate().take(end).skip(cursor) {
            let source = first + u32::try_from(index).unwrap_or(0);
            *attacker = match attacker.take() {
                // The gateway may be slow to accept, or the addresses be used up: next time.
                None => socket::begin_connect(target, source).ok(),
                Some(descriptor) => drip_on(&descriptor).then_some(descriptor),
            };
        }
        cursor = if end >= attackers.len() { 0 } else { end };
        thread::sleep((DRIP / u32::try_from(PARTS)?).saturating_sub(begin.elapsed()));
    }
    Ok(attackers.iter().flatten().count())
}

/// One byte more. Whether the gateway still listens.
fn drip_on(descriptor: &OwnedFd) -> bool {
    let mut answer = [0; 512];
    let open = matches!(recv(descriptor, &mut answer[..], RecvFlags::DONTWAIT), Err(Errno::AGAIN));
    // A header without end; the first of its bytes are taken for a method.
    open && matches!(send(descriptor, b"G", SendFlags::NOSIGNAL), Ok(_) | Err(Errno::AGAIN))
}

/// Newcomers, one after the other: how long each waited for its 101, or nothing if it did not get one.
fn arrive(target: &Target, measure: &AtomicBool, stop: &AtomicBool) -> Vec<Option<Duration>> {
    let mut waits = Vec::new();
    for index in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let begin = Instant::now();
        let wait = open(target, index).ok().map(|()| begin.elapsed());
        if measure.load(Relaxed) {
            waits.push(wait);
        }
        thread::sleep(ARRIVAL.saturating_sub(begin.elapsed()));
    }
    waits
}

fn open(target: &Target, index: u32) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(target.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(handshake::request(target, index).as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while handshake::check_answer(&answer, index, target.deflate)?.is_none() {
        match stream.read(&mut buffer)? {
            0 => bail!("lost"),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}

impl Noticed {
    fn new(window: &Window, newcomers: &[Option<Duration>], attackers: usize) -> Self {
        let quantile = |q: f64| window.latency.quantile(q).as_secs_f64() * 1e3;
        let mut waits: Vec<f64> = newcomers.iter().flatten().map(|wait| wait.as_secs_f64() * 1e3).collect();
        waits.sort_unstable_by(f64::total_cmp);
        let wait = |percent: usize| waits.get(waits.len().saturating_sub(1) * percent / 100).copied();
        Self {
            echo_p50_ms: quantile(0.5),
            echo_p99_ms: quantile(0.99),
            echo_max_ms: quantile(1.0),
            newcomers: newcomers.len(),
            turned_away: newcomers.len() - waits.len(),
            newcomer_p50_ms: wait(50).unwrap_or(f64::NAN),
            newcomer_p99_ms: wait(99).unwrap_or(f64::NAN),
            attackers,
        }
    }
}

/// A stretch without attackers and one with them.
#[derive(Clone, Copy, Debug, Serialize)]
struct Round {
    control: Noticed,
    attack: Noticed,
}

impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { control, attack } = self;
        write!(
            f,
            "echo p99 {:.2} ms, attacked {:.2} ms; newcomers p99 {:.2} ms, attacked {:.2} ms ({} of {} turned away, \
                {} attackers)",
            control.echo_p99_ms,
            attack.echo_p99_ms,
            control.newcomer_p99_ms,
            attack.newcomer_p99_ms,
            attack.turned_away,
            attack.newcomers,
            attack.attackers,
        )
    }
}

#[derive(Debug, Serialize)]
struct SlowlorisReport {
    setting: Setting,
    attackers: u32,
    honest: u32,
    rate: f64,
    /// Attacked over control, of each round.
    echo_p99_ratio: Summary,
    newcomer_p99_ratio: Summary,
    turned_away: usize,
    rounds: Vec<Round>,
}

impl SlowlorisReport {
    fn new(setting: Setting, arguments: &SlowlorisArguments, rounds: Vec<Round>) -> Self {
        let ratios = |value: fn(&Noticed) -> f64| {
            Summary::new(&rounds.iter().map(|it| value(&it.attack) / value(&it.control)).collect::<Vec<_>>())
        };
        Self {
            setting,
            attackers: arguments.attackers,
            honest: arguments.honest,
            rate: arguments.rate,
            echo_p99_ratio: ratios(|it| it.echo_p99_ms),
            newcomer_p99_ratio: ratios(|it| it.newcomer_p99_ms),
            turned_away: rounds.iter().map(|it| it.attack.turned_away).sum(),
            rounds,
        }
    }
}

impl Display for SlowlorisReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "medians of {} rounds: without and with the attack", self.rounds.len())?;
        let middle = |value: fn(&Round) -> f64| median(&self.rounds.iter().map(value).collect::<Vec<_>>());
        let lines: [(&str, f64, f64, Summary); 2] = [
            (
                "echo p99",
                middle(|it| it.control.echo_p99_ms),
                middle(|it| it.attack.echo_p99_ms),
                self.echo_p99_ratio,
            ),
            (
                "newcomer p99",
                middle(|it| it.control.newcomer_p99_ms),
                middle(|it| it.attack.newcomer_p99_ms),
                self.newcomer_p99_ratio,
            ),
        ];
        for (name, control, attack, Summary { median, min, max, .. }) in lines {
            writeln!(
                f,
                "  {name:<13} {control:.2} ms, {attack:.2} ms, ratio {median:.2} [{min:.2} to {max:.2}]"
            )?;
        }
        writeln!(f, "  newcomers turned away: {}", self.turned_away)
    }
}
