//! The commands of the program: what they say, and how they end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

/// Runs the program: its exit code, what it printed, what it said.
fn run(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST_")) {
        command.env_remove(name);
    }
    let command = command.args(args).envs(env.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// The command line is wrong, or the settings are: one sentence, and exit code 2.
#[track_caller]
fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    let (code, printed, said) = run(args, env);
    assert_eq!((code, &*printed), (Some(2), ""), "{said}");
    let sentence = said.strip_prefix("holdfast: ").and_then(|said| said.strip_suffix('\n'));
    let sentence = sentence.unwrap_or_else(|| panic!("{said}"));
    assert!(!sentence.contains('\n'), "one line: {sentence}");
    sentence.to_owned()
}

fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn help_names_the_commands_and_each_explains_itself() {
    let (code, help, _) = run(&["--help"], &[]);
    assert_eq!(code, Some(0));
    for (name, parts) in [
        ("check", &["--hub", "--config", "--offline"][..]),
        ("drain", &["--no-wait", "--undo", "--admin-token-file", "--drain-timeout"]),
        ("health", &["--ready", "--admin", "--config"]),
        ("doctor", &["--json", "--config", "--connections-max"]),
        ("send", &["--group", "--json", "--access-key-file", "--ca", "TEXT|-"]),
        ("token", &["--role", "--minutes", "--endpoint"]),
    ] {
        let line = |line: &str| line.trim_start().starts_with(&format!("{name} "));
        assert!(help.lines().any(line), "{name} in {help}");
        let (code, help, _) = run(&[name, "--help"], &[]);
        assert_eq!(code, Some(0));
        assert!(help.contains(&format!("holdfast {name}")), "{help}");
        for part in parts {
            assert!(help.contains(part), "{part} in {help}");
        }
    }
}

#[test]
fn check_says_what_the_settings_make_of_hubs_and_ends_without_a_gateway() {
    let echo = "the settings are valid\nno hub: messages are echoed\n";
    assert_eq!(run(&["check"], &[]), (Some(0), echo.to_owned(), String::new()));
    let key = file("check-key", KEY);
    let text = format!(
        "access-key-file = \"{key}\"\n[hub.chat]\n[[hub.chat.handler]]\nurl = [\"http://a/?code=marker\", \
         \"http://b/\"]\n\
         [[hub.chat.handler]]\nurl = \"http://c/\"\nsystem-events = []\nuser-events = \"message\"\n\
         [hub.open]\nanonymous = true\n"
    );
    let said = "the settings are valid\nhub chat: one access key\n  http://a/?..., else http://b/: connect, connected, \
                disconnected, all user events\n  http://c/: user event message\nhub open: one access key, anonymous \
                clients\n  no service hears of its events\n";
    let settings = file("check-settings", &text);
    let offline = ["check", "--offline", "--config", &settings];
    assert_eq!(run(&offline, &[]), (Some(0), said.to_owned(), String::new()));
}

