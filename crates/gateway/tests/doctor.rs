//! `holdfast doctor` on this host: it says what the gateway says, under the same limits, and what to change.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdfast::settings::DriverChoice;
use rig::cgroup::Cgroup;
use rig::process::{Process, between, command, name};
use serde_json::Value;

on_every_rung!(
    it_says_what_the_start_line_says,
    with_fewer_descriptors_it_says_so_and_names_the_line,
    in_a_cgroup_it_says_so_and_names_the_line,
);

/// The doctor, for a gateway with these flags.
fn doctor(flags: &[&str]) -> Command {
    let gateway = command(flags);
    let mut doctor = Command::new(gateway.get_program());
    doctor.arg("doctor").args(gateway.get_args()).env_clear().stdin(Stdio::null());
    doctor
}

/// The same program in a shell that has done this before.
fn after(first: &str, inner: &Command) -> Command {
    let words = std::iter::once(inner.get_program()).chain(inner.get_args()).map(OsString::from);
    let mut outer = Command::new("/bin/sh");
    outer.args(["-c", &format!("{first} && exec \"$@\""), "sh"]).args(words).env_clear();
    outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    outer
}

/// Its exit code, what it printed, what it said.
fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// What it prints as JSON; it finds no problem.
#[track_caller]
fn json(command: &mut Command) -> Value {
    let (code, printed, said) = output(command);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[track_caller]
fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["findings"].as_array().expect("findings");
    all.iter().find(|finding| finding["name"] == name).unwrap_or_else(|| panic!("{name} in {report}"))
}

/// The lines that change it, by where they go.
fn lines(finding: &Value, place: &str) -> Vec<String> {
    let all = finding["change"].as_array().expect("changes").iter();
    all.filter(|change| change["place"] == place).map(|it| it["line"].as_str().unwrap().to_owned()).collect()
}

/// Begins as the report does, in the text and in its JSON.
#[track_caller]
fn check_that_it_agrees(start_line: &str, text: &str, report: &Value) {
    assert_eq!(text.lines().next(), Some(start_line.trim_end()));
    let room = &report["room"];
    let promised = format!(
        "driver {} · {} shards · room for {} connections ({})\n",
        report["driver"]["description"].as_str().unwrap(),
        report["shards"],
        room["connections"],
        room["binding"].as_str().unwrap()
    );
    assert!(start_line.ends_with(&promised), "{promised} and {start_line}");
}

fn it_says_what_the_start_line_says(rung: DriverChoice) {
    for more in [&[][..], &["--connections-max", "123"], &["--listen", "127.0.0.1:0", "--deflate"]] {
        let flags = [&["--driver", name(rung), "--shards", "3"], more].concat();
        let process = Process::start(&flags);
        let report = json(doctor(&flags).arg("--json"));
        let (code, text, said) = output(&mut doctor(&flags));
        assert_eq!((code, said.as_str()), (Some(0), ""));
        check_that_it_agrees(&process.lines[0], &text, &report);
        for finding in report["findings"].as_array().unwrap() {
            let line =
                format!("{:8} {}: ", finding["state"].as_str().unwrap(), finding["name"].as_str().unwrap());
            assert!(text.contains(&format!("\n{line}")), "{line} in {text}");
        }
    }
}

fn with_fewer_descriptors_it_says_so_and_names_the_line(rung: DriverChoice) {
    let flags = ["--driver", name(rung), "--shards", "2"];
    let few = "ulimit -n 400";
    let process = Process::of(&mut after(few, &command(&flags)));
    let report = json(&mut after(few, doctor(&flags).arg("--json")));
    let (_, text, _) = output(&mut after(few, &doctor(&flags)));
    check_that_it_agrees(&process.lines[0], &text, &report);
    assert_eq!(report["room"]["binding"], "descriptor limit");
    assert_eq!(report["bounds"][0]["name"], "descriptor limit");
    assert_eq!(report["bounds"][0]["connections"], report["room"]["connections"]);
    let finding = finding(&report, "descriptor_limit");
    assert_eq!(finding["state"], "warning");
    let unit = lines(finding, "systemd").remove(0);
    let wanted: u64 = unit.strip_prefix("LimitNOFILE=").unwrap().parse().unwrap();
    assert_eq!(lines(finding, "docker"), [format!("--ulimit nofile={wanted}:{wanted}")]);
    assert!(text.contains(&format!("\n           systemd    {unit}\n")), "{text}");
    // With twice as many, more fit: the limit is what bound.
    let more = json(&mut after("ulimit -n 800", doctor(&flags).arg("--json")));
    assert!(more["room"]["connections"].as_u64() > report["room"]["connections"].as_u64(), "{more}");
}

