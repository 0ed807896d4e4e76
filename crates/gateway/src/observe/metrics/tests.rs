use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::cluster::{BusStatus, ClusterCounts, ClusterStatus, ClusterView, Left, NodeStatus, Unsent};
use crate::counters::{
    CloseCode, CloseReason, EventKind, EventOutcome, HandshakeOutcome, HubCounts, HubLimit, RestCounts,
};
use crate::limits::{MemoryLimit, Plan};

/// One family of an exposition: HELP, TYPE, and the samples by name and labels.
#[derive(Debug, Default)]
struct Parsed {
    help: Option<String>,
    kind: Option<String>,
    samples: BTreeMap<String, f64>,
}

/// Reads the text format 0.0.4 strictly: HELP, then TYPE, then samples, of one family at a time.
fn parse(text: &str) -> BTreeMap<String, Parsed> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families: BTreeMap<String, Parsed> = BTreeMap::new();
    let mut present = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a text");
            assert!(!families.contains_key(name), "{name} comes twice");
            present = name.to_owned();
            families.entry(present.clone()).or_default().help = Some(help.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a word");
            assert_eq!(name, present, "TYPE follows its HELP");
            families.entry(present.clone()).or_default().kind = Some(kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let name = series.split('{').next().unwrap_or(series);
            let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            assert!(name == present || parts == Some(&present), "{name} is under {present}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            let twice = families.entry(present.clone()).or_default().samples.insert(series.to_owned(), value);
            assert_eq!(twice, None, "{series} comes twice");
        }
    }
    families
}

fn facts() -> Facts {
    Facts {
        driver: "uring".to_owned(),
        kernel_bytes_per_connection: 3936,
        room: 38_000,
        memory: Some(MemoryLimit { bytes: 96 << 20, source: crate::limits::Source::Machine }),
        plan: Some(Plan::new(96 << 20, &crate::settings::Settings { shards: 2, ..Default::default() })),
        message_bytes_max: 1 << 20,
    }
}

fn shards(count: usize) -> Arc<[Arc<Counters>]> {
    (0..count).map(|_| Arc::new(Counters::default())).collect()
}

/// What is counted of a hub, and of REST.
fn hub(name: &str) -> HubMetrics {
    let rest = Arc::new(RestCounts::default());
    rest.add(Some(name), "send", 202);
    HubMetrics { hubs: vec![Arc::new(HubCounts::new(name, 2))], rest, refresh: Box::new(|| ()) }
}

/// All there is.
fn whole(shards: Arc<[Arc<Counters>]>) -> Metrics {
    let cluster = Arc::new(ClusterView::new(ClusterStatus::default));
    Metrics::new(shards, &facts()).with_hubs(Some(hub("chat"))).with_cluster(Some(cluster))
}

/// The value of one series, which must be there.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().expect("number")
}

#[test]
fn every_metric_of_the_table_is_rendered_with_help_and_type_and_no_other() {
    let text = whole(shards(1)).render(Now::default());
    let families = parse(&text);
    let rendered: BTreeSet<_> = families.keys().map(String::as_str).collect();
    let listed: BTreeSet<_> = TABLE.iter().map(|family| family.name).collect();
    assert_eq!(rendered, listed);
    assert_eq!(listed.len(), TABLE.len(), "a name comes twice");
    for family in TABLE.iter() {
        let parsed = &families[family.name];
        assert_eq!(parsed.help.as_deref(), Some(family.help));
        assert_eq!(parsed.kind.as_deref(), Some(family.kind.word()), "{}", family.name);
        assert!(!parsed.samples.is_empty(), "{} has no sample", family.name);
    }
}

