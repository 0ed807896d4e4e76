//! Settings as an operator meets them: flags, environment, file, refusals.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use holdfast::Echo;
use holdfast::settings::{
    AccessLog, Action, Away, Cluster, DrainCode, DriverChoice, ForwardedHeader, Handler, HandlerSettings,
    Hub, HubSettings, Listen, LogFormat, LogUsers, Mismatch, Network, RatePolicy, ReadyWhen, Rest, Secret,
    Settings, SettingsError, SlowPolicy, UpstreamUrl, declared, handler_declared, hub_declared,
    identity_declared, listener_declared, load_for, markdown_table,
};

const SECOND: Duration = Duration::from_secs(1);

fn load_from(args: &[&str], env: &[(&str, &str)]) -> Result<Action, SettingsError> {
    let args = std::iter::once("holdfast").chain(args.iter().copied()).map(OsString::from);
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load_for(args, env, Echo::answers)
}

#[track_caller]
fn settings(args: &[&str], env: &[(&str, &str)]) -> Settings {
    match load_from(args, env) {
        Ok(Action::Run(settings, _)) => *settings,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

#[track_caller]
fn printed(args: &[&str], env: &[(&str, &str)]) -> String {
    match load_from(args, env) {
        Ok(Action::Print(text)) => text,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

#[track_caller]
fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    let sentence = load_from(args, env).expect_err("refused").to_string();
    assert!(!sentence.contains('\n'), "one line: {sentence}");
    sentence
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn name(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("UTF-8")
}

#[track_caller]
fn refusal_of_file(text: &str) -> String {
    let file = file(text);
    let sentence = refusal(&["--config", name(&file)], &[]);
    assert!(sentence.contains(name(&file)), "the file is named: {sentence}");
    sentence.replace(name(&file), "FILE")
}

/// A key, and the file that it is in.
const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

fn key_file() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/settings-key");
        std::fs::write(path, KEY).expect("written");
        path.to_owned()
    })
}

/// Settings of one hub by flags: what its being there changes, and `edit`.
fn with_hub(edit: impl FnOnce(&mut Settings, &mut Hub)) -> Settings {
    let hub = HubSettings { anonymous: true, ..HubSettings::default() };
    let mut hub = Hub {
        name: "chat".to_owned(),
        keys: Vec::new(),
        settings: hub,
        handlers: Vec::new(),
        listeners: Vec::new(),
    };
    let mut settings = Settings {
        hub: Some("chat".to_owned()),
        anonymous: true,
        head_bytes_max: 16 << 10,
        ping_interval: Some(60 * SECOND),
        pings_unanswered_max: Some(2),
        ..Settings::default()
    };
    edit(&mut settings, &mut hub);
    settings.hubs = vec![hub];
    settings
}

fn with_upstream() -> Settings {
    with_hub(|settings, hub| {
        let url = UpstreamUrl::try_from("http://127.0.0.1:3000/{event}?code=a").expect("a URL");
        settings.upstream = vec![url.clone()];
        let handler = HandlerSettings { url: vec![url], ..HandlerSettings::default() };
        hub.handlers = vec![Handler { settings: handler, headers: Vec::new() }];
    })
}

/// Settings of a node of a cluster by flags.
fn in_cluster(edit: impl FnOnce(&mut Settings)) -> Settings {
    with_hub(|settings, _| {
        settings.cluster = vec!["nats://127.0.0.1:4222".to_owned()];
        settings.cluster_name = Some("prod".to_owned());
        edit(settings);
    })
}

fn in_tls_cluster(edit: impl FnOnce(&mut Settings)) -> Settings {
    in_cluster(|settings| {
        settings.cluster = vec!["tls://localhost:4222".to_owned()];
        edit(settings);
    })
}

/// Another value than the default, and the settings it gives, for every setting.
fn other_values() -> Vec<(&'static str, &'static str, Settings)> {
    let default = Settings::default;
    let on = |address: &str| vec![address.parse::<Listen>().expect("address")];
    vec![
        ("listen", "[::1]:9000", Settings { listen: on("[::1]:9000"), ..default() }),
        ("unix-mode", "0666", Settings { unix_mode: 0o666, ..default() }),
        ("unix-group", "www-data", Settings { unix_group: Some("www-data".to_owned()), ..default() }),
        ("admin", "off", Settings { admin: None, ..default() }),
        (
            "admin-token-file",
            key_file(),
            Settings {
                admin_token_file: Some(key_file().into()),
                admin_token: Some(Secret::new(KEY)),
                ..default()
            },
        ),
        ("hub", "chat", with_hub(|_, _| {})),
        ("upstream", "http://127.0.0.1:3000/{event}?code=a", with_upstream()),
        (
            "access-key-file",
            "/a, b",
            Settings { access_key_file: vec!["/a".into(), "b".into()], ..default() },
        ),
        ("access-key", KEY, Settings { access_key: Some(Secret::new(KEY)), ..default() }),
        ("access-key-secondary", KEY, Settings { access_key_secondary: Some(Secret::new(KEY)), ..default() }),
        ("anonymous", "true", with_hub(|_, _| {})),
        (
            "rest",
            "listen, 127.0.0.1:8086",
            with_hub(|settings, _| {
                settings.rest = Rest { on_listen: true, addresses: on("127.0.0.1:8086") };
            }),
        ),
        (
            "endpoints",
            "https://Chat.example.com/, http://[::1]:8085",
            Settings {
                endpoints: vec!["https://chat.example.com".into(), "http://[::1]:8085".into()],
                ..default()
            },
        ),
        (
            "rest-requests-per-second-max",
            "50",
            Settings { rest_requests_per_second_max: Some(50), ..default() },
        ),
        ("rest-body-bytes-max", "1MiB", Settings { rest_body_bytes_max: Some(1 << 20), ..default() }),
        ("rest-connections-max", "7", Settings { rest_connections_max: 7, ..default() }),
        ("rest-idle-timeout", "620s", Settings { rest_idle_timeout: 620 * SECOND, ..default() }),
        ("publishes-waiting-max", "9", Settings { publishes_waiting_max: 9, ..default() }),
        (
            "publish-bytes-waiting-max",
            "2MiB",
            Settings { publish_bytes_waiting_max: Some(2 << 20), ..default() },
        ),
        ("event-bytes-max", "8MiB", Settings { event_bytes_max: Some(8 << 20), ..default() }),
        ("state-bytes-max", "0", Settings { state_bytes_max: 0, ..default() }),
        ("groups-per-connection-max", "3", Settings { groups_per_connection_max: 3, ..default() }),
        ("groups-max", "1000", Settings { groups_max: 1000, ..default() }),
        ("recovery-timeout", "1m", Settings { recovery_timeout: Duration::from_secs(60), ..default() }),
        (
            "shard-unacknowledged-bytes-max",
            "8MiB",
            Settings { shard_unacknowledged_bytes_max: Some(8 << 20), ..default() },
        ),
        (
            "cluster",
            "nats://127.0.0.1, tls://localhost:6222",
            in_cluster(|settings| {
                settings.cluster.push("tls://localhost:6222".to_owned());
            }),
        ),
        ("cluster-name", "eu-1", in_cluster(|settings| settings.cluster_name = Some("eu-1".to_owned()))),
        (
            "cluster-credentials",
            "/etc/holdfast/nats.creds",
            in_cluster(|settings| settings.cluster_credentials = Some("/etc/holdfast/nats.creds".into())),
        ),
        ("cluster-ca", "/ca.pem", in_tls_cluster(|settings| settings.cluster_ca = Some("/ca.pem".into()))),
        (
            "cluster-certificate",
            "/a.pem, /a.key",
            in_tls_cluster(|settings| {
                settings.cluster_certificate = Some(("/a.pem".into(), "/a.key".into()));
            }),
        ),
        ("cluster-insecure", "true", in_cluster(|settings| settings.cluster_insecure = true)),
        ("cluster-away", "refuse", Settings { cluster_away: Away::Refuse, ..default() }),
        ("cluster-ready", "bus", Settings { cluster_ready: ReadyWhen::Bus, ..default() }),
        ("cluster-queue-bytes", "32MiB", Settings { cluster_queue_bytes: 32 << 20, ..default() }),
        ("driver", "uring-baseline", Settings { driver: DriverChoice::UringBaseline, ..default() }),
        ("shards", "7", Settings { shards: 7, ..default() }),
        ("connections-max", "12345", Settings { connections_max: Some(12_345), ..default() }),
        ("shard-connections-max", "1000", Settings { shard_connections_max: Some(1_000), ..default() }),
        ("address-connections-max", "20", Settings { address_connections_max: Some(20), ..default() }),
        ("address-prefix-ipv4", "24", Settings { address_prefix_ipv4: 24, ..default() }),
        ("address-prefix-ipv6", "48", Settings { address_prefix_ipv6: 48, ..default() }),
        (
            "echo-prefix",
            "received: \"é\"",
            Settings { echo_prefix: "received: \"é\"".to_owned(), ..default() },
        ),
        ("backlog", "16", Settings { backlog: 16, ..default() }),
        ("keepalive", "90s", Settings { keepalive: Some(90 * SECOND), ..default() }),
        ("tcp-user-timeout", "20s", Settings { tcp_user_timeout: Some(20 * SECOND), ..default() }),
        ("ipv6-only", "true", Settings { ipv6_only: true, ..default() }),
        ("handshake-timeout", "500ms", Settings { handshake_timeout: SECOND / 2, ..default() }),
        ("handshakes-max", "10", Settings { handshakes_max: 10, ..default() }),
        ("handshakes-per-second-max", "50", Settings { handshakes_per_second_max: Some(50), ..default() }),
        ("head-bytes-max", "4KiB", Settings { head_bytes_max: 4096, ..default() }),
        ("headers-max", "20", Settings { headers_max: 20, ..default() }),
        (
            "proxy-protocol",
            "true",
            Settings { proxy_protocol: true, trusted_proxies: vec![Network::Unix], ..default() },
        ),
        (
            "forwarded",
            "x-forwarded-for",
            Settings {
                forwarded: Some(ForwardedHeader::XForwardedFor),
                trusted_proxies: vec![Network::Unix],
                ..default()
            },
        ),
        (
            "trusted-proxies",
            "10.0.0.0/8, ::1, unix",
            Settings {
                trusted_proxies: ["10.0.0.0/8", "::1/128", "unix"]
                    .map(|it| it.parse().expect("a network"))
                    .into(),
                ..default()
            },
        ),
        ("health-path", "off", Settings { health_path: None, ..default() }),
        ("paths", "/feed, /chat/*", Settings { paths: vec!["/feed".into(), "/chat/*".into()], ..default() }),
        (
            "origins",
            "HTTPS://Example.com:443, http://*.example.com:8080",
            Settings {
                origins: vec!["https://example.com".into(), "http://*.example.com:8080".into()],
                ..default()
            },
        ),
        ("origin-required", "true", Settings { origin_required: true, ..default() }),
        (
            "subprotocols",
            "chat.v2, chat.v1",
            Settings { subprotocols: vec!["chat.v2".into(), "chat.v1".into()], ..default() },
        ),
        ("subprotocol-mismatch", "refuse", Settings { subprotocol_mismatch: Mismatch::Refuse, ..default() }),
        ("frame-bytes-max", "64KiB", Settings { frame_bytes_max: 65_536, ..default() }),
        (
            "message-bytes-max",
            "1000",
            Settings { message_bytes_max: 1000, frame_bytes_max: 1000, ..default() },
        ),
        ("message-timeout", "1m", Settings { message_timeout: Some(60 * SECOND), ..default() }),
        (
            "shard-partial-bytes-max",
            "16MiB",
            Settings { shard_partial_bytes_max: Some(16 << 20), ..default() },
        ),
        ("messages-per-second-max", "20", Settings { messages_per_second_max: Some(20), ..default() }),
        ("bytes-per-second-max", "64KiB", Settings { bytes_per_second_max: Some(65_536), ..default() }),
        ("rate-burst", "1m", Settings { rate_burst: 60 * SECOND, ..default() }),
        ("rate-policy", "close", Settings { rate_policy: RatePolicy::Close, ..default() }),
        ("outbox-bytes-max", "16MiB", Settings { outbox_bytes_max: 16 << 20, ..default() }),
        ("shard-outbox-bytes-max", "16MiB", Settings { shard_outbox_bytes_max: Some(16 << 20), ..default() }),
        ("slow-policy", "drop-oldest", Settings { slow_policy: SlowPolicy::DropOldest, ..default() }),
        ("deflate", "true", Settings { deflate: true, ..default() }),
        (
            "deflate-paths",
            "/feed,/chat/*",
            Settings { deflate_paths: vec!["/feed".to_owned(), "/chat/*".to_owned()], ..default() },
        ),
        ("deflate-bytes-min", "1KiB", Settings { deflate_bytes_min: 1024, ..default() }),
        ("deflate-level", "6", Settings { deflate_level: 6, ..default() }),
        ("ping-interval", "1m 30s", Settings { ping_interval: Some(90 * SECOND), ..default() }),
        (
            "pings-unanswered-max",
            "3",
            Settings { pings_unanswered_max: Some(3), ping_interval: Some(30 * SECOND), ..default() },
        ),
        ("connection-age-max", "2h", Settings { connection_age_max: Some(7200 * SECOND), ..default() }),
        ("connection-age-jitter", "1m", Settings { connection_age_jitter: Some(60 * SECOND), ..default() }),
        ("idle-timeout", "2h", Settings { idle_timeout: Some(7200 * SECOND), ..default() }),
        ("close-timeout", "1s", Settings { close_timeout: SECOND, ..default() }),
        ("send-timeout", "1m", Settings { send_timeout: 60 * SECOND, ..default() }),
        ("drain-timeout", "0s", Settings { drain_timeout: Duration::ZERO, ..default() }),
        ("drain-spread", "20s", Settings { drain_spread: Some(20 * SECOND), ..default() }),
        ("drain-code", "service-restart", Settings { drain_code: DrainCode::ServiceRestart, ..default() }),
        ("buffer-bytes", "8KiB", Settings { buffer_bytes: 8192, ..default() }),
        ("pool-bytes", "256KiB", Settings { pool_bytes: Some(262_144), ..default() }),
        ("log-format", "json", Settings { log_format: LogFormat::Json, ..default() }),
        (
            "access-log",
            "./access.log",
            Settings { access_log: Some(AccessLog::File("./access.log".into())), ..default() },
        ),
        ("access-log-sample", "100", Settings { access_log_sample: 100, ..default() }),
        ("access-log-users", "hash", Settings { access_log_users: LogUsers::Hash, ..default() }),
        ("log", "warn,holdfast=debug", Settings { log: "warn,holdfast=debug".to_owned(), ..default() }),
    ]
}

/// The flags that a setting cannot do without.
fn needs(key: &str) -> &'static [&'static str] {
    match key {
        "pings-unanswered-max" => &["--ping-interval=30s"],
        "proxy-protocol" | "forwarded" => &["--trusted-proxies=unix"],
        "hub" => &["--anonymous"],
        "anonymous" => &["--hub=chat"],
        "upstream" | "rest" => &["--hub=chat", "--anonymous"],
        "cluster" => &["--hub=chat", "--anonymous", "--cluster-name=prod"],
        "cluster-name" => &["--hub=chat", "--anonymous", "--cluster=nats://127.0.0.1"],
        "cluster-credentials" | "cluster-insecure" => {
            &["--hub=chat", "--anonymous", "--cluster=nats://127.0.0.1", "--cluster-name=prod"]
        }
        "cluster-ca" | "cluster-certificate" => {
            &["--hub=chat", "--anonymous", "--cluster=tls://localhost", "--cluster-name=prod"]
        }
        _ => &[],
    }
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_key_of_the_file() {
    let values = other_values();
    let keys: Vec<_> = declared().into_iter().map(|setting| setting.key).collect();
    assert_eq!(keys, values.iter().map(|(key, ..)| *key).collect::<Vec<_>>(), "every setting is tried here");
    for (setting, (key, text, expected)) in declared().iter().zip(values) {
        assert_ne!(expected, Settings::default(), "{key}");
        let needs = needs(key);
        if setting.has_flag {
            assert_eq!(settings(&[&[&*format!("--{key}={text}")], needs].concat(), &[]), expected, "--{key}");
        }
        assert_eq!(settings(needs, &[(&setting.env, text)]), expected, "{}", setting.env);
        let file = file(&format!("{key} = {}\n", toml::Value::from(text)));
        assert_eq!(settings(&[&["--config", name(&file)], needs].concat(), &[]), expected, "{key} in a file");
    }
}

#[test]
fn every_flag_of_the_command_line_is_explained_in_help() {
    let help = printed(&["--help"], &[]);
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let flags: Vec<_> =
        flags.map(|flag| flag.split([' ', '[', '=']).next().unwrap_or_default().to_owned()).collect();
    let settings = declared().into_iter().filter(|setting| setting.has_flag);
    let settings: Vec<_> = settings.map(|setting| setting.key).collect();
    let mut expected = vec!["config".to_owned(), "print-settings".to_owned()];
    expected.extend(settings);
    assert_eq!(flags, expected, "{help}");

    // Help is wrapped to the terminal's width.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = words(&help);
    for setting in declared().iter().filter(|setting| setting.has_flag) {
        for part in [
            words(&setting.about),
            format!("Cost: {}", words(&setting.cost)),
            format!("[env: {}] [default: {}]", setting.env, setting.default),
        ] {
            assert!(help.contains(&part), "{}: \"{part}\" is not in help", setting.key);
        }
    }
}

#[test]
fn every_setting_says_what_it_is_for_and_what_it_costs() {
    for setting in
        [declared(), hub_declared(), identity_declared(), handler_declared(), listener_declared()].concat()
    {
        assert!(setting.about.len() > 20 && setting.about.ends_with('.'), "{setting:?}");
        assert!(setting.cost.len() > 4 && setting.cost.ends_with('.'), "{setting:?}");
        assert!(!setting.default.is_empty(), "{setting:?}");
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = file("shards = 3\nbacklog = 3\nheaders-max = 30\n");
    let settings = settings(
        &["--config", name(&file), "--shards", "5"],
        &[("HOLDFAST_SHARDS", "4"), ("HOLDFAST_BACKLOG", "4")],
    );
    assert_eq!((settings.shards, settings.backlog, settings.headers_max), (5, 4, 30));
    assert_eq!(settings.handshakes_max, Settings::default().handshakes_max);
}

#[test]
fn the_file_may_be_named_by_the_environment_and_the_flag_wins() {
    let (one, two) = (file("shards = 1"), file("shards = 2"));
    assert_eq!(settings(&[], &[("HOLDFAST_CONFIG", name(&one))]).shards, 1);
    assert_eq!(settings(&["--config", name(&two)], &[("HOLDFAST_CONFIG", name(&one))]).shards, 2);
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(settings(&[], &[]), Settings::default());
    assert_eq!(settings(&[], &[("HOLDFAST_SHARDS", ""), ("PATH", "/bin")]), Settings::default());
    assert_eq!(settings(&["--config", name(&file(""))], &[]), Settings::default());
}

#[test]
fn several_addresses_come_by_repeated_flags_commas_or_a_list() {
    let two: Vec<Listen> =
        ["0.0.0.0:80", "unix:/run/h.sock"].map(|text| text.parse().expect("address")).into();
    let file = file("listen = [\"0.0.0.0:80\", \"unix:/run/h.sock\"]");
    for settings in [
        settings(&["--listen", "0.0.0.0:80", "--listen", "unix:/run/h.sock"], &[]),
        settings(&["--listen", "0.0.0.0:80,unix:/run/h.sock"], &[]),
        settings(&[], &[("HOLDFAST_LISTEN", "0.0.0.0:80, unix:/run/h.sock")]),
        settings(&["--config", name(&file)], &[]),
    ] {
        assert_eq!(settings.listen, two);
    }
}

#[test]
fn a_flag_without_value_is_yes_and_does_not_eat_the_next_one() {
    assert!(settings(&["--ipv6-only", "--shards", "2"], &[]).ipv6_only);
    assert!(!settings(&["--ipv6-only=false"], &[("HOLDFAST_IPV6_ONLY", "true")]).ipv6_only);
    assert!(settings(&["--config", name(&file("ipv6-only = true"))], &[]).ipv6_only);
}

#[test]
fn zero_means_off_where_off_is_possible() {
    for zero in ["0", "0s", "off"] {
        assert_eq!(settings(&["--keepalive", zero], &[]).keepalive, None);
    }
    assert_eq!(settings(&["--config", name(&file("keepalive = 0"))], &[]).keepalive, None);
}

#[test]
fn printed_settings_load_again_to_the_same() {
    // Secrets are not printed: keys, and URLs with a query.
    let has_secret = |key: &str| matches!(key, "access-key" | "access-key-secondary" | "upstream");
    for (key, text, expected) in other_values().into_iter().filter(|(key, ..)| !has_secret(key)) {
        let flag = format!("--{key}={text}");
        let flags = [&[&*flag, "--print-settings"], needs(key)].concat();
        let text = printed(&flags, &[]);
        assert_eq!(text, expected.to_toml(), "{key}");
        assert_eq!(settings(&["--config", name(&file(&text))], &[]), expected, "{key}:\n{text}");
    }
    let defaults = Settings::default().to_toml();
    assert_eq!(settings(&["--config", name(&file(&defaults))], &[]), Settings::default());
}

#[test]
fn printed_settings_are_the_settings_in_force() {
    let file = file("shards = 3\nbacklog = 3\n");
    let text = printed(&["--config", name(&file), "--print-settings"], &[("HOLDFAST_BACKLOG", "9")]);
    for line in ["shards = 3", "backlog = 9", "keepalive = \"2m\"", "connections-max = \"auto\""] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 120), "lines are short");
}

