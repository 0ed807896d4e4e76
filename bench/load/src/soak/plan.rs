//! What somebody who connects will do, from a seed.

use std::time::Duration;

use serde::Serialize;

use crate::payload::{Kind, mix};

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// With a closing handshake.
    Goodbye,
    /// Its process dies: an end of stream and no close frame.
    Fin,
    /// The same in the middle of a message.
    FinInMessage,
    /// A reset.
    Reset,
    /// It breaks the protocol, and waits to be told so.
    Unmasked,
    /// It never finishes its opening handshake.
    HalfHead,
    /// It sends what is no opening handshake.
    Garbage,
}

/// Where plans come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plans {
    /// All that may happen, from a seed; a visit lasts for `life` on the average.
    Mixed { seed: u64, life: Duration },
    /// One message of `size` bytes in the middle of `life`, then a closing handshake.
    Short { size: usize, life: Duration },
}

/// One visit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    seed: u64,
    /// Payload bytes of every message, where that is fixed; then each pause is as long as the longest.
    size: Option<usize>,
    /// Messages that it sends, and waits for the echo of each.
    pub(crate) messages: u32,
    pub(crate) end: End,
    /// Longest pause before it does the next thing.
    pause_max: Duration,
}

impl Plans {
    /// The plan of visit `number`; the first `count` begin together.
    pub(crate) fn plan(self, number: u64, count: u64) -> Plan {
        match self {
            Self::Mixed { seed, life } => {
                let mut plan = Plan::mixed(seed, number, life);
                if number < count {
                    plan.arrive_in_the_middle();
                }
                plan
            }
            Self::Short { size, life } => Plan::short(number, size, life),
        }
    }
}

impl Plan {
    fn short(number: u64, size: usize, life: Duration) -> Self {
        Self { seed: mix(number), size: Some(size), messages: 1, end: End::Goodbye, pause_max: life / 2 }
    }

    /// The plan of visit `number`, which lasts for `life` on the average.
    fn mixed(seed: u64, number: u64, life: Duration) -> Self {
        let seed = mix(seed ^ mix(number));
        let end = match mix(seed) % 100 {
            0..=39 => End::Goodbye,
            40..=59 => End::Fin,
            60..=69 => End::FinInMessage,
            70..=84 => End::Reset,
            85..=89 => End::Unmasked,
            90..=94 => End::HalfHead,
            _ => End::Garbage,
        };
        let messages = match end {
            End::HalfHead | End::Garbage => 0,
            _ => u32::try_from(mix(seed ^ 1) % 11).unwrap_or(0),
        };
        Self { seed, size: None, messages, end, pause_max: life * 2 / (messages + 1) }
    }

    /// It came long ago: its messages have mostly been said. So not all who come at the start leave at the same time.
    fn arrive_in_the_middle(&mut self) {
        self.pause_max = self.pause_max.mul_f64((mix(self.seed ^ 2) % 1000) as f64 / 1000.0);
    }

    /// How long it rests before step `step`.
    pub(crate) fn pause(&self, step: u32) -> Duration {
        if self.size.is_some() {
            return self.pause_max;
        }
        self.pause_max.mul_f64((mix(self.seed ^ u64::from(step) << 8) % 1000) as f64 / 1000.0)
    }

    /// Number, payload bytes and kind of message `index`. Most are small, some larger than a read.
    pub(crate) fn message(&self, index: u32) -> (u64, usize, Kind) {
        let number = mix(self.seed ^ u64::from(index) << 32);
        if let Some(size) = self.size {
            return (number, size, Kind::Binary);
        }
        let size = match number % 100 {
            0 => number >> 8 & 0xFFFF,
            1..=9 => number >> 8 & 0x0FFF,
            _ => number >> 8 & 0x7F,
        };
        let kind = if number & 0x80 == 0 { Kind::Text } else { Kind::Binary };
        (number, usize::try_from(size).unwrap_or(0), kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed_and_lasts_as_long_as_it_should() {
        let life = Duration::from_secs(50);
        let mut total = Duration::ZERO;
        for number in 0..10_000 {
            let plan = Plan::mixed(7, number, life);
            assert_eq!(format!("{plan:?}"), format!("{:?}", Plan::mixed(7, number, life)));
            total += (0..=plan.messages).map(|step| plan.pause(step)).sum::<Duration>();
        }
        let mean = total.as_secs_f64() / 10_000.0;
        assert!((45.0..55.0).contains(&mean), "{mean}");
    }

    #[test]
    fn a_short_visit_says_one_thing_in_its_middle_and_goodbye() {
        let life = Duration::from_millis(100);
        let plan = Plans::Short { size: 64, life }.plan(5, 200);
        assert_eq!((plan.messages, plan.end), (1, End::Goodbye));
        assert_eq!([plan.pause(0), plan.pause(1)], [life / 2; 2]);
        let (_, size, kind) = plan.message(0);
        assert_eq!((size, kind), (64, Kind::Binary));
    }

    #[test]
    fn every_end_comes_up() {
        let mut ends: Vec<End> = (0..1000).map(|number| Plan::mixed(0, number, Duration::ZERO).end).collect();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends.len(), 7);
    }
}
