//! What a seed chooses before it begins: the limits, the drivers, who comes and what happens besides.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdfast_hub::Tuning;
use holdfast_ring::Config;
use holdfast_ring::simulated::{Faults, Network, Random, Simulated};

use super::application::Busy;
use super::book::Book;
use super::invariants::Watch;
use super::script::{MESSAGE_BYTES_MAX, Rules};
use super::tampered::{Defect, Tampered};
use super::{Member, World};
use crate::Handle;
use crate::counters::Counters;
use crate::handle::HandleBounds;
use crate::quota::Quota;
use crate::settings::{DrainCode, RatePolicy, Settings, SlowPolicy, outbox_needed};
use crate::shard::policy::Broadcasts;
use crate::shard::{Core, Policy, Shard};

impl World {
    pub(super) fn new(seed: u64, defect: Option<Defect>, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let network = Network::new(traced);
        let mut settings = settings(&mut random);
        let shards = random.between(1, 2);
        let handle = Handle::with(
            shards,
            &HandleBounds {
                publications_max: LINE_MAX,
                publication_bytes_max: usize::MAX,
                ..HandleBounds::default()
            },
        );
        let buffer_bytes = random.pick(&[256, 1000, 4096, 16 << 10]);
        // As the check of settings demands it.
        let needed = outbox_needed(settings.message_bytes_max, buffer_bytes, 0);
        settings.outbox_bytes_max = settings.outbox_bytes_max.max(needed);
        let buffer_count = random.pick(&[1, 2, 4, 16]);
        let connections_max = random.pick(&[2, 8, 40, 40, 40]);
        let handshakes_max = random.pick(&[1, 3, 40]);
        let requests = random.per_mille(400);
        let book: Rc<RefCell<Book>> = Rc::default();
        book.borrow_mut().believes_all = defect == Some(Defect::EarlyTaken);
        // With one nothing else is to be as without.
        book.borrow_mut().names = (!seed.is_multiple_of(3)).then(Arc::default);
        let (broadcasts, deferred_max) = (broadcasts(&mut random), random.pick(&[0, 2, 40]));
        let quota = Arc::new(Quota::new(&settings, std::time::Instant::now()));
        let members = (0..shards).map(|index| {
            let mut policy = Policy::new(&settings, connections_max, handshakes_max);
            (policy.broadcasts, policy.deferred_max) = (broadcasts, deferred_max);
            let config = Config {
                handshake_slots: policy.handshake_slots(),
                connection_slots: policy.connections_max,
                normal_descriptors_max: u32::MAX,
                buffer_bytes,
                buffer_count,
                long_buffer_bytes: buffer_bytes * random.pick(&[1, 2, 5]),
                long_buffer_count: random.pick(&[1, 2, 8]),
                submission_entries: 0,
                completion_entries: 0,
            };
            let faults = if seed.is_multiple_of(8) { Faults::NONE } else { Faults::choose(&mut random) };
            let driver = Simulated::new(&network, &config, faults, seed.wrapping_add(index as u64)).unwrap();
            let driver = Tampered::new(driver, defect);
            let counters = Arc::new(Counters::default());
            let index = u16::try_from(index).unwrap();
            handle.mailbox(index).open(policy.connections_max);
            let core = Core::new(index, handle.clone(), Arc::clone(&counters), policy, Arc::clone(&quota));
            let forgets_every = (defect == Some(Defect::ForgottenEcho)).then_some(Defect::EVERY);
            let book = Rc::clone(&book);
            let application = Busy {
                shard: usize::from(index),
                book,
                random: Random::new(seed ^ (u64::from(index) + 1) << 32),
                forgets_every,
                messages: 0,
                takes_requests: requests,
            };
            let shard = Shard::new(driver, application, vec![listener()], core).unwrap();
            Member { shard: Some(shard), counters, events: Vec::new(), watch: Watch::default() }
        });
        let members = members.collect();
        let mut world = Self {
            network,
            handle,
            book,
            members,
            coming: Vec::new(),
            peers: Vec::new(),
            interference: Vec::new(),
            plan: Vec::new(),
            crowded: settings.handshakes_per_second_max.is_some(),
            few_slots: handshakes_max < 40,
            rated: settings.rate_policy == RatePolicy::Close,
            rules: Rules {
                slow: settings.slow_policy,
                deflate: settings.deflate,
                requests,
                gathers: random.per_mille(400),
            },
            requests_served: 0,
            answered: Vec::new(),
            draining: None,
            drained: false,
            ended: false,
            broken: false,
            overdue: false,
            jumped: Duration::ZERO,
            silence: Duration::from_secs(random.pick(&[0, 0, 0, 100])),
            quiet_since: Duration::ZERO,
            window: random.pick(&[200, 4096, 64 << 10]),
            buffer_bytes,
            random,
        };
        world.make_plans(shards * connections_max as usize);
        world
    }
}

fn settings(random: &mut Random) -> Settings {
    let seconds = |seconds: usize| Duration::from_secs(seconds as u64);
    Settings {
        handshake_timeout: seconds(random.pick(&[8, 10, 20])),
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        message_timeout: None,
        // Only the larger one holds the answers to what a long buffer brings.
        outbox_bytes_max: random.pick(&[256 << 10, 5 << 18]),
        ping_interval: random.pick(&[None, Some(5), Some(30)]).map(seconds),
        idle_timeout: random.pick(&[None, None, Some(10), Some(60)]).map(seconds),
        drain_code: random.pick(&[DrainCode::GoingAway, DrainCode::ServiceRestart]),
        close_timeout: seconds(random.pick(&[5, 10])),
        send_timeout: seconds(random.pick(&[15, 30])),
        slow_policy: random.pick(&[SlowPolicy::Close, SlowPolicy::Close, SlowPolicy::DropOldest]),
        shard_outbox_bytes_max: random.pick(&[None, Some(768 << 10), Some(5 << 18)]),
        messages_per_second_max: random.pick(&[None, None, None, Some(30)]),
        bytes_per_second_max: random.pick(&[None, None, None, Some(20 << 10), Some(1 << 10)]),
        pings_unanswered_max: random.pick(&[None, Some(2)]),
        rate_burst: seconds(random.pick(&[1, 10])),
        rate_policy: random.pick(&[RatePolicy::Wait, RatePolicy::Wait, RatePolicy::Close]),
        handshakes_per_second_max: random.pick(&[None, None, None, Some(5)]),
        deflate: random.per_mille(300),
        deflate_bytes_min: random.pick(&[0, 256]),
        groups_per_connection_max: random.pick(&[1000, 1000, 2]),
        groups_max: random.pick(&[1 << 20, 1 << 20, 3]),
        ..Settings::default()
    }
}

/// So little at a time that few connections are many.
fn broadcasts(random: &mut Random) -> Broadcasts {
    Broadcasts {
        line: Tuning {
            at_once_max: random.pick(&[0, 1, 2, 4, 256]).try_into().expect("it is small"),
            slice: random.pick(&[1, 1, 2, 256]).try_into().expect("it is small"),
            first: random.pick(&[0, u32::MAX - 5]),
        },
        sends_max: random.pick(&[1, 2, 3, 256]),
        bytes_max: random.pick(&[1, 500, 1 << 20]),
    }
}

/// Most messages to many under way in a shard: so few that some find no room.
pub(super) const LINE_MAX: u32 = 7;

/// Anything: simulated listeners look at no descriptor.
pub(super) fn listener() -> std::os::fd::OwnedFd {
    std::fs::File::open("/dev/null").expect("there is one").into()
}
