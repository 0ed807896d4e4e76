//! Names of connections and opening handshakes: what applications call them, and what the world outside does.

use std::fmt;

use blowfish::Blowfish;
use blowfish::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use holdfast_cluster::NodeId;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::limits::SLOTS_MAX;
use crate::settings::SHARDS_MAX;

/// Names one connection, for as long as the process lives: a later connection in the same slot has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) shard: u16,
    /// How often its shard's generations had run out.
    pub(crate) epoch: u16,
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

/// Names one opening handshake, so that it can be answered later, from any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandshakeId {
    pub(crate) shard: u16,
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

/// Bits of a shard's number, of a slot and of a generation: the 64 of a name's first half.
const SHARD_BITS: u32 = 10;
const SLOT_BITS: u32 = SLOTS_MAX.ilog2();
const GENERATION_BITS: u32 = 28;
const _: () = assert!(SHARD_BITS + SLOT_BITS + GENERATION_BITS == u64::BITS);
const _: () = assert!((SHARDS_MAX as u32) <= 1 << SHARD_BITS);

/// Counts the owners of a shard's slots, so that no two have the same generation and epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Serial(u64);

impl Serial {
    /// The next owner's.
    pub(crate) fn next(&mut self) {
        self.0 += 1;
    }

    /// That of a connection, as far as it is of any use.
    pub(crate) fn of(id: ConnectionId) -> Self {
        Self(u64::from(id.epoch) << GENERATION_BITS | u64::from(id.generation))
    }

    /// Repeats after 2^28 owners.
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub(crate) fn generation(self) -> u32 {
        self.0 as u32 & ((1 << GENERATION_BITS) - 1)
    }

    /// How often generations have run out: 2^44 owners are more than a machine sees.
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub(crate) fn epoch(self) -> u16 {
        (self.0 >> GENERATION_BITS) as u16
    }

    /// As after so many owners.
    #[cfg(test)]
    pub(crate) fn after(owners: u64) -> Self {
        Self(owners)
    }
}

/// A connection's name as clients, services and logs see it: 32 hex digits. The first 64 bits are an encryption of
/// shard, slot and generation under a key of the process; of the others 48 name the process and 16 are the epoch. So a
/// name tells nothing, it is found again without a table, and none comes twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionName {
    block: u64,
    node: u64,
}

impl ConnectionName {
    /// The 64 bits that are encrypted.
    #[must_use]
    pub fn block(self) -> u64 {
        self.block
    }

    /// From its 32 hex digits; upper case is read too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A sign would be taken for a part of the number.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let half = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Self { block: half(&text[..16])?, node: half(&text[16..])? })
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.block, self.node)
    }
}

/// Nodes call it the same.
impl From<ConnectionName> for holdfast_cluster::ConnectionName {
    fn from(ConnectionName { block, node }: ConnectionName) -> Self {
        Self::new(u128::from(block) << u64::BITS | u128::from(node))
    }
}

impl From<holdfast_cluster::ConnectionName> for ConnectionName {
    #[allow(clippy::cast_possible_truncation, reason = "takes the halves apart")]
    fn from(name: holdfast_cluster::ConnectionName) -> Self {
        Self { block: (name.bits() >> u64::BITS) as u64, node: name.bits() as u64 }
    }
}

impl fmt::Debug for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes names of ids and ids of names.
pub struct Names {
    cipher: Blowfish,
    node: u64,
}

/// Bits of the epoch, at the end of a name.
const EPOCH_BITS: u32 = 16;