#[test]
fn samples_have_the_labels_of_the_table() {
    let families = parse(&whole(shards(1)).render(Now::default()));
    for family in TABLE.iter() {
        for series in families[family.name].samples.keys() {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            let names: BTreeSet<_> =
                labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect();
            let mut wanted: BTreeSet<_> = family.labels.iter().copied().collect();
            if series.contains("_bucket{") {
                wanted.insert("le");
            }
            assert_eq!(names, wanted, "{series}");
        }
    }
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for family in TABLE.iter() {
        let Family { name, kind, .. } = family;
        assert!(name.starts_with("holdfast_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        for scaled in ["_ms", "_millis", "_kib", "_kb", "_percent", "_minutes"] {
            assert!(!name.contains(scaled), "{name} is not in a base unit");
        }
    }
}

#[test]
fn counters_and_gauges_are_sums_over_the_shards() {
    let shards = shards(3);
    for (index, shard) in (1..).zip(shards.iter()) {
        shard.opened.add(10 * index);
        shard.close(CloseReason::Peer, CloseCode::Normal);
        shard.text_in.add(index);
        shard.binary_out.add(2 * index);
        shard.buffers_lent.set(index);
        shard.handshake(HandshakeOutcome::Accepted);
        shard.record_bytes.set(640);
    }
    shards[1].close(CloseReason::Slow, CloseCode::None);
    let text = Metrics::new(Arc::clone(&shards), &facts()).render(Now::default());
    for (series, expected) in [
        ("holdfast_shards", 3.0),
        ("holdfast_connections_opened_total", 60.0),
        ("holdfast_connections", 56.0),
        ("holdfast_connections_closed_total{reason=\"peer\",code=\"1000\"}", 3.0),
        ("holdfast_connections_closed_total{reason=\"slow\",code=\"none\"}", 1.0),
        ("holdfast_connections_closed_total{reason=\"slow\",code=\"1013\"}", 0.0),
        ("holdfast_messages_received_total{kind=\"text\"}", 6.0),
        ("holdfast_messages_received_total{kind=\"binary\"}", 0.0),
        ("holdfast_messages_sent_total{kind=\"binary\"}", 12.0),
        ("holdfast_buffers_lent{size=\"short\"}", 6.0),
        ("holdfast_handshakes_total{outcome=\"101\"}", 3.0),
        ("holdfast_handshakes_total{outcome=\"gone\"}", 0.0),
        ("holdfast_memory_bytes{part=\"records\"}", 1920.0),
        ("holdfast_connections_room", 38_000.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
}

#[test]
fn a_second_scrape_shows_what_came_since() {
    let shards = shards(2);
    let metrics = Metrics::new(Arc::clone(&shards), &facts());
    shards[0].accepted.add(5);
    shards[0].buffers_lent.set(4);
    shards[0].turn_duration.record(Duration::from_micros(10));
    metrics.render(Now::default());
    shards[1].accepted.add(2);
    shards[0].buffers_lent.set(0);
    shards[1].turn_duration.record(Duration::from_micros(10));
    shards[1].close(CloseReason::Protocol, CloseCode::Other);
    let text = metrics.render(Now::default());
    assert_eq!(value(&text, "holdfast_accepted_total"), 7.0);
    assert_eq!(value(&text, "holdfast_buffers_lent{size=\"short\"}"), 0.0);
    assert_eq!(value(&text, "holdfast_turn_duration_seconds_count"), 2.0);
    let closed = "holdfast_connections_closed_total{reason=\"protocol\",code=\"other\"}";
    assert_eq!(value(&text, closed), 1.0);
    parse(&text);
}

#[test]
fn histograms_are_exact_sums_over_the_shards() {
    let shards = shards(2);
    for (shard, micros) in [(0, 5), (0, 6), (1, 20), (1, 400_000), (0, 100)] {
        shards[shard].turn_duration.record(Duration::from_micros(micros));
    }
    let text = Metrics::new(shards, &facts()).render(Now::default());
    let name = "holdfast_turn_duration_seconds";
    for (bound, count) in
        [("0.000005", 1.0), ("0.00002", 3.0), ("0.00005", 3.0), ("0.0001", 4.0), ("0.25", 4.0), ("+Inf", 5.0)]
    {
        let series = format!("{name}_bucket{{le=\"{bound}\"}}");
        assert_eq!(value(&text, &series), count, "{series}");
    }
    assert_eq!(value(&text, &format!("{name}_count")), 5.0);
    assert_eq!(value(&text, &format!("{name}_sum")), 0.400_131);
}

#[test]
fn buckets_of_a_histogram_never_decrease_and_end_with_the_count() {
    let shards = shards(1);
    for micros in (0..2_000_000).step_by(1013) {
        shards[0].handshake_duration.record(Duration::from_micros(micros));
    }
    let text = Metrics::new(shards, &facts()).render(Now::default());
    let buckets = text.lines().filter(|line| line.starts_with("holdfast_handshake_duration_seconds_bucket"));
    let counts: Vec<f64> =
        buckets.map(|line| line.rsplit(' ').next().unwrap_or("").parse().unwrap()).collect();
    assert_eq!(counts.len(), HANDSHAKE_BOUNDS.len() + 1);
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&value(&text, "holdfast_handshake_duration_seconds_count")));
}

#[test]
fn draining_and_build_are_shown() {
    let metrics = Metrics::new(shards(1), &facts());
    let text = metrics.render(Now::default());
    let build = format!("holdfast_build_info{{version=\"{}\",driver=\"uring\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&text, &build), 1.0);
    assert_eq!(value(&text, "holdfast_draining"), 0.0);
    assert_eq!(value(&text, "holdfast_shards_stuck"), 0.0);
    let text = metrics.render(Now { is_draining: true, shards_stuck: 2 });
    assert_eq!(value(&text, "holdfast_draining"), 1.0);
    assert_eq!(value(&text, "holdfast_shards_stuck"), 2.0);
}

#[test]
fn the_process_has_cpu_time_a_start_and_memory() {
    let text = Metrics::new(shards(1), &facts()).render(Now::default());
    assert!(value(&text, "process_cpu_seconds_total") > 0.0);
    assert!(value(&text, "process_resident_memory_bytes") > 100_000.0);
    assert!(value(&text, "process_max_fds") > 0.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let start = value(&text, "process_start_time_seconds");
    assert!(start <= now + 1.0 && start > now - 86_400.0, "{start} against {now}");
}

#[test]
fn two_scrapes_have_their_lines_in_the_same_order() {
    let metrics = whole(shards(1));
    let series = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(' ').map_or("", |(series, _)| series).to_owned()).collect()
    };
    assert_eq!(series(&metrics.render(Now::default())), series(&metrics.render(Now::default())));
}

#[test]
fn promtool_has_no_complaint() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match promtool.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: promtool does not start here: {error}");
            return;
        }
    };
    let text = whole(shards(2)).render(Now::default());
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_table_in_markdown_has_a_row_for_each_metric() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), TABLE.len() + 2);
    for family in TABLE.iter() {
        assert!(
            table.contains(&format!("| `{}` | {} |", family.name, family.kind.word())),
            "{}",
            family.name
        );
    }
}

