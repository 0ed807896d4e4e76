//! What counters are told apart by: reasons, close codes, outcomes, limits.

/// Declares an enum that is used as a label: its variants, their label values, and how many there are.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every variant, in order of its index.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// How many variants there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value of the label.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// Why a connection ended. Label `reason` of `holdfast_connections_closed_total`.
    CloseReason {
        /// The peer began the closing handshake.
        Peer = "peer",
        /// The peer's end of stream came without a close frame.
        Gone = "gone",
        /// The peer reset the connection, or TCP gave it up.
        Reset = "reset",
        /// The peer broke RFC 6455.
        Protocol = "protocol",
        /// A message or frame over the limit.
        TooBig = "too_big",
        /// A message was not whole in time.
        Unfinished = "unfinished",
        /// Nothing was heard for the idle timeout.
        Idle = "idle",
        /// Pings were not answered.
        Unanswered = "unanswered",
        /// It was open for as long as it may be.
        Age = "age",
        /// The peer sent more in a second than it may.
        Rate = "rate",
        /// The outbox was full: the peer reads too slowly.
        Slow = "slow",
        /// A reliable client did not acknowledge what it was sent.
        Unacknowledged = "unacknowledged",
        /// The application closed it.
        Application = "application",
        /// The gateway is draining.
        Drain = "drain",
    }
}

labels! {
    /// The close code a connection ended with. Label `code` of `holdfast_connections_closed_total`.
    CloseCode {
        /// No close frame was sent or received.
        None = "none",
        /// A close frame without a code.
        Empty = "1005",
        /// 1000
        Normal = "1000",
        /// 1001
        Away = "1001",
        /// 1002
        Protocol = "1002",
        /// 1003
        Unsupported = "1003",
        /// 1007
        Invalid = "1007",
        /// 1008
        Policy = "1008",
        /// 1009
        TooBig = "1009",
        /// 1010
        Extension = "1010",
        /// 1011
        Internal = "1011",
        /// 1012
        Restart = "1012",
        /// 1013
        TryAgain = "1013",
        /// 3000 to 3999, registered with IANA.
        Registered = "3xxx",
        /// 4000 to 4999, private use.
        Private = "4xxx",
        /// Any other code that a peer may send.
        Other = "other",
    }
}

impl CloseCode {
    /// The label of a code that was sent or received in a close frame.
    pub fn of(code: u16) -> Self {
        match code {
            1000 => Self::Normal,
            1001 => Self::Away,
            1002 => Self::Protocol,
            1003 => Self::Unsupported,
            1005 => Self::Empty,
            1007 => Self::Invalid,
            1008 => Self::Policy,
            1009 => Self::TooBig,
            1010 => Self::Extension,
            1011 => Self::Internal,
            1012 => Self::Restart,
            1013 => Self::TryAgain,
            3000..=3999 => Self::Registered,
            4000..=4999 => Self::Private,
            _ => Self::Other,
        }
    }
}

labels! {
    /// How an opening handshake ended. Label `outcome` of `holdfast_handshakes_total`: the HTTP status, the rule
    /// that decided, or why there was no answer.
    HandshakeOutcome {
        /// 101: the connection is open.
        Accepted = "101",
        /// 400
        BadRequest = "400",
        /// 403: the application refused.
        Forbidden = "403",
        /// 404: the application knows no such path.
        NotFound = "404",
        /// 405: not GET.
        Method = "405",
        /// 408: the head took too long.
        Timeout = "408",
        /// 426: not an upgrade, or not version 13.
        Upgrade = "426",
        /// 429: too many connections from one address.
        TooMany = "429",
        /// 431: head too large.
        HeadTooLarge = "431",
        /// 503: full or draining.
        Unavailable = "503",
        /// 505: not HTTP/1.1.
        Version = "505",
        /// 101 and a close frame at once: there is nothing to recover, say.
        Closed = "closed",
        /// 200: a health check, which asks for no connection.
        Health = "health",
        /// An HTTP request that asks for no WebSocket, handed to whoever serves those.
        Handed = "handed",
        /// 404: the path is none of `paths`.
        Path = "path",
        /// 403: the origin is none of `origins`, or missing.
        Origin = "origin",
        /// 400: no subprotocol that was offered is one of `subprotocols`.
        Subprotocol = "subprotocol",
        /// No PROXY header, or a malformed one: closed without an answer.
        ProxyHeader = "proxy_header",
        /// Not one of `trusted-proxies`: closed without an answer.
        Untrusted = "untrusted",
        /// 400: a trusted proxy's list of those for whom it sends a request is malformed or too long.
        Forwarded = "forwarded",
        /// Another status the application chose.
        OtherStatus = "other",
        /// The peer left before an answer.
        Gone = "gone",
    }
}

