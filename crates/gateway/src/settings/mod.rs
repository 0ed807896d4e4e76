//! Settings: each is declared once, here, and is a flag, an environment variable and a key of the settings file.
//!
//! Strength: flag, then environment (`HOLDFAST_*`), then the TOML file (`--config` or `HOLDFAST_CONFIG`), then the
//! default. A key `drain-timeout` is the flag `--drain-timeout` and the variable `HOLDFAST_DRAIN_TIMEOUT`. The comments
//! below are also what `holdfast --help`, `--print-settings` and `deploy/holdfast.example.toml` say.

mod address;
mod check;
mod declare;
mod destination;
mod error;
mod kinds;
mod network;
mod outbox;
mod owner;
mod rules;
mod show;
mod sources;
mod text;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use address::Listen;
pub use declare::{Declared, DefaultSort};
pub use destination::AccessLog;
pub use error::SettingsError;
pub use holdfast_proto::forwarded::ForwardedHeader;
pub use kinds::{DrainCode, DriverChoice, LogFormat, RatePolicy, SlowPolicy};
pub use network::Network;
pub use outbox::Answers;
pub(crate) use outbox::{QUEUED_BYTES, UNSENT_BYTES_MAX, outbox_needed};
pub use rules::Mismatch;
pub use show::{declared, example, markdown_table};
pub use sources::{Action, load, load_for};

use declare::settings;
use destination::Destination;
use kinds::{Address, Auto, Bytes, Count, Filter, Flag, Listeners, Off, OneOf, Paths, Period, Text};
use network::{FORWARDED, Networks};
use owner::{FileMode, GroupName};
use rules::{Origins, Path, Subprotocols};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The largest TCP_KEEPIDLE that Linux takes (tcp(7), MAX_TCP_KEEPIDLE).
const KEEPIDLE_MAX: Duration = Duration::from_secs(32_767);

/// The most shards one process may have.
pub const SHARDS_MAX: u16 = 512;