fn in_a_cgroup_it_says_so_and_names_the_line(rung: DriverChoice) {
    let Some(group) = Cgroup::new(64) else { return };
    let flags = ["--driver", name(rung), "--shards", "2"];
    let enter = format!("echo $$ >{}/cgroup.procs", group.inner().display());
    let process = Process::of(&mut after(&enter, &command(&flags)));
    let report = json(&mut after(&enter, doctor(&flags).arg("--json")));
    let (_, text, _) = output(&mut after(&enter, &doctor(&flags)));
    check_that_it_agrees(&process.lines[0], &text, &report);
    assert_eq!(report["room"]["binding"], "memory");
    let finding = finding(&report, "memory");
    assert_eq!(finding["state"], "note");
    let found = finding["found"].as_str().unwrap();
    assert!(
        found.starts_with(&format!("memory 64 MiB (cgroup version {}", 2 - u8::from(group.is_v1))),
        "{found}"
    );
    assert!(lines(finding, "systemd")[0].starts_with("MemoryMax="), "{finding}");
    assert!(lines(finding, "kubernetes")[0].starts_with("resources.limits.memory: "), "{finding}");
}

#[test]
fn with_hardly_any_descriptors_it_ends_with_1_and_reports_all_the_same() {
    let few = "ulimit -n 70";
    let flags = ["--driver", "epoll", "--shards", "2"];
    let (code, printed, said) = output(&mut after(few, doctor(&flags).arg("--json")));
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said, "holdfast: a gateway with these settings does not work here: descriptor_limit\n");
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["state"], &report["room"]), (&Value::from("problem"), &Value::Null));
    assert!(!lines(finding(&report, "descriptor_limit"), "systemd").is_empty());
    // A gateway does not start either.
    assert_eq!(output(&mut after(few, &command(&flags))).0, Some(1));
}

/// Has the kernel refuse io_uring_setup to what it becomes.
const FILTER: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = struct.pack("HBBI", 0x20, 0, 0, 0)
is_setup = struct.pack("HBBI", 0x15, 0, 1, 425)
refuse = struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | 1)
allow = struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(number + is_setup + refuse + allow)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_filter_that_forbids_io_uring_is_found_and_so_is_the_way_out() {
    if !rig::is_available(DriverChoice::Uring) {
        return;
    }
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED: there is no python3 here, which makes the filter");
        return;
    }
    let filtered = |inner: &Command| {
        let mut outer = Command::new("python3");
        outer.args(["-c", FILTER]).arg(inner.get_program()).args(inner.get_args());
        outer.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        outer
    };
    let report = json(&mut filtered(doctor(&["--shards", "2"]).arg("--json")));
    assert_eq!(report["driver"]["name"], "epoll");
    let found = finding(&report, "io_uring");
    assert_eq!((&found["state"], lines(found, "docker").len()), (&Value::from("warning"), 1), "{found}");
    assert!(found["found"].as_str().unwrap().contains("seccomp"), "{found}");
    let process = Process::of(&mut filtered(&command(&["--shards", "2"])));
    let (_, text, _) = output(&mut filtered(&doctor(&["--shards", "2"])));
    check_that_it_agrees(&process.lines[0], &text, &report);
    let (code, printed, said) = output(&mut filtered(&doctor(&["--driver", "uring"])));
    assert_eq!(code, Some(1), "{printed}");
    assert!(said.ends_with(": io_uring\n") && printed.contains("problem  io_uring: "), "{said}{printed}");
}

