//! A service: addresses in order, failover, repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Address;
use crate::answer::{Answer, Failure, Kind, Outcome, Report};
use crate::breaker::{Breaker, Change, Pass, State};
use crate::client::Client;
use crate::dial::Mark;
use crate::exchange::{Parts, exchange, kept};
use crate::jitter;
use crate::limits::Limits;
use crate::pool::Pool;

/// How long a validation may take.
pub const VALIDATE_MAX: Duration = Duration::from_secs(10);

/// Header fields that belong to a connection or to HTTP itself, and are not the caller's to set.
const OURS: [HeaderName; 9] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Only if no byte of it was sent: the service hears it once at most.
    UnlessSent,
    /// After any failure that may pass, and after the answers 5xx, 408 and 429: the service hears it at least once,
    /// if it is there before the time is over.
    Always,
}

/// A service with its addresses. To be shared by reference; it is used within a tokio runtime.
#[derive(Debug)]
pub struct Endpoint {
    targets: Vec<Target>,
    limits: Limits,
}

/// One address.
#[derive(Debug)]
struct Target {
    address: Address,
    breaker: Breaker,
    pool: Arc<Pool>,
    is_permitted: AtomicBool,
}

/// What comes of one walk over the addresses.
enum Round {
    Over(Result<Answer, Failure>),
    /// May be repeated, beginning with this address.
    Again(Result<Answer, Failure>, usize),
}

impl Endpoint {
    /// A service at `addresses`, which are tried in this order. Each has connections and a breaker of its own; nothing
    /// is connected yet.
    #[must_use]
    pub fn new(client: &Client, addresses: Vec<Address>, limits: Limits) -> Self {
        let targets = addresses.into_iter().map(|address| Target {
            breaker: Breaker::new(limits.failures_max, limits.open_min, limits.open_max),
            pool: Arc::new(Pool::new(address.origin().clone(), client.clone(), limits.clone())),
            is_permitted: AtomicBool::new(true),
            address,
        });
        Self { targets: targets.collect(), limits }
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.targets.iter().map(|target| &target.address)
    }

    /// The state of the breaker of each address, in order.
    pub fn states(&self) -> impl Iterator<Item = State> {
        let now = Instant::now();
        self.targets.iter().map(move |target| target.breaker.state(now))
    }

    /// Whether [`post`](Self::post) may use the address with this index: at first it may. Nothing happens where there
    /// is no such address.
    pub fn permit(&self, index: usize, is_permitted: bool) {
        if let Some(target) = self.targets.get(index) {
            target.is_permitted.store(is_permitted, Ordering::Relaxed);
        }
    }

    /// POSTs `body`, with `headers`, to the first address that takes it. `values` stand for the names in the address.
    ///
    /// An address to which no byte could be sent is followed by the next at once. When all have been tried, the
    /// request is repeated after a wait if `repeat` allows it, until [`timeout`](Limits::timeout) is over; where it was
    /// sent, a repeat begins with the address after that one. While all breakers are open nothing is sent; where none
    /// would let it through in time, the failure comes at once.
    ///
    /// `headers` makes the headers of each attempt. Those of the connection are left out. An `Authorization` of the
    /// caller's wins over that of the address.
    pub async fn post(
        &self,
        values: &[(&str, &str)],
        headers: impl Fn() -> HeaderMap + Send + Sync,
        body: Bytes,
        repeat: Repeat,
    ) -> Outcome {
        let begun = Instant::now();
        let mut attempts = 0;
        let request = Outgoing { values, headers: &headers, body, method: Method::POST };
        let result = self.insist(&request, repeat, begun + self.limits.timeout, &mut attempts).await;
        Outcome { result, report: Report { attempts, latency: begun.elapsed() } }
    }

    /// Asks the address with this index, by OPTIONS, whether it wants to be asked at all: what it means is for the
    /// caller to read from the answer's status and headers. One attempt, [`VALIDATE_MAX`] at most; neither permission
    /// nor breaker are looked at.
    ///
    /// # Errors
    ///
    /// Where there is no answer; [`Kind::Held`] where there is no such address.
    pub async fn validate(
        &self,
        index: usize,
        values: &[(&str, &str)],
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let Some(target) = self.targets.get(index) else {
            return Err(Failure::unsent(Kind::Held, "there is no such address"));
        };
        let headers = || headers.clone();
        let request = Outgoing { values, headers: &headers, body: Bytes::new(), method: Method::OPTIONS };
        target.attempt(&request, &self.limits, Instant::now() + VALIDATE_MAX).await
    }

