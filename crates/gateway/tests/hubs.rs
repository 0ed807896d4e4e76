//! Settings of hubs as an operator meets them: by flags one, by the file any number; keys; what is read again.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use holdfast::Echo;
use holdfast::settings::{
    Action, Declared, DefaultSort, HandlerSettings, HeaderSource, HeaderValue, Hub, HubSettings,
    IdentitySettings, ListenerSettings, Secret, Settings, SettingsError, SlowService, Sources, SystemEvent,
    UserEvents, handler_declared, hub_declared, identity_declared, listener_declared, load_for, load_hubs,
};
use tempfile::TempDir;

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";
const OTHER: &str = "zyxwvutsrqponmlkjihgfedcba9876543210";
const SECOND: Duration = Duration::from_secs(1);

/// A folder with a settings file and keys, which settings name as `@/key`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("key", &format!("{KEY}\n"));
        folder.write("other", OTHER);
        folder
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    fn write(&self, name: &str, text: &str) {
        let text = text.replace("@/", &format!("{}/", self.path()));
        std::fs::write(self.0.path().join(name), text).expect("written");
    }

    fn load(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Action, SettingsError> {
        let args = args.iter().map(|arg| arg.replace("@/", &format!("{}/", self.path())));
        let args = std::iter::once("holdfast".to_owned()).chain(args).map(OsString::from);
        let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        load_for(args, env, Echo::answers)
    }

    #[track_caller]
    fn run(&self, args: &[&str], env: &[(&str, &str)]) -> (Settings, Sources) {
        match self.load(args, env) {
            Ok(Action::Run(settings, sources)) => (*settings, *sources),
            other => panic!("{args:?} {env:?}: {other:?}"),
        }
    }

    #[track_caller]
    fn printed(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        match self.load(&[args, &["--print-settings"]].concat(), env) {
            Ok(Action::Print(text)) => text,
            other => panic!("{args:?} {env:?}: {other:?}"),
        }
    }

    #[track_caller]
    fn refusal(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let sentence = self.load(args, env).expect_err("refused").to_string();
        assert!(!sentence.contains('\n'), "one line: {sentence}");
        sentence.replace(self.path(), "@")
    }

    /// The settings of a file.
    #[track_caller]
    fn of_file(&self, text: &str) -> Settings {
        self.write("file", text);
        self.run(&["--config", "@/file"], &[]).0
    }

    #[track_caller]
    fn refusal_of_file(&self, text: &str) -> String {
        self.write("file", text);
        self.refusal(&["--config", "@/file"], &[])
    }
}

fn keys(hub: &Hub) -> Vec<&str> {
    hub.keys.iter().map(Secret::expose).collect()
}

#[test]
fn one_hub_comes_by_flags_with_its_service_and_its_keys() {
    let folder = Folder::new();
    let flags = ["--hub", "chat", "--upstream", "http://127.0.0.1:3000/events", "--access-key-file", "@/key"];
    let more = ["--upstream", "unix:/run/s:/{event}", "--access-key-file", "@/other", "--anonymous"];
    let (settings, _) = folder.run(&[&flags[..], &more[..]].concat(), &[]);
    let [hub] = &settings.hubs[..] else { panic!("{settings:?}") };
    assert_eq!((&*hub.name, keys(hub)), ("chat", vec![KEY, OTHER]));
    assert_eq!(hub.settings, HubSettings { anonymous: true, ..HubSettings::default() });
    let [handler] = &hub.handlers[..] else { panic!("{hub:?}") };
    let urls: Vec<_> = handler.settings.url.iter().map(|url| url.as_str()).collect();
    assert_eq!(urls, ["http://127.0.0.1:3000/events", "unix:/run/s:/{event}"]);
    let others = HandlerSettings { url: handler.settings.url.clone(), ..HandlerSettings::default() };
    assert_eq!(handler.settings, others, "it hears of everything");
}