settings! {
    /// Where to listen for connections: ADDR:PORT, [ADDR]:PORT or unix:PATH. Repeat the flag, separate addresses by
    /// commas, or give the file a list. [::]:PORT takes IPv4 as well unless ipv6-only is set.
    ///
    /// Cost: one listening socket per shard and address (a Unix socket: one in all).
    listen: Vec<Listen> = vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8085)))]; Listeners;

    /// Who may connect to Unix sockets of listen: their mode, in octal. 0660 lets the user and the group of the gateway
    /// connect, 0666 everybody who can reach the path. Connecting needs the bit for writing.
    ///
    /// Cost: none.
    unix_mode: u32 = 0o660; FileMode;

    /// The group of Unix sockets of listen, such as that of a proxy which runs as another user: a name that /etc/group
    /// has, or a number. The gateway must be a member of it, or root. "auto" for its own, or that of a folder with the
    /// setgid bit.
    ///
    /// Cost: none.
    unix_group: Option<String> = None; Auto(GroupName);

    /// Where the admin server listens: /metrics, /healthz and /readyz, without authentication, so keep it away from
    /// the public. "off" for none.
    ///
    /// Cost: one thread that sleeps between scrapes; at most 32 connections of at most 8 KiB of request each.
    admin: Option<SocketAddr> = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9085))); Off(Address);

    /// How to wait for the kernel: auto takes the best that works here, down to epoll; uring refuses to start where
    /// io_uring is not permitted; uring-baseline uses only what Linux 5.10 has; epoll does without io_uring.
    ///
    /// Cost: kernel memory of an idle connection beyond its socket: about 300 bytes on io_uring, 220 on epoll.
    driver: DriverChoice = DriverChoice::Auto; OneOf(DriverChoice::ALL);

    /// How many shards: threads that each hold a part of the connections. More than one per core only raises the
    /// number of connections that fit, where each shard has a descriptor table of its own.
    ///
    /// Cost: a thread, a ring and a buffer pool (see pool-bytes) each.
    shards: u16 = cores(), shown "one per available core"; Count(1..=SHARDS_MAX);

    /// Connections to hold at most, in all; more are answered 503. "auto" for as many as fit the descriptor limit and
    /// the memory.
    ///
    /// Cost: about 4 KiB of kernel memory and a record of the process's own per idle connection, and what the settings
    /// in use cost each; "auto" counts both. holdfast_memory_per_connection_bytes shows what it is.
    connections_max: Option<u64> = None; Auto(Count(1..=1 << 40));

    /// Connections to hold at most on each shard. One that has as many hands over to another; more are answered 503.
    ///
    /// Cost: as for connections-max.
    shard_connections_max: Option<u64> = None; Off(Count(1..=1 << 32));

    /// Connections to hold at most from one client address, opening handshakes included; more are answered 429. See
    /// address-prefix-ipv4 and address-prefix-ipv6. Clients behind one NAT share an address, and all those behind a
    /// balancer do. Connections over Unix sockets are not counted.
    ///
    /// Cost: 16 bytes per connection and some 40 per address; a lock among 64 at each accept and close.
    address_connections_max: Option<u32> = None; Off(Count(1..=1 << 30));

    /// How many bits of an IPv4 address tell one client from another.
    ///
    /// Cost: none.
    address_prefix_ipv4: u8 = 32; Count(1..=32);

    /// How many bits of an IPv6 address tell one client from another. A client mostly has all addresses of a /64.
    ///
    /// Cost: none.
    address_prefix_ipv6: u8 = 64; Count(1..=128);

    /// Text put before each echoed message.
    ///
    /// Cost: its length per message sent.
    echo_prefix: String = String::new(); Text(KIB);

    /// Length of the queue of connections that TCP has opened and the gateway has not accepted yet. The kernel caps it
    /// at net.core.somaxconn.
    ///
    /// Cost: up to that many kernel sockets per listening socket, while a burst lasts.
    backlog: u32 = 4096; Count(1..=1 << 20);

    /// How long a TCP connection is silent before the kernel probes the peer. "off" for never.
    ///
    /// Cost: one small packet per silent connection and interval.
    keepalive: Option<Duration> = Some(120 * SECOND); Off(Period(SECOND..=KEEPIDLE_MAX));

    /// How long sent data may stay unacknowledged before the kernel gives the connection up. "off" for the kernel's
    /// own rule, about 15 minutes.
    ///
    /// Cost: none; too short a time ends connections of peers that change networks.
    tcp_user_timeout: Option<Duration> = None; Off(Period(SECOND..=DAY));

    /// Let [::]:PORT take IPv6 only.
    ///
    /// Cost: none.
    ipv6_only: bool = false; Flag;

    /// How long an opening handshake may take, from accept to the last byte of the request.
    ///
    /// Cost: a slow or silent peer keeps a socket and up to head-bytes-max bytes for that long.
    handshake_timeout: Duration = 10 * SECOND; Period(100 * MILLISECOND..=3600 * SECOND);

    /// Opening handshakes under way at once, per shard; further sockets wait their turn. Fewer where their heads would
    /// not fit into a sixteenth of the memory plan. While any wait, who has not sent its request within a tenth of
    /// handshake-timeout is answered 408.
    ///
    /// Cost: up to head-bytes-max bytes each, while they last.
    handshakes_max: u32 = 1024; Count(1..=1 << 20);

    /// Opening handshakes in a second, of all shards together, and as many at once after a silence; more are answered 503
    /// with a Retry-After of 1 to 10 seconds, before their request is read. "off" for any number.
    ///
    /// Cost: none.
    handshakes_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Longest request head of an opening handshake; a longer one is answered 431.
    ///
    /// Cost: up to that many bytes per opening handshake that comes in pieces.
    head_bytes_max: usize = 8 * KIB; Bytes(256..=64 * KIB);

    /// Most header fields in an opening handshake; more are answered 431.
    ///
    /// Cost: 32 bytes of stack each while a head is parsed.
    headers_max: u16 = 64; Count(5..=128);

    /// Take connections from trusted-proxies only, each of which begins with a PROXY header, version 1 or 2, that says for
    /// whom it is: limits per address count that client. With another beginning, or a malformed header, they are closed;
    /// those that say nothing are answered 408 after handshake-timeout, as everyone is.
    ///
    /// Cost: a system call and up to 4 KiB per opening handshake, while it lasts.
    proxy_protocol: bool = false; Flag;

    /// The header in which trusted-proxies say for whom they send a request: x-forwarded-for, or forwarded (RFC 7239). Limits
    /// per address count the first address from its right that is no trusted proxy's; without the header, the proxy's own.
    /// A list that is malformed there or has more than 64 entries is answered 400; of anyone else the header is ignored.
    ///
    /// Cost: a system call per opening handshake, and a comparison of each entry with each of trusted-proxies.
    forwarded: Option<ForwardedHeader> = None; Off(OneOf(FORWARDED));

    /// Where proxies connect from that are believed: addresses, networks such as 10.0.0.0/8, or unix for Unix sockets. Repeat
    /// the flag, separate networks by commas, or give the file a list. See proxy-protocol and forwarded.
    ///
    /// Cost: none.
    trusted_proxies: Vec<Network> = Vec::new(), shown "no one"; Networks;

    /// Path on which an ordinary GET or HEAD, such as a load balancer's health check, is answered 200, or 503 while the
    /// gateway drains or is full. Opening handshakes on it work as on any other. "off" for none.
    ///
    /// Cost: none.
    health_path: Option<String> = Some("/healthz".to_owned()); Off(Path);

    /// Paths that may be asked for, such as /feed, or their beginnings with a * behind, such as /chat/*, compared as sent;
    /// others are answered 404. Repeat the flag, separate paths by commas, or give the file a list.
    ///
    /// Cost: a comparison with each per opening handshake.
    paths: Vec<String> = Vec::new(), shown "every path"; Paths;

    /// Origins whose pages may connect, such as https://example.com, https://*.example.com for every host below it, null,
    /// or * for any; others are answered 403. Repeat the flag, separate origins by commas, or give the file a list.
    ///
    /// Cost: a comparison with each per opening handshake.
    origins: Vec<String> = Vec::new(), shown "every origin"; Origins;

    /// Refuse opening handshakes without an Origin header with 403. Browsers always send one, other programs need not, and
    /// may send any.
    ///
    /// Cost: none.
    origin_required: bool = false; Flag;

    /// Subprotocols to agree on, the best first: the first that the peer offers is chosen, unless the application chooses.
    /// Without any the application decides alone.
    ///
    /// Cost: a comparison with each per opening handshake.
    subprotocols: Vec<String> = Vec::new(), shown "the application's choice"; Subprotocols;

    /// What happens to a peer that offers subprotocols of which none is in subprotocols: accept goes on without one,
    /// refuse answers 400.
    ///
    /// Cost: none.
    subprotocol_mismatch: Mismatch = Mismatch::Accept; OneOf(Mismatch::ALL);

    /// Largest payload of one frame; a larger one is closed with 1009.
    ///
    /// Cost: none of its own; a frame cut by the end of a read is part of a message, see message-bytes-max.
    frame_bytes_max: usize = MIB, shown "message-bytes-max"; Bytes(125..=256 * MIB);

    /// Largest message, all its frames together; a larger one is closed with 1009.
    ///
    /// Cost: up to that many bytes per connection whose message has not come whole yet; none when idle.
    message_bytes_max: usize = MIB; Bytes(125..=256 * MIB);

    /// How long a message, or a frame, may take from its first byte to its last; later its connection is closed with 1008.
    /// Time in which it is not read from does not count. "off" for ever. Seconds are kept whole.
    ///
    /// Cost: none of its own. At 2m, a message of 1 MiB must come with 70 kbit/s.
    message_timeout: Option<Duration> = Some(120 * SECOND); Off(Period(SECOND..=DAY));

    /// Most bytes held of messages that have not come whole yet, of all connections of a shard. Past it, a connection
    /// that adds to them and has more than 2 KiB of a message itself is closed with 1013; past a quarter more, whoever
    /// adds. "auto" for what the memory plan has for it, a twentieth, shared out among the shards, or twice
    /// message-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes per shard, and a quarter more.
    shard_partial_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// Most frames of one connection in a second, on average over rate-burst; fragments, pings and pongs count too.
    /// "off" for any number. See rate-policy.
    ///
    /// Cost: 8 bytes per connection.
    messages_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most bytes of one connection in a second, on average over rate-burst, headers of frames included, and what
    /// compressed messages become besides. "off" for any number. See rate-policy.
    ///
    /// Cost: 8 bytes per connection.
    bytes_per_second_max: Option<usize> = None; Off(Bytes(KIB..=KIB * MIB));

    /// For how long ahead a connection may use up what messages-per-second-max and bytes-per-second-max give: at 10 a
    /// second and 10s, 100 at once after a silence.
    ///
    /// Cost: none of its own; so much more may come at once.
    rate_burst: Duration = 10 * SECOND; Period(SECOND..=3600 * SECOND);

    /// What happens to a connection that sends more than its rates allow: wait reads no more from it until it has waited
    /// long enough, to the second, and loses nothing; close closes it with 1008.
    ///
    /// Cost: with wait, what the kernel holds for a socket that is not read from.
    rate_policy: RatePolicy = RatePolicy::Wait; OneOf(RatePolicy::ALL);

    /// Most bytes that wait to be sent to one connection, and 64 for each frame; see slow-policy. It must hold one message
    /// of message-bytes-max and the answers to as many empty ones as fit into buffer-bytes, each with echo-prefix.
    ///
    /// Cost: up to that many bytes per connection that does not read; none when idle.
    outbox_bytes_max: usize = 2 * MIB; Bytes(KIB..=KIB * MIB);

    /// Most bytes that wait to be sent to all connections of a shard, and 64 for each frame. Past it, slow-policy applies
    /// to those who have more than 64 KiB waiting already; past a quarter more, to all but short messages for those who
    /// have nothing waiting. "auto" for what the memory plan has for it, a tenth, shared out among the shards, or
    /// outbox-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes per shard and a quarter more, and 1 KiB for each connection that has nothing else
    /// waiting.
    shard_outbox_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// What happens to a connection that reads too slowly for outbox-bytes-max or shard-outbox-bytes-max: close closes it
    /// with 1013; drop-oldest drops the oldest messages that wait for it, so that it hears the newest.
    ///
    /// Cost: none.
    slow_policy: SlowPolicy = SlowPolicy::Close; OneOf(SlowPolicy::ALL);

    /// Compress messages for peers that offer permessage-deflate (RFC 7692), in both directions, each by itself: no
    /// context is taken over from one message to the next, so that a connection keeps no compression state.
    ///
    /// Cost: no memory per connection; per shard 64 KiB once a compressed message came and up to 380 KiB for each window
    /// size in use (seven at most: 2 MiB). CPU: each message is inflated and compressed anew, and a peer may have one of
    /// message-bytes-max made out of a thousandth of its bytes.
    deflate: bool = false; Flag;

    /// Where deflate is on: paths of requests, such as /feed, or their beginnings with a * behind, such as /chat/*. Repeat
    /// the flag, separate them by commas, or give the file a list. Without any, everywhere.
    ///
    /// Cost: one comparison each per opening handshake.
    deflate_paths: Vec<String> = Vec::new(), shown "every path"; Paths;

    /// Shortest message that is compressed; shorter ones go as they are.
    ///
    /// Cost: the lower, the more CPU for the fewer bytes.
    deflate_bytes_min: usize = 256; Bytes(0..=64 * KIB);

    /// How hard to compress: 2 is the fastest, 9 the smallest output.
    ///
    /// Cost: CPU: 6 takes up to five times that of 2 for output that is up to a fifth smaller.
    deflate_level: u8 = 2; Count(2..=9);

    /// How often to ping a connection from which nothing was heard. "off" for never. Seconds are kept whole.
    ///
    /// Cost: two small frames per connection and interval; a million connections at 60s are 17,000 a second each way.
    ping_interval: Option<Duration> = None; Off(Period(SECOND..=DAY));

    /// Close a connection with 1001 that has not answered so many pings in a row, by a pong or anything else. "off" for
    /// never. It needs ping-interval.
    ///
    /// Cost: a byte per connection.
    pings_unanswered_max: Option<u8> = None; Off(Count(1..=100));

    /// Close a connection with 1001 that has been open for so long, so that it comes again, perhaps to another node. "off"
    /// for never. Seconds are kept whole.
    ///
    /// Cost: 4 bytes per connection.
    connection_age_max: Option<Duration> = None; Off(Period(SECOND..=365 * DAY));

    /// By how much less than connection-age-max a connection may be open, each by another time, so that those who came
    /// together do not leave together. "auto" for a tenth of it.
    ///
    /// Cost: none.
    connection_age_jitter: Option<Duration> = None; Auto(Period(Duration::ZERO..=365 * DAY));

    /// Close a connection from which nothing was heard, pongs included, for this long. "off" for never. Seconds are
    /// kept whole.
    ///
    /// Cost: none of its own: the sweep that checks it runs anyway.
    idle_timeout: Option<Duration> = None; Off(Period(SECOND..=7 * DAY));

    /// How long to wait for the peer's close frame and its end of stream.
    ///
    /// Cost: a closing connection keeps its socket for up to that long.
    close_timeout: Duration = 5 * SECOND; Period(100 * MILLISECOND..=3600 * SECOND);

    /// How long a send may make no progress before the connection is given up.
    ///
    /// Cost: up to outbox-bytes-max bytes per stuck connection for that long.
    send_timeout: Duration = 30 * SECOND; Period(SECOND..=3600 * SECOND);

    /// How long a drain (SIGTERM, SIGINT) may take before the process ends all the same. A second signal ends it at
    /// once.
    ///
    /// Cost: none; give the supervisor a longer time before it kills.
    drain_timeout: Duration = 30 * SECOND; Period(Duration::ZERO..=DAY);

    /// Over how long a drain spreads its goodbyes, evenly and in no particular order, so that not everyone connects
    /// anew at once. "auto" for half of drain-timeout, or 10 ms for each connection if that is less. After SIGINT,
    /// which comes from a terminal, all are said at once.
    ///
    /// Cost: the drain takes that long; those who wait for their goodbye are served as before.
    drain_spread: Option<Duration> = None; Auto(Period(Duration::ZERO..=DAY));

    /// What a drain tells those who are connected: going-away (close code 1001) or service-restart (1012, after which
    /// some clients wait for a while before they connect again).
    ///
    /// Cost: none.
    drain_code: DrainCode = DrainCode::GoingAway; OneOf(DrainCode::ALL);

    /// Size of one buffer of a shard's pool: what one read takes at most. A connection that fills it is read into long
    /// buffers of 68 KiB, of which a shard has 16, unless it compresses, rates are set, or outbox-bytes-max does not hold
    /// the answers to so much at once.
    ///
    /// Cost: none per connection: buffers are lent only while there is something to read. See pool-bytes. Long buffers take
    /// memory when they are first used, up to 1088 KiB per shard, which is not locked.
    buffer_bytes: usize = 4 * KIB; Bytes(KIB..=64 * KIB);

    /// Size of a shard's buffer pool. "auto" for half of the locked-memory limit (RLIMIT_MEMLOCK) shared out among the
    /// shards, or an eighth of the memory if that is less, from 64 KiB to 1 MiB.
    ///
    /// Cost: that many bytes per shard, locked in memory on io_uring.
    pool_bytes: Option<usize> = None; Auto(Bytes(KIB..=256 * MIB));

    /// Logs as text for people or as one JSON object a line.
    ///
    /// Cost: none per message: messages and connections are counted, not logged, unless log asks for debug or trace.
    log_format: LogFormat = LogFormat::Human; OneOf(LogFormat::ALL);

    /// Where to write who came and how it ended: a JSON object a line for each opening handshake and for each end of a
    /// connection. stdout, stderr, or the path of a file, which is appended to, and opened anew on SIGHUP; it may be a
    /// FIFO. "off" for none.
    ///
    /// Cost: a thread, up to 5 MiB for lines that wait to be written, and 100 bytes per connection that is logged; what
    /// does not fit or cannot be written is dropped and counted, so that nobody waits for the log.
    access_log: Option<AccessLog> = None; Off(Destination);

    /// Of so many opening handshakes one is written into the access log, and the end of its connection too.
    ///
    /// Cost: none.
    access_log_sample: u32 = 1; Count(1..=1_000_000);

    /// What to log: error, warn, info, debug, trace, or a filter such as info,holdfast::shard=debug.
    ///
    /// Cost: a thread, and up to 1 MiB for lines that wait to be written; what does not fit or cannot be written is
    /// dropped and counted. Little at info; debug writes a line per connection, trace several per message.
    log: String = String::from("info"); Filter;
}

/// Cores this process may use (affinity and cgroup quota counted), within the range of `shards`.
fn cores() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(SHARDS_MAX).clamp(1, SHARDS_MAX)
}