#[test]
fn check_says_what_cluster_it_is_a_node_of_and_asks_nats() {
    let key = file("cluster-key", KEY);
    // A port on which nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let url = format!("nats://{free}");
    let node = ["--hub", "chat", "--access-key-file", &key, "--cluster", &url, "--cluster-name", "prod"];
    let (code, said, _) = run(&[&["check", "--offline"], &node[..]].concat(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with(&format!("a node of cluster prod\n  {url} without credentials\n")), "{said}");
    let (code, printed, said) = run(&[&["check"], &node[..]].concat(), &[]);
    assert_eq!((code, &*printed), (Some(1), ""), "{said}");
    assert!(said.lines().any(|line| line.starts_with("cluster prod: ") && line.len() > 20), "{said}");
}

#[test]
fn check_asks_services_whether_they_want_events() {
    let key = file("reach-key", KEY);
    let willing = answering("HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n");
    let other = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let text =
        |url: &str| format!("access-key-file = \"{key}\"\n[hub.chat]\n[[hub.chat.handler]]\nurl = [{url}]\n");
    let settings = file("reach-settings", &text(&format!("\"http://{willing}/?code=marker\"")));
    let (code, said, _) = run(&["check", "--config", &settings], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with(&format!("hub chat: http://{willing}/: it wants events\n")), "{said}");
    let urls = format!("\"http://{willing}/\", \"http://{other}/\", \"http://127.0.0.1:1/\"");
    let settings = file("reach-settings-bad", &text(&urls));
    let (code, printed, said) = run(&["check", "--config", &settings], &[]);
    assert_eq!((code, &*printed), (Some(1), ""), "{said}");
    for line in [
        format!("hub chat: http://{willing}/: it wants events\n"),
        format!(
            "hub chat: http://{other}/: it answers OPTIONS with 404 and does not say that it wants events \
             (WebHook-Allowed-Origin)\n"
        ),
        "hub chat: http://127.0.0.1:1/: it cannot be connected to: ".to_owned(),
    ] {
        assert!(said.contains(&line), "{line} in {said}");
    }
    assert!(!said.contains("marker"), "{said}");
}

/// A service that answers each request with this.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).expect("written");
        }
    });
    address
}

#[test]
fn check_refuses_what_the_gateway_refuses() {
    let sentence = "--shards \"0\": expected a whole number from 1 to 512";
    assert_eq!(refusal(&["check", "--shards", "0"], &[]), sentence);
    assert_eq!(refusal(&["--shards", "0"], &[]), sentence);
    let unset = "hub chat has no access key and is not anonymous, so nobody could connect: set access-key-file, or set \
                 anonymous to true";
    assert_eq!(refusal(&["check"], &[("HOLDFAST_HUB", "chat")]), unset);
}

#[test]
fn wrong_commands_are_refused_in_one_sentence() {
    let short = file("short-key", "marker");
    for (args, sentence) in [
        (
            &["token", "--hub", "chat"][..],
            "there is no access key: give --access-key-file FILE, or set HOLDFAST_ACCESS_KEY",
        ),
        (
            &["token", "--hub", "a-b"],
            "invalid value 'a-b' for '--hub <NAME>': expected a hub's name: a letter, then at most \
             127 letters, digits and characters of _`,.[]: holdfast token --help explains each flag",
        ),
        (
            &["token", "--hubs", "chat"],
            "unknown flag --hubs: did you mean --hub? holdfast token --help lists them all",
        ),
        (
            &["token", "--hub", "chat", "--access-key", "marker"],
            "--access-key is no flag, since everybody on the machine sees flags: use --access-key-file, or the \
             variable HOLDFAST_ACCESS_KEY",
        ),
        (&["tokn"], "unrecognized subcommand 'tokn': holdfast --help explains each flag"),
    ] {
        assert_eq!(refusal(args, &[]), sentence);
    }
    let said = refusal(&["send", "--hub", "chat", "hello", "--access-key-file", &short], &[]);
    assert_eq!(said, format!("access-key-file {short}: expected a key of at least 32 bytes, this has 6"));
    let said = refusal(&["send", "--hub", "chat", "hello"], &[("HOLDFAST_ACCESS_KEY", "marker")]);
    assert_eq!(said, "HOLDFAST_ACCESS_KEY: expected a key of at least 32 bytes, this has 6");
    for args in [
        &["send", "--hub", "chat"][..],
        &["send", "hello"],
        &["send", "--hub", "chat", "--group", "a", "--user", "b", "hello"],
        &["token", "--hub", "chat", "--minutes", "0"],
        &["token", "--hub", "chat", "--endpoint", "ws://a"],
        &["--hub", "chat", "token"],
    ] {
        let said = refusal(args, &[("HOLDFAST_ACCESS_KEY", KEY)]);
        assert!(said.contains(" --help explains each flag"), "{args:?}: {said}");
    }
}