#[test]
fn any_number_of_hubs_come_by_the_file() {
    let folder = Folder::new();
    folder.write("code", "from a file\n");
    let settings = folder.of_file(&format!(
        r#"
        access-key-file = "@/key"
        [hub.chat]
        [hub."a.b"]
        access-key = "{OTHER}"
        access-key-secondary = "{KEY}"
        anonymous = true
        connects-waiting-max = 1
        events-under-way-max = 2
        events-waiting-max = 3
        slow-service = "close"
        upstream-timeout = "4s"
        upstream-ca = "/ca.pem"
        dead-letters = "/dead"
        [[hub."a.b".handler]]
        url = ["http://127.0.0.1:1/{{hub}}", "http://127.0.0.1:2/"]
        system-events = ["connect"]
        user-events = ["Message", "room.join"]
        headers = {{ X-Key = "text, with a comma", b = {{ file = "@/code" }} }}
        [[hub."a.b".handler]]
        url = "unix:/run/s"
        system-events = []
        "#
    ));
    let [first, second] = &settings.hubs[..] else { panic!("{settings:?}") };
    let (dotted, chat) = if first.name == "chat" { (second, first) } else { (first, second) };
    assert_eq!((&*chat.name, keys(chat), chat.handlers.len()), ("chat", vec![KEY], 0));
    assert_eq!(chat.settings, HubSettings::default());

    assert_eq!((&*dotted.name, keys(dotted)), ("a.b", vec![OTHER, KEY]));
    let expected = HubSettings {
        access_key: Some(Secret::new(OTHER)),
        access_key_secondary: Some(Secret::new(KEY)),
        anonymous: true,
        connects_waiting_max: 1,
        events_under_way_max: 2,
        events_waiting_max: 3,
        slow_service: SlowService::Close,
        upstream_timeout: 4 * SECOND,
        upstream_ca: Some("/ca.pem".into()),
        dead_letters: Some("/dead".into()),
        ..HubSettings::default()
    };
    assert_eq!(dotted.settings, expected);
    let [one, two] = &dotted.handlers[..] else { panic!("{dotted:?}") };
    assert_eq!(one.settings.url.len(), 2);
    assert_eq!(one.settings.system_events, [SystemEvent::Connect]);
    assert_eq!(one.settings.user_events, UserEvents::Named(vec!["message".into(), "room.join".into()]));
    let file = HeaderValue::File(Path::new(folder.path()).join("code"));
    assert!(one.settings.headers.contains(&HeaderSource { name: "b".into(), value: file }));
    let mut headers: Vec<_> =
        one.headers.iter().map(|header| (&*header.name, header.value.expose())).collect();
    headers.sort_unstable();
    assert_eq!(headers, [("b", "from a file"), ("x-key", "text, with a comma")]);
    assert_eq!((&two.settings.system_events[..], &two.settings.user_events), (&[][..], &UserEvents::All));
}

#[test]
fn keys_come_from_files_the_environment_or_the_settings_file_and_those_of_a_hub_are_its_own() {
    let folder = Folder::new();
    let hub = ["--hub", "chat"];
    let of = |args: &[&str], env: &[(&str, &str)]| {
        let (settings, _) = folder.run(&[&hub[..], args].concat(), env);
        keys(&settings.hubs[0]).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of(&[], &[("HOLDFAST_ACCESS_KEY", KEY)]), [KEY]);
    let both = [("HOLDFAST_ACCESS_KEY", KEY), ("HOLDFAST_ACCESS_KEY_SECONDARY", OTHER)];
    assert_eq!(of(&[], &both), [KEY, OTHER]);
    let files = format!("{0}/other,{0}/key", folder.path());
    assert_eq!(of(&[], &[("HOLDFAST_ACCESS_KEY_FILE", &files)]), [OTHER, KEY]);
    folder.write("file", &format!("hub = \"chat\"\naccess-key = \"{KEY}\""));
    assert_eq!(of(&["--config", "@/file"], &[]), [KEY]);

    let settings = folder.of_file(&format!(
        "access-key-file = [\"@/key\", \"@/other\"]\n[hub.a]\naccess-key = \"{OTHER}\"\n[hub.b]\n"
    ));
    assert_eq!(settings.hubs.iter().map(keys).collect::<Vec<_>>(), [vec![OTHER], vec![KEY, OTHER]]);
}