    /// GETs the first address. One attempt, [`attempt_max`](Limits::attempt_max) at most; neither permission nor
    /// breaker are looked at: when to ask again is for the caller to say.
    ///
    /// # Errors
    ///
    /// Where there is no answer; [`Kind::Held`] where there is no address.
    pub async fn get(&self, headers: &HeaderMap) -> Result<Answer, Failure> {
        let Some(target) = self.targets.first() else {
            return Err(Failure::unsent(Kind::Held, "there is no such address"));
        };
        let headers = || headers.clone();
        let request = Outgoing { values: &[], headers: &headers, body: Bytes::new(), method: Method::GET };
        target.attempt(&request, &self.limits, Instant::now() + self.limits.attempt_max).await
    }

    /// Repeats until there is an outcome or the time is over.
    async fn insist(
        &self,
        request: &Outgoing<'_>,
        repeat: Repeat,
        deadline: Instant,
        attempts: &mut u32,
    ) -> Result<Answer, Failure> {
        let mut known: Option<Result<Answer, Failure>> = None;
        let mut first = 0;
        for repeats in 0_usize.. {
            let result = match self.round(request, repeat, first, deadline, attempts).await {
                Round::Over(result) => return result,
                Round::Again(result, next) => {
                    first = next;
                    result
                }
            };
            // What an address said or did says more than that all are left alone.
            match &result {
                Err(failure) if failure.kind() == Kind::Open && known.is_some() => {}
                _ => known = Some(result),
            }
            let delays = &self.limits.delays;
            let delay = jitter::around(delays[repeats.min(delays.len() - 1)]);
            let next = Instant::now() + delay;
            if next >= deadline || self.next_chance().is_some_and(|at| at >= deadline) {
                break;
            }
            sleep(delay).await;
        }
        known.unwrap_or_else(|| Err(Failure::unsent(Kind::Held, "")))
    }

    /// Tries each address until one was sent to.
    async fn round(
        &self,
        request: &Outgoing<'_>,
        repeat: Repeat,
        first: usize,
        deadline: Instant,
        attempts: &mut u32,
    ) -> Round {
        let count = self.targets.len();
        let mut failure = None;
        let mut is_any_permitted = false;
        for index in (first..first + count).map(|index| index % count) {
            let target = &self.targets[index];
            if !target.is_permitted.load(Ordering::Relaxed) {
                continue;
            }
            is_any_permitted = true;
            let now = Instant::now();
            let Some(pass) = target.breaker.admit(now) else { continue };
            *attempts += 1;
            let result =
                target.attempt(request, &self.limits, deadline.min(now + self.limits.attempt_max)).await;
            target.judge(pass, &result);
            match result {
                Err(unsent) if !unsent.is_sent() && !unsent.kind().is_final() => failure = Some(unsent),
                result if repeat == Repeat::Always && may_pass(&result) => {
                    return Round::Again(result, (index + 1) % count);
                }
                result => return Round::Over(result),
            }
        }
        match failure {
            Some(failure) => Round::Again(Err(failure), 0),
            None if is_any_permitted => Round::Again(Err(Failure::unsent(Kind::Open, "")), 0),
            None => Round::Over(Err(Failure::unsent(Kind::Held, ""))),
        }
    }

    /// When the first breaker lets one through again; `None` where one does already.
    fn next_chance(&self) -> Option<Instant> {
        let now = Instant::now();
        let permitted = self.targets.iter().filter(|target| target.is_permitted.load(Ordering::Relaxed));
        let chances: Option<Vec<_>> = permitted.map(|target| target.breaker.opens_at(now)).collect();
        chances?.into_iter().min()
    }
}

/// Whether another attempt may end otherwise.
fn may_pass(result: &Result<Answer, Failure>) -> bool {
    match result {
        Ok(answer) => answer.is_passing(),
        Err(failure) => !failure.kind().is_final(),
    }
}

