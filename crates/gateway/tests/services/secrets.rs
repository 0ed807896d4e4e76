//! Secrets: with every line logged and everything broken on purpose, none of them is seen anywhere.

use std::fmt::Write as _;

use holdfast::settings::DriverChoice;
use rustix::process::Signal;

use super::house::{House, JSON, KEY, SECOND_KEY, Token, chat, errors_to, member, now_s, rest, upgrade};
use super::service::{Answer, Service};
use crate::on_every_rung;
use crate::rig::process::{command, get};
use crate::rig::{peer::request_with, wait_until};

on_every_rung!(secrets_are_seen_nowhere);

/// In everything that is secret here.
const MARKERS: [&str; 8] = [
    KEY,
    SECOND_KEY,
    "MARKERcode",
    "MARKERheader",
    "MARKERpassword",
    "MARKERcookie",
    "MARKERtoken",
    "MARKERkey-0123456789abcdefghijklmnop",
];

fn secrets_are_seen_nowhere(rung: DriverChoice) {
    let service = Service::start(|heard| match heard.header("ce-userId") {
        "cut" => Answer::Cut,
        "500" => Answer::status(500, "MARKERtoken"),
        "nonsense" => Answer::json("MARKERtoken"),
        _ => Answer::ok(),
    });
    let hubs = chat(&service, "upstream-timeout = \"300ms\"").replace("/events", "/events?code=MARKERcode");
    let headers = r#"{ x-key = "MARKERheader", authorization = "Basic MARKERpassword" }"#;
    let hubs = format!("{hubs}headers = {headers}\n");
    let first = "log = \"trace\"\naccess-log = \"@/access\"";
    let house = House::start(rung, first, &hubs, |folder, command| errors_to(folder, command, "errors"));
    let mut seen = String::new();

    // Who talks as they should: tokens in the query, in headers, beside cookies.
    let mut tokens = vec![member()];
    for user in ["ann", "cut", "500", "nonsense"] {
        let token = Token { user: Some(user), ..Token::default() }.sign();
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &token, &format!("{JSON}Cookie: a=MARKERcookie\r\n")));
        let response = peer.read_response();
        let _ = writeln!(seen, "{response:?}");
        if response.status != 101 {
            let _ = writeln!(seen, "{:?}", super::house::read_body(&mut peer, response));
        }
        tokens.push(token);
    }
    let heard = &service.wait_for("sys.connect", 1)[0];
    assert_eq!((heard.header("x-key"), heard.target.contains("code=MARKERcode")), ("MARKERheader", true));
    let mut asks = house.rest();
    asks.send(&rest("POST", "hubs/chat/:send", "Cookie: a=MARKERcookie\r\n", "hello"));
    let _ = writeln!(seen, "{:?}", asks.read("POST"));

    // Who does not.
    let expired = Token { expires_s: now_s() - 9999, ..Token::default() }.sign();
    for token in [expired.as_str(), "MARKERtoken", "MARKERtoken.MARKERtoken.MARKERtoken"] {
        for target in ["/client/hubs/chat", "/client/hubs/none", "/else", "/client/hubs/chat%"] {
            for lines in [String::new(), format!("Authorization: Bearer {token}\r\nCookie: MARKERcookie\r\n")]
            {
                let refusal = house.refusal(&format!("{target}?access_token={token}"), &lines);
                let _ = writeln!(seen, "{refusal:?}");
            }
        }
        tokens.push(token.to_owned());
        for (method, target) in [
            ("POST", "/api/hubs/chat/:send"),
            ("POST", "/api/hubs/none/:send"),
            ("PATCH", "/api/MARKERless"),
            ("GET", "/api/hubs/chat/:send?access_token=MARKERtoken"),
            ("DELETE", "/api/hubs/chat/connections/x?reason=%zz&access_token=MARKERtoken"),
            ("GET", "/else?access_token=MARKERtoken"),
        ] {
            let mut asks = house.rest();
            asks.send(
                format!(
                    "{method} {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
                     Cookie: MARKERcookie\r\nContent-Length: 0\r\n\r\n"
                )
                .as_bytes(),
            );
            let _ = writeln!(seen, "{:?}", asks.read(method));
        }
    }
    for broken in [
        "GET /client/hubs/chat?access_token=MARKERtoken HTTP/1.1\r\nAuthorization MARKERtoken\r\n\r\n",
        "GET /client/hubs/chat?access_token=MARKERtoken with space HTTP/1.1\r\n\r\n",
        "POST /api/hubs/chat/:send HTTP/1.1\r\nHost: test\r\nAuthorization : MARKERtoken\r\n\r\n",
        "MARKERtoken\r\n\r\n",
    ] {
        let mut peer = house.peer();
        peer.send(broken.as_bytes());
        let response = peer.read_response();
        let _ = writeln!(seen, "{:?}", super::house::read_body(&mut peer, response));
    }

    // The service goes away, and settings break.
    drop(service);
    let mut peer = house.peer();
    peer.send(&request_with(&format!("/client/hubs/chat?access_token={}", tokens[0]), ""));
    let response = peer.read_response();
    let _ = writeln!(seen, "{:?}", super::house::read_body(&mut peer, response));
    let said = || std::fs::read_to_string(house.path("errors")).unwrap();
    let text = std::fs::read_to_string(house.path("settings")).unwrap();
    for (count, (file, broken)) in [
        ("second", "MARKERtoken".to_owned()),
        (
            "settings",
            text.replace("access-key-file", "access-key = \"MARKERkey-0123456789abcdefghijklmnop\"\nx"),
        ),
        ("settings", text.replace("code=MARKERcode", "code=MARKERcode{nothing}")),
        ("settings", text.replace("\"MARKERheader\"", "\"MARKERheader\\u0001\"")),
        ("settings", text.replace("http://", "ftp://")),
        ("settings", text.replace("http://", "http://user:MARKERpassword@")),
    ]
    .iter()
    .enumerate()
    {
        house.write(file, broken);
        house.process.signal(Signal::HUP);
        wait_until(&format!("this is refused: {broken}"), || {
            said().matches("hubs stay as they were").count() > count
        });
        let path = house.path("settings");
        for more in [&["--print-settings"][..], &[]] {
            let flags = [&["--config", path.to_str().unwrap()], more].concat();
            if more.is_empty() && *file == "second" {
                continue;
            }
            let output = command(&flags).output().unwrap();
            seen += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
        }
        house.write("settings", &text);
        house.write("second", SECOND_KEY);
    }
    let path = house.path("settings");
    let printed = command(&["--config", path.to_str().unwrap(), "--print-settings"]).output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    seen += &String::from_utf8(printed.stdout).unwrap();
    for route in ["/metrics", "/readyz", "/healthz", "/"] {
        seen += &get(house.process.admin, route);
    }
    drop((peer, asks));
    house.process.signal(Signal::INT);
    let access = house.path("access");
    let errors = house.path("errors");
    let House { mut process, folder } = house;
    process.code();
    let log = std::fs::read_to_string(errors).unwrap();
    assert!(log.contains("DEBUG"), "everything is logged: {log}");
    seen += &log;
    seen += &std::fs::read_to_string(access).unwrap();
    drop(folder);

    for marker in MARKERS {
        assert_unseen(&seen, marker);
    }
    for token in &tokens {
        // Any third of it would do.
        for part in token.split('.').filter(|part| part.len() > 8) {
            // What says only which algorithm it is, all tokens share.
            if !token.starts_with(part) {
                assert_unseen(&seen, part);
            }
        }
    }
}

#[track_caller]
fn assert_unseen(seen: &str, secret: &str) {
    if let Some(at) = seen.find(secret) {
        let start = seen[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = seen[at..].find('\n').map_or(seen.len(), |end| at + end);
        panic!("{secret} in {:?}", &seen[start..end]);
    }
}
