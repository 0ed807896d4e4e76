//! Which connection sends next: a fixed number of messages in flight, rotating over all connections.

use std::collections::VecDeque;

/// Connections that wait for their turn, longest first.
#[derive(Debug)]
pub(super) struct InFlight {
    idle: VecDeque<u32>,
    connections: usize,
    max: usize,
}

impl InFlight {
    /// All of `connections` idle, at most `max` of them with a message in flight.
    pub(super) fn new(connections: u32, max: u32) -> Self {
        let max = max.min(connections) as usize;
        Self { idle: (0..connections).collect(), connections: connections as usize, max }
    }

    /// Messages in flight.
    pub(super) fn count(&self) -> usize {
        self.connections - self.idle.len()
    }

    /// Whether one more may be.
    pub(super) fn has_room(&self) -> bool {
        self.count() < self.max
    }

    /// The connection that sends the next message; `None` while enough are in flight.
    pub(super) fn start(&mut self) -> Option<u32> {
        if !self.has_room() {
            return None;
        }
        self.idle.pop_front()
    }

    /// Lets nothing start any more.
    pub(super) fn stop(&mut self) {
        self.max = 0;
    }

    /// The reply has come: the connection waits for its next turn, behind all others.
    pub(super) fn finish(&mut self, connection: u32) {
        debug_assert!(!self.idle.contains(&connection), "finished twice");
        self.idle.push_back(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_and_never_fewer_than_asked_for_are_in_flight() {
        let mut in_flight = InFlight::new(10, 4);
        let mut busy = VecDeque::new();
        for _ in 0..100 {
            while let Some(connection) = in_flight.start() {
                assert!(!busy.contains(&connection));
                busy.push_back(connection);
            }
            assert_eq!(in_flight.count(), 4);
            assert_eq!(busy.len(), 4);
            in_flight.finish(busy.pop_front().unwrap());
        }
    }

    #[test]
    fn every_connection_has_its_turn_before_any_has_another() {
        let mut in_flight = InFlight::new(7, 3);
        let mut turns = Vec::new();
        for _ in 0..21 {
            let connection = in_flight.start().unwrap();
            turns.push(connection);
            in_flight.finish(connection);
        }
        let rounds: Vec<&[u32]> = turns.chunks(7).collect();
        assert_eq!(rounds, [[0, 1, 2, 3, 4, 5, 6]; 3]);
    }

    #[test]
    fn nothing_starts_after_a_stop() {
        let mut in_flight = InFlight::new(4, 4);
        let connection = in_flight.start().unwrap();
        in_flight.stop();
        in_flight.finish(connection);
        assert_eq!((in_flight.start(), in_flight.count()), (None, 0));
    }

    #[test]
    fn more_in_flight_than_connections_means_all_of_them() {
        let mut in_flight = InFlight::new(2, 256);
        assert_eq!([in_flight.start(), in_flight.start(), in_flight.start()], [Some(0), Some(1), None]);
    }
}