#[test]
fn keys_that_cannot_be_are_refused_and_not_repeated() {
    let folder = Folder::new();
    folder.write("short", "marker");
    folder.write("three", "hub = \"chat\"\naccess-key-file = [\"@/key\", \"@/other\", \"@/key\"]");
    let hub = ["--hub", "chat"];
    for (args, env, sentence) in [
        (
            &[][..],
            &[][..],
            "hub chat has no access key and is not anonymous, so nobody could connect: set access-key-file, or set \
             anonymous to true",
        ),
        (
            &["--access-key-file", "@/short"],
            &[],
            "access-key-file @/short: expected a key of at least 32 bytes, this has 6",
        ),
        (
            &[],
            &[("HOLDFAST_ACCESS_KEY", "marker")],
            "HOLDFAST_ACCESS_KEY: expected a key of at least 32 bytes, this has 6; or off",
        ),
        (
            &[],
            &[("HOLDFAST_ACCESS_KEY_SECONDARY", KEY)],
            "access-key-secondary is set for all hubs but access-key is not: set that first",
        ),
        (
            &["--access-key-file", "@/key"],
            &[("HOLDFAST_ACCESS_KEY", KEY)],
            "access-key and access-key-file are both set for all hubs: remove one of them",
        ),
        (
            &["--access-key", "marker"],
            &[],
            "--access-key is no flag, since everybody on the machine sees flags: use --access-key-file, or the \
             variable HOLDFAST_ACCESS_KEY",
        ),
        (
            &["--access-key-secondary=marker"],
            &[],
            "--access-key-secondary is no flag, since everybody on the machine sees flags: use --access-key-file, or \
             the variable HOLDFAST_ACCESS_KEY",
        ),
    ] {
        assert_eq!(folder.refusal(&[&hub[..], args].concat(), env), sentence);
    }
    assert_eq!(
        folder.refusal(&["--config", "@/three"], &[]),
        "access-key-file names 3 files for all hubs, but there are two keys at most, primary and secondary: remove \
         the others"
    );
    let missing = folder.refusal(&["--hub", "chat", "--access-key-file", "@/missing"], &[]);
    assert!(missing.starts_with("cannot read access-key-file @/missing: No such file"), "{missing}");
    let unquoted = folder.refusal_of_file(&format!("access-key = marker{KEY}"));
    assert!(
        unquoted.starts_with("@/file is not TOML, line 1: ") && !unquoted.contains("marker"),
        "{unquoted}"
    );
}