impl HandshakeOutcome {
    /// The outcome that stands for an HTTP status.
    pub fn of(status: u16) -> Self {
        match status {
            101 => Self::Accepted,
            400 => Self::BadRequest,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::Method,
            408 => Self::Timeout,
            426 => Self::Upgrade,
            429 => Self::TooMany,
            431 => Self::HeadTooLarge,
            503 => Self::Unavailable,
            505 => Self::Version,
            _ => Self::OtherStatus,
        }
    }
}

labels! {
    /// A limit that was applied to a peer or a connection. Label `limit` of `holdfast_limited_total`;
    /// [`answers`](super::answers) says what each answers.
    Limit {
        /// All places for connections are taken.
        Connections = "connections",
        /// All places for connections of every shard are taken.
        ShardConnections = "shard_connections",
        /// A client address has as many connections as it may.
        AddressConnections = "address_connections",
        /// There were too many opening handshakes in a second.
        HandshakeRate = "handshake_rate",
        /// As many opening handshakes as may be are under way.
        Handshakes = "handshakes",
        /// An opening handshake took too long.
        HandshakeTime = "handshake_time",
        /// The head of a request is too long.
        HeadBytes = "head_bytes",
        /// A request has too many header fields.
        Headers = "headers",
        /// A frame is too long.
        FrameBytes = "frame_bytes",
        /// A message is too long.
        MessageBytes = "message_bytes",
        /// Too much is held of messages that are not whole, of all connections of a shard.
        ShardPartialBytes = "shard_partial_bytes",
        /// A message was not whole in time.
        MessageTime = "message_time",
        /// A connection sends too many frames.
        MessageRate = "message_rate",
        /// A connection sends too many bytes.
        ByteRate = "byte_rate",
        /// Pings were not answered.
        Pings = "pings",
        /// A connection was open for long enough.
        Age = "age",
        /// Nothing was heard for too long.
        IdleTime = "idle_time",
        /// Too much waits to be sent to one connection.
        OutboxBytes = "outbox_bytes",
        /// Too much waits to be sent to the connections of a shard.
        ShardOutboxBytes = "shard_outbox_bytes",
        /// A reliable client has not acknowledged too much.
        Unacknowledged = "unacknowledged",
        /// All reliable clients of a shard together have not.
        ShardUnacknowledgedBytes = "shard_unacknowledged_bytes",
        /// A send made no progress for too long.
        SendTime = "send_time",
        /// The peer did not finish the closing handshake.
        CloseTime = "close_time",
    }
}

labels! {
    /// A limit of a hub that was applied. Label `limit` of `holdfast_hub_limited_total`;
    /// [`hub_limits`](super::hub_limits) says what happens past each.
    HubLimit {
        /// A user has as many connections as it may.
        UserConnections = "user_connections",
        /// A user connects too often.
        UserConnectRate = "user_connect_rate",
        /// There were too many opening handshakes in a second.
        ConnectRate = "connect_rate",
        /// A user's clients publish too much.
        UserPublishRate = "user_publish_rate",
        /// Clients publish too much.
        PublishRate = "publish_rate",
        /// Clients make too many events.
        EventRate = "event_rate",
        /// A connection is in as many groups as it may be.
        GroupsPerConnection = "groups_per_connection",
        /// There are as many groups as there may be.
        Groups = "groups",
        /// The id of a user is too long.
        UserName = "user_name",
    }
}

labels! {
    /// What a service is told. Label `event` of `holdfast_hub_events_total`.
    EventKind {
        /// A client wants to connect.
        Connect = "connect",
        /// A client has connected.
        Connected = "connected",
        /// A client says something.
        User = "user",
        /// A connection has ended.
        Disconnected = "disconnected",
    }
}

labels! {
    /// What came of an event. Label `outcome` of `holdfast_hub_events_total`.
    EventOutcome {
        /// The service took it.
        Ok = "ok",
        /// The service said no to a client that wants to connect.
        Refused = "refused",
        /// There was no usable answer in time.
        Failed = "failed",
        /// There was no room to wait for the service.
        Full = "full",
    }
}

labels! {
    /// What became of a token of an identity provider. Label `outcome` of `holdfast_hub_identity_tokens_total`.
    TokenOutcome {
        /// It is good.
        Ok = "ok",
        /// It is no token, or its header asks for what is never done.
        Malformed = "malformed",
        /// Its key is not among those of the provider.
        Key = "key",
        /// Another key made its signature.
        Signature = "signature",
        /// Another issuer made it.
        Issuer = "issuer",
        /// It is for something else.
        Audience = "audience",
        /// Its time is over, or has not come.
        Time = "time",
        /// A claim is missing, or is not what it must be.
        Claim = "claim",
        /// The keys could not be had.
        Unavailable = "unavailable",
        /// There was no room to wait.
        Full = "full",
        /// Its client has left.
        Gone = "gone",
    }
}