#[test]
fn in_a_network_namespace_each_sysctl_is_found_and_the_line_for_it_does_it() {
    if !Command::new("unshare").args(["--net", "true"]).output().is_ok_and(|it| it.status.success()) {
        println!("SKIPPED: no network namespace can be made here");
        return;
    }
    let apart = |settings: &[(String, String)]| {
        let write = |(name, value): &(String, String)| {
            format!("echo {value} >/proc/sys/{} && ", name.replace('.', "/"))
        };
        let script = settings.iter().map(write).collect::<String>() + "exec \"$@\"";
        let inner = doctor(&["--shards", "2", "--json"]);
        let mut outer = Command::new("unshare");
        outer.args(["--net", "/bin/sh", "-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
        json(outer.env_remove("HOLDFAST_LISTEN").stdin(Stdio::null()))
    };
    for (name, bad, value, state) in [
        ("accept_queue", "net.core.somaxconn", "100", "warning"),
        ("syn_queue", "net.ipv4.tcp_syncookies", "0", "warning"),
        ("send_buffers", "net.ipv4.tcp_wmem", "4096 16384 33554432", "note"),
    ] {
        let altered = (bad.to_owned(), value.to_owned());
        let report = apart(std::slice::from_ref(&altered));
        let found = finding(&report, name);
        assert_eq!(found["state"], state, "{found}");
        let line = lines(found, "sysctl").remove(0);
        let (sysctl, better) = line.split_once(" = ").expect("a line of sysctl.conf");
        let report = apart(&[altered, (sysctl.to_owned(), better.to_owned())]);
        assert_eq!(finding(&report, name)["state"], "ok", "{line}: {report}");
        let all = report["findings"].as_array().unwrap();
        assert!(all.iter().all(|it| it["name"] != "tcp_memory"), "only the host's own namespace shows that");
    }
}

#[test]
fn it_refuses_what_the_gateway_refuses() {
    let (code, printed, said) = output(&mut doctor(&["--shards", "0"]));
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert_eq!(said, "holdfast: --shards \"0\": expected a whole number from 1 to 512\n");
}

#[test]
fn it_shows_neither_keys_nor_what_stands_in_a_url() {
    let at = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (key, token, settings) = (at("doctor-key"), at("doctor-token"), at("doctor-settings"));
    std::fs::write(&key, "marker-0123456789abcdefghijklmnopqrstuv").unwrap();
    std::fs::write(&token, "marker-0123456789abcdefghijklmnopqrstuv").unwrap();
    let text = format!(
        "admin-token-file = \"{}\"\naccess-key-file = \"{}\"\n[hub.chat]\n[[hub.chat.handler]]\n\
         url = \"http://127.0.0.1:1/marker?code=marker\"\n",
        token.display(),
        key.display()
    );
    std::fs::write(&settings, text).unwrap();
    let flags = ["--config", settings.to_str().unwrap()];
    for more in [&[][..], &["--json"]] {
        let (code, printed, said) = output(doctor(&flags).args(more));
        assert_eq!(code, Some(0), "{said}");
        assert!(!printed.contains("marker") && !said.contains("marker"), "{printed}{said}");
    }
}

fn page() -> String {
    let page: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    std::fs::read_to_string(page).expect("docs/doctor.md")
}

#[test]
fn the_page_has_every_field() {
    let text = page();
    let report = json(doctor(&["--connections-max", "10"]).arg("--json"));
    let of_one = report["findings"][0].as_object().unwrap();
    for field in report.as_object().unwrap().keys().chain(of_one.keys()) {
        assert!(text.contains(&format!("`{field}`")), "the field {field}");
    }
}

/// What this host prints is built as the page's example is.
#[test]
fn the_pages_example_looks_like_what_is_printed() {
    let text = page();
    let example: Vec<_> = between(&text, "$ holdfast doctor\n", "```").lines().collect();
    let (code, printed, _) = output(&mut doctor(&[]));
    assert_eq!(code, Some(0), "{printed}");
    for lines in [example, printed.lines().collect()] {
        assert!(lines[0].starts_with("holdfast ") && lines[0].contains(" · room for "), "{}", lines[0]);
        assert!(lines[1].starts_with("what binds, the lowest first: "), "{}", lines[1]);
        assert_eq!(lines[2], "");
        for line in &lines[3..] {
            let (state, rest) = line.split_at_checked(9).unwrap_or((line, ""));
            match state.trim_end() {
                "" if rest.starts_with("  ") => {
                    let place = rest.split_whitespace().next().unwrap();
                    let places = ["systemd", "Docker", "Kubernetes", "sysctl", "settings"];
                    assert!(places.contains(&place), "{line}");
                }
                "" => assert!(rest.ends_with('.'), "a sentence: {line}"),
                "warning" | "note" | "ok" => {
                    let name = rest.split(": ").next().unwrap();
                    assert!(text.contains(&format!("\n| `{name}` |")), "{name} in the page's table");
                }
                _ => panic!("{line}"),
            }
        }
    }
}