#[test]
fn what_is_counted_of_hubs_is_summed_over_the_threads() {
    let shown = hub("chat");
    let counts = Arc::clone(&shown.hubs[0]);
    let metrics = Metrics::new(shards(2), &facts()).with_hubs(Some(shown));
    counts.of_shard(0).connections.set(3);
    counts.of_shard(1).connections.set(4);
    counts.of_shard(1).event(EventKind::Connect, EventOutcome::Full);
    counts.of_control().event(EventKind::Connect, EventOutcome::Full);
    counts.of_shard(0).limit(HubLimit::EventRate);
    counts.of_shard(1).limit(HubLimit::EventRate);
    counts.of_control().event_duration.record(Duration::from_millis(7));
    counts.of_control().event_duration.record(Duration::from_secs(60));
    counts.deliveries().fetch_add(5, std::sync::atomic::Ordering::Relaxed);
    let text = metrics.render(Now::default());
    parse(&text);
    let duration = "holdfast_hub_event_duration_seconds";
    for (series, expected) in [
        ("holdfast_hub_connections{hub=\"chat\"}", 7.0),
        ("holdfast_hub_events_total{hub=\"chat\",event=\"connect\",outcome=\"full\"}", 2.0),
        ("holdfast_hub_events_total{hub=\"chat\",event=\"user\",outcome=\"ok\"}", 0.0),
        ("holdfast_hub_deliveries_total{hub=\"chat\"}", 5.0),
        ("holdfast_hub_limited_total{hub=\"chat\",limit=\"event_rate\"}", 2.0),
        ("holdfast_hub_limited_total{hub=\"chat\",limit=\"user_connections\"}", 0.0),
        ("holdfast_rest_requests_total{hub=\"chat\",route=\"send\",status=\"202\"}", 1.0),
        (&format!("{duration}_bucket{{hub=\"chat\",le=\"0.005\"}}"), 0.0),
        (&format!("{duration}_bucket{{hub=\"chat\",le=\"0.01\"}}"), 1.0),
        (&format!("{duration}_bucket{{hub=\"chat\",le=\"30\"}}"), 1.0),
        (&format!("{duration}_count{{hub=\"chat\"}}"), 2.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    let refused =
        text.lines().filter(|it| it.starts_with("holdfast_hub_") && it.contains("outcome=\"refused\""));
    assert_eq!(refused.count(), 1, "only who wants to connect can be refused");
    let without = Metrics::new(shards(2), &facts()).render(Now::default());
    assert!(!without.contains("holdfast_hub_") && !without.contains("holdfast_rest_"), "{without}");
    assert!(!without.contains("holdfast_cluster_"), "{without}");
}

#[test]
fn a_node_shows_its_cluster_as_it_is_when_it_is_scraped() {
    let scrapes = std::sync::atomic::AtomicU64::new(0);
    let look = move || {
        let n = scrapes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ClusterStatus {
            name: "prod".to_owned(),
            ready: true,
            bus: BusStatus { connected: n == 0, queue_bytes: 5, connects: 3, ..BusStatus::default() },
            nodes: vec![NodeStatus::default(); 3],
            counts: ClusterCounts {
                published: 10 + n,
                unsent: Unsent { away: 1, full: 2, too_large: 4 },
                missed: 6,
                for_no_node: 12,
                left: Left { goodbye: 7, silent: 8 },
                ..ClusterCounts::default()
            },
            names: 9,
            ..ClusterStatus::default()
        }
    };
    let metrics = Metrics::new(shards(1), &facts()).with_cluster(Some(Arc::new(ClusterView::new(look))));
    let text = metrics.render(Now::default());
    parse(&text);
    for (series, expected) in [
        ("holdfast_cluster_connected", 1.0),
        ("holdfast_cluster_ready", 1.0),
        ("holdfast_cluster_nodes{cluster=\"prod\"}", 3.0),
        ("holdfast_cluster_published_total", 10.0),
        ("holdfast_cluster_unsent_total{reason=\"away\"}", 1.0),
        ("holdfast_cluster_unsent_total{reason=\"full\"}", 2.0),
        ("holdfast_cluster_unsent_total{reason=\"too_large\"}", 4.0),
        ("holdfast_cluster_missed_total", 6.0),
        ("holdfast_cluster_for_no_node_total", 12.0),
        ("holdfast_cluster_nodes_left_total{how=\"goodbye\"}", 7.0),
        ("holdfast_cluster_nodes_left_total{how=\"silent\"}", 8.0),
        ("holdfast_cluster_connects_total", 3.0),
        ("holdfast_cluster_queue_bytes", 5.0),
        ("holdfast_cluster_names", 9.0),
        ("holdfast_cluster_dropped_total", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    let text = metrics.render(Now::default());
    assert_eq!(value(&text, "holdfast_cluster_connected"), 0.0);
    assert_eq!(value(&text, "holdfast_cluster_published_total"), 11.0);
}

#[test]
fn a_shard_shows_its_turns_by_bucket_as_the_metrics_do() {
    let shards = shards(1);
    for micros in [3, 70, 300_000] {
        shards[0].turn_duration.record(Duration::from_micros(micros));
    }
    let (text, shown) =
        (Metrics::new(Arc::clone(&shards), &facts()).render(Now::default()), of_shard(&shards[0]));
    let turns: Vec<_> =
        shown.iter().filter(|(key, _)| key.starts_with("holdfast_turn_duration_seconds")).collect();
    assert_eq!(turns.len(), TURN_BOUNDS.len() + 3, "{turns:?}");
    for (series, counted) in turns {
        assert_eq!(value(&text, series), *counted, "{series}");
    }
}
