//! How many connections each client address has: one count for all shards.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The addresses that count as one: the bytes of the IPv6 address (an IPv4 one mapped, RFC 4291 2.5.5.2) behind whose
/// prefix all are 0. All 0 is no address.
pub(crate) type Block = [u8; 16];

/// No address.
pub(crate) const NOBODY: Block = [0; 16];

/// How much of an address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefixes {
    /// Bits of an IPv4 address, 1 to 32.
    pub(crate) ipv4: u8,
    /// Bits of an IPv6 address, 1 to 128.
    pub(crate) ipv6: u8,
}

impl Prefixes {
    /// The block an address is in. An IPv4 address that came by way of an IPv6 socket is an IPv4 address.
    pub(crate) fn block(self, address: IpAddr) -> Block {
        let (bits, prefix) = match address.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 96 + self.ipv4.min(32)),
            IpAddr::V6(address) => (address.to_bits(), self.ipv6.min(128)),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        // With a prefix of a bit or two a block may be all 0, and still somebody.
        (bits & mask).max(1).to_be_bytes()
    }
}

/// Maps, so that shards seldom wait for each other.
const MAPS: usize = 64;

/// The counts. An address without connections takes no room: entries are never more than connections and opening
/// handshakes under way. The hash has a key of its own in each process, so that nobody can choose colliding addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    most: u32,
    prefixes: Prefixes,
    hasher: RandomState,
    maps: [Mutex<HashMap<Block, u32>>; MAPS],
}

impl Addresses {
    pub(crate) fn new(most: u32, prefixes: Prefixes) -> Self {
        let maps = std::array::from_fn(|_| Mutex::default());
        Self { most, prefixes, hasher: RandomState::new(), maps }
    }

    /// Counts one more for an address, unless it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<AddressPermit> {
        let block = self.prefixes.block(address);
        self.with(block, |map| {
            let count = map.entry(block).or_insert(0);
            let may = *count < self.most;
            *count += u32::from(may);
            may
        })
        .then(|| AddressPermit { addresses: Arc::clone(self), block })
    }

    /// The addresses that count as one with this one.
    pub(crate) fn block(&self, address: IpAddr) -> Block {
        self.prefixes.block(address)
    }

    /// Counts one less: what [`AddressPermit::keep`] gave.
    pub(crate) fn leave(&self, block: Block) {
        if block == NOBODY {
            return;
        }
        self.with(block, |map| {
            if let Entry::Occupied(mut entry) = map.entry(block) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
            // After a crowd has left, its memory goes too.
            if map.len() < map.capacity() / 8 {
                map.shrink_to(map.len() * 2);
            }
        });
    }

    fn with<T>(&self, block: Block, act: impl FnOnce(&mut HashMap<Block, u32>) -> T) -> T {
        let [.., low] = self.hasher.hash_one(block).to_be_bytes();
        let map = &self.maps[usize::from(low) % MAPS];
        act(&mut map.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    fn entries(&self) -> (usize, usize) {
        let maps = self.maps.iter().map(|map| map.lock().unwrap_or_else(PoisonError::into_inner));
        maps.fold((0, 0), |(len, capacity), map| (len + map.len(), capacity + map.capacity()))
    }
}

/// One of the places of an address, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    addresses: Arc<Addresses>,
    block: Block,
}

impl AddressPermit {
    /// The place is given back by [`Addresses::leave`] instead: a block takes less room than this.
    pub(crate) fn keep(mut self) -> Block {
        std::mem::replace(&mut self.block, NOBODY)
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        self.addresses.leave(self.block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Prefixes = Prefixes { ipv4: 32, ipv6: 64 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_are_told_apart_as_far_as_their_prefix_goes() {
        let same = |prefixes: Prefixes, a: &str, b: &str| prefixes.block(ip(a)) == prefixes.block(ip(b));
        assert!(!same(USUAL, "192.0.2.1", "192.0.2.2"));
        assert!(same(USUAL, "192.0.2.1", "::ffff:192.0.2.1"), "it came by way of an IPv6 socket");
        assert!(same(USUAL, "2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
        assert!(!same(USUAL, "2001:db8:0:1::1", "2001:db8:0:2::1"));
        let wide = Prefixes { ipv4: 24, ipv6: 48 };
        assert!(same(wide, "192.0.2.1", "192.0.2.255") && !same(wide, "192.0.2.1", "192.0.3.1"));
        assert!(same(wide, "2001:db8:0:1::1", "2001:db8:0:2::1"));
        let exact = Prefixes { ipv4: 32, ipv6: 128 };
        assert!(!same(exact, "2001:db8::1", "2001:db8::2"));
        let least = Prefixes { ipv4: 1, ipv6: 1 };
        assert!(same(least, "2001:db8::1", "::1") && !same(least, "127.0.0.1", "::1"));
        for address in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
            assert_ne!(least.block(ip(address)), NOBODY, "{address} is somebody");
        }
    }

    #[test]
    fn an_address_has_so_many_places_and_no_more_and_gives_them_back() {
        let addresses = Arc::new(Addresses::new(2, USUAL));
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = addresses.enter(one);
        let second = addresses.enter(one).expect("a place").keep();
        assert!(first.is_some() && addresses.enter(one).is_none() && addresses.enter(other).is_some());
        drop(first);
        let third = addresses.enter(one);
        assert!(third.is_some() && addresses.enter(one).is_none());
        addresses.leave(second);
        assert!(addresses.enter(one).is_some(), "given back when it is dropped, too");
        drop(third);
        addresses.leave(NOBODY);
        assert_eq!(addresses.entries().0, 0, "an address without connections takes no room");
    }

    #[test]
    fn memory_goes_with_the_crowd() {
        let addresses = Arc::new(Addresses::new(1, USUAL));
        let places: Vec<_> = (0..50_000_u32).map(|low| addresses.enter(IpAddr::V4(low.into()))).collect();
        assert!(places.iter().all(Option::is_some));
        let (len, capacity) = addresses.entries();
        assert!(len == 50_000 && capacity >= len);
        drop(places);
        let (len, capacity) = addresses.entries();
        assert!(len == 0 && capacity < 64 * MAPS, "room for {capacity} is left");
    }

    #[test]
    fn threads_count_together() {
        let addresses = Arc::new(Addresses::new(1_000, USUAL));
        let enter = || (0..400).filter_map(|_| addresses.enter(ip("192.0.2.1"))).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            let places: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            assert_eq!(places.iter().map(Vec::len).sum::<usize>(), 1_000);
        });
        assert_eq!(addresses.entries().0, 0);
    }
}