impl Names {
    /// Those of a new process.
    ///
    /// # Panics
    /// Where the kernel has no random bytes: Linux has had them since 3.17.
    #[must_use]
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        let len = getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel has random bytes");
        assert_eq!(len, bytes.len(), "so few bytes come whole: getrandom(2)");
        let (key, node) = bytes.split_at(16);
        Self::with(key, u64::from_le_bytes([node[0], node[1], node[2], node[3], node[4], node[5], 0, 0]))
    }

    /// `key` has 16 bytes, `node` 48 bits.
    fn with(key: &[u8], node: u64) -> Self {
        let cipher = Blowfish::new_from_slice(key).expect("16 bytes are a key");
        Self { cipher, node: node << EPOCH_BITS }
    }

    /// This process among the nodes of a cluster: the 48 bits that each of its connections' names has.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId::new(self.node >> EPOCH_BITS)
    }

    /// What the world outside calls a connection.
    #[must_use]
    pub fn name(&self, id: ConnectionId) -> ConnectionName {
        let position = u64::from(id.shard) << SLOT_BITS | u64::from(id.key);
        let plain = position << GENERATION_BITS | u64::from(id.generation);
        let block = self.encrypt(plain ^ self.tweak(id.epoch));
        ConnectionName { block, node: self.node | u64::from(id.epoch) }
    }

    /// The connection of this process that has a name, whether it is still there or not.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub fn find(&self, name: ConnectionName) -> Option<ConnectionId> {
        if name.node >> EPOCH_BITS != self.node >> EPOCH_BITS {
            return None;
        }
        let epoch = name.node as u16;
        let plain = self.decrypt(name.block) ^ self.tweak(epoch);
        let position = plain >> GENERATION_BITS;
        Some(ConnectionId {
            shard: (position >> SLOT_BITS) as u16,
            epoch,
            key: position as u32 & ((1 << SLOT_BITS) - 1),
            generation: plain as u32 & ((1 << GENERATION_BITS) - 1),
        })
    }

    /// What makes another key of the key in each epoch: the same shard, slot and generation have another block in each.
    fn tweak(&self, epoch: u16) -> u64 {
        if epoch == 0 { 0 } else { self.encrypt(epoch.into()) }
    }

    fn encrypt(&self, plain: u64) -> u64 {
        let mut block = plain.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        u64::from_be_bytes(block.into())
    }

    fn decrypt(&self, block: u64) -> u64 {
        let mut block = block.to_be_bytes().into();
        self.cipher.decrypt_block(&mut block);
        u64::from_be_bytes(block.into())
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Ids at the edges of each field, and neighbours.
    fn ids() -> Vec<ConnectionId> {
        let mut ids = Vec::new();
        for shard in [0, 1, SHARDS_MAX - 1] {
            for key in [0, 1, 2, (1 << SLOT_BITS) - 1] {
                for generation in [0, 1, 2, (1 << GENERATION_BITS) - 1] {
                    for epoch in [0, 1, 2, u16::MAX] {
                        ids.push(ConnectionId { shard, epoch, key, generation });
                    }
                }
            }
        }
        ids
    }

    #[test]
    fn a_connection_is_found_by_its_name_and_no_two_have_the_same() {
        let names = Names::new();
        let mut seen = HashSet::new();
        for id in ids() {
            let text = names.name(id).to_string();
            assert!(
                text.len() == 32 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte)),
                "{text}"
            );
            assert_eq!(ConnectionName::parse(&text).and_then(|name| names.find(name)), Some(id));
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn nodes_call_a_connection_as_clients_do_and_see_whose_it_is() {
        let (names, other) = (Names::new(), Names::new());
        assert_ne!(names.node(), other.node());
        for name in ids().into_iter().map(|id| names.name(id)) {
            let among_nodes = holdfast_cluster::ConnectionName::from(name);
            assert_eq!(among_nodes.to_string(), name.to_string());
            assert_eq!(among_nodes.node(), names.node());
            assert_eq!(ConnectionName::from(among_nodes), name);
            let read = holdfast_cluster::ConnectionName::parse(&name.to_string().to_uppercase());
            assert_eq!(read, Some(among_nodes));
        }
        // The bits that are not random are none of the node's.
        assert_eq!(Names::with(&[0; 16], NodeId::MAX).node().bits(), NodeId::MAX);
    }

    #[test]
    fn first_halves_differ_from_epoch_to_epoch_and_from_process_to_process() {
        let (one, other) = (Names::new(), Names::new());
        let blocks: HashSet<u64> =
            ids().into_iter().flat_map(|id| [one.name(id).block(), other.name(id).block()]).collect();
        assert_eq!(blocks.len(), 2 * ids().len());
        let name = one.name(ids()[0]);
        assert_eq!(other.find(name), None, "another process's");
    }

    #[test]
    fn the_cipher_is_blowfish() {
        // Of the test vectors of Blowfish's reference implementation, the one whose key has 16 bytes.
        let key = 0xF0E1_D2C3_B4A5_9687_7869_5A4B_3C2D_1E0F_u128.to_be_bytes();
        let names = Names::with(&key, 0);
        assert_eq!(names.encrypt(0xFEDC_BA98_7654_3210), 0x9314_2887_EE3B_E15C);
    }

    #[test]
    fn what_is_no_name_is_nobodys() {
        for text in
            ["", "nobody", "0-1-2", &"0".repeat(31), &"0".repeat(33), &"+".repeat(32), &"é".repeat(16)]
        {
            assert_eq!(ConnectionName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn generations_repeat_in_another_epoch() {
        let mut serial = Serial::after((1 << GENERATION_BITS) - 1);
        assert_eq!((serial.generation(), serial.epoch()), ((1 << GENERATION_BITS) - 1, 0));
        serial.next();
        assert_eq!((serial.generation(), serial.epoch()), (0, 1));
    }
}