#[test]
fn what_hubs_cannot_be_is_said_with_its_place() {
    let folder = Folder::new();
    let handler = "[hub.chat]\nanonymous = true\n[[hub.chat.handler]]\nurl = \"http://a/\"\n";
    let listener = "[hub.chat]\nanonymous = true\n[[hub.chat.listener]]\nurl = \"nats://a/b\"\n";
    for (text, sentence) in [
        (
            "[hub.9x]\nanonymous = true",
            "[hub.9x] in @/file: expected a hub's name: a letter, then at most 127 letters, digits and characters of \
             _`,.[]",
        ),
        ("[hub]\nchat = 5", "[hub.chat] in @/file: expected a table, not this integer"),
        ("hub = [\"a\", \"b\"]", "hub in @/file: expected one value, not a list"),
        (
            "[hub.chat]\nanonymus = true",
            "unknown setting anonymus in [hub.chat] in @/file: did you mean anonymous? docs/settings.md lists them all",
        ),
        (
            "[hub.chat]\nhandlers = []",
            "unknown setting handlers in [hub.chat] in @/file: did you mean handler? docs/settings.md lists them all",
        ),
        (
            "[hub.chat]\nhandler = 1",
            "handler of [hub.chat] in @/file: expected tables [[hub.chat.handler]], not this integer",
        ),
        (
            "[hub.chat]\nanonymous = true\nevents-waiting-max = 0",
            "events-waiting-max = \"0\" in [hub.chat] in @/file: expected a whole number from 1 to 16777216",
        ),
        (
            "[hub.chat]\nslow-service = \"drop\"",
            "slow-service = \"drop\" in [hub.chat] in @/file: expected one of wait, close",
        ),
        (
            "[hub.chat]\nupstream-timeout = 1.5",
            "upstream-timeout in [hub.chat] in @/file: expected text, a whole number, true or false, not this float",
        ),
        (
            "[hub.chat]\ndead-letters = \"dead\"",
            "dead-letters = \"dead\" in [hub.chat] in @/file: expected a path such as /var/lib/holdfast/dead-letters; \
             or off",
        ),
        (
            "[hub.chat]\naccess-key = \"marker\"",
            "access-key in [hub.chat] in @/file: expected a key of at least 32 bytes, this has 6; or off",
        ),
        (
            "[hub.chat]\n[[hub.chat.handler]]\nuser-events = \"*\"",
            "url is missing in [[hub.chat.handler]] in @/file: set it to where the service listens",
        ),
        ("[hub.chat]\nidentity = 1", "[hub.chat.identity] in @/file: expected one table, not this integer"),
        (
            "[hub.chat.identity]\nissuer = \"https://id\"\naudience = \"a\"",
            "keys is missing in [hub.chat.identity] in @/file: set it to where the provider publishes its keys",
        ),
        (
            "[hub.chat.identity]\nkeys = \"/keys\"\naudience = \"a\"",
            "issuer is missing in [hub.chat.identity] in @/file: set it to what its tokens have as iss",
        ),
        (
            "[hub.chat.identity]\nkeys = \"/keys\"\nissuer = \"https://id\"",
            "audience is missing in [hub.chat.identity] in @/file: set it to what its tokens for this hub have as aud",
        ),
        (
            "[hub.chat.identity]\nkeys = \"http://id.example/marker\"",
            "keys in [hub.chat.identity] in @/file: over http only this machine is asked (127.0.0.1, [::1]): write \
             https://",
        ),
        (
            "[hub.chat.identity]\nkeys = \"https://a:marker@id.example/\"",
            "keys in [hub.chat.identity] in @/file: expected no name and password in a URL",
        ),
        (
            "[hub.chat.identity]\nissuer = \"\"",
            "issuer = \"\" in [hub.chat.identity] in @/file: expected one line of 1 to 1024 bytes",
        ),
        (
            "[hub.chat.identity]\nkeys = \"/keys\"\nissuer = \"i\"\naudience = \"a\"\nca = \"/ca\"",
            "ca is set in [hub.chat.identity] in @/file but keys are not fetched by https: remove ca",
        ),
        (
            "[hub.chat.identity]\nrole-claim = \"a\"",
            "unknown setting role-claim in [hub.chat.identity] in @/file: did you mean roles-claim? docs/settings.md \
             lists them all",
        ),
        (
            &format!("{handler}user-event = \"a\""),
            "unknown setting user-event in [[hub.chat.handler]] in @/file: did you mean user-events? docs/settings.md \
             lists them all",
        ),
        (
            &format!("{handler}user-events = \"a b\""),
            "user-events = \"a b\" in [[hub.chat.handler]] in @/file: expected names of events (a letter, then \
             letters, digits, _ . -) or * for all, not \"a b\"",
        ),
        (
            &format!("{handler}system-events = [\"conect\"]"),
            "system-events = \"conect\" in [[hub.chat.handler]] in @/file: expected one of connect, connected, \
             disconnected, not \"conect\"",
        ),
        (
            &format!("{handler}headers = [\"marker\"]"),
            "headers in [[hub.chat.handler]] in @/file: expected a table such as { x-service-key = \"text\" }",
        ),
        (
            &format!("{handler}headers = {{ ce-type = \"marker\" }}"),
            "headers in [[hub.chat.handler]] in @/file: expected no ce-type: the gateway sends that itself",
        ),
        (
            "[hub.chat]\n[[hub.chat.handler]]\nurl = \"ftp://a/?marker\"",
            "url in [[hub.chat.handler]] in @/file: expected a URL such as http://127.0.0.1:3000/events or \
             unix:/run/service.sock:/events, not \"ftp://a/?...\"",
        ),
        (
            "[hub.chat]\nlistener = 1",
            "listener of [hub.chat] in @/file: expected tables [[hub.chat.listener]], not this integer",
        ),
        (
            "[hub.chat]\n[[hub.chat.listener]]\nuser-events = \"*\"",
            "url is missing in [[hub.chat.listener]] in @/file: set it to a server of NATS and a subject",
        ),
        (
            "[hub.chat]\n[[hub.chat.listener]]\nurl = \"http://a/?marker\"",
            "url in [[hub.chat.listener]] in @/file: expected a URL such as nats://127.0.0.1:4222/events or \
             tls://HOST:PORT/a.subject, not \"http://a/?...\"",
        ),
        (
            "[hub.chat]\n[[hub.chat.listener]]\nurl = \"nats://u:marker@a/b\"",
            "url in [[hub.chat.listener]] in @/file: expected no name and password in a URL (credentials names a file \
             with them), not \"...@a/b\"",
        ),
        (
            &format!("{listener}system-events = [\"connect\"]"),
            "connect is in system-events of [[hub.chat.listener]] in @/file, but it waits for an answer, which only a \
             handler gives",
        ),
        (
            &format!("{listener}certificate = [\"/a\", \"/b\"]"),
            "certificate is set in [[hub.chat.listener]] in @/file, but nats:// has no TLS: write tls://, or remove it",
        ),
        (
            &format!("{listener}certificate = \"/a\""),
            "certificate in [[hub.chat.listener]] in @/file has to name two files: the certificate, and its key",
        ),
        (
            "[hub.chat]\n[[hub.chat.listener]]\nurl = [\"nats://a/b\", \"nats://c/d\"]",
            "the urls in [[hub.chat.listener]] in @/file are not servers of one NATS with the same subject",
        ),
        (
            "[hub.chat]\n[[hub.chat.handler]]\nurl = [\"nats://a/b\", \"http://c/\"]",
            "the urls in [[hub.chat.handler]] in @/file are not servers of one NATS with the same subject",
        ),
        (
            &format!("{handler}credentials = \"/a\""),
            "credentials is set in [[hub.chat.handler]] in @/file, but url is none of NATS: remove credentials",
        ),
        (
            "[hub.chat]\nanonymous = true\n[hub.CHAT]\nanonymous = true",
            "the settings file has hubs CHAT and chat, but letter case tells no two hubs apart: rename one",
        ),
        (
            "upstream = \"http://a/\"\n[hub.chat]\nanonymous = true",
            "upstream is for the hub that hub names, but the settings file has tables [hub.NAME]: put it there",
        ),
    ] {
        let refused = folder.refusal_of_file(text);
        assert!(!refused.contains("marker"), "{refused}");
        assert_eq!(refused, sentence);
    }
    let many = |count| (0..count).map(|hub| format!("[hub.h{hub}]\nanonymous = true\n")).collect::<String>();
    assert_eq!(folder.of_file(&many(255)).hubs.len(), 255);
    assert_eq!(folder.refusal_of_file(&many(256)), "the settings file has 256 hubs: 255 are the most");
}

