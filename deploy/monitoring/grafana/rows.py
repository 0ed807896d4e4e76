"""What is on the dashboard: rows of panels, each with what it says and what it asks Prometheus."""

import dataclasses

OF = 'instance=~"$instance"'
OF_HUB = f'{OF}, hub=~"$hub"'
RED, ORANGE = "red", "orange"


@dataclasses.dataclass
class Panel:
    """One panel. `queries` are expressions with what their series are called; `limits` colours from values on."""

    title: str
    about: str
    queries: list[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    limits: list[tuple[str, float]] = dataclasses.field(default_factory=list)
    most: float | None = None
    is_stacked: bool = False


def rate(metric: str, by: str = "instance", more: str = "", of: str = OF) -> str:
    """The rate of a counter, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{of}{', ' + more if more else ''}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "instance", of: str = OF) -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket{{{of}}}[$__rate_interval])))"


ROWS: list[tuple[str, list[Panel]]] = [
    (
        "Overview",
        [
            Panel(
                "Gateways",
                "How many of the gateways that Prometheus knows answer.",
                [('sum(up{job="holdfast", instance=~"$instance"})', "answer")],
                kind="stat",
                width=4,
                height=5,
            ),
            Panel(
                "Connections",
                "Open connections of all gateways that are chosen above.",
                [(f"sum(holdfast_connections{{{OF}}})", "open")],
                kind="stat",
                width=4,
                height=5,
            ),
            Panel(
                "Room used",
                "Connections held of those that fit, the fullest gateway. Past 100 % newcomers get 503.",
                [(f"max(instance:holdfast_connections:used{{{OF}}})", "used")],
                unit="percentunit",
                kind="gauge",
                width=4,
                height=5,
                limits=[(ORANGE, 0.8), (RED, 0.9)],
                most=1,
            ),
            Panel(
                "Memory used",
                "Of the memory that the gateway plans with, its own and the kernel's for its connections; the fullest.",
                [(f"max(instance:holdfast_memory:used{{{OF}}})", "used")],
                unit="percentunit",
                kind="gauge",
                width=4,
                height=5,
                limits=[(ORANGE, 0.8), (RED, 0.9)],
                most=1,
            ),
            Panel(
                "Draining",
                "Gateways that take nobody in because they drain.",
                [(f"sum(holdfast_draining{{{OF}}})", "drain")],
                kind="stat",
                width=4,
                height=5,
                limits=[(ORANGE, 1)],
            ),
            Panel(
                "Version and driver",
                "Version and driver of each gateway: uring, uring-baseline (an older kernel) or epoll.",
                [(f"count by (version, driver) (holdfast_build_info{{{OF}}})", "{{version}} {{driver}}")],
                kind="stat",
                width=4,
                height=5,
            ),
        ],
    ),
    (
        "Connections",
        [
            Panel(
                "Connections and room",
                "Open connections, and how many fit. What limits the room is in the start line.",
                [
                    (f"holdfast_connections{{{OF}}}", "{{instance}}"),
                    (f"holdfast_connections_room{{{OF}}}", "room of {{instance}}"),
                ],
            ),
            Panel(
                "Opened and closed",
                "Connections that open, and those that end, per second. Both high: clients reconnect.",
                [
                    (rate("holdfast_connections_opened_total"), "opened, {{instance}}"),
                    (rate("holdfast_connections_closed_total"), "closed, {{instance}}"),
                ],
                unit="cps",
            ),
            Panel(
                "Accepted",
                "Sockets accepted per second, those of them that another shard with more room has taken over, and"
                " accepts that failed: the process is out of descriptors or memory.",
                [
                    (rate("holdfast_accepted_total"), "accepted, {{instance}}"),
                    (rate("holdfast_handed_over_total"), "handed over, {{instance}}"),
                    (rate("holdfast_accept_errors_total"), "failed, {{instance}}"),
                ],
                unit="cps",
            ),
            Panel(
                "Closes by reason",
                "Why connections end. peer: the client said goodbye; gone and reset: it did not; slow: it read too"
                " slowly; rate, too_big, protocol, unfinished: it did what it may not; drain, age, idle, unanswered,"
                " application: the gateway or a service ended it.",
                [(rate("holdfast_connections_closed_total", "reason"), "{{reason}}")],
                unit="cps",
                width=12,
                is_stacked=True,
            ),
            Panel(
                "Closes by code",
                "The close codes with which connections end; none: there was no close frame.",
                [(rate("holdfast_connections_closed_total", "code"), "{{code}}")],
                unit="cps",
                width=12,
                is_stacked=True,
            ),
        ],
    ),
    (
        "Memory",
        [
            Panel(
                "Bytes per connection",
                "Growth since the start, divided by open connections: in user space, and with what the kernel holds."
                " Idle ones take about 50 and 4,000 bytes; with few connections the figure says little.",
                [(f"holdfast_memory_per_connection_bytes{{{OF}}}", "{{scope}}, {{instance}}")],
                unit="bytes",
            ),
            Panel(
                "Process and kernel",
                "Resident memory of the process, memory of the kernel for it (measured in a cgroup of its own, else"
                " estimated), and the limit that the gateway plans with.",
                [
                    (f'holdfast_memory_bytes{{{OF}, part="process_rss"}}', "process, {{instance}}"),
                    (f"holdfast_memory_kernel_bytes{{{OF}}}", "kernel ({{source}}), {{instance}}"),
                    (f"holdfast_memory_limit_bytes{{{OF}}}", "limit ({{source}}), {{instance}}"),
                ],
                unit="bytes",
            ),
            Panel(
                "Parts",
                "What holds memory in the process. All of it is part of the process's resident memory.",
                [(f'sum by (part) (holdfast_memory_bytes{{{OF}, part!="process_rss"}})', "{{part}}")],
                unit="bytes",
                is_stacked=True,
            ),
            Panel(
                "Shares used",
                "Parts of the memory plan: bytes held of those planned. When a part is full, clients are turned away,"
                " closed or not read from, as docs/memory.md says.",
                [(f"instance_part:holdfast_memory_plan:used{{{OF}}}", "{{part}}, {{instance}}")],
                unit="percentunit",
                width=12,
                # With the quarter that outboxes and incomplete messages have more, they are full at 0.8.
                limits=[(ORANGE, 0.6), (RED, 0.7)],
            ),
            Panel(
                "The plan",
                "Memory planned for each part.",
                [(f"sum by (part) (holdfast_memory_plan_bytes{{{OF}}})", "{{part}}")],
                unit="bytes",
                width=12,
                is_stacked=True,
            ),
        ],
    ),
    (
        "Opening handshakes",
        [
            Panel(
                "By outcome",
                "Opening handshakes that are over: 101 let in; a status or a rule refused; health is a balancer's"
                " check; handed went to REST; gone left before the answer.",
                [(rate("holdfast_handshakes_total", "outcome"), "{{outcome}}")],
                unit="reqps",
                width=12,
                is_stacked=True,
            ),
            Panel(
                "Sent away",
                "Clients answered 503 or 429, those before their request had come included.",
                [
                    (
                        rate("holdfast_handshakes_total", "outcome, instance", 'outcome=~"503|429"'),
                        "{{outcome}}, {{instance}}",
                    ),
                    (rate("holdfast_handshakes_refused_early_total"), "early, {{instance}}"),
                ],
                unit="reqps",
                width=12,
            ),
            Panel(
                "In progress",
                "Opening handshakes that are not over. At handshakes-max for each shard, clients wait for their turn.",
                [(f"holdfast_handshakes_open{{{OF}}}", "{{instance}}")],
                width=12,
            ),
            Panel(
                "Duration",
                "From accept to the 101. With a hub, the time until its service has answered connect is in it.",
                [
                    (quantile(0.5, "holdfast_handshake_duration_seconds"), "half, {{instance}}"),
                    (quantile(0.99, "holdfast_handshake_duration_seconds"), "99 %, {{instance}}"),
                ],
                unit="s",
                width=12,
                limits=[(RED, 1)],
            ),
        ],
    ),
    (
        "Messages",
        [
            Panel(
                "Messages",
                "Messages received and sent per second, whole ones, by kind.",
                [
                    (rate("holdfast_messages_received_total", "kind"), "received, {{kind}}"),
                    (rate("holdfast_messages_sent_total", "kind"), "sent, {{kind}}"),
                ],
                unit="mps",
            ),
            Panel(
                "Bytes",
                "Bytes per second after the opening handshake, as TCP carries them.",
                [
                    (rate("holdfast_received_bytes_total"), "received, {{instance}}"),
                    (rate("holdfast_sent_bytes_total"), "sent, {{instance}}"),
                ],
                unit="Bps",
            ),
            Panel(
                "Dropped",
                "Messages dropped unsent because their client read too slowly (slow-policy drop-oldest).",
                [(rate("holdfast_messages_dropped_total"), "{{instance}}")],
                unit="mps",
                limits=[(RED, 0.001)],
            ),
            Panel(
                "Broadcasts",
                "Messages to all: accepted, handed to connections, and handed to an outbox because the client read"
                " slowly, per second.",
                [
                    (rate("holdfast_broadcasts_total"), "accepted, {{instance}}"),
                    (rate("holdfast_broadcast_deliveries_total"), "delivered, {{instance}}"),
                    (rate("holdfast_broadcast_left_total"), "waiting, {{instance}}"),
                ],
                unit="mps",
            ),
            Panel(
                "Broadcasts not finished",
                "Broadcasts that the slowest shard has still to hand out. For minutes: a shard may be stuck.",
                [(f"holdfast_broadcasts_open{{{OF}}}", "{{instance}}")],
                limits=[(ORANGE, 5)],
            ),
            Panel(
                "Compression",
                "Bytes on the wire for each byte of message, by direction, where permessage-deflate is on. Above 1 it"
                " costs more than it saves.",
                [
                    (
                        f"{rate('holdfast_deflate_compressed_bytes_total', 'direction')}"
                        f" / ({rate('holdfast_deflate_plain_bytes_total', 'direction')} > 0)",
                        "{{direction}}",
                    ),
                ],
                unit="percentunit",
                limits=[(RED, 1)],
            ),
            Panel(
                "Compressed messages",
                "Messages compressed on the wire per second, compressions run (one for each window size of a message to"
                " many), and connections opened that compress.",
                [
                    (rate("holdfast_deflate_messages_total", "direction"), "{{direction}}"),
                    (rate("holdfast_deflate_runs_total"), "runs, {{instance}}"),
                    (rate("holdfast_deflate_connections_total"), "connections, {{instance}}"),
                ],
                unit="mps",
            ),
        ],
    ),
    (
        "Limits and slow clients",
        [
            Panel(
                "Limits applied",
                "How often each limit was applied. What it bounds and what the client gets: docs/limits.md.",
                [(rate("holdfast_limited_total", "limit"), "{{limit}}")],
                unit="cps",
                width=12,
                is_stacked=True,
            ),
            Panel(
                "Outboxes and sends",
                "Bytes that wait because clients read slowly, and sends that wait for their clients.",
                [(f'holdfast_memory_bytes{{{OF}, part=~"outboxes|sends"}}', "{{part}}, {{instance}}")],
                unit="bytes",
                width=12,
            ),
            Panel(
                "Slow readers closed",
                "Clients closed because they read too slowly (1013), and sends given up after send-timeout.",
                [
                    (rate("holdfast_connections_closed_total", more='reason="slow"'), "closed, {{instance}}"),
                    (rate("holdfast_limited_total", more='limit="send_time"'), "given up, {{instance}}"),
                ],
                unit="cps",
            ),
            Panel(
                "Buffers lent",
                "Buffers that are lent, of those in the pools. Long ones take what does not fit into a short one.",
                [
                    (f"holdfast_buffers_lent{{{OF}}}", "{{size}} lent, {{instance}}"),
                    (f"holdfast_buffers{{{OF}}}", "{{size}} in all, {{instance}}"),
                ],
            ),
            Panel(
                "Waiting for a buffer",
                "Connections with something to read for which no buffer is free. For minutes: raise pool-bytes.",
                [(f"holdfast_buffers_waiting{{{OF}}}", "{{instance}}")],
                limits=[(RED, 1)],
            ),
        ],
    ),
    (
        "Shards and process",
        [
            Panel(
                "Duration of a turn",
                "What a shard does between two waits. Everybody on the shard waits for as long.",
                [
                    (quantile(0.5, "holdfast_turn_duration_seconds"), "half, {{instance}}"),
                    (quantile(0.99, "holdfast_turn_duration_seconds"), "99 %, {{instance}}"),
                ],
                unit="s",
                limits=[(ORANGE, 0.01), (RED, 0.05)],
            ),
            Panel(
                "Turns",
                "Turns of all shards per second. An idle shard turns several times a second; at 0 all stand.",
                [(rate("holdfast_turns_total"), "{{instance}}")],
                unit="cps",
            ),
            Panel(
                "Shards that do not turn",
                "Shards that have not turned for 10 s. Whoever is on one gets no answer.",
                [(f"holdfast_shards_stuck{{{OF}}}", "{{instance}}")],
                limits=[(RED, 1)],
            ),
            Panel(
                "System calls and completions",
                "System calls of the driver, operations given to the kernel and what came back, per second.",
                [
                    (rate("holdfast_syscalls_total"), "system calls, {{instance}}"),
                    (rate("holdfast_submissions_total"), "operations, {{instance}}"),
                    (rate("holdfast_completions_total"), "completions, {{instance}}"),
                ],
                unit="cps",
            ),
            Panel(
                "CPU",
                "CPUs in use by the process, and how many shards there are: more than that it cannot use for clients.",
                [
                    (rate("process_cpu_seconds_total"), "{{instance}}"),
                    (f"holdfast_shards{{{OF}}}", "shards of {{instance}}"),
                ],
            ),
            Panel(
                "Resident memory",
                "Resident memory of the process, by the name that every program has it under.",
                [(f"process_resident_memory_bytes{{{OF}}}", "{{instance}}")],
                unit="bytes",
                width=4,
            ),
            Panel(
                "Descriptor limit",
                "RLIMIT_NOFILE of the process. It is what most often limits the room.",
                [(f"process_max_fds{{{OF}}}", "{{instance}}")],
                width=4,
            ),
            Panel(
                "Up since",
                "How long each gateway has run.",
                [(f"time() - process_start_time_seconds{{{OF}}}", "{{instance}}")],
                unit="s",
                kind="stat",
                width=8,
            ),
        ],
    ),
    (
        "Drains and logs",
        [
            Panel(
                "Drains",
                "1 while a gateway drains, and how many connections it still has then.",
                [
                    (f"holdfast_draining{{{OF}}}", "drains, {{instance}}"),
                    (
                        f"holdfast_connections{{{OF}}} and on (job, instance) holdfast_draining == 1",
                        "left, {{instance}}",
                    ),
                ],
            ),
            Panel(
                "Goodbyes",
                "Connections told to leave by a drain, per second: spread over drain-spread.",
                [(rate("holdfast_drain_goodbyes_total"), "{{instance}}")],
                unit="cps",
            ),
            Panel(
                "Log lines lost",
                "Lines that could not be written, or found the queue full. They are nowhere else.",
                [
                    (rate("holdfast_log_dropped_total"), "log, {{instance}}"),
                    (rate("holdfast_access_log_dropped_total"), "access log, {{instance}}"),
                ],
                unit="cps",
                limits=[(RED, 0.001)],
            ),
        ],
    ),
    (
        "Hubs and REST",
        [
            Panel(
                "Connections of hubs",
                "Open connections and users of each hub. A user on several shards counts once for each.",
                [
                    (f"sum by (hub) (holdfast_hub_connections{{{OF_HUB}}})", "connections, {{hub}}"),
                    (f"sum by (hub) (holdfast_hub_users{{{OF_HUB}}})", "users, {{hub}}"),
                ],
            ),
            Panel(
                "Groups",
                "Groups with a member, and memberships. A group on several shards counts once for each.",
                [
                    (f"sum by (hub) (holdfast_hub_groups{{{OF_HUB}}})", "groups, {{hub}}"),
                    (f"sum by (hub) (holdfast_hub_group_members{{{OF_HUB}}})", "memberships, {{hub}}"),
                ],
            ),
            Panel(
                "Deliveries",
                "Messages handed to connections: published to all, a group or a user, or sent to one by REST.",
                [(rate("holdfast_hub_deliveries_total", "hub", of=OF_HUB), "{{hub}}")],
                unit="mps",
            ),
            Panel(
                "Events by outcome",
                "ok: the service took it; refused: it lets the client not in; failed: no usable answer in time; full:"
                " no room to wait for it.",
                [
                    (
                        rate("holdfast_hub_events_total", "hub, event, outcome", of=OF_HUB),
                        "{{hub}} {{event}} {{outcome}}",
                    ),
                ],
                unit="reqps",
                width=12,
                is_stacked=True,
            ),
            Panel(
                "Duration of events",
                "From the first attempt to send an event to its outcome, repeats included.",
                [
                    (quantile(0.5, "holdfast_hub_event_duration_seconds", "hub", OF_HUB), "half, {{hub}}"),
                    (quantile(0.95, "holdfast_hub_event_duration_seconds", "hub", OF_HUB), "95 %, {{hub}}"),
                ],
                unit="s",
                width=12,
                limits=[(RED, 1)],
            ),
            Panel(
                "Events not over",
                "connect: clients that wait to be let in; under_way: sent to the service; waiting: for their turn.",
                [(f"sum by (hub, state) (holdfast_hub_events_open{{{OF_HUB}}})", "{{hub}} {{state}}")],
            ),
            Panel(
                "Addresses of services",
                "By state of the circuit breaker: closed is in use, open left alone, half_open about to be tried.",
                [(f"sum by (hub, state) (holdfast_hub_upstreams{{{OF_HUB}}})", "{{hub}} {{state}}")],
            ),
            Panel(
                "Repeats and dead letters",
                "Requests sent again, disconnected events that no service has heard, and those of them that could not"
                " be written to dead-letters either.",
                [
                    (rate("holdfast_hub_event_repeats_total", "hub", of=OF_HUB), "repeats, {{hub}}"),
                    (
                        rate(
                            "holdfast_hub_events_total",
                            "hub",
                            'event="disconnected", outcome=~"failed|full"',
                            of=OF_HUB,
                        ),
                        "not heard, {{hub}}",
                    ),
                    (rate("holdfast_hub_dead_letters_lost_total", "hub", of=OF_HUB), "lost, {{hub}}"),
                ],
                unit="reqps",
                limits=[(RED, 0.001)],
            ),
            Panel(
                "Tokens of identity providers",
                "By what became of them. unavailable: there were no keys; full: too many waited; gone: the client"
                " left.",
                [
                    (
                        rate("holdfast_hub_identity_tokens_total", "hub, outcome", of=OF_HUB),
                        "{{hub}} {{outcome}}",
                    ),
                ],
                unit="reqps",
                is_stacked=True,
            ),
            Panel(
                "Age of identity providers' keys",
                "Time since they were fetched, which is tried each ten minutes.",
                [(f"max by (hub) (holdfast_hub_identity_keys_age_seconds{{{OF_HUB}}})", "{{hub}}")],
                unit="s",
                limits=[(RED, 3600)],
            ),
            Panel(
                "REST by status",
                "REST requests answered, by HTTP status. 401: no good token; 429 and 503: come again later.",
                [(rate("holdfast_rest_requests_total", "status"), "{{status}}")],
                unit="reqps",
                is_stacked=True,
            ),
            Panel(
                "REST by route",
                "REST requests answered, by hub and route. Without hub: no key of one was shown.",
                [(rate("holdfast_rest_requests_total", "hub, route"), "{{hub}} {{route}}")],
                unit="reqps",
                is_stacked=True,
            ),
            Panel(
                "Reliable clients away",
                "Reliable clients that have lost their sockets and may recover. They are counted as connections.",
                [(f"holdfast_connections_away{{{OF}}}", "{{instance}}")],
            ),
            Panel(
                "Recoveries",
                "Reliable clients that came back: recovered to their connections, or refused, since those were gone or"
                " on another gateway.",
                [(rate("holdfast_recoveries_total", "outcome, instance"), "{{outcome}}, {{instance}}")],
                unit="cps",
            ),
            Panel(
                "Not acknowledged",
                "Messages that are kept for reliable clients until they acknowledge them.",
                [(f"holdfast_unacknowledged_messages{{{OF}}}", "{{instance}}")],
            ),
            Panel(
                "Limits of hubs",
                "Times a limit of a hub or of its users was applied: newcomers that are refused, messages that wait for"
                " a rate, groups too many.",
                [(rate("holdfast_hub_limited_total", "hub, limit", of=OF_HUB), "{{hub}} {{limit}}")],
                unit="cps",
            ),
        ],
    ),
    (
        "Cluster",
        [
            Panel(
                "NATS",
                "1 while a node has its subscriptions in force at a NATS server and hears it; ready: as far as the"
                " cluster is concerned.",
                [
                    (f"holdfast_cluster_connected{{{OF}}}", "connected, {{instance}}"),
                    (f"holdfast_cluster_ready{{{OF}}}", "ready, {{instance}}"),
                ],
            ),
            Panel(
                "Nodes",
                "Nodes that each node hears, itself included. Lines that differ: they do not hear each other.",
                [(f"holdfast_cluster_nodes{{{OF}}}", "{{cluster}}, {{instance}}")],
            ),
            Panel(
                "Nodes that left, connections to NATS",
                "goodbye: after a drain; silent: died or out of reach; twins: two nodes with the same id.",
                [
                    (rate("holdfast_cluster_nodes_left_total", "instance, how"), "{{how}}, {{instance}}"),
                    (rate("holdfast_cluster_twins_total"), "twins, {{instance}}"),
                    (rate("holdfast_cluster_connects_total"), "connected, {{instance}}"),
                ],
                unit="cps",
            ),
            Panel(
                "Between nodes",
                "Messages given to NATS for other nodes, and messages of other nodes, per second.",
                [
                    (rate("holdfast_cluster_published_total"), "published, {{instance}}"),
                    (rate("holdfast_cluster_received_total"), "received, {{instance}}"),
                ],
                unit="mps",
            ),
            Panel(
                "For nobody here",
                "Of the messages of other nodes, those for users and groups that have nobody on the node, 0 to 1. See"
                " docs/cluster.md, sizing.",
                [
                    (
                        f"{rate('holdfast_cluster_for_nobody_total')}"
                        f" / ({rate('holdfast_cluster_received_total')} > 0)",
                        "{{instance}}",
                    )
                ],
                unit="percentunit",
                most=1,
            ),
            Panel(
                "Lost between nodes",
                "Not sent, by what was in the way; missed: did not come; dropped: a shard had no room for it.",
                [
                    (rate("holdfast_cluster_unsent_total", "instance, reason"), "{{reason}}, {{instance}}"),
                    (rate("holdfast_cluster_missed_total"), "missed, {{instance}}"),
                    (rate("holdfast_cluster_dropped_total"), "dropped, {{instance}}"),
                ],
                unit="mps",
                limits=[(RED, 0.001)],
            ),
            Panel(
                "Thrown away",
                "late: came twice or behind later ones; own: came back; unknown: of a later release; garbage: of no"
                " gateway; crowded: of more than 65 nodes.",
                [
                    (rate("holdfast_cluster_late_total"), "late, {{instance}}"),
                    (rate("holdfast_cluster_own_total"), "own, {{instance}}"),
                    (rate("holdfast_cluster_unknown_total"), "unknown, {{instance}}"),
                    (rate("holdfast_cluster_garbage_total"), "garbage, {{instance}}"),
                    (rate("holdfast_cluster_crowded_total"), "crowded, {{instance}}"),
                ],
                unit="mps",
            ),
            Panel(
                "Waiting between nodes",
                "Bytes that wait to be sent to NATS, at most cluster-queue-bytes, and bytes of other nodes' messages"
                " that wait for room in a shard.",
                [
                    (f"holdfast_cluster_queue_bytes{{{OF}}}", "for NATS, {{instance}}"),
                    (f"holdfast_cluster_waiting_bytes{{{OF}}}", "for a shard, {{instance}}"),
                ],
                unit="bytes",
            ),
            Panel(
                "Questions to other nodes",
                "Questions that wait for answers, and those per second that a node did not answer in time: 503.",
                [
                    (f"holdfast_cluster_questions_open{{{OF}}}", "open, {{instance}}"),
                    (rate("holdfast_cluster_unanswered_total"), "not answered per second, {{instance}}"),
                ],
                width=12,
            ),
            Panel(
                "Names",
                "Users and groups with members on each node: what tells whether a message is for anybody here.",
                [(f"holdfast_cluster_names{{{OF}}}", "{{instance}}")],
                width=12,
            ),
        ],
    ),
]
