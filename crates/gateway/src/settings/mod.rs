//! Settings: each is declared once, here, and is a flag, an environment variable and a key of the settings file.
//!
//! A flag beats the environment (`HOLDFAST_*`), which beats the TOML file (`--config` or `HOLDFAST_CONFIG`), which
//! beats the default. A key `drain-timeout` is the flag `--drain-timeout` and the variable `HOLDFAST_DRAIN_TIMEOUT`.
//! The comments below are also what `holdfast --help`, `--print-settings` and `deploy/holdfast.example.toml` say.
//!
//! Hubs have tables in the file, which are declared in the same way in `hub/tables.rs`. What is secret (a [`Secret`])
//! has no flag, and is in no printed settings and no refusal.

mod address;
mod check;
mod cluster;
mod declare;
mod destination;
mod error;
mod files;
mod hub;
mod key;
mod kinds;
mod nearest;
mod network;
mod outbox;
mod owner;
mod rest;
mod rules;
mod secret;
mod show;
mod sources;
mod text;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use address::Listen;
pub(crate) use address::tcp;
pub(crate) use check::EVENT_MESSAGES_MIN;
pub use cluster::Cluster;
pub use cluster::kinds::{Away, ReadyWhen};
pub use declare::{Declared, DefaultSort};
pub use destination::{AccessLog, LogUsers};
pub use error::SettingsError;
pub use holdfast_proto::forwarded::ForwardedHeader;
pub use hub::show::{handler_declared, hub_declared, identity_declared, listener_declared};
pub use hub::{
    HUBS_MAX, Handler, HandlerSettings, Header, HeaderSource, HeaderValue, Hub, HubSettings,
    IdentitySettings, KeysPlace, ListenerSettings, SlowService, SystemEvent, UpstreamUrl, UserEvents,
};
pub(crate) use hub::{TOKENS_WAITING_MAX, hub_name};
pub(crate) use key::{key, key_in};
pub use kinds::{DrainCode, DriverChoice, LogFormat, RatePolicy, SlowPolicy};
pub use network::Network;
pub use outbox::Answers;
pub(crate) use outbox::{QUEUED_BYTES, UNSENT_BYTES_MAX, outbox_needed};
pub use rest::Rest;
pub(crate) use rest::endpoint;
pub use rules::Mismatch;
pub use secret::Secret;
pub use show::{declared, example, markdown_table};
pub use sources::{Action, Sources, command_line, load, load_for, load_hubs};
pub(crate) use sources::{flag_error, load_as, one_setting};
pub(crate) use text::parse_duration;

use cluster::kinds::{Called, CertificateAndKey};
use cluster::url::Server;
use declare::settings;
use destination::Destination;
use files::File;
use hub::{HubName, Upstream};
use key::Key;
use kinds::{
    Address, Auto, Bytes, Count, Filter, Flag, KIB, List, Listeners, MIB, Off, OneOf, PathPattern, Period,
    Text,
};
use network::{FORWARDED, NetworkOrUnix};
use owner::{FileMode, GroupName};
use rest::{PublicName, RestPlaces};
use rules::{Origin, Path, Subprotocol};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The largest TCP_KEEPIDLE that Linux takes (tcp(7), MAX_TCP_KEEPIDLE).
const KEEPIDLE_MAX: Duration = Duration::from_secs(32_767);

/// The most shards one process may have.
pub const SHARDS_MAX: u16 = 512;