/// A request as the caller gave it.
struct Outgoing<'a> {
    values: &'a [(&'a str, &'a str)],
    /// Makes them: a copy would take longer.
    headers: &'a (dyn Fn() -> HeaderMap + Send + Sync),
    body: Bytes,
    method: Method,
}

impl Outgoing<'_> {
    /// As it goes to `address`.
    fn parts(&self, address: &Address) -> Option<Parts> {
        let mut headers = (self.headers)();
        for name in &OURS {
            headers.remove(name);
        }
        if let (Some(authorization), None) = (address.authorization(), headers.get(AUTHORIZATION)) {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        // Said aloud: without it, any encoding is welcome.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let target = address.expanded(self.values)?;
        Some(Parts { method: self.method.clone(), target, headers, body: self.body.clone() })
    }
}

impl Target {
    /// One attempt, until `deadline` at most. A kept connection that turns out to have been closed before anything was
    /// written is replaced by a new one once.
    async fn attempt(
        &self,
        request: &Outgoing<'_>,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let result = self.on_a_connection(request, limits, deadline).await;
        if let Err(failure) = &result {
            tracing::debug!(upstream = %self.address, %failure, sent = failure.is_sent(), "a request failed");
        }
        result
    }

    async fn on_a_connection(
        &self,
        request: &Outgoing<'_>,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut newer = None;
        loop {
            let Some(parts) = request.parts(&self.address) else {
                return Err(Failure::unsent(Kind::Unsendable, "its target is too long"));
            };
            let busy = || Failure::unsent(Kind::Busy, "");
            let permit = within(deadline, self.pool.wait(), busy).await?;
            // Whoever had it may have given up at the same moment.
            if Instant::now() >= deadline {
                return Err(busy());
            }
            let too_slow = || Failure::unsent(Kind::Connect, "it took too long");
            let mut lease = within(deadline, self.pool.lease(permit, newer), too_slow).await?;
            let mark = lease.link.meter.begin();
            let authority = self.address.origin().authority();
            let asked = exchange(&mut lease, parts, authority, limits, &mark);
            match within(deadline, asked, || silent(&mark)).await {
                Ok(answer) => {
                    lease.give_back(kept(&answer.headers));
                    return Ok(answer);
                }
                Err(failure) => {
                    let may_be_stale = lease.is_used && failure.kind() == Kind::Broken && !failure.is_sent();
                    if failure.kind().is_outage() {
                        lease.retire();
                    }
                    if !may_be_stale || newer.is_some() {
                        return Err(failure);
                    }
                    newer = Some(Instant::now());
                }
            }
        }
    }

    /// Tells the breaker, and the log where that changes something.
    fn judge(&self, pass: Pass<'_>, result: &Result<Answer, Failure>) {
        let change = match result {
            Ok(answer) if answer.is_outage() => pass.failed(Instant::now()),
            Err(failure) if failure.kind().is_outage() => pass.failed(Instant::now()),
            // It was not asked, which says nothing of it.
            Err(failure) if matches!(failure.kind(), Kind::Busy | Kind::Unsendable) => None,
            _ => pass.succeeded(),
        };
        match change {
            Some(Change::Opened(pause)) => {
                let why = match result {
                    Ok(answer) => format!("it answers {}", answer.status),
                    Err(failure) => failure.to_string(),
                };
                tracing::warn!(upstream = %self.address, ?pause, "a service is left alone for a while: {why}");
            }
            Some(Change::Closed) => tracing::info!(upstream = %self.address, "a service is well again"),
            None => {}
        }
    }
}

/// What comes of `future`, or what `late` says when the time is over.
async fn within<T>(
    deadline: Instant,
    future: impl Future<Output = Result<T, Failure>>,
    late: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    timeout_at(deadline, future).await.unwrap_or_else(|_| Err(late()))
}

/// There was a connection, and no answer in time.
fn silent(mark: &Mark) -> Failure {
    if mark.settle() {
        Failure::sent(Kind::Timeout, "")
    } else {
        Failure::unsent(Kind::Timeout, "it took no byte of the request")
    }
}
