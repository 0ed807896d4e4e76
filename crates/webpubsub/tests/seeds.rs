//! The seeds of the fuzz targets: replayed here, and made by the test that is ignored.

use std::fs;
use std::path::PathBuf;

use holdfast_webpubsub::fuzz::{
    filter, json_message, key_set, provider_token, rest_path, token, upstream_answer,
};

type Target = fn(&[u8]);
type Seeds = &'static [(&'static str, &'static [u8])];

const TARGETS: [(&str, Target, Seeds); 7] = [
    ("filter", filter, FILTERS),
    ("json_message", json_message, MESSAGES),
    ("key_set", key_set, KEY_SETS),
    ("provider_token", provider_token, PROVIDER_TOKENS),
    ("rest_path", rest_path, PATHS),
    ("token", token, TOKENS),
    ("upstream_answer", upstream_answer, ANSWERS),
];

const FILTERS: Seeds = &[
    ("users", b"userId in ('a', 'b', 'it''s') and 'g' in groups\xFFit's\0c1\0g\0h"),
    ("not", b"not (startswith(userId, 'a') or endswith(connectionId, '1'))\xFFab\0c1"),
    ("numbers", b"length(userId) ge -2 and indexof(userId, 'b') lt length(groups) or true eq false\xFFab"),
    ("texts", b"tolower(concat(trim(userId), 'A')) eq toupper(substring(connectionId, 1, 2))\xFF a \0xyz"),
    ("null", b"userId eq null and length(userId) ne null\xFF\0c"),
];

const MESSAGES: Seeds = &[
    ("join", br#"{"type":"joinGroup","group":"a","ackId":1}"#),
    ("send", br#"{"type":"sendToGroup","group":"a","noEcho":true,"dataType":"json","data":{"a":[1]},"ttlSeconds":9}"#),
    ("event", br#"{"type":"event","event":"e","dataType":"binary","data":"YQ==","ackId":18446744073709551615}"#),
    ("escapes", br#"{"type":"event","event":"e","dataType":"text","data":"\u00fc\n"}"#),
    ("ack", br#"{"type":"sequenceAck","sequenceId":7}"#),
    ("invoke", br#"{"type":"invoke","invocationId":"1","target":"event","event":"e"}"#),
    ("ping", br#"{"type":"ping"}"#),
];

const PATHS: Seeds = &[
    (
        "send",
        b"POST /api/hubs/h/:send?api-version=2024-12-01&excluded=a&excluded=b&filter=userId%20eq%20'a'\xFF{}",
    ),
    ("group", b"PUT /api/hubs/h/groups/a%20b%2F%C3%BC/connections/1"),
    ("list", b"GET /api/hubs/h/groups/g/connections?maxpagesize=5&top=7&continuationToken=x"),
    ("permission", b"HEAD /api/hubs/h/permissions/sendToGroup/connections/1?targetName=g"),
    ("groups", b"POST /api/hubs/h/:addToGroups\xFF{\"groups\":[\"a\"],\"filter\":\"true\"}"),
    ("health", b"HEAD /api/health"),
    ("token", b"POST /api/hubs/h/:generateToken?userId=a&role=r&group=g&minutesToExpire=5"),
    ("client", b"GET /client/hubs/h?access_token=x&webpubsub_mode=sendToGroup&group=g"),
];

const TOKENS: Seeds = &[
    (
        "good",
        b"{\"alg\":\"HS256\"}\xFF{\"aud\":\"http://127.0.0.1:8085/client/hubs/chat\",\
          \"exp\":1900000000,\"sub\":\"u\"}",
    ),
    (
        "lists",
        b"\xFF{\"aud\":[\"http://127.0.0.1:8085/client/hubs/chat\"],\"exp\":1.9e9,\
          \"role\":[\"r\"],\"webpubsub.group\":\"g\"}",
    ),
    ("none", b"{\"alg\":\"none\"}\xFF{}"),
    ("header", b"Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA"),
];

const KEY_SETS: Seeds = &[
    (
        "p256",
        b"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"use\":\"sig\",\"key_ops\":[\"verify\"],\
          \"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\",\
          \"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}]}",
    ),
    (
        "left_out",
        b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},\
          {\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\",\
          \"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}],\"more\":1}",
    ),
    ("none", b"{\"keys\":[]}"),
];

const PROVIDER_TOKENS: Seeds = &[
    (
        "es256",
        b"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"at+jwt\"}\xFF{\"iss\":\"https://id.example/\",\"aud\":[\"chat\"],\
          \"exp\":1900000000,\"sub\":\"ann\",\"scope\":\"a b\"}\xFF0123456789abcdef0123456789abcdef\
          0123456789abcdef0123456789abcdef",
    ),
    ("rs256", b"{\"alg\":\"RS256\",\"kid\":\"r\"}\xFF{\"sub\":\"ann\"}\xFF0"),
    ("jku", b"{\"alg\":\"ES256\",\"jku\":\"https://evil.example/\"}\xFF{}"),
    ("none", b"eyJhbGciOiJub25lIn0.e30."),
];

const ANSWERS: Seeds = &[
    (
        "accept",
        b"\x00application/json\xFFc3RhdGU=\xFF{\"userId\":\"a\",\
          \"groups\":[\"g\"],\"roles\":[],\"subprotocol\":\"p\"}",
    ),
    ("refuse", b"\x05text/plain\xFF\xFFno\x01"),
    ("text", b"\x00text/plain; charset=utf-8\xFF\xFFhello"),
    ("empty", b"\x01"),
    ("origin", b"\x00gateway.example"),
];

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn the_seeds_keep_the_promises() {
    for (name, target, seeds) in TARGETS {
        let files: Vec<_> =
            fs::read_dir(folder(name)).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
        assert!(files.len() >= seeds.len(), "{name}: seeds are missing; the ignored test makes them");
        for file in files {
            target(&fs::read(&file).expect("a seed"));
        }
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn make_the_seeds() {
    for (name, _, seeds) in TARGETS {
        fs::create_dir_all(folder(name)).expect("a folder");
        for (seed, bytes) in seeds {
            fs::write(folder(name).join(seed), bytes).expect("a seed");
        }
    }
}