settings! {
    /// The settings in force: what flags, environment, file and defaults come to.
    pub struct Settings {
        /// The hubs, with their keys: the one that `hub` names, or those of the file. Without any, messages are echoed.
        hubs: Vec<Hub>,
        /// What is in `admin_token_file`.
        admin_token: Option<Secret>,
    }

    /// Where clients connect: ADDR:PORT, [ADDR]:PORT or unix:PATH. Repeat the flag, separate addresses with commas, or
    /// use a list in the file. [::]:PORT takes IPv4 too unless ipv6-only is set.
    ///
    /// Cost: one listening socket per shard and address; a Unix socket needs only one in all.
    listen: Vec<Listen> = vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8085)))]; Listeners;

    /// Mode of the Unix sockets in listen, in octal. Connecting needs write permission: 0660 admits the user and the
    /// group of the gateway, 0666 everyone who can reach the path.
    ///
    /// Cost: none.
    unix_mode: u32 = 0o660; FileMode;

    /// Group of the Unix sockets in listen, for example that of a proxy that runs as another user. Give a name from
    /// /etc/group or a number; the gateway must be a member, or root. "auto" keeps the gateway's own group, or that of
    /// a directory with the setgid bit.
    ///
    /// Cost: none.
    unix_group: Option<String> = None; Auto(GroupName);

    /// Address of the admin server, which serves the console at /, and /metrics, /status, /cluster, /healthz, /readyz,
    /// /drain and /broadcast. Reading needs no authentication: keep it off public networks. From elsewhere than this
    /// machine, and from a web page, a drain or a broadcast needs the token of admin-token-file. "off" disables it.
    ///
    /// Cost: one thread that sleeps between scrapes; at most 32 connections with up to 8 KiB of request each.
    admin: Option<SocketAddr> = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9085))); Off(Address);

    /// File with the token that whoever reaches the admin server from elsewhere than this machine, or by the console,
    /// has to show to begin a drain or send a broadcast, as Authorization: Bearer. It has at least 32 visible
    /// characters. "off" lets nobody do so from elsewhere.
    ///
    /// Cost: none.
    admin_token_file: Option<PathBuf> = None; Off(File);

    /// Name of the one hub, whose clients ask for /client/hubs/NAME; any other path gets 404. For several hubs, and for
    /// settings of a hub beyond the next ones, give the settings file a table [hub.NAME] for each instead. "off": no
    /// hub, messages are echoed.
    ///
    /// Cost: a control thread's work for each event and each REST request. A simple client without user and groups
    /// takes at most 8 bytes more than without a hub.
    hub: Option<String> = None; Off(HubName);

    /// Where the service of that hub listens: http://HOST/PATH, https://HOST/PATH or unix:SOCKET:/PATH. {hub} and
    /// {event} in the path stand for the hub and the event. Repeat the flag for further addresses of the same service:
    /// the first that can be reached gets the event. It hears of all events.
    ///
    /// Cost: a request for each connection that comes, opens and ends, and for each message of a client.
    upstream: Vec<UpstreamUrl> = Vec::new(), shown "no service"; List(Upstream);

    /// Files with access keys, the primary first, then the secondary, each with one key of at least 32 bytes. Tokens of
    /// clients and of REST are signed with one of them. They are good for every hub that has none of its own, and read
    /// again on SIGHUP. Repeat the flag, separate files with a comma, or use a list in the file.
    ///
    /// Cost: none.
    access_key_file: Vec<PathBuf> = Vec::new(), shown "no key"; List(File);

    /// The primary access key itself. It has no flag: use the variable, or the settings file, which is then a secret.
    /// See access-key-file.
    ///
    /// Cost: none.
    access_key: Option<Secret> = None; Off(Key);

    /// The secondary access key itself, without a flag as well: as good as the primary, so that keys can be changed one
    /// after the other.
    ///
    /// Cost: none.
    access_key_secondary: Option<Secret> = None; Off(Key);

    /// Let clients into that hub without a token. Its service then decides who they are when it hears of connect;
    /// without upstream, anybody is let in. REST needs a key all the same.
    ///
    /// Cost: none.
    anonymous: bool = false; Flag;

    /// Where REST is served: listen for where clients connect, addresses of its own, or both in a list. "off" serves it
    /// nowhere.
    ///
    /// Cost: one listening socket per address of its own. A request takes no place of connections-max.
    rest: Rest = Rest::on_listen(); RestPlaces;

    /// Public names of this gateway, such as https://chat.example.com behind a balancer that ends TLS. A token is good
    /// where its audience begins with one of them. If empty, it must name the Host that the request names, or an
    /// address of listen or rest. Repeat the flag, separate names with commas, or use a list in the file.
    ///
    /// Cost: one comparison each per token.
    endpoints: Vec<String> = Vec::new(), shown "its addresses, and Host of the request"; List(PublicName);

    /// Most REST requests per second; further ones get 429 with a Retry-After. After a silence, as many may come at
    /// once. "off" sets no limit.
    ///
    /// Cost: none.
    rest_requests_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most bytes held of the bodies of REST requests, all together; a request that would go past it gets 503 with a
    /// Retry-After. A body is at most message-bytes-max. "auto" takes a sixty-fourth of the memory plan, 64 MiB at
    /// most, or message-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes.
    rest_body_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// Most connections with REST requests at the same time: those that came to listen together, and those of each
    /// address of rest. Further ones on listen get 503, on an address of rest they wait.
    ///
    /// Cost: a descriptor and up to 64 KiB of request head each.
    rest_connections_max: u32 = 256; Count(1..=1 << 20);

    /// How long a connection is kept for another REST request. Behind a balancer or proxy that keeps its connections,
    /// set it longer than it keeps them, or it sends requests into the close, which it answers with 502.
    ///
    /// Cost: a descriptor for each connection that is kept, and a place of rest-connections-max.
    rest_idle_timeout: Duration = 75 * SECOND; Period(SECOND..=DAY);

    /// Most messages that wait in a shard for their turn to be published; when one shard has as many, REST gets 503
    /// with a Retry-After, and clients that publish are not read from.
    ///
    /// Cost: about 100 bytes each while they wait. See publish-bytes-waiting-max.
    publishes_waiting_max: u32 = 1024; Count(1..=1 << 20);

    /// Most bytes of messages that wait in a shard for their turn to be published; past it as for
    /// publishes-waiting-max. A longer message waits alone. "auto" takes a thirty-second of the memory plan, 64 MiB at
    /// most.
    ///
    /// Cost: up to that many bytes, which shards share where they publish the same.
    publish_bytes_waiting_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// Most bytes held of events, all hubs together: of those that are under way or wait, half of it; of messages of
    /// connections whose earlier event is not over, the other half. Past the first half, connections with events are
    /// not read from, or closed with 1013 where slow-service says so; past the second they are closed with 1013.
    /// "auto" takes a thirty-second of the memory plan, or four times message-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes while services are slow.
    event_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// Longest state that a service may set for a connection; an answer with a longer one has failed.
    ///
    /// Cost: up to that many bytes for each connection with a state.
    state_bytes_max: usize = 8 * KIB; Bytes(0..=8 * KIB);

    /// Most groups that a connection may be in at the same time; a join past it is refused.
    ///
    /// Cost: about 12 bytes for each group that it is in.
    groups_per_connection_max: u32 = 1000; Count(1..=1 << 20);

    /// Most groups with members on each shard, all hubs together; a join past it is refused.
    ///
    /// Cost: about 100 bytes and its name for each group with members.
    groups_max: u32 = 1 << 20; Count(1..=1 << 28);

    /// How long a reliable client may be without its socket; until then it finds its connection again, with all that
    /// it was sent meanwhile. Counted in whole seconds.
    ///
    /// Cost: a place for a connection, its record and its queue for that long after each drop of a reliable client.
    recovery_timeout: Duration = 30 * SECOND; Period(SECOND..=3600 * SECOND);

    /// Most bytes on each shard that reliable clients were sent and have not acknowledged; each message counts 64 bytes
    /// more. Past it, those who have most are closed with 1008, until an eighth is free. "auto" takes a thirty-second
    /// of the memory plan, shared among the shards, or twice message-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes per shard. A message for many is kept once.
    shard_unacknowledged_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// NATS servers that make this gateway a node of a cluster, each as nats://HOST:PORT or tls://HOST:PORT. What is
    /// sent to a hub then reaches its clients on every node. Repeat the flag, separate URLs with commas, or use a list
    /// in the file: one that can be reached is used, and it names others of its own cluster. Beyond this machine they
    /// need TLS and credentials. A cluster needs cluster-name and a hub.
    ///
    /// Cost: a thread, a connection to NATS, and 10 to 21 bytes for each user and group with members in a shard. A
    /// message of another node takes about a microsecond, whether anybody here wants it or not.
    cluster: Vec<String> = Vec::new(), shown "no cluster"; List(Server);

    /// Name of the cluster: 1 to 32 of a to z, 0 to 9 and -, the same on each node. Nodes of another name are not
    /// heard, so that several clusters may use the same NATS.
    ///
    /// Cost: none.
    cluster_name: Option<String> = None; Off(Called);

    /// File with what this node shows to NATS: one of .creds, the seed of an nkey, or USER:PASSWORD. "off" shows
    /// nothing.
    ///
    /// Cost: none.
    cluster_credentials: Option<PathBuf> = None; Off(File);

    /// File with certificates of authorities in PEM that are trusted when they vouch for a NATS server, besides the
    /// built-in ones.
    ///
    /// Cost: none.
    cluster_ca: Option<PathBuf> = None, shown "built-in authorities"; Off(File);

    /// Files with the certificate in PEM that this node shows to NATS, and with its key, as FILE,FILE. "off" shows
    /// none.
    ///
    /// Cost: none.
    cluster_certificate: Option<(PathBuf, PathBuf)> = None; Off(CertificateAndKey);

    /// Reach NATS beyond this machine without TLS, or without credentials. Whoever can read on the way then reads what
    /// goes from node to node, and whoever can write there writes to every client.
    ///
    /// Cost: none.
    cluster_insecure: bool = false; Flag;

    /// What to do with what is published while NATS is away: serve gives it to the clients of this node alone, and
    /// REST answers 202 as ever; refuse gives it to nobody, and REST answers 503, so that it can be sent again without
    /// coming twice. What needs an answer of other nodes gets 503 either way.
    ///
    /// Cost: none. Nothing is kept for later.
    cluster_away: Away = Away::Serve; OneOf(Away::ALL);

    /// When /readyz says that this node is ready: start from the first time on that it hears the others, whatever
    /// becomes of NATS later; bus only while NATS is there, so that all nodes are unready when it is gone.
    ///
    /// Cost: none.
    cluster_ready: ReadyWhen = ReadyWhen::Start; OneOf(ReadyWhen::ALL);

    /// Most bytes that wait to be sent to NATS; most that have come from it and are not read; and most that wait for
    /// room in a shard. What does not fit is lost to other nodes, or to clients here, and counted. It must hold a
    /// message of message-bytes-max and 64 KiB more.
    ///
    /// Cost: up to three times that many bytes while NATS, the way to it or a shard is slow.
    cluster_queue_bytes: usize = 16 * MIB; Bytes(64 * KIB..=KIB * MIB);

    /// How to wait for the kernel: auto uses the best that works here, epoll if nothing else does; uring refuses to
    /// start where io_uring is not permitted; uring-baseline uses only what Linux 5.10 has; epoll does not use
    /// io_uring.
    ///
    /// Cost: kernel memory of an idle connection beyond its socket: about 300 bytes on io_uring, 220 on epoll.
    driver: DriverChoice = DriverChoice::Auto; OneOf(DriverChoice::ALL);

    /// Number of shards: threads that each hold a part of the connections. More than one per core helps only where each
    /// shard has a descriptor table of its own: then more connections fit.
    ///
    /// Cost: a thread, a ring and a buffer pool (see pool-bytes) for each.
    shards: u16 = cores(), shown "one per available core"; Count(1..=SHARDS_MAX);

    /// Most connections in all; further ones get 503. "auto" takes as many as fit the descriptor limit and the memory.
    ///
    /// Cost: about 4 KiB of kernel memory and a small record for each idle connection, plus what the settings in use
    /// add; "auto" counts all of it. holdfast_memory_per_connection_bytes shows the real figure.
    connections_max: Option<u64> = None; Auto(Count(1..=1 << 40));

    /// Most connections on each shard. A full shard passes newcomers to another; when all are full, they get 503.
    ///
    /// Cost: as for connections-max.
    shard_connections_max: Option<u64> = None; Off(Count(1..=1 << 26));

    /// Most connections from one client address, opening handshakes included; further ones get 429. Clients behind one
    /// NAT or one balancer share an address. Unix sockets are not counted. See address-prefix-ipv4 and
    /// address-prefix-ipv6.
    ///
    /// Cost: 16 bytes per connection and about 40 per address; each accept and each close takes one of 64 locks.
    address_connections_max: Option<u32> = None; Off(Count(1..=1 << 30));

    /// How many leading bits of an IPv4 address identify a client.
    ///
    /// Cost: none.
    address_prefix_ipv4: u8 = 32; Count(1..=32);

    /// How many leading bits of an IPv6 address identify a client. Most clients own a whole /64.
    ///
    /// Cost: none.
    address_prefix_ipv6: u8 = 64; Count(1..=128);

    /// Text put in front of each echoed message.
    ///
    /// Cost: its length in each message sent.
    echo_prefix: String = String::new(); Text(KIB);

    /// Length of the queue of TCP connections that wait to be accepted. The kernel caps it at net.core.somaxconn.
    ///
    /// Cost: up to that many kernel sockets per listening socket while a burst lasts.
    backlog: u32 = 4096; Count(1..=1 << 20);

    /// Have the kernel probe a TCP connection after this much silence. "off" sends no probes.
    ///
    /// Cost: one small packet per silent connection and interval.
    keepalive: Option<Duration> = Some(120 * SECOND); Off(Period(SECOND..=KEEPIDLE_MAX));

    /// Give up a connection whose sent data stays unacknowledged for this long. "off" leaves that to the kernel, which
    /// takes about 15 minutes.
    ///
    /// Cost: none, but a short time cuts off clients that change networks.
    tcp_user_timeout: Option<Duration> = None; Off(Period(SECOND..=DAY));

    /// Take only IPv6 on [::]:PORT.
    ///
    /// Cost: none.
    ipv6_only: bool = false; Flag;

    /// Longest opening handshake, from accept to the last byte of the request; after that the client gets 408.
    ///
    /// Cost: a slow or silent client keeps a socket and up to head-bytes-max bytes for that long.
    handshake_timeout: Duration = 10 * SECOND; Period(100 * MILLISECOND..=3600 * SECOND);

    /// Most opening handshakes in progress per shard; further sockets wait their turn. The number is lower where their
    /// heads would take more than a sixteenth of the memory plan. While others wait, a client that has not sent its
    /// request within a tenth of handshake-timeout gets 408.
    ///
    /// Cost: up to head-bytes-max bytes each while they last.
    handshakes_max: u32 = 1024; Count(1..=1 << 20);

    /// Most opening handshakes per second, all shards together; further ones get 503 with a Retry-After of 1 to 10
    /// seconds. After a silence, as many may come at once. "off" sets no limit.
    ///
    /// Cost: none.
    handshakes_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Longest request head of an opening handshake; a longer one gets 431. With a hub it carries tokens, so more is
    /// let in. The head of a REST request may have 64 KiB.
    ///
    /// Cost: up to that many bytes for each opening handshake whose head arrives in pieces.
    head_bytes_max: usize = 8 * KIB, shown "8KiB, or 16KiB with a hub"; Bytes(256..=64 * KIB);

    /// Most header fields in an opening handshake; more get 431.
    ///
    /// Cost: 32 bytes of stack each while a head is parsed.
    headers_max: u16 = 64; Count(5..=128);

    /// Accept only trusted-proxies; each must first send a PROXY header, version 1 or 2, naming the client. Limits per
    /// address count that client. Connections from anyone else, and those that begin with something else or with a
    /// malformed header, are closed; silent ones get 408 after handshake-timeout.
    ///
    /// Cost: one system call and up to 4 KiB per opening handshake while it lasts.
    proxy_protocol: bool = false; Flag;

    /// Header in which trusted-proxies name the client: x-forwarded-for, or forwarded (RFC 7239). Limits per address
    /// count the rightmost address that is not a trusted proxy, or the proxy itself if the header is missing. A list
    /// that is malformed there or has more than 64 entries gets 400. From anyone else the header is ignored.
    ///
    /// Cost: one system call per opening handshake, and a comparison of each entry with each trusted proxy.
    forwarded: Option<ForwardedHeader> = None; Off(OneOf(FORWARDED));

    /// Proxies that are believed when they name the client: addresses, networks such as 10.0.0.0/8, or unix for Unix
    /// sockets. Repeat the flag, separate networks with commas, or use a list in the file. See proxy-protocol and
    /// forwarded.
    ///
    /// Cost: none.
    trusted_proxies: Vec<Network> = Vec::new(), shown "no one"; List(NetworkOrUnix);

    /// Path for the health checks of load balancers: a plain GET or HEAD gets 200, or 503 while the gateway drains or
    /// is full. Opening handshakes on it work as on any other path. "off" disables it.
    ///
    /// Cost: none.
    health_path: Option<String> = Some("/healthz".to_owned()); Off(Path);

    /// Paths that clients may ask for, such as /feed, or prefixes that end in *, such as /chat/*; others get 404. Paths
    /// are compared as sent. Repeat the flag, separate paths with commas, or use a list in the file.
    ///
    /// Cost: one comparison per path and opening handshake.
    paths: Vec<String> = Vec::new(), shown "every path"; List(PathPattern);

    /// Origins whose pages may connect; others get 403. Give https://example.com, https://*.example.com for every host
    /// below it, null, or * for any. Repeat the flag, separate origins with commas, or use a list in the file.
    ///
    /// Cost: one comparison per origin and opening handshake.
    origins: Vec<String> = Vec::new(), shown "every origin"; List(Origin);

    /// Answer 403 to opening handshakes without an Origin header. Browsers always send one; other programs may leave it
    /// out or invent one.
    ///
    /// Cost: none.
    origin_required: bool = false; Flag;

    /// Subprotocols to agree on, the best first. The first that the client also offers is chosen, unless the
    /// application chooses. With an empty list the application decides alone.
    ///
    /// Cost: one comparison per subprotocol and opening handshake.
    subprotocols: Vec<String> = Vec::new(), shown "the application's choice"; List(Subprotocol);

    /// What to do when a client offers subprotocols and none of them is in subprotocols: accept goes on without one,
    /// refuse answers 400.
    ///
    /// Cost: none.
    subprotocol_mismatch: Mismatch = Mismatch::Accept; OneOf(Mismatch::ALL);

    /// Largest payload of one frame; a larger one closes the connection with 1009.
    ///
    /// Cost: none of its own; a frame that arrives in pieces is part of a message, see message-bytes-max.
    frame_bytes_max: usize = MIB, shown "message-bytes-max"; Bytes(125..=256 * MIB);

    /// Largest message, all its frames together; a larger one closes the connection with 1009.
    ///
    /// Cost: up to that many bytes for each connection with an incomplete message; none when idle.
    message_bytes_max: usize = MIB; Bytes(125..=256 * MIB);

    /// Longest time from the first byte of a message or frame to its last; after that the connection is closed with
    /// 1008. Time in which the gateway does not read from it does not count. "off" sets no limit. Counted in whole
    /// seconds.
    ///
    /// Cost: none of its own. At 2m, a message of 1 MiB must arrive at 70 kbit/s.
    message_timeout: Option<Duration> = Some(120 * SECOND); Off(Period(SECOND..=DAY));

    /// Most bytes held of incomplete messages, all connections of a shard together. Above it, a connection that adds to
    /// them and holds more than 2 KiB itself is closed with 1013; a quarter above it, any that adds. "auto" takes a
    /// twentieth of the memory plan, shared among the shards, or twice message-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes per shard, and a quarter more.
    shard_partial_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// Most frames per second from one connection, averaged over rate-burst; fragments, pings and pongs count too.
    /// "off" sets no limit. See rate-policy.
    ///
    /// Cost: 8 bytes per connection.
    messages_per_second_max: Option<u64> = None; Off(Count(1..=1_000_000));

    /// Most bytes per second from one connection, averaged over rate-burst. Frame headers count, and compressed
    /// messages count their expanded size as well. "off" sets no limit. See rate-policy.
    ///
    /// Cost: 8 bytes per connection.
    bytes_per_second_max: Option<usize> = None; Off(Bytes(KIB..=KIB * MIB));

    /// Burst window: seconds of the rate that may be used at once. With 10 messages a second and 10s, 100 may come at
    /// once after a silence.
    ///
    /// Cost: none of its own; that much more may arrive at once.
    rate_burst: Duration = 10 * SECOND; Period(SECOND..=3600 * SECOND);

    /// What to do with a connection that sends faster than its rates allow: wait stops reading from it until it is back
    /// within them, to the second, and nothing is lost; close closes it with 1008.
    ///
    /// Cost: with wait, what the kernel buffers for a socket that is not read.
    rate_policy: RatePolicy = RatePolicy::Wait; OneOf(RatePolicy::ALL);

    /// Most bytes that wait to be sent to one connection; each waiting frame counts 64 bytes more. See slow-policy. It
    /// must hold one message of message-bytes-max and the answers to as many empty messages as fit into buffer-bytes,
    /// each with echo-prefix.
    ///
    /// Cost: up to that many bytes for each connection that does not read; none when idle.
    outbox_bytes_max: usize = 2 * MIB; Bytes(KIB..=KIB * MIB);

    /// Most bytes that wait to be sent to all connections of a shard; each waiting frame counts 64 bytes more. Above
    /// it, slow-policy applies to connections with more than 64 KiB waiting; a quarter above it, to every connection,
    /// except for short messages to one with nothing waiting. "auto" takes a tenth of the memory plan, shared among the
    /// shards, or outbox-bytes-max if that is more.
    ///
    /// Cost: up to that many bytes per shard and a quarter more, and 1 KiB for each connection with nothing else
    /// waiting.
    shard_outbox_bytes_max: Option<usize> = None; Auto(Bytes(KIB..=KIB * KIB * MIB));

    /// What to do with a connection that reads too slowly for outbox-bytes-max or shard-outbox-bytes-max: close closes
    /// it with 1013; drop-oldest drops its oldest waiting messages, so that it gets the newest.
    ///
    /// Cost: none.
    slow_policy: SlowPolicy = SlowPolicy::Close; OneOf(SlowPolicy::ALL);

    /// Compress messages for clients that offer permessage-deflate (RFC 7692), in both directions. Each message is
    /// compressed by itself, with no context carried over, so a connection keeps no compression state.
    ///
    /// Cost: no memory per connection. Each shard takes 64 KiB once a compressed message has come, and up to 380 KiB
    /// for each window size in use (at most seven: 2 MiB). CPU: each message is inflated and compressed anew, and a
    /// client can have a message of message-bytes-max made from a thousandth of its bytes.
    deflate: bool = false; Flag;

    /// Paths on which deflate is on, such as /feed, or prefixes that end in *, such as /chat/*; if empty, it is on
    /// everywhere. Repeat the flag, separate paths with commas, or use a list in the file.
    ///
    /// Cost: one comparison per path and opening handshake.
    deflate_paths: Vec<String> = Vec::new(), shown "every path"; List(PathPattern);

    /// Shortest message that is compressed; shorter ones are sent as they are.
    ///
    /// Cost: the lower, the more CPU for fewer bytes saved.
    deflate_bytes_min: usize = 256; Bytes(0..=64 * KIB);

    /// How hard to compress: 2 is the fastest, 9 gives the smallest output.
    ///
    /// Cost: CPU: 6 takes up to five times as much as 2 for output up to a fifth smaller.
    deflate_level: u8 = 2; Count(2..=9);

    /// Ping a silent connection this often. "off" sends no pings. Counted in whole seconds. With a hub there are pings
    /// unless this says off, so that dead connections leave their groups.
    ///
    /// Cost: two small frames per silent connection and interval; a million connections at 60s are 17,000 a second each
    /// way.
    ping_interval: Option<Duration> = None, shown "off, or 1m with a hub"; Off(Period(SECOND..=DAY));

    /// Close a connection with 1001 after this many pings in a row without an answer; any frame counts as one. "off"
    /// never does. It needs ping-interval.
    ///
    /// Cost: one byte per connection.
    pings_unanswered_max: Option<u8> = None, shown "off, or 2 with pings of a hub"; Off(Count(1..=100));

    /// Close a connection with 1001 when it has been open for this long, so that the client reconnects, perhaps to
    /// another node. "off" never does. Counted in whole seconds.
    ///
    /// Cost: 4 bytes per connection.
    connection_age_max: Option<Duration> = None; Off(Period(SECOND..=365 * DAY));

    /// How much earlier than connection-age-max a connection may be closed; the time is different for each, so that
    /// clients that came together do not leave together. "auto" is a tenth of connection-age-max.
    ///
    /// Cost: none.
    connection_age_jitter: Option<Duration> = None; Auto(Period(Duration::ZERO..=365 * DAY));

    /// Close a connection with 1001 after this much silence; a pong breaks the silence. "off" never does. Counted in
    /// whole seconds.
    ///
    /// Cost: none of its own: the sweep that checks it runs anyway.
    idle_timeout: Option<Duration> = None; Off(Period(SECOND..=7 * DAY));

    /// How long to wait for the client's close frame and its end of stream.
    ///
    /// Cost: a closing connection keeps its socket for up to that long.
    close_timeout: Duration = 5 * SECOND; Period(100 * MILLISECOND..=3600 * SECOND);

    /// Reset a connection when a send to it makes no progress for this long.
    ///
    /// Cost: up to outbox-bytes-max bytes for each stuck connection for that long.
    send_timeout: Duration = 30 * SECOND; Period(SECOND..=3600 * SECOND);

    /// Longest drain (SIGTERM, SIGINT); after that the process ends anyway. A second signal ends it at once.
    ///
    /// Cost: none. Set the supervisor's kill timeout longer than this.
    drain_timeout: Duration = 30 * SECOND; Period(Duration::ZERO..=DAY);

    /// Time over which a drain spreads its goodbyes, evenly and in no particular order, so that clients do not all
    /// reconnect at once. "auto" is half of drain-timeout, or 10 ms per connection if that is less. After SIGINT, which
    /// comes from a terminal, all goodbyes are sent at once.
    ///
    /// Cost: the drain takes that long; connections that wait for their goodbye are served as before.
    drain_spread: Option<Duration> = None; Auto(Period(Duration::ZERO..=DAY));

    /// Close code that a drain sends: going-away (1001), or service-restart (1012, after which some clients wait before
    /// they reconnect).
    ///
    /// Cost: none.
    drain_code: DrainCode = DrainCode::GoingAway; OneOf(DrainCode::ALL);

    /// Size of one buffer of a shard's pool, which is the most that one read takes. A connection that fills it is read
    /// into long buffers of 68 KiB, 16 per shard, unless it compresses, has a rate, or outbox-bytes-max cannot hold the
    /// answers to that much at once.
    ///
    /// Cost: none per connection: a buffer is lent only while there is something to read. See pool-bytes. Long buffers
    /// take memory once they are used, up to 1088 KiB per shard, which is not locked.
    buffer_bytes: usize = 4 * KIB; Bytes(KIB..=64 * KIB);

    /// Size of a shard's buffer pool. "auto" shares half of the locked-memory limit (RLIMIT_MEMLOCK) among the shards,
    /// or an eighth of the memory if that is less; each gets from 64 KiB to 1 MiB.
    ///
    /// Cost: that many bytes per shard, locked in memory on io_uring.
    pool_bytes: Option<usize> = None; Auto(Bytes(KIB..=256 * MIB));

    /// Write logs as text for people (human) or as one JSON object per line (json).
    ///
    /// Cost: none per message: messages and connections are counted, not logged, unless log asks for debug or trace.
    log_format: LogFormat = LogFormat::Human; OneOf(LogFormat::ALL);

    /// Where to log who connected and how it ended: stdout, stderr, or the path of a file or FIFO. Each opening
    /// handshake and each end of a connection is one JSON object on a line of its own. A file is appended to, and
    /// opened again on SIGHUP. "off" disables the log.
    ///
    /// Cost: a thread, up to 5 MiB for lines that wait to be written, and 100 bytes for each connection that is logged.
    /// Lines that do not fit or cannot be written are dropped and counted; nothing waits for the log.
    access_log: Option<AccessLog> = None; Off(Destination);

    /// Log one in this many opening handshakes to the access log, and the end of its connection too.
    ///
    /// Cost: none.
    access_log_sample: u32 = 1; Count(1..=1_000_000);

    /// How users of hubs are named in the access log: plain as they are, hash by 16 hex digits that are the same for
    /// the same user while the access key is the same and tell nobody without it who that is, off not at all.
    ///
    /// Cost: none.
    access_log_users: LogUsers = LogUsers::Plain; OneOf(LogUsers::ALL);

    /// What to log: error, warn, info, debug, trace, or a filter such as info,holdfast::shard=debug.
    ///
    /// Cost: a thread, and up to 1 MiB for lines that wait to be written; lines that do not fit or cannot be written
    /// are dropped and counted. info writes little, debug a line per connection, trace several per message.
    log: String = String::from("info"); Filter;
}

impl Settings {
    /// Where there are hubs, what has another default then has that, unless it `is_given`.
    fn follow_hubs(&mut self, is_given: impl Fn(&str) -> bool) {
        if !is_given("head-bytes-max") {
            self.head_bytes_max = 16 * KIB;
        }
        if !is_given("ping-interval") {
            self.ping_interval = Some(60 * SECOND);
        }
        if !is_given("pings-unanswered-max") && self.ping_interval.is_some() {
            self.pings_unanswered_max = Some(2);
        }
    }
}

/// Cores this process may use (affinity and cgroup quota counted), within the range of `shards`.
fn cores() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(SHARDS_MAX).clamp(1, SHARDS_MAX)
}