#[test]
fn a_hub_by_flags_and_hubs_of_the_file_at_once_are_refused() {
    let folder = Folder::new();
    folder.write("file", "[hub.chat]\nanonymous = true");
    assert_eq!(
        folder.refusal(&["--config", "@/file", "--hub", "other"], &[]),
        "hub is other, but the settings file has tables [hub.NAME] too: remove one or the other"
    );
    for key in ["upstream", "anonymous"] {
        let flag = format!("--{key}={}", if key == "upstream" { "http://a/" } else { "true" });
        assert_eq!(
            folder.refusal(&["--config", "@/file", &flag], &[]),
            format!(
                "{key} is for the hub that hub names, but the settings file has tables [hub.NAME]: put it there"
            )
        );
        assert_eq!(
            folder.refusal(&[&flag], &[]),
            format!("{key} is set but hub is not: name the hub, such as chat, or remove {key}")
        );
    }
}

#[test]
fn what_makes_no_sense_with_a_hub_is_refused() {
    let folder = Folder::new();
    let hub = ["--hub", "chat", "--anonymous"];
    for (args, sentence) in [
        (
            &["--echo-prefix", "a"][..],
            "echo-prefix is set but there is a hub, so nothing is echoed: remove one of them",
        ),
        (
            &["--paths", "/a"],
            "paths is set but there is a hub, and clients of hubs ask for /client/hubs/NAME only: remove paths",
        ),
        (
            &["--subprotocols", "a"],
            "subprotocols is set but there is a hub, and hubs agree on subprotocols themselves: remove subprotocols",
        ),
        (
            &["--rest-body-bytes-max", "512KiB"],
            "rest-body-bytes-max (512KiB) is less than message-bytes-max (1MiB), so a message of that size could not \
             be sent over REST: raise the first or lower the second",
        ),
        (
            &["--publish-bytes-waiting-max", "1MiB"],
            "publish-bytes-waiting-max (1MiB) is less than outbox-bytes-max (2MiB), so a message that fits an outbox \
             could not be published: raise the first or lower the second",
        ),
        (
            &["--rest", "127.0.0.1:8085"],
            "rest (127.0.0.1:8085) and listen (127.0.0.1:8085) need the same address: change one of them, or put the \
             word listen into rest, which is where clients connect",
        ),
        (
            &["--rest", "127.0.0.1:1,127.0.0.1:1"],
            "rest names 127.0.0.1:1 and 127.0.0.1:1, which take each other's place: remove one, or set ipv6-only if \
             one is [::] and the other is IPv4",
        ),
        (
            &["--rest", "127.0.0.1:9085"],
            "admin (127.0.0.1:9085) and rest (127.0.0.1:9085) need the same port: change one of them, or set admin to \
             off",
        ),
        (
            &["--rest", "on"],
            "--rest \"on\": expected an IP address and a port, such as 127.0.0.1:8085, 0.0.0.0:8085 or [::]:8085, not \
             \"on\"; or listen, for where clients connect; or off",
        ),
        (
            &["--endpoints", "https://a/b"],
            "--endpoints \"https://a/b\": expected the URL of a gateway such as https://chat.example.com, not \
             \"https://a/b\"",
        ),
        (
            &["--hub", "a-b"],
            "--hub \"a-b\": expected a hub's name: a letter, then at most 127 letters, digits and characters of \
             _`,.[]; or off",
        ),
    ] {
        let hub = if args[0] == "--hub" { &hub[2..] } else { &hub[..] };
        assert_eq!(folder.refusal(&[hub, args].concat(), &[]), sentence);
    }
    assert_eq!(
        folder.refusal(&["--rest", "127.0.0.1:1"], &[]),
        "rest names 127.0.0.1:1 but there is no hub, so nothing would be served there: set hub, or remove rest"
    );
}