#[test]
fn version_is_printed() {
    assert_eq!(printed(&["--version"], &[]), format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_names_are_refused_wherever_they_come_from() {
    assert_eq!(
        refusal(&["--shard", "2"], &[]),
        "unknown flag --shard: did you mean --shards? holdfast --help lists them all"
    );
    assert_eq!(refusal(&["--frobnicate"], &[]), "unknown flag --frobnicate: holdfast --help lists them all");
    assert_eq!(
        refusal(&[], &[("HOLDFAST_DRAIN_TIME", "1s")]),
        "unknown environment variable HOLDFAST_DRAIN_TIME: did you mean HOLDFAST_DRAIN_TIMEOUT? holdfast --help \
         lists them all"
    );
    assert_eq!(
        refusal_of_file("drain_timeout = \"1s\""),
        "unknown setting drain_timeout in FILE: did you mean drain-timeout? holdfast --help lists them all"
    );
    assert_eq!(
        refusal_of_file("zzz = 1"),
        "unknown setting zzz in FILE: remove it; holdfast --help lists them all"
    );
    assert_eq!(
        refusal_of_file("[server]\nshards = 2"),
        "unknown setting server in FILE: remove it; holdfast --help lists them all"
    );
}

#[test]
fn what_kubernetes_sets_for_a_service_is_no_setting_of_ours() {
    let links = [
        ("HOLDFAST_SERVICE_HOST", "10.0.0.1"),
        ("HOLDFAST_SERVICE_PORT", "8085"),
        ("HOLDFAST_SERVICE_PORT_WEBSOCKET", "8085"),
        ("HOLDFAST_PORT", "tcp://10.0.0.1:8085"),
        ("HOLDFAST_PORT_8085_TCP", "tcp://10.0.0.1:8085"),
        ("HOLDFAST_PORT_8085_TCP_ADDR", "10.0.0.1"),
        ("HOLDFAST_ADMIN_SERVICE_HOST", "10.0.0.2"),
        ("HOLDFAST_ADMIN_PORT", "tcp://10.0.0.2:9085"),
        ("HOLDFAST_ADMIN_PORT_9085_TCP_PROTO", "tcp"),
    ];
    assert_eq!(settings(&[], &links), Settings::default());
    assert!(
        refusal(&[], &[("HOLDFAST_PORT", "8085")])
            .starts_with("unknown environment variable HOLDFAST_PORT: ")
    );
}

#[test]
fn bad_values_are_refused_with_what_was_expected() {
    for (args, sentence) in [
        (["--shards", "0"], "--shards \"0\": expected a whole number from 1 to 512"),
        (["--shards", "513"], "--shards \"513\": expected a whole number from 1 to 512"),
        (["--shards", "two"], "--shards \"two\": expected a whole number from 1 to 512"),
        (
            ["--listen", "localhost:80"],
            "--listen \"localhost:80\": expected an IP address and a port, such as 127.0.0.1:8085, 0.0.0.0:8085 or \
             [::]:8085, not \"localhost:80\"",
        ),
        (["--driver", "kqueue"], "--driver \"kqueue\": expected one of auto, uring, uring-baseline, epoll"),
        (
            ["--drain-timeout", "30"],
            "--drain-timeout \"30\": expected a duration from 0s to 1day, with its unit, such as 500ms, 10s or 2m",
        ),
        (
            ["--idle-timeout", "1ms"],
            "--idle-timeout \"1ms\": expected a duration from 1s to 7days, with its unit, such as 500ms, 10s or 2m; \
             or off",
        ),
        (
            ["--buffer-bytes", "1MB"],
            "--buffer-bytes \"1MB\": expected a size from 1KiB to 64KiB, in bytes or with KiB, MiB or GiB, such as \
             64KiB",
        ),
        (
            ["--unix-mode", "0060"],
            "--unix-mode \"0060\": expected an octal mode from 0600 to 0777, such as 0660 (in a file with quotes: \
             \"0660\")",
        ),
        (
            ["--unix-group", "a b"],
            "--unix-group \"a b\": expected the name or the number of a group; or auto",
        ),
        (["--ipv6-only=maybe", "--shards=1"], "--ipv6-only \"maybe\": expected true or false"),
        (
            ["--access-log", "sdtout"],
            "--access-log \"sdtout\": expected stdout, stderr or a path such as /var/log/holdfast/access.log; or off",
        ),
        (
            ["--log", "=,="],
            "--log \"=,=\": expected error, warn, info, debug, trace, or a filter such as info,holdfast::shard=debug",
        ),
    ] {
        assert_eq!(refusal(&args, &[]), sentence);
    }
    let long = "x".repeat(2000);
    assert!(refusal(&["--echo-prefix", &long], &[]).ends_with("expected at most 1024 bytes, this has 2000"));
    let path = format!("unix:/{long}");
    assert!(refusal(&["--listen", &path], &[]).contains("the path of a Unix socket has at most 107 bytes"));
}

#[test]
fn an_octal_number_of_toml_is_no_other_mode_by_mistake() {
    for mode in ["0o600", "0o660", "0o666", "0o700", "0o770", "0o777"] {
        let refusal = refusal_of_file(&format!("unix-mode = {mode}"));
        assert!(refusal.contains("with quotes"), "{mode}: {refusal}");
    }
    for mode in ["660", "\"660\"", "\"0660\"", "\"0o660\""] {
        let file = file(&format!("unix-mode = {mode}"));
        assert_eq!(settings(&["--config", name(&file)], &[]).unix_mode, 0o660, "{mode}");
    }
}

#[test]
fn a_refusal_names_the_source_of_the_value() {
    assert_eq!(
        refusal(&[], &[("HOLDFAST_SHARDS", "x")]),
        "HOLDFAST_SHARDS=\"x\": expected a whole number from 1 to 512"
    );
    assert_eq!(
        refusal_of_file("shards = -1"),
        "shards = \"-1\" in FILE: expected a whole number from 1 to 512"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let missing = refusal(&["--config", "/nonexistent/holdfast.toml"], &[]);
    assert!(
        missing.starts_with("cannot read the settings file /nonexistent/holdfast.toml (config): "),
        "{missing}"
    );
    let broken = refusal_of_file("shards = 1\nbacklog = \n");
    assert!(broken.starts_with("FILE is not TOML, line 2: "), "{broken}");
    let twice = refusal_of_file("shards = 1\nshards = 2\n");
    assert!(twice.starts_with("FILE is not TOML, line 2: duplicate key"), "{twice}");
    assert_eq!(
        refusal_of_file("shards = 1.5"),
        "shards in FILE: expected text, a whole number, true or false, not this float"
    );
    assert_eq!(
        refusal_of_file("listen = [1]"),
        "listen in FILE: expected text, a whole number, true or false, not this array"
    );
}

#[test]
fn wrong_command_lines_are_refused_in_one_sentence() {
    for args in
        [&["--shards"][..], &["--shards", "1", "--shards", "2"], &["positional"], &["--print-settings=x"]]
    {
        let sentence = refusal(args, &[]);
        assert!(sentence.contains("holdfast --help"), "{sentence}");
    }
}

#[test]
fn impossible_combinations_are_refused_with_what_to_change() {
    for (args, parts) in [
        (&["--frame-bytes-max", "2MiB"][..], &["frame-bytes-max (2MiB)", "message-bytes-max (1MiB)"][..]),
        (
            &["--message-bytes-max", "2MiB"],
            &["outbox-bytes-max (2MiB)", "raise it to at least 2217326 bytes", "message-bytes-max (2MiB)"],
        ),
        (
            &["--shard-unacknowledged-bytes-max", "1023KiB"],
            &["shard-unacknowledged-bytes-max (1023KiB)", "message-bytes-max (1MiB)"],
        ),
        (
            &["--shard-outbox-bytes-max", "1MiB"],
            &["shard-outbox-bytes-max (1MiB)", "outbox-bytes-max (2MiB)"],
        ),
        (&["--pings-unanswered-max", "2"], &["ping-interval", "pings-unanswered-max to off"]),
        (
            &["--connection-age-max", "1m", "--connection-age-jitter", "2m"],
            &["connection-age-jitter (2m)", "connection-age-max (1m)"],
        ),
        (&["--proxy-protocol"], &["proxy-protocol is on", "trusted-proxies is empty"]),
        (
            &["--forwarded", "forwarded"],
            &["trusted-proxies is empty, so Forwarded would", "forwarded to off"],
        ),
        (&["--pool-bytes", "2KiB"], &["pool-bytes (2KiB)", "buffer-bytes (4KiB)"]),
        (
            &["--ping-interval", "30s", "--idle-timeout", "30s"],
            &["idle-timeout (30s)", "ping-interval (30s)"],
        ),
        (&["--drain-spread", "31s"], &["drain-spread (31s)", "drain-timeout (30s)"]),
        (
            &["--rate-policy", "close", "--bytes-per-second-max", "100KiB"],
            &["bytes-per-second-max (100KiB)", "rate-burst (10s)", "message-bytes-max (1MiB)", "wait"],
        ),
        (&["--shards", "4", "--connections-max", "3"], &["connections-max (3)", "shards is 4"]),
        (&["--listen", "127.0.0.1:9085"], &["admin (127.0.0.1:9085)", "listen (127.0.0.1:9085)"]),
        (&["--listen", "0.0.0.0:9085"], &["admin (127.0.0.1:9085)", "listen (0.0.0.0:9085)"]),
        (&["--listen", "[::]:9085"], &["admin (127.0.0.1:9085)", "listen ([::]:9085)"]),
        (&["--listen", "[::]:80,0.0.0.0:80"], &["[::]:80", "0.0.0.0:80", "ipv6-only"]),
        (&["--listen", "127.0.0.1:80,127.0.0.1:80"], &["127.0.0.1:80 and 127.0.0.1:80"]),
        (&["--listen", "unix:/a,unix:/a"], &["unix:/a and unix:/a"]),
    ] {
        let sentence = refusal(args, &[]);
        for part in parts {
            assert!(sentence.contains(part), "\"{part}\" in: {sentence}");
        }
    }
}

/// Flags of a node of a cluster at `url`, and more.
fn node<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["--hub=chat", "--anonymous", "--cluster-name=prod", "--cluster", url];
    flags.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_cluster_needs_a_hub_and_a_name_and_is_said_whole() {
    for (args, parts) in [
        (&["--cluster", "nats://127.0.0.1"][..], &["cluster is set", "there is no hub"][..]),
        (&["--hub=chat", "--anonymous", "--cluster", "nats://127.0.0.1"], &["cluster-name is not"]),
        (&["--cluster-name", "prod"], &["cluster-name is set but cluster is not", "alone"]),
        (&["--cluster-insecure"], &["cluster-insecure is set but cluster is not"]),
        (&["--cluster-name", "Prod"], &["expected 1 to 32 of a to z, 0 to 9 and -"]),
        (&["--cluster-away", "wait"], &["expected one of serve, refuse"]),
        (&["--cluster-ready", "never"], &["expected one of start, bus"]),
    ] {
        let sentence = refusal(args, &[]);
        for part in parts {
            assert!(sentence.contains(part), "\"{part}\" in: {sentence}");
        }
    }
    let longest = ["--message-bytes-max", "1MiB", "--cluster-queue-bytes"];
    let sentence = refusal(&node("nats://localhost", &[&longest[..], &["1114111"]].concat()), &[]);
    assert!(sentence.contains("cluster-queue-bytes (1114111)"), "{sentence}");
    settings(&node("nats://localhost", &[&longest[..], &["1114112"]].concat()), &[]);
}

#[test]
fn a_bus_beyond_this_machine_needs_tls_and_credentials() {
    for (args, parts) in [
        (node("nats://nats:4222", &[]), &["nats://nats:4222", "tls://", "cluster-insecure"][..]),
        (node("nats://127.0.0.1,nats://10.0.0.1", &["--cluster-credentials=/a"]), &["nats://10.0.0.1:4222"]),
        (node("tls://nats", &[]), &["cluster-credentials", "cluster-certificate", "cluster-insecure"]),
        (node("nats://127.0.0.1", &["--cluster-ca=/a"]), &["cluster-ca is set", "tls://"]),
        (
            node("nats://127.0.0.1", &["--cluster-certificate=/a,/b"]),
            &["cluster-certificate is set", "tls://"],
        ),
    ] {
        let sentence = refusal(&args, &[]);
        for part in parts {
            assert!(sentence.contains(part), "\"{part}\" in: {sentence}");
        }
    }
    for args in [
        node("tls://nats", &["--cluster-credentials=/a"]),
        node("tls://nats", &["--cluster-certificate=/a,/b", "--cluster-ca=/c"]),
        node("nats://nats,tls://nats", &["--cluster-insecure"]),
        node("nats://[::1],nats://127.0.0.2:1,nats://localhost", &[]),
    ] {
        settings(&args, &[]);
    }
}

#[test]
fn no_refusal_repeats_a_password_in_the_url_of_a_bus() {
    for url in ["nats://a:marker@127.0.0.1", "nats://a:mar,marker@b", "tls://a:b/marker@c", "marker@a"] {
        for sentence in [refusal(&["--cluster", url], &[]), refusal(&[], &[("HOLDFAST_CLUSTER", url)])] {
            assert!(!sentence.contains("mar"), "{sentence}");
        }
    }
    let sentence = refusal(&["--cluster", "nats://a:marker@127.0.0.1"], &[]);
    assert!(sentence.contains("cluster-credentials"), "{sentence}");
}

#[test]
fn a_cluster_is_one_where_it_is_named() {
    assert_eq!(Settings::default().cluster(), None);
    let given = settings(&node("tls://nats", &["--cluster-certificate=/a,/b", "--cluster-away=refuse"]), &[]);
    let cluster = Cluster {
        urls: vec!["tls://nats:4222".to_owned()],
        name: "prod".to_owned(),
        credentials: None,
        ca: None,
        certificate: Some(("/a".into(), "/b".into())),
        insecure: false,
        away: Away::Refuse,
        ready: ReadyWhen::Start,
        queue_bytes: 16 << 20,
    };
    assert_eq!(given.cluster(), Some(cluster));
}

#[test]
fn combinations_at_the_edge_are_taken() {
    for args in [
        &["--message-bytes-max", "1976978"][..],
        &["--listen", "[::]:80,0.0.0.0:80", "--ipv6-only"],
        &["--listen", "127.0.0.1:80,127.0.0.2:80,[::1]:80"],
        &["--listen", "127.0.0.1:0,127.0.0.1:0", "--admin", "127.0.0.1:0"],
        &["--listen", "0.0.0.0:9085", "--admin", "off"],
        &["--shards", "4", "--connections-max", "4"],
        &["--ping-interval", "30s", "--idle-timeout", "31s"],
        &["--pool-bytes", "16KiB"],
    ] {
        settings(args, &[]);
    }
}

#[test]
fn a_longer_echo_prefix_needs_a_larger_outbox() {
    let small = ["--message-bytes-max", "1000", "--buffer-bytes", "1KiB", "--outbox-bytes-max", "22763"];
    let exact = [&small[..], &["--echo-prefix"]].concat();
    settings(&[&exact[..], &["fourteen bytes"]].concat(), &[]);
    let sentence = refusal(&[&exact[..], &["fifteen bytes.."]].concat(), &[]);
    assert!(sentence.contains("at least 22991 bytes"), "{sentence}");
}

#[test]
fn the_largest_frame_follows_the_largest_message_unless_it_is_given() {
    let smaller = settings(&["--message-bytes-max", "64KiB"], &[]);
    assert_eq!((smaller.message_bytes_max, smaller.frame_bytes_max), (65_536, 65_536));
    let given = settings(&["--message-bytes-max", "64KiB", "--frame-bytes-max", "1KiB"], &[]);
    assert_eq!((given.message_bytes_max, given.frame_bytes_max), (65_536, 1024));
}

/// Where the example is, from this package's folder.
fn example_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/holdfast.example.toml")
}

#[test]
fn the_example_file_is_the_one_that_the_declarations_give() {
    let text = std::fs::read_to_string(example_file()).expect("deploy/holdfast.example.toml");
    assert!(
        text == holdfast::settings::example(),
        "deploy/holdfast.example.toml is out of date: cargo test -p holdfast --test settings -- --ignored writes it"
    );
}

#[test]
fn the_example_file_loads_to_the_defaults_and_mentions_every_setting() {
    let path = example_file();
    assert_eq!(settings(&["--config", path.to_str().expect("UTF-8")], &[]), Settings::default());
    let text = std::fs::read_to_string(&path).expect("deploy/holdfast.example.toml");
    for setting in declared() {
        let line = format!("{} = ", setting.key);
        let is_mentioned = text.lines().any(|other| other.trim_start_matches("# ").starts_with(&line));
        assert!(is_mentioned, "{}", setting.key);
    }
}

#[test]
#[ignore = "writes deploy/holdfast.example.toml anew"]
fn write_the_example_file() {
    std::fs::write(example_file(), holdfast::settings::example()).expect("written");
}

#[test]
fn the_table_in_markdown_has_a_row_for_each_setting() {
    let table = markdown_table(&declared());
    assert_eq!(table.lines().count(), declared().len() + 2);
    for setting in declared() {
        assert!(table.contains(&format!("| `{}` | ", setting.key)), "{}", setting.key);
    }
}