#[test]
fn a_hub_changes_defaults_and_each_can_still_be_set() {
    let folder = Folder::new();
    let of = |args: &[&str]| {
        let (settings, _) = folder.run(&[&["--hub", "chat", "--anonymous"][..], args].concat(), &[]);
        (settings.head_bytes_max, settings.ping_interval, settings.pings_unanswered_max)
    };
    let kib = 1024;
    assert_eq!(of(&[]), (16 * kib, Some(60 * SECOND), Some(2)));
    assert_eq!(of(&["--ping-interval", "off"]), (16 * kib, None, None));
    assert_eq!(of(&["--pings-unanswered-max", "off"]), (16 * kib, Some(60 * SECOND), None));
    assert_eq!(of(&["--pings-unanswered-max", "5"]), (16 * kib, Some(60 * SECOND), Some(5)));
    assert_eq!(of(&["--head-bytes-max", "8KiB"]), (8 * kib, Some(60 * SECOND), Some(2)));
    let (without, _) = folder.run(&[], &[]);
    assert_eq!(
        (without.head_bytes_max, without.ping_interval, without.pings_unanswered_max),
        (8 * kib, None, None)
    );
}

/// Secrets everywhere they may be.
const SECRETS: &str = r#"
    access-key = "marker-0123456789abcdefghijklmnopqrstuv"
    access-key-secondary = "marker-1123456789abcdefghijklmnopqrstuv"
    admin-token-file = "@/marked"
    [hub.chat]
    [hub.other]
    access-key = "marker-2123456789abcdefghijklmnopqrstuv"
    [[hub.other.handler]]
    url = "http://127.0.0.1:3000/?code=marker"
    headers = { x-code = "marker", x-other = { file = "@/marked" } }
"#;

#[test]
fn secrets_are_in_no_printed_settings_and_no_debug_output() {
    let folder = Folder::new();
    folder.write("marked", "marker-3123456789abcdefghijklmnopqrstuv");
    folder.write("file", SECRETS);
    let flags = ["--config", "@/file"];
    let (settings, sources) = folder.run(&flags, &[]);
    assert!(settings.hubs.iter().flat_map(|hub| &hub.keys).all(|key| key.expose().starts_with("marker")));
    let text = folder.printed(&flags, &[]);
    for (what, text) in [
        ("printed", &text),
        ("Debug", &format!("{settings:?} {sources:?} {:?}", folder.load(&flags, &[]))),
        ("Debug, long", &format!("{settings:#?} {sources:#?}")),
    ] {
        assert!(!text.contains("marker"), "{what}: {text}");
    }
    for line in [
        "# access-key = \"(not shown)\"",
        "# url = [\"http://127.0.0.1:3000/?...\"]",
        "[hub.chat]",
        "[[hub.other.handler]]",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
    let headers =
        format!("{{ x-code = \"(not shown)\", x-other = {{ file = \"{}/marked\" }} }}", folder.path());
    assert!(text.contains(&format!("# headers = {headers}\n")), "{text}");

    let env = [("HOLDFAST_ACCESS_KEY", "marker-0123456789abcdefghijklmnopqrstuv")];
    let flags = ["--hub", "chat", "--upstream", "http://a/?code=marker"];
    let text = folder.printed(&flags, &env);
    assert!(!text.contains("marker") && text.contains("\nhub = \"chat\"\n"), "{text}");
    assert!(!format!("{:?}", folder.run(&flags, &env)).contains("marker"));
}

#[test]
fn printed_hubs_load_again_to_the_same() {
    let folder = Folder::new();
    let settings = folder.of_file(
        r#"
        access-key-file = "@/key"
        [hub.chat]
        slow-service = "close"
        [hub.chat.identity]
        keys = "https://id.example/keys"
        issuer = "https://id.example/"
        audience = ["a", "b"]
        user-claim = "email"
        roles-claim = "scope"
        ca = "/etc/ssl/own"
        [hub.named.identity]
        keys = "keys.json"
        issuer = "id"
        audience = "a"
        groups-claim = "https://x.example/groups"
        [hub."a`,.[]"]
        anonymous = true
        access-key-file = ["@/other", "@/key"]
        upstream-timeout = "1m"
        [[hub."a`,.[]".handler]]
        url = ["http://a/{event}", "unix:/b:/c"]
        system-events = []
        user-events = ["a", "b"]
        headers = { a = { file = "@/key" } }
        [[hub."a`,.[]".handler]]
        url = "http://c"
        "#,
    );
    folder.write("printed", &folder.printed(&["--config", "@/file"], &[]));
    assert_eq!(folder.run(&["--config", "@/printed"], &[]).0, settings);

    let flags = ["--hub", "chat", "--access-key-file", "@/key", "--upstream", "http://a/{hub}"];
    folder.write("printed", &folder.printed(&flags, &[]));
    assert_eq!(folder.run(&["--config", "@/printed"], &[]).0, folder.run(&flags, &[]).0);
}

#[test]
fn a_hub_with_an_identity_provider_needs_no_access_key() {
    let folder = Folder::new();
    let identity = "[hub.chat.identity]\nkeys = \"keys.json\"\nissuer = \"id\"\naudience = [\"a\", \"b\"]\n";
    let settings = folder.of_file(identity);
    let [hub] = &settings.hubs[..] else { panic!("{settings:?}") };
    assert!(hub.keys.is_empty() && !hub.settings.anonymous);
    let identity = hub.settings.identity.as_ref().expect("a provider");
    assert_eq!(identity.audience, ["a", "b"]);
    assert_eq!((&*identity.user_claim, &identity.roles_claim, &identity.groups_claim), ("sub", &None, &None));
    let other = folder.of_file("[hub.chat]\nanonymous = true");
    assert_eq!(other.hubs[0].settings.identity, None);
}

#[test]
fn hubs_are_read_again_as_a_whole_with_their_files() {
    let folder = Folder::new();
    folder.write("file", "access-key-file = \"@/key\"\n[hub.chat]\n");
    let (_, sources) = folder.run(&["--config", "@/file"], &[]);
    folder.write(
        "file",
        "access-key-file = [\"@/other\", \"@/key\"]\n[hub.chat]\nanonymous = true\n[hub.more]\n",
    );
    let hubs = load_hubs(&sources).expect("hubs");
    let found: Vec<_> = hubs.iter().map(|hub| (&*hub.name, hub.settings.anonymous, keys(hub))).collect();
    assert_eq!(found, [("chat", true, vec![OTHER, KEY]), ("more", false, vec![OTHER, KEY])]);

    folder.write("other", "short");
    let said = load_hubs(&sources).expect_err("refused").to_string().replace(folder.path(), "@");
    assert_eq!(said, "access-key-file @/other: expected a key of at least 32 bytes, this has 5");
    folder.write("file", "shards = 0\n[hub.chat]\nanonymous = true");
    let said = load_hubs(&sources).expect_err("refused").to_string().replace(folder.path(), "@");
    assert_eq!(said, "shards = \"0\" in @/file: expected a whole number from 1 to 512");
    folder.write("file", "");
    let said = load_hubs(&sources).expect_err("refused").to_string();
    assert_eq!(
        said,
        "the settings file has no hub any more: name one, or end the gateway and start it without hubs"
    );
}

#[test]
fn the_keys_of_a_hub_by_flags_are_read_again_too() {
    let folder = Folder::new();
    let (_, sources) = folder.run(&["--hub", "chat", "--access-key-file", "@/key"], &[]);
    folder.write("key", OTHER);
    assert_eq!(keys(&load_hubs(&sources).expect("hubs")[0]), [OTHER]);
}

#[test]
fn the_tables_of_the_example_are_those_of_a_hub_when_the_comment_signs_are_taken_off() {
    let folder = Folder::new();
    let example = holdfast::settings::example();
    let (_, tables) = example.split_once("# [hub.NAME]\n").expect("a hub");
    let (hub, tables) = tables.split_once("# [hub.NAME.identity]\n").expect("an identity provider");
    let (identity, tables) = tables.split_once("# [[hub.NAME.handler]]\n").expect("a handler");
    let (handler, listener) = tables.split_once("# [[hub.NAME.listener]]\n").expect("a listener");
    let lines = |table: &str, declared: Vec<Declared>| {
        let of = |setting: &Declared| {
            let start = format!("{} = ", setting.key);
            let mut lines = table.lines().filter_map(|line| line.strip_prefix("# "));
            lines.find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}")).to_owned() + "\n"
        };
        // Where the default is a rule, there stands in quotes what belongs there.
        let values = declared.iter().filter(|setting| setting.sort != DefaultSort::Rule);
        declared.iter().map(of).for_each(drop);
        values.map(of).collect::<String>()
    };
    let hub = lines(hub, hub_declared()).replace("anonymous = false", "anonymous = true");
    let handler = lines(handler, handler_declared());
    let listener = lines(listener, listener_declared());
    let set = "keys = \"/a\"\nissuer = \"a\"\naudience = \"a\"\n";
    let identity = format!("[hub.NAME.identity]\n{set}{}", lines(identity, identity_declared()));
    let handler = format!("[[hub.NAME.handler]]\nurl = \"http://a/\"\n{handler}");
    let listener = format!("[[hub.NAME.listener]]\nurl = \"nats://a/b\"\n{listener}");
    let settings = folder.of_file(&format!("[hub.NAME]\n{hub}{identity}{handler}{listener}"));
    let [hub] = &settings.hubs[..] else { panic!("{settings:?}") };
    let identity = hub.settings.identity.clone().expect("a provider");
    let (keys, issuer, audience) = (identity.keys.clone(), "a".to_owned(), vec!["a".to_owned()]);
    assert_eq!(identity, IdentitySettings { keys, issuer, audience, ..IdentitySettings::default() });
    let expected = HubSettings { anonymous: true, identity: Some(identity), ..HubSettings::default() };
    assert_eq!(hub.settings, expected);
    let url = hub.handlers[0].settings.url.clone();
    assert_eq!(hub.handlers[0].settings, HandlerSettings { url, ..HandlerSettings::default() });
    let url = hub.listeners[0].url.clone();
    assert_eq!(hub.listeners, [ListenerSettings { url, ..ListenerSettings::default() }]);
}
